/* The utilisation of links in a result, for a diagram: read from the JSON that `run --json` writes. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/nesting.h"
#include "base/units.h"
#include "report/diagram-load.h"
#include "report/json-read.h"

enum { SCHEMA_VERSION = 1, MAX_BYTES = 256 << 20 };

/* ------------------------------------------------------------------ what a result must have */

static JsonObject *
first_result(JsonNode *root, const char *path, GError **error)
{
    JsonObject *top = fab_json_object(root);
    const char *schema = top != NULL ? fab_json_text(top, "schema") : NULL;
    JsonArray *results = top != NULL ? fab_json_array(top, "results") : NULL;
    JsonObject *result;
    double version = 0;

    if (schema == NULL || strcmp(schema, "fabricast-result") != 0) {
        fab_refuse(error, FAB_ERROR_SYNTAX, path,
                   "is not a result of `fabricast run --json`: \"schema\" is %s, must be \"fabricast-result\"",
                   schema != NULL ? schema : "missing");
        return NULL;
    }
    if (!fab_json_number(top, "schema_version", &version) || version != SCHEMA_VERSION) {
        fab_refuse(error, FAB_ERROR_SYNTAX, path, "has \"schema_version\" %g, this program reads version %d", version,
                   SCHEMA_VERSION);
        return NULL;
    }
    result = results != NULL && json_array_get_length(results) > 0 ? fab_json_object(json_array_get_element(results, 0))
                                                                   : NULL;
    if (result == NULL)
        fab_refuse(error, FAB_ERROR_SYNTAX, path, "holds no result, a diagram needs one");
    return result;
}

static JsonObject *
last_row(JsonObject *result, const char *path, GError **error)
{
    JsonArray *rows = fab_json_array(result, "rows");
    guint count = rows != NULL ? json_array_get_length(rows) : 0;
    JsonObject *row = count > 0 ? fab_json_object(json_array_get_element(rows, count - 1)) : NULL;

    if (row == NULL)
        fab_refuse(error, FAB_ERROR_SYNTAX, path, "the first result has no rows, a diagram shows the last one");
    return row;
}

static bool
check_topology(const FabTopology *topology, JsonObject *result, const char *path, GError **error)
{
    const char *name = fab_json_text(result, "topology");
    double gpus = topology->gpu_count; /* parameters such as nodes leave the name as it is */

    if (name == NULL)
        return fab_refuse(error, FAB_ERROR_SYNTAX, path, "the first result names no \"topology\"");
    if (strcmp(name, topology->name) != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, path, "is a result of topology %s, the diagram is of %s", name,
                          topology->name);
    if (fab_json_number(result, "gpus", &gpus) && gpus != topology->gpu_count)
        return fab_refuse(error, FAB_ERROR_VALUE, path,
                          "is a result of %s with %.0f GPUs, the diagram has %u; draw the machine with the same "
                          "parameters: --set KEY=VALUE", name, gpus, topology->gpu_count);
    return true;
}

/* ------------------------------------------------------------------ uses */

static GHashTable *
resources_by_name(const FabTopology *topology)
{
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

    for (uint32_t r = 0; r < topology->resource_count; r++)
        g_hash_table_insert(table, topology->resources[r].name, GUINT_TO_POINTER(r));
    return table;
}

