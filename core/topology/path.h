/* Shortest ways over PCIe, sockets and C2C, and NVLink neighbourhoods: what routes are made of. */
#ifndef FAB_TOPOLOGY_PATH_H
#define FAB_TOPOLOGY_PATH_H

#include "topology/topology.h"

/* One link of a way and the direction in which it is passed: 0 from a to b, 1 from b to a. */
typedef struct {
    uint32_t link, direction;
    double share;   /* of the traffic: 1 unless several links carry it side by side */
    uint32_t stage; /* of cables: 1 for the first on the way, 2 for those behind it, ...; else 0 */
} FabHop;

/*
 * Breadth-first search from one vertex, kept until another source is asked for. NVLink and network links are not
 * used, and nothing passes through a GPU or a NIC. Among equally short ways the one over the lowest
 * vertex indices, then the lowest link index, is taken.
 */
typedef struct FabWalk FabWalk;

FabWalk *fab_walk_new(const FabTopology *topology);
void fab_walk_free(FabWalk *walk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabWalk, fab_walk_free)

/* Appends the hops (FabHop) from `source` to `target`. False, with nothing appended, when there is no way. */
bool fab_walk_path(FabWalk *walk, FabVertex source, FabVertex target, GArray *hops);
/* The same way in the other direction: from `target` to `source`, over the same links. */
bool fab_walk_path_back(FabWalk *walk, FabVertex source, FabVertex target, GArray *hops);
/* The vertex of `kind` nearest to `source` (fewest hops, then lowest index), or FAB_VERTEX_NONE. */
FabVertex fab_walk_nearest(FabWalk *walk, FabVertex source, FabVertexKind kind);

/* Vertex where a hop ends. */
FabVertex fab_hop_to(const FabTopology *topology, const FabHop *hop);

/*
 * Appends the NVLink way between two GPUs: all direct links, else through the NVSwitches both are on, else
 * through two joined NVSwitches. Parallel ways share the traffic by capacity. Returns the number of
 * NVLinks (0: none, nothing appended). `hops` may be NULL.
 */
uint32_t fab_nvlink_path(const FabTopology *topology, FabVertex a, FabVertex b, GArray *hops);
/* NVLinks that join two vertices directly, all lanes together. */
uint32_t fab_nvlink_direct(const FabTopology *topology, FabVertex a, FabVertex b);

#endif
