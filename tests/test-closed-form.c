/*
 * Where nothing contends the engine equals the textbook: n ranks, S bytes, links of B bytes a second, a from the last
 * byte sent to the first one usable. Costs of kernels are zero unless a test gives some. Sizes are chosen so that
 * every term is a whole number of picoseconds; odd sizes may miss by the rounding of each step.
 */
#include <check.h>
#include <math.h>

#include "collective/collective.h"
#include "engine/engine.h"
#include "fabric.h"
#include "suite.h"

#define US INT64_C(1000000) /* picoseconds */
#define NS INT64_C(1000)

/* At 50 GB/s this takes a microsecond; whole 16-byte grains. */
enum { PIECE = 50000, MOST_RANKS = 32 };

/* A star through one NVSwitch has two hops of 100 ns, a bridge one. */
#define STAR_LATENCY (200 * NS)
#define BRIDGE_LATENCY (100 * NS)

/* ------------------------------------------------------------------ helpers */

static FabTopology *
star_new(uint32_t ranks)
{
    g_autoptr(GString) text = g_string_new("v0=multicast");

    for (uint32_t i = 0; i < ranks; i++)
        g_string_append_printf(text, " g%u-v0:nvlink:50", i);
    return fabric_new(text->str);
}

static FabExecution
free_execution(void)
{
    return (FabExecution) { .send_rate = INFINITY, .copy_rate = INFINITY, .wire = 1, .in_switch_weight = 1 };
}

/* One slice a chunk. */
static FabCollectiveSpec
whole_chunks(FabCollective collective, uint32_t ranks, uint64_t size, uint64_t chunk)
{
    return (FabCollectiveSpec) { .collective = collective, .size = size, .ranks = ranks, .channels = 1,
                                 .chunk_bytes = chunk, .slice_bytes = chunk, .slots = 8 };
}

static int64_t
time_with(const FabTopology *topology, const char *algorithm, const FabCollectiveSpec *spec,
          const FabExecution *execution)
{
    uint32_t gpus[MOST_RANKS];
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
    g_autoptr(GError) error = NULL;
    g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find(algorithm, NULL), spec, &error);
    FabEngineSpec engine = { .topology = topology, .router = router, .program = program, .gpus = gpus,
                             .execution = *execution };
    FabEngineReport report;
    int64_t time_ps;

    for (uint32_t i = 0; i < MOST_RANKS; i++)
        gpus[i] = i;
    if (program == NULL || !fab_engine_run(&engine, &report, &error))
        ck_abort_msg("%s %s, %u ranks: %s", fab_collective_names[spec->collective], algorithm, spec->ranks,
                     error->message);
    time_ps = report.time_ps;
    fab_engine_report_clear(&report);
    return time_ps;
}

static int64_t
star_time(const char *algorithm, const FabCollectiveSpec *spec)
{
    g_autoptr(FabTopology) star = star_new(spec->ranks);
    FabExecution execution = free_execution();

    return time_with(star, algorithm, spec, &execution);
}

static int64_t
log_of(uint32_t power_of_two)
{
    int64_t bits = 0;

    for (; power_of_two > 1; power_of_two /= 2)
        bits++;
    return bits;
}

/* ------------------------------------------------------------------ rings */

/* 2(n-1)/n S/B + 2(n-1)a */
START_TEST(a_ring_all_reduce_takes_two_times_n_minus_one_steps)
{
    static const uint32_t ranks[] = { 2, 3, 4, 5, 8, 16, 32 };

    for (size_t i = 0; i < G_N_ELEMENTS(ranks); i++) {
        uint32_t n = ranks[i];
        for (uint64_t piece = 16; piece <= 64 * PIECE; piece = piece == 16 ? PIECE : piece * 4) {
            FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, n, n * piece, piece);
            int64_t wire = (int64_t)piece * US / PIECE;
            ck_assert_int_eq(star_time("ring", &spec), 2 * (n - 1) * (wire + STAR_LATENCY));
        }
    }
}
END_TEST

START_TEST(ring_all_gather_and_reduce_scatter_take_half_of_it)
{
    for (uint32_t n = 2; n <= 9; n++) {
        FabCollectiveSpec gather = whole_chunks(FAB_ALL_GATHER, n, (uint64_t)n * PIECE, PIECE);
        FabCollectiveSpec scatter = whole_chunks(FAB_REDUCE_SCATTER, n, (uint64_t)n * PIECE, PIECE);
        ck_assert_int_eq(star_time("ring", &gather), (n - 1) * (US + STAR_LATENCY));
        ck_assert_int_eq(star_time("ring", &scatter), (n - 1) * (US + STAR_LATENCY));
    }
}
END_TEST

