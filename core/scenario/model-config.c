/*
 * config.json as Hugging Face's transformers writes it: the same figure has several names, defaults depend on the
 * family, and language models inside others lie in text_config. Field names and defaults: the configuration classes of
 * https://github.com/huggingface/transformers (src/transformers/models).
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/error.h"
#include "base/nesting.h"
#include "scenario/model.h"

enum { MOST = 1 << 27 };

/* What a family of models leaves unsaid in its file. */
typedef struct {
    const char *type;
    bool gated, tied, bias, qkv_bias, qk_norm, layer_norm, learned_positions, encoder;
} Family;

static const Family families[] = {
    { "gpt2", false, true, true, true, false, true, true, false },
    { "gpt_neox", false, false, true, true, false, true, false, false },
    { "bert", false, true, true, true, false, true, true, true },
    { "llama", true, false, false, false, false, false, false, false },
    { "mistral", true, false, false, false, false, false, false, false },
    { "mixtral", true, false, false, false, false, false, false, false },
    { "qwen2", true, false, false, true, false, false, false, false },
    { "qwen2_moe", true, false, false, true, false, false, false, false },
    { "qwen3", true, false, false, false, true, false, false, false },
    { "qwen3_moe", true, false, false, false, true, false, false, false },
    { "deepseek", true, false, false, false, false, false, false, false },
    { "deepseek_v2", true, false, false, false, false, false, false, false },
    { "deepseek_v3", true, false, false, false, false, false, false, false },
};

typedef struct {
    const char *path;
    JsonObject *object;
    GError **error;
    bool failed; /* the first error stands in *error */
} Reader;

static void
fail(Reader *reader, const char *key, const char *what)
{
    if (!reader->failed)
        g_set_error(reader->error, FAB_ERROR, FAB_ERROR_VALUE, "%s: \"%s\" %s", reader->path, key, what);
    reader->failed = true;
}

/* The value of the first of `names` that is there and not null; *name says which. */
static JsonNode *
find(const Reader *reader, const char *const *names, const char **name)
{
    for (; *names != NULL; names++) {
        JsonNode *node = json_object_get_member(reader->object, *names);
        *name = *names;
        if (node != NULL && !json_node_is_null(node))
            return node;
    }
    return NULL;
}

static uint32_t
count(Reader *reader, const char *const *names, uint32_t fallback)
{
    const char *name = names[0];
    JsonNode *node = find(reader, names, &name);
    double value;

    if (node == NULL)
        return fallback;
    if (!JSON_NODE_HOLDS_VALUE(node) || (json_node_get_value_type(node) != G_TYPE_INT64 &&
                                         json_node_get_value_type(node) != G_TYPE_DOUBLE)) {
        fail(reader, name, "is not a number, a whole number is needed");
        return fallback;
    }
    value = json_node_get_double(node);
    if (!(value >= 0 && value <= MOST) || value != (double)(uint32_t)value) {
        fail(reader, name, "must be a whole number from 0 to 134217728");
        return fallback;
    }
    return (uint32_t)value;
}

static bool
flag(Reader *reader, const char *key, bool fallback)
{
    const char *const names[] = { key, NULL };
    const char *name = key;
    JsonNode *node = find(reader, names, &name);

    if (node == NULL)
        return fallback;
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN)
        return json_node_get_boolean(node);
    fail(reader, name, "is neither true nor false");
    return fallback;
}

#define NAMES(...) ((const char *const[]) { __VA_ARGS__, NULL })

static const char *
text(Reader *reader, const char *key)
{
    const char *name = key;
    JsonNode *node = find(reader, NAMES(key), &name);

    if (node == NULL)
        return "";
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
        return json_node_get_string(node);
    fail(reader, name, "is not a text");
    return "";
}

/* A family that is not known is taken for a decoder of today: gated, RMS norm, rotary positions, no biases. */
static Family
family_of(const char *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        if (strcmp(type, families[i].type) == 0)
            return families[i];
    }
    return (Family) { .type = type, .gated = true };
}

