#include "predict/training-step.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "predict/group-time.h"
#include "predict/pass-time.h"
#include "predict/step-axis.h"
#include "predict/training-timed.h"
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

/* ------------------------------------------------------------------ the pipeline */

static double
pass_sum(const double parts[FAB_TIME_PARTS])
{
    double sum = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        sum += parts[i];
    return sum;
}

/* Passes of weights are passes of their own. */
static bool
is_split(const FabTraining *training)
{
    return training->schedule == FAB_SCHEDULE_ZB_H1 || training->schedule == FAB_SCHEDULE_DUALPIPE;
}

static bool
run_pipeline(FabTrainingStep *step, const FabPassParts *passes, double hop_s, FabStepTimeline *timeline,
             GError **error)
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
    if (is_split(training)) {
        for (uint32_t i = 0; i < cells; i++)
            times[i].backward_ps -= times[i].weight_ps;
    }
    if (!training->fold) {
        spec.ranks = training->tp * training->cp * training->dp;
        spec.group = training->tp;
    }
    step->pipeline = timeline != NULL ? fab_step_timeline_run(timeline, &spec, is_split(training), error)
                                      : fab_pipeline_run(&spec, error);
    return step->pipeline != NULL;
}

/* Passes are rounded to picoseconds, which leaves a stage that never waits something that is no wait. */
static double
wait_of(double length, double busy)
{
    return length - busy > 1e-9 * length ? length - busy : 0;
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
        const FabPassParts *pass = &passes[step->stage * training->chunks + c];
        for (int i = 0; i < FAB_TIME_PARTS; i++) {
            step->parts[i] += micros * (pass->forward[i] + pass->backward[i]);
            step->forward[i] += micros * pass->forward[i];
        }
    }
    step->parts[FAB_TIME_BUBBLE] = wait_of(length, most);
    step->bubble_share = length > 0 ? step->parts[FAB_TIME_BUBBLE] / length : 0;
}

/* ------------------------------------------------------------------ replicas */

typedef struct {
    FabGroupTimes *times;
    const FabTraining *training;
    double shared, experts; /* parameters */
    double slowdown;        /* of kernels beside a collective, as a share of its time */
} Replicas;

static double
replica_seconds(const Replicas *replicas, FabCollective collective, double width, GError **error)
{
    const FabTraining *training = replicas->training;
    FabGroup group = fab_step_axis_replica(training, 0, false).group;
    FabGroup dealt = fab_step_axis_replica(training, 0, true).group;
    double shared = fab_group_seconds(replicas->times, collective, group, replicas->shared * width, error), experts = 0;

    if (shared >= 0 && replicas->experts > 0)
        experts = fab_group_seconds(replicas->times, collective, dealt, replicas->experts * width, error);
    return shared < 0 || experts < 0 ? -1 : shared + experts;
}

/*
 * What a collective of all gradients or parameters adds to `hidden` seconds of one micro-batch that it goes on beside:
 * its last part, and either what it takes longer than the kernels, or what it slows them down by.
 */
static double
added(const Replicas *replicas, double seconds, double bytes, double hidden)
{
    const FabTraining *training = replicas->training;
    FabGroup group = fab_step_axis_replica(training, 0, false).group;
    bool overlap = training->overlap && !fab_group_is_staged(replicas->times, group);
    double last = training->pp > 1 ? 1.0 / training->chunks : fmin(1, BUCKET_BYTES / fmax(bytes, 1));

    return overlap ? fmax((last + replicas->slowdown * (1 - last)) * seconds, seconds - hidden) : seconds;
}

static bool
account_replicas(FabTrainingStep *step, const FabGpuRates *rates, FabGroupTimes *times, const FabPassParts *passes,
                 GError **error)
{
    const FabTraining *training = step->footprint->training;
    uint64_t shared, experts;
    Replicas replicas = { .times = times, .training = training, .slowdown = rates->stack->overlap_slowdown };
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
    step->parts[FAB_TIME_DATA] = added(&replicas, reduce, bytes, backward);
    step->gather = training->zero > 0 ? added(&replicas, gather, bytes, forward) : 0;
    step->parts[FAB_TIME_DATA] += step->gather;
    if (training->zero == 2)
        step->parts[FAB_TIME_DATA] +=
            (step->micros - 1) * (training->overlap ? fmax(replicas.slowdown * reduce, reduce - backward) : reduce);
    return true;
}

