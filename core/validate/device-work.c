#include "validate/device-private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "collective/constants.h"
#include "predict/stages.h"
#include "predict/training-step.h"
#include "scenario/copy-pipeline.h"
#include "topology/gpu.h"

enum { MOST_BATCHES = 1 << 16 }; /* of a table's stages, so that a wrong one does not take for ever */

/* ------------------------------------------------------------------ kernels */

/* Buffers that a kernel reads and writes: one of each for a copy. 0: no such kernel. */
static double
accesses_of(const char *test)
{
    return strcmp(test, "copy") == 0          ? 2
           : strcmp(test, "reduce") == 0      ? 3
           : strcmp(test, "reduce-copy") == 0 ? 4
                                              : 0;
}

/* CTAs that move data inside one device, as the machine of virtual ranks has it: in memory or in the cache. */
double
fab_device_rate(const FabDevice *device, guint row)
{
    const FabTopology *topology = device->topology;
    const FabMemorySpec *memory = topology->shared != FAB_VERTEX_NONE ? topology->vertices[topology->shared].memory
                                                                      : NULL;
    double ctas = fab_measurement_number(device->measurement, row, FAB_DEVICE_CTAS), rate;
    double accesses = accesses_of(fab_device_cell(device, row, FAB_DEVICE_TEST));
    bool cached = fab_device_is(device, row, FAB_DEVICE_VARIANT, "16 bytes, cache");

    if (accesses == 0 || memory == NULL || !(ctas > 0) ||
        (!cached && !fab_device_is(device, row, FAB_DEVICE_VARIANT, "16 bytes, memory")))
        return NAN;
    rate = memory->processor_rate * MIN(ctas, memory->processors);
    rate = MIN(rate, cached ? memory->cache_bandwidth : memory->bandwidth);
    return accesses * fab_measurement_number(device->measurement, row, FAB_DEVICE_SIZE) / rate * 1e6;
}

/* Threads of a CTA of the kernel that works, and cycles until the result of a multiply-add can be used. */
enum { KERNEL_THREADS = 256, LATENCY_CYCLES = 4 };

/* Multiply-adds in 32 bit that an SM begins in a cycle: generations for computing centres before Hopper have half. */
static double
lanes_of(uint32_t compute_capability)
{
    return compute_capability < 80 || compute_capability == 80 ? 64 : 128;
}

/*
 * "rounds 2047": that many multiply-adds on each word, one after the other, so that fewer threads than lanes x latency
 * do not fill an SM; each word is read and written.
 */
double
fab_device_kernel(const FabDevice *device, guint row)
{
    const FabGpuModel *model = device->topology->vertices[device->topology->gpus[0]].gpu;
    const FabGpuData *data = fab_gpu_data(model->id, NULL);
    double words = fab_measurement_number(device->measurement, row, FAB_DEVICE_SIZE) / sizeof(float), rounds, share;
    double most = fab_measurement_number(device->measurement, row, FAB_DEVICE_CTAS) * KERNEL_THREADS, threads;
    FabGpuRates gpu;
    FabTraining training = { .precision = FAB_PRECISION_FP16 };

    if (sscanf(fab_device_cell(device, row, FAB_DEVICE_VARIANT), "rounds %lf", &rounds) != 1 || data == NULL ||
        !(data->peaks.fp32 > 0) || !(words > 0) || !(most > 0) ||
        !fab_training_rates(&training, device->topology, device->machine, &gpu, NULL))
        return NAN;
    threads = fmin(words, most);
    share = fmin(threads / (LATENCY_CYCLES * lanes_of(model->compute_capability) * model->sm_count), 1);
    return fmax(2 * rounds * threads * ceil(words / most) / (data->peaks.fp32 * share),
                2 * words * sizeof(float) / (gpu.memory * gpu.stack->memory_share)) * 1e6;
}

/* A product, and the rates of the GPU for its type. */
typedef struct {
    FabGpuRates rates;
    double m, n, k, batch;
} Product;

/* "bf16 4096x256x4096 batch 1" and maybe more; types that run on the matrix units. */
static bool
read_product(const FabDevice *device, guint row, Product *product)
{
    static const struct {
        const char *name;
        FabPrecision precision;
    } types[] = { { "fp16", FAB_PRECISION_FP16 }, { "bf16", FAB_PRECISION_BF16 }, { "fp8", FAB_PRECISION_FP8 } };
    FabTraining training = { .zero = 0 };
    char type[8];

    if (sscanf(fab_device_cell(device, row, FAB_DEVICE_VARIANT), "%7s %lfx%lfx%lf batch %lf", type, &product->m,
               &product->n, &product->k, &product->batch) != 5)
        return false;
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(type, types[i].name) != 0)
            continue;
        training.precision = types[i].precision;
        return fab_training_rates(&training, device->topology, device->machine, &product->rates, NULL);
    }
    return false;
}

static double
product_us(const Product *product)
{
    return fab_gemm_seconds(&product->rates, product->m, product->n, product->k, product->batch) * 1e6;
}

double
fab_device_product(const FabDevice *device, guint row)
{
    Product product;

    return read_product(device, row, &product) ? product_us(&product) : NAN;
}

/* ------------------------------------------------------------------ a product beside a copy */

