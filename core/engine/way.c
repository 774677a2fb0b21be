/* The ways that slices take: what a step's transfer uses, and how long after it the other end sees it. */
#include "engine/engine-private.h"

#include "base/error.h"

enum { UNION_ENDS = 2 * FAB_STEP_ENDS };

static const FabRoute *
push_route(FabEngine *engine, const FabStreamRun *stream, const FabEnd *end)
{
    FabConnection *connection = &engine->connections[end->connection];
    const uint32_t *gpus = engine->spec->gpus;

    if (connection->push != NULL && engine->ends == NULL)
        return connection->push;
    fab_engine_note_ends(engine, end->connection, gpus[stream->at.rank], gpus[end->peer], stream->at.channel);
    if (connection->push == NULL && engine->error == NULL)
        connection->push = fab_engine_folded(
            engine, fab_router_push_flow(engine->router, gpus[stream->at.rank], gpus[end->peer], stream->at.channel,
                                         &engine->error));
    return connection->push;
}

static const FabRoute *
pull_route(FabEngine *engine, const FabStreamRun *stream, const FabEnd *end)
{
    FabConnection *connection = &engine->connections[end->connection];
    const uint32_t *gpus = engine->spec->gpus;

    if (connection->pull != NULL && engine->ends == NULL)
        return connection->pull;
    fab_engine_note_ends(engine, end->connection, gpus[end->peer], gpus[stream->at.rank], stream->at.channel);
    if (connection->pull == NULL && engine->error == NULL)
        connection->pull = fab_engine_folded(
            engine, fab_router_pull(engine->router, gpus[end->peer], gpus[stream->at.rank], &engine->error));
    return connection->pull;
}

/* Everything that this step's transfer uses; NULL when it stays in this GPU's memory or after an error. */
const FabRoute *
fab_engine_step_route(FabEngine *engine, const FabStreamRun *stream)
{
    const FabStep *step = &stream->step;
    const FabRoute *routes[UNION_ENDS];
    uint32_t count = 0;

    if (step->flags & FAB_STEP_IN_SWITCH)
        return fab_engine_multicast(engine, stream);
    if (step->recv_count + step->send_count > UNION_ENDS) {
        if (engine->error == NULL)
            g_set_error(&engine->error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: rank %u channel %u role %u step %" G_GUINT64_FORMAT " has %d ends, must have at most %d",
                        engine->program->name, stream->at.rank, stream->at.channel, stream->at.role, stream->index,
                        step->recv_count + step->send_count, UNION_ENDS);
        return NULL;
    }
    for (uint32_t i = 0; i < step->recv_count; i++) {
        const FabRoute *route = pull_route(engine, stream, &step->recv[i]);
        if (route != NULL && route->count > 0)
            routes[count++] = route;
    }
    for (uint32_t i = 0; i < step->send_count && !(step->flags & FAB_STEP_LOCAL_SEND); i++) {
        const FabRoute *route =
            fab_engine_is_remote(engine, stream, &step->send[i]) ? NULL : push_route(engine, stream, &step->send[i]);
        if (route != NULL && route->count > 0)
            routes[count++] = route;
    }
    if (count == 0 || engine->error != NULL)
        return NULL;
    return count == 1 ? routes[0] : fab_router_union(engine->router, routes, count);
}

int64_t
fab_engine_post_latency(FabEngine *engine, const FabStreamRun *stream, const FabEnd *end)
{
    int64_t latency = engine->execution->latency_ps;
    FabConnection *connection = &engine->connections[end->connection];
    const uint32_t *gpus = engine->spec->gpus;

    if (stream->step.flags & FAB_STEP_LOCAL_SEND)
        return latency;
    if (stream->step.flags & FAB_STEP_IN_SWITCH) {
        const FabRoute *route = fab_engine_multicast(engine, stream);
        return latency + (route != NULL ? route->latency_ps : 0);
    }
    if (push_route(engine, stream, end) == NULL)
        return latency;
    if (connection->pull == NULL)
        connection->pull = fab_engine_folded(
            engine, fab_router_pull(engine->router, gpus[stream->at.rank], gpus[end->peer], &engine->error));
    return latency + connection->push->latency_ps + (connection->pull != NULL ? connection->pull->latency_ps : 0);
}
