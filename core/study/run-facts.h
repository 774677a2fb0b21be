/* Who launched a measured run and by which release of NCCL, where its file says so only between the lines. */
#ifndef FAB_STUDY_RUN_FACTS_H
#define FAB_STUDY_RUN_FACTS_H

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

/* The tool times every call alone instead of many in a row. */
bool fab_times_single_calls(const FabMeasurement *measurement);

#endif
