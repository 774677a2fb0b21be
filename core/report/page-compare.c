/* Scenarios side by side, from `compare --json`: which is faster, from which size on, at what cost. */
#include <math.h>
#include <string.h>

#include "report/page-private.h"

enum { MOST_SCENARIOS = 64 };

#define UNTOLD "cannot be told"
#define SAME "the same"
#define SURE_OF_RATIO "Where the whole band lies above 1, the verdict is faster, as sure as the intervals are."
#define GUESS_OF_RATIO "An interval under it is a guess, so that a verdict is one too."

static JsonObject *
scenario_at(JsonObject *item, guint number)
{
    return fab_json_at(item, "scenarios", number);
}

static JsonObject *
last_row(JsonObject *scenario)
{
    return fab_json_at(scenario, "rows", fab_json_length(scenario, "rows") - 1);
}

/* Rows of training steps have no size, nor have those of traces. */
static bool
has_sizes(JsonObject *item)
{
    return isfinite(fab_json_figure(last_row(scenario_at(item, 0)), "size_bytes"));
}

/* What a row without a size is. */
static const char *
name_of_one(JsonObject *item)
{
    return g_strcmp0(fab_json_text(scenario_at(item, 0), "work"), "trace") == 0 ? "trace" : "step";
}

static bool
is_in_tokens(JsonObject *item)
{
    return !has_sizes(item) && strcmp(name_of_one(item), "step") == 0;
}

static char *
ratio_text(JsonObject *row)
{
    return fab_quantity_interval(FAB_QUANTITY_TIMES, fab_json_figure(row, "ratio"), fab_json_figure(row, "ratio_low"),
                                 fab_json_figure(row, "ratio_high"));
}

/* The scenario that does most of its work in the same time at the last size; 0: the first one. */
static guint
fastest(JsonObject *item)
{
    guint best = 0;
    double most = 1;

    for (guint i = 1; i < fab_json_length(item, "scenarios"); i++) {
        double ratio = fab_json_figure(last_row(scenario_at(item, i)), "ratio");
        if (ratio > most || i == 1) {
            best = i;
            most = ratio;
        }
    }
    return best;
}

/* ------------------------------------------------------------------ the answer */

static bool
is_guessed(JsonObject *item, guint number)
{
    return fab_json_truth(scenario_at(item, 0), "interval_guessed") ||
           fab_json_truth(scenario_at(item, number), "interval_guessed");
}

/* "faster, by a guess": as the table of compare says it. Owned by the caller. */
static char *
verdict_text(JsonObject *item, guint number, JsonObject *row)
{
    const char *verdict = fab_json_text(row, "verdict");
    bool told = verdict != NULL && strcmp(verdict, UNTOLD) != 0 && strcmp(verdict, SAME) != 0;

    return g_strconcat(verdict != NULL ? verdict : UNTOLD, told && is_guessed(item, number) ? ", by a guess" : "",
                       NULL);
}

/* "faster from 1 MiB to 1 GiB" for each run of sizes with one verdict, the largest first. Owned by the caller. */
static char *
runs_of_verdicts(JsonObject *item, guint number)
{
    JsonObject *scenario = scenario_at(item, number);
    GString *text = g_string_new(NULL);
    guint count = fab_json_length(scenario, "rows"), last;

    for (guint i = 0; i < count; i = last + 1) {
        const char *verdict = fab_json_text(fab_json_at(scenario, "rows", i), "verdict");
        for (last = i; last + 1 < count; last++) {
            if (g_strcmp0(fab_json_text(fab_json_at(scenario, "rows", last + 1), "verdict"), verdict) != 0)
                break;
        }
        g_autofree char *from = fab_quantity_format(FAB_QUANTITY_BYTES,
                                                    fab_json_figure(fab_json_at(scenario, "rows", i), "size_bytes"));
        g_autofree char *to = fab_quantity_format(FAB_QUANTITY_BYTES,
                                                  fab_json_figure(fab_json_at(scenario, "rows", last), "size_bytes"));
        g_autofree char *sizes = i == last ? g_strdup_printf("at %s", from)
                                           : g_strdup_printf("from %s to %s", from, to);
        g_autofree char *said = verdict_text(item, number, fab_json_at(scenario, "rows", i));
        g_autofree char *run = g_strdup_printf("%s%s %s%s", said, strchr(said, ',') != NULL ? "," : "", sizes,
                                               i > 0 ? "; " : "");
        g_string_prepend(text, run);
    }
    return g_string_free(text, FALSE);
}

