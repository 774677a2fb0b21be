/* Training steps predicted and measured: errors by table, and every row. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/stream.h"
#include "report/training-validate.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* The sets that are spoken of, beside single tables. */
static const struct {
    const char *name, *pattern;
} sets[] = {
    { "Megatron, table 5 of arXiv 2205.05198", "^megatron-seqpar" },
    { "Megatron 2020, tensor parallel", "^megatron-2020-tp" },
    { "Megatron 2020, 128 replicas", "^megatron-2020-dp128" },
    { "Megatron SC21, weak scaling", "^megatron-sc21" },
    { "Megatron-Core 0.8, weak scaling", "^megatron-core-r08-h100-weak" },
    { "DGX Cloud 25.02, dense pre-training", "^dgxc-2502-(llama-3-1|nemo-megatron|nemotron)" },
    { "DGX Cloud 25.02, all", "^dgxc-2502-" },
    { "DGX Cloud, other releases", "^dgxc-(24111|25011|2504|25050)" },
    { "NeMo 24.07", "^nemo-2407" },
    { "Megatron Bridge 25.09 to 26.08", "^mbridge" },
    { "vTrain, one node", "^vtrain-gt" },
    { "MPT with FSDP, A100", "^mosaic-mpt-a100" },
    { "MPT with FSDP, H100", "^mosaic-mpt-h100" },
    { "Llama 2 with FSDP, both", "^ibm-fms" },
    { "Applications: GPT-2 on two bridged Titan RTX", "^train-stas00" },
    { "all", NULL },
};

static void
print_errors(FILE *out, const char *name, const FabStepErrors *errors)
{
    Number mean, bias, worst, inside, width;

    fprintf(out, "  %-44s %5u %8s %8s %8s %8s %8s\n", name, errors->rows, fab_stream_fixed(100 * errors->mean, 1, mean),
            fab_stream_fixed(100 * errors->bias, 1, bias), fab_stream_fixed(100 * errors->worst, 1, worst),
            fab_stream_fixed(100.0 * errors->inside / errors->rows, 0, inside),
            fab_stream_fixed(100 * errors->width, 0, width));
}

static void
print_heading(FILE *out, const char *what)
{
    fprintf(out, "# %-44s %5s %8s %8s %8s %8s %8s\n", what, "runs", "mean %", "bias %", "worst %", "inside %",
            "width %");
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How many rows have which reason. */
static void
print_reasons(FILE *out, const FabStepValidation *validation)
{
    g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) reasons = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        for (guint r = 0; r < one->rows->len; r++) {
            const char *reason = g_array_index(one->rows, FabStepRow, r).reason;
            if (reason != NULL)
                g_hash_table_insert(counts, (char *)reason,
                                    GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, reason)) + 1));
        }
    }
    g_hash_table_iter_init(&iter, counts);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_ptr_array_add(reasons, key);
    g_ptr_array_sort(reasons, compare_texts);
    fprintf(out, "# rows that are not scored\n");
    for (guint i = 0; i < reasons->len; i++)
        fprintf(out, "  %5u  %s\n", GPOINTER_TO_UINT(g_hash_table_lookup(counts, reasons->pdata[i])),
                (const char *)reasons->pdata[i]);
}

static void
print_rows(FILE *out, const FabStepCase *one)
{
    fprintf(out, "# %s\n# %4s %-24s %12s %12s %12s %12s %8s\n", one->id, "row", "metric", "measured", "predicted",
            "low", "high", "error %");
    for (guint r = 0; r < one->rows->len; r++) {
        const FabStepRow *row = &g_array_index(one->rows, FabStepRow, r);
        double error = 100 * (row->step_s / row->measured_step_s - 1);
        Number measured, predicted, low, high, shown;
        if (!isfinite(row->predicted)) {
            fprintf(out, "  %4u %-24s %12s  %s\n", row->row, row->metric, fab_stream_number(row->measured, measured),
                    row->reason);
            continue;
        }
        fprintf(out, "  %4u %-24s %12s %12s %12s %12s %8s%s%s%s%s\n", row->row, row->metric,
                fab_stream_number(row->measured, measured), fab_stream_fixed(row->predicted, 3, predicted),
                fab_stream_fixed(row->low, 3, low), fab_stream_fixed(row->high, 3, high),
                fab_stream_fixed(error, 1, shown), row->scored ? "" : "  not scored: ",
                row->scored ? "" : row->reason, row->open != NULL ? "  not stated: " : "",
                row->open != NULL ? row->open : "");
    }
}

static void
print_ranking(FILE *out, const FabStepValidation *validation)
{
    guint jobs;
    double ranking = fab_step_ranking(validation, NULL, &jobs);
    Number order;

    if (jobs > 0)
        fprintf(out, "# order of layouts within a job: Spearman %s, mean of %u jobs with four layouts or more\n",
                fab_stream_fixed(ranking, 3, order), jobs);
}

