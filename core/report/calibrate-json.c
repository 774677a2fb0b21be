/* Fits as JSON: schema "fabricast-calibration". Errors are shares: 0.05 is 5 %. */
#include "report/calibrate.h"

#include <math.h>

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
number_member(FILE *out, const char *name, double value, const char *after)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "\"%s\": %s%s", name, isfinite(value) ? g_ascii_formatd(buffer, sizeof buffer, "%.9g", value) : "null",
            after);
}

static void
write_parameter(const FabFitParameter *parameter, FILE *out)
{
    fputs("    {", out);
    text_member(out, "group", parameter->group);
    text_member(out, "key", parameter->constant->key);
    text_member(out, "unit", parameter->constant->unit);
    text_member(out, "meaning", parameter->constant->meaning);
    number_member(out, "low", parameter->constant->low, ", ");
    number_member(out, "high", parameter->constant->high, ",\n     ");
    number_member(out, "start", parameter->start, ", ");
    number_member(out, "value", parameter->value, ", ");
    number_member(out, "low95", parameter->low95, ", ");
    number_member(out, "high95", parameter->high95, ", ");
    text_member(out, "why_not", parameter->why);
    fprintf(out, "\"identified\": %s, \"at_bound\": %s}", parameter->identified ? "true" : "false",
            parameter->at_bound ? "true" : "false");
}

static void
write_errors(const char *name, const FabErrorSummary *summary, const char *after, FILE *out)
{
    fprintf(out, "\"%s\": [", name);
    for (int band = 0; band < FAB_BANDS; band++) {
        fputs(band > 0 ? ", {" : "{", out);
        text_member(out, "band", fab_band_names[band]);
        fprintf(out, "\"rows\": %u, ", summary[band].rows);
        number_member(out, "mean", summary[band].rows > 0 ? summary[band].mean : NAN, "}");
    }
    fprintf(out, "]%s", after);
}

static void
write_case(const FabFitCase *one, FILE *out)
{
    fputs("    {", out);
    text_member(out, "id", one->id);
    text_member(out, "machine", one->machine);
    text_member(out, "constants", one->group);
    text_member(out, "reason", one->reason);
    text_member(out, "detail", one->detail);
    fprintf(out, "\"rows\": %u,\n     ", one->rows);
    write_errors("before", one->before, ",\n     ", out);
    write_errors("after", one->after, "}", out);
}

bool
fab_report_fit_json(const FabFit *fit, FILE *out, GError **error)
{
    fprintf(out, "{\"schema\": \"fabricast-calibration\", \"schema_version\": %d,\n  \"cases_used\": %u, \"rows\": %u, "
                 "\"at_bound\": %s,\n  ", SCHEMA_VERSION, fit->used, fit->rows, fit->at_bound ? "true" : "false");
    write_errors("before", fit->before, ",\n  ", out);
    write_errors("after", fit->after, ",\n  \"parameters\": [", out);
    for (guint i = 0; i < fit->parameters->len; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_parameter(fit->parameters->pdata[i], out);
    }
    fputs("],\n  \"cases\": [", out);
    for (guint i = 0; i < fit->cases->len; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_case(fit->cases->pdata[i], out);
    }
    fputs("\n  ]\n}\n", out);
    return fab_stream_finish(out, error);
}
