/* Training steps and inference, from `run --json`, and memory, from `memory --json`. */
#include <math.h>

#include "report/page-private.h"
#include "predict/training-step.h"

/* Shares below are drawn as nothing. */
#define SHOWN 1e-6

static char *
seconds(JsonObject *item, const char *name)
{
    return fab_quantity_format(FAB_QUANTITY_SECONDS, fab_json_figure(item, name));
}

/* ------------------------------------------------------------------ where the time goes */

static void
show_parts(FabPage *page, JsonObject *item, const char *member, const char *what)
{
    JsonObject *parts = fab_json_member(item, member);
    g_autofree char *caption = g_strdup_printf("%s: %s", fab_page_title(page, item), what);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    FabHtmlBar bars[FAB_TIME_PARTS];
    double all = 0;
    guint count = 0;

    for (int i = 0; parts != NULL && i < FAB_TIME_PARTS; i++)
        all += fmax(fab_json_figure(parts, fab_time_part_names[i]), 0);
    for (int i = 0; all > 0 && i < FAB_TIME_PARTS; i++) {
        double part = fab_json_figure(parts, fab_time_part_names[i]);
        char *name, *value, *share;
        if (!(part / all > SHOWN))
            continue;
        name = fab_page_words(fab_time_part_names[i]);
        share = fab_quantity_format(FAB_QUANTITY_SHARE, part / all);
        value = fab_quantity_format(FAB_QUANTITY_SECONDS, part);
        g_ptr_array_add(texts, name);
        g_ptr_array_add(texts, share);
        g_ptr_array_add(texts, value);
        bars[count] = (FabHtmlBar) { name, share, value, part / all, NAN, NAN, (int)count };
        count++;
    }
    if (count == 0)
        return;
    fab_html_parts(page->out, caption, bars, count);
}

/* ------------------------------------------------------------------ training steps */

static char *
fit_of(JsonObject *item)
{
    const char *fit = fab_json_text(item, "fit");
    g_autofree char *bytes = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(item, "memory_bytes"));

    return g_strdup_printf("%s on the fullest GPU: %s", bytes,
                           g_strcmp0(fit, "fits") == 0    ? "it fits"
                           : g_strcmp0(fit, "tight") == 0 ? "it fits tightly"
                                                          : "it does not fit");
}

static void
answer_step(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    g_autofree char *time = fab_quantity_interval(FAB_QUANTITY_SECONDS, fab_json_figure(item, "step_s"),
                                                  fab_json_figure(item, "low_s"), fab_json_figure(item, "high_s"));
    g_autofree char *rate = fab_quantity_format(FAB_QUANTITY_TOKENS, fab_json_figure(item, "tokens_per_s"));
    g_autofree char *gpus = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(item, "gpus"));
    g_autofree char *fit = fit_of(item);
    g_autofree char *interval = fab_page_interval(fab_json_text(item, "interval"));
    const char *model = fab_json_text(item, "model");

    answer->question = g_strdup_printf("How long is a step: “%s”?", fab_page_title(page, item));
    answer->sentence = g_strdup_printf("A step%s%s takes %s on %s GPUs, %s. %s.%s", model != NULL ? " of " : "",
                                       model != NULL ? model : "", time, gpus, rate, fit, interval);
    if (g_strcmp0(fab_json_text(item, "fit"), "short") == 0) {
        answer->verdict = g_strdup("does not fit");
        answer->tone = FAB_TONE_BAD;
    }
    fab_page_tile(answer, "step", g_steal_pointer(&time));
    fab_page_tile(answer, "tokens", g_steal_pointer(&rate));
    fab_page_tile(answer, "of the peak (MFU)", fab_quantity_format(FAB_QUANTITY_SHARE, fab_json_figure(item, "mfu")));
    fab_page_tile(answer, "memory", g_steal_pointer(&fit));
    fab_page_add_faults(item, 0, fab_json_figure(item, "step_s"), answer);
}

/* A run of weeks in which machines fail: what of it is work that lasts. */
static void
show_goodput(FabPage *page, JsonObject *item)
{
    static const char *const names[] = { "work", "checkpoints", "again", "detection", "restart", "waiting" };
    static const char *const said[] = { "work that lasts", "writing checkpoints", "work done again",
                                        "until a failure is noticed", "restarting", "waiting for machines" };
    JsonObject *goodput = fab_json_member(item, "goodput"), *spent = fab_json_member(goodput, "spent_s");
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    FabHtmlBar bars[G_N_ELEMENTS(names)];
    double all = fab_json_figure(goodput, "period_s");
    guint count = 0;

    if (spent == NULL || !(all > 0))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        double seconds = fab_json_figure(spent, names[i]);
        g_autofree char *hours = fab_quantity_format(FAB_QUANTITY_PLAIN, seconds / 3600);
        char *share = fab_quantity_format(FAB_QUANTITY_SHARE, seconds / all), *text = g_strdup_printf("%s h", hours);
        g_ptr_array_add(texts, share);
        g_ptr_array_add(texts, text);
        if (seconds > 0)
            bars[count++] = (FabHtmlBar) { said[i], share, text, seconds / all, NAN, NAN, (int)i };
    }
    g_autofree char *days = fab_quantity_format(FAB_QUANTITY_PLAIN, all / 86400);
    g_autofree char *apart = fab_quantity_format(FAB_QUANTITY_PLAIN, fab_json_figure(goodput, "mtbf_s") / 3600);
    g_autofree char *caption = g_strdup_printf("%s: %s days, failures %s h apart on average",
                                               fab_page_title(page, item), days, apart);
    fab_html_parts(page->out, caption, bars, count);
}

