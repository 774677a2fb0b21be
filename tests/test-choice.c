/*
 * What NCCL chooses on real machines, 2.30 where no release is named: channels of its graph search, cells of its cost
 * table, sizes where it changes its mind. The figures follow from constants of its source
 * (src/graph/{topo,search,tuning}.cc) by hand; those marked "log" were also seen in public logs.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "collective/choice.h"
#include "suite.h"
#include "topology/machine.h"

#define KIB UINT64_C(1024)
#define MIB UINT64_C(1048576)
#define GIB UINT64_C(1073741824)
#define NCCL 2030

typedef struct {
    FabTopology *topology;
    FabRouter *router;
    FabMachineFacts facts;
} Machine;

/* The first `ranks` GPUs of a catalogue machine; 0: all. `gpu` replaces its GPU model unless NULL. */
static void
machine_init_release(Machine *machine, const char *name, const char *gpu, uint32_t ranks, uint32_t nccl)
{
    g_autoptr(GHashTable) overrides = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    FabRouteRules rules = { .nvlink = true };
    g_autofree uint32_t *gpus = NULL;

    if (gpu != NULL)
        g_hash_table_insert(overrides, (char *)"gpu", (char *)gpu);
    machine->topology = fab_machine_load(name, overrides, &error);
    if (machine->topology == NULL)
        ck_abort_msg("%s: %s", name, error->message);
    ranks = ranks > 0 ? ranks : machine->topology->gpu_count;
    gpus = g_new(uint32_t, ranks);
    for (uint32_t i = 0; i < ranks; i++)
        gpus[i] = i;
    rules.peer_level = fab_peer_level(machine->topology, ranks, nccl);
    machine->router = fab_router_new(machine->topology, &rules);
    if (!fab_machine_facts(machine->router, machine->topology, gpus, ranks, nccl, &machine->facts, &error))
        ck_abort_msg("%s: %s", name, error->message);
}

static void
machine_init(Machine *machine, const char *name, const char *gpu, uint32_t ranks)
{
    machine_init_release(machine, name, gpu, ranks, NCCL);
}

static void
machine_clear(Machine *machine)
{
    fab_machine_facts_clear(&machine->facts);
    fab_router_free(machine->router);
    fab_topology_free(machine->topology);
}

static FabPlan
plan_of(const Machine *machine, FabCollective collective, uint64_t size, const FabWishes *wishes)
{
    static const FabWishes none = { .protocol = -1 };
    g_autoptr(GError) error = NULL;
    FabPlan plan;

    if (!fab_choose(&machine->facts, collective, size, wishes != NULL ? wishes : &none, &plan, &error))
        ck_abort_msg("%s", error->message);
    return plan;
}

/* ------------------------------------------------------------------ channels */

typedef struct {
    const char *name, *gpu;
    uint32_t ranks, graph_channels;
    double graph_speed;
    uint32_t channels, nvls_channels;
} ChannelCase;

static const ChannelCase channel_cases[] = {
    { "dgx-1v", NULL, 0, 6, 20, 12, 0 },
    { "dgx-2", NULL, 0, 6, 20, 12, 0 },
    { "dgx-a100", NULL, 0, 12, 20, 24, 0 },          /* log */
    { "hgx-a100-4", NULL, 0, 12, 20, 24, 0 },
    { "dgx-h100", NULL, 0, 12, 30, 24, 16 },         /* log */
    { "dgx-h200", NULL, 0, 12, 30, 24, 16 },
    { "dgx-h100", "h800-sxm", 0, 8, 20, 16, 16 },    /* log */
    { "dgx-b200", NULL, 0, 16, 45, 32, 24 },
    { "gb200-nvl72", NULL, 8, 16, 45, 32, 24 },
    { "gb200-nvl72", NULL, 0, 16, 45, 32, 24 },
    { "ws2-bridge-3090", NULL, 0, 2, 20, 4, 0 },
    { "ws2-bridge-a6000", NULL, 0, 2, 20, 4, 0 },
    { "ws2-x16", NULL, 0, 1, 20, 2, 0 },             /* Intel: 24 / 1.2 */
    { "epyc4-4090", NULL, 2, 2, 12, 4, 0 },          /* AMD: 24; log */
    { "l40s-8-dual-root-2sw", NULL, 0, 1, 15, 2, 0 },
};

