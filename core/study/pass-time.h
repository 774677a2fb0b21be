/* Times of the passes of each stage's chunks, by what they go to: kernels, collectives that are exposed, the host. */
#ifndef FAB_STUDY_PASS_TIME_H
#define FAB_STUDY_PASS_TIME_H

#include "study/group-time.h"
#include "study/training-step.h"
#include "workload/kernel.h"

/* Of one micro-batch through one chunk of one stage, seconds. */
typedef struct {
    double forward[FAB_TIME_PARTS], backward[FAB_TIME_PARTS];
    double weights; /* of backward: products for the gradients of weights */
} FabPassParts;

typedef struct {
    const FabTraining *training; /* placed */
    const FabModel *model;
    const FabGpuRates *rates;
    FabGroupTimes *times;
} FabPassSpec;

/* passes[stage * chunks + chunk]; *hop_s: from a pass to its neighbour, beside what the passes hold of it. */
bool fab_pass_times(const FabPassSpec *spec, FabPassParts *passes, double *hop_s, GError **error);

#endif
