#include "validate/leave-out.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "suite.h"
#include "validate/resolve.h"

/* A case of the open set as if `machine` had measured it, every time multiplied by `factor`. */
static FabMeasurement *
case_of(const char *id, const char *machine, double factor)
{
    g_autofree char *name = g_strconcat(id, ".ini", NULL);
    g_autofree char *path = g_build_filename(fab_path_measurements(), name, NULL);
    g_autoptr(GError) error = NULL;
    FabMeasurement *measurement = fab_measurement_load(path, &error);

    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "");
    ck_assert(fab_measurement_set(measurement, "source", "machine", machine, NULL));
    for (guint i = 0; i < measurement->rows->len; i++) {
        char **cells = measurement->rows->pdata[i];
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];
        double time = fab_measured_us(measurement, i);
        g_free(cells[FAB_COLLECTIVE_TIME]);
        cells[FAB_COLLECTIVE_TIME] = g_strdup(g_ascii_formatd(buffer, sizeof buffer, "%.6f", time * factor));
    }
    return measurement;
}

static GPtrArray *
list_of(FabMeasurement *first, FabMeasurement *second)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);

    g_ptr_array_add(list, first);
    if (second != NULL)
        g_ptr_array_add(list, second);
    return list;
}

static const FabValidationRow *
row_of(const FabValidation *validation, guint index, guint row)
{
    const FabValidationCase *one = validation->cases->pdata[index];

    return &g_array_index(one->rows, FabValidationRow, row);
}

/* Mean of ln(left out / shipped) of a case. */
static double
shift_of(const FabValidation *left, const FabValidation *shipped, guint index)
{
    const FabValidationCase *one = left->cases->pdata[index];
    double sum = 0;

    ck_assert_uint_gt(one->rows->len, 0);
    for (guint i = 0; i < one->rows->len; i++)
        sum += log(row_of(left, index, i)->predicted_us[FAB_PREDICTOR_ENGINE] /
                   row_of(shipped, index, i)->predicted_us[FAB_PREDICTOR_ENGINE]);
    return sum / one->rows->len;
}

static FabValidation *
leave_out(GPtrArray *measurements)
{
    g_autoptr(GError) error = NULL;
    FabValidation *validation = fab_validate_left_out(measurements, NULL, NULL, &error);

    ck_assert_msg(validation != NULL, "%s", error != NULL ? error->message : "");
    ck_assert(validation->left_out);
    return validation;
}

#define CASE "aic-h100-nccl2.23-all-gather-8gpu"

START_TEST(a_machine_that_another_one_repeats_is_not_missed)
{
    g_autoptr(GPtrArray) measurements = list_of(case_of(CASE, "one", 1), case_of(CASE, "two", 1));
    g_autoptr(FabValidation) shipped = fab_validate(measurements, NULL, NULL, NULL);
    g_autoptr(FabValidation) left = leave_out(measurements);

    for (guint i = 0; i < 2; i++)
        ck_assert_double_eq_tol(shift_of(left, shipped, i), 0, 0.06);
}
END_TEST

/* Whoever says that all takes longer pulls the constants of the other one up, and gets none of it back. */
START_TEST(a_machine_is_predicted_by_what_the_other_one_says)
{
    g_autoptr(GPtrArray) measurements = list_of(case_of(CASE, "fast", 0.6), case_of(CASE, "slow", 1.6));
    g_autoptr(FabValidation) shipped = fab_validate(measurements, NULL, NULL, NULL);
    g_autoptr(FabValidation) left = leave_out(measurements);

    ck_assert_double_gt(shift_of(left, shipped, 0), 0.1);
    ck_assert_double_lt(shift_of(left, shipped, 1), -0.1);
    ck_assert_uint_eq(left->in_sample[FAB_BAND_LARGE].cases, 2);
}
END_TEST

START_TEST(a_generation_that_one_machine_measured_is_predicted_with_another_ones_kernels)
{
    g_autoptr(GPtrArray) measurements =
        list_of(case_of("ofccl-v100x8-all-reduce", "v100", 1), case_of(CASE, "h100", 1));
    g_autoptr(FabValidation) shipped = fab_validate(measurements, NULL, NULL, NULL);
    g_autoptr(FabValidation) left = leave_out(measurements);

    ck_assert_double_gt(fabs(shift_of(left, shipped, 0)), 0.02);
    ck_assert_double_gt(fabs(shift_of(left, shipped, 1)), 0.02);
    ck_assert_str_eq(((FabValidationCase *)left->cases->pdata[0])->id, "ofccl-v100x8-all-reduce");
    ck_assert_uint_eq(((FabValidationCase *)left->cases->pdata[1])->rows->len,
                      ((FabValidationCase *)shipped->cases->pdata[1])->rows->len);
}
END_TEST

