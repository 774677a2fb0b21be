#include "scenario/model.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/paths.h"

#define GROUP "model"
enum { MOST_BYTES = 1 << 20, MOST_LAYERS = 10000, MOST_WIDTH = 1 << 20, MOST_VOCAB = 1 << 24, MOST_SEQUENCE = 1 << 27 };

typedef struct {
    const char *key;
    size_t offset;
    uint32_t most;
} CountKey;

typedef struct {
    const char *key;
    size_t offset;
} SwitchKey, WholeKey;

#define AT(field) offsetof(FabModel, field)
static const CountKey counts[] = {
    { "layers", AT(layers), MOST_LAYERS },
    { "hidden", AT(hidden), MOST_WIDTH },
    { "heads", AT(heads), MOST_WIDTH },
    { "kv_heads", AT(kv_heads), MOST_WIDTH },
    { "head_dim", AT(head_dim), MOST_WIDTH },
    { "ffn", AT(ffn), MOST_WIDTH },
    { "vocab", AT(vocab), MOST_VOCAB },
    { "positions", AT(positions), MOST_SEQUENCE },
    { "token_types", AT(token_types), 1000 },
    { "sequence", AT(sequence), MOST_SEQUENCE },
    { "experts", AT(experts), 65536 },
    { "experts_per_token", AT(experts_per_token), 65536 },
    { "expert_ffn", AT(expert_ffn), MOST_WIDTH },
    { "shared_ffn", AT(shared_ffn), MOST_WIDTH },
    { "dense_layers", AT(dense_layers), MOST_LAYERS },
    { "kv_rank", AT(kv_rank), MOST_WIDTH },
    { "q_rank", AT(q_rank), MOST_WIDTH },
    { "rope_dim", AT(rope_dim), MOST_WIDTH },
    { "nope_dim", AT(nope_dim), MOST_WIDTH },
    { "value_dim", AT(value_dim), MOST_WIDTH },
};
static const SwitchKey switches[] = {
    { "gated", AT(gated) },           { "tied", AT(tied) },
    { "bias", AT(bias) },             { "qkv_bias", AT(qkv_bias) },
    { "qk_norm", AT(qk_norm) },       { "layer_norm", AT(layer_norm) },
    { "norm_bias", AT(norm_bias) },   { "post_norm", AT(post_norm) },
    { "causal", AT(causal) },         { "pooler", AT(pooler) },
    { "router_bias", AT(router_bias) },
};

static const WholeKey wholes[] = {
    { "parameters", AT(parameters) },
    { "sample_flops", AT(sample_flops) },
    { "sample_elements", AT(sample_elements) },
};

/* preset, config, title, the counts, the switches, those of models given as a whole, the end. */
static const char *key_names[3 + G_N_ELEMENTS(counts) + G_N_ELEMENTS(switches) + G_N_ELEMENTS(wholes) + 1];

const char *const *
fab_model_keys(void)
{
    static gsize ready;
    size_t at = 0;

    if (g_once_init_enter(&ready)) {
        key_names[at++] = "preset";
        key_names[at++] = "config";
        key_names[at++] = "title";
        for (size_t i = 0; i < G_N_ELEMENTS(counts); i++)
            key_names[at++] = counts[i].key;
        for (size_t i = 0; i < G_N_ELEMENTS(switches); i++)
            key_names[at++] = switches[i].key;
        for (size_t i = 0; i < G_N_ELEMENTS(wholes); i++)
            key_names[at++] = wholes[i].key;
        g_once_init_leave(&ready, 1);
    }
    return key_names;
}

FabModel *
fab_model_new(void)
{
    FabModel *model = g_new0(FabModel, 1);

    model->causal = true;
    model->norm_bias = true;
    return model;
}

FabModel *
fab_model_copy(const FabModel *model)
{
    FabModel *copy = g_memdup2(model, sizeof *model);

    copy->name = g_strdup(model->name);
    copy->title = g_strdup(model->title);
    return copy;
}

