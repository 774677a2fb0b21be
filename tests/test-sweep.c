/* Sweeps: values, grids, samples, the Pareto front. */
#include "study/sweep.h"

#include <check.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static void
check_values(const char *text, const char *joined)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) values = fab_parse_values(text, &error);
    g_autofree char *all = values != NULL ? g_strjoinv(",", values) : NULL;

    ck_assert_msg(values != NULL, "%s: %s", text, error != NULL ? error->message : "no error");
    ck_assert_str_eq(all, joined);
}

START_TEST(values_are_lists_and_ranges)
{
    check_values("ring", "ring");
    check_values("ring | nvls|tree", "ring,nvls,tree");
    check_values("1..4", "1,2,3,4");
    check_values("0..0", "0");
    check_values("2..16*2", "2,4,8,16");
    check_values("1..100*10 | 7", "1,10,100,7");
    check_values("100..400+150 Gb/s", "100 Gb/s,250 Gb/s,400 Gb/s");
    check_values("0.1..0.3+0.1", "0.1,0.2,0.3");
    check_values("64..256*2M", "64M,128M,256M");
    check_values("1M:1G", "1M:1G");
    check_values("../machines/mine.ini", "../machines/mine.ini");
}
END_TEST

START_TEST(bad_values_are_refused)
{
    static const char *const texts[] = { "", "|", "a||b", "4..1", "1..8*1", "1..8*0.5", "1..8+0", "0..8*2",
                                         "0..1+0.000001", "1M..64M+1M", "1 GB/s..4 GB/s" };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) values = fab_parse_values(texts[i], &error);
        ck_assert_msg(values == NULL, "\"%s\" is accepted", texts[i]);
        ck_assert_ptr_nonnull(error);
    }
}
END_TEST

/* A sweep of two axes in a file of its own, which is gone afterwards. */
static FabSweep *
sweep_of(const char *group, GError **error)
{
    char path[] = "/tmp/fab-sweep-XXXXXX";
    g_autofree char *text = g_strconcat("[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\n[sweep]\n",
                                        group, NULL);
    int file = g_mkstemp(path);
    FabSweep *sweep;

    ck_assert_int_ge(file, 0);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    sweep = fab_sweep_load(path, NULL, error);
    g_unlink(path);
    close(file);
    return sweep;
}

static FabSweep *
good_sweep(const char *group)
{
    g_autoptr(GError) error = NULL;
    FabSweep *sweep = sweep_of(group, &error);

    ck_assert_msg(sweep != NULL, "%s", error != NULL ? error->message : "no error");
    return sweep;
}

START_TEST(a_grid_is_every_combination_once)
{
    g_autoptr(FabSweep) sweep = good_sweep("collective.ranks=2|4|8\ncollective.algorithm=ring|tree\n");
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) last = fab_sweep_settings(sweep, 5);

    ck_assert_uint_eq(sweep->points, 6);
    for (uint64_t i = 0; i < sweep->points; i++) {
        g_auto(GStrv) settings = fab_sweep_settings(sweep, i);
        ck_assert(g_hash_table_add(seen, g_strjoinv(" ", settings)));
    }
    ck_assert_str_eq(last[0], "collective.ranks=8");
    ck_assert_str_eq(last[1], "collective.algorithm=tree");
    ck_assert_ptr_null(last[2]);
    ck_assert_str_eq(fab_sweep_value(sweep, 1, 1), "tree"); /* the last axis changes fastest */
}
END_TEST

START_TEST(keys_that_belong_together_change_together)
{
    g_autoptr(FabSweep) sweep = good_sweep("topology.name & price.gpu_hour=dgx-a100 & 1 USD/h | dgx-h100 & 2 USD/h\n"
                                           "collective.ranks=2|4\n");
    g_auto(GStrv) last = fab_sweep_settings(sweep, 3);
    g_autoptr(GError) short_of = NULL, alone = NULL, goodput = NULL;

    ck_assert_uint_eq(sweep->points, 4);
    ck_assert_str_eq(last[0], "topology.name=dgx-h100");
    ck_assert_str_eq(last[1], "price.gpu_hour=2 USD/h");
    ck_assert_str_eq(last[2], "collective.ranks=4");
    ck_assert_ptr_null(last[3]);
    ck_assert_ptr_null(sweep_of("topology.name & price.gpu_hour=dgx-a100 & 1 USD/h | dgx-h100\n", &short_of));
    ck_assert_ptr_nonnull(strstr(short_of->message, "has 1 parts, must have one for each of 2 keys"));
    ck_assert_ptr_null(sweep_of("topology.name & gpus=dgx-a100 & 1\n", &alone));
    ck_assert_ptr_nonnull(strstr(alone->message, "gpus is not known"));
    ck_assert_ptr_null(sweep_of("goodput.spares=1..4\n", &goodput));
    ck_assert_ptr_nonnull(strstr(goodput->message, "goodput.spares changes no row"));
}
END_TEST