/* What a cluster's network adds to each message, us, as it is resolved. */
static double
message_us(FabMeasurement *measurement, bool left_out, bool *borrowed)
{
    g_auto(FabResolved) resolved = { 0 };

    (left_out ? fab_resolve_cluster_left_out : fab_resolve_cluster)(measurement, &resolved);
    ck_assert_msg(resolved.reason == NULL, "%s", resolved.detail);
    *borrowed = resolved.borrowed;
    return resolved.topology->network.message_time * 1e6;
}

START_TEST(what_only_one_cluster_tells_of_its_NICs_is_borrowed_without_it)
{
    static const struct {
        const char *id, *machine;
        bool borrowed;
    } cases[] = {
        { "gcp-a3mega-2n-allgather-tcpxo", "gcp-a3mega", true },
        { "gcp-a3high-2n-allgather-tcpx", "gcp-a3high", true },
        { "gcp-rdma-2n-allgather-a3ultra", "gcp-a3ultra", true },
        { "gcp-a3mega-2n-allgather-tcpxo", "a neighbour with such NICs", false },
        { "p5-2n-allreduce-nccl2203", "keitaw-p5", false }, /* another cluster has EFA too */
        { "deepops-dgxa100-4n-allreduce-hdr", "deepops-dgxa100", false },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FabMeasurement) measurement = case_of(cases[i].id, cases[i].machine, 1);
        bool borrowed, never;
        double with = message_us(measurement, false, &never), without = message_us(measurement, true, &borrowed);
        ck_assert_msg(borrowed == cases[i].borrowed && !never, "%s", cases[i].id);
        ck_assert_msg((with != without) == borrowed, "%s: %g, without %g", cases[i].id, with, without);
    }
}
END_TEST

START_TEST(clusters_are_predicted_without_themselves)
{
    g_autoptr(GPtrArray) measurements = list_of(case_of("gcp-a3mega-2n-allgather-tcpxo", "gcp-a3mega", 1),
                                                case_of("nccl1801-gb200-3xnvl4-allreduce-tree", "gb200", 1));
    g_autoptr(GError) error = NULL, alone = NULL;
    g_autoptr(FabValidation) shipped = fab_validate_clusters(measurements, NULL, 0, NULL, NULL);
    g_autoptr(FabValidation) left = fab_validate_clusters_left_out(measurements, 0, NULL, NULL, &error);
    const FabValidationRow *small;

    ck_assert_msg(left != NULL, "%s", error != NULL ? error->message : "");
    ck_assert(left->left_out && left->clusters);
    ck_assert_double_lt(shift_of(left, shipped, 0), -0.02); /* messages of EFA take less than those of TCPXO */
    ck_assert_double_eq_tol(shift_of(left, shipped, 1), 0, 1e-9);
    small = row_of(left, 0, 0);
    ck_assert(small->transferred);
    ck_assert(isfinite(small->low_us) && small->low_us <= small->predicted_us[FAB_PREDICTOR_ENGINE]);
    ck_assert(!row_of(left, 1, 0)->transferred);
    g_ptr_array_remove_index(measurements, 1);
    ck_assert_ptr_null(fab_validate_clusters_left_out(measurements, 0, NULL, NULL, &alone));
    ck_assert_str_eq(alone->message,
                     "leave-one-out: the measurements name one cluster over several nodes, two clusters are needed");
}
END_TEST

START_TEST(what_cannot_be_left_out_is_refused)
{
    g_autoptr(GPtrArray) one = list_of(case_of(CASE, "one", 1), case_of(CASE, "one", 1));
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(GError) alone = NULL, empty = NULL;

    ck_assert_ptr_null(fab_validate_left_out(one, NULL, NULL, &alone));
    ck_assert_str_eq(alone->message, "leave-one-out: all measurements that can be predicted come from one machine, two "
                                     "are needed");
    ck_assert_ptr_null(fab_validate_left_out(none, NULL, NULL, &empty));
    ck_assert_msg(g_str_has_prefix(empty->message, "leave-one-out: none of 0 measurements"), "%s", empty->message);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("leave-out");

    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, a_machine_that_another_one_repeats_is_not_missed);
    tcase_add_test(tests, a_machine_is_predicted_by_what_the_other_one_says);
    tcase_add_test(tests, a_generation_that_one_machine_measured_is_predicted_with_another_ones_kernels);
    tcase_add_test(tests, what_only_one_cluster_tells_of_its_NICs_is_borrowed_without_it);
    tcase_add_test(tests, clusters_are_predicted_without_themselves);
    tcase_add_test(tests, what_cannot_be_left_out_is_refused);
    return run_tests(tests);
}
