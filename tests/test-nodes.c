/* Collectives over several nodes: NCCL's channels and choice, the bytes that cross the network, the time they take. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "collective/nodes.h"
#include "predict/run.h"
#include "suite.h"
#include "topology/machine.h"
#include "validate/resolve.h"

/* "node=dgx-h100|nodes=2" on the catalogue's cluster. */
static GHashTable *
table_of(const char *settings)
{
    GHashTable *params = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) pairs = g_strsplit(settings, "|", -1);

    for (guint i = 0; pairs[i] != NULL; i++) {
        g_auto(GStrv) sides = g_strsplit(pairs[i], "=", 2);
        g_hash_table_replace(params, g_strdup(sides[0]), g_strdup(sides[1]));
    }
    return params;
}

static FabTopology *
cluster(const char *settings)
{
    g_autoptr(GHashTable) params = table_of(settings);
    g_autoptr(GError) error = NULL;
    FabTopology *topology = fab_machine_load("cluster", params, &error);

    ck_assert_msg(topology != NULL, "%s", error != NULL ? error->message : "");
    return topology;
}

static bool
try_facts(const char *settings, const uint32_t *gpus, uint32_t count, uint32_t nccl, FabMachineFacts *facts,
          GError **error)
{
    g_autoptr(FabTopology) topology = cluster(settings);
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
    g_autofree uint32_t *all = g_new(uint32_t, topology->gpu_count);

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        all[i] = i;
    return fab_machine_facts(router, topology, gpus != NULL ? gpus : all, gpus != NULL ? count : topology->gpu_count,
                             nccl, facts, error);
}

static void
facts_of(const char *settings, FabMachineFacts *facts)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(try_facts(settings, NULL, 0, 2029, facts, &error), "%s", error != NULL ? error->message : "");
}

/* ------------------------------------------------------------------ channels */

START_TEST(a_ring_for_each_nic_at_the_speed_that_nccl_finds)
{
    static const struct {
        const char *settings;
        uint32_t local, graph_channels, channels;
        double speed;
    } known[] = {
        { "node=dgx-h100|nodes=2", 8, 8, 16, 45 },  /* 8 x 45 of 370.8 GB/s inside, 16 channels in NCCL's logs */
        { "node=dgx-a100|nodes=4", 8, 8, 16, 24 },  /* 8 x 24 of 25 */
        { "node=aws-p4d|nodes=2", 8, 4, 8, 12 },    /* 4 x 12 of 12.5 */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        FabMachineFacts facts;
        facts_of(known[i].settings, &facts);
        ck_assert_uint_eq(facts.local, known[i].local);
        ck_assert_uint_eq(facts.nodes * facts.local, facts.ranks);
        ck_assert_uint_eq(facts.graph_channels, known[i].graph_channels);
        ck_assert_double_eq(facts.graph_speed, known[i].speed);
        ck_assert_uint_eq(facts.channels, known[i].channels);
        fab_machine_facts_clear(&facts);
    }
}
END_TEST

/* 37.5 GB/s would hold three channels of 12 on each NIC of its node; the other node has one on each, as ever. */
START_TEST(a_slower_nic_of_one_node_makes_no_more_channels)
{
    for (uint32_t percent = 10; percent < 100; percent += 5) {
        g_autofree char *settings =
            g_strdup_printf("node=dgx-h100|nodes=2|down=Node 1 NIC 0|down_rate=%g", percent / 100.);
        FabMachineFacts facts;
        facts_of(settings, &facts);
        ck_assert_uint_le(facts.graph_channels, 8);
        ck_assert_uint_le(facts.channels, 16);
        ck_assert_double_le(facts.graph_speed, 45);
        fab_machine_facts_clear(&facts);
    }
}
END_TEST

