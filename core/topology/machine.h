/* Machine files: find one in the catalogue, read it, build it with its plugin. Also the GPU models. */
#ifndef FAB_TOPOLOGY_MACHINE_H
#define FAB_TOPOLOGY_MACHINE_H

#include "topology/topology.h"

/*
 * Builds the machine `name`: a path (has a '/' or ends in .ini) or a catalogue id. `overrides` are
 * parameters of its plugin (text to text; may be NULL), which win over the file. Owned by the caller; NULL with an
 * error.
 */
FabTopology *fab_machine_load(const char *name, GHashTable *overrides, GError **error);

/* The same for a node of a cluster: refuses machines that are clusters themselves. */
FabTopology *fab_machine_load_node(const char *name, GHashTable *overrides, GError **error);

/* Catalogue ids, sorted, NULL-terminated. g_strfreev(). */
char **fab_machine_list(void);

/* One line about a machine file without building it: title and plugin. Any pointer may be NULL. */
bool fab_machine_describe(const char *name, char **title, char **plugin, GError **error);

/*
 * Folders searched: --topology-dir options, FABRICAST_TOPOLOGY_PATH, the installed catalogue, and in a
 * build tree the source's topologies/. Adds one in front.
 */
void fab_machine_add_directory(const char *directory);

/* A GPU model of gpus.ini in those folders, or NULL with an error that offers the nearest id. Lives for ever. */
const FabGpuModel *fab_gpu_model(const char *id, GError **error);
/* Ids of all GPU models, sorted, NULL-terminated. g_strfreev(). */
char **fab_gpu_list(GError **error);

#endif
