#include "validate/training-leave-out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Constants that are fitted, and how far one is turned to see what it does. */
enum { CONSTANTS = 4, SWEEPS = 20 };
#define TURN 1.1
/* A constant is not taken beyond this factor, nor moved at all when all runs together feel less of it than this. */
#define FARTHEST 1.4
#define LEAST_SLOPE 0.5

/* A step as it is predicted for anybody: logarithms of predicted / measured, and of the interval's ends / measured. */
typedef struct {
    double residual, low, high;
} Guess;

/* A scored run: logarithms of predicted / measured, and of what each constant does to it. */
typedef struct {
    guint table;
    const char *stack, *machine;
    uint32_t capability;
    double residual, slope[CONSTANTS];
    Guess known, unknown; /* by the constants of its stack, and as if nothing were known of it */
} Point;

static void
left_out_free(gpointer pointer)
{
    FabStepLeftOut *one = pointer;

    g_free(one->id);
    g_free(one);
}

/* ------------------------------------------------------------------ what constants do */

static FabStackFactors
turned(int constant)
{
    return (FabStackFactors) { .gemm = constant == 0 ? TURN : 1, .gemm_fp8 = constant == 1 ? TURN : 1,
                               .memory = constant == 2 ? TURN : 1, .host = constant == 3 ? TURN : 1 };
}

static GArray *
collect_points(const FabStepValidation *base)
{
    GArray *points = g_array_new(FALSE, TRUE, sizeof(Point));

    for (guint i = 0; i < base->cases->len; i++) {
        const FabStepCase *one = base->cases->pdata[i];
        for (guint r = 0; r < one->rows->len; r++) {
            const FabStepRow *row = &g_array_index(one->rows, FabStepRow, r);
            Point point = { .table = i, .stack = row->stack, .machine = one->machine, .capability = row->capability,
                            .residual = log(row->step_s / row->measured_step_s) };
            if (row->scored)
                g_array_append_val(points, point);
        }
    }
    return points;
}

/* Both validations have the same tables and rows. */
static void
take_slopes(const FabStepValidation *base, const FabStepValidation *other, int constant, GArray *points)
{
    guint at = 0;

    for (guint i = 0; i < base->cases->len; i++) {
        const FabStepCase *one = base->cases->pdata[i], *two = other->cases->pdata[i];
        for (guint r = 0; r < one->rows->len; r++) {
            const FabStepRow *a = &g_array_index(one->rows, FabStepRow, r);
            double turned_s = g_array_index(two->rows, FabStepRow, r).step_s;
            if (a->scored)
                g_array_index(points, Point, at++).slope[constant] =
                    isfinite(turned_s) ? log(turned_s / a->step_s) / log(TURN) : 0;
        }
    }
}

/* The ends of a row's interval as step times, over the measured one; figures in rates turn round. */
static Guess
guess_of(const FabStepRow *row)
{
    double low = row->low / row->measured, high = row->high / row->measured;

    return (Guess) { log(row->step_s / row->measured_step_s), row->longer_is_worse ? log(low) : -log(high),
                     row->longer_is_worse ? log(high) : -log(low) };
}

/* What is predicted for machines of which nothing was fitted; `generic`: nor is anything known of the software. */
static void
take_guesses(GPtrArray *measurements, const FabStepValidation *base, bool generic, GArray *points)
{
    FabStackFactors factors = { 1, 1, 1, 1, .strangers = true, .generic = generic };
    g_autoptr(FabStepValidation) other = fab_step_validate(measurements, &factors, NULL, NULL);
    guint at = 0;

    for (guint i = 0; i < base->cases->len; i++) {
        const FabStepCase *one = base->cases->pdata[i], *two = other->cases->pdata[i];
        for (guint r = 0; r < one->rows->len; r++) {
            Guess guess = guess_of(&g_array_index(two->rows, FabStepRow, r));
            if (!g_array_index(one->rows, FabStepRow, r).scored)
                continue;
            if (generic)
                g_array_index(points, Point, at++).unknown = guess;
            else
                g_array_index(points, Point, at++).known = guess;
        }
    }
}

/* ------------------------------------------------------------------ fits */

typedef struct {
    double at, weight;
} Step;

static int
compare_steps(const void *a, const void *b)
{
    double x = ((const Step *)a)->at, y = ((const Step *)b)->at;

    return (x > y) - (x < y);
}

static bool
same_group(const Point *a, const Point *b)
{
    return strcmp(a->stack, b->stack) == 0 && a->capability == b->capability;
}

static double
error_of(const Point *point, const double *logs)
{
    double sum = point->residual;

    for (int c = 0; c < CONSTANTS; c++)
        sum += point->slope[c] * logs[c];
    return sum;
}

