/* The rows that constants are fitted to: measurements resolved once, thinned, weighed, predicted again and again. */
#ifndef FAB_VALIDATE_FIT_DATA_H
#define FAB_VALIDATE_FIT_DATA_H

#include "validate/calibrate.h"

typedef struct FabFitData FabFitData;

/* An empty list of FabFitCase, which it owns. */
GPtrArray *fab_fit_cases_new(void);

/* Adds a FabFitCase to `cases` for each measurement, used or not. An error does not say what the fit is for. */
FabFitData *fab_fit_data_new(GPtrArray *measurements, GPtrArray *cases, GError **error);
void fab_fit_data_free(FabFitData *data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFitData, fab_fit_data_free)

guint fab_fit_data_rows(const FabFitData *data);

/* log(predicted / measured) of each row with these constants; cases run on all processors. */
bool fab_fit_data_run(FabFitData *data, const FabConstants *constants, double *logs, GError **error);

/* What least squares sees of a row: large misses count less than by their square, and each row by its weight. */
void fab_fit_data_soften(const FabFitData *data, const double *logs, double *residuals);

/* How many independent rows these are worth: neighbours in a sweep miss alike. */
double fab_fit_data_freedom(const FabFitData *data, const double *logs);

/* Summaries by band: of every used case (its `after` when `after`, else its `before`), and of all in `all`. */
void fab_fit_data_summarise(const FabFitData *data, const double *logs, bool after, FabErrorSummary *all);

#endif
