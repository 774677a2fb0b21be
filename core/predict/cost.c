#include "predict/cost.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "predict/network-cost.h"

/* The part of a launch that a profiler of kernels does not show: between two of them (two A100: 4 of 8 us). */
#define KERNEL_GAP 0.5

/* 512 threads with 8 stores of 16 bytes each (ring study 4.3, W). */
#define IN_FLIGHT 65536

/*
 * Host work for each send and each receive of a group: eight A100 driven by one thread of NCCL 2.10 need 10.9 us a GPU
 * for an all-to-all of 16 of them against 4.3 for one collective; eight threads of 2.23 on H100 15 us, of 2.29 below 8.
 */
#define TASK_US_BEFORE_2027 0.35
#define TASK_US 0.2

/*
 * Timing each call by events adds a constant: 15 us on eight H200 against the same machine timed back to back (study of
 * NVLS and PCIe, 1.3: 11.4 to 17.7 us); 5 to 20.
 */
#define SINGLE_CALL_US 15.0

/* Timed calls of nccl-tests when it is not told (its option -n). */
#define USUAL_CALLS 20

/*
 * Since 2.22 a launch carries its work with it; before, kernels read it from a queue that the host fills. With those
 * releases one thread that launches for several GPUs and a kernel that takes about as long overlap in part only.
 */
#define OVERLAPS_WHOLLY 2022

enum { OF_A_BOARD = 8 }; /* GPUs */

/*
 * Send/recv: what each peer adds before its first byte; the latency of Simple holds it already. Floors of all-to-all on
 * 2 and 8 GPUs: H100 6.4 and 7.8 us, RTX PRO 6000 6.2 and 9.5, A100 10.5 and 15.8; 0.2 to 0.9.
 */
#define PEER_US 0.2

static double
us(double microseconds)
{
    return microseconds * 1e-6;
}

static double
launch_seconds(const FabCost *cost, const FabPlan *plan, const FabKernelCosts *costs, double entry_us)
{
    double channels = plan->channels, all = cost->facts->channels;

    if (cost->scenario->launch_s >= 0)
        return cost->scenario->launch_s;
    if (plan->algorithm->in_switch)
        return us(costs->in_switch_launch_us);
    if (plan->protocol == FAB_PROTOCOL_LL)
        entry_us += PEER_US * plan->peers;
    if (strcmp(cost->scenario->timing, "kernel") == 0)
        entry_us -= KERNEL_GAP * costs->launch_us;
    if (plan->channels > 1)
        entry_us += costs->launch_channels_us * sqrt(channels / all);
    return us(costs->launch_us + entry_us);
}

/* LL works in rounds of 8 bytes for each thread; a round costs the same however full (ring study, 3.1). */
static void
set_ll(const FabPlan *plan, const FabKernelCosts *costs, double round_us, double latency_us, FabExecution *execution)
{
    double share = costs->ll_fixed_share + (1 - costs->ll_fixed_share) * plan->threads / 512.0;

    bool by_halves = plan->cta_share > 0; /* send/recv: half of the threads for each direction */
    double round = us(MAX(round_us, costs->ll_round_us) * share);

    execution->quantum = plan->threads * 8u;
    if (by_halves)
        execution->quantum = MAX((uint64_t)((double)execution->quantum * plan->cta_share / 2), 8);
    execution->send_rate = (by_halves ? 2 : 1) * (double)execution->quantum / round;
    execution->copy_rate = execution->send_rate / 0.84; /* one side and a second store: 0.7 x 1.2 of a round */
    execution->wire = 2;
    execution->latency_ps = fab_ps_from_seconds(us(latency_us));
}

/*
 * A fence waits for the stores of all channels of its GPU, so that it takes longer the more of them run (ring study 8:
 * nearly with the square root).
 */
static double
crowding_us(const FabCost *cost, const FabPlan *plan, const FabKernelCosts *costs)
{
    double all = cost->facts->channels, channels = plan->channels;

    return all <= 1 || channels >= all ? 0 : costs->simple_crowd_us * (1 - sqrt((channels - 1) / (all - 1)));
}

