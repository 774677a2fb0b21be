#include "predict/step-trace.h"

#include <math.h>

#include "base/error.h"
#include "predict/group-time.h"
#include "predict/step-trace-private.h"
#include "scenario/placement.h"
#include "topology/machine.h"
#include "workload/memory.h"
#include "workload/parameters.h"

/* Of all ranks together; their files take some 100 bytes for each. */
#define MOST_NODES 8e6
/* Nodes of a layer's pass, at most, without context parallelism. */
#define LAYER_NODES 14
#define BUCKET_BYTES 25e6 /* PyTorch DDP's default, as in training-step.c */

/* ------------------------------------------------------------------ passes */

static bool
is_backward(FabPassKind kind)
{
    return kind == FAB_PASS_BACKWARD || kind == FAB_PASS_WHOLE;
}

/* Whether weights have passes of their own, which backward ones leave out. */
static bool
is_split(const FabStepWriter *writer, FabPassKind kind)
{
    FabSchedule schedule = writer->training->schedule;

    return kind == FAB_PASS_BACKWARD && (schedule == FAB_SCHEDULE_ZB_H1 || schedule == FAB_SCHEDULE_DUALPIPE);
}

/* Whether weights' gradients come with the inputs' is nothing to who waits for the latter. */
static uint32_t
hop_tag(const FabStepWriter *writer, const FabPass *pass, uint32_t chunk, bool shown)
{
    uint32_t kind = (is_backward(pass->kind) ? 1 : 0) * writer->training->chunks + chunk;

    return 1 + ((kind * writer->trace->step->micros + pass->micro) << 1 | (shown ? 1 : 0));
}

/* The rank at the same place of another stage. */
static uint32_t
rank_at(const FabStepWriter *writer, uint32_t stage)
{
    return writer->rank + (stage - writer->stage) * fab_placement_stride(writer->training, FAB_AXIS_PP);
}

/* Moves to the chunk before (forward) or behind it (backward); false: there is none. */
static bool
neighbour(const FabStepWriter *writer, const FabPass *pass, bool sends, uint32_t *stage, uint32_t *chunk)
{
    uint32_t stages = writer->training->pp, last = fab_training_positions(writer->training) - 1;
    uint32_t position = fab_training_position(writer->training, writer->stage, pass->chunk);
    bool up = (pass->kind == FAB_PASS_FORWARD) == sends;

    if (stages == 1 || pass->kind == FAB_PASS_WEIGHT || position == (up ? last : 0))
        return false;
    position = up ? position + 1 : position - 1;
    if (writer->training->schedule == FAB_SCHEDULE_DUALPIPE) {
        *stage = pass->chunk == 0 ? position : last - position;
        *chunk = pass->chunk;
        return true;
    }
    *stage = position % stages;
    *chunk = position / stages;
    return true;
}

/* What a stack hides of a message only delays the next stage; the rest keeps that stage from computing. */
static void
receive(FabStepWriter *writer, const FabPass *pass)
{
    double bytes = writer->trace->pieces.payload / writer->training->tp;
    double shown = writer->trace->rates.stack->hop_exposed;
    g_autoptr(GArray) nothing = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    FabStepAxis tensor = fab_step_axis_tensor(writer->training, writer->rank);
    uint32_t stage, chunk;
    uint64_t id;

    if (!neighbour(writer, pass, false, &stage, &chunk))
        return;
    fab_step_compute(writer, "host", writer->trace->rates.stack->host_hop_s);
    if (shown < 1) {
        id = fab_step_message(writer, false, rank_at(writer, stage), hop_tag(writer, pass, pass->chunk, false),
                              bytes * (1 - shown), nothing);
        g_array_append_val(writer->tails, id);
    }
    if (shown > 0) {
        id = fab_step_message(writer, false, rank_at(writer, stage), hop_tag(writer, pass, pass->chunk, true),
                              bytes * shown, writer->tails);
        fab_step_follow(writer, id);
    }
    if (!writer->training->sequence_parallel)
        fab_step_call_shown(writer, FAB_ALL_GATHER, &tensor, writer->trace->pieces.payload, 1);
}

