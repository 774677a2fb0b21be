#include "predict/trace-run.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "predict/concurrent.h"
#include "predict/step-trace.h"
#include "predict/trace-order.h"
#include "suite.h"
#include "topology/machine.h"

#define GPU ", \"attr\": [{ \"name\": \"is_cpu_op\", \"boolVal\": false }] }"
#define SUM(id, waits, bytes)                                                                             \
    "{ \"id\": " id ", \"type\": 7, \"dataDeps\": [" waits "], \"comm_type\": 0, \"comm_size\": " bytes   \
    ", \"pg_name\": \"all\" }"

/* Experts in every layer, of which a token visits two. */
#define MIXTURE "model.preset=mixtral-8x7b"

static FabTrace *
trace_of(const char *const *ranks)
{
    FabTrace *trace = fab_trace_new();

    for (; *ranks != NULL; ranks++) {
        g_autoptr(GError) error = NULL;
        FabTraceRank *rank = fab_trace_parse_json("t.json", *ranks, strlen(*ranks), FAB_TRACE_DATA, &error);
        ck_assert_msg(rank != NULL, "%s", error != NULL ? error->message : "no error");
        g_ptr_array_add(trace->ranks, rank);
    }
    return trace;
}

static FabTraceRun *
try_run(const char *machine, const char *const *ranks, GError **error)
{
    const FabTraceWish wish = { .files = (char *)"t", .precision = FAB_PRECISION_BF16 };
    g_autoptr(FabTrace) trace = trace_of(ranks);
    g_autoptr(FabTopology) topology = fab_machine_load(machine, NULL, error);

    ck_assert_ptr_nonnull(topology);
    return fab_trace_run(trace, &wish, topology, NULL, error);
}

static FabTraceRun *
run_of(const char *machine, const char *const *ranks)
{
    g_autoptr(GError) error = NULL;
    FabTraceRun *run = try_run(machine, ranks, &error);

    ck_assert_msg(run != NULL, "%s", error != NULL ? error->message : "no error");
    return run;
}

#define RUN(machine, ...) run_of(machine, (const char *const[]) { __VA_ARGS__, NULL })

static void
refuse(const char *const *ranks, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    FabTraceRun *run = try_run("dgx-a100", ranks, &error);

    ck_assert_msg(run == NULL, "accepted");
    test_refusal(&error, pattern);
}

#define REFUSE(pattern, ...) refuse((const char *const[]) { __VA_ARGS__, NULL }, pattern)

START_TEST(a_gpu_does_one_thing_at_a_time_and_its_cpu_another)
{
    g_autoptr(FabTraceRun) run = RUN("dgx-a100",
                                     "{ \"id\": 1, \"type\": 4, \"durationMicros\": 10" GPU
                                     "{ \"id\": 2, \"type\": 4, \"durationMicros\": 20" GPU
                                     "{ \"id\": 3, \"type\": 4, \"durationMicros\": 25 }");

    ck_assert_int_eq(run->length_ps, 30000000);
    ck_assert_int_eq(run->ranks[0].compute_ps, 30000000);
    ck_assert_int_eq(run->ranks[0].host_ps, 25000000);
    ck_assert_int_eq(run->ranks[0].exposed_ps, 0);
}
END_TEST

START_TEST(operations_without_a_duration_take_what_the_gpu_needs)
{
    g_autoptr(FabTraceRun) flops = RUN("dgx-a100", "{ \"type\": 4, \"is_cpu_op\": false, \"num_ops\": 312e9 }");
    g_autoptr(FabTraceRun) bytes = RUN("dgx-a100",
                                       "{ \"type\": 4, \"is_cpu_op\": false, \"tensor_size\": 2039000000 }");

    ck_assert_int_gt(flops->length_ps, 1000000000); /* 1 ms at the peak, some of which is lost */
    ck_assert_int_lt(flops->length_ps, 2000000000);
    ck_assert_int_gt(bytes->length_ps, 900000000);
    ck_assert_int_lt(bytes->length_ps, 2000000000);
}
END_TEST

START_TEST(collectives_of_one_rank_are_counted)
{
    g_autoptr(FabTraceRun) lone = RUN("dgx-a100", SUM("1", "", "8") SUM("2", "", "8"));
    g_autoptr(FabTraceRun) both = RUN("dgx-a100", SUM("1", "", "8"), SUM("1", "", "8"));

    ck_assert_uint_eq(lone->lone, 2);
    ck_assert_uint_eq(both->lone, 0);
}
END_TEST

