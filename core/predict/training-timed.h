/*
 * A training step whose faults begin or end on the way. Between two such instants the machine stays as it is; a pass
 * that is under way at one goes on at the pace of the new machine with what is left of it.
 */
#ifndef FAB_PREDICT_TRAINING_TIMED_H
#define FAB_PREDICT_TRAINING_TIMED_H

#include "predict/training-fault.h"

/* The machine between two instants. */
typedef struct {
    double from_s;
    FabStepFaults *faults;
    FabPassParts *passes; /* [stage * chunks + chunk] */
    double *hops;         /* of each stage */
    double *done;         /* passes that were done then: [(stage * chunks + chunk) * FAB_PASS_WHOLE + kind] */
} FabStepState;

typedef struct FabStepTimeline FabStepTimeline;

/* Whether some fault of the scenario begins or ends on the way. */
bool fab_step_is_timed(const FabScenario *scenario);

/* What it is given is borrowed. `passes` and `hop_s` are those of the healthy machine. Owned by the caller. */
FabStepTimeline *fab_step_timeline_new(const FabScenario *scenario, const FabTopology *topology,
                                       const FabPassSpec *healthy, const FabPassParts *passes, double hop_s);
void fab_step_timeline_free(FabStepTimeline *timeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStepTimeline, fab_step_timeline_free)

/*
 * Runs the pipeline; `spec` has lengths of the healthy machine, `split`: backward passes without those of weights. NULL
 * with an error.
 */
FabGraph *fab_step_timeline_run(FabStepTimeline *timeline, const FabPipelineSpec *spec, bool split, GError **error);

/* The states that were met so far, in their order; *count of them. */
const FabStepState *fab_step_timeline_states(const FabStepTimeline *timeline, uint32_t *count);

/*
 * When something ends that begins at `start_s` and takes `seconds(user, state)` in one state, negative with an error;
 * itself negative with that error.
 */
typedef double (*FabStateSeconds)(void *user, const FabStepState *state, GError **error);
double fab_step_timeline_advance(FabStepTimeline *timeline, double start_s, FabStateSeconds seconds, void *user,
                                 GError **error);

#endif
