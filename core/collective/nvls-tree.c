#include "collective/network.h"
#include "collective/tree.h"

#include "base/error.h"

/*
 * NCCL's NVLSTree: NVLink SHARP inside every node, double binary trees between nodes. Every rank is the head of one
 * piece of each loop, and the heads of a piece, one in each node, form a tree over the nodes. Roles:
 *
 *     scatter   copies each piece of the input to a slot in this GPU's own memory, which the piece's head reads
 *     gather    copies each piece from the slot that its head's multicast filled to the output
 *     reduce    the head reads its node's slots through the switch, which adds them, adds the sums of the nodes below
 *               and sends the result to the node above; the root of the tree also does what broadcast does
 *     broadcast the head passes the result to the nodes below and multicasts it in its own
 *
 * NCCL reads through the switch and from the nodes below in one primitive; here the sum of the node is a step of its
 * own, kept in between.
 */

enum { SCATTER, GATHER, REDUCE, BROADCAST, ROLES };
enum { UP, DOWN, DIRECTIONS };
enum { TREES = 2, MAX_LOCAL = 1024 };

typedef struct {
    uint32_t ranks, local, nodes, channels;
    uint64_t chunk;
    uint32_t first_edge; /* connections between nodes begin here */
    FabShare *shares;
    FabTreeNode *trees;  /* over nodes; channel c uses tree c mod 2 */
    FabEnd *ups, *downs; /* ends of a head's step: [((channel * local + head) * nodes + node) * local + place] */
    bool by_network;     /* no trees: the network adds up the sums of the nodes */
    FabNetwork network;  /* its connections begin at first_edge */
} NvlsTree;

static void
nvls_tree_free(gpointer data)
{
    NvlsTree *nvls = data;

    g_free(nvls->shares);
    g_free(nvls->trees);
    g_free(nvls->ups);
    g_free(nvls->downs);
    fab_network_clear(&nvls->network);
    g_free(nvls);
}

static inline size_t
block(const NvlsTree *nvls, uint32_t channel, uint32_t head, uint32_t node)
{
    return (((size_t)channel * nvls->local + head) * nvls->nodes + node) * nvls->local;
}

static uint64_t
piece_bytes(const NvlsTree *nvls, const FabShare *share, uint64_t loop, uint32_t head, uint64_t *offset)
{
    uint64_t chunk = loop + 1 == share->loops ? share->last_chunk : nvls->chunk;
    uint64_t start = loop * nvls->chunk * nvls->local + head * chunk;

    *offset = share->offset + start;
    return fab_emit_clip(start, chunk, share->bytes);
}

/* ------------------------------------------------------------------ the steps of a head */

/* The connection between the head of `child`'s node and the one above it. */
static inline uint32_t
edge(const NvlsTree *nvls, const FabStream *stream, uint32_t child, uint32_t direction)
{
    uint32_t rank = child * nvls->local + stream->rank % nvls->local;

    return nvls->first_edge + (stream->channel * nvls->ranks + rank) * DIRECTIONS + direction;
}

/* Scratch of a channel: the node's sum, then the result. */
static inline uint64_t
kept(const NvlsTree *nvls, const FabStream *stream, uint32_t direction)
{
    return (stream->channel * DIRECTIONS + direction) * nvls->chunk;
}

static void
read_node(const NvlsTree *nvls, const FabStream *stream, uint32_t node, FabStep *step)
{
    step->flags = FAB_STEP_IN_SWITCH;
    step->recv = nvls->ups + block(nvls, stream->channel, stream->rank % nvls->local, node);
    step->recv_count = (uint16_t)nvls->local;
    step->dst = FAB_BUFFER_SCRATCH;
    step->dst_offset = kept(nvls, stream, UP);
}

static void
multicast(const NvlsTree *nvls, const FabStream *stream, uint32_t node, FabStep *step)
{
    step->flags = FAB_STEP_IN_SWITCH;
    step->src = FAB_BUFFER_SCRATCH;
    step->src_offset = kept(nvls, stream, DOWN);
    step->send = nvls->downs + block(nvls, stream->channel, stream->rank % nvls->local, node);
    step->send_count = (uint16_t)nvls->local;
}

