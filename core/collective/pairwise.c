#include "collective/emit.h"

/*
 * Point-to-point transfers as NCCL schedules them inside one machine: in round d every rank sends to the one d ahead
 * and receives from the one d behind; role 0 sends, role 1 receives. Rounds are spread over channels: with fewer
 * channels than ranks, channel c has the rounds d = c, c + channels, ...; with more, several channels (`parts`) divide
 * the bytes of each round. Round 0 is the rank's own piece, which role 0 copies.
 *
 * Every round of a stream has equally many steps, so that a step's number tells its round by one division; the steps
 * that a short piece does not need only exchange counters.
 *
 * reduce_scatter adds what it receives to the output, round after round. So that two channels never add to the same
 * bytes, there each channel has all rounds for its part of the bytes.
 */

enum { SENDS, RECEIVES, ROLES };

typedef struct {
    FabCollective collective;
    bool one_way;
    uint32_t ranks, root;
    uint32_t parts, lanes; /* channels that divide a round's bytes; channels that divide the rounds */
    uint64_t steps_per_round;
    uint64_t size, chunk;
    uint64_t unit;    /* length of the longest transfer */
    FabShare *shares; /* of the longest transfer among `parts` */
} Pairwise;

/* One transfer: offset in the sender's input and in the receiver's output, and length. */
typedef struct {
    uint32_t from, to;
    uint64_t src, dst, bytes;
} Transfer;

/* The rounds of a stream: first, first + lanes, ... */
typedef struct {
    uint32_t first, count;
} Rounds;

static void
pairwise_free(gpointer data)
{
    Pairwise *pairwise = data;

    g_free(pairwise->shares);
    g_free(pairwise);
}

/* The rounds of one lane when a rank deals with all others. */
static Rounds
all_rounds(const Pairwise *pairwise, uint32_t lane, bool with_own)
{
    uint32_t n = pairwise->ranks;
    Rounds rounds = { lane == 0 && !with_own ? pairwise->lanes : lane, 0 };

    if (rounds.first < n)
        rounds.count = (n - 1 - rounds.first) / pairwise->lanes + 1;
    return rounds;
}

/* Gather and scatter: the root deals with all others, each of them only with the root. */
static Rounds
rooted_rounds(const Pairwise *pairwise, const FabStream *stream, uint32_t lane)
{
    uint32_t n = pairwise->ranks, own;
    uint32_t root_role = pairwise->collective == FAB_SCATTER ? SENDS : RECEIVES;

    if (stream->rank == pairwise->root) {
        if (stream->role == root_role)
            return all_rounds(pairwise, lane, root_role == SENDS);
        return (Rounds) { 0, stream->role == SENDS && lane == 0 ? 1 : 0 };
    }
    if (stream->role == root_role)
        return (Rounds) { 0, 0 };
    own = root_role == SENDS ? stream->rank + n - pairwise->root : pairwise->root + n - stream->rank;
    own = own >= n ? own - n : own;
    return (Rounds) { own, own % pairwise->lanes == lane ? 1 : 0 };
}

static inline Rounds
stream_rounds(const Pairwise *pairwise, const FabStream *stream, uint32_t lane)
{
    switch (pairwise->collective) {
    case FAB_SEND_RECV:
        return (Rounds) { 1, !pairwise->one_way || stream->rank != (stream->role == SENDS ? pairwise->ranks - 1 : 0) };
    case FAB_GATHER:
    case FAB_SCATTER:
        return rooted_rounds(pairwise, stream, lane);
    case FAB_REDUCE_SCATTER:
        return all_rounds(pairwise, lane, false);
    default:
        return all_rounds(pairwise, lane, stream->role == SENDS);
    }
}

static inline Transfer
transfer_find(const Pairwise *pairwise, const FabStream *stream, uint32_t round)
{
    uint32_t n = pairwise->ranks;
    Transfer transfer = { .from = stream->rank, .to = stream->rank };
    uint32_t owner;

    if (stream->role == SENDS)
        transfer.to = stream->rank + round >= n ? stream->rank + round - n : stream->rank + round;
    else
        transfer.from = stream->rank >= round ? stream->rank - round : stream->rank + n - round;
    if (pairwise->collective == FAB_SEND_RECV) {
        transfer.bytes = pairwise->size;
        return transfer;
    }
    owner = transfer.to;
    if (pairwise->collective == FAB_GATHER || pairwise->collective == FAB_ALL_GATHER) {
        owner = transfer.from;
        transfer.dst = pairwise->unit * owner;
    } else {
        transfer.src = pairwise->unit * owner;
        transfer.dst = pairwise->collective == FAB_ALL_TO_ALL ? pairwise->unit * transfer.from : 0;
    }
    transfer.bytes = fab_emit_clip(pairwise->unit * owner, pairwise->unit, pairwise->size);
    return transfer;
}

static inline uint32_t
connection_id(const Pairwise *pairwise, const Transfer *transfer, uint32_t round, uint32_t part)
{
    uint32_t pair = round - 1;

    if (pairwise->collective == FAB_SEND_RECV)
        pair = transfer->from;
    else if (pairwise->collective != FAB_GATHER && pairwise->collective != FAB_SCATTER)
        pair += transfer->from * (pairwise->ranks - 1);
    return pair * pairwise->parts + part;
}

static double
connection_count(const FabCollectiveSpec *spec, uint32_t parts)
{
    double others = spec->ranks - 1.0;

    if (spec->collective == FAB_SEND_RECV)
        return (double)spec->ranks * parts;
    if (spec->collective == FAB_GATHER || spec->collective == FAB_SCATTER)
        return others * parts;
    return others * spec->ranks * parts;
}

