/*
 * Concurrent copies against measurements. The figures are facts published with https://github.com/voipmonitor/rtx6kpro
 * (29f3863a): hardware/asus-esc8000a-e13p-broadcom-switches.md and wrx90-cpayne-8gpu-root-topology-comparison.md.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "predict/run.h"
#include "suite.h"

#define ASUS "asus-esc8000a-e13p"
#define WRX90 "wrx90-2sw-8"
#define ALL_OF_A_CHIP "0<>1 0<>2 0<>3 1<>2 1<>3 2<>3"
#define CHIP_TO_CHIP \
    "0>4 0>5 0>6 0>7 1>4 1>5 1>6 1>7 2>4 2>5 2>6 2>7 3>4 3>5 3>6 3>7"
#define ALL_OF_EIGHT \
    "0<>1 0<>2 0<>3 0<>4 0<>5 0<>6 0<>7 1<>2 1<>3 1<>4 1<>5 1<>6 1<>7 2<>3 2<>4 2<>5 2<>6 2<>7 " \
    "3<>4 3<>5 3<>6 3<>7 4<>5 4<>6 4<>7 5<>6 5<>7 6<>7"

typedef struct {
    const char *machine, *pattern, *flows;
    double measured; /* GB/s, all flows together */
} Case;

/* GPUs 0-3 are on one chip, two a partition; GPUs 4-7 on the other. */
static const Case reproduced[] = {
    { ASUS, "1 flow gpu0-gpu1 same virtual switch", "0>1", 54.1 },
    { ASUS, "2 flows gpu0-gpu1 + gpu2-gpu3", "0>1 2>3", 108.6 },
    { ASUS, "4 flows, both pairs both ways", "0<>1 2<>3", 203.9 },
    { ASUS, "12 flows, 4-GPU all-to-all inside one chip", ALL_OF_A_CHIP, 153 },
    { ASUS, "2 flows from one GPU (gpu0-gpu4 + gpu0-gpu2)", "0>4 0>2", 42.8 },
    /* Targets are not given. 47.6 is more than one uplink carries, so not all of them are on the other chip. */
    { ASUS, "4 flows from one GPU", "0>1 0>2 0>3 0>4", 47.6 },
    { ASUS, "cross-chip, 1 flow", "0>4", 37.7 },
    { ASUS, "cross-chip, 2 flows on different uplinks", "0>4 2>6", 80.2 },
    { ASUS, "cross-chip, 2 flows, same virtual switch, same root port target", "0>4 1>5", 40.3 },
    { ASUS, "cross-chip, 2 writes, same virtual switch, different root port targets", "0>4 1>6", 2.7 },
    { ASUS, "cross-chip, 4 pairs one to one", "0>4 1>5 2>6 3>7", 83.2 },
    { WRX90, "56-flow all-to-all", ALL_OF_EIGHT, 179 },
};

/* What the model says where it is not within 10 % of the measurement, and why. */
typedef struct {
    Case what;
    double computed;
    const char *reason;
} Missed;

static const Missed not_reproduced[] = {
    { { ASUS, "2 flows from different GPUs (gpu0-gpu4 + gpu1-gpu2)", "0>4 1>2", 106.3 }, 78.0,
      "the same page has 37.7 for a single flow to the other chip, which leaves 68 for gpu1-gpu2, more than its port: "
      "either gpu4 was on the first chip that day or the pair was another one" },
    { { ASUS, "cross-chip, 16 flows all to all", CHIP_TO_CHIP, 7.4 }, 5.4,
      "a collapsed uplink carries 2.7 GB/s in the only other case measured; why each of two uplinks carries 3.7 with "
      "eight flows instead of two is not known" },
    { { ASUS, "cross-chip reads, any pattern", "0>4", 45 }, 39.0,
      "transfers are writes, as NCCL's are over PCIe; reads of this chip are 40 to 51 and do not collapse" },
};

/* ------------------------------------------------------------------ helpers */

static FabResult *
transfer(const char *machine, const char *flows, const char *more, GError **error)
{
    g_autofree char *name = g_strconcat("topology.name=", machine, NULL);
    g_autofree char *pairs = g_strconcat("transfer.flows=", flows, NULL);
    char *const sets[] = { name, pairs, (char *)"transfer.sizes=1G", (char *)more, NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, error);

    return scenario != NULL ? fab_run(scenario, NULL, NULL, error) : NULL;
}

static const FabResultRow *
only_row(const FabResult *result)
{
    ck_assert_uint_eq(result->rows->len, 1);
    return g_ptr_array_index(result->rows, 0);
}

