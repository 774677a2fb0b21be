/* The placed drawing as a graph of cgraph. */
#include "report/diagram.h"

#include <math.h>

#include "report/names.h"

/* Verdana has the widths of DejaVu Sans, so an SVG keeps its look where only one of them is there. */
#define FONT "DejaVu Sans,Verdana,sans-serif"
#define MINUTE_FONT "9"

void
fab_diagram_set(void *object, const char *name, const char *format, ...)
{
    g_autofree char *value = NULL;
    va_list args;

    va_start(args, format);
    value = g_strdup_vprintf(format, args);
    va_end(args);
    agsafeset(object, (char *)name, value, (char *)"");
}

/* With a point whatever the locale says. */
static void
set_number(void *object, const char *name, double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    fab_diagram_set(object, name, "%s", g_ascii_formatd(digits, sizeof digits, "%.4f", value));
}

static void
set_markup(void *object, const char *markup)
{
    Agraph_t *graph = agraphof(object);
    char *html = agstrdup_html(graph, (char *)markup);

    agsafeset(object, (char *)"label", html, (char *)"");
    agstrfree(graph, html);
}

/* Tenths of a point, upwards as Graphviz counts. */
static void
append_point(GString *text, double x, double y)
{
    char digits[2][G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(digits[0], sizeof digits[0], "%.1f", x);
    g_ascii_formatd(digits[1], sizeof digits[1], "%.1f", -y);
    g_string_append_printf(text, "%s%s,%s", text->len > 0 ? " " : "", digits[0], digits[1]);
}

static void
set_point(void *object, const char *name, double x, double y)
{
    g_autoptr(GString) text = g_string_new(NULL);

    append_point(text, x, y);
    fab_diagram_set(object, name, "%s", text->str);
}

Agnode_t *
fab_diagram_add_node(Agraph_t *graph, const char *name, const FabDiagramArea *area, const char *markup)
{
    Agnode_t *node = agnode(graph, (char *)name, 1);

    fab_diagram_set(node, "shape", "none");
    set_point(node, "pos", (area->left + area->right) / 2, (area->top + area->bottom) / 2);
    set_number(node, "width", (area->right - area->left) / 72);
    set_number(node, "height", (area->bottom - area->top) / 72);
    set_markup(node, markup);
    return node;
}

Agedge_t *
fab_diagram_add_line(Agraph_t *graph, const char *from, const char *to, const double *x, const double *y,
                     const FabDiagramStroke *stroke)
{
    Agnode_t *a = agnode(graph, (char *)from, 1), *b = agnode(graph, (char *)to, 1);
    Agedge_t *edge = agedge(graph, a, b, NULL, 1);
    g_autoptr(GString) points = g_string_new(NULL);

    for (int i = 0; i < 4; i++)
        append_point(points, x[i], y[i]);
    fab_diagram_set(edge, "pos", "%s", points->str);
    fab_diagram_set(edge, "color", "%s", stroke->color);
    fab_diagram_set(edge, "style", "%s", stroke->style);
    set_number(edge, "penwidth", stroke->pen);
    return edge;
}

void
fab_diagram_set_shape(Agnode_t *node, const FabDiagramShape *shape, double width)
{
    fab_diagram_set(node, "shape", "%s", shape->shape);
    fab_diagram_set(node, "style", "%s", shape->style);
    fab_diagram_set(node, "fillcolor", "%s", shape->fill);
    fab_diagram_set(node, "color", "%s", shape->line);
    fab_diagram_set(node, "fontcolor", "%s", shape->text);
    fab_diagram_set(node, "peripheries", "%d", shape->peripheries);
    set_number(node, "penwidth", shape->pen);
    if (g_str_equal(shape->shape, "polygon")) {
        /* A trapezium with sides that lean the same 10 points at every width. */
        fab_diagram_set(node, "sides", "4");
        set_number(node, "distortion", -14 / width);
    }
}

static void
set_area(Agraph_t *graph, const FabDiagramArea *area)
{
    g_autoptr(GString) text = g_string_new(NULL);

    append_point(text, area->left, area->bottom);
    g_string_append_c(text, ',');
    {
        g_autoptr(GString) corner = g_string_new(NULL);
        append_point(corner, area->right, area->top);
        g_string_append(text, corner->str);
    }
    fab_diagram_set(graph, "bb", "%s", text->str);
}

/* A frame whose label stands in its lower left corner. */
static Agraph_t *
add_cluster(Agraph_t *graph, const char *id, const FabDiagramArea *area, const char *label, const char *fill)
{
    Agraph_t *cluster = agsubg(graph, (char *)id, 1);

    set_area(cluster, area);
    fab_diagram_set(cluster, "style", "rounded,filled");
    fab_diagram_set(cluster, "fillcolor", "%s", fill);
    fab_diagram_set(cluster, "color", "#8a94a3");
    fab_diagram_set(cluster, "fontsize", "10");
    fab_diagram_set(cluster, "fontcolor", "#3b4552");
    fab_diagram_set(cluster, "label", "%s", label);
    set_point(cluster, "lp", area->left + 10 + fab_diagram_text_width(label, 10, false) / 2, area->bottom - 10);
    return cluster;
}

static char *
two_lines(const char *name, const char *note)
{
    g_autofree char *first = g_markup_escape_text(name, -1);
    g_autofree char *second = note != NULL ? g_markup_escape_text(note, -1) : NULL;
    g_auto(GStrv) lines = NULL;

    if (second == NULL)
        return g_strdup_printf("<b>%s</b>", first);
    lines = g_strsplit(second, "\n", -1);
    g_free(second);
    second = g_strjoinv("<br/>", lines);
    return g_strdup_printf("<b>%s</b><br/><font point-size=\"" MINUTE_FONT "\">%s</font>", first, second);
}

static void
add_item(const FabDiagram *diagram, Agraph_t *graph, uint32_t index)
{
    const FabDiagramItem *item = fab_diagram_item(diagram, index);
    const FabTopologyVertex *vertex = fab_diagram_vertex(diagram, index);
    g_autofree char *note = fab_diagram_vertex_note(vertex, item->copies);
    g_autofree char *markup = two_lines(vertex->name, note);
    Agnode_t *node = fab_diagram_add_node(graph, vertex->name, &item->area, markup);

    fab_diagram_set_shape(node, fab_diagram_shape(vertex->kind), item->area.right - item->area.left);
}

/* ------------------------------------------------------------------ boxes, sockets */

static char *
unit_name(const FabDiagram *diagram, uint32_t index)
{
    const FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, index);

    if (unit->box >= 0)
        return g_strdup_printf("%s %d", fab_diagram_unit_word(diagram), unit->box);
    return g_strdup_printf("Part %u", index);
}

