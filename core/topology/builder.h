/* Runs a plugin's build() and turns what it added into a checked, fixed topology. */
#ifndef FAB_TOPOLOGY_BUILDER_H
#define FAB_TOPOLOGY_BUILDER_H

#include "topology/topology.h"

/*
 * `params`: values as text by parameter name, already the union of machine file and overrides; `where` names
 * their origin in messages ("topologies/dgx-h100.ini"). Checks every value against the plugin's table, builds,
 * then checks the graph: at least one GPU, connected, positive capacities, unique names.
 */
FabTopology *fab_topology_build(const FabTopologyPlugin *plugin, GHashTable *params, const char *where,
                                GError **error);

/* The same for a node of a cluster, which must not be a cluster itself. */
FabTopology *fab_topology_build_node(const FabTopologyPlugin *plugin, GHashTable *params, const char *where,
                                     GError **error);

#endif
