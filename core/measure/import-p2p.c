#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "measure/import-link.h"
#include "measure/link-matrix.h"
#include "measure/log.h"
#include "measure/passed-over.h"

enum { MAX_WORDS = 1100 };

typedef enum { UNIDIR, BIDIR, LATENCY, TABLES } Table;

typedef struct {
    const char *path;
    const FabImportOptions *options;
    FabLinkMachine machine;
    FabLinkMatrix *tables[2][TABLES]; /* without and with peer access */
    FabLinkMatrix *ignored;           /* connectivity, and the CPU's share of the latency */
    FabLinkMatrix *current;           /* being read, or NULL */
    bool has_header;                  /* of the current one */
    bool writes, reads, any_enabled;  /* what the titles say */
    uint32_t can, cannot;             /* pairs with and without access */
    char *title;
    uint64_t title_line;
    FabPassedOver foreign;
} Reader;

/* ------------------------------------------------------------------ lines */

/* The rows of a matrix that ends here must all be there: a missing one would look like pairs without a link. */
static void
end_matrix(Reader *reader)
{
    uint32_t missing = reader->current != NULL && reader->has_header ? fab_link_matrix_missing(reader->current) : 0;

    if (reader->current != NULL && !reader->has_header && reader->current != reader->ignored)
        fab_import_remark(reader->options, "%s: line %" G_GUINT64_FORMAT ": \"%s\" has no rows", reader->path,
                          reader->title_line, reader->title);
    if (missing > 0)
        fab_import_remark(reader->options, "%s: line %" G_GUINT64_FORMAT ": \"%s\" lacks %u of %u rows; the others are "
                          "kept", reader->path, reader->title_line, reader->title, missing, reader->current->count);
    reader->current = NULL;
    reader->has_header = false;
}

/* "Unidirectional P2P=Enabled Bandwidth (P2P Writes) Matrix (GB/s)" */
static bool
read_title(Reader *reader, const char *text, uint64_t line, GError **error)
{
    bool enabled = strstr(text, "P2P=Enabled") != NULL;
    Table table = strstr(text, "Latency") != NULL ? LATENCY : strstr(text, "Bidirectional") != NULL ? BIDIR : UNIDIR;
    FabLinkMatrix **matrix = &reader->tables[enabled][table];

    end_matrix(reader);
    g_free(reader->title);
    reader->title = g_strdup(text);
    reader->title_line = line;
    if (strstr(text, "Connectivity") != NULL) {
        reader->current = reader->ignored;
        return true;
    }
    reader->writes = reader->writes || strstr(text, "P2P Writes") != NULL;
    reader->reads = reader->reads || strstr(text, "P2P Reads") != NULL;
    reader->any_enabled = reader->any_enabled || enabled;
    if (*matrix != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: line %" G_GUINT64_FORMAT ": \"%.60s\" appears again; give one run of p2pBandwidthLatencyTest",
                    reader->path, line, text);
        return false;
    }
    *matrix = fab_link_matrix_new();
    reader->current = *matrix;
    return true;
}

/* "Device: 0, NVIDIA GeForce RTX 4090, pciBusID: 41, ..." */
static void
read_device(Reader *reader, const char *text)
{
    g_auto(GStrv) fields = g_strsplit(text + strlen("Device:"), ",", 3);
    int64_t device;

    if (fields[0] != NULL && fields[1] != NULL && fab_parse_integer(g_strstrip(fields[0]), &device,
        NULL) && device >= 0)
        fab_link_machine_add(&reader->machine, (uint32_t)MIN(device, G_MAXINT32), g_strstrip(fields[1]));
}

/* Rows of numbers below a title. */
static bool
read_numbers(Reader *reader, char *text, const FabLogLine *line, bool *used, GError **error)
{
    char *words[MAX_WORDS];
    bool cpu = g_str_has_prefix(text, "CPU ");
    unsigned count = fab_log_split(text, words, MAX_WORDS);

    *used = true;
    if (cpu && reader->current != NULL) {
        end_matrix(reader);
        reader->current = reader->ignored; /* time in the driver's calls */
    }
    if (!reader->has_header || (count > 1 && !g_ascii_isdigit(words[0][0]))) {
        *used = fab_link_matrix_header(reader->current, words, count);
        reader->has_header = reader->has_header || *used;
        return true;
    }
    if (!g_ascii_isdigit(words[0][0])) {
        *used = false;
        return true;
    }
    return fab_link_matrix_row(reader->current, words, count, line,
                               &(FabLinkPlace) { reader->path, reader->title, reader->options }, error);
}

/* What the program prints around the matrices. */
static bool
is_known_text(const char *text)
{
    static const char *const parts[] = {
        "[P2P (Peer-to-Peer)", "NOTE:", "So you can see", "p2pBandwidthLatencyTest",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (strstr(text, parts[i]) != NULL)
            return true;
    }
    return false;
}

