/* What a store has of a sweep: its rows, which of them nothing beats, and how much of the sweep that is. */
#ifndef FAB_STUDY_SWEEP_FOUND_H
#define FAB_STUDY_SWEEP_FOUND_H

#include "study/sweep.h"

typedef struct {
    const FabSweep *sweep; /* not owned */
    GPtrArray *rows;       /* FabStoreRow */
    bool *front;           /* of each row: no other of its size beats it both in time and in cost */
    uint64_t done;         /* points that the store has */
    uint64_t refused;      /* that the scenario does not allow */
    char *reason;          /* of the first of these; NULL: none */
} FabSweepFound;

/*
 * Refuses rows of points that the sweep does not have, prices in two currencies, and a sweep that is whole and has no
 * possible point. `path` is the store's name in messages. The sweep must outlive it. Owned by the caller.
 */
FabSweepFound *fab_sweep_found_new(const FabSweep *sweep, FabStore *store, const char *path, GError **error);
void fab_sweep_found_free(FabSweepFound *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabSweepFound, fab_sweep_found_free)

#endif