START_TEST(rings_pass_the_nodes_in_turn_each_from_another_nic)
{
    FabMachineFacts facts;
    bool heads[8] = { false };

    facts_of("node=dgx-h100|nodes=3", &facts);
    for (uint32_t k = 0; k < 8; k++) {
        const uint32_t *ring = facts.order + (gsize)k * facts.ranks;
        bool seen[24] = { false };
        heads[ring[0]] = true;
        for (uint32_t i = 0; i < facts.ranks; i++) {
            ck_assert_uint_eq(ring[i] / 8, i / 8);
            ck_assert(!seen[ring[i]]);
            seen[ring[i]] = true;
        }
        ck_assert_uint_eq(ring[8] % 8, ring[0]); /* the same NIC in every node */
    }
    for (int i = 0; i < 8; i++)
        ck_assert(heads[i]);
    fab_machine_facts_clear(&facts);
}
END_TEST

START_TEST(a_nic_that_is_down_takes_its_ring_along)
{
    FabMachineFacts facts;

    facts_of("node=dgx-h100|nodes=2|down=Node 1 NIC 5", &facts);
    ck_assert_uint_eq(facts.graph_channels, 7);
    ck_assert_uint_eq(facts.rings, 7);
    for (uint32_t k = 0; k < facts.rings; k++)
        ck_assert_uint_ne(facts.order[(gsize)k * facts.ranks], 5); /* no ring enters a node beside it */
    fab_machine_facts_clear(&facts);
}
END_TEST

START_TEST(ranks_that_are_not_node_by_node_are_refused)
{
    static const uint32_t mixed[] = { 0, 8, 1, 9 }, uneven[] = { 0, 1, 8 }, again[] = { 0, 8, 1 };
    static const struct {
        const uint32_t *gpus;
        uint32_t count;
        const char *message;
    } bad[] = {
        { mixed, 4, "give the ranks of a node one after the other" },
        { uneven, 3, "node 0 has 2 ranks and node 1 1; every node must have equally many, as with 2 ranks" },
        { again, 3, "give the ranks of a node one after the other" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        FabMachineFacts facts;
        g_autoptr(GError) error = NULL;
        ck_assert(!try_facts("node=dgx-h100|nodes=2", bad[i].gpus, bad[i].count, 2029, &facts, &error));
        ck_assert_msg(strstr(error->message, bad[i].message) != NULL, "%s", error->message);
    }
}
END_TEST

START_TEST(a_node_out_of_reach_is_told_before_anything_runs)
{
    FabMachineFacts facts;
    g_autoptr(GError) error = NULL;

    /* Two networks without a way from one to the other. */
    ck_assert(try_facts("node=dgx-h100|nodes=2|spines=0|pxn=off", NULL, 0, 2029, &facts, &error));
    fab_machine_facts_clear(&facts);
    ck_assert(!try_facts("node=dgx-h100|nodes=2|spines=0|pxn=off", (const uint32_t[]) { 0, 9 }, 2, 2029, &facts,
                         &error));
    ck_assert_msg(strstr(error->message, "no cables lead from Node 0 NIC 0 to Node 1 NIC 1") != NULL, "%s",
                  error->message);
}
END_TEST

/* ------------------------------------------------------------------ choice */

static void
facts_with(const char *settings, uint32_t nccl, FabMachineFacts *facts)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(try_facts(settings, NULL, 0, nccl, facts, &error), "%s", error != NULL ? error->message : "");
    fab_machine_facts_clear(facts);
}

static uint32_t
channels_to_a_peer(const char *settings, uint32_t nccl)
{
    FabMachineFacts facts;

    facts_with(settings, nccl, &facts);
    return facts.p2p_per_peer;
}

START_TEST(channels_to_a_peer_of_another_node_follow_the_release_and_the_nics)
{
    ck_assert_uint_eq(channels_to_a_peer("node=dgx-h100|nodes=2", 2018), 2);
    ck_assert_uint_eq(channels_to_a_peer("node=dgx-h100|nodes=2", 2021), 2);
    ck_assert_uint_eq(channels_to_a_peer("node=dgx-h100|nodes=8", 2021), 1); /* 64 ranks, 16 channels of four each */
    ck_assert_uint_eq(channels_to_a_peer("node=dgx-h100|nodes=2", 2029), 4); /* 50 GB/s in parts of 14 */
    ck_assert_uint_eq(channels_to_a_peer("node=dgx-a100|nodes=2", 2029), 2); /* 25 GB/s */
    ck_assert_uint_eq(channels_to_a_peer("node=dgx-h100|nodes=2|node.nics_per_node=32|node.nic_gbps=100", 2021), 4);
}
END_TEST

