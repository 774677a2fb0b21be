/*
 * The time of a pipelined tree over nodes grows by the same with each level: a level more is one more node that the
 * first chunk passes on its way up and on its way down, and the other chunks follow at the pace of the busiest link,
 * which has no more to carry. So two smaller trees tell what larger ones take; two smaller rings do, too, with pieces
 * as long, since every node more is as many steps more. Where connections meet on links by chance, the part is
 * simulated with all ways alike, and a look at all routes of the whole says what meeting adds (crowd.h).
 */
#include "predict/depth.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "engine/fold.h"
#include "predict/cost.h"
#include "predict/depth-look.h"
#include "predict/folded.h"
#include "predict/work.h"

/* Simulated slices up to which a size runs whole, some seconds; of them the larger part has at most this share. */
#define MOST_WHOLE 2e6
#define PART 0.5
/* The busiest link of the whole carries no more than that of the part, but for rounding. */
#define AS_BUSY 1.001
/* Of the time for each doubling: the largest error seen, docs/clusters.md, rounded up. */
#define ERROR_OF_DOUBLING 0.006
/* The same of what connections cost that meet by chance, of the whole time. */
#define ERROR_OF_CROWD 0.1

/* More slices are not begun unless fold=off says so; a slice takes 2 to 9 us where flows meet. */
#define MOST_PATIENT 5e7
#define SLICE_US 5

/* Chunks of a connection that show the pace at which those behind them follow. */
#define EVEN_CHUNKS 16

enum { LEAST_NODES = 8, LEAST_QUARTER = 4, RING_NODES = 16, UNIT = 16, LEAST_SHARE = 4 };

/* What the plan of the whole run takes on its first `nodes` nodes alone. */
static bool
run_part(const FabRun *run, uint64_t size, const FabPlan *plan, const FabDepth *depth, uint32_t nodes,
         FabEngineReport *report, GError **error)
{
    g_autofree uint32_t *order = NULL;
    FabRun whole = depth->crowded ? fab_depth_calm(run) : *run, part = fab_depth_part_of(&whole, nodes, &order);
    g_autoptr(FabProgram) program = fab_run_emit(&part, size, plan, error);

    return program != NULL && fab_run_simulate(&part, plan, program, report, error);
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
    const FabDepthLook *whole, *part, *least;

    if (run->pace != NULL || run->late_ps != NULL || run->change_count > 0 || run->faults != NULL)
        return g_strdup("faults tell its nodes apart");
    if (run->topology->network.lossless)
        return g_strdup("flow_control is lossless, where one full port may slow some of its nodes and not others");
    if (!nodes_are_alike(run))
        return g_strdup("its nodes are of several kinds");
    whole = fab_depth_look(run, size, plan, run->facts.nodes);
    part = fab_depth_look(run, size, plan, depth->nodes[0]);
    least = fab_depth_look(run, size, plan, depth->nodes[1]);
    if (whole == NULL || part == NULL || least == NULL || whole->why != NULL)
        return g_strdup(whole != NULL && whole->why != NULL ? whole->why : "it has no program");
    depth->crowded = whole->choice || whole->busiest > AS_BUSY * part->busiest ||
                     whole->cables > AS_BUSY * least->busiest;
    for (uint32_t level = from - depth->between; level < from && !depth->ring; level++)
        before += whole->latency_ps[level];
    for (uint32_t level = from; level < to && !depth->ring; level++)
        depth->further_ps += whole->latency_ps[level] - before / depth->between;
    return NULL;
}

/* Slices that are simulated: NVLSTree's are mostly folded inside nodes. */
static double
slices_of(const FabRun *run, const FabProgram *program)
{
    return fab_work_slices(program) / (program->turn > 0 ? run->facts.local / program->turn : 1);
}

/* The larger part first. Slices of a ring are as many for each pair of ranks. */
static void
take_parts_of_ring(const FabRun *run, double slices, double most, FabDepth *depth)
{
    double nodes = run->facts.nodes;

    depth->ring = true;
    depth->nodes[0] = RING_NODES;
    while (depth->nodes[0] > LEAST_NODES && slices * pow(depth->nodes[0] / nodes, 2) > PART * most)
        depth->nodes[0] /= 2;
    depth->nodes[1] = depth->nodes[0] / 2;
    depth->between = 1;
    depth->doublings = levels_of(run->facts.nodes) - levels_of(depth->nodes[0]);
}