/* GB/s of all flows together: bytes over the time of the last one. */
static double
aggregate(const char *machine, const char *flows, const char *more)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = transfer(machine, flows, more, &error);

    if (result == NULL)
        ck_abort_msg("%s %s: %s", machine, flows, error->message);
    return only_row(result)->algbw / 1e9;
}

/* ------------------------------------------------------------------ measurements */

START_TEST(concurrent_flows_are_within_ten_percent_of_the_measurement)
{
    const Case *row = &reproduced[_i];
    double computed = aggregate(row->machine, row->flows, NULL);

    ck_assert_msg(fabs(computed / row->measured - 1) <= 0.1, "%s, %s: computed %.1f GB/s, measured %.1f", row->machine,
                  row->pattern, computed, row->measured);
}
END_TEST

/* A row that starts to fit belongs into the other table. */
START_TEST(what_is_not_reproduced_is_known_and_has_a_reason)
{
    const Missed *row = &not_reproduced[_i];
    double computed = aggregate(row->what.machine, row->what.flows, NULL);

    ck_assert_msg(fabs(computed / row->computed - 1) <= 0.005, "%s, %s: computed %.2f GB/s, the table says %.2f",
                  row->what.machine, row->what.pattern, computed, row->computed);
    ck_assert_msg(fabs(computed / row->what.measured - 1) > 0.1, "%s, %s fits now: %.1f GB/s, measured %.1f",
                  row->what.machine, row->what.pattern, computed, row->what.measured);
    ck_assert_uint_gt(strlen(row->reason), 20);
}
END_TEST

START_TEST(without_the_defect_nothing_collapses)
{
    static const char off[] = "topology.write_collapse=off";

    ck_assert_double_eq_tol(aggregate(ASUS, "0>4 1>6", off), aggregate(ASUS, "0>4 1>5", off), 0.01);
    ck_assert_double_gt(aggregate(ASUS, CHIP_TO_CHIP, off), 70);
    ck_assert_double_gt(aggregate(ASUS, "0>1 0>2", off), 50); /* two targets of one port cost nothing */
    ck_assert_double_lt(aggregate(ASUS, "0>1 0>2 0>3", off), 45); /* three do */
}
END_TEST

START_TEST(each_flow_more_lengthens_the_others_or_nothing)
{
    static const char *const flows[] = { "0>4", "0>4 1>5", "0>4 1>5 2>6", "0>4 1>5 2>6 3>7", "0<>4 1>5 2>6 3>7",
                                         CHIP_TO_CHIP, ALL_OF_EIGHT };
    double before = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(flows); i++) {
        g_autoptr(FabResult) result = transfer(WRX90, flows[i], NULL, NULL);
        double time_ps = (double)only_row(result)->time_ps;
        ck_assert_msg(time_ps >= before, "%s takes %g ps, fewer flows %g", flows[i], time_ps, before);
        before = time_ps;
    }
}
END_TEST

/* ------------------------------------------------------------------ hand-solved, and the row's other fields */

START_TEST(a_lone_copy_takes_bytes_over_the_narrowest_link_and_the_latency_of_its_way)
{
    g_autoptr(FabResult) late = transfer(ASUS, "0>1", "transfer.launch=5 us", NULL);
    g_autoptr(FabResult) plain = transfer(ASUS, "0>1", NULL, NULL);

    /* 1 GiB at 0.86 of 16 lanes of 32 GT/s with their line coding, then two hops of 250 ns */
    ck_assert_int_eq(only_row(plain)->time_ps, 19813709302);
    ck_assert_int_eq(only_row(late)->time_ps - only_row(plain)->time_ps, 5000000);
    ck_assert_str_eq(only_row(plain)->algorithm, "transfer");
    ck_assert_str_eq(plain->collective, "transfer");
    ck_assert_double_eq_tol(only_row(plain)->binding_utilisation, 1, 1e-3);
    ck_assert(only_row(plain)->busbw == 0);
}
END_TEST

START_TEST(uses_are_bytes_on_every_link_of_the_way)
{
    g_autoptr(FabResult) result = transfer(WRX90, "0>1", NULL, NULL);
    const FabResultRow *row = only_row(result);
    double forward = 0;

    for (guint i = 0; i < row->uses->len; i++) {
        const FabResultUse *use = &g_array_index(row->uses, FabResultUse, i);
        ck_assert(use->utilisation > 0 && use->utilisation <= 1);
        if (use->bytes == (double)row->size_bytes)
            forward += use->bytes;
    }
    ck_assert_double_eq(forward, 2.0 * 1073741824); /* up to the switch and down to the GPU */
}
END_TEST

/* ------------------------------------------------------------------ bad input */

static void
assert_refused(const char *machine, const char *flows, const char *more, const char *message)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(transfer(machine, flows, more, &error));
    ck_assert_str_eq(error->message, message);
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
}

