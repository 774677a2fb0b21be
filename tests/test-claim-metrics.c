/* Metrics of claims: exposed communication, what binds, peaks that are reached, bytes on links. */
#include "study/claim.h"

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "suite.h"

#define HEAD "[claim one]\ntext=a text\nsource=somebody\n"
#define STEP "model.preset=gpt-2\ntraining.precision=bf16\ntraining.micro_batch=2\ntopology.gpu=rtx-a6000\n"
#define LINKS "a.topology.name=ws2-x16\nb.topology.name=ws2-bridge-a6000\n"

static const FabClaimPoint *
point(GPtrArray *claims, guint i)
{
    const FabClaim *claim = claims->pdata[0];
    const FabClaimPoint *found = &g_array_index(claim->points, FabClaimPoint, i);

    ck_assert_double_le(found->low, found->value);
    ck_assert_double_ge(found->high, found->value);
    return found;
}

/* ------------------------------------------------------------------ steps */

START_TEST(one_gpu_waits_for_no_other)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=exposed_communication\noperator=<=\nthreshold=0\n" STEP
                                                   "topology.name=ws2-x16\ntraining.gpus=1\ntraining.global_batch=8\n");

    ck_assert_double_eq(point(claims, 0)->value, 0);
    ck_assert_int_eq(((FabClaim *)claims->pdata[0])->verdict, FAB_CLAIM_SUPPORTED);
}
END_TEST

START_TEST(a_larger_batch_exposes_less)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=exposed_communication\noperator=<=\nthreshold=0.5\n" STEP
                                              "topology.name=ws2-x16\nvary=training.global_batch\nvalues=4 | 512\n");

    ck_assert_double_gt(point(claims, 0)->value, 5 * point(claims, 1)->value);
    ck_assert_double_gt(point(claims, 1)->value, 0);
    ck_assert_double_lt(point(claims, 0)->high, 1);
    ck_assert_double_lt(point(claims, 0)->low, point(claims, 0)->high);
}
END_TEST

START_TEST(no_interval_is_claimed_of_a_network_that_was_not_run)
{
    g_autoptr(GPtrArray) claims =
        test_claims(HEAD "metric=exposed_communication\noperator=<=\nthreshold=0.9\nmodel.preset=gpt-2\n"
                         "training.nodes=2\n"
                         "topology.name=dgx-h100\ntraining.precision=bf16\ntraining.global_batch=64\n"
                         "training.nic_rate=50 GB/s\n");

    ck_assert_double_gt(point(claims, 0)->value, 0);
    ck_assert(!point(claims, 0)->known);
    ck_assert_int_eq(((FabClaim *)claims->pdata[0])->verdict, FAB_CLAIM_UNTOLD);
}
END_TEST

START_TEST(just_one_class_binds)
{
    static const char *const classes[] = { "interconnect", "compute", "memory", "host", "pipeline", "stragglers" };
    guint binding = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_autofree char *text = g_strdup_printf(HEAD "metric=binding\noperator==\nthreshold=%s\n" STEP
                                                     "topology.name=ws2-x16\ntraining.global_batch=512\n", classes[i]);
        g_autoptr(GPtrArray) claims = test_claims(text);
        const FabClaimPoint *found = point(claims, 0);
        ck_assert_str_eq(found->binds, "compute");
        ck_assert_int_eq(found->value >= 1, strcmp(classes[i], "compute") == 0);
        binding += ((FabClaim *)claims->pdata[0])->inside;
    }
    ck_assert_uint_eq(binding, 1);
}
END_TEST

START_TEST(tensors_bind_the_link_more_than_replicas)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=binding\noperator==\nthreshold=interconnect\n" STEP
                                                   "topology.name=ws2-x16\ntraining.global_batch=64\n"
                                                   "vary=parallel.tp\nvalues=1 | 2\n");

    ck_assert_double_lt(point(claims, 0)->value, point(claims, 1)->value);
    ck_assert_ptr_nonnull(point(claims, 0)->binds);
}
END_TEST

START_TEST(the_same_link_takes_no_waiting_away)
{
    static const char same[] = STEP "a.topology.name=ws2-x16\nb.topology.name=ws2-x16\ntraining.global_batch=8\n";
    g_autofree char *reduction = g_strconcat(HEAD "metric=exposed_reduction\noperator=<=\nthreshold=0\n", same, NULL);
    g_autofree char *gain = g_strconcat(HEAD "metric=gain_over_exposed\noperator=<=\nthreshold=0\n", same, NULL);
    g_autoptr(GPtrArray) first = test_claims(reduction);
    g_autoptr(GPtrArray) second = test_claims(gain);

    ck_assert_double_eq_tol(point(first, 0)->value, 0, 1e-9);
    ck_assert_double_eq_tol(point(second, 0)->value, 0, 1e-9);
}
END_TEST

START_TEST(a_faster_link_takes_waiting_away_but_no_more_than_all)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=exposed_reduction\noperator=>=\nthreshold=0.1\n" STEP LINKS
                                                   "training.global_batch=8\n");

    ck_assert_double_gt(point(claims, 0)->value, 0.1);
    ck_assert_double_le(point(claims, 0)->high, 1);
}
END_TEST

START_TEST(gains_that_are_alike_have_a_ratio_of_one)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=gain_ratio\noperator=>=\nthreshold=1\n" STEP LINKS
                                                   "c.topology.name=ws2-x16\nd.topology.name=ws2-bridge-a6000\n"
                                                   "training.global_batch=8\n");

    ck_assert_double_eq_tol(point(claims, 0)->value, 1, 1e-12);
    ck_assert_double_lt(point(claims, 0)->low, 1);
    ck_assert_int_eq(((FabClaim *)claims->pdata[0])->verdict, FAB_CLAIM_UNTOLD);
}
END_TEST