static bool
read_line(Reader *reader, const FabLogLine *line, GError **error)
{
    bool device = g_str_has_prefix(line->text, "Device:"); /* looks like a tag */
    char *text = device ? line->text : fab_log_strip_tag(line->text);
    g_autofree char *shown = g_strndup(text, 120); /* before `text` is split */
    bool used = false;

    if (text[0] == '\0')
        return true;
    if (strstr(text, "Matrix") != NULL && strstr(text, "P2P") != NULL)
        return read_title(reader, text, line->number, error);
    if (g_str_has_prefix(text, "Device:")) {
        read_device(reader, text);
        return true;
    }
    if (g_str_has_prefix(text, "Device=")) {
        reader->can += strstr(text, " CAN Access") != NULL;
        reader->cannot += strstr(text, " CANNOT Access") != NULL;
        return true;
    }
    if (reader->current != NULL && !read_numbers(reader, text, line, &used, error))
        return false;
    if (used || is_known_text(shown))
        return true;
    fab_passed_over_add(&reader->foreign, shown, line->number);
    return true;
}

/* ------------------------------------------------------------------ the whole */

static bool
check_sizes(const Reader *reader, GError **error)
{
    uint32_t count = 0;

    for (int i = 0; i < 2 * TABLES; i++) {
        const FabLinkMatrix *matrix = reader->tables[i / TABLES][i % TABLES];
        if (matrix == NULL || matrix->count == 0)
            continue;
        if (count != 0 && matrix->count != count) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: one matrix has %u columns, another %u; give one run "
                "of p2pBandwidthLatencyTest", reader->path, count, matrix->count);
            return false;
        }
        count = matrix->count;
    }
    return true;
}

static FabDraft *
make_draft(const Reader *reader, bool enabled)
{
    FabLinkMatrix *const *tables = reader->tables[enabled];
    const FabLinkMatrix *used[TABLES] = { 0 };
    FabLinkTables all = {
        /* The program without "(P2P Writes)" in its titles copied from the column's GPU. */
        .column_to_row = reader->reads || (reader->any_enabled && !reader->writes),
        .path = reader->path, .tool = "p2pBandwidthLatencyTest", .suffix = enabled ? "on" : "off",
        .note = enabled ? "peer access enabled" : "peer access disabled: copies go through host memory",
    };
    FabDraft *draft;

    for (int i = 0; i < TABLES; i++)
        used[i] = tables[i] != NULL && tables[i]->count > 0 ? tables[i] : NULL;
    all.unidir = used[UNIDIR];
    all.bidir = used[BIDIR];
    all.latency = used[LATENCY];
    draft = fab_link_draft(&all, &reader->machine, reader->options);
    if (draft == NULL)
        return NULL;
    fab_draft_set(draft, "system", "p2p", "%s", enabled ? "yes" : "no");
    if (!enabled && reader->options->topology != NULL)
        fab_draft_set(draft, "overrides", "p2p", "off");
    if (!reader->writes && !reader->reads) {
        fab_draft_add(draft, "quality", "inferred", "src");
        fab_draft_add(draft, "quality", "inferred", "dst");
    }
    return draft;
}

static GPtrArray *
make_drafts(Reader *reader, GError **error)
{
    g_autoptr(GPtrArray) drafts = g_ptr_array_new_with_free_func((GDestroyNotify)fab_draft_free);

    for (int enabled = 0; enabled < 2; enabled++) {
        FabDraft *draft = NULL;
        if (enabled && reader->can == 0 && reader->cannot > 0)
            fab_import_remark(reader->options, "%s: no GPU can access another, so the matrices with P2P enabled show "
                "the same ways as those without; left out", reader->path);
        else
            draft = make_draft(reader, enabled);
        if (draft != NULL)
            g_ptr_array_add(drafts, draft);
    }
    if (drafts->len > 0)
        return g_steal_pointer(&drafts);
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: no matrix of p2pBandwidthLatencyTest%s%s", reader->path,
                reader->foreign.tool != NULL ? "; this looks like " : "; give the whole text that it printed",
                reader->foreign.tool != NULL ? reader->foreign.tool : "");
    return NULL;
}

static bool
read_text(Reader *reader, FabLog *log, GError **error)
{
    static const char who[] = "p2pBandwidthLatencyTest does not print";
    g_autoptr(GError) failure = NULL;
    FabLogLine line;
    bool good = true;

    while (good && fab_log_next(log, &line, &failure)) {
        bool blank = line.text[0] == '\0';
        good = read_line(reader, &line, &failure);
        if (!blank && reader->foreign.to != line.number)
            fab_passed_over_tell(&reader->foreign, reader->options, reader->path, who);
    }
    fab_passed_over_tell(&reader->foreign, reader->options, reader->path, who);
    if (failure == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static GPtrArray *
import_log(const char *path, const FabImportOptions *options, GError **error)
{
    g_autoptr(FabLog) log = fab_log_open(path, error);
    Reader reader = { .path = path, .options = options, .ignored = fab_link_matrix_new() };
    GPtrArray *drafts = NULL;

    fab_link_machine_init(&reader.machine);
    if (log != NULL && read_text(&reader, log, error)) {
        end_matrix(&reader);
        if (check_sizes(&reader, error))
            drafts = make_drafts(&reader, error);
    }
    for (int i = 0; i < 2 * TABLES; i++)
        fab_link_matrix_free(reader.tables[i / TABLES][i % TABLES]);
    fab_link_matrix_free(reader.ignored);
    fab_link_machine_clear(&reader.machine);
    g_free(reader.title);
    return drafts;
}

GPtrArray *
fab_import_p2p(const char *path, const FabImportOptions *options, GError **error)
{
    GPtrArray *drafts = import_log(path, options, error);

    fab_import_clean_error(error);
    return drafts;
}
