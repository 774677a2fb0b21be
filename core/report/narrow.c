#include "report/narrow.h"

#include <stdbool.h>
#include <string.h>

enum {
    LEAST_COLUMNS = 40,
    TAB = 8,
    TEXT_COLUMNS = 20, /* the least that a column of text is wrapped into */
    HEAD_LINES = 2,    /* names and units */
    FURTHER = 4        /* by which further lines of a row are indented more than its first one */
};

/*
 * What a line is, by its looks: writers of reports mark heads with '#' and set columns apart by two blanks or more.
 * A label, "# bound by  latency", can be a head too: it is one where rows come next.
 */
typedef enum { SENTENCE, LABEL, HEAD, ROW } Kind;

typedef struct {
    const char *bytes; /* as written, without the newline */
    gsize length;
    gunichar *text; /* tabs filled up */
    glong width;
    Kind kind;
} Line;

/* Rows and their head: all are cut at the same places. */
typedef struct {
    Line *lines;
    guint count, heads;
    glong width;
    bool *filled; /* of each column: some line has a letter there */
} Table;

/* ------------------------------------------------------------------ lines */

static bool
is_hash(const Line *line)
{
    return line->width > 0 && line->text[0] == '#';
}

static bool
is_blank(const Line *line, glong at)
{
    return at >= line->width || line->text[at] == ' ';
}

/* The first letter from `at` on; behind the end: the width. */
static glong
next_letter(const Line *line, glong at)
{
    while (at < line->width && line->text[at] == ' ')
        at++;
    return at;
}

static Kind
kind_of(const Line *line)
{
    glong first = next_letter(line, is_hash(line) ? 1 : 0);

    for (glong i = first + 1; i + 2 < line->width; i++) {
        if (is_blank(line, i) && is_blank(line, i + 1))
            return !is_hash(line) ? ROW : first == 2 ? LABEL : HEAD;
    }
    return SENTENCE;
}

static void
append_line(GArray *lines, const char *bytes, gsize length)
{
    Line line = { .bytes = bytes, .length = length };
    g_autoptr(GString) plain = g_string_new(NULL);
    glong column = 0;

    for (const char *c = bytes; c < bytes + length; c = g_utf8_next_char(c)) {
        glong fill = *c == '\t' ? TAB - column % TAB : 0;
        column += MAX(fill, 1);
        if (fill == 0)
            g_string_append_len(plain, c, g_utf8_next_char(c) - c);
        while (fill-- > 0)
            g_string_append_c(plain, ' ');
    }
    line.text = g_utf8_to_ucs4_fast(plain->str, (glong)plain->len, &line.width);
    while (line.width > 0 && line.text[line.width - 1] == ' ')
        line.width--;
    line.kind = kind_of(&line);
    g_array_append_val(lines, line);
}

static void
clear_line(gpointer data)
{
    g_free(((Line *)data)->text);
}

/* ------------------------------------------------------------------ printing */

/* What is written, and how wide it may be. */
typedef struct {
    GString *text;
    glong columns;
} Writer;

static void
append_blanks(GString *out, glong count)
{
    while (count-- > 0)
        g_string_append_c(out, ' ');
}

/*
 * Appends the letters from `from` to `to`, whose first one comes to stand at `column`, and a newline. What does not
 * fit goes on below, behind `hang` blanks.
 */
static void
append_wrapped(Writer *writer, const Line *line, glong from, glong to, glong column, glong hang)
{
    GString *out = writer->text;

    while (from < to) {
        glong end = MIN(to, from + writer->columns - column), word = next_letter(line, from), next;
        while (end < to && end > word && !is_blank(line, end))
            end--;
        if (end <= word) { /* one long word */
            for (end = word; end < to && !is_blank(line, end);)
                end++;
        }
        next = MIN(next_letter(line, end), to);
        while (end > word && is_blank(line, end - 1))
            end--;
        for (glong i = from; i < end; i++)
            g_string_append_unichar(out, line->text[i]);
        g_string_append_c(out, '\n');
        from = next;
        column = hang;
        if (from < to) {
            append_blanks(out, hang);
            if (is_hash(line))
                out->str[(glong)out->len - hang] = '#';
        }
    }
}

/* Goes on below its words; behind a short label, "# bound by  ", below what is said of it. */
static void
append_sentence(Writer *writer, const Line *line)
{
    glong first = next_letter(line, is_hash(line) ? 1 : 0), hang = first + 2;

    for (glong i = first + 1; i + 2 < MIN(line->width, writer->columns / 3); i++) {
        if (is_blank(line, i) && is_blank(line, i + 1)) {
            hang = MIN(next_letter(line, i), writer->columns / 3);
            break;
        }
    }
    append_wrapped(writer, line, 0, line->width, 0, hang);
}

