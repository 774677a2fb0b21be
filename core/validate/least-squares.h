/*
 * Least squares with bounds (Levenberg-Marquardt of cminpack, each value kept inside its bounds by a smooth map), and
 * what the derivatives say about how well the values are known. Knows nothing of machines.
 */
#ifndef FAB_VALIDATE_LEAST_SQUARES_H
#define FAB_VALIDATE_LEAST_SQUARES_H

#include <glib.h>
#include <stdbool.h>

typedef struct {
    guint values, residuals;
    const double *low, *high; /* of each value, low < high */
    bool (*evaluate)(const double *values, double *residuals, void *user); /* false: stop */
    void *user;
    guint most_steps; /* evaluations of a fit beside those for derivatives */
} FabProblem;

/* Betters `values` in place; begins a hundredth inside the bounds. False when `evaluate` was. */
bool fab_least_squares(const FabProblem *problem, double *values);

/*
 * jacobian[v * residuals + r]: how much residual r changes for a change of value v by its whole range; `at` (may be
 * NULL) gets the residuals themselves. False when `evaluate` was.
 */
bool fab_least_squares_jacobian(const FabProblem *problem, const double *values, double *jacobian, double *at);

/* A value that cannot be told, or not apart from another one. */
typedef struct {
    guint value;        /* which one */
    guint with;         /* the other; G_MAXUINT: there is none */
    bool idle;          /* no residual depends on it; without this and without another: too few residuals */
    double correlation; /* of the two, 1 where they have the very same effect */
} FabUnknown;

/*
 * The worst value among those with active[v], judged by the derivatives alone: without effect, with the same effect
 * as others, or correlated above `limit` with one. False when all can be told apart.
 */
bool fab_least_squares_unknown(const FabProblem *problem, const double *jacobian, const bool *active, double limit,
                               FabUnknown *unknown);

/*
 * Variance of each active value, in squares of its range, for residuals with a variance of 1 that are independent. The
 * active ones must be told apart (fab_least_squares_unknown()); others get NaN.
 */
void fab_least_squares_variance(const FabProblem *problem, const double *jacobian, const bool *active,
                                double *variance);

/* The factor of a 95 % interval of a mean with that many degrees of freedom (Student's t, two sides). */
double fab_student_95(double freedom);

#endif
