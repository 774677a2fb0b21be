/* NVSwitch chips of the boards that are sold: what a count of NVLinks alone does not say. */
#ifndef FAB_MEASURE_NVSWITCH_BOARD_H
#define FAB_MEASURE_NVSWITCH_BOARD_H

#include <glib.h>

#include "topology/machine.h"

/* Appends chips= and links_per_chip= for `gpus` GPUs with `links` NVLinks each; returns what was taken, in words. */
const char *fab_nvswitch_board_write(const FabGpuModel *gpu, uint32_t links, uint32_t gpus, GString *text);

#endif
