/*
 * Two pipelines: data that stream through a GPU in chunks, there, through a kernel and back; and stages, on a GPU each
 * or on a part of one, that pass micro-batches on.
 */
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "session.h"
#include "watchdog.h"

enum { MOST_STREAMS = 8, MOST_STAGES = 8, MOST_BATCHES = 16, KERNEL_THREADS = 256 };

/* The queues of a pipeline, and marks that make one run wait for the end of the one before. */
typedef struct {
    FabmBackend *backend;
    FabmQueue *queues[MOST_STREAMS];
    FabmMark *marks[MOST_STREAMS];
    int gpus[MOST_STREAMS];
    int count;
} Lanes;

static bool
open_lanes(Lanes *lanes, FabmBackend *backend, const int *gpus, int count, FabmFailure *failure)
{
    *lanes = (Lanes) { .backend = backend, .count = count };
    for (int i = 0; i < count && failure->status == 0; i++) {
        lanes->gpus[i] = gpus[i];
        lanes->queues[i] = backend->queue_new(backend, gpus[i], false, failure);
        lanes->marks[i] = failure->status == 0 ? backend->mark_new(backend, gpus[i], failure) : NULL;
    }
    return failure->status == 0;
}

static void
close_lanes(Lanes *lanes)
{
    for (int i = 0; i < lanes->count; i++) {
        lanes->backend->queue_free(lanes->queues[i]);
        lanes->backend->mark_free(lanes->marks[i]);
    }
}

/* What follows in any queue begins when all queues have done what they have. */
static bool
join_lanes(Lanes *lanes, FabmFailure *failure)
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

static FabmParty
party_of(const Lanes *lanes, FabmBody body, void *data)
{
    FabmParty party = { .count = lanes->count, .body = body, .data = data };

    for (int i = 0; i < lanes->count; i++) {
        party.queues[i] = lanes->queues[i];
        party.gpus[i] = lanes->gpus[i];
    }
    return party;
}

/* What the kernel makes of a word. */
static float
worked(float value, uint32_t rounds)
{
    return rounds % 2 != 0 ? FABM_WORK_SUM - value : value;
}

static FabmExpect
input_values(const FabmSession *session)
{
    return (FabmExpect) { .element = FABM_FLOAT, .reduction = FABM_SUM, .ranks = 1, .seed = session->options->seed };
}

static FabmLaunch
work_launch(void *data, uint64_t bytes, uint32_t rounds, uint32_t ctas)
{
    return (FabmLaunch) { .kind = FABM_KERNEL_WORK, .ctas = ctas, .threads = KERNEL_THREADS,
                          .as.work = { data, bytes / sizeof(float), rounds } };
}

/* ------------------------------------------------------------------ chunks through a GPU */

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    Lanes lanes;
    FabmPool pool;
    int gpu;
    uint32_t ctas, rounds;
    uint64_t bytes, chunk;
    uint8_t *in, *out; /* on the host */
    uint8_t *buffers[MOST_STREAMS];
} Stream;

static bool
put_chunk(Stream *stream, int lane, uint64_t at, uint64_t bytes, FabmFailure *failure)
{
    FabmBackend *backend = stream->session->backend;
    FabmQueue *queue = stream->lanes.queues[lane];
    FabmLaunch launch = work_launch(stream->buffers[lane], bytes, stream->rounds, stream->ctas);

    return backend->copy(queue, stream->buffers[lane], stream->gpu, stream->in + at, FABM_PINNED, bytes, failure) &&
           backend->launch(queue, &launch, failure) &&
           backend->copy(queue, stream->out + at, FABM_PINNED, stream->buffers[lane], stream->gpu, bytes, failure);
}

/* All chunks, in order, with the first queue. */
static bool
put_stream(void *data, int index, FabmFailure *failure)
{
    Stream *stream = data;
    int lane = 0;

    if (index > 0)
        return true;
    if (!join_lanes(&stream->lanes, failure))
        return false;
    for (uint64_t at = 0; at < stream->bytes; at += stream->chunk) {
        uint64_t left = stream->bytes - at;

        if (!put_chunk(stream, lane, at, left < stream->chunk ? left : stream->chunk, failure))
            return false;
        lane = (lane + 1) % stream->lanes.count;
    }
    return true;
}

