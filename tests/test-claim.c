/* Claims: what files may say, verdicts, the value at which a claim turns, pairs of training steps. */
#include "study/claim.h"

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "study/pair.h"
#include "suite.h"

#define HEAD "[claim one]\ntext=a text\nsource=somebody\n"
#define STEP "topology.name=ws2-bridge-3090\nmodel.preset=gpt-2\ntraining.global_batch=2\ntraining.precision=fp16\n"

static const FabClaimPoint *
point(const FabClaim *claim, guint i)
{
    return &g_array_index(claim->points, FabClaimPoint, i);
}

static FabClaimVerdict
verdict_of(const char *states)
{
    g_autoptr(GArray) points = g_array_new(FALSE, TRUE, sizeof(FabClaimPoint));

    for (; *states != '\0'; states++) {
        FabClaimPoint one = { .state = *states == 'y' ? FAB_HOLDS : *states == 'n' ? FAB_FAILS : FAB_OPEN };
        g_array_append_val(points, one);
    }
    return fab_claim_verdict(points);
}

START_TEST(a_verdict_needs_all_conditions)
{
    ck_assert_int_eq(verdict_of("yyy"), FAB_CLAIM_SUPPORTED);
    ck_assert_int_eq(verdict_of("nn"), FAB_CLAIM_REFUTED);
    ck_assert_int_eq(verdict_of("yny"), FAB_CLAIM_DEPENDS);
    ck_assert_int_eq(verdict_of("yon"), FAB_CLAIM_DEPENDS);
    ck_assert_int_eq(verdict_of("yyo"), FAB_CLAIM_UNTOLD);
    ck_assert_int_eq(verdict_of("non"), FAB_CLAIM_UNTOLD);
    ck_assert_int_eq(verdict_of("o"), FAB_CLAIM_UNTOLD);
}
END_TEST

START_TEST(facts_come_from_the_catalogue_with_their_source)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=fact\nfact=nvlink_links\noperator==\nthreshold=0\nvary=gpu\n"
                                                   "values=rtx-4090 | rtx-3090\n");
    const FabClaim *claim = claims->pdata[0];

    ck_assert_str_eq(claim->id, "one");
    ck_assert_int_eq(claim->verdict, FAB_CLAIM_DEPENDS);
    ck_assert_double_eq(point(claim, 0)->value, 0);
    ck_assert_double_eq(point(claim, 1)->value, 4);
    ck_assert_uint_eq(claim->basis->len, 2);
    ck_assert_ptr_nonnull(strstr(claim->basis->pdata[1], "3090"));
    ck_assert_ptr_null(claim->turn);
}
END_TEST

START_TEST(an_interval_that_holds_the_threshold_leaves_it_open)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=time\noperator=<=\nthreshold=1 s\ntopology.name=dgx-h100\n"
                                                   "collective.operation=all_reduce\ncollective.sizes=1M\n");
    const FabClaim *easy = claims->pdata[0];
    g_autofree char *at = g_strdup_printf(HEAD "metric=time\noperator=<=\nthreshold=%.0f ns\ntopology.name=dgx-h100\n"
                                               "collective.operation=all_reduce\ncollective.sizes=1M\n",
                                          1e9 * point(easy, 0)->value);
    g_autoptr(GPtrArray) tight = test_claims(at);

    ck_assert_int_eq(easy->verdict, FAB_CLAIM_SUPPORTED);
    ck_assert_double_lt(point(easy, 0)->low, point(easy, 0)->value);
    ck_assert_int_eq(((FabClaim *)tight->pdata[0])->verdict, FAB_CLAIM_UNTOLD);
}
END_TEST

START_TEST(copies_without_intervals_prove_nothing)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=algbw\noperator=>=\nthreshold=1 B/s\n"
                                                   "topology.name=dgx-h100\n"
                                                   "transfer.flows=0>1\ntransfer.sizes=1M\n");
    const FabClaim *claim = claims->pdata[0];

    ck_assert(!point(claim, 0)->known);
    ck_assert_int_eq(claim->verdict, FAB_CLAIM_UNTOLD);
    ck_assert_uint_eq(claim->inside, 1);
}
END_TEST

