#include "measure/link-matrix.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "measure/gpu-name.h"

enum { MAX_GPUS = 1024 };

static const double MOST = 1e9; /* GB/s or us: what a table of measurements takes */

FabLinkMatrix *
fab_link_matrix_new(void)
{
    FabLinkMatrix *matrix = g_new0(FabLinkMatrix, 1);

    matrix->cells = g_ptr_array_new_with_free_func(g_free);
    matrix->row_lines = g_array_new(FALSE, TRUE, sizeof(uint64_t));
    return matrix;
}

void
fab_link_matrix_free(FabLinkMatrix *matrix)
{
    if (matrix == NULL)
        return;
    g_ptr_array_unref(matrix->cells);
    g_array_unref(matrix->row_lines);
    g_free(matrix);
}

void
fab_link_matrix_resize(FabLinkMatrix *matrix, uint32_t count)
{
    matrix->count = count;
    g_ptr_array_set_size(matrix->cells, 0);
    g_array_set_size(matrix->row_lines, 0);
    g_array_set_size(matrix->row_lines, count);
    for (uint32_t i = 0; i < count * count; i++)
        g_ptr_array_add(matrix->cells, g_strdup(""));
}

bool
fab_link_matrix_header(FabLinkMatrix *matrix, char **words, unsigned count)
{
    unsigned first = count > 1 && !g_ascii_isdigit(words[0][0]) ? 1 : 0;

    if (count == first || count - first > MAX_GPUS)
        return false;
    for (unsigned i = first; i < count; i++) {
        int64_t number;
        if (!fab_parse_integer(words[i], &number, NULL) || number != i - first)
            return false;
    }
    fab_link_matrix_resize(matrix, count - first);
    return true;
}

bool
fab_link_matrix_set(FabLinkMatrix *matrix, uint32_t row, uint32_t column, const char *text)
{
    char **cell = (char **)&matrix->cells->pdata[row * matrix->count + column];
    char *end;
    double value = g_ascii_strtod(text, &end);

    if (strcmp(text, "N/A") == 0)
        return true;
    if (end == text || *end != '\0' || strchr(text, 'x') != NULL || (isfinite(value) && value > MOST))
        return false;
    g_free(*cell);
    *cell = g_strdup(isfinite(value) && value > 0 ? text : "");
    return true;
}

static bool
take_row(FabLinkMatrix *matrix, char **words, unsigned count, uint64_t line, GError **error)
{
    int64_t row;

    if (!fab_parse_integer(words[0], &row, NULL) || row < 0 || row >= matrix->count) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "row \"%.20s\" has no column, they are 0 to %u", words[0],
                    matrix->count - 1);
        return false;
    }
    if (g_array_index(matrix->row_lines, uint64_t, row) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "row %u appears again (first in line %" G_GUINT64_FORMAT ")",
                    (unsigned)row, g_array_index(matrix->row_lines, uint64_t, row));
        return false;
    }
    if (count != matrix->count + 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "row %u has %u cells, the matrix has %u columns", (unsigned)row,
                    count - 1, matrix->count);
        return false;
    }
    for (uint32_t i = 0; i < matrix->count; i++) {
        if (!fab_link_matrix_set(matrix, (uint32_t)row, i, words[i + 1])) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                        "row %u column %u is \"%.20s\", must be a number up to 1e9 or N/A", (unsigned)row, i,
                        words[i + 1]);
            return false;
        }
    }
    g_array_index(matrix->row_lines, uint64_t, row) = line;
    return true;
}

bool
fab_link_matrix_row(FabLinkMatrix *matrix, char **words, unsigned count, const FabLogLine *line,
                    const FabLinkPlace *place, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (take_row(matrix, words, count, line->number, &failure))
        return true;
    if (line->cut) {
        fab_import_remark(place->options,
                          "%s: line %" G_GUINT64_FORMAT ": the last line is cut in the middle; left out", place->path,
                          line->number);
        return true;
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s: line %" G_GUINT64_FORMAT ": %s: ", place->path,
                               line->number, place->title);
    return false;
}

uint32_t
fab_link_matrix_missing(const FabLinkMatrix *matrix)
{
    uint32_t missing = 0;

    for (uint32_t i = 0; i < matrix->count; i++)
        missing += g_array_index(matrix->row_lines, uint64_t, i) == 0;
    return missing;
}

/* ------------------------------------------------------------------ the machine */

void
fab_link_machine_init(FabLinkMachine *machine)
{
    *machine = (FabLinkMachine) { .gpus = g_ptr_array_new_with_free_func(g_free) };
}

