#include "workload/memory.h"

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "suite.h"
#include "workload/parameters.h"

#define MACHINE 8
#define GIB(n) ((uint64_t)(n) << 30)

/* A model and its layout, read from a scenario's groups and placed on nodes of eight GPUs. */
typedef struct {
    FabModel *model;
    FabTraining *training;
} Case;

static bool
read_case(const char *text, Case *one, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_parse("step.ini", text, error);

    one->model = file != NULL ? fab_model_read(file, error) : NULL;
    one->training = one->model != NULL ? fab_training_read(file, one->model, error) : NULL;
    return one->training != NULL && fab_training_place(one->training, one->model, MACHINE, "step.ini", error);
}

static Case
case_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    Case one = { NULL, NULL };

    ck_assert_msg(read_case(text, &one, &error), "%s", error != NULL ? error->message : "no error");
    return one;
}

static void
case_clear(Case *one)
{
    fab_model_free(one->model);
    fab_training_free(one->training);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, case_clear)

static void
refuse(const char *text, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_auto(Case) one = { NULL, NULL };

    ck_assert_msg(!read_case(text, &one, &error), "accepted: %s", text);
    test_refusal(&error, pattern);
}

static FabFit
fit_in(const Case *one, uint64_t capacity)
{
    g_autoptr(FabMemory) memory = fab_memory_account(one->training, one->model, capacity, MACHINE);

    return memory->fit;
}

/* Equations 1, 2, 4 and 6 of arXiv 2205.05198: s b h (10 + 24 / t + 5 a s / h t), and its parts. */
START_TEST(activations_of_a_layer_are_those_of_the_paper)
{
#define GPT                                                                                                            \
    "[model]\npreset=megatron-22b\n[training]\ngpus=8\nmicro_batch=4\nglobal_batch=4\nflash=no\n[parallel]\ntp=8\n"
    g_auto(Case) plain = case_of(GPT "sequence_parallel=no\n");
    g_auto(Case) parallel = case_of(GPT "sequence_parallel=yes\n");
    double s = 2048, b = 4, h = 6144, a = 64, t = 8;

    ck_assert_double_eq_tol(fab_memory_layer_activations(plain.training, plain.model, 0, FAB_RECOMPUTE_NONE),
                            s * b * h * (10 + 24 / t + 5 * a * s / (h * t)), 1);
    ck_assert_double_eq_tol(fab_memory_layer_activations(parallel.training, parallel.model, 0, FAB_RECOMPUTE_NONE),
                            s * b * h / t * (34 + 5 * a * s / h), 1);
    ck_assert_double_eq_tol(fab_memory_layer_activations(parallel.training, parallel.model, 0, FAB_RECOMPUTE_SELECTIVE),
                            s * b * h * 34 / t, 1);
    ck_assert_double_eq_tol(fab_memory_layer_activations(plain.training, plain.model, 0, FAB_RECOMPUTE_FULL),
                            2 * s * b * h, 1);
}
END_TEST

/* arXiv 1910.02054, figure 1: 7.5 B parameters on 64 GPUs, 16 bytes each: 120, 31.4, 16.6 and 1.9 GB. */
START_TEST(zero_keeps_what_its_paper_says)
{
    const double wanted[] = { 120, 31.4, 16.6, 1.88 };

    for (int zero = 0; zero <= 3; zero++) {
        g_autofree char *text = g_strdup_printf("[model]\npreset=megatron-7.5b\n[training]\nnodes=8\nglobal_batch=64\n"
                                                "gradients=16 bit\n[parallel]\nzero=%d\n", zero);
        g_auto(Case) one = case_of(text);
        FabStageMemory memory = fab_memory_stage(one.training, one.model, 0);
        double state = (double)(memory.parts[FAB_MEMORY_PARAMETERS] + memory.parts[FAB_MEMORY_GRADIENTS] +
                                memory.parts[FAB_MEMORY_OPTIMISER]);
        ck_assert_double_eq_tol(state / (double)memory.parameters * 7.5, wanted[zero], 0.05);
    }
}
END_TEST

