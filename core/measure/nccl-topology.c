#include "measure/nccl-topology.h"

#include <string.h>

#include "base/error.h"
#include "measure/gpu-name.h"

enum { MAX_DEVICES = 1023, MAX_NUMA = 128, NVSWITCH_CLASS = 0x068000 };

/* ------------------------------------------------------------------ attributes */

uint32_t
fab_nccl_pci_generation(xmlNode *pci)
{
    /* Transfer rates of the PCI Express base specifications, one lane. */
    static const double rates[] = { 2.5, 5, 8, 16, 32, 64 };
    g_autofree char *speed = fab_nccl_xml_text(pci, "link_speed");
    double rate = speed != NULL ? g_ascii_strtod(speed, NULL) : 0;

    for (uint32_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        if (rate == rates[i])
            return i + 1;
    }
    return 0;
}

static xmlNode *
find_child(xmlNode *node, const char *name)
{
    for (xmlNode *child = node->children; child != NULL; child = child->next) {
        if (fab_nccl_xml_is(child, name))
            return child;
    }
    return NULL;
}

FabNcclPci
fab_nccl_pci_kind(xmlNode *pci)
{
    int64_t class = fab_nccl_xml_integer(pci, "class", 0);

    /* Some files hold the class without its last byte. */
    if (class > 0 && class <= 0xffff)
        class <<= 8;
    if (find_child(pci, "gpu") != NULL || class >> 16 == 0x03)
        return FAB_NCCL_PCI_GPU;
    if (find_child(pci, "nic") != NULL || class >> 16 == 0x02)
        return FAB_NCCL_PCI_NIC;
    return class >> 8 == 0x0604 || find_child(pci, "pci") != NULL ? FAB_NCCL_PCI_BRIDGE : FAB_NCCL_PCI_OTHER;
}

static char *
bus_of(xmlNode *node, const char *name)
{
    g_autofree char *text = fab_nccl_xml_text(node, name);

    return g_ascii_strdown(text != NULL ? text : "", -1);
}

/* ------------------------------------------------------------------ devices */

static void
free_gpu(gpointer data)
{
    FabNcclGpu *gpu = data;

    for (guint i = 0; i < gpu->links->len; i++)
        g_free(g_array_index(gpu->links, FabNcclLink, i).target);
    g_array_unref(gpu->links);
    g_free(gpu->bus);
    g_free(gpu);
}

static void
free_nic(gpointer data)
{
    FabNcclNic *nic = data;

    g_free(nic->name);
    g_free(nic->bus);
    g_free(nic);
}

void
fab_nccl_topology_free(FabNcclTopology *topology)
{
    if (topology == NULL)
        return;
    g_ptr_array_unref(topology->gpus);
    g_ptr_array_unref(topology->nics);
    g_ptr_array_unref(topology->cpus);
    g_free(topology);
}

static bool
read_link(const FabNcclTopology *topology, xmlNode *node, FabNcclGpu *gpu, GError **error)
{
    FabNcclLink link = { .target = bus_of(node, "target"), .class = fab_nccl_xml_integer(node, "tclass", 0) };
    int64_t count = fab_nccl_xml_integer(node, "count", 0);

    link.count = count > 0 && count <= 64 ? (uint32_t)count : 0;
    /* Drivers that hide the NVSwitch from a virtual machine give a target that no device has. */
    if (g_str_has_prefix(link.target, "ffff") || link.class >> 8 == 0x0604)
        link.class = NVSWITCH_CLASS;
    g_array_append_val(gpu->links, link);
    if (link.count > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: <nvlink> needs a count from 1 to 64", topology->path,
                xmlGetLineNo(node));
    return false;
}

