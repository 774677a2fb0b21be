/* Writing a step's trace: step-trace-layer.c has what a layer puts into it, step-trace.c the order of the passes. */
#ifndef FAB_PREDICT_STEP_TRACE_PRIVATE_H
#define FAB_PREDICT_STEP_TRACE_PRIVATE_H

#include "predict/pass-time.h"
#include "predict/step-axis.h"
#include "predict/step-trace.h"

struct FabStepTrace {
    FabTopology *built;
    FabGroupTimes *times;
    FabTrainingStep *step;
    FabGpuRates rates;
    FabPassPieces pieces;
    double *expert_shown; /* of each stage's chunks: the share of exchanges among experts that is not hidden */
};

/* One rank's trace while it is written. */
typedef struct {
    const FabStepTrace *trace;
    const FabTraining *training;
    const FabModel *model;
    FabTraceRank *out;
    GArray *tails;      /* uint64_t: what the next node waits for */
    uint32_t rank, stage;
    double expert_shown;
    uint64_t next;      /* id */
    GError **error;
    bool failed;
} FabStepWriter;

/* From now on nodes wait for this one only. */
void fab_step_follow(FabStepWriter *writer, uint64_t id);

void fab_step_compute(FabStepWriter *writer, const char *name, double seconds);

/* Waits for the tails; *id is the node's. False: the group is of one, there is none. */
bool fab_step_call(FabStepWriter *writer, FabCollective collective, const FabStepAxis *axis, double bytes,
                   uint64_t *id);

/*
 * The share `shown` holds the next node up. The rest follows and goes on beside it, in a group of its own: what cuts a
 * product into pieces to hide their transfers does not wait for it.
 */
void fab_step_call_shown(FabStepWriter *writer, FabCollective collective, const FabStepAxis *axis, double bytes,
                         double shown);

/* One end of a message; the node's id. */
uint64_t fab_step_message(FabStepWriter *writer, bool send, uint32_t peer, uint32_t tag, double bytes,
                          const GArray *waits);

/* One layer of a pass. */
typedef struct {
    bool experts, backward;
    double weights; /* seconds of a backward pass that a pass of its own does */
} FabStepLayer;

void fab_step_layer(FabStepWriter *writer, const FabStepLayer *pass);
void fab_step_logits(FabStepWriter *writer, bool backward, double weights);

#endif
