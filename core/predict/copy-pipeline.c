#include "predict/copy-pipeline.h"

#include <math.h>

#include "base/error.h"
#include "base/units.h"
#include "engine/flow.h"
#include "engine/queue.h"
#include "predict/run-result.h"

/*
 * A GPU has one copy engine for each direction and runs one kernel at a time. Each of the three takes its operations in
 * the order in which the host's thread put them into streams: chunk by chunk, in, kernel, out. An operation also waits
 * for the one before it in its stream, and for the host to have got to it.
 */
typedef enum { IN, KERNEL, OUT, KINDS } Kind;

enum { MAX_OPERATIONS = 4 << 20 };
#define FLOW_MARK UINT32_C(0x80000000)

typedef struct {
    int64_t ready_ps; /* not before */
    uint8_t waits;    /* for so many operations before it */
    bool running;
} Operation;

typedef struct {
    const FabCopyPipeline *wanted;
    const FabTopology *topology;
    const FabRoute **routes; /* of each GPU: to it, from it */
    uint64_t chunk;
    uint32_t chunks;         /* of each GPU */
    Operation *operations;   /* by GPU, chunk and kind */
    FabFlowSet *flows;
    FabQueue *queue;
    int64_t now, issue_ps, gap_ps;
    double kernel_ps;        /* of all GPUs */
    uint32_t left;
} Pipeline;

static uint32_t
operation_count(const Pipeline *pipeline)
{
    return pipeline->wanted->gpus * pipeline->chunks * KINDS;
}

static uint64_t
chunk_bytes(const Pipeline *pipeline, uint32_t chunk)
{
    return MIN(pipeline->chunk, pipeline->wanted->bytes - chunk * pipeline->chunk);
}

static void
start(Pipeline *pipeline, uint32_t number)
{
    Kind kind = (Kind)(number % KINDS);
    uint32_t chunk = number / KINDS % pipeline->chunks, gpu = number / KINDS / pipeline->chunks;
    double bytes = (double)chunk_bytes(pipeline, chunk) * (kind == OUT ? pipeline->wanted->back : 1);
    int64_t busy = 0;

    pipeline->operations[number].running = true;
    if (kind != KERNEL && bytes > 0) {
        fab_flow_start(pipeline->flows, pipeline->now, pipeline->routes[2 * gpu + (kind == OUT)], bytes, INFINITY,
                       number);
        return;
    }
    if (kind == KERNEL && pipeline->wanted->compute_rate > 0)
        busy = (int64_t)MIN(bytes / pipeline->wanted->compute_rate * 1e12 + 0.5, (double)FAB_FLOW_LONGEST_PS);
    pipeline->kernel_ps += (double)busy;
    fab_queue_push(pipeline->queue, pipeline->now + busy, number);
}

/* Starts it, or plans its start, when nothing before it is left. */
static void
consider(Pipeline *pipeline, uint32_t number)
{
    const Operation *operation = &pipeline->operations[number];

    if (operation->waits == 0)
        fab_queue_push(pipeline->queue, MAX(operation->ready_ps, pipeline->now), number);
}

static void
release(Pipeline *pipeline, uint32_t number, int64_t when)
{
    Operation *operation = &pipeline->operations[number];

    operation->ready_ps = MAX(operation->ready_ps, when);
    operation->waits--;
    consider(pipeline, number);
}

/* Lets go the next one of its engine, at once, and the next one of its stream, after latency and gap. */
static void
finish(Pipeline *pipeline, uint32_t number)
{
    uint32_t kind = number % KINDS, chunk = number / KINDS % pipeline->chunks;
    uint32_t gpu = number / KINDS / pipeline->chunks, streams = pipeline->wanted->streams;
    int64_t latency = kind == KERNEL ? 0 : pipeline->routes[2 * gpu + (kind == OUT)]->latency_ps;

    pipeline->left--;
    if (chunk + 1 < pipeline->chunks)
        release(pipeline, number + KINDS, pipeline->now);
    if (kind != OUT)
        release(pipeline, number + 1, pipeline->now + latency + pipeline->gap_ps);
    else if (chunk + streams < pipeline->chunks)
        release(pipeline, number - OUT + streams * KINDS, pipeline->now + latency + pipeline->gap_ps);
}

static void
prepare(Pipeline *pipeline)
{
    uint32_t each = pipeline->chunks * KINDS, streams = pipeline->wanted->streams;

    pipeline->left = operation_count(pipeline);
    pipeline->operations = g_new0(Operation, pipeline->left);
    for (uint32_t i = 0; i < pipeline->left; i++) {
        Operation *operation = &pipeline->operations[i];
        uint32_t kind = i % KINDS, chunk = i / KINDS % pipeline->chunks;
        operation->ready_ps = (int64_t)(i % each + 1) * pipeline->issue_ps;
        operation->waits = (uint8_t)((chunk > 0) + (kind != IN || chunk >= streams));
        consider(pipeline, i);
    }
}

static void
handle(Pipeline *pipeline, uint32_t data)
{
    uint32_t number;

    if (!(data & FLOW_MARK)) {
        if (pipeline->operations[data].running)
            finish(pipeline, data);
        else
            start(pipeline, data);
    } else if (fab_flow_complete(pipeline->flows, pipeline->now, data & ~FLOW_MARK)) {
        while (fab_flow_take_tag(pipeline->flows, &number))
            finish(pipeline, number);
    }
}

