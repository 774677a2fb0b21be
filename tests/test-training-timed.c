/* Training steps whose faults begin or end on the way. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "predict/training-step.h"
#include "suite.h"

enum { MOST_SETS = 32 };

#define STEP "topology.name=dgx-h100|model.preset=gpt-3-5b|parallel.tp=8|training.nodes=4|training.global_batch=64|" \
             "training.overlap=no"
#define PIPED "topology.name=dgx-h100|model.preset=gpt-3-5b|parallel.tp=8|parallel.pp=4|training.nodes=8|" \
              "training.global_batch=64|training.overlap=no"
#define ON_CLUSTER "topology.name=superpod-h100|topology.nodes=4|model.preset=gpt-3-5b|parallel.tp=8|" \
                   "training.global_batch=64|training.overlap=no"
#define SLOW "|fault.kind=slow-gpu|fault.at=GPU 6|fault.factor=2"
#define DEAD "|fault.kind=link-down|fault.at=GPU 6 - NVSwitch"

static FabTrainingStep *
try_step(const char *text, const char *more, GError **error)
{
    g_autofree char *all = g_strconcat(text, more, NULL);
    g_auto(GStrv) sets = g_strsplit(all, "|", MOST_SETS);
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, error);
    g_autoptr(FabTrainingStep) step =
        scenario != NULL ? fab_training_step_new(scenario, NULL, NULL, error) : NULL;

    return step != NULL && fab_training_step_costs(step, scenario, NULL, error) ? g_steal_pointer(&step) : NULL;
}

static FabTrainingStep *
step_of(const char *text, const char *more)
{
    g_autoptr(GError) error = NULL;
    FabTrainingStep *step = try_step(text, more, &error);
    double sum = 0;

    ck_assert_msg(step != NULL, "%s%s: %s", text, more, error != NULL ? error->message : "no message");
    for (int i = 0; i < FAB_TIME_PARTS; i++)
        sum += step->parts[i];
    ck_assert_double_eq_tol(sum, step->seconds, 1e-9 * step->seconds);
    return step;
}

/* Time until the replicas exchange their gradients, and what a second of it is of the step's. */
static double
passes_of(const FabTrainingStep *step)
{
    return step->seconds - step->parts[FAB_TIME_DATA] - step->parts[FAB_TIME_OPTIMISER] - step->parts[FAB_TIME_SCALE];
}

static double
scale_of(const FabTrainingStep *step)
{
    return step->seconds / (step->seconds - step->parts[FAB_TIME_SCALE]);
}

/* Each second of the fault does what healthy / slow of a second does; forward and backward differ by little. */
START_TEST(a_slow_gpu_costs_its_share_of_the_time_that_it_is_slow)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP, ""), slow = step_of(STEP, SLOW);
    g_autoptr(FabTrainingStep) part = step_of(STEP, SLOW "|fault.start=50 ms|fault.end=150 ms");
    double lost = 0.1 * (1 - passes_of(healthy) / passes_of(slow));

    ck_assert_double_gt(passes_of(healthy), 0.15);
    ck_assert_double_eq_tol(part->seconds - healthy->seconds, lost * scale_of(healthy), 0.005 * lost);
    ck_assert_double_eq_tol(part->healthy, healthy->seconds, 1e-12);
}
END_TEST

START_TEST(a_fault_from_the_first_pass_on_is_one_of_the_whole_step)
{
    static const char *const schedules[] = { "1f1b", "gpipe", "zb-h1", "interleaved" };

    for (gsize i = 0; i < G_N_ELEMENTS(schedules); i++) {
        g_autofree char *text = g_strconcat(PIPED "|parallel.schedule=", schedules[i],
                                            i == 3 ? "|parallel.chunks=2" : "", NULL);
        g_autoptr(FabTrainingStep) lasting = step_of(text, SLOW);
        g_autoptr(FabTrainingStep) timed = step_of(text, SLOW "|fault.start=0 s|fault.end=1000 s");
        ck_assert_double_eq_tol(timed->seconds, lasting->seconds, 1e-9);
        ck_assert_uint_eq(timed->stage, lasting->stage);
        for (int k = 0; k < FAB_TIME_PARTS; k++)
            ck_assert_double_eq_tol(timed->parts[k], lasting->parts[k], 1e-8);
    }
}
END_TEST

