/* What a step's kernels can reach on the GPU of its machine. */
#include <math.h>

#include "base/error.h"
#include "predict/training-step.h"
#include "topology/gpu.h"

static double
peak_of(const FabGpuPeaks *peaks, FabPrecision precision)
{
    double sixteen = peaks->bf16 > 0 ? peaks->bf16 : peaks->fp16;

    switch (precision) {
    case FAB_PRECISION_FP8:
        return peaks->fp8;
    case FAB_PRECISION_TF32:
        return peaks->tf32;
    case FAB_PRECISION_FP32:
        return peaks->fp32;
    case FAB_PRECISION_BF16:
        return peaks->bf16;
    default:
        return sixteen;
    }
}

/*
 * Boards that the shares of the peaks were fitted on, by peak in 16 bit and power (gpus.ini): A100 and H100 of SXM.
 * They are held back by their power already; the same chip with less of it runs slower. Dynamic power goes with clock
 * times voltage squared, and the voltage falls with the clock until it is at its least: the clock goes with a power of
 * the watts between 1/3 and 1. Half is what is taken; no sweep of a training step over limits of power was found.
 */
#define CLOCK_EXPONENT 0.5
static const struct {
    uint32_t capability;
    double peak, watts;
} boards[] = { { 80, 312e12, 400 }, { 90, 989e12, 700 } };

static double
clock_of(const FabGpuData *data, uint32_t capability)
{
    double sixteen = peak_of(&data->peaks, FAB_PRECISION_FP16);

    for (size_t i = 0; i < sizeof boards / sizeof boards[0]; i++) {
        if (boards[i].capability == capability && fabs(boards[i].peak / sixteen - 1) < 1e-3 && data->power_w > 0)
            return fmin(1, pow(data->power_w / boards[i].watts, CLOCK_EXPONENT));
    }
    return 1;
}

bool
fab_training_rates(const FabTraining *training, const FabTopology *topology, const char *where, FabGpuRates *rates,
                   GError **error)
{
    const FabGpuModel *model = topology->vertices[topology->gpus[0]].gpu;
    const FabGpuData *data = fab_gpu_data(model->id, error);

    if (data == NULL)
        return false;
    *rates = (FabGpuRates) { .peak = peak_of(&data->peaks, training->precision),
                             .peak_16 = peak_of(&data->peaks, FAB_PRECISION_FP16),
                             .memory = model->memory_bandwidth,
                             .clock = clock_of(data, model->compute_capability),
                             .sms = model->sm_count,
                             .fp8 = training->precision == FAB_PRECISION_FP8,
                             .stack = fab_stack_find(training, model->compute_capability) };
    rates->wide = training->precision == FAB_PRECISION_TF32 || training->precision == FAB_PRECISION_FP32;
    if (rates->wide)
        rates->peak_16 = rates->peak;
    if (rates->peak > 0 && rates->peak_16 > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [%s] precision is %s, for which no rate of the GPU %s is known", where,
                training->inference ? "inference" : "training", fab_precision_names[training->precision], model->id);
    return false;
}
