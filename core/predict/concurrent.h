/*
 * Collectives that run at the same time on one fabric. Each is run by the engine alone, which gives its time and the
 * bytes that it puts on every resource; together they progress at max-min fair rates, none faster than alone, so that
 * those which want more of a link than it has slow each other down.
 */
#ifndef FAB_PREDICT_CONCURRENT_H
#define FAB_PREDICT_CONCURRENT_H

#include "collective/collective.h"
#include "collective/constants.h"
#include "engine/flow.h"
#include "topology/topology.h"

/* A collective as the engine runs it alone. Belongs to its book. */
typedef struct {
    int64_t time_ps;
    FabRoute *route;  /* resources, weighted by bytes for each unit of work; of the topology, and one that all have */
    double work;      /* units, as many as a nanosecond of it alone has; 0: takes no time */
} FabAlone;

typedef struct FabCallBook FabCallBook;

/* `constants` NULL: those shipped. Topology and constants must outlive it. */
FabCallBook *fab_call_book_new(const FabTopology *topology, const FabConstants *constants);
void fab_call_book_free(FabCallBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabCallBook, fab_call_book_free)

typedef struct {
    FabCollective collective; /* sendrecv: from the first rank to the second */
    const uint32_t *ranks;    /* GPUs */
    uint32_t count;
    uint64_t bytes;           /* as nccl-tests counts them */
} FabCall;

/* Run once, then remembered. NULL with an error. */
const FabAlone *fab_call_alone(FabCallBook *book, const FabCall *call, GError **error);

/* Flows of calls: the topology's resources and one without limit. Completions come as fab_flow_set_new() says. */
FabFlowSet *fab_call_flows(const FabCallBook *book, FabQueue *queue, uint32_t mark);
void fab_call_start(FabFlowSet *flows, int64_t now, const FabAlone *alone, uint32_t tag);

/*
 * How long it takes until the last of `count` calls that start together is done, as a multiple of the first of them
 * alone, at least 1: 1 where they are alike and none is in another's way. Negative with an error.
 */
double fab_concurrent_slowdown(FabCallBook *book, const FabCall *calls, uint32_t count, GError **error);

#endif
