/* What NCCL's graph search finds on a machine (src/graph/search.cc and topo.h, 2.18 to 2.30); docs/model.md. */
#include <math.h>
#include <string.h>

#include "collective/nodes.h"

/* NCCL's speeds to try inside a node, GB/s, fastest first; 0 ends. */
static const double speeds_old[] = { 40, 30, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3, 0 };
static const double speeds_sm90_2018[] = { 60, 40, 30, 24, 20, 15, 12, 6, 3, 0 };
static const double speeds_sm90_2020[] = { 60, 50, 40, 30, 24, 20, 15, 12, 6, 3, 0 };
static const double speeds_sm90[] = { 60, 50, 40, 30, 24, 20, 15, 12, 11, 6, 3, 0 };
static const double speeds_sm100_2025[] = { 90, 80, 70, 60, 50, 40, 30, 24, 20, 19, 18, 0 };
static const double speeds_sm100[] = { 90, 80, 70, 60, 50, 45, 40, 30, 24, 20, 19, 18, 0 };

enum { MOST_HEADS = 32 };

static const double *
speeds_of(const FabMachineFacts *facts)
{
    if (facts->compute_capability >= 100 && facts->nccl >= 2025)
        return facts->nccl >= 2029 ? speeds_sm100 : speeds_sm100_2025;
    if (facts->compute_capability < 90)
        return speeds_old;
    return facts->nccl >= 2023 ? speeds_sm90 : facts->nccl >= 2020 ? speeds_sm90_2020 : speeds_sm90_2018;
}

/* Half of MAXCHANNELS: the search doubles what it finds at the end. */
uint32_t
fab_facts_most_channels(const FabMachineFacts *facts)
{
    return facts->nccl >= 2025 ? 32 : 16;
}

/* NCCL's bandwidth of one NVLink, GB/s. */
static double
nvlink_speed(const FabMachineFacts *facts)
{
    if (facts->compute_capability >= 100 && facts->nccl >= 2025)
        return facts->nccl >= 2027 ? 40.1 : 40;
    if (facts->compute_capability >= 90)
        return facts->nccl >= 2020 ? 20.6 : 20;
    if (facts->compute_capability == 86)
        return 12;
    return facts->compute_capability >= 70 ? 20 : 18;
}

/* NCCL's bandwidth of a PCIe link: width x lane speed / 80, lane speeds in 100 Mb/s by generation. */
static double
pcie_speed(const FabTopology *topology, FabVertex gpu)
{
    static const double lane[] = { 60, 15, 30, 60, 120, 240, 480 };
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, gpu, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        if (link->medium == FAB_MEDIUM_PCIE)
            return link->lanes * lane[MIN(link->generation, 6)] / 80;
    }
    return lane[5] * 16 / 80; /* coherent CPU link: as a gen5 slot */
}

bool
fab_facts_is_amd(const FabTopology *topology)
{
    static const char *const names[] = { "EPYC", "Threadripper", "Ryzen", "AMD", NULL };

    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        const FabTopologyVertex *vertex = &topology->vertices[i];
        for (int k = 0; vertex->kind == FAB_VERTEX_CPU && vertex->model != NULL && names[k] != NULL; k++) {
            if (strstr(vertex->model, names[k]) != NULL)
                return true;
        }
    }
    return false;
}

FabPathClass
fab_peer_level(const FabTopology *topology, uint32_t ranks, uint32_t nccl)
{
    return (ranks <= 2 || nccl < 2023) && fab_facts_is_amd(topology) ? FAB_PATH_SYS : FAB_PATH_PXB;
}

/* The largest channels x speed; the descent ends where a speed is below 0.49 of the one found. */
static void
search(double total, FabMachineFacts *facts)
{
    double best = 0;

    facts->graph_channels = 1;
    facts->graph_speed = 0.1; /* NCCL's fallback when nothing is found */
    for (const double *speed = speeds_of(facts); *speed > 0; speed++) {
        uint32_t count = (uint32_t)MIN(floor(total / *speed + 1e-9), fab_facts_most_channels(facts));
        if (count == 0)
            continue;
        if (best > 0 && *speed / facts->graph_speed <= 0.49)
            break;
        if (count * *speed > best) {
            best = count * *speed;
            facts->graph_channels = count;
            facts->graph_speed = *speed;
        }
    }
}

/* DupChannels: wide channels are split in two. */
void
fab_facts_duplicate(FabMachineFacts *facts)
{
    bool enough = facts->compute_capability > 80 && facts->graph_speed < 50 && facts->graph_channels > 4;

    if (facts->graph_speed >= 25 && !enough && facts->graph_channels * 2 <= fab_facts_most_channels(facts)) {
        facts->graph_channels *= 2;
        facts->graph_speed /= 2;
    }
}