START_TEST(a_sample_has_no_point_twice_and_covers_the_grid)
{
    g_autoptr(FabSweep) sweep = good_sweep("collective.root=0..999\ncollective.channels=1..1000\n"
                                           "random=20000\nseed=9\n");
    double mean = 0;

    ck_assert_uint_eq(sweep->grid, 1000000);
    ck_assert_uint_eq(sweep->points, 20000);
    for (uint64_t i = 0; i < sweep->points; i++) {
        ck_assert_uint_lt(sweep->sample[i], sweep->grid);
        ck_assert(i == 0 || sweep->sample[i] > sweep->sample[i - 1]);
        mean += (double)sweep->sample[i] / (double)sweep->points;
    }
    /* Uniform: the mean of 20000 lies within four standard errors of the middle. */
    ck_assert_double_eq_tol(mean, 499999.5, 4 * 1e6 / sqrt(12.0 * 20000));
}
END_TEST

START_TEST(a_seed_decides_the_sample)
{
    g_autoptr(FabSweep) one = good_sweep("collective.root=0..9999\nrandom=100\nseed=1\n");
    g_autoptr(FabSweep) same = good_sweep("collective.root=0..9999\nrandom=100\n");
    g_autoptr(FabSweep) other = good_sweep("collective.root=0..9999\nrandom=100\nseed=2\n");
    g_autoptr(FabSweep) all = good_sweep("collective.root=0..9\nrandom=100\n");

    ck_assert_mem_eq(one->sample, same->sample, 100 * sizeof *one->sample);
    ck_assert_mem_ne(one->sample, other->sample, 100 * sizeof *one->sample);
    ck_assert_uint_eq(all->points, 10);
    ck_assert_ptr_null(all->sample);
}
END_TEST

START_TEST(too_many_points_are_refused)
{
    g_autoptr(GError) first = NULL, second = NULL;

    ck_assert_ptr_null(sweep_of("collective.root=0..9999\ncollective.channels=1..1000\n", &first));
    ck_assert_ptr_nonnull(strstr(first->message, "10000000 combinations"));
    ck_assert_ptr_null(sweep_of("a.a=1..90000\na.b=1..90000\na.c=1..90000\na.d=1..90000\nrandom=5\n", &second));
    ck_assert_ptr_nonnull(strstr(second->message, "2^60"));
}
END_TEST

/* {size, seconds, gpus, fits}; work 1, no price: the cost is seconds x gpus. */
static void
check_front(const double (*given)[4], guint count, const char *expected)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)fab_store_row_free);
    g_autofree bool *front = g_new0(bool, count);

    for (guint i = 0; i < count; i++) {
        FabStoreRow *row = g_new0(FabStoreRow, 1);
        row->size_bytes = (uint64_t)given[i][0];
        row->seconds = given[i][1];
        row->gpus = (uint32_t)given[i][2];
        row->fits = given[i][3] != 0;
        row->work = 1;
        g_ptr_array_add(rows, row);
    }
    fab_sweep_front(rows, front);
    for (guint i = 0; i < count; i++)
        ck_assert_msg(front[i] == (expected[i] == '*'), "row %u of %s", i, expected);
}

START_TEST(the_front_is_what_nothing_else_beats_in_both)
{
    const double trade[][4] = { { 1, 4, 1, 1 }, { 1, 2, 3, 1 }, { 1, 1, 8, 1 }, { 1, 3, 3, 1 }, { 1, 2, 4, 1 } };
    const double sizes[][4] = { { 1, 4, 1, 1 }, { 2, 8, 4, 1 }, { 1, 5, 1, 1 } };
    const double short_of_memory[][4] = { { 0, 1, 1, 0 }, { 0, 2, 2, 1 } };
    const double equal[][4] = { { 1, 2, 2, 1 }, { 1, 2, 2, 1 }, { 1, 2, 3, 1 } };

    check_front(trade, 5, "***  ");
    check_front(sizes, 3, "** ");
    check_front(short_of_memory, 2, " *");
    check_front(equal, 3, "** ");
}
END_TEST

START_TEST(a_store_takes_a_point_once)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) inputs = g_ptr_array_new();
    g_autoptr(FabStore) store = fab_store_open(NULL, "one", inputs, false, &error);
    bool done[4] = { false };
    uint64_t count;

    ck_assert(fab_store_add(store, 2, NULL, "not possible", &error));
    ck_assert(fab_store_done(store, done, 4, &count, &error));
    ck_assert_uint_eq(count, 1);
    ck_assert(done[2] && !done[1]);
    ck_assert(!fab_store_add(store, 2, NULL, "again", &error));
    g_clear_error(&error);
    ck_assert(fab_store_add(store, 3, NULL, NULL, &error));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("sweep");

    tcase_add_test(tests, values_are_lists_and_ranges);
    tcase_add_test(tests, bad_values_are_refused);
    tcase_add_test(tests, a_grid_is_every_combination_once);
    tcase_add_test(tests, keys_that_belong_together_change_together);
    tcase_add_test(tests, a_sample_has_no_point_twice_and_covers_the_grid);
    tcase_add_test(tests, a_seed_decides_the_sample);
    tcase_add_test(tests, too_many_points_are_refused);
    tcase_add_test(tests, the_front_is_what_nothing_else_beats_in_both);
    tcase_add_test(tests, a_store_takes_a_point_once);
    return run_tests(tests);
}
