/* What happens when: pipelines of training steps, channels of collectives. */
#include <stdlib.h>

#include "predict/timeline.h"
#include "report/page-private.h"
#include "report/timeline.h"
#include "report/training.h"

/* Streams of a picture, slices of a stream that are wide enough to be seen, pictures of a page. */
enum { MOST_ROWS = 24, MOST_SLICES = 160, MOST_PICTURES = 6 };

/* ------------------------------------------------------------------ pipelines */

static bool
has_timeline(const FabPageScenario *one)
{
    return one->step != NULL && fab_graph_count(one->step->pipeline) > 1;
}

static void
show_timeline(FabPage *page, const FabPageScenario *one)
{
    char *svg = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&svg, &length);
    bool drawn = fab_report_training_gantt(one->step, memory, NULL);
    g_autofree char *caption = g_strdup_printf("%s: passes of every stage of the pipeline", one->called);

    fclose(memory);
    if (drawn)
        fab_page_picture(page, svg, caption);
    else
        fab_html_print(page->out, "<p>“%s” has more passes than a picture shows; fabricast run --trace writes them "
                       "all.</p>\n", one->called);
    free(svg);
}

static void
show_steps(FabPage *page)
{
    bool any = false;

    for (guint i = 0; i < page->scenarios->len; i++)
        any = any || has_timeline(page->scenarios->pdata[i]);
    if (!any)
        return;
    fab_page_section(page, "timeline", "The step over time");
    for (guint i = 0; i < page->scenarios->len; i++) {
        if (has_timeline(page->scenarios->pdata[i]))
            show_timeline(page, page->scenarios->pdata[i]);
    }
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ collectives */

static bool
is_collective(const FabPageScenario *one)
{
    return one->topology != NULL && one->scenario->kind == FAB_SCENARIO_COLLECTIVE;
}

static void
show_collective(FabPage *page, const FabPageScenario *one)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabRunTimeline) timeline = fab_run_timeline(one->scenario, one->topology, MOST_ROWS, MOST_SLICES, &error);
    g_autofree char *size = timeline != NULL ? fab_quantity_format(FAB_QUANTITY_BYTES, (double)timeline->size) : NULL;
    g_autofree char *caption = NULL;
    char *svg = NULL;
    size_t length = 0;
    FILE *memory;

    if (timeline == NULL) {
        fab_html_print(page->out, "<p>“%s” has no timeline: %s.</p>\n", one->called, error->message);
        return;
    }
    caption = g_strdup_printf("%s: what the channels do at %s", one->called, size);
    memory = open_memstream(&svg, &length);
    fab_report_timeline(timeline, memory);
    fclose(memory);
    fab_page_picture(page, svg, caption);
    free(svg);
}

static void
show_collectives(FabPage *page)
{
    guint shown = 0, count = 0;

    for (guint i = 0; i < page->scenarios->len; i++)
        count += is_collective(page->scenarios->pdata[i]);
    if (count == 0)
        return;
    fab_page_section(page, "timeline", "The collective over time");
    fputs("<p>A box is a slice that a channel moves; it is drawn at the largest size of which slices can still be told "
          "apart. Point at a box to read what it is.</p>\n", page->out);
    for (guint i = 0; i < page->scenarios->len && shown < MOST_PICTURES; i++) {
        if (!is_collective(page->scenarios->pdata[i]))
            continue;
        show_collective(page, page->scenarios->pdata[i]);
        shown++;
    }
    if (shown < count)
        fab_html_print(page->out, "<p class=\"about\">The first %u of %u are drawn.</p>\n", shown, count);
    fab_page_section_end(page);
}

void
fab_page_show_timelines(FabPage *page)
{
    show_steps(page);
    show_collectives(page);
}
