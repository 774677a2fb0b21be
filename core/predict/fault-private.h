/* What the files that turn faults into a plan share. */
#ifndef FAB_PREDICT_FAULT_PRIVATE_H
#define FAB_PREDICT_FAULT_PRIVATE_H

#include "predict/fault.h"

/* One fault on its machine. */
typedef struct {
    const FabScenario *scenario;
    const FabTopology *topology; /* without any */
    const FabFault *fault;
    double *share;    /* of each link: what is left of its rate; multiplied into */
    double *pace;     /* of each GPU, the same */
    int64_t *late_ps; /* of each GPU; added to */
    uint32_t gpus;    /* of pace and late_ps, where further machines of the kind follow the topology's; 0: its own */
    double *nic;      /* of each vertex: what is left of a NIC; NULL: NICs without cables are refused */
} FabPlacing;

/* fault.c: shares and paces before any fault: 1 each. Owned by the caller. */
double *fab_fault_untouched(uint32_t count);
/* Marks what the fault does. An error for a place that the machine does not have. */
bool fab_fault_place(const FabPlacing *placing, GError **error);
/* An error that names the fault where `left` has no way between two of the GPUs. */
bool fab_fault_check_joined(const FabPlacing *placing, const FabTopology *left, const uint32_t *gpus, uint32_t count,
                            GError **error);

/* A plan of what was marked, for faults that none of them begins or ends during the run. */
FabFaultPlan *fab_fault_plan_of_marks(const FabPlacing *placing, const uint32_t *gpus, uint32_t count, GError **error);

/*
 * background.c: what other jobs, on nodes without these GPUs and those of copies, take is gone from the first instant
 * on. After fab_fault_plan_times().
 */
bool fab_fault_plan_background(FabFaultPlan *plan, const FabScenario *scenario, const uint32_t *gpus, uint32_t count,
                               GError **error);

/* fault-time.c: fills changes and stages of a plan whose topology is ready. */
bool fab_fault_plan_times(FabFaultPlan *plan, const FabScenario *scenario, const FabTopology *topology,
                          const uint32_t *gpus, uint32_t count, GError **error);

#endif
