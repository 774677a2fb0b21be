/* One GPU whose CTAs play several ranks: virtual GPUs that share its memory, its cache and its SMs. */
#include <stdio.h>

#include "common/params.h"

#define NUMBER(name, unit, value, min, max, help) { name, FAB_PARAM_NUMBER, unit, help, value, min, max, NULL }

/*
 * Defaults are an H200's. Sources:
 * - memory_share: BabelStream's copy reaches 4.01 of 4.8 TB/s (https://github.com/Azure/AI-benchmarking-guide,
 *   Azure_Results/ND_H200_v5_results.md).
 * - sm_rate: twice the 41 GB/s at which a CTA of NCCL copies inside a Hopper GPU (docs/model.md: 13 plateaus).
 * - cache: the chip reports 60 MB in two halves; half of it is what can be in both, for data that all SMs use. An
 *   assumption. cache_rate: an assumption too, between the memory's 4 TB/s and the 10.1 TB/s of 5120 B a clock.
 * - times: a load takes 281 clocks from the cache and 690 from memory (GH200, https://github.com/markdewing/AI_kernels,
 *   latency), at 1.98 GHz 0.14 and 0.35 us. A flag is seen after a store and one and a half polls: 0.35 us. A slice
 *   costs a poll, the first load, a fence that waits for the last store, two barriers: 0.9 us; without bytes a poll, a
 *   fence with nothing to wait for, two barriers: 0.4 us; of LL and LL128 a load from memory: 0.35 us, since threads
 *   wait for their own lines and nothing is fenced. launch: an assumption.
 */
static const FabParamSpec params[] = {
    FAB_TEXT("gpu", NULL, "model of the GPU that all ranks share, such as h200-sxm"),
    FAB_INTEGER("gpus", NULL, 1, 1024, "virtual GPUs, each of them a rank"),
    FAB_RATE("memory_rate", "0 GB/s",
             "what kernels read and write in memory, together; 0: memory_share of the model's"),
    NUMBER("memory_share", "", "0.835", 0.01, 1, "share of the model's memory bandwidth that kernels reach"),
    FAB_RATE("cache_rate", "5500 GB/s", "what kernels read and write in the L2 cache, together"),
    NUMBER("cache", "B", "30 MB", 0, 1e12, "what the cache keeps of data that all SMs use; 0: nothing"),
    FAB_INTEGER("sms", "0", 0, 100000, "SMs, one set for all ranks; 0: those of the model"),
    FAB_RATE("sm_rate", "82 GB/s", "what one SM reads and writes, together"),
    NUMBER("slice_time", "s", "0.9 us", 0, 1e-3, "a CTA is busy for it at every slice, beside moving the bytes"),
    NUMBER("line_time", "s", "0.35 us", 0, 1e-3,
           "the same with protocols LL and LL128, whose flags travel with the data; 0: slice_time"),
    NUMBER("empty_time", "s", "0.4 us", 0, 1e-3, "the same for a slice without bytes"),
    NUMBER("flag_latency", "s", "0.35 us", 0, 1e-3, "until the other end of a connection sees a flag"),
    NUMBER("launch", "s", "3 us", 0, 1e-3, "a call beside what its CTAs do"),
    FAB_PARAMS_END,
};

static FabVertex
add_memory(const FabHost *host, FabBuilder *builder, const FabGpuModel *model)
{
    double rate = host->number(builder, "memory_rate");
    int64_t sms = host->integer(builder, "sms");
    char label[128];
    FabMemorySpec memory = {
        .size = sizeof(FabMemorySpec),
        .bandwidth = rate > 0 ? rate : model->memory_bandwidth * host->number(builder, "memory_share"),
        .cache_bandwidth = host->number(builder, "cache_rate"),
        .cache_bytes = host->number(builder, "cache"),
        .processors = sms > 0 ? (uint32_t)sms : model->sm_count,
        .processor_rate = host->number(builder, "sm_rate"),
        .slice_time = host->number(builder, "slice_time"),
        .empty_time = host->number(builder, "empty_time"),
        .flag_latency = host->number(builder, "flag_latency"),
        .launch_time = host->number(builder, "launch"),
        .line_time = host->number(builder, "line_time"),
    };

    snprintf(label, sizeof label, "%.80s, %.0f GB/s", model->name, memory.bandwidth / 1e9);
    return host->add_vertex(builder, &(FabVertexSpec) {
        .size = sizeof(FabVertexSpec), .kind = FAB_VERTEX_MEMORY, .name = "memory", .model = label,
        .socket = -1, .numa = -1, .memory = &memory });
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    const FabGpuModel *model = host->gpu(builder, host->text(builder, "gpu"));
    uint32_t gpus = (uint32_t)host->integer(builder, "gpus");
    int64_t sms = host->integer(builder, "sms");
    FabVertex memory;
    double share;

    if (model == NULL)
        return false;
    memory = add_memory(host, builder, model);
    /* A rank's way to the memory is its share of the SMs. */
    share = (double)(sms > 0 ? sms : model->sm_count) / gpus * host->number(builder, "sm_rate");
    for (uint32_t i = 0; i < gpus; i++) {
        char name[32];
        FabVertex gpu;

        snprintf(name, sizeof name, "GPU %u", i);
        gpu = host->add_vertex(builder, &(FabVertexSpec) {
            .size = sizeof(FabVertexSpec), .kind = FAB_VERTEX_GPU, .name = name, .model = "virtual", .gpu = model,
            .socket = -1, .numa = -1 });
        if (!host->add_link(builder, &(FabLinkSpec) {
                .size = sizeof(FabLinkSpec), .a = gpu, .b = memory, .medium = FAB_MEDIUM_INTERNAL,
                .label = "loads, stores", .bandwidth = share, .efficiency = 1, .reverse = -1 }))
            return false;
    }
    return true;
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "loopback",
    .summary = "virtual GPUs that share one real GPU: its memory, its cache, its SMs",
    .params = params,
    .build = build,
};
