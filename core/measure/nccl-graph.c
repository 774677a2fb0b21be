#include "measure/nccl-graph.h"

#include <math.h>

#include "base/error.h"
#include "measure/draft.h"
#include "measure/nccl-xml.h"

/* Numbers of NCCL's graphs (graph.h). */
enum { RING, TREE, COLLNET_CHAIN, NVLS };
enum { MOST_CHANNELS = 64, MOST_GPUS = 1024 };

typedef struct {
    const char *path;
    FabNcclGraph *graph;
} Reader;

static bool
refuse(const Reader *reader, const xmlNode *node, const char *text, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: %s", reader->path, xmlGetLineNo(node), text);
    return false;
}

static bool
read_speed(const Reader *reader, xmlNode *node, const char *name, double *speed, GError **error)
{
    g_autofree char *text = fab_nccl_xml_text(node, name);
    char *end = NULL;
    double value = text != NULL ? g_ascii_strtod(text, &end) : NAN;
    g_autofree char *message = NULL;

    if (text != NULL && end != text && *end == '\0' && isfinite(value) && value > 0 && value < 1e6) {
        *speed = value;
        return true;
    }
    message = g_strdup_printf("%s must be GB/s above 0", name);
    return refuse(reader, node, message, error);
}

static bool
read_channel(const Reader *reader, xmlNode *channel, GArray *devices, GError **error)
{
    guint before = devices->len, count;

    for (xmlNode *child = channel->children; child != NULL; child = child->next) {
        int64_t device = fab_nccl_xml_is(child, "gpu") ? fab_nccl_xml_integer(child, "dev", -1) : 0;
        uint32_t number = (uint32_t)device;
        if (!fab_nccl_xml_is(child, "gpu"))
            continue;
        if (device < 0 || device > INT32_MAX)
            return refuse(reader, child, "<gpu> needs dev, the number of a device", error);
        for (guint i = before; i < devices->len; i++) {
            if (g_array_index(devices, uint32_t, i) == number)
                return refuse(reader, child, "a channel passes each GPU once, this one is there for the second time",
                              error);
        }
        if (devices->len - before == MOST_GPUS)
            return refuse(reader, child, "a channel has more than 1024 GPUs", error);
        g_array_append_val(devices, number);
    }
    count = devices->len - before;
    if (count == 0)
        return refuse(reader, channel, "the channel passes no GPU", error);
    if (before > 0 && count != reader->graph->gpus)
        return refuse(reader, channel, "the channel has another number of GPUs than the one before", error);
    reader->graph->gpus = count;
    return true;
}

static bool
read_ring(const Reader *reader, xmlNode *node, GError **error)
{
    g_autoptr(GArray) devices = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    FabNcclGraph *graph = reader->graph;

    for (xmlNode *child = node->children; child != NULL; child = child->next) {
        if (!fab_nccl_xml_is(child, "channel"))
            continue;
        if (graph->channels++ == MOST_CHANNELS)
            return refuse(reader, child, "a graph has at most 64 channels", error);
        if (!read_channel(reader, child, devices, error))
            return false;
    }
    graph->devices = (uint32_t *)g_array_free(g_steal_pointer(&devices), FALSE);
    if (graph->channels == 0)
        return refuse(reader, node, "the ring graph holds no <channel>, NCCL's search found nothing", error);
    return read_speed(reader, node, "speedintra", &graph->speed, error);
}

static bool
read_graph(const Reader *reader, xmlNode *node, GError **error)
{
    int64_t id = fab_nccl_xml_integer(node, "id", -1), channels = fab_nccl_xml_integer(node, "nchannels", -1);
    FabNcclGraph *graph = reader->graph;

    if (id != RING && id != TREE && id != NVLS)
        return true;
    if (channels < 0 || channels > MOST_CHANNELS)
        return refuse(reader, node, "nchannels must be from 0 to 64", error);
    if (id == RING && graph->channels > 0)
        return refuse(reader, node, "the file holds a second ring graph", error);
    if (id == RING)
        return read_ring(reader, node, error);
    if (id == TREE) {
        graph->has_tree = true;
        graph->tree_channels = (uint32_t)channels;
        return true;
    }
    graph->has_nvls = true;
    graph->nvls_heads = (uint32_t)channels;
    return channels == 0 || (read_speed(reader, node, "speedintra", &graph->nvls_intra, error) &&
                             read_speed(reader, node, "speedinter", &graph->nvls_inter, error));
}

static bool
read_graphs(const Reader *reader, GError **error)
{
    g_autoptr(xmlDoc) document = fab_nccl_xml_load(reader->path, "graphs", error);
    xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;

    if (root == NULL)
        return false;
    if (fab_nccl_xml_integer(root, "version", 0) != 1)
        return refuse(reader, root, "version of <graphs> must be 1", error);
    for (xmlNode *child = root->children; child != NULL; child = child->next) {
        if (fab_nccl_xml_is(child, "graph") && !read_graph(reader, child, error))
            return false;
    }
    return reader->graph->channels > 0 || refuse(reader, root, "<graphs> holds no ring graph (id=\"0\")", error);
}

bool
fab_nccl_graph_load(const char *path, FabNcclGraph *graph, GError **error)
{
    Reader reader = { path, graph };

    *graph = (FabNcclGraph) { 0 };
    if (read_graphs(&reader, error))
        return true;
    fab_import_clean_error(error);
    fab_nccl_graph_clear(graph);
    return false;
}

void
fab_nccl_graph_clear(FabNcclGraph *graph)
{
    g_clear_pointer(&graph->devices, g_free);
}
