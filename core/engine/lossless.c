/*
 * Lossless networks (docs/clusters.md, "Lossless networks"): a full port stops the cables that feed it, with all that
 * they carry, so that nothing on such a cable is faster than what waits for the port. Filling is progressive as in
 * share.c: all rates grow alike; when a flow is stopped at a port, its cables before that are paused, which stops
 * whatever else is on them at the same rate, which pauses the cables before those, and so on. Beside cables the part
 * grows as there.
 */
#include <math.h>

#include "base/error.h"
#include "engine/flow-private.h"

#define NONE FAB_FLOW_NONE

/* How the solver, and the check, see and pause. */
typedef struct Visit {
    FabFlowSet *set;
    bool (*is_full)(const struct Visit *visit, const Flow *flow, const FabUse *use);
    void (*pause)(const struct Visit *visit, uint32_t resource);
    double rate;        /* of the flow whose cables are paused */
    const bool *full;   /* the check: by resource */
    const double *fastest;
    double *most;       /* the check: the highest rate on each cable, INFINITY where it is not paused, */
    bool *changed;      /* and whether one of them is another one */
} Visit;

void
fab_flow_set_cables(FabFlowSet *set, const FabFlowCable *cables, uint32_t vertices)
{
    set->cables = g_memdup2(cables, set->resource_count * sizeof *cables);
    set->stamps = g_new0(uint64_t, vertices);
}

void
fab_flow_set_network(FabFlowSet *set, const FabTopology *topology)
{
    g_autofree FabFlowCable *cables = NULL;

    if (topology->node_count == 0 || !topology->network.lossless)
        return;
    cables = g_new(FabFlowCable, set->resource_count);
    for (uint32_t i = 0; i < set->resource_count; i++)
        cables[i] = (FabFlowCable) { FAB_VERTEX_NONE, FAB_VERTEX_NONE, false };
    for (uint32_t i = 0; i < topology->link_count; i++) {
        const FabTopologyLink *link = &topology->links[i];
        bool is_cable = link->medium == FAB_MEDIUM_INFINIBAND || link->medium == FAB_MEDIUM_ETHERNET;
        const FabVertex ends[] = { link->a, link->b };
        for (int k = 0; k < 2 && is_cable; k++)
            cables[link->resource[k]] =
                (FabFlowCable) { ends[k], ends[k ^ 1], topology->vertices[ends[k ^ 1]].kind == FAB_VERTEX_NIC };
    }
    fab_flow_set_cables(set, cables, topology->vertex_count);
}

static inline bool
is_cable(const FabFlowSet *set, const FabUse *use)
{
    return use->stage > 0 && set->cables[use->resource].from != FAB_VERTEX_NONE;
}

