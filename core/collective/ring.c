#include "collective/emit.h"

/*
 * Rings as NCCL runs them: in every channel the ranks form a ring in the channel's own order, and rank r sends only
 * to the next one. For n ranks:
 *
 *     all_reduce      send; (n-2) recvReduceSend; recvReduceCopySend; (n-2) recvCopySend; recv
 *     reduce_scatter  send; (n-2) recvReduceSend; recvReduceCopy
 *     all_gather      copySend; (n-2) recvCopySend; recv
 *     broadcast       the root copySend; others recvCopySend; the last one recv
 *     reduce          the farthest one send; others recvReduceSend; the root recvReduceCopy
 */

typedef struct {
    uint32_t position, rank_behind, rank_ahead, position_behind;
} Place;

typedef bool (*RingStep)(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step);

typedef struct {
    uint32_t ranks;
    uint32_t root;
    uint32_t steps_per_loop;
    uint64_t size, chunk;
    uint64_t unit;     /* length of the longest rank's piece of all_gather and reduce_scatter */
    uint32_t *order;   /* rank at channel * ranks + position; NULL: rank = position */
    Place *places;     /* of channel * ranks + rank; NULL with `order` */
    FabShare *shares;
    RingStep fused;    /* what one_slot_step() takes apart */
} Ring;

static void
ring_free(gpointer data)
{
    Ring *ring = data;

    g_free(ring->order);
    g_free(ring->places);
    g_free(ring->shares);
    g_free(ring);
}

static inline void
ring_place(const Ring *ring, const FabStream *stream, Place *place)
{
    uint32_t n = ring->ranks;

    if (ring->places != NULL) {
        *place = ring->places[(size_t)stream->channel * n + stream->rank];
        return;
    }
    place->position = stream->rank;
    place->rank_behind = place->position_behind = stream->rank == 0 ? n - 1 : stream->rank - 1;
    place->rank_ahead = stream->rank == n - 1 ? 0 : stream->rank + 1;
}

static inline uint32_t
rank_at(const Ring *ring, uint32_t channel, uint32_t position)
{
    return ring->order == NULL ? position : ring->order[(size_t)channel * ring->ranks + position];
}

static inline void
receive_from_behind(const Ring *ring, const FabStream *stream, const Place *place, FabStep *step)
{
    fab_step_recv(step, stream->channel * ring->ranks + place->position_behind, place->rank_behind);
}

static inline void
send_ahead(const Ring *ring, const FabStream *stream, const Place *place, FabStep *step)
{
    fab_step_send(step, stream->channel * ring->ranks + place->position, place->rank_ahead);
}

/* `position` - `back`, for back up to 2 * ranks. */
static inline uint32_t
steps_back(const Ring *ring, uint32_t position, uint32_t back)
{
    uint32_t n = ring->ranks, at = position + 2 * n - back;

    if (at >= n)
        at -= n;
    return at >= n ? at - n : at;
}

static bool
all_reduce_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Ring *ring = program->data;
    const FabShare *share = &ring->shares[stream->channel];
    uint32_t n = ring->ranks, j;
    uint64_t loop = fab_emit_split(index, ring->steps_per_loop, &j);
    uint64_t chunk, offset;
    Place place;

    if (loop >= share->loops)
        return false;
    ring_place(ring, stream, &place);
    chunk = loop + 1 == share->loops ? share->last_chunk : ring->chunk;
    offset = loop * ring->chunk * n + chunk * steps_back(ring, place.position, j + 1);
    fab_step_begin(step, fab_emit_clip(offset, chunk, share->bytes));
    offset += share->offset;
    if (j > 0)
        receive_from_behind(ring, stream, &place, step);
    if (j < n) {
        step->src = FAB_BUFFER_INPUT;
        step->src_offset = offset;
    }
    if (j >= n - 1) {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = offset;
    }
    if (j < 2 * n - 2)
        send_ahead(ring, stream, &place, step);
    return true;
}

