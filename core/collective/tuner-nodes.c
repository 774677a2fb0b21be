/*
 * NCCL's cost table over several nodes (src/graph/tuning.cc of 2.30, with what changed since 2.18 where it decides
 * differently): a decision, not a time.
 */
#include <math.h>
#include <string.h>

#include "collective/tuner-private.h"

static const double ring_network[] = { 2.7, 4.0, 14.0 }, tree_network[] = { 5.0, 8.5, 14.0 };

/* GB/s, by generation and for two nodes, for more. LL of all channels together goes by the maker of the CPUs. */
static const double ll_most[2][2] = { { 39, 20.4 }, { 22.5, 19 } }; /* others, AMD */
static const double tree_ll128_most[4][2] = { { 20, 20 }, { 20, 20 }, { 36.7, 29 }, { 31.67, 20 } };
static const double tree_most[4][2] = { { 18.5, 10 }, { 23.6, 17.8 }, { 41.4, 36 }, { 42.8, 24 } };
static const double tree_nvls_most[4][2] = { { 18.5, 10 }, { 23.6, 17.8 }, { 57.7, 45.5 }, { 96, 80 } };

/* Rings' LL128 for each channel of Blackwell, for two nodes, for more: 2.28.9, 2.29.2; 2.30 has one for all. */
static const double blackwell_ll128[2][2] = { { 34.6, 73.4 }, { 34.6, 34.5 } };

/* Rings' LL128 for each channel of Blackwell, two nodes and more: 2.28.9, 2.29.2; 2.30 has one for all. */
static double
tree_cap(const FabMachineFacts *facts, const double table[4][2], bool many)
{
    FabTunerGeneration generation = fab_tuner_generation(facts);

    return generation == FAB_TUNER_BLACKWELL && facts->nccl < 2028 ? 2 * table[FAB_TUNER_HOPPER][many]
                                                                   : table[generation][many];
}

static double
ring_ll128_cap(const FabMachineFacts *facts)
{
    FabTunerGeneration generation = fab_tuner_generation(facts);

    if (generation != FAB_TUNER_BLACKWELL || facts->nccl >= 2030)
        return fab_tuner_ring_ll128_most[generation];
    if (facts->nccl < 2028)
        return 2 * fab_tuner_ring_ll128_most[FAB_TUNER_HOPPER];
    return blackwell_ll128[facts->nccl >= 2029][facts->nodes > 2];
}

/* The cap of NVLSTree over more than two nodes grew with 2.30. */
static double
nvls_tree_cap(const FabMachineFacts *facts, bool many)
{
    FabTunerGeneration generation = fab_tuner_generation(facts);

    return generation == FAB_TUNER_BLACKWELL && many && facts->nccl < 2030 ? 43.8 : tree_nvls_most[generation][many];
}

/* The proxy's post of one message, us; three times for Simple. */
static double
post_us(const FabMachineFacts *facts, FabProtocol protocol)
{
    return (facts->amd ? 2 : 1) * (protocol == FAB_PROTOCOL_SIMPLE ? 3 : 1);
}

static FabTunerCell
ring_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol, uint64_t size)
{
    double bus = facts->graph_channels * facts->graph_speed, steps = fab_tuner_ring_steps(facts, collective);
    bool reduce = collective == FAB_ALL_REDUCE, pcie = facts->transport > FAB_TRANSPORT_NVLINK;
    double crossings = reduce ? 2.0 * (facts->nccl < 2021 ? facts->nodes : facts->nodes - 1) : facts->nodes - 1;
    double latency = fab_tuner_ring_base[protocol] + crossings * ring_network[protocol] +
                     MAX(steps - crossings, 0) * MAX(fab_tuner_ring_hop[pcie][protocol], post_us(facts, protocol));

    if (collective > FAB_REDUCE || !fab_tuner_allows(facts, protocol))
        return (FabTunerCell) { 0 };
    if (protocol == FAB_PROTOCOL_LL)
        bus = MIN(ll_most[facts->amd][facts->nodes > 2], (facts->nccl >= 2021 ? 0.5 : 0.25) * bus);
    else if (protocol == FAB_PROTOCOL_LL128)
        bus = MIN((facts->local < 2 && facts->nccl < 2021 ? 0.7 : 0.92) * bus,
                  facts->graph_channels * ring_ll128_cap(facts));
    if (collective == FAB_BROADCAST || collective == FAB_REDUCE)
        latency = fab_tuner_ring_base[protocol] + ring_network[protocol];
    if (reduce && protocol == FAB_PROTOCOL_SIMPLE && size / facts->graph_channels / facts->ranks >= 64)
        latency *= facts->compute_capability < 80 ? 1.9 : 1.4;
    return (FabTunerCell) { .latency_us = latency, .bandwidth = bus * facts->ranks / steps };
}