/* A guess is no reason to feel safe, whatever it says. */
static FabTone
tone_of(const char *verdict, bool guessed)
{
    return guessed                           ? FAB_TONE_OPEN
           : g_strcmp0(verdict, "faster") == 0 ? FAB_TONE_GOOD
           : g_strcmp0(verdict, "slower") == 0 ? FAB_TONE_BAD
                                               : FAB_TONE_OPEN;
}

static char *
question_of(FabPage *page, JsonObject *item)
{
    guint count = fab_json_length(item, "scenarios");
    const char *first = fab_page_title(page, scenario_at(item, 0));
    g_autofree char *work = fab_page_work(fab_json_text(scenario_at(item, 0), "work"));

    if (count == 2)
        return g_strdup_printf("Is “%s” faster than “%s”?", fab_page_title(page, scenario_at(item, 1)), first);
    return g_strdup_printf("Which of %u is fastest at %s?", count, work);
}

static void
add_tiles(FabPage *page, JsonObject *item, guint best, FabPageAnswer *answer)
{
    JsonObject *first = scenario_at(item, 0), *other = scenario_at(item, best);
    const JsonObject *both[] = { first, other };
    const char *currency = fab_json_text(other, "currency");

    fab_page_tile(answer, "times as fast", ratio_text(last_row(other)));
    for (int i = 0; i < 2; i++) {
        JsonObject *row = last_row((JsonObject *)both[i]);
        fab_page_tile(answer, fab_page_title(page, (JsonObject *)both[i]),
                      fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(row, "seconds"),
                                            fab_json_figure(row, "low_s"), fab_json_figure(row, "high_s")));
    }
    if (isfinite(fab_json_figure(last_row(other), "cost")) && isfinite(fab_json_figure(last_row(first), "cost"))) {
        g_autofree char *a = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(last_row(first), "cost"));
        g_autofree char *b = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(last_row(other), "cost"));
        fab_page_tile(answer, is_in_tokens(item) ? "cost of a million tokens" : "cost of a TB",
                      g_strdup_printf("%s %s instead of %s %s", b, currency != NULL ? currency : "", a,
                                      currency != NULL ? currency : ""));
    }
}

/* Says it of each that does not fit into memory, also of the first; whether there is one. */
static bool
add_unfit(FabPage *page, JsonObject *item, GString *text)
{
    bool any = false;

    for (guint i = 0; i < fab_json_length(item, "scenarios"); i++) {
        JsonObject *scenario = scenario_at(item, i);
        if (fab_json_truth(scenario, "fits"))
            continue;
        g_string_append_printf(text, " %s does not fit into memory.", fab_page_title(page, scenario));
        any = true;
    }
    return any;
}

/* Says which of them does not run on a whole machine: a figure of a broken one is no figure of the machine. */
static void
add_faulty(FabPage *page, JsonObject *item, GString *text)
{
    for (guint i = 0; i < fab_json_length(item, "scenarios"); i++) {
        JsonObject *scenario = scenario_at(item, i);
        if (fab_json_text(scenario, "faults") != NULL)
            g_string_append_printf(text, " %s runs with faults.", fab_page_title(page, scenario));
    }
}

static void
answer_comparison(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    guint best = fastest(item);
    JsonObject *other = scenario_at(item, best), *row = last_row(other);
    const char *verdict = fab_json_text(row, "verdict"), *name = fab_page_title(page, other);
    g_autofree char *ratio = ratio_text(row);
    g_autofree char *work = fab_page_work(fab_json_text(other, "work"));
    bool guessed = is_guessed(item, best);
    GString *text = g_string_new(NULL);

    answer->question = question_of(page, item);
    answer->tone = tone_of(verdict, guessed);
    if (has_sizes(item)) {
        g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
        answer->verdict = runs_of_verdicts(item, best);
        g_string_printf(text, "%s is %s times as fast at %s of %s.", name, ratio, work, size);
    } else {
        answer->verdict = verdict_text(item, best, row);
        g_string_printf(text, "%s is %s times as fast at %s.", name, ratio, work);
    }
    if (guessed)
        g_string_append(text, " An interval is a guess; how sure this is, and why, stands below.");
    add_faulty(page, item, text);
    if (add_unfit(page, item, text))
        answer->tone = FAB_TONE_BAD;
    answer->sentence = g_string_free(text, FALSE);
    add_tiles(page, item, best, answer);
}

/* ------------------------------------------------------------------ the curves */

