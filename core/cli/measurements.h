/* Which measurements a sub-command is about. */
#ifndef FAB_CLI_MEASUREMENTS_H
#define FAB_CLI_MEASUREMENTS_H

#include <glib.h>

/*
 * FabMeasurement of key files, folders of them and ids of the open set, each once; all of the open set for no words.
 * `words` ends with NULL. Reads all before anything runs. Owned by the caller.
 */
GPtrArray *fab_cli_measurements(char *const *words, GError **error);

#endif