static bool
add_gpu(FabNcclTopology *topology, xmlNode *pci, uint32_t numa, GError **error)
{
    FabNcclGpu *gpu = g_new0(FabNcclGpu, 1);
    xmlNode *node = find_child(pci, "gpu");
    int64_t vendor = fab_nccl_xml_integer(pci, "vendor", 0);

    gpu->node = pci;
    gpu->bus = bus_of(pci, "busid");
    gpu->dev = node != NULL ? fab_nccl_xml_integer(node, "dev", -1) : -1;
    gpu->id = vendor == 0x10de ? fab_gpu_id_of_pci(fab_nccl_xml_integer(pci, "device", 0)) : NULL;
    gpu->numa = numa;
    gpu->links = g_array_new(FALSE, TRUE, sizeof(FabNcclLink));
    g_ptr_array_add(topology->gpus, gpu);
    for (xmlNode *child = node != NULL ? node->children : NULL; child != NULL; child = child->next) {
        if (fab_nccl_xml_is(child, "nvlink") && !read_link(topology, child, gpu, error))
            return false;
        gpu->c2c = gpu->c2c || fab_nccl_xml_is(child, "c2c");
        if (fab_nccl_xml_is(child, "xgmi")) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: this is RCCL's topology of AMD GPUs, which "
                "are not described here", topology->path, xmlGetLineNo(child));
            return false;
        }
    }
    return true;
}

static void
add_nic(FabNcclTopology *topology, xmlNode *pci, uint32_t numa)
{
    FabNcclNic *nic = g_new0(FabNcclNic, 1);
    xmlNode *group = find_child(pci, "nic"), *net = group != NULL ? find_child(group, "net") : NULL;
    int64_t mbps = net != NULL ? fab_nccl_xml_integer(net, "speed", 0) : 0;

    nic->node = pci;
    nic->bus = bus_of(pci, "busid");
    nic->name = net != NULL ? fab_nccl_xml_text(net, "name") : NULL;
    nic->numa = numa;
    nic->gbps = mbps >= 1000 && mbps <= 10000000 ? (uint32_t)(mbps / 1000) : 0;
    g_ptr_array_add(topology->nics, nic);
}

/* All below one <cpu> or <pci>. libxml2 bounds the depth. */
static bool
walk(FabNcclTopology *topology, xmlNode *node, uint32_t numa, const FabImportOptions *options, GError **error)
{
    for (xmlNode *child = node->children; child != NULL; child = child->next) {
        FabNcclPci kind;
        topology->virtual_nics += fab_nccl_xml_is(child, "nic") && fab_nccl_xml_is(node, "cpu");
        if (!fab_nccl_xml_is(child, "pci"))
            continue;
        kind = fab_nccl_pci_kind(child);
        if (kind == FAB_NCCL_PCI_GPU && !add_gpu(topology, child, numa, error))
            return false;
        if (kind == FAB_NCCL_PCI_NIC)
            add_nic(topology, child, numa);
        if (kind == FAB_NCCL_PCI_OTHER) {
            g_autofree char *class = fab_nccl_xml_text(child, "class");
            fab_import_remark(options, "%s: line %ld: a PCI device of class %.10s is neither GPU, NIC nor bridge; "
                "left out",
                              topology->path, xmlGetLineNo(child), class != NULL ? class : "(none)");
        }
        if (topology->gpus->len + topology->nics->len > MAX_DEVICES) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has more than %d GPUs and NICs", topology->path,
                        MAX_DEVICES);
            return false;
        }
        if (kind == FAB_NCCL_PCI_BRIDGE && !walk(topology, child, numa, options, error))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ CPUs */

static const char *
vendor_of(xmlNode *cpu)
{
    g_autofree char *vendor = fab_nccl_xml_text(cpu, "vendor");

    return vendor == NULL ? "unknown" : strcmp(vendor, "GenuineIntel") == 0 ? "intel"
           : strcmp(vendor, "AuthenticAMD") == 0 ? "amd" : "unknown";
}

