/* Ways between the nodes of a cluster: which NICs carry a flow, and which cables it takes between them. */
#ifndef FAB_TOPOLOGY_NETWORK_H
#define FAB_TOPOLOGY_NETWORK_H

#include "topology/path.h"

/* Belongs to one router: adaptive routing remembers what it has placed. */
typedef struct FabNetworkWays FabNetworkWays;

FabNetworkWays *fab_network_ways_new(const FabTopology *topology, FabWalk *walk);
void fab_network_ways_free(FabNetworkWays *ways);

/*
 * The NICs that GPU (index) `gpu` drives: those nearest to it, shared out among the GPUs they are equally near to.
 * `count` of them; 0: its node has none.
 */
const FabVertex *fab_network_nics(FabNetworkWays *ways, uint32_t gpu, uint32_t *count);

/* Whether the NICs that GPU `gpu` drives may read and write its memory by themselves. */
bool fab_network_is_direct(const FabNetworkWays *ways, uint32_t gpu);

/*
 * Appends the hops (FabHop, with their share of the flow times `share`) from one NIC to another and returns the
 * latency of the way; -1 with nothing appended: the network does not join them.
 */
int64_t fab_network_way(FabNetworkWays *ways, FabVertex from, FabVertex to, uint32_t flow, double share, GArray *hops);

/* Whether at most one way that the routing may take leads from one NIC to another. */
bool fab_network_is_only_way(FabNetworkWays *ways, FabVertex from, FabVertex to);

/*
 * The switches where what several NICs send is added up on its way to all of them: a tree, each switch of which sends
 * the sum of what it got to the next one. Appends every link of it once (FabHop, towards the root), and returns the
 * latency of the longest way up; -1: the network does not join them.
 */
int64_t fab_network_tree(FabNetworkWays *ways, const FabVertex *nics, uint32_t count, uint32_t flow, GArray *hops);

#endif
