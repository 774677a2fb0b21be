/* Threads that run points of a sweep: they are given numbers and hand back what they found. */
#ifndef FAB_STUDY_CREW_H
#define FAB_STUDY_CREW_H

#include "study/sweep.h"

/* What one point came to. */
struct FabFound {
    uint64_t point;
    GPtrArray *rows; /* FabStoreRow; NULL: it could not be run */
    GError *error;   /* why */
};

void fab_found_free(FabFound *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFound, fab_found_free)

typedef struct FabCrew FabCrew;

/* Starts spec->threads (0: one for each core). The spec must outlive it. */
FabCrew *fab_crew_new(const FabSweepSpec *spec);
/* Points that nobody began are dropped, those begun are waited for. */
void fab_crew_free(FabCrew *crew);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabCrew, fab_crew_free)

/* How many points keep all threads busy while the next ones are on their way. */
uint32_t fab_crew_appetite(const FabCrew *crew);
void fab_crew_give(FabCrew *crew, uint64_t point);
/* The next that is ready; NULL: none was within `patience_us`. Owned by the caller. */
FabFound *fab_crew_take(FabCrew *crew, uint64_t patience_us);

#endif
