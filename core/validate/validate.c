#include "validate/validate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "validate/resolve.h"

double
fab_validation_error(const FabValidationRow *row, FabPredictor predictor)
{
    return row->predicted_us[predictor] / row->measured_us - 1;
}

/* ------------------------------------------------------------------ life */

static void
clear_row(gpointer data)
{
    FabValidationRow *row = data;

    g_free(row->algorithm);
    g_free(row->protocol);
    g_free(row->kind);
}

static void
free_case(gpointer data)
{
    FabValidationCase *one = data;

    g_free(one->id);
    g_free(one->machine);
    g_free(one->topology);
    g_free(one->gpu_id);
    g_free(one->collective);
    g_free(one->detail);
    g_ptr_array_unref(one->notes);
    g_array_unref(one->rows);
    g_free(one);
}

static char *
fact(const FabMeasurement *measurement, const char *group, const char *key)
{
    const char *value = fab_measurement_get(measurement, group, key);

    return g_strdup(value != NULL ? value : "");
}

static FabValidationCase *
case_new(const FabMeasurement *measurement)
{
    FabValidationCase *one = g_new0(FabValidationCase, 1);

    one->id = g_strdup(measurement->id);
    one->machine = fact(measurement, "source", "machine");
    one->topology = fact(measurement, "system", "topology");
    one->gpu_id = fact(measurement, "system", "gpu_id");
    one->collective = fact(measurement, "run", "collective");
    one->grade = fab_measurement_get(measurement, "quality", "grade")[0];
    one->ranks = (uint32_t)fab_measurement_integer(measurement, "system", "ranks", 0);
    one->notes = g_ptr_array_new_with_free_func(g_free);
    one->rows = g_array_new(FALSE, TRUE, sizeof(FabValidationRow));
    g_array_set_clear_func(one->rows, clear_row);
    return one;
}

void
fab_validation_free(FabValidation *validation)
{
    if (validation == NULL)
        return;
    g_ptr_array_unref(validation->cases);
    g_free(validation->calibration);
    g_free(validation);
}

/* ------------------------------------------------------------------ one case */

static int
collective_of(const char *name)
{
    for (int i = 0; fab_collective_names[i] != NULL; i++) {
        if (strcmp(fab_collective_names[i], name) == 0)
            return i;
    }
    return 0;
}

double
fab_measured_us(const FabMeasurement *measurement, guint row)
{
    const char *collective = fab_measurement_get(measurement, "run", "collective");
    double time = fab_measurement_number(measurement, row, FAB_COLLECTIVE_TIME);
    double size = fab_measurement_number(measurement, row, FAB_COLLECTIVE_SIZE);
    double busbw = fab_measurement_number(measurement, row, FAB_COLLECTIVE_BUSBW);
    uint32_t ranks = (uint32_t)fab_measurement_integer(measurement, "system", "ranks", 0);

    if (!isnan(time) || collective == NULL)
        return time;
    return busbw > 0 ? size * fab_collective_bus_factor((FabCollective)collective_of(collective), ranks) / (busbw * 1e3)
                     : NAN;
}

static const FabResultRow *
find_row(const FabResult *result, uint64_t size, guint *index)
{
    for (*index = 0; *index < result->rows->len; (*index)++) {
        const FabResultRow *row = result->rows->pdata[*index];
        if (row->size_bytes == size)
            return row;
    }
    return NULL;
}

