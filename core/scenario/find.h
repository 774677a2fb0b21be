/* Scenario files: where they lie, and what they are called. */
#ifndef FAB_SCENARIO_FIND_H
#define FAB_SCENARIO_FIND_H

#include <glib.h>

/* `path` where there is such a file, else the scenario of that name shipped with the program. Owned by the caller. */
char *fab_scenario_find(const char *path, GError **error);

/* all-reduce.ini is called all-reduce unless it says otherwise. Owned by the caller. */
char *fab_scenario_name_of(const char *path);

#endif
