#include "predict/given-graph.h"

#include "base/error.h"
#include "measure/nccl-graph.h"

/* The rank that has a GPU; -1: none. */
static int64_t
rank_of(const uint32_t *gpus, uint32_t ranks, uint32_t gpu)
{
    for (uint32_t r = 0; r < ranks; r++) {
        if (gpus[r] == gpu)
            return r;
    }
    return -1;
}

/* Device numbers become ranks. */
static bool
to_ranks(const char *path, const FabNcclGraph *graph, const uint32_t *gpus, uint32_t ranks, uint32_t *order,
         GError **error)
{
    if (graph->gpus != ranks) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: its rings pass %u GPUs, there are %u ranks; give the graph of a run with as many", path,
                    graph->gpus, ranks);
        return false;
    }
    for (uint32_t i = 0; i < graph->channels * graph->gpus; i++) {
        int64_t rank = rank_of(gpus, ranks, graph->devices[i]);
        if (rank < 0) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: channel %u passes GPU %u, which is not among the GPUs of the ranks", path, i / graph->gpus,
                        graph->devices[i]);
            return false;
        }
        order[i] = (uint32_t)rank;
    }
    return true;
}

bool
fab_use_given_graph(const char *path, FabRouter *router, const FabTopology *topology, const uint32_t *gpus,
                    FabMachineFacts *facts, GError **error)
{
    g_auto(FabNcclGraph) graph = { 0 };
    g_autofree uint32_t *order = NULL;
    FabGivenGraph given;

    if (!fab_nccl_graph_load(path, &graph, error))
        return false;
    order = g_new(uint32_t, (gsize)graph.channels * graph.gpus);
    if (!to_ranks(path, &graph, gpus, facts->ranks, order, error))
        return false;
    given = (FabGivenGraph) { .channels = graph.has_tree ? MIN(graph.channels, MAX(graph.tree_channels, 1))
                                                         : graph.channels,
                              .speed = graph.speed, .order = order, .nvls = graph.has_nvls };
    if (graph.nvls_heads >= 2) { /* NCCL takes NVLS with two heads or more */
        given.nvls_intra = graph.nvls_intra;
        given.nvls_inter = graph.nvls_inter;
    }
    if (fab_machine_facts_give(facts, router, topology, gpus, &given, error))
        return true;
    g_prefix_error(error, "%s: ", path);
    return false;
}
