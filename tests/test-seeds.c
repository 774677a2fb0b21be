#include "predict/seeds.h"

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "report/report.h"
#include "scenario/scenario.h"
#include "suite.h"

/* Four DGX A100 below switches of 16 ports: some of 32 flows share a cable in every draw. */
#define CLUSTER "topology.name=cluster", "topology.plugin=fat-tree", "topology.node=dgx-a100", "topology.nodes=4", \
                "topology.radix=16"
#define GATHER "collective.operation=all_gather", "collective.algorithm=ring", "collective.sizes=1M,64M"

static FabResult *
run_sets(const char *const *sets, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, error);

    return scenario != NULL ? fab_run(scenario, NULL, NULL, error) : NULL;
}

static FabResult *
gather(const char *more, const char *most)
{
    const char *const sets[] = { CLUSTER, GATHER, more != NULL ? more : most, more != NULL ? most : NULL, NULL };
    g_autoptr(GError) error = NULL;
    FabResult *result = run_sets(sets, &error);

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    return result;
}

static const FabResultRow *
row_at(const FabResult *result, guint place)
{
    return result->rows->pdata[place];
}

static int
compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

START_TEST(draws_are_those_of_the_seeds_one_by_one)
{
    g_autoptr(FabResult) drawn = gather("collective.seeds=5", "topology.seed=3");
    int64_t times[2][5];

    for (guint k = 0; k < 5; k++) {
        g_autofree char *seed = g_strdup_printf("topology.seed=%u", 3 + k);
        g_autoptr(FabResult) one = gather(seed, NULL);
        for (guint i = 0; i < 2; i++)
            times[i][k] = row_at(one, i)->time_ps;
    }
    ck_assert_uint_eq(drawn->draws, 5);
    ck_assert_uint_eq(drawn->first_seed, 3);
    for (guint i = 0; i < 2; i++) {
        const FabResultRow *row = row_at(drawn, i);
        qsort(times[i], 5, sizeof **times, compare_times);
        ck_assert_int_eq(row->time_ps, times[i][2]);
        ck_assert_int_eq(row->draws->least_ps, times[i][0]);
        ck_assert_int_eq(row->draws->p5_ps, times[i][0]); /* of five the extremes */
        ck_assert_int_eq(row->draws->p95_ps, times[i][4]);
        ck_assert_int_eq(row->draws->most_ps, times[i][4]);
    }
    ck_assert_int_lt(row_at(drawn, 1)->draws->least_ps, row_at(drawn, 1)->draws->most_ps);
}
END_TEST

START_TEST(the_same_draws_give_the_same_text)
{
    char *texts[2];

    for (guint i = 0; i < 2; i++) {
        g_autoptr(FabResult) result = gather("collective.seeds=6", NULL);
        size_t length;
        FILE *out = open_memstream(&texts[i], &length);
        ck_assert(fab_report_table(result, out, NULL));
        fclose(out);
    }
    ck_assert_str_eq(texts[0], texts[1]);
    ck_assert_ptr_nonnull(strstr(texts[0], "# draws     6 draws of the network's hash, seeds 0 to 5"));
    for (guint i = 0; i < 2; i++)
        free(texts[i]);
}
END_TEST

START_TEST(one_draw_says_that_it_is_one)
{
    g_autoptr(FabResult) one = gather(NULL, NULL), sprayed = gather("topology.routing=spray", NULL);
    g_autoptr(FabResult) leaf = gather("topology.levels=1", "topology.radix=64");
    const FabResult *silent[] = { sprayed, leaf };

    ck_assert_uint_eq(one->notes->len, 1);
    ck_assert_msg(strstr(one->notes->pdata[0], "one draw of its hash, seed 0: --seeds 20") != NULL, "%s",
                  (const char *)one->notes->pdata[0]);
    for (guint i = 0; i < G_N_ELEMENTS(silent); i++)
        ck_assert_uint_eq(silent[i]->notes->len, 0);
}
END_TEST

