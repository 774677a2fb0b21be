/*
 * Channel programs in fabricast-measure: the reader, the interpreter's protocol on host threads, the check of data, and
 * what becomes of programs that are wrong. Built a second time with ThreadSanitizer.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"
#include "runner.h"
#include "suite.h"

/* Two ranks exchange their halves and both reduce: an all-reduce with 2 slots of 64 bytes, 256 bytes in all. */
static const char *const exchange[] = {
    "fabricast-program 1", "# a comment", "program pair", "collective all_reduce", "algorithm ring", "protocol simple",
    "datatype float 4", "reduction sum", "size 256", "piece 128", "root 0", "in-place 0", "one-way 0", "input 256",
    "output 256", "scratch 0", "slice 64", "slots 2", "threads 64", "ranks 2", "channels 1", "roles 2", "share 500",
    "share 500", "gpu 0", "gpu 1", "connections 2", "connection 0 0 0 1 0 1", "connection 1 0 0 0 0 1", "streams 4",
    "stream 0 0 0 1", "step 256 i 0 - 0 0 1 0", "stream 0 0 1 1", "step 256 i 0 o 0 1 0 1", "stream 1 0 0 1",
    "step 256 i 0 - 0 0 1 1", "stream 1 0 1 1", "step 256 i 0 o 0 1 0 0", "end",
};

enum { LINES = sizeof exchange / sizeof exchange[0] };

static FabmFailure failure;
static FabmOptions options;
static FabmSession session;
static char path[] = "/tmp/fabm-test-XXXXXX";

/* Writes the program with the lines that are `old` and `old2` replaced, or left out when the new one is NULL. */
static void
write_changed(const char *old, const char *line, const char *old2, const char *line2)
{
    FILE *file;
    int found = 0;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    file = fdopen(mkstemp(path), "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < LINES; i++) {
        const char *text = exchange[i];

        if (old != NULL && strcmp(exchange[i], old) == 0) {
            text = line;
            found++;
        }
        if (old2 != NULL && strcmp(exchange[i], old2) == 0) {
            text = line2;
            found++;
        }
        if (text != NULL)
            fprintf(file, "%s\n", text);
    }
    ck_assert_int_ge(found, (old != NULL) + (old2 != NULL));
    fclose(file);
    failure = (FabmFailure) { 0 };
}

static void
write_program(const char *old, const char *line)
{
    write_changed(old, line, NULL, NULL);
}

static FabmProgram *
read_program(void)
{
    FabmProgramFile *file = fabm_program_open(path, &failure);
    FabmProgram *program;

    ck_assert_ptr_nonnull(file);
    program = fabm_program_next(file, &failure);
    fabm_program_close(file);
    unlink(path);
    return program;
}

static void
expect_refusal(const char *old, const char *line, const char *sentence)
{
    FabmProgram *program;

    write_program(old, line);
    program = read_program();
    ck_assert_msg(program == NULL, "\"%s\" was taken", line != NULL ? line : old);
    ck_assert_int_eq(failure.status, FABM_EXIT_INPUT);
    ck_assert_msg(strstr(failure.text, sentence) != NULL, "\"%s\" is not in \"%s\"", sentence, failure.text);
}

static void
open_session(int gpus)
{
    options = (FabmOptions) { .repeats = 2, .warmup = 1, .threads = 64, .seed = 7, .timeout_s = 20 };
    session = (FabmSession) { .options = &options, .backend = fabm_fake_new(gpus), .gpu_count = gpus };
    for (int i = 0; i < gpus; i++)
        session.gpus[i] = i;
}

static void
close_session(void)
{
    session.backend->free(session.backend);
}

START_TEST(a_program_is_read_as_its_page_says)
{
    FabmProgram *program;

    write_program(NULL, NULL);
    program = read_program();
    ck_assert_msg(program != NULL, "%s", failure.text);
    ck_assert_str_eq(program->name, "pair");
    ck_assert_uint_eq(program->size, 256);
    ck_assert_uint_eq(program->expect.size, 64);
    ck_assert_uint_eq(program->expect.piece, 32);
    ck_assert_int_eq(program->expect.collective, FABM_ALL_REDUCE);
    ck_assert_uint_eq(program->op_count, 4);
    ck_assert_uint_eq(program->ends_most, 1);
    ck_assert_uint_eq(program->lanes[3].ops, 1);
    ck_assert_uint_eq(program->ops[3].recvs, 1);
    ck_assert_int_eq(program->ops[3].dst, FABM_OUTPUT);
    ck_assert(!program->entries[program->lanes[3].first_end].sends);
    fabm_program_free(program);
}
END_TEST

