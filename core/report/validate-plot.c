/* One case of a validation as a picture: time over size, both logarithmic; measured points, predicted lines. */
#include "report/validate.h"

#include <math.h>

#include "base/units.h"
#include "report/stream.h"

/* The page in SVG units, and the frame of the curves in it. */
enum { WIDTH = 900, HEIGHT = 600, LEFT = 90, RIGHT = 870, TOP = 70, BOTTOM = 530, OCTAVES_PER_TICK = 5 };

/* Readable in grey and with any colour vision: the lines also differ in width and dashes. */
typedef struct {
    const char *name, *colour, *dashes;
    int pen;
} Stroke;

static const Stroke strokes[FAB_PREDICTORS] = {
    { "predicted", "#1f6fb4", "none", 3 },
    { "NCCL's formula", "#c05a00", "7 4", 2 },
    { "best line", "#707070", "2 4", 2 },
};

/* Bounds of both axes: log2 of bytes, log10 of microseconds. */
typedef struct {
    double x_min, x_max, y_min, y_max;
    FILE *out;
} Plot;

static void
extend(Plot *plot, double time_us)
{
    if (!(isfinite(time_us) && time_us > 0))
        return;
    plot->y_min = MIN(plot->y_min, log10(time_us));
    plot->y_max = MAX(plot->y_max, log10(time_us));
}

/* Whole decades up and down, whole ticks to both sides. NCCL's fallback may lie far above; it is cut off. */
static void
find_bounds(Plot *plot, const FabValidationCase *one)
{
    *plot = (Plot) { INFINITY, -INFINITY, INFINITY, -INFINITY, plot->out };
    for (guint i = 0; i < one->rows->len; i++) {
        const FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, i);
        plot->x_min = MIN(plot->x_min, log2((double)row->size_bytes));
        plot->x_max = MAX(plot->x_max, log2((double)row->size_bytes));
        extend(plot, row->measured_us);
        extend(plot, row->predicted_us[FAB_PREDICTOR_ENGINE]);
        extend(plot, row->low_us);
        extend(plot, row->high_us);
    }
    plot->x_min = floor(plot->x_min / OCTAVES_PER_TICK) * OCTAVES_PER_TICK;
    plot->x_max = MAX(ceil(plot->x_max / OCTAVES_PER_TICK) * OCTAVES_PER_TICK, plot->x_min + OCTAVES_PER_TICK);
    plot->y_min = floor(plot->y_min);
    plot->y_max = MAX(ceil(plot->y_max), plot->y_min + 1);
}

/* Tenths of a unit, so that no locale has a say in the decimal point. */
static void
write_length(FILE *out, const char *before, double value)
{
    int tenths = (int)lround(value * 10);

    fprintf(out, "%s%d.%d", before, tenths / 10, tenths % 10);
}

static double
x_of(const Plot *plot, double bytes)
{
    return LEFT + (RIGHT - LEFT) * (log2(bytes) - plot->x_min) / (plot->x_max - plot->x_min);
}

static double
y_of(const Plot *plot, double time_us)
{
    double y = BOTTOM - (BOTTOM - TOP) * (log10(time_us) - plot->y_min) / (plot->y_max - plot->y_min);

    return CLAMP(y, TOP, BOTTOM);
}

/* ------------------------------------------------------------------ parts of the picture */

static void
write_title(const Plot *plot, const FabValidationCase *one)
{
    g_autofree char *title = g_markup_escape_text(one->id, -1);
    g_autofree char *about = g_strdup_printf("%s, %u ranks, %s on %s; grade %c", one->collective, one->ranks,
                                             one->gpu_id, one->topology, one->grade);
    g_autofree char *safe = g_markup_escape_text(about, -1);

    fprintf(plot->out, "<title>%s</title>\n<text x=\"%d\" y=\"28\" font-size=\"18\">%s</text>\n"
            "<text x=\"%d\" y=\"50\" fill=\"#555\">%s</text>\n", title, LEFT, title, LEFT, safe);
}

static void
write_grid(const Plot *plot)
{
    FILE *out = plot->out;

    fputs("<g stroke=\"#ddd\">\n", out);
    for (double tick = plot->x_min; tick <= plot->x_max; tick += OCTAVES_PER_TICK) {
        double x = x_of(plot, exp2(tick));
        write_length(out, "<line x1=\"", x);
        write_length(out, "\" x2=\"", x);
        fprintf(out, "\" y1=\"%d\" y2=\"%d\"/>\n", TOP, BOTTOM);
    }
    for (double tick = plot->y_min; tick <= plot->y_max; tick++) {
        double y = y_of(plot, pow(10, tick));
        write_length(out, "<line y1=\"", y);
        write_length(out, "\" y2=\"", y);
        fprintf(out, "\" x1=\"%d\" x2=\"%d\"/>\n", LEFT, RIGHT);
    }
    fputs("</g>\n", out);
}

