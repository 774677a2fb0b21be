/* One scenario at many points, on all cores: what is found goes into a store and is read back in order. */
#ifndef FAB_STUDY_SWEEP_H
#define FAB_STUDY_SWEEP_H

#include "scenario/sweep.h"
#include "predict/run.h"
#include "study/store.h"

typedef struct {
    const char *path;       /* of the scenario */
    char *const *sets;      /* texts over it; may be NULL */
    const FabSweep *sweep;
    uint32_t threads;       /* 0: one for each core */
    uint32_t part, parts;   /* points whose number leaves `part` - 1 when divided by `parts`; parts 0: all */
} FabSweepSpec;

/*
 * Runs what the store does not have yet. A point that the scenario does not allow is kept with the reason; a file that
 * is missing ends it. *found is how many were run. The threads change neither rows nor their order.
 */
bool fab_sweep_run(const FabSweepSpec *spec, FabStore *store, uint64_t *found, FabProgress progress, void *user,
                   GError **error);

/* Where a sweep stands: which points are left, and how fast it goes. */
typedef struct FabSweepQueue FabSweepQueue;
typedef struct FabFound FabFound; /* study/crew.h */

/* What the store lacks of the spec's share. The spec must outlive it. Owned by the caller; NULL with an error. */
FabSweepQueue *fab_sweep_queue_new(const FabSweepSpec *spec, FabStore *store, GError **error);
void fab_sweep_queue_free(FabSweepQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabSweepQueue, fab_sweep_queue_free)
/* Takes the next point; false: none is left. */
bool fab_sweep_queue_next(FabSweepQueue *queue, uint64_t *point);
/* Puts a point into the store; its error, unless it is that the scenario does not allow the point, is the caller's. */
bool fab_sweep_queue_write(FabSweepQueue *queue, FabStore *store, FabFound *found, GError **error);
/* How many were put there. */
uint64_t fab_sweep_queue_written(const FabSweepQueue *queue);
void fab_sweep_queue_report(const FabSweepQueue *queue, FabProgress progress, void *user);

/*
 * Sets front[i] for each of `rows` (FabStoreRow) that no other row of its size beats both in time and in cost of a unit
 * of work. What does not fit into memory is left out. Without prices the cost is GPU time.
 */
void fab_sweep_front(GPtrArray *rows, bool *front);

/* Cost of a row's unit of work: money, or GPU seconds where there is no price. */
double fab_sweep_cost(const FabStoreRow *row);

#endif