/* A step of all_gather and reduce_scatter, which go round n ranks once a loop. */
typedef struct {
    uint32_t number; /* in the loop */
    Place place;
    uint64_t in_piece, in_buffer; /* where its bytes lie in the rank's own piece and in the buffer of all pieces */
} PieceStep;

/*
 * Starts the step about the channel's part of the piece of the rank that is `back` and the step's number behind. Every
 * piece is taken to be as long as the first one; what lies beyond the end of the buffer is cut off, so that all ranks
 * have equally many loops.
 */
static inline bool
piece_begin(const Ring *ring, const FabStream *stream, uint64_t index, uint32_t back, FabStep *step, PieceStep *at)
{
    const FabShare *share = &ring->shares[stream->channel];
    uint64_t loop = fab_emit_split(index, ring->ranks, &at->number), in_share = loop * ring->chunk;
    uint32_t owner;

    if (loop >= share->loops)
        return false;
    ring_place(ring, stream, &at->place);
    owner = rank_at(ring, stream->channel, steps_back(ring, at->place.position, at->number + back));
    at->in_piece = share->offset + in_share;
    at->in_buffer = ring->unit * owner + at->in_piece;
    fab_step_begin(step, fab_emit_clip(at->in_buffer, fab_emit_clip(in_share, ring->chunk, share->bytes), ring->size));
    return true;
}

static bool
all_gather_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Ring *ring = program->data;
    PieceStep at;

    if (!piece_begin(ring, stream, index, 0, step, &at))
        return false;
    step->dst = FAB_BUFFER_OUTPUT;
    step->dst_offset = at.in_buffer;
    if (at.number == 0) {
        step->src = FAB_BUFFER_INPUT;
        step->src_offset = at.in_piece;
    } else {
        receive_from_behind(ring, stream, &at.place, step);
    }
    if (at.number < ring->ranks - 1)
        send_ahead(ring, stream, &at.place, step);
    return true;
}

static bool
reduce_scatter_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Ring *ring = program->data;
    PieceStep at;

    if (!piece_begin(ring, stream, index, 1, step, &at))
        return false;
    step->src = FAB_BUFFER_INPUT;
    step->src_offset = at.in_buffer;
    if (at.number > 0)
        receive_from_behind(ring, stream, &at.place, step);
    if (at.number < ring->ranks - 1) {
        send_ahead(ring, stream, &at.place, step);
    } else {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = at.in_piece;
    }
    return true;
}

/* Starts a step of broadcast and reduce, which have one a loop. Returns how far the rank is ahead of the root. */
static inline bool
rooted_begin(const Ring *ring, const FabStream *stream, uint64_t index, FabStep *step, Place *place,
             uint32_t *distance)
{
    const FabShare *share = &ring->shares[stream->channel];
    Place root;

    if (index >= share->loops)
        return false;
    ring_place(ring, stream, place);
    ring_place(ring, &(FabStream) { ring->root, stream->channel, 0 }, &root);
    *distance = place->position >= root.position ? place->position - root.position
                                                 : place->position + ring->ranks - root.position;
    fab_step_begin(step, fab_emit_clip(index * ring->chunk, ring->chunk, share->bytes));
    step->src_offset = step->dst_offset = share->offset + index * ring->chunk;
    return true;
}

static bool
broadcast_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Ring *ring = program->data;
    uint32_t distance;
    Place place;

    if (!rooted_begin(ring, stream, index, step, &place, &distance))
        return false;
    step->dst = FAB_BUFFER_OUTPUT;
    if (distance == 0)
        step->src = FAB_BUFFER_INPUT;
    else
        receive_from_behind(ring, stream, &place, step);
    if (distance < ring->ranks - 1)
        send_ahead(ring, stream, &place, step);
    return true;
}

