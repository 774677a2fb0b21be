/* Writers of inference. Whether the stream took it is the caller's to ask. */
#ifndef FAB_REPORT_INFERENCE_H
#define FAB_REPORT_INFERENCE_H

#include <stdio.h>

#include "predict/inference.h"

/* Time to the first token and of each further one, tokens per second, where the time goes, whether it fits. */
void fab_report_inference(const FabInference *inference, FILE *out);
/* One row each; with a header row when `header`. */
void fab_report_inference_csv(const FabInference *inference, bool header, FILE *out);
/* FabInference; schema "fabricast-inference", schema_version 1. */
void fab_report_inference_json(GPtrArray *inferences, FILE *out);

#endif
