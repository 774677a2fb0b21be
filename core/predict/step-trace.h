/* A training step as an execution trace: what each rank computes and sends, micro-batch by micro-batch. */
#ifndef FAB_PREDICT_STEP_TRACE_H
#define FAB_PREDICT_STEP_TRACE_H

#include "predict/trace-run.h"
#include "predict/training-step.h"
#include "workload/execution-trace.h"

typedef struct FabStepTrace FabStepTrace;

/* `topology` NULL: built from the scenario. Refuses steps of too many nodes. Owned by the caller. */
FabStepTrace *fab_step_trace_new(const FabScenario *scenario, const FabTopology *topology, GError **error);
void fab_step_trace_free(FabStepTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStepTrace, fab_step_trace_free)

/* The step that is traced, and its ranks. */
const FabTrainingStep *fab_step_trace_step(const FabStepTrace *trace);
uint32_t fab_step_trace_ranks(const FabStepTrace *trace);

/* All ranks replayed on the machine, of which the step uses the first GPUs: what every link carries. */
FabTraceRun *fab_step_trace_replay(const FabStepTrace *trace, const FabTopology *topology, GError **error);

/* What one rank does, not resolved. Owned by the caller. */
FabTraceRank *fab_step_trace_rank(const FabStepTrace *trace, uint32_t rank, GError **error);

#endif
