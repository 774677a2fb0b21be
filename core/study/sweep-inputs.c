#include "study/sweep-inputs.h"

#include <string.h>

#include "base/file.h"
#include "collective/constants.h"
#include "plugin/loader.h"
#include "scenario/scenario.h"
#include "scenario/find.h"
#include "study/store.h"
#include "topology/catalogue.h"
#include "topology/machine.h"
#include "workload/execution-trace.h"

/* More than any file that is read here. */
#define MOST_BYTES ((size_t)256 << 20)

/* Keys whose values name files, or machines and models that lie in files; all of [topology] may, so it is not here. */
static const char *const naming[] = { "model.preset", "model.config", "calibration.file", "collective.NCCL_GRAPH_FILE",
                                      "trace.files", NULL };

typedef struct {
    GPtrArray *inputs;   /* FabStoreInput */
    GHashTable *paths;   /* of files that were taken */
    GHashTable *plugins; /* names that machine files gave */
} Probe;

static void
add(GPtrArray *inputs, const char *name, const char *data, size_t length, bool with_text)
{
    FabStoreInput *input = g_new0(FabStoreInput, 1);

    input->name = g_strdup(name);
    input->digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)data, length);
    input->text = with_text ? g_strdup(data) : NULL;
    g_ptr_array_add(inputs, input);
}

/* ------------------------------------------------------------------ files */

/* Files in two folders may have one name; they are then one input. */
static void
add_file(Probe *probe, const char *path, const char *data, size_t length)
{
    g_autofree char *name = g_path_get_basename(path);

    if (!g_hash_table_add(probe->paths, g_canonicalize_filename(path, NULL)))
        return;
    for (guint i = 1; i < probe->inputs->len; i++) {
        FabStoreInput *input = probe->inputs->pdata[i];
        g_autofree char *digest = NULL, *both = NULL;
        if (strcmp(input->name, name) != 0)
            continue;
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)data, length);
        both = g_strconcat(input->digest, digest, NULL);
        g_free(input->digest);
        input->digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, both, -1);
        return;
    }
    add(probe->inputs, name, data, length, false);
}

/* A machine's file names its plugin, which is read by the linker and not by us. */
static void
note_plugin(Probe *probe, const char *data, size_t length)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    char *name = NULL;

    if (g_key_file_load_from_data(file, data, length, G_KEY_FILE_NONE, NULL))
        name = g_key_file_get_string(file, "topology", "plugin", NULL);
    if (name != NULL)
        g_hash_table_add(probe->plugins, name);
}

static void
see(const char *path, const char *data, size_t length, void *user)
{
    Probe *probe = user;

    if (!g_str_has_suffix(path, ".ini")) {
        add_file(probe, path, data, length);
        return;
    }
    note_plugin(probe, data, length);
    add_file(probe, path, data, length);
}

static void
read_whole(Probe *probe, const char *path)
{
    size_t length;
    g_autofree char *data = fab_file_read(path, "a file", MOST_BYTES, &length, NULL);

    if (data != NULL)
        add_file(probe, path, data, length);
}

/* Catalogues of GPUs are read once by a process, perhaps before the watch began. */
static void
read_catalogues(Probe *probe)
{
    g_auto(GStrv) folders = fab_catalogue_folders();

    for (guint i = 0; folders[i] != NULL; i++) {
        g_autofree char *path = g_build_filename(folders[i], FAB_CATALOGUE_GPUS ".ini", NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            read_whole(probe, path);
    }
}

static void
read_plugins(Probe *probe)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(probe->plugins), (GCompareFunc)strcmp);

    for (GList *name = names; name != NULL; name = name->next) {
        g_autofree char *path = fab_plugin_find(name->data);
        if (path != NULL)
            read_whole(probe, path);
    }
}

/* ------------------------------------------------------------------ what a point would read */

/* Loads the scenario and its machine: what they are is nobody's concern here, only what was read for them. */
static void
load(const char *path, char *const *sets, char *const *settings)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    g_autoptr(FabScenario) scenario = NULL;
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabTrace) trace = NULL;

    for (guint i = 0; sets != NULL && sets[i] != NULL; i++)
        g_ptr_array_add(all, sets[i]);
    for (guint i = 0; settings[i] != NULL; i++)
        g_ptr_array_add(all, settings[i]);
    g_ptr_array_add(all, NULL);
    scenario = fab_scenario_load(path, (char *const *)all->pdata, NULL);
    if (scenario == NULL)
        return;
    topology = fab_machine_load(scenario->topology, scenario->overrides, NULL);
    if (scenario->kind == FAB_SCENARIO_TRACE)
        trace = fab_trace_read(scenario->trace.files, FAB_TRACE_ALL, NULL);
    if (scenario->calibration != NULL)
        g_free(fab_file_read(scenario->calibration, "a calibration", MOST_BYTES, NULL, NULL));
    if (scenario->settings.graph_file != NULL)
        g_free(fab_file_read(scenario->settings.graph_file, "a graph", MOST_BYTES, NULL, NULL));
}

static bool
names_files(const char *key)
{
    return g_str_has_prefix(key, "topology.") || g_strv_contains(naming, key);
}

/*
 * An axis that names files is walked with all others at their first values: which file one names does not depend on
 * the others. Numbers, of which a [topology] may have many, name nothing.
 */
static void
walk_axis(const char *path, char *const *sets, const FabSweep *sweep, uint32_t axis)
{
    g_auto(GStrv) keys = fab_sweep_split(sweep->axes[axis].key);
    bool files = false;

    for (guint k = 0; keys[k] != NULL; k++)
        files = files || names_files(keys[k]);
    for (uint32_t i = 0; files && i < sweep->axes[axis].count; i++) {
        g_auto(GStrv) settings = NULL;
        if (strpbrk(sweep->axes[axis].values[i], G_CSET_a_2_z) == NULL)
            continue;
        settings = fab_sweep_settings_with(sweep, axis, i);
        load(path, sets, settings);
    }
}

/* ------------------------------------------------------------------ constants */

static void
add_constants(GPtrArray *inputs)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FabConstants shipped = *fab_constants_shipped();

    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++) {
            char number[G_ASCII_DTOSTR_BUF_SIZE];
            g_ascii_dtostr(number, sizeof number, *fab_constants_find(&shipped, fab_constant_groups[g], one->key));
            g_string_append_printf(text, "%s.%s=%s\n", fab_constant_groups[g], one->key, number);
        }
    }
    add(inputs, "the program's constants", text->str, text->len, false);
}

GPtrArray *
fab_sweep_inputs(const char *path, char *const *sets, const FabSweep *sweep)
{
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) plugins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Probe probe = { g_ptr_array_new_with_free_func((GDestroyNotify)fab_store_input_free), paths, plugins };
    g_autofree char *found = fab_scenario_find(path, NULL);
    g_auto(GStrv) first = fab_sweep_settings(sweep, 0);

    add(probe.inputs, "the scenario", sweep->text, strlen(sweep->text), true);
    if (found != NULL) /* its text is there already, with what was set over it */
        g_hash_table_add(paths, g_canonicalize_filename(found, NULL));
    fab_file_watch(see, &probe);
    load(path, sets, first);
    for (uint32_t i = 0; i < sweep->axis_count; i++)
        walk_axis(path, sets, sweep, i);
    fab_file_watch(NULL, NULL);
    read_catalogues(&probe);
    read_plugins(&probe);
    add_constants(probe.inputs);
    return probe.inputs;
}
