/* What some streams of a run did and when: slice by slice, for pictures. */
#ifndef FAB_ENGINE_TIMELINE_H
#define FAB_ENGINE_TIMELINE_H

#include "program/program.h"

typedef struct {
    FabStream at;
    uint64_t step;     /* of the stream, from 0 */
    const char *name;  /* of the step, as NCCL calls it; static */
    bool in_switch;    /* the switch reduces or multicasts it */
    uint64_t bytes;
    int64_t start_ps, end_ps; /* from the start of the first kernel; the rest of a stream's time it waits */
    guint ends;        /* in the timeline's: its connections, first those that it receives from */
    uint16_t recv_count, send_count;
} FabTimelineSlice;

typedef struct {
    uint32_t ranks, channels, roles; /* what is kept: the first of each */
    GArray *slices;      /* FabTimelineSlice, by start */
    GArray *ends;        /* uint32_t */
    int64_t end_ps;      /* of the last slice of all streams, those too that are not kept */
    guint *open;         /* of each stream that is kept: 1 + its slice that has not ended; 0: none */
} FabTimeline;

/* Keeps the first `ranks` ranks and `channels` channels of a program, at most all of them. Owned by the caller. */
FabTimeline *fab_timeline_new(const FabProgram *program, uint32_t ranks, uint32_t channels);
void fab_timeline_free(FabTimeline *timeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTimeline, fab_timeline_free)

/* For the engine: a slice of a stream begins; the one that the stream began ends. */
void fab_timeline_begin(FabTimeline *timeline, const FabStream *at, uint64_t index, const FabStep *step, uint64_t bytes,
                        int64_t now);
void fab_timeline_end(FabTimeline *timeline, const FabStream *at, int64_t now);

#endif
