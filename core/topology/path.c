#include "topology/path.h"

#include <string.h>

#include "topology/route.h"

struct FabWalk {
    const FabTopology *topology;
    bool network;     /* network links and passing through NICs are allowed */
    bool tree;        /* ways inside a switch chip from one partition to another are closed: PCIe does not show them */
    FabVertex source; /* FAB_VERTEX_NONE before the first search */
    uint32_t *via;    /* link towards the source, UINT32_MAX: not reached */
    uint32_t *distance;
    FabVertex *queue;
    uint32_t reached; /* entries of `queue` */
};

FabWalk *
fab_walk_new(const FabTopology *topology)
{
    FabWalk *walk = g_new0(FabWalk, 1);

    walk->topology = topology;
    walk->source = FAB_VERTEX_NONE;
    walk->via = g_new(uint32_t, topology->vertex_count);
    walk->distance = g_new(uint32_t, topology->vertex_count);
    walk->queue = g_new(FabVertex, topology->vertex_count);
    memset(walk->via, 0xff, topology->vertex_count * sizeof *walk->via);
    memset(walk->distance, 0xff, topology->vertex_count * sizeof *walk->distance);
    return walk;
}

void
fab_walk_free(FabWalk *walk)
{
    if (walk == NULL)
        return;
    g_free(walk->via);
    g_free(walk->distance);
    g_free(walk->queue);
    g_free(walk);
}

static bool
medium_is_open(const FabWalk *walk, FabMedium medium)
{
    if (medium == FAB_MEDIUM_NVLINK)
        return false;
    return walk->network || (medium != FAB_MEDIUM_INFINIBAND && medium != FAB_MEDIUM_ETHERNET);
}

static bool
lets_pass(const FabWalk *walk, FabVertex vertex)
{
    FabVertexKind kind = walk->topology->vertices[vertex].kind;

    return vertex == walk->source || (kind != FAB_VERTEX_GPU && (kind != FAB_VERTEX_NIC || walk->network));
}

static bool
joins_partitions(const FabTopology *topology, const FabTopologyLink *link)
{
    return link->medium == FAB_MEDIUM_INTERNAL && topology->vertices[link->a].kind == FAB_VERTEX_PCIE_SWITCH
           && topology->vertices[link->b].kind == FAB_VERTEX_PCIE_SWITCH;
}

/* Looks at one link out of `vertex`: a new vertex joins the queue, an equally near one may change its parent. */
static void
walk_link(FabWalk *walk, FabVertex vertex, uint32_t index)
{
    const FabTopologyLink *link = &walk->topology->links[index];
    FabVertex next = fab_link_other_end(link, vertex);

    if (!medium_is_open(walk, link->medium) || (walk->tree && joins_partitions(walk->topology, link)))
        return;
    if (walk->distance[next] == UINT32_MAX) {
        walk->distance[next] = walk->distance[vertex] + 1;
        walk->via[next] = index;
        walk->queue[walk->reached++] = next;
    } else if (walk->distance[next] == walk->distance[vertex] + 1) {
        FabVertex parent = fab_link_other_end(&walk->topology->links[walk->via[next]], next);
        if (vertex < parent || (vertex == parent && index < walk->via[next]))
            walk->via[next] = index;
    }
}

static void
search_from(FabWalk *walk, FabVertex source)
{
    if (walk->source == source)
        return;
    for (uint32_t i = 0; i < walk->reached; i++) /* what the last search touched: one node of a large cluster */
        walk->via[walk->queue[i]] = walk->distance[walk->queue[i]] = UINT32_MAX;
    walk->source = source;
    walk->distance[source] = 0;
    walk->queue[0] = source;
    walk->reached = 1;
    for (uint32_t head = 0; head < walk->reached; head++) {
        FabVertex vertex = walk->queue[head];
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(walk->topology, vertex, &count);
        if (!lets_pass(walk, vertex))
            continue;
        for (uint32_t i = 0; i < count; i++)
            walk_link(walk, vertex, links[i]);
    }
}

bool
fab_walk_path_back(FabWalk *walk, FabVertex source, FabVertex target, GArray *hops)
{
    search_from(walk, source);
    if (walk->distance[target] == UINT32_MAX)
        return false;
    while (target != source) {
        const FabTopologyLink *link = &walk->topology->links[walk->via[target]];
        FabHop hop = { .link = walk->via[target], .direction = link->a == target ? 0 : 1, .share = 1 };
        g_array_append_val(hops, hop);
        target = fab_link_other_end(link, target);
    }
    return true;
}

