#include "study/explain.h"

#include <string.h>

#include "collective/overlay.h"
#include "predict/folded.h"
#include "predict/group-time.h"
#include "predict/headroom.h"
#include "predict/inference.h"
#include "predict/step-phase.h"
#include "topology/machine.h"

/* Share of the work that is done when the paths are found, where there are any. */
#define PATHS_DONE 0.2

/* A change of the machine: of links with a label, of a kind of resource, of what kernels cost. */
typedef enum { CHANGE_LINKS, CHANGE_KIND, CHANGE_LATENCY, CHANGE_CONSTANTS, CHANGE_MEMORY, CHANGE_NETWORK,
               CHANGE_KERNELS, CHANGE_EXCHANGE, CHANGE_MESSAGES, CHANGE_WAYS } ChangeKind;

typedef struct {
    ChangeKind kind;
    const char *name;
    const char *label;             /* CHANGE_LINKS */
    FabResourceKind resource;      /* CHANGE_KIND */
    const char *const *constants;  /* CHANGE_CONSTANTS: keys of both tables */
    bool slower;                   /* they are times, of which less is better */
} Change;

/* A scenario that is run again and again with more and more changes, or one after the other. */
typedef struct {
    const FabScenario *scenario; /* folded where it can be */
    FabTopology *topology;
    FabGpuModel *models; /* copies, one for each GPU */
    FabConstants constants;
    /* Of a step: rate of its adapters, speed of its kernels, of its collectives, as shares of what they are. */
    double network, kernels, exchange;
    guint rows;
} Bench;

static const char *const rates[] = { "send_rate", "copy_rate", "p2p_rate", "p2p_alone_rate", "ll128_rate",
                                     "in_switch_copy_rate", NULL };
static const char *const steps[] = { "ll_round_us", "ll_latency_us", "ll128_latency_us", "simple_step_us",
                                     "simple_latency_us", "p2p_latency_us", "in_switch_gap_us", NULL };
static const char *const launches[] = { "launch_us", "launch_channels_us", "ll128_entry_us", "simple_entry_us",
                                        "thread_kernel_us", "thread_channel_us", "in_switch_launch_us", NULL };

static const Change common[] = {
    { .kind = CHANGE_KIND, .name = "peer traffic through PCIe switches and host bridges",
      .resource = FAB_RESOURCE_PEER },
    { .kind = CHANGE_KIND, .name = "the GPUs' way to host memory", .resource = FAB_RESOURCE_HOST_PORT },
    { .kind = CHANGE_KIND, .name = "memory of NUMA nodes", .resource = FAB_RESOURCE_MEMORY },
    { .kind = CHANGE_KIND, .name = "threads that move data through sockets", .resource = FAB_RESOURCE_THREAD },
    { .kind = CHANGE_LATENCY, .name = "latency of links" },
    { .kind = CHANGE_CONSTANTS, .name = "channel copy rate", .constants = rates },
    { .kind = CHANGE_CONSTANTS, .name = "time of a kernel's steps", .constants = steps, .slower = true },
    { .kind = CHANGE_CONSTANTS, .name = "launching kernels", .constants = launches, .slower = true },
    { .kind = CHANGE_MESSAGES, .name = "messages between nodes" },
    { .kind = CHANGE_WAYS, .name = "network and PCIe together" },
    { .kind = CHANGE_MEMORY, .name = "memory of GPUs" },
    { .kind = CHANGE_NETWORK, .name = "network adapters" },
    { .kind = CHANGE_EXCHANGE, .name = "all collectives of the step" },
    { .kind = CHANGE_KERNELS, .name = "all kernels of the step" },
};

void
fab_explanation_free(FabExplanation *explanation)
{
    if (explanation == NULL)
        return;
    fab_outcome_free(explanation->outcome);
    g_clear_pointer(&explanation->gains, g_ptr_array_unref);
    g_clear_pointer(&explanation->step, g_ptr_array_unref);
    g_free(explanation->parts);
    for (guint i = 0; i < explanation->path_count; i++)
        fab_critical_path_clear(&explanation->paths[i]);
    g_free(explanation->paths);
    g_free(explanation);
}

const GPtrArray *
fab_explanation_phases(const FabExplanation *explanation, guint row)
{
    return row < explanation->path_count ? explanation->paths[row].phases : explanation->step;
}

