/* Nodes whose NICs of one number share a leaf switch (a rail), with spines above the leaves. */
#include "common/rails.h"

static const FabParamSpec params[] = { FAB_CLUSTER_PARAMS, FAB_RAILS_PARAMS("0"), FAB_PARAMS_END };

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAB_PLUGIN_ABI,
    .size = sizeof(FabTopologyPlugin),
    .name = "rail-optimised",
    .summary = "a cluster: nodes of the catalogue, a leaf switch for each rail, spines",
    .params = params,
    .build = fab_rails_build,
};