/* A collective waits for the last of its ranks, and computing beside it hides it. */
START_TEST(collectives_join_their_ranks)
{
    const char *late = "{ \"id\": 1, \"type\": 4, \"durationMicros\": 500" GPU SUM("2", "1", "1048576");
    const char *early = SUM("2", "", "1048576") "{ \"id\": 3, \"type\": 4, \"durationMicros\": 700" GPU;
    g_autoptr(FabTraceRun) alone = RUN("dgx-a100", SUM("2", "", "1048576"), SUM("2", "", "1048576"));
    g_autoptr(FabTraceRun) both = RUN("dgx-a100", late, early);

    ck_assert_int_gt(alone->length_ps, 0);
    ck_assert_int_eq(alone->ranks[0].exposed_ps, alone->length_ps);
    ck_assert_int_eq(both->ranks[0].end_ps, 500000000 + alone->length_ps);
    ck_assert_int_eq(both->ranks[1].exposed_ps, 0);
    ck_assert_int_eq(both->length_ps, 700000000);
}
END_TEST

#define PAIR(name) "{ \"type\": 7, \"comm_type\": 0, \"comm_size\": 67108864, \"pg_name\": \"" name "\" }"

/* Behind one switch each pair has its own ways; two pairs that cross the sockets share one. */
START_TEST(collectives_that_want_the_same_link_slow_each_other_down)
{
    g_autoptr(FabTopology) sockets = fab_machine_load("l40s-8-dual-root-2sw", NULL, NULL);
    g_autoptr(FabCallBook) book = fab_call_book_new(sockets, NULL);
    const uint32_t near[] = { 0, 1 }, other[] = { 6, 7 }, across[] = { 0, 4 }, beside[] = { 1, 5 };
    FabCall apart[] = { { FAB_ALL_REDUCE, near, 2, 1 << 26 }, { FAB_ALL_REDUCE, other, 2, 1 << 26 } };
    FabCall shared[] = { { FAB_ALL_REDUCE, across, 2, 1 << 26 }, { FAB_ALL_REDUCE, beside, 2, 1 << 26 } };

    ck_assert_double_eq_tol(fab_concurrent_slowdown(book, apart, 2, NULL), 1, 1e-6);
    ck_assert_double_gt(fab_concurrent_slowdown(book, shared, 2, NULL), 1.2);
    ck_assert_double_eq_tol(fab_concurrent_slowdown(book, shared, 1, NULL), 1, 1e-6);
}
END_TEST

START_TEST(groups_of_one_name_follow_each_other)
{
    g_autoptr(FabTraceRun) one = RUN("dgx-a100", PAIR("a"), PAIR("a"));
    g_autoptr(FabTraceRun) apart = RUN("dgx-a100", PAIR("a"), PAIR("a"), PAIR("b"), PAIR("b"));
    g_autoptr(FabTraceRun) behind = RUN("dgx-a100", SUM("1", "", "67108864") SUM("2", "", "67108864"),
                                        SUM("1", "", "67108864") SUM("2", "", "67108864"));

    ck_assert_int_eq(apart->length_ps, one->length_ps);
    ck_assert_double_eq_tol((double)behind->length_ps / (double)one->length_ps, 2, 1e-6);
}
END_TEST

START_TEST(messages_meet_by_their_tags)
{
    g_autoptr(FabTraceRun) run = RUN(
        "dgx-a100",
        "{ \"id\": 1, \"type\": 5, \"comm_dst\": 1, \"comm_size\": 1024, \"comm_tag\": 1 }"
        "{ \"id\": 2, \"type\": 5, \"comm_dst\": 1, \"comm_size\": 2048, \"comm_tag\": 2 }",
        "{ \"id\": 1, \"type\": 6, \"comm_src\": 0, \"comm_size\": 2048, \"comm_tag\": 2 }"
        "{ \"id\": 2, \"type\": 6, \"comm_src\": 0, \"comm_size\": 1024, \"comm_tag\": 1, \"data_deps\": [1] }");

    ck_assert_uint_eq(run->calls, 2);
    ck_assert_int_gt(run->length_ps, 0);
}
END_TEST

START_TEST(ranks_that_do_not_fit_together_are_refused)
{
    REFUSE("rank 0 has 1 collective or message of group \"all\", rank 1 has 2", SUM("1", "", "8"),
           SUM("1", "", "8") SUM("2", "", "8"));
    REFUSE("node 1 of rank 0 and node 4 of rank 1 meet, .* all_reduce and all_gather", SUM("1", "", "8"),
           "{ \"id\": 4, \"type\": 7, \"comm_type\": 2, \"comm_size\": 8, \"pg_name\": \"all\" }");
    REFUSE("message to rank 3, there are ranks 0 to 0", "{ \"type\": 5, \"comm_dst\": 3 }");
    REFUSE("tag 5 whose other end is in no file", "{ \"type\": 5, \"comm_dst\": 1, \"comm_tag\": 5 }",
           SUM("1", "", "8"));
    REFUSE("9 ranks, dgx-a100 has 8", SUM("1", "", "8"), SUM("1", "", "8"), SUM("1", "", "8"), SUM("1", "", "8"),
           SUM("1", "", "8"), SUM("1", "", "8"), SUM("1", "", "8"), SUM("1", "", "8"), SUM("1", "", "8"));
}
END_TEST

