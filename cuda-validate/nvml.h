/* What the driver's management library (NVML) says about the machine: all of it is left out where that is missing. */
#ifndef FABM_NVML_H
#define FABM_NVML_H

#include "backend.h"
#include "report.h"

/* Facts that stay: driver, ECC, PCIe, NVLink, the matrix. `gpus` are numbers of the back end. */
void fabm_nvml_describe(FabmReport *report, FabmBackend *backend, const int *gpus, int count);

/* [run] clocks_before or clocks_after. */
void fabm_nvml_clocks(FabmReport *report, const char *key, FabmBackend *backend, const int *gpus, int count);

#endif
