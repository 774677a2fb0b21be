/* Writers of validations. Each returns false with FAB_ERROR_SYSTEM when the stream fails. */
#ifndef FAB_REPORT_VALIDATE_H
#define FAB_REPORT_VALIDATE_H

#include <stdio.h>

#include "validate/interval-fit.h"
#include "validate/validate.h"

/* Tables of errors by band, system, collective and algorithm, the worst cases; `rows`: also every row of every case. */
bool fab_report_validation(const FabValidation *validation, bool rows, FILE *out, GError **error);
/* One header row, then one line for each row of each case that was predicted, also of those that are not scored. */
bool fab_report_validation_csv(const FabValidation *validation, FILE *out, GError **error);
/* Cases with their rows, and the tables: schema "fabricast-validation", schema_version 1. */
bool fab_report_validation_json(const FabValidation *validation, FILE *out, GError **error);

/* Of a validation of clusters: a table for each of them, the bars, and what was too large. Part of those above. */
void fab_report_clusters(const FabValidation *validation, FILE *out);
void fab_report_clusters_json(const FabValidation *validation, FILE *out);
extern const char fab_report_cluster_columns[];
void fab_report_cluster_cells(const FabValidation *validation, const FabValidationCase *one,
                              const FabValidationRow *row, FILE *out);

/* Lines: of how many scored rows the measurement is inside the interval, by band. */
void fab_report_coverage(const FabValidation *validation, FILE *out);
/* The source of core/predict/interval-table.c, or of interval-network-table.c. */
bool fab_report_interval_table(const FabIntervals *intervals, bool networks, FILE *out, GError **error);

/* One case with at least one row as a picture: SVG, time over size, both logarithmic. */
bool fab_report_validation_plot(const FabValidationCase *one, FILE *out, GError **error);

#endif
