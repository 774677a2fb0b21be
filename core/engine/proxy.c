/*
 * Connections between nodes: the kernel leaves a slice in the FIFO, a proxy thread has the NIC send it, one message
 * after the other, while the kernel goes on. The slice is there when its message is. There is a FIFO at each end: the
 * sender's slots are free again when their message has been sent, and a message starts when the receiver has a slot
 * for it, whatever the sender's kernel is at.
 */
#include "engine/engine-private.h"

#include <math.h>

#include "base/large.h"

enum { FIFO_SLOTS = 8 };

/* Most connections stay inside a node, so that room for all would mostly be empty. */
FabMessagePart *
fab_engine_parts(FabEngine *engine, uint32_t id)
{
    enum { BLOCK = 1 << 14 };
    uint32_t slots = engine->program->slots, room = MAX(BLOCK / slots, 1) * slots;
    FabConnection *connection = &engine->connections[id];

    if (connection->parts != NULL)
        return connection->parts;
    if (engine->parts->len == 0 || engine->parts_used == room) {
        g_ptr_array_add(engine->parts, fab_large_new(room, sizeof(FabMessagePart)));
        engine->parts_used = 0;
    }
    connection->parts = (FabMessagePart *)engine->parts->pdata[engine->parts->len - 1] + engine->parts_used;
    engine->parts_used += slots;
    return connection->parts;
}

void
fab_engine_place(const FabEngine *engine, const FabStreamRun *stream, const FabEnd *end)
{
    const FabTopology *topology = engine->spec->topology;
    const uint32_t *gpus = engine->spec->gpus;
    FabConnection *connection = &engine->connections[end->connection];

    connection->placed = true;
    connection->remote = fab_topology_node_of(topology, gpus[stream->at.rank]) !=
                         fab_topology_node_of(topology, gpus[end->peer]);
}

/*
 * A proxy's thread takes a message when it is done with those before, and is busy with it for a while: polling for
 * completions, matching, freeing requests. What it does before the message goes on is counted elsewhere (post_ps,
 * network_ps), so that only those behind it wait. Returns when it takes the message.
 */
static int64_t
occupy(FabEngine *engine, uint32_t rank, int64_t first, int64_t then)
{
    int64_t *free = &engine->proxy_free[rank], from = MAX(*free, engine->now) + first;

    *free = from + then;
    return from;
}

/* The receiver sees the slices of a message. */
static void
arrive(FabEngine *engine, uint32_t id)
{
    FabConnection *connection = &engine->connections[id];
    int64_t busy = engine->execution->after_arrival_ps;
    int64_t seen = busy > 0 ? occupy(engine, connection->peer, 0, busy) : engine->now;
    int64_t when = seen + engine->execution->latency_ps + engine->execution->network_ps / 2 +
                   connection->push->latency_ps + (connection->pull != NULL ? connection->pull->latency_ps : 0);

    if (engine->spec->trail != NULL)
        fab_engine_note_arrival(engine, id);
    for (uint32_t i = 0; i < connection->batch; i++)
        *fab_engine_slot(engine, id, connection->posted++) = when;
    if (connection->receiver != FAB_ENGINE_NOBODY) {
        fab_queue_push(engine->queue, when, connection->receiver);
        connection->receiver = FAB_ENGINE_NOBODY;
    }
    if (connection->sender != FAB_ENGINE_NOBODY) {
        fab_queue_push(engine->queue, engine->now, connection->sender);
        connection->sender = FAB_ENGINE_NOBODY;
    }
}

/* Slots of the receiver's FIFO that no message is for yet. */
static inline uint32_t
room(const FabEngine *engine, const FabConnection *connection)
{
    return engine->program->slots - (connection->posted - connection->taken);
}

/*
 * The rank's proxy posts the next slice that waits when it is free; half of its software's time passes before. For each
 * message that a rank sends one comes to it, in all but one-way copies, which its thread looks after as well: that
 * delays the next message, not this one.
 */
