/* Intervals from the residuals of a validation, and whether they hold on machines that they have not seen. */
#ifndef FAB_VALIDATE_INTERVAL_FIT_H
#define FAB_VALIDATE_INTERVAL_FIT_H

#include "predict/interval.h"
#include "validate/validate.h"

/* From the scored rows, without those of the machine `without` (NULL: from all). */
void fab_intervals_fit(const FabValidation *validation, const char *without, FabIntervals *intervals);

/* Gives the rows of each machine the interval that the other machines yield. */
void fab_intervals_hold_back(FabValidation *validation);

/*
 * For machines that the constants were fitted to: of each kind among the scored rows, from its own tables (which take
 * the place of machines) and the shipped interval. FabOverlayInterval; g_array_unref().
 */
GArray *fab_intervals_calibrated(const FabValidation *validation);

/* Gives the rows of kinds that the calibration has an interval for that one. */
void fab_intervals_apply_overlay(FabValidation *validation, const FabOverlay *overlay);

/*
 * Scored rows that have an interval, and those inside; `by_machine` is the mean over machines of their shares. Rows of
 * transferred kernels are counted apart.
 */
typedef struct {
    guint rows, inside, machines;
    double by_machine;
} FabCoverage;

/* The bands, then: */
enum { FAB_COVERAGE_ALL = FAB_BANDS, FAB_COVERAGE_TRANSFERRED, FAB_COVERAGES };

/* "below 64 KiB", ..., "all sizes", "another generation's kernels". */
extern const char *const fab_coverage_names[FAB_COVERAGES];
/* The same, for clusters the last one "another network's constants". */
const char *fab_coverage_name(const FabValidation *validation, int coverage);

void fab_intervals_coverage(const FabValidation *validation, FabCoverage coverage[FAB_COVERAGES]);

/* What tells one machine from another: its name, else the id of the case. */
const char *fab_validation_machine(const FabValidationCase *one);

#endif
