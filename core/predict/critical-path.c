#include "predict/critical-path.h"

#include "collective/overlay.h"
#include "engine/timeline.h"
#include "predict/run-private.h"

/* Slices that are kept to be followed back. */
enum { MOST_SLICES = 500000 };

/* Who posted and who took the slices of each connection, in order: indices of slices. */
typedef struct {
    const FabTimeline *timeline;
    uint32_t connections, slots;
    GArray **posted, **taken; /* guint by connection */
    guint *numbers;           /* of each slice's ends: which slice of the connection it is */
    guint *before;            /* of each slice: 1 + the one before it in its stream; 0: none */
} Web;

static const FabTimelineSlice *
slice_at(const Web *web, guint i)
{
    return &g_array_index(web->timeline->slices, FabTimelineSlice, i);
}

static uint32_t
connection_of(const Web *web, const FabTimelineSlice *slice, uint32_t end)
{
    return g_array_index(web->timeline->ends, uint32_t, slice->ends + end);
}

static void
web_clear(Web *web)
{
    for (uint32_t c = 0; c < web->connections; c++) {
        g_array_unref(web->posted[c]);
        g_array_unref(web->taken[c]);
    }
    g_free(web->posted);
    g_free(web->taken);
    g_free(web->numbers);
    g_free(web->before);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Web, web_clear)

static void
web_init(Web *web, const FabTimeline *timeline, const FabProgram *program)
{
    gsize streams = (gsize)program->ranks * program->channels * program->roles;
    g_autofree guint *last = g_new0(guint, streams);

    *web = (Web) { .timeline = timeline, .connections = program->connections, .slots = program->slots };
    web->posted = g_new(GArray *, MAX(web->connections, 1));
    web->taken = g_new(GArray *, MAX(web->connections, 1));
    for (uint32_t c = 0; c < web->connections; c++) {
        web->posted[c] = g_array_new(FALSE, FALSE, sizeof(guint));
        web->taken[c] = g_array_new(FALSE, FALSE, sizeof(guint));
    }
    web->numbers = g_new(guint, timeline->ends->len + 1);
    web->before = g_new(guint, timeline->slices->len + 1);
    /* Slices of a stream come in order, and so do those of a connection, whose ends are one stream each. */
    for (guint i = 0; i < timeline->slices->len; i++) {
        const FabTimelineSlice *slice = slice_at(web, i);
        guint *stream = &last[((gsize)slice->at.rank * program->channels + slice->at.channel) * program->roles +
                              slice->at.role];
        for (uint32_t end = 0; end < (uint32_t)slice->recv_count + slice->send_count; end++) {
            GArray **all = end < slice->recv_count ? web->taken : web->posted;
            GArray *line = all[connection_of(web, slice, end)];
            web->numbers[slice->ends + end] = line->len;
            g_array_append_val(line, i);
        }
        web->before[i] = *stream;
        *stream = i + 1;
    }
}

/* The one of two slices (1 + index) that ended later, not after `start`. */
static guint
later(const Web *web, guint a, guint b, int64_t start)
{
    if (b == 0 || slice_at(web, b - 1)->end_ps > start)
        return a;
    return a == 0 || slice_at(web, b - 1)->end_ps > slice_at(web, a - 1)->end_ps ? b : a;
}

/* 1 + the slice that this one waited for, and for what; 0: it was the first. */
static guint
cause_of(const Web *web, guint i, int64_t **kind, FabCriticalPath *path)
{
    const FabTimelineSlice *slice = slice_at(web, i);
    guint own = web->before[i], data = 0, room = 0;

    *kind = &path->handing_ps;
    if (own > 0 && slice_at(web, own - 1)->end_ps >= slice->start_ps)
        return own;
    for (uint32_t end = 0; end < (uint32_t)slice->recv_count + slice->send_count; end++) {
        uint32_t c = connection_of(web, slice, end);
        guint number = web->numbers[slice->ends + end];
        if (end < slice->recv_count && number < web->posted[c]->len)
            data = later(web, data, 1 + g_array_index(web->posted[c], guint, number), slice->start_ps);
        if (end >= slice->recv_count && number >= web->slots && number - web->slots < web->taken[c]->len)
            room = later(web, room, 1 + g_array_index(web->taken[c], guint, number - web->slots), slice->start_ps);
    }
    if (room > 0 && later(web, data, room, slice->start_ps) == room) {
        *kind = &path->room_ps;
        return room;
    }
    path->hops += data > 0 && slice_at(web, data - 1)->at.rank != slice->at.rank;
    return data > 0 ? data : own;
}

static void
follow(const Web *web, FabCriticalPath *path)
{
    guint at = 0;

    for (guint i = 0; i < web->timeline->slices->len; i++) {
        if (at == 0 || slice_at(web, i)->end_ps > slice_at(web, at - 1)->end_ps)
            at = i + 1;
    }
    while (at > 0) {
        const FabTimelineSlice *slice = slice_at(web, at - 1);
        int64_t *kind;
        guint cause = cause_of(web, at - 1, &kind, path);
        path->slices++;
        path->moving_ps += slice->end_ps - slice->start_ps;
        if (cause > 0)
            *kind += slice->start_ps - slice_at(web, cause - 1)->end_ps;
        at = cause;
    }
}

static bool
follow_size(FabRun *run, uint64_t size, FabCriticalPath *path, GError **error)
{
    FabPlan plan;
    g_autoptr(FabProgram) program = fab_run_program(run, size, &plan, error);
    g_autoptr(FabTimeline) timeline = NULL;
    g_auto(Web) web = { .connections = 0 };
    FabEngineReport report;
    double streams;

    if (program == NULL)
        return false;
    streams = (double)program->ranks * program->channels * program->roles;
    if (streams * (double)fab_run_slices(program, MOST_SLICES) > MOST_SLICES)
        return true;
    run->timeline = timeline = fab_timeline_new(program, program->ranks, program->channels);
    if (!fab_run_simulate(run, &plan, program, &report, error))
        return false;
    web_init(&web, timeline, program);
    follow(&web, path);
    path->around_ps = fab_run_clock_ps(run, &plan, &report, NULL) - path->moving_ps - path->handing_ps - path->room_ps;
    fab_engine_report_clear(&report);
    return true;
}

bool
fab_critical_path(const FabScenario *scenario, const FabTopology *topology, uint64_t size, FabCriticalPath *path,
                  GError **error)
{
    g_autoptr(FabOverlay) overlay = NULL;
    bool good;
    FabRun run;

    *path = (FabCriticalPath) { 0 };
    if (scenario->kind != FAB_SCENARIO_COLLECTIVE)
        return true;
    overlay = scenario->calibration != NULL ? fab_overlay_load(scenario->calibration, error) : NULL;
    if (scenario->calibration != NULL && overlay == NULL)
        return false;
    good = fab_run_init(&run, scenario, topology, overlay != NULL ? &overlay->constants : NULL, error) &&
           follow_size(&run, size, path, error);
    fab_run_clear(&run);
    return good;
}
