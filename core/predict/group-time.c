#include "predict/group-time.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "collective/kind.h"
#include "predict/concurrent.h"
#include "predict/run.h"

/*
 * Share of an adapter's line rate that a ring of NCCL reaches between machines: 42 of 50 GB/s on NDR, 22 of 25 on HDR
 * (the tables of several DGX in tests/measurements).
 */
#define NETWORK_SHARE 0.84
/* Ranks of a group on a cluster beyond which its machines are simulated and the network between them is not. */
#define MOST_SIMULATED 64
/* Beyond it bandwidth is all there is: larger calls take longer in proportion. */
#define LARGEST_BYTES 1073741824.0
#define NETWORK_LATENCY_S 10e-6 /* of one step of a ring or tree between machines */

typedef struct {
    FabCollective collective;
    FabGroup group;
    uint32_t first; /* GPU of its first rank */
    uint64_t bytes;
    uint32_t used;  /* GPUs in use */
} Key;

/* What binds the longest collective of a group so far. */
typedef struct {
    double seconds;
    char *by;
} Bound;

struct FabGroupTimes {
    const FabTopology *topology;
    double nic_rate;   /* of one, B/s; 0: none */
    uint32_t nics;
    uint32_t domain;   /* GPUs that NVLink joins to the first one, or else those of its box */
    GHashTable *known; /* Key -> double, seconds */
    double factor;
    GArray *others;    /* uint32_t: GPUs whose groups may be slower; NULL: all are alike */
    double network;    /* share of its adapters that the worst machine has */
    FabSpread spread;
    GHashTable *staged; /* FabGroup as text: those that go through host memory */
    GHashTable *bound;  /* FabGroup as text -> Bound */
    uint32_t used;
    FabCallBook *book;  /* of groups that are in each other's way; NULL: none was asked for yet */
    GPtrArray *met;     /* FabFault; NULL: none */
};

static guint
hash_key(gconstpointer pointer)
{
    const Key *key = pointer;

    return (guint)((key->bytes + key->first) * 2654435761u ^ key->bytes >> 32 ^ key->group.size << 20 ^
                   key->group.stride << 8) ^
           (guint)key->collective;
}

static gboolean
same_key(gconstpointer a, gconstpointer b)
{
    const Key *x = a, *y = b;

    return x->collective == y->collective && x->group.size == y->group.size && x->group.stride == y->group.stride &&
           x->first == y->first && x->bytes == y->bytes && x->used == y->used;
}

/* "HDR InfiniBand 200 Gb/s": the plugins put an adapter's rate at the end of its model. */
static double
rate_of_model(const char *model)
{
    const char *unit = model != NULL ? strstr(model, " Gb/s") : NULL, *start = unit;

    while (start != NULL && start > model && (g_ascii_isdigit(start[-1]) || start[-1] == '.'))
        start--;
    return start != NULL ? g_ascii_strtod(start, NULL) * 1e9 / 8 : 0;
}

/* Marks what NVLink reaches from a vertex; the number of GPUs among it. */
static uint32_t
count_nvlink(const FabTopology *topology, FabVertex start)
{
    g_autofree bool *seen = g_new0(bool, topology->vertex_count);
    g_autofree FabVertex *queue = g_new(FabVertex, topology->vertex_count);
    uint32_t known = 1, gpus = 0;

    seen[start] = true;
    queue[0] = start;
    for (uint32_t at = 0; at < known; at++) {
        uint32_t count;
        const uint32_t *links = fab_topology_links_at(topology, queue[at], &count);
        gpus += topology->vertices[queue[at]].kind == FAB_VERTEX_GPU;
        for (uint32_t i = 0; i < count; i++) {
            const FabTopologyLink *link = &topology->links[links[i]];
            FabVertex other = fab_link_other_end(link, queue[at]);
            if (link->medium != FAB_MEDIUM_NVLINK || seen[other])
                continue;
            seen[other] = true;
            queue[known++] = other;
        }
    }
    return gpus;
}

static uint32_t
find_domain(const FabTopology *topology)
{
    uint32_t linked = count_nvlink(topology, topology->gpus[0]), boxed = 0;

    for (uint32_t i = 0; i < topology->gpu_count; i++)
        boxed += topology->vertices[topology->gpus[i]].box == topology->vertices[topology->gpus[0]].box;
    return linked > 1 ? linked : boxed;
}