/* The sender goes on at once. */
static void
send(FabStepWriter *writer, const FabPass *pass)
{
    double bytes = writer->trace->pieces.payload / writer->training->tp;
    double shown = writer->trace->rates.stack->hop_exposed;
    g_autoptr(GArray) waits = g_array_copy(writer->tails);
    uint32_t stage, chunk;

    if (!neighbour(writer, pass, true, &stage, &chunk))
        return;
    if (shown < 1) {
        uint64_t id = fab_step_message(writer, true, rank_at(writer, stage), hop_tag(writer, pass, chunk, false),
                                       bytes * (1 - shown), waits);
        g_array_set_size(waits, 0);
        g_array_append_val(waits, id);
    }
    if (shown > 0)
        fab_step_message(writer, true, rank_at(writer, stage), hop_tag(writer, pass, chunk, true), bytes * shown,
                         waits);
    fab_step_compute(writer, "host", writer->trace->rates.stack->host_hop_s);
}

/* The layers of a pass, without the messages before and behind it. */
static void
do_layers(FabStepWriter *writer, const FabPass *pass)
{
    const FabTraining *training = writer->training;
    const FabPassPieces *pieces = &writer->trace->pieces;
    uint32_t first, count = fab_training_layers(training, writer->model, writer->stage, pass->chunk, &first);
    uint32_t position = fab_training_position(training, writer->stage, pass->chunk);
    bool backward = is_backward(pass->kind), split = is_split(writer, pass->kind);
    bool end = position == fab_training_positions(training) - 1;
    double weights = 0;

    writer->expert_shown = writer->trace->expert_shown[writer->stage * training->chunks + pass->chunk];
    for (uint32_t k = 0; k < count && !writer->failed; k++) {
        bool experts = fab_layer_has_experts(writer->model, backward ? first + count - 1 - k : first + k);
        double own = experts ? pieces->routed.weights : pieces->dense.weights;
        weights += own;
        if (backward && k == 0 && end)
            fab_step_logits(writer, true, split ? pieces->logits.weights : 0);
        if (pass->kind != FAB_PASS_WEIGHT)
            fab_step_layer(writer, &(FabStepLayer) { experts, backward, split ? own : 0 });
    }
    if (pass->kind == FAB_PASS_FORWARD && end)
        fab_step_logits(writer, false, 0);
    if (pass->kind == FAB_PASS_WEIGHT)
        fab_step_compute(writer, "weights", weights + (end ? pieces->logits.weights : 0));
}

/* So many of the list, from this one on; those that are done in turn begin when both can, and end together. */
static uint32_t
do_pass(FabStepWriter *writer, const FabPass *passes)
{
    uint32_t count = passes[0].fused ? 2 : 1;

    for (uint32_t i = 0; i < count; i++)
        receive(writer, &passes[i]);
    for (uint32_t i = 0; i < count; i++)
        do_layers(writer, &passes[i]);
    for (uint32_t i = 0; i < count; i++)
        send(writer, &passes[i]);
    return count;
}

/* ------------------------------------------------------------------ replicas */

/* Parameters or gradients of a rank among its replicas: bytes of the shared ones and of experts. */
typedef struct {
    FabCollective collective;
    double bytes[2];
    double last; /* share that nothing hides */
} Exchange;

/* The share of an exchange after what is waited for now. Their nodes go to `ids`. */
static void
exchange(FabStepWriter *writer, const Exchange *what, double share, GArray *ids)
{
    for (int i = 0; i < 2; i++) {
        FabStepAxis axis = fab_step_axis_replica(writer->training, writer->rank, i == 1);
        uint64_t id;
        if (fab_step_call(writer, what->collective, &axis, what->bytes[i] * share, &id))
            g_array_append_val(ids, id);
    }
}

/* The same beside kernels, which it slows down. */
static void
exchange_beside(FabStepWriter *writer, const Exchange *what, double share, GArray *ids)
{
    double seconds = 0;

    exchange(writer, what, share, ids);
    for (int i = 0; i < 2; i++) {
        FabStepAxis axis = fab_step_axis_replica(writer->training, writer->rank, i == 1);
        FabGroupTimes *times = writer->trace->times;
        if (what->bytes[i] > 0 && axis.group.size > 1)
            seconds += fmax(fab_group_seconds(times, what->collective, axis.group, what->bytes[i], NULL), 0);
    }
    fab_step_compute(writer, "slowdown", seconds * share * writer->trace->rates.stack->overlap_slowdown);
}

static void
exchange_all(FabStepWriter *writer, const Exchange *what, double share)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    exchange(writer, what, share, ids);
    if (ids->len > 0) {
        g_array_set_size(writer->tails, 0);
        g_array_append_vals(writer->tails, ids->data, ids->len);
    }
}

