/* Pictures of machines, with how busy their links are; and the account of memory. */
#include <math.h>
#include <string.h>

#include "report/diagram-load.h"
#include "report/page-private.h"
#include "report/training.h"
#include "predict/fault.h"
#include "predict/step-trace.h"
#include "workload/memory.h"

/* Steps beyond these are not replayed for a picture: it would take longer than seconds. */
enum { MOST_STAGES = 128, MOST_RANKS = 16, MOST_MICROS = 128 };

/* ------------------------------------------------------------------ machines */

/* Whether a machine was drawn already as it is, and nothing of this one is busy. */
static bool
is_drawn(FabPage *page, guint number)
{
    const FabPageScenario *one = page->scenarios->pdata[number];

    for (guint i = 0; i < number && one->result == NULL && one->step == NULL && one->scenario->faults->len == 0; i++) {
        const FabPageScenario *other = page->scenarios->pdata[i];
        if (other->topology != NULL && strcmp(other->topology->name, one->topology->name) == 0 &&
            g_hash_table_size(other->scenario->overrides) == 0 && g_hash_table_size(one->scenario->overrides) == 0)
            return true;
    }
    return false;
}

/* Of a file of SVG: without what comes before the picture, with ids that no other picture of the page has. */
static void
write_svg(FabPage *page, const char *svg, const char *label)
{
    const char *start = strstr(svg, "<svg");
    g_auto(GStrv) parts = g_strsplit(start != NULL ? start + strlen("<svg") : "", " id=\"", -1);
    guint number = ++page->diagrams;

    fab_html_print(page->out, "<svg role=\"img\" aria-label=\"%s\"", label);
    for (guint i = 0; parts[i] != NULL; i++) {
        if (i > 0)
            fprintf(page->out, " id=\"d%u-", number);
        fputs(parts[i], page->out);
    }
}

void
fab_page_picture(FabPage *page, const char *svg, const char *caption)
{
    fab_html_print(page->out, "<figure class=\"paper\"><figcaption>%s</figcaption><div class=\"scroll\" tabindex=\"0\" "
                   "role=\"region\" aria-label=\"%s\">\n", caption, caption);
    write_svg(page, svg, caption);
    fputs("</div></figure>\n", page->out);
}

/* Every rank of a step on one machine, replayed; NULL: it is no such step, or one of many ranks and passes. */
static FabDiagramLoad *
load_of_step(const FabPageScenario *one)
{
    const FabTraining *training = one->step->footprint->training;
    g_autoptr(FabStepTrace) trace = NULL;
    g_autoptr(FabTraceRun) run = NULL;

    if (training->gpus > MOST_RANKS || training->gpus > one->topology->gpu_count || one->step->micros > MOST_MICROS)
        return NULL;
    trace = fab_step_trace_new(one->scenario, one->topology, NULL);
    run = trace != NULL ? fab_step_trace_replay(trace, one->topology, NULL) : NULL;
    return run != NULL ? fab_report_training_load(fab_step_trace_step(trace), run, one->topology) : NULL;
}

static void
show_machine(FabPage *page, const FabPageScenario *one)
{
    g_autoptr(GError) error = NULL;
    FabDiagramLoad *load = one->result != NULL ? fab_diagram_load_of(one->topology, one->result, one->name, NULL)
                           : one->step != NULL ? load_of_step(one)
                                               : NULL;
    g_autofree double *left = fab_fault_left(one->scenario, one->topology, NULL);
    g_autofree char *svg = fab_report_diagram_svg(one->topology, load, left, &error);
    g_autofree char *caption = g_strdup_printf("%s: %s%s%s", one->called, one->topology->title,
                                               load != NULL ? ". " : "", load != NULL ? load->caption : "");

    fab_diagram_load_free(load);
    if (svg == NULL) {
        fab_html_print(page->out, "<p>%s has no picture: %s.</p>\n", one->called, error->message);
        return;
    }
    fab_page_picture(page, svg, caption);
}

