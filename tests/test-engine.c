/* Small programs whose times were worked out by hand; programs that cannot end; reruns. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "engine/engine.h"
#include "fabric.h"
#include "script.h"
#include "suite.h"

/* ------------------------------------------------------------------ one transfer */

START_TEST(a_send_takes_its_time_on_the_wire_and_a_latency)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
    FabExecution execution = free_execution();

    ck_assert_int_eq(time_of(PAIR, program, &execution), US + 100 * NS);
    ck_assert_int_eq(time_of("g0-v0:nvlink:50 g1-v0:nvlink:50", program, &execution), US + 200 * NS);
    ck_assert_int_eq(time_of("g0-v0:nvlink:50 g1-v0:nvlink:25", program, &execution), 2 * US + 200 * NS);
}
END_TEST

START_TEST(every_cost_counts_once)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
    FabExecution execution = { .launch_ps = 5 * US, .step_ps = 300 * NS, .local_ps = 200 * NS, .empty_ps = 70 * NS,
                               .latency_ps = 400 * NS, .send_rate = 25e9, .copy_rate = 100e9, .wire = 1 };

    /* launch, wire at the CTA's rate, fence, flag and wire latency, copy, its overhead */
    ck_assert_int_eq(time_of(PAIR, program, &execution),
                     5 * US + (2 * US + 300 * NS) + (400 + 100) * NS + (500 + 200) * NS);
}
END_TEST

START_TEST(a_step_without_bytes_exchanges_counters)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 0, 1);
    FabExecution execution = free_execution();

    execution.step_ps = execution.local_ps = US;
    execution.empty_ps = 70 * NS;
    execution.latency_ps = 400 * NS;
    ck_assert_int_eq(time_of(PAIR, program, &execution), (70 + 400 + 100 + 70) * NS);
    execution.local_ps = 0; /* an empty slice never costs more than a full one */
    ck_assert_int_eq(time_of(PAIR, program, &execution), (70 + 400 + 100) * NS);
}
END_TEST

START_TEST(flags_in_the_data_double_the_bytes_and_the_cta_counts_payload)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
    FabExecution execution = free_execution();

    execution.wire = 2;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 2 * US + 100 * NS);
    execution.send_rate = 20e9; /* 40 GB/s on the wire */
    ck_assert_int_eq(time_of(PAIR, program, &execution), 2500 * NS + 100 * NS);
}
END_TEST

START_TEST(payload_moves_in_whole_rounds)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, 30001);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, 30001);
    program = program_new(&script, 2, 1, 1, 1);
    execution.quantum = 10000;
    execution.copy_rate = 100e9;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 800 * NS + 100 * NS + 400 * NS);
}
END_TEST

START_TEST(a_send_to_the_own_memory_uses_no_link)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
    FabExecution execution = { .step_ps = 900 * NS, .local_ps = 200 * NS, .latency_ps = 400 * NS,
                               .send_rate = INFINITY, .copy_rate = 100e9, .wire = 1 };
    FabEngineReport report;

    script.lines[0].flags = FAB_STEP_LOCAL_SEND;
    ck_assert(run(PAIR, program, &execution, FAB_PATH_SELF, &report, NULL));
    ck_assert_int_eq(report.time_ps, (500 + 200) * NS + 400 * NS + (500 + 200) * NS);
    ck_assert(report.carried[0] == 0 && report.carried[1] == 0);
    ck_assert_uint_eq(report.flows, 0);
    fab_engine_report_clear(&report);
}
END_TEST

/* ------------------------------------------------------------------ pipelines */

START_TEST(slices_overlap_with_their_copies)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 4, 4);
    FabExecution execution = free_execution();

    ck_assert_int_eq(time_of(PAIR, program, &execution), 4 * US + 100 * NS);
    execution.copy_rate = 100e9; /* the wire binds, the last copy shows */
    ck_assert_int_eq(time_of(PAIR, program, &execution), 4 * US + 100 * NS + 500 * NS);
    execution.copy_rate = 25e9; /* the copies bind, the first transfer shows */
    ck_assert_int_eq(time_of(PAIR, program, &execution), US + 100 * NS + 4 * 2 * US);
}
END_TEST

