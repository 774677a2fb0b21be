/*
 * The topology plugin ABI: all that a plugin author needs.
 *
 * A plugin is a shared object that exports one symbol, `fab_topology_plugin`, links to nothing of
 * Fabricast and includes only this header:
 *
 *     cc -shared -fPIC -o my-fabric.so my-fabric.c
 *
 * Units: bytes per second and direction for rates, seconds for times. Strings given to the host are
 * copied; strings and structures received from the host live as long as the call of build().
 * Structures that carry `size` may grow at their end: set it to sizeof of the structure.
 */
#ifndef FABRICAST_PLUGIN_H
#define FABRICAST_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rises only when a field changes its meaning. */
#define FAB_PLUGIN_ABI 1u

/* ------------------------------------------------------------------ parameters, as data */

typedef enum {
    FAB_PARAM_NUMBER,  /* with a unit: "450 GB/s" where unit is "B/s"; plain where it is "" */
    FAB_PARAM_INTEGER, /* whole number */
    FAB_PARAM_BOOLEAN, /* on, off */
    FAB_PARAM_CHOICE,  /* one word of `choices` */
    FAB_PARAM_TEXT     /* anything; the plugin checks it itself and calls fail() */
} FabParamType;

/* One parameter. The reader of machine files, the command-line help and the manual use this table. */
typedef struct {
    const char *name;          /* as written in machine files; "gpu_*" stands for gpu_0, gpu_1, ..., "node.*" for
                                  node.gpu, node.nic_gbps, ... */
    FabParamType type;
    const char *unit;          /* "B/s", "s", "B", "" */
    const char *help;          /* one line */
    const char *default_value; /* as a file would say it; NULL: must be given */
    double min, max;           /* accepted range of numbers and integers, in the unit */
    const char *choices;       /* FAB_PARAM_CHOICE only: "on;off" */
} FabParamSpec;

/* ------------------------------------------------------------------ what a fabric consists of */

typedef struct FabBuilder FabBuilder;

/* Index of a vertex, in order of creation. */
typedef uint32_t FabVertex;
#define FAB_VERTEX_NONE UINT32_MAX

typedef enum {
    FAB_VERTEX_GPU = 1,
    FAB_VERTEX_NVSWITCH,    /* several chips that stripe the same traffic are one vertex with `count` */
    FAB_VERTEX_PCIE_SWITCH,
    FAB_VERTEX_HOST_BRIDGE, /* one PCIe root complex (port group) of a NUMA node */
    FAB_VERTEX_CPU,         /* one NUMA node: cores and memory */
    FAB_VERTEX_NIC,
    FAB_VERTEX_NET_SWITCH,
    FAB_VERTEX_MEMORY       /* memory and processors of one device that all GPUs of the fabric are parts of */
} FabVertexKind;

typedef enum {
    FAB_MEDIUM_NVLINK = 1,
    FAB_MEDIUM_C2C,      /* coherent CPU-GPU link */
    FAB_MEDIUM_PCIE,
    FAB_MEDIUM_SOCKET,   /* QPI, UPI, xGMI: between NUMA nodes; `label` names it */
    FAB_MEDIUM_INTERNAL, /* inside one device or CPU: host bridge to NUMA node, partitions of a switch */
    FAB_MEDIUM_INFINIBAND,
    FAB_MEDIUM_ETHERNET
} FabMedium;

enum {
    FAB_VERTEX_ACS = 1u << 0,          /* PCIe switch: peer traffic is redirected to the root port */
    FAB_VERTEX_MULTICAST = 1u << 1,    /* NVSwitch: in-switch reduction and multicast */
    FAB_VERTEX_WRITE_COLLAPSE = 1u << 2 /* PCIe switch: posted writes to several root ports collapse */
};

/* A GPU model of the catalogue (gpus.ini). */
typedef struct {
    uint32_t size;
    const char *id, *name, *architecture;
    uint32_t compute_capability;                      /* 90 for 9.0 */
    uint32_t sm_count;
    double memory_bytes, memory_bandwidth;            /* B, B/s read plus write */
    uint32_t nvlink_generation, nvlink_links;         /* 0: has no NVLink */
    double nvlink_link_bandwidth;                     /* B/s of one link, one direction */
    uint32_t pcie_generation, pcie_lanes;
    bool peer_to_peer;                                /* the stock driver allows PCIe peer-to-peer */
} FabGpuModel;