static FabPlan
plan_of(const char *settings, FabCollective collective, uint64_t size, const char *algorithm)
{
    FabWishes wishes = { .protocol = -1, .algorithm = algorithm };
    g_autoptr(GError) error = NULL;
    FabMachineFacts facts;
    FabPlan plan;

    facts_of(settings, &facts);
    ck_assert_msg(fab_choose(&facts, collective, size, &wishes, &plan, &error), "%s",
                  error != NULL ? error->message : "");
    fab_machine_facts_clear(&facts);
    return plan;
}

START_TEST(small_calls_take_trees_and_large_ones_what_the_node_has)
{
    ck_assert_str_eq(plan_of("node=dgx-h100|nodes=2", FAB_ALL_REDUCE, 1024, NULL).algorithm->name, "tree");
    ck_assert_int_eq(plan_of("node=dgx-h100|nodes=2", FAB_ALL_REDUCE, 1024, NULL).protocol, FAB_PROTOCOL_LL);
    ck_assert_str_eq(plan_of("node=dgx-h100|nodes=2", FAB_ALL_REDUCE, 1 << 30, NULL).algorithm->name, "nvls-tree");
    ck_assert_str_eq(plan_of("node=dgx-a100|nodes=2", FAB_ALL_REDUCE, 1 << 30, NULL).algorithm->name, "ring");
    ck_assert_str_eq(plan_of("node=dgx-h100|nodes=2", FAB_ALL_GATHER, 1 << 30, NULL).algorithm->name, "ring");
    ck_assert_str_eq(plan_of("node=dgx-h100|nodes=2", FAB_ALL_TO_ALL, 1 << 30, NULL).algorithm->name, "pairwise");
    ck_assert_str_eq(plan_of("node=dgx-h100|nodes=2", FAB_ALL_REDUCE, 1 << 20, "tree").algorithm->name, "tree");
}
END_TEST

START_TEST(a_part_of_a_message_to_another_node_is_a_chunk_at_most)
{
    ck_assert_uint_eq(plan_of("node=dgx-a100|nodes=2", FAB_SEND_RECV, 64 << 10, NULL).channels, 1);
    ck_assert_uint_eq(plan_of("node=dgx-a100|nodes=2", FAB_SEND_RECV, 1 << 20, NULL).channels, 2);
    ck_assert_uint_eq(plan_of("node=dgx-h100|nodes=2", FAB_SEND_RECV, 1 << 20, NULL).channels, 4);
}
END_TEST

START_TEST(what_does_not_fill_eight_slots_is_cut_finer_over_a_network)
{
    const uint64_t kib = 1024;

    ck_assert_uint_eq(plan_of("node=dgx-h100|nodes=2", FAB_SEND_RECV, 127 * kib, NULL).chunk_bytes, 32 * kib);
    ck_assert_uint_eq(plan_of("node=dgx-h100|nodes=2", FAB_SEND_RECV, 128 * kib, NULL).chunk_bytes, 64 * kib);
    ck_assert_uint_eq(plan_of("node=dgx-h100|nodes=2", FAB_SEND_RECV, 1024 * kib, NULL).chunk_bytes, 128 * kib);
    ck_assert_uint_eq(plan_of("node=gb200-nvl72|nodes=2|plugin=nvl-domain|radix=144", FAB_SEND_RECV, 4096 * kib,
                              NULL).chunk_bytes, 256 * kib);
}
END_TEST

START_TEST(rings_of_ll128_hand_on_whole_chunks_over_nodes_and_trees_pieces)
{
    FabPlan ring = plan_of("node=dgx-a100|nodes=2", FAB_ALL_GATHER, 16 << 20, NULL);
    FabPlan tree = plan_of("node=dgx-a100|nodes=2", FAB_ALL_REDUCE, 4 << 20, "tree");

    ck_assert_int_eq(ring.protocol, FAB_PROTOCOL_LL128);
    ck_assert_uint_eq(ring.slice_bytes, ring.chunk_bytes);
    ck_assert_int_eq(tree.protocol, FAB_PROTOCOL_LL128);
    ck_assert_uint_lt(tree.slice_bytes, tree.chunk_bytes);
}
END_TEST