START_TEST(several_programs_follow_each_other)
{
    FabmProgramFile *file;
    FabmProgram *program;
    FILE *more;

    write_program(NULL, NULL);
    more = fopen(path, "a");
    fprintf(more, "# the same again\n");
    for (int i = 2; i < LINES; i++)
        fprintf(more, "%s\n", exchange[i]);
    fclose(more);
    file = fabm_program_open(path, &failure);
    for (int i = 0; i < 2; i++) {
        program = fabm_program_next(file, &failure);
        ck_assert_msg(program != NULL, "%s", failure.text);
        fabm_program_free(program);
    }
    ck_assert_ptr_null(fabm_program_next(file, &failure));
    ck_assert_int_eq(failure.status, 0);
    fabm_program_close(file);
    unlink(path);
}
END_TEST

START_TEST(what_the_format_forbids_is_refused_by_line)
{
    expect_refusal("fabricast-program 1", "fabricast-program 2", "line 1: \"2\" must be a whole number from 1 to 1");
    expect_refusal("slots 2", NULL, "begins with \"threads\", must be \"slots\"");
    expect_refusal("slots 2", "slots 0", "must be a whole number from 1");
    expect_refusal("slots 2", "slots 2x", "must be a whole number from 1");
    expect_refusal("end", NULL, "ends where a line \"end\" must follow");
    expect_refusal("root 0", "root 2", "the root is no rank");
    expect_refusal("collective all_reduce", "collective all_redcue", "a collective that is not known");
    expect_refusal("share 500", "share 700", "the shares sum to more than 1000");
    expect_refusal("connection 0 0 0 1 0 1", "connection 0 0 0 0 0 1", "joins a rank with itself");
    expect_refusal("connection 0 0 0 1 0 1", "connection 0 0 0 2 0 1", "from 0 to 1");
    expect_refusal("step 256 i 0 - 0 0 1 0", "step 256 i 4 - 0 0 1 0", "leaves its buffer");
    expect_refusal("step 256 i 0 - 0 0 1 0", "step 256 i 0 - 0 0 1 1", "does not end at this stream");
    expect_refusal("step 256 i 0 - 0 0 1 0", "step 256 i 0 - 0 0 1 9", "a connection that does not exist");
    expect_refusal("step 256 i 0 - 0 0 1 0", "step 256 i 0 - 0 0 1", "not as many connections as it says");
    expect_refusal("step 256 i 0 - 0 0 1 0", "step 192 i 0 - 0 0 1 0",
                   "connection 0: 3 slices are sent, 4 are received");
    expect_refusal("step 256 i 0 - 0 0 1 0", "step 256 - 0 - 0 0 1 0", "from nowhere");
    expect_refusal("step 256 i 0 o 0 1 0 0", "step 256 i 0 i 0 1 0 0", "writes its input");
    expect_refusal("step 256 i 0 o 0 1 0 0", "step 256 q 0 o 0 1 0 0", "a buffer that is none of");
    expect_refusal("stream 1 0 0 1", "stream 0 0 0 1", "do not ascend");
    expect_refusal("slots 2", "", "is empty");
}
END_TEST

START_TEST(what_this_program_does_not_run_is_refused)
{
    expect_refusal("protocol simple", "protocol LL", "none of simple, ll and ll128");
    expect_refusal("datatype float 4", "datatype bfloat16 2", "this program reduces float alone");
}
END_TEST

static const char *const protocols[] = { "protocol simple", "protocol ll", "protocol ll128" };

enum { PROTOCOLS = sizeof protocols / sizeof protocols[0] };

static void
run_on_gpus(const char *protocol, int gpus)
{
    FabmProgram *program;
    FabmRunner *runner;
    FabmParty party;
    FabmSummary us;

    open_session(gpus);
    write_program("protocol simple", protocol);
    program = read_program();
    runner = fabm_runner_new(&session, program, 10, &failure);
    ck_assert_msg(runner != NULL, "%s", failure.text);
    ck_assert_str_eq(fabm_runner_gpus(runner), gpus == 1 ? "0" : "0+1");
    /* Again on the same counters. */
    for (int i = 0; i < 2; i++)
        ck_assert_msg(fabm_runner_check(runner, &failure), "%s: %s", protocol, failure.text);
    party = fabm_runner_party(runner);
    ck_assert_msg(fabm_time_party(&session, &party, &us, &failure), "%s", failure.text);
    ck_assert(us.median > 0);
    ck_assert(fabm_runner_finished(runner, &failure));
    fabm_runner_free(runner);
    fabm_program_free(program);
    close_session();
}

START_TEST(ranks_share_gpus_or_have_their_own_and_the_sum_is_right)
{
    for (int p = 0; p < PROTOCOLS; p++)
        for (int gpus = 1; gpus <= (p == 0 ? 3 : 2); gpus++)
            run_on_gpus(protocols[p], gpus);
}
END_TEST

