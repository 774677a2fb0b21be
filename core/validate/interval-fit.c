#include "validate/interval-fit.h"

#include <math.h>
#include <string.h>

/*
 * Few machines say little about the next one, so a class leans on a larger one: its quantiles count as many times as
 * it has machines, those of the larger class BORROWED times. 4 is the smallest number with which nine of ten points of
 * held-back machines are inside, in every band (1, 2, 4 and 8 were tried).
 */
#define BORROWED 4.0

/* One scored row. */
typedef struct {
    const char *machine, *id;
    FabKind kind;
    FabBand band;
    bool transferred;
    double residual; /* ln(measured / predicted) */
    double weight;
} Point;

const char *
fab_validation_machine(const FabValidationCase *one)
{
    return *one->machine != '\0' ? one->machine : one->id;
}

/* ------------------------------------------------------------------ quantiles */

static int
compare_points(const void *a, const void *b)
{
    double x = ((const Point *)a)->residual, y = ((const Point *)b)->residual;

    return (x > y) - (x < y);
}

/* Of points sorted by residual: each stands in the middle of its weight, linear between two of them. */
static double
quantile(const GArray *points, double share)
{
    double total = 0, sum = 0, before = 0, place = 0;

    for (guint i = 0; i < points->len; i++)
        total += g_array_index(points, Point, i).weight;
    for (guint i = 0; i < points->len; i++) {
        const Point *point = &g_array_index(points, Point, i);
        double middle = (sum + point->weight / 2) / total;
        if (middle >= share && i == 0)
            return point->residual;
        if (middle >= share)
            return before + (point->residual - before) * (share - place) / (middle - place);
        sum += point->weight;
        before = point->residual;
        place = middle;
    }
    return before;
}

/* Every machine weighs the same, however many rows it has. The number of machines. */
static uint32_t
weigh(GArray *points)
{
    g_autoptr(GHashTable) rows = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < points->len; i++) {
        const char *machine = g_array_index(points, Point, i).machine;
        gsize count = GPOINTER_TO_SIZE(g_hash_table_lookup(rows, machine));
        g_hash_table_insert(rows, (gpointer)machine, GSIZE_TO_POINTER(count + 1));
    }
    for (guint i = 0; i < points->len; i++) {
        Point *point = &g_array_index(points, Point, i);
        point->weight = 1.0 / (double)GPOINTER_TO_SIZE(g_hash_table_lookup(rows, point->machine));
    }
    return g_hash_table_size(rows);
}

/* A class of points, drawn towards a larger one (NULL: there is none). Sorts the points. */
static FabInterval
class_of(GArray *points, const FabInterval *larger)
{
    FabInterval interval = { 0, 0, weigh(points) };
    double share = larger != NULL ? interval.machines / (interval.machines + BORROWED) : 1;

    if (interval.machines == 0 && larger != NULL)
        return (FabInterval) { larger->low, larger->high, 0 };
    if (interval.machines == 0)
        return interval;
    g_array_sort(points, compare_points);
    interval.low = quantile(points, 0.05);
    interval.high = quantile(points, 0.95);
    if (larger == NULL)
        return interval;
    interval.low = share * interval.low + (1 - share) * larger->low;
    interval.high = share * interval.high + (1 - share) * larger->high;
    return interval;
}

/* ------------------------------------------------------------------ classes */

enum { ANY = -1, ANY_NVLINK = -2, ANY_PCIE = -3, TRANSFERRED = -4, ANY_NETWORK = -5 };

/* The larger class. Of several nodes there are too few to tell kernels apart: they are one class a connection. */
static int
wires_of(int connection)
{
    if (fab_connection_is_network((FabConnection)connection))
        return ANY_NETWORK;
    return connection <= FAB_CONNECTION_BRIDGE ? ANY_NVLINK : ANY_PCIE;
}

