/* What a claim asks of bytes on links: how many there are for what the bus bandwidth says, and which way they go. */
#include <math.h>

#include "base/error.h"
#include "study/claim-private.h"
#include "topology/machine.h"

/* Where the bytes of a link's direction come from, and where they go. */
typedef struct {
    const FabTopologyVertex *from, *to;
    double bytes;
} Traffic;

static bool
traffic_of(const FabTopology *topology, const FabResultUse *use, Traffic *traffic)
{
    const FabTopologyLink *link;

    if (use->link == UINT32_MAX)
        return false;
    link = &topology->links[use->link];
    *traffic = (Traffic) { .from = &topology->vertices[use->direction == 0 ? link->a : link->b],
                           .to = &topology->vertices[use->direction == 0 ? link->b : link->a], .bytes = use->bytes };
    return true;
}

/* The most that all links of one GPU carry in one direction. */
static double
busiest_port(const FabTopology *topology, const FabResultRow *row)
{
    g_autofree double *ports = g_new0(double, 2 * MAX(topology->gpu_count, 1));
    double most = 0;

    for (guint i = 0; i < row->uses->len; i++) {
        Traffic traffic;
        if (!traffic_of(topology, &g_array_index(row->uses, FabResultUse, i), &traffic))
            continue;
        if (traffic.from->kind == FAB_VERTEX_GPU)
            most = fmax(most, ports[2 * traffic.from->number] += traffic.bytes);
        if (traffic.to->kind == FAB_VERTEX_GPU)
            most = fmax(most, ports[2 * traffic.to->number + 1] += traffic.bytes);
    }
    return most;
}

/* Whether they come up to the host, from a GPU or from a switch. */
static bool
is_upward(const Traffic *traffic)
{
    FabVertexKind from = traffic->from->kind, to = traffic->to->kind;

    return (to == FAB_VERTEX_HOST_BRIDGE || to == FAB_VERTEX_CPU) &&
           (from == FAB_VERTEX_GPU || from == FAB_VERTEX_PCIE_SWITCH);
}

/* Of what GPUs send: the share that comes up to a host bridge or CPU. */
static double
host_share(const FabTopology *topology, const FabResultRow *row)
{
    double sent = 0, up = 0;

    for (guint i = 0; i < row->uses->len; i++) {
        Traffic traffic;
        if (!traffic_of(topology, &g_array_index(row->uses, FabResultUse, i), &traffic))
            continue;
        if (traffic.from->kind == FAB_VERTEX_GPU)
            sent += traffic.bytes;
        if (is_upward(&traffic))
            up += traffic.bytes;
    }
    return sent > 0 ? fmin(up / sent, 1) : NAN;
}

static double
figure_of(const FabClaimSpec *spec, const FabTopology *topology, const FabResultRow *row)
{
    double seconds = (double)row->time_ps * 1e-12;

    if (spec->metric == FAB_METRIC_HOST_BRIDGE)
        return host_share(topology, row);
    return row->busbw > 0 ? busiest_port(topology, row) / (row->busbw * seconds) : NAN;
}

bool
fab_claim_measure_bytes(FabClaimSpec *spec, FabClaimPoint *point, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_claim_scenario(spec, 0, error);
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabResult) result = NULL;

    if (scenario == NULL)
        return false;
    if (scenario->kind != FAB_SCENARIO_COLLECTIVE && scenario->kind != FAB_SCENARIO_TRANSFER) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s is of a collective or of copies, give it [collective] or "
                    "[transfer]", spec->claim->metric);
        return false;
    }
    topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    result = topology != NULL ? fab_run_on(scenario, topology, NULL, NULL, NULL, error) : NULL;
    if (result == NULL || !fab_claim_check_sizes(result->rows->len, error))
        return false;
    point->value = point->low = point->high = figure_of(spec, topology, result->rows->pdata[0]);
    point->known = true;
    if (isfinite(point->value)) {
        fab_claim_add_basis(spec->claim, "bytes on links are counted, not timed: there is no interval");
        return true;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s has no %s", result->collective, spec->claim->metric);
    return false;
}