static void
bound_free(gpointer pointer)
{
    Bound *bound = pointer;

    g_free(bound->by);
    g_free(bound);
}

FabGroupTimes *
fab_group_times_new(const FabTopology *topology, double nic_rate)
{
    FabGroupTimes *times = g_new0(FabGroupTimes, 1);
    double found = 0;

    times->topology = topology;
    times->domain = find_domain(topology);
    times->factor = times->network = 1;
    times->spread = (FabSpread) { 1, 1, false };
    times->known = g_hash_table_new_full(hash_key, same_key, g_free, g_free);
    times->staged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    times->bound = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, bound_free);
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (topology->vertices[i].kind != FAB_VERTEX_NIC)
            continue;
        times->nics += MAX(topology->vertices[i].count, 1);
        found = fmax(found, rate_of_model(topology->vertices[i].model));
    }
    times->nic_rate = nic_rate > 0 ? nic_rate : found;
    /* A rate that was given for a machine without adapters means one for each machine. */
    if (nic_rate > 0 && times->nics == 0)
        times->nics = 1;
    return times;
}

void
fab_group_times_free(FabGroupTimes *times)
{
    if (times == NULL)
        return;
    g_hash_table_unref(times->known);
    g_hash_table_unref(times->staged);
    g_hash_table_unref(times->bound);
    fab_call_book_free(times->book);
    g_clear_pointer(&times->others, g_array_unref);
    g_clear_pointer(&times->met, g_ptr_array_unref);
    g_free(times);
}

uint32_t
fab_group_members_inside(const FabGroupTimes *times, FabGroup group)
{
    uint32_t gpus = group.size > MOST_SIMULATED ? times->domain : times->topology->gpu_count;

    return MIN(group.size, (gpus + group.stride - 1) / group.stride);
}

double
fab_group_network_rate(const FabGroupTimes *times, FabGroup group)
{
    double inside = fab_group_members_inside(times, group);
    double adapters = inside * times->nics / times->topology->gpu_count;

    return adapters * times->nic_rate * times->network * NETWORK_SHARE;
}

/* ------------------------------------------------------------------ inside a machine */

static char *
rank_list(FabGroup group, uint32_t first)
{
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < group.size; i++)
        g_string_append_printf(text, "%s%u", i > 0 ? "," : "", first + i * group.stride);
    return g_string_free(text, FALSE);
}

static char *
group_name(FabGroup group)
{
    return g_strdup_printf("%u x %u", group.size, group.stride);
}

static void
note_staged(FabGroupTimes *times, FabGroup group, const FabResultRow *row)
{
    FabKind kind;

    if (row->kind != NULL && fab_kind_parse(row->kind, &kind) && kind.connection == FAB_CONNECTION_STAGED)
        g_hash_table_add(times->staged, group_name(group));
}

bool
fab_group_is_staged(const FabGroupTimes *times, FabGroup group)
{
    FabGroup local = { fab_group_members_inside(times, group), group.stride };
    g_autofree char *name = group_name(local);

    return g_hash_table_contains(times->staged, name);
}

static void
note_bound(FabGroupTimes *times, FabGroup group, const char *by, double seconds)
{
    g_autofree char *name = group_name(group);
    const Bound *known = g_hash_table_lookup(times->bound, name);
    Bound *bound;

    if (by == NULL || (known != NULL && known->seconds >= seconds))
        return;
    bound = g_new(Bound, 1);
    *bound = (Bound) { seconds, g_strdup(by) };
    g_hash_table_insert(times->bound, g_steal_pointer(&name), bound);
}

const char *
fab_group_binding(const FabGroupTimes *times, FabGroup group)
{
    g_autofree char *name = group_name(group);
    const Bound *bound = g_hash_table_lookup(times->bound, name);

    return bound != NULL ? bound->by : NULL;
}

