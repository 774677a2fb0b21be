/* Ways between the nodes of a cluster: NICs, rails, routing, and what is down. */
#include <check.h>
#include <string.h>

#include "plugin-build.h"
#include "suite.h"
#include "topology/route.h"

static uint32_t
count_kind(const FabTopology *topology, FabVertexKind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < topology->vertex_count; i++)
        count += topology->vertices[i].kind == kind;
    return count;
}

static FabRouter *
router_of(const FabTopology *topology)
{
    return fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
}

/* The share of the flow that passes vertices whose name begins like this: outwards over links that start there. */
static double
share_through(const FabTopology *topology, const FabRoute *route, const char *start)
{
    double share = 0;

    for (uint32_t i = 0; i < route->count; i++) {
        const FabResource *resource = &topology->resources[route->uses[i].resource];
        if (resource->kind == FAB_RESOURCE_LINK && g_str_has_prefix(resource->name, start))
            share += route->uses[i].weight;
    }
    return share;
}

static const FabRoute *
push(FabRouter *router, uint32_t a, uint32_t b, uint32_t flow)
{
    g_autoptr(GError) error = NULL;
    const FabRoute *route = fab_router_push_flow(router, a, b, flow, &error);

    ck_assert_msg(route != NULL, "%s", error != NULL ? error->message : "");
    return route;
}

START_TEST(gpus_of_one_rail_meet_at_their_leaf)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=4");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *route = push(router, 3, 11, 0);

    ck_assert_int_eq(fab_router_transport(router, 3, 11), FAB_TRANSPORT_NETWORK);
    ck_assert_double_eq(share_through(topology, route, "Node 0 NIC 3 > Leaf 3"), 1);
    ck_assert_double_eq(share_through(topology, route, "Leaf 3 > Node 1 NIC 3"), 1);
    ck_assert_double_eq(share_through(topology, route, "Leaf 3 > Spine"), 0);
    ck_assert_double_eq_tol(fab_route_bandwidth(topology, route), 48e9, 1e6); /* the NIC binds, not PCIe */
    ck_assert_uint_eq(fab_router_pull(router, 3, 11, NULL)->count, 0);
    /* two NICs, two PCIe links at each end, one switch, two cables */
    ck_assert_int_eq(route->latency_ps, 2 * (200000 + 50000 + 100000) + 4 * 250000);
}
END_TEST

START_TEST(pxn_changes_the_rail_over_nvlink)
{
    g_autoptr(FabTopology) with = build("rail-optimised", "node=dgx-h100|nodes=4");
    g_autoptr(FabTopology) without = build("rail-optimised", "node=dgx-h100|nodes=4|pxn=off");
    g_autoptr(FabRouter) a = router_of(with), b = router_of(without);
    const FabRoute *relayed = push(a, 0, 13, 0), *crossed = push(b, 0, 13, 0);

    ck_assert_double_eq(share_through(with, relayed, "Node 0 GPU 0 > Node 0 NVSwitch"), 1);
    ck_assert_double_eq(share_through(with, relayed, "Node 0 NIC 5 > Leaf 5"), 1);
    ck_assert_double_eq(share_through(with, relayed, "Spine"), 0);
    ck_assert_double_eq(share_through(without, crossed, "Node 0 GPU 0 > Node 0 NVSwitch"), 0);
    ck_assert_double_eq(share_through(without, crossed, "Node 0 NIC 0 > Leaf 0"), 1);
    ck_assert_double_eq(share_through(without, crossed, "Spine"), 1);
}
END_TEST

START_TEST(spraying_uses_all_spines_evenly)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=32|pxn=off|routing=spray");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *route = push(router, 0, 13, 0);

    ck_assert_double_eq_tol(share_through(topology, route, "Spine"), 1, 1e-9);
    ck_assert_double_eq_tol(share_through(topology, route, "Leaf 0 > Spine 2"), 0.25, 1e-9);
    for (uint32_t i = 0; i < route->count; i++) { /* 32 cables up, 32 down */
        if (g_str_has_prefix(topology->resources[route->uses[i].resource].name, "Leaf 0 > Spine"))
            ck_assert_double_eq_tol(route->uses[i].weight, 1.0 / 32, 1e-9);
    }
    ck_assert_ptr_eq(route, push(router, 0, 13, 7));
}
END_TEST

