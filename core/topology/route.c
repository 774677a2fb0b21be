#include "topology/route-private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* Writes to a peer leave by the same queue as reads of host memory; alone they fill the link, 1/0.98 of the port. */
#define PEER_SHARE 0.98

/* What is known about one ordered pair of GPUs. */
typedef struct {
    uint64_t key;
    FabTransport transport;
    const FabRoute *push, *pull; /* NULL until asked for */
} Pair;

const char *
fab_path_class_name(FabPathClass class)
{
    static const char *const names[] = { "X", "NVL", "NVB", "PIX", "PXB", "PHB", "NODE", "SYS", "NET", "none" };

    g_return_val_if_fail((unsigned)class < G_N_ELEMENTS(names), "none");
    return names[class];
}

/* ------------------------------------------------------------------ routes, each kept once */

static guint
route_hash(gconstpointer data)
{
    const FabRoute *route = data;
    uint64_t hash = (uint64_t)route->latency_ps * UINT64_C(0x9e3779b97f4a7c15);

    for (uint32_t i = 0; i < route->count; i++) {
        uint64_t bits;
        memcpy(&bits, &route->uses[i].weight, sizeof bits);
        hash = (hash ^ (hash >> 29) ^ route->uses[i].resource) * UINT64_C(0xbf58476d1ce4e5b9);
        hash = (hash ^ (hash >> 32) ^ bits) * UINT64_C(0x94d049bb133111eb);
    }
    return (guint)(hash ^ (hash >> 32));
}

static gboolean
route_equal(gconstpointer a, gconstpointer b)
{
    const FabRoute *first = a, *second = b;

    if (first->count != second->count || first->latency_ps != second->latency_ps)
        return FALSE;
    for (uint32_t i = 0; i < first->count; i++)
        if (first->uses[i].resource != second->uses[i].resource || first->uses[i].weight != second->uses[i].weight
            || first->uses[i].stage != second->uses[i].stage)
            return FALSE;
    return TRUE;
}

/* By resource; equal ones by weight, so that sums come out the same whatever the order of adding. */
static gint
compare_uses(gconstpointer a, gconstpointer b)
{
    const FabUse *first = a, *second = b;

    if (first->resource != second->resource)
        return first->resource < second->resource ? -1 : 1;
    return first->weight < second->weight ? -1 : first->weight > second->weight;
}

void
fab_router_use(FabRouter *router, uint32_t resource, double weight)
{
    FabUse entry;

    if (resource == UINT32_MAX)
        return;
    memset(&entry, 0, sizeof entry);
    entry.resource = resource;
    entry.stage = router->stage;
    entry.weight = weight;
    g_array_append_val(router->uses, entry);
}

/* Turns the collected uses into the one route with that content, and empties the collection. */
const FabRoute *
fab_router_finish(FabRouter *router, int64_t latency_ps)
{
    GArray *uses = router->uses;
    FabRoute *route = g_malloc(sizeof *route + uses->len * sizeof *route->uses);
    const FabRoute *same;

    g_array_sort(uses, compare_uses);
    route->count = 0;
    route->latency_ps = latency_ps;
    for (guint i = 0; i < uses->len; i++) {
        const FabUse *entry = &g_array_index(uses, FabUse, i);
        if (route->count > 0 && route->uses[route->count - 1].resource == entry->resource)
            route->uses[route->count - 1].weight += entry->weight;
        else
            route->uses[route->count++] = *entry;
    }
    g_array_set_size(uses, 0);
    same = g_hash_table_lookup(router->known, route);
    if (same != NULL) {
        g_free(route);
        return same;
    }
    route->id = g_hash_table_size(router->known);
    g_hash_table_add(router->known, route);
    return route;
}

/* ------------------------------------------------------------------ the router */

