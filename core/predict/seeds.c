#include "predict/seeds.h"

#include "base/error.h"
#include "predict/run-private.h"
#include "predict/run-result.h"

/* Draws that have been and are to be made. */
typedef struct {
    const FabScenario *scenario;
    const FabTopology *topology;
    const FabConstants *constants;
    FabSeedsRun run;
    FabResult **results; /* of each draw */
    GError **errors;
    gint next; /* atomic */
} Draws;

static gpointer
make_draws(gpointer data)
{
    Draws *draws = data;

    for (guint k; (k = (guint)g_atomic_int_add(&draws->next, 1)) < draws->scenario->seeds;) {
        FabTopology topology = *draws->topology; /* nothing else of it depends on the seed */
        topology.network.seed += k;
        draws->results[k] = draws->run(draws->scenario, &topology, draws->constants, NULL, NULL, &draws->errors[k]);
    }
    return NULL;
}

static void
make_all(Draws *draws, FabProgress progress, void *user)
{
    guint count = MIN(g_get_num_processors(), draws->scenario->seeds);
    g_autofree GThread **threads = g_new(GThread *, count);

    for (guint i = 0; i < count; i++)
        threads[i] = g_thread_new("draw", make_draws, draws);
    for (guint i = 0; i < count; i++) {
        if (progress != NULL)
            progress((double)i / count, "draws of the network's hash", user);
        g_thread_join(threads[i]);
    }
}

/* ------------------------------------------------------------------ one row of many */

/* The draw with this row's rank `place` by time; of equal ones the first. */
static guint
draw_at(const Draws *draws, guint row, guint place)
{
    guint count = draws->scenario->seeds;

    for (guint k = 0; k < count; k++) {
        const FabResultRow *own = draws->results[k]->rows->pdata[row];
        guint before = 0;
        for (guint i = 0; i < count; i++) {
            const FabResultRow *other = draws->results[i]->rows->pdata[row];
            before += other->time_ps < own->time_ps || (other->time_ps == own->time_ps && i < k);
        }
        if (before == place)
            return k;
    }
    return 0;
}

static int64_t
time_at(const Draws *draws, guint row, guint place)
{
    return ((const FabResultRow *)draws->results[draw_at(draws, row, place)]->rows->pdata[row])->time_ps;
}

/* So many of `count` that `percent` of them are not above it. */
static guint
place_of(guint count, guint percent)
{
    return (count * percent + 99) / 100 - 1;
}

/* Replaces each row of the first draw by the one of the draw in the middle. */
static void
take_medians(Draws *draws)
{
    guint count = draws->scenario->seeds;
    GPtrArray *rows = draws->results[0]->rows;
    g_autofree guint *middle = g_new(guint, rows->len + 1);

    for (guint i = 0; i < rows->len; i++)
        middle[i] = draw_at(draws, i, place_of(count, 50));
    for (guint i = 0; i < rows->len; i++) {
        FabResultDraws *all = g_new(FabResultDraws, 1);
        FabResult *from = draws->results[middle[i]];
        FabResultRow *row;
        *all = (FabResultDraws) { .least_ps = time_at(draws, i, 0), .p5_ps = time_at(draws, i, place_of(count, 5)),
                                  .p95_ps = time_at(draws, i, place_of(count, 95)),
                                  .most_ps = time_at(draws, i, count - 1) };
        row = from->rows->pdata[i];
        from->rows->pdata[i] = rows->pdata[i];
        rows->pdata[i] = row;
        row->draws = all;
    }
    draws->results[0]->draws = count;
    draws->results[0]->first_seed = draws->topology->network.seed;
}

/* ------------------------------------------------------------------ all of it */

static bool
is_drawn(const FabTopology *topology)
{
    return topology->node_count > 1 && topology->network.routing == FAB_ROUTING_STATIC;
}

/* Of programs that do not say whom they join: whether any two ranks have a choice. */
static bool
any_two_have_a_choice(const FabRun *run)
{
    for (uint32_t to = 0; to < run->ranks; to++)
        for (uint32_t from = 0; from < run->ranks; from++)
            if (!fab_router_is_only_way(run->router, run->gpus[from], run->gpus[to]))
                return true;
    return false;
}

