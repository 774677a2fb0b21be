#include "predict/run-private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "collective/kind.h"
#include "collective/overlay.h"
#include "predict/cost.h"
#include "predict/depth.h"
#include "predict/given-graph.h"
#include "predict/folded.h"
#include "predict/interval.h"
#include "predict/run-result.h"
#include "predict/copy-pipeline.h"
#include "predict/seeds.h"
#include "predict/shared.h"
#include "predict/trace-run.h"
#include "predict/transfer.h"
#include "predict/work.h"
#include "topology/machine.h"

/* Below this share of the time nothing is called a bottleneck: latency is. */
#define BUSY 0.5

void
fab_run_clear(FabRun *run)
{
    fab_machine_facts_clear(&run->facts);
    fab_router_free(run->router);
    fab_fault_plan_free(run->faults);
    fab_depth_looks_free(run->looks);
    g_free(run->pace);
    g_free(run->late_ps);
    g_free(run->gpus);
}

/* ------------------------------------------------------------------ from names to numbers */

static bool
index_of(const FabScenario *scenario, const char *key, const char *word, const char *const *words, int *index,
         GError **error)
{
    g_autofree char *suggestion = NULL;

    for (*index = 0; words[*index] != NULL; (*index)++) {
        if (strcmp(word, words[*index]) == 0)
            return true;
    }
    suggestion = fab_suggestion(word, words);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] %s is \"%.60s\", which is not known%s",
                scenario->path, key, word, suggestion);
    return false;
}

static bool
count_ranks(FabRun *run, GError **error)
{
    const FabScenario *scenario = run->scenario;
    uint32_t gpus = run->topology->gpu_count;

    run->ranks = scenario->rank_count > 0 ? scenario->rank_count : gpus;
    if (run->ranks > gpus) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] ranks: %u ranks need %u GPUs, %s has %u",
                    scenario->path, run->ranks, run->ranks, run->topology->name, gpus);
        return false;
    }
    return true;
}

/* A process has at least one rank, and so has each of its threads. */
static bool
check_launchers(const FabRun *run, GError **error)
{
    const FabScenario *scenario = run->scenario;
    uint64_t processes = MAX(scenario->processes, 1), threads = MAX(scenario->threads, 1);

    if (scenario->processes > run->ranks)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] processes is %u for %u ranks, must be at most "
                    "that: a process has at least one rank", scenario->path, scenario->processes, run->ranks);
    else if (scenario->threads > 1 && processes * threads > run->ranks)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] threads is %u in each of %u processes, which "
                    "is more than the %u ranks; a thread has at least one rank", scenario->path, scenario->threads,
                    (uint32_t)processes, run->ranks);
    else
        return true;
    return false;
}

static bool
resolve_ranks(FabRun *run, GError **error)
{
    const FabScenario *scenario = run->scenario;
    uint32_t gpus = run->topology->gpu_count;

    if (!count_ranks(run, error) || !check_launchers(run, error))
        return false;
    run->gpus = g_new(uint32_t, run->ranks);
    for (uint32_t i = 0; i < run->ranks; i++) {
        run->gpus[i] = scenario->ranks != NULL ? scenario->ranks[i] : i;
        if (run->gpus[i] >= gpus) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] ranks names GPU %u, %s has GPU 0 to %u",
                        scenario->path, run->gpus[i], run->topology->name, gpus - 1);
            return false;
        }
    }
    if (scenario->root >= run->ranks) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] root is %u, must be between 0 and %u",
                    scenario->path, scenario->root, run->ranks - 1);
        return false;
    }
    return true;
}

static bool
is_auto(const char *word)
{
    return word == NULL || strcmp(word, "auto") == 0;
}

