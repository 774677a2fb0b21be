/* Copy pipelines: chunks that go to GPUs, through a kernel and back, over several streams. */
#ifndef FAB_PREDICT_COPY_PIPELINE_H
#define FAB_PREDICT_COPY_PIPELINE_H

#include "result/result.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

/* Runs [pipeline] of a scenario: a row for each size of the chunks, whose algbw is that of the bytes to all GPUs. */
FabResult *fab_copy_pipeline_run(const FabScenario *scenario, const FabTopology *topology, GError **error);

#endif
