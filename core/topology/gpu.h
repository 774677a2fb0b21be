/*
 * GPU models of the catalogue: gpus.ini, one group for each id, strictly checked. Read once and kept. What
 * plugins see of a model is FabGpuModel; here is the rest of it.
 */
#ifndef FAB_TOPOLOGY_GPU_H
#define FAB_TOPOLOGY_GPU_H

#include <glib.h>

#include <fabricast/plugin.h>

/* Peak dense rates, FLOP/s; 0: the GPU lacks the format or it is not published. */
typedef struct {
    double fp32, tf32, fp16, bf16, fp8, fp4;
} FabGpuPeaks;

typedef struct {
    FabGpuModel model;
    FabGpuPeaks peaks; /* fp32 on CUDA cores, others on tensor cores with fp32 sums; fp16 where bf16 lacks */
    double power_w;    /* board power; 0: not published */
    char *source, *confidence, *note;
} FabGpuData;

/* Everything about a model; NULL with an error that offers the nearest id. Lives for ever. */
const FabGpuData *fab_gpu_data(const char *id, GError **error);

#endif
