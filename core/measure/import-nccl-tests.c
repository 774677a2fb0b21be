#include "measure/import-nccl-tests.h"

#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "measure/passed-over.h"
#include "measure/schema.h"

enum {
    MAX_WORDS = 40,
    MAX_COLUMNS = 32,
    MAX_RUNS = 1000,
    MAX_ROWS = 200000, /* of one run */
    SHOWN = 60         /* characters of a line that is quoted */
};

typedef enum { SIZE, COUNT, TYPE, REDOP, ROOT, TIME, ALGBW, BUSBW, WRONG, OTHER } Column;

typedef struct {
    const char *path;
    const FabImportOptions *options;
    GPtrArray *runs;
    FabNcclRun *run; /* the last of `runs`, never NULL */
    char *program;   /* from a command line, of the run to come */
    Column columns[MAX_COLUMNS];
    unsigned column_count; /* 0: no header of columns yet */
    FabPassedOver foreign;
    uint64_t warnings, first_warning;
    char warning[SHOWN * 2];
} Reader;

static void
remark(const Reader *reader, uint64_t line, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void
remark(const Reader *reader, uint64_t line, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fab_import_remark(reader->options, "%s: line %" G_GUINT64_FORMAT ": %s", reader->path, line, message);
}

/* ------------------------------------------------------------------ runs */

static void
end_run(Reader *reader)
{
    if (reader->warnings > 0)
        remark(reader, reader->first_warning, "NCCL warned (%" G_GUINT64_FORMAT " such "
               "lines): %s", reader->warnings, reader->warning);
    if (reader->run->rows->len > 0 && !reader->run->finished)
        remark(reader, reader->run->end, "the run has no closing lines (a log that was "
               "cut, or an excerpt); its %u rows are kept",
               reader->run->rows->len);
    reader->warnings = 0;
}

/* A header line of a program: the run before it is over when its table had begun. */
static bool
begin_run(Reader *reader, uint64_t line, GError **error)
{
    if (reader->run->has_columns || reader->run->rows->len > 0 || reader->run->finished) {
        end_run(reader);
        if (reader->runs->len == MAX_RUNS) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                        "%s: line %" G_GUINT64_FORMAT ": there are more than %d runs in this log; split it",
                        reader->path,
                        line, MAX_RUNS);
            return false;
        }
        reader->run = fab_nccl_run_new(reader->path, line);
        reader->column_count = 0;
        g_ptr_array_add(reader->runs, reader->run);
    }
    if (reader->run->line == 0)
        reader->run->line = line;
    if (reader->program != NULL) {
        g_free(reader->run->program);
        reader->run->program = g_steal_pointer(&reader->program);
    }
    return true;
}

/* ------------------------------------------------------------------ lines that start with '#' */

static uint32_t
number_after(const char *text, const char *label)
{
    const char *at = strstr(text, label);
    gint64 value = at != NULL ? g_ascii_strtoll(at + strlen(label), NULL, 10) : 0;

    return value > 0 && value <= G_MAXINT32 ? (uint32_t)value : 0;
}

/* "# nThread 1 nGpus 8 minBytes 8 maxBytes 134217728 step: 2(factor) warmup iters: 5 iters: 20 ..." */
static bool
read_parameters(Reader *reader, const char *text, uint64_t line, GError **error)
{
    const char *iterations = strstr(text, "warmup iters:");

    if (!begin_run(reader, line, error))
        return false;
    reader->run->threads = number_after(text, "nThread");
    reader->run->gpus_per_thread = number_after(text, "nGpus");
    reader->run->warmup = number_after(text, "warmup iters:");
    if (iterations != NULL)
        reader->run->iterations = number_after(iterations + strlen("warmup iters:"), " iters:");
    reader->run->graph = number_after(text, "graph:");
    return true;
}

/* "#  Rank  0 Group  0 Pid 4242 on hostA device  0 [0x01] NVIDIA H100 PCIe" */
static bool
read_device(Reader *reader, char *text, uint64_t line, GError **error)
{
    const char *bracket = strchr(text, '[');
    const char *bracket_end = bracket != NULL ? strchr(bracket, ']') : NULL;
    g_autofree char *gpu = bracket_end != NULL ? g_strstrip(g_strdup(bracket_end + 1)) : NULL;
    char *words[MAX_WORDS];
    unsigned count = fab_log_split(text, words, MAX_WORDS), pid = 0;
    int64_t rank;

    while (pid < count && strcmp(words[pid], "Pid") != 0)
        pid++;
    if (gpu == NULL || pid + 3 >= count || strcmp(words[pid + 2], "on") != 0
        || !fab_parse_integer(words[2], &rank, NULL) || rank < 0 || rank > G_MAXINT32) {
        remark(reader, line, "this does not name a rank, a process, a host and a GPU as nccl-tests does; passed over");
        return true;
    }
    if (reader->run->has_columns && !begin_run(reader, line, error))
        return false;
    if (reader->run->line == 0)
        reader->run->line = line;
    return fab_nccl_run_add_device(reader->run, &(FabNcclDevice) { .rank = (uint32_t)rank, .line = line,
        .host = words[pid + 3], .pid = words[pid + 1], .gpu = gpu }, error);
}

