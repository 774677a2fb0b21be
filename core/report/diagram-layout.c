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
    NARROW = 160,   /* a label beside the middle of less would stand out on the right */
    BAR_HEIGHT = FAB_DIAGRAM_BAR_HEIGHT,
    COLUMN_GAP = 14,
    ROOT_GAP = 26,
    SOCKET_GAP = 46,
    UNIT_GAP = 56,
    ROW_GAP = 42,
    FRAME_PAD = FAB_DIAGRAM_FRAME_PAD,
    FRAME_LABEL = 18,
    CARD_WIDTH = 132,
    CARD_HEIGHT = 36,
    CARD_GAP = 10,
    MAX_CARDS = 48,
    MIN_WIDTH = 600 /* of a page, for title and legend */
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

double
fab_diagram_name_width(const FabDiagram *diagram, uint32_t index)
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

/* Whether `item` is `above` or hangs on it. */
static bool
is_within(const FabDiagram *diagram, uint32_t item, uint32_t above)
{
    while (item != FAB_DIAGRAM_NONE && item != above)
        item = fab_diagram_item(diagram, item)->parent;
    return item == above;
}

/* The room that the label of a link between two trees side by side needs, 0: no link in one row. */
static double
label_room(const FabDiagram *diagram, uint32_t a, uint32_t b)
{
    const FabTopology *topology = diagram->topology;
    double room = 0;

    for (uint32_t l = 0; l < topology->link_count; l++) {
        const FabTopologyLink *link = &topology->links[l];
        uint32_t ends[] = { diagram->item_of[link->a], diagram->item_of[link->b] };
        const FabDiagramItem *first, *second;

        if (ends[0] == FAB_DIAGRAM_NONE || ends[1] == FAB_DIAGRAM_NONE ||
            !((is_within(diagram, ends[0], a) && is_within(diagram, ends[1], b)) ||
              (is_within(diagram, ends[0], b) && is_within(diagram, ends[1], a))))
            continue;
        first = fab_diagram_item(diagram, ends[0]);
        second = fab_diagram_item(diagram, ends[1]);
        if (first->layer == second->layer && first->depth == second->depth && first->layer > FAB_DIAGRAM_NIC) {
            g_autofree char *kind = fab_diagram_link_kind(link);
            g_autofree char *rate = fab_diagram_link_rate(link);
            room = MAX(room, fab_diagram_text_width(kind, 9, false) + 12);
            if (rate != NULL)
                room = MAX(room, fab_diagram_text_width(rate, 9, false) + 12);
        }
    }
    return room;
}

static double place_tree(FabDiagram *diagram, uint32_t index, double left);

/* GPUs beside each other; what has no GPU, such as NICs, below them as far as there are. Returns the right end. */
static double
place_columns(FabDiagram *diagram, const GArray *gpus, const GArray *others, double left)
{
    double right = left;

    for (uint32_t i = 0; i < MAX(gpus->len, others->len); i++) {
        double width = 0;

        if (i < gpus->len) {
            uint32_t gpu = g_array_index(gpus, uint32_t, i);
            width = place_tree(diagram, gpu, right);
            if (others->len > 0)
                fab_diagram_item(diagram, gpu)->port = right + NIC_SHIFT / 2.0;
        }
        if (i < others->len) {
            uint32_t other = g_array_index(others, uint32_t, i);
            double start = i < gpus->len ? NIC_SHIFT : 0;
            double other_width = place_tree(diagram, other, right + start);
            FabDiagramItem *item = fab_diagram_item(diagram, other);
            if (other_width < NARROW)
                item->port = item->area.left + 12;
            width = MAX(width, start + other_width);
        }
        right += width + COLUMN_GAP;
    }
    return right;
}

/* Places what hangs on an item; returns the right end with a gap behind it. */
static double
place_children(FabDiagram *diagram, const GArray *children, double left)
{
    g_autoptr(GArray) gpus = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    uint32_t before = FAB_DIAGRAM_NONE;
    double right = left;

    for (uint32_t i = 0; i < children->len; i++) {
        uint32_t child = g_array_index(children, uint32_t, i);
        const FabDiagramItem *item = fab_diagram_item(diagram, child);

        if (item->layer == FAB_DIAGRAM_GPU) {
            g_array_append_val(gpus, child);
        } else if (item->order == FAB_DIAGRAM_NONE) {
            g_array_append_val(others, child);
        } else {
            if (before != FAB_DIAGRAM_NONE)
                right += MAX(0, label_room(diagram, before, child) - COLUMN_GAP);
            right += place_tree(diagram, child, right) + COLUMN_GAP;
            before = child;
        }
    }
    return place_columns(diagram, gpus, others, right);
}

