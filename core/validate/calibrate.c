#include "validate/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "validate/fit-data.h"
#include "validate/least-squares.h"

/* Estimates that are correlated more than this are not told apart. */
#define CORRELATED 0.98

/* A value this near to an end of its range (share of the range) is at its bound. */
#define AT_BOUND 0.004

/* A value at its bound is needed where the sum of squares grows by this factor at its start. */
#define NEEDED 1.05

/* Evaluations of one fit beside those for derivatives. */
#define MOST_STEPS 40

const char fab_fit_idle[] = "no measured row depends on it";

typedef struct {
    FabFit *fit;
    FabFitData *data;
    FabConstants working;
    GPtrArray *active; /* FabFitParameter that are still fitted */
    GArray *low, *high; /* double, of the active ones */
    double *logs;      /* of the last run */
    guint runs, expected;
    FabProgress progress;
    void *user;
    GError **error;
} Fit;

/* ------------------------------------------------------------------ life */

static void
free_parameter(gpointer data)
{
    FabFitParameter *parameter = data;

    g_free(parameter->why);
    g_free(parameter);
}

static FabFit *
fit_new(const FabConstants *start)
{
    FabFit *fit = g_new0(FabFit, 1);

    fit->constants = start != NULL ? *start : *fab_constants_shipped();
    fit->parameters = g_ptr_array_new_with_free_func(free_parameter);
    fit->cases = fab_fit_cases_new();
    return fit;
}

void
fab_fit_free(FabFit *fit)
{
    if (fit == NULL)
        return;
    g_ptr_array_unref(fit->parameters);
    g_ptr_array_unref(fit->cases);
    g_free(fit);
}

static void
clear_fit(Fit *fit)
{
    fab_fit_data_free(fit->data);
    g_clear_pointer(&fit->active, g_ptr_array_unref);
    g_clear_pointer(&fit->low, g_array_unref);
    g_clear_pointer(&fit->high, g_array_unref);
    g_free(fit->logs);
    fab_fit_free(fit->fit);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fit, clear_fit)

/* ------------------------------------------------------------------ which constants */

static bool
unknown_name(const char *name, GError **error)
{
    const char *dot = strchr(name, '.');
    g_autofree char *group = dot != NULL ? g_strndup(name, (gsize)(dot - name)) : g_strdup(name), *near = NULL;
    const FabConstant *table = fab_constant_table(group);
    g_autoptr(GPtrArray) keys = g_ptr_array_new();

    for (; table != NULL && table->key != NULL; table++)
        g_ptr_array_add(keys, (gpointer)table->key);
    g_ptr_array_add(keys, NULL);
    near = keys->len > 1 ? fab_suggestion(dot != NULL ? dot + 1 : "", (const char *const *)keys->pdata)
                         : fab_suggestion(group, fab_constant_groups);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "calibrate: \"%.80s\" names no constant: group %s is %s%s", name,
                group, keys->len > 1 ? "known, its constant is not" : "not known", near);
    return false;
}

static bool
names_constant(const char *name, const char *group, const char *key)
{
    gsize length = strlen(group);

    return strncmp(name, group, length) == 0 &&
           (name[length] == '\0' || (name[length] == '.' && strcmp(name + length + 1, key) == 0));
}

static bool
check_names(const char *const *names, GError **error)
{
    for (; names != NULL && *names != NULL; names++) {
        bool found = false;
        for (int g = 0; fab_constant_groups[g] != NULL; g++) {
            for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++)
                found = found || names_constant(*names, fab_constant_groups[g], one->key);
        }
        if (!found)
            return unknown_name(*names, error);
    }
    return true;
}

/* Without names: what GPUs of these cases have, and PCIe. */
static bool
wanted(const FabFit *fit, const char *const *names, const char *group, const char *key)
{
    if (names == NULL) {
        for (guint i = 0; i < fit->cases->len; i++) {
            const FabFitCase *shown = fit->cases->pdata[i];
            if (g_strcmp0(shown->group, group) == 0)
                return true;
        }
        return fab_constant_table(group) == fab_pcie_constants;
    }
    for (; *names != NULL; names++) {
        if (names_constant(*names, group, key))
            return true;
    }
    return false;
}

