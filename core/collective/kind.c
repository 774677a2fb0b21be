#include "collective/kind.h"

#include <string.h>

const char *const fab_band_names[] = { "below 64 KiB", "64 KiB to 8 MiB", "from 8 MiB", NULL };
const char *const fab_connection_ids[] = { "nvswitch", "nvlink-mesh", "nvlink-bridge", "pcie-peer", "pcie-staged",
                                           "network", "shared-network", "other-network", NULL };
const char *const fab_connection_names[] = { "NVSwitch", "an NVLink mesh", "an NVLink bridge", "PCIe peer to peer",
                                             "PCIe through host memory", "a network of their own",
                                             "a network that others share", "a network of another kind", NULL };
const char *const fab_family_ids[] = { "ring", "nvls", "send-recv", NULL };

FabBand
fab_band_of(uint64_t size)
{
    if (size < 65536)
        return FAB_BAND_SMALL;
    return size < 8388608 ? FAB_BAND_MIDDLE : FAB_BAND_LARGE;
}

/* Whether a GPU has NVLinks to more than one other GPU. */
static bool
is_meshed(const FabTopology *topology, FabVertex gpu)
{
    FabVertex first = FAB_VERTEX_NONE;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, gpu, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        FabVertex other = fab_link_other_end(link, gpu);
        if (link->medium != FAB_MEDIUM_NVLINK || topology->vertices[other].kind != FAB_VERTEX_GPU)
            continue;
        if (first != FAB_VERTEX_NONE && other != first)
            return true;
        first = other;
    }
    return false;
}

bool
fab_connection_is_network(FabConnection connection)
{
    return connection >= FAB_CONNECTION_NETWORK;
}

static FabConnection
network_of(const FabTopology *topology, const FabPlan *plan)
{
    static const char *const own[] = { "fat-tree", "rail-optimised", "nvl-domain", NULL };
    bool reduces = g_str_has_prefix(plan->algorithm->name, "collnet") || strcmp(plan->algorithm->name, "nvls") == 0;

    if (reduces || topology->plugin == NULL || topology->network.thread_rate > 0)
        return FAB_CONNECTION_OTHER_NETWORK;
    if (strcmp(topology->plugin, "dragonfly") == 0)
        return FAB_CONNECTION_SHARED_NETWORK;
    return g_strv_contains(own, topology->plugin) ? FAB_CONNECTION_NETWORK : FAB_CONNECTION_OTHER_NETWORK;
}

static FabConnection
connection_of(const FabTopology *topology, const uint32_t *gpus, const FabMachineFacts *facts, const FabPlan *plan)
{
    if (facts->nodes > 1)
        return network_of(topology, plan);
    if (facts->transport == FAB_TRANSPORT_STAGED)
        return FAB_CONNECTION_STAGED;
    if (facts->transport == FAB_TRANSPORT_PEER)
        return FAB_CONNECTION_PEER;
    if (facts->nvswitch)
        return FAB_CONNECTION_SWITCH;
    for (uint32_t i = 0; i < facts->ranks; i++) {
        if (is_meshed(topology, topology->gpus[gpus[i]]))
            return FAB_CONNECTION_MESH;
    }
    return FAB_CONNECTION_BRIDGE;
}

FabKind
fab_kind_of(const FabTopology *topology, const uint32_t *gpus, const FabMachineFacts *facts,
            const FabConstants *constants, const FabPlan *plan)
{
    const FabKernelCosts *costs = fab_kernel_costs(constants, facts->compute_capability);
    FabKind kind = { .connection = connection_of(topology, gpus, facts, plan),
                     .family = plan->algorithm->in_switch ? FAB_FAMILY_IN_SWITCH : FAB_FAMILY_RING,
                     .generation = (int)(costs - constants->kernel) };

    if (strcmp(plan->algorithm->name, "pairwise") == 0)
        kind.family = FAB_FAMILY_COPY;
    return kind;
}

char *
fab_kind_format(const FabKind *kind)
{
    return g_strdup_printf("%s/%s/%s", fab_connection_ids[kind->connection], fab_family_ids[kind->family],
                           fab_constant_groups[kind->generation]);
}

/* Index of a word among the first `count` words, -1: not there. */
static int
place_of(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    return -1;
}

bool
fab_kind_parse(const char *text, FabKind *kind)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", -1);
    int connection, family;

    if (g_strv_length(parts) != 3)
        return false;
    connection = place_of(parts[0], fab_connection_ids, FAB_CONNECTIONS);
    family = place_of(parts[1], fab_family_ids, FAB_FAMILIES);
    *kind = (FabKind) { (FabConnection)MAX(connection, 0), (FabFamily)MAX(family, 0),
                        place_of(parts[2], fab_constant_groups, FAB_GENERATIONS) };
    return connection >= 0 && family >= 0 && kind->generation >= 0;
}
