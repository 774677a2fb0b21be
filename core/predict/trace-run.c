#include "predict/trace-run.h"

#include <math.h>

#include "base/error.h"
#include "base/units.h"
#include "predict/concurrent.h"
#include "predict/trace-match.h"
#include "predict/trace-order.h"
#include "predict/training-step.h"
#include "predict/run-result.h"

/* Events are the end of a call, or of what a rank's GPU or CPU does: 2 x rank + CPU. */
#define CALL_MARK (1u << 31)
/* A call that takes no time, by its number. */
#define INSTANT_MARK (1u << 30)

/* Nodes that may start, in the order in which they could. */
typedef struct {
    GQueue waiting;
    uint32_t busy;      /* node or call in progress, NONE: none */
    int64_t since;
} Server;

#define NONE UINT32_MAX

typedef struct {
    const FabTrace *trace;
    const FabTraceMatch *match;
    const FabTopology *topology;
    FabCallBook *book;
    FabGpuRates rates;
    FabQueue *queue;
    FabFlowSet *flows;
    FabTraceRun *run;
    FabTraceOrder order;
    int64_t *started;   /* [call] */
    Server *servers;    /* [2 x rank + CPU] */
    Server *channels;
    uint32_t *active;   /* [rank]: calls in progress */
    int64_t *changed;   /* [rank]: since when it does what it does */
    int64_t now;
} Replay;

static const FabTraceRank *
rank_of(const Replay *replay, uint32_t rank)
{
    return replay->trace->ranks->pdata[rank];
}

/* ------------------------------------------------------------------ set up and tear down */

static Server *
servers_new(uint32_t count)
{
    Server *servers = g_new0(Server, MAX(count, 1));

    for (uint32_t i = 0; i < count; i++) {
        g_queue_init(&servers[i].waiting);
        servers[i].busy = NONE;
    }
    return servers;
}

static void
servers_free(Server *servers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        g_queue_clear(&servers[i].waiting);
    g_free(servers);
}

static void
replay_init(Replay *replay)
{
    uint32_t ranks = replay->trace->ranks->len;

    replay->queue = fab_queue_new();
    replay->flows = fab_call_flows(replay->book, replay->queue, CALL_MARK);
    fab_trace_order_init(&replay->order, replay->trace, replay->match);
    replay->started = g_new0(int64_t, replay->match->calls->len + 1);
    replay->servers = servers_new(2 * ranks);
    replay->channels = servers_new(replay->match->channels);
    replay->active = g_new0(uint32_t, ranks);
    replay->changed = g_new0(int64_t, ranks);
    replay->run->ranks = g_new0(FabTraceTimes, ranks);
    replay->run->rank_count = ranks;
    replay->run->metadata = fab_trace_metadata(replay->trace);
    replay->run->nodes = replay->order.left - replay->run->metadata;
    replay->run->calls = replay->match->calls->len;
    replay->run->lone = replay->match->lone;
}

static void
replay_clear(Replay *replay)
{
    uint32_t ranks = replay->trace->ranks->len;

    fab_trace_order_clear(&replay->order);
    g_free(replay->started);
    servers_free(replay->servers, 2 * ranks);
    servers_free(replay->channels, replay->match->channels);
    g_free(replay->active);
    g_free(replay->changed);
    fab_flow_set_free(replay->flows);
    fab_queue_free(replay->queue);
}

void
fab_trace_run_free(FabTraceRun *run)
{
    if (run == NULL)
        return;
    g_free(run->ranks);
    g_free(run->carried);
    g_free(run);
}

/* ------------------------------------------------------------------ time */

/* Books what a rank did since it last changed. */
static void
book_time(Replay *replay, uint32_t rank)
{
    int64_t passed = replay->now - replay->changed[rank];
    bool computes = replay->servers[2 * rank].busy != NONE;

    if (computes)
        replay->run->ranks[rank].compute_ps += passed;
    else if (replay->active[rank] > 0)
        replay->run->ranks[rank].exposed_ps += passed;
    if (replay->servers[2 * rank + 1].busy != NONE)
        replay->run->ranks[rank].host_ps += passed;
    replay->changed[rank] = replay->now;
}

