#include "topology/route.h"

#include <check.h>
#include <math.h>

#include "base/error.h"
#include "fabric.h"
#include "suite.h"

/* Two switches on one host bridge, a second bridge in the same NUMA node, a second node. */
#define TREE                                                                                                         \
    "g0-s0:pcie:32 g1-s0:pcie:32 s0-h0:pcie:32 g2-s1:pcie:32 s1-h0:pcie:32 h0-c0:internal:64 g3-h1:pcie:32 "         \
    "h1-c0:internal:64 g4-h2:pcie:32 h2-c1:internal:64 c0-c1:socket:20 n0-s0:pcie:32"

static const FabRouteRules near_rules = { .peer_level = FAB_PATH_PXB, .nvlink = true };
static const FabRouteRules far_rules = { .peer_level = FAB_PATH_SYS, .nvlink = true };
static const FabRouteRules staged_rules = { .peer_level = FAB_PATH_SELF, .nvlink = false };

/* "GPU 0 > GPU 1 x1; GPU 1 > GPU 0 x0.5; 200 ns" */
static char *
format_route(const FabTopology *topology, const FabRoute *route)
{
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < route->count; i++)
        g_string_append_printf(text, "%s x%g; ", topology->resources[route->uses[i].resource].name,
                               route->uses[i].weight);
    g_string_append_printf(text, "%" G_GINT64_FORMAT " ns", (gint64)(route->latency_ps / 1000));
    return g_string_free(text, FALSE);
}

static void
assert_route(FabRouter *router, const FabRoute *route, const char *expected)
{
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(route);
    text = format_route(fab_router_topology(router), route);
    ck_assert_str_eq(text, expected);
}

static void
assert_push(FabRouter *router, uint32_t a, uint32_t b, const char *expected)
{
    g_autoptr(GError) error = NULL;
    const FabRoute *route = fab_router_push(router, a, b, &error);

    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
    assert_route(router, route, expected);
}

static void
assert_pull(FabRouter *router, uint32_t a, uint32_t b, const char *expected)
{
    assert_route(router, fab_router_pull(router, a, b, NULL), expected);
}

static FabPathClass
class_between(const FabTopology *topology, uint32_t a, uint32_t b)
{
    FabPathClass class = fab_path_class(topology, topology->gpus[a], topology->gpus[b]);

    ck_assert_int_eq(class, fab_path_class(topology, topology->gpus[b], topology->gpus[a]));
    return class;
}

START_TEST(classes_name_the_farthest_thing_passed)
{
    g_autoptr(FabTopology) tree = fabric_new(TREE);

    ck_assert_int_eq(class_between(tree, 0, 0), FAB_PATH_SELF);
    ck_assert_int_eq(class_between(tree, 0, 1), FAB_PATH_PIX);
    ck_assert_int_eq(class_between(tree, 0, 2), FAB_PATH_PHB);
    ck_assert_int_eq(class_between(tree, 0, 3), FAB_PATH_NODE);
    ck_assert_int_eq(class_between(tree, 0, 4), FAB_PATH_SYS);
    ck_assert_str_eq(fab_path_class_name(FAB_PATH_NODE), "NODE");
}
END_TEST

START_TEST(partitions_of_a_switch_are_classed_by_the_tree_but_data_goes_inside)
{
    g_autoptr(FabTopology) box =
        fabric_new("g0-s0:pcie:32 g1-s1:pcie:32 s0-s1:internal:40 s0-h0:pcie:32 s1-h0:pcie:32 h0-c0:internal:64");
    g_autoptr(FabTopology) bare = fabric_new("g0-s0:pcie:32 g1-s1:pcie:32 s0-s1:internal:32");
    g_autoptr(FabRouter) router = fab_router_new(box, &far_rules);

    ck_assert_int_eq(class_between(box, 0, 1), FAB_PATH_PHB);
    ck_assert_int_eq(class_between(bare, 0, 1), FAB_PATH_PXB);
    assert_push(router, 0, 1,
                "GPU 0 > PCIe switch 0 x1; PCIe switch 0 > GPU 0 x0.5; GPU 1 > PCIe switch 1 x0.5; "
                "PCIe switch 1 > GPU 1 x1; PCIe switch 0 > PCIe switch 1 x1; GPU 0 host port x0.98; 450 ns");
}
END_TEST

