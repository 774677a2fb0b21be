/* The machines of the catalogue against facts that were published about them, written down here a second time. */
#include <check.h>

#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

typedef struct {
    const char *id;
    uint32_t gpus;
    uint32_t nvlinks;           /* of each GPU */
    uint32_t generation, lanes; /* of each GPU's PCIe link; 0: C2C, or part of one device */
    uint32_t chips;             /* NVSwitch */
    uint32_t switches, nics, numa_nodes;
    double socket_rate; /* GB/s between two sockets of a box; 0: one socket, or not published */
} Fact;

static const Fact facts[] = {
    { "asus-esc8000a-e13p", 8, 0, 5, 16, 0, 4, 0, 2, 175 },
    { "aws-g5.48xl", 8, 0, 4, 16, 0, 0, 1, 2, 0 },
    { "aws-p4d", 8, 12, 3, 16, 6, 4, 4, 2, 0 },
    { "azure-ncv4", 4, 12, 4, 16, 0, 0, 0, 4, 0 },
    { "azure-ndv2", 8, 6, 3, 16, 0, 0, 1, 2, 0 },
    { "azure-ndv4", 8, 12, 4, 16, 6, 4, 8, 4, 0 },
    { "azure-ndv5", 8, 18, 5, 16, 4, 8, 8, 2, 0 },
    { "desk2-x8", 2, 0, 4, 8, 0, 0, 0, 1, 0 },
    { "desk2-x8-g5", 2, 0, 5, 8, 0, 0, 0, 1, 0 },
    { "dgx-1p", 8, 4, 3, 16, 0, 4, 4, 2, 0 },
    { "dgx-1v", 8, 6, 3, 16, 0, 4, 4, 2, 38.4 },
    { "dgx-2", 16, 6, 3, 16, 12, 12, 8, 2, 0 },
    { "dgx-a100", 8, 12, 4, 16, 6, 8, 8, 8, 108 }, /* 4 switches of two stages */
    { "dgx-b200", 8, 18, 5, 16, 2, 8, 8, 4, 0 },
    { "dgx-h100", 8, 18, 5, 16, 4, 8, 8, 2, 128 },
    { "dgx-h200", 8, 18, 5, 16, 4, 8, 8, 2, 128 },
    { "epyc4-4090", 4, 0, 4, 16, 0, 0, 0, 1, 0 },
    { "epyc4-5090", 4, 0, 5, 16, 0, 0, 0, 1, 0 },
    { "gb200-nvl72", 72, 18, 0, 0, 18, 0, 72, 36, 0 },
    { "gb300-nvl72", 72, 18, 0, 0, 18, 0, 72, 36, 0 },
    { "gh200-2-desk", 2, 0, 0, 0, 0, 0, 0, 2, 0 },
    { "gh200-4", 4, 18, 0, 0, 0, 0, 4, 4, 0 },
    { "h200-nvl-8", 8, 18, 5, 16, 0, 4, 0, 2, 0 },
    { "hgx-a100-4", 4, 12, 4, 16, 0, 0, 0, 1, 0 },
    { "hgx-b300", 8, 18, 6, 16, 2, 8, 8, 2, 0 },
    { "hgx-h100-4", 4, 18, 5, 16, 0, 0, 0, 2, 0 },
    { "l40s-8-dual-root-2sw", 8, 0, 4, 16, 0, 2, 2, 2, 96 },
    { "l40s-8-dual-root-4sw", 8, 0, 4, 16, 0, 4, 4, 2, 96 },
    { "l40s-8-single-root", 8, 0, 4, 16, 0, 3, 0, 2, 0 },
    { "loopback-h200", 8, 0, 0, 0, 0, 0, 0, 0, 0 },
    { "mgx-rtxpro-cx8", 8, 0, 5, 16, 0, 4, 8, 2, 0 },
    { "nvlink-mesh", 4, 6, 3, 16, 0, 0, 0, 2, 0 },
    { "pcie-host", 2, 0, 4, 16, 0, 0, 0, 1, 0 },
    { "pcie-switch", 8, 0, 4, 16, 0, 2, 0, 2, 0 },
    { "turin-direct-8", 8, 0, 5, 16, 0, 0, 0, 2, 96 },
    { "vera-rubin-nvl72", 72, 36, 0, 0, 18, 0, 72, 36, 0 },
    { "wrx90-2sw-8", 8, 0, 5, 16, 0, 2, 0, 1, 0 },
    { "wrx90-3sw-8", 8, 0, 5, 16, 0, 6, 0, 1, 0 },
    { "ws2-bridge-3090", 2, 4, 4, 8, 0, 0, 0, 1, 0 },
    { "ws2-bridge-a100", 2, 12, 4, 16, 0, 0, 0, 1, 0 },
    { "ws2-bridge-a6000", 2, 4, 4, 16, 0, 0, 0, 1, 0 },
    { "ws2-bridge-h100nvl", 2, 12, 5, 16, 0, 0, 0, 1, 0 },
    { "ws2-x16", 2, 0, 4, 16, 0, 0, 0, 1, 0 },
    { "ws2-x16-g5", 2, 0, 5, 16, 0, 0, 0, 1, 0 },
};

