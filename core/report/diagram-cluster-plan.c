/*
 * A cluster on one page: rows of switches from cores down to leaves, then the nodes. What is alike is one box with a
 * count; the first node shows its NICs.
 */
#include "report/diagram-cluster.h"

#include <math.h>
#include <string.h>

#include "base/units.h"

enum { BOX_WIDTH = 116, GAP = 20, ROW_GAP = 104, MOST_BOXES = 16, FEW = 8, KEPT = 4, MOST_DETAIL = 16, SMALL_WIDTH = 62,
       SMALL_GAP = 8, SMALL_HEIGHT = 32 };

static bool
is_switch(const FabClusterPage *page, FabVertex vertex)
{
    return fab_cluster_vertex(page, vertex)->node == FAB_NODE_NONE;
}

/* ------------------------------------------------------------------ levels */

static bool
joins_leaves(const FabClusterPage *page, const FabTopologyLink *link)
{
    return is_switch(page, link->a) && is_switch(page, link->b) && page->level[link->a] == 1 &&
           page->level[link->b] == 1;
}

/* A network without spines, as a dragonfly or a torus: also the switches that no NIC hangs on are beside the others. */
static bool
is_flat(const FabClusterPage *page)
{
    for (uint32_t l = 0; l < page->topology->link_count; l++)
        if (joins_leaves(page, &page->topology->links[l]))
            return true;
    return false;
}

/* Leaves, which NICs hang on, are level 1; a switch above them is one more than its lowest neighbour. */
static void
find_levels(FabClusterPage *page)
{
    const FabTopology *topology = page->topology;
    bool found = true;

    for (uint32_t l = 0; l < topology->link_count; l++) {
        const FabTopologyLink *link = &topology->links[l];
        if (is_switch(page, link->a) != is_switch(page, link->b))
            page->level[is_switch(page, link->a) ? link->a : link->b] = 1;
    }
    if (is_flat(page))
        for (FabVertex v = 0; v < topology->vertex_count; v++)
            page->level[v] = is_switch(page, v) ? 1 : 0;
    for (page->levels = 0; found; page->levels++) {
        found = false;
        for (uint32_t l = 0; l < topology->link_count; l++) {
            FabVertex a = topology->links[l].a, b = topology->links[l].b;
            if (!is_switch(page, a) || !is_switch(page, b))
                continue;
            for (int way = 0; way < 2; way++) {
                FabVertex low = way == 0 ? a : b, high = way == 0 ? b : a;
                if (page->level[low] == page->levels + 1 && page->level[high] == 0) {
                    page->level[high] = page->levels + 2;
                    found = true;
                }
            }
        }
    }
}

/* ------------------------------------------------------------------ boxes */

static uint32_t
add_box(FabClusterPage *page, uint32_t level, FabClusterBox box)
{
    uint32_t index = page->boxes->len;

    g_array_append_val(page->boxes, box);
    g_array_append_val(page->rows[level], index);
    return index;
}

/* Cables of a switch by where they lead, and the lowest and highest place of what hangs on it. */
static void
look_at_switch(const FabClusterPage *page, FabVertex vertex, FabClusterBox *box, uint32_t *low, uint32_t *high)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(page->topology, vertex, &count);

    *low = UINT32_MAX;
    *high = 0;
    for (uint32_t i = 0; i < count; i++) {
        FabVertex other = fab_link_other_end(&page->topology->links[links[i]], vertex);
        uint32_t place = is_switch(page, other) ? page->box_of[other] : fab_cluster_vertex(page, other)->node;
        if (page->level[other] > page->level[vertex]) {
            box->up++;
        } else if (page->level[other] == page->level[vertex]) {
            box->side++;
        } else {
            box->down++;
            *low = MIN(*low, place);
            *high = MAX(*high, place);
        }
    }
}