START_TEST(channels_are_those_of_the_graph_search)
{
    const ChannelCase *row = &channel_cases[_i];
    Machine machine;

    machine_init(&machine, row->name, row->gpu, row->ranks);
    ck_assert_msg(machine.facts.graph_channels == row->graph_channels && machine.facts.graph_speed == row->graph_speed,
                  "%s: %u x %g GB/s, expected %u x %g", row->name, machine.facts.graph_channels,
                  machine.facts.graph_speed, row->graph_channels, row->graph_speed);
    ck_assert_msg(machine.facts.channels == row->channels && machine.facts.nvls_channels == row->nvls_channels,
                  "%s: %u channels, %u for NVLS, expected %u and %u", row->name, machine.facts.channels,
                  machine.facts.nvls_channels, row->channels, row->nvls_channels);
    machine_clear(&machine);
}
END_TEST

/* Largest all-to-all: channels of all peers together, and what of a CTA each has (section 5 of NCCL's rules). */
static const struct {
    const char *name;
    uint32_t ranks, channels;
    double cta_share;
} send_cases[] = {
    { "dgx-h100", 0, 64, 0.57 },     /* 8 peers x 32, of which 64 run: 32 CTAs for the other 56 */
    { "dgx-1v", 0, 16, 1 },          /* one NVLink to some peers: 2 each */
    { "ws2-x16", 0, 4, 1 },          /* Intel: 2 CTAs, 2 each */
    { "epyc4-4090", 2, 4, 1 },       /* AMD: 4 CTAs, 2 each */
    { "epyc4-4090", 4, 8, 0.67 },    /* which the other three peers share */
};

START_TEST(channels_of_send_and_receive_follow_from_the_links)
{
    Machine machine;
    FabPlan plan;

    machine_init(&machine, send_cases[_i].name, NULL, send_cases[_i].ranks);
    plan = plan_of(&machine, FAB_ALL_TO_ALL, 16 * GIB, NULL);
    ck_assert_msg(plan.channels == send_cases[_i].channels && fabs(plan.cta_share - send_cases[_i].cta_share) < 0.01,
                  "%s: %u channels of %.2f, expected %u of %.2f", send_cases[_i].name, plan.channels, plan.cta_share,
                  send_cases[_i].channels, send_cases[_i].cta_share);
    machine_clear(&machine);
}
END_TEST

/* ------------------------------------------------------------------ the cost table */

/* Latency in us and bandwidth in GB/s; bandwidth 0: not offered. */
typedef struct {
    double latency, bandwidth;
} Cell;

/* Tree cells hold for sizes above 512 MiB, where the tree's size correction has ended. */
typedef struct {
    const char *name;
    uint32_t ranks;
    FabCollective collective;
    Cell ring[FAB_PROTOCOL_COUNT], tree[FAB_PROTOCOL_COUNT], nvls;
} CostCase;

