/* What a `topo -m` matrix implies: the PCIe tree behind the classes, and what the NVLinks join. */
#ifndef FAB_MEASURE_TOPO_INFER_H
#define FAB_MEASURE_TOPO_INFER_H

#include "measure/topo-matrix.h"

/* Levels at which devices hang together, nearest first. */
typedef enum {
    FAB_TREE_SWITCH,    /* PIX: one switch */
    FAB_TREE_ROOT_PORT, /* PXB: nested switches */
    FAB_TREE_BRIDGE,    /* PHB: one host bridge */
    FAB_TREE_NUMA,      /* NODE: one NUMA node */
    FAB_TREE_LEVELS
} FabTreeLevel;

typedef struct {
    uint32_t *group[FAB_TREE_LEVELS]; /* by device: the first device of its group at that level */
    uint32_t *numa;                   /* by device: index of its NUMA node in the machine */
    uint32_t sockets, numa_per_socket;
    bool numa_as_printed; /* indices are the NUMA affinities of the matrix */
    uint32_t hidden_pairs; /* GPU pairs whose way over PCIe NVLink hides */
} FabTopoTree;

/* `where` names the matrix in messages. Fails when no tree gives all the cells. Owned by the caller. */
FabTopoTree *fab_topo_tree_infer(const FabTopoMatrix *matrix, const char *where, GError **error);
void fab_topo_tree_free(FabTopoTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTopoTree, fab_topo_tree_free)

/* "numa0 { sw { gpu0 gpu1 nic0 } } numa1 { gpu2 }": the tree as the plugins read it. Owned by the caller. */
char *fab_topo_tree_text(const FabTopoMatrix *matrix, const FabTopoTree *tree);

typedef enum {
    FAB_NVLINK_NONE,
    FAB_NVLINK_SWITCH, /* all GPUs on NVSwitches */
    FAB_NVLINK_BRIDGE, /* islands of GPUs of equal size, each joined directly, all pairs alike */
    FAB_NVLINK_MESH    /* direct links, pair by pair */
} FabNvlinkKind;

typedef struct {
    FabNvlinkKind kind;
    uint32_t links;  /* SWITCH: of a GPU to the switches; BRIDGE: of a pair */
    uint32_t island; /* BRIDGE: GPUs of an island */
    bool shared;     /* BRIDGE: NV# counts all links of a GPU, not those of the pair */
} FabNvlinkPlan;

/* `model` and `links`: name of the GPU and its NVLinks. Fails when it cannot have as many as the matrix says. */
bool fab_nvlink_infer(const FabTopoMatrix *matrix, const char *where, const char *model, uint32_t links,
                      FabNvlinkPlan *plan, GError **error);

#endif