static void
read_shape(Reader *reader, const Family *family, FabModel *model)
{
    model->layers = count(reader, NAMES("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 0);
    model->hidden = count(reader, NAMES("hidden_size", "n_embd", "d_model"), 0);
    model->heads = count(reader, NAMES("num_attention_heads", "n_head", "n_heads"), 0);
    model->kv_heads = count(reader, NAMES("num_key_value_heads", "num_kv_heads"), 0);
    model->head_dim = count(reader, NAMES("head_dim"), 0);
    model->vocab = count(reader, NAMES("vocab_size"), 0);
    model->ffn = count(reader, NAMES("intermediate_size", "n_inner", "ffn_hidden_size"), 0);
    model->sequence = count(reader, NAMES("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 0);
    if (family->learned_positions)
        model->positions = model->sequence;
    /* GPT-2 leaves the width out where it is four times the hidden size. */
    if (model->ffn == 0 && !family->gated && model->hidden <= MOST / 4)
        model->ffn = 4 * model->hidden;
}

static void
read_experts(Reader *reader, FabModel *model)
{
    uint32_t shared;

    model->experts = count(reader, NAMES("num_local_experts", "n_routed_experts", "num_experts"), 0);
    if (model->experts == 0)
        return;
    model->experts_per_token = count(reader, NAMES("num_experts_per_tok", "moe_topk"), 0);
    model->expert_ffn = count(reader, NAMES("moe_intermediate_size"), model->ffn);
    shared = count(reader, NAMES("n_shared_experts", "num_shared_experts"), 0);
    model->shared_ffn = count(reader, NAMES("shared_expert_intermediate_size"),
                              (uint32_t)MIN((uint64_t)shared * model->expert_ffn, MOST));
    model->dense_layers = count(reader, NAMES("first_k_dense_replace"), 0);
    model->router_bias = strcmp(text(reader, "topk_method"), "noaux_tc") == 0;
}

static void
read_latent(Reader *reader, FabModel *model)
{
    model->kv_rank = count(reader, NAMES("kv_lora_rank"), 0);
    if (model->kv_rank == 0)
        return;
    model->q_rank = count(reader, NAMES("q_lora_rank"), 0);
    model->rope_dim = count(reader, NAMES("qk_rope_head_dim"), 0);
    model->nope_dim = count(reader, NAMES("qk_nope_head_dim"), 0);
    model->value_dim = count(reader, NAMES("v_head_dim"), 0);
    model->kv_heads = 0;
}

static FabModel *
read_object(Reader *reader)
{
    g_autoptr(FabModel) model = fab_model_new();
    const char *type = text(reader, "model_type");
    Family family = family_of(type);

    model->gated = family.gated;
    model->tied = flag(reader, "tie_word_embeddings", family.tied);
    model->bias = family.bias;
    model->qkv_bias = flag(reader, "attention_bias", family.qkv_bias);
    model->qk_norm = family.qk_norm;
    model->layer_norm = family.layer_norm;
    read_shape(reader, &family, model);
    read_experts(reader, model);
    read_latent(reader, model);
    if (family.encoder) {
        model->causal = false;
        model->post_norm = model->pooler = true;
        model->token_types = count(reader, NAMES("type_vocab_size"), 2);
    }
    model->title = g_strdup_printf("%s, %u layers", type[0] != '\0' ? type : "model", model->layers);
    return reader->failed ? NULL : g_steal_pointer(&model);
}

FabModel *
fab_model_parse_config(const char *path, const char *text_, gsize length, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) inner = NULL;
    g_autoptr(FabModel) model = NULL;
    Reader reader = { .path = path, .error = error };
    JsonNode *root, *nested;

    if (length > G_MAXSSIZE || !g_utf8_validate(text_, (gssize)length, NULL)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is not UTF-8 text, a config.json is needed", path);
        return NULL;
    }
    if (!fab_nesting_check(path, text_, length, error))
        return NULL;
    if (!json_parser_load_from_data(parser, text_, (gssize)length, &inner)) {
        g_autofree char *flat = g_strdelimit(g_strdup(inner->message), "\r\n", ' ');
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is not JSON: %s", path, flat);
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: holds no JSON object, a config.json is one", path);
        return NULL;
    }
    reader.object = json_node_get_object(root);
    /* A model that sees pictures too keeps its language model one level down. */
    nested = json_object_get_member(reader.object, "text_config");
    if (nested != NULL && JSON_NODE_HOLDS_OBJECT(nested))
        reader.object = json_node_get_object(nested);
    model = read_object(&reader);
    return model != NULL && fab_model_complete(model, path, error) ? g_steal_pointer(&model) : NULL;
}