/* "#  size  count  type  redop  root  time  algbw  busbw  #wrong  time ...": which columns the rows have. */
static bool
read_columns(Reader *reader, char *text, uint64_t line, GError **error)
{
    static const char *const names[] = { "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong" };
    bool cpu = strstr(text, " cputime ") != NULL;
    char *words[MAX_COLUMNS];
    unsigned count = fab_log_split(text + 1, words, MAX_COLUMNS);

    if (cpu) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: line %" G_GUINT64_FORMAT ": these are times of the CPU (option -C), which end before the GPUs "
                    "do; measure without -C", reader->path, line);
        return false;
    }
    if (reader->run->has_columns && reader->run->rows->len == 0 && !reader->run->finished) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: line %" G_GUINT64_FORMAT ": the title of the table appears again before any row, so several "
                    "processes print into one another: nccl-tests was built without MPI and started by mpirun or srun; "
                    "build it with MPI=1 and measure again", reader->path, line);
        return false;
    }
    if (reader->run->has_columns && !begin_run(reader, line, error))
        return false;
    if (reader->run->line == 0)
        reader->run->line = line;
    for (unsigned i = 0; i < count; i++) {
        Column column = 0;
        while (column < OTHER && strcmp(names[column], words[i]) != 0)
            column++;
        reader->columns[i] = strcmp(words[i], "error") == 0 ? WRONG : column;
    }
    reader->column_count = count;
    if (count > 0 && strcmp(words[count - 1], "timestamp") == 0)
        reader->column_count--; /* date and time after the figures */
    reader->run->has_columns = true;
    return true;
}

/* The program's name in a command line or in "# Collective test starting: all_reduce_perf"; false: there is none. */
static bool
read_program(Reader *reader, const char *text)
{
    const char *end = strstr(text, "_perf"), *start = end;

    if (end == NULL || (end[5] != '\0' && end[5] != ' ' && end[5] != '"' && end[5] != '\''))
        return false;
    while (start > text && (g_ascii_islower(start[-1]) || start[-1] == '_'))
        start--;
    if (start == end)
        return false;
    g_free(reader->program);
    reader->program = g_strndup(start, (size_t)(end - start) + 5);
    return true;
}

static bool
read_comment(Reader *reader, char *text, uint64_t line, GError **error)
{
    char *body = text + 1 + strspn(text + 1, " ");

    reader->run->end = MAX(reader->run->end, line);
    if (g_str_has_prefix(body, "nThread "))
        return read_parameters(reader, body, line, error);
    if (g_str_has_prefix(body, "Rank "))
        return read_device(reader, text, line, error);
    if (g_str_has_prefix(body, "size ") && strstr(body, "time ") != NULL)
        return read_columns(reader, text, line, error);
    if (strstr(body, " version ") != NULL && strstr(body, "nccl-library=") != NULL) {
        if (!begin_run(reader, line, error))
            return false;
        fab_nccl_run_set_version_code(reader->run, number_after(body, "nccl-library="));
    } else if (g_str_has_prefix(body, "Collective test starting:")) {
        read_program(reader, body);
        return begin_run(reader, line, error);
    } else if (g_str_has_prefix(body, "Out of bounds values") || g_str_has_prefix(body, "Avg bus bandwidth")) {
        reader->run->finished = reader->run->has_columns || reader->run->rows->len > 0;
    }
    return true;
}

/* ------------------------------------------------------------------ lines of others */

static void
report_foreign(Reader *reader)
{
    fab_passed_over_tell(&reader->foreign, reader->options, reader->path, "neither nccl-tests nor NCCL prints");
}

/* ------------------------------------------------------------------ rows */

/* Layouts without a title: with root (from 2022) or without (before). */
static void
guess_columns(Reader *reader, unsigned words)
{
    static const Column titles[] = { SIZE, COUNT, TYPE, REDOP, ROOT, TIME, ALGBW, BUSBW, WRONG, TIME, ALGBW, BUSBW,
        WRONG };

    reader->column_count = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(titles); i++) {
        if (titles[i] != ROOT || words != 12)
            reader->columns[reader->column_count++] = titles[i];
    }
}

static bool
is_number(const char *word)
{
    char *end;

    g_ascii_strtod(word, &end);
    return end != word && *end == '\0' && strchr(word, 'x') == NULL;
}

