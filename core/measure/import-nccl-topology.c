#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "measure/import-nccl-xml.h"
#include "measure/nccl-topology.h"
#include "measure/nvswitch-board.h"
#include "topology/machine.h"

typedef struct {
    const FabNcclTopology *topology;
    const FabImportOptions *options;
    const FabGpuModel **models; /* by GPU */
    bool *given;                /* by GPU: the model came with --gpu */
    GString *text;
    char *file; /* name of the input, fit for a line of a key file */
} Writer;

static const FabNcclGpu *
gpu_at(const Writer *writer, uint32_t i)
{
    return writer->topology->gpus->pdata[i];
}

/* The characters that a line of a key file can hold. */
static char *
plain(const char *text)
{
    return g_strcanon(g_strdup(text), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+,:", '_');
}

static bool
find_models(Writer *writer, const char *given, GError **error)
{
    const FabNcclTopology *topology = writer->topology;

    for (uint32_t i = 0; i < topology->gpus->len; i++) {
        const FabNcclGpu *gpu = gpu_at(writer, i);
        const char *id = gpu->id != NULL && given == NULL ? gpu->id : given;
        if (id == NULL) {
            g_autofree char *device = fab_nccl_xml_text(gpu->node, "device");
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: the PCI identifier %.10s does not tell which "
                "GPU this is; give it with --gpu", topology->path, xmlGetLineNo(gpu->node),
                        device != NULL ? device : "(none)");
            return false;
        }
        if (given != NULL && gpu->id != NULL && strcmp(given, gpu->id) != 0)
            fab_import_remark(writer->options, "%s: line %ld: the PCI identifier says %s, --gpu says %s, which is "
                "taken",
                              topology->path, xmlGetLineNo(gpu->node), gpu->id, given);
        writer->given[i] = given != NULL;
        writer->models[i] = fab_gpu_model(id, error);
        if (writer->models[i] == NULL) {
            g_prefix_error(error, "%s: ", given != NULL ? "command line: --gpu" : topology->path);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ PCIe */

/* "@4x16": what the link upwards is, as far as it is said. */
static void
append_edge(const Writer *writer, xmlNode *pci)
{
    uint32_t generation = fab_nccl_pci_generation(pci);
    int64_t lanes = fab_nccl_xml_integer(pci, "link_width", 0);

    if (lanes != 0 && (lanes < 0 || lanes > 16 || (lanes & (lanes - 1)) != 0)) {
        fab_import_remark(writer->options, "%s: line %ld: link_width is %" G_GINT64_FORMAT ", no PCIe slot of a "
            "GPU or NIC has that; 16 is assumed", writer->topology->path, xmlGetLineNo(pci), lanes);
        lanes = 0;
    }
    if (generation > 0 || lanes > 0)
        g_string_append_c(writer->text, '@');
    if (generation > 0)
        g_string_append_printf(writer->text, "%u", generation);
    if (lanes > 0)
        g_string_append_printf(writer->text, "x%d", (int)lanes);
}

static void
append_device(const Writer *writer, xmlNode *pci)
{
    const FabNcclTopology *topology = writer->topology;

    for (uint32_t i = 0; i < topology->gpus->len; i++) {
        if (gpu_at(writer, i)->node == pci)
            g_string_append_printf(writer->text, " gpu%u", i);
    }
    for (uint32_t i = 0; i < topology->nics->len; i++) {
        if (((const FabNcclNic *)topology->nics->pdata[i])->node == pci)
            g_string_append_printf(writer->text, " nic%u", i);
    }
    append_edge(writer, pci);
}

/* All below `node`, as the plugins' `tree` reads it. A bridge without devices leaves nothing behind. */
static void
append_tree(const Writer *writer, xmlNode *node)
{
    for (xmlNode *child = node->children; child != NULL; child = child->next) {
        FabNcclPci kind = fab_nccl_xml_is(child, "pci") ? fab_nccl_pci_kind(child) : FAB_NCCL_PCI_OTHER;
        gsize before = writer->text->len, opened;
        if (kind == FAB_NCCL_PCI_GPU || kind == FAB_NCCL_PCI_NIC)
            append_device(writer, child);
        if (kind != FAB_NCCL_PCI_BRIDGE)
            continue;
        g_string_append(writer->text, " sw");
        append_edge(writer, child);
        g_string_append(writer->text, " {");
        opened = writer->text->len;
        append_tree(writer, child);
        if (writer->text->len == opened)
            g_string_truncate(writer->text, before);
        else
            g_string_append(writer->text, " }");
    }
}

static void
write_sockets(const Writer *writer)
{
    uint32_t nodes = writer->topology->cpus->len, sockets = MIN(nodes, 2);

    /* NPS2 and NPS4 divide each of two sockets; more NUMA nodes than that are sockets. */
    if (nodes > 16)
        sockets = (nodes + 7) / 8;
    g_string_append_printf(writer->text, "sockets=%u\nnuma_per_socket=%u\n", sockets, (nodes + sockets - 1) / sockets);
}

static void
write_tree(const Writer *writer)
{
    const char *separator = "";

    g_string_append_printf(writer->text, "cpu_vendor=%s\n", writer->topology->cpu_vendor);
    write_sockets(writer);
    g_string_append(writer->text, "tree=");
    for (guint i = 0; i < writer->topology->cpus->len; i++) {
        gsize before = writer->text->len, opened;
        if (writer->topology->cpus->pdata[i] == NULL)
            continue;
        g_string_append_printf(writer->text, "%snuma%u {", separator, i);
        opened = writer->text->len;
        append_tree(writer, writer->topology->cpus->pdata[i]);
        if (writer->text->len == opened) {
            g_string_truncate(writer->text, before);
            continue;
        }
        g_string_append(writer->text, " }");
        separator = " ";
    }
    g_string_append_c(writer->text, '\n');
}

/* GPUs of superchips hang on their CPU. */
static void
write_c2c(const Writer *writer)
{
    const FabNcclTopology *topology = writer->topology;

    g_string_append(writer->text, "attach=c2c\ncpu_vendor=nvidia\n");
    write_sockets(writer);
    g_string_append(writer->text, "gpu_numa=");
    for (uint32_t i = 0; i < topology->gpus->len; i++)
        g_string_append_printf(writer->text, "%s%u:%u", i == 0 ? "" : " ", i, gpu_at(writer, i)->numa);
    g_string_append_printf(writer->text, "\nnics_per_node=%u\n", topology->nics->len);
    if (topology->nics->len == 0)
        return;
    g_string_append(writer->text, "nic_attach=numa\nnic_numa=");
    for (guint i = 0; i < topology->nics->len; i++)
        g_string_append_printf(writer->text, "%s%u", i == 0 ? "" : " ",
                               ((const FabNcclNic *)topology->nics->pdata[i])->numa);
    g_string_append_c(writer->text, '\n');
}

static void
write_nic_rate(const Writer *writer)
{
    const FabNcclTopology *topology = writer->topology;
    uint32_t rate = 0;

    for (guint i = 0; i < topology->nics->len; i++) {
        const FabNcclNic *nic = topology->nics->pdata[i];
        if (rate != 0 && nic->gbps != 0 && nic->gbps != rate)
            fab_import_remark(writer->options, "%s: line %ld: this NIC has %u Gbit/s, others %u, which is taken for "
                "all",
                              topology->path, xmlGetLineNo(nic->node), nic->gbps, rate);
        if (rate == 0)
            rate = nic->gbps;
    }
    if (rate > 0)
        g_string_append_printf(writer->text, "nic_gbps=%u\n", rate);
}

/* ------------------------------------------------------------------ NVLink */

typedef enum { NO_NVLINK, NVSWITCH, PAIRS, MESH } Nvlink;

static int
find_gpu(const Writer *writer, const char *bus)
{
    for (uint32_t i = 0; i < writer->topology->gpus->len; i++) {
        if (strcmp(gpu_at(writer, i)->bus, bus) == 0)
            return (int)i;
    }
    return -1;
}

/* NVLinks that GPU `a` says it has to GPU `b`. */
static uint32_t
links_between(const Writer *writer, uint32_t a, uint32_t b)
{
    const FabNcclGpu *gpu = gpu_at(writer, a);
    uint32_t sum = 0;

    for (guint i = 0; i < gpu->links->len; i++) {
        const FabNcclLink *link = &g_array_index(gpu->links, FabNcclLink, i);
        if (strcmp(link->target, gpu_at(writer, b)->bus) == 0)
            sum += link->count;
    }
    return sum;
}

/* NVLinks of a GPU to NVSwitches; the chips' names are added to `chips`, the links to each to `each`. */
static uint32_t
links_to_switches(const FabNcclGpu *gpu, GPtrArray *chips, GArray *each)
{
    uint32_t sum = 0;

    for (guint i = 0; i < gpu->links->len; i++) {
        const FabNcclLink *link = &g_array_index(gpu->links, FabNcclLink, i);
        guint index;
        if (link->class >> 8 != 0x0680 || link->class == 0x068001)
            continue;
        if (!g_ptr_array_find_with_equal_func(chips, link->target, g_str_equal, &index)) {
            index = chips->len;
            g_ptr_array_add(chips, link->target);
        }
        if (index >= each->len)
            g_array_set_size(each, index + 1);
        g_array_index(each, uint32_t, index) += link->count;
        sum += link->count;
    }
    return sum;
}

/* More NVLinks than the model has: the model is not the right one, or the file was edited. */
static bool
check_budget(const Writer *writer, uint32_t i, GError **error)
{
    const FabNcclGpu *gpu = gpu_at(writer, i);
    uint32_t sum = 0;

    for (guint j = 0; j < gpu->links->len; j++)
        sum += g_array_index(gpu->links, FabNcclLink, j).count;
    if (sum <= writer->models[i]->nvlink_links)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: GPU %u has %u NVLinks, %s has at most %u; give the right model "
        "with --gpu", writer->topology->path, i, sum, writer->models[i]->id, writer->models[i]->nvlink_links);
    return false;
}

/* What the NVLinks join. Fails when the two ends of a pair do not agree. */
static bool
check_links(const Writer *writer, Nvlink *kind, GError **error)
{
    const FabNcclTopology *topology = writer->topology;

    *kind = NO_NVLINK;
    for (uint32_t i = 0; i < topology->gpus->len; i++) {
        const FabNcclGpu *gpu = gpu_at(writer, i);
        uint32_t peers = 0;
        if (!check_budget(writer, i, error))
            return false;
        for (guint j = 0; j < gpu->links->len; j++) {
            const FabNcclLink *link = &g_array_index(gpu->links, FabNcclLink, j);
            if (link->class >> 8 == 0x0680 && link->class != 0x068001)
                *kind = NVSWITCH;
            else if (link->class != 0x068001 && find_gpu(writer, link->target) < 0)
                fab_import_remark(writer->options, "%s: GPU %u has %u NVLinks to %.40s, which is not in the file; "
                    "left out",
                                  topology->path, i, link->count, link->target);
        }
        for (uint32_t j = 0; j < topology->gpus->len; j++) {
            uint32_t there = links_between(writer, i, j), back = links_between(writer, j, i);
            peers += there > 0;
            if (there == back)
                continue;
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: GPU %u has %u NVLinks to GPU %u, but GPU %u has %u to "
                "GPU %u; both must be the same", topology->path, i, there, j, j, back, i);
            return false;
        }
        if (*kind != NVSWITCH && peers > 0)
            *kind = peers == 1 && *kind != MESH ? PAIRS : MESH;
    }
    return true;
}

static char *
write_pairs(const Writer *writer, const char *key)
{
    const char *separator = "";

    g_string_append_printf(writer->text, "%s=", key);
    for (uint32_t i = 0; i < writer->topology->gpus->len; i++) {
        for (uint32_t j = i + 1; j < writer->topology->gpus->len; j++) {
            if (links_between(writer, i, j) == 0)
                continue;
            g_string_append_printf(writer->text, "%s%u-%u:%u", separator, i, j, links_between(writer, i, j));
            separator = " ";
        }
    }
    g_string_append_c(writer->text, '\n');
    return g_strdup("direct NVLinks, as many for each pair as the file says");
}

static bool
is_constant(const GArray *numbers)
{
    for (guint i = 1; i < numbers->len; i++) {
        if (g_array_index(numbers, uint32_t, i) != g_array_index(numbers, uint32_t, 0))
            return false;
    }
    return true;
}

static char *
write_switches(const Writer *writer)
{
    const FabNcclTopology *topology = writer->topology;
    g_autoptr(GPtrArray) chips = g_ptr_array_new();
    g_autoptr(GArray) first = NULL;
    uint32_t links = 0;
    bool alike = true;

    for (uint32_t i = 0; i < topology->gpus->len; i++) {
        GArray *each = g_array_new(FALSE, TRUE, sizeof(uint32_t));
        uint32_t sum = links_to_switches(gpu_at(writer, i), chips, each);
        if (i > 0 && sum != links)
            fab_import_remark(writer->options, "%s: GPU %u has %u NVLinks to NVSwitches, GPU 0 has %u, which is taken",
                              topology->path, i, sum, links);
        alike = alike && (i == 0 || (each->len == first->len
                                     && memcmp(each->data, first->data, each->len * sizeof(uint32_t)) == 0));
        links = i == 0 ? sum : links;
        if (i == 0)
            first = each;
        else
            g_array_unref(each);
    }
    /* One chip may be a driver that hides them; GPUs that differ sit on different boards or chips. */
    if (chips->len == 1 || !alike)
        return g_strdup_printf("NVSwitches, each GPU with %u NVLinks; %s", links,
                               fab_nvswitch_board_write(writer->models[0], links, topology->gpus->len, writer->text));
    g_string_append_printf(writer->text, "chips=%u\nlinks_per_chip=", chips->len);
    if (is_constant(first))
        g_array_set_size(first, 1); /* one number stands for every chip */
    for (guint i = 0; i < first->len; i++)
        g_string_append_printf(writer->text, "%s%u", i == 0 ? "" : ";", g_array_index(first, uint32_t, i));
    g_string_append_c(writer->text, '\n');
    return g_strdup_printf("%u NVSwitch chips, each GPU with %u NVLinks, as the file says", chips->len, links);
}

static char *
write_nvlink(const Writer *writer, Nvlink kind)
{
    switch (kind) {
    case NVSWITCH:
        return write_switches(writer);
    case PAIRS:
        return write_pairs(writer, "nvlink_pairs");
    case MESH:
        return write_pairs(writer, "links");
    default:
        return g_strdup("none, for no GPU has an <nvlink> to another that is here");
    }
}

/* ------------------------------------------------------------------ the whole */

static void
write_source(const Writer *writer, const char *nvlink, bool c2c)
{
    const FabNcclTopology *topology = writer->topology;
    GString *text = writer->text;

    g_string_append_printf(text, "\n[source]\nread=NCCL topology, %s; GPUs: %u, NICs: %u\n", writer->file,
                           topology->gpus->len, topology->nics->len);
    for (uint32_t i = 0; i < topology->gpus->len; i++) {
        g_autofree char *bus = plain(gpu_at(writer, i)->bus);
        g_string_append_printf(text, "read_gpu%u=%s; model by %s\n", i, bus,
                               writer->given[i] ? "--gpu" : "the PCI identifier");
    }
    for (guint i = 0; i < topology->nics->len; i++) {
        const FabNcclNic *nic = topology->nics->pdata[i];
        g_autofree char *bus = plain(nic->bus), *name = plain(nic->name != NULL ? nic->name : "no name");
        g_string_append_printf(text, "read_nic%u=%s; %s\n", i, bus, name);
    }
    if (topology->virtual_nics > 0)
        g_string_append_printf(text, "left_out=%u NICs that have no place on PCIe\n", topology->virtual_nics);
    g_string_append_printf(text, "inferred_nvlink=%s\n", nvlink);
    g_string_append_printf(text, "inferred_numa=%u NUMA nodes, taken for parts of two sockets when there are more\n",
                           topology->cpus->len);
    g_string_append(text, c2c ? "inferred_pcie=GPUs hang on their CPU by C2C\n"
                              : "inferred_pcie=bridges are switches, with the link upwards that the file says\n");
    g_string_append(text, "assumed=a host bridge for each root port; links between sockets by the maker of the CPU; "
        "PCIe x16 of the GPU's generation where the file gives no speed; the driver's stock peer access\n");
}

static void
write_machine(const Writer *writer, Nvlink kind)
{
    static const char *const plugins[] = { "pcie-switch", "nvswitch", "nvlink-bridge", "nvlink-mesh" };
    const FabNcclTopology *topology = writer->topology;
    g_autofree char *nvlink = NULL;
    bool c2c = true;

    g_string_append_printf(writer->text,
                           "# Made by `fabricast import nccl-topology` from %s.\n"
                           "# [source] says what was read there and what was inferred; correct what you know better.\n"
                           "[topology]\nplugin=%s\ntitle=%ux %s, from an NCCL topology\ngpu=%s\ngpus=%u\n",
                           writer->file, plugins[kind], topology->gpus->len, writer->models[0]->name,
                           writer->models[0]->id, topology->gpus->len);
    for (uint32_t i = 0; i < topology->gpus->len; i++) {
        c2c = c2c && gpu_at(writer, i)->c2c;
        if (writer->models[i] != writer->models[0])
            g_string_append_printf(writer->text, "gpu_%u=%s\n", i, writer->models[i]->id);
    }
    if (c2c)
        write_c2c(writer);
    else
        write_tree(writer);
    write_nic_rate(writer);
    nvlink = write_nvlink(writer, kind);
    write_source(writer, nvlink, c2c);
}

static bool
import_xml(const char *path, const char *gpu, const FabImportOptions *options, FILE *out, GError **error)
{
    g_autoptr(xmlDoc) document = fab_nccl_xml_load(path, "system", error);
    g_autoptr(FabNcclTopology) topology = document != NULL ? fab_nccl_topology_read(path, document, options,
        error) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *base = g_path_get_basename(path), *file = plain(base);
    g_autofree const FabGpuModel **models = NULL;
    g_autofree bool *given = NULL;
    Writer writer = { .topology = topology, .options = options, .text = text, .file = file };
    Nvlink kind;

    if (topology == NULL)
        return false;
    writer.models = models = g_new0(const FabGpuModel *, topology->gpus->len);
    writer.given = given = g_new0(bool, topology->gpus->len);
    if (!find_models(&writer, gpu, error) || !check_links(&writer, &kind, error))
        return false;
    write_machine(&writer, kind);
    if (fwrite(text->str, 1, text->len, out) == text->len && fflush(out) == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "cannot write the machine file: %s", g_strerror(errno));
    return false;
}

bool
fab_import_nccl_topology(const char *path, const char *gpu, const FabImportOptions *options, FILE *out, GError **error)
{
    bool good = import_xml(path, gpu, options, out, error);

    fab_import_clean_error(error);
    return good;
}