bool
fab_walk_path(FabWalk *walk, FabVertex source, FabVertex target, GArray *hops)
{
    guint first = hops->len;

    if (!fab_walk_path_back(walk, source, target, hops))
        return false;
    for (guint low = first, high = hops->len; low + 1 < high; low++, high--) {
        FabHop swap = g_array_index(hops, FabHop, low);
        g_array_index(hops, FabHop, low) = g_array_index(hops, FabHop, high - 1);
        g_array_index(hops, FabHop, high - 1) = swap;
    }
    for (guint i = first; i < hops->len; i++)
        g_array_index(hops, FabHop, i).direction ^= 1;
    return true;
}

FabVertex
fab_walk_nearest(FabWalk *walk, FabVertex source, FabVertexKind kind)
{
    FabVertex best = FAB_VERTEX_NONE;

    search_from(walk, source);
    for (uint32_t i = 0; i < walk->reached; i++) {
        FabVertex vertex = walk->queue[i];
        if (walk->topology->vertices[vertex].kind != kind)
            continue;
        if (best == FAB_VERTEX_NONE || walk->distance[vertex] < walk->distance[best] ||
            (walk->distance[vertex] == walk->distance[best] && vertex < best))
            best = vertex;
    }
    return best;
}

FabVertex
fab_hop_to(const FabTopology *topology, const FabHop *hop)
{
    const FabTopologyLink *link = &topology->links[hop->link];

    return hop->direction == 0 ? link->b : link->a;
}

/* ------------------------------------------------------------------ classes */

/* The class of a way, from what lies on it: `nvidia-smi topo -m` names the farthest thing passed. */
static FabPathClass
class_of(const FabTopology *topology, FabVertex source, const GArray *hops)
{
    uint32_t switches = 0, bridges = 0, cpus = 0;
    FabVertex vertex = source;

    for (guint i = 0; i <= hops->len; i++) {
        FabVertexKind kind = topology->vertices[vertex].kind;
        if (kind == FAB_VERTEX_MEMORY)
            return FAB_PATH_SELF; /* parts of one device */
        switches += kind == FAB_VERTEX_PCIE_SWITCH;
        bridges += kind == FAB_VERTEX_HOST_BRIDGE;
        cpus += kind == FAB_VERTEX_CPU;
        if (i < hops->len) {
            const FabHop *hop = &g_array_index(hops, FabHop, i);
            FabMedium medium = topology->links[hop->link].medium;
            if (medium == FAB_MEDIUM_C2C || medium == FAB_MEDIUM_SOCKET)
                return FAB_PATH_SYS;
            vertex = fab_hop_to(topology, hop);
        }
    }
    if (cpus > 1)
        return FAB_PATH_SYS;
    if (bridges > 1 || (bridges == 1 && cpus == 1))
        return FAB_PATH_NODE;
    if (bridges == 1 || cpus == 1)
        return FAB_PATH_PHB;
    return switches > 1 ? FAB_PATH_PXB : FAB_PATH_PIX;
}

/* Forgets the last search and changes what the next one may use. */
static void
walk_reset(FabWalk *walk, bool tree, bool network)
{
    walk->tree = tree;
    walk->network = network;
    walk->source = FAB_VERTEX_NONE;
}

FabPathClass
fab_path_class(const FabTopology *topology, FabVertex a, FabVertex b)
{
    g_autoptr(FabWalk) walk = NULL;
    g_autoptr(GArray) hops = NULL;

    g_return_val_if_fail(a < topology->vertex_count && b < topology->vertex_count, FAB_PATH_NONE);
    if (a == b)
        return FAB_PATH_SELF;
    if (topology->vertices[a].node != topology->vertices[b].node)
        return FAB_PATH_NET;
    walk = fab_walk_new(topology);
    hops = g_array_new(FALSE, FALSE, sizeof(FabHop));
    walk_reset(walk, true, false);
    if (fab_walk_path(walk, MIN(a, b), MAX(a, b), hops))
        return class_of(topology, MIN(a, b), hops);
    walk_reset(walk, false, false); /* partitions that nothing else joins */
    if (fab_walk_path(walk, MIN(a, b), MAX(a, b), hops))
        return class_of(topology, MIN(a, b), hops);
    walk_reset(walk, false, true);
    return fab_walk_path(walk, a, b, hops) ? FAB_PATH_NET : FAB_PATH_NONE;
}

uint32_t
fab_path_nvlinks(const FabTopology *topology, FabVertex a, FabVertex b)
{
    g_return_val_if_fail(a < topology->vertex_count && b < topology->vertex_count, 0);
    return a == b ? 0 : fab_nvlink_path(topology, a, b, NULL);
}

/* ------------------------------------------------------------------ NVLink */

/* The `nth` NVLink connection of `a` that leads to `b`, or UINT32_MAX. */
static uint32_t
nvlink_between(const FabTopology *topology, FabVertex a, FabVertex b, uint32_t nth)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, a, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        if (link->medium == FAB_MEDIUM_NVLINK && fab_link_other_end(link, a) == b && nth-- == 0)
            return links[i];
    }
    return UINT32_MAX;
}

