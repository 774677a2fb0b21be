#include "predict/fault-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "predict/seeds.h"
#include "topology/degrade.h"

void
fab_fault_plan_free(FabFaultPlan *plan)
{
    if (plan == NULL)
        return;
    fab_topology_free(plan->topology);
    g_free(plan->pace);
    g_free(plan->late_ps);
    g_clear_pointer(&plan->routers, g_ptr_array_unref);
    g_clear_pointer(&plan->stages, g_ptr_array_unref);
    g_clear_pointer(&plan->changes, g_array_unref);
    g_free(plan);
}

enum { MOST_NEIGHBOURS = 6 };

/* ------------------------------------------------------------------ places */

static bool refuse(const FabPlacing *placing, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool
refuse(const FabPlacing *placing, GError **error, const char *format, ...)
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
fits(const FabPlacing *placing, FabVertex vertex)
{
    FabVertexKind kind = placing->topology->vertices[vertex].kind;

    switch (placing->fault->kind) {
    case FAB_FAULT_NVSWITCH_PLANE:
        return kind == FAB_VERTEX_NVSWITCH;
    case FAB_FAULT_SWITCH_DOWN:
        return kind == FAB_VERTEX_NVSWITCH || kind == FAB_VERTEX_NET_SWITCH;
    case FAB_FAULT_NIC_DOWN:
        return kind == FAB_VERTEX_NIC && (placing->nic != NULL || has_cable(placing->topology, vertex));
    case FAB_FAULT_SLOW_GPU:
    case FAB_FAULT_JITTER:
        return kind == FAB_VERTEX_GPU;
    default:
        return true;
    }
}

/* The vertex of that name, or FAB_VERTEX_NONE with an error that offers the nearest one that would do. */
static FabVertex
find_vertex(const FabPlacing *placing, const char *name, GError **error)
{
    static const char *const wanted[] = { "something with links", "something with links", "an NVSwitch",
                                          "a switch of NVLink or of a network", "a NIC with a cable to a network",
                                          "a GPU", "a GPU" };
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

/* "NVSwitch, PCIe switch 0": where the links of a vertex lead, each once. */
static char *
neighbours_of(const FabTopology *topology, FabVertex vertex)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (uint32_t i = 0; i < count && names->len < MOST_NEIGHBOURS; i++) {
        char *name = topology->vertices[fab_link_other_end(&topology->links[links[i]], vertex)].name;
        if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
            g_ptr_array_add(names, name);
    }
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **)names->pdata);
}

/* "Leaf 0 - Spine 1": all links between the two; "Leaf 0 - Spine 1 #2": the second of them. */
static bool
mark_link(const FabPlacing *placing, const char *place, double share, GError **error)
{
    const FabTopology *topology = placing->topology;
    g_auto(GStrv) ends = g_strsplit(place, " - ", 2);
    char *mark = g_strv_length(ends) == 2 ? strrchr(ends[1], '#') : NULL;
    uint64_t wanted = mark != NULL ? g_ascii_strtoull(mark + 1, NULL, 10) : 0, met = 0;
    g_autofree char *others = NULL;
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
            placing->share[links[i]] = share;
    }
    if (met >= MAX(wanted, 1))
        return true;
    others = neighbours_of(topology, a);
    return refuse(placing, error, "%s has %s%u link%s from %s to %s, \"%.60s\" is none of them; %s has links to %s",
                  topology->name, met > 0 ? "only " : "", (uint32_t)met, fab_plural(met),
                  topology->vertices[a].name, topology->vertices[b].name, place, topology->vertices[a].name, others);
}

/* Links that lose chips of a switch lose whole lanes, as each lane ends at one chip. */
static double
share_of_lanes(const FabTopologyLink *link, uint32_t chips, uint32_t lost)
{
    double left = (double)(chips - lost) / chips, lanes = floor(link->lanes * left + 1e-9);

    return lanes >= 1 ? lanes / link->lanes : left;
}

