/* Predictions beside what the GPUs of this machine took. */
#ifndef FAB_REPORT_MEASURED_H
#define FAB_REPORT_MEASURED_H

#include <stdio.h>

#include "predict/measured.h"

/* A table with a line for each size; then the mean error, and what came out wrong. */
bool fab_report_measured(const FabMeasured *measured, FILE *out, GError **error);
/* One object: schema "fabricast-measured", schema_version 1. Errors are shares: 0.05 is 5 %. */
bool fab_report_measured_json(const FabMeasured *measured, FILE *out, GError **error);

#endif
