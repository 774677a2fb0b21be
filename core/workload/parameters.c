#include "workload/parameters.h"

static uint64_t
norm_size(const FabModel *model, uint64_t width)
{
    return model->layer_norm && model->norm_bias ? 2 * width : width;
}

static void
count_latent(const FabModel *model, FabLayerParameters *layer)
{
    uint64_t h = model->hidden, heads = model->heads;
    uint64_t query = heads * ((uint64_t)model->nope_dim + model->rope_dim);

    layer->attention = model->q_rank > 0 ? (h + query) * model->q_rank : h * query;
    layer->attention += h * ((uint64_t)model->kv_rank + model->rope_dim);
    layer->attention += model->kv_rank * heads * ((uint64_t)model->nope_dim + model->value_dim);
    layer->attention += heads * model->value_dim * h;
    layer->norms += norm_size(model, model->q_rank) + norm_size(model, model->kv_rank);
}

static void
count_attention(const FabModel *model, FabLayerParameters *layer)
{
    uint64_t h = model->hidden, width = (uint64_t)model->heads * model->head_dim;
    uint64_t qkv = width + 2 * (uint64_t)model->kv_heads * model->head_dim;

    if (model->kv_rank > 0) {
        count_latent(model, layer);
        return;
    }
    layer->attention = h * qkv + width * h;
    if (model->qkv_bias)
        layer->biases += qkv;
    if (model->bias)
        layer->biases += h;
    if (model->qk_norm)
        layer->norms += 2 * (uint64_t)model->head_dim;
}

static FabLayerParameters
count_layer(const FabModel *model, bool experts)
{
    FabLayerParameters layer = { .norms = 2 * norm_size(model, model->hidden) };
    uint64_t h = model->hidden, matrices = model->gated ? 3 : 2;

    count_attention(model, &layer);
    if (experts) {
        layer.expert = matrices * h * model->expert_ffn;
        layer.experts = layer.expert * model->experts;
        layer.dense = matrices * h * model->shared_ffn;
        layer.router = h * model->experts + (model->router_bias ? model->experts : 0);
        return layer;
    }
    layer.dense = matrices * h * model->ffn;
    if (model->bias)
        layer.biases += (matrices - 1) * (uint64_t)model->ffn + h;
    return layer;
}

uint64_t
fab_layer_total(const FabLayerParameters *layer)
{
    return layer->attention + layer->dense + layer->router + layer->experts + layer->biases + layer->norms;
}

bool
fab_layer_has_experts(const FabModel *model, uint32_t index)
{
    return model->experts > 0 && index >= model->dense_layers;
}

FabParameters
fab_parameters(const FabModel *model)
{
    uint64_t h = model->hidden, first = model->experts > 0 ? model->dense_layers : 0;
    FabParameters all = { .layer = count_layer(model, model->experts > 0) };
    uint64_t idle;

    if (fab_model_is_whole(model)) {
        uint64_t count = (uint64_t)model->parameters;
        return (FabParameters) { .layer = { .dense = count }, .first = { .dense = count }, .total = count,
                                 .active = count };
    }
    all.first = first > 0 ? count_layer(model, false) : all.layer;
    all.embedding = h * ((uint64_t)model->vocab + model->positions + model->token_types);
    all.logits = model->tied ? 0 : h * (uint64_t)model->vocab;
    all.ends = norm_size(model, h) + (model->pooler ? h * h + h : 0);
    all.total = all.embedding + all.logits + all.ends + first * fab_layer_total(&all.first) +
                (model->layers - first) * fab_layer_total(&all.layer);
    idle = all.layer.expert * (model->experts - model->experts_per_token) * (model->layers - first);
    all.active = all.total - idle;
    return all;
}

/* Products of queries with keys and of scores with values, for one token. */
static double
attention_core(const FabModel *model, double sequence)
{
    double heads = model->heads;

    if (model->kv_rank > 0)
        return 2 * heads * sequence * ((double)model->nope_dim + model->rope_dim + model->value_dim);
    return 4 * heads * sequence * model->head_dim;
}

double
fab_forward_flops(const FabModel *model, double sequence)
{
    FabParameters all = fab_parameters(model);
    double first = model->experts > 0 ? model->dense_layers : 0, usual = model->layers - first;
    double active = (double)(all.layer.attention + all.layer.dense + all.layer.router) +
                    (double)all.layer.expert * model->experts_per_token;
    double matrices = usual * active + first * (double)(all.first.attention + all.first.dense) +
                      (double)model->hidden * model->vocab;

    if (fab_model_is_whole(model))
        return model->sample_flops;
    return 2 * matrices + model->layers * attention_core(model, sequence);
}
