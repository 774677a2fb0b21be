/* Whole runs on catalogue machines: from a scenario to rows. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "predict/run.h"
#include "scenario/scenario.h"
#include "suite.h"

START_TEST(one_thread_for_all_gpus_holds_back_small_calls_only)
{
    g_autoptr(FabResult) each = test_run("topology.name=dgx-h100", "operation=all_reduce", "sizes=1K;1G", NULL);
    g_autoptr(FabResult) one = test_run("topology.name=dgx-h100", "operation=all_reduce", "sizes=1K;1G", "processes=1",
                                        NULL);

    /* 8 GPUs x (3.4 us + 0.05 us of one channel) */
    ck_assert_int_eq(test_row(one, 0)->time_ps, INT64_C(27600000));
    ck_assert_str_eq(test_row(one, 0)->binding, "host launch");
    ck_assert_int_lt(test_row(each, 0)->time_ps, test_row(one, 0)->time_ps);
    ck_assert_int_eq(test_row(each, 1)->time_ps, test_row(one, 1)->time_ps);
}
END_TEST

START_TEST(a_thread_for_each_gpu_launches_as_a_process_for_each_does)
{
    g_autoptr(FabResult) processes = test_run("topology.name=dgx-a100", "operation=all_gather", "sizes=8", NULL);
    g_autoptr(FabResult) threads = test_run("topology.name=dgx-a100", "operation=all_gather", "sizes=8", "processes=1",
                                            "threads=8", NULL);

    ck_assert_int_eq(test_row(processes, 0)->time_ps, test_row(threads, 0)->time_ps);
}
END_TEST

START_TEST(a_row_tells_what_it_used_busiest_first)
{
    g_autoptr(FabResult) result = test_run("topology.name=dgx-h100", "operation=all_reduce", "algorithm=ring",
                                           "sizes=1G", NULL);
    const FabKernelCosts *costs = fab_kernel_costs(fab_constants_shipped(), 90);
    const FabResultRow *only = test_row(result, 0);
    double last = 1;

    ck_assert_str_eq(only->algorithm, "ring");
    ck_assert_uint_eq(only->uses->len, 16); /* eight ports, both ways */
    for (guint i = 0; i < only->uses->len; i++) {
        const FabResultUse *use = &g_array_index(only->uses, FabResultUse, i);
        ck_assert_double_le(use->utilisation, last);
        /* a ring sends 2 (n - 1) / n of the buffer through each port; pieces are rounded up to 16 bytes */
        ck_assert_double_eq_tol(use->bytes * costs->link_share, 1.75 * 1073741824.0, 1e4);
        last = use->utilisation;
    }
    ck_assert_str_eq(only->binding, g_array_index(only->uses, FabResultUse, 0).name);
}
END_TEST

START_TEST(ranks_may_be_any_gpus)
{
    g_autoptr(FabResult) result = test_run("topology.name=dgx-1v", "operation=all_reduce", "ranks=7,0,4", "sizes=64M",
                                           NULL);

    ck_assert_uint_eq(result->ranks, 3);
    ck_assert_uint_eq(result->gpus, 8);
    ck_assert_double_gt(test_row(result, 0)->busbw, 0);
}
END_TEST

/* 5 Hopper GPUs: 2.27 counts NVLS at 250 GB/s against a ring's 225, 2.30 at 187.5. */
START_TEST(the_release_of_nccl_decides_by_its_own_rules)
{
    g_autoptr(FabResult) old = test_run("topology.name=dgx-h200", "operation=all_reduce", "ranks=5", "nccl=2.27.7",
                                        "sizes=8G", NULL);
    g_autoptr(FabResult) new = test_run("topology.name=dgx-h200", "operation=all_reduce", "ranks=5", "nccl=2.30",
                                        "sizes=8G", NULL);

    ck_assert_str_eq(test_row(old, 0)->algorithm, "nvls");
    ck_assert_str_eq(test_row(new, 0)->algorithm, "ring");
}
END_TEST

