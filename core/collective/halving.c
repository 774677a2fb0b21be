#include "collective/emit.h"

#include "base/error.h"

/*
 * Recursive halving and doubling (Thakur, Rabenseifner, Gropp 2005). The channel's share is cut into as many blocks as
 * there are ranks, a power of two. reduce_scatter: in each round a rank exchanges with one partner half of the blocks
 * it is still responsible for, adds what it receives, and keeps that half. all_gather runs the rounds backwards, and
 * the blocks double. all_reduce does one after the other.
 *
 * Partners of all_reduce are nearest first, when there is most to exchange; in the other two the blocks are the
 * ranks' own pieces, so that the farthest partner comes first or last. Both are one schedule over numbers `v` in which
 * round k's partner is v xor (ranks / 2 >> k): v is the rank itself, or the rank with its bits reversed.
 *
 * For all_reduce of another number of ranks, the odd ones of the first ranks hand their data to the neighbour before
 * and get the result after; the others are the `core`.
 *
 * A round alternates chunks sent and received. A chunk takes no more slices than there are slots, so both partners'
 * sends fit in the FIFOs and neither waits for the other's receive.
 */

typedef struct {
    uint64_t end;      /* step number after the round, counted from the first round's first step */
    uint32_t distance; /* between partners' v, and the number of blocks that each sends */
    uint32_t dimension;
    bool gathers;
} Round;

typedef struct {
    uint64_t block;  /* distance between blocks */
    uint64_t offset, bytes; /* contiguous: of the channel in the buffer; otherwise: in each block */
    uint64_t chunks; /* contiguous: of all bytes; otherwise: of one block */
} Lane;

typedef struct {
    FabCollective collective;
    uint32_t ranks, core, bits, extras; /* core: a power of two, 2^bits; extras: ranks beyond it */
    bool contiguous;      /* a channel's part of neighbouring blocks is one piece */
    uint64_t size, chunk;
    uint32_t round_count;
    Lane *lanes;          /* of each channel */
    Round *rounds;        /* channel * round_count + round */
} Halving;

/* A stream's place in the schedule. */
typedef struct {
    uint32_t v, partner;  /* partner: rank */
    uint64_t mine, theirs; /* first blocks of what this rank and its partner are responsible for after halving */
} Pairing;

static void
halving_free(gpointer data)
{
    Halving *halving = data;

    g_free(halving->lanes);
    g_free(halving->rounds);
    g_free(halving);
}

static inline uint32_t
reverse_bits(uint32_t value, uint32_t bits)
{
    value = (value >> 1 & 0x55555555u) | (value & 0x55555555u) << 1;
    value = (value >> 2 & 0x33333333u) | (value & 0x33333333u) << 2;
    value = (value >> 4 & 0x0f0f0f0fu) | (value & 0x0f0f0f0fu) << 4;
    value = (value >> 8 & 0x00ff00ffu) | (value & 0x00ff00ffu) << 8;
    value = value >> 16 | value << 16;
    return value >> (32 - bits);
}

static inline Pairing
pairing_find(const Halving *halving, uint32_t rank, uint32_t distance)
{
    bool reversed = halving->collective == FAB_ALL_REDUCE;
    uint32_t in_core = rank < 2 * halving->extras ? rank / 2 : rank - halving->extras;
    Pairing pairing = { .v = reversed ? reverse_bits(in_core, halving->bits) : in_core };
    uint32_t partner = pairing.v ^ distance;

    pairing.mine = pairing.v & ~(distance - 1);
    pairing.theirs = partner & ~(distance - 1);
    partner = reversed ? reverse_bits(partner, halving->bits) : partner;
    pairing.partner = partner < halving->extras ? 2 * partner : partner + halving->extras;
    return pairing;
}

/* Where chunk `item` of the blocks from `first` on lies in the buffer; returns its length. */
static inline uint64_t
locate(const Halving *halving, const Lane *lane, uint64_t first, uint32_t blocks, uint64_t item, uint64_t *offset)
{
    uint64_t start, end;

    if (halving->contiguous) {
        start = first * lane->block + item * halving->chunk;
        end = MIN((first + blocks) * lane->block, lane->bytes);
        *offset = lane->offset + start;
        return fab_emit_clip(start, halving->chunk, end);
    }
    start = item % lane->chunks * halving->chunk;
    *offset = (first + item / lane->chunks) * lane->block + lane->offset + start;
    return fab_emit_clip(*offset, fab_emit_clip(start, halving->chunk, lane->bytes), halving->size);
}