bool
fab_flow_is_networked(const FabFlowSet *set, const FabRoute *route)
{
    for (uint32_t i = 0; i < route->count; i++) {
        if (is_cable(set, &route->uses[i]))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ before a stop */

/* The first stage of the way at which the flow fills something; before that waits what it has beyond its rate. */
static bool
first_full(const Visit *visit, const Flow *flow, uint32_t *stage)
{
    bool found = false;

    for (uint32_t i = 0; i < flow->route->count; i++) {
        const FabUse *use = &flow->route->uses[i];
        if ((found && use->stage >= *stage) || !visit->is_full(visit, flow, use))
            continue;
        *stage = use->stage;
        found = true;
    }
    return found;
}

/* Pauses cables of one stage that lead to a marked vertex, or, `ends`, to the receiver; marks where they begin. */
static void
pause_stage(const Visit *visit, const Flow *flow, uint32_t stage, bool ends)
{
    FabFlowSet *set = visit->set;

    for (uint32_t i = 0; i < flow->route->count; i++) {
        const FabUse *use = &flow->route->uses[i];
        const FabFlowCable *cable = &set->cables[use->resource];
        if (use->stage != stage || !is_cable(set, use) ||
            !((ends && cable->last) || set->stamps[cable->to] == set->stamp))
            continue;
        set->stamps[cable->from] = set->stamp;
        visit->pause(visit, use->resource);
    }
}

/*
 * Pauses each cable over which the flow's data comes to where it stops at `stop`: at what is full there, or at the
 * paused cable `only`, if it is not FAB_FLOW_NONE.
 */
static void
pause_before(const Visit *visit, const Flow *flow, uint32_t stop, uint32_t only)
{
    FabFlowSet *set = visit->set;
    uint32_t last = 0;

    set->stamp++;
    for (uint32_t i = 0; i < flow->route->count; i++) {
        const FabUse *use = &flow->route->uses[i];
        if (!is_cable(set, use))
            continue;
        last = MAX(last, use->stage);
        if (only != NONE ? use->resource == only : use->stage == stop && visit->is_full(visit, flow, use))
            set->stamps[set->cables[use->resource].from] = set->stamp;
    }
    for (uint32_t stage = stop > 0 ? MIN(last, stop - 1) : 0; stage > 0; stage--)
        pause_stage(visit, flow, stage, stop == FAB_STAGE_END);
}

static bool
is_limited(const Flow *flow, double rate)
{
    return rate >= flow->limit * (1 - FAB_FLOW_TOLERANCE);
}

/* A flow that fills something, and is not as fast as it likes, pauses the cables before that. */
static void
pause_before_full(const Visit *visit, const Flow *flow, double rate)
{
    uint32_t stop = 0;

    if (!is_limited(flow, rate) && first_full(visit, flow, &stop))
        pause_before(visit, flow, stop, NONE);
}

/* One that is held back on a paused cable and fills nothing pauses the cables before that one. */
static void
pause_before_paused(const Visit *visit, const FlowMember *member, double rate)
{
    const Flow *flow = &visit->set->flows[member->flow];
    const FabUse *use = &flow->route->uses[member->use];
    uint32_t stop = 0;

    if (rate >= visit->rate * (1 - FAB_FLOW_TOLERANCE) && !is_limited(flow, rate) && !first_full(visit, flow, &stop))
        pause_before(visit, flow, use->stage, use->resource);
}

/* ------------------------------------------------------------------ filling */

/* A dead port is not full: it discards what it cannot send. */
static bool
is_full_now(const Visit *visit, const Flow *flow, const FabUse *use)
{
    const FlowResource *resource = &visit->set->resources[use->resource];

    if (resource->capacity <= 0)
        return false;
    if (!resource->in_part)
        return resource->capacity <= use->weight * flow->multiplicity * flow->new_rate * (1 + FAB_FLOW_TOLERANCE);
    return resource->free <= resource->capacity * FAB_FLOW_TOLERANCE;
}

static void
note(uint32_t **list, uint32_t *count, uint32_t *room, uint32_t number)
{
    if (*count == *room) {
        *room = MAX(64, *room * 2);
        *list = g_renew(uint32_t, *list, *room);
    }
    (*list)[(*count)++] = number;
}

static void
settle(FabFlowSet *set, uint32_t number, double rate, uint32_t bottleneck)
{
    fab_flow_settle(set, number, rate, bottleneck);
    note(&set->batch, &set->batch_count, &set->batch_room, number);
}

static void
settle_all_at(FabFlowSet *set, uint32_t id, double rate)
{
    const FlowResource *resource = &set->resources[id];

    for (uint32_t k = 0; k < resource->count; k++) {
        const Flow *flow = &set->flows[resource->members[k].flow];
        if (flow->in_part && !flow->settled)
            settle(set, resource->members[k].flow, rate, id);
    }
}

static void
pause_now(const Visit *visit, uint32_t id)
{
    FabFlowSet *set = visit->set;
    FlowResource *resource = &set->resources[id];

    if (resource->paused || !resource->in_part)
        return; /* not in the part: nothing else is on it */
    resource->paused = true;
    settle_all_at(set, id, visit->rate);
    note(&set->paused, &set->paused_count, &set->paused_room, id);
}

/* Cables that are paused at this rate, from those before what was filled just now on. */
static void
spread(const Visit *visit, uint32_t first)
{
    FabFlowSet *set = visit->set;
    uint32_t filled = set->batch_count, done = set->paused_count;

    for (uint32_t i = first; i < filled; i++)
        pause_before_full(visit, &set->flows[set->batch[i]], set->flows[set->batch[i]].new_rate);
    for (; done < set->paused_count; done++) {
        const FlowResource *resource = &set->resources[set->paused[done]];
        for (uint32_t k = 0; k < resource->count; k++)
            pause_before_paused(visit, &resource->members[k], set->flows[resource->members[k].flow].new_rate);
    }
}

/* Settles what stops at the lowest rate, which it returns: full resources and limits that are reached together. */
static double
settle_lowest(FabFlowSet *set, uint32_t *next)
{
    double ratio = INFINITY, level;
    uint32_t id = fab_flow_lowest(set, &ratio);
    bool more = true;

    while (*next < set->part_count && set->flows[set->part[*next]].settled)
        (*next)++;
    level = *next < set->part_count ? MIN(ratio, set->flows[set->part[*next]].cap) : ratio;
    while (more) {
        for (; *next < set->part_count; (*next)++) {
            const Flow *flow = &set->flows[set->part[*next]];
            if (!flow->settled && flow->cap > level * (1 + FAB_FLOW_TOLERANCE))
                break;
            if (!flow->settled)
                settle(set, set->part[*next], flow->cap, flow->cap_at);
        }
        id = fab_flow_lowest(set, &ratio);
        more = id != NONE && ratio <= level * (1 + FAB_FLOW_TOLERANCE);
        if (more) {
            set->resources[id].level = ratio;
            settle_all_at(set, id, ratio);
        }
    }
    return level;
}

/*
 * Takes in all that is on the cables of a flow of the part, on the cables of those, and so on. Two that stop each other
 * would both seem to have a stop whatever their rate, so that such flows are never left standing.
 */
static void
connect(FabFlowSet *set)
{
    for (uint32_t i = 0; i < set->part_resource_count; i++) {
        uint32_t id = set->part_resources[i];
        for (uint32_t k = 0; set->cables[id].from != FAB_VERTEX_NONE && k < set->resources[id].count; k++)
            fab_flow_part_add(set, set->resources[id].members[k].flow);
    }
}

static void
fill(FabFlowSet *set)
{
    Visit visit = { .set = set, .is_full = is_full_now, .pause = pause_now };
    uint32_t next = 0;

    set->batch_count = set->paused_count = 0;
    fab_flow_fill_begin(set);
    while (set->batch_count < set->part_count) {
        uint32_t first = set->batch_count;
        visit.rate = settle_lowest(set, &next);
        spread(&visit, first);
    }
    for (uint32_t i = 0; i < set->paused_count; i++)
        set->resources[set->paused[i]].paused = false;
}

void
fab_flow_solve_lossless(FabFlowSet *set)
{
    uint32_t before = 0;

    while (set->part_count > before) {
        uint32_t resources;
        connect(set);
        before = set->part_count;
        resources = set->part_resource_count;
        fill(set);
        for (uint32_t i = 0; i < resources; i++)
            fab_flow_grow_at(set, set->part_resources[i]);
    }
}

/* ------------------------------------------------------------------ the check */

static bool
is_full_checked(const Visit *visit, const Flow *flow, const FabUse *use)
{
    uint32_t id = use->resource;

    return visit->full[id] && flow->rate >= visit->fastest[id] * (1 - FAB_FLOW_TOLERANCE);
}

static void
pause_checked(const Visit *visit, uint32_t id)
{
    *visit->changed = *visit->changed || visit->rate < visit->most[id];
    visit->most[id] = fmin(visit->most[id], visit->rate);
}

/* Cables that are paused, from the rates alone, until no cable is added. */
static void
find_paused(Visit *visit)
{
    FabFlowSet *set = visit->set;

    for (uint32_t i = 0; i < set->flow_count; i++) {
        visit->rate = set->flows[i].rate;
        if (set->flows[i].active)
            pause_before_full(visit, &set->flows[i], visit->rate);
    }
    while (*visit->changed) {
        *visit->changed = false;
        for (uint32_t r = 0; r < set->resource_count; r++) {
            const FlowResource *resource = &set->resources[r];
            visit->rate = visit->most[r];
            for (uint32_t k = 0; isfinite(visit->most[r]) && k < resource->count; k++)
                pause_before_paused(visit, &resource->members[k], set->flows[resource->members[k].flow].rate);
        }
    }
}

static bool
check_flow(const Visit *visit, uint32_t number, GError **error)
{
    const Flow *flow = &visit->set->flows[number];
    uint32_t stop = 0;
    bool stopped = is_limited(flow, flow->rate) || first_full(visit, flow, &stop);

    for (uint32_t i = 0; i < flow->route->count; i++) {
        uint32_t id = flow->route->uses[i].resource;
        if (flow->rate > visit->most[id] * (1 + 3 * FAB_FLOW_TOLERANCE)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "flow %u at %g B/s overtakes what waits on cable %u at %g",
                        number, flow->rate * FAB_PS, id, visit->most[id] * FAB_PS);
            return false;
        }
        stopped = stopped || flow->rate >= visit->most[id] * (1 - FAB_FLOW_TOLERANCE) ||
                  visit->set->resources[id].capacity <= 0;
    }
    if (!stopped)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "flow %u at %g B/s has no bottleneck", number,
                    flow->rate * FAB_PS);
    return stopped;
}

bool
fab_flow_check_lossless(FabFlowSet *set, GError **error)
{
    g_autofree bool *full = g_new0(bool, set->resource_count);
    g_autofree double *fastest = g_new0(double, set->resource_count), *most = g_new(double, set->resource_count);
    bool changed = true;
    Visit visit = { .set = set, .is_full = is_full_checked, .pause = pause_checked, .full = full, .fastest = fastest,
                    .most = most, .changed = &changed };

    for (uint32_t r = 0; r < set->resource_count; r++) {
        const FlowResource *resource = &set->resources[r];
        double load = 0;
        most[r] = INFINITY;
        for (uint32_t k = 0; k < resource->count; k++) {
            const Flow *flow = &set->flows[resource->members[k].flow];
            load += flow->route->uses[resource->members[k].use].weight * flow->rate * flow->multiplicity;
            fastest[r] = fmax(fastest[r], flow->rate);
        }
        full[r] = resource->capacity > 0 && load >= resource->capacity * (1 - FAB_FLOW_TOLERANCE);
    }
    find_paused(&visit);
    for (uint32_t i = 0; i < set->flow_count; i++) {
        if (set->flows[i].active && !check_flow(&visit, i, error))
            return false;
    }
    return true;
}
