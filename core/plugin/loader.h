/* Finds, opens and checks topology plugins. A plugin that breaks the rules is refused with a sentence. */
#ifndef FAB_PLUGIN_LOADER_H
#define FAB_PLUGIN_LOADER_H

#include <glib.h>

#include <fabricast/plugin.h>

/*
 * The plugin `name`, opened once and kept. Searched in --plugin-dir folders, FABRICAST_PLUGIN_PATH
 * (':'-separated), the install folder and, in a build tree, the build's plugins/.
 */
const FabTopologyPlugin *fab_plugin_load(const char *name, GError **error);

/* The file of the plugin `name`, as fab_plugin_load() finds it; NULL: there is none. Owned by the caller. */
char *fab_plugin_find(const char *name);

/* Opens one file. For tests and `fabricast plugin info ./x.so`. */
const FabTopologyPlugin *fab_plugin_load_file(const char *path, GError **error);

/* Names of all plugins found, sorted, NULL-terminated. g_strfreev(). */
char **fab_plugin_list(void);

/* Adds a folder in front of the search order. */
void fab_plugin_add_directory(const char *directory);

#endif