/* One device that several virtual GPUs share: every access of theirs goes through its cache. All figures are needed. */
typedef struct {
    uint32_t size;
    double bandwidth;        /* of the memory: B/s that kernels read and write, together */
    double cache_bandwidth;  /* the same of its cache */
    double cache_bytes;      /* what the cache keeps of data that all processors use */
    uint32_t processors;     /* SMs, one set for all */
    double processor_rate;   /* B/s that one of them reads and writes, together */
    double slice_time;       /* s that a CTA is busy with a slice beside moving its bytes */
    double empty_time;       /* s for a slice without bytes */
    double flag_latency;     /* s until the other end of a connection sees what was told */
    double launch_time;      /* s of a call beside its CTAs */
    double line_time;        /* s for a slice whose flags travel with its data (LL, LL128); 0: slice_time */
} FabMemorySpec;

/* Zero means: unknown or not applicable, unless a comment says otherwise. */
typedef struct {
    uint32_t size;
    FabVertexKind kind;
    const char *name;       /* unique in the fabric: "GPU 0" */
    const char *model;      /* shown in diagrams: "H100 SXM5"; may be NULL */
    const FabGpuModel *gpu; /* GPUs need it; from host->gpu() */
    uint32_t count;         /* devices fused in this vertex; 0 means 1 */
    uint32_t flags;         /* FAB_VERTEX_* */
    int32_t box;            /* chassis or tray, from 0 */
    int32_t socket;         /* CPU socket in the box, -1: none */
    int32_t numa;           /* NUMA node in the box, -1: none */
    double peer_limit;      /* host bridge, PCIe switch: all peer traffic through it, B/s; 0: no limit */
    double memory_limit;    /* CPU: DMA to and from its memory, both directions together, B/s; 0: no limit */
    const FabMemorySpec *memory; /* FAB_VERTEX_MEMORY needs it; NULL for others */
    double network_rate;    /* NIC: what it sends and receives, B/s each way; 0: not known */
} FabVertexSpec;

typedef struct {
    uint32_t size;
    FabVertex a, b;
    FabMedium medium;
    const char *label;      /* what people call it ("UPI", "xGMI"); NULL: named after the medium */
    uint32_t generation;    /* of NVLink or PCIe; 0: none */
    uint32_t lanes;         /* NVLinks, PCIe lanes or parallel cables in this connection; 0 means 1 */
    double bandwidth;       /* B/s in each direction, all lanes together, after line coding */
    double efficiency;      /* share of it that kernels reach; 0: the default of medium and generation */
    double latency;         /* s, one way; 0: the default of the medium */
    double reverse;         /* bytes that the opposite direction carries for each byte (acknowledgements, requests);
                               0: the default of the medium, negative: none */
} FabLinkSpec;

/* ------------------------------------------------------------------ clusters */

/* A machine of the catalogue built into this fabric: a node of a cluster. The lists live as long as build(). */
typedef struct {
    uint32_t size;
    uint32_t node;            /* its number, in order of host->add_node() */
    FabVertex first;          /* its vertices are first to first + vertices - 1 */
    uint32_t vertices;
    uint32_t gpus, nics;
    const FabVertex *gpu, *nic;
    const double *nic_rate;   /* B/s of each NIC; 0: the machine does not say */
} FabNode;

/* How the network picks one of several equally short ways. */
typedef enum {
    FAB_ROUTING_STATIC = 1, /* a hash of both ends and the connection, as ECMP: flows collide by chance */
    FAB_ROUTING_ADAPTIVE,   /* each connection takes the way that the fewest others have taken */
    FAB_ROUTING_SPRAY,      /* packet by packet over all of them, evenly */
    FAB_ROUTING_DETOURS     /* as adaptive, and over one switch more where the shortest ways are fuller */
} FabRouting;

/* The farthest a NIC may be from a GPU whose memory it reads and writes (GPUDirect RDMA); others go by host memory. */
typedef enum {
    FAB_GDR_OFF,
    FAB_GDR_PXB, /* PCIe switches between them only; or the GPU hangs on its CPU by C2C */
    FAB_GDR_PHB, /* also the same NUMA node */
    FAB_GDR_SYS  /* any */
} FabGdr;

