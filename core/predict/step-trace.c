#include "predict/step-trace.h"

#include <math.h>

#include "base/error.h"
#include "base/units.h"
#include "predict/group-time.h"
#include "predict/pass-time.h"
#include "predict/step-axis.h"
#include "topology/machine.h"
#include "workload/memory.h"
#include "workload/parameters.h"
#include "workload/skew.h"

/* Of all ranks together; their files take some 100 bytes for each. */
#define MOST_NODES 8e6
/* Nodes of a layer's pass, at most, without context parallelism. */
#define LAYER_NODES 14
#define BUCKET_BYTES 25e6 /* PyTorch DDP's default, as in training-step.c */

struct FabStepTrace {
    FabTopology *built;
    FabGroupTimes *times;
    FabTrainingStep *step;
    FabGpuRates rates;
    FabPassPieces pieces;
};

/* One rank's trace while it is written. */
typedef struct {
    const FabStepTrace *trace;
    const FabTraining *training;
    const FabModel *model;
    FabTraceRank *out;
    GArray *tails;      /* uint64_t: what the next node waits for */
    uint32_t rank, t, q, stage; /* its place: tensor, context x replica, stage */
    uint64_t next;      /* id */
    GError **error;
    bool failed;
} Writer;

/* ------------------------------------------------------------------ nodes */

static uint64_t
put(Writer *writer, FabTraceNode *node, const GArray *waits)
{
    node->id = writer->next++;
    writer->failed = writer->failed || !fab_trace_add(writer->out, node, writer->error);
    for (guint i = 0; i < waits->len && !writer->failed; i++)
        writer->failed = !fab_trace_wait(writer->out, g_array_index(waits, uint64_t, i), writer->error);
    return node->id;
}

/* From now on nodes wait for this one only. */
static void
follow(Writer *writer, uint64_t id)
{
    g_array_set_size(writer->tails, 0);
    g_array_append_val(writer->tails, id);
}

static void
compute(Writer *writer, const char *name, double seconds)
{
    FabTraceNode node = { .name = name, .kind = FAB_TRACE_COMPUTE,
                          .duration_ps = fab_ps_from_seconds(fmax(seconds, 0)) };

    if (node.duration_ps > 0)
        follow(writer, put(writer, &node, writer->tails));
}

/* The bytes of a rank's input, of those that nccl-tests counts. */
static uint64_t
input_bytes(FabCollective collective, double bytes, uint32_t ranks)
{
    return (uint64_t)fmax(ceil(collective == FAB_ALL_GATHER ? bytes / ranks : bytes), 1);
}

/* Waits for the tails; *id is the node's. False: the group is of one, there is none. */
static bool
call(Writer *writer, FabCollective collective, const FabStepAxis *axis, double bytes, uint64_t *id)
{
    g_autofree char *group = g_strdup_printf("%s %u", axis->axis, axis->first);
    FabTraceNode node = { .name = fab_collective_names[collective], .kind = FAB_TRACE_COLLECTIVE, .group = group,
                          .collective = collective, .message = input_bytes(collective, bytes, axis->group.size) };

    if (axis->group.size < 2 || bytes <= 0)
        return false;
    *id = put(writer, &node, writer->tails);
    return true;
}

/*
 * The share `shown` holds the next node up. The rest follows and goes on beside it, in a group of its own: what cuts a
 * product into pieces to hide their transfers does not wait for it.
 */
static void
call_shown(Writer *writer, FabCollective collective, const FabStepAxis *axis, double bytes, double shown)
{
    uint64_t id, hidden;
    bool some = call(writer, collective, axis, bytes * shown, &id);

    if (some)
        follow(writer, id);
    call(writer, collective, &(FabStepAxis) { "beside", axis->group, axis->first }, bytes * (1 - shown), &hidden);
}

