#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "measure/import-link.h"
#include "measure/json.h"
#include "measure/link-matrix.h"
#include "measure/log.h"
#include "measure/passed-over.h"

enum { MAX_WORDS = 1100 };

/* Who copies (a copy engine or a kernel), and which end starts the copy. */
static const char *const ways[] = { "read-ce", "write-ce", "read-sm", "write-sm" };
enum { WAYS = G_N_ELEMENTS(ways) };

typedef struct {
    const char *path;
    const FabImportOptions *options;
    FabLinkMachine machine;
    FabLinkMatrix *unidir[WAYS], *bidir[WAYS];
    bool column_to_row[WAYS], no_arrow[WAYS];
    GPtrArray *left_out;      /* tests that are no figures between two GPUs */
    char *test, *description; /* of the matrix being read */
    FabLinkMatrix *current, *ignored;
    bool in_matrix, any;
    uint64_t line; /* of the description */
    FabPassedOver foreign;
} Reader;

static void
clear(Reader *reader)
{
    for (int i = 0; i < WAYS; i++) {
        fab_link_matrix_free(reader->unidir[i]);
        fab_link_matrix_free(reader->bidir[i]);
    }
    fab_link_matrix_free(reader->ignored);
    fab_link_machine_clear(&reader->machine);
    g_ptr_array_unref(reader->left_out);
    g_free(reader->test);
    g_free(reader->description);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, clear)

/* ------------------------------------------------------------------ which test */

static void
leave_out(Reader *reader, const char *test)
{
    if (!g_ptr_array_find_with_equal_func(reader->left_out, test, g_str_equal, NULL))
        g_ptr_array_add(reader->left_out, g_strdup(test));
}

/* "device_to_device_bidirectional_memcpy_read_ce" -> its way; -1: not a copy between two GPUs. */
static int
find_way(const char *test, bool *bidir)
{
    static const char prefix[] = "device_to_device_", both[] = "bidirectional_";

    if (!g_str_has_prefix(test, prefix))
        return -1;
    test += strlen(prefix);
    *bidir = g_str_has_prefix(test, both);
    if (*bidir)
        test += strlen(both);
    if (!g_str_has_prefix(test, "memcpy_"))
        return -1;
    test += strlen("memcpy_");
    for (int i = 0; i < WAYS; i++) {
        g_autofree char *name = g_strdelimit(g_strdup(ways[i]), "-", '_');
        size_t length = strlen(name);
        if (strncmp(test, name, length) == 0 && (test[length] == '\0' || test[length] == '_'))
            return i;
    }
    return -1;
}

/* Where the matrix of a test goes. Fails when there was one already. */
static bool
begin_matrix(Reader *reader, const char *test, const char *description, GError **error)
{
    bool bidir = false;
    int way = find_way(test, &bidir);
    FabLinkMatrix **matrix = way < 0 ? NULL : bidir ? &reader->bidir[way] : &reader->unidir[way];

    reader->any = true;
    reader->current = reader->ignored;
    if (bidir && matrix != NULL && strstr(description, "Total") == NULL && strstr(test, "_total") == NULL) {
        /* One direction of the two; releases before 0.5 do not print their sum. */
        if (strstr(description, "ead") == NULL && strstr(description, "rite") == NULL)
            leave_out(reader, test);
        return true;
    }
    if (matrix == NULL) {
        leave_out(reader, test);
        return true;
    }
    if (*matrix != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: test %s appears twice; give one run of nvbandwidth",
                    reader->path, test);
        return false;
    }
    *matrix = reader->current = fab_link_matrix_new();
    if (!bidir) {
        reader->column_to_row[way] = strstr(description, "<-") != NULL;
        reader->no_arrow[way] = strstr(description, "<-") == NULL && strstr(description, "->") == NULL;
    }
    return true;
}

/* ------------------------------------------------------------------ text */

