/*
 * What NCCL's cost tables for one node (tuner.c) and for several (tuner-nodes.c) have in common: latencies in us and
 * caps in GB/s by protocol (LL, LL128, Simple), from src/graph/tuning.cc of NCCL 2.30.
 */
#ifndef FAB_COLLECTIVE_TUNER_PRIVATE_H
#define FAB_COLLECTIVE_TUNER_PRIVATE_H

#include "collective/nodes.h"

typedef enum { FAB_TUNER_VOLTA, FAB_TUNER_AMPERE, FAB_TUNER_HOPPER, FAB_TUNER_BLACKWELL } FabTunerGeneration;

typedef struct {
    double latency_us, bandwidth; /* GB/s of algorithm bandwidth; 0: not offered */
} FabTunerCell;

extern const double fab_tuner_ring_base[3], fab_tuner_tree_base[3];
extern const double fab_tuner_ring_hop[2][3], fab_tuner_tree_hop[2][3]; /* over NVLink, over PCIe */
extern const double fab_tuner_ring_ll128_most[4];                       /* of each channel, by generation */

/* Tree bandwidth by log2(bytes / 64), in hundredths (treeCorrectionFactor). */
extern const uint8_t fab_tuner_tree_correction[3][23];

/* Blackwell has figures of its own since 2.25. */
FabTunerGeneration fab_tuner_generation(const FabMachineFacts *facts);

/* LL128 needs NVLink inside a node, and a chip for which it was released: one after the other up to 2.26. */
bool fab_tuner_allows(const FabMachineFacts *facts, FabProtocol protocol);

/* Sequential steps of a ring, and what turns bus bandwidth into algorithm bandwidth. */
double fab_tuner_ring_steps(const FabMachineFacts *facts, FabCollective collective);

#endif
