/*
 * Where things lie. Devices hang in columns over their switch, every switch, host bridge and CPU is a bar
 * as wide as what hangs on it, so that all links of a PCIe tree are straight and vertical.
 */
#include "report/diagram.h"

#include <math.h>
#include <string.h>

/* Points. */
enum {
    GPU_WIDTH = 96,
    GPU_HEIGHT = 42,
    NIC_WIDTH = 72,
    NIC_HEIGHT = 30,
    LINE_HEIGHT = 12,
    NIC_SHIFT = 32, /* a NIC below a GPU leaves room for the GPU's link on its left */
    BAR_HEIGHT = 36,
    COLUMN_GAP = 14,
    ROOT_GAP = 26,
    SOCKET_GAP = 46,
    UNIT_GAP = 56,
    ROW_GAP = 42,
    FABRIC_GAP = 52,
    FRAME_PAD = 12,
    FRAME_LABEL = 18,
    CARD_WIDTH = 132,
    CARD_HEIGHT = 36,
    CARD_GAP = 10,
    MAX_CARDS = 48
};

static void
shift(FabDiagram *diagram, uint32_t index, double by)
{
    FabDiagramItem *item = fab_diagram_item(diagram, index);

    item->area.left += by;
    item->area.right += by;
    item->port += by;
    for (uint32_t i = 0; i < item->children->len; i++)
        shift(diagram, g_array_index(item->children, uint32_t, i), by);
}

static double
name_width(const FabDiagram *diagram, uint32_t index)
{
    const FabTopologyVertex *vertex = fab_diagram_vertex(diagram, index);
    g_autofree char *note = fab_diagram_vertex_note(vertex, fab_diagram_item(diagram, index)->copies);
    g_auto(GStrv) lines = g_strsplit(note != NULL ? note : "", "\n", -1);
    double width = fab_diagram_text_width(vertex->name, 11, true);

    for (uint32_t i = 0; lines[i] != NULL; i++)
        width = MAX(width, fab_diagram_text_width(lines[i], 9, false));
    return width + 24;
}

static void
put(FabDiagramItem *item, double left, double width, double port)
{
    item->area.left = left;
    item->area.right = left + width;
    item->port = port;
}

/*
 * GPUs beside each other, NICs of the same switch below them as far as there are GPUs. Returns the right end.
 */
static double
place_leaves(FabDiagram *diagram, const GArray *children, double left)
{
    g_autoptr(GArray) gpus = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autoptr(GArray) nics = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    double right = left;

    for (uint32_t i = 0; i < children->len; i++) {
        uint32_t child = g_array_index(children, uint32_t, i);
        FabDiagramLayer layer = fab_diagram_item(diagram, child)->layer;

        if (layer == FAB_DIAGRAM_GPU)
            g_array_append_val(gpus, child);
        else if (layer == FAB_DIAGRAM_NIC)
            g_array_append_val(nics, child);
    }
    for (uint32_t i = 0; i < MAX(gpus->len, nics->len); i++) {
        double width = 0;

        if (i < gpus->len) {
            uint32_t gpu = g_array_index(gpus, uint32_t, i);
            width = MAX(GPU_WIDTH, name_width(diagram, gpu) - 8);
            put(fab_diagram_item(diagram, gpu), right, width, right + (nics->len > 0 ? NIC_SHIFT / 2.0 : width / 2));
        }
        if (i < nics->len) {
            uint32_t nic = g_array_index(nics, uint32_t, i);
            double nic_left = i < gpus->len ? right + NIC_SHIFT : right;
            double nic_width = MAX(NIC_WIDTH, name_width(diagram, nic) - 8);
            put(fab_diagram_item(diagram, nic), nic_left, nic_width,
                nic_left + (i < gpus->len ? 10 : nic_width / 2));
            width = MAX(width, nic_left + nic_width - right);
        }
        right += width + COLUMN_GAP;
    }
    return right;
}

