/* Times of the passes of each stage's chunks, by what they go to: kernels, collectives that are exposed, the host. */
#ifndef FAB_PREDICT_PASS_TIME_H
#define FAB_PREDICT_PASS_TIME_H

#include "predict/group-time.h"
#include "predict/training-step.h"
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

/* What passes are made of: one micro-batch through one layer of each kind, and through the end. */
typedef struct {
    FabPassParts dense, routed, logits; /* routed: without meaning where there are no experts */
    double dense_parameters, routed_parameters, logits_parameters; /* on one GPU, before replicas share them out */
    double hop_s;   /* one message between stages, hidden or not */
    double payload; /* bytes of the activations of a micro-batch */
    double width;   /* bytes of an element */
    double tokens;  /* of a micro-batch on one GPU */
} FabPassPieces;

bool fab_pass_pieces(const FabPassSpec *spec, FabPassPieces *pieces, GError **error);

/* passes[stage * chunks + chunk]; *hop_s: from a pass to its neighbour, beside what the passes hold of it. */
bool fab_pass_times(const FabPassSpec *spec, FabPassParts *passes, double *hop_s, GError **error);

#endif
