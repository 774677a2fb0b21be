#include "engine/engine-private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/large.h"
#include "base/units.h"

/* Events of an instant that are taken from the queue at once. */
enum { BATCH = 64 };

/* Streams that fit into a cache beside the rest are at hand without being asked for. */
#define NEAR_BYTES (UINT64_C(4) << 20)

/* ------------------------------------------------------------------ set-up */

static void
engine_clear(FabEngine *engine)
{
    fab_flow_set_free(engine->flows);
    fab_queue_free(engine->queue);
    fab_large_free(engine->streams);
    fab_large_free(engine->connections);
    fab_large_free(engine->slots);
    if (engine->parts != NULL)
        g_ptr_array_unref(engine->parts);
    fab_engine_repeat_clear(engine);
    g_free(engine->accesses);
    g_free(engine->proxy_free);
    g_free(engine->multicast);
    fab_engine_changes_clear(engine);
    g_free(engine->began);
    g_free(engine->ready);
    g_free(engine->ended);
}

static void
streams_init(FabEngine *engine)
{
    const FabProgram *program = engine->program;
    uint32_t number = 0;

    engine->stream_count = program->ranks * program->channels * program->roles;
    engine->streams = fab_large_new(engine->stream_count, sizeof *engine->streams);
    for (uint32_t rank = 0; rank < program->ranks; rank++) {
        for (uint32_t channel = 0; channel < program->channels; channel++) {
            for (uint32_t role = 0; role < program->roles; role++)
                engine->streams[number++].at = (FabStream) { .rank = rank, .channel = channel, .role = role };
        }
    }
    engine->running = engine->stream_count;
    engine->far = (uint64_t)engine->stream_count * sizeof *engine->streams > NEAR_BYTES;
}

static void
engine_init(FabEngine *engine, const FabEngineSpec *spec, FabEngineReport *report)
{
    const FabTopology *topology = spec->topology;
    g_autofree double *capacity = g_new(double, topology->resource_count);

    *engine = (FabEngine) { .spec = spec, .program = spec->program, .execution = &spec->execution, .report = report,
                           .router = spec->router };
    for (uint32_t i = 0; i < topology->resource_count; i++)
        capacity[i] = topology->resources[i].capacity;
    if (spec->shared.used) {
        capacity[topology->shared_memory] *= spec->shared.memory_scale;
        capacity[topology->shared_cache] *= spec->shared.cache_scale;
    }
    engine->queue = fab_queue_new();
    engine->flows = fab_flow_set_new(capacity, topology->resource_count, engine->queue, FAB_ENGINE_FLOW_MARK);
    fab_flow_set_network(engine->flows, topology);
    for (uint32_t role = 0; role < spec->program->roles; role++) {
        engine->send_rate[role] = spec->execution.send_rate * spec->program->role_share[role];
        engine->copy_rate[role] = spec->execution.copy_rate * spec->program->role_share[role];
    }
    engine->connections = fab_large_new(spec->program->connections, sizeof *engine->connections);
    for (uint32_t i = 0; i < spec->program->connections; i++)
        engine->connections[i].receiver = engine->connections[i].sender = FAB_ENGINE_NOBODY;
    engine->slots = fab_large_new((gsize)spec->program->connections * spec->program->slots, sizeof *engine->slots);
    engine->several = topology->node_count > 0;
    if (engine->several) {
        engine->proxy_free = g_new0(int64_t, spec->program->ranks);
        engine->parts = g_ptr_array_new_with_free_func(fab_large_free);
    }
    engine->multicast = g_new0(const FabRoute *, MAX(topology->node_count, 1));
    engine->began = g_new(int64_t, spec->program->ranks);
    engine->ready = g_new(int64_t, spec->program->ranks);
    engine->ended = g_new0(int64_t, spec->program->ranks);
    for (uint32_t rank = 0; rank < spec->program->ranks; rank++)
        engine->began[rank] = engine->ready[rank] = INT64_MAX;
    streams_init(engine);
    if (spec->trail != NULL)
        fab_trail_open(spec->trail, &(FabTrailShape) { engine->stream_count,
                                                       spec->program->channels * spec->program->roles,
                                                       spec->program->connections, spec->program->slots,
                                                       engine->several, spec->fold != NULL });
    fab_engine_changes_init(engine);
    fab_engine_repeat_init(engine);
}

