#include "report/device.h"

#include <math.h>
#include <string.h>

#include "report/stream.h"
#include "validate/validate.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

static const char *
count_text(int64_t count, Number text)
{
    if (count < 0)
        return "-";
    g_snprintf(text, sizeof(Number), "%" G_GINT64_FORMAT, count);
    return text;
}

static void
write_row(const FabDeviceRow *row, FILE *out)
{
    Number ctas, bytes, measured, predicted, error;

    fprintf(out, "  %-14s %-44s %-10s %5s %12s %12s %12s %8s\n", row->test, row->variant, row->gpus,
            count_text(row->ctas, ctas), count_text(row->bytes, bytes),
            fab_stream_fixed(row->measured_us, 2, measured), fab_stream_fixed(row->predicted_us, 2, predicted),
            fab_stream_fixed(100 * row->error, 1, error));
}

static void
write_case(const FabDeviceCase *one, FILE *out)
{
    fprintf(out, "#\n# %s", one->measurement->id);
    if (one->reason != NULL) {
        fprintf(out, "  not predicted: %s\n", one->reason);
        return;
    }
    fprintf(out, "  on %s, %u of %u times predicted\n", fab_measurement_get(one->measurement, "system", "topology"),
            one->rows->len, one->rows->len + one->left_out);
    for (guint i = 0; i < one->rows->len; i++)
        write_row(&g_array_index(one->rows, FabDeviceRow, i), out);
}

/* Absolute errors of a test by band, and how many there are. */
typedef struct {
    double sum[FAB_BANDS];
    guint count[FAB_BANDS];
} Errors;

static Errors
errors_of(GPtrArray *cases, const char *test)
{
    Errors errors = { .sum = { 0 } };

    for (guint i = 0; i < cases->len; i++) {
        const FabDeviceCase *one = cases->pdata[i];
        for (guint k = 0; k < one->rows->len; k++) {
            const FabDeviceRow *row = &g_array_index(one->rows, FabDeviceRow, k);
            FabBand band = row->bytes >= 0 ? fab_band_of((uint64_t)row->bytes) : FAB_BANDS - 1;
            if (strcmp(row->test, test) != 0)
                continue;
            errors.sum[band] += fabs(row->error);
            errors.count[band]++;
        }
    }
    return errors;
}

static void
write_means(GPtrArray *cases, FILE *out)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    fprintf(out, "#\n# mean error in percent (rows)  %20s %20s %20s\n", fab_band_names[0], fab_band_names[1],
            fab_band_names[2]);
    for (guint i = 0; i < cases->len; i++) {
        const FabDeviceCase *one = cases->pdata[i];
        for (guint k = 0; k < one->rows->len; k++) {
            const char *test = g_array_index(one->rows, FabDeviceRow, k).test;
            Errors errors;
            if (!g_hash_table_add(seen, (gpointer)test))
                continue;
            errors = errors_of(cases, test);
            fprintf(out, "  %-29s", test);
            for (int band = 0; band < FAB_BANDS; band++) {
                Number mean;
                g_autofree char *text = errors.count[band] == 0 ? g_strdup("-") : g_strdup_printf(
                    "%s (%u)", fab_stream_fixed(100 * errors.sum[band] / errors.count[band], 1, mean),
                    errors.count[band]);
                fprintf(out, " %20s", text);
            }
            fputs("\n", out);
        }
    }
}

void
fab_report_device(GPtrArray *cases, FILE *out)
{
    fprintf(out, "# %-14s %-44s %-10s %5s %12s %12s %12s %8s\n", "test", "variant", "GPUs", "CTAs", "size",
            "measured", "predicted", "error");
    fprintf(out, "# %-14s %-44s %-10s %5s %12s %12s %12s %8s\n", "", "", "", "", "(B)", "(us)", "(us)", "(%)");
    for (guint i = 0; i < cases->len; i++)
        write_case(cases->pdata[i], out);
    write_means(cases, out);
}

void
fab_report_device_csv(GPtrArray *cases, FILE *out)
{
    fputs("id,test,variant,gpus,ctas,size_bytes,measured_us,predicted_us,error\n", out);
    for (guint i = 0; i < cases->len; i++) {
        const FabDeviceCase *one = cases->pdata[i];
        for (guint k = 0; k < one->rows->len; k++) {
            const FabDeviceRow *row = &g_array_index(one->rows, FabDeviceRow, k);
            Number ctas, bytes, measured, predicted, error;
            fprintf(out, "%s,%s,\"%s\",%s,%s,%s,%s,%s,%s\n", one->measurement->id, row->test, row->variant, row->gpus,
                    row->ctas >= 0 ? count_text(row->ctas, ctas) : "",
                    row->bytes >= 0 ? count_text(row->bytes, bytes) : "",
                    fab_stream_number(row->measured_us, measured), fab_stream_number(row->predicted_us, predicted),
                    fab_stream_number(row->error, error));
        }
    }
}
