#include "validate/statistics.h"

#include <math.h>

enum { MOST_SUPPORTS = 96 };

static int
compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int
compare_groups(const void *a, const void *b)
{
    guint x = ((const FabErrorSample *)a)->group, y = ((const FabErrorSample *)b)->group;

    return (x > y) - (x < y);
}

double
fab_quantile(const double *sorted, guint count, double share)
{
    double place = share * (count - 1);
    guint below = (guint)place;

    if (count == 0)
        return 0;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

/* Means over the cases; `samples` are sorted by case. */
static void
weigh_cases(const FabErrorSample *samples, guint count, FabErrorSummary *summary)
{
    for (guint i = 0; i < count;) {
        double absolute = 0, signed_sum = 0;
        guint first = i;
        for (; i < count && samples[i].group == samples[first].group; i++) {
            absolute += fabs(samples[i].error);
            signed_sum += samples[i].error;
        }
        summary->cases++;
        summary->mean += absolute / (i - first);
        summary->bias += signed_sum / (i - first);
    }
    summary->mean /= summary->cases;
    summary->bias /= summary->cases;
}

FabErrorSummary
fab_error_summary(const FabErrorSample *samples, guint count)
{
    FabErrorSummary summary = { .rows = count };
    g_autofree FabErrorSample *sorted = g_memdup2(samples, count * sizeof *samples);
    g_autofree double *absolute = g_new(double, count);

    if (count == 0)
        return summary;
    qsort(sorted, count, sizeof *sorted, compare_groups);
    weigh_cases(sorted, count, &summary);
    for (guint i = 0; i < count; i++) {
        absolute[i] = fabs(samples[i].error);
        summary.mean_row += absolute[i] / count;
    }
    qsort(absolute, count, sizeof *absolute, compare_numbers);
    summary.median = fab_quantile(absolute, count, 0.5);
    summary.p90 = fab_quantile(absolute, count, 0.9);
    summary.worst = absolute[count - 1];
    return summary;
}

/* ------------------------------------------------------------------ the best line */

static double
cost_of(const FabLine *line, const double *sizes, const double *times, guint count)
{
    double cost = 0;

    for (guint i = 0; i < count; i++)
        cost += fabs((line->latency + line->per_byte * sizes[i]) / times[i] - 1);
    return cost;
}

typedef struct {
    const double *sizes, *times;
    guint count;
    FabLine best;
    double cost;
} Fit;

static void
try_line(Fit *fit, double latency, double per_byte)
{
    FabLine line = { latency, per_byte };
    double cost;

    if (!(latency >= 0 && per_byte >= 0))
        return;
    cost = cost_of(&line, fit->sizes, fit->times, fit->count);
    if (cost < fit->cost) {
        fit->cost = cost;
        fit->best = line;
    }
}

bool
fab_line_fit(const double *sizes, const double *times, guint count, FabLine *line)
{
    Fit fit = { sizes, times, count, { 0, 0 }, INFINITY };
    guint step = count / MOST_SUPPORTS + 1;

    for (guint i = 0; i < count; i += step) {
        try_line(&fit, times[i], 0);
        if (sizes[i] > 0)
            try_line(&fit, 0, times[i] / sizes[i]);
        for (guint j = i + 1; j < count; j += step) {
            double slope = (times[j] - times[i]) / (sizes[j] - sizes[i]);
            if (sizes[j] != sizes[i])
                try_line(&fit, times[i] - slope * sizes[i], slope);
        }
    }
    *line = fit.best;
    return count > 0;
}