void
fab_model_free(FabModel *model)
{
    if (model == NULL)
        return;
    g_free(model->name);
    g_free(model->title);
    g_free(model);
}

/* ------------------------------------------------------------------ what must hold */

static bool
check_experts(const FabModel *model, const char *where, GError **error)
{
    if (model->experts == 0 && (model->experts_per_token > 0 || model->expert_ffn > 0 || model->shared_ffn > 0))
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "says something of experts but not how many there are (experts)");
    if (model->experts == 0)
        return true;
    if (model->experts_per_token == 0 || model->expert_ffn == 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "has %u experts, but %s is not given", model->experts,
                          model->experts_per_token == 0 ? "experts_per_token" : "expert_ffn");
    if (model->experts_per_token > model->experts)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "experts_per_token is %u, there are only %u experts",
                          model->experts_per_token, model->experts);
    if (model->dense_layers > model->layers)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "dense_layers is %u, there are only %u layers",
                          model->dense_layers, model->layers);
    return true;
}

/* Counts of parameters and bytes stay far below 2^64: no machine holds more. */
static bool
check_size(const FabModel *model, const char *where, GError **error)
{
    double h = model->hidden, heads = model->heads, latent = (double)model->kv_rank + model->q_rank + h;
    double attention = 2 * h * (heads + model->kv_heads) * model->head_dim +
                       heads * latent * ((double)model->nope_dim + model->rope_dim + model->value_dim);
    double block = 3 * h * ((double)model->ffn + model->shared_ffn + (double)model->experts * model->expert_ffn);
    double ends = h * (2.0 * model->vocab + model->positions + model->token_types + h);

    if (model->layers * (attention + block) + ends <= 1e16)
        return true;
    return fab_refuse(error, FAB_ERROR_VALUE, where,
                      "the model would have more than 10^16 parameters, check its widths");
}

/* One layer without a shape; what takes apart layers finds nothing to take apart. */
static bool
complete_whole(FabModel *model, const char *where, GError **error)
{
    const FabModel layer = { .layers = 1, .hidden = 1, .heads = 1, .kv_heads = 1, .head_dim = 1, .sequence = 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        uint32_t *value = (uint32_t *)(void *)((char *)model + counts[i].offset);
        uint32_t only = *(const uint32_t *)(const void *)((const char *)&layer + counts[i].offset);
        if (*value > 0 && *value != only)
            return fab_refuse(error, FAB_ERROR_VALUE, where,
                              "%s is %u, but parameters describes the model as a whole; leave one of them out",
                              counts[i].key, *value);
        *value = only;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wholes); i++) {
        if (*(const double *)(const void *)((const char *)model + wholes[i].offset) == 0)
            return fab_refuse(error, FAB_ERROR_VALUE, where,
                              "the model lacks %s, a model given as a whole needs parameters, sample_flops and "
                              "sample_elements", wholes[i].key);
    }
    return true;
}

bool
fab_model_complete(FabModel *model, const char *where, GError **error)
{
    const struct {
        const char *key;
        uint32_t value;
    } needed[] = { { "layers", model->layers }, { "hidden", model->hidden }, { "heads", model->heads },
                   { "vocab", model->vocab } };

    if (fab_model_is_whole(model) || model->sample_flops > 0 || model->sample_elements > 0)
        return complete_whole(model, where, error);
    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (needed[i].value == 0)
            return fab_refuse(error, FAB_ERROR_VALUE, where,
                              "the model lacks %s, a model needs layers, hidden, heads, ffn and vocab", needed[i].key);
    }
    if (model->ffn == 0 && (model->experts == 0 || model->dense_layers > 0))
        return fab_refuse(error, FAB_ERROR_VALUE, where, "the model lacks ffn, the width of its feed-forward block");
    if (model->kv_heads == 0)
        model->kv_heads = model->heads;
    if (model->kv_heads > model->heads || model->heads % model->kv_heads != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where, "%u heads cannot share %u key and value heads evenly",
                          model->heads, model->kv_heads);
    if (model->kv_rank > 0 && (model->nope_dim == 0 || model->value_dim == 0))
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "kv_rank compresses the cache, then nope_dim and value_dim must be given too");
    if (model->head_dim == 0 && model->hidden % model->heads != 0)
        return fab_refuse(error, FAB_ERROR_VALUE, where,
                          "hidden %u is no multiple of %u heads, then head_dim must be given", model->hidden,
                          model->heads);
    if (model->head_dim == 0)
        model->head_dim = model->hidden / model->heads;
    if (model->bias)
        model->qkv_bias = true;
    return check_experts(model, where, error) && check_size(model, where, error);
}

