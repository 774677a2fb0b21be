/* The picture of a chart: everything that has a colour has a class, so that the page decides what it looks like. */
#include <math.h>

#include "report/chart-private.h"
#include "report/stream.h"

/* SVG units. */
enum { WIDTH = 720, HEIGHT = 380, LEFT = 78, RIGHT = 706, TOP = 30, BOTTOM = 330, MOST_TICKS = 8 };

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

typedef struct {
    const FabChart *chart;
    FabChartScale x, y;
    FILE *out;
} Plot;

/* ------------------------------------------------------------------ ends of the axes */

static void
widen(FabChartScale *scale, double value)
{
    if (!isfinite(value) || (scale->logarithmic && value <= 0))
        return;
    scale->low = MIN(scale->low, value);
    scale->high = MAX(scale->high, value);
}

/* A little room at both ends; linear axes that do not count sizes begin at zero. */
static void
give_room(FabChartScale *scale, const FabChartAxis *axis, bool vertical)
{
    if (scale->logarithmic) {
        double room = vertical ? 1.15 : 1.05;
        scale->low /= room;
        scale->high *= room;
        return;
    }
    if (vertical)
        scale->low = MIN(scale->low, 0);
    if (scale->high <= scale->low)
        scale->high = scale->low + 1;
    scale->high += (scale->high - scale->low) * 0.05;
    if (!vertical && axis->quantity != FAB_QUANTITY_BYTES)
        scale->low -= (scale->high - scale->low) * 0.03;
}

static void
find_ends(Plot *plot)
{
    const FabChart *chart = plot->chart;

    plot->x = (FabChartScale) { INFINITY, -INFINITY, chart->x.logarithmic };
    plot->y = (FabChartScale) { INFINITY, -INFINITY, chart->y.logarithmic };
    for (guint s = 0; s < chart->series->len; s++) {
        const FabChartSeries *series = chart->series->pdata[s];
        for (guint i = 0; i < series->points->len; i++) {
            const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
            if (!fab_chart_shows(chart, point))
                continue;
            widen(&plot->x, point->x);
            widen(&plot->y, point->y);
            widen(&plot->y, point->low);
            widen(&plot->y, point->high);
        }
    }
    widen(&plot->y, chart->mark);
    give_room(&plot->x, &chart->x, false);
    give_room(&plot->y, &chart->y, true);
}

/* ------------------------------------------------------------------ coordinates */

static double
x_of(const Plot *plot, double value)
{
    return LEFT + (RIGHT - LEFT) * fab_chart_place(&plot->x, value);
}

static double
y_of(const Plot *plot, double value)
{
    return BOTTOM - (BOTTOM - TOP) * fab_chart_place(&plot->y, value);
}

static void
attribute(FILE *out, const char *name, double value)
{
    Number text;

    fprintf(out, " %s=\"%s\"", name, fab_stream_fixed(value, 1, text));
}

/* ------------------------------------------------------------------ ticks */

/* Values at which an axis is labelled. Owned by the caller. */
static GArray *
ticks_of(const FabChartScale *scale, FabQuantity quantity)
{
    GArray *ticks = g_array_new(FALSE, FALSE, sizeof(double));
    double span, step, size, value;

    if (scale->logarithmic) {
        double base = quantity == FAB_QUANTITY_BYTES ? 2 : 10;
        double first = ceil(log(scale->low) / log(base) - 1e-9), last = floor(log(scale->high) / log(base) + 1e-9);
        static const double steps[] = { 1, 2, 5, 10, 20 };
        step = 1;
        for (size_t i = 0; i < G_N_ELEMENTS(steps) && (last - first) / step > MOST_TICKS; i++)
            step = steps[i];
        for (double power = ceil(first / step) * step; power <= last; power += step) {
            value = pow(base, power);
            g_array_append_val(ticks, value);
        }
        if (ticks->len > 1)
            return ticks;
        g_array_set_size(ticks, 0);
    }
    span = scale->high - scale->low;
    size = pow(10, floor(log10(span / 5)));
    step = span / 5 / size < 2 ? 2 * size : span / 5 / size < 5 ? 5 * size : 10 * size;
    for (double k = ceil(scale->low / step); k * step <= scale->high; k++) {
        value = k * step;
        if (!scale->logarithmic || value > 0)
            g_array_append_val(ticks, value);
    }
    return ticks;
}

