/* NCCL's graph search over several nodes: a ring for each NIC, and the trees that go with them; docs/clusters.md. */
#include "collective/nodes.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* NCCL's speeds to try between nodes, GB/s, fastest first; 0 ends (src/graph/search.cc). */
static const double speeds_old[] = { 48, 30, 28, 24, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3, 2.4, 1.2, 0.24, 0.12, 0 };
static const double speeds_sm90_2018[] = { 48, 45, 42, 40, 30, 24, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24, 0.12, 0 };
static const double speeds_sm90[] = { 48, 45, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24, 0.12, 0 };
static const double speeds_sm100_2025[] = { 96, 48, 45.1, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24,
                                            0.12, 0 };
static const double speeds_sm100[] = { 96, 86, 80, 48, 45.1, 42, 40, 30, 24, 22, 20, 17.5, 15, 12, 6, 3, 2.4, 1.2, 0.24,
                                       0.12, 0 };

static const double *
speeds_of(const FabMachineFacts *facts)
{
    if (facts->compute_capability >= 100 && facts->nccl >= 2025)
        return facts->nccl >= 2029 ? speeds_sm100 : speeds_sm100_2025;
    if (facts->compute_capability < 90)
        return speeds_old;
    return facts->nccl >= 2020 ? speeds_sm90 : speeds_sm90_2018;
}

/* ------------------------------------------------------------------ nodes and NICs */

static uint32_t
node_at(const FabTopology *topology, const uint32_t *gpus, uint32_t rank)
{
    return fab_topology_node_of(topology, gpus[rank]);
}

/* Ranks of each node, or 0 with an error. */
static uint32_t
ranks_of_node(const FabTopology *topology, const uint32_t *gpus, uint32_t count, GError **error)
{
    uint32_t local = 1;

    while (local < count && node_at(topology, gpus, local) == node_at(topology, gpus, 0))
        local++;
    for (uint32_t i = 0; i < count; i++) {
        bool begins = i % local == 0;
        bool other = i == 0 || node_at(topology, gpus, i) != node_at(topology, gpus, i - 1);
        if (begins == other)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: ranks: node %u has the first %u ranks, but rank %u is on node %u; every node must have "
                    "equally many, one node after the other", topology->name, node_at(topology, gpus, 0), local, i,
                    node_at(topology, gpus, i));
        return 0;
    }
    if (count % local != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: ranks: node %u has %u ranks and node %u %u; every node must have equally many, as with %u "
                    "ranks", topology->name, node_at(topology, gpus, 0), local, node_at(topology, gpus, count - 1),
                    count % local, count - count % local);
        return 0;
    }
    for (uint32_t a = 0; a < count; a += local) {
        for (uint32_t b = a + local; b < count; b += local) {
            if (node_at(topology, gpus, a) != node_at(topology, gpus, b))
                continue;
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: ranks: node %u has ranks %u and %u with other nodes between them; give the ranks of a "
                        "node one after the other", topology->name, node_at(topology, gpus, a), a, b);
            return 0;
        }
    }
    return local;
}

/* What a NIC sends, GB/s as NCCL counts: the nominal rate of its cables. */
static double
nic_speed(const FabTopology *topology, FabVertex nic)
{
    double rate = 0;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, nic, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        if (link->medium == FAB_MEDIUM_INFINIBAND || link->medium == FAB_MEDIUM_ETHERNET)
            rate += link->bandwidth;
    }
    return rate / 1e9;
}

/*
 * The places in a node whose GPUs have NICs that none before them has, and the slowest speed of those NICs together.
 * Returns how many.
 */
static uint32_t
find_heads(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, uint32_t local, uint32_t *heads,
           double *speed)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < local; i++) {
        uint32_t count;
        const FabVertex *nics = fab_router_nics(router, gpus[i], &count);
        bool own = count > 0;
        double sum = 0;
        for (uint32_t k = 0; k < i && own; k++) {
            uint32_t others;
            const FabVertex *theirs = fab_router_nics(router, gpus[k], &others);
            own = others == 0 || theirs[0] != nics[0];
        }
        for (uint32_t k = 0; k < count; k++)
            sum += nic_speed(topology, nics[k]);
        if (!own)
            continue;
        heads[found++] = i;
        *speed = MIN(*speed, sum);
    }
    return found;
}

/* ------------------------------------------------------------------ the search */

