/* What the channels of a collective do over time. */
#include "predict/timeline.h"

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "predict/critical-path.h"
#include "predict/run-private.h"
#include "report/timeline.h"
#include "suite.h"
#include "topology/machine.h"

static FabRunTimeline *
timeline_of(const char *machine, const char *sizes, const char *more, uint32_t rows, uint32_t slices, GError **error)
{
    g_autofree char *name = g_strconcat("topology.name=", machine, NULL);
    const char *const sets[] = { name, "operation=all_reduce", sizes, more, NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, error);
    g_autoptr(FabTopology) topology =
        scenario != NULL ? fab_machine_load(scenario->topology, scenario->overrides, error) : NULL;

    return topology != NULL ? fab_run_timeline(scenario, topology, rows, slices, error) : NULL;
}

static FabRunTimeline *
good_timeline(const char *machine, const char *sizes, const char *more, uint32_t rows, uint32_t slices)
{
    g_autoptr(GError) error = NULL;
    FabRunTimeline *timeline = timeline_of(machine, sizes, more, rows, slices, &error);

    ck_assert_msg(timeline != NULL, "%s", error != NULL ? error->message : "no error");
    return timeline;
}

START_TEST(slices_of_a_stream_follow_each_other_and_move_all_its_bytes)
{
    g_autoptr(FabRunTimeline) timeline = good_timeline("ws2-bridge-3090", "sizes=16M", "algorithm=ring", 100, 100000);
    const FabTimeline *streams = timeline->streams;
    uint32_t rows = streams->ranks * streams->channels * streams->roles;
    g_autofree int64_t *until = g_new0(int64_t, rows);
    uint64_t sent = 0;

    ck_assert_uint_eq(streams->ranks, 2);
    ck_assert_uint_eq(streams->channels, timeline->channels);
    for (guint i = 0; i < streams->slices->len; i++) {
        const FabTimelineSlice *slice = &g_array_index(streams->slices, FabTimelineSlice, i);
        uint32_t row = (slice->at.rank * streams->channels + slice->at.channel) * streams->roles + slice->at.role;
        ck_assert_int_ge(slice->start_ps, until[row]);
        ck_assert_int_ge(slice->end_ps, slice->start_ps);
        ck_assert_int_le(slice->end_ps, streams->end_ps);
        until[row] = slice->end_ps;
        sent += strstr(slice->name, "end") != NULL ? slice->bytes : 0; /* send, recvReduceCopySend, ... */
    }
    /* Each of two ranks sends 2 (n - 1) / n of the buffer. */
    ck_assert_uint_eq(sent, UINT64_C(2) << 24);
}
END_TEST

START_TEST(the_end_is_that_of_the_run)
{
    g_autoptr(FabRunTimeline) all = good_timeline("dgx-h100", "sizes=64M", "algorithm=ring", 10000, 100000);
    g_autoptr(FabRunTimeline) some = good_timeline("dgx-h100", "sizes=64M", "algorithm=ring", 2, 100000);
    g_autoptr(FabResult) result = test_run("topology.name=dgx-h100", "operation=all_reduce", "algorithm=ring",
                                           "sizes=64M", NULL);

    ck_assert_uint_eq(some->streams->ranks, 1);
    ck_assert_uint_eq(some->streams->channels, 2);
    ck_assert_int_eq(all->streams->end_ps, some->streams->end_ps);
    ck_assert_uint_lt(some->streams->slices->len, all->streams->slices->len);
    /* The call is longer by its launch, which is microseconds. */
    ck_assert_int_lt(all->streams->end_ps, test_row(result, 0)->time_ps);
    ck_assert_int_gt(all->streams->end_ps, test_row(result, 0)->time_ps - INT64_C(50000000));
}
END_TEST

START_TEST(a_whole_timeline_keeps_what_there_is_room_for)
{
    const char *const sets[] = { "topology.name=dgx-h100", "operation=all_reduce", "algorithm=ring", "sizes=1M;16M",
                                 NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, NULL);
    g_autoptr(FabRunTimeline) all = fab_run_timeline_whole(scenario, topology, 1000000, NULL);
    g_autoptr(FabRunTimeline) some = fab_run_timeline_whole(scenario, topology, all->streams->slices->len / 3, NULL);
    g_autoptr(FabRunTimeline) least = fab_run_timeline_whole(scenario, topology, 1, NULL);
    g_autofree char *rest = fab_report_timeline_rest(some);

    ck_assert_uint_eq(all->size, 16u << 20);
    ck_assert_uint_eq(all->streams->ranks, 8);
    ck_assert_uint_eq(all->streams->channels, all->channels);
    ck_assert_ptr_null(fab_report_timeline_rest(all));
    ck_assert_uint_lt(some->streams->ranks, 8);
    ck_assert_uint_eq(some->streams->channels, all->channels);
    ck_assert_ptr_nonnull(strstr(rest, " of 8 ranks"));
    ck_assert_uint_eq(least->streams->ranks, 1);
    ck_assert_uint_eq(least->streams->channels, 1);
}
END_TEST

