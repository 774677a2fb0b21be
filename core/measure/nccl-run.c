#include "measure/nccl-run.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "measure/gpu-name.h"
#include "measure/schema.h"

enum { MAX_RANKS = 1 << 20 };

static const char *const collectives[] = {
    "all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce", "alltoall", "sendrecv", NULL,
};

FabNcclRun *
fab_nccl_run_new(const char *path, uint64_t line)
{
    FabNcclRun *run = g_new0(FabNcclRun, 1);

    run->path = path;
    run->line = line;
    run->rows = g_array_new(FALSE, TRUE, sizeof(FabNcclRow));
    run->lines_of_rank = g_array_new(FALSE, TRUE, sizeof(uint64_t));
    run->hosts = g_ptr_array_new_with_free_func(g_free);
    run->processes = g_ptr_array_new_with_free_func(g_free);
    run->gpus = g_ptr_array_new_with_free_func(g_free);
    run->environment = g_ptr_array_new_with_free_func(g_free);
    run->notes = g_ptr_array_new_with_free_func(g_free);
    return run;
}

void
fab_nccl_run_free(FabNcclRun *run)
{
    if (run == NULL)
        return;
    g_array_unref(run->rows);
    g_array_unref(run->lines_of_rank);
    g_ptr_array_unref(run->hosts);
    g_ptr_array_unref(run->processes);
    g_ptr_array_unref(run->gpus);
    g_ptr_array_unref(run->environment);
    g_ptr_array_unref(run->notes);
    g_free(run->program);
    g_free(run->nccl_version);
    g_free(run->cuda_version);
    g_free(run->date);
    g_free(run);
}

void
fab_nccl_add_name(GPtrArray *names, const char *name)
{
    if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_ptr_array_add(names, g_strdup(name));
}

bool
fab_nccl_run_add_device(FabNcclRun *run, const FabNcclDevice *device, GError **error)
{
    g_autofree char *process = g_strdup_printf("%s %s", device->host, device->pid);
    uint32_t rank = device->rank;

    if (rank >= MAX_RANKS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %" G_GUINT64_FORMAT ": rank %u is above %d",
                    run->path, device->line, rank, MAX_RANKS - 1);
        return false;
    }
    if (rank >= run->lines_of_rank->len)
        g_array_set_size(run->lines_of_rank, rank + 1);
    if (g_array_index(run->lines_of_rank, uint64_t, rank) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: line %" G_GUINT64_FORMAT ": rank %u appears again (first in line %" G_GUINT64_FORMAT "), so "
                    "several processes measured apart, each as a whole run: nccl-tests was built without MPI and "
                    "started by mpirun or srun; build it with MPI=1 and measure again",
                    run->path, device->line, rank, g_array_index(run->lines_of_rank, uint64_t, rank));
        return false;
    }
    g_array_index(run->lines_of_rank, uint64_t, rank) = device->line;
    run->devices++;
    fab_nccl_add_name(run->hosts, device->host);
    fab_nccl_add_name(run->processes, process);
    fab_nccl_add_name(run->gpus, device->gpu);
    return true;
}

void
fab_nccl_run_set_version_code(FabNcclRun *run, int64_t code)
{
    int64_t scale = code >= 10000 ? 10000 : 1000; /* NCCL changed its coding with 2.9 */

    if (run->nccl_version == NULL && code >= 2000 && code < 1000000)
        run->nccl_version = g_strdup_printf("%d.%d.%d", (int)(code / scale), (int)(code % scale / 100),
                                            (int)(code % 100));
}

/* ------------------------------------------------------------------ rows */

static double
number(const char *text)
{
    return text[0] == '\0' ? NAN : g_ascii_strtod(text, NULL);
}

void
fab_nccl_run_add_row(FabNcclRun *run, FabNcclRow *row, const FabImportOptions *options)
{
    static const char *const names[] = { "out-of-place", "in-place" };
    bool any = false;

    for (int i = 0; i < 2; i++) {
        FabNcclHalf *half = &row->half[i];
        double time_us = number(half->time_us);
        if (half->time_us[0] == '\0')
            continue;
        if (fab_cell_is_time(time_us) && row->size > 0) {
            any = true;
            continue;
        }
        if (row->size > 0)
            fab_import_remark(options, "%s: line %" G_GUINT64_FORMAT ": the %s time of size %" G_GUINT64_FORMAT
                              " is %s us, which nothing can take; left out", run->path, row->line, names[i], row->size,
                              half->time_us);
        *half = (FabNcclHalf) { .wrong = -1 };
    }
    if (row->size == 0)
        fab_import_remark(options, "%s: line %" G_GUINT64_FORMAT ": a row of size 0 moves nothing; left out", run->path,
                          row->line);
    if (any)
        g_array_append_vals(run->rows, row, 1);
}

