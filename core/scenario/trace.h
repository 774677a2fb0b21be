/* An execution trace as plain data: [trace] of a scenario. */
#ifndef FAB_SCENARIO_TRACE_H
#define FAB_SCENARIO_TRACE_H

#include "base/keyfile.h"
#include "scenario/training.h"

typedef struct {
    char *files;            /* PREFIX of PREFIX.0.et, PREFIX.1.et, ...; found beside the scenario */
    bool all_dependences;   /* control dependences are waited for too */
    FabPrecision precision; /* of the operations of nodes without a duration */
} FabTraceWish;

/* Keys of [trace]; NULL-terminated. */
extern const char *const fab_trace_keys[];

bool fab_trace_wish_read(FabKeyfile *file, FabTraceWish *wish, GError **error);

#endif
