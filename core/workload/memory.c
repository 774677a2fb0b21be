#include "workload/memory.h"

#include <string.h>

#include "scenario/placement.h"
#include "workload/parameters.h"
#include "workload/schedule.h"
#include "workload/skew.h"

/* Sources and reasons of these: docs/memory.md. */
#define CONTEXT_BYTES (UINT64_C(1) << 30)      /* CUDA context, kernels, workspaces of the libraries */
#define COMMUNICATOR_BYTES (UINT64_C(1) << 27) /* NCCL: 16 channels x 2 neighbours x 4 MiB */
#define BUCKET_BYTES (UINT64_C(25) << 20)      /* PyTorch DDP's bucket; two are on the way */
#define MOST_DOUBLINGS 6                       /* of the machines, where nothing fits on those there are */
#define GATHERED_LAYERS 2                      /* ZeRO-3: the layer at work and the one fetched ahead */

const char *const fab_memory_part_names[] = { "parameters", "gradients", "optimiser", "activations",
                                              "cache",      "working",   "buffers",   NULL };

static bool
is_single_precision(const FabTraining *training)
{
    return training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32;
}

static double
element_bytes(const FabTraining *training)
{
    return is_single_precision(training) ? 4 : 2;
}

/* GPT-2 and its kin drop out behind attention and feed-forward block, and keep the masks. */
static bool
has_dropout(const FabModel *model)
{
    return model->layer_norm && model->bias;
}

static double
tokens(const FabTraining *training)
{
    return (double)training->micro_batch * training->sequence / training->cp;
}

/* ------------------------------------------------------------------ parameters */

/* Heads of keys and values on one GPU: at least one. */
static uint64_t
kv_heads_here(const FabTraining *training, const FabModel *model)
{
    return MAX(model->kv_heads / training->tp, 1);
}

static uint64_t
attention_here(const FabTraining *training, const FabModel *model, const FabLayerParameters *layer)
{
    uint64_t h = model->hidden, tp = training->tp, down;

    if (model->kv_rank == 0)
        return 2 * h * model->heads / tp * model->head_dim + 2 * h * kv_heads_here(training, model) * model->head_dim;
    /* The matrices that compress are whole on every GPU. */
    down = h * ((uint64_t)model->q_rank + model->kv_rank + model->rope_dim);
    return down + (layer->attention - down) / tp;
}

/* Biases behind matrices that are cut by rows are whole on every GPU. */
static uint64_t
biases_here(const FabTraining *training, const FabModel *model, const FabLayerParameters *layer)
{
    uint64_t whole = model->bias ? 2 * (uint64_t)model->hidden : 0;

    whole = MIN(whole, layer->biases);
    return whole + (layer->biases - whole) / training->tp;
}

static uint64_t
layer_here(const FabTraining *training, const FabModel *model, const FabLayerParameters *layer)
{
    return attention_here(training, model, layer) + layer->dense / training->tp + layer->router + layer->norms +
           biases_here(training, model, layer);
}

/* Whether a chunk of the stage lies at a place of the model: its first has the embedding, its last the logits. */
static bool
is_at(const FabTraining *training, uint32_t stage, uint32_t position)
{
    for (uint32_t chunk = 0; chunk < training->chunks; chunk++) {
        if (fab_training_position(training, stage, chunk) == position)
            return true;
    }
    return false;
}

void
fab_memory_parameters(const FabTraining *training, const FabModel *model, uint32_t stage, uint64_t *shared,
                      uint64_t *experts)
{
    FabParameters all = fab_parameters(model);
    uint64_t table = (uint64_t)model->vocab * model->hidden;

    *shared = *experts = 0;
    if (fab_model_is_whole(model)) {
        *shared = all.total;
        return;
    }
    for (uint32_t chunk = 0; chunk < training->chunks; chunk++) {
        uint32_t first, count = fab_training_layers(training, model, stage, chunk, &first);
        for (uint32_t i = first; i < first + count; i++) {
            bool routed = fab_layer_has_experts(model, i);
            *shared += layer_here(training, model, routed ? &all.layer : &all.first);
            *experts += routed ? all.layer.experts / training->ep / training->tp : 0;
        }
    }
    if (is_at(training, stage, 0))
        *shared += table / training->tp + (all.embedding - table);
    if (is_at(training, stage, fab_training_positions(training) - 1)) {
        *shared += all.ends;
        /* A tied matrix is on the last stage once more. */
        if (!model->tied || training->pp > 1)
            *shared += table / training->tp;
    }
}

