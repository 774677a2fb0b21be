/* What the files that make routes share. */
#ifndef FAB_TOPOLOGY_ROUTE_PRIVATE_H
#define FAB_TOPOLOGY_ROUTE_PRIVATE_H

#include "topology/network.h"
#include "topology/route.h"

struct FabRouter {
    const FabTopology *topology;
    FabRouteRules rules;
    FabWalk *walk;
    FabNetworkWays *ways;          /* of a cluster; NULL: a single machine, or not asked for yet */
    GHashTable *flows;             /* "a, b, flow" to push routes between nodes */
    uint32_t *peer_of, *memory_of, *thread_of; /* resource by vertex, UINT32_MAX: none */
    GHashTable *pairs;             /* set of Pair */
    GHashTable *known;             /* set of FabRoute, by content */
    GArray *hops;                  /* FabHop, scratch */
    GArray *uses;                  /* FabUse, scratch, in any order */
    uint32_t stage;                /* of what is added to them */
};

/* Adds a resource to the route in the making; UINT32_MAX: none. */
void fab_router_use(FabRouter *router, uint32_t resource, double weight);
/*
 * Adds every hop collected; with `reverse` also the acknowledgements and requests that stores cause on the opposite
 * direction. Returns the latency: of the slowest way, where several lie side by side.
 */
int64_t fab_router_use_hops(FabRouter *router, bool reverse);
/* Adds the limits of the host bridges and switches that the hops collected pass, for this share of the traffic. */
void fab_router_use_peer_limits(FabRouter *router, double share);
/* Turns what was added into the one route with that content, and empties the collection. */
const FabRoute *fab_router_finish(FabRouter *router, int64_t latency_ps);

/* route-network.c: between GPUs of different nodes. */
const FabRoute *fab_router_network_route(FabRouter *router, uint32_t a, uint32_t b, uint32_t flow, GError **error);
const FabRoute *fab_router_network_pull(FabRouter *router, uint32_t b);

#endif
