#include "topology/gpu.h"

#include <stddef.h>

#include "base/error.h"
#include "base/keyfile.h"
#include "base/units.h"
#include "topology/catalogue.h"
#include "topology/machine.h"

/* Every gpus.ini read so far, by path: a table from id to FabGpuData. Models are handed out for ever. */
static GMutex lock;
static GHashTable *tables;

/* ------------------------------------------------------------------ one group */

typedef enum { KEY_TEXT, KEY_COUNT, KEY_QUANTITY, KEY_VERSION, KEY_BOOLEAN } KeyType;

typedef struct {
    const char *key;
    KeyType type;
    bool needed;
    size_t offset; /* in FabGpuData */
    const char *unit;
    double min, max;
} Key;

#define MODEL(field) offsetof(FabGpuData, model.field)
#define PEAK(field) offsetof(FabGpuData, peaks.field)

/* Bounds are an order of magnitude beyond any announced GPU: they catch wrong units. */
static const Key keys[] = {
    { "name", KEY_TEXT, true, MODEL(name), "", 0, 0 },
    { "architecture", KEY_TEXT, true, MODEL(architecture), "", 0, 0 },
    { "compute_capability", KEY_VERSION, false, MODEL(compute_capability), "", 0, 0 },
    { "sm_count", KEY_COUNT, true, MODEL(sm_count), "", 1, 10000 },
    { "memory", KEY_QUANTITY, true, MODEL(memory_bytes), "B", 1e8, 1e13 },
    { "memory_bandwidth", KEY_QUANTITY, true, MODEL(memory_bandwidth), "B/s", 1e9, 1e15 },
    { "nvlink_generation", KEY_COUNT, false, MODEL(nvlink_generation), "", 1, 20 },
    { "nvlink_links", KEY_COUNT, false, MODEL(nvlink_links), "", 1, 1000 },
    { "nvlink_link_bandwidth", KEY_QUANTITY, false, MODEL(nvlink_link_bandwidth), "B/s", 1e9, 1e13 },
    { "pcie_generation", KEY_COUNT, true, MODEL(pcie_generation), "", 1, 20 },
    { "pcie_lanes", KEY_COUNT, true, MODEL(pcie_lanes), "", 1, 64 },
    { "peer_to_peer", KEY_BOOLEAN, true, MODEL(peer_to_peer), "", 0, 0 },
    { "fp32", KEY_QUANTITY, false, PEAK(fp32), "FLOP/s", 1e11, 1e18 },
    { "tf32", KEY_QUANTITY, false, PEAK(tf32), "FLOP/s", 1e11, 1e18 },
    { "fp16", KEY_QUANTITY, false, PEAK(fp16), "FLOP/s", 1e11, 1e18 },
    { "bf16", KEY_QUANTITY, false, PEAK(bf16), "FLOP/s", 1e11, 1e18 },
    { "fp8", KEY_QUANTITY, false, PEAK(fp8), "FLOP/s", 1e11, 1e18 },
    { "fp4", KEY_QUANTITY, false, PEAK(fp4), "FLOP/s", 1e11, 1e18 },
    { "tdp", KEY_QUANTITY, false, offsetof(FabGpuData, power_w), "W", 10, 1e5 },
    { "source", KEY_TEXT, true, offsetof(FabGpuData, source), "", 0, 0 },
    { "confidence", KEY_TEXT, true, offsetof(FabGpuData, confidence), "", 0, 0 },
    { "note", KEY_TEXT, false, offsetof(FabGpuData, note), "", 0, 0 },
};

/* "9.0" is 90, "10.3" is 103: as the CUDA compiler names them. */
static bool
read_version(FabKeyfile *file, const char *group, const Key *key, uint32_t *value, GError **error)
{
    const char *text = fab_keyfile_get(file, group, key->key);
    g_auto(GStrv) parts = text != NULL ? g_strsplit(text, ".", -1) : NULL;
    int64_t major, minor;

    if (text == NULL)
        return true;
    if (g_strv_length(parts) != 2 || !fab_parse_integer(parts[0], &major, NULL) ||
        !fab_parse_integer(parts[1], &minor, NULL) || major < 1 || major > 100 || minor < 0 || minor > 9) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is \"%.60s\", must be like 9.0",
                    fab_keyfile_path(file), group, key->key, text);
        return false;
    }
    *value = (uint32_t)(major * 10 + minor);
    return true;
}

static bool
read_text(FabKeyfile *file, const char *group, const Key *key, char **value, GError **error)
{
    const char *text = fab_keyfile_get(file, group, key->key);

    if (text != NULL && text[0] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is empty, must say something",
                    fab_keyfile_path(file), group, key->key);
        return false;
    }
    *value = g_strdup(text);
    return true;
}

static bool
read_count(FabKeyfile *file, const char *group, const Key *key, uint32_t *value, GError **error)
{
    int64_t number = 0;

    if (!fab_keyfile_get_integer(file, group, key->key, (int64_t)key->min, (int64_t)key->max, &number, error))
        return false;
    *value = (uint32_t)number;
    return true;
}

