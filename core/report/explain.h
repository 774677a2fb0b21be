/* Writers of explanations. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_EXPLAIN_H
#define FAB_REPORT_EXPLAIN_H

#include <stdio.h>

#include "study/explain.h"

/* What binds each size, or the parts of a step, and what a tenth more of each resource buys, the most first. */
void fab_report_explanation(const FabExplanation *explanation, FILE *out);
/* One row for each size and resource. */
void fab_report_explanation_csv(const FabExplanation *explanation, FILE *out);
/* Schema "fabricast-explanation", schema_version 1. */
void fab_report_explanation_json(const FabExplanation *explanation, FILE *out);

#endif
