/* What a long training run loses to failures, as a scenario states it: [goodput]. */
#ifndef FAB_SCENARIO_GOODPUT_H
#define FAB_SCENARIO_GOODPUT_H

#include "base/keyfile.h"

/* Parts of a job that fail. */
typedef enum { FAB_PART_GPU, FAB_PART_NIC, FAB_PART_NODE, FAB_PART_KINDS } FabPartKind;
extern const char *const fab_part_names[];

/* Times in seconds. */
typedef struct {
    double mtbf[FAB_PART_KINDS]; /* mean time between failures of one; 0: it does not fail */
    double write;                /* that a step waits for a checkpoint; 0: bytes / storage_rate */
    double storage_rate, bytes;  /* B/s of all that write; 0 bytes: parameters and the optimiser's state */
    double interval;             /* of work between two checkpoints; 0: the best */
    double detection, restart;   /* from a failure until it is noticed; from then until work goes on */
    double repair;               /* until a node that failed is back; 0: another is always at hand */
    uint32_t spares;             /* nodes that stand by */
    double replaced;             /* share of failures after which a node has to be repaired */
    double period;               /* what is accounted for */
    char *source;                /* of the rates */
} FabGoodputSpec;

/* Keys of the group; NULL-terminated. */
extern const char *const fab_goodput_keys[];

/* *spec NULL: the file has no such group. Owned by the caller. */
bool fab_goodput_read(FabKeyfile *file, FabGoodputSpec **spec, GError **error);
void fab_goodput_spec_free(FabGoodputSpec *spec);

#endif
