/* Which GPU of the catalogue a name is that CUDA prints, or an identifier on the PCI bus. */
#ifndef FAB_MEASURE_GPU_NAME_H
#define FAB_MEASURE_GPU_NAME_H

#include <stdint.h>

/* "NVIDIA H100 80GB HBM3" -> "h100-sxm"; NULL: not known. */
const char *fab_gpu_id_of_name(const char *name);

/* PCI device 0x20b0 of NVIDIA -> "a100-sxm-40"; NULL: not known. */
const char *fab_gpu_id_of_pci(int64_t device);

#endif
