/* Validations as tables for people, and as CSV; JSON is in validate-json.c. */
#include "report/validate.h"

#include <math.h>
#include <string.h>

#include "fabricast-config.h"
#include "report/stream.h"

enum { WORST_CASES = 15 };

/* A share as percent with one digit in a field of seven. */
static void
write_percent(FILE *out, double share)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, " %6s", isfinite(share) ? fab_stream_fixed(100 * share, 1, buffer) : "-");
}

/* ------------------------------------------------------------------ what was compared */

/* Counts texts in order of first appearance. */
static void
count_reason(GPtrArray *reasons, GArray *counts, const char *reason)
{
    guint index = 0, one = 1;

    while (index < reasons->len && strcmp(reasons->pdata[index], reason) != 0)
        index++;
    if (index < reasons->len) {
        g_array_index(counts, guint, index)++;
        return;
    }
    g_ptr_array_add(reasons, (char *)reason);
    g_array_append_val(counts, one);
}

static void
write_head(const FabValidation *validation, FILE *out)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new();
    g_autoptr(GArray) counts = g_array_new(FALSE, FALSE, sizeof(guint));
    guint scored = 0, rows = 0;

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        scored += one->scored;
        rows += one->scored ? one->rows->len : 0;
        if (!one->scored)
            count_reason(reasons, counts, one->reason != NULL ? one->reason : "grade C");
    }
    fprintf(out, "# fabricast %s  validation: %u measurements, %u of them scored with %u rows\n", FAB_VERSION,
            validation->cases->len, scored, rows);
    if (validation->calibration != NULL)
        fprintf(out, "# constants: %s\n", validation->calibration);
    for (guint i = 0; i < reasons->len; i++)
        fprintf(out, "# not scored: %4u  %s\n", g_array_index(counts, guint, i), (const char *)reasons->pdata[i]);
}

/* ------------------------------------------------------------------ tables of errors */

static void
write_columns(const char *title, int width, FILE *out)
{
    fprintf(out, "#\n# %-*s  %5s %5s %6s %6s %6s %6s %6s %6s   %6s %6s %6s   %6s %6s\n", width, title, "cases", "rows",
            "mean", "bias", "median", "p90", "worst", "by row", "NCCL", "median", "(ours)", "line", "median");
}

static void
write_summary(const FabValidationGroup *group, FabBand band, const char *name, int width, FILE *out)
{
    const FabErrorSummary *ours = &group->summary[band][FAB_PREDICTOR_ENGINE];
    const FabErrorSummary *nccl = &group->summary[band][FAB_PREDICTOR_NCCL];
    const FabErrorSummary *line = &group->summary[band][FAB_PREDICTOR_LINE];

    fprintf(out, "  %-*s  %5u %5u", width, name, ours->cases, ours->rows);
    write_percent(out, ours->mean);
    write_percent(out, ours->bias);
    write_percent(out, ours->median);
    write_percent(out, ours->p90);
    write_percent(out, ours->worst);
    write_percent(out, ours->mean_row);
    fputs("  ", out);
    write_percent(out, nccl->rows > 0 ? nccl->mean : NAN);
    write_percent(out, nccl->rows > 0 ? nccl->median : NAN);
    write_percent(out, nccl->rows > 0 ? group->engine_on_nccl[band].mean : NAN);
    fputs("  ", out);
    write_percent(out, line->mean);
    write_percent(out, line->median);
    fputc('\n', out);
}

static int
longest_name(const GPtrArray *groups, const char *title)
{
    size_t width = MAX(strlen(title), strlen(fab_band_names[FAB_BAND_MIDDLE]));

    for (guint i = 0; i < groups->len; i++)
        width = MAX(width, strlen(((FabValidationGroup *)groups->pdata[i])->name));
    return (int)width;
}

static void
write_bands(const FabValidation *validation, FILE *out)
{
    g_autoptr(GPtrArray) groups = fab_validation_groups(validation, FAB_GROUP_ALL);
    int width = longest_name(groups, "size");

    write_columns("size", width, out);
    for (int b = 0; b < FAB_BANDS && groups->len > 0; b++) {
        const FabValidationGroup *all = groups->pdata[0];
        if (all->summary[b][FAB_PREDICTOR_ENGINE].rows > 0)
            write_summary(all, (FabBand)b, fab_band_names[b], width, out);
    }
}

