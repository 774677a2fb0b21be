/* A step's trace, from its smallest parts up: nodes, collectives around half a layer, layers. */
#include <math.h>

#include "base/units.h"
#include "predict/step-trace-private.h"
#include "workload/skew.h"

/* Messages round the ring of a layer; those between stages have tags of their own, from 1 on. */
#define RING_TAG 0

/* ------------------------------------------------------------------ nodes */

static uint64_t
put(FabStepWriter *writer, FabTraceNode *node, const GArray *waits)
{
    node->id = writer->next++;
    writer->failed = writer->failed || !fab_trace_add(writer->out, node, writer->error);
    for (guint i = 0; i < waits->len && !writer->failed; i++)
        writer->failed = !fab_trace_wait(writer->out, g_array_index(waits, uint64_t, i), writer->error);
    return node->id;
}

void
fab_step_follow(FabStepWriter *writer, uint64_t id)
{
    g_array_set_size(writer->tails, 0);
    g_array_append_val(writer->tails, id);
}

void
fab_step_compute(FabStepWriter *writer, const char *name, double seconds)
{
    FabTraceNode node = { .name = name, .kind = FAB_TRACE_COMPUTE,
                          .duration_ps = fab_ps_from_seconds(fmax(seconds, 0)) };

    if (node.duration_ps > 0)
        fab_step_follow(writer, put(writer, &node, writer->tails));
}

/* The bytes of a rank's input, of those that nccl-tests counts. */
static uint64_t
input_bytes(FabCollective collective, double bytes, uint32_t ranks)
{
    return (uint64_t)fmax(ceil(collective == FAB_ALL_GATHER ? bytes / ranks : bytes), 1);
}

bool
fab_step_call(FabStepWriter *writer, FabCollective collective, const FabStepAxis *axis, double bytes, uint64_t *id)
{
    g_autofree char *group = g_strdup_printf("%s %u", axis->axis, axis->first);
    FabTraceNode node = { .name = fab_collective_names[collective], .kind = FAB_TRACE_COLLECTIVE, .group = group,
                          .collective = collective, .message = input_bytes(collective, bytes, axis->group.size) };

    if (axis->group.size < 2 || bytes <= 0)
        return false;
    *id = put(writer, &node, writer->tails);
    return true;
}

void
fab_step_call_shown(FabStepWriter *writer, FabCollective collective, const FabStepAxis *axis, double bytes,
                    double shown)
{
    g_autofree char *beside = g_strconcat("beside ", axis->axis, NULL);
    uint64_t id, hidden;
    bool some = fab_step_call(writer, collective, axis, bytes * shown, &id);

    if (some)
        fab_step_follow(writer, id);
    fab_step_call(writer, collective, &(FabStepAxis) { beside, axis->group, axis->first }, bytes * (1 - shown),
                  &hidden);
}

uint64_t
fab_step_message(FabStepWriter *writer, bool send, uint32_t peer, uint32_t tag, double bytes, const GArray *waits)
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
shown_share(const FabStepWriter *writer)
{
    double pieces = writer->trace->rates.stack->tp_pieces;

    return pieces > 0 && writer->training->sequence_parallel ? fmin(1, pieces / writer->training->tp) : 1;
}

/* Half of a layer: its kernels between the collectives of its tensor-parallel ranks. */
static void
block(FabStepWriter *writer, double seconds, double factor, bool backward, bool experts)
{
    const FabTraining *training = writer->training;
    const FabPassPieces *pieces = &writer->trace->pieces;
    FabStepAxis tensor = fab_step_axis_tensor(writer->training, writer->rank);
    FabStepAxis expert = fab_step_axis_expert(writer->training, writer->rank);
    double bytes = pieces->payload * factor, shown = shown_share(writer);
    double routed = pieces->payload * writer->model->experts_per_token / training->tp *
                    fab_expert_skew(training, writer->model);

    if (training->sequence_parallel)
        fab_step_call_shown(writer, FAB_ALL_GATHER, &tensor, bytes, shown);
    if (experts)
        fab_step_call_shown(writer, FAB_ALL_TO_ALL, &expert, routed, writer->expert_shown);
    fab_step_compute(writer, backward ? "backward" : "forward", seconds);
    if (experts)
        fab_step_call_shown(writer, FAB_ALL_TO_ALL, &expert, routed, writer->expert_shown);
    if (training->sequence_parallel && backward)
        fab_step_call_shown(writer, FAB_ALL_GATHER, &tensor, bytes, shown);
    fab_step_call_shown(writer, training->sequence_parallel ? FAB_REDUCE_SCATTER : FAB_ALL_REDUCE, &tensor, bytes,
                        shown);
}

