/* Whether a run simulates every rank or one of each class. */
#ifndef FAB_PREDICT_FOLDED_H
#define FAB_PREDICT_FOLDED_H

#include "predict/run-private.h"

/* A wish of studies that run the same again and again: folded where it can be, however few ranks there are. */
#define FAB_FOLD_EARLY "early"

/*
 * The fold that the scenario wishes for a program of the run; NULL in *fold: every rank is simulated. An error when it
 * insists on folding what cannot be folded. `program` outlives the fold.
 */
bool fab_run_fold(const FabRun *run, const FabProgram *program, FabFold **fold, GError **error);

/* Bytes of memory that simulating every rank would take. */
double fab_run_memory(const FabRun *run, const FabProgram *program);

/* How many ranks each simulated one stands for, where simulating all would be refused; else 1. */
double fab_run_relief(const FabRun *run, const FabProgram *program);

/* How many ranks would be simulated if folding were wished; all where they differ. */
uint32_t fab_run_folds_to(const FabRun *run, const FabProgram *program);

/* Adds what a reader must know about the ranks and steps simulated to the notes of a result, once. */
void fab_run_note_fold(const FabRun *run, const FabEngineReport *report, FabResult *result);

#endif
