/* Predicted training steps beside measured ones, row by row. docs/training.md says what is scored. */
#ifndef FAB_VALIDATE_TRAINING_VALIDATE_H
#define FAB_VALIDATE_TRAINING_VALIDATE_H

#include "measure/measurement.h"
#include "predict/run.h"

/* One row of a table; figures in the row's unit. NaN: none. */
typedef struct {
    guint row;             /* from 1, below the header */
    char *metric, *unit, *run; /* `run`: model, GPUs and batch, to compare layouts of one job */
    double measured, predicted, low, high;
    double step_s, measured_step_s;
    bool scored;           /* the row that stands for its run; not one whose figures cannot be right */
    const char *reason;    /* why it is not predicted or not scored; NULL: it is both */
    bool longer_is_worse;  /* a time; else a rate */
    double least_s, most_s; /* of the step, over all that the row may mean */
    char *open;            /* what it does not state: "recompute, micro-batch"; NULL: nothing */
    bool apart;            /* GPUs were kept from reaching each other directly */
    const char *stack;     /* whose constants predicted it, and the row of the stack; NULL: not predicted */
    uint32_t capability;
} FabStepRow;

typedef struct {
    char *id, *machine;
    char grade;
    GArray *rows;          /* FabStepRow, in the order of the table */
} FabStepCase;

/* Of |predicted / measured - 1| of step times, shares. */
typedef struct {
    guint rows, inside;    /* scored; of them measured between low and high */
    double mean, bias, worst, width; /* width: of the interval, share of the prediction, mean */
} FabStepErrors;

typedef struct {
    GPtrArray *cases;      /* FabStepCase, only of kinds training and application */
} FabStepValidation;

/* What constants of every stack are multiplied by. */
typedef struct {
    double gemm, gemm_fp8, memory, host; /* shares of the peaks, of the memory's rate; launches of a layer */
    bool strangers;        /* no machine counts as one that constants were fitted to */
    bool generic;          /* nothing counts as known of any software */
} FabStackFactors;

/* Measurements (FabMeasurement) of other kinds are passed over. `factors` NULL: constants as they are shipped. */
FabStepValidation *fab_step_validate(GPtrArray *measurements, const FabStackFactors *factors, FabProgress progress,
                                     void *user);
void fab_step_validation_free(FabStepValidation *validation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStepValidation, fab_step_validation_free)

/* Errors of the cases whose id matches a pattern (NULL: all), every row weighing the same. */
FabStepErrors fab_step_errors(const FabStepValidation *validation, const char *pattern);

/* One program with and without direct links between its GPUs. Times without over times with. */
typedef struct {
    const char *id;
    guint with, without;   /* rows, from 1 */
    double measured, predicted, low, high; /* low and high: over all that the rows may mean */
    const char *open;      /* what makes them differ; NULL: nothing */
} FabStepPair;

/* FabStepPair of the scored rows. Borrows from the validation; g_array_unref(). */
GArray *fab_step_pairs(const FabStepValidation *validation);

/*
 * Mean over jobs (one model, number of GPUs and batch) with four layouts or more of Spearman's correlation between
 * predicted and measured order; *jobs of them. NaN without any.
 */
double fab_step_ranking(const FabStepValidation *validation, const char *pattern, guint *jobs);

#endif
