/* Simultaneous copies between GPUs: who shares what, and when the last one ends. */
#ifndef FAB_STUDY_TRANSFER_H
#define FAB_STUDY_TRANSFER_H

#include "engine/engine.h"
#include "study/run.h"
#include "topology/route.h"

/*
 * Runs [transfer] of a scenario: all pairs start at once and move `size` bytes each. The row's algbw is all bytes over
 * the time of the last one. NULL with an error for a pair that does not exist or cannot be reached. `changes` are of
 * capacities.
 */
FabResult *fab_transfer_run(const FabScenario *scenario, const FabTopology *topology, const FabEngineChange *changes,
                            uint32_t change_count, GError **error);

/* Shared with run.c. */
FabResult *fab_run_result_new(const FabScenario *scenario, const FabTopology *topology);
void fab_run_add_uses(FabResultRow *row, const FabTopology *topology, const double *carried);
bool fab_run_rules(const FabScenario *scenario, const FabTopology *topology, uint32_t ranks, FabRouteRules *rules,
                   GError **error);

#endif
