/* Clusters: how nodes compose, what the networks' plugins build, and what they refuse. */
#include <check.h>
#include <string.h>

#include <glib/gstdio.h>

#include "plugin-build.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

static uint32_t
count_kind(const FabTopology *topology, FabVertexKind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < topology->vertex_count; i++)
        count += topology->vertices[i].kind == kind;
    return count;
}

static FabVertex
vertex_named(const FabTopology *topology, const char *name)
{
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (strcmp(topology->vertices[i].name, name) == 0)
            return i;
    }
    ck_abort_msg("there is no %s", name);
    return FAB_VERTEX_NONE;
}

static uint32_t
cables_between(const FabTopology *topology, const char *a, const char *b)
{
    FabVertex first = vertex_named(topology, a), second = vertex_named(topology, b);
    uint32_t count = 0;

    for (uint32_t i = 0; i < topology->link_count; i++)
        count += (topology->links[i].a == first && topology->links[i].b == second) ||
                 (topology->links[i].a == second && topology->links[i].b == first);
    return count;
}

static const char *
end_name(const FabTopology *topology, uint32_t link, int end)
{
    return topology->vertices[end == 0 ? topology->links[link].a : topology->links[link].b].name;
}

/* ------------------------------------------------------------------ composition */

START_TEST(ranks_are_numbered_node_by_node)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=3|node_1=dgx-a100|"
                                            "node_2=dgx-a100|nic_rate=50 GB/s");

    ck_assert_uint_eq(topology->node_count, 3);
    ck_assert_uint_eq(topology->gpu_count, 24);
    for (uint32_t i = 0; i < topology->gpu_count; i++)
        ck_assert_uint_eq(fab_topology_node_of(topology, i), i / 8);
    ck_assert_str_eq(topology->vertices[topology->gpus[9]].name, "Node 1 GPU 1");
    ck_assert_str_eq(topology->nodes[0].machine, "dgx-h100");
    ck_assert_str_eq(topology->nodes[2].machine, "dgx-a100");
    ck_assert_uint_eq(topology->nodes[2].first_gpu, 16);
    ck_assert_uint_eq(topology->vertices[vertex_named(topology, "Leaf 0")].node, FAB_NODE_NONE);
}
END_TEST

START_TEST(a_node_is_the_machine_of_the_catalogue_with_the_parameters_given)
{
    g_autoptr(FabTopology) topology = build("fat-tree", "node=dgx-h100|nodes=2|node.gpu=h200-sxm|node.nic_gbps=200");
    const FabTopologyLink *link = &topology->links[topology->link_count - 1];

    ck_assert_str_eq(topology->vertices[topology->gpus[15]].gpu->id, "h200-sxm");
    ck_assert_uint_eq(topology->vertices[link->a].kind, FAB_VERTEX_NIC);
    ck_assert_double_eq_tol(link->bandwidth, 25e9, 1);
    ck_assert_uint_eq(fab_path_nvlinks(topology, topology->gpus[8], topology->gpus[15]), 18);
    ck_assert_uint_eq(fab_path_nvlinks(topology, topology->gpus[7], topology->gpus[8]), 0);
    ck_assert_int_eq(fab_path_class(topology, topology->gpus[7], topology->gpus[8]), FAB_PATH_NET);
}
END_TEST

