#include "topology/finish.h"

#include "base/error.h"

/*
 * Out and in of a GPU's port to host memory share about one one-way rate: 0.98 of it, six machines between 0.88 and
 * 1.06. Read requests cannot overtake the posted writes of the same GPU.
 */
#define HOST_PORT_SHARE 0.98

static void
fill_adjacency(FabTopology *topology)
{
    g_autofree uint32_t *next = g_new(uint32_t, topology->vertex_count + 1);

    topology->links_at_start = g_new0(uint32_t, topology->vertex_count + 1);
    topology->links_at = g_new(uint32_t, MAX(1, 2 * (gsize)topology->link_count));
    for (uint32_t i = 0; i < topology->link_count; i++) {
        topology->links_at_start[topology->links[i].a + 1]++;
        topology->links_at_start[topology->links[i].b + 1]++;
    }
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        topology->links_at_start[i + 1] += topology->links_at_start[i];
        next[i] = topology->links_at_start[i];
    }
    for (uint32_t i = 0; i < topology->link_count; i++) {
        topology->links_at[next[topology->links[i].a]++] = i;
        topology->links_at[next[topology->links[i].b]++] = i;
    }
}

static void
fill_gpus(FabTopology *topology)
{
    uint32_t numbers[FAB_VERTEX_MEMORY + 1] = { 0 };

    topology->gpus = g_new(FabVertex, topology->vertex_count);
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        FabTopologyVertex *vertex = &topology->vertices[i];
        vertex->number = numbers[vertex->kind]++;
        if (vertex->kind == FAB_VERTEX_GPU)
            topology->gpus[topology->gpu_count++] = i;
    }
}

/* Media over which a GPU's traffic reaches host memory. */
static bool
is_host_medium(FabMedium medium)
{
    return medium == FAB_MEDIUM_PCIE || medium == FAB_MEDIUM_C2C || medium == FAB_MEDIUM_INTERNAL ||
           medium == FAB_MEDIUM_SOCKET;
}

/*
 * Marks what can be reached from the vertices in `queue` (`count` of them, already marked; room for all vertices).
 * With `host_only`, over host media and not through GPUs.
 */
static void
spread(const FabTopology *topology, FabVertex *queue, uint32_t count, bool host_only, uint8_t *marked)
{
    for (uint32_t head = 0; head < count; head++) {
        uint32_t links = 0;
        const uint32_t *at = fab_topology_links_at(topology, queue[head], &links);
        if (host_only && topology->vertices[queue[head]].kind == FAB_VERTEX_GPU)
            continue;
        for (uint32_t i = 0; i < links; i++) {
            const FabTopologyLink *link = &topology->links[at[i]];
            FabVertex other = fab_link_other_end(link, queue[head]);
            if (marked[other] || (host_only && !is_host_medium(link->medium)))
                continue;
            marked[other] = 1;
            queue[count++] = other;
        }
    }
}

static bool
check_connected(const FabTopology *topology, GError **error)
{
    g_autofree FabVertex *queue = g_new(FabVertex, topology->vertex_count);
    g_autofree uint8_t *marked = g_new0(uint8_t, topology->vertex_count);

    queue[0] = topology->gpus[0];
    marked[queue[0]] = 1;
    spread(topology, queue, 1, false, marked);
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (!marked[i]) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "the graph is not connected: no links lead from %s to %s, must be joined by at least one way%s",
                        topology->vertices[topology->gpus[0]].name, topology->vertices[i].name,
                        topology->node_count > 1 ? "; of a cluster look at what is down" : "");
            return false;
        }
    }
    return true;
}

static void
add_resource(GArray *resources, FabResourceKind kind, char *name, double capacity, uint32_t link, FabVertex vertex)
{
    FabResource resource = { .kind = kind, .name = name, .capacity = capacity, .link = link, .vertex = vertex };

    g_array_append_val(resources, resource);
}

static void
add_link_resources(FabTopology *topology, GArray *resources)
{
    for (uint32_t i = 0; i < topology->link_count; i++) {
        FabTopologyLink *link = &topology->links[i];
        const char *a = topology->vertices[link->a].name;
        const char *b = topology->vertices[link->b].name;
        double capacity = fab_link_rate(link);
        link->resource[0] = resources->len;
        add_resource(resources, FAB_RESOURCE_LINK, g_strdup_printf("%s > %s", a, b), capacity, i, FAB_VERTEX_NONE);
        link->resource[1] = resources->len;
        add_resource(resources, FAB_RESOURCE_LINK, g_strdup_printf("%s > %s", b, a), capacity, i, FAB_VERTEX_NONE);
    }
}

static void
add_vertex_resources(FabTopology *topology, GArray *resources)
{
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        const FabTopologyVertex *vertex = &topology->vertices[i];
        if (vertex->peer_limit > 0)
            add_resource(resources, FAB_RESOURCE_PEER, g_strdup_printf("%s peer traffic", vertex->name),
                         vertex->peer_limit, UINT32_MAX, i);
        if (vertex->memory_limit > 0)
            add_resource(resources, FAB_RESOURCE_MEMORY, g_strdup_printf("%s memory", vertex->name),
                         vertex->memory_limit, UINT32_MAX, i);
    }
}