FabRouter *
fab_router_new(const FabTopology *topology, const FabRouteRules *rules)
{
    FabRouter *router = g_new0(FabRouter, 1);

    router->topology = topology;
    router->rules = *rules;
    router->walk = fab_walk_new(topology);
    router->peer_of = g_new(uint32_t, topology->vertex_count);
    router->memory_of = g_new(uint32_t, topology->vertex_count);
    router->thread_of = g_new(uint32_t, topology->vertex_count);
    router->pairs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    router->flows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    router->known = g_hash_table_new_full(route_hash, route_equal, g_free, NULL);
    router->hops = g_array_new(FALSE, FALSE, sizeof(FabHop));
    router->uses = g_array_new(FALSE, FALSE, sizeof(FabUse));
    for (uint32_t i = 0; i < topology->vertex_count; i++)
        router->peer_of[i] = router->memory_of[i] = router->thread_of[i] = UINT32_MAX;
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        const FabResource *resource = &topology->resources[i];
        if (resource->kind == FAB_RESOURCE_PEER)
            router->peer_of[resource->vertex] = i;
        else if (resource->kind == FAB_RESOURCE_MEMORY)
            router->memory_of[resource->vertex] = i;
        else if (resource->kind == FAB_RESOURCE_THREAD)
            router->thread_of[resource->vertex] = i;
    }
    return router;
}

void
fab_router_free(FabRouter *router)
{
    if (router == NULL)
        return;
    fab_walk_free(router->walk);
    fab_network_ways_free(router->ways);
    g_hash_table_unref(router->flows);
    g_free(router->peer_of);
    g_free(router->memory_of);
    g_free(router->thread_of);
    g_hash_table_unref(router->pairs);
    g_hash_table_unref(router->known);
    g_array_unref(router->hops);
    g_array_unref(router->uses);
    g_free(router);
}

const FabTopology *
fab_router_topology(const FabRouter *router)
{
    return router->topology;
}

static FabTransport
choose_transport(const FabRouter *router, uint32_t a, uint32_t b)
{
    const FabTopology *topology = router->topology;
    FabVertex from = topology->gpus[a], to = topology->gpus[b];
    FabPathClass farthest = MIN(router->rules.peer_level, FAB_PATH_SYS); /* a network is never direct */

    if (a == b || topology->shared != FAB_VERTEX_NONE)
        return FAB_TRANSPORT_LOCAL;
    if (topology->vertices[from].node != topology->vertices[to].node)
        return FAB_TRANSPORT_NETWORK;
    if (router->rules.nvlink && fab_path_nvlinks(topology, from, to) > 0)
        return FAB_TRANSPORT_NVLINK;
    if (fab_topology_peer_access(topology, from, to) && fab_path_class(topology, from, to) <= farthest)
        return FAB_TRANSPORT_PEER;
    return FAB_TRANSPORT_STAGED;
}

static Pair *
pair_of(FabRouter *router, uint32_t a, uint32_t b)
{
    uint64_t key = (uint64_t)a * router->topology->gpu_count + b;
    Pair *pair = g_hash_table_lookup(router->pairs, &key);

    if (pair != NULL)
        return pair;
    pair = g_new0(Pair, 1);
    pair->key = key;
    pair->transport = choose_transport(router, a, b);
    g_hash_table_add(router->pairs, pair);
    return pair;
}

FabTransport
fab_router_transport(FabRouter *router, uint32_t a, uint32_t b)
{
    g_return_val_if_fail(a < router->topology->gpu_count && b < router->topology->gpu_count, FAB_TRANSPORT_LOCAL);
    return pair_of(router, a, b)->transport;
}

/*
 * Uses every hop collected; with `reverse` also the acknowledgements and requests that stores cause on the opposite
 * direction. Returns the latency: of the slowest way, where several lie side by side.
 */
int64_t
fab_router_use_hops(FabRouter *router, bool reverse)
{
    const FabTopology *topology = router->topology;
    int64_t latency_ps = 0, way_ps = 0;
    FabVertex end = FAB_VERTEX_NONE;

    if (router->hops->len > 0)
        end = fab_hop_to(topology, &g_array_index(router->hops, FabHop, router->hops->len - 1));
    for (guint i = 0; i < router->hops->len; i++) {
        const FabHop *hop = &g_array_index(router->hops, FabHop, i);
        const FabTopologyLink *link = &topology->links[hop->link];
        fab_router_use(router, link->resource[hop->direction], hop->share);
        if (reverse && link->reverse > 0)
            fab_router_use(router, link->resource[hop->direction ^ 1], hop->share * link->reverse);
        way_ps += link->latency_ps;
        if (fab_hop_to(topology, hop) == end) {
            latency_ps = MAX(latency_ps, way_ps);
            way_ps = 0;
        }
    }
    return latency_ps;
}

