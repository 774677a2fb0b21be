/* Reduces up a tree and broadcasts down it, at once; what tree.c and chain.c have in common. */
#ifndef FAB_COLLECTIVE_TREE_H
#define FAB_COLLECTIVE_TREE_H

#include "collective/emit.h"

enum { FAB_TREE_CHILDREN = 2, FAB_TREE_NONE = -1 };

/* A rank's neighbours in a tree, FAB_TREE_NONE where it has none. */
typedef struct {
    int32_t parent;
    int32_t children[FAB_TREE_CHILDREN];
} FabTreeNode;

/* NCCL's double binary tree over n places, nodes[tree * n + place]. g_free(). */
FabTreeNode *fab_tree_double(uint32_t n);

/*
 * The program over `trees` trees, nodes[tree * ranks + rank]; channel c uses tree c mod `trees`. Takes `nodes`. Role
 * 0 reduces, role 1 broadcasts; a root does both in role 0.
 */
FabProgram *fab_tree_program(const FabCollectiveSpec *spec, const char *algorithm, FabTreeNode *nodes, uint32_t trees,
                             GError **error);

#endif
