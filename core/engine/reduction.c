/*
 * Sums that the network makes (SHARP): when the heads of all nodes have given a slice, their proxies send it, the
 * switches add it up and send the sum to all of them. No kernel does it; several slices are on their way at once.
 */
#include "engine/engine-private.h"

#include <math.h>

#include "base/error.h"

static uint32_t
event_of(const FabEngine *engine, uint32_t number)
{
    return engine->stream_count + engine->program->connections + engine->spec->change_count + number;
}

bool
fab_engine_reduction_find_way(FabEngine *engine, FabReduction *reduction)
{
    g_autofree uint32_t *gpus = g_new(uint32_t, reduction->count);

    for (uint32_t i = 0; i < reduction->count; i++)
        gpus[i] = engine->spec->gpus[reduction->ups[i].peer];
    reduction->route =
        fab_router_reduction(engine->router, gpus, reduction->count, reduction->channel, &engine->error);
    return reduction->route != NULL;
}

static void look(FabEngine *engine, uint32_t number);

/* The first step of its kind tells of it; its ends live as long as the program. */
static void
meet(FabEngine *engine, const FabStreamRun *stream)
{
    const FabStep *step = &stream->step;
    FabReduction reduction = { .ups = step->recv, .downs = step->send, .count = step->recv_count,
                               .channel = stream->at.channel };

    if (engine->reduction == NULL) {
        engine->reductions = g_array_new(FALSE, FALSE, sizeof(FabReduction));
        engine->reduction = g_new(uint32_t, engine->program->connections);
        for (uint32_t i = 0; i < engine->program->connections; i++)
            engine->reduction[i] = FAB_ENGINE_NOBODY;
    }
    if (engine->reduction[step->recv[0].connection] != FAB_ENGINE_NOBODY)
        return;
    while (reduction.ups[reduction.source].peer == stream->at.rank)
        reduction.source++;
    if (!fab_engine_reduction_find_way(engine, &reduction))
        return;
    for (uint32_t i = 0; i < reduction.count; i++) {
        engine->reduction[reduction.ups[i].connection] = engine->reductions->len;
        engine->reduction[reduction.downs[i].connection] = engine->reductions->len;
    }
    g_array_append_val(engine->reductions, reduction);
    look(engine, engine->reductions->len - 1);
}

bool
fab_engine_is_reduction(FabEngine *engine, FabStreamRun *stream)
{
    if (!(stream->step.flags & FAB_STEP_IN_NETWORK) || engine->error != NULL)
        return false;
    if (!engine->several || stream->step.recv_count < 2) {
        g_set_error(&engine->error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: rank %u channel %u asks a network for a sum, but all ranks are on one node",
                    engine->program->name, stream->at.rank, stream->at.channel);
        return false;
    }
    meet(engine, stream);
    stream->index++;
    return engine->error == NULL;
}

void
fab_engine_reduction_given(FabEngine *engine, uint32_t connection, uint64_t bytes, int64_t when)
{
    uint32_t slots = engine->program->slots, slice = engine->connections[connection].posted - 1;

    fab_engine_parts(engine, connection)[slice % slots].bytes = bytes;
    if (engine->reduction != NULL && engine->reduction[connection] != FAB_ENGINE_NOBODY)
        fab_queue_push(engine->queue, when, event_of(engine, engine->reduction[connection]));
}

void
fab_engine_reduction_taken(FabEngine *engine, uint32_t connection, int64_t when)
{
    fab_queue_push(engine->queue, when, event_of(engine, engine->reduction[connection]));
}

/* Whether every head has given the next slice and has room for its sum. */
static bool
is_ready(FabEngine *engine, const FabReduction *reduction)
{
    for (uint32_t i = 0; i < reduction->count; i++) {
        uint32_t up = reduction->ups[i].connection, down = reduction->downs[i].connection;
        if (engine->connections[up].posted == reduction->started ||
            *fab_engine_slot(engine, up, reduction->started) > engine->now ||
            reduction->started - engine->connections[down].taken >= engine->program->slots ||
            *fab_engine_slot(engine, down, reduction->started) > engine->now)
            return false;
    }
    return true;
}

/* A sum is with all of them. */
static void
sent(FabEngine *engine, uint32_t number)
{
    FabReduction *reduction = &g_array_index(engine->reductions, FabReduction, number);
    const FabExecution *execution = engine->execution;
    int64_t freed = engine->now + execution->latency_ps;
    int64_t there = freed + execution->network_ps + execution->post_ps + reduction->route->latency_ps;
    uint32_t slice = reduction->ended++;

    if (engine->spec->trail != NULL)
        fab_engine_note_summed(engine, number, slice);
    for (uint32_t i = 0; i < reduction->count; i++) {
        FabConnection *up = &engine->connections[reduction->ups[i].connection];
        FabConnection *down = &engine->connections[reduction->downs[i].connection];
        *fab_engine_slot(engine, reduction->ups[i].connection, slice) = freed;
        *fab_engine_slot(engine, reduction->downs[i].connection, slice) = there;
        up->taken++;
        down->handed++;
        down->posted++;
        if (up->sender != FAB_ENGINE_NOBODY)
            fab_queue_push(engine->queue, freed, up->sender);
        if (down->receiver != FAB_ENGINE_NOBODY)
            fab_queue_push(engine->queue, there, down->receiver);
        up->sender = down->receiver = FAB_ENGINE_NOBODY;
    }
}

/* Starts every sum that nothing has to be waited for any more. */
static void
look(FabEngine *engine, uint32_t number)
{
    FabReduction *reduction = &g_array_index(engine->reductions, FabReduction, number);
    double rate = engine->spec->topology->network.reduce_rate;
    uint32_t slots = engine->program->slots;

    while (is_ready(engine, reduction)) {
        uint32_t up = reduction->ups[reduction->source].connection;
        uint64_t bytes = fab_engine_parts(engine, up)[reduction->started % slots].bytes;
        if (engine->spec->trail != NULL)
            fab_engine_note_sum(engine, number, reduction->started);
        reduction->started++;
        if (bytes > 0)
            fab_flow_start(engine->flows, engine->now, reduction->route,
                           (double)bytes * engine->execution->network_wire, rate > 0 ? rate : INFINITY,
                           event_of(engine, number));
        else
            sent(engine, number);
    }
}

void
fab_engine_other_event(FabEngine *engine, uint32_t number)
{
    if (number < engine->spec->change_count)
        fab_engine_change(engine, number);
    else
        look(engine, number - engine->spec->change_count);
}

void
fab_engine_other_sent(FabEngine *engine, uint32_t number)
{
    uint32_t before = engine->program->connections;

    if (number < before) {
        fab_engine_message_sent(engine, number);
        return;
    }
    sent(engine, number - before - engine->spec->change_count);
    look(engine, number - before - engine->spec->change_count);
}
