/*
 * Flow rates of the solver under the load patterns that are hard for fair sharing.
 * Usage: flows MODE HOSTS A BYTES TOPOLOGY
 *   chain  A chunks in flight per host around a ring, each on its own, STEPS (environment) hops or 2 (n - 1)
 *   perm   A rounds of random permutations, sizes 0.5 to 1.5 BYTES, a round ends with its last flow
 *   pairs  every host sends A times, each to a random other host, the next when the last has ended
 *   a2a    A rounds, every host to every other at once
 * TOPOLOGY: star, or tree: leaves of 16 hosts and 8 spines (2:1), the spine chosen by the destination.
 * 450 GB/s and 250 ns a link; a flow starts its latency before its bytes move. One line: key=value pairs.
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/flow.h"
#include "engine/queue.h"

#define MARK UINT32_C(0x80000000)
#define RATE 450e9
#define LINK_PS INT64_C(250000)

enum { LEAF = 16, SPINES = 8 };

typedef struct {
    uint32_t hosts;
    bool tree;
    double bytes;
    long amount, steps;
    FabQueue *queue;
    FabFlowSet *flows;
    FabRoute **routes; /* by from * hosts + to, made when first used */
    uint32_t next_route;
    uint64_t random;
    uint64_t done;
    int64_t now;
    uint32_t *left;    /* by host or chain: hops or flows to go */
    uint32_t *target;  /* destination of the flow that waits for its latency */
    const FabRoute **way; /* of that flow */
    double *size;
} Bench;

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t
random_below(Bench *bench, uint32_t bound)
{
    bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((bench->random >> 33) * bound) >> 31);
}

static double
random_size(Bench *bench)
{
    return bench->bytes * (0.5 + random_below(bench, 1u << 20) / (double)(1u << 20));
}

/* Resources: host out 0..n-1, host in n..2n-1, then leaf up and leaf down by leaf and spine. */
static const FabRoute *
route_of(Bench *bench, uint32_t from, uint32_t to)
{
    FabRoute **place = &bench->routes[(gsize)from * bench->hosts + to], *route = *place;
    uint32_t n = bench->hosts, a = from / LEAF, b = to / LEAF, leaves = n / LEAF, spine = to % SPINES;
    bool far = bench->tree && a != b;

    if (route != NULL)
        return route;
    route = g_malloc0(sizeof *route + 4 * sizeof(FabUse));
    route->id = bench->next_route++;
    route->count = far ? 4 : 2;
    route->latency_ps = (far ? 4 : 2) * LINK_PS;
    route->uses[0] = (FabUse) { .resource = from, .weight = 1 };
    route->uses[1] = (FabUse) { .resource = n + to, .weight = 1 };
    if (far) {
        route->uses[2] = (FabUse) { .resource = 2 * n + a * SPINES + spine, .weight = 1 };
        route->uses[3] = (FabUse) { .resource = 2 * n + leaves * SPINES + b * SPINES + spine, .weight = 1 };
    }
    *place = route;
    return route;
}

/* Plans a flow of `slot`: its bytes move after the latency of its way. */
static void
plan(Bench *bench, uint32_t slot, uint32_t from, uint32_t to, double size)
{
    bench->target[slot] = from * bench->hosts + to;
    bench->size[slot] = size;
    bench->way[slot] = route_of(bench, from, to);
    fab_queue_push(bench->queue, bench->now + bench->way[slot]->latency_ps, slot);
}

static void
begin(Bench *bench, uint32_t slot)
{
    fab_flow_start(bench->flows, bench->now, bench->way[slot], bench->size[slot], INFINITY, slot);
}

static uint32_t
other_host(Bench *bench, uint32_t host)
{
    uint32_t to = random_below(bench, bench->hosts - 1);

    return to >= host ? to + 1 : to;
}

static void
chain_next(Bench *bench, uint32_t slot)
{
    uint32_t from = bench->target[slot] % bench->hosts;

    if (--bench->left[slot] > 0)
        plan(bench, slot, from, (from + 1) % bench->hosts, bench->bytes);
}

static void
pairs_next(Bench *bench, uint32_t slot)
{
    if (--bench->left[slot] > 0)
        plan(bench, slot, slot, other_host(bench, slot), random_size(bench));
}

static void
nothing_next(Bench *bench, uint32_t slot)
{
    (void)bench;
    (void)slot;
}

/* Runs until nothing is pending. */
static void
drain(Bench *bench, void (*next)(Bench *, uint32_t))
{
    int64_t when;
    uint32_t data, slot;

    while (fab_queue_peek(bench->queue, &when)) {
        bench->now = when;
        while (fab_queue_peek(bench->queue, &when) && when == bench->now) {
            fab_queue_pop(bench->queue, &when, &data);
            if (!(data & MARK)) {
                begin(bench, data);
                continue;
            }
            if (!fab_flow_complete(bench->flows, when, data & ~MARK))
                continue;
            while (fab_flow_take_tag(bench->flows, &slot)) {
                bench->done++;
                next(bench, slot);
            }
        }
        fab_flow_share(bench->flows, bench->now);
    }
}

