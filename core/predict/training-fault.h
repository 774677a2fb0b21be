/* Faults of a training step: what they do to collectives, to the kernels of its stages, and to its length. */
#ifndef FAB_PREDICT_TRAINING_FAULT_H
#define FAB_PREDICT_TRAINING_FAULT_H

#include "predict/fault.h"
#include "predict/group-time.h"
#include "predict/pass-time.h"
#include "predict/training-step.h"

typedef struct {
    FabFaultPlan *plan;
    FabGroupTimes *times; /* of groups that have a fault */
    bool *slow;           /* of each stage: its collectives take those times */
    double *pace;         /* of each stage: its kernels take so many times as long */
    bool any;             /* stage is slow */
    GPtrArray *met;       /* FabFault: those that began after NCCL had started, as collectives have them */
} FabStepFaults;

/*
 * The faults at `at_s` seconds from the start of a step: those of the whole run, and those that have begun and not
 * ended by then. NULL with an error. `training` is placed. Owned by the caller.
 */
FabStepFaults *fab_step_faults_new(const FabScenario *scenario, const FabTraining *training,
                                   const FabTopology *topology, double at_s, GError **error);

/*
 * Stages that have a fault take the times that it leaves them: passes[] and *hop_s are those of the healthy machine,
 * which `healthy` was asked for. hops[], of each stage, are set.
 */
bool fab_step_faults_hit(const FabStepFaults *faults, const FabPassSpec *healthy, FabPassParts *passes, double *hop_s,
                         double *hops, GError **error);
void fab_step_faults_free(FabStepFaults *faults);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStepFaults, fab_step_faults_free)

#endif
