/* Lossless networks: textbook victims with their answers, what must hold under random load, and whole collectives. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/flow.h"
#include "plugin-build.h"
#include "predict/run.h"
#include "scenario/scenario.h"
#include "suite.h"

#define MARK UINT32_C(0x80000000)
#define GB 1e9

enum { CABLES = 64, MOST = 8 };

/* A network by hand: cables in the order in which they are laid, then resources that are none. */
typedef struct {
    double capacity[CABLES];
    FabFlowCable cable[CABLES];
    uint32_t count;
    FabQueue *queue;
    FabFlowSet *flows;
    GPtrArray *routes;
} Net;

/* Vertices are numbers; those from `nics` on are NICs. */
enum { NICS = 20, VERTICES = 64 };

static uint32_t
lay(Net *net, uint32_t from, uint32_t to, double capacity)
{
    net->cable[net->count] = (FabFlowCable) { from, to, to >= NICS };
    net->capacity[net->count] = capacity;
    return net->count++;
}

static uint32_t
lay_other(Net *net, double capacity)
{
    return lay(net, FAB_VERTEX_NONE, 0, capacity);
}

static void
net_start(Net *net, bool lossless)
{
    net->queue = fab_queue_new();
    net->flows = fab_flow_set_new(net->capacity, net->count, net->queue, MARK);
    if (lossless)
        fab_flow_set_cables(net->flows, net->cable, VERTICES);
    net->routes = g_ptr_array_new_with_free_func(g_free);
}

static void
net_clear(Net *net)
{
    fab_flow_set_free(net->flows);
    fab_queue_free(net->queue);
    g_ptr_array_unref(net->routes);
}

/* A way over these cables, one after the other; what is no cable lies before the first or behind the last. */
static const FabRoute *
way(Net *net, uint32_t count, const uint32_t *resources)
{
    FabRoute *route = g_malloc0(sizeof *route + count * sizeof(FabUse));
    uint32_t stage = 0;

    route->id = net->routes->len;
    route->count = count;
    for (uint32_t i = 0; i < count; i++) {
        bool cable = net->cable[resources[i]].from != FAB_VERTEX_NONE;
        stage += cable;
        route->uses[i] = (FabUse) { .resource = resources[i], .weight = 1,
                                     .stage = cable ? stage : stage > 0 ? FAB_STAGE_END : 0 };
    }
    g_ptr_array_add(net->routes, route);
    return route;
}

#define WAY(net, ...)                                                                                                  \
    way(net, sizeof((const uint32_t[]) { __VA_ARGS__ }) / sizeof(uint32_t), (const uint32_t[]) { __VA_ARGS__ })

static void
begin(Net *net, const FabRoute *route, double limit)
{
    fab_flow_start(net->flows, 0, route, 1e9, limit, 0);
}

static void
solve(Net *net)
{
    g_autoptr(GError) error = NULL;

    fab_flow_share(net->flows, 0);
    ck_assert_msg(fab_flow_check(net->flows, &error), "%s", error != NULL ? error->message : "");
}

static void
assert_rate(const Net *net, const FabRoute *route, double rate)
{
    ck_assert_double_eq_tol(fab_flow_rate(net->flows, route), rate, 1);
}

/* ------------------------------------------------------------------ the textbook */

/* Two switches, 0 and 1, with one cable between them. */
typedef struct {
    Net net;
    uint32_t trunk, in_a, in_b, out_r, out_v, port;
    const FabRoute *first, *victim;
} Two;

static void
two_switches(Two *two, uint32_t senders, bool lossless)
{
    Net *net = &two->net;
    uint32_t from[MOST];

    memset(two, 0, sizeof *two);
    two->in_a = lay(net, NICS, 0, 10 * GB);
    two->in_b = lay(net, NICS + 1, 0, 10 * GB);
    two->trunk = lay(net, 0, 1, 10 * GB);
    two->out_r = lay(net, 1, NICS + 2, 10 * GB);
    two->out_v = lay(net, 1, NICS + 3, 10 * GB);
    two->port = lay_other(net, 10 * GB);
    for (uint32_t i = 0; i < senders; i++)
        from[i] = lay(net, NICS + 10 + i, 1, 10 * GB);
    net_start(net, lossless);
    two->first = WAY(net, two->in_a, two->trunk, two->out_r, two->port);
    two->victim = WAY(net, two->in_b, two->trunk, two->out_v);
    begin(net, two->first, INFINITY);
    begin(net, two->victim, INFINITY);
    for (uint32_t i = 0; i < senders; i++)
        begin(net, WAY(net, from[i], two->out_r), INFINITY);
    solve(net);
}

