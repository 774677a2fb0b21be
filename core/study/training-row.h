/*
 * From a row of a measurement of training to the scenarios that predict it: model, layout, batch, stack. What a row
 * does not state becomes several scenarios, whose predictions make the interval.
 */
#ifndef FAB_STUDY_TRAINING_ROW_H
#define FAB_STUDY_TRAINING_ROW_H

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
    bool pairs;           /* what is recomputed is not stated: scenarios come in twos, nothing and everything */
} FabTrainingRow;

/* Never fails: what cannot be read has a reason. Clear it afterwards. */
void fab_training_row_read(const FabMeasurement *measurement, guint row, FabTrainingRow *out);
void fab_training_row_clear(FabTrainingRow *row);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabTrainingRow, fab_training_row_clear)

/* Whether two rows describe the same run, of which they state different figures. */
bool fab_training_row_same_run(const FabMeasurement *measurement, guint a, guint b);

#endif