/* A chunk that a rank exchanges with its partner of a round. */
typedef struct {
    const Lane *lane;
    const Round *round;
    Pairing pairing;
    bool first; /* nobody has added to it */
    uint64_t item;
} Exchange;

static void
send_step(const Halving *halving, const Exchange *exchange, FabStep *step)
{
    const Lane *lane = exchange->lane;
    const Pairing *pairing = &exchange->pairing;
    uint64_t from = exchange->round->gathers ? pairing->mine : pairing->theirs, offset;

    fab_step_begin(step, locate(halving, lane, from, exchange->round->distance, exchange->item, &offset));
    step->src_offset = offset;
    if (!exchange->first) {
        step->src = halving->collective == FAB_REDUCE_SCATTER ? FAB_BUFFER_SCRATCH : FAB_BUFFER_OUTPUT;
        return;
    }
    step->src = FAB_BUFFER_INPUT;
    if (halving->collective == FAB_ALL_GATHER) {
        step->src_offset = offset - pairing->v * lane->block;
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = offset;
    }
}

static void
receive_step(const Halving *halving, const Exchange *exchange, FabStep *step)
{
    const Lane *lane = exchange->lane;
    const Round *round = exchange->round;
    const Pairing *pairing = &exchange->pairing;
    uint64_t from = round->gathers ? pairing->theirs : pairing->mine, offset;
    uint8_t sums = halving->collective == FAB_REDUCE_SCATTER ? FAB_BUFFER_SCRATCH : FAB_BUFFER_OUTPUT;

    fab_step_begin(step, locate(halving, lane, from, round->distance, exchange->item, &offset));
    step->dst = sums;
    step->dst_offset = offset;
    if (round->gathers)
        return;
    step->src = exchange->first ? FAB_BUFFER_INPUT : sums;
    step->src_offset = offset;
    if (halving->collective == FAB_REDUCE_SCATTER && round->distance == 1) {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = offset - pairing->v * lane->block;
    }
}

static inline uint32_t
connection_id(const Halving *halving, uint32_t channel, uint32_t sender, uint32_t dimension)
{
    return (channel * halving->ranks + sender) * (halving->bits + 1) + dimension;
}

/* Step `index` of the core's rounds, which the caller knows to exist. */
static void
core_step(const Halving *halving, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Round *rounds = &halving->rounds[(size_t)stream->channel * halving->round_count];
    bool folded = stream->rank < 2 * halving->extras;
    Exchange exchange;
    uint32_t k = 0, partner;

    while (index >= rounds[k].end)
        k++;
    if (k > 0)
        index -= rounds[k - 1].end;
    exchange = (Exchange) { .lane = &halving->lanes[stream->channel], .round = &rounds[k],
                            .pairing = pairing_find(halving, stream->rank, rounds[k].distance),
                            .first = k == 0 && !folded, .item = index / 2 };
    partner = exchange.pairing.partner;
    if (index % 2 == 0) {
        send_step(halving, &exchange, step);
        fab_step_send(step, connection_id(halving, stream->channel, stream->rank, rounds[k].dimension), partner);
    } else {
        receive_step(halving, &exchange, step);
        fab_step_recv(step, connection_id(halving, stream->channel, partner, rounds[k].dimension), partner);
    }
}

/* The steps before and after the rounds, between an even rank of the core and the odd one behind it. */
static void
fold_step(const Halving *halving, const FabStream *stream, uint64_t item, bool before, FabStep *step)
{
    const Lane *lane = &halving->lanes[stream->channel];
    bool in_core = stream->rank % 2 == 0;
    uint32_t partner = in_core ? stream->rank + 1 : stream->rank - 1;
    uint64_t offset;

    fab_step_begin(step, locate(halving, lane, 0, halving->core, item, &offset));
    step->src_offset = step->dst_offset = offset;
    if (in_core == before) {
        fab_step_recv(step, connection_id(halving, stream->channel, partner, halving->bits), partner);
        step->dst = FAB_BUFFER_OUTPUT;
        step->src = before ? FAB_BUFFER_INPUT : FAB_BUFFER_NONE;
    } else {
        fab_step_send(step, connection_id(halving, stream->channel, stream->rank, halving->bits), partner);
        step->src = before ? FAB_BUFFER_INPUT : FAB_BUFFER_OUTPUT;
    }
}

