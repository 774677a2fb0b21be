/* What slices, messages and sums waited for, told to the run's trail when they begin. */
#include "engine/engine-private.h"

/* The latest of what had to happen before something could begin. */
typedef struct {
    int64_t when; /* it was seen */
    FabTrailMark mark;
    FabTrailWait wait;
} Cause;

static const Cause no_cause = { INT64_MIN, { FAB_TRAIL_NOTHING, 0 }, FAB_TRAIL_OWN };

static void
consider(Cause *cause, int64_t when, FabTrailMark mark, FabTrailWait wait)
{
    if (mark.who != FAB_TRAIL_NOTHING && when > cause->when)
        *cause = (Cause) { when, mark, wait };
}

static Cause
own_cause(const FabTrail *trail, uint32_t who)
{
    FabTrailMark last = fab_trail_last(trail, who);
    Cause cause = no_cause;

    if (last.who != FAB_TRAIL_NOTHING)
        consider(&cause, fab_trail_end_of(trail, last), last, FAB_TRAIL_OWN);
    return cause;
}

static uint32_t
first_sum(const FabEngine *engine)
{
    return engine->stream_count + engine->program->connections;
}

void
fab_engine_note_slice(FabEngine *engine, const FabStreamRun *stream)
{
    FabTrail *trail = engine->spec->trail;
    uint32_t number = (uint32_t)(stream - engine->streams);
    Cause cause = own_cause(trail, number);

    if (fab_trail_is_full(trail))
        return;
    for (uint32_t i = 0; i < stream->step.recv_count; i++) {
        uint32_t id = stream->step.recv[i].connection, slice = engine->connections[id].taken;
        consider(&cause, *fab_engine_slot(engine, id, slice), *fab_trail_slot(trail, id, slice), FAB_TRAIL_DATA);
    }
    for (uint32_t i = 0; i < stream->step.send_count; i++) {
        uint32_t id = stream->step.send[i].connection, slice = engine->connections[id].handed;
        bool kept = stream->step.flags & FAB_STEP_LOCAL_SEND;
        if (kept || !fab_engine_is_remote(engine, stream, &stream->step.send[i])) {
            consider(&cause, *fab_engine_slot(engine, id, slice), *fab_trail_slot(trail, id, slice), FAB_TRAIL_ROOM);
            continue;
        }
        FabTrailMark freed = *fab_trail_given(trail, id, slice);
        if (freed.who >= engine->stream_count && freed.who != FAB_TRAIL_NOTHING)
            consider(&cause, fab_trail_end_of(trail, freed), freed, FAB_TRAIL_ROOM);
    }
    fab_trail_begin(trail, number, engine->now, cause.mark, cause.wait);
}

void
fab_engine_note_posted(FabEngine *engine, const FabStreamRun *stream)
{
    FabTrail *trail = engine->spec->trail;
    FabTrailMark mark = fab_trail_last(trail, (uint32_t)(stream - engine->streams));
    const FabStep *step = &stream->step;

    fab_trail_end(trail, mark, engine->now);
    if (fab_trail_is_full(trail))
        return;
    for (uint32_t i = 0; i < step->send_count; i++) {
        uint32_t id = step->send[i].connection, slice = engine->connections[id].handed;
        bool kept = step->flags & FAB_STEP_LOCAL_SEND;
        if (!kept && fab_engine_is_remote(engine, stream, &step->send[i]))
            *fab_trail_given(trail, id, slice) = mark;
        else
            *fab_trail_slot(trail, id, slice) = mark;
    }
    for (uint32_t i = 0; i < step->recv_count; i++) {
        uint32_t id = step->recv[i].connection;
        *fab_trail_slot(trail, id, engine->connections[id].taken) = mark;
    }
}

/* A message waits for its slices, for the one before it, and for room at its receiver. */
void
fab_engine_note_message(FabEngine *engine, uint32_t id)
{
    FabTrail *trail = engine->spec->trail;
    const FabConnection *connection = &engine->connections[id];
    Cause cause = own_cause(trail, engine->stream_count + id);
    FabTrailMark given, freed;

    if (fab_trail_is_full(trail))
        return;
    given = *fab_trail_given(trail, id, connection->posted);
    freed = *fab_trail_slot(trail, id, connection->posted);
    consider(&cause, fab_trail_end_of(trail, given), given, FAB_TRAIL_PROXY);
    if (freed.who < engine->stream_count)
        consider(&cause, fab_trail_end_of(trail, freed), freed, FAB_TRAIL_PROXY);
    fab_trail_begin(trail, engine->stream_count + id, engine->now, cause.mark, FAB_TRAIL_PROXY);
}

void
fab_engine_note_arrival(FabEngine *engine, uint32_t id)
{
    FabTrail *trail = engine->spec->trail;
    const FabConnection *connection = &engine->connections[id];
    FabTrailMark mark = fab_trail_last(trail, engine->stream_count + id);

    fab_trail_end(trail, mark, engine->now);
    if (fab_trail_is_full(trail))
        return;
    for (uint32_t i = 0; i < connection->batch; i++)
        *fab_trail_slot(trail, id, connection->posted + i) = *fab_trail_given(trail, id, connection->posted + i) = mark;
}

/* Slice `slice` of all heads is added up: the last of them counts, or the last that made room. */
void
fab_engine_note_sum(FabEngine *engine, uint32_t number, uint32_t slice)
{
    FabTrail *trail = engine->spec->trail;
    const FabReduction *reduction = &g_array_index(engine->reductions, FabReduction, number);
    Cause cause = no_cause;

    if (fab_trail_is_full(trail))
        return;
    for (uint32_t i = 0; i < reduction->count; i++) {
        uint32_t up = reduction->ups[i].connection, down = reduction->downs[i].connection;
        consider(&cause, *fab_engine_slot(engine, up, slice), *fab_trail_slot(trail, up, slice), FAB_TRAIL_DATA);
        consider(&cause, *fab_engine_slot(engine, down, slice), *fab_trail_slot(trail, down, slice), FAB_TRAIL_ROOM);
    }
    fab_trail_begin(trail, first_sum(engine) + number, engine->now, cause.mark, cause.wait);
}

void
fab_engine_note_summed(FabEngine *engine, uint32_t number, uint32_t slice)
{
    FabTrail *trail = engine->spec->trail;
    const FabReduction *reduction = &g_array_index(engine->reductions, FabReduction, number);
    FabTrailMark mark = { first_sum(engine) + number, slice };

    if (fab_trail_is_full(trail))
        return;
    fab_trail_end(trail, mark, engine->now);
    for (uint32_t i = 0; i < reduction->count; i++) {
        *fab_trail_slot(trail, reduction->ups[i].connection, slice) = mark;
        *fab_trail_slot(trail, reduction->downs[i].connection, slice) = mark;
    }
}

/* The bytes of a flow with this tag have gone. */
void
fab_engine_note_moved(FabEngine *engine, uint32_t tag, uint32_t flow)
{
    FabTrail *trail = engine->spec->trail;
    uint32_t binding = fab_flow_bottleneck(engine->flows, flow), sum;

    if (tag < first_sum(engine)) {
        fab_trail_moved(trail, fab_trail_last(trail, tag), engine->now, binding);
        return;
    }
    sum = tag - first_sum(engine) - engine->spec->change_count;
    fab_trail_moved(trail, (FabTrailMark) { first_sum(engine) + sum,
                                            g_array_index(engine->reductions, FabReduction, sum).ended },
                    engine->now, binding);
}
