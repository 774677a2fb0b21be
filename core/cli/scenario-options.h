/* The options by which sub-commands are told what to run: scenario files, keys of them, or both. */
#ifndef FAB_CLI_SCENARIO_OPTIONS_H
#define FAB_CLI_SCENARIO_OPTIONS_H

#include "cli/cli.h"
#include "scenario/scenario.h"

/* Options that stand for a key; with --set, and without an empty entry at the end. */
enum { FAB_SCENARIO_KEYS = 17, FAB_SCENARIO_ENTRIES = FAB_SCENARIO_KEYS + 1 };

typedef struct {
    char *values[FAB_SCENARIO_KEYS]; /* NULL: not given */
    char **given_sets;               /* of --set */
    GPtrArray *sets;                 /* both as "key=value", NULL at the end */
} FabScenarioOptions;

/* Fills the first FAB_SCENARIO_ENTRIES entries of a table; what they are given lands in `options`. */
void fab_scenario_options_list(FabScenarioOptions *options, GOptionEntry entries[FAB_SCENARIO_ENTRIES]);
void fab_scenario_options_clear(FabScenarioOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabScenarioOptions, fab_scenario_options_clear)

/* After the options were parsed: an error when neither they nor arguments say what to run. */
bool fab_scenario_options_collect(FabScenarioOptions *options, const FabCommand *command, int argc, char **argv,
                                  GError **error);

/*
 * Reads `count` files (FabScenario), all before the first one runs, with the options on top; without a file the options
 * alone say what to run. Owned by the caller; NULL with an error.
 */
GPtrArray *fab_scenario_options_load(const FabScenarioOptions *options, int count, char **paths, GError **error);

/* What the stages below the scenario refuse does not say which scenario, or which option, asked for it. */
void fab_scenario_options_blame(const FabScenarioOptions *options, const FabScenario *scenario, GError **error);

#endif
