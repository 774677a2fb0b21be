/*
 * NCCL's cost table on one NVLink domain or node (src/graph/tuning.cc of 2.30, with what changed since 2.18 where it
 * decides differently): a decision, not a time.
 */
#include <math.h>
#include <string.h>

#include "collective/tuner-private.h"

/* NVLSTree and CollNet need several nodes or a network that reduces: they have no cell on one node. */
const char *const fab_nccl_algorithms[] = { "chain", "ring",      "collnet-direct", "collnet-chain",
                                            "nvls",  "nvls-tree", "pat",            NULL };

const double fab_tuner_ring_base[] = { 6.6, 14.0, 8.4 }, fab_tuner_tree_base[] = { 6.8, 14.0, 8.4 };
const double fab_tuner_ring_hop[2][3] = { { 0.6, 1.9, 3.4 }, { 1.0, 2.5, 5.7 } };
const double fab_tuner_tree_hop[2][3] = { { 0.6, 1.25, 4.0 }, { 1.0, 1.9, 4.0 } };
static const double pat_base_us = 8.0, pat_rank_us = 2.8;

/* Caps in GB/s by generation: LL of all channels together, the others of each. */
static const double ll_most[] = { 39, 87.7, 141, 282 };
const double fab_tuner_ring_ll128_most[] = { 20, 20, 36.7, 40 };
static const double tree_ll128_most[] = { 20, 20, 36.7, 55.6 };
static const double tree_most[] = { 26.5, 24, 38.7, 70 };

const uint8_t fab_tuner_tree_correction[3][23] = {
    { 100, 100, 100, 100, 90, 80, 70, 70, 70, 70, 60, 50, 40, 40, 50, 60, 70, 80, 90, 100, 100, 100, 100 },
    { 100, 100, 100, 100, 100, 90, 80, 80, 80, 70, 60, 60, 60, 60, 60, 60, 80, 90, 90, 90, 90, 100, 100 },
    { 90, 90, 90, 90, 90, 90, 90, 80, 70, 60, 60, 50, 50, 50, 50, 60, 70, 80, 70, 70, 80, 90, 90 },
};

FabTunerGeneration
fab_tuner_generation(const FabMachineFacts *facts)
{
    if (facts->compute_capability >= 100 && facts->nccl >= 2025)
        return FAB_TUNER_BLACKWELL;
    if (facts->compute_capability >= 90)
        return FAB_TUNER_HOPPER;
    return facts->compute_capability >= 80 ? FAB_TUNER_AMPERE : FAB_TUNER_VOLTA;
}

static double
ll_cap(const FabMachineFacts *facts)
{
    FabTunerGeneration generation = fab_tuner_generation(facts);

    return ll_most[facts->nccl < 2021 ? MIN(generation, FAB_TUNER_AMPERE) : generation];
}

/* Blackwell's caps of one channel were twice Hopper's until they were fitted, one table after the other. */
static double
channel_cap(const FabMachineFacts *facts, const double *table, uint32_t fitted)
{
    FabTunerGeneration generation = fab_tuner_generation(facts);

    return generation == FAB_TUNER_BLACKWELL && facts->nccl < fitted ? 2 * table[FAB_TUNER_HOPPER] : table[generation];
}

bool
fab_tuner_allows(const FabMachineFacts *facts, FabProtocol protocol)
{
    uint32_t sm = facts->compute_capability;
    bool released = sm == 70 || sm == 80 || sm == 90 || (facts->nccl >= 2025 && (sm == 100 || sm == 120));

    if (facts->simple_only && protocol != FAB_PROTOCOL_SIMPLE)
        return false;
    if (protocol != FAB_PROTOCOL_LL128 || facts->any_ll128)
        return true;
    return (facts->nccl >= 2027 || released) && facts->path <= FAB_PATH_NVB && sm >= 70 && !facts->far_nics;
}

