#include "predict/pass-time.h"

#include <math.h>

#include "predict/step-axis.h"
#include "scenario/placement.h"
#include "workload/parameters.h"
#include "workload/skew.h"

/* Shares of a layer's launches that its forward pass, the recomputed one and the backward pass are. */
#define HOST_FORWARD 0.25
#define HOST_BACKWARD 0.5

typedef struct {
    const FabPassSpec *spec;
    GError **error;
    bool failed;      /* the first failure is in *error */
    double payload;   /* of a tensor-parallel collective, bytes */
    double width;     /* bytes of an element */
    double tokens;
} Builder;

static FabGroup
tensor_group(const FabTraining *training)
{
    return fab_step_axis_tensor(training, 0).group;
}

static double
cost(Builder *builder, FabCollective collective, FabGroup group, double bytes)
{
    double seconds = builder->failed ? 0 : fab_group_seconds(builder->spec->times, collective, group, bytes,
                                                             builder->error);

    builder->failed = builder->failed || seconds < 0;
    return fmax(seconds, 0);
}

/* ------------------------------------------------------------------ collectives of a layer */

/* Of a collective that is cut into as many pieces as there are ranks, so that all but the first hide. */
static double
exposed_share(const Builder *builder)
{
    const FabTraining *training = builder->spec->training;
    double pieces = builder->spec->rates->stack->tp_pieces;

    return pieces > 0 && training->sequence_parallel ? fmin(1, pieces / training->tp) : 1;
}

/* Around one block, whose tokens weigh `factor` times those of the layer: gather and scatter, or an all-reduce. */
static double
tensor_block(Builder *builder, double factor, bool again)
{
    const FabTraining *training = builder->spec->training;
    FabGroup group = tensor_group(training);
    double bytes = builder->payload * factor, gather, scatter;

    if (training->tp == 1)
        return 0;
    if (!training->sequence_parallel)
        return cost(builder, FAB_ALL_REDUCE, group, bytes);
    gather = cost(builder, FAB_ALL_GATHER, group, bytes);
    scatter = cost(builder, FAB_REDUCE_SCATTER, group, bytes);
    /* The backward pass gathers the cut input again. */
    return (gather + scatter + (again ? gather : 0)) * exposed_share(builder);
}

static void
add_tensor(Builder *builder, bool experts, double forward[FAB_TIME_PARTS], double backward[FAB_TIME_PARTS])
{
    double factor = experts ? builder->spec->model->experts_per_token : 1;

    forward[FAB_TIME_TENSOR] += tensor_block(builder, 1, false) + tensor_block(builder, factor, false);
    backward[FAB_TIME_TENSOR] += tensor_block(builder, 1, true) + tensor_block(builder, factor, true);
}

/* Tokens travel to their experts and back, in both passes. */
static void
add_experts(Builder *builder, double forward[FAB_TIME_PARTS], double backward[FAB_TIME_PARTS])
{
    const FabTraining *training = builder->spec->training;
    FabGroup group = fab_step_axis_expert(training, 0).group;
    double bytes = builder->payload * builder->spec->model->experts_per_token / training->tp, once;

    if (training->ep == 1)
        return;
    /* The exchange lasts as long as the busiest GPU receives. */
    once = cost(builder, FAB_ALL_TO_ALL, group, bytes * fab_expert_skew(training, builder->spec->model));
    forward[FAB_TIME_EXPERT] += 2 * once;
    backward[FAB_TIME_EXPERT] += 2 * once;
}

/* Keys and values go around the ring while attention works on those at hand. */
static void
add_context(Builder *builder, const FabLayerTimes *times, double forward[FAB_TIME_PARTS],
            double backward[FAB_TIME_PARTS])
{
    const FabTraining *training = builder->spec->training;
    const FabModel *model = builder->spec->model;
    double ranks = training->cp, steps = ranks - 1, once;
    double heads = model->kv_rank > 0 ? model->heads / (double)training->tp
                                      : fmax(model->kv_heads / (double)training->tp, 1);

    if (training->cp == 1)
        return;
    once = cost(builder, FAB_SEND_RECV, fab_step_axis_context(training, 0).group,
                builder->tokens * 2 * heads * model->head_dim * builder->width);
    forward[FAB_TIME_CONTEXT] += fmax(steps * once - times->forward.attention * steps / ranks, 0);
    backward[FAB_TIME_CONTEXT] += fmax(2 * steps * once - times->backward.attention * steps / ranks, 0);
}

/* ------------------------------------------------------------------ one layer */

static void
add_kernels(double parts[FAB_TIME_PARTS], const FabKernelTimes *times)
{
    parts[FAB_TIME_MATRIX] += times->matrix;
    parts[FAB_TIME_ATTENTION] += times->attention;
    parts[FAB_TIME_MEMORY] += times->memory;
}

