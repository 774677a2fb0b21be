/* What of a machine is drawn: PCIe trees, repeated parts folded, switches of the fabric above them. */
#include "report/diagram.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* Fold from this many equal boxes on, and split one box by its trees above this many GPUs. */
enum { FOLD_FROM = 3, SPLIT_ABOVE = 16 };

static bool
is_spine(FabVertexKind kind)
{
    return kind == FAB_VERTEX_NVSWITCH || kind == FAB_VERTEX_NET_SWITCH || kind == FAB_VERTEX_MEMORY;
}

static bool
is_leaf(FabVertexKind kind)
{
    return kind == FAB_VERTEX_GPU || kind == FAB_VERTEX_NIC;
}

static bool
is_tree_medium(FabMedium medium)
{
    return medium == FAB_MEDIUM_PCIE || medium == FAB_MEDIUM_INTERNAL || medium == FAB_MEDIUM_C2C;
}

/* Walks away from the CPUs, breadth first, so that every device hangs below its nearest one. */
static void
grow(FabDiagram *diagram, GQueue *queue, bool *seen)
{
    const FabTopology *topology = diagram->topology;

    while (!g_queue_is_empty(queue)) {
        FabVertex vertex = GPOINTER_TO_UINT(g_queue_pop_head(queue));
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(topology, vertex, &count);

        for (uint32_t i = 0; i < count && !is_leaf(topology->vertices[vertex].kind); i++) {
            const FabTopologyLink *link = &topology->links[links[i]];
            FabVertex other = fab_link_other_end(link, vertex);

            if (seen[other] || !is_tree_medium(link->medium) || is_spine(topology->vertices[other].kind))
                continue;
            seen[other] = true;
            diagram->parent_of[other] = vertex;
            g_queue_push_tail(queue, GUINT_TO_POINTER(other));
        }
    }
}

static void
find_trees(FabDiagram *diagram)
{
    static const FabVertexKind roots[] = { FAB_VERTEX_CPU, FAB_VERTEX_HOST_BRIDGE, FAB_VERTEX_PCIE_SWITCH,
                                           FAB_VERTEX_GPU, FAB_VERTEX_NIC };
    const FabTopology *topology = diagram->topology;
    g_autofree bool *seen = g_new0(bool, topology->vertex_count);
    g_autoptr(GQueue) queue = g_queue_new();

    for (uint32_t i = 0; i < G_N_ELEMENTS(roots); i++) {
        for (FabVertex v = 0; v < topology->vertex_count; v++) {
            if (topology->vertices[v].kind != roots[i] || seen[v])
                continue;
            seen[v] = true;
            g_queue_push_tail(queue, GUINT_TO_POINTER(v));
            /* CPUs grow together; without CPUs, each switch alone. */
            if (roots[i] != FAB_VERTEX_CPU)
                grow(diagram, queue, seen);
        }
        grow(diagram, queue, seen);
    }
}

static FabVertex
root_of(const FabDiagram *diagram, FabVertex vertex)
{
    while (diagram->parent_of[vertex] != FAB_VERTEX_NONE)
        vertex = diagram->parent_of[vertex];
    return vertex;
}

/* What makes a vertex part of a unit: its box, or its tree's root. */
static int64_t
unit_key(const FabDiagram *diagram, FabVertex vertex, bool by_box)
{
    return by_box ? (int64_t)diagram->topology->vertices[vertex].box : (int64_t)root_of(diagram, vertex);
}

static uint32_t
count_boxes(const FabTopology *topology)
{
    g_autoptr(GHashTable) boxes = g_hash_table_new(NULL, NULL);

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        if (!is_spine(topology->vertices[v].kind))
            g_hash_table_add(boxes, GINT_TO_POINTER(topology->vertices[v].box));
    }
    return g_hash_table_size(boxes);
}

static void
add_units(FabDiagram *diagram)
{
    const FabTopology *topology = diagram->topology;
    uint32_t boxes = count_boxes(topology);
    bool by_box = boxes > 1 || topology->gpu_count <= SPLIT_ABOVE;
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        int64_t key = unit_key(diagram, v, by_box);
        gpointer found;
        FabDiagramUnit *unit;

        diagram->unit_of[v] = FAB_DIAGRAM_NONE;
        if (is_spine(topology->vertices[v].kind))
            continue;
        if (!g_hash_table_lookup_extended(known, &key, NULL, &found)) {
            FabDiagramUnit fresh = { .box = boxes > 1 ? topology->vertices[v].box : -1, .like = diagram->units->len,
                                     .alike = 1, .first_gpu = FAB_DIAGRAM_NONE, .last_gpu = FAB_DIAGRAM_NONE };
            found = GUINT_TO_POINTER(diagram->units->len);
            g_array_append_val(diagram->units, fresh);
            g_hash_table_insert(known, g_memdup2(&key, sizeof key), found);
        }
        diagram->unit_of[v] = GPOINTER_TO_UINT(found);
        unit = &g_array_index(diagram->units, FabDiagramUnit, diagram->unit_of[v]);
        if (topology->vertices[v].kind == FAB_VERTEX_GPU) {
            unit->first_gpu = MIN(unit->first_gpu, topology->vertices[v].number);
            unit->last_gpu = unit->last_gpu == FAB_DIAGRAM_NONE ? topology->vertices[v].number
                                                                : MAX(unit->last_gpu, topology->vertices[v].number);
        }
    }
}

