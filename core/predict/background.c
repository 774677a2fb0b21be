/* What other jobs leave of a network. */
#include "predict/fault-private.h"

#include "base/error.h"
#include "topology/network.h"

/* However much others send, so much of a cable is left: switches serve all that ask. */
#define LEAST_LEFT 0.05

static bool
is_between_switches(const FabTopology *topology, const FabTopologyLink *link)
{
    return topology->vertices[link->a].kind == FAB_VERTEX_NET_SWITCH &&
           topology->vertices[link->b].kind == FAB_VERTEX_NET_SWITCH;
}

static void
take_node(const FabTopology *topology, uint32_t gpu, bool *ours)
{
    if (gpu < topology->gpu_count)
        ours[fab_topology_node_of(topology, gpu)] = true;
}

/* Nodes with GPUs of this work: of a collective's ranks, or of the copies. Owned by the caller. */
static bool *
find_own_nodes(const FabScenario *scenario, const FabTopology *topology, const uint32_t *gpus, uint32_t count)
{
    bool *ours = g_new0(bool, topology->node_count);

    for (uint32_t i = 0; i < count; i++)
        take_node(topology, gpus[i], ours);
    for (uint32_t i = 0; i < scenario->pair_count; i++) { /* FAB_FLOW_HOST is no GPU */
        take_node(topology, scenario->pairs[i].from, ours);
        take_node(topology, scenario->pairs[i].to, ours);
    }
    return ours;
}

/* NICs with a cable, of the nodes that others may have. */
static GArray *
find_nics(const FabTopology *topology, const bool *ours)
{
    GArray *nics = g_array_new(FALSE, FALSE, sizeof(FabVertex));

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(topology, v, &count);
        bool cable = false;
        for (uint32_t i = 0; i < count && topology->vertices[v].kind == FAB_VERTEX_NIC; i++) {
            FabMedium medium = topology->links[links[i]].medium;
            cable = cable || medium == FAB_MEDIUM_INFINIBAND || medium == FAB_MEDIUM_ETHERNET;
        }
        if (cable && !ours[topology->vertices[v].node])
            g_array_append_val(nics, v);
    }
    return nics;
}

/* Each takes the way that the network's routing gives it, and its rate of every cable on it. */
static void
add_flows(const FabTopology *topology, const FabBackground *background, const GArray *nics, double *taken)
{
    g_autoptr(GArray) hops = g_array_new(FALSE, FALSE, sizeof(FabHop));
    FabWalk *walk = fab_walk_new(topology);
    FabNetworkWays *ways = fab_network_ways_new(topology, walk);
    GRand *random = g_rand_new_with_seed(background->seed);

    for (uint32_t i = 0; i < background->flows; i++) {
        guint from = (guint)g_rand_int_range(random, 0, (gint32)nics->len);
        guint to = (from + 1 + (guint)g_rand_int_range(random, 0, (gint32)nics->len - 1)) % nics->len;
        g_array_set_size(hops, 0);
        if (fab_network_way(ways, g_array_index(nics, FabVertex, from), g_array_index(nics, FabVertex, to), i, 1,
                            hops) < 0)
            continue;
        for (guint k = 0; k < hops->len; k++) {
            const FabHop *hop = &g_array_index(hops, FabHop, k);
            taken[topology->links[hop->link].resource[hop->direction]] += background->rate * hop->share;
        }
    }
    g_rand_free(random);
    fab_network_ways_free(ways);
    fab_walk_free(walk);
}

static bool
add_drawn(const FabScenario *scenario, const FabTopology *topology, const uint32_t *gpus, uint32_t count, double *taken,
          GError **error)
{
    g_autofree bool *ours = find_own_nodes(scenario, topology, gpus, count);
    g_autoptr(GArray) nics = find_nics(topology, ours);

    if (scenario->background->flows > 0 && nics->len < 2) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [background] flows: other jobs have nodes of their own, but this one leaves them %s of the %u "
                    "of %s; take more nodes or fewer ranks, or load instead of flows", scenario->path,
                    nics->len == 1 ? "a single NIC" : "none", topology->node_count, topology->name);
        return false;
    }
    add_flows(topology, scenario->background, nics, taken);
    return true;
}

bool
fab_fault_plan_background(FabFaultPlan *plan, const FabScenario *scenario, const uint32_t *gpus, uint32_t count,
                          GError **error)
{
    const FabTopology *topology = plan->topology;
    const FabBackground *background = scenario->background;
    g_autofree double *taken = g_new0(double, topology->resource_count);
    g_autoptr(GArray) first = g_array_new(FALSE, FALSE, sizeof(FabEngineChange));

    if (background == NULL)
        return true;
    if (topology->node_count == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [background]: %s is a single machine and has no network that others could use; leave it out",
                    scenario->path, topology->name);
        return false;
    }
    for (uint32_t i = 0; i < topology->link_count; i++) {
        const FabTopologyLink *link = &topology->links[i];
        for (int k = 0; k < 2 && is_between_switches(topology, link); k++)
            taken[link->resource[k]] += background->load * topology->resources[link->resource[k]].capacity;
    }
    if (!add_drawn(scenario, topology, gpus, count, taken, error))
        return false;
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        double capacity = topology->resources[i].capacity;
        FabEngineChange change = { .kind = FAB_CHANGE_CAPACITY, .number = i,
                                   .value = MAX(capacity - taken[i], LEAST_LEFT * capacity) };
        if (taken[i] <= 0)
            continue;
        g_array_append_val(first, change);
        for (guint k = 0; k < plan->changes->len; k++) { /* a fault leaves its share of what others leave */
            FabEngineChange *other = &g_array_index(plan->changes, FabEngineChange, k);
            if (other->kind == FAB_CHANGE_CAPACITY && other->number == i)
                other->value *= change.value / capacity;
        }
    }
    g_array_prepend_vals(plan->changes, first->data, first->len);
    return true;
}