/* As many channels as NICs and the node's inside let run, at the speed that makes the most of them. */
static void
search(FabMachineFacts *facts, double inside, uint32_t heads, double nic)
{
    double best = 0;

    facts->graph_channels = heads;
    facts->graph_speed = 0.1; /* NCCL's fallback when nothing is found */
    for (const double *speed = speeds_of(facts); *speed > 0; speed++) {
        double count = MIN(heads * floor(nic / *speed + 1e-9), floor(inside / *speed + 1e-9));
        count = MIN(count, fab_facts_most_channels(facts));
        if (count < 1)
            continue;
        if (best > 0 && *speed / facts->graph_speed <= 0.49)
            break;
        if (count * *speed > best) {
            best = count * *speed;
            facts->graph_channels = (uint32_t)count;
            facts->graph_speed = *speed;
        }
    }
}

/* What one node offers the search. */
typedef struct {
    double inside, nic;
    uint32_t heads;
} Offer;

/* Every node searches by itself, and all take the fewest channels and the lowest speed that one of them found. */
static void
search_all(FabMachineFacts *facts, const Offer *offers)
{
    FabMachineFacts least = *facts;

    for (uint32_t n = 0; n < facts->nodes; n++) {
        FabMachineFacts found = *facts;
        if (n > 0 && memcmp(&offers[n], &offers[n - 1], sizeof *offers) == 0)
            continue;
        search(&found, offers[n].inside, MAX(offers[n].heads, 1), offers[n].nic);
        fab_facts_duplicate(&found);
        if (n == 0)
            least = found;
        least.graph_channels = MIN(least.graph_channels, found.graph_channels);
        least.graph_speed = MIN(least.graph_speed, found.graph_speed);
    }
    *facts = least;
}

/*
 * Whether data between the GPU and its NIC passes a host bridge: NCCL then does not trust it to keep the order that
 * LL128 needs (src/graph/tuning.cc: typeInter beyond PXB). A GPU on C2C is as near as it gets.
 */
static bool
is_far_from_nic(FabRouter *router, const FabTopology *topology, uint32_t gpu)
{
    uint32_t nics, links;
    const FabVertex *its = fab_router_nics(router, gpu, &nics);
    const uint32_t *at = fab_topology_links_at(topology, topology->gpus[gpu], &links);

    for (uint32_t i = 0; i < links; i++) {
        if (topology->links[at[i]].medium == FAB_MEDIUM_C2C)
            return false;
    }
    return nics > 0 && fab_path_class(topology, topology->gpus[gpu], its[0]) > FAB_PATH_PXB;
}

/*
 * The node's own ring that ring k goes round: where GPUs are joined each to each, one that comes to the GPU beside the
 * next NIC last and leaves by that (NCCL_CROSS_NIC); else ring k.
 */
static const uint32_t *
ring_inside(const FabMachineFacts *inside, uint32_t local, uint32_t k, uint32_t head, uint32_t last)
{
    for (uint32_t i = 0; i < inside->rings && head != last && !inside->nvswitch; i++) {
        const uint32_t *ring = inside->order + (gsize)((k + i) % inside->rings) * local;
        for (uint32_t at = 0; at < local; at++) {
            if (ring[at] == last && ring[(at + 1) % local] == head)
                return ring;
        }
    }
    return inside->order + (gsize)(k % inside->rings) * local;
}

/* Ring k passes every node from the GPU beside NIC k on. */
static void
fill_rings(FabMachineFacts *facts, const FabMachineFacts *const *inside, const uint32_t *heads, uint32_t head_count)
{
    uint32_t local = facts->local;

    facts->rings = MIN(FAB_MAX_RINGS, MAX(head_count, 1) * inside[0]->rings);
    facts->order = g_new0(uint32_t, (gsize)FAB_MAX_RINGS * facts->ranks);
    for (uint32_t k = 0; k < facts->rings; k++) {
        for (uint32_t n = 0; n < facts->nodes; n++) {
            uint32_t start = 0, head = head_count > 0 ? heads[k % head_count] : 0;
            uint32_t last = head_count > 0 ? heads[(k + 1) % head_count] : 0;
            const uint32_t *ring = ring_inside(inside[n], local, k, head, last);
            while (start + 1 < local && ring[start] != head)
                start++;
            for (uint32_t i = 0; i < local; i++)
                facts->order[(gsize)k * facts->ranks + n * local + i] = n * local + ring[(start + i) % local];
        }
    }
}

