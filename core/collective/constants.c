#include "collective/constants.h"

const char *const fab_protocol_names[] = { "ll", "ll128", "simple", NULL };

/*
 * Fits to the open set of measurements, one generation at a time (docs/calibration.md), begun at the constants of the
 * two model studies: for rings 3.1 to 3.5 of the ring study, for NVLS 1.1 and for send/recv 3.1 of the other. In a
 * rack of many trays NVLS is slower (714/480, measured on 64 GPUs); why is not known. The latencies of the studies
 * include the wire; here they are what is left beside it (0.4 us through NVSwitch, 0.2 us over a direct link; LL over
 * PCIe has its wire and its round only). `source` names the tables behind each row and the releases of NCCL that they
 * were taken with; what no table of a row identifies is its neighbour's, as it says.
 *
 * Launching threads: floors of sweeps in which one thread drives all GPUs, over the GPUs (ring study 5): P100 5.9 us a
 * GPU on the Xeons of a DGX-1; V100 6.0 there, at most 5.0 on another host; A100 3.6, 4.0, 4.2, 4.3, 4.4, 5.3, 5.4 and
 * 5.7 on eight hosts, median 4.3, with 0.05, 0.17, 0.2, 0.24, 0.3, 0.3 and 0.3 us a channel; H100, H200 and B300 3.2
 * to 3.7, RTX 5090 3.2 on hosts of 2023 and later.
 */