static void
add_rows(FabValidationCase *one, const FabMeasurement *measurement, const FabResult *result, const double *nccl_us)
{
    for (guint i = 0; i < measurement->rows->len; i++) {
        const char *text = fab_measurement_text(measurement, i, FAB_COLLECTIVE_SIZE);
        FabValidationRow row = { .size_bytes = g_ascii_strtoull(text, NULL, 10), .low_us = NAN, .high_us = NAN };
        guint index;
        const FabResultRow *predicted = find_row(result, row.size_bytes, &index);
        row.measured_us = fab_measured_us(measurement, i);
        if (predicted == NULL || isnan(row.measured_us)) {
            g_ptr_array_add(one->notes, g_strdup_printf("row %u moves nothing or has no time, it is left out", i + 1));
            continue;
        }
        row.predicted_us[FAB_PREDICTOR_ENGINE] = (double)predicted->time_ps * 1e-6;
        if (predicted->low_ps > 0) {
            row.low_us = (double)predicted->low_ps * 1e-6;
            row.high_us = (double)predicted->high_ps * 1e-6;
        }
        row.predicted_us[FAB_PREDICTOR_NCCL] = nccl_us[index];
        row.algorithm = g_strdup(predicted->algorithm);
        row.protocol = g_strdup(predicted->protocol);
        row.kind = g_strdup(predicted->kind);
        row.channels = predicted->channels;
        g_array_append_val(one->rows, row);
    }
}

static void
fit_line(FabValidationCase *one)
{
    g_autofree double *sizes = g_new(double, one->rows->len + 1), *times = g_new(double, one->rows->len + 1);
    FabLine line;

    for (guint i = 0; i < one->rows->len; i++) {
        const FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, i);
        sizes[i] = (double)row->size_bytes;
        times[i] = row->measured_us;
    }
    if (!fab_line_fit(sizes, times, one->rows->len, &line))
        return;
    for (guint i = 0; i < one->rows->len; i++)
        g_array_index(one->rows, FabValidationRow, i).predicted_us[FAB_PREDICTOR_LINE] =
            line.latency + line.per_byte * sizes[i];
}

static void
predict(FabValidationCase *one, const FabMeasurement *measurement, const FabResolved *resolved,
        const FabConstants *constants)
{
    const FabScenario *scenario = resolved->scenario;
    g_autofree double *nccl_us = g_new(double, scenario->size_count);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = fab_run_on(scenario, resolved->topology, constants, NULL, NULL, &error);

    if (result == NULL || !fab_run_nccl_estimate(scenario, resolved->topology, nccl_us, &error)) {
        one->reason = fab_reason_scenario;
        one->detail = g_strdup(error->message);
        return;
    }
    if (result->guessed)
        g_ptr_array_add(one->notes, g_strdup(result->interval));
    add_rows(one, measurement, result, nccl_us);
    fit_line(one);
    one->scored = one->grade != 'C';
}

static FabValidation *
validate(GPtrArray *measurements, bool clusters, const FabConstants *constants, FabProgress progress, void *user)
{
    FabValidation *validation = g_new0(FabValidation, 1);

    validation->cases = g_ptr_array_new_with_free_func(free_case);
    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *measurement = measurements->pdata[i];
        FabValidationCase *one;
        g_auto(FabResolved) resolved = { 0 };
        if (clusters && (measurement->kind != FAB_MEASUREMENT_COLLECTIVE || !fab_is_cluster(measurement)))
            continue;
        one = case_new(measurement);
        if (progress != NULL)
            progress((double)i / measurements->len, measurement->id, user);
        if (clusters)
            fab_resolve_cluster(measurement, &resolved);
        else
            fab_resolve(measurement, &resolved);
        one->reason = resolved.reason;
        one->detail = g_steal_pointer(&resolved.detail);
        for (guint k = 0; k < resolved.notes->len; k++)
            g_ptr_array_add(one->notes, g_strdup(resolved.notes->pdata[k]));
        if (one->reason == NULL)
            predict(one, measurement, &resolved, constants);
        g_ptr_array_add(validation->cases, one);
    }
    return validation;
}

FabValidation *
fab_validate(GPtrArray *measurements, const FabConstants *constants, FabProgress progress, void *user)
{
    return validate(measurements, false, constants, progress, user);
}

FabValidation *
fab_validate_clusters(GPtrArray *measurements, const FabConstants *constants, FabProgress progress, void *user)
{
    return validate(measurements, true, constants, progress, user);
}

/* ------------------------------------------------------------------ groups */

