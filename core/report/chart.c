#include "report/chart-private.h"

#include <math.h>

#include "report/stream.h"

/* An axis whose values span more than this is logarithmic unless the reader says otherwise. */
#define WIDE 30.0

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

static void
clear_point(gpointer data)
{
    g_free(((FabChartPoint *)data)->note);
}

static void
free_series(gpointer data)
{
    FabChartSeries *series = data;

    g_free(series->name);
    g_array_unref(series->points);
    g_free(series);
}

FabChart *
fab_chart_new(const char *title, FabQuantity x, const char *x_label, FabQuantity y, const char *y_label)
{
    FabChart *chart = g_new0(FabChart, 1);

    chart->title = g_strdup(title);
    chart->x = (FabChartAxis) { x, false, g_strdup(x_label) };
    chart->y = (FabChartAxis) { y, false, g_strdup(y_label) };
    chart->mark = NAN;
    chart->series = g_ptr_array_new_with_free_func(free_series);
    return chart;
}

void
fab_chart_free(FabChart *chart)
{
    if (chart == NULL)
        return;
    g_free(chart->title);
    g_free(chart->about);
    g_free(chart->x.label);
    g_free(chart->y.label);
    g_free(chart->mark_label);
    g_ptr_array_unref(chart->series);
    g_free(chart);
}

FabChartSeries *
fab_chart_add(FabChart *chart, const char *name, bool joined)
{
    FabChartSeries *series = g_new0(FabChartSeries, 1);

    series->name = g_strdup(name);
    series->joined = joined;
    series->points = g_array_new(FALSE, TRUE, sizeof(FabChartPoint));
    g_array_set_clear_func(series->points, clear_point);
    g_ptr_array_add(chart->series, series);
    return series;
}

void
fab_chart_point(FabChartSeries *series, double x, double y, double low, double high, const char *note)
{
    FabChartPoint point = { x, y, low, high, g_strdup(note) };

    if (!isfinite(low) || !isfinite(high))
        point.low = point.high = NAN;
    g_array_append_val(series->points, point);
}

bool
fab_chart_shows(const FabChart *chart, const FabChartPoint *point)
{
    return isfinite(point->x) && isfinite(point->y) && (point->x > 0 || !chart->x.logarithmic) &&
           (point->y > 0 || !chart->y.logarithmic);
}

double
fab_chart_place(const FabChartScale *scale, double value)
{
    if (scale->logarithmic)
        return (log(value) - log(scale->low)) / (log(scale->high) - log(scale->low));
    return (value - scale->low) / (scale->high - scale->low);
}

/* ------------------------------------------------------------------ which axes are logarithmic */

/* By the span of the values; sizes, which double, always. */
static void
settle(const FabChart *chart, bool *x_logarithmic, bool *y_logarithmic)
{
    double low[2] = { INFINITY, INFINITY }, high[2] = { 0, 0 };

    for (guint s = 0; s < chart->series->len; s++) {
        const FabChartSeries *series = chart->series->pdata[s];
        for (guint i = 0; i < series->points->len; i++) {
            const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
            const double values[2] = { point->x, point->y };
            for (int k = 0; k < 2; k++) {
                if (!isfinite(values[k]))
                    continue;
                low[k] = MIN(low[k], values[k]);
                high[k] = MAX(high[k], values[k]);
            }
        }
    }
    *x_logarithmic = low[0] > 0 && (chart->x.quantity == FAB_QUANTITY_BYTES || high[0] / low[0] > WIDE);
    *y_logarithmic = low[1] > 0 && high[1] / low[1] > WIDE;
}

/* ------------------------------------------------------------------ data for the script, and the table */

static void
number(FILE *out, const char *before, double value)
{
    Number text;

    fprintf(out, "%s%s", before, isfinite(value) ? fab_stream_number(value, text) : "null");
}

static void
write_axis(FILE *out, const char *name, const FabChartAxis *axis)
{
    fprintf(out, "\"%s\":{\"quantity\":\"%s\",\"log\":%s,\"label\":", name, fab_quantity_ids[axis->quantity],
            axis->logarithmic ? "true" : "false");
    fab_html_json(out, axis->label);
    fputs("},", out);
}

