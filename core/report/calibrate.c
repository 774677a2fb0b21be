/* Fits as tables for people, and as overlays. */
#include "report/calibrate.h"

#include <math.h>
#include <string.h>

#include "fabricast-config.h"
#include "report/stream.h"

/* Unused measurements are named one by one up to so many. */
enum { MOST_NAMED = 8 };

/* ------------------------------------------------------------------ what was fitted */

/* Of many measurements only how many, by reason in order of appearance. */
static void
count_unused(const FabFit *fit, FILE *out)
{
    g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < fit->cases->len; i++) {
        const FabFitCase *one = fit->cases->pdata[i];
        if (one->reason != NULL)
            g_hash_table_insert(counts, (gpointer)one->reason,
                                GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, one->reason)) + 1));
    }
    for (guint i = 0; i < fit->cases->len; i++) {
        const FabFitCase *one = fit->cases->pdata[i];
        guint count = one->reason != NULL ? GPOINTER_TO_UINT(g_hash_table_lookup(counts, one->reason)) : 0;
        if (count == 0)
            continue;
        fprintf(out, "# not used: %4u  %s\n", count, one->reason);
        g_hash_table_remove(counts, one->reason);
    }
}

static void
write_head(const FabFit *fit, FILE *out)
{
    guint identified = 0;

    for (guint i = 0; i < fit->parameters->len; i++)
        identified += ((const FabFitParameter *)fit->parameters->pdata[i])->identified;
    fprintf(out, "# fabricast %s  calibration: %u of %u constants fitted to %u rows of %u measurements\n", FAB_VERSION,
            identified, fit->parameters->len, fit->rows, fit->used);
    if (fit->cases->len - fit->used > MOST_NAMED)
        count_unused(fit, out);
    for (guint i = 0; i < fit->cases->len && fit->cases->len - fit->used <= MOST_NAMED; i++) {
        const FabFitCase *one = fit->cases->pdata[i];
        if (one->reason != NULL)
            fprintf(out, "# not used: %s: %s%s%s\n", one->id, one->reason, one->detail != NULL ? ": " : "",
                    one->detail != NULL ? one->detail : "");
    }
}

/* ------------------------------------------------------------------ constants */

/* A fitted value is not known to more than three digits. */
static char *
rounded(const FabConstant *constant, double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    return fab_constant_format(constant, g_ascii_strtod(g_ascii_formatd(digits, sizeof digits, "%.3g", value), NULL));
}

static void
write_parameter(const FabFitParameter *parameter, FILE *out)
{
    const FabConstant *constant = parameter->constant;
    g_autofree char *start = fab_constant_format(constant, parameter->start);
    g_autofree char *value = rounded(constant, parameter->value);
    g_autofree char *low = fab_constant_format(constant, constant->low);
    g_autofree char *high = fab_constant_format(constant, constant->high);
    g_autofree char *least = rounded(constant, parameter->low95);
    g_autofree char *most = rounded(constant, parameter->high95);
    g_autofree char *interval = g_strdup_printf("%s to %s", least, most);
    g_autofree char *range = g_strdup_printf("%s to %s", low, high);

    fprintf(out, "  %-22s %13s %13s  %-28s %s\n", constant->key, start, parameter->identified ? value : "kept",
            isnan(parameter->low95) ? "-" : interval, range);
    fprintf(out, "      %s\n", constant->meaning);
    if (parameter->why != NULL)
        fprintf(out, "      kept: %s\n", parameter->why);
    if (parameter->at_bound)
        fprintf(out, "      AT ITS BOUND: the rows ask for more than is plausible, something else is wrong\n");
}

/* Those of a group that nothing depends on, in one line. */
static void
write_idle(const FabFit *fit, const char *group, FILE *out)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        if (strcmp(parameter->group, group) == 0 && g_strcmp0(parameter->why, fab_fit_idle) == 0)
            g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", parameter->constant->key);
    }
    if (names->len > 0)
        fprintf(out, "  kept, %s: %s\n", fab_fit_idle, names->str);
}

static void
write_parameters(const FabFit *fit, FILE *out)
{
    const char *group = "";

    fprintf(out, "#\n# %-22s %13s %13s  %-28s %s\n", "constant", "start", "fitted", "95 % interval", "plausible range");
    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        const FabFitParameter *next = i + 1 < fit->parameters->len ? fit->parameters->pdata[i + 1] : NULL;
        if (strcmp(parameter->group, group) != 0)
            fprintf(out, "%s\n", parameter->group);
        group = parameter->group;
        if (g_strcmp0(parameter->why, fab_fit_idle) != 0)
            write_parameter(parameter, out);
        if (next == NULL || strcmp(next->group, group) != 0)
            write_idle(fit, group, out);
    }
}

/* ------------------------------------------------------------------ errors */

static void
write_errors(const char *name, guint rows, const FabErrorSummary *before, const FabErrorSummary *after, FILE *out)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "%-48s %5u", name, rows);
    for (int band = 0; band < FAB_BANDS; band++) {
        fprintf(out, "  %7s", before[band].rows > 0 ? fab_stream_fixed(100 * before[band].mean, 1, buffer) : "-");
        fprintf(out, " %6s", after[band].rows > 0 ? fab_stream_fixed(100 * after[band].mean, 1, buffer) : "-");
    }
    fputs("\n", out);
}

