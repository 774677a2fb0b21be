/* What builder.c and node.c share: a topology in the making. */
#ifndef FAB_TOPOLOGY_BUILDER_PRIVATE_H
#define FAB_TOPOLOGY_BUILDER_PRIVATE_H

#include "topology/builder.h"

/* Bounds that no machine reaches: they stop a plugin that loops for ever before memory ends. */
enum { FAB_VERTICES_MAX = 1000000, FAB_LINKS_MAX = 8000000 };

struct FabBuilder {
    const FabTopologyPlugin *plugin;
    const char *where;
    bool nested;        /* builds a node of a cluster */
    GHashTable *params; /* name to text, borrowed */
    GHashTable *values; /* name to FabParamValue, checked, owned */
    GHashTable *names;  /* of vertices, borrowed from `vertices` */
    GHashTable *models; /* GPU models handed out */
    GArray *vertices, *links;
    GHashTable *no_peer;
    GArray *nodes;         /* FabTopologyNode */
    GHashTable *machines;  /* name of a node's machine to FabTopology, owned; NULL: none yet */
    GPtrArray *lists;      /* handed out with nodes; NULL: none yet */
    FabNetworkSpec network;
    GError *error;    /* the first one */
};

/* Records the first error, with the machine's place in front. Always false. */
bool fab_builder_fail(FabBuilder *builder, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* node.c: the host's services of the same names. */
bool fab_builder_add_node(FabBuilder *builder, const char *machine, const char *prefix, FabNode *node);
void fab_builder_set_network(FabBuilder *builder, const FabNetworkSpec *spec);

#endif
