#include "collective/network.h"

/*
 * NCCL's CollNet Chain: in every node the ranks form a chain in the channel's order, whose first rank is the head. Data
 * is reduced along the chain to the head, over the nodes by the network, and comes back the same way. Role 0 goes up,
 * role 1 comes down.
 */

enum { UP, DOWN, ROLES };

typedef struct {
    FabNetwork network; /* one head in each node: the place at the front of its chain */
    uint32_t *position; /* in the chain, of channel * ranks + rank */
    uint32_t *order;    /* rank at channel * ranks + node * local + position */
    uint64_t chunk;
    FabShare *shares;
} Chain;

static void
chain_free(gpointer data)
{
    Chain *chain = data;

    fab_network_clear(&chain->network);
    g_free(chain->position);
    g_free(chain->order);
    g_free(chain->shares);
    g_free(chain);
}

/* The link between `rank` and the one before it in the chain. */
static inline uint32_t
edge(const Chain *chain, uint32_t channel, uint32_t rank, uint32_t role)
{
    return chain->network.connections + (channel * chain->network.ranks + rank) * ROLES + role;
}

static uint32_t
rank_at(const Chain *chain, uint32_t channel, uint32_t node, uint32_t position)
{
    return chain->order[(size_t)channel * chain->network.ranks + node * chain->network.local + position];
}

static void
go_up(const Chain *chain, const FabStream *stream, uint32_t node, uint32_t position, FabStep *step)
{
    step->src = FAB_BUFFER_INPUT;
    if (position + 1 < chain->network.local) {
        uint32_t below = rank_at(chain, stream->channel, node, position + 1);
        fab_step_recv(step, edge(chain, stream->channel, below, UP), below);
    }
    if (position > 0)
        fab_step_send(step, edge(chain, stream->channel, stream->rank, UP),
                      rank_at(chain, stream->channel, node, position - 1));
    else
        fab_network_give(&chain->network, stream->channel, 0, node, step);
}

static void
come_down(const Chain *chain, const FabStream *stream, uint32_t node, uint32_t position, FabStep *step)
{
    step->dst = FAB_BUFFER_OUTPUT;
    if (position > 0)
        fab_step_recv(step, edge(chain, stream->channel, stream->rank, DOWN),
                      rank_at(chain, stream->channel, node, position - 1));
    else
        fab_network_take(&chain->network, stream->channel, 0, node, step);
    if (position + 1 < chain->network.local) {
        uint32_t below = rank_at(chain, stream->channel, node, position + 1);
        fab_step_send(step, edge(chain, stream->channel, below, DOWN), below);
    }
}

static bool
chain_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Chain *chain = program->data;
    const FabShare *share = &chain->shares[stream->channel];
    uint32_t node = stream->rank / chain->network.local;
    uint32_t position = chain->position[(size_t)stream->channel * chain->network.ranks + stream->rank];
    bool owner =
        stream->role == DOWN && position == 0 && fab_network_owner(&chain->network, stream->channel, 0) == node;
    uint32_t phase = 1;
    uint64_t loop = owner ? fab_emit_split(index, 2, &phase) : index;

    if (loop >= share->loops)
        return false;
    fab_step_begin(step, fab_emit_clip(loop * chain->chunk, chain->chunk, share->bytes));
    if (owner && phase == 0) {
        fab_network_exchange(&chain->network, stream->channel, 0, step);
        return true;
    }
    step->src_offset = step->dst_offset = share->offset + loop * chain->chunk;
    if (stream->role == UP)
        go_up(chain, stream, node, position, step);
    else
        come_down(chain, stream, node, position, step);
    return true;
}

/* The chain of a node: its ranks in the order in which the channel's ring passes them. */
static void
set_order(Chain *chain, const FabCollectiveSpec *spec)
{
    uint32_t n = spec->ranks, local = chain->network.local;
    g_autofree uint32_t *filled = g_new(uint32_t, chain->network.nodes);

    for (uint32_t c = 0; c < spec->channels; c++) {
        size_t base = (size_t)c * n;
        memset(filled, 0, chain->network.nodes * sizeof *filled);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t rank = spec->order != NULL ? spec->order[base + i] : i, node = rank / local;
            chain->position[base + rank] = filled[node];
            chain->order[base + (size_t)node * local + filled[node]++] = rank;
        }
    }
}

FabProgram *
fab_collnet_chain_emit(const FabCollectiveSpec *spec, GError **error)
{
    double links = (double)ROLES * spec->channels * spec->ranks;
    FabProgram *program;
    Chain *chain;

    if (!fab_emit_check_connections(spec, links + fab_network_count(spec, 1), error))
        return NULL;
    chain = g_new0(Chain, 1);
    chain->position = g_new(uint32_t, (size_t)spec->channels * spec->ranks);
    chain->order = g_new(uint32_t, (size_t)spec->channels * spec->ranks);
    chain->network.local = fab_network_local(spec);
    chain->network.nodes = spec->ranks / chain->network.local;
    set_order(chain, spec);
    fab_network_init(&chain->network, spec, 1, chain->order);
    chain->chunk = fab_emit_chunk(spec, spec->slots);
    chain->shares = fab_emit_shares(spec, spec->size, 1, chain->chunk);
    program = fab_emit_program(spec, "collnet-chain", chain->network.connections + (uint32_t)links, chain, chain_free);
    program->step = chain_step;
    program->roles = ROLES;
    program->role_share[UP] = program->role_share[DOWN] = 0.5;
    return program;
}
