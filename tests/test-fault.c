/* Faults of a machine: what scenarios may say of them, what is left of the machine, what they cost. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "predict/fault.h"
#include "predict/run.h"
#include "predict/training-step.h"
#include "suite.h"
#include "topology/degrade.h"
#include "topology/machine.h"
#include "topology/route.h"

enum { MOST_SETS = 24 };

/* "group.key=value" texts separated by "|". */
static FabScenario *
scenario_of(const char *text, GError **error)
{
    g_auto(GStrv) sets = g_strsplit(text, "|", MOST_SETS);

    return fab_scenario_from_sets(sets, error);
}

static int64_t
time_of(const char *text)
{
    g_autoptr(FabResult) result = test_run_text(text);

    return ((const FabResultRow *)result->rows->pdata[0])->time_ps;
}

static int64_t
first_row(const FabResult *result)
{
    return ((const FabResultRow *)result->rows->pdata[0])->time_ps;
}

#define TWO_NODES "topology.name=superpod-h100|topology.nodes=2|collective.operation=all_reduce|collective.sizes=8M"
#define ONE_NODE "topology.name=dgx-h100|collective.operation=all_reduce|collective.sizes=8M|collective.algorithm=ring"

#define IN_SWITCH "topology.name=dgx-h100|collective.operation=all_reduce|collective.sizes=16M"

/* ------------------------------------------------------------------ what is left of the machine */

START_TEST(a_degraded_machine_keeps_its_numbers)
{
    g_autoptr(FabTopology) whole = fab_machine_load("dgx-h100", NULL, NULL), left = NULL;
    g_autofree double *share = g_new(double, whole->link_count);

    for (uint32_t i = 0; i < whole->link_count; i++)
        share[i] = i == 0 ? 0 : i == 1 ? 0.5 : 1;
    left = fab_topology_degraded(whole, share);
    ck_assert_uint_eq(left->link_count, whole->link_count);
    ck_assert_uint_eq(left->resource_count, whole->resource_count);
    for (uint32_t i = 0; i < whole->link_count; i++)
        ck_assert_uint_eq(left->links[i].resource[0], whole->links[i].resource[0]);
    ck_assert_double_eq_tol(fab_link_rate(&left->links[1]), fab_link_rate(&whole->links[1]) / 2, 1);
    ck_assert_double_eq_tol(left->resources[left->links[1].resource[1]].capacity,
                            whole->resources[whole->links[1].resource[1]].capacity / 2, 1);
    for (FabVertex v = 0; v < left->vertex_count; v++) {
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(left, v, &count);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_uint_ne(links[i], 0);
            ck_assert(left->links[links[i]].a == v || left->links[links[i]].b == v);
        }
    }
}
END_TEST

START_TEST(without_nvlink_a_gpu_goes_over_pcie)
{
    g_autoptr(FabScenario) scenario = scenario_of(ONE_NODE "|fault.kind=link-down|fault.at=GPU 3 - NVSwitch", NULL);
    g_autoptr(FabTopology) topology = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabFaultPlan) plan = fab_fault_plan_new(scenario, topology, NULL, 0, NULL);

    ck_assert_uint_eq(fab_path_nvlinks(plan->topology, plan->topology->gpus[3], plan->topology->gpus[0]), 0);
    ck_assert_uint_eq(fab_path_nvlinks(plan->topology, plan->topology->gpus[2], plan->topology->gpus[0]), 18);
    ck_assert_int_gt(time_of(ONE_NODE "|fault.kind=link-down|fault.at=GPU 3 - NVSwitch"), 2 * time_of(ONE_NODE));
}
END_TEST

START_TEST(chips_of_an_nvswitch_take_whole_links_of_every_gpu)
{
    g_autoptr(FabScenario) scenario = scenario_of(ONE_NODE "|fault.kind=nvswitch-plane|fault.at=NVSwitch", NULL);
    g_autoptr(FabTopology) topology = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabFaultPlan) plan = fab_fault_plan_new(scenario, topology, NULL, 0, NULL);

    for (uint32_t i = 1; i < 8; i++) /* 18 links over four chips: 4 or 5 on each */
        ck_assert_uint_eq(fab_path_nvlinks(plan->topology, plan->topology->gpus[0], plan->topology->gpus[i]), 13);
    ck_assert_int_gt(time_of(ONE_NODE "|fault.kind=nvswitch-plane|fault.at=NVSwitch"), time_of(ONE_NODE));
}
END_TEST

