#include "predict/training-step.h"

#include <math.h>

#include "base/error.h"
#include "base/units.h"
#include "predict/group-time.h"
#include "predict/pass-time.h"
#include "predict/training-fault.h"
#include "topology/gpu.h"
#include "topology/machine.h"
#include "workload/parameters.h"

#define BUCKET_BYTES 25e6        /* PyTorch DDP's default; Megatron's buckets are of that order */
#define SCALE_BASE 8.0           /* GPUs from which scale_loss counts: one machine of the tables */
#define COARSE_EXPERTS 16        /* up to so many an expert is a large matrix; with more, kernels are small */
#define HOST_BOUND 0.1           /* share of a step from which it is called bound by its host */

const char *const fab_time_part_names[] = { "matrix",   "attention", "memory_bound", "host",   "tensor_parallel",
                                            "expert_parallel", "context_parallel", "sharding", "pipeline_messages",
                                            "bubble",   "data_parallel", "optimiser", "scale", NULL };

void
fab_training_step_free(FabTrainingStep *step)
{
    if (step == NULL)
        return;
    fab_footprint_free(step->footprint);
    fab_graph_free(step->pipeline);
    g_clear_pointer(&step->faults, g_ptr_array_unref);
    g_free(step->goodput);
    g_free(step);
}

/* ------------------------------------------------------------------ the GPU */

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

/* ------------------------------------------------------------------ the pipeline */

static double
pass_sum(const double parts[FAB_TIME_PARTS])
{
    double sum = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        sum += parts[i];
    return sum;
}

static bool
run_pipeline(FabTrainingStep *step, const FabPassParts *passes, double hop_s, GError **error)
{
    const FabTraining *training = step->footprint->training;
    uint32_t cells = training->pp * training->chunks;
    g_autofree FabPassTimes *times = g_new(FabPassTimes, cells);
    FabPipelineSpec spec = { .pipeline = { training->schedule, training->pp, training->chunks, step->micros },
                             .times = times,
                             .hop_ps = fab_ps_from_seconds(hop_s) };

    for (uint32_t i = 0; i < cells; i++)
        times[i] = (FabPassTimes) { fab_ps_from_seconds(pass_sum(passes[i].forward)),
                                    fab_ps_from_seconds(pass_sum(passes[i].backward)),
                                    fab_ps_from_seconds(passes[i].weights) };
    if (training->schedule == FAB_SCHEDULE_ZB_H1 || training->schedule == FAB_SCHEDULE_DUALPIPE) {
        for (uint32_t i = 0; i < cells; i++)
            times[i].backward_ps -= times[i].weight_ps;
    }
    if (!training->fold) {
        spec.ranks = training->tp * training->cp * training->dp;
        spec.group = training->tp;
    }
    step->pipeline = fab_pipeline_run(&spec, error);
    return step->pipeline != NULL;
}

/* Parts of the stage that is busiest, and what it waits. */
static void
account_pipeline(FabTrainingStep *step, const FabPassParts *passes)
{
    const FabTraining *training = step->footprint->training;
    double length = (double)fab_graph_length(step->pipeline) * 1e-12, most = -1;
    double micros = fab_training_chunk_micros(training);

    for (uint32_t s = 0; s < training->pp; s++) {
        double busy = 0;
        for (uint32_t c = 0; c < training->chunks; c++) {
            const FabPassParts *pass = &passes[s * training->chunks + c];
            busy += micros * (pass_sum(pass->forward) + pass_sum(pass->backward));
        }
        if (busy > most) {
            most = busy;
            step->stage = s;
        }
    }
    for (uint32_t c = 0; c < training->chunks; c++) {
        for (int i = 0; i < FAB_TIME_PARTS; i++)
            step->parts[i] += micros * (passes[step->stage * training->chunks + c].forward[i] +
                                              passes[step->stage * training->chunks + c].backward[i]);
    }
    step->parts[FAB_TIME_BUBBLE] = fmax(length - most, 0);
    step->bubble_share = length > 0 ? step->parts[FAB_TIME_BUBBLE] / length : 0;
}

/* ------------------------------------------------------------------ replicas */

typedef struct {
    FabGroupTimes *times;
    const FabTraining *training;
    double shared, experts; /* parameters */
} Replicas;

