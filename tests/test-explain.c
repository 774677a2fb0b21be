/* Explanations: what a tenth more of a resource buys is what the machine with a tenth more does. */
#include "study/explain.h"

#include <check.h>
#include <string.h>

#include "base/error.h"
#include "fixture.h"
#include "predict/training-step.h"
#include "suite.h"
#include "topology/machine.h"

static FabExplanation *
explain(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = test_scenario(sets);
    FabExplanation *explanation = fab_explain(scenario, NULL, NULL, &error);

    ck_assert_msg(explanation != NULL, "%s", error != NULL ? error->message : "no error");
    return explanation;
}

#define EXPLAIN(...) explain((const char *const[]) { __VA_ARGS__, NULL })

/* The gain at a row; fails where there is no such resource. */
static double
gain(const FabExplanation *explanation, const char *resource, guint row)
{
    for (guint i = 0; i < explanation->gains->len; i++) {
        const FabGain *one = explanation->gains->pdata[i];
        if (strcmp(one->resource, resource) == 0)
            return one->gain[row];
    }
    ck_abort_msg("no %s", resource);
}

START_TEST(a_tenth_more_of_everything_is_a_tenth_faster)
{
    g_autoptr(FabExplanation) all = EXPLAIN("topology.name=dgx-h100", "operation=all_reduce", "sizes=1K;1M;256M");
    g_autoptr(FabExplanation) mesh = EXPLAIN("topology.name=dgx-1v", "operation=all_gather", "sizes=1K;16M");
    g_autoptr(FabExplanation) copies = EXPLAIN("topology.name=wrx90-2sw-8", "transfer.flows=0>4 1>5", "sizes=1G");
    g_autoptr(FabExplanation) step = EXPLAIN("topology.name=ws2-bridge-3090", "model.preset=gpt-2", "parallel.tp=2",
                                             "training.global_batch=8", "training.precision=fp16");

    for (guint i = 0; i < 3; i++)
        ck_assert_double_eq_tol(gain(all, "all of them", i), 0.1, 0.002);
    for (guint i = 0; i < 2; i++)
        ck_assert_double_eq_tol(gain(mesh, "all of them", i), 0.1, 0.005);
    ck_assert_double_eq_tol(gain(copies, "all of them", 0), 0.1, 0.002);
    ck_assert_double_eq_tol(gain(step, "all of them", 0), 0.1, 1e-6);
}
END_TEST

/* Between nodes too, where proxies and their messages take most of the time of what is small. */
START_TEST(a_tenth_more_of_everything_is_a_tenth_faster_on_a_cluster)
{
    g_autoptr(FabExplanation) all = EXPLAIN("topology.name=superpod-h100", "topology.nodes=2", "operation=all_reduce",
                                            "sizes=1K;1M;1G");

    for (guint i = 0; i < 3; i++)
        ck_assert_double_eq_tol(gain(all, "all of them", i), 0.1, 0.004);
    ck_assert_double_gt(gain(all, "messages between nodes", 1), 0.01);
    ck_assert_double_lt(gain(all, "messages between nodes", 2), gain(all, "messages between nodes", 1));
    ck_assert_double_gt(gain(all, "network and PCIe together", 2), gain(all, "InfiniBand", 2));
}
END_TEST

START_TEST(links_matter_to_large_messages_and_latency_to_small_ones)
{
    g_autoptr(FabExplanation) all = EXPLAIN("topology.name=dgx-h100", "operation=all_reduce", "algorithm=ring",
                                            "sizes=1K;4G");

    ck_assert_double_gt(gain(all, "NVLink 4", 1), 0.05);
    ck_assert_double_lt(gain(all, "NVLink 4", 0), 0.01);
    ck_assert_double_gt(gain(all, "time of a kernel's steps", 0), 0.01);
    ck_assert_double_lt(gain(all, "latency of links", 1), 0.01);
}
END_TEST

