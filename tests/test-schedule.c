#include "workload/schedule.h"

#include <check.h>

#include "base/error.h"
#include "suite.h"
#include "workload/graph.h"

enum { UNIT = 1000000 };

/* Runs a pipeline whose passes take these times on every stage and chunk; the whole length. */
static int64_t
length_of(FabPipeline pipeline, int64_t forward, int64_t backward, int64_t weight, int64_t hop)
{
    g_autofree FabPassTimes *times = g_new(FabPassTimes, (gsize)pipeline.stages * pipeline.chunks);
    FabPipelineSpec spec = { .pipeline = pipeline, .times = times, .hop_ps = hop };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabGraph) graph = NULL;

    for (uint32_t i = 0; i < pipeline.stages * pipeline.chunks; i++)
        times[i] = (FabPassTimes) { forward, backward, weight };
    graph = fab_pipeline_run(&spec, &error);
    ck_assert_msg(graph != NULL, "%s", error != NULL ? error->message : "no error");
    return fab_graph_length(graph);
}

/* Every micro-batch goes forward and back once through each chunk, and no weights before their backward pass. */
START_TEST(every_stage_does_every_pass_once)
{
    const FabPipeline pipelines[] = {
        { FAB_SCHEDULE_GPIPE, 4, 1, 6 },       { FAB_SCHEDULE_1F1B, 4, 1, 9 },  { FAB_SCHEDULE_1F1B, 8, 1, 3 },
        { FAB_SCHEDULE_INTERLEAVED, 4, 3, 8 }, { FAB_SCHEDULE_ZB_H1, 4, 1, 9 }, { FAB_SCHEDULE_INTERLEAVED, 4, 2, 4 },
        { FAB_SCHEDULE_ZB_H1, 4, 1, 2 },       { FAB_SCHEDULE_1F1B, 1, 1, 5 },  { FAB_SCHEDULE_ZB_H1, 1, 1, 3 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(pipelines); i++) {
        const FabPipeline *pipeline = &pipelines[i];
        uint32_t kinds = pipeline->schedule == FAB_SCHEDULE_ZB_H1 ? 3 : 2;
        for (uint32_t stage = 0; stage < pipeline->stages; stage++) {
            uint32_t count;
            g_autofree FabPass *passes = fab_schedule_stage(pipeline, stage, &count);
            g_autofree uint32_t *seen = g_new0(uint32_t, 64 * 16);
            ck_assert_uint_eq(count, kinds * pipeline->chunks * pipeline->micros);
            for (uint32_t k = 0; k < count; k++) {
                uint32_t *at = &seen[passes[k].chunk * 64 + passes[k].micro];
                ck_assert_uint_lt(passes[k].chunk, pipeline->chunks);
                ck_assert_uint_lt(passes[k].micro, pipeline->micros);
                ck_assert_uint_eq(*at, (uint32_t)passes[k].kind);
                ++*at;
            }
        }
    }
}
END_TEST

/* (p - 1) / m of the ideal time for GPipe and 1F1B (arXiv 1811.06965, 2104.04473). */
START_TEST(gpipe_and_1f1b_have_the_published_bubble)
{
    for (uint32_t p = 1; p <= 16; p *= 2) {
        for (uint32_t m = p; m <= 4 * p; m += p) {
            int64_t wanted = (int64_t)(m + p - 1) * 3 * UNIT;
            ck_assert_int_eq(length_of((FabPipeline) { FAB_SCHEDULE_GPIPE, p, 1, m }, UNIT, 2 * UNIT, 0, 0), wanted);
            ck_assert_int_eq(length_of((FabPipeline) { FAB_SCHEDULE_1F1B, p, 1, m }, UNIT, 2 * UNIT, 0, 0), wanted);
        }
    }
}
END_TEST

/* (p - 1) / (v m) (arXiv 2104.04473). */
START_TEST(interleaving_divides_the_bubble_by_the_chunks)
{
    for (uint32_t p = 2; p <= 16; p *= 2) {
        for (uint32_t v = 2; v <= 6; v++) {
            for (uint32_t m = p; m <= 4 * p; m += p)
                ck_assert_int_eq(length_of((FabPipeline) { FAB_SCHEDULE_INTERLEAVED, p, v, m }, UNIT, 2 * UNIT, 0, 0),
                                 (int64_t)(m * v + p - 1) * 3 * UNIT);
        }
    }
}
END_TEST

/* (p - 1) (F + B - W) with B and W the two halves of the backward pass (arXiv 2401.10241, table 1). */
START_TEST(zb_h1_has_a_third_of_the_bubble)
{
    for (uint32_t p = 1; p <= 16; p++) {
        for (uint32_t m = 2 * p; m <= 5 * p; m += p)
            ck_assert_int_eq(length_of((FabPipeline) { FAB_SCHEDULE_ZB_H1, p, 1, m }, UNIT, UNIT, UNIT, 0),
                             (int64_t)(3 * m + p - 1) * UNIT);
    }
}
END_TEST

/* (p / 2 - 1) (F&B + B - 3 W), B the whole backward pass, where F&B hides nothing (arXiv 2412.19437, table 2). */
START_TEST(dualpipe_has_the_published_bubble)
{
    for (uint32_t p = 2; p <= 16; p += 2) {
        for (uint32_t m = 2 * p; m <= 4 * p; m += p) {
            for (int64_t w = 1; w <= 2; w++) {
                FabPipeline pipeline = { FAB_SCHEDULE_DUALPIPE, p, 2, m };
                int64_t f = 2, b = 2 + w, wanted = m * (f + b) + (p / 2 - 1) * (f + b + b - 3 * w);
                ck_assert_int_eq(length_of(pipeline, f * UNIT, 2 * UNIT, w * UNIT, 0), wanted * UNIT);
            }
        }
    }
}
END_TEST

/* Each direction's micro-batches go once through each stage; p + 1 of them are kept at most. */
START_TEST(dualpipe_does_every_pass_once)
{
    const FabPipeline pipeline = { FAB_SCHEDULE_DUALPIPE, 8, 2, 20 };

    for (uint32_t stage = 0; stage < 8; stage++) {
        uint32_t count, weights = 0, split = 0, total = 0;
        g_autofree FabPass *passes = fab_schedule_stage(&pipeline, stage, &count);
        uint32_t seen[2][10] = { { 0 } };
        for (uint32_t k = 0; k < count; k++) {
            uint32_t *at = &seen[passes[k].chunk][passes[k].micro];
            ck_assert_uint_lt(passes[k].micro, 10);
            ck_assert(!passes[k].fused || passes[k + 1].kind == FAB_PASS_WHOLE);
            weights += passes[k].kind == FAB_PASS_WEIGHT;
            split += passes[k].kind == FAB_PASS_BACKWARD;
            ck_assert_uint_eq(*at, passes[k].kind == FAB_PASS_FORWARD ? 0 : passes[k].kind == FAB_PASS_WEIGHT ? 2 : 1);
            *at += passes[k].kind == FAB_PASS_WHOLE ? 2 : 1;
        }
        for (uint32_t i = 0; i < 20; i++)
            total += seen[i / 10][i % 10];
        ck_assert_uint_eq(weights, split);
        ck_assert_uint_eq(total, 3 * 20);
        ck_assert_uint_le(fab_schedule_in_flight(&pipeline, stage), 8 + 1);
    }
}
END_TEST

/* p - r of 1F1B; all of GPipe; and interleaving keeps 1 + (p - 1) / (p v) times as much as 1F1B (arXiv 2205.05198). */
START_TEST(stages_keep_as_much_as_the_papers_say)
{
    FabPipeline plain = { FAB_SCHEDULE_1F1B, 8, 1, 32 }, gpipe = { FAB_SCHEDULE_GPIPE, 8, 1, 32 };
    FabPipeline interleaved = { FAB_SCHEDULE_INTERLEAVED, 8, 3, 32 }, zero = { FAB_SCHEDULE_ZB_H1, 8, 1, 32 };
    FabPipeline few = { FAB_SCHEDULE_1F1B, 8, 1, 3 }, many = { FAB_SCHEDULE_INTERLEAVED, 8, 3, 1 << 20 };

    for (uint32_t stage = 0; stage < 8; stage++) {
        ck_assert_uint_eq(fab_schedule_in_flight(&plain, stage), 8 - stage);
        ck_assert_uint_eq(fab_schedule_in_flight(&gpipe, stage), 32);
        ck_assert_uint_le(fab_schedule_in_flight(&zero, stage), 8);
    }
    ck_assert_uint_eq(fab_schedule_in_flight(&interleaved, 0), 8 * 3 + 7);
    ck_assert_uint_eq(fab_schedule_in_flight(&few, 0), 3);
    ck_assert_uint_eq(fab_schedule_in_flight(&many, 0), 8 * 3 + 7);
}
END_TEST

/* A hop is seen (p - 1) times on the way down and as often on the way up, if nothing hides it. */
START_TEST(hops_lengthen_the_pipeline)
{
    int64_t without = length_of((FabPipeline) { FAB_SCHEDULE_GPIPE, 4, 1, 8 }, UNIT, 2 * UNIT, 0, 0);

    ck_assert_int_eq(length_of((FabPipeline) { FAB_SCHEDULE_GPIPE, 4, 1, 8 }, UNIT, 2 * UNIT, 0, 1000),
                     without + 2 * 3 * 1000);
    ck_assert_int_gt(length_of((FabPipeline) { FAB_SCHEDULE_INTERLEAVED, 4, 2, 8 }, UNIT, 2 * UNIT, 0, UNIT / 50),
                     length_of((FabPipeline) { FAB_SCHEDULE_INTERLEAVED, 4, 2, 8 }, UNIT, 2 * UNIT, 0, 0));
}
END_TEST

/* T = m max(F + B) + (sum(F + B) - max(F + B)) for a last stage that is heavier. */
START_TEST(a_heavy_last_stage_sets_the_pace)
{
    FabPassTimes times[4] = { { UNIT, 2 * UNIT, 0 }, { UNIT, 2 * UNIT, 0 }, { UNIT, 2 * UNIT, 0 },
                              { 2 * UNIT, 3 * UNIT, 0 } };
    FabPipelineSpec spec = { .pipeline = { FAB_SCHEDULE_1F1B, 4, 1, 16 }, .times = times };
    g_autoptr(FabGraph) graph = fab_pipeline_run(&spec, NULL);

    ck_assert_int_eq(fab_graph_length(graph), (16 * 5 + 9) * (int64_t)UNIT);
}
END_TEST

/* Ranks that do the same at the same time end when one of them would alone, whatever the schedule. */
START_TEST(all_ranks_take_as_long_as_one)
{
    const FabPipeline pipelines[] = { { FAB_SCHEDULE_GPIPE, 4, 1, 6 },
                                      { FAB_SCHEDULE_1F1B, 4, 1, 9 },
                                      { FAB_SCHEDULE_INTERLEAVED, 4, 3, 8 },
                                      { FAB_SCHEDULE_ZB_H1, 4, 1, 9 },
                                      { FAB_SCHEDULE_DUALPIPE, 4, 2, 8 } };
    FabPassTimes times[12];

    for (uint32_t i = 0; i < G_N_ELEMENTS(times); i++)
        times[i] = (FabPassTimes) { UNIT + i, 2 * UNIT - i, UNIT };
    for (size_t i = 0; i < G_N_ELEMENTS(pipelines); i++) {
        FabPipelineSpec spec = { .pipeline = pipelines[i], .times = times, .hop_ps = UNIT / 7 };
        FabPipelineSpec all = spec;
        g_autoptr(FabGraph) folded = fab_pipeline_run(&spec, NULL), unfolded = NULL;
        all.ranks = 8;
        all.group = 4;
        unfolded = fab_pipeline_run(&all, NULL);
        ck_assert_int_eq(fab_graph_length(unfolded), fab_graph_length(folded));
        ck_assert_uint_gt(fab_graph_count(unfolded), 8 * fab_graph_count(folded));
    }
}
END_TEST

START_TEST(tasks_wait_for_their_stream_and_for_others)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabGraph) graph = fab_graph_new(2);
    uint32_t a = fab_graph_add(graph, 0, 10, 0), b = fab_graph_add(graph, 1, 5, 0);
    uint32_t c = fab_graph_add(graph, 1, 7, 0), d = fab_graph_add(graph, 0, 1, 0);

    fab_graph_after(graph, c, a);
    fab_graph_after(graph, d, c);
    ck_assert(fab_graph_run(graph, &error));
    ck_assert_int_eq(fab_graph_task(graph, b)->start_ps, 0);
    ck_assert_int_eq(fab_graph_task(graph, c)->start_ps, 10);
    ck_assert_int_eq(fab_graph_task(graph, d)->start_ps, 17);
    ck_assert_int_eq(fab_graph_length(graph), 18);
}
END_TEST