static double
run_inside(FabGroupTimes *times, FabCollective collective, FabGroup group, uint32_t first, uint64_t bytes,
           GError **error)
{
    g_autofree char *ranks = rank_list(group, first);
    g_autofree char *name = g_strconcat("topology.name=", times->topology->name, NULL);
    g_autofree char *operation = g_strconcat("collective.operation=", fab_collective_names[collective], NULL);
    g_autofree char *list = g_strconcat("collective.ranks=", ranks, NULL);
    g_autofree char *size = g_strdup_printf("collective.sizes=%" G_GUINT64_FORMAT, bytes);
    char exact[] = "collective.fold=exact";
    char *sets[] = { name, operation, list, size, exact, NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, error);
    g_autoptr(FabResult) result = NULL;
    const FabResultRow *row;

    if (scenario != NULL && times->met != NULL) {
        g_ptr_array_unref(scenario->faults);
        scenario->faults = g_ptr_array_ref(times->met);
    }
    if (scenario != NULL)
        result = fab_run_on(scenario, times->topology, NULL, NULL, NULL, error);
    if (result == NULL)
        return -1;
    row = g_ptr_array_index(result->rows, 0);
    if ((double)row->time_ps * 1e-12 >= FAB_STALLED_S)
        return FAB_NEVER_S;
    if (row->low_ps > 0) {
        times->spread.low = fmin(times->spread.low, (double)row->low_ps / (double)row->time_ps);
        times->spread.high = fmax(times->spread.high, (double)row->high_ps / (double)row->time_ps);
    }
    times->spread.guessed = times->spread.guessed || result->guessed;
    note_staged(times, group, row);
    note_bound(times, group, row->binding, (double)row->time_ps * 1e-12);
    return (double)row->time_ps * 1e-12;
}

/* ------------------------------------------------------------------ other groups at the same time */

enum { MOST_GROUPS = 64 };

/* Behind an NVSwitch every GPU has ports of its own, which no other group uses. */
static bool
has_own_ports(const FabTopology *topology)
{
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (topology->vertices[i].kind == FAB_VERTEX_NVSWITCH)
            return true;
    }
    return false;
}

/* All groups of the kind among the GPUs in use; `ranks` has room for MOST_GROUPS groups. */
static uint32_t
list_groups(const FabGroupTimes *times, const Key *key, uint32_t *ranks, FabCall *calls)
{
    uint32_t block = key->group.size * key->group.stride, count = 0;

    for (uint32_t base = 0; base + block <= times->used; base += block) {
        for (uint32_t offset = 0; offset < key->group.stride && count < MOST_GROUPS; offset++, count++) {
            uint32_t *own = ranks + (gsize)count * key->group.size;
            for (uint32_t i = 0; i < key->group.size; i++)
                own[i] = base + offset + i * key->group.stride;
            calls[count] = (FabCall) { key->collective, own, key->group.size, key->bytes };
        }
    }
    return count;
}

/* How much longer a call takes among its like than alone; negative with an error. */
static double
crowding(FabGroupTimes *times, const Key *key, GError **error)
{
    g_autofree uint32_t *ranks = NULL;
    FabCall calls[MOST_GROUPS];
    uint32_t count;

    if (times->used < 2 * key->group.size || times->topology->node_count > 0 || has_own_ports(times->topology))
        return 1;
    if (times->book == NULL)
        times->book = fab_call_book_new(times->topology, NULL);
    ranks = g_new(uint32_t, (gsize)MOST_GROUPS * key->group.size);
    count = list_groups(times, key, ranks, calls);
    return count > 1 ? fab_concurrent_slowdown(times->book, calls, count, error) : 1;
}

void
fab_group_times_use(FabGroupTimes *times, uint32_t gpus)
{
    times->used = MIN(gpus, times->topology->gpu_count);
}

static double
seconds_from(FabGroupTimes *times, FabCollective collective, FabGroup group, uint32_t first, double bytes,
             GError **error)
{
    double whole = fmax(bytes, 1), run = fmin(whole, LARGEST_BYTES);
    Key key = { collective, group, first, (uint64_t)run, times->used };
    double *known = g_hash_table_lookup(times->known, &key), seconds, crowd;

    if (known != NULL)
        return *known * whole / run;
    seconds = run_inside(times, collective, group, first, key.bytes, error);
    crowd = seconds < 0 ? -1 : first > 0 ? 1 : crowding(times, &key, error);
    if (crowd < 0)
        return -1;
    seconds *= crowd;
    g_hash_table_insert(times->known, g_memdup2(&key, sizeof key), g_memdup2(&seconds, sizeof seconds));
    return seconds * whole / run;
}