/* Cutting a model into pieces loses and invents nothing but what is kept whole. */
START_TEST(stages_together_hold_the_model)
{
    g_auto(Case) one = case_of("[model]\npreset=llama-3-8b\n[training]\nglobal_batch=8\n[parallel]\npp=8\n");
    g_auto(Case) experts = case_of("[model]\npreset=mixtral-8x7b\n[training]\nglobal_batch=8\n[parallel]\nep=8\n");
    uint64_t sum = 0, shared, routed;
    FabParameters all = fab_parameters(experts.model);

    for (uint32_t stage = 0; stage < 8; stage++)
        sum += fab_memory_stage(one.training, one.model, stage).parameters;
    ck_assert_uint_eq(sum, 8030261248);
    fab_memory_parameters(experts.training, experts.model, 0, &shared, &routed);
    ck_assert_uint_eq(routed * 8, all.layer.experts * 32);
    ck_assert_uint_eq(shared + routed * 8, all.total);
}
END_TEST

/*
 * The four sizes of arXiv 2205.05198, table 5, on A100 of 80 GiB: the two settings that were run fit, the two that the
 * paper was written against do not.
 */
START_TEST(the_runs_of_table_5_fit_and_their_alternatives_do_not)
{
    static const char *const models[] = {
        "preset=megatron-22b\n[training]\nnodes=1\nmicro_batch=4\nglobal_batch=4\nprecision=fp16\nflash=no\n"
        "[parallel]\ntp=8\n",
        "preset=megatron-175b\n[training]\nnodes=8\nglobal_batch=64\nprecision=fp16\nflash=no\n"
        "[parallel]\ntp=8\npp=8\nchunks=3\n",
        "preset=megatron-530b\n[training]\nnodes=35\nglobal_batch=280\nprecision=fp16\nflash=no\n"
        "[parallel]\ntp=8\npp=35\nchunks=3\n",
        "preset=megatron-1t\n[training]\nnodes=64\nglobal_batch=512\nprecision=fp16\nflash=no\n"
        "[parallel]\ntp=8\npp=64\n",
    };
    const struct {
        const char *keys;
        bool fits;
    } settings[] = { { "recompute=full\nsequence_parallel=no\n", true },
                     { "recompute=selective\nsequence_parallel=yes\n", true },
                     { "recompute=none\nsequence_parallel=yes\n", false },
                     { "recompute=none\nsequence_parallel=no\n", false } };

    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        for (size_t k = 0; k < G_N_ELEMENTS(settings); k++) {
            g_autofree char *text = g_strconcat("[model]\n", models[i], settings[k].keys, NULL);
            g_auto(Case) one = case_of(text);
            ck_assert_msg((fit_in(&one, GIB(80)) != FAB_FIT_NO) == settings[k].fits, "%s%s", models[i],
                          settings[k].keys);
        }
    }
}
END_TEST

/* Two bytes less for each of two moments. */
START_TEST(moments_of_16_bit_take_half)
{
    g_auto(Case) wide = case_of("[model]\npreset=gpt-2\n[training]\nglobal_batch=8\n");
    g_auto(Case) half = case_of("[model]\npreset=gpt-2\n[training]\nglobal_batch=8\nmoments=16 bit\n");
    g_auto(Case) single = case_of("[model]\npreset=gpt-2\n[training]\nglobal_batch=8\nmoments=16 bit\n"
                                  "precision=fp32\n");
    FabStageMemory twelve = fab_memory_stage(wide.training, wide.model, 0);
    FabStageMemory eight = fab_memory_stage(half.training, half.model, 0);
    FabStageMemory four = fab_memory_stage(single.training, single.model, 0);

    ck_assert_uint_eq(twelve.parts[FAB_MEMORY_OPTIMISER], 12 * twelve.parameters);
    ck_assert_uint_eq(eight.parts[FAB_MEMORY_OPTIMISER], 8 * twelve.parameters);
    ck_assert_uint_eq(four.parts[FAB_MEMORY_OPTIMISER], 4 * twelve.parameters);
    refuse("[model]\npreset=gpt-2\n[training]\nglobal_batch=8\nmoments=8 bit\n", "moments");
}
END_TEST

