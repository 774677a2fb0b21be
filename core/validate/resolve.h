/*
 * From a measurement of a collective to the scenario that predicts it: machine and overrides, ranks, algorithm,
 * protocol, channels, how far GPUs talk directly.
 */
#ifndef FAB_VALIDATE_RESOLVE_H
#define FAB_VALIDATE_RESOLVE_H

#include "measure/measurement.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

typedef struct {
    FabScenario *scenario; /* its sizes are those measured, each once, ascending */
    FabTopology *topology;
    /* Why there is neither: `reason` is one of a few texts, to be counted; `detail` says more. NULL: resolved. */
    const char *reason;
    char *detail;
    GPtrArray *notes; /* char *: facts of the measurement that the model does not know */
    bool borrowed;    /* left out: no cluster with such NICs is left, their constant is that of others */
} FabResolved;

/* Never fails: what cannot be predicted has a reason, as have tables of several nodes. Clear it afterwards. */
void fab_resolve(const FabMeasurement *measurement, FabResolved *resolved);
/* The same for tables of several nodes or racks, which become a cluster of the catalogue's machine `cluster`. */
void fab_resolve_cluster(const FabMeasurement *measurement, FabResolved *resolved);
/* As if this cluster had never been measured: constants of NICs that it told are those of the next ones. */
void fab_resolve_cluster_left_out(const FabMeasurement *measurement, FabResolved *resolved);
/* Whether it is one of those. */
bool fab_is_cluster(const FabMeasurement *measurement);
void fab_resolved_clear(FabResolved *resolved);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabResolved, fab_resolved_clear)

/* The texts of `reason`. */
extern const char fab_reason_kind[], fab_reason_topology[], fab_reason_nodes[], fab_reason_racks[],
    fab_reason_machine[], fab_reason_scenario[], fab_reason_ranks[];

#endif