static void
run_chain(Bench *bench)
{
    for (uint32_t i = 0; i < bench->hosts * (uint32_t)bench->amount; i++) {
        bench->left[i] = (uint32_t)bench->steps;
        plan(bench, i, i % bench->hosts, (i + 1) % bench->hosts, bench->bytes);
    }
    drain(bench, chain_next);
}

static void
run_pairs(Bench *bench)
{
    for (uint32_t i = 0; i < bench->hosts; i++) {
        bench->left[i] = (uint32_t)bench->amount;
        plan(bench, i, i, other_host(bench, i), random_size(bench));
    }
    drain(bench, pairs_next);
}

static void
run_perm(Bench *bench)
{
    g_autofree uint32_t *to = g_new(uint32_t, bench->hosts);

    for (uint32_t i = 0; i < bench->hosts; i++)
        to[i] = i;
    for (long round = 0; round < bench->amount; round++) {
        for (uint32_t i = bench->hosts - 1; i > 0; i--) {
            uint32_t k = random_below(bench, i + 1), swap = to[i];
            to[i] = to[k];
            to[k] = swap;
        }
        for (uint32_t i = 0; i < bench->hosts; i++) {
            if (to[i] != i)
                plan(bench, i, i, to[i], random_size(bench));
        }
        drain(bench, nothing_next);
    }
}

static void
run_a2a(Bench *bench)
{
    uint32_t n = bench->hosts;

    for (long round = 0; round < bench->amount; round++) {
        for (uint32_t i = 0; i < n * n; i++) {
            if (i / n != i % n)
                plan(bench, i, i / n, i % n, bench->bytes);
        }
        drain(bench, nothing_next);
    }
}

static double
closed_form(const Bench *bench, const char *mode)
{
    double latency = 2e-12 * LINK_PS;

    if (strcmp(mode, "chain") == 0)
        return (double)bench->steps * (latency + (double)bench->amount * bench->bytes / RATE);
    if (strcmp(mode, "a2a") == 0 && !bench->tree)
        return (double)bench->amount * (latency + (bench->hosts - 1) * bench->bytes / RATE);
    return 0;
}

static void
bench_init(Bench *bench)
{
    uint32_t n = bench->hosts, leaves = n / LEAF, count = 2 * n + (bench->tree ? 2 * leaves * SPINES : 0);
    gsize slots = MAX((gsize)n * n, (gsize)n * (gsize)bench->amount);
    g_autofree double *capacity = g_new(double, count);

    for (uint32_t i = 0; i < count; i++)
        capacity[i] = RATE;
    bench->random = 7;
    bench->queue = fab_queue_new();
    bench->flows = fab_flow_set_new(capacity, count, bench->queue, MARK);
    bench->routes = g_new0(FabRoute *, (gsize)n * n);
    bench->left = g_new0(uint32_t, slots);
    bench->target = g_new0(uint32_t, slots);
    bench->size = g_new0(double, slots);
    bench->way = g_new0(const FabRoute *, slots);
}

static void
bench_clear(Bench *bench)
{
    fab_flow_set_free(bench->flows);
    fab_queue_free(bench->queue);
    for (gsize i = 0; i < (gsize)bench->hosts * bench->hosts; i++)
        g_free(bench->routes[i]);
    g_free(bench->routes);
    g_free(bench->left);
    g_free(bench->target);
    g_free(bench->size);
    g_free(bench->way);
}

int
main(int argc, char **argv)
{
    const char *steps = g_getenv("STEPS"), *mode = argc > 1 ? argv[1] : "";
    Bench bench = { 0 };
    struct rusage usage;
    double before, seconds;

    if (argc != 6) {
        fprintf(stderr, "usage: flows chain|perm|pairs|a2a HOSTS A BYTES star|tree\n");
        return 2;
    }
    bench.hosts = (uint32_t)atoi(argv[2]);
    bench.amount = atol(argv[3]);
    bench.bytes = atof(argv[4]);
    bench.tree = strcmp(argv[5], "tree") == 0;
    bench.steps = steps != NULL ? atol(steps) : 2L * (bench.hosts - 1);
    bench_init(&bench);
    before = cpu_seconds();
    if (strcmp(mode, "chain") == 0)
        run_chain(&bench);
    else if (strcmp(mode, "perm") == 0)
        run_perm(&bench);
    else if (strcmp(mode, "pairs") == 0)
        run_pairs(&bench);
    else
        run_a2a(&bench);
    seconds = cpu_seconds() - before;
    getrusage(RUSAGE_SELF, &usage);
    printf("flows=%" G_GUINT64_FORMAT " simulated=%.12g closed=%.12g cpu=%.4f rate=%.0f rss_mib=%.1f\n", bench.done,
           (double)bench.now * 1e-12, closed_form(&bench, mode), seconds, (double)bench.done / seconds,
           (double)usage.ru_maxrss / 1024);
    bench_clear(&bench);
    return 0;
}
