/* Predictions beside measurements, from `validate --json`. */
#include <math.h>

#include "base/units.h"
#include "report/page-private.h"

enum { MOST_CURVES = 8 };

static void
answer_validation(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    JsonObject *errors = fab_json_member(item, "errors");
    GString *text = g_string_new(NULL);
    guint cases = fab_json_length(item, "cases");

    (void)page;
    answer->question = g_strdup_printf("How right is it on %u measurement%s?", cases, fab_plural(cases));
    for (guint i = 0; errors != NULL && i < fab_json_length(errors, "all"); i++) {
        JsonObject *group = fab_json_at(errors, "all", i), *ours = fab_json_member(group, "fabricast");
        g_autofree char *mean = fab_quantity_format(FAB_QUANTITY_SHARE,
                                                    ours != NULL ? fab_json_figure(ours, "mean") : NAN);
        g_string_append_printf(text, "%s%s %s", text->len > 0 ? ", " : "The mean error is ",
                               mean, fab_json_text(group, "band"));
        fab_page_tile(answer, fab_json_text(group, "band"), g_steal_pointer(&mean));
    }
    answer->sentence = text->len > 0 ? g_strconcat(text->str, ".", NULL) : g_strdup("None of them is scored.");
    g_string_free(text, TRUE);
}

static void
show_case(FabPage *page, JsonObject *one)
{
    g_autoptr(FabChart) chart = fab_chart_new(fab_json_text(one, "id"), FAB_QUANTITY_BYTES, "size",
                                              FAB_QUANTITY_SECONDS, "time");
    FabChartSeries *predicted = fab_chart_add(chart, "predicted", true);
    FabChartSeries *measured = fab_chart_add(chart, "measured", false);

    for (guint i = 0; i < fab_json_length(one, "rows"); i++) {
        JsonObject *row = fab_json_at(one, "rows", i);
        double size = fab_json_figure(row, "size_bytes");
        fab_chart_point(predicted, size, fab_json_figure(row, "predicted_us") * 1e-6,
                        fab_json_figure(row, "low_us") * 1e-6, fab_json_figure(row, "high_us") * 1e-6,
                        fab_json_text(row, "algorithm"));
        fab_chart_point(measured, size, fab_json_figure(row, "measured_us") * 1e-6, NAN, NAN, NULL);
    }
    fab_page_chart(page, chart);
}

static void
show_errors(FabPage *page, JsonObject *item)
{
    static const char *const groups[] = { "all", "system", "collective" };
    const char *const head[] = { "", "sizes", "rows", "mean error", "bias", "nine of ten below", "worst", NULL };
    JsonObject *errors = fab_json_member(item, "errors");

    if (errors == NULL)
        return;
    fab_html_table_begin(page->out, "Errors of the predictions", head);
    for (size_t g = 0; g < G_N_ELEMENTS(groups); g++) {
        for (guint i = 0; i < fab_json_length(errors, groups[g]); i++) {
            JsonObject *group = fab_json_at(errors, groups[g], i), *ours = fab_json_member(group, "fabricast");
            static const char *const names[] = { "mean", "bias", "p90", "worst" };
            char *texts[G_N_ELEMENTS(names)];
            if (ours == NULL)
                continue;
            for (size_t n = 0; n < G_N_ELEMENTS(names); n++)
                texts[n] = fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(ours, names[n]));
            g_autofree char *rows = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(ours, "rows"));
            fab_html_table_row(page->out, fab_json_text(group, "name"), fab_json_text(group, "band"), rows, texts[0],
                               texts[1], texts[2], texts[3], NULL);
            for (size_t n = 0; n < G_N_ELEMENTS(names); n++)
                g_free(texts[n]);
        }
    }
    fab_html_table_end(page->out);
}

static void
show_validations(FabPage *page, GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = items->pdata[i];
        guint cases = fab_json_length(item, "cases");
        fab_page_section(page, "measured", "Prediction beside measurement");
        show_errors(page, item);
        for (guint k = 0; k < MIN(cases, MOST_CURVES); k++)
            show_case(page, fab_json_at(item, "cases", k));
        if (cases > MOST_CURVES)
            fab_html_print(page->out, "<p class=\"about\">The first %u of %u tables are drawn.</p>\n",
                           (unsigned)MOST_CURVES, cases);
        fab_page_section_end(page);
    }
}

const FabPageKind fab_page_validation = {
    .schema = "fabricast-validation", .command = "validate", .rows = "cases", .headline = true, .texts = { "id" },
    .answer = answer_validation, .show = show_validations,
};