/* Places an item and everything on it from `left`; returns the width. */
static double
place_tree(FabDiagram *diagram, uint32_t index, double left)
{
    FabDiagramItem *item = fab_diagram_item(diagram, index);
    double needed = name_width(diagram, index);
    double right = left;
    bool leaves_placed = false;
    double width;

    if (item->layer == FAB_DIAGRAM_GPU || item->layer == FAB_DIAGRAM_NIC) {
        width = MAX(item->layer == FAB_DIAGRAM_GPU ? GPU_WIDTH : NIC_WIDTH, needed - 8);
        put(item, left, width, left + width / 2);
        return width;
    }
    for (uint32_t i = 0; i < item->children->len; i++) {
        uint32_t child = g_array_index(item->children, uint32_t, i);
        FabDiagramLayer layer = fab_diagram_item(diagram, child)->layer;

        if (layer != FAB_DIAGRAM_GPU && layer != FAB_DIAGRAM_NIC) {
            right += place_tree(diagram, child, right) + COLUMN_GAP;
        } else if (!leaves_placed) {
            right = place_leaves(diagram, item->children, right);
            leaves_placed = true;
        }
    }
    width = MAX(right - left - COLUMN_GAP, needed);
    if (item->children->len > 0) {
        double spare = (width - (right - left - COLUMN_GAP)) / 2;
        for (uint32_t i = 0; i < item->children->len; i++)
            shift(diagram, g_array_index(item->children, uint32_t, i), spare);
    }
    put(item, left, width, left + width / 2);
    return width;
}

/* Room for the label of a link between neighbours at the bottom. */
static double
gap_between(const FabDiagram *diagram, uint32_t a, uint32_t b)
{
    const FabTopology *topology = diagram->topology;
    FabVertex first = fab_diagram_item(diagram, a)->vertex, second = fab_diagram_item(diagram, b)->vertex;
    bool same_socket = topology->vertices[first].socket == topology->vertices[second].socket;
    double gap = same_socket ? ROOT_GAP : SOCKET_GAP;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, first, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];

        if (link->a == second || link->b == second) {
            g_autofree char *kind = fab_diagram_link_kind(link);
            g_autofree char *rate = fab_diagram_link_rate(link);
            double text = MAX(fab_diagram_text_width(kind, 9, false), fab_diagram_text_width(rate, 9, false));
            gap = MAX(gap, text + 12 + (same_socket ? FRAME_PAD : 2 * FRAME_PAD));
        }
    }
    return gap;
}

/* Roots of a unit, sockets together, in the order of their GPUs. */
static GArray *
unit_roots(const FabDiagram *diagram, uint32_t unit)
{
    GArray *roots = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autoptr(GArray) sorted = NULL;

    for (uint32_t i = 0; i < diagram->items->len; i++) {
        if (fab_diagram_item(diagram, i)->unit == unit && fab_diagram_item(diagram, i)->parent == FAB_DIAGRAM_NONE)
            g_array_append_val(roots, i);
    }
    /* A stable selection: the next root is the one with the lowest GPU, if possible of the socket before. */
    sorted = roots;
    roots = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    while (sorted->len > 0) {
        uint32_t best = 0;
        int32_t socket = roots->len > 0
            ? fab_diagram_vertex(diagram, g_array_index(roots, uint32_t, roots->len - 1))->socket : -1;
        uint64_t best_key = UINT64_MAX;

        for (uint32_t i = 0; i < sorted->len; i++) {
            uint32_t index = g_array_index(sorted, uint32_t, i);
            bool other = socket < 0 || fab_diagram_vertex(diagram, index)->socket != socket;
            uint64_t key = (uint64_t)other << 32 | fab_diagram_item(diagram, index)->order;

            if (key < best_key) {
                best_key = key;
                best = i;
            }
        }
        g_array_append_val(roots, g_array_index(sorted, uint32_t, best));
        g_array_remove_index(sorted, best);
    }
    return roots;
}

static bool
has_frame(const FabDiagram *diagram, uint32_t root)
{
    const FabTopologyVertex *vertex = fab_diagram_vertex(diagram, root);

    return vertex->kind == FAB_VERTEX_CPU && vertex->socket >= 0;
}

