/* What a plan costs beside the fabric, with constants made up here so that every figure can be worked out by hand. */
#include "predict/cost.h"

#include <check.h>
#include <math.h>

#include "suite.h"

#define US INT64_C(1000000) /* picoseconds */
#define NS INT64_C(1000)

/* Eight Hopper GPUs behind NVSwitches, 16 channels; `costs` is the row of Hopper in `constants`. */
typedef struct {
    FabConstants constants;
    FabKernelCosts *costs;
    FabMachineFacts facts;
    FabScenario scenario;
    FabCost cost;
} Bench;

static void
bench_init(Bench *bench)
{
    *bench = (Bench) {
        .constants = *fab_constants_shipped(),
        .facts = { .nccl = 2030, .ranks = 8, .boxes = 1, .compute_capability = 90,
                   .transport = FAB_TRANSPORT_NVLINK, .channels = 16 },
        .scenario = { .launch_s = -1, .timing = (char *)"back-to-back" },
    };
    for (uint32_t i = 0; i < FAB_GENERATIONS; i++) {
        if (bench->constants.kernel[i].compute_capability <= 90)
            bench->costs = &bench->constants.kernel[i];
    }
    bench->costs->launch_us = 10;
    bench->costs->launch_channels_us = 4;
    bench->costs->ll128_entry_us = 2;
    bench->costs->simple_entry_us = 3;
    bench->costs->in_switch_launch_us = 21;
    bench->costs->thread_kernel_us = 5;
    bench->costs->thread_channel_us = 0.1;
    bench->constants.peer.simple_entry_us = 7;
    bench->constants.staged.simple_entry_us = 9;
    bench->cost = (FabCost) { .scenario = &bench->scenario, .facts = &bench->facts, .constants = &bench->constants };
}

static FabPlan
plan_of(const char *algorithm, FabProtocol protocol, uint32_t channels)
{
    return (FabPlan) { .algorithm = fab_algorithm_find(algorithm, NULL), .protocol = protocol, .channels = channels,
                       .threads = 512 };
}

/* Send/recv between two ranks: one send and one receive. */
static FabPlan
send_recv_plan(uint32_t channels)
{
    FabPlan plan = plan_of("pairwise", FAB_PROTOCOL_SIMPLE, channels);

    plan.tasks = 2;
    plan.peers = 1;
    plan.cta_share = 0.5;
    plan.chunk_bytes = 1 << 17;
    plan.channel_bytes = 1 << 20;
    return plan;
}

/* ------------------------------------------------------------------ launch */

static int64_t
launch_of(const Bench *bench, FabPlan plan)
{
    return fab_cost_execution(&bench->cost, &plan).launch_ps;
}

START_TEST(more_channels_take_longer_to_launch_by_the_square_root_of_their_share)
{
    Bench bench;

    bench_init(&bench);
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 1)), 10 * US);
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 4)), 12 * US);
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 16)), 14 * US);
}
END_TEST

START_TEST(each_protocol_has_its_entry)
{
    Bench bench;
    FabPlan plan = send_recv_plan(1);

    bench_init(&bench);
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL128, 1)), 12 * US);
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_SIMPLE, 1)), 13 * US);
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_SIMPLE, 16)), 17 * US);
    ck_assert_int_eq(launch_of(&bench, plan), 10 * US); /* the first chunk's latency stands for it */
    bench.facts.transport = FAB_TRANSPORT_PEER;
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_SIMPLE, 1)), 17 * US);
    bench.facts.transport = FAB_TRANSPORT_STAGED;
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_SIMPLE, 1)), 19 * US);
}
END_TEST

START_TEST(each_peer_of_a_group_adds_the_same_to_ll_and_nothing_to_simple)
{
    Bench bench;
    int64_t time_ps[3];

    bench_init(&bench);
    for (uint32_t peers = 0; peers < 3; peers++) {
        FabPlan plan = send_recv_plan(1);
        plan.protocol = FAB_PROTOCOL_LL;
        plan.peers = peers;
        time_ps[peers] = launch_of(&bench, plan);
        plan.protocol = FAB_PROTOCOL_SIMPLE;
        ck_assert_int_eq(launch_of(&bench, plan), 10 * US);
    }
    ck_assert_int_eq(time_ps[0], 10 * US);
    ck_assert_int_gt(time_ps[1], time_ps[0]);
    ck_assert_int_eq(time_ps[2] - time_ps[1], time_ps[1] - time_ps[0]);
}
END_TEST

