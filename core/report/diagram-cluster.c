/* Draws the page of a cluster that diagram-cluster-plan.c has laid out. */
#include "report/diagram-cluster.h"

#include <math.h>

#include "base/units.h"

/* Lines of which each says how busy it is; with more, tooltips do. */
enum { MOST_WORDS = 160 };

static char *
markup_of(const FabClusterBox *box)
{
    g_autofree char *name = g_markup_escape_text(box->name, -1);
    g_autofree char *note = g_markup_escape_text(box->note != NULL ? box->note : "", -1);
    g_auto(GStrv) lines = g_strsplit(note, "\n", -1);
    g_autofree char *joined = g_strjoinv("<br/>", lines);

    if (box->inside > 0)
        return g_strdup_printf("<b>%s</b><br/><font point-size=\"9\">%s<br/>%u cables inside</font>", name, joined,
                               box->inside);
    if (joined[0] == '\0')
        return g_strdup_printf("<b>%s</b>", name);
    return g_strdup_printf("<b>%s</b><br/><font point-size=\"9\">%s</font>", name, joined);
}

static void
draw_box(const FabClusterPage *page, Agraph_t *graph, uint32_t index)
{
    static const FabDiagramShape node = { "box", "rounded,filled", "#eef2f7", "#5b6777", "#1d2733", 2, 1.2 };
    const FabClusterBox *box = fab_cluster_box(page, index);
    g_autofree char *markup = markup_of(box);
    g_autofree char *name = g_strdup_printf("(box %u)", index);
    Agnode_t *drawn = fab_diagram_add_node(graph, name, &box->area, markup);
    FabDiagramShape shape = box->kind == FAB_VERTEX_CPU ? node : *fab_diagram_shape(box->kind);

    if (box->kind == FAB_VERTEX_NET_SWITCH)
        shape.shape = "box";
    if (box->members > 1)
        shape.peripheries = 2;
    else
        shape.peripheries = 1;
    fab_diagram_set_shape(drawn, &shape, box->area.right - box->area.left);
}

/* Lines between the same rows at one box: words stand near the end with fewer. */
static uint32_t
lines_at(const FabClusterPage *page, uint32_t box, double other_top)
{
    uint32_t count = 0;

    for (guint i = 0; i < page->edges->len; i++) {
        const FabClusterEdge *edge = &g_array_index(page->edges, FabClusterEdge, i);
        if (edge->a != box && edge->b != box)
            continue;
        count += fab_cluster_box(page, edge->a == box ? edge->b : edge->a)->area.top == other_top;
    }
    return count;
}

/* "61 %", "1 of 3: 50 % left"; NULL: nothing to say. */
static char *
words_of(const FabClusterPage *page, const FabClusterEdge *edge)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (edge->faults > 0) {
        g_autofree char *fault = fab_diagram_fault_text(edge->left);
        if (edge->faults < edge->count)
            g_string_append_printf(text, "%u of %u: ", edge->faults, edge->count);
        g_string_append(text, fault);
    }
    if (page->load != NULL && isfinite(edge->load) && (edge->left > 0 || edge->faults < edge->count))
        g_string_append_printf(text, "%s%.0f %%", text->len > 0 ? ", " : "", edge->load * 100);
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* Words stand on white at `t` of the line, 0 to 1. */
static void
draw_words(const FabClusterPage *page, Agraph_t *graph, const FabClusterEdge *edge, const double *x, const double *y,
           double t)
{
    g_autofree char *words = page->edges->len <= MOST_WORDS || edge->faults > 0 ? words_of(page, edge) : NULL;
    g_autofree char *name = g_strdup_printf("(words %u %u)", edge->a, edge->b), *markup = NULL;
    double u = 1 - t, b[] = { u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t };
    FabDiagramArea area = { 0, 0, 0, 0 };

    if (words == NULL)
        return;
    for (int i = 0; i < 4; i++) {
        area.left += b[i] * x[i];
        area.top += b[i] * y[i];
    }
    area = (FabDiagramArea) { area.left - 1, area.top - 1, area.left + 1, area.top + 1 };
    markup = g_strdup_printf("<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"1\" "
                             "bgcolor=\"#ffffff\"><tr><td>%s</td></tr></table>", words);
    fab_diagram_set(fab_diagram_add_node(graph, name, &area, markup), "fontsize", "9");
}

