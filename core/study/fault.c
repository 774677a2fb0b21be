#include "study/fault.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "topology/degrade.h"

typedef struct {
    const FabScenario *scenario;
    const FabTopology *topology;
    const FabFault *fault;
    double *share; /* of each link */
} Placing;

void
fab_fault_plan_free(FabFaultPlan *plan)
{
    if (plan == NULL)
        return;
    fab_topology_free(plan->topology);
    g_free(plan->pace);
    g_free(plan);
}

/* ------------------------------------------------------------------ places */

static bool refuse(const Placing *placing, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool
refuse(const Placing *placing, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] at: %s", placing->scenario->path, placing->fault->group,
                text);
    return false;
}

static bool
has_cable(const FabTopology *topology, FabVertex vertex)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);

    for (uint32_t i = 0; i < count; i++) {
        FabMedium medium = topology->links[links[i]].medium;
        if (medium == FAB_MEDIUM_INFINIBAND || medium == FAB_MEDIUM_ETHERNET)
            return true;
    }
    return false;
}

/* Whether such a vertex can have this fault. */
static bool
fits(const Placing *placing, FabVertex vertex)
{
    FabVertexKind kind = placing->topology->vertices[vertex].kind;

    switch (placing->fault->kind) {
    case FAB_FAULT_NVSWITCH_PLANE:
        return kind == FAB_VERTEX_NVSWITCH;
    case FAB_FAULT_SWITCH_DOWN:
        return kind == FAB_VERTEX_NVSWITCH || kind == FAB_VERTEX_NET_SWITCH;
    case FAB_FAULT_NIC_DOWN:
        return kind == FAB_VERTEX_NIC && has_cable(placing->topology, vertex);
    case FAB_FAULT_SLOW_GPU:
        return kind == FAB_VERTEX_GPU;
    default:
        return true;
    }
}

/* The vertex of that name, or FAB_VERTEX_NONE with an error that offers the nearest one that would do. */
static FabVertex
find_vertex(const Placing *placing, const char *name, GError **error)
{
    static const char *const wanted[] = { "something with links", "something with links", "an NVSwitch",
                                          "a switch of NVLink or of a network", "a NIC with a cable to a network",
                                          "a GPU" };
    const FabTopology *topology = placing->topology;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *nearest;

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        if (strcmp(topology->vertices[v].name, name) == 0 && fits(placing, v))
            return v;
        if (fits(placing, v))
            g_ptr_array_add(names, topology->vertices[v].name);
    }
    g_ptr_array_add(names, NULL);
    nearest = fab_nearest(name, (const char *const *)names->pdata);
    refuse(placing, error, "\"%.60s\" is not %s of %s%s%s%s", name, wanted[placing->fault->kind], topology->name,
           names->len > 1 ? ", such as " : ", which has none",
           names->len > 1 ? (nearest != NULL ? nearest : (char *)names->pdata[0]) : "", "");
    return FAB_VERTEX_NONE;
}

/* "Leaf 0 - Spine 1": all links between the two; "Leaf 0 - Spine 1 #2": the second of them. */
static bool
mark_link(const Placing *placing, const char *place, double share, GError **error)
{
    const FabTopology *topology = placing->topology;
    g_auto(GStrv) ends = g_strsplit(place, " - ", 2);
    char *mark = g_strv_length(ends) == 2 ? strstr(ends[1], " #") : NULL;
    uint64_t wanted = mark != NULL ? g_ascii_strtoull(mark + 2, NULL, 10) : 0, met = 0;
    uint32_t count;
    const uint32_t *links;
    FabVertex a, b;

    if (g_strv_length(ends) != 2 || (mark != NULL && wanted == 0))
        return refuse(placing, error, "\"%.60s\" is not a link such as Leaf 0 - Spine 1 or, of several between the "
                      "same two, Leaf 0 - Spine 1 #2", place);
    if (mark != NULL)
        *mark = '\0';
    a = find_vertex(placing, g_strstrip(ends[0]), error);
    b = a != FAB_VERTEX_NONE ? find_vertex(placing, g_strstrip(ends[1]), error) : FAB_VERTEX_NONE;
    if (b == FAB_VERTEX_NONE)
        return false;
    links = fab_topology_links_at(topology, a, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (fab_link_other_end(&topology->links[links[i]], a) == b && (++met == wanted || wanted == 0))
            placing->share[links[i]] *= share;
    }
    if (met >= MAX(wanted, 1))
        return true;
    return refuse(placing, error, "%s has %s%u link%s from %s to %s, \"%.60s\" is none of them", topology->name,
                  met > 0 ? "only " : "", (uint32_t)met, met == 1 ? "" : "s", topology->vertices[a].name,
                  topology->vertices[b].name, place);
}

/* Links that lose chips of a switch lose whole lanes, as each lane ends at one chip. */
static double
share_of_lanes(const FabTopologyLink *link, uint32_t chips, uint32_t lost)
{
    double left = (double)(chips - lost) / chips, lanes = floor(link->lanes * left + 1e-9);

    return lanes >= 1 ? lanes / link->lanes : left;
}

