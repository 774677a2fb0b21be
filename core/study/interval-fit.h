/* Intervals from the residuals of a validation, and whether they hold on machines that they have not seen. */
#ifndef FAB_STUDY_INTERVAL_FIT_H
#define FAB_STUDY_INTERVAL_FIT_H

#include "study/interval.h"
#include "study/validate.h"

/* From the scored rows, without those of the machine `without` (NULL: from all). */
void fab_intervals_fit(const FabValidation *validation, const char *without, FabIntervals *intervals);

/* Gives the rows of each machine the interval that the other machines yield. */
void fab_intervals_hold_back(FabValidation *validation);

/* Scored rows that have an interval, and those inside; `by_machine` is the mean over machines of their shares. */
typedef struct {
    guint rows, inside, machines;
    double by_machine;
} FabCoverage;

/* Of each band, and of all rows in the last one. */
void fab_intervals_coverage(const FabValidation *validation, FabCoverage coverage[FAB_BANDS + 1]);

/* What tells one machine from another: its name, else the id of the case. */
const char *fab_validation_machine(const FabValidationCase *one);

#endif
