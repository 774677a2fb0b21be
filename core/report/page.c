/* The whole of a report: head, question and answer, then the sections in their order. */
#include "report/page.h"

#include <stdlib.h>

#include "fabricast-config.h"
#include "report/page-private.h"

FabPage *
fab_page_new(void)
{
    FabPage *page = g_new0(FabPage, 1);

    page->documents = g_ptr_array_new();
    page->scenarios = g_ptr_array_new();
    page->sections = g_ptr_array_new_with_free_func(g_free);
    return page;
}

void
fab_page_free(FabPage *page)
{
    if (page == NULL)
        return;
    g_ptr_array_unref(page->documents);
    g_ptr_array_unref(page->scenarios);
    g_ptr_array_unref(page->sections);
    g_free(page);
}

char *
fab_page_words(const char *text)
{
    if (g_strcmp0(text, "trace") == 0)
        return g_strdup("the trace");
    return g_strdelimit(g_strdup(text != NULL ? text : ""), "_", ' ');
}

char *
fab_page_interval(const char *interval)
{
    if (interval == NULL)
        return g_strdup("");
    return g_str_has_prefix(interval, "there is no interval") ? g_strdup_printf(" T%s.", interval + 1)
                                                              : g_strdup_printf(" The interval: %s.", interval);
}

char *
fab_page_work(const char *text)
{
    return g_strdelimit(g_strdup(text != NULL ? text : ""), "_", '-');
}

/* ------------------------------------------------------------------ sections */

void
fab_page_section(FabPage *page, const char *id, const char *title)
{
    g_autofree char *unique = g_strdup_printf("%s-%u", id, page->sections->len / 2 + 1);

    fab_html_print(page->out, "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n", unique,
                   unique, unique, title);
    g_ptr_array_add(page->sections, g_steal_pointer(&unique));
    g_ptr_array_add(page->sections, g_strdup(title));
}

void
fab_page_section_end(FabPage *page)
{
    fputs("</section>\n", page->out);
}

void
fab_page_chart(FabPage *page, const FabChart *chart)
{
    fab_chart_write(chart, ++page->charts, page->out);
}

void
fab_page_tile(FabPageAnswer *answer, const char *label, char *value)
{
    g_ptr_array_add(answer->tiles, g_strdup(label));
    g_ptr_array_add(answer->tiles, value);
}

char *
fab_page_about_bands(guint banded, guint guessed)
{
    if (banded == 0)
        return NULL;
    if (guessed == 0)
        return g_strdup("Nine of ten measurements of machines of the kind lie in the band.");
    if (guessed >= banded)
        return g_strdup("The band is a guess: no machine of the kind was measured.");
    return g_strdup("Nine of ten measurements of machines of the kind lie in the band; where no such machine was "
                    "measured, the band is a guess; \"How sure is this\" names it.");
}

/* ------------------------------------------------------------------ answers */

static void
answer_clear(FabPageAnswer *answer)
{
    g_free(answer->question);
    g_free(answer->verdict);
    g_free(answer->sentence);
    g_ptr_array_unref(answer->tiles);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabPageAnswer, answer_clear)

static void
write_answer(FILE *out, const FabPageAnswer *answer, const char *title, bool first)
{
    static const char *const tones[] = { "plain", "good", "bad", "open" };

    fab_html_print(out, "<div class=\"answer %s\">\n", tones[answer->tone]);
    if (first)
        fab_html_print(out, "<h1>%s</h1>\n", title != NULL ? title : answer->question);
    else
        fab_html_print(out, "<h2>%s</h2>\n", answer->question);
    if (first && title != NULL)
        fab_html_print(out, "<p class=\"question\">%s</p>\n", answer->question);
    if (answer->verdict != NULL)
        fab_html_print(out, "<p class=\"verdict\"><span>%s</span></p>\n", answer->verdict);
    fab_html_print(out, "<p class=\"sentence\">%s</p>\n", answer->sentence);
    if (answer->tiles->len > 0)
        fputs("<dl class=\"tiles\">", out);
    for (guint i = 0; i + 1 < answer->tiles->len; i += 2)
        fab_html_print(out, "<div><dt>%s</dt><dd>%s</dd></div>", (const char *)answer->tiles->pdata[i],
                       (const char *)answer->tiles->pdata[i + 1]);
    fputs(answer->tiles->len > 0 ? "</dl>\n</div>\n" : "</div>\n", out);
}