/* NICs below two leaves share what was found between these, but for their own cables. */
START_TEST(sprayed_ways_do_not_depend_on_which_were_asked_for_before)
{
    static const char *const machines[] = {
        "node=dgx-h100|nodes=32|levels=3|radix=16|routing=spray",
        "node=dgx-h100|nodes=6|radix=16|routing=spray|down=Node 1 NIC 1|down_rate=0.5",
    };
    static const uint32_t pairs[][2] = { { 0, 9 }, { 1, 10 }, { 2, 9 }, { 0, 8 }, { 9, 0 }, { 0, 32 }, { 1, 33 } };

    for (size_t m = 0; m < G_N_ELEMENTS(machines); m++) {
        g_autoptr(FabTopology) topology = build("fat-tree", machines[m]);
        g_autoptr(FabRouter) all = router_of(topology);
        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
            g_autoptr(FabRouter) fresh = router_of(topology);
            const FabRoute *kept = push(all, pairs[i][0], pairs[i][1], 0);
            const FabRoute *found = push(fresh, pairs[i][0], pairs[i][1], 0);
            ck_assert_int_eq(kept->latency_ps, found->latency_ps);
            ck_assert_uint_eq(kept->count, found->count);
            ck_assert_mem_eq(kept->uses, found->uses, found->count * sizeof *found->uses);
        }
    }
}
END_TEST

/* The most of `flows` flows that share a cable from leaf 0 upwards. */
static uint32_t
collisions(const char *settings, uint32_t flows)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", settings);
    g_autoptr(FabRouter) router = router_of(topology);
    g_autofree uint32_t *count = g_new0(uint32_t, topology->resource_count);
    uint32_t most = 0;

    for (uint32_t flow = 0; flow < flows; flow++) {
        const FabRoute *route = push(router, 8 * flow, 8 * ((flow + 1) % flows) + 1, flow);
        for (uint32_t i = 0; i < route->count; i++) {
            uint32_t resource = route->uses[i].resource;
            count[resource] += g_str_has_prefix(topology->resources[resource].name, "Leaf 0 > Spine");
            most = MAX(most, count[resource]);
        }
    }
    return most;
}

START_TEST(hashed_flows_collide_and_placed_ones_do_not)
{
    uint32_t worst = 0;

    for (int seed = 0; seed < 8; seed++) {
        g_autofree char *settings = g_strdup_printf("node=dgx-h100|nodes=32|pxn=off|seed=%d", seed);
        uint32_t met = collisions(settings, 32);
        worst = MAX(worst, met);
    }
    ck_assert_uint_gt(worst, 2); /* 32 flows at random over 32 cables: three or more meet nearly always */
    ck_assert_uint_eq(collisions("node=dgx-h100|nodes=32|pxn=off|routing=adaptive", 32), 1);
}
END_TEST

/* The largest share of flows that one cable upwards from leaf 0 carries, with this many queue pairs. */
static double
heaviest(const char *settings, uint32_t queue_pairs)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", settings);
    FabRouteRules rules = { .peer_level = FAB_PATH_PXB, .nvlink = true, .queue_pairs = queue_pairs };
    g_autoptr(FabRouter) router = fab_router_new(topology, &rules);
    g_autofree double *load = g_new0(double, topology->resource_count);
    double most = 0, sum = 0;

    for (uint32_t flow = 0; flow < 32; flow++) {
        const FabRoute *route = push(router, 8 * flow, 8 * ((flow + 1) % 32) + 1, flow);
        for (uint32_t i = 0; i < route->count; i++) {
            uint32_t resource = route->uses[i].resource;
            if (!g_str_has_prefix(topology->resources[resource].name, "Leaf 0 > Spine"))
                continue;
            load[resource] += route->uses[i].weight;
            sum += route->uses[i].weight;
            most = MAX(most, load[resource]);
        }
    }
    ck_assert_double_eq_tol(sum, 32, 1e-9); /* nothing is lost and nothing sent twice */
    return most;
}

START_TEST(queue_pairs_even_out_what_hashing_loads_unevenly)
{
    double one = 0, four = 0, sixty_four = 0;

    for (int seed = 0; seed < 8; seed++) {
        g_autofree char *settings = g_strdup_printf("node=dgx-h100|nodes=32|pxn=off|seed=%d", seed);
        ck_assert_double_eq(heaviest(settings, 0), heaviest(settings, 1));
        one += heaviest(settings, 1) / 8;
        four += heaviest(settings, 4) / 8;
        sixty_four += heaviest(settings, 64) / 8;
    }
    ck_assert_double_gt(one, 3); /* 32 balls in 32 bins: 3.5 in the fullest on average */
    ck_assert_double_lt(four, 0.8 * one);
    ck_assert_double_lt(sixty_four, 1.5);
    ck_assert_double_eq_tol(heaviest("node=dgx-h100|nodes=32|pxn=off|routing=adaptive", 4), 1, 1e-9);
    ck_assert_double_eq_tol(heaviest("node=dgx-h100|nodes=32|pxn=off|routing=spray", 4), 1, 1e-9);
}
END_TEST