START_TEST(a_nic_that_is_down_costs_what_a_machine_without_its_cable_takes)
{
    ck_assert_int_eq(time_of(TWO_NODES "|fault.kind=nic-down|fault.at=Node 1 NIC 5"),
                     time_of(TWO_NODES "|topology.down=Node 1 NIC 5"));
    ck_assert_int_eq(time_of(TWO_NODES "|fault.kind=link-rate|fault.at=Node 1 NIC 5 - Leaf 5|fault.rate=0.5"),
                     time_of(TWO_NODES "|topology.down=Node 1 NIC 5|topology.down_rate=0.5"));
}
END_TEST

START_TEST(a_leaf_that_is_down_takes_its_rail_away)
{
    ck_assert_int_eq(time_of(TWO_NODES "|fault.kind=switch-down|fault.at=Leaf 3"),
                     time_of(TWO_NODES "|fault.kind=nic-down|fault.at=Node 0 NIC 3, Node 1 NIC 3"));
}
END_TEST

START_TEST(one_of_several_cables_between_two_switches_can_fail)
{
    g_autoptr(GHashTable) params = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(FabTopology) topology = fab_machine_load("superpod-h100", params, NULL);
    g_autoptr(FabScenario) one = scenario_of(TWO_NODES "|fault.kind=link-down|fault.at=Leaf 0 - Spine 1 #8", NULL);
    g_autoptr(FabScenario) all = scenario_of(TWO_NODES "|fault.kind=link-down|fault.at=Leaf 0 - Spine 1", NULL);
    g_autoptr(FabScenario) none = scenario_of(TWO_NODES "|fault.kind=link-down|fault.at=Leaf 0 - Spine 1 #9", NULL);
    g_autoptr(FabFaultPlan) without_one = fab_fault_plan_new(one, topology, NULL, 0, NULL);
    g_autoptr(FabFaultPlan) without_all = fab_fault_plan_new(all, topology, NULL, 0, NULL);
    g_autoptr(GError) error = NULL;
    uint32_t links[3] = { 0 };

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        uint32_t count[3];
        if (strcmp(topology->vertices[v].name, "Leaf 0") != 0)
            continue;
        fab_topology_links_at(topology, v, &count[0]);
        fab_topology_links_at(without_one->topology, v, &count[1]);
        fab_topology_links_at(without_all->topology, v, &count[2]);
        memcpy(links, count, sizeof links);
    }
    ck_assert_uint_eq(links[1], links[0] - 1);
    ck_assert_uint_eq(links[2], links[0] - 8);
    ck_assert_ptr_null(fab_fault_plan_new(none, topology, NULL, 0, &error));
    ck_assert_msg(strstr(error->message, "only 8 links from Leaf 0 to Spine 1") != NULL, "%s", error->message);
}
END_TEST

START_TEST(a_node_with_a_fault_inside_is_not_taken_for_a_healthy_one)
{
    g_autofree char *second = g_strconcat(TWO_NODES, "|collective.algorithm=ring|fault.kind=link-rate|fault.rate=0.5|"
                                          "fault.at=Node 1 GPU 2 - Node 1 NVSwitch", NULL);

    ck_assert_int_gt(time_of(second), time_of(TWO_NODES "|collective.algorithm=ring"));
}
END_TEST

/* ------------------------------------------------------------------ slow GPUs */

