/* Comparisons: what may be compared, ratios and their intervals, prices. */
#include "study/compare.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "report/compare.h"
#include "suite.h"

#define PRICED "price.gpu_hour=3.60 USD/h", "price.date=2025-11-01", "price.source=a quote"
#define SMALL "operation=all_reduce", "sizes=1M;4M"

#define SCENARIO(...) test_scenario((const char *const[]) { __VA_ARGS__, NULL })

/* Takes both. */
static FabComparison *
compare(FabScenario *first, FabScenario *second, GError **error)
{
    g_autoptr(GPtrArray) scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free);

    g_ptr_array_add(scenarios, first);
    g_ptr_array_add(scenarios, second);
    return fab_compare(scenarios, NULL, NULL, error);
}

static FabComparison *
good(FabScenario *first, FabScenario *second)
{
    g_autoptr(GError) error = NULL;
    FabComparison *comparison = compare(first, second, &error);

    ck_assert_msg(comparison != NULL, "%s", error != NULL ? error->message : "no error");
    return comparison;
}

static void
refuse(const char *pattern, FabScenario *first, FabScenario *second)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(compare(first, second, &error));
    test_refusal(&error, pattern);
}

START_TEST(a_ratio_takes_the_worst_of_one_with_the_best_of_the_other)
{
    FabOutcomeRow slow = { .seconds = 4, .low_s = 3, .high_s = 6, .work = 8 };
    FabOutcomeRow quick = { .seconds = 1, .low_s = 0.5, .high_s = 2, .work = 8 };
    FabOutcomeRow blind = { .seconds = 1, .work = 8 };
    FabRatio ratio = fab_ratio_of(&slow, &quick), unknown = fab_ratio_of(&slow, &blind);

    ck_assert_double_eq(ratio.value, 4);
    ck_assert_double_eq(ratio.low, 1.5);
    ck_assert_double_eq(ratio.high, 12);
    ck_assert_int_eq(fab_speed_verdict(&ratio), FAB_VERDICT_FASTER);
    ck_assert(!unknown.known);
    ck_assert_int_eq(fab_speed_verdict(&unknown), FAB_VERDICT_UNTOLD);
}
END_TEST

START_TEST(a_verdict_is_no_stronger_than_the_intervals)
{
    FabRatio straddling = { 3, 0.9, 9, true, false }, slower = { 0.5, 0.3, 0.99, true, false };
    FabRatio edge = { 1.2, 1, 1.4, true, false };

    ck_assert_int_eq(fab_speed_verdict(&straddling), FAB_VERDICT_UNTOLD);
    ck_assert_int_eq(fab_speed_verdict(&slower), FAB_VERDICT_SLOWER);
    ck_assert_int_eq(fab_speed_verdict(&edge), FAB_VERDICT_UNTOLD);
}
END_TEST

START_TEST(one_run_at_two_prices_leaves_no_doubt_which_is_cheaper)
{
    g_autoptr(FabComparison) comparison =
        good(SCENARIO("topology.name=dgx-h100", SMALL, PRICED),
             SCENARIO("topology.name=dgx-h100", SMALL, "price.gpu_hour=3.20 USD/h", "price.date=2025-11-01",
                      "price.source=another quote", "scenario.title=elsewhere"));
    g_autoptr(FabComparison) fewer =
        good(SCENARIO("topology.name=dgx-h100", SMALL, PRICED),
             SCENARIO("topology.name=dgx-h100", SMALL, PRICED, "ranks=4"));
    FabRatio ratio = fab_comparison_ratio(comparison, 1, 1 << 20), other = fab_comparison_ratio(fewer, 1, 1 << 20);

    ck_assert(ratio.known && ratio.low == 1 && ratio.high == 1);
    ck_assert_int_eq(fab_speed_verdict(&ratio), FAB_VERDICT_SAME);
    ck_assert_ptr_nonnull(comparison->bases->pdata[1]);
    ck_assert_ptr_null(fewer->bases->pdata[1]);
    ck_assert(other.low < other.value);
}
END_TEST

