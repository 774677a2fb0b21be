/* One leaf switch for each rail of a group of nodes, spines that join the leaves, cores that join pods of them. */
#ifndef FAB_PLUGINS_RAILS_H
#define FAB_PLUGINS_RAILS_H

#include "common/cluster.h"

#define FAB_RAILS_PARAMS(rails)                                                                                        \
    FAB_INTEGER("rails", rails, 0, 1024, "NIC i of a node is on rail i mod rails; 0: as many as a node has NICs"),     \
    FAB_INTEGER("radix", "64", 2, 4096, "ports of a switch"),                                                          \
    FAB_RATIO("oversubscription", "1", 1, 64, "ports of a leaf down for each one up"),                                 \
    FAB_INTEGER("group_nodes", "0", 0, 65536, "nodes on one set of leaves (a scalable unit); 0: as many as fit"),      \
    FAB_CHOICE("levels", "auto", "auto;2;3",                                                                           \
               "levels of switches: leaves and spines, or pods of them and cores above; auto: 3 where 2 do not close"),\
    FAB_INTEGER("spines", "-1", -1, 4096, "of each plane; 0: none, rails are islands; -1: the fewest that close")

bool fab_rails_build(const FabHost *host, FabBuilder *builder);

#endif