START_TEST(the_switchs_kernel_has_a_launch_of_its_own)
{
    Bench bench;

    bench_init(&bench);
    ck_assert_int_eq(launch_of(&bench, plan_of("nvls", FAB_PROTOCOL_SIMPLE, 1)), 21 * US);
    ck_assert_int_eq(launch_of(&bench, plan_of("nvls", FAB_PROTOCOL_SIMPLE, 16)), 21 * US);
}
END_TEST

START_TEST(a_launch_that_is_given_is_all_there_is)
{
    static const char *const timings[] = { "back-to-back", "single", "kernel" };
    Bench bench;

    bench_init(&bench);
    bench.scenario.launch_s = 6e-6;
    for (size_t i = 0; i < G_N_ELEMENTS(timings); i++) {
        bench.scenario.timing = (char *)timings[i];
        ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_SIMPLE, 16)), 6 * US);
        ck_assert_int_eq(launch_of(&bench, plan_of("nvls", FAB_PROTOCOL_SIMPLE, 16)), 6 * US);
        ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 1)), 6 * US);
    }
    bench.scenario.launch_s = 0;
    ck_assert_int_eq(launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 1)), 0);
}
END_TEST

/* ------------------------------------------------------------------ the clock */

START_TEST(the_gap_between_kernels_is_a_share_of_the_launch)
{
    Bench bench;
    FabPlan plan = plan_of("ring", FAB_PROTOCOL_SIMPLE, 16);
    int64_t first, second;

    bench_init(&bench);
    first = launch_of(&bench, plan);
    second = launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 1));
    bench.scenario.timing = (char *)"kernel";
    first -= launch_of(&bench, plan);
    second -= launch_of(&bench, plan_of("ring", FAB_PROTOCOL_LL, 1));
    ck_assert_int_gt(first, 0);
    ck_assert_int_lt(first, 10 * US);
    ck_assert_int_eq(first, second);
    bench.costs->launch_us = 20;
    second = launch_of(&bench, plan);
    bench.scenario.timing = (char *)"back-to-back";
    ck_assert_int_eq(launch_of(&bench, plan) - second, 2 * first);
}
END_TEST

START_TEST(calls_in_a_row_show_the_interval_and_calls_alone_their_length_and_a_constant)
{
    FabEngineReport shorter = { .time_ps = 100 * US, .interval_ps = 80 * US, .steady_ps = 40 * US };
    FabEngineReport longer = { .time_ps = 900 * US, .interval_ps = 300 * US, .steady_ps = 200 * US };
    Bench bench;
    int64_t constant;

    bench_init(&bench);
    bench.scenario.calls = 30; /* the mean of 29 that follow each other and of the whole last one */
    ck_assert_int_eq(fab_cost_device_ps(&bench.cost, &shorter), 42 * US);
    bench.scenario.calls = 1;
    ck_assert_int_eq(fab_cost_device_ps(&bench.cost, &shorter), 100 * US);
    bench.scenario.calls = 0; /* as many as nccl-tests makes */
    ck_assert_int_gt(fab_cost_device_ps(&bench.cost, &longer), 200 * US);
    ck_assert_int_lt(fab_cost_device_ps(&bench.cost, &longer), 300 * US);
    bench.facts.nodes = 2;
    ck_assert_int_eq(fab_cost_device_ps(&bench.cost, &shorter), 80 * US);
    bench.facts.nodes = 0;
    bench.scenario.timing = (char *)"kernel";
    ck_assert_int_eq(fab_cost_device_ps(&bench.cost, &shorter), 80 * US);
    bench.scenario.timing = (char *)"single";
    constant = fab_cost_device_ps(&bench.cost, &shorter) - 100 * US;
    ck_assert_int_ge(constant, 5 * US); /* the range that was seen */
    ck_assert_int_le(constant, 20 * US);
    ck_assert_int_eq(fab_cost_device_ps(&bench.cost, &longer), 900 * US + constant);
    bench.scenario.launch_s = 6e-6;
    ck_assert_int_eq(fab_cost_device_ps(&bench.cost, &shorter), 100 * US);
}
END_TEST