/* The farthest class, the slowest transport and the fewest NVLinks between neighbours of the rings. */
static bool
look_at_neighbours(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, FabMachineFacts *facts,
                   uint32_t *fewest_links, GError **error)
{
    *fewest_links = UINT32_MAX;
    for (uint32_t i = 0; i < facts->ranks; i++) {
        uint32_t a = gpus[facts->order[i]], b = gpus[facts->order[(i + 1) % facts->ranks]];
        FabVertex va = topology->gpus[a], vb = topology->gpus[b];
        FabTransport transport = fab_router_transport(router, a, b);
        if (facts->ranks == 1)
            break;
        if (fab_router_push(router, a, b, error) == NULL)
            return false;
        facts->transport = MAX(facts->transport, transport);
        if (transport == FAB_TRANSPORT_NVLINK) {
            *fewest_links = MIN(*fewest_links, fab_path_nvlinks(topology, va, vb));
            facts->path = MAX(facts->path, FAB_PATH_NVL);
        } else {
            facts->path = MAX(facts->path, fab_path_class(topology, va, vb));
        }
    }
    return true;
}

/* GB/s that NCCL's search has for rings. */
static double
total_speed(const FabTopology *topology, const uint32_t *gpus, const FabMachineFacts *facts, uint32_t fewest_links)
{
    bool amd = fab_facts_is_amd(topology);
    double total;

    if (facts->transport == FAB_TRANSPORT_NVLINK)
        return fewest_links * nvlink_speed(facts);
    total = INFINITY;
    for (uint32_t i = 0; i < facts->ranks; i++)
        total = MIN(total, pcie_speed(topology, topology->gpus[gpus[i]]));
    if (facts->path >= FAB_PATH_PHB && !amd)
        total /= 1.2; /* Intel splits packets */
    if (facts->path >= FAB_PATH_SYS)
        total = MIN(total, amd ? 16 : total >= 40 ? 22 : 10);
    return total;
}

static bool
all_on_switch(const FabTopology *topology, const uint32_t *gpus, uint32_t count, uint32_t flag)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t links, on = 0;
        const uint32_t *at = fab_topology_links_at(topology, topology->gpus[gpus[i]], &links);
        for (uint32_t k = 0; k < links; k++) {
            const FabTopologyLink *link = &topology->links[at[k]];
            FabVertex other = fab_link_other_end(link, topology->gpus[gpus[i]]);
            const FabTopologyVertex *vertex = &topology->vertices[other];
            on += vertex->kind == FAB_VERTEX_NVSWITCH && (vertex->flags & flag) == flag;
        }
        if (on == 0)
            return false;
    }
    return true;
}

static uint32_t
count_boxes(const FabTopology *topology, const uint32_t *gpus, uint32_t count)
{
    g_autoptr(GHashTable) boxes = g_hash_table_new(NULL, NULL);

    for (uint32_t i = 0; i < count; i++)
        g_hash_table_add(boxes, GINT_TO_POINTER(topology->vertices[topology->gpus[gpus[i]]].box));
    return g_hash_table_size(boxes);
}

/*
 * Channels to one peer of send/recv: two for each NVLink of the narrowest pair, two over PCIe (NCCL's
 * src/graph/paths.cc).
 */
static uint32_t
channels_to_peer(const FabTopology *topology, const uint32_t *gpus, const FabMachineFacts *facts, uint32_t fewest_links)
{
    if (facts->transport != FAB_TRANSPORT_NVLINK)
        return 2;
    for (uint32_t a = 0; a < facts->ranks && !facts->nvswitch; a++) {
        for (uint32_t b = a + 1; b < facts->ranks; b++)
            fewest_links = MIN(fewest_links,
                               fab_path_nvlinks(topology, topology->gpus[gpus[a]], topology->gpus[gpus[b]]));
    }
    return 2 * MAX(fewest_links, 1);
}

/* The NVLS graph: each head draws its speed from every GPU and twice from itself. */
static void
nvls_facts(FabMachineFacts *facts, double total)
{
    uint32_t heads = MIN(facts->ranks, MOST_HEADS);
    const double *speeds = speeds_of(facts), fastest = *speeds;
    bool blackwell = facts->compute_capability >= 100 && facts->nccl >= 2025;

    facts->nvls_channels = !blackwell ? 16 : facts->nccl >= 2027 ? 24 : 32;
    while (*speeds > 0 && *speeds * (heads + 1) > total)
        speeds++;
    facts->nvls_intra = *speeds > 0 ? *speeds : total / (heads + 1);
    facts->nvls_inter = MIN(fastest, 2 * facts->nvls_intra);
}

