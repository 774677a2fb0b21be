/* Execution traces on a machine: nodes as their ranks' streams execute them, collectives on the fabric. */
#ifndef FAB_PREDICT_TRACE_RUN_H
#define FAB_PREDICT_TRACE_RUN_H

#include "collective/constants.h"
#include "result/result.h"
#include "scenario/scenario.h"
#include "topology/topology.h"
#include "workload/execution-trace.h"

/* What one rank did. */
typedef struct {
    int64_t compute_ps;       /* its GPU computes */
    int64_t host_ps;          /* its CPU does */
    int64_t exposed_ps;       /* a collective or message is in progress and its GPU does not compute */
    int64_t end_ps;
} FabTraceTimes;

typedef struct {
    int64_t length_ps;
    FabTraceTimes *ranks;
    uint32_t rank_count;
    uint64_t nodes, calls;    /* nodes that do something; collectives and messages */
    uint64_t metadata;        /* nodes that do nothing */
    uint64_t lone;            /* collectives of one rank */
    double bytes;             /* that ranks put into them */
    double alone_ps, took_ps; /* calls: sum of their times alone, and of those they had */
    double *carried;          /* by resource of the topology */
} FabTraceRun;

/*
 * Rank r is GPU r. Collectives of a group are matched in the order of the files; those whose ranks do not fit together
 * are refused, and circles through several ranks named. `constants` NULL: those shipped.
 */
FabTraceRun *fab_trace_run(const FabTrace *trace, const FabTraceWish *wish, const FabTopology *topology,
                           const FabConstants *constants, GError **error);
void fab_trace_run_free(FabTraceRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTraceRun, fab_trace_run_free)

/* A scenario's, as a result of one row. */
FabResult *fab_trace_result(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
                            GError **error);

#endif
