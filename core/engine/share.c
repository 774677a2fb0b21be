/*
 * The solver of flow.h: progressive filling of a part of the flows, the others standing as they are, and growth of the
 * part until every flow has its bottleneck again. A fixed point is a max-min allocation, and that one is unique.
 */
#include <math.h>

#include "engine/flow-private.h"

#define NONE FAB_FLOW_NONE

static void
part_add_resource(FabFlowSet *set, uint32_t id)
{
    FlowResource *resource = &set->resources[id];

    resource->in_part = true;
    resource->part = resource->part_held = 0;
    resource->part_free = resource->capacity - resource->load;
    resource->part_weight = 0;
    if (set->part_resource_count == set->part_resource_room) {
        set->part_resource_room = set->part_resource_room == 0 ? 64 : set->part_resource_room * 2;
        set->part_resources = g_renew(uint32_t, set->part_resources, set->part_resource_room);
    }
    set->part_resources[set->part_resource_count++] = id;
}

/* Takes a flow into the part: what it uses is free again for the filling. */
static void
part_add(FabFlowSet *set, uint32_t number)
{
    Flow *flow = &set->flows[number];

    if (flow->in_part)
        return;
    flow->in_part = true;
    flow->cap = flow->limit;
    flow->cap_at = FAB_FLOW_LIMIT;
    if (set->part_count == set->part_room) {
        set->part_room = set->part_room == 0 ? 64 : set->part_room * 2;
        set->part = g_renew(uint32_t, set->part, set->part_room);
    }
    set->part[set->part_count++] = number;
    for (uint32_t i = 0; i < flow->route->count; i++) {
        uint32_t id = flow->route->uses[i].resource;
        FlowResource *resource = &set->resources[id];
        double weight = flow->route->uses[i].weight * flow->multiplicity;
        if (resource->count == 1) {
            if (resource->capacity / weight < flow->cap) {
                flow->cap = resource->capacity / weight;
                flow->cap_at = id;
            }
            continue;
        }
        if (!resource->in_part)
            part_add_resource(set, id);
        resource->part++;
        resource->part_held += flow->bottleneck == id;
        resource->part_free += weight * flow->rate;
        resource->part_weight += weight;
    }
}

/* Adds the flows that a resource holds back. */
static void
part_add_held(FabFlowSet *set, uint32_t id)
{
    const FlowResource *resource = &set->resources[id];

    if (resource->held == 0 || (resource->in_part && resource->held == resource->part_held))
        return;
    for (uint32_t k = 0; k < resource->count; k++) {
        if (set->flows[resource->members[k].flow].bottleneck == id)
            part_add(set, resource->members[k].flow);
    }
}

/* ------------------------------------------------------------------ a heap of resources by free / weight */

static void
heap_sift_down(FabFlowSet *set, uint32_t at, FlowHeapEntry entry)
{
    FlowHeapEntry *heap = set->heap;

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= set->heap_count)
            break;
        if (child + 1 < set->heap_count && heap[child + 1].ratio < heap[child].ratio)
            child++;
        if (heap[child].ratio >= entry.ratio)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = entry;
}

static void
heap_drop_first(FabFlowSet *set)
{
    FlowHeapEntry last = set->heap[--set->heap_count];

    if (set->heap_count > 0)
        heap_sift_down(set, 0, last);
}

static double
ratio_of(const FlowResource *resource)
{
    return resource->free > 0 ? resource->free / resource->weight : 0;
}

/* The resource that fills first. Ratios only grow while filling, so stale keys are too low and put right here. */
static uint32_t
heap_first(FabFlowSet *set, double *ratio)
{
    while (set->heap_count > 0) {
        FlowHeapEntry first = set->heap[0];
        const FlowResource *resource = &set->resources[first.resource];
        double now = ratio_of(resource);
        if (resource->open == 0) {
            heap_drop_first(set);
        } else if (now > first.ratio) {
            heap_sift_down(set, 0, (FlowHeapEntry) { .ratio = now, .resource = first.resource });
            if (set->heap[0].resource == first.resource) {
                *ratio = now;
                return first.resource;
            }
        } else {
            *ratio = now;
            return first.resource;
        }
    }
    return NONE;
}

/* ------------------------------------------------------------------ filling */

