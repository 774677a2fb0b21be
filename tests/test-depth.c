/* Trees over many nodes from smaller ones: near what simulating all says, said so, and refused where not. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "predict/depth.h"
#include "report/report.h"
#include "suite.h"
#include "topology/machine.h"

/* "topology.nodes=2|collective.sizes=1M" and how to fold. */
static FabResult *
run(const char *settings, const char *fold, GError **error)
{
    g_autofree char *all = g_strconcat(settings, "|collective.operation=all_reduce|collective.fold=", fold, NULL);

    return test_try_run_text(all, error);
}

static bool
says(const FabResult *result, const char *part)
{
    for (guint i = 0; i < result->notes->len; i++) {
        if (strstr(result->notes->pdata[i], part) != NULL)
            return true;
    }
    return false;
}

#define PODS "topology.name=cluster|topology.node=dgx-h100|topology.plugin=fat-tree|topology.levels=3|" \
             "topology.routing=spray|"
#define LEAVES "topology.name=superpod-h100|topology.routing=spray|topology.radix=1024|"
#define HASHED "topology.name=cluster|topology.node=dgx-h100|topology.plugin=fat-tree|topology.radix=32|"
#define RAILS "topology.name=superpod-h100|topology.group_nodes=256|topology.radix=1024|"

/*
 * Most of their time is latency where sizes are small, else bandwidth. Slices are fewer than those of machines that are
 * not simulated whole, `most` stands for their bound.
 */
static const struct {
    const char *settings;
    double most, bound; /* slices; 0: 0.6 % for each doubling */
} cases[] = {
    { PODS "topology.nodes=128|collective.algorithm=tree|collective.protocol=ll128|collective.sizes=512K", 1e5, 0 },
    { PODS "topology.nodes=100|collective.algorithm=tree|collective.protocol=simple|collective.sizes=64M|"
           "collective.channels=8", 4e4, 0 },
    { RAILS "topology.nodes=256|collective.algorithm=nvls-tree|collective.sizes=32M", 1e5, 0 },
    { LEAVES "topology.nodes=150|collective.algorithm=nvls-tree|collective.sizes=64M|collective.channels=8", 1e5, 0 },
    { LEAVES "topology.nodes=200|topology.node=dgx-a100|collective.algorithm=tree|collective.protocol=ll|"
             "collective.sizes=64K", 1e4, 0 },
    { RAILS "topology.nodes=64|collective.algorithm=tree|collective.protocol=simple|collective.channels=4|"
            "collective.chunk=128K|collective.sizes=16M", 5e4, 0 },
    { HASHED "topology.nodes=32|collective.algorithm=tree|collective.protocol=ll128|collective.sizes=16M", 5e4, 0.1 },
    { HASHED "topology.nodes=32|collective.algorithm=tree|collective.protocol=ll128|collective.sizes=16M|"
             "topology.seed=4", 5e4, 0.1 },
    { HASHED "topology.nodes=32|collective.algorithm=nvls-tree|collective.sizes=64M|collective.channels=8", 1e5, 0.1 },
    { HASHED "topology.nodes=32|topology.routing=adaptive|collective.algorithm=nvls-tree|collective.sizes=64M|"
             "collective.channels=8", 1e5, 0.1 },
    { HASHED "topology.nodes=36|collective.algorithm=ring|collective.sizes=16M|collective.channels=8", 1e5, 0.1 },
    { HASHED "topology.nodes=32|topology.routing=spray|topology.oversubscription=2|collective.algorithm=tree|"
             "collective.protocol=ll128|collective.sizes=16M", 5e4, 0.1 },
    { HASHED "topology.nodes=32|topology.oversubscription=2|collective.algorithm=nvls-tree|collective.sizes=64M|"
             "collective.channels=8", 1e5, 0.1 },
    { HASHED "topology.nodes=36|topology.oversubscription=4|collective.operation=all_gather|"
             "collective.algorithm=ring|collective.sizes=64M|collective.channels=8", 1e5, 0.1 },
    { "topology.name=alps-gh200|topology.nodes=36|collective.algorithm=tree|collective.sizes=16M", 2e4, 0.1 },
    { HASHED "topology.nodes=36|collective.algorithm=ring|collective.protocol=simple|collective.sizes=256M|"
             "collective.channels=8", 1e5, 0.1 },
};

/* One size of a scenario, as it is predicted with this bound of slices, 0: simulated whole. */
static int64_t
time_of(const char *settings, double most, FabDepth *depth)
{
    g_autofree char *all = g_strconcat(settings, strstr(settings, "operation=") != NULL
                                                     ? NULL : "|collective.operation=all_reduce", NULL);
    g_auto(GStrv) sets = g_strsplit(all, "|", -1);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, &error);
    g_autoptr(FabTopology) topology = scenario != NULL
                                          ? fab_machine_load(scenario->topology, scenario->overrides, &error) : NULL;
    g_autoptr(FabProgram) program = NULL;
    FabEngineReport report = { .time_ps = 0 };
    FabPlan plan;
    FabRun run;

    ck_assert_msg(topology != NULL, "%s: %s", settings, error != NULL ? error->message : "");
    ck_assert(fab_run_init(&run, scenario, topology, NULL, &error));
    run.most_whole = most > 0 ? most : 1e12;
    program = fab_run_program(&run, scenario->sizes[0], &plan, &error);
    ck_assert_ptr_nonnull(program);
    ck_assert(fab_depth_simulate(&run, scenario->sizes[0], &plan, program, depth, &report, &error));
    fab_engine_report_clear(&report);
    fab_run_clear(&run);
    return report.time_ps;
}