static bool
plan_exchange(const FabStepWriter *writer, Exchange *gather, Exchange *reduce)
{
    const FabTraining *training = writer->training;
    bool wide = training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32;
    double width = wide ? 4 : training->gradient_bytes, bytes, last;
    FabGroup group = fab_step_axis_replica(training, 0, false).group;
    uint64_t shared, experts;

    if (group.size == 1 || training->zero == 3 || training->frozen)
        return false;
    fab_memory_parameters(training, writer->model, writer->stage, &shared, &experts);
    bytes = ((double)shared + (double)experts) * width;
    last = training->pp > 1 ? 1.0 / training->chunks : fmin(1, BUCKET_BYTES / fmax(bytes, 1));
    if (!training->overlap || fab_group_is_staged(writer->trace->times, group))
        last = 1;
    *reduce = (Exchange) { training->zero == 0 ? FAB_ALL_REDUCE : FAB_REDUCE_SCATTER,
                           { (double)shared * width, (double)experts * width }, last };
    width = fmin(width, 2); /* parameters are gathered in 16 bit */
    *gather = (Exchange) { FAB_ALL_GATHER, { (double)shared * width, (double)experts * width }, last };
    return true;
}

/* Passes of the last micro-batch's gradients, counted from the end, which the exchange goes on beside. */
static bool
begins_reduce(const FabPass *passes, uint32_t count, uint32_t at, uint32_t chunks)
{
    uint32_t behind = 0;

    for (uint32_t i = at; i < count; i++)
        behind += is_backward(passes[i].kind);
    return is_backward(passes[at].kind) && behind == chunks;
}

static void
do_passes(FabStepWriter *writer, const FabPass *passes, uint32_t count)
{
    const FabTraining *training = writer->training;
    Exchange gather, reduce;
    bool replicas = plan_exchange(writer, &gather, &reduce), closed = false;
    g_autoptr(GArray) gathered = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_autoptr(GArray) reduced = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint32_t forward = 0, done;

    if (replicas && training->zero > 0) {
        exchange_all(writer, &gather, gather.last);
        exchange_beside(writer, &gather, 1 - gather.last, gathered);
    }
    for (uint32_t i = 0; i < count && !writer->failed; i += done) {
        bool backward = passes[i].fused || is_backward(passes[i].kind);
        g_autoptr(GArray) beside = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        if (replicas && begins_reduce(passes, count, i, training->chunks)) {
            exchange_beside(writer, &reduce, 1 - reduce.last, reduced);
            closed = true;
        } else if (replicas && backward && training->zero == 2 && training->overlap && !closed) {
            exchange_beside(writer, &reduce, 1, beside);
        }
        done = do_pass(writer, &passes[i]);
        g_array_append_vals(writer->tails, beside->data, beside->len);
        for (uint32_t k = i; k < i + done; k++)
            forward += passes[k].kind == FAB_PASS_FORWARD;
        if (forward >= training->chunks && gathered->len > 0) {
            g_array_append_vals(writer->tails, gathered->data, gathered->len);
            g_array_set_size(gathered, 0);
        }
    }
    g_array_append_vals(writer->tails, reduced->data, reduced->len);
    if (replicas)
        exchange_all(writer, &reduce, reduce.last);
}

/* ------------------------------------------------------------------ public */

void
fab_step_trace_free(FabStepTrace *trace)
{
    if (trace == NULL)
        return;
    fab_training_step_free(trace->step);
    fab_group_times_free(trace->times);
    fab_topology_free(trace->built);
    g_free(trace->expert_shown);
    g_free(trace);
}

static bool
check_size(const FabStepTrace *trace, const char *where, GError **error)
{
    const FabTraining *training = trace->step->footprint->training;
    double layers = trace->step->footprint->model->layers / (double)training->pp + 2;
    double each = LAYER_NODES + (training->cp > 1 ? 6.0 * training->cp : 0);
    double nodes = 3.0 * training->gpus * trace->step->micros * layers * each;

    if (nodes <= MOST_NODES)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: %u ranks x %u micro-batches x %.0f layers may be %.0f nodes, %.0f are the most; fewer layers or "
                "micro-batches say the same", where, training->gpus, trace->step->micros, layers, nodes, MOST_NODES);
    return false;
}