static bool
resolve_wishes(FabRun *run, GError **error)
{
    const FabScenario *scenario = run->scenario;

    run->wishes = (FabWishes) {
        .algorithm = is_auto(scenario->algorithm) ? NULL : scenario->algorithm,
        .protocol = -1,
        .channels = scenario->channels,
        .chunk_bytes = scenario->chunk_bytes,
        .slice_bytes = scenario->slice_bytes,
        .slots = scenario->slots,
        .without_algorithms = scenario->settings.without_algorithms,
        .without_protocols = scenario->settings.without_protocols,
        .min_channels = scenario->settings.min_channels,
        .max_channels = scenario->settings.max_channels,
        .min_ctas = scenario->settings.min_ctas,
        .max_ctas = scenario->settings.max_ctas,
        .threads = scenario->settings.threads,
        .buffer_bytes = scenario->settings.buffer_bytes,
        .nvls_bytes = scenario->settings.nvls_bytes,
        .nvls_tree_bytes = scenario->settings.nvls_tree_bytes,
    };
    return is_auto(scenario->protocol) ||
           index_of(scenario, "protocol", scenario->protocol, fab_protocol_names, &run->wishes.protocol, error);
}

/* From here on the machine is what its faults leave of it. */
static bool
resolve_faults(FabRun *run, GError **error)
{
    if (!fab_fault_any(run->scenario))
        return true;
    run->faults = fab_fault_plan_new(run->scenario, run->topology, run->gpus, run->ranks, error);
    if (run->faults == NULL)
        return false;
    run->topology = run->faults->topology;
    if (run->faults->pace == NULL)
        return true;
    run->pace = g_new(double, run->ranks);
    run->late_ps = g_new(int64_t, run->ranks);
    for (uint32_t i = 0; i < run->ranks; i++) {
        run->pace[i] = run->faults->pace[run->gpus[i]];
        run->late_ps[i] = run->faults->late_ps[run->gpus[i]];
    }
    return true;
}

bool
fab_run_init(FabRun *run, const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
             GError **error)
{
    FabRouteRules rules;
    int collective = 0;

    *run = (FabRun) { .scenario = scenario, .topology = topology,
                      .constants = constants != NULL ? constants : fab_constants_shipped() };
    if (!index_of(scenario, "operation", scenario->operation, fab_collective_names, &collective, error) ||
        !resolve_ranks(run, error) || !resolve_wishes(run, error) || !resolve_faults(run, error) ||
        !fab_run_rules(scenario, topology, run->ranks, &rules, error))
        return false;
    topology = run->topology;
    run->collective = (FabCollective)collective;
    run->looks = fab_depth_looks_new();
    run->router = fab_router_new(topology, &rules);
    if (run->faults != NULL) {
        run->change_count = run->ranks;
        run->changes = fab_fault_plan_changes(run->faults, &rules, run->gpus, &run->change_count);
    }
    if (!fab_machine_facts(run->router, topology, run->gpus, run->ranks, scenario->nccl, &run->facts, error))
        return false;
    if (scenario->settings.graph_file != NULL && run->ranks > 1 &&
        !fab_use_given_graph(scenario->settings.graph_file, run->router, topology, run->gpus, &run->facts, error))
        return false;
    if (scenario->settings.collnet && run->facts.nodes > 1 && !topology->network.reduces) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [collective] NCCL_COLLNET_ENABLE: the network of %s does not reduce; set topology.sharp=on",
                    scenario->path, topology->name);
        return false;
    }
    run->facts.collnet = scenario->settings.collnet && run->facts.nodes > 1;
    run->facts.any_ll128 = scenario->settings.any_ll128;
    if (run->wishes.protocol >= 0 || run->wishes.without_protocols != 0)
        run->facts.simple_only = false;
    run->facts.pat = scenario->settings.pat;
    if (topology->shared != FAB_VERTEX_NONE)
        fab_shared_facts(topology, &run->facts, &run->wishes);
    if (!scenario->settings.no_shm || run->facts.transport != FAB_TRANSPORT_STAGED)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [collective] NCCL_SHM_DISABLE: some of the GPUs have no direct way to each other, so that only "
                "the network is left, which is not modelled inside a node; leave it out or set NCCL_P2P_LEVEL=SYS",
                scenario->path);
    return false;
}

