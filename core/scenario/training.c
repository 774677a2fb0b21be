#include "scenario/training.h"

#include <string.h>

#include "base/error.h"
#include "scenario/placement.h"

#define PARALLEL "parallel"
#define TRAINING "training"
#define INFERENCE "inference"
enum { MOST_GPUS = 1 << 20, MOST_BATCH = 1 << 24, MOST_SEQUENCE = 1 << 27, MOST_CHUNKS = 255 };

const char *const fab_precision_names[] = { "bf16", "fp16", "fp8", "tf32", "fp32", NULL };
const char *const fab_recompute_names[] = { "none", "selective", "full", NULL };
const char *const fab_schedule_names[] = { "1f1b", "interleaved", "gpipe", "zb-h1", "dualpipe", NULL };
static const char *const width_names[] = { "16 bit", "32 bit", NULL };
static const char *const stack_names[] = { "auto", "megatron", "megatron-deepspeed", "nemo", "fsdp",
                                           "fsdp-flash2", "generic", NULL };

static const char *const parallel_keys[] = { "tp", "pp", "cp", "dp", "ep", "sequence_parallel", "zero", "schedule",
                                             "chunks", "recompute", "ends_as_layers", "expert_skew", "expert_zipf",
                                             "expert_seed", "order", NULL };
static const char *const training_keys[] = { "nodes", "gpus", "sequence", "micro_batch", "global_batch", "precision",
                                             "gradients", "moments", "flash", "overlap", "nic_rate", "stack", "frozen",
                                             "fold", NULL };
static const char *const inference_keys[] = { "nodes", "gpus", "prompt", "generate", "batch", "stack", "precision",
                                              "nic_rate", NULL };

static void
accept_keys(FabKeyfile *file, const char *group, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        fab_keyfile_accept(file, group, *keys);
}

void
fab_training_accept(FabKeyfile *file)
{
    accept_keys(file, "model", fab_model_keys());
    accept_keys(file, PARALLEL, parallel_keys);
    accept_keys(file, TRAINING, training_keys);
    accept_keys(file, INFERENCE, inference_keys);
}

const char *
fab_training_group(const char *own, const char *key)
{
    bool inference = strcmp(own, INFERENCE) == 0;

    if (g_strv_contains(inference ? inference_keys : training_keys, key))
        return own;
    if (g_strv_contains(parallel_keys, key))
        return PARALLEL;
    return g_strv_contains(fab_model_keys(), key) ? "model" : own;
}

bool
fab_training_check_groups(const FabKeyfile *file, GError **error)
{
    bool inference = fab_keyfile_has_group(file, INFERENCE);
    bool step = inference || fab_keyfile_has_group(file, TRAINING), model = fab_keyfile_has_group(file, "model");

    if (step == model && (step || !fab_keyfile_has_group(file, PARALLEL)))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %s", fab_keyfile_path(file),
                inference ? "[inference] needs a [model]"
                : step    ? "[training] needs a [model] to train"
                          : "[model] and [parallel] belong to [training] or [inference]");
    return false;
}

void
fab_training_free(FabTraining *training)
{
    if (training == NULL)
        return;
    g_free(training->stack);
    g_free(training);
}

FabTraining *
fab_training_copy(const FabTraining *training)
{
    FabTraining *copy = g_memdup2(training, sizeof *training);

    copy->stack = g_strdup(training->stack);
    return copy;
}

/* ------------------------------------------------------------------ keys */

static bool
read_counts(FabKeyfile *file, FabTraining *training, GError **error)
{
    const struct {
        const char *group, *key;
        uint32_t *value;
        int64_t least, most;
    } counts[] = {
        { PARALLEL, "tp", &training->tp, 1, MOST_GPUS },
        { PARALLEL, "pp", &training->pp, 1, MOST_GPUS },
        { PARALLEL, "cp", &training->cp, 1, MOST_GPUS },
        { PARALLEL, "dp", &training->dp, 1, MOST_GPUS },
        { PARALLEL, "ep", &training->ep, 1, MOST_GPUS },
        { PARALLEL, "zero", &training->zero, 0, 3 },
        { PARALLEL, "chunks", &training->chunks, 1, MOST_CHUNKS },
        { TRAINING, "nodes", &training->nodes, 1, MOST_GPUS },
        { TRAINING, "gpus", &training->gpus, 1, MOST_GPUS },
        { TRAINING, "sequence", &training->sequence, 1, MOST_SEQUENCE },
        { TRAINING, "micro_batch", &training->micro_batch, 1, MOST_BATCH },
        { TRAINING, "global_batch", &training->global_batch, 1, MOST_BATCH },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        int64_t value = *counts[i].value;
        if (!fab_keyfile_get_integer(file, counts[i].group, counts[i].key, counts[i].least, counts[i].most, &value,
                                     error))
            return false;
        *counts[i].value = (uint32_t)value;
    }
    return true;
}