static void
add_parameters(FabFit *fit, const char *const *names)
{
    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        const char *group = fab_constant_groups[g];
        for (const FabConstant *one = fab_constant_table(group); one->key != NULL; one++) {
            FabFitParameter *parameter;
            if (!wanted(fit, names, group, one->key))
                continue;
            parameter = g_new0(FabFitParameter, 1);
            *parameter = (FabFitParameter) { .group = group, .constant = one, .low95 = NAN, .high95 = NAN };
            parameter->start = parameter->value = *fab_constants_find(&fit->constants, group, one->key);
            g_ptr_array_add(fit->parameters, parameter);
        }
    }
}

/* ------------------------------------------------------------------ the problem */

static bool
evaluate(const double *values, double *residuals, void *user)
{
    Fit *fit = user;

    for (guint i = 0; i < fit->active->len; i++) {
        const FabFitParameter *parameter = fit->active->pdata[i];
        *fab_constants_find(&fit->working, parameter->group, parameter->constant->key) = values[i];
    }
    fit->runs++;
    if (fit->progress != NULL)
        fit->progress(MIN((double)fit->runs / fit->expected, 0.99), "fitting", fit->user);
    if (!fab_fit_data_run(fit->data, &fit->working, fit->logs, fit->error))
        return false;
    fab_fit_data_soften(fit->data, fit->logs, residuals);
    return true;
}

static void
activate(Fit *fit, FabProblem *problem)
{
    g_array_set_size(fit->low, 0);
    g_array_set_size(fit->high, 0);
    for (guint i = 0; i < fit->active->len; i++) {
        const FabFitParameter *parameter = fit->active->pdata[i];
        g_array_append_val(fit->low, parameter->constant->low);
        g_array_append_val(fit->high, parameter->constant->high);
    }
    *problem = (FabProblem) { .values = fit->active->len,
                              .residuals = fab_fit_data_rows(fit->data),
                              .low = (const double *)(const void *)fit->low->data,
                              .high = (const double *)(const void *)fit->high->data,
                              .evaluate = evaluate,
                              .user = fit,
                              .most_steps = MOST_STEPS };
}

static double *
current_values(const Fit *fit)
{
    double *values = g_new(double, fit->active->len + 1);

    for (guint i = 0; i < fit->active->len; i++)
        values[i] = ((const FabFitParameter *)fit->active->pdata[i])->value;
    return values;
}

/* Back to its start, and out of the fit. `why` becomes the parameter's. */
static void
give_up(Fit *fit, FabFitParameter *parameter, char *why)
{
    parameter->at_bound = false;
    parameter->value = parameter->start;
    parameter->why = why;
    *fab_constants_find(&fit->working, parameter->group, parameter->constant->key) = parameter->start;
}

/* ------------------------------------------------------------------ what can be told */

/* Derivatives at the values at hand. Those at a bound, or given up, have `judged` false. */
typedef struct {
    FabProblem problem;
    double *jacobian, *residuals, *variance;
    bool *judged;
    guint given_up;
} View;

