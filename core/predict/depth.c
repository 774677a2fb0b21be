/*
 * The time of a pipelined tree over nodes grows by the same with each level: a level more is one more node that the
 * first chunk passes on its way up and on its way down, and the other chunks follow at the pace of the busiest link,
 * which has no more to carry. So two smaller trees tell what larger ones take, if no link of the larger ones is busier.
 */
#include "predict/depth.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "engine/fold.h"
#include "predict/folded.h"
#include "predict/work.h"

/* Simulated slices up to which a size runs whole, some seconds; of them the larger part has at most this share. */
#define MOST_WHOLE 2e6
#define PART 0.5
/* The busiest link of the whole carries no more than that of the part, but for rounding. */
#define AS_BUSY 1.001
/* Of the time for each doubling: the largest error seen, docs/clusters.md, rounded up. */
#define ERROR_OF_DOUBLING 0.006

/* More slices are not begun unless fold=off says so; a slice takes 2 to 9 us where flows meet. */
#define MOST_PATIENT 5e7
#define SLICE_US 5

enum { LEAST_NODES = 8, LEAST_QUARTER = 4, LEVELS = 32 };

/* What the network has to do for one algorithm. */
typedef struct {
    double busiest;              /* seconds for each byte of a channel */
    int64_t latency_ps[LEVELS];  /* up and down between nodes that are 2^level apart, the longest */
    char *why;                   /* no two sizes of machine can be compared; NULL: they can */
} Look;

struct FabDepthLooks {
    GHashTable *known; /* text of algorithm, channels and nodes -> Look */
};

static void
look_free(gpointer data)
{
    Look *look = data;

    g_free(look->why);
    g_free(look);
}

FabDepthLooks *
fab_depth_looks_new(void)
{
    FabDepthLooks *looks = g_new(FabDepthLooks, 1);

    looks->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, look_free);
    return looks;
}

void
fab_depth_looks_free(FabDepthLooks *looks)
{
    if (looks == NULL)
        return;
    g_hash_table_unref(looks->known);
    g_free(looks);
}

/* ------------------------------------------------------------------ a part of the machine */

/* The first nodes of each ring's order, in which nodes stand one after another. */
static uint32_t *
first_of_orders(const FabRun *run, uint32_t ranks)
{
    uint32_t *order = g_new(uint32_t, (gsize)run->facts.rings * ranks);

    for (uint32_t k = 0; k < run->facts.rings; k++)
        memcpy(order + (gsize)k * ranks, run->facts.order + (gsize)k * run->ranks, ranks * sizeof *order);
    return order;
}

/* Channels, chunks and costs stay those of the whole. `order` is freed by the caller. */
static FabRun
part_of(const FabRun *run, uint32_t nodes, uint32_t **order)
{
    FabRun part = *run;

    part.ranks = nodes * run->facts.local;
    part.facts.order = *order = first_of_orders(run, part.ranks);
    part.part = true;
    return part;
}

bool
fab_depth_part(const FabRun *run, uint64_t size, const FabPlan *plan, uint32_t nodes, FabEngineReport *report,
               GError **error)
{
    g_autofree uint32_t *order = NULL;
    FabRun part = part_of(run, nodes, &order);
    g_autoptr(FabProgram) program = fab_run_emit(&part, size, plan, error);

    return program != NULL && fab_run_simulate(&part, plan, program, report, error);
}

/* ------------------------------------------------------------------ what the network has to do */

static uint64_t *
pair_key(uint32_t from, uint32_t to)
{
    uint64_t *key = g_new(uint64_t, 1);

    *key = (uint64_t)from << 32 | to;
    return key;
}

/* Pairs of ranks on different nodes, each with the number of connections that join them. */
static GHashTable *
find_pairs(const FabRun *run, const FabProgram *program)
{
    GHashTable *pairs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    uint32_t from, to, local = run->facts.local;

    for (uint32_t i = 0; i < program->connections; i++) {
        g_autofree uint64_t *key = NULL;
        guint count;
        if (!program->joins(program, i, &from, &to) || from / local == to / local)
            continue;
        key = pair_key(from, to);
        count = GPOINTER_TO_UINT(g_hash_table_lookup(pairs, key));
        g_hash_table_insert(pairs, g_steal_pointer(&key), GUINT_TO_POINTER(count + 1));
    }
    return pairs;
}

static bool
has_one_way(const FabRun *run, uint64_t pair)
{
    return fab_router_is_only_way(run->router, run->gpus[pair >> 32], run->gpus[pair & UINT32_MAX]);
}

/* A pair's load on everything that it passes, and the latency of its level. */
static bool
add_pair(const FabRun *run, uint64_t pair, guint count, double *load, Look *look)
{
    uint32_t from = (uint32_t)(pair >> 32), to = (uint32_t)pair, local = run->facts.local;
    uint32_t apart = MAX(from, to) / local - MIN(from, to) / local;
    const FabRoute *push = fab_router_push(run->router, run->gpus[from], run->gpus[to], NULL);
    const FabRoute *pull = fab_router_pull(run->router, run->gpus[from], run->gpus[to], NULL);
    int64_t *latency = &look->latency_ps[g_bit_nth_msf(apart, -1)];

    if (push == NULL || pull == NULL)
        return false;
    for (uint32_t i = 0; i < push->count; i++)
        load[push->uses[i].resource] += push->uses[i].weight * count;
    *latency = MAX(*latency, 2 * (push->latency_ps + pull->latency_ps));
    return true;
}