static bool
mark_vertex(const FabPlacing *placing, FabVertex vertex, GError **error)
{
    const FabTopology *topology = placing->topology;
    const FabFault *fault = placing->fault;
    uint32_t chips = MAX(topology->vertices[vertex].count, 1), count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);

    if (fault->kind == FAB_FAULT_NVSWITCH_PLANE && fault->chips >= chips)
        return refuse(placing, error, "%s has %u chip%s, chips must be less; all of them at once are kind=switch-down",
                      topology->vertices[vertex].name, chips, fab_plural(chips));
    if (fault->kind == FAB_FAULT_NIC_DOWN && placing->nic != NULL)
        placing->nic[vertex] = 0;
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        bool cable = link->medium == FAB_MEDIUM_INFINIBAND || link->medium == FAB_MEDIUM_ETHERNET;
        if (fault->kind == FAB_FAULT_NVSWITCH_PLANE)
            placing->share[links[i]] = MIN(placing->share[links[i]], share_of_lanes(link, chips, fault->chips));
        else if (fault->kind == FAB_FAULT_SWITCH_DOWN || cable)
            placing->share[links[i]] = 0;
    }
    return true;
}

/*
 * Kernels begin late by an exponential draw and are slower by the upper half of a normal one. Every GPU draws, so that
 * one keeps its luck whichever others are named. Names are of the first machine; who names none means all machines.
 */
static void
mark_jitter(const FabPlacing *placing, const bool *chosen)
{
    const FabFault *fault = placing->fault;
    uint32_t named = placing->topology->gpu_count, count = MAX(named, placing->gpus);
    GRand *random = g_rand_new_with_seed(fault->seed);

    for (uint32_t i = 0; i < count; i++) {
        double late = -log(1 - g_rand_double(random)) * fault->delay_s;
        double normal = sqrt(-2 * log(1 - g_rand_double(random))) * cos(2 * G_PI * g_rand_double(random));
        if (i < named ? !chosen[i] : fault->at != NULL)
            continue;
        placing->late_ps[i] += fab_ps_from_seconds(late);
        placing->pace[i] *= 1 + fault->spread * fabs(normal);
    }
    g_rand_free(random);
}

static bool
place_on_gpus(const FabPlacing *placing, GError **error)
{
    const FabFault *fault = placing->fault;
    const FabTopology *topology = placing->topology;
    g_autofree bool *chosen = g_new(bool, topology->gpu_count);

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        chosen[i] = fault->at == NULL;
    for (guint i = 0; fault->at != NULL && fault->at[i] != NULL; i++) {
        FabVertex vertex = find_vertex(placing, fault->at[i], error);
        if (vertex == FAB_VERTEX_NONE)
            return false;
        chosen[topology->vertices[vertex].number] = true;
    }
    if (fault->kind == FAB_FAULT_JITTER)
        mark_jitter(placing, chosen);
    for (uint32_t i = 0; i < topology->gpu_count && fault->kind == FAB_FAULT_SLOW_GPU; i++)
        placing->pace[i] *= chosen[i] ? fault->factor : 1;
    return true;
}

/* Places of links: what is named twice is lost once. */
static bool
place_on_links(const FabPlacing *placing, GError **error)
{
    const FabFault *fault = placing->fault;
    bool links = fault->kind == FAB_FAULT_LINK_DOWN || fault->kind == FAB_FAULT_LINK_RATE;

    for (guint i = 0; fault->at[i] != NULL; i++) {
        FabVertex vertex;
        if (links && !mark_link(placing, fault->at[i], fault->kind == FAB_FAULT_LINK_DOWN ? 0 : fault->rate, error))
            return false;
        if (links)
            continue;
        vertex = find_vertex(placing, fault->at[i], error);
        if (vertex == FAB_VERTEX_NONE || !mark_vertex(placing, vertex, error))
            return false;
    }
    return true;
}

double *
fab_fault_untouched(uint32_t count)
{
    double *list = g_new(double, count + 1);

    for (uint32_t i = 0; i < count; i++)
        list[i] = 1;
    return list;
}