/* What `nvidia-smi topo -m` says without NVLink, and the number of its NV#. */
typedef struct {
    const char *id;
    uint32_t a, b;
    FabPathClass class;
    uint32_t nvlinks;
} Pair;

static const Pair pairs[] = {
    { "dgx-1v", 0, 1, FAB_PATH_PIX, 1 },
    { "dgx-1v", 0, 3, FAB_PATH_PHB, 2 },
    { "dgx-1v", 0, 4, FAB_PATH_SYS, 2 },
    { "dgx-1v", 0, 5, FAB_PATH_SYS, 0 },
    { "dgx-1p", 0, 2, FAB_PATH_PHB, 1 },
    { "dgx-1p", 3, 7, FAB_PATH_SYS, 1 },
    { "dgx-2", 0, 1, FAB_PATH_PIX, 6 },
    { "dgx-2", 0, 2, FAB_PATH_PXB, 6 },
    { "dgx-2", 0, 15, FAB_PATH_SYS, 6 },
    { "dgx-a100", 0, 1, FAB_PATH_PIX, 12 },
    { "dgx-a100", 0, 2, FAB_PATH_SYS, 12 },
    { "azure-ndv4", 0, 1, FAB_PATH_PIX, 12 },
    { "azure-ndv4", 2, 4, FAB_PATH_SYS, 12 },
    { "dgx-h100", 0, 3, FAB_PATH_NODE, 18 },
    { "dgx-h100", 3, 4, FAB_PATH_SYS, 18 },
    { "dgx-b200", 0, 1, FAB_PATH_NODE, 18 },
    { "dgx-b200", 1, 2, FAB_PATH_SYS, 18 },
    { "aws-p4d", 0, 1, FAB_PATH_PIX, 12 },
    { "hgx-a100-4", 0, 3, FAB_PATH_NODE, 4 },
    { "hgx-h100-4", 0, 3, FAB_PATH_SYS, 6 },
    { "azure-ncv4", 0, 1, FAB_PATH_SYS, 12 },
    { "azure-ncv4", 1, 2, FAB_PATH_SYS, 0 },
    { "h200-nvl-8", 0, 3, FAB_PATH_NODE, 6 },
    { "h200-nvl-8", 3, 4, FAB_PATH_SYS, 0 },
    { "gb200-nvl72", 0, 71, FAB_PATH_NONE, 18 },
    { "gh200-2-desk", 0, 1, FAB_PATH_SYS, 0 },
    { "l40s-8-dual-root-2sw", 0, 3, FAB_PATH_PIX, 0 },
    { "l40s-8-dual-root-4sw", 0, 2, FAB_PATH_NODE, 0 },
    { "l40s-8-dual-root-4sw", 3, 4, FAB_PATH_SYS, 0 },
    { "l40s-8-single-root", 3, 4, FAB_PATH_PXB, 0 },
    { "turin-direct-8", 0, 3, FAB_PATH_NODE, 0 },
    { "turin-direct-8", 0, 4, FAB_PATH_SYS, 0 },
    { "wrx90-2sw-8", 0, 3, FAB_PATH_PIX, 0 },
    { "wrx90-2sw-8", 3, 4, FAB_PATH_NODE, 0 },
    { "wrx90-3sw-8", 0, 1, FAB_PATH_PIX, 0 },
    { "wrx90-3sw-8", 0, 2, FAB_PATH_PXB, 0 },
    { "wrx90-3sw-8", 3, 4, FAB_PATH_NODE, 0 },
    { "asus-esc8000a-e13p", 0, 1, FAB_PATH_PIX, 0 },
    { "asus-esc8000a-e13p", 0, 2, FAB_PATH_NODE, 0 },
    { "asus-esc8000a-e13p", 0, 4, FAB_PATH_SYS, 0 },
    { "epyc4-4090", 0, 1, FAB_PATH_NODE, 0 },
    { "ws2-x16", 0, 1, FAB_PATH_PHB, 0 },
    { "desk2-x8", 0, 1, FAB_PATH_PHB, 0 },
    { "ws2-bridge-3090", 0, 1, FAB_PATH_PHB, 4 },
};

