/* What claim files say, and the figure of a claim under one condition. */
#ifndef FAB_STUDY_CLAIM_PRIVATE_H
#define FAB_STUDY_CLAIM_PRIVATE_H

#include "study/claim.h"

typedef enum {
    FAB_METRIC_RATIO,      /* how many times faster b does a unit of work than a */
    FAB_METRIC_EFFICIENCY, /* the same for each GPU */
    FAB_METRIC_CHEAPER,    /* how many times less a unit of work costs with b */
    FAB_METRIC_TIME,
    FAB_METRIC_ALGBW,
    FAB_METRIC_BUSBW,
    FAB_METRIC_TOKENS,     /* of a training step, a second */
    FAB_METRIC_MEMORY,     /* share of the fullest GPU's that a training step needs */
    FAB_METRIC_FACT        /* of a GPU of the catalogue */
} FabMetric;

/* A claim with what it takes to judge it. */
typedef struct {
    FabClaim *claim;
    FabMetric metric;
    char *fact, *gpu, *base; /* base: a scenario file under the keys; NULL: none */
    double least, most;      /* within them the claim is true */
    GStrv values;            /* of the key that is varied; NULL: one condition */
    GPtrArray *sets[2];      /* "group.key=value" of scenario a and b */
    bool pair;               /* b is told apart from a */
} FabClaimSpec;

FabClaimSpec *fab_claim_spec_read(FabKeyfile *file, const char *group, GError **error);
void fab_claim_spec_free(FabClaimSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabClaimSpec, fab_claim_spec_free)

/* "a.topology.name" is scenario a's alone, "topology.name" that of both. */
void fab_claim_add_set(FabClaimSpec *spec, const char *key, const char *value);

/* The figure when the varied key has this value (NULL: none is varied); what it rests on is added to the claim. */
bool fab_claim_measure(FabClaimSpec *spec, const char *value, FabClaimPoint *point, GError **error);

#endif
