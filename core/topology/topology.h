/*
 * A machine's fabric as plain data, fixed once built: vertices, links, resources that can saturate.
 * Everything here belongs to the FabTopology and is read only.
 */
#ifndef FAB_TOPOLOGY_TOPOLOGY_H
#define FAB_TOPOLOGY_TOPOLOGY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include <fabricast/plugin.h>

typedef struct {
    FabVertexKind kind;
    char *name, *model;
    const FabGpuModel *gpu; /* NULL unless kind is FAB_VERTEX_GPU */
    uint32_t count, flags;     /* devices fused in it; FAB_VERTEX_* */
    int32_t box, socket, numa; /* socket and NUMA node in the box; -1: none */
    double peer_limit, memory_limit, network_rate; /* B/s, as in FabVertexSpec; 0: none, or not known */
    FabMemorySpec *memory; /* NULL unless kind is FAB_VERTEX_MEMORY */
    uint32_t number; /* among the vertices of its kind, from 0 */
    uint32_t node;   /* machine of a cluster, from 0; 0 in a single machine; FAB_NODE_NONE: of the network */
} FabTopologyVertex;

#define FAB_NODE_NONE UINT32_MAX

/* One machine of a cluster. */
typedef struct {
    char *machine, *title;     /* catalogue id; what it is */
    FabVertex first;           /* its vertices are first to first + vertices - 1 */
    uint32_t vertices;
    uint32_t first_gpu, gpus;  /* numbers of its GPUs: first_gpu to first_gpu + gpus - 1 */
} FabTopologyNode;

typedef struct {
    FabVertex a, b;
    FabMedium medium;
    char *label; /* "NVLink 4", "PCIe 5.0 x16", "UPI" */
    uint32_t generation, lanes;
    double bandwidth;  /* nominal, B/s per direction */
    double efficiency; /* share of it that kernels reach, 0..1 */
    double reverse;    /* bytes on the opposite direction for each byte */
    int64_t latency_ps;
    uint32_t resource[2]; /* a to b, b to a */
} FabTopologyLink;

typedef enum {
    FAB_RESOURCE_LINK,      /* one direction of a link */
    FAB_RESOURCE_PEER,      /* peer traffic through a host bridge or PCIe switch */
    FAB_RESOURCE_HOST_PORT, /* a GPU's traffic to and from host memory, both directions together */
    FAB_RESOURCE_MEMORY,    /* DMA of a NUMA node's memory; reads and writes of a device's memory */
    FAB_RESOURCE_CACHE,     /* reads and writes of a device's cache */
    FAB_RESOURCE_THREAD     /* the CPU thread that moves a GPU's data through sockets, both directions together */
} FabResourceKind;

typedef struct {
    FabResourceKind kind;
    char *name;      /* "GPU 0 > NVSwitch", "GPU 0 host port" */
    double capacity; /* effective, B/s */
    uint32_t link;   /* FAB_RESOURCE_LINK: index of the link, else UINT32_MAX */
    FabVertex vertex; /* the others: whose it is, else FAB_VERTEX_NONE */
} FabResource;

typedef struct {
    char *name, *title;   /* catalogue id; what it is */
    char *path;           /* machine file, or "" */
    char *plugin;         /* name of the plugin that built it */
    GStrv source;         /* "key: text" lines of [source] */
    FabTopologyVertex *vertices;
    FabTopologyLink *links;
    FabResource *resources;
    FabVertex *gpus; /* vertex of GPU i */
    FabTopologyNode *nodes; /* of a cluster; NULL: a single machine */
    uint32_t node_count;    /* 0: a single machine */
    FabNetworkSpec network; /* how data finds its way between nodes */
    uint32_t vertex_count, link_count, resource_count, gpu_count;
    FabVertex shared;     /* the device whose memory all GPUs share, FAB_VERTEX_NONE: each has its own */
    uint32_t shared_memory, shared_cache; /* its resources */
    uint32_t *host_port; /* resource of GPU i's traffic to host memory, UINT32_MAX: none */
    GHashTable *no_peer; /* pairs without driver peer access; use fab_topology_peer_access() */
    uint32_t *links_at, *links_at_start; /* links by vertex; use fab_topology_links_at() */
} FabTopology;

void fab_topology_free(FabTopology *topology);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTopology, fab_topology_free)

/* Whether the driver lets two GPUs (vertices) reach each other's memory over PCIe. */
bool fab_topology_peer_access(const FabTopology *topology, FabVertex a, FabVertex b);

/* "GPU", "NVSwitch", "PCIe switch", ... */
const char *fab_vertex_kind_name(FabVertexKind kind);
const char *fab_medium_name(FabMedium medium);

/* The end of a link that is not `vertex`. */
static inline FabVertex
fab_link_other_end(const FabTopologyLink *link, FabVertex vertex)
{
    return link->a == vertex ? link->b : link->a;
}

/* What kernels reach over a link in each direction, B/s. */
static inline double
fab_link_rate(const FabTopologyLink *link)
{
    return link->bandwidth * link->efficiency;
}

/* The node (of a cluster) that GPU i belongs to; 0 in a single machine. */
static inline uint32_t
fab_topology_node_of(const FabTopology *topology, uint32_t gpu)
{
    return topology->vertices[topology->gpus[gpu]].node;
}

/* Links at a vertex: indices in `links`, `count` of them. Belongs to the topology. */
const uint32_t *fab_topology_links_at(const FabTopology *topology, FabVertex vertex, uint32_t *count);

#endif