#define PRICED HEAD "metric=cheaper\noperator=>=\nthreshold=1\ncollective.operation=all_reduce\n" \
                    "collective.sizes=1G\na.topology.name=dgx-a100\nb.topology.name=dgx-h100\n"

START_TEST(a_price_turns_what_is_faster_into_what_is_cheaper)
{
    g_autoptr(GPtrArray) ratio = test_claims(HEAD "metric=ratio\noperator=>=\nthreshold=1\n"
                                                  "collective.operation=all_reduce\n"
                                                  "collective.sizes=1G\na.topology.name=dgx-a100\n"
                                                  "b.topology.name=dgx-h100\n");
    g_autoptr(GPtrArray) priced = test_claims(PRICED "price.date=2025-11\nprice.source=x\na.price.gpu_hour=1 USD/h\n"
                                              "vary=b.price.gpu_hour\nvalues=1 USD/h | 4 USD/h\n");
    const FabClaim *faster = ratio->pdata[0], *cheaper = priced->pdata[0];

    ck_assert_double_eq_tol(point(cheaper, 0)->value, point(faster, 0)->value, 1e-9);
    ck_assert_double_eq_tol(point(cheaper, 1)->value, point(faster, 0)->value / 4, 1e-9);
    ck_assert_double_eq_tol(point(cheaper, 1)->low, point(faster, 0)->low / 4, 1e-9);
    ck_assert_int_eq(cheaper->verdict, FAB_CLAIM_DEPENDS);
    ck_assert_ptr_nonnull(cheaper->turn);
}
END_TEST

START_TEST(costs_of_steps_are_costs_of_their_times)
{
    static const char step[] = "model.preset=gpt-2\ntraining.precision=bf16\ntraining.global_batch=16\ntopology.gpu="
                               "rtx-a6000\na.topology.name=ws2-x16\nb.topology.name=ws2-bridge-a6000\n";
    g_autofree char *plain = g_strconcat(HEAD "metric=ratio\noperator=>=\nthreshold=1\n", step, NULL);
    g_autofree char *priced = g_strconcat(HEAD "metric=cheaper\noperator=>=\nthreshold=1\nprice.date=2025-11\n"
                                          "price.source=x\na.price.gpu_hour=1 USD/h\nb.price.gpu_hour=2 USD/h\n", step,
                                          NULL);
    g_autoptr(GPtrArray) ratio = test_claims(plain);
    g_autoptr(GPtrArray) cheaper = test_claims(priced);

    ck_assert_double_eq_tol(point(cheaper->pdata[0], 0)->value, point(ratio->pdata[0], 0)->value / 2, 1e-9);
    ck_assert_double_eq_tol(point(cheaper->pdata[0], 0)->high, point(ratio->pdata[0], 0)->high / 2, 1e-9);
}
END_TEST

/* Whether the step fits with this micro-batch. */
static bool
fits(int micro)
{
    g_autofree char *text = g_strdup_printf(HEAD "metric=memory\noperator=<=\nthreshold=1\n" STEP
                                                 "training.gpus=1\ntraining.micro_batch=1\ntraining.sequence=%d\n",
                                            micro);
    g_autoptr(GPtrArray) claims = test_claims(text);

    return ((FabClaim *)claims->pdata[0])->verdict == FAB_CLAIM_SUPPORTED;
}

START_TEST(the_value_at_which_it_turns_is_found)
{
    g_autoptr(GPtrArray) claims = test_claims(HEAD "metric=memory\noperator=<=\nthreshold=1\n" STEP
                                                   "training.gpus=1\ntraining.micro_batch=1\nvary=training.sequence\n"
                                                   "values=1024 | 1048576\n");
    const FabClaim *claim = claims->pdata[0];
    int below = 0, above = 0;

    ck_assert_int_eq(claim->verdict, FAB_CLAIM_DEPENDS);
    ck_assert_msg(sscanf(claim->turn, "no longer between %d and %d", &below, &above) == 2, "%s", claim->turn);
    ck_assert_int_lt(below, above);
    ck_assert_double_le((double)above / below, 1.02);
    ck_assert(fits(below));
    ck_assert(!fits(above));
}
END_TEST