static bool
in_order(const char *const *ranks, GError **error)
{
    g_autoptr(FabTrace) trace = trace_of(ranks);
    g_autoptr(FabTraceMatch) match = fab_trace_match_new(trace, NULL);

    ck_assert_ptr_nonnull(match);
    return fab_trace_order_check(trace, match, error);
}

/* Rank 0 sends first what rank 1 receives last, which waits for what rank 0 sends after it has received. */
START_TEST(circles_through_ranks_are_named)
{
    const char *const ranks[] = { "{ \"id\": 1, \"type\": 6, \"comm_src\": 1, \"comm_size\": 8 }"
                                  "{ \"id\": 2, \"type\": 5, \"comm_dst\": 1, \"comm_size\": 8, \"dataDeps\": [1] }",
                                  "{ \"id\": 1, \"type\": 6, \"comm_src\": 0, \"comm_size\": 8 }"
                                  "{ \"id\": 2, \"type\": 5, \"comm_dst\": 0, \"comm_size\": 8, \"dataDeps\": [1] }",
                                  NULL };
    const char *const good[] = { SUM("1", "", "8") SUM("2", "1", "8"), SUM("5", "", "8") SUM("6", "5", "8"), NULL };
    g_autoptr(GError) error = NULL, run_error = NULL;

    refuse(ranks, "ranks wait for each other in a circle of [24]: node");
    /* Without a machine the same is said. */
    ck_assert(!in_order(ranks, &error));
    ck_assert_ptr_null(try_run("dgx-a100", ranks, &run_error));
    ck_assert_str_eq(error->message, run_error->message);
    ck_assert(in_order(good, NULL));
}
END_TEST

/* ------------------------------------------------------------------ our own steps */

static double
replayed(const char *const *sets, double *step_s)
{
    const FabTraceWish wish = { .files = (char *)"step", .precision = FAB_PRECISION_BF16 };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
    g_autoptr(FabTopology) topology = scenario != NULL ? fab_machine_load(scenario->topology, NULL, &error) : NULL;
    g_autoptr(FabStepTrace) step = topology != NULL ? fab_step_trace_new(scenario, topology, &error) : NULL;
    g_autoptr(FabTrace) trace = fab_trace_new();
    g_autoptr(FabTraceRun) run = NULL;

    ck_assert_msg(step != NULL, "%s", error != NULL ? error->message : "no error");
    for (uint32_t r = 0; r < fab_step_trace_ranks(step); r++) {
        FabTraceRank *rank = fab_step_trace_rank(step, r, &error);
        ck_assert_ptr_nonnull(rank);
        g_ptr_array_add(trace->ranks, rank);
        ck_assert(fab_trace_resolve(rank, &error));
    }
    run = fab_trace_run(trace, &wish, topology, NULL, &error);
    ck_assert_msg(run != NULL, "%s", error != NULL ? error->message : "no error");
    *step_s = fab_step_trace_step(step)->seconds;
    return (double)run->length_ps * 1e-12;
}

/* docs/chakra.md states the tolerance. */
static void
check_replay(const char *machine, double tolerance, const char *a, const char *b, const char *c, const char *d)
{
    g_autofree char *topology = g_strconcat("topology.name=", machine, NULL);
    const char *sets[] = { topology, "model.preset=llama-3-8b", "model.layers=8", "training.global_batch=16",
                           "training.sequence=4096", a, b, c, d, NULL };
    double step, trace = replayed(sets, &step);

    ck_assert_msg(fabs(trace / step - 1) < tolerance, "%s %s %s: step %g s, its trace %g s", machine, a,
                  b != NULL ? b : "", step, trace);
}