static FabTopology *
load(const char *id)
{
    g_autoptr(GError) error = NULL;
    FabTopology *machine = fab_machine_load(id, NULL, &error);

    ck_assert_msg(machine != NULL, "%s: %s", id, error != NULL ? error->message : "no message");
    return machine;
}

/* Vertices of a kind, fused ones counted by their devices. */
static uint32_t
count_kind(const FabTopology *machine, FabVertexKind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < machine->vertex_count; i++)
        count += machine->vertices[i].kind == kind ? machine->vertices[i].count : 0;
    return count;
}

/* The link of `medium` at `vertex`, which has exactly one; NULL: none. */
static const FabTopologyLink *
one_link(const FabTopology *machine, FabVertex vertex, FabMedium medium)
{
    const FabTopologyLink *found = NULL;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(machine, vertex, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (machine->links[links[i]].medium != medium)
            continue;
        ck_assert_msg(found == NULL, "%s: %s has two links", machine->name, machine->vertices[vertex].name);
        found = &machine->links[links[i]];
    }
    return found;
}

static uint32_t
nvlinks_at(const FabTopology *machine, FabVertex vertex)
{
    uint32_t lanes = 0, count;
    const uint32_t *links = fab_topology_links_at(machine, vertex, &count);

    for (uint32_t i = 0; i < count; i++)
        lanes += machine->links[links[i]].medium == FAB_MEDIUM_NVLINK ? machine->links[links[i]].lanes : 0;
    return lanes;
}

START_TEST(the_catalogue_is_the_list_of_known_machines)
{
    static const char *const networks[] = { "dragonfly", "fat-tree", "nvl-domain", "rail-optimised", "torus", NULL };
    g_auto(GStrv) names = fab_machine_list();
    size_t known = 0;

    for (guint i = 0; names[i] != NULL; i++) {
        g_autofree char *plugin = NULL;
        ck_assert(fab_machine_describe(names[i], NULL, &plugin, NULL));
        if (g_strv_contains(networks, plugin))
            continue; /* clusters: test-cluster.c */
        ck_assert_uint_lt(known, G_N_ELEMENTS(facts));
        ck_assert_str_eq(names[i], facts[known++].id);
    }
    ck_assert_uint_eq(known, G_N_ELEMENTS(facts));
}
END_TEST

