#include "measure/topo-matrix.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"

enum {
    MAX_BYTES = 4 << 20,
    MAX_DEVICES = 512, /* the largest host seen has 8 GPUs and 34 NICs */
    MAX_NVLINKS = 1024
};

typedef struct {
    const char *path;
    char **lines; /* cleaned */
    guint header; /* index of the header row */
    FabTopoMatrix *matrix;
    bool has_cpu_column, has_numa_column;
} Reader;

static const char *const cell_words[] = { "X", "NV#", "PIX", "PXB", "PHB", "NODE", "SYS", NULL };

const FabCell *
fab_topo_matrix_cell(const FabTopoMatrix *matrix, uint32_t row, uint32_t column)
{
    return &matrix->cells[row * matrix->count + column];
}

char *
fab_cell_text(const FabCell *cell)
{
    static const char *const names[] = { "N/A", "X", "NV", "PIX", "PXB", "PHB", "NODE", "SYS" };

    return cell->class == FAB_CELL_NV ? g_strdup_printf("NV%u", cell->nvlinks) : g_strdup(names[cell->class]);
}

void
fab_topo_matrix_free(FabTopoMatrix *matrix)
{
    if (matrix == NULL)
        return;
    for (uint32_t i = 0; i < matrix->count; i++) {
        g_free(matrix->devices[i].label);
        g_free(matrix->devices[i].name);
        g_free(matrix->devices[i].cpu_affinity);
    }
    g_free(matrix->devices);
    g_free(matrix->cells);
    g_free(matrix);
}

/* ------------------------------------------------------------------ cleaning */

/* The end of the escape sequence that starts at `at`: ESC [ ... letter, or ESC and one character. */
static size_t
skip_escape(const char *text, size_t length, size_t at)
{
    size_t i = at + 1;

    if (i >= length || text[i] != '[')
        return MIN(i + 1, length);
    for (i++; i < length; i++) {
        if (text[i] >= 0x40 && text[i] <= 0x7e)
            return i + 1;
        if (text[i] == '\n')
            return i;
    }
    return length;
}

/* Without colours, carriage returns and other control characters; bytes that are not ASCII become blanks. */
static char *
clean(const char *text, size_t length)
{
    GString *out = g_string_sized_new(length);

    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        if (c == 0x1b) {
            i = skip_escape(text, length, i);
            continue;
        }
        if (c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f))
            g_string_append_c(out, (char)c);
        else if (c != '\r' && c != 0)
            g_string_append_c(out, ' ');
        i++;
    }
    return g_string_free(out, FALSE);
}

/* "[1,0]<stdout>:" as mpirun writes it: its length, or 0. */
static size_t
tag_length(const char *line)
{
    const char *end = line[0] == '[' ? strstr(line, "]<std") : NULL;

    if (end == NULL || strspn(line + 1, "0123456789,") != (size_t)(end - line - 1))
        return 0;
    end = strchr(end, ':');
    return end == NULL ? 0 : (size_t)(end - line + 1);
}

/* Keeps the lines of the first process when mpirun tagged them; removes the tags. */
static void
strip_tags(char **lines)
{
    g_autofree char *first = NULL;

    for (guint i = 0; lines[i] != NULL; i++) {
        size_t tag = tag_length(lines[i]);
        if (tag == 0)
            continue;
        if (first == NULL)
            first = g_strndup(lines[i], tag);
        if (strncmp(lines[i], first, tag) != 0)
            lines[i][0] = '\0';
        else
            memmove(lines[i], lines[i] + tag, strlen(lines[i] + tag) + 1);
    }
}

/* ------------------------------------------------------------------ words and cells */

/* "GPU" and digits: the length of that label, else 0. */
static size_t
gpu_label_length(const char *word)
{
    size_t digits = strncmp(word, "GPU", 3) == 0 ? strspn(word + 3, "0123456789") : 0;

    return digits > 0 ? digits + 3 : 0;
}

static bool
is_gpu_label(const char *word)
{
    return gpu_label_length(word) > 0 && word[gpu_label_length(word)] == '\0';
}

static bool
is_p2p_word(const char *word)
{
    static const char *const words[] = { "OK", "CNS", "GNS", "TNS", "NS", "DR", "U", NULL };

    return g_strv_contains(words, word);
}