/* The rank at the same place in another node. */
static inline uint32_t
peer(const NvlsTree *nvls, const FabStream *stream, int32_t node)
{
    return (uint32_t)node * nvls->local + stream->rank % nvls->local;
}

static void
add_below(const NvlsTree *nvls, const FabStream *stream, const FabTreeNode *tree, FabStep *step)
{
    step->src = FAB_BUFFER_SCRATCH;
    step->src_offset = kept(nvls, stream, UP);
    for (uint32_t i = 0; i < FAB_TREE_CHILDREN; i++)
        if (tree->children[i] != FAB_TREE_NONE)
            fab_step_recv(step, edge(nvls, stream, (uint32_t)tree->children[i], UP),
                          peer(nvls, stream, tree->children[i]));
}

static void
send_below(const NvlsTree *nvls, const FabStream *stream, const FabTreeNode *tree, FabStep *step)
{
    step->dst = FAB_BUFFER_SCRATCH;
    step->dst_offset = kept(nvls, stream, DOWN);
    for (uint32_t i = 0; i < FAB_TREE_CHILDREN; i++)
        if (tree->children[i] != FAB_TREE_NONE)
            fab_step_send(step, edge(nvls, stream, (uint32_t)tree->children[i], DOWN),
                          peer(nvls, stream, tree->children[i]));
}

/* The same where the network joins the nodes; the owner of a piece also asks it for the sum. */
static void
network_step(const NvlsTree *nvls, const FabStream *stream, uint32_t part, FabStep *step)
{
    uint32_t node = stream->rank / nvls->local, head = stream->rank % nvls->local;
    bool owner = fab_network_owner(&nvls->network, stream->channel, head) == node;

    if (stream->role == REDUCE && part == 0) {
        read_node(nvls, stream, node, step);
    } else if (stream->role == REDUCE) {
        step->src = FAB_BUFFER_SCRATCH;
        step->src_offset = kept(nvls, stream, UP);
        fab_network_give(&nvls->network, stream->channel, head, node, step);
    } else if (owner && part == 0) {
        fab_network_exchange(&nvls->network, stream->channel, head, step);
    } else if (part == (owner ? 1 : 0)) {
        step->dst = FAB_BUFFER_SCRATCH;
        step->dst_offset = kept(nvls, stream, DOWN);
        fab_network_take(&nvls->network, stream->channel, head, node, step);
    } else {
        multicast(nvls, stream, node, step);
    }
}

/* A head's step; each role begins with what it gets and ends with what it gives. */
static void
head_step(const NvlsTree *nvls, const FabStream *stream, uint32_t part, FabStep *step)
{
    uint32_t node = stream->rank / nvls->local;
    const FabTreeNode *tree = &nvls->trees[(size_t)(stream->channel % TREES) * nvls->nodes + node];
    bool root = tree->parent == FAB_TREE_NONE;

    if (stream->role == REDUCE && part == 0) {
        read_node(nvls, stream, node, step);
    } else if (stream->role == REDUCE && part == 1) {
        add_below(nvls, stream, tree, step);
        if (root)
            send_below(nvls, stream, tree, step);
        else
            fab_step_send(step, edge(nvls, stream, node, UP), peer(nvls, stream, tree->parent));
    } else if (stream->role == BROADCAST && part == 0) {
        fab_step_recv(step, edge(nvls, stream, node, DOWN), peer(nvls, stream, tree->parent));
        send_below(nvls, stream, tree, step);
    } else {
        multicast(nvls, stream, node, step);
    }
}

/* Steps of a head's role in a loop. */
static uint32_t
head_parts(const NvlsTree *nvls, const FabStream *stream)
{
    uint32_t node = stream->rank / nvls->local;
    const FabTreeNode *tree = &nvls->trees[(size_t)(stream->channel % TREES) * nvls->nodes + node];
    bool root = tree->parent == FAB_TREE_NONE;

    return stream->role == REDUCE ? (root ? 3 : 2) : root ? 0 : 2;
}