static void
post_next(FabEngine *engine, uint32_t id)
{
    FabConnection *connection = &engine->connections[id];
    const FabMessagePart *next = &connection->parts[connection->posted % engine->program->slots];
    const FabExecution *execution = engine->execution;
    bool brief = next->bytes > 0 && next->bytes <= execution->short_bytes;
    int64_t from;

    connection->full = connection->posted != connection->ready && room(engine, connection) == 0;
    connection->sending = connection->posted != connection->ready && !connection->full;
    if (!connection->sending)
        return;
    from = occupy(engine, connection->rank, execution->post_ps,
                  execution->after_post_ps + (brief ? execution->short_copy_ps : 0));
    fab_queue_push(engine->queue, MAX(from, next->seen), engine->stream_count + id);
}

/*
 * NCCL's messages are slots of the FIFO, one of eight, however finely they are filled: what is ready goes together.
 * Where each takes the proxies' time their number counts, and a message never holds parts of two steps.
 */
static uint64_t
fill_message(const FabEngine *engine, FabConnection *connection)
{
    uint32_t slots = engine->program->slots, ready = connection->ready - connection->posted;
    uint32_t most = MIN(MIN(ready, room(engine, connection)), MAX(slots / FIFO_SLOTS, 1));
    bool apart = engine->execution->after_arrival_ps > 0;
    const FabMessagePart *part = NULL;
    uint64_t bytes = 0;

    for (connection->batch = 0; connection->batch < most; connection->batch++) {
        if (part != NULL && apart && part->ends)
            break;
        part = &connection->parts[(connection->posted + connection->batch) % slots];
        bytes += part->bytes;
    }
    return bytes;
}

void
fab_engine_message_start(FabEngine *engine, uint32_t id)
{
    FabConnection *connection = &engine->connections[id];
    uint64_t bytes = fill_message(engine, connection);

    if (engine->spec->trail != NULL)
        fab_engine_note_message(engine, id);
    if (bytes > 0)
        fab_flow_start(engine->flows, engine->now, connection->push,
                       (double)bytes * engine->execution->network_wire + engine->execution->network_bytes, INFINITY,
                       engine->stream_count + id);
    else
        fab_engine_message_sent(engine, id); /* flags alone */
}

void
fab_engine_hand_over(FabEngine *engine, const FabStreamRun *stream, const FabEnd *end)
{
    FabConnection *connection = &engine->connections[end->connection];
    const uint32_t *gpus = engine->spec->gpus;
    uint32_t from = gpus[stream->at.rank], to = gpus[end->peer];
    FabMessagePart *part;

    fab_engine_note_ends(engine, end->connection, from, to, stream->at.channel);
    if (connection->push == NULL && engine->error == NULL)
        connection->push = fab_engine_folded(
            engine, fab_router_push_flow(engine->router, from, to, stream->at.channel, &engine->error));
    if (connection->pull == NULL && engine->error == NULL)
        connection->pull = fab_engine_folded(engine, fab_router_pull(engine->router, from, to, &engine->error));
    if (engine->error != NULL)
        return;
    part = &fab_engine_parts(engine, end->connection)[connection->handed % engine->program->slots];
    *part = (FabMessagePart) { .bytes = stream->bytes, .seen = engine->now + engine->execution->network_ps / 2,
                               .ends = stream->slice + 1 == stream->slices };
    connection->handed++;
    if (!engine->execution->network_steps || stream->slice + 1 == stream->slices)
        connection->ready = connection->handed;
    connection->rank = stream->at.rank;
    connection->peer = end->peer % engine->program->ranks; /* where ranks are folded, that of its class */
    if (!connection->sending)
        post_next(engine, end->connection);
}

void
fab_engine_message_taken(FabEngine *engine, uint32_t id)
{
    if (engine->connections[id].full)
        post_next(engine, id);
}

void
fab_engine_message_sent(FabEngine *engine, uint32_t id)
{
    arrive(engine, id);
    post_next(engine, id);
}
