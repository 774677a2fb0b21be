#include "predict/training.h"

#include "base/error.h"
#include "topology/machine.h"

void
fab_footprint_free(FabFootprint *footprint)
{
    if (footprint == NULL)
        return;
    g_free(footprint->name);
    g_free(footprint->scenario);
    fab_model_free(footprint->model);
    fab_training_free(footprint->training);
    fab_memory_free(footprint->memory);
    g_free(footprint->gpu);
    g_free(footprint->topology);
    g_free(footprint);
}

/* Makers sell GiB as GB: an "80 GB" A100 shows 81920 MiB, a "24 GB" RTX 3090 24576 MiB (nvidia-smi). */
static uint64_t
memory_of(const FabGpuModel *gpu)
{
    return (uint64_t)(gpu->memory_bytes / 1e9 * (double)(UINT64_C(1) << 30));
}

static FabFootprint *
account(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autoptr(FabFootprint) footprint = g_new0(FabFootprint, 1);
    const FabGpuModel *gpu = topology->vertices[topology->gpus[0]].gpu;
    uint64_t capacity = memory_of(gpu);

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        capacity = MIN(capacity, memory_of(topology->vertices[topology->gpus[i]].gpu));
    footprint->name = g_strdup(scenario->name);
    footprint->scenario = g_strdup(scenario->text);
    footprint->model = fab_model_copy(scenario->model);
    footprint->training = fab_training_copy(scenario->training);
    footprint->gpu = g_strdup(gpu->id);
    footprint->topology = g_strdup(topology->name);
    if (!fab_training_place(footprint->training, footprint->model, topology->gpu_count, scenario->path, error))
        return NULL;
    footprint->memory = fab_memory_account(footprint->training, footprint->model, capacity, topology->gpu_count);
    return g_steal_pointer(&footprint);
}

FabFootprint *
fab_footprint_new(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autoptr(FabTopology) built = NULL;

    if (scenario->training == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: has no group [training] or [inference], only those have an account of memory", scenario->path);
        return NULL;
    }
    if (topology == NULL) {
        built = fab_machine_load(scenario->topology, scenario->overrides, error);
        topology = built;
    }
    return topology != NULL ? account(scenario, topology, error) : NULL;
}