/* ------------------------------------------------------------------ key files */

static char *
models_folder(void)
{
    return g_build_filename(fab_path_scenarios(), "models", NULL);
}

char **
fab_model_list(void)
{
    g_autofree char *folder = models_folder();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new();
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(name, ".ini"))
            g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(".ini")));
    }
    g_ptr_array_sort(names, fab_compare_strings);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* `changes`: what the file states otherwise than the model that it builds on, ", layers 8". */
static bool
read_counts(FabKeyfile *file, FabModel *model, GString *changes, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        uint32_t *field = (uint32_t *)((char *)model + counts[i].offset);
        int64_t value = *field;
        if (!fab_keyfile_get_integer(file, GROUP, counts[i].key, 0, counts[i].most, &value, error))
            return false;
        if ((uint32_t)value != *field)
            g_string_append_printf(changes, ", %s %u", counts[i].key, (uint32_t)value);
        *field = (uint32_t)value;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        bool *field = (bool *)((char *)model + switches[i].offset), before = *field;
        if (!fab_keyfile_get_boolean(file, GROUP, switches[i].key, field, error))
            return false;
        if (*field != before)
            g_string_append_printf(changes, ", %s %s", switches[i].key, *field ? "yes" : "no");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wholes); i++) {
        double *field = (double *)(void *)((char *)model + wholes[i].offset), before = *field;
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        if (!fab_keyfile_get_quantity(file, GROUP, wholes[i].key, "", 1, 1e15, field, error))
            return false;
        if (*field != before)
            g_string_append_printf(changes, ", %s %s", wholes[i].key,
                                   g_ascii_formatd(text, sizeof text, "%.6g", *field));
    }
    return true;
}

/* Width and heads that the file changes leave nothing that was worked out from the old ones. */
static void
forget_derived(FabKeyfile *file, FabModel *model)
{
    bool changed = fab_keyfile_get(file, GROUP, "hidden") != NULL || fab_keyfile_get(file, GROUP, "heads") != NULL;

    if (changed && fab_keyfile_get(file, GROUP, "head_dim") == NULL)
        model->head_dim = 0;
    if (fab_keyfile_get(file, GROUP, "heads") != NULL && fab_keyfile_get(file, GROUP, "kv_heads") == NULL)
        model->kv_heads = 0;
}

static char *
beside(const char *file, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(file);

    return g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(folder, name, NULL);
}

static FabModel *
load_base(FabKeyfile *file, GError **error)
{
    const char *preset = fab_keyfile_get(file, GROUP, "preset"), *config = fab_keyfile_get(file, GROUP, "config");
    g_autofree char *path = NULL;
    FabModel *model;

    if (preset != NULL && config != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "excludes preset, a model is described once");
        fab_keyfile_prefix_error(file, GROUP, "config", error);
        return NULL;
    }
    if (preset == NULL && config == NULL)
        return fab_model_new();
    path = config != NULL ? beside(fab_keyfile_path(file), config) : NULL;
    if (config != NULL && (!g_str_has_suffix(config, ".json") || !g_file_test(path, G_FILE_TEST_EXISTS))) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "\"%.60s\" is %s", config,
                    g_str_has_suffix(config, ".json") ? "not there" : "not a file that ends in .json");
        fab_keyfile_prefix_error(file, GROUP, "config", error);
        return NULL;
    }
    model = fab_model_load(config != NULL ? path : preset, error);
    if (model == NULL && config == NULL)
        fab_keyfile_prefix_error(file, GROUP, "preset", error);
    return model;
}