/*
 * Flags take 400 ns beside the wire's 100, copies 500. With one slot a slice is sent, seen, copied and its slot given
 * back before the next one: 1000 + 500 + 500 + 400. With two slots two slices share such a round.
 */
START_TEST(slots_are_given_back_a_latency_after_the_copy)
{
    static const int64_t expected_ns[] = { 3 * 2400 + 2000, 2400 + 1000 + 2000, 4500 + 500, 4500 + 500 };
    FabExecution execution = free_execution();

    execution.latency_ps = 400 * NS;
    execution.copy_rate = 100e9;
    for (uint32_t slots = 1; slots <= 4; slots++) {
        Script script = { 0 };
        g_autoptr(FabProgram) program = copy_new(&script, 4, slots);
        ck_assert_int_eq(time_of(PAIR, program, &execution), expected_ns[slots - 1] * NS);
    }
}
END_TEST

START_TEST(a_rank_that_forwards_passes_slices_on_as_they_come)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();
    Line *forward;

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, 4 * PIECE);
    forward = add(&script, (FabStream) { 1, 0, 0 }, 4 * PIECE);
    *forward = (Line) { .at = { 1, 0, 0 }, .bytes = 4 * PIECE, .from = 0, .to = 2, .in = 0, .out = 1 };
    receives(&script, (FabStream) { 2, 0, 0 }, 1, 1, 4 * PIECE);
    program = program_new(&script, 3, 1, 1, 3); /* a slot is in use for 2.1 us */
    ck_assert_int_eq(time_of("g0-g1:nvlink:50 g1-g2:nvlink:50", program, &execution), 5 * US + 200 * NS);
    ck_assert_int_eq(time_of("g0-g1:nvlink:50 g1-g2:nvlink:25", program, &execution), US + 8 * US + 200 * NS);
}
END_TEST

START_TEST(channels_share_a_link_and_directions_do_not)
{
    Script same = { 0 }, opposite = { 0 };
    g_autoptr(FabProgram) first = NULL, second = NULL;
    FabExecution execution = free_execution();

    for (uint32_t channel = 0; channel < 2; channel++) {
        sends(&same, (FabStream) { 0, channel, 0 }, 1, channel, PIECE);
        receives(&same, (FabStream) { 1, channel, 0 }, 0, channel, PIECE);
        sends(&opposite, (FabStream) { channel, channel, 0 }, 1 - (int)channel, channel, PIECE);
        receives(&opposite, (FabStream) { 1 - channel, channel, 0 }, (int)channel, channel, PIECE);
    }
    first = program_new(&same, 2, 2, 1, 1);
    second = program_new(&opposite, 2, 2, 1, 1);
    ck_assert_int_eq(time_of(PAIR, first, &execution), 2 * US + 100 * NS);
    ck_assert_int_eq(time_of(PAIR, second, &execution), US + 100 * NS);
}
END_TEST

START_TEST(roles_divide_the_rate_of_their_cta)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, PIECE);
    sends(&script, (FabStream) { 0, 0, 1 }, 1, 1, PIECE);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, PIECE);
    receives(&script, (FabStream) { 1, 0, 1 }, 0, 1, PIECE);
    program = program_new(&script, 2, 1, 2, 1);
    program->role_share[0] = 0.75;
    program->role_share[1] = 0.25;
    execution.send_rate = 20e9; /* 15 and 5 GB/s, which the link has */
    ck_assert_int_eq(time_of(PAIR, program, &execution), 10 * US + 100 * NS);
}
END_TEST

/* ------------------------------------------------------------------ switch and host memory */

