/* Stages that pass micro-batches on, against closed forms: alone, side by side on one GPU, on a GPU each. */
#include <check.h>
#include <math.h>

#include "predict/stages.h"
#include "suite.h"
#include "topology/machine.h"

#define BYTES 1e6
#define RATE 1e9 /* of the kernel: a micro-batch is a millisecond */
#define KERNEL (BYTES / RATE)

/* Without costs of the host and copies, unless a test gives them. */
static FabStages
stages_of(const uint32_t *gpus, uint32_t count, uint32_t batches)
{
    return (FabStages) { .gpus = gpus, .stages = count, .batches = batches, .bytes = BYTES, .kernel_rate = RATE,
                         .gpu_rate = RATE, .memory_rate = 1e18 };
}

static double
seconds(const FabStages *wanted)
{
    g_autoptr(FabTopology) machine = fab_machine_load("dgx-h100", NULL, NULL);
    g_autoptr(FabRouter) router =
        fab_router_new(machine, &(FabRouteRules) { .peer_level = FAB_PATH_SYS, .nvlink = true });
    double time = fab_stages_seconds(wanted, router, NULL);

    ck_assert(isfinite(time));
    return time;
}

static const uint32_t one_gpu[8] = { 0 };

START_TEST(a_stage_with_the_gpus_whole_rate_leaves_none_for_others)
{
    for (uint32_t batches = 1; batches <= 16; batches *= 2) {
        FabStages wanted = stages_of(one_gpu, 2, batches);

        ck_assert_double_eq_tol(seconds(&wanted), 2 * batches * KERNEL, 1e-9);
    }
}
END_TEST

START_TEST(stages_that_fit_beside_each_other_fill_and_drain)
{
    for (uint32_t batches = 1; batches <= 16; batches *= 2) {
        FabStages wanted = stages_of(one_gpu, 4, batches);

        wanted.gpu_rate = 4 * RATE;
        ck_assert_double_eq_tol(seconds(&wanted), (4 + batches - 1) * KERNEL, 1e-9);
    }
}
END_TEST

START_TEST(kernels_alone_are_no_faster_than_alone_and_together_share)
{
    FabStages wanted = stages_of(one_gpu, 3, 2);

    /* Two at most work at once, in two of four steps: 1 + 2 + 2 + 1 kernels, a pair at 1.5 of the rate of one. */
    wanted.gpu_rate = 1.5 * RATE;
    ck_assert_double_eq_tol(seconds(&wanted), (2 + 2 / 0.75) * KERNEL, 1e-9);
}
END_TEST

START_TEST(gpus_of_their_own_share_nothing_but_their_links)
{
    static const uint32_t gpus[] = { 0, 1, 2, 3 };
    FabStages wanted = stages_of(gpus, 4, 8);
    double ideal = (4 + 8 - 1) * KERNEL, time = seconds(&wanted);

    ck_assert_double_gt(time, ideal);
    /* A micro-batch is 3 us and a latency on NVLink, and each is fetched before it is worked on. */
    ck_assert_double_lt(time, ideal + (4 + 8) * 10e-6);
}
END_TEST

START_TEST(copies_inside_a_gpu_read_and_write_its_memory)
{
    FabStages wanted = stages_of(one_gpu, 1, 5);

    /* Each micro-batch is copied by itself: two accesses; the kernel has two more, slower than its arithmetic. */
    wanted.memory_rate = RATE;
    ck_assert_double_eq_tol(seconds(&wanted), 5 * (2 + 2) * KERNEL, 1e-9);
}
END_TEST

START_TEST(the_host_and_what_waits_for_each_other_take_their_time)
{
    FabStages wanted = stages_of(one_gpu, 2, 3), slow = wanted;

    wanted.gpu_rate = 2 * RATE;
    wanted.gap_s = 5e-6;
    /* Fill and drain with a gap before every operation but the very first, on the longest way. */
    ck_assert_double_eq_tol(seconds(&wanted), (2 + 3 - 1) * KERNEL + (2 * (2 + 3 - 1) - 1) * 5e-6, 1e-8);
    slow.issue_s = 10e-3; /* one operation in ten milliseconds: twelve of them, and the last kernel */
    ck_assert_double_eq_tol(seconds(&slow), 12 * 10e-3 + KERNEL, 1e-8);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("stages");

    tcase_add_test(tests, a_stage_with_the_gpus_whole_rate_leaves_none_for_others);
    tcase_add_test(tests, stages_that_fit_beside_each_other_fill_and_drain);
    tcase_add_test(tests, kernels_alone_are_no_faster_than_alone_and_together_share);
    tcase_add_test(tests, gpus_of_their_own_share_nothing_but_their_links);
    tcase_add_test(tests, copies_inside_a_gpu_read_and_write_its_memory);
    tcase_add_test(tests, the_host_and_what_waits_for_each_other_take_their_time);
    return run_tests(tests);
}
