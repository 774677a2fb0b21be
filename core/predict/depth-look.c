#include "predict/depth-look.h"

#include <string.h>

#include "predict/depth.h"
#include "predict/run-result.h"

/* As often as a cable carries what it can. */
#define WIDE 4096

struct FabDepthLooks {
    GHashTable *known;  /* text of algorithm, channels and nodes -> FabDepthLook */
    GHashTable *crowds; /* text of algorithm and channels -> FabCrowd */
    FabTopology calm;   /* the run's, but for its routing and how wide its cables are */
    FabRouter *router;  /* of `calm`; NULL: not asked for yet */
};

static void
look_free(gpointer data)
{
    FabDepthLook *look = data;

    g_free(look->why);
    g_free(look);
}

static void
crowd_free(gpointer data)
{
    fab_crowd_free(data);
}

FabDepthLooks *
fab_depth_looks_new(void)
{
    FabDepthLooks *looks = g_new0(FabDepthLooks, 1);

    looks->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, look_free);
    looks->crowds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, crowd_free);
    return looks;
}

void
fab_depth_looks_free(FabDepthLooks *looks)
{
    if (looks == NULL)
        return;
    g_hash_table_unref(looks->known);
    g_hash_table_unref(looks->crowds);
    fab_router_free(looks->router);
    g_free(looks->calm.resources);
    g_free(looks);
}

/* ------------------------------------------------------------------ other runs */

/* The first nodes of each ring's order, in which nodes stand one after another. */
static uint32_t *
first_of_orders(const FabRun *run, uint32_t ranks)
{
    uint32_t *order = g_new(uint32_t, (gsize)run->facts.rings * ranks);

    for (uint32_t k = 0; k < run->facts.rings; k++)
        memcpy(order + (gsize)k * ranks, run->facts.order + (gsize)k * run->ranks, ranks * sizeof *order);
    return order;
}

FabRun
fab_depth_part_of(const FabRun *run, uint32_t nodes, uint32_t **order)
{
    FabRun part = *run;

    part.ranks = nodes * run->facts.local;
    part.facts.order = *order = first_of_orders(run, part.ranks);
    part.part = true;
    return part;
}

bool
fab_depth_is_cable(const FabTopology *topology, uint32_t resource)
{
    const FabResource *found = &topology->resources[resource];

    return found->kind == FAB_RESOURCE_LINK &&
           topology->vertices[topology->links[found->link].a].kind == FAB_VERTEX_NET_SWITCH &&
           topology->vertices[topology->links[found->link].b].kind == FAB_VERTEX_NET_SWITCH;
}

/* Makes cables between switches so wide that nothing waits for them. */
static void
widen(FabTopology *topology)
{
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        if (fab_depth_is_cable(topology, i))
            topology->resources[i].capacity *= WIDE;
    }
}

FabRun
fab_depth_calm(const FabRun *run)
{
    FabDepthLooks *looks = run->looks;
    FabRouteRules rules;
    FabRun calm = *run;

    if (looks->router == NULL && fab_run_rules(run->scenario, run->topology, run->ranks, &rules, NULL)) {
        looks->calm = *run->topology;
        looks->calm.network.routing = FAB_ROUTING_SPRAY;
        looks->calm.resources = g_memdup2(run->topology->resources,
                                          run->topology->resource_count * sizeof *run->topology->resources);
        widen(&looks->calm);
        looks->router = fab_router_new(&looks->calm, &rules);
    }
    calm.topology = &looks->calm;
    calm.router = looks->router;
    return calm;
}

/* ------------------------------------------------------------------ looking */

static uint64_t *
pair_key(uint32_t from, uint32_t to)
{
    uint64_t *key = g_new(uint64_t, 1);

    *key = (uint64_t)from << 32 | to;
    return key;
}

/* Pairs of ranks on different nodes, each with the number of connections that join them. */
static GHashTable *
find_pairs(const FabRun *run, const FabProgram *program)
{
    GHashTable *pairs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    uint32_t from, to, local = run->facts.local;

    for (uint32_t i = 0; i < program->connections; i++) {
        g_autofree uint64_t *key = NULL;
        guint count;
        if (!program->joins(program, i, &from, &to) || from / local == to / local)
            continue;
        key = pair_key(from, to);
        count = GPOINTER_TO_UINT(g_hash_table_lookup(pairs, key));
        g_hash_table_insert(pairs, g_steal_pointer(&key), GUINT_TO_POINTER(count + 1));
    }
    return pairs;
}

