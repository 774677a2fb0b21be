/* fabricast explain: what binds, and what more of each resource would buy. */

#include "base/error.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "report/explain.h"

static FabExplanation *
explain(const char *path, const FabReportOptions *options, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_report_options_load(options, path, error);
    FabProgressLine line;
    FabExplanation *explanation;

    if (scenario == NULL)
        return NULL;
    explanation = fab_explain(scenario, fab_report_options_progress(options, &line), &line, error);
    fab_progress_clear(&line);
    if (explanation == NULL && !g_str_has_prefix((*error)->message, scenario->path))
        g_prefix_error(error, "%s: ", scenario->path);
    return explanation;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabReportOptions) options = { .sets = NULL };
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(FabExplanation) explanation = NULL;

    if (!fab_report_options_parse(&options, command, NULL, "Any key of the scenario", &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a scenario", error))
        return FAB_EXIT_DONE;
    output = fab_report_options_output(&options, error);
    explanation = output != NULL ? explain(argv[1], &options, error) : NULL;
    if (explanation == NULL)
        return FAB_EXIT_INPUT;
    if (options.json)
        fab_report_explanation_json(explanation, fab_output_stream(output));
    else if (options.csv)
        fab_report_explanation_csv(explanation, fab_output_stream(output));
    else
        fab_report_explanation(explanation, fab_output_stream(output));
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

const FabCommand fab_command_explain = {
    .name = "explain",
    .usage = "SCENARIO",
    .summary = "Say what binds, and what a tenth more of each resource would buy",
    .run = run,
};