/* What the cable from switch 0 to switch 1 carries when each of eight GPUs sends to one behind the other switch. */
static double
direct_load(const char *routing)
{
    g_autofree char *settings = g_strdup_printf("node=dgx-a100|nodes=6|groups=1|switches=6|switch_nics=8|%s", routing);
    g_autoptr(FabTopology) topology = build("dragonfly", settings);
    g_autoptr(FabRouter) router = router_of(topology);
    double direct = 0, all = 0, arrived = 0;

    for (uint32_t gpu = 0; gpu < 8; gpu++) {
        const FabRoute *route = push(router, gpu, 8 + gpu, 0);
        g_autofree char *end = g_strdup_printf("Group 0 switch 1 > Node 1 NIC %u", gpu);
        direct += share_through(topology, route, "Group 0 switch 0 > Group 0 switch 1");
        all += share_through(topology, route, "Group 0 switch 0 > Group 0 switch");
        arrived += share_through(topology, route, end);
    }
    ck_assert_double_eq(all, 8);
    ck_assert_double_eq(arrived, 8);
    return direct;
}

START_TEST(detours_go_over_a_third_switch_where_the_direct_cable_is_full)
{
    g_autoptr(FabTopology) topology =
        build("dragonfly", "node=dgx-a100|nodes=6|groups=1|switches=6|switch_nics=8|routing=detours");
    g_autoptr(FabRouter) router = router_of(topology);

    ck_assert_double_eq(direct_load("routing=adaptive"), 8);
    ck_assert_double_eq(direct_load("routing=spray"), 8); /* over the shortest ways only, and there is one */
    ck_assert_double_eq(direct_load("routing=detours"), 4); /* a detour counts twice: 4, and 1 over each other switch */
    ck_assert(!fab_router_is_only_way(router, 0, 8));
}
END_TEST

START_TEST(a_detour_is_not_taken_where_nothing_is_in_the_way)
{
    g_autoptr(FabTopology) topology =
        build("dragonfly", "node=dgx-a100|nodes=6|groups=2|switches=3|switch_nics=8|routing=detours");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *route = push(router, 0, 8, 0);

    ck_assert_double_eq(share_through(topology, route, "Group 0 switch 0 > Group 0 switch 1"), 1);
    ck_assert_uint_gt(push(router, 0, 40, 0)->count, 0); /* into the other group */
    ck_assert(fab_router_is_only_way(router, 0, 1));
}
END_TEST

START_TEST(the_same_seed_draws_the_same_ways)
{
    const char *settings = "node=dgx-h100|nodes=32|pxn=off|seed=3";

    ck_assert_uint_eq(collisions(settings, 32), collisions(settings, 32));
}
END_TEST

START_TEST(a_gpu_alone_with_four_nics_stripes_over_them)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=2|node.gpus=2|node.slots=2|"
                                            "node.switches=2|node.nics_per_node=8|node.nic_gbps=100");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *route = push(router, 0, 2, 0);

    for (int i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("Node 0 NIC %d > Leaf %d", i, i);
        ck_assert_double_eq(share_through(topology, route, name), 0.25);
    }
    ck_assert_double_eq_tol(fab_route_bandwidth(topology, route), 4 * 0.96 * 12.5e9, 1e6);
}
END_TEST

START_TEST(two_gpus_share_two_nics_one_each)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-a100|nodes=2");
    g_autoptr(FabRouter) router = router_of(topology);
    g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);

    for (uint32_t gpu = 0; gpu < 8; gpu++) {
        const FabRoute *route = push(router, gpu, 8 + gpu, 0);
        for (uint32_t i = 0; i < route->count; i++) {
            const char *name = topology->resources[route->uses[i].resource].name;
            if (strstr(name, "> Leaf") != NULL)
                ck_assert_msg(g_hash_table_add(used, (char *)name), "%s carries two GPUs", name);
        }
    }
    ck_assert_uint_eq(g_hash_table_size(used), 8);
}
END_TEST

START_TEST(without_gpudirect_data_passes_host_memory)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=2|gdr=off|"
                                            "node.memory_limit=100 GB/s");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *out = push(router, 3, 11, 0), *in = fab_router_pull(router, 3, 11, NULL);
    uint32_t memory = 0;

    for (uint32_t i = 0; i < out->count; i++)
        memory += topology->resources[out->uses[i].resource].kind == FAB_RESOURCE_MEMORY;
    ck_assert_uint_eq(memory, 2); /* of both nodes */
    ck_assert_uint_gt(in->count, 0);
    ck_assert_double_eq(share_through(topology, in, "Node 1 GPU 3 >"), 0);
}
END_TEST

