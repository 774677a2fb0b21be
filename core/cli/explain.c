/* fabricast explain: what binds, and what more of each resource would buy. */
#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/explain.h"

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

static FabExplanation *
explain(const char *path, const Options *options, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_scenario_load(path, options->sets, error);
    FabProgressLine line;
    FabExplanation *explanation;

    if (scenario == NULL)
        return NULL;
    fab_progress_init(&line, options->quiet);
    explanation = fab_explain(scenario, line.enabled ? fab_progress_update : NULL, &line, error);
    fab_progress_clear(&line);
    if (explanation == NULL && !g_str_has_prefix((*error)->message, scenario->path))
        g_prefix_error(error, "%s: ", scenario->path);
    return explanation;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .sets = NULL };
    const GOptionEntry entries[] = {
        { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.sets, "Any key of the scenario", "GROUP.KEY=VALUE" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options.csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "Show no progress", NULL },
        { 0 },
    };
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(FabExplanation) explanation = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a scenario", error))
        return FAB_EXIT_DONE;
    if (options.json && options.csv) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
        return FAB_EXIT_INPUT;
    }
    output = fab_output_new(options.path, error);
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
