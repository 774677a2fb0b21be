/* A table of kind device and the machine it is of, shared by links (device.c) and by what GPUs work (device-work.c). */
#ifndef FAB_VALIDATE_DEVICE_PRIVATE_H
#define FAB_VALIDATE_DEVICE_PRIVATE_H

#include <string.h>

#include "measure/measurement.h"
#include "topology/route.h"

/* Columns of such a table. */
enum {
    FAB_DEVICE_TEST,
    FAB_DEVICE_VARIANT,
    FAB_DEVICE_GPUS,
    FAB_DEVICE_CTAS,
    FAB_DEVICE_SIZE,
    FAB_DEVICE_METRIC,
    FAB_DEVICE_VALUE
};

typedef struct {
    const FabMeasurement *measurement;
    FabTopology *topology;
    FabRouter *router;
    const char *machine;
} FabDevice;

static inline const char *
fab_device_cell(const FabDevice *device, guint row, guint column)
{
    return fab_measurement_text(device->measurement, row, column);
}

static inline bool
fab_device_is(const FabDevice *device, guint row, guint column, const char *text)
{
    return strcmp(fab_device_cell(device, row, column), text) == 0;
}

/*
 * Microseconds that the row's work takes, NaN where the model has nothing to say of it: CTAs that move data, the kernel
 * of pipelines and stages alone, a product, a product or (`copy`) the copy beside it, stages.
 */
double fab_device_rate(const FabDevice *device, guint row);
double fab_device_kernel(const FabDevice *device, guint row);
double fab_device_product(const FabDevice *device, guint row);
double fab_device_overlap(const FabDevice *device, guint row, bool copy);
double fab_device_stages(const FabDevice *device, guint row);

#endif