/* ------------------------------------------------------------------ one size */

/* Each channel's ring: the rings found, in turn. */
static uint32_t *
channel_orders(const FabRun *run, uint32_t channels)
{
    uint32_t *order = g_new(uint32_t, (gsize)channels * run->ranks);

    for (uint32_t c = 0; c < channels; c++)
        memcpy(order + (gsize)c * run->ranks, run->facts.order + (gsize)(c % run->facts.rings) * run->ranks,
               run->ranks * sizeof *order);
    return order;
}

static void
set_binding(FabResultRow *row, const FabEngineReport *report)
{
    const FabResultUse *busiest = row->uses->len > 0 ? &g_array_index(row->uses, FabResultUse, 0) : NULL;
    double busy = busiest != NULL ? busiest->utilisation : 0;

    if (busy >= BUSY || (busy > 0 && busy >= report->copy_share && busy >= 0.5 * BUSY && report->copy_share >= BUSY)) {
        row->binding = g_strdup(busiest->name);
        row->binding_utilisation = busy;
    } else if (report->copy_share >= BUSY) {
        row->binding = g_strdup("channel copy rate");
        row->binding_utilisation = report->copy_share;
    } else {
        row->binding = g_strdup("latency");
        row->binding_utilisation = 1 - MAX(busy, report->copy_share);
    }
}

/* NULL: a single GPU, which talks to nobody, or virtual ones. */
static char *
kind_of(const FabRun *run, const FabPlan *plan)
{
    FabKind kind = fab_kind_of(run->topology, run->gpus, &run->facts, run->constants, plan);

    if (run->ranks < 2 || run->topology->shared != FAB_VERTEX_NONE)
        return NULL;
    return fab_kind_format(&kind);
}

static FabResultRow *
row_of(const FabRun *run, uint64_t size, const FabPlan *plan, const FabEngineReport *report)
{
    FabResultRow *row = fab_result_row_new();
    double seconds = (double)report->time_ps * 1e-12;

    row->size_bytes = size;
    row->time_ps = report->time_ps;
    row->algbw = seconds > 0 ? (double)size / seconds : 0;
    row->busbw = row->algbw * fab_collective_bus_factor(run->collective, run->ranks);
    row->algorithm = g_strdup(plan->algorithm->name);
    row->protocol = g_strdup(fab_protocol_names[plan->protocol]);
    row->channels = plan->channels;
    row->kind = kind_of(run, plan);
    row->steps = report->steps;
    row->slices = report->slices;
    fab_run_add_uses(row, run->topology, report->carried);
    set_binding(row, report);
    return row;
}

FabProgram *
fab_run_emit(const FabRun *run, uint64_t size, const FabPlan *plan, GError **error)
{
    g_autofree uint32_t *order = channel_orders(run, plan->channels);
    FabCollectiveSpec spec = {
        .collective = run->collective, .size = size, .ranks = run->ranks, .root = run->scenario->root,
        .ranks_per_node = run->facts.nodes > 1 ? run->facts.local : 0, .one_way = run->scenario->one_way,
        .channels = plan->channels, .chunk_bytes = plan->chunk_bytes, .slice_bytes = plan->slice_bytes,
        .slots = plan->slots, .order = order,
    };

    return fab_collective_emit(plan->algorithm, &spec, error);
}

FabProgram *
fab_run_program(const FabRun *run, uint64_t size, FabPlan *plan, GError **error)
{
    return fab_choose(&run->facts, run->collective, size, &run->wishes, plan, error)
               ? fab_run_emit(run, size, plan, error) : NULL;
}

