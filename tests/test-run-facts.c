/* What measurements say between the lines: who launched, which release, what the clock shows. */
#include "validate/run-facts.h"

#include <check.h>
#include <string.h>

#include "suite.h"

/* Of `ranks` ranks; `facts` is "group.key=value" texts ended by NULL. */
static FabMeasurement *
made(const char *ranks, const char *const *facts)
{
    FabMeasurement *measurement = fab_measurement_new("m", FAB_MEASUREMENT_COLLECTIVE, NULL);

    ck_assert(fab_measurement_set(measurement, "system", "ranks", ranks, NULL));
    for (guint i = 0; facts[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) sides = g_strsplit(facts[i], "=", 2);
        g_auto(GStrv) place = g_strsplit(sides[0], ".", 2);
        ck_assert_msg(fab_measurement_set(measurement, place[0], place[1], sides[1], &error), "%s",
                      error != NULL ? error->message : "");
    }
    return measurement;
}

/* `from` NULL: the keys say it. */
static void
check_launch(const char *ranks, const char *const *facts, int processes, int threads, const char *from)
{
    g_autoptr(FabMeasurement) measurement = made(ranks, facts);
    FabLaunchFacts found = fab_launch_facts(measurement);

    ck_assert_msg(found.processes == processes && found.threads == threads, "%s: %d processes, %d threads", facts[0],
                  (int)found.processes, (int)found.threads);
    if (from == NULL)
        ck_assert_msg(found.from == NULL, "%s: %s", facts[0], found.from);
    else
        ck_assert_msg(found.from != NULL && strcmp(found.from, from) == 0, "%s: %s", facts[0], found.from);
}

#define EACH "one thread for each GPU, as the note says"
#define ALL "one thread for all GPUs, as the note says"

START_TEST(keys_say_who_launched_whatever_the_note_says)
{
    check_launch("8", (const char *const[]) { "run.processes=1", "source.note=one thread per GPU", NULL }, 1, 0, NULL);
    check_launch("8", (const char *const[]) { "run.processes=8", "run.tool=all_reduce_perf", NULL }, 8, 0, NULL);
    check_launch("8", (const char *const[]) { "run.processes=2", "run.threads=4", NULL }, 2, 4, NULL);
    check_launch("8", (const char *const[]) { "run.threads=8", "source.note=-g 8", NULL }, 1, 8, NULL);
}
END_TEST

START_TEST(a_note_says_one_thread_or_process_for_each_gpu)
{
    static const char *const notes[] = {
        "latency, one thread per GPU, NCCL_PROTO=LL", "one process per GPU", "one rank per GPU",
        "a process for each GPU", "threads for every GPU", "one process each GPU", "baseline, 4 threads, one column",
        "4 processes, mpirun",
        "run with -t 4", "run with -t 16", "one process, one thread per GPU, 40 warm-up iterations",
    };

    for (guint i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autofree char *note = g_strconcat("source.note=", notes[i], NULL);
        check_launch("4", (const char *const[]) { note, "run.tool=all_reduce_perf", NULL }, 0, 0, EACH);
    }
}
END_TEST

START_TEST(a_note_says_one_thread_for_all_gpus)
{
    static const char *const notes[] = {
        "one process drives 4 GPUs", "latency only, one thread drives all GPUs", "p2p, NCCL_P2P_LEVEL=SYS, one process",
        "one thread; 20 iterations", "one process for all", "the script sets -g 4, 40 iterations", "-g 72 on a rack",
        "single process, 4 GPUs", "Single thread",
    };

    for (guint i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autofree char *note = g_strconcat("source.note=", notes[i], NULL);
        check_launch("4", (const char *const[]) { note, "run.tool=own", NULL }, 1, 0, ALL);
    }
}
END_TEST

START_TEST(a_note_about_other_things_says_nothing)
{
    static const char *const notes[] = {
        "8 threads", /* not one for each of 4 */
        "14 threads", "-g 1", "-t 1", "two processes", "a multi-threaded host", "one processor",
    };

    for (guint i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autofree char *note = g_strconcat("source.note=", notes[i], NULL);
        check_launch("4", (const char *const[]) { note, "run.tool=own", NULL }, 0, 0, "one process for each GPU");
    }
}
END_TEST