/* Keys and values go round while attention works on those at hand; what is left of the layer follows. */
static double
ring(FabStepWriter *writer, double seconds, double attention, uint32_t rounds)
{
    const FabTraining *training = writer->training;
    const FabModel *model = writer->model;
    FabStepAxis axis = fab_step_axis_context(training, writer->rank);
    uint32_t cp = training->cp, stride = axis.group.stride, place = (writer->rank - axis.first) / stride;
    uint32_t to = axis.first + (place + 1) % cp * stride, from = axis.first + (place + cp - 1) % cp * stride;
    double heads = model->kv_rank > 0 ? model->heads / (double)training->tp
                                      : fmax(model->kv_heads / (double)training->tp, 1);
    double bytes = writer->trace->pieces.tokens * 2 * heads * model->head_dim * writer->trace->pieces.width;
    double beside = fmin(attention * (cp - 1) / cp, seconds);
    g_autoptr(GArray) waits = g_array_copy(writer->tails);

    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t sent = fab_step_message(writer, true, to, RING_TAG, bytes, waits);
        uint64_t received = fab_step_message(writer, false, from, RING_TAG, bytes, waits);
        g_array_set_size(waits, 0);
        g_array_append_val(waits, sent);
        g_array_append_val(waits, received);
    }
    fab_step_compute(writer, "attention", beside);
    g_array_append_vals(writer->tails, waits->data, waits->len);
    return seconds - beside;
}

/* ZeRO 3: gathers and scatters go on beside the pass, which they slow down; where nothing overlaps, before it. */
static double
shards(FabStepWriter *writer, double parameters, bool backward, GArray *beside)
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
        if (!fab_step_call(writer, collective, &axis, bytes, &id))
            continue;
        if (training->overlap)
            g_array_append_val(beside, id);
        else
            fab_step_follow(writer, id);
    }
    return training->overlap ? seconds * writer->trace->rates.stack->overlap_slowdown : 0;
}

void
fab_step_layer(FabStepWriter *writer, const FabStepLayer *pass)
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
            first = ring(writer, first, times.forward.attention, training->cp - 1);
        block(writer, first / 2, 1, false, false);
        block(writer, first / 2, factor, false, pass->experts);
        seconds -= fmin(kernels(parts->forward), seconds);
    }
    if (training->cp > 1)
        seconds = ring(writer, seconds, pass->backward ? times.backward.attention : times.forward.attention,
                       (pass->backward ? 2 : 1) * (training->cp - 1));
    block(writer, seconds / 2, 1, pass->backward, false);
    block(writer, seconds / 2, factor, pass->backward, pass->experts);
    g_array_append_vals(writer->tails, beside->data, beside->len);
}

void
fab_step_logits(FabStepWriter *writer, bool backward, double weights)
{
    const FabPassPieces *pieces = &writer->trace->pieces;
    bool cut = writer->training->sequence_parallel;
    FabStepAxis tensor = fab_step_axis_tensor(writer->training, writer->rank);
    g_autoptr(GArray) beside = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    double slower = shards(writer, pieces->logits_parameters, backward, beside);

    if (!backward && cut)
        fab_step_call_shown(writer, FAB_ALL_GATHER, &tensor, pieces->payload, 1);
    fab_step_compute(writer, backward ? "logits backward" : "logits", slower - weights +
            kernels(backward ? pieces->logits.backward : pieces->logits.forward));
    if (backward)
        fab_step_call_shown(writer, cut ? FAB_REDUCE_SCATTER : FAB_ALL_REDUCE, &tensor, pieces->payload, 1);
    g_array_append_vals(writer->tails, beside->data, beside->len);
}
