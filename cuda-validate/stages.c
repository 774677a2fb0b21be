/* Stages, on a GPU each or on a part of one, that pass micro-batches on. */
#include <stdio.h>

#include "lanes.h"
#include "pattern.h"
#include "watchdog.h"

enum { MOST_STAGES = 8, MOST_BATCHES = 16 };

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    FabmLanes lanes;
    FabmPool pool;
    int batches;
    uint32_t ctas, rounds;
    uint64_t bytes; /* of a micro-batch */
    uint8_t *input, *buffers[MOST_STAGES];
    FabmMark *done[MOST_STAGES][MOST_BATCHES];
} Stages;

/* A stage fetches the micro-batch from the one before when that has it, works on it, and says so. */
static bool
put_batch(Stages *stages, int stage, int batch, FabmFailure *failure)
{
    FabmBackend *backend = stages->session->backend;
    FabmQueue *queue = stages->lanes.queues[stage];
    const int *gpus = stages->lanes.gpus;
    uint64_t at = (uint64_t)batch * stages->bytes;
    uint8_t *to = stages->buffers[stage] + at;
    const uint8_t *from = stage > 0 ? stages->buffers[stage - 1] + at : stages->input + at;
    FabmLaunch launch = fabm_work_launch(to, stages->bytes, stages->rounds, stages->ctas);

    if (stage > 0 && !backend->await(queue, stages->done[stage - 1][batch], failure))
        return false;
    return backend->copy(queue, to, gpus[stage], from, gpus[stage > 0 ? stage - 1 : 0], stages->bytes, failure) &&
           backend->launch(queue, &launch, failure) && backend->mark(queue, stages->done[stage][batch], failure);
}

static bool
put_stages(void *data, int index, FabmFailure *failure)
{
    Stages *stages = data;

    if (index > 0)
        return true;
    if (!fabm_lanes_join(&stages->lanes, failure))
        return false;
    for (int batch = 0; batch < stages->batches; batch++)
        for (int stage = 0; stage < stages->lanes.count; stage++)
            if (!put_batch(stages, stage, batch, failure))
                return false;
    return true;
}

static bool
open_stages(Stages *stages, int count, FabmFailure *failure)
{
    FabmSession *session = stages->session;
    FabmBackend *backend = session->backend;
    int gpus[MOST_STAGES];

    for (int i = 0; i < count; i++)
        gpus[i] = session->gpus[session->gpu_count >= count ? i : 0];
    for (int i = 1; i < count; i++) {
        FabmFailure refused = { 0 }; /* copies then go through the host */

        (void)backend->reach(backend, gpus[i - 1], gpus[i], &refused);
    }
    if (!fabm_lanes_open(&stages->lanes, backend, gpus, count, failure))
        return false;
    stages->input = fabm_pool_alloc(&stages->pool, gpus[0], MOST_BATCHES * stages->bytes, failure);
    for (int s = 0; s < count && failure->status == 0; s++) {
        stages->buffers[s] = fabm_pool_alloc(&stages->pool, gpus[s], MOST_BATCHES * stages->bytes, failure);
        for (int b = 0; b < MOST_BATCHES && failure->status == 0; b++)
            stages->done[s][b] = backend->mark_new(backend, gpus[s], failure);
    }
    return failure->status == 0;
}

static void
close_stages(Stages *stages)
{
    for (int s = 0; s < MOST_STAGES; s++)
        for (int b = 0; b < MOST_BATCHES; b++) {
            stages->session->backend->mark_free(stages->done[s][b]);
            stages->done[s][b] = NULL;
        }
    fabm_lanes_close(&stages->lanes);
    fabm_pool_free(&stages->pool);
}

/* The first and the last micro-batch have gone through all stages. */
static bool
check_stages(Stages *stages, FabmFailure *failure)
{
    FabmSession *session = stages->session;
    FabmBackend *backend = session->backend;
    FabmExpect expect = fabm_work_input(session);
    int last = stages->lanes.count - 1;
    uint64_t words = stages->bytes / sizeof(float), all = (uint64_t)stages->batches * words;
    float *host = backend->alloc(backend, FABM_PINNED, stages->bytes, failure);
    bool good = host != NULL &&
                fabm_data_fill(stages->lanes.queues[0], session, &expect, 0, stages->input, all, failure) &&
                put_stages(stages, 0, failure);

    for (int i = 0; i <= last && good; i++)
        good = backend->drain(stages->lanes.queues[i], failure);
    for (int batch = 0; batch < stages->batches && good; batch += stages->batches > 1 ? stages->batches - 1 : 1) {
        uint64_t first = (uint64_t)batch * words;

        good = backend->copy(stages->lanes.queues[last], host, FABM_PINNED,
                             stages->buffers[last] + (uint64_t)batch * stages->bytes, stages->lanes.gpus[last],
                             stages->bytes, failure) &&
               backend->drain(stages->lanes.queues[last], failure);
        for (uint64_t i = 0; i < words && good; i++)
            if (host[i] != fabm_worked(fabm_value(&expect, 0, first + i), stages->rounds * (uint32_t)(last + 1)))
                good = fabm_fail(failure, FABM_EXIT_WRONG, "stages: word %llu of micro-batch %d is wrong",
                                 (unsigned long long)i, batch);
    }
    backend->release(backend, FABM_PINNED, host);
    return good;
}