/* ------------------------------------------------------------------ activations */

/* Elements for each token that tensor parallelism cuts, and those that it does not. */
static void
attention_elements(const FabTraining *training, const FabModel *model, double *cut, double *whole)
{
    double tp = training->tp, heads = model->heads;

    *whole = 2.0 * model->hidden; /* inputs of the norm and of the projections */
    if (model->kv_rank > 0) {
        *whole += (double)model->q_rank + model->kv_rank + model->rope_dim;
        *cut = heads * (2.0 * ((double)model->nope_dim + model->rope_dim) + 2.0 * model->value_dim);
        return;
    }
    *cut = 2 * heads * model->head_dim + 2 * tp * (double)kv_heads_here(training, model) * model->head_dim;
}

static void
block_elements(const FabTraining *training, const FabModel *model, bool experts, double *cut, double *whole)
{
    double copies = model->gated ? 3 : 2, visits;

    *whole = 2.0 * model->hidden;
    if (!experts) {
        *cut = copies * model->ffn;
        return;
    }
    /* Every token is copied for each expert that it visits, and comes back once from each; the busiest GPU has most. */
    visits = model->experts_per_token * fab_expert_skew(training, model);
    *whole += 2.0 * visits * model->hidden;
    *cut = copies * (visits * model->expert_ffn + model->shared_ffn);
}

/* Probabilities, their mask and what is left after dropout: 2 + 1 + 2 bytes a score (arXiv 2205.05198). */
static double
score_bytes(const FabTraining *training, const FabModel *model)
{
    double scores = tokens(training) * training->sequence * model->heads / training->tp;

    return scores * (2 * element_bytes(training) + (has_dropout(model) ? 1 : 0));
}

double
fab_memory_layer_activations(const FabTraining *training, const FabModel *model, uint32_t layer, FabRecompute recompute)
{
    double t = tokens(training), tp = training->tp, width = element_bytes(training), whole_cut, whole;
    double attention_cut, attention_whole, block_cut, block_whole, bytes;

    /* The result of every layer, and what its norm makes of it. */
    if (fab_model_is_whole(model))
        return t * 2 * model->sample_elements * width;
    whole_cut = training->sequence_parallel ? tp : 1;
    if (recompute == FAB_RECOMPUTE_FULL)
        return t * model->hidden * width / whole_cut;
    attention_elements(training, model, &attention_cut, &attention_whole);
    block_elements(training, model, fab_layer_has_experts(model, layer), &block_cut, &block_whole);
    whole = (attention_whole + block_whole) * width + (has_dropout(model) ? 2.0 * model->hidden : 0);
    bytes = t * (whole / whole_cut + (attention_cut + block_cut) * width / tp);
    if (training->flash)
        return bytes + t * 4 * model->heads / tp; /* the sum of each row's exponentials, fp32 */
    return bytes + (recompute == FAB_RECOMPUTE_NONE ? score_bytes(training, model) : 0);
}

/* All layers of a stage, one micro-batch. */
static double
stage_activations(const FabTraining *training, const FabModel *model, uint32_t stage)
{
    double bytes = 0, cut = training->sequence_parallel ? training->tp : 1;

    for (uint32_t chunk = 0; chunk < training->chunks; chunk++) {
        uint32_t first, count = fab_training_layers(training, model, stage, chunk, &first);
        for (uint32_t i = first; i < first + count; i++)
            bytes += fab_memory_layer_activations(training, model, i, training->recompute);
    }
    if (is_at(training, stage, 0) && has_dropout(model))
        bytes += tokens(training) * model->hidden / cut;
    return bytes;
}

static FabPipeline
pipeline_of(const FabTraining *training)
{
    return (FabPipeline) { training->schedule, training->pp, training->chunks, fab_training_micros(training) };
}

/* ------------------------------------------------------------------ the account */

