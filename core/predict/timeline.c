#include "predict/timeline.h"

#include "base/error.h"
#include "collective/kind.h"
#include "collective/overlay.h"
#include "predict/run-private.h"

/* Ranks of a picture, and slices that are simulated for one: all ranks are, none stands for another. */
enum { MOST_RANKS = 8, MOST_WORK = 4000000 };

void
fab_run_timeline_free(FabRunTimeline *timeline)
{
    if (timeline == NULL)
        return;
    fab_timeline_free(timeline->streams);
    g_free(timeline->collective);
    g_free(timeline->algorithm);
    g_free(timeline->protocol);
    g_free(timeline);
}

uint64_t
fab_run_slices(const FabProgram *program, uint64_t most)
{
    uint64_t busiest = 0;

    for (uint32_t role = 0; role < program->roles; role++) {
        const FabStream at = { .role = role };
        uint64_t slices = 0;
        FabStep step;
        for (uint64_t index = 0; slices <= most; index++) {
            fab_step_begin(&step, 0);
            if (!program->step(program, &at, index, &step))
                break;
            slices += MAX(1, (step.bytes + program->slice_bytes - 1) / program->slice_bytes);
        }
        busiest = MAX(busiest, slices);
    }
    return busiest;
}

/* What is wanted: a picture of so many rows, each of so many slices; or so many slices of all, 0: a picture. */
typedef struct {
    uint32_t rows, slices;
    uint32_t most;
} Wish;

/* The program of the largest size that can be drawn, else of the smallest; *busiest: slices of a stream. */
static FabProgram *
choose_size(const FabRun *run, const Wish *wish, FabPlan *plan, uint64_t *size, uint64_t *busiest, GError **error)
{
    const FabScenario *scenario = run->scenario;
    uint32_t most = wish->most > 0 ? MOST_WORK : wish->slices;

    for (uint32_t i = scenario->size_count; i > 0; i--) {
        FabProgram *program = fab_run_program(run, scenario->sizes[i - 1], plan, error);
        if (program == NULL)
            return NULL;
        *size = scenario->sizes[i - 1];
        *busiest = fab_run_slices(program, i > 1 ? most : MOST_WORK);
        bool work = (double)*busiest * program->ranks * program->channels * program->roles <= MOST_WORK;
        if (work && (*busiest <= most || i == 1))
            return program;
        if (i == 1)
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: %u ranks of %u channels have too many slices to be simulated one by one for a timeline; "
                        "take a smaller size", scenario->path, program->ranks, program->channels);
        fab_program_free(program);
    }
    return NULL;
}

/* The channels of a rank beside each other are worth more than many ranks: two at least. */
static FabTimeline *
streams_of(const FabProgram *program, const Wish *wish, uint64_t busiest)
{
    uint32_t rows = MAX(1, wish->rows / program->roles), channels = MIN(2, program->channels), ranks;

    if (wish->most > 0) {
        rows = (uint32_t)MAX(1, wish->most / MAX(busiest, 1) / program->roles);
        channels = MIN(rows, program->channels);
        return fab_timeline_new(program, rows / channels, channels);
    }
    ranks = MAX(1, MIN(MIN(MOST_RANKS, program->ranks), rows / channels));
    return fab_timeline_new(program, ranks, MAX(1, rows / ranks));
}

static FabRunTimeline *
simulate(FabRun *run, const Wish *wish, GError **error)
{
    g_autoptr(FabRunTimeline) timeline = g_new0(FabRunTimeline, 1);
    FabPlan plan;
    uint64_t busiest;
    g_autoptr(FabProgram) program = choose_size(run, wish, &plan, &timeline->size, &busiest, error);
    FabEngineReport report;

    if (program == NULL)
        return NULL;
    run->timeline = timeline->streams = streams_of(program, wish, busiest);
    if (!fab_run_simulate(run, &plan, program, &report, error))
        return NULL;
    timeline->collective = g_strdup(fab_collective_names[run->collective]);
    timeline->algorithm = g_strdup(plan.algorithm->name);
    timeline->protocol = g_strdup(fab_protocol_names[plan.protocol]);
    timeline->ranks = program->ranks;
    timeline->channels = program->channels;
    timeline->idle_share = report.idle_share;
    fab_engine_report_clear(&report);
    return g_steal_pointer(&timeline);
}

static FabRunTimeline *
timeline_of(const FabScenario *scenario, const FabTopology *topology, const Wish *wish, GError **error)
{
    g_autoptr(FabOverlay) overlay = NULL;
    FabRunTimeline *timeline = NULL;
    FabRun run;

    if (scenario->kind != FAB_SCENARIO_COLLECTIVE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no [collective]", scenario->path);
        return NULL;
    }
    overlay = scenario->calibration != NULL ? fab_overlay_load(scenario->calibration, error) : NULL;
    if (scenario->calibration != NULL && overlay == NULL)
        return NULL;
    if (fab_run_init(&run, scenario, topology, overlay != NULL ? &overlay->constants : NULL, error))
        timeline = simulate(&run, wish, error);
    fab_run_clear(&run);
    return timeline;
}

FabRunTimeline *
fab_run_timeline(const FabScenario *scenario, const FabTopology *topology, uint32_t most_rows, uint32_t most_slices,
                 GError **error)
{
    return timeline_of(scenario, topology, &(Wish) { most_rows, most_slices, 0 }, error);
}

FabRunTimeline *
fab_run_timeline_whole(const FabScenario *scenario, const FabTopology *topology, uint32_t most, GError **error)
{
    return timeline_of(scenario, topology, &(Wish) { .most = MAX(most, 1) }, error);
}
