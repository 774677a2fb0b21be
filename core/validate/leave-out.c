#include "validate/leave-out.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "validate/fit-data.h"
#include "validate/interval-fit.h"
#include "validate/resolve.h"

/* Of a constant's range: the step of its derivative. Smaller ones drown in the steps of what NCCL chooses. */
#define STEP 0.01

/* Every constant is known beforehand as well as one row tells that misses by its whole range. */
#define BEFOREHAND 1.0

/*
 * A constant of which a machine holds more than this share of the evidence (sum of squared derivatives), the others
 * less than is known beforehand, is not known without it: it is borrowed from the nearest generation that owes
 * less to the machine.
 */
#define OWN_SHARE 0.5

/* Evidence that is none: rounding to picoseconds. */
#define NOTHING 1e-6

/* One constant that any row depends on. */
typedef struct {
    guint group; /* in fab_constant_groups */
    const FabConstant *constant;
    double value; /* shipped */
    double *slope; /* change of each row's residual for a change by the whole range */
    double evidence;
} Parameter;

typedef struct {
    GPtrArray *shown;    /* FabFitCase */
    FabFitData *data;
    GPtrArray *parameters; /* Parameter */
    const char **machine; /* of each row */
    double *residuals;   /* of the shipped constants */
    double *all_step;    /* of all rows, in ranges */
    guint rows;
    bool clusters; /* what is predicted is several nodes, what is fitted single ones */
    uint32_t most_ranks;
} LeaveOut;

/* ------------------------------------------------------------------ life */

static void
free_parameter(gpointer data)
{
    Parameter *parameter = data;

    g_free(parameter->slope);
    g_free(parameter);
}

static void
clear_leave_out(LeaveOut *out)
{
    fab_fit_data_free(out->data);
    g_clear_pointer(&out->shown, g_ptr_array_unref);
    g_clear_pointer(&out->parameters, g_ptr_array_unref);
    g_free(out->machine);
    g_free(out->residuals);
    g_free(out->all_step);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LeaveOut, clear_leave_out)

static const char *
machine_of(const FabMeasurement *measurement)
{
    const char *machine = fab_measurement_get(measurement, "source", "machine");

    return machine != NULL && *machine != '\0' ? machine : measurement->id;
}

/* ------------------------------------------------------------------ derivatives */

static double
range_of(const Parameter *parameter)
{
    return parameter->constant->high - parameter->constant->low;
}

static bool
residuals_at(LeaveOut *out, const FabConstants *constants, double *residuals, GError **error)
{
    g_autofree double *logs = g_new(double, out->rows);

    if (!fab_fit_data_run(out->data, constants, logs, error))
        return false;
    fab_fit_data_soften(out->data, logs, residuals);
    return true;
}

/* Adds the constant if any row depends on it. */
static bool
add_parameter(LeaveOut *out, guint group, const FabConstant *constant, GError **error)
{
    FabConstants constants = *fab_constants_shipped();
    double *value = fab_constants_find(&constants, fab_constant_groups[group], constant->key);
    Parameter *parameter = g_new0(Parameter, 1);
    double step;

    *parameter = (Parameter) { group, constant, *value, g_new(double, out->rows), 0 };
    step = *value + STEP * range_of(parameter) > constant->high ? -STEP : STEP;
    *value += step * range_of(parameter);
    if (!residuals_at(out, &constants, parameter->slope, error)) {
        free_parameter(parameter);
        return false;
    }
    for (guint r = 0; r < out->rows; r++) {
        parameter->slope[r] = (parameter->slope[r] - out->residuals[r]) / step;
        parameter->evidence += parameter->slope[r] * parameter->slope[r];
    }
    if (parameter->evidence > NOTHING)
        g_ptr_array_add(out->parameters, parameter);
    else
        free_parameter(parameter);
    return true;
}

/* What a GPU lacks is 0 and stays so. */
static bool
is_used(guint group, const FabConstant *constant)
{
    FabConstants constants = *fab_constants_shipped();
    double value = *fab_constants_find(&constants, fab_constant_groups[group], constant->key);

    return value != 0 || constant->low > 0;
}