/* "Device 0: NVIDIA H100 80GB HBM3 (00000000:19:00)"; JSON has the same without "Device". */
static void
read_device(Reader *reader, const char *text)
{
    const char *colon = strchr(text, ':'), *bracket = colon != NULL ? strstr(colon, " (") : NULL;
    g_autofree char *number = colon != NULL ? g_strndup(text, (size_t)(colon - text)) : NULL, *gpu = NULL;
    int64_t device;

    if (colon == NULL || !fab_parse_integer(g_strstrip(number), &device, NULL) || device < 0 || device > G_MAXINT32)
        return;
    gpu = bracket != NULL ? g_strndup(colon + 1, (size_t)(bracket - colon - 1)) : g_strdup(colon + 1);
    fab_link_machine_add(&reader->machine, (uint32_t)device, g_strstrip(gpu));
}

static void
end_matrix(Reader *reader)
{
    uint32_t missing = reader->in_matrix && reader->current != reader->ignored
                           ? fab_link_matrix_missing(reader->current) : 0;

    if (missing > 0)
        fab_import_remark(reader->options, "%s: line %" G_GUINT64_FORMAT ": the matrix of %s lacks %u of %u rows; the "
            "others are kept", reader->path, reader->line, reader->test, missing, reader->current->count);
    reader->in_matrix = false;
    reader->current = NULL;
}

/* Lines above the tests; true when it was one. */
static bool
read_preamble(Reader *reader, const char *text)
{
    static const char *const known[] = { "nvbandwidth Version:", "Built from", "CUDA Driver Version:", "NOTE:",
                                         "Performance can vary", "SUM ", "MIN ", "MAX ", "COEFFICIENT_OF_VARIATION ",
                                         "VARIANCE ", "MPI ", "Process " };

    if (g_str_has_prefix(text, "Device ")) {
        read_device(reader, text + strlen("Device "));
        return true;
    }
    if (g_str_has_prefix(text, "CUDA Runtime Version:")) {
        fab_link_machine_set_cuda(&reader->machine, g_ascii_strtoll(text + strlen("CUDA Runtime Version:"), NULL, 10));
        return true;
    }
    if (g_str_has_prefix(text, "Driver Version:") && reader->machine.driver == NULL) {
        reader->machine.driver = g_strstrip(g_strdup(text + strlen("Driver Version:")));
        return true;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_str_has_prefix(text, known[i]))
            return true;
    }
    return strchr(text, ' ') == NULL && !reader->any; /* the name of the host */
}

static bool
read_numbers(Reader *reader, char *text, const FabLogLine *line, bool *used, GError **error)
{
    char *words[MAX_WORDS];
    unsigned count;

    *used = g_ascii_isdigit(text[0]);
    if (!*used || reader->current == reader->ignored)
        return true; /* matrices with the CPU have one row */
    count = fab_log_split(text, words, MAX_WORDS);
    if (!reader->in_matrix) {
        reader->in_matrix = *used = fab_link_matrix_header(reader->current, words, count);
        return true;
    }
    return fab_link_matrix_row(reader->current, words, count, line,
                               &(FabLinkPlace) { reader->path, reader->test, reader->options }, error);
}

static bool
read_line(Reader *reader, const FabLogLine *line, GError **error)
{
    char *text = line->text + strspn(line->text, " ");
    g_autofree char *shown = g_strndup(text, 120); /* before `text` is split */
    bool used = false;

    if (text[0] == '\0')
        return true;
    if (g_str_has_prefix(text, "Running ") && g_str_has_suffix(text, ".")) {
        g_free(reader->test);
        reader->test = g_strndup(text + strlen("Running "), strlen(text) - strlen("Running ") - 1);
        end_matrix(reader);
        return true;
    }
    if (reader->test != NULL && (strstr(text, "(GB/s)") != NULL || strstr(text, "(ns)") != NULL)) {
        reader->line = line->number;
        end_matrix(reader);
        return begin_matrix(reader, reader->test, text, error);
    }
    if (reader->test != NULL && g_ascii_strncasecmp(text, "waived", 6) == 0) {
        leave_out(reader, reader->test);
        return true;
    }
    if (reader->current != NULL && !read_numbers(reader, text, line, &used, error))
        return false;
    if (used || read_preamble(reader, text))
        return true;
    fab_passed_over_add(&reader->foreign, shown, line->number);
    return true;
}

