/* A training step, or inference, as plain data: [parallel] and [training] or [inference]. No machine is known here. */
#ifndef FAB_SCENARIO_TRAINING_H
#define FAB_SCENARIO_TRAINING_H

#include "base/keyfile.h"
#include "scenario/model.h"

/* In the order of their names in scenarios. */
typedef enum {
    FAB_PRECISION_BF16,
    FAB_PRECISION_FP16,
    FAB_PRECISION_FP8,
    FAB_PRECISION_TF32,
    FAB_PRECISION_FP32
} FabPrecision;
typedef enum { FAB_RECOMPUTE_NONE, FAB_RECOMPUTE_SELECTIVE, FAB_RECOMPUTE_FULL } FabRecompute;
typedef enum { FAB_SCHEDULE_1F1B, FAB_SCHEDULE_INTERLEAVED, FAB_SCHEDULE_GPIPE, FAB_SCHEDULE_ZB_H1,
               FAB_SCHEDULE_DUALPIPE } FabSchedule;

typedef enum { FAB_AXIS_TP, FAB_AXIS_CP, FAB_AXIS_DP, FAB_AXIS_PP, FAB_AXES } FabAxis;

extern const char *const fab_precision_names[], *const fab_recompute_names[], *const fab_schedule_names[];

typedef struct {
    /* [parallel]: degrees, 1 or more; dp 0 until fab_training_place() */
    uint32_t tp, pp, cp, dp, ep;
    uint8_t order[FAB_AXES];   /* FabAxis, neighbours first: placement.h */
    bool sequence_parallel;
    bool ends_as_layers;       /* embedding and logits count as a layer each when layers are dealt out to stages */
    uint32_t zero;             /* 0: each replica keeps all; 1 optimiser, 2 gradients, 3 parameters too are sharded */
    double expert_skew;        /* tokens of the busiest GPU's experts, over the mean; 0: expert_zipf says */
    double expert_zipf;        /* popularity of the i-th expert is i to the power of minus this; 0: all alike */
    uint32_t expert_seed;      /* of how experts are dealt out */
    FabSchedule schedule;
    uint32_t chunks;           /* of a stage's layers; above 1 with interleaved 1F1B, and 2 with DualPipe */
    FabRecompute recompute;
    /* [training] */
    uint32_t nodes, gpus;      /* machines of the scenario's kind; GPUs in use, 0: all */
    uint32_t sequence;         /* tokens; 0 until the model's is taken */
    uint32_t micro_batch, global_batch;
    FabPrecision precision;
    uint32_t gradient_bytes;   /* of each parameter's gradient: 2 or 4 */
    uint32_t moment_bytes;     /* of each of the optimiser's two moments: 2 or 4 */
    bool flash;                /* attention keeps no scores */
    bool frozen;               /* only small adapters are trained (LoRA), which are left out */
    bool fold;                 /* ranks that nothing tells apart are simulated once */
    bool overlap;              /* gradients travel while the backward pass goes on */
    double nic_rate;           /* B/s of one NIC; 0: the machine's */
    char *stack;               /* software whose constants are taken; "auto" */
    const struct FabStack *constants; /* of no file: taken in place of the stack's own; NULL: those. Borrowed */
    const char *measured_on;   /* of no file: whose machine a step was measured on; NULL: anybody's. Borrowed */
    /* [inference]: `sequence` is the prompt's, `micro_batch` the sequences of a replica */
    bool inference;
    uint32_t context;          /* tokens that the cache holds at the end, or that attention looks at; 0: the sequence */
} FabTraining;

/* Declares the keys of [model], [parallel], [training] and [inference], so that misspelt ones are found. */
void fab_training_accept(FabKeyfile *file);

/* Which group of a step's scenario has such a key when none is named: `own` ([training], [inference]) before others. */
const char *fab_training_group(const char *own, const char *key);

/* Refuses a step without a model, and a model without a step. */
bool fab_training_check_groups(const FabKeyfile *file, GError **error);

/* Reads both groups; `model` gives the sequence's default. Refuses what does not divide. Owned by the caller. */
FabTraining *fab_training_read(FabKeyfile *file, const FabModel *model, GError **error);
/* [inference] and [parallel]: prompts that are read, then one token after the other. Owned by the caller. */
FabTraining *fab_inference_read(FabKeyfile *file, const FabModel *model, GError **error);
void fab_training_free(FabTraining *training);
FabTraining *fab_training_copy(const FabTraining *training);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTraining, fab_training_free)

/*
 * Sets dp from the GPUs that one machine of the scenario has, and checks that everything multiplies and divides:
 * degrees to GPUs, heads and width by tp, layers by stages, batch by replicas. `where` begins the message.
 */
bool fab_training_place(FabTraining *training, const FabModel *model, uint32_t gpus_per_node, const char *where,
                        GError **error);

/* Micro-batches of a step for each replica. */
uint32_t fab_training_micros(const FabTraining *training);

/*
 * Where chunk `chunk` of stage `stage` lies in the model, and how many such places there are. DualPipe keeps every
 * place twice: the second chunks of its stages are in the order of the first ones turned round.
 */
uint32_t fab_training_position(const FabTraining *training, uint32_t stage, uint32_t chunk);
uint32_t fab_training_positions(const FabTraining *training);

/* Micro-batches that pass one chunk. */
uint32_t fab_training_chunk_micros(const FabTraining *training);

/* Layers of chunk `chunk` of stage `stage`: how many, and *first, the number of the first. */
uint32_t fab_training_layers(const FabTraining *training, const FabModel *model, uint32_t stage, uint32_t chunk,
                             uint32_t *first);

#endif
