/*
 * Physics that no setting may break, for every algorithm and collective on real machines with drawn settings: never
 * faster than bytes over bandwidth or than the latencies in a row, never slower for less work or better links.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "collective/collective.h"
#include "predict/run.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

/* A launch time of our own, so that the bounds know it. */
#define LAUNCH_PS INT64_C(7000000)

/* Events lie on whole picoseconds: each slice in a row of slices may be rounded down by a half. */
#define ROUNDING 1e-6

/*
 * Streams are serial servers and their flows share links, so a schedule may gain from a little more work or a little
 * more delay that keeps flows apart which met before: the timing anomalies of multiprocessors (Graham 1969), which
 * are bounded by a factor, not by an epsilon. Where nothing is shared there are none, and the tests are exact: rings of
 * one channel over links of their own. Where ranks meet only at the ports of one switch or on own links, a byte more
 * was seen to gain 1.2 % (channels of uneven length) and a faster link to lose 0.15 %. Where ranks share PCIe uplinks
 * or the half-duplex host ports, a byte more was seen to gain 16 %, a faster link to lose 7 % and a shorter latency
 * 9 %. Seen means: in 20 draws for every algorithm and collective of every machine below.
 */
#define ANOMALY_PORTS 0.02
#define ANOMALY_PORTS_LINK 0.003
#define ANOMALY_SHARED 0.2
/* PAT walks its trees in another order from a size on, as NCCL does. */
#define ANOMALY_ORDER 0.25

enum { DRAWS = 2 };

typedef struct {
    const char *name;
    uint32_t ranks;
    bool shared; /* some ways of its ranks share links */
} Machine;

static const Machine machines[] = {
    { "dgx-h100", 8, false },        { "dgx-a100", 8, false },    { "gb200-nvl72", 8, false },
    { "dgx-h100", 5, false },        { "hgx-a100-4", 4, false },  { "ws2-bridge-3090", 2, false },
    { "dgx-1v", 8, true },           { "h200-nvl-8", 8, true },   { "desk2-x8", 2, true },
    { "l40s-8-dual-root-2sw", 8, true }, { "l40s-8-dual-root-2sw", 3, true },
};

enum { OWN_LINKS = 6 }; /* the first ones */

/* One way to run one collective. Numbers 0 and texts "auto": NCCL's choice. */
typedef struct {
    FabCollective collective;
    const char *algorithm, *protocol;
    uint32_t channels, slots, root;
    uint64_t chunk, slice;
} Settings;

/* ------------------------------------------------------------------ runs */

static FabTopology *
load(const char *name)
{
    g_autoptr(GError) error = NULL;
    FabTopology *topology = fab_machine_load(name, NULL, &error);

    if (topology == NULL)
        ck_abort_msg("%s: %s", name, error->message);
    return topology;
}

static char *
describe(const Machine *machine, const Settings *settings)
{
    return g_strdup_printf("%s, %u ranks, %s %s %s, channels %u, chunk %" G_GUINT64_FORMAT ", slice %" G_GUINT64_FORMAT
                           ", slots %u, root %u", machine->name, machine->ranks,
                           fab_collective_names[settings->collective], settings->algorithm, settings->protocol,
                           settings->channels, settings->chunk, settings->slice, settings->slots, settings->root);
}

static void
add_number(GPtrArray *sets, const char *key, uint64_t value)
{
    if (value > 0)
        g_ptr_array_add(sets, g_strdup_printf("collective.%s=%" G_GUINT64_FORMAT, key, value));
}

static FabScenario *
scenario_new(const Machine *machine, const Settings *settings, const char *sizes)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    FabScenario *scenario;

    g_ptr_array_add(sets, g_strdup_printf("topology.name=%s", machine->name));
    g_ptr_array_add(sets, g_strdup_printf("collective.operation=%s", fab_collective_names[settings->collective]));
    g_ptr_array_add(sets, g_strdup_printf("collective.algorithm=%s", settings->algorithm));
    g_ptr_array_add(sets, g_strdup_printf("collective.protocol=%s", settings->protocol));
    g_ptr_array_add(sets, g_strdup_printf("collective.sizes=%s", sizes));
    g_ptr_array_add(sets, g_strdup("collective.launch=7 us"));
    g_ptr_array_add(sets, g_strdup("collective.timing=single"));
    g_ptr_array_add(sets, g_strdup("collective.NCCL_PAT_ENABLE=1"));
    add_number(sets, "ranks", machine->ranks);
    add_number(sets, "channels", settings->channels);
    add_number(sets, "chunk", settings->chunk);
    add_number(sets, "slice", settings->slice);
    add_number(sets, "slots", settings->slots);
    add_number(sets, "root", settings->root);
    g_ptr_array_add(sets, NULL);
    scenario = fab_scenario_from_sets((char *const *)sets->pdata, &error);
    if (scenario == NULL)
        ck_abort_msg("%s", error->message);
    return scenario;
}

