/* Several scenarios side by side: the same work on other machines, in other layouts, at other prices. */
#ifndef FAB_STUDY_COMPARE_H
#define FAB_STUDY_COMPARE_H

#include "study/outcome.h"

/* No stronger than the intervals allow: faster and slower only where they leave no doubt. */
typedef enum { FAB_VERDICT_FASTER, FAB_VERDICT_SLOWER, FAB_VERDICT_UNTOLD, FAB_VERDICT_SAME } FabSpeedVerdict;

/* "faster", "slower", "cannot be told", "the same". */
extern const char *const fab_speed_verdict_names[];

typedef struct {
    GPtrArray *outcomes; /* FabOutcome; the first is what the others are compared with */
    GArray *sizes;       /* uint64_t: those that all have, ascending; one 0 for training steps */
    char *currency;      /* of all that have a price; NULL: none has */
    GArray *pairs;       /* FabRatio of each to the first as pair.h has it, or 1 of the same run at another price;
                          * known false: they are no such pair */
    GPtrArray *bases;    /* char *: what that ratio's interval rests on; NULL: no such pair */
} FabComparison;

/*
 * Runs all FabScenario and puts them side by side. Refuses what has nothing to do with each other: another operation,
 * another model, no size in common, another currency. Owned by the caller.
 */
FabComparison *fab_compare(GPtrArray *scenarios, FabProgress progress, void *user, GError **error);
void fab_comparison_free(FabComparison *comparison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabComparison, fab_comparison_free)

/* How many times faster scenario `number` does a unit of work of this size than the first. */
FabRatio fab_comparison_ratio(const FabComparison *comparison, guint number, uint64_t size_bytes);

FabSpeedVerdict fab_speed_verdict(const FabRatio *ratio);

/* What a unit of work costs, and the ends of its interval; 0: no price is given. A unit is a byte or a token. */
typedef struct {
    double value, low, high;
} FabUnitCost;

FabUnitCost fab_unit_cost(const FabOutcome *outcome, const FabOutcomeRow *row);

#endif