static uint32_t
network_parts(const NvlsTree *nvls, const FabStream *stream)
{
    uint32_t owner = fab_network_owner(&nvls->network, stream->channel, stream->rank % nvls->local);

    return stream->role == BROADCAST && owner == stream->rank / nvls->local ? 3 : 2;
}

/* ------------------------------------------------------------------ all steps */

static void
piece_step(const NvlsTree *nvls, const FabStream *stream, uint32_t head, FabStep *step)
{
    uint32_t place = stream->rank % nvls->local;
    size_t end = block(nvls, stream->channel, head, stream->rank / nvls->local) + place;

    if (stream->role == SCATTER) {
        step->flags = FAB_STEP_LOCAL_SEND;
        step->src = FAB_BUFFER_INPUT;
        fab_step_send(step, nvls->ups[end].connection, stream->rank - place + head);
    } else {
        step->dst = FAB_BUFFER_OUTPUT;
        fab_step_recv(step, nvls->downs[end].connection, stream->rank - place + head);
    }
}

static bool
nvls_tree_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const NvlsTree *nvls = program->data;
    const FabShare *share = &nvls->shares[stream->channel];
    bool heading = stream->role == REDUCE || stream->role == BROADCAST;
    uint32_t parts = nvls->local, part, head = stream->rank % nvls->local;
    uint64_t loop, offset;

    if (heading)
        parts = nvls->by_network ? network_parts(nvls, stream) : head_parts(nvls, stream);
    if (parts == 0)
        return false;
    loop = fab_emit_split(index, parts, &part);
    if (loop >= share->loops)
        return false;
    if (!heading)
        head = (head + part) % nvls->local; /* a rank begins with its own piece, as in NVLS */
    fab_step_begin(step, piece_bytes(nvls, share, loop, head, &offset));
    step->src_offset = step->dst_offset = offset;
    if (heading && nvls->by_network)
        network_step(nvls, stream, part, step);
    else if (heading)
        head_step(nvls, stream, part, step);
    else
        piece_step(nvls, stream, head, step);
    return true;
}

static FabEnd *
ends_new(const NvlsTree *nvls, uint32_t count, uint32_t first)
{
    FabEnd *ends = g_new(FabEnd, count);

    for (uint32_t i = 0; i < count; i++)
        ends[i] = (FabEnd) { first + i, i / nvls->local % nvls->nodes * nvls->local + i % nvls->local };
    return ends;
}

/* ------------------------------------------------------------------ turning */

static bool
nvls_tree_joins(const FabProgram *program, uint32_t connection, uint32_t *from, uint32_t *to)
{
    const NvlsTree *nvls = program->data;
    uint32_t edge_number = connection - nvls->first_edge, rank = edge_number / DIRECTIONS % nvls->ranks;
    uint32_t channel = edge_number / DIRECTIONS / nvls->ranks;
    int32_t parent;

    if (connection < nvls->first_edge)
        return false;
    parent = nvls->trees[(size_t)(channel % TREES) * nvls->nodes + rank / nvls->local].parent;
    if (parent == FAB_TREE_NONE)
        return false;
    *from = rank;
    *to = (uint32_t)parent * nvls->local + rank % nvls->local;
    if (edge_number % DIRECTIONS == DOWN) {
        *from = *to;
        *to = rank;
    }
    return true;
}

/* Connections of a node are known by who sends (a rank to a head, a head to a rank) and how far on the other is. */
static uint32_t
nvls_tree_folded(const FabProgram *program, uint32_t connection, uint32_t period)
{
    const NvlsTree *nvls = program->data;
    uint32_t local = nvls->local, kept_of_node = period, half = nvls->first_edge / 2 / local * kept_of_node;
    bool down = connection >= nvls->first_edge / 2;
    uint32_t inside = connection % (nvls->first_edge / 2), place = inside % local;
    uint32_t node = inside / local % nvls->nodes, head = inside / local / nvls->nodes % local;
    uint32_t channel = inside / local / nvls->nodes / local, sender = down ? head : place;
    uint32_t other = ((down ? place : head) + local - (sender - sender % kept_of_node)) % local;

    if (connection >= nvls->first_edge) {
        uint32_t number = connection - nvls->first_edge, rank = number / DIRECTIONS % nvls->ranks, at;
        channel = number / DIRECTIONS / nvls->ranks;
        at = (channel * nvls->nodes + rank / local) * kept_of_node + rank % local % kept_of_node;
        return 2 * half + at * DIRECTIONS + number % DIRECTIONS;
    }
    return (down ? half : 0) +
           ((channel * nvls->nodes + node) * kept_of_node + sender % kept_of_node) * local + other;
}

