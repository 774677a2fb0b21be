/*
 * A ring all-reduce through the whole engine: the real program, the real routes, fair sharing, every rank simulated.
 * Usage: ring RANKS CHANNELS SIZE CHUNK SLICE SLOTS STEPS free|hopper
 * The machine is a star: every GPU on one switch by a link of 450 GB/s and 250 ns. `free` charges the wire only, so
 * that a closed form exists; `hopper` charges steps and copies as a run with the Simple protocol does. STEPS ends every
 * rank's program after so many steps (0: all of it), for rings whose whole call would take minutes. All sizes in bytes.
 * Every slice is simulated unless REPEAT is set in the environment, which lets the engine take steps that repeat
 * themselves at once.
 * One line: key=value pairs.
 */
#include <glib.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "collective/collective.h"
#include "collective/constants.h"
#include "engine/engine.h"
#include "topology/builder.h"

#define RATE 450e9
#define LINK_S 250e-9
#define LINK_PS 250000

static uint32_t star_ranks;

static bool
star_build(const FabHost *host, FabBuilder *builder)
{
    FabVertexSpec spec = { .size = sizeof spec, .kind = FAB_VERTEX_NVSWITCH, .name = "switch", .socket = -1,
                           .numa = -1 };
    FabVertex middle = host->add_vertex(builder, &spec);

    spec.kind = FAB_VERTEX_GPU;
    spec.gpu = host->gpu(builder, "h100-sxm");
    for (uint32_t i = 0; i < star_ranks; i++) {
        g_autofree char *name = g_strdup_printf("GPU %u", i);
        FabLinkSpec link = { .size = sizeof link, .b = middle, .medium = FAB_MEDIUM_NVLINK, .generation = 4,
                             .bandwidth = RATE, .efficiency = 1, .latency = LINK_S, .reverse = -1 };
        spec.name = name;
        link.a = host->add_vertex(builder, &spec);
        host->add_link(builder, &link);
    }
    return true;
}

static FabTopology *
star_new(uint32_t ranks)
{
    static const FabParamSpec params[] = { { .name = NULL } };
    const FabTopologyPlugin plugin = { .abi = FAB_PLUGIN_ABI, .size = sizeof plugin, .name = "star",
                                       .summary = "GPUs on one switch", .params = params, .build = star_build };
    g_autoptr(GHashTable) given = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    FabTopology *topology;

    star_ranks = ranks;
    topology = fab_topology_build(&plugin, given, "star", &error);
    if (topology == NULL)
        g_error("%s", error->message);
    return topology;
}

/* ------------------------------------------------------------------ the first steps of a program */

static bool (*whole_step)(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step);
static uint64_t step_limit;

/* The last step sends nothing, so that every slice sent is received. */
static bool
first_steps(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    if (index >= step_limit || !whole_step(program, stream, index, step))
        return false;
    if (index == step_limit - 1)
        step->send_count = 0;
    return true;
}

static FabExecution
execution_of(bool hopper)
{
    const FabKernelCosts *costs = fab_kernel_costs(fab_constants_shipped(), 90);

    if (!hopper)
        return (FabExecution) { .wire = 1, .send_rate = INFINITY, .copy_rate = INFINITY };
    return (FabExecution) {
        .wire = 1,
        .step_ps = (int64_t)(costs->simple_step_us * 1e6),
        .empty_ps = (int64_t)(costs->simple_step_us * 0.3e6),
        .latency_ps = (int64_t)(costs->simple_latency_us * 1e6),
        .send_rate = costs->send_rate * 1e9,
        .copy_rate = costs->copy_rate * 1e9,
    };
}

/* Seconds that 2 (n - 1) steps in step take when only the wire costs time and there is one slice a step. */
static double
closed_form(const FabCollectiveSpec *spec, bool hopper)
{
    double steps = 2.0 * (spec->ranks - 1);

    if (hopper || step_limit > 0 || spec->channels > 1 || spec->chunk_bytes > spec->slice_bytes)
        return 0;
    return steps * (2e-12 * LINK_PS + (double)spec->chunk_bytes / RATE);
}

static bool
run(const FabCollectiveSpec *spec, bool hopper, FabEngineReport *report, double *seconds, GError **error)
{
    const FabRouteRules rules = { .peer_level = FAB_PATH_PXB, .nvlink = true };
    g_autoptr(FabTopology) topology = star_new(spec->ranks);
    g_autoptr(FabRouter) router = fab_router_new(topology, &rules);
    g_autofree uint32_t *gpus = g_new(uint32_t, spec->ranks);
    const FabAlgorithm *ring = fab_algorithm_find("ring", error);
    g_autoptr(FabProgram) program = ring != NULL ? fab_collective_emit(ring, spec, error) : NULL;
    FabEngineSpec engine = { .topology = topology, .router = router, .program = program, .gpus = gpus,
                             .execution = execution_of(hopper), .every = getenv("REPEAT") == NULL };
    double before;
    bool good;

    if (program == NULL)
        return false;
    for (uint32_t i = 0; i < spec->ranks; i++)
        gpus[i] = i;
    if (step_limit > 0) {
        whole_step = program->step;
        program->step = first_steps;
        program->alike = NULL;
    }
    before = bench_cpu();
    good = fab_engine_run(&engine, report, error);
    *seconds = bench_cpu() - before;
    return good;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    FabCollectiveSpec spec = { .collective = FAB_ALL_REDUCE };
    FabEngineReport report;
    double seconds = 0;
    bool hopper;

    if (argc != 9) {
        fprintf(stderr, "usage: ring RANKS CHANNELS SIZE CHUNK SLICE SLOTS STEPS free|hopper\n");
        return 2;
    }
    spec.ranks = (uint32_t)strtoul(argv[1], NULL, 10);
    spec.channels = (uint32_t)strtoul(argv[2], NULL, 10);
    spec.size = strtoull(argv[3], NULL, 10);
    spec.chunk_bytes = strtoull(argv[4], NULL, 10);
    spec.slice_bytes = strtoull(argv[5], NULL, 10);
    spec.slots = (uint32_t)strtoul(argv[6], NULL, 10);
    step_limit = strtoull(argv[7], NULL, 10);
    hopper = strcmp(argv[8], "hopper") == 0;
    if (!run(&spec, hopper, &report, &seconds, &error)) {
        fprintf(stderr, "ring: %s\n", error->message);
        return 1;
    }
    printf("items=%" PRIu64 " steps=%" PRIu64 " events=%" PRIu64 " simulated=%.12g closed=%.12g cpu=%.6f rate=%.0f "
           "rss_mib=%.1f\n", report.flows, report.steps, report.events, (double)report.time_ps * 1e-12,
           closed_form(&spec, hopper), seconds, (double)report.flows / seconds, bench_peak_mib());
    fab_engine_report_clear(&report);
    return 0;
}
