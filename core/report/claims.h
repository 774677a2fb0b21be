/* Writers of judged claims. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_CLAIMS_H
#define FAB_REPORT_CLAIMS_H

#include <stdbool.h>
#include <stdio.h>

#include "study/claim.h"

/* A block for each FabClaim unless `brief`, then a line for each. */
void fab_report_claims(GPtrArray *claims, bool brief, FILE *out);
/* One row for each claim and condition. */
void fab_report_claims_csv(GPtrArray *claims, FILE *out);
/* Schema "fabricast-claims", schema_version 1. */
void fab_report_claims_json(GPtrArray *claims, FILE *out);

#endif
