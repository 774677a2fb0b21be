#include "engine/trail.h"

#include <string.h>

#include "base/large.h"

/* A slice, a message or a sum. Times are those of its first occurrence where it occurred again. */
typedef struct {
    int64_t start_ps, moved_ps, end_ps;
    FabTrailMark cause;
    uint32_t binding;
    FabTrailWait wait;
} Record;

/* Of a stream, a connection's messages or the network's sums. `count` includes what was not simulated. */
typedef struct {
    Record *records;
    uint32_t len, room, count;
} Line;

/* Between two counts of each line everything happened again, so many times, each time `period` later. */
typedef struct {
    uint32_t *from, *to;
    uint32_t lines;
    uint64_t times;
    int64_t period_ps;
} Leap;

struct FabTrail {
    FabTrailShape shape;
    FabTrailMark *slots, *given;
    GArray *lines; /* Line */
    GArray *leaps; /* Leap */
    uint32_t *kept, kept_lines;
    uint64_t records, most;
    bool full; /* there were more than `most`: nothing is kept any more */
};

/* Leaps of a run: more are rare, and such a path is not followed. */
enum { MOST_LEAPS = 8 };

static const FabTrailMark nothing = { FAB_TRAIL_NOTHING, 0 };

static Line *
line_of(const FabTrail *trail, uint32_t who)
{
    return &g_array_index(trail->lines, Line, who);
}

static void
drop_lines(FabTrail *trail)
{
    for (guint i = 0; i < trail->lines->len; i++)
        g_free(line_of(trail, i)->records);
    g_array_set_size(trail->lines, 0);
}

static void
leap_clear(gpointer pointer)
{
    Leap *leap = pointer;

    g_free(leap->from);
    g_free(leap->to);
}

FabTrail *
fab_trail_new(uint64_t most)
{
    FabTrail *trail = g_new0(FabTrail, 1);

    trail->most = most;
    trail->lines = g_array_new(FALSE, TRUE, sizeof(Line));
    trail->leaps = g_array_new(FALSE, FALSE, sizeof(Leap));
    g_array_set_clear_func(trail->leaps, leap_clear);
    return trail;
}

void
fab_trail_free(FabTrail *trail)
{
    if (trail == NULL)
        return;
    drop_lines(trail);
    g_array_unref(trail->lines);
    g_array_unref(trail->leaps);
    fab_large_free(trail->slots);
    fab_large_free(trail->given);
    g_free(trail->kept);
    g_free(trail);
}

static FabTrailMark *
marks_new(gsize count)
{
    FabTrailMark *marks = fab_large_new(count, sizeof *marks);

    for (gsize i = 0; i < count; i++)
        marks[i] = nothing;
    return marks;
}

void
fab_trail_open(FabTrail *trail, const FabTrailShape *shape)
{
    gsize slots = (gsize)shape->connections * shape->slots;

    trail->shape = *shape;
    trail->slots = marks_new(slots);
    trail->given = shape->several ? marks_new(slots) : NULL;
    g_array_set_size(trail->lines, shape->streams + (shape->several ? shape->connections : 0));
}

bool
fab_trail_is_full(const FabTrail *trail)
{
    return trail->full;
}

FabTrailMark *
fab_trail_slot(FabTrail *trail, uint32_t connection, uint32_t slice)
{
    return &trail->slots[(gsize)connection * trail->shape.slots + slice % trail->shape.slots];
}

FabTrailMark *
fab_trail_given(FabTrail *trail, uint32_t connection, uint32_t slice)
{
    return &trail->given[(gsize)connection * trail->shape.slots + slice % trail->shape.slots];
}

/* ------------------------------------------------------------------ records */

/* How often the lines did again what they had done between the two counts; 0: not this one. */
static uint32_t
done_in(const Leap *leap, uint32_t who)
{
    return who < leap->lines ? leap->to[who] - leap->from[who] : 0;
}