static bool
parse_cell(const char *word, FabCell *cell)
{
    static const struct {
        const char *word;
        FabCellClass class;
    } words[] = { { "X", FAB_CELL_SELF },   { "PIX", FAB_CELL_PIX },   { "PXB", FAB_CELL_PXB },
                  { "PHB", FAB_CELL_PHB },  { "NODE", FAB_CELL_NODE }, { "SYS", FAB_CELL_SYS },
                  { "SOC", FAB_CELL_SYS },  { "N/A", FAB_CELL_UNKNOWN } };
    int64_t links = 0;

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(word, words[i].word) == 0) {
            *cell = (FabCell) { .class = words[i].class };
            return true;
        }
    }
    if (g_ascii_strncasecmp(word, "NV", 2) != 0 || !g_ascii_isdigit(word[2])
        || !fab_parse_integer(word + 2, &links, NULL) || links < 1 || links > MAX_NVLINKS)
        return false;
    *cell = (FabCell) { .class = FAB_CELL_NV, .nvlinks = (uint32_t)links };
    return true;
}

/* The next word and the place after it, or NULL at the end of the line. */
static char *
next_word(const char **cursor)
{
    const char *start = *cursor + strspn(*cursor, " \t");
    size_t length = strcspn(start, " \t");

    *cursor = start + length;
    return length == 0 ? NULL : g_strndup(start, length);
}

/* ------------------------------------------------------------------ the header */

/* Whether columns end here: "CPU Affinity", "NUMA Affinity", "GPU NUMA ID". */
static bool
is_text_column(const char *word, const char *rest)
{
    rest += strspn(rest, " \t");
    return g_str_has_prefix(word, "CPU") || g_str_has_prefix(word, "NUMA") || g_str_has_prefix(word, "Affinity")
           || (strcmp(word, "GPU") == 0 && g_str_has_prefix(rest, "NUMA"));
}

static bool
add_device(Reader *reader, GArray *devices, const char *label, size_t length, GError **error)
{
    FabTopoDevice device = { .label = g_strndup(label, length), .numa = -1, .cpu_affinity = g_strdup("") };

    device.is_gpu = is_gpu_label(device.label);
    g_array_append_val(devices, device);
    for (guint i = 0; i + 1 < devices->len; i++) {
        if (strcmp(g_array_index(devices, FabTopoDevice, i).label, device.label) == 0) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: column %.40s appears twice in the header",
                        reader->path, reader->header + 1, device.label);
            return false;
        }
    }
    if (devices->len > MAX_DEVICES) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: the header names more than %d devices",
                    reader->path, reader->header + 1, MAX_DEVICES);
        return false;
    }
    return true;
}

/* One word of the header, which a paste may have glued together: "GPU0GPU1". */
static bool
add_devices(Reader *reader, GArray *devices, const char *word, GError **error)
{
    while (gpu_label_length(word) > 0 && !is_gpu_label(word)) {
        size_t length = gpu_label_length(word);
        if (!add_device(reader, devices, word, length, error))
            return false;
        word += length;
    }
    return word[0] == '\0' || is_text_column(word, "") || add_device(reader, devices, word, strlen(word), error);
}

/* Where the header starts in a line, or NULL: "GPU0" is followed by another label or by nothing, never by a cell. */
static const char *
header_start(const char *line)
{
    const char *start = strstr(line, "GPU");

    while (start != NULL && gpu_label_length(start) == 0)
        start = strstr(start + 1, "GPU");
    if (start != NULL) {
        const char *cursor = start;
        g_autofree char *label = next_word(&cursor);
        g_autofree char *next = next_word(&cursor);
        FabCell cell;
        if (next != NULL && (!g_ascii_isalpha(next[0]) || parse_cell(next, &cell) || is_p2p_word(next)))
            return NULL; /* a row, or a prompt with such a host name */
        if (label[gpu_label_length(label)] == ':' || label[gpu_label_length(label)] == ',')
            return NULL; /* "GPU0: ..." of another listing */
    }
    return start;
}

static bool
read_header(Reader *reader, const char *line, GError **error)
{
    GArray *devices = g_array_new(FALSE, TRUE, sizeof(FabTopoDevice));
    FabTopoMatrix *matrix = reader->matrix;
    bool good = true;

    reader->has_cpu_column = strstr(line, "CPU Affinity") != NULL;
    reader->has_numa_column = strstr(line, "NUMA Affinity") != NULL;
    while (good) {
        g_autofree char *word = next_word(&line);
        if (word == NULL || is_text_column(word, line))
            break;
        good = add_devices(reader, devices, word, error);
    }
    matrix->count = devices->len;
    matrix->devices = (FabTopoDevice *)(void *)g_array_free(devices, FALSE);
    for (uint32_t i = 0; i < matrix->count; i++)
        matrix->gpu_count += matrix->devices[i].is_gpu;
    matrix->cells = g_new0(FabCell, (gsize)matrix->count * matrix->count);
    return good;
}