static double
replica_seconds(const Replicas *replicas, FabCollective collective, double width, GError **error)
{
    const FabTraining *training = replicas->training;
    uint32_t all = training->dp * training->cp;
    FabGroup group = { all, training->tp }, dealt = { all / training->ep, training->tp * training->ep };
    double shared = fab_group_seconds(replicas->times, collective, group, replicas->shared * width, error), experts = 0;

    if (shared >= 0 && replicas->experts > 0)
        experts = fab_group_seconds(replicas->times, collective, dealt, replicas->experts * width, error);
    return shared < 0 || experts < 0 ? -1 : shared + experts;
}

/* What a collective of all gradients or parameters leaves exposed beside `hidden` seconds of one micro-batch. */
static double
exposed(const Replicas *replicas, double seconds, double bytes, double hidden)
{
    const FabTraining *training = replicas->training;
    FabGroup group = { training->dp * training->cp, training->tp };
    bool overlap = training->overlap && !fab_group_is_staged(replicas->times, group);
    double last = training->pp > 1 ? 1.0 / training->chunks : fmin(1, BUCKET_BYTES / fmax(bytes, 1));

    return overlap ? fmax(last * seconds, seconds - hidden) : seconds;
}

static bool
account_replicas(FabTrainingStep *step, FabGroupTimes *times, const FabPassParts *passes, GError **error)
{
    const FabTraining *training = step->footprint->training;
    uint64_t shared, experts;
    Replicas replicas = { .times = times, .training = training };
    double forward = 0, backward = 0, width = training->gradient_bytes, reduce, gather = 0, bytes;

    if (training->dp * training->cp == 1 || training->zero == 3 || training->frozen)
        return true;
    if (training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32)
        width = 4;
    fab_memory_parameters(training, step->footprint->model, step->stage, &shared, &experts);
    replicas.shared = (double)shared;
    replicas.experts = (double)experts;
    bytes = ((double)shared + (double)experts) * width;
    for (uint32_t c = 0; c < training->chunks; c++) {
        forward += pass_sum(passes[step->stage * training->chunks + c].forward);
        backward += pass_sum(passes[step->stage * training->chunks + c].backward);
    }
    reduce = replica_seconds(&replicas, training->zero == 0 ? FAB_ALL_REDUCE : FAB_REDUCE_SCATTER, width, error);
    if (reduce >= 0 && training->zero > 0)
        gather = replica_seconds(&replicas, FAB_ALL_GATHER, fmin(width, 2), error);
    if (reduce < 0 || gather < 0)
        return false;
    step->parts[FAB_TIME_DATA] = exposed(&replicas, reduce, bytes, backward);
    if (training->zero > 0)
        step->parts[FAB_TIME_DATA] += exposed(&replicas, gather, bytes, forward);
    if (training->zero == 2)
        step->parts[FAB_TIME_DATA] += (step->micros - 1) * fmax(reduce - (training->overlap ? backward : 0), 0);
    return true;
}

static void
account_optimiser(FabTrainingStep *step, const FabGpuRates *rates)
{
    const FabTraining *training = step->footprint->training;
    double parameters = (double)step->footprint->memory->stages[step->stage].parameters;

    if (training->zero > 0)
        parameters /= (double)training->dp * training->cp;
    if (training->frozen)
        return;
    step->parts[FAB_TIME_OPTIMISER] = fab_optimiser_seconds(rates, parameters);
}

/* ------------------------------------------------------------------ the whole */

static void
summarise(FabTrainingStep *step, const FabGpuRates *rates)
{
    const FabTraining *training = step->footprint->training;
    const FabModel *model = step->footprint->model;
    double tokens = (double)training->global_batch * training->sequence, flops, again = 0, gpus = training->gpus;
    double logits = 2.0 * model->hidden * model->vocab, forward = fab_forward_flops(model, training->sequence);

    step->seconds = pass_sum(step->parts);
    step->parts[FAB_TIME_SCALE] = step->seconds * rates->stack->scale_loss * fmax(log2(gpus / SCALE_BASE), 0);
    step->seconds += step->parts[FAB_TIME_SCALE];
    if (training->recompute == FAB_RECOMPUTE_FULL)
        again = forward - logits;
    else if (training->recompute == FAB_RECOMPUTE_SELECTIVE)
        again = forward - fab_forward_flops(model, 0);
    flops = tokens * 3 * forward / gpus / step->seconds;
    step->flops_per_gpu = flops;
    step->tokens_per_s = tokens / step->seconds;
    step->mfu = flops / rates->peak;
    step->hfu = step->mfu * (3 * forward + again) / (3 * forward);
    step->host_bound = step->parts[FAB_TIME_HOST] > HOST_BOUND * step->seconds;
}

/*
 * What nine of ten runs of the open set were within, by what sets them apart, longer or shorter by the same factor:
 * docs/training.md says how often it holds.
 */
