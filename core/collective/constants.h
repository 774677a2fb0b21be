/*
 * What NCCL's kernels cost on each GPU generation: one table, every figure with its meaning, unit, range and source.
 * Link rates are not here: they belong to the fabric (topology/medium.h).
 */
#ifndef FAB_COLLECTIVE_CONSTANTS_H
#define FAB_COLLECTIVE_CONSTANTS_H

#include <stdint.h>

typedef enum { FAB_PROTOCOL_LL, FAB_PROTOCOL_LL128, FAB_PROTOCOL_SIMPLE, FAB_PROTOCOL_COUNT } FabProtocol;

/* "ll", "ll128", "simple"; NULL-terminated. */
extern const char *const fab_protocol_names[];

/* Times in microseconds, rates in GB/s of payload for one CTA. */
typedef struct {
    const char *generation;      /* "Hopper" */
    uint32_t compute_capability; /* holds from here up to the next row's */
    double launch_us;         /* F: launch to launch of a one-channel kernel, one thread for each GPU; 4..12 */
    double launch_channels_us; /* Fch: extra when all channels run; 0.5..4 */
    double entry_us[FAB_PROTOCOL_COUNT]; /* entry cost of a protocol over LL; LL128 7..15, Simple 2..6 */
    double ll_round_us;       /* one LL round (8 B for each of 512 threads); 0.4..1.1 */
    double ll_fixed_share;    /* part of it that does not grow with the threads; 0.2..0.6 */
    double ll_latency_us;     /* beside the wire, until an LL line is seen; 0..0.6 */
    double ll128_rate;        /* 10..22 (Ampere 6.3 is low and unexplained) */
    double ll128_latency_us;  /* beside the wire; 0..0.8 */
    double simple_step_us;    /* CTA busy for each slice it sends: fence and flag; 0.5..3.5 */
    double simple_latency_us; /* beside the wire, until the flag is seen; 0.5..7.5 */
    double send_rate;         /* stores to another GPU, one CTA alone; 12..45 */
    double copy_rate;         /* copies inside the GPU; 11..45 */
    double p2p_rate;          /* send/recv: one CTA in each direction while both run; 7..22 */
    double in_switch_gap_us;  /* NVLS: exposed flags and switch round trips of a loop; 3..10; 0: has no NVLS */
    double in_switch_launch_us; /* NVLS: device part of a launch; 3..15 */
    double in_switch_copy_rate; /* NVLS: staging copies of one CTA with all its threads; 50..100 */
    double in_switch_weight;  /* NVLS: link bytes for each byte of payload, in units of a ring's stores; 1.1..1.4 */
    double in_switch_rack_weight; /* the same where the ranks span several boxes (trays); 1.1..1.6 */
    const char *source;
} FabKernelCosts;

/* The row of a GPU; never NULL (older GPUs get the oldest row). */
const FabKernelCosts *fab_kernel_costs(uint32_t compute_capability);

/*
 * The host launches for one GPU after the other: microseconds for each kernel, and for each channel of it (ring study
 * 5; NCCL 2.22 and later 3.0 and 0.05, before up to 5.2 and 0.3).
 */
typedef struct {
    double kernel_us;  /* 3..6 */
    double channel_us; /* 0.04..0.3 */
} FabLaunchCosts;

const FabLaunchCosts *fab_launch_costs(void);

/* Over PCIe instead of NVLink (NVLS/PCIe study 5.2, docs/model.md), for peer-to-peer and host-staged ways. */
typedef struct {
    double ll_latency_us;     /* beside the wire; 0..1.6 */
    double simple_step_us;    /* 0.5..4 */
    double simple_latency_us; /* beside the wire; 0.5..7 */
    double simple_entry_us;   /* 0..10 */
    const char *source;
} FabPcieCosts;

const FabPcieCosts *fab_pcie_costs(int staged);

#endif
