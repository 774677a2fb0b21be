#include "validate/fit-data.h"

#include <math.h>

#include "base/error.h"
#include "validate/resolve.h"

/* Of a sweep, at most so many rows of a band are fitted, evenly spread. */
#define BAND_ROWS 6

/* Rows above are left out where a band has three others: they take longest and say the same. */
#define LARGE_ENOUGH (UINT64_C(1) << 30)

/* Misses beyond this share count by their root rather than by their square. */
#define SOFT 0.1

/* How alike neighbours can be held to be: what is left then is a misfit of the model, and no noise. */
#define MOST_ALIKE 0.8

/* A measurement in use. */
typedef struct {
    FabFitCase *shown;
    FabResolved resolved; /* its scenario has the fitted sizes only */
    FabRepeat *repeat;
    double *measured; /* log of the time in us, by size; the mean where a size was measured twice */
    double *weight;   /* root of it */
    guint first, rows; /* in the list of all rows */
    int64_t *time_ps; /* of the run in progress */
    GError *error;
} Case;

struct FabFitData {
    GPtrArray *cases; /* Case */
    guint rows;
    const FabConstants *constants; /* of the run in progress */
};

/* ------------------------------------------------------------------ life */

static void
free_case(gpointer data)
{
    Case *one = data;

    fab_repeat_free(one->repeat);
    fab_resolved_clear(&one->resolved);
    g_free(one->measured);
    g_free(one->weight);
    g_free(one->time_ps);
    g_clear_error(&one->error);
    g_free(one);
}

void
fab_fit_data_free(FabFitData *data)
{
    if (data == NULL)
        return;
    g_ptr_array_unref(data->cases);
    g_free(data);
}

guint
fab_fit_data_rows(const FabFitData *data)
{
    return data->rows;
}

/* ------------------------------------------------------------------ which rows */

/* Mean log of the measured times of each size; NaN where there is none. */
static void
measure_sizes(Case *one, const FabMeasurement *measurement)
{
    const FabScenario *scenario = one->resolved.scenario;

    for (uint32_t i = 0; i < scenario->size_count; i++) {
        double sum = 0;
        guint count = 0;
        for (guint row = 0; row < measurement->rows->len; row++) {
            const char *text = fab_measurement_text(measurement, row, FAB_COLLECTIVE_SIZE);
            double time_us = fab_measured_us(measurement, row);
            if (g_ascii_strtoull(text, NULL, 10) != scenario->sizes[i] || !(time_us > 0))
                continue;
            sum += log(time_us);
            count++;
        }
        one->measured[i] = count > 0 ? sum / count : NAN;
    }
}

/* Marks the rows of one band that stay. */
static void
thin_band(const Case *one, FabBand band, bool *stays)
{
    const FabScenario *scenario = one->resolved.scenario;
    g_autofree uint32_t *rows = g_new(uint32_t, scenario->size_count);
    guint count = 0, moderate = 0;

    for (uint32_t i = 0; i < scenario->size_count; i++) {
        if (fab_band_of(scenario->sizes[i]) != band || isnan(one->measured[i]))
            continue;
        if (scenario->sizes[i] > LARGE_ENOUGH && moderate >= 3)
            continue;
        rows[count++] = i;
        moderate += scenario->sizes[i] <= LARGE_ENOUGH;
    }
    for (guint k = 0; k < MIN(count, BAND_ROWS); k++)
        stays[rows[count <= BAND_ROWS ? k : (k * (count - 1) + (BAND_ROWS - 1) / 2) / (BAND_ROWS - 1)]] = true;
}

static void
thin(Case *one)
{
    FabScenario *scenario = one->resolved.scenario;
    g_autofree bool *stays = g_new0(bool, scenario->size_count);
    uint32_t count = 0;

    for (int band = 0; band < FAB_BANDS; band++)
        thin_band(one, (FabBand)band, stays);
    for (uint32_t i = 0; i < scenario->size_count; i++) {
        if (!stays[i])
            continue;
        one->measured[count] = one->measured[i];
        scenario->sizes[count++] = scenario->sizes[i];
    }
    scenario->size_count = count;
}

