/* Names of many things in few words: "GPU 0..3, 8..11". */
#ifndef FAB_REPORT_NAMES_H
#define FAB_REPORT_NAMES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Length of a name without its trailing number, or all of it when it has none that fits in 9 digits. */
size_t fab_name_stem_length(const char *name);

/*
 * "GPU 0..3, 8..11" or, where that would be long, first, last and how many: "GPU 0..71 (36)". `names` (of const
 * char *, at least one) is sorted in place and loses what it has twice. Owned by the caller.
 */
char *fab_names_join(GPtrArray *names);

#endif
