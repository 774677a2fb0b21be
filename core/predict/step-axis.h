/* Which ranks of a step exchange with each other: those that differ in one axis of its layout. */
#ifndef FAB_PREDICT_STEP_AXIS_H
#define FAB_PREDICT_STEP_AXIS_H

#include "scenario/training.h"
#include "predict/group-time.h"

typedef struct {
    const char *axis;   /* "tp"; with the lowest rank the group's name */
    FabGroup group;
    uint32_t first;     /* the lowest rank of it */
} FabStepAxis;

/* Of a rank, as the layout is placed on the machine. `training` is placed; of rank 0 where only the group counts. */
FabStepAxis fab_step_axis_tensor(const FabTraining *training, uint32_t rank);
/* Replicas, context parallel ranks among them; of experts those that hold the same ones. */
FabStepAxis fab_step_axis_replica(const FabTraining *training, uint32_t rank, bool experts);
FabStepAxis fab_step_axis_context(const FabTraining *training, uint32_t rank);
FabStepAxis fab_step_axis_expert(const FabTraining *training, uint32_t rank);

#endif
