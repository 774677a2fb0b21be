#include "engine/fold.h"

#include <string.h>

#include "base/mix.h"

/* Pairs whose ways are looked at, some 100 bytes each: all-to-all over 2,048 ranks. */
#define MOST_PAIRS (1u << 22)

/* One ordered pair of ranks that a connection joins. */
typedef struct {
    uint32_t from, to;
    const FabRoute *push, *pull;
} Pair;

/* Resources that are used alike. */
typedef struct {
    uint32_t first, count;
} Class;

struct FabFold {
    FabRouter *router;
    const FabProgram *whole;
    FabProgram *program;
    uint32_t *gpus;        /* of each rank, in the order below */
    uint32_t nodes;        /* 0: ranks keep their order; else all first places of nodes come first, then all second */
    uint32_t period;       /* in that order */
    uint64_t *colour;      /* of each resource; 0: not used */
    GHashTable *classes;   /* colour -> Class */
    GHashTable *routes;    /* FabRoute -> FabRoute, folded */
};

static guint
colour_hash(gconstpointer key)
{
    uint64_t value = *(const uint64_t *)key;

    return (guint)(value ^ (value >> 32));
}

static gboolean
colour_equal(gconstpointer a, gconstpointer b)
{
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

void
fab_fold_free(FabFold *fold)
{
    if (fold == NULL)
        return;
    if (fold->program != NULL)
        fab_program_free(fold->program);
    g_free(fold->colour);
    g_free(fold->gpus);
    g_hash_table_unref(fold->classes);
    g_hash_table_unref(fold->routes);
    g_free(fold);
}

/* ------------------------------------------------------------------ the order of ranks */

/* A program that turns inside nodes is one that turns by `nodes` when the places of nodes are put one after another. */
static inline uint32_t
new_number(uint32_t nodes, uint32_t places, uint32_t rank)
{
    return nodes == 0 ? rank : rank % places * nodes + rank / places;
}

static inline uint32_t
old_number(uint32_t nodes, uint32_t places, uint32_t rank)
{
    return nodes == 0 ? rank : rank % nodes * places + rank / nodes;
}

/* ------------------------------------------------------------------ pairs of ranks */

static guint
pair_hash(gconstpointer key)
{
    const Pair *pair = key;

    return (guint)fab_mix((uint64_t)pair->from << 32 | pair->to);
}

static gboolean
pair_equal(gconstpointer a, gconstpointer b)
{
    const Pair *first = a, *second = b;

    return first->from == second->from && first->to == second->to;
}

/* What is in the way of a pair. All are asked before a way is taken: a network that places flows remembers each. */
static char *
find_choice(const FabFold *fold, const Pair *pair, guint before)
{
    if (!fab_router_is_only_way(fold->router, fold->gpus[pair->from], fold->gpus[pair->to]))
        return g_strdup("the network chooses among several ways for each connection (spray uses all alike)");
    return before < MOST_PAIRS ? NULL : g_strdup("more pairs of ranks talk than can be looked at");
}

/* Each pair once, however many channels join it; NULL with the reason where one is in the way. */
static GArray *
find_pairs(const FabFold *fold, char **why)
{
    const FabProgram *program = fold->whole;
    g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(Pair));
    g_autoptr(GHashTable) seen = g_hash_table_new_full(pair_hash, pair_equal, g_free, NULL);

    for (uint32_t i = 0; i < program->connections; i++) {
        Pair pair = { .push = NULL };
        if (!program->joins(program, i, &pair.from, &pair.to))
            continue;
        pair.from = new_number(fold->nodes, program->places, pair.from);
        pair.to = new_number(fold->nodes, program->places, pair.to);
        if (g_hash_table_contains(seen, &pair))
            continue;
        *why = find_choice(fold, &pair, pairs->len);
        if (*why != NULL)
            return NULL;
        g_hash_table_add(seen, g_memdup2(&pair, sizeof pair));
        g_array_append_val(pairs, pair);
    }
    return g_steal_pointer(&pairs);
}