static void
prepare(FabFlowSet *set)
{
    if (set->heap_room < set->part_resource_count) {
        set->heap_room = MAX(64, set->part_resource_count * 2);
        set->heap = g_renew(FlowHeapEntry, set->heap, set->heap_room);
    }
    set->heap_count = set->part_resource_count;
    for (uint32_t i = 0; i < set->part_resource_count; i++) {
        FlowResource *resource = &set->resources[set->part_resources[i]];
        resource->free = resource->part_free;
        resource->weight = resource->part_weight;
        resource->open = resource->part;
        resource->level = -1;
        set->heap[i] = (FlowHeapEntry) { .ratio = ratio_of(resource), .resource = set->part_resources[i] };
    }
    for (uint32_t at = set->heap_count / 2; at-- > 0;)
        heap_sift_down(set, at, set->heap[at]);
    for (uint32_t i = 0; i < set->part_count; i++)
        set->flows[set->part[i]].settled = false;
}

static int
compare_caps(const void *a, const void *b, void *user)
{
    const Flow *flows = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    double p = flows[x].cap, q = flows[y].cap;

    return p != q ? (p < q ? -1 : 1) : (x < y ? -1 : x > y);
}

/* Sorts the part by the flows' own caps; most often it is small or in order already. */
static void
sort_by_cap(FabFlowSet *set)
{
    enum { SMALL = 32 };

    if (set->part_count > SMALL) {
        for (uint32_t i = 1; i < set->part_count; i++) {
            if (set->flows[set->part[i]].cap < set->flows[set->part[i - 1]].cap) {
                g_qsort_with_data(set->part, (int)set->part_count, sizeof *set->part, compare_caps, set->flows);
                return;
            }
        }
        return;
    }
    for (uint32_t i = 1; i < set->part_count; i++) {
        uint32_t number = set->part[i], k = i;
        for (; k > 0 && set->flows[number].cap < set->flows[set->part[k - 1]].cap; k--)
            set->part[k] = set->part[k - 1];
        set->part[k] = number;
    }
}

static void
settle(FabFlowSet *set, uint32_t number, double rate, uint32_t bottleneck)
{
    Flow *flow = &set->flows[number];

    flow->settled = true;
    flow->new_rate = rate;
    flow->new_bottleneck = bottleneck;
    for (uint32_t i = 0; i < flow->route->count; i++) {
        FlowResource *resource = &set->resources[flow->route->uses[i].resource];
        double weight = flow->route->uses[i].weight * flow->multiplicity;
        if (!resource->in_part)
            continue; /* the flow has it alone: in its cap */
        resource->free -= weight * rate;
        resource->weight -= weight;
        resource->open--;
    }
}

/* The same for a part of one flow, which is common, without a heap. */
static void
fill_one(FabFlowSet *set)
{
    Flow *flow = &set->flows[set->part[0]];
    FlowResource *lowest = NULL;

    flow->new_rate = flow->cap;
    flow->new_bottleneck = flow->cap_at;
    for (uint32_t i = 0; i < set->part_resource_count; i++) {
        FlowResource *resource = &set->resources[set->part_resources[i]];
        double ratio = resource->part_free > 0 ? resource->part_free / resource->part_weight : 0;
        resource->level = -1;
        if (ratio < flow->new_rate) {
            flow->new_rate = ratio;
            flow->new_bottleneck = set->part_resources[i];
            lowest = resource;
        }
    }
    if (lowest != NULL)
        lowest->level = flow->new_rate;
    for (uint32_t i = 0; i < set->part_resource_count; i++) {
        FlowResource *resource = &set->resources[set->part_resources[i]];
        resource->free = resource->part_free - resource->part_weight * flow->new_rate;
    }
}

static void
fill(FabFlowSet *set)
{
    uint32_t next = 0, left = set->part_count;

    prepare(set);
    sort_by_cap(set);
    while (left > 0) {
        double ratio = INFINITY;
        uint32_t id = heap_first(set, &ratio);
        FlowResource *resource;
        while (next < set->part_count && set->flows[set->part[next]].settled)
            next++;
        if (next < set->part_count && set->flows[set->part[next]].cap <= ratio) {
            settle(set, set->part[next], set->flows[set->part[next]].cap, set->flows[set->part[next]].cap_at);
            left--;
            continue;
        }
        resource = &set->resources[id];
        resource->level = ratio;
        for (uint32_t k = 0; k < resource->count; k++) {
            const Flow *flow = &set->flows[resource->members[k].flow];
            if (flow->in_part && !flow->settled) {
                settle(set, resource->members[k].flow, ratio, id);
                left--;
            }
        }
    }
}

/* ------------------------------------------------------------------ growing the part */

static double
current_rate(const Flow *flow)
{
    return flow->in_part ? flow->new_rate : flow->rate;
}

