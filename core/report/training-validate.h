/* Writers of validations of training steps. Whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_TRAINING_VALIDATE_H
#define FAB_REPORT_TRAINING_VALIDATE_H

#include <stdio.h>

#include "validate/training-leave-out.h"
#include "validate/training-validate.h"

/* Errors by set and table, order of layouts, what is not scored; `rows`: every row too. */
void fab_report_step_validation(const FabStepValidation *validation, bool rows, FILE *out);
/* The same as JSON: schema "fabricast-training-validation", schema_version 1. `left` (FabStepLeftOut) may be NULL. */
void fab_report_step_validation_json(const FabStepValidation *validation, const GPtrArray *left, FILE *out);
/* Errors of sets and tables (FabStepLeftOut) that were predicted without themselves. */
void fab_report_step_left_out(const GPtrArray *left, FILE *out);
/* Every row that was predicted: id,row,metric,measured,predicted,low,high,unit. */
void fab_report_step_validation_csv(const FabStepValidation *validation, FILE *out);

#endif