START_TEST(a_gpu_that_is_not_slower_changes_nothing)
{
    ck_assert_int_eq(time_of(ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 5|fault.factor=1"), time_of(ONE_NODE));
}
END_TEST

START_TEST(all_ranks_wait_for_the_slowest)
{
    int64_t healthy = time_of(ONE_NODE);
    int64_t one = time_of(ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 5|fault.factor=2");
    int64_t all = time_of(ONE_NODE "|fault.kind=slow-gpu|fault.factor=2|"
                          "fault.at=GPU 0, GPU 1, GPU 2, GPU 3, GPU 4, GPU 5, GPU 6, GPU 7");

    ck_assert_int_gt(one, healthy * 11 / 10);
    ck_assert_int_ge(all, one);
    ck_assert_int_lt(all, 2 * healthy + healthy / 100); /* latencies of links stay */
}
END_TEST

START_TEST(jitter_is_drawn_by_its_seed)
{
    int64_t healthy = time_of(ONE_NODE), first = time_of(ONE_NODE "|fault.kind=jitter|fault.delay=20 us");

    ck_assert_int_gt(first, healthy);
    ck_assert_int_eq(time_of(ONE_NODE "|fault.kind=jitter|fault.delay=20 us|fault.seed=0"), first);
    ck_assert_int_ne(time_of(ONE_NODE "|fault.kind=jitter|fault.delay=20 us|fault.seed=1"), first);
    ck_assert_int_gt(time_of(ONE_NODE "|fault.kind=jitter|fault.spread=0.1"), healthy);
}
END_TEST

START_TEST(the_latest_of_many_is_late_by_what_its_distribution_says)
{
    g_autoptr(FabTopology) topology = fab_machine_load("dgx-h100", NULL, NULL);
    double sum = 0, worst = 0;

    for (int seed = 0; seed < 400; seed++) {
        g_autofree char *text = g_strdup_printf(ONE_NODE "|fault.kind=jitter|fault.delay=20 us|fault.seed=%d", seed);
        g_autoptr(FabScenario) scenario = scenario_of(text, NULL);
        g_autoptr(FabFaultPlan) plan = fab_fault_plan_new(scenario, topology, NULL, 0, NULL);
        int64_t latest = 0;
        for (uint32_t i = 0; i < 8; i++) {
            sum += (double)plan->late_ps[i] * 1e-6;
            latest = MAX(latest, plan->late_ps[i]);
        }
        worst += (double)latest * 1e-6;
    }
    ck_assert_double_eq_tol(sum / 3200, 20, 1.5);            /* the mean; its error is 20 / sqrt(3200) = 0.35 */
    ck_assert_double_eq_tol(worst / 400, 20 * 2.717857, 5);  /* 1 + 1/2 + ... + 1/8 means */
}
END_TEST

/* ------------------------------------------------------------------ faults that begin and end */

#define NIC_RATE "|fault.kind=link-rate|fault.at=Node 0 NIC 0 - Leaf 0|fault.rate=0.5"
#define COPY "topology.name=superpod-h100|topology.nodes=2|transfer.flows=0>8|transfer.sizes=64M"

START_TEST(a_fault_that_lasts_longer_than_the_run_costs_what_one_of_the_whole_run_costs)
{
    ck_assert_int_eq(time_of(COPY NIC_RATE "|fault.start=0 us|fault.end=1 s"), time_of(COPY NIC_RATE));
    ck_assert_int_eq(time_of(COPY NIC_RATE "|fault.start=1 s"), time_of(COPY));
    ck_assert_int_eq(time_of(TWO_NODES NIC_RATE "|fault.start=1 s"), time_of(TWO_NODES));
    ck_assert_int_eq(time_of(ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2|fault.start=0 us"),
                     time_of(ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2"));
}
END_TEST

START_TEST(what_a_link_does_not_carry_for_a_while_it_carries_afterwards)
{
    int64_t healthy = time_of(COPY), us = 1000000;

    ck_assert_int_eq(time_of(COPY "|fault.kind=nic-down|fault.at=Node 0 NIC 0|fault.start=100 us|fault.end=350 us"),
                     healthy + 250 * us);
    /* half of the rate for 200 us loses 100 us; rates are rounded to picoseconds */
    ck_assert_int_le(llabs(time_of(COPY NIC_RATE "|fault.start=100 us|fault.end=300 us") - (healthy + 100 * us)), 2);
}
END_TEST

START_TEST(a_collective_waits_for_a_link_and_goes_on)
{
    const char *gap =
        TWO_NODES "|collective.algorithm=ring|fault.kind=nic-down|fault.at=Node 0 NIC 0|fault.start=20 us";
    g_autofree char *ends = g_strconcat(gap, "|fault.end=2 ms", NULL);
    g_autofree char *found = g_strconcat(gap, "|fault.end=2 ms|fault.detection=100 us", NULL);
    g_autofree char *never = g_strconcat(gap, "|fault.detection=100 us", NULL);
    int64_t healthy = time_of(TWO_NODES "|collective.algorithm=ring"), ms = 1000000000;

    ck_assert_int_gt(time_of(ends), 2 * ms);
    ck_assert_int_lt(time_of(ends), healthy + 2 * ms);
    ck_assert_int_gt(time_of(found), healthy);
    ck_assert_int_lt(time_of(found), time_of(ends));
    ck_assert_int_eq(time_of(never), time_of(found)); /* it was over before the end */
}
END_TEST

START_TEST(faults_may_overlap)
{
    const char *once = ONE_NODE "|fault.kind=link-rate|fault.rate=0.5|fault.at=GPU 1 - NVSwitch";
    g_autofree char *twice = g_strconcat(once, ", NVSwitch - GPU 1", NULL);
    g_autofree char *both = g_strconcat(COPY, "|fault a.kind=link-rate|fault a.at=Node 0 NIC 0 - Leaf 0|"
                                        "fault a.rate=0.5|fault a.start=100 us|fault a.end=300 us|"
                                        "fault b.kind=link-rate|fault b.at=Node 0 NIC 0 - Leaf 0|"
                                        "fault b.rate=0.5|fault b.start=200 us|fault b.end=400 us", NULL);
    int64_t us = 1000000;

    /* 50 us lost alone, 75 together, 50 alone */
    ck_assert_int_le(llabs(time_of(both) - (time_of(COPY) + 175 * us)), 4);
    ck_assert_int_eq(time_of(once), time_of(twice));
}
END_TEST

/* ------------------------------------------------------------------ what each costs */

START_TEST(costs_are_told_for_each_fault_alone_and_for_all)
{
    g_autoptr(FabResult) both = test_run_text(TWO_NODES "|fault nic.kind=nic-down|fault nic.at=Node 0 NIC 1|"
                                              "fault slow.kind=slow-gpu|fault slow.at=Node 1 GPU 3|"
                                              "fault slow.factor=2");
    const FabResultFault *nic = both->faults->pdata[0], *slow = both->faults->pdata[1];

    ck_assert_uint_eq(both->faults->len, 2);
    ck_assert_str_eq(nic->name, "nic");
    ck_assert_str_eq(nic->what, "nic-down at Node 0 NIC 1");
    ck_assert_str_eq(slow->what, "slow-gpu at Node 1 GPU 3, 2 times as long");
    ck_assert_int_eq(both->healthy_ps[0], time_of(TWO_NODES));
    ck_assert_int_eq(nic->alone_ps[0], time_of(TWO_NODES "|fault.kind=nic-down|fault.at=Node 0 NIC 1"));
    ck_assert_int_eq(slow->alone_ps[0],
                     time_of(TWO_NODES "|fault.kind=slow-gpu|fault.at=Node 1 GPU 3|fault.factor=2"));
    ck_assert_int_ge(first_row(both), nic->alone_ps[0]);
}
END_TEST

/* docs/faults.md, "On which node". */
START_TEST(a_slow_cable_of_a_tree_costs_by_what_the_node_has_to_carry)
{
    static const struct {
        const char *algorithm, *cable;
        double least, most;
    } cases[] = {
        { "nvls-tree", "Node 0 NIC 5 - Leaf 5", 1, 1.1 }, { "nvls-tree", "Node 1 NIC 5 - Leaf 5", 1.4, 2.01 },
        { "nvls-tree", "Node 2 NIC 5 - Leaf 5", 1.4, 2.01 }, { "nvls-tree", "Node 3 NIC 5 - Leaf 5", 1, 1.1 },
        { "ring", "Node 0 NIC 5 - Leaf 5", 1.4, 2.01 }, { "ring", "Node 2 NIC 5 - Leaf 5", 1.4, 2.01 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("topology.name=superpod-h100|topology.nodes=4|collective.operation="
                                                "all_reduce|collective.sizes=128M|collective.algorithm=%s|"
                                                "fault.kind=link-rate|fault.rate=0.5|fault.at=%s", cases[i].algorithm,
                                                cases[i].cable);
        g_autoptr(FabResult) result = test_run_text(text);
        double times = (double)first_row(result) / (double)result->healthy_ps[0];
        ck_assert_msg(times >= cases[i].least && times <= cases[i].most, "%s, %s: %g times", cases[i].algorithm,
                      cases[i].cable, times);
    }
}
END_TEST

/* Intervals are of machines that were whole. */
START_TEST(a_result_with_a_fault_has_no_interval_and_says_why)
{
    static const char *const faulty[] = { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 3|fault.factor=2",
                                          ONE_NODE "|fault.kind=jitter|fault.delay=20 us" };
    g_autoptr(FabResult) whole = test_run_text(ONE_NODE);

    ck_assert_int_gt(((const FabResultRow *)whole->rows->pdata[0])->low_ps, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(faulty); i++) {
        g_autoptr(FabResult) result = test_run_text(faulty[i]);
        const FabResultRow *row = result->rows->pdata[0];
        ck_assert(row->low_ps == 0 && row->high_ps == 0 && !result->guessed);
        ck_assert_msg(strstr(result->interval, "there is no interval: no machine with such a fault") != NULL, "%s",
                      result->interval);
    }
}
END_TEST

START_TEST(copies_have_faults_too)
{
    const char *copies = "topology.name=superpod-h100|topology.nodes=2|transfer.flows=0>8|transfer.sizes=64M";
    g_autofree char *half = g_strconcat(copies, "|fault.kind=link-rate|fault.at=Node 0 NIC 0 - Leaf 0|fault.rate=0.5",
                                        NULL);
    double ratio = (double)time_of(half) / (double)time_of(copies);

    ck_assert_double_eq_tol(ratio, 2, 0.01);
}
END_TEST

/* ------------------------------------------------------------------ training steps */

#define STEP "topology.name=dgx-h100|model.preset=gpt-3-5b|parallel.tp=8|training.nodes=4|training.global_batch=64"
#define ON_CLUSTER "topology.name=superpod-h100|topology.nodes=4|model.preset=gpt-3-5b|parallel.tp=8|" \
                   "training.global_batch=64|training.overlap=no"

static FabTrainingStep *
step_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = scenario_of(text, &error);
    FabTrainingStep *step = scenario != NULL ? fab_training_step_new(scenario, NULL, NULL, &error) : NULL;

    ck_assert_msg(step != NULL && fab_training_step_costs(step, scenario, NULL, &error), "%s: %s", text,
                  error != NULL ? error->message : "no message");
    return step;
}

START_TEST(a_slow_gpu_slows_the_kernels_of_its_stage)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP);
    g_autoptr(FabTrainingStep) slow = step_of(STEP "|fault.kind=slow-gpu|fault.at=GPU 6|fault.factor=1.5");

    ck_assert_double_eq_tol(slow->parts[FAB_TIME_MATRIX] / healthy->parts[FAB_TIME_MATRIX], 1.5, 1e-6);
    ck_assert_double_eq_tol(slow->parts[FAB_TIME_TENSOR], healthy->parts[FAB_TIME_TENSOR], 1e-9);
    ck_assert_double_gt(slow->seconds, healthy->seconds * 1.2);
    ck_assert_double_eq_tol(slow->healthy, healthy->seconds, 1e-12);
    ck_assert(strstr(slow->reason, "no step with such a fault") != NULL && strstr(healthy->reason, "fault") == NULL);
}
END_TEST

START_TEST(a_slow_gpu_of_a_pipeline_holds_its_stage_back)
{
    g_autofree char *piped = g_strconcat(STEP, "|parallel.pp=4", NULL);
    g_autofree char *one = g_strconcat(piped, "|fault.kind=slow-gpu|fault.at=GPU 6|fault.factor=3", NULL);
    g_autoptr(FabTrainingStep) healthy = step_of(piped), slow = step_of(one);

    ck_assert_uint_eq(slow->stage, 0); /* GPU 6 is of the first machine, which is the first stage */
    ck_assert_double_gt(slow->seconds, healthy->seconds * 1.5);
    ck_assert_double_gt(slow->parts[FAB_TIME_BUBBLE], 0);
}
END_TEST

START_TEST(jitter_reaches_the_gpus_of_all_machines_of_a_step)
{
    const char *piped = STEP "|parallel.pp=4", *jitter = "|fault.kind=jitter|fault.spread=0.05";
    g_autofree char *all = g_strconcat(piped, jitter, NULL);
    g_autofree char *first = g_strconcat(all, "|fault.at=GPU 0,GPU 1,GPU 2,GPU 3,GPU 4,GPU 5,GPU 6,GPU 7", NULL);
    g_autoptr(FabTrainingStep) healthy = step_of(piped), one = step_of(first), four = step_of(all);
    ck_assert_double_gt(one->seconds, healthy->seconds);
    ck_assert_double_gt(four->seconds - healthy->seconds, 2 * (one->seconds - healthy->seconds));
}
END_TEST

START_TEST(an_nvswitch_without_a_chip_slows_tensor_parallel_collectives)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP);
    g_autoptr(FabTrainingStep) left = step_of(STEP "|fault.kind=nvswitch-plane|fault.at=NVSwitch");

    ck_assert_double_gt(left->parts[FAB_TIME_TENSOR], healthy->parts[FAB_TIME_TENSOR]);
    ck_assert_double_eq_tol(left->parts[FAB_TIME_MATRIX], healthy->parts[FAB_TIME_MATRIX], 1e-9);
}
END_TEST

START_TEST(a_machine_with_a_nic_less_holds_all_replicas_back)
{
    const char *apart = STEP "|training.overlap=no";
    g_autofree char *lost = g_strconcat(apart, "|fault.kind=nic-down|fault.at=NIC 2, NIC 5", NULL);
    g_autoptr(FabTrainingStep) healthy = step_of(apart), left = step_of(lost);

    ck_assert_double_gt(left->parts[FAB_TIME_DATA], healthy->parts[FAB_TIME_DATA] * 1.2);
    ck_assert_double_lt(left->parts[FAB_TIME_DATA], healthy->parts[FAB_TIME_DATA] * 8 / 6 + 1e-6);
}
END_TEST

START_TEST(a_fault_on_any_machine_of_a_cluster_counts)
{
    g_autoptr(FabTrainingStep) healthy = step_of(ON_CLUSTER);
    g_autoptr(FabTrainingStep) nic = step_of(ON_CLUSTER "|fault.kind=nic-down|fault.at=Node 2 NIC 3");
    g_autoptr(FabTrainingStep) link =
        step_of(ON_CLUSTER "|fault.kind=link-rate|fault.at=Node 3 GPU 1 - Node 3 NVSwitch|fault.rate=0.25");

    ck_assert_double_gt(nic->parts[FAB_TIME_DATA], healthy->parts[FAB_TIME_DATA] * 1.05);
    ck_assert_double_gt(link->parts[FAB_TIME_TENSOR], healthy->parts[FAB_TIME_TENSOR] * 1.2);
}
END_TEST

START_TEST(costs_of_a_step_are_told_for_each_fault)
{
    g_autoptr(FabTrainingStep) both = step_of(STEP "|fault a.kind=slow-gpu|fault a.at=GPU 6|fault a.factor=1.5|"
                                              "fault b.kind=jitter|fault b.spread=0.1");
    g_autoptr(FabTrainingStep) slow = step_of(STEP "|fault.kind=slow-gpu|fault.at=GPU 6|fault.factor=1.5");
    const FabStepFault *first = both->faults->pdata[0], *second = both->faults->pdata[1];

    ck_assert_uint_eq(both->faults->len, 2);
    ck_assert_str_eq(first->name, "a");
    ck_assert_double_eq_tol(first->seconds, slow->seconds, 1e-12);
    ck_assert_double_gt(second->seconds, both->healthy);
    ck_assert_double_ge(both->seconds, first->seconds);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

static const struct {
    const char *text, *pattern;
} refused[] = {
    { ONE_NODE "|fault.at=GPU 3", "\\[fault\\] needs kind, one of link-down, " },
    { ONE_NODE "|fault.kind=slow-gpus|fault.at=GPU 3", "kind is \"slow-gpus\".*did you mean slow-gpu" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.factor=2", "needs at, where it is.*at=GPU 3" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 3", "needs factor" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 3|fault.factor=0.5", "factor is 0.5, must be between 1 and 1000" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 9|fault.factor=2",
      "at: \"GPU 9\" is not a GPU of dgx-h100, such as" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=NVSwitch|fault.factor=2", "\"NVSwitch\" is not a GPU" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2|fault.rate=0.5",
      "rate: belongs to kind=link-rate, here it is slow-gpu" },
    { ONE_NODE "|fault.kind=link-rate|fault.at=GPU 1 - NVSwitch", "needs rate" },
    { ONE_NODE "|fault.kind=link-rate|fault.at=GPU 1 - NVSwitch|fault.rate=1.5", "must be between 0.001 and 0.999" },
    { ONE_NODE "|fault.kind=link-down|fault.at=GPU 1", "\"GPU 1\" is not a link such as" },
    { ONE_NODE "|fault.kind=link-down|fault.at=GPU 1 - GPU 2", "0 links from GPU 1 to GPU 2.*has links to .*NVSwitch" },
    { ONE_NODE "|fault.kind=link-down|fault.at=GPU 1 - NVSwitch#99", "has only 1 link from GPU 1 to NVSwitch" },
    { ONE_NODE "|fault.kind=jitter|fault.delay=1 us|fault.at=GPU 0,,GPU 1", "has a comma with no name beside it" },
    { IN_SWITCH "|fault.kind=link-down|fault.at=GPU 0 - NVSwitch|fault.start=10us|fault.detection=10us",
      "\\[fault\\] link-down .*NVLS reduces in NVSwitches and cannot go round" },
    { ONE_NODE "|fault.kind=nic-down|fault.at=NIC 1", "is not a NIC with a cable to a network of dgx-h100, which has" },
    { ONE_NODE "|fault.kind=nvswitch-plane|fault.at=NVSwitch|fault.chips=4", "has 4 chips, chips must be less" },
    { ONE_NODE "|fault.kind=nvswitch-plane|fault.at=NVSwitch|fault.speed=4", "unknown key speed" },
    { ONE_NODE "|fault.kind=jitter", "needs delay, by which kernels begin late on average" },
    { ONE_NODE "|fault.kind=jitter|fault.delay=20", "delay: .*20" },
    { ONE_NODE "|fault.kind=jitter|fault.delay=20 us|fault.start=1 us", "jitter is drawn once for a call" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2|fault.seed=1", "seed: belongs to kind=jitter" },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2|fault.start=2 us|fault.end=1 us",
      "end is .*, must be after start, " },
    { ONE_NODE "|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2|fault.start=2 us|fault.detection=1 us",
      "detection belongs to link-down, switch-down and nic-down with a start" },
    { TWO_NODES "|fault.kind=nic-down|fault.at=Node 1 NIC 5|fault.start=2 us", "needs end, or detection" },
    { COPY "|fault.kind=nic-down|fault.at=Node 1 NIC 5|fault.start=2 us|fault.detection=1 us",
      "a copy of \\[transfer\\] has one way; give end" },
    { TWO_NODES "|fault.kind=switch-down|fault.start=1 us|fault.detection=1 us|fault.at=Leaf 0, Leaf 1, Leaf 2, "
      "Leaf 3, Leaf 4, Leaf 5, Leaf 6, Leaf 7", "leaves no way from Node 0 GPU 0 to Node 1 GPU 0" },
    { ONE_NODE "|faults.kind=nic-down", "unknown group \\[faults\\]; did you mean fault" },
    { "topology.name=dgx-h100|transfer.flows=0>1|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=2",
      "is about kernels, and copies of \\[transfer\\] run none" },
    { "topology.name=dgx-h100|pipeline.bytes=1G|fault.kind=link-down|fault.at=GPU 1 - NVSwitch",
      "belongs to a scenario with \\[collective\\], \\[transfer\\] or \\[training\\]" },
    { TWO_NODES "|background.load=1.5", "load is 1.5, must be between 0 and 0.95" },
    { TWO_NODES "|background.seed=1", "\\[background\\] needs load" },
    { TWO_NODES "|background.flows=3", "needs rate, that of each of its flows" },
    { TWO_NODES "|background.rate=3 GB/s", "needs flows, how many" },
    { TWO_NODES "|background.flows=3|background.rate=1 GB/s",
      "\\[background\\] flows: other jobs have nodes of their own, but this one leaves them none of the 2 of" },
    { TWO_NODES "|background.lod=0.5", "unknown key lod; did you mean load" },
    { ONE_NODE "|background.load=0.5", "dgx-h100 is a single machine and has no network" },
    { STEP "|background.load=0.5", "\\[background\\] belongs to a scenario with \\[collective\\] or" },
    { STEP "|fault.kind=jitter|fault.delay=2 us", "has delay, which is that of a single call" },
    { TWO_NODES "|fault.kind=nic-down|fault.at=Node 1 NIC 0, Node 1 NIC 1, Node 1 NIC 2, Node 1 NIC 3, "
      "Node 1 NIC 4, Node 1 NIC 5, Node 1 NIC 6, Node 1 NIC 7",
      "\\[fault\\] nic-down at .* leaves no way from Node 0 GPU 0 to Node 1 GPU 0" },
};

START_TEST(a_fault_that_cannot_be_is_refused_in_one_sentence)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = test_try_run_text(refused[_i].text, &error);

    ck_assert_msg(result == NULL, "accepted: %s", refused[_i].text);
    test_refusal(&error, refused[_i].pattern);
}
END_TEST

START_TEST(gpus_that_do_no_work_may_be_cut_off)
{
    g_autofree char *four = g_strconcat(TWO_NODES, "|collective.ranks=4|fault.kind=switch-down|fault.at=Leaf 0, "
                                        "Leaf 1, Leaf 2, Leaf 3, Leaf 4, Leaf 5, Leaf 6, Leaf 7", NULL);

    ck_assert_int_eq(time_of(four), time_of(TWO_NODES "|collective.ranks=4"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("fault");

    tcase_add_test(tests, a_degraded_machine_keeps_its_numbers);
    tcase_add_test(tests, without_nvlink_a_gpu_goes_over_pcie);
    tcase_add_test(tests, chips_of_an_nvswitch_take_whole_links_of_every_gpu);
    tcase_add_test(tests, a_nic_that_is_down_costs_what_a_machine_without_its_cable_takes);
    tcase_add_test(tests, a_leaf_that_is_down_takes_its_rail_away);
    tcase_add_test(tests, one_of_several_cables_between_two_switches_can_fail);
    tcase_add_test(tests, a_node_with_a_fault_inside_is_not_taken_for_a_healthy_one);
    tcase_add_test(tests, a_gpu_that_is_not_slower_changes_nothing);
    tcase_add_test(tests, all_ranks_wait_for_the_slowest);
    tcase_add_test(tests, jitter_is_drawn_by_its_seed);
    tcase_add_test(tests, the_latest_of_many_is_late_by_what_its_distribution_says);
    tcase_add_test(tests, a_fault_that_lasts_longer_than_the_run_costs_what_one_of_the_whole_run_costs);
    tcase_add_test(tests, what_a_link_does_not_carry_for_a_while_it_carries_afterwards);
    tcase_add_test(tests, a_collective_waits_for_a_link_and_goes_on);
    tcase_add_test(tests, faults_may_overlap);
    tcase_add_test(tests, costs_are_told_for_each_fault_alone_and_for_all);
    tcase_add_test(tests, a_slow_cable_of_a_tree_costs_by_what_the_node_has_to_carry);
    tcase_add_test(tests, a_result_with_a_fault_has_no_interval_and_says_why);
    tcase_add_test(tests, copies_have_faults_too);
    tcase_add_test(tests, a_slow_gpu_slows_the_kernels_of_its_stage);
    tcase_add_test(tests, a_slow_gpu_of_a_pipeline_holds_its_stage_back);
    tcase_add_test(tests, jitter_reaches_the_gpus_of_all_machines_of_a_step);
    tcase_add_test(tests, an_nvswitch_without_a_chip_slows_tensor_parallel_collectives);
    tcase_add_test(tests, a_machine_with_a_nic_less_holds_all_replicas_back);
    tcase_add_test(tests, a_fault_on_any_machine_of_a_cluster_counts);
    tcase_add_test(tests, costs_of_a_step_are_told_for_each_fault);
    tcase_add_loop_test(tests, a_fault_that_cannot_be_is_refused_in_one_sentence, 0, G_N_ELEMENTS(refused));
    tcase_add_test(tests, gpus_that_do_no_work_may_be_cut_off);
    return run_tests(tests);
}
