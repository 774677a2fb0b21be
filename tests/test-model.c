#include "scenario/model.h"

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "suite.h"
#include "workload/parameters.h"

static FabModel *
load(const char *name)
{
    g_autoptr(GError) error = NULL;
    FabModel *model = fab_model_load(name, &error);

    ck_assert_msg(model != NULL, "%s", error != NULL ? error->message : "no error");
    return model;
}

static FabModel *
load_data(const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("FAB_TEST_DATA"), "models", name, NULL);

    return load(path);
}

static uint64_t
total(const char *name)
{
    g_autoptr(FabModel) model = load(name);

    return fab_parameters(model).total;
}

/* The text is refused as the config.json of a model, with one line that matches. */
static void
refuse_config(const char *text, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    FabModel *model = fab_model_parse_config("config.json", text, strlen(text), &error);

    ck_assert_msg(model == NULL, "accepted: %.80s", text);
    test_refusal(&error, pattern);
}

static FabModel *
read_text(const char *text, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_parse("model.ini", text, error);

    return file != NULL ? fab_model_read(file, error) : NULL;
}

static void
refuse_text(const char *text, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    FabModel *model = read_text(text, &error);

    ck_assert_msg(model == NULL, "accepted: %s", text);
    test_refusal(&error, pattern);
}

/* Counts as the model cards and `safetensors` files state them. */
START_TEST(presets_have_the_published_number_of_parameters)
{
    ck_assert_uint_eq(total("llama-2-7b"), 6738415616);
    ck_assert_uint_eq(total("llama-2-13b"), 13015864320);
    ck_assert_uint_eq(total("llama-2-70b"), 68976648192);
    ck_assert_uint_eq(total("llama-3-8b"), 8030261248);
    ck_assert_uint_eq(total("llama-3-70b"), 70553706496);
    ck_assert_uint_eq(total("llama-3-405b"), 405853388800);
    ck_assert_uint_eq(total("mistral-7b"), 7241732096);
    ck_assert_uint_eq(total("mixtral-8x7b"), 46702792704);
    ck_assert_uint_eq(total("qwen2.5-72b"), 72706203648);
    ck_assert_uint_eq(total("qwen3-30b-a3b"), 30532122624);
    ck_assert_uint_eq(total("deepseek-v2"), 235741434880);
    ck_assert_uint_eq(total("deepseek-v3"), 671026419200);
    ck_assert_uint_eq(total("gpt-2"), 124439808);
    ck_assert_uint_eq(total("gpt-2-xl"), 1557611200);
    ck_assert_uint_eq(total("bert-large"), 335141888);
}
END_TEST

/* Published in words only: 175 B, 530 B, 1 T, 15 B, 340 B, 314 B. */
START_TEST(presets_without_a_published_count_are_near_their_name)
{
    const struct {
        const char *name;
        double billions;
    } known[] = { { "gpt-3-175b", 175 },      { "megatron-530b", 529.6 },  { "megatron-1t", 1008 },
                  { "nemotron-4-15b", 15.6 }, { "nemotron-4-340b", 341 },  { "grok-1-314b", 316.5 },
                  { "megatron-18b", 18.4 },   { "megatron-310b", 310.1 } };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
        ck_assert_double_eq_tol((double)total(known[i].name) / (known[i].billions * 1e9), 1, 0.01);
}
END_TEST

START_TEST(every_preset_is_complete)
{
    g_auto(GStrv) names = fab_model_list();

    ck_assert_uint_ge(g_strv_length(names), 30);
    for (guint i = 0; names[i] != NULL; i++) {
        g_autoptr(FabModel) model = load(names[i]);
        ck_assert_str_eq(model->name, names[i]);
        ck_assert_ptr_nonnull(model->title);
        ck_assert_uint_gt(model->sequence, 0);
    }
}
END_TEST

START_TEST(a_token_of_a_mixture_meets_some_experts_only)
{
    g_autoptr(FabModel) mixtral = load("mixtral-8x7b"), deepseek = load("deepseek-v3"), llama = load("llama-2-7b");
    FabParameters all = fab_parameters(mixtral);

    ck_assert_uint_eq(all.active, 12879925248);
    ck_assert_double_eq_tol((double)fab_parameters(deepseek).active / 1e9, 37.55, 0.01);
    ck_assert_uint_eq(fab_parameters(llama).active, fab_parameters(llama).total);
    ck_assert(fab_layer_has_experts(deepseek, 3));
    ck_assert(!fab_layer_has_experts(deepseek, 2));
}
END_TEST