/* ------------------------------------------------------------------ direct stores */

static const FabRoute *
nvlink_route(FabRouter *router, FabVertex from, FabVertex to)
{
    g_array_set_size(router->hops, 0);
    fab_nvlink_path(router->topology, from, to, router->hops);
    return fab_router_finish(router, fab_router_use_hops(router, true));
}

/* Whether the way turns at PCIe switches only and one of them redirects peer traffic. */
static bool
is_redirected(const FabRouter *router)
{
    bool redirects = false;

    for (guint i = 0; i + 1 < router->hops->len; i++) {
        FabVertex vertex = fab_hop_to(router->topology, &g_array_index(router->hops, FabHop, i));
        const FabTopologyVertex *passed = &router->topology->vertices[vertex];
        if (passed->kind != FAB_VERTEX_PCIE_SWITCH)
            return false;
        redirects = redirects || (passed->flags & FAB_VERTEX_ACS) != 0;
    }
    return redirects;
}

/* Access control sends peer traffic up to the root port, which sends it down again. */
static void
redirect(FabRouter *router, FabVertex from, FabVertex to)
{
    FabVertex bridge = fab_walk_nearest(router->walk, from, FAB_VERTEX_HOST_BRIDGE);

    if (bridge == FAB_VERTEX_NONE)
        bridge = fab_walk_nearest(router->walk, from, FAB_VERTEX_CPU);
    if (bridge == FAB_VERTEX_NONE)
        return;
    g_array_set_size(router->hops, 0);
    fab_walk_path_back(router->walk, bridge, from, router->hops);
    fab_walk_path(router->walk, bridge, to, router->hops);
}

/* Each host bridge or switch passed counts the traffic once, also where it is passed twice. */
void
fab_router_use_peer_limits(FabRouter *router, double share)
{
    guint first = router->uses->len;

    for (guint i = 0; i + 1 < router->hops->len; i++) {
        FabVertex passed = fab_hop_to(router->topology, &g_array_index(router->hops, FabHop, i));
        uint32_t limit = router->peer_of[passed];
        guint seen = first;
        if (limit == UINT32_MAX)
            continue; /* the switches of a network, of which a way may pass thousands */
        while (seen < router->uses->len && g_array_index(router->uses, FabUse, seen).resource != limit)
            seen++;
        if (seen == router->uses->len)
            fab_router_use(router, limit, share);
    }
}

static const FabRoute *
peer_route(FabRouter *router, uint32_t a, FabVertex from, FabVertex to)
{
    g_array_set_size(router->hops, 0);
    if (from < to)
        fab_walk_path(router->walk, from, to, router->hops);
    else
        fab_walk_path_back(router->walk, to, from, router->hops);
    if (is_redirected(router))
        redirect(router, from, to);
    fab_router_use_peer_limits(router, 1);
    fab_router_use(router, router->topology->host_port[a], PEER_SHARE);
    return fab_router_finish(router, fab_router_use_hops(router, true));
}

/* ------------------------------------------------------------------ through host memory */

static void
set_unreachable(const FabRouter *router, uint32_t a, uint32_t b, GError **error)
{
    const FabTopology *topology = router->topology;
    const FabTopologyVertex *from = &topology->vertices[topology->gpus[a]];
    const FabTopologyVertex *to = &topology->vertices[topology->gpus[b]];
    FabPathClass class = fab_path_class(topology, topology->gpus[a], topology->gpus[b]);
    bool hidden = !router->rules.nvlink && fab_path_nvlinks(topology, topology->gpus[a], topology->gpus[b]) > 0;
    const char *wrong = class == FAB_PATH_NET    ? "only a network joins them"
                        : class == FAB_PATH_NONE ? "no PCIe or socket link joins them"
                                                 : "there is no CPU through whose memory data could pass";
    const char *cure = hidden                   ? "allow NVLink, which joins them"
                       : class <= FAB_PATH_SYS ? "allow direct PCIe transfers between them, or add a CPU vertex"
                                               : "choose GPUs of one machine, or add the missing links";

    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %s cannot reach %s: %s; %s",
                topology->name != NULL ? topology->name : "topology", from->name, to->name, wrong, cure);
}

