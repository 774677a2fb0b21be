/* The smallest useful plugin: two GPUs, one NVLink connection. */
#include <fabricast/plugin.h>

static const FabParamSpec params[] = {
    { "gpu", FAB_PARAM_TEXT, "", "id of the GPU model", "h100-sxm", 0, 0, 0 },
    { "bandwidth", FAB_PARAM_NUMBER, "B/s", "one direction", "50 GB/s", 1e6, 1e13, 0 },
    { 0 },
};

static bool
build(const FabHost *host, FabBuilder *builder)
{
    const FabGpuModel *gpu = host->gpu(builder, host->text(builder, "gpu"));
    FabVertexSpec first = { .size = sizeof first, .kind = FAB_VERTEX_GPU, .name = "GPU 0", .gpu = gpu };
    FabVertexSpec second = { .size = sizeof second, .kind = FAB_VERTEX_GPU, .name = "GPU 1", .gpu = gpu };
    FabLinkSpec link = { .size = sizeof link, .medium = FAB_MEDIUM_NVLINK, .generation = 4 };

    link.a = host->add_vertex(builder, &first);
    link.b = host->add_vertex(builder, &second);
    link.bandwidth = host->number(builder, "bandwidth");
    return host->add_link(builder, &link);
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "tiny",
    .summary = "two GPUs and one NVLink connection",
    .params = params,
    .build = build,
};
