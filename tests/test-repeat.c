/* Steps that repeat themselves are taken at once: times and sums are those of a run that simulates every slice. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "engine/engine.h"
#include "fabric.h"
#include "predict/run-private.h"
#include "suite.h"
#include "topology/machine.h"

static void
check_sum(const char *what, const char *name, double one, double other)
{
    ck_assert_msg(fabs(one - other) <= 1e-9 * fabs(other), "%s: %s is %.17g, with every slice %.17g", what, name, one,
                  other);
}

static void
check_same(const char *what, const FabTopology *topology, const FabEngineReport *some, const FabEngineReport *every)
{
    ck_assert_msg(some->time_ps == every->time_ps, "%s: %" G_GINT64_FORMAT " ps, with every slice %" G_GINT64_FORMAT,
                  what, some->time_ps, every->time_ps);
    ck_assert_msg(some->interval_ps == every->interval_ps, "%s: the interval differs", what);
    ck_assert_msg(some->steady_ps == every->steady_ps, "%s: the steady interval differs", what);
    ck_assert_uint_eq(some->steps, every->steps);
    ck_assert_uint_eq(some->slices, every->slices);
    ck_assert_uint_eq(some->flows, every->flows);
    ck_assert_uint_eq(every->repeated, 0);
    check_sum(what, "the share of copies", some->copy_share, every->copy_share);
    check_sum(what, "the idle share", some->idle_share, every->idle_share);
    for (uint32_t i = 0; i < topology->resource_count; i++)
        check_sum(what, "what a link carries", some->carried[i], every->carried[i]);
}

static void
simulate(FabRun *run, const FabPlan *plan, const FabProgram *program, bool every, FabEngineReport *report,
         FabTrailPath *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTrail) trail = fab_trail_new(10000000);
    bool good;

    run->every = every;
    run->trail = trail;
    good = fab_run_simulate(run, plan, program, report, &error);
    ck_assert_msg(good, "%s", good ? "" : error->message);
    ck_assert(fab_trail_follow(trail, path));
    run->trail = NULL;
}

/* The way back through what was not simulated is as long, goes through as many slices and spends its time alike. */
static void
check_paths(const char *what, const FabTrailPath *some, const FabTrailPath *every)
{
    int64_t sums[2][FAB_STRETCH_PROXY + 1] = { { 0 } };
    const FabTrailPath *paths[] = { some, every };

    for (int k = 0; k < 2; k++) {
        int64_t at = g_array_index(paths[k]->stretches, FabStretch, 0).start_ps;
        for (guint i = 0; i < paths[k]->stretches->len; i++) {
            const FabStretch *stretch = &g_array_index(paths[k]->stretches, FabStretch, i);
            ck_assert_msg(stretch->start_ps == at, "%s: a gap in the path", what);
            at = stretch->end_ps;
            sums[k][stretch->kind] += stretch->end_ps - stretch->start_ps;
        }
    }
    ck_assert_msg(some->slices == every->slices && some->hops == every->hops, "%s: %" G_GUINT64_FORMAT " slices on the "
                  "path, with every slice %" G_GUINT64_FORMAT, what, some->slices, every->slices);
    for (int i = 0; i <= FAB_STRETCH_PROXY; i++)
        ck_assert_msg(sums[0][i] == sums[1][i], "%s: stretches of kind %d take %" G_GINT64_FORMAT " ps on the path, "
                      "with every slice %" G_GINT64_FORMAT, what, i, sums[0][i], sums[1][i]);
    ck_assert(some->full_ps == every->full_ps && some->drain_ps == every->drain_ps);
}

/* Runs one size both ways; how many of its slices were taken at once, of all. */
static double
check_both(const char *settings)
{
    g_auto(GStrv) sets = g_strsplit(settings, "|", -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, &error);
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabProgram) program = NULL;
    FabRun run;
    FabPlan plan;
    FabEngineReport some, every;
    g_auto(FabTrailPath) path = { NULL, 0, 0, 0, 0 };
    g_auto(FabTrailPath) path_of_every = { NULL, 0, 0, 0, 0 };
    double share;

    ck_assert_msg(scenario != NULL, "%s: %s", settings, error != NULL ? error->message : "");
    topology = fab_machine_load(scenario->topology, scenario->overrides, &error);
    ck_assert_msg(topology != NULL, "%s: %s", settings, error != NULL ? error->message : "");
    ck_assert(fab_run_init(&run, scenario, topology, NULL, &error));
    program = fab_run_program(&run, scenario->sizes[0], &plan, &error);
    ck_assert_msg(program != NULL, "%s: %s", settings, error != NULL ? error->message : "");
    simulate(&run, &plan, program, false, &some, &path);
    simulate(&run, &plan, program, true, &every, &path_of_every);
    check_paths(settings, &path, &path_of_every);
    check_same(settings, topology, &some, &every);
    share = (double)some.repeated / (double)some.slices;
    fab_engine_report_clear(&some);
    fab_engine_report_clear(&every);
    fab_run_clear(&run);
    return share;
}

