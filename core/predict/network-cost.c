#include "predict/network-cost.h"

#include <string.h>

#include "base/units.h"
#include "collective/nodes.h"

/*
 * What a message pays between nodes beside PCIe, NICs and cables: the kernel's flag is seen by a proxy thread on the
 * CPU, which posts the message; the receiver's proxy sees its completion and raises the flag there.
 */
static const double message_us[] = { 0, 9.0, 15.0 }; /* LL, LL128, Simple */

/* The same for Simple under NVLSTree, 20 to 28: 1 to 4 MiB on two p5, 2 to 8 MiB on two B200 boxes. */
#define NVLS_TREE_US 24.0

/*
 * A CTA of NVLSTree copies this much at least, GB/s, 66 to 80: 5 of 20 warps that gather in each of 16 channels pass
 * 264 GB/s on two p5 (8 and 16 GiB), more than Hopper's constant, which NVLS inside a node does not bind.
 */
#define NVLS_TREE_COPY 67.5

/*
 * Bytes on NVLink take so many times as long when nodes read through their switch and multicast apart, 1.05 to 1.18:
 * 264 GB/s of 277 on two p5, 430 and 402 of 474 on two and three racks of 64 GB200.
 */
#define APART 1.08

/*
 * What a CTA reaches of its Simple rates in rings over nodes, 0.88 to 0.96: all-gather on two A3 Ultra, which neither
 * NICs nor NVLink bind (336 of 400 GB/s), and rings of 128 to 512 MiB on two and four DGX A100. Trees reach all.
 */
#define SIMPLE_RING_SHARE 0.93

/*
 * A proxy thread's work for each message, one after the other. NCCL counts on 1 us, and on 2 with AMD's CPUs
 * (src/graph/tuning.cc, netOverhead). Measured: trees of one H100 a node with Xeons of 2023 send 232 messages of LL128
 * each way for 4 MiB, which takes 154 us in all (0.3 to 0.5); rings of LL128, 256 KiB to 1 MiB, on DGX A100 (0.8 to 2)
 * and on two HGX B200 with AMD's CPUs of later years (0.6 to 1.2).
 */
#define POST_US 0.4
#define POST_AMD_US 0.8
#define POST_AMD_OLD_US 1.6

/*
 * What the thread does besides in all-to-all and send/recv, for each message that it sends and the one that comes
 * meanwhile: its connections are as many as peers, all of which it looks through, and half of what it posts is for
 * buffers of other GPUs (PXN). It makes small calls wait, and large ones where it is slower than the NIC.
 * - Hosts of A100 with AMD's CPUs, 4.2 (3.8 to 4.6): eight messages each way of an all-to-all below 64 KiB on two DGX
 *   A100 (sophia, 59 us), and 128 KiB in 6.2 us from 64 MiB on.
 * - Later ones of AMD, 2.6 (2.3 to 2.9): the same on two HGX B200 (vultr-b200, 37 us; 128 KiB in 3.5 us), 128 KiB in
 *   3.7 us of its send/recv.
 * - Others: as long as a post. Two B300 with Xeons send 128 KiB in 1.36 us, so that it is 0.9 at most.
 */
#define HANDLE_US POST_US
#define HANDLE_AMD_US 2.6
#define HANDLE_AMD_OLD_US 4.2

/*
 * Messages of a collective, and short ones, take so much less of a NIC than the large ones of send/recv do, 0 to 0.3:
 * all-reduce below 1 KiB on 2 and 8 Polaris nodes; rings of 64 and 128 MiB there. Why send/recv costs more is not
 * known.
 */
#define EAGER 0.2
#define LARGE_BYTES (32 * 1024)

/*
 * In rings each message waits for the one before; in trees and all-to-all a proxy's thread finds several at each look,
 * which then take it less each, 0.3 to 0.7: all-to-all below 64 KiB on 8 to 540 Polaris nodes takes 1.9 to 5 us for
 * each message sent or received, trees of 2 MiB on 8 nodes 2.2, where rings take 5 to 7.5.
 */
#define SHARED_LOOK 0.5

/*
 * libfabric sends up to 192 bytes inside the command, for which the CPU first fetches them from the GPU's memory
 * (FI_CXI_DISABLE_NON_INJECT_MSG_IDC of fi_cxi turns that off): 12 to 13 us more a message in all-to-all with less than
 * 256 bytes for each peer, on 2, 8, 256 and 540 Polaris nodes alike.
 */