/* ------------------------------------------------------------------ who launches */

static int64_t
interval_of(Bench *bench, uint32_t processes, uint32_t threads, FabPlan plan)
{
    bench->scenario.processes = processes;
    bench->scenario.threads = threads;
    return fab_cost_interval_ps(&bench->cost, &plan);
}

/* A kernel of 10 channels takes its thread 5 us + 10 x 0.1. */
START_TEST(a_thread_launches_for_its_gpus_in_turn)
{
    static const struct {
        uint32_t processes, threads, gpus;
    } cases[] = {
        { 0, 0, 1 }, { 1, 0, 8 }, { 1, 1, 8 }, { 1, 8, 1 }, { 2, 0, 4 }, { 2, 2, 2 }, { 3, 0, 3 }, { 8, 0, 1 },
        { 16, 0, 1 }, { 8, 8, 1 }, { 0, 4, 1 }, { 1, 7, 2 },
    };
    FabPlan plan = plan_of("ring", FAB_PROTOCOL_SIMPLE, 10);
    Bench bench;

    bench_init(&bench);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        ck_assert_int_eq(interval_of(&bench, cases[i].processes, cases[i].threads, plan), cases[i].gpus * 6 * US);
}
END_TEST

START_TEST(sends_and_receives_of_a_group_are_enqueued_one_by_one)
{
    FabPlan none = plan_of("pairwise", FAB_PROTOCOL_SIMPLE, 10), some = none, more = none;
    int64_t old, recent;
    Bench bench;

    some.tasks = 4;
    more.tasks = 16;
    bench_init(&bench);
    bench.facts.nccl = 2026;
    old = interval_of(&bench, 1, 0, some) - interval_of(&bench, 1, 0, none);
    bench.facts.nccl = 2027;
    recent = interval_of(&bench, 1, 0, some) - interval_of(&bench, 1, 0, none);
    ck_assert_int_gt(recent, 0);
    ck_assert_int_gt(old, recent); /* releases became faster */
    ck_assert_int_eq(interval_of(&bench, 1, 0, more) - interval_of(&bench, 1, 0, none), 4 * recent);
    ck_assert_int_eq(interval_of(&bench, 2, 0, some) - interval_of(&bench, 2, 0, none), recent / 2);
}
END_TEST

START_TEST(the_host_does_not_show_beside_kernels_or_where_the_launch_is_given)
{
    FabPlan plan = plan_of("ring", FAB_PROTOCOL_SIMPLE, 10);
    Bench bench;

    bench_init(&bench);
    bench.scenario.timing = (char *)"kernel";
    ck_assert_int_eq(interval_of(&bench, 1, 0, plan), 0);
    bench.scenario.timing = (char *)"single";
    ck_assert_int_eq(interval_of(&bench, 1, 0, plan), 8 * 6 * US);
    bench.scenario.launch_s = 6e-6;
    ck_assert_int_eq(interval_of(&bench, 0, 0, plan), 0);
    ck_assert_int_eq(interval_of(&bench, 1, 0, plan), 8 * 6 * US); /* of one GPU: a thread for all takes its time */
}
END_TEST