/* The cluster of an item's innermost frame, or the graph. */
static Agraph_t *
home_of(const FabDiagram *diagram, Agraph_t **frames, Agraph_t **units, Agraph_t *graph, uint32_t index)
{
    const FabDiagramItem *item = fab_diagram_item(diagram, index);
    Agraph_t *home = item->unit == FAB_DIAGRAM_NONE ? graph : units[item->unit];

    for (uint32_t f = 0; f < diagram->frames->len; f++) {
        const FabDiagramFrame *frame = &g_array_index(diagram->frames, FabDiagramFrame, f);

        if (frame->unit == item->unit && frame->area.left <= item->area.left && frame->area.right >= item->area.right)
            home = frames[f];
    }
    return home;
}

static void
add_units_and_items(const FabDiagram *diagram, Agraph_t *graph)
{
    g_autofree Agraph_t **units = g_new0(Agraph_t *, diagram->units->len);
    g_autofree Agraph_t **frames = g_new0(Agraph_t *, diagram->frames->len + 1);
    Agraph_t *socket = graph;

    for (uint32_t u = 0; u < diagram->units->len; u++) {
        const FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, u);
        g_autofree char *name = unit_name(diagram, u);
        g_autofree char *id = g_strdup_printf("cluster_unit%u", u);
        g_autofree char *label = unit->alike > 1 && diagram->blocks->len > 0
            ? g_strdup_printf("%s: one of %u alike", name, unit->alike) : g_strdup(name);

        if (unit->folded)
            continue;
        units[u] = unit->box >= 0 ? add_cluster(graph, id, &unit->area, label, "#ffffff") : graph;
    }
    for (uint32_t f = 0; f < diagram->frames->len; f++) {
        const FabDiagramFrame *frame = &g_array_index(diagram->frames, FabDiagramFrame, f);

        frames[f] = add_cluster(frame->inner ? socket : units[frame->unit], frame->id, &frame->area, frame->label,
                                frame->inner ? "#ffffff" : "#f3f5f7");
        socket = frame->inner ? socket : frames[f];
    }
    for (uint32_t i = 0; i < diagram->items->len; i++)
        add_item(diagram, home_of(diagram, frames, units, graph, i), i);
}

