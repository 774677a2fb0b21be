/* Networks that reduce (SHARP): their ways, what collectives take over them, when NCCL uses them. */
#include <check.h>
#include <string.h>

#include "fixture.h"
#include "predict/run.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

#define CLUSTER "topology.name=superpod-h100|topology.sharp=on|collective.operation=all_reduce|" \
                "collective.NCCL_COLLNET_ENABLE=1|"

static double
us_of(const char *text)
{
    g_autoptr(FabResult) result = test_run_text(text);

    return (double)((const FabResultRow *)result->rows->pdata[0])->time_ps * 1e-6;
}

static FabTopology *
cluster(const char *nodes)
{
    g_autoptr(GHashTable) params = g_hash_table_new(g_str_hash, g_str_equal);

    g_hash_table_insert(params, (gpointer) "nodes", (gpointer)nodes);
    return fab_machine_load("superpod-h100", params, NULL);
}

/* From what begins with one name to what begins with the other. */
static double
weight_of(const FabTopology *topology, const FabRoute *route, const char *from, const char *to)
{
    g_autofree char *target = g_strconcat(" > ", to, NULL);
    double weight = 0;

    for (uint32_t i = 0; i < route->count; i++) {
        const char *name = topology->resources[route->uses[i].resource].name;
        if (g_str_has_prefix(name, from) && strstr(name, target) != NULL)
            weight += route->uses[i].weight;
    }
    return weight;
}

/* ------------------------------------------------------------------ ways */

START_TEST(a_sum_passes_every_cable_of_its_tree_once_in_each_direction)
{
    g_autoptr(FabTopology) topology = cluster("8");
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
    const uint32_t rail[] = { 3, 11, 19, 27 }, mixed[] = { 0, 9, 18, 27 };
    const FabRoute *one = fab_router_reduction(router, rail, 4, 0, NULL);
    const FabRoute *four = fab_router_reduction(router, mixed, 4, 0, NULL);

    for (uint32_t n = 0; n < 4; n++) {
        g_autofree char *nic = g_strdup_printf("Node %u NIC 3", n), *gpu = g_strdup_printf("Node %u GPU 3", n);
        ck_assert_double_eq(weight_of(topology, one, nic, "Leaf 3"), 1);
        ck_assert_double_eq(weight_of(topology, one, "Leaf 3", nic), 1);
        ck_assert_double_ge(weight_of(topology, one, gpu, "Node"), 1); /* and acknowledgements of the other way */
        ck_assert_double_lt(weight_of(topology, one, gpu, "Node"), 1.5);
    }
    ck_assert_double_eq(weight_of(topology, one, "Leaf 3", "Spine"), 0); /* one leaf joins them */
    for (uint32_t n = 0; n < 4; n++) {
        g_autofree char *leaf = g_strdup_printf("Leaf %u", n);
        ck_assert_double_eq(weight_of(topology, four, leaf, "Spine"), 1); /* the sum of the leaf, once */
        ck_assert_double_eq(weight_of(topology, four, "Spine", leaf), 1);
    }
    ck_assert_int_gt(four->latency_ps, one->latency_ps);
}
END_TEST

START_TEST(several_nodes_on_a_leaf_send_one_sum_upwards)
{
    g_autoptr(FabTopology) topology = cluster("8");
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
    const uint32_t heads[] = { 0, 8, 16, 25 }; /* three on leaf 0, one on leaf 1 */
    const FabRoute *route = fab_router_reduction(router, heads, 4, 0, NULL);

    ck_assert_double_eq(weight_of(topology, route, "Leaf 0", "Spine"), 1);
    ck_assert_double_eq(weight_of(topology, route, "Leaf 1", "Spine"), 1);
}
END_TEST

/* ------------------------------------------------------------------ times */

static const char *const algorithms[] = { "nvls", "collnet-direct", "collnet-chain" };

START_TEST(time_does_not_grow_with_nodes)
{
    g_autofree char *few = g_strdup_printf(CLUSTER "topology.nodes=2|collective.algorithm=%s|collective.sizes=16M",
                                           algorithms[_i]);
    g_autofree char *many = g_strdup_printf(CLUSTER "topology.nodes=16|collective.algorithm=%s|collective.sizes=16M",
                                            algorithms[_i]);
    double two = us_of(few);

    ck_assert_double_eq_tol(us_of(many) / two, 1, 0.05);
}
END_TEST

