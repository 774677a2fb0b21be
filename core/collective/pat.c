#include <string.h>

#include "collective/emit.h"

/*
 * NCCL's parallel aggregated trees (PAT). Every rank's piece has its own binomial tree, and all trees are the same but
 * for a shift: the rank at distance x from the piece's owner gets it from distance x - 2^j, where 2^j is the lowest bit
 * of x, and passes it on over every shorter power of two. all_gather sends along these edges, reduce_scatter against
 * them. So in every step each rank sends to the rank 2^j ahead and receives from the one 2^j behind, or the reverse.
 *
 * The farthest edges come first. Where f small pieces fit into one slot, f edges of the same length follow each other
 * (the logarithmic part); what remains of the trees is walked depth first (the linear part), so that few pieces are
 * under way. NCCL packs those f pieces into one slot; here each is a step of its own.
 */

typedef struct {
    uint32_t near, far; /* distances from the owner; far - near is a power of two */
} Edge;

enum { NOT_HELD = -1 };

/* One step of a loop: an edge received over or -1, an edge sent over or -1, and where reduce_scatter keeps its sums. */
typedef struct {
    int32_t recv, send;
    int32_t source, target; /* places in the scratch buffer, NOT_HELD: none */
} Operation;

typedef struct {
    uint32_t ranks, dimensions;
    FabCollective collective;
    uint64_t size, chunk;
    uint64_t unit; /* length of the longest rank's piece */
    uint32_t held; /* sums that a rank keeps at once, for each channel */
    Edge *edges;
    Operation *operations;
    uint32_t operation_count;
    FabShare *shares;
} Pat;

static void
pat_free(gpointer data)
{
    Pat *pat = data;

    g_free(pat->edges);
    g_free(pat->operations);
    g_free(pat->shares);
    g_free(pat);
}

/* ------------------------------------------------------------------ the order of edges */

static void
add_edge(GArray *edges, uint32_t ranks, uint32_t near, uint32_t far)
{
    Edge edge = { near, far };

    if (far < ranks)
        g_array_append_val(edges, edge);
}

/* The subtree below distance `at` of every base, over dimensions below 2^`dimension`; depth first. */
static void
add_linear_part(GArray *edges, const Pat *pat, uint32_t bases, uint32_t stride, uint32_t at, uint32_t dimension)
{
    while (dimension-- > 0) {
        for (uint32_t b = 0; b < bases; b++)
            add_edge(edges, pat->ranks, b * stride + at, b * stride + at + (1u << dimension));
        add_linear_part(edges, pat, bases, stride, at + (1u << dimension), dimension);
    }
}

/* `together` pieces, a power of two, move in one round of the logarithmic part's end and of the linear part. */
static Edge *
edges_new(const Pat *pat, uint32_t together)
{
    GArray *edges = g_array_sized_new(FALSE, FALSE, sizeof(Edge), pat->ranks);
    uint32_t dimension = pat->dimensions;

    for (uint32_t bases = 1; bases < together; bases *= 2) {
        dimension--;
        for (uint32_t b = 0; b < bases; b++)
            add_edge(edges, pat->ranks, b << (dimension + 1), (b << (dimension + 1)) + (1u << dimension));
    }
    add_linear_part(edges, pat, together, 1u << dimension, 0, dimension);
    if (pat->collective == FAB_REDUCE_SCATTER) {
        for (guint i = 0; i < edges->len / 2; i++) {
            Edge held = g_array_index(edges, Edge, i);
            g_array_index(edges, Edge, i) = g_array_index(edges, Edge, edges->len - 1 - i);
            g_array_index(edges, Edge, edges->len - 1 - i) = held;
        }
    }
    return (Edge *) g_array_free(edges, FALSE);
}

/* ------------------------------------------------------------------ from edges to steps */

/* all_gather: what is received over an edge lies at its far end; what is sent comes from the near end. */
static bool
feeds(const Pat *pat, uint32_t edge)
{
    const Edge *this = &pat->edges[edge], *next = this + 1;

    return pat->collective == FAB_ALL_GATHER ? next->near == this->far : next->far == this->near;
}

static void
add_operation(GArray *operations, int32_t recv, int32_t send)
{
    Operation operation = { recv, send, NOT_HELD, NOT_HELD };

    g_array_append_val(operations, operation);
}

