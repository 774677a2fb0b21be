/* The state of a run of the engine, which its sources share. */
#ifndef FAB_ENGINE_PRIVATE_H
#define FAB_ENGINE_PRIVATE_H

#include "engine/engine.h"
#include "engine/flow.h"
#include "engine/queue.h"

typedef enum { STREAM_NEXT, STREAM_INPUT, STREAM_OUTPUT, STREAM_MOVING, STREAM_TAIL, STREAM_DONE } FabStreamState;

/*
 * A FIFO. Slot s holds slice s, s + slots, ...; its time is when it was last filled or freed, as the other end sees
 * it.
 */
typedef struct {
    const FabRoute *push, *pull; /* resources used while its sender, its receiver works */
    uint32_t receiver, sender;   /* the stream that waits, or NOBODY */
    uint32_t handed;             /* slices that the sender is done with */
    uint32_t ready;              /* of these, between nodes: those that messages may take */
    uint32_t posted, taken;      /* slices; between nodes they are posted when their message has arrived */
    uint32_t rank, peer;         /* that sends, that receives, once one has sent to another node */
    uint32_t batch;              /* slices of the message on its way */
    bool sending;                /* there is one */
    bool placed, remote;         /* whether it is known that it leads to another node, and whether it does */
    bool full;                   /* the next waits until the other end has taken a slice */
    struct FabMessagePart *parts; /* a slice in each slot; NULL: none went to another node */
} FabConnection;

/* A slice on its way to another node: its bytes, and when the sender's proxy sees it. */
typedef struct FabMessagePart {
    uint64_t bytes;
    int64_t seen;
    bool ends; /* its step */
} FabMessagePart;

/* Whom a connection joins: what is needed to find its ways anew. */
typedef struct {
    uint32_t from, to, channel; /* GPUs */
} FabConnectionEnds;

/* One head of every node, whose slices the network adds up: the ends of the step that says so. */
typedef struct {
    const FabRoute *route;
    const FabEnd *ups, *downs;
    uint32_t count, channel;
    uint32_t source;         /* an end of `ups` on another node than the stream that owns the step */
    uint32_t started, ended; /* slices */
} FabReduction;

typedef struct {
    FabStream at;
    FabStreamState state;
    uint32_t slice, slices; /* of the step */
    uint32_t end;           /* the end that it waits for */
    uint64_t index;         /* of the step */
    uint64_t moved;         /* bytes of the step in earlier slices */
    uint64_t bytes;         /* of this slice */
    int64_t since;          /* waits since */
    FabStep step;
} FabStreamRun;

/* What a run that may repeat itself remembers of an earlier instant (repeat.c). */
typedef struct {
    uint32_t watched;  /* a stream: each of its steps is a time to look */
    uint64_t index;    /* of its step at the last look */
    uint64_t looks;    /* since the last start */
    uint64_t keep_at;  /* the look at which the next state is kept */
    uint64_t again_at; /* the look at which what seems to repeat itself should do so again; 0: nothing does */
    bool kept;         /* there is a state below */
    int64_t when;
    uint64_t sample, digest;
    uint64_t *indexes;  /* of the steps of all streams */
    uint32_t *posted;   /* of all connections */
    uint64_t *ranks;    /* room for a digest of each */
    uint64_t steps, slices, events;
    double copy_ps, wait_ps;
    FabFlowSums flows;
} FabRepeat;

typedef struct {
    const FabEngineSpec *spec;
    const FabProgram *program;
    const FabExecution *execution;
    FabRouter *router;   /* the spec's, until ways change */
    double *pace;        /* of each rank; NULL: 1 */
    FabConnectionEnds *ends; /* NULL: ways do not change */
    GArray *reductions;   /* FabReduction; NULL: the network reduces nothing */
    uint32_t *reduction;  /* that a connection belongs to, or FAB_ENGINE_NOBODY; NULL as above */
    FabQueue *queue;
    FabFlowSet *flows;
    FabStreamRun *streams;
    FabConnection *connections;
    int64_t *slots; /* program->slots for each connection */
    int64_t *proxy_free; /* of each rank: when its proxy is done with the messages that it was given */
    bool several; /* the ranks are on several nodes */
    GPtrArray *parts; /* blocks of slices on their way between nodes; those of the last one are taken up to: */
    uint32_t parts_used;
    const FabRoute **multicast; /* by node of a cluster, the first of a single machine; NULL: not asked for yet */
    const FabRoute **accesses; /* of the shared memory, by rank and kind of step; NULL without one */
    double send_rate[FAB_PROGRAM_ROLES], copy_rate[FAB_PROGRAM_ROLES]; /* of each role, B/s */
    int64_t *began, *ended; /* of each rank: first transfer to it or own slice, end of its last stream */
    int64_t *ready; /* of each rank: its first own slice, whose data are there */
    uint32_t stream_count, running;
    bool far; /* too many streams for a cache: memory is asked for beforehand */
    uint64_t fetched[4]; /* by stage of asking: the first event in order that was not asked for */
    int64_t now, finish;
    uint64_t instants; /* simulated; counted where invariants are checked */
    double copy_ps, wait_ps;
    FabRepeat *repeat; /* NULL: every slice is simulated */
    FabEngineReport *report;
    GError *error;
} FabEngine;

#define FAB_ENGINE_NOBODY UINT32_MAX

/* Events carry 31 bits of number and one of kind: those of flows have this one. */
#define FAB_ENGINE_FLOW_MARK UINT32_C(0x80000000)

/* A route as it is simulated: where ranks are folded, on classes of resources. */
static inline const FabRoute *
fab_engine_folded(const FabEngine *engine, const FabRoute *route)
{
    return engine->spec->fold == NULL ? route : fab_fold_route(engine->spec->fold, route);
}

