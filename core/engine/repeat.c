/*
 * Long runs of steps that are alike soon repeat themselves: after some steps everything is as it was, but later.
 * Nothing else decides what happens next, so it happens again and again, and the steps that are left can be taken at
 * once.
 *
 * Everything is: streams, connections, slots, proxies, transfers, and the events to come, all times as seen from now.
 * States are compared by digests of 64 bits, which leave out the last digits of rates and, in one instant, the order of
 * events of different ranks; so a state has to come back twice. One state is kept, that of the 8th, 16th, 32nd ...
 * look (Brent's way to find a cycle), and a few streams and connections are compared before all are.
 */
#include "engine/engine-private.h"

#include <string.h>

#include "base/error.h"
#include "base/large.h"
#include "engine/digest.h"

enum {
    LEAST_STEPS = 256, /* alike; shorter runs are over before they repeat themselves */
    TRIED = 64,        /* streams that are asked for such a run */
    FIRST_KEPT = 8,    /* look; before it hardly anything is in step */
    SAMPLES = 64       /* streams that are compared first */
};

void
fab_engine_repeat_clear(FabEngine *engine)
{
    FabRepeat *repeat = engine->repeat;

    if (repeat == NULL)
        return;
    fab_large_free(repeat->indexes);
    fab_large_free(repeat->posted);
    fab_large_free(repeat->ranks);
    fab_large_free(repeat->flows.carried);
    g_free(repeat);
    engine->repeat = NULL;
}

static void
begin_anew(FabRepeat *repeat)
{
    repeat->looks = 0;
    repeat->keep_at = FIRST_KEPT;
    repeat->again_at = 0;
    repeat->kept = false;
}

/*
 * What changes during a run, or is added up by the network, would have to be part of the state; a timeline wants every
 * slice; what a lossless network pauses was not compared with every slice.
 */
void
fab_engine_repeat_init(FabEngine *engine)
{
    const FabEngineSpec *spec = engine->spec;
    const FabProgram *program = engine->program;

    if (spec->every || spec->shared.used || spec->change_count > 0 || spec->timeline != NULL ||
        spec->topology->network.lossless || program->alike == NULL)
        return;
    for (uint32_t i = 0; i < MIN(engine->stream_count, TRIED); i++) {
        if (program->alike(program, &engine->streams[i].at, 1) < LEAST_STEPS)
            continue;
        engine->repeat = g_new0(FabRepeat, 1);
        engine->repeat->watched = i;
        engine->repeat->indexes = fab_large_new(engine->stream_count, sizeof *engine->repeat->indexes);
        engine->repeat->posted = fab_large_new(program->connections, sizeof *engine->repeat->posted);
        engine->repeat->ranks = fab_large_new(program->ranks, sizeof *engine->repeat->ranks);
        begin_anew(engine->repeat);
        return;
    }
}

/* ------------------------------------------------------------------ the state */

static uint64_t
stream_digest(const FabEngine *engine, uint32_t number)
{
    const FabStreamRun *stream = &engine->streams[number];
    bool waits = stream->state == STREAM_INPUT || stream->state == STREAM_OUTPUT;
    uint64_t digest = fab_digest_add(number, (uint64_t)stream->state << 32 | stream->end);

    if (stream->state == STREAM_DONE)
        return digest;
    digest = fab_digest_add(digest, (uint64_t)stream->slice << 32 | stream->slices);
    digest = fab_digest_add(digest, stream->moved);
    digest = fab_digest_add(digest, stream->bytes);
    return waits ? fab_digest_add(digest, (uint64_t)(engine->now - stream->since)) : digest;
}

/* Past times are all the same: they are only compared with now. */
static uint64_t
time_left(const FabEngine *engine, int64_t when)
{
    return when > engine->now ? (uint64_t)(when - engine->now) : 0;
}

static uint64_t
connection_digest(const FabEngine *engine, uint32_t id)
{
    const FabConnection *connection = &engine->connections[id];
    uint32_t slots = engine->program->slots, first = connection->taken;
    uint32_t on_way = connection->handed - connection->posted;
    const int64_t *times = &engine->slots[(gsize)id * slots];
    uint64_t digest = fab_digest_add(connection->receiver, connection->sender);

    digest = fab_digest_add(digest, (uint64_t)on_way << 32 | (connection->remote ? connection->ready - first : 0));
    digest = fab_digest_add(digest, (uint64_t)(connection->posted - connection->taken) << 32 | connection->batch);
    digest = fab_digest_add(digest, connection->sending * 2u + connection->full);
    for (uint32_t i = 0; i < slots; i++)
        digest = fab_digest_add(digest, time_left(engine, times[(first + i) % slots]));
    for (uint32_t i = 0; i < on_way && connection->parts != NULL; i++) {
        const FabMessagePart *part = &connection->parts[(connection->posted + i) % slots];
        digest = fab_digest_add(digest, part->bytes << 1 | part->ends);
        digest = fab_digest_add(digest, time_left(engine, part->seen));
    }
    return digest;
}

