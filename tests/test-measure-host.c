/*
 * The host's part of fabricast-measure: threads that work together, CPUs near a GPU, a pipeline over several GPUs. Also
 * built with ThreadSanitizer.
 */
#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "gang.h"
#include "near.h"
#include "session.h"
#include "suite.h"

enum { MEMBERS = 4 };

typedef struct {
    int begun[MEMBERS], done[MEMBERS];
    int broken; /* member that fails; -1: none */
} Work;

static void
begin(void *data, int index)
{
    ((Work *)data)->begun[index]++;
}

static bool
work(void *data, int index, FabmFailure *failure)
{
    Work *all = data;

    if (index == all->broken)
        return fabm_fail(failure, FABM_EXIT_MACHINE, "member %d is broken", index);
    all->done[index]++;
    return true;
}

START_TEST(every_member_of_a_gang_works_once_a_turn)
{
    for (int count = 1; count <= MEMBERS; count++) {
        FabmFailure failure = { 0 };
        Work all = { .broken = -1 };
        FabmGang *gang = fabm_gang_new(count, begin, work, &all, &failure);

        ck_assert_ptr_nonnull(gang);
        for (int turn = 1; turn <= 50; turn++) {
            ck_assert(fabm_gang_run(gang, &failure));
            for (int i = 0; i < MEMBERS; i++)
                ck_assert_int_eq(all.done[i], i < count ? turn : 0);
        }
        fabm_gang_free(gang);
        for (int i = 0; i < MEMBERS; i++)
            ck_assert_int_eq(all.begun[i], i < count ? 1 : 0);
    }
}
END_TEST

START_TEST(a_gang_that_never_worked_ends)
{
    FabmFailure failure = { 0 };
    Work all = { .broken = -1 };

    fabm_gang_free(fabm_gang_new(MEMBERS, NULL, work, &all, &failure));
    fabm_gang_free(NULL);
    ck_assert_int_eq(failure.status, 0);
}
END_TEST

START_TEST(a_gang_fails_with_what_its_member_says)
{
    FabmFailure failure = { 0 };
    Work all = { .broken = 2 };
    FabmGang *gang = fabm_gang_new(MEMBERS, NULL, work, &all, &failure);

    ck_assert(!fabm_gang_run(gang, &failure));
    ck_assert_str_eq(failure.text, "member 2 is broken");
    ck_assert_int_eq(failure.status, FABM_EXIT_MACHINE);
    fabm_gang_free(gang);
}
END_TEST

START_TEST(lists_of_cpus_are_read_as_linux_writes_them)
{
    static const char *const wrong[] = { "", "\n", "a", "3-1", "1,", "1;2", "0-5000", "-1" };
    cpu_set_t cpus;

    ck_assert(fabm_near_parse("0-3,8,10-11\n", &cpus));
    ck_assert_int_eq(CPU_COUNT(&cpus), 7);
    ck_assert(CPU_ISSET(3, &cpus) && !CPU_ISSET(4, &cpus) && CPU_ISSET(8, &cpus) && CPU_ISSET(11, &cpus));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!fabm_near_parse(wrong[i], &cpus), "\"%s\"", wrong[i]);
}
END_TEST

START_TEST(a_thread_that_was_bound_gets_its_cpus_back)
{
    FabmBackend *backend = fabm_fake_new(1);
    cpu_set_t before, after;

    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    fabm_near_bind(backend, 0); /* wherever that GPU is said to be */
    fabm_near_release();
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after));
    backend->free(backend);
}
END_TEST

/* A pipeline over the first GPUs of a machine of three; its rows as JSON, owned by the caller. */
static FabmText
pipeline(uint64_t gpus, uint64_t streams, FabmFailure *failure)
{
    FabmOptions options = { .repeats = 2, .warmup = 1, .threads = 64, .seed = 3, .timeout_s = 20, .kernel_rate = 0,
                            .back = 0.5, .sizes = { { 4096 }, 1 }, .streams = { { streams }, 1 },
                            .ranks = { { gpus }, 1 }, .total = { { 20000 }, 1 } };
    FabmBackend *backend = fabm_fake_new(3);
    FabmSession session = { .options = &options, .backend = backend, .gpus = { 0, 1, 2 }, .gpu_count = 3,
                            .report = fabm_report_new("made", NULL, false) };
    FabmText json = { 0 };

    (void)fabm_measure_pipeline(&session, failure);
    fabm_report_json(session.report, &json);
    fabm_report_free(session.report);
    backend->free(backend);
    return json;
}

START_TEST(a_pipeline_goes_through_several_gpus_at_once)
{
    static const char *const names[] = { "\"0\"", "\"0+1\"", "\"0+1+2\"" };

    for (uint64_t gpus = 1; gpus <= 3; gpus++) {
        FabmFailure failure = { 0 };
        FabmText json = pipeline(gpus, 3, &failure);

        ck_assert_msg(failure.status == 0, "%s", failure.text);
        ck_assert_msg(strstr(json.data, "streams 3 chunk 4096 rounds 0 back 0.5") != NULL, "%s", json.data);
        ck_assert_msg(strstr(json.data, names[gpus - 1]) != NULL, "%s", json.data);
        fabm_text_clear(&json);
    }
}
END_TEST

START_TEST(more_gpus_or_streams_than_there_are_is_refused)
{
    FabmFailure gpus = { 0 }, none = { 0 }, streams = { 0 };
    FabmText json[] = { pipeline(4, 1, &gpus), pipeline(0, 1, &none), pipeline(3, 64, &streams) };

    ck_assert_str_eq(gpus.text, "--ranks: 4 GPUs at once are asked for, there are 3");
    ck_assert_int_eq(gpus.status, FABM_EXIT_MACHINE);
    ck_assert_int_ne(none.status, 0);
    ck_assert_int_eq(streams.status, FABM_EXIT_INPUT);
    ck_assert_msg(strstr(streams.text, "192 streams, at most 128 are possible") != NULL, "%s", streams.text);
    for (int i = 0; i < 3; i++)
        fabm_text_clear(&json[i]);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("measure-host");

    tcase_add_test(tests, every_member_of_a_gang_works_once_a_turn);
    tcase_add_test(tests, a_gang_that_never_worked_ends);
    tcase_add_test(tests, a_gang_fails_with_what_its_member_says);
    tcase_add_test(tests, lists_of_cpus_are_read_as_linux_writes_them);
    tcase_add_test(tests, a_thread_that_was_bound_gets_its_cpus_back);
    tcase_add_test(tests, a_pipeline_goes_through_several_gpus_at_once);
    tcase_add_test(tests, more_gpus_or_streams_than_there_are_is_refused);
    return run_tests(tests);
}
