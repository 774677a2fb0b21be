/*
 * The critical path of a collective: the slices of which each could not start before the one before it had ended, from
 * the first kernel's start to the last slice's end. What makes none of them shorter makes the collective no shorter.
 */
#ifndef FAB_PREDICT_CRITICAL_PATH_H
#define FAB_PREDICT_CRITICAL_PATH_H

#include "predict/phase.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

typedef struct {
    uint64_t slices;     /* on it; 0: there are too many slices to follow */
    uint64_t hops;       /* of these, how many waited for data of another rank */
    int64_t moving_ps;   /* they move data, each with the steps of its kernel; messages between nodes too */
    int64_t handing_ps;  /* data that has left a rank is not yet seen by the next one, or not yet sent to its node */
    int64_t room_ps;     /* a sender has not yet seen that there is room again */
    int64_t around_ps;   /* before the first slice and after the last one: launching, late channels, the host */
    GPtrArray *phases;   /* FabPhase: what binds on it; NULL: not followed */
    bool *bound;         /* by resource: it held a transfer back at some time, on the path or off it */
} FabCriticalPath;

/*
 * Of one size of a collective's scenario; the parts add up to its predicted time, and so do the phases: launch; fill,
 * until every stream has begun; steady state; drain, from when the first stream has done its work.
 */
bool fab_critical_path(const FabScenario *scenario, const FabTopology *topology, uint64_t size, FabCriticalPath *path,
                       GError **error);
void fab_critical_path_clear(FabCriticalPath *path);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabCriticalPath, fab_critical_path_clear)

#endif
