#include "workload/kernel.h"

#include <math.h>
#include <stddef.h>

#include "workload/skew.h"

#define LAUNCH_GAP_S 3e-6       /* between two kernels of a stream that the host keeps fed */
/* Read and written for each parameter: fp16 with fp32 masters, unscale and norm passes. */
#define OPTIMISER_BYTES 36.0
/* The bytes below are those of steps in 16 bit; with four bytes an element they are twice as many. */
#define WIDE 2.0
/* Bytes that norms, residuals and dropout move for each element of T h. */
#define NORM_FORWARD 22.0
#define NORM_BACKWARD 30.0
/* Bytes of rotary embedding and reshapes for each element of queries, keys and values. */
#define SHAPE_FORWARD 4.0
#define SHAPE_BACKWARD 6.0
/* Bytes of casts to fp8 for each element that enters a product. */
#define CAST_FORWARD 3.0
#define CAST_BACKWARD 4.5
/* Bytes of softmax and dropout for each score that is written out. */
#define SCORE_FORWARD 9.0
#define SCORE_BACKWARD 11.0

/*
 * Bytes of sorting tokens by their experts and back, for each element of a token: each of its k copies is written and
 * read again; where experts lie on several GPUs, once more behind each exchange.
 */
#define SORT_ONCE(k) (4.0 * (1 + (k)))
#define SORT_AGAIN(k) (8.0 * (k))

/* Of the tokens of a model that looks ahead, those that it must guess: 15 % (BERT, arXiv 1810.04805). */
#define MASKED_SHARE 0.15

/* Tiles of thread blocks, and the share of the rate that each reaches. */
static const struct {
    double rows, columns, factor;
} tiles[] = { { 128, 256, 1 },   { 256, 128, 1 },    { 128, 128, 0.88 }, { 64, 256, 0.8 },
              { 256, 64, 0.8 },  { 128, 64, 0.7 },   { 64, 128, 0.7 },   { 64, 64, 0.55 } };

/* What the clock leaves of a peak. */
static double
held(const FabGpuRates *rates, double peak)
{
    return rates->clock > 0 ? rates->clock * peak : peak;
}

double
fab_gemm_bytes(const FabGpuRates *rates, double m, double n, double k, double batch)
{
    double width = rates->fp8 ? 1 : rates->wide ? 4 : 2, result = rates->wide ? 4 : 2;

    return batch * (width * (m * k + k * n) + result * m * n);
}

double
fab_gemm_seconds(const FabGpuRates *rates, double m, double n, double k, double batch)
{
    const FabStack *stack = rates->stack;
    double share = rates->fp8 ? stack->gemm_share_fp8 : stack->gemm_share;
    double extra = rates->fp8 ? stack->tile_columns_fp8 : stack->tile_columns;
    double moved = fab_gemm_bytes(rates, m, n, k, batch) / (rates->memory * stack->memory_share), best = INFINITY;

    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        double count = ceil(m / tiles[i].rows) * ceil(n / tiles[i].columns) * batch;
        double waves = ceil(count / rates->sms);
        double rate = held(rates, rates->peak) / rates->sms * share * tiles[i].factor;
        best = fmin(best, waves * 2 * tiles[i].rows * tiles[i].columns * (k + extra) / rate);
    }
    return fmax(best, moved) + LAUNCH_GAP_S;
}

/* ------------------------------------------------------------------ one layer */

typedef struct {
    const FabGpuRates *rates;
    const FabTraining *training;
    const FabModel *model;
    double tokens, tp;
    FabLayerTimes times;
} Layer;

static double
move_exactly(const Layer *layer, double bytes)
{
    return bytes / (layer->rates->memory * layer->rates->stack->memory_share);
}

/* So many bytes of elements of 16 bit, were they such. */
static double
move(const Layer *layer, double bytes)
{
    return move_exactly(layer, layer->rates->wide ? WIDE * bytes : bytes);
}

/* A linear map of `rows` x `in` to `rows` x `out`, forward, and the two products of its backward pass. */
static void
add_linear(Layer *layer, double rows, double out, double in, double batch, double factor)
{
    const FabGpuRates *rates = layer->rates;
    double weights = layer->training->frozen ? 0 : factor * fab_gemm_seconds(rates, in, out, rows, batch);

    layer->times.forward.matrix += factor * fab_gemm_seconds(rates, rows, out, in, batch);
    layer->times.backward.matrix += factor * fab_gemm_seconds(rates, rows, in, out, batch) + weights;
    layer->times.weights += weights;
    if (rates->fp8) {
        layer->times.forward.memory += move(layer, CAST_FORWARD * rows * in * batch);
        layer->times.backward.memory += move(layer, CAST_BACKWARD * rows * in * batch);
    }
}

