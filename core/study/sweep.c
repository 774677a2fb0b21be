#include "study/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "study/outcome.h"

/* What a worker hands to the thread that writes. */
typedef struct {
    uint64_t point;
    GPtrArray *rows; /* FabStoreRow; NULL: refused */
    GError *error;   /* why */
} Found;

typedef struct {
    const FabSweepSpec *spec;
    bool *done;
    GMutex lock;
    uint64_t next;      /* under the lock */
    bool stopped;       /* under the lock */
    GAsyncQueue *found; /* Found */
} Crew;

/* ------------------------------------------------------------------ one point */

static GPtrArray *
rows_of(const FabOutcome *outcome)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)fab_store_row_free);

    for (guint i = 0; i < outcome->rows->len; i++) {
        const FabOutcomeRow *from = outcome->rows->pdata[i];
        FabStoreRow *row = g_new0(FabStoreRow, 1);
        row->size_bytes = from->size_bytes;
        row->seconds = from->seconds;
        row->low_s = from->low_s;
        row->high_s = from->high_s;
        row->work = from->work;
        row->algbw = from->algbw;
        row->gpus = outcome->gpus;
        row->fits = outcome->fits;
        row->cost = outcome->per_second * from->seconds;
        row->currency = outcome->per_second > 0 ? g_strdup(outcome->currency) : NULL;
        row->binding = g_strdup(from->binding);
        g_ptr_array_add(rows, row);
    }
    return rows;
}

static GPtrArray *
run_point(const FabSweepSpec *spec, uint64_t point, GError **error)
{
    g_auto(GStrv) settings = fab_sweep_settings(spec->sweep, point);
    g_autoptr(GPtrArray) sets = g_ptr_array_new();
    g_autoptr(FabScenario) scenario = NULL;
    g_autoptr(FabOutcome) outcome = NULL;

    for (guint i = 0; spec->sets != NULL && spec->sets[i] != NULL; i++)
        g_ptr_array_add(sets, spec->sets[i]);
    for (guint i = 0; settings[i] != NULL; i++)
        g_ptr_array_add(sets, settings[i]);
    g_ptr_array_add(sets, NULL);
    scenario = fab_scenario_load(spec->path, (char *const *)sets->pdata, error);
    outcome = scenario != NULL ? fab_outcome_new(scenario, NULL, NULL, NULL, error) : NULL;
    return outcome != NULL ? rows_of(outcome) : NULL;
}

/* ------------------------------------------------------------------ workers */

static bool
is_ours(const FabSweepSpec *spec, uint64_t point)
{
    return spec->parts == 0 || point % spec->parts == spec->part - 1;
}

static bool
take_point(Crew *crew, uint64_t *point)
{
    const FabSweep *sweep = crew->spec->sweep;
    bool any;

    g_mutex_lock(&crew->lock);
    while (crew->next < sweep->points && (crew->done[crew->next] || !is_ours(crew->spec, crew->next)))
        crew->next++;
    any = crew->next < sweep->points && !crew->stopped;
    *point = crew->next;
    crew->next += any;
    g_mutex_unlock(&crew->lock);
    return any;
}

/* A Found without rows and error says that the worker is at its end. */
static gpointer
work(gpointer data)
{
    Crew *crew = data;
    uint64_t point;

    while (take_point(crew, &point)) {
        Found *found = g_new0(Found, 1);
        found->point = point;
        found->rows = run_point(crew->spec, point, &found->error);
        g_async_queue_push(crew->found, found);
    }
    g_async_queue_push(crew->found, g_new0(Found, 1));
    return NULL;
}

static void
found_free(Found *found)
{
    g_clear_pointer(&found->rows, g_ptr_array_unref);
    g_clear_error(&found->error);
    g_free(found);
}

static void
stop(Crew *crew)
{
    g_mutex_lock(&crew->lock);
    crew->stopped = true;
    g_mutex_unlock(&crew->lock);
}

/* A point that its scenario does not allow is a finding; a file that is missing, or a machine that failed, is not. */
static bool
write_found(FabStore *store, Found *found, GError **error)
{
    if (found->error != NULL && !g_error_matches(found->error, FAB_ERROR, FAB_ERROR_VALUE)) {
        g_propagate_error(error, g_steal_pointer(&found->error));
        return false;
    }
    return fab_store_add(store, found->point, found->rows, found->error != NULL ? found->error->message : NULL, error);
}

static bool
collect(Crew *crew, FabStore *store, uint32_t threads, uint64_t before, FabProgress progress, void *user,
        GError **error)
{
    double all = (double)MAX(crew->spec->sweep->points, 1);
    bool good = true;

    while (threads > 0) {
        Found *found = g_async_queue_pop(crew->found);
        bool end = found->rows == NULL && found->error == NULL;
        threads -= end;
        if (!end && good) {
            good = write_found(store, found, error);
            before++;
        }
        if (!good)
            stop(crew);
        if (progress != NULL)
            progress((double)before / all, "points", user);
        found_free(found);
    }
    return good;
}

bool
fab_sweep_run(const FabSweepSpec *spec, FabStore *store, FabProgress progress, void *user, GError **error)
{
    uint32_t threads = spec->threads > 0 ? spec->threads : g_get_num_processors();
    g_autofree GThread **workers = g_new0(GThread *, threads);
    g_autofree bool *done = g_new0(bool, spec->sweep->points);
    Crew crew = { .spec = spec, .done = done };
    uint64_t before;
    bool good;

    if (!fab_store_done(store, done, spec->sweep->points, &before, error))
        return false;
    g_mutex_init(&crew.lock);
    crew.found = g_async_queue_new();
    for (uint32_t i = 0; i < threads; i++)
        workers[i] = g_thread_new("sweep", work, &crew);
    good = collect(&crew, store, threads, before, progress, user, error);
    for (uint32_t i = 0; i < threads; i++)
        g_thread_join(workers[i]);
    g_async_queue_unref(crew.found);
    g_mutex_clear(&crew.lock);
    return good;
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
