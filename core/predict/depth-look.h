/* What the network has to do for a collective over many nodes, and over the first few of them; kept for a run. */
#ifndef FAB_PREDICT_DEPTH_LOOK_H
#define FAB_PREDICT_DEPTH_LOOK_H

#include "predict/crowd.h"
#include "predict/run-private.h"

enum { FAB_DEPTH_LEVELS = 32 };

/* Where all ways between two GPUs are used alike. */
typedef struct {
    double busiest; /* seconds for each byte of a channel */
    double cables;  /* the same of cables between switches alone */
    int64_t latency_ps[FAB_DEPTH_LEVELS]; /* up and down between nodes that are 2^level apart, the longest */
    double mean_ps; /* from rank to rank, those of one node not counted, over all connections */
    bool choice;    /* the network has several ways for some of the connections, and does not use them alike */
    char *why;      /* no two sizes of machine can be compared; NULL: they can */
} FabDepthLook;

/* The first `nodes` nodes of a run, with its channels, chunks and costs; `order` is freed by the caller. */
FabRun fab_depth_part_of(const FabRun *run, uint32_t nodes, uint32_t **order);

/* The same run where every packet takes another way, and cables between switches hold back nothing. */
FabRun fab_depth_calm(const FabRun *run);

/* Whether a resource is a direction of a cable between switches. */
bool fab_depth_is_cable(const FabTopology *topology, uint32_t resource);

/* Sizes differ in neither ways nor loads, so that one look does for all of one number of channels. NULL: no program. */
const FabDepthLook *fab_depth_look(const FabRun *run, uint64_t size, const FabPlan *plan, uint32_t nodes);

/* The ways of all connections as the network chooses them; NULL with an error. */
const FabCrowd *fab_depth_crowd(const FabRun *run, uint64_t size, const FabPlan *plan, GError **error);

#endif