START_TEST(efficiency_is_of_each_gpu)
{
    static const char both[] = "operator=>=\nthreshold=0.1\ntopology.name=ws2-bridge-3090\nmodel.preset=gpt-2\n"
                               "training.precision=fp16\na.training.gpus=1\na.training.global_batch=8\n"
                               "b.training.gpus=2\nb.training.global_batch=16\ntraining.micro_batch=8\n";
    g_autofree char *text = g_strconcat(HEAD "metric=ratio\n", both, "[claim two]\ntext=t\nsource=s\n",
                                        "metric=efficiency\n", both, NULL);
    g_autoptr(GPtrArray) claims = test_claims(text);
    const FabClaimPoint *ratio = point(claims->pdata[0], 0), *each = point(claims->pdata[1], 0);

    ck_assert_double_eq_tol(each->value, ratio->value / 2, 1e-12);
    ck_assert_double_eq_tol(each->low, ratio->low / 2, 1e-12);
    ck_assert_double_gt(each->value, 0.5);
    ck_assert_double_lt(each->value, 1.0001);
}
END_TEST

static FabScenario *
step(const char *machine, const char *more)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strconcat("topology.name=", machine, NULL);
    char *sets[] = { name, (char *)"topology.gpu=rtx-a6000", (char *)"model.preset=gpt-2",
                     (char *)"training.precision=bf16", (char *)"training.micro_batch=4",
                     (char *)"training.global_batch=8", (char *)more, NULL };
    FabScenario *scenario = fab_scenario_from_sets(sets, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    return scenario;
}

START_TEST(steps_that_exchange_little_are_told_apart_by_the_link_alone)
{
    /* Stages exchange little, so that the error of the kernels is nearly all of it. */
    g_autoptr(FabScenario) bridge = step("ws2-bridge-a6000", "parallel.pp=2"), bare = step("ws2-x16", "parallel.pp=2");
    g_autoptr(FabScenario) other = step("ws2-x16", "parallel.tp=2");
    g_auto(GStrv) sets = g_strsplit("topology.name=ws2-bridge-a6000|topology.gpu=rtx-a6000|model.preset=gpt-2|"
                                    "training.precision=bf16|training.micro_batch=4|training.global_batch=8|"
                                    "parallel.pp=2|fault.kind=slow-gpu|fault.at=GPU 1|fault.factor=1.2", "|", -1);
    g_autoptr(FabScenario) slow = fab_scenario_from_sets(sets, NULL);
    g_autoptr(FabOutcome) a = fab_outcome_new(bare, NULL, NULL, NULL, NULL);
    g_autoptr(FabOutcome) b = fab_outcome_new(bridge, NULL, NULL, NULL, NULL);
    FabRatio apart = fab_ratio_of(a->rows->pdata[0], b->rows->pdata[0]), paired = { .known = false };
    g_autofree char *basis = NULL;
    g_autoptr(GError) error = NULL;
    double share;

    ck_assert(fab_pair_ratio(bare, bridge, &paired, &share, &basis, &error));
    ck_assert_double_eq_tol(paired.value, apart.value, 1e-12);
    ck_assert_double_eq(share, 1);
    ck_assert_double_gt(paired.low, apart.low);
    ck_assert_double_lt(paired.high, apart.high);
    ck_assert_double_lt(paired.low, paired.value);
    ck_assert_double_gt(paired.high, paired.value);
    ck_assert(!fab_pair_ratio(other, bridge, &paired, &share, &basis, &error));
    ck_assert(!fab_pair_ratio(bare, slow, &paired, &share, &basis, &error));
    ck_assert_ptr_null(error);
}
END_TEST