/* n others send to R too: A's flow gets C/(n+1). Ideally B's has what it leaves; lossless it waits behind A's. */
START_TEST(a_victim_is_as_slow_as_what_it_shares_a_cable_with)
{
    double before = INFINITY;

    for (uint32_t n = 1; n < MOST; n++) {
        Two ideal, lossless;
        two_switches(&ideal, n, false);
        two_switches(&lossless, n, true);
        assert_rate(&ideal.net, ideal.first, 10 * GB / (n + 1));
        assert_rate(&ideal.net, ideal.victim, 10 * GB * n / (n + 1));
        assert_rate(&lossless.net, lossless.first, 10 * GB / (n + 1));
        assert_rate(&lossless.net, lossless.victim, 10 * GB / (n + 1));
        ck_assert(fab_flow_rate(lossless.net.flows, lossless.victim) < before);
        before = fab_flow_rate(lossless.net.flows, lossless.victim);
        net_clear(&ideal.net);
        net_clear(&lossless.net);
    }
}
END_TEST

START_TEST(without_a_full_port_behind_it_a_full_cable_is_shared_as_ever)
{
    Two two;

    two_switches(&two, 0, true);
    assert_rate(&two.net, two.first, 5 * GB);
    assert_rate(&two.net, two.victim, 5 * GB);
    net_clear(&two.net);
}
END_TEST

/* B's NIC waits with the victim, and with it what goes elsewhere from there; C, on no such cable, does not. */
START_TEST(congestion_spreads_to_the_cables_before_a_victim)
{
    Net net = { .count = 0 };
    uint32_t in_a = lay(&net, NICS, 0, 10 * GB), in_b = lay(&net, NICS + 1, 0, 10 * GB);
    uint32_t in_c = lay(&net, NICS + 2, 0, 10 * GB), trunk = lay(&net, 0, 1, 10 * GB);
    uint32_t out_r = lay(&net, 1, NICS + 3, 2 * GB), out_v = lay(&net, 1, NICS + 4, 10 * GB);
    uint32_t out_w = lay(&net, 0, NICS + 5, 10 * GB);
    const FabRoute *first, *victim, *second, *free;

    net_start(&net, true);
    first = WAY(&net, in_a, trunk, out_r);
    victim = WAY(&net, in_b, trunk, out_v);
    second = WAY(&net, in_b, out_w);
    free = WAY(&net, in_c, out_w);
    begin(&net, first, INFINITY);
    begin(&net, victim, INFINITY);
    begin(&net, second, INFINITY);
    begin(&net, free, INFINITY);
    solve(&net);
    assert_rate(&net, first, 2 * GB);
    assert_rate(&net, victim, 2 * GB);
    assert_rate(&net, second, 2 * GB);
    assert_rate(&net, free, 8 * GB);
    net_clear(&net);
}
END_TEST

START_TEST(a_sender_in_an_incast_slows_its_other_flow_and_a_bystander_goes_on)
{
    Net net = { .count = 0 };
    uint32_t in[4], out_r = lay(&net, 0, NICS + 8, 10 * GB), out_w = lay(&net, 0, NICS + 9, 10 * GB);
    uint32_t out_x = lay(&net, 0, NICS + 10, 10 * GB);
    const FabRoute *other, *bystander;

    for (uint32_t i = 0; i < 4; i++)
        in[i] = lay(&net, NICS + i, 0, 10 * GB);
    net_start(&net, true);
    for (uint32_t i = 0; i < 3; i++)
        begin(&net, WAY(&net, in[i], out_r), INFINITY);
    other = WAY(&net, in[0], out_w);
    bystander = WAY(&net, in[3], out_x);
    begin(&net, other, INFINITY);
    begin(&net, bystander, INFINITY);
    solve(&net);
    assert_rate(&net, other, 10 * GB / 3);
    assert_rate(&net, bystander, 10 * GB);
    net_clear(&net);
}
END_TEST