static void
clear_view(View *view)
{
    g_free(view->jacobian);
    g_free(view->residuals);
    g_free(view->variance);
    g_free(view->judged);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(View, clear_view)

static bool
is_at_bound(const FabFitParameter *parameter, double value)
{
    const FabConstant *constant = parameter->constant;
    double share = (value - constant->low) / (constant->high - constant->low);

    return share < AT_BOUND || share > 1 - AT_BOUND;
}

static bool
look(Fit *fit, View *view)
{
    g_autofree double *values = current_values(fit);
    guint n = fit->active->len;

    activate(fit, &view->problem);
    view->jacobian = g_new(double, (gsize)n * view->problem.residuals + 1);
    view->residuals = g_new(double, view->problem.residuals);
    view->variance = g_new(double, n + 1);
    view->judged = g_new(bool, n + 1);
    for (guint i = 0; i < n; i++)
        view->judged[i] = true;
    return fab_least_squares_jacobian(&view->problem, values, view->jacobian, view->residuals) &&
           evaluate(values, view->residuals, fit); /* so that `logs` are those of these values */
}

static char *
reason(const Fit *fit, const FabUnknown *unknown)
{
    const FabFitParameter *other;

    if (unknown->with == G_MAXUINT)
        return g_strdup(unknown->idle ? fab_fit_idle : "there are too few measured rows for so many constants");
    other = fit->active->pdata[unknown->with];
    return g_strdup_printf("its effect here is nearly that of %s.%s (correlation %.2f)", other->group,
                           other->constant->key, unknown->correlation);
}

static void
drop(Fit *fit, View *view, guint index, char *why)
{
    view->judged[index] = false;
    view->given_up++;
    give_up(fit, fit->active->pdata[index], why);
}

static void
drop_unknown(Fit *fit, View *view)
{
    FabUnknown unknown;

    while (fab_least_squares_unknown(&view->problem, view->jacobian, view->judged, CORRELATED, &unknown))
        drop(fit, view, unknown.value, reason(fit, &unknown));
}

static double
squares_of(const FabProblem *problem, const double *residuals)
{
    double sum = 0;

    for (guint r = 0; r < problem->residuals; r++)
        sum += residuals[r] * residuals[r];
    return sum;
}

/* Half of the 95 % interval of each value, as a share of its range; NaN for those not judged. */
static void
half_widths(const Fit *fit, View *view, double *half)
{
    guint n = 0, m = view->problem.residuals;
    double squares = squares_of(&view->problem, view->residuals), worth = fab_fit_data_freedom(fit->data, fit->logs);
    double factor;

    for (guint i = 0; i < fit->active->len; i++)
        n += view->judged[i];
    factor = fab_student_95(m > n ? m - n : 1) * sqrt(squares / (m > n ? m - n : 1) * m / worth);
    fab_least_squares_variance(&view->problem, view->jacobian, view->judged, view->variance);
    for (guint i = 0; i < fit->active->len; i++)
        half[i] = factor * sqrt(view->variance[i]);
}

/* One after the other, the widest first: without it the others are known better. At a bound there is no interval. */
static void
drop_wide(Fit *fit, View *view)
{
    g_autofree double *half = g_new(double, fit->active->len + 1);

    for (;;) {
        guint widest = G_MAXUINT;
        half_widths(fit, view, half);
        for (guint i = 0; i < fit->active->len; i++) {
            if (view->judged[i] && 2 * half[i] > 1 && (widest == G_MAXUINT || half[i] > half[widest]))
                widest = i;
        }
        if (widest == G_MAXUINT)
            return;
        drop(fit, view, widest, g_strdup("its 95 % interval is wider than its range"));
    }
}

/* What runs to a bound without need goes back: at its start the fit is nearly as good. */
static bool
drop_needless(Fit *fit, View *view)
{
    g_autofree double *values = current_values(fit), *residuals = g_new(double, view->problem.residuals);
    double reached = squares_of(&view->problem, view->residuals);

    for (guint i = 0; i < fit->active->len; i++) {
        FabFitParameter *parameter = fit->active->pdata[i];
        double value = values[i];
        if (!parameter->at_bound)
            continue;
        values[i] = parameter->start;
        if (!evaluate(values, residuals, fit))
            return false;
        values[i] = value;
        if (squares_of(&view->problem, residuals) < NEEDED * reached)
            drop(fit, view, i, g_strdup("it runs to its bound, and the fit is as good without"));
    }
    return evaluate(values, residuals, fit); /* the logs are those of the fit again */
}

/* The others go on. */
static void
keep_rest(Fit *fit)
{
    g_autoptr(GPtrArray) rest = g_ptr_array_new();

    for (guint i = 0; i < fit->active->len; i++) {
        if (((const FabFitParameter *)fit->active->pdata[i])->why == NULL)
            g_ptr_array_add(rest, fit->active->pdata[i]);
    }
    g_ptr_array_set_size(fit->active, 0);
    for (guint i = 0; i < rest->len; i++)
        g_ptr_array_add(fit->active, rest->pdata[i]);
    fit->expected = fit->runs + (guint)(8 * (rest->len + 2));
}

/* ------------------------------------------------------------------ fitting */

static bool
fit_active(Fit *fit)
{
    g_autofree double *values = current_values(fit);
    FabProblem problem;

    activate(fit, &problem);
    if (!fab_least_squares(&problem, values))
        return false;
    for (guint i = 0; i < fit->active->len; i++) {
        FabFitParameter *parameter = fit->active->pdata[i];
        const FabConstant *constant = parameter->constant;
        parameter->at_bound = is_at_bound(parameter, values[i]);
        parameter->value = values[i];
        if (parameter->at_bound)
            parameter->value = 2 * values[i] < constant->low + constant->high ? constant->low : constant->high;
    }
    return true;
}

static void
set_intervals(Fit *fit, View *view)
{
    g_autofree double *half = g_new(double, fit->active->len + 1);

    half_widths(fit, view, half);
    for (guint i = 0; i < fit->active->len; i++) {
        FabFitParameter *parameter = fit->active->pdata[i];
        const FabConstant *constant = parameter->constant;
        double width = half[i] * (constant->high - constant->low);
        parameter->identified = true;
        if (parameter->at_bound)
            parameter->at_bound = parameter->value != parameter->start;
        if (!view->judged[i])
            continue;
        parameter->low95 = MAX(parameter->value - width, constant->low);
        parameter->high95 = MIN(parameter->value + width, constant->high);
    }
}

/* Fits, gives up what cannot be told, fits the rest again. */
static bool
settle(Fit *fit)
{
    for (bool first = true;; first = false) {
        g_auto(View) view = { .given_up = 0 };
        if ((!first && !fit_active(fit)) || !look(fit, &view))
            return false;
        for (guint i = 0; i < fit->active->len; i++)
            view.judged[i] = !((const FabFitParameter *)fit->active->pdata[i])->at_bound;
        drop_unknown(fit, &view);
        if (!first && !drop_needless(fit, &view))
            return false;
        if (!first)
            drop_wide(fit, &view);
        if (!first && view.given_up == 0) {
            set_intervals(fit, &view);
            return true;
        }
        keep_rest(fit);
    }
}

/* What nobody asked for by name and no row depends on is not worth a line: whole groups of PCIe. */
static void
forget_idle_groups(FabFit *fit)
{
    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        bool idle = true;
        for (guint i = 0; i < fit->parameters->len; i++) {
            const FabFitParameter *parameter = fit->parameters->pdata[i];
            if (strcmp(parameter->group, fab_constant_groups[g]) == 0)
                idle = idle && g_strcmp0(parameter->why, fab_fit_idle) == 0;
        }
        for (guint i = fit->parameters->len; i-- > 0 && idle;) {
            const FabFitParameter *parameter = fit->parameters->pdata[i];
            if (strcmp(parameter->group, fab_constant_groups[g]) == 0)
                g_ptr_array_remove_index(fit->parameters, i);
        }
    }
}

