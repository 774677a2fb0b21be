#include "engine/flow.h"

#include <string.h>

#include "base/error.h"
#include "base/large.h"
#include "engine/flow-private.h"

#define NONE FAB_FLOW_NONE

/* B/s that may seem to pass a resource without capacity. */
#define ROUNDING 1e-3

FabFlowSet *
fab_flow_set_new(const double *capacity, uint32_t count, FabQueue *queue, uint32_t mark)
{
    FabFlowSet *set = g_new0(FabFlowSet, 1);

    set->queue = queue;
    set->mark = mark;
    set->resource_count = count;
    set->resources = fab_large_new(count, sizeof *set->resources);
    set->blocks = g_ptr_array_new_with_free_func(fab_large_free);
    set->carried = g_new0(double, count);
    for (uint32_t i = 0; i < count; i++)
        set->resources[i].capacity = capacity[i] / FAB_PS;
    set->free_flow = set->free_tag = set->ended_tag = NONE;
    return set;
}

void
fab_flow_set_free(FabFlowSet *set)
{
    if (set == NULL)
        return;
    for (uint32_t i = 0; i < set->flow_count; i++)
        g_free(set->flows[i].far);
    fab_large_free(set->resources);
    g_ptr_array_unref(set->blocks);
    g_free(set->carried);
    fab_large_free(set->flows);
    g_free(set->tags);
    g_free(set->latest);
    g_free(set->arrived);
    g_free(set->dirty);
    g_free(set->changed);
    g_free(set->part);
    g_free(set->part_resources);
    g_free(set->heap);
    g_free(set->cables);
    g_free(set->stamps);
    g_free(set->batch);
    g_free(set->paused);
    g_free(set);
}

static uint32_t
tag_new(FabFlowSet *set, uint32_t tag, uint32_t next)
{
    uint32_t node = set->free_tag;

    if (node != NONE) {
        set->free_tag = set->tags[node].next;
    } else {
        if (set->tag_count == set->tag_room) {
            set->tag_room = set->tag_room == 0 ? 64 : set->tag_room * 2;
            set->tags = g_renew(FlowTag, set->tags, set->tag_room);
        }
        node = set->tag_count++;
    }
    set->tags[node] = (FlowTag) { .tag = tag, .next = next };
    return node;
}

static uint32_t
flow_new(FabFlowSet *set, const FabRoute *route)
{
    uint32_t number = set->free_flow;
    Flow *flow;

    if (number != NONE) {
        set->free_flow = set->flows[number].next_free;
    } else {
        if (set->flow_count == set->flow_room) {
            set->flow_room = set->flow_room == 0 ? 64 : set->flow_room * 2;
            set->flows = fab_large_grow(set->flows, set->flow_count, set->flow_room, sizeof *set->flows);
        }
        number = set->flow_count++;
        memset(&set->flows[number], 0, sizeof(Flow));
    }
    flow = &set->flows[number];
    if (flow->room < route->count) {
        flow->room = route->count;
        if (flow->room > FLOW_NEAR)
            flow->far = g_renew(uint32_t, flow->far, flow->room);
    }
    flow->route = route;
    return number;
}

/* Room for twice as many members. What they had stays unused: all such rests together are less than what is used. */
static void
make_room(FabFlowSet *set, FlowResource *resource)
{
    enum { FIRST = 4, BLOCK = 1 << 18 };
    uint32_t room = resource->room == 0 ? FIRST : resource->room * 2;
    FlowMember *members;

    if (set->block_room - set->block_used < room) {
        set->block_room = MAX(room, MIN(BLOCK, set->block_room == 0 ? FIRST * 64 : set->block_room * 2));
        set->block_used = 0;
        g_ptr_array_add(set->blocks, fab_large_new(set->block_room, sizeof *members));
    }
    members = (FlowMember *)set->blocks->pdata[set->blocks->len - 1] + set->block_used;
    set->block_used += room;
    if (resource->count > 0)
        memcpy(members, resource->members, resource->count * sizeof *members);
    resource->members = members;
    resource->room = room;
}