/* A receiver whose PCIe is slow stops its cable, and what feeds that. */
START_TEST(a_slow_receiver_stops_the_network_before_it)
{
    Two two;

    two_switches(&two, 0, true);
    fab_flow_set_capacity(two.net.flows, two.port, 1 * GB);
    solve(&two.net);
    assert_rate(&two.net, two.first, 1 * GB);
    assert_rate(&two.net, two.victim, 1 * GB);
    fab_flow_set_capacity(two.net.flows, two.port, 10 * GB);
    solve(&two.net);
    assert_rate(&two.net, two.victim, 5 * GB);
    net_clear(&two.net);
}
END_TEST

START_TEST(who_sends_slowly_by_himself_holds_nobody_back)
{
    Two two;
    const FabRoute *slow;

    two_switches(&two, 0, true);
    slow = WAY(&two.net, two.in_a, two.trunk, two.out_r);
    begin(&two.net, slow, 1 * GB);
    solve(&two.net);
    assert_rate(&two.net, slow, 1 * GB);
    assert_rate(&two.net, two.victim, 4.5 * GB);
    net_clear(&two.net);
}
END_TEST

START_TEST(a_dead_port_discards_and_stops_nobody_else)
{
    Two two;

    two_switches(&two, 2, true);
    fab_flow_set_capacity(two.net.flows, two.out_r, 0);
    solve(&two.net);
    assert_rate(&two.net, two.first, 0);
    assert_rate(&two.net, two.victim, 10 * GB);
    net_clear(&two.net);
}
END_TEST

/*
 * The testbed of Zhu and others (SIGCOMM 2015, section 2.2), all links 40 Gb/s: four hosts of T1 and `more` of T3
 * send to one host of T4, two each over L1 and L2; a fifth of T1 sends over L1 to T2. Ideally that one has what the
 * other two leave of L1's cable.
 */
static double
victim_of_the_testbed(uint32_t more, bool lossless)
{
    enum { T1, T2, T3, T4, L1, L2, L3, L4, S1, S2 };
    Net net = { .count = 0 };
    double rate = 5 * GB;
    uint32_t host[5], up1 = lay(&net, T1, L1, rate), up2 = lay(&net, T1, L2, rate), down = lay(&net, L1, T2, rate);
    uint32_t s1 = lay(&net, L1, S1, rate), s2 = lay(&net, L2, S2, rate), l3 = lay(&net, S1, L3, rate);
    uint32_t l4 = lay(&net, S2, L4, rate), in3 = lay(&net, L3, T4, rate), in4 = lay(&net, L4, T4, rate);
    uint32_t out = lay(&net, T4, NICS + 10, rate), to_v = lay(&net, T2, NICS + 11, rate);
    uint32_t up3 = lay(&net, T3, L3, rate), up4 = lay(&net, T3, L4, rate), others[2];
    const FabRoute *victim;
    double got;

    for (uint32_t i = 0; i < 5; i++)
        host[i] = lay(&net, NICS + i, T1, rate);
    for (uint32_t i = 0; i < 2; i++)
        others[i] = lay(&net, NICS + 12 + i, T3, rate);
    net_start(&net, lossless);
    for (uint32_t i = 0; i < 4; i++)
        begin(&net, i < 2 ? WAY(&net, host[i], up1, s1, l3, in3, out) : WAY(&net, host[i], up2, s2, l4, in4, out),
              INFINITY);
    victim = WAY(&net, host[4], up1, down, to_v);
    begin(&net, victim, INFINITY);
    for (uint32_t i = 0; i < more; i++)
        begin(&net, i == 0 ? WAY(&net, others[i], up3, in3, out) : WAY(&net, others[i], up4, in4, out), INFINITY);
    solve(&net);
    got = fab_flow_rate(net.flows, victim) * 8 / 1e9;
    net_clear(&net);
    return got;
}