/* Scores are written out: two batched products forward, four backward, softmax and dropout as traffic. */
static void
add_plain_attention(Layer *layer, double heads, double size, double value_size)
{
    FabGpuRates rates = *layer->rates;
    double s = layer->training->sequence, rows = s / layer->training->cp;
    double batch = layer->training->micro_batch * heads, scores = batch * rows * s, forward, backward;

    rates.peak = rates.peak_16;
    rates.fp8 = false;
    forward = fab_gemm_seconds(&rates, rows, s, size, batch) + fab_gemm_seconds(&rates, rows, value_size, s, batch);
    backward = fab_gemm_seconds(&rates, rows, s, value_size, batch) +
               fab_gemm_seconds(&rates, s, value_size, rows, batch) + fab_gemm_seconds(&rates, rows, size, s, batch) +
               fab_gemm_seconds(&rates, s, size, rows, batch);
    layer->times.core.attention = forward;
    layer->times.core.memory = move(layer, SCORE_FORWARD * scores);
    layer->times.forward.attention += forward;
    layer->times.forward.memory += layer->times.core.memory;
    layer->times.backward.attention += backward;
    layer->times.backward.memory += move(layer, SCORE_BACKWARD * scores);
}

/* Of one token in one layer on one GPU, 16 bit. */
static double
cache_bytes(const Layer *layer)
{
    const FabModel *model = layer->model;

    if (model->kv_rank > 0)
        return 2.0 * ((double)model->kv_rank + model->rope_dim);
    return 4.0 * fmax(model->kv_heads / layer->tp, 1) * model->head_dim;
}

static void
add_flash_attention(Layer *layer, double heads, double size, double value_size)
{
    const FabStack *stack = layer->rates->stack;
    const FabTraining *training = layer->training;
    double peak = held(layer->rates, layer->rates->peak_16);
    bool decode = training->inference && training->sequence == 1;
    double keys = decode ? training->context : training->sequence;
    double flops = 2 * layer->tokens * keys * heads * (size + value_size);

    flops *= layer->model->causal && !decode ? 0.5 : 1;
    /* Each token reads the cache of its sequence. */
    if (decode)
        layer->times.forward.memory += move_exactly(layer, layer->tokens * keys * cache_bytes(layer));
    layer->times.core.attention = flops / (peak * stack->flash_forward);
    layer->times.forward.attention += layer->times.core.attention;
    layer->times.backward.attention += 2.5 * flops / (peak * stack->flash_backward);
}

static void
add_attention(Layer *layer)
{
    const FabModel *model = layer->model;
    double t = layer->tokens, h = model->hidden, tp = layer->tp, heads = model->heads / tp;
    double size = model->head_dim, value_size = model->head_dim, kv = fmax(model->kv_heads / tp, 1), shaped;

    if (model->kv_rank > 0) {
        size = (double)model->nope_dim + model->rope_dim;
        value_size = model->value_dim;
        if (model->q_rank > 0)
            add_linear(layer, t, model->q_rank, h, 1, 1);
        add_linear(layer, t, heads * size, model->q_rank > 0 ? model->q_rank : h, 1, 1);
        add_linear(layer, t, (double)model->kv_rank + model->rope_dim, h, 1, 1);
        add_linear(layer, t, heads * (model->nope_dim + value_size), model->kv_rank, 1, 1);
        shaped = t * heads * (2 * size + value_size);
    } else {
        add_linear(layer, t, (heads + 2 * kv) * size, h, 1, 1);
        shaped = t * (heads + 2 * kv) * size;
    }
    add_linear(layer, t, h, heads * value_size, 1, 1);
    layer->times.forward.memory += move(layer, SHAPE_FORWARD * shaped);
    layer->times.backward.memory += move(layer, SHAPE_BACKWARD * shaped);
    if (layer->training->flash)
        add_flash_attention(layer, heads, size, value_size);
    else
        add_plain_attention(layer, heads, size, value_size);
}

/* `copies` blocks of `rows` tokens each. */
static void
add_block(Layer *layer, double rows, double width, double copies, double factor)
{
    double gates = layer->model->gated ? 2 : 1, h = layer->model->hidden, bytes = gates > 1 ? 6 : 4;

    add_linear(layer, rows, gates * width, h, copies, factor);
    add_linear(layer, rows, h, width, copies, factor);
    layer->times.forward.memory += move(layer, bytes * rows * width * copies);
    layer->times.backward.memory += move(layer, 2 * bytes * rows * width * copies);
}

