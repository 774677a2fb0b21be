/* Writers of what training scenarios say. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_TRAINING_H
#define FAB_REPORT_TRAINING_H

#include <stdio.h>

#include "scenario/model.h"
#include "study/training.h"

/* Shape, parameters, arithmetic and cache of a token; `sequence` 0: not known, no arithmetic. */
void fab_report_model(const FabModel *model, uint32_t sequence, FILE *out);

/* The account of each stage as a table, what fits or by how much not, and the change that would make it fit. */
void fab_report_memory(const FabFootprint *footprint, FILE *out);
/* One row a stage; with a header row when `header`. */
void fab_report_memory_csv(const FabFootprint *footprint, bool header, FILE *out);
/* FabFootprint; schema "fabricast-memory", schema_version 1. */
void fab_report_memory_json(GPtrArray *footprints, FILE *out);

#endif