/* The shipped constants, which saw these rows. */
static void
write_in_sample(const FabValidation *validation, FILE *out)
{
    if (!validation->left_out)
        return;
    fprintf(out, "#\n# %-16s  %5s %5s %6s %6s %6s %6s %6s %6s\n", "in sample", "cases", "rows", "mean", "bias",
            "median", "p90", "worst", "by row");
    for (int b = 0; b < FAB_BANDS; b++) {
        const FabErrorSummary *summary = &validation->in_sample[b];
        const double shares[] = { summary->mean,  summary->bias,  summary->median,
                                  summary->p90,   summary->worst, summary->mean_row };
        fprintf(out, "  %-16s  %5u %5u", fab_band_names[b], summary->cases, summary->rows);
        for (size_t i = 0; i < G_N_ELEMENTS(shares); i++)
            write_percent(out, summary->rows > 0 ? shares[i] : NAN);
        fputc('\n', out);
    }
}

static void
write_groups(const FabValidation *validation, FabGrouping grouping, const char *title, FILE *out)
{
    g_autoptr(GPtrArray) groups = fab_validation_groups(validation, grouping);

    for (int b = 0; b < FAB_BANDS; b++) {
        g_autofree char *head = g_strdup_printf("%s, %s", title, fab_band_names[b]);
        int width = longest_name(groups, head);
        bool open = false;
        for (guint i = 0; i < groups->len; i++) {
            const FabValidationGroup *group = groups->pdata[i];
            if (group->summary[b][FAB_PREDICTOR_ENGINE].rows == 0)
                continue;
            if (!open)
                write_columns(head, width, out);
            open = true;
            write_summary(group, (FabBand)b, group->name, width, out);
        }
    }
}

/* ------------------------------------------------------------------ worst cases */

/* The mean over the bands that the case has. */
static double
case_error(const FabValidationGroup *group)
{
    double sum = 0;
    int bands = 0;

    for (int b = 0; b < FAB_BANDS; b++) {
        sum += group->summary[b][FAB_PREDICTOR_ENGINE].mean;
        bands += group->summary[b][FAB_PREDICTOR_ENGINE].rows > 0;
    }
    return bands > 0 ? sum / bands : 0;
}

static int
compare_case_errors(const void *a, const void *b)
{
    const FabValidationGroup *x = *(FabValidationGroup *const *)a, *y = *(FabValidationGroup *const *)b;
    double ex = case_error(x), ey = case_error(y);

    return ex != ey ? (ex < ey) - (ex > ey) : strcmp(x->name, y->name);
}

static void
write_worst(const FabValidation *validation, FILE *out)
{
    g_autoptr(GPtrArray) groups = fab_validation_groups(validation, FAB_GROUP_CASE);

    if (groups->len > 0)
        qsort(groups->pdata, groups->len, sizeof *groups->pdata, compare_case_errors);
    fprintf(out, "#\n# worst cases: mean error below 64 KiB, to 8 MiB, from 8 MiB, then the bias of each\n");
    for (guint i = 0; i < MIN(groups->len, WORST_CASES); i++) {
        const FabValidationGroup *group = groups->pdata[i];
        fputs("  ", out);
        for (int k = 0; k < 2 * FAB_BANDS; k++) {
            const FabErrorSummary *summary = &group->summary[k % FAB_BANDS][FAB_PREDICTOR_ENGINE];
            write_percent(out, summary->rows == 0 ? NAN : k < FAB_BANDS ? summary->mean : summary->bias);
        }
        fprintf(out, "  %s\n", group->name);
    }
}

/* ------------------------------------------------------------------ cases */

static void
write_time(FILE *out, double time_us)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, " %11s", isfinite(time_us) ? fab_stream_fixed(time_us, 2, buffer) : "-");
}

static void
write_case(const FabValidationCase *one, FILE *out)
{
    fprintf(out, "#\n# %s  grade %c", one->id, one->grade);
    if (one->reason != NULL) {
        fprintf(out, "  not predicted: %s%s%s\n", one->reason, one->detail != NULL ? "; " : "",
                one->detail != NULL ? one->detail : "");
        return;
    }
    fprintf(out, "  %s, %s, %u ranks on %s%s\n", one->gpu_id, one->collective, one->ranks, one->topology,
            one->scored ? "" : "; not scored");
    for (guint i = 0; i < one->notes->len; i++)
        fprintf(out, "# %s\n", (const char *)one->notes->pdata[i]);
    fprintf(out, "# %13s %11s %11s %6s %11s %11s %11s %11s  %s\n", "size", "measured", "predicted", "error", "low",
            "high", "NCCL", "line", "algorithm");
    for (guint i = 0; i < one->rows->len; i++) {
        const FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, i);
        fprintf(out, "  %13" G_GUINT64_FORMAT, row->size_bytes);
        write_time(out, row->measured_us);
        write_time(out, row->predicted_us[FAB_PREDICTOR_ENGINE]);
        write_percent(out, fab_validation_error(row, FAB_PREDICTOR_ENGINE));
        write_time(out, row->low_us);
        write_time(out, row->high_us);
        write_time(out, row->predicted_us[FAB_PREDICTOR_NCCL]);
        write_time(out, row->predicted_us[FAB_PREDICTOR_LINE]);
        fprintf(out, "  %s %s %u\n", row->algorithm, row->protocol, row->channels);
    }
}

