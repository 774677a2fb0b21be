/* Nodes on leaf switches in order, one or two levels of switches above: leaves and spines, or a k-ary fat tree. */
#include <stdlib.h>

#include "common/pods.h"

static const FabParamSpec params[] = {
    FAB_CLUSTER_PARAMS,
    FAB_INTEGER("levels", "2", 1, 3, "levels of switches: 1 one switch, 2 leaves and spines, 3 with cores"),
    FAB_INTEGER("radix", "64", 2, 4096, "ports of a switch"),
    FAB_RATIO("oversubscription", "1", 1, 64, "ports of a leaf down for each one up"),
    FAB_PARAMS_END,
};

typedef struct {
    FabCluster cluster;
    uint32_t levels, radix;
    uint32_t down, up;             /* ports of a leaf */
    uint32_t leaves;               /* of one plane */
    uint32_t spines;               /* levels=2: of a plane */
    FabPods pods;                  /* levels=3 */
} Tree;

static bool
plan(Tree *tree)
{
    const FabCluster *cluster = &tree->cluster;
    const FabHost *host = cluster->host;
    double over = host->number(cluster->builder, "oversubscription");

    tree->levels = (uint32_t)host->integer(cluster->builder, "levels");
    tree->radix = (uint32_t)host->integer(cluster->builder, "radix");
    tree->down = tree->levels == 1 ? tree->radix : (uint32_t)(tree->radix * over / (1 + over) + 1e-9);
    tree->leaves = (cluster->nics + tree->down - 1) / tree->down;
    if (tree->leaves == 1)
        return true;
    if (tree->levels == 1)
        return host->fail(cluster->builder, "ports do not close: %u NICs, but one switch has %u ports (radix); take "
                          "levels=2", cluster->nics, tree->radix);
    tree->up = fab_cluster_uplinks(tree->down, over);
    if (tree->down + tree->up > tree->radix)
        return host->fail(cluster->builder, "ports do not close: a leaf needs %u down and %u up, a switch has %u "
                          "(radix)", tree->down, tree->up, tree->radix);
    if (tree->levels == 3)
        return fab_pods_plan(cluster, tree->leaves, tree->radix / 2, tree->up, tree->radix, &tree->pods);
    tree->spines = fab_cluster_spines(tree->leaves, tree->up, tree->radix);
    return tree->spines > 0 ||
           host->fail(cluster->builder, "ports do not close: no number of spines of %u ports (radix) joins %u leaves "
                      "with %u cables each; take levels=3 or a larger radix", tree->radix, tree->leaves, tree->up);
}

static FabVertex
add_switch(const Tree *tree, const char *plain, const char *in_plane, uint32_t plane, uint32_t number)
{
    if (tree->cluster.planes > 1)
        return fab_cluster_add_switch(&tree->cluster, "Plane %u %s %u", plane, in_plane, number);
    return fab_cluster_add_switch(&tree->cluster, "%s %u", plain, number);
}

static bool
link_leaves(const Tree *tree, const FabVertex *leaf)
{
    uint32_t index = 0;

    for (uint32_t node = 0; node < tree->cluster.nodes; node++) {
        for (uint32_t nic = 0; nic < tree->cluster.node[node].nics; nic++, index++) {
            if (!fab_cluster_link_nic(&tree->cluster, node, nic, leaf[index / tree->down]))
                return false;
        }
    }
    return true;
}

static bool
link_spines(const Tree *tree, uint32_t plane, const FabVertex *leaf)
{
    for (uint32_t s = 0; s < tree->spines; s++) {
        FabVertex spine = add_switch(tree, "Spine", "spine", plane, s);
        for (uint32_t i = 0; i < tree->leaves; i++) {
            if (!fab_cluster_link_switches(&tree->cluster, leaf[i], spine, tree->up / tree->spines))
                return false;
        }
    }
    return true;
}

static bool
build_plane(const Tree *tree, uint32_t plane, FabVertex *leaf)
{
    for (uint32_t i = 0; i < tree->leaves; i++)
        leaf[i] = add_switch(tree, "Leaf", "leaf", plane, i);
    if (!link_leaves(tree, leaf))
        return false;
    return tree->levels < 3 ? link_spines(tree, plane, leaf)
                            : fab_pods_link(&tree->cluster, &tree->pods, plane, leaf);
}

static bool
build_planes(const Tree *tree)
{
    FabVertex *leaf = calloc(tree->leaves, sizeof *leaf);
    bool built = leaf != NULL;

    for (uint32_t plane = 0; plane < tree->cluster.planes && built; plane++)
        built = build_plane(tree, plane, leaf);
    free(leaf);
    return built;
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    Tree tree = { .up = 0 };
    bool built = fab_cluster_read(host, builder, &tree.cluster) &&
                 (tree.cluster.nics == 0 || (plan(&tree) && build_planes(&tree)));

    fab_cluster_clear(&tree.cluster);
    return built;
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "fat-tree",
    .summary = "a cluster: nodes of the catalogue on leaf switches in order, with spines and cores above",
    .params = params,
    .build = build,
};
