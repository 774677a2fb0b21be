/* Writers of break-evens. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_BREAK_EVEN_H
#define FAB_REPORT_BREAK_EVEN_H

#include <stdio.h>

#include "study/break-even.h"

/* A block for each scenario after the first: its values, and where it turns. */
void fab_report_break_even(const FabBreakEven *even, FILE *out);
/* One row for each scenario and value. */
void fab_report_break_even_csv(const FabBreakEven *even, FILE *out);
/* Schema "fabricast-break-even", schema_version 1. */
void fab_report_break_even_json(const FabBreakEven *even, FILE *out);

#endif
