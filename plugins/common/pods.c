#include "common/pods.h"

#include <stdlib.h>

bool
fab_pods_plan(const FabCluster *cluster, uint32_t leaves, uint32_t pod_leaves, uint32_t up, uint32_t radix,
              FabPods *pods)
{
    *pods = (FabPods) { .leaves = leaves, .pod_leaves = pod_leaves, .spines = up };
    pods->pods = (leaves + pod_leaves - 1) / pod_leaves;
    for (uint32_t cables = 1; cables <= radix / 2 && pods->pods > 1; cables++) {
        if (radix / 2 % cables == 0 && cables * pods->pods <= radix)
            pods->core_cables = cables; /* the fewest cores that close */
    }
    pods->cores = pods->core_cables > 0 ? radix / 2 / pods->core_cables : 0;
    if (pods->pods > radix)
        return cluster->host->fail(cluster->builder, "ports do not close: %u NICs need %u pods, a core has %u ports "
                                   "(radix); take a larger radix", cluster->nics, pods->pods, radix);
    return true;
}

static FabVertex
add_switch(const FabCluster *cluster, const char *plain, const char *in_plane, uint32_t plane, uint32_t number)
{
    if (cluster->planes > 1)
        return fab_cluster_add_switch(cluster, "Plane %u %s %u", plane, in_plane, number);
    return fab_cluster_add_switch(cluster, "%s %u", plain, number);
}

/* Spine s of each pod, and the cores that join them. */
static bool
link_spines(const FabCluster *cluster, const FabPods *pods, uint32_t plane, const FabVertex *leaf, uint32_t s)
{
    FabVertex *spine = calloc(pods->pods, sizeof *spine);
    bool good = spine != NULL;

    for (uint32_t pod = 0; pod < pods->pods && good; pod++)
        spine[pod] = add_switch(cluster, "Spine", "spine", plane, pod * pods->spines + s);
    for (uint32_t i = 0; i < pods->leaves && good; i++)
        good = fab_cluster_link_switches(cluster, leaf[i], spine[i / pods->pod_leaves], 1);
    for (uint32_t c = 0; c < pods->cores && good; c++) {
        FabVertex core = add_switch(cluster, "Core", "core", plane, s * pods->cores + c);
        for (uint32_t pod = 0; pod < pods->pods && good; pod++)
            good = fab_cluster_link_switches(cluster, spine[pod], core, pods->core_cables);
    }
    free(spine);
    return good;
}

bool
fab_pods_link(const FabCluster *cluster, const FabPods *pods, uint32_t plane, const FabVertex *leaf)
{
    for (uint32_t s = 0; s < pods->spines; s++) {
        if (!link_spines(cluster, pods, plane, leaf, s))
            return false;
    }
    return true;
}
