#include "predict/stages.h"

#include <math.h>

#include "base/units.h"
#include "engine/flow.h"
#include "engine/queue.h"

/*
 * A stage does one thing after the other: it fetches a micro-batch, once the stage before has it, and works on it. The
 * host puts all operations into the stages' streams, micro-batch by micro-batch and stage by stage. Kernels that are on
 * a GPU at once share what its SMs do max-min fairly, none faster than alone; copies and kernels share its memory.
 */
typedef enum { COPY, KERNEL, KINDS } Kind;

#define FLOW_MARK UINT32_C(0x80000000)

typedef struct {
    int64_t ready_ps; /* not before */
    uint8_t waits;    /* for so many operations before it */
} Operation;

typedef struct {
    const FabStages *wanted;
    FabRoute **routes; /* of each stage: of its copy, of its kernel */
    Operation *operations; /* by micro-batch, stage and kind */
    FabFlowSet *flows;
    FabQueue *queue;
    int64_t now, gap_ps;
    uint32_t left;
} Run;

/* ------------------------------------------------------------------ what operations use */

/* Behind the resources of the machine: SMs and memory of each GPU. */
static uint32_t
sms_of(const FabTopology *topology, uint32_t gpu)
{
    return topology->resource_count + 2 * gpu;
}

static uint32_t
memory_of(const FabTopology *topology, uint32_t gpu)
{
    return sms_of(topology, gpu) + 1;
}

/* The uses of a way, NULL: none, and more, in the order of their resources, which lie behind the machine's. */
static FabRoute *
make_route(uint32_t id, const FabRoute *way, const FabUse *more, uint32_t more_count)
{
    uint32_t count = way != NULL ? way->count : 0;
    FabRoute *route = g_malloc(sizeof *route + (count + more_count) * sizeof route->uses[0]);

    *route = (FabRoute) { .id = id, .count = count + more_count, .latency_ps = way != NULL ? way->latency_ps : 0 };
    for (uint32_t i = 0; i < count; i++)
        route->uses[i] = way->uses[i];
    for (uint32_t i = 0; i < more_count; i++)
        route->uses[count + i] = more[i];
    return route;
}

/* A copy inside a GPU reads and writes the one memory; the first stage fetches from its own. */
static bool
find_routes(Run *run, FabRouter *router, GError **error)
{
    const FabStages *wanted = run->wanted;
    const FabTopology *topology = fab_router_topology(router);

    for (uint32_t i = 0; i < wanted->stages; i++) {
        uint32_t from = wanted->gpus[i > 0 ? i - 1 : 0], to = wanted->gpus[i];
        const FabRoute *way = from != to ? fab_router_push(router, from, to, error) : NULL;
        FabUse ends[] = { { .resource = memory_of(topology, MIN(from, to)), .weight = from == to ? 2 : 1 },
                          { .resource = memory_of(topology, MAX(from, to)), .weight = 1 } };
        FabUse work[] = { { .resource = sms_of(topology, to), .weight = 1 },
                          { .resource = memory_of(topology, to), .weight = 2 } };
        if (from != to && way == NULL)
            return false;
        run->routes[KINDS * i + COPY] = make_route(KINDS * i + COPY, way, ends, from == to ? 1 : 2);
        run->routes[KINDS * i + KERNEL] = make_route(KINDS * i + KERNEL, NULL, work, 2);
    }
    return true;
}

static double *
make_capacities(const FabStages *wanted, const FabTopology *topology)
{
    double *capacity = g_new(double, topology->resource_count + 2 * topology->gpu_count);

    for (uint32_t i = 0; i < topology->resource_count; i++)
        capacity[i] = topology->resources[i].capacity;
    for (uint32_t gpu = 0; gpu < topology->gpu_count; gpu++) {
        capacity[sms_of(topology, gpu)] = wanted->gpu_rate;
        capacity[memory_of(topology, gpu)] = wanted->memory_rate;
    }
    return capacity;
}

/* ------------------------------------------------------------------ the run */