static const CostCase cost_cases[] = {
    { "dgx-a100", 0, FAB_ALL_REDUCE, { { 15.0, 50.1 }, { 40.6, 126.2 }, { 56.0, 137.1 } },
      { { 15.2, 29.1 }, { 31.5, 85.9 }, { 64.4, 110.4 } }, { 0, 0 } },
    { "dgx-a100", 0, FAB_ALL_GATHER, { { 10.8, 100.2 }, { 27.3, 252.3 }, { 32.2, 274.3 } }, { { 0, 0 } }, { 0, 0 } },
    { "dgx-a100", 0, FAB_REDUCE_SCATTER, { { 10.8, 100.2 }, { 27.3, 252.3 }, { 32.2, 274.3 } }, { { 0, 0 } },
      { 0, 0 } },
    { "dgx-a100", 0, FAB_BROADCAST, { { 7.2, 87.7 }, { 15.9, 220.8 }, { 11.8, 240.0 } }, { { 0, 0 } }, { 0, 0 } },
    { "dgx-a100", 0, FAB_REDUCE, { { 7.2, 87.7 }, { 15.9, 220.8 }, { 11.8, 240.0 } }, { { 0, 0 } }, { 0, 0 } },
    { "dgx-h100", 0, FAB_ALL_REDUCE, { { 15.0, 80.6 }, { 40.6, 189.3 }, { 56.0, 205.7 } },
      { { 15.2, 43.6 }, { 31.5, 128.8 }, { 64.4, 165.6 } }, { 25.0, 272.0 } },
    { "dgx-h200", 0, FAB_ALL_GATHER, { { 10.8, 161.1 }, { 27.3, 378.5 }, { 32.2, 411.4 } }, { { 0, 0 } },
      { 25.0, 208.2 } },
    { "dgx-h100", 0, FAB_REDUCE_SCATTER, { { 10.8, 161.1 }, { 27.3, 378.5 }, { 32.2, 411.4 } }, { { 0, 0 } },
      { 25.0, 208.2 } },
    { "dgx-h100", 4, FAB_ALL_REDUCE, { { 10.2, 94.0 }, { 25.4, 220.8 }, { 28.8, 240.0 } },
      { { 10.4, 43.6 }, { 21.5, 128.8 }, { 32.4, 165.6 } }, { 25.0, 160.0 } },
    { "dgx-b200", 0, FAB_ALL_REDUCE, { { 15.0, 161.1 }, { 40.6, 365.7 }, { 56.0, 411.4 } },
      { { 15.2, 87.2 }, { 31.5, 257.6 }, { 64.4, 331.2 } }, { 25.0, 411.4 } },
    { "ws2-bridge-3090", 0, FAB_ALL_REDUCE, { { 7.8, 20.0 }, { 17.8, 36.8 }, { 15.2, 40.0 } },
      { { 8.0, 4.8 }, { 16.5, 14.3 }, { 16.4, 18.4 } }, { 0, 0 } },
    { "ws2-x16", 0, FAB_ALL_REDUCE, { { 8.6, 10.0 }, { 0, 0 }, { 19.8, 20.0 } },
      { { 8.8, 2.4 }, { 0, 0 }, { 16.4, 9.2 } }, { 0, 0 } },
    { "epyc4-4090", 2, FAB_ALL_REDUCE, { { 8.6, 12.0 }, { 0, 0 }, { 19.8, 24.0 } },
      { { 8.8, 2.9 }, { 0, 0 }, { 16.4, 11.0 } }, { 0, 0 } },
};

/* A cell is a straight line: two sizes give it back. Figures are rounded to 0.1. */
static void
check_cell(const CostCase *row, const Machine *machine, const char *algorithm, FabProtocol protocol,
           const Cell *expected)
{
    double one = fab_nccl_estimate_us(&machine->facts, row->collective, algorithm, protocol, GIB);
    double two = fab_nccl_estimate_us(&machine->facts, row->collective, algorithm, protocol, 2 * GIB);
    double bandwidth = (double)GIB / (1000 * (two - one)), latency = 2 * one - two;

    if (expected->bandwidth == 0) {
        ck_assert_msg(isinf(one) && isinf(two), "%s %s %s %s is offered at %g us", row->name,
                      fab_collective_names[row->collective], algorithm, fab_protocol_names[protocol], one);
        return;
    }
    ck_assert_msg(fabs(latency - expected->latency) < 0.051 && fabs(bandwidth - expected->bandwidth) < 0.051,
                  "%s %s %s %s: %.2f us, %.2f GB/s, expected %.1f and %.1f", row->name,
                  fab_collective_names[row->collective], algorithm, fab_protocol_names[protocol], latency, bandwidth,
                  expected->latency, expected->bandwidth);
}

START_TEST(cells_of_the_cost_table_are_nccls)
{
    static const Cell none = { 0, 0 };
    const CostCase *row = &cost_cases[_i];
    Machine machine;

    machine_init(&machine, row->name, NULL, row->ranks);
    for (int p = 0; p < FAB_PROTOCOL_COUNT; p++) {
        check_cell(row, &machine, "ring", (FabProtocol)p, &row->ring[p]);
        check_cell(row, &machine, "chain", (FabProtocol)p, &row->tree[p]);
        check_cell(row, &machine, "nvls", (FabProtocol)p, p == FAB_PROTOCOL_SIMPLE ? &row->nvls : &none);
        check_cell(row, &machine, "pairwise", (FabProtocol)p, &none);
    }
    machine_clear(&machine);
}
END_TEST

