/* Faults of a training step: what they do to collectives, to the kernels of its stages, and to its length. */
#ifndef FAB_PREDICT_TRAINING_FAULT_H
#define FAB_PREDICT_TRAINING_FAULT_H

#include "predict/fault.h"
#include "predict/group-time.h"
#include "predict/training-step.h"

typedef struct {
    FabFaultPlan *plan;
    FabGroupTimes *times; /* of groups that have a fault */
    bool *slow;           /* of each stage: its collectives take those times */
    double *pace;         /* of each stage: its kernels take so many times as long */
    bool any;             /* stage is slow */
} FabStepFaults;

/* NULL with an error. `training` is placed. Owned by the caller. */
FabStepFaults *fab_step_faults_new(const FabScenario *scenario, const FabTraining *training,
                                   const FabTopology *topology, GError **error);
void fab_step_faults_free(FabStepFaults *faults);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStepFaults, fab_step_faults_free)

#endif