typedef struct {
    uint32_t size;
    FabRouting routing;
    uint32_t seed;      /* FAB_ROUTING_STATIC: another seed is another draw */
    FabGdr gdr;
    bool pxn;           /* a GPU hands data for another rail to the GPU beside that NIC, over NVLink */
    double message_time; /* s of a message in software beyond what InfiniBand's verbs take: EFA, virtual NICs */
    bool reduces;       /* switches add up what NICs send, and send the sum to all of them (SHARP) */
    double reduce_rate; /* B/s of one such stream; 0: as fast as its cables */
    double message_gap;  /* s of the NIC's time that a message takes beside its bytes */
    bool lossless;       /* a port that cannot send on stops the cables that feed it, with all that they carry */
    double thread_rate;  /* B/s that a GPU's CPU thread moves through sockets, both directions together; 0: NICs move
                            data by themselves (RDMA) */
    double thread_time;  /* s of that thread that a message takes beside its bytes; where NICs move data, of the thread
                            that posts messages and sees them arrive */
    bool unordered;      /* NICs may write a message in any order: LL and LL128 would read it too early */
} FabNetworkSpec;

/* ------------------------------------------------------------------ the host */

/*
 * Services for build(). The first error is kept and the rest of the build is ignored, so a plugin need not check every
 * call: what it gets then is 0, false, "", NULL or FAB_VERTEX_NONE. Asking for a parameter that the table does not
 * declare is an error.
 */
typedef struct {
    uint32_t size;
    double (*number)(FabBuilder *builder, const char *param);
    int64_t (*integer)(FabBuilder *builder, const char *param);
    bool (*boolean)(FabBuilder *builder, const char *param);
    const char *(*text)(FabBuilder *builder, const char *param); /* texts and choices; never NULL */
    bool (*given)(FabBuilder *builder, const char *param);       /* set by the file or the user */
    /* The model `id`, or NULL after recording an error that offers the nearest id. */
    const FabGpuModel *(*gpu)(FabBuilder *builder, const char *id);
    FabVertex (*add_vertex)(FabBuilder *builder, const FabVertexSpec *spec);
    /* Returns false (and records why) when an end does not exist or a figure is not possible. */
    bool (*add_link)(FabBuilder *builder, const FabLinkSpec *spec);
    /* Whether the driver lets GPUs a and b reach each other's memory over PCIe; the default is yes. */
    void (*set_peer_access)(FabBuilder *builder, FabVertex a, FabVertex b, bool allowed);
    /* Records an error about the machine; printf-like. Always returns false. */
    bool (*fail)(FabBuilder *builder, const char *format, ...)
#ifdef __GNUC__
        __attribute__((format(printf, 2, 3)))
#endif
        ;
    /*
     * Builds machine `machine` of the catalogue into this fabric, once more at every call. Its parameters are those
     * given here with `prefix` in front ("node."), its vertices are named "Node 3 GPU 0". GPUs are ranks in order of
     * creation, so add nodes in their order. A machine that is a cluster itself is refused.
     */
    bool (*add_node)(FabBuilder *builder, const char *machine, const char *prefix, FabNode *node);
    /* How data finds its way between nodes. Without it: static, seed 0, FAB_GDR_PXB, pxn. */
    void (*set_network)(FabBuilder *builder, const FabNetworkSpec *spec);
} FabHost;

/* ------------------------------------------------------------------ the plugin */

typedef struct {
    uint32_t abi;               /* FAB_PLUGIN_ABI */
    uint32_t size;              /* sizeof(FabTopologyPlugin) */
    const char *name;           /* the file name without .so */
    const char *summary;        /* one line for `fabricast plugin list` */
    const FabParamSpec *params; /* ends with an entry whose name is NULL */
    /* Adds vertices and links; parameters were checked against the table. False: failed. */
    bool (*build)(const FabHost *host, FabBuilder *builder);
} FabTopologyPlugin;

/* What every plugin exports. */
#define FAB_TOPOLOGY_PLUGIN_SYMBOL "fab_topology_plugin"

#ifdef __cplusplus
}
#endif
#endif