static Look *
look_at(const FabRun *run, const FabProgram *program)
{
    const FabTopology *topology = run->topology;
    g_autoptr(GHashTable) pairs = find_pairs(run, program);
    g_autofree double *load = g_new0(double, topology->resource_count);
    Look *look = g_new0(Look, 1);
    GHashTableIter iter;
    gpointer key, count;

    g_hash_table_iter_init(&iter, pairs);
    while (look->why == NULL && g_hash_table_iter_next(&iter, &key, NULL))
        if (!has_one_way(run, *(uint64_t *)key))
            look->why = g_strdup("its network chooses among several ways for each connection, so that links meet other "
                                 "loads in a larger tree (routing=spray uses all ways alike)");
    g_hash_table_iter_init(&iter, pairs);
    while (look->why == NULL && g_hash_table_iter_next(&iter, &key, &count))
        if (!add_pair(run, *(uint64_t *)key, GPOINTER_TO_UINT(count), load, look))
            look->why = g_strdup("some of its ranks cannot reach each other");
    for (uint32_t i = 0; i < topology->resource_count; i++)
        look->busiest = MAX(look->busiest, load[i] / topology->resources[i].capacity);
    return look;
}

/* Nodes of one machine, of each of which the same GPUs take part. */
static bool
nodes_are_alike(const FabRun *run)
{
    const FabTopology *topology = run->topology;
    uint32_t local = run->facts.local;
    const FabTopologyNode *first = &topology->nodes[fab_topology_node_of(topology, run->gpus[0])];

    for (uint32_t i = 0; i < run->ranks; i++) {
        const FabTopologyNode *node = &topology->nodes[fab_topology_node_of(topology, run->gpus[i])];
        if (strcmp(node->machine, first->machine) != 0 ||
            run->gpus[i] - node->first_gpu != run->gpus[i % local] - first->first_gpu)
            return false;
    }
    return true;
}

/* Sizes differ in neither ways nor loads, so that one look does for all of one number of channels. */
static const Look *
recall(const FabRun *run, uint64_t size, const FabPlan *plan, uint32_t nodes)
{
    g_autofree char *key = g_strdup_printf("%s %u %u", plan->algorithm->name, plan->channels, nodes);
    Look *look = g_hash_table_lookup(run->looks->known, key);
    g_autofree uint32_t *order = NULL;
    g_autoptr(FabProgram) program = NULL;
    FabRun part;

    if (look != NULL)
        return look;
    part = part_of(run, nodes, &order);
    program = fab_run_emit(&part, size, plan, NULL);
    look = program != NULL ? look_at(&part, program) : NULL;
    if (look != NULL)
        g_hash_table_insert(run->looks->known, g_steal_pointer(&key), look);
    return look;
}

/* ------------------------------------------------------------------ whether it may be done */

/* Levels of a tree over so many nodes. */
static uint32_t
levels_of(uint32_t nodes)
{
    return nodes > 1 ? g_bit_storage(nodes - 1) : 0;
}

static char *
find_obstacle(const FabRun *run, uint64_t size, const FabPlan *plan, FabDepth *depth)
{
    uint32_t from = levels_of(depth->nodes[0]), to = levels_of(run->ranks / run->facts.local);
    int64_t before = 0;
    const Look *whole, *part;

    if (run->pace != NULL || run->late_ps != NULL || run->change_count > 0 || run->faults != NULL)
        return g_strdup("faults tell its nodes apart");
    if (run->topology->network.lossless)
        return g_strdup("flow_control is lossless, where one full port may slow some of its nodes and not others");
    if (!nodes_are_alike(run))
        return g_strdup("its nodes are of several kinds");
    whole = recall(run, size, plan, run->ranks / run->facts.local);
    if (whole == NULL || whole->why != NULL)
        return g_strdup(whole != NULL ? whole->why : "it has no program");
    part = recall(run, size, plan, depth->nodes[0]);
    if (part == NULL || part->why != NULL || whole->busiest > AS_BUSY * part->busiest)
        return g_strdup_printf("links between more than %u nodes are busier than any between fewer", depth->nodes[0]);
    for (uint32_t level = from - depth->between; level < from; level++)
        before += whole->latency_ps[level];
    for (uint32_t level = from; level < to; level++)
        depth->further_ps += whole->latency_ps[level] - before / depth->between;
    return NULL;
}

/* Slices that are simulated: NVLSTree's are mostly folded inside nodes. */
static double
slices_of(const FabRun *run, const FabProgram *program)
{
    return fab_work_slices(program) / (program->turn > 0 ? run->facts.local / program->turn : 1);
}

