/* Runs again and again with other constants, for calibration. */
#include <string.h>

#include "predict/cost.h"
#include "predict/depth.h"
#include "predict/run-private.h"

/* What one size took with one set of costs. */
typedef struct {
    FabExecution execution;
    FabEngineReport report; /* without `carried` */
} Known;

struct FabRepeat {
    FabRun run;
    GArray **known; /* Known, by size */
};

/* How many sets of costs are remembered for a size: those of a round of derivatives. */
#define MOST_KNOWN 64

FabRepeat *
fab_repeat_new(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    FabRepeat *repeat = g_new0(FabRepeat, 1);

    repeat->known = g_new(GArray *, scenario->size_count);
    for (uint32_t i = 0; i < scenario->size_count; i++)
        repeat->known[i] = g_array_new(FALSE, FALSE, sizeof(Known));
    if (fab_run_init(&repeat->run, scenario, topology, NULL, error) && fab_run_check_work(&repeat->run, error))
        return repeat;
    fab_repeat_free(repeat);
    return NULL;
}

void
fab_repeat_free(FabRepeat *repeat)
{
    if (repeat == NULL)
        return;
    for (uint32_t i = 0; i < repeat->run.scenario->size_count; i++)
        g_array_unref(repeat->known[i]);
    g_free(repeat->known);
    fab_run_clear(&repeat->run);
    g_free(repeat);
}

/* A known report with the same costs. Padding may differ by chance, which costs a run and nothing else. */
static const FabEngineReport *
recall(const GArray *known, const FabExecution *execution)
{
    for (guint i = 0; i < known->len; i++) {
        const Known *one = &g_array_index(known, Known, i);
        if (memcmp(&one->execution, execution, sizeof *execution) == 0)
            return &one->report;
    }
    return NULL;
}

static bool
repeat_size(const FabRepeat *repeat, uint32_t index, int64_t *time_ps, GError **error)
{
    const FabRun *run = &repeat->run;
    GArray *known = repeat->known[index];
    FabCost cost = { .scenario = run->scenario, .facts = &run->facts, .constants = run->constants };
    const FabEngineReport *report;
    uint64_t size = run->scenario->sizes[index];
    FabPlan plan;

    if (!fab_choose(&run->facts, run->collective, size, &run->wishes, &plan, error))
        return false;
    Known fresh = { .execution = fab_cost_execution(&cost, &plan) };
    /* What a shared device costs is not among these costs, so it is always run. */
    report = run->topology->shared == FAB_VERTEX_NONE ? recall(known, &fresh.execution) : NULL;
    if (report == NULL) {
        FabDepth depth;
        g_autoptr(FabProgram) program = fab_run_program(run, size, &plan, error);
        if (program == NULL || !fab_depth_simulate(run, size, &plan, program, &depth, &fresh.report, error))
            return false;
        fab_engine_report_clear(&fresh.report);
        if (known->len >= MOST_KNOWN)
            g_array_remove_index(known, 0);
        g_array_append_val(known, fresh);
        report = &fresh.report;
    }
    *time_ps = fab_run_clock_ps(run, &plan, report, NULL);
    return true;
}

bool
fab_repeat_run(FabRepeat *repeat, const FabConstants *constants, int64_t *time_ps, GError **error)
{
    const FabScenario *scenario = repeat->run.scenario;
    bool good = true;

    repeat->run.constants = constants;
    for (uint32_t i = 0; i < scenario->size_count && good; i++)
        good = repeat_size(repeat, i, &time_ps[i], error);
    repeat->run.constants = fab_constants_shipped();
    return good;
}
