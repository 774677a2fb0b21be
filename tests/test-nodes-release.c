/* What NCCL decides over several nodes of Blackwell changed from release to release. */
#include <check.h>
#include <math.h>

#include "collective/choice.h"
#include "suite.h"
#include "topology/machine.h"

/* "dgx-b200", 2, "400" on the catalogue's cluster. */
static void
facts_with(const char *node, uint32_t nodes, const char *gbps, uint32_t nccl, FabMachineFacts *facts)
{
    g_autoptr(GHashTable) params = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabRouter) router = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree uint32_t *gpus = NULL;

    g_hash_table_replace(params, g_strdup("node"), g_strdup(node));
    g_hash_table_replace(params, g_strdup("nodes"), g_strdup_printf("%u", nodes));
    g_hash_table_replace(params, g_strdup("node.nic_gbps"), g_strdup(gbps));
    topology = fab_machine_load("cluster", params, &error);
    ck_assert_msg(topology != NULL, "%s", error != NULL ? error->message : "");
    router = fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
    gpus = g_new(uint32_t, topology->gpu_count);
    for (uint32_t i = 0; i < topology->gpu_count; i++)
        gpus[i] = i;
    ck_assert_msg(fab_machine_facts(router, topology, gpus, topology->gpu_count, nccl, facts, &error), "%s",
                  error != NULL ? error->message : "");
    fab_machine_facts_clear(facts);
}

START_TEST(what_nccl_2_30_found_for_nvls_trees_on_blackwell_is_its_own)
{
    static const struct {
        const char *node;
        uint32_t nodes;
        const char *gbps;
        uint32_t nccl, channels;
        uint64_t chunk;
    } known[] = {
        { "dgx-b200", 2, "400", 2029, 32, 0 },
        { "dgx-b200", 3, "400", 2029, 32, 0 },
        { "dgx-b200", 2, "200", 2030, 32, 131072 },
        { "dgx-b200", 2, "400", 2030, 32, 65536 },
        { "dgx-b200", 3, "400", 2030, 24, 65536 },
        { "dgx-b200", 3, "800", 2030, 24, 262144 },
        { "dgx-h100", 3, "400", 2030, 16, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        FabMachineFacts facts;
        facts_with(known[i].node, known[i].nodes, known[i].gbps, known[i].nccl, &facts);
        ck_assert_uint_eq(facts.nvls_channels, known[i].channels);
        ck_assert_uint_eq(facts.nvls_tree_chunk, known[i].chunk);
    }
}
END_TEST

/* Bandwidth of a cell of the cost table, GB/s: what 2 GiB more take. */
static double
cell_rate(uint32_t nodes, uint32_t nccl, const char *algorithm, FabProtocol protocol)
{
    const uint64_t size = UINT64_C(1) << 40, more = UINT64_C(1) << 31;
    FabMachineFacts facts;

    facts_with("dgx-b200", nodes, "400", nccl, &facts);
    return (double)more / 1000 / (fab_nccl_estimate_us(&facts, FAB_ALL_REDUCE, algorithm, protocol, size + more) -
                                  fab_nccl_estimate_us(&facts, FAB_ALL_REDUCE, algorithm, protocol, size));
}

START_TEST(blackwells_caps_over_nodes_follow_the_release)
{
    /* Eight channels of rings, 16 ranks in 30 steps. */
    ck_assert_double_eq_tol(cell_rate(2, 2028, "ring", FAB_PROTOCOL_LL128), 8 * 34.6 * 16 / 30, 0.5);
    ck_assert_double_eq_tol(cell_rate(2, 2030, "ring", FAB_PROTOCOL_LL128), 8 * 40.0 * 16 / 30, 0.5);
    ck_assert_double_gt(cell_rate(2, 2027, "chain", FAB_PROTOCOL_LL128),
                        1.2 * cell_rate(2, 2028, "chain", FAB_PROTOCOL_LL128));
    /* Eight heads over three nodes: 43.8 GB/s each before 2.30. */
    ck_assert_double_eq_tol(cell_rate(3, 2029, "nvls-tree", FAB_PROTOCOL_SIMPLE), 8 * 43.8 * 24 / 46, 0.5);
    ck_assert_double_gt(cell_rate(3, 2030, "nvls-tree", FAB_PROTOCOL_SIMPLE), 8 * 43.9 * 24 / 46);
}
END_TEST

static bool
has_chain(const char *node, uint32_t nccl)
{
    FabMachineFacts facts;

    facts_with(node, 2, "400", nccl, &facts);
    facts.collnet = true;
    return isfinite(fab_nccl_estimate_us(&facts, FAB_ALL_REDUCE, "collnet-chain", FAB_PROTOCOL_SIMPLE, 1 << 20));
}

START_TEST(chains_of_collnet_are_for_eight_gpus_a_node_since_2_28)
{
    ck_assert(has_chain("dgx-h100", 2027) && has_chain("dgx-h100", 2028));
    ck_assert(has_chain("dgx-2", 2027));
    ck_assert(!has_chain("dgx-2", 2028));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("nodes of a release");

    tcase_add_test(tests, what_nccl_2_30_found_for_nvls_trees_on_blackwell_is_its_own);
    tcase_add_test(tests, blackwells_caps_over_nodes_follow_the_release);
    tcase_add_test(tests, chains_of_collnet_are_for_eight_gpus_a_node_since_2_28);
    return run_tests(tests);
}
