#include "topology/ring.h"

#include <math.h>
#include <string.h>

#include "topology/path.h"

/* Steps of the search for rings in a mesh; about 10 ns each. DGX-1V needs a few hundred. */
#define STEP_BUDGET 2000000u
/* Up to this many GPUs the single ring is exact (2^n n^2 steps), beyond it nearest neighbour and 2-opt. */
#define EXACT_LIMIT 12u
/* Up to this many GPUs rings of half lanes are tried too. */
#define HALVES_LIMIT 4u

/* A search over `count` GPUs, named 0 to count - 1 in device order. */
typedef struct {
    FabRouter *router;
    const FabTopology *topology;
    uint32_t count, max_rings;
    const uint32_t *gpus; /* GPU of place i, sorted */
} Search;

static FabVertex
vertex_of(const Search *search, uint32_t place)
{
    return search->topology->gpus[search->gpus[place]];
}

/* ------------------------------------------------------------------ rings in a mesh */

/* Looks for the largest set of rings of which no two use the same lane in the same direction. */
typedef struct {
    uint32_t count;
    uint32_t *lanes;     /* free lanes from i to j: lanes[i * count + j] */
    uint32_t *path;      /* the rings chosen so far, then the one in the making */
    bool *visited;       /* by path: GPUs that ring k already has */
    uint32_t *best;      /* the largest set yet */
    uint32_t best_count; /* rings in it */
    uint32_t limit;      /* enough */
    uint32_t added;      /* 2: every ring is taken together with its reverse, 1: alone */
    uint32_t steps;
} Mesh;

/* The fewest free lanes that leave or enter any GPU: no more rings than that can run. */
static uint32_t
fewest_lanes(const uint32_t *lanes, uint32_t count)
{
    uint32_t fewest = UINT32_MAX;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t out = 0, in = 0;
        for (uint32_t j = 0; j < count; j++) {
            out += lanes[i * count + j];
            in += lanes[j * count + i];
        }
        fewest = MIN(fewest, MIN(out, in));
    }
    return fewest;
}

/* Adds `change` to the free lanes along a ring. */
static void
move_lanes(uint32_t *lanes, uint32_t count, const uint32_t *ring, int change)
{
    for (uint32_t i = 0; i < count; i++)
        lanes[ring[i] * count + ring[(i + 1) % count]] += (uint32_t)change;
}

static void
reverse_ring(const uint32_t *ring, uint32_t count, uint32_t *reverse)
{
    reverse[0] = ring[0];
    for (uint32_t i = 1; i < count; i++)
        reverse[i] = ring[count - i];
}

static void
move_chosen(Mesh *mesh, uint32_t *ring, int change)
{
    move_lanes(mesh->lanes, mesh->count, ring, change);
    for (uint32_t i = 0; i < mesh->count && mesh->added == 2; i++)
        mesh->lanes[ring[(i + 1) % mesh->count] * mesh->count + ring[i]] += (uint32_t)change;
}

static void
keep_best(Mesh *mesh, uint32_t chosen)
{
    uint32_t *best = mesh->best;

    if (chosen * mesh->added <= mesh->best_count)
        return;
    mesh->best_count = chosen * mesh->added;
    for (uint32_t k = 0; k < chosen; k++) {
        const uint32_t *ring = mesh->path + (size_t)k * mesh->count;
        memcpy(best, ring, mesh->count * sizeof *best);
        best += mesh->count;
        if (mesh->added == 2) {
            reverse_ring(ring, mesh->count, best);
            best += mesh->count;
        }
    }
}

static bool
is_done(const Mesh *mesh)
{
    return mesh->steps >= STEP_BUDGET || mesh->best_count >= mesh->limit;
}

static void choose_ring(Mesh *mesh, uint32_t chosen);

/* Extends ring number `chosen`, which has `length` GPUs. `tight`: it equals the ring before it so far. */
static void
extend_ring(Mesh *mesh, uint32_t chosen, uint32_t length, bool tight)
{
    uint32_t *ring = mesh->path + (size_t)chosen * mesh->count;
    bool *visited = mesh->visited + (size_t)chosen * mesh->count;
    uint32_t last = ring[length - 1];
    uint32_t first = tight ? (ring - mesh->count)[length] : 1;

    for (uint32_t next = first; next < mesh->count && !is_done(mesh); next++) {
        mesh->steps++;
        if (visited[next] || mesh->lanes[last * mesh->count + next] == 0)
            continue;
        ring[length] = next;
        if (length + 1 < mesh->count) {
            visited[next] = true;
            extend_ring(mesh, chosen, length + 1, tight && next == first);
            visited[next] = false;
        } else if (mesh->lanes[next * mesh->count] > 0 && (mesh->added == 1 || ring[1] < next)) {
            move_chosen(mesh, ring, -1);
            keep_best(mesh, chosen + 1);
            choose_ring(mesh, chosen + 1);
            move_chosen(mesh, ring, +1);
        }
    }
}