/* Whether the pieces of all heads are equally long in every loop. */
static bool
pieces_are_even(const NvlsTree *nvls)
{
    for (uint32_t c = 0; c < nvls->channels; c++) {
        const FabShare *share = &nvls->shares[c];
        uint64_t whole = share->loops > 0 ? ((share->loops - 1) * nvls->chunk + share->last_chunk) * nvls->local : 0;
        if (whole != share->bytes)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ set-up */

/* Every rank of a node is the head of its piece, whose sums the network adds up. */
static void
init_network(NvlsTree *nvls, const FabCollectiveSpec *spec)
{
    g_autofree uint32_t *order = g_new(uint32_t, (size_t)spec->channels * spec->ranks);

    for (size_t i = 0; i < (size_t)spec->channels * spec->ranks; i++)
        order[i] = (uint32_t)(i % spec->ranks);
    nvls->by_network = true;
    fab_network_init(&nvls->network, spec, nvls->local, order);
}

static FabProgram *
emit(const FabCollectiveSpec *spec, bool by_network, GError **error)
{
    const char *name = by_network ? "nvls" : "nvls-tree";
    uint32_t local = spec->ranks_per_node > 0 ? spec->ranks_per_node : spec->ranks, count, between;
    double ends = (double)spec->channels * local * spec->ranks;
    double edges = by_network ? fab_network_count(spec, local) : (double)DIRECTIONS * spec->channels * spec->ranks;
    FabProgram *program;
    NvlsTree *nvls;

    if (local > MAX_LOCAL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s %s: a node has %u ranks, must have at most %d", name,
                    fab_collective_names[spec->collective], local, MAX_LOCAL);
        return NULL;
    }
    if (!fab_emit_check_connections(spec, 2 * ends + edges, error))
        return NULL;
    count = (uint32_t)ends;
    between = by_network ? (uint32_t)edges : 0; /* numbers of the network come first, those of trees last */
    nvls = g_new(NvlsTree, 1);
    *nvls = (NvlsTree) { .ranks = spec->ranks, .local = local, .nodes = spec->ranks / local,
                         .channels = spec->channels, .chunk = fab_emit_chunk(spec, spec->slots),
                         .first_edge = 2 * count };
    if (by_network)
        init_network(nvls, spec);
    else
        nvls->trees = fab_tree_double(nvls->nodes);
    nvls->ups = ends_new(nvls, count, between);
    nvls->downs = ends_new(nvls, count, between + count);
    nvls->shares = fab_emit_shares(spec, spec->size, local, nvls->chunk);
    program = fab_emit_program(spec, name, 2 * count + (uint32_t)edges, nvls, nvls_tree_free);
    program->step = nvls_tree_step;
    program->places = local;
    program->turn = !by_network && pieces_are_even(nvls) ? 1 : 0;
    program->joins = by_network ? NULL : nvls_tree_joins; /* the network's sums are no connections of two */
    program->folded = nvls_tree_folded;
    program->scratch_bytes = (uint64_t)DIRECTIONS * spec->channels * nvls->chunk;
    program->roles = ROLES;
    /* NCCL 2.30: of 20 warps 6 scatter, 5 gather, 5 reduce and 4 broadcast. */
    program->role_share[SCATTER] = 6.0 / 20;
    program->role_share[GATHER] = program->role_share[REDUCE] = 5.0 / 20;
    program->role_share[BROADCAST] = 4.0 / 20;
    return program;
}

FabProgram *
fab_nvls_tree_emit(const FabCollectiveSpec *spec, GError **error)
{
    return emit(spec, false, error);
}

FabProgram *
fab_nvls_network_emit(const FabCollectiveSpec *spec, GError **error)
{
    return emit(spec, true, error);
}
