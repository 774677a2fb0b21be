#include "collective/tree.h"

/*
 * What NCCL's tree is inside one machine: the ranks form a chain in the order of the channel's ring; the first one is
 * the root. Data is reduced towards the root and broadcast away from it.
 */

FabProgram *
fab_chain_emit(const FabCollectiveSpec *spec, GError **error)
{
    uint32_t n = spec->ranks, trees = spec->order == NULL ? 1 : spec->channels;
    FabTreeNode *nodes = g_new(FabTreeNode, (size_t)trees * n);

    for (uint32_t t = 0; t < trees; t++) {
        const uint32_t *order = spec->order == NULL ? NULL : spec->order + (size_t)t * n;

        for (uint32_t p = 0; p < n; p++) {
            int32_t above = p == 0 ? FAB_TREE_NONE : (int32_t)(order == NULL ? p - 1 : order[p - 1]);
            int32_t below = p == n - 1 ? FAB_TREE_NONE : (int32_t)(order == NULL ? p + 1 : order[p + 1]);

            nodes[(size_t)t * n + (order == NULL ? p : order[p])] =
                (FabTreeNode) { above, { below, FAB_TREE_NONE } };
        }
    }
    return fab_tree_program(spec, "chain", nodes, trees, error);
}
