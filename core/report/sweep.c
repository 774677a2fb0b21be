/* Sweeps as a table, CSV and JSON. */
#include "report/sweep.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

#define LARGE_BYTES 1e12
#define LARGE_TOKENS 1e6

static double
large_unit(const FabStoreRow *row)
{
    return row->size_bytes > 0 ? LARGE_BYTES : LARGE_TOKENS;
}

static const char *
cost_unit(const FabStoreRow *row)
{
    return row->currency != NULL ? row->currency : "GPU s";
}

/* ------------------------------------------------------------------ table */

static void
print_head(const FabSweepFound *found, guint shown, FILE *out)
{
    const FabSweep *sweep = found->sweep;

    fprintf(out, "# fabricast %s  %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " points", FAB_VERSION, found->done,
            sweep->points);
    if (sweep->sample != NULL)
        fprintf(out, ", a sample (seed %" G_GUINT64_FORMAT ") of %" G_GUINT64_FORMAT " combinations", sweep->seed,
                sweep->grid);
    fprintf(out, "\n# %u of %u rows shown", shown, found->rows->len);
    fputs(shown < found->rows->len ? ": those that no other of their size beats both in time and in cost\n" : "\n",
          out);
    if (found->refused > 0)
        fprintf(out, "# %" G_GUINT64_FORMAT " points are not possible, the first because %s\n", found->refused,
                found->reason);
}

static void
print_row(const FabSweepFound *found, guint i, FILE *out)
{
    const FabStoreRow *row = found->rows->pdata[i];
    g_autofree char *time = fab_format_time(fab_ps_from_seconds(row->seconds));
    g_autofree char *size = row->size_bytes > 0 ? fab_format_bytes(row->size_bytes) : g_strdup("step");
    Number cost;

    fprintf(out, "%8" G_GUINT64_FORMAT " %9s %12s %5u %14s %-6s %c", row->point, size, time, row->gpus,
            fab_stream_fixed(fab_sweep_cost(row) * large_unit(row), 6, cost), cost_unit(row),
            !row->fits          ? '-'
            : found->front[i] ? '*'
                               : ' ');
    for (uint32_t a = 0; a < found->sweep->axis_count; a++)
        fprintf(out, "  %s=%s", found->sweep->axes[a].key, fab_sweep_value(found->sweep, row->point, a));
    fprintf(out, "  %s%s\n", row->binding != NULL ? row->binding : "", row->extrapolated ? ", extrapolated" : "");
}

void
fab_report_sweep(const FabSweepFound *found, bool all, FILE *out)
{
    guint shown = 0;
    bool extrapolated = false;
    const FabStoreRow *first = found->rows->len > 0 ? found->rows->pdata[0] : NULL;

    for (guint i = 0; i < found->rows->len; i++)
        shown += all || found->front[i];
    print_head(found, shown, out);
    if (first == NULL)
        return;
    fprintf(out, "#%7s %9s %12s %5s %21s    key=value, what binds\n", "point", "size", "time", "GPUs",
            first->size_bytes > 0 ? "cost of a TB" : "cost of 10^6 tokens");
    for (guint i = 0; i < found->rows->len; i++) {
        if (!all && !found->front[i])
            continue;
        print_row(found, i, out);
        extrapolated = extrapolated || ((const FabStoreRow *)found->rows->pdata[i])->extrapolated;
    }
    fputs("# * on the front; - does not fit into memory\n", out);
    if (extrapolated)
        fputs("# extrapolated: from smaller trees, as they grow by levels; collective.fold=off simulates every rank\n",
              out);
}

/* ------------------------------------------------------------------ for programs */

typedef struct {
    const char *name;
    double value; /* NaN: not known */
} Figure;

enum { FIGURES = 8 };

static void
list_figures(const FabStoreRow *row, Figure figures[FIGURES])
{
    const Figure all[FIGURES] = {
        { "size_bytes", row->size_bytes > 0 ? (double)row->size_bytes : NAN },
        { "gpus", row->gpus },
        { "seconds", row->seconds },
        { "low_s", row->low_s > 0 ? row->low_s : NAN },
        { "high_s", row->low_s > 0 ? row->high_s : NAN },
        { "work", row->work },
        { "algbw_GBps", row->algbw > 0 ? row->algbw / 1e9 : NAN },
        { "cost", fab_sweep_cost(row) * large_unit(row) },
    };

    memcpy(figures, all, sizeof all);
}