/*
 * Looks for ring number `chosen` of a set larger than the best. The order within a set does not matter, so
 * a ring is never lower than the one before it; the same ring again is right where links have several lanes.
 */
static void
choose_ring(Mesh *mesh, uint32_t chosen)
{
    uint32_t possible = fewest_lanes(mesh->lanes, mesh->count);

    possible -= possible % mesh->added;
    if (is_done(mesh) || possible == 0 || chosen * mesh->added + possible <= mesh->best_count)
        return;
    mesh->path[(size_t)chosen * mesh->count] = 0;
    memset(mesh->visited + (size_t)chosen * mesh->count, 0, mesh->count);
    extend_ring(mesh, chosen, 1, chosen > 0);
}

/* Puts up to `limit` rings (one more when they come with their reverse) into `best`; returns how many. */
static uint32_t
search_mesh(uint32_t *lanes, uint32_t count, uint32_t limit, uint32_t added, uint32_t *best)
{
    size_t entries = (size_t)(fewest_lanes(lanes, count) + 1) * count;
    g_autofree uint32_t *path = g_new0(uint32_t, entries);
    g_autofree bool *visited = g_new0(bool, entries);
    Mesh mesh = { .count = count, .lanes = lanes, .path = path, .visited = visited, .best = best,
                  .limit = limit, .added = added };

    choose_ring(&mesh, 0);
    return mesh.best_count;
}

/*
 * Rings together with their reverses are nearly always the best and quickly found; what they leave free may hold
 * single ones. Only where that falls short of the lanes are sets of single rings tried from scratch.
 */
static uint32_t
mesh_rings(uint32_t *lanes, uint32_t count, uint32_t max_rings, uint32_t *order)
{
    uint32_t limit = MIN(fewest_lanes(lanes, count), max_rings);
    g_autofree uint32_t *best = g_new(uint32_t, (size_t)(limit + 1) * count);
    g_autofree uint32_t *other = g_new(uint32_t, (size_t)(limit + 1) * count);
    uint32_t paired = MIN(search_mesh(lanes, count, limit, 2, best), limit), found = paired, alone = 0;

    for (uint32_t k = 0; k < paired; k++)
        move_lanes(lanes, count, best + (size_t)k * count, -1);
    if (found < limit)
        found += search_mesh(lanes, count, limit - found, 1, best + (size_t)found * count);
    for (uint32_t k = 0; k < paired; k++)
        move_lanes(lanes, count, best + (size_t)k * count, +1);
    if (found < limit)
        alone = search_mesh(lanes, count, limit, 1, other);
    if (alone > found) {
        memcpy(order, other, (size_t)alone * count * sizeof *order);
        return alone;
    }
    memcpy(order, best, (size_t)found * count * sizeof *order);
    return found;
}

/* Free lanes between all places; NULL when some GPU has none or NVLink is hidden. */
static uint32_t *
mesh_lanes(const Search *search)
{
    uint32_t count = search->count;
    g_autofree uint32_t *lanes = g_new0(uint32_t, (size_t)count * count);

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++) {
            FabTransport transport = fab_router_transport(search->router, search->gpus[i], search->gpus[j]);
            if (transport == FAB_TRANSPORT_NVLINK)
                lanes[i * count + j] = fab_nvlink_direct(search->topology, vertex_of(search, i), vertex_of(search, j));
        }
    return fewest_lanes(lanes, count) == 0 ? NULL : g_steal_pointer(&lanes);
}

/* ------------------------------------------------------------------ one ring over anything */

enum { TIER_STAGED = 16, TIER_NONE = 255 };

/* How undesirable a pair is as neighbours: NVLink, then direct PCIe by class, then staged by class. */
static uint8_t
pair_tier(const Search *search, uint32_t i, uint32_t j)
{
    FabTransport transport = fab_router_transport(search->router, search->gpus[i], search->gpus[j]);
    FabPathClass class;

    if (transport == FAB_TRANSPORT_NVLINK)
        return 0;
    class = fab_path_class(search->topology, vertex_of(search, i), vertex_of(search, j));
    if (class > FAB_PATH_SYS)
        return TIER_NONE;
    return (uint8_t)(transport == FAB_TRANSPORT_PEER ? class : TIER_STAGED + class);
}

/*
 * Costs of all pairs, such that one edge of a worse tier outweighs a whole ring of better ones. False when a
 * pair cannot be joined.
 */
