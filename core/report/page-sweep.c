/* Many points of one scenario, from `sweep --json`: time against cost, and those that nothing beats. */
#include <math.h>
#include <string.h>

#include "report/page-private.h"

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

/* The quickest point on the front, or NULL. */
static JsonObject *
quickest(JsonObject *item)
{
    JsonObject *best = NULL;

    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        if (fab_json_truth(row, "front") &&
            (best == NULL || fab_json_figure(row, "seconds") < fab_json_figure(best, "seconds")))
            best = row;
    }
    return best;
}

static JsonObject *
cheapest(JsonObject *item)
{
    JsonObject *best = NULL;

    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        if (fab_json_truth(row, "front") &&
            (best == NULL || fab_json_figure(row, "cost") < fab_json_figure(best, "cost")))
            best = row;
    }
    return best;
}

static void
answer_sweep(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    JsonObject *fast = quickest(item), *cheap = cheapest(item);
    g_autofree char *points = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(item, "done"));
    guint front = 0;

    for (guint i = 0; i < fab_json_length(item, "rows"); i++)
        front += fab_json_truth(fab_json_at(item, "rows", i), "front");
    answer->question = g_strdup_printf("What is best of %s points: “%s”?", points, fab_page_title(page, item));
    fab_page_tile(answer, "points", g_steal_pointer(&points));
    fab_page_tile(answer, "not possible", fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(item, "refused")));
    fab_page_tile(answer, "beaten by no other", g_strdup_printf("%u", front));
    if (fast == NULL) {
        answer->sentence = g_strdup("No point fits into memory.");
        answer->tone = FAB_TONE_BAD;
        return;
    }
    g_autofree char *time = fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(fast, "seconds"),
                                                  fab_json_figure(fast, "low_s"), fab_json_figure(fast, "high_s"));
    g_autofree char *how = settings_of(fast), *cheapest_how = settings_of(cheap);
    g_autofree char *cost = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(cheap, "cost"));
    answer->sentence = g_strdup_printf("The quickest takes %s: %s. The cheapest costs %s %s a unit of work: %s.", time,
                                       how, cost, unit_of(cheap), cheapest_how);
}

static void
show_chart(FabPage *page, JsonObject *item)
{
    JsonObject *first = fab_json_at(item, "rows", 0);
    bool steps = !isfinite(fab_json_figure(first, "size_bytes"));
    g_autofree char *label = g_strdup_printf("cost of a %s, %s", steps ? "million tokens" : "TB", unit_of(first));
    g_autoptr(FabChart) chart = fab_chart_new("Time against cost", FAB_QUANTITY_PLAIN, label, FAB_QUANTITY_SECONDS,
                                              "time");
    /* The last one is drawn on top. */
    FabChartSeries *fits = fab_chart_add(chart, "beaten by others", false);
    FabChartSeries *large = fab_chart_add(chart, "do not fit into memory", false);
    FabChartSeries *front = fab_chart_add(chart, "beaten by no other", false);

    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        g_autofree char *note = settings_of(row);
        bool on_front = fab_json_truth(row, "front");
        fab_chart_point(on_front ? front : fab_json_truth(row, "fits") ? fits : large, fab_json_figure(row, "cost"),
                        fab_json_figure(row, "seconds"), on_front ? fab_json_figure(row, "low_s") : NAN,
                        on_front ? fab_json_figure(row, "high_s") : NAN, note);
    }
    fab_page_chart(page, chart);
}

static void
show_front(FabPage *page, JsonObject *item)
{
    const char *const head[] = { "point", "size", "time", "cost", "GPUs", "settings", "bound by", NULL };

    fab_html_table_begin(page->out, "Points that no other of their size beats both in time and in cost", head);
    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        if (!fab_json_truth(row, "front"))
            continue;
        g_autofree char *point = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "point"));
        g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
        g_autofree char *time = fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(row, "seconds"),
                                                      fab_json_figure(row, "low_s"), fab_json_figure(row, "high_s"));
        g_autofree char *figure = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "cost"));
        g_autofree char *cost = g_strdup_printf("%s %s", figure, unit_of(row));
        g_autofree char *gpus = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "gpus"));
        g_autofree char *settings = settings_of(row);
        g_autofree char *binding = fab_page_words(fab_json_text(row, "binding"));
        fab_html_table_row(page->out, point, size, time, cost, gpus, settings, binding, NULL);
    }
    fab_html_table_end(page->out);
}

static void
show_sweeps(FabPage *page, GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = items->pdata[i];
        const char *reason = fab_json_text(item, "first_refusal");
        fab_page_section(page, "points", "The points");
        show_chart(page, item);
        show_front(page, item);
        if (reason != NULL)
            fab_html_print(page->out, "<p class=\"about\">Points that are not possible, the first because %s.</p>\n",
                           reason);
        fab_page_section_end(page);
    }
}

const FabPageKind fab_page_sweep = {
    .schema = "fabricast-sweep", .command = "sweep", .rows = "rows", .numbers = { "seconds", "cost" }, .headline = true,
    .answer = answer_sweep, .show = show_sweeps,
};
