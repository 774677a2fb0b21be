#include "predict/network-cost.h"

#include "base/units.h"
#include "collective/nodes.h"

/*
 * What a message pays between nodes beside PCIe, NICs and cables: the kernel's flag is seen by a proxy thread on the
 * CPU, which posts the message; the receiver's proxy sees its completion and raises the flag there.
 */
static const double message_us[] = { 0, 9.0, 15.0 }; /* LL, LL128, Simple */

/* The same for Simple under NVLSTree: 2 MiB take 114 us on two B200 boxes, 1 MiB 138 on two p5. */
#define NVLS_TREE_US 30.0

/* A proxy thread's work for each message, one after the other (NCCL's tuner: src/graph/tuning.cc, netOverhead). */
#define POST_US 1.0
#define POST_AMD_US 2.0

/*
 * Small messages out of host memory, LL's, need no handshake before their bytes and take less of a NIC: all-reduce
 * below 1 KiB on 2 and 8 Polaris nodes (33 and 75 us: 3.5 and 3.7 us a message where large ones take 7).
 */
#define EAGER 0.6

/* Bytes of a line for each byte of payload: the NIC sends lines as the kernel wrote them. */
static const double wire[] = { 2, 16.0 / 15, 1 };

/*
 * LL128 is limited by the GPU as well as by each CTA: the constant is what a CTA reaches while all channels of a node
 * run, and fewer of them are faster, up to what NCCL counts on for one (B300 with 1 to 8 channels: 20.4 GB/s where it
 * counts on 20). 16 channels over two nodes reach 8.1 to 9.1 GB/s each on A100, where 24 inside reach 5.6.
 */
static double
ll128_rate(const FabMachineFacts *facts, const FabPlan *plan, double speed, double rate)
{
    double most = fab_nodes_ll128_most(facts) * 1e9 * speed;
    double shared = facts->inside_channels > 0 ? rate * facts->inside_channels / plan->channels : most;

    return MAX(rate, MIN(most, shared));
}

void
fab_network_cost(const FabMachineFacts *facts, const FabPlan *plan, double speed, FabExecution *execution)
{
    double message = plan->algorithm->in_switch ? NVLS_TREE_US : message_us[plan->protocol];

    execution->network_steps = plan->protocol != FAB_PROTOCOL_SIMPLE;
    execution->network_ps = fab_ps_from_seconds((message / speed + facts->message_us) * 1e-6);
    execution->post_ps = fab_ps_from_seconds((facts->amd ? POST_AMD_US : POST_US) / speed * 1e-6);
    execution->network_wire = wire[plan->protocol];
    execution->network_bytes = facts->message_bytes * (plan->protocol == FAB_PROTOCOL_LL ? EAGER : 1);
    if (plan->protocol == FAB_PROTOCOL_LL128) {
        double copies = execution->copy_rate / execution->send_rate;
        execution->send_rate = ll128_rate(facts, plan, speed, execution->send_rate);
        execution->copy_rate = copies * execution->send_rate;
    }
    if (!plan->algorithm->in_switch)
        return;
    execution->fused = true;
    execution->in_switch_weight /= 2; /* reading through the switch and multicasting are two steps here, one in NVLS */
    execution->in_switch_ps /= 2;
    execution->local_ps = execution->in_switch_ps / MAX(facts->local, 1);
}
