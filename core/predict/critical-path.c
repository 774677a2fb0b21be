#include "predict/critical-path.h"

#include "collective/overlay.h"
#include "engine/trail.h"
#include "predict/run-private.h"

/* Slices that are kept to be followed back, 50 bytes each. What a run leaves out as it repeats itself is not kept. */
enum { MOST_SLICES = 12000000 };

/* One size while it is followed. Times of the engine begin after the launch. */
typedef struct {
    const FabTopology *topology;
    const FabTrailPath *trail;
    FabCriticalPath *path;
    int64_t begin_ps;
    const char *copying; /* what sets the rate of a CTA */
} Walk;

void
fab_critical_path_clear(FabCriticalPath *path)
{
    g_clear_pointer(&path->phases, g_ptr_array_unref);
    g_clear_pointer(&path->bound, g_free);
}

/* ------------------------------------------------------------------ what binds */

#define STEPS "time of a kernel's steps"
#define MESSAGES "messages between nodes"

/* LL's copies are its steps; between nodes CTAs have other rates for LL128 and NVLSTree (network-cost.c). */
static const char *
copying(const FabRun *run, const FabPlan *plan)
{
    bool nodes = run->facts.nodes > 1;

    if (plan->protocol == FAB_PROTOCOL_LL)
        return STEPS;
    return nodes && (plan->protocol == FAB_PROTOCOL_LL128 || plan->algorithm->in_switch) ? MESSAGES
                                                                                        : "channel copy rate";
}

static void
bind(const Walk *walk, FabPhase *phase, const FabStretch *stretch, int64_t length_ps)
{
    const char *const names[] = { "", walk->copying, STEPS, "latency", "room in a FIFO", MESSAGES };
    const char *what = names[stretch->kind], *where = NULL;

    if (stretch->kind == FAB_STRETCH_MOVING) {
        what = fab_phase_resource(walk->topology, stretch->resource);
        where = walk->topology->resources[stretch->resource].name;
    }
    fab_phase_bind(phase, what, where, (double)length_ps * 1e-12);
}

/* ------------------------------------------------------------------ phases */

/* The part of the path between two instants. */
static void
add_phase(const Walk *walk, const char *name, int64_t from, int64_t to)
{
    FabPhase *phase;

    if (to <= from)
        return;
    phase = fab_phases_add(walk->path->phases, name, (double)(walk->path->around_ps + from - walk->begin_ps) * 1e-12);
    for (guint i = 0; i < walk->trail->stretches->len; i++) {
        const FabStretch *stretch = &g_array_index(walk->trail->stretches, FabStretch, i);
        int64_t start = MAX(stretch->start_ps, from), end = MIN(stretch->end_ps, to);
        if (end > start)
            bind(walk, phase, stretch, end - start);
    }
}

/* A small message has no steady state: some are done before the others have begun. */
static void
add_phases(const Walk *walk, bool launch_bound)
{
    const GArray *stretches = walk->trail->stretches;
    int64_t end = g_array_index(stretches, FabStretch, stretches->len - 1).end_ps;
    int64_t full = walk->trail->full_ps, drain = walk->trail->drain_ps;
    FabPhase *phase = fab_phases_add(walk->path->phases, "launch and end", 0);

    fab_phase_bind(phase, launch_bound ? "the host's launches" : "launching kernels", NULL,
                   (double)walk->path->around_ps * 1e-12);
    if (full < drain) {
        add_phase(walk, "fill", walk->begin_ps, full);
        add_phase(walk, "steady state", MAX(full, walk->begin_ps), drain);
        add_phase(walk, "drain", drain, end);
    } else {
        add_phase(walk, "no steady state", walk->begin_ps, end);
    }
}

static void
add_up(const FabTrailPath *trail, FabCriticalPath *path)
{
    int64_t *const sums[] = { &path->moving_ps, &path->moving_ps, &path->moving_ps,
                              &path->handing_ps, &path->room_ps, &path->handing_ps };

    path->slices = trail->slices;
    path->hops = trail->hops;
    for (guint i = 0; i < trail->stretches->len; i++) {
        const FabStretch *stretch = &g_array_index(trail->stretches, FabStretch, i);
        *sums[stretch->kind] += stretch->end_ps - stretch->start_ps;
    }
}

/* ------------------------------------------------------------------ the run */

static bool
follow_size(FabRun *run, uint64_t size, FabCriticalPath *path, GError **error)
{
    FabPlan plan;
    g_autoptr(FabProgram) program = fab_run_program(run, size, &plan, error);
    g_autoptr(FabTrail) trail = fab_trail_new(MOST_SLICES);
    g_auto(FabTrailPath) found = { NULL, 0, 0, 0, 0 };
    FabEngineReport report;
    bool launch_bound;
    int64_t clock_ps;

    if (program == NULL)
        return false;
    run->trail = trail;
    if (!fab_run_simulate(run, &plan, program, &report, error))
        return false;
    clock_ps = fab_run_clock_ps(run, &plan, &report, &launch_bound);
    path->bound = g_steal_pointer(&report.bound);
    fab_engine_report_clear(&report);
    if (!fab_trail_follow(trail, &found) || found.stretches->len == 0)
        return true;
    add_up(&found, path);
    path->around_ps = clock_ps - path->moving_ps - path->handing_ps - path->room_ps;
    path->phases = fab_phases_new();
    add_phases(&(Walk) { run->topology, &found, path, g_array_index(found.stretches, FabStretch, 0).start_ps,
                         copying(run, &plan) }, launch_bound);
    fab_phases_close(path->phases);
    return true;
}

bool
fab_critical_path(const FabScenario *scenario, const FabTopology *topology, uint64_t size, FabCriticalPath *path,
                  GError **error)
{
    g_autoptr(FabOverlay) overlay = NULL;
    bool good;
    FabRun run;

    *path = (FabCriticalPath) { 0 };
    if (scenario->kind != FAB_SCENARIO_COLLECTIVE)
        return true;
    overlay = scenario->calibration != NULL ? fab_overlay_load(scenario->calibration, error) : NULL;
    if (scenario->calibration != NULL && overlay == NULL)
        return false;
    good = fab_run_init(&run, scenario, topology, overlay != NULL ? &overlay->constants : NULL, error) &&
           follow_size(&run, size, path, error);
    fab_run_clear(&run);
    return good;
}