static bool
has_one_way(const FabRun *run, uint64_t pair)
{
    return fab_router_is_only_way(run->router, run->gpus[pair >> 32], run->gpus[pair & UINT32_MAX]);
}

/* A pair's load on everything that it passes, and the latency of its level. */
static bool
add_pair(const FabRun *run, uint64_t pair, guint count, double *load, FabDepthLook *look)
{
    uint32_t from = (uint32_t)(pair >> 32), to = (uint32_t)pair, local = run->facts.local;
    uint32_t apart = MAX(from, to) / local - MIN(from, to) / local;
    const FabRoute *push = fab_router_push(run->router, run->gpus[from], run->gpus[to], NULL);
    const FabRoute *pull = fab_router_pull(run->router, run->gpus[from], run->gpus[to], NULL);
    int64_t *latency = &look->latency_ps[g_bit_nth_msf(apart, -1)];

    if (push == NULL || pull == NULL)
        return false;
    for (uint32_t i = 0; i < push->count; i++)
        load[push->uses[i].resource] += push->uses[i].weight * count;
    *latency = MAX(*latency, 2 * (push->latency_ps + pull->latency_ps));
    look->mean_ps += (double)(push->latency_ps + pull->latency_ps) * count;
    return true;
}

/* `run` is as it is, `calm` with all ways alike. */
static FabDepthLook *
look_at(const FabRun *run, const FabRun *calm, const FabProgram *program)
{
    const FabTopology *topology = run->topology;
    g_autoptr(GHashTable) pairs = find_pairs(run, program);
    g_autofree double *load = g_new0(double, topology->resource_count);
    FabDepthLook *look = g_new0(FabDepthLook, 1);
    GHashTableIter iter;
    gpointer key, count;

    g_hash_table_iter_init(&iter, pairs);
    while (run->router != calm->router && !look->choice && g_hash_table_iter_next(&iter, &key, NULL))
        look->choice = !has_one_way(run, *(uint64_t *)key);
    g_hash_table_iter_init(&iter, pairs);
    while (look->why == NULL && g_hash_table_iter_next(&iter, &key, &count))
        if (!add_pair(calm, *(uint64_t *)key, GPOINTER_TO_UINT(count), load, look))
            look->why = g_strdup("some of its ranks cannot reach each other");
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        double busy = load[i] / topology->resources[i].capacity;
        look->busiest = MAX(look->busiest, busy);
        look->cables = fab_depth_is_cable(topology, i) ? MAX(look->cables, busy) : look->cables;
    }
    look->mean_ps /= (double)run->ranks * program->channels;
    return look;
}

const FabDepthLook *
fab_depth_look(const FabRun *run, uint64_t size, const FabPlan *plan, uint32_t nodes)
{
    g_autofree char *key = g_strdup_printf("%s %u %u", plan->algorithm->name, plan->channels, nodes);
    FabDepthLook *look = g_hash_table_lookup(run->looks->known, key);
    g_autofree uint32_t *order = NULL;
    g_autoptr(FabProgram) program = NULL;
    FabRun part, calm;

    if (look != NULL)
        return look;
    part = fab_depth_part_of(run, nodes, &order);
    calm = part.topology->network.routing == FAB_ROUTING_SPRAY ? part : fab_depth_calm(&part);
    program = fab_run_emit(&part, size, plan, NULL);
    look = program != NULL ? look_at(&part, &calm, program) : NULL;
    if (look != NULL)
        g_hash_table_insert(run->looks->known, g_steal_pointer(&key), look);
    return look;
}

const FabCrowd *
fab_depth_crowd(const FabRun *run, uint64_t size, const FabPlan *plan, GError **error)
{
    g_autofree char *key = g_strdup_printf("%s %u", plan->algorithm->name, plan->channels);
    FabCrowd *crowd = g_hash_table_lookup(run->looks->crowds, key);
    g_autoptr(FabProgram) program = NULL;
    g_autoptr(FabRouter) router = NULL; /* a network that places connections begins with none */
    FabRouteRules rules;

    if (crowd != NULL)
        return crowd;
    program = fab_run_emit(run, size, plan, error);
    if (program == NULL || !fab_run_rules(run->scenario, run->topology, run->ranks, &rules, error))
        return NULL;
    router = fab_router_new(run->topology, &rules);
    crowd = fab_crowd_new(router, program, run->gpus, run->facts.local,
                          strcmp(plan->algorithm->name, "ring") != 0, error);
    if (crowd != NULL)
        g_hash_table_insert(run->looks->crowds, g_steal_pointer(&key), crowd);
    return crowd;
}