START_TEST(classes_ignore_nvlink_and_do_not_pass_through_gpus)
{
    g_autoptr(FabTopology) box = fabric_new("g0-g1:nvlink:50 g0-h0:pcie:32 g1-h1:pcie:32 h0-c0:internal:64 "
                                            "h1-c1:internal:64 c0-c1:socket:20 g2-g0:pcie:32 g2-g1:pcie:32");

    ck_assert_int_eq(class_between(box, 0, 1), FAB_PATH_SYS);
}
END_TEST

START_TEST(gpus_on_coherent_links_are_far_apart)
{
    g_autoptr(FabTopology) grace = fabric_new("g0-c0:c2c:450 g1-c0:c2c:450");

    ck_assert_int_eq(class_between(grace, 0, 1), FAB_PATH_SYS);
}
END_TEST

START_TEST(a_network_is_a_class_of_its_own_and_nvlink_alone_is_none)
{
    g_autoptr(FabTopology) boxes = fabric_new("g0-n0:pcie:32 n0-w0:network:50 w0-n1:network:50 n1-g1:pcie:32 "
                                              "g1-g2:nvlink:50");

    ck_assert_int_eq(class_between(boxes, 0, 1), FAB_PATH_NET);
    ck_assert_int_eq(class_between(boxes, 1, 2), FAB_PATH_NONE);
}
END_TEST

START_TEST(nvlinks_are_counted_directly_and_through_switches)
{
    g_autoptr(FabTopology) mesh = fabric_new("g0-g1:nvlink:50x2 g1-g2:nvlink:25x1 g2-g3:nvlink:25 g2-g3:nvlink:25");
    g_autoptr(FabTopology) box = fabric_new("g0-v0:nvlink:450x18 g1-v0:nvlink:450x18 g2-v1:nvlink:300x12 "
                                            "v0-v1:nvlink:1000x48 g0-g1:pcie:32");

    ck_assert_uint_eq(fab_path_nvlinks(mesh, mesh->gpus[0], mesh->gpus[1]), 2);
    ck_assert_uint_eq(fab_path_nvlinks(mesh, mesh->gpus[0], mesh->gpus[2]), 0);
    ck_assert_uint_eq(fab_path_nvlinks(mesh, mesh->gpus[2], mesh->gpus[3]), 2);
    ck_assert_uint_eq(fab_path_nvlinks(mesh, mesh->gpus[2], mesh->gpus[2]), 0);
    ck_assert_uint_eq(fab_path_nvlinks(box, box->gpus[0], box->gpus[1]), 18);
    ck_assert_uint_eq(fab_path_nvlinks(box, box->gpus[0], box->gpus[2]), 12);
}
END_TEST

START_TEST(nvlink_routes_use_every_link_on_the_way)
{
    g_autoptr(FabTopology) box = fabric_new("g0-v0:nvlink:450 g1-v0:nvlink:450 g2-v1:nvlink:450 v0-v1:nvlink:900");
    g_autoptr(FabRouter) router = fab_router_new(box, &near_rules);

    ck_assert_int_eq(fab_router_transport(router, 0, 1), FAB_TRANSPORT_NVLINK);
    assert_push(router, 0, 1, "GPU 0 > NVSwitch 0 x1; NVSwitch 0 > GPU 1 x1; 200 ns");
    assert_push(router, 1, 0, "NVSwitch 0 > GPU 0 x1; GPU 1 > NVSwitch 0 x1; 200 ns");
    assert_push(router, 2, 0, "NVSwitch 0 > GPU 0 x1; GPU 2 > NVSwitch 1 x1; NVSwitch 1 > NVSwitch 0 x1; 300 ns");
    assert_pull(router, 0, 1, "0 ns");
    assert_push(router, 1, 1, "0 ns");
    ck_assert_double_eq(fab_route_bandwidth(box, fab_router_push(router, 0, 1, NULL)), 450e9);
    ck_assert(isinf(fab_route_bandwidth(box, fab_router_pull(router, 0, 1, NULL))));
}
END_TEST

START_TEST(parallel_nvlinks_share_by_capacity)
{
    g_autoptr(FabTopology) pair = fabric_new("g0-g1:nvlink:75 g0-g1:nvlink:25");
    g_autoptr(FabTopology) box =
        fabric_new("g0-v0:nvlink:25 g0-v1:nvlink:25 g1-v0:nvlink:25 g1-v1:nvlink:25");
    g_autoptr(FabRouter) direct = fab_router_new(pair, &near_rules), striped = fab_router_new(box, &near_rules);

    assert_push(direct, 0, 1, "GPU 0 > GPU 1 x0.75; GPU 0 > GPU 1 x0.25; 100 ns");
    ck_assert_double_eq(fab_route_bandwidth(pair, fab_router_push(direct, 0, 1, NULL)), 100e9);
    assert_push(striped, 0, 1,
                "GPU 0 > NVSwitch 0 x0.5; GPU 0 > NVSwitch 1 x0.5; NVSwitch 0 > GPU 1 x0.5; NVSwitch 1 > GPU 1 x0.5; "
                "200 ns");
    ck_assert_uint_eq(fab_path_nvlinks(box, box->gpus[0], box->gpus[1]), 2);
}
END_TEST