/* ------------------------------------------------------------------ which collective, how many ranks */

/* Bytes of an element, or 0. */
static uint32_t
type_bytes(const char *type)
{
    static const struct {
        const char *name;
        uint32_t bytes;
    } types[] = { { "int8", 1 },   { "char", 1 },   { "uint8", 1 },  { "fp8_e4m3", 1 }, { "f8e4m3", 1 },
                  { "f8e5m2", 1 }, { "half", 2 },   { "fp8_e5m2", 1 }, { "bfloat16", 2 }, { "int32", 4 },
                  { "int", 4 },    { "uint32", 4 }, { "float", 4 },  { "int64", 8 },    { "uint64", 8 },
                  { "double", 8 } };

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i].name, type) == 0)
            return types[i].bytes;
    }
    return 0;
}

/* busbw over algbw for `ranks`, as nccl-tests defines it. */
static double
bus_factor(const char *collective, double ranks)
{
    if (strcmp(collective, "all_reduce") == 0)
        return 2 * (ranks - 1) / ranks;
    if (strcmp(collective, "all_gather") == 0 || strcmp(collective, "reduce_scatter") == 0
        || strcmp(collective, "alltoall") == 0)
        return (ranks - 1) / ranks;
    return 1;
}

/* The row with the largest busbw, where the rounding of the columns matters least; its bandwidths, or NAN. */
static void
best_bandwidths(const FabNcclRun *run, double *algbw, double *busbw)
{
    *algbw = *busbw = NAN;
    for (guint i = 0; i < run->rows->len; i++) {
        const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, i);
        for (int j = 0; j < 2; j++) {
            double alg = number(row->half[j].algbw), bus = number(row->half[j].busbw);
            if (isfinite(alg) && isfinite(bus) && alg > 0 && (isnan(*busbw) || bus > *busbw)) {
                *algbw = alg;
                *busbw = bus;
            }
        }
    }
}

/* Buffer over count: how many ranks' shares the size column holds; 0: not known. */
static uint64_t
shares(const FabNcclRun *run)
{
    for (guint i = run->rows->len; i-- > 0;) {
        const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, i);
        uint64_t bytes = type_bytes(row->type);
        if (bytes > 0 && row->count > 0 && row->count <= row->size / bytes)
            return (row->size + bytes * row->count / 2) / (bytes * row->count);
    }
    return 0;
}

/* The only collective that prints such rows, or NULL: all-gather and all-to-all look alike. */
static const char *
guess_collective(const FabNcclRun *run)
{
    const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, run->rows->len - 1);
    bool reduces = strcmp(row->redop, "none") != 0;
    double algbw, busbw;

    best_bandwidths(run, &algbw, &busbw);
    if (row->root >= 0)
        return reduces ? "reduce" : "broadcast";
    if (reduces && shares(run) > 1)
        return "reduce_scatter";
    /* A reduce has a root. Without that column the factor tells, unless it is that of two ranks: 1. */
    if (reduces && shares(run) == 1 && (row->has_root || busbw > 1.2 * algbw))
        return "all_reduce";
    return row->has_root && shares(run) == 1 ? "sendrecv" : NULL;
}

static const char *
find_collective(const FabNcclRun *run, const FabImportOptions *options, bool *inferred, GError **error)
{
    g_autofree char *suggestion = NULL, *name = NULL;

    *inferred = false;
    if (run->program != NULL)
        name = g_strndup(run->program, strlen(run->program) - (g_str_has_suffix(run->program, "_perf") ? 5 : 0));
    if (name != NULL && options->collective != NULL && strcmp(name, options->collective) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --collective is %s, but %s says %s",
                    options->collective, run->path, run->program);
        return NULL;
    }
    if (name == NULL && options->collective != NULL)
        name = g_strdup(options->collective);
    if (name == NULL) {
        const char *guess = guess_collective(run);
        *inferred = true;
        if (guess == NULL)
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: the log does not say which collective was measured; give it with --collective", run->path);
        return guess;
    }
    for (gsize i = 0; collectives[i] != NULL; i++) {
        if (strcmp(collectives[i], name) == 0)
            return collectives[i];
    }
    suggestion = fab_suggestion(name, collectives);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: measurements of \"%s\" cannot be used%s",
                options->collective != NULL ? "command line" : run->path, name, suggestion);
    return NULL;
}

