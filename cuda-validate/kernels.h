/*
 * What is run on a GPU, as plain data that the host, the CUDA kernels and the fake back end share. Pointers are those
 * of the machine that runs them. Compiles as C11 and as CUDA C++.
 */
#ifndef FABM_KERNELS_H
#define FABM_KERNELS_H

#include <stdint.h>

typedef enum {
    FABM_KERNEL_EMPTY,   /* does nothing: the cost of a launch */
    FABM_KERNEL_MOVE,    /* copies and reduces with a given number of CTAs and width of access */
    FABM_KERNEL_FILL,    /* random data, known everywhere */
    FABM_KERNEL_CHECK,   /* counts the elements that are not as expected */
    FABM_KERNEL_PING,    /* a flag there and back */
    FABM_KERNEL_WORK,    /* arithmetic on each word of a buffer */
    FABM_KERNEL_PROGRAM, /* a channel program */
    FABM_KERNELS
} FabmKernelKind;

/* ------------------------------------------------------------------ MOVE */

enum { FABM_MOVE_MOST = 2 };

/* 32-bit floats: each destination becomes the sum of the sources. A CTA has one piece of the bytes. */
typedef struct {
    const void *src[FABM_MOVE_MOST];
    void *dst[FABM_MOVE_MOST];
    uint32_t sources, destinations;
    uint32_t width;         /* bytes of one access: 4, 8, 16; addresses and bytes are multiples of 16 */
    uint64_t bytes;         /* of each buffer */
    const uint32_t *stop;   /* NULL: once; else again and again until it is not 0 */
    uint64_t *passes;       /* of each CTA: how many times it moved its piece; NULL without `stop` */
} FabmMove;

/* ------------------------------------------------------------------ FILL and CHECK */

typedef enum { FABM_FLOAT, FABM_HALF, FABM_BFLOAT16, FABM_E4M3, FABM_BITS32 } FabmElement;
typedef enum { FABM_SUM, FABM_PROD, FABM_MAX, FABM_MIN, FABM_NO_REDUCTION } FabmReduction;

typedef enum {
    FABM_ALL_REDUCE,
    FABM_ALL_GATHER,
    FABM_REDUCE_SCATTER,
    FABM_BROADCAST,
    FABM_REDUCE,
    FABM_ALLTOALL,
    FABM_SENDRECV,
    FABM_GATHER,
    FABM_SCATTER,
    FABM_BARRIER,
    FABM_COLLECTIVES
} FabmCollective;

/* What a collective must give; sizes are in elements. */
typedef struct {
    FabmCollective collective;
    FabmElement element;
    FabmReduction reduction;
    uint32_t ranks, root, one_way;
    uint64_t size, piece; /* of the call, and the longest piece of one rank (docs/program-format.md) */
    uint32_t seed;
} FabmExpect;

typedef struct {
    FabmExpect expect;
    uint32_t rank;
    void *data;
    uint64_t count; /* elements */
    uint32_t noise; /* 1: values below 2 of either sign with all bits of the mantissa, as arithmetic meets them */
} FabmFill;

typedef struct {
    FabmExpect expect;
    uint32_t rank;
    const void *data;
    uint64_t count;
    uint64_t *wrong; /* [0]: how many differ; [1]: 1 + the index of one of them */
} FabmCheck;

/* ------------------------------------------------------------------ PING */

/* How a message and its flag travel, as NCCL's protocols do. */
typedef enum { FABM_PING_FLAG, FABM_PING_LL, FABM_PING_LL128, FABM_PING_SIMPLE, FABM_PING_MODES } FabmPingMode;

enum { FABM_MAILBOX = 1024 }; /* bytes: a flag in the first 128, data behind */

/* CTA i of the launch plays side `first + i`. Side 0 begins. */
typedef struct {
    void *mine[2];  /* where side 0 and side 1 listen: FABM_MAILBOX bytes, zero before each launch */
    uint32_t first, trips, mode;
    uint64_t patience_ns;
    uint32_t *stuck; /* host memory: set when a side waited too long */
} FabmPing;

/* ------------------------------------------------------------------ WORK */