bool
fab_fault_place(const FabPlacing *placing, GError **error)
{
    const FabFault *fault = placing->fault;
    FabPlacing alone = *placing;
    g_autofree double *share = NULL;

    if (placing->topology->shared != FAB_VERTEX_NONE)
        return refuse(placing, error, "virtual GPUs of one device have no faults");
    if (fault->kind == FAB_FAULT_SLOW_GPU || fault->kind == FAB_FAULT_JITTER)
        return place_on_gpus(placing, error);
    alone.share = share = g_new(double, placing->topology->link_count + 1);
    for (uint32_t i = 0; i < placing->topology->link_count; i++)
        share[i] = 1;
    if (!place_on_links(&alone, error))
        return false;
    for (uint32_t i = 0; i < placing->topology->link_count; i++)
        placing->share[i] *= share[i];
    return true;
}

/* ------------------------------------------------------------------ the plan */

bool
fab_fault_check_joined(const FabPlacing *placing, const FabTopology *left, const uint32_t *gpus, uint32_t count,
                       GError **error)
{
    const FabTopology *topology = placing->topology;
    uint32_t lost = count > 0 ? fab_topology_cut_off(left, gpus, count) : UINT32_MAX;
    g_autofree char *what = NULL;

    if (lost == UINT32_MAX)
        return true;
    what = fab_fault_describe(placing->fault);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [%s] %s%s leaves no way from %s to %s; leave out the fault, or let the work do without these GPUs",
                placing->scenario->path, placing->fault->group, what,
                placing->fault == placing->scenario->faults->pdata[0] ? "" : ", with the faults before it,",
                topology->vertices[topology->gpus[gpus[0]]].name, topology->vertices[topology->gpus[lost]].name);
    return false;
}

/* Faults of the whole run: what is left, of links and of the pace of GPUs. */
static bool
place_lasting(FabFaultPlan *plan, FabPlacing *placing, const uint32_t *gpus, uint32_t count, GError **error)
{
    const FabScenario *scenario = placing->scenario;
    bool paces = false;

    for (guint i = 0; i < scenario->faults->len; i++) {
        FabTopology *left;
        placing->fault = scenario->faults->pdata[i];
        paces = paces || placing->fault->kind == FAB_FAULT_SLOW_GPU || placing->fault->kind == FAB_FAULT_JITTER;
        if (placing->fault->timed)
            continue;
        if (!fab_fault_place(placing, error))
            return false;
        left = fab_topology_degraded(placing->topology, placing->share);
        if (!fab_fault_check_joined(placing, left, gpus, count, error)) {
            fab_topology_free(left);
            return false;
        }
        g_clear_pointer(&plan->topology, fab_topology_free);
        plan->topology = left;
    }
    if (plan->topology == NULL)
        plan->topology = fab_topology_degraded(placing->topology, placing->share);
    plan->pace = paces ? g_memdup2(placing->pace, placing->topology->gpu_count * sizeof(double)) : NULL;
    plan->late_ps = paces ? g_memdup2(placing->late_ps, placing->topology->gpu_count * sizeof(int64_t)) : NULL;
    return true;
}

FabFaultPlan *
fab_fault_plan_of_marks(const FabPlacing *placing, const uint32_t *gpus, uint32_t count, GError **error)
{
    g_autoptr(FabFaultPlan) plan = g_new0(FabFaultPlan, 1);

    plan->topology = fab_topology_degraded(placing->topology, placing->share);
    return fab_fault_check_joined(placing, plan->topology, gpus, count, error) ? g_steal_pointer(&plan) : NULL;
}

