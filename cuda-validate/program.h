/* A channel program as a file describes it (docs/program-format.md), ready to be laid out in the memory of GPUs. */
#ifndef FABM_PROGRAM_H
#define FABM_PROGRAM_H

#include "base.h"
#include "kernels.h"

typedef struct {
    uint32_t rank, channel, role;
} FabmStream;

typedef struct {
    FabmStream sender, receiver;
} FabmConnection;

/* A connection in the table of one of its streams. */
typedef struct {
    uint32_t connection;
    bool sends;
} FabmTableEntry;

typedef struct {
    char name[256], collective[32], algorithm[64], protocol[16], datatype[32], reduction[16];
    FabmExpect expect; /* what must come out, in elements of `word` bytes; its seed is left to the caller */
    FabmProtocol protocol_kind;
    uint32_t word;
    uint64_t size; /* bytes, as nccl-tests counts them */
    uint64_t input, output, scratch, slice;
    uint32_t slots, threads, ranks, channels, roles;
    uint32_t share[FABM_ROLES]; /* thousandths of the threads */
    FabmConnection *connections;
    uint32_t connection_count;
    FabmLane *lanes; /* ranks x channels x roles; `first_end` is a place in `entries` */
    FabmOp *ops;
    uint32_t op_count;
    FabmTableEntry *entries;
    uint32_t entry_count, ends_most;
} FabmProgram;

typedef struct FabmProgramFile FabmProgramFile;

/* "-" is standard input. */
FabmProgramFile *fabm_program_open(const char *path, FabmFailure *failure);
void fabm_program_close(FabmProgramFile *file);

/* The next program of the file; NULL at its end, and with a failure. */
FabmProgram *fabm_program_next(FabmProgramFile *file, FabmFailure *failure);
void fabm_program_free(FabmProgram *program);

/* "rank 3 channel 0 role 1" of a lane. */
void fabm_program_name_lane(const FabmProgram *program, uint32_t lane, char *text, size_t size);

#endif
