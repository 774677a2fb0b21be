/* Turns the XML that NCCL writes into machine files (topology) and into the channels that it chose (graph). */
#ifndef FAB_MEASURE_IMPORT_NCCL_XML_H
#define FAB_MEASURE_IMPORT_NCCL_XML_H

#include <stdio.h>

#include "measure/draft.h"

/*
 * Writes a machine file for what NCCL_TOPO_DUMP_FILE holds. `gpu`: id of the catalogue for GPUs whose PCI identifier
 * does not tell (NULL: none given). Nothing is written on failure.
 */
bool fab_import_nccl_topology(const char *path, const char *gpu, const FabImportOptions *options, FILE *out,
                              GError **error);

/* Writes what NCCL_GRAPH_DUMP_FILE holds: channels, rates and rings, with the keys of a scenario. */
bool fab_import_nccl_graph(const char *path, const FabImportOptions *options, FILE *out, GError **error);

#endif
