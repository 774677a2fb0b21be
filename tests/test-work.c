/* The work of a program, predicted without running it. */
#include "predict/work.h"

#include <check.h>
#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "suite.h"

static FabProgram *
program_of(const char *algorithm, uint64_t size, uint32_t ranks, uint64_t chunk)
{
    g_autoptr(GError) error = NULL;
    const FabCollectiveSpec spec = { .collective = FAB_ALL_REDUCE, .size = size, .ranks = ranks, .channels = 2,
                                     .chunk_bytes = chunk, .slice_bytes = chunk, .slots = 8 };
    FabProgram *program = fab_collective_emit(fab_algorithm_find(algorithm, NULL), &spec, &error);

    ck_assert_msg(program != NULL, "%s", error != NULL ? error->message : "");
    return program;
}

/* Slices as the engine counts them. */
static double
count(const FabProgram *program)
{
    double slices = 0;

    for (uint32_t rank = 0; rank < program->ranks; rank++) {
        for (uint32_t channel = 0; channel < program->channels; channel++) {
            for (uint32_t role = 0; role < program->roles; role++) {
                FabStream stream = { rank, channel, role };
                FabStep step;
                for (uint64_t i = 0; memset(&step, 0, sizeof step), program->step(program, &stream, i, &step); i++)
                    slices += (double)MAX(1, (step.bytes + program->slice_bytes - 1) / program->slice_bytes);
            }
        }
    }
    return slices;
}

START_TEST(predicted_slices_are_those_of_the_program)
{
    static const char *const algorithms[] = { "ring", "tree", "chain", "halving-doubling" };

    for (size_t i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        for (uint64_t size = 1; size <= UINT64_C(1) << 24; size *= 64) {
            g_autoptr(FabProgram) program = program_of(algorithms[i], size, 8, 4096);
            double counted = count(program), predicted = fab_work_slices(program);
            ck_assert_msg(predicted >= 0.5 * counted && predicted <= 2 * counted + 100, "%s of %g B: %g, counted %g",
                          algorithms[i], (double)size, predicted, counted);
        }
    }
}
END_TEST

START_TEST(a_program_without_end_is_predicted_at_once)
{
    g_autoptr(FabProgram) program = program_of("ring", UINT64_C(1) << 42, 8, 1);
    g_autoptr(GError) error = NULL;

    ck_assert(fab_work_slices(program) > 1e13);
    ck_assert(fab_work_least(program) > 1e13); /* its runs are short */
    ck_assert(fab_work_most(program) > 0);
    ck_assert(!fab_work_check("x.ini", fab_work_least(program), 0, 0, &error));
    ck_assert(g_str_has_prefix(error->message, "x.ini: [collective] one size would move about "));
    ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
    g_clear_error(&error);
    ck_assert(!fab_work_check("x.ini", 1e8, 1e11, 0, &error));
    ck_assert(strstr(error->message, "all sizes together") != NULL);
}
END_TEST

START_TEST(long_runs_of_steps_that_are_alike_count_until_they_repeat_themselves)
{
    g_autoptr(FabProgram) few = program_of("ring", 64 * 4096 * 2, 64, 4096);
    g_autoptr(FabProgram) many = program_of("ring", UINT64_C(4096) * 4096 * 2, 4096, 4096);

    ck_assert(fab_work_least(few) == fab_work_slices(few));
    ck_assert(fab_work_slices(few) == count(few));
    ck_assert(fab_work_least(many) >= 4096 * 2 * 512.0);
    ck_assert(fab_work_least(many) < fab_work_slices(many) / 10);
    ck_assert(fab_work_most(many) == 0);
}
END_TEST

START_TEST(memory_grows_with_connections_and_slots)
{
    g_autoptr(FabProgram) program = program_of("ring", 1 << 20, 8, 4096);
    g_autoptr(GError) error = NULL;
    double few = fab_work_memory(program, 0);

    program->slots = 65535;
    ck_assert(fab_work_memory(program, 0) > few + 16 * 65000 * 8.0);
    ck_assert(fab_work_memory(program, 4) > fab_work_memory(program, 0) + 2 * 65000 * 16.0);
    ck_assert(fab_work_memory(program, 8) == fab_work_memory(program, 0));
    ck_assert(fab_work_check("x.ini", 1e8, 5e9, few, NULL));
    ck_assert(!fab_work_check("x.ini", 0, 0, 1e13, &error));
    ck_assert(strstr(error->message, "needs about 9.095 TiB of memory") != NULL);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("work");

    tcase_add_test(tests, predicted_slices_are_those_of_the_program);
    tcase_add_test(tests, a_program_without_end_is_predicted_at_once);
    tcase_add_test(tests, long_runs_of_steps_that_are_alike_count_until_they_repeat_themselves);
    tcase_add_test(tests, memory_grows_with_connections_and_slots);
    return run_tests(tests);
}