START_TEST(the_published_testbed_has_its_victim)
{
    ck_assert_double_eq_tol(victim_of_the_testbed(0, false), 20, 1e-6);
    ck_assert_double_eq_tol(victim_of_the_testbed(0, true), 10, 1e-6); /* measured: 10 */
    ck_assert_double_eq_tol(victim_of_the_testbed(2, true), 40. / 6, 1e-6); /* measured: less, 4.5 */
    ck_assert(victim_of_the_testbed(2, false) > 20);
}
END_TEST

/* ------------------------------------------------------------------ random load */

enum { LEAVES = 4, SPINES = 2, HOSTS = 3, FLOWS = 24 };

static int
compare_rates(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Leaves are vertices 0.., spines LEAVES..; the way of flow i, a draw that does not depend on the kind of network. */
static void
add_random(Net *net, GRand *random, bool lossless, const FabRoute **routes)
{
    uint32_t up[LEAVES][SPINES], down[SPINES][LEAVES], in[LEAVES][HOSTS], out[LEAVES][HOSTS];

    for (uint32_t l = 0; l < LEAVES; l++) {
        for (uint32_t s = 0; s < SPINES; s++) {
            up[l][s] = lay(net, l, LEAVES + s, g_rand_int_range(random, 2, 9) * GB);
            down[s][l] = lay(net, LEAVES + s, l, g_rand_int_range(random, 2, 9) * GB);
        }
        for (uint32_t h = 0; h < HOSTS; h++) {
            in[l][h] = lay(net, NICS + l * HOSTS + h, l, 10 * GB);
            out[l][h] = lay(net, l, NICS + l * HOSTS + h, 10 * GB);
        }
    }
    net_start(net, lossless);
    for (uint32_t i = 0; i < FLOWS; i++) {
        uint32_t a = (uint32_t)g_rand_int_range(random, 0, LEAVES), b = (uint32_t)g_rand_int_range(random, 0, LEAVES);
        uint32_t x = (uint32_t)g_rand_int_range(random, 0, HOSTS), y = (uint32_t)g_rand_int_range(random, 0, HOSTS);
        uint32_t s = (uint32_t)g_rand_int_range(random, 0, SPINES);
        routes[i] = a == b ? WAY(net, in[a][x], out[b][y]) : WAY(net, in[a][x], up[a][s], down[s][b], out[b][y]);
    }
}

static void
run_random(uint32_t seed, bool lossless, bool at_once, double *rates)
{
    Net net = { .count = 0 };
    const FabRoute *routes[FLOWS];
    GRand *random = g_rand_new_with_seed(seed);

    add_random(&net, random, lossless, routes);
    for (uint32_t i = 0; i < FLOWS; i++) {
        begin(&net, routes[i], g_rand_int_range(random, 0, 4) == 0 ? 1.5 * GB : INFINITY);
        if (!at_once)
            solve(&net);
    }
    solve(&net);
    for (uint32_t i = 0; i < FLOWS; i++)
        rates[i] = fab_flow_rate(net.flows, routes[i]);
    g_rand_free(random);
    net_clear(&net);
}

START_TEST(rates_do_not_depend_on_the_order_of_arrivals)
{
    double together[FLOWS], one_by_one[FLOWS];

    for (uint32_t seed = 0; seed < 200; seed++) {
        run_random(seed, true, true, together);
        run_random(seed, true, false, one_by_one);
        for (uint32_t i = 0; i < FLOWS; i++)
            ck_assert_double_eq_tol(together[i], one_by_one[i], 1);
    }
}
END_TEST

/* Max-min shares are the best in the order of the slowest, so that a network that holds flows back is never above. */
START_TEST(the_slowest_flows_of_a_lossless_network_are_no_faster)
{
    double ideal[FLOWS], lossless[FLOWS];
    uint32_t differ = 0;

    for (uint32_t seed = 0; seed < 200; seed++) {
        uint32_t i = 0;
        run_random(seed, false, true, ideal);
        run_random(seed, true, true, lossless);
        qsort(ideal, FLOWS, sizeof *ideal, compare_rates);
        qsort(lossless, FLOWS, sizeof *lossless, compare_rates);
        while (i < FLOWS && fabs(ideal[i] - lossless[i]) < 1)
            i++;
        ck_assert_msg(i == FLOWS || lossless[i] < ideal[i], "seed %u: %g > %g", seed, lossless[MIN(i, FLOWS - 1)],
                      ideal[MIN(i, FLOWS - 1)]);
        differ += i < FLOWS;
    }
    ck_assert_uint_gt(differ, 100);
}
END_TEST

START_TEST(what_ends_frees_those_that_waited_behind_it)
{
    Two two;
    int64_t when, last = 0;
    uint32_t data, tag;

    two_switches(&two, 3, true); /* all at 2.5 GB/s with 1 GB each: they end together, and nothing is left */
    while (fab_queue_pop(two.net.queue, &when, &data)) {
        g_autoptr(GError) error = NULL;
        if (!fab_flow_complete(two.net.flows, when, data & ~MARK))
            continue;
        while (fab_flow_take_tag(two.net.flows, &tag))
            last = when;
        fab_flow_share(two.net.flows, when);
        ck_assert_msg(fab_flow_check(two.net.flows, &error), "%s", error != NULL ? error->message : "");
    }
    ck_assert_int_eq(last, INT64_C(400000000000));
    ck_assert_uint_eq(fab_flow_active(two.net.flows), 0);
    net_clear(&two.net);
}
END_TEST

/* ------------------------------------------------------------------ whole machines */

static FabTopology *
pod(const char *routing, const char *flow_control)
{
    g_autofree char *settings = g_strdup_printf("node=dgx-h100|node.nics_per_node=1|nodes=6|group_nodes=2|pxn=off|"
                                                "oversubscription=2|routing=%s|flow_control=%s", routing, flow_control);

    return build("rail-optimised", settings);
}

/* Three nodes send to node 0, and node 2 sends to node 4 as well, which waits at its NIC. */
START_TEST(every_routing_has_its_victims)
{
    static const char *const routings[] = { "static", "adaptive", "spray" };

    for (gsize k = 0; k < G_N_ELEMENTS(routings); k++) {
        double rates[2];
        for (int lossless = 0; lossless < 2; lossless++) {
            g_autoptr(FabTopology) topology = pod(routings[k], lossless ? "lossless" : "ideal");
            g_autoptr(FabRouter) router =
                fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
            g_autofree double *capacity = g_new(double, topology->resource_count);
            g_autoptr(GError) error = NULL;
            FabQueue *queue = fab_queue_new();
            FabFlowSet *flows;
            const FabRoute *victim = fab_router_push(router, 16, 32, NULL);
            for (uint32_t i = 0; i < topology->resource_count; i++)
                capacity[i] = topology->resources[i].capacity;
            flows = fab_flow_set_new(capacity, topology->resource_count, queue, MARK);
            fab_flow_set_network(flows, topology);
            fab_flow_start(flows, 0, victim, 1e9, INFINITY, 0);
            for (uint32_t n = 1; n < 6; n++)
                fab_flow_start(flows, 0, fab_router_push(router, 8 * n, 0, NULL), 1e9, INFINITY, n);
            fab_flow_share(flows, 0);
            ck_assert_msg(fab_flow_check(flows, &error), "%s", error != NULL ? error->message : "");
            rates[lossless] = fab_flow_rate(flows, victim);
            fab_flow_set_free(flows);
            fab_queue_free(queue);
        }
        ck_assert_double_lt(rates[1], 0.6 * rates[0]);
    }
}
END_TEST

/* The time of a collective on a machine, in picoseconds. */
static int64_t
time_of(const char *settings, const char *flow_control)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *all = g_strconcat(settings, "|topology.flow_control=", flow_control, NULL);
    g_auto(GStrv) sets = g_strsplit(all, "|", -1);
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, &error);
    g_autoptr(FabResult) result = NULL;

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    result = fab_run(scenario, NULL, NULL, &error);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    return ((const FabResultRow *)result->rows->pdata[0])->time_ps;
}

