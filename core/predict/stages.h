/* Stages of a pipeline that pass micro-batches on: on a GPU each, or on parts of one that share its SMs and memory. */
#ifndef FAB_PREDICT_STAGES_H
#define FAB_PREDICT_STAGES_H

#include <glib.h>

#include "topology/route.h"

typedef struct {
    const uint32_t *gpus;      /* of each stage; a GPU may come again */
    uint32_t stages, batches;  /* micro-batches */
    double bytes;              /* of a micro-batch */
    double kernel_rate;        /* B/s at which a stage's kernel works while no other runs on its GPU */
    double gpu_rate;           /* B/s of all kernels of a GPU together, at most */
    double memory_rate;        /* B/s that a GPU reads and writes, together */
    double issue_s, gap_s;     /* of the host for an operation, and between one and what waited for it */
} FabStages;

/* When the last stage has done the last micro-batch, seconds; NaN with an error when two GPUs are not joined. */
double fab_stages_seconds(const FabStages *wanted, FabRouter *router, GError **error);

#endif
