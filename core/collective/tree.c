#include "collective/tree.h"

/*
 * NCCL's double binary tree, here over ranks. In the first tree, rank 0 is the root, the odd ranks are the leaves,
 * and a rank's height is the number of zero bits it ends in. The second tree is the first one mirrored, or for an odd
 * number of ranks shifted by one, so that nearly every rank is a leaf in one of them. Even channels use the first
 * tree, odd channels the second.
 *
 * Over several nodes the trees are over nodes, and in each node the GPUs are a chain in the channel's order: the first
 * holds the parent and one child, the second the other child (NCCL's balanced tree). Then the first half of the
 * channels uses the first tree, the other half the second.
 */

typedef struct {
    uint32_t ranks, trees;
    bool whole_root; /* the root reduces and broadcasts at once, with all threads */
    uint64_t chunk;
    FabShare *shares;
    FabTreeNode *nodes;
} Tree;

enum { UP, DOWN, DIRECTIONS };

static void
tree_free(gpointer data)
{
    Tree *tree = data;

    g_free(tree->shares);
    g_free(tree->nodes);
    g_free(tree);
}

/* The connection on the edge between `child` and its parent. */
static inline uint32_t
edge(const Tree *tree, uint32_t channel, uint32_t child, uint32_t direction)
{
    return (channel * tree->ranks + child) * DIRECTIONS + direction;
}

static inline void
reduce_up(const Tree *tree, const FabStream *stream, const FabTreeNode *node, FabStep *step)
{
    step->src = FAB_BUFFER_INPUT;
    for (uint32_t i = 0; i < FAB_TREE_CHILDREN; i++)
        if (node->children[i] != FAB_TREE_NONE)
            fab_step_recv(step, edge(tree, stream->channel, (uint32_t)node->children[i], UP),
                          (uint32_t)node->children[i]);
    if (node->parent != FAB_TREE_NONE)
        fab_step_send(step, edge(tree, stream->channel, stream->rank, UP), (uint32_t)node->parent);
}

static inline void
broadcast_down(const Tree *tree, const FabStream *stream, const FabTreeNode *node, FabStep *step)
{
    step->dst = FAB_BUFFER_OUTPUT;
    if (node->parent != FAB_TREE_NONE)
        fab_step_recv(step, edge(tree, stream->channel, stream->rank, DOWN), (uint32_t)node->parent);
    for (uint32_t i = 0; i < FAB_TREE_CHILDREN; i++)
        if (node->children[i] != FAB_TREE_NONE)
            fab_step_send(step, edge(tree, stream->channel, (uint32_t)node->children[i], DOWN),
                          (uint32_t)node->children[i]);
}

static bool
tree_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Tree *tree = program->data;
    const FabShare *share = &tree->shares[stream->channel];
    const FabTreeNode *node = &tree->nodes[(size_t)(stream->channel % tree->trees) * tree->ranks + stream->rank];
    bool is_root = node->parent == FAB_TREE_NONE;

    if (index >= share->loops || (is_root && stream->role == DOWN))
        return false;
    fab_step_begin(step, fab_emit_clip(index * tree->chunk, tree->chunk, share->bytes));
    step->src_offset = step->dst_offset = share->offset + index * tree->chunk;
    if (stream->role == UP)
        reduce_up(tree, stream, node, step);
    if (stream->role == DOWN || is_root)
        broadcast_down(tree, stream, node, step);
    if (is_root && tree->whole_root)
        step->flags = FAB_STEP_WHOLE_CTA;
    return true;
}

/* Each rank but the root has the two edges to its parent. */
static bool
tree_joins(const FabProgram *program, uint32_t connection, uint32_t *from, uint32_t *to)
{
    const Tree *tree = program->data;
    uint32_t child = connection / DIRECTIONS % tree->ranks, channel = connection / DIRECTIONS / tree->ranks;
    int32_t parent = tree->nodes[(size_t)(channel % tree->trees) * tree->ranks + child].parent;

    if (parent == FAB_TREE_NONE)
        return false;
    *from = connection % DIRECTIONS == UP ? child : (uint32_t)parent;
    *to = connection % DIRECTIONS == UP ? (uint32_t)parent : child;
    return true;
}

FabProgram *
fab_tree_program(const FabCollectiveSpec *spec, const char *algorithm, FabTreeNode *nodes, uint32_t trees,
                 GError **error)
{
    Tree *tree;
    FabProgram *program;

    if (!fab_emit_check_connections(spec, (double)DIRECTIONS * spec->channels * spec->ranks, error)) {
        g_free(nodes);
        return NULL;
    }
    tree = g_new0(Tree, 1);
    tree->ranks = spec->ranks;
    tree->trees = trees;
    tree->nodes = nodes;
    tree->chunk = spec->chunk_bytes;
    tree->shares = fab_emit_shares(spec, spec->size, 1, tree->chunk);
    program = fab_emit_program(spec, algorithm, DIRECTIONS * spec->channels * spec->ranks, tree, tree_free);
    program->step = tree_step;
    program->joins = tree_joins;
    program->roles = DIRECTIONS;
    /* NCCL gives half of the threads to each direction with its Simple protocol. */
    program->role_share[UP] = program->role_share[DOWN] = 0.5;
    return program;
}