static void
gain_free(void *pointer)
{
    FabGain *gain = pointer;

    g_free(gain->resource);
    g_free(gain->gain);
    g_free(gain);
}

/* ------------------------------------------------------------------ the bench */

static void
bench_clear(Bench *bench)
{
    fab_topology_free(bench->topology);
    g_free(bench->models);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

/* The machine as it is, built anew: it is this module's own, so that it may be changed before anything runs on it. */
static bool
bench_reset(Bench *bench, const FabConstants *constants, GError **error)
{
    bench_clear(bench);
    bench->models = NULL;
    bench->constants = *constants;
    bench->network = bench->kernels = bench->exchange = 1;
    bench->topology = fab_machine_load(bench->scenario->topology, bench->scenario->overrides, error);
    if (bench->topology == NULL)
        return false;
    bench->models = g_new(FabGpuModel, bench->topology->gpu_count);
    for (uint32_t i = 0; i < bench->topology->gpu_count; i++) {
        FabTopologyVertex *vertex = &bench->topology->vertices[bench->topology->gpus[i]];
        bench->models[i] = *vertex->gpu;
        vertex->gpu = &bench->models[i];
    }
    return true;
}

static void
change_constants(Bench *bench, const Change *change)
{
    double factor = change->slower ? 1 / FAB_EXPLAIN_MORE : FAB_EXPLAIN_MORE;

    for (const char *const *group = fab_constant_groups; *group != NULL; group++) {
        for (const char *const *key = change->constants; *key != NULL; key++) {
            double *value = fab_constants_find(&bench->constants, *group, *key);
            if (value != NULL)
                *value *= factor;
        }
    }
}

/* NICs are often as fast as their PCIe, so that more of one alone buys nothing. */
static bool
is_way(FabMedium medium)
{
    return medium == FAB_MEDIUM_INFINIBAND || medium == FAB_MEDIUM_ETHERNET || medium == FAB_MEDIUM_PCIE;
}

/* Whether a change gives the resource more capacity. */
static bool
touches(const FabTopology *topology, uint32_t number, const Change *change)
{
    const FabResource *resource = &topology->resources[number];
    const FabTopologyLink *link = resource->kind == FAB_RESOURCE_LINK ? &topology->links[resource->link] : NULL;

    if (change->kind == CHANGE_KIND)
        return resource->kind == change->resource;
    if (change->kind == CHANGE_LINKS)
        return link != NULL && strcmp(link->label, change->label) == 0;
    return change->kind == CHANGE_WAYS && link != NULL && is_way(link->medium);
}

static void
apply(Bench *bench, const Change *change)
{
    FabTopology *topology = bench->topology;

    for (uint32_t i = 0; i < topology->resource_count; i++) {
        if (touches(topology, i, change))
            topology->resources[i].capacity *= FAB_EXPLAIN_MORE;
    }
    for (uint32_t i = 0; i < topology->link_count && change->kind == CHANGE_LATENCY; i++)
        topology->links[i].latency_ps = (int64_t)((double)topology->links[i].latency_ps / FAB_EXPLAIN_MORE);
    for (uint32_t i = 0; i < topology->gpu_count && change->kind == CHANGE_MEMORY; i++)
        bench->models[i].memory_bandwidth *= FAB_EXPLAIN_MORE;
    if (change->kind == CHANGE_CONSTANTS)
        change_constants(bench, change);
    if (change->kind == CHANGE_MESSAGES) {
        bench->constants.network_speed *= FAB_EXPLAIN_MORE;
        topology->network.message_time /= FAB_EXPLAIN_MORE;
        topology->network.reduce_rate *= FAB_EXPLAIN_MORE;
    }
    if (change->kind == CHANGE_NETWORK)
        bench->network *= FAB_EXPLAIN_MORE;
    if (change->kind == CHANGE_KERNELS)
        bench->kernels *= FAB_EXPLAIN_MORE;
    if (change->kind == CHANGE_EXCHANGE)
        bench->exchange *= FAB_EXPLAIN_MORE;
}

/* ------------------------------------------------------------------ running on it */

/* Collectives priced with other adapters. Owned by the caller. */
static FabGroupTimes *
group_times(const Bench *bench)
{
    double given = bench->scenario->training->nic_rate;
    FabGroupTimes *times = fab_group_times_new(bench->topology, given);
    double rate = fab_group_times_nic_rate(times);

    if (bench->network == 1 || rate <= 0)
        return times;
    fab_group_times_free(times);
    return fab_group_times_new(bench->topology, rate * bench->network);
}

/* Kernels that are k times as fast: the whole step is, when its collectives take k times as long. */
static double
step_seconds(const Bench *bench, FabExplanation *kept, GError **error)
{
    g_autoptr(FabGroupTimes) times = group_times(bench);
    g_autoptr(FabTrainingStep) step = NULL;

    fab_group_times_scale(times, bench->kernels / bench->exchange);
    step = fab_training_step_new(bench->scenario, bench->topology, times, error);
    if (step == NULL)
        return -1;
    if (kept != NULL) {
        kept->parts = g_memdup2(step->parts, sizeof step->parts);
        kept->step = fab_step_phases(step, bench->topology, times);
    }
    return step->seconds / bench->kernels;
}

static bool
run_rows(const Bench *bench, double *seconds, GError **error)
{
    g_autoptr(FabResult) result = fab_run_on(bench->scenario, bench->topology, &bench->constants, NULL, NULL, error);

    for (guint i = 0; result != NULL && i < bench->rows; i++)
        seconds[i] = (double)((const FabResultRow *)result->rows->pdata[i])->time_ps * 1e-12;
    return result != NULL;
}

static bool
run(const Bench *bench, double *seconds, GError **error)
{
    if (bench->scenario->kind == FAB_SCENARIO_TRAINING) {
        seconds[0] = step_seconds(bench, NULL, error);
        return seconds[0] >= 0;
    }
    if (bench->scenario->kind == FAB_SCENARIO_INFERENCE) {
        g_autoptr(FabInference) inference = fab_inference_new(bench->scenario, bench->topology, error);
        if (inference != NULL)
            seconds[0] = inference->decode_s;
        return inference != NULL;
    }
    return run_rows(bench, seconds, error);
}

/* ------------------------------------------------------------------ what to change */

/* Labels of the links that are real: inside a device there is nothing to buy. */
static GPtrArray *
link_labels(const FabTopology *topology)
{
    GPtrArray *labels = g_ptr_array_new_with_free_func(g_free);

    for (uint32_t i = 0; i < topology->link_count; i++) {
        const FabTopologyLink *link = &topology->links[i];
        if (link->medium != FAB_MEDIUM_INTERNAL &&
            !g_ptr_array_find_with_equal_func(labels, link->label, g_str_equal, NULL))
            g_ptr_array_add(labels, g_strdup(link->label));
    }
    return labels;
}

static bool
has_resource(const FabTopology *topology, FabResourceKind kind)
{
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        if (topology->resources[i].kind == kind)
            return true;
    }
    return false;
}

