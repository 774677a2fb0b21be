/* A collective's scenario with its names resolved, shared by one run (run.c) and many (repeat.c). */
#ifndef FAB_PREDICT_RUN_PRIVATE_H
#define FAB_PREDICT_RUN_PRIVATE_H

#include "collective/choice.h"
#include "engine/engine.h"
#include "predict/fault.h"
#include "predict/run.h"

/* depth.c: what is known of the network's part in an algorithm. */
typedef struct FabDepthLooks FabDepthLooks;

typedef struct {
    const FabScenario *scenario;
    const FabTopology *topology;
    const FabConstants *constants;
    FabCollective collective;
    uint32_t *gpus; /* of ranks */
    uint32_t ranks;
    FabWishes wishes;
    FabRouter *router;
    FabMachineFacts facts;
    FabFaultPlan *faults; /* of the scenario; NULL: none. `topology` is what they leave */
    double *pace;         /* of each rank; NULL: 1 */
    int64_t *late_ps;     /* of each rank; NULL: 0 */
    const FabEngineChange *changes;
    uint32_t change_count;
    FabTrail *trail;       /* that a run fills; NULL: none */
    FabTimeline *timeline; /* that a run fills; NULL: none. With one no rank is simulated for another */
    FabDepthLooks *looks;
    double most_whole; /* slices of a tree that is simulated whole; 0: what takes seconds; others are for tests */
    bool part;  /* of a larger run: folded whatever its ranks */
    bool every; /* no steps are taken at once; for tests */
} FabRun;

/* `constants` NULL: those shipped. The caller clears it, also after an error. */
bool fab_run_init(FabRun *run, const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
                  GError **error);
void fab_run_clear(FabRun *run);

/* Refuses sizes and chunks that would take for ever. */
bool fab_run_check_work(const FabRun *run, GError **error);

/* timeline.c: slices of the first channel's busiest role at rank 0, counted up to `most` + 1. */
uint64_t fab_run_slices(const FabProgram *program, uint64_t most);

/* What a size would run: the plan, and its program. Owned by the caller; NULL with an error. */
FabProgram *fab_run_program(const FabRun *run, uint64_t size, FabPlan *plan, GError **error);

/* The program of a plan. Owned by the caller; NULL with an error. */
FabProgram *fab_run_emit(const FabRun *run, uint64_t size, const FabPlan *plan, GError **error);

/* The engine's part, and the constants' around it. `report` is cleared by the caller on success. */
bool fab_run_simulate(const FabRun *run, const FabPlan *plan, const FabProgram *program, FabEngineReport *report,
                      GError **error);

/* What a clock shows of it; *launch_bound (may be NULL): the host is slower than the device. */
int64_t fab_run_clock_ps(const FabRun *run, const FabPlan *plan, const FabEngineReport *report, bool *launch_bound);

#endif
