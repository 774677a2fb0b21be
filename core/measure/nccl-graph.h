/* What NCCL's graph search chose, from the XML of NCCL_GRAPH_DUMP_FILE, as plain data. */
#ifndef FAB_MEASURE_NCCL_GRAPH_H
#define FAB_MEASURE_NCCL_GRAPH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    /* The ring graph, before NCCL doubles its channels. */
    uint32_t channels, gpus; /* each channel passes this many GPUs */
    double speed;            /* of a channel inside a node, GB/s */
    uint32_t *devices;       /* numbers of the GPUs, [channel * gpus + place in the ring] */
    /* Other graphs; false: the file says nothing of them. */
    bool has_tree, has_nvls;
    uint32_t tree_channels, nvls_heads;
    double nvls_intra, nvls_inter; /* GB/s of each head */
} FabNcclGraph;

/* The file must hold a ring graph that found channels. Errors name file and line. Clear it afterwards. */
bool fab_nccl_graph_load(const char *path, FabNcclGraph *graph, GError **error);
void fab_nccl_graph_clear(FabNcclGraph *graph);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabNcclGraph, fab_nccl_graph_clear)

#endif
