/* What tables and diagrams call things: "GPU 0..3, 8..11" for many, links whose rate says nothing. */
#ifndef FAB_REPORT_NAMES_H
#define FAB_REPORT_NAMES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "topology/topology.h"

/* Length of a name without its trailing number, or all of it when it has none that fits in 9 digits. */
size_t fab_name_stem_length(const char *name);

/*
 * "GPU 0..3, 8..11" or, where that would be long, first, last and how many: "GPU 0..71 (36)". `names` (of const
 * char *, at least one) is sorted in place and loses what it has twice. Owned by the caller.
 */
char *fab_names_join(GPtrArray *names);

/*
 * Whether a link inside a CPU or a switch has the rate that stands for none, 1 TB/s or more: a reader would take
 * the figure for hardware. What limits such a place is a limit of its device, such as that on peer traffic.
 */
bool fab_link_is_unlimited(const FabTopologyLink *link);

#endif
