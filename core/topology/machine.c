#include "topology/machine.h"

#include <string.h>

#include "base/error.h"
#include "base/keyfile.h"
#include "base/search.h"
#include "plugin/loader.h"
#include "topology/builder.h"
#include "topology/catalogue.h"

char **
fab_machine_list(void)
{
    g_auto(GStrv) folders = fab_catalogue_folders();
    char **names = fab_search_names((const char *const *)folders, ".ini");
    guint kept = 0;

    for (guint i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], FAB_CATALOGUE_GPUS) == 0)
            g_free(names[i]);
        else
            names[kept++] = names[i];
    }
    names[kept] = NULL;
    return names;
}

/* ------------------------------------------------------------------ finding the file */

static bool
is_path(const char *name)
{
    return strchr(name, '/') != NULL || g_str_has_suffix(name, ".ini");
}

/* "no such file" with the nearest name in the same folder. */
static void
refuse_missing_path(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *file = g_path_get_basename(path);
    const char *folders[] = { folder, NULL };
    g_auto(GStrv) names = fab_search_names(folders, "");
    const char *nearest = fab_nearest(file, (const char *const *)names);
    g_autofree char *hint = nearest != NULL ? g_build_filename(folder, nearest, NULL) : NULL;

    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: no such file%s%s%s", path, hint != NULL ? "; did you mean " : "",
                hint != NULL ? hint : "", hint != NULL ? "?" : "");
}

static void
refuse_unknown_machine(const char *name, char **folders, GError **error)
{
    g_auto(GStrv) names = fab_machine_list();
    const char *nearest = fab_nearest(name, (const char *const *)names);
    g_autofree char *places = g_strjoinv(", ", folders);

    if (nearest != NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "unknown machine \"%.60s\"; did you mean %s?", name, nearest);
    else if (names[0] == NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "unknown machine \"%.60s\": there is no catalogue in %s", name,
                    places);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "unknown machine \"%.60s\": must be a machine file or one of the %u ids that `fabricast topology "
                    "list` prints, from %s", name, g_strv_length(names), places);
}

static char *
find_file(const char *name, GError **error)
{
    g_auto(GStrv) folders = fab_catalogue_folders();
    char *path = NULL;

    if (is_path(name)) {
        if (g_file_test(name, G_FILE_TEST_EXISTS))
            return g_strdup(name);
        refuse_missing_path(name, error);
        return NULL;
    }
    if (name[0] != '\0' && strcmp(name, FAB_CATALOGUE_GPUS) != 0)
        path = fab_search_find((const char *const *)folders, name, ".ini");
    if (path == NULL)
        refuse_unknown_machine(name, folders, error);
    return path;
}

/* ------------------------------------------------------------------ reading it */

/* Opens a machine file and checks its groups; *plugin becomes the name of its plugin, owned by the file. */
static FabKeyfile *
open_file(const char *path, const char **plugin, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_load(path, error);

    if (file == NULL)
        return NULL;
    fab_keyfile_accept_group(file, "topology");
    fab_keyfile_accept_group(file, "source");
    if (!fab_keyfile_finish(file, error))
        return NULL;
    if (!fab_keyfile_has_group(file, "topology")) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: has no group [topology], so it is not a machine file; must have one with plugin=NAME", path);
        return NULL;
    }
    *plugin = fab_keyfile_get(file, "topology", "plugin");
    if (*plugin == NULL || (*plugin)[0] == '\0') {
        g_auto(GStrv) names = fab_plugin_list();
        g_autofree char *known = g_strjoinv(", ", names);
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [topology] plugin is missing, must be one of %s", path,
                    known);
        return NULL;
    }
    return g_steal_pointer(&file);
}

/* The file's parameters with the overrides on top. */
static GHashTable *
collect_params(FabKeyfile *file, GHashTable *overrides)
{
    GHashTable *params = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) keys = fab_keyfile_keys(file, "topology");
    GHashTableIter iter;
    gpointer key, value;

    for (guint i = 0; keys[i] != NULL; i++)
        g_hash_table_insert(params, g_strdup(keys[i]), g_strdup(fab_keyfile_get(file, "topology", keys[i])));
    if (overrides == NULL)
        return params;
    g_hash_table_iter_init(&iter, overrides);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_hash_table_insert(params, g_strdup(key), g_strdup(value));
    return params;
}

static GStrv
collect_source(FabKeyfile *file)
{
    g_auto(GStrv) keys = fab_keyfile_keys(file, "source");
    GStrv lines = g_new0(char *, g_strv_length(keys) + 1);

    for (guint i = 0; keys[i] != NULL; i++)
        lines[i] = g_strdup_printf("%s: %s", keys[i], fab_keyfile_get(file, "source", keys[i]));
    return lines;
}

static FabTopology *
load(const char *name, GHashTable *overrides, bool nested, GError **error)
{
    g_autofree char *path = find_file(name, error);
    g_autoptr(FabKeyfile) file = NULL;
    g_autoptr(GHashTable) params = NULL;
    const FabTopologyPlugin *plugin;
    const char *plugin_name = NULL;
    FabTopology *topology;

    if (path == NULL)
        return NULL;
    file = open_file(path, &plugin_name, error);
    if (file == NULL)
        return NULL;
    params = collect_params(file, overrides);
    plugin = fab_plugin_load(g_hash_table_lookup(params, "plugin"), error);
    if (plugin == NULL) {
        g_prefix_error(error, "%s: [topology] plugin: ", path);
        return NULL;
    }
    topology = nested ? fab_topology_build_node(plugin, params, path, error)
                      : fab_topology_build(plugin, params, path, error);
    if (topology == NULL)
        return NULL;
    g_free(topology->path);
    topology->path = g_steal_pointer(&path);
    g_strfreev(topology->source);
    topology->source = collect_source(file);
    return topology;
}

FabTopology *
fab_machine_load(const char *name, GHashTable *overrides, GError **error)
{
    return load(name, overrides, false, error);
}

FabTopology *
fab_machine_load_node(const char *name, GHashTable *overrides, GError **error)
{
    return load(name, overrides, true, error);
}

bool
fab_machine_describe(const char *name, char **title, char **plugin, GError **error)
{
    g_autofree char *path = find_file(name, error);
    g_autoptr(FabKeyfile) file = NULL;
    const char *plugin_name = NULL;
    const char *text;

    if (path == NULL)
        return false;
    file = open_file(path, &plugin_name, error);
    if (file == NULL)
        return false;
    text = fab_keyfile_get(file, "topology", "title");
    if (title != NULL)
        *title = g_strdup(text != NULL ? text : "");
    if (plugin != NULL)
        *plugin = g_strdup(plugin_name);
    return true;
}