/* One cell as a release counted it. */
typedef struct {
    const char *name;
    uint32_t ranks, nccl;
    FabCollective collective;
    const char *algorithm;
    FabProtocol protocol;
    Cell cell;
} ReleaseCase;

static const ReleaseCase release_cases[] = {
    /* LL: a quarter or a third of the bus up to 2.20, with Ampere's cap for Hopper */
    { "dgx-a100", 0, 2020, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL, { 15.0, 34.3 } },
    { "dgx-a100", 0, 2020, FAB_ALL_GATHER, "ring", FAB_PROTOCOL_LL, { 10.8, 91.4 } },
    { "dgx-a100", 0, 2021, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL, { 15.0, 50.1 } },
    { "dgx-h100", 0, 2021, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL, { 15.0, 80.6 } },
    /* LL128: one chip after the other up to 2.26 */
    { "ws2-bridge-3090", 0, 2026, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 0, 0 } },
    { "ws2-bridge-3090", 0, 2027, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 17.8, 36.8 } },
    { "dgx-b200", 0, 2024, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 0, 0 } },
    { "dgx-b200", 0, 2025, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 40.6, 378.5 } },
    { "hgx-b300", 0, 2026, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 0, 0 } },
    { "dgx-b200", 0, 2028, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 40.6, 378.5 } }, /* 73.4 each, not 40 */
    { "dgx-b200", 0, 2029, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_LL128, { 40.6, 365.7 } },
    /* the tree: hops of 28 us from 2.19 to 2.22; Blackwell's caps fitted in 2.28 */
    { "dgx-a100", 0, 2018, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_SIMPLE, { 56.0, 110.4 } },
    { "ws2-x16", 0, 2018, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_SIMPLE, { 12.0, 9.2 } },
    { "dgx-a100", 0, 2020, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_SIMPLE, { 392.0, 110.4 } },
    { "dgx-a100", 0, 2023, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_SIMPLE, { 64.4, 110.4 } },
    /* NVLS: 5/6 of heads x speed up to 2.27; the speeds of 2.18 lack 50 */
    { "dgx-h200", 4, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 200.0 } },
    { "dgx-h200", 5, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 250.0 } },
    { "dgx-h200", 6, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 250.0 } },
    { "dgx-h200", 7, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 233.3 } },
    { "dgx-h200", 8, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 266.7 } },
    { "dgx-h200", 4, 2027, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_SIMPLE, { 28.8, 240.0 } },
    { "dgx-h200", 5, 2027, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_SIMPLE, { 35.6, 225.0 } },
    { "dgx-h200", 7, 2027, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_SIMPLE, { 49.2, 210.0 } },
    { "dgx-b200", 5, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 375.0 } },
    { "dgx-b200", 6, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 450.0 } },
    { "dgx-b200", 5, 2027, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_SIMPLE, { 35.6, 450.0 } },
    { "dgx-b200", 6, 2027, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_SIMPLE, { 42.4, 432.0 } },
    { "dgx-h100", 6, 2018, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 23.0, 200.0 } },
    { "dgx-h100", 2, 2027, FAB_ALL_REDUCE, "nvls", FAB_PROTOCOL_SIMPLE, { 0, 0 } },
    { "dgx-h100", 0, 2019, FAB_ALL_GATHER, "nvls", FAB_PROTOCOL_SIMPLE, { 0, 0 } },
    { "dgx-h100", 0, 2022, FAB_ALL_GATHER, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 266.7 } },
    { "dgx-h100", 0, 2026, FAB_ALL_GATHER, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 320.0 } },
    { "dgx-h100", 0, 2027, FAB_ALL_GATHER, "nvls", FAB_PROTOCOL_SIMPLE, { 25.0, 280.0 } },
};

START_TEST(each_release_counts_in_its_own_way)
{
    const ReleaseCase *row = &release_cases[_i];
    CostCase names = { .name = row->name, .collective = row->collective };
    Machine machine;

    machine_init_release(&machine, row->name, NULL, row->ranks, row->nccl);
    check_cell(&names, &machine, row->algorithm, row->protocol, &row->cell);
    machine_clear(&machine);
}
END_TEST