/* Members of a row: a figure and its interval, NULL where it has none; `factor` makes them the chart's unit. */
typedef struct {
    const char *value, *low, *high;
    double factor;
} Figure;

static void
add_curve(FabChart *chart, FabPage *page, JsonObject *scenario, Figure figure)
{
    FabChartSeries *series = fab_chart_add(chart, fab_page_title(page, scenario), true);

    for (guint i = 0; i < fab_json_length(scenario, "rows"); i++) {
        JsonObject *row = fab_json_at(scenario, "rows", i);
        fab_chart_point(series, fab_json_figure(row, "size_bytes"), fab_json_figure(row, figure.value) * figure.factor,
                        figure.low != NULL ? fab_json_figure(row, figure.low) * figure.factor : NAN,
                        figure.high != NULL ? fab_json_figure(row, figure.high) * figure.factor : NAN,
                        fab_json_text(row, "binding"));
    }
}

static void
show_curves(FabPage *page, JsonObject *item)
{
    guint count = MIN(fab_json_length(item, "scenarios"), MOST_SCENARIOS), banded = 0, guessed = 0;
    g_autoptr(FabChart) ratio = fab_chart_new("How many times as fast", FAB_QUANTITY_BYTES, "size",
                                              FAB_QUANTITY_TIMES, "times as fast");
    g_autoptr(FabChart) time = fab_chart_new("How long it takes", FAB_QUANTITY_BYTES, "size", FAB_QUANTITY_SECONDS,
                                             "time");
    g_autoptr(FabChart) rate = fab_chart_new("Bandwidth of the algorithm", FAB_QUANTITY_BYTES, "size",
                                             FAB_QUANTITY_RATE, "size over time");

    ratio->mark = 1;
    ratio->mark_label = g_strdup_printf("as fast as %s", fab_page_title(page, scenario_at(item, 0)));
    for (guint i = 0; i < count; i++) {
        JsonObject *scenario = scenario_at(item, i);
        banded += fab_json_figure(last_row(scenario), "low_s") > 0;
        guessed += fab_json_truth(scenario, "interval_guessed");
        add_curve(time, page, scenario, (Figure) { "seconds", "low_s", "high_s", 1 });
        add_curve(rate, page, scenario, (Figure) { "algbw_GBps", NULL, NULL, 1e9 });
        if (i > 0)
            add_curve(ratio, page, scenario, (Figure) { "ratio", "ratio_low", "ratio_high", 1 });
    }
    time->about = fab_page_about_bands(banded, guessed);
    ratio->about = banded < count ? g_strdup("There is a verdict only where both have an interval.")
                                  : g_strconcat("The band is the interval of the ratio: the slow end of one with the "
                                                "fast end of the other. ", guessed > 0 ? GUESS_OF_RATIO : SURE_OF_RATIO,
                                                NULL);
    fab_page_section(page, "curves", "The curves");
    fab_page_chart(page, ratio);
    fab_page_chart(page, time);
    fab_page_chart(page, rate);
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ one figure each: steps, and costs */

/* Of prices, where their intervals are apart; "" of what has none. Owned by the caller. */
static char *
price_text(JsonObject *item, guint number)
{
    JsonObject *first = last_row(scenario_at(item, 0)), *row = last_row(scenario_at(item, number));
    double low = fab_json_figure(row, "cost_low"), high = fab_json_figure(row, "cost_high");
    double first_low = fab_json_figure(first, "cost_low"), first_high = fab_json_figure(first, "cost_high");
    const char *guess = is_guessed(item, number) ? ", by a guess" : "";

    if (!isfinite(fab_json_figure(row, "cost")) || !isfinite(fab_json_figure(first, "cost")))
        return g_strdup("");
    if (g_strcmp0(fab_json_text(row, "verdict"), SAME) == 0) {
        double cost = fab_json_figure(row, "cost"), first_cost = fab_json_figure(first, "cost");
        return g_strdup(cost > first_cost ? "dearer" : cost < first_cost ? "cheaper" : SAME);
    }
    return low > first_high   ? g_strconcat("dearer", guess, NULL)
           : high < first_low ? g_strconcat("cheaper", guess, NULL)
                              : g_strdup("which is dearer " UNTOLD);
}

/* What is said beside a bar; NULL: nothing. Owned by the caller. */
static char *
bar_note(JsonObject *item, guint number, FabQuantity quantity)
{
    if (number == 0)
        return NULL;
    return quantity == FAB_QUANTITY_TIMES   ? verdict_text(item, number, last_row(scenario_at(item, number)))
           : quantity == FAB_QUANTITY_PLAIN ? price_text(item, number)
                                            : NULL;
}

/* Bars from 0 to the longest end of all whiskers. */
static void
show_bars(FabPage *page, JsonObject *item, const char *caption, const char *const names[3], FabQuantity quantity)
{
    guint count = MIN(fab_json_length(item, "scenarios"), MOST_SCENARIOS);
    FabHtmlBar bars[MOST_SCENARIOS];
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    double most = 0;

    for (guint i = 0; i < count; i++) {
        JsonObject *row = last_row(scenario_at(item, i));
        double value = fab_json_figure(row, names[0]), high = fab_json_figure(row, names[2]);
        most = fmax(most, isfinite(high) ? high : value);
    }
    for (guint i = 0; i < count; i++) {
        JsonObject *scenario = scenario_at(item, i), *row = last_row(scenario);
        /* The first one is as fast as itself, whatever it takes. */
        bool itself = i == 0 && quantity == FAB_QUANTITY_TIMES;
        double value = fab_json_figure(row, names[0]), low = itself ? NAN : fab_json_figure(row, names[1]),
               high = itself ? NAN : fab_json_figure(row, names[2]);
        char *text = fab_quantity_interval(quantity, value, low, high), *note = bar_note(item, i, quantity);
        g_ptr_array_add(texts, text);
        g_ptr_array_add(texts, note);
        bars[i] = (FabHtmlBar) { fab_page_title(page, scenario), text, note,
                                 isfinite(value) ? value / most : 0, low / most, high / most, (int)i };
    }
    if (most > 0)
        fab_html_bars(page->out, caption, bars, count);
}

static void
show_steps(FabPage *page, JsonObject *item)
{
    static const char *const ratio[] = { "ratio", "ratio_low", "ratio_high" };
    static const char *const time[] = { "seconds", "low_s", "high_s" };
    static const char *const rate[] = { "tokens_per_s", "", "" };

    fab_page_section(page, "steps", "Side by side");
    show_bars(page, item, "How many times as fast; the line is the interval", ratio, FAB_QUANTITY_TIMES);
    show_bars(page, item, is_in_tokens(item) ? "Time of a step, or of a further token" : "Time", time,
              FAB_QUANTITY_SECONDS);
    show_bars(page, item, "Tokens in a second", rate, FAB_QUANTITY_TOKENS);
    fab_page_section_end(page);
}

static void
show_costs(FabPage *page, JsonObject *item)
{
    static const char *const cost[] = { "cost", "cost_low", "cost_high" };
    const char *const head[] = { "", "price", "power", NULL };
    guint count = fab_json_length(item, "scenarios");
    g_autofree char *caption = NULL;
    bool any = false;

    for (guint i = 0; i < count; i++) {
        const char *currency = fab_json_text(scenario_at(item, i), "currency");
        any = any || fab_json_text(scenario_at(item, i), "power") != NULL || currency != NULL;
        if (caption == NULL && currency != NULL)
            caption = g_strconcat(currency, " for ", is_in_tokens(item) ? "a million tokens"
                                                                        : "a TB that the collective works on", NULL);
    }
    if (!any)
        return;
    fab_page_section(page, "costs", "What it costs");
    if (caption != NULL)
        show_bars(page, item, caption, cost, FAB_QUANTITY_PLAIN);
    fab_html_table_begin(page->out, "Prices as they were given, with date and source", head);
    for (guint i = 0; i < count; i++) {
        JsonObject *scenario = scenario_at(item, i);
        const char *price = fab_json_text(scenario, "price"), *power = fab_json_text(scenario, "power");
        fab_html_table_row(page->out, fab_page_title(page, scenario), price != NULL ? price : "not given",
                           power != NULL ? power : "not given", NULL);
    }
    fab_html_table_end(page->out);
    fab_page_section_end(page);
}

/* What the times above are with, and what they are without. */
static void
show_faults(FabPage *page, JsonObject *item)
{
    const char *const head[] = { "", "what is wrong with its machine", "share of a long run that is work which lasts",
                                 NULL };
    guint count = fab_json_length(item, "scenarios");
    bool any = false;

    for (guint i = 0; i < count; i++)
        any = any || fab_json_text(scenario_at(item, i), "faults") != NULL ||
              isfinite(fab_json_figure(scenario_at(item, i), "goodput"));
    if (!any)
        return;
    fab_page_section(page, "broken", "Faults and failures");
    fab_html_table_begin(page->out, "The times are with these faults, and without the failures of a long run", head);
    for (guint i = 0; i < count; i++) {
        JsonObject *scenario = scenario_at(item, i);
        const char *faults = fab_json_text(scenario, "faults");
        g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(scenario, "goodput"));
        fab_html_table_row(page->out, fab_page_title(page, scenario), faults != NULL ? faults : "nothing",
                           isfinite(fab_json_figure(scenario, "goodput")) ? share : "not asked for", NULL);
    }
    fab_html_table_end(page->out);
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ the verdicts, and what binds */

/* The row of a size; compare gives all scenarios the same sizes in the same order. */
static void
show_size(FabPage *page, JsonObject *item, guint number, guint k)
{
    JsonObject *first = fab_json_at(scenario_at(item, 0), "rows", k);
    JsonObject *row = fab_json_at(scenario_at(item, number), "rows", k);
    g_autofree char *size = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
    g_autofree char *before = fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(first, "seconds"),
                                                    fab_json_figure(first, "low_s"), fab_json_figure(first, "high_s"));
    g_autofree char *after = fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(row, "seconds"),
                                                   fab_json_figure(row, "low_s"), fab_json_figure(row, "high_s"));
    g_autofree char *ratio = ratio_text(row);
    g_autofree char *verdict = verdict_text(item, number, row);

    fab_html_table_row(page->out, has_sizes(item) ? size : name_of_one(item), before, after, ratio, verdict, NULL);
}