START_TEST(driver_peer_access_is_kept_in_each_node)
{
    g_autoptr(FabTopology) topology = build("fat-tree", "node=epyc4-4090|nodes=2|node.nics_per_node=1|"
                                            "node.nic_gbps=100|node.p2p=off");

    for (uint32_t i = 0; i < topology->gpu_count; i++) {
        for (uint32_t j = i + 1; j < topology->gpu_count; j++) {
            bool same = fab_topology_node_of(topology, i) == fab_topology_node_of(topology, j);
            ck_assert_int_eq(fab_topology_peer_access(topology, topology->gpus[i], topology->gpus[j]), !same);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ networks */

START_TEST(a_scalable_unit_has_eight_leaves_and_four_spines)
{
    /* DGX H100 SuperPOD reference architecture: 32 nodes, 8 leaves, 4 spines of 64 ports. */
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=32");

    ck_assert_uint_eq(count_kind(topology, FAB_VERTEX_NET_SWITCH), 12);
    ck_assert_uint_eq(cables_between(topology, "Leaf 3", "Spine 2"), 8);
    for (uint32_t n = 0; n < 32; n++) {
        g_autofree char *nic = g_strdup_printf("Node %u NIC 3", n);
        ck_assert_uint_eq(cables_between(topology, nic, "Leaf 3"), 1);
        ck_assert_uint_eq(cables_between(topology, nic, "Leaf 4"), 0);
    }
}
END_TEST

START_TEST(oversubscription_takes_cables_from_the_leaves)
{
    g_autoptr(FabTopology) full = build("rail-optimised", "node=dgx-h100|nodes=32");
    g_autoptr(FabTopology) half = build("rail-optimised", "node=dgx-h100|nodes=32|oversubscription=2");

    ck_assert_uint_eq(cables_between(full, "Leaf 0", "Spine 0") * 4, 32);
    ck_assert_uint_eq(cables_between(half, "Leaf 0", "Spine 0") * 2, 16);
}
END_TEST

START_TEST(planes_share_the_rate_of_a_nic)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=4|planes=2");
    const FabTopologyLink *link = &topology->links[topology->link_count - 1];

    ck_assert_uint_eq(cables_between(topology, "Node 0 NIC 0", "Plane 0 leaf 0.0"), 1);
    ck_assert_uint_eq(cables_between(topology, "Node 0 NIC 0", "Plane 1 leaf 0.0"), 1);
    ck_assert_double_eq_tol(link->bandwidth, 25e9, 1);
}
END_TEST

START_TEST(a_fat_tree_of_three_levels_has_full_bisection)
{
    g_autoptr(FabTopology) topology = build("fat-tree", "node=dgx-h100|nodes=256|levels=3|radix=64");
    uint32_t leaf_up = 0, core_down = 0;

    for (uint32_t i = 0; i < topology->link_count; i++) {
        const char *a = end_name(topology, i, 0), *b = end_name(topology, i, 1);
        leaf_up += g_str_has_prefix(a, "Leaf") && g_str_has_prefix(b, "Spine");
        core_down += g_str_has_prefix(a, "Spine") && g_str_has_prefix(b, "Core");
    }
    ck_assert_uint_eq(leaf_up, 2048); /* as many cables at every level as there are NICs */
    ck_assert_uint_eq(core_down, 2048);
}
END_TEST

/* 1,024 nodes are 32 groups of 32 on 8 rails; a spine of 64 ports has 32 for the leaves of 4 groups. */
START_TEST(rails_of_many_groups_have_pods_and_cores_by_themselves)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=1024|group_nodes=32|radix=64");
    uint32_t kinds[3] = { 0 }, leaf_up = 0, core_down = 0;

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        kinds[0] += g_str_has_prefix(topology->vertices[v].name, "Leaf");
        kinds[1] += g_str_has_prefix(topology->vertices[v].name, "Spine");
        kinds[2] += g_str_has_prefix(topology->vertices[v].name, "Core");
    }
    for (uint32_t i = 0; i < topology->link_count; i++) {
        const char *a = end_name(topology, i, 0), *b = end_name(topology, i, 1);
        leaf_up += g_str_has_prefix(a, "Leaf") && g_str_has_prefix(b, "Spine");
        core_down += g_str_has_prefix(a, "Spine") && g_str_has_prefix(b, "Core");
    }
    ck_assert_uint_eq(kinds[0], 256);
    ck_assert_uint_eq(kinds[1], 8 * 32); /* of 8 pods */
    ck_assert_uint_eq(kinds[2], 32 * 4); /* with 8 cables to each pod */
    ck_assert_uint_eq(leaf_up, 8192);    /* as many cables at every level as there are NICs */
    ck_assert_uint_eq(core_down, 8192);
    ck_assert_uint_eq(cables_between(topology, "Node 0 NIC 0", "Leaf 0.0"), 1);
    ck_assert_uint_eq(cables_between(topology, "Leaf 3.7", "Spine 31"), 1);
    ck_assert_uint_eq(cables_between(topology, "Leaf 4.0", "Spine 31"), 0);
}
END_TEST