#define RATIO HEAD "metric=ratio\noperator=>=\nthreshold=2\ncollective.operation=all_reduce\ncollective.sizes=1M\n"

START_TEST(bad_claims_are_refused)
{
    test_no_claims("needs text", "[claim x]\nsource=s\n");
    test_no_claims("needs threshold, from which on", HEAD "metric=busbw\noperator=>=\n");
    test_no_claims("b has no price: give b.price.gpu_hour", PRICED "a.price.date=2025-11\na.price.source=x\n"
                   "a.price.gpu_hour=1 USD/h\n");
    test_no_claims("a has prices in USD and b in EUR",
                   PRICED "price.date=2025-11\nprice.source=x\na.price.gpu_hour=1 USD/h\n"
                   "b.price.gpu_hour=1 EUR/h\n");
    test_no_claims("compares two scenarios", HEAD "metric=cheaper\noperator=>=\nthreshold=1\ntopology.name=dgx-h100\n");
    test_no_claims("is not a rate", HEAD "metric=busbw\noperator=>=\nthreshold=450\n");
    test_no_claims("did you mean busbw", HEAD "metric=busbws\noperator=>=\nthreshold=450 GB/s\n");
    test_no_claims("operator", HEAD "metric=busbw\noperator=>\nthreshold=450 GB/s\n");
    test_no_claims("two ends such as 6..8", HEAD "metric=ratio\noperator=within\nthreshold=8..6\n");
    test_no_claims("two ends such as 6..8", HEAD "metric=ratio\noperator=within\nthreshold=8\n");
    test_no_claims("did you mean threshold", HEAD "metric=ratio\noperator=>=\nthreshhold=8\n");
    test_no_claims("is no fact of a GPU", HEAD "metric=fact\nfact=nvlink\noperator==\nthreshold=0\n");
    test_no_claims("a fact is one of a GPU", HEAD "metric=fact\nfact=memory\noperator==\nthreshold=1 GB\n");
    test_no_claims("vary and no values", RATIO "vary=collective.ranks\n");
    test_no_claims("compares two scenarios", RATIO "topology.name=dgx-h100\n");
    test_no_claims("keys of two scenarios, but its metric", HEAD "metric=busbw\noperator=>=\n"
                                                       "threshold=2 GB/s\na.topology.name=x\n");
    test_no_claims("no machine|unknown machine", RATIO "a.topology.name=dgx-h10\nb.topology.name=dgx-h100\n");
    test_no_claims("31 sizes, a claim is judged at one", HEAD "metric=busbw\noperator=>=\nthreshold=2 GB/s\n"
                                                     "topology.name=dgx-h100\ncollective.operation=all_reduce\n");
    test_no_claims("has no tokens_per_s", HEAD "metric=tokens_per_s\noperator=>=\nthreshold=2\ntopology.name=dgx-h100\n"
                                       "collective.operation=all_reduce\ncollective.sizes=1M\n");
    test_no_claims("is no claim", "[scenario]\nname=x\n");
    test_no_claims("has no .claim NAME.", "# nothing\n");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("claim");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_verdict_needs_all_conditions);
    tcase_add_test(tests, facts_come_from_the_catalogue_with_their_source);
    tcase_add_test(tests, an_interval_that_holds_the_threshold_leaves_it_open);
    tcase_add_test(tests, copies_without_intervals_prove_nothing);
    tcase_add_test(tests, a_price_turns_what_is_faster_into_what_is_cheaper);
    tcase_add_test(tests, costs_of_steps_are_costs_of_their_times);
    tcase_add_test(tests, the_value_at_which_it_turns_is_found);
    tcase_add_test(tests, efficiency_is_of_each_gpu);
    tcase_add_test(tests, steps_that_exchange_little_are_told_apart_by_the_link_alone);
    tcase_add_test(tests, bad_claims_are_refused);
    return run_tests(tests);
}
