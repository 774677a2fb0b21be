#include "predict/interval.h"

#include <math.h>

#include "base/units.h"

const FabIntervals *
fab_intervals_of(const FabKind *kind)
{
    return fab_connection_is_network(kind->connection) ? fab_intervals_networks() : fab_intervals_shipped();
}

FabInterval
fab_interval_guess(const FabIntervals *intervals, FabBand band)
{
    FabInterval widest = { intervals->transferred[band].low, intervals->transferred[band].high, 0 };

    for (int c = 0; c < FAB_CONNECTIONS; c++) {
        for (int f = 0; f < FAB_FAMILIES; f++) {
            const FabInterval *one = &intervals->known[c][f][band];
            widest.low = one->machines > 0 ? MIN(widest.low, one->low) : widest.low;
            widest.high = one->machines > 0 ? MAX(widest.high, one->high) : widest.high;
        }
    }
    return widest;
}

FabInterval
fab_interval_of(const FabIntervals *intervals, const FabKind *kind, FabBand band)
{
    FabInterval known = intervals->known[kind->connection][kind->family][band];

    if (known.machines > 0 && intervals->machines[kind->connection][kind->generation] > 0)
        return known;
    return fab_interval_guess(intervals, band);
}

/* What the rows' intervals rest on; `known`: all of them on machines of their kind. */
static char *
sentence_of(const FabIntervals *intervals, const FabKind *kind, bool known)
{
    const FabConstants *constants = fab_constants_shipped();
    const char *connection = fab_connection_names[kind->connection];
    const char *generation = constants->kernel[kind->generation].generation;
    const char *machine = fab_connection_is_network(kind->connection) ? "cluster" : "machine";
    uint32_t alike = intervals->machines[kind->connection][kind->generation], all = 0;

    for (int g = 0; g < FAB_GENERATIONS; g++)
        all += intervals->machines[kind->connection][g];
    if (known)
        return g_strdup_printf("90 %% of what %u %s%s with %s (%u of them %s) measured lies this far from the "
                               "prediction", all, machine, fab_plural(all), connection, alike, generation);
    if (alike > 0)
        return g_strdup_printf("some of these kernels were never measured on %s GPUs over %s: their interval is the "
                               "widest of all kinds, a guess", generation, connection);
    return g_strdup_printf("no %s of this kind was ever measured (%s GPUs over %s): the interval is the widest of "
                           "all kinds, a guess", machine, generation, connection);
}

void
fab_interval_apply(const FabIntervals *intervals, FabResult *result)
{
    FabKind kind;
    bool any = false, known = true;

    for (guint i = 0; i < result->rows->len; i++) {
        FabResultRow *row = result->rows->pdata[i];
        FabInterval interval;
        if (row->kind == NULL || !fab_kind_parse(row->kind, &kind))
            continue;
        interval = fab_interval_of(intervals, &kind, fab_band_of(row->size_bytes));
        row->low_ps = (int64_t)llround((double)row->time_ps * exp(interval.low));
        row->high_ps = (int64_t)llround((double)row->time_ps * exp(interval.high));
        known = known && interval.machines > 0;
        any = true;
    }
    result->guessed = !known;
    g_free(result->interval);
    result->interval = any ? sentence_of(intervals, &kind, known)
                           : g_strdup("there is no interval: a GPU alone was never measured");
}

const FabOverlayInterval *
fab_interval_of_overlay(const FabOverlay *overlay, const FabKind *kind)
{
    for (guint i = 0; i < overlay->intervals->len; i++) {
        const FabOverlayInterval *one = &g_array_index(overlay->intervals, FabOverlayInterval, i);
        if (one->kind.connection == kind->connection && one->kind.family == kind->family &&
            one->kind.generation == kind->generation)
            return one;
    }
    return NULL;
}

void
fab_interval_apply_overlay(const FabOverlay *overlay, FabResult *result)
{
    guint own = 0;
    int64_t cases = 0;
    FabKind kind;

    for (guint i = 0; i < result->rows->len; i++) {
        FabResultRow *row = result->rows->pdata[i];
        bool known = row->kind != NULL && fab_kind_parse(row->kind, &kind);
        const FabOverlayInterval *interval = known ? fab_interval_of_overlay(overlay, &kind) : NULL;
        FabBand band = fab_band_of(row->size_bytes);
        if (interval == NULL)
            continue;
        row->low_ps = (int64_t)llround((double)row->time_ps * (1 + interval->low[band]));
        row->high_ps = (int64_t)llround((double)row->time_ps * (1 + interval->high[band]));
        cases = MAX(cases, interval->cases);
        own++;
    }
    if (own == 0)
        return;
    g_free(result->interval);
    result->interval =
        g_strdup_printf("90 %% of what the calibration saw, %d table%s, lies this far from the prediction%s",
                        (int)cases, fab_plural(cases),
                        own < result->rows->len ? "; sizes with other kernels: of all such machines" : "");
}
