/* How much work a simulation would be, before it starts: what would take hours or fill the memory is refused. */
#ifndef FAB_PREDICT_WORK_H
#define FAB_PREDICT_WORK_H

#include <glib.h>
#include <stdbool.h>

#include "program/program.h"

/*
 * Slices that fab_engine_run() would move, estimated from some of the streams; one that goes to many ranks counts for
 * each of them.
 */
double fab_work_slices(const FabProgram *program);

/* Steps of the first stream. */
double fab_work_steps(const FabProgram *program);

/*
 * The same where runs of steps that are alike soon repeat themselves, so that the rest of them is taken at once; how
 * many may be simulated one by one then, 0: any.
 */
double fab_work_least(const FabProgram *program);
double fab_work_most(const FabProgram *program);

/*
 * Bytes of memory that fab_engine_run() would take for streams, connections and their routes. `local` ranks are on a
 * node; 0: all are on one machine, whose routes are few.
 */
double fab_work_memory(const FabProgram *program, uint32_t local);

/*
 * Refuses what is too much: slices of the largest size, slices of the whole sweep, bytes of memory. `where` names the
 * scenario.
 */
bool fab_work_check(const char *where, double largest, double sweep, double memory, GError **error);

/* Whether one size may take so many slices and so much memory. */
bool fab_work_is_allowed(double slices, double memory);

#endif
