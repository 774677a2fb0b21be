/* Quantities as people write them: "450 GB/s", "400 Gb/s", "500 ns", "64 MiB", "8G". */
#ifndef FAB_BASE_UNITS_H
#define FAB_BASE_UNITS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define FAB_PS_PER_SECOND INT64_C(1000000000000)

/*
 * Parses `text` as a number in `unit`: "B/s", "s", "B", "Hz", "T/s" (transfers), or "" for a plain number.
 * SI prefixes are powers of ten, Ki, Mi, Gi, Ti powers of two; "b" is bits where the unit is bytes. The
 * unit must be written, except for "" and, in "B", the short forms of nccl-tests (8, 4K, 64M, 8G: powers
 * of two). Not finite is an error. The message has no place in it; callers prefix file, group and key.
 */
bool fab_parse_quantity(const char *text, const char *unit, double *value, GError **error);

/* A byte count as above, whole and below 2^62. */
bool fab_parse_bytes(const char *text, uint64_t *bytes, GError **error);

/* A whole decimal number. */
bool fab_parse_integer(const char *text, int64_t *value, GError **error);

/* "on", "yes", "true", "off", "no", "false". */
bool fab_parse_boolean(const char *text, bool *value, GError **error);

/* The shortest usual form: "450 GB/s", "1.25 us", "64 MiB", "3.5 GHz". Owned by the caller. */
char *fab_format_rate(double bytes_per_second);
char *fab_format_time(int64_t time_ps);
char *fab_format_bytes(uint64_t bytes);

/* What follows the name of a thing of which there are so many: "1 GPU", "2 GPUs". */
static inline const char *
fab_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Seconds to picoseconds, rounded to nearest. */
int64_t fab_ps_from_seconds(double seconds);

#endif
