/*
 * Statements about machines, judged: a figure of one scenario, or of two or four, against a threshold, over a range of
 * conditions; or a fact of the catalogue.
 */
#ifndef FAB_STUDY_CLAIM_H
#define FAB_STUDY_CLAIM_H

#include "predict/run.h"

typedef enum {
    FAB_CLAIM_SUPPORTED, /* the whole interval is within the threshold under all conditions */
    FAB_CLAIM_REFUTED,   /* it is outside under all conditions */
    FAB_CLAIM_DEPENDS,   /* within under some, outside under others */
    FAB_CLAIM_UNTOLD     /* intervals straddle the threshold, or there are none */
} FabClaimVerdict;

/* "supported", "refuted", "depends", "cannot be told". */
extern const char *const fab_claim_verdict_names[];

/* Under one condition. */
typedef enum { FAB_HOLDS, FAB_FAILS, FAB_OPEN } FabClaimState;
extern const char *const fab_claim_state_names[]; /* "yes", "no", "open" */

typedef struct {
    char *condition;         /* the value of the key that is varied; "" where none is */
    double value, low, high; /* of the metric */
    bool known;              /* there is an interval, or the figure is exact */
    const char *binds;       /* the class of what binds, where that is asked; or NULL */
    FabClaimState state;
} FabClaimPoint;

typedef struct {
    char *path, *id, *text, *source;
    char *definition;        /* its group with all keys, as the file has them */
    char *measured;          /* what was measured in public, as the file says; NULL: nothing known */
    char *metric, *operator, *threshold; /* as written */
    const char *unit;        /* of the metric: "B/s", "s" or "" */
    char *vary;              /* key; NULL: one condition */
    GArray *points;          /* FabClaimPoint */
    guint inside;            /* points whose figure is within the threshold, whatever its interval */
    FabClaimVerdict verdict;
    bool guessed;            /* an interval is a guess */
    char *turn;              /* where the prediction crosses the threshold; NULL: nowhere */
    GPtrArray *basis;        /* char *: what intervals rest on, where facts come from; each once */
} FabClaim;

/* All [claim ...] of a file, in its order. FabClaim; owned by the caller. */
GPtrArray *fab_claims_judge(const char *path, FabProgress progress, void *user, GError **error);

/* The verdict that the states of a claim's points amount to. */
FabClaimVerdict fab_claim_verdict(GArray *points);

#endif
