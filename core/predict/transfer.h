/* Simultaneous copies between GPUs: who shares what, and when the last one ends. */
#ifndef FAB_PREDICT_TRANSFER_H
#define FAB_PREDICT_TRANSFER_H

#include "engine/engine.h"
#include "result/result.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

/*
 * Runs [transfer] of a scenario: all pairs start at once and move `size` bytes each. The row's algbw is all bytes over
 * the time of the last one. NULL with an error for a pair that does not exist or cannot be reached. `changes` are of
 * capacities.
 */
FabResult *fab_transfer_run(const FabScenario *scenario, const FabTopology *topology, const FabEngineChange *changes,
                            uint32_t change_count, GError **error);

#endif
