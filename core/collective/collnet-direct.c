#include "collective/network.h"

/*
 * NCCL's CollNet Direct: the heads of a node, at most eight of its ranks, own one piece of every loop each. Four roles
 * work at once on consecutive loops:
 *
 *     scatter   every rank writes its input, piece h to head h
 *     reduce    a head adds its node's pieces and gives the sum to the network, which adds those of all nodes
 *     share     a head takes the result, keeps it and writes it to the other ranks of its node
 *     gather    every rank copies the pieces of the other heads to its output
 */

enum { SCATTER, REDUCE, SHARE, GATHER, ROLES };
enum { MOST_HEADS = 8 };

typedef struct {
    FabNetwork network;
    uint64_t chunk;
    FabShare *shares;
    /* Ends of a head with the ranks of its node, itself first: block (channel * heads + head) * nodes + node */
    FabEnd *ups, *downs;
} Direct;

static void
direct_free(gpointer data)
{
    Direct *direct = data;

    fab_network_clear(&direct->network);
    g_free(direct->shares);
    g_free(direct->ups);
    g_free(direct->downs);
    g_free(direct);
}

/* Where the ends of a head's block begin. */
static inline size_t
block(const Direct *direct, uint32_t channel, uint32_t head, uint32_t node)
{
    const FabNetwork *network = &direct->network;

    return (((size_t)channel * network->heads + head) * network->nodes + node) * network->local;
}

/* The place in a head's block of the rank at `place` in the node: the head comes first, the others follow in order. */
static inline uint32_t
in_block(uint32_t head, uint32_t place)
{
    return place == head ? 0 : place < head ? place + 1 : place;
}

/* Ends of a head with the other ranks of its node. */
static void
set_node_ends(const Direct *direct, const FabStream *stream, uint32_t place, FabStep *step)
{
    size_t first = block(direct, stream->channel, place, stream->rank / direct->network.local) + 1;

    if (stream->role == REDUCE) {
        step->recv = direct->ups + first;
        step->recv_count = (uint16_t)(direct->network.local - 1);
    } else {
        step->send = direct->downs + first;
        step->send_count = (uint16_t)(direct->network.local - 1);
    }
}

static uint64_t
piece_bytes(const Direct *direct, const FabShare *share, uint64_t loop, uint32_t head, uint64_t *offset)
{
    uint64_t chunk = loop + 1 == share->loops ? share->last_chunk : direct->chunk;
    uint64_t start = loop * direct->chunk * direct->network.heads + head * chunk;

    *offset = share->offset + start;
    return fab_emit_clip(start, chunk, share->bytes);
}

static void
head_step(const Direct *direct, const FabStream *stream, uint32_t place, bool exchange, FabStep *step)
{
    const FabNetwork *network = &direct->network;
    uint32_t node = stream->rank / network->local;

    if (exchange) {
        fab_network_exchange(network, stream->channel, place, step);
    } else if (stream->role == REDUCE) {
        step->src = FAB_BUFFER_INPUT;
        set_node_ends(direct, stream, place, step);
        fab_network_give(network, stream->channel, place, node, step);
    } else {
        step->dst = FAB_BUFFER_OUTPUT;
        set_node_ends(direct, stream, place, step);
        fab_network_take(network, stream->channel, place, node, step);
    }
}

/* Scatter and gather: one piece from or to a rank that is not its head. */
static void
piece_step(const Direct *direct, const FabStream *stream, uint32_t place, uint32_t head, FabStep *step)
{
    size_t end = block(direct, stream->channel, head, stream->rank / direct->network.local) + in_block(head, place);
    uint32_t peer = stream->rank - place + head;

    if (stream->role == SCATTER) {
        step->src = FAB_BUFFER_INPUT;
        fab_step_send(step, direct->ups[end].connection, peer);
    } else {
        step->dst = FAB_BUFFER_OUTPUT;
        fab_step_recv(step, direct->downs[end].connection, peer);
    }
}

static bool
direct_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Direct *direct = program->data;
    const FabNetwork *network = &direct->network;
    const FabShare *share = &direct->shares[stream->channel];
    uint32_t place = stream->rank % network->local, node = stream->rank / network->local, part = 0;
    uint32_t others = network->heads - (place < network->heads); /* steps of a loop: one for each other head */
    bool heads = stream->role == REDUCE || stream->role == SHARE;
    bool owner = stream->role == SHARE && place < network->heads &&
                 fab_network_owner(network, stream->channel, place) == node;
    uint32_t head = place;
    uint64_t loop, offset;

    if (heads ? place >= network->heads : others == 0)
        return false;
    if (heads)
        others = owner ? 2 : 1;
    loop = fab_emit_split(index, others, &part);
    if (loop >= share->loops)
        return false;
    /* A head begins with the one after it, so that the heads' ports are used alike. */
    if (!heads)
        head = (place + part + (place < network->heads)) % network->heads;
    fab_step_begin(step, piece_bytes(direct, share, loop, head, &offset));
    step->src_offset = step->dst_offset = offset;
    if (heads)
        head_step(direct, stream, place, owner && part == 0, step);
    else
        piece_step(direct, stream, place, head, step);
    return true;
}

static void
set_ends(Direct *direct)
{
    const FabNetwork *network = &direct->network;
    uint32_t count = network->channels * network->heads * network->ranks;

    direct->ups = g_new(FabEnd, count);
    direct->downs = g_new(FabEnd, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = i % network->local, node = i / network->local % network->nodes;
        uint32_t head = i / network->ranks % network->heads;
        uint32_t place = slot == 0 ? head : slot <= head ? slot - 1 : slot;
        direct->ups[i] = (FabEnd) { network->connections + i, node * network->local + place };
        direct->downs[i] = (FabEnd) { network->connections + count + i, node * network->local + place };
    }
}

FabProgram *
fab_collnet_direct_emit(const FabCollectiveSpec *spec, GError **error)
{
    uint32_t heads = MIN(fab_network_local(spec), MOST_HEADS);
    double ends = 2.0 * spec->channels * heads * spec->ranks;
    g_autofree uint32_t *order = NULL;
    FabProgram *program;
    Direct *direct;

    if (!fab_emit_check_connections(spec, ends + fab_network_count(spec, heads), error))
        return NULL;
    direct = g_new0(Direct, 1);
    order = g_new(uint32_t, (size_t)spec->channels * spec->ranks);
    for (size_t i = 0; i < (size_t)spec->channels * spec->ranks; i++)
        order[i] = (uint32_t)(i % spec->ranks);
    fab_network_init(&direct->network, spec, heads, order);
    set_ends(direct);
    direct->chunk = fab_emit_chunk(spec, spec->slots);
    direct->shares = fab_emit_shares(spec, spec->size, heads, direct->chunk);
    program = fab_emit_program(spec, "collnet-direct", direct->network.connections + (uint32_t)ends, direct,
                               direct_free);
    program->step = direct_step;
    program->roles = ROLES;
    for (uint32_t role = 0; role < ROLES; role++)
        program->role_share[role] = 1.0 / ROLES;
    return program;
}
