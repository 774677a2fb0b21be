/* Ranks that are parts of one device: what its memory, cache and processors make of a program. */
#ifndef FAB_PREDICT_SHARED_H
#define FAB_PREDICT_SHARED_H

#include "collective/choice.h"
#include "engine/engine.h"

/*
 * Replaces what NCCL's kernels cost by what the device costs; `spec` has topology and program. `launch_s` negative: the
 * device's.
 */
void fab_shared_costs(FabEngineSpec *spec, const FabSharedFactors *factors, FabProtocol protocol, double launch_s);

/*
 * NCCL's estimates are of links, which are not there: rings where nothing else is asked for, as many channels as the
 * processors of the device hold, and protocol simple.
 */
void fab_shared_facts(const FabTopology *topology, FabMachineFacts *facts, FabWishes *wishes);

#endif