/* GPUs from which NVLS is taken for 1 GiB; seen in the log of 2.27.7 on eight H200 and on eight B200. */
static const struct {
    const char *name;
    uint32_t nccl, from;
} nvls_cases[] = { { "dgx-h200", 2027, 5 }, { "dgx-b200", 2027, 6 }, { "dgx-h200", 2030, 6 } };

START_TEST(nvls_is_taken_from_as_many_gpus_as_in_the_log)
{
    for (uint32_t ranks = 3; ranks <= 8; ranks++) {
        Machine machine;
        bool nvls;
        machine_init_release(&machine, nvls_cases[_i].name, NULL, ranks, nvls_cases[_i].nccl);
        nvls = strcmp(plan_of(&machine, FAB_ALL_REDUCE, GIB, NULL).algorithm->name, "nvls") == 0;
        ck_assert_msg(nvls == (ranks >= nvls_cases[_i].from), "%s %u: %u GPUs%s take NVLS", nvls_cases[_i].name,
                      nvls_cases[_i].nccl, ranks, nvls ? "" : " do not");
        machine_clear(&machine);
    }
}
END_TEST

/* MAXCHANNELS was 32 up to 2.24, and Blackwell unknown; its NVLS had 32 channels at first. */
START_TEST(channels_follow_the_release)
{
    static const uint32_t cases[][3] = { { 2024, 24, 16 }, { 2025, 32, 32 }, { 2027, 32, 24 } };
    Machine machine;

    machine_init_release(&machine, "dgx-b200", NULL, 0, cases[_i][0]);
    ck_assert_uint_eq(machine.facts.channels, cases[_i][1]);
    ck_assert_uint_eq(machine.facts.nvls_channels, cases[_i][2]);
    machine_clear(&machine);
}
END_TEST

START_TEST(small_trees_are_corrected_by_their_size)
{
    Machine machine;
    double base, small;

    machine_init(&machine, "dgx-a100", NULL, 0);
    base = fab_nccl_estimate_us(&machine.facts, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_SIMPLE, GIB) - 64.4;
    small = fab_nccl_estimate_us(&machine.facts, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_SIMPLE, MIB) - 64.4;
    ck_assert_double_eq_tol(base / 1024 / small, 0.5, 1e-3); /* half the bandwidth at 2^20 = 64 x 2^14 bytes */
    ck_assert(isfinite(fab_nccl_estimate_us(&machine.facts, FAB_ALL_REDUCE, "chain", FAB_PROTOCOL_LL, 1)));
    machine_clear(&machine);
}
END_TEST

START_TEST(one_rank_has_no_cost_table)
{
    Machine machine;

    machine_init(&machine, "dgx-h100", NULL, 1);
    ck_assert(isinf(fab_nccl_estimate_us(&machine.facts, FAB_ALL_REDUCE, "ring", FAB_PROTOCOL_SIMPLE, MIB)));
    ck_assert_str_eq(plan_of(&machine, FAB_ALL_REDUCE, MIB, NULL).algorithm->name, "ring");
    machine_clear(&machine);
}
END_TEST

/* ------------------------------------------------------------------ switch points */

/* From each size on: "ring ll 0, ring ll128 4194304". The last row of each holds up to 4 GiB. */
typedef struct {
    const char *name;
    FabCollective collective;
    struct {
        uint64_t from;
        const char *algorithm;
        FabProtocol protocol;
    } kinds[4];
} SwitchCase;

static const SwitchCase switch_cases[] = {
    { "dgx-a100", FAB_ALL_REDUCE,
      { { 0, "ring", FAB_PROTOCOL_LL }, { 4 * MIB, "ring", FAB_PROTOCOL_LL128 },
        { 32 * MIB, "ring", FAB_PROTOCOL_SIMPLE } } },
    { "dgx-h100", FAB_ALL_REDUCE, { { 0, "ring", FAB_PROTOCOL_LL }, { 2 * MIB, "nvls", FAB_PROTOCOL_SIMPLE } } },
    /* log */
    { "dgx-h200", FAB_ALL_REDUCE, { { 0, "ring", FAB_PROTOCOL_LL }, { 2 * MIB, "nvls", FAB_PROTOCOL_SIMPLE } } },
    { "dgx-b200", FAB_ALL_REDUCE, { { 0, "ring", FAB_PROTOCOL_LL }, { 4 * MIB, "nvls", FAB_PROTOCOL_SIMPLE } } },
    { "ws2-bridge-3090", FAB_ALL_REDUCE,
      { { 0, "ring", FAB_PROTOCOL_LL }, { 512 * KIB, "ring", FAB_PROTOCOL_SIMPLE } } },
    { "ws2-x16", FAB_ALL_REDUCE, { { 0, "ring", FAB_PROTOCOL_LL }, { 256 * KIB, "ring", FAB_PROTOCOL_SIMPLE } } },
};

