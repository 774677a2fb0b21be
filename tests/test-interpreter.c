/* The interpreter runs right programs and catches wrong ones. */
#include <check.h>
#include <string.h>

#include "base/error.h"
#include "program/interpreter.h"
#include "suite.h"

/* A hand-written program: one channel, one role, a list of steps for each of two ranks. */
enum { RANKS = 2, MAX_STEPS = 4, BYTES = 8 };

typedef struct {
    FabStep steps[RANKS][MAX_STEPS];
    uint32_t counts[RANKS];
} Script;

static bool
script_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Script *script = program->data;
    const FabStep *line = &script->steps[stream->rank][index < MAX_STEPS ? index : 0];

    if (index >= script->counts[stream->rank])
        return false;
    fab_step_begin(step, line->bytes);
    step->src = line->src;
    step->src_offset = line->src_offset;
    step->dst = line->dst;
    step->dst_offset = line->dst_offset;
    for (uint32_t i = 0; i < line->recv_count; i++)
        fab_step_recv(step, line->ends[i].connection, line->ends[i].peer);
    for (uint32_t i = 0; i < line->send_count; i++)
        fab_step_send(step, line->ends[FAB_STEP_ENDS + i].connection, line->ends[FAB_STEP_ENDS + i].peer);
    return true;
}

/* Appends a step; connections that are -1 are absent. Rank 0 and 1 are each other's peers. */
static FabStep *
add(Script *script, uint32_t rank, uint64_t bytes, FabBuffer src, FabBuffer dst, int recv, int send)
{
    FabStep *step = &script->steps[rank][script->counts[rank]++];

    fab_step_begin(step, bytes);
    step->src = src;
    step->dst = dst;
    if (recv >= 0)
        fab_step_recv(step, (uint32_t)recv, 1 - rank);
    if (send >= 0)
        fab_step_send(step, (uint32_t)send, 1 - rank);
    return step;
}

/* Runs the script with inputs 1, 2, ... on rank 0 and 101, 102, ... on rank 1. */
static bool
run(Script *script, FabReduction reduction, uint8_t output[RANKS][BYTES], GError **error)
{
    g_autoptr(FabProgram) program = fab_program_new("script", script, NULL);
    uint8_t input[RANKS][BYTES];
    const uint8_t *inputs[] = { input[0], input[1] };
    uint8_t *outputs[] = { output[0], output[1] };

    for (int i = 0; i < BYTES; i++) {
        input[0][i] = (uint8_t)(i + 1);
        input[1][i] = (uint8_t)(i + 101);
    }
    memset(output, 0xee, sizeof input);
    program->ranks = RANKS;
    program->connections = 3;
    program->input_bytes = program->output_bytes = BYTES;
    program->scratch_bytes = 4;
    program->slice_bytes = 3;
    program->slots = 2;
    program->step = script_step;
    return fab_interpret(program, reduction, inputs, outputs, error);
}

static void
check_caught(Script *script, FabError code, const char *part)
{
    uint8_t output[RANKS][BYTES];
    g_autoptr(GError) error = NULL;

    ck_assert(!run(script, FAB_REDUCE_SUM, output, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, (int)code));
    ck_assert_msg(strstr(error->message, part) != NULL, "%s lacks: %s", error->message, part);
}

