/* fabricast compare: scenarios side by side. */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/compare.h"

typedef struct {
    gboolean json, csv, quiet;
    char **sets;
    char *path;
} Options;

static void
clear_options(Options *options)
{
    g_strfreev(options->sets);
    g_free(options->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

static FabComparison *
compare_all(int count, char **paths, const Options *options, GError **error)
{
    g_autoptr(GPtrArray) scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free);
    FabProgressLine line;
    FabComparison *comparison;

    for (int i = 0; i < count; i++) {
        FabScenario *scenario = fab_scenario_load(paths[i], options->sets, error);
        if (scenario == NULL)
            return NULL;
        g_ptr_array_add(scenarios, scenario);
    }
    fab_progress_init(&line, options->quiet);
    comparison = fab_compare(scenarios, line.enabled ? fab_progress_update : NULL, &line, error);
    fab_progress_clear(&line);
    return comparison;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .sets = NULL };
    const GOptionEntry entries[] = {
        { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.sets, "Any key of all the scenarios", "GROUP.KEY=VALUE" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options.csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(FabComparison) comparison = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 2, G_MAXINT - 1, "two scenarios or more", error))
        return FAB_EXIT_DONE;
    if (options.json && options.csv) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
        return FAB_EXIT_INPUT;
    }
    output = fab_output_new(options.path, error);
    comparison = output != NULL ? compare_all(argc - 1, argv + 1, &options, error) : NULL;
    if (comparison == NULL)
        return FAB_EXIT_INPUT;
    if (options.json)
        fab_report_comparison_json(comparison, fab_output_stream(output));
    else if (options.csv)
        fab_report_comparison_csv(comparison, fab_output_stream(output));
    else
        fab_report_comparison(comparison, fab_output_stream(output));
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

const FabCommand fab_command_compare = {
    .name = "compare",
    .usage = "SCENARIO SCENARIO...",
    .summary = "Put scenarios side by side: which is faster, what binds, what it costs",
    .run = run,
};