START_TEST(a_gain_is_that_of_the_machine_with_more)
{
    static const char *const sets[] = { "topology.name=wrx90-2sw-8", "transfer.flows=0>4 1>5", "sizes=1G", NULL };
    g_autoptr(FabExplanation) explanation = explain(sets);
    g_autoptr(FabScenario) scenario = test_scenario(sets);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, NULL);
    g_autoptr(FabOutcome) before = fab_outcome_new(scenario, topology, NULL, NULL, NULL);
    g_autoptr(FabOutcome) after = NULL;

    for (uint32_t i = 0; i < topology->resource_count; i++) {
        FabResource *resource = &topology->resources[i];
        if (resource->kind == FAB_RESOURCE_LINK && topology->links[resource->link].medium == FAB_MEDIUM_PCIE)
            resource->capacity *= FAB_EXPLAIN_MORE;
    }
    after = fab_outcome_new(scenario, topology, NULL, NULL, NULL);
    ck_assert_double_eq_tol(gain(explanation, "PCIe 5.0 x16", 0),
                            ((FabOutcomeRow *)before->rows->pdata[0])->seconds /
                                    ((FabOutcomeRow *)after->rows->pdata[0])->seconds - 1, 1e-9);
    ck_assert_double_gt(gain(explanation, "PCIe 5.0 x16", 0), 0.05);
}
END_TEST

/* What is called idle was not simulated; here it is, all of it at once. */
static void
check_idle(const char *const *sets)
{
    g_autoptr(FabExplanation) explanation = explain(sets);
    g_autoptr(FabScenario) scenario = test_scenario(sets);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, NULL);
    g_autoptr(FabOutcome) before = fab_outcome_new(scenario, topology, NULL, NULL, NULL);
    g_autoptr(FabOutcome) after = NULL;
    guint touched = 0;

    for (guint g = 0; g < explanation->gains->len; g++) {
        const FabGain *one = explanation->gains->pdata[g];
        for (uint32_t i = 0; i < topology->resource_count && one->idle; i++) {
            FabResource *resource = &topology->resources[i];
            bool link = resource->kind == FAB_RESOURCE_LINK;
            if (!link || strcmp(topology->links[resource->link].label, one->resource) != 0)
                continue;
            resource->capacity *= FAB_EXPLAIN_MORE;
            touched++;
        }
        for (guint row = 0; row < explanation->outcome->rows->len && one->idle; row++)
            ck_assert_double_eq(one->gain[row], 0);
    }
    ck_assert_uint_gt(touched, 0);
    after = fab_outcome_new(scenario, topology, NULL, NULL, NULL);
    for (guint row = 0; row < before->rows->len; row++)
        ck_assert_double_eq(((FabOutcomeRow *)before->rows->pdata[row])->seconds,
                            ((FabOutcomeRow *)after->rows->pdata[row])->seconds);
}

START_TEST(what_holds_nothing_back_buys_nothing)
{
    check_idle((const char *const[]) { "topology.name=dgx-h100", "operation=all_reduce", "sizes=64K;16M", NULL });
    check_idle((const char *const[]) { "topology.name=dgx-1v", "operation=alltoall", "sizes=1M", NULL });
    check_idle((const char *const[]) { "topology.name=superpod-h100", "topology.nodes=2", "operation=all_gather",
                                       "sizes=64M", NULL });
}
END_TEST

START_TEST(the_parts_of_a_step_are_its_length)
{
    g_autoptr(FabExplanation) step = EXPLAIN("topology.name=dgx-h100", "model.preset=llama-3-8b", "parallel.zero=3",
                                             "training.nodes=4", "training.global_batch=128");
    const FabOutcomeRow *row = step->outcome->rows->pdata[0];
    double sum = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        sum += step->parts[i];
    ck_assert_double_eq_tol(sum / row->seconds, 1, 1e-9);
    ck_assert_double_gt(gain(step, "network adapters", 0), 0);
    ck_assert_double_ge(gain(step, "all collectives of the step", 0), gain(step, "network adapters", 0) - 1e-9);
    ck_assert_double_gt(gain(step, "all kernels of the step", 0), gain(step, "memory of GPUs", 0));
}
END_TEST

/* The phase of that name; fails where there is none. */
static const FabPhase *
phase(const FabExplanation *explanation, guint row, const char *name)
{
    const GPtrArray *phases = fab_explanation_phases(explanation, row);

    for (guint i = 0; i < phases->len; i++) {
        const FabPhase *one = phases->pdata[i];
        if (strcmp(one->name, name) == 0)
            return one;
    }
    ck_abort_msg("no %s", name);
}

static const FabBinding *
binds(const FabPhase *phase)
{
    return phase->bindings->pdata[0];
}

/* Four of seven pieces of each GPU leave its switch, so that the cable above carries 16 where a GPU's own carries 7. */
START_TEST(the_uplink_of_a_switch_binds_what_goes_to_the_other_switch)
{
    g_autoptr(FabExplanation) all = EXPLAIN("topology.name=wrx90-2sw-8", "operation=alltoall", "sizes=64M");
    const FabBinding *binding = binds(phase(all, 0, "steady state"));

    ck_assert_str_eq(binding->what, "PCIe 5.0 x16");
    ck_assert_ptr_nonnull(strstr(binding->where, "Host bridge"));
    ck_assert_ptr_nonnull(strstr(binding->where, "PCIe switch"));
    ck_assert_double_gt(binding->seconds, 0.9 * phase(all, 0, "steady state")->seconds);
    ck_assert_double_gt(phase(all, 0, "steady state")->seconds, phase(all, 0, "fill")->seconds);
}
END_TEST

