/* From a scenario to a file of channel programs that another program executes. */
#ifndef FAB_STUDY_EXPORT_H
#define FAB_STUDY_EXPORT_H

#include <stdio.h>

#include "collective/choice.h"
#include "scenario/scenario.h"

/*
 * Writes the program of each size, with lines before them that say where they come from. Refuses transfers, what the
 * switch or the network performs, and what the format cannot hold. Whether `out` took it all is the caller's to check.
 */
bool fab_export(const FabScenario *scenario, const FabTopology *topology, FILE *out, GError **error);

/* What one size of a collective's scenario runs. */
typedef struct {
    uint64_t size;
    FabCollective collective;
    const uint32_t *gpus; /* of the ranks */
    const FabPlan *plan;
    const FabProgram *program;
} FabRunProgram;

/* False, with an error, ends the sizes. */
typedef bool (*FabProgramUser)(const FabRunProgram *one, void *user, GError **error);

/* Calls `use` for each size, in order. In run.c, whose choices they are. */
bool fab_run_programs(const FabScenario *scenario, const FabTopology *topology, FabProgramUser use, void *user,
                      GError **error);

#endif