/* Bytes that a resource carried; 0 when the row does not name it. */
static double
carried(const FabResultRow *row, const char *name)
{
    for (guint i = 0; i < row->uses->len; i++) {
        const FabResultUse *use = &g_array_index(row->uses, FabResultUse, i);
        if (strcmp(use->name, name) == 0)
            return use->bytes;
    }
    return 0;
}

START_TEST(one_way_is_faster_than_both_and_brings_nothing_back)
{
    g_autoptr(FabResult) both = test_run("topology.name=dgx-a100", "operation=sendrecv", "ranks=2", "sizes=64M;1G",
                                         NULL);
    g_autoptr(FabResult) one = test_run("topology.name=dgx-a100", "operation=sendrecv", "ranks=2", "one_way=on",
                                        "sizes=64M;1G", NULL);

    for (guint i = 0; i < 2; i++) {
        ck_assert_int_lt(test_row(one, i)->time_ps, test_row(both, i)->time_ps);
        ck_assert_double_ge(carried(test_row(one, i), "GPU 0 > NVSwitch"), (double)test_row(one, i)->size_bytes);
        ck_assert_double_ge(carried(test_row(one, i), "NVSwitch > GPU 1"), (double)test_row(one, i)->size_bytes);
        ck_assert_double_eq(carried(test_row(one, i), "GPU 1 > NVSwitch"), 0);
        ck_assert_double_eq(carried(test_row(one, i), "NVSwitch > GPU 0"), 0);
        ck_assert_double_eq(carried(test_row(both, i), "GPU 0 > NVSwitch"),
                            carried(test_row(both, i), "GPU 1 > NVSwitch"));
    }
}
END_TEST

/* What is received is not copied once more; only sendrecv is known to gain by it. */
START_TEST(registered_buffers_make_sendrecv_faster)
{
    g_autoptr(FabResult) plain = test_run("topology.name=dgx-a100", "operation=sendrecv", "protocol=simple",
                                          "sizes=1M;1G", NULL);
    g_autoptr(FabResult) registered = test_run("topology.name=dgx-a100", "operation=sendrecv", "protocol=simple",
                                               "registered=on", "sizes=1M;1G", NULL);

    for (guint i = 0; i < 2; i++)
        ck_assert_int_lt(test_row(registered, i)->time_ps, test_row(plain, i)->time_ps);
}
END_TEST

static int64_t
time_with(const char *operation, const char *size, const char *timing, const char *launch)
{
    g_autoptr(FabResult) result = test_run("topology.name=dgx-a100", operation, size, timing, launch, NULL);

    return test_row(result, 0)->time_ps;
}

#define AFTER "timing=back-to-back"
#define ALONE "timing=single"
#define KERNEL "timing=kernel"

/* All ranks of an all-reduce end at the same time, so that the clock is all that differs, whatever the size. */
START_TEST(a_clock_around_each_call_adds_the_same_to_all_sizes)
{
    int64_t small = time_with("operation=all_reduce", "sizes=8", ALONE, NULL) -
                    time_with("operation=all_reduce", "sizes=8", AFTER, NULL);
    int64_t large = time_with("operation=all_reduce", "sizes=64M", ALONE, NULL) -
                    time_with("operation=all_reduce", "sizes=64M", AFTER, NULL);

    ck_assert_int_gt(small, 0);
    ck_assert_int_eq(small, large);
    ck_assert_int_eq(time_with("operation=all_reduce", "sizes=8", ALONE, "launch=5 us"),
                     time_with("operation=all_reduce", "sizes=8", AFTER, "launch=5 us")); /* which has it all */
}
END_TEST

/* Broadcasts that follow each other overlap: the root is free again long before the last rank has everything. */
START_TEST(a_call_alone_shows_the_whole_way_along_a_chain)
{
    int64_t clock = time_with("operation=all_reduce", "sizes=8", ALONE, NULL) -
                    time_with("operation=all_reduce", "sizes=8", AFTER, NULL);

    ck_assert_int_gt(time_with("operation=broadcast", "sizes=8", ALONE, NULL),
                     time_with("operation=broadcast", "sizes=8", AFTER, NULL) + clock);
    ck_assert_int_gt(time_with("operation=broadcast", "sizes=8", ALONE, "launch=5 us"),
                     time_with("operation=broadcast", "sizes=8", AFTER, "launch=5 us"));
}
END_TEST