/* DualPipe's passes hide exchanges among experts behind each other's kernels. */
static bool
find_shown(FabStepTrace *trace, const FabPassSpec *spec, GError **error)
{
    const FabTraining *training = spec->training;
    g_autofree FabPassParts *passes = g_new0(FabPassParts, training->pp * training->chunks);
    double hop_s;

    if (!fab_pass_times(spec, passes, &hop_s, error))
        return false;
    trace->expert_shown = g_new(double, training->pp * training->chunks);
    for (uint32_t cell = 0; cell < training->pp * training->chunks; cell++) {
        uint32_t first, with = 0;
        uint32_t count = fab_training_layers(training, spec->model, cell / training->chunks, cell % training->chunks,
                                             &first);
        double all;
        for (uint32_t i = first; i < first + count; i++)
            with += fab_layer_has_experts(spec->model, i);
        all = with * trace->pieces.routed.forward[FAB_TIME_EXPERT];
        trace->expert_shown[cell] = all > 0 ? fmin(passes[cell].forward[FAB_TIME_EXPERT] / all, 1) : 1;
    }
    return true;
}

FabStepTrace *
fab_step_trace_new(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autoptr(FabStepTrace) trace = g_new0(FabStepTrace, 1);
    FabPassSpec spec = { .rates = &trace->rates };

    if (scenario->kind != FAB_SCENARIO_TRAINING) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no [training], a trace is of a training step",
                    scenario->path);
        return NULL;
    }
    if (topology == NULL) {
        trace->built = fab_machine_load(scenario->topology, scenario->overrides, error);
        topology = trace->built;
    }
    if (topology == NULL)
        return NULL;
    trace->times = fab_group_times_new(topology, scenario->training->nic_rate);
    trace->step = fab_training_step_new(scenario, topology, trace->times, error);
    if (trace->step == NULL || !check_size(trace, scenario->path, error))
        return NULL;
    spec.training = trace->step->footprint->training;
    spec.model = trace->step->footprint->model;
    spec.times = trace->times;
    if (!fab_training_rates(spec.training, topology, scenario->path, &trace->rates, error) ||
        !fab_pass_pieces(&spec, &trace->pieces, error) || !find_shown(trace, &spec, error))
        return NULL;
    return g_steal_pointer(&trace);
}

const FabTrainingStep *
fab_step_trace_step(const FabStepTrace *trace)
{
    return trace->step;
}

uint32_t
fab_step_trace_ranks(const FabStepTrace *trace)
{
    return trace->step->footprint->training->gpus;
}

FabTraceRank *
fab_step_trace_rank(const FabStepTrace *trace, uint32_t rank, GError **error)
{
    const FabTraining *training = trace->step->footprint->training;
    uint32_t count;
    g_autofree char *path = g_strdup_printf("rank %u", rank);
    g_autoptr(FabTraceRank) out = fab_trace_rank_new(path);
    FabPipeline pipeline = { training->schedule, training->pp, training->chunks, trace->step->micros };
    g_autoptr(GArray) tails = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    FabStepWriter writer = { .trace = trace, .training = training, .model = trace->step->footprint->model, .out = out,
                      .tails = tails, .rank = rank,
                      .stage = fab_placement_of(training, rank, FAB_AXIS_PP), .error = error };
    g_autofree FabPass *passes = fab_schedule_stage(&pipeline, writer.stage, &count);

    out->scenario = g_string_chunk_insert(out->texts, trace->step->footprint->name);
    out->model = writer.model->title != NULL ? g_string_chunk_insert(out->texts, writer.model->title) : NULL;
    do_passes(&writer, passes, count);
    fab_step_compute(&writer, "optimiser", trace->step->parts[FAB_TIME_OPTIMISER]);
    fab_step_compute(&writer, "replicas wait for the slowest", trace->step->parts[FAB_TIME_SCALE]);
    return writer.failed ? NULL : g_steal_pointer(&out);
}

FabTraceRun *
fab_step_trace_replay(const FabStepTrace *trace, const FabTopology *topology, GError **error)
{
    FabTraceWish wish = { .files = trace->step->footprint->name,
                          .precision = trace->step->footprint->training->precision };
    g_autoptr(FabTrace) ranks = fab_trace_new();

    for (uint32_t r = 0; r < fab_step_trace_ranks(trace); r++) {
        FabTraceRank *rank = fab_step_trace_rank(trace, r, error);
        if (rank == NULL)
            return NULL;
        g_ptr_array_add(ranks->ranks, rank);
        if (!fab_trace_resolve(rank, error))
            return NULL;
    }
    return fab_trace_run(ranks, &wish, topology, NULL, error);
}
