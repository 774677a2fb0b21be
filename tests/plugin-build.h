/* Machines from a plugin and its settings, for tests. */
#ifndef FAB_TESTS_PLUGIN_BUILD_H
#define FAB_TESTS_PLUGIN_BUILD_H

#include <check.h>
#include <string.h>

#include "plugin/loader.h"
#include "topology/builder.h"

/* `settings`: "gpu=l40s|gpus=8". */
static FabTopology *
try_build(const char *name, const char *settings, GError **error)
{
    g_autoptr(GHashTable) params = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) pairs = g_strsplit(settings, "|", -1);
    const FabTopologyPlugin *plugin = fab_plugin_load(name, error);

    ck_assert_ptr_nonnull(plugin);
    for (guint i = 0; pairs[i] != NULL; i++) {
        char *value = strchr(pairs[i], '=');
        ck_assert_ptr_nonnull(value);
        g_hash_table_replace(params, g_strndup(pairs[i], (gsize)(value - pairs[i])), value + 1);
    }
    return fab_topology_build(plugin, params, "test", error);
}

static FabTopology *
build(const char *name, const char *settings)
{
    g_autoptr(GError) error = NULL;
    FabTopology *topology = try_build(name, settings, &error);

    ck_assert_msg(topology != NULL, "%s %s: %s", name, settings, error != NULL ? error->message : "no message");
    return topology;
}

#endif
