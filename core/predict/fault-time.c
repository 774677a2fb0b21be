/* Faults that begin or end during a run, as changes for the engine. */
#include "predict/fault-private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "topology/degrade.h"

/* A fault with its marks; times in picoseconds, INT64_MAX: never. */
typedef struct {
    FabPlacing placing;
    int64_t start, end, found;
} Timed;

typedef struct {
    FabFaultPlan *plan;
    const FabTopology *topology;
    GArray *timed;
    double *share, *pace; /* at the instant before: of each link beside the lasting faults, of each GPU */
    double *gone;         /* links that data goes round: share 0 */
} Timeline;

static void
clear_timed(void *pointer)
{
    Timed *timed = pointer;

    g_free(timed->placing.share);
    g_free(timed->placing.pace);
    g_free(timed->placing.late_ps);
}

static int64_t
ps_of(double seconds)
{
    return isfinite(seconds) ? fab_ps_from_seconds(seconds) : INT64_MAX;
}

static bool
collect(Timeline *timeline, const FabScenario *scenario, GError **error)
{
    const FabTopology *topology = timeline->topology;

    for (guint i = 0; i < scenario->faults->len; i++) {
        const FabFault *fault = scenario->faults->pdata[i];
        Timed timed = { .placing = { .scenario = scenario, .topology = topology, .fault = fault } };
        if (!fault->timed)
            continue;
        timed.placing.share = fab_fault_untouched(topology->link_count);
        timed.placing.pace = fab_fault_untouched(topology->gpu_count);
        timed.placing.late_ps = g_new0(int64_t, topology->gpu_count);
        timed.start = ps_of(fault->start_s);
        timed.end = ps_of(fault->end_s);
        timed.found = fault->detection_s >= 0 ? timed.start + ps_of(fault->detection_s) : INT64_MAX;
        g_array_append_val(timeline->timed, timed);
        if (!fab_fault_place(&timed.placing, error))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ one instant */

static void
add_change(Timeline *timeline, int64_t now, FabChangeKind kind, uint32_t number, double value)
{
    FabEngineChange change = { .when_ps = now, .kind = kind, .number = number, .value = value };

    g_array_append_val(timeline->plan->changes, change);
}

/* A GPU's port to host memory changes with its link. */
static void
change_link(Timeline *timeline, int64_t now, uint32_t index, double share)
{
    const FabTopology *left = timeline->plan->topology;
    const FabTopologyLink *link = &left->links[index];

    for (int i = 0; i < 2; i++)
        add_change(timeline, now, FAB_CHANGE_CAPACITY, link->resource[i],
                   left->resources[link->resource[i]].capacity * share);
    for (uint32_t i = 0; i < left->gpu_count; i++) {
        bool its_own = left->gpus[i] == link->a || left->gpus[i] == link->b;
        bool host = link->medium == FAB_MEDIUM_PCIE || link->medium == FAB_MEDIUM_C2C;
        if (its_own && host && left->host_port[i] != UINT32_MAX)
            add_change(timeline, now, FAB_CHANGE_CAPACITY, left->host_port[i],
                       left->resources[left->host_port[i]].capacity * share);
    }
}

/* Data goes round what was found to be gone. */
static bool
change_ways(Timeline *timeline, int64_t now, const double *gone, const Timed *last, const uint32_t *gpus,
            uint32_t count, GError **error)
{
    FabTopology *left = fab_topology_degraded(timeline->plan->topology, gone);

    g_ptr_array_add(timeline->plan->stages, left);
    if (last != NULL && !fab_fault_check_joined(&last->placing, left, gpus, count, error))
        return false;
    add_change(timeline, now, FAB_CHANGE_WAYS, timeline->plan->stages->len - 1, 0);
    return true;
}

static bool
take_instant(Timeline *timeline, int64_t now, const uint32_t *gpus, uint32_t count, GError **error)
{
    const FabTopology *topology = timeline->topology;
    g_autofree double *share = fab_fault_untouched(topology->link_count);
    g_autofree double *gone = fab_fault_untouched(topology->link_count);
    g_autofree double *pace = fab_fault_untouched(topology->gpu_count);
    const Timed *found = NULL;

    for (guint i = 0; i < timeline->timed->len; i++) {
        const Timed *timed = &g_array_index(timeline->timed, Timed, i);
        if (now < timed->start || now >= timed->end)
            continue;
        found = timed->found <= now ? timed : found;
        for (uint32_t k = 0; k < topology->link_count; k++) {
            share[k] *= timed->placing.share[k];
            gone[k] *= timed->found <= now ? timed->placing.share[k] : 1;
        }
        for (uint32_t k = 0; k < topology->gpu_count; k++)
            pace[k] *= timed->placing.pace[k];
    }
    for (uint32_t k = 0; k < topology->link_count; k++) {
        if (share[k] != timeline->share[k])
            change_link(timeline, now, k, share[k]);
    }
    for (uint32_t k = 0; k < topology->gpu_count; k++) {
        if (pace[k] != timeline->pace[k])
            add_change(timeline, now, FAB_CHANGE_PACE, k, pace[k] * timeline->plan->pace[k]);
    }
    if (memcmp(gone, timeline->gone, topology->link_count * sizeof *gone) != 0 &&
        !change_ways(timeline, now, gone, found, gpus, count, error))
        return false;
    memcpy(timeline->share, share, topology->link_count * sizeof *share);
    memcpy(timeline->gone, gone, topology->link_count * sizeof *gone);
    memcpy(timeline->pace, pace, topology->gpu_count * sizeof *pace);
    return true;
}

/* ------------------------------------------------------------------ all of them */

static int
compare_instants(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool
walk(Timeline *timeline, const uint32_t *gpus, uint32_t count, GError **error)
{
    g_autoptr(GArray) instants = g_array_new(FALSE, FALSE, sizeof(int64_t));

    for (guint i = 0; i < timeline->timed->len; i++) {
        const Timed *timed = &g_array_index(timeline->timed, Timed, i);
        const int64_t times[] = { timed->start, timed->end, timed->found };
        for (gsize k = 0; k < G_N_ELEMENTS(times); k++) {
            if (times[k] < timed->end || (times[k] == timed->end && times[k] != INT64_MAX))
                g_array_append_val(instants, times[k]);
        }
    }
    g_array_sort(instants, compare_instants);
    for (guint i = 0; i < instants->len; i++) {
        int64_t now = g_array_index(instants, int64_t, i);
        if (i > 0 && now == g_array_index(instants, int64_t, i - 1))
            continue;
        if (!take_instant(timeline, now, gpus, count, error))
            return false;
    }
    return true;
}

bool
fab_fault_plan_times(FabFaultPlan *plan, const FabScenario *scenario, const FabTopology *topology,
                     const uint32_t *gpus, uint32_t count, GError **error)
{
    g_autoptr(GArray) timed = g_array_new(FALSE, FALSE, sizeof(Timed));
    g_autofree double *share = fab_fault_untouched(topology->link_count);
    g_autofree double *gone = fab_fault_untouched(topology->link_count);
    g_autofree double *pace = fab_fault_untouched(topology->gpu_count);
    Timeline timeline = { .plan = plan, .topology = topology, .timed = timed, .share = share, .pace = pace,
                          .gone = gone };

    g_array_set_clear_func(timed, clear_timed);
    return collect(&timeline, scenario, error) && walk(&timeline, gpus, count, error);
}

const FabEngineChange *
fab_fault_plan_changes(FabFaultPlan *plan, const FabRouteRules *rules, const uint32_t *gpus, uint32_t *count)
{
    uint32_t kept = 0, ranks = *count;

    for (guint i = plan->routers->len; i < plan->stages->len; i++)
        g_ptr_array_add(plan->routers, fab_router_new(plan->stages->pdata[i], rules));
    for (guint i = 0; i < plan->changes->len; i++) {
        FabEngineChange change = g_array_index(plan->changes, FabEngineChange, i);
        uint32_t rank = 0;
        if (change.kind == FAB_CHANGE_WAYS)
            change.router = plan->routers->pdata[change.number];
        while (change.kind == FAB_CHANGE_PACE && rank < ranks && gpus[rank] != change.number)
            rank++;
        if (change.kind == FAB_CHANGE_PACE && rank == ranks)
            continue; /* it does no work */
        if (change.kind == FAB_CHANGE_PACE)
            change.number = rank;
        g_array_index(plan->changes, FabEngineChange, kept++) = change;
    }
    g_array_set_size(plan->changes, kept);
    *count = kept;
    return (const FabEngineChange *)(void *)plan->changes->data;
}

/* ------------------------------------------------------------------ what nothing goes round */

/* Whether NVSwitches still join the GPUs that share a node with the first. */
static bool
reduces_in_switch(const FabTopology *topology, FabRouter *router, const uint32_t *gpus, uint32_t count)
{
    g_autoptr(GArray) node = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (uint32_t i = 0; i < count; i++) {
        if (fab_topology_node_of(topology, gpus[i]) == fab_topology_node_of(topology, gpus[0]))
            g_array_append_val(node, gpus[i]);
    }
    return fab_router_multicast(router, (const uint32_t *)(void *)node->data, node->len, 1, NULL) != NULL;
}

void
fab_fault_plan_explain(const FabFaultPlan *plan, const FabScenario *scenario, const uint32_t *gpus, uint32_t count,
                       GError **error)
{
    const FabFault *fault = NULL;
    g_autofree char *what = NULL;
    bool lost = false;

    for (guint i = 0; i < scenario->faults->len && fault == NULL; i++) {
        const FabFault *one = scenario->faults->pdata[i];
        fault = one->detection_s >= 0 ? one : NULL;
    }
    for (guint r = 0; r < plan->routers->len && !lost; r++) {
        for (uint32_t i = 0; i < count && !lost; i++)
            lost = !reduces_in_switch(plan->stages->pdata[r], plan->routers->pdata[r], gpus + i, count - i);
    }
    if (fault == NULL || !lost)
        return;
    what = fab_fault_describe(fault);
    g_clear_error(error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [%s] %s: NVLS reduces in NVSwitches and cannot go round what is gone; give end in place of "
                "detection, or [collective] algorithm=ring", scenario->path, fault->group, what);
}