START_TEST(peer_routes_carry_reverse_traffic_and_peer_limits)
{
    g_autoptr(FabTopology) tree = fabric_new(TREE " h0=peer:20 s0=peer:100");
    g_autoptr(FabRouter) router = fab_router_new(tree, &far_rules);

    ck_assert_int_eq(fab_router_transport(router, 0, 2), FAB_TRANSPORT_PEER);
    assert_push(router, 0, 1,
                "GPU 0 > PCIe switch 0 x1; PCIe switch 0 > GPU 0 x0.5; GPU 1 > PCIe switch 0 x0.5; "
                "PCIe switch 0 > GPU 1 x1; PCIe switch 0 peer traffic x1; GPU 0 host port x0.98; 400 ns");
    assert_push(router, 0, 2,
                "GPU 0 > PCIe switch 0 x1; PCIe switch 0 > GPU 0 x0.5; PCIe switch 0 > host bridge 0 x1; "
                "host bridge 0 > PCIe switch 0 x0.5; GPU 2 > PCIe switch 1 x0.5; PCIe switch 1 > GPU 2 x1; "
                "PCIe switch 1 > host bridge 0 x0.5; host bridge 0 > PCIe switch 1 x1; PCIe switch 0 peer traffic x1; "
                "host bridge 0 peer traffic x1; GPU 0 host port x0.98; 800 ns");
    ck_assert_double_eq(fab_route_bandwidth(tree, fab_router_push(router, 0, 2, NULL)), 20e9);
    assert_pull(router, 0, 2, "0 ns");
}
END_TEST

START_TEST(access_control_sends_peers_up_to_the_host_bridge)
{
    g_autoptr(FabTopology) box = fabric_new("g0-s0:pcie:32 g1-s0:pcie:32 s0-h0:pcie:32 h0-c0:internal:64 s0=acs");
    g_autoptr(FabRouter) router = fab_router_new(box, &near_rules);

    ck_assert_int_eq(class_between(box, 0, 1), FAB_PATH_PIX);
    ck_assert_int_eq(fab_router_transport(router, 0, 1), FAB_TRANSPORT_PEER);
    assert_push(router, 0, 1,
                "GPU 0 > PCIe switch 0 x1; PCIe switch 0 > GPU 0 x0.5; GPU 1 > PCIe switch 0 x0.5; "
                "PCIe switch 0 > GPU 1 x1; PCIe switch 0 > host bridge 0 x1.5; host bridge 0 > PCIe switch 0 x1.5; "
                "GPU 0 host port x0.98; 800 ns");
}
END_TEST

START_TEST(staged_routes_meet_in_the_receivers_memory)
{
    g_autoptr(FabTopology) tree = fabric_new(TREE " c1=memory:100");
    g_autoptr(FabRouter) router = fab_router_new(tree, &near_rules);

    ck_assert_int_eq(fab_router_transport(router, 3, 4), FAB_TRANSPORT_STAGED);
    assert_push(router, 3, 4,
                "GPU 3 > host bridge 1 x1; host bridge 1 > CPU 0 x1; CPU 0 > CPU 1 x1; CPU 1 memory x1; "
                "GPU 3 host port x1; 300 ns");
    assert_pull(router, 3, 4, "host bridge 2 > GPU 4 x1; CPU 1 > host bridge 2 x1; CPU 1 memory x1; "
                              "GPU 4 host port x1; 250 ns");
    assert_push(router, 4, 3, "GPU 4 > host bridge 2 x1; host bridge 2 > CPU 1 x1; CPU 1 > CPU 0 x1; "
                              "GPU 4 host port x1; 300 ns");
    assert_pull(router, 4, 3, "host bridge 1 > GPU 3 x1; CPU 0 > host bridge 1 x1; GPU 3 host port x1; 250 ns");
}
END_TEST

