/* What more of each resource would buy, from `explain --json`. */
#include <math.h>
#include <stdlib.h>

#include "report/page-private.h"

enum { MOST_GAINS = 24 };

/* Smaller gains are roundings. */
#define SHOWN 0.00005

static JsonObject *
last_row(JsonObject *item)
{
    return fab_json_at(item, "rows", fab_json_length(item, "rows") - 1);
}

/* Names of the resources, the most useful at the last size first. g_list_free(). */
static GList *
resources_of(JsonObject *item)
{
    JsonObject *gains = fab_json_member(last_row(item), "gains");

    return gains != NULL ? json_object_get_members(gains) : NULL;
}

static void
answer_explanation(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    JsonObject *row = last_row(item);
    g_autofree char *binding = fab_page_words(fab_json_text(row, "binding"));
    g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(row, "binding_share"));
    g_autofree char *time = fab_quantity_format(FAB_QUANTITY_SECONDS, fab_json_figure(row, "seconds"));
    g_autoptr(GList) resources = resources_of(item);
    const char *best = NULL;
    double most = 0;

    /* The last one is all of them together. */
    for (GList *at = resources; at != NULL && at->next != NULL; at = at->next) {
        double gain = fab_json_figure(fab_json_member(row, "gains"), at->data);
        best = gain > most ? at->data : best;
        most = fmax(most, gain);
    }
    g_autofree char *gain = fab_quantity_format(FAB_QUANTITY_SHARE, most);
    answer->question = g_strdup_printf("What binds “%s”?", fab_page_title(page, item));
    answer->sentence = g_strdup_printf("It takes %s and is bound by %s, %s of the time.%s%s%s%s%s", time, binding,
                                       share, best != NULL ? " A tenth more of " : "", best != NULL ? best : "",
                                       best != NULL ? " would make it " : "", best != NULL ? gain : "",
                                       best != NULL ? " faster." : "");
}

static int
by_share(const void *a, const void *b)
{
    double x = ((const FabHtmlBar *)a)->share, y = ((const FabHtmlBar *)b)->share;

    return (x < y) - (x > y);
}

static void
show_bars(FabPage *page, JsonObject *item, GList *resources)
{
    JsonObject *row = last_row(item), *gains = fab_json_member(row, "gains");
    const char *said = fab_json_text(item, "work"), *work = said != NULL ? said : "";
    double size = fab_json_figure(row, "size_bytes");
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *at_size = size > 0 ? fab_quantity_format(FAB_QUANTITY_BYTES, size)
                                        : g_strdup(strcmp(work, "trace") == 0 ? "the trace" : "a step");
    g_autofree char *caption = g_strdup_printf("%s, %s: how much faster with a tenth more of each",
                                               fab_page_title(page, item), at_size);
    FabHtmlBar bars[MOST_GAINS];
    double most = 0.1;
    guint count = 0;

    for (GList *at = resources; at != NULL; at = at->next)
        most = fmax(most, fab_json_figure(gains, at->data));
    for (GList *at = resources; at != NULL && count < MOST_GAINS; at = at->next) {
        double gain = fab_json_figure(gains, at->data);
        char *text = fab_quantity_format(FAB_QUANTITY_SHARE, gain);
        g_ptr_array_add(texts, text);
        if (gain >= SHOWN)
            bars[count++] = (FabHtmlBar) { at->data, text, NULL, gain / most, NAN, NAN, at->next != NULL ? 0 : 6 };
    }
    /* The most useful first; what stands for all of them stays last. */
    if (count > 1)
        qsort(bars, count - 1, sizeof *bars, by_share);
    fab_html_bars(page->out, caption, bars, count);
}

/* Whether more of a resource buys anything at any size. */
static bool
is_useful(JsonObject *item, const char *resource)
{
    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *gains = fab_json_member(fab_json_at(item, "rows", i), "gains");
        if (gains != NULL && fab_json_figure(gains, resource) >= SHOWN)
            return true;
    }
    return false;
}

static void
show_curves(FabPage *page, JsonObject *item, GList *resources)
{
    g_autofree char *title = g_strdup_printf("%s: faster with a tenth more of each", fab_page_title(page, item));
    g_autoptr(FabChart) chart = fab_chart_new(title, FAB_QUANTITY_BYTES, "size", FAB_QUANTITY_SHARE, "faster by");

    for (GList *at = resources; at != NULL; at = at->next) {
        FabChartSeries *series = is_useful(item, at->data) ? fab_chart_add(chart, at->data, true) : NULL;
        if (series == NULL)
            continue;
        for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
            JsonObject *row = fab_json_at(item, "rows", i), *gains = fab_json_member(row, "gains");
            double gain = gains != NULL ? fab_json_figure(gains, at->data) : NAN;
            fab_chart_point(series, fab_json_figure(row, "size_bytes"), isfinite(gain) ? fmax(gain, 0) : NAN, NAN, NAN,
                            NULL);
        }
    }
    fab_page_chart(page, chart);
}

