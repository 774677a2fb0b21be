/* fabricast measure: predicts a scenario and runs it on the GPUs here. */
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/scenario-options.h"
#include "report/measured.h"

typedef struct {
    FabScenarioOptions scenario;
    char *program, *path;
    char **more;
    gboolean json, quiet;
} Options;

static void
clear_options(Options *options)
{
    fab_scenario_options_clear(&options->scenario);
    g_free(options->program);
    g_free(options->path);
    g_strfreev(options->more);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

enum { OTHER_OPTIONS = 6 };

static void
list_entries(GOptionEntry entries[FAB_SCENARIO_ENTRIES + OTHER_OPTIONS], Options *options)
{
    const GOptionEntry others[OTHER_OPTIONS] = {
        { "program-path", 0, 0, G_OPTION_ARG_FILENAME, &options->program,
          "The program that measures; default: fabricast-measure, wherever PATH has it", "FILE" },
        { "pass", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->more, "One more option for it: --pass=--repeats=50",
          "OPTION" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "Show no progress", NULL },
        { 0 },
    };

    fab_scenario_options_list(&options->scenario, entries);
    memcpy(entries + FAB_SCENARIO_ENTRIES, others, sizeof others);
}

static void
go_on(int number)
{
    (void)number;
}

/*
 * Ctrl-C goes to the program that measures, too, which ends by itself and says so. Here it is only noted, so that
 * nothing is left behind; a handler, unlike a signal that is ignored, is not handed on.
 */
static void
leave_signals(struct sigaction *before)
{
    struct sigaction action = { .sa_handler = go_on, .sa_flags = SA_RESTART };

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, before);
}

static FabMeasured *
measure(const Options *options, const FabScenario *scenario, GError **error)
{
    const char *program = options->program != NULL ? options->program : "fabricast-measure";
    FabProgressLine line;
    FabMeasured *measured;
    struct sigaction before;

    fab_progress_init(&line, options->quiet);
    leave_signals(&before);
    measured = fab_measured_run(scenario, program, (const char *const *)options->more,
                                line.enabled ? fab_progress_update : NULL, &line, error);
    sigaction(SIGINT, &before, NULL);
    fab_progress_clear(&line);
    if (measured == NULL && !g_str_has_prefix((*error)->message, program))
        fab_scenario_options_blame(&options->scenario, scenario, error);
    return measured;
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(Options) options = { .path = NULL };
    GOptionEntry entries[FAB_SCENARIO_ENTRIES + OTHER_OPTIONS];
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GPtrArray) scenarios = NULL;
    g_autoptr(FabMeasured) measured = NULL;
    FILE *out;

    list_entries(entries, &options);
    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 0, 1, "a scenario", error) ||
        !fab_scenario_options_collect(&options.scenario, command, argc, argv, error))
        return FAB_EXIT_DONE;
    output = options.json ? fab_output_new(options.path, error) : fab_output_new_for_eyes(options.path, error);
    scenarios = output != NULL ? fab_scenario_options_load(&options.scenario, argc - 1, argv + 1, error) : NULL;
    measured = scenarios != NULL ? measure(&options, scenarios->pdata[0], error) : NULL;
    if (measured == NULL)
        return FAB_EXIT_INPUT;
    out = fab_output_stream(output);
    if (!(options.json ? fab_report_measured_json(measured, out, error) : fab_report_measured(measured, out, error)) ||
        !fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    return measured->wrong != NULL ? FAB_EXIT_NO : FAB_EXIT_DONE;
}

const FabCommand fab_command_measure = {
    .name = "measure",
    .usage = "[SCENARIO]",
    .summary = "Predict a scenario and run it on the GPUs here, side by side",
    .run = run,
};