/* How unevenly tokens choose experts: as it was measured, or as a law. */
static bool
read_skew(FabKeyfile *file, FabTraining *training, GError **error)
{
    int64_t seed = 1;

    if (!fab_keyfile_get_quantity(file, PARALLEL, "expert_skew", "", 1, MOST_GPUS, &training->expert_skew, error) ||
        !fab_keyfile_get_quantity(file, PARALLEL, "expert_zipf", "", 0, 4, &training->expert_zipf, error) ||
        !fab_keyfile_get_integer(file, PARALLEL, "expert_seed", 0, UINT32_MAX, &seed, error))
        return false;
    training->expert_seed = (uint32_t)seed;
    if (training->expert_skew == 0 || training->expert_zipf == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [parallel] expert_skew and expert_zipf say the same thing "
                "twice, give one of them", fab_keyfile_path(file));
    return false;
}

static bool
read_words(FabKeyfile *file, FabTraining *training, GError **error)
{
    int precision = FAB_PRECISION_BF16, recompute = FAB_RECOMPUTE_NONE, schedule = FAB_SCHEDULE_1F1B, stack = 0;
    int gradients, moments = 1;

    if (training->chunks > 1)
        schedule = FAB_SCHEDULE_INTERLEAVED;
    if (!fab_keyfile_get_choice(file, TRAINING, "precision", fab_precision_names, &precision, error) ||
        !fab_keyfile_get_choice(file, PARALLEL, "recompute", fab_recompute_names, &recompute, error) ||
        !fab_keyfile_get_choice(file, PARALLEL, "schedule", fab_schedule_names, &schedule, error) ||
        !fab_keyfile_get_choice(file, TRAINING, "stack", stack_names, &stack, error))
        return false;
    /* FSDP reduces in the precision of the arithmetic unless it is told otherwise. */
    gradients = training->zero == 3 ? 0 : 1;
    if (!fab_keyfile_get_choice(file, TRAINING, "gradients", width_names, &gradients, error) ||
        !fab_keyfile_get_choice(file, TRAINING, "moments", width_names, &moments, error))
        return false;
    training->precision = (FabPrecision)precision;
    training->recompute = (FabRecompute)recompute;
    training->schedule = (FabSchedule)schedule;
    if (schedule == FAB_SCHEDULE_DUALPIPE && training->chunks == 1)
        training->chunks = 2; /* one for each direction */
    training->stack = g_strdup(stack_names[stack]);
    training->gradient_bytes = gradients == 0 ? 2 : 4;
    training->moment_bytes = moments == 0 ? 2 : 4;
    return true;
}

FabTraining *
fab_training_read(FabKeyfile *file, const FabModel *model, GError **error)
{
    g_autoptr(FabTraining) training = g_new0(FabTraining, 1);

    training->tp = training->pp = training->cp = training->ep = training->chunks = training->nodes = 1;
    training->micro_batch = 1;
    training->flash = training->overlap = training->fold = true;
    if (!read_counts(file, training, error) || !read_words(file, training, error) ||
        !fab_placement_read(file, training, error) || !read_skew(file, training, error))
        return NULL;
    training->sequence_parallel = training->tp > 1;
    if (!fab_keyfile_get_boolean(file, PARALLEL, "sequence_parallel", &training->sequence_parallel, error) ||
        !fab_keyfile_get_boolean(file, PARALLEL, "ends_as_layers", &training->ends_as_layers, error) ||
        !fab_keyfile_get_boolean(file, TRAINING, "flash", &training->flash, error) ||
        !fab_keyfile_get_boolean(file, TRAINING, "overlap", &training->overlap, error) ||
        !fab_keyfile_get_boolean(file, TRAINING, "frozen", &training->frozen, error) ||
        !fab_keyfile_get_boolean(file, TRAINING, "fold", &training->fold, error) ||
        !fab_keyfile_get_quantity(file, TRAINING, "nic_rate", "B/s", 1e6, 1e13, &training->nic_rate, error))
        return NULL;
    if (training->sequence == 0)
        training->sequence = model->sequence;
    if (training->sequence == 0 || training->global_batch == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [training] needs %s, %s", fab_keyfile_path(file),
                    training->global_batch == 0 ? "global_batch" : "sequence",
                    training->global_batch == 0 ? "the sequences of one step" : "the model does not state one");
        return NULL;
    }
    return g_steal_pointer(&training);
}