START_TEST(the_largest_size_that_can_be_seen_is_taken)
{
    g_autoptr(FabRunTimeline) few = good_timeline("dgx-a100", "sizes=1M;16M;8G", "algorithm=ring", 24, 160);
    g_autoptr(FabRunTimeline) smallest = good_timeline("dgx-a100", "sizes=1G;8G", "algorithm=ring", 24, 10);

    ck_assert_uint_gt(few->size, 1u << 20);
    ck_assert_uint_lt(few->size, UINT64_C(8) << 30);
    ck_assert_uint_eq(smallest->size, 1u << 30);
}
END_TEST

static char *
picture_of(const FabRunTimeline *timeline)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    fab_report_timeline(timeline, out);
    fclose(out);
    return text;
}

START_TEST(a_picture_says_what_is_left_out_and_what_each_box_is)
{
    g_autoptr(FabRunTimeline) switched = good_timeline("dgx-h100", "sizes=128M", "algorithm=nvls", 24, 160);
    g_autoptr(FabRunTimeline) small = good_timeline("ws2-bridge-3090", "sizes=1M", "algorithm=ring", 24, 160);
    g_autofree char *many = picture_of(switched), *all = picture_of(small);

    ck_assert_ptr_nonnull(strstr(many, "The first 4 of 8 ranks, the first 2 of "));
    ck_assert_ptr_nonnull(strstr(many, ">the switch reduces or multicasts</text>"));
    ck_assert_ptr_nonnull(strstr(many, ">rank 3, channel 1, part 2</text>"));
    ck_assert_ptr_null(strstr(all, "The first "));
    ck_assert_ptr_null(strstr(all, "the switch"));
    ck_assert_ptr_nonnull(strstr(all, ">rank 1, channel 0</text>"));
    ck_assert_ptr_nonnull(strstr(all, "<title>send, step 0, "));
    ck_assert_ptr_nonnull(strstr(all, ">0 ns</text>"));
}
END_TEST

START_TEST(slices_that_are_too_narrow_are_drawn_together)
{
    g_autoptr(FabRunTimeline) timeline = good_timeline("ws2-bridge-3090", "sizes=8G", "algorithm=ring", 24, 160);
    g_autofree char *text = picture_of(timeline);

    ck_assert_uint_gt(timeline->streams->slices->len, 10000);
    ck_assert_ptr_nonnull(strstr(text, " slices from step "));
    ck_assert_uint_lt(strlen(text), 4u << 20);
}
END_TEST

START_TEST(what_cannot_be_drawn_is_refused)
{
    g_autoptr(GError) ranks = NULL;
    g_autoptr(GError) kind = NULL;
    const char *const sets[] = { "topology.name=dgx-h100", "training.micro_batch=1", "training.global_batch=8",
                                 "model.preset=llama-3-8b", NULL };
    g_autoptr(FabScenario) step = fab_scenario_from_sets((char *const *)sets, NULL);

    ck_assert_ptr_null(timeline_of("dgx-h100", "sizes=64G", "ranks=9", 24, 160, &ranks));
    ck_assert_ptr_nonnull(strstr(ranks->message, "9 ranks need 9 GPUs"));
    ck_assert_ptr_nonnull(step);
    ck_assert_ptr_null(fab_run_timeline(step, NULL, 24, 160, &kind));
    ck_assert_ptr_nonnull(strstr(kind->message, "has no [collective]"));
}
END_TEST

/* They follow each other without a gap, and what binds in each fills it. */
static void
check_phases(const GPtrArray *phases, int64_t time_ps)
{
    double at = 0;

    for (guint i = 0; i < phases->len; i++) {
        const FabPhase *phase = phases->pdata[i];
        double sum = 0;
        ck_assert_double_eq_tol(phase->start_s, at, 1e-12);
        ck_assert_uint_gt(phase->bindings->len, 0);
        for (guint k = 0; k < phase->bindings->len; k++)
            sum += ((const FabBinding *)phase->bindings->pdata[k])->seconds;
        ck_assert_double_eq_tol(sum, phase->seconds, 1e-12);
        at += phase->seconds;
    }
    ck_assert_double_eq_tol(at, (double)time_ps * 1e-12, 1e-11);
}