static bool
measure_batches(Stages *stages, FabmFailure *failure)
{
    FabmParty party = fabm_lanes_party(&stages->lanes, put_stages, stages);
    char variant[60], gpus[60] = "";
    FabmSummary us;
    size_t length = 0;

    fabm_watchdog_point("%d stages, %d micro-batches", stages->lanes.count, stages->batches);
    if (!check_stages(stages, failure) || !fabm_time_party(stages->session, &party, &us, failure))
        return false;
    for (int i = 0; i < stages->lanes.count; i++)
        length += (size_t)snprintf(gpus + length, 6, "%s%d", i > 0 ? ">" : "", stages->lanes.gpus[i] % 1000);
    snprintf(variant, sizeof variant, "micro-batches %d rounds %u", stages->batches, stages->rounds);
    fabm_report_time(stages->sheet, (FabmRow) { .test = "stages", .variant = variant, .gpus = gpus,
                                                .ctas = stages->ctas, .bytes = (int64_t)stages->bytes }, &us, 0);
    return true;
}

/* The kernel alone on a micro-batch, by a stage's CTAs or all of the GPU's: what stages are predicted with. */
static bool
put_kernel(void *data, int index, FabmFailure *failure)
{
    Stages *stages = data;
    FabmLaunch launch = fabm_work_launch(stages->buffers[0], stages->bytes, stages->rounds, stages->ctas);

    (void)index;
    return stages->session->backend->launch(stages->lanes.queues[0], &launch, failure);
}

static bool
measure_kernel(Stages *stages, uint32_t ctas, FabmFailure *failure)
{
    Stages alone = *stages;
    FabmParty party = fabm_lanes_party(&stages->lanes, put_kernel, &alone);
    char variant[40], gpu[16];
    FabmSummary us;

    alone.ctas = ctas;
    party.count = 1;
    fabm_watchdog_point("kernel of a stage, %u CTAs", ctas);
    if (!fabm_time_party(stages->session, &party, &us, failure))
        return false;
    snprintf(variant, sizeof variant, "rounds %u", stages->rounds);
    snprintf(gpu, sizeof gpu, "%d", stages->lanes.gpus[0]);
    fabm_report_time(stages->sheet, (FabmRow) { .test = "kernel", .variant = variant, .gpus = gpu, .ctas = ctas,
                                                .bytes = (int64_t)stages->bytes }, &us, (double)stages->bytes);
    return true;
}

/* As many stages as GPUs; on one GPU 2, 4 and 8, each with its part of the CTAs that the GPU holds at once. */
static bool
measure_stages(FabmSession *session, FabmSheet *sheet, const FabmGpu *info, FabmFailure *failure)
{
    static const int batches[] = { 1, 2, 4, 8, 16 };
    const FabmNumbers sizes = fabm_sizes(session, 4 << 20, 4 << 20, 2);
    const uint32_t all = (uint32_t)info->multiprocessors * 4;

    for (int count = 2; count <= MOST_STAGES && failure->status == 0; count *= 2) {
        bool alone = session->gpu_count < count;
        Stages stages = { .session = session, .sheet = sheet, .pool = { .backend = session->backend }, .rounds = 2047,
                          .bytes = sizes.values[0] };

        if (alone && session->gpu_count > 1)
            break;
        stages.ctas = all / (alone ? (uint32_t)count : 1);
        if (stages.ctas == 0)
            stages.ctas = 1;
        if (open_stages(&stages, count, failure) && (count > 2 || measure_kernel(&stages, all, failure)) &&
            (stages.ctas == all || measure_kernel(&stages, stages.ctas, failure)))
            for (size_t b = 0; b < sizeof batches / sizeof batches[0] && failure->status == 0; b++) {
                stages.batches = batches[b];
                (void)measure_batches(&stages, failure);
            }
        close_stages(&stages);
    }
    return failure->status == 0;
}

bool
fabm_measure_stages(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "stages", FABM_DEVICE);
    FabmGpu info;

    return session->backend->info(session->backend, session->gpus[0], &info, failure) &&
           measure_stages(session, sheet, &info, failure);
}
