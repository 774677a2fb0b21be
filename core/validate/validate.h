/*
 * Prediction beside measurement, for every row of a set of measurements, and how far off it is; beside it two
 * yardsticks on the same rows: NCCL's own formula, and the straight line that fits each sweep best.
 */
#ifndef FAB_VALIDATE_VALIDATE_H
#define FAB_VALIDATE_VALIDATE_H

#include "measure/measurement.h"
#include "collective/kind.h"
#include "predict/run.h"
#include "validate/statistics.h"

/* What predicts. */
typedef enum { FAB_PREDICTOR_ENGINE, FAB_PREDICTOR_NCCL, FAB_PREDICTOR_LINE, FAB_PREDICTORS } FabPredictor;

/* Times in microseconds; NaN where there is none. */
typedef struct {
    uint64_t size_bytes;
    double measured_us;
    double predicted_us[FAB_PREDICTORS]; /* NCCL: NaN where its formula has no figure for the call */
    double low_us, high_us;              /* interval of the engine's prediction; NaN: not known */
    char *algorithm, *protocol;
    char *kind;                          /* as in FabResultRow; or NULL */
    uint32_t channels;
    bool transferred;                    /* left out: no other machine tells what these kernels cost on its GPUs */
} FabValidationRow;

/* The network of a table of several nodes. */
typedef struct {
    uint32_t nodes;  /* nodes, or racks where these are joined */
    bool racks;
    bool shared;     /* a dragonfly, which other jobs use too */
    char *network;   /* its NICs as published; "" where not known */
    bool borrowed;   /* left out: a constant of its NICs is that of others */
    char *forced;    /* "ring", "tree": what NCCL was told to take; "" where it chose */
} FabClusterFacts;

typedef struct {
    char *id, *machine, *topology, *gpu_id, *collective; /* "" where not known */
    char grade;
    uint32_t ranks;
    bool scored;        /* grade A or B, and predicted */
    const char *reason; /* why it was not predicted, one of a few texts; NULL: predicted */
    char *detail;       /* more about it; or NULL */
    GPtrArray *notes;   /* char *: what of the measurement the model does not know */
    GArray *rows;       /* FabValidationRow, in the order of the table; empty when not predicted */
    FabClusterFacts cluster; /* nodes 0: a single machine */
} FabValidationCase;

/*
 * `left_out`: every machine was predicted with constants fitted without it
 * (leave-out.h), then `in_sample` has the errors of the shipped ones on the same rows.
 */
typedef struct {
    GPtrArray *cases;  /* FabValidationCase */
    char *calibration; /* file of the overlay that was used, for reports; NULL: none */
    bool left_out;
    bool clusters;     /* of several nodes alone; cluster-table.h sums them up */
    FabErrorSummary in_sample[FAB_BANDS];
} FabValidation;

/*
 * Runs all measurements (FabMeasurement) with these constants (NULL: shipped), one on each core. What cannot be
 * predicted is a case with a reason; nothing is left out.
 */
FabValidation *fab_validate(GPtrArray *measurements, const FabConstants *constants, FabProgress progress, void *user);
/* The same for tables of several nodes alone; those of more ranks (0: any number) are cases with a reason. */
FabValidation *fab_validate_clusters(GPtrArray *measurements, const FabConstants *constants, uint32_t most_ranks,
                                     FabProgress progress, void *user);
/* The same as if the tables' clusters had never been measured: fab_resolve_cluster_left_out(). */
FabValidation *fab_validate_clusters_without(GPtrArray *measurements, const FabConstants *constants,
                                             uint32_t most_ranks);
void fab_validation_free(FabValidation *validation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabValidation, fab_validation_free)

typedef enum { FAB_GROUP_ALL, FAB_GROUP_SYSTEM, FAB_GROUP_COLLECTIVE, FAB_GROUP_ALGORITHM, FAB_GROUP_CASE } FabGrouping;

/* Errors of the scored rows of one group; rows without a figure of a predictor are not in its summary. */
typedef struct {
    char *name;
    FabErrorSummary summary[FAB_BANDS][FAB_PREDICTORS];
    FabErrorSummary engine_on_nccl[FAB_BANDS]; /* of the engine, on the rows for which NCCL's formula has a figure */
} FabValidationGroup;

/* FabValidationGroup, sorted by name. g_ptr_array_unref(). */
GPtrArray *fab_validation_groups(const FabValidation *validation, FabGrouping grouping);

/* Microseconds of a collective's row as published, or from the bus bandwidth where only that was. NaN: neither. */
double fab_measured_us(const FabMeasurement *measurement, guint row);

/* Error of one prediction as a share, NaN where there is none. */
double fab_validation_error(const FabValidationRow *row, FabPredictor predictor);

#endif
