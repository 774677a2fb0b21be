/* NCCL_GRAPH_FILE: channels, rings and speeds from a file instead of the search. */
#ifndef FAB_PREDICT_GIVEN_GRAPH_H
#define FAB_PREDICT_GIVEN_GRAPH_H

#include "collective/choice.h"

/*
 * Puts what the file says into `facts`. GPUs are those of the ranks, as device numbers of the file; each channel must
 * pass all of them. Errors name the file.
 */
bool fab_use_given_graph(const char *path, FabRouter *router, const FabTopology *topology, const uint32_t *gpus,
                         FabMachineFacts *facts, GError **error);

#endif