static void
write_points(FILE *out, const FabChart *chart, const FabChartSeries *series)
{
    const char *separator = "";

    for (guint i = 0; i < series->points->len; i++) {
        const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
        if (!fab_chart_shows(chart, point))
            continue;
        fputs(separator, out);
        separator = ",";
        number(out, "[", point->x);
        number(out, ",", point->y);
        number(out, ",", point->low);
        number(out, ",", point->high);
        fputc(',', out);
        fab_html_json(out, point->note != NULL ? point->note : "");
        fputc(']', out);
    }
}

static void
write_data(FILE *out, const FabChart *chart)
{
    fputs("<script type=\"application/json\" class=\"data\">{", out);
    write_axis(out, "x", &chart->x);
    write_axis(out, "y", &chart->y);
    number(out, "\"mark\":", chart->mark);
    fputs(",\"title\":", out);
    fab_html_json(out, chart->title);
    fputs(",\"series\":[", out);
    for (guint s = 0; s < chart->series->len; s++) {
        const FabChartSeries *series = chart->series->pdata[s];
        fputs(s > 0 ? ",{\"name\":" : "{\"name\":", out);
        fab_html_json(out, series->name);
        fprintf(out, ",\"joined\":%s,\"points\":[", series->joined ? "true" : "false");
        write_points(out, chart, series);
        fputs("]}", out);
    }
    fputs("]}</script>\n", out);
}

static void
write_figures(FILE *out, const FabChart *chart)
{
    const char *const head[] = { "", chart->x.label, chart->y.label, "", NULL };

    fputs("<details class=\"figures\"><summary>The figures of this chart</summary>\n", out);
    fab_html_table_begin(out, chart->title, head);
    for (guint s = 0; s < chart->series->len; s++) {
        const FabChartSeries *series = chart->series->pdata[s];
        for (guint i = 0; i < series->points->len; i++) {
            const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
            g_autofree char *x = fab_quantity_format(chart->x.quantity, point->x);
            g_autofree char *y = fab_quantity_interval(chart->y.quantity, point->y, point->low, point->high);
            fab_html_table_row(out, series->name, x, y, point->note != NULL ? point->note : "", NULL);
        }
    }
    fab_html_table_end(out);
    fputs("</details>\n", out);
}

static bool
is_empty(const FabChart *chart)
{
    for (guint s = 0; s < chart->series->len; s++) {
        const FabChartSeries *series = chart->series->pdata[s];
        for (guint i = 0; i < series->points->len; i++) {
            if (fab_chart_shows(chart, &g_array_index(series->points, FabChartPoint, i)))
                return false;
        }
    }
    return true;
}

void
fab_chart_write(const FabChart *chart, guint number_of_page, FILE *out)
{
    FabChart settled = *chart;

    settle(chart, &settled.x.logarithmic, &settled.y.logarithmic);
    if (is_empty(&settled))
        return;
    fab_html_print(out, "<figure class=\"chart\" id=\"chart-%u\"><figcaption>%s</figcaption>\n", number_of_page,
                   chart->title);
    fputs("<ul class=\"legend\">", out);
    for (guint s = 0; s < chart->series->len; s++)
        fab_html_print(out, "<li><span class=\"key c%u\" aria-hidden=\"true\"></span><span>%s</span></li>",
                       s % FAB_PALETTE, ((const FabChartSeries *)chart->series->pdata[s])->name);
    if (isfinite(chart->mark) && chart->mark_label != NULL)
        fab_html_print(out, "<li class=\"level\"><span class=\"key dashes\" aria-hidden=\"true\"></span>"
                       "<span>%s</span></li>", chart->mark_label);
    fputs("</ul>\n<div class=\"plot\">", out);
    fab_chart_draw(&settled, number_of_page, out);
    fputs("</div>\n", out);
    if (chart->about != NULL)
        fab_html_print(out, "<p class=\"about\">%s</p>\n", chart->about);
    write_figures(out, &settled);
    write_data(out, &settled);
    fputs("</figure>\n", out);
}