static double
working_bytes(const FabTraining *training, const FabModel *model, uint32_t stage)
{
    FabParameters all = fab_parameters(model);
    double bytes = 0, t = tokens(training), largest = (double)layer_here(training, model, &all.layer);

    largest += (double)(all.layer.experts / training->ep / training->tp);
    if (training->recompute == FAB_RECOMPUTE_FULL)
        bytes += fab_memory_layer_activations(training, model, model->layers - 1, FAB_RECOMPUTE_NONE);
    else if (training->recompute == FAB_RECOMPUTE_SELECTIVE && !training->flash)
        bytes += score_bytes(training, model);
    /* Logits and their fp32 copy, the input of the last norm and of the logits. */
    if (is_at(training, stage, fab_training_positions(training) - 1))
        bytes += t * model->vocab / training->tp * (4 + element_bytes(training)) +
                 t * 2 * element_bytes(training) * model->hidden;
    if (training->zero == 3)
        bytes += largest * (GATHERED_LAYERS * element_bytes(training) + training->gradient_bytes);
    return bytes;
}

static uint64_t
buffer_bytes(const FabTraining *training)
{
    uint64_t groups = (training->tp > 1) + (training->cp > 1) + (training->pp > 1) + (training->ep > 1);

    groups += training->dp > 1;
    return CONTEXT_BYTES + groups * COMMUNICATOR_BYTES + (training->dp > 1 ? 2 * BUCKET_BYTES : 0);
}

/* Bytes of keys and values of one token on one GPU of a stage, 16 bit unless all is fp32. */
static double
stage_cache(const FabTraining *training, const FabModel *model, uint32_t stage)
{
    uint32_t layers = fab_training_layers(training, model, stage, 0, NULL);

    return fab_memory_cache_per_token(training, model) * training->pp * layers / model->layers;
}

/* Weights, the cache of all sequences at their longest, one layer of the prompts at work. */
static FabStageMemory
inference_stage(const FabTraining *training, const FabModel *model, uint32_t stage, uint64_t parameters)
{
    FabStageMemory memory = { .parameters = parameters, .in_flight = 1 };
    double width = training->precision == FAB_PRECISION_FP8 ? 1 : element_bytes(training);

    memory.parts[FAB_MEMORY_PARAMETERS] = (uint64_t)((double)parameters * width);
    memory.parts[FAB_MEMORY_CACHE] =
        (uint64_t)(stage_cache(training, model, stage) * training->micro_batch * training->context);
    memory.parts[FAB_MEMORY_WORKING] =
        (uint64_t)fab_memory_layer_activations(training, model, model->layers - 1, FAB_RECOMPUTE_NONE);
    memory.parts[FAB_MEMORY_BUFFERS] = buffer_bytes(training);
    for (int i = 0; i < FAB_MEMORY_PARTS; i++)
        memory.total += memory.parts[i];
    return memory;
}

FabStageMemory
fab_memory_stage(const FabTraining *training, const FabModel *model, uint32_t stage)
{
    uint64_t shared, experts, shards = (uint64_t)training->dp * training->cp;
    uint64_t width = (uint64_t)element_bytes(training), state = is_single_precision(training) ? 0 : 4;
    FabPipeline pipeline = pipeline_of(training);
    FabStageMemory memory = { .in_flight = fab_schedule_in_flight(&pipeline, stage) };
    uint64_t cut[4];

    state += 2 * (uint64_t)training->moment_bytes; /* beside the fp32 copy of narrower parameters */
    fab_memory_parameters(training, model, stage, &shared, &experts);
    memory.parameters = shared + experts;
    if (training->inference)
        return inference_stage(training, model, stage, memory.parameters);
    /* cut[z]: parameters whose share is kept when ZeRO's stage z shards it; the last piece is the largest. */
    for (uint32_t z = 1; z <= 3; z++)
        cut[z] = training->zero >= z ? (shared + shards - 1) / shards +
                                           (experts + shards / training->ep - 1) / (shards / training->ep)
                                     : memory.parameters;
    memory.parts[FAB_MEMORY_PARAMETERS] = cut[3] * width;
    if (!training->frozen) {
        memory.parts[FAB_MEMORY_GRADIENTS] = cut[2] * (width == 4 ? 4 : training->gradient_bytes);
        memory.parts[FAB_MEMORY_OPTIMISER] = cut[1] * state;
    }
    memory.parts[FAB_MEMORY_ACTIVATIONS] =
        (uint64_t)(stage_activations(training, model, stage) * memory.in_flight / training->chunks);
    memory.parts[FAB_MEMORY_WORKING] = (uint64_t)working_bytes(training, model, stage);
    memory.parts[FAB_MEMORY_BUFFERS] = buffer_bytes(training);
    for (int i = 0; i < FAB_MEMORY_PARTS; i++)
        memory.total += memory.parts[i];
    return memory;
}