#define RAILS "topology.name=superpod-h100|topology.node.nics_per_node=4|collective.algorithm=ring|"

static const struct {
    const char *settings;
    bool repeats; /* false: FIFOs may fill until the call ends, or hashing tell ranks apart */
} cases[] = {
    { RAILS "topology.nodes=20|collective.operation=all_reduce|collective.channels=4|collective.sizes=10M", true },
    { RAILS "topology.nodes=20|collective.operation=all_reduce|collective.channels=2|collective.sizes=40K|"
      "collective.protocol=ll", true },
    { RAILS "topology.nodes=20|collective.operation=all_reduce|collective.channels=2|collective.sizes=20M|"
      "collective.protocol=ll128|collective.fold=on", true },
    { RAILS "topology.nodes=20|topology.group_nodes=5|topology.routing=spray|collective.operation=all_reduce|"
      "collective.channels=1|collective.sizes=320K|collective.protocol=simple", true },
    /* Groups of four nodes below spines: the state comes back after 32 steps. */
    { RAILS "topology.nodes=32|topology.group_nodes=4|topology.routing=spray|collective.operation=all_reduce|"
      "collective.channels=4|collective.sizes=4M", true },
    { RAILS "topology.nodes=20|topology.group_nodes=2|collective.operation=all_reduce|collective.channels=2|"
      "collective.sizes=10M", true },
    { RAILS "topology.nodes=20|collective.operation=all_reduce|collective.channels=2|collective.sizes=20M|"
      "collective.protocol=simple", false },
    { RAILS "topology.nodes=40|collective.operation=all_gather|collective.channels=2|collective.sizes=10M", false },
    { RAILS "topology.nodes=40|collective.operation=reduce_scatter|collective.channels=1|collective.sizes=10M",
      false },
    { "topology.name=aws-p4d-x8|topology.nodes=20|collective.algorithm=ring|collective.operation=all_reduce|"
      "collective.channels=2|collective.sizes=10M", false },
    /* Pieces that are not equally long. */
    { RAILS "topology.nodes=20|collective.operation=all_reduce|collective.channels=2|collective.sizes=10000001",
      false },
};

START_TEST(what_is_taken_at_once_equals_every_slice_to_the_picosecond)
{
    double share = check_both(cases[_i].settings);

    ck_assert_msg(share > 0 || !cases[_i].repeats, "%s: every slice was simulated", cases[_i].settings);
}
END_TEST

START_TEST(the_same_holds_for_clusters_drawn_at_random)
{
    static const char *const protocols[] = { "simple", "ll", "ll128" };
    static const uint32_t groups[] = { 1, 2, 5, 10 };
    g_autoptr(GRand) random = g_rand_new_with_seed(5);
    double most = 0;

    for (int i = 0; i < 5; i++) {
        uint32_t channels = 1u << g_rand_int_range(random, 0, 2);
        uint64_t size = (uint64_t)20 * 8 * channels * 16 << g_rand_int_range(random, 0, 10);
        g_autofree char *settings = g_strdup_printf(
            RAILS "topology.nodes=20|topology.group_nodes=%u|topology.routing=spray|topology.oversubscription=%d|"
            "topology.radix=1024|collective.operation=all_reduce|collective.protocol=%s|collective.channels=%u|"
            "collective.sizes=%" G_GUINT64_FORMAT, groups[g_rand_int_range(random, 0, 4)],
            g_rand_int_range(random, 1, 3), protocols[g_rand_int_range(random, 0, 3)], channels, size);
        most = fmax(most, check_both(settings));
    }
    ck_assert(most > 0);
}
END_TEST

START_TEST(a_slow_gpu_slows_all_alike)
{
    ck_assert(check_both(RAILS "topology.nodes=20|collective.operation=all_reduce|collective.channels=2|"
                               "collective.sizes=10M|fault slow.kind=slow-gpu|fault slow.at=Node 1 GPU 3|"
                               "fault slow.factor=2") >= 0);
}
END_TEST

