/*
 * Fits constants (collective/constants.h) to measurements: least squares on the simulator itself, within the physical
 * range of each constant, with intervals, and with what the measurements cannot tell left as it was.
 */
#ifndef FAB_VALIDATE_CALIBRATE_H
#define FAB_VALIDATE_CALIBRATE_H

#include "measure/measurement.h"
#include "predict/run.h"
#include "validate/statistics.h"
#include "validate/validate.h"

typedef struct {
    const char *group;           /* "hopper" */
    const FabConstant *constant; /* key, unit, meaning, range */
    double start, value;         /* value is start where it is not identified */
    double low95, high95;        /* NaN where it is not identified or at a bound */
    bool identified;
    bool at_bound; /* fitted to the end of its range, where it did not start: not believable */
    char *why;     /* of one that is not identified; or NULL */
} FabFitParameter;

/* A measurement that was given. Errors are shares of its fitted rows, by fab_band_of(). */
typedef struct {
    char *id, *machine;
    const char *group; /* constants of its GPUs: "hopper"; NULL: not used */
    const char *reason; /* why it was not used, or NULL */
    char *detail;       /* more about that, or NULL */
    guint rows;        /* that were fitted, of those measured */
    FabErrorSummary before[FAB_BANDS], after[FAB_BANDS];
} FabFitCase;

typedef struct {
    FabConstants constants; /* all of them; those not fitted are as at the start */
    GPtrArray *parameters;  /* FabFitParameter, in the order of the tables */
    GPtrArray *cases;       /* FabFitCase, in the order given */
    guint used, rows;       /* cases and rows that were fitted */
    FabErrorSummary before[FAB_BANDS], after[FAB_BANDS];
    bool at_bound;          /* any parameter is */
} FabFit;

/* Why a constant is kept on which no measured row depends. */
extern const char fab_fit_idle[];

/*
 * Fits to the measurements (FabMeasurement) of grade A and B that the model can predict. `start` NULL: the shipped set.
 * `parameters` holds "hopper.ll_round_us", or "hopper" for all of a group; NULL: all that can matter. Of a long table
 * some rows are taken. Every case weighs the same, in it every band of size, in that every row. NULL with an error
 * when nothing can be fitted or a name is not known. The same whatever the number of processors.
 */
FabFit *fab_calibrate(GPtrArray *measurements, const FabConstants *start, const char *const *parameters,
                      FabProgress progress, void *user, GError **error);
void fab_fit_free(FabFit *fit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFit, fab_fit_free)

#endif
