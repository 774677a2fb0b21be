#include "workload/schedule.h"

#include "workload/graph.h"

typedef struct {
    FabPass *passes;
    uint32_t count;
} List;

static void
append(List *list, FabPassKind kind, uint32_t chunk, uint32_t micro)
{
    list->passes[list->count++] = (FabPass) { kind, chunk, micro };
}

/* All forward passes, then all backward ones, last in first out (arXiv 1811.06965). */
static void
list_gpipe(const FabPipeline *pipeline, List *list)
{
    for (uint32_t i = 0; i < pipeline->micros; i++)
        append(list, FAB_PASS_FORWARD, 0, i);
    for (uint32_t i = pipeline->micros; i-- > 0;)
        append(list, FAB_PASS_BACKWARD, 0, i);
}

/* The k-th pass of interleaved 1F1B: micro-batches in groups of `stages`, chunk after chunk (arXiv 2104.04473). */
static void
append_interleaved(const FabPipeline *pipeline, List *list, FabPassKind kind, uint32_t k)
{
    uint32_t p = pipeline->stages, group = p * pipeline->chunks;
    uint32_t chunk = k % group / p, micro = k / group * p + k % p;

    append(list, kind, kind == FAB_PASS_FORWARD ? chunk : pipeline->chunks - 1 - chunk, micro);
}

/*
 * Warm-up, then a forward and a backward pass in turn, then the backward passes left. The chunks are cut so that the
 * number of micro-batches must be a multiple of the number of stages.
 */
static void
list_1f1b(const FabPipeline *pipeline, uint32_t stage, List *list)
{
    uint32_t total = pipeline->micros * pipeline->chunks, behind = pipeline->stages - 1 - stage;
    uint32_t warm = pipeline->chunks > 1 ? 2 * behind + (pipeline->chunks - 1) * pipeline->stages : behind;

    warm = MIN(warm, total);
    if (pipeline->chunks > 1 && pipeline->micros == pipeline->stages)
        warm = total;
    for (uint32_t i = 0; i < warm; i++)
        append_interleaved(pipeline, list, FAB_PASS_FORWARD, i);
    for (uint32_t i = warm; i < total; i++) {
        append_interleaved(pipeline, list, FAB_PASS_FORWARD, i);
        append_interleaved(pipeline, list, FAB_PASS_BACKWARD, i - warm);
    }
    for (uint32_t i = total - warm; i < total; i++)
        append_interleaved(pipeline, list, FAB_PASS_BACKWARD, i);
}

/*
 * As 1F1B, but the weights' half of a backward pass waits: stage r does it r micro-batches later, so that gradients go
 * up the pipeline sooner and what was put off fills the end (ZB-H1 of arXiv 2401.10241). No stage keeps more than
 * `stages`.
 */
static void
list_zb_h1(const FabPipeline *pipeline, uint32_t stage, List *list)
{
    uint32_t micros = pipeline->micros, warm = MIN(pipeline->stages - 1 - stage, micros), weights = 0;

    for (uint32_t i = 0; i < warm; i++)
        append(list, FAB_PASS_FORWARD, 0, i);
    for (uint32_t i = 0; i < micros; i++) {
        if (warm + i < micros)
            append(list, FAB_PASS_FORWARD, 0, warm + i);
        append(list, FAB_PASS_BACKWARD, 0, i);
        if (i >= stage)
            append(list, FAB_PASS_WEIGHT, 0, weights++);
    }
    while (weights < micros)
        append(list, FAB_PASS_WEIGHT, 0, weights++);
}

/* ------------------------------------------------------------------ public */

FabPass *
fab_schedule_stage(const FabPipeline *pipeline, uint32_t stage, uint32_t *count)
{
    uint32_t kinds = pipeline->schedule == FAB_SCHEDULE_ZB_H1 ? 3 : 2;
    List list = { .passes = g_new(FabPass, (gsize)kinds * pipeline->micros * pipeline->chunks) };

    if (pipeline->schedule == FAB_SCHEDULE_GPIPE)
        list_gpipe(pipeline, &list);
    else if (pipeline->schedule == FAB_SCHEDULE_ZB_H1)
        list_zb_h1(pipeline, stage, &list);
    else
        list_1f1b(pipeline, stage, &list);
    *count = list.count;
    return list.passes;
}

