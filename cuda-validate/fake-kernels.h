/* Kernels on host threads. */
#ifndef FABM_FAKE_KERNELS_H
#define FABM_FAKE_KERNELS_H

#include "kernels.h"

/* Runs a launch to its end. CTAs that wait for each other have threads of their own. */
void fabm_fake_run(const FabmLaunch *launch);

#endif
