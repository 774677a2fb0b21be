/* Writers of what training scenarios say. They print; whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_TRAINING_H
#define FAB_REPORT_TRAINING_H

#include <stdio.h>

#include "scenario/model.h"
#include "report/report.h"
#include "predict/trace-run.h"
#include "predict/training-step.h"

/* Shape, parameters, arithmetic and cache of a token; `sequence` 0: not known, no arithmetic. */
void fab_report_model(const FabModel *model, uint32_t sequence, FILE *out);

/* The account of each stage as a table, what fits or by how much not, and the change that would make it fit. */
void fab_report_memory(const FabFootprint *footprint, FILE *out);
/* One row a stage; with a header row when `header`. */
void fab_report_memory_csv(const FabFootprint *footprint, bool header, FILE *out);
/* FabFootprint; schema "fabricast-memory", schema_version 1. */
void fab_report_memory_json(GPtrArray *footprints, FILE *out);

/* What failures take of a month of such steps; nothing where the scenario does not ask. JSON: one more member. */
void fab_report_goodput(const FabTrainingStep *step, FILE *out);
void fab_report_goodput_json(const FabTrainingStep *step, FILE *out);

/* How long the step is, and where the time goes. */
void fab_report_training_step(const FabTrainingStep *step, FILE *out);
/* One row a step. */
void fab_report_training_step_csv(const FabTrainingStep *step, bool header, FILE *out);
/* FabTrainingStep; schema "fabricast-training", schema_version 1. */
void fab_report_training_step_json(GPtrArray *steps, FILE *out);
/* The passes of each stage in the Trace Event Format, for chrome://tracing and ui.perfetto.dev. */
void fab_report_training_trace(const FabTrainingStep *step, FILE *out);

/* The use of every link over the step, for a diagram: `run` is the step's trace. fab_diagram_load_free(). */
FabDiagramLoad *fab_report_training_load(const FabTrainingStep *step, const FabTraceRun *run,
                                         const FabTopology *topology);

/* The same as a picture, SVG. Refuses what has too many passes to be seen. */
bool fab_report_training_gantt(const FabTrainingStep *step, FILE *out, GError **error);

#endif
