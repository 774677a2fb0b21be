#include "report/measured.h"

#include <math.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"

enum { SCHEMA_VERSION = 1 };

/* Two decimals, "-" for what is not known. */
static const char *
cell(double value, char buffer[G_ASCII_DTOSTR_BUF_SIZE])
{
    return isfinite(value) ? fab_stream_fixed(value, 2, buffer) : "-";
}

static void
write_row(const FabMeasuredRow *row, FILE *out)
{
    char text[5][G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "%12" G_GUINT64_FORMAT " %11s %11s %11s %11s %8s\n", row->size_bytes,
            cell(row->predicted_us, text[0]), cell(row->measured_us, text[1]), cell(row->low_us, text[2]),
            cell(row->high_us, text[3]), cell(row->error * 100, text[4]));
}

/* "4.2 % of 5 sizes, predictions are 1.0 % too slow" */
static void
write_mean(const FabMeasured *measured, FILE *out)
{
    char text[2][G_ASCII_DTOSTR_BUF_SIZE];
    double sum = 0, bias = 0;
    guint count = 0;

    for (guint i = 0; i < measured->rows->len; i++) {
        double error = g_array_index(measured->rows, FabMeasuredRow, i).error;
        if (!isfinite(error))
            continue;
        sum += fabs(error);
        bias += error;
        count++;
    }
    if (count == 0)
        return;
    fprintf(out, "# mean error %s %% of %u size%s, predictions are %s %% too %s\n",
            fab_stream_fixed(sum / count * 100, 1, text[0]), count, fab_plural(count),
            fab_stream_fixed(fabs(bias) / count * 100, 1, text[1]), bias >= 0 ? "slow" : "fast");
}

bool
fab_report_measured(const FabMeasured *measured, FILE *out, GError **error)
{
    const FabResult *result = measured->result;

    fprintf(out, "# fabricast %s\n# topology  %s: %s (plugin %s)\n", FAB_VERSION, result->topology,
            result->topology_title, result->plugin);
    fprintf(out, "# scenario  %s: %s over %u rank%s\n", result->name, result->collective, result->ranks,
            fab_plural(result->ranks));
    fprintf(out, "# measured  on %s by %s\n#\n", measured->gpu != NULL ? measured->gpu : "the GPUs here",
            measured->program);
    fprintf(out, "#%11s %11s %11s %11s %11s %8s\n", "size", "predicted", "measured", "low", "high", "error");
    fprintf(out, "#%11s %11s %11s %11s %11s %8s\n", "(B)", "(us)", "(us)", "(us)", "(us)", "(%)");
    for (guint i = 0; i < measured->rows->len; i++)
        write_row(&g_array_index(measured->rows, FabMeasuredRow, i), out);
    fputs("#\n", out);
    write_mean(measured, out);
    if (measured->note != NULL)
        fprintf(out, "# note       %s\n", measured->note);
    if (measured->wrong != NULL)
        fprintf(out, "# wrong      %s\n", measured->wrong);
    return fab_stream_finish(out, error);
}

/* ------------------------------------------------------------------ JSON */

bool
fab_report_measured_json(const FabMeasured *measured, FILE *out, GError **error)
{
    fprintf(out, "{\"schema\": \"fabricast-measured\", \"schema_version\": %d,\n ", SCHEMA_VERSION);
    fab_stream_json_member(out, "scenario", measured->result->name, ",\n ");
    fab_stream_json_member(out, "topology", measured->result->topology, ",\n ");
    fab_stream_json_member(out, "collective", measured->result->collective, ",\n ");
    fprintf(out, "\"ranks\": %u,\n ", measured->result->ranks);
    fab_stream_json_member(out, "program", measured->program, ",\n ");
    fab_stream_json_member(out, "gpu", measured->gpu, ",\n ");
    fab_stream_json_member(out, "note", measured->note, ",\n ");
    fab_stream_json_member(out, "wrong", measured->wrong, ",\n \"rows\": [");
    for (guint i = 0; i < measured->rows->len; i++) {
        const FabMeasuredRow *row = &g_array_index(measured->rows, FabMeasuredRow, i);
        fprintf(out, "%s\n  {\"size_bytes\": %" G_GUINT64_FORMAT ", ", i > 0 ? "," : "", row->size_bytes);
        fab_stream_json_number(out, "predicted_us", row->predicted_us, ", ");
        fab_stream_json_number(out, "measured_us", row->measured_us, ", ");
        fab_stream_json_number(out, "low_us", row->low_us, ", ");
        fab_stream_json_number(out, "high_us", row->high_us, ", ");
        fab_stream_json_number(out, "samples", row->samples, ", ");
        fab_stream_json_number(out, "error", row->error, "}");
    }
    fputs("]}\n", out);
    return fab_stream_finish(out, error);
}
