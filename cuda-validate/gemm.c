/* Matrix products over shapes and types, and what a product loses while a copy kernel takes multiprocessors. */
#include <math.h>
#include <stdio.h>

#include "cublaslt.h"
#include "pattern.h"
#include "session.h"
#include "watchdog.h"

/*
 * Squares; layers of a transformer with 4096 and 14336 features for one, 16, 256 and 4096 tokens; attention scores and
 * their product with values for 64 heads of 128 and 2048 tokens.
 */
static const FabmShape shapes[] = {
    { 256, 256, 256, 1 },     { 512, 512, 512, 1 },     { 1024, 1024, 1024, 1 },     { 2048, 2048, 2048, 1 },
    { 4096, 4096, 4096, 1 },   { 8192, 8192, 8192, 1 },  { 4096, 16, 4096, 1 },       { 4096, 256, 4096, 1 },
    { 14336, 16, 4096, 1 },    { 14336, 256, 4096, 1 },  { 14336, 4096, 4096, 1 },    { 4096, 4096, 14336, 1 },
    { 2048, 2048, 128, 64 },   { 128, 2048, 2048, 64 },
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    FabmLt *lt;
    FabmQueue *queue;
    int gpu;
    FabmProduct *product;
    const FabmProductType *type;
    FabmShape shape;
    FabmPool pool;
    void *a, *b, *d;
} Gemm;

/* --sizes bounds the elements of a matrix, so that a quick look needs little. */
static bool
is_small_enough(const FabmSession *session, const FabmShape *shape)
{
    const FabmNumbers *sizes = &session->options->sizes;
    uint64_t most = 0;

    for (int i = 0; i < sizes->count; i++)
        most = sizes->values[i] > most ? sizes->values[i] : most;
    return sizes->count == 0 || (shape->m * shape->k * shape->batch * 4 <= most &&
                                 shape->n * shape->k * shape->batch * 4 <= most &&
                                 shape->m * shape->n * shape->batch * 4 <= most);
}

static bool
put_product(void *data, int index, FabmFailure *failure)
{
    Gemm *gemm = data;

    (void)index;
    return fabm_product_run(gemm->product, gemm->queue, gemm->a, gemm->b, gemm->d, failure);
}

/* ------------------------------------------------------------------ data */

/* Values 1 and 2: what they add up to is exact in 32 bits, and rounded once to the type of the result. */
static FabmExpect
small_values(const Gemm *gemm)
{
    return (FabmExpect) { .element = gemm->type->in, .reduction = FABM_PROD, .ranks = 2,
                          .seed = gemm->session->options->seed };
}

static bool
fill(Gemm *gemm, uint32_t rank, void *data, uint64_t count, bool noise, FabmFailure *failure)
{
    FabmBackend *backend = gemm->session->backend;
    FabmLaunch launch = { .kind = FABM_KERNEL_FILL, .ctas = 512, .threads = 256,
                          .as.fill = { small_values(gemm), rank, data, count, noise } };

    return backend->launch(gemm->queue, &launch, failure) && backend->drain(gemm->queue, failure);
}

static double
value_of(FabmElement element, uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } number = { .bits = element == FABM_BFLOAT16 ? bits << 16 : bits };

    if (element == FABM_HALF) /* positive and normal, as sums of 1 and 2 are */
        number.bits = (bits + ((127 - 15) << 10)) << 13;
    return number.value;
}

enum { CHECKED_COLUMNS = 3, CHECKED_ROWS = 48 };

/* Rows and columns from the begin, the middle and the end of the last product of the batch. */
static bool
check_column(Gemm *gemm, uint64_t column, const void *host, FabmFailure *failure)
{
    const FabmShape *shape = &gemm->shape;
    FabmExpect expect = small_values(gemm);
    uint64_t last = shape->batch - 1, step = shape->m > CHECKED_ROWS ? shape->m / CHECKED_ROWS : 1;
    double tolerance = gemm->type->out == FABM_FLOAT ? 1e-6 : 1.0 / 128;

    for (uint64_t row = 0; row < shape->m; row += step) {
        uint64_t a = (last * shape->m + row) * shape->k, b = (last * shape->n + column) * shape->k;
        double right = 0, found = value_of(gemm->type->out, fabm_element_load(gemm->type->out, host, row));

        for (uint64_t k = 0; k < shape->k; k++)
            right += (double)fabm_value(&expect, 0, a + k) * (double)fabm_value(&expect, 1, b + k);
        if (!(fabs(found - right) <= tolerance * right))
            return fabm_fail(failure, FABM_EXIT_WRONG,
                             "product %s %llu x %llu x %llu: row %llu, column %llu is %g, must be %g",
                             gemm->type->name, (unsigned long long)shape->m, (unsigned long long)shape->n,
                             (unsigned long long)shape->k, (unsigned long long)row, (unsigned long long)column, found,
                             right);
    }
    return true;
}