START_TEST(the_choice_changes_at_nccls_sizes)
{
    const SwitchCase *row = &switch_cases[_i];
    Machine machine;
    int kind = 0;

    machine_init(&machine, row->name, NULL, 0);
    for (uint64_t size = 8; size <= 4 * GIB; size *= 2) {
        FabPlan plan = plan_of(&machine, row->collective, size, NULL);
        while (row->kinds[kind + 1].algorithm != NULL && size >= row->kinds[kind + 1].from)
            kind++;
        ck_assert_msg(strcmp(plan.algorithm->name, row->kinds[kind].algorithm) == 0 &&
                      plan.protocol == row->kinds[kind].protocol,
                      "%s at %" G_GUINT64_FORMAT " bytes: %s %s, expected %s %s", row->name, size,
                      plan.algorithm->name, fab_protocol_names[plan.protocol], row->kinds[kind].algorithm,
                      fab_protocol_names[row->kinds[kind].protocol]);
    }
    machine_clear(&machine);
}
END_TEST

/* NVLS is dearer than the ring at every size (measured on H100 and H200: they never take it). */
START_TEST(all_gather_and_reduce_scatter_stay_with_the_ring)
{
    static const char *const names[] = { "dgx-h100", "dgx-b200" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        Machine machine;
        machine_init(&machine, names[i], NULL, 0);
        for (uint64_t size = 8; size <= 4 * GIB; size *= 2) {
            ck_assert_str_eq(plan_of(&machine, FAB_ALL_GATHER, size, NULL).algorithm->name, "ring");
            ck_assert_str_eq(plan_of(&machine, FAB_REDUCE_SCATTER, size, NULL).algorithm->name, "ring");
        }
        machine_clear(&machine);
    }
}
END_TEST

START_TEST(four_hopper_gpus_stay_with_the_ring)
{
    Machine machine;

    machine_init(&machine, "dgx-h100", NULL, 4); /* log */
    for (uint64_t size = 8; size <= 4 * GIB; size *= 2)
        ck_assert_str_eq(plan_of(&machine, FAB_ALL_REDUCE, size, NULL).algorithm->name, "ring");
    machine_clear(&machine);
}
END_TEST

/* ------------------------------------------------------------------ the rest of a plan */

START_TEST(large_rings_use_every_channel_and_two_slices_of_a_megabyte)
{
    Machine machine;
    FabPlan plan;

    machine_init(&machine, "dgx-a100", NULL, 0);
    plan = plan_of(&machine, FAB_ALL_REDUCE, GIB, NULL);
    ck_assert_uint_eq(plan.channels, 24);
    ck_assert_uint_eq(plan.threads, 512);
    ck_assert_uint_eq(plan.chunk_bytes, 2 * MIB);
    ck_assert_uint_eq(plan.slice_bytes, MIB);
    ck_assert_uint_eq(plan.slots, 4);
    plan = plan_of(&machine, FAB_BROADCAST, GIB, NULL);
    ck_assert_uint_eq(plan.chunk_bytes, 512 * KIB);
    ck_assert_uint_eq(plan.slice_bytes, 512 * KIB); /* whole chunks */
    ck_assert_uint_eq(plan.slots, 8);
    machine_clear(&machine);
}
END_TEST