/* The effective rate of the GPU's fastest PCIe or C2C link that leads to a CPU; 0: it has none. */
static double
host_side_rate(const FabTopology *topology, FabVertex gpu, const uint8_t *marked)
{
    uint32_t links = 0;
    const uint32_t *at = fab_topology_links_at(topology, gpu, &links);
    double best = 0;

    for (uint32_t i = 0; i < links; i++) {
        const FabTopologyLink *link = &topology->links[at[i]];
        FabVertex other = fab_link_other_end(link, gpu);
        if (link->medium != FAB_MEDIUM_PCIE && link->medium != FAB_MEDIUM_C2C)
            continue;
        if (marked[other] && topology->vertices[other].kind != FAB_VERTEX_GPU)
            best = MAX(best, fab_link_rate(link));
    }
    return best;
}

static void
add_host_ports(FabTopology *topology, GArray *resources)
{
    g_autofree FabVertex *queue = g_new(FabVertex, topology->vertex_count);
    g_autofree uint8_t *marked = g_new0(uint8_t, topology->vertex_count);
    uint32_t cpus = 0;

    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (topology->vertices[i].kind == FAB_VERTEX_CPU) {
            marked[i] = 1;
            queue[cpus++] = i;
        }
    }
    spread(topology, queue, cpus, true, marked);
    topology->host_port = g_new(uint32_t, topology->gpu_count);
    for (uint32_t i = 0; i < topology->gpu_count; i++) {
        FabVertex gpu = topology->gpus[i];
        double rate = host_side_rate(topology, gpu, marked);
        topology->host_port[i] = rate > 0 ? resources->len : UINT32_MAX;
        if (rate > 0)
            add_resource(resources, FAB_RESOURCE_HOST_PORT,
                         g_strdup_printf("%s host port", topology->vertices[gpu].name), HOST_PORT_SHARE * rate,
                         UINT32_MAX, gpu);
    }
}

/* Without RDMA a thread of each GPU's process copies what goes to other nodes into sockets, and out of them. */
static void
add_threads(FabTopology *topology, GArray *resources)
{
    for (uint32_t i = 0; i < topology->gpu_count && topology->network.thread_rate > 0; i++)
        add_resource(resources, FAB_RESOURCE_THREAD,
                     g_strdup_printf("%s socket thread", topology->vertices[topology->gpus[i]].name),
                     topology->network.thread_rate, UINT32_MAX, topology->gpus[i]);
}

/* GPUs are numbered node by node, so all of them must be part of one. */
static bool
check_nodes(const FabTopology *topology, GError **error)
{
    for (uint32_t i = 0; i < topology->gpu_count && topology->node_count > 0; i++) {
        const FabTopologyVertex *gpu = &topology->vertices[topology->gpus[i]];
        if (gpu->node == FAB_NODE_NONE) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s belongs to no node, all GPUs of a cluster must",
                        gpu->name);
            return false;
        }
    }
    return true;
}

/* What all GPUs share: then every one of them must be linked to it. */
static bool
find_shared(FabTopology *topology, GError **error)
{
    topology->shared = FAB_VERTEX_NONE;
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (topology->vertices[i].kind != FAB_VERTEX_MEMORY)
            continue;
        if (topology->shared != FAB_VERTEX_NONE) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s and %s are both device memories, must be one at most",
                        topology->vertices[topology->shared].name, topology->vertices[i].name);
            return false;
        }
        topology->shared = i;
    }
    for (uint32_t i = 0; i < topology->gpu_count && topology->shared != FAB_VERTEX_NONE; i++) {
        uint32_t links = 0;
        const uint32_t *at = fab_topology_links_at(topology, topology->gpus[i], &links);
        if (links == 1 && fab_link_other_end(&topology->links[at[0]], topology->gpus[i]) == topology->shared)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s has %u links, must have one, to %s, which all GPUs share",
                    topology->vertices[topology->gpus[i]].name, links, topology->vertices[topology->shared].name);
        return false;
    }
    return true;
}

static void
add_shared_resources(FabTopology *topology, GArray *resources)
{
    const FabTopologyVertex *vertex;

    topology->shared_memory = topology->shared_cache = UINT32_MAX;
    if (topology->shared == FAB_VERTEX_NONE)
        return;
    vertex = &topology->vertices[topology->shared];
    topology->shared_memory = resources->len;
    add_resource(resources, FAB_RESOURCE_MEMORY, g_strdup(vertex->name), vertex->memory->bandwidth, UINT32_MAX,
                 topology->shared);
    topology->shared_cache = resources->len;
    add_resource(resources, FAB_RESOURCE_CACHE, g_strdup_printf("%s cache", vertex->name),
                 vertex->memory->cache_bandwidth, UINT32_MAX, topology->shared);
}

bool
fab_topology_finish(FabTopology *topology, GError **error)
{
    GArray *resources;

    if (topology->vertex_count == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "the graph is empty, must have at least one GPU");
        return false;
    }
    fill_gpus(topology);
    if (topology->gpu_count == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "the graph has no GPU, must have at least one");
        return false;
    }
    fill_adjacency(topology);
    if (!check_nodes(topology, error) || !check_connected(topology, error) || !find_shared(topology, error))
        return false;
    resources = g_array_new(FALSE, TRUE, sizeof(FabResource));
    add_link_resources(topology, resources);
    add_vertex_resources(topology, resources);
    add_host_ports(topology, resources);
    add_threads(topology, resources);
    add_shared_resources(topology, resources);
    topology->resource_count = resources->len;
    topology->resources = (FabResource *)g_array_free(resources, FALSE);
    return true;
}