START_TEST(without_a_note_the_tool_has_its_habit)
{
    static const char *const habit = "one thread for all GPUs, as nccl-tests does when not told";

    check_launch("8", (const char *const[]) { "run.tool=all_reduce_perf", NULL }, 1, 0, habit);
    check_launch("8", (const char *const[]) { "run.tool=sendrecv_perf", "system.nodes=1", NULL }, 1, 0, habit);
    check_launch("8", (const char *const[]) { "run.tool=all_reduce_perf", "system.nodes=2", NULL }, 0, 0,
                 "one process for each GPU");
    check_launch("8", (const char *const[]) { "run.tool=torch.distributed", NULL }, 0, 0, "one process for each GPU");
    check_launch("8", (const char *const[]) { NULL }, 0, 0, "one process for each GPU");
}
END_TEST

START_TEST(the_date_tells_the_release_when_nobody_else_does)
{
    static const struct {
        const char *date, *version;
        int minor;
        bool stated;
    } cases[] = {
        { "2024-09-24", "2.21.5", 21, true },  { NULL, "2.30", 30, true },       { NULL, "2.4.8", 4, true },
        { "2024-09-24", NULL, 23, false },     { "2024-09", NULL, 23, false },   { "2024-08-31", NULL, 22, false },
        { "2018-03", NULL, 18, false },        { "2023-05", NULL, 18, false },   { "2023-10", NULL, 19, false },
        { "2026", NULL, 29, false },           { "2031-01", NULL, 30, false },   { "2023-2024", NULL, 19, false },
        { NULL, NULL, 0, false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FabMeasurement) measurement = fab_measurement_new("m", FAB_MEASUREMENT_COLLECTIVE, NULL);
        bool stated;
        if (cases[i].date != NULL)
            ck_assert(fab_measurement_set(measurement, "source", "date", cases[i].date, NULL));
        if (cases[i].version != NULL)
            ck_assert(fab_measurement_set(measurement, "run", "nccl_version", cases[i].version, NULL));
        ck_assert_msg(fab_release_facts(measurement, &stated) == cases[i].minor, "case %u", i);
        ck_assert_msg(stated == cases[i].stated, "case %u", i);
    }
}
END_TEST

#define VIDUR "run.tool=vidur profiler (torch.distributed over NCCL, CUDA graph)"

START_TEST(the_tool_tells_what_the_clock_shows_and_which_way_data_go)
{
    static const struct {
        const char *facts[3], *timing;
        bool one_way, registered;
    } cases[] = {
        { { VIDUR, "run.collective=sendrecv" }, "kernel", true, true },
        { { VIDUR, "run.collective=all_reduce" }, "back-to-back", false, true },
        { { VIDUR }, "back-to-back", false, true },
        { { "run.tool=all_reduce_bench.py (torch)", "run.collective=all_reduce" }, "single", false, false },
        { { "run.tool=all_reduce_perf", "run.collective=all_reduce" }, "back-to-back", false, false },
        { { "run.tool=sendrecv_perf", "run.collective=sendrecv" }, "back-to-back", false, false },
        { { "run.tool=own loop of CUDA graphs" }, "back-to-back", false, true },
        { { "run.collective=sendrecv" }, "back-to-back", false, false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FabMeasurement) measurement = made("2", cases[i].facts);
        ck_assert_str_eq(fab_timing_facts(measurement), cases[i].timing);
        ck_assert_msg(fab_sends_one_way(measurement) == cases[i].one_way, "case %u", i);
        ck_assert_msg(fab_registers_buffers(measurement) == cases[i].registered, "case %u", i);
    }
}
END_TEST

START_TEST(threads_with_several_gpus_each_are_counted)
{
    static const char *const each = "threads with several GPUs each, as the note says";

    check_launch("8", (const char *const[]) { "source.note=run with -t 2 -g 4, 20 iterations", NULL }, 1, 2, each);
    check_launch("16", (const char *const[]) { "source.note=-g 2 -t 4", NULL }, 2, 4, each);
    /* What does not come to the ranks is not believed. */
    check_launch("6", (const char *const[]) { "source.note=-t 2 -g 4", NULL }, 0, 0,
                 "one thread for each GPU, as the note says");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("run facts");

    tcase_add_test(tests, threads_with_several_gpus_each_are_counted);
    tcase_add_test(tests, keys_say_who_launched_whatever_the_note_says);
    tcase_add_test(tests, a_note_says_one_thread_or_process_for_each_gpu);
    tcase_add_test(tests, a_note_says_one_thread_for_all_gpus);
    tcase_add_test(tests, a_note_about_other_things_says_nothing);
    tcase_add_test(tests, without_a_note_the_tool_has_its_habit);
    tcase_add_test(tests, the_date_tells_the_release_when_nobody_else_does);
    tcase_add_test(tests, the_tool_tells_what_the_clock_shows_and_which_way_data_go);
    return run_tests(tests);
}
