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
    FAB_METRIC_FACT,       /* of a GPU of the catalogue */
    FAB_METRIC_GAIN_RATIO, /* how many times as large the gain of b over a is as that of d over c */
    FAB_METRIC_EXPOSED,    /* share of a step that is exposed communication */
    FAB_METRIC_LESS_EXPOSED, /* share of a's exposed communication that b does without */
    FAB_METRIC_GAIN_OF_EXPOSED, /* the gain of b over a, for each unit of the share exposed in a */
    FAB_METRIC_BINDING,    /* time of one class of parts of a step over the longest other one */
    FAB_METRIC_MATMUL,     /* share of the dense peak that the best product of matrices reaches */
    FAB_METRIC_WIRE,       /* bytes of the busiest GPU's links over what the bus bandwidth says */
    FAB_METRIC_HOST_BRIDGE /* share of the bytes sent by GPUs that cross a host bridge or CPU */
} FabMetric;

enum { FAB_CLAIM_SIDES = 4 }; /* a, b, c, d */

/* A claim with what it takes to judge it. */
typedef struct {
    FabClaim *claim;
    FabMetric metric;
    char *fact, *gpu, *base; /* base: a scenario file under the keys; NULL: none */
    double least, most;      /* within them the claim is true */
    GStrv values;            /* of the key that is varied; NULL: one condition */
    GPtrArray *sets[FAB_CLAIM_SIDES]; /* "group.key=value" of scenario a, b, c, d */
    int sides;               /* scenarios that are told apart: 1, 2 or 4 */
    int class;               /* that is to bind: index in fab_bind_classes */
} FabClaimSpec;

/* What can bind a training step: "interconnect", "compute", ... */
extern const char *const fab_bind_classes[];

FabClaimSpec *fab_claim_spec_read(FabKeyfile *file, const char *group, GError **error);
void fab_claim_spec_free(FabClaimSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabClaimSpec, fab_claim_spec_free)

/* "a.topology.name" is scenario a's alone, "topology.name" that of all. */
void fab_claim_add_set(FabClaimSpec *spec, const char *key, const char *value);

/* One of the scenarios, 0 to 3. Owned by the caller. */
FabScenario *fab_claim_scenario(const FabClaimSpec *spec, int side, GError **error);

/* What the claim rests on; each text once. */
void fab_claim_add_basis(FabClaim *claim, const char *text);

/* A claim is judged at one size at a time: whether a result has one. */
bool fab_claim_check_sizes(guint sizes, GError **error);

/* Metrics of training steps: of one, and of two that differ only in what connects their GPUs. */
bool fab_claim_measure_step(FabClaimSpec *spec, FabClaimPoint *point, GError **error);
bool fab_claim_measure_steps(FabClaimSpec *spec, FabClaimPoint *point, GError **error);

/* Metrics of the bytes on links: counted, so that they have no interval. */
bool fab_claim_measure_bytes(FabClaimSpec *spec, FabClaimPoint *point, GError **error);

/* The figure when the varied key has this value (NULL: none is varied); what it rests on is added to the claim. */
bool fab_claim_measure(FabClaimSpec *spec, const char *value, FabClaimPoint *point, GError **error);

#endif
