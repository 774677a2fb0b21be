/* What cannot be of use: resources that hold nothing back, of which more would leave every transfer as it is. */
#ifndef FAB_PREDICT_HEADROOM_H
#define FAB_PREDICT_HEADROOM_H

#include "scenario/scenario.h"
#include "topology/topology.h"

/*
 * Whether a collective's scenario is simulated on its machine as it is, so that what a run says of its resources holds
 * for the next: no faults, no other jobs, no draws, no network that is lossless.
 */
bool fab_headroom_is_known(const FabScenario *scenario, const FabTopology *topology);

/* Whether NCCL's graph search finds the same rings on both machines, which differ in rates of resources. */
bool fab_headroom_same_rings(const FabScenario *scenario, const FabTopology *one, const FabTopology *other);

#endif
