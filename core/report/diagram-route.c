/* The drawn links: which links are one edge, the curve of each, and where its label stands. */
#include "report/diagram.h"

#include <math.h>

#include "report/names.h"

enum { LINE_HEIGHT = 11, PORT_GAP = 14 };

static FabDiagramEnd
end_of(const FabDiagram *diagram, FabVertex vertex)
{
    FabDiagramEnd end = { false, diagram->item_of[vertex] };

    if (end.index == FAB_DIAGRAM_NONE) {
        uint32_t like = g_array_index(diagram->units, FabDiagramUnit, diagram->unit_of[vertex]).like;

        end.block = true;
        for (uint32_t b = 0; b < diagram->blocks->len; b++) {
            if (g_array_index(diagram->blocks, FabDiagramBlock, b).like == like)
                end.index = b;
        }
    }
    return end;
}

static double
link_load(const FabDiagram *diagram, uint32_t link)
{
    double a, b;

    if (diagram->load == NULL)
        return NAN;
    a = diagram->load->load[link * 2];
    b = diagram->load->load[link * 2 + 1];
    return isnan(a) || b > a ? b : a;
}

static const FabDiagramArea *
area_of(const FabDiagram *diagram, FabDiagramEnd end)
{
    return end.block ? &g_array_index(diagram->blocks, FabDiagramBlock, end.index).area
                     : &fab_diagram_item(diagram, end.index)->area;
}

static FabDiagramLayer
layer_of_end(const FabDiagram *diagram, FabDiagramEnd end)
{
    return end.block ? FAB_DIAGRAM_GPU : fab_diagram_item(diagram, end.index)->layer;
}

static double
middle(const FabDiagramArea *area)
{
    return (area->left + area->right) / 2;
}

/* Ends in a fixed order: the upper one first, in one row the left one. */
static bool
is_upside_down(const FabDiagram *diagram, FabDiagramEnd a, FabDiagramEnd b)
{
    const FabDiagramArea *first = area_of(diagram, a), *second = area_of(diagram, b);

    if (first->top != second->top)
        return first->top > second->top;
    return first->left > second->left;
}

static void
collect(FabDiagram *diagram)
{
    const FabTopology *topology = diagram->topology;
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (uint32_t l = 0; l < topology->link_count; l++) {
        const FabTopologyLink *link = &topology->links[l];
        FabDiagramEnd a = end_of(diagram, link->a), b = end_of(diagram, link->b);
        double load = link_load(diagram, l), left = fab_diagram_left(diagram->left, l);
        g_autofree char *class = fab_diagram_link_class(link);
        g_autofree char *key = NULL;
        gpointer found;

        if (a.block == b.block && a.index == b.index)
            continue;
        if (is_upside_down(diagram, a, b)) {
            FabDiagramEnd swap = a;
            a = b;
            b = swap;
        }
        key = g_strdup_printf("%d %u %d %u %d %.3f %s", a.block, a.index, b.block, b.index, link->medium, left, class);
        if (g_hash_table_lookup_extended(known, key, NULL, &found)) {
            FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, GPOINTER_TO_UINT(found));
            edge->count++;
            if (isnan(edge->load) || load > edge->load)
                edge->load = load;
        } else {
            FabDiagramEdge edge = { .a = a, .b = b, .link = l, .count = 1, .load = load, .left = left };
            g_hash_table_insert(known, g_steal_pointer(&key), GUINT_TO_POINTER(diagram->edges->len));
            g_array_append_val(diagram->edges, edge);
        }
    }
}

static void
draw_line(FabDiagramEdge *edge, double ax, double ay, double bx, double by)
{
    for (int i = 0; i < 4; i++) {
        edge->x[i] = ax + (bx - ax) * i / 3;
        edge->y[i] = ay + (by - ay) * i / 3;
    }
}

/* ------------------------------------------------------------------ one kind of edge after another */

/* How many edges before this one share the end and the way (up to a spine, or not), and how many in all. */
static void
count_siblings(const FabDiagram *diagram, uint32_t index, FabDiagramEnd end, bool to_spine, uint32_t *before,
               uint32_t *all)
{
    *before = *all = 0;
    for (uint32_t i = 0; i < diagram->edges->len; i++) {
        const FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, i);
        bool at_a = edge->a.block == end.block && edge->a.index == end.index;
        bool at_b = edge->b.block == end.block && edge->b.index == end.index;
        FabDiagramEnd other = at_a ? edge->b : edge->a;

        if ((!at_a && !at_b) || (layer_of_end(diagram, other) == FAB_DIAGRAM_SPINE) != to_spine)
            continue;
        *before += i < index;
        (*all)++;
    }
}

