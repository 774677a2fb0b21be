/* Other jobs on a cluster's network, as a scenario states them: [background]. */
#ifndef FAB_SCENARIO_BACKGROUND_H
#define FAB_SCENARIO_BACKGROUND_H

#include "base/keyfile.h"

typedef struct {
    double load;    /* share of every cable between switches that others take, 0..1 */
    uint32_t flows; /* between random NICs */
    double rate;    /* B/s of each */
    uint32_t seed;
} FabBackground;

/* Keys of the group; NULL-terminated. */
extern const char *const fab_background_keys[];

/* *background NULL: the file has no such group. g_free(). */
bool fab_background_read(FabKeyfile *file, FabBackground **background, GError **error);

/* "30 % of each cable between switches, 64 flows of 10 GB/s, seed 1". Owned by the caller. */
char *fab_background_describe(const FabBackground *background);

#endif