/* The slower of host and device counts; up to 2.21 both show where one thread launches for several GPUs. */
START_TEST(old_releases_overlap_launches_and_nvlink_kernels_in_part_only)
{
    static const struct {
        uint32_t nccl, processes;
        FabTransport transport;
        FabProtocol protocol;
        int64_t us;
    } cases[] = {
        { 2030, 1, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_SIMPLE, 40 },
        { 2022, 1, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_LL128, 40 },
        { 2021, 1, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_SIMPLE, 50 },
        { 2018, 1, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_LL128, 50 },
        { 2018, 1, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_LL, 40 },
        { 2018, 1, FAB_TRANSPORT_STAGED, FAB_PROTOCOL_SIMPLE, 40 },
        { 2018, 8, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_SIMPLE, 40 },
        { 2018, 0, FAB_TRANSPORT_NVLINK, FAB_PROTOCOL_SIMPLE, 40 },
    };
    FabPlan plan;
    Bench bench;

    bench_init(&bench);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        bench.facts.nccl = cases[i].nccl;
        bench.facts.transport = cases[i].transport;
        bench.scenario.processes = cases[i].processes;
        plan = plan_of("ring", cases[i].protocol, 16);
        ck_assert_int_eq(fab_cost_call_ps(&bench.cost, &plan, 40 * US, 30 * US), cases[i].us * US);
        ck_assert_int_eq(fab_cost_call_ps(&bench.cost, &plan, 30 * US, 40 * US), cases[i].us * US);
    }
    bench.facts.nccl = 2018;
    bench.facts.transport = FAB_TRANSPORT_NVLINK;
    bench.scenario.processes = 1;
    plan = plan_of("nvls", FAB_PROTOCOL_SIMPLE, 16);
    ck_assert_int_eq(fab_cost_call_ps(&bench.cost, &plan, 40 * US, 30 * US), 40 * US);
    plan = plan_of("ring", FAB_PROTOCOL_SIMPLE, 16);
    ck_assert_int_eq(fab_cost_call_ps(&bench.cost, &plan, 40 * US, 0), 40 * US); /* the host does not show */
}
END_TEST

/* ------------------------------------------------------------------ what only some kernels have */

START_TEST(a_switch_of_a_rack_is_as_fast_as_a_boards_for_as_many_ranks)
{
    FabPlan plan = plan_of("nvls", FAB_PROTOCOL_SIMPLE, 16);
    Bench bench;

    bench_init(&bench);
    bench.costs->in_switch_weight = 1.25;
    bench.costs->in_switch_rack_weight = 1.5;
    ck_assert_double_eq(fab_cost_execution(&bench.cost, &plan).in_switch_weight, 1.25);
    bench.facts.boxes = 2;
    ck_assert_double_eq(fab_cost_execution(&bench.cost, &plan).in_switch_weight, 1.25);
    bench.facts.ranks = 64;
    bench.facts.boxes = 16;
    ck_assert_double_eq(fab_cost_execution(&bench.cost, &plan).in_switch_weight, 1.5);
}
END_TEST

START_TEST(only_nvlink_rings_of_simple_have_channels_apart)
{
    FabPlan ring = plan_of("ring", FAB_PROTOCOL_SIMPLE, 16), rooted = ring;
    FabExecution execution;
    Bench bench;

    bench_init(&bench);
    bench.costs->stagger_us = 0.25;
    bench.costs->rate_spread = 0.125;
    execution = fab_cost_execution(&bench.cost, &ring);
    ck_assert_int_eq(execution.stagger_ps, 250 * NS);
    ck_assert_double_eq(execution.spread, 0.125);
    ck_assert_uint_gt(execution.in_flight, 0);
    rooted.rooted = true;
    for (int i = 0; i < 4; i++) {
        FabPlan plan = i == 0 ? rooted : i == 1 ? plan_of("ring", FAB_PROTOCOL_LL, 16)
                       : i == 2 ? plan_of("ring", FAB_PROTOCOL_LL128, 16) : ring;
        bench.facts.transport = i == 3 ? FAB_TRANSPORT_PEER : FAB_TRANSPORT_NVLINK;
        execution = fab_cost_execution(&bench.cost, &plan);
        ck_assert_int_eq(execution.stagger_ps, 0);
        ck_assert_double_eq(execution.spread, 0);
        ck_assert_uint_eq(execution.in_flight, 0);
    }
}
END_TEST

START_TEST(protocols_send_their_flags_beside_the_payload)
{
    Bench bench;
    FabPlan plans[] = { plan_of("ring", FAB_PROTOCOL_LL, 1), plan_of("ring", FAB_PROTOCOL_LL128, 1),
                        plan_of("ring", FAB_PROTOCOL_SIMPLE, 1) };

    bench_init(&bench);
    bench.costs->link_share = 0.8;
    ck_assert_double_eq_tol(fab_cost_execution(&bench.cost, &plans[0]).wire, 2 / 0.8, 1e-12);
    ck_assert_double_eq_tol(fab_cost_execution(&bench.cost, &plans[1]).wire, 16.0 / 15 / 0.8, 1e-12);
    ck_assert_double_eq_tol(fab_cost_execution(&bench.cost, &plans[2]).wire, 1 / 0.8, 1e-12);
}
END_TEST