/* Sets the error of the first pair that has no way; false when every pair has one. */
static bool
refuse_unreachable(FabRouter *router, const uint32_t *gpus, uint32_t count, GError **error)
{
    for (uint32_t i = 0; i < count * count; i++) {
        if (i / count != i % count && fab_router_push(router, gpus[i / count], gpus[i % count], error) == NULL)
            return true;
    }
    return false;
}

bool
fab_machine_facts(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, uint32_t count, uint32_t nccl,
                  FabMachineFacts *facts, GError **error)
{
    const FabGpuModel *model = topology->vertices[topology->gpus[gpus[0]]].gpu;
    uint32_t fewest_links, per_lane = 1;
    double total;

    for (uint32_t i = 1; i < count; i++) {
        if (fab_topology_node_of(topology, gpus[i]) != fab_topology_node_of(topology, gpus[0]))
            return fab_nodes_facts(router, topology, gpus, count, nccl, facts, error);
    }

    *facts = (FabMachineFacts) { .nccl = nccl, .ranks = count,
                                 .compute_capability = model != NULL ? model->compute_capability : 80 };
    facts->order = g_new0(uint32_t, (gsize)FAB_MAX_RINGS * count);
    facts->rings = 1;
    if (count > 1)
        facts->rings = fab_ring_search(router, gpus, count, FAB_MAX_RINGS, facts->order, NULL, &per_lane);
    if (facts->rings == 0 && refuse_unreachable(router, gpus, count, error)) {
        fab_machine_facts_clear(facts);
        return false;
    }
    facts->rings = MAX(facts->rings, 1);
    if (!look_at_neighbours(router, topology, gpus, facts, &fewest_links, error)) {
        fab_machine_facts_clear(facts);
        return false;
    }
    facts->boxes = count_boxes(topology, gpus, count);
    facts->nvswitch = all_on_switch(topology, gpus, count, 0);
    facts->in_switch = count > 1 && facts->transport == FAB_TRANSPORT_NVLINK &&
                       all_on_switch(topology, gpus, count, FAB_VERTEX_MULTICAST);
    total = total_speed(topology, gpus, facts, fewest_links);
    if (facts->transport == FAB_TRANSPORT_NVLINK && facts->rings > 1 && count > 2) {
        facts->graph_channels = MIN(facts->rings, fab_facts_most_channels(facts)); /* a mesh: its link-disjoint rings */
        facts->graph_speed = nvlink_speed(facts) / per_lane;
    } else {
        search(total, facts);
        fab_facts_duplicate(facts);
    }
    facts->channels = 2 * facts->graph_channels;
    facts->p2p_per_peer = channels_to_peer(topology, gpus, facts, fewest_links);
    if (facts->in_switch)
        nvls_facts(facts, total);
    return true;
}

bool
fab_machine_facts_give(FabMachineFacts *facts, FabRouter *router, const FabTopology *topology, const uint32_t *gpus,
                       const FabGivenGraph *graph, GError **error)
{
    gsize count = (gsize)graph->channels * facts->ranks;
    uint32_t *all;

    /* Each ring in turn stands first, where its neighbours are looked at. */
    facts->path = FAB_PATH_SELF;
    facts->transport = FAB_TRANSPORT_LOCAL;
    all = g_memdup2(graph->order, count * sizeof *all);
    for (uint32_t c = 0; c < graph->channels; c++) {
        uint32_t fewest_links;
        g_free(facts->order);
        facts->order = g_memdup2(all + (gsize)c * facts->ranks, facts->ranks * sizeof *all);
        if (!look_at_neighbours(router, topology, gpus, facts, &fewest_links, error)) {
            g_free(all);
            return false;
        }
    }
    g_free(facts->order);
    facts->order = all;
    facts->rings = graph->channels;
    facts->graph_channels = graph->channels;
    facts->graph_speed = graph->speed;
    facts->channels = MIN(2 * graph->channels, 2 * fab_facts_most_channels(facts));
    if (graph->nvls) {
        facts->nvls_intra = graph->nvls_intra;
        facts->nvls_inter = graph->nvls_inter;
    }
    return true;
}

void
fab_machine_facts_clear(FabMachineFacts *facts)
{
    g_clear_pointer(&facts->order, g_free);
}
