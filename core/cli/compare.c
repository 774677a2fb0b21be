/* fabricast compare: scenarios side by side. */
#include <stdio.h>

#include "base/error.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "report/compare.h"

static FabComparison *
compare_all(int count, char **paths, const FabReportOptions *options, GError **error)
{
    g_autoptr(GPtrArray) scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free);
    FabProgressLine line;
    FabComparison *comparison;

    for (int i = 0; i < count; i++) {
        FabScenario *scenario = fab_report_options_load(options, paths[i], error);
        if (scenario == NULL)
            return NULL;
        g_ptr_array_add(scenarios, scenario);
    }
    comparison = fab_compare(scenarios, fab_report_options_progress(options, &line), &line, error);
    fab_progress_clear(&line);
    return comparison;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabReportOptions) options = { .sets = NULL };
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(FabComparison) comparison = NULL;

    if (!fab_report_options_parse(&options, command, NULL, "Any key of all the scenarios", &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 2, G_MAXINT - 1, "two scenarios or more", error))
        return FAB_EXIT_DONE;
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