START_TEST(what_is_short_gets_the_smallest_change)
{
    g_auto(Case) big = case_of("[model]\npreset=llama-3-8b\n[training]\nsequence=2048\nglobal_batch=64\n");
    g_auto(Case) wide = case_of("[model]\npreset=gpt-2-xl\n[training]\nmicro_batch=64\nglobal_batch=512\n");
    g_auto(Case) huge = case_of("[model]\npreset=llama-3-405b\n[training]\nglobal_batch=8\n");
    g_autoptr(FabMemory) first = fab_memory_account(big.training, big.model, GIB(80), MACHINE);
    g_autoptr(FabMemory) second = fab_memory_account(wide.training, wide.model, GIB(80), MACHINE);
    g_autoptr(FabMemory) third = fab_memory_account(huge.training, huge.model, GIB(80), MACHINE);

    ck_assert_int_eq(first->fit, FAB_FIT_NO);
    ck_assert_str_eq(first->change, "zero=1");
    ck_assert_int_eq(second->fit, FAB_FIT_NO);
    ck_assert_str_eq(second->change, "micro_batch=16");
    ck_assert_int_eq(third->fit, FAB_FIT_NO);
    ck_assert_str_eq(third->change, "nodes=32 gpus=256 global_batch=256 recompute=full zero=3 tp=2 dp=128");
}
END_TEST

/* One that nothing helps, on as many machines as are offered. */
START_TEST(where_nothing_helps_nothing_is_offered)
{
    g_auto(Case) huge = case_of("[model]\npreset=llama-3-405b\n[training]\nglobal_batch=8\n");
    g_autoptr(FabMemory) memory = fab_memory_account(huge.training, huge.model, GIB(8), MACHINE);

    ck_assert_int_eq(memory->fit, FAB_FIT_NO);
    ck_assert_ptr_null(memory->change);
}
END_TEST

/* On the machines that there are and, where it takes more, on those that are offered. */
START_TEST(machines_that_are_offered_are_enough)
{
    g_auto(Case) huge = case_of("[model]\npreset=llama-3-405b\n[training]\nnodes=32\ngpus=256\nglobal_batch=256\n"
                                "[parallel]\nrecompute=full\nzero=3\ntp=2\ndp=128\n");

    ck_assert_int_ne(fit_in(&huge, GIB(80)), FAB_FIT_NO);
}
END_TEST

/* A change that is offered works when it is made. */
START_TEST(the_change_that_is_offered_makes_it_fit)
{
    g_auto(Case) before = case_of("[model]\npreset=llama-3-70b\n[training]\nnodes=4\nglobal_batch=256\n");
    g_autoptr(FabMemory) memory = fab_memory_account(before.training, before.model, GIB(80), MACHINE);
    g_autoptr(GString) text = g_string_new("[model]\npreset=llama-3-70b\n[training]\nnodes=4\nglobal_batch=256\n"
                                           "[parallel]\n");
    g_auto(GStrv) words = NULL;
    g_auto(Case) after = { NULL, NULL };

    ck_assert_int_eq(memory->fit, FAB_FIT_NO);
    ck_assert_ptr_nonnull(memory->change);
    words = g_strsplit(memory->change, " ", -1);
    for (guint i = 0; words[i] != NULL; i++) {
        bool last = true;
        for (guint k = i + 1; words[k] != NULL; k++)
            last = last && strncmp(words[k], words[i], 3) != 0;
        if (last)
            g_string_append_printf(text, "%s\n", words[i]);
    }
    after = case_of(text->str);
    ck_assert_int_ne(fit_in(&after, GIB(80)), FAB_FIT_NO);
}
END_TEST

START_TEST(the_cache_is_that_of_the_heads_that_are_kept)
{
    g_auto(Case) llama = case_of("[model]\npreset=llama-3-8b\n[training]\nglobal_batch=8\n");
    g_auto(Case) deepseek = case_of("[model]\npreset=deepseek-v3\n[training]\nglobal_batch=8\n");

    ck_assert_double_eq(fab_memory_cache_per_token(llama.training, llama.model), 2 * 8 * 128 * 2 * 32);
    ck_assert_double_eq(fab_memory_cache_per_token(deepseek.training, deepseek.model), (512 + 64) * 2 * 61);
}
END_TEST

