#include "topology/ring.h"

#include <check.h>
#include <math.h>

#include "fabric.h"
#include "suite.h"
#include "topology/path.h"

/* Links of the two DGX-1 (hybrid cube mesh): NVIDIA/nccl-tests issue 29 prints DGX-1V's; DGX-1's are all single. */
#define DGX_1V                                                                                                       \
    "g0-g1:nvlink:25x1 g0-g2:nvlink:25x1 g0-g3:nvlink:50x2 g0-g4:nvlink:50x2 g1-g2:nvlink:50x2 g1-g3:nvlink:25x1 "   \
    "g1-g5:nvlink:50x2 g2-g3:nvlink:50x2 g2-g6:nvlink:25x1 g3-g7:nvlink:25x1 g4-g5:nvlink:25x1 g4-g6:nvlink:25x1 "   \
    "g4-g7:nvlink:50x2 g5-g6:nvlink:50x2 g5-g7:nvlink:25x1 g6-g7:nvlink:50x2 "
#define DGX_1P                                                                                                       \
    "g0-g1:nvlink:20 g0-g2:nvlink:20 g0-g3:nvlink:20 g0-g4:nvlink:20 g1-g2:nvlink:20 g1-g3:nvlink:20 "               \
    "g1-g5:nvlink:20 g2-g3:nvlink:20 g2-g6:nvlink:20 g3-g7:nvlink:20 g4-g5:nvlink:20 g4-g6:nvlink:20 "               \
    "g4-g7:nvlink:20 g5-g6:nvlink:20 g5-g7:nvlink:20 g6-g7:nvlink:20 "
/* Two GPUs a switch, two switches a socket. */
#define TREE_8                                                                                                       \
    "g0-s0:pcie:32 g1-s0:pcie:32 g2-s1:pcie:32 g3-s1:pcie:32 g4-s2:pcie:32 g5-s2:pcie:32 g6-s3:pcie:32 "            \
    "g7-s3:pcie:32 s0-h0:pcie:32 s1-h1:pcie:32 s2-h2:pcie:32 s3-h3:pcie:32 h0-c0:internal:64 h1-c0:internal:64 "     \
    "h2-c1:internal:64 h3-c1:internal:64 c0-c1:socket:60 "

static const FabRouteRules rules = { .peer_level = FAB_PATH_PXB, .nvlink = true };
static const FabRouteRules without_nvlink = { .peer_level = FAB_PATH_PXB, .nvlink = false };

enum { MAX_GPUS = 32, MAX_RINGS = 32 };

typedef struct {
    uint32_t count, rings, order[MAX_GPUS * MAX_RINGS];
    double bandwidth;
} Found;

/* Searches over the GPUs named in `list` ("0 3 1"). */
static Found
search(const char *text, const FabRouteRules *with, const char *list, uint32_t max_rings)
{
    g_autoptr(FabTopology) topology = fabric_new(text);
    g_autoptr(FabRouter) router = fab_router_new(topology, with);
    g_auto(GStrv) words = g_strsplit(list, " ", -1);
    uint32_t gpus[MAX_GPUS];
    Found found = { .count = g_strv_length(words) };

    for (uint32_t i = 0; i < found.count; i++)
        gpus[i] = (uint32_t)atoi(words[i]);
    found.rings = fab_ring_search(router, gpus, found.count, max_rings, found.order, &found.bandwidth, NULL);
    return found;
}

static void
assert_order(const Found *found, uint32_t ring, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (uint32_t i = 0; i < found->count; i++)
        g_string_append_printf(text, "%s%u", i > 0 ? " " : "", found->order[ring * found->count + i]);
    ck_assert_str_eq(text->str, expected);
}

