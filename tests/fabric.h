/* Small fabrics for tests, written as one line of text. */
#ifndef FAB_TESTS_FABRIC_H
#define FAB_TESTS_FABRIC_H

#include <stdlib.h>
#include <string.h>

#include "topology/builder.h"

/*
 * Words separated by blanks. A vertex is named by its kind and a number: g GPU, v NVSwitch, s PCIe switch, h host
 * bridge, c NUMA node, n NIC, w network switch.
 *
 *     g0-s0:pcie:32      a link: medium (nvlink, c2c, pcie, socket, internal, network) and GB/s; latency 100 ns for
 *                        nvlink, 200 for pcie, 50 for others; efficiency 1; reverse 0.5 for pcie, else none
 *     g0-g1:nvlink:50x2  the same with two lanes
 *     s0=acs  v0=multicast  h0=peer:20  c0=memory:100  g0=numa:1  g0=box:2  v0=chips:4
 *     g0!g1              no driver peer access
 *
 * Vertices come into being in the order in which the text first names them.
 */
static const char *fabric_text;

static void
fabric_attributes(FabVertexSpec *spec, const char *name)
{
    g_auto(GStrv) words = g_strsplit(fabric_text, " ", -1);
    g_autofree char *start = g_strconcat(name, "=", NULL);

    for (guint i = 0; words[i] != NULL; i++) {
        const char *what = words[i] + strlen(start), *value = strchr(words[i], ':');
        double number = value != NULL ? g_ascii_strtod(value + 1, NULL) : 0;
        if (!g_str_has_prefix(words[i], start))
            continue;
        if (strcmp(what, "acs") == 0)
            spec->flags |= FAB_VERTEX_ACS;
        else if (strcmp(what, "multicast") == 0)
            spec->flags |= FAB_VERTEX_MULTICAST;
        else if (g_str_has_prefix(what, "peer:"))
            spec->peer_limit = number * 1e9;
        else if (g_str_has_prefix(what, "memory:"))
            spec->memory_limit = number * 1e9;
        else if (g_str_has_prefix(what, "numa:"))
            spec->numa = (int32_t)number;
        else if (g_str_has_prefix(what, "box:"))
            spec->box = (int32_t)number;
        else if (g_str_has_prefix(what, "chips:"))
            spec->count = (uint32_t)number;
        else
            abort();
    }
}

static FabVertex
fabric_add_vertex(const FabHost *host, FabBuilder *builder, const char *name)
{
    static const struct {
        char letter;
        FabVertexKind kind;
        const char *name;
    } kinds[] = {
        { 'g', FAB_VERTEX_GPU, "GPU" },
        { 'v', FAB_VERTEX_NVSWITCH, "NVSwitch" },
        { 's', FAB_VERTEX_PCIE_SWITCH, "PCIe switch" },
        { 'h', FAB_VERTEX_HOST_BRIDGE, "host bridge" },
        { 'c', FAB_VERTEX_CPU, "CPU" },
        { 'n', FAB_VERTEX_NIC, "NIC" },
        { 'w', FAB_VERTEX_NET_SWITCH, "network switch" },
    };
    FabVertexSpec spec = { .size = sizeof spec, .socket = -1, .numa = -1 };
    g_autofree char *full = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].letter == name[0]) {
            spec.kind = kinds[i].kind;
            full = g_strdup_printf("%s %s", kinds[i].name, name + 1);
        }
    spec.name = full;
    if (spec.kind == FAB_VERTEX_GPU)
        spec.gpu = host->gpu(builder, "v100-sxm2");
    fabric_attributes(&spec, name);
    return host->add_vertex(builder, &spec);
}

static FabVertex
fabric_vertex(const FabHost *host, FabBuilder *builder, GHashTable *vertices, const char *name)
{
    if (!g_hash_table_contains(vertices, name))
        g_hash_table_insert(vertices, g_strdup(name), GUINT_TO_POINTER(fabric_add_vertex(host, builder, name)));
    return GPOINTER_TO_UINT(g_hash_table_lookup(vertices, name));
}

static void
fabric_add_link(const FabHost *host, FabBuilder *builder, FabVertex a, FabVertex b, const char *text)
{
    static const struct {
        const char *name;
        FabMedium medium;
        double latency, reverse;
    } media[] = {
        { "nvlink", FAB_MEDIUM_NVLINK, 100e-9, -1 }, { "c2c", FAB_MEDIUM_C2C, 50e-9, -1 },
        { "pcie", FAB_MEDIUM_PCIE, 200e-9, 0.5 },    { "socket", FAB_MEDIUM_SOCKET, 50e-9, -1 },
        { "internal", FAB_MEDIUM_INTERNAL, 50e-9, -1 }, { "network", FAB_MEDIUM_INFINIBAND, 50e-9, -1 },
    };
    g_auto(GStrv) parts = g_strsplit_set(text, ":x", -1);
    FabLinkSpec spec = { .size = sizeof spec, .a = a, .b = b, .efficiency = 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(media); i++)
        if (strcmp(media[i].name, parts[0]) == 0) {
            spec.medium = media[i].medium;
            spec.latency = media[i].latency;
            spec.reverse = media[i].reverse;
        }
    spec.bandwidth = g_ascii_strtod(parts[1], NULL) * 1e9;
    spec.lanes = parts[2] != NULL ? (uint32_t)atoi(parts[2]) : 1;
    host->add_link(builder, &spec);
}

static bool
fabric_build(const FabHost *host, FabBuilder *builder)
{
    g_auto(GStrv) words = g_strsplit(fabric_text, " ", -1);
    g_autoptr(GHashTable) vertices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; words[i] != NULL; i++) {
        g_auto(GStrv) ends = g_strsplit_set(words[i], "-!=:", 3);
        FabVertex a, b;
        if (words[i][0] == '\0')
            continue;
        a = fabric_vertex(host, builder, vertices, ends[0]);
        if (strchr(words[i], '=') != NULL || ends[1] == NULL)
            continue;
        b = fabric_vertex(host, builder, vertices, ends[1]);
        if (strchr(words[i], '!') != NULL)
            host->set_peer_access(builder, a, b, false);
        else
            fabric_add_link(host, builder, a, b, ends[2]);
    }
    return true;
}

/* Builds the fabric; a text that does not build is a mistake of the test. */
static FabTopology *
fabric_new(const char *text)
{
    static const FabParamSpec params[] = { { .name = NULL } };
    const FabTopologyPlugin plugin = { .abi = FAB_PLUGIN_ABI, .size = sizeof plugin, .name = "fabric",
                                       .summary = "a fabric for tests", .params = params, .build = fabric_build };
    g_autoptr(GHashTable) given = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    FabTopology *topology;

    fabric_text = text;
    topology = fab_topology_build(&plugin, given, "test.ini", &error);
    if (topology == NULL)
        g_error("%s", error->message);
    return topology;
}

#endif
