#include "predict/folded.h"

#include <string.h>

#include "base/error.h"
#include "predict/work.h"

/* Fewer ranks are simulated one by one unless folding is asked for: that is quick, and shows what each does. */
enum { LEAST_RANKS = 512 };

/* Scenarios of other kinds, whose collectives run too, wish nothing. */
static bool
wishes(const FabRun *run, const char *word)
{
    return strcmp(run->scenario->fold != NULL ? run->scenario->fold : "auto", word) == 0;
}

/* NULL, with the reason, when ranks differ. */
static FabFold *
try_fold(const FabRun *run, const FabProgram *program, char **why)
{
    if (run->topology->shared != FAB_VERTEX_NONE || run->ranks < 2) {
        *why = g_strdup("its ranks are parts of one device");
        return NULL;
    }
    if (run->pace != NULL || run->late_ps != NULL || run->change_count > 0) {
        *why = g_strdup("faults tell its ranks apart");
        return NULL;
    }
    if (run->topology->network.lossless) {
        *why = g_strdup("flow_control is lossless, where one full port may slow some of its ranks and not others");
        return NULL;
    }
    return fab_fold_new(run->router, program, run->gpus, why);
}

bool
fab_run_fold(const FabRun *run, const FabProgram *program, FabFold **fold, GError **error)
{
    g_autofree char *why = NULL;

    *fold = NULL;
    if (wishes(run, "off") || (!wishes(run, "on") && run->ranks < LEAST_RANKS && !run->part))
        return true;
    *fold = try_fold(run, program, &why);
    if (*fold != NULL || !wishes(run, "on"))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [collective] fold is on, but no rank can stand for others, because %s; take fold=auto or off",
                run->scenario->path, why);
    return false;
}

double
fab_run_memory(const FabRun *run, const FabProgram *program)
{
    return fab_work_memory(program, run->facts.nodes > 1 ? run->facts.local : 0);
}

double
fab_run_relief(const FabRun *run, const FabProgram *program)
{
    g_autofree char *why = NULL;
    g_autoptr(FabFold) fold = NULL;

    if (wishes(run, "off") || fab_work_is_allowed(fab_work_least(program), fab_run_memory(run, program)))
        return 1;
    fold = try_fold(run, program, &why);
    return fold != NULL ? fab_fold_times(fold) : 1;
}

uint32_t
fab_run_folds_to(const FabRun *run, const FabProgram *program)
{
    g_autofree char *why = NULL;
    g_autoptr(FabFold) fold = try_fold(run, program, &why);

    return fold != NULL ? run->ranks / fab_fold_times(fold) : run->ranks;
}

static void
add_once(GPtrArray *notes, char *note)
{
    for (guint i = 0; i < notes->len; i++) {
        if (strcmp(notes->pdata[i], note) == 0) {
            g_free(note);
            return;
        }
    }
    g_ptr_array_add(notes, note);
}

void
fab_run_note_fold(const FabRun *run, const FabEngineReport *report, FabResult *result)
{
    if (report->simulated > 0)
        add_once(result->notes,
                 g_strdup_printf("folded: %u of %u ranks are simulated, each for %u that do the same at the same time",
                                 report->simulated, run->ranks, run->ranks / report->simulated));
    if (report->repeated > 0)
        add_once(result->notes, g_strdup("repeated: once all ranks do again what they did before, as much later, the "
                                         "steps that are left alike are taken at once"));
}
