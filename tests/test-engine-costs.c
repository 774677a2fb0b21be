/* What the engine's costs beside the fabric do, each alone: who starts when, who waits for what, what a clock shows. */
#include <check.h>
#include <math.h>

#include "engine/engine.h"
#include "script.h"
#include "suite.h"

#define SWITCHED "g0-v0:nvlink:50 g1-v0:nvlink:50 v0=multicast"

/* ------------------------------------------------------------------ channels apart */

/* A copy inside GPU 0 on one channel of several; at the copy rate of 100 GB/s a piece takes 500 ns. */
static int64_t
copy_on_channel(uint32_t channel, uint32_t channels, const FabExecution *execution)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;

    add(&script, (FabStream) { 0, channel, 0 }, PIECE);
    program = program_new(&script, 1, channels, 1, 1);
    return time_of(PAIR, program, execution);
}

START_TEST(channels_start_one_after_the_other)
{
    FabExecution execution = free_execution();

    execution.copy_rate = 100e9;
    execution.launch_ps = 5 * US;
    ck_assert_int_eq(copy_on_channel(3, 4, &execution), 5 * US + 500 * NS);
    execution.stagger_ps = 2 * US;
    ck_assert_int_eq(copy_on_channel(0, 1, &execution), 5 * US + 500 * NS);
    ck_assert_int_eq(copy_on_channel(3, 4, &execution), 5 * US + 3 * 2 * US + 500 * NS);
    ck_assert_int_eq(copy_on_channel(0, 4, &execution), 5 * US + 3 * 2 * US); /* those with nothing to do start too */
}
END_TEST

/* Three sends of 1 us at once share the link and end at 3 us; 2 us apart each has it alone, the last from 4 us on. */
START_TEST(channels_that_start_apart_do_not_share_the_link)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();

    for (uint32_t channel = 0; channel < 3; channel++) {
        sends(&script, (FabStream) { 0, channel, 0 }, 1, channel, PIECE);
        receives(&script, (FabStream) { 1, channel, 0 }, 0, channel, PIECE);
    }
    program = program_new(&script, 2, 3, 1, 1);
    ck_assert_int_eq(time_of(PAIR, program, &execution), 3 * US + 100 * NS);
    execution.stagger_ps = 2 * US;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 2 * 2 * US + US + 100 * NS);
}
END_TEST

/* Channel 0 has 1 - spread of the rate, channel 1 is 0.618 of the way to 1 + spread. */
START_TEST(channels_differ_in_their_copy_rate_by_the_spread)
{
    FabExecution execution = free_execution();

    execution.copy_rate = 100e9;
    execution.spread = 0.5;
    ck_assert_int_eq(copy_on_channel(0, 2, &execution), US);
    ck_assert_int_eq(copy_on_channel(1, 2, &execution), 447214); /* 500 ns / 1.1180340 */
    ck_assert_int_eq(copy_on_channel(0, 1, &execution), 500 * NS); /* one alone is the mean */
}
END_TEST

START_TEST(channels_differ_in_their_send_rate_too)
{
    FabExecution execution = free_execution();

    execution.send_rate = 25e9; /* 2 us; the link has twice that */
    execution.spread = 0.5;
    for (uint32_t channels = 1; channels <= 2; channels++) {
        Script script = { 0 };
        g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
        program->channels = channels;
        ck_assert_int_eq(time_of(PAIR, program, &execution), (channels == 1 ? 2 : 4) * US + 100 * NS);
    }
}
END_TEST

START_TEST(many_channels_have_the_mean_rate_and_no_two_the_same)
{
    enum { CHANNELS = 24 };
    FabExecution execution = free_execution();
    int64_t time_ps[CHANNELS];
    double sum = 0;

    execution.copy_rate = 100e9;
    execution.spread = 0.2;
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        double share;
        time_ps[channel] = copy_on_channel(channel, CHANNELS, &execution);
        share = 500e3 / (double)time_ps[channel];
        ck_assert(share > 0.8 - 1e-5 && share < 1.2 + 1e-5);
        for (uint32_t other = 0; other < channel; other++)
            ck_assert_int_ne(time_ps[channel], time_ps[other]);
        sum += share;
    }
    ck_assert_double_eq_tol(sum / CHANNELS, 1, 0.01);
}
END_TEST

/* ------------------------------------------------------------------ fences */