static uint64_t
sample_digest(const FabEngine *engine)
{
    uint64_t digest = 0;

    for (uint32_t i = 0; i < MIN(engine->stream_count, SAMPLES); i++)
        digest = fab_digest_add(digest, stream_digest(engine, i * 2654435761u % engine->stream_count));
    for (uint32_t i = 0; i < MIN(engine->program->connections, SAMPLES); i++)
        digest = fab_digest_add(digest, connection_digest(engine, i * 2654435761u % engine->program->connections));
    return digest;
}

/* Whose event it is. */
static uint32_t
rank_of(const FabEngine *engine, uint32_t data)
{
    data &= ~FAB_ENGINE_FLOW_MARK;
    return data < engine->stream_count ? engine->streams[data].at.rank
                                       : engine->connections[data - engine->stream_count].rank;
}

/*
 * Events of flows that were overtaken do nothing; the others stand for whom the flow is. In one instant the order
 * counts among the events of a rank, which share its proxy.
 */
static uint64_t
events_digest(FabEngine *engine)
{
    uint64_t *ranks = engine->repeat->ranks, digest = 0;
    size_t count;
    g_autofree FabQueueEvent *events = fab_queue_events(engine->queue, &count);

    memset(ranks, 0, engine->program->ranks * sizeof *ranks);
    for (size_t i = 0; i < count; i++) {
        uint32_t data = events[i].data, flow = data & ~FAB_ENGINE_FLOW_MARK, rank;
        if (data & FAB_ENGINE_FLOW_MARK) {
            if (!fab_flow_is_planned(engine->flows, flow, events[i].when))
                continue;
            data = FAB_ENGINE_FLOW_MARK | fab_flow_first_tag(engine->flows, flow);
        }
        rank = rank_of(engine, data);
        ranks[rank] = fab_digest_add(ranks[rank], (uint64_t)(events[i].when - engine->now));
        ranks[rank] = fab_digest_add(ranks[rank], data);
    }
    for (uint32_t i = 0; i < engine->program->ranks; i++)
        digest = fab_digest_add(digest, ranks[i]);
    return digest;
}

static uint64_t
state_digest(FabEngine *engine)
{
    uint64_t digest = fab_flow_digest(engine->flows, engine->now);

    for (uint32_t i = 0; i < engine->stream_count; i++)
        digest = fab_digest_add(digest, stream_digest(engine, i));
    for (uint32_t i = 0; i < engine->program->connections; i++)
        digest = fab_digest_add(digest, connection_digest(engine, i));
    for (uint32_t i = 0; engine->proxy_free != NULL && i < engine->program->ranks; i++)
        digest = fab_digest_add(digest, time_left(engine, engine->proxy_free[i]));
    return fab_digest_add(digest, events_digest(engine));
}

static void
keep(FabEngine *engine, uint64_t sample)
{
    FabRepeat *repeat = engine->repeat;

    repeat->kept = true;
    repeat->keep_at *= 2;
    repeat->when = engine->now;
    repeat->sample = sample;
    repeat->digest = state_digest(engine);
    for (uint32_t i = 0; i < engine->stream_count; i++)
        repeat->indexes[i] = engine->streams[i].index;
    for (uint32_t i = 0; i < engine->program->connections; i++)
        repeat->posted[i] = engine->connections[i].posted;
    repeat->steps = engine->report->steps;
    repeat->slices = engine->report->slices;
    repeat->events = engine->report->events;
    repeat->copy_ps = engine->copy_ps;
    repeat->wait_ps = engine->wait_ps;
    fab_flow_keep_sums(engine->flows, &repeat->flows);
    if (engine->spec->trail != NULL)
        fab_trail_keep(engine->spec->trail);
}

/* ------------------------------------------------------------------ the leap */

/* How many times what was done since the kept state can be done again with steps that are alike. */
static uint64_t
times_left(const FabEngine *engine)
{
    const FabRepeat *repeat = engine->repeat;
    const FabProgram *program = engine->program;
    uint64_t times;

    if (engine->now <= repeat->when)
        return 0;
    times = (uint64_t)(FAB_FLOW_LONGEST_PS - engine->now) / (uint64_t)(engine->now - repeat->when);
    for (uint32_t i = 0; i < engine->stream_count && times > 0; i++) {
        const FabStreamRun *stream = &engine->streams[i];
        uint64_t done = stream->index - repeat->indexes[i], end;
        if (done == 0)
            continue;
        end = program->alike(program, &stream->at, repeat->indexes[i]);
        times = end > stream->index ? MIN(times, (end - 1 - stream->index) / done) : 0;
    }
    for (uint32_t i = 0; i < program->connections && times > 0; i++) {
        uint32_t posted = engine->connections[i].posted, done = posted - repeat->posted[i];
        if (done > 0)
            times = MIN(times, (UINT32_MAX / 2 - posted) / done);
    }
    return times;
}

