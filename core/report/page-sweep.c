/* Many points of one scenario, from `sweep --json` or a store: time against cost, and those that nothing beats. */
#include <math.h>
#include <string.h>

#include "report/page-private.h"
#include "scenario/sweep.h"

/* More fronts than a reader tells apart; points than a browser draws at once; rows and values than anybody reads. */
enum { MOST_FRONTS = 5, MOST_BEATEN = 2000, MOST_ROWS = 500, MOST_VALUES = 24 };

/* As in the table of `sweep`: what a cost is the cost of. */
#define LARGE_BYTES 1e12
#define LARGE_TOKENS 1e6

static char *
settings_of(JsonObject *row)
{
    JsonObject *settings = fab_json_member(row, "settings");
    GString *text = g_string_new(NULL);
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    if (settings == NULL)
        return g_string_free(text, FALSE);
    json_object_iter_init_ordered(&iter, settings);
    while (json_object_iter_next_ordered(&iter, &key, &value)) {
        if (json_node_get_value_type(value) == G_TYPE_STRING)
            g_string_append_printf(text, "%s%s=%s", text->len > 0 ? ", " : "", key, json_node_get_string(value));
    }
    return g_string_free(text, FALSE);
}

static const char *
unit_of(JsonObject *row)
{
    const char *unit = fab_json_text(row, "cost_unit");

    return unit != NULL ? unit : "";
}

/* ------------------------------------------------------------------ how the points are read */

typedef struct {
    JsonObject *item;
    bool steps;     /* of training, not of a collective */
    bool by_work;   /* the points do different amounts of work: their times are those of as much */
    GArray *sizes;  /* double, ascending; one 0 for steps */
    double largest; /* of them: what is said in one figure is said of it */
} View;

static double
size_of(JsonObject *row)
{
    double size = fab_json_figure(row, "size_bytes");

    return isfinite(size) ? size : 0;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static View
view_of(JsonObject *item)
{
    View view = { .item = item, .sizes = g_array_new(FALSE, FALSE, sizeof(double)) };
    double work = fab_json_figure(fab_json_at(item, "rows", 0), "work");

    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        double size = size_of(row);
        guint k = 0;
        while (k < view.sizes->len && g_array_index(view.sizes, double, k) != size)
            k++;
        if (k == view.sizes->len && k <= MOST_FRONTS)
            g_array_append_val(view.sizes, size);
        view.largest = fmax(view.largest, size);
        view.by_work = view.by_work || (isfinite(work) && fab_json_figure(row, "work") != work);
    }
    g_array_sort(view.sizes, compare_doubles);
    view.steps = view.largest <= 0;
    return view;
}

static void
view_clear(View *view)
{
    g_array_unref(view->sizes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(View, view_clear)

/* One of the times of a row: as it is, or of a TB or a million tokens. */
static double
time_of(const View *view, JsonObject *row, const char *which)
{
    double large = view->steps ? LARGE_TOKENS : LARGE_BYTES;

    return fab_json_figure(row, which) * (view->by_work ? large / fab_json_figure(row, "work") : 1);
}

static char *
time_text(const View *view, JsonObject *row)
{
    return fab_quantity_interval(FAB_QUANTITY_SECONDS, time_of(view, row, "seconds"), time_of(view, row, "low_s"),
                                 time_of(view, row, "high_s"));
}

/* "time", "time of a million tokens", "time of a TB". */
static const char *
time_label(const View *view)
{
    return !view->by_work ? "time" : view->steps ? "time of a million tokens" : "time of a TB";
}

static char *
cost_text(JsonObject *row)
{
    g_autofree char *figure = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "cost"));

    return g_strdup_printf("%s %s", figure, unit_of(row));
}

/* " of 1 GiB", or nothing where there is one size. Owned by the caller. */
static char *
at_largest(const View *view, const char *before)
{
    g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, view->largest);

    return view->sizes->len > 1 ? g_strconcat(before, size, NULL) : g_strdup("");
}

/* The first of the largest size on the front with the least time, or cost. NULL: nothing fits. */
static JsonObject *
best_of(const View *view, bool by_cost)
{
    JsonObject *best = NULL;
    double least = INFINITY;

    for (guint i = 0; i < fab_json_length(view->item, "rows"); i++) {
        JsonObject *row = fab_json_at(view->item, "rows", i);
        double value = by_cost ? fab_json_figure(row, "cost") : time_of(view, row, "seconds");
        if (!fab_json_truth(row, "front") || size_of(row) != view->largest || !(value < least))
            continue;
        best = row;
        least = value;
    }
    return best;
}

