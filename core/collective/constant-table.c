/* What each constant means, its unit and its plausible range. Sources of the values: constants.c. */
#include <glib.h>
#include <string.h>

#include "collective/constants.h"

#define KERNEL(field) #field, .offset = offsetof(FabKernelCosts, field)
#define SHARED(field) #field, .offset = offsetof(FabSharedFactors, field), .unit = "1"
#define PCIE(field) #field, .offset = offsetof(FabPcieCosts, field)

const FabConstant fab_kernel_constants[] = {
    { KERNEL(launch_us), .unit = "us", .low = 3, .high = 30,
      .meaning = "launch to launch of a kernel of one channel, one launching thread for each GPU" },
    { KERNEL(launch_channels_us), .unit = "us", .low = 0, .high = 6,
      .meaning = "more of it when all channels run" },
    { KERNEL(ll128_entry_us), .unit = "us", .low = 0, .high = 30, .meaning = "entry of LL128 over LL" },
    { KERNEL(simple_entry_us), .unit = "us", .low = 0, .high = 12, .meaning = "entry of Simple over LL" },
    { KERNEL(thread_kernel_us), .unit = "us", .low = 1.5, .high = 8,
      .meaning = "each kernel that one thread launches, where it launches for several GPUs" },
    { KERNEL(thread_channel_us), .unit = "us", .low = 0.02, .high = 0.4, .meaning = "and for each channel of it" },
    { KERNEL(ll_round_us), .unit = "us", .low = 0.2, .high = 2,
      .meaning = "a round of LL, 8 bytes for each of 512 threads" },
    { KERNEL(ll_fixed_share), .unit = "1", .low = 0.1, .high = 1,
      .meaning = "the part of a round that does not grow with the threads" },
    { KERNEL(ll_latency_us), .unit = "us", .low = 0, .high = 1.5,
      .meaning = "beside the wire, until an LL line is seen" },
    { KERNEL(ll128_rate), .unit = "GB/s", .low = 4, .high = 30, .meaning = "payload of one CTA with LL128" },
    { KERNEL(ll128_latency_us), .unit = "us", .low = 0, .high = 3, .meaning = "beside the wire, until it is seen" },
    { KERNEL(simple_step_us), .unit = "us", .low = 0.2, .high = 6,
      .meaning = "a CTA is busy for it with each slice that it sends with Simple" },
    { KERNEL(simple_latency_us), .unit = "us", .low = 0, .high = 10,
      .meaning = "beside the wire, until the flag of a slice is seen: fence and flag" },
    { KERNEL(simple_crowd_us), .unit = "us", .low = 0, .high = 8,
      .meaning = "how much less of it a single channel takes, whose fence waits for nobody else's stores" },
    { KERNEL(stagger_us), .unit = "us", .low = 0, .high = 0.5,
      .meaning = "between the starts of a kernel's channels, from one to the next" },
    { KERNEL(rate_spread), .unit = "1", .low = 0, .high = 0.5,
      .meaning = "how far the rates of single channels lie from the mean" },
    { KERNEL(send_rate), .unit = "GB/s", .low = 8, .high = 60, .meaning = "stores of one CTA to another GPU" },
    { KERNEL(copy_rate), .unit = "GB/s", .low = 5, .high = 100, .meaning = "copies of one CTA inside its GPU" },
    { KERNEL(p2p_rate), .unit = "GB/s", .low = 3, .high = 40,
      .meaning = "send/recv: one CTA in each direction while both run" },
    { KERNEL(p2p_alone_rate), .unit = "GB/s", .low = 5, .high = 60,
      .meaning = "the same while only one of the two is at work, as in the first chunk" },
    { KERNEL(p2p_latency_us), .unit = "us", .low = 0, .high = 8,
      .meaning = "send/recv over NVLink: what a first chunk costs beside its bytes" },
    { KERNEL(link_share), .unit = "1", .low = 0.5, .high = 1.15,
      .meaning = "what rings reach of the NVLink rate that the machine states for stores" },
    { KERNEL(in_switch_gap_us), .unit = "us", .low = 0, .high = 12,
      .meaning = "NVLS: exposed flags and switch round trips of a loop" },
    { KERNEL(in_switch_launch_us), .unit = "us", .low = 0, .high = 20, .meaning = "NVLS: device part of a launch" },
    { KERNEL(in_switch_copy_rate), .unit = "GB/s", .low = 0, .high = 150,
      .meaning = "NVLS: staging copies of one CTA with all its threads" },
    { KERNEL(in_switch_weight), .unit = "1", .low = 0, .high = 2,
      .meaning = "NVLS: link bytes for each byte of payload, in units of a ring's stores" },
    { KERNEL(in_switch_rack_weight), .unit = "1", .low = 0, .high = 2,
      .meaning = "the same where more than 8 ranks span several trays of a rack" },
    { 0 },
};

