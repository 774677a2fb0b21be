/*
 * Pipeline schedules: in which order a stage executes the forward and backward passes of its micro-batches.
 * docs/training.md says what each is good for, and names the papers.
 */
#ifndef FAB_WORKLOAD_SCHEDULE_H
#define FAB_WORKLOAD_SCHEDULE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "scenario/training.h"
#include "workload/graph.h"

typedef enum {
    FAB_PASS_FORWARD,
    FAB_PASS_BACKWARD, /* of inputs and weights; with ZB-H1 and DualPipe of inputs only */
    FAB_PASS_WEIGHT,   /* ZB-H1, DualPipe: of weights */
    FAB_PASS_WHOLE     /* DualPipe: both in one */
} FabPassKind;

typedef struct {
    FabPassKind kind;
    uint32_t chunk, micro; /* part of the stage's layers, 0 .. chunks - 1; micro-batch */
    bool fused;            /* DualPipe: done piece by piece in turn with the next pass, both end together */
} FabPass;

typedef struct {
    FabSchedule schedule;
    uint32_t stages, chunks, micros; /* chunks is 1 except for interleaved 1F1B, and DualPipe, which has 2 */
} FabPipeline;

/* The passes of one stage in order; *count of them. Owned by the caller. */
FabPass *fab_schedule_stage(const FabPipeline *pipeline, uint32_t stage, uint32_t *count);

/* Most micro-batch chunks that a stage keeps the activations of at once. */
uint32_t fab_schedule_in_flight(const FabPipeline *pipeline, uint32_t stage);

/* Times of the passes of one chunk of one stage. */
typedef struct {
    int64_t forward_ps, backward_ps, weight_ps; /* weight: ZB-H1 and DualPipe, else 0 */
} FabPassTimes;

typedef struct {
    FabPipeline pipeline;
    const FabPassTimes *times; /* [stage * chunks + chunk] */
    int64_t hop_ps;            /* from the end of a pass until its neighbour sees the result */
    uint32_t ranks, group;     /* simulated of each stage; so many wait for each other at every pass. 0: 1 */
    FabTaskLength length;      /* NULL: times stand; else of tasks with a length, as fab_graph_set_length() says */
    void *user;
} FabPipelineSpec;

/* Tags of the graph's tasks. */
#define FAB_PASS_TAG(kind, chunk, micro) ((uint32_t)(kind) << 30 | (uint32_t)(chunk) << 22 | (uint32_t)(micro))
static inline FabPass
fab_pass_of_tag(uint32_t tag)
{
    return (FabPass) { (FabPassKind)(tag >> 30), tag >> 22 & 0xff, tag & 0x3fffff, false };
}
enum { FAB_MOST_CHUNKS = 256, FAB_MOST_MICROS = 1 << 22, FAB_MOST_PASSES = 1 << 23 };

/*
 * One stream for each rank of each stage, stage after stage; behind them two for what each rank sends, and one for each
 * group, whose tasks have no length and a tag like those of the passes. Run already. NULL with an error.
 */
FabGraph *fab_pipeline_run(const FabPipelineSpec *spec, GError **error);

#endif