static void
add_experts(Layer *layer)
{
    const FabModel *model = layer->model;
    double local = (double)model->experts / layer->training->ep, rows, sorted;

    /* Few tokens visit few experts, and only those are read. */
    if (layer->training->inference)
        local *= 1 - pow(1 - (double)model->experts_per_token / model->experts, layer->tokens * layer->training->ep);
    /* All wait for the GPU whose experts are asked for most. */
    rows = layer->tokens * model->experts_per_token / local * fab_expert_skew(layer->training, model);

    add_linear(layer, layer->tokens, model->experts, model->hidden, 1, 1);
    add_block(layer, rows, model->expert_ffn / layer->tp, local,
              layer->rates->fp8 ? layer->rates->stack->moe_factor_fp8 : layer->rates->stack->moe_factor);
    sorted = SORT_ONCE(model->experts_per_token) + (layer->training->ep > 1 ? SORT_AGAIN(model->experts_per_token) : 0);
    sorted = move(layer, sorted * layer->tokens * model->hidden / (layer->training->sequence_parallel ? layer->tp : 1));
    layer->times.forward.memory += sorted;
    layer->times.backward.memory += sorted;
    if (model->shared_ffn > 0)
        add_block(layer, layer->tokens, model->shared_ffn / layer->tp, 1, 1);
}

static Layer
layer_new(const FabGpuRates *rates, const FabTraining *training, const FabModel *model)
{
    return (Layer) { .rates = rates, .training = training, .model = model, .tp = training->tp,
                     .tokens = (double)training->micro_batch * training->sequence / training->cp };
}

/*
 * A network of convolutions, each with its norm and activation (ResNet-50 is one), as PyTorch does it kernel by kernel.
 * Times that each result of a layer is read or written, forward: convolution 2, norm 3, activation 2, a third of an
 * addition; backward: activation 3, norm 5, inputs 2, weights 2, the addition's.
 */
#define CONVOLUTION_FORWARD 7.3
#define CONVOLUTION_BACKWARD 12.7

static FabLayerTimes
whole_times(const Layer *layer)
{
    const FabGpuRates *rates = layer->rates;
    double share = rates->fp8 ? rates->stack->gemm_share_fp8 : rates->stack->gemm_share;
    double bytes = 2 * layer->tokens * layer->model->sample_elements;
    double products = layer->tokens * layer->model->sample_flops / (held(rates, rates->peak) * share);

    return (FabLayerTimes) {
        .forward = { .matrix = products, .memory = move(layer, CONVOLUTION_FORWARD * bytes) },
        .backward = { .matrix = 2 * products, .memory = move(layer, CONVOLUTION_BACKWARD * bytes) },
        .weights = products,
    };
}

FabLayerTimes
fab_layer_times(const FabGpuRates *rates, const FabTraining *training, const FabModel *model, bool experts)
{
    Layer layer = layer_new(rates, training, model);
    double elements = layer.tokens * model->hidden / (training->sequence_parallel ? layer.tp : 1);

    if (fab_model_is_whole(model))
        return whole_times(&layer);
    add_attention(&layer);
    if (experts)
        add_experts(&layer);
    else
        add_block(&layer, layer.tokens, model->ffn / layer.tp, 1, 1);
    layer.times.forward.memory += move(&layer, NORM_FORWARD * elements);
    layer.times.backward.memory += move(&layer, NORM_BACKWARD * elements);
    return layer.times;
}

FabLayerTimes
fab_logits_times(const FabGpuRates *rates, const FabTraining *training, const FabModel *model)
{
    FabGpuRates wide = *rates;
    Layer layer = layer_new(&wide, training, model);
    double loss;

    if (fab_model_is_whole(model))
        return (FabLayerTimes) { .weights = 0 };
    /* Logits stay in 16 bit where the layers are fp8. */
    if (rates->fp8) {
        wide.fp8 = false;
        wide.peak = wide.peak_16;
    }
    if (!model->causal)
        layer.tokens *= MASKED_SHARE;
    /* Only the next token of each sequence is asked for. */
    if (training->inference)
        layer.tokens = training->micro_batch;
    add_linear(&layer, layer.tokens, model->vocab / layer.tp, model->hidden, 1, 1);
    /* Most of them are of sums in fp32 anyway. */
    loss = move_exactly(&layer, rates->stack->logit_bytes * layer.tokens * model->vocab / layer.tp);
    layer.times.forward.memory += loss / 2;
    layer.times.backward.memory += loss / 2;
    return layer.times;
}

double
fab_optimiser_seconds(const FabGpuRates *rates, const FabTraining *training, double parameters)
{
    /* Two moments are read and written. */
    double bytes = OPTIMISER_BYTES - 4.0 * (4 - training->moment_bytes);

    return bytes * parameters / (rates->memory * rates->stack->memory_share);
}
