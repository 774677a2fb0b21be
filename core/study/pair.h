/*
 * Two training steps that differ only in what connects the GPUs: their kernels are the same, and so is an error of
 * their times. What is left to doubt is the exchange.
 */
#ifndef FAB_STUDY_PAIR_H
#define FAB_STUDY_PAIR_H

#include "predict/group-time.h"
#include "predict/training-step.h"
#include "study/outcome.h"

/* A training step on its machine, which can be run again with collectives that take longer or shorter. */
typedef struct {
    const FabScenario *scenario;
    FabTopology *topology;
    FabTrainingStep *step;
    FabSpread spread; /* of its collectives; 1 and 1 where nothing is known of them */
} FabStepSide;

/* The scenario must outlive it; it must be cleared in any case. */
bool fab_step_side_init(FabStepSide *side, const FabScenario *scenario, GError **error);
void fab_step_side_clear(FabStepSide *side);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabStepSide, fab_step_side_clear)

/* The step when every collective takes `factor` times as long. Owned by the caller. */
FabTrainingStep *fab_step_side_run(const FabStepSide *side, double factor, GError **error);

/* Whether the two steps differ only in what connects their GPUs, as fab_pair_ratio() wants it. */
bool fab_step_sides_match(const FabStepSide *a, const FabStepSide *b);

/*
 * True: both are steps inside one machine with the same GPUs, model, layout, batch of each GPU and software, and *ratio
 * says how many times faster b does a token's work; replicas may differ in number where none shares out its state.
 * Neither has faults, since no interval is known with them. *share is how many GPUs a has for each of b's; *basis says
 * what the interval rests on (owned by the caller). False without an error: they are no such pair.
 */
bool fab_pair_ratio(const FabScenario *a, const FabScenario *b, FabRatio *ratio, double *share, char **basis,
                    GError **error);

#endif