uint32_t
fab_memory_rank(const FabTraining *training, uint32_t stage)
{
    return fab_placement_rank(training, stage, 0);
}

double
fab_memory_cache_per_token(const FabTraining *training, const FabModel *model)
{
    double elements = model->kv_rank > 0 ? (double)model->kv_rank + model->rope_dim
                                         : 2.0 * (double)kv_heads_here(training, model) * model->head_dim;

    return elements * element_bytes(training) * model->layers / training->pp;
}

static FabFit
fit_of(uint64_t total, uint64_t capacity, uint64_t allowance)
{
    return total + allowance <= capacity ? FAB_FIT_YES : total <= capacity ? FAB_FIT_TIGHT : FAB_FIT_NO;
}

static FabMemory *
account(const FabTraining *training, const FabModel *model, uint64_t capacity)
{
    FabMemory *memory = g_new0(FabMemory, 1);

    memory->count = training->pp;
    memory->stages = g_new(FabStageMemory, training->pp);
    memory->capacity = capacity;
    memory->allowance = capacity / 20 * 3;
    for (uint32_t stage = 0; stage < training->pp; stage++) {
        memory->stages[stage] = fab_memory_stage(training, model, stage);
        if (memory->stages[stage].total > memory->stages[memory->fullest].total)
            memory->fullest = stage;
    }
    memory->fit = fit_of(memory->stages[memory->fullest].total, capacity, memory->allowance);
    return memory;
}

/* ------------------------------------------------------------------ what would make it fit */

/* One change of a key, in the order in which they cost time; false: it does not apply. */
typedef bool (*Change)(FabTraining *training, GString *words);

static bool
change_zero_1(FabTraining *training, GString *words)
{
    if (training->inference || training->zero > 0 || training->dp * training->cp == 1)
        return false;
    training->zero = 1;
    g_string_append(words, "zero=1");
    return true;
}

static bool
change_sequence_parallel(FabTraining *training, GString *words)
{
    if (training->inference || training->sequence_parallel || training->tp == 1)
        return false;
    training->sequence_parallel = true;
    g_string_append(words, "sequence_parallel=yes");
    return true;
}

static bool
change_selective(FabTraining *training, GString *words)
{
    if (training->flash || training->recompute != FAB_RECOMPUTE_NONE)
        return false;
    training->recompute = FAB_RECOMPUTE_SELECTIVE;
    g_string_append(words, "recompute=selective");
    return true;
}

static bool
change_micro_batch(FabTraining *training, GString *words)
{
    if (training->micro_batch % 2 != 0)
        return false;
    training->micro_batch /= 2;
    g_string_append_printf(words, "%s=%u", training->inference ? "batch" : "micro_batch", training->micro_batch);
    return true;
}

static bool
change_full(FabTraining *training, GString *words)
{
    if (training->inference || training->recompute == FAB_RECOMPUTE_FULL)
        return false;
    training->recompute = FAB_RECOMPUTE_FULL;
    g_string_append(words, "recompute=full");
    return true;
}

static bool
change_zero_3(FabTraining *training, GString *words)
{
    if (training->inference || training->zero == 3 || training->pp > 1 || training->dp * training->cp == 1)
        return false;
    training->zero = 3;
    g_string_append(words, "zero=3");
    return true;
}

static bool
change_tp(FabTraining *training, GString *words)
{
    if (training->dp % 2 != 0)
        return false;
    training->dp /= 2;
    training->tp *= 2;
    g_string_append_printf(words, "tp=%u dp=%u", training->tp, training->dp);
    return true;
}

