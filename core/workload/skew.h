/* How much more the busiest GPU's experts have to do than the mean. */
#ifndef FAB_WORKLOAD_SKEW_H
#define FAB_WORKLOAD_SKEW_H

#include "scenario/training.h"

/* 1 or more, at most ep: as the scenario states it, or of experts whose popularity falls by Zipf's law. */
double fab_expert_skew(const FabTraining *training, const FabModel *model);

#endif
