/* What executing a plan costs beside the fabric: NCCL's kernels and the host that launches them. */
#ifndef FAB_PREDICT_COST_H
#define FAB_PREDICT_COST_H

#include "collective/choice.h"
#include "engine/engine.h"
#include "scenario/scenario.h"

typedef struct {
    const FabScenario *scenario;
    const FabMachineFacts *facts;
    const FabConstants *constants;
} FabCost;

FabExecution fab_cost_execution(const FabCost *cost, const FabPlan *plan);

/*
 * What a clock beside the calls shows of the device: back-to-back calls overlap where ranks end at different times
 * (the root of a broadcast is the first that is free again); a call timed alone shows its whole length and what the
 * timing costs.
 */
int64_t fab_cost_device_ps(const FabCost *cost, const FabEngineReport *report);

/*
 * Back-to-back calls follow no faster than the host launches them: a thread that serves several GPUs launches for one
 * after the other. 0 when every GPU has its thread and the scenario states the launch.
 */
int64_t fab_cost_interval_ps(const FabCost *cost, const FabPlan *plan);

/*
 * One of many calls: the device and the host that launches are at work at once, so that the slower of them counts. Up
 * to 2.21, LL128 and Simple over NVLink overlap with a thread that launches for several GPUs in part only.
 */
int64_t fab_cost_call_ps(const FabCost *cost, const FabPlan *plan, int64_t device_ps, int64_t interval_ps);

#endif