static uint64_t
message(Writer *writer, bool send, uint32_t peer, uint32_t tag, double bytes, const GArray *waits)
{
    FabTraceNode node = { .name = send ? "send" : "receive", .kind = send ? FAB_TRACE_SEND : FAB_TRACE_RECEIVE,
                          .peer = peer, .tag = tag, .message = (uint64_t)fmax(ceil(bytes), 1) };

    return put(writer, &node, waits);
}

/* ------------------------------------------------------------------ layers */

static double
kernels(const double parts[FAB_TIME_PARTS])
{
    double sum = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        if (i != FAB_TIME_TENSOR && i != FAB_TIME_EXPERT && i != FAB_TIME_CONTEXT && i != FAB_TIME_SHARD)
            sum += parts[i];
    }
    return sum;
}

static double
shown_share(const Writer *writer)
{
    double pieces = writer->trace->rates.stack->tp_pieces;

    return pieces > 0 && writer->training->sequence_parallel ? fmin(1, pieces / writer->training->tp) : 1;
}

/* Half of a layer: its kernels between the collectives of its tensor-parallel ranks. */
static void
block(Writer *writer, double seconds, double factor, bool backward, bool experts)
{
    const FabTraining *training = writer->training;
    const FabPassPieces *pieces = &writer->trace->pieces;
    FabStepAxis tensor = fab_step_axis_tensor(writer->training, writer->rank);
    FabStepAxis expert = fab_step_axis_expert(writer->training, writer->rank);
    double bytes = pieces->payload * factor, shown = shown_share(writer);
    double routed = pieces->payload * writer->model->experts_per_token / training->tp *
                    fab_expert_skew(training, writer->model);

    if (training->sequence_parallel)
        call_shown(writer, FAB_ALL_GATHER, &tensor, bytes, shown);
    if (experts)
        call_shown(writer, FAB_ALL_TO_ALL, &expert, routed, 1);
    compute(writer, backward ? "backward" : "forward", seconds);
    if (experts)
        call_shown(writer, FAB_ALL_TO_ALL, &expert, routed, 1);
    if (training->sequence_parallel && backward)
        call_shown(writer, FAB_ALL_GATHER, &tensor, bytes, shown);
    call_shown(writer, training->sequence_parallel ? FAB_REDUCE_SCATTER : FAB_ALL_REDUCE, &tensor, bytes, shown);
}

/* Keys and values go round while attention works on those at hand; what is left of the layer follows. */
static double
ring(Writer *writer, double seconds, double attention, uint32_t rounds, uint32_t tag)
{
    const FabTraining *training = writer->training;
    const FabModel *model = writer->model;
    uint32_t cp = training->cp, place = writer->q % cp, base = writer->rank - place * training->tp;
    uint32_t to = base + (place + 1) % cp * training->tp, from = base + (place + cp - 1) % cp * training->tp;
    double heads = model->kv_rank > 0 ? model->heads / (double)training->tp
                                      : fmax(model->kv_heads / (double)training->tp, 1);
    double bytes = writer->trace->pieces.tokens * 2 * heads * model->head_dim * writer->trace->pieces.width;
    double beside = fmin(attention * (cp - 1) / cp, seconds);
    g_autoptr(GArray) waits = g_array_copy(writer->tails);

    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t sent = message(writer, true, to, tag, bytes, waits);
        uint64_t received = message(writer, false, from, tag, bytes, waits);
        g_array_set_size(waits, 0);
        g_array_append_val(waits, sent);
        g_array_append_val(waits, received);
    }
    compute(writer, "attention", beside);
    g_array_append_vals(writer->tails, waits->data, waits->len);
    return seconds - beside;
}