static void
add_frame(FabDiagram *diagram, uint32_t unit, const char *word, int32_t number, bool inner, double left,
          double right)
{
    FabDiagramFrame frame = { .unit = unit, .inner = inner };
    double pad = inner ? FRAME_PAD / 2.0 : FRAME_PAD;

    frame.label = g_strdup_printf("%s %d", word, number);
    frame.id = g_strdup_printf("cluster_unit%u_%s%d", unit, inner ? "numa" : "socket", number);
    frame.area.left = left - pad;
    frame.area.right = right + pad;
    g_array_append_val(diagram->frames, frame);
}

/* Frames round the roots of each socket, and round each NUMA node where a socket has several. */
static void
frame_sockets(FabDiagram *diagram, uint32_t unit, const GArray *roots)
{
    for (uint32_t i = 0; i < roots->len;) {
        uint32_t first = g_array_index(roots, uint32_t, i);
        const FabTopologyVertex *vertex = fab_diagram_vertex(diagram, first);
        uint32_t end = i + 1;

        if (!has_frame(diagram, first)) {
            i++;
            continue;
        }
        while (end < roots->len && has_frame(diagram, g_array_index(roots, uint32_t, end)) &&
               fab_diagram_vertex(diagram, g_array_index(roots, uint32_t, end))->socket == vertex->socket)
            end++;
        add_frame(diagram, unit, "Socket", vertex->socket, false, fab_diagram_item(diagram, first)->area.left,
                  fab_diagram_item(diagram, g_array_index(roots, uint32_t, end - 1))->area.right);
        for (uint32_t k = i; end - i > 1 && k < end; k++) {
            uint32_t root = g_array_index(roots, uint32_t, k);
            const FabDiagramItem *item = fab_diagram_item(diagram, root);

            if (fab_diagram_vertex(diagram, root)->numa >= 0)
                add_frame(diagram, unit, "NUMA node", fab_diagram_vertex(diagram, root)->numa, true,
                          item->area.left, item->area.right);
        }
        i = end;
    }
}

static double
place_unit(FabDiagram *diagram, uint32_t index, double left)
{
    FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, index);
    g_autoptr(GArray) roots = unit_roots(diagram, index);
    double right = left;

    for (uint32_t i = 0; i < roots->len; i++) {
        uint32_t root = g_array_index(roots, uint32_t, i);

        if (i > 0)
            right += gap_between(diagram, g_array_index(roots, uint32_t, i - 1), root);
        right += place_tree(diagram, root, right);
    }
    frame_sockets(diagram, index, roots);
    unit->area.left = left - FRAME_PAD * 2;
    unit->area.right = right + FRAME_PAD * 2;
    return right;
}

/* ------------------------------------------------------------------ rows */

static bool
has_long_note(const FabDiagram *diagram, FabDiagramLayer layer)
{
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        g_autofree char *note = NULL;

        if (fab_diagram_item(diagram, i)->layer != layer)
            continue;
        note = fab_diagram_vertex_note(fab_diagram_vertex(diagram, i), 1);
        if (note != NULL && strchr(note, '\n') != NULL)
            return true;
    }
    return false;
}

/* Which rows there are, and where; all from the top of the GPUs. */
static double
place_rows(FabDiagram *diagram)
{
    static const double heights[] = { BAR_HEIGHT, GPU_HEIGHT, NIC_HEIGHT, BAR_HEIGHT, BAR_HEIGHT, BAR_HEIGHT + 4 };
    double y = 0;

    for (int layer = FAB_DIAGRAM_GPU; layer <= FAB_DIAGRAM_CPU; layer++) {
        double height = heights[layer] + (has_long_note(diagram, (FabDiagramLayer)layer) ? LINE_HEIGHT : 0);

        for (uint32_t depth = 0;; depth++) {
            bool deeper = false, found = false;

            for (uint32_t i = 0; i < diagram->items->len; i++) {
                FabDiagramItem *item = fab_diagram_item(diagram, i);

                if ((int)item->layer != layer)
                    continue;
                deeper = deeper || item->depth > depth;
                if (item->depth == depth) {
                    item->area.top = y;
                    item->area.bottom = y + height;
                    found = true;
                }
            }
            y += found ? height + ROW_GAP : 0;
            if (!deeper)
                break;
        }
    }
    return y - ROW_GAP;
}

double
fab_diagram_arc_height(double distance)
{
    return 20 + 0.15 * distance;
}