static void
consider(Run *run, uint32_t number)
{
    const Operation *operation = &run->operations[number];

    if (operation->waits == 0)
        fab_queue_push(run->queue, MAX(operation->ready_ps, run->now), number);
}

static void
release(Run *run, uint32_t number, int64_t when)
{
    Operation *operation = &run->operations[number];

    operation->ready_ps = MAX(operation->ready_ps, when);
    operation->waits--;
    consider(run, number);
}

static void
start(Run *run, uint32_t number)
{
    uint32_t stage = number / KINDS % run->wanted->stages;
    Kind kind = (Kind)(number % KINDS);

    fab_flow_start(run->flows, run->now, run->routes[KINDS * stage + kind], run->wanted->bytes,
                   kind == KERNEL ? run->wanted->kernel_rate : INFINITY, number);
}

/* A kernel lets go the copy of the next stage and the next micro-batch's of its own, a copy its kernel. */
static void
finish(Run *run, uint32_t number)
{
    uint32_t stages = run->wanted->stages, stage = number / KINDS % stages, batch = number / KINDS / stages;
    int64_t latency = run->routes[KINDS * stage + number % KINDS]->latency_ps, then = run->now + latency + run->gap_ps;

    run->left--;
    if (number % KINDS == COPY) {
        release(run, number + 1, then);
        return;
    }
    if (stage + 1 < stages)
        release(run, number + KINDS - KERNEL, then);
    if (batch + 1 < run->wanted->batches)
        release(run, number + KINDS * stages - KERNEL, then);
}

static void
prepare(Run *run)
{
    int64_t issue_ps = fab_ps_from_seconds(run->wanted->issue_s);

    for (uint32_t i = 0; i < run->left; i++) {
        Operation *operation = &run->operations[i];
        uint32_t stage = i / KINDS % run->wanted->stages, batch = i / KINDS / run->wanted->stages;
        operation->ready_ps = (int64_t)(i + 1) * issue_ps;
        operation->waits = i % KINDS == COPY ? (uint8_t)((stage > 0) + (batch > 0)) : 1;
        consider(run, i);
    }
}

static bool
run_all(Run *run, GError **error)
{
    uint32_t data, number;
    int64_t when;

    prepare(run);
    while (run->left > 0 && fab_queue_peek(run->queue, &when)) {
        if (when >= FAB_FLOW_LONGEST_PS) {
            fab_flow_too_long("the stages", error);
            return false;
        }
        run->now = when;
        while (fab_queue_peek(run->queue, &when) && when == run->now) {
            fab_queue_pop(run->queue, &when, &data);
            if (!(data & FLOW_MARK)) {
                start(run, data);
            } else if (fab_flow_complete(run->flows, run->now, data & ~FLOW_MARK)) {
                while (fab_flow_take_tag(run->flows, &number))
                    finish(run, number);
            }
        }
        fab_flow_share(run->flows, run->now);
    }
    return true;
}

double
fab_stages_seconds(const FabStages *wanted, FabRouter *router, GError **error)
{
    const FabTopology *topology = fab_router_topology(router);
    g_autofree double *capacity = make_capacities(wanted, topology);
    Run run = { .wanted = wanted, .gap_ps = fab_ps_from_seconds(wanted->gap_s),
                .left = wanted->stages * wanted->batches * KINDS };
    bool good;

    g_return_val_if_fail(wanted->stages > 0 && wanted->batches > 0 && wanted->bytes > 0, NAN);
    run.routes = g_new0(FabRoute *, KINDS * wanted->stages);
    run.operations = g_new0(Operation, run.left);
    run.queue = fab_queue_new();
    run.flows = fab_flow_set_new(capacity, topology->resource_count + 2 * topology->gpu_count, run.queue, FLOW_MARK);
    good = find_routes(&run, router, error) && run_all(&run, error);
    fab_flow_set_free(run.flows);
    fab_queue_free(run.queue);
    for (uint32_t i = 0; i < KINDS * wanted->stages; i++)
        g_free(run.routes[i]);
    g_free(run.routes);
    g_free(run.operations);
    return good ? (double)run.now * 1e-12 : NAN;
}