static void
account_optimiser(FabTrainingStep *step, const FabGpuRates *rates)
{
    const FabTraining *training = step->footprint->training;
    double shards = training->zero > 0 ? (double)training->dp * training->cp : 1;
    uint64_t shared, experts;

    if (training->frozen)
        return;
    /* Experts are shared out among the replicas that hold the same ones. */
    fab_memory_parameters(training, step->footprint->model, step->stage, &shared, &experts);
    step->parts[FAB_TIME_OPTIMISER] =
        fab_optimiser_seconds(rates, training, (double)shared / shards +
                              (double)experts / (training->zero > 0 ? shards / training->ep : 1));
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

typedef struct {
    bool applies;
    double faster, slower;
    const char *reason;
} Rule;

/* The first rule that applies; the last one does. */
static const Rule *
rule_of(const Rule *rules)
{
    while (!rules->applies)
        rules++;
    return rules;
}

/*
 * What nine of ten runs were within, by what sets them apart: faster and slower by these shares. `own`: of the machines
 * that constants were fitted to. Others are slower more often than faster, as those that publish are well tuned.
 * docs/training.md says what the shares were taken from and how often they hold.
 */
static void
set_interval(FabTrainingStep *step, bool faults)
{
    bool small = step->footprint->model->experts > COARSE_EXPERTS, whole = fab_model_is_whole(step->footprint->model);
    bool known = strcmp(step->stack->name, "generic") != 0;
    bool fp8 = step->footprint->training->precision == FAB_PRECISION_FP8;
    double residual = step->stack->residual;
    const Rule own[] = {
        { small, 0.50, 0.80, "many small experts" },
        { whole, 0.75, 0.75, "a network given as a whole, whose kernels were not fitted" },
        { !step->fitted, 0.25, 0.25, "no step time of this stack on this GPU generation was fitted" },
        { step->host_bound, 0.18, 0.18, "the host is slower than the GPU, and hosts differ" },
        { step->footprint->model->experts > 0, 0.10, 0.10, "mixture of a few experts" },
        { fp8, 0.13, 0.13, "fp8" },
        { true, residual, residual, "dense model, stack and machine fitted" },
    };
    const Rule others[] = {
        own[0], own[1],
        { !known, 0.35, 0.80, "nothing is known of this software, and software differs most" },
        { step->host_bound, 0.20, 0.60, "the host is slower than the GPU, and hosts differ" },
        { !step->fitted, 0.20, 0.35, own[2].reason },
        { true, 0.13, 0.30, "the stack was fitted to other owners' machines of this GPU" },
    };
    const Rule *near = rule_of(own), *rule = step->at_home ? near : rule_of(others);

    step->own_low = step->seconds / (1 + near->faster);
    step->own_high = step->seconds * (1 + near->slower);
    step->low = step->seconds / (1 + rule->faster);
    step->high = step->seconds * (1 + rule->slower);
    step->reason = faults ? "the range of whole machines, as no step with such a fault was ever measured"
                          : rule->reason;
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

/* ------------------------------------------------------------------ faults that begin or end on the way */

/* What one chunk of the stage did in one state, part by part. */
static void
add_done(const FabTrainingStep *step, const FabStepState *state, uint32_t cell, double parts[FAB_TIME_PARTS],
         double forward[FAB_TIME_PARTS])
{
    const FabTraining *training = step->footprint->training;
    const FabPassParts *pass = &state->passes[cell];
    const double *done = &state->done[(gsize)cell * FAB_PASS_WHOLE];
    double share = training->fold ? 1 : 1.0 / (training->tp * training->cp * training->dp);

    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        parts[i] += share * (done[FAB_PASS_FORWARD] * pass->forward[i] + done[FAB_PASS_BACKWARD] * pass->backward[i]);
        forward[i] += share * done[FAB_PASS_FORWARD] * pass->forward[i];
    }
    if (is_split(training))
        parts[FAB_TIME_MATRIX] += share * (done[FAB_PASS_WEIGHT] - done[FAB_PASS_BACKWARD]) * pass->weights;
}

static void
account_states(FabTrainingStep *step, const FabStepTimeline *timeline)
{
    const FabTraining *training = step->footprint->training;
    double length = (double)fab_graph_length(step->pipeline) * 1e-12, most = -1;
    uint32_t count;
    const FabStepState *states = fab_step_timeline_states(timeline, &count);

    for (uint32_t s = 0; s < training->pp; s++) {
        double parts[FAB_TIME_PARTS] = { 0 }, forward[FAB_TIME_PARTS] = { 0 };
        for (uint32_t k = 0; k < count; k++) {
            for (uint32_t c = 0; c < training->chunks; c++)
                add_done(step, &states[k], s * training->chunks + c, parts, forward);
        }
        if (pass_sum(parts) <= most)
            continue;
        most = pass_sum(parts);
        step->stage = s;
        memcpy(step->parts, parts, sizeof parts);
        memcpy(step->forward, forward, sizeof forward);
    }
    step->parts[FAB_TIME_BUBBLE] = wait_of(length, most);
    step->bubble_share = length > 0 ? step->parts[FAB_TIME_BUBBLE] / length : 0;
}

/* What follows the pipeline. */
typedef struct {
    FabTrainingStep *step;
    FabGroupTimes *times;
    const FabGpuRates *rates;
} Tail;

static double
data_seconds(void *user, const FabStepState *state, GError **error)
{
    Tail *tail = user;
    FabGroupTimes *times = state->faults->any ? state->faults->times : tail->times;
    double *seconds = &tail->step->parts[FAB_TIME_DATA];

    *seconds = 0;
    return account_replicas(tail->step, tail->rates, times, state->passes, error) ? *seconds : -1;
}

static double
optimiser_seconds(void *user, const FabStepState *state, GError **error)
{
    Tail *tail = user;

    (void)error;
    account_optimiser(tail->step, tail->rates);
    return tail->step->parts[FAB_TIME_OPTIMISER] * state->faults->pace[tail->step->stage];
}

static bool
account_tail(Tail *tail, FabStepTimeline *timeline, GError **error)
{
    double begin = (double)fab_graph_length(tail->step->pipeline) * 1e-12, middle, end;

    middle = fab_step_timeline_advance(timeline, begin, data_seconds, tail, error);
    end = middle >= 0 ? fab_step_timeline_advance(timeline, middle, optimiser_seconds, tail, error) : -1;
    tail->step->parts[FAB_TIME_DATA] = middle - begin;
    tail->step->parts[FAB_TIME_OPTIMISER] = end - middle;
    return end >= 0;
}

/* What a step's passes take while the machine is whole, and where they run. */
typedef struct {
    const FabScenario *scenario;
    const FabTopology *topology;
    FabPassSpec spec;
    FabPassParts *passes;
    double hop_s;
} Work;

static bool
run_timed(FabTrainingStep *step, const Work *work, GError **error)
{
    g_autoptr(FabStepTimeline) timeline =
        fab_step_timeline_new(work->scenario, work->topology, &work->spec, work->passes, work->hop_s);
    Tail tail = { step, work->spec.times, work->spec.rates };

    if (!run_pipeline(step, work->passes, work->hop_s, timeline, error))
        return false;
    account_states(step, timeline);
    return account_tail(&tail, timeline, error);
}

/* ------------------------------------------------------------------ the step */

/* A machine that stays as it is: whole, or with faults of the whole run. */
static bool
run_steady(FabTrainingStep *step, const Work *work, GError **error)
{
    const FabTraining *training = step->footprint->training;
    const FabPassSpec *spec = &work->spec;
    g_autofree double *hops = g_new(double, training->pp);
    g_autoptr(FabStepFaults) faults = NULL;
    double hop_s = work->hop_s;

    if (work->scenario->faults->len > 0) {
        faults = fab_step_faults_new(work->scenario, training, work->topology, 0, error);
        if (faults == NULL || !fab_step_faults_hit(faults, spec, work->passes, &hop_s, hops, error))
            return false;
    }
    if (!run_pipeline(step, work->passes, hop_s, NULL, error))
        return false;
    account_pipeline(step, work->passes);
    if (!account_replicas(step, spec->rates, faults != NULL && faults->any ? faults->times : spec->times, work->passes,
                          error))
        return false;
    account_optimiser(step, spec->rates);
    if (faults != NULL)
        step->parts[FAB_TIME_OPTIMISER] *= faults->pace[step->stage];
    return true;
}

static bool
predict(FabTrainingStep *step, const FabScenario *scenario, const FabTopology *topology, FabGroupTimes *times,
        GError **error)
{
    const FabTraining *training = step->footprint->training;
    FabGpuRates rates;
    g_autofree FabPassParts *passes = g_new0(FabPassParts, training->pp * training->chunks);
    Work work = { .scenario = scenario, .topology = topology, .passes = passes,
                  .spec = { .training = training, .model = step->footprint->model, .rates = &rates, .times = times } };

    step->micros = fab_training_micros(training);
    fab_group_times_use(times, training->gpus);
    if (!check_size(training, step->micros, scenario->path, error) ||
        !fab_training_rates(training, topology, scenario->path, &rates, error) ||
        !fab_pass_times(&work.spec, passes, &work.hop_s, error))
        return false;
    step->stack = rates.stack;
    step->fitted = fab_stack_is_fitted(rates.stack,
                                       topology->vertices[topology->gpus[0]].gpu->compute_capability);
    step->at_home = step->fitted && fab_stack_knows(rates.stack, training->measured_on);
    if (!(fab_step_is_timed(scenario) ? run_timed(step, &work, error) : run_steady(step, &work, error)))
        return false;
    summarise(step, &rates);
    set_interval(step, scenario->faults->len > 0);
    return true;
}

/* What a checkpoint holds of each parameter: itself, and with mixed precision an fp32 copy; two moments in fp32. */
static double
checkpoint_bytes(const FabTraining *training, const FabModel *model)
{
    bool wide = training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32;

    return (double)fab_parameters(model).total * ((wide ? 4 : 2 + 4) + 2 * training->moment_bytes);
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
    return predict(step, scenario, topology, times, error) && add_goodput(step, scenario, topology, error)
               ? g_steal_pointer(&step) : NULL;
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

/* The step with one of the faults, or none; negative with an error. *after: the fault begins when it is over. */
static double
seconds_with(const FabScenario *scenario, const FabTopology *topology, FabGroupTimes *times, FabFault *fault,
             bool *after, GError **error)
{
    g_autoptr(GPtrArray) faults = g_ptr_array_new();
    g_autoptr(FabTrainingStep) step = NULL;
    FabScenario other = *scenario;

    if (fault != NULL)
        g_ptr_array_add(faults, fault);
    other.faults = faults;
    step = fab_training_step_new(&other, topology, times, error);
    *after = step != NULL && fault != NULL && fault->start_s >= step->seconds - step->parts[FAB_TIME_SCALE];
    return step != NULL ? step->seconds : -1;
}

bool
fab_training_step_costs(FabTrainingStep *step, const FabScenario *scenario, const FabTopology *topology,
                        GError **error)
{
    g_autoptr(FabTopology) built = NULL;
    g_autoptr(FabGroupTimes) times = NULL;
    bool after;

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
    step->healthy = seconds_with(scenario, topology, times, NULL, &after, error);
    for (guint i = 0; i < scenario->faults->len && step->healthy > 0; i++) {
        FabFault *fault = scenario->faults->pdata[i];
        FabStepFault *cost = g_new0(FabStepFault, 1);
        g_autofree char *what = NULL;
        cost->name = g_strdup(fault->name);
        g_ptr_array_add(step->faults, cost);
        cost->seconds = seconds_with(scenario, topology, times, fault, &after, error);
        if (cost->seconds < 0)
            return false;
        what = fab_fault_describe(fault);
        cost->what = g_strconcat(what, after ? ": the step is over before it begins" : NULL, NULL);
    }
    return step->healthy > 0;
}
