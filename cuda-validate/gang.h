/* Host threads that do something together again and again: one for each GPU, so that none waits for another's calls. */
#ifndef FABM_GANG_H
#define FABM_GANG_H

#include "base.h"

/* What member `index` does; it has its own failure. */
typedef bool (*FabmGangBody)(void *data, int index, FabmFailure *failure);

typedef struct FabmGang FabmGang;

/*
 * `count` members; with one it is the caller. `begin` is what each thread does once before all else; NULL: nothing.
 * NULL with a failure when there are no threads. Ends with fabm_gang_free(), which accepts NULL.
 */
FabmGang *fabm_gang_new(int count, void (*begin)(void *data, int index), FabmGangBody body, void *data,
                        FabmFailure *failure);
void fabm_gang_free(FabmGang *gang);

/* Every member once, at the same time; returns when all are done. A failure is that of the first one in order. */
bool fabm_gang_run(FabmGang *gang, FabmFailure *failure);

#endif