static bool
any_scored(const FabValidation *validation)
{
    for (guint i = 0; i < validation->cases->len; i++) {
        if (((FabValidationCase *)validation->cases->pdata[i])->scored)
            return true;
    }
    return false;
}

bool
fab_report_validation(const FabValidation *validation, bool rows, FILE *out, GError **error)
{
    write_head(validation, out);
    for (guint i = 0; i < validation->cases->len && rows; i++)
        write_case(validation->cases->pdata[i], out);
    if (validation->clusters)
        fab_report_clusters(validation, out);
    if (!any_scored(validation))
        return fab_stream_finish(out, error);
    fputs("#\n# Error of the time in percent: prediction / measurement - 1; mean, median, p90 and worst of its size.\n"
          "# mean, bias, NCCL and line weigh every case the same; medians, p90, worst and \"by row\" every row.\n"
          "# NCCL: its tuner's own estimate, where it has one; (ours): our mean on those rows. line: latency plus\n"
          "# size over bandwidth, the best one for each sweep, fitted to that very sweep.\n", out);
    if (validation->left_out && validation->clusters)
        fputs("# Left out: each cluster is predicted with constants fitted without its tables, of its NICs with those\n"
              "# of others, and its intervals are those that the other clusters yield.\n", out);
    else if (validation->left_out)
        fputs("# Left out: each machine is predicted with constants fitted without its tables, and its intervals are\n"
              "# those that the other machines yield.\n", out);
    write_bands(validation, out);
    write_in_sample(validation, out);
    fputs("#\n# inside the 90 % interval:\n", out);
    fab_report_coverage(validation, out);
    if (validation->cases->len == 1)
        return fab_stream_finish(out, error);
    write_groups(validation, FAB_GROUP_SYSTEM, "system", out);
    write_groups(validation, FAB_GROUP_COLLECTIVE, "collective", out);
    write_groups(validation, FAB_GROUP_ALGORITHM, "algorithm", out);
    write_worst(validation, out);
    return fab_stream_finish(out, error);
}

/* ------------------------------------------------------------------ CSV */

static const char header[] = "id,gpu_id,ranks,collective,size_bytes,measured_us,predicted_us,low_us,high_us,algorithm,"
                             "protocol,channels,nccl_model_us,line_fit_us,topology,machine,grade,scored,kind";

static void
write_cell(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fprintf(out, ",%s", text);
    } else {
        g_auto(GStrv) parts = g_strsplit(text, "\"", -1);
        g_autofree char *doubled = g_strjoinv("\"\"", parts);
        fprintf(out, ",\"%s\"", doubled);
    }
}

static void
write_number(FILE *out, double value)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, ",%s", isfinite(value) ? g_ascii_formatd(buffer, sizeof buffer, "%.9g", value) : "");
}

static void
write_line(const FabValidation *validation, const FabValidationCase *one, const FabValidationRow *row, FILE *out)
{
    fputs(one->id, out);
    write_cell(out, one->gpu_id);
    fprintf(out, ",%u", one->ranks);
    write_cell(out, one->collective);
    fprintf(out, ",%" G_GUINT64_FORMAT, row->size_bytes);
    write_number(out, row->measured_us);
    write_number(out, row->predicted_us[FAB_PREDICTOR_ENGINE]);
    write_number(out, row->low_us);
    write_number(out, row->high_us);
    write_cell(out, row->algorithm);
    write_cell(out, row->protocol);
    fprintf(out, ",%u", row->channels);
    write_number(out, row->predicted_us[FAB_PREDICTOR_NCCL]);
    write_number(out, row->predicted_us[FAB_PREDICTOR_LINE]);
    write_cell(out, one->topology);
    write_cell(out, one->machine);
    fprintf(out, ",%c,%d", one->grade, one->scored);
    write_cell(out, row->kind != NULL ? row->kind : "");
    if (validation->clusters)
        fab_report_cluster_cells(validation, one, row, out);
    fputs("\r\n", out);
}

bool
fab_report_validation_csv(const FabValidation *validation, FILE *out, GError **error)
{
    fprintf(out, "%s%s\r\n", header, validation->clusters ? fab_report_cluster_columns : "");
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        for (guint k = 0; k < one->rows->len; k++)
            write_line(validation, one, &g_array_index(one->rows, FabValidationRow, k), out);
    }
    return fab_stream_finish(out, error);
}