static bool
belongs(const Point *point, FabBand band, int connection, int family)
{
    if (point->band != band || point->transferred != (connection == TRANSFERRED) ||
        (family != ANY && (int)point->kind.family != family))
        return false;
    if (connection == ANY_NVLINK || connection == ANY_PCIE || connection == ANY_NETWORK)
        return wires_of((int)point->kind.connection) == connection;
    return connection == ANY || connection == TRANSFERRED || (int)point->kind.connection == connection;
}

static GArray *
select_points(const GArray *all, FabBand band, int connection, int family)
{
    GArray *some = g_array_new(FALSE, FALSE, sizeof(Point));

    for (guint i = 0; i < all->len; i++) {
        if (belongs(&g_array_index(all, Point, i), band, connection, family))
            g_array_append_val(some, g_array_index(all, Point, i));
    }
    return some;
}

/*
 * The next machine of a class of which n are known: a sample of n tells its quantiles no better than a prediction
 * interval of a normal sample of n does, which is t(n - 1) sqrt(1 + 1/n) standard deviations wide where the normal
 * one has z (Hahn, Meeker, Escobar: Statistical Intervals, chapter 4; t by its expansion in 1/n).
 */
static double
widening(double machines)
{
    const double z = 1.644854;
    double nu = machines - 1;
    double t = z + (pow(z, 3) + z) / 4 / nu + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / 96 / (nu * nu);

    return t / z * sqrt(1 + 1 / machines);
}

/* Both ends away from the middle; a prediction always lies in its own interval. */
static void
widen(FabInterval *interval)
{
    double middle = (interval->low + interval->high) / 2;
    double half = (interval->high - interval->low) / 2 * widening(interval->machines + BORROWED);

    interval->low = MIN(middle - half, 0);
    interval->high = MAX(middle + half, 0);
}

/* The machines that measured a class, also those whose rows are no judge of its kernels. */
static uint32_t
count_of(const GArray *points, FabBand band, int connection, int family)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < points->len; i++) {
        const Point *point = &g_array_index(points, Point, i);
        if (point->band == band && (int)point->kind.connection == connection && (int)point->kind.family == family)
            g_hash_table_add(names, (gpointer)point->machine);
    }
    return g_hash_table_size(names);
}

static void
fit_band(const GArray *points, FabBand band, FabIntervals *intervals)
{
    g_autoptr(GArray) all = select_points(points, band, ANY, ANY);
    g_autoptr(GArray) others = select_points(points, band, TRANSFERRED, ANY);
    FabInterval root = class_of(all, NULL);

    for (int c = 0; c < FAB_CONNECTIONS; c++) {
        g_autoptr(GArray) wires = select_points(points, band, wires_of(c), ANY);
        FabInterval larger = class_of(wires, &root);
        bool network = fab_connection_is_network((FabConnection)c);
        for (int f = 0; f < FAB_FAMILIES; f++) {
            g_autoptr(GArray) own = select_points(points, band, c, network ? ANY : f);
            FabInterval *interval = &intervals->known[c][f][band];
            *interval = class_of(own, &larger);
            widen(interval);
            interval->machines = count_of(points, band, c, f);
        }
    }
    intervals->transferred[band] = class_of(others, NULL);
    widen(&intervals->transferred[band]);
}

static void
count_machines(const GArray *points, FabIntervals *intervals)
{
    for (int c = 0; c < FAB_CONNECTIONS; c++) {
        for (int g = 0; g < FAB_GENERATIONS; g++) {
            g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
            for (guint i = 0; i < points->len; i++) {
                const Point *point = &g_array_index(points, Point, i);
                if ((int)point->kind.connection == c && point->kind.generation == g)
                    g_hash_table_add(names, (gpointer)point->machine);
            }
            intervals->machines[c][g] = g_hash_table_size(names);
        }
    }
}

static GArray *
collect_points(const FabValidation *validation, const char *without)
{
    GArray *points = g_array_new(FALSE, FALSE, sizeof(Point));

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        Point point = { .machine = fab_validation_machine(one), .id = one->id };
        if (!one->scored || g_strcmp0(point.machine, without) == 0)
            continue;
        for (guint k = 0; k < one->rows->len; k++) {
            const FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, k);
            point.band = fab_band_of(row->size_bytes);
            point.transferred = row->transferred;
            point.residual = log(row->measured_us / row->predicted_us[FAB_PREDICTOR_ENGINE]);
            if (row->kind != NULL && fab_kind_parse(row->kind, &point.kind) && isfinite(point.residual))
                g_array_append_val(points, point);
        }
    }
    return points;
}

