/* fabricast sweep: one scenario at many points. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "report/sweep.h"
#include "study/sweep-found.h"
#include "study/sweep-inputs.h"
#include "study/sweep-ranks.h"

typedef struct {
    FabReportOptions report;
    gboolean all, merge;
    gint threads;
    char *store, *part;
} Options;

static void
clear_options(Options *options)
{
    fab_report_options_clear(&options->report);
    g_free(options->store);
    g_free(options->part);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

/* ------------------------------------------------------------------ shares */

enum { MOST_PARTS = 1000000 };

/* A variable that Slurm sets for the tasks of an array. */
static bool
slurm_number(const char *name, int64_t *number, GError **error)
{
    const char *text = g_getenv(name);

    if (text != NULL && fab_parse_integer(text, number, NULL) && *number >= 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --part slurm is for tasks of a Slurm array, %s is "
                "\"%.60s\"", name, text != NULL ? text : "not set");
    return false;
}

/* Tasks may be counted from any number in any step; a list with gaps says nothing of the others. */
static bool
slurm_part(int64_t *part, int64_t *parts, GError **error)
{
    int64_t id, first, last, step = 1;

    if (!slurm_number("SLURM_ARRAY_TASK_ID", &id, error) || !slurm_number("SLURM_ARRAY_TASK_COUNT", parts, error) ||
        !slurm_number("SLURM_ARRAY_TASK_MIN", &first, error) || !slurm_number("SLURM_ARRAY_TASK_MAX", &last, error))
        return false;
    if (g_getenv("SLURM_ARRAY_TASK_STEP") != NULL && !slurm_number("SLURM_ARRAY_TASK_STEP", &step, error))
        return false;
    if (step < 1 || last < first || (last - first) / step + 1 != *parts || (id - first) % step != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --part slurm needs an array without gaps, such "
                    "as --array=1-8; for tasks of a list say which share each is: --part 3/8");
        return false;
    }
    *part = (id - first) / step + 1;
    return true;
}

/* "2/4": the second of four shares. */
static bool
parse_share(const char *text, int64_t *part, int64_t *parts, GError **error)
{
    g_auto(GStrv) sides = g_strsplit(text, "/", -1);

    if (strcmp(text, "slurm") == 0)
        return slurm_part(part, parts, error);
    if (g_strv_length(sides) == 2 && fab_parse_integer(sides[0], part, NULL) &&
        fab_parse_integer(sides[1], parts, NULL) && *part >= 1 && *parts >= *part && *parts <= MOST_PARTS)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --part is \"%.60s\", must be a share such as 2/4, or "
                "slurm", text);
    return false;
}

static bool
set_share(const Options *options, FabSweepSpec *spec, GError **error)
{
    int64_t part = 1, parts = 1;

    if (options->threads < 0 || options->threads > 4096) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --threads is %d, must be between 0 and 4096",
                    options->threads);
        return false;
    }
    if (options->part != NULL && !parse_share(options->part, &part, &parts, error))
        return false;
    spec->part = (uint32_t)part;
    spec->parts = (uint32_t)parts;
    spec->threads = (uint32_t)options->threads;
    return true;
}

/* ------------------------------------------------------------------ filling the store */

/* What one process knows of a sweep; of several only rank 0 has a store and an output. */
typedef struct {
    const Options *options;
    FabRanks *ranks; /* NULL: one process */
    FabSweepSpec spec;
    FabSweep *sweep;
    GPtrArray *inputs;
    FabOutput *output;
    FabStore *store;
} Plan;