uint32_t
fab_nvlink_direct(const FabTopology *topology, FabVertex a, FabVertex b)
{
    uint32_t lanes = 0, link;

    for (uint32_t nth = 0; (link = nvlink_between(topology, a, b, nth)) != UINT32_MAX; nth++)
        lanes += topology->links[link].lanes;
    return lanes;
}

/* One of several ways side by side, of at most three links: GPU, NVSwitch, NVSwitch, GPU. */
typedef struct {
    FabHop hops[3];
    uint32_t count;
    double capacity;
} Strand;

static void
strand_add(const FabTopology *topology, Strand *strand, FabVertex from, uint32_t index)
{
    const FabTopologyLink *link = &topology->links[index];
    double capacity = fab_link_rate(link);

    strand->hops[strand->count] = (FabHop){ .link = index, .direction = link->a == from ? 0 : 1, .share = 1 };
    strand->capacity = strand->count == 0 ? capacity : MIN(strand->capacity, capacity);
    strand->count++;
}

static void
find_direct(const FabTopology *topology, FabVertex a, FabVertex b, GArray *strands)
{
    uint32_t link;

    for (uint32_t nth = 0; (link = nvlink_between(topology, a, b, nth)) != UINT32_MAX; nth++) {
        Strand strand = { .count = 0 };
        strand_add(topology, &strand, a, link);
        g_array_append_val(strands, strand);
    }
}

/* Ways a, switch, b when `middle` is false, else a, switch, switch, b. */
static void
find_switched(const FabTopology *topology, FabVertex a, FabVertex b, bool middle, GArray *strands)
{
    uint32_t a_count, b_count;
    const uint32_t *a_links = fab_topology_links_at(topology, a, &a_count);
    const uint32_t *b_links = fab_topology_links_at(topology, b, &b_count);

    for (uint32_t i = 0; i < a_count * b_count; i++) {
        const FabTopologyLink *up = &topology->links[a_links[i / b_count]];
        const FabTopologyLink *down = &topology->links[b_links[i % b_count]];
        FabVertex first = fab_link_other_end(up, a), second = fab_link_other_end(down, b);
        uint32_t trunk = UINT32_MAX;
        Strand strand = { .count = 0 };
        if (up->medium != FAB_MEDIUM_NVLINK || down->medium != FAB_MEDIUM_NVLINK
            || topology->vertices[first].kind != FAB_VERTEX_NVSWITCH
            || topology->vertices[second].kind != FAB_VERTEX_NVSWITCH || (first == second) == middle)
            continue;
        if (middle && (trunk = nvlink_between(topology, first, second, 0)) == UINT32_MAX)
            continue;
        strand_add(topology, &strand, a, a_links[i / b_count]);
        if (middle)
            strand_add(topology, &strand, first, trunk);
        strand_add(topology, &strand, second, b_links[i % b_count]);
        g_array_append_val(strands, strand);
    }
}

/* Lanes of the different links that strands use as their hop number `position`. */
static uint32_t
lanes_at(const FabTopology *topology, const GArray *strands, uint32_t position)
{
    uint32_t lanes = 0;

    for (guint i = 0; i < strands->len; i++) {
        uint32_t link = g_array_index(strands, Strand, i).hops[position].link;
        guint first = 0;
        while (g_array_index(strands, Strand, first).hops[position].link != link)
            first++;
        if (first == i)
            lanes += topology->links[link].lanes;
    }
    return lanes;
}

uint32_t
fab_nvlink_path(const FabTopology *topology, FabVertex a, FabVertex b, GArray *hops)
{
    g_autoptr(GArray) strands = g_array_new(FALSE, FALSE, sizeof(Strand));
    double capacity = 0;
    uint32_t lanes = UINT32_MAX;

    find_direct(topology, a, b, strands);
    if (strands->len == 0)
        find_switched(topology, a, b, false, strands);
    if (strands->len == 0)
        find_switched(topology, a, b, true, strands);
    if (strands->len == 0)
        return 0;
    for (uint32_t position = 0; position < g_array_index(strands, Strand, 0).count; position++)
        lanes = MIN(lanes, lanes_at(topology, strands, position));
    for (guint i = 0; i < strands->len; i++)
        capacity += g_array_index(strands, Strand, i).capacity;
    for (guint i = 0; i < strands->len && hops != NULL; i++) {
        Strand *strand = &g_array_index(strands, Strand, i);
        for (uint32_t j = 0; j < strand->count; j++) {
            strand->hops[j].share = strands->len == 1 ? 1 : strand->capacity / capacity;
            g_array_append_val(hops, strand->hops[j]);
        }
    }
    return lanes;
}
