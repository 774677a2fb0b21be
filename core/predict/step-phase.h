/* The phases of a training step, of the stage that computes longest, and what binds in each. */
#ifndef FAB_PREDICT_STEP_PHASE_H
#define FAB_PREDICT_STEP_PHASE_H

#include "predict/group-time.h"
#include "predict/inference.h"
#include "predict/phase.h"
#include "predict/training-step.h"

/*
 * Of FabPhase, in the order in which a step begins them; together they are the step. `times` are those that the step
 * was made with: they know what its collectives wait for. Owned by the caller.
 */
GPtrArray *fab_step_phases(const FabTrainingStep *step, const FabTopology *topology, const FabGroupTimes *times);

/*
 * What binds the exchange that a part is: a link, limit or "network adapters". NULL: the part is none, or what binds it
 * has no place, as latency. Borrowed from topology and times.
 */
const char *fab_step_part_link(const FabTrainingStep *step, const FabTopology *topology, const FabGroupTimes *times,
                               FabTimePart part);

/* The same of a further token of an answer, which is one phase. */
GPtrArray *fab_token_phases(const FabInference *inference);

#endif