/*
 * One half of a staged transfer. Host memory is the receiver's: its NUMA node, as NCCL_SHM_LOCALITY=2, NCCL's
 * default, has it. Reads and writes of host memory share a GPU's host port, which takes the place of reverse traffic.
 */
static const FabRoute *
staged_route(FabRouter *router, uint32_t a, uint32_t b, bool push, GError **error)
{
    const FabTopology *topology = router->topology;
    FabVertex cpu = fab_walk_nearest(router->walk, topology->gpus[b], FAB_VERTEX_CPU);
    bool joined = cpu != FAB_VERTEX_NONE;

    /* Both halves are looked for, so that the first one asked for already tells that b is out of reach. */
    g_array_set_size(router->hops, 0);
    joined = joined && fab_walk_path_back(router->walk, cpu, topology->gpus[a], router->hops);
    if (!joined) {
        set_unreachable(router, a, b, error);
        return NULL;
    }
    if (!push) {
        g_array_set_size(router->hops, 0);
        fab_walk_path(router->walk, cpu, topology->gpus[b], router->hops);
    }
    fab_router_use(router, topology->host_port[push ? a : b], 1);
    fab_router_use(router, router->memory_of[cpu], 1);
    return fab_router_finish(router, fab_router_use_hops(router, false));
}

/* Copy engines have reads and writes in flight side by side: they share the link's directions only, as peers do. */
const FabRoute *
fab_router_host(FabRouter *router, uint32_t gpu, bool in, GError **error)
{
    const FabTopology *topology = router->topology;
    FabVertex cpu;

    g_return_val_if_fail(gpu < topology->gpu_count, NULL);
    cpu = fab_walk_nearest(router->walk, topology->gpus[gpu], FAB_VERTEX_CPU);
    g_array_set_size(router->hops, 0);
    if (cpu == FAB_VERTEX_NONE || !(in ? fab_walk_path(router->walk, cpu, topology->gpus[gpu], router->hops)
                                       : fab_walk_path_back(router->walk, cpu, topology->gpus[gpu], router->hops))) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: no CPU is joined to %s, whose memory could be copied",
                    topology->name, topology->vertices[topology->gpus[gpu]].name);
        return NULL;
    }
    fab_router_use(router, router->memory_of[cpu], 1);
    return fab_router_finish(router, fab_router_use_hops(router, true));
}

/* ------------------------------------------------------------------ one memory for all */

/* The link of a GPU to the memory; *inward: its direction that carries what the GPU reads. */
static const FabTopologyLink *
memory_link(const FabTopology *topology, FabVertex gpu, uint32_t *inward)
{
    uint32_t count;
    const FabTopologyLink *link = &topology->links[*fab_topology_links_at(topology, gpu, &count)];

    *inward = link->a == topology->shared ? 0 : 1;
    return link;
}

const FabRoute *
fab_router_access(FabRouter *router, uint32_t gpu, double memory, double read)
{
    const FabTopology *topology = router->topology;
    const FabTopologyLink *link;
    uint32_t inward;

    g_return_val_if_fail(topology->shared != FAB_VERTEX_NONE && gpu < topology->gpu_count, NULL);
    link = memory_link(topology, topology->gpus[gpu], &inward);
    fab_router_use(router, topology->shared_cache, 1);
    if (memory > 0)
        fab_router_use(router, topology->shared_memory, memory);
    if (read > 0)
        fab_router_use(router, link->resource[inward], read);
    if (read < 1)
        fab_router_use(router, link->resource[inward ^ 1], 1 - read);
    return fab_router_finish(router, 0);
}