static void
set_simple(const FabPlan *plan, const FabKernelCosts *costs, double step_us, double latency_us,
           FabExecution *execution)
{
    execution->step_ps = execution->local_ps = fab_ps_from_seconds(us(step_us));
    if (plan->fences > 0)
        execution->step_ps = execution->local_ps = (int64_t)((double)execution->step_ps * plan->fences);
    execution->empty_ps = execution->step_ps * 3 / 10; /* an empty slice exchanges counters only (3.3) */
    execution->latency_ps = fab_ps_from_seconds(us(latency_us));
    execution->send_rate = costs->send_rate * 1e9;
    execution->copy_rate = costs->copy_rate * 1e9;
}

/* The many channels of an NVLink ring do not run as one: their CTAs start in turn and reach the links unequally. */
static void
set_apart(const FabKernelCosts *costs, FabExecution *execution)
{
    execution->stagger_ps = fab_ps_from_seconds(us(costs->stagger_us));
    execution->spread = costs->rate_spread;
    execution->in_flight = IN_FLIGHT;
}

/* No rank does both: of more than two those between the first and the last do. */
static bool
sends_or_receives(const FabCost *cost)
{
    return cost->scenario->one_way && cost->facts->ranks == 2;
}

/*
 * The first chunk is sent and copied out one after the other, so that each has the CTA for itself; afterwards both are
 * at work at once (NVLS/PCIe study 3.1, r0 and r1).
 */
static double
send_recv_rate(const FabCost *cost, const FabKernelCosts *costs, const FabPcieCosts *pcie, const FabPlan *plan)
{
    double bytes = (double)plan->channel_bytes, first = MIN(bytes, (double)plan->chunk_bytes);
    double alone = 2 * costs->p2p_alone_rate * 1e9;
    double both = sends_or_receives(cost) ? alone : 2 * costs->p2p_rate * 1e9;

    if (cost->facts->transport > FAB_TRANSPORT_NVLINK)
        return both * pcie->p2p_share; /* the way is slower than the CTA */
    return bytes > 0 ? bytes / (first / alone + (bytes - first) / both) : both;
}

/* Each direction has half of the warps; ports reach 0.9 of a ring's rate with both at work (NVLS/PCIe study 3.1, F). */
static void
set_send_recv(const FabCost *cost, const FabPlan *plan, const FabKernelCosts *costs, const FabPcieCosts *pcie,
              FabExecution *execution)
{
    double share = plan->cta_share > 0 ? plan->cta_share : 1; /* a rank alone copies with all of its CTA */

    execution->send_rate = execution->copy_rate = send_recv_rate(cost, costs, pcie, plan) * share;
    if (cost->scenario->registered && plan->tasks == 2)
        execution->copy_rate = INFINITY; /* it was stored where it belongs */
    execution->wire = sends_or_receives(cost) ? 1 : 1 / 0.9;
    if (cost->facts->transport <= FAB_TRANSPORT_NVLINK) {
        execution->step_ps = execution->local_ps = fab_ps_from_seconds(us(0.37 * costs->p2p_latency_us));
        execution->latency_ps = fab_ps_from_seconds(us(0.63 * costs->p2p_latency_us));
    }
}

/*
 * Eight GPUs over two trays of a rack reduce as fast as eight on a board (two racks of GB300), 64 do not (two racks).
 * What lies between has been measured on one rack only, where everything is slow from 16 on; it is taken for 64.
 */
static bool
in_rack(const FabMachineFacts *facts)
{
    return facts->boxes > 1 && facts->ranks > OF_A_BOARD;
}