static void
draw_grid(const Plot *plot)
{
    g_autoptr(GArray) xs = ticks_of(&plot->x, plot->chart->x.quantity);
    g_autoptr(GArray) ys = ticks_of(&plot->y, plot->chart->y.quantity);
    FILE *out = plot->out;

    fputs("<g class=\"axis\">", out);
    for (guint i = 0; i < xs->len; i++) {
        double value = g_array_index(xs, double, i), x = x_of(plot, value);
        g_autofree char *label = fab_quantity_format(plot->chart->x.quantity, value);
        fputs("<line", out);
        attribute(out, "x1", x);
        attribute(out, "x2", x);
        /* In the middle below its line, if it does not reach beyond the picture there. */
        fprintf(out, " y1=\"%d\" y2=\"%d\"/><text text-anchor=\"%s\"", TOP, BOTTOM, x > RIGHT - 12 ? "end" : "middle");
        attribute(out, "x", x > RIGHT - 12 ? WIDTH - 2 : x);
        fprintf(out, " y=\"%d\">%s</text>", BOTTOM + 20, label);
    }
    for (guint i = 0; i < ys->len; i++) {
        double value = g_array_index(ys, double, i), y = y_of(plot, value);
        g_autofree char *label = fab_quantity_format(plot->chart->y.quantity, value);
        fputs("<line", out);
        attribute(out, "y1", y);
        attribute(out, "y2", y);
        fprintf(out, " x1=\"%d\" x2=\"%d\"/><text text-anchor=\"end\"", LEFT, RIGHT);
        attribute(out, "y", y + 4);
        fprintf(out, " x=\"%d\">%s</text>", LEFT - 8, label);
    }
    fab_html_print(out, "</g><g class=\"label\"><text x=\"8\" y=\"16\">%s</text>", plot->chart->y.label);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", RIGHT, BOTTOM + 42);
    fab_html_print(out, "%s</text></g>\n", plot->chart->x.label);
}

/* ------------------------------------------------------------------ series */

static void
draw_path(const Plot *plot, const FabChartSeries *series)
{
    const char *command = "M";

    fputs("<path class=\"curve\" d=\"", plot->out);
    for (guint i = 0; i < series->points->len; i++) {
        const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
        Number x, y;
        if (!fab_chart_shows(plot->chart, point))
            continue;
        fprintf(plot->out, "%s%s %s", command, fab_stream_fixed(x_of(plot, point->x), 1, x),
                fab_stream_fixed(y_of(plot, point->y), 1, y));
        command = "L";
    }
    fputs("\"/>", plot->out);
}

static bool
has_interval(const Plot *plot, const FabChartPoint *point)
{
    return fab_chart_shows(plot->chart, point) && isfinite(point->low) && (point->low > 0 || !plot->y.logarithmic);
}

/* One corner of the band; false where there is no interval. */
static bool
draw_corner(const Plot *plot, const FabChartPoint *point, double value, const char *command)
{
    Number x, y;

    if (!has_interval(plot, point))
        return false;
    fprintf(plot->out, "%s%s %s", command, fab_stream_fixed(x_of(plot, point->x), 1, x),
            fab_stream_fixed(y_of(plot, value), 1, y));
    return true;
}

static void
draw_band(const Plot *plot, const FabChartSeries *series)
{
    const char *command = "M";

    fputs("<path class=\"band\" d=\"", plot->out);
    for (guint i = 0; i < series->points->len; i++) {
        const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
        command = draw_corner(plot, point, point->low, command) ? "L" : command;
    }
    for (guint i = series->points->len; i > 0; i--) {
        const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i - 1);
        draw_corner(plot, point, point->high, command);
    }
    fputs("\"/>", plot->out);
}

static void
draw_points(const Plot *plot, const FabChartSeries *series)
{
    for (guint i = 0; i < series->points->len; i++) {
        const FabChartPoint *point = &g_array_index(series->points, FabChartPoint, i);
        if (!fab_chart_shows(plot->chart, point))
            continue;
        if (!series->joined && has_interval(plot, point)) {
            fputs("<line class=\"whisker\"", plot->out);
            attribute(plot->out, "x1", x_of(plot, point->x));
            attribute(plot->out, "x2", x_of(plot, point->x));
            attribute(plot->out, "y1", y_of(plot, point->low));
            attribute(plot->out, "y2", y_of(plot, point->high));
            fputs("/>", plot->out);
        }
        fputs("<circle r=\"3.5\"", plot->out);
        attribute(plot->out, "cx", x_of(plot, point->x));
        attribute(plot->out, "cy", y_of(plot, point->y));
        fputs("/>", plot->out);
    }
}

/* What it means stands in the legend: a name of a machine is longer than a telephone is wide. */
static void
draw_mark(const Plot *plot)
{
    const FabChart *chart = plot->chart;

    if (!isfinite(chart->mark) || (plot->y.logarithmic && chart->mark <= 0))
        return;
    fprintf(plot->out, "<g class=\"mark\"><line x1=\"%d\" x2=\"%d\"", LEFT, RIGHT);
    attribute(plot->out, "y1", y_of(plot, chart->mark));
    attribute(plot->out, "y2", y_of(plot, chart->mark));
    fputs("/></g>", plot->out);
}

void
fab_chart_draw(const FabChart *chart, guint number, FILE *out)
{
    Plot plot = { .chart = chart, .out = out };

    find_ends(&plot);
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" ", WIDTH, HEIGHT);
    fab_html_print(out, "aria-labelledby=\"chart-%u-title\"><title id=\"chart-%u-title\">%s: %s over %s</title>\n",
                   number, number, chart->title, chart->y.label, chart->x.label);
    draw_grid(&plot);
    for (guint s = 0; s < chart->series->len; s++) {
        const FabChartSeries *series = chart->series->pdata[s];
        fprintf(out, "<g class=\"series c%u\">", s % FAB_PALETTE);
        if (series->joined) {
            draw_band(&plot, series);
            draw_path(&plot, series);
        }
        draw_points(&plot, series);
        fputs("</g>\n", out);
    }
    draw_mark(&plot);
    fputs("</svg>", out);
}
