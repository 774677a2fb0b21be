/* The state of a run of the engine, which its sources share. */
#ifndef FAB_ENGINE_PRIVATE_H
#define FAB_ENGINE_PRIVATE_H

#include "engine/engine.h"
#include "engine/flow.h"
#include "engine/queue.h"

typedef enum { STREAM_NEXT, STREAM_INPUT, STREAM_OUTPUT, STREAM_MOVING, STREAM_TAIL, STREAM_DONE } FabStreamState;

/*
 * A FIFO. Slot s holds slice s, s + slots, ...; its time is when it was last filled or freed, as the other end sees
 * it.
 */
typedef struct {
    const FabRoute *push, *pull; /* resources used while its sender, its receiver works */
    uint32_t receiver, sender;   /* the stream that waits, or NOBODY */
    uint32_t posted, taken;      /* slices */
} FabConnection;

typedef struct {
    FabStream at;
    FabStreamState state;
    uint32_t slice, slices; /* of the step */
    uint32_t end;           /* the end that it waits for */
    uint64_t index;         /* of the step */
    uint64_t moved;         /* bytes of the step in earlier slices */
    uint64_t bytes;         /* of this slice */
    int64_t since;          /* waits since */
    FabStep step;
} FabStreamRun;

typedef struct {
    const FabEngineSpec *spec;
    const FabProgram *program;
    const FabExecution *execution;
    FabQueue *queue;
    FabFlowSet *flows;
    FabStreamRun *streams;
    FabConnection *connections;
    int64_t *slots; /* program->slots for each connection */
    const FabRoute *multicast;
    const FabRoute **accesses; /* of the shared memory, by rank and kind of step; NULL without one */
    double send_rate[FAB_PROGRAM_ROLES], copy_rate[FAB_PROGRAM_ROLES]; /* of each role, B/s */
    int64_t *began, *ended; /* of each rank: first transfer to it or own slice, end of its last stream */
    uint32_t stream_count, running;
    int64_t now, finish;
    double copy_ps, wait_ps;
    FabEngineReport *report;
    GError *error;
} FabEngine;

/* Starts the accesses of a slice to the memory that all ranks share. */
void fab_engine_access(FabEngine *engine, FabStreamRun *stream);

/* After the last event: what was sent was received; no slice is left in any FIFO. Sets engine->error. */
void fab_engine_check_end(FabEngine *engine);

/* Names the ranks and steps that wait for ever in engine->error. */
void fab_engine_set_deadlock(FabEngine *engine);

void fab_engine_fill_report(FabEngine *engine);

#endif
