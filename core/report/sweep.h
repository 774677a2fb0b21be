/* Writers of sweeps. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_SWEEP_H
#define FAB_REPORT_SWEEP_H

#include <stdio.h>

#include "study/sweep.h"

typedef struct {
    const FabSweep *sweep;
    GPtrArray *rows;     /* FabStoreRow */
    const bool *front;
    uint64_t done;       /* points that the store has */
    uint64_t refused;    /* that the scenario does not allow */
    const char *reason;  /* of the first of these; NULL: none */
} FabSweepReport;

/* The points on the Pareto front, or all of them. */
void fab_report_sweep(const FabSweepReport *report, bool all, FILE *out);
/* All points, one row for each size. */
void fab_report_sweep_csv(const FabSweepReport *report, FILE *out);
/* The same; schema "fabricast-sweep", schema_version 1. */
void fab_report_sweep_json(const FabSweepReport *report, FILE *out);

#endif