static bool
fill_costs(const Search *search, uint64_t *cost)
{
    uint64_t cost_of[TIER_NONE + 1] = { 0 }, next = 0;
    bool present[TIER_NONE + 1] = { false };
    uint32_t count = search->count;

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++) {
            uint8_t tier = i == j ? 0 : pair_tier(search, i, j);
            cost[i * count + j] = tier;
            present[tier] = present[tier] || i != j;
        }
    for (unsigned tier = 0; tier < TIER_NONE; tier++) {
        if (!present[tier])
            continue;
        cost_of[tier] = next;
        if (next == 0)
            next = 1;
        else if (next < (UINT64_C(1) << 62) / (count + 1) / (count + 1)) /* beyond, the worst tiers cost the same */
            next *= count + 1;
    }
    for (size_t i = 0; i < (size_t)count * count; i++)
        cost[i] = cost_of[cost[i]];
    return !present[TIER_NONE];
}

/*
 * Held and Karp's recurrence: rest[set * n + last] is the cheapest way from `last` through all GPUs that are not in
 * `set` and back to GPU 0. Of the equally cheap orders the one that stays near first is taken, then the lowest.
 */
static void
cheapest_ring(const uint64_t *cost, uint32_t count, uint32_t *order)
{
    uint32_t full = (1u << count) - 1;
    g_autofree uint64_t *rest = g_new(uint64_t, ((size_t)full + 1) * count);

    for (uint32_t set = full; set >= 1; set--)
        for (uint32_t last = 0; last < count; last++) {
            uint64_t cheapest = set == full ? cost[last * count] : UINT64_MAX;
            for (uint32_t next = 0; next < count; next++)
                if (!(set >> next & 1)) {
                    uint64_t onward = rest[(size_t)(set | 1u << next) * count + next];
                    cheapest = MIN(cheapest, cost[last * count + next] + onward);
                }
            rest[(size_t)set * count + last] = cheapest;
        }
    order[0] = 0;
    for (uint32_t i = 1, set = 1; i < count; i++) {
        uint32_t last = order[i - 1], best = count;
        for (uint32_t next = 0; next < count; next++) {
            uint64_t edge = cost[last * count + next];
            if (!(set >> next & 1)
                && edge + rest[(size_t)(set | 1u << next) * count + next] == rest[(size_t)set * count + last]
                && (best == count || edge < cost[last * count + best]))
                best = next;
        }
        order[i] = best;
        set |= 1u << best;
    }
}

/* Nearest neighbour first: exact where costs follow a tree, as PCIe's do. */
static void
nearest_ring(const uint64_t *cost, uint32_t count, uint32_t *order)
{
    g_autofree bool *visited = g_new0(bool, count);

    order[0] = 0;
    visited[0] = true;
    for (uint32_t i = 1; i < count; i++) {
        uint32_t nearest = 0;
        for (uint32_t next = 1; next < count; next++)
            if (!visited[next]
                && (nearest == 0 || cost[order[i - 1] * count + next] < cost[order[i - 1] * count + nearest]))
                nearest = next;
        order[i] = nearest;
        visited[nearest] = true;
    }
}

/* Turns stretches around while that makes the ring cheaper: bridges between far GPUs may need it. */
static void
improve_ring(const uint64_t *cost, uint32_t count, uint32_t *order)
{
    bool better = true;

    for (uint32_t round = 0; better && round < 16; round++) {
        better = false;
        for (uint32_t i = 1; i + 1 < count; i++)
            for (uint32_t j = i + 1; j < count; j++) {
                uint32_t after = order[(j + 1) % count];
                uint64_t now = cost[order[i - 1] * count + order[i]] + cost[order[j] * count + after];
                uint64_t turned = cost[order[i - 1] * count + order[j]] + cost[order[i] * count + after];
                if (turned >= now)
                    continue;
                for (uint32_t low = i, high = j; low < high; low++, high--) {
                    uint32_t swap = order[low];
                    order[low] = order[high];
                    order[high] = swap;
                }
                better = true;
            }
    }
}

static uint32_t
single_ring(const Search *search, uint32_t *order)
{
    g_autofree uint64_t *cost = g_new(uint64_t, (size_t)search->count * search->count);

    if (!fill_costs(search, cost))
        return 0;
    if (search->count <= EXACT_LIMIT) {
        cheapest_ring(cost, search->count, order);
    } else {
        nearest_ring(cost, search->count, order);
        improve_ring(cost, search->count, order);
    }
    return 1;
}

/* ------------------------------------------------------------------ which kind of fabric */

/* The first NVSwitch that a GPU is linked to. */
static FabVertex
switch_of(const Search *search, uint32_t place)
{
    const FabTopology *topology = search->topology;
    FabVertex vertex = vertex_of(search, place), best = FAB_VERTEX_NONE;
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, vertex, &count);

    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &topology->links[links[i]];
        FabVertex end = fab_link_other_end(link, vertex);
        if (link->medium == FAB_MEDIUM_NVLINK && topology->vertices[end].kind == FAB_VERTEX_NVSWITCH)
            best = MIN(best, end);
    }
    return best;
}