START_TEST(sockets_pass_a_thread_of_both_gpus)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=2|transport=tcp|thread_rate=4 GB/s");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *out = push(router, 3, 12, 0), *in = fab_router_pull(router, 3, 12, NULL);
    g_autoptr(GString) names = g_string_new(NULL);

    for (uint32_t i = 0; i < out->count; i++) {
        const FabResource *resource = &topology->resources[out->uses[i].resource];
        if (resource->kind != FAB_RESOURCE_THREAD)
            continue;
        ck_assert_double_eq(resource->capacity, 4e9);
        g_string_append_printf(names, "%s,", resource->name);
    }
    ck_assert_str_eq(names->str, "Node 0 GPU 3 socket thread,Node 1 GPU 4 socket thread,");
    ck_assert_uint_gt(in->count, 0); /* out of host memory */
}
END_TEST

START_TEST(what_is_down_is_gone_round)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=32|pxn=off|routing=spray|"
                                            "down=Spine 1, Node 0 NIC 2");
    g_autoptr(FabRouter) router = router_of(topology);
    const FabRoute *across = push(router, 0, 13, 0), *lost = push(router, 2, 10, 0);

    ck_assert_uint_eq(count_kind(topology, FAB_VERTEX_NET_SWITCH), 11);
    ck_assert_double_eq_tol(share_through(topology, across, "Leaf 0 > Spine 2"), 1.0 / 3, 1e-9);
    ck_assert_double_eq(share_through(topology, lost, "Node 0 NIC 2 >"), 0);
    /* GPU 2 takes a NIC of its socket, which it reaches through host memory only. */
    ck_assert_double_eq_tol(share_through(topology, lost, "Spine"), 1, 1e-9);
}
END_TEST

START_TEST(a_nic_at_half_width_carries_half)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=2|down=Node 1 NIC 4|down_rate=0.5");
    g_autoptr(FabRouter) router = router_of(topology);

    ck_assert_double_eq_tol(fab_route_bandwidth(topology, push(router, 4, 12, 0)), 0.96 * 25e9, 1e6);
    ck_assert_double_eq_tol(fab_route_bandwidth(topology, push(router, 3, 11, 0)), 0.96 * 50e9, 1e6);
}
END_TEST

START_TEST(a_rail_that_nothing_joins_is_named)
{
    g_autoptr(FabTopology) topology = build("rail-optimised", "node=dgx-h100|nodes=4|spines=0|pxn=off");
    g_autoptr(FabRouter) router = router_of(topology);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_nonnull(fab_router_push(router, 2, 10, NULL));
    ck_assert_ptr_null(fab_router_push(router, 2, 11, &error));
    ck_assert_msg(strstr(error->message, "Node 0 GPU 2 cannot reach Node 1 GPU 3: no cables lead from Node 0 NIC 2 to "
                         "Node 1 NIC 3; join them by a switch or allow PXN") != NULL, "%s", error->message);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("network");

    tcase_add_test(tests, gpus_of_one_rail_meet_at_their_leaf);
    tcase_add_test(tests, pxn_changes_the_rail_over_nvlink);
    tcase_add_test(tests, spraying_uses_all_spines_evenly);
    tcase_add_test(tests, sprayed_ways_do_not_depend_on_which_were_asked_for_before);
    tcase_add_test(tests, hashed_flows_collide_and_placed_ones_do_not);
    tcase_add_test(tests, queue_pairs_even_out_what_hashing_loads_unevenly);
    tcase_add_test(tests, detours_go_over_a_third_switch_where_the_direct_cable_is_full);
    tcase_add_test(tests, a_detour_is_not_taken_where_nothing_is_in_the_way);
    tcase_add_test(tests, the_same_seed_draws_the_same_ways);
    tcase_add_test(tests, a_gpu_alone_with_four_nics_stripes_over_them);
    tcase_add_test(tests, two_gpus_share_two_nics_one_each);
    tcase_add_test(tests, without_gpudirect_data_passes_host_memory);
    tcase_add_test(tests, sockets_pass_a_thread_of_both_gpus);
    tcase_add_test(tests, what_is_down_is_gone_round);
    tcase_add_test(tests, a_nic_at_half_width_carries_half);
    tcase_add_test(tests, a_rail_that_nothing_joins_is_named);
    return run_tests(tests);
}