static bool
check_product(Gemm *gemm, FabmFailure *failure)
{
    FabmBackend *backend = gemm->session->backend;
    const FabmShape *shape = &gemm->shape;
    uint64_t width = fabm_element_bytes(gemm->type->out), bytes = shape->m * width;
    void *host;

    if (!fill(gemm, 0, gemm->a, shape->m * shape->k * shape->batch, false, failure) ||
        !fill(gemm, 1, gemm->b, shape->n * shape->k * shape->batch, false, failure) ||
        !backend->set(gemm->queue, gemm->d, 0xff, bytes * shape->n * shape->batch, failure) ||
        !backend->drain(gemm->queue, failure) || !put_product(gemm, 0, failure))
        return false;
    host = backend->alloc(backend, FABM_PINNED, bytes, failure);
    for (int i = 0; i < CHECKED_COLUMNS && failure->status == 0; i++) {
        uint64_t column = (shape->n - 1) * (uint64_t)i / (CHECKED_COLUMNS - 1);
        const uint8_t *from = (const uint8_t *)gemm->d + ((shape->batch - 1) * shape->n + column) * bytes;

        if (backend->copy(gemm->queue, host, FABM_PINNED, from, gemm->gpu, bytes, failure) &&
            backend->drain(gemm->queue, failure))
            (void)check_column(gemm, column, host, failure);
    }
    backend->release(backend, FABM_PINNED, host);
    return failure->status == 0;
}

/* ------------------------------------------------------------------ one product */

/* Buffers, the product, its check, and then random data of full width: ones and twos cost less energy, so less time. */
static bool
open_product(Gemm *gemm, const FabmProductType *type, const FabmShape *shape, FabmFailure *failure)
{
    uint64_t width = fabm_element_bytes(type->in);

    gemm->type = type;
    gemm->shape = *shape;
    gemm->product = fabm_product_new(gemm->lt, type, shape, failure);
    if (gemm->product == NULL)
        return false;
    gemm->a = fabm_pool_alloc(&gemm->pool, gemm->gpu, shape->m * shape->k * shape->batch * width, failure);
    gemm->b = fabm_pool_alloc(&gemm->pool, gemm->gpu, shape->n * shape->k * shape->batch * width, failure);
    gemm->d = fabm_pool_alloc(&gemm->pool, gemm->gpu,
                              shape->m * shape->n * shape->batch * fabm_element_bytes(type->out), failure);
    return failure->status == 0 && check_product(gemm, failure) &&
           fill(gemm, 0, gemm->a, shape->m * shape->k * shape->batch, true, failure) &&
           fill(gemm, 1, gemm->b, shape->n * shape->k * shape->batch, true, failure);
}

static void
close_product(Gemm *gemm)
{
    fabm_product_free(gemm->product);
    gemm->product = NULL;
    fabm_pool_free(&gemm->pool);
}

static double
flops(const FabmShape *shape)
{
    return 2.0 * (double)shape->m * (double)shape->n * (double)shape->k * (double)shape->batch;
}

enum { VARIANT = 120 };

static void
name_product(const Gemm *gemm, const char *more, char variant[VARIANT])
{
    const FabmShape *shape = &gemm->shape;

    snprintf(variant, VARIANT, "%s %llux%llux%llu batch %llu%s", gemm->type->name, (unsigned long long)shape->m,
             (unsigned long long)shape->n, (unsigned long long)shape->k, (unsigned long long)shape->batch, more);
}

/* Rows time and rate of a product; `more` says what ran beside it. */
static void
report_product(Gemm *gemm, const char *test, const char *more, int64_t ctas, const FabmSummary *us)
{
    const FabmShape *shape = &gemm->shape;
    char variant[VARIANT], gpu[16];
    FabmRow row = { .test = test, .variant = variant, .gpus = gpu, .ctas = ctas, .bytes = -1 };

    name_product(gemm, more, variant);
    snprintf(gpu, sizeof gpu, "%d", gemm->gpu);
    fabm_report_time(gemm->sheet, row, us, 0);
    row.metric = "rate";
    row.unit = "TFLOP/s";
    row.summary = fabm_summary_rate(us, flops(shape) * 1e-6);
    fabm_sheet_row(gemm->sheet, &row);
}