/* The only number of ranks whose factor fits the two columns, given their rounding; 0: none or several. */
static uint32_t
ranks_of_factor(const FabNcclRun *run, const char *collective)
{
    double algbw, busbw, low, high;
    double least, most;

    best_bandwidths(run, &algbw, &busbw);
    if (isnan(algbw) || bus_factor(collective, 2) == bus_factor(collective, 3))
        return 0;
    /* busbw = algbw x scale x (n - 1) / n, each rounded to 0.005, or to half a unit of six characters. */
    low = (busbw - MAX(0.0051, busbw * 5e-6)) / (algbw + MAX(0.0051, algbw * 5e-6)) / (2 * bus_factor(collective, 2));
    high = (busbw + MAX(0.0051, busbw * 5e-6)) / (algbw - MAX(0.0051, algbw * 5e-6)) / (2 * bus_factor(collective, 2));
    if (!(low > 0 && low < 1 && high > low))
        return 0;
    least = ceil(1 / (1 - low) - 1e-9);
    most = high < 1 ? floor(1 / (1 - high) + 1e-9) : INFINITY;
    return least == most && least >= 2 && least < MAX_RANKS ? (uint32_t)least : 0;
}

static uint32_t
find_ranks(const FabNcclRun *run, const char *collective, const FabImportOptions *options, bool *inferred,
           GError **error)
{
    uint32_t ranks = MAX(options->ranks, run->lines_of_rank->len);

    *inferred = false;
    if (run->devices < run->lines_of_rank->len) {
        uint32_t first = 0;
        while (g_array_index(run->lines_of_rank, uint64_t, first) != 0)
            first++;
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                    "%s: line %" G_GUINT64_FORMAT ": names rank %u, and no line names rank %u; the log is not whole",
                    run->path, g_array_index(run->lines_of_rank, uint64_t, run->lines_of_rank->len - 1),
                    run->lines_of_rank->len - 1, first);
        return 0;
    }
    if (options->ranks > 0 && run->lines_of_rank->len > 0 && options->ranks != run->lines_of_rank->len) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --ranks is %u, but %s names %u ranks",
                    options->ranks, run->path, run->lines_of_rank->len);
        return 0;
    }
    if (ranks == 0) {
        *inferred = true;
        ranks = strcmp(collective, "all_reduce") != 0 && shares(run) > 1 && shares(run) < MAX_RANKS
                    ? (uint32_t)shares(run)
                    : ranks_of_factor(run, collective);
    }
    if (ranks == 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: the log does not say how many GPUs took part (it has no \"# Rank\" lines); give it with "
                    "--ranks",
                    run->path);
    return ranks;
}

/* ------------------------------------------------------------------ the measurement */

static char *
join(const GPtrArray *names, const char *separator)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s%s", i == 0 ? "" : separator, (const char *)names->pdata[i]);
    return g_string_free(text, FALSE);
}

static void
write_system(const FabNcclRun *run, FabDraft *draft, uint32_t ranks)
{
    g_autofree char *gpus = join(run->gpus, "; ");

    fab_draft_set(draft, "system", "gpu", "%s", gpus);
    for (guint i = 0; i < run->gpus->len; i++) {
        const char *id = fab_gpu_id_of_name(run->gpus->pdata[i]);
        if (id != NULL)
            fab_draft_add(draft, "system", "gpu_id", id);
    }
    if (run->hosts->len > 0) {
        if (ranks % run->hosts->len == 0) {
            fab_draft_set(draft, "system", "gpus_per_node", "%u", ranks / run->hosts->len);
            fab_draft_add(draft, "quality", "inferred", "gpus_per_node");
        }
        fab_draft_set(draft, "system", "nodes", "%u", run->hosts->len);
    }
    fab_draft_set(draft, "system", "ranks", "%u", ranks);
}

static void
write_run(const FabNcclRun *run, FabDraft *draft, const char *collective)
{
    const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, run->rows->len - 1);

    fab_draft_set(draft, "run", "tool", "%s", run->program != NULL ? run->program : "nccl-tests");
    fab_draft_set(draft, "run", "collective", "%s", collective);
    fab_draft_set(draft, "run", "dtype", "%s", row->type);
    fab_draft_set(draft, "run", "redop", "%s", strcmp(row->redop, "none") == 0 ? "" : row->redop);
    fab_draft_set(draft, "run", "nccl_version", "%s", run->nccl_version != NULL ? run->nccl_version : "");
    fab_draft_set(draft, "run", "cuda_version", "%s", run->cuda_version != NULL ? run->cuda_version : "");
    if (run->processes->len > 0)
        fab_draft_set(draft, "run", "processes", "%u", run->processes->len);
    if (run->threads > 1)
        fab_draft_set(draft, "run", "threads", "%u", run->threads);
    if (run->iterations > 0)
        fab_draft_set(draft, "run", "iterations", "%u", run->iterations);
    if (run->warmup > 0)
        fab_draft_set(draft, "run", "warmup", "%u", run->warmup);
    for (guint i = 0; i < run->environment->len; i++)
        fab_draft_add(draft, "run", "env", run->environment->pdata[i]);
}