static void
print_pairs(FILE *out, const FabStepValidation *validation)
{
    g_autoptr(GArray) pairs = fab_step_pairs(validation);

    if (pairs->len > 0)
        fprintf(out, "# %-44s %8s %9s %6s %6s\n", "times as fast with a direct link as without", "measured",
                "predicted", "low", "high");
    for (guint i = 0; i < pairs->len; i++) {
        const FabStepPair *pair = &g_array_index(pairs, FabStepPair, i);
        Number measured, predicted, low, high;
        fprintf(out, "  %-44s %8s %9s %6s %6s%s%s\n", pair->id, fab_stream_fixed(pair->measured, 2, measured),
                fab_stream_fixed(pair->predicted, 2, predicted), fab_stream_fixed(pair->low, 2, low),
                fab_stream_fixed(pair->high, 2, high), pair->open != NULL ? "  not stated: " : "",
                pair->open != NULL ? pair->open : "");
    }
}

void
fab_report_step_validation(const FabStepValidation *validation, bool rows, FILE *out)
{
    fprintf(out, "# fabricast validate: training steps; errors of step times, every run weighing the same\n");
    print_heading(out, "set");
    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        FabStepErrors errors = fab_step_errors(validation, sets[i].pattern);
        if (errors.rows > 0)
            print_errors(out, sets[i].name, &errors);
    }
    print_heading(out, "table");
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        g_autofree char *quoted = g_regex_escape_string(one->id, -1);
        g_autofree char *pattern = g_strdup_printf("^%s$", quoted);
        FabStepErrors errors = fab_step_errors(validation, pattern);
        if (errors.rows > 0)
            print_errors(out, one->id, &errors);
    }
    print_ranking(out, validation);
    print_pairs(out, validation);
    print_reasons(out, validation);
    for (guint i = 0; i < validation->cases->len && rows; i++)
        print_rows(out, validation->cases->pdata[i]);
}

/* What is not a number is an empty field. */
static void
write_number(FILE *out, double value)
{
    Number text;

    fprintf(out, ",%s", isfinite(value) ? fab_stream_number(value, text) : "");
}

void
fab_report_step_validation_csv(const FabStepValidation *validation, FILE *out)
{
    fputs("id,row,metric,measured,predicted,low,high,unit\r\n", out);
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        for (guint r = 0; r < one->rows->len; r++) {
            const FabStepRow *row = &g_array_index(one->rows, FabStepRow, r);
            if (!isfinite(row->predicted))
                continue;
            fprintf(out, "%s,%u,%s", one->id, row->row, row->metric);
            write_number(out, row->measured);
            write_number(out, row->predicted);
            write_number(out, row->low);
            write_number(out, row->high);
            fputc(',', out);
            fab_stream_csv_text(out, row->unit);
            fputs("\r\n", out);
        }
    }
}

/* ------------------------------------------------------------------ tables left out */

/* Sums over the tables whose id matches a pattern (NULL: all). */
static FabStepLeftOut
sum_left_out(const GPtrArray *left, const char *pattern)
{
    FabStepLeftOut sum = { .id = NULL };

    for (guint i = 0; i < left->len; i++) {
        const FabStepLeftOut *one = left->pdata[i];
        if (pattern != NULL && !g_regex_match_simple(pattern, one->id, 0, 0))
            continue;
        sum.runs += one->runs;
        sum.alone += one->alone;
        sum.shipped += one->shipped;
        sum.left += one->left;
        sum.elsewhere += one->elsewhere;
        sum.inside += one->inside;
    }
    return sum;
}

static void
print_left_out(FILE *out, const char *name, const FabStepLeftOut *sum)
{
    guint fitted = sum->runs - sum->alone;
    Number shipped, without, elsewhere, inside;

    fprintf(out, "  %-44s %5u %6u", name, sum->runs, sum->alone);
    if (fitted > 0)
        fprintf(out, " %9s %9s", fab_stream_fixed(100 * sum->shipped / fitted, 1, shipped),
                fab_stream_fixed(100 * sum->left / fitted, 1, without));
    else
        fprintf(out, " %9s %9s", "-", "-");
    fprintf(out, " %11s %8s\n", fab_stream_fixed(100 * sum->elsewhere / sum->runs, 1, elsewhere),
            fab_stream_fixed(100.0 * sum->inside / sum->runs, 0, inside));
}

void
fab_report_step_left_out(const GPtrArray *left, FILE *out)
{
    fprintf(out, "# each table predicted with constants fitted to the other tables of its stack and GPU generation: "
            "shares of the peaks\n# and of the memory's rate, launches; alone: no other table has "
            "runs of the kind, none is counted in the errors\n# machine %%: without any table of its "
            "machine, with what is taken for any software where none is left; inside %%: of these\n");
    fprintf(out, "# %-44s %5s %6s %9s %9s %11s %8s\n", "set", "runs", "alone", "shipped %", "left %", "machine %",
            "inside %");
    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        FabStepLeftOut sum = sum_left_out(left, sets[i].pattern);
        if (sum.runs > 0)
            print_left_out(out, sets[i].name, &sum);
    }
    fprintf(out, "# %-44s %5s %6s %9s %9s %11s %8s\n", "table", "runs", "alone", "shipped %", "left %", "machine %",
            "inside %");
    for (guint i = 0; i < left->len; i++)
        print_left_out(out, ((const FabStepLeftOut *)left->pdata[i])->id, left->pdata[i]);
}

