#include "predict/run-result.h"

#include <string.h>

#include "base/error.h"
#include "collective/choice.h"

static int
compare_uses(const void *a, const void *b)
{
    const FabResultUse *x = a, *y = b;

    if (x->utilisation != y->utilisation)
        return x->utilisation > y->utilisation ? -1 : 1;
    return x->link != y->link ? (x->link < y->link ? -1 : 1) : (int)x->direction - (int)y->direction;
}

void
fab_run_add_uses(FabResultRow *row, const FabTopology *topology, const double *carried)
{
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        const FabResource *resource = &topology->resources[i];
        FabResultUse use = { .link = resource->link, .bytes = carried[i] };
        if (carried[i] <= 0)
            continue;
        use.name = g_strdup(resource->name);
        use.direction = resource->link != UINT32_MAX && topology->links[resource->link].resource[1] == i;
        use.utilisation = row->time_ps > 0 ? carried[i] / (resource->capacity * (double)row->time_ps * 1e-12) : 0;
        g_array_append_val(row->uses, use);
    }
    g_array_sort(row->uses, compare_uses);
}

FabResult *
fab_run_result_new(const FabScenario *scenario, const FabTopology *topology)
{
    FabResult *result = fab_result_new();

    result->name = g_strdup(scenario->name);
    result->scenario = g_strdup(scenario->text);
    result->topology = g_strdup(topology->name);
    result->topology_title = g_strdup(topology->title);
    result->plugin = g_strdup(topology->plugin);
    result->gpus = topology->gpu_count;
    result->fidelity = g_strdup("chunk");
    result->root = -1;
    return result;
}

bool
fab_run_rules(const FabScenario *scenario, const FabTopology *topology, uint32_t ranks, FabRouteRules *rules,
              GError **error)
{
    static const char *const words[] = { "nvlink", "pix", "pxb", "phb", "node", "sys", NULL };
    static const FabPathClass classes[] = { FAB_PATH_SELF, FAB_PATH_PIX,  FAB_PATH_PXB,
                                            FAB_PATH_PHB,  FAB_PATH_NODE, FAB_PATH_SYS };
    g_autofree char *suggestion = NULL;

    *rules = (FabRouteRules) { .peer_level = fab_peer_level(topology, ranks, scenario->nccl),
                               .nvlink = scenario->nvlink, .queue_pairs = scenario->settings.queue_pairs };
    if (scenario->peer == NULL || strcmp(scenario->peer, "auto") == 0)
        return true;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(scenario->peer, words[i]) != 0)
            continue;
        rules->peer_level = classes[i];
        return true;
    }
    suggestion = fab_suggestion(scenario->peer, words);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] peer is \"%.60s\", which is not known%s",
                scenario->path, scenario->peer, suggestion);
    return false;
}
