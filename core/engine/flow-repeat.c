/* Whether all transfers are where they were before, and putting them where they will be: for repeat.c. */
#include "base/large.h"
#include "engine/digest.h"
#include "engine/flow-private.h"

/* Rates are sums over flows in some order, whose last digits say nothing. */
static uint64_t
flow_digest(const FabFlowSet *set, const Flow *flow, int64_t now)
{
    uint64_t digest = flow->route->id;

    for (uint32_t tag = flow->tag; tag != FAB_FLOW_NONE; tag = set->tags[tag].next)
        digest = fab_digest_add(digest, set->tags[tag].tag);
    digest = fab_digest_add(digest, (uint64_t)flow->bottleneck << 32 | flow->multiplicity);
    digest = fab_digest_add(digest, (uint64_t)(flow->updated - now));
    digest = fab_digest_add(digest, (uint64_t)(flow->finish - now));
    digest = fab_digest_add(digest, (uint64_t)(flow->planned - now));
    digest = fab_digest_add_double(digest, flow->bytes);
    digest = fab_digest_add_double(digest, flow->limit);
    return fab_digest_add_double(digest, (double)(float)flow->rate);
}

uint64_t
fab_flow_digest(const FabFlowSet *set, int64_t now)
{
    uint64_t all = 0;

    for (uint32_t i = 0; i < set->flow_count; i++) {
        if (set->flows[i].active)
            all += flow_digest(set, &set->flows[i], now);
    }
    return fab_digest_add(set->active, all);
}

bool
fab_flow_is_planned(const FabFlowSet *set, uint32_t number, int64_t when)
{
    return set->flows[number].active && set->flows[number].planned == when;
}

void
fab_flow_keep_sums(const FabFlowSet *set, FabFlowSums *sums)
{
    if (sums->carried == NULL)
        sums->carried = fab_large_new(set->resource_count, sizeof *sums->carried);
    memcpy(sums->carried, set->carried, set->resource_count * sizeof *sums->carried);
    sums->limited_ps = set->limited_ps;
    sums->started = set->started;
}

void
fab_flow_repeat(FabFlowSet *set, const FabFlowSums *since, uint64_t times, int64_t later)
{
    for (uint32_t i = 0; i < set->resource_count; i++)
        set->carried[i] += (set->carried[i] - since->carried[i]) * (double)times;
    set->limited_ps += (set->limited_ps - since->limited_ps) * (double)times;
    set->started += (set->started - since->started) * times;
    for (uint32_t i = 0; i < set->flow_count; i++) {
        Flow *flow = &set->flows[i];
        if (!flow->active)
            continue;
        flow->start += later;
        flow->updated += later;
        flow->finish += later;
        flow->planned += later;
    }
}