/* What the file says, else what a roofline makes of operations and bytes. */
static int64_t
duration_of(const Replay *replay, const FabTraceNode *node)
{
    const FabGpuRates *rates = &replay->rates;
    double compute = node->operations / (rates->peak * rates->stack->gemm_share);
    double memory = node->bytes / (rates->memory * rates->stack->memory_share);

    if (node->duration_ps > 0 || node->kind == FAB_TRACE_NOTHING)
        return node->duration_ps;
    return fab_ps_from_seconds(fmin(fmax(compute, memory), 1e6));
}

static void
start_next(Replay *replay, uint32_t server)
{
    Server *at = &replay->servers[server];
    uint32_t rank = server / 2;

    if (at->busy != NONE || g_queue_is_empty(&at->waiting))
        return;
    book_time(replay, rank);
    at->busy = GPOINTER_TO_UINT(g_queue_pop_head(&at->waiting));
    fab_queue_push(replay->queue, replay->now + duration_of(replay, fab_trace_node(rank_of(replay, rank), at->busy)),
                   server);
}

static bool
start_call(Replay *replay, uint32_t channel, GError **error)
{
    Server *at = &replay->channels[channel];
    FabTraceCall *call;
    const FabAlone *alone;

    if (at->busy != NONE || g_queue_is_empty(&at->waiting))
        return true;
    at->busy = GPOINTER_TO_UINT(g_queue_pop_head(&at->waiting));
    call = fab_trace_call(replay->match, at->busy);
    alone = fab_call_alone(replay->book, &call->call, error);
    if (alone == NULL)
        return false;
    for (uint32_t m = 0; m < call->call.count; m++) {
        uint32_t rank = g_array_index(replay->match->members, FabTraceMember, call->first + m).rank;
        book_time(replay, rank);
        replay->active[rank]++;
    }
    replay->started[at->busy] = replay->now;
    replay->run->alone_ps += (double)alone->time_ps;
    replay->run->bytes += (double)call->call.bytes;
    if (alone->work > 0)
        fab_call_start(replay->flows, replay->now, alone, at->busy);
    else
        fab_queue_push(replay->queue, replay->now, INSTANT_MARK | channel);
    return true;
}

/* A node whose dependences are done. What takes no time is done at once. */
static bool
ready(Replay *replay, uint32_t rank, uint32_t index, GError **error)
{
    const FabTraceNode *node = fab_trace_node(rank_of(replay, rank), index);
    uint32_t call = replay->match->call_of[rank][index];

    if (call != FAB_TRACE_NO_CALL) {
        FabTraceCall *joined = fab_trace_call(replay->match, call);
        if (++replay->order.arrived[call] < joined->call.count)
            return true;
        g_queue_push_tail(&replay->channels[joined->channel].waiting, GUINT_TO_POINTER(call));
        return start_call(replay, joined->channel, error);
    }
    g_queue_push_tail(&replay->servers[2 * rank + node->host].waiting, GUINT_TO_POINTER(index));
    start_next(replay, 2 * rank + node->host);
    return true;
}

static bool
release(Replay *replay, uint32_t rank, uint32_t node, GError **error)
{
    replay->order.left--;
    replay->run->ranks[rank].end_ps = replay->now;
    for (uint32_t e = replay->order.from[rank][node]; e < replay->order.from[rank][node + 1]; e++) {
        uint32_t next = replay->order.to[rank][e];
        if (--replay->order.open[rank][next] == 0 && !ready(replay, rank, next, error))
            return false;
    }
    return true;
}

static bool
end_server(Replay *replay, uint32_t server, GError **error)
{
    uint32_t node = replay->servers[server].busy, rank = server / 2;

    book_time(replay, rank);
    replay->servers[server].busy = NONE;
    if (!release(replay, rank, node, error))
        return false;
    start_next(replay, server);
    return true;
}

