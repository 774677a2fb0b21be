/* In which order the nodes of a trace's ranks can be done, however long they take, and what waits for ever. */
#ifndef FAB_PREDICT_TRACE_ORDER_H
#define FAB_PREDICT_TRACE_ORDER_H

#include "predict/trace-match.h"

typedef struct {
    const FabTrace *trace;
    const FabTraceMatch *match;
    uint32_t **open;       /* [rank][node]: what it still waits for */
    uint32_t **from, **to; /* [rank]: nodes that wait for node i are to[from[i]] .. to[from[i + 1]] */
    uint32_t *arrived;     /* [call]: ranks */
    uint64_t left;         /* nodes not done */
} FabTraceOrder;

/* Lends both; nothing is done yet. Whoever does nodes counts `open`, `arrived` and `left`. */
void fab_trace_order_init(FabTraceOrder *order, const FabTrace *trace, const FabTraceMatch *match);
void fab_trace_order_clear(FabTraceOrder *order);

/* Names a circle on which nodes wait for each other. Some are left, and none of them can be done. */
void fab_trace_order_report(const FabTraceOrder *order, GError **error);

/* Does all nodes without a machine. False with the circle where ranks wait for each other. */
bool fab_trace_order_check(const FabTrace *trace, const FabTraceMatch *match, GError **error);

#endif