/* From a switch of the fabric straight down. */
static void
route_spine(FabDiagram *diagram, uint32_t index)
{
    FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, index);
    const FabDiagramArea *top = area_of(diagram, edge->a), *below = area_of(diagram, edge->b);
    uint32_t before, all;
    double x;

    count_siblings(diagram, index, edge->b, true, &before, &all);
    if (layer_of_end(diagram, edge->b) == FAB_DIAGRAM_NIC)
        x = below->right - 4 - before * 6.0;
    else if (edge->b.block)
        x = below->left + (below->right - below->left) * (before + 1) / (all + 1);
    else
        x = middle(below) + (before - (all - 1) / 2.0) * PORT_GAP;
    draw_line(edge, CLAMP(x, top->left, top->right), top->bottom, x, below->top);
    edge->label_x = x + 7;
    edge->label_y = top->bottom + (edge->b.block ? 19 : 22);
}

/* From a device to the bar under it, where the device has its port. */
static void
route_tree(FabDiagram *diagram, FabDiagramEdge *edge, uint32_t child, double offset)
{
    const FabDiagramItem *item = fab_diagram_item(diagram, child);
    double x = item->port + offset;

    draw_line(edge, x, item->area.bottom, x, area_of(diagram, edge->b)->top);
    edge->label_x = x + 7;
    edge->label_y = item->area.bottom + 21;
}

/* Where at the top of a GPU the arc to another one starts: short arcs outside, so that none cross there. */
static double
arc_port(const FabDiagram *diagram, uint32_t from, uint32_t to)
{
    const FabDiagramArea *area = &fab_diagram_item(diagram, from)->area;
    double target = middle(&fab_diagram_item(diagram, to)->area);
    double side = target > middle(area) ? 1 : -1;
    uint32_t nearer = 0;

    for (uint32_t i = 0; i < diagram->edges->len; i++) {
        const FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, i);
        uint32_t other;

        if (edge->a.block || edge->b.block || (edge->a.index != from && edge->b.index != from))
            continue;
        other = edge->a.index == from ? edge->b.index : edge->a.index;
        if (fab_diagram_item(diagram, other)->layer == FAB_DIAGRAM_GPU) {
            double there = middle(&fab_diagram_item(diagram, other)->area);
            nearer += (there - middle(area)) * side > 0 && fabs(there - middle(area)) < fabs(target - middle(area));
        }
    }
    return middle(area) + side * MAX(4, 36 - 10.0 * nearer);
}

static void
route_arc(FabDiagram *diagram, FabDiagramEdge *edge)
{
    const FabDiagramArea *a = area_of(diagram, edge->a), *b = area_of(diagram, edge->b);
    double rise = fab_diagram_arc_height(fabs(a->left - b->left)) / 0.75;

    edge->x[0] = edge->x[1] = arc_port(diagram, edge->a.index, edge->b.index);
    edge->x[3] = edge->x[2] = arc_port(diagram, edge->b.index, edge->a.index);
    edge->y[0] = a->top;
    edge->y[3] = b->top;
    edge->y[1] = edge->y[2] = a->top - rise;
    edge->label_x = (edge->x[0] + edge->x[3]) / 2;
    edge->label_y = a->top - 0.75 * rise;
}

static bool
are_neighbours(const FabDiagram *diagram, const FabDiagramArea *a, const FabDiagramArea *b)
{
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        const FabDiagramArea *between = &fab_diagram_item(diagram, i)->area;

        if (between->top == a->top && between->left >= a->right && between->right <= b->left)
            return false;
    }
    return true;
}

/* Between sockets: straight to the neighbour, else below the row. */
static void
route_row(FabDiagram *diagram, FabDiagramEdge *edge)
{
    const FabDiagramArea *a = area_of(diagram, edge->a), *b = area_of(diagram, edge->b);
    double y = (a->top + a->bottom) / 2;

    if (are_neighbours(diagram, a, b)) {
        draw_line(edge, a->right, y, b->left, y);
        edge->label_x = (a->right + b->left) / 2;
        edge->label_y = y - 16;
        return;
    }
    edge->x[0] = edge->x[1] = a->right - 24;
    edge->x[3] = edge->x[2] = b->left + MIN(110, b->right - b->left - 16);
    edge->y[0] = a->bottom;
    edge->y[3] = b->bottom;
    edge->y[1] = edge->y[2] = a->bottom + 44 + 0.1 * (b->left - a->right);
    edge->label_x = (edge->x[0] + edge->x[3]) / 2;
    edge->label_y = a->bottom + 0.75 * (edge->y[1] - a->bottom);
}

