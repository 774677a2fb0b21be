#include "report/report.h"

#include <string.h>

#include "base/units.h"
#include "report/matrix.h"
#include "report/names.h"
#include "report/stream.h"

/* Tables longer than this fold what differs only in place: NUMA nodes of vertices, ends of links. */
#define VERTEX_ROWS 32u
#define LINK_ROWS 40u

/* ------------------------------------------------------------------ tables */

/* Rows of cells; the first row is the head. */
typedef struct {
    guint columns;
    const char *right; /* 'r' for columns set to the right */
    GPtrArray *cells;
} Table;

static void
table_init(Table *table, const char *right)
{
    table->columns = (guint)strlen(right);
    table->right = right;
    table->cells = g_ptr_array_new_with_free_func(g_free);
}

/* Takes the text. */
static void
table_add(Table *table, char *cell)
{
    g_ptr_array_add(table->cells, cell);
}

static void
table_print(Table *table, GString *out)
{
    g_autofree glong *width = g_new0(glong, table->columns);

    for (guint i = 0; i < table->cells->len; i++) {
        glong length = g_utf8_strlen(table->cells->pdata[i], -1);
        width[i % table->columns] = MAX(width[i % table->columns], length);
    }
    for (guint i = 0; i < table->cells->len; i++) {
        guint column = i % table->columns;
        const char *cell = table->cells->pdata[i];
        int pad = (int)(width[column] - g_utf8_strlen(cell, -1));
        bool last = column + 1 == table->columns;
        g_string_append(out, "  ");
        if (table->right[column] == 'r')
            g_string_append_printf(out, "%*s%s", pad, "", cell);
        else
            g_string_append_printf(out, "%s%*s", cell, last ? 0 : pad, "");
        if (last) {
            while (out->str[out->len - 1] == ' ')
                g_string_truncate(out, out->len - 1);
            g_string_append_c(out, '\n');
        }
    }
    g_ptr_array_unref(table->cells);
}

/* ------------------------------------------------------------------ groups */

/* Groups in order of their first member: `order` holds lists of indices, `by_key` finds them. */
typedef struct {
    GPtrArray *order; /* of GArray of uint32_t */
    GHashTable *by_key;
} Groups;

