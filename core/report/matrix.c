/* Distances between the devices of a machine, as `nvidia-smi topo -m` prints them. */
#include "report/matrix.h"

#include <string.h>

#include "report/report.h"
#include "report/stream.h"
#include "topology/route.h"

/* Wider matrices are printed box by box, as an operating system of each box would see it. */
#define MATRIX_COLUMNS 32u

/* GPUs, then NICs, of one box, or of all when `box` is negative. */
static void
list_ends(const FabTopology *topology, int32_t box, GArray *ends)
{
    static const FabVertexKind kinds[] = { FAB_VERTEX_GPU, FAB_VERTEX_NIC };

    for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++)
        for (FabVertex i = 0; i < topology->vertex_count; i++)
            if (topology->vertices[i].kind == kinds[k] && (box < 0 || topology->vertices[i].box == box))
                g_array_append_val(ends, i);
}

/* " X ", "NV18", "SYS". */
static void
append_class(const FabTopology *topology, FabVertex a, FabVertex b, GString *out)
{
    uint32_t nvlinks = 0;

    if (topology->vertices[a].kind == FAB_VERTEX_GPU && topology->vertices[b].kind == FAB_VERTEX_GPU)
        nvlinks = fab_path_nvlinks(topology, a, b);
    if (a == b)
        g_string_append(out, " X ");
    else if (nvlinks > 0)
        g_string_append_printf(out, "NV%u", nvlinks);
    else
        g_string_append(out, fab_path_class_name(fab_path_class(topology, a, b)));
}

/* Rows and columns separated by tabs, numbered from 0, as the tool prints them for the devices of one system. */
static char *
format_matrix(const FabTopology *topology, const GArray *ends)
{
    g_autoptr(GString) out = g_string_new(NULL), header = g_string_new(NULL);
    uint32_t gpus = 0;

    for (guint i = 0; i < ends->len; i++)
        gpus += topology->vertices[g_array_index(ends, FabVertex, i)].kind == FAB_VERTEX_GPU;
    for (guint i = 0; i < ends->len; i++) {
        FabVertex row = g_array_index(ends, FabVertex, i);
        const char *kind = i < gpus ? "GPU" : "NIC";
        guint number = i < gpus ? i : i - gpus;
        g_string_append_printf(header, "\t%s%u", kind, number);
        g_string_append_printf(out, "%s%u", kind, number);
        for (guint j = 0; j < ends->len; j++) {
            g_string_append_c(out, '\t');
            append_class(topology, row, g_array_index(ends, FabVertex, j), out);
        }
        if (i >= gpus)
            g_string_append(out, "\t\n");
        else if (topology->vertices[row].numa >= 0)
            g_string_append_printf(out, "\t%d\n", topology->vertices[row].numa);
        else
            g_string_append(out, "\tN/A\n");
    }
    g_string_append_printf(header, "\tNUMA Affinity\n%s", out->str);
    return g_string_free(g_steal_pointer(&header), FALSE);
}

static void
append_nic_legend(const FabTopology *topology, const GArray *ends, GString *out)
{
    guint number = 0;

    for (guint i = 0; i < ends->len; i++) {
        const FabTopologyVertex *vertex = &topology->vertices[g_array_index(ends, FabVertex, i)];
        if (vertex->kind != FAB_VERTEX_NIC)
            continue;
        g_string_append_printf(out, "%s  NIC%u: %s\n", number == 0 ? "\nNIC Legend:\n\n" : "", number, vertex->name);
        number++;
    }
}

static void
append_legend(GString *out)
{
    g_string_append(out, "\nLegend:\n\n"
                         "  X    = the device itself\n"
                         "  SYS  = crosses from one NUMA node or socket to another\n"
                         "  NODE = crosses host bridges within one NUMA node\n"
                         "  PHB  = crosses one PCIe host bridge\n"
                         "  PXB  = crosses several PCIe switches and no host bridge\n"
                         "  PIX  = crosses at most one PCIe switch\n"
                         "  NV#  = joined by this many NVLinks, directly or through NVSwitch\n");
}

