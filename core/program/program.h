/*
 * Channel programs: what every rank does on every channel, as NCCL, MSCCL and MSCCL++ execute a collective.
 *
 * A program has `ranks` x `channels` x `roles` serial instruction streams. A channel is a CTA; its roles are
 * warp groups that run at once and split the CTA's copy rate (a tree's reduce and broadcast halves). A stream is
 * a list of steps (primitives). One step takes sources (a piece of a buffer of this rank, and FIFO slots filled by
 * other ranks), reduces them if there are several, and writes the result to destinations (a piece of a buffer, and
 * FIFO slots of other ranks). Flags say which exist, so that NCCL's primitives are:
 *
 *     send                 src, send            recv                 recv, dst
 *     copy                 src, dst             recvSend             recv, send
 *     copySend             src, dst, send       recvCopySend         recv, dst, send
 *     recvReduceSend       recv, src, send      recvReduceCopy       recv, src, dst
 *     recvReduceCopySend   recv, src, dst, send
 *
 * Streams are generated on demand: step(i) is a pure function, so a program of 16 384 ranks takes no memory.
 * Connections join a sending stream to a receiving one; each is a FIFO of `slots` slots, in order.
 */
#ifndef FAB_PROGRAM_PROGRAM_H
#define FAB_PROGRAM_PROGRAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    FAB_BUFFER_NONE,
    FAB_BUFFER_INPUT,
    FAB_BUFFER_OUTPUT,
    FAB_BUFFER_SCRATCH
} FabBuffer;

/* One end of a connection as a step sees it. */
typedef struct {
    uint32_t connection; /* dense id, from 0 below `connections` */
    uint32_t peer;       /* rank at the other end */
} FabEnd;

typedef enum {
    FAB_STEP_LOCAL_SEND = 1u << 0, /* the slots written lie on this GPU: their reader fetches them */
    FAB_STEP_IN_SWITCH = 1u << 1,  /* recv and send ends are all ranks: reduced and multicast by the switch */
    FAB_STEP_IN_NETWORK = 1u << 2, /* the same by the network, with one end in each node: no rank does it */
    FAB_STEP_WHOLE_CTA = 1u << 3   /* all threads of the CTA are at work in it, whatever its role's share */
} FabStepFlags;

/* The most ends of a step on either side that lie in it, and the most roles of a channel. */
enum { FAB_STEP_ENDS = 4, FAB_PROGRAM_ROLES = 4 };

/*
 * One primitive over one chunk. `bytes` may be 0: only counters are exchanged. All offsets are bytes.
 * `recv` and `send` point into the program or to `ends` of this very structure: do not copy it.
 */
typedef struct {
    uint64_t bytes;
    uint64_t src_offset, dst_offset;
    uint8_t src, dst; /* FabBuffer */
    uint8_t flags;    /* FabStepFlags */
    uint16_t recv_count, send_count;
    const FabEnd *recv, *send;
    FabEnd ends[FAB_STEP_ENDS * 2];
} FabStep;

/* A stream's address. */
typedef struct {
    uint32_t rank, channel, role;
} FabStream;

typedef struct FabProgram FabProgram;

struct FabProgram {
    char *name; /* "all_reduce ring" */
    uint32_t ranks, channels, roles;
    uint32_t connections;
    uint64_t input_bytes, output_bytes, scratch_bytes; /* of each rank */
    uint64_t slice_bytes; /* a step's bytes move in slices of at most this; at least 1 */
    uint32_t slots;       /* slices in flight on one connection */
    double role_share[FAB_PROGRAM_ROLES]; /* share of the CTA's threads that each role has; sums to 1 or less */
    /* Fills step `index` of a stream; false: the stream has ended. Pure. */
    bool (*step)(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step);
    /*
     * The steps from `index` on, up to the one returned, which may differ, are alike: as many bytes, the same ends and
     * flags; offsets and buffers may differ, but not whether they are scratch. NULL: not known. Pure.
     */
    uint64_t (*alike)(const FabProgram *program, const FabStream *stream, uint64_t index);
    /*
     * Turning: when every rank takes the place of the one `turn` further on, the last ones those of the first, the
     * program is the same; so it is for multiples that divide the ranks. 0: it is not, and `folded` is NULL.
     * With `places`, ranks of a node, it turns inside every node instead: `turn` counts places, and a node's ranks
     * reduce and multicast through its switch.
     */
    uint32_t turn, places;
    /* The ranks that a connection joins. False: it leads nowhere but through the switch or the rank's own memory. */
    bool (*joins)(const FabProgram *program, uint32_t connection, uint32_t *from, uint32_t *to);
    /* Its number, from 0 without gaps, where turning by `period` makes connections the same. */
    uint32_t (*folded)(const FabProgram *program, uint32_t connection, uint32_t period);
    void *data; /* of the algorithm */
    GDestroyNotify data_free;
};

FabProgram *fab_program_new(const char *name, gpointer data, GDestroyNotify data_free);
void fab_program_free(FabProgram *program);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabProgram, fab_program_free)

/* For generators: an empty step of `bytes`, which the calls below then add ends to. */
static inline void
fab_step_begin(FabStep *step, uint64_t bytes)
{
    step->bytes = bytes;
    step->src_offset = step->dst_offset = 0;
    step->src = step->dst = FAB_BUFFER_NONE;
    step->flags = 0;
    step->recv_count = step->send_count = 0;
    step->recv = step->send = NULL;
}

/* For generators: point a step at its inline ends. */
static inline void
fab_step_recv(FabStep *step, uint32_t connection, uint32_t peer)
{
    step->recv = step->ends;
    step->ends[step->recv_count++] = (FabEnd) { connection, peer };
}

static inline void
fab_step_send(FabStep *step, uint32_t connection, uint32_t peer)
{
    step->send = step->ends + FAB_STEP_ENDS;
    step->ends[FAB_STEP_ENDS + step->send_count++] = (FabEnd) { connection, peer };
}

/* NCCL's name of a step: "recvReduceCopySend". Static. */
const char *fab_step_name(const FabStep *step);

#endif
