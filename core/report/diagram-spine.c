/* Switches of the fabric above the GPUs, each a bar as wide as what it joins. */
#include "report/diagram.h"

#include <math.h>

/* Points: between rows, and between bars of one row. */
enum { BAR_HEIGHT = FAB_DIAGRAM_BAR_HEIGHT, FRAME_PAD = FAB_DIAGRAM_FRAME_PAD, FABRIC_GAP = 52, SIDE_GAP = 21 };

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
        FabVertex other = fab_link_other_end(link, vertex);
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
            item->area.left < span->right + SIDE_GAP && item->area.right > span->left - SIDE_GAP)
            return false;
    }
    return true;
}

/*
 * NVSwitches or a shared memory above the GPUs, network switches above them; each as wide as what it joins. Returns the
 * rows.
 */
static uint32_t
place_spines(FabDiagram *diagram)
{
    uint32_t rows = 0;

    for (int pass = 0; pass < 4; pass++) {
        uint32_t first_row = pass == 0 ? 0 : rows;

        for (uint32_t i = 0; i < diagram->items->len; i++) {
            FabDiagramItem *item = fab_diagram_item(diagram, i);
            FabDiagramArea span;
            double needed, wider;
            bool network = fab_diagram_vertex(diagram, i)->kind == FAB_VERTEX_NET_SWITCH;

            if (item->layer != FAB_DIAGRAM_SPINE || item->area.right > item->area.left ||
                network != (pass > 0) || !spine_span(diagram, i, &span, &first_row))
                continue;
            needed = fab_diagram_name_width(diagram, i);
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

void
fab_diagram_place_spines(FabDiagram *diagram, double arcs)
{
    lift_spines(diagram, arcs, place_spines(diagram));
}
