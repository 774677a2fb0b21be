/* A collective over time as a picture: a row for each stream, a box for each slice, time to the right. */
#ifndef FAB_REPORT_TIMELINE_H
#define FAB_REPORT_TIMELINE_H

#include <stdio.h>

#include "predict/timeline.h"

/* SVG. What is left out of it, ranks and channels, is said in it. */
void fab_report_timeline(const FabRunTimeline *timeline, FILE *out);

#endif