/* Every band of a case weighs the same, and every row in it. */
static void
weigh(Case *one)
{
    const FabScenario *scenario = one->resolved.scenario;
    guint count[FAB_BANDS] = { 0 }, bands = 0;

    for (uint32_t i = 0; i < scenario->size_count; i++)
        bands += count[fab_band_of(scenario->sizes[i])]++ == 0;
    for (uint32_t i = 0; i < scenario->size_count; i++)
        one->weight[i] = sqrt(1.0 / bands / count[fab_band_of(scenario->sizes[i])]);
}

/* ------------------------------------------------------------------ which cases */

static const char *
group_of(const Case *one)
{
    const FabScenario *scenario = one->resolved.scenario;
    const FabTopology *topology = one->resolved.topology;
    uint32_t first = scenario->ranks != NULL ? scenario->ranks[0] : 0;

    if (topology->shared != FAB_VERTEX_NONE)
        return fab_constants_shipped()->shared.group;
    return fab_kernel_costs(fab_constants_shipped(), topology->vertices[topology->gpus[first]].gpu->compute_capability)
        ->group;
}

/* False with a reason in `shown`. */
static bool
prepare(Case *one, const FabMeasurement *measurement)
{
    FabFitCase *shown = one->shown;
    g_autoptr(GError) error = NULL;
    uint32_t sizes;

    fab_resolve(measurement, &one->resolved);
    shown->reason = one->resolved.reason;
    shown->detail = g_strdup(one->resolved.detail);
    if (shown->reason != NULL)
        return false;
    sizes = one->resolved.scenario->size_count;
    one->measured = g_new(double, sizes);
    one->weight = g_new(double, sizes);
    one->time_ps = g_new0(int64_t, sizes);
    measure_sizes(one, measurement);
    thin(one);
    if (one->resolved.scenario->size_count == 0) {
        shown->reason = "no row has a time";
        return false;
    }
    weigh(one);
    one->repeat = fab_repeat_new(one->resolved.scenario, one->resolved.topology, &error);
    if (one->repeat == NULL) {
        shown->reason = fab_reason_scenario;
        shown->detail = g_strdup(error->message);
    }
    return one->repeat != NULL;
}

static FabFitCase *
shown_new(const FabMeasurement *measurement)
{
    FabFitCase *shown = g_new0(FabFitCase, 1);
    const char *machine = fab_measurement_get(measurement, "source", "machine");

    shown->id = g_strdup(measurement->id);
    shown->machine = g_strdup(machine != NULL ? machine : "");
    return shown;
}

static void
add_case(FabFitData *data, FabFitCase *shown, const FabMeasurement *measurement)
{
    Case *one;

    if (g_strcmp0(fab_measurement_get(measurement, "quality", "grade"), "C") == 0) {
        shown->reason = "of grade C";
        return;
    }
    one = g_new0(Case, 1);
    one->shown = shown;
    if (!prepare(one, measurement)) {
        free_case(one);
        return;
    }
    shown->group = group_of(one);
    one->first = data->rows;
    one->rows = shown->rows = one->resolved.scenario->size_count;
    data->rows += one->rows;
    g_ptr_array_add(data->cases, one);
}

static void
free_fit_case(gpointer data)
{
    FabFitCase *one = data;

    g_free(one->id);
    g_free(one->machine);
    g_free(one->detail);
    g_free(one);
}

GPtrArray *
fab_fit_cases_new(void)
{
    return g_ptr_array_new_with_free_func(free_fit_case);
}