static void
show_verdicts(FabPage *page, JsonObject *item)
{
    const char *first = fab_page_title(page, scenario_at(item, 0));

    fab_page_section(page, "verdicts", "Verdicts");
    for (guint i = 1; i < fab_json_length(item, "scenarios"); i++) {
        JsonObject *scenario = scenario_at(item, i);
        const char *title = fab_page_title(page, scenario);
        const char *const head[] = { has_sizes(item) ? "size" : "", first, title, "times as fast", "verdict", NULL };
        g_autofree char *caption = g_strdup_printf("Is %s faster than %s?", title, first);
        guint count = MIN(fab_json_length(scenario, "rows"), fab_json_length(scenario_at(item, 0), "rows"));
        fab_html_table_begin(page->out, caption, head);
        for (guint k = 0; k < count; k++)
            show_size(page, item, i, k);
        fab_html_table_end(page->out);
    }
    fab_page_section_end(page);
}

/* Runs of sizes that the same thing limits are one line. */
static void
show_bindings(FabPage *page, JsonObject *item)
{
    const char *const head[] = { "", "sizes", "bound by", "share of the time", NULL };
    guint last;

    fab_page_section(page, "bound", "What binds");
    fab_html_table_begin(page->out, "What limits each", head);
    for (guint i = 0; i < fab_json_length(item, "scenarios"); i++) {
        JsonObject *scenario = scenario_at(item, i);
        guint count = fab_json_length(scenario, "rows");
        for (guint k = 0; k < count; k = last + 1) {
            JsonObject *row = fab_json_at(scenario, "rows", k);
            const char *binding = fab_json_text(row, "binding");
            for (last = k; last + 1 < count; last++) {
                if (g_strcmp0(fab_json_text(fab_json_at(scenario, "rows", last + 1), "binding"), binding) != 0)
                    break;
            }
            JsonObject *end = fab_json_at(scenario, "rows", last);
            g_autofree char *from = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(row, "size_bytes"));
            g_autofree char *to = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(end, "size_bytes"));
            g_autofree char *sizes = !has_sizes(item) ? g_strdup(name_of_one(item))
                                     : last == k      ? g_strdup(from)
                                                      : g_strdup_printf("%s to %s", from, to);
            g_autofree char *share = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(end, "binding_share"));
            g_autofree char *words = fab_page_words(binding);
            fab_html_table_row(page->out, fab_page_title(page, scenario), sizes, words, share, NULL);
        }
    }
    fab_html_table_end(page->out);
    fab_page_section_end(page);
}

static void
show_comparisons(FabPage *page, GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = items->pdata[i];
        if (has_sizes(item) && fab_json_length(scenario_at(item, 0), "rows") > 1)
            show_curves(page, item);
        else
            show_steps(page, item);
        show_faults(page, item);
        show_costs(page, item);
        show_bindings(page, item);
        show_verdicts(page, item);
    }
}

const FabPageKind fab_page_comparison = {
    .schema = "fabricast-comparison", .command = "compare", .list = "scenarios", .whole = true, .rows = "rows",
    .numbers = { "seconds" }, .headline = true,
    .answer = answer_comparison, .show = show_comparisons,
};
