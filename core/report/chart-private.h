/* What the files of charts share. */
#ifndef FAB_REPORT_CHART_PRIVATE_H
#define FAB_REPORT_CHART_PRIVATE_H

#include "report/chart.h"

/* Ends of an axis as they are drawn, and where values lie between them. */
typedef struct {
    double low, high;
    bool logarithmic;
} FabChartScale;

/* 0 at the low end, 1 at the high one. */
double fab_chart_place(const FabChartScale *scale, double value);

/* Whether a point is drawn at all. */
bool fab_chart_shows(const FabChart *chart, const FabChartPoint *point);

/* chart-svg.c */
void fab_chart_draw(const FabChart *chart, guint number, FILE *out);

#endif
