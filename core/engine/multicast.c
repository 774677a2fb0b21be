/* Ways through the switch of a node, kept for each. */
#include "engine/engine-private.h"

/* Among the ranks of the stream's node: unless they are folded, ranks of a node follow each other. */
static const FabRoute *
find_multicast(FabEngine *engine, uint32_t rank, uint32_t node)
{
    const FabTopology *topology = engine->spec->topology;
    const uint32_t *gpus = engine->spec->gpus;
    double weight = engine->execution->in_switch_weight;
    uint32_t first = rank, end = rank + 1;

    if (engine->spec->fold != NULL) {
        uint32_t count;
        g_autofree uint32_t *all = fab_fold_node(engine->spec->fold, rank, &count);
        return fab_engine_folded(engine, fab_router_multicast(engine->router, all, count, weight, &engine->error));
    }
    while (first > 0 && fab_topology_node_of(topology, gpus[first - 1]) == node)
        first--;
    while (end < engine->program->ranks && fab_topology_node_of(topology, gpus[end]) == node)
        end++;
    return fab_router_multicast(engine->router, gpus + first, end - first, weight, &engine->error);
}

const FabRoute *
fab_engine_multicast(FabEngine *engine, const FabStreamRun *stream)
{
    uint32_t node = fab_topology_node_of(engine->spec->topology, engine->spec->gpus[stream->at.rank]);

    if (engine->multicast[node] == NULL && engine->error == NULL)
        engine->multicast[node] = find_multicast(engine, stream->at.rank, node);
    return engine->multicast[node];
}
