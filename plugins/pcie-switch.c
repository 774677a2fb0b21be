/* GPUs on PCIe: root ports, switches in any tree, one or several sockets; bridges over pairs of cards if any. */
#include "common/nvlink.h"
#include "common/params.h"

static const FabParamSpec params[] = { FAB_BOX_PARAMS, FAB_NVLINK_PARAMS, FAB_NVLINK_PAIR_PARAMS, FAB_PARAMS_END };

static bool
build(const FabHost *host, FabBuilder *builder)
{
    return fab_nvlink_build(host, builder, fab_nvlink_join_pairs);
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "pcie-switch",
    .summary = "GPUs on PCIe root ports or below PCIe switches, with or without bridges over pairs",
    .params = params,
    .build = build,
};
