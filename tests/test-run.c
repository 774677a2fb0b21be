/* Whole runs on catalogue machines: from a scenario to rows. */
#include <check.h>
#include <stdlib.h>

#include "scenario/scenario.h"
#include "study/run.h"

static FabResult *
run(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
    FabResult *result = scenario != NULL ? fab_run(scenario, NULL, NULL, &error) : NULL;

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    return result;
}

static const FabResultRow *
row(const FabResult *result, guint i)
{
    ck_assert_uint_lt(i, result->rows->len);
    return g_ptr_array_index(result->rows, i);
}

START_TEST(one_thread_for_all_gpus_holds_back_small_calls_only)
{
    g_autoptr(FabResult) each = run((const char *const[]) { "topology.name=dgx-h100", "operation=all_reduce",
                                                            "sizes=1K;1G", NULL });
    g_autoptr(FabResult) one = run((const char *const[]) { "topology.name=dgx-h100", "operation=all_reduce",
                                                           "sizes=1K;1G", "processes=1", NULL });

    /* 8 GPUs x (3.4 us + 0.05 us of one channel) */
    ck_assert_int_eq(row(one, 0)->time_ps, INT64_C(27600000));
    ck_assert_str_eq(row(one, 0)->binding, "host launch");
    ck_assert_int_lt(row(each, 0)->time_ps, row(one, 0)->time_ps);
    ck_assert_int_eq(row(each, 1)->time_ps, row(one, 1)->time_ps);
}
END_TEST

START_TEST(a_thread_for_each_gpu_launches_as_a_process_for_each_does)
{
    g_autoptr(FabResult) processes = run((const char *const[]) { "topology.name=dgx-a100", "operation=all_gather",
                                                                 "sizes=8", NULL });
    g_autoptr(FabResult) threads = run((const char *const[]) { "topology.name=dgx-a100", "operation=all_gather",
                                                               "sizes=8", "processes=1", "threads=8", NULL });

    ck_assert_int_eq(row(processes, 0)->time_ps, row(threads, 0)->time_ps);
}
END_TEST

START_TEST(a_row_tells_what_it_used_busiest_first)
{
    g_autoptr(FabResult) result = run((const char *const[]) { "topology.name=dgx-h100", "operation=all_reduce",
                                                              "algorithm=ring", "sizes=1G", NULL });
    const FabKernelCosts *costs = fab_kernel_costs(fab_constants_shipped(), 90);
    const FabResultRow *only = row(result, 0);
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
    g_autoptr(FabResult) result = run((const char *const[]) { "topology.name=dgx-1v", "operation=all_reduce",
                                                              "ranks=7,0,4", "sizes=64M", NULL });

    ck_assert_uint_eq(result->ranks, 3);
    ck_assert_uint_eq(result->gpus, 8);
    ck_assert_double_gt(row(result, 0)->busbw, 0);
}
END_TEST

/* 5 Hopper GPUs: 2.27 counts NVLS at 250 GB/s against a ring's 225, 2.30 at 187.5. */
START_TEST(the_release_of_nccl_decides_by_its_own_rules)
{
    g_autoptr(FabResult) old = run((const char *const[]) { "topology.name=dgx-h200", "operation=all_reduce", "ranks=5",
                                                           "nccl=2.27.7", "sizes=8G", NULL });
    g_autoptr(FabResult) new = run((const char *const[]) { "topology.name=dgx-h200", "operation=all_reduce", "ranks=5",
                                                           "nccl=2.30", "sizes=8G", NULL });

    ck_assert_str_eq(row(old, 0)->algorithm, "nvls");
    ck_assert_str_eq(row(new, 0)->algorithm, "ring");
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
    Suite *suite = suite_create("run");
    TCase *tcase = tcase_create("run");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, one_thread_for_all_gpus_holds_back_small_calls_only);
    tcase_add_test(tcase, a_thread_for_each_gpu_launches_as_a_process_for_each_does);
    tcase_add_test(tcase, a_row_tells_what_it_used_busiest_first);
    tcase_add_test(tcase, ranks_may_be_any_gpus);
    tcase_add_test(tcase, the_release_of_nccl_decides_by_its_own_rules);
    tcase_add_test(tcase, wishes_that_the_machine_cannot_meet_are_refused);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
