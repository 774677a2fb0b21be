#include "measure/import-topo-matrix.h"

#include <errno.h>

#include "base/error.h"
#include "measure/nvswitch-board.h"
#include "measure/topo-infer.h"
#include "measure/topo-matrix.h"
#include "topology/machine.h"

typedef struct {
    const FabTopoMatrix *matrix;
    const FabTopoTree *tree;
    const FabGpuModel *gpu;
    FabNvlinkPlan nvlink;
    char *file; /* name of the input, fit for a line of a key file */
    GString *text;
} Writer;

static bool
is_nic(const FabTopoMatrix *matrix, uint32_t device)
{
    return !matrix->devices[device].is_gpu;
}

/* Grace superchips: the GPU hangs on its CPU by C2C, so its distance to everything on PCIe is SYS. */
static bool
is_c2c(const Writer *writer)
{
    const FabTopoMatrix *matrix = writer->matrix;

    if (!g_str_has_prefix(writer->gpu->id, "gb") && !g_str_has_prefix(writer->gpu->id, "gh"))
        return false;
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = 0; j < matrix->count; j++) {
            FabCellClass class = fab_topo_matrix_cell(matrix, i, j)->class;
            if (matrix->devices[i].is_gpu && class >= FAB_CELL_PIX && class != FAB_CELL_SYS)
                return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ [topology] */

/* NUMA nodes that hold GPUs, renumbered from 0 in order of the first GPU. */
static uint32_t
renumber_gpu_numa(const Writer *writer, uint32_t *numa)
{
    const FabTopoMatrix *matrix = writer->matrix;
    uint32_t nodes = 0;

    for (uint32_t i = 0; i < matrix->count; i++) {
        uint32_t before = 0;
        if (is_nic(matrix, i))
            continue;
        while (before < i && (is_nic(matrix, before) || writer->tree->numa[before] != writer->tree->numa[i]))
            before++;
        numa[i] = before < i ? numa[before] : nodes++;
    }
    return nodes;
}

static void
write_c2c(Writer *writer)
{
    const FabTopoMatrix *matrix = writer->matrix;
    g_autofree uint32_t *numa = g_new0(uint32_t, matrix->count);
    uint32_t number = 0;

    g_string_append_printf(writer->text, "attach=c2c\ncpu_vendor=nvidia\nsockets=%u\ngpu_numa=",
                           renumber_gpu_numa(writer, numa));
    for (uint32_t i = 0; i < matrix->count; i++) {
        if (matrix->devices[i].is_gpu) {
            g_string_append_printf(writer->text, "%s%u:%u", number == 0 ? "" : " ", number, numa[i]);
            number++;
        }
    }
    g_string_append_printf(writer->text, "\nnics_per_node=%u\n", matrix->count - matrix->gpu_count);
    if (matrix->count > matrix->gpu_count)
        g_string_append(writer->text, "nic_attach=numa\n");
}

static void
write_tree(Writer *writer)
{
    g_autofree char *tree = fab_topo_tree_text(writer->matrix, writer->tree);

    g_string_append_printf(writer->text, "sockets=%u\nnuma_per_socket=%u\ntree=%s\n", writer->tree->sockets,
                           writer->tree->numa_per_socket, tree);
}

/* Pairs joined directly: "0-1:4 2-3:4". */
static void
write_pairs(Writer *writer, const char *key)
{
    const FabTopoMatrix *matrix = writer->matrix;
    const char *separator = "";
    uint32_t first = 0;

    g_string_append_printf(writer->text, "%s=", key);
    for (uint32_t i = 0; i < matrix->count; i++) {
        uint32_t second = 0;
        if (is_nic(matrix, i))
            continue;
        for (uint32_t j = 0; j < matrix->count; j++) {
            const FabCell *cell = fab_topo_matrix_cell(matrix, i, j);
            if (is_nic(matrix, j))
                continue;
            if (cell->class == FAB_CELL_NV && first < second) {
                g_string_append_printf(writer->text, "%s%u-%u:%u", separator, first, second,
                                       writer->nvlink.kind == FAB_NVLINK_BRIDGE ? writer->nvlink.links : cell->nvlinks);
                separator = " ";
            }
            second++;
        }
        first++;
    }
    g_string_append_c(writer->text, '\n');
}

/* Returns what was inferred, for [source]. */
static char *
write_nvlink(Writer *writer)
{
    switch (writer->nvlink.kind) {
    case FAB_NVLINK_SWITCH:
        return g_strdup_printf("NVSwitch: each GPU reaches each other one over %u of its %u links; %s",
                               writer->nvlink.links, writer->gpu->nvlink_links,
                               fab_nvswitch_board_write(writer->gpu, writer->nvlink.links, writer->matrix->gpu_count,
                                                        writer->text));
    case FAB_NVLINK_BRIDGE:
        write_pairs(writer, "nvlink_pairs");
        return g_strdup_printf("direct NVLinks in islands of %u GPUs%s", writer->nvlink.island,
                               writer->nvlink.shared ? "; NV# counts all links of a GPU, which its peers share" : "");
    case FAB_NVLINK_MESH:
        write_pairs(writer, "links");
        return g_strdup("direct NVLinks, as many for each pair as NV# says; a GPU has enough of them");
    default:
        return g_strdup(writer->gpu->nvlink_links == 0 ? "none, this GPU has no NVLink"
                                                       : "none, for no cell says NV# (topo -mp hides them)");
    }
}

static const char *
plugin_name(FabNvlinkKind kind)
{
    static const char *const names[] = { "pcie-switch", "nvswitch", "nvlink-bridge", "nvlink-mesh" };

    return names[kind];
}

/* ------------------------------------------------------------------ [source] */

typedef struct {
    FabCell cell;
    uint32_t pairs;
} CellCount;

static void
count_cell(GArray *counts, const FabCell *cell)
{
    CellCount first = { .cell = *cell, .pairs = 1 };

    for (guint i = 0; i < counts->len; i++) {
        CellCount *count = &g_array_index(counts, CellCount, i);
        if (count->cell.class == cell->class && count->cell.nvlinks == cell->nvlinks) {
            count->pairs++;
            return;
        }
    }
    g_array_append_val(counts, first);
}

/* "28 NV18, 3 SYS": the pairs between GPUs (`to_gpu`), or between GPUs and NICs. */
static char *
count_classes(const FabTopoMatrix *matrix, bool to_gpu)
{
    g_autoptr(GArray) counts = g_array_new(FALSE, TRUE, sizeof(CellCount));
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = 0; j < matrix->count; j++) {
            if (!is_nic(matrix, i) && is_nic(matrix, j) != to_gpu && (i < j || !to_gpu))
                count_cell(counts, fab_topo_matrix_cell(matrix, i, j));
        }
    }
    for (guint i = 0; i < counts->len; i++) {
        const CellCount *count = &g_array_index(counts, CellCount, i);
        g_autofree char *cell = fab_cell_text(&count->cell);
        g_string_append_printf(text, "%s%u %s", i == 0 ? "" : ", ", count->pairs, cell);
    }
    return g_string_free(text, FALSE);
}

