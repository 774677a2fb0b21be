#include "predict/trace-order.h"

#include "base/error.h"

enum { SHOWN = 6 };

static const FabTraceRank *
rank_of(const FabTraceOrder *order, uint32_t rank)
{
    return order->trace->ranks->pdata[rank];
}

/* ------------------------------------------------------------------ life */

static void
index_waits(FabTraceOrder *order, uint32_t r)
{
    const FabTraceRank *rank = rank_of(order, r);
    guint nodes = rank->nodes->len;
    uint32_t *from = g_new0(uint32_t, nodes + 2), *to = g_new(uint32_t, rank->waits->len + 1);

    order->open[r] = g_new(uint32_t, nodes + 1);
    for (guint k = 0; k < rank->waits->len; k++)
        from[g_array_index(rank->waits, uint64_t, k) + 2]++;
    for (guint i = 2; i < nodes + 2; i++)
        from[i] += from[i - 1];
    for (guint i = 0; i < nodes; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        order->open[r][i] = node->count;
        for (uint32_t k = node->first; k < node->first + node->count; k++)
            to[from[g_array_index(rank->waits, uint64_t, k) + 1]++] = i;
    }
    order->from[r] = from;
    order->to[r] = to;
    order->left += nodes;
}

void
fab_trace_order_init(FabTraceOrder *order, const FabTrace *trace, const FabTraceMatch *match)
{
    uint32_t ranks = trace->ranks->len;

    *order = (FabTraceOrder) { .trace = trace, .match = match };
    order->open = g_new0(uint32_t *, ranks);
    order->from = g_new0(uint32_t *, ranks);
    order->to = g_new0(uint32_t *, ranks);
    for (uint32_t r = 0; r < ranks; r++)
        index_waits(order, r);
    order->arrived = g_new0(uint32_t, match->calls->len + 1);
}

void
fab_trace_order_clear(FabTraceOrder *order)
{
    for (uint32_t r = 0; r < order->trace->ranks->len; r++) {
        g_free(order->open[r]);
        g_free(order->from[r]);
        g_free(order->to[r]);
    }
    g_free(order->open);
    g_free(order->from);
    g_free(order->to);
    g_free(order->arrived);
}

/* ------------------------------------------------------------------ what waits for ever */

/* What a node that is not done waits for: another of its rank, or one of its call that has not come. */
static FabTraceMember
waits_for(const FabTraceOrder *order, FabTraceMember at)
{
    const FabTraceRank *rank = rank_of(order, at.rank);
    const FabTraceNode *node = fab_trace_node(rank, at.node);
    uint32_t number = order->match->call_of[at.rank][at.node];

    if (order->open[at.rank][at.node] > 0) {
        for (uint32_t k = node->first; k < node->first + node->count; k++) {
            uint32_t other = (uint32_t)g_array_index(rank->waits, uint64_t, k);
            uint32_t call = order->match->call_of[at.rank][other];
            bool came = call != FAB_TRACE_NO_CALL &&
                        order->arrived[call] < fab_trace_call(order->match, call)->call.count;
            if (order->open[at.rank][other] > 0 || came)
                return (FabTraceMember) { at.rank, other };
        }
    }
    for (uint32_t m = 0; number != FAB_TRACE_NO_CALL && m < fab_trace_call(order->match, number)->call.count; m++) {
        FabTraceMember member = g_array_index(order->match->members, FabTraceMember,
                                              fab_trace_call(order->match, number)->first + m);
        if (order->open[member.rank][member.node] > 0)
            return member;
    }
    return at;
}

void
fab_trace_order_report(const FabTraceOrder *order, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FabTraceMember at = { 0, 0 }, first;
    uint32_t length = 0;

    while (order->open[at.rank][at.node] == 0) {
        if (++at.node >= rank_of(order, at.rank)->nodes->len)
            at = (FabTraceMember) { at.rank + 1, 0 };
    }
    /* After as many steps as there are nodes left the walk is in the circle. */
    for (uint64_t i = 0; i < order->left; i++)
        at = waits_for(order, at);
    first = at;
    do {
        if (length++ < SHOWN)
            g_string_append_printf(text, "node %" G_GUINT64_FORMAT " of rank %u waits for ",
                                   fab_trace_node(rank_of(order, at.rank), at.node)->id, at.rank);
        at = waits_for(order, at);
    } while (at.rank != first.rank || at.node != first.node);
    g_set_error(error, FAB_ERROR, FAB_ERROR_DEADLOCK,
                "%s: ranks wait for each other in a circle of %u: %s%snode %" G_GUINT64_FORMAT " of rank %u",
                rank_of(order, 0)->path, length, text->str, length > SHOWN ? "... " : "",
                fab_trace_node(rank_of(order, first.rank), first.node)->id, first.rank);
}

/* ------------------------------------------------------------------ without a machine */

/* A node whose dependences are done joins `able`; of a call the nodes of all its ranks do, once the last has come. */
static void
arrive(FabTraceOrder *order, FabTraceMember at, GArray *able)
{
    uint32_t number = order->match->call_of[at.rank][at.node];
    const FabTraceCall *call = number != FAB_TRACE_NO_CALL ? fab_trace_call(order->match, number) : NULL;

    if (call == NULL)
        g_array_append_val(able, at);
    else if (++order->arrived[number] == call->call.count)
        g_array_append_vals(able, &g_array_index(order->match->members, FabTraceMember, call->first),
                            call->call.count);
}

bool
fab_trace_order_check(const FabTrace *trace, const FabTraceMatch *match, GError **error)
{
    g_autoptr(GArray) able = g_array_new(FALSE, FALSE, sizeof(FabTraceMember));
    FabTraceOrder order;
    bool good;

    fab_trace_order_init(&order, trace, match);
    for (uint32_t r = 0; r < trace->ranks->len; r++) {
        for (guint i = 0; i < rank_of(&order, r)->nodes->len; i++) {
            if (fab_trace_node(rank_of(&order, r), i)->count == 0)
                arrive(&order, (FabTraceMember) { r, i }, able);
        }
    }
    while (able->len > 0) {
        FabTraceMember done = g_array_index(able, FabTraceMember, able->len - 1);
        g_array_set_size(able, able->len - 1);
        order.left--;
        for (uint32_t e = order.from[done.rank][done.node]; e < order.from[done.rank][done.node + 1]; e++) {
            uint32_t next = order.to[done.rank][e];
            if (--order.open[done.rank][next] == 0)
                arrive(&order, (FabTraceMember) { done.rank, next }, able);
        }
    }
    good = order.left == 0;
    if (!good)
        fab_trace_order_report(&order, error);
    fab_trace_order_clear(&order);
    return good;
}
