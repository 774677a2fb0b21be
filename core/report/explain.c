/* Explanations as a table, CSV and JSON. */
#include "report/explain.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"
#include "predict/training-step.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* Smaller gains, as shares, are not worth a word. */
#define SHOWN 0.0005
#define SHOWN_S 1e-8
/* Smaller shares of a phase are not said. */
#define LEAST_BINDING 0.05

/* ------------------------------------------------------------------ table */

typedef struct {
    const char *resource;
    double gain;
    guint place;
} Entry;

static int
compare_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;

    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* The most first, without the last one, which is all together. */
static GArray *
sorted_gains(const FabExplanation *explanation, guint row)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(Entry));

    for (guint i = 0; i + 1 < explanation->gains->len; i++) {
        const FabGain *gain = explanation->gains->pdata[i];
        Entry entry = { gain->resource, gain->gain[row], i };
        if (fabs(entry.gain) >= SHOWN)
            g_array_append_val(entries, entry);
    }
    g_array_sort(entries, compare_entries);
    return entries;
}

static void
print_gains(const FabExplanation *explanation, guint row, FILE *out)
{
    const FabGain *all = explanation->gains->pdata[explanation->gains->len - 1];
    g_autoptr(GArray) entries = sorted_gains(explanation, row);
    Number text;

    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);
        fprintf(out, "    %6s %%  %s\n", fab_stream_fixed(100 * entry->gain, 2, text), entry->resource);
    }
    fprintf(out, "    %6s %%  %s\n", fab_stream_fixed(100 * all->gain[row], 2, text), all->resource);
}

/* What has no simulation of its own, and why it needs none. */
static void
print_idle(const FabExplanation *explanation, FILE *out)
{
    enum { WIDTH = 80 };
    size_t column = 0;

    for (guint i = 0; i < explanation->gains->len; i++) {
        const FabGain *gain = explanation->gains->pdata[i];
        size_t length = strlen(gain->resource);
        if (!gain->idle)
            continue;
        if (column == 0)
            fputs("# nothing, since they hold no transfer back at any time, which is proof enough:", out);
        else
            fputc(',', out);
        if (column == 0 || column + length + 3 > WIDTH) {
            fputs("\n#  ", out);
            column = 3;
        }
        fprintf(out, " %s", gain->resource);
        column += length + 2;
    }
    if (column > 0)
        fputc('\n', out);
}

static const char *
share_text(int64_t part_ps, double seconds, Number text)
{
    return fab_stream_fixed(100e-12 * (double)part_ps / seconds, 1, text);
}

/* Parts that are nothing are left out. */
static void
print_path(const FabCriticalPath *path, double seconds, FILE *out)
{
    const struct {
        int64_t ps;
        const char *what;
    } parts[] = { { path->moving_ps, "moving data" }, { path->handing_ps, "handing it on" },
                  { path->room_ps, "waiting for room" }, { path->around_ps, "launch and end" } };
    const char *separator = "    ";
    Number text;

    if (path->slices == 0) {
        fputs("  critical path: too many slices to follow, a smaller size shows it\n", out);
        return;
    }
    fprintf(out, "  critical path, %" G_GUINT64_FORMAT " slice%s, %" G_GUINT64_FORMAT " time%s from rank to rank:\n",
            path->slices, fab_plural(path->slices), path->hops, fab_plural(path->hops));
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if ((double)parts[i].ps * 1e-12 < SHOWN * seconds)
            continue;
        fprintf(out, "%s%s %% %s", separator, share_text(parts[i].ps, seconds, text), parts[i].what);
        separator = ", ";
    }
    fputc('\n', out);
}

/* "NVLink 4 (GPU 0 > NVSwitch and 7 more)". Owned by the caller. */
static char *
binding_text(const FabBinding *binding)
{
    if (binding->where == NULL || strcmp(binding->where, binding->what) == 0)
        return g_strdup(binding->what);
    if (binding->places == 1)
        return g_strdup_printf("%s (%s)", binding->what, binding->where);
    return g_strdup_printf("%s (%s and %u more)", binding->what, binding->where, binding->places - 1);
}

/* A phase that one thing binds takes one line. */
static void
print_phase(const FabPhase *phase, double seconds, FILE *out)
{
    const FabBinding *first = phase->bindings->pdata[0];
    g_autofree char *time = fab_format_time(fab_ps_from_seconds(phase->seconds));
    g_autofree char *start = fab_format_time(fab_ps_from_seconds(isnan(phase->start_s) ? 0 : phase->start_s));
    bool alone = first->seconds >= (1 - LEAST_BINDING) * phase->seconds, known = phase->start_s > 0;
    g_autofree char *whole = binding_text(first);
    Number text;

    fprintf(out, "  %s, %s%s%s, %s %%:%s%s\n", phase->name, time, known ? " from " : "", known ? start : "",
            fab_stream_fixed(100 * phase->seconds / seconds, 1, text), alone ? " " : "", alone ? whole : "");
    for (guint i = 0; i < phase->bindings->len && !alone; i++) {
        const FabBinding *binding = phase->bindings->pdata[i];
        g_autofree char *what = binding_text(binding);
        if (i == 0 || binding->seconds >= LEAST_BINDING * phase->seconds)
            fprintf(out, "    %6s %%  %s\n", fab_stream_fixed(100 * binding->seconds / phase->seconds, 1, text), what);
    }
}