void
fab_intervals_fit(const FabValidation *validation, const char *without, FabIntervals *intervals)
{
    g_autoptr(GArray) points = collect_points(validation, without);

    memset(intervals, 0, sizeof *intervals);
    for (int b = 0; b < FAB_BANDS; b++)
        fit_band(points, (FabBand)b, intervals);
    count_machines(points, intervals);
}

/* ------------------------------------------------------------------ calibrated machines */

/* Points of one kind and band, whose tables count as machines do elsewhere. */
static GArray *
points_of_kind(const GArray *all, const FabKind *kind, FabBand band)
{
    GArray *some = g_array_new(FALSE, FALSE, sizeof(Point));

    for (guint i = 0; i < all->len; i++) {
        Point point = g_array_index(all, Point, i);
        point.machine = point.id;
        if (point.band == band && point.kind.connection == kind->connection && point.kind.family == kind->family &&
            point.kind.generation == kind->generation)
            g_array_append_val(some, point);
    }
    return some;
}

static FabOverlayInterval
calibrated_kind(const GArray *points, const FabKind *kind)
{
    FabOverlayInterval result = { .kind = *kind };

    for (int b = 0; b < FAB_BANDS; b++) {
        g_autoptr(GArray) own = points_of_kind(points, kind, (FabBand)b);
        FabInterval shipped = fab_interval_of(fab_intervals_of(kind), kind, (FabBand)b);
        FabInterval interval = class_of(own, NULL);
        double share = interval.machines / (interval.machines + BORROWED);
        widen(&interval); /* the shipped one has been already */
        result.low[b] = exp(share * interval.low + (1 - share) * shipped.low) - 1;
        result.high[b] = exp(share * interval.high + (1 - share) * shipped.high) - 1;
        result.cases = MAX(result.cases, interval.machines);
    }
    return result;
}

GArray *
fab_intervals_calibrated(const FabValidation *validation)
{
    g_autoptr(GArray) points = collect_points(validation, NULL);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GArray *intervals = g_array_new(FALSE, FALSE, sizeof(FabOverlayInterval));

    for (guint i = 0; i < points->len; i++) {
        const FabKind *kind = &g_array_index(points, Point, i).kind;
        FabOverlayInterval interval;
        if (!g_hash_table_add(seen, fab_kind_format(kind)))
            continue;
        interval = calibrated_kind(points, kind);
        g_array_append_val(intervals, interval);
    }
    return intervals;
}

void
fab_intervals_apply_overlay(FabValidation *validation, const FabOverlay *overlay)
{
    for (guint i = 0; i < validation->cases->len; i++) {
        FabValidationCase *one = validation->cases->pdata[i];
        for (guint k = 0; k < one->rows->len; k++) {
            FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, k);
            const FabOverlayInterval *interval = NULL;
            FabBand band = fab_band_of(row->size_bytes);
            FabKind kind;
            if (row->kind != NULL && fab_kind_parse(row->kind, &kind))
                interval = fab_interval_of_overlay(overlay, &kind);
            if (interval == NULL)
                continue;
            row->low_us = row->predicted_us[FAB_PREDICTOR_ENGINE] * (1 + interval->low[band]);
            row->high_us = row->predicted_us[FAB_PREDICTOR_ENGINE] * (1 + interval->high[band]);
        }
    }
}

/* ------------------------------------------------------------------ do they hold? */