static double
sum(const double parts[FAB_TIME_PARTS])
{
    double all = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        all += parts[i];
    return all;
}

/* A pass is as long as its launches. */
static void
add_host(double parts[FAB_TIME_PARTS], double floor)
{
    parts[FAB_TIME_HOST] += fmax(floor - sum(parts), 0);
}

/* Compute beside a collective is slower, and what it does not cover is waited for: max(c + slowdown x comm, comm). */
static void
add_shard(const Builder *builder, double parts[FAB_TIME_PARTS], double comm)
{
    double compute = sum(parts), slowdown = builder->spec->rates->stack->overlap_slowdown;

    if (!builder->spec->training->overlap)
        parts[FAB_TIME_SHARD] += comm;
    else
        parts[FAB_TIME_SHARD] += fmax(slowdown * comm, comm - compute);
}

/* ZeRO 3: parameters are gathered before each pass, gradients scattered behind the backward one. */
static void
add_shards(Builder *builder, double parameters, double forward[FAB_TIME_PARTS], double backward[FAB_TIME_PARTS])
{
    const FabTraining *training = builder->spec->training;
    FabGroup group = fab_step_axis_replica(training, 0, false).group;
    double gather, scatter;

    if (training->zero != 3)
        return;
    gather = cost(builder, FAB_ALL_GATHER, group, parameters * builder->width);
    scatter = cost(builder, FAB_REDUCE_SCATTER, group, parameters * fmax(training->gradient_bytes, builder->width / 2));
    add_shard(builder, forward, gather);
    add_shard(builder, backward, gather + (training->frozen ? 0 : scatter));
}

static void
add_recompute(const Builder *builder, const FabLayerTimes *times, const double forward[FAB_TIME_PARTS],
              double backward[FAB_TIME_PARTS])
{
    FabRecompute recompute = builder->spec->training->recompute;

    if (recompute == FAB_RECOMPUTE_SELECTIVE)
        add_kernels(backward, &times->core);
    for (int i = 0; i < FAB_TIME_PARTS && recompute == FAB_RECOMPUTE_FULL; i++)
        backward[i] += forward[i];
}

static double
layer_parameters(const Builder *builder, bool experts)
{
    const FabTraining *training = builder->spec->training;
    FabParameters all = fab_parameters(builder->spec->model);
    const FabLayerParameters *layer = experts ? &all.layer : &all.first;

    return (double)(fab_layer_total(layer) - layer->experts) / training->tp +
           (double)layer->experts / training->tp / training->ep;
}

static FabPassParts
layer_pass(Builder *builder, bool experts)
{
    const FabPassSpec *spec = builder->spec;
    FabLayerTimes times = fab_layer_times(spec->rates, spec->training, spec->model, experts);
    FabPassParts pass = { .weights = times.weights };
    double floor = spec->rates->stack->host_layer_s, back = HOST_BACKWARD;

    add_kernels(pass.forward, &times.forward);
    add_kernels(pass.backward, &times.backward);
    add_tensor(builder, experts, pass.forward, pass.backward);
    if (experts)
        add_experts(builder, pass.forward, pass.backward);
    add_context(builder, &times, pass.forward, pass.backward);
    add_recompute(builder, &times, pass.forward, pass.backward);
    if (spec->training->recompute == FAB_RECOMPUTE_FULL)
        back += HOST_FORWARD;
    add_host(pass.forward, HOST_FORWARD * floor);
    add_host(pass.backward, back * floor);
    add_shards(builder, layer_parameters(builder, experts), pass.forward, pass.backward);
    return pass;
}

/* On one GPU. */
static double
logits_parameters(const FabPassSpec *spec)
{
    return (double)spec->model->hidden * spec->model->vocab / spec->training->tp;
}

/* Logits and loss. */
static FabPassParts
logits_pass(Builder *builder)
{
    const FabPassSpec *spec = builder->spec;
    FabLayerTimes times = fab_logits_times(spec->rates, spec->training, spec->model);
    FabPassParts pass = { .weights = times.weights };
    FabGroup group = tensor_group(spec->training);
    bool cut = spec->training->sequence_parallel && spec->training->tp > 1;

    add_kernels(pass.forward, &times.forward);
    add_kernels(pass.backward, &times.backward);
    if (cut)
        pass.forward[FAB_TIME_TENSOR] = cost(builder, FAB_ALL_GATHER, group, builder->payload);
    if (spec->training->tp > 1)
        pass.backward[FAB_TIME_TENSOR] = cut ? cost(builder, FAB_REDUCE_SCATTER, group, builder->payload)
                                             : cost(builder, FAB_ALL_REDUCE, group, builder->payload);
    add_host(pass.forward, spec->rates->stack->host_ends_s / 2);
    add_host(pass.backward, spec->rates->stack->host_ends_s / 2);
    add_shards(builder, logits_parameters(spec), pass.forward, pass.backward);
    return pass;
}

