#include "predict/training-fault.h"

#include <math.h>

#include "predict/fault-private.h"
#include "scenario/placement.h"
#include "topology/degrade.h"

void
fab_step_faults_free(FabStepFaults *faults)
{
    if (faults == NULL)
        return;
    fab_group_times_free(faults->times);
    fab_fault_plan_free(faults->plan);
    g_clear_pointer(&faults->met, g_ptr_array_unref);
    g_free(faults->slow);
    g_free(faults->pace);
    g_free(faults);
}

static uint32_t
stage_of(const FabTraining *training, uint32_t gpu)
{
    return fab_placement_of(training, gpu, FAB_AXIS_PP);
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

/* Whether the fault is there at that time; of one that is not timed always. */
static bool
is_there(const FabFault *fault, double at_s)
{
    return !fault->timed || (fault->start_s <= at_s && at_s < fault->end_s);
}

static bool
is_gone_round(const FabFault *fault, double at_s)
{
    return !fault->timed || (fault->detection_s >= 0 && at_s >= fault->start_s + fault->detection_s);
}

/* How a collective that begins at that time has the fault: as one that is there from its first instant on. */
static FabFault *
fault_met(const FabFault *fault, double at_s)
{
    FabFault *met = g_memdup2(fault, sizeof *fault);

    met->start_s = 0;
    met->end_s = is_gone_round(fault, at_s) ? INFINITY : FAB_STALLED_S;
    met->detection_s = is_gone_round(fault, at_s) ? 0 : -1;
    return met;
}

/* What faults do to one copy of the machine. */
typedef struct {
    double *share, *nic, *pace; /* of links, vertices, GPUs */
    int64_t *late_ps;
    FabPlacing placing;
} Marks;

/* What there is at one time: now, that NCCL knew when it began, that data goes round, that nothing goes round. */
typedef struct {
    Marks now, lasting, round, stuck;
} State;

static void
marks_init(Marks *marks, const FabScenario *scenario, const FabTopology *topology, uint32_t gpus)
{
    *marks = (Marks) { .share = fab_fault_untouched(topology->link_count),
                       .nic = fab_fault_untouched(topology->vertex_count),
                       .pace = fab_fault_untouched(gpus),
                       .late_ps = g_new0(int64_t, gpus) };
    marks->placing = (FabPlacing) { .scenario = scenario, .topology = topology, .gpus = gpus, .share = marks->share,
                                    .nic = marks->nic, .pace = marks->pace, .late_ps = marks->late_ps };
}

static void
marks_clear(Marks *marks)
{
    g_free(marks->share);
    g_free(marks->nic);
    g_free(marks->pace);
    g_free(marks->late_ps);
}

static bool
mark(Marks *marks, const FabFault *fault, GError **error)
{
    marks->placing.fault = fault;
    return fab_fault_place(&marks->placing, error);
}

/* Adds to `met` the faults that a step runs into. */
static bool
mark_all(State *state, const FabScenario *scenario, double at_s, GPtrArray *met, GError **error)
{
    for (guint i = 0; i < scenario->faults->len; i++) {
        const FabFault *fault = scenario->faults->pdata[i];
        bool inside = fault->kind != FAB_FAULT_SLOW_GPU && fault->kind != FAB_FAULT_JITTER &&
                      (fault->kind != FAB_FAULT_NIC_DOWN || state->now.placing.topology->node_count > 0);
        if (!is_there(fault, at_s))
            continue;
        if (!mark(&state->now, fault, error) || (!fault->timed && !mark(&state->lasting, fault, error)) ||
            !mark(is_gone_round(fault, at_s) ? &state->round : &state->stuck, fault, error))
            return false;
        if (fault->timed && inside)
            g_ptr_array_add(met, fault_met(fault, at_s));
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

/* The share of its adapters that the worst machine has: none while it waits for one that is stuck. */
static double
left_for_now(const State *state)
{
    const FabTopology *topology = state->now.placing.topology;
    const Marks *stuck = &state->stuck;

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        if (topology->vertices[v].kind == FAB_VERTEX_NIC && left_of_nic(topology, v, stuck->share, stuck->nic[v]) <= 0)
            return 0;
    }
    return left_of_network(topology, state->now.share, state->now.nic);
}

/* Ways round what is gone are there. Before the groups' own runs, which know neither when it began nor its scenario. */
static bool
check_round(const State *state, const uint32_t *gpus, uint32_t count, GError **error)
{
    const FabPlacing *placing = &state->round.placing;
    g_autoptr(FabTopology) left = NULL;

    if (placing->fault == NULL)
        return true;
    left = fab_topology_degraded(placing->topology, placing->share);
    return fab_fault_check_joined(placing, left, gpus, count, error);
}

static bool
begin(FabStepFaults *faults, const FabTraining *training, const State *state, GError **error)
{
    const Marks *now = &state->now;
    const FabTopology *topology = now->placing.topology;
    uint32_t count = MIN(topology->gpu_count, training->gpus);
    g_autofree uint32_t *gpus = g_new(uint32_t, topology->gpu_count);
    g_autoptr(GArray) hit = NULL;
    bool all;

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        gpus[i] = i;
    faults->plan = fab_fault_plan_of_marks(&state->lasting.placing, gpus, count, error);
    if (faults->plan == NULL || !check_round(state, gpus, count, error))
        return false;
    hit = find_hit(topology, now->share, now->nic, &all);
    faults->times = fab_group_times_new(faults->plan->topology, training->nic_rate);
    fab_group_times_look_at(faults->times, (const uint32_t *)(void *)hit->data, hit->len, left_for_now(state));
    if (faults->met->len > 0)
        fab_group_times_meet(faults->times, faults->met);
    fill_stages(faults, training, hit, all, now->pace);
    return true;
}

FabStepFaults *
fab_step_faults_new(const FabScenario *scenario, const FabTraining *training, const FabTopology *topology, double at_s,
                    GError **error)
{
    g_autoptr(FabStepFaults) faults = g_new0(FabStepFaults, 1);
    uint32_t count = MAX(topology->gpu_count, training->gpus);
    State state;
    bool good;

    faults->met = g_ptr_array_new_with_free_func(g_free);
    marks_init(&state.now, scenario, topology, count);
    marks_init(&state.lasting, scenario, topology, count);
    marks_init(&state.round, scenario, topology, count);
    marks_init(&state.stuck, scenario, topology, count);
    good = mark_all(&state, scenario, at_s, faults->met, error) && begin(faults, training, &state, error);
    marks_clear(&state.now);
    marks_clear(&state.lasting);
    marks_clear(&state.round);
    marks_clear(&state.stuck);
    return good ? g_steal_pointer(&faults) : NULL;
}

bool
fab_step_faults_hit(const FabStepFaults *faults, const FabPassSpec *healthy, FabPassParts *passes, double *hop_s,
                    double *hops, GError **error)
{
    static const FabTimePart kernels[] = { FAB_TIME_MATRIX, FAB_TIME_ATTENTION, FAB_TIME_MEMORY };
    uint32_t stages = healthy->training->pp, chunks = healthy->training->chunks;
    g_autofree FabPassParts *slow = g_new0(FabPassParts, stages * chunks);
    FabPassSpec spec = *healthy;
    double hop = 0;

    spec.times = faults->times;
    if (faults->any && !fab_pass_times(&spec, slow, &hop, error))
        return false;
    for (uint32_t s = 0; s < stages; s++) {
        bool touched = faults->slow[s] || faults->slow[(s + 1) % stages] || faults->slow[(s + stages - 1) % stages];
        hops[s] = touched ? fmax(*hop_s, hop) : *hop_s;
    }
    *hop_s = fmax(*hop_s, hop);
    for (uint32_t i = 0; i < stages * chunks; i++) {
        double pace = faults->pace[i / chunks];
        if (faults->slow[i / chunks])
            passes[i] = slow[i];
        for (gsize k = 0; k < G_N_ELEMENTS(kernels); k++) {
            passes[i].forward[kernels[k]] *= pace;
            passes[i].backward[kernels[k]] *= pace;
        }
        passes[i].weights *= pace;
    }
    return true;
}