START_TEST(each_nic_carries_its_part_once_out_and_once_in)
{
    g_autofree char *text = g_strdup_printf(CLUSTER "topology.nodes=4|collective.algorithm=%s|collective.sizes=64M",
                                            algorithms[_i]);
    g_autoptr(FabResult) result = test_run_text(text);
    const FabResultRow *row = result->rows->pdata[0];
    double out = 0, in = 0;

    for (guint i = 0; i < row->uses->len; i++) {
        const FabResultUse *use = &g_array_index(row->uses, FabResultUse, i);
        out += g_str_has_prefix(use->name, "Node 2 NIC") && strstr(use->name, "> Leaf") != NULL ? use->bytes : 0;
        in += g_str_has_prefix(use->name, "Leaf") && strstr(use->name, "> Node 2 NIC") != NULL ? use->bytes : 0;
    }
    ck_assert_double_eq_tol(out, 64 << 20, 1024);
    ck_assert_double_eq_tol(in, 64 << 20, 1024);
}
END_TEST

START_TEST(a_switch_that_reduces_slowly_is_what_all_wait_for)
{
    const char *fast = CLUSTER "topology.nodes=4|collective.algorithm=nvls|collective.sizes=256M";
    g_autofree char *slow = g_strconcat(fast, "|topology.sharp_rate=1 GB/s", NULL);
    /* 16 channels of 8 heads, a stream each: 2 MiB in slices of at most 128 KiB */
    double least = 268435456.0 / 128 / 1e9 * 1e6;

    ck_assert_double_gt(us_of(slow), us_of(fast));
    ck_assert_double_ge(us_of(slow), least / 8); /* up to eight slices of a stream are under way */
}
END_TEST

START_TEST(faults_of_the_network_hold_sums_back_too)
{
    const char *base = CLUSTER "topology.nodes=4|collective.algorithm=nvls|collective.sizes=64M";
    g_autofree char *half = g_strconcat(base, "|fault.kind=link-rate|fault.at=Node 1 NIC 2 - Leaf 2|fault.rate=0.1",
                                        NULL);
    g_autofree char *gap = g_strconcat(base, "|fault.kind=nic-down|fault.at=Node 1 NIC 2|fault.start=100 us|"
                                       "fault.end=2 ms", NULL);
    g_autofree char *found = g_strconcat(gap, "|fault.detection=100 us", NULL);
    double healthy = us_of(base);

    ck_assert_double_gt(us_of(half), healthy * 1.5);
    ck_assert_double_gt(us_of(gap), 2000);
    ck_assert_double_gt(us_of(found), healthy);
    ck_assert_double_lt(us_of(found), us_of(gap));
}
END_TEST

/* ------------------------------------------------------------------ NCCL's choice */

START_TEST(without_its_variable_nccl_does_not_use_it)
{
    const char *plain = "topology.name=superpod-h100|topology.nodes=4|collective.operation=all_reduce|"
                        "collective.sizes=16M";
    g_autofree char *able = g_strconcat(plain, "|topology.sharp=on", NULL);
    g_autofree char *told = g_strconcat(able, "|collective.NCCL_COLLNET_ENABLE=1", NULL);
    g_autoptr(FabResult) result = test_run_text(told), before = test_run_text(plain);
    const FabResultRow *row = result->rows->pdata[0], *old = before->rows->pdata[0];

    ck_assert_double_eq(us_of(able), (double)old->time_ps * 1e-6);
    ck_assert_str_eq(old->algorithm, "nvls-tree");
    ck_assert_msg(strcmp(row->algorithm, "nvls") == 0 || g_str_has_prefix(row->algorithm, "collnet"), "%s",
                  row->algorithm);
}
END_TEST