/* Any error, a deadlock above all, is a failed test. */
static FabResult *
run(const Machine *machine, const FabTopology *topology, const Settings *settings, const char *sizes)
{
    g_autoptr(FabScenario) scenario = scenario_new(machine, settings, sizes);
    g_autoptr(GError) error = NULL;
    FabResult *result = fab_run_on(scenario, topology, NULL, NULL, NULL, &error);

    if (result == NULL) {
        g_autofree char *name = describe(machine, settings);
        ck_abort_msg("%s: %s", name, error->message);
    }
    return result;
}

static const FabResultRow *
row_of(const FabResult *result, guint i)
{
    return g_ptr_array_index(result->rows, i);
}

/* ------------------------------------------------------------------ settings to try */

static uint32_t
draw(uint32_t *state, uint32_t count)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 10) % count;
}

static Settings
settings_draw(const Machine *machine, const FabAlgorithm *algorithm, FabCollective collective, uint32_t *state)
{
    static const char *const protocols[] = { "ll", "ll128", "simple", "simple" };
    static const uint32_t channels[] = { 1, 2, 3, 4, 7, 12, 16 };
    static const uint32_t slots[] = { 0, 1, 2, 4, 8, 13 };
    static const uint64_t chunks[] = { 0, 4096, 10000, 65536, 524288, 2097152 };
    Settings settings = { .collective = collective, .algorithm = algorithm->name };

    settings.protocol = algorithm->in_switch || strcmp(algorithm->name, "pat") == 0
                            ? "simple" : protocols[draw(state, G_N_ELEMENTS(protocols))];
    settings.channels = channels[draw(state, G_N_ELEMENTS(channels))];
    settings.slots = slots[draw(state, G_N_ELEMENTS(slots))];
    settings.chunk = chunks[draw(state, G_N_ELEMENTS(chunks))];
    if (settings.chunk > 0)
        settings.slice = MAX(settings.chunk / (1 + draw(state, 8)), 2048);
    if (collective == FAB_BROADCAST || collective == FAB_REDUCE || collective == FAB_GATHER ||
        collective == FAB_SCATTER)
        settings.root = draw(state, machine->ranks);
    return settings;
}

static bool
has_multicast(const FabTopology *topology)
{
    for (uint32_t i = 0; i < topology->vertex_count; i++) {
        if (topology->vertices[i].flags & FAB_VERTEX_MULTICAST)
            return true;
    }
    return false;
}

static bool
can_run(const Machine *machine, const FabTopology *topology, const FabAlgorithm *algorithm, FabCollective collective)
{
    bool power = (machine->ranks & (machine->ranks - 1)) == 0;

    if (algorithm->several_nodes)
        return false;
    if (!(algorithm->collectives & (1u << collective)) || (algorithm->in_switch && !has_multicast(topology)))
        return false;
    return strcmp(algorithm->name, "halving-doubling") != 0 || collective == FAB_ALL_REDUCE || power;
}

typedef void (*Property)(const Machine *machine, const FabTopology *topology, const Settings *settings);

/* Checks a property for every algorithm and collective of a machine. */
static void
for_all_settings(const Machine *machine, Property property)
{
    g_autoptr(FabTopology) topology = load(machine->name);
    uint32_t state = machine->ranks * 2654435761u + g_str_hash(machine->name);

    for (const FabAlgorithm *algorithm = fab_algorithms; algorithm->name != NULL; algorithm++) {
        for (int c = 0; c < FAB_COLLECTIVE_COUNT; c++) {
            for (int i = 0; i < DRAWS && can_run(machine, topology, algorithm, (FabCollective)c); i++) {
                Settings settings = settings_draw(machine, algorithm, (FabCollective)c, &state);
                property(machine, topology, &settings);
            }
        }
    }
}