START_TEST(copies_are_drawn_too)
{
    const char *const sets[] = { CLUSTER, "transfer.flows=0>8 1>9 2>10 3>11 4>12 5>13 6>14 7>15", "transfer.sizes=64M",
                                 "seeds=4", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = run_sets(sets, &error);

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(result->draws, 4);
    ck_assert_int_le(row_at(result, 0)->draws->least_ps, row_at(result, 0)->time_ps);
}
END_TEST

START_TEST(seeds_where_nothing_is_drawn_are_refused)
{
    static const struct {
        const char *set, *message;
    } cases[] = {
        { "topology.routing=adaptive", "command line: seeds is 3, but no hash draws the ways of cluster; set "
                                       "topology.routing=static, or leave seeds out" },
        { "topology.routing=spray", "set topology.routing=static" },
        { "collective.ranks=2,99", "GPU 99" },
    };
    const char *const box[] = { "topology.name=dgx-a100", GATHER, "collective.seeds=3", NULL };
    const char *const none[] = { CLUSTER, GATHER, "collective.seeds=0", NULL };
    g_autoptr(GError) single = NULL, zero = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const sets[] = { CLUSTER, GATHER, "collective.seeds=3", cases[i].set, NULL };
        g_autoptr(GError) error = NULL;
        ck_assert_ptr_null(run_sets(sets, &error));
        ck_assert_msg(strstr(error->message, cases[i].message) != NULL, "%s", error->message);
    }
    ck_assert_ptr_null(run_sets(box, &single));
    ck_assert_msg(strstr(single->message, "which is a single machine; leave seeds out") != NULL, "%s", single->message);
    ck_assert_ptr_null(run_sets(none, &zero));
    ck_assert_msg(strstr(zero->message, "seeds") != NULL, "%s", zero->message);
}
END_TEST

/* Nodes on the leaves of their rails: rings have one way each, only sends to other rails pass spines. */
START_TEST(seeds_where_every_way_is_the_only_one_are_refused)
{
    static const struct {
        const char *set, *more;
        bool drawn;
    } cases[] = {
        { "collective.operation=all_reduce", NULL, false },
        { "collective.operation=alltoall", NULL, false },
        { "collective.operation=alltoall", "topology.pxn=off", true },
        { "collective.ranks=8,9,10,11", NULL, false },
        { "transfer.flows=0>8,0>1", NULL, false },
        { "background.flows=1", "background.rate=1 GB/s", true },
        { "topology.sharp=on", "collective.NCCL_COLLNET_ENABLE=1", false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        bool copy = g_str_has_prefix(cases[i].set, "transfer");
        const char *const sets[] = { "topology.name=superpod-h100", "topology.nodes=4",
                                     copy ? "transfer.sizes=1M" : "collective.sizes=1M",
                                     copy ? "transfer.sizes=1M" : "collective.ranks=16",
                                     copy ? "transfer.seeds=2" : "collective.seeds=2",
                                     copy ? cases[i].set : "collective.operation=all_reduce", cases[i].set,
                                     cases[i].more, NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(FabResult) result = run_sets(sets, &error);
        ck_assert_msg((result != NULL) == cases[i].drawn, "%s", cases[i].set);
        if (result == NULL)
            test_says(error->message, "has one way only through the network of superpod-h100, so that all draws are "
                                      "the same; leave seeds out");
    }
}
END_TEST

START_TEST(CSV_and_JSON_have_the_draws_and_only_where_there_are_any)
{
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_free);
    char *texts[4];

    for (guint i = 0; i < 4; i++) {
        size_t length;
        FILE *out = open_memstream(&texts[i], &length);
        if (i % 2 == 0)
            g_ptr_array_add(results, gather(i == 0 ? NULL : "collective.seeds=3", NULL));
        ck_assert((i % 2 == 0 ? fab_report_csv : fab_report_json)(results, out, NULL));
        fclose(out);
    }
    ck_assert(strstr(texts[0], "draw_p95_us") == NULL && strstr(texts[1], "\"draws") == NULL);
    ck_assert_ptr_nonnull(strstr(texts[2], ",slices,draws,draw_fastest_us,draw_p5_us,draw_p95_us,draw_slowest_us\r\n"));
    ck_assert_ptr_nonnull(strstr(texts[2], ",1,,,,\r\n")); /* the result before, which is one draw */
    ck_assert_ptr_nonnull(strstr(texts[3], "\"draws\": 3, \"first_seed\": 0"));
    ck_assert_ptr_nonnull(strstr(texts[3], "\"draws_us\": {\"fastest\": "));
    for (guint i = 0; i < 4; i++)
        free(texts[i]);
}
END_TEST

int
main(void)
{
    TCase *cases = tcase_create("seeds");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, draws_are_those_of_the_seeds_one_by_one);
    tcase_add_test(cases, the_same_draws_give_the_same_text);
    tcase_add_test(cases, one_draw_says_that_it_is_one);
    tcase_add_test(cases, copies_are_drawn_too);
    tcase_add_test(cases, seeds_where_nothing_is_drawn_are_refused);
    tcase_add_test(cases, seeds_where_every_way_is_the_only_one_are_refused);
    tcase_add_test(cases, CSV_and_JSON_have_the_draws_and_only_where_there_are_any);
    return run_tests(cases);
}
