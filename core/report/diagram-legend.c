/* Title, source and caption above the drawing; under it what its shapes and lines mean. */
#include "report/diagram.h"

#include <math.h>
#include <string.h>

#include "report/names.h"

enum { SAMPLE_WIDTH = 34, ENTRY_HEIGHT = 26, ENTRY_GAP = 22, TEXT_SIZE = 10, TITLE_SIZE = 20 };

/* Where the next entry goes. */
typedef struct {
    const FabDiagram *diagram;
    Agraph_t *graph;
    double x, y;
    uint32_t count;
} Pen;

/* ------------------------------------------------------------------ title */

static void
add_text(Agraph_t *graph, const char *name, double x, double y, const char *text, double size, bool bold)
{
    double width = fab_diagram_text_width(text, size, bold) + 8;
    FabDiagramArea area = { x, y - size * 0.75, x + width, y + size * 0.75 };
    g_autofree char *escaped = g_markup_escape_text(text, -1);
    g_autofree char *markup = g_strdup_printf(
        "<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"0\" width=\"%d\">"
        "<tr><td align=\"left\"><font point-size=\"%d\">%s%s%s</font></td></tr></table>",
        (int)width, (int)size, bold ? "<b>" : "", escaped, bold ? "</b>" : "");

    fab_diagram_add_node(graph, name, &area, markup);
}

/* Cuts a text to a width, with dots. */
static char *
fit(const char *text, double size, double width)
{
    g_autofree char *cut = g_strdup(text);

    if (fab_diagram_text_width(text, size, false) <= width)
        return g_steal_pointer(&cut);
    while (cut[0] != '\0') {
        g_autofree char *shown = NULL;

        *g_utf8_find_prev_char(cut, cut + strlen(cut)) = '\0';
        shown = g_strdup_printf("%s\342\200\246", cut);
        if (fab_diagram_text_width(shown, size, false) <= width)
            return g_steal_pointer(&shown);
    }
    return g_steal_pointer(&cut);
}

static char *
source_line(const FabTopology *topology)
{
    uint32_t count = topology->source != NULL ? g_strv_length(topology->source) : 0;
    g_autoptr(GString) text = g_string_new(topology->name);

    if (topology->node_count > 0) /* the title may say another number, that of the file */
        g_string_append_printf(text, " \302\267 %u node%s, %u GPUs", topology->node_count,
                               topology->node_count > 1 ? "s" : "", topology->gpu_count);
    g_string_append_printf(text, " \302\267 built by plugin %s", topology->plugin);
    if (count == 0)
        g_string_append(text, " \302\267 no source given");
    else
        g_string_append_printf(text, " \302\267 source of %s", topology->source[0]);
    if (count > 1)
        g_string_append_printf(text, " \302\267 %u more source%s", count - 1,
                               count > 2 ? "s" : "");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The sources take up to two lines. */
static uint32_t
wrap(const char *text, double size, double width, char *lines[2])
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    g_autoptr(GString) first = g_string_new(NULL);
    g_autoptr(GString) rest = g_string_new(NULL);

    for (uint32_t i = 0; words[i] != NULL; i++) {
        g_autofree char *longer = g_strdup_printf("%s%s%s", first->str, first->len > 0 ? " " : "", words[i]);

        if (rest->len == 0 && fab_diagram_text_width(longer, size, false) <= width)
            g_string_assign(first, longer);
        else
            g_string_append_printf(rest, "%s%s", rest->len > 0 ? " " : "", words[i]);
    }
    lines[0] = fit(first->str, size, width);
    lines[1] = rest->len > 0 ? fit(rest->str, size, width) : NULL;
    return rest->len > 0 ? 2 : 1;
}

static double
page_width(const FabDiagram *diagram)
{
    return diagram->area.right - diagram->area.left;
}

