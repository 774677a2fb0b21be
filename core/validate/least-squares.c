#include "validate/least-squares.h"

#include <cminpack.h>
#include <math.h>
#include <string.h>

/* Of a range: how far inside its bounds a fit begins, and the step of derivatives. */
#define INSIDE 0.01
#define STEP 0.004

/* Where the sigmoid is as good as at its end: 0.03 % of the range. */
#define FLAT 8.0

/* A fit ends when a step betters the sum of squares, or changes the values, by less. */
#define TOLERANCE 1e-3

/* Below this share of the largest effect a value has none; rounding to picoseconds stays below. */
#define NO_EFFECT 1e-7

/* ------------------------------------------------------------------ bounds */

/* 0..1 of a range to the whole line and back. */
static double
open_up(double share)
{
    return log(share / (1 - share));
}

static double
fold(double open)
{
    return 1 / (1 + exp(-CLAMP(open, -FLAT, FLAT)));
}

static double
share_of(const FabProblem *problem, guint value, double at)
{
    return (at - problem->low[value]) / (problem->high[value] - problem->low[value]);
}

static void
values_at(const FabProblem *problem, const double *open, double *values)
{
    for (guint v = 0; v < problem->values; v++)
        values[v] = problem->low[v] + fold(open[v]) * (problem->high[v] - problem->low[v]);
}

/* ------------------------------------------------------------------ derivatives */

bool
fab_least_squares_jacobian(const FabProblem *problem, const double *values, double *jacobian, double *at)
{
    guint n = problem->values, m = problem->residuals;
    g_autofree double *moved = g_memdup2(values, n * sizeof *values), *base = g_new(double, m);
    bool good = problem->evaluate(values, base, problem->user);

    for (guint v = 0; v < n && good; v++) {
        double range = problem->high[v] - problem->low[v];
        double step = share_of(problem, v, values[v]) + STEP > 1 ? -STEP : STEP;
        double *column = jacobian + (gsize)v * m;
        moved[v] = values[v] + step * range;
        good = problem->evaluate(moved, column, problem->user);
        moved[v] = values[v];
        for (guint r = 0; r < m && good; r++)
            column[r] = (column[r] - base[r]) / step;
    }
    if (at != NULL && good)
        memcpy(at, base, m * sizeof *at);
    return good;
}

/* ------------------------------------------------------------------ the fit */

/* What cminpack calls; it wants at least as many residuals as values, so zeros follow ours. */
static int
minpack_call(void *user, int rows, int n, const double *open, double *residuals, double *jacobian, int stride, int flag)
{
    const FabProblem *problem = user;
    g_autofree double *values = g_new(double, n), *ours = NULL;
    guint m = problem->residuals;

    values_at(problem, open, values);
    if (flag == 1) {
        memset(residuals, 0, (gsize)rows * sizeof *residuals);
        return problem->evaluate(values, residuals, problem->user) ? 0 : -1;
    }
    ours = g_new(double, (gsize)n * m);
    memset(jacobian, 0, (gsize)n * (gsize)stride * sizeof *jacobian);
    if (!fab_least_squares_jacobian(problem, values, ours, NULL))
        return -1;
    for (int v = 0; v < n; v++) {
        double share = fold(open[v]), slope = share * (1 - share);
        for (guint r = 0; r < m; r++)
            jacobian[(gsize)v * (gsize)stride + r] = ours[(gsize)v * m + r] * slope;
    }
    return 0;
}

bool
fab_least_squares(const FabProblem *problem, double *values)
{
    guint n = problem->values, m = MAX(problem->residuals, n);
    g_autofree double *open = g_new(double, n), *residuals = g_new(double, m), *jacobian = g_new(double, (gsize)m * n);
    g_autofree double *work = g_new(double, 5 * (gsize)n + m);
    g_autofree int *order = g_new(int, n);
    int info, calls, gradients;

    if (n == 0)
        return true;
    for (guint v = 0; v < n; v++)
        open[v] = open_up(CLAMP(share_of(problem, v, values[v]), INSIDE, 1 - INSIDE));
    info = lmder(minpack_call, (void *)problem, (int)m, (int)n, open, residuals, jacobian, (int)m, TOLERANCE, TOLERANCE,
                 0, (int)problem->most_steps, work, 1, 1, 0, &calls, &gradients, order, work + n, work + 2 * n,
                 work + 3 * n, work + 4 * n, work + 5 * n);
    values_at(problem, open, values);
    return info >= 0;
}

/* ------------------------------------------------------------------ what the derivatives say */

static double
dot(const FabProblem *problem, const double *jacobian, guint a, guint b)
{
    const double *x = jacobian + (gsize)a * problem->residuals, *y = jacobian + (gsize)b * problem->residuals;
    double sum = 0;

    for (guint r = 0; r < problem->residuals; r++)
        sum += x[r] * y[r];
    return sum;
}

/* Products of the columns of the active values, each scaled to length 1; `length` gets the lengths. */
typedef struct {
    guint count;
    guint *of;      /* value of each column */
    double *length;
    double *gram;   /* count x count */
} Columns;