START_TEST(every_machine_has_the_published_number_of_devices)
{
    for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
        g_autoptr(FabTopology) machine = load(facts[i].id);
        ck_assert_msg(machine->gpu_count == facts[i].gpus, "%s: %u GPUs", facts[i].id, machine->gpu_count);
        ck_assert_msg(count_kind(machine, FAB_VERTEX_NVSWITCH) == facts[i].chips, "%s: NVSwitch chips", facts[i].id);
        ck_assert_msg(count_kind(machine, FAB_VERTEX_PCIE_SWITCH) == facts[i].switches, "%s: switches", facts[i].id);
        ck_assert_msg(count_kind(machine, FAB_VERTEX_NIC) == facts[i].nics, "%s: NICs", facts[i].id);
        ck_assert_msg(count_kind(machine, FAB_VERTEX_CPU) == facts[i].numa_nodes, "%s: NUMA nodes", facts[i].id);
        for (uint32_t gpu = 0; gpu < machine->gpu_count; gpu++) {
            g_autofree char *name = g_strdup_printf("GPU %u", gpu);
            ck_assert_str_eq(machine->vertices[machine->gpus[gpu]].name, name);
        }
    }
}
END_TEST

START_TEST(every_gpu_has_the_published_links)
{
    static const double lane_rates[] = { 0, 0.25, 0.5, 0.9846, 1.9692, 3.9385, 7.375 }; /* GB/s, after coding */

    for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
        g_autoptr(FabTopology) machine = load(facts[i].id);
        for (uint32_t gpu = 0; gpu < machine->gpu_count; gpu++) {
            const FabTopologyLink *link = one_link(machine, machine->gpus[gpu], FAB_MEDIUM_PCIE);
            uint32_t nvlinks = nvlinks_at(machine, machine->gpus[gpu]);
            ck_assert_msg(nvlinks == facts[i].nvlinks, "%s: GPU %u has %u NVLinks", facts[i].id, gpu, nvlinks);
            ck_assert_msg((link == NULL) == (facts[i].lanes == 0), "%s: GPU %u and PCIe", facts[i].id, gpu);
            if (link == NULL) {
                ck_assert(machine->shared != FAB_VERTEX_NONE ||
                          one_link(machine, machine->gpus[gpu], FAB_MEDIUM_C2C) != NULL);
                continue;
            }
            ck_assert_msg(link->generation == facts[i].generation && link->lanes == facts[i].lanes,
                          "%s: GPU %u has %s", facts[i].id, gpu, link->label);
            ck_assert_double_eq_tol(link->bandwidth / 1e9, lane_rates[link->generation] * link->lanes, 0.01);
        }
    }
}
END_TEST

START_TEST(nvlinks_have_the_rate_of_their_generation)
{
    for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
        g_autoptr(FabTopology) machine = load(facts[i].id);
        for (uint32_t l = 0; l < machine->link_count; l++) {
            const FabTopologyLink *link = &machine->links[l];
            double each = link->bandwidth / link->lanes / 1e9;
            if (link->medium != FAB_MEDIUM_NVLINK)
                continue;
            if (g_str_has_prefix(facts[i].id, "ws2-bridge-3090") || g_str_has_prefix(facts[i].id, "ws2-bridge-a6000"))
                ck_assert_double_eq_tol(each, 14.0625, 1e-6);
            else if (link->generation == 1)
                ck_assert_double_eq_tol(each, 20, 1e-6);
            else
                ck_assert_double_eq_tol(each, link->generation >= 5 ? 50 : 25, 1e-6);
        }
    }
}
END_TEST

START_TEST(sockets_are_joined_at_the_published_rate)
{
    for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
        g_autoptr(FabTopology) machine = load(facts[i].id);
        uint32_t found = 0;
        for (uint32_t l = 0; l < machine->link_count; l++) {
            const FabTopologyLink *link = &machine->links[l];
            const FabTopologyVertex *a = &machine->vertices[link->a], *b = &machine->vertices[link->b];
            if (link->medium != FAB_MEDIUM_SOCKET || a->socket == b->socket)
                continue;
            found++;
            ck_assert_int_eq(a->box, b->box);
            if (facts[i].socket_rate > 0)
                ck_assert_double_eq_tol(link->bandwidth / 1e9, facts[i].socket_rate, 0.2);
        }
        ck_assert_msg(facts[i].socket_rate == 0 || found == 1, "%s: %u socket links", facts[i].id, found);
    }
}
END_TEST

