/* Steps of ranks that are parts of one device: reads and writes of one memory, through one cache. */
#include "engine/engine-private.h"

/* Steps with the same buffers and numbers of ends have the same route; with more ends than this it is not kept. */
enum { KEPT_ENDS = 4, KINDS = 2 * 2 * (KEPT_ENDS + 1) * (KEPT_ENDS + 1) };

static const FabRoute *
make_route(FabEngine *engine, const FabStreamRun *stream)
{
    const FabSharedAccess *shared = &engine->spec->shared;
    const FabStep *step = &stream->step;
    double received = step->recv_count * shared->slot_weight, sent = step->send_count * shared->slot_weight;
    double reads = (step->src != FAB_BUFFER_NONE) + received;
    double writes = (step->dst != FAB_BUFFER_NONE) + sent;
    double far = ((step->src != FAB_BUFFER_NONE) + (step->dst != FAB_BUFFER_NONE)) * shared->buffer +
                 received * shared->slot_read + sent * shared->slot_write;

    return fab_router_access(engine->spec->router, engine->spec->gpus[stream->at.rank], far / (reads + writes),
                             reads / (reads + writes));
}

static const FabRoute *
route_of(FabEngine *engine, const FabStreamRun *stream)
{
    const FabStep *step = &stream->step;
    uint32_t kind = (step->src != FAB_BUFFER_NONE) + 2u * (step->dst != FAB_BUFFER_NONE) +
                    4u * (step->recv_count + (KEPT_ENDS + 1u) * step->send_count);
    const FabRoute **kept;

    if (step->recv_count > KEPT_ENDS || step->send_count > KEPT_ENDS)
        return make_route(engine, stream);
    if (engine->accesses == NULL)
        engine->accesses = g_new0(const FabRoute *, (gsize)engine->program->ranks * KINDS);
    kept = &engine->accesses[(gsize)stream->at.rank * KINDS + kind];
    if (*kept == NULL)
        *kept = make_route(engine, stream);
    return *kept;
}

void
fab_engine_access(FabEngine *engine, FabStreamRun *stream)
{
    const FabStep *step = &stream->step;
    double accesses = (step->src != FAB_BUFFER_NONE) + (step->dst != FAB_BUFFER_NONE) +
                      (step->recv_count + step->send_count) * engine->spec->shared.slot_weight;

    stream->state = STREAM_MOVING;
    fab_flow_start(engine->flows, engine->now, route_of(engine, stream), (double)stream->bytes * accesses,
                   engine->spec->shared.access_rate * engine->program->role_share[stream->at.role],
                   (uint32_t)(stream - engine->streams));
}