START_TEST(a_profiler_of_kernels_leaves_the_gap_between_them_out)
{
    int64_t small = time_with("operation=all_reduce", "sizes=8", AFTER, NULL) -
                    time_with("operation=all_reduce", "sizes=8", KERNEL, NULL);
    int64_t large = time_with("operation=all_reduce", "sizes=64M", AFTER, NULL) -
                    time_with("operation=all_reduce", "sizes=64M", KERNEL, NULL);

    ck_assert_int_gt(small, 0);
    ck_assert_int_le(llabs(small - large), 2); /* each is rounded to a picosecond */
    ck_assert_int_eq(time_with("operation=all_reduce", "sizes=8", KERNEL, "processes=1"),
                     time_with("operation=all_reduce", "sizes=8", KERNEL, NULL)); /* whoever launches */
    ck_assert_int_eq(time_with("operation=all_reduce", "sizes=8", KERNEL, "launch=5 us"),
                     time_with("operation=all_reduce", "sizes=8", AFTER, "launch=5 us"));
}
END_TEST

/* It copies 64 MiB inside its memory with a few CTAs: neither nothing nor seconds. */
START_TEST(a_rank_alone_sends_to_itself)
{
    static const char *const operations[] = { "operation=sendrecv", "operation=alltoall", "operation=gather",
                                              "operation=scatter" };

    for (size_t i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autoptr(FabResult) result = test_run("topology.name=dgx-a100", operations[i], "ranks=1", "sizes=64M", NULL);
        ck_assert_double_gt(test_row(result, 0)->algbw, 1e9);
        ck_assert_double_lt(test_row(result, 0)->algbw, 4e12);
    }
}
END_TEST

START_TEST(wishes_that_the_machine_cannot_meet_are_refused)
{
    static const struct {
        const char *set, *says;
    } cases[] = {
        { "ranks=9", "9 ranks need 9 GPUs, dgx-a100 has 8" },
        { "ranks=0,8", "dgx-a100 has GPU 0 to 7" },
        { "algorithm=nvls", "needs an NVSwitch with in-switch reduction" },
        { "algorithm=rign", "did you mean ring?" },
        { "nccl=3.1", "not a release of NCCL" },
        { "algorithm=pairwise", "all_reduce" },
        { "one_way=on", "one_way: \"on\" belongs to operation=sendrecv, here it is all_reduce" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const sets[] = { "topology.name=dgx-a100", "operation=all_reduce", "sizes=1M", cases[i].set, NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
        g_autoptr(FabResult) result = scenario != NULL ? fab_run(scenario, NULL, NULL, &error) : NULL;

        ck_assert_ptr_null(result);
        ck_assert_msg(strstr(error->message, cases[i].says) != NULL, "%s: %s", cases[i].set, error->message);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("run");

    tcase_add_test(tests, one_thread_for_all_gpus_holds_back_small_calls_only);
    tcase_add_test(tests, a_thread_for_each_gpu_launches_as_a_process_for_each_does);
    tcase_add_test(tests, a_row_tells_what_it_used_busiest_first);
    tcase_add_test(tests, ranks_may_be_any_gpus);
    tcase_add_test(tests, the_release_of_nccl_decides_by_its_own_rules);
    tcase_add_test(tests, one_way_is_faster_than_both_and_brings_nothing_back);
    tcase_add_test(tests, registered_buffers_make_sendrecv_faster);
    tcase_add_test(tests, a_clock_around_each_call_adds_the_same_to_all_sizes);
    tcase_add_test(tests, a_call_alone_shows_the_whole_way_along_a_chain);
    tcase_add_test(tests, a_profiler_of_kernels_leaves_the_gap_between_them_out);
    tcase_add_test(tests, a_rank_alone_sends_to_itself);
    tcase_add_test(tests, wishes_that_the_machine_cannot_meet_are_refused);
    return run_tests(tests);
}