static bool
read_text(Reader *reader, FabLog *log, GError **error)
{
    g_autoptr(GError) failure = NULL;
    FabLogLine line;
    bool good = true;

    while (good && fab_log_next(log, &line, &failure)) {
        bool blank = line.text[0] == '\0';
        good = read_line(reader, &line, &failure);
        if (!blank && reader->foreign.to != line.number)
            fab_passed_over_tell(&reader->foreign, reader->options, reader->path, "nvbandwidth does not print");
    }
    fab_passed_over_tell(&reader->foreign, reader->options, reader->path, "nvbandwidth does not print");
    if (failure == NULL)
        end_matrix(reader);
    if (failure == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

/* ------------------------------------------------------------------ JSON */

static const char *
get_text(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    bool is_text = node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;

    return is_text ? json_node_get_string(node) : "";
}

static JsonArray *
get_array(JsonObject *object, const char *name)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;

    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

/* Cells are texts; later releases may write numbers. */
static char *
cell_text(JsonNode *node)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!JSON_NODE_HOLDS_VALUE(node))
        return g_strdup("N/A");
    if (json_node_get_value_type(node) == G_TYPE_STRING)
        return g_strdup(json_node_get_string(node));
    return g_strdup(g_ascii_formatd(text, sizeof(text), "%.10g", json_node_get_double(node)));
}

static bool
read_json_matrix(Reader *reader, const char *test, JsonArray *rows, GError **error)
{
    uint32_t count = json_array_get_length(rows);

    if (reader->current == reader->ignored)
        return true;
    if (count > 1024) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: %s: the matrix has %u rows, at most 1024 are read",
                    reader->path, test, count);
        return false;
    }
    fab_link_matrix_resize(reader->current, count);
    for (uint32_t i = 0; i < count; i++) {
        JsonNode *node = json_array_get_element(rows, i);
        JsonArray *row = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
        if (row == NULL || json_array_get_length(row) != count) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: %s: row %u of bandwidth_matrix must have %u cells",
                        reader->path, test, i, count);
            return false;
        }
        for (uint32_t j = 0; j < count; j++) {
            g_autofree char *cell = cell_text(json_array_get_element(row, j));
            if (!fab_link_matrix_set(reader->current, i, j, g_strstrip(cell))) {
                g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                            "%s: %s: row %u column %u is \"%.20s\", must be a number or N/A", reader->path, test, i, j,
                            cell);
                return false;
            }
        }
    }
    return true;
}

static bool
read_tests(Reader *reader, JsonArray *tests, GError **error)
{
    for (guint i = 0; i < json_array_get_length(tests); i++) {
        JsonNode *node = json_array_get_element(tests, i);
        JsonObject *test = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        JsonArray *rows = get_array(test, "bandwidth_matrix");
        if (test == NULL)
            continue;
        if (rows == NULL) {
            fab_import_remark(reader->options, "%s: %s has no figures (%s)", reader->path, get_text(test, "name"),
                              get_text(test, "status"));
            continue;
        }
        if (!begin_matrix(reader, get_text(test, "name"), get_text(test, "bandwidth_description"), error)
            || !read_json_matrix(reader, get_text(test, "name"), rows, error))
            return false;
    }
    return true;
}

static bool
read_root(Reader *reader, JsonNode *root, GError **error)
{
    JsonObject *object = root != NULL && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonNode *inner = object != NULL ? json_object_get_member(object, "nvbandwidth") : NULL;
    JsonArray *tests, *devices;

    object = inner != NULL && JSON_NODE_HOLDS_OBJECT(inner) ? json_node_get_object(inner) : NULL;
    tests = get_array(object, "testcases");
    if (tests == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: this JSON is not of nvbandwidth (no "
            "nvbandwidth.testcases)",
                    reader->path);
        return false;
    }
    devices = get_array(object, "GPU Device list");
    for (guint i = 0; devices != NULL && i < json_array_get_length(devices); i++) {
        JsonNode *node = json_array_get_element(devices, i);
        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
            read_device(reader, json_node_get_string(node));
    }
    if (json_object_has_member(object, "CUDA Runtime Version"))
        fab_link_machine_set_cuda(&reader->machine,
                                  json_object_get_int_member_with_default(object, "CUDA Runtime Version", 0));
    reader->machine.driver = g_strdup(get_text(object, "Driver Version"));
    return read_tests(reader, tests, error);
}