uint32_t
fab_schedule_in_flight(const FabPipeline *pipeline, uint32_t stage)
{
    FabPipeline few = *pipeline;
    uint32_t count, held = 0, most = 0;
    g_autofree FabPass *passes = NULL;
    FabPassKind release = pipeline->schedule == FAB_SCHEDULE_ZB_H1 ? FAB_PASS_WEIGHT : FAB_PASS_BACKWARD;

    if (pipeline->schedule == FAB_SCHEDULE_GPIPE)
        return pipeline->micros;
    /* Once the pipeline is full nothing new comes: three times as many micro-batches as stages show all of it. */
    few.micros = MIN(pipeline->micros, 3 * pipeline->stages);
    passes = fab_schedule_stage(&few, stage, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (passes[i].kind == FAB_PASS_FORWARD)
            held++;
        else if (passes[i].kind == release)
            held--;
        most = MAX(most, held);
    }
    return most;
}

/* ------------------------------------------------------------------ the graph */

/* What is waited for of a pass: itself or its group, and the message behind it; by kind, stage, rank, chunk, micro. */
typedef struct {
    const FabPipelineSpec *spec;
    FabGraph *graph;
    uint32_t ranks, group;
    uint32_t *pass[2], *sent[2];
} Build;

static gsize
at(const Build *build, uint32_t stage, uint32_t rank, uint32_t chunk, uint32_t micro)
{
    const FabPipeline *pipeline = &build->spec->pipeline;

    return (((gsize)stage * build->ranks + rank) * pipeline->chunks + chunk) * pipeline->micros + micro;
}

static int64_t
length_of(const FabPipelineSpec *spec, uint32_t stage, const FabPass *pass)
{
    const FabPassTimes *times = &spec->times[stage * spec->pipeline.chunks + pass->chunk];

    return pass->kind == FAB_PASS_FORWARD    ? times->forward_ps
           : pass->kind == FAB_PASS_BACKWARD ? times->backward_ps
                                             : times->weight_ps;
}

/* Whether another stage waits for what a pass leaves behind. */
static bool
leaves_stage(const FabPipeline *pipeline, const FabPass *pass, uint32_t stage)
{
    uint32_t position = pass->chunk * pipeline->stages + stage, last = pipeline->chunks * pipeline->stages - 1;

    return pipeline->stages > 1 && pass->kind != FAB_PASS_WEIGHT &&
           position != (pass->kind == FAB_PASS_FORWARD ? last : 0);
}

/* The group's ranks do the pass; with more than one, a task without length is when all of them are through. */
static uint32_t
add_group_pass(Build *build, uint32_t stage, uint32_t group, const FabPass *pass, uint32_t before)
{
    uint32_t all = build->spec->pipeline.stages * build->ranks, groups = build->ranks / build->group;
    uint32_t tag = FAB_PASS_TAG(pass->kind, pass->chunk, pass->micro), first = fab_graph_count(build->graph), joined;

    for (uint32_t r = 0; r < build->group; r++) {
        uint32_t task = fab_graph_add(build->graph, stage * build->ranks + group * build->group + r,
                                      length_of(build->spec, stage, pass), tag);
        if (before != UINT32_MAX)
            fab_graph_after(build->graph, task, before);
    }
    if (build->group == 1)
        return first;
    joined = fab_graph_add(build->graph, 3 * all + stage * groups + group, 0, tag);
    for (uint32_t r = 0; r < build->group; r++)
        fab_graph_after(build->graph, joined, first + r);
    return joined;
}