START_TEST(rules_and_drivers_decide_between_direct_and_staged)
{
    g_autoptr(FabTopology) box =
        fabric_new("g0-s0:pcie:32 g1-s0:pcie:32 g2-s0:pcie:32 s0-h0:pcie:32 h0-c0:internal:64 g0!g1 g0-g2:nvlink:50");
    g_autoptr(FabRouter) router = fab_router_new(box, &near_rules), staged = fab_router_new(box, &staged_rules);

    ck_assert_int_eq(fab_router_transport(router, 0, 1), FAB_TRANSPORT_STAGED);
    ck_assert_int_eq(fab_router_transport(router, 1, 0), FAB_TRANSPORT_STAGED);
    ck_assert_int_eq(fab_router_transport(router, 1, 2), FAB_TRANSPORT_PEER);
    ck_assert_int_eq(fab_router_transport(router, 0, 2), FAB_TRANSPORT_NVLINK);
    ck_assert_int_eq(fab_router_transport(staged, 0, 2), FAB_TRANSPORT_STAGED);
    ck_assert_int_eq(fab_router_transport(staged, 1, 2), FAB_TRANSPORT_STAGED);
    ck_assert_int_eq(fab_router_transport(staged, 1, 1), FAB_TRANSPORT_LOCAL);
}
END_TEST

START_TEST(a_gpu_between_two_others_is_not_used)
{
    g_autoptr(FabTopology) box = fabric_new("g0-g1:nvlink:50 g1-g2:nvlink:50 g0-h0:pcie:32 g1-h0:pcie:32 "
                                            "g2-h0:pcie:32 h0-c0:internal:64");
    g_autoptr(FabRouter) router = fab_router_new(box, &near_rules);

    ck_assert_int_eq(fab_router_transport(router, 0, 1), FAB_TRANSPORT_NVLINK);
    ck_assert_int_eq(fab_router_transport(router, 0, 2), FAB_TRANSPORT_STAGED);
}
END_TEST

START_TEST(equal_routes_are_one_route)
{
    g_autoptr(FabTopology) box = fabric_new("g0-v0:nvlink:450 g1-v0:nvlink:450 g2-v0:nvlink:450");
    g_autoptr(FabRouter) router = fab_router_new(box, &near_rules);
    const FabRoute *a = fab_router_push(router, 0, 1, NULL), *b = fab_router_push(router, 1, 2, NULL);
    const FabRoute *ab[] = { a, b }, *ba[] = { b, a }, *aa[] = { a, a };

    ck_assert_ptr_eq(fab_router_push(router, 0, 1, NULL), a);
    ck_assert_ptr_eq(fab_router_pull(router, 0, 1, NULL), fab_router_pull(router, 2, 1, NULL));
    ck_assert_ptr_eq(fab_router_union(router, ab, 2), fab_router_union(router, ba, 2));
    ck_assert_ptr_eq(fab_router_union(router, aa, 1), a);
    assert_route(router, fab_router_union(router, aa, 2), "GPU 0 > NVSwitch 0 x2; NVSwitch 0 > GPU 1 x2; 200 ns");
    assert_route(router, fab_router_union(router, NULL, 0), "0 ns");
    ck_assert_uint_eq(a->id, 0);
    ck_assert_uint_eq(b->id, 1);
}
END_TEST

START_TEST(multicast_uses_every_port_both_ways)
{
    g_autoptr(FabTopology) box =
        fabric_new("g0-v0:nvlink:450 g1-v0:nvlink:450 g2-v0:nvlink:450 v0=multicast g3-g0:nvlink:50");
    g_autoptr(FabRouter) router = fab_router_new(box, &near_rules);
    const uint32_t all[] = { 0, 2 };

    assert_route(router, fab_router_multicast(router, all, 2, 1.5, NULL),
                 "GPU 0 > NVSwitch 0 x1.5; NVSwitch 0 > GPU 0 x1.5; GPU 2 > NVSwitch 0 x1.5; NVSwitch 0 > GPU 2 x1.5; "
                 "200 ns");
}
END_TEST

