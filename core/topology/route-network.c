/* Routes from one node of a cluster to another: PCIe, NICs, cables, and NVLink to the GPU beside the right NIC. */
#include "topology/route-private.h"

#include "base/error.h"

const FabVertex *
fab_router_nics(FabRouter *router, uint32_t gpu, uint32_t *count)
{
    if (router->ways == NULL)
        router->ways = fab_network_ways_new(router->topology, router->walk);
    return fab_network_nics(router->ways, gpu, count);
}

/* Uses the hops collected, each by its share; returns the latency of those that follow one another. */
static int64_t
use_way(FabRouter *router, double share)
{
    int64_t latency_ps = 0;

    fab_router_use_peer_limits(router, share);
    for (guint i = 0; i < router->hops->len; i++) {
        const FabHop *hop = &g_array_index(router->hops, FabHop, i);
        const FabTopologyLink *link = &router->topology->links[hop->link];
        router->stage = hop->stage > 0 ? hop->stage : router->stage;
        fab_router_use(router, link->resource[hop->direction], hop->share);
        if (link->reverse > 0)
            fab_router_use(router, link->resource[hop->direction ^ 1], hop->share * link->reverse);
        latency_ps += link->latency_ps;
    }
    return latency_ps;
}

/* PCIe between a NIC and a GPU, or the memory of the GPU's NUMA node where the NIC may not reach the GPU itself. */
static int64_t
use_nic(FabRouter *router, uint32_t index, FabVertex nic, bool out, double share)
{
    FabVertex gpu = router->topology->gpus[index], memory = gpu;

    if (!fab_network_is_direct(router->ways, index))
        memory = fab_walk_nearest(router->walk, gpu, FAB_VERTEX_CPU);
    g_array_set_size(router->hops, 0);
    if (memory == FAB_VERTEX_NONE)
        return 0;
    if (memory != gpu)
        fab_router_use(router, router->memory_of[memory], share);
    if (out)
        fab_walk_path(router->walk, memory, nic, router->hops);
    else
        fab_walk_path_back(router->walk, memory, nic, router->hops);
    for (guint i = 0; i < router->hops->len; i++)
        g_array_index(router->hops, FabHop, i).share = share;
    return use_way(router, share);
}

/*
 * The GPU whose NIC carries the flow: with PXN the one at the receiver's place in its node, so that the data arrives on
 * the receiver's rail, if NVLink leads there; else the sender itself.
 */
static uint32_t
relay_of(const FabRouter *router, uint32_t a, uint32_t b)
{
    const FabTopology *topology = router->topology;
    const FabTopologyNode *from = &topology->nodes[fab_topology_node_of(topology, a)];
    const FabTopologyNode *to = &topology->nodes[fab_topology_node_of(topology, b)];
    uint32_t relay = from->first_gpu + (b - to->first_gpu) % from->gpus;

    if (!topology->network.pxn || !router->rules.nvlink ||
        fab_nvlink_path(topology, topology->gpus[a], topology->gpus[relay], NULL) == 0)
        return a;
    return relay;
}

static bool
refuse_no_way(const FabRouter *router, uint32_t a, uint32_t b, FabVertex from, FabVertex to, GError **error)
{
    const FabTopology *topology = router->topology;

    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: %s cannot reach %s: no cables lead from %s to %s; join them by a switch%s", topology->name,
                topology->vertices[topology->gpus[a]].name, topology->vertices[topology->gpus[b]].name,
                from == FAB_VERTEX_NONE ? "a NIC" : topology->vertices[from].name,
                to == FAB_VERTEX_NONE ? "a NIC" : topology->vertices[to].name,
                topology->network.pxn ? "" : " or allow PXN, which changes to another rail inside a node");
    return false;
}

/*
 * Collects the cables between two NICs. Queue pairs take equal shares of a connection, message by message or of each
 * message, and what arrives is used in order: so the slowest of them holds all back, as the ways of one flow do.
 */
static int64_t
collect_cables(FabRouter *router, FabVertex from, FabVertex to, uint32_t flow, double share)
{
    uint32_t pairs = MAX(router->rules.queue_pairs, 1);
    int64_t slowest_ps = 0;

    g_array_set_size(router->hops, 0);
    for (uint32_t pair = 0; pair < pairs; pair++) {
        int64_t way_ps = fab_network_way(router->ways, from, to, flow * pairs + pair, share / pairs, router->hops);
        if (way_ps < 0)
            return -1;
        slowest_ps = MAX(slowest_ps, way_ps);
    }
    return slowest_ps;
}

/* Each NIC of the sending GPU has one of the receiving GPU as its partner, so that rails stay apart. */
static bool
use_cables(FabRouter *router, uint32_t a, uint32_t b, uint32_t relay, uint32_t flow, int64_t *latency_ps,
           GError **error)
{
    uint32_t out_count, in_count, strands;
    const FabVertex *out = fab_network_nics(router->ways, relay, &out_count);
    const FabVertex *in = fab_network_nics(router->ways, b, &in_count);
    int64_t slowest_ps = 0;

    if (out_count == 0 || in_count == 0)
        return refuse_no_way(router, a, b, FAB_VERTEX_NONE, FAB_VERTEX_NONE, error);
    strands = MAX(out_count, in_count);
    for (uint32_t i = 0; i < strands; i++) {
        FabVertex from = out[i % out_count], to = in[i % in_count];
        int64_t way_ps = use_nic(router, relay, from, true, 1.0 / strands);
        int64_t cables_ps = collect_cables(router, from, to, flow, 1.0 / strands);
        if (cables_ps < 0) {
            g_array_set_size(router->uses, 0);
            return refuse_no_way(router, a, b, from, to, error);
        }
        use_way(router, 1.0 / strands);
        router->stage = FAB_STAGE_END;
        way_ps += cables_ps + use_nic(router, b, to, false, 1.0 / strands);
        router->stage = 0;
        slowest_ps = MAX(slowest_ps, way_ps);
    }
    *latency_ps += slowest_ps;
    return true;
}

