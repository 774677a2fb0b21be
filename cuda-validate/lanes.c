#include "lanes.h"

enum { KERNEL_THREADS = 256 };

bool
fabm_lanes_open(FabmLanes *lanes, FabmBackend *backend, const int *gpus, int count, FabmFailure *failure)
{
    *lanes = (FabmLanes) { .backend = backend, .count = count };
    for (int i = 0; i < count && failure->status == 0; i++) {
        lanes->gpus[i] = gpus[i];
        lanes->queues[i] = backend->queue_new(backend, gpus[i], false, failure);
        lanes->marks[i] = failure->status == 0 ? backend->mark_new(backend, gpus[i], failure) : NULL;
    }
    return failure->status == 0;
}

void
fabm_lanes_close(FabmLanes *lanes)
{
    for (int i = 0; i < lanes->count; i++) {
        lanes->backend->queue_free(lanes->queues[i]);
        lanes->backend->mark_free(lanes->marks[i]);
    }
}

bool
fabm_lanes_join(FabmLanes *lanes, FabmFailure *failure)
{
    FabmBackend *backend = lanes->backend;

    for (int i = 1; i < lanes->count; i++)
        if (!backend->mark(lanes->queues[i], lanes->marks[i], failure) ||
            !backend->await(lanes->queues[0], lanes->marks[i], failure))
            return false;
    if (!backend->mark(lanes->queues[0], lanes->marks[0], failure))
        return false;
    for (int i = 1; i < lanes->count; i++)
        if (!backend->await(lanes->queues[i], lanes->marks[0], failure))
            return false;
    return true;
}

FabmParty
fabm_lanes_party(const FabmLanes *lanes, FabmBody body, void *data)
{
    FabmParty party = { .count = lanes->count, .body = body, .data = data };

    for (int i = 0; i < lanes->count; i++) {
        party.queues[i] = lanes->queues[i];
        party.gpus[i] = lanes->gpus[i];
    }
    return party;
}

FabmExpect
fabm_work_input(const FabmSession *session)
{
    return (FabmExpect) { .element = FABM_FLOAT, .reduction = FABM_SUM, .ranks = 1, .seed = session->options->seed };
}

FabmLaunch
fabm_work_launch(void *data, uint64_t bytes, uint32_t rounds, uint32_t ctas)
{
    return (FabmLaunch) { .kind = rounds > 0 ? FABM_KERNEL_WORK : FABM_KERNEL_EMPTY, .ctas = ctas,
                          .threads = KERNEL_THREADS,
                          .as.work = { data, bytes / sizeof(float), rounds } };
}

float
fabm_worked(float value, uint32_t rounds)
{
    return rounds % 2 != 0 ? FABM_WORK_SUM - value : value;
}