typedef struct {
    float *data;
    uint64_t count;  /* words */
    uint32_t rounds; /* multiply-adds on each: x becomes FABM_WORK_SUM - x */
} FabmWork;

/* Of a small whole number every round gives another one, exactly, and two rounds give it back. */
#define FABM_WORK_SUM 127.0f

/* ------------------------------------------------------------------ PROGRAM */

/* Groups of warps in a CTA; connections on either side of a step; threads of a CTA, which leaves 102 registers each. */
enum { FABM_ROLES = 4, FABM_ENDS = 4, FABM_PROGRAM_THREADS = 640 };

typedef enum { FABM_NONE, FABM_INPUT, FABM_OUTPUT, FABM_SCRATCH } FabmBuffer;

/*
 * How the flags of a slot travel. SIMPLE: a counter beside the data. LL: lines of 16 bytes, 4 of data and a flag of 4,
 * twice. LL128: lines of 128 bytes, 120 of data and a flag of 8, which a warp stores at once.
 */
typedef enum { FABM_SIMPLE, FABM_LL, FABM_LL128 } FabmProtocol;

enum { FABM_LL_LINE = 16, FABM_LL_DATA = 8, FABM_LL128_LINE = 128, FABM_LL128_DATA = 120 };

/* One step of a stream. `ends` are places in the stream's table: receives from 0 on, sends from FABM_ENDS on. */
typedef struct {
    uint64_t bytes, src_offset, dst_offset;
    uint8_t src, dst; /* FabmBuffer */
    uint8_t recvs, sends;
    uint8_t ends[2 * FABM_ENDS];
} FabmOp;

/*
 * One end of a connection as its stream sees it. Slots and the counter of what was sent (`head`) lie with the receiver,
 * the counter of what was taken (`tail`) with the sender, so that everybody polls memory of his own.
 */
typedef struct {
    uint8_t *slots;
    uint64_t *told;  /* the counter that this end polls */
    uint64_t *tells; /* the one that it writes */
    uint64_t *count; /* slices so far: kept between launches */
    uint32_t sends;
    uint32_t connection; /* for messages */
} FabmEnd;

/* A connection while the program runs. Only the thread that owns it changes it; others read it between barriers. */
typedef struct {
    uint8_t *slots;
    uint64_t *told, *tells;
    uint64_t count;
    uint32_t slot; /* count modulo slots */
    uint32_t sends;
} FabmEndState;

typedef struct {
    uint32_t first_op, ops;
    uint32_t first_end, ends;
} FabmLane; /* a stream: one role of one channel of one rank */

typedef struct {
    uint8_t *buffers[4]; /* by FabmBuffer; the first is NULL */
} FabmMemory;

/* Where a stream stood when it gave up waiting. */
typedef struct {
    uint32_t waiting, sends, connection;
    uint32_t step;
} FabmStall;

typedef struct {
    const FabmLane *lanes;    /* of this GPU: ranks x channels x roles */
    const FabmOp *ops;
    const FabmEnd *ends;
    const FabmMemory *memory; /* of each rank of this GPU */
    uint32_t channels, roles;
    uint32_t role_threads[FABM_ROLES]; /* multiples of 32 */
    uint32_t slots, reduction;
    uint32_t protocol;        /* FabmProtocol */
    uint32_t group;           /* slices between two looks for free slots, where flags travel with the data */
    uint32_t ends_most;       /* longest table of a lane */
    uint64_t slice, stride;   /* bytes of a slot at most; from slot to slot */
    FabmStall *stalls;        /* host memory: one for each lane of this GPU */
    uint32_t *stop;           /* host memory: not 0: give up */
    uint64_t patience_ns;
} FabmProgramRun;

/* ------------------------------------------------------------------ a launch */

typedef struct {
    FabmKernelKind kind;
    uint32_t ctas, threads;
    uint32_t together; /* 1: all CTAs begin at once or none, as those of programs do anyway */
    union {
        FabmMove move;
        FabmFill fill;
        FabmCheck check;
        FabmPing ping;
        FabmWork work;
        FabmProgramRun program;
    } as;
} FabmLaunch;

#endif