/* The slower of two kinds of nodes decides. */
static void
join_facts(FabMachineFacts *facts, const FabMachineFacts *node, double *inside)
{
    facts->compute_capability = MIN(facts->compute_capability, node->compute_capability);
    facts->transport = MAX(facts->transport, node->transport);
    facts->path = MAX(facts->path, node->path);
    facts->nvswitch = facts->nvswitch && node->nvswitch;
    facts->in_switch = facts->in_switch && node->in_switch;
    facts->nvls_channels = MIN(facts->nvls_channels, node->nvls_channels);
    facts->nvls_intra = MIN(facts->nvls_intra, node->nvls_intra);
    facts->boxes = MAX(facts->boxes, node->boxes);
    *inside = MIN(*inside, node->graph_channels * node->graph_speed);
}

static void
set_trees(FabMachineFacts *facts, double inside)
{
    const double *speed = facts->compute_capability >= 90 ? (const double[]) { 60, 50, 40, 30, 24, 20, 15, 12, 6, 3, 0 }
                                                          : (const double[]) { 40, 30, 24, 20, 15, 12, 9, 6, 3, 0 };

    /* A tree's node passes g - 1 of g links; inside it may be twice as fast as between nodes. */
    if (facts->local > 1)
        inside *= (double)facts->local / (facts->local - 1);
    while (*speed > 0 && (*speed > 2 * facts->graph_speed || *speed * facts->graph_channels > inside))
        speed++;
    facts->tree_intra = MAX(*speed, facts->graph_speed);
}

/*
 * What 2.30 has found for NVLSTree on Blackwell: channels, and the longest chunks of NVLS and of the tree, by the speed
 * of a NIC and the GPUs of a domain (NCCL's src/transport/nvls.cc). NICs are taken to be below the switch of their GPU,
 * but on racks, where they are below its CPU.
 */
static void
tune_nvls(FabMachineFacts *facts, double nic)
{
    bool near = !facts->grace;

    facts->nvls_chunk = facts->nvls_tree_chunk = 131072;
    if (nic < 48) {
        facts->nvls_tree_chunk = facts->nodes >= 4 ? 65536 : 131072;
    } else if (facts->nodes == 2) {
        if (facts->local <= 4)
            facts->nvls_chunk = facts->nvls_tree_chunk = 262144;
        else if (facts->local >= 16 || (facts->local <= 8 && near && nic < 96))
            facts->nvls_tree_chunk = 65536;
    } else if (nic >= 96 && facts->local <= 8) {
        facts->nvls_channels = 24;
        facts->nvls_chunk = facts->nvls_tree_chunk = 262144;
    } else if (nic >= 96) {
        facts->nvls_tree_chunk = facts->local < 32 ? 131072 : 65536;
    } else {
        facts->nvls_channels = 24;
        facts->nvls_tree_chunk = near ? 65536 : 131072;
    }
}

static void
set_nvls(FabMachineFacts *facts, uint32_t heads, double nic)
{
    const double *speed = speeds_of(facts);
    double each = nic * heads / facts->local;

    while (*speed > 0 && (*speed > each || *speed > 2 * facts->nvls_intra))
        speed++;
    facts->nvls_inter = *speed > 0 ? *speed : each;
    if (facts->compute_capability >= 100 && facts->nccl >= 2025)
        facts->nvls_channels = 32;
    if (facts->compute_capability >= 100 && facts->nccl >= 2030)
        tune_nvls(facts, nic);
}

/*
 * Channels to a peer of another node. Up to 2.19 two; then as many as a GPU has NICs, and two while all ranks leave
 * room for them; from 2.29 one for each 14 GB/s of its NICs, fewer while eight peers in each channel are not enough for
 * all (NCCL's src/graph/paths.cc, tags v2.18.3-1 to v2.30.3-1).
 */
static uint32_t
channels_to_node(const FabMachineFacts *facts, uint32_t nics, double nic)
{
    uint32_t channels = 2;

    if (facts->nccl < 2020)
        return channels;
    if (facts->nccl < 2029) {
        while (channels > 1 && channels * facts->ranks > facts->channels * 4)
            channels /= 2;
        return MAX(nics, channels);
    }
    channels = MAX(nics, (uint32_t)ceil(floor(nic) / 14));
    while (channels > 1 && channels * ((facts->ranks + 7) / 8) > facts->channels)
        channels /= 2;
    return channels;
}

/* Whether two GPUs are in the same place of two nodes of one machine: what follows them is wired alike. */
static bool
are_alike(const FabTopology *topology, uint32_t a, uint32_t b)
{
    const FabTopologyNode *first = &topology->nodes[fab_topology_node_of(topology, a)];
    const FabTopologyNode *second = &topology->nodes[fab_topology_node_of(topology, b)];

    return strcmp(first->machine, second->machine) == 0 && a - first->first_gpu == b - second->first_gpu;
}

