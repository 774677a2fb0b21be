/* The same run with several seeds of the network's hash: how far draws lie apart. docs/clusters.md. */
#ifndef FAB_PREDICT_SEEDS_H
#define FAB_PREDICT_SEEDS_H

#include "predict/run.h"
#include "topology/route.h"

/* One draw. */
typedef FabResult *(*FabSeedsRun)(const FabScenario *scenario, const FabTopology *topology,
                                  const FabConstants *constants, FabProgress progress, void *user, GError **error);

/*
 * Runs scenario->seeds draws, from the machine's own seed on, one on each core. Each row is that of the draw whose time
 * is the median of its size, with the draws beside it; the result does not depend on the number of cores. An error
 * where no hash draws anything.
 */
FabResult *fab_seeds_run(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
                         FabSeedsRun run, FabProgress progress, void *user, GError **error);

/*
 * Whether the hash has anything to draw: a way of the collective's or of the copies, or of the background's flows. Also
 * true of a scenario that cannot run, so that running it says why.
 */
bool fab_seeds_are_drawn(const FabScenario *scenario, const FabTopology *topology);

/* Where a hash draws the way from one GPU (index) to another, and one draw alone is run: adds a note that says so. */
void fab_seeds_note(const FabScenario *scenario, FabRouter *router, uint32_t from, uint32_t to, FabResult *result);

#endif
