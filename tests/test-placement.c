#include "scenario/placement.h"

#include <check.h>
#include <string.h>

#include "predict/step-axis.h"
#include "predict/step-trace.h"
#include "suite.h"
#include "topology/machine.h"

static FabTraining *
read_order(const char *order, GError **error)
{
    g_autofree char *text = g_strdup_printf("[parallel]\ntp=2\ncp=3\ndp=4\npp=5\n%s%s\n[training]\nglobal_batch=4\n",
                                            order != NULL ? "order=" : "", order != NULL ? order : "");
    g_autoptr(FabKeyfile) file = fab_keyfile_parse("s.ini", text, error);
    g_autoptr(FabModel) model = fab_model_load("gpt-2", error);

    return file != NULL && model != NULL ? fab_training_read(file, model, error) : NULL;
}

static FabTraining *
ordered(const char *order)
{
    g_autoptr(GError) error = NULL;
    FabTraining *training = read_order(order, &error);

    ck_assert_msg(training != NULL, "%s", error != NULL ? error->message : "no error");
    return training;
}

START_TEST(neighbours_along_the_first_axis_are_neighbours_on_the_machine)
{
    g_autoptr(FabTraining) usual = ordered(NULL), turned = ordered("pp, dp,cp,tp");
    g_autofree char *none = fab_placement_unusual(usual), *text = fab_placement_unusual(turned);

    ck_assert_uint_eq(fab_placement_stride(usual, FAB_AXIS_TP), 1);
    ck_assert_uint_eq(fab_placement_stride(usual, FAB_AXIS_CP), 2);
    ck_assert_uint_eq(fab_placement_stride(usual, FAB_AXIS_DP), 6);
    ck_assert_uint_eq(fab_placement_stride(usual, FAB_AXIS_PP), 24);
    ck_assert_uint_eq(fab_placement_stride(turned, FAB_AXIS_PP), 1);
    ck_assert_uint_eq(fab_placement_stride(turned, FAB_AXIS_DP), 5);
    ck_assert_uint_eq(fab_placement_stride(turned, FAB_AXIS_CP), 20);
    ck_assert_uint_eq(fab_placement_stride(turned, FAB_AXIS_TP), 60);
    ck_assert_uint_eq(fab_placement_replica_stride(turned), 5);
    ck_assert_ptr_null(none);
    ck_assert_str_eq(text, "pp,dp,cp,tp");
}
END_TEST

/* Members of the group that a rank is in: itself among them, and each names the same first one. */
static void
check_group(const FabTraining *training, FabStepAxis (*axis_of)(const FabTraining *, uint32_t), uint32_t rank)
{
    FabStepAxis axis = axis_of(training, rank);
    bool found = false;

    for (uint32_t i = 0; i < axis.group.size; i++) {
        uint32_t other = axis.first + i * axis.group.stride;
        ck_assert_uint_lt(other, 120);
        ck_assert_uint_eq(axis_of(training, other).first, axis.first);
        found = found || other == rank;
    }
    ck_assert(found);
}

static FabStepAxis
all_replicas(const FabTraining *training, uint32_t rank)
{
    return fab_step_axis_replica(training, rank, false);
}

static FabStepAxis
experts_replicas(const FabTraining *training, uint32_t rank)
{
    return fab_step_axis_replica(training, rank, true);
}

START_TEST(every_order_gives_every_rank_one_place)
{
    static const char *const orders[] = { "tp,cp,dp,pp", "tp,dp,cp,pp", "tp,pp,cp,dp", "tp,pp,dp,cp", "cp,dp,tp,pp",
                                          "dp,cp,tp,pp", "cp,dp,pp,tp", "dp,cp,pp,tp", "pp,tp,cp,dp", "pp,tp,dp,cp",
                                          "pp,cp,dp,tp", "pp,dp,cp,tp" };

    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_autoptr(FabTraining) training = ordered(orders[i]);
        bool seen[120] = { false };
        training->ep = 6;
        for (uint32_t stage = 0; stage < 5; stage++) {
            for (uint32_t within = 0; within < 24; within++) {
                uint32_t rank = fab_placement_rank(training, stage, within);
                ck_assert_uint_lt(rank, 120);
                ck_assert(!seen[rank]);
                seen[rank] = true;
                ck_assert_uint_eq(fab_placement_of(training, rank, FAB_AXIS_PP), stage);
                ck_assert_uint_eq(fab_placement_of(training, rank, FAB_AXIS_TP), within % 2);
                ck_assert_uint_eq(fab_placement_replica_of(training, rank), within / 2);
            }
        }
        for (uint32_t rank = 0; rank < 120; rank++) {
            check_group(training, fab_step_axis_tensor, rank);
            check_group(training, fab_step_axis_context, rank);
            check_group(training, fab_step_axis_expert, rank);
            check_group(training, all_replicas, rank);
            check_group(training, experts_replicas, rank);
        }
    }
}
END_TEST

