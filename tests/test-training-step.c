#include "predict/training-step.h"

#include <check.h>
#include <math.h>

#include "fixture.h"
#include "predict/group-time.h"
#include "suite.h"
#include "topology/machine.h"
#include "workload/kernel.h"
#include "workload/parameters.h"

#define LLAMA "topology.name=dgx-h100", "model.preset=llama-3-8b", "training.global_batch=128"

static FabTrainingStep *
try_step(GError **error, const char *const *sets)
{
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, error);

    return scenario != NULL ? fab_training_step_new(scenario, NULL, NULL, error) : NULL;
}

static FabTrainingStep *
step_of(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    FabTrainingStep *step = try_step(&error, sets);

    ck_assert_msg(step != NULL, "%s", error != NULL ? error->message : "no error");
    return step;
}

#define STEP(...) step_of((const char *const[]) { __VA_ARGS__, NULL })

static double
seconds_of(const char *const *sets)
{
    g_autoptr(FabTrainingStep) step = step_of(sets);

    return step->seconds;
}

#define SECONDS(...) seconds_of((const char *const[]) { __VA_ARGS__, NULL })

static void
refuse(const char *pattern, const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    FabTrainingStep *step = try_step(&error, sets);

    ck_assert_msg(step == NULL, "accepted");
    test_refusal(&error, pattern);
}

static void
check_sum(const FabTrainingStep *step)
{
    double sum = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        ck_assert_double_ge(step->parts[i], 0);
        sum += step->parts[i];
    }
    ck_assert_double_eq_tol(sum / step->seconds, 1, 1e-12);
    ck_assert_double_lt(step->low, step->seconds);
    ck_assert_double_gt(step->high, step->seconds);
}

START_TEST(the_parts_are_the_step)
{
    g_autoptr(FabTrainingStep) plain = STEP(LLAMA, "parallel.zero=1");
    g_autoptr(FabTrainingStep) sharded = STEP(LLAMA, "parallel.zero=3", "training.nodes=4");
    g_autoptr(FabTrainingStep) piped = STEP(LLAMA, "parallel.tp=2", "parallel.pp=4", "parallel.chunks=2");
    g_autoptr(FabTrainingStep) mixed = STEP("topology.name=dgx-h100", "model.preset=mixtral-8x7b", "training.nodes=2",
                                            "training.global_batch=64", "training.sequence=4096", "parallel.ep=8",
                                            "parallel.cp=2");

    check_sum(plain);
    check_sum(sharded);
    check_sum(piped);
    check_sum(mixed);
    ck_assert_double_gt(sharded->parts[FAB_TIME_SHARD], 0);
    ck_assert_double_gt(piped->parts[FAB_TIME_TENSOR], 0);
    ck_assert_double_gt(piped->parts[FAB_TIME_BUBBLE], 0);
    ck_assert_double_gt(mixed->parts[FAB_TIME_EXPERT], 0);
}
END_TEST

#define MIXTRAL "topology.name=dgx-h100", "model.preset=mixtral-8x7b", "training.sequence=4096",                 \
    "training.global_batch=16", "parallel.ep=8"

/* All wait for the GPU whose experts are asked for most, and it keeps more. */
START_TEST(skewed_experts_cost_time_and_memory)
{
    g_autoptr(FabTrainingStep) even = STEP(MIXTRAL), same = STEP(MIXTRAL, "parallel.expert_skew=1");
    g_autoptr(FabTrainingStep) skewed = STEP(MIXTRAL, "parallel.expert_skew=1.5");
    g_autoptr(FabTrainingStep) zipf = STEP(MIXTRAL, "parallel.expert_zipf=1");
    g_autoptr(FabTrainingStep) again = STEP(MIXTRAL, "parallel.expert_zipf=1");
    g_autoptr(FabTrainingStep) flat = STEP(MIXTRAL, "parallel.expert_zipf=0.2");

    ck_assert_double_eq(even->seconds, same->seconds);
    ck_assert_double_gt(skewed->parts[FAB_TIME_MATRIX], 1.2 * even->parts[FAB_TIME_MATRIX]);
    ck_assert_double_gt(skewed->parts[FAB_TIME_EXPERT], 1.2 * even->parts[FAB_TIME_EXPERT]);
    ck_assert_uint_gt(skewed->footprint->memory->stages[0].total, even->footprint->memory->stages[0].total);
    ck_assert_double_eq(zipf->seconds, again->seconds);
    ck_assert_double_gt(zipf->seconds, flat->seconds);
    ck_assert_double_gt(flat->seconds, even->seconds);
}
END_TEST

