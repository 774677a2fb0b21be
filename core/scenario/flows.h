/* [transfer] flows, and numbers of GPUs in lists. */
#ifndef FAB_SCENARIO_FLOWS_H
#define FAB_SCENARIO_FLOWS_H

#include "scenario/scenario.h"

/* Numbers of GPUs are below it. */
enum { FAB_MOST_GPUS = 1 << 20 };

/* One GPU index of a list. The message has no place in it, as that of the next. */
bool fab_parse_gpu(const char *text, uint32_t *gpu, GError **error);

/* "0>1 2<>3 h>0": sets the pairs of the scenario; h is host memory. */
bool fab_parse_flows(const char *text, FabScenario *scenario, GError **error);

#endif
