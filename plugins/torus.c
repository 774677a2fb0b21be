/* Nodes on switches in a grid of up to four dimensions whose ends are joined. */
#include <stdlib.h>

#include "common/cluster.h"
#include "common/text.h"

enum { DIMENSIONS_MAX = 4, SWITCHES_MAX = 65536 };

static const FabParamSpec params[] = {
    FAB_CLUSTER_PARAMS,
    FAB_TEXT("grid", NULL, "switches along each dimension: 4 4 2; ends are joined where there are more than two"),
    FAB_INTEGER("switch_nics", NULL, 1, 1024, "NICs on a switch; nodes fill the switches in order"),
    FAB_INTEGER("cables", "1", 1, 64, "cables between two neighbours"),
    FAB_PARAMS_END,
};

typedef struct {
    FabCluster cluster;
    uint32_t size[DIMENSIONS_MAX], dimensions, switches;
    uint32_t switch_nics, cables;
} Torus;

static bool
plan(Torus *torus)
{
    const FabCluster *cluster = &torus->cluster;
    const char *grid = cluster->host->text(cluster->builder, "grid"), *at = grid;

    torus->switch_nics = (uint32_t)cluster->host->integer(cluster->builder, "switch_nics");
    torus->cables = (uint32_t)cluster->host->integer(cluster->builder, "cables");
    torus->switches = 1;
    for (fab_text_skip_separators(&at); *at != '\0'; fab_text_skip_separators(&at)) {
        const char *word = at;
        uint32_t size = 0;
        if (torus->dimensions == DIMENSIONS_MAX || !fab_text_number(&at, &size) || size == 0 ||
            size > SWITCHES_MAX / torus->switches)
            return cluster->host->fail(cluster->builder, "grid: \"%.*s\" cannot stand here, must be one to %d sizes "
                                       "of 1 or more, with at most %d switches together: 4 4 2",
                                       fab_text_word_length(word), word, DIMENSIONS_MAX, SWITCHES_MAX);
        torus->size[torus->dimensions++] = size;
        torus->switches *= size;
    }
    if ((uint64_t)torus->switches * torus->switch_nics < cluster->nics)
        return cluster->host->fail(cluster->builder, "ports do not close: %u NICs, but %u switches have places for %u; "
                                   "take a larger grid or more switch_nics", cluster->nics, torus->switches,
                                   torus->switches * torus->switch_nics);
    return true;
}

/* Links of every switch to the next one of each dimension. */
static bool
link_neighbours(const Torus *torus, const FabVertex *at)
{
    uint32_t stride = 1;

    for (uint32_t d = 0; d < torus->dimensions; stride *= torus->size[d++]) {
        for (uint32_t i = 0; i < torus->switches; i++) {
            uint32_t place = i / stride % torus->size[d];
            bool last = place + 1 == torus->size[d];
            uint32_t next = last ? i - place * stride : i + stride;
            if (torus->size[d] == 1 || (last && torus->size[d] == 2))
                continue;
            if (!fab_cluster_link_switches(&torus->cluster, at[i], at[next], torus->cables))
                return false;
        }
    }
    return true;
}

static bool
build_plane(const Torus *torus, uint32_t plane, FabVertex *at)
{
    const FabCluster *cluster = &torus->cluster;
    uint32_t index = 0;

    for (uint32_t i = 0; i < torus->switches; i++)
        at[i] = cluster->planes > 1 ? fab_cluster_add_switch(cluster, "Plane %u switch %u", plane, i)
                                    : fab_cluster_add_switch(cluster, "Switch %u", i);
    for (uint32_t node = 0; node < cluster->nodes; node++) {
        for (uint32_t nic = 0; nic < cluster->node[node].nics; nic++, index++) {
            if (!fab_cluster_link_nic(cluster, node, nic, at[index / torus->switch_nics]))
                return false;
        }
    }
    return link_neighbours(torus, at);
}

static bool
build_planes(const Torus *torus)
{
    FabVertex *at = calloc(torus->switches, sizeof *at);
    bool built = at != NULL;

    for (uint32_t plane = 0; plane < torus->cluster.planes && built; plane++)
        built = build_plane(torus, plane, at);
    free(at);
    return built;
}

static bool
build(const FabHost *host, FabBuilder *builder)
{
    Torus torus = { .dimensions = 0 };
    bool built = fab_cluster_read(host, builder, &torus.cluster) &&
                 (torus.cluster.nics == 0 || (plan(&torus) && build_planes(&torus)));

    fab_cluster_clear(&torus.cluster);
    return built;
}

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "torus",
    .summary = "a cluster: nodes of the catalogue on switches in a grid whose ends are joined",
    .params = params,
    .build = build,
};