/* Room above the GPUs for links from GPU to GPU. */
static double
arcs_height(const FabDiagram *diagram)
{
    const FabTopology *topology = diagram->topology;
    double height = 0;

    for (uint32_t l = 0; l < topology->link_count; l++) {
        uint32_t a = diagram->item_of[topology->links[l].a], b = diagram->item_of[topology->links[l].b];

        if (a == FAB_DIAGRAM_NONE || b == FAB_DIAGRAM_NONE || fab_diagram_item(diagram, a)->layer != FAB_DIAGRAM_GPU ||
            fab_diagram_item(diagram, b)->layer != FAB_DIAGRAM_GPU)
            continue;
        height = MAX(height, fab_diagram_arc_height(fabs(fab_diagram_item(diagram, a)->area.left -
                                                         fab_diagram_item(diagram, b)->area.left)) + 16);
    }
    return height;
}

/* The left and right ends of what a switch of the fabric joins; false: nothing placed yet. */
static bool
spine_span(const FabDiagram *diagram, uint32_t index, FabDiagramArea *span, uint32_t *row)
{
    const FabTopology *topology = diagram->topology;
    FabVertex vertex = fab_diagram_item(diagram, index)->vertex;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);

    span->left = INFINITY;
    span->right = -INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        FabVertex other = link->a == vertex ? link->b : link->a;
        uint32_t item = diagram->item_of[other];
        const FabDiagramArea *area = NULL;

        if (item != FAB_DIAGRAM_NONE) {
            const FabDiagramItem *end = fab_diagram_item(diagram, item);
            if (end->layer != FAB_DIAGRAM_SPINE || (end->area.right > end->area.left && end->depth < *row))
                area = &end->area;
        } else {
            uint32_t like = g_array_index(diagram->units, FabDiagramUnit, diagram->unit_of[other]).like;
            for (uint32_t b = 0; b < diagram->blocks->len && area == NULL; b++) {
                const FabDiagramBlock *block = &g_array_index(diagram->blocks, FabDiagramBlock, b);
                area = block->like == like ? &block->area : NULL;
            }
        }
        if (area != NULL) {
            span->left = MIN(span->left, area->left);
            span->right = MAX(span->right, area->right);
        }
    }
    return span->right > span->left;
}

static bool
row_is_free(const FabDiagram *diagram, uint32_t row, const FabDiagramArea *span)
{
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        const FabDiagramItem *item = fab_diagram_item(diagram, i);

        if (item->layer == FAB_DIAGRAM_SPINE && item->area.right > item->area.left && item->depth == row &&
            item->area.left < span->right + ROW_GAP / 2.0 && item->area.right > span->left - ROW_GAP / 2.0)
            return false;
    }
    return true;
}

/* NVSwitches above the GPUs, network switches above them; each as wide as what it joins. Returns the rows. */
static uint32_t
place_spines(FabDiagram *diagram)
{
    uint32_t rows = 0;

    for (int pass = 0; pass < 4; pass++) {
        FabVertexKind kind = pass == 0 ? FAB_VERTEX_NVSWITCH : FAB_VERTEX_NET_SWITCH;
        uint32_t first_row = pass == 0 ? 0 : rows;

        for (uint32_t i = 0; i < diagram->items->len; i++) {
            FabDiagramItem *item = fab_diagram_item(diagram, i);
            FabDiagramArea span;
            double needed, wider;

            if (item->layer != FAB_DIAGRAM_SPINE || item->area.right > item->area.left ||
                fab_diagram_vertex(diagram, i)->kind != kind || !spine_span(diagram, i, &span, &first_row))
                continue;
            needed = name_width(diagram, i);
            wider = MAX(0, (needed - (span.right - span.left)) / 2);
            span.left -= wider;
            span.right += wider;
            item->depth = first_row;
            while (!row_is_free(diagram, item->depth, &span))
                item->depth++;
            item->area.left = span.left;
            item->area.right = span.right;
            rows = MAX(rows, item->depth + 1);
        }
    }
    return rows;
}