static void
groups_init(Groups *groups)
{
    groups->order = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    groups->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void
groups_clear(Groups *groups)
{
    g_ptr_array_unref(groups->order);
    g_hash_table_unref(groups->by_key);
}

/* Takes the key. */
static void
groups_add(Groups *groups, char *key, uint32_t index)
{
    GArray *members = g_hash_table_lookup(groups->by_key, key);

    if (members == NULL) {
        members = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_ptr_array_add(groups->order, members);
        g_hash_table_insert(groups->by_key, key, members);
    } else {
        g_free(key);
    }
    g_array_append_val(members, index);
}

static uint32_t
member(const Groups *groups, guint group, guint i)
{
    return g_array_index((GArray *)groups->order->pdata[group], uint32_t, i);
}

static guint
members(const Groups *groups, guint group)
{
    return ((GArray *)groups->order->pdata[group])->len;
}

/* ------------------------------------------------------------------ vertices */

/* Vertices with one key are one row. */
static char *
vertex_key(const FabTopologyVertex *vertex, bool by_place)
{
    int socket = by_place ? vertex->socket : -1, numa = by_place ? vertex->numa : -1;

    return g_strdup_printf("%.*s|%s|%u|%u|%g|%g|%d|%d", (int)fab_name_stem_length(vertex->name), vertex->name,
                           vertex->model != NULL ? vertex->model : "", vertex->count,
                           vertex->flags, vertex->peer_limit, vertex->memory_limit, socket, numa);
}

/* Of a cluster the tables show the network; its nodes are machines that have tables of their own. */
static bool
is_shown(const FabTopology *topology, FabVertex vertex)
{
    return topology->node_count == 0 || topology->vertices[vertex].node == FAB_NODE_NONE;
}

/* GPUs first, then the other kinds; within a kind in order of creation. */
static void
group_vertices(const FabTopology *topology, bool by_place, Groups *groups)
{
    groups_init(groups);
    for (int kind = FAB_VERTEX_GPU; kind <= FAB_VERTEX_MEMORY; kind++)
        for (uint32_t i = 0; i < topology->vertex_count; i++) {
            const FabTopologyVertex *vertex = &topology->vertices[i];
            if ((int)vertex->kind == kind && is_shown(topology, i))
                groups_add(groups, vertex_key(vertex, by_place), i);
        }
}

/* What a vertex does beyond joining its links. */
static char *
vertex_notes(const FabTopologyVertex *vertex)
{
    g_autoptr(GString) notes = g_string_new(NULL);

    if (vertex->kind == FAB_VERTEX_NVSWITCH && vertex->flags & FAB_VERTEX_MULTICAST)
        g_string_append(notes, ", in-switch reduction");
    if (vertex->kind == FAB_VERTEX_PCIE_SWITCH && vertex->flags & FAB_VERTEX_ACS)
        g_string_append(notes, ", ACS");
    if (vertex->kind == FAB_VERTEX_PCIE_SWITCH && vertex->flags & FAB_VERTEX_WRITE_COLLAPSE)
        g_string_append(notes, ", write collapse");
    if (vertex->memory != NULL) {
        g_autofree char *memory = fab_format_rate(vertex->memory->bandwidth);
        g_autofree char *cache = fab_format_rate(vertex->memory->cache_bandwidth);
        g_autofree char *held = fab_format_bytes((uint64_t)vertex->memory->cache_bytes);
        g_autofree char *each = fab_format_rate(vertex->memory->processor_rate);
        g_string_append_printf(notes, ", %s read and written, cache of %s at %s, %u SMs of %s", memory, held, cache,
                               vertex->memory->processors, each);
    }
    if (vertex->peer_limit > 0) {
        g_autofree char *rate = fab_format_rate(vertex->peer_limit);
        g_string_append_printf(notes, ", peer limit %s", rate);
    }
    if (vertex->memory_limit > 0) {
        g_autofree char *rate = fab_format_rate(vertex->memory_limit);
        g_string_append_printf(notes, ", memory limit %s", rate);
    }
    return g_strdup(notes->len > 2 ? notes->str + 2 : "");
}

/* "1", "0..1" or "-" for a place that is not known. */
static char *
format_range(int32_t low, int32_t high)
{
    if (high < 0)
        return g_strdup("-");
    return low == high ? g_strdup_printf("%d", low) : g_strdup_printf("%d..%d", low, high);
}

static void
add_vertex_row(const FabTopology *topology, const Groups *groups, guint group, Table *table)
{
    const FabTopologyVertex *first = &topology->vertices[member(groups, group, 0)];
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    int32_t numa[2] = { first->numa, first->numa }, socket[2] = { first->socket, first->socket };

    for (guint i = 0; i < members(groups, group); i++) {
        const FabTopologyVertex *vertex = &topology->vertices[member(groups, group, i)];
        g_ptr_array_add(names, vertex->name);
        numa[0] = MIN(numa[0], vertex->numa);
        numa[1] = MAX(numa[1], vertex->numa);
        socket[0] = MIN(socket[0], vertex->socket);
        socket[1] = MAX(socket[1], vertex->socket);
    }
    table_add(table, fab_names_join(names));
    table_add(table, g_strdup(fab_vertex_kind_name(first->kind)));
    table_add(table, g_strdup(first->model != NULL ? first->model : ""));
    table_add(table, g_strdup_printf("%u", members(groups, group) * first->count));
    table_add(table, format_range(numa[0], numa[1]));
    table_add(table, format_range(socket[0], socket[1]));
    table_add(table, vertex_notes(first));
}

static void
print_vertices(const FabTopology *topology, GString *out)
{
    static const char *const head[] = { "name", "kind", "model", "count", "NUMA", "socket", "" };
    Groups groups;
    Table table;

    group_vertices(topology, true, &groups);
    if (groups.order->len > VERTEX_ROWS) {
        groups_clear(&groups);
        group_vertices(topology, false, &groups);
    }
    table_init(&table, "lllrrrl");
    for (guint i = 0; i < G_N_ELEMENTS(head); i++)
        table_add(&table, g_strdup(head[i]));
    for (guint i = 0; i < groups.order->len; i++)
        add_vertex_row(topology, &groups, i, &table);
    g_string_append(out, "\nVertices\n");
    table_print(&table, out);
    groups_clear(&groups);
}

/* ------------------------------------------------------------------ links */

/* A vertex' name in its node: "NIC 3" of "Node 12 NIC 3". */
static const char *
own_name(const FabTopology *topology, FabVertex vertex)
{
    const char *name = topology->vertices[vertex].name;
    const char *rest = topology->node_count > 0 && topology->vertices[vertex].node != FAB_NODE_NONE ? strchr(name, ' ')
                                                                                                    : NULL;

    rest = rest != NULL ? strchr(rest + 1, ' ') : NULL;
    return rest != NULL ? rest + 1 : name;
}

/* Key of a link's kind with one or both ends named by their stem only. */
static char *
link_key(const FabTopology *topology, uint32_t index, bool stem_a, bool stem_b)
{
    const FabTopologyLink *link = &topology->links[index];
    const char *a = own_name(topology, link->a), *b = own_name(topology, link->b);
    size_t a_length = stem_a ? fab_name_stem_length(a) : strlen(a);
    size_t b_length = stem_b ? fab_name_stem_length(b) : strlen(b);

    return g_strdup_printf("%d|%s|%u|%.17g|%.17g|%.17g|%" G_GINT64_FORMAT "|%d%d|%.*s|%.*s", (int)link->medium,
                           link->label, link->lanes, link->bandwidth, link->efficiency, link->reverse,
                           (gint64)link->latency_ps, stem_a, stem_b, (int)a_length, a, (int)b_length, b);
}

static bool
link_is_shown(const FabTopology *topology, uint32_t link)
{
    return is_shown(topology, topology->links[link].a) || is_shown(topology, topology->links[link].b);
}

/*
 * Joins links that differ in one end only: each goes to the larger of the two groups it could be in. Between
 * vertices of one kind the first end stays, so that a mesh reads as a list for each GPU.
 */
static void
group_links(const FabTopology *topology, Groups *groups)
{
    Groups many_to_one, one_to_many;

    groups_init(groups);
    groups_init(&many_to_one);
    groups_init(&one_to_many);
    for (uint32_t i = 0; i < topology->link_count; i++) {
        if (!link_is_shown(topology, i))
            continue;
        groups_add(&many_to_one, link_key(topology, i, true, false), i);
        groups_add(&one_to_many, link_key(topology, i, false, true), i);
    }
    for (uint32_t i = 0; i < topology->link_count; i++) {
        const FabTopologyLink *link = &topology->links[i];
        bool peers = topology->vertices[link->a].kind == topology->vertices[link->b].kind;
        g_autofree char *in = link_key(topology, i, true, false);
        g_autofree char *out = link_key(topology, i, false, true);
        if (!link_is_shown(topology, i))
            continue;
        guint into = ((GArray *)g_hash_table_lookup(many_to_one.by_key, in))->len;
        guint out_of = ((GArray *)g_hash_table_lookup(one_to_many.by_key, out))->len;
        bool join_from = !peers && into >= out_of;
        groups_add(groups, link_key(topology, i, join_from, !join_from), i);
    }
    groups_clear(&many_to_one);
    groups_clear(&one_to_many);
    if (groups->order->len <= LINK_ROWS)
        return;
    groups_clear(groups);
    groups_init(groups);
    for (uint32_t i = 0; i < topology->link_count; i++) {
        if (link_is_shown(topology, i))
            groups_add(groups, link_key(topology, i, true, true), i);
    }
}

/* Four digits, so that columns of rates stay narrow. */
static char *
format_gigabytes(double bytes_per_second)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    return g_strdup(g_ascii_formatd(buffer, sizeof buffer, "%.4g", bytes_per_second / 1e9));
}