static void
print_phases(const GPtrArray *phases, double seconds, FILE *out)
{
    fputs("  what binds in each phase:\n", out);
    for (guint i = 0; i < phases->len; i++) {
        const FabPhase *phase = phases->pdata[i];
        if (phase->bindings->len > 0 && phase->seconds >= SHOWN * seconds)
            print_phase(phase, seconds, out);
    }
}

static void
print_row(const FabExplanation *explanation, guint i, FILE *out)
{
    const FabOutcomeRow *row = explanation->outcome->rows->pdata[i];
    const GPtrArray *phases = fab_explanation_phases(explanation, i);
    g_autofree char *time = fab_format_time(fab_ps_from_seconds(row->seconds));
    g_autofree char *size = row->size_bytes > 0 ? fab_format_bytes(row->size_bytes)
                            : g_strdup(explanation->outcome->kind == FAB_SCENARIO_TRACE ? "trace" : "step");
    Number share;

    fprintf(out, "%s: %s, bound by %s%s%s, %s %% of the time\n", size, time,
            row->binding != NULL ? row->binding : "nothing", row->over != NULL ? " over " : "",
            row->over != NULL ? row->over : "", fab_stream_fixed(100 * row->binding_share, 0, share));
    if (explanation->paths != NULL)
        print_path(&explanation->paths[i], row->seconds, out);
    if (phases != NULL)
        print_phases(phases, row->seconds, out);
    fputs("  how much faster with a tenth more of each:\n", out);
    print_gains(explanation, i, out);
}

static void
print_parts(const FabExplanation *explanation, FILE *out)
{
    const FabOutcomeRow *row = explanation->outcome->rows->pdata[0];
    Number share;

    fputs("# where the time of the busiest stage goes\n", out);
    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        g_autofree char *time = fab_format_time(fab_ps_from_seconds(explanation->parts[i]));
        if (explanation->parts[i] >= SHOWN_S)
            fprintf(out, "    %6s %%  %s, %s\n",
                    fab_stream_fixed(100 * explanation->parts[i] / row->seconds, 2, share), fab_time_part_names[i],
                    time);
    }
}

void
fab_report_explanation(const FabExplanation *explanation, FILE *out)
{
    const FabOutcome *outcome = explanation->outcome;

    fprintf(out, "# fabricast %s  %s: %s on %s, %u GPU%s\n", FAB_VERSION, outcome->name, outcome->what,
            outcome->topology, outcome->gpus, fab_plural(outcome->gpus));
    if (explanation->parts != NULL)
        print_parts(explanation, out);
    for (guint i = 0; i < outcome->rows->len; i++)
        print_row(explanation, i, out);
    print_idle(explanation, out);
}

/* ------------------------------------------------------------------ for programs */

void
fab_report_explanation_csv(const FabExplanation *explanation, FILE *out)
{
    Number seconds, share;

    fputs("scenario,topology,size_bytes,seconds,binding,resource,gain\r\n", out);
    for (guint i = 0; i < explanation->outcome->rows->len; i++) {
        const FabOutcomeRow *row = explanation->outcome->rows->pdata[i];
        for (guint k = 0; k < explanation->gains->len; k++) {
            const FabGain *gain = explanation->gains->pdata[k];
            fab_stream_csv_text(out, explanation->outcome->name);
            fputc(',', out);
            fab_stream_csv_text(out, explanation->outcome->topology);
            fputc(',', out);
            if (row->size_bytes > 0)
                fprintf(out, "%" G_GUINT64_FORMAT, row->size_bytes);
            fprintf(out, ",%s,", fab_stream_number(row->seconds, seconds));
            fab_stream_csv_text(out, row->binding != NULL ? row->binding : "");
            fputc(',', out);
            fab_stream_csv_text(out, gain->resource);
            fprintf(out, ",%s\r\n", fab_stream_number(gain->gain[i], share));
        }
    }
}

