/* A copy pipeline as plain data: [pipeline] of a scenario. Chunks go to the GPU, through a kernel and back. */
#ifndef FAB_SCENARIO_COPY_PIPELINE_H
#define FAB_SCENARIO_COPY_PIPELINE_H

#include "base/keyfile.h"

/*
 * Defaults of the host's part, assumptions until they are measured: what cudaMemcpyAsync() and a launch take in a
 * thread, and what a dependency inside a stream costs.
 */
#define FAB_COPY_PIPELINE_ISSUE_S 2e-6
#define FAB_COPY_PIPELINE_GAP_S 1.5e-6

typedef struct {
    uint64_t bytes;       /* to each GPU */
    double back;          /* bytes that come back for each of them, 0 or more */
    double compute_rate;  /* B/s of a chunk that the kernel works through; 0: in no time */
    double issue_s;       /* the host's thread needs it to put one operation into a stream */
    double gap_s;         /* from the end of an operation to the start of the next one in its stream */
    uint32_t streams;     /* of each GPU, chunks in turn */
    uint32_t gpus;        /* the first ones of the machine, each with a thread of its own */
} FabCopyPipeline;

/* Keys of [pipeline]; NULL-terminated. `sizes`, those of the chunks, is the scenario's. */
extern const char *const fab_copy_pipeline_keys[];

bool fab_copy_pipeline_read(FabKeyfile *file, FabCopyPipeline *pipeline, GError **error);

#endif