/* The value of one constant with the least sum of absolute errors: a weighted median. */
static void
fit_constant(const Point *const *points, guint count, int constant, double *logs)
{
    g_autofree Step *steps = g_new(Step, count);
    double all = 0, sum = 0;
    guint used = 0, i = 0;

    for (guint k = 0; k < count; k++) {
        double slope = points[k]->slope[constant], rest;
        if (fabs(slope) < 1e-6)
            continue;
        rest = error_of(points[k], logs) - slope * logs[constant];
        steps[used++] = (Step) { -rest / slope, fabs(slope) };
        all += fabs(slope);
    }
    if (all < LEAST_SLOPE)
        return;
    qsort(steps, used, sizeof *steps, compare_steps);
    while (i + 1 < used && sum + steps[i].weight < all / 2)
        sum += steps[i++].weight;
    logs[constant] = CLAMP(steps[i].at, -log(FARTHEST), log(FARTHEST));
}

/* Fits to the points of `one`'s stack and generation in other tables, or on other machines; false: there are none. */
static bool
fit_without(const GArray *points, const Point *one, bool machine, double *logs)
{
    g_autofree const Point **others = g_new(const Point *, points->len);
    guint count = 0;

    for (guint i = 0; i < points->len; i++) {
        const Point *point = &g_array_index(points, Point, i);
        bool left = machine ? strcmp(point->machine, one->machine) == 0 : point->table == one->table;
        if (!left && same_group(point, one))
            others[count++] = point;
    }
    for (int c = 0; c < CONSTANTS; c++)
        logs[c] = 0;
    for (int sweep = 0; sweep < SWEEPS && count > 0; sweep++) {
        for (int c = 0; c < CONSTANTS; c++)
            fit_constant(others, count, c, logs);
    }
    return count > 0;
}

/* ------------------------------------------------------------------ the whole */

static FabStepLeftOut *
left_out_of(GPtrArray *list, const FabStepValidation *base, guint table)
{
    const FabStepCase *one = base->cases->pdata[table];
    FabStepLeftOut *last = list->len > 0 ? list->pdata[list->len - 1] : NULL;

    if (last != NULL && strcmp(last->id, one->id) == 0)
        return last;
    last = g_new0(FabStepLeftOut, 1);
    last->id = g_strdup(one->id);
    g_ptr_array_add(list, last);
    return last;
}

/* Its machine left out: with what the others say of the stack, or with what is taken for software of any kind. */
static void
leave_machine_out(const Point *point, bool some, const double *logs, FabStepLeftOut *out)
{
    double shift = some ? error_of(point, logs) - point->residual : 0;
    const Guess *guess = some ? &point->known : &point->unknown;

    out->elsewhere += fabs(expm1(guess->residual + shift));
    out->inside += guess->low + shift <= 0 && guess->high + shift >= 0;
}

static GPtrArray *
leave_each_out(const FabStepValidation *base, const GArray *points)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(left_out_free);
    const Point *fitted = NULL;
    double logs[CONSTANTS], others[CONSTANTS];
    bool some = false, elsewhere = false;

    for (guint i = 0; i < points->len; i++) {
        const Point *point = &g_array_index(points, Point, i);
        FabStepLeftOut *out = left_out_of(list, base, point->table);
        if (fitted == NULL || fitted->table != point->table || !same_group(fitted, point)) {
            some = fit_without(points, point, false, logs);
            elsewhere = fit_without(points, point, true, others);
        }
        fitted = point;
        out->runs++;
        leave_machine_out(point, elsewhere, others, out);
        if (!some) {
            out->alone++;
            continue;
        }
        out->shipped += fabs(expm1(point->residual));
        out->left += fabs(expm1(error_of(point, logs)));
    }
    return list;
}

GPtrArray *
fab_step_leave_out(GPtrArray *measurements, const FabStepValidation *base, FabProgress progress, void *user)
{
    g_autoptr(GArray) points = collect_points(base);

    for (int generic = 0; generic < 2; generic++) {
        if (progress != NULL)
            progress((double)generic / (CONSTANTS + 2), "machines left out", user);
        take_guesses(measurements, base, generic == 1, points);
    }
    for (int c = 0; c < CONSTANTS; c++) {
        FabStackFactors factors = turned(c);
        g_autoptr(FabStepValidation) other = NULL;
        if (progress != NULL)
            progress((double)(c + 2) / (CONSTANTS + 2), "constants turned", user);
        other = fab_step_validate(measurements, &factors, NULL, NULL);
        take_slopes(base, other, c, points);
    }
    return leave_each_out(base, points);
}
