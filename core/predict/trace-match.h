/* Which nodes of a trace's ranks are one collective or one message. */
#ifndef FAB_PREDICT_TRACE_MATCH_H
#define FAB_PREDICT_TRACE_MATCH_H

#include "predict/concurrent.h"
#include "workload/execution-trace.h"

#define FAB_TRACE_NO_CALL UINT32_MAX

typedef struct {
    uint32_t rank, node;
} FabTraceMember;

typedef struct {
    FabCall call;       /* its ranks are those of its group */
    uint32_t first;     /* of the members, one for each rank of the group */
    uint32_t channel;   /* calls of one channel follow each other */
} FabTraceCall;

typedef struct {
    GArray *calls;      /* FabTraceCall */
    GArray *members;    /* FabTraceMember */
    uint32_t **call_of; /* [rank][node]: its call, or FAB_TRACE_NO_CALL */
    GPtrArray *groups;  /* uint32_t *: ranks, lent to the calls */
    uint32_t channels, ranks;
    uint32_t lone;      /* collectives of one rank, which cost nothing */
} FabTraceMatch;

FabTraceMatch *fab_trace_match_new(const FabTrace *trace, GError **error);
void fab_trace_match_free(FabTraceMatch *match);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTraceMatch, fab_trace_match_free)

/* A sentence about collectives of one rank: the files of the others may be missing. NULL: there are none of them. Owned
 * by the caller. */
char *fab_trace_match_lone(uint64_t lone);

static inline FabTraceCall *
fab_trace_call(const FabTraceMatch *match, uint32_t call)
{
    return &g_array_index(match->calls, FabTraceCall, call);
}

#endif