static void
add_link_row(const FabTopology *topology, const Groups *groups, guint group, Table *table)
{
    const FabTopologyLink *first = &topology->links[member(groups, group, 0)];
    g_autoptr(GPtrArray) from = g_ptr_array_new(), to = g_ptr_array_new();
    g_autoptr(GHashTable) nodes = g_hash_table_new(NULL, NULL);
    g_autofree char *names = NULL;
    bool lanes = first->lanes > 1 && first->medium != FAB_MEDIUM_PCIE, unlimited = fab_link_is_unlimited(first);

    for (guint i = 0; i < members(groups, group); i++) {
        const FabTopologyLink *link = &topology->links[member(groups, group, i)];
        g_ptr_array_add(from, (char *)own_name(topology, link->a));
        g_ptr_array_add(to, topology->vertices[link->b].name);
        if (topology->node_count > 0 && topology->vertices[link->a].node != FAB_NODE_NONE)
            g_hash_table_add(nodes, GUINT_TO_POINTER(topology->vertices[link->a].node));
    }
    names = fab_names_join(from);
    if (g_hash_table_size(nodes) > 1)
        table_add(table, g_strdup_printf("%s of %u nodes", names, g_hash_table_size(nodes)));
    else
        table_add(table, g_steal_pointer(&names));
    table_add(table, fab_names_join(to));
    table_add(table, lanes ? g_strdup_printf("%s x%u", first->label, first->lanes) : g_strdup(first->label));
    table_add(table, g_strdup_printf("%u", members(groups, group)));
    table_add(table, unlimited ? g_strdup("-") : format_gigabytes(first->bandwidth));
    table_add(table, unlimited ? g_strdup("-") : format_gigabytes(fab_link_rate(first)));
    table_add(table, fab_format_time(first->latency_ps));
}

