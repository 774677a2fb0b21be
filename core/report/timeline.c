#include "report/timeline.h"

#include <string.h>

#include "base/units.h"
#include "report/stream.h"

/* SVG units. */
enum { WIDTH = 1200, LEFT = 150, RIGHT = 1160, TOP = 84, ROW = 22, BOX = 18, TICKS = 8 };
/* Boxes beside each other that are closer than this are drawn as one. */
#define NEAR 0.35

typedef struct {
    const FabRunTimeline *timeline;
    double scale; /* units for each picosecond */
    FILE *out;
} Picture;

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* Readable in grey: what a rank sends first is light, what it only takes is dark. */
enum { SENDS, PASSES, TAKES, COPIES, SWITCH, KINDS };
static const struct {
    const char *name, *fill;
} kinds[KINDS] = { [SENDS] = { "sends its own", "#a9cdee" },
                   [PASSES] = { "receives and sends on", "#3f87c5" },
                   [TAKES] = { "receives only", "#123f66" },
                   [COPIES] = { "copies in its memory", "#8a8f98" },
                   [SWITCH] = { "the switch reduces or multicasts", "#e0a33e" } };

static int
kind_of(const FabTimelineSlice *slice)
{
    bool receives = g_str_has_prefix(slice->name, "recv"), sends = strstr(slice->name, "Send") != NULL ||
                                                                  strcmp(slice->name, "send") == 0;

    return slice->in_switch ? SWITCH : receives && sends ? PASSES : receives ? TAKES : sends ? SENDS : COPIES;
}

static double
x_of(const Picture *picture, int64_t time_ps)
{
    return LEFT + (double)time_ps * picture->scale;
}

/* ------------------------------------------------------------------ around the boxes */

static uint32_t
rows_of(const FabTimeline *streams)
{
    return streams->ranks * streams->channels * streams->roles;
}

static uint32_t
row_of(const FabTimeline *streams, const FabStream *at)
{
    return (at->rank * streams->channels + at->channel) * streams->roles + at->role;
}

static void
write_heading(const Picture *picture)
{
    const FabRunTimeline *timeline = picture->timeline;
    const FabTimeline *streams = timeline->streams;
    g_autofree char *size = fab_format_bytes(timeline->size), *time = fab_format_time(timeline->streams->end_ps);
    bool seen[KINDS] = { false };
    Number idle;
    int x = LEFT;

    fprintf(picture->out, "<text x=\"%d\" y=\"20\" font-size=\"15\">%s, %s, %s %s: the kernels take %s, their channels "
            "wait %s %% of it</text>\n<text x=\"%d\" y=\"40\" font-size=\"12\" fill=\"#566474\">", LEFT,
            timeline->collective, size, timeline->algorithm, timeline->protocol, time,
            fab_stream_fixed(100 * timeline->idle_share, 0, idle), LEFT);
    if (streams->ranks < timeline->ranks || streams->channels < timeline->channels)
        fprintf(picture->out, "The first %u of %u ranks, the first %u of %u channels. ", streams->ranks,
                timeline->ranks, streams->channels, timeline->channels);
    fputs("Between the boxes a channel waits for data or for room.</text>\n", picture->out);
    for (guint i = 0; i < streams->slices->len; i++)
        seen[kind_of(&g_array_index(streams->slices, FabTimelineSlice, i))] = true;
    for (int i = 0; i < KINDS; i++) {
        if (!seen[i])
            continue;
        fprintf(picture->out, "<rect x=\"%d\" y=\"52\" width=\"12\" height=\"12\" fill=\"%s\"/>\n<text x=\"%d\" "
                "y=\"62\" font-size=\"11\">%s</text>\n", x, kinds[i].fill, x + 16, kinds[i].name);
        x += 36 + 7 * (int)strlen(kinds[i].name); /* 11 units high letters are at most 7 wide */
    }
}

