#include "study/sweep.h"

#include <string.h>

#include "base/error.h"
#include "study/crew.h"

/* How long a look at the threads may take. */
enum { PATIENCE_US = 1000000 };

struct FabSweepQueue {
    const FabSweepSpec *spec;
    bool *done;
    uint64_t next, before, written;
    gint64 start_us;
};

/* ------------------------------------------------------------------ which points, and where they go */

FabSweepQueue *
fab_sweep_queue_new(const FabSweepSpec *spec, FabStore *store, GError **error)
{
    g_autoptr(FabSweepQueue) queue = g_new0(FabSweepQueue, 1);

    queue->spec = spec;
    queue->done = g_new0(bool, spec->sweep->points);
    queue->start_us = g_get_monotonic_time();
    return fab_store_done(store, queue->done, spec->sweep->points, &queue->before, error) ? g_steal_pointer(&queue)
                                                                                        : NULL;
}

void
fab_sweep_queue_free(FabSweepQueue *queue)
{
    if (queue == NULL)
        return;
    g_free(queue->done);
    g_free(queue);
}

static bool
is_ours(const FabSweepSpec *spec, uint64_t point)
{
    return spec->parts == 0 || point % spec->parts == spec->part - 1;
}

bool
fab_sweep_queue_next(FabSweepQueue *queue, uint64_t *point)
{
    const FabSweepSpec *spec = queue->spec;

    while (queue->next < spec->sweep->points && (queue->done[queue->next] || !is_ours(spec, queue->next)))
        queue->next++;
    if (queue->next >= spec->sweep->points)
        return false;
    *point = queue->next++;
    return true;
}

/* A point that its scenario does not allow is a finding; a file that is missing, or a machine that failed, is not. */
bool
fab_sweep_queue_write(FabSweepQueue *queue, FabStore *store, FabFound *found, GError **error)
{
    if (found->error != NULL && !g_error_matches(found->error, FAB_ERROR, FAB_ERROR_VALUE)) {
        g_propagate_error(error, g_steal_pointer(&found->error));
        return false;
    }
    if (!fab_store_add(store, found->point, found->rows, found->error != NULL ? found->error->message : NULL, error))
        return false;
    queue->written++;
    return true;
}

uint64_t
fab_sweep_queue_written(const FabSweepQueue *queue)
{
    return queue->written;
}

void
fab_sweep_queue_report(const FabSweepQueue *queue, FabProgress progress, void *user)
{
    double seconds = (double)(g_get_monotonic_time() - queue->start_us) * 1e-6;
    double points = (double)MAX(queue->spec->sweep->points, 1);
    char what[64], rate[G_ASCII_DTOSTR_BUF_SIZE];

    if (progress == NULL)
        return;
    g_ascii_formatd(rate, sizeof rate, "%.3g", seconds > 0 ? (double)queue->written / seconds : 0);
    g_snprintf(what, sizeof what, "points, %s a second", rate);
    progress((double)(queue->before + queue->written) / points, what, user);
}

/* ------------------------------------------------------------------ one process */

bool
fab_sweep_run(const FabSweepSpec *spec, FabStore *store, uint64_t *found_points, FabProgress progress, void *user,
              GError **error)
{
    g_autoptr(FabSweepQueue) queue = fab_sweep_queue_new(spec, store, error);
    g_autoptr(FabCrew) crew = queue != NULL ? fab_crew_new(spec) : NULL;
    uint64_t point, running = 0;

    if (crew == NULL)
        return false;
    do {
        g_autoptr(FabFound) found = NULL;
        for (; running < fab_crew_appetite(crew) && fab_sweep_queue_next(queue, &point); running++)
            fab_crew_give(crew, point);
        found = running > 0 ? fab_crew_take(crew, PATIENCE_US) : NULL;
        if (found != NULL && !fab_sweep_queue_write(queue, store, found, error))
            return false;
        running -= found != NULL;
        fab_sweep_queue_report(queue, progress, user);
    } while (running > 0);
    *found_points = queue->written;
    return true;
}

/* ------------------------------------------------------------------ Pareto front */

double
fab_sweep_cost(const FabStoreRow *row)
{
    return (row->currency != NULL ? row->cost : row->seconds * row->gpus) / row->work;
}

static double
unit_time(const FabStoreRow *row)
{
    return row->seconds / row->work;
}

typedef struct {
    const FabStoreRow *row;
    guint place;
} Candidate;

/* By size, then time, then cost, then place. */
static int
compare_candidates(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    double time = unit_time(x->row) - unit_time(y->row), cost = fab_sweep_cost(x->row) - fab_sweep_cost(y->row);

    if (x->row->size_bytes != y->row->size_bytes)
        return x->row->size_bytes < y->row->size_bytes ? -1 : 1;
    if (time != 0)
        return time < 0 ? -1 : 1;
    if (cost != 0)
        return cost < 0 ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

void
fab_sweep_front(GPtrArray *rows, bool *front)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    const FabStoreRow *best = NULL; /* the cheapest so far of the size */

    memset(front, 0, rows->len * sizeof *front);
    for (guint i = 0; i < rows->len; i++) {
        Candidate one = { rows->pdata[i], i };
        if (one.row->fits && one.row->work > 0 && one.row->seconds > 0)
            g_array_append_val(candidates, one);
    }
    g_array_sort(candidates, compare_candidates);
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *one = &g_array_index(candidates, Candidate, i);
        bool first = best == NULL || best->size_bytes != one->row->size_bytes;
        bool cheaper = first || fab_sweep_cost(one->row) < fab_sweep_cost(best);
        bool equal = !cheaper && unit_time(one->row) == unit_time(best) &&
                     fab_sweep_cost(one->row) == fab_sweep_cost(best);
        front[one->place] = cheaper || equal;
        if (cheaper)
            best = one->row;
    }
}