START_TEST(pairs_of_gpus_have_the_distance_that_the_driver_prints)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autoptr(FabTopology) machine = load(pairs[i].id);
        FabVertex a = machine->gpus[pairs[i].a], b = machine->gpus[pairs[i].b];
        FabPathClass class = fab_path_class(machine, a, b);
        ck_assert_msg(class == pairs[i].class, "%s: GPU %u - GPU %u is %s, not %s", pairs[i].id, pairs[i].a,
                      pairs[i].b, fab_path_class_name(class), fab_path_class_name(pairs[i].class));
        ck_assert_msg(fab_path_nvlinks(machine, a, b) == pairs[i].nvlinks, "%s: GPU %u - GPU %u has NV%u", pairs[i].id,
                      pairs[i].a, pairs[i].b, fab_path_nvlinks(machine, a, b));
    }
}
END_TEST

/* NIC `nic` as GPU `gpu` sees it. */
static FabPathClass
nic_class(const FabTopology *machine, uint32_t gpu, uint32_t nic)
{
    for (uint32_t i = 0; i < machine->vertex_count; i++) {
        if (machine->vertices[i].kind == FAB_VERTEX_NIC && machine->vertices[i].number == nic)
            return fab_path_class(machine, machine->gpus[gpu], i);
    }
    return FAB_PATH_NONE;
}

START_TEST(nics_lie_beside_their_gpus)
{
    g_autoptr(FabTopology) a100 = load("dgx-a100"), h100 = load("dgx-h100"), cube = load("dgx-1v");
    g_autoptr(FabTopology) rack = load("gb200-nvl72"), g5 = load("aws-g5.48xl");

    ck_assert_int_eq(nic_class(a100, 0, 1), FAB_PATH_PXB);
    ck_assert_int_eq(nic_class(a100, 0, 2), FAB_PATH_SYS);
    for (uint32_t gpu = 0; gpu < 8; gpu++)
        ck_assert_int_eq(nic_class(h100, gpu, gpu), FAB_PATH_PIX);
    ck_assert_int_eq(nic_class(h100, 0, 1), FAB_PATH_NODE);
    ck_assert_int_eq(nic_class(cube, 3, 1), FAB_PATH_PIX);
    ck_assert_int_eq(nic_class(cube, 3, 0), FAB_PATH_PHB);
    ck_assert_int_eq(nic_class(cube, 3, 2), FAB_PATH_SYS);
    ck_assert_int_eq(nic_class(rack, 4, 4), FAB_PATH_SYS); /* as drivers print it across C2C */
    ck_assert_int_eq(nic_class(rack, 4, 0), FAB_PATH_NONE);
    ck_assert_int_eq(nic_class(g5, 4, 0), FAB_PATH_NODE);
    ck_assert_int_eq(nic_class(g5, 0, 0), FAB_PATH_SYS);
}
END_TEST

START_TEST(a_rack_has_trays_and_one_switch_for_all)
{
    g_autoptr(FabTopology) rack = load("gb200-nvl72");

    for (uint32_t gpu = 0; gpu < rack->gpu_count; gpu++) {
        const FabTopologyVertex *vertex = &rack->vertices[rack->gpus[gpu]];
        const FabTopologyLink *c2c = one_link(rack, rack->gpus[gpu], FAB_MEDIUM_C2C);
        const FabTopologyVertex *cpu = &rack->vertices[c2c->a];
        ck_assert_int_eq(vertex->box, (int32_t)gpu / 4);
        ck_assert_int_eq(cpu->box, vertex->box);
        ck_assert_uint_eq(cpu->number, gpu / 2); /* GPU g on Grace g/2 */
        ck_assert_double_eq(c2c->bandwidth, 225e9);
    }
    for (uint32_t i = 0; i < rack->vertex_count; i++) {
        if (rack->vertices[i].kind == FAB_VERTEX_NVSWITCH)
            ck_assert_uint_eq(rack->vertices[i].flags & FAB_VERTEX_MULTICAST, FAB_VERTEX_MULTICAST);
    }
}
END_TEST