double
fab_tuner_ring_steps(const FabMachineFacts *facts, FabCollective collective)
{
    double n = facts->ranks;

    if (collective == FAB_ALL_REDUCE)
        return 2 * (n - 1);
    return collective == FAB_BROADCAST || collective == FAB_REDUCE ? n : n - 1;
}

/* What LL reaches of a ring's bus bandwidth; more since 2.21. */
static double
ll_share(const FabMachineFacts *facts, FabCollective collective)
{
    if (facts->nccl >= 2021)
        return 0.5;
    return collective == FAB_ALL_REDUCE || collective == FAB_REDUCE ? 1.0 / 4 : 1.0 / 3;
}

static FabTunerCell
ring_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol)
{
    double bus = facts->graph_channels * facts->graph_speed;
    double steps = fab_tuner_ring_steps(facts, collective), hops = steps;
    double hop = fab_tuner_ring_hop[facts->transport != FAB_TRANSPORT_NVLINK][protocol];

    if (collective > FAB_REDUCE || !fab_tuner_allows(facts, protocol))
        return (FabTunerCell) { 0 };
    if (protocol == FAB_PROTOCOL_LL)
        bus = MIN(ll_cap(facts), ll_share(facts, collective) * bus);
    else if (protocol == FAB_PROTOCOL_LL128)
        bus = MIN(0.92 * bus, facts->graph_channels * channel_cap(facts, fab_tuner_ring_ll128_most, 2029));
    if (collective == FAB_BROADCAST || collective == FAB_REDUCE)
        hops = 1;
    return (FabTunerCell) { .latency_us = fab_tuner_ring_base[protocol] + hops * hop,
                            .bandwidth = bus * facts->ranks / steps };
}

/* The Simple tree's latency had no base up to 2.22, and hops of 28 us from 2.19 on to keep it for large calls. */
static double
tree_latency_us(const FabMachineFacts *facts, FabProtocol protocol)
{
    bool nvlink = facts->transport == FAB_TRANSPORT_NVLINK;
    double base = fab_tuner_tree_base[protocol], hop = fab_tuner_tree_hop[!nvlink][protocol];

    if (protocol == FAB_PROTOCOL_SIMPLE && facts->nccl < 2023) {
        base = 0;
        hop = facts->nccl >= 2019 ? 28 : nvlink ? 4 : 6;
    }
    return base + 2.0 * (facts->ranks - 1) * hop;
}

static FabTunerCell
tree_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol, uint64_t size)
{
    double channels = facts->graph_channels;
    double bus = MIN(0.92 * channels * facts->graph_speed, channels * channel_cap(facts, tree_most, 2028));
    int octave = size < 64 ? 0 : (int)log2((double)size / 64);

    if (collective != FAB_ALL_REDUCE || !fab_tuner_allows(facts, protocol))
        return (FabTunerCell) { 0 };
    if (protocol == FAB_PROTOCOL_LL)
        bus = MIN(bus / 3.8, ll_cap(facts));
    else if (protocol == FAB_PROTOCOL_LL128)
        bus = MIN(bus * 7 / 9, channels * channel_cap(facts, tree_ll128_most, 2028));
    if (octave < 23)
        bus *= fab_tuner_tree_correction[protocol][octave] / 100.0;
    return (FabTunerCell) { .latency_us = tree_latency_us(facts, protocol), .bandwidth = bus * 0.5 };
}

/* Algorithm bandwidth of NVLS up to 2.27, GB/s; 0: not offered. */
static double
old_nvls_bandwidth(const FabMachineFacts *facts, FabCollective collective)
{
    double heads = MIN(facts->ranks, 32), n = facts->ranks;
    double least = heads * MIN(facts->nvls_intra, facts->nvls_inter);

    if (collective == FAB_ALL_REDUCE)
        return least * 5 / 6;
    if (facts->nccl < 2020)
        return 0;
    if (facts->nccl < 2027)
        return facts->nccl < 2023 ? least * 5 / 6 : least;
    return heads * MIN(facts->nvls_intra * (n - 1) / n, 0.9 * facts->nvls_inter);
}

