#include "predict/training-fault.h"

#include <math.h>

#include "predict/fault-private.h"

void
fab_step_faults_free(FabStepFaults *faults)
{
    if (faults == NULL)
        return;
    fab_group_times_free(faults->times);
    fab_fault_plan_free(faults->plan);
    g_free(faults->slow);
    g_free(faults->pace);
    g_free(faults);
}

/* The stage of a rank: tensor-parallel ranks are neighbours, then those of replicas, then stages. */
static uint32_t
stage_of(const FabTraining *training, uint32_t gpu)
{
    return MIN(gpu / (training->tp * training->cp * training->dp), training->pp - 1);
}

static bool
is_cable(const FabTopologyLink *link)
{
    return link->medium == FAB_MEDIUM_INFINIBAND || link->medium == FAB_MEDIUM_ETHERNET;
}

/* What is left of a NIC: its slowest cable, or what a fault says of it. */
static double
left_of_nic(const FabTopology *topology, FabVertex nic, const double *share, double itself)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, nic, &count);
    double all = 0, left = 0;

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        all += is_cable(link) ? link->bandwidth : 0;
        left += is_cable(link) ? link->bandwidth * share[links[i]] : 0;
    }
    return all > 0 ? left / all : itself;
}

/* The share of its adapters that the worst machine has. */
static double
left_of_network(const FabTopology *topology, const double *share, const double *nic)
{
    uint32_t nodes = MAX(topology->node_count, 1);
    g_autofree double *sum = g_new0(double, nodes), *count = g_new0(double, nodes);
    double worst = 1;

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        uint32_t node = topology->vertices[v].node;
        if (topology->vertices[v].kind != FAB_VERTEX_NIC || node >= nodes)
            continue;
        sum[node] += left_of_nic(topology, v, share, nic[v]);
        count[node] += 1;
    }
    for (uint32_t n = 0; n < nodes; n++)
        worst = count[n] > 0 ? fmin(worst, sum[n] / count[n]) : worst;
    return worst;
}

/* GPUs of machines that lost something; *all: what is lost is of no machine, or of the network of a single one. */
static GArray *
find_hit(const FabTopology *topology, const double *share, const double *nic, bool *all)
{
    g_autofree bool *hit = g_new0(bool, MAX(topology->node_count, 1));
    GArray *gpus = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    *all = false;
    for (uint32_t i = 0; i < topology->link_count; i++) {
        uint32_t a = topology->vertices[topology->links[i].a].node, b = topology->vertices[topology->links[i].b].node;
        if (share[i] == 1)
            continue;
        *all = *all || (a == FAB_NODE_NONE && b == FAB_NODE_NONE);
        if (a != FAB_NODE_NONE || b != FAB_NODE_NONE)
            hit[a != FAB_NODE_NONE ? a : b] = true;
    }
    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        if (nic[v] != 1 && topology->vertices[v].node != FAB_NODE_NONE)
            hit[topology->vertices[v].node] = true;
    }
    for (uint32_t i = 0; i < topology->gpu_count; i++) {
        if (hit[fab_topology_node_of(topology, i)])
            g_array_append_val(gpus, i);
    }
    return gpus;
}

/* Every mark of every fault, once more: a plan keeps only what is left of the machine. */
static bool
mark_all(const FabScenario *scenario, FabPlacing *placing, GError **error)
{
    for (guint i = 0; i < scenario->faults->len; i++) {
        placing->fault = scenario->faults->pdata[i];
        if (!fab_fault_place(placing, error))
            return false;
    }
    return true;
}

static void
fill_stages(FabStepFaults *faults, const FabTraining *training, const GArray *hit, bool all, const double *pace)
{
    faults->slow = g_new0(bool, training->pp);
    faults->pace = g_new(double, training->pp);
    for (uint32_t s = 0; s < training->pp; s++) {
        faults->slow[s] = all;
        faults->pace[s] = 1;
    }
    for (guint i = 0; i < hit->len; i++) {
        if (g_array_index(hit, uint32_t, i) < training->gpus)
            faults->slow[stage_of(training, g_array_index(hit, uint32_t, i))] = true;
    }
    for (uint32_t i = 0; i < training->gpus; i++)
        faults->pace[stage_of(training, i)] = fmax(faults->pace[stage_of(training, i)], pace[i]);
    for (uint32_t s = 0; s < training->pp; s++)
        faults->any = faults->any || faults->slow[s];
}

FabStepFaults *
fab_step_faults_new(const FabScenario *scenario, const FabTraining *training, const FabTopology *topology,
                    GError **error)
{
    g_autoptr(FabStepFaults) faults = g_new0(FabStepFaults, 1);
    g_autofree double *share = g_new(double, topology->link_count + 1), *nic = g_new(double, topology->vertex_count);
    uint32_t count = MAX(topology->gpu_count, training->gpus);
    g_autofree double *pace = g_new(double, count);
    g_autofree int64_t *late_ps = g_new0(int64_t, count);
    g_autofree uint32_t *gpus = g_new(uint32_t, topology->gpu_count);
    FabPlacing placing = { .scenario = scenario, .topology = topology, .share = share, .pace = pace,
                           .late_ps = late_ps, .gpus = count, .nic = nic };
    g_autoptr(GArray) hit = NULL;
    bool all;

    for (uint32_t i = 0; i < topology->link_count; i++)
        share[i] = 1;
    for (FabVertex v = 0; v < topology->vertex_count; v++)
        nic[v] = 1;
    for (uint32_t i = 0; i < count; i++)
        pace[i] = 1;
    for (uint32_t i = 0; i < topology->gpu_count; i++)
        gpus[i] = i;
    if (!mark_all(scenario, &placing, error))
        return NULL;
    faults->plan = fab_fault_plan_of_marks(&placing, gpus, MIN(topology->gpu_count, training->gpus), error);
    if (faults->plan == NULL)
        return NULL;
    hit = find_hit(topology, share, nic, &all);
    faults->times = fab_group_times_new(faults->plan->topology, training->nic_rate);
    fab_group_times_look_at(faults->times, (const uint32_t *)(void *)hit->data, hit->len,
                            left_of_network(topology, share, nic));
    fill_stages(faults, training, hit, all, pace);
    return g_steal_pointer(&faults);
}