FabFaultPlan *
fab_fault_plan_new(const FabScenario *scenario, const FabTopology *topology, const uint32_t *gpus, uint32_t count,
                   GError **error)
{
    g_autoptr(FabFaultPlan) plan = g_new0(FabFaultPlan, 1);
    g_autofree double *share = g_new(double, topology->link_count + 1), *pace = g_new(double, topology->gpu_count);
    g_autofree int64_t *late_ps = g_new0(int64_t, topology->gpu_count);
    FabPlacing placing = { .scenario = scenario, .topology = topology, .share = share, .pace = pace,
                           .late_ps = late_ps };

    plan->changes = g_array_new(FALSE, FALSE, sizeof(FabEngineChange));
    plan->stages = g_ptr_array_new_with_free_func((GDestroyNotify)fab_topology_free);
    plan->routers = g_ptr_array_new_with_free_func((GDestroyNotify)fab_router_free);
    for (uint32_t i = 0; i < topology->link_count; i++)
        share[i] = 1;
    for (uint32_t i = 0; i < topology->gpu_count; i++)
        pace[i] = 1;
    if (!place_lasting(plan, &placing, gpus, count, error) ||
        !fab_fault_plan_times(plan, scenario, topology, gpus, count, error) ||
        !fab_fault_plan_background(plan, scenario, gpus, count, error))
        return NULL;
    return g_steal_pointer(&plan);
}

double *
fab_fault_left(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autofree double *share = g_new(double, topology->link_count + 1), *pace = g_new(double, topology->gpu_count);
    g_autofree double *nic = g_new(double, topology->vertex_count);
    g_autofree int64_t *late_ps = g_new0(int64_t, topology->gpu_count);
    FabPlacing placing = { .scenario = scenario, .topology = topology, .share = share, .pace = pace,
                           .late_ps = late_ps, .nic = nic };

    for (uint32_t i = 0; i < topology->link_count; i++)
        share[i] = 1;
    for (uint32_t i = 0; i < topology->gpu_count; i++)
        pace[i] = 1;
    for (guint i = 0; i < scenario->faults->len; i++) {
        placing.fault = scenario->faults->pdata[i];
        if (!fab_fault_place(&placing, error))
            return NULL;
    }
    return g_steal_pointer(&share);
}

/* ------------------------------------------------------------------ what each costs */

bool
fab_fault_any(const FabScenario *scenario)
{
    return scenario->faults->len > 0 || scenario->background != NULL;
}

/* Times of all rows with one fault or with other jobs, or with none. Owned by the caller; NULL with an error. */
static int64_t *
times_with(const FabScenario *scenario, const FabTopology *topology, FabFault *fault, FabBackground *background,
           GError **error)
{
    g_autoptr(GPtrArray) faults = g_ptr_array_new();
    FabScenario other = *scenario;
    g_autoptr(FabResult) result = NULL;
    int64_t *times;

    if (fault != NULL)
        g_ptr_array_add(faults, fault);
    other.faults = faults;
    other.background = background;
    if (other.seeds > 0 && !fab_seeds_are_drawn(&other, topology))
        other.seeds = 0;
    result = fab_run_on(&other, topology, NULL, NULL, NULL, error);
    if (result == NULL)
        return NULL;
    times = g_new(int64_t, MAX(result->rows->len, 1));
    for (guint i = 0; i < result->rows->len; i++)
        times[i] = ((const FabResultRow *)result->rows->pdata[i])->time_ps;
    return times;
}

static bool
add_background(const FabScenario *scenario, const FabTopology *topology, FabResult *result, GError **error)
{
    g_autofree char *what = NULL;
    FabResultFault *added;

    if (scenario->background == NULL)
        return true;
    what = fab_background_describe(scenario->background);
    added = fab_result_add_fault(result, "background", what);
    added->alone_ps = times_with(scenario, topology, NULL, scenario->background, error);
    return added->alone_ps != NULL;
}

bool
fab_fault_costs(const FabScenario *scenario, const FabTopology *topology, FabResult *result, GError **error)
{
    GPtrArray *faults = scenario->faults;

    if (!fab_fault_any(scenario))
        return true;
    result->healthy_ps = times_with(scenario, topology, NULL, NULL, error);
    for (guint i = 0; i < faults->len && result->healthy_ps != NULL; i++) {
        const FabFault *fault = faults->pdata[i];
        g_autofree char *what = fab_fault_describe(fault);
        FabResultFault *added = fab_result_add_fault(result, fault->name, what);
        added->alone_ps = times_with(scenario, topology, faults->pdata[i], NULL, error);
        if (added->alone_ps == NULL)
            return false;
    }
    return result->healthy_ps != NULL && add_background(scenario, topology, result, error);
}
