/* Results as RFC 4180 asks: CRLF, quotes where needed, one header row. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "report/stream.h"

static const char header[] = "scenario,topology,plugin,collective,datatype,redop,root,ranks,gpus,fidelity,size_bytes,"
                             "time_us,low_us,high_us,kind,algbw_GBps,busbw_GBps,algorithm,protocol,channels,binding,"
                             "binding_utilisation,steps,slices";

/* Where any result has several draws of a network's hash. */
static const char draws_header[] = ",draws,draw_fastest_us,draw_p5_us,draw_p95_us,draw_slowest_us";

/* Where any time was not simulated, but gone on to from that of fewer nodes. */
static const char growth_header[] = ",extrapolated_nodes,simulated_nodes,each_doubling_us";

/* Columns that only some results need. */
typedef struct {
    bool draws, growth;
} Further;

static void
write_text(FILE *out, const char *text)
{
    const char *safe = text != NULL ? text : "";

    if (strpbrk(safe, ",\"\r\n") == NULL) {
        fputs(safe, out);
    } else {
        g_auto(GStrv) parts = g_strsplit(safe, "\"", -1);
        g_autofree char *doubled = g_strjoinv("\"\"", parts);
        fprintf(out, "\"%s\"", doubled);
    }
    fputc(',', out);
}

/* An end of an interval; 0: not known. */
static void
write_end(FILE *out, int64_t time_ps)
{
    g_autofree char *time_us = fab_stream_microseconds(time_ps);

    fprintf(out, "%s,", time_ps > 0 ? time_us : "");
}

/* What is not a number is an empty field. */
static void
write_number(FILE *out, double value)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "%s,", isfinite(value) ? fab_stream_number(value, buffer) : "");
}

static void
write_scenario(FILE *out, const FabResult *result)
{
    const char *const texts[] = { result->name,       result->topology, result->plugin,
                                  result->collective, result->datatype, result->redop };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        write_text(out, texts[i]);
    fprintf(out, "%d,%u,%u,", result->root, result->ranks, result->gpus);
    write_text(out, result->fidelity);
}

static void
write_draws(FILE *out, const FabResult *result, const FabResultRow *row)
{
    const FabResultDraws none = { 0 }, *draws = row->draws != NULL ? row->draws : &none;
    const int64_t times[] = { draws->least_ps, draws->p5_ps, draws->p95_ps, draws->most_ps };

    fprintf(out, ",%u", MAX(result->draws, 1));
    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autofree char *time_us = fab_stream_microseconds(times[i]);
        fprintf(out, ",%s", times[i] > 0 ? time_us : "");
    }
}

static void
write_growth(FILE *out, const FabResultGrowth *growth)
{
    g_autofree char *each = growth != NULL ? fab_stream_microseconds(growth->each_ps) : NULL;

    if (growth != NULL)
        fprintf(out, ",%u,%u %u,%s", growth->nodes, growth->simulated[0], growth->simulated[1], each);
    else
        fputs(",,,", out);
}

static void
write_row(FILE *out, const FabResult *result, const FabResultRow *row, Further further)
{
    g_autofree char *time_us = fab_stream_microseconds(row->time_ps);

    write_scenario(out, result);
    fprintf(out, "%" G_GUINT64_FORMAT ",%s,", row->size_bytes, time_us);
    write_end(out, row->low_ps);
    write_end(out, row->high_ps);
    write_text(out, row->kind);
    write_number(out, row->algbw / 1e9);
    write_number(out, row->busbw / 1e9);
    write_text(out, row->algorithm);
    write_text(out, row->protocol);
    fprintf(out, "%u,", row->channels);
    write_text(out, row->binding);
    write_number(out, row->binding_utilisation);
    fprintf(out, "%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT, row->steps, row->slices);
    if (further.draws)
        write_draws(out, result, row);
    if (further.growth)
        write_growth(out, row->growth);
    fputs("\r\n", out);
}

bool
fab_report_csv(GPtrArray *results, FILE *out, GError **error)
{
    Further further = { false, false };

    for (guint i = 0; i < results->len; i++) {
        const FabResult *result = results->pdata[i];
        further.draws = further.draws || result->draws > 0;
        for (guint j = 0; j < result->rows->len; j++)
            further.growth = further.growth || ((const FabResultRow *)result->rows->pdata[j])->growth != NULL;
    }
    fprintf(out, "%s%s%s\r\n", header, further.draws ? draws_header : "", further.growth ? growth_header : "");
    for (guint i = 0; i < results->len; i++) {
        const FabResult *result = results->pdata[i];
        for (guint j = 0; j < result->rows->len; j++)
            write_row(out, result, result->rows->pdata[j], further);
    }
    return fab_stream_finish(out, error);
}