/* ------------------------------------------------------------------ the answer */

static void
add_tiles(const View *view, FabPageAnswer *answer)
{
    JsonObject *item = view->item;
    double done = fab_json_figure(item, "done"), points = fab_json_figure(item, "points");
    g_autofree char *ran = fab_quantity_format(FAB_QUANTITY_PLAIN, done);
    g_autofree char *all = fab_quantity_format(FAB_QUANTITY_PLAIN, points);
    guint front = 0;

    for (guint i = 0; i < fab_json_length(item, "rows"); i++)
        front += fab_json_truth(fab_json_at(item, "rows", i), "front");
    fab_page_tile(answer, done < points ? "points so far" : "points",
                  done < points ? g_strdup_printf("%s of %s", ran, all) : g_strdup(ran));
    fab_page_tile(answer, "not possible", fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(item, "refused")));
    fab_page_tile(answer, view->sizes->len > 1 ? "beaten by no other of their size" : "beaten by no other",
                  g_strdup_printf("%u", front));
}

/* Owned by the caller. */
static char *
say_best(const View *view, JsonObject *fast, JsonObject *cheap, const char *unfinished)
{
    g_autofree char *time = time_text(view, fast), *how = settings_of(fast), *cheapest_how = settings_of(cheap);
    g_autofree char *cost = cost_text(cheap), *size = at_largest(view, "At ");
    const char *the = size[0] != '\0' ? " the" : "The", *unit = view->steps ? "million tokens" : "TB";
    const char *of = !view->by_work ? "" : view->steps ? " for a million tokens" : " for a TB";

    if (fast == cheap)
        return g_strdup_printf("%s%s quickest takes %s%s and is the cheapest, %s for a %s: %s.%s", size, the, time, of,
                               cost, unit, how, unfinished);
    return g_strdup_printf("%s%s quickest takes %s%s: %s. The cheapest costs %s for a %s: %s.%s", size, the, time, of,
                           how, cost, unit, cheapest_how, unfinished);
}

static void
answer_sweep(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    g_auto(View) view = view_of(item);
    JsonObject *fast = best_of(&view, false), *cheap = best_of(&view, true);
    const FabPageScenario *one = fab_page_scenario(page, item);
    double missing = fab_json_figure(item, "points") - fab_json_figure(item, "done");
    g_autofree char *points = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(item, "points"));
    g_autofree char *left = fab_quantity_format(FAB_QUANTITY_PLAIN, missing);
    g_autofree char *unfinished = missing > 0 ? g_strconcat(" Of the sweep's points ", left, " are not run yet: this "
                                                            "is the best so far.", NULL) : g_strdup("");
    g_autofree char *best = NULL;

    answer->question = g_strdup_printf("What is best of %s points: “%s”?", points, fab_page_title(page, item));
    add_tiles(&view, answer);
    if (fast == NULL) {
        answer->sentence = g_strdup_printf("No point fits into memory.%s", unfinished);
        answer->tone = FAB_TONE_BAD;
        return;
    }
    best = say_best(&view, fast, cheap, unfinished);
    answer->sentence = g_strconcat(best, one != NULL && one->outcome != NULL && one->outcome->guessed
                                   ? " The interval of the quickest is a guess; why, and how sure it is, stands below."
                                   : "", NULL);
}

char **
fab_page_sweep_sets(JsonObject *item)
{
    g_auto(View) view = view_of(item);
    JsonObject *row = best_of(&view, false), *settings = row != NULL ? fab_json_member(row, "settings") : NULL;
    GPtrArray *sets = g_ptr_array_new();
    JsonObjectIter iter;
    const char *key;
    JsonNode *node;

    if (settings != NULL)
        json_object_iter_init_ordered(&iter, settings);
    while (settings != NULL && json_object_iter_next_ordered(&iter, &key, &node)) {
        const char *text = fab_json_text(settings, key);
        g_auto(GStrv) keys = fab_sweep_split(key), values = fab_sweep_split(text != NULL ? text : "");
        for (guint i = 0; keys[i] != NULL && i < g_strv_length(values); i++)
            g_ptr_array_add(sets, g_strconcat(keys[i], "=", values[i], NULL));
    }
    g_ptr_array_add(sets, NULL);
    return (char **)g_ptr_array_free(sets, FALSE);
}

/* ------------------------------------------------------------------ the chart */