/* Both directions share warps and port; of two ranks that send one way each has only one of them to do. */
START_TEST(one_way_between_two_ranks_has_the_whole_cta_and_port)
{
    FabPlan plan = send_recv_plan(4);
    FabExecution both, one;
    Bench bench;

    bench_init(&bench);
    bench.facts.ranks = 2;
    bench.costs->p2p_rate = 12;
    bench.costs->p2p_alone_rate = 20;
    both = fab_cost_execution(&bench.cost, &plan);
    bench.scenario.one_way = true;
    one = fab_cost_execution(&bench.cost, &plan);
    /* an eighth of the bytes alone at 2 x 20 GB/s, the rest at 2 x 12; half of that for this peer */
    ck_assert_double_eq_tol(both.send_rate, 0.5e9 / (0.125 / 40 + 0.875 / 24), 1);
    ck_assert_double_eq_tol(one.send_rate, 0.5 * 40e9, 1);
    ck_assert_double_gt(both.wire, one.wire);
    bench.facts.ranks = 3; /* the second rank sends and receives */
    one = fab_cost_execution(&bench.cost, &plan);
    ck_assert_double_eq_tol(one.send_rate, both.send_rate, 1);
    ck_assert_double_eq(one.wire, both.wire);
}
END_TEST

START_TEST(over_nodes_rings_of_simple_are_slower_trees_are_not_and_a_switch_is_passed_twice)
{
    static const char *const names[] = { "ring", "tree", "nvls-tree" };
    FabExecution inside[3], between[3];
    Bench bench;

    bench_init(&bench);
    for (int nodes = 1; nodes <= 2; nodes++) {
        bench.facts.nodes = (uint32_t)nodes;
        bench.facts.local = 8;
        for (int i = 0; i < 3; i++) {
            FabPlan plan = plan_of(names[i], FAB_PROTOCOL_SIMPLE, 16);
            (nodes == 1 ? inside : between)[i] = fab_cost_execution(&bench.cost, &plan);
        }
    }
    ck_assert_double_lt(between[0].send_rate, 0.97 * inside[0].send_rate);
    ck_assert_double_gt(between[0].send_rate, 0.87 * inside[0].send_rate);
    ck_assert_double_eq(between[1].send_rate, inside[1].send_rate);
    /* Bytes go one way in each of the two steps, and each has its fence. */
    ck_assert_double_gt(2 * between[2].in_switch_weight, inside[2].in_switch_weight);
    ck_assert_double_lt(2 * between[2].in_switch_weight, 1.2 * inside[2].in_switch_weight);
    ck_assert_int_eq(between[2].in_switch_ps, inside[2].in_switch_ps);
    ck_assert_double_gt(between[2].copy_rate, inside[2].copy_rate); /* fewer of its warps copy */
    ck_assert_int_eq(inside[0].post_ps, 0);
    ck_assert_int_gt(between[0].post_ps, 0);
    ck_assert_int_lt(between[0].post_ps, 1 * US);
}
END_TEST

START_TEST(over_nodes_threads_look_after_what_comes_in_all_to_all_and_longer_with_amd)
{
    FabPlan pairs = send_recv_plan(4), ring = plan_of("ring", FAB_PROTOCOL_SIMPLE, 16);
    FabExecution others, amd;
    Bench bench;

    bench_init(&bench);
    ck_assert_int_eq(fab_cost_execution(&bench.cost, &pairs).after_post_ps, 0); /* no network */
    bench.facts.nodes = 2;
    others = fab_cost_execution(&bench.cost, &pairs);
    ck_assert_int_eq(fab_cost_execution(&bench.cost, &ring).after_post_ps, 0);
    bench.facts.amd = true;
    amd = fab_cost_execution(&bench.cost, &pairs);
    ck_assert_int_gt(others.after_post_ps, 0);
    ck_assert_int_lt(others.after_post_ps, 1 * US);
    ck_assert_int_gt(amd.after_post_ps, others.after_post_ps);
    bench.facts.compute_capability = 80;
    ck_assert_int_gt(fab_cost_execution(&bench.cost, &pairs).after_post_ps, amd.after_post_ps);
    bench.facts.message_bytes = 1; /* a network whose messages are counted as time of the NIC */
    ck_assert_int_eq(fab_cost_execution(&bench.cost, &pairs).after_post_ps, 0);
}
END_TEST

