#include "predict/trace-match.h"

#include <string.h>

#include "base/error.h"
#include "base/units.h"

/* Nodes of one group in the order of each rank's file, while they are collected. */
typedef struct {
    const char *name;   /* NULL: of all ranks */
    GArray *ranks;      /* uint32_t, ascending */
    GPtrArray *nodes;   /* GArray of uint32_t, one for each of `ranks` */
} Group;

static void
group_free(gpointer data)
{
    Group *group = data;

    g_array_unref(group->ranks);
    g_ptr_array_unref(group->nodes);
    g_free(group);
}

static Group *
group_new(const char *name)
{
    Group *group = g_new0(Group, 1);

    group->name = name;
    group->ranks = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    group->nodes = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    return group;
}

static void
group_add(Group *group, uint32_t rank, uint32_t node)
{
    guint last = group->ranks->len;

    if (last == 0 || g_array_index(group->ranks, uint32_t, last - 1) != rank) {
        g_array_append_val(group->ranks, rank);
        g_ptr_array_add(group->nodes, g_array_new(FALSE, FALSE, sizeof(uint32_t)));
    }
    g_array_append_val((GArray *)group->nodes->pdata[group->nodes->len - 1], node);
}

void
fab_trace_match_free(FabTraceMatch *match)
{
    if (match == NULL)
        return;
    for (uint32_t r = 0; r < match->ranks; r++)
        g_free(match->call_of[r]);
    g_free(match->call_of);
    g_array_unref(match->calls);
    g_array_unref(match->members);
    g_ptr_array_unref(match->groups);
    g_free(match);
}

static FabTraceMatch *
match_new(const FabTrace *trace)
{
    FabTraceMatch *match = g_new0(FabTraceMatch, 1);

    match->calls = g_array_new(FALSE, FALSE, sizeof(FabTraceCall));
    match->members = g_array_new(FALSE, FALSE, sizeof(FabTraceMember));
    match->groups = g_ptr_array_new_with_free_func(g_free);
    match->ranks = trace->ranks->len;
    match->call_of = g_new0(uint32_t *, match->ranks);
    for (uint32_t r = 0; r < match->ranks; r++) {
        const FabTraceRank *rank = trace->ranks->pdata[r];
        match->call_of[r] = g_new(uint32_t, rank->nodes->len + 1);
        memset(match->call_of[r], 0xff, (rank->nodes->len + 1) * sizeof(uint32_t));
    }
    return match;
}

/* ------------------------------------------------------------------ collecting */

/* Collectives by group; messages by sender, receiver and tag, the sender's nodes first. NULL: it joins no ranks. */
static char *
group_key(const FabTraceNode *node, uint32_t rank)
{
    bool send = node->kind == FAB_TRACE_SEND;

    if (node->kind == FAB_TRACE_COLLECTIVE)
        return g_strconcat("g", node->group, NULL);
    if (send || node->kind == FAB_TRACE_RECEIVE)
        return g_strdup_printf("m%u>%u #%u", send ? rank : node->peer, send ? node->peer : rank, node->tag);
    return NULL;
}

/* In order of appearance, so that the outcome does not depend on hashes. */
static bool
collect(const FabTrace *trace, GHashTable *by_key, GPtrArray *groups, GError **error)
{
    for (uint32_t r = 0; r < trace->ranks->len; r++) {
        const FabTraceRank *rank = trace->ranks->pdata[r];
        for (guint i = 0; i < rank->nodes->len; i++) {
            const FabTraceNode *node = fab_trace_node(rank, i);
            g_autofree char *key = group_key(node, r);
            Group *group = key != NULL ? g_hash_table_lookup(by_key, key) : NULL;
            bool message = node->kind == FAB_TRACE_SEND || node->kind == FAB_TRACE_RECEIVE;
            if (message && (node->peer == r || node->peer >= trace->ranks->len)) {
                g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                            "%s: node %" G_GUINT64_FORMAT " is a message %s rank %u, there are ranks 0 to %u, and none "
                            "writes to itself", rank->path, node->id, node->kind == FAB_TRACE_SEND ? "to" : "from",
                            node->peer, trace->ranks->len - 1);
                return false;
            }
            if (key != NULL && group == NULL) {
                group = group_new(node->kind == FAB_TRACE_COLLECTIVE ? node->group : NULL);
                g_ptr_array_add(groups, group);
                g_hash_table_insert(by_key, g_steal_pointer(&key), group);
            }
            if (group != NULL)
                group_add(group, r, i);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ matching */

/* The size as nccl-tests counts it: of gathers that of the whole. */
static uint64_t
whole_size(FabCollective collective, uint64_t input, uint32_t ranks)
{
    if (collective == FAB_BARRIER)
        return 8;
    return collective == FAB_ALL_GATHER || collective == FAB_GATHER ? input * ranks : input;
}

static const FabTraceNode *
node_of(const FabTrace *trace, const Group *group, uint32_t member, uint32_t turn)
{
    const FabTraceRank *rank = trace->ranks->pdata[g_array_index(group->ranks, uint32_t, member)];

    return fab_trace_node(rank, g_array_index((GArray *)group->nodes->pdata[member], uint32_t, turn));
}

/* A message joins a sender and a receiver; members of a collective do the same thing. */
static bool
check_turn(const FabTrace *trace, const Group *group, uint32_t turn, GError **error)
{
    const FabTraceNode *first = node_of(trace, group, 0, turn);

    for (uint32_t m = 1; m < group->ranks->len; m++) {
        const FabTraceNode *other = node_of(trace, group, m, turn);
        bool message = first->kind != FAB_TRACE_COLLECTIVE;
        if (message ? first->kind != other->kind : first->collective == other->collective)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "node %" G_GUINT64_FORMAT " of rank %u and node %" G_GUINT64_FORMAT
                    " of rank %u meet, but do different things: %s and %s", first->id,
                    g_array_index(group->ranks, uint32_t, 0), other->id, g_array_index(group->ranks, uint32_t, m),
                    message ? "both send or both receive" : fab_collective_names[first->collective],
                    message ? "one of each is needed" : fab_collective_names[other->collective]);
        return false;
    }
    return true;
}

static bool
check_counts(const Group *group, GError **error)
{
    guint most = ((GArray *)group->nodes->pdata[0])->len;

    for (guint m = 1; m < group->nodes->len; m++) {
        guint count = ((GArray *)group->nodes->pdata[m])->len;
        if (count == most)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "rank %u has %u collective%s or message%s of %s%s%s, rank %u has %u: they do not fit together",
                    g_array_index(group->ranks, uint32_t, 0), most, fab_plural(most),
                    fab_plural(most), group->name != NULL ? "group \"" : "one group",
                    group->name != NULL ? group->name : "", group->name != NULL ? "\"" : "",
                    g_array_index(group->ranks, uint32_t, m), count);
        return false;
    }
    return true;
}

