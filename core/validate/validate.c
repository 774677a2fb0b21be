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
    g_free(one->cluster.network);
    g_free(one->cluster.forced);
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

static FabClusterFacts
cluster_of(const FabMeasurement *measurement)
{
    int64_t racks = fab_measurement_integer(measurement, "overrides", "racks", 0);
    const char *fabric = fab_measurement_get(measurement, "overrides", "fabric");
    g_autofree char *forced = fact(measurement, "run", "algo");
    FabClusterFacts facts = {
        .nodes = (uint32_t)(racks > 1 ? racks : fab_measurement_integer(measurement, "system", "nodes", 1)),
        .racks = racks > 1,
        .shared = g_strcmp0(fabric, "dragonfly") == 0,
        .network = fact(measurement, "system", "nic"),
        .forced = g_ascii_strdown(forced, -1),
    };

    return facts;
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
    if (measurement->kind == FAB_MEASUREMENT_COLLECTIVE && fab_is_cluster(measurement))
        one->cluster = cluster_of(measurement);
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

/* ------------------------------------------------------------------ all of them */

/* What all threads share: each takes the next case that nobody has begun. */
typedef struct {
    GPtrArray *measurements; /* FabMeasurement */
    GPtrArray *cases;        /* FabValidationCase, one for each */
    guint *order;            /* which is begun first, which next */
    const FabConstants *constants;
    uint32_t most_ranks; /* 0: any number */
    bool clusters, without;
    gint next;          /* atomic */
    GAsyncQueue *done;  /* ids of the cases that are done */
} Work;

static void
validate_one(const Work *work, guint place)
{
    const FabMeasurement *measurement = work->measurements->pdata[place];
    FabValidationCase *one = work->cases->pdata[place];
    g_auto(FabResolved) resolved = { 0 };

    if (work->most_ranks > 0 && one->ranks > work->most_ranks) {
        one->reason = fab_reason_ranks;
        one->detail = g_strdup_printf("more than %u ranks, which take long; --max-ranks=0 predicts all",
                                      work->most_ranks);
        return;
    }
    if (work->without)
        fab_resolve_cluster_left_out(measurement, &resolved);
    else if (work->clusters)
        fab_resolve_cluster(measurement, &resolved);
    else
        fab_resolve(measurement, &resolved);
    one->reason = resolved.reason;
    one->cluster.borrowed = resolved.borrowed;
    one->detail = g_steal_pointer(&resolved.detail);
    for (guint k = 0; k < resolved.notes->len; k++)
        g_ptr_array_add(one->notes, g_strdup(resolved.notes->pdata[k]));
    if (one->reason == NULL)
        predict(one, measurement, &resolved, work->constants);
}

static gpointer
run_cases(gpointer data)
{
    Work *work = data;

    for (guint i; (i = (guint)g_atomic_int_add(&work->next, 1)) < work->cases->len;) {
        validate_one(work, work->order[i]);
        g_async_queue_push(work->done, work->cases->pdata[work->order[i]]);
    }
    return NULL;
}

/* Threads beside this one, which tells how far they are. */
static void
run_threads(Work *work, FabProgress progress, void *user)
{
    guint cases = work->cases->len, count = MIN(g_get_num_processors(), cases);
    g_autofree GThread **threads = g_new(GThread *, count + 1);

    work->done = g_async_queue_new();
    for (guint i = 0; i < count; i++)
        threads[i] = g_thread_new("validate", run_cases, work);
    for (guint i = 0; i < cases; i++) {
        const FabValidationCase *one = g_async_queue_pop(work->done);
        if (progress != NULL)
            progress((double)(i + 1) / cases, one->id, user);
    }
    for (guint i = 0; i < count; i++)
        g_thread_join(threads[i]);
    g_async_queue_unref(work->done);
}

/* Those of many ranks first: they take longest, and are not waited for alone in the end. */
static guint *
order_of(const GPtrArray *cases)
{
    guint *order = g_new(guint, cases->len + 1);

    for (guint i = 0; i < cases->len; i++) {
        const FabValidationCase *one = cases->pdata[i];
        guint place = i;
        for (; place > 0 && ((const FabValidationCase *)cases->pdata[order[place - 1]])->ranks < one->ranks; place--)
            order[place] = order[place - 1];
        order[place] = i;
    }
    return order;
}

/* `how` has constants, most_ranks and what is predicted; the rest is filled in. */
static FabValidation *
validate(GPtrArray *measurements, Work how, FabProgress progress, void *user)
{
    FabValidation *validation = g_new0(FabValidation, 1);
    g_autoptr(GPtrArray) taken = g_ptr_array_new();
    g_autofree guint *order = NULL;
    Work work = how;

    validation->clusters = work.clusters;
    validation->cases = g_ptr_array_new_with_free_func(free_case);
    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *measurement = measurements->pdata[i];
        bool several = measurement->kind == FAB_MEASUREMENT_COLLECTIVE && fab_is_cluster(measurement);
        if (work.clusters && !several)
            continue;
        g_ptr_array_add(taken, (gpointer)measurement);
        g_ptr_array_add(validation->cases, case_new(measurement));
    }
    order = order_of(validation->cases);
    work.measurements = taken;
    work.cases = validation->cases;
    work.order = order;
    run_threads(&work, progress, user);
    return validation;
}

FabValidation *
fab_validate(GPtrArray *measurements, const FabConstants *constants, FabProgress progress, void *user)
{
    return validate(measurements, (Work) { .constants = constants }, progress, user);
}

FabValidation *
fab_validate_clusters(GPtrArray *measurements, const FabConstants *constants, uint32_t most_ranks,
                      FabProgress progress, void *user)
{
    return validate(measurements, (Work) { .constants = constants, .most_ranks = most_ranks, .clusters = true },
                    progress, user);
}

FabValidation *
fab_validate_clusters_without(GPtrArray *measurements, const FabConstants *constants, uint32_t most_ranks)
{
    return validate(measurements, (Work) { .constants = constants, .most_ranks = most_ranks, .clusters = true,
                                           .without = true }, NULL, NULL);
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