/* Eight bytes take no link's time: what is left is to launch, to step, and to see flags. */
START_TEST(no_link_binds_a_tiny_message)
{
    g_autoptr(FabExplanation) tiny = EXPLAIN("topology.name=dgx-h100", "operation=all_reduce", "sizes=8");
    const GPtrArray *phases = fab_explanation_phases(tiny, 0);

    ck_assert_str_eq(binds(phase(tiny, 0, "launch and end"))->what, "launching kernels");
    for (guint i = 0; i < phases->len; i++) {
        const FabPhase *one = phases->pdata[i];
        for (guint k = 0; k < one->bindings->len; k++) {
            const FabBinding *binding = one->bindings->pdata[k];
            ck_assert_msg(binding->where == NULL || binding->seconds < 0.05 * one->seconds, "%s binds %s",
                          binding->where, one->name);
        }
    }
    ck_assert_double_lt(phase(tiny, 0, "launch and end")->start_s, 1e-12);
}
END_TEST

/* Each node has one NIC for eight GPUs behind NVLink. */
START_TEST(the_network_binds_a_cluster_with_few_adapters)
{
    g_autoptr(FabExplanation) nodes = EXPLAIN("topology.name=superpod-h100", "topology.nodes=4",
                                              "topology.node.nics_per_node=1", "operation=all_gather", "sizes=256M");

    ck_assert_str_eq(binds(phase(nodes, 0, "steady state"))->what, "InfiniBand");
}
END_TEST

/* Phases are the step, and what binds in each is the phase. */
static void
check_phases(const FabExplanation *explanation)
{
    const FabOutcomeRow *row = explanation->outcome->rows->pdata[0];
    const GPtrArray *phases = fab_explanation_phases(explanation, 0);
    double all = 0;

    for (guint i = 0; i < phases->len; i++) {
        const FabPhase *one = phases->pdata[i];
        double sum = 0;
        for (guint k = 0; k < one->bindings->len; k++)
            sum += ((const FabBinding *)one->bindings->pdata[k])->seconds;
        ck_assert_double_eq_tol(sum / one->seconds, 1, 1e-9);
        all += one->seconds;
    }
    ck_assert_double_eq_tol(all / row->seconds, 1, 1e-9);
}

#define GPT2 "model.preset=gpt-2", "training.micro_batch=8", "training.global_batch=8", "training.precision=fp16"

/* There is nobody to talk to, and GPT-2 at a batch of eight is made of products. */
START_TEST(products_bind_the_passes_of_a_gpu_that_is_alone)
{
    g_autoptr(FabExplanation) one = EXPLAIN("topology.name=ws2-x16", "training.gpus=1", "topology.gpu=rtx-3090", GPT2);

    check_phases(one);
    ck_assert_str_eq(binds(phase(one, 0, "forward"))->what, "products of matrices");
    ck_assert_str_eq(binds(phase(one, 0, "backward"))->what, "products of matrices");
    ck_assert_uint_eq(phase(one, 0, "forward")->bindings->len, 3); /* attention, memory */
    ck_assert_str_eq(binds(phase(one, 0, "optimiser"))->what, "memory of GPUs");
}
END_TEST

static const FabBinding *
find_binding(const FabPhase *phase, const char *begin)
{
    for (guint i = 0; i < phase->bindings->len; i++) {
        const FabBinding *binding = phase->bindings->pdata[i];
        if (g_str_has_prefix(binding->what, begin))
            return binding;
    }
    ck_abort_msg("no %s", begin);
}

START_TEST(tensors_wait_for_the_link_between_the_gpus)
{
    g_autoptr(FabExplanation) pcie = EXPLAIN("topology.name=wrx90-2sw-8", "training.gpus=2", "parallel.tp=2", GPT2);
    g_autoptr(FabExplanation) bridge = EXPLAIN("topology.name=ws2-bridge-3090", "parallel.tp=2", GPT2);

    check_phases(pcie);
    check_phases(bridge);
    ck_assert_str_eq(find_binding(phase(pcie, 0, "forward"), "tensor")->what, "tensor parallel over PCIe 5.0 x16");
    ck_assert_str_eq(find_binding(phase(bridge, 0, "forward"), "tensor")->what, "tensor parallel over NVLink 3");
    ck_assert_str_eq(find_binding(phase(bridge, 0, "backward"), "tensor")->where, "GPU 0 > GPU 1");
}
END_TEST

