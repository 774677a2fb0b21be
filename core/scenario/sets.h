/* Values that the command line gives a scenario. */
#ifndef FAB_SCENARIO_SETS_H
#define FAB_SCENARIO_SETS_H

#include "base/keyfile.h"

/*
 * Puts "group.key=value" texts (NULL-terminated, may be NULL) into the file; "key=value" belongs to what the scenario
 * runs.
 */
bool fab_scenario_apply_sets(FabKeyfile *file, char *const *sets, GError **error);

#endif