/* Runs what was written so many times, each with a check. */
static void
check_often(int times)
{
    FabmProgram *program = read_program();
    FabmRunner *runner;

    ck_assert_msg(program != NULL, "%s", failure.text);
    open_session(1);
    runner = fabm_runner_new(&session, program, 10, &failure);
    ck_assert_msg(runner != NULL, "%s", failure.text);
    for (int i = 0; i < times; i++)
        ck_assert_msg(fabm_runner_check(runner, &failure), "%s", failure.text);
    fabm_runner_free(runner);
    fabm_program_free(program);
    close_session();
}

/* Lines have 8 or 120 bytes of data, slices any number of floats; slots are taken in groups and end in the midst. */
START_TEST(slices_need_not_be_whole_lines_nor_slots_whole_groups)
{
    static const char *const slices[] = { "slice 12", "slice 124", "slice 244", "slice 256" };
    static const char *const slots[] = { "slots 19", "slots 3", "slots 1", "slots 16" };

    for (int p = 1; p < PROTOCOLS; p++)
        for (int i = 0; i < 4; i++) {
            FILE *file;

            write_program(NULL, NULL);
            file = fopen(path, "w");
            for (int k = 0; k < LINES; k++)
                fprintf(file, "%s\n", strcmp(exchange[k], "slice 64") == 0          ? slices[i]
                                      : strcmp(exchange[k], "slots 2") == 0         ? slots[i]
                                      : strcmp(exchange[k], "protocol simple") == 0 ? protocols[p]
                                                                                    : exchange[k]);
            fclose(file);
            check_often(1);
        }
}
END_TEST

/*
 * A ring of two: the connection that a stream sends on is the first end of its first step and the second one of its
 * next, so that the threads that play the stream must agree on whose it is.
 */
START_TEST(connections_may_change_their_place_in_a_step)
{
    static const char *const tail[] = {
        "roles 1", "share 1000", "gpu 0", "gpu 0", "connections 2", "connection 0 0 0 1 0 0",
        "connection 1 0 0 0 0 0",
        "streams 2", "stream 0 0 0 3", "step 128 i 128 - 0 0 1 0", "step 128 i 0 o 0 1 1 1 0",
        "step 128 - 0 o 128 1 0 1", "stream 1 0 0 3", "step 128 i 0 - 0 0 1 1", "step 128 i 128 o 128 1 1 0 1",
        "step 128 - 0 o 0 1 0 0", "end",
    };

    for (int p = 0; p < PROTOCOLS; p++) {
        FILE *file;

        write_program(NULL, NULL);
        file = fopen(path, "w");
        for (int i = 0; strcmp(exchange[i], "roles 2") != 0; i++)
            fprintf(file, "%s\n", strcmp(exchange[i], "slots 2") == 0           ? "slots 4"
                                  : strcmp(exchange[i], "protocol simple") == 0 ? protocols[p]
                                                                                : exchange[i]);
        for (size_t i = 0; i < sizeof tail / sizeof tail[0]; i++)
            fprintf(file, "%s\n", tail[i]);
        fclose(file);
        check_often(p == 0 ? 20 : 2);
    }
}
END_TEST

START_TEST(wrong_data_are_found)
{
    /* A half that is never written, one that is written to the wrong place, one that is not summed. */
    static const char *const wrong[] = { "step 128 i 0 o 0 1 0 0", "step 128 i 128 o 128 1 0 0",
                                         "step 256 - 0 o 0 1 0 0" };
    static const char *const sent[] = { "step 128 i 0 - 0 0 1 0", "step 128 i 0 - 0 0 1 0", "step 256 i 0 - 0 0 1 0" };

    for (int i = 0; i < 3; i++) {
        FabmProgram *program;
        FabmRunner *runner;

        open_session(1);
        write_changed("step 256 i 0 - 0 0 1 0", sent[i], "step 256 i 0 o 0 1 0 0", wrong[i]);
        program = read_program();
        ck_assert_msg(program != NULL, "%s", failure.text);
        runner = fabm_runner_new(&session, program, 10, &failure);
        ck_assert(!fabm_runner_check(runner, &failure));
        ck_assert_int_eq(failure.status, FABM_EXIT_WRONG);
        ck_assert_msg(strstr(failure.text, "wrong data") != NULL, "%s", failure.text);
        fabm_runner_free(runner);
        fabm_program_free(program);
        close_session();
    }
}
END_TEST