START_TEST(larger_trees_take_what_smaller_ones_tell)
{
    const char *settings = cases[_i].settings;
    FabDepth depth, none;
    double bound;
    int64_t grown = time_of(settings, cases[_i].most, &depth), whole = time_of(settings, 0, &none);
    double error = (double)grown / (double)whole - 1;

    bound = cases[_i].bound > 0 ? cases[_i].bound : 0.006 * depth.doublings;
    ck_assert_msg(depth.doublings > 0, "%s: %u doublings", settings, depth.doublings);
    ck_assert_uint_eq(none.doublings, 0);
    ck_assert_msg(fabs(error) < bound, "%s: %.2f %% from %u and %u nodes, %u doublings more",
                  settings, 100 * error, depth.nodes[1], depth.nodes[0], depth.doublings);
}
END_TEST

START_TEST(it_is_said_wherever_the_time_is)
{
    const char *base = PODS
        "collective.algorithm=tree|collective.protocol=ll128|collective.sizes=6M,1K|topology.nodes=";
    g_autofree char *many = g_strconcat(base, "128", NULL), *few = g_strconcat(base, "16", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) grown = run(many, "auto", &error), whole = NULL;
    g_autofree char *json = NULL, *csv = NULL, *plain = NULL;
    const FabResultRow *row, *other;

    ck_assert_msg(grown != NULL, "%s", error != NULL ? error->message : "");
    whole = run(few, "exact", &error);
    ck_assert_msg(whole != NULL, "%s", error != NULL ? error->message : "");
    row = grown->rows->pdata[0];
    other = whole->rows->pdata[0];
    ck_assert(says(grown, "extrapolated: 6 MiB is simulated on"));
    ck_assert(says(grown, "of 128 nodes"));
    ck_assert(!says(whole, "extrapolated"));
    ck_assert_ptr_null(((const FabResultRow *)grown->rows->pdata[1])->growth); /* it is little work */
    /* nothing is known better than what was simulated whole */
    ck_assert((double)row->low_ps / (double)row->time_ps <
              (double)other->low_ps / (double)other->time_ps);
    ck_assert((double)row->high_ps / (double)row->time_ps >
              (double)other->high_ps / (double)other->time_ps);
    json = test_written(grown, fab_report_json);
    test_says(json, "\"extrapolated\": {\"nodes\": 128, \"simulated_nodes\": [");
    csv = test_written(grown, fab_report_csv);
    test_says(csv, "extrapolated_nodes,simulated_nodes,each_doubling_us");
    plain = test_written(whole, fab_report_csv);
    ck_assert_ptr_null(strstr(plain, "extrapolated"));
}
END_TEST

START_TEST(a_hashed_ring_over_16384_gpus_is_answered_and_says_how)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = run("topology.name=superpod-h100|topology.nodes=2048|collective.algorithm=ring|"
                                      "collective.sizes=1G", "auto", &error);
    const FabResultRow *row;

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    row = result->rows->pdata[0];
    ck_assert_ptr_nonnull(row->growth);
    ck_assert(row->growth->crowded);
    ck_assert(says(result, "a ring grows by as many steps with each node"));
    ck_assert(says(result, "connections that meet on links add"));
}
END_TEST

/* What would take many minutes, why smaller machines do not tell it. */
static const struct {
    const char *settings, *why;
} refused[] = {
    { PODS "topology.nodes=2048|topology.flow_control=lossless|collective.algorithm=tree|collective.protocol=simple|"
      "collective.sizes=1G", "lossless" },
    { PODS "topology.nodes=2048|topology.node_3=dgx-a100|collective.algorithm=tree|collective.protocol=simple|"
      "collective.sizes=1G", "several kinds" },
};

START_TEST(what_smaller_trees_do_not_tell_is_refused_at_once)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(run(refused[_i].settings, "auto", &error));
    ck_assert_ptr_nonnull(error);
    test_says(error->message, "minutes");
    test_says(error->message, "fold=off");
    test_says(error->message, refused[_i].why);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("depth");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, larger_trees_take_what_smaller_ones_tell, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tests, it_is_said_wherever_the_time_is);
    tcase_add_test(tests, a_hashed_ring_over_16384_gpus_is_answered_and_says_how);
    tcase_add_loop_test(tests, what_smaller_trees_do_not_tell_is_refused_at_once, 0, G_N_ELEMENTS(refused));
    return run_tests(tests);
}