START_TEST(multicast_needs_a_switch_that_can_and_reaches_all)
{
    g_autoptr(FabTopology) plain = fabric_new("g0-v0:nvlink:450 g1-v0:nvlink:450");
    g_autoptr(FabTopology) some = fabric_new("g0-v0:nvlink:450 g1-v0:nvlink:450 v0=multicast g2-g0:pcie:32");
    g_autoptr(FabRouter) without = fab_router_new(plain, &near_rules), router = fab_router_new(some, &near_rules);
    g_autoptr(FabRouter) hidden = fab_router_new(some, &staged_rules);
    const uint32_t gpus[] = { 0, 1, 2 };
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_router_multicast(without, gpus, 2, 1, &error));
    ck_assert_str_eq(error->message, "test: no NVSwitch with in-switch reduction joins these 2 GPUs; choose another "
                                     "algorithm than nvls");
    ck_assert_ptr_null(fab_router_multicast(router, gpus, 3, 1, NULL));
    ck_assert_ptr_null(fab_router_multicast(hidden, gpus, 2, 1, NULL));
    ck_assert_ptr_nonnull(fab_router_multicast(router, gpus, 2, 1, NULL));
}
END_TEST

static void
assert_unreachable(const char *text, const FabRouteRules *rules, const char *message)
{
    g_autoptr(FabTopology) topology = fabric_new(text);
    g_autoptr(FabRouter) router = fab_router_new(topology, rules);
    g_autoptr(GError) error = NULL, second = NULL;

    ck_assert_ptr_null(fab_router_push(router, 0, 1, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
    ck_assert_str_eq(error->message, message);
    ck_assert_ptr_null(fab_router_pull(router, 0, 1, &second));
    ck_assert_str_eq(second->message, message);
    ck_assert_ptr_null(fab_router_push(router, 0, 1, NULL));
}

START_TEST(a_gpu_out_of_reach_is_an_error_that_names_both)
{
    assert_unreachable("g0-g1:nvlink:50", &staged_rules,
                       "test: GPU 0 cannot reach GPU 1: no PCIe or socket link joins them; allow NVLink, which joins "
                       "them");
    assert_unreachable("g0-n0:pcie:32 n0-n1:network:50 n1-g1:pcie:32", &far_rules,
                       "test: GPU 0 cannot reach GPU 1: only a network joins them; choose GPUs of one machine, or add "
                       "the missing links");
    assert_unreachable("g0-s0:pcie:32 g1-s0:pcie:32", &staged_rules,
                       "test: GPU 0 cannot reach GPU 1: there is no CPU through whose memory data could pass; allow "
                       "direct PCIe transfers between them, or add a CPU vertex");
}
END_TEST

START_TEST(equally_short_ways_fall_to_the_lowest_vertices)
{
    g_autoptr(FabTopology) diamond = fabric_new("g0-s0:pcie:32 g1-s3:pcie:32 s0-s2:pcie:8 s2-s3:pcie:8 s0-s1:pcie:16 "
                                                "s1-s3:pcie:16");
    g_autoptr(FabRouter) router = fab_router_new(diamond, &near_rules);

    /* Vertices in order of mention: GPU 0, s0, GPU 1, s3, s2, s1. */
    ck_assert_double_eq(fab_route_bandwidth(diamond, fab_router_push(router, 0, 1, NULL)), 8e9);
    ck_assert_double_eq(fab_route_bandwidth(diamond, fab_router_push(router, 1, 0, NULL)), 8e9);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("route");

    tcase_add_test(tests, classes_name_the_farthest_thing_passed);
    tcase_add_test(tests, partitions_of_a_switch_are_classed_by_the_tree_but_data_goes_inside);
    tcase_add_test(tests, classes_ignore_nvlink_and_do_not_pass_through_gpus);
    tcase_add_test(tests, gpus_on_coherent_links_are_far_apart);
    tcase_add_test(tests, a_network_is_a_class_of_its_own_and_nvlink_alone_is_none);
    tcase_add_test(tests, nvlinks_are_counted_directly_and_through_switches);
    tcase_add_test(tests, nvlink_routes_use_every_link_on_the_way);
    tcase_add_test(tests, parallel_nvlinks_share_by_capacity);
    tcase_add_test(tests, peer_routes_carry_reverse_traffic_and_peer_limits);
    tcase_add_test(tests, access_control_sends_peers_up_to_the_host_bridge);
    tcase_add_test(tests, staged_routes_meet_in_the_receivers_memory);
    tcase_add_test(tests, rules_and_drivers_decide_between_direct_and_staged);
    tcase_add_test(tests, a_gpu_between_two_others_is_not_used);
    tcase_add_test(tests, equal_routes_are_one_route);
    tcase_add_test(tests, multicast_uses_every_port_both_ways);
    tcase_add_test(tests, multicast_needs_a_switch_that_can_and_reaches_all);
    tcase_add_test(tests, a_gpu_out_of_reach_is_an_error_that_names_both);
    tcase_add_test(tests, equally_short_ways_fall_to_the_lowest_vertices);
    return run_tests(tests);
}
