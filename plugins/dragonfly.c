/*
 * Groups of switches, joined each to each in the group, and groups joined each to each: a dragonfly. With `spines` a
 * group is a two-level tree whose spines hold the cables to other groups: a dragonfly+.
 */
#include <stdlib.h>

#include "common/cluster.h"

static const FabParamSpec params[] = {
    FAB_CLUSTER_PARAMS,
    FAB_INTEGER("groups", NULL, 1, 4096, "groups of switches"),
    FAB_INTEGER("switches", NULL, 1, 1024, "switches of a group; with spines its leaves"),
    FAB_INTEGER("switch_nics", NULL, 1, 1024, "NICs on a switch; nodes fill the switches in order"),
    FAB_INTEGER("spines", "0", 0, 1024, "spines of a group (dragonfly+); 0: switches are joined each to each"),
    FAB_INTEGER("local_cables", "1", 1, 64, "cables between two switches of a group, or a leaf and a spine"),
    FAB_INTEGER("global_cables", "1", 1, 1024, "cables between two groups"),
    FAB_INTEGER("radix", "64", 2, 4096, "ports of a switch"),
    FAB_PARAMS_END,
};

typedef struct {
    FabCluster cluster;
    uint32_t groups, switches, switch_nics, spines, local, global, radix;
    FabVertex *vertex; /* of a plane: switches of group 0, its spines, then group 1, ... */
} Dragonfly;

static uint32_t
integer_of(const Dragonfly *fly, const char *param)
{
    return (uint32_t)fly->cluster.host->integer(fly->cluster.builder, param);
}

static bool
check_ports(const Dragonfly *fly, const char *what, uint32_t nics, uint32_t local, uint32_t global)
{
    const FabCluster *cluster = &fly->cluster;

    return nics + local + global <= fly->radix ||
           cluster->host->fail(cluster->builder, "ports do not close: %s needs %u for NICs, %u in its group and %u to "
                               "other groups, it has %u (radix)", what, nics, local, global, fly->radix);
}

static bool
plan(Dragonfly *fly)
{
    const FabCluster *cluster = &fly->cluster;
    uint32_t gates, global;

    fly->groups = integer_of(fly, "groups");
    fly->switches = integer_of(fly, "switches");
    fly->switch_nics = integer_of(fly, "switch_nics");
    fly->spines = integer_of(fly, "spines");
    fly->local = integer_of(fly, "local_cables");
    fly->global = integer_of(fly, "global_cables");
    fly->radix = integer_of(fly, "radix");
    if ((uint64_t)fly->groups * fly->switches * fly->switch_nics < cluster->nics)
        return cluster->host->fail(cluster->builder, "ports do not close: %u NICs, but %u groups of %u switches have "
                                   "places for %u; take more groups, switches or switch_nics", cluster->nics,
                                   fly->groups, fly->switches, fly->groups * fly->switches * fly->switch_nics);
    gates = fly->spines > 0 ? fly->spines : fly->switches;
    global = ((fly->groups - 1) * fly->global + gates - 1) / gates;
    if (fly->spines == 0)
        return check_ports(fly, "a switch", fly->switch_nics, (fly->switches - 1) * fly->local, global);
    return check_ports(fly, "a leaf", fly->switch_nics, fly->spines * fly->local, 0) &&
           check_ports(fly, "a spine", 0, fly->switches * fly->local, global);
}

static FabVertex *
group_at(const Dragonfly *fly, uint32_t group)
{
    return fly->vertex + (size_t)group * (fly->switches + fly->spines);
}

static bool
build_group(const Dragonfly *fly, uint32_t plane, uint32_t group)
{
    const FabCluster *cluster = &fly->cluster;
    FabVertex *at = group_at(fly, group);
    uint32_t members = fly->switches + fly->spines;

    for (uint32_t i = 0; i < members; i++) {
        const char *what = i < fly->switches ? fly->spines > 0 ? "leaf" : "switch" : "spine";
        uint32_t number = i < fly->switches ? i : i - fly->switches;
        at[i] = cluster->planes > 1
                    ? fab_cluster_add_switch(cluster, "Plane %u group %u %s %u", plane, group, what, number)
                    : fab_cluster_add_switch(cluster, "Group %u %s %u", group, what, number);
    }
    for (uint32_t i = 0; i < fly->switches; i++) {
        for (uint32_t k = fly->spines > 0 ? fly->switches : i + 1; k < members; k++) {
            if (!fab_cluster_link_switches(cluster, at[i], at[k], fly->local))
                return false;
        }
    }
    return true;
}

/* Cables to other groups go round the switches (or spines) of a group. */
static bool
link_groups(const Dragonfly *fly)
{
    uint32_t gates = fly->spines > 0 ? fly->spines : fly->switches, first = fly->spines > 0 ? fly->switches : 0;
    uint32_t *next = calloc(fly->groups, sizeof *next);
    bool good = next != NULL;

    for (uint32_t a = 0; a < fly->groups && good; a++) {
        for (uint32_t b = a + 1; b < fly->groups && good; b++) {
            for (uint32_t i = 0; i < fly->global && good; i++)
                good = fab_cluster_link_switches(&fly->cluster, group_at(fly, a)[first + next[a]++ % gates],
                                                 group_at(fly, b)[first + next[b]++ % gates], 1);
        }
    }
    free(next);
    return good;
}

static bool
build_plane(const Dragonfly *fly, uint32_t plane)
{
    const FabCluster *cluster = &fly->cluster;
    uint32_t index = 0;

    for (uint32_t group = 0; group < fly->groups; group++) {
        if (!build_group(fly, plane, group))
            return false;
    }
    for (uint32_t node = 0; node < cluster->nodes; node++) {
        for (uint32_t nic = 0; nic < cluster->node[node].nics; nic++, index++) {
            uint32_t at = index / fly->switch_nics;
            if (!fab_cluster_link_nic(cluster, node, nic, group_at(fly, at / fly->switches)[at % fly->switches]))
                return false;
        }
    }
    return link_groups(fly);
}

static bool
build_planes(Dragonfly *fly)
{
    bool built = true;

    fly->vertex = calloc((size_t)fly->groups * (fly->switches + fly->spines), sizeof *fly->vertex);
    if (fly->vertex == NULL)
        return fly->cluster.host->fail(fly->cluster.builder, "out of memory");
    for (uint32_t plane = 0; plane < fly->cluster.planes && built; plane++)
        built = build_plane(fly, plane);
    free(fly->vertex);
    return built;
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    Dragonfly fly = { .vertex = NULL };
    bool built = fab_cluster_read(host, builder, &fly.cluster) &&
                 (fly.cluster.nics == 0 || (plan(&fly) && build_planes(&fly)));

    fab_cluster_clear(&fly.cluster);
    return built;
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "dragonfly",
    .summary = "a cluster: nodes of the catalogue on groups of switches, groups joined each to each",
    .params = params,
    .build = build,
};