/* Words for a link as seen from a unit: places inside are numbers, outside only the kind counts. */
static char *
link_words(const FabDiagram *diagram, const FabTopologyLink *link, uint32_t unit, const uint32_t *place)
{
    const FabTopology *topology = diagram->topology;
    g_autofree char *class = fab_diagram_link_class(link);
    GString *words = g_string_new(class);
    FabVertex ends[] = { link->a, link->b };

    for (int i = 0; i < 2; i++) {
        if (diagram->unit_of[ends[i]] == unit)
            g_string_append_printf(words, "|%u", place[ends[i]]);
        else
            g_string_append_printf(words, "|%s", fab_vertex_kind_name(topology->vertices[ends[i]].kind));
    }
    return g_string_free(words, FALSE);
}

/* Two units with the same text are drawn the same, but for names. */
static char **
describe_units(const FabDiagram *diagram)
{
    const FabTopology *topology = diagram->topology;
    uint32_t count = diagram->units->len;
    g_autofree uint32_t *place = g_new0(uint32_t, topology->vertex_count);
    g_autofree uint32_t *filled = g_new0(uint32_t, count);
    g_autofree GString **texts = g_new(GString *, count);
    char **result = g_new0(char *, count + 1);

    for (uint32_t u = 0; u < count; u++)
        texts[u] = g_string_new(NULL);
    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        const FabTopologyVertex *vertex = &topology->vertices[v];
        uint32_t unit = diagram->unit_of[v];

        if (unit == FAB_DIAGRAM_NONE)
            continue;
        place[v] = filled[unit]++;
        g_string_append_printf(texts[unit], "%s|%s|%u|%u|%.6g|%.6g\n", fab_vertex_kind_name(vertex->kind),
                               vertex->model != NULL ? vertex->model : "", vertex->count, vertex->flags,
                               vertex->peer_limit, vertex->memory_limit);
    }
    for (uint32_t l = 0; l < topology->link_count; l++) {
        const FabTopologyLink *link = &topology->links[l];
        uint32_t a = diagram->unit_of[link->a], b = diagram->unit_of[link->b];

        for (int i = 0; i < (a == b ? 1 : 2); i++) {
            uint32_t unit = i == 0 ? a : b;
            if (unit != FAB_DIAGRAM_NONE) {
                g_autofree char *words = link_words(diagram, link, unit, place);
                g_string_append_printf(texts[unit], "%s\n", words);
            }
        }
    }
    for (uint32_t u = 0; u < count; u++)
        result[u] = g_string_free(texts[u], FALSE);
    return result;
}

static void
fold_units(FabDiagram *diagram)
{
    g_auto(GStrv) texts = describe_units(diagram);
    g_autoptr(GHashTable) first = g_hash_table_new(g_str_hash, g_str_equal);

    for (uint32_t u = 0; u < diagram->units->len; u++) {
        gpointer found;

        if (g_hash_table_lookup_extended(first, texts[u], NULL, &found)) {
            g_array_index(diagram->units, FabDiagramUnit, u).like = GPOINTER_TO_UINT(found);
            g_array_index(diagram->units, FabDiagramUnit, GPOINTER_TO_UINT(found)).alike++;
        } else {
            g_hash_table_insert(first, texts[u], GUINT_TO_POINTER(u));
        }
    }
    for (uint32_t u = 0; u < diagram->units->len; u++) {
        FabDiagramUnit *unit = &g_array_index(diagram->units, FabDiagramUnit, u);
        const FabDiagramUnit *like = &g_array_index(diagram->units, FabDiagramUnit, unit->like);
        FabDiagramBlock *block = NULL;

        if (like->alike < FOLD_FROM || unit->like == u)
            continue;
        unit->folded = true;
        for (uint32_t b = 0; b < diagram->blocks->len && block == NULL; b++) {
            if (g_array_index(diagram->blocks, FabDiagramBlock, b).like == unit->like)
                block = &g_array_index(diagram->blocks, FabDiagramBlock, b);
        }
        if (block == NULL) {
            FabDiagramBlock fresh = { .like = unit->like, .units = g_array_new(FALSE, FALSE, sizeof(uint32_t)) };
            g_array_append_val(diagram->blocks, fresh);
            block = &g_array_index(diagram->blocks, FabDiagramBlock, diagram->blocks->len - 1);
        }
        g_array_append_val(block->units, u);
    }
}