/*
 * The first slice has left at 2 us. Its fence waits until 25000 bytes of the second have left too, 1 us; the sender
 * does not stand still meanwhile. So the copies, which take 2 us each, begin at 3.1 us instead of 2.1. Behind the
 * second slice comes nothing to wait for; it was seen at 4.1 us.
 */
START_TEST(a_fence_waits_for_what_is_in_flight_behind_its_slice)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 2, 4);
    FabExecution execution = free_execution();

    execution.send_rate = execution.copy_rate = 25e9;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 2100 * NS + 4 * US);
    execution.in_flight = 25000;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 3100 * NS + 4 * US);
    execution.copy_rate = INFINITY; /* the last slice does not wait */
    ck_assert_int_eq(time_of(PAIR, program, &execution), 4100 * NS);
    execution.in_flight = UINT64_MAX; /* no more is in flight than the next slice: it is seen at 4.1 us */
    execution.copy_rate = 25e9;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 4100 * NS + 4 * US);
}
END_TEST

/* The second slice has 10000 bytes: 400 ns of wait, so that the first is seen at 2.5 us, as is the second. */
START_TEST(a_fence_waits_for_a_short_slice_as_long_as_that_takes)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, PIECE + 10000);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, PIECE + 10000);
    program = program_new(&script, 2, 1, 1, 4);
    execution.send_rate = execution.copy_rate = 25e9;
    execution.in_flight = 25000;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 2500 * NS + 2400 * NS);
}
END_TEST

/* Half of the CTA sends at 25 of its 50 GB/s: the numbers are those above. */
START_TEST(a_fence_waits_at_the_rate_of_its_role)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 2, 4);
    FabExecution execution = free_execution();

    program->roles = 2;
    program->role_share[0] = program->role_share[1] = 0.5;
    execution.send_rate = execution.copy_rate = 50e9;
    execution.in_flight = 25000;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 3100 * NS + 4 * US);
}
END_TEST

/* Into its own memory a slice takes 1 us and is seen at once; two slices are copied a slice behind. */
START_TEST(nothing_is_in_flight_to_the_own_memory)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 2, 4);
    FabExecution execution = free_execution();

    script.lines[0].flags = FAB_STEP_LOCAL_SEND;
    execution.send_rate = 25e9;
    execution.copy_rate = 50e9;
    execution.in_flight = 25000;
    ck_assert_int_eq(time_of(PAIR, program, &execution), 3 * US);
}
END_TEST

/* ------------------------------------------------------------------ who pays which overhead */

/* A send with its fence 1.3 us, the wire 0.1; the same of the rank that forwards; the last rank's slice costs 0.2. */
START_TEST(ranks_that_send_pay_for_the_fence_and_the_others_less)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();
    Line *forward;

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, PIECE);
    forward = add(&script, (FabStream) { 1, 0, 0 }, PIECE);
    *forward = (Line) { .at = { 1, 0, 0 }, .bytes = PIECE, .from = 0, .to = 2, .in = 0, .out = 1 };
    receives(&script, (FabStream) { 2, 0, 0 }, 1, 1, PIECE);
    program = program_new(&script, 3, 1, 1, 1);
    execution.step_ps = 300 * NS;
    execution.local_ps = 200 * NS;
    ck_assert_int_eq(time_of("g0-g1:nvlink:50 g1-g2:nvlink:50", program, &execution), (1400 + 1400 + 200) * NS);
    execution.copy_rate = 100e9;
    ck_assert_int_eq(copy_on_channel(0, 1, &execution), 500 * NS + 200 * NS);
}
END_TEST

/*
 * The sender is done with the counters at 70 ns, with the data at 1370; they are seen 500 ns later. The receiver takes
 * 70 ns for the counters and 200 for the data.
 */
START_TEST(only_slices_without_bytes_take_the_shorter_overhead)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = { .step_ps = 300 * NS, .local_ps = 200 * NS, .empty_ps = 70 * NS, .latency_ps = 400 * NS,
                               .send_rate = INFINITY, .copy_rate = INFINITY, .wire = 1 };

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, 0);
    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, PIECE);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, 0);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, PIECE);
    program = program_new(&script, 2, 1, 1, 2);
    ck_assert_int_eq(time_of(PAIR, program, &execution), (70 + 1300 + 500 + 200) * NS);
    program->slots = 1; /* the data's slot is free when the counters' 70 ns there and 400 back are over: at 1040 */
    ck_assert_int_eq(time_of(PAIR, program, &execution), (70 + 500 + 70 + 400 + 1300 + 500 + 200) * NS);
}
END_TEST