START_TEST(a_step_that_was_exported_takes_as_long)
{
    check_replay("dgx-a100", 0.01, "parallel.tp=8", NULL, NULL, NULL);
    check_replay("dgx-a100", 0.01, "parallel.tp=4", "parallel.pp=2", "parallel.chunks=2", "parallel.recompute=full");
    check_replay("dgx-a100", 0.01, "parallel.pp=4", "parallel.schedule=zb-h1", "parallel.zero=1", NULL);
    check_replay("dgx-a100", 0.01, "parallel.zero=3", NULL, NULL, NULL);
    check_replay("dgx-a100", 0.01, "parallel.zero=2", "parallel.tp=2", NULL, NULL);
    check_replay("dgx-a100", 0.01, "parallel.cp=4", NULL, NULL, NULL);
    check_replay("ws2-x16", 0.01, "topology.gpu=rtx-3090", "training.overlap=no", NULL, NULL);
    /* Pieces that hide each pay a collective's latency. */
    check_replay("dgx-h100", 0.12, "parallel.tp=8", NULL, NULL, NULL);
    check_replay("dgx-h100", 0.02, "parallel.tp=2", "parallel.pp=4", NULL, NULL);
}
END_TEST

/* Passes that are done in turn begin when both can, and what experts exchange is hidden. */
START_TEST(a_step_whose_micro_batches_enter_at_both_ends_takes_as_long)
{
    const char *dual = "parallel.schedule=dualpipe";

    check_replay("dgx-a100", 0.01, dual, "parallel.pp=8", NULL, NULL);
    check_replay("dgx-a100", 0.01, dual, "parallel.pp=4", "parallel.tp=2", "training.global_batch=32");
    check_replay("dgx-a100", 0.01, dual, "parallel.pp=2", "parallel.zero=1", "training.global_batch=32");
    check_replay("dgx-a100", 0.01, dual, "parallel.pp=2", "parallel.cp=2", "parallel.recompute=full");
    check_replay("dgx-a100", 0.01, dual, "parallel.pp=2", "parallel.ep=4", MIXTURE);
    check_replay("dgx-h100", 0.01, dual, "parallel.pp=4", "training.gpus=4", NULL);
}
END_TEST

START_TEST(what_a_trace_is_of_stands_in_it)
{
    const char *sets[] = { "topology.name=dgx-a100", "model.preset=llama-3-8b", "model.layers=8", "parallel.tp=8",
                           "training.global_batch=1", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabStepTrace) step = fab_step_trace_new(scenario, NULL, NULL);
    g_autoptr(FabTraceRank) rank = fab_step_trace_rank(step, 0, NULL);

    ck_assert_str_eq(rank->model, "Llama 3 8B, layers 8");
}
END_TEST

START_TEST(nodes_that_do_nothing_are_not_counted_as_work)
{
    g_autoptr(FabTraceRun) run = RUN("dgx-a100",
                                     "{ \"id\": 1, \"type\": \"METADATA_NODE\" }"
                                     "{ \"id\": 3, \"type\": 0, \"dataDeps\": [1] }"
                                     "{ \"id\": 2, \"type\": 4, \"durationMicros\": 10" GPU);
    g_autofree char *text = fab_trace_count_text(run->nodes, run->metadata);
    g_autofree char *none = fab_trace_count_text(2, 0);

    ck_assert_uint_eq(run->nodes, 1);
    ck_assert_uint_eq(run->metadata, 2);
    ck_assert_str_eq(text, "1 node and 2 of metadata");
    ck_assert_str_eq(none, "2 nodes");
}
END_TEST

START_TEST(steps_of_too_many_nodes_are_refused)
{
    const char *sets[] = { "topology.name=dgx-a100", "model.preset=llama-3-8b", "training.global_batch=800000", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_step_trace_new(scenario, NULL, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "fewer layers or micro-batches"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("trace-run");

    tcase_add_test(tests, a_gpu_does_one_thing_at_a_time_and_its_cpu_another);
    tcase_add_test(tests, operations_without_a_duration_take_what_the_gpu_needs);
    tcase_add_test(tests, collectives_of_one_rank_are_counted);
    tcase_add_test(tests, collectives_join_their_ranks);
    tcase_add_test(tests, collectives_that_want_the_same_link_slow_each_other_down);
    tcase_add_test(tests, groups_of_one_name_follow_each_other);
    tcase_add_test(tests, messages_meet_by_their_tags);
    tcase_add_test(tests, ranks_that_do_not_fit_together_are_refused);
    tcase_add_test(tests, circles_through_ranks_are_named);
    tcase_add_test(tests, a_step_that_was_exported_takes_as_long);
    tcase_add_test(tests, a_step_whose_micro_batches_enter_at_both_ends_takes_as_long);
    tcase_add_test(tests, what_a_trace_is_of_stands_in_it);
    tcase_add_test(tests, nodes_that_do_nothing_are_not_counted_as_work);
    tcase_add_test(tests, steps_of_too_many_nodes_are_refused);
    return run_tests(tests);
}