static bool
has_grace(const FabTopology *topology)
{
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        const FabTopologyVertex *vertex = &topology->vertices[i];
        if (vertex->kind == FAB_VERTEX_CPU && vertex->model != NULL && strstr(vertex->model, "Grace") != NULL)
            return true;
    }
    return false;
}

static bool
find_all(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, FabMachineFacts *facts,
         FabMachineFacts *node, GError **error)
{
    g_autofree const FabMachineFacts **inside_of = g_new(const FabMachineFacts *, facts->nodes);
    g_autofree uint32_t *heads = g_new(uint32_t, facts->local);
    g_autofree uint32_t *theirs = g_new(uint32_t, facts->local);
    g_autofree Offer *offers = g_new0(Offer, facts->nodes);
    double inside = INFINITY, nic = INFINITY;
    uint32_t head_count = 0, nics = 1;

    for (uint32_t n = 0; n < facts->nodes; n++) {
        uint32_t first = n * facts->local, alike = 0, others;
        while (alike < n && !are_alike(topology, gpus[alike * facts->local], gpus[first]))
            alike++;
        if (alike == n &&
            !fab_machine_facts(router, topology, gpus + first, facts->local, facts->nccl, &node[n], error))
            return false;
        inside_of[n] = alike == n ? &node[n] : inside_of[alike];
        if (n == 0) {
            uint32_t ranks = facts->ranks, nodes = facts->nodes, local = facts->local;
            *facts = node[0];
            facts->ranks = ranks;
            facts->nodes = nodes;
            facts->local = local;
            facts->order = NULL;
        }
        join_facts(facts, inside_of[n], &inside);
        offers[n].nic = INFINITY;
        others = find_heads(router, topology, gpus + first, facts->local, theirs, &offers[n].nic);
        offers[n].heads = others;
        offers[n].inside = facts->local > 1 ? inside_of[n]->graph_channels * inside_of[n]->graph_speed : INFINITY;
        nic = MIN(nic, offers[n].nic);
        if (n == 0 || others < head_count) { /* the node with the fewest NICs decides */
            memcpy(heads, theirs, others * sizeof *heads);
            head_count = others;
        }
    }
    if (facts->local == 1)
        inside = INFINITY;
    fill_rings(facts, inside_of, heads, head_count);
    search_all(facts, offers);
    facts->message_bytes = topology->network.message_gap * nic * 1e9;
    facts->thread_bytes = topology->network.thread_time * topology->network.thread_rate;
    facts->thread_us = topology->network.thread_rate > 0 ? 0 : topology->network.thread_time * 1e6;
    facts->channels = MIN(2 * facts->graph_channels, 2 * fab_facts_most_channels(facts));
    if (facts->compute_capability >= 90 && facts->graph_speed > 45 && facts->channels < 16)
        facts->channels *= 2;
    facts->grace = facts->compute_capability >= 100 && has_grace(topology);
    set_trees(facts, inside);
    if (facts->in_switch)
        set_nvls(facts, head_count, nic);
    facts->far_nics = facts->compute_capability < 90 && is_far_from_nic(router, topology, gpus[heads[0]]);
    fab_router_nics(router, gpus[heads[0]], &nics);
    facts->p2p_per_peer = channels_to_node(facts, nics, nic);
    return true;
}

bool
fab_nodes_facts(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, uint32_t count, uint32_t nccl,
                FabMachineFacts *facts, GError **error)
{
    uint32_t local = ranks_of_node(topology, gpus, count, error), nodes;
    g_autofree FabMachineFacts *node = NULL;
    bool good;

    *facts = (FabMachineFacts) { .nccl = nccl, .ranks = count };
    if (local == 0)
        return false;
    nodes = count / local;
    facts->nodes = nodes;
    facts->local = local;
    node = g_new0(FabMachineFacts, nodes);
    good = find_all(router, topology, gpus, facts, node, error);
    for (uint32_t n = 0; n < nodes; n++)
        fab_machine_facts_clear(&node[n]);
    facts->amd = fab_facts_is_amd(topology);
    facts->simple_only = topology->network.unordered;
    facts->message_us = topology->network.message_time * 1e6;
    /* Every edge of every ring is tried once, so that a node out of reach is told before anything runs. */
    for (uint32_t n = 0; good && n < nodes; n++)
        good = fab_router_push(router, gpus[n * local], gpus[(n + 1) % nodes * local], error) != NULL;
    if (!good)
        fab_machine_facts_clear(facts);
    return good;
}