/* Bytes that a CTA which copies inside its GPU reads and writes a second, together. */
static double
cta_rate(const FabDevice *device)
{
    const FabTopology *topology = device->topology;

    if (topology->shared != FAB_VERTEX_NONE)
        return topology->vertices[topology->shared].memory->processor_rate;
    return 2e9 * fab_kernel_costs(fab_constants_shipped(),
                                  topology->vertices[topology->gpus[0]].gpu->compute_capability)->copy_rate;
}

/*
 * CTAs of a copy have an SM each, on which the product has no room. Of the memory each gets what it wants, and where
 * that is more than there is, the product what the copy leaves, but no less than its SMs' part of all. The time of the
 * product, or that of one pass of the copy over its bytes, microseconds.
 */
double
fab_device_overlap(const FabDevice *device, guint row, bool copy)
{
    double ctas = fab_measurement_number(device->measurement, row, FAB_DEVICE_CTAS), wanted, all, left, taken, bytes;
    Product product;

    if (!read_product(device, row, &product) || !(ctas >= 0) || ctas >= product.rates.sms || (copy && ctas == 0))
        return NAN;
    wanted = ctas * cta_rate(device);
    all = product.rates.memory * product.rates.stack->memory_share;
    left = 1 - ctas / product.rates.sms;
    product.rates.memory *= fmax(1 - wanted / all, left);
    product.rates.peak *= left;
    product.rates.sms -= (uint32_t)ctas;
    if (!copy)
        return product_us(&product);
    taken = fab_gemm_bytes(&product.rates, product.m, product.n, product.k, product.batch) / product_us(&product) * 1e6;
    bytes = fab_measurement_number(device->measurement, row, FAB_DEVICE_SIZE);
    return 2 * bytes / fmin(wanted, fmax(all - taken, 0)) * 1e6;
}

/* ------------------------------------------------------------------ stages */

/* The rate of the kernel alone, B/s: by so many CTAs, or (0) by as many as were tried. */
static double
stage_rate(const FabDevice *device, const char *rounds, const char *bytes, double ctas)
{
    double most = 0, rate = NAN;

    for (guint i = 0; i < device->measurement->rows->len; i++) {
        double here = fab_measurement_number(device->measurement, i, FAB_DEVICE_CTAS);
        if (!fab_device_is(device, i, FAB_DEVICE_TEST, "kernel") ||
            !fab_device_is(device, i, FAB_DEVICE_METRIC, "rate") ||
            !fab_device_is(device, i, FAB_DEVICE_VARIANT, rounds) ||
            !fab_device_is(device, i, FAB_DEVICE_SIZE, bytes) || (ctas > 0 ? here != ctas : here < most))
            continue;
        most = here;
        rate = fab_measurement_number(device->measurement, i, FAB_DEVICE_VALUE) * 1e9;
    }
    return rate;
}

/* "0>0>1": the GPU of each stage. Owned by the caller; NULL: not of this machine. */
static uint32_t *
read_stages(const FabDevice *device, const char *text, uint32_t *count)
{
    g_auto(GStrv) names = g_strsplit(text, ">", -1);
    g_autofree uint32_t *gpus = g_new(uint32_t, g_strv_length(names) + 1);

    *count = g_strv_length(names);
    for (uint32_t i = 0; i < *count; i++) {
        gpus[i] = (uint32_t)g_ascii_strtoull(names[i], NULL, 10);
        if (gpus[i] >= device->topology->gpu_count)
            return NULL;
    }
    return *count > 0 ? g_steal_pointer(&gpus) : NULL;
}

/* "micro-batches 4 rounds 2047", with what the host takes as a [pipeline] has it. */
double
fab_device_stages(const FabDevice *device, guint row)
{
    g_auto(GStrv) words = g_strsplit(fab_device_cell(device, row, FAB_DEVICE_VARIANT), " ", -1);
    g_autofree char *rounds = NULL;
    g_autofree uint32_t *gpus = NULL;
    FabGpuRates gpu;
    FabTraining training = { .precision = FAB_PRECISION_FP16 };
    FabStages stages = { .issue_s = FAB_COPY_PIPELINE_ISSUE_S, .gap_s = FAB_COPY_PIPELINE_GAP_S };

    if (g_strv_length(words) != 4 || strcmp(words[0], "micro-batches") != 0 || strcmp(words[2], "rounds") != 0 ||
        !fab_training_rates(&training, device->topology, device->machine, &gpu, NULL))
        return NAN;
    rounds = g_strdup_printf("rounds %s", words[3]);
    gpus = read_stages(device, fab_device_cell(device, row, FAB_DEVICE_GPUS), &stages.stages);
    stages.gpus = gpus;
    stages.batches = (uint32_t)g_ascii_strtoull(words[1], NULL, 10);
    stages.bytes = fab_measurement_number(device->measurement, row, FAB_DEVICE_SIZE);
    stages.kernel_rate = stage_rate(device, rounds, fab_device_cell(device, row, FAB_DEVICE_SIZE),
                                    fab_measurement_number(device->measurement, row, FAB_DEVICE_CTAS));
    stages.gpu_rate = stage_rate(device, rounds, fab_device_cell(device, row, FAB_DEVICE_SIZE), 0);
    stages.memory_rate = gpu.memory * gpu.stack->memory_share;
    if (gpus == NULL || stages.batches == 0 || stages.batches > MOST_BATCHES || !(stages.bytes > 0) ||
        !(stages.kernel_rate > 0))
        return NAN;
    return fab_stages_seconds(&stages, device->router, NULL) * 1e6;
}