START_TEST(dualpipe_waits_less_and_keeps_everything_twice)
{
    const char *layout = "parallel.pp=4", *batch = "training.global_batch=64";
    g_autoptr(FabTrainingStep) plain = STEP(LLAMA, layout, batch);
    g_autoptr(FabTrainingStep) dual = STEP(LLAMA, layout, batch, "parallel.schedule=dualpipe");
    g_autoptr(FabTrainingStep) all = STEP(LLAMA, layout, batch, "parallel.schedule=dualpipe", "training.fold=no");

    check_sum(dual);
    ck_assert_double_lt(dual->parts[FAB_TIME_BUBBLE], plain->parts[FAB_TIME_BUBBLE]);
    ck_assert_double_eq_tol(all->seconds / dual->seconds, 1, 1e-9);
    ck_assert_uint_gt(dual->footprint->memory->stages[1].parameters,
                      2 * plain->footprint->memory->stages[1].parameters - 1);
    refuse("pp is 1, dualpipe pairs stages", (const char *const[]) { LLAMA, "parallel.schedule=dualpipe", NULL });
    refuse("dualpipe needs an even number of at least 8",
           (const char *const[]) { LLAMA, layout, "parallel.schedule=dualpipe", "training.global_batch=8", NULL });
    refuse("chunks is 4, dualpipe has 2",
           (const char *const[]) { LLAMA, layout, "parallel.schedule=dualpipe", "parallel.chunks=4", NULL });
    refuse("expert_skew and expert_zipf say the same thing twice",
           (const char *const[]) { MIXTRAL, "parallel.expert_skew=2", "parallel.expert_zipf=1", NULL });
    refuse("expert_skew", (const char *const[]) { MIXTRAL, "parallel.expert_skew=0.5", NULL });
}
END_TEST

START_TEST(rates_follow_from_the_step)
{
    g_autoptr(FabTrainingStep) step = STEP(LLAMA, "parallel.zero=1", "parallel.recompute=full");
    const FabModel *model = step->footprint->model;
    double tokens = 128.0 * 8192, flops = 3 * fab_forward_flops(model, 8192) * tokens / 8 / step->seconds;

    ck_assert_double_eq_tol(step->tokens_per_s * step->seconds / tokens, 1, 1e-12);
    ck_assert_double_eq_tol(step->flops_per_gpu / flops, 1, 1e-12);
    ck_assert_double_eq_tol(step->mfu * 989e12 / flops, 1, 1e-2);
    ck_assert_double_gt(step->hfu, 1.25 * step->mfu);
    ck_assert_double_lt(step->hfu, 4.0 / 3 * step->mfu);
}
END_TEST

/* Tiles of 128 x 256 on 108 processors, one wave of them: as long as one tile. */
START_TEST(matrices_are_done_in_waves_of_tiles)
{
    FabTraining training = { .stack = (char *)"megatron" };
    const FabStack *stack = fab_stack_find(&training, 80);
    FabGpuRates rates = { .peak = 312e12, .peak_16 = 312e12, .memory = 2039e9, .sms = 108, .stack = stack };
    double tile = 2.0 * 128 * 256 * (8192 + stack->tile_columns) / (312e12 / 108 * stack->gemm_share);
    double one = fab_gemm_seconds(&rates, 128 * 12, 256 * 9, 8192, 1);
    double two = fab_gemm_seconds(&rates, 128 * 24, 256 * 9, 8192, 1);
    double bare = fab_gemm_seconds(&rates, 8192, 8192, 8192, 1);

    ck_assert_double_eq_tol(one, tile + 3e-6, 1e-9);
    ck_assert_double_eq_tol((two - 3e-6) / (one - 3e-6), 2, 1e-9);
    ck_assert_double_gt(2 * 8192.0 * 8192 * 8192 / bare, 0.6 * 312e12);
    ck_assert_double_lt(2 * 8192.0 * 8192 * 8192 / bare, stack->gemm_share * 312e12);
}
END_TEST