static void
json_path(const FabCriticalPath *path, FILE *out)
{
    Number moving, handing, room, around;

    if (path == NULL || path->slices == 0) {
        fputs("null", out);
        return;
    }
    fprintf(out, "{\"slices\": %" G_GUINT64_FORMAT ", \"hops\": %" G_GUINT64_FORMAT ", \"moving_s\": %s, "
            "\"handing_s\": %s, \"room_s\": %s, \"around_s\": %s}", path->slices, path->hops,
            fab_stream_number((double)path->moving_ps * 1e-12, moving),
            fab_stream_number((double)path->handing_ps * 1e-12, handing),
            fab_stream_number((double)path->room_ps * 1e-12, room),
            fab_stream_number((double)path->around_ps * 1e-12, around));
}

static void
json_phase(const FabPhase *phase, FILE *out)
{
    Number text;

    fprintf(out, "{\"phase\": \"%s\", ", phase->name);
    fprintf(out, "\"start_s\": %s, ", isnan(phase->start_s) ? "null" : fab_stream_number(phase->start_s, text));
    fprintf(out, "\"seconds\": %s, \"bindings\": [", fab_stream_number(phase->seconds, text));
    for (guint i = 0; i < phase->bindings->len; i++) {
        const FabBinding *binding = phase->bindings->pdata[i];
        fputs(i > 0 ? ", {" : "{", out);
        fab_stream_json_member(out, "what", binding->what, ", ");
        fab_stream_json_member(out, "where", binding->where, ", ");
        fprintf(out, "\"places\": %u, \"seconds\": %s}", binding->places,
                fab_stream_number(binding->seconds, text));
    }
    fputs("]}", out);
}

static void
json_phases(const GPtrArray *phases, FILE *out)
{
    if (phases == NULL) {
        fputs("null", out);
        return;
    }
    fputc('[', out);
    for (guint i = 0; i < phases->len; i++) {
        fputs(i > 0 ? ",\n        " : "\n        ", out);
        json_phase(phases->pdata[i], out);
    }
    fputc(']', out);
}

static void
json_row(const FabExplanation *explanation, guint i, FILE *out)
{
    const FabOutcomeRow *row = explanation->outcome->rows->pdata[i];
    Number text;

    /* A step and a trace have no size. */
    if (row->size_bytes > 0)
        fprintf(out, "    {\"size_bytes\": %" G_GUINT64_FORMAT, row->size_bytes);
    else
        fputs("    {\"size_bytes\": null", out);
    fprintf(out, ", \"seconds\": %s, \"binding\": ", fab_stream_number(row->seconds, text));
    fab_stream_json_text(out, row->binding != NULL ? row->binding : "");
    fprintf(out, ", \"binding_share\": %s,\n      \"gains\": {", fab_stream_number(row->binding_share, text));
    for (guint k = 0; k < explanation->gains->len; k++) {
        const FabGain *gain = explanation->gains->pdata[k];
        fputs(k > 0 ? ", " : "", out);
        fab_stream_json_text(out, gain->resource);
        fprintf(out, ": %s", fab_stream_number(gain->gain[i], text));
    }
    fputs("},\n      \"critical_path\": ", out);
    json_path(explanation->paths != NULL ? &explanation->paths[i] : NULL, out);
    fputs(",\n      \"phases\": ", out);
    json_phases(fab_explanation_phases(explanation, i), out);
    fputs("}", out);
}

/* Resources whose gains are 0 without a simulation of their own. */
static void
json_idle(const FabExplanation *explanation, FILE *out)
{
    const char *separator = "";

    for (guint i = 0; i < explanation->gains->len; i++) {
        const FabGain *gain = explanation->gains->pdata[i];
        if (!gain->idle)
            continue;
        fputs(separator, out);
        fab_stream_json_text(out, gain->resource);
        separator = ", ";
    }
}

void
fab_report_explanation_json(const FabExplanation *explanation, FILE *out)
{
    const FabOutcome *outcome = explanation->outcome;
    Number text;

    fprintf(out, "{\"schema\": \"fabricast-explanation\", \"schema_version\": 1, \"version\": \"%s\", ", FAB_VERSION);
    fab_stream_json_member(out, "scenario", outcome->name, ", ");
    fab_stream_json_member(out, "scenario_text", outcome->scenario, ", ");
    fab_stream_json_member(out, "topology", outcome->topology, ", ");
    fab_stream_json_member(out, "work", outcome->what, ",\n  \"parts\": ");
    for (int i = 0; i < FAB_TIME_PARTS && explanation->parts != NULL; i++)
        fprintf(out, "%s\"%s\": %s", i == 0 ? "{" : ", ", fab_time_part_names[i],
                fab_stream_number(explanation->parts[i], text));
    fputs(explanation->parts != NULL ? "},\n  \"idle\": [" : "null,\n  \"idle\": [", out);
    json_idle(explanation, out);
    fputs("],\n  \"rows\": [\n", out);
    for (guint i = 0; i < outcome->rows->len; i++) {
        json_row(explanation, i, out);
        fputs(i + 1 < outcome->rows->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