/* Places an item and everything on it from `left`; returns the width. */
static double
place_tree(FabDiagram *diagram, uint32_t index, double left)
{
    FabDiagramItem *item = fab_diagram_item(diagram, index);
    double needed = fab_diagram_name_width(diagram, index);
    double content, width;

    if (item->layer == FAB_DIAGRAM_GPU || item->layer == FAB_DIAGRAM_NIC) {
        width = MAX(item->layer == FAB_DIAGRAM_GPU ? GPU_WIDTH : NIC_WIDTH, needed - 8);
        put(item, left, width, left + width / 2);
        return width;
    }
    content = place_children(diagram, item->children, left) - COLUMN_GAP - left;
    width = MAX(content, needed);
    for (uint32_t i = 0; i < item->children->len; i++) {
        FabDiagramItem *child = fab_diagram_item(diagram, g_array_index(item->children, uint32_t, i));

        shift(diagram, g_array_index(item->children, uint32_t, i), (width - content) / 2);
        /* Room for the label to the right of the only line of a narrow device. */
        if (item->children->len == 1 && child->area.right - child->area.left < NARROW)
            child->port = child->area.left + NIC_SHIFT;
    }
    put(item, left, width, left + (width < NARROW ? NIC_SHIFT : width / 2));
    return width;
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

/* A NUMA node with nothing on it stands below those of its socket that have something. */
static bool
is_bare(const FabDiagram *diagram, const GArray *roots, uint32_t root)
{
    const FabTopologyVertex *vertex = fab_diagram_vertex(diagram, root);

    if (!has_frame(diagram, root) || fab_diagram_item(diagram, root)->children->len > 0)
        return false;
    for (uint32_t i = 0; i < roots->len; i++) {
        uint32_t other = g_array_index(roots, uint32_t, i);

        if (has_frame(diagram, other) && fab_diagram_vertex(diagram, other)->socket == vertex->socket &&
            fab_diagram_item(diagram, other)->children->len > 0)
            return true;
    }
    return false;
}

/* Each in a row of its own, one below the other. */
static void
lower_bare(FabDiagram *diagram, uint32_t unit)
{
    g_autoptr(GArray) roots = unit_roots(diagram, unit);
    int32_t socket = -1;
    uint32_t depth = 0;

    for (uint32_t i = 0; i < roots->len; i++) {
        uint32_t root = g_array_index(roots, uint32_t, i);

        depth = fab_diagram_vertex(diagram, root)->socket == socket ? depth : 0;
        socket = fab_diagram_vertex(diagram, root)->socket;
        if (is_bare(diagram, roots, root))
            fab_diagram_item(diagram, root)->depth = ++depth;
    }
}

/* As wide as what its socket holds. */
static void
place_bare(FabDiagram *diagram, const GArray *roots, uint32_t bare)
{
    int32_t socket = fab_diagram_vertex(diagram, bare)->socket;
    double left = INFINITY, right = -INFINITY;

    for (uint32_t i = 0; i < roots->len; i++) {
        uint32_t root = g_array_index(roots, uint32_t, i);
        const FabDiagramItem *item = fab_diagram_item(diagram, root);

        if (fab_diagram_vertex(diagram, root)->socket != socket || is_bare(diagram, roots, root))
            continue;
        left = MIN(left, item->area.left);
        right = MAX(right, item->area.right);
    }
    put(fab_diagram_item(diagram, bare), left, right - left, (left + right) / 2);
}

/* A frame round what lies between `area.left` and `area.right`: of a NUMA node when it is an inner one. */
static void
add_frame(FabDiagram *diagram, FabDiagramFrame frame, int32_t number)
{
    double pad = frame.inner ? FRAME_PAD / 2.0 : FRAME_PAD;

    frame.label = g_strdup_printf("%s %d", frame.inner ? "NUMA node" : "Socket", number);
    frame.id = g_strdup_printf("cluster_unit%u_%s%d", frame.unit, frame.inner ? "numa" : "socket", number);
    frame.area.left -= pad;
    frame.area.right += pad;
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
        double right = -INFINITY;

        if (!has_frame(diagram, first)) {
            i++;
            continue;
        }
        while (end < roots->len && has_frame(diagram, g_array_index(roots, uint32_t, end)) &&
               fab_diagram_vertex(diagram, g_array_index(roots, uint32_t, end))->socket == vertex->socket)
            end++;
        for (uint32_t k = i; k < end; k++)
            right = MAX(right, fab_diagram_item(diagram, g_array_index(roots, uint32_t, k))->area.right);
        add_frame(diagram, (FabDiagramFrame) { .unit = unit, .area.left = fab_diagram_item(diagram, first)->area.left,
                                               .area.right = right }, vertex->socket);
        for (uint32_t k = i; end - i > 1 && k < end; k++) {
            uint32_t root = g_array_index(roots, uint32_t, k);
            const FabDiagramItem *item = fab_diagram_item(diagram, root);

            if (fab_diagram_vertex(diagram, root)->numa >= 0 && !is_bare(diagram, roots, root))
                add_frame(diagram, (FabDiagramFrame) { .unit = unit, .inner = true, .area.left = item->area.left,
                                                       .area.right = item->area.right },
                          fab_diagram_vertex(diagram, root)->numa);
        }
        i = end;
    }
}

