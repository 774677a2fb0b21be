/*
 * How long the kernels of a layer take on one GPU, seconds: matrices in tiles and waves, attention, and kernels that
 * only move data. docs/training.md has the formulas.
 */
#ifndef FAB_WORKLOAD_KERNEL_H
#define FAB_WORKLOAD_KERNEL_H

#include "scenario/training.h"
#include "workload/stack.h"

typedef struct {
    double peak;    /* FLOP/s of matrices in the step's precision */
    double peak_16; /* in 16 bit: attention is computed so with fp8 too */
    double memory;  /* B/s */
    double clock;   /* share of the peaks' clock that the board's power leaves; 0: all of it */
    uint32_t sms;
    bool fp8, wide; /* wide: fp32 and tf32, whose elements take four bytes */
    const FabStack *stack;
} FabGpuRates;

/* Seconds by what limits them. */
typedef struct {
    double matrix, attention, memory;
} FabKernelTimes;

typedef struct {
    FabKernelTimes forward, backward;
    FabKernelTimes core;  /* of `forward`: what selective recomputation repeats */
    double weights;       /* of `backward`: products for the gradients of weights */
} FabLayerTimes;

/* `batch` products of m x k with k x n, each with its own operands. */
double fab_gemm_seconds(const FabGpuRates *rates, double m, double n, double k, double batch);

/* What they read and write at least: each operand once, and 16 bit of each result. */
double fab_gemm_bytes(const FabGpuRates *rates, double m, double n, double k, double batch);

/* One layer, one micro-batch. */
FabLayerTimes fab_layer_times(const FabGpuRates *rates, const FabTraining *training, const FabModel *model,
                              bool experts);

/* Logits and loss on the last stage, one micro-batch. */
FabLayerTimes fab_logits_times(const FabGpuRates *rates, const FabTraining *training, const FabModel *model);

/* Adam on `parameters` of one GPU. */
double fab_optimiser_seconds(const FabGpuRates *rates, const FabTraining *training, double parameters);

#endif