static bool
mark_vertex(const Placing *placing, FabVertex vertex, GError **error)
{
    const FabTopology *topology = placing->topology;
    const FabFault *fault = placing->fault;
    uint32_t chips = MAX(topology->vertices[vertex].count, 1), count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);

    if (fault->kind == FAB_FAULT_NVSWITCH_PLANE && fault->chips >= chips)
        return refuse(placing, error, "%s has %u chip%s, chips must be less; all of them at once are kind=switch-down",
                      topology->vertices[vertex].name, chips, chips == 1 ? "" : "s");
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        bool cable = link->medium == FAB_MEDIUM_INFINIBAND || link->medium == FAB_MEDIUM_ETHERNET;
        if (fault->kind == FAB_FAULT_NVSWITCH_PLANE)
            placing->share[links[i]] *= share_of_lanes(link, chips, fault->chips);
        else if (fault->kind == FAB_FAULT_SWITCH_DOWN || cable)
            placing->share[links[i]] = 0;
    }
    return true;
}

static bool
mark_slow(FabFaultPlan *plan, const Placing *placing, FabVertex vertex)
{
    const FabTopology *topology = placing->topology;

    if (plan->pace == NULL) {
        plan->pace = g_new(double, topology->gpu_count);
        for (uint32_t i = 0; i < topology->gpu_count; i++)
            plan->pace[i] = 1;
    }
    plan->pace[topology->vertices[vertex].number] *= placing->fault->factor;
    return true;
}

static bool
place(FabFaultPlan *plan, const Placing *placing, GError **error)
{
    const FabFault *fault = placing->fault;

    for (guint i = 0; fault->at[i] != NULL; i++) {
        bool good;
        FabVertex vertex = FAB_VERTEX_NONE;
        if (fault->kind == FAB_FAULT_LINK_DOWN || fault->kind == FAB_FAULT_LINK_RATE) {
            good = mark_link(placing, fault->at[i], fault->kind == FAB_FAULT_LINK_DOWN ? 0 : fault->rate, error);
        } else {
            vertex = find_vertex(placing, fault->at[i], error);
            good = vertex != FAB_VERTEX_NONE;
        }
        if (good && vertex != FAB_VERTEX_NONE)
            good = fault->kind == FAB_FAULT_SLOW_GPU ? mark_slow(plan, placing, vertex)
                                                     : mark_vertex(placing, vertex, error);
        if (!good)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the plan */

/* Names the fault that, with those before it, leaves a GPU without a way. */
static bool
check_joined(const Placing *placing, const FabTopology *left, const uint32_t *gpus, uint32_t count, GError **error)
{
    const FabTopology *topology = placing->topology;
    uint32_t lost = fab_topology_cut_off(left, gpus, count);
    g_autofree char *what = NULL;

    if (lost == UINT32_MAX)
        return true;
    what = fab_fault_describe(placing->fault);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [%s] %s%s leaves no way from %s to %s; leave the fault out, or let the work do without these GPUs",
                placing->scenario->path, placing->fault->group, what,
                placing->fault == placing->scenario->faults->pdata[0] ? "" : ", after the faults before it,",
                topology->vertices[topology->gpus[gpus[0]]].name, topology->vertices[topology->gpus[lost]].name);
    return false;
}

FabFaultPlan *
fab_fault_plan_new(const FabScenario *scenario, const FabTopology *topology, const uint32_t *gpus, uint32_t count,
                   GError **error)
{
    g_autoptr(FabFaultPlan) plan = g_new0(FabFaultPlan, 1);
    Placing placing = { .scenario = scenario, .topology = topology };
    g_autofree double *share = g_new(double, topology->link_count);

    for (uint32_t i = 0; i < topology->link_count; i++)
        share[i] = 1;
    placing.share = share;
    for (guint i = 0; i < scenario->faults->len; i++) {
        placing.fault = scenario->faults->pdata[i];
        if (topology->shared != FAB_VERTEX_NONE) {
            refuse(&placing, error, "virtual GPUs of one device have no faults");
            return NULL;
        }
        if (!place(plan, &placing, error))
            return NULL;
        g_clear_pointer(&plan->topology, fab_topology_free);
        plan->topology = fab_topology_degraded(topology, share);
        if (count > 0 && !check_joined(&placing, plan->topology, gpus, count, error))
            return NULL;
    }
    return g_steal_pointer(&plan);
}

/* ------------------------------------------------------------------ what each costs */

/* Times of all rows with some of the faults. Owned by the caller; NULL with an error. */
static int64_t *
times_with(const FabScenario *scenario, const FabTopology *topology, FabFault *fault, GError **error)
{
    g_autoptr(GPtrArray) faults = g_ptr_array_new();
    FabScenario other = *scenario;
    g_autoptr(FabResult) result = NULL;
    int64_t *times;

    if (fault != NULL)
        g_ptr_array_add(faults, fault);
    other.faults = faults;
    result = fab_run_on(&other, topology, NULL, NULL, NULL, error);
    if (result == NULL)
        return NULL;
    times = g_new(int64_t, MAX(result->rows->len, 1));
    for (guint i = 0; i < result->rows->len; i++)
        times[i] = ((const FabResultRow *)result->rows->pdata[i])->time_ps;
    return times;
}

bool
fab_fault_costs(const FabScenario *scenario, const FabTopology *topology, FabResult *result, GError **error)
{
    GPtrArray *faults = scenario->faults;

    if (faults->len == 0)
        return true;
    result->healthy_ps = times_with(scenario, topology, NULL, error);
    for (guint i = 0; i < faults->len && result->healthy_ps != NULL; i++) {
        const FabFault *fault = faults->pdata[i];
        g_autofree char *what = fab_fault_describe(fault);
        FabResultFault *added = fab_result_add_fault(result, fault->name, what);
        added->alone_ps = times_with(scenario, topology, faults->pdata[i], error);
        if (added->alone_ps == NULL)
            return false;
    }
    return result->healthy_ps != NULL;
}
