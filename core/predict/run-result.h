/* What runs of every kind share: how a result begins, what its links carried, which ways are allowed. */
#ifndef FAB_PREDICT_RUN_RESULT_H
#define FAB_PREDICT_RUN_RESULT_H

#include "result/result.h"
#include "scenario/scenario.h"
#include "topology/route.h"

/* Names of scenario and machine, no rows yet. Owned by the caller. */
FabResult *fab_run_result_new(const FabScenario *scenario, const FabTopology *topology);

/* The resources that carried something, the busiest first; the row's time is known. `carried` in bytes, of each. */
void fab_run_add_uses(FabResultRow *row, const FabTopology *topology, const double *carried);

/* How far GPUs talk directly over PCIe: what the scenario says, else what NCCL does with so many ranks. */
bool fab_run_rules(const FabScenario *scenario, const FabTopology *topology, uint32_t ranks, FabRouteRules *rules,
                   GError **error);

#endif
