#include "study/sweep-found.h"

#include "base/error.h"

void
fab_sweep_found_free(FabSweepFound *found)
{
    if (found == NULL)
        return;
    g_clear_pointer(&found->rows, g_ptr_array_unref);
    g_free(found->front);
    g_free(found->reason);
    g_free(found);
}

/* One currency, or none: costs of two cannot be put in order. */
static bool
check_currency(GPtrArray *rows, GError **error)
{
    for (guint i = 1; i < rows->len; i++) {
        const FabStoreRow *first = rows->pdata[0], *row = rows->pdata[i];
        if (g_strcmp0(first->currency, row->currency) == 0)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "the points have prices in %s and in %s, must be one currency",
                    first->currency != NULL ? first->currency : "none", row->currency != NULL ? row->currency : "none");
        return false;
    }
    return true;
}

/* A store has the points of this sweep: where a number is above them, somebody else wrote it. */
static bool
check_numbers(const FabSweep *sweep, GPtrArray *rows, const char *path, GError **error)
{
    for (guint i = 0; i < rows->len; i++) {
        const FabStoreRow *row = rows->pdata[i];
        if (row->point < sweep->points)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is damaged: it has a point %" G_GUINT64_FORMAT ", the sweep "
                    "has %" G_GUINT64_FORMAT "; name another store", path, row->point, sweep->points);
        return false;
    }
    return true;
}

FabSweepFound *
fab_sweep_found_new(const FabSweep *sweep, FabStore *store, const char *path, GError **error)
{
    g_autoptr(FabSweepFound) found = g_new0(FabSweepFound, 1);
    g_autofree bool *done = g_new0(bool, sweep->points);

    found->sweep = sweep;
    found->rows = fab_store_rows(store, error);
    if (found->rows == NULL || !check_numbers(sweep, found->rows, path, error) ||
        !fab_store_done(store, done, sweep->points, &found->done, error) ||
        !fab_store_refused(store, &found->refused, &found->reason, error) || !check_currency(found->rows, error))
        return NULL;
    if (found->rows->len == 0 && found->refused > 0 && found->done == sweep->points) { /* a share may have none */
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "no point of the sweep is possible: %s", found->reason);
        return NULL;
    }
    found->front = g_new0(bool, found->rows->len + 1);
    fab_sweep_front(found->rows, found->front);
    return g_steal_pointer(&found);
}
