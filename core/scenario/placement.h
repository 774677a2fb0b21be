/*
 * Which GPU is which rank of a layout: the order of its axes on the machine. Ranks along the first axis are neighbours,
 * those along the last are farthest apart.
 */
#ifndef FAB_SCENARIO_PLACEMENT_H
#define FAB_SCENARIO_PLACEMENT_H

#include "scenario/training.h"

/*
 * Reads [parallel] order, "tp,cp,dp,pp" unless given: each axis once. Replicas and context parallel ranks exchange
 * gradients as one group, so their axes must be next to each other.
 */
bool fab_placement_read(FabKeyfile *file, FabTraining *training, GError **error);

/* From a rank to the next along an axis. `training` is placed. */
uint32_t fab_placement_stride(const FabTraining *training, FabAxis axis);
/* Along replicas and context parallel ranks together. */
uint32_t fab_placement_replica_stride(const FabTraining *training);

/* A rank's place along an axis, and along replicas and context parallel ranks together. */
uint32_t fab_placement_of(const FabTraining *training, uint32_t rank, FabAxis axis);
uint32_t fab_placement_replica_of(const FabTraining *training, uint32_t rank);

/* The rank of a stage that comes `within`-th when its tensor parallel ranks are counted first. */
uint32_t fab_placement_rank(const FabTraining *training, uint32_t stage, uint32_t within);

/* "tp,dp,cp,pp"; NULL: the usual one. Owned by the caller. */
char *fab_placement_unusual(const FabTraining *training);

#endif