static bool
end_call(Replay *replay, uint32_t channel, GError **error)
{
    uint32_t number = replay->channels[channel].busy;
    const FabTraceCall *call = fab_trace_call(replay->match, number);

    replay->channels[channel].busy = NONE;
    replay->run->took_ps += (double)(replay->now - replay->started[number]);
    for (uint32_t m = 0; m < call->call.count; m++) {
        uint32_t rank = g_array_index(replay->match->members, FabTraceMember, call->first + m).rank;
        book_time(replay, rank);
        replay->active[rank]--;
    }
    for (uint32_t m = 0; m < call->call.count; m++) {
        FabTraceMember member = g_array_index(replay->match->members, FabTraceMember, call->first + m);
        if (!release(replay, member.rank, member.node, error))
            return false;
    }
    return start_call(replay, channel, error);
}

/* ------------------------------------------------------------------ the loop */

static bool
handle(Replay *replay, uint32_t data, GError **error)
{
    uint32_t tag;

    if (data & CALL_MARK) {
        GArray *ended = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        bool good = true;
        if (fab_flow_complete(replay->flows, replay->now, data & ~CALL_MARK)) {
            while (fab_flow_take_tag(replay->flows, &tag))
                g_array_append_val(ended, tag);
        }
        for (guint i = 0; i < ended->len && good; i++)
            good = end_call(replay, fab_trace_call(replay->match, g_array_index(ended, uint32_t, i))->channel, error);
        g_array_unref(ended);
        return good;
    }
    if (data & INSTANT_MARK)
        return end_call(replay, data & ~INSTANT_MARK, error);
    return end_server(replay, data, error);
}

static bool
replay_all(Replay *replay, GError **error)
{
    uint32_t data;

    for (uint32_t r = 0; r < replay->trace->ranks->len; r++) {
        for (guint i = 0; i < rank_of(replay, r)->nodes->len; i++) {
            if (fab_trace_node(rank_of(replay, r), i)->count == 0 && !ready(replay, r, i, error))
                return false;
        }
    }
    fab_flow_share(replay->flows, 0);
    while (replay->order.left > 0 && fab_queue_pop(replay->queue, &replay->now, &data)) {
        if (replay->now >= FAB_FLOW_LONGEST_PS) {
            fab_flow_too_long("the trace", error);
            return false;
        }
        if (!handle(replay, data, error))
            return false;
        fab_flow_share(replay->flows, replay->now);
    }
    if (replay->order.left > 0)
        fab_trace_order_report(&replay->order, error);
    return replay->order.left == 0;
}

FabTraceRun *
fab_trace_run(const FabTrace *trace, const FabTraceWish *wish, const FabTopology *topology,
              const FabConstants *constants, GError **error)
{
    FabTraining training = { .precision = wish->precision, .stack = (char *)"auto" };
    g_autoptr(FabTraceMatch) match = NULL;
    g_autoptr(FabCallBook) book = fab_call_book_new(topology, constants);
    g_autoptr(FabTraceRun) run = g_new0(FabTraceRun, 1);
    Replay replay = { .trace = trace, .topology = topology, .book = book, .run = run };
    bool good;

    if (trace->ranks->len > topology->gpu_count) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: the trace has %u ranks, %s has %u GPU%s", wish->files,
                    trace->ranks->len, topology->name, topology->gpu_count, fab_plural(topology->gpu_count));
        return NULL;
    }
    match = fab_trace_match_new(trace, error);
    if (match == NULL || !fab_training_rates(&training, topology, wish->files, &replay.rates, error))
        return NULL;
    replay.match = match;
    replay_init(&replay);
    good = replay_all(&replay, error);
    run->length_ps = replay.now;
    run->carried = g_memdup2(fab_flow_carried(replay.flows), topology->resource_count * sizeof(double));
    replay_clear(&replay);
    return good ? g_steal_pointer(&run) : NULL;
}

/* ------------------------------------------------------------------ as a result */

