/* Why a scenario takes as long as it does: what binds, and what a tenth more of each resource would buy. */
#ifndef FAB_STUDY_EXPLAIN_H
#define FAB_STUDY_EXPLAIN_H

#include "predict/critical-path.h"
#include "study/outcome.h"

/* How much more of a resource there is: a tenth. */
#define FAB_EXPLAIN_MORE 1.1

typedef struct {
    char *resource;  /* "NVLink 4", "channel copy rate", "latency of links" */
    double *gain;    /* for each row: how much faster, as a share: 0.05 is 5 % */
    bool idle;       /* it holds no transfer back at any size: 0 without a simulation */
} FabGain;

typedef struct {
    FabOutcome *outcome;
    GPtrArray *gains; /* FabGain, in the order they were tried; the last one is all of them together */
    FabCriticalPath *paths; /* of a collective, for each row; NULL: other scenarios */
    guint path_count;
    GPtrArray *step;  /* FabPhase, of a training step or a further token; NULL: other scenarios */
    double *parts;    /* of a training step, seconds by FabTimePart; NULL: other scenarios */
} FabExplanation;

/* FabPhase, of a row: where it spends its time and what binds there. NULL: not followed, or of no such scenario. */
const GPtrArray *fab_explanation_phases(const FabExplanation *explanation, guint row);

/* Simulates the scenario once for each resource. Owned by the caller. */
FabExplanation *fab_explain(const FabScenario *scenario, FabProgress progress, void *user, GError **error);
void fab_explanation_free(FabExplanation *explanation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabExplanation, fab_explanation_free)

#endif