/* ------------------------------------------------------------------ [inference] */

/* What only training has must not be given, or it would be ignored. */
static bool
refuse_training_keys(FabKeyfile *file, GError **error)
{
    static const char *const only[] = { "cp", "sequence_parallel", "zero", "schedule", "chunks",
                                        "recompute", "ends_as_layers", "expert_skew", "expert_zipf", "expert_seed",
                                        NULL };

    for (guint i = 0; only[i] != NULL; i++) {
        if (fab_keyfile_get(file, PARALLEL, only[i]) == NULL)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "is for [training]; inference has tp, pp, dp, ep and order");
        fab_keyfile_prefix_error(file, PARALLEL, only[i], error);
        return false;
    }
    return true;
}

static bool
read_inference_counts(FabKeyfile *file, FabTraining *training, GError **error)
{
    int64_t generate = 128;
    const struct {
        const char *group, *key;
        uint32_t *value;
        int64_t most;
    } counts[] = {
        { PARALLEL, "tp", &training->tp, MOST_GPUS },
        { PARALLEL, "pp", &training->pp, MOST_GPUS },
        { PARALLEL, "dp", &training->dp, MOST_GPUS },
        { PARALLEL, "ep", &training->ep, MOST_GPUS },
        { INFERENCE, "nodes", &training->nodes, MOST_GPUS },
        { INFERENCE, "gpus", &training->gpus, MOST_GPUS },
        { INFERENCE, "prompt", &training->sequence, MOST_SEQUENCE },
        { INFERENCE, "batch", &training->micro_batch, MOST_BATCH },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        int64_t value = *counts[i].value;
        if (!fab_keyfile_get_integer(file, counts[i].group, counts[i].key, 1, counts[i].most, &value, error))
            return false;
        *counts[i].value = (uint32_t)value;
    }
    if (!fab_keyfile_get_integer(file, INFERENCE, "generate", 1, MOST_SEQUENCE, &generate, error))
        return false;
    training->context = training->sequence + (uint32_t)generate;
    return true;
}

FabTraining *
fab_inference_read(FabKeyfile *file, const FabModel *model, GError **error)
{
    g_autoptr(FabTraining) training = g_new0(FabTraining, 1);
    int precision = FAB_PRECISION_BF16, stack = 0;

    training->tp = training->pp = training->cp = training->ep = training->chunks = training->nodes = 1;
    training->micro_batch = 1;
    training->gradient_bytes = 2;
    training->moment_bytes = 4;
    training->sequence = MIN(model->sequence, 1024);
    training->inference = training->flash = training->overlap = training->fold = true;
    if (!refuse_training_keys(file, error) || !read_inference_counts(file, training, error) ||
        !fab_placement_read(file, training, error) ||
        !fab_keyfile_get_choice(file, INFERENCE, "precision", fab_precision_names, &precision, error) ||
        !fab_keyfile_get_choice(file, INFERENCE, "stack", stack_names, &stack, error) ||
        !fab_keyfile_get_quantity(file, INFERENCE, "nic_rate", "B/s", 1e6, 1e13, &training->nic_rate, error))
        return NULL;
    if (training->sequence == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [inference] needs prompt, the model states no sequence",
                    fab_keyfile_path(file));
        return NULL;
    }
    training->precision = (FabPrecision)precision;
    training->stack = g_strdup(stack_names[stack]);
    return g_steal_pointer(&training);
}

/* ------------------------------------------------------------------ what must divide */