static bool
reduce_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Ring *ring = program->data;
    uint32_t distance;
    Place place;

    if (!rooted_begin(ring, stream, index, step, &place, &distance))
        return false;
    step->src = FAB_BUFFER_INPUT;
    if (distance != 1)
        receive_from_behind(ring, stream, &place, step);
    if (distance == 0)
        step->dst = FAB_BUFFER_OUTPUT;
    else
        send_ahead(ring, stream, &place, step);
    return true;
}

/*
 * With one slot, every rank's first send fills its FIFO, and then nobody can receive and send in one step. So the
 * first rank of the ring takes such steps apart: it receives into a buffer, which frees a slot, and then sends.
 * Every loop begins with a pure send and ends with a pure receive; what lies between is taken apart.
 */
static bool
one_slot_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Ring *ring = program->data;
    uint32_t steps = ring->steps_per_loop, j;
    uint64_t loop;
    Place place;

    ring_place(ring, stream, &place);
    if (place.position != 0)
        return ring->fused(program, stream, index, step);
    loop = fab_emit_split(index, 2 * steps - 2, &j);
    if (!ring->fused(program, stream, loop * steps + (j + 1) / 2, step))
        return false;
    if (step->recv_count == 0 || step->send_count == 0)
        return true;
    if (step->dst == FAB_BUFFER_NONE) {
        step->dst = FAB_BUFFER_SCRATCH;
        step->dst_offset = stream->channel * ring->chunk;
    }
    if (j % 2 == 1) {
        step->send_count = 0;
    } else {
        step->recv_count = 0;
        step->src = step->dst;
        step->src_offset = step->dst_offset;
        step->dst = FAB_BUFFER_NONE;
    }
    return true;
}

/* ------------------------------------------------------------------ turning */

static bool
ring_joins(const FabProgram *program, uint32_t connection, uint32_t *from, uint32_t *to)
{
    const Ring *ring = program->data;
    uint32_t channel = connection / ring->ranks, position = connection % ring->ranks;

    *from = rank_at(ring, channel, position);
    *to = rank_at(ring, channel, position + 1 == ring->ranks ? 0 : position + 1);
    return true;
}

static uint32_t
ring_folded(const FabProgram *program, uint32_t connection, uint32_t period)
{
    const Ring *ring = program->data;
    uint32_t channel = connection / ring->ranks;

    return channel * period + rank_at(ring, channel, connection % ring->ranks) % period;
}

/* Whether the ranks `turn` places further on are those `turn` further on. */
static bool
order_turns(const Ring *ring, uint32_t channels, uint32_t turn)
{
    uint32_t n = ring->ranks;

    for (uint32_t c = 0; c < channels; c++) {
        for (uint32_t p = 0; p < n; p++) {
            uint32_t there = rank_at(ring, c, (p + turn) % n);
            if (there != (rank_at(ring, c, p) + turn) % n)
                return false;
        }
    }
    return true;
}

/* Whether the pieces of all ranks are equally long in every loop. */
static bool
pieces_are_even(const Ring *ring, const FabCollectiveSpec *spec)
{
    if (spec->collective == FAB_ALL_GATHER || spec->collective == FAB_REDUCE_SCATTER)
        return ring->unit * ring->ranks == spec->size;
    for (uint32_t c = 0; c < spec->channels; c++) {
        const FabShare *share = &ring->shares[c];
        uint64_t whole = share->loops > 0 ? ((share->loops - 1) * ring->chunk + share->last_chunk) * ring->ranks : 0;
        if (whole != share->bytes)
            return false;
    }
    return spec->collective == FAB_ALL_REDUCE || spec->collective == FAB_BARRIER;
}

static uint32_t
ring_turn(const Ring *ring, const FabCollectiveSpec *spec)
{
    uint32_t local = spec->ranks_per_node;

    if (spec->slots == 1 || !pieces_are_even(ring, spec))
        return 0;
    if (order_turns(ring, spec->channels, 1))
        return 1;
    return local > 1 && order_turns(ring, spec->channels, local) ? local : 0;
}