/* Bytes that each connection of a channel carries between nodes. */
static double
connection_bytes(const FabRun *run, uint64_t size, const FabPlan *plan)
{
    double each = (double)size / plan->channels, others = (run->ranks - 1.0) / run->ranks;

    if (strcmp(plan->algorithm->name, "nvls-tree") == 0)
        return each / run->facts.local;
    if (strcmp(plan->algorithm->name, "ring") == 0)
        return run->collective == FAB_ALL_REDUCE ? 2 * others * each : others * each;
    return each;
}

/*
 * Of a long call of NVLSTree the first chunks are simulated, in pieces as even as those of all of it. Chains of the
 * tree fall out of step inside their nodes, the more the longer it takes.
 */
static uint64_t
bytes_of_part(const FabRun *run, uint64_t size, const FabPlan *plan)
{
    uint64_t unit = (uint64_t)run->facts.local * plan->channels * UNIT, bytes = size;

    if (strcmp(plan->algorithm->name, "nvls-tree") != 0)
        return size;
    while (connection_bytes(run, bytes / 2, plan) >= EVEN_CHUNKS * (double)plan->chunk_bytes)
        bytes /= 2;
    return bytes <= size / LEAST_SHARE ? MAX(bytes / unit, 1) * unit : size;
}

static void
take_parts_of_tree(const FabRun *run, uint64_t size, const FabPlan *plan, double slices, double most, FabDepth *depth)
{
    uint32_t nodes = run->facts.nodes, least;

    depth->bytes = bytes_of_part(run, size, plan);
    least = depth->bytes < size ? 2 * LEAST_NODES : LEAST_NODES;
    for (depth->nodes[0] = nodes; depth->nodes[0] >= 2 * least; depth->doublings++) {
        if (depth->doublings > 0 && slices * depth->nodes[0] / nodes <= PART * most)
            break;
        depth->nodes[0] = (depth->nodes[0] + 1) / 2;
    }
    depth->between = depth->nodes[0] >= 4 * LEAST_QUARTER ? 2 : 1;
    depth->nodes[1] = (depth->nodes[0] + depth->between * 2 - 1) / (depth->between * 2);
}

/* Whether smaller ones of the kind may tell it. */
static bool
is_of_kind(const FabRun *run, const FabPlan *plan, const FabProgram *program)
{
    const char *fold = run->scenario->fold, *name = plan->algorithm->name;
    bool tree = strcmp(name, "tree") == 0 || strcmp(name, "nvls-tree") == 0;
    bool ring = strcmp(name, "ring") == 0 && (run->collective == FAB_ALL_REDUCE || run->collective == FAB_ALL_GATHER ||
                                              run->collective == FAB_REDUCE_SCATTER);

    return run->looks != NULL && !run->part && run->timeline == NULL && !run->every && program->joins != NULL &&
           ((tree && run->facts.nodes >= 2 * LEAST_NODES) || (ring && run->facts.nodes >= 2 * RING_NODES)) &&
           (fold == NULL || strcmp(fold, "auto") == 0);
}

/* A ring of which as few ranks are simulated that they soon do again what they did: after as many steps as they are. */
static bool
folds_small(const FabRun *run, const FabPlan *plan, const FabProgram *program, double most)
{
    double ranks = fab_run_folds_to(run, program);

    return ranks < run->ranks && 2 * ranks * ranks * plan->channels <= most;
}

