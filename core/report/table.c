/* Results as nccl-tests prints them, within 80 columns, with '#' lines that say what was run and what binds. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/datatype.h"
#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"

enum { WIDTH = 80, MAX_BINDING_LINES = 12 };

/* ------------------------------------------------------------------ '#' lines */

/* Prints words after `lead`, folded before column 80; further lines are indented to match. */
static void
write_folded(FILE *out, const char *lead, const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\r\n", -1);
    size_t indent = strlen(lead);
    size_t column = indent;

    fputs(lead, out);
    for (guint i = 0; words[i] != NULL; i++) {
        size_t length = (size_t)g_utf8_strlen(words[i], -1);
        if (length == 0)
            continue;
        if (column > indent && column + 1 + length > WIDTH) {
            fprintf(out, "\n#%*s", (int)indent - 1, "");
            column = indent;
        }
        fprintf(out, "%s%s", column > indent ? " " : "", words[i]);
        column += length + (column > indent ? 1 : 0);
    }
    fputs("\n", out);
}

static void
write_heading(FILE *out, const FabResult *result)
{
    g_autofree char *topology =
        g_strdup_printf("%s%s%s (plugin %s, %u GPU%s)", result->topology,
                        result->topology_title != NULL ? ": " : "",
                        result->topology_title != NULL ? result->topology_title : "",
                        result->plugin != NULL ? result->plugin : "none", result->gpus, fab_plural(result->gpus));
    g_autofree char *run = g_strdup_printf("%s: %s over %u rank%s, fidelity %s", result->name, result->collective,
                                           result->ranks, fab_plural(result->ranks),
                                           result->fidelity != NULL ? result->fidelity : "unknown");

    fprintf(out, "# fabricast %s\n", FAB_VERSION);
    write_folded(out, "# topology  ", topology);
    write_folded(out, "# scenario  ", run);
    if (result->calibration != NULL)
        write_folded(out, "# constants ", result->calibration);
    for (guint i = 0; i < result->notes->len; i++)
        write_folded(out, "# note      ", result->notes->pdata[i]);
    fputs("#\n", out);
}

/* ------------------------------------------------------------------ columns */

/* Columns that are printed only where rows differ: they go after the usual ones. */
typedef struct {
    bool algorithm, protocol, channels;
} Varying;

static Varying
find_varying(const FabResult *result)
{
    Varying varying = { false, false, false };
    const FabResultRow *first = result->rows->len > 0 ? result->rows->pdata[0] : NULL;

    for (guint i = 1; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        varying.algorithm |= g_strcmp0(row->algorithm, first->algorithm) != 0;
        varying.protocol |= g_strcmp0(row->protocol, first->protocol) != 0;
        varying.channels |= row->channels != first->channels;
    }
    return varying;
}

static void
write_column_names(FILE *out, Varying varying)
{
    fprintf(out, "#%11s %11s %8s %5s %4s %10s %7s %7s %8s", "size", "count", "type", "redop", "root", "time",
            "algbw", "busbw", "interval");
    fprintf(out, "%s%s%s\n", varying.algorithm ? " algorithm       " : "", varying.protocol ? " proto " : "",
            varying.channels ? " channels" : "");
    fprintf(out, "#%11s %11s %8s %5s %4s %10s %7s %7s %8s\n", "(B)", "(elements)", "", "", "", "(us)", "(GB/s)",
            "(GB/s)", "(%)");
}

/*
 * The count column of nccl-tests: elements of one rank's share where each rank has one, else elements of the whole
 * buffer.
 */
static uint64_t
count_elements(const FabResult *result, const FabResultRow *row)
{
    static const char *const shared[] = { "all_gather", "reduce_scatter", "alltoall", "gather", "scatter", NULL };
    uint32_t bytes = result->datatype != NULL ? fab_datatype_bytes(result->datatype) : 0;
    uint64_t count = row->size_bytes / MAX(bytes, 1);

    if (result->collective != NULL && g_strv_contains(shared, result->collective))
        count /= MAX(result->ranks, 1);
    return count;
}

/* Two decimals, fewer from `most` on, "-" for what is not a number. */
static const char *
fit(double value, double most, char buffer[G_ASCII_DTOSTR_BUF_SIZE])
{
    if (!isfinite(value))
        return "-";
    return fab_stream_fixed(value, value < most ? 2 : value < 10 * most ? 1 : 0, buffer);
}

/* "-8/+15": the ends of the interval in percent of the time; "-" where there is none. */
static void
format_interval(const FabResultRow *row, char text[32])
{
    double low = 100 * ((double)row->low_ps / (double)row->time_ps - 1);
    double high = 100 * ((double)row->high_ps / (double)row->time_ps - 1);

    if (row->low_ps > 0 && row->time_ps > 0)
        g_snprintf(text, 32, "-%d/+%d", (int)lround(-low), (int)lround(high));
    else
        g_strlcpy(text, "-", 32);
}