static bool
read_json(Reader *reader, FabLog *log, GError **error)
{
    g_autoptr(JsonParser) parser = fab_measure_parse_json(log, reader->path, "give all that nvbandwidth -j printed",
                                                          error);

    return parser != NULL && read_root(reader, json_parser_get_root(parser), error);
}

/* ------------------------------------------------------------------ the whole */

static FabDraft *
make_draft(const Reader *reader, int way)
{
    g_autofree char *name = g_strdelimit(g_strdup(ways[way]), "-", '_');
    g_autofree char *tool = g_strdup_printf("nvbandwidth device_to_device_memcpy_%s", name);
    const FabLinkMatrix *unidir = reader->unidir[way], *bidir = reader->bidir[way];
    FabLinkTables tables = {
        .unidir = unidir != NULL && unidir->count > 0 ? unidir : NULL,
        .bidir = bidir != NULL && bidir->count > 0 ? bidir : NULL,
        .column_to_row = reader->column_to_row[way], .path = reader->path, .tool = tool, .suffix = ways[way],
        .note = bidir != NULL ? "bidir is the Total matrix of the bidirectional test" : "one direction at a time",
    };
    FabDraft *draft;

    if (tables.unidir != NULL && tables.bidir != NULL && unidir->count != bidir->count)
        tables.bidir = NULL;
    draft = tables.unidir != NULL || tables.bidir != NULL ? fab_link_draft(&tables, &reader->machine, reader->options)
                                                          : NULL;
    if (draft == NULL)
        return NULL;
    fab_draft_set(draft, "run", "engine", "%s", g_str_has_suffix(ways[way], "ce") ? "copy" : "sm");
    if (reader->no_arrow[way]) {
        fab_draft_add(draft, "quality", "inferred", "src");
        fab_draft_add(draft, "quality", "inferred", "dst");
    }
    return draft;
}

static GPtrArray *
make_drafts(Reader *reader, GError **error)
{
    g_autoptr(GPtrArray) drafts = g_ptr_array_new_with_free_func((GDestroyNotify)fab_draft_free);
    GString *names = g_string_new(NULL);

    for (int i = 0; i < WAYS; i++) {
        FabDraft *draft = make_draft(reader, i);
        if (draft != NULL)
            g_ptr_array_add(drafts, draft);
    }
    for (guint i = 0; i < reader->left_out->len; i++)
        g_string_append_printf(names, "%s%s", i == 0 ? "" : ", ", (const char *)reader->left_out->pdata[i]);
    if (names->len > 0)
        fab_import_remark(reader->options, "%s: left out, for a table of links holds copies between two GPUs, and the "
            "sum where both directions run: %s", reader->path, names->str);
    g_string_free(names, TRUE);
    if (drafts->len > 0)
        return g_steal_pointer(&drafts);
    if (reader->any)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: no copy between two GPUs was measured; run nvbandwidth "
            "with -t device_to_device_memcpy_read_ce", reader->path);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: no matrix of nvbandwidth%s%s", reader->path,
                    reader->foreign.tool != NULL ? "; this looks like " : "; give the whole text that it printed",
                    reader->foreign.tool != NULL ? reader->foreign.tool : "");
    return NULL;
}

static GPtrArray *
import_log(const char *path, const FabImportOptions *options, GError **error)
{
    g_autoptr(FabLog) log = fab_log_open(path, error);
    g_auto(Reader) reader = { .path = path, .options = options };

    fab_link_machine_init(&reader.machine);
    reader.left_out = g_ptr_array_new_with_free_func(g_free);
    reader.ignored = fab_link_matrix_new();
    if (log == NULL || !(fab_log_first(log) == '{' ? read_json(&reader, log, error) : read_text(&reader, log, error)))
        return NULL;
    return make_drafts(&reader, error);
}

GPtrArray *
fab_import_nvbandwidth(const char *path, const FabImportOptions *options, GError **error)
{
    GPtrArray *drafts = import_log(path, options, error);

    fab_import_clean_error(error);
    return drafts;
}
