/* Samples of one quantity and what is reported of them. */
#ifndef FABM_STATISTICS_H
#define FABM_STATISTICS_H

#include <stdint.h>

typedef struct {
    double *values;
    int count, room;
} FabmSamples; /* zero it before use */

typedef struct {
    double median, low, high; /* low and high: the 10 % and 90 % quantiles */
    int samples;
} FabmSummary;

void fabm_samples_add(FabmSamples *samples, double value);
void fabm_samples_clear(FabmSamples *samples);

/* Sorts the samples. All zero when there are none. */
FabmSummary fabm_samples_summary(FabmSamples *samples);

/* Of `amount` / sample; low stays below high. Every sample must be above 0. */
FabmSummary fabm_summary_rate(const FabmSummary *times, double amount);

#endif