START_TEST(layers_are_dealt_out_with_the_ends_as_layers)
{
    g_auto(Case) one = case_of("[model]\npreset=llama-3-405b\n[training]\nnodes=8\nglobal_batch=8\n"
                               "[parallel]\ntp=8\npp=8\nchunks=4\nends_as_layers=yes\n");
    uint32_t sum = 0, first;

    for (uint32_t stage = 0; stage < 8; stage++) {
        for (uint32_t chunk = 0; chunk < 4; chunk++)
            sum += fab_training_layers(one.training, one.model, stage, chunk, NULL);
    }
    ck_assert_uint_eq(sum, 126);
    ck_assert_uint_eq(fab_training_layers(one.training, one.model, 0, 0, &first), 3);
    ck_assert_uint_eq(first, 0);
    ck_assert_uint_eq(fab_training_layers(one.training, one.model, 1, 0, &first), 4);
    ck_assert_uint_eq(first, 3);
    ck_assert_uint_eq(fab_training_layers(one.training, one.model, 7, 3, NULL), 3);
}
END_TEST

START_TEST(what_does_not_divide_is_refused_with_a_sentence)
{
#define STEP "[model]\npreset=llama-3-8b\n[training]\nglobal_batch=64\n"
    refuse("[model]\npreset=llama-3-8b\n[training]\nmicro_batch=1\n", "needs global_batch");
    refuse("[model]\nlayers=2\nhidden=8\nheads=2\nffn=8\nvocab=8\n[training]\nglobal_batch=8\n", "needs sequence");
    refuse(STEP "[parallel]\ntp=3\n", "tp 3 x pp 1 x cp 1 x dp 1 is not the number of GPUs, 8");
    refuse(STEP "[parallel]\ntp=8\ndp=2\n", "is not the number of GPUs");
    refuse(STEP "nodes=8\n[parallel]\ntp=64\n", "tp is 64, which does not divide 32 heads");
    refuse(STEP "gpus=9\n", "gpus is 9, 1 x 8 GPUs are there");
    refuse(STEP "gpus=5\n[parallel]\npp=5\n", "32 layers cannot be dealt out to pp 5 x 1 chunks");
    refuse(STEP "gpus=2\n[parallel]\npp=2\nchunks=17\n", "cannot be dealt out .*; with ends_as_layers=yes they can");
    refuse(STEP "[parallel]\nep=2\n", "ep is for experts, of which the model has none");
    refuse("[model]\npreset=mixtral-8x7b\n[training]\nglobal_batch=64\n[parallel]\ntp=8\nep=2\n", "dp x cp");
    refuse(STEP "micro_batch=3\n", "global_batch 64 is no multiple of micro_batch 3 x dp 8");
    refuse(STEP "[parallel]\npp=4\nschedule=interleaved\n", "needs chunks");
    refuse(STEP "[parallel]\npp=4\nchunks=2\nschedule=1f1b\n", "has no chunks");
    refuse(STEP "[parallel]\nchunks=2\n", "nothing to interleave");
    refuse(STEP "gpus=4\nmicro_batch=32\n[parallel]\npp=4\nchunks=2\n", "2 micro-batches .* no multiple of 4 stages");
    refuse(STEP "[parallel]\npp=8\nzero=3\n", "with pp above 1 zero is 0 or 1");
    refuse(STEP "sequence=1001\n[parallel]\ntp=8\n", "sequence 1001 is no multiple of the 8 pieces");
    refuse(STEP "precision=fp7\n", "precision");
    refuse(STEP "[parallel]\nrecompute=sometimes\n", "recompute");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("memory");

    tcase_add_test(tests, activations_of_a_layer_are_those_of_the_paper);
    tcase_add_test(tests, zero_keeps_what_its_paper_says);
    tcase_add_test(tests, stages_together_hold_the_model);
    tcase_add_test(tests, the_runs_of_table_5_fit_and_their_alternatives_do_not);
    tcase_add_test(tests, moments_of_16_bit_take_half);
    tcase_add_test(tests, what_is_short_gets_the_smallest_change);
    tcase_add_test(tests, where_nothing_helps_nothing_is_offered);
    tcase_add_test(tests, machines_that_are_offered_are_enough);
    tcase_add_test(tests, the_change_that_is_offered_makes_it_fit);
    tcase_add_test(tests, the_cache_is_that_of_the_heads_that_are_kept);
    tcase_add_test(tests, layers_are_dealt_out_with_the_ends_as_layers);
    tcase_add_test(tests, what_does_not_divide_is_refused_with_a_sentence);
    return run_tests(tests);
}