/* Constants act on what fab_run_on() runs, kernels and their memory on steps. */
static bool
matters(const Change *change, const FabScenario *scenario, const FabTopology *topology)
{
    switch (change->kind) {
    case CHANGE_KIND:
        return has_resource(topology, change->resource);
    case CHANGE_CONSTANTS:
        return scenario->kind == FAB_SCENARIO_COLLECTIVE && topology->shared == FAB_VERTEX_NONE;
    case CHANGE_MESSAGES:
        return scenario->kind == FAB_SCENARIO_COLLECTIVE && topology->node_count > 1;
    case CHANGE_WAYS:
        return !fab_outcome_counts_tokens(scenario->kind) && topology->node_count > 1;
    case CHANGE_MEMORY:
        return fab_outcome_counts_tokens(scenario->kind);
    case CHANGE_NETWORK:
    case CHANGE_EXCHANGE:
    case CHANGE_KERNELS:
        return scenario->kind == FAB_SCENARIO_TRAINING;
    default:
        return true;
    }
}

static GArray *
list_changes(const FabScenario *scenario, const FabTopology *topology, GPtrArray *labels)
{
    GArray *changes = g_array_new(FALSE, FALSE, sizeof(Change));

    for (guint i = 0; i < labels->len; i++) {
        Change change = { .kind = CHANGE_LINKS, .name = labels->pdata[i], .label = labels->pdata[i] };
        g_array_append_val(changes, change);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(common); i++) {
        if (matters(&common[i], scenario, topology))
            g_array_append_val(changes, common[i]);
    }
    return changes;
}