bool
fab_router_is_only_way(FabRouter *router, uint32_t a, uint32_t b)
{
    uint32_t relay, out_count, in_count;
    const FabVertex *out, *in;

    if (fab_router_transport(router, a, b) != FAB_TRANSPORT_NETWORK ||
        router->topology->network.routing == FAB_ROUTING_SPRAY)
        return true;
    relay = relay_of(router, a, b);
    out = fab_router_nics(router, relay, &out_count);
    in = fab_router_nics(router, b, &in_count);
    for (uint32_t i = 0; i < MAX(out_count, in_count) && out_count > 0 && in_count > 0; i++) {
        if (!fab_network_is_only_way(router->ways, out[i % out_count], in[i % in_count]))
            return false;
    }
    return true;
}

/* From GPU memory, or what a proxy thread staged in host memory, to the memory that the receiver's NIC writes. */
const FabRoute *
fab_router_network_route(FabRouter *router, uint32_t a, uint32_t b, uint32_t flow, GError **error)
{
    const FabTopology *topology = router->topology;
    uint32_t relay = relay_of(router, a, b), count;
    int64_t latency_ps = 0;

    fab_router_nics(router, relay, &count);
    if (relay != a) {
        g_array_set_size(router->hops, 0);
        fab_nvlink_path(topology, topology->gpus[a], topology->gpus[relay], router->hops);
        latency_ps += fab_router_use_hops(router, true);
    }
    if (count > 0 && !fab_network_is_direct(router->ways, relay)) {
        FabVertex cpu = fab_walk_nearest(router->walk, topology->gpus[relay], FAB_VERTEX_CPU);
        g_array_set_size(router->hops, 0);
        if (cpu != FAB_VERTEX_NONE)
            fab_walk_path_back(router->walk, cpu, topology->gpus[relay], router->hops);
        fab_router_use(router, topology->host_port[relay], 1);
        latency_ps += fab_router_use_hops(router, false);
    }
    fab_router_use(router, router->thread_of[topology->gpus[relay]], 1);
    fab_router_use(router, router->thread_of[topology->gpus[b]], 1);
    if (!use_cables(router, a, b, relay, flow, &latency_ps, error))
        return NULL;
    return fab_router_finish(router, latency_ps);
}

/* What the receiver still does: it fetches from host memory what its NIC could not write to it. */
const FabRoute *
fab_router_network_pull(FabRouter *router, uint32_t b)
{
    const FabTopology *topology = router->topology;
    uint32_t count;
    FabVertex cpu;

    fab_router_nics(router, b, &count);
    g_array_set_size(router->hops, 0);
    if (count == 0 || fab_network_is_direct(router->ways, b))
        return fab_router_finish(router, 0);
    cpu = fab_walk_nearest(router->walk, topology->gpus[b], FAB_VERTEX_CPU);
    if (cpu == FAB_VERTEX_NONE)
        return fab_router_finish(router, 0);
    fab_walk_path(router->walk, cpu, topology->gpus[b], router->hops);
    fab_router_use(router, topology->host_port[b], 1);
    fab_router_use(router, router->memory_of[cpu], 1);
    return fab_router_finish(router, fab_router_use_hops(router, false));
}

const FabRoute *
fab_router_reduction(FabRouter *router, const uint32_t *gpus, uint32_t count, uint32_t flow, GError **error)
{
    const FabTopology *topology = router->topology;
    g_autofree FabVertex *nics = g_new(FabVertex, count);
    int64_t inside_ps = 0, between_ps;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t driven;
        const FabVertex *its = fab_router_nics(router, gpus[i], &driven);
        int64_t out_ps;
        if (driven == 0) {
            refuse_no_way(router, gpus[i], gpus[(i + 1) % count], FAB_VERTEX_NONE, FAB_VERTEX_NONE, error);
            return NULL;
        }
        nics[i] = its[flow % driven];
        out_ps = use_nic(router, gpus[i], nics[i], true, 1);
        inside_ps = MAX(inside_ps, out_ps);
        use_nic(router, gpus[i], nics[i], false, 1);
    }
    g_array_set_size(router->hops, 0);
    between_ps = fab_network_tree(router->ways, nics, count, flow, router->hops);
    if (between_ps < 0) {
        fab_router_finish(router, 0);
        refuse_no_way(router, gpus[0], gpus[count - 1], nics[0], nics[count - 1], error);
        return NULL;
    }
    for (guint i = 0; i < router->hops->len; i++) {
        const FabHop *hop = &g_array_index(router->hops, FabHop, i);
        fab_router_use(router, topology->links[hop->link].resource[0], 1);
        fab_router_use(router, topology->links[hop->link].resource[1], 1);
    }
    return fab_router_finish(router, 2 * (inside_ps + between_ps));
}
