/*
 * Two pipelines: data that stream through a GPU in chunks, there, through a kernel and back; and stages, on a GPU each
 * or on a part of one, that pass micro-batches on.
 */
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "session.h"
#include "watchdog.h"

enum { MOST_STREAMS = FABM_MOST, MOST_STAGES = 8, MOST_BATCHES = 16, KERNEL_THREADS = 256, MOST_ROUNDS = 1 << 20 };

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
    return (FabmLaunch) { .kind = rounds > 0 ? FABM_KERNEL_WORK : FABM_KERNEL_EMPTY, .ctas = ctas,
                          .threads = KERNEL_THREADS,
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

/* What comes back of so many bytes, in whole words. */
static uint64_t
bytes_back(const Stream *stream, uint64_t bytes)
{
    return (uint64_t)((double)bytes * stream->session->options->back) / sizeof(float) * sizeof(float);
}

static bool
put_chunk(Stream *stream, int lane, uint64_t at, uint64_t bytes, FabmFailure *failure)
{
    FabmBackend *backend = stream->session->backend;
    FabmQueue *queue = stream->lanes.queues[lane];
    FabmLaunch launch = work_launch(stream->buffers[lane], bytes, stream->rounds, stream->ctas);
    uint64_t back = bytes_back(stream, bytes);

    return backend->copy(queue, stream->buffers[lane], stream->gpu, stream->in + at, FABM_PINNED, bytes, failure) &&
           backend->launch(queue, &launch, failure) &&
           (back == 0 || backend->copy(queue, stream->out + bytes_back(stream, at), FABM_PINNED, stream->buffers[lane],
                                       stream->gpu, back, failure));
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

/* What came back of the chunk at `at`: the words that the kernel made of its first ones. */
static bool
check_chunk(const Stream *stream, uint64_t at, FabmFailure *failure)
{
    uint64_t left = stream->bytes - at, bytes = left < stream->chunk ? left : stream->chunk;
    uint64_t back = bytes_back(stream, bytes), words = (back < bytes ? back : bytes) / sizeof(float);
    const float *in = (const float *)(stream->in + at), *out = (const float *)(stream->out + bytes_back(stream, at));

    for (uint64_t i = 0; i < words; i++)
        if (out[i] != worked(in[i], stream->rounds))
            return fabm_fail(failure, FABM_EXIT_WRONG, "pipeline: word %llu of the chunk at %llu is %g, must be %g",
                             (unsigned long long)i, (unsigned long long)at, (double)out[i],
                             (double)worked(in[i], stream->rounds));
    return true;
}

static bool
check_stream(Stream *stream, FabmFailure *failure)
{
    memset(stream->out, 0xff, bytes_back(stream, stream->bytes));
    if (!put_stream(stream, 0, failure))
        return false;
    for (int i = 0; i < stream->lanes.count; i++)
        if (!stream->session->backend->drain(stream->lanes.queues[i], failure))
            return false;
    for (uint64_t at = 0; at < stream->bytes; at += stream->chunk)
        if (!check_chunk(stream, at, failure))
            return false;
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
time_kernel(Stream *stream, const FabmOptions *options, FabmSummary *us, FabmFailure *failure)
{
    FabmSession session = *stream->session;
    FabmParty party = party_of(&stream->lanes, put_kernel, stream);

    session.options = options;
    party.count = 1;
    return fabm_time_party(&session, &party, us, failure);
}

/* The rounds at which the kernel takes as long for a chunk as the rate that is wanted says, found by trying. */
static bool
choose_rounds(Stream *stream, FabmFailure *failure)
{
    FabmOptions quick = *stream->session->options;
    double wanted_us = (double)stream->chunk / (quick.kernel_rate * 1e3), before_us = 0;
    FabmSummary us = { 0 };

    quick.repeats = 3;
    quick.warmup = 1;
    for (stream->rounds = 1;; stream->rounds *= 2) {
        if (!time_kernel(stream, &quick, &us, failure))
            return false;
        if (us.median >= wanted_us || stream->rounds >= MOST_ROUNDS)
            break;
        before_us = us.median;
    }
    if (stream->rounds > 1 && us.median > wanted_us && us.median > before_us)
        stream->rounds = stream->rounds / 2 +
                         (uint32_t)((wanted_us - before_us) / (us.median - before_us) * (stream->rounds / 2));
    return true;
}

static bool
measure_point(Stream *stream, bool first, bool last, FabmFailure *failure)
{
    FabmParty party = party_of(&stream->lanes, put_stream, stream);
    FabmSummary us;
    char variant[80];

    if (first && stream->session->options->kernel_rate > 0 && !choose_rounds(stream, failure))
        return false;
    if ((last && !check_stream(stream, failure)) || !fabm_time_party(stream->session, &party, &us, failure))
        return false;
    snprintf(variant, sizeof variant, "streams %d chunk %llu rounds %u", stream->lanes.count,
             (unsigned long long)stream->chunk, stream->rounds);
    if (stream->session->options->back != 1)
        snprintf(variant + strlen(variant), sizeof variant - strlen(variant), " back %g",
                 stream->session->options->back);
    report_stream(stream, "pipeline", variant, stream->bytes, &us);
    if (!first || stream->rounds == 0)
        return true;
    if (!time_kernel(stream, stream->session->options, &us, failure))
        return false;
    snprintf(variant, sizeof variant, "rounds %u", stream->rounds);
    report_stream(stream, "kernel", variant, stream->chunk, &us);
    return true;
}

/* All numbers of streams; the last one's data are checked. */
static bool
measure_chunk(Stream *stream, const FabmNumbers *streams, FabmFailure *failure)
{
    int gpus[MOST_STREAMS];

    for (int i = 0; i < MOST_STREAMS; i++)
        gpus[i] = stream->gpu;
    for (int s = 0; s < streams->count && failure->status == 0; s++) {
        fabm_watchdog_point("pipeline of %llu streams, chunks of %llu", (unsigned long long)streams->values[s],
                            (unsigned long long)stream->chunk);
        if (open_lanes(&stream->lanes, stream->session->backend, gpus, (int)streams->values[s], failure))
            (void)measure_point(stream, s == 0, s == streams->count - 1, failure);
        close_lanes(&stream->lanes);
    }
    return failure->status == 0;
}

static bool
open_stream(Stream *stream, const FabmNumbers *chunks, const FabmNumbers *streams, FabmFailure *failure)
{
    const FabmOptions *options = stream->session->options;
    FabmExpect expect = input_values(stream->session);
    uint64_t most = 0, lanes = 0, room;

    for (int i = 0; i < chunks->count; i++)
        most = chunks->values[i] > most ? chunks->values[i] : most;
    for (int i = 0; i < streams->count; i++)
        lanes = streams->values[i] > lanes ? streams->values[i] : lanes;
    stream->bytes = options->sizes.count > 0 ? 4 * most : 256 << 20;
    if (options->total.count > 0)
        stream->bytes = options->total.values[0];
    most = most < stream->bytes ? most : stream->bytes;
    room = bytes_back(stream, most) > most ? bytes_back(stream, most) : most;
    stream->in = fabm_pool_alloc(&stream->pool, FABM_PINNED, stream->bytes, failure);
    if (failure->status == 0)
        stream->out = fabm_pool_alloc(&stream->pool, FABM_PINNED, bytes_back(stream, stream->bytes), failure);
    for (uint64_t i = 0; i < lanes && failure->status == 0; i++)
        stream->buffers[i] = fabm_pool_alloc(&stream->pool, stream->gpu, room, failure);
    for (uint64_t i = 0; failure->status == 0 && i < stream->bytes / sizeof(float); i++)
        ((float *)stream->in)[i] = fabm_value(&expect, 0, i);
    return failure->status == 0;
}

/* Bound by copies, and by the kernel or nearly; or the one kernel that is asked for. */
static FabmNumbers
kernels_of(const FabmOptions *options)
{
    FabmNumbers rounds = { { 1, 2047 }, 2 };

    if (options->kernel_rate >= 0)
        rounds = (FabmNumbers) { { options->kernel_rate > 0 ? 1 : 0 }, 1 };
    return rounds;
}

static bool
measure_streams(FabmSession *session, FabmSheet *sheet, const FabmGpu *info, FabmFailure *failure)
{
    static const FabmNumbers usual = { { 1, 2, 3, 4, 8 }, 5 };
    const FabmNumbers *streams = session->options->streams.count > 0 ? &session->options->streams : &usual;
    const FabmNumbers chunks = fabm_sizes(session, 256 << 10, 64 << 20, 4), rounds = kernels_of(session->options);
    Stream stream = { .session = session, .sheet = sheet, .gpu = session->gpus[0],
                      .pool = { .backend = session->backend }, .ctas = (uint32_t)(4 * info->multiprocessors) };

    (void)open_stream(&stream, &chunks, streams, failure);
    for (int r = 0; r < rounds.count; r++)
        for (int c = 0; c < chunks.count && failure->status == 0; c++) {
            stream.rounds = (uint32_t)rounds.values[r];
            stream.chunk = chunks.values[c] < stream.bytes ? chunks.values[c] : stream.bytes;
            (void)measure_chunk(&stream, streams, failure);
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
           measure_streams(session, sheet, &info, failure);
}

bool
fabm_measure_stages(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "stages", FABM_DEVICE);
    FabmGpu info;

    return session->backend->info(session->backend, session->gpus[0], &info, failure) &&
           measure_stages(session, sheet, &info, failure);
}