START_TEST(over_nodes_a_channel_of_ll128_has_the_gpu_for_itself)
{
    FabPlan plan = plan_of("ring", FAB_PROTOCOL_LL128, 16);
    double inside, between;
    Bench bench;

    bench_init(&bench);
    inside = fab_cost_execution(&bench.cost, &plan).send_rate;
    bench.facts.nodes = 2;
    between = fab_cost_execution(&bench.cost, &plan).send_rate;
    ck_assert_double_gt(between, inside);
    ck_assert_double_lt(between, 1.3 * 36.7e9 / 2); /* NCCL counts on 36.7 GB/s for two CTAs */
}
END_TEST

START_TEST(registered_buffers_spare_sendrecv_the_copy)
{
    FabPlan plan = send_recv_plan(4);
    FabExecution execution;
    Bench bench;

    bench_init(&bench);
    ck_assert(isfinite(fab_cost_execution(&bench.cost, &plan).copy_rate));
    bench.scenario.registered = true;
    execution = fab_cost_execution(&bench.cost, &plan);
    ck_assert(isinf(execution.copy_rate));
    ck_assert(isfinite(execution.send_rate));
    plan.tasks = 16; /* an all-to-all */
    ck_assert(isfinite(fab_cost_execution(&bench.cost, &plan).copy_rate));
    plan = plan_of("ring", FAB_PROTOCOL_SIMPLE, 4);
    ck_assert(isfinite(fab_cost_execution(&bench.cost, &plan).copy_rate));
}
END_TEST

START_TEST(a_rank_alone_has_its_whole_cta)
{
    FabPlan plan = send_recv_plan(4);
    Bench bench;
    double half;

    bench_init(&bench);
    bench.facts.ranks = 1;
    half = fab_cost_execution(&bench.cost, &plan).copy_rate;
    plan.cta_share = 0; /* no plan of a group was made */
    ck_assert_double_eq_tol(fab_cost_execution(&bench.cost, &plan).copy_rate, 2 * half, 1);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("cost");

    tcase_add_test(tests, more_channels_take_longer_to_launch_by_the_square_root_of_their_share);
    tcase_add_test(tests, each_protocol_has_its_entry);
    tcase_add_test(tests, each_peer_of_a_group_adds_the_same_to_ll_and_nothing_to_simple);
    tcase_add_test(tests, the_switchs_kernel_has_a_launch_of_its_own);
    tcase_add_test(tests, a_launch_that_is_given_is_all_there_is);
    tcase_add_test(tests, the_gap_between_kernels_is_a_share_of_the_launch);
    tcase_add_test(tests, calls_in_a_row_show_the_interval_and_calls_alone_their_length_and_a_constant);
    tcase_add_test(tests, a_thread_launches_for_its_gpus_in_turn);
    tcase_add_test(tests, sends_and_receives_of_a_group_are_enqueued_one_by_one);
    tcase_add_test(tests, the_host_does_not_show_beside_kernels_or_where_the_launch_is_given);
    tcase_add_test(tests, old_releases_overlap_launches_and_nvlink_kernels_in_part_only);
    tcase_add_test(tests, a_switch_of_a_rack_is_as_fast_as_a_boards_for_as_many_ranks);
    tcase_add_test(tests, only_nvlink_rings_of_simple_have_channels_apart);
    tcase_add_test(tests, protocols_send_their_flags_beside_the_payload);
    tcase_add_test(tests, one_way_between_two_ranks_has_the_whole_cta_and_port);
    tcase_add_test(tests, over_nodes_rings_of_simple_are_slower_trees_are_not_and_a_switch_is_passed_twice);
    tcase_add_test(tests, over_nodes_threads_look_after_what_comes_in_all_to_all_and_longer_with_amd);
    tcase_add_test(tests, over_nodes_a_channel_of_ll128_has_the_gpu_for_itself);
    tcase_add_test(tests, registered_buffers_spare_sendrecv_the_copy);
    tcase_add_test(tests, a_rank_alone_has_its_whole_cta);
    return run_tests(tests);
}
