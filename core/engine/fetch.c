/*
 * What an event will touch lies anywhere in hundreds of megabytes. Events that are pending for an instant come before
 * all that are added to it while they are handled, so that many can be taken from the queue at once and their memory
 * asked for beforehand: what they name, then what that names, and so on.
 */
#include "base/large.h"
#include "engine/engine-private.h"

/* How many events ahead each stage is. */
enum { FIRST = 16, SECOND = 12, THIRD = 8, FOURTH = 4 };

static void
fetch_stream(const FabEngine *engine, uint32_t number)
{
    fab_fetch(&engine->streams[number], sizeof *engine->streams);
}

static void
fetch_connections(const FabEngine *engine, uint32_t number)
{
    const FabStep *step = &engine->streams[number].step;

    for (uint32_t i = 0; i < MIN(step->recv_count, FAB_STEP_ENDS); i++)
        fab_fetch(&engine->connections[step->recv[i].connection], sizeof *engine->connections);
    for (uint32_t i = 0; i < MIN(step->send_count, FAB_STEP_ENDS); i++)
        fab_fetch(&engine->connections[step->send[i].connection], sizeof *engine->connections);
}

static void
fetch_first(const FabEngine *engine, uint32_t event)
{
    if (event & FAB_ENGINE_FLOW_MARK)
        fab_flow_fetch(engine->flows, event & ~FAB_ENGINE_FLOW_MARK);
    else if (event < engine->stream_count)
        fetch_stream(engine, event);
    else if (event - engine->stream_count < engine->program->connections)
        fab_fetch(&engine->connections[event - engine->stream_count], sizeof *engine->connections);
}

static void
fetch_second(const FabEngine *engine, uint32_t event)
{
    if (event & FAB_ENGINE_FLOW_MARK)
        fab_flow_fetch_route(engine->flows, event & ~FAB_ENGINE_FLOW_MARK);
    else if (event < engine->stream_count)
        fetch_connections(engine, event);
}

static void
fetch_third(const FabEngine *engine, uint32_t event)
{
    uint32_t tag;

    if (!(event & FAB_ENGINE_FLOW_MARK))
        return;
    fab_flow_fetch_uses(engine->flows, event & ~FAB_ENGINE_FLOW_MARK);
    tag = fab_flow_first_tag(engine->flows, event & ~FAB_ENGINE_FLOW_MARK);
    if (tag < engine->stream_count)
        fetch_stream(engine, tag);
}

static void
fetch_fourth(const FabEngine *engine, uint32_t event)
{
    uint32_t tag;

    if (!(event & FAB_ENGINE_FLOW_MARK))
        return;
    tag = fab_flow_first_tag(engine->flows, event & ~FAB_ENGINE_FLOW_MARK);
    if (tag < engine->stream_count)
        fetch_connections(engine, tag);
}

void
fab_engine_fetch(const FabEngine *engine, const uint32_t *events, uint32_t count, uint32_t next)
{
    uint32_t from = next == 0 ? 0 : FIRST;

    for (uint32_t i = from; i <= FIRST && next + i < count; i++)
        fetch_first(engine, events[next + i]);
    for (uint32_t i = MIN(from, SECOND); i <= SECOND && next + i < count; i++)
        fetch_second(engine, events[next + i]);
    for (uint32_t i = MIN(from, THIRD); i <= THIRD && next + i < count; i++)
        fetch_third(engine, events[next + i]);
    for (uint32_t i = MIN(from, FOURTH); i <= FOURTH && next + i < count; i++)
        fetch_fourth(engine, events[next + i]);
}

/* Events in order are asked for once in each stage. */
static void
fetch_in_order(FabEngine *engine, const uint32_t *events, uint32_t count, uint64_t number)
{
    static void (*const stages[])(const FabEngine *, uint32_t) = { fetch_first, fetch_second, fetch_third,
                                                                   fetch_fourth };
    static const uint32_t ahead[] = { FIRST, SECOND, THIRD, FOURTH };

    for (size_t stage = 0; stage < G_N_ELEMENTS(stages); stage++) {
        uint64_t next = MAX(engine->fetched[stage], number), end = number + MIN(ahead[stage] + 1, count);
        for (; next < end; next++)
            stages[stage](engine, events[next - number]);
        engine->fetched[stage] = next;
    }
}

void
fab_engine_fetch_soon(FabEngine *engine)
{
    enum { SOON = FIRST + 1, HEAP = 13, NEXT = 5 };
    uint64_t number;
    uint32_t events[SOON], count = fab_queue_soon(engine->queue, events, SOON, &number);

    if (number > 0) {
        fetch_in_order(engine, events, count, number);
        return;
    }
    for (uint32_t i = 1; i < MIN(count, HEAP); i++) { /* the nearer the sooner */
        if (i >= NEXT) {
            fetch_first(engine, events[i]);
            continue;
        }
        fetch_second(engine, events[i]);
        fetch_third(engine, events[i]);
    }
}