void
fab_report_sweep_csv(const FabSweepFound *found, FILE *out)
{
    const FabSweep *sweep = found->sweep;
    Figure figures[FIGURES];
    Number text;

    list_figures(&(FabStoreRow) { .work = 1 }, figures);
    fputs("point", out);
    for (uint32_t a = 0; a < sweep->axis_count; a++) {
        fputc(',', out);
        fab_stream_csv_text(out, sweep->axes[a].key);
    }
    for (int i = 0; i < FIGURES; i++)
        fprintf(out, ",%s", figures[i].name);
    fputs(",cost_unit,fits,front,extrapolated,binding\r\n", out);
    for (guint i = 0; i < found->rows->len; i++) {
        const FabStoreRow *row = found->rows->pdata[i];
        list_figures(row, figures);
        fprintf(out, "%" G_GUINT64_FORMAT, row->point);
        for (uint32_t a = 0; a < sweep->axis_count; a++) {
            fputc(',', out);
            fab_stream_csv_text(out, fab_sweep_value(sweep, row->point, a));
        }
        for (int k = 0; k < FIGURES; k++)
            fprintf(out, ",%s", isfinite(figures[k].value) ? fab_stream_number(figures[k].value, text) : "");
        fprintf(out, ",%s,%s,%s,%s,", cost_unit(row), row->fits ? "yes" : "no", found->front[i] ? "yes" : "no",
                row->extrapolated ? "yes" : "no");
        fab_stream_csv_text(out, row->binding != NULL ? row->binding : "");
        fputs("\r\n", out);
    }
}

static void
json_row(const FabSweepFound *found, guint i, FILE *out)
{
    const FabStoreRow *row = found->rows->pdata[i];
    Figure figures[FIGURES];
    Number text;

    list_figures(row, figures);
    fprintf(out, "    {\"point\": %" G_GUINT64_FORMAT ", \"settings\": {", row->point);
    for (uint32_t a = 0; a < found->sweep->axis_count; a++) {
        fputs(a > 0 ? ", " : "", out);
        fab_stream_json_text(out, found->sweep->axes[a].key);
        fputs(": ", out);
        fab_stream_json_text(out, fab_sweep_value(found->sweep, row->point, a));
    }
    fputs("}", out);
    for (int k = 0; k < FIGURES; k++)
        fprintf(out, ", \"%s\": %s", figures[k].name,
                isfinite(figures[k].value) ? fab_stream_number(figures[k].value, text) : "null");
    fprintf(out, ", \"cost_unit\": \"%s\", \"fits\": %s, \"front\": %s, \"extrapolated\": %s, \"binding\": ",
            cost_unit(row), row->fits ? "true" : "false", found->front[i] ? "true" : "false",
            row->extrapolated ? "true" : "false");
    fab_stream_json_text(out, row->binding != NULL ? row->binding : "");
    fputs("}", out);
}

void
fab_report_sweep_json(const FabSweepFound *found, FILE *out)
{
    fprintf(out, "{\"schema\": \"fabricast-sweep\", \"schema_version\": 1, \"version\": \"%s\",\n  \"points\": %"
            G_GUINT64_FORMAT ", \"done\": %" G_GUINT64_FORMAT ", \"refused\": %" G_GUINT64_FORMAT
            ", \"first_refusal\": ", FAB_VERSION, found->sweep->points, found->done, found->refused);
    if (found->reason != NULL)
        fab_stream_json_text(out, found->reason);
    else
        fputs("null", out);
    fputs(",\n  \"scenario\": ", out);
    fab_stream_json_text(out, found->sweep->name);
    fputs(", \"scenario_text\": ", out);
    fab_stream_json_text(out, found->sweep->text);
    fputs(",\n  \"rows\": [\n", out);
    for (guint i = 0; i < found->rows->len; i++) {
        json_row(found, i, out);
        fputs(i + 1 < found->rows->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
