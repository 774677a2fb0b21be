#include "statistics.h"

#include <stdlib.h>

#include "base.h"

void
fabm_samples_add(FabmSamples *samples, double value)
{
    if (samples->count == samples->room) {
        samples->room = samples->room > 0 ? 2 * samples->room : 32;
        samples->values = fabm_grow(samples->values, (size_t)samples->room, sizeof *samples->values);
    }
    samples->values[samples->count++] = value;
}

void
fabm_samples_clear(FabmSamples *samples)
{
    free(samples->values);
    *samples = (FabmSamples) { 0 };
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of sorted values, between neighbours in a straight line. */
static double
quantile(const FabmSamples *samples, double share)
{
    double place = share * (samples->count - 1);
    int below = (int)place;
    double rest = place - below;

    if (below + 1 >= samples->count)
        return samples->values[samples->count - 1];
    return samples->values[below] * (1 - rest) + samples->values[below + 1] * rest;
}

FabmSummary
fabm_samples_summary(FabmSamples *samples)
{
    if (samples->count == 0)
        return (FabmSummary) { 0 };
    qsort(samples->values, (size_t)samples->count, sizeof *samples->values, compare);
    return (FabmSummary) { .median = quantile(samples, 0.5),
                           .low = quantile(samples, 0.1),
                           .high = quantile(samples, 0.9),
                           .samples = samples->count };
}

FabmSummary
fabm_summary_rate(const FabmSummary *times, double amount)
{
    return (FabmSummary) { .median = amount / times->median,
                           .low = amount / times->high,
                           .high = amount / times->low,
                           .samples = times->samples };
}