/* As printed when it is plain, else written out: "1.0e1" -> "10". */
static bool
read_number(const char *word, char text[FAB_NCCL_NUMBER])
{
    if (!is_number(word))
        return false;
    if (strspn(word, "0123456789.") == strlen(word) && strlen(word) < FAB_NCCL_NUMBER)
        g_strlcpy(text, word, FAB_NCCL_NUMBER);
    else
        g_ascii_formatd(text, FAB_NCCL_NUMBER, "%.10g", g_ascii_strtod(word, NULL));
    return true;
}

static bool
read_cell(FabNcclRow *row, Column column, int half, const char *word)
{
    FabNcclHalf *figures = &row->half[MAX(half, 0)];
    int64_t value = 0;

    switch (column) {
    case SIZE:
    case COUNT:
        if (!g_ascii_isdigit(word[0]) || !fab_parse_integer(word, &value, NULL) || value < 0 ||
            strlen(word) > FAB_CELL_DIGITS)
            return false;
        *(column == SIZE ? &row->size : &row->count) = (uint64_t)value;
        return true;
    case TYPE:
        return g_strlcpy(row->type, word, sizeof(row->type)) < sizeof(row->type) && g_ascii_isalpha(word[0]);
    case REDOP:
        return g_strlcpy(row->redop, word, sizeof(row->redop)) < sizeof(row->redop) && g_ascii_isalpha(word[0]);
    case ROOT:
        if (!fab_parse_integer(word, &value, NULL) || value < -1 || value > G_MAXINT32)
            return false;
        row->root = (int32_t)value;
        row->has_root = true;
        return true;
    case TIME:
        return read_number(word, figures->time_us);
    case ALGBW:
        return read_number(word, figures->algbw);
    case BUSBW:
        return read_number(word, figures->busbw);
    case WRONG:
        figures->wrong = is_number(word) ? g_ascii_strtod(word, NULL) : -1;
        /* The error column of 2021 held a rounding error, not a count. */
        if (figures->wrong < 1)
            figures->wrong = MIN(figures->wrong, 0);
        return is_number(word) || strcmp(word, "N/A") == 0;
    default:
        return true;
    }
}

/* Index of the word that cannot be read, or -1. */
static int
read_cells(const Reader *reader, char **words, unsigned count, FabNcclRow *row)
{
    int half = -1;

    row->root = -1;
    row->half[0].wrong = row->half[1].wrong = -1;
    for (unsigned i = 0; i < reader->column_count && i < count; i++) {
        half += reader->columns[i] == TIME;
        if (!read_cell(row, reader->columns[i], half, words[i]))
            return (int)i;
    }
    return -1;
}

static bool
has_separators(const char *word)
{
    size_t length = strlen(word);

    if (length < 5 || !g_ascii_isdigit(word[0]) || strspn(word, "0123456789,.'_") != length)
        return false;
    return strcspn(word, ",.'_") <= 3 && strchr(",.'_", word[length - 4]) != NULL;
}

/* "2026-07-20" or "10:00:00" */
static bool
is_stamp(const char *word)
{
    return g_ascii_isdigit(word[0]) && strpbrk(word, "-:") != NULL;
}

static bool
read_row(Reader *reader, char *text, const FabLogLine *line, GError **error)
{
    g_autofree char *shown = g_strndup(text, SHOWN);
    char *words[MAX_WORDS];
    unsigned count = fab_log_split(text, words, MAX_WORDS);
    FabNcclRow row = { .line = line->number };
    int bad;

    if (count > 2 && (has_separators(words[0]) || has_separators(words[1])) && g_ascii_isalpha(words[2][0])) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: line %" G_GUINT64_FORMAT ": \"%s\" has thousands separators; give the log as nccl-tests "
                    "printed it", reader->path, line->number, has_separators(words[0]) ? words[0] : words[1]);
        return false;
    }
    if (reader->column_count == 0) {
        if (count < 3 || !g_ascii_isalpha(words[2][0])) {
            fab_passed_over_add(&reader->foreign, shown, line->number);
            return true;
        }
        guess_columns(reader, count);
    }
    report_foreign(reader);
    if (reader->run->line == 0)
        reader->run->line = line->number;
    reader->run->end = line->number;
    if (count < reader->column_count || (count > reader->column_count && !is_stamp(words[reader->column_count]))) {
        remark(reader, line->number, "%s; left out: \"%s\"",
               line->cut ? "the last line is cut in the middle"
                         : "the row has not the cells that the title of the table names", shown);
        return true;
    }
    bad = read_cells(reader, words, count, &row);
    if (bad >= 0) {
        remark(reader, line->number, "cell %d of the row, \"%.20s\", cannot be read; "
               "the row is left out", bad + 1, words[bad]);
        return true;
    }
    if (reader->run->rows->len == MAX_ROWS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %" G_GUINT64_FORMAT ": a run has more than %d rows",
                    reader->path, line->number, MAX_ROWS);
        return false;
    }
    fab_nccl_run_add_row(reader->run, &row, reader->options);
    return true;
}

