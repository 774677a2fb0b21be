/*
 * Kernels of fabricast-measure: moves, fills, checks, pings and work. Built twice: with the kernels of the fake back
 * end, and with the CUDA kernels on host threads.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "session.h"
#include "suite.h"

static FabmFailure failure;
static FabmOptions options;
static FabmSession session;
static FabmBackend *backend;
static FabmQueue *queues[2];

static void
open_machine(void)
{
    failure = (FabmFailure) { 0 };
    options = (FabmOptions) { .repeats = 1, .threads = 64, .seed = 3, .timeout_s = 20 };
    backend = fabm_fake_new(2);
    session = (FabmSession) { .options = &options, .backend = backend, .gpus = { 0, 1 }, .gpu_count = 2 };
    for (int i = 0; i < 2; i++)
        queues[i] = backend->queue_new(backend, i, false, &failure);
}

static void
close_machine(void)
{
    for (int i = 0; i < 2; i++)
        backend->queue_free(queues[i]);
    backend->free(backend);
}

static void
run(int queue, const FabmLaunch *launch)
{
    ck_assert(backend->launch(queues[queue], launch, &failure));
}

static void
wait_for(int queue)
{
    ck_assert(backend->drain(queues[queue], &failure));
}

/* 16 bytes x a prime: the last CTA has less than the others, and the last round of each is not full. */
enum { WORDS = 4 * 1009, GUARD = 16 };

static void
check_move(uint32_t sources, uint32_t destinations, uint32_t width, uint32_t ctas)
{
    FabmExpect expect = { .collective = FABM_ALL_REDUCE, .element = FABM_FLOAT, .reduction = FABM_SUM, .ranks = sources,
                          .size = WORDS, .piece = WORDS, .seed = 3 };
    FabmLaunch launch = { .kind = FABM_KERNEL_MOVE, .ctas = ctas, .threads = 96,
                          .as.move = { .sources = sources, .destinations = destinations, .width = width,
                                       .bytes = WORDS * 4 } };
    uint8_t *memory[4];

    for (int i = 0; i < 4; i++) {
        memory[i] = backend->alloc(backend, 0, WORDS * 4 + GUARD, &failure);
        memset(memory[i], 0xff, WORDS * 4 + GUARD);
    }
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert(fabm_data_fill(queues[0], &session, &expect, i, memory[i], WORDS, &failure));
        launch.as.move.src[i] = memory[i];
        launch.as.move.dst[i] = memory[2 + i];
    }
    run(0, &launch);
    wait_for(0);
    for (uint32_t i = 0; i < 2; i++) {
        if (i < destinations)
            ck_assert_msg(fabm_data_check(queues[0], &session, &expect, 0, memory[2 + i], WORDS, "move", &failure),
                          "%u to %u by %u bytes, %u CTAs: %s", sources, destinations, width, ctas, failure.text);
        for (uint32_t g = i < destinations ? WORDS * 4 : 0; g < WORDS * 4 + GUARD; g++)
            ck_assert_msg(memory[2 + i][g] == 0xff, "byte %u was written", g);
    }
    for (int i = 0; i < 4; i++)
        backend->release(backend, 0, memory[i]);
}

START_TEST(moves_write_the_sum_of_their_sources_and_nothing_else)
{
    for (uint32_t sources = 1; sources <= 2; sources++)
        for (uint32_t destinations = 1; destinations <= 2; destinations++)
            for (uint32_t width = 4; width <= 16; width *= 2) {
                check_move(sources, destinations, width, 1);
                check_move(sources, destinations, width, 5);
            }
}
END_TEST

START_TEST(a_move_goes_on_until_it_is_stopped)
{
    static float from[1024], to[1024];
    static uint32_t stop;
    static uint64_t passes[1];
    FabmLaunch launch = { .kind = FABM_KERNEL_MOVE, .ctas = 1, .threads = 1,
                          .as.move = { .src = { from, NULL }, .dst = { to, NULL }, .sources = 1, .destinations = 1,
                                       .width = 16, .bytes = sizeof from, .stop = &stop, .passes = passes } };

    run(0, &launch);
    while (__atomic_load_n(&passes[0], __ATOMIC_RELAXED) < 3)
        ;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    wait_for(0);
    ck_assert_uint_ge(passes[0], 3);
}
END_TEST