START_TEST(more_work_in_the_same_time_is_faster)
{
    FabOutcomeRow small = { .seconds = 2, .low_s = 2, .high_s = 2, .work = 10 };
    FabOutcomeRow large = { .seconds = 2, .low_s = 2, .high_s = 2, .work = 30 };

    ck_assert_double_eq_tol(fab_ratio_of(&small, &large).value, 3, 1e-12);
}
END_TEST

START_TEST(a_machine_against_itself_is_the_same)
{
    g_autoptr(FabComparison) comparison = good(SCENARIO("topology.name=dgx-h100", SMALL),
                                               SCENARIO(SMALL, "topology.name=dgx-h100"));
    FabRatio whole = fab_comparison_ratio(comparison, 1, 1 << 20);

    ck_assert_int_eq(fab_speed_verdict(&whole), FAB_VERDICT_SAME);

    ck_assert_uint_eq(comparison->sizes->len, 2);
    for (guint i = 0; i < comparison->sizes->len; i++) {
        uint64_t size = g_array_index(comparison->sizes, uint64_t, i);
        FabRatio ratio = fab_ratio_of(fab_outcome_row(comparison->outcomes->pdata[0], size),
                                      fab_outcome_row(comparison->outcomes->pdata[1], size));
        ck_assert_double_eq(ratio.value, 1);
        ck_assert_int_eq(fab_speed_verdict(&ratio), FAB_VERDICT_UNTOLD);
    }
}
END_TEST

START_TEST(only_sizes_that_all_have_are_compared)
{
    g_autoptr(FabComparison) comparison =
        good(SCENARIO("topology.name=dgx-h100", "operation=all_reduce", "sizes=4M;1M;1M;2M"),
             SCENARIO("topology.name=dgx-a100", "operation=all_reduce", "sizes=1M;8M;4M"));

    ck_assert_uint_eq(comparison->sizes->len, 2);
    ck_assert_uint_eq(g_array_index(comparison->sizes, uint64_t, 0), 1 << 20);
    ck_assert_uint_eq(g_array_index(comparison->sizes, uint64_t, 1), 4 << 20);
}
END_TEST

START_TEST(what_has_nothing_in_common_is_refused)
{
    static const char *const step[] = { "topology.name=dgx-h100", "model.preset=llama-3-8b",
                                        "training.global_batch=128", NULL };

    refuse("another collective", SCENARIO("topology.name=dgx-h100", SMALL),
           SCENARIO("topology.name=dgx-h100", "operation=alltoall", "sizes=1M"));
    refuse("no size that all", SCENARIO("topology.name=dgx-h100", SMALL),
           SCENARIO("topology.name=dgx-h100", "operation=all_reduce", "sizes=2M"));
    refuse("a training step", SCENARIO("topology.name=dgx-h100", SMALL), test_scenario(step));
    refuse("is inference and", test_scenario(step),
           SCENARIO("topology.name=dgx-h100", "model.preset=llama-3-8b", "inference.batch=2"));
    refuse("another model", test_scenario(step),
           SCENARIO("topology.name=dgx-h100", "model.preset=llama-2-7b", "training.global_batch=128"));
    refuse("no rates of exchange", SCENARIO("topology.name=dgx-h100", SMALL, PRICED),
           SCENARIO("topology.name=dgx-a100", SMALL, "price.gpu_hour=2 EUR/h", "price.date=2025-11",
                    "price.source=x"));
}
END_TEST

START_TEST(rent_is_paid_for_the_gpus_that_work_and_purchases_for_the_machine)
{
    g_autoptr(FabComparison) comparison =
        good(SCENARIO("topology.name=dgx-h100", SMALL, "ranks=4", PRICED),
             SCENARIO("topology.name=dgx-h100", SMALL, "ranks=4", "price.machine=87660 USD", "price.years=1",
                      "price.date=2025-11", "price.source=a quote", "power.machine=10 kW", "power.overhead=1.5",
                      "power.kwh=0.2 USD/kWh", "power.date=2025-11", "power.source=a bill"));
    const FabOutcome *rented = comparison->outcomes->pdata[0], *bought = comparison->outcomes->pdata[1];
    const FabOutcomeRow *row = fab_outcome_row(rented, 1 << 20);
    FabUnitCost cost = fab_unit_cost(rented, row);

    ck_assert_double_eq_tol(rented->per_second, 4 * 3.6 / 3600, 1e-15);
    ck_assert_double_eq_tol(bought->per_second, (10 + 10 * 1.5 * 0.2) / 3600, 1e-12);
    ck_assert_double_eq_tol(bought->watts, 15000, 1e-9);
    ck_assert_double_eq_tol(cost.value, row->seconds * rented->per_second / 1048576, 1e-20);
    ck_assert_double_lt(cost.low, cost.value);
    ck_assert_double_gt(cost.high, cost.value);
    ck_assert_str_eq(comparison->currency, "USD");
}
END_TEST

