/* Intervals of a validation: how many measurements lie inside, and the table that ships with the program. */
#include "report/validate.h"

#include <math.h>

#include "base/units.h"
#include "report/stream.h"

static void
write_coverage(const char *title, const FabCoverage *coverage, bool clusters, FILE *out)
{
    char rows[G_ASCII_DTOSTR_BUF_SIZE], machines[G_ASCII_DTOSTR_BUF_SIZE];

    if (coverage->rows == 0)
        return;
    fprintf(out, "#   %-28s %5u of %5u rows (%s %%); mean of %u %s%s: %s %%\n", title, coverage->inside,
            coverage->rows, fab_stream_fixed(100.0 * coverage->inside / coverage->rows, 1, rows), coverage->machines,
            clusters ? "cluster" : "machine", fab_plural(coverage->machines),
            fab_stream_fixed(100 * coverage->by_machine, 1, machines));
}

void
fab_report_coverage(const FabValidation *validation, FILE *out)
{
    FabCoverage coverage[FAB_COVERAGES];

    fab_intervals_coverage(validation, coverage);
    for (int b = 0; b < FAB_COVERAGES; b++)
        write_coverage(fab_coverage_name(validation, b), &coverage[b], validation->clusters, out);
}

/* ------------------------------------------------------------------ as source */

static const char *const connection_names[] = { "SWITCH",  "MESH",           "BRIDGE",       "PEER", "STAGED",
                                                "NETWORK", "SHARED_NETWORK", "OTHER_NETWORK" };
static const char *const family_names[] = { "RING", "IN_SWITCH", "COPY" };

static void
write_bands(const FabInterval *intervals, FILE *out)
{
    char low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];

    for (int b = 0; b < FAB_BANDS; b++) {
        const FabInterval *interval = &intervals[b];
        fprintf(out, "%s { %s, %s, %u }", b > 0 ? "," : "", fab_stream_fixed(interval->low, 3, low),
                fab_stream_fixed(interval->high, 3, high), interval->machines);
    }
    fputs("\n    },\n", out);
}

static void
write_class(const FabIntervals *intervals, int connection, int family, FILE *out)
{
    fprintf(out, "    .known[FAB_CONNECTION_%s][FAB_FAMILY_%s] = {\n       ", connection_names[connection],
            family_names[family]);
    write_bands(intervals->known[connection][family], out);
}

static bool
is_measured(const FabIntervals *intervals, int connection, int family)
{
    for (int b = 0; b < FAB_BANDS; b++) {
        if (intervals->known[connection][family][b].machines > 0)
            return true;
    }
    return false;
}

bool
fab_report_interval_table(const FabIntervals *intervals, bool networks, FILE *out, GError **error)
{
    fprintf(out, "/*\n * How far predictions were off%s, from the open set of measurements; made by\n"
            " * `fabricast validate%s --leave-one-out --interval-table`, do not edit. Each is 5 %% and 95 %% of\n"
            " * ln(measured / predicted) and the number of %s, below 64 KiB, to 8 MiB, from 8 MiB.\n */\n"
            "#include \"predict/interval.h\"\n\nstatic const FabIntervals shipped = {\n",
            networks ? " over several nodes" : "", networks ? " --clusters" : "", networks ? "clusters" : "machines");
    for (int c = 0; c < FAB_CONNECTIONS; c++) {
        for (int f = 0; f < FAB_FAMILIES; f++) {
            if (is_measured(intervals, c, f))
                write_class(intervals, c, f, out);
        }
    }
    fputs("    .transferred = {\n       ", out);
    write_bands(intervals->transferred, out);
    fputs("    /* By generation, oldest first. */\n", out);
    for (int c = 0; c < FAB_CONNECTIONS; c++) {
        if (networks != fab_connection_is_network((FabConnection)c))
            continue;
        fprintf(out, "    .machines[FAB_CONNECTION_%s] = {", connection_names[c]);
        for (int g = 0; g < FAB_GENERATIONS; g++)
            fprintf(out, "%s %u", g > 0 ? "," : "", intervals->machines[c][g]);
        fputs(" },\n", out);
    }
    fprintf(out, "};\n\nconst FabIntervals *\nfab_intervals_%s(void)\n{\n    return &shipped;\n}\n",
            networks ? "networks" : "shipped");
    return fab_stream_finish(out, error);
}