static void
add_point(const View *view, FabChartSeries *series, JsonObject *row, bool with_interval)
{
    g_autofree char *note = settings_of(row);
    double low = with_interval ? time_of(view, row, "low_s") : NAN;
    double high = with_interval ? time_of(view, row, "high_s") : NAN;

    fab_chart_point(series, fab_json_figure(row, "cost"), time_of(view, row, "seconds"), low, high, note);
}

/* Those that are no part of a front: all, or every so manieth of very many. Returns how many were left out. */
static guint
add_beaten(const View *view, FabChart *chart)
{
    FabChartSeries *fits = fab_chart_add(chart, "beaten by others", false), *large = NULL;
    guint count = 0, seen = 0, drawn = 0, every;

    for (guint i = 0; i < fab_json_length(view->item, "rows"); i++)
        count += !fab_json_truth(fab_json_at(view->item, "rows", i), "front");
    every = count / MOST_BEATEN + 1;
    for (guint i = 0; i < fab_json_length(view->item, "rows"); i++) {
        JsonObject *row = fab_json_at(view->item, "rows", i);
        if (fab_json_truth(row, "front") || seen++ % every != 0)
            continue;
        if (large == NULL && !fab_json_truth(row, "fits"))
            large = fab_chart_add(chart, "do not fit into memory", false);
        add_point(view, fab_json_truth(row, "fits") ? fits : large, row, false);
        drawn++;
    }
    return count - drawn;
}

static int
by_cost(gconstpointer a, gconstpointer b)
{
    double x = fab_json_figure(*(JsonObject *const *)a, "cost"), y = fab_json_figure(*(JsonObject *const *)b, "cost");

    return x < y ? -1 : x > y;
}

/* The front of a size, from the cheapest to the quickest; `size` below 0: of all sizes, as a cloud. */
static void
add_front(const View *view, FabChart *chart, double size)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new();
    g_autofree char *bytes = fab_quantity_format(FAB_QUANTITY_BYTES, size);
    g_autofree char *name = size > 0 && view->sizes->len > 1 ? g_strdup_printf("%s: beaten by no other", bytes)
                                                             : g_strdup(size < 0 ? "beaten by no other of their size"
                                                                                 : "beaten by no other");
    FabChartSeries *series;

    for (guint i = 0; i < fab_json_length(view->item, "rows"); i++) {
        JsonObject *row = fab_json_at(view->item, "rows", i);
        if (fab_json_truth(row, "front") && (size < 0 || size_of(row) == size))
            g_ptr_array_add(rows, row);
    }
    g_ptr_array_sort(rows, by_cost);
    series = fab_chart_add(chart, name, size >= 0 && rows->len > 1);
    for (guint i = 0; i < rows->len; i++)
        add_point(view, series, rows->pdata[i], true);
}

/* The fronts come last and are drawn on top. */
static void
show_chart(FabPage *page, const View *view)
{
    const char *unit = unit_of(fab_json_at(view->item, "rows", 0));
    g_autofree char *label = g_strdup_printf("cost of a %s, %s", view->steps ? "million tokens" : "TB", unit);
    g_autoptr(FabChart) chart = fab_chart_new("Time against cost", FAB_QUANTITY_PLAIN, label, FAB_QUANTITY_SECONDS,
                                              time_label(view));
    guint left_out = add_beaten(view, chart);

    for (guint i = 0; view->sizes->len <= MOST_FRONTS && i < view->sizes->len; i++)
        add_front(view, chart, g_array_index(view->sizes, double, i));
    if (view->sizes->len > MOST_FRONTS)
        add_front(view, chart, -1);
    if (left_out > 0)
        chart->about = g_strdup_printf("%u of the points that are beaten are left out of this picture, evenly; every "
                                       "front is whole.", left_out);
    fab_page_chart(page, chart);
}

/* ------------------------------------------------------------------ the tables */