static void
attach(FabFlowSet *set, uint32_t number)
{
    Flow *flow = &set->flows[number];
    uint32_t *position = fab_flow_positions(flow);

    for (uint32_t i = 0; i < flow->route->count; i++) {
        FlowResource *resource = &set->resources[flow->route->uses[i].resource];
        if (resource->count == resource->room)
            make_room(set, resource);
        position[i] = resource->count;
        resource->members[resource->count++] = (FlowMember) { .flow = number, .use = i };
    }
}

static void
mark_dirty(FabFlowSet *set, uint32_t resource)
{
    if (set->resources[resource].dirty)
        return;
    set->resources[resource].dirty = true;
    if (set->dirty_count == set->dirty_room) {
        set->dirty_room = set->dirty_room == 0 ? 64 : set->dirty_room * 2;
        set->dirty = g_renew(uint32_t, set->dirty, set->dirty_room);
    }
    set->dirty[set->dirty_count++] = resource;
}

static double
load_of(const FabFlowSet *set, FlowMember member)
{
    const Flow *flow = &set->flows[member.flow];

    return flow->route->uses[member.use].weight * flow->rate * flow->multiplicity;
}

/* Loads are kept up by differences; where few flows are left they are summed anew, so that errors do not add up. */
static void
detach(FabFlowSet *set, uint32_t number)
{
    Flow *flow = &set->flows[number];
    const uint32_t *position = fab_flow_positions(flow);

    if (flow->bottleneck < set->resource_count)
        set->resources[flow->bottleneck].held--;
    for (uint32_t i = 0; i < flow->route->count; i++) {
        uint32_t id = flow->route->uses[i].resource;
        FlowResource *resource = &set->resources[id];
        FlowMember last = resource->members[--resource->count];
        resource->load -= load_of(set, (FlowMember) { .flow = number, .use = i });
        if (last.flow != number) {
            resource->members[position[i]] = last;
            fab_flow_positions(&set->flows[last.flow])[last.use] = position[i];
        }
        if (resource->count <= 1)
            resource->load = resource->count == 0 ? 0 : load_of(set, resource->members[0]);
        if (resource->held > 0 || set->cables != NULL) /* with cables a stop may move without a change of rate there */
            mark_dirty(set, id);
    }
}

/* The flow that was started last on a route, if any. */
static uint32_t *
latest_on(FabFlowSet *set, uint32_t route)
{
    if (route >= set->latest_count) {
        uint32_t count = MAX(route + 1, MAX(64, set->latest_count * 2));
        set->latest = g_renew(uint32_t, set->latest, count);
        for (uint32_t i = set->latest_count; i < count; i++)
            set->latest[i] = NONE;
        set->latest_count = count;
    }
    return &set->latest[route];
}

void
fab_flow_start(FabFlowSet *set, int64_t now, const FabRoute *route, double bytes, double limit, uint32_t tag)
{
    uint32_t *latest = latest_on(set, route->id);
    uint32_t number = *latest;
    Flow *flow;

    set->started++;
    set->active++;
    limit /= FAB_PS;
    if (number != NONE) {
        flow = &set->flows[number];
        if (flow->active && flow->route == route && flow->start == now && flow->bytes == bytes &&
            flow->limit == limit && flow->rate == 0) {
            flow->multiplicity++;
            flow->tag = tag_new(set, tag, flow->tag);
            return;
        }
    }
    number = flow_new(set, route);
    *latest = number;
    flow = &set->flows[number];
    flow->bytes = flow->remaining = bytes;
    flow->limit = limit;
    flow->multiplicity = 1;
    flow->start = flow->updated = now;
    flow->finish = flow->planned = INT64_MAX;
    flow->rate = 0;
    flow->limited_ps = 0;
    flow->bottleneck = NONE;
    flow->active = true;
    flow->in_part = false;
    flow->networked = set->cables != NULL && fab_flow_is_networked(set, route);
    flow->tag = tag_new(set, tag, NONE);
    attach(set, number);
    if (set->arrived_count == set->arrived_room) {
        set->arrived_room = set->arrived_room == 0 ? 64 : set->arrived_room * 2;
        set->arrived = g_renew(uint32_t, set->arrived, set->arrived_room);
    }
    set->arrived[set->arrived_count++] = number;
}