/* ------------------------------------------------------------------ JSON */

static void
write_member(FILE *out, const char *name, double value, const char *end)
{
    Number text;

    fprintf(out, "\"%s\": %s%s", name, isfinite(value) ? fab_stream_number(value, text) : "null", end);
}

static void
write_set(const FabStepValidation *validation, const char *name, const char *pattern, bool first, FILE *out)
{
    FabStepErrors errors = fab_step_errors(validation, pattern);

    if (errors.rows == 0)
        return;
    fprintf(out, "%s    { \"set\": ", first ? "" : ",\n");
    fab_stream_json_text(out, name);
    fprintf(out, ", \"runs\": %u, ", errors.rows);
    write_member(out, "mean", errors.mean, ", ");
    write_member(out, "bias", errors.bias, ", ");
    write_member(out, "worst", errors.worst, ", ");
    write_member(out, "inside", (double)errors.inside / errors.rows, ", ");
    write_member(out, "width", errors.width, " }");
}

static void
write_step_row(const FabStepRow *row, FILE *out)
{
    fprintf(out, "        { \"row\": %u, \"metric\": ", row->row);
    fab_stream_json_text(out, row->metric);
    fputs(", \"unit\": ", out);
    fab_stream_json_text(out, row->unit);
    fputs(", ", out);
    write_member(out, "measured", row->measured, ", ");
    write_member(out, "predicted", row->predicted, ", ");
    write_member(out, "low", row->low, ", ");
    write_member(out, "high", row->high, ", ");
    fputs("\"not_stated\": ", out);
    if (row->open != NULL)
        fab_stream_json_text(out, row->open);
    else
        fputs("null", out);
    fprintf(out, ", \"scored\": %s, \"reason\": ", row->scored ? "true" : "false");
    if (row->reason != NULL)
        fab_stream_json_text(out, row->reason);
    else
        fputs("null", out);
    fputs(" }", out);
}

static void
write_pairs(const FabStepValidation *validation, FILE *out)
{
    g_autoptr(GArray) pairs = fab_step_pairs(validation);

    fputs("  \"direct_links\": [\n", out);
    for (guint i = 0; i < pairs->len; i++) {
        const FabStepPair *pair = &g_array_index(pairs, FabStepPair, i);
        fputs("    { \"id\": ", out);
        fab_stream_json_text(out, pair->id);
        fprintf(out, ", \"with\": %u, \"without\": %u, ", pair->with, pair->without);
        write_member(out, "measured", pair->measured, ", ");
        write_member(out, "predicted", pair->predicted, ", ");
        write_member(out, "low", pair->low, ", ");
        write_member(out, "high", pair->high, i + 1 < pairs->len ? " },\n" : " }\n");
    }
    fputs("  ],\n", out);
}

static void
write_left_out(const GPtrArray *left, FILE *out)
{
    fputs("  \"left_out\": [\n", out);
    for (guint i = 0; i < left->len; i++) {
        const FabStepLeftOut *one = left->pdata[i];
        double fitted = (double)one->runs - one->alone;
        fputs("    { \"id\": ", out);
        fab_stream_json_text(out, one->id);
        fprintf(out, ", \"runs\": %u, \"alone\": %u, ", one->runs, one->alone);
        write_member(out, "shipped", one->shipped / fitted, ", ");
        write_member(out, "left_out", one->left / fitted, ", ");
        write_member(out, "machine_left_out", one->elsewhere / one->runs, ", ");
        write_member(out, "machine_inside", (double)one->inside / one->runs, i + 1 < left->len ? " },\n" : " }\n");
    }
    fputs("  ],\n", out);
}

void
fab_report_step_validation_json(const FabStepValidation *validation, const GPtrArray *left, FILE *out)
{
    guint jobs;
    double ranking = fab_step_ranking(validation, NULL, &jobs);

    fputs("{\n  \"schema\": \"fabricast-training-validation\",\n  \"schema_version\": 1,\n  ", out);
    write_member(out, "spearman", ranking, ",\n");
    fprintf(out, "  \"jobs\": %u,\n  \"sets\": [\n", jobs);
    write_set(validation, "all", NULL, true, out);
    for (size_t i = 0; i + 1 < G_N_ELEMENTS(sets); i++)
        write_set(validation, sets[i].name, sets[i].pattern, false, out);
    fputs("\n  ],\n", out);
    write_pairs(validation, out);
    if (left != NULL)
        write_left_out(left, out);
    fputs("  \"cases\": [\n", out);
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        fputs("    { \"id\": ", out);
        fab_stream_json_text(out, one->id);
        fprintf(out, ", \"grade\": \"%c\", \"rows\": [\n", one->grade);
        for (guint r = 0; r < one->rows->len; r++) {
            write_step_row(&g_array_index(one->rows, FabStepRow, r), out);
            fputs(r + 1 < one->rows->len ? ",\n" : "\n", out);
        }
        fputs(i + 1 < validation->cases->len ? "      ] },\n" : "      ] }\n", out);
    }
    fputs("  ]\n}\n", out);
}