/* ZeRO 3: gathers and scatters go on beside the pass, which they slow down; where nothing overlaps, before it. */
static double
shards(Writer *writer, double parameters, bool backward, GArray *beside)
{
    const FabTraining *training = writer->training;
    const FabPassPieces *pieces = &writer->trace->pieces;
    FabStepAxis axis = fab_step_axis_replica(training, writer->rank, false);
    double gather = parameters * pieces->width;
    double scatter = parameters * fmax(training->gradient_bytes, pieces->width / 2), seconds = 0;
    uint64_t id;

    if (training->zero != 3)
        return 0;
    for (int i = 0; i < (backward && !training->frozen ? 2 : 1) && !writer->failed; i++) {
        FabCollective collective = i == 0 ? FAB_ALL_GATHER : FAB_REDUCE_SCATTER;
        double bytes = i == 0 ? gather : scatter;
        seconds += fmax(fab_group_seconds(writer->trace->times, collective, axis.group, bytes, NULL), 0);
        if (!call(writer, collective, &axis, bytes, &id))
            continue;
        if (training->overlap)
            g_array_append_val(beside, id);
        else
            follow(writer, id);
    }
    return training->overlap ? seconds * writer->trace->rates.stack->overlap_slowdown : 0;
}

typedef struct {
    bool experts, backward;
    double weights;  /* seconds of a backward pass that a pass of its own does */
    uint32_t tag;
} LayerPass;

static void
layer(Writer *writer, const LayerPass *pass)
{
    const FabPassPieces *pieces = &writer->trace->pieces;
    const FabTraining *training = writer->training;
    const FabPassParts *parts = pass->experts ? &pieces->routed : &pieces->dense;
    FabLayerTimes times = fab_layer_times(&writer->trace->rates, training, writer->model, pass->experts);
    bool again = pass->backward && training->recompute == FAB_RECOMPUTE_FULL;
    double seconds = kernels(pass->backward ? parts->backward : parts->forward) - pass->weights;
    double factor = pass->experts ? writer->model->experts_per_token : 1, first = 0;
    g_autoptr(GArray) beside = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    seconds += shards(writer, pass->experts ? pieces->routed_parameters : pieces->dense_parameters, pass->backward,
                      beside);
    if (again) {
        first = fmin(kernels(parts->forward), seconds);
        if (training->cp > 1)
            first = ring(writer, first, times.forward.attention, training->cp - 1, pass->tag);
        block(writer, first / 2, 1, false, false);
        block(writer, first / 2, factor, false, pass->experts);
        seconds -= fmin(kernels(parts->forward), seconds);
    }
    if (training->cp > 1)
        seconds = ring(writer, seconds, pass->backward ? times.backward.attention : times.forward.attention,
                       (pass->backward ? 2 : 1) * (training->cp - 1), pass->tag);
    block(writer, seconds / 2, 1, pass->backward, false);
    block(writer, seconds / 2, factor, pass->backward, pass->experts);
    g_array_append_vals(writer->tails, beside->data, beside->len);
}

static void
logits(Writer *writer, bool backward, double weights)
{
    const FabPassPieces *pieces = &writer->trace->pieces;
    bool cut = writer->training->sequence_parallel;
    FabStepAxis tensor = fab_step_axis_tensor(writer->training, writer->rank);
    g_autoptr(GArray) beside = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    double slower = shards(writer, pieces->logits_parameters, backward, beside);

    if (!backward && cut)
        call_shown(writer, FAB_ALL_GATHER, &tensor, pieces->payload, 1);
    compute(writer, backward ? "logits backward" : "logits", slower - weights +
            kernels(backward ? pieces->logits.backward : pieces->logits.forward));
    if (backward)
        call_shown(writer, cut ? FAB_REDUCE_SCATTER : FAB_ALL_REDUCE, &tensor, pieces->payload, 1);
    g_array_append_vals(writer->tails, beside->data, beside->len);
}

/* ------------------------------------------------------------------ passes */

/* Messages between stages have tags of their own; those round the ring of a layer 0. */
static uint32_t
hop_tag(const Writer *writer, const FabPass *pass, uint32_t chunk, bool shown)
{
    uint32_t kind = (uint32_t)pass->kind * writer->training->chunks + chunk;

    return 1 + ((kind * writer->trace->step->micros + pass->micro) << 1 | (shown ? 1 : 0));
}

/* The rank at the same place of another stage. */
static uint32_t
rank_at(const Writer *writer, uint32_t stage)
{
    return writer->rank + (stage - writer->stage) * writer->training->tp * writer->training->cp * writer->training->dp;
}