/* The counters are on their way for 400 ns over two links; who takes them copies nothing and pays the same overhead. */
START_TEST(an_empty_step_in_the_switch_costs_no_more_than_a_full_one)
{
    Script script = { .everyone = { { 0, 0 }, { 1, 1 } }, .ranks = 2 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();
    int64_t free_of_cost;

    add(&script, (FabStream) { 0, 0, 0 }, 0)->flags = FAB_STEP_IN_SWITCH;
    receives(&script, (FabStream) { 0, 0, 1 }, 0, 0, 0);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 1, 0);
    program = program_new(&script, 2, 1, 2, 1);
    free_of_cost = time_of(SWITCHED, program, &execution);
    execution.in_switch_ps = 700 * NS;
    execution.step_ps = execution.local_ps = 5 * US;
    execution.empty_ps = 300 * NS;
    ck_assert_int_eq(time_of(SWITCHED, program, &execution), free_of_cost + (300 + 300) * NS);
    execution.empty_ps = 900 * NS;
    ck_assert_int_eq(time_of(SWITCHED, program, &execution), free_of_cost + (700 + 900) * NS);
}
END_TEST

/* ------------------------------------------------------------------ call after call */

static FabEngineReport
report_of(const char *fabric, const FabProgram *program, const FabExecution *execution)
{
    g_autoptr(GError) error = NULL;
    FabEngineReport report;
    bool good = run(fabric, program, execution, FAB_PATH_SELF, &report, &error);

    ck_assert_msg(good, "%s", good ? "" : error->message);
    fab_engine_report_clear(&report);
    return report;
}

/* `ranks` ranks in a line pass on four pieces of 1 us each. */
static FabProgram *
chain_new(Script *script, uint32_t ranks)
{
    sends(script, (FabStream) { 0, 0, 0 }, 1, 0, 4 * PIECE);
    for (uint32_t rank = 1; rank + 1 < ranks; rank++) {
        Line *forward = add(script, (FabStream) { rank, 0, 0 }, 4 * PIECE);
        forward->from = (int)rank - 1;
        forward->in = rank - 1;
        forward->to = (int)rank + 1;
        forward->out = rank;
    }
    receives(script, (FabStream) { ranks - 1, 0, 0 }, (int)ranks - 2, ranks - 2, 4 * PIECE);
    return program_new(script, ranks, 1, 1, 4);
}

/*
 * A slice goes on after 1.1 us, so that the whole takes 4 us and 1.1 for each rank between the ends, and 0.1. Each of
 * those has something to do from the moment when the rank before it starts to send until it has sent the fourth slice,
 * which is a slice longer than the first rank has: 4 us + 1.1. Calls that follow each other are that far apart however
 * long the chain is.
 */
START_TEST(calls_follow_each_other_when_the_busiest_rank_is_free)
{
    FabExecution execution = free_execution();

    execution.launch_ps = 3 * US;
    for (int ranks = 3; ranks <= 5; ranks++) {
        Script script = { 0 };
        g_autoptr(FabProgram) program = chain_new(&script, (uint32_t)ranks);
        FabEngineReport report = report_of("g0-g1:nvlink:50 g1-g2:nvlink:50 g2-g3:nvlink:50 g3-g4:nvlink:50", program,
                                           &execution);
        ck_assert_int_eq(report.time_ps, 3 * US + 4100 * NS + (ranks - 2) * 1100 * NS);
        ck_assert_int_eq(report.interval_ps, 3 * US + 5100 * NS);
        ck_assert_int_eq(report.steady_ps, 3 * US + 4000 * NS); /* it finds the next call's first slice there */
    }
}
END_TEST

/* Both ranks of an exchange are at work all the time, the receiver from the first byte on its way to it. */
START_TEST(the_kernel_of_a_receiver_stays_from_the_first_byte_on)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
    FabExecution execution = free_execution();
    FabEngineReport report;

    execution.launch_ps = 3 * US;
    report = report_of(PAIR, program, &execution);
    ck_assert_int_eq(report.time_ps, 3 * US + 1100 * NS);
    ck_assert_int_eq(report.interval_ps, report.time_ps);
    ck_assert_int_eq(report.steady_ps, 3 * US + 1000 * NS); /* and the sender's until the last */
}
END_TEST