static const FabConstants shipped = { .kernel = {
    { .group = "pascal", .generation = "Pascal", .compute_capability = 60,
      .launch_us = 17, .launch_channels_us = 3.1, .thread_kernel_us = 5.9, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 5.4,
      .ll_round_us = 0.85, .ll_fixed_share = 0.34, .ll_latency_us = 0.32, .ll128_rate = 6.3, .ll128_latency_us = 0.8,
      .simple_step_us = 4.0, .simple_latency_us = 0.6, .simple_crowd_us = 1.0,
      .stagger_us = 0.1, .rate_spread = 0.15, .send_rate = 20, .copy_rate = 48,
      .p2p_rate = 7, .p2p_alone_rate = 12, .p2p_latency_us = 1.9, .link_share = 0.95,
      .source = "8 P100 of a DGX-1 (tartan), NCCL of 2018; LL share, LL128 and send/recv from Volta" },
    { .group = "volta", .generation = "Volta", .compute_capability = 70,
      .launch_us = 7.6, .launch_channels_us = 3.1, .thread_kernel_us = 4.9, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 3.6,
      .ll_round_us = 0.9, .ll_fixed_share = 0.34, .ll_latency_us = 0.4, .ll128_rate = 10, .ll128_latency_us = 0.8,
      .simple_step_us = 2.9, .simple_latency_us = 2.3, .simple_crowd_us = 2.4,
      .stagger_us = 0.1, .rate_spread = 0.07, .send_rate = 21, .copy_rate = 50,
      .p2p_rate = 7, .p2p_alone_rate = 14, .p2p_latency_us = 1.9, .link_share = 0.94,
      .source = "8 V100 of a DGX-1 (ofccl, Simple forced; a blog's LL), NCCL 2.14 to 2.18; LL128 from Ampere's" },
    { .group = "turing", .generation = "Turing", .compute_capability = 75,
      .launch_us = 5.5, .launch_channels_us = 1.0, .thread_kernel_us = 5.0, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 4.2,
      .ll_round_us = 1.2, .ll_fixed_share = 0.34, .ll_latency_us = 0.4, .ll128_rate = 10, .ll128_latency_us = 0.8,
      .simple_step_us = 2.7, .simple_latency_us = 2.0, .simple_crowd_us = 0,
      .stagger_us = 0.1, .rate_spread = 0, .send_rate = 14, .copy_rate = 11.5,
      .p2p_rate = 7, .p2p_alone_rate = 12, .p2p_latency_us = 1.9, .link_share = 0.85,
      .source = "bridged and staged pairs of 2080 Ti, NCCL 2.6 and later; the rest from Volta" },
    { .group = "ampere", .generation = "Ampere", .compute_capability = 80,
      .launch_us = 8.1, .launch_channels_us = 3.3, .thread_kernel_us = 4.1, .thread_channel_us = 0.23,
      .ll128_entry_us = 10.2, .simple_entry_us = 3.1,
      .ll_round_us = 0.75, .ll_fixed_share = 0.45, .ll_latency_us = 0.14, .ll128_rate = 5.6,
      .ll128_latency_us = 0.57, .simple_step_us = 4.1, .simple_latency_us = 3.3, .simple_crowd_us = 3.0,
      .stagger_us = 0.1, .rate_spread = 0.15, .send_rate = 16, .copy_rate = 22,
      .p2p_rate = 10.6, .p2p_alone_rate = 16, .p2p_latency_us = 1.8, .link_share = 0.985,
      .source = "A100 sweeps of aic, superbench, vtrain and others, NCCL 2.10 to 2.27; launches of 8 hosts" },
    { .group = "ampere-ga10x", .generation = "Ampere GA10x", .compute_capability = 86,
      .launch_us = 5.0, .launch_channels_us = 0.5, .thread_kernel_us = 4.5, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 4.2,
      .ll_round_us = 0.78, .ll_fixed_share = 0.34, .ll_latency_us = 0.09, .ll128_rate = 6.3,
      .ll128_latency_us = 0.6, .simple_step_us = 1.0, .simple_latency_us = 1.8, .simple_crowd_us = 0,
      .stagger_us = 0.1, .rate_spread = 0, .send_rate = 25, .copy_rate = 24,
      .p2p_rate = 12, .p2p_alone_rate = 22, .p2p_latency_us = 1.9, .link_share = 1,
      .source = "rates from A100; launch between Hopper and RTX Blackwell; no sweep of a bridged pair is public" },
    { .group = "hopper", .generation = "Hopper", .compute_capability = 90,
      .launch_us = 4.4, .launch_channels_us = 0.85, .thread_kernel_us = 3.4, .thread_channel_us = 0.05,
      .ll128_entry_us = 14.4, .simple_entry_us = 4.4,
      .ll_round_us = 0.574, .ll_fixed_share = 0.577, .ll_latency_us = 0.046, .ll128_rate = 13.6,
      .ll128_latency_us = 0.15, .simple_step_us = 2.5, .simple_latency_us = 3.0, .simple_crowd_us = 2.8,
      .stagger_us = 0.1, .rate_spread = 0.1, .send_rate = 40, .copy_rate = 29,
      .p2p_rate = 18.1, .p2p_alone_rate = 29, .p2p_latency_us = 2.3, .link_share = 0.975,
      .in_switch_gap_us = 4.75, .in_switch_launch_us = 6, .in_switch_copy_rate = 60, .in_switch_weight = 1.264,
      .in_switch_rack_weight = 1.264,
      .source = "H100, H200 and H800 sweeps of aic, stas00, ofccl, Azure and others, NCCL 2.18 to 2.29" },
    { .group = "blackwell", .generation = "Blackwell", .compute_capability = 100,
      .launch_us = 7.4, .launch_channels_us = 0.8, .thread_kernel_us = 3.5, .thread_channel_us = 0.05,
      .ll128_entry_us = 26, .simple_entry_us = 2,
      .ll_round_us = 0.62, .ll_fixed_share = 0.587, .ll_latency_us = 0.55, .ll128_rate = 20.4,
      .ll128_latency_us = 0.24, .simple_step_us = 1.3, .simple_latency_us = 6.3, .simple_crowd_us = 0.8,
      .stagger_us = 0.1, .rate_spread = 0.04, .send_rate = 32.8, .copy_rate = 39,
      .p2p_rate = 23.3, .p2p_alone_rate = 45, .p2p_latency_us = 3.6, .link_share = 0.985,
      .in_switch_gap_us = 8, .in_switch_launch_us = 12, .in_switch_copy_rate = 80, .in_switch_weight = 1.2615,
      .in_switch_rack_weight = 1.4875,
      .source = "GB200 of aic, B300 of ebpf, B200 of stas00, a GB200 rack of OCI, NCCL 2.27 to 2.29" },
    { .group = "blackwell-workstation", .generation = "Blackwell workstation", .compute_capability = 120,
      .launch_us = 4.2, .launch_channels_us = 0.5, .thread_kernel_us = 3.1, .thread_channel_us = 0.05,
      .ll128_entry_us = 14.0, .simple_entry_us = 5.0,
      .ll_round_us = 0.57, .ll_fixed_share = 0.54, .ll_latency_us = 0.54, .ll128_rate = 20.5,
      .ll128_latency_us = 0.3, .simple_step_us = 0.5, .simple_latency_us = 1.6, .simple_crowd_us = 0,
      .stagger_us = 0.1, .rate_spread = 0, .send_rate = 31.4, .copy_rate = 20,
      .p2p_rate = 14, .p2p_alone_rate = 14, .p2p_latency_us = 1.9, .link_share = 1,
      .source = "RTX PRO 6000 sweeps of aic with 2, 4 and 8 cards, NCCL 2.29; the rest from B200" },
}, .peer = {
    .group = "pcie-peer", .ll_round_us = 0, .ll_latency_us = 0, .simple_step_us = 0.55, .simple_latency_us = 0.75,
    .simple_entry_us = 5.0, .p2p_share = 1, .link_share = 1,
    .source = "sweeps of RTX 4090, 5090 and PRO 6000 with peer access, NCCL 2.18 to 2.29",
}, .staged = {
    .group = "pcie-staged", .ll_round_us = 1.1, .ll_latency_us = 0, .simple_step_us = 1.1, .simple_latency_us = 1.1,
    .simple_entry_us = 5.0, .p2p_share = 0.58, .link_share = 0.97,
    .source = "sweeps of 2080 Ti, A100, 4090, 5090 and PRO 6000, staged, NCCL 2.6 to 2.29",
}, .shared = {
    .group = "loopback", .memory_rate = 1, .cache_rate = 1, .cache = 1, .sm_rate = 1, .slice_time = 1, .line_time = 1,
    .empty_time = 1, .flag_latency = 1, .launch = 1,
    .source = "no virtual rank was measured yet",
}, .network_speed = 1 };

const FabConstants *
fab_constants_shipped(void)
{
    return &shipped;
}

const FabKernelCosts *
fab_kernel_costs(const FabConstants *constants, uint32_t compute_capability)
{
    size_t row = 0;

    for (size_t i = 1; i < FAB_GENERATIONS; i++) {
        if (compute_capability >= constants->kernel[i].compute_capability)
            row = i;
    }
    return &constants->kernel[row];
}