static void
route_other(FabDiagram *diagram, FabDiagramEdge *edge)
{
    const FabDiagramArea *a = area_of(diagram, edge->a), *b = area_of(diagram, edge->b);
    bool above = middle(a) > b->left && middle(a) < b->right;
    double ax = above ? middle(a) : CLAMP(middle(b), a->left + 10, a->right - 10);
    double bx = CLAMP(ax, b->left + 10, b->right - 10);
    double reach = MAX(20, (b->top - a->bottom) / 2);

    draw_line(edge, ax, a->bottom, bx, b->top);
    edge->x[1] = ax;
    edge->y[1] = a->bottom + reach;
    edge->x[2] = bx;
    edge->y[2] = b->top - reach;
    edge->label_x = (ax + bx) / 2 + 7;
    edge->label_y = b->top - 16;
}

static bool
is_tree_edge(const FabDiagram *diagram, const FabDiagramEdge *edge)
{
    return !edge->a.block && !edge->b.block && fab_diagram_item(diagram, edge->a.index)->parent == edge->b.index;
}

static void
route(FabDiagram *diagram, uint32_t index)
{
    FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, index);
    FabDiagramLayer a = layer_of_end(diagram, edge->a), b = layer_of_end(diagram, edge->b);
    bool level = area_of(diagram, edge->a)->top == area_of(diagram, edge->b)->top;

    if (is_tree_edge(diagram, edge)) {
        uint32_t before = 0;
        for (uint32_t i = 0; i < index; i++) {
            const FabDiagramEdge *other = &g_array_index(diagram->edges, FabDiagramEdge, i);
            before += is_tree_edge(diagram, other) && other->a.index == edge->a.index;
        }
        route_tree(diagram, edge, edge->a.index, before * (double)PORT_GAP);
    } else if (a == FAB_DIAGRAM_GPU && b == FAB_DIAGRAM_GPU && !edge->a.block && !edge->b.block) {
        route_arc(diagram, edge);
    } else if (level) {
        route_row(diagram, edge);
    } else if (a == FAB_DIAGRAM_SPINE) {
        route_spine(diagram, index);
    } else {
        route_other(diagram, edge);
    }
}

/* ------------------------------------------------------------------ labels */

static char *
full_label(const FabDiagram *diagram, const FabDiagramEdge *edge, const char *separator)
{
    const FabTopologyLink *link = &diagram->topology->links[edge->link];
    g_autofree char *kind = fab_diagram_link_kind(link);
    g_autofree char *rate = fab_diagram_link_rate(link);

    if (edge->count == 1)
        return rate != NULL ? g_strdup_printf("%s%s%s", kind, separator, rate) : g_strdup(kind);
    if (rate == NULL)
        return g_strdup_printf("%u \303\227 %s", edge->count, kind);
    return g_strdup_printf("%u \303\227 %s%s%s each", edge->count, kind, separator, rate);
}

/* Whether no edge of the same class in a mesh is longer: its label has the most room. */
static bool
is_longest(const FabDiagram *diagram, const FabDiagramEdge *edge)
{
    g_autofree char *class = fab_diagram_link_class(&diagram->topology->links[edge->link]);

    for (uint32_t i = 0; i < diagram->edges->len; i++) {
        const FabDiagramEdge *other = &g_array_index(diagram->edges, FabDiagramEdge, i);
        g_autofree char *other_class = fab_diagram_link_class(&diagram->topology->links[other->link]);

        if (other->count == edge->count && g_str_equal(class, other_class) &&
            layer_of_end(diagram, other->a) == FAB_DIAGRAM_GPU && layer_of_end(diagram, other->b) == FAB_DIAGRAM_GPU &&
            other->label_y < edge->label_y - 0.5)
            return false;
    }
    return true;
}

