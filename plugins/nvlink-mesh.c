/* NVLinks straight from GPU to GPU, no NVSwitch: cube meshes, fully connected boards of four. */
#include "common/nvlink.h"
#include "common/params.h"

static const FabParamSpec params[] = {
    FAB_BOX_PARAMS,
    FAB_NVLINK_PARAMS,
    FAB_TEXT("links", "", "pairs joined directly, with their number of NVLinks: 0-1:1 0-3:2; empty: every pair"),
    FAB_INTEGER("links_per_pair", "0", 0, 64, "NVLinks between any two GPUs; 0: as many as fit"),
    FAB_PARAMS_END,
};

static bool
join_all(FabNvlink *nvlink, uint32_t links)
{
    const FabBox *box = nvlink->box;
    uint32_t places = box->slots * box->trays;

    for (uint32_t a = 0; a < box->gpus; a++) {
        uint32_t each = links > 0 ? links : places > 1 ? box->models[a]->nvlink_links / (places - 1) : 0;
        for (uint32_t b = a + 1; b < box->gpus; b++) {
            if (each == 0)
                return box->host->fail(box->builder, "GPU %u (%s) has %u NVLinks, too few for %u others; give links",
                                       a, box->models[a]->name, box->models[a]->nvlink_links, places - 1);
            if (!fab_nvlink_join(nvlink, "links_per_pair", a, b, each))
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
    uint32_t each = (uint32_t)host->integer(builder, "links_per_pair");

    if (host->text(builder, "links")[0] == '\0')
        return join_all(nvlink, each);
    if (each > 0)
        return host->fail(builder, "links_per_pair and links exclude each other; give one of them");
    return fab_nvlink_join_list(nvlink, "links", 1);
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    return fab_nvlink_build(host, builder, join);
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "nvlink-mesh",
    .summary = "GPUs joined directly by NVLink, from a list of pairs or each to each",
    .params = params,
    .build = build,
};
