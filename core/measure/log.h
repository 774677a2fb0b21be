/*
 * Reads the text that other programs print, line by line and never as a whole: colours, carriage returns and tags of
 * launchers removed, no line longer than a bound.
 */
#ifndef FAB_MEASURE_LOG_H
#define FAB_MEASURE_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FabLog FabLog;

typedef struct {
    char *text;      /* without line end; may be changed; lives until the next line is read */
    uint64_t number; /* from 1 */
    bool cut;        /* the file ends here without a line end */
    bool overlong;   /* longer than a line is kept; `text` is its beginning */
} FabLogLine;

/* Of at most 1 GiB. Refuses what is no text: compressed, UTF-16 or binary files. Owned by the caller. */
FabLog *fab_log_open(const char *path, GError **error);
void fab_log_free(FabLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabLog, fab_log_free)

/* The first byte that is no blank, or -1 in an empty file: '{' starts JSON, '<' XML. */
int fab_log_first(const FabLog *log);

/* All that was not read yet, and a zero after it; at most `limit` bytes. Owned by the caller. */
char *fab_log_rest(FabLog *log, size_t limit, size_t *length, GError **error);

/* False at the end, and with an error when the file cannot be read. */
bool fab_log_next(FabLog *log, FabLogLine *line, GError **error);

/* Removes what launchers put before each line: "[1,0]<stdout>:", "0: ", "pod-name: ", "name | ". */
char *fab_log_strip_tag(char *text);

/* Splits at blanks, in place; returns the number of words, at most `most`. */
unsigned fab_log_split(char *text, char **words, unsigned most);

/* What program printed this line, with the sub-command that reads it, or NULL: for "this looks like ...". */
const char *fab_log_guess(const char *text);

#endif