START_TEST(groups_of_a_dragonfly_are_joined_each_to_each)
{
    g_autoptr(FabTopology) topology = build("dragonfly", "node=gh200-4|node.nic_gbps=200|nodes=24|groups=3|switches=4|"
                                            "switch_nics=8|global_cables=2");
    uint32_t between[3][3] = { { 0 } };

    for (uint32_t i = 0; i < topology->link_count; i++) {
        const char *a = end_name(topology, i, 0), *b = end_name(topology, i, 1);
        if (g_str_has_prefix(a, "Group ") && g_str_has_prefix(b, "Group "))
            between[a[6] - '0'][b[6] - '0']++;
    }
    for (int a = 0; a < 3; a++) {
        ck_assert_uint_eq(between[a][a], 6); /* 4 switches, each to each */
        for (int b = a + 1; b < 3; b++)
            ck_assert_uint_eq(between[a][b] + between[b][a], 2);
    }
}
END_TEST

START_TEST(a_dragonfly_plus_has_its_far_cables_at_the_spines)
{
    g_autoptr(FabTopology) topology = build("dragonfly", "node=gh200-4|node.nic_gbps=200|nodes=24|groups=3|switches=4|"
                                            "switch_nics=8|spines=2");

    ck_assert_uint_eq(cables_between(topology, "Group 0 leaf 1", "Group 0 spine 0"), 1);
    ck_assert_uint_eq(cables_between(topology, "Group 0 leaf 1", "Group 0 leaf 2"), 0);
    ck_assert_uint_eq(cables_between(topology, "Group 0 spine 0", "Group 1 spine 0"), 1);
}
END_TEST

START_TEST(every_switch_of_a_torus_has_two_neighbours_a_dimension)
{
    g_autoptr(FabTopology) topology = build("torus", "node=gh200-4|node.nic_gbps=200|nodes=24|grid=4 3 2|"
                                            "switch_nics=4");

    for (uint32_t i = 0; i < 24; i++) {
        g_autofree char *name = g_strdup_printf("Switch %u", i);
        uint32_t count;
        fab_topology_links_at(topology, vertex_named(topology, name), &count);
        ck_assert_uint_eq(count, 4 + 2 + 2 + 1); /* its NICs; two neighbours, and one where there are only two */
    }
    ck_assert_uint_eq(cables_between(topology, "Switch 0", "Switch 3"), 1);
    ck_assert_uint_eq(cables_between(topology, "Switch 0", "Switch 12"), 1);
}
END_TEST

START_TEST(racks_have_one_rail_for_each_nic_of_a_tray)
{
    g_autoptr(FabTopology) topology = build("nvl-domain", "nodes=4|radix=144");

    ck_assert_uint_eq(topology->gpu_count, 4 * 72);
    ck_assert_uint_eq(cables_between(topology, "Node 2 NIC 71", "Leaf 3"), 1);
    ck_assert_uint_eq(count_kind(topology, FAB_VERTEX_NET_SWITCH), 4 + 2);
}
END_TEST