/* Every ring visits every GPU once, and no lane is used twice in one direction. All GPUs of the fabric take part. */
static void
assert_disjoint(const char *text, const Found *found)
{
    g_autoptr(FabTopology) topology = fabric_new(text);
    uint32_t used[MAX_GPUS][MAX_GPUS] = { { 0 } };

    for (uint32_t k = 0; k < found->rings; k++) {
        const uint32_t *order = found->order + k * found->count;
        uint64_t visited = 0;
        for (uint32_t i = 0; i < found->count; i++) {
            visited |= UINT64_C(1) << order[i];
            used[order[i]][order[(i + 1) % found->count]]++;
        }
        ck_assert_uint_eq(visited, (UINT64_C(1) << found->count) - 1);
    }
    for (uint32_t i = 0; i < found->count; i++)
        for (uint32_t j = 0; j < found->count; j++)
            ck_assert_uint_le(used[i][j], fab_nvlink_direct(topology, topology->gpus[i], topology->gpus[j]));
}

START_TEST(eight_v100_in_a_cube_mesh_have_six_rings_that_fill_every_link)
{
    Found found = search(DGX_1V, &rules, "0 1 2 3 4 5 6 7", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 6);
    assert_disjoint(DGX_1V, &found);
    ck_assert_double_eq_tol(found.bandwidth, 25e9, 1);
}
END_TEST

START_TEST(eight_p100_in_a_cube_mesh_have_four_rings)
{
    Found found = search(DGX_1P, &rules, "0 1 2 3 4 5 6 7", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 4);
    assert_disjoint(DGX_1P, &found);
    ck_assert_double_eq_tol(found.bandwidth, 20e9, 1);
}
END_TEST

START_TEST(four_gpus_with_four_links_a_pair_have_twelve_rings)
{
    const char *mesh = "g0-g1:nvlink:100x4 g0-g2:nvlink:100x4 g0-g3:nvlink:100x4 g1-g2:nvlink:100x4 "
                       "g1-g3:nvlink:100x4 g2-g3:nvlink:100x4";
    Found found = search(mesh, &rules, "0 1 2 3", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 12);
    assert_disjoint(mesh, &found);
    ck_assert_double_eq_tol(found.bandwidth, 25e9, 1);
}
END_TEST

START_TEST(a_pair_has_as_many_rings_as_links)
{
    Found found = search("g0-g1:nvlink:100x4 g0-h0:pcie:16 g1-h0:pcie:16", &rules, "1 0", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 4);
    assert_order(&found, 0, "1 0"); /* starts with GPU 0, which stands second in the list */
    assert_order(&found, 3, "1 0");
    ck_assert_double_eq_tol(found.bandwidth, 25e9, 1);
}
END_TEST

START_TEST(three_gpus_with_single_links_have_a_ring_each_way)
{
    Found found = search("g0-g1:nvlink:25 g1-g2:nvlink:25 g0-g2:nvlink:25", &rules, "0 1 2", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 2);
    assert_order(&found, 0, "0 1 2");
    assert_order(&found, 1, "0 2 1");
}
END_TEST

START_TEST(four_gpus_with_single_links_share_them_among_six_rings)
{
    static const char text[] = "g0-g1:nvlink:20 g0-g2:nvlink:20 g0-g3:nvlink:20 g1-g2:nvlink:20 g1-g3:nvlink:20 "
                               "g2-g3:nvlink:20";
    Found found = search(text, &rules, "0 1 2 3", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 6);
    ck_assert_double_eq_tol(found.bandwidth, 10e9, 1); /* half a link each: together three links, not two */
}
END_TEST

START_TEST(subsets_of_a_cube_mesh_get_what_fits)
{
    static const struct {
        const char *gpus;
        uint32_t rings;
    } cases[] = {
        { "0 3", 2 },           /* two links */
        { "0 1", 1 },           /* one link */
        { "0 1 2", 2 },         /* 0-1 and 0-2 are single */
        { "0 1 2 3", 4 },       /* four links a GPU within the quad, all used both ways */
        { "0 1 2 3 4 5 6", 4 }, /* GPU 3 has lost its link to 7, GPU 4 two: four links are left to it */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Found found = search(DGX_1V, &rules, cases[i].gpus, MAX_RINGS);
        ck_assert_msg(found.rings == cases[i].rings, "%s: %u rings", cases[i].gpus, found.rings);
    }
}
END_TEST

