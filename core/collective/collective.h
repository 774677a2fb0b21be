/*
 * Collectives and the algorithms that perform them. An algorithm is one row of a table and one file that
 * emits a channel program.
 */
#ifndef FAB_COLLECTIVE_COLLECTIVE_H
#define FAB_COLLECTIVE_COLLECTIVE_H

#include "program/program.h"

typedef enum {
    FAB_ALL_REDUCE,
    FAB_ALL_GATHER,
    FAB_REDUCE_SCATTER,
    FAB_BROADCAST,
    FAB_REDUCE,
    FAB_ALL_TO_ALL,
    FAB_SEND_RECV, /* every rank sends to the next one, as nccl-tests' sendrecv does */
    FAB_GATHER,
    FAB_SCATTER,
    FAB_BARRIER,
    FAB_COLLECTIVE_COUNT
} FabCollective;

/* Names as in measurement files: "all_reduce", "alltoall", "sendrecv". NULL-terminated array, indexed by the enum. */
extern const char *const fab_collective_names[];

/* The size column of nccl-tests is `size`; bytes of one rank's input and output buffer for n ranks. */
uint64_t fab_collective_input_bytes(FabCollective collective, uint64_t size, uint32_t ranks);
uint64_t fab_collective_output_bytes(FabCollective collective, uint64_t size, uint32_t ranks);

/* busbw = algbw x factor, as nccl-tests defines it (doc/PERFORMANCE.md); 0 for the barrier. */
double fab_collective_bus_factor(FabCollective collective, uint32_t ranks);

/*
 * Rank r's piece of `size` bytes split among n ranks: offset and length. Pieces are equal, rounded up to 16 bytes,
 * so that the last ones may be shorter or empty.
 */
void fab_piece(uint64_t size, uint32_t ranks, uint32_t r, uint64_t *offset, uint64_t *bytes);

/* What an algorithm is asked to emit. */
typedef struct {
    FabCollective collective;
    uint64_t size;   /* as nccl-tests counts it */
    uint32_t ranks;
    uint32_t root;   /* broadcast, reduce, gather, scatter */
    uint32_t ranks_per_node; /* of the algorithms that tell nodes apart: divides `ranks`; 0: all are on one node */
    bool one_way;    /* sendrecv: the last rank does not send to the first */
    uint32_t channels;
    uint64_t chunk_bytes; /* the most one step moves, 1 or more */
    uint64_t slice_bytes; /* flow control granule, 1..chunk_bytes */
    uint32_t slots;       /* slices in flight on a connection, 1 or more */
    /*
     * Order of the ranks in each channel's ring: order[channel * ranks + position] = rank. NULL: 0, 1, 2, ...
     * Copied by the generator.
     */
    const uint32_t *order;
} FabCollectiveSpec;

typedef struct {
    const char *name;    /* "ring", "tree", "halving-doubling", "pairwise", "nvls" */
    const char *summary; /* one line */
    uint32_t collectives; /* bit (1 << FabCollective) for each one it can do */
    bool in_switch;      /* needs a switch with reduction and multicast */
    bool several_nodes;  /* NCCL runs it over several nodes only */
    FabProgram *(*emit)(const FabCollectiveSpec *spec, GError **error);
} FabAlgorithm;

/* The table; ends with a row whose name is NULL. */
extern const FabAlgorithm fab_algorithms[];

/* Finds a row by name; NULL with an error that offers the nearest. */
const FabAlgorithm *fab_algorithm_find(const char *name, GError **error);

/* Checks the spec and emits. The error says which algorithm can do the collective. Owned by the caller. */
FabProgram *fab_collective_emit(const FabAlgorithm *algorithm, const FabCollectiveSpec *spec, GError **error);

/*
 * The correct output of rank r, for checking: bytes as fab_interpret() computes them. For reduce and gather only
 * the root's output is defined; `defined` (output_bytes long) tells which bytes are.
 */
void fab_collective_expect(const FabCollectiveSpec *spec, bool max, const uint8_t *const *input, uint32_t r,
                           uint8_t *output, uint8_t *defined);

#endif