static bool
read_key(FabKeyfile *file, const char *group, const Key *key, FabGpuData *data, GError **error)
{
    void *field = (char *)data + key->offset;

    if (key->needed && fab_keyfile_get(file, group, key->key) == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is missing, every GPU model needs it",
                    fab_keyfile_path(file), group, key->key);
        return false;
    }
    switch (key->type) {
    case KEY_TEXT:
        return read_text(file, group, key, field, error);
    case KEY_COUNT:
        return read_count(file, group, key, field, error);
    case KEY_QUANTITY:
        return fab_keyfile_get_quantity(file, group, key->key, key->unit, key->min, key->max, field, error);
    case KEY_VERSION:
        return read_version(file, group, key, field, error);
    case KEY_BOOLEAN:
        return fab_keyfile_get_boolean(file, group, key->key, field, error);
    }
    return false;
}

static void
data_free(FabGpuData *data)
{
    g_free((char *)data->model.id);
    g_free((char *)data->model.name);
    g_free((char *)data->model.architecture);
    g_free(data->source);
    g_free(data->confidence);
    g_free(data->note);
    g_free(data);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabGpuData, data_free)

static FabGpuData *
read_group(FabKeyfile *file, const char *group, GError **error)
{
    g_autoptr(FabGpuData) data = g_new0(FabGpuData, 1);
    const FabGpuModel *model = &data->model;

    data->model.size = sizeof(FabGpuModel);
    data->model.id = g_strdup(group);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!read_key(file, group, &keys[i], data, error))
            return NULL;
    }
    if ((model->nvlink_generation > 0) != (model->nvlink_links > 0) ||
        (model->nvlink_links > 0) != (model->nvlink_link_bandwidth > 0)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [%s] nvlink_generation, nvlink_links and nvlink_link_bandwidth belong together, must be all "
                    "given or none",
                    fab_keyfile_path(file), group);
        return NULL;
    }
    return g_steal_pointer(&data);
}

/* ------------------------------------------------------------------ files */

static GHashTable *
read_file(const char *path, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_load(path, error);
    g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)data_free);
    g_auto(GStrv) groups = file != NULL ? fab_keyfile_groups(file) : NULL;

    if (file == NULL)
        return NULL;
    for (guint i = 0; groups[i] != NULL; i++) {
        FabGpuData *data = read_group(file, groups[i], error);
        if (data == NULL)
            return NULL;
        g_hash_table_insert(table, (gpointer)data->model.id, data);
    }
    return fab_keyfile_finish(file, error) ? g_steal_pointer(&table) : NULL;
}

/* The tables of all folders that have one, in search order. The lock is held. NULL on error. */
static GPtrArray *
all_tables(GError **error)
{
    g_auto(GStrv) folders = fab_catalogue_folders();
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (tables == NULL)
        tables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; folders[i] != NULL; i++) {
        g_autofree char *path = g_build_filename(folders[i], FAB_CATALOGUE_GPUS ".ini", NULL);
        GHashTable *table = g_hash_table_lookup(tables, path);
        if (table == NULL && !g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        if (table == NULL)
            table = read_file(path, error);
        if (table == NULL)
            return NULL;
        if (!g_hash_table_contains(tables, path))
            g_hash_table_insert(tables, g_strdup(path), table);
        g_ptr_array_add(found, table);
    }
    if (found->len == 0) {
        g_autofree char *places = g_strjoinv(", ", folders);
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "no " FAB_CATALOGUE_GPUS ".ini with GPU models in %s", places);
        return NULL;
    }
    return g_steal_pointer(&found);
}

static char **
ids_of(GPtrArray *found)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer id;

    for (guint i = 0; i < found->len; i++) {
        g_hash_table_iter_init(&iter, g_ptr_array_index(found, i));
        while (g_hash_table_iter_next(&iter, &id, NULL)) {
            if (g_hash_table_add(ids, id))
                g_ptr_array_add(list, g_strdup(id));
        }
    }
    g_ptr_array_sort(list, fab_compare_strings);
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

char **
fab_gpu_list(GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    g_autoptr(GPtrArray) found = all_tables(error);

    return found != NULL ? ids_of(found) : NULL;
}

/* "a100" stands for several: "; did you mean a100-pcie-40, a100-sxm-40?". NULL: it does not. Owned by the caller. */
static char *
suggest_variants(const char *id, char **ids)
{
    g_autofree char *stem = g_strconcat(id, "-", NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    for (; *ids != NULL; ids++) {
        if (g_str_has_prefix(*ids, stem))
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "; did you mean ", *ids);
    }
    if (text->len == 0)
        return NULL;
    return g_string_free(g_string_append_c(g_steal_pointer(&text), '?'), FALSE);
}

const FabGpuData *
fab_gpu_data(const char *id, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&lock);
    g_autoptr(GPtrArray) found = all_tables(error);
    g_auto(GStrv) ids = NULL;
    g_autofree char *suggestion = NULL;

    if (found == NULL)
        return NULL;
    for (guint i = 0; i < found->len; i++) {
        const FabGpuData *data = g_hash_table_lookup(g_ptr_array_index(found, i), id);
        if (data != NULL)
            return data;
    }
    ids = ids_of(found);
    suggestion = suggest_variants(id, ids);
    if (suggestion == NULL)
        suggestion = fab_suggestion(id, (const char *const *)ids);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "unknown GPU model \"%.60s\"%s", id, suggestion);
    return NULL;
}

const FabGpuModel *
fab_gpu_model(const char *id, GError **error)
{
    const FabGpuData *data = fab_gpu_data(id, error);

    return data != NULL ? &data->model : NULL;
}