static void
add_group(Build *build, uint32_t stage, uint32_t group, const FabPass *passes, uint32_t count)
{
    const FabPipelineSpec *spec = build->spec;
    uint32_t all = spec->pipeline.stages * build->ranks, joined = UINT32_MAX;

    for (uint32_t i = 0; i < count; i++) {
        const FabPass *pass = &passes[i];
        bool remote = spec->hop_ps > 0 && leaves_stage(&spec->pipeline, pass, stage);
        joined = add_group_pass(build, stage, group, pass, build->group > 1 ? joined : UINT32_MAX);
        for (uint32_t r = 0; r < build->group && pass->kind != FAB_PASS_WEIGHT; r++) {
            uint32_t rank = group * build->group + r, sent = joined;
            gsize cell = at(build, stage, rank, pass->chunk, pass->micro);
            if (remote) {
                sent = fab_graph_add(build->graph, all * (1 + (uint32_t)pass->kind) + stage * build->ranks + rank,
                                     spec->hop_ps, FAB_PASS_TAG(pass->kind, pass->chunk, pass->micro));
                fab_graph_after(build->graph, sent, joined);
            }
            build->pass[pass->kind][cell] = joined;
            build->sent[pass->kind][cell] = sent;
        }
    }
}

/* Where the input of a forward pass, or the gradient of a backward pass, comes from; false: from nowhere else. */
static bool
source_of(const FabPipeline *pipeline, FabPassKind kind, uint32_t stage, uint32_t chunk, uint32_t *from_stage,
          uint32_t *from_chunk)
{
    uint32_t position = chunk * pipeline->stages + stage, last = pipeline->chunks * pipeline->stages - 1;

    if (position == (kind == FAB_PASS_FORWARD ? 0 : last))
        return false;
    position = kind == FAB_PASS_FORWARD ? position - 1 : position + 1;
    *from_stage = position % pipeline->stages;
    *from_chunk = position / pipeline->stages;
    return true;
}

/* What a pass of a rank waits for beside its stream: its neighbour's result and, backward, its own forward pass. */
static void
join_pass(Build *build, uint32_t task, const FabPass *pass, uint32_t stage, uint32_t rank)
{
    uint32_t from_stage, from_chunk;

    if (pass->kind == FAB_PASS_WEIGHT)
        return;
    if (source_of(&build->spec->pipeline, pass->kind, stage, pass->chunk, &from_stage, &from_chunk)) {
        uint32_t *from = from_stage == stage ? build->pass[pass->kind] : build->sent[pass->kind];
        fab_graph_after(build->graph, task, from[at(build, from_stage, rank, from_chunk, pass->micro)]);
    }
    if (pass->kind == FAB_PASS_BACKWARD)
        fab_graph_after(build->graph, task,
                        build->pass[FAB_PASS_FORWARD][at(build, stage, rank, pass->chunk, pass->micro)]);
}

FabGraph *
fab_pipeline_run(const FabPipelineSpec *spec, GError **error)
{
    const FabPipeline *pipeline = &spec->pipeline;
    uint32_t ranks = MAX(spec->ranks, 1), group = MAX(spec->group, 1), streams = pipeline->stages * ranks, tasks;
    gsize cells = (gsize)streams * pipeline->chunks * pipeline->micros;
    g_autoptr(FabGraph) graph = fab_graph_new(3 * streams + streams / group);
    g_autofree uint32_t *memory = g_new0(uint32_t, 4 * cells);
    Build build = { .spec = spec, .graph = graph, .ranks = ranks, .group = group, .pass = { memory, memory + cells },
                    .sent = { memory + 2 * cells, memory + 3 * cells } };

    for (uint32_t stage = 0; stage < pipeline->stages; stage++) {
        uint32_t count;
        g_autofree FabPass *passes = fab_schedule_stage(pipeline, stage, &count);
        for (uint32_t g = 0; g < ranks / group; g++)
            add_group(&build, stage, g, passes, count);
    }
    tasks = fab_graph_count(graph);
    for (uint32_t task = 0; task < tasks; task++) {
        uint32_t stream = fab_graph_task(graph, task)->stream;
        FabPass pass = fab_pass_of_tag(fab_graph_task(graph, task)->tag);
        if (stream < streams)
            join_pass(&build, task, &pass, stream / ranks, stream % ranks);
    }
    return fab_graph_run(graph, error) ? g_steal_pointer(&graph) : NULL;
}