/* Whether all GPUs hang on one NVSwitch or on NVSwitches that are joined to the first one's (linear in GPUs). */
static bool
is_switched(const Search *search)
{
    FabVertex first = switch_of(search, 0);

    if (first == FAB_VERTEX_NONE
        || fab_router_transport(search->router, search->gpus[0], search->gpus[1]) != FAB_TRANSPORT_NVLINK)
        return false;
    for (uint32_t i = 1; i < search->count; i++) {
        FabVertex other = switch_of(search, i);
        if (other == FAB_VERTEX_NONE || (other != first && fab_nvlink_direct(search->topology, first, other) == 0))
            return false;
    }
    return true;
}

/*
 * Rings of half lanes, where they are more than twice `found` whole ones; 0 otherwise. For a handful of GPUs only: five
 * and seven P100 reach no more than whole lanes give.
 */
static uint32_t
half_rings(const Search *search, uint32_t *lanes, uint32_t found, uint32_t *order)
{
    uint32_t count = search->count, half;
    g_autofree uint32_t *rings = g_new(uint32_t, (size_t)search->max_rings * count);

    if (count > HALVES_LIMIT || found == 0 || found >= fewest_lanes(lanes, count) || 2 * found >= search->max_rings)
        return 0;
    for (uint32_t i = 0; i < count * count; i++)
        lanes[i] *= 2;
    half = mesh_rings(lanes, count, search->max_rings, rings);
    if (half <= 2 * found)
        return 0;
    memcpy(order, rings, (size_t)half * count * sizeof *order);
    return half;
}

static uint32_t
find_rings(const Search *search, uint32_t *order, uint32_t *per_lane)
{
    g_autofree uint32_t *lanes = NULL;
    uint32_t found = 0, half = 0;

    *per_lane = 1;
    if (search->count == 1 || is_switched(search)) {
        for (uint32_t i = 0; i < search->count; i++)
            order[i] = i;
        return 1;
    }
    lanes = mesh_lanes(search);
    if (lanes != NULL) {
        found = mesh_rings(lanes, search->count, search->max_rings, order);
        half = half_rings(search, lanes, found, order);
    }
    if (half > 0) {
        *per_lane = 2;
        return half;
    }
    return found > 0 ? found : single_ring(search, order);
}

/* B/s of each ring when all run at once: what every resource on their ways gives to the bytes that cross it. */
static double
ring_bandwidth(const Search *search, const uint32_t *order, uint32_t rings)
{
    g_autoptr(GPtrArray) routes = g_ptr_array_new();
    const FabRoute *all;

    for (uint32_t k = 0; k < rings; k++)
        for (uint32_t i = 0; i < search->count && search->count > 1; i++) {
            uint32_t from = search->gpus[order[k * search->count + i]];
            uint32_t to = search->gpus[order[k * search->count + (i + 1) % search->count]];
            const FabRoute *push = fab_router_push(search->router, from, to, NULL);
            const FabRoute *pull = fab_router_pull(search->router, from, to, NULL);
            if (push == NULL || pull == NULL)
                return 0;
            g_ptr_array_add(routes, (gpointer)push);
            g_ptr_array_add(routes, (gpointer)pull);
        }
    all = fab_router_union(search->router, (const FabRoute *const *)routes->pdata, routes->len);
    return fab_route_bandwidth(search->topology, all);
}

static gint
compare_places(gconstpointer a, gconstpointer b, gpointer data)
{
    const uint32_t *gpus = data;
    uint32_t first = gpus[*(const uint32_t *)a], second = gpus[*(const uint32_t *)b];

    return first < second ? -1 : first > second;
}

uint32_t
fab_ring_search(FabRouter *router, const uint32_t *gpus, uint32_t count, uint32_t max_rings, uint32_t *order,
                double *bandwidth, uint32_t *per_lane)
{
    g_autofree uint32_t *places = NULL, *sorted = NULL;
    Search search = { .router = router, .topology = fab_router_topology(router), .count = count,
                      .max_rings = max_rings };
    uint32_t found, shared;
    double rate;

    g_return_val_if_fail(count > 0 && max_rings > 0, 0);
    places = g_new(uint32_t, count);
    sorted = g_new(uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        places[i] = i;
    g_qsort_with_data(places, (gint)count, sizeof *places, compare_places, (gpointer)gpus);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = gpus[places[i]];
    search.gpus = sorted;
    found = find_rings(&search, order, &shared);
    rate = ring_bandwidth(&search, order, found);
    if (rate == 0)
        found = 0; /* joined, but without the host memory that staging needs */
    for (size_t i = 0; i < (size_t)found * count; i++)
        order[i] = places[order[i]];
    if (bandwidth != NULL)
        *bandwidth = found == 0 ? 0 : rate;
    if (per_lane != NULL)
        *per_lane = shared;
    return found;
}