static void
plan_clear(Plan *plan)
{
    fab_store_close(plan->store);
    fab_output_free(plan->output);
    g_clear_pointer(&plan->inputs, g_ptr_array_unref);
    fab_sweep_free(plan->sweep);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

static bool
run_points(const Plan *plan, GError **error)
{
    FabProgress progress;
    FabProgressLine line;
    uint64_t found = 0;
    double seconds;
    bool good;

    progress = fab_report_options_progress(&plan->options->report, &line);
    good = plan->ranks != NULL ? fab_sweep_lead(plan->ranks, &plan->spec, plan->inputs, plan->store, &found, progress,
                                                &line, error)
                               : fab_sweep_run(&plan->spec, plan->store, &found, progress, &line, error);
    fab_progress_clear(&line);
    seconds = (double)(g_get_monotonic_time() - line.start_us) * 1e-6;
    if (good && line.enabled && found > 0)
        fprintf(stderr, "%" G_GUINT64_FORMAT " points in %.1f s, %.3g a second\n", found, seconds,
                (double)found / seconds);
    return good;
}

/* Takes the points of the stores named on the command line; nothing is run. */
static bool
merge_stores(FabStore *store, GPtrArray *inputs, char *const *paths, GError **error)
{
    for (; *paths != NULL; paths++) {
        uint64_t added;
        if (!fab_store_merge(store, *paths, inputs, &added, error))
            return false;
    }
    return true;
}

static int
write_report(const FabSweepSpec *spec, FabStore *store, const Options *options, FabOutput *output, GError **error)
{
    g_autoptr(FabSweepFound) found = fab_sweep_found_new(spec->sweep, store, options->store, error);
    FILE *out = fab_output_stream(output);

    if (found == NULL)
        return FAB_EXIT_INPUT;
    if (options->report.json)
        fab_report_sweep_json(found, out);
    else if (options->report.csv)
        fab_report_sweep_csv(found, out);
    else
        fab_report_sweep(found, options->all, out);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static bool
check_options(const Plan *plan, int argc, GError **error)
{
    const Options *options = plan->options;
    const char *wrong =
        options->store != NULL && options->store[0] == '\0' ? "--store is empty, must name a file such as points.db"
        : options->merge && argc < 3                            ? "--merge needs stores after the scenario"
        : options->merge && options->part != NULL               ? "--merge and --part exclude each other"
        : options->merge && plan->ranks != NULL                 ? "--merge is work for one process"
        : options->part != NULL && plan->ranks != NULL ? "--part is not for processes that share the points already"
        : argc > 2 && !options->merge                  ? "a sweep takes one scenario; stores are joined with --merge"
                                                       : NULL;

    if (wrong == NULL)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s", wrong);
    return false;
}

static bool
prepare(Plan *plan, int argc, char **argv, GError **error)
{
    const Options *options = plan->options;
    bool writes = plan->ranks == NULL || plan->ranks->rank == 0;

    if (!check_options(plan, argc, error) || !set_share(options, &plan->spec, error))
        return false;
    if (plan->ranks != NULL && plan->spec.threads == 0)
        plan->spec.threads = fab_ranks_threads(plan->ranks);
    plan->spec.path = argv[1];
    plan->spec.sets = options->report.sets;
    plan->spec.sweep = plan->sweep = fab_sweep_load(argv[1], options->report.sets, error);
    if (plan->sweep == NULL || (writes && (plan->output = fab_report_options_output(&options->report, error)) == NULL))
        return false;
    plan->inputs = fab_sweep_inputs(argv[1], options->report.sets, plan->sweep);
    if (writes && !fab_output_check_inputs(plan->output, error))
        return false;
    if (writes)
        plan->store = fab_store_open(options->store, plan->sweep->name, plan->inputs, options->part != NULL,
                                     error);
    return !writes || plan->store != NULL;
}

/* One process, or rank 0 of several, whose others end with it in any case. */
static int
lead(Plan *plan, int argc, char **argv, GError **error)
{
    bool good = prepare(plan, argc, argv, error);

    if (!good && plan->ranks != NULL)
        fab_sweep_call_off(plan->ranks);
    good = good && (plan->options->merge ? merge_stores(plan->store, plan->inputs, argv + 2, error)
                                         : run_points(plan, error));
    if (plan->ranks != NULL)
        plan->ranks->finish(plan->ranks);
    return good ? write_report(&plan->spec, plan->store, plan->options, plan->output, error) : FAB_EXIT_INPUT;
}

/* What goes wrong is rank 0's to say. */
static void
follow(Plan *plan, int argc, char **argv)
{
    g_autoptr(GError) trouble = NULL;

    prepare(plan, argc, argv, &trouble);
    fab_sweep_follow(plan->ranks, &plan->spec, plan->inputs, trouble);
    plan->ranks->finish(plan->ranks);
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .store = NULL };
    g_auto(Plan) plan = { .options = &options };
    const GOptionEntry others[] = {
        { "store", 0, 0, G_OPTION_ARG_FILENAME, &options.store, "Keep what is found, and go on where it stopped",
          "FILE" },
        { "part", 0, 0, G_OPTION_ARG_STRING, &options.part, "Run only a share of the points: 2/4, or slurm", "I/N" },
        { "merge", 0, 0, G_OPTION_ARG_NONE, &options.merge, "Run nothing, join the stores after the scenario", NULL },
        { "threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "Threads; default: one for each core", "N" },
        { "all", 0, 0, G_OPTION_ARG_NONE, &options.all, "Print all points, not only the front", NULL },
        { 0 },
    };

    if (!fab_report_options_parse(&options.report, command, others, "Any key of the scenario", &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, G_MAXINT - 1, "a scenario", error))
        return FAB_EXIT_DONE;
    if (!fab_ranks_find(&plan.ranks, error))
        return FAB_EXIT_INPUT;
    if (plan.ranks == NULL || plan.ranks->rank == 0)
        return lead(&plan, argc, argv, error);
    follow(&plan, argc, argv);
    return FAB_EXIT_DONE;
}

const FabCommand fab_command_sweep = {
    .name = "sweep",
    .usage = "SCENARIO [--merge STORE...]",
    .summary = "Run a scenario at many points: grids, samples, the Pareto front of time and cost",
    .run = run,
};