static void
write_axis(const Picture *picture, uint32_t bottom)
{
    for (int i = 0; i <= TICKS; i++) {
        int64_t time_ps = picture->timeline->streams->end_ps / TICKS * i;
        g_autofree char *label = fab_format_time(time_ps);
        Number x;
        fab_stream_fixed(x_of(picture, time_ps), 2, x);
        fprintf(picture->out, "<line x1=\"%s\" y1=\"%d\" x2=\"%s\" y2=\"%u\" stroke=\"#d5d9de\"/>\n<text x=\"%s\" "
                "y=\"%u\" font-size=\"11\" text-anchor=\"middle\">%s</text>\n", x, TOP - 4, x, bottom, x, bottom + 14,
                label);
    }
}

static void
write_rows(const Picture *picture)
{
    const FabTimeline *streams = picture->timeline->streams;

    for (uint32_t row = 0; row < rows_of(streams); row++) {
        uint32_t role = row % streams->roles, channel = row / streams->roles % streams->channels;
        g_autofree char *part = streams->roles > 1 ? g_strdup_printf(", part %u", role) : g_strdup("");
        fprintf(picture->out, "<text x=\"%d\" y=\"%u\" font-size=\"11\" text-anchor=\"end\">rank %u, channel %u%s"
                "</text>\n", LEFT - 6, TOP + row * ROW + 13, row / streams->roles / streams->channels, channel, part);
    }
}

/* ------------------------------------------------------------------ boxes */

/* Slices of one kind that are drawn as one box. */
typedef struct {
    const FabTimelineSlice *first;
    int64_t end_ps;
    guint slices;
    uint64_t bytes;
} Box;

static void
write_box(const Picture *picture, uint32_t row, const Box *box)
{
    g_autofree char *bytes = fab_format_bytes(box->bytes), *start = fab_format_time(box->first->start_ps);
    g_autofree char *end = fab_format_time(box->end_ps);
    g_autofree char *what = box->slices == 1
                                ? g_strdup_printf("%s, step %" G_GUINT64_FORMAT, box->first->name, box->first->step)
                                : g_strdup_printf("%u slices from step %" G_GUINT64_FORMAT " on", box->slices,
                                                  box->first->step);
    Number x, width;

    fprintf(picture->out, "<rect x=\"%s\" y=\"%u\" width=\"%s\" height=\"%d\" fill=\"%s\"><title>%s, %s, %s to %s"
            "</title></rect>\n", fab_stream_fixed(x_of(picture, box->first->start_ps), 2, x), TOP + row * ROW,
            fab_stream_fixed((double)(box->end_ps - box->first->start_ps) * picture->scale, 2, width), BOX,
            kinds[kind_of(box->first)].fill, what, bytes, start, end);
}

/* Slices come by start, of each stream one after the other. */
static void
write_boxes(const Picture *picture)
{
    const FabTimeline *streams = picture->timeline->streams;
    g_autofree Box *boxes = g_new0(Box, rows_of(streams));

    for (guint i = 0; i < streams->slices->len; i++) {
        const FabTimelineSlice *slice = &g_array_index(streams->slices, FabTimelineSlice, i);
        Box *box = &boxes[row_of(streams, &slice->at)];
        bool near = box->first != NULL && kind_of(box->first) == kind_of(slice) &&
                    (double)(slice->start_ps - box->end_ps) * picture->scale < NEAR &&
                    (double)(slice->end_ps - slice->start_ps) * picture->scale < 1;
        if (!near && box->first != NULL)
            write_box(picture, row_of(streams, &slice->at), box);
        if (!near)
            *box = (Box) { .first = slice };
        box->end_ps = slice->end_ps;
        box->slices++;
        box->bytes += slice->bytes;
    }
    for (uint32_t row = 0; row < rows_of(streams); row++) {
        if (boxes[row].first != NULL)
            write_box(picture, row, &boxes[row]);
    }
}

void
fab_report_timeline(const FabRunTimeline *timeline, FILE *out)
{
    Picture picture = { timeline, (double)(RIGHT - LEFT) / (double)MAX(timeline->streams->end_ps, 1), out };
    uint32_t bottom = TOP + rows_of(timeline->streams) * ROW;

    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" font-family=\"sans-serif\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", WIDTH, bottom + 24);
    write_heading(&picture);
    write_axis(&picture, bottom);
    write_rows(&picture);
    write_boxes(&picture);
    fputs("</svg>\n", out);
}