static FabTunerCell
tree_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol, uint64_t size)
{
    bool many = facts->nodes > 2, pcie = facts->transport > FAB_TRANSPORT_NVLINK;
    double channels = facts->graph_channels, network = tree_network[protocol];
    double inside = fab_tuner_tree_hop[pcie][protocol];
    double base = fab_tuner_tree_base[protocol], raw = channels * (many ? facts->graph_speed : facts->tree_intra);
    double bus = MIN(0.92 * raw, channels * tree_cap(facts, tree_most, many));
    int octave = size < 64 ? 0 : (int)log2((double)size / 64);

    if (collective != FAB_ALL_REDUCE || !fab_tuner_allows(facts, protocol))
        return (FabTunerCell) { 0 };
    if (protocol == FAB_PROTOCOL_SIMPLE && facts->nccl < 2023) {
        base = 0;
        network = facts->nccl >= 2019 ? 28 : network;
        inside = facts->nccl >= 2019 ? 28 : inside;
    }
    if (protocol == FAB_PROTOCOL_LL)
        bus = MIN(bus / 3.8, ll_most[facts->amd][many]);
    else if (protocol == FAB_PROTOCOL_LL128)
        bus = MIN(bus * 120 / 128, channels * tree_cap(facts, tree_ll128_most, many));
    if (facts->compute_capability >= 90)
        bus *= 0.85; /* one GPU of a node has parent and children */
    if (octave < 23)
        bus *= fab_tuner_tree_correction[protocol][octave] / 100.0;
    return (FabTunerCell) { .latency_us = base + 2 * ((facts->local - 1.0) * inside + log2(facts->nodes) * network),
                    .bandwidth = bus * 0.5 };
}

static FabTunerCell
nvls_tree_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol, uint64_t size)
{
    bool many = facts->nodes > 2, corrected = facts->nccl >= 2029 && facts->compute_capability >= 100 && !facts->grace;
    int octave = size < 64 ? 0 : (int)log2((double)size / 64);
    double heads = MIN(facts->local, 32), n = facts->ranks, efficiency = facts->compute_capability >= 100 ? 0.74 : 0.85;
    double inside = heads * facts->nvls_intra, between = heads * facts->nvls_inter, bandwidth;
    double hops = facts->nccl < 2020 ? facts->nodes - 1 : log2(facts->nodes);
    double network = facts->nccl >= 2028 ? 20.9 : facts->nccl >= 2020 ? 14 : 19;

    if (!facts->in_switch || protocol != FAB_PROTOCOL_SIMPLE || collective != FAB_ALL_REDUCE)
        return (FabTunerCell) { 0 };
    if (facts->nccl >= 2028) {
        bandwidth = MIN(inside * efficiency * (heads - 1) / heads * 2, between * (many ? 1 : 2));
        bandwidth = MIN(bandwidth, heads * nvls_tree_cap(facts, many)) * n / (2 * (n - 1));
    } else if (facts->nccl >= 2020) {
        bandwidth = MIN(inside, many ? between / 2 : between) * 5 / 6;
    } else {
        bandwidth = MIN(inside, between) * 0.7 * facts->nodes / (2.0 * (facts->nodes - 1));
    }
    /* From 2.29 on as trees, on x86 hosts; NCCL's table goes one octave on for it. */
    if (corrected && octave < 24)
        bandwidth *= fab_tuner_tree_correction[protocol][MIN(octave, 22)] / 100.0;
    return (FabTunerCell) { .latency_us = (facts->nccl < 2021 ? 23 : 25) + 2 * hops * network, .bandwidth = bandwidth };
}