FabDepth
fab_depth_of(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, char **why)
{
    FabDepth depth = { .nodes = { 0 } };
    double slices, most = run->most_whole > 0 ? run->most_whole : MOST_WHOLE;
    char *obstacle;

    if (!is_of_kind(run, plan, program) || (slices = slices_of(run, program)) <= most)
        return depth;
    if (strcmp(plan->algorithm->name, "ring") == 0)
        take_parts_of_ring(run, slices, most, &depth);
    else
        take_parts_of_tree(run, size, plan, slices, most, &depth);
    obstacle = find_obstacle(run, size, plan, &depth);
    if (obstacle == NULL && (!depth.ring || depth.crowded || !folds_small(run, plan, program, most)))
        return depth;
    if (why != NULL && !depth.ring)
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

/* The protocol's share of what a connection carries. */
static double
wire_of(const FabRun *run, const FabPlan *plan, double bytes)
{
    FabCost cost = { .scenario = run->scenario, .facts = &run->facts, .constants = run->constants };
    FabExecution execution = fab_cost_execution(&cost, plan);
    double message = (double)(execution.network_steps ? plan->chunk_bytes : plan->slice_bytes);

    return execution.network_wire + execution.network_bytes / MAX(MIN(message, bytes), 1);
}

/*
 * What connections that share links cost: the time by which the slowest channel of the whole machine falls behind one
 * that goes at the pace of the part simulated, `pace` bytes of a connection in a second, and then takes `time_ps`. Most
 * edges of a tree are near its leaves, where data come down when they have been all the way up.
 */
static bool
add_crowd(const FabRun *run, uint64_t size, const FabPlan *plan, double pace, int64_t time_ps, FabDepth *depth,
          double *carried, GError **error)
{
    const FabCrowd *crowd = fab_depth_crowd(run, size, plan, error);
    double bytes = connection_bytes(run, size, plan), wire = wire_of(run, plan, bytes), fill, lag;

    if (crowd == NULL)
        return false;
    fill = fmax(1e-12 * (double)time_ps - bytes / pace, 0);
    lag = fill * (1 - 1.0 / levels_of(run->facts.nodes));
    depth->crowd_ps = fab_ps_from_seconds(
        fmax(fab_crowd_seconds(crowd, bytes * wire, pace * wire, lag, &depth->binding) - lag - bytes / pace, 0));
    /* Of cables between switches only the one that binds is told: what they carry is not what the part's do. */
    for (uint32_t i = 0; i < run->topology->resource_count; i++) {
        if (i == depth->binding)
            carried[i] = MAX(carried[i], fab_crowd_carried(crowd, i, bytes * wire));
        else if (fab_depth_is_cable(run->topology, i))
            carried[i] = 0;
    }
    return true;
}

/*
 * The pace of a tree once it is full: on the smaller part, which takes `time_ps` for the bytes simulated, half or twice
 * as many take so much less or more.
 */
static bool
find_pace(const FabRun *run, uint64_t size, const FabPlan *plan, const FabDepth *depth, int64_t time_ps, double *pace,
          FabEngineReport *fewer, GError **error)
{
    uint64_t other = depth->bytes < size ? 2 * depth->bytes : size / 2;
    uint64_t apart = MAX(other, depth->bytes) - MIN(other, depth->bytes);
    FabEngineReport report;
    int64_t more_ps;

    if (!run_part(run, other, plan, depth, depth->nodes[1], &report, error))
        return false;
    more_ps = other > depth->bytes ? report.time_ps - time_ps : time_ps - report.time_ps;
    fab_engine_report_clear(&report);
    fewer->steps += report.steps;
    fewer->slices += report.slices;
    *pace = connection_bytes(run, apart, plan) / (1e-12 * (double)MAX(more_ps, 1));
    return true;
}

/* A tree over `nodes` nodes of the whole's size, or a ring over them with the whole's pieces. */
static bool
simulate_part(const FabRun *run, uint64_t size, const FabPlan *plan, const FabDepth *depth, uint32_t number,
              FabEngineReport *report, double *hops_ps, GError **error)
{
    uint64_t ranks = (uint64_t)depth->nodes[number] * run->facts.local, each = (uint64_t)run->ranks * plan->channels;
    const FabDepthLook *look = fab_depth_look(run, size, plan, depth->nodes[number]);
    uint64_t piece = MAX((size + each * UNIT / 2) / (each * UNIT), 1) * UNIT;

    *hops_ps = look != NULL && depth->ring ? look->mean_ps : 0;
    return run_part(run, depth->ring ? piece * ranks * plan->channels : depth->bytes, plan, depth,
                    depth->nodes[number], report, error);
}

/* What the whole takes without what its links add. */
static int64_t
go_on_from(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, const int64_t *time_ps,
           const double *hops_ps, double pace, FabDepth *depth)
{
    double nodes = run->facts.nodes, larger = depth->nodes[0], smaller = depth->nodes[1], each, steps;

    if (!depth->ring) {
        depth->each_ps = MAX(time_ps[0] - time_ps[1], 0) / depth->between;
        return time_ps[0] + depth->each_ps * depth->doublings + depth->further_ps +
               fab_ps_from_seconds(connection_bytes(run, size - depth->bytes, plan) / pace);
    }
    /* Its steps grow with the nodes, but for one or two; hops over more switches take longer. */
    steps = fab_work_steps(program) / nodes;
    each = ((double)time_ps[0] - steps * larger * hops_ps[0] - (double)time_ps[1] + steps * smaller * hops_ps[1]) /
           (larger - smaller);
    depth->each_ps = (int64_t)(each * (nodes - larger) / depth->doublings);
    return (int64_t)((double)time_ps[0] - steps * larger * hops_ps[0] + each * (nodes - larger) +
                     steps * nodes * fab_depth_look(run, size, plan, run->facts.nodes)->mean_ps);
}

bool
fab_depth_simulate(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, FabDepth *depth,
                   FabEngineReport *report, GError **error)
{
    FabEngineReport fewer;
    int64_t time_ps[2], whole_ps;
    double pace = INFINITY, hops_ps[2];

    *depth = fab_depth_of(run, size, plan, program, NULL);
    if (depth->doublings == 0)
        return fab_run_simulate(run, plan, program, report, error);
    if (!simulate_part(run, size, plan, depth, 1, &fewer, &hops_ps[1], error))
        return false;
    fab_engine_report_clear(&fewer);
    time_ps[1] = fewer.time_ps;
    if (!depth->ring && (depth->crowded || depth->bytes < size) &&
        !find_pace(run, size, plan, depth, time_ps[1], &pace, &fewer, error))
        return false;
    if (!simulate_part(run, size, plan, depth, 0, report, &hops_ps[0], error))
        return false;
    time_ps[0] = report->time_ps;
    for (uint32_t i = 0; i < run->topology->resource_count && depth->bytes < size && !depth->ring; i++)
        report->carried[i] *= (double)size / (double)depth->bytes;
    whole_ps = go_on_from(run, size, plan, program, time_ps, hops_ps, pace, depth);
    if (depth->ring)
        pace = connection_bytes(run, size, plan) / (1e-12 * (double)MAX(whole_ps, 1));
    if (depth->crowded && !add_crowd(run, size, plan, pace, whole_ps, depth, report->carried, error)) {
        fab_engine_report_clear(report);
        return false;
    }
    report->time_ps += whole_ps + depth->crowd_ps - time_ps[0];
    report->interval_ps += whole_ps + depth->crowd_ps - time_ps[0];
    report->steady_ps += whole_ps + depth->crowd_ps - time_ps[0];
    report->steps += fewer.steps;
    report->slices += fewer.slices;
    return true;
}

/* ------------------------------------------------------------------ saying it */

/* What the network's own choice adds; NULL: it has none. Owned by the caller. */
static char *
describe_crowd(const FabRun *run, const FabDepth *depth)
{
    bool held = depth->crowd_ps > 0 && depth->binding != UINT32_MAX;

    if (!depth->crowded)
        return NULL;
    return g_strdup_printf("; connections that meet on links add %.1f us, by the routes of all of them%s%s",
                           (double)depth->crowd_ps * 1e-6, held ? ", most for " : "",
                           held ? run->topology->resources[depth->binding].name : "");
}

void
fab_depth_note(const FabRun *run, const FabDepth *depth, FabResultRow *row, FabResult *result)
{
    g_autofree char *size = NULL, *first = NULL, *crowd = describe_crowd(run, depth);
    double each = (double)depth->each_ps;

    if (depth->doublings == 0)
        return;
    if (!depth->ring)
        each += (double)depth->further_ps / depth->doublings;
    size = fab_format_bytes(row->size_bytes);
    first = fab_format_bytes(depth->bytes);
    row->growth = g_new(FabResultGrowth, 1);
    *row->growth = (FabResultGrowth) { .nodes = run->facts.nodes, .simulated = { depth->nodes[1], depth->nodes[0] },
                                       .doublings = depth->doublings, .each_ps = (int64_t)llround(each),
                                       .crowded = depth->crowded };
    if (depth->ring)
        g_ptr_array_add(result->notes,
                        g_strdup_printf("extrapolated: %s is simulated on %u and %u of %u nodes, with pieces as long; "
                                        "a ring grows by as many steps with each node%s. Links are those of the nodes "
                                        "simulated; fold=off simulates every rank", size, depth->nodes[1],
                                        depth->nodes[0], run->facts.nodes, crowd != NULL ? crowd : ""));
    else
        g_ptr_array_add(result->notes,
                        g_strdup_printf("extrapolated: %s%s%s is simulated on %u and %u of %u nodes; each of %u "
                                        "doublings more adds %.1f us, as trees grow by levels%s. Links are those of "
                                        "the nodes simulated; fold=off simulates every rank",
                                        depth->bytes < row->size_bytes ? first : "",
                                        depth->bytes < row->size_bytes ? " of " : "", size, depth->nodes[1],
                                        depth->nodes[0], run->facts.nodes, depth->doublings, each * 1e-6,
                                        crowd != NULL ? crowd : ""));
}

void
fab_depth_widen(FabResult *result)
{
    for (guint i = 0; i < result->rows->len; i++) {
        FabResultRow *row = result->rows->pdata[i];
        double error = row->growth != NULL ? ERROR_OF_DOUBLING * row->growth->doublings : 0;
        error += row->growth != NULL && row->growth->crowded ? ERROR_OF_CROWD : 0;
        row->low_ps -= (int64_t)((double)row->low_ps * error);
        row->high_ps += (int64_t)((double)row->high_ps * error);
    }
}