/* Between roots; room for the labels of links between neighbours, and between their sockets. */
static double
gap_between(const FabDiagram *diagram, const GArray *roots, uint32_t a, uint32_t b)
{
    int32_t sockets[] = { fab_diagram_vertex(diagram, a)->socket, fab_diagram_vertex(diagram, b)->socket };
    bool same_socket = sockets[0] == sockets[1];
    double room = label_room(diagram, a, b);

    for (uint32_t i = 0; i < roots->len && !same_socket; i++) {
        for (uint32_t k = 0; k < roots->len; k++) {
            uint32_t first = g_array_index(roots, uint32_t, i), second = g_array_index(roots, uint32_t, k);
            if (fab_diagram_vertex(diagram, first)->socket == sockets[0] &&
                fab_diagram_vertex(diagram, second)->socket == sockets[1])
                room = MAX(room, label_room(diagram, first, second));
        }
    }
    if (room > 0)
        room += same_socket ? FRAME_PAD : 2 * FRAME_PAD;
    return MAX(room, same_socket ? ROOT_GAP : SOCKET_GAP);
}

static double
place_unit(FabDiagram *diagram, uint32_t index, double left)
{
    FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, index);
    g_autoptr(GArray) roots = unit_roots(diagram, index);
    uint32_t before = FAB_DIAGRAM_NONE;
    double right = left;

    for (uint32_t i = 0; i < roots->len; i++) {
        uint32_t root = g_array_index(roots, uint32_t, i);

        if (is_bare(diagram, roots, root))
            continue;
        if (before != FAB_DIAGRAM_NONE)
            right += gap_between(diagram, roots, before, root);
        right += place_tree(diagram, root, right);
        before = root;
    }
    for (uint32_t i = 0; i < roots->len; i++) {
        if (is_bare(diagram, roots, g_array_index(roots, uint32_t, i)))
            place_bare(diagram, roots, g_array_index(roots, uint32_t, i));
    }
    frame_sockets(diagram, index, roots);
    unit->area.left = left - FRAME_PAD * 2;
    unit->area.right = right + FRAME_PAD * 2;
    return right;
}

/* ------------------------------------------------------------------ rows */

/* Lines that the notes of a layer take beyond the first. */
static uint32_t
long_note(const FabDiagram *diagram, FabDiagramLayer layer)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < diagram->items->len; i++) {
        g_autofree char *note = NULL;
        uint32_t lines = 0;

        if (fab_diagram_item(diagram, i)->layer != layer)
            continue;
        note = fab_diagram_vertex_note(fab_diagram_vertex(diagram, i), 1);
        for (const char *at = note; at != NULL && (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        most = MAX(most, lines);
    }
    return most;
}

/* Which rows there are, and where; all from the top of the GPUs. */
static double
place_rows(FabDiagram *diagram)
{
    static const double heights[] = { BAR_HEIGHT, GPU_HEIGHT, NIC_HEIGHT, BAR_HEIGHT, BAR_HEIGHT, BAR_HEIGHT + 4 };
    double y = 0;

    for (int layer = FAB_DIAGRAM_GPU; layer <= FAB_DIAGRAM_CPU; layer++) {
        double height = heights[layer] + LINE_HEIGHT * (double)long_note(diagram, (FabDiagramLayer)layer);

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
            /* The frames of NUMA nodes end between the rows of CPUs. */
            y += found ? height + ROW_GAP + (layer == FAB_DIAGRAM_CPU && deeper ? FRAME_LABEL : 0) : 0;
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
                                                         fab_diagram_item(diagram, b)->area.left)) + 30);
    }
    return height;
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
    double inner_bottom = 0;

    for (uint32_t i = 0; i < diagram->frames->len; i++)
        nested = nested || g_array_index(diagram->frames, FabDiagramFrame, i).inner;
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        const FabDiagramItem *item = fab_diagram_item(diagram, i);
        if (item->layer == FAB_DIAGRAM_CPU && item->depth == 0)
            inner_bottom = MAX(inner_bottom, item->area.bottom);
    }
    for (uint32_t i = 0; i < diagram->frames->len; i++) {
        FabDiagramFrame *frame = &g_array_index(diagram->frames, FabDiagramFrame, i);

        frame->area.top = frame->inner ? -FRAME_PAD / 2.0 : -FRAME_PAD;
        frame->area.bottom = (frame->inner ? inner_bottom : bottom + (nested ? FRAME_LABEL + 4 : 0)) + FRAME_LABEL;
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
    double right = 0, bottom, arcs, spare;

    for (uint32_t u = 0; u < diagram->units->len; u++)
        lower_bare(diagram, u);
    bottom = place_rows(diagram);
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
    fab_diagram_place_spines(diagram, arcs);
    close_frames(diagram, bottom);
    diagram->area.left = -FRAME_PAD * 2;
    diagram->area.right = right + FRAME_PAD * 2;
    diagram->area.top = MIN(diagram->area.top, diagram->units->len > 0 ? -FRAME_PAD * 2 : 0);
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        diagram->area.left = MIN(diagram->area.left, fab_diagram_item(diagram, i)->area.left);
        diagram->area.right = MAX(diagram->area.right, fab_diagram_item(diagram, i)->area.right);
    }
    spare = MAX(0, (MIN_WIDTH - (diagram->area.right - diagram->area.left)) / 2);
    diagram->area.left -= spare;
    diagram->area.right += spare;
}