/* ------------------------------------------------------------------ closed form */

static FabProgram *
star_ring(uint32_t ranks, uint64_t chunk)
{
    const FabCollectiveSpec spec = { .collective = FAB_ALL_REDUCE, .size = chunk * ranks, .ranks = ranks,
                                     .channels = 1, .chunk_bytes = chunk, .slice_bytes = chunk, .slots = 2 };

    return fab_collective_emit(fab_algorithm_find("ring", NULL), &spec, NULL);
}

static FabTopology *
star(uint32_t ranks)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (uint32_t i = 0; i < ranks; i++)
        g_string_append_printf(text, "%sg%u-v0:nvlink:50", i > 0 ? " " : "", i);
    return fabric_new(text->str);
}

enum { RANKS = 200, CHUNK = 50000 };

/* A ring on a star; what `spec` says of limits and changes is kept. */
static bool
run_star(FabEngineSpec spec, FabEngineReport *report, GError **error)
{
    g_autoptr(FabTopology) topology = star(RANKS);
    const FabRouteRules rules = { .peer_level = FAB_PATH_PXB, .nvlink = true };
    g_autoptr(FabRouter) router = fab_router_new(topology, &rules);
    g_autoptr(FabProgram) program = star_ring(RANKS, CHUNK);
    g_autofree uint32_t *gpus = g_new(uint32_t, RANKS);

    for (uint32_t i = 0; i < RANKS; i++)
        gpus[i] = i;
    spec.topology = topology;
    spec.router = router;
    spec.program = program;
    spec.gpus = gpus;
    spec.execution = (FabExecution) { .wire = 1, .send_rate = INFINITY, .copy_rate = INFINITY };
    return fab_engine_run(&spec, report, error);
}

START_TEST(a_ring_on_a_star_takes_its_closed_form_with_few_slices_simulated)
{
    FabEngineReport report;

    ck_assert(run_star((FabEngineSpec) { .every = false }, &report, NULL));
    ck_assert_int_eq(report.time_ps, 2 * (RANKS - 1) * INT64_C(1200000));
    ck_assert_uint_eq(report.slices, (2 * RANKS - 1) * RANKS);
    ck_assert(report.slices - report.repeated < 40 * RANKS);
    fab_engine_report_clear(&report);
}
END_TEST

START_TEST(more_slices_than_allowed_are_refused_unless_they_are_taken_at_once)
{
    g_autoptr(GError) error = NULL;
    FabEngineReport report;

    ck_assert(run_star((FabEngineSpec) { .most_slices = 10000 }, &report, NULL));
    fab_engine_report_clear(&report);
    ck_assert(!run_star((FabEngineSpec) { .most_slices = 10000, .every = true }, &report, &error));
    ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
    ck_assert(strstr(error->message, "1e+04 slices were simulated") != NULL);
}
END_TEST

/* A link that halves its rate in the middle would be leapt over. */
START_TEST(what_changes_during_a_run_is_met)
{
    const FabEngineChange change = { .when_ps = 200 * INT64_C(1000000), .kind = FAB_CHANGE_CAPACITY, .value = 25e9 };
    FabEngineReport some, every;

    ck_assert(run_star((FabEngineSpec) { .changes = &change, .change_count = 1 }, &some, NULL));
    ck_assert(run_star((FabEngineSpec) { .changes = &change, .change_count = 1, .every = true }, &every, NULL));
    ck_assert_int_eq(some.time_ps, every.time_ps);
    ck_assert(some.time_ps > 2 * (RANKS - 1) * INT64_C(1200000));
    ck_assert_uint_eq(some.repeated, 0);
    fab_engine_report_clear(&some);
    fab_engine_report_clear(&every);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("repeat");

    tcase_add_loop_test(tests, what_is_taken_at_once_equals_every_slice_to_the_picosecond, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tests, the_same_holds_for_clusters_drawn_at_random);
    tcase_add_test(tests, a_slow_gpu_slows_all_alike);
    tcase_add_test(tests, a_ring_on_a_star_takes_its_closed_form_with_few_slices_simulated);
    tcase_add_test(tests, more_slices_than_allowed_are_refused_unless_they_are_taken_at_once);
    tcase_add_test(tests, what_changes_during_a_run_is_met);
    return run_tests(tests);
}
