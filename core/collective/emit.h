/* What the algorithms share: how a buffer is split among channels and loops, and the frame of a program. */
#ifndef FAB_COLLECTIVE_EMIT_H
#define FAB_COLLECTIVE_EMIT_H

#include "collective/collective.h"

/*
 * One channel's share of a buffer, and its loops: every loop moves `pieces` chunks of `chunk` bytes, the last one
 * `pieces` chunks of `last_chunk`, which is the rest split evenly and rounded up to 16 bytes.
 */
typedef struct {
    uint64_t offset, bytes;
    uint64_t loops;
    uint64_t last_chunk;
} FabShare;

/* Shares of all channels; the barrier has one loop of no bytes in channel 0. Owned by the caller. */
FabShare *fab_emit_shares(const FabCollectiveSpec *spec, uint64_t bytes, uint32_t pieces, uint64_t chunk);

/*
 * The largest chunk that spec allows and that takes at most `slices` slices; whole slices unless it is less than
 * one. An algorithm whose ranks all send before they receive must bound its chunk by the slots, or it deadlocks.
 */
uint64_t fab_emit_chunk(const FabCollectiveSpec *spec, uint64_t slices);

/* Refuses programs whose connections cannot be numbered with 32 bits. */
bool fab_emit_check_connections(const FabCollectiveSpec *spec, double connections, GError **error);

/* A program with the spec's buffers and slots. Takes `data`. */
FabProgram *fab_emit_program(const FabCollectiveSpec *spec, const char *algorithm, uint32_t connections, gpointer data,
                             GDestroyNotify data_free);

static inline uint64_t
fab_emit_ceil_div(uint64_t value, uint64_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

/* The number of bytes of a span that starts at `offset` within `limit`, at most `bytes`; 0 beyond the limit. */
static inline uint64_t
fab_emit_clip(uint64_t offset, uint64_t bytes, uint64_t limit)
{
    if (offset >= limit)
        return 0;
    return bytes < limit - offset ? bytes : limit - offset;
}

/* Splits a step's number. Divides 64-bit numbers only when it must: that takes longer than the rest of a step. */
static inline uint64_t
fab_emit_split(uint64_t index, uint32_t divisor, uint32_t *rest)
{
    if (index < divisor) {
        *rest = (uint32_t)index;
        return 0;
    }
    if (index <= UINT32_MAX) {
        *rest = (uint32_t)index % divisor;
        return (uint32_t)index / divisor;
    }
    *rest = (uint32_t)(index % divisor);
    return index / divisor;
}

/* The emitters, one a file. Each row of fab_algorithms names its own; specs are checked, ranks are 2 or more. */
FabProgram *fab_ring_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_tree_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_chain_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_halving_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_pairwise_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_nvls_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_nvls_tree_emit(const FabCollectiveSpec *spec, GError **error);
/* NVLS over several nodes: switches of NVLink inside them, the network between them. */
FabProgram *fab_nvls_network_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_collnet_direct_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_collnet_chain_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_pat_emit(const FabCollectiveSpec *spec, GError **error);
FabProgram *fab_dissemination_emit(const FabCollectiveSpec *spec, GError **error);

/* A single rank copies its input, whatever the algorithm. */
FabProgram *fab_alone_emit(const FabCollectiveSpec *spec, const char *algorithm);

#endif