static void
show_steps(FabPage *page, GPtrArray *items)
{
    bool any = false;

    fab_page_show_faults(page, items);
    fab_page_section(page, "breakdown", "Where the time goes");
    for (guint i = 0; i < items->len; i++) {
        show_parts(page, items->pdata[i], "parts_s", "time of the busiest stage");
        any = any || fab_json_member(items->pdata[i], "goodput") != NULL;
    }
    fab_page_section_end(page);
    if (!any)
        return;
    fab_page_section(page, "goodput", "A long run with failures");
    for (guint i = 0; i < items->len; i++)
        show_goodput(page, items->pdata[i]);
    fab_page_section_end(page);
}

const FabPageKind fab_page_training = {
    .schema = "fabricast-training", .command = "run", .list = "results",
    .numbers = { "step_s", "low_s", "tokens_per_s" }, .answer = answer_step, .show = show_steps,
};

/* ------------------------------------------------------------------ inference */

static void
answer_inference(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    g_autofree char *first = seconds(item, "first_token_s"), *token = seconds(item, "token_s");
    g_autofree char *rate = fab_quantity_format(FAB_QUANTITY_TOKENS, fab_json_figure(item, "tokens_per_s"));
    g_autofree char *fit = fit_of(item);
    const char *model = fab_json_text(item, "model");

    answer->question = g_strdup_printf("How fast does it answer: “%s”?", fab_page_title(page, item));
    answer->sentence = g_strdup_printf("The first token%s%s takes %s and each further one %s, %s of all replicas. "
                                       "%s.", model != NULL ? " of " : "", model != NULL ? model : "", first, token,
                                       rate, fit);
    fab_page_tile(answer, "first token", g_steal_pointer(&first));
    fab_page_tile(answer, "further token", g_steal_pointer(&token));
    fab_page_tile(answer, "generated", g_steal_pointer(&rate));
    fab_page_tile(answer, "memory", g_steal_pointer(&fit));
}

static void
show_inference(FabPage *page, GPtrArray *items)
{
    fab_page_section(page, "breakdown", "Where the time goes");
    for (guint i = 0; i < items->len; i++) {
        show_parts(page, items->pdata[i], "first_token_parts_s", "time to the first token");
        show_parts(page, items->pdata[i], "token_parts_s", "time of a further token");
    }
    fab_page_section_end(page);
}

const FabPageKind fab_page_inference = {
    .schema = "fabricast-inference", .command = "run", .list = "results",
    .numbers = { "first_token_s", "token_s", "tokens_per_s" }, .answer = answer_inference, .show = show_inference,
};

/* ------------------------------------------------------------------ memory */

static JsonObject *
fullest(JsonObject *item)
{
    JsonObject *most = fab_json_at(item, "stages", 0);

    for (guint i = 1; i < fab_json_length(item, "stages"); i++) {
        JsonObject *stage = fab_json_at(item, "stages", i);
        if (fab_json_figure(stage, "total") > fab_json_figure(most, "total"))
            most = stage;
    }
    return most;
}

static void
answer_memory(FabPage *page, JsonObject *item, FabPageAnswer *answer)
{
    g_autofree char *used = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(fullest(item), "total"));
    g_autofree char *all = fab_quantity_format(FAB_QUANTITY_BYTES, fab_json_figure(item, "capacity"));
    const char *change = fab_json_text(item, "change"), *model = fab_json_text(item, "model");
    bool fits = g_strcmp0(fab_json_text(item, "fit"), "short") != 0;

    answer->question = g_strdup_printf("Does it fit into memory: “%s”?", fab_page_title(page, item));
    answer->verdict = g_strdup(fits ? "it fits" : "it does not fit");
    answer->tone = fits ? FAB_TONE_GOOD : FAB_TONE_BAD;
    answer->sentence = g_strdup_printf("%s%she fullest GPU needs %s of its %s.%s%s%s", model != NULL ? model : "",
                                       model != NULL ? ": t" : "T", used, all,
                                       change != NULL ? " It would fit with " : "", change != NULL ? change : "",
                                       change != NULL ? "." : "");
}

/* The table stands with that of all other scenarios. */
static void
show_nothing(FabPage *page, GPtrArray *items)
{
    (void)page;
    (void)items;
}

const FabPageKind fab_page_memory = {
    .schema = "fabricast-memory", .command = "memory", .list = "results", .rows = "stages",
    .numbers = { "total" }, .answer = answer_memory, .show = show_nothing,
};