/* A record, how much later than it this occurrence is, and of which slice its cause is for this occurrence. */
static Record *
find(const FabTrail *trail, FabTrailMark mark, int64_t *later_ps, FabTrailMark *cause)
{
    uint32_t number = mark.number;
    uint64_t again[MOST_LEAPS] = { 0 };
    Record *record;

    *later_ps = 0;
    for (guint i = trail->leaps->len; i-- > 0;) {
        const Leap *leap = &g_array_index(trail->leaps, Leap, i);
        uint32_t done = done_in(leap, mark.who), to = done > 0 ? leap->to[mark.who] : 0;
        if (done == 0 || number < to)
            continue;
        if (number >= to + done * leap->times) {
            number -= (uint32_t)(done * leap->times);
            continue;
        }
        again[i] = (number - to) / done + 1;
        number -= (uint32_t)(again[i] * done);
        *later_ps += (int64_t)again[i] * leap->period_ps;
    }
    record = &line_of(trail, mark.who)->records[number];
    if (cause == NULL)
        return record;
    *cause = record->cause;
    for (guint i = 0; i < trail->leaps->len && cause->who != FAB_TRAIL_NOTHING; i++)
        cause->number += (uint32_t)(again[i] * done_in(&g_array_index(trail->leaps, Leap, i), cause->who));
    return record;
}

FabTrailMark
fab_trail_last(const FabTrail *trail, uint32_t who)
{
    if (trail->full || who >= trail->lines->len || line_of(trail, who)->count == 0)
        return nothing;
    return (FabTrailMark) { who, line_of(trail, who)->count - 1 };
}

int64_t
fab_trail_end_of(const FabTrail *trail, FabTrailMark mark)
{
    int64_t later;
    const Record *record = find(trail, mark, &later, NULL);

    return record->end_ps + later;
}

void
fab_trail_begin(FabTrail *trail, uint32_t who, int64_t now, FabTrailMark cause, FabTrailWait wait)
{
    Line *line;

    if (!trail->full && trail->records == trail->most) {
        trail->full = true;
        drop_lines(trail);
    }
    if (trail->full)
        return;
    if (who >= trail->lines->len)
        g_array_set_size(trail->lines, who + 1);
    line = line_of(trail, who);
    if (line->len == line->room) {
        line->room = line->room == 0 ? 8 : line->room + line->room / 2;
        line->records = g_renew(Record, line->records, line->room);
    }
    line->records[line->len++] = (Record) { now, now, now, cause, FAB_TRAIL_NOTHING, wait };
    line->count++;
    trail->records++;
}

void
fab_trail_moved(FabTrail *trail, FabTrailMark mark, int64_t now, uint32_t binding)
{
    int64_t later;
    Record *record;

    if (trail->full || mark.who == FAB_TRAIL_NOTHING)
        return;
    record = find(trail, mark, &later, NULL);
    record->moved_ps = now - later;
    record->binding = binding;
}

void
fab_trail_end(FabTrail *trail, FabTrailMark mark, int64_t now)
{
    int64_t later;

    if (!trail->full && mark.who != FAB_TRAIL_NOTHING) {
        Record *record = find(trail, mark, &later, NULL);
        record->end_ps = now - later;
    }
}

/* ------------------------------------------------------------------ what happens again */

static uint32_t *
counts_of(const FabTrail *trail)
{
    uint32_t *counts = g_new(uint32_t, MAX(trail->lines->len, 1));

    for (guint i = 0; i < trail->lines->len; i++)
        counts[i] = line_of(trail, i)->count;
    return counts;
}

void
fab_trail_keep(FabTrail *trail)
{
    g_free(trail->kept);
    trail->kept = counts_of(trail);
    trail->kept_lines = trail->lines->len;
}

void
fab_trail_leap(FabTrail *trail, uint64_t times, int64_t later)
{
    Leap leap = { .lines = trail->kept_lines, .times = times, .period_ps = later / (int64_t)times };

    if (trail->leaps->len == MOST_LEAPS) {
        trail->full = true;
        drop_lines(trail);
    }
    if (trail->full)
        return;
    leap.from = g_steal_pointer(&trail->kept);
    leap.to = counts_of(trail);
    for (uint32_t i = 0; i < leap.lines; i++)
        line_of(trail, i)->count += (uint32_t)(done_in(&leap, i) * times);
    g_array_append_val(trail->leaps, leap);
}

static void
turn(const Leap *leap, FabTrailMark *marks, uint32_t slots, uint32_t by)
{
    g_autofree FabTrailMark *old = g_memdup2(marks, slots * sizeof *old);

    for (uint32_t i = 0; i < slots; i++) {
        FabTrailMark mark = old[i];
        if (mark.who != FAB_TRAIL_NOTHING)
            mark.number += (uint32_t)(done_in(leap, mark.who) * leap->times);
        marks[(i + by) % slots] = mark;
    }
}