START_TEST(an_in_switch_step_uses_every_port_both_ways)
{
    Script script = { .everyone = { { 0, 0 }, { 1, 1 } }, .ranks = 2 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = { .step_ps = 5 * US, .in_switch_ps = 700 * NS, .latency_ps = 400 * NS,
                               .send_rate = 1e9, .copy_rate = 200e9, .wire = 3, .in_switch_weight = 1.25 };
    FabEngineReport report;

    add(&script, (FabStream) { 0, 0, 0 }, PIECE)->flags = FAB_STEP_IN_SWITCH;
    receives(&script, (FabStream) { 0, 0, 1 }, 0, 0, PIECE);
    receives(&script, (FabStream) { 1, 0, 1 }, 0, 1, PIECE);
    program = program_new(&script, 2, 1, 2, 1);
    ck_assert(run("g0-v0:nvlink:50 g1-v0:nvlink:50 v0=multicast", program, &execution, FAB_PATH_SELF, &report, NULL));
    /* weight on the ports, in-switch overhead, flag and two hops, copy at half the CTA */
    ck_assert_int_eq(report.time_ps, 1250 * NS + 700 * NS + (400 + 200) * NS + 500 * NS);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_double_eq(report.carried[i], 1.25 * PIECE);
    fab_engine_report_clear(&report);
}
END_TEST

/* A GPU's host port carries 0.98 of its link, out and in together: 19.6 GB/s. */
#define HOST "g0-h0:pcie:20 g1-h0:pcie:20 h0-c0:internal:100"

START_TEST(a_staged_transfer_is_written_to_host_memory_and_then_read)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 2, 4);
    FabExecution execution = free_execution();

    program->slice_bytes = 19600;
    script.lines[0].bytes = script.lines[1].bytes = 2 * 19600;
    /* writes end at 1 and 2 us; the ways there and back take 250 ns each; reads from 1.5 and 2.5 us on */
    ck_assert_int_eq(time_of(HOST, program, &execution), 3500 * NS);
}
END_TEST

/*
 * Both GPUs do it at once. The first reads begin at 1.5 us beside the second writes, which have half a microsecond to
 * go and take one: to 2.5 us. The first reads have the port alone from there and end at 3 us, just as the second
 * writes become visible; the second reads end at 4 us.
 */
START_TEST(both_directions_of_a_staged_exchange_share_the_host_port)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();

    for (uint32_t rank = 0; rank < 2; rank++) {
        sends(&script, (FabStream) { rank, 0, 0 }, 1 - (int)rank, rank, 2 * 19600);
        receives(&script, (FabStream) { rank, 0, 1 }, 1 - (int)rank, 1 - rank, 2 * 19600);
    }
    program = program_new(&script, 2, 1, 2, 4);
    program->slice_bytes = 19600;
    ck_assert_int_eq(time_of(HOST, program, &execution), 4 * US);
}
END_TEST

/* ------------------------------------------------------------------ the report */

START_TEST(the_report_tells_where_streams_spent_their_time)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 2, 2);
    FabExecution execution = free_execution();
    FabEngineReport report;

    execution.send_rate = 25e9; /* two slices of 2 us at the CTA's rate, seen at 2.1 and 4.1 us */
    execution.launch_ps = 7 * US;
    ck_assert(run(PAIR, program, &execution, FAB_PATH_SELF, &report, NULL));
    ck_assert_int_eq(report.time_ps, 7 * US + 4100 * NS);
    ck_assert_double_eq(report.carried[0], 2 * PIECE);
    ck_assert_double_eq(report.carried[1], 0);
    ck_assert_double_eq_tol(report.copy_share, 4.0 / 8.2, 1e-12);
    ck_assert_double_eq_tol(report.idle_share, 4.1 / 8.2, 1e-12);
    ck_assert_uint_eq(report.steps, 2);
    ck_assert_uint_eq(report.slices, 4);
    ck_assert_uint_eq(report.flows, 2);
    fab_engine_report_clear(&report);
}
END_TEST

START_TEST(a_program_without_steps_takes_its_launch)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = program_new(&script, 2, 1, 1, 1);
    FabExecution execution = free_execution();

    execution.launch_ps = 3 * US;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 3 * US);
}
END_TEST

