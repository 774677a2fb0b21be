#include "collective/constants.h"

const char *const fab_protocol_names[] = { "ll", "ll128", "simple", NULL };

/*
 * Ampere, Hopper and Blackwell are the fits of the ring study (section 3.5) to the public NCCL sweeps of A100, H100
 * and GB200/B300; copy rates are those of its tail law (NVLS/PCIe study, section 2: 24, 41, 42 GB/s); send/recv rates
 * its r1 (section 3.1: 10 to 14, 18, 22; half of the sending rate where none was measured; PRO 6000: section 9). The
 * NVLS row is section 1.1 of the same study; its weight is the ring's port rate over the NVLS port limit V (378/299,
 * 714/566; in a rack of many trays 714/480, measured on 64 GPUs, section 1.2, not explained). Volta is the ring
 * study's fit to a DGX-1. The latencies of the studies include the wire; here they are what is left beside it (0.4 us
 * through NVSwitch, 0.2 us over a direct link; LL over PCIe has its wire and its round only). Rows without a sweep
 * of their own say what they are taken from.
 *
 * Launching threads: floors of sweeps in which one thread drives all GPUs, over the GPUs (ring study 5): P100 5.9 and
 * V100 6.1 us a GPU on Xeons of their time; A100 4.2, 4.3, 5.2, 5.2 on four hosts, with 0.18, 0.3 and 0.045 us a
 * channel; H100, H200 and B300 3.2 to 3.7, RTX 5090 3.2 on hosts of 2023 and later.
 */