static void
write_labels(const Plot *plot)
{
    FILE *out = plot->out;

    fputs("<g text-anchor=\"middle\">\n", out);
    for (double tick = plot->x_min; tick <= plot->x_max; tick += OCTAVES_PER_TICK) {
        g_autofree char *label = fab_format_bytes((uint64_t)exp2(tick));
        write_length(out, "<text x=\"", x_of(plot, exp2(tick)));
        fprintf(out, "\" y=\"%d\">%s</text>\n", BOTTOM + 22, label);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\">size</text>\n</g>\n<g text-anchor=\"end\">\n", (LEFT + RIGHT) / 2,
            BOTTOM + 48);
    for (double tick = plot->y_min; tick <= plot->y_max; tick++) {
        g_autofree char *label = fab_format_time((int64_t)llround(pow(10, tick + 6)));
        write_length(out, "<text y=\"", y_of(plot, pow(10, tick)) + 5);
        fprintf(out, "\" x=\"%d\">%s</text>\n", LEFT - 8, label);
    }
    fputs("</g>\n", out);
}

static int
compare_rows(const void *a, const void *b)
{
    const FabValidationRow *x = *(const FabValidationRow *const *)a, *y = *(const FabValidationRow *const *)b;

    return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

/* Rows by ascending size, for lines. Owned by the caller, the rows are not. */
static const FabValidationRow **
sort_rows(const FabValidationCase *one)
{
    const FabValidationRow **rows = g_new(const FabValidationRow *, one->rows->len);

    for (guint i = 0; i < one->rows->len; i++)
        rows[i] = &g_array_index(one->rows, FabValidationRow, i);
    qsort(rows, one->rows->len, sizeof *rows, compare_rows);
    return rows;
}

static void
write_point(const Plot *plot, const FabValidationRow *row, double time_us)
{
    write_length(plot->out, " ", x_of(plot, (double)row->size_bytes));
    write_length(plot->out, ",", y_of(plot, time_us));
}

static void
write_curve(const Plot *plot, const FabValidationRow *const *rows, guint count, FabPredictor predictor)
{
    const Stroke *stroke = &strokes[predictor];

    if (count == 0 || !isfinite(rows[0]->predicted_us[predictor]))
        return;
    fprintf(plot->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%d\" stroke-dasharray=\"%s\" points=\"",
            stroke->colour, stroke->pen, stroke->dashes);
    for (guint i = 0; i < count; i++)
        write_point(plot, rows[i], rows[i]->predicted_us[predictor]);
    fputs("\"/>\n", plot->out);
}

/* From the lowest to the highest time that is to be expected, where predictions say so. */
static void
write_interval(const Plot *plot, const FabValidationRow *const *rows, guint count)
{
    if (count == 0 || !isfinite(rows[0]->low_us) || !isfinite(rows[0]->high_us))
        return;
    fprintf(plot->out, "<polygon class=\"interval\" fill=\"%s\" fill-opacity=\"0.15\" points=\"", strokes[0].colour);
    for (guint i = 0; i < count; i++)
        write_point(plot, rows[i], rows[i]->low_us);
    for (guint i = count; i > 0; i--)
        write_point(plot, rows[i - 1], rows[i - 1]->high_us);
    fputs("\"/>\n", plot->out);
}

static void
write_measured(const Plot *plot, const FabValidationRow *const *rows, guint count)
{
    for (guint i = 0; i < count; i++) {
        write_length(plot->out, "<circle class=\"measured\" r=\"4\" cx=\"", x_of(plot, (double)rows[i]->size_bytes));
        write_length(plot->out, "\" cy=\"", y_of(plot, rows[i]->measured_us));
        fputs("\"/>\n", plot->out);
    }
}

static void
write_legend(const Plot *plot)
{
    int y = TOP + 22;

    fprintf(plot->out, "<circle r=\"4\" cx=\"%d\" cy=\"%d\"/><text x=\"%d\" y=\"%d\">measured</text>\n", LEFT + 32, y,
            LEFT + 60, y + 5);
    for (int p = 0; p < FAB_PREDICTORS; p++) {
        y += 22;
        fprintf(plot->out, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"%d\" "
                "stroke-dasharray=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n", LEFT + 14, LEFT + 50, y, y,
                strokes[p].colour, strokes[p].pen, strokes[p].dashes, LEFT + 60, y + 5, strokes[p].name);
    }
    y += 22;
    fprintf(plot->out, "<rect x=\"%d\" y=\"%d\" width=\"36\" height=\"12\" fill=\"%s\" fill-opacity=\"0.15\"/>"
            "<text x=\"%d\" y=\"%d\">90 %% interval</text>\n", LEFT + 14, y - 6, strokes[0].colour, LEFT + 60, y + 5);
}

bool
fab_report_validation_plot(const FabValidationCase *one, FILE *out, GError **error)
{
    g_autofree const FabValidationRow **rows = sort_rows(one);
    guint count = one->rows->len;
    Plot plot = { .out = out };

    g_return_val_if_fail(count > 0, false);
    find_bounds(&plot, one);
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"DejaVu Sans, Verdana, "
            "sans-serif\" font-size=\"13\">\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH, HEIGHT, WIDTH,
            HEIGHT);
    write_title(&plot, one);
    write_grid(&plot);
    write_labels(&plot);
    write_interval(&plot, rows, count);
    for (int p = FAB_PREDICTORS - 1; p >= 0; p--)
        write_curve(&plot, rows, count, (FabPredictor)p);
    write_measured(&plot, rows, count);
    write_legend(&plot);
    fputs("</svg>\n", out);
    return fab_stream_finish(out, error);
}
