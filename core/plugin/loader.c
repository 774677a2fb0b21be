#include "plugin/loader.h"

#include <errno.h>
#include <gmodule.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/search.h"
#include "plugin/params.h"

static FabSearchPath search = { .variable = "FABRICAST_PLUGIN_PATH" };

/* Plugins already opened, by file. They stay in memory: topologies refer to their tables. */
static GMutex opened_lock;
static GHashTable *opened;

void
fab_plugin_add_directory(const char *directory)
{
    fab_search_add(&search, directory);
}

char **
fab_plugin_list(void)
{
    g_auto(GStrv) folders = fab_search_folders(&search, fab_path_plugins());

    return fab_search_names((const char *const *)folders, ".so");
}

static bool
check_name(const char *path, const FabTopologyPlugin *plugin, GError **error)
{
    g_autofree char *file = g_path_get_basename(path);

    if (g_str_has_suffix(file, ".so"))
        file[strlen(file) - strlen(".so")] = '\0';
    if (plugin->name == NULL || plugin->name[0] == '\0')
        return fab_refuse(error, FAB_ERROR_PLUGIN, path, "the plugin has no name, must be \"%s\" as the file name says",
                          file);
    if (strcmp(plugin->name, file) != 0)
        return fab_refuse(error, FAB_ERROR_PLUGIN, path,
                          "the plugin calls itself \"%.60s\", must be \"%s\" as the file name says", plugin->name,
                          file);
    if (plugin->summary == NULL || plugin->summary[0] == '\0')
        return fab_refuse(error, FAB_ERROR_PLUGIN, path,
                          "the plugin has no summary, must say in one line what it builds");
    return true;
}

/* Reads `abi` and `size` first: nothing behind them can be trusted before. */
static bool
check_plugin(const char *path, const FabTopologyPlugin *plugin, GError **error)
{
    size_t needed = offsetof(FabTopologyPlugin, build) + sizeof plugin->build;

    if (plugin->abi != FAB_PLUGIN_ABI)
        return fab_refuse(error, FAB_ERROR_PLUGIN, path,
                          "the plugin was built for plugin ABI %u, this program has ABI %u; rebuild the plugin with "
                          "the header fabricast/plugin.h of this version", plugin->abi, FAB_PLUGIN_ABI);
    if (plugin->size < needed)
        return fab_refuse(error, FAB_ERROR_PLUGIN, path,
                          "the plugin says its size is %u bytes, must be at least %zu; set .size = "
                          "sizeof(FabTopologyPlugin) and rebuild it", plugin->size, needed);
    if (!check_name(path, plugin, error))
        return false;
    if (plugin->params == NULL)
        return fab_refuse(error, FAB_ERROR_PLUGIN, path,
                          "the plugin has no parameter table (params is NULL), must have one that ends with an entry "
                          "whose name is NULL");
    if (plugin->build == NULL)
        return fab_refuse(error, FAB_ERROR_PLUGIN, path, "the plugin has no build function (build is NULL)");
    if (!fab_params_check(plugin->params, error)) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    return true;
}

/* The linker would wait for files that give nothing: devices, pipes, and those of /proc, which have no size. */
static bool
check_file(const char *path, GError **error)
{
    struct stat info;

    if (stat(path, &info) != 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: %s", path,
                    errno == ENOENT || errno == ENOTDIR ? "no such file" : g_strerror(errno));
    else if (!S_ISREG(info.st_mode))
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is not a regular file, a plugin's shared object is needed",
                    path);
    else if (info.st_size == 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is empty, a plugin's shared object is needed", path);
    else
        return true;
    return false;
}

/* The linker's own message starts with the path, which ours has already. */
static const char *
module_error(const char *path)
{
    const char *text = g_module_error();

    if (text == NULL)
        return "unknown reason";
    return g_str_has_prefix(text, path) && text[strlen(path)] == ':' ? text + strlen(path) + 2 : text;
}

/* Symbols are bound at once: a missing one is then an error here and not the end of the program later. */
static const FabTopologyPlugin *
open_plugin(const char *path, GError **error)
{
    GModule *module;
    gpointer symbol = NULL;

    if (!check_file(path, error))
        return NULL;
    module = g_module_open(path, G_MODULE_BIND_LOCAL);
    if (module == NULL) {
        fab_refuse(error, FAB_ERROR_PLUGIN, path, "cannot be opened as a plugin: %s", module_error(path));
        return NULL;
    }
    if (!g_module_symbol(module, FAB_TOPOLOGY_PLUGIN_SYMBOL, &symbol) || symbol == NULL) {
        fab_refuse(error, FAB_ERROR_PLUGIN, path, "does not export %s, so it is not a topology plugin",
                   FAB_TOPOLOGY_PLUGIN_SYMBOL);
        g_module_close(module);
        return NULL;
    }
    if (!check_plugin(path, symbol, error)) {
        g_module_close(module);
        return NULL;
    }
    g_module_make_resident(module);
    return symbol;
}

const FabTopologyPlugin *
fab_plugin_load_file(const char *path, GError **error)
{
    g_autofree char *key = g_canonicalize_filename(path, NULL);
    const FabTopologyPlugin *plugin;

    g_mutex_lock(&opened_lock);
    if (opened == NULL)
        opened = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    plugin = g_hash_table_lookup(opened, key);
    if (plugin == NULL)
        plugin = open_plugin(path, error);
    if (plugin != NULL)
        g_hash_table_insert(opened, g_steal_pointer(&key), (gpointer)plugin);
    g_mutex_unlock(&opened_lock);
    return plugin;
}

static void
refuse_unknown(const char *name, char **folders, GError **error)
{
    g_auto(GStrv) names = fab_plugin_list();
    g_autofree char *suggestion = fab_suggestion(name, (const char *const *)names);
    g_autofree char *places = g_strjoinv(", ", folders);

    g_set_error(error, FAB_ERROR, FAB_ERROR_PLUGIN, "no plugin \"%.60s\" in %s%s", name, places,
                names[0] == NULL ? "; there are no plugins at all" : suggestion);
}

char *
fab_plugin_find(const char *name)
{
    g_auto(GStrv) folders = fab_search_folders(&search, fab_path_plugins());

    return name[0] != '\0' && strchr(name, '/') == NULL ? fab_search_find((const char *const *)folders, name, ".so")
                                                        : NULL;
}

const FabTopologyPlugin *
fab_plugin_load(const char *name, GError **error)
{
    g_autofree char *path = fab_plugin_find(name);

    if (path == NULL) {
        g_auto(GStrv) folders = fab_search_folders(&search, fab_path_plugins());
        refuse_unknown(name, folders, error);
        return NULL;
    }
    return fab_plugin_load_file(path, error);
}