static bool
check_stream(Stream *stream, FabmFailure *failure)
{
    uint64_t words = stream->bytes / sizeof(float);

    memset(stream->out, 0xff, stream->bytes);
    if (!put_stream(stream, 0, failure))
        return false;
    for (int i = 0; i < stream->lanes.count; i++)
        if (!stream->session->backend->drain(stream->lanes.queues[i], failure))
            return false;
    for (uint64_t i = 0; i < words; i++)
        if (((float *)stream->out)[i] != worked(((float *)stream->in)[i], stream->rounds))
            return fabm_fail(failure, FABM_EXIT_WRONG, "pipeline: word %llu is %g, must be %g", (unsigned long long)i,
                             (double)((float *)stream->out)[i],
                             (double)worked(((float *)stream->in)[i], stream->rounds));
    return true;
}

static void
report_stream(Stream *stream, const char *test, const char *variant, uint64_t bytes, const FabmSummary *us)
{
    char gpu[16];

    snprintf(gpu, sizeof gpu, "%d", stream->gpu);
    fabm_report_time(stream->sheet, (FabmRow) { .test = test, .variant = variant, .gpus = gpu, .ctas = stream->ctas,
                                                .bytes = (int64_t)bytes }, us, (double)bytes);
}

/* The kernel alone, on a chunk: the rate that `compute` of a scenario means. */
static bool
put_kernel(void *data, int index, FabmFailure *failure)
{
    Stream *stream = data;
    FabmLaunch launch = work_launch(stream->buffers[0], stream->chunk, stream->rounds, stream->ctas);

    (void)index;
    return stream->session->backend->launch(stream->lanes.queues[0], &launch, failure);
}

static bool
measure_chunk(Stream *stream, int streams, bool first, FabmFailure *failure)
{
    int gpus[MOST_STREAMS];
    char variant[80];
    FabmParty party;
    FabmSummary us;
    bool done;

    for (int i = 0; i < MOST_STREAMS; i++)
        gpus[i] = stream->gpu;
    fabm_watchdog_point("pipeline of %d streams, chunks of %llu", streams, (unsigned long long)stream->chunk);
    done = open_lanes(&stream->lanes, stream->session->backend, gpus, streams, failure) &&
           (!first || check_stream(stream, failure));
    if (done) {
        party = party_of(&stream->lanes, put_stream, stream);
        done = fabm_time_party(stream->session, &party, &us, failure);
        snprintf(variant, sizeof variant, "streams %d chunk %llu rounds %u", streams, (unsigned long long)stream->chunk,
                 stream->rounds);
        if (done)
            report_stream(stream, "pipeline", variant, stream->bytes, &us);
    }
    if (done && streams == 1) {
        party = party_of(&stream->lanes, put_kernel, stream);
        done = fabm_time_party(stream->session, &party, &us, failure);
        snprintf(variant, sizeof variant, "rounds %u", stream->rounds);
        if (done)
            report_stream(stream, "kernel", variant, stream->chunk, &us);
    }
    close_lanes(&stream->lanes);
    return done;
}

