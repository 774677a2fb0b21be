/* Nodes of a cluster: machines of the catalogue copied into a fabric in the making. */
#include <stddef.h>
#include <string.h>

#include "topology/builder-private.h"
#include "topology/machine.h"

/* The parameters given with `prefix` in front, without it. */
static GHashTable *
node_params(const FabBuilder *builder, const char *prefix)
{
    GHashTable *params = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, builder->params);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (prefix[0] != '\0' && g_str_has_prefix(key, prefix))
            g_hash_table_insert(params, (char *)key + strlen(prefix), value);
    }
    return params;
}

/* A machine is built once, however many nodes are of its kind. NULL after recording why. */
static const FabTopology *
find_machine(FabBuilder *builder, const char *machine, const char *prefix)
{
    g_autofree char *key = g_strconcat(machine, "\n", prefix, NULL);
    g_autoptr(GHashTable) params = NULL;
    g_autoptr(GError) inner = NULL;
    FabTopology *found;

    if (builder->machines == NULL)
        builder->machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)fab_topology_free);
    found = g_hash_table_lookup(builder->machines, key);
    if (found != NULL)
        return found;
    params = node_params(builder, prefix);
    found = fab_machine_load_node(machine, params, &inner);
    if (found == NULL)
        fab_builder_fail(builder, "node %.60s: %s", machine, inner->message);
    else
        g_hash_table_insert(builder->machines, g_steal_pointer(&key), found);
    return found;
}

static void
copy_vertices(FabBuilder *builder, const FabTopology *machine)
{
    for (uint32_t i = 0; i < machine->vertex_count; i++) {
        FabTopologyVertex vertex = machine->vertices[i];
        vertex.name = g_strdup_printf("Node %u %s", builder->nodes->len, vertex.name);
        vertex.model = g_strdup(vertex.model);
        vertex.node = builder->nodes->len;
        g_array_append_val(builder->vertices, vertex);
        g_hash_table_add(builder->names, vertex.name);
    }
}

static void
copy_links(FabBuilder *builder, const FabTopology *machine, FabVertex first)
{
    GHashTableIter iter;
    gpointer pair;

    for (uint32_t i = 0; i < machine->link_count; i++) {
        FabTopologyLink link = machine->links[i];
        link.a += first;
        link.b += first;
        link.label = g_strdup(link.label);
        g_array_append_val(builder->links, link);
    }
    g_hash_table_iter_init(&iter, machine->no_peer);
    while (g_hash_table_iter_next(&iter, &pair, NULL)) {
        gint64 shifted = *(gint64 *)pair + ((gint64)first << 32) + first;
        g_hash_table_add(builder->no_peer, g_memdup2(&shifted, sizeof shifted));
    }
}

/* Lists live until the build ends. */
static gpointer
keep_list(FabBuilder *builder, gpointer list)
{
    if (builder->lists == NULL)
        builder->lists = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(builder->lists, list);
    return list;
}

static void
describe_node(FabBuilder *builder, const FabTopology *machine, FabVertex first, FabNode *node)
{
    FabVertex *gpu = keep_list(builder, g_new(FabVertex, machine->gpu_count));
    FabVertex *nic = keep_list(builder, g_new(FabVertex, machine->vertex_count));
    double *rate = keep_list(builder, g_new(double, machine->vertex_count));
    FabNode found = { .size = sizeof found, .node = builder->nodes->len, .first = first,
                      .vertices = machine->vertex_count, .gpus = machine->gpu_count, .gpu = gpu, .nic = nic,
                      .nic_rate = rate };
    uint32_t size = MIN(node->size, (uint32_t)sizeof found);

    for (uint32_t i = 0; i < machine->gpu_count; i++)
        gpu[i] = first + machine->gpus[i];
    for (uint32_t i = 0; i < machine->vertex_count; i++) {
        if (machine->vertices[i].kind != FAB_VERTEX_NIC)
            continue;
        nic[found.nics] = first + i;
        rate[found.nics++] = machine->vertices[i].network_rate;
    }
    found.size = node->size;
    memcpy(node, &found, size);
}