/* A copy reads every byte and writes it; both by the processors of the GPU that sends. */
static void
use_copy(FabRouter *router, FabVertex from)
{
    uint32_t inward;
    const FabTopologyLink *link = memory_link(router->topology, from, &inward);

    fab_router_use(router, router->topology->shared_cache, 2);
    fab_router_use(router, router->topology->shared_memory, 2);
    fab_router_use(router, link->resource[0], 1);
    fab_router_use(router, link->resource[1], 1);
}

/* ------------------------------------------------------------------ lookups */

static const FabRoute *
make_push(FabRouter *router, FabTransport transport, uint32_t a, uint32_t b, GError **error)
{
    FabVertex from = router->topology->gpus[a], to = router->topology->gpus[b];

    switch (transport) {
    case FAB_TRANSPORT_NVLINK:
        return nvlink_route(router, from, to);
    case FAB_TRANSPORT_PEER:
        return peer_route(router, a, from, to);
    case FAB_TRANSPORT_STAGED:
        return staged_route(router, a, b, true, error);
    case FAB_TRANSPORT_NETWORK:
        return fab_router_network_route(router, a, b, 0, error);
    case FAB_TRANSPORT_LOCAL:
        if (a != b)
            use_copy(router, from);
        break;
    }
    return fab_router_finish(router, 0);
}

const FabRoute *
fab_router_push(FabRouter *router, uint32_t a, uint32_t b, GError **error)
{
    Pair *pair;

    g_return_val_if_fail(a < router->topology->gpu_count && b < router->topology->gpu_count, NULL);
    pair = pair_of(router, a, b);
    if (pair->push == NULL)
        pair->push = make_push(router, pair->transport, a, b, error);
    return pair->push;
}

const FabRoute *
fab_router_push_flow(FabRouter *router, uint32_t a, uint32_t b, uint32_t flow, GError **error)
{
    g_autofree char *key = NULL;
    const FabRoute *route;

    if (flow == 0 || router->topology->network.routing == FAB_ROUTING_SPRAY ||
        fab_router_transport(router, a, b) != FAB_TRANSPORT_NETWORK)
        return fab_router_push(router, a, b, error);
    key = g_strdup_printf("%u %u %u", a, b, flow);
    route = g_hash_table_lookup(router->flows, key);
    if (route == NULL && (route = fab_router_network_route(router, a, b, flow, error)) != NULL)
        g_hash_table_insert(router->flows, g_steal_pointer(&key), (gpointer)route);
    return route;
}

const FabRoute *
fab_router_pull(FabRouter *router, uint32_t a, uint32_t b, GError **error)
{
    Pair *pair;

    g_return_val_if_fail(a < router->topology->gpu_count && b < router->topology->gpu_count, NULL);
    pair = pair_of(router, a, b);
    if (pair->pull == NULL)
        pair->pull = pair->transport == FAB_TRANSPORT_STAGED    ? staged_route(router, a, b, false, error)
                     : pair->transport == FAB_TRANSPORT_NETWORK ? fab_router_network_pull(router, b)
                                                                : fab_router_finish(router, 0);
    return pair->pull;
}

/* ------------------------------------------------------------------ sums */

const FabRoute *
fab_router_union(FabRouter *router, const FabRoute *const *routes, uint32_t count)
{
    int64_t latency_ps = 0;

    if (count == 1)
        return routes[0];
    for (uint32_t i = 0; i < count; i++) {
        g_array_append_vals(router->uses, routes[i]->uses, routes[i]->count);
        latency_ps = MAX(latency_ps, routes[i]->latency_ps);
    }
    return fab_router_finish(router, latency_ps);
}

const FabRoute *
fab_router_route(FabRouter *router, const FabUse *uses, uint32_t count, int64_t latency_ps)
{
    for (uint32_t i = 0; i < count; i++)
        fab_router_use(router, uses[i].resource, uses[i].weight);
    return fab_router_finish(router, latency_ps);
}

double
fab_route_bandwidth(const FabTopology *topology, const FabRoute *route)
{
    double lowest = INFINITY;

    for (uint32_t i = 0; i < route->count; i++)
        lowest = MIN(lowest, topology->resources[route->uses[i].resource].capacity / route->uses[i].weight);
    return lowest;
}