START_TEST(no_product_of_matrices_reaches_the_peak)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=matmul_peak_share\noperator=<=\nthreshold=1\n"
                                              "model.preset=gpt-2\n"
                                              "training.precision=bf16\ntraining.global_batch=64\nvary=topology.name\n"
                                              "values=dgx-a100 | dgx-h100\n");

    for (guint i = 0; i < 2; i++) {
        ck_assert_double_gt(point(claims, i)->value, 0.3);
        ck_assert_double_lt(point(claims, i)->value, 1);
        ck_assert_double_le(point(claims, i)->high, 1);
    }
    ck_assert_int_eq(((FabClaim *)claims->pdata[0])->verdict, FAB_CLAIM_SUPPORTED);
}
END_TEST

/* ------------------------------------------------------------------ bytes */

START_TEST(a_ring_carries_what_busbw_says_and_a_switch_that_adds_less)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=wire_over_busbw\noperator=within\nthreshold=0.95..1.05\n"
                                                   "topology.name=dgx-h100\ncollective.operation=all_reduce\n"
                                                   "collective.protocol=simple\ncollective.sizes=64M\n"
                                                   "vary=collective.algorithm\nvalues=ring | nvls\n");

    ck_assert_double_ge(point(claims, 0)->value, 1);
    ck_assert_double_lt(point(claims, 0)->value, 1.05);
    ck_assert_double_lt(point(claims, 1)->value, 0.95);
    ck_assert(point(claims, 0)->known);
    ck_assert_int_eq(((FabClaim *)claims->pdata[0])->verdict, FAB_CLAIM_DEPENDS);
}
END_TEST

START_TEST(bytes_cross_a_host_bridge_where_no_switch_or_nvlink_joins_the_gpus)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=host_bridge_share\noperator=>=\nthreshold=0.99\n"
                                                   "transfer.flows=0>1\ntransfer.sizes=1M\nvary=topology.name\n"
                                                   "values=ws2-x16 | epyc4-4090 | wrx90-2sw-8 | ws2-bridge-3090\n");

    for (guint i = 0; i < 4; i++)
        ck_assert_double_eq_tol(point(claims, i)->value, i < 2 ? 1 : 0, 1e-9);
}
END_TEST

/* ------------------------------------------------------------------ bad input */

START_TEST(metrics_refuse_what_they_are_not_of)
{
    test_no_claims("exposed_communication is of a training step",
                   HEAD "metric=exposed_communication\noperator=<=\nthreshold=1\ntopology.name=dgx-h100\n"
                "collective.operation=all_reduce\ncollective.sizes=1M\n");
    test_no_claims("operator: \"<=\" does not fit metric=binding",
                   HEAD "metric=binding\noperator=<=\nthreshold=compute\n" STEP);
    test_no_claims("did you mean interconnect", HEAD "metric=binding\noperator==\nthreshold=interconect\n" STEP);
    test_no_claims("exposed_reduction compares steps that differ only in what connects",
                   HEAD "metric=exposed_reduction\noperator=>=\nthreshold=0.5\n" STEP "a.topology.name=ws2-x16\n"
                "b.topology.name=ws2-bridge-a6000\nb.topology.gpu=rtx-3090\ntraining.global_batch=8\n");
    test_no_claims("a has no exposed communication",
                   HEAD "metric=gain_over_exposed\noperator=>=\nthreshold=0.5\n" STEP LINKS "training.global_batch=8\n"
                "training.gpus=1\n");
    test_no_claims("compares the gain of b over a with that of d over c",
                   HEAD "metric=gain_ratio\noperator=>=\nthreshold=1\n" STEP LINKS "training.global_batch=8\n");
    test_no_claims("has keys of c. or d.",
                   HEAD "metric=ratio\noperator=>=\nthreshold=1\n" STEP LINKS "c.parallel.tp=2\n");
    test_no_claims("wire_over_busbw is of a collective or of copies",
                   HEAD "metric=wire_over_busbw\noperator=<=\nthreshold=1\n" STEP "topology.name=ws2-x16\n"
                "training.global_batch=8\n");
    test_no_claims("transfer has no wire_over_busbw", HEAD "metric=wire_over_busbw\noperator=<=\nthreshold=1\n"
                                                   "topology.name=dgx-h100\ntransfer.flows=0>1\ntransfer.sizes=1M\n");
    test_no_claims("2 sizes, a claim is judged at one", HEAD "metric=host_bridge_share\noperator=<=\nthreshold=1\n"
                                                     "topology.name=dgx-h100\ntransfer.flows=0>1\n"
                                                     "transfer.sizes=1M;2M\n");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("claim metrics");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, one_gpu_waits_for_no_other);
    tcase_add_test(tests, a_larger_batch_exposes_less);
    tcase_add_test(tests, no_interval_is_claimed_of_a_network_that_was_not_run);
    tcase_add_test(tests, just_one_class_binds);
    tcase_add_test(tests, tensors_bind_the_link_more_than_replicas);
    tcase_add_test(tests, the_same_link_takes_no_waiting_away);
    tcase_add_test(tests, a_faster_link_takes_waiting_away_but_no_more_than_all);
    tcase_add_test(tests, gains_that_are_alike_have_a_ratio_of_one);
    tcase_add_test(tests, no_product_of_matrices_reaches_the_peak);
    tcase_add_test(tests, a_ring_carries_what_busbw_says_and_a_switch_that_adds_less);
    tcase_add_test(tests, bytes_cross_a_host_bridge_where_no_switch_or_nvlink_joins_the_gpus);
    tcase_add_test(tests, metrics_refuse_what_they_are_not_of);
    return run_tests(tests);
}