/* Places the <cpu> of one host by their NUMA numbers; -1 of virtual machines is 0. */
static bool
read_cpu(FabNcclTopology *topology, xmlNode *cpu, char **host, GError **error)
{
    int64_t numa = MAX(fab_nccl_xml_integer(cpu, "numaid", 0), 0);
    g_autofree char *hash = fab_nccl_xml_text(cpu, "host_hash");

    if (*host != NULL && hash != NULL && strcmp(*host, hash) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: a second host (host_hash %.40s after %.40s); a "
            "machine file describes one, dump the topology of a run on one node", topology->path, xmlGetLineNo(cpu),
                    hash,
                    *host);
        return false;
    }
    if (*host == NULL)
        *host = g_steal_pointer(&hash);
    if (numa >= MAX_NUMA) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: numaid is %d, at most %d", topology->path,
                    xmlGetLineNo(cpu), (int)numa, MAX_NUMA - 1);
        return false;
    }
    if ((guint)numa >= topology->cpus->len)
        g_ptr_array_set_size(topology->cpus, (gint)numa + 1);
    if (topology->cpus->pdata[numa] != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: NUMA node %d appears twice", topology->path,
                    xmlGetLineNo(cpu), (int)numa);
        return false;
    }
    topology->cpus->pdata[numa] = cpu;
    topology->cpu_vendor = vendor_of(cpu);
    return true;
}

static bool
read_cpus(FabNcclTopology *topology, xmlNode *root, GError **error)
{
    g_autofree char *host = NULL;

    if (fab_nccl_xml_integer(root, "version", 0) != 1) {
        g_autofree char *version = fab_nccl_xml_text(root, "version");
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: version of <system> is %.20s, must be 1 (2 is "
            "RCCL's, for AMD GPUs)", topology->path, xmlGetLineNo(root), version != NULL ? version : "missing");
        return false;
    }
    for (xmlNode *child = root->children; child != NULL; child = child->next) {
        if (fab_nccl_xml_is(child, "cpu") && !read_cpu(topology, child, &host, error))
            return false;
    }
    if (topology->cpus->len > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: <system> holds no <cpu>, so it is no topology of NCCL",
                topology->path);
    return false;
}

/* ------------------------------------------------------------------ the whole */

static int
compare_dev(const void *a, const void *b)
{
    const FabNcclGpu *first = *(FabNcclGpu *const *)a, *second = *(FabNcclGpu *const *)b;

    return (first->dev > second->dev) - (first->dev < second->dev);
}

/* CUDA's numbers when each GPU has one of its own, else the order of the file. */
static void
sort_gpus(FabNcclTopology *topology, const FabImportOptions *options)
{
    for (guint i = 0; i < topology->gpus->len; i++) {
        const FabNcclGpu *gpu = topology->gpus->pdata[i];
        bool unique = gpu->dev >= 0;
        for (guint j = 0; j < i; j++)
            unique = unique && ((const FabNcclGpu *)topology->gpus->pdata[j])->dev != gpu->dev;
        if (!unique) {
            fab_import_remark(options, "%s: not every GPU has a number (dev) of its own; they are numbered in the "
                "order of the file", topology->path);
            return;
        }
    }
    g_ptr_array_sort(topology->gpus, compare_dev);
}

FabNcclTopology *
fab_nccl_topology_read(const char *path, xmlDoc *document, const FabImportOptions *options, GError **error)
{
    g_autoptr(FabNcclTopology) topology = g_new0(FabNcclTopology, 1);

    topology->path = path;
    topology->gpus = g_ptr_array_new_with_free_func(free_gpu);
    topology->nics = g_ptr_array_new_with_free_func(free_nic);
    topology->cpus = g_ptr_array_new();
    if (!read_cpus(topology, xmlDocGetRootElement(document), error))
        return NULL;
    for (guint i = 0; i < topology->cpus->len; i++) {
        if (topology->cpus->pdata[i] != NULL && !walk(topology, topology->cpus->pdata[i], i, options, error))
            return NULL;
    }
    if (topology->gpus->len == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: holds no GPU", path);
        return NULL;
    }
    sort_gpus(topology, options);
    return g_steal_pointer(&topology);
}
