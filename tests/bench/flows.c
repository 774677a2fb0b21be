/*
 * Flow rates of the solver under the load patterns that are hard for fair sharing. Usage:
 * flows MODE HOSTS A BYTES TOPOLOGY [SECONDS]
 *   chain  A chunks in flight per host around a ring, each on its own, STEPS (environment) hops or 2 (n - 1)
 *   mixed  as chain, every chunk with a size of its own, 0.5 to 1.5 BYTES, so that no two are one flow
 *   perm   A rounds of random permutations, sizes 0.5 to 1.5 BYTES, a round ends with its last flow
 *   pairs  every host sends A times, each to a random other host, the next when the last has ended
 *   a2a    A rounds, every host to every other at once
 * TOPOLOGY: star, or tree: leaves of 16 hosts and 8 spines (2:1), the spine chosen by the destination.
 * 450 GB/s a link, 250 ns a host's link; a flow's bytes move after its latency. Everything is repeated from the
 * beginning until SECONDS of CPU time are used. One line: key=value pairs; cpu is that of one repetition.
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "engine/flow.h"
#include "engine/queue.h"

#define MARK UINT32_C(0x80000000)
#define RATE 450e9
#define LINK_PS INT64_C(250000)

enum { LEAF = 16, SPINES = 8 };

typedef struct {
    uint32_t hosts;
    bool tree, mixed;
    uint64_t bytes;
    long amount, steps;
    FabQueue *queue;
    FabFlowSet *flows;
    FabRoute **routes; /* by from * hosts + to, made when first used */
    uint32_t next_route;
    uint64_t done;
    int64_t now, end; /* end of the last flow: overtaken completions still come later */
    /* By host or chain. */
    uint32_t *left; /* hops or flows to go */
    uint32_t *target;
    const FabRoute **way; /* of the flow that waits for its latency */
    uint64_t *random;
    double *size;
} Bench;

typedef void (*Load)(Bench *bench);

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
    route->latency_ps = 2 * LINK_PS;
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
plan(Bench *bench, uint32_t slot, uint32_t from, uint32_t to, uint64_t size)
{
    bench->target[slot] = to;
    bench->size[slot] = (double)size;
    bench->way[slot] = route_of(bench, from, to);
    fab_queue_push(bench->queue, bench->now + bench->way[slot]->latency_ps, slot);
}

static void
begin(Bench *bench, uint32_t slot)
{
    fab_flow_start(bench->flows, bench->now, bench->way[slot], bench->size[slot], INFINITY, slot);
}

static void
chain_next(Bench *bench, uint32_t slot)
{
    uint32_t from = bench->target[slot];

    if (--bench->left[slot] > 0)
        plan(bench, slot, from, (from + 1) % bench->hosts, (uint64_t)bench->size[slot]);
}

static void
pairs_begin(Bench *bench, uint32_t slot)
{
    uint32_t to = bench_other(&bench->random[slot], bench->hosts, slot);

    plan(bench, slot, slot, to, bench_size(&bench->random[slot], bench->bytes));
}

static void
pairs_next(Bench *bench, uint32_t slot)
{
    if (--bench->left[slot] > 0)
        pairs_begin(bench, slot);
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
            bench->end = when;
            while (fab_flow_take_tag(bench->flows, &slot)) {
                bench->done++;
                next(bench, slot);
            }
        }
        fab_flow_share(bench->flows, bench->now);
    }
    bench->now = bench->end;
}

static void
run_chain(Bench *bench)
{
    for (uint32_t i = 0; i < bench->hosts * (uint32_t)bench->amount; i++) {
        uint64_t random = i;
        bench->left[i] = (uint32_t)bench->steps;
        plan(bench, i, i % bench->hosts, (i + 1) % bench->hosts,
             bench->mixed ? bench_size(&random, bench->bytes) : bench->bytes);
    }
    drain(bench, chain_next);
}

static void
run_pairs(Bench *bench)
{
    for (uint32_t i = 0; i < bench->hosts; i++) {
        bench->left[i] = (uint32_t)bench->amount;
        bench->random[i] = i;
        pairs_begin(bench, i);
    }
    drain(bench, pairs_next);
}

static void
run_perm(Bench *bench)
{
    g_autofree uint32_t *to = g_new(uint32_t, bench->hosts);
    uint64_t random = 7;

    for (uint32_t i = 0; i < bench->hosts; i++)
        to[i] = i;
    for (long round = 0; round < bench->amount; round++) {
        for (uint32_t i = bench->hosts - 1; i > 0; i--) {
            uint32_t k = bench_below(&random, i + 1), swap = to[i];
            to[i] = to[k];
            to[k] = swap;
        }
        for (uint32_t i = 0; i < bench->hosts; i++) {
            if (to[i] != i)
                plan(bench, i, i, to[i], bench_size(&random, bench->bytes));
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
        return (double)bench->steps * (latency + (double)bench->amount * (double)bench->bytes / RATE);
    if (strcmp(mode, "a2a") == 0 && !bench->tree)
        return (double)bench->amount * (latency + (bench->hosts - 1) * (double)bench->bytes / RATE);
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
    bench->now = bench->end = 0;
    bench->done = bench->next_route = 0;
    bench->queue = fab_queue_new();
    bench->flows = fab_flow_set_new(capacity, count, bench->queue, MARK);
    bench->routes = g_new(FabRoute *, (gsize)n * n);
    for (gsize i = 0; i < (gsize)n * n; i++)
        bench->routes[i] = NULL; /* touches the pages before the clock starts */
    bench->left = g_new0(uint32_t, slots);
    bench->target = g_new0(uint32_t, slots);
    bench->random = g_new0(uint64_t, n);
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
    g_free(bench->random);
    g_free(bench->size);
    g_free(bench->way);
}

static Load
load_of(const char *mode)
{
    if (strcmp(mode, "chain") == 0 || strcmp(mode, "mixed") == 0)
        return run_chain;
    if (strcmp(mode, "perm") == 0)
        return run_perm;
    return strcmp(mode, "pairs") == 0 ? run_pairs : run_a2a;
}

int
main(int argc, char **argv)
{
    const char *steps = g_getenv("STEPS"), *mode = argc > 1 ? argv[1] : "";
    Bench bench = { 0 };
    double before, seconds = 0, enough;
    uint32_t repetitions = 0;

    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: flows chain|mixed|perm|pairs|a2a HOSTS A BYTES star|tree [SECONDS]\n");
        return 2;
    }
    bench.hosts = (uint32_t)atoi(argv[2]);
    bench.amount = atol(argv[3]);
    bench.bytes = strtoull(argv[4], NULL, 10);
    bench.mixed = strcmp(mode, "mixed") == 0;
    bench.tree = strcmp(argv[5], "tree") == 0;
    bench.steps = steps != NULL ? atol(steps) : 2L * (bench.hosts - 1);
    enough = argc == 7 ? atof(argv[6]) : 0;
    do {
        if (repetitions > 0)
            bench_clear(&bench);
        bench_init(&bench);
        before = bench_cpu();
        load_of(mode)(&bench);
        seconds += bench_cpu() - before;
        repetitions++;
    } while (seconds < enough);
    seconds /= repetitions;
    printf("items=%" G_GUINT64_FORMAT " simulated=%.12g closed=%.12g cpu=%.6f rate=%.0f rss_mib=%.1f\n", bench.done,
           (double)bench.now * 1e-12, closed_form(&bench, mode), seconds, (double)bench.done / seconds,
           bench_peak_mib());
    bench_clear(&bench);
    return 0;
}
