/* PCIe cards joined by NVLink bridges: pairs, or fully connected groups of four, over their PCIe tree. */
#include <stdlib.h>

#include "common/nvlink.h"
#include "common/params.h"

static const FabParamSpec params[] = {
    FAB_BOX_PARAMS,
    FAB_NVLINK_PARAMS,
    FAB_NVLINK_PAIR_PARAMS,
    FAB_CHOICE("bridge_size", "2", "2;4",
               "GPUs that one bridge joins, each to each; GPUs in order, unless nvlink_pairs says which"),
    FAB_PARAMS_END,
};

/* Every GPU to every other of its group of `size`; a group cut short by the number of GPUs stays smaller. */
static bool
join_groups(FabNvlink *nvlink, uint32_t size, uint32_t links)
{
    const FabBox *box = nvlink->box;

    for (uint32_t a = 0; a < box->gpus; a++) {
        uint32_t end = a - a % size + size;
        for (uint32_t b = a + 1; b < end && b < box->gpus; b++) {
            uint32_t first = box->models[a]->nvlink_links, second = box->models[b]->nvlink_links;
            uint32_t each = links > 0 ? links : (first < second ? first : second) / (size - 1);
            if (!fab_nvlink_join(nvlink, "bridge_size", a, b, each))
                return false;
        }
    }
    return true;
}

static bool
join(FabNvlink *nvlink)
{
    const FabHost *host = nvlink->box->host;
    FabBuilder *builder = nvlink->box->builder;

    if (host->text(builder, "nvlink_pairs")[0] != '\0')
        return fab_nvlink_join_pairs(nvlink);
    return join_groups(nvlink, (uint32_t)atoi(host->text(builder, "bridge_size")),
                       (uint32_t)host->integer(builder, "nvlink_links"));
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    return fab_nvlink_build(host, builder, join);
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "nvlink-bridge",
    .summary = "PCIe cards joined in twos or fours by NVLink bridges",
    .params = params,
    .build = build,
};