static void
add_note(FabResult *result, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add_note(FabResult *result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(result->notes, g_strdup_vprintf(format, args));
    va_end(args);
}

static void
describe_rank(const FabTraceRun *run, uint32_t rank, FabResult *result)
{
    const FabTraceTimes *times = &run->ranks[rank];
    g_autofree char *compute = fab_format_time(times->compute_ps), *exposed = fab_format_time(times->exposed_ps);
    g_autofree char *wait = fab_format_time(run->length_ps - times->compute_ps - times->exposed_ps);
    g_autofree char *host = fab_format_time(times->host_ps);

    add_note(result, "rank %u ends last: its GPU computes for %s, communicates without computing for %s, waits for "
             "%s; its CPU works for %s", rank, compute, exposed, wait, host);
}

static uint32_t
last_rank(const FabTraceRun *run)
{
    uint32_t last = 0;

    for (uint32_t r = 0; r < run->rank_count; r++)
        last = run->ranks[r].end_ps > run->ranks[last].end_ps ? r : last;
    return last;
}

/* The busiest of links, and of the GPU and the CPU of the rank that ends last. */
static void
find_binding(const FabTraceRun *run, FabResultRow *row)
{
    const FabTraceTimes *times = &run->ranks[last_rank(run)];
    const FabResultUse *link = row->uses->len > 0 ? &g_array_index(row->uses, FabResultUse, 0) : NULL;
    double length = fmax((double)run->length_ps, 1), gpu = (double)times->compute_ps / length;
    double host = (double)times->host_ps / length;

    row->binding_utilisation = fmax(gpu, host);
    if (link != NULL && link->utilisation > row->binding_utilisation) {
        row->binding = g_strdup(link->name);
        row->binding_utilisation = link->utilisation;
        return;
    }
    row->binding = g_strdup(host > gpu ? "computing of the CPU" : "computing");
}

static void
describe(const FabTraceRun *run, const FabTrace *trace, FabResult *result)
{
    g_autofree char *lone = fab_trace_match_lone(run->lone);
    g_autofree char *nodes = fab_trace_count_text(run->nodes, run->metadata);
    uint64_t passed_over = 0;

    for (uint32_t r = 0; r < run->rank_count; r++)
        passed_over += ((const FabTraceRank *)trace->ranks->pdata[r])->passed_over;
    describe_rank(run, last_rank(run), result);
    if (run->alone_ps > 0) {
        char slower[G_ASCII_DTOSTR_BUF_SIZE];
        g_ascii_formatd(slower, sizeof slower, "%.1f", 100 * fmax(run->took_ps / run->alone_ps - 1, 0));
        if (run->calls == 1)
            add_note(result, "%s, 1 collective or message, which takes %s %% longer than alone", nodes, slower);
        else
            add_note(result, "%s, %" G_GUINT64_FORMAT " collectives and messages, which take %s %% longer than each "
                     "alone", nodes, run->calls, slower);
    }
    if (lone != NULL)
        add_note(result, "%s", lone);
    if (passed_over > 0)
        add_note(result, "%" G_GUINT64_FORMAT " control dependence%s not waited for; [trace] dependences=all waits "
                 "for %s", passed_over, passed_over == 1 ? " is" : "s are", passed_over == 1 ? "it" : "them");
}

FabResult *
fab_trace_result(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants,
                 GError **error)
{
    g_autoptr(FabTrace) trace =
        fab_trace_read(scenario->trace.files, scenario->trace.all_dependences ? FAB_TRACE_ALL : FAB_TRACE_DATA, error);
    g_autoptr(FabTraceRun) run =
        trace != NULL ? fab_trace_run(trace, &scenario->trace, topology, constants, error) : NULL;
    FabResult *result;
    FabResultRow *row;

    if (run == NULL)
        return NULL;
    result = fab_run_result_new(scenario, topology);
    row = fab_result_row_new();
    result->collective = g_strdup("trace");
    g_free(result->fidelity);
    result->fidelity = g_strdup("fluid");
    result->ranks = run->rank_count;
    result->interval = g_strdup("there is no interval: replayed traces were not compared with measurements");
    describe(run, trace, result);
    row->size_bytes = (uint64_t)fmin(run->bytes, 0x1p62);
    row->time_ps = run->length_ps;
    row->algbw = run->length_ps > 0 ? run->bytes / ((double)run->length_ps * 1e-12) : 0;
    row->algorithm = g_strdup("trace");
    row->protocol = g_strdup("-");
    fab_run_add_uses(row, topology, run->carried);
    find_binding(run, row);
    g_ptr_array_add(result->rows, row);
    return result;
}