/* Kernels that only move data take twice as long where elements take four bytes instead of two. */
START_TEST(elements_of_fp32_are_twice_as_wide)
{
    g_autoptr(GError) error = NULL;
    const char *const sets[] = { LLAMA, "training.gpus=8", "training.sequence=1024", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
    const FabStack *stack = fab_stack_find(scenario->training, 80);
    FabGpuRates narrow = { .peak = 312e12, .peak_16 = 312e12, .memory = 2039e9, .sms = 108, .stack = stack };
    FabGpuRates wide = narrow;
    FabLayerTimes two, four;

    wide.wide = true;
    two = fab_layer_times(&narrow, scenario->training, scenario->model, false);
    four = fab_layer_times(&wide, scenario->training, scenario->model, false);
    ck_assert_double_gt(two.forward.memory, 0);
    ck_assert_double_eq_tol(four.forward.memory / two.forward.memory, 2, 1e-9);
    ck_assert_double_eq_tol(four.backward.memory / two.backward.memory, 2, 1e-9);
    /* A vector times a matrix: as long as the matrix takes to read. */
    ck_assert_double_eq_tol((fab_gemm_seconds(&wide, 1, 8192, 8192, 1) - 3e-6) /
                            (fab_gemm_seconds(&narrow, 1, 8192, 8192, 1) - 3e-6), 2, 0.01);
}
END_TEST

#define RESNET "topology.name=dgx-a100", "model.preset=resnet-50", "training.micro_batch=256"

/* Copies of a network of which only the whole is known: what is left to predict is how well they scale. */
START_TEST(a_model_given_as_a_whole_has_replicas_only)
{
    g_autoptr(FabTrainingStep) one = STEP(RESNET, "training.gpus=1", "training.global_batch=256");
    g_autoptr(FabTrainingStep) eight = STEP(RESNET, "training.global_batch=2048");
    const FabStageMemory *memory = &one->footprint->memory->stages[0];

    check_sum(one);
    check_sum(eight);
    ck_assert_double_eq(one->parts[FAB_TIME_DATA], 0);
    ck_assert_double_gt(eight->parts[FAB_TIME_DATA], 0);
    ck_assert_double_gt(eight->tokens_per_s, 7.5 * one->tokens_per_s);
    ck_assert_double_lt(eight->tokens_per_s, 8 * one->tokens_per_s);
    ck_assert_double_eq_tol(one->flops_per_gpu / (one->tokens_per_s * 3 * 8.18e9), 1, 1e-9);
    ck_assert_uint_eq(memory->parameters, 25557032);
    ck_assert_uint_eq(memory->parts[FAB_MEMORY_ACTIVATIONS], UINT64_C(256) * 2 * 11100000 * 2);
    ck_assert_double_gt(one->high / one->seconds, 1.7);
    refuse("tp takes a model apart", (const char *const[]) { RESNET, "tp=2", "training.global_batch=2048", NULL });
    refuse("zero takes a model apart", (const char *const[]) { RESNET, "zero=3", "training.global_batch=2048", NULL });
    refuse("recompute takes a model apart",
           (const char *const[]) { RESNET, "recompute=full", "training.global_batch=2048", NULL });
    refuse("samples of one token", (const char *const[]) { RESNET, "sequence=2", "training.global_batch=2048", NULL });
    refuse("ep is for experts", (const char *const[]) { RESNET, "ep=2", "training.global_batch=2048", NULL });
}
END_TEST

#define FEW_EXPERTS "topology.name=dgx-a100", "model.preset=mixtral-8x7b", "model.layers=2", "training.global_batch=8"

/* With experts on every GPU ZeRO has nothing of them to share out: their moments are all its own. */
START_TEST(an_optimiser_works_on_what_its_gpu_keeps)
{
    g_autoptr(FabTrainingStep) whole = STEP(FEW_EXPERTS, "zero=1");
    g_autoptr(FabTrainingStep) dealt = STEP(FEW_EXPERTS, "zero=1", "ep=8");
    g_autoptr(FabTrainingStep) half = STEP(FEW_EXPERTS, "zero=1", "moments=16 bit");

    ck_assert_double_eq_tol(dealt->parts[FAB_TIME_OPTIMISER] / whole->parts[FAB_TIME_OPTIMISER], 1, 1e-6);
    ck_assert_double_eq_tol(half->parts[FAB_TIME_OPTIMISER] / whole->parts[FAB_TIME_OPTIMISER], 28.0 / 36, 1e-6);
}
END_TEST

/* A group gets the adapters of its own ranks; the others serve the other groups. */
/* Of what the exchange of gradients takes, its last bucket and what it slows the backward pass down by. */
START_TEST(an_exchange_beside_kernels_slows_them_down)
{
    g_autoptr(FabTrainingStep) beside = STEP(LLAMA, "parallel.dp=8", "training.micro_batch=4", "model.layers=8");
    g_autoptr(FabTrainingStep) after = STEP(LLAMA, "parallel.dp=8", "training.micro_batch=4", "model.layers=8",
                                            "training.overlap=no");
    double left = beside->parts[FAB_TIME_DATA] / after->parts[FAB_TIME_DATA];

    check_sum(beside);
    ck_assert_double_gt(left, 0.13); /* the stack's share, without the last bucket */
    ck_assert_double_lt(left, 0.2);
}
END_TEST

START_TEST(a_group_gets_the_rails_of_its_ranks)
{
    g_autoptr(FabTopology) machine = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabGroupTimes) times = fab_group_times_new(machine, 0);
    FabGroup pairs = { 32, 2 }, eights = { 8, 8 }, inside = { 8, 1 };

    ck_assert_uint_eq(fab_group_members_inside(times, pairs), 4);
    ck_assert_uint_eq(fab_group_members_inside(times, eights), 1);
    ck_assert_uint_eq(fab_group_members_inside(times, inside), 8);
    ck_assert_double_eq_tol(fab_group_network_rate(times, pairs) / fab_group_network_rate(times, eights), 4, 1e-9);
    ck_assert_double_gt(fab_group_network_rate(times, eights), 0.8 * 50e9);
    ck_assert_double_le(fab_group_network_rate(times, eights), 50e9);
}
END_TEST