START_TEST(stages_of_a_pipeline_wait_for_each_other)
{
    g_autoptr(FabExplanation) stages = EXPLAIN("topology.name=dgx-h100", "model.preset=llama-3-8b", "parallel.pp=4",
                                               "parallel.tp=2", "training.global_batch=8", "training.micro_batch=1");
    g_autoptr(FabExplanation) shards = EXPLAIN("topology.name=dgx-h100", "model.preset=llama-3-8b", "parallel.zero=1",
                                               "training.nodes=4", "training.global_batch=64");

    check_phases(stages);
    check_phases(shards);
    ck_assert_str_eq(binds(phase(stages, 0, "pipeline fills and drains"))->what, "waiting for other stages");
    ck_assert_str_eq(binds(phase(shards, 0, "gathering parameters"))->what, "data parallel over network adapters");
    ck_assert_double_gt(phase(shards, 0, "gradients among replicas")->start_s,
                        phase(shards, 0, "gathering parameters")->seconds);
}
END_TEST

/* One sequence of GPT-2 is little to compute, and every layer is added up through host memory. */
START_TEST(a_step_that_an_exchange_binds_names_what_binds_that)
{
    g_autoptr(FabScenario) shared = test_scenario((const char *const[]) {
        "topology.name=epyc4-4090", "parallel.tp=4", "model.preset=gpt-2",
        "training.micro_batch=1", "training.global_batch=1", "training.precision=fp16", NULL });
    g_autoptr(FabScenario) slow = test_scenario((const char *const[]) {
        "topology.name=dgx-h100", "parallel.tp=2", "model.preset=llama-3-8b", "training.global_batch=16",
        "fault slow.kind=slow-gpu", "fault slow.at=GPU 3", "fault slow.factor=1.3", NULL });
    g_autoptr(FabOutcome) outcome = fab_outcome_new(shared, NULL, NULL, NULL, NULL);
    g_autoptr(FabOutcome) faulty = fab_outcome_new(slow, NULL, NULL, NULL, NULL);
    g_autoptr(FabTrainingStep) step = fab_training_step_new(slow, NULL, NULL, NULL);
    const FabOutcomeRow *row = outcome->rows->pdata[0], *products = faulty->rows->pdata[0];

    ck_assert_str_eq(row->binding, "tensor_parallel");
    ck_assert_str_eq(row->over, "the GPUs' way to host memory");
    ck_assert_str_eq(products->binding, "matrix");
    ck_assert_ptr_null(products->over);
    ck_assert_ptr_null(strchr(faulty->interval, ':')); /* it is part of sentences that have one */
    ck_assert_double_eq(step->bubble_share, 0);
}
END_TEST

START_TEST(what_does_not_run_is_not_explained)
{
    static const char *const sets[] = { "topology.name=dgx-h10", "operation=all_reduce", NULL };
    g_autoptr(FabScenario) scenario = test_scenario(sets);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_explain(scenario, NULL, NULL, &error));
    ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("explain");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_tenth_more_of_everything_is_a_tenth_faster);
    tcase_add_test(tests, a_tenth_more_of_everything_is_a_tenth_faster_on_a_cluster);
    tcase_add_test(tests, links_matter_to_large_messages_and_latency_to_small_ones);
    tcase_add_test(tests, a_gain_is_that_of_the_machine_with_more);
    tcase_add_test(tests, what_holds_nothing_back_buys_nothing);
    tcase_add_test(tests, the_parts_of_a_step_are_its_length);
    tcase_add_test(tests, the_uplink_of_a_switch_binds_what_goes_to_the_other_switch);
    tcase_add_test(tests, no_link_binds_a_tiny_message);
    tcase_add_test(tests, the_network_binds_a_cluster_with_few_adapters);
    tcase_add_test(tests, products_bind_the_passes_of_a_gpu_that_is_alone);
    tcase_add_test(tests, tensors_wait_for_the_link_between_the_gpus);
    tcase_add_test(tests, stages_of_a_pipeline_wait_for_each_other);
    tcase_add_test(tests, a_step_that_an_exchange_binds_names_what_binds_that);
    tcase_add_test(tests, what_does_not_run_is_not_explained);
    return run_tests(tests);
}