/* Changes one stream of the program so that another one waits for ever; what is said then. */
static void
expect_hang(const char *protocol, const char *slots, uint32_t lane, const char *sentence)
{
    FabmProgram *program;
    FabmRunner *runner;

    open_session(2);
    write_changed("protocol simple", protocol, "slots 2", slots);
    program = read_program();
    ck_assert_ptr_nonnull(program);
    program->lanes[lane].ops = 0;
    runner = fabm_runner_new(&session, program, 1, &failure);
    ck_assert(!fabm_runner_check(runner, &failure));
    ck_assert_int_eq(failure.status, FABM_EXIT_MACHINE);
    ck_assert_msg(strstr(failure.text, "pair: hangs: after 1 s") != NULL, "%s", failure.text);
    ck_assert_msg(strstr(failure.text, sentence) != NULL, "%s", failure.text);
    fabm_runner_free(runner);
    fabm_program_free(program);
    close_session();
}

START_TEST(a_program_that_waits_for_ever_is_given_up_and_says_where)
{
    /* The receiving stream of rank 0 waits for a slice that is never sent: the sender of rank 1 has no step. */
    for (int p = 0; p < PROTOCOLS; p++)
        expect_hang(protocols[p], "slots 2", 2, "rank 0 channel 0 role 1 in step 0, to receive from connection 1");
    /* The sending one waits for a slot that nobody frees. */
    expect_hang("protocol ll", "slots 2", 3, "rank 0 channel 0 role 0 in step 0, to send on connection 0");
}
END_TEST

START_TEST(small_numbers_are_exact_in_every_type)
{
    static const uint32_t half[] = { 0, 0x3c00, 0x4000, 0x4200, 0x6400 };
    static const uint32_t bfloat[] = { 0, 0x3f80, 0x4000, 0x4040, 0x4480 };
    static const float numbers[] = { 0, 1, 2, 3, 1024 };

    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(fabm_bits(FABM_HALF, numbers[i]), half[i]);
        ck_assert_uint_eq(fabm_bits(FABM_BFLOAT16, numbers[i]), bfloat[i]);
    }
}
END_TEST

START_TEST(outputs_are_those_of_the_page)
{
    FabmExpect expect = { .element = FABM_BITS32, .reduction = FABM_NO_REDUCTION, .ranks = 3, .root = 1, .size = 8,
                          .piece = 3, .seed = 5 };
    uint32_t bits;

    expect.collective = FABM_ALL_GATHER; /* 3, 3 and 2 elements */
    ck_assert(fabm_output(&expect, 0, 7, &bits));
    ck_assert_uint_eq(bits, fabm_input(&expect, 2, 1));
    ck_assert(!fabm_output(&expect, 0, 8, &bits));
    expect.collective = FABM_ALLTOALL;
    ck_assert(fabm_output(&expect, 2, 4, &bits));
    ck_assert_uint_eq(bits, fabm_input(&expect, 1, 7));
    ck_assert(!fabm_output(&expect, 2, 5, &bits)); /* piece 2 has two elements */
    expect.collective = FABM_SCATTER;
    ck_assert(fabm_output(&expect, 2, 1, &bits));
    ck_assert_uint_eq(bits, fabm_input(&expect, 1, 7));
    expect.collective = FABM_GATHER;
    ck_assert(!fabm_output(&expect, 0, 0, &bits));
    ck_assert(fabm_output(&expect, 1, 3, &bits));
    ck_assert_uint_eq(bits, fabm_input(&expect, 1, 0));
    expect.collective = FABM_SENDRECV;
    ck_assert(fabm_output(&expect, 0, 2, &bits));
    ck_assert_uint_eq(bits, fabm_input(&expect, 2, 2));
    expect.one_way = 1;
    ck_assert(!fabm_output(&expect, 0, 2, &bits));
    expect.collective = FABM_REDUCE_SCATTER;
    expect.element = FABM_FLOAT;
    expect.reduction = FABM_MAX;
    ck_assert(fabm_output(&expect, 1, 0, &bits));
    ck_assert(bits == fabm_input(&expect, 0, 3) || bits == fabm_input(&expect, 1, 3) ||
              bits == fabm_input(&expect, 2, 3));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("measure-program");

    tcase_set_timeout(tests, 60); /* hundreds of threads take turns where kernels run on the host */
    tcase_add_test(tests, a_program_is_read_as_its_page_says);
    tcase_add_test(tests, several_programs_follow_each_other);
    tcase_add_test(tests, what_the_format_forbids_is_refused_by_line);
    tcase_add_test(tests, what_this_program_does_not_run_is_refused);
    tcase_add_test(tests, ranks_share_gpus_or_have_their_own_and_the_sum_is_right);
    tcase_add_test(tests, slices_need_not_be_whole_lines_nor_slots_whole_groups);
    tcase_add_test(tests, connections_may_change_their_place_in_a_step);
    tcase_add_test(tests, wrong_data_are_found);
    tcase_add_test(tests, a_program_that_waits_for_ever_is_given_up_and_says_where);
    tcase_add_test(tests, small_numbers_are_exact_in_every_type);
    tcase_add_test(tests, outputs_are_those_of_the_page);
    return run_tests(tests);
}
