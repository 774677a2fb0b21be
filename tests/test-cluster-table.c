#include "validate/cluster-table.h"

#include <check.h>

#include "suite.h"

static void
free_case(gpointer data)
{
    FabValidationCase *one = data;

    g_array_unref(one->rows);
    g_free(one);
}

static FabValidation *
empty(void)
{
    FabValidation *validation = g_new0(FabValidation, 1);

    validation->clusters = true;
    validation->cases = g_ptr_array_new_with_free_func(free_case);
    return validation;
}

/* A table of one row, predicted as 100 us. */
static FabValidationCase *
add_case(FabValidation *validation, char *machine, bool shared, uint64_t size, double measured_us)
{
    FabValidationCase *one = g_new0(FabValidationCase, 1);
    FabValidationRow row = { .size_bytes = size, .measured_us = measured_us };

    *one = (FabValidationCase) { .machine = machine, .topology = (char *)"box", .collective = (char *)"all_reduce",
                                 .ranks = 16, .scored = true, .grade = 'A' };
    one->cluster = (FabClusterFacts) { .nodes = 2, .shared = shared, .network = (char *)"", .forced = (char *)"" };
    one->rows = g_array_new(FALSE, TRUE, sizeof(FabValidationRow));
    row.predicted_us[FAB_PREDICTOR_ENGINE] = 100;
    g_array_append_val(one->rows, row);
    g_ptr_array_add(validation->cases, one);
    return one;
}

static void
discard(FabValidation *validation)
{
    g_ptr_array_unref(validation->cases);
    g_free(validation);
}

START_TEST(repeats_are_one_table_and_the_fastest_is_the_best)
{
    FabValidation *validation = empty();
    g_autoptr(GPtrArray) tables = NULL;
    const FabClusterTable *table;

    add_case(validation, (char *)"shared", true, FAB_BEST_FROM, 200);
    add_case(validation, (char *)"shared", true, FAB_BEST_FROM, 80);
    tables = fab_cluster_tables(validation);
    ck_assert_uint_eq(tables->len, 1);
    table = tables->pdata[0];
    ck_assert_uint_eq(table->cases, 2);
    ck_assert_uint_eq(table->repeats, 2);
    ck_assert_double_eq_tol(fab_cluster_best_us(validation, table->first, FAB_BEST_FROM), 80, 1e-9);
    ck_assert_double_eq_tol(table->best.mean, 0.25, 1e-9);
    ck_assert_double_eq_tol(table->summary[FAB_BAND_LARGE].mean, (0.5 + 0.25) / 2, 1e-9);
    ck_assert_double_eq_tol(table->summary[FAB_BAND_LARGE].bias, (-0.5 + 0.25) / 2, 1e-9);
    discard(validation);
}
END_TEST

START_TEST(other_nodes_collectives_and_algorithms_are_other_tables)
{
    FabValidation *validation = empty();
    g_autoptr(GPtrArray) tables = NULL;

    add_case(validation, (char *)"m", false, 1, 100);
    add_case(validation, (char *)"m", false, 1, 100)->cluster.nodes = 4;
    add_case(validation, (char *)"m", false, 1, 100)->collective = (char *)"all_gather";
    add_case(validation, (char *)"m", false, 1, 100)->cluster.forced = (char *)"ring";
    add_case(validation, (char *)"m", false, 1, 100)->ranks = 8;
    add_case(validation, (char *)"m", false, 1, 100)->scored = false; /* grade C */
    tables = fab_cluster_tables(validation);
    ck_assert_uint_eq(tables->len, 5);
    for (guint i = 0; i < tables->len; i++)
        ck_assert_uint_eq(((const FabClusterTable *)tables->pdata[i])->cases, 1);
    discard(validation);
}
END_TEST

START_TEST(sizes_below_32_MiB_and_networks_of_their_own_have_no_best)
{
    FabValidation *validation = empty();
    g_autoptr(GPtrArray) tables = NULL;

    add_case(validation, (char *)"own", false, FAB_BEST_FROM, 100);
    add_case(validation, (char *)"shared", true, FAB_BEST_FROM - 1, 100);
    tables = fab_cluster_tables(validation);
    ck_assert_uint_eq(tables->len, 2);
    for (guint i = 0; i < tables->len; i++)
        ck_assert_uint_eq(((const FabClusterTable *)tables->pdata[i])->best.rows, 0);
    discard(validation);
}
END_TEST

START_TEST(a_bar_is_the_mean_of_its_tables)
{
    FabValidation *validation = empty();
    g_autoptr(GPtrArray) tables = NULL;
    FabBarMean bars[FAB_BARS];

    add_case(validation, (char *)"a", false, 8 << 20, 100);
    add_case(validation, (char *)"a", false, 8 << 20, 100); /* a repeat makes its table no heavier */
    add_case(validation, (char *)"b", false, 8 << 20, 125);
    add_case(validation, (char *)"b", false, 64 << 10, 80);
    add_case(validation, (char *)"c", true, FAB_BEST_FROM, 100.0 / 1.1);
    tables = fab_cluster_tables(validation);
    fab_cluster_bars(tables, bars);
    ck_assert_uint_eq(bars[FAB_BAR_LARGE].tables, 2);
    ck_assert_uint_eq(bars[FAB_BAR_LARGE].within, 1);
    ck_assert_double_eq_tol(bars[FAB_BAR_LARGE].mean, 0.1, 1e-9);
    ck_assert_double_eq_tol(bars[FAB_BAR_MIDDLE].mean, 0.25, 1e-9);
    ck_assert_uint_eq(bars[FAB_BAR_SHARED].within, 1);
    ck_assert_double_eq_tol(bars[FAB_BAR_SHARED].mean, 0.1, 1e-9);
    discard(validation);
}
END_TEST

START_TEST(nothing_scored_is_no_table)
{
    FabValidation *validation = empty();
    g_autoptr(GPtrArray) tables = fab_cluster_tables(validation);
    FabBarMean bars[FAB_BARS];

    fab_cluster_bars(tables, bars);
    ck_assert_uint_eq(tables->len, 0);
    for (int b = 0; b < FAB_BARS; b++)
        ck_assert_uint_eq(bars[b].tables, 0);
    discard(validation);
}
END_TEST

int
main(void)
{
    TCase *cases = tcase_create("cluster-table");

    tcase_add_test(cases, repeats_are_one_table_and_the_fastest_is_the_best);
    tcase_add_test(cases, other_nodes_collectives_and_algorithms_are_other_tables);
    tcase_add_test(cases, sizes_below_32_MiB_and_networks_of_their_own_have_no_best);
    tcase_add_test(cases, a_bar_is_the_mean_of_its_tables);
    tcase_add_test(cases, nothing_scored_is_no_table);
    return run_tests(cases);
}