enum { ENGINE_ON_NCCL = FAB_PREDICTORS, SERIES };

/* Errors of one group while they are collected: a list for each band and series. */
typedef struct {
    GArray *samples[FAB_BANDS][SERIES]; /* FabErrorSample */
} Collector;

static void
free_collector(gpointer data)
{
    Collector *collector = data;

    for (int b = 0; b < FAB_BANDS; b++) {
        for (int s = 0; s < SERIES; s++)
            g_array_unref(collector->samples[b][s]);
    }
    g_free(collector);
}

static Collector *
collector_for(GHashTable *collectors, const char *name)
{
    Collector *collector = g_hash_table_lookup(collectors, name);

    if (collector != NULL)
        return collector;
    collector = g_new(Collector, 1);
    for (int b = 0; b < FAB_BANDS; b++) {
        for (int s = 0; s < SERIES; s++)
            collector->samples[b][s] = g_array_new(FALSE, FALSE, sizeof(FabErrorSample));
    }
    g_hash_table_insert(collectors, g_strdup(name), collector);
    return collector;
}

static char *
group_name(const FabValidationCase *one, const FabValidationRow *row, FabGrouping grouping)
{
    switch (grouping) {
    case FAB_GROUP_SYSTEM:
        return g_strdup_printf("%s, %s", one->topology, one->gpu_id);
    case FAB_GROUP_COLLECTIVE:
        return g_strdup(one->collective);
    case FAB_GROUP_ALGORITHM:
        return g_strdup_printf("%s %s", row->algorithm, row->protocol);
    case FAB_GROUP_CASE:
        return g_strdup(one->id);
    default:
        return g_strdup("all");
    }
}

static void
collect_row(Collector *collector, const FabValidationRow *row, guint index)
{
    GArray **samples = collector->samples[fab_band_of(row->size_bytes)];

    for (int p = 0; p < FAB_PREDICTORS; p++) {
        FabErrorSample sample = { fab_validation_error(row, (FabPredictor)p), index };
        if (isfinite(sample.error))
            g_array_append_val(samples[p], sample);
    }
    if (isfinite(fab_validation_error(row, FAB_PREDICTOR_NCCL))) {
        FabErrorSample sample = { fab_validation_error(row, FAB_PREDICTOR_ENGINE), index };
        g_array_append_val(samples[ENGINE_ON_NCCL], sample);
    }
}

static FabErrorSummary
summary_of(const GArray *samples)
{
    return fab_error_summary((const FabErrorSample *)(const void *)samples->data, samples->len);
}

static void
free_group(gpointer data)
{
    FabValidationGroup *group = data;

    g_free(group->name);
    g_free(group);
}

static FabValidationGroup *
group_new(const char *name, const Collector *collector)
{
    FabValidationGroup *group = g_new0(FabValidationGroup, 1);

    group->name = g_strdup(name);
    for (int b = 0; b < FAB_BANDS; b++) {
        for (int p = 0; p < FAB_PREDICTORS; p++)
            group->summary[b][p] = summary_of(collector->samples[b][p]);
        group->engine_on_nccl[b] = summary_of(collector->samples[b][ENGINE_ON_NCCL]);
    }
    return group;
}

GPtrArray *
fab_validation_groups(const FabValidation *validation, FabGrouping grouping)
{
    g_autoptr(GHashTable) collectors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_collector);
    GPtrArray *groups = g_ptr_array_new_with_free_func(free_group);
    g_autofree char **names = NULL;
    guint count;

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        for (guint k = 0; k < one->rows->len && one->scored; k++) {
            const FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, k);
            g_autofree char *name = group_name(one, row, grouping);
            collect_row(collector_for(collectors, name), row, i);
        }
    }
    names = (char **)g_hash_table_get_keys_as_array(collectors, &count);
    qsort(names, count, sizeof *names, fab_compare_strings);
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(groups, group_new(names[i], g_hash_table_lookup(collectors, names[i])));
    return groups;
}
