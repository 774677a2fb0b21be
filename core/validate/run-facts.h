/* Who launched a measured run and by which release of NCCL, where its file says so only between the lines. */
#ifndef FAB_VALIDATE_RUN_FACTS_H
#define FAB_VALIDATE_RUN_FACTS_H

#include "measure/measurement.h"

typedef struct {
    int64_t processes, threads; /* 0: one thread for each GPU */
    const char *from;           /* where it comes from, to be said to the user; NULL: [run] states it */
} FabLaunchFacts;

/*
 * [run] processes and threads; else what the note says; else what the tool does when nothing is said: nccl-tests on
 * one node starts one process with one thread for all GPUs (its -t is 1), everything else one process for each GPU.
 */
FabLaunchFacts fab_launch_facts(const FabMeasurement *measurement);

/* The minor release of NCCL 2: as stated, else the newest at the date of the measurement, else 0. */
int64_t fab_release_facts(const FabMeasurement *measurement, bool *stated);

/* What the tool's clock shows, as the scenario's timing: "back-to-back" for tools that are not known. */
const char *fab_timing_facts(const FabMeasurement *measurement);

/* The calls are captured by CUDA graphs, which registers user buffers (NCCL_GRAPH_REGISTER, on since NCCL 2.11). */
bool fab_registers_buffers(const FabMeasurement *measurement);

/* The tool's sendrecv sends from the first rank to the second and not back. */
bool fab_sends_one_way(const FabMeasurement *measurement);

#endif
