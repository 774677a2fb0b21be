#include "workload/schedule.h"

#include "workload/graph.h"

typedef struct {
    FabPass *passes;
    uint32_t count;
} List;

static void
append(List *list, FabPassKind kind, uint32_t chunk, uint32_t micro)
{
    list->passes[list->count++] = (FabPass) { kind, chunk, micro, false };
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

/* ------------------------------------------------------------------ DualPipe */

/* What a stage has done: the next micro-batch of each kind and chunk, and weights that wait, first in first out. */
typedef struct {
    List *list;
    uint32_t turned;    /* stages of the second half begin with the chunk of the other direction */
    uint32_t forward[2], backward[2];
    FabPass *weights;
    uint32_t first, last;
} Dual;

static void
dual_forward(Dual *dual, uint32_t side)
{
    uint32_t chunk = side ^ dual->turned;

    append(dual->list, FAB_PASS_FORWARD, chunk, dual->forward[chunk]++);
}

static void
dual_backward(Dual *dual, uint32_t side, bool split)
{
    uint32_t chunk = side ^ dual->turned, micro = dual->backward[chunk]++;

    append(dual->list, split ? FAB_PASS_BACKWARD : FAB_PASS_WHOLE, chunk, micro);
    if (split)
        dual->weights[dual->last++] = (FabPass) { FAB_PASS_WEIGHT, chunk, micro, false };
}

/* A forward pass of one direction and a backward pass of the other, which hide each other's communication. */
static void
dual_pair(Dual *dual, uint32_t side)
{
    dual_forward(dual, side);
    dual->list->passes[dual->list->count - 1].fused = true;
    dual_backward(dual, 1 - side, false);
}

static void
dual_weights(Dual *dual)
{
    const FabPass *pass = &dual->weights[dual->first++];

    append(dual->list, pass->kind, pass->chunk, pass->micro);
}

/* The end of a stage's list: gradients first, weights where nothing else is there to do. */
static void
drain_dualpipe(Dual *dual, uint32_t depth, uint32_t behind)
{
    for (uint32_t i = 0; i < behind; i++) {
        dual_backward(dual, 1, false);
        dual_pair(dual, 1);
    }
    for (uint32_t i = 0; i < depth; i++) {
        dual_backward(dual, 1, 2 * i + 1 > depth);
        dual_backward(dual, 0, 2 * i + 2 > depth);
    }
    for (uint32_t i = 0; i < behind; i++) {
        dual_weights(dual);
        dual_backward(dual, 0, true);
    }
    for (uint32_t i = 0; i < depth; i++)
        dual_weights(dual);
}

/*
 * Micro-batches enter at both ends: each stage holds a chunk of either direction, its place from the one end and from
 * the other, and passes of one fill the gaps of the other (arXiv 2412.19437, section 3.2.1). `depth` counts from the
 * nearer end; half of the micro-batches go each way.
 */
static void
list_dualpipe(const FabPipeline *pipeline, uint32_t stage, List *list)
{
    uint32_t half = pipeline->stages / 2, each = pipeline->micros / 2;
    uint32_t depth = MIN(stage, pipeline->stages - 1 - stage) + 1, behind = half - depth;
    g_autofree FabPass *weights = g_new(FabPass, pipeline->micros + 1);
    Dual dual = { .list = list, .turned = stage >= half, .weights = weights };

    for (uint32_t i = 0; i < 2 * behind; i++)
        dual_forward(&dual, 0);
    for (uint32_t i = 0; i < depth; i++) {
        dual_forward(&dual, 0);
        dual_forward(&dual, 1);
    }
    for (uint32_t i = 0; i < behind; i++) {
        dual_backward(&dual, 1, true);
        dual_weights(&dual);
        dual_forward(&dual, 1);
    }
    for (uint32_t i = 0; i < each + depth - pipeline->stages; i++) {
        dual_pair(&dual, 0);
        dual_pair(&dual, 1);
    }
    drain_dualpipe(&dual, depth, behind);
}

/* ------------------------------------------------------------------ public */

FabPass *
fab_schedule_stage(const FabPipeline *pipeline, uint32_t stage, uint32_t *count)
{
    uint32_t kinds = pipeline->schedule == FAB_SCHEDULE_ZB_H1 || pipeline->schedule == FAB_SCHEDULE_DUALPIPE ? 3 : 2;
    List list = { .passes = g_new(FabPass, (gsize)kinds * pipeline->micros * pipeline->chunks) };

    if (pipeline->schedule == FAB_SCHEDULE_GPIPE)
        list_gpipe(pipeline, &list);
    else if (pipeline->schedule == FAB_SCHEDULE_ZB_H1)
        list_zb_h1(pipeline, stage, &list);
    else if (pipeline->schedule == FAB_SCHEDULE_DUALPIPE)
        list_dualpipe(pipeline, stage, &list);
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
    bool split = pipeline->schedule == FAB_SCHEDULE_ZB_H1 || pipeline->schedule == FAB_SCHEDULE_DUALPIPE;
    FabPassKind release = split ? FAB_PASS_WEIGHT : FAB_PASS_BACKWARD;

    if (pipeline->schedule == FAB_SCHEDULE_GPIPE)
        return pipeline->micros;
    /* Once the pipeline is full nothing new comes: three times as many micro-batches as stages show all of it. */
    few.micros = MIN(pipeline->micros, 3 * pipeline->stages);
    passes = fab_schedule_stage(&few, stage, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (passes[i].kind == FAB_PASS_FORWARD)
            held++;
        else if (passes[i].kind == release || passes[i].kind == FAB_PASS_WHOLE)
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
    GArray *fused;      /* Fused */
} Build;

/* The tasks of a group's pass, from `first`, which begin only when the pass that they are fused with can, too. */
typedef struct {
    uint32_t first;
    FabPass with;
} Fused;

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
           : pass->kind == FAB_PASS_WHOLE    ? times->backward_ps + times->weight_ps
                                             : times->weight_ps;
}

/* Where a chunk lies in the model; DualPipe's second chunks go the other way. */
static uint32_t
place_of(const FabPipeline *pipeline, uint32_t stage, uint32_t chunk)
{
    if (pipeline->schedule == FAB_SCHEDULE_DUALPIPE)
        return chunk == 0 ? stage : pipeline->stages - 1 - stage;
    return chunk * pipeline->stages + stage;
}

static uint32_t
last_place(const FabPipeline *pipeline)
{
    return pipeline->schedule == FAB_SCHEDULE_DUALPIPE ? pipeline->stages - 1
                                                       : pipeline->chunks * pipeline->stages - 1;
}

/* Passes of inputs, whether with those of weights or not, are one kind to whom waits for them. */
static uint32_t
side_of(FabPassKind kind)
{
    return kind == FAB_PASS_FORWARD ? 0 : 1;
}

/* Whether another stage waits for what a pass leaves behind. */
static bool
leaves_stage(const FabPipeline *pipeline, const FabPass *pass, uint32_t stage)
{
    uint32_t position = place_of(pipeline, stage, pass->chunk), last = last_place(pipeline);

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

/* What waits for a pass waits for the task `done`, or for the message behind it. */
static void
deliver(Build *build, uint32_t stage, uint32_t group, const FabPass *pass, uint32_t done)
{
    const FabPipelineSpec *spec = build->spec;
    uint32_t all = spec->pipeline.stages * build->ranks, side = side_of(pass->kind);
    bool remote = spec->hop_ps > 0 && leaves_stage(&spec->pipeline, pass, stage);

    for (uint32_t r = 0; r < build->group && pass->kind != FAB_PASS_WEIGHT; r++) {
        uint32_t rank = group * build->group + r, sent = done;
        gsize cell = at(build, stage, rank, pass->chunk, pass->micro);
        if (remote) {
            sent = fab_graph_add(build->graph, all * (1 + side) + stage * build->ranks + rank, spec->hop_ps,
                                 FAB_PASS_TAG(pass->kind, pass->chunk, pass->micro));
            fab_graph_after(build->graph, sent, done);
        }
        build->pass[side][cell] = done;
        build->sent[side][cell] = sent;
    }
}

static void
add_group(Build *build, uint32_t stage, uint32_t group, const FabPass *passes, uint32_t count)
{
    uint32_t joined = UINT32_MAX;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = fab_graph_count(build->graph);
        joined = add_group_pass(build, stage, group, &passes[i], build->group > 1 ? joined : UINT32_MAX);
        if (passes[i].fused) {
            Fused fused = { first, passes[i + 1] };
            g_array_append_val(build->fused, fused);
            continue;
        }
        if (i > 0 && passes[i - 1].fused)
            deliver(build, stage, group, &passes[i - 1], joined);
        deliver(build, stage, group, &passes[i], joined);
    }
}

/* Where the input of a forward pass, or the gradient of a backward pass, comes from; false: from nowhere else. */
static bool
source_of(const FabPipeline *pipeline, FabPassKind kind, uint32_t stage, uint32_t chunk, uint32_t *from_stage,
          uint32_t *from_chunk)
{
    uint32_t position = place_of(pipeline, stage, chunk), last = last_place(pipeline);

    if (position == (kind == FAB_PASS_FORWARD ? 0 : last))
        return false;
    position = kind == FAB_PASS_FORWARD ? position - 1 : position + 1;
    if (pipeline->schedule == FAB_SCHEDULE_DUALPIPE) {
        *from_stage = chunk == 0 ? position : pipeline->stages - 1 - position;
        *from_chunk = chunk;
        return true;
    }
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
        uint32_t *from = from_stage == stage ? build->pass[side_of(pass->kind)] : build->sent[side_of(pass->kind)];
        fab_graph_after(build->graph, task, from[at(build, from_stage, rank, from_chunk, pass->micro)]);
    }
    if (pass->kind != FAB_PASS_FORWARD)
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
    g_autoptr(GArray) fused = g_array_new(FALSE, FALSE, sizeof(Fused));
    Build build = { .spec = spec, .graph = graph, .ranks = ranks, .group = group, .pass = { memory, memory + cells },
                    .sent = { memory + 2 * cells, memory + 3 * cells }, .fused = fused };

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
    for (guint i = 0; i < fused->len; i++) {
        const Fused *one = &g_array_index(fused, Fused, i);
        for (uint32_t task = one->first; task < one->first + group; task++) {
            uint32_t stream = fab_graph_task(graph, task)->stream;
            join_pass(&build, task, &one->with, stream / ranks, stream % ranks);
        }
    }
    if (spec->length != NULL)
        fab_graph_set_length(graph, spec->length, spec->user);
    return fab_graph_run(graph, error) ? g_steal_pointer(&graph) : NULL;
}
