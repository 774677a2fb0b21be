/* Writers of comparisons. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_COMPARE_H
#define FAB_REPORT_COMPARE_H

#include <stdio.h>

#include "study/compare.h"

/* A block for each scenario after the first, then what binds, what it costs, what the intervals rest on. */
void fab_report_comparison(const FabComparison *comparison, FILE *out);
/* "0.38..0.62", "-" where the interval is not known. `text` holds it and is returned. */
enum { FAB_RATIO_RANGE = 64 };
const char *fab_ratio_range(const FabRatio *ratio, char text[FAB_RATIO_RANGE]);
/* One row for each scenario and size. */
void fab_report_comparison_csv(const FabComparison *comparison, FILE *out);
/* Schema "fabricast-comparison", schema_version 1. */
void fab_report_comparison_json(const FabComparison *comparison, FILE *out);

#endif
