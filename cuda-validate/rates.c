/* Copy, reduce and reduce-copy by kernels: throughput against the number of CTAs and the width of an access. */
#include <stdio.h>

#include "session.h"
#include "watchdog.h"

typedef struct {
    const char *name;
    uint32_t sources, destinations;
} Operation;

static const Operation operations[] = { { "copy", 1, 1 }, { "reduce", 2, 1 }, { "reduce-copy", 2, 2 } };

/*
 * Where the data are: each run moves other memory, which the cache does not hold ("memory"), or the same small piece
 * again and again ("cache"), as the slots of a connection are.
 */
enum { PIECE_MEMORY = 4 << 20, PIECE_CACHE = 128 << 10 }; /* bytes of one CTA, of each buffer */

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    FabmQueue *queue;
    int gpu, multiprocessors;
    uint64_t room; /* bytes of each buffer */
    uint8_t *buffers[4];
    FabmLaunch launch;
    uint64_t step, at; /* how far the next run lies from this one; where it lies */
} Rates;

static bool
put_move(void *data, int index, FabmFailure *failure)
{
    Rates *rates = data;
    FabmMove *move = &rates->launch.as.move;

    (void)index;
    if (rates->at + move->bytes > rates->room)
        rates->at = 0;
    for (int i = 0; i < FABM_MOVE_MOST; i++) {
        move->src[i] = rates->buffers[i] + rates->at;
        move->dst[i] = rates->buffers[FABM_MOVE_MOST + i] + rates->at;
    }
    rates->at += rates->step;
    return rates->session->backend->launch(rates->queue, &rates->launch, failure);
}

/* Random data of full width in all of a source: what is checked is only where the first run lies. */
static bool
fill_noise(Rates *rates, void *data, FabmFailure *failure)
{
    FabmExpect expect = { .element = FABM_FLOAT, .ranks = 1, .seed = rates->session->options->seed };
    FabmLaunch launch = { .kind = FABM_KERNEL_FILL, .ctas = 1024, .threads = 256,
                          .as.fill = { expect, 0, data, rates->room / sizeof(float), 1 } };
    FabmBackend *backend = rates->session->backend;

    fabm_watchdog_point("data for rates");
    return backend->launch(rates->queue, &launch, failure) && backend->drain(rates->queue, failure);
}

/* The move on known floats: the sum of two inputs, or the input, in every destination. */
static bool
check_move(Rates *rates, const Operation *operation, FabmFailure *failure)
{
    FabmSession *session = rates->session;
    FabmBackend *backend = session->backend;
    uint64_t bytes = rates->launch.as.move.bytes, words = bytes / 4;
    FabmExpect expect = { .collective = FABM_ALL_REDUCE, .element = FABM_FLOAT, .reduction = FABM_SUM,
                          .ranks = operation->sources, .size = words, .piece = words, .seed = session->options->seed };

    for (uint32_t i = 0; i < operation->sources; i++)
        if (!fabm_data_fill(rates->queue, session, &expect, i, rates->buffers[i], words, failure))
            return false;
    for (uint32_t i = 0; i < operation->destinations; i++)
        if (!backend->set(rates->queue, rates->buffers[FABM_MOVE_MOST + i], 0xff, bytes, failure))
            return false;
    rates->at = 0;
    if (!put_move(rates, 0, failure))
        return false;
    for (uint32_t i = 0; i < operation->destinations; i++)
        if (!fabm_data_check(rates->queue, session, &expect, 0, rates->buffers[FABM_MOVE_MOST + i], words,
                             operation->name, failure))
            return false;
    return true;
}

