/* What a validation of tables over several nodes adds to those of single machines: tables by cluster, and the bars. */
#include "report/validate.h"

#include <math.h>
#include <string.h>

#include "report/stream.h"
#include "validate/cluster-table.h"
#include "validate/resolve.h"

/* "2 x dgx-a100", "3 racks of gb200-nvl72". Owned by the caller. */
static char *
nodes_of(const FabValidationCase *one)
{
    return one->cluster.racks ? g_strdup_printf("%u racks %s", one->cluster.nodes, one->topology)
                              : g_strdup_printf("%u x %s", one->cluster.nodes, one->topology);
}

/* "all_reduce, ring forced". Owned by the caller. */
static char *
call_of(const FabValidationCase *one)
{
    return *one->cluster.forced == '\0' ? g_strdup(one->collective)
                                        : g_strdup_printf("%s, %s forced", one->collective, one->cluster.forced);
}

/* "12.3 (-4.5)" in a field of 16; "-" where there are no rows. */
static void
write_error(const FabErrorSummary *summary, FILE *out)
{
    char mean[G_ASCII_DTOSTR_BUF_SIZE], bias[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *text = NULL;

    if (summary->rows > 0)
        text = g_strdup_printf("%s (%s%s)", fab_stream_fixed(100 * summary->mean, 1, mean),
                               summary->bias >= 0 ? "+" : "", fab_stream_fixed(100 * summary->bias, 1, bias));
    fprintf(out, " %16s", text != NULL ? text : "-");
}

static void
write_tables(const GPtrArray *tables, bool shared, FILE *out)
{
    bool open = false;

    for (guint i = 0; i < tables->len; i++) {
        const FabClusterTable *table = tables->pdata[i];
        g_autofree char *nodes = nodes_of(table->first), *call = call_of(table->first);
        if (table->first->cluster.shared != shared)
            continue;
        if (!open)
            fprintf(out, "#\n# %-15s %-22s %5s %-24s %6s %16s %16s %16s%s\n",
                    shared ? "shared networks" : "own networks", "nodes", "ranks", "collective", "tables",
                    fab_band_names[0], fab_band_names[1], fab_band_names[2],
                    shared ? "  best of repeats from 32 MiB" : "");
        open = true;
        fprintf(out, "  %-15s %-22s %5u %-24s %6u", table->first->machine, nodes, table->first->ranks, call,
                table->cases);
        for (int b = 0; b < FAB_BANDS; b++)
            write_error(&table->summary[b], out);
        if (shared && table->best.rows > 0) {
            write_error(&table->best, out);
            fprintf(out, " of %u", table->repeats);
        }
        fputc('\n', out);
    }
}

static void
write_bars(const GPtrArray *tables, FILE *out)
{
    FabBarMean bars[FAB_BARS];
    char mean[G_ASCII_DTOSTR_BUF_SIZE];

    fab_cluster_bars(tables, bars);
    fprintf(out, "#\n# %-46s %6s %6s %6s %14s\n", "bar", "tables", "mean", "most", "within it");
    for (int b = 0; b < FAB_BARS; b++) {
        const FabBarMean *bar = &bars[b];
        if (bar->tables == 0)
            continue;
        fprintf(out, "  %-46s %6u %6s %6.0f %8u tables%s\n", bar->name, bar->tables,
                fab_stream_fixed(100 * bar->mean, 1, mean), 100 * bar->most, bar->within,
                bar->mean <= bar->most ? "" : "  MISSED");
    }
}

/* What was too large is named, each table. */
static void
write_skipped(const FabValidation *validation, FILE *out)
{
    bool first = true;

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        if (one->reason != fab_reason_ranks)
            continue;
        if (first)
            fprintf(out, "#\n# left out, tables of %s:\n", one->detail);
        first = false;
        fprintf(out, "#   %s, %u ranks\n", one->id, one->ranks);
    }
}

