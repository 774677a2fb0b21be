/*
 * From a row of a measurement of training to the scenarios that predict it: model, layout, batch, stack. What a row
 * does not state becomes several scenarios, whose predictions make the interval.
 */
#ifndef FAB_VALIDATE_TRAINING_ROW_H
#define FAB_VALIDATE_TRAINING_ROW_H

#include "measure/measurement.h"
#include "scenario/scenario.h"

/* Columns of training tables. */
enum {
    FAB_TRAINING_MODEL, FAB_TRAINING_PARAMS, FAB_TRAINING_LAYERS, FAB_TRAINING_HIDDEN, FAB_TRAINING_HEADS,
    FAB_TRAINING_SEQUENCE, FAB_TRAINING_GPU, FAB_TRAINING_GPUS, FAB_TRAINING_TP, FAB_TRAINING_PP, FAB_TRAINING_DP,
    FAB_TRAINING_EP, FAB_TRAINING_CP, FAB_TRAINING_MICRO, FAB_TRAINING_BATCH, FAB_TRAINING_PRECISION,
    FAB_TRAINING_RECOMPUTE, FAB_TRAINING_SCHEDULE, FAB_TRAINING_METRIC, FAB_TRAINING_VALUE, FAB_TRAINING_UNIT
};

typedef struct {
    GPtrArray *scenarios; /* FabScenario: what the row may mean, the likeliest first */
    const char *reason;   /* why there is none, one of a few texts; NULL: there are some */
    char *detail;         /* more about it; or NULL */
    char *unknown;        /* what the row does not state: "recompute, micro-batch"; or NULL */
    bool apart;           /* its GPUs were kept from reaching each other directly */
    bool pairs;           /* so many layers are recomputed: scenarios come in twos, none and all of them */
    bool partly;          /* with `pairs` and nothing known of the share: some of each layer is, as the row says */
    double recomputed;    /* with `pairs`: the share of layers, as other figures of the run say; NaN: not stated */
} FabTrainingRow;

/* Never fails: what cannot be read has a reason. Clear it afterwards. */
void fab_training_row_read(const FabMeasurement *measurement, guint row, FabTrainingRow *out);
void fab_training_row_clear(FabTrainingRow *row);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabTrainingRow, fab_training_row_clear)

/* Columns of tables of applications. */
enum {
    FAB_APPLICATION_MODEL, FAB_APPLICATION_PRECISION, FAB_APPLICATION_BATCH, FAB_APPLICATION_GPUS,
    FAB_APPLICATION_PARALLELISM, FAB_APPLICATION_INTERCONNECT, FAB_APPLICATION_PHASE, FAB_APPLICATION_METRIC,
    FAB_APPLICATION_VALUE, FAB_APPLICATION_UNIT
};

/* The same for a row of a table of applications: replicas of a public model that its name states, on one machine. */
void fab_application_row_read(const FabMeasurement *measurement, guint row, FabTrainingRow *out);

/* Steps that a row's figure is the time of: "gpt2 ... 200 steps"; 0: it does not say. */
uint32_t fab_application_steps(const FabMeasurement *measurement, guint row);

/* Whether two rows describe the same run, of which they state different figures. */
bool fab_training_row_same_run(const FabMeasurement *measurement, guint a, guint b);

#endif