static bool
halving_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Halving *halving = program->data;
    const Round *rounds = &halving->rounds[(size_t)stream->channel * halving->round_count];
    bool folds = stream->rank < 2 * halving->extras;
    uint64_t fold = folds ? halving->lanes[stream->channel].chunks : 0;
    uint64_t middle = folds && stream->rank % 2 == 1 ? 0 : rounds[halving->round_count - 1].end;

    if (index < fold) {
        fold_step(halving, stream, index, true, step);
    } else if (index < fold + middle) {
        core_step(halving, stream, index - fold, step);
    } else if (index < fold + middle + fold) {
        fold_step(halving, stream, index - fold - middle, false, step);
    } else {
        return false;
    }
    return true;
}

/* The blocks of each channel and the lengths of its rounds. */
static void
plan(Halving *halving, const FabCollectiveSpec *spec)
{
    uint64_t start, unit, end;

    fab_piece(spec->size, spec->ranks, 0, &start, &unit);
    for (uint32_t c = 0; c < spec->channels; c++) {
        Lane *lane = &halving->lanes[c];
        Round *rounds = &halving->rounds[(size_t)c * halving->round_count];

        if (halving->contiguous) {
            fab_piece(spec->size, spec->channels, c, &lane->offset, &lane->bytes);
            fab_piece(lane->bytes, halving->core, 0, &start, &lane->block);
        } else {
            fab_piece(unit, spec->channels, c, &lane->offset, &lane->bytes);
            lane->block = unit;
        }
        lane->chunks = fab_emit_ceil_div(lane->bytes, halving->chunk);
        end = 0;
        for (uint32_t k = 0; k < halving->round_count; k++) {
            bool gathers = spec->collective == FAB_ALL_GATHER || k >= halving->bits;
            uint32_t dimension = gathers ? halving->round_count - 1 - k : k;
            uint32_t distance = halving->core >> (dimension + 1);
            uint64_t bytes = MIN(distance * lane->block, lane->bytes);
            uint64_t chunks = halving->contiguous ? fab_emit_ceil_div(bytes, halving->chunk)
                                                  : distance * lane->chunks;

            end += 2 * chunks;
            rounds[k] = (Round) { end, distance, dimension, gathers };
        }
    }
}

static Halving *
halving_new(const FabCollectiveSpec *spec)
{
    Halving *halving = g_new0(Halving, 1);

    halving->collective = spec->collective;
    halving->ranks = spec->ranks;
    halving->core = 1;
    for (; halving->core * 2 <= spec->ranks; halving->core *= 2)
        halving->bits++;
    halving->extras = spec->ranks - halving->core;
    halving->size = spec->size;
    halving->chunk = fab_emit_chunk(spec, spec->slots);
    halving->contiguous = spec->collective == FAB_ALL_REDUCE || spec->channels == 1;
    halving->round_count = spec->collective == FAB_ALL_REDUCE ? 2 * halving->bits : halving->bits;
    halving->lanes = g_new0(Lane, spec->channels);
    halving->rounds = g_new0(Round, (size_t)spec->channels * halving->round_count);
    plan(halving, spec);
    return halving;
}

FabProgram *
fab_halving_emit(const FabCollectiveSpec *spec, GError **error)
{
    Halving *halving;
    FabProgram *program;
    uint32_t connections;

    if (spec->collective != FAB_ALL_REDUCE && (spec->ranks & (spec->ranks - 1)) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "halving-doubling %s: %u ranks are not a power of two, which its pieces need; ring and pairwise "
                    "take any number", fab_collective_names[spec->collective], spec->ranks);
        return NULL;
    }
    halving = halving_new(spec);
    if (!fab_emit_check_connections(spec, (double)spec->channels * spec->ranks * (halving->bits + 1), error)) {
        halving_free(halving);
        return NULL;
    }
    connections = spec->channels * spec->ranks * (halving->bits + 1);
    program = fab_emit_program(spec, "halving-doubling", connections, halving, halving_free);
    program->step = halving_step;
    if (spec->collective == FAB_REDUCE_SCATTER && halving->bits > 1)
        program->scratch_bytes = spec->size;
    return program;
}
