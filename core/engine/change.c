/* What changes of the machine during a run: capacities, the pace of ranks, the ways that data takes. */
#include "engine/engine-private.h"

#include <math.h>

/* A transfer that has to start again on another way. */
typedef struct {
    uint32_t tag;
    double bytes, limit;
} Waiting;

void
fab_engine_changes_clear(FabEngine *engine)
{
    g_free(engine->pace);
    g_free(engine->ends);
    g_clear_pointer(&engine->reductions, g_array_unref);
    g_free(engine->reduction);
}

/* Every connection that has ways gets new ones. */
static void
find_ways(FabEngine *engine)
{
    uint32_t nodes = MAX(engine->spec->topology->node_count, 1);

    for (uint32_t i = 0; i < engine->program->connections && engine->error == NULL; i++) {
        FabConnection *connection = &engine->connections[i];
        const FabConnectionEnds *ends = &engine->ends[i];
        if (connection->push != NULL)
            connection->push =
                fab_router_push_flow(engine->router, ends->from, ends->to, ends->channel, &engine->error);
        if (connection->pull != NULL && engine->error == NULL)
            connection->pull = fab_router_pull(engine->router, ends->from, ends->to, &engine->error);
    }
    for (uint32_t i = 0; i < nodes; i++)
        engine->multicast[i] = NULL;
    for (guint i = 0; engine->reductions != NULL && i < engine->reductions->len && engine->error == NULL; i++)
        fab_engine_reduction_find_way(engine, &g_array_index(engine->reductions, FabReduction, i));
}

static void
start_again(FabEngine *engine, const Waiting *waiting)
{
    uint32_t others = engine->stream_count + engine->program->connections;
    const FabRoute *route;

    if (waiting->tag >= engine->stream_count) {
        if (waiting->tag >= others)
            route = g_array_index(engine->reductions, FabReduction, waiting->tag - others - engine->spec->change_count)
                        .route;
        else
            route = engine->connections[waiting->tag - engine->stream_count].push;
        fab_flow_start(engine->flows, engine->now, route, waiting->bytes, waiting->limit, waiting->tag);
        return;
    }
    route = fab_engine_step_route(engine, &engine->streams[waiting->tag]);
    if (route != NULL)
        fab_flow_start(engine->flows, engine->now, route, waiting->bytes, waiting->limit, waiting->tag);
    else if (engine->error == NULL)
        fab_engine_slice_moved(engine, &engine->streams[waiting->tag]);
}

/* What had gone before the fault need not go again. */
static void
change_ways(FabEngine *engine, FabRouter *router)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(Waiting));
    Waiting waiting;

    engine->router = router;
    find_ways(engine);
    while (fab_flow_take_waiting(engine->flows, engine->now, &waiting.bytes, &waiting.limit)) {
        waiting.bytes = fmax(waiting.bytes, 1e-3); /* a flow has bytes; of what had just ended nothing is left */
        while (fab_flow_take_tag(engine->flows, &waiting.tag))
            g_array_append_val(all, waiting);
    }
    for (guint i = 0; i < all->len && engine->error == NULL; i++)
        start_again(engine, &g_array_index(all, Waiting, i));
}

void
fab_engine_change(FabEngine *engine, uint32_t number)
{
    const FabEngineChange *change = &engine->spec->changes[number];

    switch (change->kind) {
    case FAB_CHANGE_CAPACITY:
        fab_flow_set_capacity(engine->flows, change->number, change->value);
        return;
    case FAB_CHANGE_PACE:
        engine->pace[change->number] = change->value;
        return;
    case FAB_CHANGE_WAYS:
        change_ways(engine, change->router);
        return;
    }
}

void
fab_engine_changes_init(FabEngine *engine)
{
    const FabEngineSpec *spec = engine->spec;
    uint32_t ranks = spec->program->ranks;
    bool paces = spec->pace != NULL, ways = false;

    for (uint32_t i = 0; i < spec->change_count; i++) {
        paces = paces || spec->changes[i].kind == FAB_CHANGE_PACE;
        ways = ways || spec->changes[i].kind == FAB_CHANGE_WAYS;
    }
    if (ways)
        engine->ends = g_new0(FabConnectionEnds, spec->program->connections);
    if (paces)
        engine->pace = g_new(double, ranks);
    for (uint32_t i = 0; i < ranks && paces; i++)
        engine->pace[i] = spec->pace != NULL ? spec->pace[i] : 1;
    /* Those of the first instant come before anything starts, the others before all else of their instants. */
    for (uint32_t i = 0; i < spec->change_count; i++) {
        if (spec->changes[i].when_ps <= 0)
            fab_engine_change(engine, i);
        else
            fab_queue_push(engine->queue, spec->changes[i].when_ps,
                           engine->stream_count + spec->program->connections + i);
    }
}