/* Rank 0 sends and then copies for 4 us, rank 1 has been done since 1.1 us. */
START_TEST(a_rank_that_ends_early_does_not_shorten_the_interval)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();
    FabEngineReport report;

    sends(&script, (FabStream) { 0, 0, 0 }, 1, 0, PIECE);
    add(&script, (FabStream) { 0, 0, 0 }, 4 * PIECE);
    program = program_new(&script, 2, 1, 1, 1);
    receives(&script, (FabStream) { 1, 0, 0 }, 0, 0, PIECE);
    execution.copy_rate = 50e9;
    report = report_of(PAIR, program, &execution);
    ck_assert_int_eq(report.time_ps, 5 * US);
    ck_assert_int_eq(report.interval_ps, 5 * US);
    ck_assert_int_eq(report.steady_ps, 5 * US);
}
END_TEST

/* The only stream with steps is on channel 1, which starts 2 us late; nothing was on its way to the rank before. */
START_TEST(a_rank_that_starts_late_stays_less_long)
{
    Script script = { 0 };
    g_autoptr(FabProgram) program = NULL;
    FabExecution execution = free_execution();
    FabEngineReport report;

    add(&script, (FabStream) { 1, 1, 0 }, PIECE);
    program = program_new(&script, 2, 2, 1, 1);
    execution.copy_rate = 100e9;
    execution.stagger_ps = 2 * US;
    execution.launch_ps = 3 * US;
    report = report_of(PAIR, program, &execution);
    ck_assert_int_eq(report.time_ps, 3 * US + 2500 * NS);
    ck_assert_int_eq(report.interval_ps, 3 * US + 500 * NS);
}
END_TEST

/* ------------------------------------------------------------------ the machine changes */

enum { MOST_CHANGES = 4 };

/* Rank 0 sends a piece, which takes 1 us, to rank 1 while the machine changes; FAB_CHANGE_WAYS leads over `other`. */
static int64_t
time_with(const char *fabric, const char *other, const FabEngineChange *changes, uint32_t count,
          const FabExecution *execution)
{
    static const uint32_t gpus[] = { 0, 1 };
    Script script = { 0 };
    g_autoptr(FabProgram) program = copy_new(&script, 1, 1);
    g_autoptr(FabTopology) topology = fabric_new(fabric);
    g_autoptr(FabTopology) later = fabric_new(other != NULL ? other : fabric);
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });
    g_autoptr(FabRouter) ways =
        fab_router_new(later, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = other == NULL });
    FabEngineChange filled[MOST_CHANGES];
    FabEngineSpec spec = { .topology = topology, .router = router, .program = program, .gpus = gpus,
                           .execution = *execution, .changes = filled, .change_count = count };
    FabEngineReport report;
    g_autoptr(GError) error = NULL;
    int64_t time_ps;

    for (uint32_t i = 0; i < count; i++) {
        filled[i] = changes[i];
        filled[i].router = ways;
    }
    ck_assert_msg(fab_engine_run(&spec, &report, &error), "%s", error != NULL ? error->message : "");
    time_ps = report.time_ps;
    fab_engine_report_clear(&report);
    return time_ps;
}

START_TEST(a_transfer_waits_while_its_link_has_no_capacity)
{
    FabExecution execution = free_execution();
    FabEngineChange gone[] = { { 400 * NS, FAB_CHANGE_CAPACITY, 0, 0, NULL },
                               { 2 * US, FAB_CHANGE_CAPACITY, 0, 50e9, NULL } };

    ck_assert_int_eq(time_with(PAIR, NULL, gone, 2, &execution), 2 * US + 600 * NS + 100 * NS);
}
END_TEST

START_TEST(a_transfer_goes_on_at_what_its_link_keeps)
{
    FabExecution execution = free_execution();
    FabEngineChange half[] = { { 500 * NS, FAB_CHANGE_CAPACITY, 0, 25e9, NULL } };
    FabEngineChange first[] = { { 0, FAB_CHANGE_CAPACITY, 0, 25e9, NULL } };

    ck_assert_int_eq(time_with(PAIR, NULL, half, 1, &execution), 500 * NS + US + 100 * NS);
    ck_assert_int_eq(time_with(PAIR, NULL, first, 1, &execution), 2 * US + 100 * NS);
}
END_TEST