void
fab_diagram_add_title(const FabDiagram *diagram, Agraph_t *graph)
{
    const FabTopology *topology = diagram->topology;
    const char *title = topology->title != NULL && topology->title[0] != '\0' ? topology->title : topology->name;
    g_autofree char *source = source_line(topology);
    char *lines[2];
    uint32_t count = wrap(source, TEXT_SIZE, page_width(diagram) - 8, lines);
    double y = diagram->area.top - 24;
    g_autofree char *cut = fit(title, TITLE_SIZE * 1.12, page_width(diagram));

    if (diagram->load != NULL && diagram->load->caption != NULL) {
        g_autofree char *caption = fit(diagram->load->caption, 13, page_width(diagram));
        add_text(graph, "(caption)", diagram->area.left, y, caption, 13, false);
        y -= 20;
    }
    for (uint32_t i = count; i-- > 0; y -= 15) {
        g_autofree char *name = g_strdup_printf("(source %u)", i);
        add_text(graph, name, diagram->area.left, y, lines[i], TEXT_SIZE, false);
        g_free(lines[i]);
    }
    add_text(graph, "(title)", diagram->area.left, y - 8, cut, TITLE_SIZE, true);
}

/* ------------------------------------------------------------------ legend */

/* Makes room for an entry, on the next line if need be. */
static void
start_entry(Pen *pen, const char *text)
{
    double width = SAMPLE_WIDTH + 6 + fab_diagram_text_width(text, TEXT_SIZE, false) + 8;

    if (pen->x + width > pen->diagram->area.left + page_width(pen->diagram) && pen->x > pen->diagram->area.left) {
        pen->x = pen->diagram->area.left;
        pen->y += ENTRY_HEIGHT;
    }
    pen->count++;
}

static void
end_entry(Pen *pen, const char *text)
{
    g_autofree char *name = g_strdup_printf("(legend text %u)", pen->count);

    add_text(pen->graph, name, pen->x + SAMPLE_WIDTH + 6, pen->y, text, TEXT_SIZE, false);
    pen->x += SAMPLE_WIDTH + 6 + fab_diagram_text_width(text, TEXT_SIZE, false) + 8 + ENTRY_GAP;
}

static void
next_line(Pen *pen)
{
    pen->y += pen->x > pen->diagram->area.left ? ENTRY_HEIGHT : 0;
    pen->x = pen->diagram->area.left;
}

static void
add_shapes(Pen *pen)
{
    const FabTopology *topology = pen->diagram->topology;

    for (FabVertexKind kind = FAB_VERTEX_GPU; kind <= FAB_VERTEX_MEMORY; kind++) {
        const FabDiagramShape *shape = fab_diagram_shape(kind);
        const char *what = kind == FAB_VERTEX_CPU ? "CPU with its memory (NUMA node)"
            : kind == FAB_VERTEX_HOST_BRIDGE ? "PCIe host bridge (root port of a CPU)"
            : kind == FAB_VERTEX_NIC ? "NIC (network adapter)"
            : kind == FAB_VERTEX_MEMORY ? "memory, cache and SMs of one GPU" : fab_vertex_kind_name(kind);
        g_autofree char *name = g_strdup_printf("(legend %s)", fab_vertex_kind_name(kind));
        g_autofree char *text = NULL;
        uint32_t count = 0;
        FabDiagramArea area;
        double inset;

        for (FabVertex v = 0; v < topology->vertex_count; v++)
            count += topology->vertices[v].kind == kind ? MAX(1, topology->vertices[v].count) : 0;
        if (count == 0)
            continue;
        text = g_strdup_printf("%s: %u", what, count);
        start_entry(pen, text);
        inset = shape->peripheries > 1 ? 4 : 0;
        area = (FabDiagramArea) { pen->x + inset, pen->y - 9 + inset,
                                  pen->x + SAMPLE_WIDTH - inset, pen->y + 9 - inset };
        fab_diagram_set_shape(fab_diagram_add_node(pen->graph, name, &area, ""), shape, SAMPLE_WIDTH);
        end_entry(pen, text);
    }
}

static void
add_sample(Pen *pen, const FabDiagramStroke *stroke, const char *text)
{
    g_autofree char *from = g_strdup_printf("(legend line %u)", pen->count + 1);
    g_autofree char *to = g_strdup_printf("(legend line %u end)", pen->count + 1);
    FabDiagramArea area;
    double x[4], y[4];

    start_entry(pen, text);
    for (int i = 0; i < 4; i++) {
        x[i] = pen->x + SAMPLE_WIDTH * i / 3.0;
        y[i] = pen->y;
    }
    area = (FabDiagramArea) { x[0] - 1, y[0] - 1, x[0], y[0] };
    fab_diagram_set(fab_diagram_add_node(pen->graph, from, &area, ""), "style", "invis");
    area = (FabDiagramArea) { x[3], y[3] - 1, x[3] + 1, y[3] };
    fab_diagram_set(fab_diagram_add_node(pen->graph, to, &area, ""), "style", "invis");
    fab_diagram_add_line(pen->graph, from, to, x, y, stroke);
    end_entry(pen, text);
}

