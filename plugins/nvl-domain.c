/* Racks whose trays are one NVLink domain, joined by a network with one rail for each NIC of a tray. */
#include "common/rails.h"

static const FabParamSpec params[] = {
    FAB_TEXT("node", "gb200-nvl72", "machine of the catalogue that every rack is"),
    FAB_CLUSTER_NODE_PARAMS,
    FAB_CLUSTER_NETWORK_PARAMS,
    FAB_RAILS_PARAMS("4"),
    FAB_PARAMS_END,
};

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "nvl-domain",
    .summary = "a cluster of racks, each one NVLink domain, with leaves and spines for the NICs of their trays",
    .params = params,
    .build = fab_rails_build,
};
