/* The second half of building: checks the graph a plugin made and derives what depends on all of it. */
#ifndef FAB_TOPOLOGY_FINISH_H
#define FAB_TOPOLOGY_FINISH_H

#include "topology/topology.h"

/*
 * Fills adjacency, GPUs, numbers and resources from vertices and links. An error when there is no GPU or the graph
 * is not connected; the message has no place in it.
 */
bool fab_topology_finish(FabTopology *topology, GError **error);

#endif
