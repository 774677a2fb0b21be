/*
 * Folding: of ranks that nothing tells apart one is simulated, for all of them.
 *
 * A program says by how many ranks it can be turned without changing, or by how many places inside all nodes
 * (program.h). Where the fabric can be turned by as
 * many, or by a multiple, every rank does what the one so much further on does, at the same time. Then only the first
 * `period` ranks are simulated. What a flow of theirs uses stands for what the flows of its class use: resources that
 * the same classes use in the same way are one, with as much of each flow's weight as falls to one of them. Max-min
 * fair rates of flows of a class are the same (the partition is equitable), so that all times are.
 */
#ifndef FAB_ENGINE_FOLD_H
#define FAB_ENGINE_FOLD_H

#include "program/program.h"
#include "topology/route.h"

typedef struct FabFold FabFold;

/*
 * NULL when the program or the fabric cannot be turned; *why then says so, after "because"; owned by the
 * caller. `router` and `program` outlive the fold, `gpus` are those of all ranks.
 */
FabFold *fab_fold_new(FabRouter *router, const FabProgram *program, const uint32_t *gpus, char **why);
void fab_fold_free(FabFold *fold);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFold, fab_fold_free)

/* The program of the ranks that are simulated; peers are any of all ranks. */
const FabProgram *fab_fold_program(const FabFold *fold);

/* The GPU of each rank by the numbers that the fold's program gives them: those that are simulated come first. */
const uint32_t *fab_fold_gpus(const FabFold *fold);

/* The GPUs of a rank's node, of a program that turns inside nodes. Owned by the caller. */
uint32_t *fab_fold_node(const FabFold *fold, uint32_t rank, uint32_t *count);

/* How many ranks each of them stands for. */
uint32_t fab_fold_times(const FabFold *fold);

/* What a flow over `route` uses of each class, named by its first resource. */
const FabRoute *fab_fold_route(FabFold *fold, const FabRoute *route);

/* From what the first resource of each class carried to what each resource did. */
void fab_fold_spread(const FabFold *fold, double *carried);

#endif