/* Four pairs across the sockets at once have the way between the sockets together; behind an NVSwitch none shares. */
START_TEST(groups_that_exchange_at_once_are_in_each_others_way)
{
    g_autoptr(FabTopology) sockets = fab_machine_load("l40s-8-dual-root-2sw", NULL, NULL);
    g_autoptr(FabTopology) switched = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabGroupTimes) shared = fab_group_times_new(sockets, 0), own = fab_group_times_new(switched, 0);
    FabGroup across = { 2, 4 };
    double alone = fab_group_seconds(shared, FAB_ALL_REDUCE, across, 1e8, NULL), four, ports;

    ports = fab_group_seconds(own, FAB_ALL_REDUCE, across, 1e8, NULL);
    fab_group_times_use(shared, 8);
    fab_group_times_use(own, 8);
    four = fab_group_seconds(shared, FAB_ALL_REDUCE, across, 1e8, NULL);
    ck_assert_double_gt(four, 1.5 * alone);
    ck_assert_double_le(four, 4.01 * alone);
    ck_assert_double_eq(fab_group_seconds(own, FAB_ALL_REDUCE, across, 1e8, NULL), ports);
    fab_group_times_use(shared, 2);
    ck_assert_double_eq(fab_group_seconds(shared, FAB_ALL_REDUCE, across, 1e8, NULL), alone);
}
END_TEST

START_TEST(what_travels_farther_takes_longer)
{
    g_autoptr(FabTopology) machine = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabGroupTimes) times = fab_group_times_new(machine, 0);
    double near = fab_group_seconds(times, FAB_ALL_REDUCE, (FabGroup) { 8, 1 }, 1e9, NULL);
    double far = fab_group_seconds(times, FAB_ALL_REDUCE, (FabGroup) { 16, 1 }, 1e9, NULL);
    double rail = fab_group_seconds(times, FAB_ALL_REDUCE, (FabGroup) { 2, 8 }, 1e9, NULL);

    ck_assert_double_gt(near, 0);
    ck_assert_double_gt(far, near);
    ck_assert_double_gt(rail, far);
    ck_assert_double_eq(fab_group_seconds(times, FAB_ALL_REDUCE, (FabGroup) { 1, 1 }, 1e9, NULL), 0);
}
END_TEST

