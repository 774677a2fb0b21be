#include "measure/table.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"

enum { MAX_BYTES = 64 << 20 };

char *
fab_measure_read_text(const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = fab_file_read(path, "a file of a measurement", MAX_BYTES, &length, error);

    if (text == NULL)
        return NULL;
    if (g_str_has_prefix(text, "\xef\xbb\xbf")) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: begins with a byte order mark, must be UTF-8 without one: save it as plain UTF-8", path);
        return NULL;
    }
    if (memchr(text, '\0', length) != NULL || !g_utf8_validate(text, (gssize)length, NULL)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is not UTF-8 text", path);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* ------------------------------------------------------------------ reading tables */

typedef struct {
    const char *path, *at;
    guint line;
} Reader;

static void
free_row(gpointer data)
{
    FabTableRow *row = data;

    g_strfreev(row->cells);
    g_free(row);
}

static bool
refuse(const Reader *reader, const char *message, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: %s", reader->path, reader->line, message);
    return false;
}

/* A cell in quotes; the reader stands on the first quote. A quote inside is written twice. */
static bool
read_quoted(Reader *reader, GString *cell, GError **error)
{
    for (reader->at++;; reader->at++) {
        if (reader->at[0] == '\0' || reader->at[0] == '\n')
            return refuse(reader, "a quote is opened and not closed, a cell ends in its line", error);
        if (reader->at[0] == '"' && reader->at[1] != '"')
            break;
        if (reader->at[0] == '"')
            reader->at++;
        g_string_append_c(cell, reader->at[0]);
    }
    reader->at++;
    if (strchr(",\r\n", reader->at[0]) == NULL)
        return refuse(reader, "text follows a closing quote, only a comma or the end of the line may", error);
    return true;
}

static bool
read_cell(Reader *reader, GPtrArray *cells, GError **error)
{
    g_autoptr(GString) cell = g_string_new(NULL);
    size_t length;

    if (reader->at[0] == '"') {
        if (!read_quoted(reader, cell, error))
            return false;
    } else {
        length = strcspn(reader->at, ",\"\r\n");
        g_string_append_len(cell, reader->at, (gssize)length);
        reader->at += length;
        if (reader->at[0] == '"')
            return refuse(reader, "a quote stands inside a cell, such a cell is written in quotes as a whole", error);
    }
    g_ptr_array_add(cells, g_string_free(g_steal_pointer(&cell), FALSE));
    return true;
}

/* One line with its end, LF or CRLF. */
static bool
read_row(Reader *reader, GPtrArray *rows, GError **error)
{
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    FabTableRow *row;

    do {
        if (cells->len > 0)
            reader->at++; /* the comma */
        if (!read_cell(reader, cells, error))
            return false;
    } while (reader->at[0] == ',');
    if (reader->at[0] == '\r' && reader->at[1] == '\n')
        reader->at++;
    if (reader->at[0] == '\0')
        return refuse(reader, "the file ends inside this line, it may have been cut off; every line ends in a line end",
                      error);
    if (reader->at[0] != '\n')
        return refuse(reader, "a carriage return stands inside the line, lines end in LF or CRLF", error);
    reader->at++;
    row = g_new(FabTableRow, 1);
    g_ptr_array_add(cells, NULL);
    *row = (FabTableRow) { reader->line++, (char **)g_ptr_array_steal(cells, NULL) };
    g_ptr_array_add(rows, row);
    return true;
}

GPtrArray *
fab_measure_parse_table(const char *path, const char *text, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_row);
    Reader reader = { .path = path, .at = text, .line = 1 };

    while (reader.at[0] != '\0') {
        if (!read_row(&reader, rows, error))
            return NULL;
    }
    if (rows->len == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is empty, must begin with a line of column names", path);
        return NULL;
    }
    return g_steal_pointer(&rows);
}

/* ------------------------------------------------------------------ writing tables */

void
fab_measure_append_row(GString *text, const char *const *cells)
{
    for (guint i = 0; cells[i] != NULL; i++) {
        if (i > 0)
            g_string_append_c(text, ',');
        if (strpbrk(cells[i], ",\"") == NULL) {
            g_string_append(text, cells[i]);
        } else {
            g_auto(GStrv) parts = g_strsplit(cells[i], "\"", -1);
            g_autofree char *doubled = g_strjoinv("\"\"", parts);
            g_string_append_printf(text, "\"%s\"", doubled);
        }
    }
    g_string_append_c(text, '\n');
}