/* The message about these sets, which are added to a good scenario. */
static void
refuse_price(const char *pattern, const char *const *more)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(sets, (gpointer)"topology.name=dgx-h100");
    g_ptr_array_add(sets, (gpointer)"operation=all_reduce");
    for (; *more != NULL; more++)
        g_ptr_array_add(sets, (gpointer)*more);
    g_ptr_array_add(sets, NULL);
    ck_assert_ptr_null(fab_scenario_from_sets((char *const *)sets->pdata, &error));
    test_refusal(&error, pattern);
}

#define REFUSE_PRICE(pattern, ...) refuse_price(pattern, (const char *const[]) { __VA_ARGS__, NULL })
#define ORIGIN "price.date=2025-11", "price.source=x"

START_TEST(prices_have_a_unit_a_date_and_a_source)
{
    REFUSE_PRICE("gpu_hour: \"2\" is not an amount with its currency, such as 12.50 USD/h", "price.gpu_hour=2", ORIGIN);
    REFUSE_PRICE("is not an amount", "price.gpu_hour=2 USD", ORIGIN);
    REFUSE_PRICE("is not an amount", "price.gpu_hour=2 usd/h", ORIGIN);
    REFUSE_PRICE("is not an amount", "price.gpu_hour=-2 USD/h", ORIGIN);
    REFUSE_PRICE("is not an amount", "price.machine=nan USD", "price.years=4", ORIGIN);
    REFUSE_PRICE("needs years", "price.machine=2 USD", ORIGIN);
    REFUSE_PRICE("both machine and gpu_hour", "price.machine=2 USD", "price.gpu_hour=2 USD/h", ORIGIN);
    REFUSE_PRICE("no price", ORIGIN);
    REFUSE_PRICE("needs date", "price.gpu_hour=2 USD/h", "price.source=x");
    REFUSE_PRICE("needs source", "price.gpu_hour=2 USD/h", "price.date=2025-11");
    REFUSE_PRICE("is not a date", "price.gpu_hour=2 USD/h", "price.date=2025-13", "price.source=x");
    REFUSE_PRICE("did you mean gpu_hour", "price.gpu_hours=2 USD/h", ORIGIN);
    REFUSE_PRICE("power.*needs machine", "power.kwh=0.1 USD/kWh", "power.date=2025-11", "power.source=x");
    REFUSE_PRICE("must be one currency", "price.gpu_hour=2 USD/h", ORIGIN, "power.machine=10 kW", "power.kwh=1 EUR/kWh",
                 "power.date=2025-11", "power.source=x");
}
END_TEST

START_TEST(answers_are_compared_by_the_tokens_they_generate)
{
    g_autoptr(FabComparison) comparison =
        good(SCENARIO("topology.name=dgx-h100", "model.preset=llama-3-8b", "inference.batch=2"),
             SCENARIO("topology.name=dgx-h100", "model.preset=llama-3-8b", "inference.batch=4"));
    const FabOutcome *outcome = comparison->outcomes->pdata[0];
    const FabOutcomeRow *first = fab_outcome_row(outcome, 0);
    const FabOutcomeRow *other = fab_outcome_row(comparison->outcomes->pdata[1], 0);

    ck_assert_double_eq_tol(other->work / first->work, 2, 1e-9);
    ck_assert(outcome->guessed && outcome->fits && outcome->memory_bytes > 0);
    ck_assert_ptr_nonnull(first->binding);
}
END_TEST