START_TEST(ranks_one_by_one_have_the_same_fault_as_folded_ones)
{
    g_autoptr(FabTrainingStep) folded = step_of(PIPED, SLOW "|fault.start=30 ms|fault.end=60 ms");
    g_autoptr(FabTrainingStep) each = step_of(PIPED, SLOW "|fault.start=30 ms|fault.end=60 ms|training.fold=off");

    ck_assert_double_eq_tol(folded->seconds, each->seconds, 1e-9);
    for (int k = 0; k < FAB_TIME_PARTS; k++)
        ck_assert_double_eq_tol(folded->parts[k], each->parts[k], 1e-8);
}
END_TEST

START_TEST(what_needs_a_dead_link_waits_for_its_end)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP, "");
    g_autoptr(FabTrainingStep) dead = step_of(STEP, DEAD "|fault.start=50 ms|fault.end=350 ms");

    ck_assert_double_eq_tol(dead->seconds - healthy->seconds, 0.3 * scale_of(healthy), 1e-5);
    ck_assert_double_eq_tol(dead->parts[FAB_TIME_TENSOR] - healthy->parts[FAB_TIME_TENSOR], 0.3, 1e-5);
}
END_TEST

START_TEST(a_fault_after_the_step_costs_nothing_and_says_so)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP, "");
    g_autoptr(FabTrainingStep) late = step_of(STEP, SLOW "|fault.start=100 s");
    g_autoptr(FabTrainingStep) within = step_of(STEP, SLOW "|fault.start=50 ms");
    const FabStepFault *fault = late->faults->pdata[0], *other = within->faults->pdata[0];

    ck_assert_double_eq_tol(late->seconds, healthy->seconds, 1e-9);
    ck_assert_msg(strstr(fault->what, "the step is over before it begins") != NULL, "%s", fault->what);
    ck_assert_ptr_null(strstr(other->what, "over before"));
    ck_assert_double_gt(other->seconds, healthy->seconds);
}
END_TEST

START_TEST(the_longer_a_fault_lasts_the_more_it_costs)
{
    double before = 0;

    for (uint32_t end = 20; end <= 320; end += 100) {
        g_autofree char *fault = g_strdup_printf(SLOW "|fault.start=10 ms|fault.end=%u ms", end);
        g_autoptr(FabTrainingStep) step = step_of(PIPED, fault);
        ck_assert_double_ge(step->seconds, before - 1e-9);
        before = step->seconds;
    }
}
END_TEST

START_TEST(nccl_knows_of_a_lasting_fault_and_not_of_one_that_comes)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP, "");
    g_autoptr(FabTrainingStep) half =
        step_of(STEP, "|fault.kind=link-rate|fault.rate=0.5|fault.at=GPU 6 - NVSwitch|fault.start=0 s");
    g_autoptr(FabTrainingStep) faults = step_of(STEP, "|fault a.kind=slow-gpu|fault a.at=GPU 1|fault a.factor=1.5|"
                                                "fault b.kind=slow-gpu|fault b.at=GPU 1|fault b.factor=2|"
                                                "fault b.start=20 ms|fault b.end=90 ms");
    const FabStepFault *a = faults->faults->pdata[0], *b = faults->faults->pdata[1];

    ck_assert_double_gt(half->parts[FAB_TIME_TENSOR], 1.2 * healthy->parts[FAB_TIME_TENSOR]);
    ck_assert_double_eq_tol(half->parts[FAB_TIME_MATRIX], healthy->parts[FAB_TIME_MATRIX], 1e-8);
    ck_assert_double_gt(faults->seconds, a->seconds);
    ck_assert_double_gt(a->seconds, b->seconds);
    ck_assert_double_gt(b->seconds, healthy->seconds);
}
END_TEST