bool
fab_run_simulate(const FabRun *run, const FabPlan *plan, const FabProgram *program, FabEngineReport *report,
                 GError **error)
{
    FabCost cost = { .scenario = run->scenario, .facts = &run->facts, .constants = run->constants };
    FabEngineSpec spec = { .topology = run->topology, .router = run->router, .gpus = run->gpus, .program = program,
                           .pace = run->pace, .late_ps = run->late_ps, .changes = run->changes,
                           .change_count = run->change_count, .timeline = run->timeline, .trail = run->trail,
                           .every = run->every, .most_slices = fab_work_most(program) };
    g_autoptr(FabFold) fold = NULL;
    GError *wrong = NULL;

    if (run->timeline == NULL && !fab_run_fold(run, program, &fold, error))
        return false;
    if (fold != NULL) {
        spec.program = fab_fold_program(fold);
        spec.gpus = fab_fold_gpus(fold);
        spec.fold = fold;
    }
    if (run->topology->shared != FAB_VERTEX_NONE)
        fab_shared_costs(&spec, &run->constants->shared, plan->protocol, run->scenario->launch_s);
    else
        spec.execution = fab_cost_execution(&cost, plan);
    if (fab_engine_run(&spec, report, &wrong))
        return true;
    if (run->faults != NULL)
        fab_fault_plan_explain(run->faults, run->scenario, run->gpus, run->ranks, &wrong);
    g_propagate_error(error, wrong);
    return false;
}

int64_t
fab_run_clock_ps(const FabRun *run, const FabPlan *plan, const FabEngineReport *report, bool *launch_bound)
{
    FabCost cost = { .scenario = run->scenario, .facts = &run->facts, .constants = run->constants };
    int64_t device_ps = fab_cost_device_ps(&cost, report), interval_ps = fab_cost_interval_ps(&cost, plan);

    if (run->topology->shared != FAB_VERTEX_NONE) { /* one kernel plays all ranks, and is timed alone */
        device_ps = report->time_ps;
        interval_ps = 0;
    }
    if (launch_bound != NULL)
        *launch_bound = interval_ps > device_ps;
    return fab_cost_call_ps(&cost, plan, device_ps, interval_ps);
}

static FabResultRow *
run_size(const FabRun *run, uint64_t size, FabResult *result, GError **error)
{
    FabPlan plan;
    FabDepth depth;
    FabEngineReport report;
    g_autoptr(FabProgram) program = fab_run_program(run, size, &plan, error);
    FabResultRow *row;
    bool launch_bound;

    if (program == NULL || !fab_depth_simulate(run, size, &plan, program, &depth, &report, error))
        return NULL;
    report.time_ps = fab_run_clock_ps(run, &plan, &report, &launch_bound);
    row = row_of(run, size, &plan, &report);
    if (depth.doublings == 0)
        fab_run_note_fold(run, &report, result);
    fab_depth_note(run, &depth, row, result);
    if (launch_bound) {
        g_free(row->binding);
        row->binding = g_strdup("host launch");
        row->binding_utilisation = 1;
    }
    fab_engine_report_clear(&report);
    return row;
}

/* ------------------------------------------------------------------ all sizes */

static void
add_notes(const FabRun *run, FabResult *result)
{
    if (run->facts.transport == FAB_TRANSPORT_STAGED)
        g_ptr_array_add(result->notes,
                        g_strdup_printf("some neighbours exchange data through host memory (path %s, no direct "
                                        "access)", fab_path_class_name(run->facts.path)));
    if (run->facts.transport == FAB_TRANSPORT_PEER)
        g_ptr_array_add(result->notes, g_strdup_printf("some neighbours talk directly over PCIe (path %s)",
                                                       fab_path_class_name(run->facts.path)));
    if (run->facts.nodes > 1 && run->topology->network.reduces &&
        (run->collective != FAB_ALL_REDUCE || !run->facts.collnet))
        g_ptr_array_add(result->notes, g_strdup(run->collective != FAB_ALL_REDUCE
            ? "sharp=on changes nothing: the network adds up for all_reduce only"
            : "sharp=on changes nothing: NCCL lets the network reduce with NCCL_COLLNET_ENABLE=1 only"));
    if (run->facts.nodes > 1) /* a ring goes on from the last node to the first */
        fab_seeds_note(run->scenario, run->router, run->gpus[run->ranks - run->facts.local], run->gpus[0], result);
}

