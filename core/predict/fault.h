/* The faults of a scenario on its machine: what is left of it, and what each fault costs. docs/faults.md. */
#ifndef FAB_PREDICT_FAULT_H
#define FAB_PREDICT_FAULT_H

#include "engine/engine.h"
#include "scenario/scenario.h"
#include "predict/run.h"
#include "topology/topology.h"

typedef struct {
    FabTopology *topology; /* what faults of the whole run leave; its numbers are those of the machine */
    double *pace;          /* of each GPU: kernels take so many times as long; NULL: 1 */
    int64_t *late_ps;      /* of each GPU: kernels begin so much later; NULL: 0 */
    GArray *changes;       /* FabEngineChange of faults that begin or end during the run; paces are of GPUs, and */
    GPtrArray *stages;     /* FabTopology: ways are those of stage `number` */
    GPtrArray *routers;    /* of the stages, once asked for */
} FabFaultPlan;

/* Whether something is wrong with the scenario's machine, or others use its network. */
bool fab_fault_any(const FabScenario *scenario);

/*
 * The machine with the scenario's faults and [background], for work on `count` GPUs (indices). An error for a place
 * that the machine does not have, and for faults that cut one of these GPUs off. Owned by the caller.
 */
FabFaultPlan *fab_fault_plan_new(const FabScenario *scenario, const FabTopology *topology, const uint32_t *gpus,
                                 uint32_t count, GError **error);
void fab_fault_plan_free(FabFaultPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFaultPlan, fab_fault_plan_free)

/*
 * The changes of a run whose rank i is GPU gpus[i], where routers follow `rules`; once for a plan, to which they
 * belong. *count: ranks, then changes.
 */
const FabEngineChange *fab_fault_plan_changes(FabFaultPlan *plan, const FabRouteRules *rules, const uint32_t *gpus,
                                              uint32_t *count);

/*
 * After a run on these GPUs that failed with *error: where reductions in NVSwitches lost a switch that data was to go
 * round, another error that names the fault.
 */
void fab_fault_plan_explain(const FabFaultPlan *plan, const FabScenario *scenario, const uint32_t *gpus, uint32_t count,
                            GError **error);

/*
 * What the scenario's faults leave of each link, 0 to 1, whenever they are there; an error for a place that the machine
 * does not have. Owned by the caller.
 */
double *fab_fault_left(const FabScenario *scenario, const FabTopology *topology, GError **error);

/* Adds to a result what the machine without faults would take, and with each alone. */
bool fab_fault_costs(const FabScenario *scenario, const FabTopology *topology, FabResult *result, GError **error);

#endif
