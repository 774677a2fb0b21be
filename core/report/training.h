/* Writers of what training scenarios say. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_TRAINING_H
#define FAB_REPORT_TRAINING_H

#include <stdio.h>

#include "scenario/model.h"

/* Shape, parameters, arithmetic and cache of a token; `sequence` 0: not known, no arithmetic. */
void fab_report_model(const FabModel *model, uint32_t sequence, FILE *out);

#endif