START_TEST(small_calls_use_fewer_channels_and_never_more_for_less)
{
    static const char *const names[] = { "dgx-a100", "dgx-h100", "dgx-1v", "ws2-bridge-3090", "wrx90-2sw-8" };
    FabWishes ring = { .algorithm = "ring", .protocol = FAB_PROTOCOL_LL };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        Machine machine;
        uint32_t before = 1;
        machine_init(&machine, names[i], NULL, 0);
        ck_assert_uint_eq(plan_of(&machine, FAB_ALL_REDUCE, 8, &ring).channels, 1);
        for (uint64_t size = 8; size <= GIB; size *= 2) {
            FabPlan plan = plan_of(&machine, FAB_ALL_REDUCE, size, &ring);
            ck_assert_uint_ge(plan.channels, before);
            ck_assert_uint_le(plan.channels, machine.facts.channels);
            ck_assert(plan.slice_bytes >= 1 && plan.slice_bytes <= plan.chunk_bytes && plan.slots >= 1);
            before = plan.channels;
        }
        ck_assert_uint_eq(before, machine.facts.channels);
        machine_clear(&machine);
    }
}
END_TEST

START_TEST(trees_of_ll128_cut_small_calls_finer)
{
    FabWishes tree = { .algorithm = "chain", .protocol = FAB_PROTOCOL_LL128 };
    Machine machine;

    machine_init(&machine, "dgx-h100", NULL, 0);
    /* 174,763 B a channel: halved below 14.4 chunks down to 128 KiB, then below 3.6 */
    ck_assert_uint_eq(plan_of(&machine, FAB_ALL_REDUCE, 4 * MIB, &tree).chunk_bytes, 36000);
    ck_assert_uint_eq(plan_of(&machine, FAB_ALL_REDUCE, GIB, &tree).chunk_bytes, 576000);
    machine_clear(&machine);
}
END_TEST

START_TEST(slow_simple_rings_have_half_of_the_threads)
{
    FabWishes simple = { .algorithm = "ring", .protocol = FAB_PROTOCOL_SIMPLE };
    Machine fast, slow;

    machine_init(&fast, "ws2-x16", NULL, 0);
    machine_init(&slow, "desk2-x8", NULL, 0);
    ck_assert_uint_eq(plan_of(&fast, FAB_ALL_REDUCE, GIB, &simple).threads, 512);
    ck_assert_uint_eq(plan_of(&slow, FAB_ALL_REDUCE, GIB, &simple).threads, 256);
    machine_clear(&fast);
    machine_clear(&slow);
}
END_TEST

START_TEST(wishes_win)
{
    FabWishes wishes = { .algorithm = "ring", .protocol = FAB_PROTOCOL_SIMPLE, .channels = 7, .chunk_bytes = 100000,
                         .slice_bytes = 3000, .slots = 3 };
    FabWishes chunk = { .protocol = -1, .chunk_bytes = 1000 };
    Machine machine;
    FabPlan plan;

    machine_init(&machine, "dgx-h100", NULL, 0);
    plan = plan_of(&machine, FAB_ALL_REDUCE, GIB, &wishes);
    ck_assert_str_eq(plan.algorithm->name, "ring");
    ck_assert(plan.protocol == FAB_PROTOCOL_SIMPLE && plan.channels == 7 && plan.chunk_bytes == 100000 &&
              plan.slice_bytes == 3000 && plan.slots == 3);
    plan = plan_of(&machine, FAB_ALL_REDUCE, GIB, &chunk);
    ck_assert(plan.chunk_bytes == 1000 && plan.slice_bytes <= 1000);
    machine_clear(&machine);
}
END_TEST

START_TEST(wishes_that_cannot_be_met_are_refused)
{
    FabWishes nvls = { .algorithm = "nvls", .protocol = -1 }, unknown = { .algorithm = "rings", .protocol = -1 };
    g_autoptr(GError) first = NULL, second = NULL;
    FabPlan plan;
    Machine machine;

    machine_init(&machine, "dgx-a100", NULL, 0);
    ck_assert(!fab_choose(&machine.facts, FAB_ALL_REDUCE, MIB, &nvls, &plan, &first));
    ck_assert(g_error_matches(first, FAB_ERROR, FAB_ERROR_VALUE));
    ck_assert_str_eq(first->message, "algorithm nvls needs an NVSwitch with in-switch reduction that joins all ranks; "
                                     "use ring");
    ck_assert(!fab_choose(&machine.facts, FAB_ALL_REDUCE, MIB, &unknown, &plan, &second));
    ck_assert_msg(strstr(second->message, "ring") != NULL, "%s", second->message);
    machine_clear(&machine);
}
END_TEST