static const FabConstants shipped = { .kernel = {
    { .group = "pascal", .generation = "Pascal", .compute_capability = 60,
      .launch_us = 17, .launch_channels_us = 3.1, .thread_kernel_us = 5.9, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 5.4,
      .ll_round_us = 0.85, .ll_fixed_share = 0.34, .ll_latency_us = 0.32, .ll128_rate = 6.3, .ll128_latency_us = 0.8,
      .simple_step_us = 4.0, .simple_latency_us = 0.6, .simple_crowd_us = 1.0,
      .stagger_us = 0.1, .rate_spread = 0.15, .send_rate = 20, .copy_rate = 48,
      .p2p_rate = 7, .p2p_alone_rate = 12, .p2p_latency_us = 1.9, .link_share = 0.95,
      .source = "taken from Volta; launch from Ampere" },
    { .group = "volta", .generation = "Volta", .compute_capability = 70,
      .launch_us = 7.6, .launch_channels_us = 3.1, .thread_kernel_us = 6.0, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 3.6,
      .ll_round_us = 0.9, .ll_fixed_share = 0.34, .ll_latency_us = 0.4, .ll128_rate = 10, .ll128_latency_us = 0.8,
      .simple_step_us = 2.9, .simple_latency_us = 2.3, .simple_crowd_us = 2.4,
      .stagger_us = 0.1, .rate_spread = 0.07, .send_rate = 21, .copy_rate = 50,
      .p2p_rate = 7, .p2p_alone_rate = 14, .p2p_latency_us = 1.9, .link_share = 0.94,
      .source = "ring study 3.5, DGX-1 forced Simple; LL, LL128 and launch from Ampere" },
    { .group = "turing", .generation = "Turing", .compute_capability = 75,
      .launch_us = 5.5, .launch_channels_us = 1.0, .thread_kernel_us = 5.0, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 4.2,
      .ll_round_us = 1.2, .ll_fixed_share = 0.34, .ll_latency_us = 0.4, .ll128_rate = 10, .ll128_latency_us = 0.8,
      .simple_step_us = 2.7, .simple_latency_us = 2.0, .simple_crowd_us = 0,
      .stagger_us = 0.1, .rate_spread = 0, .send_rate = 14, .copy_rate = 11.5,
      .p2p_rate = 7, .p2p_alone_rate = 12, .p2p_latency_us = 1.9, .link_share = 0.85,
      .source = "bridged pair of 2080 Ti, staged pair for the launch; the rest from Volta" },
    { .group = "ampere", .generation = "Ampere", .compute_capability = 80,
      .launch_us = 8.1, .launch_channels_us = 3.3, .thread_kernel_us = 4.5, .thread_channel_us = 0.2,
      .ll128_entry_us = 10.2, .simple_entry_us = 3.1,
      .ll_round_us = 0.75, .ll_fixed_share = 0.45, .ll_latency_us = 0.14, .ll128_rate = 5.6,
      .ll128_latency_us = 0.57, .simple_step_us = 4.1, .simple_latency_us = 3.3, .simple_crowd_us = 3.0,
      .stagger_us = 0.1, .rate_spread = 0.15, .send_rate = 16, .copy_rate = 22,
      .p2p_rate = 10.6, .p2p_alone_rate = 16, .p2p_latency_us = 1.8, .link_share = 0.985,
      .source = "ring study 3.5, A100 sweeps; copy rate: NVLS/PCIe study 2" },
    { .group = "ampere-ga10x", .generation = "Ampere GA10x", .compute_capability = 86,
      .launch_us = 5.0, .launch_channels_us = 0.5, .thread_kernel_us = 4.5, .thread_channel_us = 0.2,
      .ll128_entry_us = 11.8, .simple_entry_us = 4.2,
      .ll_round_us = 0.78, .ll_fixed_share = 0.34, .ll_latency_us = 0.09, .ll128_rate = 6.3,
      .ll128_latency_us = 0.6, .simple_step_us = 1.0, .simple_latency_us = 1.8, .simple_crowd_us = 0,
      .stagger_us = 0.1, .rate_spread = 0, .send_rate = 25, .copy_rate = 24,
      .p2p_rate = 12, .p2p_alone_rate = 22, .p2p_latency_us = 1.9, .link_share = 1,
      .source = "rates from A100; launch between Hopper and RTX Blackwell; step and latency: NVLS/PCIe study 5.2" },
    { .group = "hopper", .generation = "Hopper", .compute_capability = 90,
      .launch_us = 4.4, .launch_channels_us = 0.85, .thread_kernel_us = 3.4, .thread_channel_us = 0.05,
      .ll128_entry_us = 14.4, .simple_entry_us = 4.4,
      .ll_round_us = 0.574, .ll_fixed_share = 0.577, .ll_latency_us = 0.046, .ll128_rate = 13.6,
      .ll128_latency_us = 0.15, .simple_step_us = 2.5, .simple_latency_us = 3.0, .simple_crowd_us = 2.8,
      .stagger_us = 0.1, .rate_spread = 0.1, .send_rate = 40, .copy_rate = 29,
      .p2p_rate = 18.1, .p2p_alone_rate = 29, .p2p_latency_us = 2.3, .link_share = 0.975,
      .in_switch_gap_us = 4.75, .in_switch_launch_us = 6, .in_switch_copy_rate = 60, .in_switch_weight = 1.264,
      .in_switch_rack_weight = 1.264,
      .source = "ring study 3.5, H100 sweeps; NVLS/PCIe study 1.1 and 2" },
    { .group = "blackwell", .generation = "Blackwell", .compute_capability = 100,
      .launch_us = 7.4, .launch_channels_us = 0.8, .thread_kernel_us = 3.5, .thread_channel_us = 0.05,
      .ll128_entry_us = 26, .simple_entry_us = 2,
      .ll_round_us = 0.62, .ll_fixed_share = 0.587, .ll_latency_us = 0.55, .ll128_rate = 20.4,
      .ll128_latency_us = 0.24, .simple_step_us = 1.3, .simple_latency_us = 6.3, .simple_crowd_us = 0.8,
      .stagger_us = 0.1, .rate_spread = 0.04, .send_rate = 32.8, .copy_rate = 39,
      .p2p_rate = 23.3, .p2p_alone_rate = 45, .p2p_latency_us = 3.6, .link_share = 0.96,
      .in_switch_gap_us = 8, .in_switch_launch_us = 12, .in_switch_copy_rate = 80, .in_switch_weight = 1.2615,
      .in_switch_rack_weight = 1.4875,
      .source = "ring study 3.5, GB200 and B300 sweeps; NVLS/PCIe study 1.1 and 2" },
    { .group = "blackwell-workstation", .generation = "Blackwell workstation", .compute_capability = 120,
      .launch_us = 4.2, .launch_channels_us = 0.5, .thread_kernel_us = 3.1, .thread_channel_us = 0.05,
      .ll128_entry_us = 14.0, .simple_entry_us = 5.0,
      .ll_round_us = 0.57, .ll_fixed_share = 0.54, .ll_latency_us = 0.54, .ll128_rate = 20.5,
      .ll128_latency_us = 0.3, .simple_step_us = 0.5, .simple_latency_us = 1.6, .simple_crowd_us = 0,
      .stagger_us = 0.1, .rate_spread = 0, .send_rate = 31.4, .copy_rate = 20,
      .p2p_rate = 14, .p2p_alone_rate = 14, .p2p_latency_us = 1.9, .link_share = 1,
      .source = "launch, copy and send/recv rate: sweeps of 2, 4 and 8 RTX PRO 6000; the rest from B200" },
}, .peer = {
    .group = "pcie-peer", .ll_round_us = 0, .ll_latency_us = 0, .simple_step_us = 0.55, .simple_latency_us = 0.75,
    .simple_entry_us = 5.0, .p2p_share = 1, .link_share = 1,
    .source = "sweeps of RTX 4090, 5090 and PRO 6000 with peer access",
}, .staged = {
    .group = "pcie-staged", .ll_round_us = 1.1, .ll_latency_us = 0, .simple_step_us = 1.1, .simple_latency_us = 1.1,
    .simple_entry_us = 5.0, .p2p_share = 0.58, .link_share = 0.97,
    .source = "sweeps of 2080 Ti, A100, 4090, 5090, PRO 6000, staged",
} };

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