/* ------------------------------------------------------------------ bounds, from the machine alone */

/* What the links of a GPU carry in one direction, B/s. */
static double
port_rate(const FabTopology *topology, uint32_t gpu)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, topology->gpus[gpu], &count);
    double rate = 0;

    for (uint32_t i = 0; i < count; i++)
        rate += topology->links[links[i]].bandwidth * topology->links[links[i]].efficiency;
    return rate;
}

/*
 * Bytes that a rank cannot avoid to move through its port, in its busier direction, whatever the algorithm: what it
 * must learn or tell. Pieces are rounded up to 16 bytes, so that the last ones may be shorter.
 */
static double
necessary_bytes(const Settings *settings, uint32_t ranks, uint32_t rank, double size)
{
    double longest = ceil(size / ranks) + 16;
    double others = MAX(0, size - longest), last = MAX(0, size - (ranks - 1.0) * longest);

    switch (settings->collective) {
    case FAB_ALL_REDUCE:
    case FAB_BROADCAST:
    case FAB_REDUCE:
    case FAB_SEND_RECV:
        return size;
    case FAB_ALL_GATHER:
    case FAB_REDUCE_SCATTER:
    case FAB_ALL_TO_ALL:
        return others;
    case FAB_GATHER:
    case FAB_SCATTER:
        return rank == settings->root ? others : last;
    default:
        return 0;
    }
}

/* The same summed over all ranks where the fabric only forwards: an all-reduce moves 2 (n-1) S in all. */
static double
necessary_total(const Settings *settings, uint32_t ranks, double size)
{
    double total = 0;

    if (strcmp(settings->algorithm, "nvls") == 0 || strcmp(settings->algorithm, "auto") == 0)
        return 0;
    if (settings->collective == FAB_ALL_REDUCE)
        return 2 * (ranks - 1.0) * size;
    if (settings->collective == FAB_BROADCAST || settings->collective == FAB_REDUCE)
        return (ranks - 1.0) * size;
    for (uint32_t rank = 0; rank < ranks; rank++)
        total += necessary_bytes(settings, ranks, rank, size);
    return settings->collective == FAB_GATHER || settings->collective == FAB_SCATTER ? 0 : total;
}

/* Transfers that must follow each other; 1 where all may run at once. */
static uint32_t
hops_in_a_row(const Settings *settings, uint32_t ranks)
{
    uint32_t bits = 0;

    for (; 1u << bits < ranks; bits++)
        continue;
    if (strcmp(settings->algorithm, "ring") == 0 || strcmp(settings->algorithm, "chain") == 0)
        return settings->collective == FAB_ALL_REDUCE || settings->collective == FAB_BARRIER ? 2 * (ranks - 1)
                                                                                             : ranks - 1;
    if (strcmp(settings->algorithm, "halving-doubling") == 0)
        return (settings->collective == FAB_ALL_REDUCE ? 2 : 1) * (1u << bits == ranks ? bits : bits - 1);
    return strcmp(settings->algorithm, "dissemination") == 0 ? bits : 1;
}

/* The shortest way between two of the ranks. */
static int64_t
shortest_latency(const FabTopology *topology, uint32_t ranks)
{
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_SYS, .nvlink = true });
    int64_t shortest = INT64_MAX;

    for (uint32_t a = 0; a < ranks; a++) {
        for (uint32_t b = 0; b < ranks; b++) {
            const FabRoute *route = a != b ? fab_router_push(router, a, b, NULL) : NULL;
            if (route != NULL)
                shortest = MIN(shortest, route->latency_ps);
        }
    }
    return shortest == INT64_MAX ? 0 : shortest;
}

