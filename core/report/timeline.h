/* A collective over time as a picture: a row for each stream, a box for each slice, time to the right. */
#ifndef FAB_REPORT_TIMELINE_H
#define FAB_REPORT_TIMELINE_H

#include <stdio.h>

#include "predict/timeline.h"

/* SVG. What is left out of it, ranks and channels, is said in it. */
void fab_report_timeline(const FabRunTimeline *timeline, FILE *out);

/* The same in the Trace Event Format: a process for each rank, a thread for each stream, an event for each slice. */
void fab_report_timeline_trace(const FabRunTimeline *timeline, FILE *out);

/* "the first 2 of 8 ranks, ...", what a timeline leaves out; NULL: nothing. Owned by the caller. */
char *fab_report_timeline_rest(const FabRunTimeline *timeline);

#endif