static char *
ports_of(const FabClusterBox *box)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (box->down > 0)
        g_string_append_printf(text, "%u down", box->down);
    if (box->up > 0)
        g_string_append_printf(text, "%s%u up", text->len > 0 ? ", " : "", box->up);
    if (box->side > 0)
        g_string_append_printf(text, "%s%u across", text->len > 0 ? ", " : "", box->side);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* What a box of several holds is named by its first and last. */
static void
name_switches(const FabClusterPage *page, FabClusterBox *box, FabVertex last)
{
    const char *first = fab_cluster_vertex(page, box->first)->name;
    g_autofree char *ports = ports_of(box);
    const char *tail = fab_cluster_vertex(page, last)->name;
    size_t stem = 0;

    for (size_t i = 0; first[i] != '\0' && first[i] == tail[i]; i++)
        stem = first[i] == ' ' ? i + 1 : stem; /* whole words only: a part of a number says nothing */
    box->name = box->members == 1 ? g_strdup(first) : g_strdup_printf("%s..%s", first, tail + stem);
    box->note = box->members == 1 ? g_strdup(ports)
                                  : g_strdup_printf("%u switches\n%s each", box->members, ports);
}

/* Switches of a level that hang on the same things are one box, unless there are few. */
static void
add_switches(FabClusterPage *page, uint32_t level)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree FabVertex *last = g_new0(FabVertex, page->topology->vertex_count + 1);
    guint first_box = page->boxes->len;
    uint32_t count = 0;

    for (FabVertex v = 0; v < page->topology->vertex_count; v++)
        count += page->level[v] == level;
    for (FabVertex v = 0; v < page->topology->vertex_count; v++) {
        FabClusterBox box = { .kind = FAB_VERTEX_NET_SWITCH, .first = v };
        g_autofree char *key = NULL;
        uint32_t low, high;
        gpointer found;
        if (page->level[v] != level)
            continue;
        look_at_switch(page, v, &box, &low, &high);
        key = page->expand || count <= FEW ? g_strdup_printf("%u", v)
                                                  : g_strdup_printf("%u-%u %u %u", low, high, box.down, box.up);
        if (!g_hash_table_lookup_extended(known, key, NULL, &found)) {
            found = GUINT_TO_POINTER(add_box(page, level, box));
            g_hash_table_insert(known, g_steal_pointer(&key), found);
        }
        page->box_of[v] = GPOINTER_TO_UINT(found);
        fab_cluster_box(page, GPOINTER_TO_UINT(found))->members++;
        last[GPOINTER_TO_UINT(found) - first_box] = v;
    }
    for (guint i = first_box; i < page->boxes->len; i++)
        name_switches(page, fab_cluster_box(page, i), last[i - first_box]);
}

static uint32_t
nics_of(const FabClusterPage *page, uint32_t node)
{
    const FabTopologyNode *entry = &page->topology->nodes[node];
    uint32_t nics = 0;

    for (FabVertex v = entry->first; v < entry->first + entry->vertices; v++)
        nics += fab_cluster_vertex(page, v)->kind == FAB_VERTEX_NIC;
    return nics;
}