static FabTunerCell
nvls_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol)
{
    double heads = MIN(facts->ranks, 32), n = facts->ranks;
    double efficiency = facts->compute_capability >= 100 ? 0.74 : 0.85;
    double intra = heads * facts->nvls_intra * efficiency * (heads - 1) / heads;
    double inter = heads * facts->nvls_inter, latency_us = facts->nccl < 2021 ? 23 : 25;

    if (facts->nccl < 2028 && facts->ranks < 3)
        return (FabTunerCell) { 0 };
    if (!facts->in_switch || protocol != FAB_PROTOCOL_SIMPLE || collective > FAB_REDUCE_SCATTER)
        return (FabTunerCell) { 0 };
    if (facts->nccl < 2028)
        return (FabTunerCell) { .latency_us = latency_us, .bandwidth = old_nvls_bandwidth(facts, collective) };
    if (collective == FAB_ALL_REDUCE)
        return (FabTunerCell) { .latency_us = latency_us, .bandwidth = MIN(intra * 2, inter) * n / (2 * (n - 1)) };
    return (FabTunerCell) { .latency_us = latency_us, .bandwidth = MIN(intra * (n - 1) / n, inter) };
}

/* Inside one node the logarithmic part of its latency is gone, as no step leaves it. */
static FabTunerCell
pat_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol)
{
    double share = facts->nccl >= 2024 ? 0.75 : 0.85;

    if (!facts->pat || facts->nccl < 2023 || protocol != FAB_PROTOCOL_SIMPLE ||
        (collective != FAB_ALL_GATHER && collective != FAB_REDUCE_SCATTER))
        return (FabTunerCell) { 0 };
    return (FabTunerCell) { .latency_us = pat_base_us + pat_rank_us * facts->ranks,
                    .bandwidth = share * facts->graph_channels * facts->graph_speed };
}

double
fab_nccl_estimate_us(const FabMachineFacts *facts, FabCollective collective, const char *algorithm,
                     FabProtocol protocol, uint64_t size)
{
    FabTunerCell cell = { 0 };

    if (facts->ranks < 2)
        return INFINITY;
    if (facts->nodes > 1)
        return fab_nodes_estimate_us(facts, collective, algorithm, protocol, size);
    if (strcmp(algorithm, "ring") == 0)
        cell = ring_cell(facts, collective, protocol);
    else if (strcmp(algorithm, "chain") == 0)
        cell = tree_cell(facts, collective, protocol, size);
    else if (strcmp(algorithm, "nvls") == 0)
        cell = nvls_cell(facts, collective, protocol);
    else if (strcmp(algorithm, "pat") == 0)
        cell = pat_cell(facts, collective, protocol);
    return cell.bandwidth > 0 ? cell.latency_us + (double)size / (1000 * cell.bandwidth) : INFINITY;
}

double
fab_nccl_cheapest_us(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
                     const char **algorithm, FabProtocol *protocol)
{
    double best = INFINITY;

    for (int a = 0; fab_nccl_algorithms[a] != NULL; a++) {
        bool tree = facts->nodes > 1 && strcmp(fab_nccl_algorithms[a], "chain") == 0;
        if ((wishes->algorithm != NULL && strcmp(wishes->algorithm, tree ? "tree" : fab_nccl_algorithms[a]) != 0) ||
            (wishes->without_algorithms >> a & 1) != 0)
            continue;
        for (int p = 0; p < FAB_PROTOCOL_COUNT; p++) {
            double cost = fab_nccl_estimate_us(facts, collective, fab_nccl_algorithms[a], (FabProtocol)p, size);
            if ((wishes->protocol >= 0 && wishes->protocol != p) || (wishes->without_protocols >> p & 1) != 0 ||
                cost >= best)
                continue;
            best = cost;
            *algorithm = fab_nccl_algorithms[a];
            *protocol = (FabProtocol)p;
        }
    }
    return best;
}