START_TEST(two_chunks_of_a_simple_ring_are_on_their_way_however_short)
{
    FabPlan small, large;
    FabMachineFacts facts;
    FabWishes wishes = { .protocol = FAB_PROTOCOL_SIMPLE, .algorithm = "ring" };

    facts_of("node=dgx-h100|nodes=2", &facts);
    ck_assert(fab_choose(&facts, FAB_ALL_GATHER, 1 << 20, &wishes, &small, NULL));
    ck_assert(fab_choose(&facts, FAB_ALL_GATHER, 1 << 30, &wishes, &large, NULL));
    fab_machine_facts_clear(&facts);
    /* Slots of a slice each, as many as chunks of two slices have: where a chunk is one slice, the other is empty. */
    ck_assert_uint_eq(large.slots * large.slice_bytes, 2 * large.chunk_bytes);
    ck_assert_uint_eq(small.slots, 2);
}
END_TEST

START_TEST(what_cannot_run_over_nodes_is_refused)
{
    static const char *const names[][2] = {
        { "nvls", "needs one NVSwitch that joins all ranks, here they are on several nodes" },
        { "collnet-direct", "needs a network that reduces (sharp=on of the cluster)" },
        { "pat", "several ranks on a node" },
    };
    FabMachineFacts facts;

    facts_of("node=dgx-h100|nodes=2", &facts);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        FabWishes wishes = { .protocol = -1, .algorithm = names[i][0] };
        g_autoptr(GError) error = NULL;
        FabPlan plan;
        ck_assert(!fab_choose(&facts, i == 2 ? FAB_ALL_GATHER : FAB_ALL_REDUCE, 1 << 20, &wishes, &plan, &error));
        ck_assert_msg(strstr(error->message, names[i][1]) != NULL, "%s", error->message);
    }
    fab_machine_facts_clear(&facts);
}
END_TEST

START_TEST(pat_needs_no_setting_with_one_gpu_a_node)
{
    FabMachineFacts facts;
    g_autoptr(GError) error = NULL;

    ck_assert(try_facts("node=dgx-h100|nodes=4", (const uint32_t[]) { 0, 8, 16, 24 }, 4, 2029, &facts, &error));
    ck_assert(isfinite(fab_nccl_estimate_us(&facts, FAB_ALL_GATHER, "pat", FAB_PROTOCOL_SIMPLE, 4096)));
    fab_machine_facts_clear(&facts);
}
END_TEST

/* ------------------------------------------------------------------ whole runs */

