/*
 * What NCCL's kernels cost on each GPU generation, every figure with its meaning, unit, range and source: the values
 * in constants.c, what they mean in constant-table.c. Link rates are not here: they belong to the fabric
 * (topology/medium.h).
 */
#ifndef FAB_COLLECTIVE_CONSTANTS_H
#define FAB_COLLECTIVE_CONSTANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { FAB_PROTOCOL_LL, FAB_PROTOCOL_LL128, FAB_PROTOCOL_SIMPLE, FAB_PROTOCOL_COUNT } FabProtocol;

/* "ll", "ll128", "simple"; NULL-terminated. */
extern const char *const fab_protocol_names[];

/* Times in microseconds, rates in GB/s of payload for one CTA. Meaning and range of each: fab_kernel_constants. */
typedef struct {
    const char *group;           /* "hopper": its name in overlays */
    const char *generation;      /* "Hopper" */
    uint32_t compute_capability; /* holds from here up to the next row's */
    double launch_us, launch_channels_us, ll128_entry_us, simple_entry_us;
    double thread_kernel_us, thread_channel_us;
    double ll_round_us, ll_fixed_share, ll_latency_us;
    double ll128_rate, ll128_latency_us;
    double simple_step_us, simple_latency_us, simple_crowd_us;
    double stagger_us, rate_spread;
    double send_rate, copy_rate, p2p_rate, p2p_alone_rate, p2p_latency_us;
    double link_share;
    double in_switch_gap_us, in_switch_launch_us, in_switch_copy_rate, in_switch_weight, in_switch_rack_weight;
    const char *source;
} FabKernelCosts;

/* Over PCIe instead of NVLink. */
typedef struct {
    const char *group; /* "pcie-peer", "pcie-staged" */
    double ll_round_us, ll_latency_us, simple_step_us, simple_latency_us, simple_entry_us;
    double p2p_share, link_share;
    const char *source;
} FabPcieCosts;

/* Ranks that share one device: factors on what its machine says (plugin loopback), so 1 changes nothing. */
typedef struct {
    const char *group; /* "loopback" */
    double memory_rate, cache_rate, cache, sm_rate;
    double slice_time, line_time, empty_time, flag_latency, launch;
    const char *source;
} FabSharedFactors;

enum { FAB_GENERATIONS = 8 };

/* The whole set; plain data, copied by assignment. */
typedef struct {
    FabKernelCosts kernel[FAB_GENERATIONS]; /* oldest first */
    FabPcieCosts peer, staged;
    FabSharedFactors shared;
    double network_speed; /* of what messages between nodes cost, against predict/network-cost.c: 1 but for explain */
} FabConstants;

/* The set that ships with the program. */
const FabConstants *fab_constants_shipped(void);

/* The row of a GPU; never NULL (older GPUs get the oldest row). */
const FabKernelCosts *fab_kernel_costs(const FabConstants *constants, uint32_t compute_capability);

/* One constant as data: what overlays may set and calibration may fit. */
typedef struct {
    const char *key;     /* "ll_round_us" */
    const char *unit;    /* "us", "GB/s", "1" */
    const char *meaning;
    double low, high;    /* physically plausible; 0 is allowed where a GPU lacks the feature */
    size_t offset;       /* of the double in its struct */
} FabConstant;

extern const FabConstant fab_kernel_constants[], fab_pcie_constants[], fab_shared_constants[]; /* ends with key NULL */

/* The groups in order ("pascal", ..., "pcie-staged", "loopback"), NULL-terminated. */
extern const char *const fab_constant_groups[];

/* The table of a group; NULL when there is no such group. */
const FabConstant *fab_constant_table(const char *group);

/* Where a constant is kept in `constants`; NULL when there is no such group or key. */
double *fab_constants_find(FabConstants *constants, const char *group, const char *key);

/* A value of a constant as overlays write it: "0.52 us". Owned by the caller. */
char *fab_constant_format(const FabConstant *constant, double value);

#endif
