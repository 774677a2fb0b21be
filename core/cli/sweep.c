/* fabricast sweep: one scenario at many points. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/sweep.h"

typedef struct {
    gboolean json, csv, all, quiet;
    gint threads;
    char **sets;
    char *path, *store, *part;
} Options;

static void
clear_options(Options *options)
{
    g_strfreev(options->sets);
    g_free(options->path);
    g_free(options->store);
    g_free(options->part);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

/* "2/4": the second of four shares. */
static bool
parse_part(const Options *options, FabSweepSpec *spec, GError **error)
{
    g_auto(GStrv) sides = g_strsplit(options->part != NULL ? options->part : "1/1", "/", -1);
    int64_t part = 0, parts = 0;

    if (g_strv_length(sides) != 2 || !fab_parse_integer(sides[0], &part, NULL) ||
        !fab_parse_integer(sides[1], &parts, NULL) || part < 1 || parts < part || parts > 1000000) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --part is \"%.60s\", must be a share such as 2/4",
                    options->part);
        return false;
    }
    if (options->threads < 0 || options->threads > 4096) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --threads is %d, must be between 0 and 4096",
                    options->threads);
        return false;
    }
    spec->part = (uint32_t)part;
    spec->parts = (uint32_t)parts;
    spec->threads = (uint32_t)options->threads;
    return true;
}

static bool
run_points(const FabSweepSpec *spec, FabStore *store, bool quiet, GError **error)
{
    FabProgressLine line;
    bool good;

    fab_progress_init(&line, quiet);
    good = fab_sweep_run(spec, store, line.enabled ? fab_progress_update : NULL, &line, error);
    fab_progress_clear(&line);
    return good;
}

/* One currency, or none: costs of two cannot be put in order. */
static bool
check_currency(GPtrArray *rows, GError **error)
{
    for (guint i = 1; i < rows->len; i++) {
        const FabStoreRow *first = rows->pdata[0], *row = rows->pdata[i];
        if (g_strcmp0(first->currency, row->currency) == 0)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "the points have prices in %s and in %s, must be one currency",
                    first->currency != NULL ? first->currency : "none", row->currency != NULL ? row->currency : "none");
        return false;
    }
    return true;
}

static int
write_report(const FabSweepSpec *spec, FabStore *store, const Options *options, FabOutput *output, GError **error)
{
    g_autoptr(GPtrArray) rows = fab_store_rows(store, error);
    g_autofree bool *front = rows != NULL ? g_new0(bool, rows->len + 1) : NULL;
    g_autofree bool *done = g_new0(bool, spec->sweep->points);
    g_autofree char *reason = NULL;
    FabSweepReport report = { .sweep = spec->sweep, .rows = rows, .front = front };
    FILE *out;

    if (rows == NULL || !fab_store_done(store, done, spec->sweep->points, &report.done, error) ||
        !fab_store_refused(store, &report.refused, &reason, error) || !check_currency(rows, error))
        return FAB_EXIT_INPUT;
    if (rows->len == 0 && report.refused > 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "no point of the sweep is possible: %s", reason);
        return FAB_EXIT_INPUT;
    }
    report.reason = reason;
    fab_sweep_front(rows, front);
    out = fab_output_stream(output);
    if (options->json)
        fab_report_sweep_json(&report, out);
    else if (options->csv)
        fab_report_sweep_csv(&report, out);
    else
        fab_report_sweep(&report, options->all, out);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .sets = NULL };
    const GOptionEntry entries[] = {
        { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.sets, "Any key of the scenario", "GROUP.KEY=VALUE" },
        { "store", 0, 0, G_OPTION_ARG_FILENAME, &options.store, "Keep what is found, and go on where it stopped",
          "FILE" },
        { "part", 0, 0, G_OPTION_ARG_STRING, &options.part, "Run only a share of the points: 2/4", "I/N" },
        { "threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "Threads; default: one for each core", "N" },
        { "all", 0, 0, G_OPTION_ARG_NONE, &options.all, "Print all points, not only the front", NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options.csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autoptr(FabSweep) sweep = NULL;
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(FabStore) store = NULL;
    FabSweepSpec spec = { .sets = NULL };

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a scenario", error))
        return FAB_EXIT_DONE;
    if (options.json && options.csv) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
        return FAB_EXIT_INPUT;
    }
    sweep = parse_part(&options, &spec, error) ? fab_sweep_load(argv[1], options.sets, error) : NULL;
    output = sweep != NULL ? fab_output_new(options.path, error) : NULL;
    if (output == NULL)
        return FAB_EXIT_INPUT;
    spec.path = argv[1];
    spec.sets = options.sets;
    spec.sweep = sweep;
    store = fab_store_open(options.store, sweep->text, options.part != NULL, error);
    if (store == NULL || !run_points(&spec, store, options.quiet, error))
        return FAB_EXIT_INPUT;
    return write_report(&spec, store, &options, output, error);
}

const FabCommand fab_command_sweep = {
    .name = "sweep",
    .usage = "SCENARIO",
    .summary = "Run a scenario at many points: grids, samples, the Pareto front of time and cost",
    .run = run,
};