static bool
place_gpus(FabTraining *training, uint32_t gpus_per_node, const char *where, GError **error)
{
    uint64_t all = (uint64_t)training->nodes * gpus_per_node;
    double model_parallel = (double)training->tp * training->pp * training->cp;
    uint64_t used = training->gpus > 0 ? training->gpus : all;

    if (used > all)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "[training] gpus is %u, %u x %u GPUs are there",
                          training->gpus, training->nodes, gpus_per_node);
    if (used > MOST_GPUS)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "%" G_GUINT64_FORMAT " GPUs are more than %d", used,
                          MOST_GPUS);
    if (training->dp == 0 && model_parallel <= (double)used && used % (uint64_t)model_parallel == 0)
        training->dp = (uint32_t)(used / (uint64_t)model_parallel);
    if (training->dp == 0 || model_parallel * training->dp != (double)used)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] tp %u x pp %u x cp %u x dp %u is not the number of GPUs, %" G_GUINT64_FORMAT "; "
                          "change a degree, gpus or nodes", training->tp, training->pp, training->cp,
                          MAX(training->dp, 1), used);
    training->gpus = (uint32_t)used;
    return true;
}

/* Of a model given as a whole there are only copies. */
static bool
check_whole(const FabTraining *training, const FabModel *model, const char *where, GError **error)
{
    const struct {
        const char *key;
        bool wrong;
    } parts[] = { { "tp", training->tp > 1 },       { "pp", training->pp > 1 },
                  { "cp", training->cp > 1 },       { "zero", training->zero == 3 },
                  { "recompute", training->recompute != FAB_RECOMPUTE_NONE } };

    if (!fab_model_is_whole(model))
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i].wrong)
            return fab_refuse(error, FAB_ERROR_VALUE, where,
                              "[parallel] %s takes a model apart, this one is given as a whole; it can have replicas "
                              "(dp) and zero up to 2", parts[i].key);
    }
    if (training->inference || training->frozen || training->sequence != 1)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "a model given as a whole has %s",
                          training->inference ? "no [inference], only [training]"
                          : training->frozen  ? "nothing that is frozen"
                                              : "samples of one token, sequence must be 1");
    return true;
}

static bool
check_model(const FabTraining *training, const FabModel *model, const char *where, GError **error)
{
    uint32_t tp = training->tp;

    if (model->heads % tp != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "[parallel] tp is %u, which does not divide %u heads", tp,
                          model->heads);
    if (model->kv_rank == 0 && model->kv_heads % tp != 0 && tp % model->kv_heads != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] tp %u and %u heads of keys and values do not divide each other", tp,
                          model->kv_heads);
    if (model->ffn % tp != 0 || model->expert_ffn % tp != 0 || model->shared_ffn % tp != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] tp is %u, which does not divide the width %u of a feed-forward block", tp,
                          model->ffn % tp != 0 ? model->ffn : model->expert_ffn);
    if (model->experts == 0 && (training->ep > 1 || training->expert_skew > 0 || training->expert_zipf > 0))
        return fab_refuse(error, FAB_ERROR_VALUE, where, "[parallel] %s is for experts, of which the model has none",
                          training->ep > 1 ? "ep" : training->expert_skew > 0 ? "expert_skew" : "expert_zipf");
    if (training->ep > 1 && model->experts % training->ep != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "[parallel] ep is %u, which does not divide %u experts",
                          training->ep, model->experts);
    if ((uint64_t)training->dp * training->cp % training->ep != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] ep is %u, which does not divide dp x cp, %u: experts are dealt out to replicas",
                          training->ep, training->dp * training->cp);
    if (training->sequence % (training->cp * (training->sequence_parallel ? (uint64_t)tp : 1)) != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[training] sequence %u is no multiple of the %u pieces it is cut into", training->sequence,
                          training->cp * (training->sequence_parallel ? tp : 1));
    return true;
}

/* Micro-batches enter at both ends: stages are paired, and the two halves of the batch must fill the pipeline. */
static bool
check_dualpipe(const FabTraining *training, const char *where, GError **error)
{
    uint32_t micros = fab_training_micros(training);

    if (training->chunks != 2)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] chunks is %u, dualpipe has 2, one for each direction", training->chunks);
    if (training->pp % 2 != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] pp is %u, dualpipe pairs stages and needs an even number", training->pp);
    if (micros % 2 != 0 || micros < 2 * training->pp)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "%u micro-batches of a replica, dualpipe needs an even number of at least %u, two for each "
                          "stage", micros, 2 * training->pp);
    return true;
}