static void
write_row(FILE *out, const FabResult *result, const FabResultRow *row, Varying varying)
{
    char time[G_ASCII_DTOSTR_BUF_SIZE], algbw[G_ASCII_DTOSTR_BUF_SIZE], busbw[G_ASCII_DTOSTR_BUF_SIZE];
    char interval[32];
    bool has_busbw = row->busbw > 0 || row->algbw == 0; /* transfers have none */

    format_interval(row, interval);
    fprintf(out, "%12" G_GUINT64_FORMAT " %11" G_GUINT64_FORMAT " %8s %5s %4d %10s %7s %7s %8s", row->size_bytes,
            count_elements(result, row), result->datatype != NULL ? result->datatype : "none",
            result->redop != NULL ? result->redop : "none", result->root, fit((double)row->time_ps / 1e6, 1e5, time),
            fit(row->algbw / 1e9, 1e4, algbw),
            fit(has_busbw ? row->busbw / 1e9 : NAN, 1e4, busbw), interval);
    if (varying.algorithm)
        fprintf(out, varying.protocol || varying.channels ? " %-16s" : " %s",
                row->algorithm != NULL ? row->algorithm : "none");
    if (varying.protocol)
        fprintf(out, varying.channels ? " %-6s" : " %s", row->protocol != NULL ? row->protocol : "none");
    if (varying.channels)
        fprintf(out, " %8u", row->channels);
    fputs("\n", out);
}

/* ------------------------------------------------------------------ what was used, what binds */

/* "ring", or "tree, ring" in order of appearance where rows differ. Owned by the caller. */
static char *
join_words(const FabResult *result, bool protocol)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (guint i = 0; i < result->rows->len; i++) {
        FabResultRow *row = result->rows->pdata[i];
        char *word = protocol ? row->protocol : row->algorithm;
        if (word != NULL && strcmp(word, "-") != 0 && !g_ptr_array_find_with_equal_func(words, word, g_str_equal, NULL))
            g_ptr_array_add(words, word);
    }
    g_ptr_array_add(words, NULL);
    return words->len > 1 ? g_strjoinv(", ", (char **)words->pdata) : NULL;
}

static void
write_algorithm(FILE *out, const FabResult *result)
{
    g_autofree char *algorithms = join_words(result, false);
    g_autofree char *protocols = join_words(result, true);
    g_autoptr(GString) text = g_string_new(algorithms);
    uint32_t least = UINT32_MAX, most = 0;

    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        least = MIN(least, row->channels);
        most = MAX(most, row->channels);
    }
    if (algorithms == NULL)
        return;
    if (protocols != NULL)
        g_string_append_printf(text, "; protocol %s", protocols);
    if (most > 0 && least == most)
        g_string_append_printf(text, "; %u channel%s", most, fab_plural(most));
    else if (most > 0)
        g_string_append_printf(text, "; %u to %u channels", least, most);
    write_folded(out, "# algorithm ", text->str);
}

/* "GPU 0 > NVSwitch, 97 % busy at 8 GiB (4 MiB to 8 GiB)": the last row of a run of sizes stands for it. */
static void
write_binding(FILE *out, const FabResult *result, guint first, guint last)
{
    const FabResultRow *from = result->rows->pdata[first];
    const FabResultRow *to = result->rows->pdata[last];
    g_autofree char *from_size = fab_format_bytes(from->size_bytes);
    g_autofree char *to_size = fab_format_bytes(to->size_bytes);
    g_autoptr(GString) text = g_string_new(to->binding);
    char share[G_ASCII_DTOSTR_BUF_SIZE];

    /* Waiting is not being busy: for latency the share is that of the time in which nothing is the limit. */
    if (isfinite(to->binding_utilisation))
        g_string_append_printf(text, ", %s %% %s", fab_stream_fixed(to->binding_utilisation * 100, 0, share),
                               strcmp(to->binding, "latency") == 0 ? "of the time" : "busy");
    if (result->rows->len > 1)
        g_string_append_printf(text, " at %s", to_size);
    if (first != last)
        g_string_append_printf(text, " (%s to %s)", from_size, to_size);
    write_folded(out, "# bound by  ", text->str);
}

/* The same thing but for the number of a device: in a symmetric machine which one of them is chance. */
static bool
binds_alike(const FabResultRow *a, const FabResultRow *b)
{
    const char *first = a->binding != NULL ? a->binding : "";
    const char *second = b->binding != NULL ? b->binding : "";

    for (;; first++, second++) {
        first += strspn(first, G_CSET_DIGITS);
        second += strspn(second, G_CSET_DIGITS);
        if (*first != *second || *first == '\0')
            return *first == *second;
    }
}