static void
set_interval(FabTrainingStep *step, bool faults)
{
    const struct {
        bool applies;
        double share;
        const char *reason;
    } rules[] = {
        { step->footprint->model->experts > COARSE_EXPERTS, 0.60, "many small experts" },
        { !step->fitted, 0.25, "no step time of this stack on this GPU generation was fitted" },
        { step->host_bound, 0.18, "the host is slower than the GPU, and hosts differ" },
        { step->footprint->model->experts > 0, 0.10, "mixture of a few experts" },
        { step->footprint->training->precision == FAB_PRECISION_FP8, 0.13, "fp8" },
        { true, step->stack->residual, "dense model, stack and generation fitted" },
    };
    size_t rule = 0;

    while (!rules[rule].applies)
        rule++;
    step->low = step->seconds / (1 + rules[rule].share);
    step->high = step->seconds * (1 + rules[rule].share);
    step->reason = faults ? "the range of whole machines: no step with such a fault was ever measured"
                          : rules[rule].reason;
}

static bool
check_size(const FabTraining *training, uint32_t micros, const char *where, GError **error)
{
    double ranks = training->fold ? 1 : (double)training->gpus / training->pp;
    double passes = 3.0 * training->pp * training->chunks * micros * ranks;

    if (micros < FAB_MOST_MICROS && passes <= FAB_MOST_PASSES)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: %u stages x %u chunks x %u micro-batches%s are more passes than %d, which is the most", where,
                training->pp, training->chunks, micros, training->fold ? "" : " of every rank", FAB_MOST_PASSES);
    return false;
}

/* Stages that have a fault take the times that it leaves them; the others wait for them in the pipeline. */
static bool
hit_passes(const FabStepFaults *faults, const FabPassSpec *healthy, FabPassParts *passes, double *hop_s,
           GError **error)
{
    static const FabTimePart kernels[] = { FAB_TIME_MATRIX, FAB_TIME_ATTENTION, FAB_TIME_MEMORY };
    uint32_t stages = healthy->training->pp, chunks = healthy->training->chunks;
    g_autofree FabPassParts *slow = g_new0(FabPassParts, stages * chunks);
    FabPassSpec spec = *healthy;
    double hop = 0;

    spec.times = faults->times;
    if (faults->any && !fab_pass_times(&spec, slow, &hop, error))
        return false;
    *hop_s = fmax(*hop_s, hop);
    for (uint32_t i = 0; i < stages * chunks; i++) {
        double pace = faults->pace[i / chunks];
        if (faults->slow[i / chunks])
            passes[i] = slow[i];
        for (gsize k = 0; k < G_N_ELEMENTS(kernels); k++) {
            passes[i].forward[kernels[k]] *= pace;
            passes[i].backward[kernels[k]] *= pace;
        }
        passes[i].weights *= pace;
    }
    return true;
}

static bool
predict(FabTrainingStep *step, const FabTopology *topology, FabGroupTimes *times, const FabStepFaults *faults,
        const char *where, GError **error)
{
    const FabTraining *training = step->footprint->training;
    FabGpuRates rates;
    g_autofree FabPassParts *passes = g_new0(FabPassParts, training->pp * training->chunks);
    FabPassSpec spec = { .training = training, .model = step->footprint->model, .rates = &rates, .times = times };
    double hop_s;

    step->micros = fab_training_micros(training);
    fab_group_times_use(times, training->gpus);
    if (!check_size(training, step->micros, where, error) ||
        !fab_training_rates(training, topology, where, &rates, error) ||
        !fab_pass_times(&spec, passes, &hop_s, error) ||
        (faults != NULL && !hit_passes(faults, &spec, passes, &hop_s, error)))
        return false;
    step->stack = rates.stack;
    step->fitted = fab_stack_is_fitted(rates.stack,
                                       topology->vertices[topology->gpus[0]].gpu->compute_capability);
    if (!run_pipeline(step, passes, hop_s, error))
        return false;
    account_pipeline(step, passes);
    if (!account_replicas(step, faults != NULL && faults->any ? faults->times : times, passes, error))
        return false;
    account_optimiser(step, &rates);
    if (faults != NULL)
        step->parts[FAB_TIME_OPTIMISER] *= faults->pace[step->stage];
    summarise(step, &rates);
    set_interval(step, faults != NULL);
    return true;
}

/* What a checkpoint holds of each parameter: itself, and with mixed precision an fp32 copy; two moments in fp32. */
static double
checkpoint_bytes(const FabTraining *training, const FabModel *model)
{
    bool wide = training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32;

    return (double)fab_parameters(model).total * (wide ? 4 + 8 : 2 + 4 + 8);
}