static void
append_as_written(GString *out, const Line *line)
{
    g_string_append_len(out, line->bytes, (gssize)line->length);
    g_string_append_c(out, '\n');
}

/* ------------------------------------------------------------------ tables */

static void
table_fill(Table *table)
{
    for (guint i = 0; i < table->count; i++)
        table->width = MAX(table->width, table->lines[i].width);
    table->filled = g_new0(bool, table->width + 1);
    for (guint i = 0; i < table->count; i++) {
        for (glong c = 0; c < table->lines[i].width; c++)
            table->filled[c] |= !is_blank(&table->lines[i], c);
    }
}

/* Takes out what no line has a letter in, but for two blanks between columns. */
static void
table_squeeze(Table *table)
{
    glong width = 0;

    for (glong c = 0; c < table->width; c++) {
        if (c > 1 && !table->filled[c] && !table->filled[c - 1] && !table->filled[c - 2])
            continue;
        for (guint i = 0; i < table->count; i++) {
            if (c < table->lines[i].width)
                table->lines[i].text[width] = table->lines[i].text[c];
        }
        width++;
    }
    for (guint i = 0; i < table->count; i++) {
        Line *line = &table->lines[i];
        glong kept = 0;
        for (glong c = 0; c < line->width; c++)
            kept += !(c > 1 && !table->filled[c] && !table->filled[c - 1] && !table->filled[c - 2]);
        line->width = kept;
    }
    g_free(table->filled);
    table->width = 0;
    table_fill(table);
}

/* Where the last column starts, when it is text that can be wrapped: most of its rows begin there. Else the width. */
static glong
text_column(const Table *table, glong columns)
{
    glong start = table->width - 1;
    guint rows = 0, begin = 0;

    while (start > 2 && (!table->filled[start] || table->filled[start - 1] || table->filled[start - 2]))
        start--;
    for (guint i = table->heads; i < table->count; i++) {
        rows += table->lines[i].width > start;
        begin += !is_blank(&table->lines[i], start);
    }
    return start > 2 && start <= columns - TEXT_COLUMNS && 2 * begin >= rows ? start : table->width;
}

/* Where a part of the columns ends that starts at `from` and has room for `room` of them. */
static glong
part_end(const Table *table, glong from, glong room)
{
    glong end = from + room;

    if (end >= table->width)
        return table->width;
    while (end > from && table->filled[end])
        end--;
    if (end > from)
        return end;
    for (end = from + room; end < table->width && table->filled[end];)
        end++;
    return end;
}

static void
append_part(Writer *writer, const Line *line, glong from, glong to, glong indent)
{
    glong first = next_letter(line, from), last = MIN(to, line->width);

    if (first >= last)
        return;
    if (from == 0) {
        append_wrapped(writer, line, 0, last, 0, indent);
        return;
    }
    append_blanks(writer->text, indent + first - from);
    if (is_hash(line))
        writer->text->str[(glong)writer->text->len - indent - first + from] = '#';
    append_wrapped(writer, line, first, last, indent + first - from, indent + 2);
}

/* Columns that are printed side by side. */
typedef struct {
    glong from, end;
} Part;

/* Further parts are indented, which leaves them less room. */
static GArray *
cut(const Table *table, glong columns, glong indent)
{
    GArray *parts = g_array_new(FALSE, FALSE, sizeof(Part));
    Part part = { 0, part_end(table, 0, columns) };

    g_array_append_val(parts, part);
    while (part.end < table->width) {
        for (part.from = part.end; !table->filled[part.from];)
            part.from++;
        part.end = part_end(table, part.from, columns - indent);
        g_array_append_val(parts, part);
    }
    return parts;
}

/* Heads part by part, as they name what is below one another; rows one after the other. */
static void
append_parts(Writer *writer, const Table *table)
{
    g_autoptr(GArray) parts = NULL;
    glong indent = 2 * FURTHER;

    for (guint i = table->heads; i < table->count; i++)
        indent = MIN(indent, next_letter(&table->lines[i], is_hash(&table->lines[i]) ? 1 : 0));
    indent += FURTHER;
    parts = cut(table, writer->columns, indent);
    for (guint p = 0; p < parts->len; p++) {
        const Part *part = &g_array_index(parts, Part, p);
        for (guint i = 0; i < table->heads; i++)
            append_part(writer, &table->lines[i], part->from, part->end, indent);
    }
    for (guint i = table->heads; i < table->count; i++) {
        for (guint p = 0; p < parts->len; p++) {
            const Part *part = &g_array_index(parts, Part, p);
            append_part(writer, &table->lines[i], part->from, part->end, indent);
        }
    }
}

