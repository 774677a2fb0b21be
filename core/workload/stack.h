/*
 * What kernels of a software stack reach on a GPU generation: one row for each, every figure with its source in
 * stack.c. A stack is as much a part of a constant's name as the GPU: docs/training.md.
 */
#ifndef FAB_WORKLOAD_STACK_H
#define FAB_WORKLOAD_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "scenario/training.h"

typedef struct FabStack {
    const char *name;            /* "megatron" */
    uint32_t compute_capability; /* holds from here up to the next row of the stack */
    double gemm_share, gemm_share_fp8; /* of the peak rate, without what tiles and waves lose */
    double tile_columns, tile_columns_fp8; /* prologue and epilogue of a tile as columns of the inner dimension */
    double memory_share;         /* of the memory's rate, kernels that only move data */
    double flash_forward, flash_backward; /* shares of the 16-bit peak */
    double logit_bytes;          /* memory traffic of the loss for each logit */
    double host_layer_s;         /* launching a layer: forward, recomputed and backward pass together */
    double host_hop_s;           /* for a message between stages: the host waits for the GPU, then launches again */
    double host_ends_s;          /* launching logits and loss */
    double tp_pieces;            /* pieces of a cut collective that stay exposed; 0: nothing is cut, all is exposed */
    double hop_exposed;          /* share of a message between stages that no compute hides */
    double overlap_slowdown;     /* of compute under collectives, as share of their time */
    double moe_factor, moe_factor_fp8; /* on kernels of routed experts */
    double scale_loss;           /* share of the step for each doubling of GPUs */
    double residual;             /* nine of ten fitted steps of dense models in 16 bit are off by less, a share */
    bool fitted;                 /* to step times of this capability; else taken over from another */
    const char *machine;         /* whose those steps were measured on; NULL: nobody's */
    const char *source;
} FabStack;

/* The row of a stack ("auto": what is usual for that layout on that GPU), or the step's own constants. Never NULL. */
const FabStack *fab_stack_find(const FabTraining *training, uint32_t compute_capability);

/* Whether the row was fitted to step times of GPUs of exactly this capability. */
bool fab_stack_is_fitted(const FabStack *stack, uint32_t compute_capability);

/* Whether steps of that machine (NULL: anybody's) are among those that the row was fitted to. */
bool fab_stack_knows(const FabStack *stack, const char *machine);

#endif
