/* Whether a JSON text nests deeper than a parser's stack bears. */
#ifndef FAB_BASE_NESTING_H
#define FAB_BASE_NESTING_H

#include <glib.h>
#include <stdbool.h>

/* Refuses more than 64 open brackets at once; our own results have 6. `path` begins the message. */
bool fab_nesting_check(const char *path, const char *text, gsize length, GError **error);

#endif