/* ------------------------------------------------------------------ slices */

static inline uint32_t
stream_number(const FabEngine *engine, const FabStreamRun *stream)
{
    return (uint32_t)(stream - engine->streams);
}

static void
wait_at(FabEngine *engine, FabStreamRun *stream, FabStreamState state, uint32_t end, uint32_t *waiter, bool known,
        int64_t when)
{
    stream->state = state;
    stream->end = end;
    if (known)
        fab_queue_push(engine->queue, when, stream_number(engine, stream));
    else
        *waiter = stream_number(engine, stream);
}

/* False: some input has not arrived; the stream is woken when it has. */
static bool
inputs_ready(FabEngine *engine, FabStreamRun *stream)
{
    for (uint32_t i = stream->state == STREAM_INPUT ? stream->end : 0; i < stream->step.recv_count; i++) {
        uint32_t id = stream->step.recv[i].connection;
        FabConnection *connection = &engine->connections[id];
        bool posted = connection->posted != connection->taken;
        int64_t when = *fab_engine_slot(engine, id, connection->taken);
        if (posted && when <= engine->now)
            continue;
        wait_at(engine, stream, STREAM_INPUT, i, &connection->receiver, posted, when);
        return false;
    }
    return true;
}

static bool
outputs_ready(FabEngine *engine, FabStreamRun *stream)
{
    for (uint32_t i = stream->state == STREAM_OUTPUT ? stream->end : 0; i < stream->step.send_count; i++) {
        uint32_t id = stream->step.send[i].connection;
        FabConnection *connection = &engine->connections[id];
        bool kept = stream->step.flags & FAB_STEP_LOCAL_SEND;
        bool remote = !kept && fab_engine_is_remote(engine, stream, &stream->step.send[i]);
        uint32_t waiting = connection->handed - (remote ? connection->posted : connection->taken);
        bool freed = waiting < engine->program->slots;
        int64_t when = remote ? engine->now : *fab_engine_slot(engine, id, connection->handed);
        if (freed && when <= engine->now)
            continue;
        wait_at(engine, stream, STREAM_OUTPUT, i, &connection->sender, freed, when);
        return false;
    }
    return true;
}

/* How many times as long everything takes that the rank's own kernels do. */
static double
pace_of(const FabEngine *engine, const FabStreamRun *stream)
{
    return engine->pace != NULL ? engine->pace[stream->at.rank] : 1;
}

/* Time that the stream is busy with the slice beside moving its bytes. */
static int64_t
overhead(const FabEngine *engine, const FabStreamRun *stream)
{
    const FabExecution *execution = engine->execution;
    bool sends = stream->step.send_count > 0 && !(stream->step.flags & FAB_STEP_LOCAL_SEND);
    int64_t full = sends ? execution->step_ps : execution->local_ps;

    if (stream->step.flags & FAB_STEP_IN_SWITCH)
        full = execution->in_switch_ps;
    if (stream->bytes == 0)
        full = MIN(execution->empty_ps, full);
    return engine->pace != NULL ? (int64_t)((double)full * pace_of(engine, stream)) : full;
}

/* A rank's kernel is at work from its first slice on, or from the first that is on its way to it. */
static void
note_beginning(FabEngine *engine, const FabStreamRun *stream)
{
    const FabStep *step = &stream->step;

    if (stream->index > 0 || stream->slice > 0)
        return;
    engine->began[stream->at.rank] = MIN(engine->began[stream->at.rank], engine->now);
    engine->ready[stream->at.rank] = MIN(engine->ready[stream->at.rank], engine->now);
    for (uint32_t i = 0; i < step->send_count; i++) {
        uint32_t peer = step->send[i].peer % engine->program->ranks; /* where ranks are folded, that of its class */
        engine->began[peer] = MIN(engine->began[peer], engine->now);
    }
}

/*
 * What a channel reaches of the mean rate: 1 - spread to 1 + spread, evenly filled in the order of the golden section
 * so that any number of channels has the mean 1 nearly.
 */
static double
channel_share(const FabEngine *engine, const FabStreamRun *stream)
{
    double turn = stream->at.channel * 0.6180339887498949;

    return 1 + engine->execution->spread * (2 * (turn - floor(turn)) - 1) * (engine->program->channels > 1);
}