void
fab_report_clusters(const FabValidation *validation, FILE *out)
{
    g_autoptr(GPtrArray) tables = fab_cluster_tables(validation);

    write_skipped(validation, out);
    if (tables->len == 0)
        return;
    fputs("#\n# Mean error of the time in percent, bias in brackets. Where other jobs share the network a measurement\n"
          "# is a draw: from 32 MiB also against the fastest of the repeats, in place and out of place, of all runs.\n",
          out);
    write_tables(tables, false, out);
    write_tables(tables, true, out);
    write_bars(tables, out);
}

/* ------------------------------------------------------------------ CSV */

const char fab_report_cluster_columns[] = ",nodes,network,shared,forced,best_us";

void
fab_report_cluster_cells(const FabValidation *validation, const FabValidationCase *one,
                         const FabValidationRow *row, FILE *out)
{
    fprintf(out, ",%u,", one->cluster.nodes);
    fab_stream_csv_text(out, one->cluster.network);
    fprintf(out, ",%d,%s", one->cluster.shared, one->cluster.forced);
    fab_stream_csv_number(out, fab_cluster_best_us(validation, one, row->size_bytes));
}

/* ------------------------------------------------------------------ JSON */

static void
write_json_error(FILE *out, const char *name, const FabErrorSummary *summary)
{
    fprintf(out, ",\n       \"%s\": ", name);
    if (summary->rows == 0) {
        fputs("null", out);
        return;
    }
    fprintf(out, "{\"rows\": %u, ", summary->rows);
    fab_stream_json_measure(out, "mean", summary->mean, ", ");
    fab_stream_json_measure(out, "bias", summary->bias, "}");
}

static void
write_json_table(FILE *out, const FabClusterTable *table)
{
    g_autofree char *nodes = nodes_of(table->first);

    fputs("{", out);
    fab_stream_json_member(out, "machine", table->first->machine, ", ");
    fab_stream_json_member(out, "nodes", nodes, ", ");
    fab_stream_json_member(out, "network", table->first->cluster.network, ", ");
    fab_stream_json_member(out, "collective", table->first->collective, ", ");
    fab_stream_json_member(out, "forced", table->first->cluster.forced, ", ");
    fprintf(out, "\"ranks\": %u, \"shared\": %s, \"tables\": %u, \"repeats\": %u", table->first->ranks,
            table->first->cluster.shared ? "true" : "false", table->cases, table->repeats);
    for (int b = 0; b < FAB_BANDS; b++)
        write_json_error(out, fab_band_names[b], &table->summary[b]);
    write_json_error(out, "best of repeats from 32 MiB", &table->best);
    fputs("}", out);
}

void
fab_report_clusters_json(const FabValidation *validation, FILE *out)
{
    g_autoptr(GPtrArray) tables = fab_cluster_tables(validation);
    FabBarMean bars[FAB_BARS];
    const char *separator = "";

    fab_cluster_bars(tables, bars);
    fputs("  \"clusters\": {\n    \"tables\": [", out);
    for (guint i = 0; i < tables->len; i++) {
        fputs(i > 0 ? ",\n      " : "\n      ", out);
        write_json_table(out, tables->pdata[i]);
    }
    fputs("],\n    \"bars\": [", out);
    for (int b = 0; b < FAB_BARS; b++) {
        if (bars[b].tables == 0)
            continue;
        fprintf(out, "%s\n      {", separator);
        separator = ",";
        fab_stream_json_member(out, "name", bars[b].name, ", ");
        fab_stream_json_measure(out, "mean", bars[b].mean, ", ");
        fab_stream_json_measure(out, "most", bars[b].most, ", ");
        fprintf(out, "\"tables\": %u, \"within\": %u}", bars[b].tables, bars[b].within);
    }
    fputs("],\n    \"left_out\": [", out);
    separator = "";
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        if (one->reason != fab_reason_ranks)
            continue;
        fprintf(out, "%s\n      {", separator);
        separator = ",";
        fab_stream_json_member(out, "id", one->id, ", ");
        fprintf(out, "\"ranks\": %u}", one->ranks);
    }
    fputs("]},\n", out);
}