static void
finish(Fit *fit)
{
    FabFit *result = fit->fit;

    for (guint i = 0; i < result->parameters->len; i++) {
        const FabFitParameter *parameter = result->parameters->pdata[i];
        *fab_constants_find(&result->constants, parameter->group, parameter->constant->key) = parameter->value;
        result->at_bound = result->at_bound || parameter->at_bound;
    }
    for (guint i = 0; i < result->cases->len; i++)
        result->used += ((const FabFitCase *)result->cases->pdata[i])->group != NULL;
    result->rows = fab_fit_data_rows(fit->data);
    fab_fit_data_summarise(fit->data, fit->logs, true, result->after);
}

FabFit *
fab_calibrate(GPtrArray *measurements, const FabConstants *start, const char *const *parameters,
              FabProgress progress, void *user, GError **error)
{
    g_auto(Fit) fit = { .fit = fit_new(start), .progress = progress, .user = user, .error = error };

    if (!check_names(parameters, error))
        return NULL;
    fit.data = fab_fit_data_new(measurements, fit.fit->cases, error);
    if (fit.data == NULL) {
        g_prefix_error(error, "calibrate: ");
        return NULL;
    }
    fit.working = fit.fit->constants;
    fit.logs = g_new(double, fab_fit_data_rows(fit.data));
    fit.active = g_ptr_array_new();
    fit.low = g_array_new(FALSE, FALSE, sizeof(double));
    fit.high = g_array_new(FALSE, FALSE, sizeof(double));
    add_parameters(fit.fit, parameters);
    for (guint i = 0; i < fit.fit->parameters->len; i++)
        g_ptr_array_add(fit.active, fit.fit->parameters->pdata[i]);
    fit.expected = 9 * (fit.active->len + 2);
    if (!fab_fit_data_run(fit.data, &fit.working, fit.logs, error))
        return NULL;
    fab_fit_data_summarise(fit.data, fit.logs, false, fit.fit->before);
    if (!settle(&fit))
        return NULL;
    finish(&fit);
    if (parameters == NULL)
        forget_idle_groups(fit.fit);
    return g_steal_pointer(&fit.fit);
}
