/*
 * Data that stream through GPUs in chunks: there, through a kernel and back, in several streams. Of several GPUs at
 * once each has data, streams and a host thread of its own, near to it, and all begin together.
 */
#include <stdio.h>
#include <string.h>

#include "gang.h"
#include "lanes.h"
#include "near.h"
#include "pattern.h"
#include "watchdog.h"

enum { MOST_STREAMS = FABM_MOST, MOST_ROUNDS = 1 << 20 };

/* One GPU's part. */
typedef struct {
    int gpu;
    uint32_t rank;     /* of its data */
    uint8_t *in, *out; /* on the host */
    uint8_t *buffers[MOST_STREAMS];
} Part;

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    FabmLanes lanes; /* of each part in turn, `streams` of them */
    FabmPool pool;
    FabmGang *gang;
    Part parts[FABM_MOST];
    int part_count, streams; /* at work */
    uint32_t ctas, rounds;
    uint64_t bytes, chunk; /* bytes: of each part */
} Stream;

/* What comes back of so many bytes, in whole words. */
static uint64_t
bytes_back(const Stream *stream, uint64_t bytes)
{
    return (uint64_t)((double)bytes * stream->session->options->back) / sizeof(float) * sizeof(float);
}

static bool
put_chunk(Stream *stream, Part *part, int lane, uint64_t at, uint64_t bytes, FabmFailure *failure)
{
    FabmBackend *backend = stream->session->backend;
    FabmQueue *queue = stream->lanes.queues[(int)(part - stream->parts) * stream->streams + lane];
    FabmLaunch launch = fabm_work_launch(part->buffers[lane], bytes, stream->rounds, stream->ctas);
    uint64_t back = bytes_back(stream, bytes);

    return backend->copy(queue, part->buffers[lane], part->gpu, part->in + at, FABM_PINNED, bytes, failure) &&
           backend->launch(queue, &launch, failure) &&
           (back == 0 || backend->copy(queue, part->out + bytes_back(stream, at), FABM_PINNED, part->buffers[lane],
                                       part->gpu, back, failure));
}

/* All chunks of one GPU, in order. */
static bool
put_part(void *data, int index, FabmFailure *failure)
{
    Stream *stream = data;
    int lane = 0;

    for (uint64_t at = 0; at < stream->bytes; at += stream->chunk) {
        uint64_t left = stream->bytes - at;

        if (!put_chunk(stream, &stream->parts[index], lane, at, left < stream->chunk ? left : stream->chunk, failure))
            return false;
        lane = (lane + 1) % stream->streams;
    }
    return true;
}

/* All chunks of all GPUs, with the first queue. */
static bool
put_stream(void *data, int index, FabmFailure *failure)
{
    Stream *stream = data;

    return index > 0 || (fabm_lanes_join(&stream->lanes, failure) && fabm_gang_run(stream->gang, failure));
}

/* What came back of the chunk at `at`: the words that the kernel made of its first ones. */
static bool
check_chunk(const Stream *stream, const Part *part, uint64_t at, FabmFailure *failure)
{
    uint64_t left = stream->bytes - at, bytes = left < stream->chunk ? left : stream->chunk;
    uint64_t back = bytes_back(stream, bytes), words = (back < bytes ? back : bytes) / sizeof(float);
    const float *in = (const float *)(part->in + at), *out = (const float *)(part->out + bytes_back(stream, at));

    for (uint64_t i = 0; i < words; i++)
        if (out[i] != fabm_worked(in[i], stream->rounds))
            return fabm_fail(failure, FABM_EXIT_WRONG,
                             "pipeline: word %llu of the chunk at %llu from GPU %d is %g, must be %g",
                             (unsigned long long)i, (unsigned long long)at, part->gpu, (double)out[i],
                             (double)fabm_worked(in[i], stream->rounds));
    return true;
}

static bool
check_stream(Stream *stream, FabmFailure *failure)
{
    for (int i = 0; i < stream->part_count; i++)
        memset(stream->parts[i].out, 0xff, bytes_back(stream, stream->bytes));
    if (!put_stream(stream, 0, failure))
        return false;
    for (int i = 0; i < stream->lanes.count; i++)
        if (!stream->session->backend->drain(stream->lanes.queues[i], failure))
            return false;
    for (int i = 0; i < stream->part_count; i++)
        for (uint64_t at = 0; at < stream->bytes; at += stream->chunk)
            if (!check_chunk(stream, &stream->parts[i], at, failure))
                return false;
    return true;
}