FabDepth
fab_depth_of(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, char **why)
{
    FabDepth depth = { .nodes = { 0 } };
    const char *fold = run->scenario->fold, *name = plan->algorithm->name;
    uint32_t nodes = run->facts.nodes;
    double slices, most = run->most_whole > 0 ? run->most_whole : MOST_WHOLE;
    char *obstacle;

    if (run->looks == NULL || run->part || run->timeline != NULL || run->every || nodes < 2 * LEAST_NODES ||
        program->joins == NULL || (strcmp(name, "tree") != 0 && strcmp(name, "nvls-tree") != 0) ||
        (fold != NULL && strcmp(fold, "auto") != 0) || (slices = slices_of(run, program)) <= most)
        return depth;
    for (depth.nodes[0] = nodes; depth.nodes[0] >= 2 * LEAST_NODES; depth.doublings++) {
        if (depth.doublings > 0 && slices * depth.nodes[0] / nodes <= PART * most)
            break;
        depth.nodes[0] = (depth.nodes[0] + 1) / 2;
    }
    depth.between = depth.nodes[0] >= 4 * LEAST_QUARTER ? 2 : 1;
    depth.nodes[1] = (depth.nodes[0] + depth.between * 2 - 1) / (depth.between * 2);
    depth.slices = slices * (depth.nodes[0] + depth.nodes[1]) / nodes;
    obstacle = find_obstacle(run, size, plan, &depth);
    if (obstacle == NULL)
        return depth;
    if (why != NULL)
        *why = obstacle;
    else
        g_free(obstacle);
    return (FabDepth) { .nodes = { 0 } };
}

bool
fab_depth_check(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, double *relief,
                GError **error)
{
    g_autofree char *why = NULL, *text = NULL;
    FabDepth depth = fab_depth_of(run, size, plan, program, &why);
    double slices = why != NULL ? fab_work_slices(program) : 0; /* what is in the way is in that of folding, too */

    *relief = 1;
    if (depth.doublings > 0)
        *relief = (double)run->facts.nodes / (depth.nodes[0] + depth.nodes[1]);
    else
        *relief = fab_run_relief(run, program);
    if (slices <= MOST_PATIENT)
        return true;
    text = fab_format_bytes(size);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [collective] %s of %s over %u nodes would take about %.0f minutes (%.1g slices), and smaller "
                "trees do not tell it, because %s; take smaller sizes, or fold=off to wait for it",
                run->scenario->path, text, plan->algorithm->name, run->facts.nodes, slices * SLICE_US / 60e6, slices,
                why);
    return false;
}

/* ------------------------------------------------------------------ running it */

bool
fab_depth_simulate(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, FabDepth *depth,
                   FabEngineReport *report, GError **error)
{
    FabEngineReport fewer;
    int64_t further;

    *depth = fab_depth_of(run, size, plan, program, NULL);
    if (depth->doublings == 0)
        return fab_run_simulate(run, plan, program, report, error);
    if (!fab_depth_part(run, size, plan, depth->nodes[1], &fewer, error))
        return false;
    fab_engine_report_clear(&fewer);
    if (!fab_depth_part(run, size, plan, depth->nodes[0], report, error))
        return false;
    depth->each_ps = MAX(report->time_ps - fewer.time_ps, 0) / depth->between;
    further = depth->each_ps * depth->doublings + depth->further_ps;
    report->time_ps += further;
    report->interval_ps += further;
    report->steps += fewer.steps;
    report->slices += fewer.slices;
    return true;
}

/* ------------------------------------------------------------------ saying it */

void
fab_depth_note(const FabRun *run, const FabDepth *depth, FabResultRow *row, FabResult *result)
{
    g_autofree char *size = NULL;
    double each = (double)depth->each_ps + (double)depth->further_ps / MAX(depth->doublings, 1);

    if (depth->doublings == 0)
        return;
    size = fab_format_bytes(row->size_bytes);
    row->growth = g_new(FabResultGrowth, 1);
    *row->growth = (FabResultGrowth) { .nodes = run->facts.nodes, .simulated = { depth->nodes[1], depth->nodes[0] },
                                       .doublings = depth->doublings, .each_ps = (int64_t)llround(each) };
    g_ptr_array_add(result->notes,
                    g_strdup_printf("extrapolated: %s is simulated on %u and %u of %u nodes; each of %u doublings more "
                                    "adds %.1f us, as trees grow by levels. Links are those of the nodes simulated; "
                                    "fold=off simulates every rank", size, depth->nodes[1], depth->nodes[0],
                                    run->facts.nodes, depth->doublings, each * 1e-6));
}

void
fab_depth_widen(FabResult *result)
{
    for (guint i = 0; i < result->rows->len; i++) {
        FabResultRow *row = result->rows->pdata[i];
        double error = row->growth != NULL ? ERROR_OF_DOUBLING * row->growth->doublings : 0;
        row->low_ps -= (int64_t)((double)row->low_ps * error);
        row->high_ps += (int64_t)((double)row->high_ps * error);
    }
}