static bool
measure_point(Rates *rates, const Operation *operation, uint32_t width, uint32_t ctas, bool cache, FabmFailure *failure)
{
    uint64_t piece = cache ? PIECE_CACHE : PIECE_MEMORY, bytes = ctas * piece;
    FabmParty party = { .queues = { rates->queue }, .gpus = { rates->gpu }, .count = 1, .body = put_move,
                        .data = rates };
    FabmSummary us;
    char name[16], variant[48];

    if (bytes > rates->room)
        bytes = rates->room;
    rates->launch = (FabmLaunch) { .kind = FABM_KERNEL_MOVE, .ctas = ctas,
                                   .threads = (uint32_t)rates->session->options->threads,
                                   .as.move = { .sources = operation->sources, .destinations = operation->destinations,
                                                .width = width, .bytes = bytes } };
    rates->step = cache ? 0 : bytes;
    snprintf(name, sizeof name, "%d", rates->gpu);
    snprintf(variant, sizeof variant, "%u bytes, %s", width, cache ? "cache" : "memory");
    fabm_watchdog_point("%s by %u CTAs, %s", operation->name, ctas, variant);
    if (!check_move(rates, operation, failure) || !fabm_time_party(rates->session, &party, &us, failure))
        return false;
    fabm_report_time(rates->sheet,
                     (FabmRow) { .test = operation->name, .variant = variant, .gpus = name, .ctas = ctas,
                                 .bytes = (int64_t)bytes }, &us, (double)bytes);
    return true;
}

static FabmNumbers
cta_counts(const Rates *rates)
{
    static const int usual[] = { 1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128 };
    FabmNumbers counts = { .count = 0 };

    for (int i = 0; i < rates->session->options->ctas.count; i++)
        if (rates->session->options->ctas.values[i] > 0)
            counts.values[counts.count++] = rates->session->options->ctas.values[i];
    if (rates->session->options->ctas.count > 0)
        return counts;
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (usual[i] < rates->multiprocessors)
            counts.values[counts.count++] = (uint64_t)usual[i];
    /* Beyond one for each multiprocessor the kernel is bound by memory. */
    for (int each = 1; each <= 4; each *= 2)
        counts.values[counts.count++] = (uint64_t)(each * rates->multiprocessors);
    return counts;
}

static bool
measure_operation(Rates *rates, const Operation *operation, FabmFailure *failure)
{
    static const FabmNumbers usual = { { 16, 8, 4 }, 3 };
    const FabmOptions *options = rates->session->options;
    const FabmNumbers *widths = options->widths.count > 0 ? &options->widths : &usual;
    FabmNumbers ctas = cta_counts(rates);

    for (int w = 0; w < widths->count; w++)
        for (int cache = 0; cache < 2; cache++)
            for (int c = 0; c < ctas.count; c++)
                if (!measure_point(rates, operation, (uint32_t)widths->values[w], (uint32_t)ctas.values[c], cache != 0,
                                   failure))
                    return false;
    return true;
}

bool
fabm_measure_rates(FabmSession *session, FabmFailure *failure)
{
    FabmBackend *backend = session->backend;
    Rates rates = { .session = session, .gpu = session->gpus[0],
                    .sheet = fabm_report_sheet(session->report, "rates", FABM_DEVICE) };
    FabmPool pool = { .backend = backend };
    FabmGpu info;

    if (!backend->info(backend, rates.gpu, &info, failure))
        return false;
    rates.multiprocessors = info.multiprocessors;
    /* Four buffers that take half of the memory at most, and hold what all CTAs move in one run. */
    rates.room = 4ull * PIECE_MEMORY * (uint64_t)(info.multiprocessors > 0 ? info.multiprocessors : 1);
    if (rates.room > info.memory_bytes / 8)
        rates.room = info.memory_bytes / 8 / PIECE_MEMORY * PIECE_MEMORY;
    rates.queue = backend->queue_new(backend, rates.gpu, false, failure);
    for (int i = 0; i < 4 && failure->status == 0; i++)
        rates.buffers[i] = fabm_pool_alloc(&pool, rates.gpu, rates.room, failure);
    for (int i = 0; i < FABM_MOVE_MOST && failure->status == 0; i++)
        (void)fill_noise(&rates, rates.buffers[i], failure);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0] && failure->status == 0; i++)
        (void)measure_operation(&rates, &operations[i], failure);
    backend->queue_free(rates.queue);
    fabm_pool_free(&pool);
    return failure->status == 0;
}