/* Another model does not go by the name of the one that it was made from. */
static void
retitle(FabModel *model, const char *given, bool built_on, uint32_t layers, const char *changes)
{
    g_autofree char *title = g_steal_pointer(&model->title), *tail = g_strdup_printf(", %u layers", layers);

    if (given == NULL && built_on && title != NULL && model->layers != layers && g_str_has_suffix(title, tail))
        title[strlen(title) - strlen(tail)] = '\0'; /* a config.json's, which says how many it has */
    if (given != NULL)
        model->title = g_strdup(given);
    else if (built_on)
        model->title = g_strconcat(title != NULL ? title : model->name != NULL ? model->name : "model", changes, NULL);
    else
        model->title = g_steal_pointer(&title);
}

FabModel *
fab_model_read(FabKeyfile *file, GError **error)
{
    g_autoptr(FabModel) model = load_base(file, error);
    g_autoptr(GString) changes = g_string_new(NULL);
    g_autofree char *where = g_strdup_printf("%s: [model]", fab_keyfile_path(file));
    bool built_on = fab_keyfile_get(file, GROUP, "preset") != NULL || fab_keyfile_get(file, GROUP, "config") != NULL;
    uint32_t layers;

    if (model == NULL)
        return NULL;
    layers = model->layers;
    if (!read_counts(file, model, changes, error))
        return NULL;
    forget_derived(file, model);
    retitle(model, fab_keyfile_get(file, GROUP, "title"), built_on, layers, changes->str);
    return fab_model_complete(model, where, error) ? g_steal_pointer(&model) : NULL;
}

static FabModel *
load_keyfile(const char *path, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_load(path, error);
    g_autoptr(FabModel) model = NULL;

    if (file == NULL)
        return NULL;
    if (!fab_keyfile_has_group(file, GROUP)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no group [model], it describes no model", path);
        return NULL;
    }
    for (const char *const *key = fab_model_keys(); *key != NULL; key++)
        fab_keyfile_accept(file, GROUP, *key);
    fab_keyfile_accept_group(file, "source");
    if (!fab_keyfile_finish(file, error))
        return NULL;
    /* A preset that names a preset could name itself. */
    if (fab_keyfile_get(file, GROUP, "preset") != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [model] preset: a model file cannot build on a preset",
                    path);
        return NULL;
    }
    model = fab_model_read(file, error);
    return g_steal_pointer(&model);
}

static void
name_after(FabModel *model, const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    char *dot = strrchr(base, '.');

    if (dot != NULL)
        *dot = '\0';
    g_free(model->name);
    model->name = g_strdup(base);
}

static FabModel *
load_file(const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = NULL;
    FabModel *model;

    if (g_str_has_suffix(path, ".json")) {
        text = fab_file_read(path, "a config.json", MOST_BYTES, &length, error);
        model = text != NULL ? fab_model_parse_config(path, text, length, error) : NULL;
    } else {
        model = load_keyfile(path, error);
    }
    if (model != NULL)
        name_after(model, path);
    return model;
}

FabModel *
fab_model_load(const char *name, GError **error)
{
    bool is_path = strchr(name, '/') != NULL || g_str_has_suffix(name, ".ini") || g_str_has_suffix(name, ".json");
    g_autofree char *folder = models_folder();
    g_autofree char *file_name = g_strconcat(name, ".ini", NULL);
    g_autofree char *path = g_build_filename(folder, file_name, NULL);
    g_auto(GStrv) names = NULL;
    g_autofree char *suggestion = NULL;

    if (is_path)
        return load_file(name, error);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return load_file(path, error);
    names = fab_model_list();
    suggestion = fab_suggestion(name, (const char *const *)names);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is no model shipped with the program%s", name,
                suggestion);
    return NULL;
}