static bool
has_root(FabCollective collective)
{
    return collective == FAB_BROADCAST || collective == FAB_REDUCE || collective == FAB_GATHER ||
           collective == FAB_SCATTER;
}

static void
describe(const FabRun *run, FabResult *result)
{
    result->collective = g_strdup(fab_collective_names[run->collective]);
    result->ranks = run->ranks;
    result->datatype = g_strdup(run->scenario->datatype);
    if (run->collective == FAB_ALL_REDUCE || run->collective == FAB_REDUCE || run->collective == FAB_REDUCE_SCATTER)
        result->redop = g_strdup(run->scenario->reduction);
    if (has_root(run->collective))
        result->root = (int32_t)run->scenario->root;
    add_notes(run, result);
}

/* The whole sweep is looked at before its first size runs: nobody wants to learn after an hour that it has no end. */
bool
fab_run_check_work(const FabRun *run, GError **error)
{
    const FabScenario *scenario = run->scenario;
    double largest = 0, sweep = 0, memory = 0;

    for (uint32_t i = 0; i < scenario->size_count; i++) {
        FabPlan plan;
        g_autoptr(FabProgram) program = fab_run_program(run, scenario->sizes[i], &plan, error);
        double relief;
        if (program == NULL || !fab_depth_check(run, scenario->sizes[i], &plan, program, &relief, error))
            return false;
        largest = MAX(largest, fab_work_least(program) / relief);
        sweep += fab_work_least(program) / relief;
        memory = MAX(memory, fab_run_memory(run, program) / relief);
    }
    return fab_work_check(scenario->path, largest, sweep, memory, error);
}

static FabResult *
run_collective(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
               FabProgress progress, void *user, GError **error)
{
    FabRun run;
    g_autoptr(FabResult) result = fab_run_result_new(scenario, topology);
    double total = 0, done = 0;
    bool several, good = fab_run_init(&run, scenario, topology, constants, error) && fab_run_check_work(&run, error);

    for (uint32_t i = 0; i < scenario->size_count; i++)
        total += (double)scenario->sizes[i] + 1e6;
    if (good)
        describe(&run, result);
    for (uint32_t i = 0; i < scenario->size_count && good; i++) {
        g_autofree char *what = fab_format_bytes(scenario->sizes[i]);
        FabResultRow *row = NULL;
        if (progress != NULL)
            progress(done / total, what, user);
        row = run_size(&run, scenario->sizes[i], result, error);
        good = row != NULL;
        if (good)
            g_ptr_array_add(result->rows, row);
        done += (double)scenario->sizes[i] + 1e6;
    }
    several = run.facts.nodes > 1;
    fab_run_clear(&run);
    if (good)
        fab_interval_apply(several ? fab_intervals_networks() : fab_intervals_shipped(), result);
    if (good && topology->shared != FAB_VERTEX_NONE) {
        g_free(result->interval);
        result->interval = g_strdup("there is no interval: virtual GPUs of one device were never measured");
    }
    return good ? g_steal_pointer(&result) : NULL;
}

/*
 * The cheapest cell of NCCL's cost table among those that the wishes leave; NaN: none. The table knows nothing of a
 * forced number of channels.
 */
static double
nccl_estimate(const FabRun *run, uint64_t size)
{
    const FabWishes *wishes = &run->wishes;
    bool forced = (wishes->channels | wishes->min_channels | wishes->max_channels | wishes->min_ctas |
                   wishes->max_ctas) != 0;
    FabProtocol protocol;
    const char *algorithm;
    double best = forced ? INFINITY
                         : fab_nccl_cheapest_us(&run->facts, run->collective, size, wishes, &algorithm, &protocol);

    return isfinite(best) ? best : NAN;
}

bool
fab_run_nccl_estimate(const FabScenario *scenario, const FabTopology *topology, double *time_us, GError **error)
{
    FabRun run;
    bool good = fab_run_init(&run, scenario, topology, NULL, error);

    for (uint32_t i = 0; i < scenario->size_count && good; i++)
        time_us[i] = nccl_estimate(&run, scenario->sizes[i]);
    fab_run_clear(&run);
    return good;
}