/* Fills the ends and buffers of a step; `offset` is within the transfer. */
static inline void
fill_step(const Pairwise *pairwise, const FabStream *stream, const Transfer *transfer, uint32_t round,
          uint64_t offset, FabStep *step)
{
    uint32_t part = stream->channel / pairwise->lanes;

    step->src_offset = transfer->src + offset;
    step->dst_offset = transfer->dst + offset;
    if (stream->role == SENDS) {
        step->src = FAB_BUFFER_INPUT;
        if (round == 0)
            step->dst = FAB_BUFFER_OUTPUT;
        else
            fab_step_send(step, connection_id(pairwise, transfer, round, part), transfer->to);
        return;
    }
    fab_step_recv(step, connection_id(pairwise, transfer, round, part), transfer->from);
    step->dst = FAB_BUFFER_OUTPUT;
    if (pairwise->collective == FAB_REDUCE_SCATTER) {
        step->src = round == 1 ? FAB_BUFFER_INPUT : FAB_BUFFER_OUTPUT;
        if (round > 1)
            step->src_offset = step->dst_offset;
    }
}

static bool
pairwise_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Pairwise *pairwise = program->data;
    uint32_t part = stream->channel / pairwise->lanes;
    uint32_t lane = stream->channel - part * pairwise->lanes;
    uint64_t turn = index < pairwise->steps_per_round ? 0 : index / pairwise->steps_per_round;
    uint64_t in_share = (index - turn * pairwise->steps_per_round) * pairwise->chunk;
    const FabShare *share = &pairwise->shares[part];
    Transfer transfer;
    Rounds rounds;
    uint32_t round;

    if (part >= pairwise->parts)
        return false;
    rounds = stream_rounds(pairwise, stream, lane);
    if (turn >= rounds.count)
        return false;
    round = rounds.first + (uint32_t)turn * pairwise->lanes;
    transfer = transfer_find(pairwise, stream, round);
    fab_step_begin(step, fab_emit_clip(share->offset + in_share,
                                       fab_emit_clip(in_share, pairwise->chunk, share->bytes), transfer.bytes));
    fill_step(pairwise, stream, &transfer, round, share->offset + in_share, step);
    return true;
}

/* ------------------------------------------------------------------ turning */

static bool
pairwise_joins(const FabProgram *program, uint32_t connection, uint32_t *from, uint32_t *to)
{
    const Pairwise *pairwise = program->data;
    uint32_t pair = connection / pairwise->parts, n = pairwise->ranks, round = 1;

    *from = pair;
    if (pairwise->collective != FAB_SEND_RECV) {
        *from = pair / (n - 1);
        round = pair % (n - 1) + 1;
    }
    *to = *from + round >= n ? *from + round - n : *from + round;
    return true;
}

static uint32_t
pairwise_folded(const FabProgram *program, uint32_t connection, uint32_t period)
{
    const Pairwise *pairwise = program->data;
    uint32_t each = pairwise->collective == FAB_SEND_RECV ? 1 : pairwise->ranks - 1;
    uint32_t of_rank = each * pairwise->parts;

    return connection / of_rank % period * of_rank + connection % of_rank;
}

static uint32_t
pairwise_turn(const Pairwise *pairwise)
{
    if (pairwise->collective == FAB_SEND_RECV)
        return pairwise->one_way ? 0 : 1;
    if (pairwise->collective == FAB_GATHER || pairwise->collective == FAB_SCATTER)
        return 0;
    return pairwise->unit * pairwise->ranks == pairwise->size ? 1 : 0;
}

FabProgram *
fab_pairwise_emit(const FabCollectiveSpec *spec, GError **error)
{
    bool by_parts = spec->collective == FAB_SEND_RECV || spec->collective == FAB_REDUCE_SCATTER;
    uint32_t lanes = by_parts ? 1 : MIN(spec->channels, spec->ranks);
    FabCollectiveSpec divided = *spec;
    FabProgram *program;
    Pairwise *pairwise;
    uint64_t start;

    divided.channels = spec->channels / lanes;
    if (!fab_emit_check_connections(spec, connection_count(spec, divided.channels), error))
        return NULL;
    pairwise = g_new0(Pairwise, 1);
    *pairwise = (Pairwise) {
        .collective = spec->collective, .one_way = spec->one_way, .ranks = spec->ranks, .root = spec->root,
        .lanes = lanes, .parts = divided.channels, .size = spec->size, .chunk = spec->chunk_bytes, .unit = spec->size,
    };
    if (spec->collective != FAB_SEND_RECV)
        fab_piece(spec->size, spec->ranks, 0, &start, &pairwise->unit);
    pairwise->shares = fab_emit_shares(&divided, pairwise->unit, 1, pairwise->chunk);
    /* The first part is the longest. */
    pairwise->steps_per_round = MAX(pairwise->shares[0].loops, 1);
    program = fab_emit_program(spec, "pairwise", (uint32_t)connection_count(spec, divided.channels), pairwise,
                               pairwise_free);
    program->step = pairwise_step;
    program->turn = pairwise_turn(pairwise);
    program->joins = pairwise_joins;
    program->folded = pairwise_folded;
    program->roles = ROLES;
    /* NCCL gives half of a transfer's warps to each direction. */
    program->role_share[SENDS] = program->role_share[RECEIVES] = 0.5;
    return program;
}
