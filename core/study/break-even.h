/* From which value of a key on one scenario is faster, or cheaper, than another. */
#ifndef FAB_STUDY_BREAK_EVEN_H
#define FAB_STUDY_BREAK_EVEN_H

#include "study/compare.h"

/* Scenario `number` against the first, at one value of the key. */
typedef struct {
    char *value;   /* as it is set, and as people read it */
    char *shown;
    bool possible; /* both scenarios can be run with it */
    FabRatio speed;   /* how many times faster it does a unit of work */
    FabRatio thrift;  /* how many times cheaper; value 0: one of them has no price */
} FabBreakPoint;

typedef struct {
    char *name;        /* of the scenario */
    GPtrArray *points; /* FabBreakPoint, by value */
    GPtrArray *faster, *cheaper; /* char *: "faster between 32 and 64", where predictions turn; may be empty */
    char *basis;       /* what the intervals rest on */
    bool guessed;
} FabBreakPair;

typedef struct {
    char *key, *low, *high; /* as given */
    char *first;            /* name of the scenario that the others are compared with */
    GPtrArray *pairs;       /* FabBreakPair */
    guint impossible;       /* values of all pairs that could not be run */
    char *reason;           /* of the first of these; NULL: none */
} FabBreakEven;

/*
 * `what` is "group.key=LOW:HIGH", for all scenarios, or with "a.", "b.", ... in front for one of them, the first
 * being a: "b.price.gpu_hour=1:10 USD/h". The scenarios are read with `sets` and the key on top of them, must have one
 * size each and do the same work. Refused when no value is possible. Owned by the caller.
 */
FabBreakEven *fab_break_even(char *const *paths, guint count, char *const *sets, const char *what, FabProgress progress,
                             void *user, GError **error);
void fab_break_even_free(FabBreakEven *even);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabBreakEven, fab_break_even_free)

#endif
