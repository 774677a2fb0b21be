#include "engine/timeline.h"

FabTimeline *
fab_timeline_new(const FabProgram *program, uint32_t ranks, uint32_t channels)
{
    FabTimeline *timeline = g_new0(FabTimeline, 1);

    timeline->ranks = MIN(ranks, program->ranks);
    timeline->channels = MIN(channels, program->channels);
    timeline->roles = program->roles;
    timeline->slices = g_array_new(FALSE, FALSE, sizeof(FabTimelineSlice));
    timeline->ends = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    timeline->open = g_new0(guint, (gsize)timeline->ranks * timeline->channels * timeline->roles);
    return timeline;
}

void
fab_timeline_free(FabTimeline *timeline)
{
    if (timeline == NULL)
        return;
    g_array_unref(timeline->slices);
    g_array_unref(timeline->ends);
    g_free(timeline->open);
    g_free(timeline);
}

/* NULL: the stream is not kept. */
static guint *
open_of(FabTimeline *timeline, const FabStream *at)
{
    if (at->rank >= timeline->ranks || at->channel >= timeline->channels)
        return NULL;
    return &timeline->open[((gsize)at->rank * timeline->channels + at->channel) * timeline->roles + at->role];
}

void
fab_timeline_begin(FabTimeline *timeline, const FabStream *at, uint64_t index, const FabStep *step, uint64_t bytes,
                   int64_t now)
{
    guint *open = open_of(timeline, at);
    FabTimelineSlice slice = { .at = *at, .step = index, .name = fab_step_name(step),
                               .in_switch = step->flags & (FAB_STEP_IN_SWITCH | FAB_STEP_IN_NETWORK), .bytes = bytes,
                               .start_ps = now, .end_ps = now, .ends = timeline->ends->len,
                               .recv_count = step->recv_count, .send_count = step->send_count };

    if (open == NULL)
        return;
    for (uint32_t i = 0; i < step->recv_count; i++)
        g_array_append_val(timeline->ends, step->recv[i].connection);
    for (uint32_t i = 0; i < step->send_count; i++)
        g_array_append_val(timeline->ends, step->send[i].connection);
    g_array_append_val(timeline->slices, slice);
    *open = timeline->slices->len;
}

void
fab_timeline_end(FabTimeline *timeline, const FabStream *at, int64_t now)
{
    guint *open = open_of(timeline, at);

    timeline->end_ps = MAX(timeline->end_ps, now);
    if (open == NULL || *open == 0)
        return;
    g_array_index(timeline->slices, FabTimelineSlice, *open - 1).end_ps = now;
    *open = 0;
}