/* Ranks of the machine; a message's sender first. */
static uint32_t *
ranks_of(const FabTrace *trace, const Group *group)
{
    uint32_t *ranks = g_memdup2(group->ranks->data, group->ranks->len * sizeof(uint32_t));

    if (node_of(trace, group, 0, 0)->kind == FAB_TRACE_RECEIVE && group->ranks->len == 2) {
        ranks[0] = g_array_index(group->ranks, uint32_t, 1);
        ranks[1] = g_array_index(group->ranks, uint32_t, 0);
    }
    return ranks;
}

static bool
add_group(const FabTrace *trace, const Group *group, FabTraceMatch *match, GError **error)
{
    guint count = group->ranks->len, turns = ((GArray *)group->nodes->pdata[0])->len;
    const FabTraceNode *begin = node_of(trace, group, 0, 0);
    bool message = begin->kind != FAB_TRACE_COLLECTIVE;
    uint32_t *ranks = ranks_of(trace, group);

    g_ptr_array_add(match->groups, ranks);
    if (message && count != 2) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "node %" G_GUINT64_FORMAT " of rank %u is a message with tag %u whose other end is in no file",
                    begin->id, ranks[0], begin->tag);
        return false;
    }
    if (!check_counts(group, error))
        return false;
    for (uint32_t turn = 0; turn < turns; turn++) {
        const FabTraceNode *first = node_of(trace, group, 0, turn);
        FabTraceCall call = { .call = { message ? FAB_SEND_RECV : first->collective, ranks, count, 0 },
                              .first = match->members->len, .channel = match->channels };
        if (!check_turn(trace, group, turn, error))
            return false;
        for (uint32_t m = 0; m < count; m++) {
            const FabTraceNode *node = node_of(trace, group, m, turn);
            FabTraceMember member = { g_array_index(group->ranks, uint32_t, m),
                                      g_array_index((GArray *)group->nodes->pdata[m], uint32_t, turn) };
            call.call.bytes = MAX(call.call.bytes, whole_size(call.call.collective, node->message, count));
            match->call_of[member.rank][member.node] = match->calls->len;
            g_array_append_val(match->members, member);
        }
        g_array_append_val(match->calls, call);
        match->lone += count == 1;
    }
    match->channels++;
    return true;
}

char *
fab_trace_match_lone(uint64_t lone)
{
    if (lone == 0)
        return NULL;
    return g_strdup_printf("%" G_GUINT64_FORMAT " collective%s of one rank cost%s nothing; are files missing?", lone,
                           fab_plural(lone), lone == 1 ? "s" : "");
}

FabTraceMatch *
fab_trace_match_new(const FabTrace *trace, GError **error)
{
    g_autoptr(FabTraceMatch) match = match_new(trace);
    g_autoptr(GHashTable) by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(group_free);

    if (!collect(trace, by_key, groups, error))
        return NULL;
    for (guint i = 0; i < groups->len; i++) {
        if (!add_group(trace, groups->pdata[i], match, error)) {
            g_prefix_error(error, "%s: ", ((const FabTraceRank *)trace->ranks->pdata[0])->path);
            return NULL;
        }
    }
    return g_steal_pointer(&match);
}