/* Starts the transfer of a slice whose inputs and outputs are ready. */
static void
slice_start(FabEngine *engine, FabStreamRun *stream)
{
    const FabExecution *execution = engine->execution;
    double share = channel_share(engine, stream) / pace_of(engine, stream);
    bool whole = stream->step.flags & FAB_STEP_WHOLE_CTA;
    double copy_rate = whole ? execution->copy_rate : engine->copy_rate[stream->at.role];
    double send_rate = whole ? execution->send_rate : engine->send_rate[stream->at.role];
    double rate = copy_rate * share, bytes = (double)stream->bytes;
    const FabRoute *route = stream->bytes > 0 ? fab_engine_step_route(engine, stream) : NULL;
    int64_t busy;

    engine->report->slices++;
    note_beginning(engine, stream);
    if (engine->spec->timeline != NULL)
        fab_timeline_begin(engine->spec->timeline, &stream->at, stream->index, &stream->step, stream->bytes,
                           engine->now);
    if (engine->spec->trail != NULL)
        fab_engine_note_slice(engine, stream);
    if (engine->spec->shared.used && stream->bytes > 0) {
        fab_engine_access(engine, stream);
        return;
    }
    if (execution->quantum > 1 && stream->bytes > 0)
        bytes = (double)((stream->bytes + execution->quantum - 1) / execution->quantum * execution->quantum);
    if (route != NULL) {
        bool in_switch = stream->step.flags & FAB_STEP_IN_SWITCH;
        double wire = in_switch ? 1 : execution->wire;
        double limit = in_switch ? INFINITY : send_rate * share * wire;
        stream->state = STREAM_MOVING;
        fab_flow_start(engine->flows, engine->now, route, bytes * wire, limit, stream_number(engine, stream));
        return;
    }
    if (execution->fused &&
        (stream->step.src == FAB_BUFFER_SCRATCH || stream->step.dst == FAB_BUFFER_SCRATCH)) {
        stream->state = STREAM_TAIL;
        fab_queue_push(engine->queue, engine->now, stream_number(engine, stream));
        return;
    }
    busy = stream->bytes > 0 && isfinite(rate)
               ? (int64_t)MIN(bytes / rate * 1e12 + 0.5, (double)FAB_FLOW_LONGEST_PS) : 0;
    engine->copy_ps += (double)busy;
    stream->state = STREAM_TAIL;
    if (engine->spec->trail != NULL)
        fab_trail_moved(engine->spec->trail, fab_trail_last(engine->spec->trail, stream_number(engine, stream)),
                        engine->now + busy, FAB_TRAIL_RATE);
    fab_queue_push(engine->queue, engine->now + busy + overhead(engine, stream), stream_number(engine, stream));
}

/* The workers have issued stores of the step's next slice when this one's fence is reached, which waits for them. */
static int64_t
fence_wait(const FabEngine *engine, const FabStreamRun *stream)
{
    uint64_t next = MIN(engine->program->slice_bytes, stream->step.bytes - stream->moved - stream->bytes);
    double rate = engine->send_rate[stream->at.role];

    if (engine->execution->in_flight == 0 || !isfinite(rate) || stream->step.flags & FAB_STEP_LOCAL_SEND)
        return 0;
    return (int64_t)((double)MIN(next, engine->execution->in_flight) / rate * 1e12);
}

