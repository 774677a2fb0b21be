#include "common/rails.h"

#include <stdlib.h>
#include <string.h>

#include "common/pods.h"

typedef struct {
    FabCluster cluster;
    uint32_t rails, radix, group_nodes, groups;
    uint32_t down, up;       /* ports of a leaf */
    uint32_t leaves, spines; /* of one plane */
    uint32_t levels;         /* 3: with `pods` */
    bool any_level;
    FabPods pods;
    double oversubscription;
} Rails;

/* NICs of a node on its fullest rail. */
static uint32_t
nics_of_rail(const Rails *rails)
{
    return (rails->cluster.most_nics + rails->rails - 1) / rails->rails;
}

/* As many nodes as a leaf has ports for. */
static uint32_t
nodes_that_fit(const Rails *rails, bool joined)
{
    uint32_t nodes = rails->cluster.nodes, each = nics_of_rail(rails);

    while (nodes > 1 && nodes * each + (joined ? fab_cluster_uplinks(nodes * each, rails->oversubscription) : 0) >
                            rails->radix)
        nodes--;
    return nodes;
}

/* A pod is whole groups, as many as a spine has ports for leaves. */
static bool
plan_pods(Rails *rails, int64_t asked)
{
    const FabCluster *cluster = &rails->cluster;
    uint32_t groups = rails->radix / 2 / rails->rails;

    if (asked > 0)
        return cluster->host->fail(cluster->builder, "spines is %d, but a pod of levels=3 has as many as a leaf has "
                                   "cables upwards, %u; leave spines out", (int)asked, rails->up);
    if (groups == 0)
        return cluster->host->fail(cluster->builder, "ports do not close: a pod of levels=3 has the leaves of %u rails,"
                                   " half of the ports of a spine (radix) are %u; take a larger radix", rails->rails,
                                   rails->radix / 2);
    return fab_pods_plan(cluster, rails->leaves, groups * rails->rails, rails->up, rails->radix, &rails->pods);
}

static bool
plan_spines(Rails *rails, int64_t asked)
{
    const FabCluster *cluster = &rails->cluster;
    const FabHost *host = cluster->host;

    if (asked == 0 || rails->leaves < 2)
        return true;
    rails->up = fab_cluster_uplinks(rails->down, rails->oversubscription);
    if (rails->down + rails->up > rails->radix)
        return host->fail(cluster->builder, "ports do not close: a leaf needs %u down and %u up, a switch has %u "
                          "(radix); take fewer group_nodes, more oversubscription or a larger radix", rails->down,
                          rails->up, rails->radix);
    if (rails->levels == 3)
        return plan_pods(rails, asked);
    rails->spines = asked > 0 ? (uint32_t)asked : fab_cluster_spines(rails->leaves, rails->up, rails->radix);
    if (rails->spines == 0 && rails->any_level) {
        rails->levels = 3;
        return plan_pods(rails, asked);
    }
    if (rails->spines == 0)
        return host->fail(cluster->builder, "ports do not close: no number of spines of %u ports (radix) joins %u "
                          "leaves with %u cables each; take levels=3, larger groups or a larger radix", rails->radix,
                          rails->leaves, rails->up);
    if (rails->up % rails->spines != 0 || rails->leaves * (rails->up / rails->spines) > rails->radix)
        return host->fail(cluster->builder, "ports do not close: %u cables of each of %u leaves do not spread evenly "
                          "over %u spines of %u ports; the fewest that do are %u", rails->up, rails->leaves,
                          rails->spines, rails->radix, fab_cluster_spines(rails->leaves, rails->up, rails->radix));
    return true;
}

