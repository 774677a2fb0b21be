/* Each machine predicted with constants that it had no part in. */
#ifndef FAB_VALIDATE_LEAVE_OUT_H
#define FAB_VALIDATE_LEAVE_OUT_H

#include "validate/validate.h"

/*
 * As fab_validate() with the shipped constants, but every machine ([source] machine) with constants fitted again
 * without its tables: one step of least squares from the shipped ones, docs/measurements.md says how. NULL with an
 * error when fewer than two machines can be predicted.
 */
FabValidation *fab_validate_left_out(GPtrArray *measurements, FabProgress progress, void *user, GError **error);

/*
 * The tables of several nodes among the measurements, each cluster with constants fitted without its tables of single
 * nodes, which are those of the other measurements (without any: as shipped), and without what its NICs told
 * (fab_resolve_cluster_left_out()). NULL with an error when fewer than two clusters are there.
 */
FabValidation *fab_validate_clusters_left_out(GPtrArray *measurements, uint32_t most_ranks, FabProgress progress,
                                              void *user, GError **error);

#endif