/* ------------------------------------------------------------------ the rows */

static bool
fail_cell(const Reader *reader, guint line, uint32_t row, uint32_t column, const char *word, GError **error)
{
    const FabTopoDevice *devices = reader->matrix->devices;
    g_autofree char *suggestion = NULL;

    if (is_p2p_word(word)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: line %u: \"%s\" belongs to `nvidia-smi topo -p2p`, which says what the driver allows, not how "
                    "devices are wired; give the output of `nvidia-smi topo -m`",
                    reader->path, line + 1, word);
        return false;
    }
    suggestion = fab_suggestion(word, cell_words);
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: row %.40s column %.40s is \"%.20s\"%s", reader->path,
                line + 1, devices[row].label, devices[column].label, word, suggestion);
    return false;
}

/* "0-23<tab>0<tab><tab>N/A": with tabs a field may be empty, with blanks it cannot be seen. */
static void
read_tail(const Reader *reader, FabTopoDevice *device, const char *tail)
{
    bool tabs = tail[0] == '\t' || (tail[0] == ' ' && strchr(tail, '\t') != NULL);
    g_auto(GStrv) fields = NULL;
    guint at = 0;

    if (tabs) {
        tail += strspn(tail, " ");
        fields = g_strsplit(tail[0] == '\t' ? tail + 1 : tail, "\t", 8);
    } else {
        g_autofree char *copy = g_strstrip(g_strdup(tail));
        fields = g_regex_split_simple(" +", copy, 0, 0);
    }
    if (reader->has_cpu_column && fields[0] != NULL) {
        g_free(device->cpu_affinity);
        device->cpu_affinity = g_strstrip(g_strdup(fields[at++]));
        if (strcmp(device->cpu_affinity, "N/A") == 0)
            device->cpu_affinity[0] = '\0';
    }
    if (reader->has_numa_column && fields[0] != NULL && fields[at] != NULL) {
        const char *field = g_strstrip(fields[at]);
        size_t digits = strspn(field, "0123456789");
        /* A list ("0-1") stands for memory nodes; the first is the one beside the device. */
        if (digits > 0 && digits < 6)
            device->numa = (int32_t)g_ascii_strtoll(field, NULL, 10);
    }
}

static bool
read_row(Reader *reader, guint line, uint32_t row, const char *cursor, GError **error)
{
    FabTopoMatrix *matrix = reader->matrix;
    FabTopoDevice *device = &matrix->devices[row];

    if (device->has_row) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: row %.40s appears twice", reader->path, line + 1,
                    device->label);
        return false;
    }
    device->has_row = true;
    for (uint32_t column = 0; column < matrix->count; column++) {
        g_autofree char *word = next_word(&cursor);
        FabCell *cell = &matrix->cells[row * matrix->count + column];
        if (word == NULL) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                        "%s: line %u: row %.40s has %u cells, the header names %u devices", reader->path, line + 1,
                        device->label, column, matrix->count);
            return false;
        }
        if (!parse_cell(word, cell) || (cell->class == FAB_CELL_SELF) != (row == column))
            return fail_cell(reader, line, row, column, word, error);
        matrix->has_soc = matrix->has_soc || g_ascii_strcasecmp(word, "SOC") == 0;
    }
    read_tail(reader, device, cursor);
    return true;
}

static void
read_nic_name(FabTopoMatrix *matrix, const char *label, const char *name)
{
    for (uint32_t i = 0; i < matrix->count; i++) {
        FabTopoDevice *device = &matrix->devices[i];
        size_t length = strlen(device->label);
        if (strncmp(device->label, label, length) == 0 && strcmp(label + length, ":") == 0 && device->name == NULL)
            device->name = g_strdup(name);
    }
}