START_TEST(over_pcie_chunks_of_broadcast_and_send_recv_pass_in_pieces)
{
    static const struct {
        const char *machine;
        FabCollective collective;
        uint64_t chunk, slice;
        double fences;
    } cases[] = {
        { "l40s-8-dual-root-4sw", FAB_BROADCAST, 512 * KIB, 32 * KIB, 1.0 / 16 },
        { "l40s-8-dual-root-4sw", FAB_REDUCE, 512 * KIB, 32 * KIB, 1.0 / 16 },
        { "l40s-8-dual-root-4sw", FAB_ALL_TO_ALL, 128 * KIB, 32 * KIB, 1.0 / 4 },
        { "dgx-a100", FAB_BROADCAST, 512 * KIB, 512 * KIB, 1 },
        { "dgx-a100", FAB_ALL_TO_ALL, 512 * KIB, 512 * KIB, 1 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Machine machine;
        FabPlan plan;
        machine_init(&machine, cases[i].machine, NULL, 0);
        plan = plan_of(&machine, cases[i].collective, GIB, NULL);
        ck_assert_uint_eq(plan.chunk_bytes, cases[i].chunk);
        ck_assert_uint_eq(plan.slice_bytes, cases[i].slice);
        ck_assert_uint_eq(plan.slots * plan.slice_bytes, 8 * plan.chunk_bytes);
        ck_assert_double_eq(plan.fences, cases[i].fences);
        machine_clear(&machine);
    }
}
END_TEST

START_TEST(two_gpus_on_an_amd_host_talk_directly)
{
    g_autoptr(FabTopology) amd = fab_machine_load("epyc4-4090", NULL, NULL);
    g_autoptr(FabTopology) intel = fab_machine_load("ws2-x16", NULL, NULL);

    ck_assert_int_eq(fab_peer_level(amd, 2, NCCL), FAB_PATH_SYS);
    ck_assert_int_eq(fab_peer_level(amd, 4, NCCL), FAB_PATH_PXB);
    ck_assert_int_eq(fab_peer_level(amd, 4, 2022), FAB_PATH_SYS);
    ck_assert_int_eq(fab_peer_level(intel, 2, NCCL), FAB_PATH_PXB);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("choice");

    tcase_add_loop_test(tests, channels_are_those_of_the_graph_search, 0, G_N_ELEMENTS(channel_cases));
    tcase_add_loop_test(tests, channels_of_send_and_receive_follow_from_the_links, 0, G_N_ELEMENTS(send_cases));
    tcase_add_loop_test(tests, cells_of_the_cost_table_are_nccls, 0, G_N_ELEMENTS(cost_cases));
    tcase_add_loop_test(tests, each_release_counts_in_its_own_way, 0, G_N_ELEMENTS(release_cases));
    tcase_add_loop_test(tests, nvls_is_taken_from_as_many_gpus_as_in_the_log, 0, G_N_ELEMENTS(nvls_cases));
    tcase_add_loop_test(tests, channels_follow_the_release, 0, 3);
    tcase_add_test(tests, small_trees_are_corrected_by_their_size);
    tcase_add_test(tests, one_rank_has_no_cost_table);
    tcase_add_loop_test(tests, the_choice_changes_at_nccls_sizes, 0, G_N_ELEMENTS(switch_cases));
    tcase_add_test(tests, all_gather_and_reduce_scatter_stay_with_the_ring);
    tcase_add_test(tests, four_hopper_gpus_stay_with_the_ring);
    tcase_add_test(tests, large_rings_use_every_channel_and_two_slices_of_a_megabyte);
    tcase_add_test(tests, small_calls_use_fewer_channels_and_never_more_for_less);
    tcase_add_test(tests, trees_of_ll128_cut_small_calls_finer);
    tcase_add_test(tests, slow_simple_rings_have_half_of_the_threads);
    tcase_add_test(tests, wishes_win);
    tcase_add_test(tests, wishes_that_cannot_be_met_are_refused);
    tcase_add_test(tests, over_pcie_chunks_of_broadcast_and_send_recv_pass_in_pieces);
    tcase_add_test(tests, two_gpus_on_an_amd_host_talk_directly);
    return run_tests(tests);
}
