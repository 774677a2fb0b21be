#include "topology/builder-private.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "plugin/params.h"
#include "topology/finish.h"
#include "topology/machine.h"
#include "topology/medium.h"

/* The short name that all checks here use. */
#define record(...) fab_builder_fail(__VA_ARGS__)

enum { NAME_BYTES_MAX = 200, COUNT_MAX = 1000000 };
#define RATE_MIN 1e6   /* B/s; below it times leave the clock of picoseconds */
#define RATE_MAX 1e16  /* B/s */
#define RATE_RANGE "must be between 1e6 and 1e16 B/s"
#define EFFICIENCY_MIN 0.001
#define LATENCY_MAX 1. /* s */

bool
fab_builder_fail(FabBuilder *builder, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (builder->error != NULL)
        return false;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(&builder->error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %s", builder->where, text);
    return false;
}

/* ------------------------------------------------------------------ parameters */

/* plugin= and title= of machine files are read by us. */
static bool
is_implicit(const char *name)
{
    return strcmp(name, "plugin") == 0 || strcmp(name, "title") == 0;
}

static bool
take_value(FabBuilder *builder, const FabParamSpec *spec, const char *name, const char *text)
{
    FabParamValue value;
    g_autoptr(GError) inner = NULL;

    if (!fab_param_parse(spec, name, text, &value, &inner))
        return record(builder, "[topology] %s", inner->message);
    g_hash_table_replace(builder->values, g_strdup(name), g_memdup2(&value, sizeof value));
    return true;
}

static bool
refuse_unknown_param(FabBuilder *builder, const char *name)
{
    g_auto(GStrv) known = fab_param_names(builder->plugin->params);
    g_autofree char *suggestion = fab_suggestion(name, (const char *const *)known);

    return record(builder, "[topology] plugin %s has no parameter %.60s%s", builder->plugin->name, name,
                  known[0] == NULL ? "; it has none" : suggestion);
}

static bool
take_given(FabBuilder *builder)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(builder->params), (GCompareFunc)strcmp);

    for (GList *at = names; at != NULL; at = at->next) {
        const char *name = at->data;
        const FabParamSpec *spec = fab_param_find(builder->plugin->params, name);
        if (!g_utf8_validate(g_hash_table_lookup(builder->params, name), -1, NULL))
            return record(builder, "[topology] %.60s is not UTF-8 text", name);
        if (is_implicit(name))
            continue;
        if (spec == NULL)
            return refuse_unknown_param(builder, name);
        if (!take_value(builder, spec, name, g_hash_table_lookup(builder->params, name)))
            return false;
    }
    return true;
}