/* Slices keep their places among those that are there, which have other numbers now. */
static void
turn_slots(const FabEngine *engine, uint32_t id, uint32_t by, int64_t later)
{
    uint32_t slots = engine->program->slots;
    int64_t *times = &engine->slots[(gsize)id * slots];
    FabMessagePart *parts = engine->connections[id].parts;
    g_autofree int64_t *old = g_memdup2(times, slots * sizeof *old);
    g_autofree FabMessagePart *old_parts = parts != NULL ? g_memdup2(parts, slots * sizeof *parts) : NULL;

    for (uint32_t i = 0; i < slots; i++) {
        times[(i + by) % slots] = old[i] + later;
        if (parts != NULL)
            parts[(i + by) % slots] = (FabMessagePart) { old_parts[i].bytes, old_parts[i].seen + later,
                                                         old_parts[i].ends };
    }
}

static void
leap(FabEngine *engine, uint64_t times)
{
    const FabRepeat *repeat = engine->repeat;
    FabEngineReport *report = engine->report;
    int64_t later = (engine->now - repeat->when) * (int64_t)times;

    if (engine->spec->trail != NULL)
        fab_trail_leap(engine->spec->trail, times, later);
    for (uint32_t i = 0; i < engine->stream_count; i++) {
        engine->streams[i].index += (engine->streams[i].index - repeat->indexes[i]) * times;
        engine->streams[i].since += later;
    }
    for (uint32_t i = 0; i < engine->program->connections; i++) {
        FabConnection *connection = &engine->connections[i];
        uint32_t done = (connection->posted - repeat->posted[i]) * (uint32_t)times;
        connection->handed += done;
        connection->ready += done;
        connection->posted += done;
        connection->taken += done;
        turn_slots(engine, i, done, later);
        if (engine->spec->trail != NULL)
            fab_trail_turn(engine->spec->trail, i, done);
    }
    for (uint32_t i = 0; engine->proxy_free != NULL && i < engine->program->ranks; i++)
        engine->proxy_free[i] += later;
    fab_flow_repeat(engine->flows, &repeat->flows, times, later);
    fab_queue_put_off(engine->queue, later);
    report->repeated += (report->slices - repeat->slices) * times;
    report->steps += (report->steps - repeat->steps) * times;
    report->slices += (report->slices - repeat->slices) * times;
    report->events += (report->events - repeat->events) * times;
    engine->copy_ps += (engine->copy_ps - repeat->copy_ps) * (double)times;
    engine->wait_ps += (engine->wait_ps - repeat->wait_ps) * (double)times;
    engine->now += later;
}

/* Whether everything is as in the state that is kept; a few streams tell mostly that it is not. */
static bool
is_as_before(FabEngine *engine, uint64_t sample)
{
    const FabRepeat *repeat = engine->repeat;

    return repeat->kept && sample == repeat->sample && state_digest(engine) == repeat->digest;
}

/* Once might be chance, as what is of the order of events and of rates beyond the digest might differ. */
static void
look_closely(FabEngine *engine, uint64_t sample)
{
    FabRepeat *repeat = engine->repeat;
    bool same = (repeat->again_at == 0 || repeat->looks == repeat->again_at) && is_as_before(engine, sample);

    if (repeat->again_at == 0 && same) {
        repeat->again_at = 2 * repeat->looks - repeat->keep_at / 2;
    } else if (repeat->looks == repeat->again_at) {
        uint64_t times = same ? times_left(engine) : 0;
        if (times > 0)
            leap(engine, times);
        begin_anew(repeat);
    } else if (repeat->again_at == 0 && repeat->looks == repeat->keep_at) {
        keep(engine, sample);
    }
}

void
fab_engine_repeat_look(FabEngine *engine)
{
    FabRepeat *repeat = engine->repeat;

    if (engine->reductions != NULL) {
        fab_engine_repeat_clear(engine);
        return;
    }
    repeat->looks++;
    look_closely(engine, sample_digest(engine));
    repeat->index = engine->streams[repeat->watched].index;
}

bool
fab_engine_has_too_many(FabEngine *engine)
{
    double most = engine->spec->most_slices, slices = (double)(engine->report->slices - engine->report->repeated);

    if (most <= 0 || slices <= most)
        return false;
    g_set_error(&engine->error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: %.0g slices were simulated and the ranks do not repeat what they did before, so that it would "
                "take hours; take smaller sizes, or larger chunk and slice", engine->program->name, most);
    return true;
}