static bool
change_pp(FabTraining *training, GString *words)
{
    if (training->dp % 2 != 0 || training->zero > 1)
        return false;
    training->dp /= 2;
    training->pp *= 2;
    g_string_append_printf(words, "pp=%u dp=%u", training->pp, training->dp);
    return true;
}

static const Change changes[] = { change_zero_1, change_sequence_parallel, change_selective, change_micro_batch,
                                  change_full,   change_zero_3,            change_tp,        change_pp };

static bool
fits(const FabTraining *training, const FabModel *model, uint64_t capacity, uint32_t gpus_per_node)
{
    g_autoptr(FabTraining) copy = fab_training_copy(training);
    g_autoptr(FabMemory) memory = NULL;

    if (copy->tp > gpus_per_node || !fab_training_place(copy, model, gpus_per_node, "", NULL))
        return false;
    memory = account(copy, model, capacity);
    return memory->fit != FAB_FIT_NO;
}

/* One change alone, the cheapest that does it; else as many as it takes, in turn, each as often as it can. */
static char *
find_here(const FabTraining *training, const FabModel *model, uint64_t capacity, uint32_t gpus_per_node)
{
    g_autoptr(FabTraining) many = fab_training_copy(training);
    g_autoptr(GString) words = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(FabTraining) one = fab_training_copy(training);
        g_string_truncate(words, 0);
        while (changes[i](one, words)) {
            if (fits(one, model, capacity, gpus_per_node))
                return g_strdup(words->str);
            g_string_truncate(words, 0);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        gsize length = words->len;
        if (length > 0)
            g_string_append_c(words, ' ');
        while (changes[i](many, words)) {
            g_autoptr(FabTraining) tried = fab_training_copy(many);
            if (fits(many, model, capacity, gpus_per_node))
                return g_strdup(words->str);
            if (many->tp > gpus_per_node || !fab_training_place(tried, model, gpus_per_node, "", NULL))
                return NULL;
            length = words->len;
            g_string_append_c(words, ' ');
        }
        g_string_truncate(words, length);
    }
    return NULL;
}

/* Of words that set the same key the last one. */
static char *
last_of_each(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    GString *kept = g_string_new(NULL);

    for (guint i = 0; words[i] != NULL; i++) {
        gsize key = strcspn(words[i], "=") + 1;
        bool again = false;
        for (guint k = i + 1; words[k] != NULL; k++)
            again = again || strncmp(words[k], words[i], key) == 0;
        if (!again)
            g_string_append_printf(kept, "%s%s", kept->len > 0 ? " " : "", words[i]);
    }
    return g_string_free(kept, FALSE);
}

/* Twice as many machines, for as many replicas and as large a batch, until something makes it fit there. */
static char *
find_change(const FabTraining *training, const FabModel *model, uint64_t capacity, uint32_t gpus_per_node)
{
    char *change = find_here(training, model, capacity, gpus_per_node);
    g_autoptr(FabTraining) more = fab_training_copy(training);

    for (uint32_t k = 1; change == NULL && k <= MOST_DOUBLINGS && !training->inference; k++) {
        g_autofree char *words = NULL;
        more->nodes = training->nodes << k;
        more->gpus = training->gpus << k;
        more->dp = training->dp << k;
        more->global_batch = training->global_batch << k;
        words = find_here(more, model, capacity, gpus_per_node);
        if (words != NULL)
            change = g_strdup_printf("nodes=%u gpus=%u dp=%u global_batch=%u %s", more->nodes, more->gpus, more->dp,
                                     more->global_batch, words);
    }
    return change;
}

FabMemory *
fab_memory_account(const FabTraining *training, const FabModel *model, uint64_t capacity, uint32_t gpus_per_node)
{
    FabMemory *memory = account(training, model, capacity);
    g_autofree char *change = NULL;

    if (memory->fit == FAB_FIT_NO)
        change = find_change(training, model, capacity, gpus_per_node);
    memory->change = change != NULL ? last_of_each(change) : NULL;
    return memory;
}

void
fab_memory_free(FabMemory *memory)
{
    if (memory == NULL)
        return;
    g_free(memory->stages);
    g_free(memory->change);
    g_free(memory);
}