FabExecution
fab_cost_execution(const FabCost *cost, const FabPlan *plan)
{
    const FabKernelCosts *costs = fab_kernel_costs(cost->constants, cost->facts->compute_capability);
    const FabPcieCosts *pcie = cost->facts->transport == FAB_TRANSPORT_STAGED ? &cost->constants->staged
                                                                                 : &cost->constants->peer;
    bool nvlink = cost->facts->transport <= FAB_TRANSPORT_NVLINK;
    double entry_us = 0;
    FabExecution execution = { .wire = 1 };

    if (plan->algorithm->in_switch) {
        execution.in_switch_ps = fab_ps_from_seconds(us(costs->in_switch_gap_us));
        execution.local_ps = execution.in_switch_ps / MAX(cost->facts->ranks, 1); /* one fence for all heads' pieces */
        execution.empty_ps = execution.in_switch_ps;                              /* none is left out */
        execution.copy_rate = execution.send_rate = costs->in_switch_copy_rate * 1e9;
        execution.in_switch_weight = in_rack(cost->facts) ? costs->in_switch_rack_weight : costs->in_switch_weight;
    } else if (plan->protocol == FAB_PROTOCOL_LL) {
        set_ll(plan, costs, nvlink ? 0 : pcie->ll_round_us, nvlink ? costs->ll_latency_us : pcie->ll_latency_us,
               &execution);
    } else if (plan->protocol == FAB_PROTOCOL_LL128) {
        entry_us = costs->ll128_entry_us;
        execution.send_rate = costs->ll128_rate * 1e9;
        execution.copy_rate = execution.send_rate / 0.7; /* a last receive takes 0.7 of a send (3.2) */
        execution.wire = 16.0 / 15;
        execution.latency_ps = fab_ps_from_seconds(us(costs->ll128_latency_us));
    } else {
        entry_us = plan->cta_share > 0 ? 0 : nvlink ? costs->simple_entry_us : pcie->simple_entry_us;
        set_simple(plan, costs, nvlink ? costs->simple_step_us : pcie->simple_step_us,
                   nvlink ? MAX(costs->simple_latency_us - crowding_us(cost, plan, costs), 0)
                          : pcie->simple_latency_us, &execution);
        if (strcmp(plan->algorithm->name, "pairwise") == 0)
            set_send_recv(cost, plan, costs, pcie, &execution);
        else if (nvlink && !plan->rooted)
            set_apart(costs, &execution);
    }
    execution.wire /= nvlink ? costs->link_share : pcie->link_share;
    execution.launch_ps = fab_ps_from_seconds(launch_seconds(cost, plan, costs, entry_us));
    if (cost->facts->nodes > 1)
        fab_network_cost(cost->facts, plan, cost->constants->network_speed, &execution);
    return execution;
}

int64_t
fab_cost_device_ps(const FabCost *cost, const FabEngineReport *report)
{
    int64_t calls = cost->scenario->calls > 0 ? cost->scenario->calls : USUAL_CALLS;

    if (strcmp(cost->scenario->timing, "single") == 0)
        return report->time_ps + (cost->scenario->launch_s >= 0 ? 0 : fab_ps_from_seconds(us(SINGLE_CALL_US)));
    if (strcmp(cost->scenario->timing, "kernel") == 0 || cost->facts->nodes > 1)
        return report->interval_ps; /* of kernels alone: launch_seconds() leaves the gap out */
    return report->steady_ps + (report->time_ps - report->steady_ps) / calls;
}

/* GPUs that the busiest thread launches for. */
static uint64_t
gpus_of_a_thread(const FabCost *cost)
{
    uint64_t ranks = cost->facts->ranks;
    uint64_t processes = cost->scenario->processes > 0 ? cost->scenario->processes : ranks;
    uint64_t launchers = processes * MAX(cost->scenario->threads, 1);

    return launchers < ranks ? (ranks + launchers - 1) / launchers : 1;
}

int64_t
fab_cost_interval_ps(const FabCost *cost, const FabPlan *plan)
{
    const FabKernelCosts *costs = fab_kernel_costs(cost->constants, cost->facts->compute_capability);
    uint64_t each = gpus_of_a_thread(cost);
    double kernel_us = costs->thread_kernel_us + costs->thread_channel_us * plan->channels;

    if ((each == 1 && cost->scenario->launch_s >= 0) || strcmp(cost->scenario->timing, "kernel") == 0)
        return 0;
    kernel_us += plan->tasks * (cost->facts->nccl < 2027 ? TASK_US_BEFORE_2027 : TASK_US);
    return fab_ps_from_seconds(us((double)each * kernel_us));
}

int64_t
fab_cost_call_ps(const FabCost *cost, const FabPlan *plan, int64_t device_ps, int64_t interval_ps)
{
    bool ring = plan->protocol != FAB_PROTOCOL_LL && !plan->algorithm->in_switch;
    bool before = cost->facts->nccl < OVERLAPS_WHOLLY && cost->facts->transport <= FAB_TRANSPORT_NVLINK;

    if (ring && before && interval_ps > 0 && cost->facts->nodes <= 1 && gpus_of_a_thread(cost) > 1)
        return (int64_t)hypot((double)device_ps, (double)interval_ps);
    return MAX(device_ps, interval_ps);
}
