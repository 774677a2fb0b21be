#include "predict/concurrent.h"

#include <math.h>

#include "predict/run-private.h"

/* Beyond it bandwidth is all there is: larger calls take longer in proportion. */
#define LARGEST_BYTES (UINT64_C(1) << 30)
#define UNITS_PER_SECOND 1e9
/* Of the resource that all calls have, so that no route is empty. */
#define NO_LIMIT 1e30
/* Bytes on a resource below this share of its capacity are nobody's bottleneck. */
#define LEAST_SHARE 1e-6
#define FLOW_MARK (1u << 31)

struct FabCallBook {
    const FabTopology *topology;
    const FabConstants *constants;
    GHashTable *known; /* text of the call -> FabAlone */
};

static void
alone_free(gpointer data)
{
    FabAlone *alone = data;

    g_free(alone->route);
    g_free(alone);
}

FabCallBook *
fab_call_book_new(const FabTopology *topology, const FabConstants *constants)
{
    FabCallBook *book = g_new0(FabCallBook, 1);

    book->topology = topology;
    book->constants = constants;
    book->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, alone_free);
    return book;
}

void
fab_call_book_free(FabCallBook *book)
{
    if (book == NULL)
        return;
    g_hash_table_unref(book->known);
    g_free(book);
}

/* ------------------------------------------------------------------ alone */

static char *
rank_list(const FabCall *call)
{
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < call->count; i++)
        g_string_append_printf(text, "%s%u", i > 0 ? "," : "", call->ranks[i]);
    return g_string_free(text, FALSE);
}

/* `factor`: how many times what was run is meant. */
static FabAlone *
alone_new(const FabCallBook *book, const FabEngineReport *report, int64_t time_ps, double factor)
{
    const FabTopology *topology = book->topology;
    uint32_t resources = topology->resource_count, count = 0;
    FabAlone *alone = g_new0(FabAlone, 1);
    double seconds = (double)time_ps * 1e-12;

    alone->route = g_malloc0(sizeof(FabRoute) + (resources + 1) * sizeof(FabUse));
    alone->route->id = g_hash_table_size(book->known);
    alone->time_ps = (int64_t)((double)time_ps * factor);
    alone->work = seconds * factor * UNITS_PER_SECOND;
    for (uint32_t r = 0; r < resources && seconds > 0; r++) {
        double rate = report->carried[r] / seconds;
        if (rate > LEAST_SHARE * topology->resources[r].capacity)
            alone->route->uses[count++] = (FabUse) { .resource = r, .weight = rate / UNITS_PER_SECOND };
    }
    alone->route->uses[count++] = (FabUse) { .resource = resources, .weight = 1 };
    alone->route->count = count;
    return alone;
}

static FabAlone *
run_alone(const FabCallBook *book, const FabCall *call, const char *ranks, GError **error)
{
    uint64_t bytes = CLAMP(call->bytes, 1, LARGEST_BYTES);
    g_autofree char *name = g_strconcat("topology.name=", book->topology->name, NULL);
    g_autofree char *operation = g_strconcat("collective.operation=", fab_collective_names[call->collective], NULL);
    g_autofree char *list = g_strconcat("collective.ranks=", ranks, NULL);
    g_autofree char *size = g_strdup_printf("collective.sizes=%" G_GUINT64_FORMAT, bytes);
    char *way = (char *)(call->collective == FAB_SEND_RECV ? "collective.one_way=yes" : NULL);
    char exact[] = "collective.fold=exact";
    char *sets[] = { name, operation, list, size, exact, way, NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, error);
    g_autoptr(FabProgram) program = NULL;
    FabAlone *alone = NULL;
    FabEngineReport report;
    FabPlan plan;
    FabRun run;
    bool good;

    if (scenario == NULL)
        return NULL;
    good = fab_run_init(&run, scenario, book->topology, book->constants, error) && fab_run_check_work(&run, error);
    if (good)
        program = fab_run_program(&run, bytes, &plan, error);
    if (program != NULL && fab_run_simulate(&run, &plan, program, &report, error)) {
        alone = alone_new(book, &report, fab_run_clock_ps(&run, &plan, &report, NULL),
                          (double)MAX(call->bytes, 1) / (double)bytes);
        fab_engine_report_clear(&report);
    }
    fab_run_clear(&run);
    return alone;
}

const FabAlone *
fab_call_alone(FabCallBook *book, const FabCall *call, GError **error)
{
    static const FabAlone nothing = { 0, NULL, 0 };
    g_autofree char *ranks = rank_list(call);
    g_autofree char *key = g_strdup_printf("%d %" G_GUINT64_FORMAT " %s", (int)call->collective, call->bytes, ranks);
    FabAlone *alone = g_hash_table_lookup(book->known, key);

    if (alone != NULL || call->count < 2)
        return alone != NULL ? alone : &nothing;
    alone = run_alone(book, call, ranks, error);
    if (alone != NULL)
        g_hash_table_insert(book->known, g_steal_pointer(&key), alone);
    return alone;
}

/* ------------------------------------------------------------------ together */

FabFlowSet *
fab_call_flows(const FabCallBook *book, FabQueue *queue, uint32_t mark)
{
    uint32_t resources = book->topology->resource_count;
    g_autofree double *capacity = g_new(double, resources + 1);

    for (uint32_t r = 0; r < resources; r++)
        capacity[r] = book->topology->resources[r].capacity;
    capacity[resources] = NO_LIMIT;
    return fab_flow_set_new(capacity, resources + 1, queue, mark);
}

void
fab_call_start(FabFlowSet *flows, int64_t now, const FabAlone *alone, uint32_t tag)
{
    fab_flow_start(flows, now, alone->route, alone->work, UNITS_PER_SECOND, tag);
}

double
fab_concurrent_slowdown(FabCallBook *book, const FabCall *calls, uint32_t count, GError **error)
{
    FabQueue *queue = fab_queue_new();
    FabFlowSet *flows = fab_call_flows(book, queue, FLOW_MARK);
    int64_t when, last = 0, first = 0;
    uint32_t data, tag, left = 0;
    bool good = true;

    for (uint32_t i = 0; i < count && good; i++) {
        const FabAlone *alone = fab_call_alone(book, &calls[i], error);
        good = alone != NULL;
        if (!good || alone->work <= 0)
            continue;
        first = i == 0 ? alone->time_ps : first;
        fab_call_start(flows, 0, alone, i);
        left++;
    }
    fab_flow_share(flows, 0);
    while (good && left > 0 && fab_queue_pop(queue, &when, &data)) {
        if (fab_flow_complete(flows, when, data & ~FLOW_MARK)) {
            for (; fab_flow_take_tag(flows, &tag); left--)
                last = when;
        }
        fab_flow_share(flows, when);
    }
    fab_flow_set_free(flows);
    fab_queue_free(queue);
    return !good ? -1 : first > 0 ? fmax((double)last / (double)first, 1) : 1;
}