START_TEST(where_nothing_is_congested_nothing_changes)
{
    static const char rails[] = "topology.name=superpod-h100|topology.nodes=2|collective.operation=all_gather|"
                                "collective.algorithm=ring|collective.sizes=8M";
    static const char spray[] = "topology.name=cluster|topology.plugin=fat-tree|topology.levels=2|topology.radix=32|"
                                "topology.nodes=3|topology.routing=spray|collective.operation=all_gather|"
                                "collective.algorithm=ring|collective.sizes=8M";

    ck_assert_int_eq(time_of(rails, "ideal"), time_of(rails, "lossless"));
    ck_assert_int_eq(time_of(spray, "ideal"), time_of(spray, "lossless"));
}
END_TEST

START_TEST(hashed_flows_of_an_all_reduce_wait_behind_each_other)
{
    static const char *const algorithms[] = { "tree", "ring" };
    bool slower = false;

    for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        g_autofree char *settings =
            g_strconcat("topology.name=cluster|topology.plugin=fat-tree|topology.levels=2|topology.radix=32|"
                        "topology.oversubscription=2|topology.nodes=6|topology.routing=static|collective.sizes=16M|"
                        "collective.operation=all_reduce|collective.algorithm=", algorithms[i], NULL);
        double ideal = (double)time_of(settings, "ideal"), lossless = (double)time_of(settings, "lossless");
        ck_assert_double_ge(lossless, 0.98 * ideal);
        slower = slower || lossless > 1.005 * ideal;
    }
    ck_assert(slower);
}
END_TEST