static bool
time_product(Gemm *gemm, FabmSummary *us, FabmFailure *failure)
{
    FabmParty party = { .queues = { gemm->queue }, .gpus = { gemm->gpu }, .count = 1, .body = put_product,
                        .data = gemm };

    return fabm_time_party(gemm->session, &party, us, failure);
}

static bool
open_gemm(Gemm *gemm, FabmSession *session, const char *suffix, FabmFailure *failure)
{
    *gemm = (Gemm) { .session = session, .gpu = session->gpus[0], .pool = { .backend = session->backend } };
    gemm->sheet = fabm_report_sheet(session->report, suffix, FABM_DEVICE);
    gemm->lt = fabm_lt_open(session->backend, gemm->gpu, session->options->cublaslt, failure);
    if (gemm->lt != NULL)
        gemm->queue = session->backend->queue_new(session->backend, gemm->gpu, false, failure);
    return failure->status == 0;
}

static void
close_gemm(Gemm *gemm)
{
    close_product(gemm);
    gemm->session->backend->queue_free(gemm->queue);
    fabm_lt_close(gemm->lt);
}

bool
fabm_measure_gemm(FabmSession *session, FabmFailure *failure)
{
    FabmSummary us;
    Gemm gemm;

    if (open_gemm(&gemm, session, "gemm", failure))
        for (const FabmProductType *type = fabm_product_types; type->name != NULL; type++)
            for (int i = 0; i < SHAPES && failure->status == 0; i++) {
                if (!is_small_enough(session, &shapes[i]))
                    continue;
                fabm_watchdog_point("product %s of shape %d", type->name, i + 1);
                if (open_product(&gemm, type, &shapes[i], failure) && time_product(&gemm, &us, failure))
                    report_product(&gemm, "gemm", "", -1, &us);
                else if (failure->status == 0)
                    fprintf(stderr, "fabricast-measure: gemm: cuBLASLt has no product %s of shape %d on this GPU\n",
                            type->name, i + 1);
                close_product(&gemm);
            }
    close_gemm(&gemm);
    return failure->status == 0;
}

/* ------------------------------------------------------------------ beside a copy */

/* A copy that runs until it is told to stop. */
typedef struct {
    FabmQueue *queue;
    FabmLaunch launch;
    volatile uint32_t *stop;
    volatile uint64_t *passes;
    double began_us;
} Copier;

enum { COPIER_PIECE = 4 << 20 }; /* bytes of a CTA: beyond the cache for a few of them, as traffic between GPUs is */

/* Returns when every CTA of the copy has moved its piece once. */
static bool
start_copier(Gemm *gemm, Copier *copier, uint32_t ctas, FabmFailure *failure)
{
    FabmBackend *backend = gemm->session->backend;
    uint64_t bytes = (uint64_t)ctas * COPIER_PIECE;
    void *from = fabm_pool_alloc(&gemm->pool, gemm->gpu, bytes, failure);
    void *to = fabm_pool_alloc(&gemm->pool, gemm->gpu, bytes, failure);
    uint32_t *stop = fabm_pool_alloc(&gemm->pool, FABM_PINNED, sizeof *stop, failure);
    uint64_t *passes = fabm_pool_alloc(&gemm->pool, FABM_PINNED, ctas * sizeof *passes, failure);
    double late_us = fabm_now_us() + gemm->session->options->timeout_s * 0.5e6;

    if (failure->status != 0)
        return false;
    *stop = 0;
    for (uint32_t i = 0; i < ctas; i++)
        passes[i] = 0;
    copier->stop = stop;
    copier->passes = passes;
    copier->launch = (FabmLaunch) { .kind = FABM_KERNEL_MOVE, .ctas = ctas,
                                    .threads = (uint32_t)gemm->session->options->threads,
                                    .as.move = { .src = { from, NULL }, .dst = { to, NULL }, .sources = 1,
                                                 .destinations = 1, .width = 16, .bytes = bytes, .stop = stop,
                                                 .passes = passes } };
    if (!backend->launch(copier->queue, &copier->launch, failure))
        return false;
    for (uint32_t i = 0; i < ctas; i++)
        while (__atomic_load_n(&passes[i], __ATOMIC_RELAXED) == 0)
            if (fabm_now_us() > late_us) {
                __atomic_store_n(stop, 1, __ATOMIC_RELAXED);
                return fabm_fail(failure, FABM_EXIT_MACHINE, "the copy beside the product does not start");
            }
    return true;
}

static uint64_t
count_passes(const Copier *copier)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < copier->launch.ctas; i++)
        sum += __atomic_load_n(&copier->passes[i], __ATOMIC_RELAXED);
    return sum;
}