START_TEST(steps_that_differ_in_the_link_alone_are_compared_as_a_pair)
{
    g_autoptr(FabComparison) comparison =
        good(SCENARIO("topology.name=ws2-x16", "topology.gpu=rtx-3090", "model.preset=gpt-2", "parallel.pp=2",
                      "training.global_batch=8", "training.precision=fp16"),
             SCENARIO("topology.name=ws2-bridge-3090", "model.preset=gpt-2", "parallel.pp=2",
                      "training.global_batch=8", "training.precision=fp16"));
    FabRatio apart = fab_ratio_of(fab_outcome_row(comparison->outcomes->pdata[0], 0),
                                  fab_outcome_row(comparison->outcomes->pdata[1], 0));
    FabRatio paired = fab_comparison_ratio(comparison, 1, 0);

    ck_assert_double_eq_tol(paired.value, apart.value, 1e-12);
    ck_assert_double_gt(paired.low, apart.low);
    ck_assert_double_lt(paired.high, apart.high);
    ck_assert_ptr_nonnull(comparison->bases->pdata[1]);
    ck_assert_ptr_null(comparison->bases->pdata[0]);
}
END_TEST

START_TEST(faults_and_goodput_are_named)
{
    g_autoptr(FabComparison) faulty =
        good(SCENARIO("topology.name=dgx-h100", SMALL),
             SCENARIO("topology.name=dgx-h100", SMALL, "fault.kind=slow-gpu", "fault.at=GPU 1", "fault.factor=2"));
    const FabOutcome *whole = faulty->outcomes->pdata[0], *broken = faulty->outcomes->pdata[1];
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    fab_report_comparison(faulty, out);
    fclose(out);
    ck_assert_ptr_null(whole->faults);
    ck_assert_str_eq(broken->faults, "fault: slow-gpu at GPU 1, 2 times as long");
    ck_assert_ptr_nonnull(strstr(text, "# B faults    fault: slow-gpu at GPU 1, 2 times as long\n"));
    free(text);
}
END_TEST

START_TEST(a_step_is_compared_by_its_tokens)
{
    g_autoptr(FabComparison) comparison =
        good(SCENARIO("topology.name=ws2-bridge-3090", "model.preset=gpt-2", "parallel.tp=2",
                      "training.global_batch=8", "training.precision=fp16"),
             SCENARIO("topology.name=ws2-x16", "topology.gpu=rtx-3090", "model.preset=gpt-2", "parallel.tp=2",
                      "training.global_batch=16", "training.precision=fp16"));
    const FabOutcomeRow *first = fab_outcome_row(comparison->outcomes->pdata[0], 0);
    const FabOutcomeRow *other = fab_outcome_row(comparison->outcomes->pdata[1], 0);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    ck_assert_double_eq_tol(other->work / first->work, 2, 1e-12);
    ck_assert_ptr_nonnull(first->binding);
    ck_assert(((FabOutcome *)comparison->outcomes->pdata[0])->memory_bytes > 0);
    fab_report_comparison(comparison, out);
    fclose(out);
    ck_assert(strstr(text, "# B memory    fits: ") != NULL);
    free(text);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("compare");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_ratio_takes_the_worst_of_one_with_the_best_of_the_other);
    tcase_add_test(tests, a_verdict_is_no_stronger_than_the_intervals);
    tcase_add_test(tests, one_run_at_two_prices_leaves_no_doubt_which_is_cheaper);
    tcase_add_test(tests, more_work_in_the_same_time_is_faster);
    tcase_add_test(tests, a_machine_against_itself_is_the_same);
    tcase_add_test(tests, only_sizes_that_all_have_are_compared);
    tcase_add_test(tests, what_has_nothing_in_common_is_refused);
    tcase_add_test(tests, rent_is_paid_for_the_gpus_that_work_and_purchases_for_the_machine);
    tcase_add_test(tests, prices_have_a_unit_a_date_and_a_source);
    tcase_add_test(tests, answers_are_compared_by_the_tokens_they_generate);
    tcase_add_test(tests, steps_that_differ_in_the_link_alone_are_compared_as_a_pair);
    tcase_add_test(tests, faults_and_goodput_are_named);
    tcase_add_test(tests, a_step_is_compared_by_its_tokens);
    return run_tests(tests);
}
