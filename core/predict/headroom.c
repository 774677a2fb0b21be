#include "predict/headroom.h"

#include <string.h>

#include "predict/run-private.h"

bool
fab_headroom_is_known(const FabScenario *scenario, const FabTopology *topology)
{
    return scenario->kind == FAB_SCENARIO_COLLECTIVE && !fab_fault_any(scenario) && scenario->background == NULL &&
           scenario->seeds == 0 && !topology->network.lossless && topology->shared == FAB_VERTEX_NONE;
}

static bool
same_facts(const FabMachineFacts *one, const FabMachineFacts *other)
{
    return one->transport == other->transport && one->path == other->path && one->ranks == other->ranks &&
           one->graph_channels == other->graph_channels && one->graph_speed == other->graph_speed &&
           one->channels == other->channels && one->p2p_per_peer == other->p2p_per_peer &&
           one->nvls_channels == other->nvls_channels && one->nvls_intra == other->nvls_intra &&
           one->nvls_inter == other->nvls_inter && one->tree_intra == other->tree_intra &&
           one->message_us == other->message_us && one->message_bytes == other->message_bytes &&
           one->thread_us == other->thread_us && one->far_nics == other->far_nics &&
           one->rings == other->rings &&
           memcmp(one->order, other->order, (gsize)one->rings * one->ranks * sizeof *one->order) == 0;
}

bool
fab_headroom_same_rings(const FabScenario *scenario, const FabTopology *one, const FabTopology *other)
{
    FabRun first, second;
    bool same = fab_run_init(&first, scenario, one, NULL, NULL);

    if (same) {
        same = fab_run_init(&second, scenario, other, NULL, NULL) && same_facts(&first.facts, &second.facts);
        fab_run_clear(&second);
    }
    fab_run_clear(&first);
    return same;
}