static bool
plan(Rails *rails)
{
    const FabCluster *cluster = &rails->cluster;
    const FabHost *host = cluster->host;
    int64_t asked = host->integer(cluster->builder, "spines");
    const char *levels = host->text(cluster->builder, "levels");

    rails->rails = (uint32_t)host->integer(cluster->builder, "rails");
    rails->radix = (uint32_t)host->integer(cluster->builder, "radix");
    rails->oversubscription = host->number(cluster->builder, "oversubscription");
    rails->group_nodes = (uint32_t)host->integer(cluster->builder, "group_nodes");
    rails->any_level = strcmp(levels, "auto") == 0;
    rails->levels = strcmp(levels, "3") == 0 ? 3 : 2;
    if (rails->rails == 0)
        rails->rails = cluster->most_nics;
    if (rails->rails > cluster->most_nics)
        return host->fail(cluster->builder, "rails is %u, but no node has more than %u NICs", rails->rails,
                          cluster->most_nics);
    if (rails->group_nodes == 0)
        rails->group_nodes = nodes_that_fit(rails, asked != 0);
    if (rails->group_nodes > cluster->nodes)
        rails->group_nodes = cluster->nodes;
    rails->groups = (cluster->nodes + rails->group_nodes - 1) / rails->group_nodes;
    rails->down = rails->group_nodes * nics_of_rail(rails);
    rails->leaves = rails->groups * rails->rails;
    if (rails->down > rails->radix)
        return host->fail(cluster->builder, "ports do not close: %u nodes of a group need %u ports of a leaf, which "
                          "has %u (radix); take fewer group_nodes or more rails", rails->group_nodes, rails->down,
                          rails->radix);
    if (asked == 0 && rails->groups > 1)
        return host->fail(cluster->builder, "spines is 0, so nodes of group 0 cannot reach those of the other %u; take "
                          "spines=-1, or a larger radix so that all nodes fit on one leaf", rails->groups - 1);
    return plan_spines(rails, asked);
}

static FabVertex
add_leaf(const Rails *rails, uint32_t plane, uint32_t group, uint32_t rail)
{
    const FabCluster *cluster = &rails->cluster;

    if (cluster->planes > 1)
        return fab_cluster_add_switch(cluster, "Plane %u leaf %u.%u", plane, group, rail);
    if (rails->groups > 1)
        return fab_cluster_add_switch(cluster, "Leaf %u.%u", group, rail);
    return fab_cluster_add_switch(cluster, "Leaf %u", rail);
}

static bool
build_plane(const Rails *rails, uint32_t plane, FabVertex *leaf)
{
    const FabCluster *cluster = &rails->cluster;

    for (uint32_t i = 0; i < rails->leaves; i++)
        leaf[i] = add_leaf(rails, plane, i / rails->rails, i % rails->rails);
    for (uint32_t node = 0; node < cluster->nodes; node++) {
        for (uint32_t nic = 0; nic < cluster->node[node].nics; nic++) {
            uint32_t at = node / rails->group_nodes * rails->rails + nic % rails->rails;
            if (!fab_cluster_link_nic(cluster, node, nic, leaf[at]))
                return false;
        }
    }
    if (rails->pods.pods > 0)
        return fab_pods_link(cluster, &rails->pods, plane, leaf);
    for (uint32_t spine = 0; spine < rails->spines; spine++) {
        FabVertex vertex = cluster->planes > 1 ? fab_cluster_add_switch(cluster, "Plane %u spine %u", plane, spine)
                                               : fab_cluster_add_switch(cluster, "Spine %u", spine);
        for (uint32_t i = 0; i < rails->leaves; i++) {
            if (!fab_cluster_link_switches(cluster, leaf[i], vertex, rails->up / rails->spines))
                return false;
        }
    }
    return true;
}

static bool
build_planes(const Rails *rails)
{
    FabVertex *leaf = calloc(rails->leaves, sizeof *leaf);
    bool built = leaf != NULL;

    for (uint32_t plane = 0; plane < rails->cluster.planes && built; plane++)
        built = build_plane(rails, plane, leaf);
    free(leaf);
    return built;
}

bool
fab_rails_build(const FabHost *host, FabBuilder *builder)
{
    Rails rails = { .up = 0 };
    bool built = fab_cluster_read(host, builder, &rails.cluster) &&
                 (rails.cluster.nics == 0 || (plan(&rails) && build_planes(&rails)));

    fab_cluster_clear(&rails.cluster);
    return built;
}