/* Rows whose algbw is not size / time. Old programs printed busbw there: then it is worked out again. */
static uint32_t
count_odd_algbw(const FabNcclRun *run, bool *is_busbw)
{
    uint32_t odd = 0;

    *is_busbw = true;
    for (guint i = 0; i < run->rows->len; i++) {
        const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, i);
        for (int j = 0; j < 2; j++) {
            double real = (double)row->size / 1e3 / number(row->half[j].time_us), algbw = number(row->half[j].algbw);
            if (isnan(real) || isnan(algbw) || fabs(algbw - real) <= 0.01 * real + 0.0051)
                continue;
            odd++;
            *is_busbw = *is_busbw && fabs(number(row->half[j].busbw) - algbw) <= 0.0051;
        }
    }
    return odd;
}

static void
write_rows(const FabNcclRun *run, FabDraft *draft, bool derive)
{
    for (guint i = 0; i < run->rows->len; i++) {
        const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, i);
        for (int j = 0; j < 2; j++) {
            const FabNcclHalf *half = &row->half[j];
            char algbw[FAB_NCCL_NUMBER];
            if (half->time_us[0] == '\0')
                continue;
            g_strlcpy(algbw, half->algbw, sizeof(algbw));
            if (derive)
                g_ascii_formatd(algbw, sizeof(algbw), "%.2f", (double)row->size / 1e3 / number(half->time_us));
            fab_draft_append(draft, "%" G_GUINT64_FORMAT ",%s,%s,%s,%d", row->size, half->time_us, algbw, half->busbw,
                j);
        }
    }
}

static void
write_quality(const FabNcclRun *run, FabDraft *draft)
{
    uint32_t wrong = 0;

    for (guint i = 0; i < run->rows->len; i++) {
        const FabNcclRow *row = &g_array_index(run->rows, FabNcclRow, i);
        wrong += row->half[0].wrong > 0 || row->half[1].wrong > 0;
    }
    if (wrong > 0) {
        fab_draft_set(draft, "quality", "grade", "C");
        fab_draft_set(draft, "quality", "reason", "%u of %u rows have wrong results", wrong, run->rows->len);
    } else {
        fab_draft_set(draft, "quality", "grade", "B");
        fab_draft_set(draft, "quality", "reason", "imported from a log%s; nobody has compared it with its machine yet",
                      run->finished ? "" : " without its end");
    }
}

static void
write_source(const FabNcclRun *run, FabDraft *draft)
{
    g_autofree char *name = g_path_get_basename(run->path), *notes = join(run->notes, "; ");

    fab_draft_set(draft, "source", "kind", "collective");
    if (run->line > 0)
        fab_draft_set(draft, "source", "where", "%s, lines %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, name,
            run->line,
                      run->end);
    else
        fab_draft_set(draft, "source", "where", "%s", name);
    fab_draft_set(draft, "source", "date", "%s", run->date != NULL ? run->date : "");
    fab_draft_set(draft, "source", "note", "%s%s%s%s", run->graph > 0 ? "launched as a CUDA graph" : "",
                  run->graph > 0 && notes[0] != '\0' ? "; " : "", notes,
                  run->graph == 0 && notes[0] == '\0' ? "a log of nccl-tests" : "");
}

FabDraft *
fab_nccl_run_draft(const FabNcclRun *run, const FabImportOptions *options, GError **error)
{
    g_autoptr(FabDraft) draft = fab_draft_new("size_bytes,time_us,algbw_GBps,busbw_GBps,in_place");
    bool guessed_collective, guessed_ranks, is_busbw;
    const char *collective = find_collective(run, options, &guessed_collective, error);
    uint32_t ranks = collective != NULL ? find_ranks(run, collective, options, &guessed_ranks, error) : 0, odd;

    if (ranks == 0)
        return NULL;
    write_source(run, draft);
    if (options->topology != NULL)
        fab_draft_set(draft, "system", "topology", "%s", options->topology);
    write_quality(run, draft);
    write_system(run, draft, ranks);
    write_run(run, draft, collective);
    if (guessed_collective)
        fab_draft_add(draft, "quality", "inferred", "collective");
    if (guessed_ranks)
        fab_draft_add(draft, "quality", "inferred", "ranks");
    odd = count_odd_algbw(run, &is_busbw);
    if (odd > 0 && is_busbw)
        fab_draft_add(draft, "quality", "derived", "algbw_GBps");
    else if (odd > 0)
        fab_import_remark(options, "%s: algbw of %u figures is not size over time; they are kept as printed", run->path,
                          odd);
    write_rows(run, draft, odd > 0 && is_busbw);
    return g_steal_pointer(&draft);
}