/* ------------------------------------------------------------------ all lines */

/* Whether figures stand in front of what NCCL printed into the same line. */
static bool
is_broken_row(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    const char *next = text + digits + strspn(text + digits, " ");

    return digits > 0 && text[digits] == ' ' && g_ascii_isdigit(next[0]);
}

static bool
read_nccl(Reader *reader, const char *text, uint64_t line)
{
    const char *warning = strstr(text, " NCCL WARN ");

    if (warning != NULL) {
        if (reader->warnings++ == 0) {
            reader->first_warning = line;
            g_strlcpy(reader->warning, warning + strlen(" NCCL WARN "), sizeof(reader->warning));
        }
        return true;
    }
    return fab_nccl_info_read(reader->run, text);
}

static bool
read_line(Reader *reader, const FabLogLine *line, GError **error)
{
    char *text = line->text + strspn(line->text, " "), *bare;

    if (text[0] == '\0')
        return true;
    bare = fab_log_strip_tag(text);
    if (bare[0] != '#' && (strstr(bare, " NCCL ") != NULL || g_str_has_prefix(bare, "NCCL version "))
        && read_nccl(reader, bare, line->number)) {
        if (is_broken_row(bare))
            remark(reader, line->number, "NCCL printed into a row; the row is left out");
        return true;
    }
    if (line->overlong) {
        remark(reader, line->number, "longer than any line of nccl-tests; passed over");
        return true;
    }
    if (bare[0] == '#') {
        report_foreign(reader);
        return read_comment(reader, bare, line->number, error);
    }
    if (g_ascii_isdigit(bare[0]))
        return read_row(reader, bare, line, error);
    if (!read_program(reader, text))
        fab_passed_over_add(&reader->foreign, text, line->number);
    return true;
}

/* Runs of the text in `log`, of which some may have no rows. */
static GPtrArray *
read_text(const char *path, FabLog *log, const FabImportOptions *options, GError **error)
{
    g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func((GDestroyNotify)fab_nccl_run_free);
    Reader reader = { .path = path, .options = options, .runs = runs };
    g_autoptr(GError) failure = NULL;
    FabLogLine line;
    bool good = true;

    reader.run = fab_nccl_run_new(path, 0);
    g_ptr_array_add(runs, reader.run);
    while (good && fab_log_next(log, &line, &failure))
        good = read_line(&reader, &line, &failure);
    report_foreign(&reader);
    end_run(&reader);
    if (reader.run->program == NULL)
        reader.run->program = g_steal_pointer(&reader.program);
    g_free(reader.program);
    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    for (guint i = 0; i < runs->len; i++) {
        const FabNcclRun *run = runs->pdata[i];
        if (run->rows->len > 0)
            return g_steal_pointer(&runs);
    }
    if (reader.foreign.tool != NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: no row of nccl-tests; this looks like %s", path,
                    reader.foreign.tool);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: no row of nccl-tests that can be used; give the whole text that a program such as "
                    "all_reduce_perf printed", path);
    return NULL;
}

/* ------------------------------------------------------------------ the whole */

static GPtrArray *
import_log(const char *path, const FabImportOptions *options, GError **error)
{
    g_autoptr(FabLog) log = fab_log_open(path, error);
    g_autoptr(GPtrArray) drafts = g_ptr_array_new_with_free_func((GDestroyNotify)fab_draft_free), runs = NULL;
    int first = log != NULL ? fab_log_first(log) : -1;

    if (log == NULL)
        return NULL;
    if (first == '{') {
        g_autoptr(FabNcclRun) run = fab_nccl_tests_read_json(path, log, options, error);
        FabDraft *draft = run != NULL ? fab_nccl_run_draft(run, options, error) : NULL;
        if (draft == NULL)
            return NULL;
        g_ptr_array_add(drafts, draft);
        return g_steal_pointer(&drafts);
    }
    runs = read_text(path, log, options, error);
    for (guint i = 0; runs != NULL && i < runs->len; i++) {
        const FabNcclRun *run = runs->pdata[i];
        FabDraft *draft;
        if (run->rows->len == 0) {
            fab_import_remark(options, "%s: line %" G_GUINT64_FORMAT ": this run has no row; left out", path,
                run->line);
            continue;
        }
        draft = fab_nccl_run_draft(run, options, error);
        if (draft == NULL)
            return NULL;
        g_ptr_array_add(drafts, draft);
    }
    return runs != NULL ? g_steal_pointer(&drafts) : NULL;
}

GPtrArray *
fab_import_nccl_tests(const char *path, const FabImportOptions *options, GError **error)
{
    GPtrArray *drafts = import_log(path, options, error);

    fab_import_clean_error(error);
    return drafts;
}