/* One line for each run of sizes that the same thing limits; the last ones where there are many. */
static void
write_bindings(FILE *out, const FabResult *result)
{
    g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(guint));
    guint rows = result->rows->len, skipped;

    for (guint i = 0; i < rows; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        if (i == 0 || !binds_alike(row, result->rows->pdata[i - 1]))
            g_array_append_val(starts, i);
    }
    skipped = starts->len > MAX_BINDING_LINES ? starts->len - MAX_BINDING_LINES : 0;
    for (guint i = skipped; i < starts->len; i++) {
        guint first = g_array_index(starts, guint, i);
        guint last = i + 1 < starts->len ? g_array_index(starts, guint, i + 1) - 1 : rows - 1;
        const FabResultRow *row = result->rows->pdata[last];
        if (row->binding != NULL)
            write_binding(out, result, first, last);
    }
    if (skipped > 0)
        fprintf(out, "# bound by  (%u more changes at the sizes before; --json names all)\n", skipped);
}

/* One row of the account of faults: a size, its time without, its time with, and how much more that is. */
static void
write_fault_row(FILE *out, const FabResultRow *row, int64_t healthy_ps, int64_t with_ps)
{
    char healthy[G_ASCII_DTOSTR_BUF_SIZE], with[G_ASCII_DTOSTR_BUF_SIZE], more[G_ASCII_DTOSTR_BUF_SIZE];
    double share = healthy_ps > 0 ? (double)(with_ps - healthy_ps) / (double)healthy_ps : 0;

    fprintf(out, "#%11" G_GUINT64_FORMAT " %12s %12s %11s\n", row->size_bytes,
            fit((double)healthy_ps / 1e6, 1e9, healthy), fit((double)with_ps / 1e6, 1e9, with),
            fit(share * 100, 1e5, more));
}

/* What every fault costs alone, then all of them. */
static void
write_faults(FILE *out, const FabResult *result)
{
    if (result->faults->len == 0 || result->healthy_ps == NULL)
        return;
    fprintf(out, "#\n#%11s %12s %12s %11s\n#%11s %12s %12s %11s\n", "size", "healthy", "with it", "more", "(B)",
            "(us)", "(us)", "(%)");
    for (guint f = 0; f < result->faults->len; f++) {
        const FabResultFault *fault = result->faults->pdata[f];
        g_autofree char *text = g_strdup_printf("%s: %s", fault->name, fault->what);
        write_folded(out, "# fault     ", text);
        for (guint i = 0; i < result->rows->len && fault->alone_ps != NULL; i++)
            write_fault_row(out, result->rows->pdata[i], result->healthy_ps[i], fault->alone_ps[i]);
    }
    if (result->faults->len == 1)
        return;
    write_folded(out, "# faults    ", "all of them, as in the table above");
    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        write_fault_row(out, row, result->healthy_ps[i], row->time_ps);
    }
}

/* The table above has the median of each size. */
static void
write_draws(FILE *out, const FabResult *result)
{
    g_autofree char *text = NULL;

    if (result->draws == 0)
        return;
    text = g_strdup_printf("%u draws of the network's hash, seeds %u to %u: the table above has the median of each "
                           "size", result->draws, result->first_seed, result->first_seed + result->draws - 1);
    write_folded(out, "# draws     ", text);
    fprintf(out, "#%11s %10s %10s %10s %10s %10s\n", "size", "fastest", "5 %", "median", "95 %", "slowest");
    fprintf(out, "#%11s", "(B)");
    fprintf(out, " %10s %10s %10s %10s %10s\n", "(us)", "(us)", "(us)", "(us)", "(us)");
    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        const FabResultDraws *draws = row->draws;
        const int64_t times[] = { draws->least_ps, draws->p5_ps, row->time_ps, draws->p95_ps, draws->most_ps };
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];
        fprintf(out, "#%11" G_GUINT64_FORMAT, row->size_bytes);
        for (size_t k = 0; k < G_N_ELEMENTS(times); k++)
            fprintf(out, " %10s", fit((double)times[k] / 1e6, 1e7, buffer));
        fputs("\n", out);
    }
}

bool
fab_report_table(const FabResult *result, FILE *out, GError **error)
{
    Varying varying = find_varying(result);

    write_heading(out, result);
    write_column_names(out, varying);
    for (guint i = 0; i < result->rows->len; i++)
        write_row(out, result, result->rows->pdata[i], varying);
    fputs("#\n", out);
    write_algorithm(out, result);
    write_bindings(out, result);
    if (result->interval != NULL)
        write_folded(out, "# interval  ", result->interval);
    write_draws(out, result);
    write_faults(out, result);
    return fab_stream_finish(out, error);
}