START_TEST(two_boards_are_joined_by_48_links)
{
    g_autoptr(FabTopology) machine = load("dgx-2");
    uint32_t trunks = 0;

    for (uint32_t l = 0; l < machine->link_count; l++) {
        const FabTopologyLink *link = &machine->links[l];
        if (machine->vertices[link->a].kind != FAB_VERTEX_NVSWITCH
            || machine->vertices[link->b].kind != FAB_VERTEX_NVSWITCH)
            continue;
        trunks++;
        ck_assert_uint_eq(link->lanes, 48);
        ck_assert_double_eq(link->bandwidth, 48 * 25e9); /* half of the published 2.4 TB/s of both directions */
        ck_assert_uint_eq(machine->vertices[link->a].flags & FAB_VERTEX_MULTICAST, 0);
    }
    ck_assert_uint_eq(trunks, 1);
}
END_TEST

START_TEST(peer_access_follows_the_stock_driver)
{
    g_autoptr(FabTopology) geforce = load("epyc4-4090"), pro = load("turin-direct-8");
    g_autoptr(FabTopology) desk = load("gh200-2-desk");

    ck_assert(!fab_topology_peer_access(geforce, geforce->gpus[0], geforce->gpus[3]));
    ck_assert(fab_topology_peer_access(pro, pro->gpus[0], pro->gpus[7]));
    ck_assert(!fab_topology_peer_access(desk, desk->gpus[0], desk->gpus[1]));
}
END_TEST

START_TEST(measured_limits_of_the_broadcom_box_are_there)
{
    g_autoptr(FabTopology) box = load("asus-esc8000a-e13p");
    uint32_t inside = 0;

    for (uint32_t i = 0; i < box->vertex_count; i++) {
        const FabTopologyVertex *vertex = &box->vertices[i];
        if (vertex->kind == FAB_VERTEX_HOST_BRIDGE)
            ck_assert_double_eq_tol(vertex->peer_limit / 1e9, 39, 1.3); /* 37.7 to 40.3 measured */
        if (vertex->kind == FAB_VERTEX_PCIE_SWITCH)
            ck_assert_uint_eq(vertex->flags, FAB_VERTEX_WRITE_COLLAPSE);
    }
    for (uint32_t l = 0; l < box->link_count; l++) {
        const FabTopologyLink *link = &box->links[l];
        if (box->vertices[link->a].kind == FAB_VERTEX_PCIE_SWITCH
            && box->vertices[link->b].kind == FAB_VERTEX_PCIE_SWITCH) {
            inside++;
            ck_assert_double_eq(link->bandwidth, 53e9);
        }
    }
    ck_assert_uint_eq(inside, 2);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("catalogue");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_catalogue_is_the_list_of_known_machines);
    tcase_add_test(tests, every_machine_has_the_published_number_of_devices);
    tcase_add_test(tests, every_gpu_has_the_published_links);
    tcase_add_test(tests, nvlinks_have_the_rate_of_their_generation);
    tcase_add_test(tests, sockets_are_joined_at_the_published_rate);
    tcase_add_test(tests, pairs_of_gpus_have_the_distance_that_the_driver_prints);
    tcase_add_test(tests, nics_lie_beside_their_gpus);
    tcase_add_test(tests, a_rack_has_trays_and_one_switch_for_all);
    tcase_add_test(tests, two_boards_are_joined_by_48_links);
    tcase_add_test(tests, peer_access_follows_the_stock_driver);
    tcase_add_test(tests, measured_limits_of_the_broadcom_box_are_there);
    return run_tests(tests);
}