START_TEST(five_of_eight_have_fewer_rings_than_four)
{
    /* GPU 4 is joined to GPU 0 only, so no ring of NVLinks closes: one ring over PCIe, worse than four GPUs have. */
    Found found = search(DGX_1V TREE_8, &rules, "0 1 2 3 4", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 1);
    ck_assert_double_lt(found.bandwidth, 33e9);
}
END_TEST

START_TEST(the_number_of_rings_can_be_limited)
{
    Found found = search(DGX_1V, &rules, "0 1 2 3 4 5 6 7", 3);

    ck_assert_uint_eq(found.rings, 3);
    assert_disjoint(DGX_1V, &found);
}
END_TEST

START_TEST(eight_gpus_joined_each_to_each_are_searched_in_bounded_time)
{
    g_autoptr(GString) mesh = g_string_new(NULL);
    Found found;

    for (int i = 0; i < 8; i++)
        for (int j = i + 1; j < 8; j++)
            g_string_append_printf(mesh, "g%d-g%d:nvlink:50 ", i, j);
    found = search(mesh->str, &rules, "0 1 2 3 4 5 6 7", MAX_RINGS);
    ck_assert_uint_eq(found.rings, 7); /* seven links a GPU; rings with their reverses alone would be six */
    assert_disjoint(mesh->str, &found);
}
END_TEST

START_TEST(gpus_on_nvswitches_have_one_ring_in_device_order)
{
    Found one = search("g0-v0:nvlink:450x18 g1-v0:nvlink:450x18 g2-v0:nvlink:450x18", &rules, "2 0 1", MAX_RINGS);
    Found two = search("g0-v0:nvlink:150x6 g1-v0:nvlink:150x6 g2-v1:nvlink:150x6 g3-v1:nvlink:150x6 "
                       "v0-v1:nvlink:1200x48", &rules, "0 1 2 3", MAX_RINGS);

    ck_assert_uint_eq(one.rings, 1);
    assert_order(&one, 0, "1 2 0");
    ck_assert_double_eq(one.bandwidth, 450e9);
    ck_assert_uint_eq(two.rings, 1);
    assert_order(&two, 0, "0 1 2 3");
    ck_assert_double_eq(two.bandwidth, 150e9);
}
END_TEST

START_TEST(pcie_rings_follow_the_tree)
{
    /* GPUs given out of order, as a list of ranks may be; places 3 0 5 ... hold GPUs 0 1 2 ... */
    Found found = search(TREE_8, &rules, "1 4 6 0 7 2 3 5", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 1);
    assert_order(&found, 0, "3 0 5 6 1 7 2 4");
}
END_TEST

START_TEST(interleaved_trees_are_put_in_order)
{
    Found found = search("g0-s0:pcie:32 g1-s1:pcie:32 g2-s0:pcie:32 g3-s1:pcie:32 s0-h0:pcie:32 s1-h1:pcie:32 "
                         "h0-c0:internal:64 h1-c1:internal:64 c0-c1:socket:60", &rules, "0 1 2 3", MAX_RINGS);

    assert_order(&found, 0, "0 2 1 3");
    /* Each slot carries one direct store out or in, with half a byte back for each, and one staged copy. */
    ck_assert_double_gt(found.bandwidth, 0);
}
END_TEST

START_TEST(bridged_pairs_are_neighbours)
{
    /* Bridges join GPUs of different switches: 0-2 and 1-3; the ring goes over a bridge, then below a switch. */
    Found found = search("g0-s0:pcie:32 g1-s0:pcie:32 g2-s1:pcie:32 g3-s1:pcie:32 s0-h0:pcie:32 s1-h1:pcie:32 "
                         "h0-c0:internal:64 h1-c1:internal:64 c0-c1:socket:60 g0-g2:nvlink:100x4 g1-g3:nvlink:100x4",
                         &rules, "0 1 2 3", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 1);
    assert_order(&found, 0, "0 2 3 1");
}
END_TEST