void
fab_page_show_machines(FabPage *page)
{
    if (page->scenarios->len == 0)
        return;
    fab_page_section(page, "machines", page->scenarios->len == 1 ? "The machine" : "The machines");
    for (guint i = 0; i < page->scenarios->len; i++) {
        const FabPageScenario *one = page->scenarios->pdata[i];
        if (one->topology == NULL)
            fab_html_print(page->out, "<p>The machine of “%s” cannot be built here, so that there is no picture: "
                           "%s.</p>\n", one->called, one->problem != NULL ? one->problem : "");
        else if (!is_drawn(page, i))
            show_machine(page, one);
    }
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ memory */

static void
show_fullest(FabPage *page, const char *title, const FabMemory *memory)
{
    const FabStageMemory *stage = &memory->stages[memory->fullest];
    double all = fmax((double)memory->capacity, (double)stage->total);
    g_autofree char *used = fab_quantity_format(FAB_QUANTITY_BYTES, (double)stage->total);
    g_autofree char *capacity = fab_quantity_format(FAB_QUANTITY_BYTES, (double)memory->capacity);
    g_autofree char *caption = g_strdup_printf("%s: %s of the %s that a GPU has%s%s", title, used, capacity,
                                               memory->change != NULL ? "; it would fit with " : "",
                                               memory->change != NULL ? memory->change : "");
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    FabHtmlBar bars[FAB_MEMORY_PARTS];
    guint count = 0;

    for (int i = 0; i < FAB_MEMORY_PARTS; i++) {
        char *text, *name;
        if (stage->parts[i] == 0)
            continue;
        text = fab_quantity_format(FAB_QUANTITY_BYTES, (double)stage->parts[i]);
        name = fab_page_words(fab_memory_part_names[i]);
        g_ptr_array_add(texts, text);
        g_ptr_array_add(texts, name);
        bars[count] = (FabHtmlBar) { name, text, NULL, (double)stage->parts[i] / all, NAN, NAN, (int)count };
        count++;
    }
    fab_html_parts(page->out, caption, bars, count);
}

static void
show_stages(FabPage *page, const char *title, const FabFootprint *footprint)
{
    const char *const head[] = { "stage", "rank", "in flight", "parameters, gradients", "optimiser",
                                 "activations, cache", "all", NULL };
    const FabMemory *memory = footprint->memory;

    fab_html_table_begin(page->out, title, head);
    for (uint32_t s = 0; s < MIN(memory->count, MOST_STAGES); s++) {
        const FabStageMemory *stage = &memory->stages[s];
        const uint64_t *parts = stage->parts;
        const uint64_t sums[] = { parts[FAB_MEMORY_PARAMETERS] + parts[FAB_MEMORY_GRADIENTS],
                                  parts[FAB_MEMORY_OPTIMISER],
                                  parts[FAB_MEMORY_ACTIVATIONS] + parts[FAB_MEMORY_CACHE], stage->total };
        char *texts[G_N_ELEMENTS(sums)];
        g_autofree char *number = g_strdup_printf("%u", s);
        g_autofree char *rank = g_strdup_printf("%u", fab_memory_rank(footprint->training, s));
        g_autofree char *flight = g_strdup_printf("%u", stage->in_flight);
        for (size_t i = 0; i < G_N_ELEMENTS(sums); i++)
            texts[i] = fab_quantity_format(FAB_QUANTITY_BYTES, (double)sums[i]);
        fab_html_table_row(page->out, number, rank, flight, texts[0], texts[1], texts[2], texts[3], NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(sums); i++)
            g_free(texts[i]);
    }
    fab_html_table_end(page->out);
}

void
fab_page_show_memory(FabPage *page)
{
    bool open = false;

    for (guint i = 0; i < page->scenarios->len; i++) {
        const FabPageScenario *one = page->scenarios->pdata[i];
        const FabFootprint *footprint = fab_page_footprint(one);
        if (footprint == NULL)
            continue;
        if (!open)
            fab_page_section(page, "memory", "Memory");
        open = true;
        show_fullest(page, one->called, footprint->memory);
        show_stages(page, one->called, footprint);
    }
    if (open)
        fab_page_section_end(page);
}