START_TEST(reruns_are_equal_bit_for_bit)
{
    static const char *const names[] = { "ring", "tree", "halving-doubling", "nvls" };
    FabExecution execution = { .launch_ps = 5 * US, .step_ps = 333, .local_ps = 77, .latency_ps = 1234,
                               .send_rate = 17e9, .copy_rate = 23e9, .wire = 16.0 / 15, .in_switch_weight = 1.264 };
    const char *fabric = "g0-v0:nvlink:50 g1-v0:nvlink:49 g2-v0:nvlink:48 g3-v0:nvlink:47 g4-v0:nvlink:31 "
                         "v0=multicast";

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        FabCollectiveSpec spec = { .collective = FAB_ALL_REDUCE, .size = 1234567, .ranks = 5, .channels = 3,
                                   .chunk_bytes = 65536, .slice_bytes = 10000, .slots = 7 };
        g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find(names[i], NULL), &spec, NULL);
        FabEngineReport first, second;
        ck_assert(run(fabric, program, &execution, FAB_PATH_SELF, &first, NULL));
        ck_assert(run(fabric, program, &execution, FAB_PATH_SELF, &second, NULL));
        ck_assert_int_eq(first.time_ps, second.time_ps);
        ck_assert_mem_eq(first.carried, second.carried, 10 * sizeof(double));
        ck_assert(first.copy_share == second.copy_share && first.idle_share == second.idle_share);
        ck_assert(first.events == second.events && first.flows == second.flows && first.slices == second.slices);
        fab_engine_report_clear(&first);
        fab_engine_report_clear(&second);
    }
}
END_TEST

/* ------------------------------------------------------------------ programs that cannot end */

static void
assert_fails(const char *fabric, const FabProgram *program, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    FabExecution execution = free_execution();
    FabEngineReport report;

    ck_assert(!run(fabric, program, &execution, FAB_PATH_SELF, &report, &error));
    ck_assert_str_eq(error->message, message);
    ck_assert(g_error_matches(error, FAB_ERROR, code));
}

START_TEST(ranks_that_wait_for_each_other_are_named)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;

    for (uint32_t rank = 0; rank < 2; rank++) {
        receives(&script, (FabStream) { rank, 0, 0 }, 1 - (int)rank, 1 - rank, PIECE);
        sends(&script, (FabStream) { rank, 0, 0 }, 1 - (int)rank, rank, PIECE);
    }
    program = program_new(&script, 2, 1, 1, 4);
    assert_fails(PAIR, program, FAB_ERROR_DEADLOCK,
                 "script: deadlock: 2 of 2 streams wait for ever: rank 0 channel 0 role 0 waits at step 0 (recv) "
                 "for data of rank 1; rank 1 channel 0 role 0 waits at step 0 (recv) for data of rank 0");
}
END_TEST

START_TEST(too_few_slots_are_a_deadlock)
{
    Script script = { 0 };
    g_autoptr(FabProgram) enough = NULL, few = NULL;
    FabExecution execution = free_execution();

    for (uint32_t rank = 0; rank < 2; rank++) {
        sends(&script, (FabStream) { rank, 0, 0 }, 1 - (int)rank, rank, 3 * PIECE);
        receives(&script, (FabStream) { rank, 0, 0 }, 1 - (int)rank, 1 - rank, 3 * PIECE);
    }
    enough = program_new(&script, 2, 1, 1, 3);
    ck_assert_int_eq(time_of(PAIR, enough, &execution), 3 * US + 100 * NS);
    few = program_new(&script, 2, 1, 1, 2);
    assert_fails(PAIR, few, FAB_ERROR_DEADLOCK,
                 "script: deadlock: 2 of 2 streams wait for ever: rank 0 channel 0 role 0 waits at step 0 (send) for a "
                 "free slot at rank 1; rank 1 channel 0 role 0 waits at step 0 (send) for a free slot at rank 0");
}
END_TEST