/* Where the time of the path goes that nothing beside it makes shorter. */
static void
show_path(FabPage *page, JsonObject *item)
{
    const char *const head[] = { "size", "slices one after the other", "from rank to rank", "moving data",
                                 "handing it on", "waiting for room", "launch and end", NULL };
    static const char *const parts[] = { "moving_s", "handing_s", "room_s", "around_s" };
    g_autofree char *caption = g_strdup_printf("%s: its critical path", fab_page_title(page, item));
    bool begun = false;

    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i), *path = fab_json_member(row, "critical_path");
        char *texts[G_N_ELEMENTS(parts)];
        if (path == NULL)
            continue;
        if (!begun)
            fab_html_table_begin(page->out, caption, head);
        begun = true;
        g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
        g_autofree char *slices = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(path, "slices"));
        g_autofree char *hops = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(path, "hops"));
        for (size_t k = 0; k < G_N_ELEMENTS(parts); k++)
            texts[k] = fab_quantity_format(FAB_QUANTITY_SHARE,
                                           fab_json_figure(path, parts[k]) / fab_json_figure(row, "seconds"));
        fab_html_table_row(page->out, size, slices, hops, texts[0], texts[1], texts[2], texts[3], NULL);
        for (size_t k = 0; k < G_N_ELEMENTS(parts); k++)
            g_free(texts[k]);
    }
    if (begun)
        fab_html_table_end(page->out);
}

/* "InfiniBand (Node 0 NIC 0 > Leaf 0 and 3 more), 61 %". Owned by the caller. */
static char *
binding_words(JsonObject *binding, double whole)
{
    const char *what = fab_json_text(binding, "what"), *where = fab_json_text(binding, "where");
    g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(binding, "seconds") / whole);
    double places = fab_json_figure(binding, "places");
    g_autofree char *more = places > 1 ? g_strdup_printf(" and %.0f more", places - 1) : g_strdup("");

    if (where == NULL)
        return g_strdup_printf("%s, %s", what, share);
    return g_strdup_printf("%s (%s%s), %s", what, where, more, share);
}

static void
show_phases_of(FabPage *page, JsonObject *item, JsonObject *row)
{
    const char *const head[] = { "phase", "from", "time", "share", "what binds", "next to it", NULL };
    double size = fab_json_figure(row, "size_bytes"), whole = fab_json_figure(row, "seconds");
    g_autofree char *at = size > 0 ? fab_quantity_format(FAB_QUANTITY_BYTES, size) : g_strdup("a step");
    g_autofree char *caption = g_strdup_printf("%s, %s: what binds in each phase", fab_page_title(page, item), at);

    if (fab_json_length(row, "phases") == 0)
        return;
    fab_html_table_begin(page->out, caption, head);
    for (guint i = 0; i < fab_json_length(row, "phases"); i++) {
        JsonObject *phase = fab_json_at(row, "phases", i);
        double seconds = fab_json_figure(phase, "seconds"), start = fab_json_figure(phase, "start_s");
        guint count = fab_json_length(phase, "bindings");
        if (count == 0 || fab_json_text(phase, "phase") == NULL)
            continue;
        g_autofree char *from = isfinite(start) ? fab_quantity_format(FAB_QUANTITY_SECONDS, start) : g_strdup("");
        g_autofree char *time = fab_quantity_format(FAB_QUANTITY_SECONDS, seconds);
        g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, seconds / whole);
        g_autofree char *first = binding_words(fab_json_at(phase, "bindings", 0), seconds);
        g_autofree char *next = count > 1 ? binding_words(fab_json_at(phase, "bindings", 1), seconds) : g_strdup("");
        fab_html_table_row(page->out, fab_json_text(phase, "phase"), from, time, share, first, next, NULL);
    }
    fab_html_table_end(page->out);
}

static void
show_explanations(FabPage *page, GPtrArray *items)
{
    fab_page_section(page, "more", "What more of each would buy");
    fputs("<p>Each figure is a simulation of its own, on a machine that has a tenth more of that resource and nothing "
          "else; what holds no transfer back at any time is left out.</p>\n", page->out);
    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = items->pdata[i];
        g_autoptr(GList) resources = resources_of(item);
        if (resources == NULL)
            continue;
        show_bars(page, item, resources);
        if (fab_json_length(item, "rows") > 1)
            show_curves(page, item, resources);
        show_path(page, item);
        for (guint k = 0; k < fab_json_length(item, "rows"); k++)
            show_phases_of(page, item, fab_json_at(item, "rows", k));
    }
    fab_page_section_end(page);
}

const FabPageKind fab_page_explanation = {
    .schema = "fabricast-explanation", .command = "explain", .rows = "rows", .numbers = { "seconds" },
    .answer = answer_explanation, .show = show_explanations,
};