/* Rows, then legends. Lines that are neither (rulers, prompts) are passed over. */
static bool
read_rows(Reader *reader, GError **error)
{
    FabTopoMatrix *matrix = reader->matrix;

    for (guint i = reader->header + 1; reader->lines[i] != NULL; i++) {
        const char *cursor = reader->lines[i];
        g_autofree char *label = next_word(&cursor);
        uint32_t row = 0;

        if (label == NULL)
            continue;
        while (row < matrix->count && strcmp(matrix->devices[row].label, label) != 0)
            row++;
        if (row < matrix->count) {
            const char *peek = cursor;
            g_autofree char *next = next_word(&peek);
            if (next != NULL && is_gpu_label(next))
                break; /* a second matrix follows: the header again */
            if (!read_row(reader, i, row, cursor, error))
                return false;
        } else if (is_gpu_label(label)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: row %.40s has no column in the header",
                        reader->path, i + 1, label);
            return false;
        } else if (g_str_has_suffix(label, ":")) {
            g_autofree char *name = next_word(&cursor);
            if (name != NULL)
                read_nic_name(matrix, label, name);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ the whole */

static bool
fail_asymmetric(const Reader *reader, uint32_t a, uint32_t b, GError **error)
{
    const FabTopoMatrix *matrix = reader->matrix;
    g_autofree char *there = fab_cell_text(fab_topo_matrix_cell(matrix, a, b));
    g_autofree char *back = fab_cell_text(fab_topo_matrix_cell(matrix, b, a));

    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                "%s: row %.40s column %.40s is %s, but row %.40s column %.40s is %s; both must be the same",
                reader->path, matrix->devices[a].label, matrix->devices[b].label, there, matrix->devices[b].label,
                matrix->devices[a].label, back);
    return false;
}

/* Cells of rows that are missing come from the columns. */
static bool
check_symmetry(const Reader *reader, GError **error)
{
    FabTopoMatrix *matrix = reader->matrix;

    for (uint32_t a = 0; a < matrix->count; a++) {
        if (matrix->devices[a].is_gpu && !matrix->devices[a].has_row) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: row %.40s is missing", reader->path,
                        matrix->devices[a].label);
            return false;
        }
        for (uint32_t b = 0; b < a; b++) {
            FabCell *there = &matrix->cells[a * matrix->count + b], *back = &matrix->cells[b * matrix->count + a];
            if (!matrix->devices[a].has_row)
                *there = *back;
            else if (!matrix->devices[b].has_row)
                *back = *there;
            else if (there->class != back->class || there->nvlinks != back->nvlinks)
                return fail_asymmetric(reader, b, a, error);
            if (there->class == FAB_CELL_NV && !(matrix->devices[a].is_gpu && matrix->devices[b].is_gpu)) {
                g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                            "%s: row %.40s column %.40s is NV%u; only GPUs have NVLink", reader->path,
                            matrix->devices[b].label, matrix->devices[a].label, there->nvlinks);
                return false;
            }
        }
    }
    return true;
}

static bool
find_header(Reader *reader, GError **error)
{
    for (guint i = 0; reader->lines[i] != NULL; i++) {
        const char *start = header_start(reader->lines[i]);
        if (start != NULL) {
            reader->header = i;
            return read_header(reader, start, error);
        }
        if (strstr(reader->lines[i], "Option -m is missing its value") != NULL) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                        "%s: this nvidia-smi has no `topo -m` (Windows drivers learnt it after 591), so there is an "
                        "error message instead of a matrix; update the driver or run it under Linux",
                        reader->path);
            return false;
        }
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                "%s: has no header row of `nvidia-smi topo -m` (device names GPU0, GPU1, ... above the matrix)",
                reader->path);
    return false;
}

FabTopoMatrix *
fab_topo_matrix_parse(const char *path, const char *text, size_t length, GError **error)
{
    g_autoptr(FabTopoMatrix) matrix = g_new0(FabTopoMatrix, 1);
    g_autofree char *converted = NULL, *cleaned = NULL;
    g_auto(GStrv) lines = NULL;
    Reader reader = { .path = path, .matrix = matrix };

    /* Redirected output of PowerShell is UTF-16 with a byte order mark. */
    if (length >= 2 && memcmp(text, "\xff\xfe", 2) == 0) {
        converted = g_convert(text + 2, (gssize)(length - 2), "UTF-8", "UTF-16LE", NULL, &length, NULL);
        if (converted == NULL) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: starts as UTF-16 text but is not", path);
            return NULL;
        }
        text = converted;
    }
    cleaned = clean(text, length);
    reader.lines = lines = g_strsplit(cleaned, "\n", -1);
    strip_tags(lines);
    if (!find_header(&reader, error) || !read_rows(&reader, error) || !check_symmetry(&reader, error))
        return NULL;
    return g_steal_pointer(&matrix);
}

FabTopoMatrix *
fab_topo_matrix_load(const char *path, GError **error)
{
    size_t length = 0;
    g_autofree char *text = fab_file_read(path, "a matrix", MAX_BYTES, &length, error);

    return text != NULL ? fab_topo_matrix_parse(path, text, length, error) : NULL;
}