START_TEST(pairs_that_do_not_exist_are_refused)
{
    assert_refused(ASUS, "0>8", NULL,
                   "command line: [transfer] flows: 0>8 is not a pair of different GPUs of asus-esc8000a-e13p, which "
                   "has GPU 0 to 7");
    assert_refused(ASUS, "0>1 9>2", NULL,
                   "command line: [transfer] flows: 9>2 is not a pair of different GPUs of asus-esc8000a-e13p, which "
                   "has GPU 0 to 7");
}
END_TEST

START_TEST(a_flow_to_its_own_gpu_is_refused)
{
    FabTransferPair pair = { 3, 3 };
    g_autoptr(GError) error = NULL;
    char *const sets[] = { (char *)"topology.name=" ASUS, (char *)"transfer.flows=0>1", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, &error);

    ck_assert_ptr_nonnull(scenario);
    g_free(scenario->pairs);
    scenario->pairs = g_memdup2(&pair, sizeof pair); /* as a program may fill it */
    ck_assert_ptr_null(fab_run(scenario, NULL, NULL, &error));
    ck_assert_str_eq(error->message, "command line: [transfer] flows: 3>3 is not a pair of different GPUs of "
                                     "asus-esc8000a-e13p, which has GPU 0 to 7");
    g_clear_error(&error);
    ck_assert_ptr_null(transfer(ASUS, "3>3", NULL, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
}
END_TEST

START_TEST(an_unknown_peer_level_is_refused_with_the_nearest)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(transfer(ASUS, "0>1", "transfer.peer=pxx", &error));
    ck_assert_msg(strstr(error->message, "pxb") != NULL || strstr(error->message, "pix") != NULL, "%s",
                  error->message);
}
END_TEST

static double
rate_of(const char *machine, const char *flows)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = transfer(machine, flows, NULL, &error);

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    return only_row(result)->algbw / 1e9;
}

/* Measured on a GH200: 375 GB/s from the memory of its Grace CPU, 297 to it (https://arxiv.org/html/2408.11556v1). */
START_TEST(copies_to_the_memory_of_grace_are_slower_than_from_it)
{
    ck_assert_double_eq_tol(rate_of("gh200-4", "h>0"), 375, 4);
    ck_assert_double_eq_tol(rate_of("gh200-4", "0>h"), 297, 3);
    ck_assert_double_eq_tol(rate_of("gh200-4", "h>0 h>1"), 2 * rate_of("gh200-4", "h>0"), 1);
}
END_TEST

START_TEST(copies_from_host_memory_take_the_pcie_link)
{
    double one = rate_of("dgx-h100", "h>0");

    ck_assert_double_gt(one, 45);
    ck_assert_double_lt(one, 63);
    ck_assert_double_eq_tol(rate_of("dgx-h100", "0>h"), one, 0.1 * one);
}
END_TEST

START_TEST(host_memory_is_one_end_only_of_a_gpu_that_exists)
{
    static const struct {
        const char *machine, *flows, *message;
    } bad[] = {
        { "gh200-4", "h>h", "ends where it starts" },
        { "gh200-4", "h>4", "GPU 4 is none of gh200-4" },
        { "loopback-h200", "h>0", "no CPU is joined to GPU 0" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        ck_assert_ptr_null(transfer(bad[i].machine, bad[i].flows, NULL, &error));
        ck_assert_msg(strstr(error->message, bad[i].message) != NULL, "%s", error->message);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("transfer");

    tcase_add_loop_test(tests, concurrent_flows_are_within_ten_percent_of_the_measurement, 0,
                        G_N_ELEMENTS(reproduced));
    tcase_add_loop_test(tests, what_is_not_reproduced_is_known_and_has_a_reason, 0, G_N_ELEMENTS(not_reproduced));
    tcase_add_test(tests, without_the_defect_nothing_collapses);
    tcase_add_test(tests, each_flow_more_lengthens_the_others_or_nothing);
    tcase_add_test(tests, a_lone_copy_takes_bytes_over_the_narrowest_link_and_the_latency_of_its_way);
    tcase_add_test(tests, uses_are_bytes_on_every_link_of_the_way);
    tcase_add_test(tests, pairs_that_do_not_exist_are_refused);
    tcase_add_test(tests, a_flow_to_its_own_gpu_is_refused);
    tcase_add_test(tests, an_unknown_peer_level_is_refused_with_the_nearest);
    tcase_add_test(tests, copies_to_the_memory_of_grace_are_slower_than_from_it);
    tcase_add_test(tests, copies_from_host_memory_take_the_pcie_link);
    tcase_add_test(tests, host_memory_is_one_end_only_of_a_gpu_that_exists);
    return run_tests(tests);
}