/* The first question is the heading; it is copied to *heading. */
static void
write_answers(FabPage *page, const char *title, FILE *out, char **heading)
{
    guint written = 0;

    for (int k = 0; fab_page_kinds[k] != NULL; k++) {
        const FabPageKind *kind = fab_page_kinds[k];
        g_autoptr(GPtrArray) items = fab_page_items(page, kind);
        if (written > 0 && !kind->headline)
            continue;
        for (guint i = 0; i < items->len && (i == 0 || kind->headline); i++) {
            g_auto(FabPageAnswer) answer = { .tiles = g_ptr_array_new_with_free_func(g_free) };
            kind->answer(page, items->pdata[i], &answer);
            write_answer(out, &answer, title, written == 0);
            if (written == 0)
                *heading = g_strdup(title != NULL ? title : answer.question);
            written++;
            if (kind == &fab_page_claims)
                break;
        }
    }
}

/* ------------------------------------------------------------------ the page */

static void
write_head(FILE *out, const char *heading)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n", out);
    fab_html_print(out, "<meta name=\"generator\" content=\"fabricast %s\">\n<title>%s</title>\n<style>\n", FAB_VERSION,
                   heading);
    fputs(fab_page_style, out);
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#body\">Skip to the figures</a>\n", out);
}

static void
write_contents(const FabPage *page, FILE *out)
{
    fputs("<nav aria-label=\"Contents\"><ul>", out);
    for (guint i = 0; i + 1 < page->sections->len; i += 2)
        fab_html_print(out, "<li><a href=\"#%s\">%s</a></li>", (const char *)page->sections->pdata[i],
                       (const char *)page->sections->pdata[i + 1]);
    fputs("</ul></nav>\n", out);
}

static void
write_foot(FILE *out)
{
    fab_html_print(out, "</main>\n<footer><p>Made by fabricast %s. ", FAB_VERSION);
    if (fab_page_library_length > 0)
        fputs("Charts by D3. Nothing was loaded from a network.</p></footer>\n<!--\n", out);
    else
        fputs("This build has no library of charts: they are pictures and cannot be zoomed.</p></footer>\n</body>\n"
              "</html>\n", out);
    if (fab_page_library_length == 0)
        return;
    fputs(fab_page_library_notice, out);
    fputs("\n-->\n<script>\n", out);
    fwrite(fab_page_library, 1, fab_page_library_length, out);
    fputs("\n</script>\n<script>\n", out);
    fputs(fab_page_script, out);
    fputs("</script>\n</body>\n</html>\n", out);
}

static void
write_sections(FabPage *page)
{
    for (int k = 0; fab_page_kinds[k] != NULL; k++) {
        g_autoptr(GPtrArray) items = fab_page_items(page, fab_page_kinds[k]);
        if (items->len > 0)
            fab_page_kinds[k]->show(page, items);
    }
    fab_page_show_machines(page);
    fab_page_show_timelines(page);
    fab_page_show_memory(page);
    fab_page_show_errors(page);
    fab_page_show_assumptions(page);
    fab_page_show_files(page);
}

void
fab_page_write(FabPage *page, const char *title, FILE *out)
{
    char *body = NULL, *answers = NULL;
    size_t length = 0;
    FILE *top = open_memstream(&answers, &length);
    g_autofree char *heading = NULL;

    fab_page_find_scenarios(page);
    write_answers(page, title, top, &heading);
    fclose(top);
    page->out = open_memstream(&body, &length);
    write_sections(page);
    fclose(page->out);
    page->out = NULL;
    write_head(out, heading != NULL ? heading : "Report");
    fputs("<header>\n", out);
    fputs(answers, out);
    fputs("</header>\n", out);
    write_contents(page, out);
    fputs("<main id=\"body\">\n", out);
    fputs(body, out);
    write_foot(out);
    free(answers);
    free(body);
}