START_TEST(one_missing_send_is_found_behind_finished_ranks)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, PIECE);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, PIECE);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, PIECE);
    program = program_new(&script, 2, 1, 1, 4);
    assert_fails(PAIR, program, FAB_ERROR_DEADLOCK,
                 "script: deadlock: 1 of 2 streams wait for ever: rank 1 channel 0 role 0 waits at step 1 (recv) "
                 "for data of rank 0");
}
END_TEST

START_TEST(a_long_deadlock_is_cut_short)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    g_autoptr(GError) error = NULL;
    FabExecution execution = free_execution();
    FabEngineReport report;

    for (uint32_t channel = 0; channel < 8; channel++) {
        for (uint32_t rank = 0; rank < 2; rank++)
            receives(&script, (FabStream) { rank, channel, 0 }, 1 - (int)rank, channel, PIECE);
    }
    program = program_new(&script, 2, 8, 1, 4);
    ck_assert(!run(PAIR, program, &execution, FAB_PATH_SELF, &report, &error));
    ck_assert(g_str_has_prefix(error->message, "script: deadlock: 16 of 16 streams wait for ever: rank 0 channel 0 "));
    ck_assert(g_str_has_suffix(error->message, "rank 0 channel 7 role 0 waits at step 0 (recv) for data of rank 1; "
                                               "..."));
}
END_TEST

START_TEST(gpus_that_nothing_joins_are_an_error)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    g_autoptr(GError) error = NULL;
    FabExecution execution = free_execution();
    FabEngineReport report;

    sends(&script, (FabStream) { 0, 0, 0 }, 2, 0, PIECE);
    receives(&script, (FabStream) { 2, 0, 0 }, 0, 0, PIECE);
    program = program_new(&script, 3, 1, 1, 4);
    ck_assert(!run("g0-g1:nvlink:50 g1-g2:nvlink:50", program, &execution, FAB_PATH_SELF, &report, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
    ck_assert_msg(strstr(error->message, "GPU 0") != NULL && strstr(error->message, "GPU 2") != NULL, "%s",
                  error->message);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("engine");

    tcase_add_test(tests, a_send_takes_its_time_on_the_wire_and_a_latency);
    tcase_add_test(tests, every_cost_counts_once);
    tcase_add_test(tests, a_step_without_bytes_exchanges_counters);
    tcase_add_test(tests, flags_in_the_data_double_the_bytes_and_the_cta_counts_payload);
    tcase_add_test(tests, payload_moves_in_whole_rounds);
    tcase_add_test(tests, a_send_to_the_own_memory_uses_no_link);
    tcase_add_test(tests, slices_overlap_with_their_copies);
    tcase_add_test(tests, slots_are_given_back_a_latency_after_the_copy);
    tcase_add_test(tests, a_rank_that_forwards_passes_slices_on_as_they_come);
    tcase_add_test(tests, channels_share_a_link_and_directions_do_not);
    tcase_add_test(tests, roles_divide_the_rate_of_their_cta);
    tcase_add_test(tests, an_in_switch_step_uses_every_port_both_ways);
    tcase_add_test(tests, a_staged_transfer_is_written_to_host_memory_and_then_read);
    tcase_add_test(tests, both_directions_of_a_staged_exchange_share_the_host_port);
    tcase_add_test(tests, the_report_tells_where_streams_spent_their_time);
    tcase_add_test(tests, a_program_without_steps_takes_its_launch);
    tcase_add_test(tests, reruns_are_equal_bit_for_bit);
    tcase_add_test(tests, ranks_that_wait_for_each_other_are_named);
    tcase_add_test(tests, too_few_slots_are_a_deadlock);
    tcase_add_test(tests, one_missing_send_is_found_behind_finished_ranks);
    tcase_add_test(tests, a_long_deadlock_is_cut_short);
    tcase_add_test(tests, gpus_that_nothing_joins_are_an_error);
    return run_tests(tests);
}
