/* The error domain of the library. Every message is one sentence: where, what is wrong, what would be right. */
#ifndef FAB_BASE_ERROR_H
#define FAB_BASE_ERROR_H

#include <glib.h>
#include <stdbool.h>

#define FAB_ERROR (fab_error_quark())
GQuark fab_error_quark(void);

/* A code says who can act. */
typedef enum {
    FAB_ERROR_FILE,     /* cannot be read or written: exit status 2 (input) */
    FAB_ERROR_SYNTAX,   /* a file is not well formed: 2 */
    FAB_ERROR_VALUE,    /* a value, name or combination is not accepted: 2 */
    FAB_ERROR_PLUGIN,   /* a plugin cannot be used: 2 */
    FAB_ERROR_DEADLOCK, /* a program waits for ever: 2 (the program was given), a defect when it is ours */
    FAB_ERROR_SYSTEM    /* the machine failed: disk full, out of memory: 3 */
} FabError;

/* Exit statuses of the program. */
enum { FAB_EXIT_DONE = 0, FAB_EXIT_NO = 1, FAB_EXIT_INPUT = 2, FAB_EXIT_SYSTEM = 3 };

/* The exit status for an error of any domain. */
int fab_error_exit_status(const GError *error);

/* Sets the error "WHERE: ..." and returns false, so that a check can end with it. */
bool fab_refuse(GError **error, FabError code, const char *where, const char *format, ...) G_GNUC_PRINTF(4, 5);

/*
 * The word of `known` (NULL-terminated) nearest to `word`, or NULL when none is near: for "did you
 * mean". Belongs to `known`.
 */
const char *fab_nearest(const char *word, const char *const *known);

/* "; did you mean X?" or "; accepted: a, b, c". Owned by the caller. */
char *fab_suggestion(const char *word, const char *const *known);

/* Compares two `char *const *` elements: for sorting arrays of strings. */
int fab_compare_strings(const void *a, const void *b);

#endif
