/* Validations as JSON: schema "fabricast-validation". Errors are shares: 0.05 is 5 %. */
#include "report/validate.h"

#include <math.h>

#include "fabricast-config.h"
#include "report/stream.h"

enum { SCHEMA_VERSION = 1 };

/* ------------------------------------------------------------------ cases */

static void
write_row(FILE *out, const FabValidationRow *row)
{
    fprintf(out, "        {\"size_bytes\": %" G_GUINT64_FORMAT ", ", row->size_bytes);
    fab_stream_json_measure(out, "measured_us", row->measured_us, ", ");
    fab_stream_json_measure(out, "predicted_us", row->predicted_us[FAB_PREDICTOR_ENGINE], ", ");
    fab_stream_json_measure(out, "low_us", row->low_us, ", ");
    fab_stream_json_measure(out, "high_us", row->high_us, ", ");
    fab_stream_json_member(out, "kind", row->kind, ", ");
    fab_stream_json_member(out, "algorithm", row->algorithm, ", ");
    fab_stream_json_member(out, "protocol", row->protocol, ", ");
    fprintf(out, "\"channels\": %u, ", row->channels);
    fab_stream_json_measure(out, "nccl_model_us", row->predicted_us[FAB_PREDICTOR_NCCL], ", ");
    fab_stream_json_measure(out, "line_fit_us", row->predicted_us[FAB_PREDICTOR_LINE], "}");
}

static void
write_case(FILE *out, const FabValidationCase *one)
{
    const char grade[] = { one->grade, '\0' };

    fputs("    {", out);
    fab_stream_json_member(out, "id", one->id, ", ");
    fab_stream_json_member(out, "machine", one->machine, ", ");
    fab_stream_json_member(out, "topology", one->topology, ", ");
    fab_stream_json_member(out, "gpu_id", one->gpu_id, ", ");
    fab_stream_json_member(out, "collective", one->collective, ", ");
    fab_stream_json_member(out, "grade", grade, ", ");
    fprintf(out, "\"ranks\": %u, \"scored\": %s, ", one->ranks, one->scored ? "true" : "false");
    fab_stream_json_member(out, "reason", one->reason, ", ");
    fab_stream_json_member(out, "detail", one->detail, ", ");
    fputs("\n      ", out);
    fab_stream_json_texts(out, "notes", one->notes, ",\n      \"rows\": [");
    for (guint i = 0; i < one->rows->len; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_row(out, &g_array_index(one->rows, FabValidationRow, i));
    }
    fputs("]}", out);
}

/* ------------------------------------------------------------------ errors */

static void
write_summary(FILE *out, const char *name, const FabErrorSummary *summary, const char *after)
{
    fprintf(out, "\"%s\": {\"cases\": %u, \"rows\": %u, ", name, summary->cases, summary->rows);
    fab_stream_json_measure(out, "mean", summary->rows > 0 ? summary->mean : NAN, ", ");
    fab_stream_json_measure(out, "bias", summary->rows > 0 ? summary->bias : NAN, ", ");
    fab_stream_json_measure(out, "mean_by_row", summary->rows > 0 ? summary->mean_row : NAN, ", ");
    fab_stream_json_measure(out, "median", summary->rows > 0 ? summary->median : NAN, ", ");
    fab_stream_json_measure(out, "p90", summary->rows > 0 ? summary->p90 : NAN, ", ");
    fab_stream_json_measure(out, "worst", summary->rows > 0 ? summary->worst : NAN, "}");
    fputs(after, out);
}

static void
write_groups(FILE *out, const FabValidation *validation, FabGrouping grouping, const char *name, const char *after)
{
    g_autoptr(GPtrArray) groups = fab_validation_groups(validation, grouping);
    const char *separator = "\n";

    fprintf(out, "    \"%s\": [", name);
    for (guint i = 0; i < groups->len; i++) {
        const FabValidationGroup *group = groups->pdata[i];
        for (int b = 0; b < FAB_BANDS; b++) {
            if (group->summary[b][FAB_PREDICTOR_ENGINE].rows == 0)
                continue;
            fprintf(out, "%s      {", separator);
            separator = ",\n";
            fab_stream_json_member(out, "name", group->name, ", ");
            fab_stream_json_member(out, "band", fab_band_names[b], ", ");
            fputs("\n       ", out);
            write_summary(out, "fabricast", &group->summary[b][FAB_PREDICTOR_ENGINE], ",\n       ");
            write_summary(out, "nccl_model", &group->summary[b][FAB_PREDICTOR_NCCL], ",\n       ");
            write_summary(out, "fabricast_where_nccl_model", &group->engine_on_nccl[b], ",\n       ");
            write_summary(out, "line_fit", &group->summary[b][FAB_PREDICTOR_LINE], "}");
        }
    }
    fprintf(out, "]%s", after);
}

/* Of how many scored rows the measurement is inside the interval. */
static void
write_coverage(FILE *out, const FabValidation *validation)
{
    FabCoverage coverage[FAB_COVERAGES];

    fab_intervals_coverage(validation, coverage);
    fputs("  \"inside_interval\": [", out);
    for (int b = 0; b < FAB_COVERAGES; b++) {
        fputs(b > 0 ? ",\n    {" : "\n    {", out);
        fab_stream_json_member(out, "band", fab_coverage_name(validation, b), ", ");
        fprintf(out, "\"rows\": %u, \"inside\": %u, \"machines\": %u, ", coverage[b].rows, coverage[b].inside,
                coverage[b].machines);
        fab_stream_json_measure(out, "mean_by_machine", coverage[b].machines > 0 ? coverage[b].by_machine : NAN, "}");
    }
    fputs("],\n", out);
}

/* Errors of the shipped constants beside those of constants fitted without each machine. */
static void
write_in_sample(FILE *out, const FabValidation *validation)
{
    fprintf(out, "  \"left_out\": %s,\n  \"in_sample\": [", validation->left_out ? "true" : "false");
    for (int b = 0; b < FAB_BANDS && validation->left_out; b++) {
        fputs(b > 0 ? ",\n    {" : "\n    {", out);
        fab_stream_json_member(out, "band", fab_band_names[b], ", ");
        write_summary(out, "fabricast", &validation->in_sample[b], "}");
    }
    fputs("],\n", out);
}

bool
fab_report_validation_json(const FabValidation *validation, FILE *out, GError **error)
{
    fprintf(out, "{\"schema\": \"fabricast-validation\", \"schema_version\": %d, \"version\": \"%s\",\n  ",
            SCHEMA_VERSION, FAB_VERSION);
    fab_stream_json_member(out, "calibration", validation->calibration, ", ");
    fputs("\"errors\": {\n", out);
    write_groups(out, validation, FAB_GROUP_ALL, "all", ",\n");
    write_groups(out, validation, FAB_GROUP_SYSTEM, "system", ",\n");
    write_groups(out, validation, FAB_GROUP_COLLECTIVE, "collective", ",\n");
    write_groups(out, validation, FAB_GROUP_ALGORITHM, "algorithm", ",\n");
    write_groups(out, validation, FAB_GROUP_CASE, "case", "},\n");
    write_coverage(out, validation);
    write_in_sample(out, validation);
    if (validation->clusters)
        fab_report_clusters_json(validation, out);
    fputs("  \"cases\": [", out);
    for (guint i = 0; i < validation->cases->len; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        write_case(out, validation->cases->pdata[i]);
    }
    fputs("\n  ]\n}\n", out);
    return fab_stream_finish(out, error);
}