START_TEST(what_should_help_helps)
{
    ck_assert_double_lt(SECONDS(LLAMA, "parallel.zero=1"), SECONDS(LLAMA, "parallel.zero=1", "training.overlap=no"));
    ck_assert_double_lt(SECONDS(LLAMA, "parallel.zero=1"),
                        SECONDS(LLAMA, "parallel.zero=1", "parallel.recompute=full"));
    ck_assert_double_lt(SECONDS(LLAMA, "training.precision=fp8"), SECONDS(LLAMA));
    ck_assert_double_lt(SECONDS(LLAMA, "parallel.pp=8", "parallel.schedule=zb-h1"), SECONDS(LLAMA, "parallel.pp=8"));
    ck_assert_double_lt(SECONDS(LLAMA, "parallel.pp=8", "parallel.chunks=2"), SECONDS(LLAMA, "parallel.pp=8"));
    ck_assert_double_lt(SECONDS(LLAMA, "training.nodes=2", "parallel.zero=3", "training.nic_rate=50 GB/s"),
                        SECONDS(LLAMA, "training.nodes=2", "parallel.zero=3", "training.nic_rate=5 GB/s"));
}
END_TEST

/* Sixteen machines of a cluster's fabric, and sixteen whose network is known by its adapters only. */
START_TEST(a_cluster_takes_as_long_as_its_machines)
{
#define LAYOUT "model.preset=llama-3-8b", "training.global_batch=256", "training.sequence=2048", "parallel.tp=8", \
    "parallel.pp=2", "parallel.zero=1"
    double cluster = SECONDS("topology.name=superpod-h100", "training.gpus=128", LAYOUT);
    double machines = SECONDS("topology.name=dgx-h100", "training.nodes=16", LAYOUT);

    ck_assert_double_eq_tol(cluster / machines, 1, 0.1);
}
END_TEST

/* A GPU alone has nothing to wait for. */
START_TEST(one_gpu_communicates_with_nobody)
{
    g_autoptr(FabTrainingStep) step = STEP("topology.name=dgx-h100", "model.preset=gpt-2-xl", "training.gpus=1",
                                           "training.global_batch=8");

    ck_assert_double_eq(step->parts[FAB_TIME_TENSOR] + step->parts[FAB_TIME_DATA] + step->parts[FAB_TIME_BUBBLE] +
                            step->parts[FAB_TIME_HOP] + step->parts[FAB_TIME_SHARD], 0);
    ck_assert_double_gt(step->parts[FAB_TIME_MATRIX], 0);
}
END_TEST

/* Tensor parallel 8 moves much more than data parallel 8 does once a step: the bridge matters to the first. */
START_TEST(slow_links_hurt_tensor_parallelism_most)
{
#define PAIR(topology)                                                                                                 \
    "topology.name=" topology, "model.preset=gpt-2", "training.global_batch=64", "training.gpus=2",                   \
        "training.precision=fp16"
    double bridged = SECONDS(PAIR("ws2-bridge-3090"), "parallel.tp=2") / SECONDS(PAIR("ws2-bridge-3090"));
    double bare = SECONDS(PAIR("ws2-x16"), "topology.gpu=rtx-3090", "parallel.tp=2") /
                  SECONDS(PAIR("ws2-x16"), "topology.gpu=rtx-3090");

    ck_assert_double_gt(bare, 1.1 * bridged);
}
END_TEST

START_TEST(what_the_machine_cannot_do_is_refused)
{
#define SETS(...) ((const char *const[]) { __VA_ARGS__, NULL })
    refuse("precision is fp8, for which no rate of the GPU a100-sxm-80",
           SETS("topology.name=dgx-a100", "model.preset=llama-3-8b", "training.global_batch=64",
                "training.precision=fp8"));
    refuse("no network adapters of known rate",
           SETS("topology.name=ws2-x16", "model.preset=gpt-2", "training.nodes=2", "training.global_batch=64"));
    refuse("more passes than", SETS("topology.name=dgx-h100", "model.preset=gpt-2", "training.gpus=4",
                                    "parallel.pp=4", "training.global_batch=16777216"));
    refuse("is not the number of GPUs", SETS(LLAMA, "parallel.tp=3"));
}
END_TEST