START_TEST(a_bridge_is_a_ring_of_two)
{
    g_autoptr(FabTopology) pair = fabric_new("g0-g1:nvlink:50");
    FabExecution execution = free_execution();
    FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, 2, UINT64_C(64) << 20, UINT64_C(32) << 20);

    ck_assert_int_eq(time_with(pair, "ring", &spec, &execution), 2 * (INT64_C(671088640) + BRIDGE_LATENCY));
    ck_assert_int_eq(time_with(pair, "halving-doubling", &spec, &execution),
                     2 * (INT64_C(671088640) + BRIDGE_LATENCY));
    spec.collective = FAB_ALL_GATHER;
    ck_assert_int_eq(time_with(pair, "ring", &spec, &execution), INT64_C(671088640) + BRIDGE_LATENCY);
}
END_TEST

/* Slices of a chunk follow each other at once, so that of 2(n-1) latencies only the last shows. */
START_TEST(slices_hide_all_latencies_but_the_last)
{
    for (uint32_t n = 2; n <= 8; n++) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, n, (uint64_t)n * 4 * PIECE, 4 * PIECE);
        spec.slice_bytes = PIECE;
        ck_assert_int_eq(star_time("ring", &spec), 2 * (n - 1) * 4 * US + STAR_LATENCY);
    }
}
END_TEST

START_TEST(channels_divide_the_links_and_change_nothing)
{
    for (uint32_t channels = 1; channels <= 16; channels *= 2) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, 8, 8 * 16 * PIECE, 16 * PIECE);
        spec.channels = channels;
        ck_assert_int_eq(star_time("ring", &spec), 14 * (16 * US + STAR_LATENCY));
    }
}
END_TEST

/* Loops of one chunk a step cannot overlap: each rank takes its steps in order. */
START_TEST(loops_add_their_wire_time_and_one_latency_each_step)
{
    for (uint32_t loops = 1; loops <= 5; loops++) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, 4, (uint64_t)loops * 4 * PIECE, PIECE);
        ck_assert_int_eq(star_time("ring", &spec), loops * 6 * (US + STAR_LATENCY));
    }
}
END_TEST

START_TEST(costs_of_kernels_add_to_each_step_once)
{
    g_autoptr(FabTopology) star = star_new(8);
    FabExecution execution = { .launch_ps = 5 * US, .step_ps = 300 * NS, .local_ps = 200 * NS, .latency_ps = 400 * NS,
                               .send_rate = 25e9, .copy_rate = 100e9, .wire = 1 };
    FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, 8, 8 * PIECE, PIECE);

    ck_assert_int_eq(time_with(star, "ring", &spec, &execution),
                     5 * US + 14 * (2 * US + 300 * NS + 400 * NS + STAR_LATENCY) + 500 * NS + 200 * NS);
}
END_TEST

/* A pipeline of m chunks over n-1 hops: (m + n - 2) chunks and n-1 latencies. */
START_TEST(broadcast_and_reduce_are_pipelines)
{
    for (uint32_t n = 2; n <= 8; n++) {
        for (uint32_t m = 1; m <= 64; m *= 4) {
            FabCollectiveSpec spec = whole_chunks(FAB_BROADCAST, n, (uint64_t)m * PIECE, PIECE);
            int64_t expected = (m + n - 2) * US + (n - 1) * STAR_LATENCY;
            spec.root = n / 2;
            ck_assert_int_eq(star_time("ring", &spec), expected);
            spec.collective = FAB_REDUCE;
            ck_assert_int_eq(star_time("ring", &spec), expected);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ other algorithms */

/* 2(n-1)/n S/B + 2 log2(n) a */
START_TEST(halving_doubling_has_the_rings_wire_time_and_logarithmic_latency)
{
    for (uint32_t n = 2; n <= 32; n *= 2) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, n, (uint64_t)n * PIECE, (uint64_t)n * PIECE);
        int64_t half = (n - 1) * US + log_of(n) * STAR_LATENCY;
        ck_assert_int_eq(star_time("halving-doubling", &spec), 2 * half);
        spec.collective = FAB_ALL_GATHER;
        ck_assert_int_eq(star_time("halving-doubling", &spec), half);
        spec.collective = FAB_REDUCE_SCATTER;
        ck_assert_int_eq(star_time("halving-doubling", &spec), half);
    }
}
END_TEST

/* (n-1)/n S/B + a, whether the rounds follow each other or share the ports */
START_TEST(pairwise_all_to_all_fills_the_ports)
{
    for (uint32_t n = 2; n <= 16; n++) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_TO_ALL, n, (uint64_t)n * PIECE, PIECE);
        int64_t expected = (n - 1) * US + STAR_LATENCY;
        ck_assert_int_eq(star_time("pairwise", &spec), expected);
        spec.channels = n;
        ck_assert_int_eq(star_time("pairwise", &spec), expected);
        spec.collective = FAB_ALL_GATHER;
        ck_assert_int_eq(star_time("pairwise", &spec), expected);
        spec.collective = FAB_GATHER;
        spec.root = n - 1;
        ck_assert_int_eq(star_time("pairwise", &spec), expected);
        spec.collective = FAB_SCATTER;
        ck_assert_int_eq(star_time("pairwise", &spec), expected);
    }
}
END_TEST