/* Appends "NV18, SYS": the classes between GPUs of the first box and of the others. */
static void
append_between_boxes(const FabTopology *topology, GString *out)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        for (uint32_t j = i + 1; j < topology->gpu_count; j++) {
            g_autoptr(GString) class = g_string_new(NULL);
            if (topology->vertices[topology->gpus[i]].box != topology->vertices[topology->gpus[0]].box
                || topology->vertices[topology->gpus[i]].box == topology->vertices[topology->gpus[j]].box)
                continue;
            append_class(topology, topology->gpus[i], topology->gpus[j], class);
            if (g_hash_table_contains(seen, class->str))
                continue;
            g_string_append_printf(out, "%s%s", g_hash_table_size(seen) > 0 ? ", " : "", class->str);
            g_hash_table_add(seen, g_string_free(g_steal_pointer(&class), FALSE));
        }
}

/* "Box 1: the same", "Boxes 1..17: the same" for boxes from `first` up to `box`. */
static void
append_same(int32_t first, int32_t box, GString *out)
{
    if (first == box)
        g_string_append_printf(out, "Box %d: the same\n", box);
    else if (first < box)
        g_string_append_printf(out, "Boxes %d..%d: the same\n", first, box);
}

static void
append_box_matrices(const FabTopology *topology, int32_t boxes, GString *out)
{
    g_autofree char *last = NULL;
    int32_t first_same = 0;

    for (int32_t box = 0; box < boxes; box++) {
        g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(FabVertex));
        g_autofree char *matrix = NULL;
        list_ends(topology, box, ends);
        matrix = format_matrix(topology, ends);
        if (ends->len > 0 && g_strcmp0(matrix, last) == 0)
            continue;
        append_same(first_same, box - 1, out);
        first_same = box + 1;
        if (ends->len == 0)
            continue; /* a box of switches alone is no system */
        g_string_append_printf(out, "Box %d:\n%s", box, matrix);
        g_free(last);
        last = g_steal_pointer(&matrix);
    }
    append_same(first_same, boxes - 1, out);
    g_string_append(out, "Between GPUs of different boxes: ");
    append_between_boxes(topology, out);
    g_string_append_c(out, '\n');
}

/* The matrix of the first node of each machine, as its operating system would see it. */
static void
append_node_matrices(const FabTopology *topology, GString *out)
{
    for (uint32_t n = 0, end; n < topology->node_count; n = end) {
        const FabTopologyNode *node = &topology->nodes[n];
        g_autoptr(GArray) gpus = g_array_new(FALSE, FALSE, sizeof(FabVertex));
        g_autoptr(GArray) nics = g_array_new(FALSE, FALSE, sizeof(FabVertex));
        g_autofree char *matrix = NULL;
        for (end = n + 1; end < topology->node_count && strcmp(topology->nodes[end].machine, node->machine) == 0;)
            end++;
        for (FabVertex v = node->first; v < node->first + node->vertices; v++) {
            if (topology->vertices[v].kind == FAB_VERTEX_GPU)
                g_array_append_val(gpus, v);
            else if (topology->vertices[v].kind == FAB_VERTEX_NIC)
                g_array_append_val(nics, v);
        }
        g_array_append_vals(gpus, nics->data, nics->len);
        g_string_append_printf(out, "Node %u, %s:\n", n, node->title);
        if (gpus->len > 4 * MATRIX_COLUMNS) {
            g_string_append_printf(out, "%u GPUs and NICs: see `fabricast topology show %s`\n", gpus->len,
                                   node->machine);
        } else {
            matrix = format_matrix(topology, gpus);
            g_string_append(out, matrix);
        }
        if (end == n + 2)
            g_string_append_printf(out, "Node %u: the same\n", n + 1);
        else if (end > n + 2)
            g_string_append_printf(out, "Nodes %u..%u: the same\n", n + 1, end - 1);
    }
    g_string_append(out, "Between GPUs of different nodes: NET\n");
}

void
fab_report_append_matrix(const FabTopology *topology, GString *out)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(FabVertex));
    int32_t boxes = 0;

    if (topology->node_count > 0) {
        append_node_matrices(topology, out);
        append_legend(out);
        return;
    }

    for (uint32_t i = 0; i < topology->vertex_count; i++)
        boxes = MAX(boxes, topology->vertices[i].box + 1);
    list_ends(topology, -1, ends);
    if (boxes > 1 && ends->len > MATRIX_COLUMNS) {
        append_box_matrices(topology, boxes, out);
        append_legend(out);
    } else {
        g_autofree char *matrix = format_matrix(topology, ends);
        g_string_append(out, matrix);
        append_legend(out);
        append_nic_legend(topology, ends, out);
    }
}

bool
fab_report_matrix(const FabTopology *topology, FILE *out, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    fab_report_append_matrix(topology, text);
    fwrite(text->str, 1, text->len, out);
    return fab_stream_finish(out, error);
}
