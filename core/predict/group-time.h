/*
 * How long the collectives of a training step take among groups of its ranks: inside a machine as the engine runs them,
 * between machines from the rate of the network adapters that a group really gets. Results are kept, so that a size is
 * run once.
 */
#ifndef FAB_PREDICT_GROUP_TIME_H
#define FAB_PREDICT_GROUP_TIME_H

#include <stdbool.h>

#include "collective/collective.h"
#include "topology/topology.h"

/* Ranks first, first + stride, first + 2 stride, ...: numbers of GPUs, node after node. */
typedef struct {
    uint32_t size, stride;
} FabGroup;

typedef struct FabGroupTimes FabGroupTimes;

/* `nic_rate`: B/s of one adapter, 0: the machine's. The topology must outlive it. */
FabGroupTimes *fab_group_times_new(const FabTopology *topology, double nic_rate);
void fab_group_times_free(FabGroupTimes *times);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabGroupTimes, fab_group_times_free)

/*
 * Seconds of all_reduce, all_gather, reduce_scatter or alltoall of `bytes` (as nccl-tests counts them), or from one
 * rank to its neighbour (sendrecv). 0 for a group of one. Negative with an error where machines have no adapters.
 */
double fab_group_seconds(FabGroupTimes *times, FabCollective collective, FabGroup group, double bytes, GError **error);

/*
 * So many GPUs of a machine are in use: groups like the one that is asked for, of the others of them, do the same at
 * the same time, and those that want the same links slow each other down (concurrent.h). 0, as at first: one group.
 */
void fab_group_times_use(FabGroupTimes *times, uint32_t gpus);

/*
 * Whether some of a group's ranks on one machine exchange data through host memory, as far as an all-reduce has been
 * priced: such copies take the host's memory and both GPUs' ports, and backward passes did not hide them.
 */
bool fab_group_is_staged(const FabGroupTimes *times, FabGroup group);

/*
 * From now on a time is the longest among the group that GPU 0 is in and those that these GPUs (indices) are in, and
 * one machine has only the share `network` of its adapters: parts of the machine are slower than others.
 */
void fab_group_times_look_at(FabGroupTimes *times, const uint32_t *gpus, uint32_t count, double network);

/*
 * From now on collectives on a machine have these faults (FabFault, borrowed) from their first instant, which NCCL did
 * not know of when it started. One that still holds a collective up after FAB_STALLED_S is never over: 1e9 seconds.
 */
#define FAB_STALLED_S 1000.0
#define FAB_NEVER_S 1e9
void fab_group_times_meet(FabGroupTimes *times, GPtrArray *faults);

/* Every time that is asked for from now on is multiplied by `factor`: 1 unless this says otherwise. */
void fab_group_times_scale(FabGroupTimes *times, double factor);

/* What binds the longest collective of such a group that was asked for, as in FabResultRow; NULL: none was. */
const char *fab_group_binding(const FabGroupTimes *times, FabGroup group);
#define FAB_BOUND_BY_ADAPTERS "network adapters"

/* B/s of one adapter; 0: none is known. */
double fab_group_times_nic_rate(const FabGroupTimes *times);

/* The widest interval of the collectives run so far, as shares of their times: 1 and 1 where none was. */
typedef struct {
    double low, high;
    bool guessed; /* one is a guess */
} FabSpread;

FabSpread fab_group_times_spread(const FabGroupTimes *times);

/* Ranks of the group that the engine runs: on the first machine, or on all of a cluster for groups of up to 64. */
uint32_t fab_group_members_inside(const FabGroupTimes *times, FabGroup group);

/* B/s that one group gets to other machines: the adapters of its own ranks, the others serve other groups. */
double fab_group_network_rate(const FabGroupTimes *times, FabGroup group);

#endif