START_TEST(a_lossless_network_is_not_folded)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) sets = g_strsplit("topology.name=superpod-h100|topology.nodes=2|topology.flow_control=lossless|"
                                    "collective.operation=all_gather|collective.sizes=8K|collective.fold=on", "|", -1);
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, &error);
    g_autoptr(FabResult) result = NULL;

    ck_assert_ptr_nonnull(scenario);
    result = fab_run(scenario, NULL, NULL, &error);
    ck_assert_ptr_null(result);
    ck_assert_msg(strstr(error->message, "flow_control is lossless") != NULL, "%s", error->message);
}
END_TEST

START_TEST(another_word_is_refused_with_the_nearest)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(try_build("rail-optimised", "node=dgx-h100|nodes=2|flow_control=losless", &error));
    ck_assert_msg(strstr(error->message, "flow_control") != NULL && strstr(error->message, "lossless") != NULL, "%s",
                  error->message);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("lossless");

    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, a_victim_is_as_slow_as_what_it_shares_a_cable_with);
    tcase_add_test(tests, without_a_full_port_behind_it_a_full_cable_is_shared_as_ever);
    tcase_add_test(tests, congestion_spreads_to_the_cables_before_a_victim);
    tcase_add_test(tests, a_sender_in_an_incast_slows_its_other_flow_and_a_bystander_goes_on);
    tcase_add_test(tests, a_slow_receiver_stops_the_network_before_it);
    tcase_add_test(tests, who_sends_slowly_by_himself_holds_nobody_back);
    tcase_add_test(tests, a_dead_port_discards_and_stops_nobody_else);
    tcase_add_test(tests, the_published_testbed_has_its_victim);
    tcase_add_test(tests, rates_do_not_depend_on_the_order_of_arrivals);
    tcase_add_test(tests, the_slowest_flows_of_a_lossless_network_are_no_faster);
    tcase_add_test(tests, what_ends_frees_those_that_waited_behind_it);
    tcase_add_test(tests, every_routing_has_its_victims);
    tcase_add_test(tests, where_nothing_is_congested_nothing_changes);
    tcase_add_test(tests, hashed_flows_of_an_all_reduce_wait_behind_each_other);
    tcase_add_test(tests, a_lossless_network_is_not_folded);
    tcase_add_test(tests, another_word_is_refused_with_the_nearest);
    return run_tests(tests);
}
