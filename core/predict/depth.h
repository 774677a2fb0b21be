/*
 * Trees and rings over very many nodes, from smaller ones of the same machine: a declared extrapolation, where
 * simulating every rank would take minutes.
 */
#ifndef FAB_PREDICT_DEPTH_H
#define FAB_PREDICT_DEPTH_H

#include "predict/run-private.h"

/* The nodes that are simulated, and how often they double until the machine is whole; 0: it is simulated whole. */
typedef struct {
    uint32_t doublings;
    uint32_t nodes[2];  /* the larger first */
    uint32_t between;   /* doublings from the other on to it */
    int64_t further_ps; /* by which the ways of the doublings are longer, all together */
    int64_t each_ps;    /* that a doubling added to the time, once it has run */
    bool ring;          /* each node more adds the same time, not each doubling */
    bool crowded;       /* links of the whole are busier than those of the nodes simulated */
    int64_t crowd_ps;   /* what that adds, once it has run */
    uint32_t binding;   /* that which holds back channels most; UINT32_MAX: none does */
    uint64_t bytes;     /* of the size that are simulated; the others follow at the pace of the full pipeline */
} FabDepth;

/*
 * How a size is predicted. *why, if not NULL, is set when it would be too much work to simulate whole, and nothing less
 * is true to it.
 */
FabDepth fab_depth_of(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, char **why);

/*
 * Refuses what would take many minutes and cannot be had from less. *relief: how many times less work it is than
 * simulating every rank.
 */
bool fab_depth_check(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program, double *relief,
                     GError **error);

/* Runs a size as fab_depth_of() says. What `report` has beside its times is of the nodes simulated. */
bool fab_depth_simulate(const FabRun *run, uint64_t size, const FabPlan *plan, const FabProgram *program,
                        FabDepth *depth, FabEngineReport *report, GError **error);

/* Says it: in the row, and in the notes. */
void fab_depth_note(const FabRun *run, const FabDepth *depth, FabResultRow *row, FabResult *result);

/* Widens the interval of a row by what going on from smaller machines may be wrong by. */
void fab_depth_widen(FabResult *result);

FabDepthLooks *fab_depth_looks_new(void);
void fab_depth_looks_free(FabDepthLooks *looks);

#endif