static const char beside[] = ", copy beside it";

/* What all CTAs of the copy took to move their pieces once, on the mean. */
static void
report_copy(Gemm *gemm, uint32_t ctas, double pass_us)
{
    uint64_t bytes = (uint64_t)ctas * COPIER_PIECE;
    FabmSummary us = { pass_us, NAN, NAN, 1 };
    char variant[VARIANT], gpu[16];

    name_product(gemm, beside, variant);
    snprintf(gpu, sizeof gpu, "%d", gemm->gpu);
    fabm_report_time(gemm->sheet, (FabmRow) { .test = "overlap copy", .variant = variant, .gpus = gpu, .ctas = ctas,
                                              .bytes = (int64_t)bytes }, &us, (double)bytes);
}

/* The product alone for 0 CTAs; the rate of the copy is that over all samples. */
static bool
measure_beside(Gemm *gemm, Copier *copier, uint32_t ctas, FabmFailure *failure)
{
    FabmBackend *backend = gemm->session->backend;
    double began_us, seconds, late_us = fabm_now_us() + gemm->session->options->timeout_s * 0.5e6;
    uint64_t passes;
    FabmSummary us;
    bool done;

    fabm_watchdog_point("product beside a copy by %u CTAs", ctas);
    if (ctas > 0 && !start_copier(gemm, copier, ctas, failure))
        return false;
    began_us = fabm_now_us();
    passes = ctas > 0 ? count_passes(copier) : 0;
    done = time_product(gemm, &us, failure);
    while (ctas > 0 && done && count_passes(copier) == passes && fabm_now_us() < late_us)
        ; /* a product that is shorter than one pass: nothing to count yet */
    seconds = (fabm_now_us() - began_us) * 1e-6;
    if (ctas > 0) {
        passes = count_passes(copier) - passes;
        __atomic_store_n(copier->stop, 1, __ATOMIC_RELAXED);
        done = backend->drain(copier->queue, failure) && done;
    }
    if (!done)
        return false;
    report_product(gemm, "overlap", beside, ctas, &us);
    if (ctas > 0 && passes > 0)
        report_copy(gemm, ctas, seconds * 1e6 * ctas / (double)passes);
    return true;
}

/* A copy on every multiprocessor would leave the product none, and both would wait for ever. */
static bool
choose_ctas(const FabmSession *session, FabmNumbers *ctas, FabmFailure *failure)
{
    static const FabmNumbers usual = { { 0, 1, 2, 4, 8, 16, 24, 32, 64 }, 9 };
    const FabmNumbers *wanted = session->options->ctas.count > 0 ? &session->options->ctas : &usual;
    FabmGpu info;

    *ctas = (FabmNumbers) { .count = 0 };
    if (!session->backend->info(session->backend, session->gpus[0], &info, failure))
        return false;
    for (int i = 0; i < wanted->count; i++)
        if (wanted->values[i] < (uint64_t)info.multiprocessors)
            ctas->values[ctas->count++] = wanted->values[i];
        else if (wanted != &usual)
            return fabm_fail(failure, FABM_EXIT_INPUT, "--ctas: %llu CTAs of a copy would have every multiprocessor of "
                             "GPU %d, which has %d: the product beside it needs one; take at most %d",
                             (unsigned long long)wanted->values[i], session->gpus[0], info.multiprocessors,
                             info.multiprocessors - 1);
    return true;
}

bool
fabm_measure_overlap(FabmSession *session, FabmFailure *failure)
{
    FabmShape shape = { 8192, 8192, 8192, 1 };
    Copier copier = { 0 };
    FabmNumbers ctas;
    Gemm gemm;

    if (!choose_ctas(session, &ctas, failure))
        return false;

    while (!is_small_enough(session, &shape) && shape.m > 64)
        shape.m = shape.n = shape.k = shape.m / 2;
    if (open_gemm(&gemm, session, "overlap", failure)) {
        copier.queue = session->backend->queue_new(session->backend, gemm.gpu, true, failure);
        fabm_watchdog_point("product beside a copy");
        if (failure->status == 0 && open_product(&gemm, &fabm_product_types[3], &shape, failure))
            for (int i = 0; i < ctas.count && failure->status == 0; i++)
                (void)measure_beside(&gemm, &copier, (uint32_t)ctas.values[i], failure);
        else if (failure->status == 0)
            fabm_fail(failure, FABM_EXIT_MACHINE, "cuBLASLt has no product in bf16 on this GPU");
        session->backend->queue_free(copier.queue);
    }
    close_gemm(&gemm);
    return failure->status == 0;
}
