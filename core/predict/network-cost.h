/* What moving data between nodes costs beside the fabric: proxy threads and their messages. */
#ifndef FAB_PREDICT_NETWORK_COST_H
#define FAB_PREDICT_NETWORK_COST_H

#include "collective/choice.h"
#include "engine/engine.h"

/* Changes what a plan costs inside a node to what it costs over several, where messages are `speed` times as fast. */
void fab_network_cost(const FabMachineFacts *facts, const FabPlan *plan, double speed, FabExecution *execution);

#endif