/* A flow that has moved so many bytes leaves the set. */
static void
take_out(FabFlowSet *set, int64_t now, uint32_t number, double moved)
{
    Flow *flow = &set->flows[number];

    detach(set, number);
    for (uint32_t i = 0; i < flow->route->count; i++)
        set->carried[flow->route->uses[i].resource] += flow->route->uses[i].weight * moved * flow->multiplicity;
    if (flow->bottleneck == FAB_FLOW_LIMIT)
        flow->limited_ps += (double)(now - flow->updated);
    set->limited_ps += flow->limited_ps * flow->multiplicity;
    set->active -= flow->multiplicity;
    set->ended_tag = flow->tag;
    flow->active = false;
    flow->next_free = set->free_flow;
    set->free_flow = number;
}

bool
fab_flow_complete(FabFlowSet *set, int64_t now, uint32_t number)
{
    Flow *flow = &set->flows[number];

    if (!flow->active || flow->planned != now)
        return false;
    if (flow->finish > now) {
        flow->planned = flow->finish;
        fab_queue_push(set->queue, flow->finish, set->mark | number);
        return false;
    }
    take_out(set, now, number, flow->bytes);
    return true;
}

uint32_t
fab_flow_bottleneck(const FabFlowSet *set, uint32_t number)
{
    return set->flows[number].bottleneck;
}

bool
fab_flow_has_bound(const FabFlowSet *set, uint32_t resource)
{
    return set->resources[resource].bound;
}

void
fab_flow_set_capacity(FabFlowSet *set, uint32_t resource, double capacity)
{
    set->resources[resource].capacity = capacity / FAB_PS;
    if (set->changed_count == set->changed_room) {
        set->changed_room = set->changed_room == 0 ? 64 : set->changed_room * 2;
        set->changed = g_renew(uint32_t, set->changed, set->changed_room);
    }
    set->changed[set->changed_count++] = resource;
}

static bool
waits(const FabFlowSet *set, const Flow *flow)
{
    for (uint32_t i = 0; flow->active && i < flow->route->count; i++) {
        if (set->resources[flow->route->uses[i].resource].capacity <= 0)
            return true;
    }
    return false;
}

bool
fab_flow_take_waiting(FabFlowSet *set, int64_t now, double *bytes, double *limit)
{
    uint32_t number = 0;
    Flow *flow;

    while (number < set->flow_count && !waits(set, &set->flows[number]))
        number++;
    if (number == set->flow_count)
        return false;
    flow = &set->flows[number];
    *bytes = MAX(flow->remaining - flow->rate * (double)(now - flow->updated), 0);
    *limit = flow->limit * FAB_PS;
    take_out(set, now, number, flow->bytes - *bytes);
    return true;
}

void
fab_flow_fetch(const FabFlowSet *set, uint32_t number)
{
    fab_fetch(&set->flows[number], sizeof *set->flows);
}

void
fab_flow_fetch_route(const FabFlowSet *set, uint32_t number)
{
    const Flow *flow = &set->flows[number];

    fab_fetch(flow->route, sizeof *flow->route + FLOW_NEAR / 2 * sizeof *flow->route->uses);
    fab_fetch(&set->tags[flow->tag], sizeof *set->tags);
}

void
fab_flow_fetch_uses(const FabFlowSet *set, uint32_t number)
{
    const Flow *flow = &set->flows[number];

    for (uint32_t i = 0; i < MIN(flow->route->count, FLOW_NEAR); i++)
        fab_fetch(&set->resources[flow->route->uses[i].resource], sizeof *set->resources);
}

uint32_t
fab_flow_first_tag(const FabFlowSet *set, uint32_t number)
{
    return set->tags[set->flows[number].tag].tag;
}

bool
fab_flow_take_tag(FabFlowSet *set, uint32_t *tag)
{
    uint32_t node = set->ended_tag;

    if (node == NONE)
        return false;
    *tag = set->tags[node].tag;
    set->ended_tag = set->tags[node].next;
    set->tags[node].next = set->free_tag;
    set->free_tag = node;
    return true;
}