/* Moves to the chunk before (forward) or behind it (backward); false: there is none. */
static bool
neighbour(const Writer *writer, const FabPass *pass, bool sends, uint32_t *stage, uint32_t *chunk)
{
    uint32_t stages = writer->training->pp, position = pass->chunk * stages + writer->stage;
    uint32_t last = stages * writer->training->chunks - 1;
    bool up = (pass->kind == FAB_PASS_FORWARD) == sends;

    if (stages == 1 || pass->kind == FAB_PASS_WEIGHT || position == (up ? last : 0))
        return false;
    position = up ? position + 1 : position - 1;
    *stage = position % stages;
    *chunk = position / stages;
    return true;
}

/* What a stack hides of a message only delays the next stage; the rest keeps that stage from computing. */
static void
receive(Writer *writer, const FabPass *pass)
{
    double bytes = writer->trace->pieces.payload / writer->training->tp;
    double shown = writer->trace->rates.stack->hop_exposed;
    g_autoptr(GArray) nothing = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    FabStepAxis tensor = fab_step_axis_tensor(writer->training, writer->rank);
    uint32_t stage, chunk;
    uint64_t id;

    if (!neighbour(writer, pass, false, &stage, &chunk))
        return;
    compute(writer, "host", writer->trace->rates.stack->host_hop_s);
    if (shown < 1) {
        id = message(writer, false, rank_at(writer, stage), hop_tag(writer, pass, pass->chunk, false),
                     bytes * (1 - shown), nothing);
        g_array_append_val(writer->tails, id);
    }
    if (shown > 0) {
        id = message(writer, false, rank_at(writer, stage), hop_tag(writer, pass, pass->chunk, true), bytes * shown,
                     writer->tails);
        follow(writer, id);
    }
    if (!writer->training->sequence_parallel)
        call_shown(writer, FAB_ALL_GATHER, &tensor, writer->trace->pieces.payload, 1);
}

/* The sender goes on at once. */
static void
send(Writer *writer, const FabPass *pass)
{
    double bytes = writer->trace->pieces.payload / writer->training->tp;
    double shown = writer->trace->rates.stack->hop_exposed;
    g_autoptr(GArray) waits = g_array_copy(writer->tails);
    uint32_t stage, chunk;

    if (!neighbour(writer, pass, true, &stage, &chunk))
        return;
    if (shown < 1) {
        uint64_t id = message(writer, true, rank_at(writer, stage), hop_tag(writer, pass, chunk, false),
                              bytes * (1 - shown), waits);
        g_array_set_size(waits, 0);
        g_array_append_val(waits, id);
    }
    if (shown > 0)
        message(writer, true, rank_at(writer, stage), hop_tag(writer, pass, chunk, true), bytes * shown, waits);
    compute(writer, "host", writer->trace->rates.stack->host_hop_s);
}

static void
do_pass(Writer *writer, const FabPass *pass)
{
    const FabTraining *training = writer->training;
    const FabPassPieces *pieces = &writer->trace->pieces;
    uint32_t first, count = fab_training_layers(training, writer->model, writer->stage, pass->chunk, &first);
    bool backward = pass->kind == FAB_PASS_BACKWARD, split = training->schedule == FAB_SCHEDULE_ZB_H1 && backward;
    bool end = pass->chunk * training->pp + writer->stage == training->pp * training->chunks - 1;
    double weights = 0;

    receive(writer, pass);
    for (uint32_t k = 0; k < count && !writer->failed; k++) {
        bool experts = fab_layer_has_experts(writer->model, backward ? first + count - 1 - k : first + k);
        double own = experts ? pieces->routed.weights : pieces->dense.weights;
        weights += own;
        if (backward && k == 0 && end)
            logits(writer, true, split ? pieces->logits.weights : 0);
        if (pass->kind != FAB_PASS_WEIGHT)
            layer(writer, &(LayerPass) { experts, backward, split ? own : 0, 0 });
    }
    if (pass->kind == FAB_PASS_FORWARD && end)
        logits(writer, false, 0);
    if (pass->kind == FAB_PASS_WEIGHT)
        compute(writer, "weights", weights + (end ? pieces->logits.weights : 0));
    send(writer, pass);
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
exchange(Writer *writer, const Exchange *what, double share, GArray *ids)
{
    for (int i = 0; i < 2; i++) {
        FabStepAxis axis = fab_step_axis_replica(writer->training, writer->rank, i == 1);
        uint64_t id;
        if (call(writer, what->collective, &axis, what->bytes[i] * share, &id))
            g_array_append_val(ids, id);
    }
}

static void
exchange_all(Writer *writer, const Exchange *what, double share)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    exchange(writer, what, share, ids);
    if (ids->len > 0) {
        g_array_set_size(writer->tails, 0);
        g_array_append_vals(writer->tails, ids->data, ids->len);
    }
}