/* Hands the slice to its receivers and its input slots back to their senders. */
static void
slice_post(FabEngine *engine, FabStreamRun *stream)
{
    const FabStep *step = &stream->step;
    int64_t wait = fence_wait(engine, stream);

    for (uint32_t i = 0; i < step->send_count; i++) {
        FabConnection *connection = &engine->connections[step->send[i].connection];
        int64_t when;
        bool kept = step->flags & FAB_STEP_LOCAL_SEND;
        if (!kept && fab_engine_is_remote(engine, stream, &step->send[i])) {
            fab_engine_hand_over(engine, stream, &step->send[i]);
            continue;
        }
        connection->handed++;
        when = engine->now + fab_engine_post_latency(engine, stream, &step->send[i]) + wait;
        *fab_engine_slot(engine, step->send[i].connection, connection->posted++) = when;
        if (kept && engine->several)
            fab_engine_reduction_given(engine, step->send[i].connection, stream->bytes, when);
        if (connection->receiver != FAB_ENGINE_NOBODY) {
            fab_queue_push(engine->queue, when, connection->receiver);
            connection->receiver = FAB_ENGINE_NOBODY;
        }
    }
    for (uint32_t i = 0; i < step->recv_count; i++) {
        FabConnection *connection = &engine->connections[step->recv[i].connection];
        int64_t when = engine->now + engine->execution->latency_ps;
        *fab_engine_slot(engine, step->recv[i].connection, connection->taken++) = when;
        if (engine->reduction != NULL && engine->reduction[step->recv[i].connection] != FAB_ENGINE_NOBODY) {
            fab_engine_reduction_taken(engine, step->recv[i].connection, when);
            continue;
        }
        if (fab_engine_is_remote(engine, stream, &step->recv[i])) {
            fab_engine_message_taken(engine, step->recv[i].connection);
            continue;
        }
        if (connection->sender != FAB_ENGINE_NOBODY) {
            fab_queue_push(engine->queue, when, connection->sender);
            connection->sender = FAB_ENGINE_NOBODY;
        }
    }
}

static bool
step_fetch(FabEngine *engine, FabStreamRun *stream)
{
    const FabProgram *program = engine->program;
    FabStep *step = &stream->step;
    uint64_t slices;

    fab_step_begin(step, 0);
    if (!program->step(program, &stream->at, stream->index, step)) {
        stream->state = STREAM_DONE;
        engine->running--;
        engine->finish = MAX(engine->finish, engine->now);
        engine->ended[stream->at.rank] = engine->now;
        return false;
    }
    slices = step->bytes <= program->slice_bytes ? 1 : (step->bytes + program->slice_bytes - 1) / program->slice_bytes;
    stream->slices = (uint32_t)slices;
    stream->slice = 0;
    stream->moved = 0;
    engine->report->steps++;
    return true;
}

/* Ends a slice and moves on to the next, or to the next step. */
static void
slice_end(FabEngine *engine, FabStreamRun *stream)
{
    if (engine->spec->timeline != NULL)
        fab_timeline_end(engine->spec->timeline, &stream->at, engine->now);
    if (engine->spec->trail != NULL)
        fab_engine_note_posted(engine, stream);
    slice_post(engine, stream);
    stream->moved += stream->bytes;
    stream->state = STREAM_NEXT;
    if (++stream->slice == stream->slices)
        stream->index++;
    else
        stream->bytes = MIN(engine->program->slice_bytes, stream->step.bytes - stream->moved);
}

/* Runs a stream until it has to wait for something. */
static void
stream_run(FabEngine *engine, FabStreamRun *stream)
{
    if (stream->state == STREAM_TAIL)
        slice_end(engine, stream);
    if (stream->state == STREAM_NEXT) {
        if (stream->slice == stream->slices) {
            do {
                if (!step_fetch(engine, stream))
                    return;
            } while (stream->step.flags & FAB_STEP_IN_NETWORK && fab_engine_is_reduction(engine, stream));
            if (engine->error != NULL)
                return;
            stream->bytes = MIN(engine->program->slice_bytes, stream->step.bytes);
        }
        stream->since = engine->now;
    }
    if (stream->state != STREAM_OUTPUT && !inputs_ready(engine, stream))
        return;
    if (!outputs_ready(engine, stream))
        return;
    engine->wait_ps += (double)(engine->now - stream->since);
    slice_start(engine, stream);
}

/* The bytes of a slice have gone over the fabric. */
void
fab_engine_slice_moved(FabEngine *engine, FabStreamRun *stream)
{
    int64_t busy = overhead(engine, stream);

    stream->state = STREAM_TAIL;
    if (busy > 0)
        fab_queue_push(engine->queue, engine->now + busy, stream_number(engine, stream));
    else
        stream_run(engine, stream);
}

/* ------------------------------------------------------------------ the loop */

