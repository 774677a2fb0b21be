/* Claims and their verdicts, from `claims --json`. */
#include <math.h>
#include <string.h>

#include "base/units.h"
#include "report/page-private.h"

enum { VERDICTS = 4, MOST_POINTS = 64 };

static const struct {
    const char *name, *tone;
} verdicts[VERDICTS] = { { "supported", "good" }, { "refuted", "bad" }, { "depends", "open" },
                         { "cannot be told", "open" } };

static const char *
tone_of(const char *verdict)
{
    for (int i = 0; i < VERDICTS; i++) {
        if (g_strcmp0(verdict, verdicts[i].name) == 0)
            return verdicts[i].tone;
    }
    return "plain";
}

static FabQuantity
quantity_of(JsonObject *claim)
{
    const char *unit = fab_json_text(claim, "unit");

    return g_strcmp0(unit, "B/s") == 0 ? FAB_QUANTITY_RATE
           : g_strcmp0(unit, "s") == 0 ? FAB_QUANTITY_SECONDS
           : g_strcmp0(unit, "B") == 0 ? FAB_QUANTITY_BYTES
                                       : FAB_QUANTITY_PLAIN;
}

/* "ratio >= 2". Owned by the caller. */
static char *
asked(JsonObject *claim)
{
    return g_strdup_printf("%s %s %s", fab_json_text(claim, "metric"), fab_json_text(claim, "operator"),
                           fab_json_text(claim, "threshold"));
}

/* ------------------------------------------------------------------ the answer */

static void
answer_claims(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    g_autoptr(GPtrArray) claims = fab_page_items(page, &fab_page_claims);
    GString *text = g_string_new(NULL);

    answer->question = claims->len == 1 ? g_strdup_printf("Is it true? “%s”", fab_json_text(item, "text"))
                                        : g_strdup_printf("Which of %u claims are true?", claims->len);
    for (int v = 0; v < VERDICTS; v++) {
        guint count = 0;
        for (guint i = 0; i < claims->len; i++)
            count += g_strcmp0(fab_json_text(claims->pdata[i], "verdict"), verdicts[v].name) == 0;
        fab_page_tile(answer, verdicts[v].name, g_strdup_printf("%u", count));
    }
    if (claims->len == 1) {
        g_autofree char *threshold = asked(item);
        const char *turn = fab_json_text(item, "turn");
        answer->verdict = g_strdup(fab_json_text(item, "verdict"));
        answer->tone = strcmp(tone_of(answer->verdict), "good") == 0  ? FAB_TONE_GOOD
                       : strcmp(tone_of(answer->verdict), "bad") == 0 ? FAB_TONE_BAD
                                                                      : FAB_TONE_OPEN;
        g_ptr_array_set_size(answer->tiles, 0);
        g_string_printf(text, "It says that %s%s%s.", threshold, turn != NULL ? "; the prediction is " : "",
                        turn != NULL ? turn : "");
    } else {
        g_string_assign(text, "A verdict is never stronger than the evidence: where the interval of a figure holds the "
                        "threshold, it cannot be told.");
    }
    answer->sentence = g_string_free(text, FALSE);
}

/* ------------------------------------------------------------------ one claim */

/* The condition as a number: a size, or a count; NaN: a name. */
static double
condition_of(JsonObject *claim, JsonObject *point)
{
    const char *condition = fab_json_text(point, "condition"), *vary = fab_json_text(claim, "vary");
    uint64_t bytes;
    int64_t whole;

    if (condition == NULL || vary == NULL)
        return NAN;
    if (g_str_has_suffix(vary, "sizes"))
        return fab_parse_bytes(condition, &bytes, NULL) ? (double)bytes : NAN;
    return fab_parse_integer(condition, &whole, NULL) ? (double)whole : NAN;
}

static bool
is_curve(JsonObject *claim)
{
    guint count = fab_json_length(claim, "points");

    for (guint i = 0; i < count; i++) {
        if (!(condition_of(claim, fab_json_at(claim, "points", i)) > 0))
            return false;
    }
    return count > 2;
}

static void
show_curve(FabPage *page, JsonObject *claim)
{
    const char *vary = fab_json_text(claim, "vary"), *unit = fab_json_text(claim, "unit");
    g_autofree char *threshold = asked(claim);
    g_autoptr(FabChart) chart =
        fab_chart_new(threshold, g_str_has_suffix(vary, "sizes") ? FAB_QUANTITY_BYTES : FAB_QUANTITY_PLAIN, vary,
                      quantity_of(claim), fab_json_text(claim, "metric"));
    FabChartSeries *series = fab_chart_add(chart, fab_json_text(claim, "metric"), true);

    if (!fab_parse_quantity(fab_json_text(claim, "threshold"), unit != NULL ? unit : "", &chart->mark, NULL))
        chart->mark = NAN;
    chart->mark_label = g_strdup_printf("threshold %s", fab_json_text(claim, "threshold"));
    for (guint i = 0; i < fab_json_length(claim, "points"); i++) {
        JsonObject *point = fab_json_at(claim, "points", i);
        const char *state = fab_json_text(point, "state");
        fab_chart_point(series, condition_of(claim, point), fab_json_figure(point, "value"),
                        fab_json_figure(point, "low"), fab_json_figure(point, "high"), state);
    }
    fab_page_chart(page, chart);
}