/* A step of one of these machines' owners, or of anybody. */
static double
width_of(const char *stack, const char *machine)
{
    const char *const sets[] = { LLAMA, "parallel.zero=1", stack, NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabTrainingStep) step = NULL;

    scenario->training->measured_on = machine;
    step = fab_training_step_new(scenario, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(step);
    ck_assert_double_lt(step->low, step->seconds);
    ck_assert_double_gt(step->high, step->seconds);
    return (step->high - step->low) / step->seconds;
}

START_TEST(an_interval_is_wider_the_less_is_known_of_machine_and_software)
{
    double fitted = width_of("training.stack=nemo", "dgxc-h100");
    double elsewhere = width_of("training.stack=nemo", NULL), borrowed = width_of("training.stack=fsdp-flash2", NULL);

    ck_assert_double_lt(fitted, 0.25);
    ck_assert_double_gt(elsewhere, 1.5 * fitted);
    ck_assert_double_eq(width_of("training.stack=nemo", "somebody else's"), elsewhere);
    ck_assert_double_gt(borrowed, elsewhere);
    ck_assert_double_gt(width_of("training.stack=generic", NULL), borrowed);
    ck_assert_double_eq(width_of("training.stack=generic", "dgxc-h100"), width_of("training.stack=generic", NULL));
}
END_TEST

/* H100 of 96 GB have 500 W instead of 700: matrices are slower, the peak that shares refer to is not. */
START_TEST(less_power_means_a_lower_clock)
{
    g_autoptr(FabTrainingStep) full = STEP(LLAMA, "zero=1"), held = STEP(LLAMA, "zero=1", "topology.gpu=h100-sxm-96");
    double slower = held->parts[FAB_TIME_ATTENTION] / full->parts[FAB_TIME_ATTENTION];

    ck_assert_double_eq_tol(slower, sqrt(700.0 / 500), 1e-6);
    ck_assert_double_gt(held->parts[FAB_TIME_MATRIX], 1.1 * full->parts[FAB_TIME_MATRIX]);
    ck_assert_double_eq_tol(held->flops_per_gpu / held->mfu, full->flops_per_gpu / full->mfu, 1e9);
}
END_TEST

START_TEST(the_same_scenario_gives_the_same_step)
{
    ck_assert_double_eq(SECONDS(LLAMA, "parallel.tp=2", "parallel.zero=1"),
                        SECONDS(LLAMA, "parallel.tp=2", "parallel.zero=1"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("training-step");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_parts_are_the_step);
    tcase_add_test(tests, skewed_experts_cost_time_and_memory);
    tcase_add_test(tests, dualpipe_waits_less_and_keeps_everything_twice);
    tcase_add_test(tests, rates_follow_from_the_step);
    tcase_add_test(tests, matrices_are_done_in_waves_of_tiles);
    tcase_add_test(tests, an_exchange_beside_kernels_slows_them_down);
    tcase_add_test(tests, a_group_gets_the_rails_of_its_ranks);
    tcase_add_test(tests, elements_of_fp32_are_twice_as_wide);
    tcase_add_test(tests, a_model_given_as_a_whole_has_replicas_only);
    tcase_add_test(tests, an_optimiser_works_on_what_its_gpu_keeps);
    tcase_add_test(tests, groups_that_exchange_at_once_are_in_each_others_way);
    tcase_add_test(tests, what_travels_farther_takes_longer);
    tcase_add_test(tests, what_should_help_helps);
    tcase_add_test(tests, a_cluster_takes_as_long_as_its_machines);
    tcase_add_test(tests, one_gpu_communicates_with_nobody);
    tcase_add_test(tests, slow_links_hurt_tensor_parallelism_most);
    tcase_add_test(tests, what_the_machine_cannot_do_is_refused);
    tcase_add_test(tests, an_interval_is_wider_the_less_is_known_of_machine_and_software);
    tcase_add_test(tests, less_power_means_a_lower_clock);
    tcase_add_test(tests, the_same_scenario_gives_the_same_step);
    return run_tests(tests);
}
