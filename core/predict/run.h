/* Joins the stages: scenario -> topology -> program -> engine -> result. */
#ifndef FAB_PREDICT_RUN_H
#define FAB_PREDICT_RUN_H

#include "collective/constants.h"
#include "result/result.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

/* Called now and then with the work done so far, 0..1; `user` is the caller's. */
typedef void (*FabProgress)(double done, const char *what, void *user);

/* Runs every size. `progress` may be NULL. Owned by the caller. */
FabResult *fab_run(const FabScenario *scenario, FabProgress progress, void *user, GError **error);

/* The same on a machine that was built already. `constants` NULL: of the scenario's overlay, else those shipped. */
FabResult *fab_run_on(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
                      FabProgress progress, void *user, GError **error);

/*
 * NCCL's own estimate for each size of a collective's scenario, in microseconds: the cheapest cell of its cost table
 * that the scenario leaves. NaN where the table has none: alltoall, sendrecv, a number of channels that was forced. A
 * yardstick, not a prediction of ours.
 */
bool fab_run_nccl_estimate(const FabScenario *scenario, const FabTopology *topology, double *time_us, GError **error);

/*
 * A collective's scenario made ready to be run again and again with other constants; scenario and machine must outlive
 * it. What the constants do not change is not run again. One thread at a time.
 */
typedef struct FabRepeat FabRepeat;

FabRepeat *fab_repeat_new(const FabScenario *scenario, const FabTopology *topology, GError **error);
void fab_repeat_free(FabRepeat *repeat);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabRepeat, fab_repeat_free)

/* time_ps[i] is what fab_run_on() says for size i. */
bool fab_repeat_run(FabRepeat *repeat, const FabConstants *constants, int64_t *time_ps, GError **error);

#endif
