#include <math.h>

#include "session.h"

/* A sample should be long beside the resolution of events (0.5 us) and the launch of the first piece of work. */
static const double sample_us = 300;

enum { MOST_INNER = 200 };

typedef struct {
    FabmMark *begin, *end, *ends[FABM_MOST_QUEUES];
} Marks;

static void
free_marks(FabmBackend *backend, const Marks *marks, int count)
{
    backend->mark_free(marks->begin);
    backend->mark_free(marks->end);
    for (int i = 1; i < count; i++)
        backend->mark_free(marks->ends[i]);
}

static bool
make_marks(FabmBackend *backend, const FabmParty *party, Marks *marks, FabmFailure *failure)
{
    *marks = (Marks) { 0 };
    marks->begin = backend->mark_new(backend, party->gpus[0], failure);
    marks->end = backend->mark_new(backend, party->gpus[0], failure);
    for (int i = 1; i < party->count; i++)
        marks->ends[i] = backend->mark_new(backend, party->gpus[i], failure);
    return failure->status == 0;
}

/* `inner` runs in all queues between two marks of the first. */
static bool
run_once(FabmBackend *backend, const FabmParty *party, const Marks *marks, int inner, double *us, FabmFailure *failure)
{
    if (!backend->mark(party->queues[0], marks->begin, failure))
        return false;
    for (int i = 1; i < party->count; i++)
        if (!backend->await(party->queues[i], marks->begin, failure))
            return false;
    for (int run = 0; run < inner; run++)
        for (int i = 0; i < party->count; i++)
            if (!party->body(party->data, i, failure))
                return false;
    for (int i = 1; i < party->count; i++)
        if (!backend->mark(party->queues[i], marks->ends[i], failure) ||
            !backend->await(party->queues[0], marks->ends[i], failure))
            return false;
    if (!backend->mark(party->queues[0], marks->end, failure) || !backend->drain(party->queues[0], failure) ||
        !backend->span(marks->begin, marks->end, us, failure))
        return false;
    *us /= inner;
    return true;
}

static bool
sample(FabmSession *session, const FabmParty *party, const Marks *marks, FabmSamples *samples, FabmFailure *failure)
{
    double us = sample_us;
    int inner;

    for (int i = 0; i < session->options->warmup; i++)
        if (!run_once(session->backend, party, marks, 1, &us, failure))
            return false;
    inner = us > 0 ? (int)fmin(fmax(ceil(sample_us / us), 1), MOST_INNER) : MOST_INNER;
    for (int i = 0; i < session->options->repeats; i++) {
        if (!run_once(session->backend, party, marks, inner, &us, failure))
            return false;
        fabm_samples_add(samples, fmax(us, 1e-3));
    }
    return true;
}

bool
fabm_time_party(FabmSession *session, const FabmParty *party, FabmSummary *us, FabmFailure *failure)
{
    FabmSamples samples = { 0 };
    Marks marks;
    bool done = make_marks(session->backend, party, &marks, failure) &&
                sample(session, party, &marks, &samples, failure);

    *us = fabm_samples_summary(&samples);
    fabm_samples_clear(&samples);
    free_marks(session->backend, &marks, party->count);
    return done;
}

/* Microseconds of `runs` runs on the host's clock, per run. */
static bool
host_once(FabmBackend *backend, const FabmParty *party, int runs, double *us, FabmFailure *failure)
{
    double began = fabm_now_us();

    for (int run = 0; run < runs; run++)
        for (int i = 0; i < party->count; i++)
            if (!party->body(party->data, i, failure))
                return false;
    for (int i = 0; i < party->count; i++)
        if (!backend->drain(party->queues[i], failure))
            return false;
    *us = (fabm_now_us() - began) / runs;
    return true;
}

bool
fabm_time_host(FabmSession *session, const FabmParty *party, int runs, FabmSummary *us, FabmFailure *failure)
{
    FabmSamples samples = { 0 };
    bool done = true;
    double sample;

    for (int i = -session->options->warmup; i < session->options->repeats && done; i++) {
        done = host_once(session->backend, party, runs, &sample, failure);
        if (done && i >= 0)
            fabm_samples_add(&samples, fmax(sample, 1e-3));
    }
    *us = fabm_samples_summary(&samples);
    fabm_samples_clear(&samples);
    return done;
}

/* So many launches before each look at the clock that the GPU does not wait for the host. */
static bool
warm_gpu(FabmSession *session, int gpu, double seconds, FabmFailure *failure)
{
    enum { WORDS = 1 << 20 };
    FabmBackend *backend = session->backend;
    FabmPool pool = { .backend = backend };
    FabmQueue *queue = backend->queue_new(backend, gpu, false, failure);
    float *data = queue != NULL ? fabm_pool_alloc(&pool, gpu, WORDS * sizeof *data, failure) : NULL;
    FabmLaunch launch = { .kind = FABM_KERNEL_WORK, .ctas = 1024, .threads = 256, .as.work = { data, WORDS, 64 } };
    double began_us = fabm_now_us(), now_us = began_us, last_us = began_us;
    int batch = 1;
    bool good = data != NULL && backend->set(queue, data, 0, WORDS * sizeof *data, failure);

    while (good && now_us < began_us + seconds * 1e6) {
        for (int i = 0; i < batch && good; i++)
            good = backend->launch(queue, &launch, failure);
        good = good && backend->drain(queue, failure);
        last_us = now_us;
        now_us = fabm_now_us();
        if (now_us - last_us < 10e3)
            batch *= 2;
    }
    fabm_pool_free(&pool);
    backend->queue_free(queue);
    return good;
}

bool
fabm_warm_gpus(FabmSession *session, double seconds, FabmFailure *failure)
{
    for (int i = 0; i < session->gpu_count; i++)
        if (!warm_gpu(session, session->gpus[i], seconds, failure))
            return false;
    return true;
}

void
fabm_report_time(FabmSheet *sheet, FabmRow row, const FabmSummary *us, double bytes)
{
    row.metric = "time";
    row.unit = "us";
    row.summary = *us;
    fabm_sheet_row(sheet, &row);
    if (bytes <= 0)
        return;
    row.metric = "rate";
    row.unit = "GB/s";
    row.summary = fabm_summary_rate(us, bytes * 1e-3);
    fabm_sheet_row(sheet, &row);
}

FabmNumbers
fabm_sizes(const FabmSession *session, uint64_t low, uint64_t high, uint64_t factor)
{
    FabmNumbers sizes = { .count = 0 };

    if (session->options->sizes.count > 0)
        return session->options->sizes;
    for (uint64_t size = low; size <= high && sizes.count < FABM_MOST; size *= factor)
        sizes.values[sizes.count++] = size;
    return sizes;
}