/* Sets a solved rate: progress so far is booked, and the completion planned when it came nearer. */
void
fab_flow_set_rate(FabFlowSet *set, int64_t now, uint32_t number, double rate, uint32_t bottleneck)
{
    Flow *flow = &set->flows[number];
    double passed = (double)(now - flow->updated);

    if (flow->bottleneck == FAB_FLOW_LIMIT)
        flow->limited_ps += passed;
    flow->remaining -= flow->rate * passed;
    flow->updated = now;
    for (uint32_t i = 0; i < flow->route->count; i++) {
        const FabUse *use = &flow->route->uses[i];
        set->resources[use->resource].load += use->weight * (rate - flow->rate) * flow->multiplicity;
    }
    if (flow->bottleneck < set->resource_count)
        set->resources[flow->bottleneck].held--;
    if (bottleneck < set->resource_count) {
        set->resources[bottleneck].held++;
        set->resources[bottleneck].bound = true;
    }
    flow->bottleneck = bottleneck;
    flow->rate = rate;
    flow->finish = now;
    if (flow->remaining > 0)
        flow->finish += (int64_t)MIN(flow->remaining / rate + 0.5, (double)FAB_FLOW_LONGEST_PS);
    if (flow->finish < flow->planned) {
        flow->planned = flow->finish;
        fab_queue_push(set->queue, flow->finish, set->mark | number);
    }
}

const double *
fab_flow_carried(const FabFlowSet *set)
{
    return set->carried;
}

double
fab_flow_limited_ps(const FabFlowSet *set)
{
    return set->limited_ps;
}

uint64_t
fab_flow_active(const FabFlowSet *set)
{
    return set->active;
}

uint64_t
fab_flow_started(const FabFlowSet *set)
{
    return set->started;
}

double
fab_flow_rate(const FabFlowSet *set, const FabRoute *route)
{
    uint32_t number = route->id < set->latest_count ? set->latest[route->id] : NONE;

    if (number == NONE || !set->flows[number].active || set->flows[number].route != route)
        return 0;
    return set->flows[number].rate * FAB_PS;
}

/* A full resource on which no flow is faster, or the flow's own limit. */
static bool
has_bottleneck(const FabFlowSet *set, const Flow *flow)
{
    if (flow->rate >= flow->limit * (1 - FAB_FLOW_TOLERANCE))
        return true;
    for (uint32_t i = 0; i < flow->route->count; i++) {
        const FlowResource *resource = &set->resources[flow->route->uses[i].resource];
        double load = 0, fastest = 0;
        for (uint32_t k = 0; k < resource->count; k++) {
            load += load_of(set, resource->members[k]);
            fastest = MAX(fastest, set->flows[resource->members[k].flow].rate);
        }
        if (load >= resource->capacity * (1 - FAB_FLOW_TOLERANCE) &&
            flow->rate >= fastest * (1 - FAB_FLOW_TOLERANCE))
            return true;
    }
    return false;
}

bool
fab_flow_check(FabFlowSet *set, GError **error)
{
    for (uint32_t r = 0; r < set->resource_count; r++) {
        const FlowResource *resource = &set->resources[r];
        double load = 0;
        for (uint32_t k = 0; k < resource->count; k++)
            load += load_of(set, resource->members[k]);
        if (load > resource->capacity * (1 + FAB_FLOW_TOLERANCE) + ROUNDING / FAB_PS) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "resource %u carries %g of %g B/s", r, load * FAB_PS,
                        resource->capacity * FAB_PS);
            return false;
        }
    }
    if (set->cables != NULL)
        return fab_flow_check_lossless(set, error);
    for (uint32_t i = 0; i < set->flow_count; i++) {
        if (set->flows[i].active && !has_bottleneck(set, &set->flows[i])) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "flow %u at %g B/s has no bottleneck", i,
                        set->flows[i].rate * FAB_PS);
            return false;
        }
    }
    return true;
}

void
fab_flow_too_long(const char *what, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s would take more than 13 days on this machine; take smaller sizes, or higher rates of its links",
                what);
}
