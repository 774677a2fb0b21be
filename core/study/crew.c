#include "study/crew.h"

#include "study/outcome.h"

struct FabCrew {
    const FabSweepSpec *spec;
    GThread **threads;
    uint32_t count;
    GAsyncQueue *given; /* Job */
    GAsyncQueue *found; /* FabFound */
    gint dropped;       /* atomic: what is still given is not run */
};

typedef struct {
    uint64_t point;
    bool last; /* the thread that takes it ends */
} Job;

void
fab_found_free(FabFound *found)
{
    if (found == NULL)
        return;
    g_clear_pointer(&found->rows, g_ptr_array_unref);
    g_clear_error(&found->error);
    g_free(found);
}

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
        row->extrapolated = from->extrapolated;
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

/* ------------------------------------------------------------------ threads */

static gpointer
work(gpointer data)
{
    FabCrew *crew = data;

    for (;;) {
        g_autofree Job *job = g_async_queue_pop(crew->given);
        FabFound *found;
        if (job->last)
            return NULL;
        if (g_atomic_int_get(&crew->dropped))
            continue;
        found = g_new0(FabFound, 1);
        found->point = job->point;
        found->rows = run_point(crew->spec, job->point, &found->error);
        g_async_queue_push(crew->found, found);
    }
}

FabCrew *
fab_crew_new(const FabSweepSpec *spec)
{
    FabCrew *crew = g_new0(FabCrew, 1);

    crew->spec = spec;
    crew->count = spec->threads > 0 ? spec->threads : g_get_num_processors();
    crew->given = g_async_queue_new_full(g_free);
    crew->found = g_async_queue_new_full((GDestroyNotify)fab_found_free);
    crew->threads = g_new0(GThread *, crew->count);
    for (uint32_t i = 0; i < crew->count; i++)
        crew->threads[i] = g_thread_new("sweep", work, crew);
    return crew;
}

void
fab_crew_free(FabCrew *crew)
{
    if (crew == NULL)
        return;
    g_atomic_int_set(&crew->dropped, 1);
    for (uint32_t i = 0; i < crew->count; i++) {
        Job *last = g_new0(Job, 1);
        last->last = true;
        g_async_queue_push(crew->given, last);
    }
    for (uint32_t i = 0; i < crew->count; i++)
        g_thread_join(crew->threads[i]);
    g_async_queue_unref(crew->given);
    g_async_queue_unref(crew->found);
    g_free(crew->threads);
    g_free(crew);
}

uint32_t
fab_crew_appetite(const FabCrew *crew)
{
    return 2 * crew->count;
}

void
fab_crew_give(FabCrew *crew, uint64_t point)
{
    Job *job = g_new0(Job, 1);

    job->point = point;
    g_async_queue_push(crew->given, job);
}

FabFound *
fab_crew_take(FabCrew *crew, uint64_t patience_us)
{
    return g_async_queue_timeout_pop(crew->found, patience_us);
}