/* The slowest of the groups that are looked at. */
static double
seconds_inside(FabGroupTimes *times, FabCollective collective, FabGroup group, double bytes, GError **error)
{
    uint64_t block = (uint64_t)group.size * group.stride;
    double longest = seconds_from(times, collective, group, 0, bytes, error);

    for (guint i = 0; times->others != NULL && i < times->others->len && longest >= 0; i++) {
        uint32_t gpu = g_array_index(times->others, uint32_t, i);
        uint64_t first = gpu / block * block + gpu % group.stride;
        double seconds;
        if (first == 0 || first + block - group.stride >= times->topology->gpu_count)
            continue;
        seconds = seconds_from(times, collective, group, (uint32_t)first, bytes, error);
        longest = seconds < 0 ? seconds : fmax(longest, seconds);
    }
    return longest;
}

/* ------------------------------------------------------------------ between machines */

/* What a rank sends for each byte of a collective's size, in a ring. */
static double
traffic(FabCollective collective, double ranks)
{
    double passes = collective == FAB_ALL_REDUCE ? 2 : 1;

    return collective == FAB_SEND_RECV ? 1 : passes * (ranks - 1) / ranks;
}

static double
seconds_between(FabGroupTimes *times, FabCollective collective, FabGroup group, double bytes, GError **error)
{
    uint32_t inside = fab_group_members_inside(times, group);
    FabGroup local = { inside, group.stride };
    double rate = fab_group_network_rate(times, group), machines = ceil((double)group.size / inside), near = 0;
    double steps = 2 * log2(machines), far;

    if (times->network <= 0)
        return FAB_NEVER_S;
    if (rate <= 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s has no network adapters of known rate, groups of ranks span several machines; give "
                    "[training] nic_rate",
                    times->topology->name);
        return -1;
    }
    if (collective == FAB_SEND_RECV) {
        far = bytes / (rate / inside);
        note_bound(times, group, far > NETWORK_LATENCY_S ? FAB_BOUND_BY_ADAPTERS : "latency", far);
        return NETWORK_LATENCY_S + far;
    }
    /* Each rank of an all-to-all sends through its own adapter what is not for its machine. */
    if (collective == FAB_ALL_TO_ALL)
        far = bytes * (group.size - inside) / group.size / (rate / inside);
    else
        far = bytes * traffic(collective, group.size) / rate;
    if (inside > 1)
        near = seconds_inside(times, collective, local, bytes, error);
    if (steps * NETWORK_LATENCY_S > fmax(far, near))
        note_bound(times, group, "latency", steps * NETWORK_LATENCY_S);
    else
        note_bound(times, group, far >= near ? FAB_BOUND_BY_ADAPTERS : fab_group_binding(times, local),
                   fmax(far, near));
    return near < 0 ? -1 : fmax(far, near) + steps * NETWORK_LATENCY_S;
}

void
fab_group_times_look_at(FabGroupTimes *times, const uint32_t *gpus, uint32_t count, double network)
{
    times->others = g_array_append_vals(g_array_new(FALSE, FALSE, sizeof *gpus), gpus, count);
    times->network = network;
}

void
fab_group_times_meet(FabGroupTimes *times, GPtrArray *faults)
{
    g_clear_pointer(&times->met, g_ptr_array_unref);
    times->met = g_ptr_array_ref(faults);
}

void
fab_group_times_scale(FabGroupTimes *times, double factor)
{
    times->factor = factor;
}

double
fab_group_times_nic_rate(const FabGroupTimes *times)
{
    return times->nic_rate;
}

FabSpread
fab_group_times_spread(const FabGroupTimes *times)
{
    return times->spread;
}

static double
unscaled_seconds(FabGroupTimes *times, FabCollective collective, FabGroup group, double bytes, GError **error)
{
    if (group.size < 2 || bytes <= 0)
        return 0;
    /* From one rank to the next is a matter of two, unless a ring must cross to another machine somewhere. */
    if (collective == FAB_SEND_RECV && fab_group_members_inside(times, group) == group.size)
        group.size = 2;
    if (fab_group_members_inside(times, group) == group.size)
        return seconds_inside(times, collective, group, bytes, error);
    return seconds_between(times, collective, group, bytes, error);
}

double
fab_group_seconds(FabGroupTimes *times, FabCollective collective, FabGroup group, double bytes, GError **error)
{
    double seconds = unscaled_seconds(times, collective, group, bytes, error);

    return seconds < 0 ? seconds : seconds * times->factor;
}
