/*
 * What NCCL would do: channels from its graph search, then algorithm and protocol from its tuner's cost table. The
 * constants are NCCL's (release 2.30), because the decision is NCCL's; the time is the engine's.
 */
#ifndef FAB_COLLECTIVE_CHOICE_H
#define FAB_COLLECTIVE_CHOICE_H

#include "collective/collective.h"
#include "collective/constants.h"
#include "topology/ring.h"
#include "topology/route.h"

enum { FAB_MAX_RINGS = 32 };

/* What the choice depends on, found once for a set of GPUs. */
typedef struct {
    uint32_t nccl;            /* release whose rules decide: 2030 is 2.30 */
    bool any_ll128;           /* NCCL_PROTO asks for LL128: NCCL no longer looks whether the links can carry it */
    bool pat;                 /* NCCL_PAT_ENABLE=1: PAT with several GPUs in a node too */
    uint32_t ranks;
    uint32_t nodes, local;    /* of a cluster: nodes that hold ranks, ranks of each; 0: all are on one */
    double tree_intra;        /* several nodes: speed of the tree graph inside them, GB/s */
    bool collnet;             /* several nodes: the network reduces, and NCCL_COLLNET_ENABLE=1 lets NCCL use it */
    bool amd;                 /* several nodes: CPUs of AMD */
    bool grace;               /* several nodes: CPUs of Arm beside Blackwell */
    bool far_nics;            /* several nodes: NICs beyond a host bridge of their GPU, where NCCL leaves out LL128 */
    bool simple_only;         /* several nodes: NICs that LL and LL128 cannot use, and nobody asked for those */
    double message_us;        /* several nodes: software of a message beyond what InfiniBand takes */
    double message_bytes;     /* several nodes: what a NIC could send in a message's time beside its bytes */
    double thread_bytes;      /* the same for a thread that moves data through sockets */
    double thread_us;         /* several nodes, RDMA: a proxy's thread is busy with each message at each end */
    uint32_t boxes;           /* chassis or trays that hold the GPUs */
    uint32_t compute_capability;
    FabTransport transport;   /* the slowest kind between ring neighbours */
    FabPathClass path;        /* the farthest class between ring neighbours */
    bool nvswitch, in_switch; /* all joined by NVSwitch; with reduction and multicast */
    uint32_t graph_channels;  /* NCCL's ring graph: channels and the speed of each in GB/s */
    double graph_speed;
    uint32_t channels;        /* "coll channels": what a large call uses */
    uint32_t p2p_per_peer;    /* channels to one peer of send/recv, before its bounds */
    uint32_t nvls_channels;
    uint64_t nvls_chunk, nvls_tree_chunk; /* several nodes: the longest that the release has for them; 0: its default */
    double nvls_intra, nvls_inter; /* speeds of the NVLS graph, GB/s for each head */
    uint32_t rings;           /* distinct ring orders found */
    uint32_t *order;          /* rings x ranks; positions into the set of GPUs */
} FabMachineFacts;

/*
 * The farthest PCIe class over which release `nccl` lets `ranks` GPUs talk directly: PXB, and any distance on an AMD
 * host, since 2.23 for two GPUs or fewer only (NCCL's src/graph/paths.cc).
 */
FabPathClass fab_peer_level(const FabTopology *topology, uint32_t ranks, uint32_t nccl);

/* GPUs are those of the ranks. The error says which pair cannot be reached. */
bool fab_machine_facts(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, uint32_t count,
                       uint32_t nccl, FabMachineFacts *facts, GError **error);

/* Channels that were found elsewhere, before NCCL doubles them. */
typedef struct {
    uint32_t channels;
    double speed;          /* of each, GB/s */
    const uint32_t *order; /* channels x ranks; positions into the set of GPUs */
    bool nvls;             /* the speeds below are known too; 0: there is no NVLS */
    double nvls_intra, nvls_inter;
} FabGivenGraph;

/* Replaces what the search found. The error says which neighbours of a ring cannot reach each other. */
bool fab_machine_facts_give(FabMachineFacts *facts, FabRouter *router, const FabTopology *topology,
                            const uint32_t *gpus, const FabGivenGraph *graph, GError **error);
void fab_machine_facts_clear(FabMachineFacts *facts);

/* How one call is executed. */
typedef struct {
    const FabAlgorithm *algorithm;
    FabProtocol protocol;
    uint32_t channels, threads;
    uint64_t chunk_bytes, slice_bytes;
    uint32_t slots; /* in slices */
    double fences;    /* for each slice of Simple; 0: one */
    uint32_t peers;   /* send/recv: other ranks that one rank sends to */
    bool rooted;            /* broadcast, reduce: data go along a chain, not around a ring */
    uint64_t channel_bytes; /* send/recv: what a channel carries to its peer */
    uint32_t tasks;         /* send/recv: sends and receives of a rank's group */
    double cta_share; /* send/recv: share of a CTA that each peer's channel has; 0: not send/recv */
} FabPlan;

/* Wishes that override NCCL's choice; NULL, -1, 0 and false leave it free. */
typedef struct {
    const char *algorithm;
    int protocol;
    uint32_t channels;
    uint64_t chunk_bytes, slice_bytes;
    uint32_t slots;
    /* What NCCL's own variables say: rows (bit i: fab_nccl_algorithms[i]) and columns taken from its cost table, ... */
    uint32_t without_algorithms, without_protocols;
    uint32_t min_channels, max_channels; /* bounds of NCCL_*_NCHANNELS: rings, trees, send/recv */
    uint32_t min_ctas, max_ctas;         /* bounds of NCCL_*_CTAS: NVLS too */
    uint32_t threads;                    /* of a CTA, where nothing makes them fewer */
    uint64_t buffer_bytes;               /* of a Simple FIFO of 8 slots */
    uint64_t nvls_bytes, nvls_tree_bytes; /* longest chunks of NVLS and NVLSTree */
} FabWishes;

/* Algorithms of NCCL's cost table by our names, in its order; NULL-terminated. Its tree is our chain in one node. */
extern const char *const fab_nccl_algorithms[];

/* The plan for a call of `size` (as nccl-tests counts it). False when the wishes cannot be met. */
bool fab_choose(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
                FabPlan *plan, GError **error);

/* Microseconds of the cheapest cell of NCCL's cost table that the wishes leave; INFINITY: none, nothing is set. */
double fab_nccl_cheapest_us(const FabMachineFacts *facts, FabCollective collective, uint64_t size,
                            const FabWishes *wishes, const char **algorithm, FabProtocol *protocol);

/* NCCL's own estimate in microseconds for one cell of its cost table; INFINITY: not offered. For tests, yardsticks. */
double fab_nccl_estimate_us(const FabMachineFacts *facts, FabCollective collective, const char *algorithm,
                            FabProtocol protocol, uint64_t size);

#endif
