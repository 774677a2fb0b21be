/* Fits as JSON: schema "fabricast-calibration". Errors are shares: 0.05 is 5 %. */
#include "report/calibrate.h"

#include <math.h>

#include "report/stream.h"

enum { SCHEMA_VERSION = 1 };

static void
write_parameter(const FabFitParameter *parameter, FILE *out)
{
    fputs("    {", out);
    fab_stream_json_member(out, "group", parameter->group, ", ");
    fab_stream_json_member(out, "key", parameter->constant->key, ", ");
    fab_stream_json_member(out, "unit", parameter->constant->unit, ", ");
    fab_stream_json_member(out, "meaning", parameter->constant->meaning, ", ");
    fab_stream_json_measure(out, "low", parameter->constant->low, ", ");
    fab_stream_json_measure(out, "high", parameter->constant->high, ",\n     ");
    fab_stream_json_measure(out, "start", parameter->start, ", ");
    fab_stream_json_measure(out, "value", parameter->value, ", ");
    fab_stream_json_measure(out, "low95", parameter->low95, ", ");
    fab_stream_json_measure(out, "high95", parameter->high95, ", ");
    fab_stream_json_member(out, "why_not", parameter->why, ", ");
    fprintf(out, "\"identified\": %s, \"at_bound\": %s}", parameter->identified ? "true" : "false",
            parameter->at_bound ? "true" : "false");
}

static void
write_errors(const char *name, const FabErrorSummary *summary, const char *after, FILE *out)
{
    fprintf(out, "\"%s\": [", name);
    for (int band = 0; band < FAB_BANDS; band++) {
        fputs(band > 0 ? ", {" : "{", out);
        fab_stream_json_member(out, "band", fab_band_names[band], ", ");
        fprintf(out, "\"rows\": %u, ", summary[band].rows);
        fab_stream_json_measure(out, "mean", summary[band].rows > 0 ? summary[band].mean : NAN, "}");
    }
    fprintf(out, "]%s", after);
}

static void
write_case(const FabFitCase *one, FILE *out)
{
    fputs("    {", out);
    fab_stream_json_member(out, "id", one->id, ", ");
    fab_stream_json_member(out, "machine", one->machine, ", ");
    fab_stream_json_member(out, "constants", one->group, ", ");
    fab_stream_json_member(out, "reason", one->reason, ", ");
    fab_stream_json_member(out, "detail", one->detail, ", ");
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
