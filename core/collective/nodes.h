/* What several nodes of a cluster change in NCCL's choice: its search across NICs, and its cost table. */
#ifndef FAB_COLLECTIVE_NODES_H
#define FAB_COLLECTIVE_NODES_H

#include "collective/choice.h"

/*
 * The facts of ranks on several nodes, from those of one node's GPUs. Nodes must have equally many ranks, one node
 * after the other.
 */
bool fab_nodes_facts(FabRouter *router, const FabTopology *topology, const uint32_t *gpus, uint32_t count,
                     uint32_t nccl, FabMachineFacts *facts, GError **error);

/* fab_nccl_estimate_us() for several nodes. */
double fab_nodes_estimate_us(const FabMachineFacts *facts, FabCollective collective, const char *algorithm,
                             FabProtocol protocol, uint64_t size);

/* What NCCL counts on for LL128 of one CTA, GB/s: half of a graph channel's, which are two CTAs. */
double fab_nodes_ll128_most(const FabMachineFacts *facts);

/* facts.c, for nodes.c. */
bool fab_facts_is_amd(const FabTopology *topology);
uint32_t fab_facts_most_channels(const FabMachineFacts *facts);
void fab_facts_duplicate(FabMachineFacts *facts);

#endif