FabFitData *
fab_fit_data_new(GPtrArray *measurements, GPtrArray *cases, GError **error)
{
    g_autoptr(FabFitData) data = g_new0(FabFitData, 1);

    data->cases = g_ptr_array_new_with_free_func(free_case);
    for (guint i = 0; i < measurements->len; i++) {
        FabFitCase *shown = shown_new(measurements->pdata[i]);
        g_ptr_array_add(cases, shown);
        add_case(data, shown, measurements->pdata[i]);
    }
    if (data->cases->len == 0) {
        const FabFitCase *first = cases->len > 0 ? cases->pdata[0] : NULL;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "none of %u measurements can be fitted%s%s%s%s%s%s",
                    measurements->len, first != NULL ? ", " : "", first != NULL ? first->id : "",
                    first != NULL ? " for one: " : "", first != NULL ? first->reason : "",
                    first != NULL && first->detail != NULL ? ": " : "",
                    first != NULL && first->detail != NULL ? first->detail : "");
        return NULL;
    }
    return g_steal_pointer(&data);
}

/* ------------------------------------------------------------------ predictions */

static void
run_case(gpointer item, gpointer user)
{
    Case *one = item;
    const FabFitData *data = user;

    fab_repeat_run(one->repeat, data->constants, one->time_ps, &one->error);
}

bool
fab_fit_data_run(FabFitData *data, const FabConstants *constants, double *logs, GError **error)
{
    GThreadPool *pool = g_thread_pool_new(run_case, data, (int)g_get_num_processors(), FALSE, NULL);

    data->constants = constants;
    for (guint i = 0; i < data->cases->len; i++)
        g_thread_pool_push(pool, data->cases->pdata[i], NULL);
    g_thread_pool_free(pool, FALSE, TRUE); /* waits for all */
    data->constants = NULL;
    for (guint i = 0; i < data->cases->len; i++) {
        Case *one = data->cases->pdata[i];
        if (one->error != NULL) {
            g_propagate_error(error, g_steal_pointer(&one->error));
            return false;
        }
        for (guint k = 0; k < one->rows; k++)
            logs[one->first + k] = log(MAX((double)one->time_ps[k], 1) * 1e-6) - one->measured[k];
    }
    return true;
}

static double
soften(double miss)
{
    double share = miss / SOFT;

    return copysign(SOFT * sqrt(2 * (sqrt(1 + share * share) - 1)), miss);
}

void
fab_fit_data_soften(const FabFitData *data, const double *logs, double *residuals)
{
    double scale = sqrt((double)data->rows / data->cases->len); /* so that the squares of weights have a mean of 1 */

    for (guint i = 0; i < data->cases->len; i++) {
        const Case *one = data->cases->pdata[i];
        for (guint k = 0; k < one->rows; k++)
            residuals[one->first + k] = scale * one->weight[k] * soften(logs[one->first + k]);
    }
}

double
fab_fit_data_freedom(const FabFitData *data, const double *logs)
{
    double together = 0, squares = 0, share;

    for (guint i = 0; i < data->cases->len; i++) {
        const Case *one = data->cases->pdata[i];
        const double *of = logs + one->first;
        for (guint k = 0; k + 1 < one->rows; k++) {
            together += of[k] * of[k + 1];
            squares += (of[k] * of[k] + of[k + 1] * of[k + 1]) / 2;
        }
    }
    share = squares > 0 ? CLAMP(together / squares, 0, MOST_ALIKE) : 0;
    return data->rows * (1 - share) / (1 + share);
}

/* ------------------------------------------------------------------ errors */

void
fab_fit_data_summarise(const FabFitData *data, const double *logs, bool after, FabErrorSummary *all)
{
    for (int band = 0; band < FAB_BANDS; band++) {
        g_autoptr(GArray) samples = g_array_sized_new(FALSE, FALSE, sizeof(FabErrorSample), data->rows);
        for (guint i = 0; i < data->cases->len; i++) {
            const Case *one = data->cases->pdata[i];
            guint before = samples->len;
            for (guint k = 0; k < one->rows; k++) {
                FabErrorSample sample = { exp(logs[one->first + k]) - 1, i };
                if (fab_band_of(one->resolved.scenario->sizes[k]) == (FabBand)band)
                    g_array_append_val(samples, sample);
            }
            (after ? one->shown->after : one->shown->before)[band] =
                fab_error_summary((const FabErrorSample *)(const void *)samples->data + before, samples->len - before);
        }
        all[band] = fab_error_summary((const FabErrorSample *)(const void *)samples->data, samples->len);
    }
}