/* Switches of the fabric with the same links to the same places are one with a count. */
static char *
describe_spine(const FabDiagram *diagram, FabVertex vertex)
{
    const FabTopology *topology = diagram->topology;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *all = NULL;

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        g_autofree char *class = fab_diagram_link_class(link);
        g_ptr_array_add(words, g_strdup_printf("%u %s", fab_link_other_end(link, vertex), class));
    }
    g_ptr_array_sort(words, fab_compare_strings);
    g_ptr_array_add(words, NULL);
    all = g_strjoinv("\n", (char **)words->pdata);
    return g_strdup_printf("%d|%s|%u|%u\n%s", topology->vertices[vertex].kind,
                           topology->vertices[vertex].model != NULL ? topology->vertices[vertex].model : "",
                           topology->vertices[vertex].count, topology->vertices[vertex].flags, all);
}

static FabDiagramLayer
layer_of(FabVertexKind kind)
{
    switch (kind) {
    case FAB_VERTEX_GPU:
        return FAB_DIAGRAM_GPU;
    case FAB_VERTEX_NIC:
        return FAB_DIAGRAM_NIC;
    case FAB_VERTEX_PCIE_SWITCH:
        return FAB_DIAGRAM_SWITCH;
    case FAB_VERTEX_HOST_BRIDGE:
        return FAB_DIAGRAM_BRIDGE;
    case FAB_VERTEX_CPU:
        return FAB_DIAGRAM_CPU;
    default:
        return FAB_DIAGRAM_SPINE;
    }
}

static void
add_items(FabDiagram *diagram, bool expand)
{
    const FabTopology *topology = diagram->topology;
    g_autoptr(GHashTable) spines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        uint32_t unit = diagram->unit_of[v];
        FabDiagramItem item = { .vertex = v, .copies = 1, .unit = unit, .parent = FAB_DIAGRAM_NONE,
                                .order = FAB_DIAGRAM_NONE, .layer = layer_of(topology->vertices[v].kind) };

        diagram->item_of[v] = FAB_DIAGRAM_NONE;
        if (unit != FAB_DIAGRAM_NONE && g_array_index(diagram->units, FabDiagramUnit, unit).folded)
            continue;
        if (unit == FAB_DIAGRAM_NONE && !expand) {
            g_autofree char *words = describe_spine(diagram, v);
            gpointer found;

            if (g_hash_table_lookup_extended(spines, words, NULL, &found)) {
                diagram->item_of[v] = GPOINTER_TO_UINT(found);
                g_array_index(diagram->items, FabDiagramItem, diagram->item_of[v]).copies++;
                continue;
            }
            g_hash_table_insert(spines, g_steal_pointer(&words), GUINT_TO_POINTER(diagram->items->len));
        }
        item.children = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        diagram->item_of[v] = diagram->items->len;
        g_array_append_val(diagram->items, item);
    }
}

typedef struct {
    uint64_t key;
    uint32_t item;
} Sortable;

static int
compare_sortable(const void *a, const void *b)
{
    const Sortable *left = a, *right = b;

    return left->key < right->key ? -1 : left->key > right->key;
}

/* Children in the order of the GPUs below them, then of creation. */
static void
order_children(FabDiagram *diagram, GArray *children)
{
    g_autofree Sortable *list = g_new(Sortable, children->len);

    for (uint32_t i = 0; i < children->len; i++) {
        uint32_t item = g_array_index(children, uint32_t, i);
        list[i].key = (uint64_t)g_array_index(diagram->items, FabDiagramItem, item).order << 32 | item;
        list[i].item = item;
    }
    if (children->len > 0) /* the list of none is NULL, which qsort() may not be given */
        qsort(list, children->len, sizeof *list, compare_sortable);
    for (uint32_t i = 0; i < children->len; i++)
        g_array_index(children, uint32_t, i) = list[i].item;
}

