/* Results as JSON: schema "fabricast-result". Names are those of the columns, numbers are numbers. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "fabricast-config.h"
#include "report/stream.h"

enum { SCHEMA_VERSION = 1 };

static void
text_member(FILE *out, const char *name, const char *value)
{
    fprintf(out, "\"%s\": ", name);
    if (value != NULL)
        fab_stream_json_text(out, value);
    else
        fputs("null", out);
    fputs(", ", out);
}

static void
number_member(FILE *out, const char *name, double value)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "\"%s\": %s, ", name, isfinite(value) ? fab_stream_number(value, buffer) : "null");
}

/* An end of an interval; 0: not known. */
static void
end_member(FILE *out, const char *name, int64_t time_ps)
{
    g_autofree char *time_us = fab_stream_microseconds(time_ps);

    fprintf(out, "\"%s\": %s, ", name, time_ps > 0 ? time_us : "null");
}

static void
write_use(FILE *out, const FabResultUse *use)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fputs("{", out);
    text_member(out, "resource", use->name);
    if (use->link != UINT32_MAX)
        fprintf(out, "\"link\": %u, \"direction\": %u, ", use->link, use->direction);
    else
        fputs("\"link\": null, \"direction\": null, ", out);
    number_member(out, "bytes", use->bytes);
    fprintf(out, "\"utilisation\": %s}", isfinite(use->utilisation) ? fab_stream_number(use->utilisation, buffer)
                                                                    : "null");
}

static void
write_row(FILE *out, const FabResultRow *row)
{
    g_autofree char *time_us = fab_stream_microseconds(row->time_ps);

    fprintf(out, "        {\"size_bytes\": %" G_GUINT64_FORMAT ", \"time_us\": %s, ", row->size_bytes, time_us);
    end_member(out, "low_us", row->low_ps);
    end_member(out, "high_us", row->high_ps);
    text_member(out, "kind", row->kind);
    number_member(out, "algbw_GBps", row->algbw / 1e9);
    number_member(out, "busbw_GBps", row->busbw / 1e9);
    text_member(out, "algorithm", row->algorithm);
    text_member(out, "protocol", row->protocol);
    fprintf(out, "\"channels\": %u, ", row->channels);
    text_member(out, "binding", row->binding);
    number_member(out, "binding_utilisation", row->binding_utilisation);
    fprintf(out, "\"steps\": %" G_GUINT64_FORMAT ", \"slices\": %" G_GUINT64_FORMAT ",\n         \"uses\": [",
            row->steps, row->slices);
    for (guint i = 0; i < row->uses->len; i++) {
        fputs(i > 0 ? ",\n                  " : "", out);
        write_use(out, &g_array_index(row->uses, FabResultUse, i));
    }
    fputs("]}", out);
}

static void
write_times(FILE *out, const char *name, const int64_t *time_ps, guint count)
{
    fprintf(out, "\"%s\": [", name);
    for (guint i = 0; i < count && time_ps != NULL; i++) {
        g_autofree char *time_us = fab_stream_microseconds(time_ps[i]);
        fprintf(out, "%s%s", i > 0 ? ", " : "", time_us);
    }
    fputs("]", out);
}

/* Only where there are any: times by row, without any fault and with each alone. */
static void
write_faults(FILE *out, const FabResult *result)
{
    if (result->faults->len == 0)
        return;
    fputs("],\n      ", out);
    write_times(out, "healthy_us", result->healthy_ps, result->rows->len);
    fputs(",\n      \"faults\": [", out);
    for (guint i = 0; i < result->faults->len; i++) {
        const FabResultFault *fault = result->faults->pdata[i];
        fputs(i > 0 ? ",\n                 {" : "{", out);
        text_member(out, "name", fault->name);
        text_member(out, "what", fault->what);
        write_times(out, "alone_us", fault->alone_ps, result->rows->len);
        fputs("}", out);
    }
}

static void
write_result(FILE *out, const FabResult *result)
{
    fputs("    {", out);
    text_member(out, "name", result->name);
    text_member(out, "scenario_text", result->scenario);
    text_member(out, "topology", result->topology);
    text_member(out, "topology_title", result->topology_title);
    text_member(out, "plugin", result->plugin);
    text_member(out, "collective", result->collective);
    text_member(out, "datatype", result->datatype);
    text_member(out, "redop", result->redop);
    fprintf(out, "\"root\": %d, \"ranks\": %u, \"gpus\": %u, ", result->root, result->ranks, result->gpus);
    text_member(out, "fidelity", result->fidelity);
    text_member(out, "calibration", result->calibration);
    text_member(out, "interval", result->interval);
    fprintf(out, "\"interval_guessed\": %s, ", result->guessed ? "true" : "false");
    fputs("\n      \"notes\": [", out);
    for (guint i = 0; i < result->notes->len; i++) {
        fputs(i > 0 ? ", " : "", out);
        fab_stream_json_text(out, result->notes->pdata[i]);
    }
    write_faults(out, result);
    fputs("],\n      \"rows\": [", out);
    for (guint i = 0; i < result->rows->len; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_row(out, result->rows->pdata[i]);
    }
    fputs("\n      ]}", out);
}

bool
fab_report_json(GPtrArray *results, FILE *out, GError **error)
{
    fprintf(out, "{\"schema\": \"fabricast-result\", \"schema_version\": %d, \"version\": \"%s\",\n  \"results\": [",
            SCHEMA_VERSION, FAB_VERSION);
    for (guint i = 0; i < results->len; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_result(out, results->pdata[i]);
    }
    fputs("\n  ]\n}\n", out);
    return fab_stream_finish(out, error);
}