/* 96 B s l h^2 (1 + s / 6h + V / 16 l h) is four passes (forward, backward, recomputed forward) in arXiv 2104.04473. */
START_TEST(arithmetic_is_that_of_the_megatron_paper)
{
    g_autoptr(FabModel) gpt = load("megatron-145b");
    double s = 2048, l = 80, h = 12288, v = 51200;
    double layers = 96 * l * h * h * (1 + s / (6 * h)) / 4, logits = 96 * h * v / 16 / 3;

    ck_assert_double_eq_tol(fab_forward_flops(gpt, s) / (layers + logits), 1, 1e-9);
}
END_TEST

START_TEST(a_config_of_hugging_face_describes_a_model)
{
    g_autoptr(FabModel) llama = load_data("hf-config-llama-70b-shape.json");
    g_autoptr(FabModel) gpt = load_data("hf-config-gpt2-aliases.json");
    g_autoptr(FabModel) nested = load_data("hf-config-multimodal-nested.json");
    g_autoptr(FabModel) deepseek = load_data("deepseek-v3.json");

    ck_assert_uint_eq(fab_parameters(llama).total, 70553706496);
    ck_assert_uint_eq(fab_parameters(gpt).total, 1557611200);
    ck_assert_uint_eq(fab_parameters(deepseek).total, 671026419200);
    ck_assert_uint_eq(nested->layers, 40);
    ck_assert_uint_eq(nested->experts, 128);
    ck_assert_uint_eq(nested->expert_ffn, 768);
    ck_assert_uint_eq(nested->head_dim, 128);
    ck_assert_str_eq(llama->name, "hf-config-llama-70b-shape");
}
END_TEST

static void
check_title(const char *text, const char *title)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabModel) model = read_text(text, &error);

    ck_assert_msg(model != NULL, "%s", error != NULL ? error->message : "no error");
    ck_assert_str_eq(model->title, title);
}

START_TEST(a_changed_preset_says_what_was_changed)
{
    check_title("[model]\npreset=llama-3-8b\n", "Llama 3 8B");
    check_title("[model]\npreset=llama-3-8b\nlayers=32\ngated=yes\n", "Llama 3 8B");
    check_title("[model]\npreset=llama-3-8b\nlayers=8\n", "Llama 3 8B, layers 8");
    check_title("[model]\npreset=llama-3-8b\nhidden=2048\nlayers=8\ntied=yes\n",
                "Llama 3 8B, layers 8, hidden 2048, tied yes");
    check_title("[model]\npreset=llama-3-8b\nheads=16\nhead_dim=128\n", "Llama 3 8B, heads 16");
    check_title("[model]\npreset=llama-3-8b\nlayers=8\ntitle=A small one\n", "A small one");
}
END_TEST

/* The title of a config.json has its layers. */
START_TEST(a_changed_config_says_what_was_changed)
{
    g_autofree char *config = g_build_filename(g_getenv("FAB_TEST_DATA"), "models", "deepseek-v3.json", NULL);
    g_autofree char *few = g_strdup_printf("[model]\nconfig=%s\nlayers=4\n", config);
    g_autofree char *wide = g_strdup_printf("[model]\nconfig=%s\nffn=4096\n", config);

    check_title(few, "deepseek_v3, layers 4");
    check_title(wide, "deepseek_v3, 61 layers, ffn 4096");
}
END_TEST

START_TEST(keys_change_a_preset)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabModel) two = read_text("[model]\npreset=llama-3-8b\nlayers=2\n", &error);
    g_autoptr(FabModel) narrow = read_text("[model]\npreset=llama-3-8b\nheads=16\n", &error);
    g_autoptr(FabModel) plain =
        read_text("[model]\nlayers=2\nhidden=64\nheads=4\nffn=256\nvocab=1000\ngated=yes\n", &error);

    ck_assert_ptr_null(error);
    ck_assert_uint_eq(two->layers, 2);
    ck_assert_uint_eq(two->kv_heads, 8);
    ck_assert_uint_eq(narrow->head_dim, 256);
    ck_assert_uint_eq(narrow->kv_heads, 16);
    ck_assert_uint_eq(fab_parameters(plain).total, 2 * 64000 + 64 + 2 * (4 * 4096 + 3 * 64 * 256 + 128));
}
END_TEST

