#include "predict/inference.h"

#include <check.h>

#include "fixture.h"
#include "suite.h"
#include "workload/parameters.h"

#define SERVE "topology.name=dgx-h100", "model.preset=llama-3-70b", "inference.batch=4", "inference.prompt=1024"

static FabInference *
try_inference(GError **error, const char *const *sets)
{
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, error);

    return scenario != NULL ? fab_inference_new(scenario, NULL, error) : NULL;
}

static FabInference *
inference_of(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    FabInference *inference = try_inference(&error, sets);

    ck_assert_msg(inference != NULL, "%s", error != NULL ? error->message : "no error");
    return inference;
}

#define INFERENCE(...) inference_of((const char *const[]) { __VA_ARGS__, NULL })

static void
refuse(const char *pattern, const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    FabInference *inference = try_inference(&error, sets);

    ck_assert_msg(inference == NULL, "accepted");
    test_refusal(&error, pattern);
}

static double
sum(const double parts[FAB_TIME_PARTS])
{
    double all = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        all += parts[i];
    return all;
}

START_TEST(the_parts_are_the_times)
{
    g_autoptr(FabInference) one = INFERENCE(SERVE, "parallel.tp=4", "parallel.pp=2");

    ck_assert_double_eq_tol(sum(one->prefill) / one->prefill_s, 1, 1e-12);
    ck_assert_double_eq_tol(sum(one->decode) / one->decode_s, 1, 1e-12);
    ck_assert_double_gt(one->prefill[FAB_TIME_HOP], 0);
    ck_assert_double_eq_tol(one->tokens_per_s * one->decode_s, 4, 1e-9);
    ck_assert_double_eq_tol(one->prompt_tokens_per_s * one->prefill_s, 4 * 1024, 1e-6);
}
END_TEST

/* A token of a few sequences cannot come faster than the weights can be read, nor the prompt faster than the peak. */
START_TEST(no_token_beats_the_memory_and_no_prompt_the_peak)
{
    g_autoptr(FabInference) one = INFERENCE(SERVE, "parallel.tp=8");
    double bytes = 2.0 * (double)fab_parameters(one->footprint->model).total / 8;
    double flops = fab_forward_flops(one->footprint->model, 1024) * 4 * 1024 / 8;

    ck_assert_double_gt(one->decode_s, 0.97 * bytes / 3.35e12);
    ck_assert_double_lt(one->decode_s, 3 * bytes / 3.35e12);
    ck_assert_double_gt(one->prefill_s, 0.9 * flops / 989e12);
    ck_assert_double_lt(one->prefill_s, 4 * flops / 989e12);
}
END_TEST

START_TEST(more_to_do_takes_longer)
{
    g_autoptr(FabInference) base = INFERENCE(SERVE, "parallel.tp=4", "inference.gpus=4");
    g_autoptr(FabInference) wide = INFERENCE(SERVE, "parallel.tp=8");
    g_autoptr(FabInference) longer = INFERENCE(SERVE, "parallel.tp=4", "inference.gpus=4", "inference.generate=100000");
    g_autoptr(FabInference) eight = INFERENCE(SERVE, "parallel.tp=4", "inference.gpus=4", "inference.precision=fp8");

    ck_assert_double_lt(wide->prefill_s, base->prefill_s);
    ck_assert_double_lt(wide->decode_s, base->decode_s);
    ck_assert_double_gt(longer->decode_s, base->decode_s);
    ck_assert_double_eq(longer->prefill_s, base->prefill_s);
    ck_assert_double_lt(eight->decode_s, base->decode_s);
}
END_TEST

/* 2 x 8 heads x 128 x 2 bytes x 80 layers a token, cut by four. */
START_TEST(the_cache_is_in_the_account)
{
    g_autoptr(FabInference) one = INFERENCE(SERVE, "parallel.tp=4", "inference.gpus=4", "inference.generate=1024");
    const FabStageMemory *stage = &one->footprint->memory->stages[0];

    ck_assert_uint_eq(stage->parts[FAB_MEMORY_CACHE], (uint64_t)2 * 2 * 128 * 2 * 80 * 4 * 2048);
    ck_assert_uint_eq(stage->parts[FAB_MEMORY_OPTIMISER] + stage->parts[FAB_MEMORY_GRADIENTS], 0);
    ck_assert_int_eq(one->footprint->memory->fit, FAB_FIT_YES);
}
END_TEST

/* Eight experts of which a token visits two: one sequence reads fewer of them than many do. */
START_TEST(few_tokens_read_few_experts)
{
    g_autoptr(FabInference) one = INFERENCE("topology.name=dgx-h100", "model.preset=mixtral-8x7b", "parallel.tp=8",
                                            "inference.batch=1");
    g_autoptr(FabInference) many = INFERENCE("topology.name=dgx-h100", "model.preset=mixtral-8x7b", "parallel.tp=8",
                                             "inference.batch=64");

    ck_assert_double_gt(many->decode[FAB_TIME_MATRIX], 1.5 * one->decode[FAB_TIME_MATRIX]);
}
END_TEST

START_TEST(bad_input_is_refused_with_a_sentence)
{
#define SETS(...) ((const char *const[]) { __VA_ARGS__, NULL })
    refuse("\\[parallel\\] zero: is for \\[training\\]", SETS(SERVE, "parallel.tp=8", "parallel.zero=1"));
    refuse("is not the number of GPUs", SETS(SERVE, "parallel.tp=3"));
    refuse("scenario has exactly one", SETS(SERVE, "training.global_batch=8"));
    refuse("\\[inference\\] needs a \\[model\\]", SETS("topology.name=dgx-h100", "inference.batch=1"));
    refuse("unknown key", SETS(SERVE, "inference.batches=1"));
    refuse("\\[inference\\] precision is fp8, for which no rate",
           SETS("topology.name=dgx-a100", "model.preset=gpt-2", "inference.precision=fp8"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("inference");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_parts_are_the_times);
    tcase_add_test(tests, no_token_beats_the_memory_and_no_prompt_the_peak);
    tcase_add_test(tests, more_to_do_takes_longer);
    tcase_add_test(tests, the_cache_is_in_the_account);
    tcase_add_test(tests, few_tokens_read_few_experts);
    tcase_add_test(tests, bad_input_is_refused_with_a_sentence);
    return run_tests(tests);
}
