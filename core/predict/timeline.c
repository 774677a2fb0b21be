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

/* The program of the largest size that can be drawn, else of the smallest. */
static FabProgram *
choose_size(const FabRun *run, uint32_t most_slices, FabPlan *plan, uint64_t *size, GError **error)
{
    const FabScenario *scenario = run->scenario;
    uint64_t slices;

    for (uint32_t i = scenario->size_count; i > 0; i--) {
        FabProgram *program = fab_run_program(run, scenario->sizes[i - 1], plan, error);
        if (program == NULL)
            return NULL;
        *size = scenario->sizes[i - 1];
        slices = fab_run_slices(program, i > 1 ? most_slices : MOST_WORK);
        if (slices > most_slices && i > 1) {
            fab_program_free(program);
            continue;
        }
        if ((double)slices * program->ranks * program->channels * program->roles <= MOST_WORK)
            return program;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %u ranks of %u channels have too many slices for a picture",
                    scenario->path, program->ranks, program->channels);
        fab_program_free(program);
        return NULL;
    }
    return NULL;
}

/* The channels of a rank beside each other are worth more than many ranks: two at least. */
static FabTimeline *
streams_of(const FabProgram *program, uint32_t most_rows)
{
    uint32_t rows = MAX(1, most_rows / program->roles), channels = MIN(2, program->channels);
    uint32_t ranks = MAX(1, MIN(MIN(MOST_RANKS, program->ranks), rows / channels));

    return fab_timeline_new(program, ranks, MAX(1, rows / ranks));
}

static FabRunTimeline *
simulate(FabRun *run, uint32_t most_rows, uint32_t most_slices, GError **error)
{
    g_autoptr(FabRunTimeline) timeline = g_new0(FabRunTimeline, 1);
    FabPlan plan;
    g_autoptr(FabProgram) program = choose_size(run, most_slices, &plan, &timeline->size, error);
    FabEngineReport report;

    if (program == NULL)
        return NULL;
    run->timeline = timeline->streams = streams_of(program, most_rows);
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

FabRunTimeline *
fab_run_timeline(const FabScenario *scenario, const FabTopology *topology, uint32_t most_rows, uint32_t most_slices,
                 GError **error)
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
        timeline = simulate(&run, most_rows, most_slices, error);
    fab_run_clear(&run);
    return timeline;
}