START_TEST(a_model_that_is_no_transformer_is_given_as_a_whole)
{
    g_autoptr(FabModel) resnet = load("resnet-50");

    ck_assert(fab_model_is_whole(resnet));
    ck_assert_uint_eq(fab_parameters(resnet).total, 25557032); /* torchvision */
    ck_assert_double_eq(fab_forward_flops(resnet, 1), 8.18e9);
    check_title("[model]\npreset=resnet-50\nsample_flops=1e9\n", "ResNet-50 (224 x 224), sample_flops 1e+09");
    refuse_text("[model]\nparameters=1e6\n", "lacks sample_flops");
    refuse_text("[model]\nsample_flops=1e6\n", "lacks parameters");
    refuse_text("[model]\npreset=resnet-50\nlayers=50\n",
                "layers is 50, but parameters describes the model as a whole");
    refuse_text("[model]\npreset=llama-3-8b\nparameters=8e9\n", "layers is 32, but parameters describes");
    refuse_text("[model]\nparameters=-1\nsample_flops=1\nsample_elements=1\n", "parameters is -1");
}
END_TEST

START_TEST(bad_configs_are_refused_with_a_sentence)
{
    g_autofree char *deep = g_strnfill(5000, '[');

    refuse_config("", "^config.json: (is not JSON|holds no JSON object)");
    refuse_config("{", "^config.json: is not JSON");
    refuse_config("[1]", "^config.json: holds no JSON object");
    refuse_config(deep, "nests deeper");
    refuse_config("{\"hidden_size\": \"wide\"}", "\"hidden_size\" is not a number");
    refuse_config("{\"hidden_size\": -3}", "\"hidden_size\" must be a whole number");
    refuse_config("{\"hidden_size\": 1.5}", "\"hidden_size\" must be a whole number");
    refuse_config("{\"hidden_size\": 1e300}", "\"hidden_size\" must be a whole number");
    refuse_config("{\"hidden_size\": [1]}", "\"hidden_size\" is not a number");
    refuse_config("{\"tie_word_embeddings\": 3}", "neither true nor false");
    refuse_config("{\"model_type\": 3}", "\"model_type\" is not a text");
    refuse_config("{\"hidden_size\": 64}", "lacks layers");
    refuse_config("{\"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"vocab_size\": 10}",
                  "lacks ffn");
    refuse_config("{\"hidden_size\": 134217728, \"num_hidden_layers\": 134217728, \"num_attention_heads\": 4, "
                  "\"vocab_size\": 10, \"intermediate_size\": 134217728}", "more than 10\\^16 parameters");
    refuse_config("\xff\xfe", "not UTF-8");
}
END_TEST

START_TEST(bad_keys_are_refused_with_a_sentence)
{
    refuse_text("[model]\npreset=lama-3-8b\n", "^model.ini: \\[model\\] preset: .*did you mean llama-3-8b");
    refuse_text("[model]\npreset=llama-3-8b\nconfig=x.json\n", "excludes preset");
    refuse_text("[model]\nconfig=missing.json\n", "^model.ini: \\[model\\] config: .*not there");
    refuse_text("[model]\nconfig=missing.txt\n", "ends in .json");
    refuse_text("[model]\nlayers=2\n", "lacks hidden");
    refuse_text("[model]\npreset=llama-3-8b\nkv_heads=5\n", "cannot share 5 key and value heads");
    refuse_text("[model]\npreset=llama-3-8b\nhidden=4097\n", "no multiple of 32 heads");
    refuse_text("[model]\npreset=llama-3-8b\nexperts_per_token=2\n", "how many there are");
    refuse_text("[model]\npreset=mixtral-8x7b\nexperts_per_token=9\n", "only 8 experts");
    refuse_text("[model]\npreset=llama-3-8b\nkv_rank=5\n", "nope_dim and value_dim");
    refuse_text("[model]\npreset=llama-3-8b\nlayers=-1\n", "layers");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("model");

    tcase_add_test(tests, presets_have_the_published_number_of_parameters);
    tcase_add_test(tests, presets_without_a_published_count_are_near_their_name);
    tcase_add_test(tests, every_preset_is_complete);
    tcase_add_test(tests, a_token_of_a_mixture_meets_some_experts_only);
    tcase_add_test(tests, arithmetic_is_that_of_the_megatron_paper);
    tcase_add_test(tests, a_config_of_hugging_face_describes_a_model);
    tcase_add_test(tests, a_changed_preset_says_what_was_changed);
    tcase_add_test(tests, a_changed_config_says_what_was_changed);
    tcase_add_test(tests, keys_change_a_preset);
    tcase_add_test(tests, a_model_that_is_no_transformer_is_given_as_a_whole);
    tcase_add_test(tests, bad_configs_are_refused_with_a_sentence);
    tcase_add_test(tests, bad_keys_are_refused_with_a_sentence);
    return run_tests(tests);
}