/* Whether all direct links between GPUs are alike, so that saying it once is enough. */
static bool
is_only_class(const FabDiagram *diagram, const FabTopologyLink *link)
{
    g_autofree char *class = fab_diagram_link_class(link);

    for (uint32_t i = 0; i < diagram->edges->len; i++) {
        const FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, i);
        g_autofree char *other = fab_diagram_link_class(&diagram->topology->links[edge->link]);

        if (layer_of_end(diagram, edge->a) == FAB_DIAGRAM_GPU && layer_of_end(diagram, edge->b) == FAB_DIAGRAM_GPU &&
            !g_str_equal(class, other))
            return false;
    }
    return true;
}

/*
 * Edges of one class at one bar or between sockets look the same: the first carries the words. In a mesh of GPUs
 * the longest of a class carries them and every other its number of links. With a load, all carry their share.
 */
static void
add_label(FabDiagram *diagram, FabDiagramEdge *edge, GHashTable *said)
{
    const FabTopologyLink *link = &diagram->topology->links[edge->link];
    bool mesh = layer_of_end(diagram, edge->a) == FAB_DIAGRAM_GPU && layer_of_end(diagram, edge->b) == FAB_DIAGRAM_GPU;
    bool hub_above = layer_of_end(diagram, edge->a) == FAB_DIAGRAM_SPINE;
    bool row = area_of(diagram, edge->a)->top == area_of(diagram, edge->b)->top;
    FabDiagramEnd hub = hub_above || row ? edge->a : edge->b;
    g_autofree char *class = fab_diagram_link_class(link);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *key = NULL;
    bool fresh = false;

    if (edge->left < 1) { /* whatever its neighbours say */
        g_autofree char *words = full_label(diagram, edge, "\n"), *fault = fab_diagram_fault_text(edge->left);
        g_autofree char *busy = diagram->load != NULL && isfinite(edge->load) && edge->left > 0
            ? g_strdup_printf(", %.0f %%", edge->load * 100) : g_strdup("");
        edge->label = g_strdup_printf("%s%s%s%s", fault, busy, mesh ? "" : "\n", mesh ? "" : words);
        return;
    }
    if (mesh || row)
        key = g_strdup_printf("%s %u %s", mesh ? "mesh" : "row", edge->count, class);
    else
        key = g_strdup_printf("%d %u %u %s", hub.block, hub.index, edge->count, class);
    if (!mesh || is_longest(diagram, edge))
        fresh = g_hash_table_add(said, g_steal_pointer(&key));
    if (fresh) {
        g_autofree char *words = full_label(diagram, edge, "\n");
        g_string_append(text, words);
    } else if (mesh && diagram->load == NULL && !is_only_class(diagram, link)) {
        g_string_append_printf(text, "x%u", MAX(1, link->lanes) * edge->count);
    }
    if (diagram->load != NULL && isfinite(edge->load) && !fab_link_is_unlimited(link))
        g_string_append_printf(text, "%s%s%.0f %%", text->len > 0 ? ", " : "", edge->count > 1 ? "up to " : "",
                               edge->load * 100);
    edge->label = text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* Labels beside vertical lines start at the line; the others stand on theirs. */
static void
settle_label(FabDiagramEdge *edge)
{
    g_auto(GStrv) lines = NULL;
    double width = 0;

    if (edge->label == NULL)
        return;
    lines = g_strsplit(edge->label, "\n", -1);
    for (uint32_t i = 0; lines[i] != NULL; i++)
        width = MAX(width, fab_diagram_text_width(lines[i], 9, false));
    if (edge->y[0] != edge->y[3])
        edge->label_x += width / 2;
    else if (edge->y[1] < edge->y[0] && g_strv_length(lines) > 1)
        edge->label_y -= 4 + LINE_HEIGHT * g_strv_length(lines) / 2.0; /* on top of the highest arcs */
    else if (g_strv_length(lines) > 2)
        edge->label_y -= LINE_HEIGHT / 2.0;
}

void
fab_diagram_connect(FabDiagram *diagram)
{
    g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    collect(diagram);
    for (uint32_t i = 0; i < diagram->edges->len; i++)
        route(diagram, i);
    for (uint32_t i = 0; i < diagram->edges->len; i++) {
        FabDiagramEdge *edge = &g_array_index(diagram->edges, FabDiagramEdge, i);

        add_label(diagram, edge, said);
        settle_label(edge);
        for (int k = 0; k < 4; k++)
            diagram->area.bottom = MAX(diagram->area.bottom, edge->y[k]);
    }
}
