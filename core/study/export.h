/* From a scenario to a file of channel programs that another program executes. */
#ifndef FAB_STUDY_EXPORT_H
#define FAB_STUDY_EXPORT_H

#include <stdio.h>

#include "scenario/scenario.h"
#include "topology/topology.h"

/*
 * Writes the program of each size, with lines before them that say where they come from. Refuses transfers, what the
 * switch or the network performs, and what the format cannot hold. Whether `out` took it all is the caller's to check.
 */
bool fab_export(const FabScenario *scenario, const FabTopology *topology, FILE *out, GError **error);

#endif
