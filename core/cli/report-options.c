#include "cli/report-options.h"

#include <stdio.h>

#include "base/error.h"

void
fab_report_options_clear(FabReportOptions *options)
{
    g_free(options->path);
    g_strfreev(options->sets);
}

/* --set, the sub-command's own, and the form of the report. Owned by the caller. */
static GArray *
list_entries(FabReportOptions *options, const GOptionEntry *others, const char *set_help)
{
    const GOptionEntry set = FAB_CLI_SET_KEY(&options->sets, set_help);
    const GOptionEntry form[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL },
        { "csv", 0, 0, G_OPTION_ARG_NONE, &options->csv, "Print CSV", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options->path, "Write to a file", "FILE" },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "Show no progress and no remarks", NULL },
        { "no-progress", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options->quiet, "The same as --quiet", NULL },
    };
    GArray *entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));

    if (set_help != NULL)
        g_array_append_val(entries, set);
    for (; others != NULL && others->long_name != NULL; others++)
        g_array_append_vals(entries, others, 1);
    g_array_append_vals(entries, form, G_N_ELEMENTS(form));
    return entries;
}

bool
fab_report_options_parse(FabReportOptions *options, const FabCommand *command, const GOptionEntry *others,
                         const char *set_help, int *argc, char ***argv, GError **error)
{
    g_autoptr(GArray) entries = list_entries(options, others, set_help);

    if (!fab_cli_parse(command, (const GOptionEntry *)(void *)entries->data, argc, argv, error))
        return false;
    if (!options->json || !options->csv)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --json and --csv exclude each other");
    return false;
}

void
fab_cli_remark_sweep(const FabScenario *scenario)
{
    fprintf(stderr, "fabricast: %s: its [sweep] is left out, `fabricast sweep` runs it\n", scenario->path);
}

FabScenario *
fab_report_options_load(const FabReportOptions *options, const char *path, GError **error)
{
    FabScenario *scenario = fab_scenario_load(path, options->sets, error);

    if (scenario != NULL && scenario->has_sweep && !options->quiet)
        fab_cli_remark_sweep(scenario);
    return scenario;
}

FabOutput *
fab_report_options_output(const FabReportOptions *options, GError **error)
{
    return options->json || options->csv ? fab_output_new(options->path, error)
                                         : fab_output_new_for_eyes(options->path, error);
}

FabProgress
fab_report_options_progress(const FabReportOptions *options, FabProgressLine *line)
{
    fab_progress_init(line, options->quiet);
    return line->enabled ? fab_progress_update : NULL;
}
