/* What faults cost, from `run --json`: beside the time with all of them the healthy one, and with each alone. */
#include <math.h>

#include "report/page-private.h"

/* That a sentence names; the table below names all. */
enum { MOST_NAMED = 4 };

/* Seconds of a row: "healthy_us" has one for each, "healthy_s" of a step is one. NaN: not given. */
static double
time_at(JsonObject *object, const char *what, guint row)
{
    g_autofree char *by_row = g_strconcat(what, "_us", NULL), *single = g_strconcat(what, "_s", NULL);
    JsonArray *array = fab_json_array(object, by_row);
    JsonNode *node = array != NULL && row < json_array_get_length(array) ? json_array_get_element(array, row) : NULL;

    if (node == NULL)
        return fab_json_figure(object, single);
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) != G_TYPE_STRING
               ? json_node_get_double(node) * 1e-6 : NAN;
}

static char *
more_of(double seconds, double healthy)
{
    return fab_quantity_format(FAB_QUANTITY_SHARE, healthy > 0 ? seconds / healthy - 1 : NAN);
}

static const char *
said_of(const char *text)
{
    return text != NULL ? text : "-";
}

void
fab_page_add_faults(JsonObject *item, guint row, double seconds, FabPageAnswer *answer)
{
    guint count = fab_json_length(item, "faults");
    double healthy = time_at(item, "healthy", row);
    g_autofree char *before = answer->sentence, *more = more_of(seconds, healthy);
    g_autofree char *time = fab_quantity_format(FAB_QUANTITY_SECONDS, healthy);
    GString *text;

    answer->sentence = NULL;
    text = g_string_new(before);
    if (count > 0) {
        g_string_append_printf(text, " That is with %s %s: without %s it would take %s.",
                               count == 1 ? "a fault, which adds" : "faults, which add", more,
                               count == 1 ? "the fault" : "them", time);
        for (guint i = 0; i < MIN(count, MOST_NAMED); i++)
            g_string_append_printf(text, "%s%s", i == 0 ? (count == 1 ? " The fault: " : " The faults: ") : "; ",
                                   said_of(fab_json_text(fab_json_at(item, "faults", i), "what")));
        g_string_append_printf(text, "%s", count > MOST_NAMED ? " and others, see below." : ".");
        fab_page_tile(answer, "without faults", g_steal_pointer(&time));
        fab_page_tile(answer, count == 1 ? "what the fault adds" : "what the faults add", g_steal_pointer(&more));
    }
    answer->sentence = g_string_free(text, FALSE);
}

/* The last row of the item, as in its answer. */
static void
show_item(FabPage *page, JsonObject *item, guint row, double seconds)
{
    static const char *const head[] = { "", "what", "time", "more than healthy", NULL };
    g_autofree char *caption = g_strdup_printf("%s: without any, each alone, all of them",
                                               fab_page_title(page, item));
    double healthy = time_at(item, "healthy", row);
    g_autofree char *plain = fab_quantity_format(FAB_QUANTITY_SECONDS, healthy), *more = more_of(seconds, healthy);
    g_autofree char *all = fab_quantity_format(FAB_QUANTITY_SECONDS, seconds);

    fab_html_table_begin(page->out, caption, head);
    fab_html_table_row(page->out, "healthy", "no fault", plain, "-", NULL);
    for (guint i = 0; i < fab_json_length(item, "faults"); i++) {
        JsonObject *fault = fab_json_at(item, "faults", i);
        double alone = time_at(fault, "alone", row);
        g_autofree char *time = fab_quantity_format(FAB_QUANTITY_SECONDS, alone), *adds = more_of(alone, healthy);
        fab_html_table_row(page->out, said_of(fab_json_text(fault, "name")), said_of(fab_json_text(fault, "what")),
                           time, adds, NULL);
    }
    if (fab_json_length(item, "faults") > 1)
        fab_html_table_row(page->out, "all", "all of them together", all, more, NULL);
    fab_html_table_end(page->out);
}

void
fab_page_show_faults(FabPage *page, GPtrArray *items)
{
    bool begun = false;

    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = items->pdata[i];
        guint rows = fab_json_length(item, "rows"), last = rows > 0 ? rows - 1 : 0;
        double seconds = rows > 0 ? fab_json_figure(fab_json_at(item, "rows", last), "time_us") * 1e-6
                                  : fab_json_figure(item, "step_s");
        if (fab_json_length(item, "faults") == 0)
            continue;
        if (!begun)
            fab_page_section(page, "faults", "What the faults cost");
        begun = true;
        show_item(page, item, last, seconds);
    }
    if (begun)
        fab_page_section_end(page);
}