/*
 * A step receives over one edge and sends over the next when that passes on what just came. Else the next send goes
 * first, as it need not wait; with a single slot it may not run ahead.
 */
static void
operations_new(Pat *pat, bool ahead)
{
    GArray *operations = g_array_new(FALSE, FALSE, sizeof(Operation));
    int32_t last = (int32_t)pat->ranks - 2;

    add_operation(operations, -1, 0);
    for (int32_t e = 0; e <= last; e++) {
        if (e < last && feeds(pat, (uint32_t)e)) {
            add_operation(operations, e, e + 1);
            continue;
        }
        if (e < last && ahead)
            add_operation(operations, -1, e + 1);
        add_operation(operations, e, -1);
        if (e < last && !ahead)
            add_operation(operations, -1, e + 1);
    }
    pat->operation_count = operations->len;
    pat->operations = (Operation *) g_array_free(operations, FALSE);
}

/* Gives every sum that cannot be passed on at once the lowest free place, from its first part to when it is sent. */
static void
place_sums(Pat *pat)
{
    g_autofree int32_t *place = g_new(int32_t, pat->ranks);
    g_autofree bool *taken = g_new0(bool, pat->ranks);

    memset(place, 0xff, pat->ranks * sizeof *place);
    for (uint32_t i = 0; i < pat->operation_count; i++) {
        Operation *operation = &pat->operations[i];
        uint32_t distance = operation->recv >= 0 ? pat->edges[operation->recv].near : pat->edges[operation->send].far;

        operation->source = place[distance];
        if (operation->send >= 0 || (distance == 0 && operation->recv == (int32_t)pat->ranks - 2)) {
            if (place[distance] != NOT_HELD)
                taken[place[distance]] = false;
            continue;
        }
        if (place[distance] == NOT_HELD) {
            for (place[distance] = 0; taken[place[distance]]; place[distance]++)
                continue;
            taken[place[distance]] = true;
            pat->held = MAX(pat->held, (uint32_t)place[distance] + 1);
        }
        operation->target = place[distance];
    }
}

/* ------------------------------------------------------------------ steps */

/* The connection that leaves `rank` over an edge. */
static inline uint32_t
connection(const Pat *pat, uint32_t channel, uint32_t rank, const Edge *edge)
{
    uint32_t dimension = (uint32_t)__builtin_ctz(edge->far - edge->near);

    return (channel * pat->ranks + rank) * pat->dimensions + dimension;
}

static inline uint32_t
rank_back(const Pat *pat, uint32_t rank, uint32_t distance)
{
    return rank >= distance ? rank - distance : rank + pat->ranks - distance;
}

static inline uint32_t
rank_on(const Pat *pat, uint32_t rank, uint32_t distance)
{
    return rank + distance < pat->ranks ? rank + distance : rank + distance - pat->ranks;
}

/* all_gather goes ahead, reduce_scatter back. */
static void
add_ends(const Pat *pat, const FabStream *stream, const Operation *operation, FabStep *step)
{
    bool gather = pat->collective == FAB_ALL_GATHER;

    if (operation->recv >= 0) {
        const Edge *edge = &pat->edges[operation->recv];
        uint32_t length = edge->far - edge->near;
        uint32_t peer = gather ? rank_back(pat, stream->rank, length) : rank_on(pat, stream->rank, length);
        fab_step_recv(step, connection(pat, stream->channel, peer, edge), peer);
    }
    if (operation->send >= 0) {
        const Edge *edge = &pat->edges[operation->send];
        uint32_t length = edge->far - edge->near;
        uint32_t peer = gather ? rank_on(pat, stream->rank, length) : rank_back(pat, stream->rank, length);
        fab_step_send(step, connection(pat, stream->channel, stream->rank, edge), peer);
    }
}

/* Where the loop's part of the piece of the owner at `distance` lies in the whole buffer. */
static uint64_t
piece_of(const Pat *pat, const FabStream *stream, uint64_t in_piece, uint32_t distance)
{
    return pat->unit * rank_back(pat, stream->rank, distance) + in_piece;
}