static bool
run_all(Pipeline *pipeline, GError **error)
{
    int64_t when;
    uint32_t data;

    prepare(pipeline);
    while (pipeline->left > 0 && fab_queue_peek(pipeline->queue, &when)) {
        if (when >= FAB_FLOW_LONGEST_PS) {
            fab_flow_too_long("the pipeline", error);
            return false;
        }
        pipeline->now = when;
        while (fab_queue_peek(pipeline->queue, &when) && when == pipeline->now) {
            fab_queue_pop(pipeline->queue, &when, &data);
            handle(pipeline, data);
        }
        fab_flow_share(pipeline->flows, pipeline->now);
    }
    return true;
}

/* ------------------------------------------------------------------ rows */

/* What is busy for the largest part of the time: a way, the kernels, the host. */
static void
set_binding(const Pipeline *pipeline, FabResultRow *row)
{
    double time = (double)row->time_ps;
    double kernels = pipeline->kernel_ps / pipeline->wanted->gpus / time;
    double host = (double)pipeline->issue_ps * pipeline->chunks * KINDS / time;
    const FabResultUse *busiest = row->uses->len > 0 ? &g_array_index(row->uses, FabResultUse, 0) : NULL;
    double way = busiest != NULL ? busiest->utilisation : 0, most = MAX(way, MAX(kernels, host));

    row->binding = g_strdup(most < 0.5       ? "latency"
                            : most == way    ? busiest->name
                            : most == host   ? "host"
                                             : "kernels");
    row->binding_utilisation = most < 0.5 ? 1 - most : most;
}

static FabResultRow *
row_of(const Pipeline *pipeline, int64_t last)
{
    FabResultRow *row = fab_result_row_new();

    row->size_bytes = pipeline->chunk;
    row->time_ps = MAX(last, 1);
    row->algbw = (double)pipeline->wanted->bytes * pipeline->wanted->gpus / ((double)row->time_ps * 1e-12);
    row->algorithm = g_strdup("pipeline");
    row->protocol = g_strdup("-");
    fab_run_add_uses(row, pipeline->topology, fab_flow_carried(pipeline->flows));
    set_binding(pipeline, row);
    return row;
}

static FabResultRow *
run_chunk(Pipeline *pipeline, const char *path, uint64_t chunk, GError **error)
{
    const FabTopology *topology = pipeline->topology;
    uint64_t bytes = pipeline->wanted->bytes, chunks = bytes / chunk + (bytes % chunk != 0);
    g_autofree double *capacity = g_new(double, topology->resource_count);
    FabResultRow *row = NULL;

    if (chunks * pipeline->wanted->gpus * KINDS > MAX_OPERATIONS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [pipeline] sizes: chunks of %" G_GUINT64_FORMAT " bytes are %" G_GUINT64_FORMAT
                    " on each GPU, at most %u operations are simulated; take larger ones", path, chunk, chunks,
                    MAX_OPERATIONS);
        return NULL;
    }
    for (uint32_t i = 0; i < topology->resource_count; i++)
        capacity[i] = topology->resources[i].capacity;
    pipeline->chunk = chunk;
    pipeline->chunks = (uint32_t)chunks;
    pipeline->now = 0;
    pipeline->kernel_ps = 0;
    pipeline->queue = fab_queue_new();
    pipeline->flows = fab_flow_set_new(capacity, topology->resource_count, pipeline->queue, FLOW_MARK);
    if (run_all(pipeline, error))
        row = row_of(pipeline, pipeline->now);
    fab_flow_set_free(pipeline->flows);
    fab_queue_free(pipeline->queue);
    g_clear_pointer(&pipeline->operations, g_free);
    return row;
}

static bool
find_routes(Pipeline *pipeline, const FabScenario *scenario, FabRouter *router, GError **error)
{
    uint32_t gpus = pipeline->topology->gpu_count;

    if (pipeline->wanted->gpus > gpus) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [pipeline] gpus is %u, %s has %u", scenario->path,
                    pipeline->wanted->gpus, pipeline->topology->name, gpus);
        return false;
    }
    pipeline->routes = g_new0(const FabRoute *, 2 * (gsize)gpus);
    for (uint32_t i = 0; i < 2 * pipeline->wanted->gpus; i++) {
        pipeline->routes[i] = fab_router_host(router, i / 2, i % 2 == 0, error);
        if (pipeline->routes[i] == NULL)
            return false;
    }
    return true;
}

FabResult *
fab_copy_pipeline_run(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    const FabCopyPipeline *wanted = &scenario->pipeline;
    g_autoptr(FabResult) result = fab_run_result_new(scenario, topology);
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_SYS, .nvlink = true });
    g_autofree char *bytes = fab_format_bytes(wanted->bytes);
    Pipeline pipeline = { .wanted = wanted, .topology = topology, .issue_ps = fab_ps_from_seconds(wanted->issue_s),
                          .gap_ps = fab_ps_from_seconds(wanted->gap_s) };
    bool good = find_routes(&pipeline, scenario, router, error);

    result->interval = g_strdup("there is no interval: pipelines were not compared with measurements yet");
    result->collective = g_strdup("pipeline");
    result->ranks = wanted->gpus;
    g_ptr_array_add(result->notes, g_strdup_printf("%s to %s GPU, through a kernel and back over %u stream%s; size is "
                                                   "that of a chunk", bytes, wanted->gpus == 1 ? "one" : "each",
                                                   wanted->streams, fab_plural(wanted->streams)));
    for (uint32_t i = 0; i < scenario->size_count && good; i++) {
        FabResultRow *row = run_chunk(&pipeline, scenario->path, MIN(scenario->sizes[i], wanted->bytes), error);
        good = row != NULL;
        if (good)
            g_ptr_array_add(result->rows, row);
    }
    g_free(pipeline.routes);
    return good ? g_steal_pointer(&result) : NULL;
}