void
fab_trail_turn(FabTrail *trail, uint32_t connection, uint32_t by)
{
    const Leap *leap;

    if (trail->full || by == 0)
        return;
    leap = &g_array_index(trail->leaps, Leap, trail->leaps->len - 1);
    turn(leap, fab_trail_slot(trail, connection, 0), trail->shape.slots, by);
    if (trail->given != NULL)
        turn(leap, fab_trail_given(trail, connection, 0), trail->shape.slots, by);
}

/* ------------------------------------------------------------------ the way back */

static void
add(GArray *stretches, int64_t start, int64_t end, FabStretchKind kind, uint32_t resource)
{
    FabStretch stretch = { start, end, resource, kind };

    if (end > start)
        g_array_append_val(stretches, stretch);
}

/* Of a record and what it waited for, the last first. */
static void
add_record(GArray *stretches, const Record *record, int64_t later, int64_t cause_end, bool kernel)
{
    static const FabStretchKind waits[] = { FAB_STRETCH_STEP, FAB_STRETCH_LATENCY, FAB_STRETCH_ROOM,
                                            FAB_STRETCH_PROXY };
    bool passed = record->binding < FAB_TRAIL_RATE;
    FabStretchKind slow = kernel ? FAB_STRETCH_COPYING : FAB_STRETCH_PROXY;

    add(stretches, later + record->moved_ps, later + record->end_ps, FAB_STRETCH_STEP, 0);
    add(stretches, later + record->start_ps, later + record->moved_ps,
        passed ? FAB_STRETCH_MOVING : slow, passed ? record->binding : 0);
    add(stretches, cause_end, later + record->start_ps, waits[record->wait], 0);
}

static bool
is_hop(const FabTrail *trail, uint32_t who, FabTrailWait wait, FabTrailMark cause)
{
    uint32_t streams = trail->shape.streams, each = trail->shape.rank_streams;

    if (wait != FAB_TRAIL_DATA || who >= streams)
        return false;
    return trail->shape.folded || cause.who >= streams || cause.who / each != who / each;
}

static FabTrailMark
last_of_all(const FabTrail *trail)
{
    FabTrailMark last = nothing;
    int64_t end = -1;

    for (uint32_t i = 0; i < trail->shape.streams; i++) {
        FabTrailMark mark = fab_trail_last(trail, i);
        if (mark.who == FAB_TRAIL_NOTHING || fab_trail_end_of(trail, mark) <= end)
            continue;
        end = fab_trail_end_of(trail, mark);
        last = mark;
    }
    return last;
}

static void
find_ends(const FabTrail *trail, FabTrailPath *path)
{
    path->full_ps = 0;
    path->drain_ps = INT64_MAX;
    for (uint32_t i = 0; i < trail->shape.streams; i++) {
        FabTrailMark last = fab_trail_last(trail, i);
        if (last.who == FAB_TRAIL_NOTHING)
            continue;
        path->full_ps = MAX(path->full_ps, line_of(trail, i)->records[0].start_ps);
        path->drain_ps = MIN(path->drain_ps, fab_trail_end_of(trail, last));
    }
}

static void
reverse(GArray *stretches)
{
    for (guint a = 0, b = stretches->len; a + 1 < b; a++, b--) {
        FabStretch *first = &g_array_index(stretches, FabStretch, a), kept = *first;
        FabStretch *last = &g_array_index(stretches, FabStretch, b - 1);
        *first = *last;
        *last = kept;
    }
}

bool
fab_trail_follow(const FabTrail *trail, FabTrailPath *path)
{
    FabTrailMark at = trail->full ? nothing : last_of_all(trail);

    *path = (FabTrailPath) { 0 };
    if (at.who == FAB_TRAIL_NOTHING)
        return false;
    path->stretches = g_array_new(FALSE, FALSE, sizeof(FabStretch));
    find_ends(trail, path);
    while (at.who != FAB_TRAIL_NOTHING) {
        int64_t later;
        FabTrailMark cause;
        const Record *record = find(trail, at, &later, &cause);
        int64_t start = record->start_ps + later;
        add_record(path->stretches, record, later,
                   cause.who != FAB_TRAIL_NOTHING ? fab_trail_end_of(trail, cause) : start,
                   at.who < trail->shape.streams);
        path->slices += at.who < trail->shape.streams;
        path->hops += is_hop(trail, at.who, record->wait, cause);
        at = cause;
    }
    reverse(path->stretches);
    return true;
}

void
fab_trail_path_clear(FabTrailPath *path)
{
    g_clear_pointer(&path->stretches, g_array_unref);
}
