/* One scenario twice: predicted, and executed on the GPUs of this machine by fabricast-measure. */
#ifndef FAB_PREDICT_MEASURED_H
#define FAB_PREDICT_MEASURED_H

#include "result/result.h"
#include "scenario/scenario.h"
#include "predict/run.h"

typedef struct {
    uint64_t size_bytes;
    double predicted_us, measured_us; /* measured: NAN where the program says nothing of this size */
    double low_us, high_us;           /* of the samples; NAN: not said */
    double samples;                   /* NAN: not said */
    double error;                     /* predicted / measured - 1; NAN */
} FabMeasuredRow;

typedef struct {
    FabResult *result; /* the prediction */
    char *program;     /* what measured */
    char *gpu;         /* what was measured on, NULL: not said */
    char *note;        /* what was measured beside the times, NULL: nothing */
    char *wrong;       /* what came out wrong, in its words; NULL: every result was right */
    GArray *rows;      /* FabMeasuredRow, one for each size */
} FabMeasured;

void fab_measured_free(FabMeasured *measured);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabMeasured, fab_measured_free)

/*
 * A [collective] step by step as a channel program, a [transfer] as copies that begin at once, a [pipeline] to all its
 * GPUs; others are FAB_ERROR_VALUE. `program` is fabricast-measure: a path, or a name that PATH has.
 * `more` are more options for it, NULL-terminated or NULL. FAB_ERROR_SYSTEM when it is not there or cannot measure (no
 * GPU, no driver), with its own sentence; FAB_ERROR_VALUE when it refuses what it is given. Owned by the caller.
 */
FabMeasured *fab_measured_run(const FabScenario *scenario, const char *program, const char *const *more,
                              FabProgress progress, void *user, GError **error);

#endif