static bool
take_use(const FabTopology *topology, GHashTable *names, JsonNode *node, const char *path, double *load,
         GError **error)
{
    JsonObject *use = fab_json_object(node);
    const char *name = use != NULL ? fab_json_text(use, "resource") : NULL;
    const FabResource *resource;
    gpointer found;
    double value;

    if (name == NULL)
        return fab_refuse(error, FAB_ERROR_SYNTAX, path, "the last row has a use without the name of its \"resource\"");
    if (!g_hash_table_lookup_extended(names, name, NULL, &found))
        return fab_refuse(error, FAB_ERROR_VALUE, path,
                          "topology %s has no resource \"%s\"; was the result computed with other parameters?",
                          topology->name, name);
    if (!fab_json_number(use, "utilisation", &value) || !isfinite(value) || value < 0)
        return fab_refuse(error, FAB_ERROR_VALUE, path, "\"utilisation\" of \"%s\" must be a number of 0 or more",
                          name);
    resource = &topology->resources[GPOINTER_TO_UINT(found)];
    if (resource->link != UINT32_MAX) {
        const FabTopologyLink *link = &topology->links[resource->link];
        load[resource->link * 2 + (link->resource[1] == GPOINTER_TO_UINT(found))] = MIN(value, 1.0);
    }
    return true;
}

static char *
make_caption(JsonObject *result, JsonObject *row)
{
    const char *collective = fab_json_text(result, "collective");
    const char *algorithm = fab_json_text(row, "algorithm");
    GString *text = g_string_new("Utilisation of links");
    double size, time_us;

    if (collective != NULL)
        g_string_append_printf(text, ": %s%s%s", collective, algorithm != NULL ? " " : "",
                               algorithm != NULL ? algorithm : "");
    if (fab_json_number(row, "size_bytes", &size) && size >= 0 && size < 0x1p62) {
        g_autofree char *bytes = fab_format_bytes((uint64_t)size);
        g_string_append_printf(text, ", %s", bytes);
    }
    if (fab_json_number(row, "time_us", &time_us) && time_us >= 0 && time_us < 9e12) {
        g_autofree char *time = fab_format_time((int64_t)(time_us * 1e6));
        g_string_append_printf(text, ", %s", time);
    }
    return g_string_free(text, FALSE);
}

static bool
take_row(const FabTopology *topology, JsonObject *row, const char *path, double *load, GError **error)
{
    g_autoptr(GHashTable) names = resources_by_name(topology);
    JsonArray *uses = fab_json_array(row, "uses");

    if (uses == NULL)
        return fab_refuse(error, FAB_ERROR_SYNTAX, path, "the last row has no list of \"uses\"");
    for (guint i = 0; i < json_array_get_length(uses); i++) {
        if (!take_use(topology, names, json_array_get_element(uses, i), path, load, error))
            return false;
    }
    return true;
}

FabDiagramLoad *
fab_diagram_load_of(const FabTopology *topology, JsonObject *result, const char *path, GError **error)
{
    g_autofree double *load = g_new(double, 2 * (size_t)topology->link_count + 1);
    JsonObject *row = check_topology(topology, result, path, error) ? last_row(result, path, error) : NULL;
    FabDiagramLoad *answer;

    for (uint32_t i = 0; i < 2 * topology->link_count; i++)
        load[i] = NAN;
    if (row == NULL || !take_row(topology, row, path, load, error))
        return NULL;
    answer = g_new0(FabDiagramLoad, 1);
    answer->load = g_steal_pointer(&load);
    answer->caption = make_caption(result, row);
    return answer;
}

FabDiagramLoad *
fab_diagram_load_read(const FabTopology *topology, const char *path, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) inner = NULL;
    g_autofree char *text = NULL;
    JsonObject *object;
    gsize length = 0;

    text = fab_file_read(path, "a result of `fabricast run --json`", MAX_BYTES, &length, error);
    if (text == NULL || !fab_nesting_check(path, text, length, error))
        return NULL;
    if (!json_parser_load_from_data(parser, text, (gssize)length, &inner)) {
        fab_refuse(error, FAB_ERROR_SYNTAX, path, "is not JSON: %s", inner->message);
        return NULL;
    }
    object = first_result(json_parser_get_root(parser), path, error);
    return object != NULL ? fab_diagram_load_of(topology, object, path, error) : NULL;
}

void
fab_diagram_load_free(FabDiagramLoad *load)
{
    if (load == NULL)
        return;
    g_free(load->load);
    g_free(load->caption);
    g_free(load);
}