static void
show_points(FabPage *page, JsonObject *claim)
{
    guint count = MIN(fab_json_length(claim, "points"), MOST_POINTS);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *threshold = asked(claim);
    FabHtmlBar bars[MOST_POINTS];
    double most = 0;

    for (guint i = 0; i < count; i++) {
        JsonObject *point = fab_json_at(claim, "points", i);
        double value = fab_json_figure(point, "value"), high = fab_json_figure(point, "high");
        most = fmax(most, isfinite(high) ? high : value);
    }
    for (guint i = 0; i < count; i++) {
        JsonObject *point = fab_json_at(claim, "points", i);
        const char *condition = fab_json_text(point, "condition");
        double value = fab_json_figure(point, "value"), low = fab_json_figure(point, "low"),
               high = fab_json_figure(point, "high");
        char *text = fab_quantity_interval(quantity_of(claim), value, low, high);
        g_ptr_array_add(texts, text);
        bars[i] = (FabHtmlBar) { condition != NULL ? condition : fab_json_text(claim, "metric"), text,
                                 fab_json_text(point, "state"), most > 0 && isfinite(value) ? value / most : 0,
                                 most > 0 ? low / most : NAN, most > 0 ? high / most : NAN, 0 };
    }
    fab_html_bars(page->out, threshold, bars, count);
}

static void
show_claim(FabPage *page, JsonObject *claim)
{
    const char *verdict = fab_json_text(claim, "verdict"), *measured = fab_json_text(claim, "measured");
    const char *turn = fab_json_text(claim, "turn"), *id = fab_json_text(claim, "id");
    JsonArray *basis = fab_json_array(claim, "basis");

    fab_html_print(page->out, "<article class=\"claim\"><h3 id=\"claim-%s\">%s</h3>", id,
                   fab_json_text(claim, "text"));
    fab_html_print(page->out, "<p class=\"badge %s\">%s</p><p class=\"source\">%s</p>\n", tone_of(verdict), verdict,
                   fab_json_text(claim, "source"));
    if (is_curve(claim))
        show_curve(page, claim);
    else
        show_points(page, claim);
    if (turn != NULL)
        fab_html_print(page->out, "<p>The prediction crosses the threshold: %s.</p>\n", turn);
    if (measured != NULL)
        fab_html_print(page->out, "<p>Measured: %s</p>\n", measured);
    if (fab_json_truth(claim, "guessed"))
        fputs("<p>An interval is a guess: nobody measured such a machine.</p>\n", page->out);
    for (guint i = 0; basis != NULL && i < json_array_get_length(basis); i++) {
        JsonNode *node = json_array_get_element(basis, i);
        if (json_node_get_value_type(node) == G_TYPE_STRING)
            fab_html_print(page->out, "<p class=\"about\">%s</p>\n", json_node_get_string(node));
    }
    fputs("</article>\n", page->out);
}

static void
show_claims(FabPage *page, GPtrArray *items)
{
    fab_page_section(page, "verdicts", "The verdicts");
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Verdicts\"><table><caption>Every claim"
          "</caption><thead><tr><th scope=\"col\">claim</th><th scope=\"col\">who says it</th>"
          "<th scope=\"col\">asked</th><th scope=\"col\">verdict</th></tr></thead><tbody>\n", page->out);
    for (guint i = 0; i < items->len; i++) {
        JsonObject *claim = items->pdata[i];
        g_autofree char *threshold = asked(claim);
        const char *verdict = fab_json_text(claim, "verdict");
        fab_html_print(page->out, "<tr><th scope=\"row\"><a href=\"#claim-%s\">%s</a></th><td>%s</td><td>%s</td>"
                       "<td><span class=\"badge %s\">%s</span></td></tr>\n", fab_json_text(claim, "id"),
                       fab_json_text(claim, "text"), fab_json_text(claim, "source"), threshold, tone_of(verdict),
                       verdict);
    }
    fputs("</tbody></table></div>\n", page->out);
    fab_page_section_end(page);
    fab_page_section(page, "claims", "The claims one by one");
    for (guint i = 0; i < items->len; i++)
        show_claim(page, items->pdata[i]);
    fab_page_section_end(page);
}

const FabPageKind fab_page_claims = {
    .schema = "fabricast-claims", .command = "claims", .list = "claims", .rows = "points", .headline = true,
    .texts = { "text", "metric", "operator", "threshold", "verdict" },
    .answer = answer_claims, .show = show_claims,
};