static void
write_read_part(Writer *writer)
{
    const FabTopoMatrix *matrix = writer->matrix;
    g_autofree char *gpus = count_classes(matrix, true), *nics = count_classes(matrix, false);
    uint32_t number = 0;

    g_string_append_printf(writer->text, "read=nvidia-smi topo -m, %s; GPUs: %u, NICs: %u\n", writer->file,
                           matrix->gpu_count, matrix->count - matrix->gpu_count);
    if (gpus[0] != '\0')
        g_string_append_printf(writer->text, "read_gpu_pairs=%s%s\n", gpus,
                               matrix->has_soc ? " (SOC of an old driver is read as SYS)" : "");
    if (nics[0] != '\0')
        g_string_append_printf(writer->text, "read_gpu_nic_pairs=%s\n", nics);
    for (uint32_t i = 0; i < matrix->count; i++) {
        const FabTopoDevice *device = &matrix->devices[i];
        if (is_nic(matrix, i))
            g_string_append_printf(writer->text, "read_nic%u=%s%s%s\n", number++, device->label,
                                   device->name != NULL ? ", " : "", device->name != NULL ? device->name : "");
    }
    for (uint32_t i = 0; i < matrix->count; i++) {
        const FabTopoDevice *device = &matrix->devices[i];
        if (is_nic(matrix, i) || (device->numa < 0 && device->cpu_affinity[0] == '\0'))
            continue;
        g_string_append_printf(writer->text, "read_%s=CPUs %s", device->label,
                               device->cpu_affinity[0] != '\0' ? device->cpu_affinity : "not printed");
        if (device->numa >= 0)
            g_string_append_printf(writer->text, "; NUMA affinity %d", device->numa);
        g_string_append_c(writer->text, '\n');
    }
}

