#include "study/network-cost.h"

#include "base/units.h"

/*
 * What a message pays between nodes beside PCIe, NICs and cables: the kernel's flag is seen by a proxy thread on the
 * CPU, which posts the message; the receiver's proxy sees its completion and raises the flag there.
 */
static const double message_us[] = { 0, 1.5, 15.0 }; /* LL, LL128, Simple */

/* The same for Simple under NVLSTree: 2 MiB take 114 us on two B200 boxes, 1 MiB 138 on two p5. */
#define NVLS_TREE_US 34.0

/* A proxy thread's work for each message, one after the other (NCCL's tuner: src/graph/tuning.cc, netOverhead). */
#define POST_US 1.0
#define POST_AMD_US 2.0

/* Bytes of a line for each byte of payload: the NIC sends lines as the kernel wrote them. */
static const double wire[] = { 2, 16.0 / 15, 1 };

void
fab_network_cost(const FabMachineFacts *facts, const FabPlan *plan, FabExecution *execution)
{
    double message = plan->algorithm->in_switch ? NVLS_TREE_US : message_us[plan->protocol];

    execution->network_ps = fab_ps_from_seconds((message + facts->message_us) * 1e-6);
    execution->post_ps = fab_ps_from_seconds((facts->amd ? POST_AMD_US : POST_US) * 1e-6);
    execution->network_wire = wire[plan->protocol];
    if (!plan->algorithm->in_switch)
        return;
    execution->fused = true;
    execution->in_switch_weight /= 2; /* reading through the switch and multicasting are two steps here, one in NVLS */
    execution->in_switch_ps /= 2;
    execution->local_ps = execution->in_switch_ps / MAX(facts->local, 1);
}
