/*
 * What fabricast-measure found about the parts of a machine, beside what the model says of them: copies, pipelines,
 * kernels that move data, matrix products.
 */
#ifndef FAB_VALIDATE_DEVICE_H
#define FAB_VALIDATE_DEVICE_H

#include <glib.h>
#include <stdbool.h>

#include "measure/measurement.h"

typedef struct {
    const char *test, *variant, *gpus; /* of the table */
    int64_t ctas, bytes;               /* below 0: does not apply */
    double predicted_us, measured_us;
    double error;                      /* predicted / measured - 1 */
} FabDeviceRow;

typedef struct {
    const FabMeasurement *measurement; /* lent */
    char *reason;                      /* why nothing was predicted; NULL */
    GArray *rows;                      /* FabDeviceRow; those that the model has nothing to say of are left out */
    guint left_out;                    /* times among them */
} FabDeviceCase;

/* Cases (FabDeviceCase) of the tables of kind device among the measurements, in order. Owned by the caller. */
GPtrArray *fab_device_validate(GPtrArray *measurements);

#endif