/* "h100.ini: our two boxes". Owned by the caller. */
static char *
overlay_name(const FabOverlay *overlay)
{
    return overlay->title != NULL ? g_strdup_printf("%s: %s", overlay->path, overlay->title) : g_strdup(overlay->path);
}

/* Intervals come from machines that were whole: of others there is no evidence. */
static void
drop_intervals(const FabScenario *scenario, FabResult *result)
{
    bool faults = scenario->faults->len > 0;

    for (guint i = 0; i < result->rows->len; i++) {
        FabResultRow *row = result->rows->pdata[i];
        row->low_ps = row->high_ps = 0;
    }
    result->guessed = false;
    g_free(result->interval);
    result->interval = g_strdup_printf("there is no interval: no machine with %s was ever measured",
                                       faults ? "such a fault" : "other jobs on its network");
}

/* Copies on what the faults leave. */
static FabResult *
run_transfer(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autoptr(FabFaultPlan) plan = NULL;

    if (!fab_fault_any(scenario))
        return fab_transfer_run(scenario, topology, NULL, 0, error);
    plan = fab_fault_plan_new(scenario, topology, NULL, 0, error);
    if (plan == NULL)
        return NULL;
    return fab_transfer_run(scenario, plan->topology, (const FabEngineChange *)(void *)plan->changes->data,
                            plan->changes->len, error);
}

static FabResult *
run_draw(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants, FabProgress progress,
         void *user, GError **error)
{
    g_autoptr(FabOverlay) overlay = NULL;
    FabResult *result;
    bool copies = scenario->kind == FAB_SCENARIO_TRANSFER || scenario->kind == FAB_SCENARIO_PIPELINE;

    if (scenario->kind == FAB_SCENARIO_TRAINING || scenario->kind == FAB_SCENARIO_INFERENCE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: is %s, not a collective or a set of copies", scenario->path,
                    scenario->kind == FAB_SCENARIO_TRAINING ? "a training step" : "inference");
        return NULL;
    }
    if (constants == NULL && scenario->calibration != NULL) {
        overlay = fab_overlay_load(scenario->calibration, error);
        if (overlay == NULL)
            return NULL;
        constants = &overlay->constants;
    }
    result = scenario->kind == FAB_SCENARIO_TRANSFER ? run_transfer(scenario, topology, error)
             : scenario->kind == FAB_SCENARIO_PIPELINE
                 ? fab_copy_pipeline_run(scenario, topology, error)
             : scenario->kind == FAB_SCENARIO_TRACE ? fab_trace_result(scenario, topology, constants, error)
                 : run_collective(scenario, topology, constants, progress, user, error);
    if (result != NULL && overlay != NULL && copies)
        g_ptr_array_add(result->notes, g_strdup("the calibration changes nothing: copies use none of its constants"));
    else if (result != NULL && overlay != NULL) {
        result->calibration = overlay_name(overlay);
        fab_interval_apply_overlay(overlay, result);
    }
    if (result != NULL && !copies && fab_fault_any(scenario))
        drop_intervals(scenario, result);
    if (result != NULL)
        fab_depth_widen(result);
    return result;
}

FabResult *
fab_run_on(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
           FabProgress progress, void *user, GError **error)
{
    return scenario->seeds > 0 ? fab_seeds_run(scenario, topology, constants, run_draw, progress, user, error)
                               : run_draw(scenario, topology, constants, progress, user, error);
}

FabResult *
fab_run(const FabScenario *scenario, FabProgress progress, void *user, GError **error)
{
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    g_autoptr(FabResult) result = NULL;

    if (topology == NULL)
        return NULL;
    result = fab_run_on(scenario, topology, NULL, progress, user, error);
    return result != NULL && fab_fault_costs(scenario, topology, result, error) ? g_steal_pointer(&result) : NULL;
}