/* "0", "0+1+2": the first so many GPUs. */
static void
name_gpus(const Stream *stream, int count, FabmText *text)
{
    for (int i = 0; i < count; i++)
        fabm_text_add(text, "%s%d", i > 0 ? "+" : "", stream->parts[i].gpu);
}

static void
report_stream(Stream *stream, const char *test, const char *variant, int gpus, uint64_t bytes, const FabmSummary *us)
{
    FabmText names = { 0 };

    name_gpus(stream, gpus, &names);
    fabm_report_time(stream->sheet, (FabmRow) { .test = test, .variant = variant, .gpus = names.data,
                                                .ctas = stream->ctas, .bytes = (int64_t)bytes },
                     us, (double)bytes * gpus);
    fabm_text_clear(&names);
}

/* The kernel alone, on a chunk and on the first GPU: the rate that `compute` of a scenario means. */
static bool
put_kernel(void *data, int index, FabmFailure *failure)
{
    Stream *stream = data;
    FabmLaunch launch = fabm_work_launch(stream->parts[0].buffers[0], stream->chunk, stream->rounds, stream->ctas);

    (void)index;
    return stream->session->backend->launch(stream->lanes.queues[0], &launch, failure);
}

static bool
time_kernel(Stream *stream, const FabmOptions *options, FabmSummary *us, FabmFailure *failure)
{
    FabmSession session = *stream->session;
    FabmParty party = fabm_lanes_party(&stream->lanes, put_kernel, stream);

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
    FabmParty party = fabm_lanes_party(&stream->lanes, put_stream, stream);
    FabmSummary us;
    char variant[80];

    if (first && stream->session->options->kernel_rate > 0 && !choose_rounds(stream, failure))
        return false;
    if ((last && !check_stream(stream, failure)) || !fabm_time_party(stream->session, &party, &us, failure))
        return false;
    snprintf(variant, sizeof variant, "streams %d chunk %llu rounds %u", stream->streams,
             (unsigned long long)stream->chunk, stream->rounds);
    if (stream->session->options->back != 1)
        snprintf(variant + strlen(variant), sizeof variant - strlen(variant), " back %g",
                 stream->session->options->back);
    report_stream(stream, "pipeline", variant, stream->part_count, stream->bytes, &us);
    if (!first || stream->rounds == 0)
        return true;
    if (!time_kernel(stream, stream->session->options, &us, failure))
        return false;
    snprintf(variant, sizeof variant, "rounds %u", stream->rounds);
    report_stream(stream, "kernel", variant, 1, stream->chunk, &us);
    return true;
}

static void
stay_near(void *data, int index)
{
    Stream *stream = data;

    fabm_near_bind(stream->session->backend, stream->parts[index].gpu);
}

/* All numbers of streams on so many GPUs; the last one's data are checked. */
static bool
measure_streams(Stream *stream, const FabmNumbers *streams, bool first, FabmFailure *failure)
{
    int gpus[FABM_MOST_QUEUES];

    stream->gang = fabm_gang_new(stream->part_count, stay_near, put_part, stream, failure);
    for (int s = 0; s < streams->count && failure->status == 0; s++) {
        stream->streams = (int)streams->values[s];
        for (int i = 0; i < stream->part_count * stream->streams; i++)
            gpus[i] = stream->parts[i / stream->streams].gpu;
        fabm_watchdog_point("pipeline of %d streams, chunks of %llu, %d GPUs", stream->streams,
                            (unsigned long long)stream->chunk, stream->part_count);
        if (fabm_lanes_open(&stream->lanes, stream->session->backend, gpus, stream->part_count * stream->streams,
                            failure))
            (void)measure_point(stream, first && s == 0, s == streams->count - 1, failure);
        fabm_lanes_close(&stream->lanes);
    }
    fabm_gang_free(stream->gang);
    fabm_near_release();
    return failure->status == 0;
}

static uint64_t
most_of(const FabmNumbers *numbers)
{
    uint64_t most = 0;

    for (int i = 0; i < numbers->count; i++)
        most = numbers->values[i] > most ? numbers->values[i] : most;
    return most;
}

