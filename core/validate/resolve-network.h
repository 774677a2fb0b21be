/* The network of a measured cluster as parameters of the machine `cluster`. */
#ifndef FAB_VALIDATE_RESOLVE_NETWORK_H
#define FAB_VALIDATE_RESOLVE_NETWORK_H

#include "measure/measurement.h"

/*
 * Adds "topology.KEY=VALUE" texts to `sets`, and what is assumed to `notes`. `left_out`: as if this cluster had never
 * been measured; true when a constant of its NICs is then borrowed from NICs of another kind.
 */
bool fab_resolve_network(const FabMeasurement *measurement, bool left_out, GPtrArray *sets, GPtrArray *notes);

/* What the makers of its network have NCCL told, where the table states no settings of its own. */
void fab_resolve_network_settings(const FabMeasurement *measurement, GPtrArray *sets, GPtrArray *notes);

#endif