/* ------------------------------------------------------------------ folded units */

static char *
block_id(const FabDiagram *diagram, uint32_t index)
{
    g_autofree char *name = unit_name(diagram, g_array_index(diagram->blocks, FabDiagramBlock, index).like);

    return g_strdup_printf("(like %s)", name);
}

static void
add_card(const FabDiagram *diagram, Agraph_t *graph, uint32_t index, const FabDiagramArea *area)
{
    static const FabDiagramShape card = { "box", "filled", "#eef1f4", "#8a94a3", "#1a202c", 1, 1.0 };
    const FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, index);
    g_autofree char *name = unit_name(diagram, index);
    g_autofree char *note = NULL;
    g_autofree char *markup = NULL;

    if (unit->first_gpu != FAB_DIAGRAM_NONE)
        note = unit->first_gpu == unit->last_gpu
            ? g_strdup_printf("GPU %u", unit->first_gpu)
            : g_strdup_printf("GPU %u to %u", unit->first_gpu, unit->last_gpu);
    markup = two_lines(name, note);
    fab_diagram_set_shape(fab_diagram_add_node(graph, name, area, markup), &card, area->right - area->left);
}

static void
add_block(const FabDiagram *diagram, Agraph_t *graph, uint32_t index)
{
    const FabDiagramBlock *block = &g_array_index(diagram->blocks, FabDiagramBlock, index);
    g_autofree char *id = g_strdup_printf("cluster_block%u", index);
    g_autofree char *header = block_id(diagram, index);
    g_autofree char *like = unit_name(diagram, block->like);
    g_autofree char *text = g_strdup_printf("<b>%u more, each like %s</b>", block->units->len, like);
    Agraph_t *cluster = add_cluster(graph, id, &block->area, "", "#ffffff");
    FabDiagramArea area = { block->area.left + 10, block->area.top + 6, block->area.right - 10, block->area.top + 28 };
    double width = 132, height = 36, gap = 10;
    uint32_t columns = (uint32_t)((block->area.right - block->area.left - gap) / (width + gap) + 0.5);

    fab_diagram_add_node(cluster, header, &area, text);
    for (uint32_t i = 0; i < block->units->len && i < columns * 48; i++) {
        FabDiagramArea place = { .left = block->area.left + gap + (i % columns) * (width + gap),
                                 .top = block->area.top + 34 + (i / columns) * (height + gap) };
        place.right = place.left + width;
        place.bottom = place.top + height;
        if (place.bottom > block->area.bottom)
            break;
        add_card(diagram, cluster, g_array_index(block->units, uint32_t, i), &place);
    }
}

/* ------------------------------------------------------------------ links */

static char *
end_name(const FabDiagram *diagram, FabDiagramEnd end)
{
    return end.block ? block_id(diagram, end.index) : g_strdup(fab_diagram_vertex(diagram, end.index)->name);
}

/* Lines to the left, on white so that a line behind does not disturb. */
static char *
label_markup(const char *label, bool centred)
{
    g_auto(GStrv) lines = g_strsplit(label, "\n", -1);
    GString *text = g_string_new("<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"0\"");

    g_string_append(text, centred ? " bgcolor=\"#ffffff\">" : ">");
    for (uint32_t i = 0; lines[i] != NULL; i++) {
        g_autofree char *escaped = g_markup_escape_text(lines[i], -1);
        g_string_append_printf(text, "<tr><td align=\"%s\">%s</td></tr>", centred ? "center" : "left", escaped);
    }
    g_string_append(text, "</table>");
    return g_string_free(text, FALSE);
}

