/* fabricast compare: scenarios side by side. */
#include <stdio.h>

#include "base/error.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "report/break-even.h"
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

static bool
write_comparison(int count, char **paths, const FabReportOptions *options, FILE *out, GError **error)
{
    g_autoptr(FabComparison) comparison = compare_all(count, paths, options, error);

    if (comparison == NULL)
        return false;
    if (options->json)
        fab_report_comparison_json(comparison, out);
    else if (options->csv)
        fab_report_comparison_csv(comparison, out);
    else
        fab_report_comparison(comparison, out);
    return true;
}

static bool
write_break_even(int count, char **paths, const char *what, const FabReportOptions *options, FILE *out, GError **error)
{
    FabProgressLine line;
    FabProgress progress = fab_report_options_progress(options, &line);
    g_autoptr(FabBreakEven) even =
        fab_break_even(paths, (guint)count, options->sets, what, progress, &line, error);

    fab_progress_clear(&line);
    if (even == NULL)
        return false;
    if (options->json)
        fab_report_break_even_json(even, out);
    else if (options->csv)
        fab_report_break_even_csv(even, out);
    else
        fab_report_break_even(even, out);
    return true;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabReportOptions) options = { .sets = NULL };
    g_autofree char *what = NULL;
    const GOptionEntry others[] = {
        { "break-even", 0, 0, G_OPTION_ARG_FILENAME, &what, "From which value of a key on one is faster, or cheaper",
          "KEY=LOW:HIGH" },
        { 0 },
    };
    g_autoptr(FabOutput) output = NULL;
    bool good;

    if (!fab_report_options_parse(&options, command, others, "Any key of all the scenarios", &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 2, what != NULL ? 26 : G_MAXINT - 1, "two scenarios or more", error))
        return FAB_EXIT_DONE;
    output = fab_report_options_output(&options, error);
    if (output == NULL)
        return FAB_EXIT_INPUT;
    good = what != NULL
               ? write_break_even(argc - 1, argv + 1, what, &options, fab_output_stream(output), error)
               : write_comparison(argc - 1, argv + 1, &options, fab_output_stream(output), error);
    if (!good)
        return FAB_EXIT_INPUT;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

const FabCommand fab_command_compare = {
    .name = "compare",
    .usage = "SCENARIO SCENARIO...",
    .summary = "Put scenarios side by side: which is faster, what binds, what it costs",
    .run = run,
};