/* ------------------------------------------------------------------ the whole */

/* A simulation of its own: what one change buys, or the path of a row. Each thread builds its own machine. */
typedef struct {
    const FabExplanation *explanation;
    const FabScenario *scenario;
    const FabConstants *constants;
    const GArray *changes; /* Change; NULL: the path below */
    guint first, count;    /* of these */
    FabGain *gain;
    uint64_t size;
    FabCriticalPath *path;
    GError *error;
} Job;

/* Of all changes together some hold others: kernels and collectives all of a step, links what is network and PCIe. */
static bool
is_held(const Job *job, const Change *change)
{
    if (job->count == 1)
        return false;
    if (job->scenario->kind != FAB_SCENARIO_TRAINING)
        return change->kind == CHANGE_WAYS;
    return change->kind != CHANGE_KERNELS && change->kind != CHANGE_EXCHANGE;
}

static bool
find_gain(Job *job, Bench *bench)
{
    double *gain = job->gain->gain;

    for (guint i = job->first; i < job->first + job->count; i++) {
        const Change *change = &g_array_index(job->changes, Change, i);
        if (!is_held(job, change))
            apply(bench, change);
    }
    bench->rows = job->explanation->outcome->rows->len;
    if (!run(bench, gain, &job->error))
        return false;
    for (guint i = 0; i < bench->rows; i++) {
        const FabOutcomeRow *row = job->explanation->outcome->rows->pdata[i];
        gain[i] = row->seconds / gain[i] - 1;
    }
    return true;
}

static void
do_job(gpointer data, gpointer user)
{
    Job *job = data;
    g_auto(Bench) bench = { .scenario = job->scenario };

    if (bench_reset(&bench, job->constants, &job->error)) {
        if (job->changes != NULL)
            find_gain(job, &bench);
        else
            fab_critical_path(job->scenario, bench.topology, job->size, job->path, &job->error);
    }
    g_async_queue_push(user, job);
}

