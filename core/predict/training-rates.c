/* What a step's kernels can reach on the GPU of its machine. */
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