START_TEST(islands_stay_together)
{
    const char *islands = TREE_8 "g0-g2:nvlink:150 g2-g4:nvlink:150 g0-g4:nvlink:150 g0-g6:nvlink:150 "
                                 "g2-g6:nvlink:150 g4-g6:nvlink:150 g1-g3:nvlink:150 g1-g5:nvlink:150 "
                                 "g1-g7:nvlink:150 g3-g5:nvlink:150 g3-g7:nvlink:150 g5-g7:nvlink:150";
    Found found = search(islands, &rules, "0 1 2 3 4 5 6 7", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 1);
    assert_order(&found, 0, "0 2 4 6 7 3 5 1"); /* leaves an island only below a switch: 6-7 and 1-0 */
}
END_TEST

START_TEST(rules_that_hide_nvlink_leave_pcie)
{
    Found found = search(DGX_1V TREE_8, &without_nvlink, "0 1 2 3 4 5 6 7", MAX_RINGS);

    ck_assert_uint_eq(found.rings, 1);
    assert_order(&found, 0, "0 1 2 3 4 5 6 7");
}
END_TEST

START_TEST(more_gpus_than_the_exact_search_takes_still_follow_the_tree)
{
    g_autoptr(GString) tree = g_string_new(NULL), list = g_string_new("0");
    Found found;

    for (int i = 0; i < 16; i++)
        g_string_append_printf(tree, "g%d-s%d:pcie:32 ", i, i % 4);
    g_string_append(tree, "s0-h0:pcie:32 s1-h1:pcie:32 s2-h0:pcie:32 s3-h1:pcie:32 h0-c0:internal:64 "
                          "h1-c1:internal:64 c0-c1:socket:60");
    for (int i = 1; i < 16; i++)
        g_string_append_printf(list, " %d", i);
    found = search(tree->str, &rules, list->str, MAX_RINGS);
    assert_order(&found, 0, "0 4 8 12 2 6 10 14 1 5 9 13 3 7 11 15");
}
END_TEST

START_TEST(one_gpu_is_a_ring_and_gpus_out_of_reach_are_none)
{
    Found one = search("g0-g1:pcie:32", &rules, "1", MAX_RINGS);
    Found none = search("g0-n0:pcie:32 n0-n1:network:50 n1-g1:pcie:32", &rules, "0 1", MAX_RINGS);
    Found hidden = search("g0-g1:nvlink:50", &without_nvlink, "0 1", MAX_RINGS);

    ck_assert_uint_eq(one.rings, 1);
    ck_assert(isinf(one.bandwidth));
    assert_order(&one, 0, "0");
    ck_assert_uint_eq(none.rings, 0);
    ck_assert_uint_eq(hidden.rings, 0);
    ck_assert_double_eq(hidden.bandwidth, 0);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("ring");

    tcase_add_test(tests, eight_v100_in_a_cube_mesh_have_six_rings_that_fill_every_link);
    tcase_add_test(tests, eight_p100_in_a_cube_mesh_have_four_rings);
    tcase_add_test(tests, four_gpus_with_four_links_a_pair_have_twelve_rings);
    tcase_add_test(tests, a_pair_has_as_many_rings_as_links);
    tcase_add_test(tests, three_gpus_with_single_links_have_a_ring_each_way);
    tcase_add_test(tests, four_gpus_with_single_links_share_them_among_six_rings);
    tcase_add_test(tests, subsets_of_a_cube_mesh_get_what_fits);
    tcase_add_test(tests, five_of_eight_have_fewer_rings_than_four);
    tcase_add_test(tests, the_number_of_rings_can_be_limited);
    tcase_add_test(tests, eight_gpus_joined_each_to_each_are_searched_in_bounded_time);
    tcase_add_test(tests, gpus_on_nvswitches_have_one_ring_in_device_order);
    tcase_add_test(tests, pcie_rings_follow_the_tree);
    tcase_add_test(tests, interleaved_trees_are_put_in_order);
    tcase_add_test(tests, bridged_pairs_are_neighbours);
    tcase_add_test(tests, islands_stay_together);
    tcase_add_test(tests, rules_that_hide_nvlink_leave_pcie);
    tcase_add_test(tests, more_gpus_than_the_exact_search_takes_still_follow_the_tree);
    tcase_add_test(tests, one_gpu_is_a_ring_and_gpus_out_of_reach_are_none);
    return run_tests(tests);
}