static void
lift_spines(FabDiagram *diagram, double arcs, uint32_t rows)
{
    bool boxes = diagram->units->len > 0 && g_array_index(diagram->units, FabDiagramUnit, 0).box >= 0;
    double base = -(arcs > 0 ? arcs + 24 : boxes ? FABRIC_GAP + 2 * FRAME_PAD : FABRIC_GAP);

    for (uint32_t i = 0; i < diagram->items->len; i++) {
        FabDiagramItem *item = fab_diagram_item(diagram, i);

        if (item->layer != FAB_DIAGRAM_SPINE)
            continue;
        item->area.bottom = base - item->depth * (double)(BAR_HEIGHT + FABRIC_GAP);
        item->area.top = item->area.bottom - BAR_HEIGHT;
    }
    diagram->area.top = rows == 0 ? -arcs : base - (rows - 1) * (double)(BAR_HEIGHT + FABRIC_GAP) - BAR_HEIGHT;
}

/* ------------------------------------------------------------------ blocks of cards, frames */

static double
place_block(FabDiagramBlock *block, double left, double height)
{
    uint32_t count = block->units->len > MAX_CARDS ? 1 : block->units->len;
    uint32_t rows = MAX(1, (uint32_t)((height + 60 - 34) / (CARD_HEIGHT + CARD_GAP)));
    uint32_t columns = (count + rows - 1) / rows;

    block->area.left = left;
    block->area.right = left + columns * (double)(CARD_WIDTH + CARD_GAP) + CARD_GAP;
    return block->area.right;
}

static void
close_frames(FabDiagram *diagram, double bottom)
{
    bool boxes = false, nested = false;

    for (uint32_t i = 0; i < diagram->frames->len; i++)
        nested = nested || g_array_index(diagram->frames, FabDiagramFrame, i).inner;
    for (uint32_t i = 0; i < diagram->frames->len; i++) {
        FabDiagramFrame *frame = &g_array_index(diagram->frames, FabDiagramFrame, i);

        frame->area.top = frame->inner ? -FRAME_PAD / 2.0 : -FRAME_PAD;
        frame->area.bottom = bottom + FRAME_LABEL + (frame->inner || !nested ? 0 : FRAME_LABEL + 4);
    }
    for (uint32_t u = 0; u < diagram->units->len; u++) {
        FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, u);

        unit->area.top = -FRAME_PAD * 2;
        unit->area.bottom = bottom + (diagram->frames->len > 0 ? FRAME_LABEL * (nested ? 2 : 1) + 4 : 0) + FRAME_LABEL;
        boxes = boxes || unit->box >= 0;
    }
    for (uint32_t b = 0; b < diagram->blocks->len; b++) {
        FabDiagramBlock *block = &g_array_index(diagram->blocks, FabDiagramBlock, b);

        block->area.top = boxes ? -FRAME_PAD * 2 : -FRAME_PAD;
        block->area.bottom = g_array_index(diagram->units, FabDiagramUnit, 0).area.bottom;
    }
    diagram->area.bottom = diagram->units->len > 0 ? g_array_index(diagram->units, FabDiagramUnit, 0).area.bottom
                                                   : bottom;
}

void
fab_diagram_place(FabDiagram *diagram)
{
    double bottom = place_rows(diagram);
    double right = 0, arcs;
    uint32_t rows;

    for (uint32_t u = 0; u < diagram->units->len; u++) {
        const FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, u);

        if (unit->folded)
            continue;
        right = place_unit(diagram, u, u == 0 ? 0 : right + UNIT_GAP);
        for (uint32_t b = 0; b < diagram->blocks->len; b++) {
            FabDiagramBlock *block = &g_array_index(diagram->blocks, FabDiagramBlock, b);
            if (block->like == u)
                right = place_block(block, right + UNIT_GAP, bottom);
        }
    }
    arcs = arcs_height(diagram);
    rows = place_spines(diagram);
    lift_spines(diagram, arcs, rows);
    close_frames(diagram, bottom);
    diagram->area.left = -FRAME_PAD * 2;
    diagram->area.right = right + FRAME_PAD * 2;
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        diagram->area.left = MIN(diagram->area.left, fab_diagram_item(diagram, i)->area.left);
        diagram->area.right = MAX(diagram->area.right, fab_diagram_item(diagram, i)->area.right);
    }
}