static void
gather_step(const Pat *pat, const Operation *operation, uint64_t in_piece, uint64_t in_buffer, FabStep *step)
{
    if (operation->recv < 0) {
        bool own = pat->edges[operation->send].near == 0;
        step->src = own ? FAB_BUFFER_INPUT : FAB_BUFFER_OUTPUT;
        step->src_offset = own ? in_piece : in_buffer;
    }
    if (operation->recv >= 0 || operation->send == 0) {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = in_buffer;
    }
}

static void
reduce_step(const Pat *pat, const FabStream *stream, const Operation *operation, uint64_t in_piece, uint64_t in_buffer,
            FabStep *step)
{
    uint64_t base = (uint64_t)stream->channel * pat->held;

    step->src = operation->source == NOT_HELD ? FAB_BUFFER_INPUT : FAB_BUFFER_SCRATCH;
    step->src_offset = operation->source == NOT_HELD ? in_buffer : (base + (uint32_t)operation->source) * pat->chunk;
    if (operation->target != NOT_HELD) {
        step->dst = FAB_BUFFER_SCRATCH;
        step->dst_offset = (base + (uint32_t)operation->target) * pat->chunk;
    } else if (operation->send < 0) {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = in_piece;
    }
}

static bool
pat_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Pat *pat = program->data;
    const FabShare *share = &pat->shares[stream->channel];
    bool gather = pat->collective == FAB_ALL_GATHER;
    uint32_t number, distance;
    uint64_t loop = fab_emit_split(index, pat->operation_count, &number), in_piece, in_buffer;
    const Operation *operation = &pat->operations[number];

    if (loop >= share->loops)
        return false;
    if (operation->recv >= 0)
        distance = gather ? pat->edges[operation->recv].far : pat->edges[operation->recv].near;
    else
        distance = gather ? pat->edges[operation->send].near : pat->edges[operation->send].far;
    in_piece = share->offset + loop * pat->chunk;
    in_buffer = piece_of(pat, stream, in_piece, distance);
    fab_step_begin(step, fab_emit_clip(in_buffer, fab_emit_clip(loop * pat->chunk, pat->chunk, share->bytes),
                                       pat->size));
    if (gather)
        gather_step(pat, operation, in_piece, in_buffer, step);
    else
        reduce_step(pat, stream, operation, in_piece, in_buffer, step);
    add_ends(pat, stream, operation, step);
    return true;
}

/* ------------------------------------------------------------------ the program */

/* How many pieces NCCL packs into one slot. */
static uint32_t
pieces_together(const FabCollectiveSpec *spec, uint64_t share)
{
    uint32_t together = 1;

    while (together < spec->ranks / 2 && share * together * 2 <= spec->chunk_bytes)
        together *= 2;
    return together;
}

static Pat *
pat_new(const FabCollectiveSpec *spec)
{
    Pat *pat = g_new0(Pat, 1);
    uint64_t start;

    *pat = (Pat) {
        .ranks = spec->ranks, .collective = spec->collective, .size = spec->size,
        .chunk = fab_emit_chunk(spec, MAX(spec->slots / 2, 1)),
    };
    while (1u << pat->dimensions < spec->ranks)
        pat->dimensions++;
    fab_piece(spec->size, spec->ranks, 0, &start, &pat->unit);
    pat->shares = fab_emit_shares(spec, pat->unit, 1, pat->chunk);
    pat->chunk = CLAMP(pat->shares[0].bytes, 1, pat->chunk); /* with one loop, sums need no more room */
    pat->edges = edges_new(pat, pieces_together(spec, pat->shares[0].bytes));
    operations_new(pat, spec->slots > 1);
    if (spec->collective == FAB_REDUCE_SCATTER)
        place_sums(pat);
    return pat;
}

FabProgram *
fab_pat_emit(const FabCollectiveSpec *spec, GError **error)
{
    double dimensions = 1;
    FabProgram *program;
    Pat *pat;

    while (1u << (uint32_t)dimensions < spec->ranks)
        dimensions++;
    if (!fab_emit_check_connections(spec, dimensions * spec->channels * spec->ranks, error))
        return NULL;
    pat = pat_new(spec);
    program = fab_emit_program(spec, "pat", pat->dimensions * spec->channels * spec->ranks, pat, pat_free);
    program->step = pat_step;
    program->scratch_bytes = (uint64_t)spec->channels * pat->held * pat->chunk;
    return program;
}