static bool
measure_streams(FabmSession *session, FabmSheet *sheet, const FabmGpu *info, FabmFailure *failure)
{
    static const int streams[] = { 1, 2, 3, 4, 8 };
    static const uint32_t rounds[] = { 1, 2047 }; /* bound by copies; by the kernel, or nearly */
    FabmNumbers chunks = fabm_sizes(session, 256 << 10, 64 << 20, 4);
    Stream stream = { .session = session, .sheet = sheet, .gpu = session->gpus[0],
                      .pool = { .backend = session->backend },
                      .ctas = (uint32_t)(4 * info->multiprocessors), .bytes = 256 << 20 };
    FabmExpect expect = input_values(session);
    uint64_t most = 0;

    for (int i = 0; i < chunks.count; i++)
        most = chunks.values[i] > most ? chunks.values[i] : most;
    if (session->options->sizes.count > 0)
        stream.bytes = 4 * most;
    stream.in = fabm_pool_alloc(&stream.pool, FABM_PINNED, stream.bytes, failure);
    stream.out = failure->status == 0 ? fabm_pool_alloc(&stream.pool, FABM_PINNED, stream.bytes, failure) : NULL;
    for (int i = 0; i < MOST_STREAMS && failure->status == 0; i++)
        stream.buffers[i] = fabm_pool_alloc(&stream.pool, stream.gpu, most, failure);
    for (uint64_t i = 0; failure->status == 0 && i < stream.bytes / sizeof(float); i++)
        ((float *)stream.in)[i] = fabm_value(&expect, 0, i);
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < chunks.count; c++)
            for (int s = 0; s < 5 && failure->status == 0; s++) {
                stream.rounds = rounds[r];
                stream.chunk = chunks.values[c];
                /* Every chunk size and number of rounds is checked with the most streams but one. */
                (void)measure_chunk(&stream, streams[s], s == 3, failure);
            }
    fabm_pool_free(&stream.pool);
    return failure->status == 0;
}

/* ------------------------------------------------------------------ stages */

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    Lanes lanes;
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
    FabmLaunch launch = work_launch(to, stages->bytes, stages->rounds, stages->ctas);

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
    if (!join_lanes(&stages->lanes, failure))
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
    if (!open_lanes(&stages->lanes, backend, gpus, count, failure))
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
    close_lanes(&stages->lanes);
    fabm_pool_free(&stages->pool);
}

/* The first and the last micro-batch have gone through all stages. */
static bool
check_stages(Stages *stages, FabmFailure *failure)
{
    FabmSession *session = stages->session;
    FabmBackend *backend = session->backend;
    FabmExpect expect = input_values(session);
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
            if (host[i] != worked(fabm_value(&expect, 0, first + i), stages->rounds * (uint32_t)(last + 1)))
                good = fabm_fail(failure, FABM_EXIT_WRONG, "stages: word %llu of micro-batch %d is wrong",
                                 (unsigned long long)i, batch);
    }
    backend->release(backend, FABM_PINNED, host);
    return good;
}

static bool
measure_batches(Stages *stages, FabmFailure *failure)
{
    FabmParty party = party_of(&stages->lanes, put_stages, stages);
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

/* As many stages as GPUs; on one GPU 2, 4 and 8, each with its part of the CTAs that the GPU holds at once. */
static bool
measure_stages(FabmSession *session, FabmSheet *sheet, const FabmGpu *info, FabmFailure *failure)
{
    static const int batches[] = { 1, 2, 4, 8, 16 };
    FabmNumbers sizes = fabm_sizes(session, 4 << 20, 4 << 20, 2);

    for (int count = 2; count <= MOST_STAGES && failure->status == 0; count *= 2) {
        bool alone = session->gpu_count < count;
        Stages stages = { .session = session, .sheet = sheet, .pool = { .backend = session->backend }, .rounds = 2047,
                          .bytes = sizes.values[0] };

        if (alone && session->gpu_count > 1)
            break;
        stages.ctas = (uint32_t)(info->multiprocessors * 4 / (alone ? count : 1));
        if (stages.ctas == 0)
            stages.ctas = 1;
        if (open_stages(&stages, count, failure))
            for (size_t b = 0; b < sizeof batches / sizeof batches[0] && failure->status == 0; b++) {
                stages.batches = batches[b];
                (void)measure_batches(&stages, failure);
            }
        close_stages(&stages);
    }
    return failure->status == 0;
}

bool
fabm_measure_pipeline(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "pipeline", FABM_DEVICE);
    FabmGpu info;

    return session->backend->info(session->backend, session->gpus[0], &info, failure) &&
           measure_streams(session, sheet, &info, failure) && measure_stages(session, sheet, &info, failure);
}