static FabResultRow *
run(const char *settings, const char *operation, uint64_t size, const char *algorithm, FabResult **result)
{
    g_autoptr(FabTopology) topology = cluster(settings);
    g_autofree char *operation_set = g_strconcat("collective.operation=", operation, NULL);
    g_autofree char *sizes = g_strdup_printf("collective.sizes=%" G_GUINT64_FORMAT, size);
    g_autofree char *wish = g_strconcat("collective.algorithm=", algorithm != NULL ? algorithm : "auto", NULL);
    char *const list[] = { (char *)"topology.name=cluster", operation_set, sizes, wish, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(list, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    *result = fab_run_on(scenario, topology, NULL, NULL, NULL, &error);
    ck_assert_msg(*result != NULL, "%s", error != NULL ? error->message : "");
    return (*result)->rows->pdata[0];
}

START_TEST(steps_of_an_ll128_ring_over_nodes_hide_neither_their_bytes_nor_their_hops)
{
    /* 30 steps, each of which moves one of 16 chunks of a channel: twice the bytes add twice the chunks' own time. */
    g_autoptr(FabResult) small = NULL, half = NULL, whole = NULL;
    double first = (double)run("node=dgx-a100|nodes=2", "all_reduce", 1 << 20, "ring", &small)->time_ps;
    double second = (double)run("node=dgx-a100|nodes=2", "all_reduce", 16 << 20, "ring", &half)->time_ps;
    double third = (double)run("node=dgx-a100|nodes=2", "all_reduce", 32 << 20, "ring", &whole)->time_ps;
    double per_byte = (third - second) / (16 << 20);

    ck_assert_double_gt(second, 0.9 * (first + per_byte * (15 << 20)));
}
END_TEST

/* Bytes that leave a node over its NICs. */
static double
sent_by_node(const FabResultRow *row, const char *node)
{
    double bytes = 0;

    for (guint i = 0; i < row->uses->len; i++) {
        const FabResultUse *use = &g_array_index(row->uses, FabResultUse, i);
        g_autofree char *start = g_strconcat(node, " NIC ", NULL);
        if (g_str_has_prefix(use->name, start) && strstr(use->name, "> Leaf") != NULL)
            bytes += use->bytes;
    }
    return bytes;
}

START_TEST(a_ring_sends_each_byte_once_over_every_border)
{
    g_autoptr(FabResult) gather = NULL, reduce = NULL;
    const uint64_t size = 64 << 20;
    const FabResultRow *row = run("node=dgx-a100|nodes=2", "all_gather", size, "ring", &gather);

    ck_assert_double_eq_tol(sent_by_node(row, "Node 0") / (double)size, 15.0 / 16, 0.08); /* LL128 sends flags too */
    row = run("node=dgx-a100|nodes=2", "all_reduce", 8 * size, "ring", &reduce);
    ck_assert_double_eq_tol(sent_by_node(row, "Node 1") / (8 * (double)size), 2 * 15.0 / 16, 0.01);
}
END_TEST

START_TEST(a_tree_over_two_nodes_sends_each_byte_once_each_way)
{
    g_autoptr(FabResult) tree = NULL, switched = NULL;
    const uint64_t size = 512 << 20;
    const FabResultRow *row = run("node=dgx-h100|nodes=2", "all_reduce", size, "tree", &tree);

    ck_assert_double_eq_tol(sent_by_node(row, "Node 0") / (double)size, 1, 0.01);
    row = run("node=dgx-h100|nodes=2", "all_reduce", size, "nvls-tree", &switched);
    ck_assert_double_eq_tol(sent_by_node(row, "Node 0") / (double)size, 1, 0.01);
}
END_TEST

START_TEST(all_gather_stays_below_the_rate_of_the_nics_and_near_it)
{
    g_autoptr(FabResult) result = NULL;
    const FabResultRow *row = run("node=dgx-a100|nodes=2", "all_gather", UINT64_C(1) << 30, NULL, &result);

    ck_assert_double_lt(row->busbw, 200e9);
    ck_assert_double_gt(row->busbw, 0.85 * 200e9);
    ck_assert_msg(strstr(result->interval, " clusters with a network of their own") != NULL, "%s", result->interval);
    ck_assert_str_eq(row->kind, "network/ring/ampere"); /* the intervals of one machine do not hold here */
}
END_TEST

START_TEST(all_to_all_between_racks_is_bound_by_the_nics)
{
    g_autoptr(FabResult) result = NULL;
    const FabResultRow *row = run("plugin=nvl-domain|node=gb200-nvl72|node.gpus=8|node.slots=8|node.trays=2|nodes=2|"
                                  "rails=4", "alltoall", 256 << 20, NULL, &result);

    /* Each GPU sends half of its buffer through its NIC: at most 2 x 50 GB/s of algorithm bandwidth. */
    ck_assert_double_lt(row->algbw, 100e9);
    ck_assert_double_gt(row->algbw, 60e9);
}
END_TEST

START_TEST(trees_beat_rings_over_three_nvlink_domains)
{
    /* Measured: 234 against 197 GB/s with four GPUs a domain, 485 against 394 with eight (NVIDIA/nccl issue 1801). */
    static const char *const settings[] = {
        "plugin=nvl-domain|node=gb200-nvl72|node.gpus=4|node.slots=4|node.trays=1|nodes=3|rails=4",
        "plugin=nvl-domain|node=gb200-nvl72|node.gpus=8|node.slots=8|node.trays=2|nodes=3|rails=4",
    };
    double rate[2][2];

    for (int i = 0; i < 2; i++) {
        g_autoptr(FabResult) tree = NULL, ring = NULL;
        rate[i][0] = run(settings[i], "all_reduce", UINT64_C(1) << 30, "tree", &tree)->busbw;
        rate[i][1] = run(settings[i], "all_reduce", UINT64_C(1) << 30, "ring", &ring)->busbw;
    }
    ck_assert_double_gt(rate[0][0] / rate[0][1], 1.10);
    ck_assert_double_lt(rate[0][0] / rate[0][1], 1.30);
    ck_assert_double_eq_tol(rate[1][1] / rate[0][1], 2, 0.15); /* twice the NICs, twice the rate */
}
END_TEST

START_TEST(a_seed_changes_static_routing_and_nothing_else)
{
    g_autoptr(FabResult) first = NULL, second = NULL, again = NULL, spray = NULL;
    const char *base = "plugin=fat-tree|node=dgx-a100|nodes=4|radix=16|pxn=off";
    g_autofree char *other = g_strconcat(base, "|seed=5", NULL), *even = g_strconcat(base, "|routing=spray", NULL);
    int64_t one = run(base, "all_gather", 256 << 20, "ring", &first)->time_ps;
    int64_t two = run(other, "all_gather", 256 << 20, "ring", &second)->time_ps;
    int64_t best = run(even, "all_gather", 256 << 20, "ring", &spray)->time_ps;

    ck_assert_int_eq(one, run(base, "all_gather", 256 << 20, "ring", &again)->time_ps);
    ck_assert_int_ne(one, two);
    ck_assert_int_le(best, MIN(one, two)); /* hashing loses bandwidth to collisions */
}
END_TEST

/* ------------------------------------------------------------------ measured clusters */

static FabMeasurement *
made(const char *const *facts)
{
    static const char *const row[] = { "1048576", "50", "", "", "0", NULL };
    FabMeasurement *measurement = fab_measurement_new("made", FAB_MEASUREMENT_COLLECTIVE, NULL);

    for (guint i = 0; facts[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) sides = g_strsplit(facts[i], "=", 2);
        g_auto(GStrv) place = g_strsplit(sides[0], ".", 2);
        ck_assert_msg(fab_measurement_set(measurement, place[0], place[1], sides[1], &error), "%s",
                      error != NULL ? error->message : "");
    }
    ck_assert(fab_measurement_add_row(measurement, row, NULL));
    return measurement;
}

START_TEST(tables_of_several_nodes_become_clusters_when_asked_for)
{
    g_autoptr(FabMeasurement) measurement = made((const char *const[]) {
        "source.machine=test", "system.ranks=16", "system.nodes=2", "system.gpus_per_node=8",
        "system.topology=dgx-h100",
        "system.nic=AWS EFA", "overrides.nodes=2", "overrides.nics_per_node=32", "overrides.nic_gbps=100",
        "overrides.fabric=fat-tree", "run.collective=all_reduce", "run.env=NCCL_COLLNET_ENABLE=1",
        "quality.grade=A", "quality.reason=made", NULL });
    g_auto(FabResolved) refused, resolved;

    fab_resolve(measurement, &refused);
    ck_assert_ptr_eq(refused.reason, fab_reason_nodes);
    ck_assert(fab_is_cluster(measurement));
    fab_resolve_cluster(measurement, &resolved);
    ck_assert_msg(resolved.reason == NULL, "%s", resolved.detail);
    ck_assert_str_eq(resolved.topology->plugin, "fat-tree");
    ck_assert_uint_eq(resolved.topology->node_count, 2);
    ck_assert_uint_eq(resolved.topology->gpu_count, 16);
    ck_assert_double_gt(resolved.topology->network.message_time, 10e-6);
    ck_assert_uint_eq(resolved.scenario->rank_count, 16);
    /* nothing says that the network reduces: NCCL ignores the setting */
    ck_assert(!resolved.scenario->settings.collnet);
}
END_TEST

START_TEST(tcpx_runs_simple_over_rings_unless_a_table_says_otherwise)
{
    const char *facts[] = { "source.machine=test", "system.ranks=16", "system.nodes=2", "system.gpus_per_node=8",
                            "system.topology=dgx-h100", "system.nic=GPUDirect-TCPX gVNIC", "overrides.nodes=2",
                            "overrides.nics_per_node=4", "overrides.nic_gbps=200", "run.collective=all_reduce",
                            "quality.grade=A", "quality.reason=made", NULL, NULL };

    for (int stated = 0; stated < 2; stated++) {
        g_autoptr(FabMeasurement) measurement = NULL;
        g_autoptr(FabResult) result = NULL;
        g_auto(FabResolved) resolved;
        const FabResultRow *row;

        facts[12] = stated ? "run.env=NCCL_ALGO=Tree" : NULL;
        measurement = made(facts);
        fab_resolve_cluster(measurement, &resolved);
        ck_assert_msg(resolved.reason == NULL, "%s", resolved.detail);
        result = fab_run_on(resolved.scenario, resolved.topology, NULL, NULL, NULL, NULL);
        ck_assert_ptr_nonnull(result);
        row = result->rows->pdata[0];
        ck_assert_str_eq(row->algorithm, stated ? "tree" : "ring");
        ck_assert_str_eq(row->protocol, stated ? "ll128" : "simple");
    }
}
END_TEST

START_TEST(racks_give_their_first_gpus)
{
    g_autoptr(FabMeasurement) measurement = made((const char *const[]) {
        "source.machine=test", "system.ranks=12", "system.nodes=3", "system.gpus_per_node=4",
        "system.topology=gb200-nvl72", "overrides.racks=3", "overrides.ranks_per_rack=4", "overrides.nics_per_node=4",
        "overrides.nic_gbps=400", "run.collective=all_reduce", "quality.grade=A", "quality.reason=made", NULL });
    g_auto(FabResolved) resolved;

    fab_resolve_cluster(measurement, &resolved);
    ck_assert_msg(resolved.reason == NULL, "%s", resolved.detail);
    ck_assert_uint_eq(resolved.topology->node_count, 3);
    ck_assert_uint_eq(resolved.scenario->rank_count, 12);
    ck_assert_uint_eq(resolved.scenario->ranks[4], 72);
    ck_assert_uint_eq(resolved.scenario->ranks[11], 147);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("nodes");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_ring_for_each_nic_at_the_speed_that_nccl_finds);
    tcase_add_test(tests, a_slower_nic_of_one_node_makes_no_more_channels);
    tcase_add_test(tests, rings_pass_the_nodes_in_turn_each_from_another_nic);
    tcase_add_test(tests, a_nic_that_is_down_takes_its_ring_along);
    tcase_add_test(tests, ranks_that_are_not_node_by_node_are_refused);
    tcase_add_test(tests, a_node_out_of_reach_is_told_before_anything_runs);
    tcase_add_test(tests, small_calls_take_trees_and_large_ones_what_the_node_has);
    tcase_add_test(tests, channels_to_a_peer_of_another_node_follow_the_release_and_the_nics);
    tcase_add_test(tests, a_part_of_a_message_to_another_node_is_a_chunk_at_most);
    tcase_add_test(tests, what_does_not_fill_eight_slots_is_cut_finer_over_a_network);
    tcase_add_test(tests, rings_of_ll128_hand_on_whole_chunks_over_nodes_and_trees_pieces);
    tcase_add_test(tests, two_chunks_of_a_simple_ring_are_on_their_way_however_short);
    tcase_add_test(tests, what_cannot_run_over_nodes_is_refused);
    tcase_add_test(tests, pat_needs_no_setting_with_one_gpu_a_node);
    tcase_add_test(tests, steps_of_an_ll128_ring_over_nodes_hide_neither_their_bytes_nor_their_hops);
    tcase_add_test(tests, a_ring_sends_each_byte_once_over_every_border);
    tcase_add_test(tests, a_tree_over_two_nodes_sends_each_byte_once_each_way);
    tcase_add_test(tests, all_gather_stays_below_the_rate_of_the_nics_and_near_it);
    tcase_add_test(tests, all_to_all_between_racks_is_bound_by_the_nics);
    tcase_add_test(tests, trees_beat_rings_over_three_nvlink_domains);
    tcase_add_test(tests, a_seed_changes_static_routing_and_nothing_else);
    tcase_add_test(tests, tables_of_several_nodes_become_clusters_when_asked_for);
    tcase_add_test(tests, tcpx_runs_simple_over_rings_unless_a_table_says_otherwise);
    tcase_add_test(tests, racks_give_their_first_gpus);
    return run_tests(tests);
}
