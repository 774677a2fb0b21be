#include "predict/shared.h"

#include <string.h>

#include "base/units.h"

/* NCCL's bound, and that of the kernels that run such programs. */
enum { MOST_CHANNELS = 32 };

/*
 * Between the writing of a slot and its reading, its sender and its receiver have each moved about one more slice: that
 * much must fit into the cache for the read to find it there.
 */
#define SLICES_BETWEEN 2.0

/* Bytes of a slice: the longest that the program can have. */
static double
slice_bytes(const FabProgram *program)
{
    return (double)MIN(program->slice_bytes, MAX(program->input_bytes, program->output_bytes));
}

/* What of `bytes` that are used again and again a cache does not hold: it throws out anything, not the oldest. */
static double
outside(double bytes, double cache)
{
    return bytes > cache ? 1 - cache / bytes : 0;
}

/* Bytes of a slot for each byte of payload: LL has 8 of 16 bytes, LL128 120 of 128. */
static double
slot_weight(FabProtocol protocol)
{
    return protocol == FAB_PROTOCOL_LL ? 2 : protocol == FAB_PROTOCOL_LL128 ? 16.0 / 15 : 1;
}

void
fab_shared_costs(FabEngineSpec *spec, const FabSharedFactors *factors, FabProtocol protocol, double launch_s)
{
    const FabMemorySpec *memory = spec->topology->vertices[spec->topology->shared].memory;
    const FabProgram *program = spec->program;
    bool lines = protocol != FAB_PROTOCOL_SIMPLE && memory->line_time > 0;
    double weight = slot_weight(protocol), slot = slice_bytes(program) * weight;
    double ctas = (double)program->ranks * program->channels, connections = program->connections;
    double cache = memory->cache_bytes * factors->cache, launch = memory->launch_time * factors->launch;
    double buffers = (double)program->ranks *
                     (double)(program->input_bytes + program->output_bytes + program->scratch_bytes);
    int64_t slice_ps = fab_ps_from_seconds(lines ? memory->line_time * factors->line_time
                                                 : memory->slice_time * factors->slice_time);

    spec->execution = (FabExecution) {
        .launch_ps = fab_ps_from_seconds(launch_s >= 0 ? launch_s : launch),
        .step_ps = slice_ps,
        .local_ps = slice_ps,
        .empty_ps = fab_ps_from_seconds(memory->empty_time * factors->empty_time),
        .latency_ps = fab_ps_from_seconds(memory->flag_latency * factors->flag_latency),
        .wire = 1,
    };
    spec->shared = (FabSharedAccess) {
        .used = true,
        .access_rate = memory->processor_rate * factors->sm_rate * MIN(1, memory->processors / ctas),
        .buffer = outside(buffers, cache),
        .slot_read = outside(connections * SLICES_BETWEEN * slot, cache),
        .slot_write = outside(connections * program->slots * slot, cache),
        .memory_scale = factors->memory_rate,
        .cache_scale = factors->cache_rate,
        .slot_weight = weight,
    };
}

void
fab_shared_facts(const FabTopology *topology, FabMachineFacts *facts, FabWishes *wishes)
{
    uint32_t processors = topology->vertices[topology->shared].memory->processors;
    bool others = wishes->without_algorithms != 0; /* NCCL_ALGO is set */

    facts->channels = CLAMP(processors / facts->ranks, 1, MOST_CHANNELS);
    facts->graph_channels = MAX(facts->channels / 2, 1);
    if (wishes->protocol < 0)
        wishes->protocol = FAB_PROTOCOL_SIMPLE;
    for (uint32_t i = 0; wishes->algorithm == NULL && fab_nccl_algorithms[i] != NULL && !others; i++)
        if (strcmp(fab_nccl_algorithms[i], "ring") != 0)
            wishes->without_algorithms |= 1u << i;
}