START_TEST(a_network_that_could_reduce_and_does_not_says_why)
{
    const char *base = "topology.name=superpod-h100|topology.nodes=2|topology.sharp=on|collective.sizes=1M|"
                       "collective.operation=";
    g_autofree char *untold = g_strconcat(base, "all_reduce", NULL);
    g_autofree char *gather = g_strconcat(base, "all_gather|collective.NCCL_COLLNET_ENABLE=1", NULL);
    g_autofree char *told = g_strconcat(base, "all_reduce|collective.NCCL_COLLNET_ENABLE=1", NULL);
    g_autofree char *inside = g_strconcat(base, "all_reduce|collective.ranks=0,1", NULL);
    g_autoptr(FabResult) used = test_run_text(told), alone = test_run_text(inside);
    g_autoptr(FabResult) result = test_run_text(untold), other = test_run_text(gather);

    ck_assert_uint_eq(result->notes->len, 1);
    test_says(result->notes->pdata[0], "NCCL lets the network reduce with NCCL_COLLNET_ENABLE=1 only");
    ck_assert_uint_eq(other->notes->len, 1);
    test_says(other->notes->pdata[0], "the network adds up for all_reduce only");
    ck_assert_uint_eq(used->notes->len, 0);
    ck_assert_uint_eq(alone->notes->len, 0);
}
END_TEST

START_TEST(machines_without_nvswitch_have_the_chain_alone)
{
    const char *base = "topology.name=cluster|topology.node=l40s-8-dual-root-2sw|topology.nodes=4|topology.sharp=on|"
                       "collective.operation=all_reduce|collective.NCCL_COLLNET_ENABLE=1|collective.sizes=1M|";
    g_autofree char *free_choice = g_strconcat(base, "collective.NCCL_ALGO=CollNetDirect,CollNetChain", NULL);
    g_autoptr(FabResult) result = test_run_text(free_choice);

    ck_assert_str_eq(((const FabResultRow *)result->rows->pdata[0])->algorithm, "collnet-chain");
}
END_TEST

static const struct {
    const char *text, *pattern;
} refused[] = {
    { "topology.name=superpod-h100|topology.nodes=2|collective.operation=all_reduce|collective.NCCL_COLLNET_ENABLE=1",
      "NCCL_COLLNET_ENABLE: the network of superpod-h100 does not reduce; set topology.sharp=on" },
    { "topology.name=superpod-h100|topology.nodes=2|topology.sharp=on|collective.operation=all_reduce|"
      "collective.algorithm=collnet-direct", "needs a network that reduces .* NCCL_COLLNET_ENABLE=1" },
    { "topology.name=superpod-h100|topology.nodes=2|topology.sharp=on|collective.operation=all_reduce|"
      "collective.algorithm=nvls", "needs one NVSwitch that joins all ranks.*or a network that reduces" },
    { CLUSTER "topology.nodes=2|collective.algorithm=collnet-chain|collective.protocol=ll",
      "runs with protocol simple only" },
    { CLUSTER "topology.nodes=2|collective.algorithm=collnet-chain|collective.operation=all_gather", "collnet-chain" },
    { CLUSTER "topology.nodes=2|topology.sharp_rate=-1 GB/s", "sharp_rate" },
    { CLUSTER "topology.nodes=2|collective.NCCL_COLLNET_ENABLE=2", "NCCL_COLLNET_ENABLE" },
};

START_TEST(what_cannot_be_is_refused_in_one_sentence)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = test_try_run_text(refused[_i].text, &error);

    ck_assert_msg(result == NULL, "accepted: %s", refused[_i].text);
    test_refusal(&error, refused[_i].pattern);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("reduction");

    tcase_add_test(tests, a_sum_passes_every_cable_of_its_tree_once_in_each_direction);
    tcase_add_test(tests, several_nodes_on_a_leaf_send_one_sum_upwards);
    tcase_add_loop_test(tests, time_does_not_grow_with_nodes, 0, G_N_ELEMENTS(algorithms));
    tcase_add_loop_test(tests, each_nic_carries_its_part_once_out_and_once_in, 0, G_N_ELEMENTS(algorithms));
    tcase_add_test(tests, a_switch_that_reduces_slowly_is_what_all_wait_for);
    tcase_add_test(tests, faults_of_the_network_hold_sums_back_too);
    tcase_add_test(tests, without_its_variable_nccl_does_not_use_it);
    tcase_add_test(tests, a_network_that_could_reduce_and_does_not_says_why);
    tcase_add_test(tests, machines_without_nvswitch_have_the_chain_alone);
    tcase_add_loop_test(tests, what_cannot_be_is_refused_in_one_sentence, 0, G_N_ELEMENTS(refused));
    return run_tests(tests);
}