static bool
plan_exchange(const Writer *writer, Exchange *gather, Exchange *reduce)
{
    const FabTraining *training = writer->training;
    bool wide = training->precision == FAB_PRECISION_FP32 || training->precision == FAB_PRECISION_TF32;
    double width = wide ? 4 : training->gradient_bytes, bytes, last;
    FabGroup group = { training->dp * training->cp, training->tp };
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
        behind += passes[i].kind == FAB_PASS_BACKWARD;
    return passes[at].kind == FAB_PASS_BACKWARD && behind == chunks;
}

static void
do_passes(Writer *writer, const FabPass *passes, uint32_t count)
{
    const FabTraining *training = writer->training;
    Exchange gather, reduce;
    bool replicas = plan_exchange(writer, &gather, &reduce);
    g_autoptr(GArray) gathered = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_autoptr(GArray) reduced = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint32_t forward = 0;

    if (replicas && training->zero > 0) {
        exchange_all(writer, &gather, gather.last);
        exchange(writer, &gather, 1 - gather.last, gathered);
    }
    for (uint32_t i = 0; i < count && !writer->failed; i++) {
        bool backward = passes[i].kind == FAB_PASS_BACKWARD, close = begins_reduce(passes, count, i, training->chunks);
        g_autoptr(GArray) beside = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        if (replicas && close)
            exchange(writer, &reduce, 1 - reduce.last, reduced);
        else if (replicas && backward && training->zero == 2 && training->overlap && reduced->len == 0)
            exchange(writer, &reduce, 1, beside);
        do_pass(writer, &passes[i]);
        g_array_append_vals(writer->tails, beside->data, beside->len);
        forward += passes[i].kind == FAB_PASS_FORWARD;
        if (forward == training->chunks && gathered->len > 0) {
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
    if (scenario->training->schedule == FAB_SCHEDULE_DUALPIPE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [parallel] schedule is dualpipe, whose passes in turn no trace of ours says; the other "
                    "schedules can be written", scenario->path);
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
        !fab_pass_pieces(&spec, &trace->pieces, error))
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
    uint32_t replicas = training->cp * training->dp, count;
    g_autofree char *path = g_strdup_printf("rank %u", rank);
    g_autoptr(FabTraceRank) out = fab_trace_rank_new(path);
    FabPipeline pipeline = { training->schedule, training->pp, training->chunks, trace->step->micros };
    g_autoptr(GArray) tails = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    Writer writer = { .trace = trace, .training = training, .model = trace->step->footprint->model, .out = out,
                      .tails = tails, .rank = rank, .t = rank % training->tp,
                      .q = rank / training->tp % replicas, .stage = rank / training->tp / replicas, .error = error };
    g_autofree FabPass *passes = fab_schedule_stage(&pipeline, writer.stage, &count);

    do_passes(&writer, passes, count);
    compute(&writer, "optimiser", trace->step->parts[FAB_TIME_OPTIMISER]);
    compute(&writer, "replicas wait for the slowest", trace->step->parts[FAB_TIME_SCALE]);
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