static void
set_intervals(FabValidationCase *one, const FabIntervals *intervals)
{
    for (guint k = 0; k < one->rows->len; k++) {
        FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, k);
        FabInterval interval;
        FabKind kind;
        if (row->kind == NULL || !fab_kind_parse(row->kind, &kind))
            continue;
        interval = row->transferred ? fab_interval_guess(intervals, fab_band_of(row->size_bytes))
                                    : fab_interval_of(intervals, &kind, fab_band_of(row->size_bytes));
        row->low_us = row->predicted_us[FAB_PREDICTOR_ENGINE] * exp(interval.low);
        row->high_us = row->predicted_us[FAB_PREDICTOR_ENGINE] * exp(interval.high);
    }
}

void
fab_intervals_hold_back(FabValidation *validation)
{
    g_autoptr(GHashTable) tables = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

    for (guint i = 0; i < validation->cases->len; i++) {
        FabValidationCase *one = validation->cases->pdata[i];
        const char *machine = fab_validation_machine(one);
        FabIntervals *intervals = g_hash_table_lookup(tables, machine);
        if (!one->scored)
            continue;
        if (intervals == NULL) {
            intervals = g_new(FabIntervals, 1);
            fab_intervals_fit(validation, machine, intervals);
            g_hash_table_insert(tables, (gpointer)machine, intervals);
        }
        set_intervals(one, intervals);
    }
}

/* Rows of one machine in one band: how many, and how many inside. */
typedef struct {
    guint rows[FAB_COVERAGES], inside[FAB_COVERAGES];
} Tally;

const char *const fab_coverage_names[FAB_COVERAGES] = { "below 64 KiB", "64 KiB to 8 MiB", "from 8 MiB", "all sizes",
                                                        "another generation's kernels" };

const char *
fab_coverage_name(const FabValidation *validation, int coverage)
{
    return validation->clusters && coverage == FAB_COVERAGE_TRANSFERRED ? "another network's constants"
                                                                       : fab_coverage_names[coverage];
}

static void
count_case(const FabValidationCase *one, Tally *tally)
{
    for (guint k = 0; k < one->rows->len; k++) {
        const FabValidationRow *row = &g_array_index(one->rows, FabValidationRow, k);
        bool inside = row->measured_us >= row->low_us && row->measured_us <= row->high_us;
        int first = row->transferred ? FAB_COVERAGE_TRANSFERRED : (int)fab_band_of(row->size_bytes);
        int last = row->transferred ? FAB_COVERAGE_TRANSFERRED : FAB_COVERAGE_ALL;
        if (!isfinite(row->low_us) || !isfinite(row->high_us))
            continue;
        tally->rows[first]++;
        tally->inside[first] += inside;
        tally->rows[last] += last != first;
        tally->inside[last] += last != first && inside;
    }
}

static void
add_tally(const Tally *tally, FabCoverage *coverage)
{
    for (int b = 0; b < FAB_COVERAGES; b++) {
        if (tally->rows[b] == 0)
            continue;
        coverage[b].rows += tally->rows[b];
        coverage[b].inside += tally->inside[b];
        coverage[b].machines++;
        coverage[b].by_machine += (double)tally->inside[b] / tally->rows[b];
    }
}

void
fab_intervals_coverage(const FabValidation *validation, FabCoverage coverage[FAB_COVERAGES])
{
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GArray) tallies = g_array_new(FALSE, TRUE, sizeof(Tally));

    memset(coverage, 0, FAB_COVERAGES * sizeof *coverage);
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabValidationCase *one = validation->cases->pdata[i];
        const char *machine = fab_validation_machine(one);
        gsize place = GPOINTER_TO_SIZE(g_hash_table_lookup(places, machine));
        if (!one->scored)
            continue;
        if (place == 0) {
            g_array_set_size(tallies, tallies->len + 1);
            place = tallies->len;
            g_hash_table_insert(places, (gpointer)machine, GSIZE_TO_POINTER(place));
        }
        count_case(one, &g_array_index(tallies, Tally, place - 1));
    }
    for (guint i = 0; i < tallies->len; i++)
        add_tally(&g_array_index(tallies, Tally, i), coverage);
    for (int b = 0; b < FAB_COVERAGES; b++)
        coverage[b].by_machine /= MAX(coverage[b].machines, 1);
}
