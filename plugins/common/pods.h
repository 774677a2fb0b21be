/* Three levels of switches: pods of leaves and spines, and cores that join the spines of all pods. */
#ifndef FAB_PLUGINS_PODS_H
#define FAB_PLUGINS_PODS_H

#include "common/cluster.h"

/* Each leaf has one cable to each spine of its pod, spine i of each pod some to each core of group i. */
typedef struct {
    uint32_t leaves, pod_leaves, pods; /* of a plane; of a pod */
    uint32_t spines;                   /* of a pod */
    uint32_t cores, core_cables;       /* for each spine of a pod; between a core and each pod */
} FabPods;

/* The fewest cores that close, for leaves with `up` cables upwards. False: an error is recorded. */
bool fab_pods_plan(const FabCluster *cluster, uint32_t leaves, uint32_t pod_leaves, uint32_t up, uint32_t radix,
                   FabPods *pods);

/* Adds the spines and cores above the leaves of a plane. */
bool fab_pods_link(const FabCluster *cluster, const FabPods *pods, uint32_t plane, const FabVertex *leaf);

#endif