static void
handle(FabEngine *engine, uint32_t data)
{
    uint32_t tag;

    engine->report->events++;
    if (!(data & FAB_ENGINE_FLOW_MARK) && data >= engine->stream_count + engine->program->connections) {
        fab_engine_other_event(engine, data - engine->stream_count - engine->program->connections);
        return;
    }
    if (!(data & FAB_ENGINE_FLOW_MARK) && data >= engine->stream_count) {
        fab_engine_message_start(engine, data - engine->stream_count);
        return;
    }
    if (!(data & FAB_ENGINE_FLOW_MARK)) {
        stream_run(engine, &engine->streams[data]);
        return;
    }
    if (!fab_flow_complete(engine->flows, engine->now, data & ~FAB_ENGINE_FLOW_MARK))
        return;
    while (fab_flow_take_tag(engine->flows, &tag)) {
        if (engine->spec->trail != NULL)
            fab_engine_note_moved(engine, tag, data & ~FAB_ENGINE_FLOW_MARK);
        if (tag < engine->stream_count)
            fab_engine_slice_moved(engine, &engine->streams[tag]);
        else
            fab_engine_other_sent(engine, tag - engine->stream_count);
    }
}

/*
 * A check looks at every resource and flow: small machines have one each instant, larger ones every few, so that it
 * takes a few times as long as the instants themselves and not hundreds.
 */
static void
check_instant(FabEngine *engine)
{
#ifdef FAB_INVARIANTS
    enum { EACH_INSTANT = 512 };
    uint64_t all = (uint64_t)engine->spec->topology->resource_count + engine->stream_count;

    if (engine->error == NULL && engine->instants++ % (all / EACH_INSTANT + 1) == 0)
        fab_flow_check(engine->flows, &engine->error);
#else
    (void)engine;
#endif
}

/* Events that are added to the instant meanwhile come after those that are pending. */
static void
handle_instant(FabEngine *engine)
{
    uint32_t batch[BATCH], count;

    while (!engine->far && fab_queue_pop_at(engine->queue, engine->now, batch))
        handle(engine, batch[0]);
    do {
        for (count = 0; count < BATCH && fab_queue_pop_at(engine->queue, engine->now, &batch[count]);)
            count++;
        for (uint32_t i = 0; i < count; i++) {
            fab_engine_fetch(engine, batch, count, i);
            handle(engine, batch[i]);
        }
    } while (count > 0);
}

/* Time moves in one place. Rates are solved once an instant, after all its events. */
static void
loop(FabEngine *engine)
{
    int64_t when;

    while (engine->error == NULL && fab_queue_peek(engine->queue, &when)) {
        g_assert(when >= engine->now);
        if (when >= FAB_FLOW_LONGEST_PS && engine->running > 0) {
            fab_flow_too_long(engine->program->name, &engine->error);
            break;
        }
        engine->now = when;
        if (fab_engine_has_too_many(engine))
            break;
        if (engine->far)
            fab_engine_fetch_soon(engine);
        handle_instant(engine);
        fab_flow_share(engine->flows, engine->now);
        check_instant(engine);
        if (engine->repeat != NULL && engine->streams[engine->repeat->watched].index != engine->repeat->index)
            fab_engine_repeat_look(engine);
    }
}

static void
start(FabEngine *engine)
{
    for (uint32_t i = 0; i < engine->stream_count; i++) {
        int64_t when = engine->streams[i].at.channel * engine->execution->stagger_ps;
        if (engine->spec->late_ps != NULL)
            when += engine->spec->late_ps[engine->streams[i].at.rank];
        if (when > 0)
            fab_queue_push(engine->queue, when, i);
        else
            stream_run(engine, &engine->streams[i]);
    }
}

bool
fab_engine_run(const FabEngineSpec *spec, FabEngineReport *report, GError **error)
{
    FabEngine engine;

    g_return_val_if_fail(spec->program->roles <= FAB_PROGRAM_ROLES, false);
    *report = (FabEngineReport) { 0 };
    engine_init(&engine, spec, report);
    start(&engine);
    fab_flow_share(engine.flows, 0);
    check_instant(&engine);
    loop(&engine);
    if (engine.error == NULL && engine.running > 0)
        fab_engine_set_deadlock(&engine);
    if (engine.error == NULL)
        fab_engine_check_end(&engine);
    if (engine.error == NULL)
        fab_engine_fill_report(&engine);
    engine_clear(&engine);
    if (engine.error != NULL) {
        g_propagate_error(error, engine.error);
        return false;
    }
    return true;
}

void
fab_engine_report_clear(FabEngineReport *report)
{
    g_clear_pointer(&report->carried, g_free);
    g_clear_pointer(&report->bound, g_free);
}