START_TEST(a_cycle_is_reported_with_its_tasks)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabGraph) graph = fab_graph_new(4);

    for (uint32_t i = 0; i < 4; i++)
        fab_graph_add(graph, i, 1, 0);
    fab_graph_after(graph, 1, 0);
    fab_graph_after(graph, 2, 1);
    fab_graph_after(graph, 3, 2);
    fab_graph_after(graph, 1, 3);
    ck_assert(!fab_graph_run(graph, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_DEADLOCK));
    ck_assert(g_regex_match_simple("circle of 3: task . waits for task . waits for task . waits for task",
                                   error->message, 0, 0));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("schedule");

    tcase_add_test(tests, every_stage_does_every_pass_once);
    tcase_add_test(tests, gpipe_and_1f1b_have_the_published_bubble);
    tcase_add_test(tests, interleaving_divides_the_bubble_by_the_chunks);
    tcase_add_test(tests, zb_h1_has_a_third_of_the_bubble);
    tcase_add_test(tests, dualpipe_has_the_published_bubble);
    tcase_add_test(tests, dualpipe_does_every_pass_once);
    tcase_add_test(tests, stages_keep_as_much_as_the_papers_say);
    tcase_add_test(tests, hops_lengthen_the_pipeline);
    tcase_add_test(tests, a_heavy_last_stage_sets_the_pace);
    tcase_add_test(tests, all_ranks_take_as_long_as_one);
    tcase_add_test(tests, tasks_wait_for_their_stream_and_for_others);
    tcase_add_test(tests, a_cycle_is_reported_with_its_tasks);
    return run_tests(tests);
}
