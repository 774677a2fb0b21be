/* Explanations as a table, CSV and JSON. */
#include "report/explain.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"
#include "predict/training-step.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* Smaller gains, as shares, are not worth a word. */
#define SHOWN 0.0005
#define SHOWN_S 1e-8

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

static void
print_row(const FabExplanation *explanation, guint i, FILE *out)
{
    const FabOutcomeRow *row = explanation->outcome->rows->pdata[i];
    g_autofree char *time = fab_format_time(fab_ps_from_seconds(row->seconds));
    g_autofree char *size = row->size_bytes > 0 ? fab_format_bytes(row->size_bytes)
                            : g_strdup(explanation->outcome->kind == FAB_SCENARIO_TRACE ? "trace" : "step");
    Number share;

    fprintf(out, "%s: %s, bound by %s, %s %% of the time\n", size, time,
            row->binding != NULL ? row->binding : "nothing", fab_stream_fixed(100 * row->binding_share, 0, share));
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
    fputs("# how much faster with a tenth more of each\n", out);
    for (guint i = 0; i < outcome->rows->len; i++)
        print_row(explanation, i, out);
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
            fprintf(out, ",%" G_GUINT64_FORMAT ",%s,", row->size_bytes, fab_stream_number(row->seconds, seconds));
            fab_stream_csv_text(out, row->binding != NULL ? row->binding : "");
            fputc(',', out);
            fab_stream_csv_text(out, gain->resource);
            fprintf(out, ",%s\r\n", fab_stream_number(gain->gain[i], share));
        }
    }
}

static void
json_row(const FabExplanation *explanation, guint i, FILE *out)
{
    const FabOutcomeRow *row = explanation->outcome->rows->pdata[i];
    Number text;

    fprintf(out, "    {\"size_bytes\": %" G_GUINT64_FORMAT ", \"seconds\": %s, \"binding\": ", row->size_bytes,
            fab_stream_number(row->seconds, text));
    fab_stream_json_text(out, row->binding != NULL ? row->binding : "");
    fprintf(out, ", \"binding_share\": %s,\n      \"gains\": {", fab_stream_number(row->binding_share, text));
    for (guint k = 0; k < explanation->gains->len; k++) {
        const FabGain *gain = explanation->gains->pdata[k];
        fputs(k > 0 ? ", " : "", out);
        fab_stream_json_text(out, gain->resource);
        fprintf(out, ": %s", fab_stream_number(gain->gain[i], text));
    }
    fputs("}}", out);
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
    fputs(explanation->parts != NULL ? "},\n  \"rows\": [\n" : "null,\n  \"rows\": [\n", out);
    for (guint i = 0; i < outcome->rows->len; i++) {
        json_row(explanation, i, out);
        fputs(i + 1 < outcome->rows->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