/* Memory of one GPU's part, that of the host on the GPU's side of the machine, and its data. */
static bool
open_part(Stream *stream, Part *part, uint64_t room, uint64_t lanes, FabmFailure *failure)
{
    FabmExpect expect = fabm_work_input(stream->session);

    fabm_near_bind(stream->session->backend, part->gpu);
    part->in = fabm_pool_alloc(&stream->pool, FABM_PINNED, stream->bytes, failure);
    if (failure->status == 0)
        part->out = fabm_pool_alloc(&stream->pool, FABM_PINNED, bytes_back(stream, stream->bytes), failure);
    for (uint64_t i = 0; i < lanes && failure->status == 0; i++)
        part->buffers[i] = fabm_pool_alloc(&stream->pool, part->gpu, room, failure);
    for (uint64_t i = 0; failure->status == 0 && i < stream->bytes / sizeof(float); i++)
        ((float *)part->in)[i] = fabm_value(&expect, part->rank, i);
    fabm_near_release();
    return failure->status == 0;
}

static bool
open_stream(Stream *stream, const FabmNumbers *chunks, const FabmNumbers *streams, uint64_t parts, FabmFailure *failure)
{
    const FabmOptions *options = stream->session->options;
    uint64_t most = most_of(chunks), room;

    if (parts * most_of(streams) > FABM_MOST_QUEUES)
        return fabm_fail(failure, FABM_EXIT_INPUT, "%llu GPUs with %llu streams each are %llu streams, at most %d are "
                         "possible; take fewer --streams or fewer GPUs (--ranks)", (unsigned long long)parts,
                         (unsigned long long)most_of(streams), (unsigned long long)(parts * most_of(streams)),
                         FABM_MOST_QUEUES);
    stream->bytes = options->sizes.count > 0 ? 4 * most : 256 << 20;
    if (options->total.count > 0)
        stream->bytes = options->total.values[0];
    most = most < stream->bytes ? most : stream->bytes;
    room = bytes_back(stream, most) > most ? bytes_back(stream, most) : most;
    for (uint32_t i = 0; i < parts && failure->status == 0; i++) {
        stream->parts[i] = (Part) { .gpu = stream->session->gpus[i], .rank = i };
        fabm_watchdog_point("memory of the pipeline on GPU %d", stream->parts[i].gpu);
        (void)open_part(stream, &stream->parts[i], room, most_of(streams), failure);
    }
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

/* How many GPUs at once: those of --ranks, or one and all. */
static bool
choose_counts(const FabmSession *session, FabmNumbers *counts, FabmFailure *failure)
{
    *counts = (FabmNumbers) { { 1, (uint64_t)session->gpu_count }, session->gpu_count > 1 ? 2 : 1 };
    if (session->options->ranks.count > 0)
        *counts = session->options->ranks;
    for (int i = 0; i < counts->count; i++)
        if (counts->values[i] < 1 || counts->values[i] > (uint64_t)session->gpu_count)
            return fabm_fail(failure, FABM_EXIT_MACHINE, "--ranks: %llu GPUs at once are asked for, there are %d",
                             (unsigned long long)counts->values[i], session->gpu_count);
    return true;
}

static bool
measure_all(FabmSession *session, FabmSheet *sheet, const FabmGpu *info, FabmFailure *failure)
{
    static const FabmNumbers usual = { { 1, 2, 3, 4, 8 }, 5 };
    const FabmNumbers *streams = session->options->streams.count > 0 ? &session->options->streams : &usual;
    const FabmNumbers chunks = fabm_sizes(session, 256 << 10, 64 << 20, 4), rounds = kernels_of(session->options);
    Stream stream = { .session = session, .sheet = sheet, .pool = { .backend = session->backend },
                      .ctas = (uint32_t)(4 * info->multiprocessors) };
    FabmNumbers counts;

    if (!choose_counts(session, &counts, failure))
        return false;
    (void)open_stream(&stream, &chunks, streams, most_of(&counts), failure);
    for (int r = 0; r < rounds.count; r++)
        for (int c = 0; c < chunks.count; c++) {
            stream.rounds = (uint32_t)rounds.values[r];
            stream.chunk = chunks.values[c] < stream.bytes ? chunks.values[c] : stream.bytes;
            for (int i = 0; i < counts.count && failure->status == 0; i++) {
                stream.part_count = (int)counts.values[i];
                (void)measure_streams(&stream, streams, i == 0, failure);
            }
        }
    fabm_pool_free(&stream.pool);
    return failure->status == 0;
}

bool
fabm_measure_pipeline(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "pipeline", FABM_DEVICE);
    FabmGpu info;

    return session->backend->info(session->backend, session->gpus[0], &info, failure) &&
           measure_all(session, sheet, &info, failure);
}
