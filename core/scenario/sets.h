/* Values that the command line gives a scenario. */
#ifndef FAB_SCENARIO_SETS_H
#define FAB_SCENARIO_SETS_H

#include "base/keyfile.h"

/*
 * Puts "group.key=value" texts (NULL-terminated, may be NULL) into the file; "key=value" belongs to what the scenario
 * runs. Of several for one key the last one holds.
 */
bool fab_scenario_apply_sets(FabKeyfile *file, char *const *sets, GError **error);

/*
 * Refuses texts that set `key`, "collective.sizes", which `by` ("[sweep]") varies: whichever of them won, the other's
 * name would lie.
 */
bool fab_scenario_refuse_set(char *const *sets, const char *key, const char *by, GError **error);

#endif