/* The leaves that a node hangs on, as a text; equal texts: equal places. */
static char *
place_of_node(const FabClusterPage *page, uint32_t node)
{
    const FabTopologyNode *entry = &page->topology->nodes[node];
    g_autoptr(GString) text = g_string_new(entry->machine);

    for (FabVertex v = entry->first; v < entry->first + entry->vertices; v++) {
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(page->topology, v, &count);
        for (uint32_t i = 0; i < count && fab_cluster_vertex(page, v)->kind == FAB_VERTEX_NIC; i++) {
            FabVertex other = fab_link_other_end(&page->topology->links[links[i]], v);
            if (is_switch(page, other))
                g_string_append_printf(text, " %u", page->box_of[other]);
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
name_nodes(const FabClusterPage *page, FabClusterBox *box, uint32_t last)
{
    const FabTopologyNode *node = &page->topology->nodes[box->first];
    uint32_t nics = nics_of(page, box->first);
    g_autofree char *holds = g_strdup_printf("%u GPU%s, %u NIC%s each", node->gpus, fab_plural(node->gpus), nics,
                                             fab_plural(nics));

    box->name = box->members == 1 ? g_strdup_printf("Node %u", last)
                                  : g_strdup_printf("Nodes %u..%u", box->first, last);
    if (box->members > 1)
        box->note = g_strdup_printf("%u x %s\n%s", box->members, node->title, holds);
    else
        box->note = g_strdup_printf("%s\n%u GPU%s, %u NIC%s", node->title, node->gpus, fab_plural(node->gpus), nics,
                                    fab_plural(nics));
}

/* The first node, NIC by NIC, with the GPUs beside them. */
static void
add_detail(FabClusterPage *page)
{
    const FabTopologyNode *node = &page->topology->nodes[0];

    for (FabVertex v = node->first; v < node->first + node->vertices; v++) {
        FabClusterBox box = { .kind = FAB_VERTEX_NIC, .first = v, .members = 1, .small = true };
        if (fab_cluster_vertex(page, v)->kind != FAB_VERTEX_NIC)
            continue;
        box.name = g_strdup_printf("NIC %u", fab_cluster_vertex(page, v)->number);
        box.note = NULL;
        page->box_of[v] = add_box(page, 0, box);
    }
}

static void
add_nodes(FabClusterPage *page)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree uint32_t *last = g_new0(uint32_t, page->topology->node_count + page->boxes->len + 1);
    uint32_t first = page->detail ? 1 : 0;
    guint first_box;

    if (page->detail)
        add_detail(page);
    first_box = page->boxes->len;
    for (uint32_t n = first; n < page->topology->node_count; n++) {
        g_autofree char *key = page->expand ? g_strdup_printf("%u", n) : place_of_node(page, n);
        gpointer found;
        if (!g_hash_table_lookup_extended(known, key, NULL, &found)) {
            found = GUINT_TO_POINTER(add_box(page, 0, (FabClusterBox) { .kind = FAB_VERTEX_CPU, .first = n }));
            g_hash_table_insert(known, g_steal_pointer(&key), found);
        }
        page->node_box[n] = GPOINTER_TO_UINT(found);
        fab_cluster_box(page, GPOINTER_TO_UINT(found))->members++;
        last[GPOINTER_TO_UINT(found) - first_box] = n;
    }
    for (guint i = first_box; i < page->boxes->len; i++)
        name_nodes(page, fab_cluster_box(page, i), last[i - first_box]);
}

/* ------------------------------------------------------------------ folding long rows */

static void
replace_box(FabClusterPage *page, uint32_t from, uint32_t to)
{
    for (FabVertex v = 0; v < page->topology->vertex_count; v++) {
        if (page->box_of[v] == from)
            page->box_of[v] = to;
    }
    for (uint32_t n = 0; n < page->topology->node_count; n++) {
        if (page->node_box[n] == from)
            page->node_box[n] = to;
    }
}

/* The middle of a row that is too long for a page becomes one box. */
static void
fold_row(FabClusterPage *page, GArray *row)
{
    guint small = 0;

    for (guint i = 0; i < row->len; i++)
        small += fab_cluster_box(page, g_array_index(row, uint32_t, i))->small;
    if (page->expand || row->len - small <= MOST_BOXES)
        return;
    {
        uint32_t at = g_array_index(row, uint32_t, small + KEPT);
        FabClusterBox *box = fab_cluster_box(page, at);
        guint folded = row->len - small - KEPT - 1;
        const char *what = box->kind == FAB_VERTEX_NET_SWITCH ? "switches" : "nodes";
        for (guint i = 1; i < folded; i++) {
            uint32_t other = g_array_index(row, uint32_t, small + KEPT + i);
            box->members += fab_cluster_box(page, other)->members;
            replace_box(page, other, at);
        }
        g_array_remove_range(row, small + KEPT + 1, folded - 1);
        g_free(box->name);
        g_free(box->note);
        box->name = g_strdup_printf("%u more", folded);
        box->note = g_strdup_printf("%u %s,\nlike those beside", box->members, what);
    }
}

/* ------------------------------------------------------------------ edges */

static uint32_t
end_of(const FabClusterPage *page, FabVertex vertex)
{
    if (page->box_of[vertex] != FAB_DIAGRAM_NONE || is_switch(page, vertex))
        return page->box_of[vertex];
    return page->node_box[fab_cluster_vertex(page, vertex)->node];
}

static void
add_edges(FabClusterPage *page)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    for (uint32_t l = 0; l < page->topology->link_count; l++) {
        const FabTopologyLink *link = &page->topology->links[l];
        uint32_t a = end_of(page, link->a), b = end_of(page, link->b);
        gint64 key = (gint64)((uint64_t)MIN(a, b) << 32 | MAX(a, b)); /* a box that is none has all bits */
        FabClusterEdge edge = { .a = MIN(a, b), .b = MAX(a, b), .link = l, .load = NAN, .left = 1 };
        FabClusterEdge *it;
        gpointer found;
        if (!is_switch(page, link->a) && !is_switch(page, link->b))
            continue;
        if (a == b) {
            fab_cluster_box(page, a)->inside++;
            continue;
        }
        if (!g_hash_table_lookup_extended(known, &key, NULL, &found)) {
            found = GUINT_TO_POINTER(page->edges->len);
            g_array_append_val(page->edges, edge);
            g_hash_table_insert(known, g_memdup2(&key, sizeof key), found);
        }
        it = &g_array_index(page->edges, FabClusterEdge, GPOINTER_TO_UINT(found));
        it->count++;
        it->left = fmin(it->left, fab_diagram_left(page->kept, l));
        it->faults += fab_diagram_left(page->kept, l) < 1;
        if (page->load != NULL)
            it->load = fmax(it->load, fmax(page->load->load[2 * l], page->load->load[2 * l + 1]));
    }
}

/* ------------------------------------------------------------------ places */

static double
text_width_of(const FabClusterBox *box)
{
    g_auto(GStrv) lines = g_strsplit(box->note != NULL ? box->note : "", "\n", -1);
    double width = fab_diagram_text_width(box->name, 11, true);

    for (uint32_t i = 0; lines[i] != NULL; i++)
        width = fmax(width, fab_diagram_text_width(lines[i], 9, false));
    return width + 16;
}

static double
width_of(const FabClusterBox *box)
{
    return box->small ? SMALL_WIDTH : fmax(BOX_WIDTH, text_width_of(box));
}

static double
row_width(const FabClusterPage *page, const GArray *row)
{
    double width = 0, room;
    uint32_t small = 0;

    for (guint i = 0; i < row->len; i++) {
        const FabClusterBox *box = fab_cluster_box(page, g_array_index(row, uint32_t, i));
        width += width_of(box) + (box->small ? SMALL_GAP : GAP);
        small += box->small;
    }
    room = FAB_CLUSTER_DETAIL_WIDTH - small * (double)(SMALL_WIDTH + SMALL_GAP);
    return width + (small > 0 ? fmax(0, room) + 2 * GAP : 0);
}

/* Cables between switches of one row are arcs above it. */
static double
arcs_height(const FabClusterPage *page)
{
    double height = 0;

    for (guint i = 0; i < page->edges->len; i++) {
        const FabClusterEdge *edge = &g_array_index(page->edges, FabClusterEdge, i);
        const FabClusterBox *a = fab_cluster_box(page, edge->a), *b = fab_cluster_box(page, edge->b);
        if (a->area.top == b->area.top)
            height = fmax(height, fab_diagram_arc_height(fabs(a->area.left - b->area.left)) * 0.6);
    }
    return height;
}

/* Rows are centred over each other; the nodes are at the bottom. */
static void
place_rows(FabClusterPage *page)
{
    double widest = 0, y = 0;

    for (uint32_t level = 0; level <= page->levels; level++)
        widest = fmax(widest, row_width(page, page->rows[level]));
    for (uint32_t level = page->levels + 1; level-- > 0;) {
        const GArray *row = page->rows[level];
        double x = (widest - row_width(page, row)) / 2;
        double height = FAB_CLUSTER_BOX_HEIGHT;
        bool small = true;
        for (guint i = 0; i < row->len; i++) {
            FabClusterBox *box = fab_cluster_box(page, g_array_index(row, uint32_t, i));
            double width = width_of(box);
            if (!box->small && small && i > 0) /* the frame of the first node may be wider than its NICs */
                x = fmax(x, fab_cluster_box(page, g_array_index(row, uint32_t, 0))->area.left +
                                FAB_CLUSTER_DETAIL_WIDTH) + 2 * GAP;
            small = box->small;
            box->area = (FabDiagramArea) { x, y, x + width, y + FAB_CLUSTER_BOX_HEIGHT + 8 };
            if (box->small)
                box->area.bottom = y + SMALL_HEIGHT;
            x += width + (box->small ? SMALL_GAP : GAP);
        }
        page->right = fmax(page->right, x);
        if (row->len > 0)
            y += height + ROW_GAP;
    }
    page->left = -FAB_CLUSTER_CAPTION_WIDTH - GAP;
    page->top = -FAB_CLUSTER_PAD - arcs_height(page);
    page->bottom = y - ROW_GAP + FAB_CLUSTER_BOX_HEIGHT / 2.0 + FAB_CLUSTER_PAD +
                   (page->detail ? SMALL_HEIGHT + 3 * FAB_CLUSTER_PAD : 0);
}

/* ------------------------------------------------------------------ all of it */

FabClusterPage *
fab_cluster_page_new(const FabTopology *topology, const FabDiagramLoad *load, const double *left, bool expand)
{
    FabClusterPage *page = g_new0(FabClusterPage, 1);

    page->topology = topology;
    page->load = load;
    page->kept = left;
    page->expand = expand;
    page->level = g_new0(uint32_t, topology->vertex_count);
    page->box_of = g_new(uint32_t, topology->vertex_count);
    page->node_box = g_new(uint32_t, topology->node_count);
    page->boxes = g_array_new(FALSE, TRUE, sizeof(FabClusterBox));
    page->edges = g_array_new(FALSE, TRUE, sizeof(FabClusterEdge));
    memset(page->box_of, 0xff, topology->vertex_count * sizeof *page->box_of);
    memset(page->node_box, 0xff, topology->node_count * sizeof *page->node_box);
    find_levels(page);
    page->detail = nics_of(page, 0) <= MOST_DETAIL && nics_of(page, 0) > 0;
    page->rows = g_new(GArray *, page->levels + 1);
    for (uint32_t l = 0; l <= page->levels; l++)
        page->rows[l] = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (uint32_t l = 1; l <= page->levels; l++)
        add_switches(page, l);
    add_nodes(page);
    for (uint32_t l = 0; l <= page->levels; l++)
        fold_row(page, page->rows[l]);
    add_edges(page);
    place_rows(page);
    return page;
}

void
fab_cluster_page_free(FabClusterPage *page)
{
    if (page == NULL)
        return;
    for (guint i = 0; i < page->boxes->len; i++) {
        g_free(fab_cluster_box(page, i)->name);
        g_free(fab_cluster_box(page, i)->note);
    }
    for (uint32_t l = 0; l <= page->levels; l++)
        g_array_unref(page->rows[l]);
    g_free(page->rows);
    g_array_unref(page->boxes);
    g_array_unref(page->edges);
    g_free(page->level);
    g_free(page->box_of);
    g_free(page->node_box);
    g_free(page);
}