static FabCriticalPath
path_of(const char *machine, const char *size, const char *more)
{
    g_autofree char *name = g_strconcat("topology.name=", machine, NULL);
    g_autofree char *sizes = g_strconcat("sizes=", size, NULL);
    const char *const sets[] = { name, "operation=all_reduce", sizes, more, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, &error);
    g_autoptr(FabResult) result = fab_run(scenario, NULL, NULL, &error);
    FabCriticalPath path;

    ck_assert_msg(fab_critical_path(scenario, topology, scenario->sizes[0], &path, &error), "%s",
                  error != NULL ? error->message : "");
    ck_assert_int_ge(path.handing_ps, 0);
    ck_assert_int_ge(path.room_ps, 0);
    ck_assert_int_gt(path.around_ps, 0);
    if (path.slices > 0)
        ck_assert_int_eq(path.moving_ps + path.handing_ps + path.room_ps + path.around_ps,
                         test_row(result, 0)->time_ps);
    check_phases(path.phases, test_row(result, 0)->time_ps);
    fab_critical_path_clear(&path);
    return path;
}

START_TEST(the_critical_path_of_a_small_ring_goes_twice_around)
{
    FabCriticalPath eight = path_of("dgx-h100", "8", "algorithm=ring");
    FabCriticalPath two = path_of("ws2-bridge-3090", "8", "algorithm=ring");

    /* 2 (n - 1) hand-overs, each before a slice of its own, after a first one. */
    ck_assert_uint_eq(eight.hops, 14);
    ck_assert_uint_eq(eight.slices, 15);
    ck_assert_uint_eq(two.hops, 2);
    ck_assert_int_gt(eight.handing_ps, two.handing_ps);
}
END_TEST

START_TEST(the_critical_path_of_a_large_size_moves_data)
{
    FabCriticalPath path = path_of("ws2-bridge-3090", "64M", "algorithm=ring");
    FabCriticalPath nodes = path_of("superpod-h100", "1M", "algorithm=tree");
    FabCriticalPath switched = path_of("dgx-h100", "1M", "algorithm=nvls");

    ck_assert_int_gt(path.moving_ps, 10 * (path.handing_ps + path.room_ps + path.around_ps));
    ck_assert_uint_gt(nodes.hops, 3);
    ck_assert_uint_gt(switched.slices, 0);
}
END_TEST

/* A CTA has thousands of slices one after the other. */
START_TEST(a_path_of_very_many_slices_is_followed)
{
    FabCriticalPath path = path_of("ws2-bridge-3090", "16G", "algorithm=ring");

    ck_assert_uint_gt(path.slices, 1000);
    ck_assert_int_gt(path.moving_ps, 100 * (path.handing_ps + path.room_ps + path.around_ps));
}
END_TEST

/* More slices than a trail keeps. */
START_TEST(a_trail_that_is_full_says_so)
{
    const char *const sets[] = { "topology.name=ws2-bridge-3090", "operation=all_reduce", "sizes=16M", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, NULL);
    g_autoptr(FabTrail) trail = fab_trail_new(10);
    g_auto(FabTrailPath) path = { NULL, 0, 0, 0, 0 };
    g_autoptr(FabProgram) program = NULL;
    FabEngineReport report;
    FabRun run;
    FabPlan plan;

    ck_assert(fab_run_init(&run, scenario, topology, NULL, NULL));
    program = fab_run_program(&run, scenario->sizes[0], &plan, NULL);
    run.trail = trail;
    ck_assert(fab_run_simulate(&run, &plan, program, &report, NULL));
    ck_assert(fab_trail_is_full(trail));
    ck_assert(!fab_trail_follow(trail, &path));
    ck_assert_ptr_null(path.stretches);
    fab_engine_report_clear(&report);
    fab_run_clear(&run);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("timeline");

    tcase_add_test(tests, slices_of_a_stream_follow_each_other_and_move_all_its_bytes);
    tcase_add_test(tests, the_end_is_that_of_the_run);
    tcase_add_test(tests, a_whole_timeline_keeps_what_there_is_room_for);
    tcase_add_test(tests, the_largest_size_that_can_be_seen_is_taken);
    tcase_add_test(tests, a_picture_says_what_is_left_out_and_what_each_box_is);
    tcase_add_test(tests, slices_that_are_too_narrow_are_drawn_together);
    tcase_add_test(tests, what_cannot_be_drawn_is_refused);
    tcase_add_test(tests, the_critical_path_of_a_small_ring_goes_twice_around);
    tcase_add_test(tests, the_critical_path_of_a_large_size_moves_data);
    tcase_add_test(tests, a_path_of_very_many_slices_is_followed);
    tcase_add_test(tests, a_trail_that_is_full_says_so);
    return run_tests(tests);
}