/*
 * In every loop all steps but the first, which receives nothing, and the last, which sends nothing, are alike: they
 * receive a piece from behind and send it ahead.
 */
static uint64_t
ring_alike(const FabProgram *program, const FabStream *stream, uint64_t index)
{
    const Ring *ring = program->data;
    uint32_t j;
    uint64_t loop = fab_emit_split(index, ring->steps_per_loop, &j);

    (void)stream;
    return j == 0 || j + 1 == ring->steps_per_loop ? index + 1 : (loop + 1) * ring->steps_per_loop - 1;
}

/* ------------------------------------------------------------------ set-up */

static void
copy_order(Ring *ring, const FabCollectiveSpec *spec)
{
    size_t count = (size_t)spec->channels * spec->ranks;
    uint32_t n = spec->ranks;

    ring->order = g_memdup2(spec->order, count * sizeof *spec->order);
    ring->places = g_new(Place, count);
    for (uint32_t c = 0; c < spec->channels; c++) {
        const uint32_t *order = ring->order + (size_t)c * n;

        for (uint32_t p = 0; p < n; p++) {
            uint32_t behind = p == 0 ? n - 1 : p - 1;

            ring->places[(size_t)c * n + order[p]] = (Place) {
                .position = p,
                .position_behind = behind,
                .rank_behind = order[behind],
                .rank_ahead = order[p == n - 1 ? 0 : p + 1],
            };
        }
    }
}

static Ring *
ring_new(const FabCollectiveSpec *spec)
{
    Ring *ring = g_new0(Ring, 1);
    uint64_t start, bytes = spec->size;
    uint32_t pieces = 1;
    /* In a closed ring n chunks are under way; one slot more than they fill keeps them moving. */
    bool closed = spec->collective != FAB_BROADCAST && spec->collective != FAB_REDUCE;

    ring->ranks = spec->ranks;
    ring->root = spec->root;
    ring->size = spec->size;
    ring->chunk = closed ? fab_emit_chunk(spec, MAX(spec->slots, 2) - 1) : spec->chunk_bytes;
    if (spec->collective == FAB_ALL_REDUCE || spec->collective == FAB_BARRIER) {
        ring->steps_per_loop = 2 * spec->ranks - 1;
        pieces = spec->ranks;
    } else if (closed) {
        ring->steps_per_loop = spec->ranks;
        fab_piece(spec->size, spec->ranks, 0, &start, &ring->unit);
        bytes = ring->unit;
    }
    ring->shares = fab_emit_shares(spec, bytes, pieces, ring->chunk);
    if (spec->order != NULL)
        copy_order(ring, spec);
    return ring;
}

FabProgram *
fab_ring_emit(const FabCollectiveSpec *spec, GError **error)
{
    static const RingStep steps[FAB_COLLECTIVE_COUNT] = {
        [FAB_ALL_REDUCE] = all_reduce_step,         [FAB_ALL_GATHER] = all_gather_step,
        [FAB_REDUCE_SCATTER] = reduce_scatter_step, [FAB_BROADCAST] = broadcast_step,
        [FAB_REDUCE] = reduce_step,                 [FAB_BARRIER] = all_reduce_step,
    };
    FabProgram *program;
    Ring *ring;

    if (!fab_emit_check_connections(spec, (double)spec->channels * spec->ranks, error))
        return NULL;
    ring = ring_new(spec);
    program = fab_emit_program(spec, "ring", spec->channels * spec->ranks, ring, ring_free);
    program->step = ring->fused = steps[spec->collective];
    program->turn = ring_turn(ring, spec);
    program->joins = ring_joins;
    program->folded = ring_folded;
    if (spec->slots > 1 && pieces_are_even(ring, spec))
        program->alike = ring_alike;
    if (spec->slots == 1 && ring->steps_per_loop > 0) {
        program->step = one_slot_step;
        program->scratch_bytes = spec->channels * ring->chunk;
    }
    return program;
}