/* The time of slice number `slice` of a connection. */
static inline int64_t *
fab_engine_slot(FabEngine *engine, uint32_t connection, uint32_t slice)
{
    uint32_t slots = engine->program->slots;

    return &engine->slots[(gsize)connection * slots + slice % slots];
}

/* proxy.c: the slices of a connection on their way; the first call gives it room for them. */
FabMessagePart *fab_engine_parts(FabEngine *engine, uint32_t connection);
/* Finds out whether the end's other rank is on another node; whether it is. */
void fab_engine_place(const FabEngine *engine, const FabStreamRun *stream, const FabEnd *end);

static inline bool
fab_engine_is_remote(const FabEngine *engine, const FabStreamRun *stream, const FabEnd *end)
{
    const FabConnection *connection = &engine->connections[end->connection];

    if (!engine->several)
        return false;
    if (!connection->placed)
        fab_engine_place(engine, stream, end);
    return connection->remote;
}

/*
 * A slice of the stream is ready to be sent there; its message is posted, an event with the data stream_count + id; and
 * sent, a flow with that tag.
 */
void fab_engine_hand_over(FabEngine *engine, const FabStreamRun *stream, const FabEnd *end);
void fab_engine_message_start(FabEngine *engine, uint32_t id);
void fab_engine_message_sent(FabEngine *engine, uint32_t id);
/* A slice was taken out of the FIFO at the other end, so that there may be room for the next message. */
void fab_engine_message_taken(FabEngine *engine, uint32_t id);

/* change.c: what the spec's changes need, before anything starts; change `number`, at its time. Clears sums too. */
void fab_engine_changes_init(FabEngine *engine);
void fab_engine_changes_clear(FabEngine *engine);
void fab_engine_change(FabEngine *engine, uint32_t number);

/*
 * reduction.c: whether the step just fetched is one of the network, which goes on without the stream; a slice was given
 * to the network, or taken from it. Events after those of streams and messages are changes and what sums wait for;
 * flows after those of streams are messages and sums.
 */
bool fab_engine_is_reduction(FabEngine *engine, FabStreamRun *stream);
void fab_engine_reduction_given(FabEngine *engine, uint32_t connection, uint64_t bytes, int64_t when);
void fab_engine_reduction_taken(FabEngine *engine, uint32_t connection, int64_t when);
void fab_engine_other_event(FabEngine *engine, uint32_t number);
void fab_engine_other_sent(FabEngine *engine, uint32_t number);
bool fab_engine_reduction_find_way(FabEngine *engine, FabReduction *reduction);

/* way.c: everything that the stream's step uses, NULL when it stays in its GPU's memory. */
const FabRoute *fab_engine_step_route(FabEngine *engine, const FabStreamRun *stream);
/*
 * How long after it was posted the other end sees a slice. A reader that fetches from elsewhere (host memory) polls
 * there, so its way counts too.
 */
int64_t fab_engine_post_latency(FabEngine *engine, const FabStreamRun *stream, const FabEnd *end);
/* engine.c: the bytes of the stream's slice have gone. */
void fab_engine_slice_moved(FabEngine *engine, FabStreamRun *stream);

/* Remembers whom a connection joins. */
static inline void
fab_engine_note_ends(FabEngine *engine, uint32_t connection, uint32_t from, uint32_t to, uint32_t channel)
{
    if (engine->ends != NULL)
        engine->ends[connection] = (FabConnectionEnds) { from, to, channel };
}

/*
 * repeat.c: looks, after an instant in which the watched stream came to another step, whether everything is as it was
 * some steps before, and then takes all the steps that will be the same at once.
 */
void fab_engine_repeat_init(FabEngine *engine);
void fab_engine_repeat_clear(FabEngine *engine);
void fab_engine_repeat_look(FabEngine *engine);
/* More slices were simulated one by one than the spec allows: an error. */
bool fab_engine_has_too_many(FabEngine *engine);

/* multicast.c: the way of an in-switch step; NULL after an error. */
const FabRoute *fab_engine_multicast(FabEngine *engine, const FabStreamRun *stream);

/*
 * cause.c, where the run has a trail: a slice begins; it ends, before its ends are told; a message begins, and arrives,
 * before it is told; slice `slice` of a sum begins, and is there; what a flow with this tag moved has gone.
 */
void fab_engine_note_slice(FabEngine *engine, const FabStreamRun *stream);
void fab_engine_note_posted(FabEngine *engine, const FabStreamRun *stream);
void fab_engine_note_message(FabEngine *engine, uint32_t id);
void fab_engine_note_arrival(FabEngine *engine, uint32_t id);
void fab_engine_note_sum(FabEngine *engine, uint32_t number, uint32_t slice);
void fab_engine_note_summed(FabEngine *engine, uint32_t number, uint32_t slice);
void fab_engine_note_moved(FabEngine *engine, uint32_t tag, uint32_t flow);

/* fetch.c: asks for the memory of events of later instants; of those behind `next`, which is about to be handled. */
void fab_engine_fetch_soon(FabEngine *engine);
void fab_engine_fetch(const FabEngine *engine, const uint32_t *events, uint32_t count, uint32_t next);

/* Starts the accesses of a slice to the memory that all ranks share. */
void fab_engine_access(FabEngine *engine, FabStreamRun *stream);

/* After the last event: what was sent was received; no slice is left in any FIFO. Sets engine->error. */
void fab_engine_check_end(FabEngine *engine);

/* Names the ranks and steps that wait for ever in engine->error. */
void fab_engine_set_deadlock(FabEngine *engine);

void fab_engine_fill_report(FabEngine *engine);

#endif
