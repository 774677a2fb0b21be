/* What the writers of results share: numbers that do not depend on the locale, and the end of a stream. */
#ifndef FAB_REPORT_STREAM_H
#define FAB_REPORT_STREAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Flushes; false with FAB_ERROR_SYSTEM when anything written to `out` was lost. */
bool fab_stream_finish(FILE *out, GError **error);

/* The fewest digits that read back as `value`. `buffer` holds the text, which is returned. */
const char *fab_stream_number(double value, char buffer[G_ASCII_DTOSTR_BUF_SIZE]);

/* `value` with `decimals` digits after the point. */
const char *fab_stream_fixed(double value, int decimals, char buffer[G_ASCII_DTOSTR_BUF_SIZE]);

/* Picoseconds as microseconds, exact. Owned by the caller. */
char *fab_stream_microseconds(int64_t time_ps);

/* `text` as a JSON string with its quotes; what is not UTF-8 is replaced. */
void fab_stream_json_text(FILE *out, const char *text);

/* Members of a JSON object, with `after` behind them: "NAME": "TEXT"; null for NULL and what is not finite. */
void fab_stream_json_member(FILE *out, const char *name, const char *text, const char *after);
void fab_stream_json_number(FILE *out, const char *name, double value, const char *after);
/* The same with nine digits: more than any clock and any fit is worth. */
void fab_stream_json_measure(FILE *out, const char *name, double value, const char *after);
/* "NAME": ["TEXT", "TEXT"] of an array of `const char *`. */
void fab_stream_json_texts(FILE *out, const char *name, const GPtrArray *texts, const char *after);

/* `text` as a field of CSV, quoted where RFC 4180 asks for it. */
void fab_stream_csv_text(FILE *out, const char *text);
/* A number as a field that others are before: ",1.5"; an empty one for what is not finite. */
void fab_stream_csv_number(FILE *out, double value);

#endif
