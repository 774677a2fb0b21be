/*
 * What a scenario comes to, the same for collectives, copies and training steps: times with their intervals, what
 * binds, what it costs. Comparisons, sweeps and claims are made of these.
 */
#ifndef FAB_STUDY_OUTCOME_H
#define FAB_STUDY_OUTCOME_H

#include "scenario/scenario.h"
#include "predict/run.h"
#include "topology/topology.h"

typedef struct {
    uint64_t size_bytes;       /* 0: a training step, or a further token of an answer */
    double seconds;
    double low_s, high_s;      /* nine of ten measurements lie between them; 0: nothing is known */
    const void *alike;         /* of a training step: what it shares its constants by; rows with the same compare by */
    double own_low_s, own_high_s; /* these: whose machine it is is then common to both */
    double work;               /* done in that time: bytes, or tokens of a training step */
    double algbw, busbw;       /* B/s; 0: a training step, or not defined */
    char *binding;             /* what limits: a resource, "latency"; of a step the part that is longest */
    char *over;                /* of a step that an exchange binds: what binds that, a link; else NULL */
    double binding_share;      /* of the time that it is busy, 0..1 */
    char *kind;                /* as in FabResultRow; or NULL */
    bool extrapolated;         /* gone on to from smaller machines, not simulated */
} FabOutcomeRow;

typedef struct {
    FabScenarioKind kind;
    char *name, *topology;
    char *scenario;            /* its text */
    char *what;                /* "all_reduce", "transfer", "training of llama-3-8b" */
    uint32_t gpus, machines;   /* that do the work */
    char *interval;            /* what the intervals rest on, or why there are none */
    char *faults;              /* what is wrong with the machine, in words; NULL: nothing */
    double goodput;            /* share of a training run's time that is work which lasts; 0: not asked for */
    bool guessed;              /* nobody measured such a machine, or such a stack on such GPUs */
    /* Training steps: of the fullest GPU. 0: not a step */
    double memory_bytes, memory_capacity;
    bool fits;                 /* true for all others */
    double per_second;         /* what a second costs; 0: no price is given */
    char currency[4];
    double watts;              /* of all machines, the building included; 0: not given */
    char *price, *power;       /* in words, with date and source; NULL: not given */
    GPtrArray *rows;           /* FabOutcomeRow */
} FabOutcome;

/* `topology` NULL: built from the scenario. `progress` may be NULL. Owned by the caller. */
FabOutcome *fab_outcome_new(const FabScenario *scenario, const FabTopology *topology, FabProgress progress, void *user,
                            GError **error);
void fab_outcome_free(FabOutcome *outcome);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabOutcome, fab_outcome_free)

/* Whether a scenario's work is counted in tokens, not in bytes: a training step, inference. */
bool fab_outcome_counts_tokens(FabScenarioKind kind);

/* The row of a size, NULL: there is none. */
const FabOutcomeRow *fab_outcome_row(const FabOutcome *outcome, uint64_t size_bytes);

/*
 * How many times faster b does a unit of work than a. `low` and `high` take the worst of one interval with the best of
 * the other: nothing is assumed of how their errors hang together, but that two training steps of one stack on one
 * generation of GPUs are of one owner, whose machines are as slow in both. `known` false: one has no interval, low and
 * high are value.
 */
typedef struct {
    double value, low, high;
    bool known;
    bool guessed; /* an interval under it is a guess, where the rows do not tell */
} FabRatio;

FabRatio fab_ratio_of(const FabOutcomeRow *a, const FabOutcomeRow *b);

#endif