/* A rank's place in the first tree. */
static FabTreeNode
first_tree_node(uint32_t ranks, uint32_t rank)
{
    FabTreeNode node = { FAB_TREE_NONE, { FAB_TREE_NONE, FAB_TREE_NONE } };
    uint32_t reach = rank & -rank; /* the lowest bit: children are half of it away */

    if (rank == 0) {
        uint32_t child = 1;

        while (child * 2 < ranks)
            child *= 2;
        node.children[0] = ranks > 1 ? (int32_t)child : FAB_TREE_NONE;
        return node;
    }
    node.parent = (int32_t)((rank ^ reach) | (reach << 1));
    if ((uint32_t)node.parent >= ranks)
        node.parent = (int32_t)(rank ^ reach);
    if (reach > 1)
        node.children[0] = (int32_t)(rank - reach / 2);
    /* The subtree above is cut off at the last rank: what is left of it begins with a nearer rank. */
    for (uint32_t offset = reach / 2; offset > 0 && node.children[1] == FAB_TREE_NONE; offset /= 2)
        if (rank + offset < ranks)
            node.children[1] = (int32_t)(rank + offset);
    return node;
}

static int32_t
second_tree_rank(uint32_t ranks, int32_t first)
{
    if (first == FAB_TREE_NONE)
        return FAB_TREE_NONE;
    return (int32_t)(ranks % 2 == 0 ? ranks - 1 - (uint32_t)first : ((uint32_t)first + 1) % ranks);
}

FabTreeNode *
fab_tree_double(uint32_t n)
{
    FabTreeNode *nodes = g_new(FabTreeNode, 2 * (size_t)n);

    for (uint32_t r = 0; r < n; r++) {
        FabTreeNode node = first_tree_node(n, r);

        nodes[r] = node;
        nodes[n + (uint32_t)second_tree_rank(n, (int32_t)r)] = (FabTreeNode) {
            second_tree_rank(n, node.parent),
            { second_tree_rank(n, node.children[0]), second_tree_rank(n, node.children[1]) },
        };
    }
    return nodes;
}

/* The place of one rank: `chain` are the ranks of its node in order, `place` its own. */
static FabTreeNode
chain_node(const FabCollectiveSpec *spec, const uint32_t *order, const FabTreeNode *trees, uint32_t node,
           uint32_t place)
{
    uint32_t local = spec->ranks_per_node, child = 0;
    const uint32_t *chain = order + (size_t)node * local;
    const FabTreeNode *tree = &trees[node];
    FabTreeNode found = { FAB_TREE_NONE, { FAB_TREE_NONE, FAB_TREE_NONE } };

    if (place > 0) {
        found.parent = (int32_t)chain[place - 1];
    } else if (tree->parent != FAB_TREE_NONE) {
        bool second = trees[tree->parent].children[0] != (int32_t)node;
        found.parent = (int32_t)order[(size_t)tree->parent * local + (second && local > 1 ? 1 : 0)];
    }
    if (place + 1 < local)
        found.children[child++] = (int32_t)chain[place + 1];
    for (uint32_t i = 0; i < FAB_TREE_CHILDREN; i++)
        if (tree->children[i] != FAB_TREE_NONE && place == (local > 1 ? i : 0))
            found.children[child++] = (int32_t)order[(size_t)tree->children[i] * local];
    return found;
}

static FabProgram *
emit_over_nodes(const FabCollectiveSpec *spec, GError **error)
{
    uint32_t local = spec->ranks_per_node, nodes = spec->ranks / local;
    FabTreeNode *places = g_new(FabTreeNode, (size_t)spec->channels * spec->ranks);
    FabProgram *program;
    g_autofree FabTreeNode *trees = fab_tree_double(nodes);
    g_autofree uint32_t *plain = g_new(uint32_t, spec->ranks);

    for (uint32_t r = 0; r < spec->ranks; r++)
        plain[r] = r;
    for (uint32_t c = 0; c < spec->channels; c++) {
        const uint32_t *order = spec->order != NULL ? spec->order + (size_t)c * spec->ranks : plain;
        const FabTreeNode *tree = trees + (c >= (spec->channels + 1) / 2 ? nodes : 0);
        for (uint32_t i = 0; i < spec->ranks; i++)
            places[(size_t)c * spec->ranks + order[i]] = chain_node(spec, order, tree, i / local, i % local);
    }
    program = fab_tree_program(spec, "tree", places, spec->channels, error);
    if (program != NULL)
        ((Tree *) program->data)->whole_root = true;
    return program;
}

FabProgram *
fab_tree_emit(const FabCollectiveSpec *spec, GError **error)
{
    if (spec->ranks_per_node > 0 && spec->ranks_per_node < spec->ranks)
        return emit_over_nodes(spec, error);
    return fab_tree_program(spec, "tree", fab_tree_double(spec->ranks), 2, error);
}