START_TEST(a_step_adds_or_takes_the_maximum_of_its_sources)
{
    for (int max = 0; max < 2; max++) {
        Script script = { 0 };
        uint8_t output[RANKS][BYTES];

        add(&script, 0, 8, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
        add(&script, 1, 8, FAB_BUFFER_INPUT, FAB_BUFFER_OUTPUT, 0, -1);
        ck_assert(run(&script, max ? FAB_REDUCE_MAX : FAB_REDUCE_SUM, output, NULL));
        for (int i = 0; i < BYTES; i++) {
            ck_assert_uint_eq(output[0][i], 0xee);
            ck_assert_uint_eq(output[1][i], max ? i + 101 : 2 * i + 102);
        }
    }
}
END_TEST

START_TEST(scratch_holds_what_was_written_at_its_offset)
{
    Script script = { 0 };
    uint8_t output[RANKS][BYTES];
    FabStep *step = add(&script, 0, 3, FAB_BUFFER_INPUT, FAB_BUFFER_SCRATCH, -1, -1);

    step->src_offset = 2;
    step->dst_offset = 1;
    step = add(&script, 0, 3, FAB_BUFFER_SCRATCH, FAB_BUFFER_OUTPUT, -1, -1);
    step->src_offset = 1;
    step->dst_offset = 5;
    ck_assert(run(&script, FAB_REDUCE_SUM, output, NULL));
    ck_assert_uint_eq(output[0][4], 0xee);
    ck_assert_uint_eq(output[0][5], 3);
    ck_assert_uint_eq(output[0][7], 5);
}
END_TEST

START_TEST(two_ranks_that_both_receive_first_deadlock)
{
    Script script = { 0 };

    add(&script, 0, 4, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, 1, -1);
    add(&script, 0, 4, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
    add(&script, 1, 4, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, 0, -1);
    add(&script, 1, 4, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 1);
    check_caught(&script, FAB_ERROR_DEADLOCK,
                 "script: deadlock: rank 0 channel 0 role 0 waits at step 0 (recv) for rank 1 to send; "
                 "rank 1 channel 0 role 0 waits at step 0 (recv) for rank 0 to send");
}
END_TEST

START_TEST(two_ranks_that_send_more_than_the_slots_hold_deadlock)
{
    Script script = { 0 };

    /* 8 bytes are three slices of 3, and there are two slots. */
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        add(&script, rank, 8, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, (int)rank);
        add(&script, rank, 8, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, (int)(1 - rank), -1);
    }
    check_caught(&script, FAB_ERROR_DEADLOCK, "waits at step 0 (send) for rank 1 to receive");
}
END_TEST

START_TEST(two_ranks_that_send_what_the_slots_hold_pass)
{
    Script script = { 0 };
    uint8_t output[RANKS][BYTES];

    for (uint32_t rank = 0; rank < RANKS; rank++) {
        add(&script, rank, 6, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, (int)rank);
        add(&script, rank, 6, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, (int)(1 - rank), -1);
    }
    ck_assert(run(&script, FAB_REDUCE_SUM, output, NULL));
    ck_assert_uint_eq(output[0][5], 106);
    ck_assert_uint_eq(output[1][0], 1);
}
END_TEST

START_TEST(a_wait_for_a_rank_that_has_ended_is_a_deadlock)
{
    Script script = { 0 };

    add(&script, 1, 0, FAB_BUFFER_NONE, FAB_BUFFER_NONE, 2, -1);
    check_caught(&script, FAB_ERROR_DEADLOCK, "rank 1 channel 0 role 0 waits at step 0 (recv) for rank 0 to send");
}
END_TEST

START_TEST(a_step_beyond_a_buffer_is_caught)
{
    Script source = { 0 }, destination = { 0 }, scratch = { 0 }, huge = { 0 };

    add(&source, 0, 4, FAB_BUFFER_INPUT, FAB_BUFFER_OUTPUT, -1, -1)->src_offset = 5;
    check_caught(&source, FAB_ERROR_VALUE,
                 "rank 0 channel 0 role 0 step 0 (copy): touches bytes 5 to 9 of its input buffer, which has 8");
    add(&destination, 1, 4, FAB_BUFFER_INPUT, FAB_BUFFER_OUTPUT, -1, -1)->dst_offset = 6;
    check_caught(&destination, FAB_ERROR_VALUE, "touches bytes 6 to 10 of its output buffer");
    add(&scratch, 1, 5, FAB_BUFFER_INPUT, FAB_BUFFER_SCRATCH, -1, -1);
    check_caught(&scratch, FAB_ERROR_VALUE, "of its scratch buffer, which has 4");
    add(&huge, 1, 4, FAB_BUFFER_INPUT, FAB_BUFFER_OUTPUT, -1, -1)->src_offset = UINT64_MAX - 1;
    check_caught(&huge, FAB_ERROR_VALUE, "of its input buffer");
}
END_TEST

START_TEST(slices_of_different_sizes_at_both_ends_are_caught)
{
    Script script = { 0 };

    add(&script, 0, 5, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
    add(&script, 1, 4, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, 0, -1);
    check_caught(&script, FAB_ERROR_VALUE,
                 "rank 1 channel 0 role 0 step 0 (recv): expects a slice of 1 bytes on connection 0, "
                 "but rank 0 sent 2");
}
END_TEST

START_TEST(data_that_nobody_receives_is_caught)
{
    Script script = { 0 };

    add(&script, 0, 6, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
    check_caught(&script, FAB_ERROR_VALUE,
                 "script: 2 slices that rank 0 sent to rank 1 on connection 0 are never received");
}
END_TEST

START_TEST(a_connection_joins_one_sender_and_one_receiver)
{
    Script senders = { 0 }, number = { 0 }, peer = { 0 }, self = { 0 }, twice = { 0 };

    add(&senders, 0, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
    add(&senders, 1, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
    check_caught(&senders, FAB_ERROR_VALUE, "connection 0 to rank 0 has two senders");
    add(&number, 0, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 3);
    check_caught(&number, FAB_ERROR_VALUE, "connection 3 to rank 1 is not below the number of connections");
    add(&peer, 0, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0)->ends[FAB_STEP_ENDS].peer = 2;
    check_caught(&peer, FAB_ERROR_VALUE, "leads to a rank that does not exist");
    add(&self, 0, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0)->ends[FAB_STEP_ENDS].peer = 0;
    add(&self, 1, 1, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, 0, -1);
    check_caught(&self, FAB_ERROR_VALUE, "does not join the ranks that use it");
    add(&twice, 0, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, 0);
    fab_step_send(&twice.steps[0][0], 0, 1);
    check_caught(&twice, FAB_ERROR_VALUE, "appears twice in one step");
}
END_TEST

START_TEST(a_step_without_source_or_destination_is_caught)
{
    Script source = { 0 }, destination = { 0 }, input = { 0 };

    add(&source, 0, 1, FAB_BUFFER_NONE, FAB_BUFFER_OUTPUT, -1, -1);
    check_caught(&source, FAB_ERROR_VALUE, "moves bytes from nowhere");
    add(&destination, 0, 1, FAB_BUFFER_INPUT, FAB_BUFFER_NONE, -1, -1);
    check_caught(&destination, FAB_ERROR_VALUE, "moves bytes to nowhere");
    add(&input, 0, 1, FAB_BUFFER_OUTPUT, FAB_BUFFER_INPUT, -1, -1);
    check_caught(&input, FAB_ERROR_VALUE, "writes its input buffer");
}
END_TEST

/* Sixteen ranks that all wait for the next one. */
static bool
waiting_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    uint32_t next = (stream->rank + 1) % program->ranks;

    (void) index;
    fab_step_begin(step, 0);
    fab_step_recv(step, next, next);
    return true;
}

START_TEST(a_deadlock_of_many_ranks_names_eight_and_counts_the_rest)
{
    g_autoptr(FabProgram) program = fab_program_new("circle", NULL, NULL);
    g_autoptr(GError) error = NULL;

    program->ranks = program->connections = 16;
    program->step = waiting_step;
    ck_assert(!fab_interpret(program, FAB_REDUCE_SUM, NULL, NULL, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_DEADLOCK));
    ck_assert_ptr_nonnull(strstr(error->message, "rank 7 channel 0"));
    ck_assert_ptr_null(strstr(error->message, "rank 8 channel 0"));
    ck_assert_ptr_nonnull(strstr(error->message, "; and 8 more"));
}
END_TEST

START_TEST(steps_have_the_names_that_nccl_gives_them)
{
    FabStep step;

    fab_step_begin(&step, 1);
    ck_assert_str_eq(fab_step_name(&step), "nothing");
    step.src = FAB_BUFFER_INPUT;
    step.dst = FAB_BUFFER_OUTPUT;
    ck_assert_str_eq(fab_step_name(&step), "copy");
    fab_step_send(&step, 0, 0);
    ck_assert_str_eq(fab_step_name(&step), "copySend");
    fab_step_recv(&step, 1, 0);
    ck_assert_str_eq(fab_step_name(&step), "recvReduceCopySend");
    step.src = FAB_BUFFER_NONE;
    ck_assert_str_eq(fab_step_name(&step), "recvCopySend");
    step.dst = FAB_BUFFER_NONE;
    ck_assert_str_eq(fab_step_name(&step), "recvSend");
    fab_step_recv(&step, 2, 1);
    ck_assert_str_eq(fab_step_name(&step), "recvReduceSend");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("interpreter");

    tcase_add_test(tests, a_step_adds_or_takes_the_maximum_of_its_sources);
    tcase_add_test(tests, scratch_holds_what_was_written_at_its_offset);
    tcase_add_test(tests, two_ranks_that_both_receive_first_deadlock);
    tcase_add_test(tests, two_ranks_that_send_more_than_the_slots_hold_deadlock);
    tcase_add_test(tests, two_ranks_that_send_what_the_slots_hold_pass);
    tcase_add_test(tests, a_wait_for_a_rank_that_has_ended_is_a_deadlock);
    tcase_add_test(tests, a_step_beyond_a_buffer_is_caught);
    tcase_add_test(tests, slices_of_different_sizes_at_both_ends_are_caught);
    tcase_add_test(tests, data_that_nobody_receives_is_caught);
    tcase_add_test(tests, a_connection_joins_one_sender_and_one_receiver);
    tcase_add_test(tests, a_step_without_source_or_destination_is_caught);
    tcase_add_test(tests, a_deadlock_of_many_ranks_names_eight_and_counts_the_rest);
    tcase_add_test(tests, steps_have_the_names_that_nccl_gives_them);
    return run_tests(tests);
}
