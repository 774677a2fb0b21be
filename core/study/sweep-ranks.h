/* A sweep by many processes: rank 0 hands out points and alone writes into the store, the others run them. */
#ifndef FAB_STUDY_SWEEP_RANKS_H
#define FAB_STUDY_SWEEP_RANKS_H

#include "study/ranks.h"
#include "study/sweep.h"

/*
 * Rank 0: what fab_sweep_run() does, with the threads of all ranks. `inputs` must be the same on all of them. An error
 * of any rank ends all, which is said with its number and machine.
 */
bool fab_sweep_lead(FabRanks *ranks, const FabSweepSpec *spec, GPtrArray *inputs, FabStore *store, uint64_t *found,
                    FabProgress progress, void *user, GError **error);

/* Rank 0, when it cannot begin: tells the others. */
void fab_sweep_call_off(FabRanks *ranks);

/* The others: runs what it is told to. `trouble` (may be NULL) is why it cannot, and is told to rank 0. */
void fab_sweep_follow(FabRanks *ranks, const FabSweepSpec *spec, GPtrArray *inputs, const GError *trouble);

#endif
