/*
 * How much of a long training run is work that lasts: failures, checkpoints, restarts, repairs. docs/faults.md derives
 * the formulas (Young 1974, Daly 2006, Erlang 1917).
 */
#ifndef FAB_PREDICT_GOODPUT_H
#define FAB_PREDICT_GOODPUT_H

#include <stdint.h>

#include "scenario/goodput.h"

/* Where the time goes; together they are all of it. */
typedef enum {
    FAB_SPENT_WORK,       /* that lasts */
    FAB_SPENT_CHECKPOINT, /* writing those that last */
    FAB_SPENT_AGAIN,      /* work and writing since the last checkpoint, lost by a failure */
    FAB_SPENT_DETECTION,  /* until a failure is noticed */
    FAB_SPENT_RESTART,
    FAB_SPENT_WAITING,    /* for a node: more are in repair than stood by */
    FAB_SPENT_PARTS
} FabSpent;

extern const char *const fab_spent_names[];

/* Times in seconds. */
typedef struct {
    double parts[FAB_PART_KINDS];    /* how many there are */
    double failures[FAB_PART_KINDS]; /* of each kind in the period */
    double mtbf;                     /* of the job while it runs */
    double write, interval;
    bool chosen;                     /* the interval is the best one */
    double best, young, daly;        /* the best interval, and two formulas for it */
    double spent[FAB_SPENT_PARTS];   /* shares of the period */
    double period;
    const char *source;              /* the spec's */
} FabGoodput;

/*
 * `parts`: GPUs, NICs and nodes of the job; `bytes`: of a checkpoint, where the spec says nothing. `where` begins the
 * message when failures come so fast that nothing is ever done.
 */
bool fab_goodput(const FabGoodputSpec *spec, const double parts[FAB_PART_KINDS], double bytes, const char *where,
                 FabGoodput *goodput, GError **error);

/* The interval of work between checkpoints that take `write`, at which least is lost: exactly, and by two formulas. */
double fab_best_interval(double write, double mtbf);
double fab_young_interval(double write, double mtbf);
double fab_daly_interval(double write, double mtbf);

/* Share of arrivals that find `servers` busy, where `load` would be in service without a limit (Erlang's B). */
double fab_erlang_b(uint32_t servers, double load);

#endif