START_TEST(send_to_the_next_rank_is_one_transfer)
{
    for (uint32_t n = 2; n <= 8; n++) {
        FabCollectiveSpec spec = whole_chunks(FAB_SEND_RECV, n, 4 * PIECE, PIECE);
        ck_assert_int_eq(star_time("pairwise", &spec), 4 * US + STAR_LATENCY);
    }
}
END_TEST

/* One chunk up the chain and down again: 2(n-1) transfers one after the other. */
START_TEST(one_chunk_goes_up_and_down_a_chain)
{
    for (uint32_t n = 2; n <= 8; n++) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, n, PIECE, PIECE);
        ck_assert_int_eq(star_time("chain", &spec), 2 * (n - 1) * (US + STAR_LATENCY));
    }
}
END_TEST

/* On links of their own the two directions pipeline: m + 2(n-1) - 1 chunks. */
START_TEST(a_chain_pipelines_both_directions_at_once)
{
    g_autoptr(FabTopology) chain = fabric_new("g0-g1:nvlink:50 g1-g2:nvlink:50 g2-g3:nvlink:50");
    FabExecution execution = free_execution();

    for (uint32_t m = 1; m <= 16; m *= 2) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, 4, (uint64_t)m * PIECE, PIECE);
        ck_assert_int_eq(time_with(chain, "chain", &spec, &execution), (m + 5) * US + 6 * BRIDGE_LATENCY);
    }
}
END_TEST

/* Every port carries w S each way; then the results' flags cross the switch. reduce_scatter has no results to send. */
START_TEST(nvls_moves_the_buffer_once_through_every_port)
{
    g_autoptr(FabTopology) star = star_new(8);
    FabExecution execution = free_execution();

    for (uint32_t loops = 1; loops <= 4; loops++) {
        FabCollectiveSpec spec = whole_chunks(FAB_ALL_REDUCE, 8, (uint64_t)loops * 8 * PIECE, PIECE);
        for (int weight = 1; weight <= 3; weight++) {
            execution.in_switch_weight = weight;
            spec.collective = FAB_ALL_REDUCE;
            ck_assert_int_eq(time_with(star, "nvls", &spec, &execution), weight * loops * 8 * US + STAR_LATENCY);
            spec.collective = FAB_ALL_GATHER;
            ck_assert_int_eq(time_with(star, "nvls", &spec, &execution), weight * loops * 8 * US + STAR_LATENCY);
            spec.collective = FAB_REDUCE_SCATTER;
            ck_assert_int_eq(time_with(star, "nvls", &spec, &execution), weight * loops * 8 * US);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ odd sizes */

/* Each of the 2(n-1) steps is rounded to a picosecond; the last pieces may be shorter, never longer. */
START_TEST(odd_sizes_miss_by_less_than_the_rounding_of_each_step)
{
    uint32_t state = 7;

    for (int i = 0; i < 200; i++) {
        uint32_t n;
        uint64_t size, offset, piece;
        FabCollectiveSpec spec;
        double expected;
        state = state * 1664525u + 1013904223u;
        n = 2 + (state >> 8) % 15;
        size = 1 + (state >> 4) % 20000000;
        fab_piece(size, n, 0, &offset, &piece);
        if (piece * (n - 1) >= size)
            continue; /* the last rank's piece is empty */
        spec = whole_chunks(FAB_ALL_REDUCE, n, size, piece);
        expected = 2 * (n - 1) * ((double)piece * US / PIECE + STAR_LATENCY);
        ck_assert_double_eq_tol((double)star_time("ring", &spec), expected, n);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("closed form");

    tcase_add_test(tests, a_ring_all_reduce_takes_two_times_n_minus_one_steps);
    tcase_add_test(tests, ring_all_gather_and_reduce_scatter_take_half_of_it);
    tcase_add_test(tests, a_bridge_is_a_ring_of_two);
    tcase_add_test(tests, slices_hide_all_latencies_but_the_last);
    tcase_add_test(tests, channels_divide_the_links_and_change_nothing);
    tcase_add_test(tests, loops_add_their_wire_time_and_one_latency_each_step);
    tcase_add_test(tests, costs_of_kernels_add_to_each_step_once);
    tcase_add_test(tests, broadcast_and_reduce_are_pipelines);
    tcase_add_test(tests, halving_doubling_has_the_rings_wire_time_and_logarithmic_latency);
    tcase_add_test(tests, pairwise_all_to_all_fills_the_ports);
    tcase_add_test(tests, send_to_the_next_rank_is_one_transfer);
    tcase_add_test(tests, one_chunk_goes_up_and_down_a_chain);
    tcase_add_test(tests, a_chain_pipelines_both_directions_at_once);
    tcase_add_test(tests, nvls_moves_the_buffer_once_through_every_port);
    tcase_add_test(tests, odd_sizes_miss_by_less_than_the_rounding_of_each_step);
    return run_tests(tests);
}
