#include "topology/cables.h"

#include <string.h>

/* Searches kept at most; each is as long as the network has switches. */
#define KEPT_BYTES (UINT64_C(64) << 20)

struct FabCables {
    const FabTopology *topology;
    uint32_t switches;
    uint32_t *number;   /* of a vertex among the switches; UINT32_MAX: it is none */
    uint32_t *nearer, *queue;
    FabVertex target;
    GPtrArray *roots;   /* uint32_t *: distances from each switch that the target has a cable to */
    GHashTable *known;  /* switch -> uint32_t *, distances to it by number */
};

static bool
is_nic(const FabCables *cables, FabVertex vertex)
{
    return cables->topology->vertices[vertex].kind == FAB_VERTEX_NIC;
}

FabCables *
fab_cables_new(const FabTopology *topology)
{
    FabCables *cables = g_new0(FabCables, 1);
    uint32_t widest = 0;

    cables->topology = topology;
    cables->target = FAB_VERTEX_NONE;
    cables->number = g_new(uint32_t, topology->vertex_count);
    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        uint32_t count, found = 0;
        const uint32_t *links = fab_topology_links_at(topology, v, &count);
        for (uint32_t i = 0; i < count; i++)
            found += fab_is_cable(&topology->links[links[i]]);
        widest = MAX(widest, found);
        cables->number[v] = found > 0 && !is_nic(cables, v) ? cables->switches++ : UINT32_MAX;
    }
    cables->nearer = g_new(uint32_t, widest + 1);
    cables->queue = g_new(uint32_t, cables->switches + 1);
    cables->roots = g_ptr_array_new();
    cables->known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return cables;
}

void
fab_cables_free(FabCables *cables)
{
    if (cables == NULL)
        return;
    g_free(cables->number);
    g_free(cables->nearer);
    g_free(cables->queue);
    g_ptr_array_unref(cables->roots);
    g_hash_table_unref(cables->known);
    g_free(cables);
}

/* Distances of all switches to `root`. */
static uint32_t *
search(FabCables *cables, FabVertex root)
{
    const FabTopology *topology = cables->topology;
    uint32_t *distance = g_new(uint32_t, cables->switches), reached = 1;

    memset(distance, 0xff, cables->switches * sizeof *distance);
    distance[cables->number[root]] = 0;
    cables->queue[0] = root;
    for (uint32_t head = 0; head < reached; head++) {
        FabVertex vertex = cables->queue[head];
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(topology, vertex, &count);
        for (uint32_t i = 0; i < count; i++) {
            FabVertex next = fab_link_other_end(&topology->links[links[i]], vertex);
            if (!fab_is_cable(&topology->links[links[i]]) || cables->number[next] == UINT32_MAX ||
                distance[cables->number[next]] != UINT32_MAX)
                continue;
            distance[cables->number[next]] = distance[cables->number[vertex]] + 1;
            cables->queue[reached++] = next;
        }
    }
    return distance;
}

void
fab_cables_aim(FabCables *cables, FabVertex target)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(cables->topology, target, &count);

    if (cables->target == target)
        return;
    cables->target = target;
    g_ptr_array_set_size(cables->roots, 0);
    if (g_hash_table_size(cables->known) * (uint64_t)cables->switches * sizeof(uint32_t) > KEPT_BYTES)
        g_hash_table_remove_all(cables->known);
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &cables->topology->links[links[i]];
        FabVertex root = fab_link_other_end(link, target);
        uint32_t *distance;
        if (!fab_is_cable(link) || cables->number[root] == UINT32_MAX)
            continue;
        distance = g_hash_table_lookup(cables->known, GUINT_TO_POINTER(root));
        if (distance == NULL) {
            distance = search(cables, root);
            g_hash_table_insert(cables->known, GUINT_TO_POINTER(root), distance);
        }
        g_ptr_array_add(cables->roots, distance);
    }
}

static uint32_t
switch_distance(const FabCables *cables, FabVertex vertex)
{
    uint32_t nearest = UINT32_MAX;

    for (guint i = 0; i < cables->roots->len; i++) {
        const uint32_t *distance = cables->roots->pdata[i];
        nearest = MIN(nearest, distance[cables->number[vertex]]);
    }
    return nearest == UINT32_MAX ? UINT32_MAX : nearest + 1;
}

/* Of what a cable leads to: through a NIC that is not the target nothing passes. */
static uint32_t
distance_beyond(const FabCables *cables, FabVertex vertex)
{
    if (vertex == cables->target)
        return 0;
    return cables->number[vertex] == UINT32_MAX ? UINT32_MAX : switch_distance(cables, vertex);
}

uint32_t
fab_cables_distance(const FabCables *cables, FabVertex vertex)
{
    uint32_t nearest = UINT32_MAX, count;
    const uint32_t *links = fab_topology_links_at(cables->topology, vertex, &count);

    if (vertex == cables->target || cables->number[vertex] != UINT32_MAX)
        return distance_beyond(cables, vertex);
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &cables->topology->links[links[i]];
        if (fab_is_cable(link))
            nearest = MIN(nearest, distance_beyond(cables, fab_link_other_end(link, vertex)));
    }
    return nearest == UINT32_MAX ? UINT32_MAX : nearest + 1;
}

static const uint32_t *
cables_to_target(FabCables *cables, FabVertex vertex, const uint32_t *links, uint32_t links_count, uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; i < links_count; i++) {
        const FabTopologyLink *link = &cables->topology->links[links[i]];
        if (fab_is_cable(link) && fab_link_other_end(link, cables->target) == vertex)
            cables->nearer[(*count)++] = links[i];
    }
    return cables->nearer;
}

const uint32_t *
fab_cables_nearer(FabCables *cables, FabVertex vertex, uint32_t *count)
{
    uint32_t distance = fab_cables_distance(cables, vertex), links_count, found = 0;
    /* A leaf has many cables to NICs that are not meant; the one to the target is found from its other end. */
    const uint32_t *links =
        fab_topology_links_at(cables->topology, distance == 1 ? cables->target : vertex, &links_count);

    if (distance == 1)
        return cables_to_target(cables, vertex, links, links_count, count);
    for (uint32_t i = 0; i < links_count && distance != 0 && distance != UINT32_MAX; i++) {
        const FabTopologyLink *link = &cables->topology->links[links[i]];
        if (fab_is_cable(link) && distance_beyond(cables, fab_link_other_end(link, vertex)) == distance - 1)
            cables->nearer[found++] = links[i];
    }
    *count = found;
    return cables->nearer;
}