static void
columns_clear(Columns *columns)
{
    g_free(columns->of);
    g_free(columns->length);
    g_free(columns->gram);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Columns, columns_clear)

static void
columns_init(Columns *columns, const FabProblem *problem, const double *jacobian, const bool *active)
{
    guint n = 0;

    *columns = (Columns) { .of = g_new(guint, problem->values), .length = g_new(double, problem->values) };
    for (guint v = 0; v < problem->values; v++) {
        if (active[v])
            columns->of[n++] = v;
    }
    columns->count = n;
    columns->gram = g_new(double, (gsize)n * n + 1);
    for (guint i = 0; i < n; i++)
        columns->length[i] = sqrt(dot(problem, jacobian, columns->of[i], columns->of[i]));
    for (guint i = 0; i < n; i++) {
        for (guint j = 0; j <= i; j++) {
            double scale = columns->length[i] * columns->length[j];
            double product = scale > 0 ? dot(problem, jacobian, columns->of[i], columns->of[j]) / scale : 0;
            columns->gram[i * n + j] = columns->gram[j * n + i] = i == j ? 1 : product;
        }
    }
}

/*
 * The inverse of the scaled products in place (Gauss-Jordan without exchange: it is positive definite, or a pivot
 * vanishes). Returns the column that is a combination of those before it, `count` when there is none.
 */
static guint
invert(Columns *columns)
{
    guint n = columns->count;
    double *a = columns->gram;

    for (guint k = 0; k < n; k++) {
        double pivot = a[k * n + k];
        if (!(pivot > 1e-9))
            return k;
        a[k * n + k] = 1;
        for (guint j = 0; j < n; j++)
            a[k * n + j] /= pivot;
        for (guint i = 0; i < n; i++) {
            double factor = a[i * n + k];
            if (i == k || factor == 0)
                continue;
            a[i * n + k] = 0;
            for (guint j = 0; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return n;
}

/* The column most like column k. */
static guint
nearest_column(const Columns *columns, const double *gram, guint k)
{
    guint best = k;
    double most = 0;

    for (guint j = 0; j < columns->count; j++) {
        double cosine = fabs(gram[(gsize)k * columns->count + j]);
        if (j != k && cosine > most) {
            most = cosine;
            best = j;
        }
    }
    return best;
}

/* Of all pairs of estimates the most correlated; the one with the smaller effect is the unknown one. */
static bool
most_correlated(const Columns *columns, double limit, FabUnknown *unknown)
{
    guint n = columns->count;
    const double *a = columns->gram;
    bool found = false;

    for (guint i = 0; i < n; i++) {
        for (guint j = 0; j < i; j++) {
            double correlation = fabs(a[i * n + j]) / sqrt(a[i * n + i] * a[j * n + j]);
            bool first = columns->length[i] < columns->length[j];
            if (correlation <= limit)
                continue;
            found = true;
            limit = correlation;
            *unknown = (FabUnknown) { columns->of[first ? i : j], columns->of[first ? j : i], false, correlation };
        }
    }
    return found;
}

bool
fab_least_squares_unknown(const FabProblem *problem, const double *jacobian, const bool *active, double limit,
                          FabUnknown *unknown)
{
    g_auto(Columns) columns;
    g_autofree double *gram = NULL;
    guint weakest = 0, dependent;
    double longest = 0;

    columns_init(&columns, problem, jacobian, active);
    if (columns.count == 0)
        return false;
    for (guint i = 0; i < columns.count; i++) {
        longest = MAX(longest, columns.length[i]);
        weakest = columns.length[i] < columns.length[weakest] ? i : weakest;
    }
    *unknown = (FabUnknown) { columns.of[weakest], G_MAXUINT, columns.length[weakest] <= NO_EFFECT * longest, 0 };
    if (unknown->idle || columns.count >= problem->residuals)
        return true;
    gram = g_memdup2(columns.gram, (gsize)columns.count * columns.count * sizeof *gram);
    dependent = invert(&columns);
    if (dependent == columns.count)
        return most_correlated(&columns, limit, unknown);
    *unknown = (FabUnknown) { columns.of[dependent], columns.of[nearest_column(&columns, gram, dependent)], false, 1 };
    return true;
}

void
fab_least_squares_variance(const FabProblem *problem, const double *jacobian, const bool *active, double *variance)
{
    g_auto(Columns) columns;

    for (guint v = 0; v < problem->values; v++)
        variance[v] = NAN;
    columns_init(&columns, problem, jacobian, active);
    if (invert(&columns) < columns.count)
        return;
    for (guint i = 0; i < columns.count; i++)
        variance[columns.of[i]] =
            columns.gram[(gsize)i * columns.count + i] / (columns.length[i] * columns.length[i]);
}

/* Exact for 1 and 2, then a series in 1/freedom (within 0.5 %). */
double
fab_student_95(double freedom)
{
    if (freedom < 1.5)
        return 12.706;
    if (freedom < 2.5)
        return 4.303;
    return 1.95996 + 2.37227 / freedom + 2.82250 / pow(freedom, 2) + 2.55585 / pow(freedom, 3) +
           1.58954 / pow(freedom, 4);
}