#define COPY_US 12.5
#define COPY_BYTES 192

/* Bytes of a line for each byte of payload: the NIC sends lines as the kernel wrote them. */
static const double wire[] = { 2, 16.0 / 15, 1 };

/*
 * A CTA's LL128 is faster over several nodes than its constant, which was measured while all channels of one node
 * shared the GPU: 1.1 of what NCCL counts on for a CTA (1.02 to 1.24). 16 channels over two nodes reach 10 to 11.5 GB/s
 * each on A100, where it counts on 10, and 20 on H200 (18.35); B300 with 1 to 8 channels 20.4 (20).
 */
#define LL128_OF_COUNTED 1.1

static bool
large_messages(const FabPlan *plan)
{
    return strcmp(plan->algorithm->name, "pairwise") == 0 &&
           MIN(plan->channel_bytes, plan->chunk_bytes) > LARGE_BYTES;
}

static double
ll128_rate(const FabMachineFacts *facts, double speed, double rate)
{
    return MAX(rate, LL128_OF_COUNTED * fab_nodes_ll128_most(facts) * 1e9 * speed);
}

static double
post_us(const FabMachineFacts *facts)
{
    if (!facts->amd)
        return POST_US;
    return facts->compute_capability < 90 ? POST_AMD_OLD_US : POST_AMD_US;
}

static double
handle_us(const FabMachineFacts *facts)
{
    if (!facts->amd)
        return HANDLE_US;
    return facts->compute_capability < 90 ? HANDLE_AMD_OLD_US : HANDLE_AMD_US;
}

/* What the thread is busy with behind the messages: `speed` is that of the software. */
static void
set_thread(const FabMachineFacts *facts, const FabPlan *plan, double speed, bool ring, FabExecution *execution)
{
    bool handles = strcmp(plan->algorithm->name, "pairwise") == 0 && facts->message_bytes <= 0 &&
                   facts->thread_bytes <= 0;

    execution->post_ps = fab_ps_from_seconds(post_us(facts) / speed * 1e-6);
    execution->after_arrival_ps = fab_ps_from_seconds(facts->thread_us * (ring ? 1 : SHARED_LOOK) * 1e-6);
    execution->after_post_ps = execution->after_arrival_ps;
    if (handles)
        execution->after_post_ps += fab_ps_from_seconds(handle_us(facts) / speed * 1e-6);
    execution->short_copy_ps = fab_ps_from_seconds(COPY_US * 1e-6);
    execution->short_bytes = facts->thread_us > 0 && plan->protocol != FAB_PROTOCOL_LL ? COPY_BYTES : 0;
}

void
fab_network_cost(const FabMachineFacts *facts, const FabPlan *plan, double speed, FabExecution *execution)
{
    double message = plan->algorithm->in_switch ? NVLS_TREE_US : message_us[plan->protocol];
    bool ring = strcmp(plan->algorithm->name, "ring") == 0;

    execution->network_steps = plan->protocol != FAB_PROTOCOL_SIMPLE;
    execution->network_ps = fab_ps_from_seconds((message / speed + facts->message_us) * 1e-6);
    set_thread(facts, plan, speed, ring, execution);
    execution->network_wire = wire[plan->protocol];
    execution->network_bytes = facts->message_bytes * (large_messages(plan) ? 1 : EAGER) + facts->thread_bytes;
    if (plan->protocol == FAB_PROTOCOL_LL128) {
        double copies = execution->copy_rate / execution->send_rate;
        execution->send_rate = ll128_rate(facts, speed, execution->send_rate);
        execution->copy_rate = copies * execution->send_rate;
    }
    if (plan->protocol == FAB_PROTOCOL_SIMPLE && ring) {
        execution->send_rate *= SIMPLE_RING_SHARE;
        execution->copy_rate *= SIMPLE_RING_SHARE;
    }
    if (!plan->algorithm->in_switch)
        return;
    /* Reading through the switch and multicasting are two steps here, one in NVLS: bytes one way and a fence each. */
    execution->fused = true;
    execution->in_switch_weight *= APART / 2;
    execution->copy_rate = MAX(execution->copy_rate, NVLS_TREE_COPY * 1e9 * speed);
    execution->local_ps = execution->in_switch_ps / MAX(facts->local, 1);
}