/* The machines that the step's GPUs are in, with all their NICs. */
static bool
add_goodput(FabTrainingStep *step, const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    const FabTraining *training = step->footprint->training;
    double nodes = MAX(topology->node_count, 1), share = training->gpus / (double)topology->gpu_count, nics = 0;
    double parts[FAB_PART_KINDS];

    if (scenario->goodput == NULL)
        return true;
    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        if (topology->vertices[v].kind == FAB_VERTEX_NIC)
            nics += MAX(topology->vertices[v].count, 1);
    }
    parts[FAB_PART_GPU] = training->gpus;
    parts[FAB_PART_NODE] = ceil(nodes * share - 1e-9);
    parts[FAB_PART_NIC] = nics * parts[FAB_PART_NODE] / nodes;
    if (scenario->goodput->interval > 0 && scenario->goodput->interval < step->seconds) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [goodput] checkpoint_interval is %.6g s, must be a step of %.3g s or longer", scenario->path,
                    scenario->goodput->interval, step->seconds);
        return false;
    }
    step->goodput = g_new(FabGoodput, 1);
    return fab_goodput(scenario->goodput, parts, checkpoint_bytes(training, step->footprint->model), scenario->path,
                       step->goodput, error);
}

FabTrainingStep *
fab_training_step_new(const FabScenario *scenario, const FabTopology *topology, FabGroupTimes *times, GError **error)
{
    g_autoptr(FabTopology) built = NULL;
    g_autoptr(FabGroupTimes) own = NULL;
    g_autoptr(FabStepFaults) faults = NULL;
    g_autoptr(FabTrainingStep) step = g_new0(FabTrainingStep, 1);

    if (topology == NULL) {
        built = fab_machine_load(scenario->topology, scenario->overrides, error);
        topology = built;
    }
    step->footprint = topology != NULL ? fab_footprint_new(scenario, topology, error) : NULL;
    if (step->footprint == NULL)
        return NULL;
    if (times == NULL) {
        own = fab_group_times_new(topology, scenario->training->nic_rate);
        times = own;
    }
    if (scenario->faults->len > 0) {
        faults = fab_step_faults_new(scenario, step->footprint->training, topology, error);
        if (faults == NULL)
            return NULL;
    }
    return predict(step, topology, times, faults, scenario->path, error) &&
                   add_goodput(step, scenario, topology, error)
               ? g_steal_pointer(&step)
               : NULL;
}

/* ------------------------------------------------------------------ what faults cost */

static void
free_fault(void *pointer)
{
    FabStepFault *fault = pointer;

    g_free(fault->name);
    g_free(fault->what);
    g_free(fault);
}

/* The step with one of the faults, or none; negative with an error. */
static double
seconds_with(const FabScenario *scenario, const FabTopology *topology, FabGroupTimes *times, FabFault *fault,
             GError **error)
{
    g_autoptr(GPtrArray) faults = g_ptr_array_new();
    g_autoptr(FabTrainingStep) step = NULL;
    FabScenario other = *scenario;

    if (fault != NULL)
        g_ptr_array_add(faults, fault);
    other.faults = faults;
    step = fab_training_step_new(&other, topology, times, error);
    return step != NULL ? step->seconds : -1;
}

bool
fab_training_step_costs(FabTrainingStep *step, const FabScenario *scenario, const FabTopology *topology,
                        GError **error)
{
    g_autoptr(FabTopology) built = NULL;
    g_autoptr(FabGroupTimes) times = NULL;

    if (scenario->faults->len == 0)
        return true;
    if (topology == NULL) {
        built = fab_machine_load(scenario->topology, scenario->overrides, error);
        topology = built;
    }
    if (topology == NULL)
        return false;
    times = fab_group_times_new(topology, scenario->training->nic_rate);
    step->faults = g_ptr_array_new_with_free_func(free_fault);
    step->healthy = seconds_with(scenario, topology, times, NULL, error);
    for (guint i = 0; i < scenario->faults->len && step->healthy > 0; i++) {
        FabFault *fault = scenario->faults->pdata[i];
        FabStepFault *cost = g_new0(FabStepFault, 1);
        cost->name = g_strdup(fault->name);
        cost->what = fab_fault_describe(fault);
        g_ptr_array_add(step->faults, cost);
        cost->seconds = seconds_with(scenario, topology, times, fault, error);
        if (cost->seconds < 0)
            return false;
    }
    return step->healthy > 0;
}