static void
write_residuals(const FabFit *fit, FILE *out)
{
    fprintf(out, "#\n# mean error of the fitted rows in percent, before and after\n# %-46s %5s", "", "rows");
    for (int band = 0; band < FAB_BANDS; band++)
        fprintf(out, "  %14s", fab_band_names[band]);
    fputs("\n", out);
    write_errors("all", fit->rows, fit->before, fit->after, out);
    for (guint i = 0; i < fit->cases->len; i++) {
        const FabFitCase *one = fit->cases->pdata[i];
        if (one->reason == NULL)
            write_errors(one->id, one->rows, one->before, one->after, out);
    }
}

bool
fab_report_fit(const FabFit *fit, FILE *out, GError **error)
{
    write_head(fit, out);
    write_parameters(fit, out);
    write_residuals(fit, out);
    return fab_stream_finish(out, error);
}

/* ------------------------------------------------------------------ overlays */

/* One line without what would end a value or a list. */
static char *
plain(const char *text)
{
    char *copy = g_strdup(text);

    g_strdelimit(copy, "\r\n\t", ' ');
    g_strdelimit(copy, ";", ',');
    return g_strstrip(copy);
}

/* The ids, or the machines each once, of the measurements that were used. Owned by the caller. */
static char *
list_cases(const FabFit *fit, bool machines)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < fit->cases->len; i++) {
        const FabFitCase *one = fit->cases->pdata[i];
        g_autofree char *word = plain(machines ? one->machine : one->id);
        if (one->reason == NULL && word[0] != '\0' && !g_ptr_array_find_with_equal_func(words, word, g_str_equal, NULL))
            g_ptr_array_add(words, g_steal_pointer(&word));
    }
    g_ptr_array_add(words, NULL);
    return g_strjoinv(";", (char **)words->pdata);
}

static void
write_band_errors(const char *key, const FabErrorSummary *summary, FILE *out)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "%s=", key);
    for (int band = 0; band < FAB_BANDS; band++)
        fprintf(out, "%s%s%s", band > 0 ? ";" : "",
                summary[band].rows > 0 ? fab_stream_fixed(100 * summary[band].mean, 2, buffer) : "-",
                summary[band].rows > 0 ? " %" : "");
    fputs("\n", out);
}

/* Keys that write_constants() and write_intervals() write: a reader sees whether the file is whole. */
static guint
count_keys(const FabFit *fit, const GArray *intervals)
{
    guint keys = 3 * intervals->len;

    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        keys += parameter->identified ? 1 + !isnan(parameter->low95) : 0;
    }
    return keys;
}

static void
write_provenance(const FabFit *fit, const GArray *intervals, const char *title, const char *date, FILE *out)
{
    g_autofree char *ids = list_cases(fit, false), *machines = list_cases(fit, true), *name = NULL;

    name = title != NULL ? plain(title) : g_strdelimit(g_strdup(machines), ";", ',');
    fprintf(out, "# Constants of the model, fitted to measurements: see docs/calibration.md.\n"
                 "[calibration]\nformat=1\ntitle=%s\ndate=%s\nprogram=fabricast %s\nmeasurements=%s\nmachines=%s\n"
                 "cases=%u\nrows=%u\nkeys=%u\nbands=%s;%s;%s\n", name, date, FAB_VERSION, ids, machines, fit->used,
            fit->rows, count_keys(fit, intervals), fab_band_names[0], fab_band_names[1], fab_band_names[2]);
    write_band_errors("error_before", fit->before, out);
    write_band_errors("error_after", fit->after, out);
    if (fit->at_bound)
        fputs("note=some values are at the end of their plausible range, and were written by force\n", out);
}

static void
write_constants(const FabFit *fit, FILE *out)
{
    const char *group = "";

    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        const FabConstant *constant = parameter->constant;
        g_autofree char *value = fab_constant_format(constant, parameter->value);
        g_autofree char *low = fab_constant_format(constant, parameter->low95);
        g_autofree char *high = fab_constant_format(constant, parameter->high95);
        if (!parameter->identified)
            continue;
        if (strcmp(parameter->group, group) != 0)
            fprintf(out, "\n[%s]\n", parameter->group);
        group = parameter->group;
        fprintf(out, "# %s\n%s=%s\n", constant->meaning, constant->key, value);
        if (!isnan(parameter->low95))
            fprintf(out, "%s_interval=%s;%s\n", constant->key, low, high);
    }
}

static void
write_ends(const char *key, const double *ends, FILE *out)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "%s=", key);
    for (int band = 0; band < FAB_BANDS; band++)
        fprintf(out, "%s%s %%", band > 0 ? ";" : "", fab_stream_fixed(100 * ends[band], 1, buffer));
    fputs("\n", out);
}

static void
write_intervals(const GArray *intervals, FILE *out)
{
    if (intervals->len > 0)
        fputs("\n# Of the time, nine of ten: below 64 KiB, to 8 MiB, from 8 MiB.\n", out);
    for (guint i = 0; i < intervals->len; i++) {
        const FabOverlayInterval *one = &g_array_index(intervals, FabOverlayInterval, i);
        g_autofree char *kind = fab_kind_format(&one->kind);
        fprintf(out, "%s[interval %s]\n", i > 0 ? "\n" : "", kind);
        write_ends("low", one->low, out);
        write_ends("high", one->high, out);
        fprintf(out, "cases=%d\n", (int)one->cases);
    }
}

bool
fab_report_overlay(const FabFit *fit, const GArray *intervals, const char *title, const char *date, FILE *out,
                   GError **error)
{
    write_provenance(fit, intervals, title, date, out);
    write_constants(fit, out);
    write_intervals(intervals, out);
    return fab_stream_finish(out, error);
}