START_TEST(a_nic_that_fails_is_waited_for_until_data_goes_round_it)
{
    static const char nic[] = "|fault.kind=nic-down|fault.at=Node 2 NIC 3";
    g_autofree char *round = g_strconcat(nic, "|fault.start=0 s|fault.detection=0 s", NULL);
    g_autofree char *later = g_strconcat(nic, "|fault.start=100 ms|fault.detection=2 s", NULL);
    g_autofree char *back = g_strconcat(nic, "|fault.start=100 ms|fault.end=2.1 s", NULL);
    g_autoptr(FabTrainingStep) healthy = step_of(ON_CLUSTER, ""), known = step_of(ON_CLUSTER, round);
    g_autoptr(FabTrainingStep) waits = step_of(ON_CLUSTER, later), ends = step_of(ON_CLUSTER, back);

    ck_assert_double_gt(known->parts[FAB_TIME_DATA], 1.05 * healthy->parts[FAB_TIME_DATA]);
    ck_assert_double_gt(waits->seconds, 2.1);
    ck_assert_double_gt(ends->seconds, 2.1);
    ck_assert_double_lt(ends->seconds, waits->seconds); /* whole again, instead of a NIC less */
    ck_assert_double_eq_tol(ends->seconds / scale_of(ends),
                            2.1 + healthy->parts[FAB_TIME_DATA] + healthy->parts[FAB_TIME_OPTIMISER], 1e-4);
}
END_TEST

START_TEST(a_nic_of_a_machine_without_a_network_holds_replicas_up)
{
    g_autoptr(FabTrainingStep) healthy = step_of(STEP, "");
    g_autoptr(FabTrainingStep) step =
        step_of(STEP, "|fault.kind=nic-down|fault.at=NIC 2|fault.start=10 ms|fault.end=2 s");

    ck_assert_double_eq_tol(step->seconds / scale_of(step),
                            2 + healthy->parts[FAB_TIME_DATA] + healthy->parts[FAB_TIME_OPTIMISER], 1e-4);
}
END_TEST

/* What nothing goes round is told with the fault's own times, not those of the groups that meet it. */
START_TEST(a_fault_that_nothing_goes_round_is_refused_as_the_scenario_has_it)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTrainingStep) step =
        try_step(ON_CLUSTER, "|fault.kind=nic-down|fault.at=Node 1 NIC 0,Node 1 NIC 1,Node 1 NIC 2,Node 1 NIC 3,"
                             "Node 1 NIC 4,Node 1 NIC 5,Node 1 NIC 6,Node 1 NIC 7|fault.start=100 ms|"
                             "fault.detection=50 ms", &error);

    ck_assert_ptr_null(step);
    test_refusal(&error, "\\[fault\\] nic-down at .*, from 100 ms, gone round after 50 ms leaves no way from Node 0 "
                         "GPU 0 to Node 1 GPU 0; leave out the fault");
}
END_TEST

static const struct {
    const char *fault, *pattern;
} refused[] = {
    { "|fault.kind=nic-down|fault.at=NIC 2|fault.start=10 ms", "\\[fault\\] needs end, or detection" },
    { "|fault.kind=nic-down|fault.at=NIC 99|fault.start=10 ms|fault.end=1 s", "\"NIC 99\" is not a NIC" },
    { SLOW "|fault.start=20 ms|fault.end=10 ms", "end is 10 ms, must be after start, 20 ms" },
    { SLOW "|fault.start=20", "start: .*20" },
    { "|fault.kind=jitter|fault.spread=0.1|fault.start=1 ms", "jitter is drawn once" },
};

START_TEST(a_timed_fault_that_cannot_be_is_refused_in_one_sentence)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTrainingStep) step = try_step(STEP, refused[_i].fault, &error);

    ck_assert_msg(step == NULL, "accepted: %s", refused[_i].fault);
    test_refusal(&error, refused[_i].pattern);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("training-timed");

    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, a_slow_gpu_costs_its_share_of_the_time_that_it_is_slow);
    tcase_add_test(tests, a_fault_from_the_first_pass_on_is_one_of_the_whole_step);
    tcase_add_test(tests, ranks_one_by_one_have_the_same_fault_as_folded_ones);
    tcase_add_test(tests, what_needs_a_dead_link_waits_for_its_end);
    tcase_add_test(tests, a_fault_that_nothing_goes_round_is_refused_as_the_scenario_has_it);
    tcase_add_test(tests, a_fault_after_the_step_costs_nothing_and_says_so);
    tcase_add_test(tests, the_longer_a_fault_lasts_the_more_it_costs);
    tcase_add_test(tests, nccl_knows_of_a_lasting_fault_and_not_of_one_that_comes);
    tcase_add_test(tests, a_nic_that_fails_is_waited_for_until_data_goes_round_it);
    tcase_add_test(tests, a_nic_of_a_machine_without_a_network_holds_replicas_up);
    tcase_add_loop_test(tests, a_timed_fault_that_cannot_be_is_refused_in_one_sentence, 0, G_N_ELEMENTS(refused));
    return run_tests(tests);
}