/* One sample for each class of links, in the order of media, then of first use. */
static void
add_classes(Pen *pen)
{
    const FabTopology *topology = pen->diagram->topology;

    for (FabMedium medium = FAB_MEDIUM_NVLINK; medium <= FAB_MEDIUM_ETHERNET; medium++) {
        g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (uint32_t l = 0; l < topology->link_count; l++) {
            const FabTopologyLink *link = &topology->links[l];
            g_autofree char *class = fab_diagram_link_class(link);
            g_autofree char *text = NULL;
            FabDiagramStroke stroke;
            uint32_t count = 0;

            if (link->medium != medium || g_hash_table_contains(said, class))
                continue;
            for (uint32_t k = l; k < topology->link_count; k++) {
                g_autofree char *other = fab_diagram_link_class(&topology->links[k]);
                count += topology->links[k].medium == medium && g_str_equal(other, class);
            }
            fab_diagram_stroke(link, &stroke);
            /* With a load, colour means something else. */
            if (pen->diagram->load != NULL) {
                g_free(stroke.color);
                stroke.color = g_strdup(medium == FAB_MEDIUM_C2C ? "#4a5568:#ffffff:#4a5568" : "#4a5568");
            }
            text = g_strdup_printf("%s%s: %u", class, fab_link_is_unlimited(link) ? "" : " each way", count);
            add_sample(pen, &stroke, text);
            g_free(stroke.color);
            g_hash_table_add(said, g_steal_pointer(&class));
        }
    }
}

static void
add_scale(Pen *pen)
{
    static const double steps[] = { 0.1, 0.3, 0.5, 0.7, 0.9, NAN };
    static const char *const texts[] = { "0 to 20 % busy", "20 to 40 %", "40 to 60 %", "60 to 80 %", "80 to 100 %",
                                         "carries nothing" };

    for (uint32_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        FabDiagramStroke stroke;

        fab_diagram_load_stroke(steps[i], FAB_MEDIUM_PCIE, &stroke);
        add_sample(pen, &stroke, texts[i]);
        g_free(stroke.color);
    }
    next_line(pen);
}

/* How many links are gone, and how many are slower, if any. */
static void
add_faults(Pen *pen)
{
    const FabDiagram *diagram = pen->diagram;
    uint32_t down = 0, slower = 0;

    for (uint32_t l = 0; l < diagram->topology->link_count; l++) {
        down += fab_diagram_left(diagram->left, l) <= 0;
        slower += fab_diagram_left(diagram->left, l) > 0 && fab_diagram_left(diagram->left, l) < 1;
    }
    for (int kind = 0; kind < 2; kind++) {
        g_autofree char *text = g_strdup_printf("%s: %u", kind == 0 ? "down by a fault" : "slower by a fault",
                                                kind == 0 ? down : slower);
        FabDiagramStroke stroke;
        if ((kind == 0 ? down : slower) == 0)
            continue;
        fab_diagram_fault_stroke(kind == 0 ? 0 : 0.5, &stroke);
        if (kind == 1 && diagram->load != NULL) { /* colour means something else then */
            g_free(stroke.color);
            stroke.color = g_strdup("#4a5568");
        }
        add_sample(pen, &stroke, text);
        g_free(stroke.color);
    }
    next_line(pen);
}

void
fab_diagram_add_scale(const FabDiagram *diagram, Agraph_t *graph)
{
    Pen pen = { .diagram = diagram, .graph = graph, .x = diagram->area.left, .y = diagram->area.bottom + 34 };

    if (diagram->load != NULL)
        add_scale(&pen);
    add_faults(&pen);
}

void
fab_diagram_add_legend(const FabDiagram *diagram, Agraph_t *graph)
{
    Pen pen = { .diagram = diagram, .graph = graph, .x = diagram->area.left, .y = diagram->area.bottom + 34 };

    add_shapes(&pen);
    next_line(&pen);
    if (diagram->load != NULL)
        add_scale(&pen);
    add_faults(&pen);
    add_classes(&pen);
}
