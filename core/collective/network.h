/* What collnet-direct.c and collnet-chain.c share: a network that reduces over nodes. */
#ifndef FAB_COLLECTIVE_NETWORK_H
#define FAB_COLLECTIVE_NETWORK_H

#include <string.h>

#include "collective/emit.h"

/*
 * Heads are the ranks that talk to the network; each head has one of every node for its part of the data. Each gives
 * its node's sum, and gets the sum of all nodes. In the program one of them, the owner, performs the exchange as a
 * step of its own (FAB_STEP_IN_NETWORK); owners change with channel and head.
 */
typedef struct {
    uint32_t ranks, local, nodes; /* ranks of each node */
    uint32_t channels, heads;
    uint32_t connections;         /* numbers used here; the caller's begin after them */
    uint32_t *rank;               /* of the head: [(channel * heads + head) * nodes + node] */
    FabEnd *ups, *downs;          /* ends of the exchange, in the same order */
} FabNetwork;

/* Ranks of a node: all when the spec groups none. */
uint32_t fab_network_local(const FabCollectiveSpec *spec);

/* Connections of `heads` heads in each node. */
double fab_network_count(const FabCollectiveSpec *spec, uint32_t heads);

/* Head h of a channel in a node is the rank at order[channel * ranks + node * local + h]. */
void fab_network_init(FabNetwork *network, const FabCollectiveSpec *spec, uint32_t heads, const uint32_t *order);
void fab_network_clear(FabNetwork *network);

/* The node whose head performs the exchange. */
uint32_t fab_network_owner(const FabNetwork *network, uint32_t channel, uint32_t head);

/* Adds the ends of a head in `node` that gives its sum, that takes the result, and of the owner's exchange. */
void fab_network_give(const FabNetwork *network, uint32_t channel, uint32_t head, uint32_t node, FabStep *step);
void fab_network_take(const FabNetwork *network, uint32_t channel, uint32_t head, uint32_t node, FabStep *step);
void fab_network_exchange(const FabNetwork *network, uint32_t channel, uint32_t head, FabStep *step);

#endif
