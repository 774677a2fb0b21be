/* Copy pipelines against closed forms: chunks in, kernels, chunks out, over streams. */
#include <check.h>
#include <string.h>

#include "fixture.h"
#include "predict/run.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

#define MIB 1048576.0
#define IDEAL "topology.name=dgx-h100", "pipeline.issue=0 s", "pipeline.gap=0 s"

static double
seconds(const char *const *sets)
{
    g_autoptr(FabResult) result = test_run_sets(sets);

    ck_assert_uint_eq(result->rows->len, 1);
    return (double)test_row(result, 0)->time_ps * 1e-12;
}

/* What the first GPU of the machine gets from host memory: B/s alone, B/s while it sends as much back, s of latency. */
static void
look_up(double *alone, double *both, double *latency)
{
    g_autoptr(FabTopology) machine = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabRouter) router =
        fab_router_new(machine, &(FabRouteRules) { .peer_level = FAB_PATH_SYS, .nvlink = true });
    const FabRoute *ways[2] = { fab_router_host(router, 0, true, NULL), fab_router_host(router, 0, false, NULL) };

    *alone = fab_route_bandwidth(machine, ways[0]);
    *both = fab_route_bandwidth(machine, fab_router_union(router, ways, 2));
    *latency = (double)ways[0]->latency_ps * 1e-12;
    ck_assert_double_eq(fab_route_bandwidth(machine, ways[1]), *alone);
    ck_assert_double_lt(*both, *alone);
}

START_TEST(one_stream_does_one_thing_after_the_other)
{
    double alone, both, latency, n = 16, chunk = 64 * MIB, kernel = chunk / 1e12;
    double time = seconds((const char *const[]) { IDEAL, "pipeline.bytes=1G", "sizes=64M", "streams=1",
                                                  "compute=1000 GB/s", NULL });

    look_up(&alone, &both, &latency);
    ck_assert_double_eq_tol(time, n * (2 * chunk / alone + kernel) + (2 * n - 1) * latency, 1e-9);
}
END_TEST

START_TEST(streams_let_both_directions_run_at_once)
{
    double alone, both, latency, n = 16, chunk = 64 * MIB;
    double time = seconds((const char *const[]) { IDEAL, "pipeline.bytes=1G", "sizes=64M", "streams=4", NULL });

    look_up(&alone, &both, &latency);
    ck_assert_double_eq_tol(time, 2 * chunk / alone + (n - 1) * chunk / both, n * latency);
}
END_TEST

START_TEST(slow_kernels_hide_the_copies_but_the_first_and_the_last)
{
    double alone, both, latency, n = 16, chunk = 64 * MIB;
    double time = seconds((const char *const[]) { IDEAL, "pipeline.bytes=1G", "sizes=64M", "streams=4",
                                                  "compute=10 GB/s", NULL });

    look_up(&alone, &both, &latency);
    ck_assert_double_eq_tol(time, 2 * chunk / alone + n * chunk / 10e9, 3 * latency);
}
END_TEST

START_TEST(nothing_comes_back_where_none_is_wanted)
{
    double alone, both, latency;
    double time = seconds((const char *const[]) { IDEAL, "pipeline.bytes=1G", "sizes=64M", "streams=4", "back=0",
                                                  NULL });

    look_up(&alone, &both, &latency);
    ck_assert_double_eq_tol(time, 1024 * MIB / alone, 3 * latency);
}
END_TEST

START_TEST(small_chunks_wait_for_the_host_and_large_ones_for_their_ends)
{
    const char *sets[] = { "topology.name=dgx-h100", "pipeline.bytes=256M", "streams=3", "sizes=64K;8M;256M", NULL };
    g_autoptr(FabResult) result = test_try_run(sets, NULL);
    const FabResultRow *small = result->rows->pdata[0], *middle = result->rows->pdata[1];
    const FabResultRow *large = result->rows->pdata[2];

    ck_assert_str_eq(small->binding, "host");
    ck_assert_int_ge(small->time_ps, INT64_C(4096) * 3 * 2000000); /* 4096 chunks, three operations of 2 us */
    ck_assert_int_lt(middle->time_ps, small->time_ps);
    ck_assert_int_lt(middle->time_ps, large->time_ps);
    ck_assert_double_eq_tol(middle->algbw, 256 * MIB / ((double)middle->time_ps * 1e-12), 1);
}
END_TEST