static bool
find_routes(const FabFold *fold, GArray *pairs, char **why)
{
    for (guint i = 0; i < pairs->len; i++) {
        Pair *pair = &g_array_index(pairs, Pair, i);
        pair->push = fab_router_push(fold->router, fold->gpus[pair->from], fold->gpus[pair->to], NULL);
        pair->pull = fab_router_pull(fold->router, fold->gpus[pair->from], fold->gpus[pair->to], NULL);
        if (pair->push != NULL && pair->pull != NULL)
            continue;
        *why = g_strdup("some ranks cannot reach each other");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ classes */

static uint64_t
bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The class of a pair when all ranks are turned by `period`: where it begins and how far it leads. */
static uint64_t
pair_class(const FabProgram *program, const Pair *pair, uint32_t period)
{
    uint32_t ahead = pair->to >= pair->from ? pair->to - pair->from : pair->to + program->ranks - pair->from;

    return (uint64_t)(pair->from % period) << 32 | ahead;
}

/* Sums do not depend on the order, so that each resource's is that of the multiset of its uses. */
static void
add_colours(FabFold *fold, const FabRoute *route, uint64_t class)
{
    for (uint32_t i = 0; i < route->count; i++)
        fold->colour[route->uses[i].resource] += fab_mix(class ^ fab_mix(bits_of(route->uses[i].weight)));
}

static uint64_t
signature(const FabFold *fold, const FabRoute *route)
{
    uint64_t sum = fab_mix((uint64_t)route->latency_ps);

    for (uint32_t i = 0; i < route->count; i++)
        sum += fab_mix(fold->colour[route->uses[i].resource] ^ fab_mix(bits_of(route->uses[i].weight)));
    return sum;
}

/* The ports through which the ranks of each node reduce and multicast; false: some node cannot. */
static bool
add_switches(FabFold *fold)
{
    for (uint32_t n = 0; n < fold->nodes; n++) {
        uint32_t count;
        g_autofree uint32_t *gpus = fab_fold_node(fold, n, &count);
        const FabRoute *route = fab_router_multicast(fold->router, gpus, count, 1, NULL);
        if (route == NULL)
            return false;
        add_colours(fold, route, fab_mix((uint64_t)n << 40));
    }
    return true;
}

/* Whether the pairs of each class use the same of each class of resources. */
static bool
is_equitable(FabFold *fold, const GArray *pairs, uint32_t period)
{
    const uint32_t *gpus = fold->gpus;
    const FabTopology *topology = fab_router_topology(fold->router);
    g_autoptr(GHashTable) known = g_hash_table_new_full(colour_hash, colour_equal, g_free, g_free);

    memset(fold->colour, 0, topology->resource_count * sizeof *fold->colour);
    for (guint i = 0; i < pairs->len; i++) {
        const Pair *pair = &g_array_index(pairs, Pair, i);
        uint64_t class = fab_mix(pair_class(fold->whole, pair, period));
        add_colours(fold, pair->push, class);
        add_colours(fold, pair->pull, class + 1);
    }
    if (!add_switches(fold))
        return false;
    for (uint32_t i = 0; i < topology->resource_count; i++)
        if (fold->colour[i] != 0)
            fold->colour[i] = fab_mix(fold->colour[i] ^ fab_mix(bits_of(topology->resources[i].capacity)));
    for (guint i = 0; i < pairs->len; i++) {
        const Pair *pair = &g_array_index(pairs, Pair, i);
        uint64_t class = pair_class(fold->whole, pair, period), *first = g_hash_table_lookup(known, &class);
        uint32_t here = fab_topology_node_of(topology, gpus[pair->from]);
        bool remote = here != fab_topology_node_of(topology, gpus[pair->to]);
        uint64_t found = signature(fold, pair->push) + fab_mix(signature(fold, pair->pull)) + remote;
        if (first == NULL)
            g_hash_table_insert(known, g_memdup2(&class, sizeof class), g_memdup2(&found, sizeof found));
        else if (*first != found)
            return false;
    }
    return true;
}

static void
fill_classes(FabFold *fold)
{
    uint32_t count = fab_router_topology(fold->router)->resource_count;

    for (uint32_t i = 0; i < count; i++) {
        Class *class = fold->colour[i] != 0 ? g_hash_table_lookup(fold->classes, &fold->colour[i]) : NULL;
        if (fold->colour[i] == 0)
            continue;
        if (class == NULL) {
            class = g_new(Class, 1);
            *class = (Class) { .first = i };
            g_hash_table_insert(fold->classes, &fold->colour[i], class);
        }
        class->count++;
    }
}

/* ------------------------------------------------------------------ the program of one class */

typedef struct {
    const FabProgram *whole;
    uint32_t nodes, period;
    GHashTable *lists; /* FabEnd * of the whole program -> FabEnd *, folded: those that do not fit into a step */
} Part;

static void
part_free(gpointer data)
{
    Part *part = data;

    g_hash_table_unref(part->lists);
    g_free(part);
}

static void
fold_ends(const Part *part, FabEnd *ends, uint32_t count)
{
    uint32_t period = part->nodes > 0 ? part->period / part->nodes : part->period;

    for (uint32_t i = 0; i < count; i++) {
        ends[i].connection = part->whole->folded(part->whole, ends[i].connection, period);
        ends[i].peer = new_number(part->nodes, part->whole->places, ends[i].peer);
    }
}

/* The ends of one side of a step, folded; `own` is where they are if they lie in the step. */
static const FabEnd *
folded_ends(const Part *part, const FabEnd *ends, uint32_t count, FabEnd *own)
{
    FabEnd *list;

    if (count == 0 || ends == own) {
        fold_ends(part, own, count);
        return ends;
    }
    list = g_hash_table_lookup(part->lists, ends);
    if (list == NULL) {
        list = g_memdup2(ends, count * sizeof *ends);
        fold_ends(part, list, count);
        g_hash_table_insert(part->lists, (gpointer)ends, list);
    }
    return list;
}

static bool
part_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Part *part = program->data;
    FabStream whole = *stream;

    whole.rank = old_number(part->nodes, part->whole->places, stream->rank);
    if (!part->whole->step(part->whole, &whole, index, step))
        return false;
    step->recv = folded_ends(part, step->recv, step->recv_count, step->ends);
    step->send = folded_ends(part, step->send, step->send_count, step->ends + FAB_STEP_ENDS);
    return true;
}

static uint64_t
part_alike(const FabProgram *program, const FabStream *stream, uint64_t index)
{
    const Part *part = program->data;
    FabStream whole = *stream;

    whole.rank = old_number(part->nodes, part->whole->places, stream->rank);
    return part->whole->alike(part->whole, &whole, index);
}

static FabProgram *
part_new(const FabProgram *whole, uint32_t nodes, uint32_t period)
{
    Part *data = g_new(Part, 1);
    FabProgram *program = fab_program_new(whole->name, data, part_free);

    *data = (Part) { whole, nodes, period, g_hash_table_new_full(NULL, NULL, NULL, g_free) };
    program->ranks = period;
    program->channels = whole->channels;
    program->roles = whole->roles;
    program->connections = (uint32_t)((uint64_t)whole->connections * period / whole->ranks);
    program->input_bytes = whole->input_bytes;
    program->output_bytes = whole->output_bytes;
    program->scratch_bytes = whole->scratch_bytes;
    program->slice_bytes = whole->slice_bytes;
    program->slots = whole->slots;
    memcpy(program->role_share, whole->role_share, sizeof program->role_share);
    program->step = part_step;
    program->alike = whole->alike != NULL ? part_alike : NULL;
    return program;
}

/* ------------------------------------------------------------------ interface */

FabFold *
fab_fold_new(FabRouter *router, const FabProgram *program, const uint32_t *gpus, char **why)
{
    g_autoptr(GArray) pairs = NULL;
    g_autoptr(FabFold) fold = NULL;
    uint32_t nodes = program->places > 0 ? program->ranks / program->places : 0;
    uint32_t turn = program->turn * MAX(nodes, 1);

    if (turn == 0 || turn >= program->ranks) {
        *why = g_strdup_printf("%s of this size gives its ranks different work", program->name);
        return NULL;
    }
    fold = g_new0(FabFold, 1);
    fold->router = router;
    fold->whole = program;
    fold->nodes = nodes;
    fold->gpus = g_new(uint32_t, program->ranks);
    for (uint32_t i = 0; i < program->ranks; i++)
        fold->gpus[new_number(nodes, program->places, i)] = gpus[i];
    fold->colour = g_new(uint64_t, fab_router_topology(router)->resource_count);
    fold->classes = g_hash_table_new_full(colour_hash, colour_equal, NULL, g_free);
    fold->routes = g_hash_table_new(NULL, NULL);
    pairs = find_pairs(fold, why);
    if (pairs == NULL || !find_routes(fold, pairs, why))
        return NULL;
    for (uint32_t period = turn; period < program->ranks; period += turn) {
        if (program->ranks % period != 0 || !is_equitable(fold, pairs, period))
            continue;
        fold->period = period;
        fill_classes(fold);
        fold->program = part_new(program, nodes, period);
        return g_steal_pointer(&fold);
    }
    *why = g_strdup("no two parts of the fabric are wired alike for it");
    return NULL;
}

const uint32_t *
fab_fold_gpus(const FabFold *fold)
{
    return fold->gpus;
}

uint32_t *
fab_fold_node(const FabFold *fold, uint32_t rank, uint32_t *count)
{
    uint32_t *gpus = g_new(uint32_t, MAX(fold->whole->places, 1));

    for (*count = 0; *count < fold->whole->places; (*count)++)
        gpus[*count] = fold->gpus[rank % fold->nodes + *count * fold->nodes];
    return gpus;
}

const FabProgram *
fab_fold_program(const FabFold *fold)
{
    return fold->program;
}

uint32_t
fab_fold_times(const FabFold *fold)
{
    return fold->whole->ranks / fold->period;
}

const FabRoute *
fab_fold_route(FabFold *fold, const FabRoute *route)
{
    const FabRoute *found;
    g_autofree FabUse *uses = NULL;

    if (route == NULL || (found = g_hash_table_lookup(fold->routes, route)) != NULL)
        return route == NULL ? NULL : found;
    uses = g_new(FabUse, route->count + 1);
    for (uint32_t i = 0; i < route->count; i++) {
        const Class *class = g_hash_table_lookup(fold->classes, &fold->colour[route->uses[i].resource]);
        uses[i].resource = class->first; /* every route that is used was coloured */
        uses[i].weight = route->uses[i].weight * fab_fold_times(fold) / class->count;
    }
    found = fab_router_route(fold->router, uses, route->count, route->latency_ps);
    g_hash_table_insert(fold->routes, (gpointer)route, (gpointer)found);
    return found;
}

void
fab_fold_spread(const FabFold *fold, double *carried)
{
    uint32_t count = fab_router_topology(fold->router)->resource_count;

    for (uint32_t i = 0; i < count; i++) {
        const Class *class = fold->colour[i] != 0 ? g_hash_table_lookup(fold->classes, &fold->colour[i]) : NULL;
        if (class != NULL)
            carried[i] = carried[class->first];
    }
}
