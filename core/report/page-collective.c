/* Collectives, copies and pipelines, from `run --json`: how long, how fast, what NCCL would choose, what binds. */
#include <math.h>

#include "report/page-private.h"

enum { MOST_USES = 12 };

static JsonObject *
last_row(JsonObject *item)
{
    return fab_json_at(item, "rows", fab_json_length(item, "rows") - 1);
}

static char *
time_of(JsonObject *row)
{
    return fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(row, "time_us") * 1e-6,
                                 fab_json_figure(row, "low_us") * 1e-6, fab_json_figure(row, "high_us") * 1e-6);
}

static char *
rate_of(JsonObject *row, const char *name)
{
    return fab_quantity_format(FAB_QUANTITY_RATE, fab_json_figure(row, name) * 1e9);
}

/* Of a run that was repeated with several seeds: its figures are of the median, whose luck the others show. */
static void
add_draws(JsonObject *item, JsonObject *row, FabPageAnswer *answer)
{
    JsonObject *draws = fab_json_member(row, "draws_us");
    double fastest = draws != NULL ? fab_json_figure(draws, "fastest") * 1e-6 : NAN;
    double slowest = draws != NULL ? fab_json_figure(draws, "slowest") * 1e-6 : NAN;
    g_autofree char *before = answer->sentence, *low = NULL, *high = NULL;

    if (!(fastest > 0) || !(slowest >= fastest) || !(fab_json_figure(item, "draws") > 0)) {
        answer->sentence = g_steal_pointer(&before);
        return;
    }
    low = fab_quantity_format(FAB_QUANTITY_SECONDS, fastest);
    high = fab_quantity_format(FAB_QUANTITY_SECONDS, slowest);
    answer->sentence = g_strdup_printf("%s The time is the median of %.0f draws of the network's hash, %s to %s.",
                                       before, fab_json_figure(item, "draws"), low, high);
    fab_page_tile(answer, "slowest draw", g_steal_pointer(&high));
}

static void
answer_result(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    JsonObject *row = last_row(item);
    g_autofree char *work = fab_page_work(fab_json_text(item, "collective"));
    g_autofree char *time = time_of(row), *rate = rate_of(row, "algbw_GBps");
    g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
    g_autofree char *binding = fab_page_words(fab_json_text(row, "binding"));
    g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(row, "binding_utilisation"));
    g_autofree char *interval = fab_page_interval(fab_json_text(item, "interval"));

    answer->question = g_strdup_printf("How long does %s take: “%s”?", work, fab_page_title(page, item));
    answer->sentence = g_strdup_printf("It takes %s for %s, %s. What limits it is %s, busy %s of the time.%s", time,
                                       size, rate, binding, share, interval);
    fab_page_tile(answer, "time", g_steal_pointer(&time));
    fab_page_tile(answer, "size over time", g_steal_pointer(&rate));
    if (fab_json_figure(row, "busbw_GBps") > 0)
        fab_page_tile(answer, "bus bandwidth", rate_of(row, "busbw_GBps"));
    fab_page_tile(answer, "machine", g_strdup(fab_json_text(item, "topology_title")));
    add_draws(item, row, answer);
    fab_page_add_faults(item, fab_json_length(item, "rows") - 1, fab_json_figure(row, "time_us") * 1e-6, answer);
}

/* ------------------------------------------------------------------ curves */

static void
add_curves(FabPage *page, JsonObject *item, FabChart *time, FabChart *rate)
{
    const char *title = fab_page_title(page, item);
    FabChartSeries *times = fab_chart_add(time, title, true), *rates = fab_chart_add(rate, title, true);

    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        double size = fab_json_figure(row, "size_bytes"), busbw = fab_json_figure(row, "busbw_GBps");
        const char *algorithm = fab_json_text(row, "algorithm"), *protocol = fab_json_text(row, "protocol");
        g_autofree char *note = g_strdup_printf("%s %s", algorithm != NULL ? algorithm : "",
                                                protocol != NULL ? protocol : "");
        fab_chart_point(times, size, fab_json_figure(row, "time_us") * 1e-6, fab_json_figure(row, "low_us") * 1e-6,
                        fab_json_figure(row, "high_us") * 1e-6, g_strstrip(note));
        fab_chart_point(rates, size, (busbw > 0 ? busbw : fab_json_figure(row, "algbw_GBps")) * 1e9, NAN, NAN, note);
    }
}

