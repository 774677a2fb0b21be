/*
 * How far predictions were off on machines of a kind, as intervals that hold nine of ten measurements. The tables that
 * ship are interval-table.c and, over several nodes, interval-network-table.c, made by interval-fit.h from the open
 * set; docs/measurements.md says how.
 */
#ifndef FAB_PREDICT_INTERVAL_H
#define FAB_PREDICT_INTERVAL_H

#include "collective/overlay.h"
#include "result/result.h"

/* 5 % and 95 % of ln(measured / predicted), and how many machines they come from. */
typedef struct {
    double low, high;
    uint32_t machines; /* 0: never measured */
} FabInterval;

typedef struct {
    FabInterval known[FAB_CONNECTIONS][FAB_FAMILIES][FAB_BANDS];
    FabInterval transferred[FAB_BANDS]; /* of kernels whose constants come from GPUs of another generation */
    uint32_t machines[FAB_CONNECTIONS][FAB_GENERATIONS]; /* that measured GPUs of a generation so connected */
} FabIntervals;

/* Of single machines, and over several nodes, where clusters are what machines are elsewhere. */
const FabIntervals *fab_intervals_shipped(void);
const FabIntervals *fab_intervals_networks(void);
/* Whichever of the two has a kind. */
const FabIntervals *fab_intervals_of(const FabKind *kind);

/*
 * The interval of a kind. For one that was never measured (its kernels, or its GPUs, over its connection) machines is 0
 * and the interval that of fab_interval_guess().
 */
FabInterval fab_interval_of(const FabIntervals *intervals, const FabKind *kind, FabBand band);

/* The widest of a band, that of transferred kernels among them: the lowest low and the highest high; machines is 0. */
FabInterval fab_interval_guess(const FabIntervals *intervals, FabBand band);

/* Sets the interval of each row of a collective, and the sentence about them; replaces those that were there. */
void fab_interval_apply(const FabIntervals *intervals, FabResult *result);

/* The same with those that a calibration brings along, where it has the row's kind; others stay as they are. */
void fab_interval_apply_overlay(const FabOverlay *overlay, FabResult *result);
/* Of a kind; NULL: the calibration has none. */
const FabOverlayInterval *fab_interval_of_overlay(const FabOverlay *overlay, const FabKind *kind);

#endif