/*
 * Heads are the ranks that have NICs of their own, at most eight. Direct exchanges inside the node all to all, which an
 * NVSwitch must carry; Chain passes data along the node's ranks and back. Neither is for more than eight ranks a node,
 * Chain from 2.28 on (NCCL's src/enqueue.cc). Chain's bandwidth is counted by its speed inside the node alone.
 */
static FabTunerCell
collnet_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol, bool direct)
{
    double heads = MAX(MIN(facts->local, facts->graph_channels), 1), others = facts->local - 1.0;
    double share = facts->local / heads, bus = heads * facts->tree_intra;
    double hop = facts->nccl < 2019 ? (direct ? 10.7 : 14) : direct ? 3.7 : 2.8, network = direct ? 31 : 30;
    double inside = direct ? MIN(others, 1) * hop + others * 0.4 : others * hop;

    if (!facts->collnet || collective != FAB_ALL_REDUCE || protocol != FAB_PROTOCOL_SIMPLE)
        return (FabTunerCell) { 0 };
    if ((direct && !facts->nvswitch) || (facts->local > 8 && (direct || facts->nccl >= 2028)))
        return (FabTunerCell) { 0 };
    if (direct)
        bus = bus / (share - (share - 1) / 2) * (facts->compute_capability >= 90 ? 0.85 : 1);
    return (FabTunerCell) { .latency_us = 2 * inside + network, .bandwidth = bus * 0.5 };
}

/* NVSwitches inside the nodes, a network that reduces between them. */
static FabTunerCell
nvls_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol)
{
    double heads = MIN(facts->local, 32), n = facts->ranks, efficiency = facts->compute_capability >= 100 ? 0.74 : 0.85;
    double inside = heads * facts->nvls_intra, between = heads * facts->nvls_inter, bandwidth;

    if (!facts->collnet || !facts->in_switch || protocol != FAB_PROTOCOL_SIMPLE || collective != FAB_ALL_REDUCE)
        return (FabTunerCell) { 0 };
    if (facts->nccl >= 2028)
        bandwidth = MIN(inside * efficiency * (heads - 1) / heads * 2, between) * n / (2 * (n - 1));
    else
        bandwidth = MIN(inside, between) * 5 / 6;
    return (FabTunerCell) { .latency_us = (facts->nccl < 2021 ? 23 : 25) + 18, .bandwidth = bandwidth };
}

/* One GPU of each node, unless it is asked for. */
static FabTunerCell
pat_cell(const FabMachineFacts *facts, FabCollective collective, FabProtocol protocol)
{
    if ((facts->local > 1 && !facts->pat) || facts->nccl < 2023 || protocol != FAB_PROTOCOL_SIMPLE ||
        (collective != FAB_ALL_GATHER && collective != FAB_REDUCE_SCATTER))
        return (FabTunerCell) { 0 };
    return (FabTunerCell) { .latency_us = 8 + log2(facts->nodes) * 14 / 3.5 + 2.8 * facts->ranks,
                    .bandwidth = (facts->nccl >= 2024 ? 0.75 : 0.85) * facts->graph_channels * facts->graph_speed };
}

double
fab_nodes_estimate_us(const FabMachineFacts *facts, FabCollective collective, const char *algorithm,
                      FabProtocol protocol, uint64_t size)
{
    FabTunerCell cell = { 0 };

    if (strcmp(algorithm, "ring") == 0)
        cell = ring_cell(facts, collective, protocol, size);
    else if (strcmp(algorithm, "chain") == 0)
        cell = tree_cell(facts, collective, protocol, size);
    else if (strcmp(algorithm, "nvls-tree") == 0)
        cell = nvls_tree_cell(facts, collective, protocol, size);
    else if (strcmp(algorithm, "nvls") == 0)
        cell = nvls_cell(facts, collective, protocol);
    else if (g_str_has_prefix(algorithm, "collnet"))
        cell = collnet_cell(facts, collective, protocol, strcmp(algorithm, "collnet-direct") == 0);
    else if (strcmp(algorithm, "pat") == 0)
        cell = pat_cell(facts, collective, protocol);
    return cell.bandwidth > 0 ? cell.latency_us + (double)size / (1000 * cell.bandwidth) : INFINITY;
}

double
fab_nodes_ll128_most(const FabMachineFacts *facts)
{
    return fab_tuner_ring_ll128_most[fab_tuner_generation(facts)] / 2;
}
