/*
 * Ways between GPUs: the distance classes that `nvidia-smi topo -m` prints, and routes as sets of
 * weighted resources. A FabRouter computes routes on demand and keeps them; it belongs to one run.
 */
#ifndef FAB_TOPOLOGY_ROUTE_H
#define FAB_TOPOLOGY_ROUTE_H

#include "topology/topology.h"

/* Nearest first, as NCCL orders them. */
typedef enum {
    FAB_PATH_SELF,
    FAB_PATH_NVL,  /* NVLink, direct or through NVSwitch */
    FAB_PATH_NVB,  /* NVLink through one more GPU: NCCL's class between the others, no way of ours */
    FAB_PATH_PIX,  /* at most one PCIe switch */
    FAB_PATH_PXB,  /* several PCIe switches, no host bridge */
    FAB_PATH_PHB,  /* one host bridge */
    FAB_PATH_NODE, /* several host bridges of one NUMA node */
    FAB_PATH_SYS,  /* across NUMA nodes, or over C2C, as drivers print it */
    FAB_PATH_NET,
    FAB_PATH_NONE
} FabPathClass;

const char *fab_path_class_name(FabPathClass class);

/* How data crosses from one GPU to another. */
typedef enum {
    FAB_TRANSPORT_LOCAL,  /* the same GPU, or parts of one device */
    FAB_TRANSPORT_NVLINK, /* direct stores over NVLink */
    FAB_TRANSPORT_PEER,   /* direct stores over PCIe */
    FAB_TRANSPORT_STAGED, /* the sender writes to host memory, the receiver reads it from there */
    FAB_TRANSPORT_NETWORK /* NICs carry it from one node of a cluster to another */
} FabTransport;

typedef struct {
    uint32_t resource;
    uint32_t stage; /* 0 up to the first cable of a network, 1, 2, ... of the cables, then FAB_STAGE_END */
    double weight;  /* resource bytes used for each payload byte */
} FabUse;

/* Behind the last cable: what the receiver's node does. */
#define FAB_STAGE_END UINT32_MAX

/* A set of resources that one transfer uses, sorted by resource, each once. Belongs to its router. */
typedef struct {
    uint32_t id; /* dense, from 0, in order of creation */
    uint32_t count;
    int64_t latency_ps; /* from the first byte sent to the first byte there */
    FabUse uses[];
} FabRoute;

typedef struct FabRouter FabRouter;

/*
 * Rules that decide between direct and staged. `peer_level`: the farthest PCIe class over which GPUs talk
 * directly (FAB_PATH_PXB is NCCL's rule since 2.23); FAB_PATH_SELF stages everything but NVLink.
 * `nvlink` false hides NVLink. `queue_pairs`: over how many a connection between nodes is spread, each of which the
 * network routes by itself (0 is 1).
 */
typedef struct {
    FabPathClass peer_level;
    bool nvlink;
    uint32_t queue_pairs;
} FabRouteRules;

FabRouter *fab_router_new(const FabTopology *topology, const FabRouteRules *rules);
void fab_router_free(FabRouter *router);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabRouter, fab_router_free)
const FabTopology *fab_router_topology(const FabRouter *router);

/*
 * Class of the path between any two vertices over PCIe and sockets only, NVLink ignored. Ways inside a switch chip
 * that join its partitions are ignored too, as the tool does, which sees the PCIe tree only; data does take them.
 */
FabPathClass fab_path_class(const FabTopology *topology, FabVertex a, FabVertex b);
/* NVLinks that join two GPUs, directly or through one NVSwitch; 0: none. The number of `NV#`. */
uint32_t fab_path_nvlinks(const FabTopology *topology, FabVertex a, FabVertex b);

/*
 * How GPU a reaches GPU b (indices of GPUs). FAB_TRANSPORT_LOCAL when equal. FAB_TRANSPORT_STAGED is also the
 * answer when nothing joins them; fab_router_push() then says so.
 */
FabTransport fab_router_transport(FabRouter *router, uint32_t a, uint32_t b);

/*
 * Resources used while the sender works (`push`) and while the receiver works (`pull`). Direct stores use
 * everything in push and nothing in pull; staged transfers use the way to host memory and the way from it.
 * NULL with an error when b cannot be reached from a.
 */
const FabRoute *fab_router_push(FabRouter *router, uint32_t a, uint32_t b, GError **error);
const FabRoute *fab_router_pull(FabRouter *router, uint32_t a, uint32_t b, GError **error);

/*
 * The same for one of several connections between the two: a network that hashes may lead each another way. `flow` is
 * the connection's number (its channel); inside a node it does not matter.
 */
const FabRoute *fab_router_push_flow(FabRouter *router, uint32_t a, uint32_t b, uint32_t flow, GError **error);

/* The NICs (vertices) that a GPU of a cluster drives: `count` of them. */
const FabVertex *fab_router_nics(FabRouter *router, uint32_t gpu, uint32_t *count);

/*
 * A copy engine's way from the memory of a GPU's NUMA node to the GPU (`in`), or back. NULL with an error when there is
 * none.
 */
const FabRoute *fab_router_host(FabRouter *router, uint32_t gpu, bool in, GError **error);

/*
 * One in-switch reduction with multicast among `count` GPUs: every GPU's port in both directions, each with
 * `weight`. NULL with an error when no multicast switch joins them.
 */
const FabRoute *fab_router_multicast(FabRouter *router, const uint32_t *gpus, uint32_t count, double weight,
                                     GError **error);

/*
 * One sum over `count` GPUs, one in each node, made by the network's switches and sent to all of them: their NICs in
 * both directions, every switch of the tree once. `flow` is the channel. NULL with an error when no network joins them.
 */
const FabRoute *fab_router_reduction(FabRouter *router, const uint32_t *gpus, uint32_t count, uint32_t flow,
                                     GError **error);

/*
 * What one access of a GPU that shares its memory with all others uses, where `memory` of it pass the cache and `read`
 * of it are reads: shares, 0..1.
 */
const FabRoute *fab_router_access(FabRouter *router, uint32_t gpu, double memory, double read);

/* Whether the network leaves a connection of the two no choice: all of it takes the one way, or all ways alike. */
bool fab_router_is_only_way(FabRouter *router, uint32_t a, uint32_t b);

/* A route with these uses, in any order; those of one resource add up. */
const FabRoute *fab_router_route(FabRouter *router, const FabUse *uses, uint32_t count, int64_t latency_ps);

/* The union of routes: weights add up, latency is the largest. `routes` may hold the same one twice. */
const FabRoute *fab_router_union(FabRouter *router, const FabRoute *const *routes, uint32_t count);

/* The lowest capacity/weight along a route in B/s; infinity for an empty route. */
double fab_route_bandwidth(const FabTopology *topology, const FabRoute *route);

#endif