static void
write_inferred_part(Writer *writer, const char *nvlink, bool c2c)
{
    const FabTopoTree *tree = writer->tree;
    GString *text = writer->text;

    g_string_append_printf(text, "gpu=%s, as given; its rates are those of the catalogue\n", writer->gpu->id);
    g_string_append_printf(text, "inferred_nvlink=%s\n", nvlink);
    if (c2c) {
        g_string_append(text, "inferred_pcie=GPUs hang on their CPU by C2C, hence SYS to every NIC; NICs are spread "
                              "evenly over the CPUs, the matrix does not say where they are\n");
    } else {
        g_string_append(text, "inferred_pcie=devices that are PIX share a switch, PXB switches below one root port, "
                              "PHB one host bridge, NODE one NUMA node\n");
        g_string_append_printf(text, "inferred_numa=sockets: %u, NUMA nodes of each: %u; %s\n", tree->sockets,
                               tree->numa_per_socket,
                               tree->numa_as_printed ? "numbered as printed, the others by the free numbers"
                                                     : "SYS splits what the matrix prints as one NUMA node, so each "
                                                       "number printed became a socket");
    }
    if (tree->hidden_pairs > 0 && !c2c)
        g_string_append_printf(text,
                               "inferred_hidden=the way over PCIe of %u GPU pairs is not printed beside NV#; it is "
                               "taken from their NICs and NUMA nodes\n",
                               tree->hidden_pairs);
    g_string_append_printf(text,
                           "assumed=PCIe %u.0 x16 for every slot and switch, sockets joined by links of an unknown "
                           "maker; NICs without a rate; the driver's stock peer access: none of it is in the matrix\n",
                           writer->gpu->pcie_generation);
}

/* ------------------------------------------------------------------ the whole */

static void
write_machine(Writer *writer)
{
    g_autofree char *nvlink = NULL;
    bool c2c = is_c2c(writer);

    g_string_append_printf(writer->text,
                           "# Made by `fabricast import topo-matrix` from %s.\n"
                           "# [source] says what was read there and what was inferred; correct what you know better.\n"
                           "[topology]\nplugin=%s\ntitle=%ux %s, from nvidia-smi topo -m\ngpu=%s\ngpus=%u\n",
                           writer->file, plugin_name(writer->nvlink.kind), writer->matrix->gpu_count, writer->gpu->name,
                           writer->gpu->id, writer->matrix->gpu_count);
    if (c2c)
        write_c2c(writer);
    else
        write_tree(writer);
    nvlink = write_nvlink(writer);
    g_string_append(writer->text, "\n[source]\n");
    write_read_part(writer);
    write_inferred_part(writer, nvlink, c2c);
}

/* The file's name without folder, in characters that a line of a key file can hold. */
static char *
shown_name(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);

    return g_strcanon(g_strdup(base), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+,", '_');
}

bool
fab_import_topo_matrix(const char *path, const char *gpu, FILE *out, GError **error)
{
    g_autoptr(FabTopoMatrix) matrix = fab_topo_matrix_load(path, error);
    g_autoptr(FabTopoTree) tree = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *file = shown_name(path);
    Writer writer = { .matrix = matrix, .file = file, .text = text };

    if (matrix == NULL)
        return false;
    writer.gpu = fab_gpu_model(gpu, error);
    if (writer.gpu == NULL) {
        g_prefix_error(error, "command line: --gpu: ");
        return false;
    }
    writer.tree = tree = fab_topo_tree_infer(matrix, path, error);
    if (tree == NULL)
        return false;
    if (!fab_nvlink_infer(matrix, path, writer.gpu->id, writer.gpu->nvlink_links, &writer.nvlink, error))
        return false;
    write_machine(&writer);
    if (fwrite(text->str, 1, text->len, out) != text->len || fflush(out) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "cannot write the machine file: %s", g_strerror(errno));
        return false;
    }
    return true;
}