/* What a pointer on the line shows in an SVG, and what a reader of DOT finds on every edge. */
static void
set_tooltip(const FabDiagram *diagram, Agedge_t *line, const FabDiagramEdge *edge, const char *from, const char *to)
{
    const FabTopologyLink *link = &diagram->topology->links[edge->link];
    g_autofree char *class = fab_diagram_link_class(link);
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "%s - %s: ", from, to);
    if (edge->count > 1)
        g_string_append_printf(text, "%u \303\227 %s each", edge->count, class);
    else
        g_string_append(text, class);
    if (edge->left < 1) {
        g_autofree char *fault = fab_diagram_fault_text(edge->left);
        g_string_append_printf(text, ", %s", fault);
    }
    if (diagram->load != NULL && isfinite(edge->load) && edge->left > 0 && !fab_link_is_unlimited(link))
        g_string_append_printf(text, ", %.0f %% busy", edge->load * 100);
    fab_diagram_set(line, "tooltip", "%s", text->str);
}

static void
add_edge(const FabDiagram *diagram, Agraph_t *graph, uint32_t index)
{
    const FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, index);
    const FabTopologyLink *link = &diagram->topology->links[edge->link];
    g_autofree char *from = end_name(diagram, edge->a);
    g_autofree char *to = end_name(diagram, edge->b);
    FabDiagramStroke stroke;
    Agedge_t *line;

    if (edge->left < 1 && (diagram->load == NULL || edge->left <= 0))
        fab_diagram_fault_stroke(edge->left, &stroke);
    else if (diagram->load != NULL)
        fab_diagram_load_stroke(edge->load, link->medium, &stroke);
    else
        fab_diagram_stroke(link, &stroke);
    if (edge->left < 1)
        stroke.style = "dashed";
    line = fab_diagram_add_line(graph, from, to, edge->x, edge->y, &stroke);
    g_free(stroke.color);
    set_tooltip(diagram, line, edge, from, to);
    if (edge->label != NULL) {
        bool curved = edge->y[0] == edge->y[3] && edge->y[1] != edge->y[0];
        g_autofree char *markup = label_markup(edge->label, curved);

        if (curved) {
            /* Nodes are painted after all lines: other arcs do not cross the words. */
            g_autofree char *name = g_strdup_printf("(label %u)", index);
            FabDiagramArea area = { edge->label_x - 1, edge->label_y - 1, edge->label_x + 1, edge->label_y + 1 };
            Agnode_t *node = fab_diagram_add_node(graph, name, &area, markup);
            fab_diagram_set(node, "fontsize", MINUTE_FONT);
        } else {
            set_markup(line, markup);
            set_point(line, "lp", edge->label_x, edge->label_y);
        }
    }
}

Agraph_t *
fab_diagram_graph_styled(const char *name)
{
    Agraph_t *graph = fab_diagram_graph_new(name);
    static const int kinds[] = { AGRAPH, AGNODE, AGEDGE };

    for (uint32_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        agattr(graph, kinds[i], (char *)"fontname", (char *)FONT);
    agattr(graph, AGNODE, (char *)"fontsize", (char *)"11");
    agattr(graph, AGNODE, (char *)"fixedsize", (char *)"true");
    agattr(graph, AGNODE, (char *)"label", (char *)"");
    agattr(graph, AGNODE, (char *)"margin", (char *)"0");
    agattr(graph, AGEDGE, (char *)"fontsize", (char *)MINUTE_FONT);
    agattr(graph, AGEDGE, (char *)"fontcolor", (char *)"#1a202c");
    agattr(graph, AGEDGE, (char *)"label", (char *)"");
    agattr(graph, AGRAPH, (char *)"label", (char *)"");
    agattr(graph, AGRAPH, (char *)"outputorder", (char *)"edgesfirst");
    agattr(graph, AGRAPH, (char *)"splines", (char *)"true");
    agattr(graph, AGRAPH, (char *)"pad", (char *)"0.2");
    agattr(graph, AGRAPH, (char *)"margin", (char *)"0");
    agattr(graph, AGRAPH, (char *)"bgcolor", (char *)"#ffffff");
    return graph;
}

Agraph_t *
fab_diagram_draw(const FabDiagram *diagram)
{
    Agraph_t *graph = fab_diagram_graph_styled(diagram->topology->name);

    add_units_and_items(diagram, graph);
    for (uint32_t b = 0; b < diagram->blocks->len; b++)
        add_block(diagram, graph, b);
    for (uint32_t e = 0; e < diagram->edges->len; e++)
        add_edge(diagram, graph, e);
    fab_diagram_add_title(diagram, graph);
    fab_diagram_add_legend(diagram, graph);
    return graph;
}
