/*
 * Curves and clouds of points: as SVG that needs nothing else, with their figures as a table and as data from which
 * the script of the page draws the same so that it can be zoomed.
 */
#ifndef FAB_REPORT_CHART_H
#define FAB_REPORT_CHART_H

#include <stdbool.h>

#include "report/html.h"

typedef struct {
    double x, y;
    double low, high; /* NaN: there is no interval */
    char *note;       /* what else is said of it, or NULL; owned */
} FabChartPoint;

typedef struct {
    char *name;
    bool joined;      /* by a line */
    GArray *points;   /* FabChartPoint, ascending by x where they are joined */
} FabChartSeries;

typedef struct {
    FabQuantity quantity;
    bool logarithmic;
    char *label;      /* "size" */
} FabChartAxis;

typedef struct {
    char *title, *about; /* about: a sentence, or NULL */
    FabChartAxis x, y;
    double mark;         /* a level that means something; NaN: none */
    char *mark_label;    /* or NULL */
    GPtrArray *series;   /* FabChartSeries */
} FabChart;

FabChart *fab_chart_new(const char *title, FabQuantity x, const char *x_label, FabQuantity y, const char *y_label);
void fab_chart_free(FabChart *chart);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabChart, fab_chart_free)

/* Belongs to the chart. */
FabChartSeries *fab_chart_add(FabChart *chart, const char *name, bool joined);
/* Points that are not finite, or not positive on a logarithmic axis, are left out when drawn. */
void fab_chart_point(FabChartSeries *series, double x, double y, double low, double high, const char *note);

/* `number` tells the charts of a page apart. Nothing is written when there is no point. */
void fab_chart_write(const FabChart *chart, guint number, FILE *out);

#endif
