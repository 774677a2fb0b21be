/* A machine some of whose links are slower or gone. */
#ifndef FAB_TOPOLOGY_DEGRADE_H
#define FAB_TOPOLOGY_DEGRADE_H

#include "topology/topology.h"

/*
 * A copy in which link i has share[i] of its rate and lanes; nothing passes over a link of share 0. Vertices, links and
 * resources keep their numbers, so that routes of one are good for the other. Owned by the caller.
 */
FabTopology *fab_topology_degraded(const FabTopology *topology, const double *share);

/* The first of `count` GPUs (indices) that no link joins to gpus[0], or UINT32_MAX. */
uint32_t fab_topology_cut_off(const FabTopology *topology, const uint32_t *gpus, uint32_t count);

#endif