static bool
program_has_a_choice(const FabRun *run, const FabProgram *program)
{
    uint32_t from, to;

    if (program->joins == NULL)
        return any_two_have_a_choice(run);
    for (uint32_t i = 0; i < program->connections; i++)
        if (program->joins(program, i, &from, &to) &&
            !fab_router_is_only_way(run->router, run->gpus[from], run->gpus[to]))
            return true;
    return false;
}

static bool
collective_has_a_choice(const FabScenario *scenario, const FabTopology *topology)
{
    FabRun run;
    bool choice = !fab_run_init(&run, scenario, topology, NULL, NULL);

    for (uint32_t i = 0; i < scenario->size_count && !choice; i++) {
        FabPlan plan;
        g_autoptr(FabProgram) program = fab_run_program(&run, scenario->sizes[i], &plan, NULL);
        choice = program == NULL || program_has_a_choice(&run, program);
    }
    fab_run_clear(&run);
    return choice;
}

static bool
copies_have_a_choice(const FabScenario *scenario, const FabTopology *topology)
{
    g_autoptr(FabRouter) router = NULL;
    FabRouteRules rules;

    if (!fab_run_rules(scenario, topology, 2, &rules, NULL))
        return true;
    router = fab_router_new(topology, &rules);
    for (uint32_t i = 0; i < scenario->pair_count; i++) {
        const FabTransferPair *pair = &scenario->pairs[i];
        if (pair->from != FAB_FLOW_HOST && pair->to != FAB_FLOW_HOST &&
            (MAX(pair->from, pair->to) >= topology->gpu_count || !fab_router_is_only_way(router, pair->from, pair->to)))
            return true;
    }
    return false;
}

bool
fab_seeds_are_drawn(const FabScenario *scenario, const FabTopology *topology)
{
    if (!is_drawn(topology))
        return false;
    if (scenario->background != NULL && scenario->background->flows > 0)
        return true;
    return scenario->kind == FAB_SCENARIO_TRANSFER ? copies_have_a_choice(scenario, topology)
                                                   : collective_has_a_choice(scenario, topology);
}

static bool
check_drawn(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    if (fab_seeds_are_drawn(scenario, topology))
        return true;
    if (is_drawn(topology))
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: seeds is %u, but what this sends has one way only through the network of %s, so that all "
                    "draws are the same; leave seeds out", scenario->path, scenario->seeds, topology->name);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: seeds is %u, but no hash draws the ways of %s%s",
                    scenario->path, scenario->seeds, topology->name,
                    topology->node_count > 1 ? "; set topology.routing=static, or leave seeds out"
                                             : ", which is a single machine; leave seeds out");
    return false;
}

FabResult *
fab_seeds_run(const FabScenario *scenario, const FabTopology *topology, const FabConstants *constants, FabSeedsRun run,
              FabProgress progress, void *user, GError **error)
{
    guint count = scenario->seeds, failed = count;
    g_autofree FabResult **results = g_new0(FabResult *, count + 1);
    g_autofree GError **errors = g_new0(GError *, count + 1);
    Draws draws = { scenario, topology, constants, run, results, errors, 0 };

    if (!check_drawn(scenario, topology, error))
        return NULL;
    make_all(&draws, progress, user);
    for (guint k = 0; k < count && failed == count; k++)
        failed = errors[k] != NULL ? k : failed;
    if (failed < count)
        g_propagate_error(error, g_steal_pointer(&errors[failed]));
    else
        take_medians(&draws);
    for (guint k = 0; k < count; k++) {
        if (k > 0 || failed < count)
            fab_result_free(results[k]);
        g_clear_error(&errors[k]);
    }
    return failed < count ? NULL : results[0];
}

void
fab_seeds_note(const FabScenario *scenario, FabRouter *router, uint32_t from, uint32_t to, FabResult *result)
{
    const FabTopology *topology = fab_router_topology(router);

    if (scenario->seeds > 0 || !is_drawn(topology) || fab_router_is_only_way(router, from, to))
        return;
    g_ptr_array_add(result->notes, g_strdup_printf("ways through the network are one draw of its hash, seed %u: "
                                                   "--seeds 20 says how far draws lie apart", topology->network.seed));
}