#define STEP(order, ...)                                                                                    \
    seconds_of((const char *const[]) { "topology.name=dgx-a100", "model.preset=llama-3-8b", "model.layers=8", \
                                       "training.nodes=2", "training.global_batch=16",                      \
                                       "training.sequence=2048", order, __VA_ARGS__, NULL })

static double
seconds_of(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
    g_autoptr(FabTrainingStep) step = scenario != NULL ? fab_training_step_new(scenario, NULL, NULL, &error) : NULL;

    ck_assert_msg(step != NULL, "%s", error != NULL ? error->message : "no error");
    return step->seconds;
}

/* Tensor parallel ranks exchange most: with the pipeline inside the machines they do it over the network. */
START_TEST(tensors_across_machines_cost_more_than_stages_across_machines)
{
    double near = STEP("parallel.order=tp,cp,dp,pp", "parallel.tp=8", "parallel.pp=2");
    double far = STEP("parallel.order=pp,cp,dp,tp", "parallel.tp=8", "parallel.pp=2");

    ck_assert_double_eq(near, STEP("parallel.tp=8", "parallel.pp=2", "training.nodes=2"));
    ck_assert_double_gt(far, 1.1 * near);
}
END_TEST

/* A ring that reaches over two machines is as fast as its way between them. */
START_TEST(a_ring_goes_as_fast_as_its_slowest_hop)
{
    g_autoptr(FabTopology) machine = fab_machine_load("dgx-a100", NULL, NULL);
    g_autoptr(FabGroupTimes) times = fab_group_times_new(machine, 0);
    double inside = fab_group_seconds(times, FAB_SEND_RECV, (FabGroup) { 8, 1 }, 1e8, NULL);
    double pair = fab_group_seconds(times, FAB_SEND_RECV, (FabGroup) { 2, 1 }, 1e8, NULL);
    double across = fab_group_seconds(times, FAB_SEND_RECV, (FabGroup) { 16, 1 }, 1e8, NULL);

    ck_assert_double_eq(inside, pair);
    ck_assert_double_gt(across, 2 * inside);
}
END_TEST

START_TEST(a_trace_has_its_ranks_in_the_same_order)
{
    const char *sets[] = { "topology.name=dgx-a100", "model.preset=llama-3-8b", "model.layers=8", "parallel.tp=2",
                           "parallel.pp=2", "parallel.cp=2", "parallel.order=pp,cp,dp,tp", "training.global_batch=8",
                           "training.sequence=4096", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabTopology) topology = fab_machine_load("dgx-a100", NULL, NULL);
    g_autoptr(FabStepTrace) step = fab_step_trace_new(scenario, topology, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTraceRun) run = fab_step_trace_replay(step, topology, &error);

    ck_assert_msg(run != NULL, "%s", error != NULL ? error->message : "no error");
    ck_assert_double_eq_tol((double)run->length_ps * 1e-12 / fab_step_trace_step(step)->seconds, 1, 0.01);
}
END_TEST

START_TEST(orders_that_are_none_are_refused_with_a_sentence)
{
    static const char *const bad[] = { "", "tp", "tp,cp,dp", "tp,cp,dp,pp,ep", "tp,tp,dp,pp", "tp,cp,dp,xx", ",,,",
                                       "tp cp dp pp" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        ck_assert_ptr_null(read_order(bad[i], &error));
        ck_assert_ptr_nonnull(strstr(error->message, "s.ini: [parallel] order"));
        ck_assert_ptr_nonnull(strstr(error->message, "must name tp, cp, dp and pp once each"));
    }
    g_autoptr(GError) error = NULL;
    ck_assert_ptr_null(read_order("cp,tp,dp,pp", &error));
    ck_assert_ptr_nonnull(strstr(error->message, "next to each other"));
}
END_TEST

START_TEST(keys_of_model_and_layout_are_set_without_their_group)
{
    const char *const sets[] = { "topology.name=dgx-a100", "model.preset=llama-3-8b", "training.global_batch=8", "tp=4",
                                 "order=tp,dp,cp,pp", "sequence=1024", "layers=8", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "no error");
    ck_assert_uint_eq(scenario->training->tp, 4);
    ck_assert_uint_eq(scenario->training->sequence, 1024);
    ck_assert_uint_eq(scenario->model->sequence, 8192);
    ck_assert_uint_eq(scenario->model->layers, 8);
    ck_assert_uint_eq(scenario->training->order[1], FAB_AXIS_DP);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("placement");

    tcase_add_test(tests, neighbours_along_the_first_axis_are_neighbours_on_the_machine);
    tcase_add_test(tests, every_order_gives_every_rank_one_place);
    tcase_add_test(tests, tensors_across_machines_cost_more_than_stages_across_machines);
    tcase_add_test(tests, a_ring_goes_as_fast_as_its_slowest_hop);
    tcase_add_test(tests, a_trace_has_its_ranks_in_the_same_order);
    tcase_add_test(tests, orders_that_are_none_are_refused_with_a_sentence);
    tcase_add_test(tests, keys_of_model_and_layout_are_set_without_their_group);
    return run_tests(tests);
}