/* What the line looks like: as its cables are, as busy as the busiest, or as the faults leave them. */
static void
stroke_of(const FabClusterPage *page, const FabClusterEdge *edge, FabDiagramStroke *stroke)
{
    const FabTopologyLink *link = &page->topology->links[edge->link];

    if (edge->faults > 0 && (page->load == NULL || (edge->faults == edge->count && edge->left <= 0))) {
        fab_diagram_fault_stroke(edge->faults == edge->count ? edge->left : fmax(edge->left, 0.5), stroke);
        return;
    }
    if (page->load != NULL)
        fab_diagram_load_stroke(edge->load, link->medium, stroke);
    else
        fab_diagram_stroke(link, stroke);
    stroke->style = edge->faults > 0 ? "dashed" : "solid";
    if (page->load == NULL)
        stroke->pen = edge->count > 1 ? 2.0 : 1.1;
}

static void
draw_edge(const FabClusterPage *page, Agraph_t *graph, const FabClusterEdge *edge)
{
    const FabTopologyLink *link = &page->topology->links[edge->link];
    const FabClusterBox *a = fab_cluster_box(page, edge->a), *b = fab_cluster_box(page, edge->b);
    const FabClusterBox *upper = a->area.top < b->area.top ? a : b, *lower = upper == a ? b : a;
    g_autofree char *from = g_strdup_printf("(box %u)", edge->a), *to = g_strdup_printf("(box %u)", edge->b);
    g_autofree char *class = fab_diagram_link_class(link), *words = NULL;
    double x[4], y[4], ax = (upper->area.left + upper->area.right) / 2, bx = (lower->area.left + lower->area.right) / 2;
    FabDiagramStroke stroke;
    Agedge_t *line;

    y[0] = upper->area.bottom;
    y[3] = lower->area.top;
    if (upper->area.top == lower->area.top) { /* across a row, in an arc above it */
        y[0] = y[3] = upper->area.top;
        y[1] = y[2] = y[0] - fab_diagram_arc_height(fabs(ax - bx)) * 0.8;
    } else {
        y[1] = y[0] + (y[3] - y[0]) / 3;
        y[2] = y[0] + (y[3] - y[0]) * 2 / 3;
    }
    for (int i = 0; i < 4; i++)
        x[i] = ax + (bx - ax) * i / 3.0;
    stroke_of(page, edge, &stroke);
    line = fab_diagram_add_line(graph, upper == a ? from : to, upper == a ? to : from, x, y, &stroke);
    g_free(stroke.color);
    words = words_of(page, edge);
    fab_diagram_set(line, "tooltip", "%s - %s: %u x %s%s%s", a->name, b->name, edge->count, class,
                    words != NULL ? ", " : "", words != NULL ? words : "");
    if (upper->area.top == lower->area.top)
        draw_words(page, graph, edge, x, y, 0.5);
    else
        draw_words(page, graph, edge, x, y,
                   lines_at(page, upper == a ? edge->a : edge->b, lower->area.top) <
                           lines_at(page, upper == a ? edge->b : edge->a, upper->area.top) ? 0.2 : 0.8);
}

/* What the cables between two rows are, at the left. */
static void
draw_caption(const FabClusterPage *page, Agraph_t *graph, uint32_t level, double y)
{
    g_autofree char *name = g_strdup_printf("(cables %u)", level);
    FabDiagramArea area = { page->left, y - 24, page->left + FAB_CLUSTER_CAPTION_WIDTH, y + 24 };
    g_autoptr(GString) text = g_string_new(NULL);
    uint32_t count = 0, most = 0, least = UINT32_MAX, link = UINT32_MAX;

    for (guint i = 0; i < page->edges->len; i++) {
        const FabClusterEdge *edge = &g_array_index(page->edges, FabClusterEdge, i);
        const FabTopologyLink *one = &page->topology->links[edge->link];
        if (MAX(page->level[one->a], page->level[one->b]) != level ||
            page->level[one->a] == page->level[one->b])
            continue;
        count += edge->count;
        most = MAX(most, edge->count);
        least = MIN(least, edge->count);
        link = edge->link;
    }
    if (link == UINT32_MAX)
        return;
    {
        const FabTopologyLink *one = &page->topology->links[link];
        g_autofree char *rate = fab_diagram_link_rate(one);
        g_autofree char *time = fab_format_time(one->latency_ps);
        g_string_append_printf(text, "%u cables, %s<br/>%s, %s each", count, one->label, rate, time);
        if (least == most && most > 1)
            g_string_append_printf(text, "<br/>%u on every line", most);
    }
    fab_diagram_set(fab_diagram_add_node(graph, name, &area, text->str), "fontsize", "10");
}

