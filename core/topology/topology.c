#include "topology/topology.h"

void
fab_topology_free(FabTopology *topology)
{
    if (topology == NULL)
        return;
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        g_free(topology->vertices[i].name);
        g_free(topology->vertices[i].model);
        g_free(topology->vertices[i].memory);
    }
    for (uint32_t i = 0; i < topology->link_count; i++)
        g_free(topology->links[i].label);
    for (uint32_t i = 0; i < topology->resource_count; i++)
        g_free(topology->resources[i].name);
    for (uint32_t i = 0; i < topology->node_count; i++) {
        g_free(topology->nodes[i].machine);
        g_free(topology->nodes[i].title);
    }
    g_free(topology->nodes);
    g_free(topology->name);
    g_free(topology->title);
    g_free(topology->path);
    g_free(topology->plugin);
    g_strfreev(topology->source);
    g_free(topology->vertices);
    g_free(topology->links);
    g_free(topology->resources);
    g_free(topology->gpus);
    g_free(topology->host_port);
    g_clear_pointer(&topology->no_peer, g_hash_table_destroy);
    g_free(topology->links_at);
    g_free(topology->links_at_start);
    g_free(topology);
}

bool
fab_topology_peer_access(const FabTopology *topology, FabVertex a, FabVertex b)
{
    gint64 pair = (gint64)MIN(a, b) << 32 | MAX(a, b);

    return !g_hash_table_contains(topology->no_peer, &pair);
}

const char *
fab_vertex_kind_name(FabVertexKind kind)
{
    switch (kind) {
    case FAB_VERTEX_GPU:
        return "GPU";
    case FAB_VERTEX_NVSWITCH:
        return "NVSwitch";
    case FAB_VERTEX_PCIE_SWITCH:
        return "PCIe switch";
    case FAB_VERTEX_HOST_BRIDGE:
        return "host bridge";
    case FAB_VERTEX_CPU:
        return "CPU";
    case FAB_VERTEX_NIC:
        return "NIC";
    case FAB_VERTEX_NET_SWITCH:
        return "network switch";
    case FAB_VERTEX_MEMORY:
        return "device memory";
    }
    return "unknown";
}

const char *
fab_medium_name(FabMedium medium)
{
    switch (medium) {
    case FAB_MEDIUM_NVLINK:
        return "NVLink";
    case FAB_MEDIUM_C2C:
        return "C2C";
    case FAB_MEDIUM_PCIE:
        return "PCIe";
    case FAB_MEDIUM_SOCKET:
        return "socket link";
    case FAB_MEDIUM_INTERNAL:
        return "internal";
    case FAB_MEDIUM_INFINIBAND:
        return "InfiniBand";
    case FAB_MEDIUM_ETHERNET:
        return "Ethernet";
    }
    return "unknown";
}

const uint32_t *
fab_topology_links_at(const FabTopology *topology, FabVertex vertex, uint32_t *count)
{
    g_return_val_if_fail(vertex < topology->vertex_count, NULL);

    *count = topology->links_at_start[vertex + 1] - topology->links_at_start[vertex];
    return topology->links_at + topology->links_at_start[vertex];
}