static void
check_bounds(const Machine *machine, const FabTopology *topology, const Settings *settings, const FabResultRow *row)
{
    g_autofree char *name = describe(machine, settings);
    double seconds = (double)row->time_ps * 1e-12, size = (double)row->size_bytes, ports = 0;
    int64_t latency = shortest_latency(topology, machine->ranks) * hops_in_a_row(settings, machine->ranks);

    for (guint i = 0; i < row->uses->len; i++) {
        const FabResultUse *use = &g_array_index(row->uses, FabResultUse, i);
        if (use->utilisation > 1 + ROUNDING)
            ck_abort_msg("%s, %g bytes: %s is used %.9f of the time", name, size, use->name, use->utilisation);
    }
    for (uint32_t rank = 0; rank < machine->ranks; rank++) {
        double rate = port_rate(topology, rank), bytes = necessary_bytes(settings, machine->ranks, rank, size);
        ports += rate;
        if (seconds * rate < bytes * (1 - ROUNDING))
            ck_abort_msg("%s, %g bytes: rank %u moves %g bytes in %g s at %g B/s", name, size, rank, bytes, seconds,
                         rate);
    }
    if (seconds * ports < necessary_total(settings, machine->ranks, size) * (1 - ROUNDING))
        ck_abort_msg("%s, %g bytes: all ports together are too slow for %g s", name, size, seconds);
    if (row->time_ps < LAUNCH_PS + latency)
        ck_abort_msg("%s, %g bytes: %g s, latencies in a row alone take %g", name, size, seconds,
                     (double)(LAUNCH_PS + latency) * 1e-12);
}

/* ------------------------------------------------------------------ never faster than physics */

static void
keeps_its_bounds(const Machine *machine, const FabTopology *topology, const Settings *settings)
{
    g_autoptr(FabResult) result = run(machine, topology, settings, "1;1000;65536;1000000;8M");

    for (guint i = 0; i < result->rows->len; i++)
        check_bounds(machine, topology, settings, row_of(result, i));
}

START_TEST(nothing_is_faster_than_bandwidth_or_latency)
{
    for_all_settings(&machines[_i], keeps_its_bounds);
}
END_TEST

START_TEST(nccls_choices_are_not_either)
{
    const Machine *machine = &machines[_i];
    g_autoptr(FabTopology) topology = load(machine->name);

    for (int c = 0; c < FAB_COLLECTIVE_COUNT; c++) {
        Settings settings = { .collective = (FabCollective)c, .algorithm = "auto", .protocol = "auto" };
        g_autoptr(FabResult) result = run(machine, topology, &settings, "8;1K;32K;1M;4M;64M");
        for (guint i = 0; i < result->rows->len; i++)
            check_bounds(machine, topology, &settings, row_of(result, i));
    }
}
END_TEST

/* ------------------------------------------------------------------ never slower for less */

/* Fails where `better` takes longer than `base` beyond the tolerance; `what` says what is better. */
static void
check_not_slower(const char *name, const char *what, const FabResultRow *base, const FabResultRow *better,
                 double tolerance)
{
    if ((double)better->time_ps > (double)base->time_ps * (1 + tolerance))
        ck_abort_msg("%s: %s: %" G_GUINT64_FORMAT " bytes take %" G_GINT64_FORMAT " ps, without it %" G_GUINT64_FORMAT
                     " bytes take %" G_GINT64_FORMAT, name, what, better->size_bytes, better->time_ps,
                     base->size_bytes, base->time_ps);
}

/* Sizes rise; near ones may differ by the anomaly, eight times the bytes may not on links of their own. */
static void
check_sizes(const Machine *machine, const FabTopology *topology, const Settings *settings, const char *sizes,
            double tolerance)
{
    g_autofree char *name = describe(machine, settings);
    g_autoptr(FabResult) result = run(machine, topology, settings, sizes);

    for (guint i = 1; i < result->rows->len; i++)
        check_not_slower(name, "a smaller size", row_of(result, i), row_of(result, i - 1), tolerance);
}

/*
 * Below 4 KiB for each rank NCCL gives LL fewer threads, whose rounds are cheaper but smaller: not the same settings.
 */
static void
grows_with_size(const Machine *machine, const FabTopology *topology, const Settings *settings)
{
    bool ll = strcmp(settings->protocol, "ll") == 0;
    double anomaly = machine->shared ? ANOMALY_SHARED : ANOMALY_PORTS;

    if (strcmp(settings->algorithm, "pat") == 0)
        anomaly = ANOMALY_ORDER;
    check_sizes(machine, topology, settings, ll ? "32K;256K;2M" : "1;8;64;512;4K;32K;256K;2M",
                machine->shared ? ANOMALY_SHARED : ROUNDING);
    check_sizes(machine, topology, settings, "1M;1048577;1050000;1100000;1200000", anomaly);
    check_sizes(machine, topology, settings, ll ? "32K;33000;40000" : "1;2;16;17;1000;1024;4095", anomaly);
}

