/* Reductions inside NVSwitches, whose results they multicast. */
#include <math.h>

#include "base/error.h"
#include "topology/route-private.h"

/* The link that joins a GPU to an NVSwitch, or NULL. */
static const FabTopologyLink *
port_of(const FabTopology *topology, uint32_t gpu, FabVertex nvswitch)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, topology->gpus[gpu], &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        if (link->medium == FAB_MEDIUM_NVLINK && (link->a == nvswitch || link->b == nvswitch))
            return link;
    }
    return NULL;
}

/* What every one of the GPUs can send to `nvswitch`, B/s; 0 when one is not linked to it. */
static double
multicast_capacity(const FabTopology *topology, const uint32_t *gpus, uint32_t count, FabVertex nvswitch)
{
    double capacity = INFINITY;

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *port = port_of(topology, gpus[i], nvswitch);
        if (port == NULL)
            return 0;
        capacity = MIN(capacity, fab_link_rate(port));
    }
    return capacity;
}

static gint
compare_vertices(gconstpointer a, gconstpointer b)
{
    FabVertex first = *(const FabVertex *)a, second = *(const FabVertex *)b;

    return first < second ? -1 : first > second;
}

/* The NVSwitches beside a GPU that multicast, each once, in order. */
static GArray *
multicast_switches(const FabTopology *topology, uint32_t gpu)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(FabVertex));
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, topology->gpus[gpu], &count);

    for (uint32_t i = 0; i < count; i++) {
        FabVertex other = fab_link_other_end(&topology->links[links[i]], topology->gpus[gpu]);
        if (topology->vertices[other].kind == FAB_VERTEX_NVSWITCH &&
            (topology->vertices[other].flags & FAB_VERTEX_MULTICAST))
            g_array_append_val(found, other);
    }
    g_array_sort(found, compare_vertices);
    for (guint i = 1; i < found->len;) {
        if (g_array_index(found, FabVertex, i) == g_array_index(found, FabVertex, i - 1))
            g_array_remove_index(found, i);
        else
            i++;
    }
    return found;
}

const FabRoute *
fab_router_multicast(FabRouter *router, const uint32_t *gpus, uint32_t count, double weight, GError **error)
{
    const FabTopology *topology = router->topology;
    g_autoptr(GArray) switches = NULL;
    g_autofree double *capacity = NULL;
    double total = 0;
    int64_t latency_ps = 0;

    g_return_val_if_fail(count > 0 && weight > 0, NULL);
    switches = multicast_switches(topology, gpus[0]);
    capacity = g_new0(double, switches->len + 1);
    for (guint s = 0; s < switches->len && router->rules.nvlink; s++)
        total += capacity[s] = multicast_capacity(topology, gpus, count, g_array_index(switches, FabVertex, s));
    if (total == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: no NVSwitch with in-switch reduction joins these %u GPUs; choose another algorithm than nvls",
                    topology->name != NULL ? topology->name : "topology", count);
        return NULL;
    }
    for (guint s = 0; s < switches->len; s++) {
        for (uint32_t i = 0; i < count && capacity[s] > 0; i++) {
            const FabTopologyLink *port = port_of(topology, gpus[i], g_array_index(switches, FabVertex, s));
            fab_router_use(router, port->resource[0], weight * capacity[s] / total);
            fab_router_use(router, port->resource[1], weight * capacity[s] / total);
            latency_ps = MAX(latency_ps, 2 * port->latency_ps);
        }
    }
    return fab_router_finish(router, latency_ps);
}
