#include <inttypes.h>

#include "report/stream.h"
#include "report/training.h"
#include "workload/parameters.h"

static void
print_count(FILE *out, const char *what, uint64_t count)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (count > 0)
        fprintf(out, "  %-34s %18" PRIu64 "  %9s G\n", what, count, fab_stream_fixed((double)count / 1e9, 3, text));
}

static void
print_layer(FILE *out, const char *what, const FabLayerParameters *layer)
{
    fprintf(out, "%s\n", what);
    print_count(out, "attention", layer->attention);
    print_count(out, "feed-forward", layer->dense);
    print_count(out, "router", layer->router);
    print_count(out, "routed experts", layer->experts);
    print_count(out, "biases and norms", layer->biases + layer->norms);
    print_count(out, "all", fab_layer_total(layer));
}

static void
print_shape(FILE *out, const FabModel *model)
{
    fprintf(out, "%s%s%s\n", model->name != NULL ? model->name : "model", model->title != NULL ? ": " : "",
            model->title != NULL ? model->title : "");
    fprintf(out, "  %u layers, hidden %u, %u heads of %u", model->layers, model->hidden, model->heads, model->head_dim);
    if (model->kv_rank > 0)
        fprintf(out, ", keys and values compressed to %u", model->kv_rank);
    else if (model->kv_heads != model->heads)
        fprintf(out, ", %u for keys and values", model->kv_heads);
    fprintf(out, "\n  ");
    if (model->ffn > 0)
        fprintf(out, "feed-forward %u%s, ", model->ffn, model->gated ? " gated" : "");
    if (model->experts > 0)
        fprintf(out, "%u experts of %u, %u for a token, ", model->experts, model->expert_ffn, model->experts_per_token);
    fprintf(out, "vocabulary %u%s\n", model->vocab, model->tied ? " (tied)" : "");
}

void
fab_report_model(const FabModel *model, uint32_t sequence, FILE *out)
{
    FabParameters all = fab_parameters(model);
    uint64_t cache = model->kv_rank > 0 ? (uint64_t)model->kv_rank + model->rope_dim
                                        : 2 * (uint64_t)model->kv_heads * model->head_dim;
    char text[G_ASCII_DTOSTR_BUF_SIZE], elements[G_ASCII_DTOSTR_BUF_SIZE];

    if (fab_model_is_whole(model)) {
        fprintf(out, "%s%s%s\n  given as a whole, no transformer\nmodel\n", model->name != NULL ? model->name : "model",
                model->title != NULL ? ": " : "", model->title != NULL ? model->title : "");
        print_count(out, "all", all.total);
        fprintf(out, "sample\n  %-34s %18s\n  %-34s %18s\n", "GFLOP, forward and backward",
                fab_stream_fixed(3 * model->sample_flops / 1e9, 3, text), "results of layers",
                fab_stream_fixed(model->sample_elements, 0, elements));
        return;
    }
    print_shape(out, model);
    print_layer(out, model->experts > 0 && model->dense_layers > 0 ? "layer with experts" : "layer", &all.layer);
    if (model->experts > 0 && model->dense_layers > 0)
        print_layer(out, "layer without experts", &all.first);
    fprintf(out, "model\n");
    print_count(out, "embedding", all.embedding);
    print_count(out, "logits", all.logits);
    print_count(out, "all", all.total);
    if (all.active != all.total)
        print_count(out, "that a token meets", all.active);
    fprintf(out, "token\n  %-34s %18" PRIu64 "\n", "bytes of cache, 16 bit", 2 * cache * model->layers);
    if (sequence > 0)
        fprintf(out, "  %-34s %18s  at %u tokens\n", "GFLOP, forward and backward",
                fab_stream_fixed(3 * fab_forward_flops(model, sequence) / 1e9, 3, text), sequence);
}
