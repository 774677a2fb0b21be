/* A collective over time in the Trace Event Format, which ui.perfetto.dev and chrome://tracing show. */
#include "base/units.h"
#include "report/stream.h"
#include "report/timeline.h"

char *
fab_report_timeline_rest(const FabRunTimeline *timeline)
{
    const FabTimeline *streams = timeline->streams;

    if (streams->ranks < timeline->ranks && streams->channels < timeline->channels)
        return g_strdup_printf("the first %u of %u ranks, the first %u of their %u channels", streams->ranks,
                               timeline->ranks, streams->channels, timeline->channels);
    if (streams->ranks < timeline->ranks)
        return g_strdup_printf("the first %u of %u ranks", streams->ranks, timeline->ranks);
    if (streams->channels < timeline->channels)
        return g_strdup_printf("the first %u of %u channels", streams->channels, timeline->channels);
    return NULL;
}

/* A thread of its own for each part of a channel: they are at work at once. */
static void
write_names(const FabRunTimeline *timeline, FILE *out)
{
    const FabTimeline *streams = timeline->streams;

    for (uint32_t rank = 0; rank < streams->ranks; rank++) {
        fprintf(out, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%u,\"args\":{\"name\":\"rank %u\"}},\n", rank,
                rank);
        for (uint32_t thread = 0; thread < streams->channels * streams->roles; thread++) {
            uint32_t channel = thread / streams->roles;
            fprintf(out, "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":\"channel %u",
                    rank, thread, channel);
            if (streams->roles > 1)
                fprintf(out, ", part %u", thread % streams->roles);
            fputs("\"}},\n", out);
        }
    }
}

static const char *
category(const FabTimelineSlice *slice)
{
    if (slice->in_switch)
        return "switch";
    return slice->send_count > 0 ? "send" : "local";
}

void
fab_report_timeline_trace(const FabRunTimeline *timeline, FILE *out)
{
    const FabTimeline *streams = timeline->streams;
    g_autofree char *rest = fab_report_timeline_rest(timeline), *size = fab_format_bytes(timeline->size);

    fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{", out);
    fab_stream_json_member(out, "collective", timeline->collective, ",");
    fab_stream_json_member(out, "algorithm", timeline->algorithm, ",");
    fab_stream_json_member(out, "protocol", timeline->protocol, ",");
    fab_stream_json_member(out, "size", size, ",");
    fab_stream_json_member(out, "kept", rest != NULL ? rest : "all ranks and channels", "},\n\"traceEvents\":[\n");
    write_names(timeline, out);
    for (guint i = 0; i < streams->slices->len; i++) {
        const FabTimelineSlice *slice = &g_array_index(streams->slices, FabTimelineSlice, i);
        g_autofree char *start = fab_stream_microseconds(slice->start_ps);
        g_autofree char *length = fab_stream_microseconds(slice->end_ps - slice->start_ps);
        fprintf(out, "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%u,\"tid\":%u,\"ts\":%s,\"dur\":%s,\"args\":"
                "{\"step\":%" G_GUINT64_FORMAT ",\"bytes\":%" G_GUINT64_FORMAT "}},\n", slice->name, category(slice),
                slice->at.rank, slice->at.channel * streams->roles + slice->at.role, start, length, slice->step,
                slice->bytes);
    }
    fputs("{\"name\":\"process_labels\",\"ph\":\"M\",\"pid\":0,\"args\":{\"labels\":", out);
    fab_stream_json_text(out, size);
    fputs("}}\n]}\n", out);
}
