#include "validate/cluster-table.h"

#include <math.h>
#include <string.h>

static bool
is_same_table(const FabValidationCase *a, const FabValidationCase *b)
{
    return strcmp(a->machine, b->machine) == 0 && strcmp(a->topology, b->topology) == 0 && a->ranks == b->ranks &&
           a->cluster.nodes == b->cluster.nodes && strcmp(a->collective, b->collective) == 0 &&
           strcmp(a->cluster.forced, b->cluster.forced) == 0;
}

static const FabValidationRow *
row_at(const FabValidationCase *one, guint place)
{
    return &g_array_index(one->rows, FabValidationRow, place);
}

double
fab_cluster_best_us(const FabValidation *validation, const FabValidationCase *one, uint64_t size)
{
    double best = INFINITY;

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *other = validation->cases->pdata[i];
        if (!other->scored || !is_same_table(one, other))
            continue;
        for (guint k = 0; k < other->rows->len; k++)
            best = row_at(other, k)->size_bytes == size ? fmin(best, row_at(other, k)->measured_us) : best;
    }
    return best;
}

/* ------------------------------------------------------------------ one table */

static FabErrorSummary
summary_of(const GArray *samples)
{
    return fab_error_summary((const FabErrorSample *)(const void *)samples->data, samples->len);
}

static void
add_sample(GArray *samples, double error, guint group)
{
    FabErrorSample sample = { error, group };

    if (isfinite(error))
        g_array_append_val(samples, sample);
}

/* Errors against the measurements themselves, and against the fastest of each size. */
static void
sum_up(const FabValidation *validation, FabClusterTable *table)
{
    g_autoptr(GArray) best = g_array_new(FALSE, FALSE, sizeof(FabErrorSample));

    for (int b = 0; b < FAB_BANDS; b++) {
        g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(FabErrorSample));
        for (guint i = 0; i < validation->cases->len; i++) {
            const FabValidationCase *one = validation->cases->pdata[i];
            for (guint k = 0; k < one->rows->len && one->scored && is_same_table(table->first, one); k++) {
                const FabValidationRow *row = row_at(one, k);
                if (fab_band_of(row->size_bytes) == (FabBand)b)
                    add_sample(samples, fab_validation_error(row, FAB_PREDICTOR_ENGINE), i);
                if (b == FAB_BAND_LARGE && row->size_bytes >= FAB_BEST_FROM && table->first->cluster.shared)
                    add_sample(best, row->predicted_us[FAB_PREDICTOR_ENGINE] /
                                         fab_cluster_best_us(validation, one, row->size_bytes) - 1, i);
            }
        }
        table->summary[b] = summary_of(samples);
    }
    table->best = summary_of(best);
}

static void
count_repeats(const FabValidation *validation, FabClusterTable *table)
{
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        if (!one->scored || !is_same_table(table->first, one))
            continue;
        table->cases++;
        for (guint k = 0; k < one->rows->len; k++) {
            gint64 size = (gint64)row_at(one, k)->size_bytes;
            guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, &size)) + 1;
            g_hash_table_insert(counts, g_memdup2(&size, sizeof size), GUINT_TO_POINTER(count));
            table->repeats = MAX(table->repeats, count);
        }
    }
}

/* ------------------------------------------------------------------ all tables */

static int
compare_tables(const void *a, const void *b)
{
    const FabValidationCase *x = (*(FabClusterTable *const *)a)->first, *y = (*(FabClusterTable *const *)b)->first;
    const int64_t orders[] = { (int64_t)x->cluster.shared - y->cluster.shared, strcmp(x->machine, y->machine),
                               (int64_t)x->cluster.nodes - y->cluster.nodes, (int64_t)x->ranks - y->ranks,
                               strcmp(x->collective, y->collective), strcmp(x->cluster.forced, y->cluster.forced),
                               strcmp(x->topology, y->topology) };

    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        if (orders[i] != 0)
            return orders[i] < 0 ? -1 : 1;
    }
    return 0;
}

GPtrArray *
fab_cluster_tables(const FabValidation *validation)
{
    GPtrArray *tables = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        FabClusterTable *table;
        bool known = !one->scored || one->cluster.nodes == 0;
        for (guint k = 0; k < tables->len && !known; k++)
            known = is_same_table(((FabClusterTable *)tables->pdata[k])->first, one);
        if (known)
            continue;
        table = g_new0(FabClusterTable, 1);
        table->first = one;
        sum_up(validation, table);
        count_repeats(validation, table);
        g_ptr_array_add(tables, table);
    }
    if (tables->len > 0)
        qsort(tables->pdata, tables->len, sizeof *tables->pdata, compare_tables);
    return tables;
}

/* ------------------------------------------------------------------ bars */

void
fab_cluster_bars(const GPtrArray *tables, FabBarMean bars[FAB_BARS])
{
    bars[FAB_BAR_LARGE] = (FabBarMean) { .name = "networks of their own, from 8 MiB", .most = 0.08 };
    bars[FAB_BAR_MIDDLE] = (FabBarMean) { .name = "networks of their own, 64 KiB to 8 MiB", .most = 0.20 };
    bars[FAB_BAR_SHARED] = (FabBarMean) { .name = "shared networks, best of repeats from 32 MiB", .most = 0.15 };
    for (guint i = 0; i < tables->len; i++) {
        const FabClusterTable *table = tables->pdata[i];
        const FabErrorSummary *summaries[FAB_BARS] = { &table->summary[FAB_BAND_LARGE],
                                                       &table->summary[FAB_BAND_MIDDLE], &table->best };
        for (int b = 0; b < FAB_BARS; b++) {
            if (table->first->cluster.shared != (b == FAB_BAR_SHARED) || summaries[b]->rows == 0)
                continue;
            bars[b].tables++;
            bars[b].within += summaries[b]->mean <= bars[b].most;
            bars[b].mean += summaries[b]->mean;
        }
    }
    for (int b = 0; b < FAB_BARS; b++)
        bars[b].mean /= MAX(bars[b].tables, 1);
}