const FabConstant fab_pcie_constants[] = {
    { PCIE(ll_round_us), .unit = "us", .low = 0, .high = 5,
      .meaning = "a round of LL, at least: a read of host memory where the receiver polls there; 0: the GPU's own" },
    { PCIE(ll_latency_us), .unit = "us", .low = 0, .high = 3, .meaning = "beside the wire, until an LL line is seen" },
    { PCIE(simple_step_us), .unit = "us", .low = 0.2, .high = 6,
      .meaning = "a CTA is busy for it with each slice that it sends with Simple" },
    { PCIE(simple_latency_us), .unit = "us", .low = 0, .high = 10,
      .meaning = "beside the wire, until the flag of a slice is seen" },
    { PCIE(simple_entry_us), .unit = "us", .low = 0, .high = 15, .meaning = "entry of Simple over LL" },
    { PCIE(p2p_share), .unit = "1", .low = 0.3, .high = 1.2,
      .meaning = "what a CTA of send/recv reaches of the rate of its generation" },
    { PCIE(link_share), .unit = "1", .low = 0.3, .high = 1.3,
      .meaning = "what rings reach of the PCIe rate that the machine states for stores" },
    { 0 },
};

const FabConstant fab_shared_constants[] = {
    { SHARED(memory_rate), .low = 0.3, .high = 1.3, .meaning = "what kernels read and write in memory" },
    { SHARED(cache_rate), .low = 0.2, .high = 4, .meaning = "what they read and write in the cache" },
    { SHARED(cache), .low = 0.1, .high = 3, .meaning = "what the cache keeps" },
    { SHARED(sm_rate), .low = 0.2, .high = 4, .meaning = "what one SM reads and writes" },
    { SHARED(slice_time), .low = 0.1, .high = 10, .meaning = "a CTA is busy for it at every slice" },
    { SHARED(line_time), .low = 0.1, .high = 10, .meaning = "the same with LL and LL128" },
    { SHARED(empty_time), .low = 0.1, .high = 10, .meaning = "the same for a slice without bytes" },
    { SHARED(flag_latency), .low = 0.1, .high = 10, .meaning = "until the other end sees a flag" },
    { SHARED(launch), .low = 0.2, .high = 5, .meaning = "a call beside what its CTAs do" },
    { 0 },
};

const char *const fab_constant_groups[] = {
    "pascal", "volta", "turing", "ampere", "ampere-ga10x", "hopper", "blackwell", "blackwell-workstation",
    "pcie-peer", "pcie-staged", "loopback", NULL,
};

const FabConstant *
fab_constant_table(const char *group)
{
    for (int i = 0; fab_constant_groups[i] != NULL; i++) {
        if (strcmp(fab_constant_groups[i], group) == 0)
            return i < FAB_GENERATIONS ? fab_kernel_constants
                   : strncmp(group, "pcie", 4) == 0 ? fab_pcie_constants
                                                    : fab_shared_constants;
    }
    return NULL;
}

/* The struct that holds a group's values. */
static char *
group_base(FabConstants *constants, const char *group)
{
    for (int i = 0; i < FAB_GENERATIONS; i++) {
        if (strcmp(constants->kernel[i].group, group) == 0)
            return (char *)&constants->kernel[i];
    }
    if (strcmp(constants->shared.group, group) == 0)
        return (char *)&constants->shared;
    return (char *)(strcmp(constants->peer.group, group) == 0 ? &constants->peer : &constants->staged);
}

double *
fab_constants_find(FabConstants *constants, const char *group, const char *key)
{
    const FabConstant *table = fab_constant_table(group);

    for (; table != NULL && table->key != NULL; table++) {
        if (strcmp(table->key, key) == 0)
            return (double *)(void *)(group_base(constants, group) + table->offset);
    }
    return NULL;
}

char *
fab_constant_format(const FabConstant *constant, double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];
    bool pure = strcmp(constant->unit, "1") == 0;

    g_ascii_formatd(digits, sizeof digits, "%.6g", value);
    return g_strconcat(digits, pure ? "" : " ", pure ? "" : constant->unit, NULL);
}
