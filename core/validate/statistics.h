/* Errors of predictions in few numbers, and the straight line that fits a sweep best. */
#ifndef FAB_VALIDATE_STATISTICS_H
#define FAB_VALIDATE_STATISTICS_H

#include <glib.h>
#include <stdbool.h>

/* One predicted time: prediction / measurement - 1, and which case it belongs to. */
typedef struct {
    double error;
    guint group;
} FabErrorSample;

/*
 * Of the absolute errors, as shares (0.05 is 5 %). `mean` and `bias` weigh every case the same: they are means over
 * cases of the case's mean. The others weigh every row the same.
 */
typedef struct {
    guint cases, rows;
    double mean;     /* of |error| */
    double bias;     /* of the error with its sign: above 0, predictions are too slow */
    double mean_row; /* of |error|, by row */
    double median, p90, worst;
} FabErrorSummary;

/* All zero for no samples. Sorts nothing that the caller sees. */
FabErrorSummary fab_error_summary(const FabErrorSample *samples, guint count);

/* The value below which `share` of the sorted values lie, linear between two of them. */
double fab_quantile(const double *sorted, guint count, double share);

/* time = latency + size x per_byte. */
typedef struct {
    double latency, per_byte;
} FabLine;

/*
 * The line with latency and per_byte >= 0 that has the least mean absolute relative error on these points: such a line
 * passes through two points, or through one with latency or per_byte 0, so that trying them all finds it. False for
 * no points. Of very many points only every so-many-th is tried as a support.
 */
bool fab_line_fit(const double *sizes, const double *times, guint count, FabLine *line);

#endif