static void
show_front(FabPage *page, const View *view)
{
    const char *const head[] = { "point", "size", time_label(view), "cost", "GPUs", "settings", "bound by", NULL };
    guint shown = 0, count = 0;
    bool extrapolated = false;

    fab_html_table_begin(page->out, "Points that no other of their size beats both in time and in cost", head);
    for (guint i = 0; i < fab_json_length(view->item, "rows"); i++) {
        JsonObject *row = fab_json_at(view->item, "rows", i);
        if (!fab_json_truth(row, "front") || count++ >= MOST_ROWS)
            continue;
        g_autofree char *point = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "point"));
        g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
        g_autofree char *time = time_text(view, row), *cost = cost_text(row);
        g_autofree char *gpus = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "gpus"));
        g_autofree char *settings = settings_of(row);
        g_autofree char *words = fab_page_words(fab_json_text(row, "binding"));
        bool further = fab_json_truth(row, "extrapolated");
        g_autofree char *binding = g_strconcat(words, further ? ", extrapolated" : "", NULL);
        fab_html_table_row(page->out, point, size, time, cost, gpus, settings, binding, NULL);
        extrapolated = extrapolated || further;
        shown++;
    }
    fab_html_table_end(page->out);
    if (shown < count)
        fab_html_print(page->out, "<p class=\"about\">The first %u of %u are shown.</p>\n", shown, count);
    if (extrapolated)
        fab_html_print(page->out, "<p class=\"about\">Extrapolated: gone on to from smaller trees, as they grow by "
                                  "levels; collective.fold=off simulates every rank.</p>\n");
}

/* What the points with one value of a key reach. */
typedef struct {
    const char *value;
    guint points;
    JsonObject *quick, *cheap;
} Best;

static void
better(const View *view, Best *best, JsonObject *row)
{
    best->points++;
    if (!fab_json_truth(row, "fits"))
        return;
    if (best->quick == NULL || time_of(view, row, "seconds") < time_of(view, best->quick, "seconds"))
        best->quick = row;
    if (best->cheap == NULL || fab_json_figure(row, "cost") < fab_json_figure(best->cheap, "cost"))
        best->cheap = row;
}

/* Best, in the order in which values come; more than MOST_VALUES where there are more. g_array_unref(). */
static GArray *
bests_of(const View *view, const char *key)
{
    GArray *bests = g_array_new(FALSE, TRUE, sizeof(Best));

    for (guint i = 0; i < fab_json_length(view->item, "rows") && bests->len <= MOST_VALUES; i++) {
        JsonObject *row = fab_json_at(view->item, "rows", i);
        const char *value = fab_json_text(fab_json_member(row, "settings"), key);
        guint k = 0;
        if (value == NULL || size_of(row) != view->largest)
            continue;
        while (k < bests->len && strcmp(g_array_index(bests, Best, k).value, value) != 0)
            k++;
        if (k == bests->len)
            g_array_append_val(bests, ((Best) { .value = value }));
        better(view, &g_array_index(bests, Best, k), row);
    }
    return bests;
}

static void
show_bests(FabPage *page, const View *view, const char *key)
{
    const char *const head[] = { key, "possible points", "quickest", "cheapest", NULL };
    g_autoptr(GArray) bests = bests_of(view, key);
    g_autofree char *size = at_largest(view, ", ");
    g_autofree char *caption = g_strdup_printf("The best with each value of %s: %s, cost%s", key, time_label(view),
                                               size);

    if (bests->len < 2 || bests->len > MOST_VALUES)
        return;
    fab_html_table_begin(page->out, caption, head);
    for (guint i = 0; i < bests->len; i++) {
        const Best *best = &g_array_index(bests, Best, i);
        g_autofree char *points = g_strdup_printf("%u", best->points);
        g_autofree char *time = best->quick != NULL ? time_text(view, best->quick) : g_strdup("none fits into memory");
        g_autofree char *cost = best->cheap != NULL ? cost_text(best->cheap) : g_strdup("-");
        fab_html_table_row(page->out, best->value, points, time, cost, NULL);
    }
    fab_html_table_end(page->out);
}

static void
show_sweep(FabPage *page, JsonObject *item)
{
    g_auto(View) view = view_of(item);
    JsonObject *settings = fab_json_member(fab_json_at(item, "rows", 0), "settings");
    const char *reason = fab_json_text(item, "first_refusal"), *key;
    JsonObjectIter iter;

    fab_page_section(page, "points", "The points");
    show_chart(page, &view);
    show_front(page, &view);
    if (settings != NULL)
        json_object_iter_init_ordered(&iter, settings);
    while (settings != NULL && json_object_iter_next_ordered(&iter, &key, NULL))
        show_bests(page, &view, key);
    if (reason != NULL)
        fab_html_print(page->out, "<p class=\"about\">Points that are not possible, the first because %s.</p>\n",
                       reason);
    fab_page_section_end(page);
}

static void
show_sweeps(FabPage *page, GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++)
        show_sweep(page, items->pdata[i]);
}

const FabPageKind fab_page_sweep = {
    .schema = "fabricast-sweep", .command = "sweep", .rows = "rows", .numbers = { "seconds", "cost" }, .headline = true,
    .answer = answer_sweep, .show = show_sweeps,
};
