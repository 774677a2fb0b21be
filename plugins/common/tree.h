/* The devices of one box as a tree, NUMA nodes on top: what the regular parameters or the `tree` text describe. */
#ifndef FAB_PLUGINS_TREE_H
#define FAB_PLUGINS_TREE_H

#include <fabricast/plugin.h>

typedef enum {
    FAB_NODE_NUMA,
    FAB_NODE_BRIDGE,
    FAB_NODE_SWITCH,
    FAB_NODE_STAGE, /* second stage inside a switch */
    FAB_NODE_CHIPSET,
    FAB_NODE_GPU,
    FAB_NODE_NIC,
    FAB_NODE_KINDS
} FabNodeKind;

#define FAB_NODE_NONE UINT32_MAX

typedef struct {
    FabNodeKind kind;
    uint32_t number;            /* among its kind in the box */
    uint32_t parent;            /* index, smaller than its own */
    uint32_t generation, lanes; /* of the link upwards; 0: the default of the box */
    bool implied;               /* a host bridge that nobody wrote */
} FabTreeNode;

typedef struct {
    FabTreeNode *nodes; /* the NUMA nodes first, in order */
    uint32_t count, room;
    uint32_t counts[FAB_NODE_KINDS];
} FabTree;

void fab_tree_clear(FabTree *tree);

/* Index of the new node, numbered after the others of its kind; FAB_NODE_NONE when memory is short. */
uint32_t fab_tree_add(FabTree *tree, FabNodeKind kind, uint32_t parent);

/* NUMA node above (or at) a node. */
uint32_t fab_tree_numa(const FabTree *tree, uint32_t node);

/* Reads `text` below the NUMA nodes that `tree` holds; GPUs 0 to slots-1 must all be placed, each once. */
bool fab_tree_parse(const FabHost *host, FabBuilder *builder, const char *text, uint32_t slots, FabTree *tree);

#endif