/* Takes in the standing flows of one resource whose bottleneck no longer holds. */
static void
grow_at(FabFlowSet *set, uint32_t id)
{
    const FlowResource *resource = &set->resources[id];
    bool full = resource->level >= 0 || resource->free <= resource->capacity * FAB_FLOW_TOLERANCE;
    double fastest = 0;

    if (resource->part == resource->count || (resource->level < 0 && resource->held == resource->part_held))
        return;
    for (uint32_t k = 0; k < resource->count; k++)
        fastest = MAX(fastest, current_rate(&set->flows[resource->members[k].flow]));
    for (uint32_t k = 0; k < resource->count; k++) {
        uint32_t number = resource->members[k].flow;
        const Flow *flow = &set->flows[number];
        bool held_here = flow->bottleneck == id;
        bool may_grow = held_here && (!full || flow->rate < fastest * (1 - FAB_FLOW_TOLERANCE));
        bool must_shrink = resource->level >= 0 && flow->rate > resource->level * (1 + FAB_FLOW_TOLERANCE);
        if (!flow->in_part && (may_grow || must_shrink))
            part_add(set, number);
    }
}

static void
solve(FabFlowSet *set)
{
    for (;;) {
        uint32_t before = set->part_count, resources = set->part_resource_count;
        if (set->part_count == 1)
            fill_one(set);
        else
            fill(set);
        for (uint32_t i = 0; i < resources; i++)
            grow_at(set, set->part_resources[i]);
        if (set->part_count == before)
            return;
    }
}

/* A flow that has all its resources to itself needs no solver. */
static bool
settle_alone(FabFlowSet *set, int64_t now, uint32_t number)
{
    const Flow *flow = &set->flows[number];
    double rate = flow->limit;
    uint32_t bottleneck = FAB_FLOW_LIMIT;

    for (uint32_t i = 0; i < flow->route->count; i++) {
        const FabUse *use = &flow->route->uses[i];
        double share = set->resources[use->resource].capacity / (use->weight * flow->multiplicity);
        if (set->resources[use->resource].count > 1)
            return false;
        if (share < rate) {
            rate = share;
            bottleneck = use->resource;
        }
    }
    fab_flow_set_rate(set, now, number, rate, bottleneck);
    return true;
}

static void
collect(FabFlowSet *set, int64_t now)
{
    for (uint32_t i = 0; i < set->dirty_count; i++) {
        FlowResource *resource = &set->resources[set->dirty[i]];
        resource->dirty = false;
        for (uint32_t k = 0; set->cables != NULL && k < resource->count; k++) {
            if (set->flows[resource->members[k].flow].networked)
                part_add(set, resource->members[k].flow);
        }
        part_add_held(set, set->dirty[i]);
    }
    set->dirty_count = 0;
    for (uint32_t i = 0; i < set->arrived_count; i++) {
        uint32_t number = set->arrived[i];
        const FabRoute *route = set->flows[number].route;
        if (settle_alone(set, now, number))
            continue;
        part_add(set, number);
        for (uint32_t k = 0; k < route->count; k++)
            part_add_held(set, route->uses[k].resource);
    }
    set->arrived_count = 0;
    for (uint32_t i = 0; i < set->changed_count; i++) {
        const FlowResource *resource = &set->resources[set->changed[i]];
        for (uint32_t k = 0; k < resource->count; k++)
            part_add(set, resource->members[k].flow);
    }
    set->changed_count = 0;
}

void
fab_flow_part_add(FabFlowSet *set, uint32_t flow)
{
    part_add(set, flow);
}

void
fab_flow_fill_begin(FabFlowSet *set)
{
    prepare(set);
    sort_by_cap(set);
}

uint32_t
fab_flow_lowest(FabFlowSet *set, double *ratio)
{
    *ratio = INFINITY;
    return heap_first(set, ratio);
}

void
fab_flow_settle(FabFlowSet *set, uint32_t flow, double rate, uint32_t bottleneck)
{
    settle(set, flow, rate, bottleneck);
}

void
fab_flow_grow_at(FabFlowSet *set, uint32_t resource)
{
    grow_at(set, resource);
}

void
fab_flow_share(FabFlowSet *set, int64_t now)
{
    collect(set, now);
    if (set->part_count == 0)
        return;
    if (set->cables != NULL)
        fab_flow_solve_lossless(set);
    else
        solve(set);
    for (uint32_t i = 0; i < set->part_count; i++) {
        Flow *flow = &set->flows[set->part[i]];
        flow->in_part = false;
        if (flow->new_rate != flow->rate || flow->new_bottleneck != flow->bottleneck)
            fab_flow_set_rate(set, now, set->part[i], flow->new_rate, flow->new_bottleneck);
    }
    for (uint32_t i = 0; i < set->part_resource_count; i++)
        set->resources[set->part_resources[i]].in_part = false;
    set->part_count = set->part_resource_count = 0;
}
