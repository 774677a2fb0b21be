/*
 * Which cables lead nearer to a NIC. Distances are kept by the switches beside the NICs, so that all NICs of a leaf
 * share one search.
 */
#ifndef FAB_TOPOLOGY_CABLES_H
#define FAB_TOPOLOGY_CABLES_H

#include "topology/topology.h"

typedef struct FabCables FabCables;

FabCables *fab_cables_new(const FabTopology *topology);
void fab_cables_free(FabCables *cables);

/* Whether a link leads from node to node. */
static inline bool
fab_is_cable(const FabTopologyLink *link)
{
    return link->medium == FAB_MEDIUM_INFINIBAND || link->medium == FAB_MEDIUM_ETHERNET;
}

/* The NIC that the calls below ask for. */
void fab_cables_aim(FabCables *cables, FabVertex target);

/* Cables on the shortest way to it, through no other NIC; UINT32_MAX: none leads there. */
uint32_t fab_cables_distance(const FabCables *cables, FabVertex vertex);

/* The cables (indices of links, in order) from `vertex` that lead one step nearer. Valid until the next call. */
const uint32_t *fab_cables_nearer(FabCables *cables, FabVertex vertex, uint32_t *count);

#endif
