/* Writers of what single parts of machines take, measured and predicted. Whether the stream took it is the caller's. */
#ifndef FAB_REPORT_DEVICE_H
#define FAB_REPORT_DEVICE_H

#include <stdio.h>

#include "validate/device.h"

/* Each row of each case, then the mean errors of each test by size. */
void fab_report_device(GPtrArray *cases, FILE *out);
/* id,test,variant,gpus,ctas,size_bytes,measured_us,predicted_us,error */
void fab_report_device_csv(GPtrArray *cases, FILE *out);

#endif
