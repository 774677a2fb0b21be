/* The channel programs behind a scenario: for files that another program executes, and for people. */
#ifndef FAB_PREDICT_EXPORT_H
#define FAB_PREDICT_EXPORT_H

#include <stdio.h>

#include "program/program-file.h"
#include "scenario/scenario.h"
#include "topology/topology.h"

/*
 * Writes the program of each size, with lines before them that say where they come from. Refuses transfers, what the
 * switch or the network performs, and what the format cannot hold. Whether `out` took it all is the caller's to check.
 */
bool fab_export(const FabScenario *scenario, const FabTopology *topology, FILE *out, GError **error);

/* False, with an error, ends the sizes. Program and note are lent. */
typedef bool (*FabProgramUser)(const FabProgram *program, const FabProgramNote *note, void *user, GError **error);

/* Calls `use` for each size of a collective's scenario, in order. */
bool fab_export_each(const FabScenario *scenario, const FabTopology *topology, FabProgramUser use, void *user,
                     GError **error);

/*
 * Moves real numbers through a program that was read, and compares with what its collective is defined to leave. False
 * with FAB_ERROR_VALUE or FAB_ERROR_DEADLOCK says what is wrong. Elements are summed as bytes, whatever the datatype
 * and the reduction: the ways are the same.
 */
bool fab_program_prove(const FabProgramEntry *entry, GError **error);

#endif
