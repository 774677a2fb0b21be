/* Memory of a training step to the byte, for each stage of the pipeline. docs/memory.md has the formulas. */
#ifndef FAB_WORKLOAD_MEMORY_H
#define FAB_WORKLOAD_MEMORY_H

#include "scenario/training.h"

typedef enum {
    FAB_MEMORY_PARAMETERS,  /* in the precision of the arithmetic */
    FAB_MEMORY_GRADIENTS,
    FAB_MEMORY_OPTIMISER,   /* fp32 copies and two moments */
    FAB_MEMORY_ACTIVATIONS, /* kept for the backward pass */
    FAB_MEMORY_CACHE,       /* keys and values of inference */
    FAB_MEMORY_WORKING,     /* of the layer being computed: recomputed activations, gathered parameters, logits */
    FAB_MEMORY_BUFFERS,     /* gradient buckets, collectives, workspace of libraries */
    FAB_MEMORY_PARTS
} FabMemoryPart;

extern const char *const fab_memory_part_names[];

typedef struct {
    uint64_t parts[FAB_MEMORY_PARTS];
    uint64_t total;
    uint64_t parameters; /* count on this GPU, before any sharding among replicas */
    uint32_t in_flight;  /* micro-batch chunks whose activations are kept */
} FabStageMemory;

typedef enum { FAB_FIT_YES, FAB_FIT_TIGHT, FAB_FIT_NO } FabFit;

typedef struct {
    FabStageMemory *stages;
    uint32_t count, fullest; /* stage with the largest total */
    uint64_t capacity;       /* of a GPU */
    FabFit fit;
    uint64_t allowance;      /* of the capacity, kept free for fragmentation */
    char *change;            /* the smallest change that would make it fit; NULL: it fits, or none was found */
} FabMemory;

/* `training` has been placed; a GPU has `capacity` bytes, a node `gpus_per_node` GPUs. Owned by the caller. */
FabMemory *fab_memory_account(const FabTraining *training, const FabModel *model, uint64_t capacity,
                              uint32_t gpus_per_node);
void fab_memory_free(FabMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabMemory, fab_memory_free)

/* One stage only. */
FabStageMemory fab_memory_stage(const FabTraining *training, const FabModel *model, uint32_t stage);

/* Bytes that one layer keeps of one micro-batch without recomputing anything, on one GPU. */
double fab_memory_layer_activations(const FabTraining *training, const FabModel *model, uint32_t layer,
                                    FabRecompute recompute);

/* Parameters on one GPU of a stage: those cut by tp or whole, and those of experts, which are cut by ep too. */
void fab_memory_parameters(const FabTraining *training, const FabModel *model, uint32_t stage, uint64_t *shared,
                           uint64_t *experts);

/* The first rank (GPU number with the order tp, cp, dp, pp) of a stage. */
uint32_t fab_memory_rank(const FabTraining *training, uint32_t stage);

/* Bytes of cache of keys and values for one token on one GPU, inference. */
double fab_memory_cache_per_token(const FabTraining *training, const FabModel *model);

#endif
