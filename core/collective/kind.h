/* What rules how far off a prediction is: how the GPUs are joined, which kernels move the data, how much of it. */
#ifndef FAB_COLLECTIVE_KIND_H
#define FAB_COLLECTIVE_KIND_H

#include "collective/choice.h"
#include "topology/topology.h"

/* Bands of size: launch and latency rule the first, bandwidth the last. */
typedef enum { FAB_BAND_SMALL, FAB_BAND_MIDDLE, FAB_BAND_LARGE, FAB_BANDS } FabBand;

FabBand fab_band_of(uint64_t size);
/* "below 64 KiB", "64 KiB to 8 MiB", "from 8 MiB"; indexed by the enum. */
extern const char *const fab_band_names[];

/* The slowest way between neighbours of the rings. */
typedef enum {
    FAB_CONNECTION_SWITCH, /* NVSwitch */
    FAB_CONNECTION_MESH,   /* NVLinks to several other GPUs */
    FAB_CONNECTION_BRIDGE, /* NVLinks to one other GPU */
    FAB_CONNECTION_PEER,   /* PCIe, peer to peer */
    FAB_CONNECTION_STAGED, /* PCIe, through host memory */
    FAB_CONNECTION_NETWORK, /* several nodes: fat tree, rails, joined racks, with no other users */
    FAB_CONNECTION_SHARED_NETWORK, /* a dragonfly: those that were measured were shared with other jobs */
    FAB_CONNECTION_OTHER_NETWORK,  /* any other, and networks that reduce: none was measured */
    FAB_CONNECTIONS
} FabConnection;

/* Rings, trees and all that is like them; reduction in NVSwitch; send/recv, which alltoall consists of. */
typedef enum { FAB_FAMILY_RING, FAB_FAMILY_IN_SWITCH, FAB_FAMILY_COPY, FAB_FAMILIES } FabFamily;

typedef struct {
    FabConnection connection;
    FabFamily family;
    int generation; /* row of FabConstants that its kernels cost */
} FabKind;

FabKind fab_kind_of(const FabTopology *topology, const uint32_t *gpus, const FabMachineFacts *facts,
                    const FabConstants *constants, const FabPlan *plan);

/* Whether it is several nodes. */
bool fab_connection_is_network(FabConnection connection);

/* "nvswitch/ring/hopper", and back; false for what is no such text. g_free() the first. */
char *fab_kind_format(const FabKind *kind);
bool fab_kind_parse(const char *text, FabKind *kind);

/* "nvswitch", "nvlink-mesh", ...; "ring", "nvls", "send-recv". Indexed by the enums, NULL-terminated. */
extern const char *const fab_connection_ids[], *const fab_family_ids[];
/* The connection for people: "NVSwitch", "NVLink to several GPUs", ... */
extern const char *const fab_connection_names[];

#endif
