/* How long a training step is, and what the time goes to. docs/training.md has the formulas. */
#ifndef FAB_PREDICT_TRAINING_STEP_H
#define FAB_PREDICT_TRAINING_STEP_H

#include "predict/goodput.h"
#include "predict/training.h"
#include "workload/graph.h"
#include "workload/kernel.h"
#include "workload/schedule.h"
#include "workload/stack.h"

/* Of the stage that computes longest; together they are the step. */
typedef enum {
    FAB_TIME_MATRIX,    /* products of matrices */
    FAB_TIME_ATTENTION,
    FAB_TIME_MEMORY,    /* kernels that only move data */
    FAB_TIME_HOST,      /* the GPU waits for launches */
    FAB_TIME_TENSOR,    /* tensor-parallel collectives that are exposed */
    FAB_TIME_EXPERT,
    FAB_TIME_CONTEXT,
    FAB_TIME_SHARD,     /* gathering parameters and scattering gradients of ZeRO 3 */
    FAB_TIME_HOP,       /* messages between stages that are exposed */
    FAB_TIME_BUBBLE,    /* the stage waits for others */
    FAB_TIME_DATA,      /* gradients among replicas, exposed */
    FAB_TIME_OPTIMISER,
    FAB_TIME_SCALE,     /* replicas wait for the slowest */
    FAB_TIME_PARTS
} FabTimePart;

extern const char *const fab_time_part_names[];

typedef struct {
    FabFootprint *footprint;
    double seconds, low, high; /* a step; where most measured ones of such stacks lie, whoever owns the machine */
    double own_low, own_high;  /* the same for a machine that other steps are known of: what sets two of them apart */
    double parts[FAB_TIME_PARTS];
    double forward[FAB_TIME_PARTS]; /* what forward passes are of the parts; what is left of a pass is backward */
    double gather;             /* what gathering parameters is of FAB_TIME_DATA */
    double tokens_per_s;       /* of all GPUs */
    double mfu, hfu;           /* shares of the peak, without and with what is recomputed */
    double flops_per_gpu;      /* without, FLOP/s */
    double bubble_share;       /* of the pipeline's time */
    uint32_t stage;            /* whose parts these are */
    uint32_t micros;
    const FabStack *stack;
    const char *reason;        /* why low and high lie where they do */
    bool fitted;               /* the stack's constants were fitted on such GPUs */
    bool at_home;              /* to steps of the very machine that this one was measured on */
    bool host_bound;
    FabGraph *pipeline;        /* passes by stage, for traces; streams as in schedule.h */
    FabGoodput *goodput;       /* NULL: the scenario does not ask for it */
    GPtrArray *faults;         /* FabStepFault: of the scenario; NULL: not asked for, or none */
    double healthy;            /* seconds without any; 0: not asked for */
} FabTrainingStep;

/* Something that is wrong with the machines, and the step with it alone. */
typedef struct {
    char *name, *what;
    double seconds;
} FabStepFault;

/* Rates of the machine's GPUs in the step's precision, and the constants of its stack. */
bool fab_training_rates(const FabTraining *training, const FabTopology *topology, const char *where,
                        FabGpuRates *rates, GError **error);

/* Collectives priced so far, by the caller so that several steps on one machine share them. */
struct FabGroupTimes;

/* `topology` NULL: built from the scenario; `times` NULL: new ones. Owned by the caller. */
FabTrainingStep *fab_training_step_new(const FabScenario *scenario, const FabTopology *topology,
                                       struct FabGroupTimes *times, GError **error);
/* Fills in what each of the scenario's faults costs. `topology` NULL: built from the scenario. */
bool fab_training_step_costs(FabTrainingStep *step, const FabScenario *scenario, const FabTopology *topology,
                             GError **error);
void fab_training_step_free(FabTrainingStep *step);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTrainingStep, fab_training_step_free)

#endif
