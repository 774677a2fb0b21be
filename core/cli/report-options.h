/* The options of sub-commands that print a report: in which form, where to, what is set over the scenarios. */
#ifndef FAB_CLI_REPORT_OPTIONS_H
#define FAB_CLI_REPORT_OPTIONS_H

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "scenario/scenario.h"
#include "predict/run.h"

typedef struct {
    gboolean json, csv, quiet;
    char *path;  /* of --output; NULL: standard output */
    char **sets; /* of --set, as fab_scenario_load() takes them */
} FabReportOptions;

void fab_report_options_clear(FabReportOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabReportOptions, fab_report_options_clear)

/*
 * Parses these and the sub-command's own, `others`, which end with an empty entry. `set_help` says what --set changes;
 * NULL: there is no --set here. False without an error: help was asked for and has been printed.
 */
bool fab_report_options_parse(FabReportOptions *options, const FabCommand *command, const GOptionEntry *others,
                              const char *set_help, int *argc, char ***argv, GError **error);

/* Reads a scenario with what is set over it; says that its [sweep] is left out, unless --quiet. NULL with an error. */
FabScenario *fab_report_options_load(const FabReportOptions *options, const char *path, GError **error);

/* Where the report goes; lines of a table fit a terminal. NULL with an error. */
FabOutput *fab_report_options_output(const FabReportOptions *options, GError **error);

/* Makes the user of a progress function ready and returns the function; NULL where none is shown, as with --quiet. */
FabProgress fab_report_options_progress(const FabReportOptions *options, FabProgressLine *line);

/* Says on standard error that the [sweep] of a scenario is not run here. */
void fab_cli_remark_sweep(const FabScenario *scenario);

#endif