START_TEST(units_of_a_superpod_have_the_published_switches_and_cables)
{
    /* Table of NVIDIA's reference architecture: units, leaves, spines, cables from nodes and between switches. */
    static const uint32_t published[][5] = {
        { 2, 16, 8, 512, 512 },
        { 4, 32, 16, 1024, 1024 },
        { 8, 64, 32, 2048, 2048 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(published); i++) {
        g_autofree char *settings = g_strdup_printf("node=dgx-b200|nodes=%u|group_nodes=32", published[i][0] * 32);
        g_autoptr(FabTopology) topology = build("rail-optimised", settings);
        uint32_t leaves = 0, spines = 0, down = 0, up = 0;
        for (uint32_t v = 0; v < topology->vertex_count; v++) {
            leaves += g_str_has_prefix(topology->vertices[v].name, "Leaf");
            spines += g_str_has_prefix(topology->vertices[v].name, "Spine");
        }
        for (uint32_t l = 0; l < topology->link_count; l++) {
            down += g_str_has_prefix(end_name(topology, l, 1), "Leaf");
            up += g_str_has_prefix(end_name(topology, l, 0), "Leaf");
        }
        ck_assert_uint_eq(leaves, published[i][1]);
        ck_assert_uint_eq(spines, published[i][2]);
        ck_assert_uint_eq(down, published[i][3]);
        ck_assert_uint_eq(up, published[i][4]);
    }
}
END_TEST

START_TEST(clusters_of_the_catalogue_have_their_nodes_gpus_and_nics)
{
    static const struct {
        const char *id, *node;
        uint32_t nodes, gpus, nics;
        double nic_gbps;
    } known[] = {
        { "alps-gh200", "gh200-4", 224, 4, 4, 200 },        { "aws-p4d-x8", "aws-p4d", 8, 8, 4, 100 },
        { "aws-p5-x8", "dgx-h100", 8, 8, 32, 100 },         { "aws-p5en-x8", "dgx-h200", 8, 8, 16, 200 },
        { "azure-ndv5-x8", "azure-ndv5", 8, 8, 8, 400 },    { "cluster", "dgx-h100", 2, 8, 8, 400 },
        { "gb200-nvl72-x8", "gb200-nvl72", 8, 72, 72, 400 }, { "gcp-a3-mega-x8", "dgx-h100", 8, 8, 8, 200 },
        { "gcp-a3-ultra-x8", "dgx-h200", 8, 8, 8, 400 },    { "l40s-roce-x8", "l40s-8-dual-root-2sw", 8, 8, 2, 400 },
        { "polaris", "hgx-a100-4", 560, 4, 2, 200 },        { "superpod-a100", "dgx-a100", 20, 8, 8, 200 },
        { "superpod-h100", "dgx-h100", 32, 8, 8, 400 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        g_autoptr(FabTopology) topology = fab_machine_load(known[i].id, NULL, NULL);
        ck_assert_msg(topology != NULL, "%s", known[i].id);
        ck_assert_uint_eq(topology->node_count, known[i].nodes);
        ck_assert_str_eq(topology->nodes[0].machine, known[i].node);
        ck_assert_uint_eq(topology->gpu_count, known[i].nodes * known[i].gpus);
        ck_assert_uint_eq(count_kind(topology, FAB_VERTEX_NIC), known[i].nodes * known[i].nics);
        for (FabVertex v = 0; v < topology->vertex_count; v++) {
            if (topology->vertices[v].kind == FAB_VERTEX_NIC)
                ck_assert_double_eq_tol(topology->vertices[v].network_rate, known[i].nic_gbps / 8 * 1e9, 1);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ bad input */

#define H100 "node=dgx-h100|"

static const struct {
    const char *plugin, *settings, *message;
} bad[] = {
    { "rail-optimised", "nodes=4", "node is missing" },
    { "rail-optimised", H100 "nodes=0", "nodes is 0, must be between 1" },
    { "rail-optimised", "node=dgx-h10|nodes=4", "did you mean dgx-h100?" },
    { "rail-optimised", H100 "nodes=4|node.gpux=1", "has no parameter gpux; did you mean gpu?" },
    { "rail-optimised", H100 "nodes=4|node_4=dgx-a100", "node_4 is given, but there are only 4 nodes" },
    { "rail-optimised", H100 "nodes=4|node.nics_per_node=0", "node 0 has no NIC" },
    { "rail-optimised", "node=gh200-4|nodes=4", "node 0 does not say how fast its NICs are" },
    { "rail-optimised", H100 "nodes=4|oversubscription=0.5", "oversubscription is 0.5, must be between 1 and 64" },
    { "rail-optimised", H100 "nodes=32|spines=3", "do not spread evenly over 3 spines of 64 ports" },
    { "rail-optimised", H100 "nodes=33|radix=32|group_nodes=33", "need 33 ports of a leaf, which has 32" },
    { "rail-optimised", H100 "nodes=32|group_nodes=32|radix=48", "a leaf needs 32 down and 32 up, a switch has 48" },
    { "rail-optimised", H100 "nodes=128|spines=0|radix=64", "nodes of group 0 cannot reach those of the other 1" },
    { "rail-optimised", H100 "nodes=2048|levels=2", "no number of spines of 64 ports (radix) joins 512 leaves" },
    { "rail-optimised", H100 "nodes=2048|levels=2", "take levels=3, larger groups or a larger radix" },
    { "rail-optimised", H100 "nodes=512|levels=3|spines=4", "spines is 4, but a pod of levels=3 has as many as" },
    { "rail-optimised", H100 "nodes=64|levels=3|radix=8", "a pod of levels=3 has the leaves of 8 rails" },
    { "rail-optimised", H100 "nodes=4|levels=1", "levels" },
    { "rail-optimised", H100 "nodes=4|rails=9", "rails is 9, but no node has more than 8 NICs" },
    { "rail-optimised", H100 "nodes=4|routing=lucky", "routing" },
    { "rail-optimised", H100 "nodes=4|transport=tcp|gdr=phb", "gdr is phb, but sockets (transport=tcp) move data by" },
    { "rail-optimised", H100 "nodes=4|transport=tcp|thread_rate=0 GB/s", "thread_rate is 0, so that sockets" },
    { "rail-optimised", H100 "nodes=4|thread_rate=3 GB/s", "thread_rate is of sockets; take transport=tcp" },
    { "rail-optimised", H100 "nodes=4|down=Leaf 3, Leaf 8", "down: \"Leaf 8\" is neither a switch nor a NIC" },
    { "rail-optimised", H100 "nodes=4|down=Node 4 NIC 0", "\"Node 4 NIC 0\" is neither a switch nor a NIC" },
    { "fat-tree", "node=l40s-8-dual-root-2sw|nodes=3|down=Node 1 NIC 0, Node 1 NIC 1",
      "no links lead from Node 0 GPU 0 to Node 1 GPU 0" },
    { "rail-optimised", H100 "nodes=4|down=Leaf 9", "such as Leaf 0 or Node 0 NIC 0; `fabricast topology show`" },
    { "rail-optimised", H100 "nodes=4|down=, ,", "down is \", ,\", must name switches or NICs" },
    { "rail-optimised", H100 "nodes=4|down_rate=0.5", "down_rate is given, but no NIC that is down" },
    { "rail-optimised", H100 "nodes=4|sharp_rate=5 GB/s", "sharp_rate is of switches that reduce; take sharp=on" },
    { "rail-optimised", H100 "nodes=4|node_5000=dgx-a100", "node_5000 is given, but there are only 4 nodes" },
    { "rail-optimised", H100 "nodes=4|node_03=dgx-a100", "no parameter node_03" },
    { "rail-optimised", H100 "nodes=4|node_123456=dgx-a100", "no parameter node_123456" },
    { "rail-optimised", H100 "nodes=4|down_rate=1", "down_rate is 1, must be between 0 and 0.99" },
    { "fat-tree", H100 "nodes=32|levels=1", "256 NICs, but one switch has 64 ports" },
    { "fat-tree", H100 "nodes=512|levels=2", "take levels=3 or a larger radix" },
    { "fat-tree", H100 "nodes=64|levels=3|radix=8", "need 32 pods, a core has 8 ports" },
    { "fat-tree", H100 "nodes=64|levels=4", "levels is 4, must be between 1 and 3" },
    { "dragonfly", H100 "nodes=64|groups=2|switches=4|switch_nics=8", "512 NICs, but 2 groups of 4 switches" },
    { "dragonfly", H100 "nodes=8|groups=2|switches=4|switch_nics=8|radix=8", "needs 8 for NICs, 3 in its group" },
    { "dragonfly", H100 "nodes=8|groups=9|switches=4|switch_nics=8|spines=1|radix=9", "a spine needs 0 for NICs" },
    { "torus", H100 "nodes=8|grid=2 x|switch_nics=8", "\"x\" cannot stand here" },
    { "torus", H100 "nodes=8|grid=2 0|switch_nics=8", "cannot stand here" },
    { "torus", H100 "nodes=8|grid=2 2|switch_nics=8", "64 NICs, but 4 switches have places for 32" },
};

START_TEST(a_cluster_that_does_not_close_gives_one_clear_sentence)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FabTopology) topology = try_build(bad[i].plugin, bad[i].settings, &error);

        ck_assert_msg(topology == NULL, "%s %s was built", bad[i].plugin, bad[i].settings);
        ck_assert_msg(strstr(error->message, bad[i].message) != NULL, "%s %s: %s", bad[i].plugin, bad[i].settings,
                      error->message);
        ck_assert_msg(strchr(error->message, '\n') == NULL, "%s", error->message);
    }
}
END_TEST

START_TEST(a_cluster_is_no_node_not_even_of_itself)
{
    g_autofree char *folder = g_dir_make_tmp("fab-cluster-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "loop.ini", NULL);
    g_autofree char *text = g_strdup_printf("[topology]\nplugin=fat-tree\nnodes=2\nnode=%s\n", path);
    g_autofree char *settings = g_strdup_printf("nodes=2|node=%s", path);
    g_autoptr(GError) error = NULL;

    ck_assert(g_file_set_contents(path, text, -1, NULL));
    ck_assert_ptr_null(try_build("fat-tree", settings, &error));
    ck_assert_msg(strstr(error->message, "is a cluster itself") != NULL, "%s", error->message);
    g_unlink(path);
    g_rmdir(folder);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("cluster");

    tcase_add_test(tests, ranks_are_numbered_node_by_node);
    tcase_add_test(tests, a_node_is_the_machine_of_the_catalogue_with_the_parameters_given);
    tcase_add_test(tests, driver_peer_access_is_kept_in_each_node);
    tcase_add_test(tests, a_scalable_unit_has_eight_leaves_and_four_spines);
    tcase_add_test(tests, oversubscription_takes_cables_from_the_leaves);
    tcase_add_test(tests, planes_share_the_rate_of_a_nic);
    tcase_add_test(tests, a_fat_tree_of_three_levels_has_full_bisection);
    tcase_add_test(tests, groups_of_a_dragonfly_are_joined_each_to_each);
    tcase_add_test(tests, rails_of_many_groups_have_pods_and_cores_by_themselves);
    tcase_add_test(tests, a_dragonfly_plus_has_its_far_cables_at_the_spines);
    tcase_add_test(tests, every_switch_of_a_torus_has_two_neighbours_a_dimension);
    tcase_add_test(tests, racks_have_one_rail_for_each_nic_of_a_tray);
    tcase_add_test(tests, units_of_a_superpod_have_the_published_switches_and_cables);
    tcase_add_test(tests, clusters_of_the_catalogue_have_their_nodes_gpus_and_nics);
    tcase_add_test(tests, a_cluster_that_does_not_close_gives_one_clear_sentence);
    tcase_add_test(tests, a_cluster_is_no_node_not_even_of_itself);
    return run_tests(tests);
}