static void
link_items(FabDiagram *diagram)
{
    const FabTopology *topology = diagram->topology;

    for (uint32_t i = 0; i < diagram->items->len; i++) {
        FabDiagramItem *item = &g_array_index(diagram->items, FabDiagramItem, i);
        FabVertex parent = diagram->parent_of[item->vertex];

        if (parent != FAB_VERTEX_NONE && diagram->item_of[parent] != FAB_DIAGRAM_NONE) {
            item->parent = diagram->item_of[parent];
            g_array_append_val(g_array_index(diagram->items, FabDiagramItem, item->parent).children, i);
        }
    }
    for (uint32_t g = 0; g < topology->gpu_count; g++) {
        uint32_t i = diagram->item_of[topology->gpus[g]];

        while (i != FAB_DIAGRAM_NONE) {
            FabDiagramItem *item = &g_array_index(diagram->items, FabDiagramItem, i);
            item->order = MIN(item->order, g);
            i = item->parent;
        }
    }
    for (uint32_t i = 0; i < diagram->items->len; i++)
        order_children(diagram, g_array_index(diagram->items, FabDiagramItem, i).children);
}

/* A switch lies below the switches that hang on it; the deepest row of switches touches the host bridges. */
static uint32_t
switch_height(FabDiagram *diagram, uint32_t index)
{
    FabDiagramItem *item = &g_array_index(diagram->items, FabDiagramItem, index);
    uint32_t height = 0;

    for (uint32_t i = 0; i < item->children->len; i++)
        height = MAX(height, switch_height(diagram, g_array_index(item->children, uint32_t, i)));
    if (item->layer != FAB_DIAGRAM_SWITCH)
        return height;
    item->depth = height;
    return height + 1;
}

static bool
joins_boxes(const FabTopology *topology)
{
    for (FabVertex v = 0; v < topology->vertex_count; v++) {
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(topology, v, &count);
        int32_t box = INT32_MIN;

        for (uint32_t i = 0; i < count && topology->vertices[v].kind == FAB_VERTEX_NVSWITCH; i++) {
            const FabTopologyLink *link = &topology->links[links[i]];
            const FabTopologyVertex *other = &topology->vertices[fab_link_other_end(link, v)];

            if (other->kind != FAB_VERTEX_GPU)
                continue;
            if (box != INT32_MIN && other->box != box)
                return true;
            box = other->box;
        }
    }
    return false;
}

FabDiagram *
fab_diagram_new(const FabTopology *topology, const FabDiagramLoad *load, const double *left, bool expand)
{
    FabDiagram *diagram = g_new0(FabDiagram, 1);
    size_t count = topology->vertex_count;

    diagram->topology = topology;
    diagram->load = load;
    diagram->left = left;
    diagram->items = g_array_new(FALSE, TRUE, sizeof(FabDiagramItem));
    diagram->units = g_array_new(FALSE, TRUE, sizeof(FabDiagramUnit));
    diagram->blocks = g_array_new(FALSE, TRUE, sizeof(FabDiagramBlock));
    diagram->frames = g_array_new(FALSE, TRUE, sizeof(FabDiagramFrame));
    diagram->edges = g_array_new(FALSE, TRUE, sizeof(FabDiagramEdge));
    diagram->item_of = g_new(uint32_t, count);
    diagram->unit_of = g_new(uint32_t, count);
    diagram->parent_of = g_new(uint32_t, count);
    memset(diagram->parent_of, 0xff, count * sizeof(uint32_t));
    diagram->shared_fabric = joins_boxes(topology);

    find_trees(diagram);
    add_units(diagram);
    if (!expand)
        fold_units(diagram);
    add_items(diagram, expand);
    link_items(diagram);
    for (uint32_t i = 0; i < diagram->items->len; i++) {
        if (g_array_index(diagram->items, FabDiagramItem, i).parent == FAB_DIAGRAM_NONE)
            switch_height(diagram, i);
    }
    return diagram;
}

void
fab_diagram_free(FabDiagram *diagram)
{
    if (diagram == NULL)
        return;
    for (uint32_t i = 0; i < diagram->items->len; i++)
        g_array_unref(g_array_index(diagram->items, FabDiagramItem, i).children);
    for (uint32_t i = 0; i < diagram->blocks->len; i++)
        g_array_unref(g_array_index(diagram->blocks, FabDiagramBlock, i).units);
    for (uint32_t i = 0; i < diagram->frames->len; i++) {
        g_free(g_array_index(diagram->frames, FabDiagramFrame, i).label);
        g_free(g_array_index(diagram->frames, FabDiagramFrame, i).id);
    }
    for (uint32_t i = 0; i < diagram->edges->len; i++)
        g_free(g_array_index(diagram->edges, FabDiagramEdge, i).label);
    g_array_unref(diagram->items);
    g_array_unref(diagram->units);
    g_array_unref(diagram->blocks);
    g_array_unref(diagram->frames);
    g_array_unref(diagram->edges);
    g_free(diagram->item_of);
    g_free(diagram->unit_of);
    g_free(diagram->parent_of);
    g_free(diagram);
}
