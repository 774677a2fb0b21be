/* Tables of measurements as text: a header line, then rows of comma-separated cells, quoted only where needed. */
#ifndef FAB_MEASURE_TABLE_H
#define FAB_MEASURE_TABLE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The whole text of a file of up to 64 MiB: UTF-8 without a byte order mark and without zero bytes. Owned by
 * the caller.
 */
char *fab_measure_read_text(const char *path, GError **error);

/* One row of a table. */
typedef struct {
    guint line;   /* of the file, from 1 */
    char **cells; /* NULL-terminated */
} FabTableRow;

/* Cuts a table into rows (FabTableRow), the header first. The error names file and line. g_ptr_array_unref(). */
GPtrArray *fab_measure_parse_table(const char *path, const char *text, GError **error);

/* Appends one row and its line end. */
void fab_measure_append_row(GString *text, const char *const *cells);

#endif