/* What the cables between switches of one row are, beside the row. */
static void
draw_across(const FabClusterPage *page, Agraph_t *graph, uint32_t level, double y)
{
    g_autofree char *name = g_strdup_printf("(across %u)", level), *words = NULL, *rate = NULL, *time = NULL;
    FabDiagramArea area = { page->left, y - 24, page->left + FAB_CLUSTER_CAPTION_WIDTH, y + 24 };
    const FabTopologyLink *first = NULL;
    uint32_t count = 0;

    for (uint32_t l = 0; l < page->topology->link_count; l++) {
        const FabTopologyLink *link = &page->topology->links[l];
        if (page->level[link->a] != level || page->level[link->b] != level)
            continue;
        first = first != NULL ? first : link;
        count++;
    }
    if (first == NULL)
        return;
    rate = fab_diagram_link_rate(first);
    time = fab_format_time(first->latency_ps);
    words = g_strdup_printf("%u cables across, %s<br/>%s, %s each", count, first->label, rate, time);
    fab_diagram_set(fab_diagram_add_node(graph, name, &area, words), "fontsize", "10");
}

/* GPUs of the node that is shown: one box below its NICs. */
static void
draw_detail(const FabClusterPage *page, Agraph_t *graph)
{
    static const FabDiagramShape shape = { "box", "rounded,filled", "#cfe8b4", "#3f7d20", "#16300a", 1, 1.4 };
    const FabTopologyNode *node = &page->topology->nodes[0];
    const FabClusterBox *first = fab_cluster_box(page, g_array_index(page->rows[0], uint32_t, 0));
    FabDiagramArea area = first->area;
    g_autofree char *title = g_markup_escape_text(node->title, -1);
    const char *model = fab_cluster_vertex(page, page->topology->gpus[0])->model;
    g_autofree char *gpu = g_markup_escape_text(model != NULL ? model : "", -1);
    g_autofree char *markup = g_strdup_printf(
        "<b>Node 0: %s</b><br/><font point-size=\"9\">%u x %s; `topology diagram %s` draws it</font>", title,
        node->gpus, gpu, node->machine);
    Agnode_t *drawn;

    for (guint i = 0; i < page->rows[0]->len; i++) {
        const FabClusterBox *box = fab_cluster_box(page, g_array_index(page->rows[0], uint32_t, i));
        if (box->small)
            area.right = box->area.right;
    }
    area.right = fmax(area.right, area.left + FAB_CLUSTER_DETAIL_WIDTH);
    area.top = first->area.bottom + FAB_CLUSTER_PAD;
    area.bottom = area.top + FAB_CLUSTER_BOX_HEIGHT;
    drawn = fab_diagram_add_node(graph, "(node 0)", &area, markup);
    fab_diagram_set_shape(drawn, &shape, area.right - area.left);
    for (guint i = 0; i < page->rows[0]->len; i++) {
        uint32_t index = g_array_index(page->rows[0], uint32_t, i);
        const FabClusterBox *box = fab_cluster_box(page, index);
        FabDiagramStroke stroke = { .color = (char *)"#2b6cb0", .style = "solid", .pen = 1.4 };
        double middle = (box->area.left + box->area.right) / 2, x[4], y[4];
        g_autofree char *name = g_strdup_printf("(box %u)", index);
        if (!box->small)
            continue;
        for (int k = 0; k < 4; k++) {
            x[k] = middle;
            y[k] = box->area.bottom + (area.top - box->area.bottom) * k / 3.0;
        }
        fab_diagram_add_line(graph, name, "(node 0)", x, y, &stroke);
    }
}

static double
row_top(const FabClusterPage *page, uint32_t level)
{
    const GArray *row = page->rows[level];

    return row->len > 0 ? fab_cluster_box(page, g_array_index(row, uint32_t, 0))->area.top : 0;
}

Agraph_t *
fab_diagram_cluster_draw(FabDiagram *diagram, bool expand)
{
    g_autoptr(FabClusterPage) page = fab_cluster_page_new(diagram->topology, diagram->load, diagram->left, expand);
    Agraph_t *graph = fab_diagram_graph_styled(diagram->topology->name);

    for (uint32_t l = 0; l <= page->levels; l++) {
        for (guint i = 0; i < page->rows[l]->len; i++)
            draw_box(page, graph, g_array_index(page->rows[l], uint32_t, i));
        if (l > 0)
            draw_caption(page, graph, l, (row_top(page, l) + row_top(page, l - 1) + FAB_CLUSTER_BOX_HEIGHT) / 2);
        if (l > 0)
            draw_across(page, graph, l, row_top(page, l) + FAB_CLUSTER_BOX_HEIGHT / 2);
    }
    for (guint i = 0; i < page->edges->len; i++)
        draw_edge(page, graph, &g_array_index(page->edges, FabClusterEdge, i));
    if (page->detail)
        draw_detail(page, graph);
    diagram->area = (FabDiagramArea) { page->left, page->top, fmax(page->right, page->left + 700), page->bottom };
    fab_diagram_add_title(diagram, graph);
    diagram->area.bottom -= page->detail ? 44 : 8; /* the last row ends above it */
    fab_diagram_add_scale(diagram, graph);
    return graph;
}