static bool
differentiate(LeaveOut *out, FabProgress progress, void *user, GError **error)
{
    guint groups = g_strv_length((char **)fab_constant_groups);
    bool good = residuals_at(out, fab_constants_shipped(), out->residuals, error);

    for (guint g = 0; g < groups && good; g++) {
        const FabConstant *constant = fab_constant_table(fab_constant_groups[g]);
        if (progress != NULL)
            progress(0.8 * g / groups, fab_constant_groups[g], user);
        for (; constant->key != NULL && good; constant++)
            good = !is_used(g, constant) || add_parameter(out, g, constant, error);
    }
    return good;
}

/* ------------------------------------------------------------------ one step of least squares */

/* Solves a x = b for a symmetric positive definite a (Cholesky, in place); x replaces b. */
static void
solve(double *a, double *b, guint n)
{
    for (guint i = 0; i < n; i++) {
        for (guint j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (guint k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
        for (guint k = 0; k < i; k++)
            b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (guint i = n; i-- > 0;) {
        for (guint k = i + 1; k < n; k++)
            b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
}

/* Where least squares would go from the shipped constants with the rows of `without` left out, in ranges. */
static double *
step_without(const LeaveOut *out, const char *without)
{
    guint n = out->parameters->len;
    g_autofree double *normal = g_new0(double, (gsize)n * n);
    double *step = g_new0(double, n);

    for (guint i = 0; i < n; i++) {
        const double *x = ((Parameter *)out->parameters->pdata[i])->slope;
        for (guint j = 0; j <= i; j++) {
            const double *y = ((Parameter *)out->parameters->pdata[j])->slope;
            double sum = 0;
            for (guint r = 0; r < out->rows; r++)
                sum += without != NULL && strcmp(out->machine[r], without) == 0 ? 0 : x[r] * y[r];
            normal[i * n + j] = sum;
        }
        normal[i * n + i] += BEFOREHAND;
        for (guint r = 0; r < out->rows; r++)
            step[i] -= without != NULL && strcmp(out->machine[r], without) == 0 ? 0 : x[r] * out->residuals[r];
    }
    solve(normal, step, n);
    return step;
}

/* ------------------------------------------------------------------ constants without a machine */

static double
evidence_without(const LeaveOut *out, const Parameter *parameter, const char *machine)
{
    double sum = 0;

    for (guint r = 0; r < out->rows; r++) {
        if (strcmp(out->machine[r], machine) != 0)
            sum += parameter->slope[r] * parameter->slope[r];
    }
    return sum;
}

/*
 * What borrowed constants do to the logarithm of a row's time before it counts as one whose kernels only this machine
 * has measured: less than repeats of a measurement differ by.
 */
#define TRANSFERRED 0.02

/* Other machines say less about it than is known beforehand, and this one more than they. */
static bool
is_unknown_without(const LeaveOut *out, const Parameter *parameter, const char *machine)
{
    double left = evidence_without(out, parameter, machine);

    return left < BEFOREHAND && left < (1 - OWN_SHARE) * parameter->evidence;
}

/* The same constant of the nearest generation that owes less to the machine; the middle of its range: none. */
static double
borrowed(const LeaveOut *out, const Parameter *parameter, const char *machine)
{
    double value = (parameter->constant->low + parameter->constant->high) / 2;
    guint nearest = G_MAXUINT;

    for (guint i = 0; i < out->parameters->len; i++) {
        const Parameter *other = out->parameters->pdata[i];
        guint distance = (guint)abs((int)other->group - (int)parameter->group);
        if (other == parameter || other->constant != parameter->constant || distance >= nearest ||
            evidence_without(out, other, machine) < (1 - OWN_SHARE) * other->evidence)
            continue;
        nearest = distance;
        value = other->value;
    }
    return value;
}

/*
 * The shipped constants were not found by this very fit, so what counts is the difference that the machine's rows make
 * to it. `borrow`: what is unknown without the machine is borrowed from a neighbour, else it stays as it is shipped.
 * False: nothing is unknown.
 */
static bool
constants_without(const LeaveOut *out, const char *machine, bool borrow, FabConstants *constants)
{
    g_autofree double *step = NULL;
    bool unknown = false;

    *constants = *fab_constants_shipped();
    if (out->rows == 0)
        return false;
    step = step_without(out, machine);
    for (guint i = 0; i < out->parameters->len; i++) {
        const Parameter *parameter = out->parameters->pdata[i];
        double *value = fab_constants_find(constants, fab_constant_groups[parameter->group], parameter->constant->key);
        if (evidence_without(out, parameter, machine) == parameter->evidence &&
            fabs(step[i] - out->all_step[i]) < NOTHING)
            continue;
        if (is_unknown_without(out, parameter, machine)) {
            unknown = true;
            *value = borrow ? borrowed(out, parameter, machine) : parameter->value;
            continue;
        }
        *value = CLAMP(parameter->value + (step[i] - out->all_step[i]) * range_of(parameter),
                       MIN(parameter->constant->low, parameter->value),
                       MAX(parameter->constant->high, parameter->value));
    }
    return unknown;
}

/* ------------------------------------------------------------------ all machines */

static bool
prepare(LeaveOut *out, GPtrArray *measurements, GError **error)
{
    g_autoptr(GHashTable) machines = g_hash_table_new(g_str_hash, g_str_equal);
    guint row = 0;

    out->shown = fab_fit_cases_new();
    out->parameters = g_ptr_array_new_with_free_func(free_parameter);
    out->data = fab_fit_data_new(measurements, out->shown, error);
    if (out->data == NULL) {
        g_prefix_error(error, "leave-one-out: ");
        return false;
    }
    out->rows = fab_fit_data_rows(out->data);
    out->machine = g_new(const char *, out->rows);
    out->residuals = g_new(double, out->rows);
    for (guint i = 0; i < measurements->len; i++) {
        const FabFitCase *shown = out->shown->pdata[i];
        for (guint k = 0; k < shown->rows; k++)
            out->machine[row++] = machine_of(measurements->pdata[i]);
        if (shown->rows > 0)
            g_hash_table_add(machines, (gpointer)machine_of(measurements->pdata[i]));
    }
    if (g_hash_table_size(machines) > 1)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "leave-one-out: all measurements that can be predicted come from one machine, two are needed");
    return false;
}

/*
 * Marks the rows of cases that came out otherwise with constants of a neighbour than with those that are shipped;
 * `all`: not only of those whose NICs borrow one.
 */
static void
mark_transferred(FabValidation *borrowing, const FabValidation *keeping, bool all)
{
    for (guint i = 0; i < borrowing->cases->len; i++) {
        const FabValidationCase *one = borrowing->cases->pdata[i];
        GArray *rows = one->rows;
        const GArray *kept = ((FabValidationCase *)keeping->cases->pdata[i])->rows;
        for (guint k = 0; k < rows->len && k < kept->len && (all || one->cluster.borrowed); k++) {
            FabValidationRow *row = &g_array_index(rows, FabValidationRow, k);
            double before = g_array_index(kept, FabValidationRow, k).predicted_us[FAB_PREDICTOR_ENGINE];
            row->transferred = fabs(log(row->predicted_us[FAB_PREDICTOR_ENGINE] / before)) > TRANSFERRED;
        }
    }
}

static bool
any_borrowed(const FabValidation *validation)
{
    for (guint i = 0; i < validation->cases->len; i++) {
        if (((const FabValidationCase *)validation->cases->pdata[i])->cluster.borrowed)
            return true;
    }
    return false;
}

/* With what the machine told of networks, or `without`. */
static FabValidation *
predict_with(const LeaveOut *out, GPtrArray *own, const FabConstants *constants, bool without)
{
    if (!out->clusters)
        return fab_validate(own, constants, NULL, NULL);
    return without ? fab_validate_clusters_without(own, constants, out->most_ranks)
                   : fab_validate_clusters(own, constants, out->most_ranks, NULL, NULL);
}

/* Predicts the measurements from number `first` on that are of the same machine and not done yet. */
static void
predict_machine(const LeaveOut *out, GPtrArray *measurements, guint first, FabValidation *validation)
{
    const char *machine = machine_of(measurements->pdata[first]);
    g_autoptr(GPtrArray) own = g_ptr_array_new();
    g_autofree guint *places = g_new(guint, measurements->len);
    g_autoptr(FabValidation) part = NULL;
    FabConstants constants;

    bool unknown = constants_without(out, machine, true, &constants);

    for (guint i = first; i < measurements->len; i++) {
        if (strcmp(machine_of(measurements->pdata[i]), machine) != 0)
            continue;
        places[own->len] = i;
        g_ptr_array_add(own, measurements->pdata[i]);
    }
    part = predict_with(out, own, &constants, true);
    if (unknown || any_borrowed(part)) {
        g_autoptr(FabValidation) keeping = NULL;
        constants_without(out, machine, false, &constants);
        keeping = predict_with(out, own, &constants, false);
        mark_transferred(part, keeping, unknown);
    }
    for (guint i = own->len; i-- > 0;)
        validation->cases->pdata[places[i]] = g_ptr_array_steal_index(part->cases, i);
}

/* What the shipped constants do on the same rows. */
static void
add_in_sample(const LeaveOut *out, GPtrArray *measurements, FabValidation *validation)
{
    g_autoptr(FabValidation) shipped = predict_with(out, measurements, NULL, false);
    g_autoptr(GPtrArray) groups = fab_validation_groups(shipped, FAB_GROUP_ALL);

    for (int b = 0; b < FAB_BANDS && groups->len > 0; b++)
        validation->in_sample[b] = ((FabValidationGroup *)groups->pdata[0])->summary[b][FAB_PREDICTOR_ENGINE];
    validation->left_out = true;
}

/* Predicts every machine among the measurements without itself. `measurements` has no others. */
static FabValidation *
predict_all(const LeaveOut *out, GPtrArray *measurements, FabProgress progress, void *user)
{
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    FabValidation *validation = predict_with(out, nothing, NULL, false);

    g_ptr_array_set_size(validation->cases, (int)measurements->len);
    for (guint i = 0; i < measurements->len; i++) {
        if (progress != NULL)
            progress(0.8 + 0.2 * i / measurements->len, machine_of(measurements->pdata[i]), user);
        if (validation->cases->pdata[i] == NULL)
            predict_machine(out, measurements, i, validation);
    }
    fab_intervals_hold_back(validation);
    add_in_sample(out, measurements, validation);
    return validation;
}

FabValidation *
fab_validate_left_out(GPtrArray *measurements, FabProgress progress, void *user, GError **error)
{
    g_auto(LeaveOut) out = { .rows = 0 };

    if (!prepare(&out, measurements, error) || !differentiate(&out, progress, user, error))
        return NULL;
    out.all_step = step_without(&out, NULL);
    return predict_all(&out, measurements, progress, user);
}

/* ------------------------------------------------------------------ all clusters */

static bool
check_clusters(const GPtrArray *clusters, GError **error)
{
    for (guint i = 1; i < clusters->len; i++) {
        if (strcmp(machine_of(clusters->pdata[0]), machine_of(clusters->pdata[i])) != 0)
            return true;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "leave-one-out: the measurements name %s over several nodes, two clusters are needed",
                clusters->len > 0 ? "one cluster" : "none");
    return false;
}

FabValidation *
fab_validate_clusters_left_out(GPtrArray *measurements, uint32_t most_ranks, FabProgress progress, void *user,
                               GError **error)
{
    g_auto(LeaveOut) out = { .clusters = true, .most_ranks = most_ranks };
    g_autoptr(GPtrArray) clusters = g_ptr_array_new(), single = g_ptr_array_new();

    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *one = measurements->pdata[i];
        bool several = one->kind == FAB_MEASUREMENT_COLLECTIVE && fab_is_cluster(one);
        g_ptr_array_add(several ? clusters : single, (gpointer)one);
    }
    if (!check_clusters(clusters, error))
        return NULL;
    if (single->len > 0) {
        if (!prepare(&out, single, error) || !differentiate(&out, progress, user, error))
            return NULL;
        out.all_step = step_without(&out, NULL);
    }
    return predict_all(&out, clusters, progress, user);
}