static bool
take_defaults(FabBuilder *builder)
{
    for (const FabParamSpec *spec = builder->plugin->params; spec->name != NULL; spec++) {
        if (fab_param_is_pattern(spec) || g_hash_table_contains(builder->values, spec->name))
            continue;
        if (spec->default_value == NULL)
            return record(builder, "[topology] %s is missing, plugin %s needs it: %s", spec->name,
                          builder->plugin->name, spec->help);
        if (!take_value(builder, spec, spec->name, spec->default_value))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ services: parameters */

static const char *const type_names[] = { "a number", "an integer", "a boolean", "a choice", "a text" };

/* The value of a parameter of one of two types. A wrong name or type is the plugin's fault. */
static bool
find_value(FabBuilder *builder, const char *name, FabParamType type, FabParamType also, FabParamValue *value)
{
    const FabParamSpec *spec;
    const FabParamValue *found;
    g_autoptr(GError) inner = NULL;

    *value = (FabParamValue){ .text = "" };
    if (name == NULL)
        return record(builder, "plugin %s asks for a parameter without a name", builder->plugin->name);
    spec = fab_param_find(builder->plugin->params, name);
    if (spec == NULL)
        return record(builder, "plugin %s asks for parameter %.60s, which its table does not declare",
                      builder->plugin->name, name);
    if (spec->type != type && spec->type != also)
        return record(builder, "plugin %s asks for parameter %s as %s, its table declares %s", builder->plugin->name,
                      name, type_names[type], type_names[spec->type]);
    found = g_hash_table_lookup(builder->values, name);
    if (found != NULL) {
        *value = *found;
        return true;
    }
    if (spec->default_value != NULL)
        return fab_param_parse(spec, name, spec->default_value, value, &inner);
    if (spec->type == FAB_PARAM_TEXT || spec->type == FAB_PARAM_CHOICE)
        return true;
    return record(builder, "[topology] %s is missing, plugin %s needs it: %s", name, builder->plugin->name, spec->help);
}

static double
host_number(FabBuilder *builder, const char *param)
{
    FabParamValue value;

    if (builder == NULL)
        return 0;
    find_value(builder, param, FAB_PARAM_NUMBER, FAB_PARAM_INTEGER, &value);
    return value.number;
}

static int64_t
host_integer(FabBuilder *builder, const char *param)
{
    FabParamValue value;

    if (builder == NULL)
        return 0;
    find_value(builder, param, FAB_PARAM_INTEGER, FAB_PARAM_INTEGER, &value);
    return value.integer;
}

static bool
host_boolean(FabBuilder *builder, const char *param)
{
    FabParamValue value;

    if (builder == NULL)
        return false;
    find_value(builder, param, FAB_PARAM_BOOLEAN, FAB_PARAM_BOOLEAN, &value);
    return value.boolean;
}

static const char *
host_text(FabBuilder *builder, const char *param)
{
    FabParamValue value;

    if (builder == NULL)
        return "";
    find_value(builder, param, FAB_PARAM_TEXT, FAB_PARAM_CHOICE, &value);
    return value.text != NULL ? value.text : "";
}

static bool
host_given(FabBuilder *builder, const char *param)
{
    if (builder == NULL)
        return false;

    if (param == NULL)
        return record(builder, "plugin %s asks for a parameter without a name", builder->plugin->name);
    if (fab_param_find(builder->plugin->params, param) == NULL)
        return record(builder, "plugin %s asks for parameter %.60s, which its table does not declare",
                      builder->plugin->name, param);
    return g_hash_table_contains(builder->params, param);
}

static const FabGpuModel *
host_gpu(FabBuilder *builder, const char *id)
{
    const FabGpuModel *model;
    g_autoptr(GError) inner = NULL;

    if (builder == NULL)
        return NULL;
    if (id == NULL) {
        record(builder, "plugin %s asks for a GPU model without a name", builder->plugin->name);
        return NULL;
    }
    model = fab_gpu_model(id, &inner);
    if (model == NULL)
        record(builder, "[topology] %s", inner->message);
    else
        g_hash_table_add(builder->models, (gpointer)model);
    return model;
}

/* ------------------------------------------------------------------ services: the graph */

/*
 * Copies a plugin's structure, which may be shorter or longer than ours: `size` says how long it is. False when it
 * cannot be right.
 */
static bool
copy_spec(FabBuilder *builder, const char *what, const void *spec, uint32_t size, size_t least, void *copy,
          size_t copy_size)
{
    if (size < least)
        return record(builder, "plugin %s passes a %s of %u bytes, must be at least %zu; set its .size",
                      builder->plugin->name, what, size, least);
    memset(copy, 0, copy_size);
    memcpy(copy, spec, MIN(size, copy_size));
    return true;
}

static bool
is_rate_or_zero(double value)
{
    return value == 0 || (value >= RATE_MIN && value <= RATE_MAX);
}

static bool
is_latency(double value)
{
    return value >= 0 && value <= LATENCY_MAX;
}

/* `what` and `rest` frame a figure: "GPU 0 > GPU 1 has a bandwidth of 0 B/s, must be ...". */
static bool
refuse_figure(FabBuilder *builder, const char *who, const char *what, double value, const char *rest)
{
    g_autofree char *figure = fab_param_format(value);

    return record(builder, "%s %s %s %s", who, what, figure, rest);
}

/* The memory that GPUs share. */
static bool
check_memory(FabBuilder *builder, const FabVertexSpec *spec, FabMemorySpec *memory)
{
    const char *plugin = builder->plugin->name;

    if ((spec->memory != NULL) != (spec->kind == FAB_VERTEX_MEMORY))
        return record(builder, "plugin %s gives %s %s, must be %s", plugin, spec->name,
                      spec->memory != NULL ? "a memory" : "no memory",
                      spec->memory != NULL ? "NULL for this kind of vertex" : "a FabMemorySpec");
    if (spec->memory == NULL)
        return true;
    if (!copy_spec(builder, "FabMemorySpec", spec->memory, spec->memory->size,
                   offsetof(FabMemorySpec, launch_time) + sizeof(double), memory, sizeof *memory))
        return false;
    if (memory->bandwidth == 0 || !is_rate_or_zero(memory->bandwidth))
        return refuse_figure(builder, spec->name, "has a bandwidth of", memory->bandwidth, "B/s, " RATE_RANGE);
    if (memory->cache_bandwidth == 0 || !is_rate_or_zero(memory->cache_bandwidth))
        return refuse_figure(builder, spec->name, "has a cache of", memory->cache_bandwidth, "B/s, " RATE_RANGE);
    if (memory->processor_rate == 0 || !is_rate_or_zero(memory->processor_rate))
        return refuse_figure(builder, spec->name, "has SMs of", memory->processor_rate, "B/s, " RATE_RANGE);
    if (!(memory->cache_bytes >= 0 && memory->cache_bytes <= RATE_MAX))
        return refuse_figure(builder, spec->name, "has a cache of", memory->cache_bytes,
                             "bytes, must be between 0 and 1e16");
    if (memory->processors == 0 || memory->processors > COUNT_MAX)
        return record(builder, "%s has %u SMs, must be between 1 and %d", spec->name, memory->processors, COUNT_MAX);
    if (!is_latency(memory->slice_time) || !is_latency(memory->empty_time) || !is_latency(memory->flag_latency) ||
        !is_latency(memory->launch_time) || !is_latency(memory->line_time))
        return record(builder, "%s has a time that is not between 0 and 1 s", spec->name);
    return true;
}

static bool
check_vertex(FabBuilder *builder, const FabVertexSpec *spec)
{
    const char *plugin = builder->plugin->name;

    if (spec->name == NULL || spec->name[0] == '\0')
        return record(builder, "plugin %s adds vertex %u without a name", plugin, builder->vertices->len);
    if (strnlen(spec->name, NAME_BYTES_MAX + 1) > NAME_BYTES_MAX || !g_utf8_validate(spec->name, -1, NULL))
        return record(builder, "plugin %s gives vertex %u a name that is not UTF-8 text of at most %d bytes", plugin,
                      builder->vertices->len, NAME_BYTES_MAX);
    if (g_hash_table_contains(builder->names, spec->name))
        return record(builder, "plugin %s adds two vertices named %s, must be unique", plugin, spec->name);
    if (spec->kind < FAB_VERTEX_GPU || spec->kind > FAB_VERTEX_MEMORY)
        return record(builder, "plugin %s gives %s the kind %d, must be one of FabVertexKind", plugin, spec->name,
                      (int)spec->kind);
    if (spec->kind == FAB_VERTEX_GPU && (spec->gpu == NULL || !g_hash_table_contains(builder->models, spec->gpu)))
        return record(builder, "plugin %s gives %s no GPU model, must be one that host->gpu() returned", plugin,
                      spec->name);
    if (spec->model != NULL && !g_utf8_validate(spec->model, -1, NULL))
        return record(builder, "plugin %s gives %s a model that is not UTF-8 text", plugin, spec->name);
    if (spec->count > COUNT_MAX)
        return record(builder, "plugin %s says %s is %u devices, must be at most %d", plugin, spec->name, spec->count,
                      COUNT_MAX);
    if (spec->box < 0 || spec->socket < -1 || spec->numa < -1)
        return record(builder, "plugin %s puts %s in box %d, socket %d, NUMA node %d, must not be negative", plugin,
                      spec->name, spec->box, spec->socket, spec->numa);
    if (!is_rate_or_zero(spec->network_rate))
        return refuse_figure(builder, spec->name, "has a network rate of", spec->network_rate,
                             "B/s, must be 0 for unknown, or between 1e6 and 1e16 B/s");
    if (!is_rate_or_zero(spec->peer_limit) || !is_rate_or_zero(spec->memory_limit))
        return refuse_figure(builder, spec->name, "has a limit of",
                             is_rate_or_zero(spec->peer_limit) ? spec->memory_limit : spec->peer_limit,
                             "B/s, must be 0 for none, or between 1e6 and 1e16 B/s");
    return true;
}

static FabVertex
host_add_vertex(FabBuilder *builder, const FabVertexSpec *given)
{
    FabVertexSpec spec;
    FabMemorySpec memory = { 0 };
    FabTopologyVertex vertex;

    if (builder == NULL)
        return FAB_VERTEX_NONE;
    if (given == NULL) {
        record(builder, "plugin %s adds a vertex without saying what it is", builder->plugin->name);
        return FAB_VERTEX_NONE;
    }
    if (builder->error != NULL ||
        !copy_spec(builder, "FabVertexSpec", given, given->size, offsetof(FabVertexSpec, memory_limit) + sizeof(double),
                   &spec, sizeof spec) ||
        !check_vertex(builder, &spec) || !check_memory(builder, &spec, &memory))
        return FAB_VERTEX_NONE;
    if (builder->vertices->len >= FAB_VERTICES_MAX) {
        record(builder, "plugin %s adds more than %d vertices", builder->plugin->name, FAB_VERTICES_MAX);
        return FAB_VERTEX_NONE;
    }
    vertex = (FabTopologyVertex){ .kind = spec.kind,
                                  .name = g_strdup(spec.name),
                                  .model = g_strdup(spec.model),
                                  .gpu = spec.kind == FAB_VERTEX_GPU ? spec.gpu : NULL,
                                  .count = MAX(1, spec.count),
                                  .flags = spec.flags,
                                  .box = spec.box,
                                  .socket = spec.socket,
                                  .numa = spec.numa,
                                  .peer_limit = spec.peer_limit,
                                  .memory_limit = spec.memory_limit,
                                  .memory = spec.memory != NULL ? g_memdup2(&memory, sizeof memory) : NULL,

                                  .network_rate = spec.network_rate,
                                  .node = FAB_NODE_NONE };
    if (vertex.model == NULL && vertex.gpu != NULL)
        vertex.model = g_strdup(vertex.gpu->name);
    g_array_append_val(builder->vertices, vertex);
    g_hash_table_add(builder->names, vertex.name);
    return builder->vertices->len - 1;
}

static const FabTopologyVertex *
vertex_at(const FabBuilder *builder, FabVertex vertex)
{
    return &g_array_index(builder->vertices, FabTopologyVertex, vertex);
}

static bool
check_figures(FabBuilder *builder, const FabLinkSpec *spec, const char *who)
{
    if (!(spec->bandwidth >= RATE_MIN && spec->bandwidth <= RATE_MAX))
        return refuse_figure(builder, who, "has a bandwidth of", spec->bandwidth,
                             "B/s, must be between 1e6 and 1e16 B/s");
    if (!(spec->efficiency == 0 || (spec->efficiency >= EFFICIENCY_MIN && spec->efficiency <= 1)))
        return refuse_figure(builder, who, "has an efficiency of", spec->efficiency,
                             "of its bandwidth, must be between 0.001 and 1");
    if (!is_latency(spec->latency))
        return refuse_figure(builder, who, "has a latency of", spec->latency, "s, must be between 0 and 1 s");
    if (!(spec->reverse <= 1))
        return refuse_figure(builder, who, "carries", spec->reverse, "bytes back for each byte, must be at most 1");
    if (spec->lanes > COUNT_MAX || spec->generation > COUNT_MAX)
        return record(builder, "%s has %u lanes of generation %u, must be at most %d", who, spec->lanes,
                      spec->generation, COUNT_MAX);
    if (spec->label != NULL && !g_utf8_validate(spec->label, -1, NULL))
        return record(builder, "%s has a label that is not UTF-8 text", who);
    return true;
}

static bool
check_link(FabBuilder *builder, const FabLinkSpec *spec)
{
    const char *plugin = builder->plugin->name;
    const char *a, *b;
    g_autofree char *who = NULL;

    if (spec->a >= builder->vertices->len || spec->b >= builder->vertices->len)
        return record(builder, "plugin %s adds link %u to vertex %u, which does not exist; there are %u", plugin,
                      builder->links->len, spec->a >= builder->vertices->len ? spec->a : spec->b,
                      builder->vertices->len);
    a = vertex_at(builder, spec->a)->name;
    b = vertex_at(builder, spec->b)->name;
    if (spec->a == spec->b)
        return record(builder, "plugin %s links %s to itself, must be two vertices", plugin, a);
    if (fab_medium_defaults(spec->medium, 0) == NULL)
        return record(builder, "plugin %s links %s and %s by medium %d, must be one of FabMedium", plugin, a, b,
                      (int)spec->medium);
    who = g_strdup_printf("link %s - %s", a, b);
    return check_figures(builder, spec, who);
}

static bool
host_add_link(FabBuilder *builder, const FabLinkSpec *given)
{
    FabLinkSpec spec;
    FabTopologyLink link;

    if (builder == NULL)
        return false;
    if (given == NULL)
        return record(builder, "plugin %s adds a link without saying what it is", builder->plugin->name);
    if (builder->error != NULL ||
        !copy_spec(builder, "FabLinkSpec", given, given->size, offsetof(FabLinkSpec, reverse) + sizeof(double), &spec,
                   sizeof spec) ||
        !check_link(builder, &spec))
        return false;
    if (builder->links->len >= FAB_LINKS_MAX)
        return record(builder, "plugin %s adds more than %d links", builder->plugin->name, FAB_LINKS_MAX);
    link = fab_link_from(&spec);
    g_array_append_val(builder->links, link);
    return true;
}

static void
host_set_peer_access(FabBuilder *builder, FabVertex a, FabVertex b, bool allowed)
{
    gint64 pair = (gint64)MIN(a, b) << 32 | MAX(a, b);

    if (builder == NULL || builder->error != NULL)
        return;
    if (a >= builder->vertices->len || b >= builder->vertices->len || vertex_at(builder, a)->kind != FAB_VERTEX_GPU ||
        vertex_at(builder, b)->kind != FAB_VERTEX_GPU)
        record(builder, "plugin %s sets peer access of vertices %u and %u, must be two GPUs", builder->plugin->name, a,
               b);
    else if (allowed)
        g_hash_table_remove(builder->no_peer, &pair);
    else
        g_hash_table_add(builder->no_peer, g_memdup2(&pair, sizeof pair));
}

static bool
host_fail(FabBuilder *builder, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (builder == NULL)
        return false;
    if (format == NULL)
        return record(builder, "plugin %s failed and gave no reason", builder->plugin->name);
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return record(builder, "%s", text[0] != '\0' ? text : "the plugin failed and gave no reason");
}

static const FabHost host = {
    .size = sizeof(FabHost),
    .number = host_number,
    .integer = host_integer,
    .boolean = host_boolean,
    .text = host_text,
    .given = host_given,
    .gpu = host_gpu,
    .add_vertex = host_add_vertex,
    .add_link = host_add_link,
    .set_peer_access = host_set_peer_access,
    .fail = host_fail,
    .add_node = fab_builder_add_node,
    .set_network = fab_builder_set_network,
};

/* ------------------------------------------------------------------ from plugin to topology */

static void
builder_init(FabBuilder *builder, const FabTopologyPlugin *plugin, GHashTable *params, const char *where, bool nested)
{
    *builder = (FabBuilder){ .plugin = plugin, .where = where, .params = params, .nested = nested };
    builder->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    builder->names = g_hash_table_new(g_str_hash, g_str_equal);
    builder->models = g_hash_table_new(NULL, NULL);
    builder->vertices = g_array_new(FALSE, TRUE, sizeof(FabTopologyVertex));
    builder->links = g_array_new(FALSE, TRUE, sizeof(FabTopologyLink));
    builder->no_peer = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    builder->nodes = g_array_new(FALSE, TRUE, sizeof(FabTopologyNode));
    builder->network = (FabNetworkSpec){ .size = sizeof(FabNetworkSpec), .routing = FAB_ROUTING_STATIC,
                                         .gdr = FAB_GDR_PXB, .pxn = true };
}

/* Moves the graph into a topology, so that one owner frees it whatever happens next. */
static FabTopology *
builder_clear(FabBuilder *builder)
{
    FabTopology *topology = g_new0(FabTopology, 1);

    topology->vertex_count = builder->vertices->len;
    topology->link_count = builder->links->len;
    topology->vertices = (FabTopologyVertex *)g_array_free(builder->vertices, FALSE);
    topology->links = (FabTopologyLink *)g_array_free(builder->links, FALSE);
    topology->no_peer = builder->no_peer;
    topology->network = builder->network;
    topology->node_count = builder->nodes->len;
    topology->nodes = (FabTopologyNode *)g_array_free(builder->nodes, FALSE);
    for (uint32_t i = 0; i < topology->vertex_count && topology->node_count == 0; i++)
        topology->vertices[i].node = 0;
    g_clear_pointer(&builder->machines, g_hash_table_destroy);
    g_clear_pointer(&builder->lists, g_ptr_array_unref);
    g_hash_table_destroy(builder->values);
    g_hash_table_destroy(builder->names);
    g_hash_table_destroy(builder->models);
    return topology;
}

static void
fill_names(FabTopology *topology, const FabTopologyPlugin *plugin, GHashTable *params, const char *where)
{
    const char *title = g_hash_table_lookup(params, "title");

    topology->name = g_path_get_basename(where);
    if (g_str_has_suffix(topology->name, ".ini"))
        topology->name[strlen(topology->name) - strlen(".ini")] = '\0';
    topology->title = g_strdup(title != NULL && title[0] != '\0' ? title : topology->name);
    topology->path = g_strdup("");
    topology->plugin = g_strdup(plugin->name);
    topology->source = g_new0(char *, 1);
}

static FabTopology *
build(const FabTopologyPlugin *plugin, GHashTable *params, const char *where, bool nested, GError **error)
{
    g_autoptr(FabTopology) topology = NULL;
    FabBuilder builder;

    g_return_val_if_fail(plugin != NULL && params != NULL && where != NULL, NULL);
    builder_init(&builder, plugin, params, where, nested);
    if (take_given(&builder) && take_defaults(&builder) && !plugin->build(&host, &builder))
        record(&builder, "plugin %s could not build this machine and gave no reason", plugin->name);
    topology = builder_clear(&builder);
    if (builder.error != NULL) {
        g_propagate_error(error, builder.error);
        return NULL;
    }
    if (!fab_topology_finish(topology, error)) {
        g_prefix_error(error, "%s: plugin %s: ", where, plugin->name);
        return NULL;
    }
    fill_names(topology, plugin, params, where);
    return g_steal_pointer(&topology);
}

FabTopology *
fab_topology_build(const FabTopologyPlugin *plugin, GHashTable *params, const char *where, GError **error)
{
    return build(plugin, params, where, false, error);
}

FabTopology *
fab_topology_build_node(const FabTopologyPlugin *plugin, GHashTable *params, const char *where, GError **error)
{
    return build(plugin, params, where, true, error);
}