START_TEST(what_waits_goes_on_over_other_ways)
{
    const char *fabric = "g0-g1:nvlink:50 g0-s0:pcie:25 g1-s0:pcie:25";
    FabExecution execution = free_execution();
    FabEngineChange changes[] = { { 400 * NS, FAB_CHANGE_CAPACITY, 0, 0, NULL },
                                  { 3 * US, FAB_CHANGE_WAYS, 0, 0, NULL } };

    /* 30,000 B are left, which PCIe carries in 1.2 us, and two links of 200 ns */
    ck_assert_int_eq(time_with(fabric, fabric, changes, 2, &execution), 3 * US + 1200 * NS + 400 * NS);
}
END_TEST

START_TEST(a_transfer_that_still_moves_keeps_its_way)
{
    const char *fabric = "g0-g1:nvlink:50 g0-s0:pcie:25 g1-s0:pcie:25";
    FabExecution execution = free_execution();
    FabEngineChange changes[] = { { 400 * NS, FAB_CHANGE_WAYS, 0, 0, NULL } };

    ck_assert_int_eq(time_with(fabric, fabric, changes, 1, &execution), US + 400 * NS); /* its flag takes the new one */
}
END_TEST

START_TEST(a_slow_rank_takes_longer_for_what_its_kernel_does)
{
    FabExecution execution = { .step_ps = 300 * NS, .local_ps = 200 * NS, .latency_ps = 400 * NS, .send_rate = 25e9,
                               .copy_rate = 100e9, .wire = 1 };
    FabEngineChange sender[] = { { 0, FAB_CHANGE_PACE, 0, 2, NULL } };
    FabEngineChange receiver[] = { { 0, FAB_CHANGE_PACE, 1, 2, NULL } };
    int64_t healthy = (2 * US + 300 * NS) + (400 + 100) * NS + (500 + 200) * NS;

    ck_assert_int_eq(time_with(PAIR, NULL, NULL, 0, &execution), healthy);
    ck_assert_int_eq(time_with(PAIR, NULL, sender, 1, &execution), healthy + 2 * US + 300 * NS);
    ck_assert_int_eq(time_with(PAIR, NULL, receiver, 1, &execution), healthy + 500 * NS + 200 * NS);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("engine costs");

    tcase_add_test(tests, channels_start_one_after_the_other);
    tcase_add_test(tests, channels_that_start_apart_do_not_share_the_link);
    tcase_add_test(tests, channels_differ_in_their_copy_rate_by_the_spread);
    tcase_add_test(tests, channels_differ_in_their_send_rate_too);
    tcase_add_test(tests, many_channels_have_the_mean_rate_and_no_two_the_same);
    tcase_add_test(tests, a_fence_waits_for_what_is_in_flight_behind_its_slice);
    tcase_add_test(tests, a_fence_waits_for_a_short_slice_as_long_as_that_takes);
    tcase_add_test(tests, a_fence_waits_at_the_rate_of_its_role);
    tcase_add_test(tests, nothing_is_in_flight_to_the_own_memory);
    tcase_add_test(tests, ranks_that_send_pay_for_the_fence_and_the_others_less);
    tcase_add_test(tests, only_slices_without_bytes_take_the_shorter_overhead);
    tcase_add_test(tests, an_empty_step_in_the_switch_costs_no_more_than_a_full_one);
    tcase_add_test(tests, calls_follow_each_other_when_the_busiest_rank_is_free);
    tcase_add_test(tests, the_kernel_of_a_receiver_stays_from_the_first_byte_on);
    tcase_add_test(tests, a_rank_that_ends_early_does_not_shorten_the_interval);
    tcase_add_test(tests, a_rank_that_starts_late_stays_less_long);
    tcase_add_test(tests, a_transfer_waits_while_its_link_has_no_capacity);
    tcase_add_test(tests, a_transfer_goes_on_at_what_its_link_keeps);
    tcase_add_test(tests, what_waits_goes_on_over_other_ways);
    tcase_add_test(tests, a_transfer_that_still_moves_keeps_its_way);
    tcase_add_test(tests, a_slow_rank_takes_longer_for_what_its_kernel_does);
    return run_tests(tests);
}
