/* Training scenarios on their machine: does a step fit, how long is it. */
#ifndef FAB_PREDICT_TRAINING_H
#define FAB_PREDICT_TRAINING_H

#include "scenario/scenario.h"
#include "topology/topology.h"
#include "workload/memory.h"

/* What a training scenario needs of memory, and what it was worked out from. */
typedef struct {
    char *name;
    char *scenario;        /* its text */
    FabModel *model;
    FabTraining *training; /* placed */
    FabMemory *memory;
    char *gpu;             /* id of the GPU model */
    char *topology;
} FabFootprint;

/* `topology` NULL: built from the scenario. Refuses scenarios without [training]. Owned by the caller. */
FabFootprint *fab_footprint_new(const FabScenario *scenario, const FabTopology *topology, GError **error);
void fab_footprint_free(FabFootprint *footprint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFootprint, fab_footprint_free)

#endif