START_TEST(more_bytes_do_not_take_less_time)
{
    for_all_settings(&machines[_i], grows_with_size);
}
END_TEST

/* ------------------------------------------------------------------ never slower on better links */

static void
scale_rates(FabTopology *topology, const char *resource, double factor)
{
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        if (resource == NULL || strcmp(topology->resources[i].name, resource) == 0)
            topology->resources[i].capacity *= factor;
    }
}

static void
halve_latencies(FabTopology *topology)
{
    for (uint32_t i = 0; i < topology->link_count; i++)
        topology->links[i].latency_ps /= 2;
}

/* All links faster, the busiest one faster, all latencies shorter. */
static void
check_better_links(const Machine *machine, const FabTopology *topology, const Settings *settings, double tolerance)
{
    static const char *const names[] = { "all links 1.25 times faster", "the busiest link 1.5 times faster",
                                         "latencies halved" };
    static const char sizes[] = "1000;50000;1M";
    g_autofree char *name = describe(machine, settings);
    g_autoptr(FabResult) base = run(machine, topology, settings, sizes);
    const GArray *uses = row_of(base, base->rows->len - 1)->uses;

    for (int kind = 0; kind < 3; kind++) {
        g_autoptr(FabTopology) better = load(machine->name);
        g_autoptr(FabResult) result = NULL;
        if (kind == 0)
            scale_rates(better, NULL, 1.25);
        else if (kind == 1 && uses->len > 0)
            scale_rates(better, g_array_index(uses, FabResultUse, 0).name, 1.5);
        else
            halve_latencies(better);
        result = run(machine, better, settings, sizes);
        for (guint i = 0; i < base->rows->len; i++)
            check_not_slower(name, names[kind], row_of(base, i), row_of(result, i), tolerance);
    }
}

static void
gains_from_better_links(const Machine *machine, const FabTopology *topology, const Settings *settings)
{
    check_better_links(machine, topology, settings, machine->shared ? ANOMALY_SHARED : ANOMALY_PORTS_LINK);
}

START_TEST(better_links_do_not_take_more_time)
{
    for_all_settings(&machines[_i], gains_from_better_links);
}
END_TEST

/* ------------------------------------------------------------------ exact where nothing is shared */

START_TEST(a_lone_ring_over_own_links_has_no_anomaly)
{
    static const FabCollective collectives[] = { FAB_ALL_REDUCE, FAB_ALL_GATHER, FAB_REDUCE_SCATTER, FAB_BROADCAST,
                                                 FAB_REDUCE };
    const Machine *machine = &machines[_i];
    g_autoptr(FabTopology) topology = load(machine->name);
    const FabAlgorithm *ring = fab_algorithm_find("ring", NULL);
    uint32_t state = 11;

    for (size_t i = 0; i < G_N_ELEMENTS(collectives) * 4; i++) {
        Settings settings = settings_draw(machine, ring, collectives[i / 4], &state);
        settings.channels = 1;
        settings.slots = MAX(settings.slots, 2);
        check_sizes(machine, topology, &settings, "32K;32769;33000;40000;65521;65536;65537;100000;1M;1048577;1050000",
                    ROUNDING);
        check_better_links(machine, topology, &settings, ROUNDING);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("physics");

    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, nothing_is_faster_than_bandwidth_or_latency, 0, G_N_ELEMENTS(machines));
    tcase_add_loop_test(tests, nccls_choices_are_not_either, 0, G_N_ELEMENTS(machines));
    tcase_add_loop_test(tests, more_bytes_do_not_take_less_time, 0, G_N_ELEMENTS(machines));
    tcase_add_loop_test(tests, better_links_do_not_take_more_time, 0, G_N_ELEMENTS(machines));
    tcase_add_loop_test(tests, a_lone_ring_over_own_links_has_no_anomaly, 0, OWN_LINKS);
    return run_tests(tests);
}