/* All jobs, each core one at a time. The first error in their order. */
static bool
do_jobs(GArray *jobs, double from, double to, FabProgress progress, void *user, GError **error)
{
    g_autoptr(GAsyncQueue) ready = g_async_queue_new();
    GThreadPool *pool = g_thread_pool_new(do_job, ready, (gint)g_get_num_processors(), FALSE, NULL);
    bool good = true;

    for (guint i = 0; i < jobs->len; i++)
        g_thread_pool_push(pool, &g_array_index(jobs, Job, i), NULL);
    for (guint i = 0; i < jobs->len; i++) {
        const Job *job = g_async_queue_pop(ready);
        if (progress != NULL)
            progress(from + (to - from) * (i + 1) / jobs->len, job->gain != NULL ? job->gain->resource : "its path",
                     user);
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    for (guint i = 0; i < jobs->len; i++) {
        Job *job = &g_array_index(jobs, Job, i);
        if (job->error != NULL && good)
            g_propagate_error(error, g_steal_pointer(&job->error));
        else
            g_clear_error(&job->error);
        good = good && (error == NULL || *error == NULL);
    }
    return good;
}

/* Whether a change leaves every transfer as it is: nothing that it makes faster held one back, and rings stay. */
static bool
is_idle(const FabExplanation *explanation, const Bench *bench, const FabConstants *constants, const Change *change)
{
    g_auto(Bench) other = { .scenario = bench->scenario };

    if (!fab_headroom_is_known(bench->scenario, bench->topology))
        return false;
    if (change->kind != CHANGE_LINKS && change->kind != CHANGE_KIND && change->kind != CHANGE_WAYS)
        return false;
    for (uint32_t i = 0; i < bench->topology->resource_count; i++) {
        for (guint k = 0; k < explanation->path_count && touches(bench->topology, i, change); k++) {
            if (explanation->paths[k].bound[i])
                return false;
        }
    }
    if (!bench_reset(&other, constants, NULL))
        return false;
    apply(&other, change);
    return fab_headroom_same_rings(bench->scenario, bench->topology, other.topology);
}

static FabGain *
gain_new(FabExplanation *explanation, const char *name)
{
    FabGain *gain = g_new0(FabGain, 1);

    gain->resource = g_strdup(name);
    gain->gain = g_new0(double, explanation->outcome->rows->len);
    g_ptr_array_add(explanation->gains, gain);
    return gain;
}

/* Each change alone, then all together. */
static bool
try_changes(FabExplanation *explanation, const Bench *bench, const FabConstants *constants, GArray *changes,
            FabProgress progress, void *user, GError **error)
{
    g_autoptr(GArray) jobs = g_array_new(FALSE, TRUE, sizeof(Job));
    Job job = { .explanation = explanation, .scenario = bench->scenario, .constants = constants, .changes = changes,
                .count = 1 };

    for (guint i = 0; i < changes->len; i++) {
        const Change *change = &g_array_index(changes, Change, i);
        job.first = i;
        job.gain = gain_new(explanation, change->name);
        job.gain->idle = is_idle(explanation, bench, constants, change);
        if (!job.gain->idle)
            g_array_append_val(jobs, job);
    }
    job.first = 0;
    job.count = changes->len;
    job.gain = gain_new(explanation, "all of them");
    g_array_append_val(jobs, job);
    return do_jobs(jobs, explanation->path_count > 0 ? PATHS_DONE : 0, 1, progress, user, error);
}

static bool
keep_parts(FabExplanation *explanation, const Bench *bench, GError **error)
{
    if (bench->scenario->kind == FAB_SCENARIO_INFERENCE) {
        g_autoptr(FabInference) inference = fab_inference_new(bench->scenario, bench->topology, error);
        explanation->step = inference != NULL ? fab_token_phases(inference) : NULL;
        return inference != NULL;
    }
    return bench->scenario->kind != FAB_SCENARIO_TRAINING || step_seconds(bench, explanation, error) >= 0;
}

static bool
keep_paths(FabExplanation *explanation, const Bench *bench, const FabConstants *constants, FabProgress progress,
           void *user, GError **error)
{
    GPtrArray *rows = explanation->outcome->rows;
    g_autoptr(GArray) jobs = g_array_new(FALSE, TRUE, sizeof(Job));
    Job job = { .explanation = explanation, .scenario = bench->scenario, .constants = constants };

    if (bench->scenario->kind != FAB_SCENARIO_COLLECTIVE)
        return true;
    explanation->paths = g_new0(FabCriticalPath, rows->len);
    explanation->path_count = rows->len;
    for (guint i = 0; i < rows->len; i++) {
        job.size = ((const FabOutcomeRow *)rows->pdata[i])->size_bytes;
        job.path = &explanation->paths[i];
        g_array_append_val(jobs, job);
    }
    return do_jobs(jobs, 0, PATHS_DONE, progress, user, error);
}

FabExplanation *
fab_explain(const FabScenario *given, FabProgress progress, void *user, GError **error)
{
    FabScenario early = *given;
    const FabScenario *scenario = &early;
    g_autoptr(FabExplanation) explanation = g_new0(FabExplanation, 1);
    g_auto(Bench) bench = { .scenario = scenario };
    g_autoptr(FabOverlay) overlay = NULL;
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GArray) changes = NULL;
    const FabConstants *constants = fab_constants_shipped();
    g_autofree char *fold = g_strdup(FAB_FOLD_EARLY);

    if (early.fold == NULL || strcmp(early.fold, "auto") == 0)
        early.fold = fold;
    explanation->gains = g_ptr_array_new_with_free_func(gain_free);
    if (scenario->calibration != NULL) {
        overlay = fab_overlay_load(scenario->calibration, error);
        if (overlay == NULL)
            return NULL;
        constants = &overlay->constants;
    }
    if (!bench_reset(&bench, constants, error))
        return NULL;
    explanation->outcome = fab_outcome_new(scenario, bench.topology, NULL, NULL, error);
    if (explanation->outcome == NULL || !keep_parts(explanation, &bench, error) ||
        !keep_paths(explanation, &bench, constants, progress, user, error))
        return NULL;
    labels = link_labels(bench.topology);
    changes = list_changes(scenario, bench.topology, labels);
    if (!try_changes(explanation, &bench, constants, changes, progress, user, error))
        return NULL;
    return g_steal_pointer(&explanation);
}
