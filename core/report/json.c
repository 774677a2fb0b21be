/* Results as JSON: schema "fabricast-result". Names are those of the columns, numbers are numbers. */
#include "report/report.h"

#include "fabricast-config.h"
#include "report/stream.h"

enum { SCHEMA_VERSION = 1 };

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
    fputs("{", out);
    fab_stream_json_member(out, "resource", use->name, ", ");
    if (use->link != UINT32_MAX)
        fprintf(out, "\"link\": %u, \"direction\": %u, ", use->link, use->direction);
    else
        fputs("\"link\": null, \"direction\": null, ", out);
    fab_stream_json_number(out, "bytes", use->bytes, ", ");
    fab_stream_json_number(out, "utilisation", use->utilisation, "}");
}

/* Only where draws were repeated: time_us is their median. */
static void
write_draws(FILE *out, const FabResultDraws *draws)
{
    g_autofree char *least = fab_stream_microseconds(draws->least_ps), *p5 = fab_stream_microseconds(draws->p5_ps);
    g_autofree char *most = fab_stream_microseconds(draws->most_ps), *p95 = fab_stream_microseconds(draws->p95_ps);

    fprintf(out, ",\n         \"draws_us\": {\"fastest\": %s, \"p5\": %s, \"p95\": %s, \"slowest\": %s}", least, p5,
            p95, most);
}

/* Only where the time was not simulated, but gone on to from that of fewer nodes. */
static void
write_growth(FILE *out, const FabResultGrowth *growth)
{
    g_autofree char *each = fab_stream_microseconds(growth->each_ps);

    fprintf(out, ",\n         \"extrapolated\": {\"nodes\": %u, \"simulated_nodes\": [%u, %u], \"doublings\": %u, "
                 "\"each_doubling_us\": %s}", growth->nodes, growth->simulated[0], growth->simulated[1],
            growth->doublings, each);
}

static void
write_row(FILE *out, const FabResultRow *row)
{
    g_autofree char *time_us = fab_stream_microseconds(row->time_ps);

    fprintf(out, "        {\"size_bytes\": %" G_GUINT64_FORMAT ", \"time_us\": %s, ", row->size_bytes, time_us);
    end_member(out, "low_us", row->low_ps);
    end_member(out, "high_us", row->high_ps);
    fab_stream_json_member(out, "kind", row->kind, ", ");
    fab_stream_json_number(out, "algbw_GBps", row->algbw / 1e9, ", ");
    fab_stream_json_number(out, "busbw_GBps", row->busbw / 1e9, ", ");
    fab_stream_json_member(out, "algorithm", row->algorithm, ", ");
    fab_stream_json_member(out, "protocol", row->protocol, ", ");
    fprintf(out, "\"channels\": %u, ", row->channels);
    fab_stream_json_member(out, "binding", row->binding, ", ");
    fab_stream_json_number(out, "binding_utilisation", row->binding_utilisation, ", ");
    fprintf(out, "\"steps\": %" G_GUINT64_FORMAT ", \"slices\": %" G_GUINT64_FORMAT ",\n         \"uses\": [",
            row->steps, row->slices);
    for (guint i = 0; i < row->uses->len; i++) {
        fputs(i > 0 ? ",\n                  " : "", out);
        write_use(out, &g_array_index(row->uses, FabResultUse, i));
    }
    fputs("]", out);
    if (row->draws != NULL)
        write_draws(out, row->draws);
    if (row->growth != NULL)
        write_growth(out, row->growth);
    fputs("}", out);
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
    write_times(out, "healthy_us", result->healthy_ps, result->rows->len);
    fputs(",\n      \"faults\": [", out);
    for (guint i = 0; i < result->faults->len; i++) {
        const FabResultFault *fault = result->faults->pdata[i];
        fputs(i > 0 ? ",\n                 {" : "{", out);
        fab_stream_json_member(out, "name", fault->name, ", ");
        fab_stream_json_member(out, "what", fault->what, ", ");
        write_times(out, "alone_us", fault->alone_ps, result->rows->len);
        fputs("}", out);
    }
    fputs("],\n      ", out);
}

static void
write_result(FILE *out, const FabResult *result)
{
    fputs("    {", out);
    fab_stream_json_member(out, "name", result->name, ", ");
    fab_stream_json_member(out, "scenario_text", result->scenario, ", ");
    fab_stream_json_member(out, "topology", result->topology, ", ");
    fab_stream_json_member(out, "topology_title", result->topology_title, ", ");
    fab_stream_json_member(out, "plugin", result->plugin, ", ");
    fab_stream_json_member(out, "collective", result->collective, ", ");
    fab_stream_json_member(out, "datatype", result->datatype, ", ");
    fab_stream_json_member(out, "redop", result->redop, ", ");
    fprintf(out, "\"root\": %d, \"ranks\": %u, \"gpus\": %u, ", result->root, result->ranks, result->gpus);
    if (result->draws > 0)
        fprintf(out, "\"draws\": %u, \"first_seed\": %u, ", result->draws, result->first_seed);
    fab_stream_json_member(out, "fidelity", result->fidelity, ", ");
    fab_stream_json_member(out, "calibration", result->calibration, ", ");
    fab_stream_json_member(out, "interval", result->interval, ", ");
    fprintf(out, "\"interval_guessed\": %s, ", result->guessed ? "true" : "false");
    fputs("\n      ", out);
    fab_stream_json_texts(out, "notes", result->notes, ",\n      ");
    write_faults(out, result);
    fputs("\"rows\": [", out);
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
