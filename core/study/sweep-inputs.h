/* What the points of a sweep depend on besides the program: the scenario, the files that it reads, the constants. */
#ifndef FAB_STUDY_SWEEP_INPUTS_H
#define FAB_STUDY_SWEEP_INPUTS_H

#include "scenario/sweep.h"

/*
 * FabStoreInput, the scenario first: then machine files, catalogues of GPUs, plugins, models, calibrations and graphs
 * that any point reads, by the names of their files, and the constants that ship. Reads them; one that is missing or
 * wrong is left to the points that need it. Owned by the caller.
 */
GPtrArray *fab_sweep_inputs(const char *path, char *const *sets, const FabSweep *sweep);

#endif