static bool
check_chunks(const FabTraining *training, const char *where, GError **error)
{
    if (training->schedule == FAB_SCHEDULE_DUALPIPE)
        return check_dualpipe(training, where, error);
    if ((training->chunks > 1) != (training->schedule == FAB_SCHEDULE_INTERLEAVED))
        return fab_refuse(error, FAB_ERROR_VALUE, where, "[parallel] schedule %s %s",
                          fab_schedule_names[training->schedule],
                          training->chunks > 1 ? "has no chunks, interleaved has" : "needs chunks of 2 or more");
    if (training->chunks > 1 && training->pp == 1)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] chunks is %u, a pipeline of one stage has nothing to interleave",
                          training->chunks);
    if (training->chunks > 1 && fab_training_micros(training) % training->pp != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "%u micro-batches of a replica are no multiple of %u stages, which interleaving needs",
                          fab_training_micros(training), training->pp);
    return true;
}

static bool
check_pipeline(const FabTraining *training, const FabModel *model, const char *where, GError **error)
{
    uint64_t parts = fab_training_positions(training);
    uint64_t layers = model->layers + (training->ends_as_layers ? 2 : 0);

    if (layers % parts != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] %" G_GUINT64_FORMAT " layers cannot be dealt out to pp %u x %u chunks evenly%s",
                          layers, training->pp, (unsigned)parts / training->pp,
                          (layers + 2) % parts != 0 || training->ends_as_layers ? ""
                                                                                : "; with ends_as_layers=yes they can");
    if (!check_chunks(training, where, error))
        return false;
    if (training->zero > 1 && training->pp > 1)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[parallel] zero %u would move all gradients for every micro-batch of the pipeline; with pp "
                          "above 1 zero is 0 or 1", training->zero);
    return true;
}

bool
fab_training_place(FabTraining *training, const FabModel *model, uint32_t gpus_per_node, const char *where,
                   GError **error)
{
    uint64_t replica;

    if (!place_gpus(training, gpus_per_node, where, error) || !check_whole(training, model, where, error) ||
        !check_model(training, model, where, error))
        return false;
    replica = (uint64_t)training->micro_batch * training->dp;
    if (training->inference)
        training->global_batch = (uint32_t)MIN(replica, UINT32_MAX);
    if (training->global_batch % replica != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "[training] global_batch %u is no multiple of micro_batch %u x dp %u", training->global_batch,
                          training->micro_batch, training->dp);
    return check_pipeline(training, model, where, error);
}

uint32_t
fab_training_micros(const FabTraining *training)
{
    return training->global_batch / (training->micro_batch * training->dp);
}

uint32_t
fab_training_positions(const FabTraining *training)
{
    return training->schedule == FAB_SCHEDULE_DUALPIPE ? training->pp : training->pp * training->chunks;
}

uint32_t
fab_training_position(const FabTraining *training, uint32_t stage, uint32_t chunk)
{
    if (training->schedule == FAB_SCHEDULE_DUALPIPE)
        return chunk == 0 ? stage : training->pp - 1 - stage;
    return chunk * training->pp + stage;
}

uint32_t
fab_training_chunk_micros(const FabTraining *training)
{
    return fab_training_micros(training) / (training->schedule == FAB_SCHEDULE_DUALPIPE ? 2 : 1);
}

uint32_t
fab_training_layers(const FabTraining *training, const FabModel *model, uint32_t stage, uint32_t chunk, uint32_t *first)
{
    uint32_t ends = training->ends_as_layers ? 1 : 0;
    uint32_t each = (model->layers + 2 * ends) / fab_training_positions(training);
    uint32_t start = fab_training_position(training, stage, chunk) * each, end = start + each;

    /* The first and the last place of all are the embedding's and the logits'. */
    start = start > ends ? start - ends : 0;
    end = MIN(end - ends, model->layers);
    if (first != NULL)
        *first = start;
    return end - start;
}