/* A comparison on the same page has drawn the same times already. */
static void
show_curves(FabPage *page, GPtrArray *items)
{
    g_autoptr(GPtrArray) comparisons = fab_page_items(page, &fab_page_comparison);
    g_autoptr(FabChart) time = fab_chart_new("How long it takes", FAB_QUANTITY_BYTES, "size", FAB_QUANTITY_SECONDS,
                                             "time");
    g_autoptr(FabChart) rate = fab_chart_new("Bandwidth on the bus", FAB_QUANTITY_BYTES, "size", FAB_QUANTITY_RATE,
                                             "bus bandwidth");

    bool is_curve = false;
    guint banded = 0, guessed = 0;

    rate->about = g_strdup("Comparable with what a link carries in one direction, whatever the number of GPUs, as "
                           "nccl-tests defines it; of copies the size over the time.");
    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = items->pdata[i];
        add_curves(page, item, time, rate);
        is_curve = is_curve || fab_json_length(item, "rows") > 1;
        banded += fab_json_figure(last_row(item), "low_us") > 0;
        guessed += fab_json_truth(item, "interval_guessed");
    }
    time->about = fab_page_about_bands(banded, guessed);
    if (comparisons->len > 0 || !is_curve)
        return;
    fab_page_section(page, "curves", "The curves");
    fab_page_chart(page, time);
    fab_page_chart(page, rate);
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ tables */

static void
show_choice(FabPage *page, JsonObject *item)
{
    const char *const head[] = { "size", "time", "bus bandwidth", "algorithm", "protocol", "channels", "bound by",
                                 NULL };
    g_autofree char *caption = g_strdup_printf("%s: what NCCL would choose, and what binds",
                                               fab_page_title(page, item));

    fputs("<details><summary>", page->out);
    fab_html_print(page->out, "%s</summary>\n", caption);
    fab_html_table_begin(page->out, caption, head);
    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        JsonObject *row = fab_json_at(item, "rows", i);
        const char *algorithm = fab_json_text(row, "algorithm"), *protocol = fab_json_text(row, "protocol");
        g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
        g_autofree char *time = time_of(row), *rate = rate_of(row, "busbw_GBps");
        g_autofree char *channels = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(row, "channels"));
        g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(row, "binding_utilisation"));
        g_autofree char *words = fab_page_words(fab_json_text(row, "binding"));
        g_autofree char *binding = g_strdup_printf("%s, %s", words, share);
        fab_html_table_row(page->out, size, time, rate, algorithm != NULL ? algorithm : "-",
                           protocol != NULL ? protocol : "-", channels, binding, NULL);
    }
    fab_html_table_end(page->out);
    fputs("</details>\n", page->out);
}

/* The breakdown of the largest size: how busy every resource is that carried anything. */
static void
show_uses(FabPage *page, JsonObject *item)
{
    JsonObject *row = last_row(item);
    guint count = MIN(fab_json_length(row, "uses"), MOST_USES);
    FabHtmlBar bars[MOST_USES];
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
    g_autofree char *caption = g_strdup_printf("%s, %s: the busiest of its resources", fab_page_title(page, item),
                                               size);

    for (guint i = 0; i < count; i++) {
        JsonObject *use = fab_json_at(row, "uses", i);
        double busy = fab_json_figure(use, "utilisation");
        char *share = fab_quantity_format(FAB_QUANTITY_SHARE, busy);
        char *bytes = fab_quantity_format(FAB_QUANTITY_BYTES, round(fab_json_figure(use, "bytes")));
        g_ptr_array_add(texts, share);
        g_ptr_array_add(texts, bytes);
        bars[i] = (FabHtmlBar) { fab_json_text(use, "resource"), share, bytes, isfinite(busy) ? busy : 0, NAN, NAN, 0 };
    }
    if (count > 0)
        fab_html_bars(page->out, caption, bars, count);
}

static void
show_results(FabPage *page, GPtrArray *items)
{
    show_curves(page, items);
    fab_page_show_faults(page, items);
    fab_page_section(page, "breakdown", "What is busy");
    for (guint i = 0; i < items->len; i++)
        show_uses(page, items->pdata[i]);
    for (guint i = 0; i < items->len; i++)
        show_choice(page, items->pdata[i]);
    fab_page_section_end(page);
}

const FabPageKind fab_page_result = {
    .schema = "fabricast-result", .command = "run", .list = "results", .rows = "rows",
    .numbers = { "size_bytes", "time_us" }, .answer = answer_result, .show = show_results,
};
