#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "measure/import-nccl-xml.h"
#include "measure/nccl-xml.h"

enum { MAX_CHANNELS = 1024 };

typedef struct {
    const char *path;
    const FabImportOptions *options;
    GString *text;
    uint32_t ring_channels; /* 0: there is no ring graph */
    uint32_t graphs;
} Writer;

/* Pattern numbers of NCCL's search (graph.h): how channels run through the GPUs. */
static const char *
pattern_name(int64_t pattern)
{
    static const char *const names[] = { NULL, "balanced tree", "split tree", "tree", "ring", "nvls",
        "collnet direct" };

    return pattern > 0 && pattern < (int64_t)G_N_ELEMENTS(names) ? names[pattern] : "unknown";
}

enum { RING = 4 };

/* What NCCL writes into speeds: "12", "22.5". */
static bool
check_speed(const Writer *writer, xmlNode *graph, const char *name, GError **error)
{
    g_autofree char *text = fab_nccl_xml_text(graph, name);

    if (text == NULL || (text[0] != '\0' && strspn(text, G_CSET_DIGITS ".") == strlen(text)))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: %s is \"%.40s\", must be GB/s", writer->path,
                xmlGetLineNo(graph), name, text);
    return false;
}

static const char *
attribute(xmlNode *node, const char *name, char **keep)
{
    g_free(*keep);
    *keep = fab_nccl_xml_text(node, name);
    if (*keep == NULL || strspn(*keep,
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != strlen(*keep))
        return "?";
    return *keep;
}

/* "# channel 0: net 0, GPUs 0 1 2 3, net 0" */
static bool
write_channel(const Writer *writer, xmlNode *channel, uint32_t number, GError **error)
{
    bool in_gpus = false;

    g_string_append_printf(writer->text, "# channel %u:", number);
    for (xmlNode *child = channel->children; child != NULL; child = child->next) {
        bool gpu = fab_nccl_xml_is(child, "gpu"), net = fab_nccl_xml_is(child, "net");
        g_autofree char *dev = gpu || net ? fab_nccl_xml_text(child, "dev") : NULL;
        if (!gpu && !net)
            continue;
        if (dev == NULL || dev[0] == '\0' || strspn(dev, gpu ? G_CSET_DIGITS : "0123456789abcdefx-") != strlen(dev)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: <%s> needs dev, the number of a device",
                        writer->path, xmlGetLineNo(child), (const char *)child->name);
            return false;
        }
        g_string_append_printf(writer->text, "%s %s", gpu && in_gpus ? "" : gpu ? " gpus" : " net", dev);
        in_gpus = gpu;
    }
    g_string_append_c(writer->text, '\n');
    return true;
}

static bool
write_graph(Writer *writer, xmlNode *graph, GError **error)
{
    int64_t pattern = fab_nccl_xml_integer(graph, "pattern", 0), said = fab_nccl_xml_integer(graph, "nchannels", -1);
    g_autofree char *intra = NULL, *inter = NULL, *type_intra = NULL, *type_inter = NULL;
    uint32_t channels = 0;

    writer->graphs++;
    if (said == 0)
        return true; /* the search found nothing */
    if (said < 0 || said > MAX_CHANNELS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: nchannels must be from 0 to %d", writer->path,
                    xmlGetLineNo(graph), MAX_CHANNELS);
        return false;
    }
    if (!check_speed(writer, graph, "speedintra", error) || !check_speed(writer, graph, "speedinter", error))
        return false;
    g_string_append_printf(writer->text, "#\n# %s: %d channels; %s GB/s each inside a node (%s), %s between nodes "
        "(%s)\n",
                           pattern_name(pattern), (int)said, attribute(graph, "speedintra", &intra),
                           attribute(graph, "typeintra", &type_intra), attribute(graph, "speedinter", &inter),
                           attribute(graph, "typeinter", &type_inter));
    for (xmlNode *child = graph->children; child != NULL; child = child->next) {
        if (fab_nccl_xml_is(child, "channel") && !write_channel(writer, child, channels++, error))
            return false;
    }
    if (channels != (uint32_t)said)
        fab_import_remark(writer->options, "%s: line %ld: the graph says %d channels and holds %u", writer->path,
                          xmlGetLineNo(graph), (int)said, channels);
    if (pattern == RING && writer->ring_channels == 0)
        writer->ring_channels = (uint32_t)said;
    return true;
}

static bool
write_all(Writer *writer, xmlNode *root, GError **error)
{
    g_autofree char *base = g_path_get_basename(writer->path);

    if (fab_nccl_xml_integer(root, "version", 0) != 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: line %ld: version of <graphs> must be 1", writer->path,
                    xmlGetLineNo(root));
        return false;
    }
    g_strcanon(base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+", '_');
    g_string_append_printf(writer->text, "# What NCCL's search chose, from %s.\n", base);
    for (xmlNode *child = root->children; child != NULL; child = child->next) {
        if (fab_nccl_xml_is(child, "graph") && !write_graph(writer, child, error))
            return false;
    }
    if (writer->graphs == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: <graphs> holds no <graph>", writer->path);
        return false;
    }
    if (writer->ring_channels > 0)
        g_string_append_printf(writer->text,
                               "\n# NCCL doubles the ring's channels. NCCL_GRAPH_FILE takes the rings and rates too.\n"
                               "[collective]\nalgorithm=ring\nchannels=%u\n", 2 * writer->ring_channels);
    return true;
}

static bool
import_xml(const char *path, const FabImportOptions *options, FILE *out, GError **error)
{
    g_autoptr(xmlDoc) document = fab_nccl_xml_load(path, "graphs", error);
    g_autoptr(GString) text = g_string_new(NULL);
    Writer writer = { .path = path, .options = options, .text = text };

    if (document == NULL || !write_all(&writer, xmlDocGetRootElement(document), error))
        return false;
    if (fwrite(text->str, 1, text->len, out) == text->len && fflush(out) == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "cannot write: %s", g_strerror(errno));
    return false;
}

bool
fab_import_nccl_graph(const char *path, const FabImportOptions *options, FILE *out, GError **error)
{
    bool good = import_xml(path, options, out, error);

    fab_import_clean_error(error);
    return good;
}