static void
append_table(Writer *writer, Table *table)
{
    glong text;

    table_fill(table);
    if (table->width <= writer->columns) {
        for (guint i = 0; i < table->count; i++)
            append_as_written(writer->text, &table->lines[i]);
        g_free(table->filled);
        return;
    }
    table_squeeze(table);
    text = text_column(table, writer->columns);
    if (table->width > writer->columns && text == table->width)
        append_parts(writer, table);
    for (guint i = 0; i < table->count && (table->width <= writer->columns || text < table->width); i++)
        append_wrapped(writer, &table->lines[i], 0, table->lines[i].width, 0, text);
    g_free(table->filled);
}

/* ------------------------------------------------------------------ what was wrapped already */

/* Where what is said behind a label begins. */
static glong
said_at(const Line *label)
{
    glong at = next_letter(label, 1);

    while (at + 1 < label->width && !(is_blank(label, at) && is_blank(label, at + 1)))
        at++;
    return next_letter(label, at);
}

/* Lines from `first` on that a writer wrapped into 80 columns, each below what the label's line says: 1 or more. */
static guint
wrapped_lines(const GArray *lines, guint first, glong columns)
{
    const Line *line = (const Line *)(const void *)lines->data;
    glong at = line[first].kind == LABEL ? said_at(&line[first]) : 0, widest = line[first].width;
    guint end = first + 1;

    for (; at > 0 && end < lines->len && is_hash(&line[end]) && line[end].kind == SENTENCE && line[end].width > at &&
           next_letter(&line[end], 1) == at; end++)
        widest = MAX(widest, line[end].width);
    return widest > columns ? end - first : 1;
}

/* They are one sentence again, and that is wrapped once. */
static void
append_joined(Writer *writer, const Line *line, guint count)
{
    g_autoptr(GArray) whole = g_array_new(FALSE, FALSE, sizeof(Line));
    g_autoptr(GString) text = g_string_new_len(line->bytes, (gssize)line->length);

    g_array_set_clear_func(whole, clear_line);
    for (guint i = 1; i < count; i++) {
        g_autofree char *more = g_strndup(line[i].bytes + 1, line[i].length - 1); /* without its '#' */
        g_string_append_printf(text, " %s", g_strstrip(more));
    }
    append_line(whole, text->str, text->len);
    append_sentence(writer, &g_array_index(whole, Line, 0));
}

/* ------------------------------------------------------------------ the whole */

/* How many lines from `first` on belong together: rows and their head, heads alone; 0: it is a sentence. */
static guint
table_lines(const GArray *lines, guint first, guint *heads)
{
    const Line *line = (const Line *)(const void *)lines->data;
    guint head = first, rows, end;

    while (head < lines->len && (line[head].kind == HEAD || line[head].kind == LABEL))
        head++;
    for (end = head; end < lines->len && line[end].kind == ROW;)
        end++;
    rows = end - head;
    *heads = head - first;
    if (rows > 0 && *heads <= HEAD_LINES && (*heads < HEAD_LINES || line[first].kind == line[first + 1].kind))
        return end - first;
    if (line[first].kind != HEAD)
        return 0;
    /* What stands before the head of rows is a table of heads. */
    *heads = 0;
    for (end = first; end < head - (rows > 0 ? HEAD_LINES : 0) && line[end].kind == HEAD;)
        end++;
    return MAX(end - first, 1);
}

char *
fab_narrow(const char *text, gsize length, guint columns)
{
    g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(Line));
    Writer writer = { g_string_new(NULL), (glong)MAX(columns, LEAST_COLUMNS) };
    const char *end = text + length;

    if (!g_utf8_validate_len(text, length, NULL))
        return g_string_free(g_string_append_len(writer.text, text, (gssize)length), FALSE);
    g_array_set_clear_func(lines, clear_line);
    for (const char *at = text; at < end;) {
        const char *stop = memchr(at, '\n', (gsize)(end - at));
        append_line(lines, at, (gsize)((stop != NULL ? stop : end) - at));
        at = stop != NULL ? stop + 1 : end;
    }
    for (guint i = 0; i < lines->len;) {
        Line *line = &g_array_index(lines, Line, i);
        Table table = { .lines = line };
        guint count = table.count = line->kind != SENTENCE ? table_lines(lines, i, &table.heads) : 0;
        guint wrapped = count == 0 ? wrapped_lines(lines, i, writer.columns) : 0;
        if (count > 0)
            append_table(&writer, &table);
        else if (wrapped > 1)
            append_joined(&writer, line, wrapped);
        else if (line->width > writer.columns)
            append_sentence(&writer, line);
        else
            append_as_written(writer.text, line);
        i += MAX(count, wrapped);
    }
    if (length > 0 && end[-1] != '\n')
        g_string_truncate(writer.text, writer.text->len - 1);
    return g_string_free(writer.text, FALSE);
}
