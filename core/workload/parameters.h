/* How many parameters a model has, by part: what sharding, gradients, optimiser and arithmetic are counted from. */
#ifndef FAB_WORKLOAD_PARAMETERS_H
#define FAB_WORKLOAD_PARAMETERS_H

#include "scenario/model.h"

/* Of one layer. Matrices are cut among tensor-parallel ranks, the rest is on each of them. */
typedef struct {
    uint64_t attention;  /* matrices */
    uint64_t dense;      /* matrices of the feed-forward block and of shared experts */
    uint64_t router;     /* with its bias */
    uint64_t expert;     /* of one routed expert */
    uint64_t experts;    /* of all of them */
    uint64_t biases;     /* of the matrices */
    uint64_t norms;
} FabLayerParameters;

typedef struct {
    FabLayerParameters layer;  /* of the usual kind: with experts where the model has them */
    FabLayerParameters first;  /* of the dense layers at the start; as `layer` where there are none */
    uint64_t embedding;        /* tokens, positions, token types */
    uint64_t logits;           /* 0 where tied */
    uint64_t ends;             /* norms beside the layers, pooler */
    uint64_t total;
    uint64_t active;           /* that a token meets: fewer where it visits some experts only */
} FabParameters;

FabParameters fab_parameters(const FabModel *model);

/* All of one layer. */
uint64_t fab_layer_total(const FabLayerParameters *layer);

/* Whether layer `index` has experts. */
bool fab_layer_has_experts(const FabModel *model, uint32_t index);

/* Arithmetic of matrices and attention for one token at this sequence length, forward pass, in FLOPs: two for each
 * multiplication, the causal half of attention counted whole, as MFU is usually stated. */
double fab_forward_flops(const FabModel *model, double sequence);

#endif