/* ------------------------------------------------------------------ stages */

static void
add_pass(FabPassParts *sum_of, const FabPassParts *pass, double times)
{
    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        sum_of->forward[i] += times * pass->forward[i];
        sum_of->backward[i] += times * pass->backward[i];
    }
    sum_of->weights += times * pass->weights;
}

/* From one stage to the next: tensor-parallel ranks send a part each, and join them if the sequence is not cut. */
static double
hop_seconds(Builder *builder)
{
    const FabTraining *training = builder->spec->training;
    double seconds;

    if (training->pp == 1)
        return 0;
    seconds = cost(builder, FAB_SEND_RECV, (FabGroup) { 2, fab_placement_stride(training, FAB_AXIS_PP) },
                   builder->payload / training->tp);
    if (!training->sequence_parallel && training->tp > 1)
        seconds += cost(builder, FAB_ALL_GATHER, tensor_group(training), builder->payload);
    return seconds;
}

bool
fab_pass_pieces(const FabPassSpec *spec, FabPassPieces *pieces, GError **error)
{
    const FabTraining *training = spec->training;
    bool wide = training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32;
    Builder builder = { .spec = spec, .error = error, .width = wide ? 4 : 2,
                        .tokens = (double)training->micro_batch * training->sequence / training->cp };

    *pieces = (FabPassPieces) { .width = builder.width, .tokens = builder.tokens };
    builder.payload = pieces->payload = builder.width * builder.tokens * spec->model->hidden;
    pieces->dense = layer_pass(&builder, false);
    pieces->dense_parameters = layer_parameters(&builder, false);
    if (spec->model->experts > 0) {
        pieces->routed = layer_pass(&builder, true);
        pieces->routed_parameters = layer_parameters(&builder, true);
    }
    pieces->logits = logits_pass(&builder);
    pieces->logits_parameters = logits_parameters(spec);
    pieces->hop_s = hop_seconds(&builder);
    return !builder.failed;
}

/* DualPipe does a forward and a backward pass piece by piece in turn: what one exchanges, the other's kernels hide. */
static void
hide_exchange(FabPassParts *pass)
{
    double exchange = pass->forward[FAB_TIME_EXPERT] + pass->backward[FAB_TIME_EXPERT];
    double compute = sum(pass->forward) + sum(pass->backward) - exchange;
    double shown = exchange > 0 ? fmax(exchange - compute, 0) / exchange : 0;

    pass->forward[FAB_TIME_EXPERT] *= shown;
    pass->backward[FAB_TIME_EXPERT] *= shown;
}

bool
fab_pass_times(const FabPassSpec *spec, FabPassParts *passes, double *hop_s, GError **error)
{
    const FabTraining *training = spec->training;
    FabPassPieces pieces;
    double hop, shown = spec->rates->stack->hop_exposed;

    if (!fab_pass_pieces(spec, &pieces, error))
        return false;
    hop = pieces.hop_s;
    for (uint32_t stage = 0; stage < training->pp; stage++) {
        for (uint32_t chunk = 0; chunk < training->chunks; chunk++) {
            FabPassParts *pass = &passes[stage * training->chunks + chunk];
            uint32_t first, count = fab_training_layers(training, spec->model, stage, chunk, &first);
            uint32_t position = fab_training_position(training, stage, chunk);
            uint32_t last = fab_training_positions(training) - 1;
            uint32_t with = 0, ends;
            for (uint32_t i = first; i < first + count; i++)
                with += fab_layer_has_experts(spec->model, i);
            add_pass(pass, &pieces.routed, with);
            add_pass(pass, &pieces.dense, count - with);
            if (position == last)
                add_pass(pass, &pieces.logits, 1);
            if (position > 0)
                pass->forward[FAB_TIME_HOP] += shown * hop;
            if (position < last)
                pass->backward[FAB_TIME_HOP] += shown * hop;
            if (training->schedule == FAB_SCHEDULE_DUALPIPE)
                hide_exchange(pass);
            ends = training->pp > 1 ? (position > 0) + (position < last) : 0;
            pass->forward[FAB_TIME_HOST] += ends * spec->rates->stack->host_hop_s;
            pass->backward[FAB_TIME_HOST] += ends * spec->rates->stack->host_hop_s;
        }
    }
    *hop_s = (1 - shown) * hop;
    return true;
}
