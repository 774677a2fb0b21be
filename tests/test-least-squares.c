#include "validate/least-squares.h"

#include <check.h>
#include <math.h>

#include "suite.h"

/* A straight line through ten points; the third value moves nothing, the fourth does what the second does. */
enum { POINTS = 10, VALUES = 4 };

typedef struct {
    double slope, offset;
    guint calls;
} Truth;

static bool
line(const double *values, double *residuals, void *user)
{
    Truth *truth = user;

    truth->calls++;
    for (int i = 0; i < POINTS; i++)
        residuals[i] = values[0] - truth->offset + (values[1] + values[3] - truth->slope) * i;
    return true;
}

static const double low[VALUES] = { 0, 0, 0, 0 }, high[VALUES] = { 20, 10, 1, 10 };

static FabProblem
problem_of(Truth *truth, guint values)
{
    return (FabProblem) { .values = values, .residuals = POINTS, .low = low, .high = high, .evaluate = line,
                          .user = truth, .most_steps = 100 };
}

/* Two values only. */
static bool
short_line(const double *values, double *residuals, void *user)
{
    double all[VALUES] = { values[0], values[1], 0, 0 };

    return line(all, residuals, user);
}

START_TEST(a_line_is_found)
{
    Truth truth = { .slope = 3, .offset = 5 };
    FabProblem problem = problem_of(&truth, 2);
    double values[] = { 19, 0.5 };

    problem.evaluate = short_line;
    ck_assert(fab_least_squares(&problem, values));
    ck_assert_double_eq_tol(values[0], 5, 1e-3);
    ck_assert_double_eq_tol(values[1], 3, 1e-3);
    ck_assert_uint_lt(truth.calls, 100);
}
END_TEST

START_TEST(values_stay_within_their_bounds)
{
    Truth truth = { .slope = 40, .offset = 5 };
    FabProblem problem = problem_of(&truth, 2);
    double values[] = { 5, 5 };

    problem.evaluate = short_line;
    ck_assert(fab_least_squares(&problem, values));
    ck_assert_double_le(values[1], 10);
    ck_assert_double_gt(values[1], 9.9);
}
END_TEST

START_TEST(variances_are_those_of_linear_regression)
{
    Truth truth = { .slope = 3, .offset = 5 };
    FabProblem problem = problem_of(&truth, VALUES);
    double values[VALUES] = { 5, 3, 0.5, 0 }, jacobian[VALUES * POINTS], variance[VALUES];
    bool active[VALUES] = { true, true, false, false };
    double mean = (POINTS - 1) / 2.0, spread = 0;

    for (int i = 0; i < POINTS; i++)
        spread += (i - mean) * (i - mean);
    ck_assert(fab_least_squares_jacobian(&problem, values, jacobian, NULL));
    fab_least_squares_variance(&problem, jacobian, active, variance);
    ck_assert_double_eq_tol(variance[1] * 100, 1 / spread, 1e-9); /* ranges are 20 and 10 */
    ck_assert_double_eq_tol(variance[0] * 400, 1.0 / POINTS + mean * mean / spread, 1e-9);
    ck_assert(isnan(variance[2]) && isnan(variance[3]));
}
END_TEST

START_TEST(what_cannot_be_told_is_found_one_after_the_other)
{
    Truth truth = { .slope = 3, .offset = 5 };
    FabProblem problem = problem_of(&truth, VALUES);
    double values[VALUES] = { 5, 2, 0.5, 1 }, jacobian[VALUES * POINTS];
    bool active[VALUES] = { true, true, true, true };
    FabUnknown unknown;

    ck_assert(fab_least_squares_jacobian(&problem, values, jacobian, NULL));
    ck_assert(fab_least_squares_unknown(&problem, jacobian, active, 0.99, &unknown));
    ck_assert_uint_eq(unknown.value, 2);
    ck_assert_uint_eq(unknown.with, G_MAXUINT);
    active[2] = false;
    ck_assert(fab_least_squares_unknown(&problem, jacobian, active, 0.99, &unknown));
    ck_assert_uint_eq(unknown.value, 3);
    ck_assert_uint_eq(unknown.with, 1);
    ck_assert_double_eq(unknown.correlation, 1);
    active[3] = false;
    ck_assert(!fab_least_squares_unknown(&problem, jacobian, active, 0.99, &unknown));
    ck_assert(fab_least_squares_unknown(&problem, jacobian, active, 0.5, &unknown)); /* offset and slope: 0.84 */
    ck_assert_double_eq_tol(unknown.correlation, 0.843, 0.001);
}
END_TEST

START_TEST(more_values_than_residuals_are_too_many)
{
    Truth truth = { .slope = 3, .offset = 5 };
    FabProblem problem = problem_of(&truth, VALUES);
    double values[VALUES] = { 5, 2, 0.5, 1 }, jacobian[VALUES * POINTS];
    bool active[VALUES] = { true, true, false, false };
    FabUnknown unknown;

    problem.residuals = 2;
    problem.evaluate = line;
    ck_assert(fab_least_squares_jacobian(&(FabProblem) { .values = VALUES, .residuals = POINTS, .low = low,
                                                         .high = high, .evaluate = line, .user = &truth },
                                         values, jacobian, NULL));
    ck_assert(fab_least_squares_unknown(&problem, jacobian, active, 0.99, &unknown));
    ck_assert_uint_eq(unknown.with, G_MAXUINT);
}
END_TEST

static bool
fails(const double *values, double *residuals, void *user)
{
    guint *calls = user;

    residuals[0] = values[0];
    return ++*calls < 2;
}

START_TEST(a_failed_evaluation_ends_the_fit)
{
    guint calls = 0;
    FabProblem problem = { .values = 1, .residuals = 1, .low = low, .high = high, .evaluate = fails, .user = &calls,
                           .most_steps = 100 };
    double values[] = { 3 };

    ck_assert(!fab_least_squares(&problem, values));
    ck_assert_uint_eq(calls, 2);
}
END_TEST

START_TEST(students_factor_is_that_of_the_tables)
{
    static const double table[][2] = { { 1, 12.706 }, { 2, 4.303 }, { 3, 3.182 }, { 5, 2.571 }, { 30, 2.042 },
                                       { 1e9, 1.960 } };

    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        ck_assert_double_eq_tol(fab_student_95(table[i][0]) / table[i][1], 1, 0.005);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("least-squares");

    tcase_add_test(tests, a_line_is_found);
    tcase_add_test(tests, values_stay_within_their_bounds);
    tcase_add_test(tests, variances_are_those_of_linear_regression);
    tcase_add_test(tests, what_cannot_be_told_is_found_one_after_the_other);
    tcase_add_test(tests, more_values_than_residuals_are_too_many);
    tcase_add_test(tests, a_failed_evaluation_ends_the_fit);
    tcase_add_test(tests, students_factor_is_that_of_the_tables);
    return run_tests(tests);
}
