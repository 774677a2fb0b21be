#include "validate/statistics.h"

#include <check.h>
#include <math.h>

#include "suite.h"

START_TEST(cases_weigh_the_same_whatever_their_rows)
{
    /* Case 7 has three rows of 10 %, case 2 one of -50 %; their order does not matter. */
    const FabErrorSample samples[] = { { 0.1, 7 }, { -0.5, 2 }, { 0.1, 7 }, { 0.1, 7 } };
    FabErrorSummary summary = fab_error_summary(samples, G_N_ELEMENTS(samples));

    ck_assert_uint_eq(summary.cases, 2);
    ck_assert_uint_eq(summary.rows, 4);
    ck_assert_double_eq_tol(summary.mean, 0.3, 1e-12);
    ck_assert_double_eq_tol(summary.bias, -0.2, 1e-12);
    ck_assert_double_eq_tol(summary.mean_row, 0.2, 1e-12);
    ck_assert_double_eq_tol(summary.median, 0.1, 1e-12);
    ck_assert_double_eq_tol(summary.p90, 0.1 + 0.7 * 0.4, 1e-12);
    ck_assert_double_eq_tol(summary.worst, 0.5, 1e-12);
    ck_assert_double_eq(samples[1].error, -0.5);
}
END_TEST

START_TEST(no_samples_and_one_sample_have_a_summary)
{
    const FabErrorSample one = { -0.25, 0 };
    FabErrorSummary none = fab_error_summary(NULL, 0), single = fab_error_summary(&one, 1);

    ck_assert_uint_eq(none.cases + none.rows, 0);
    ck_assert_double_eq(none.mean, 0);
    ck_assert_double_eq(single.mean, 0.25);
    ck_assert_double_eq(single.bias, -0.25);
    ck_assert_double_eq(single.median, 0.25);
    ck_assert_double_eq(single.p90, 0.25);
}
END_TEST

START_TEST(quantiles_lie_between_neighbours)
{
    const double sorted[] = { 1, 2, 4, 8, 16 };

    ck_assert_double_eq(fab_quantile(sorted, 5, 0), 1);
    ck_assert_double_eq(fab_quantile(sorted, 5, 0.5), 4);
    ck_assert_double_eq(fab_quantile(sorted, 5, 1), 16);
    ck_assert_double_eq_tol(fab_quantile(sorted, 5, 0.9), 8 + 0.6 * 8, 1e-12);
    ck_assert_double_eq(fab_quantile(sorted, 0, 0.5), 0);
}
END_TEST

START_TEST(a_straight_sweep_is_fitted_exactly)
{
    double sizes[20], times[20];
    FabLine line;

    for (int i = 0; i < 20; i++) {
        sizes[i] = ldexp(8, i);
        times[i] = 12.5 + sizes[i] / 24e3;
    }
    ck_assert(fab_line_fit(sizes, times, 20, &line));
    ck_assert_double_eq_tol(line.latency, 12.5, 1e-9);
    ck_assert_double_eq_tol(line.per_byte, 1 / 24e3, 1e-12);
}
END_TEST

START_TEST(one_outlier_does_not_move_the_line)
{
    const double sizes[] = { 1, 2, 3, 4, 5 }, times[] = { 11, 12, 900, 14, 15 };
    FabLine line;

    ck_assert(fab_line_fit(sizes, times, 5, &line));
    ck_assert_double_eq_tol(line.latency, 10, 1e-9);
    ck_assert_double_eq_tol(line.per_byte, 1, 1e-9);
}
END_TEST

static double
cost(double latency, double per_byte, const double *sizes, const double *times, guint count)
{
    double sum = 0;

    for (guint i = 0; i < count; i++)
        sum += fabs((latency + per_byte * sizes[i]) / times[i] - 1);
    return sum;
}

START_TEST(no_other_line_of_a_grid_is_better)
{
    const double sizes[] = { 8, 64, 512, 4096, 32768, 262144 }, times[] = { 9, 9.5, 9.1, 14, 31, 160 };
    FabLine line;
    double best;

    ck_assert(fab_line_fit(sizes, times, 6, &line));
    best = cost(line.latency, line.per_byte, sizes, times, 6);
    for (int a = 0; a <= 200; a++) {
        for (int b = 0; b <= 200; b++)
            ck_assert_double_ge(cost(a * 0.1, b * 1e-5, sizes, times, 6), best - 1e-9);
    }
}
END_TEST

START_TEST(a_line_never_has_a_negative_latency_or_slope)
{
    const double sizes[] = { 1000, 2000, 4000 }, faster[] = { 30, 20, 10 }, steep[] = { 1, 10, 100 };
    FabLine line;

    ck_assert(fab_line_fit(sizes, faster, 3, &line));
    ck_assert_double_ge(line.latency, 0);
    ck_assert_double_ge(line.per_byte, 0);
    ck_assert(fab_line_fit(sizes, steep, 3, &line));
    ck_assert_double_ge(line.latency, 0);
    ck_assert_double_ge(line.per_byte, 0);
    ck_assert(!fab_line_fit(sizes, steep, 0, &line));
    ck_assert(fab_line_fit(sizes, steep, 1, &line));
    ck_assert_double_eq_tol(line.latency + line.per_byte * 1000, 1, 1e-12);
}
END_TEST

START_TEST(thousands_of_points_are_fitted_in_no_time)
{
    enum { COUNT = 4000 };
    g_autofree double *sizes = g_new(double, COUNT), *times = g_new(double, COUNT);
    FabLine line;

    for (int i = 0; i < COUNT; i++) {
        sizes[i] = 1024.0 * (i + 1);
        times[i] = 5 + sizes[i] * 1e-4;
    }
    ck_assert(fab_line_fit(sizes, times, COUNT, &line));
    ck_assert_double_eq_tol(line.latency, 5, 1e-6);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("statistics");

    tcase_add_test(tests, cases_weigh_the_same_whatever_their_rows);
    tcase_add_test(tests, no_samples_and_one_sample_have_a_summary);
    tcase_add_test(tests, quantiles_lie_between_neighbours);
    tcase_add_test(tests, a_straight_sweep_is_fitted_exactly);
    tcase_add_test(tests, one_outlier_does_not_move_the_line);
    tcase_add_test(tests, no_other_line_of_a_grid_is_better);
    tcase_add_test(tests, a_line_never_has_a_negative_latency_or_slope);
    tcase_add_test(tests, thousands_of_points_are_fitted_in_no_time);
    return run_tests(tests);
}
