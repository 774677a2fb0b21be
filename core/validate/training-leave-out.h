/*
 * Tables of training steps predicted without themselves: constants of each stack on each GPU generation are fitted
 * again to its other tables; and without all tables of their machine, as a new owner's would be.
 */
#ifndef FAB_VALIDATE_TRAINING_LEAVE_OUT_H
#define FAB_VALIDATE_TRAINING_LEAVE_OUT_H

#include "validate/training-validate.h"

/* Of one table; errors are means of |predicted / measured - 1| of scored runs. */
typedef struct {
    char *id;
    guint runs, alone;       /* scored; of them those of a stack and generation that no other table has */
    double shipped, left;    /* sums of errors of the others: with the shipped constants, without the table */
    double elsewhere;        /* of all: without any table of its machine, with the generic stack where none is left */
    guint inside;            /* of those predictions, that lie within the interval for other owners' machines */
} FabStepLeftOut;

/* FabStepLeftOut; tables without scored runs are missing. `base` is what the shipped constants predict. */
GPtrArray *fab_step_leave_out(GPtrArray *measurements, const FabStepValidation *base, FabProgress progress, void *user);

#endif