bool
fab_builder_add_node(FabBuilder *builder, const char *name, const char *prefix, FabNode *node)
{
    const FabTopology *machine;
    FabTopologyNode entry;

    if (builder == NULL || builder->error != NULL)
        return false;
    if (name == NULL || prefix == NULL || node == NULL || node->size < offsetof(FabNode, nic_rate) + sizeof(double *))
        return fab_builder_fail(builder, "plugin %s adds a node without a machine, a prefix or room for what it gets",
                                builder->plugin->name);
    if (builder->nested)
        return fab_builder_fail(builder, "is a cluster itself, a node of a cluster must be one machine");
    machine = find_machine(builder, name, prefix);
    if (machine == NULL)
        return false;
    if (machine->shared != FAB_VERTEX_NONE)
        return fab_builder_fail(builder, "node %.60s: its GPUs are one device, a node of a cluster must be a machine",
                                name);
    if (builder->vertices->len + machine->vertex_count > FAB_VERTICES_MAX ||
        builder->links->len + machine->link_count > FAB_LINKS_MAX)
        return fab_builder_fail(builder, "nodes: %s has %u vertices and %u links, so that at most %u fit into %d "
                                "vertices and %d links", name, machine->vertex_count, machine->link_count,
                                builder->nodes->len, FAB_VERTICES_MAX, FAB_LINKS_MAX);
    entry = (FabTopologyNode){ .machine = g_strdup(machine->name), .title = g_strdup(machine->title),
                               .first = builder->vertices->len, .vertices = machine->vertex_count,
                               .gpus = machine->gpu_count };
    describe_node(builder, machine, entry.first, node);
    copy_vertices(builder, machine);
    copy_links(builder, machine, entry.first);
    if (builder->nodes->len > 0) {
        const FabTopologyNode *last = &g_array_index(builder->nodes, FabTopologyNode, builder->nodes->len - 1);
        entry.first_gpu = last->first_gpu + last->gpus;
    }
    g_array_append_val(builder->nodes, entry);
    return true;
}

void
fab_builder_set_network(FabBuilder *builder, const FabNetworkSpec *spec)
{
    if (builder == NULL || builder->error != NULL)
        return;
    if (spec == NULL || spec->size < offsetof(FabNetworkSpec, pxn) + sizeof(bool))
        fab_builder_fail(builder, "plugin %s passes no FabNetworkSpec or a short one; set its .size",
                         builder->plugin->name);
    else if (spec->routing < FAB_ROUTING_STATIC || spec->routing > FAB_ROUTING_DETOURS)
        fab_builder_fail(builder, "plugin %s sets the routing %d, must be one of FabRouting", builder->plugin->name,
                         (int)spec->routing);
    else if (spec->gdr < FAB_GDR_OFF || spec->gdr > FAB_GDR_SYS)
        fab_builder_fail(builder, "plugin %s sets GPUDirect RDMA %d, must be one of FabGdr", builder->plugin->name,
                         (int)spec->gdr);
    else if (spec->size >= offsetof(FabNetworkSpec, message_time) + sizeof(double)&&
             !(spec->message_time >= 0 && spec->message_time <= 1e-3))
        fab_builder_fail(builder, "plugin %s sets messages of %g s, must be between 0 and 0.001 s",
                         builder->plugin->name, spec->message_time);
    else if (spec->size >= offsetof(FabNetworkSpec, reduce_rate) + sizeof(double)&&
             !(spec->reduce_rate >= 0 && spec->reduce_rate <= 1e18))
        fab_builder_fail(builder, "plugin %s lets switches reduce %g B/s, must be between 0 and 1e18",
                         builder->plugin->name, spec->reduce_rate);
    else if (spec->size >= offsetof(FabNetworkSpec, message_gap) + sizeof(double) &&
             !(spec->message_gap >= 0 && spec->message_gap <= 1e-3))
        fab_builder_fail(builder, "plugin %s sets gaps of %g s between messages, must be between 0 and 0.001 s",
                         builder->plugin->name, spec->message_gap);
    else if (spec->size >= offsetof(FabNetworkSpec, thread_time) + sizeof(double) &&
             !(spec->thread_rate >= 0 && spec->thread_rate <= 1e18 && spec->thread_time >= 0 &&
               spec->thread_time <= 1e-3))
        fab_builder_fail(builder, "plugin %s sets threads of %g B/s and %g s a message, must be between 0 and 1e18, "
                         "and 0 and 0.001 s", builder->plugin->name, spec->thread_rate, spec->thread_time);
    else
        memcpy(&builder->network, spec, MIN(spec->size, sizeof(FabNetworkSpec)));
}
