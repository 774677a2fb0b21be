/* Writers of sweeps. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_SWEEP_H
#define FAB_REPORT_SWEEP_H

#include <stdio.h>

#include "study/sweep-found.h"

/* The points on the Pareto front, or all of them. */
void fab_report_sweep(const FabSweepFound *found, bool all, FILE *out);
/* All points, one row for each size. */
void fab_report_sweep_csv(const FabSweepFound *found, FILE *out);
/* The same; schema "fabricast-sweep", schema_version 1. */
void fab_report_sweep_json(const FabSweepFound *found, FILE *out);

#endif