void
fab_link_machine_clear(FabLinkMachine *machine)
{
    g_ptr_array_unref(machine->gpus);
    g_free(machine->cuda_version);
    g_free(machine->driver);
}

void
fab_link_machine_add(FabLinkMachine *machine, uint32_t device, const char *gpu)
{
    if (device >= MAX_GPUS)
        return;
    if (device >= machine->gpus->len)
        g_ptr_array_set_size(machine->gpus, (gint)device + 1);
    g_free(machine->gpus->pdata[device]);
    machine->gpus->pdata[device] = g_strdup(gpu);
}

void
fab_link_machine_set_cuda(FabLinkMachine *machine, int64_t code)
{
    if (machine->cuda_version == NULL && code >= 1000 && code < 1000000)
        machine->cuda_version = g_strdup_printf("%d.%d", (int)(code / 1000), (int)(code % 1000 / 10));
}

/* ------------------------------------------------------------------ the measurement */

static const char *
figure(const FabLinkMatrix *matrix, bool column_to_row, uint32_t from, uint32_t to)
{
    uint32_t row = column_to_row ? to : from, column = column_to_row ? from : to;

    return matrix != NULL ? matrix->cells->pdata[row * matrix->count + column] : "";
}

static uint32_t
size_of(const FabLinkTables *tables)
{
    const FabLinkMatrix *all[] = { tables->unidir, tables->bidir, tables->latency };

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i] != NULL)
            return all[i]->count;
    }
    return 0;
}

/* Returns how many pairs have no figure. */
static uint32_t
write_pairs(const FabLinkTables *tables, FabDraft *draft)
{
    uint32_t count = size_of(tables), without = 0;

    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < count; j++) {
            const char *unidir = figure(tables->unidir, tables->column_to_row, i, j);
            const char *bidir = figure(tables->bidir, tables->column_to_row, i, j);
            const char *latency = figure(tables->latency, tables->column_to_row, i, j);
            if (unidir[0] != '\0' || bidir[0] != '\0' || latency[0] != '\0')
                fab_draft_append(draft, "%u,%u,%s,%s,%s", i, j, unidir, bidir, latency);
            else
                without += i != j;
        }
    }
    return without;
}

static void
write_machine(const FabLinkMachine *machine, uint32_t count, FabDraft *draft)
{
    for (guint i = 0; i < machine->gpus->len; i++) {
        const char *gpu = machine->gpus->pdata[i], *id = gpu != NULL ? fab_gpu_id_of_name(gpu) : NULL;
        if (gpu != NULL)
            fab_draft_add(draft, "system", "gpu", gpu);
        if (id != NULL)
            fab_draft_add(draft, "system", "gpu_id", id);
    }
    fab_draft_set(draft, "system", "gpus_per_node", "%u", count);
    fab_draft_set(draft, "system", "nodes", "1");
    fab_draft_set(draft, "system", "ranks", "%u", count);
    fab_draft_set(draft, "run", "cuda_version", "%s", machine->cuda_version != NULL ? machine->cuda_version : "");
    fab_draft_set(draft, "run", "driver", "%s", machine->driver != NULL ? machine->driver : "");
}

FabDraft *
fab_link_draft(const FabLinkTables *tables, const FabLinkMachine *machine, const FabImportOptions *options)
{
    g_autoptr(FabDraft) draft = fab_draft_new("src,dst,unidir_GBps,bidir_GBps,latency_us");
    g_autofree char *name = g_path_get_basename(tables->path);
    uint32_t without = write_pairs(tables, draft);

    if (fab_draft_rows(draft) == 0)
        return NULL;
    if (without > 0)
        fab_import_remark(options, "%s: %s: %u pairs of GPUs have no figure above 0; left out", tables->path,
            tables->suffix,
                          without);
    fab_draft_set_suffix(draft, tables->suffix);
    fab_draft_set(draft, "source", "kind", "link");
    fab_draft_set(draft, "source", "where", "%s", name);
    fab_draft_set(draft, "source", "note", "%s", tables->note);
    if (options->topology != NULL)
        fab_draft_set(draft, "system", "topology", "%s", options->topology);
    fab_draft_set(draft, "run", "tool", "%s", tables->tool);
    write_machine(machine, size_of(tables), draft);
    fab_draft_set(draft, "quality", "grade", "B");
    fab_draft_set(draft, "quality", "reason", "imported; nobody has compared it with its machine yet");
    return g_steal_pointer(&draft);
}