static void
print_links(const FabTopology *topology, GString *out)
{
    static const char *const head[] = { "from", "to", "kind", "links", "nominal", "effective", "latency" };
    Groups groups;
    Table table;
    bool unlimited = false;

    if (topology->link_count == 0)
        return;
    for (uint32_t i = 0; i < topology->link_count; i++)
        unlimited = unlimited || (link_is_shown(topology, i) && fab_link_is_unlimited(&topology->links[i]));
    group_links(topology, &groups);
    table_init(&table, "lllrrrr");
    for (guint i = 0; i < G_N_ELEMENTS(head); i++)
        table_add(&table, g_strdup(head[i]));
    for (guint i = 0; i < groups.order->len; i++)
        add_link_row(topology, &groups, i, &table);
    g_string_append_printf(out, "\nLinks (GB/s of one link in each direction; effective: what kernels reach%s)\n",
                           unlimited ? "; -: no limit of its own" : "");
    table_print(&table, out);
    groups_clear(&groups);
}

/* ------------------------------------------------------------------ output */

static bool
write_text(const GString *text, FILE *out, GError **error)
{
    fwrite(text->str, 1, text->len, out);
    return fab_stream_finish(out, error);
}

/* The nodes of a cluster by machine, and how data passes between them. */
static void
append_nodes(const FabTopology *topology, GString *out)
{
    static const char *const routings[] = { "", "static by hash", "adaptive", "sprayed over all ways",
                                            "adaptive, with detours" };
    static const char *const reaches[] = { "off", "below the same PCIe switches", "in the same NUMA node", "anywhere" };
    const FabNetworkSpec *network = &topology->network;

    g_string_append(out, "\nNodes\n");
    for (uint32_t n = 0, end; n < topology->node_count; n = end) {
        const FabTopologyNode *node = &topology->nodes[n];
        for (end = n + 1; end < topology->node_count && strcmp(topology->nodes[end].machine, node->machine) == 0;)
            end++;
        g_string_append_printf(out, end == n + 1 ? "  %u" : "  %u..%u", n, end - 1);
        g_string_append_printf(out, "  %s (%s): %u GPUs each\n", node->title, node->machine, node->gpus);
    }
    g_string_append_printf(out, "  routing %s", routings[network->routing]);
    if (network->routing == FAB_ROUTING_STATIC)
        g_string_append_printf(out, ", seed %u", network->seed);
    if (network->lossless)
        g_string_append(out, "; lossless: full ports stop the cables before them");
    g_string_append_printf(out, "; GPUDirect RDMA %s; PXN %s\n", reaches[network->gdr], network->pxn ? "on" : "off");
}

static void
append_refused_peers(const FabTopology *topology, GString *out)
{
    uint64_t pairs = (uint64_t)topology->gpu_count * (topology->gpu_count - 1) / 2, refused = 0;

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        for (uint32_t j = i + 1; j < topology->gpu_count; j++)
            refused += !fab_topology_peer_access(topology, topology->gpus[i], topology->gpus[j]);
    if (refused > 0)
        g_string_append_printf(out, "\nThe driver refuses PCIe peer access to %" G_GUINT64_FORMAT
                               " of %" G_GUINT64_FORMAT " pairs of GPUs.\n", refused, pairs);
}

bool
fab_report_topology(const FabTopology *topology, FILE *out, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "%s (%s, plugin %s): %u GPU%s, %u vertices, %u links\n", topology->title,
                           topology->name, topology->plugin, topology->gpu_count, fab_plural(topology->gpu_count),
                           topology->vertex_count, topology->link_count);
    if (topology->node_count > 0)
        append_nodes(topology, text);
    print_vertices(topology, text);
    print_links(topology, text);
    if (topology->node_count == 0)
        append_refused_peers(topology, text);
    g_string_append(text, "\nDistances, as nvidia-smi topo -m prints them\n");
    fab_report_append_matrix(topology, text);
    return write_text(text, out, error);
}