/* Whether the trips were all made. */
static bool
ping(uint32_t mode, bool two_launches, uint32_t trips, double patience_s)
{
    static uint32_t stuck;
    uint8_t *boxes[2];
    FabmLaunch launch = { .kind = FABM_KERNEL_PING, .ctas = two_launches ? 1 : 2, .threads = 32,
                          .as.ping = { .trips = trips, .mode = mode, .patience_ns = (uint64_t)(patience_s * 1e9),
                                       .stuck = &stuck } };

    stuck = 0;
    for (int i = 0; i < 2; i++) {
        boxes[i] = backend->alloc(backend, i, FABM_MAILBOX, &failure);
        memset(boxes[i], 0, FABM_MAILBOX);
        launch.as.ping.mine[i] = boxes[i];
    }
    run(0, &launch);
    if (two_launches && patience_s > 1) {
        launch.as.ping.first = 1;
        run(1, &launch);
    }
    wait_for(0);
    wait_for(1);
    for (int i = 0; i < 2; i++)
        backend->release(backend, i, boxes[i]);
    return stuck == 0;
}

START_TEST(messages_of_every_protocol_go_there_and_back)
{
    for (uint32_t mode = 0; mode < FABM_PING_MODES; mode++) {
        ck_assert_msg(ping(mode, false, 3, 20), "mode %u in one launch", mode);
        ck_assert_msg(ping(mode, true, 3, 20), "mode %u in two launches", mode);
    }
}
END_TEST

START_TEST(a_side_without_an_answer_gives_up)
{
    ck_assert(!ping(FABM_PING_FLAG, true, 1, 0.05));
}
END_TEST

START_TEST(work_is_what_the_host_expects)
{
    static float data[1001];
    FabmLaunch launch = { .kind = FABM_KERNEL_WORK, .ctas = 3, .threads = 32, .as.work = { data, 1000, 3 } };

    for (int i = 0; i < 1001; i++)
        data[i] = (float)(i % 128);
    run(0, &launch);
    wait_for(0);
    for (int i = 0; i < 1000; i++)
        ck_assert_float_eq(data[i], FABM_WORK_SUM - (float)(i % 128));
    ck_assert_float_eq(data[1000], 1000 % 128);
}
END_TEST

START_TEST(elements_of_every_width_are_filled_and_checked)
{
    static const FabmElement elements[] = { FABM_FLOAT, FABM_HALF, FABM_BFLOAT16, FABM_E4M3, FABM_BITS32 };

    for (int i = 0; i < 5; i++) {
        FabmExpect expect = { .collective = FABM_BROADCAST, .element = elements[i], .reduction = FABM_NO_REDUCTION,
                              .ranks = 1, .size = 999, .piece = 999, .seed = 3 };
        uint32_t bytes = fabm_element_bytes(elements[i]);
        uint8_t *memory = backend->alloc(backend, 0, 1000 * bytes, &failure);

        memset(memory, 0x5a, 1000 * bytes);
        ck_assert(fabm_data_fill(queues[0], &session, &expect, 0, memory, 999, &failure));
        for (uint32_t b = 999 * bytes; b < 1000 * bytes; b++)
            ck_assert_uint_eq(memory[b], 0x5a);
        ck_assert(fabm_data_check(queues[0], &session, &expect, 0, memory, 999, "fill", &failure));
        memory[500 * bytes] ^= 1;
        ck_assert(!fabm_data_check(queues[0], &session, &expect, 0, memory, 999, "fill", &failure));
        ck_assert_int_eq(failure.status, FABM_EXIT_WRONG);
        ck_assert(strstr(failure.text, "1 of 999 elements of rank 0, one at 500") != NULL);
        failure = (FabmFailure) { 0 };
        backend->release(backend, 0, memory);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("measure-kernels");

    tcase_add_checked_fixture(tests, open_machine, close_machine);
    tcase_add_test(tests, moves_write_the_sum_of_their_sources_and_nothing_else);
    tcase_add_test(tests, a_move_goes_on_until_it_is_stopped);
    tcase_add_test(tests, messages_of_every_protocol_go_there_and_back);
    tcase_add_test(tests, a_side_without_an_answer_gives_up);
    tcase_add_test(tests, work_is_what_the_host_expects);
    tcase_add_test(tests, elements_of_every_width_are_filled_and_checked);
    return run_tests(tests);
}