START_TEST(a_last_chunk_may_be_shorter_and_a_chunk_no_longer_than_all)
{
    double whole = seconds((const char *const[]) { IDEAL, "pipeline.bytes=100M", "sizes=100M", NULL });
    double longer = seconds((const char *const[]) { IDEAL, "pipeline.bytes=100M", "sizes=1G", NULL });
    double rest = seconds((const char *const[]) { IDEAL, "pipeline.bytes=100M", "sizes=64M", "streams=1", NULL });
    double alone, both, latency;

    look_up(&alone, &both, &latency);
    ck_assert_double_eq(whole, longer);
    ck_assert_double_eq_tol(whole, 200 * MIB / alone + latency, 1e-9);
    ck_assert_double_eq_tol(rest, 200 * MIB / alone + 3 * latency, 1e-9);
}
END_TEST

START_TEST(gpus_share_the_uplink_of_their_switch)
{
    const char *one[] = { "topology.name=pcie-switch", "pipeline.bytes=1G", "sizes=64M", "gpus=1", "back=0", NULL };
    const char *two[] = { "topology.name=pcie-switch", "pipeline.bytes=1G", "sizes=64M", "gpus=2", "back=0", NULL };

    ck_assert_double_eq_tol(seconds(two) / seconds(one), 2, 0.01);
}
END_TEST

static void
check_refused(const char *part, const char *machine, const char *first, const char *second)
{
    g_autofree char *name = g_strdup_printf("topology.name=%s", machine);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = test_try_run((const char *const[]) { name, first, second, NULL }, &error);

    ck_assert_ptr_null(result);
    ck_assert_msg(strstr(error->message, part) != NULL, "%s lacks: %s", error->message, part);
}

START_TEST(what_is_no_pipeline_is_refused)
{
    check_refused("[pipeline] needs bytes", "dgx-h100", "pipeline.streams=2", NULL);
    check_refused("[pipeline] bytes: \"0\" must be between 1 byte and 16 TiB", "dgx-h100", "pipeline.bytes=0", NULL);
    check_refused("[pipeline] streams", "dgx-h100", "pipeline.bytes=1G", "streams=0");
    check_refused("[pipeline] back", "dgx-h100", "pipeline.bytes=1G", "back=-1");
    check_refused("[pipeline] unknown key stream; did you mean streams?", "dgx-h100", "pipeline.bytes=1G", "stream=2");
    check_refused("[pipeline] gpus is 9, dgx-h100 has 8", "dgx-h100", "pipeline.bytes=1G", "gpus=9");
    check_refused("no CPU is joined to GPU 0", "loopback-h200", "pipeline.bytes=1G", NULL);
    check_refused("at most 4194304 operations are simulated; take larger ones", "dgx-h100", "pipeline.bytes=1G",
                  "sizes=8");
    check_refused("says two things to run", "dgx-h100", "pipeline.bytes=1G", "transfer.flows=0>1");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("copy-pipeline");

    tcase_add_test(tests, one_stream_does_one_thing_after_the_other);
    tcase_add_test(tests, streams_let_both_directions_run_at_once);
    tcase_add_test(tests, slow_kernels_hide_the_copies_but_the_first_and_the_last);
    tcase_add_test(tests, nothing_comes_back_where_none_is_wanted);
    tcase_add_test(tests, small_chunks_wait_for_the_host_and_large_ones_for_their_ends);
    tcase_add_test(tests, a_last_chunk_may_be_shorter_and_a_chunk_no_longer_than_all);
    tcase_add_test(tests, gpus_share_the_uplink_of_their_switch);
    tcase_add_test(tests, what_is_no_pipeline_is_refused);
    return run_tests(tests);
}
