/* A collective over time: what the first channels of the first ranks do, at a size whose slices can be told apart. */
#ifndef FAB_PREDICT_TIMELINE_H
#define FAB_PREDICT_TIMELINE_H

#include "engine/timeline.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

typedef struct {
    FabTimeline *streams;
    char *collective, *algorithm, *protocol;
    uint64_t size;
    uint32_t ranks, channels; /* of all */
    double idle_share;        /* of all streams' time, spent waiting for slices and slots */
} FabRunTimeline;

/*
 * Of a collective's scenario, its largest size with at most `most_slices` in a stream, or its smallest one; as many
 * channels as `most_rows` streams allow. NULL with an error: it is no collective, it cannot be run, or it has too many
 * ranks to be simulated for a picture. Owned by the caller.
 */
FabRunTimeline *fab_run_timeline(const FabScenario *scenario, const FabTopology *topology, uint32_t most_rows,
                                 uint32_t most_slices, GError **error);
/*
 * The same of as many ranks, with all their channels, as have `most` slices together, for programs that show timelines:
 * the largest size that can be simulated slice by slice. At least one channel of one rank.
 */
FabRunTimeline *fab_run_timeline_whole(const FabScenario *scenario, const FabTopology *topology, uint32_t most,
                                       GError **error);
void fab_run_timeline_free(FabRunTimeline *timeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabRunTimeline, fab_run_timeline_free)

#endif
