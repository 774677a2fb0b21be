#include "predict/training-timed.h"

#include <math.h>

#include "base/units.h"

struct FabStepTimeline {
    const FabScenario *scenario;
    const FabTopology *topology;
    const FabPassSpec *healthy;
    const FabPassParts *passes;
    double hop_s;
    GArray *instants; /* double, seconds, ascending, the first is 0 */
    GArray *states;   /* FabStepState: of the first instants, as far as they were needed */
    const FabPipelineSpec *spec;
    bool split;
    GError *error;
};

bool
fab_step_is_timed(const FabScenario *scenario)
{
    for (guint i = 0; i < scenario->faults->len; i++) {
        if (((const FabFault *)scenario->faults->pdata[i])->timed)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ states */

static int
compare_instants(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
clear_state(void *pointer)
{
    FabStepState *state = pointer;

    fab_step_faults_free(state->faults);
    g_free(state->passes);
    g_free(state->hops);
    g_free(state->done);
}

FabStepTimeline *
fab_step_timeline_new(const FabScenario *scenario, const FabTopology *topology, const FabPassSpec *healthy,
                      const FabPassParts *passes, double hop_s)
{
    FabStepTimeline *timeline = g_new0(FabStepTimeline, 1);
    double now = 0;

    *timeline = (FabStepTimeline) { .scenario = scenario, .topology = topology, .healthy = healthy, .passes = passes,
                                    .hop_s = hop_s, .instants = g_array_new(FALSE, FALSE, sizeof(double)),
                                    .states = g_array_new(FALSE, FALSE, sizeof(FabStepState)) };
    g_array_set_clear_func(timeline->states, clear_state);
    g_array_append_val(timeline->instants, now);
    for (guint i = 0; i < scenario->faults->len; i++) {
        const FabFault *fault = scenario->faults->pdata[i];
        double times[] = { fault->start_s, fault->end_s, fault->start_s + fault->detection_s };
        for (gsize k = 0; fault->timed && k < (fault->detection_s >= 0 ? 3 : 2); k++) {
            if (times[k] > 0 && isfinite(times[k]))
                g_array_append_val(timeline->instants, times[k]);
        }
    }
    g_array_sort(timeline->instants, compare_instants);
    return timeline;
}

void
fab_step_timeline_free(FabStepTimeline *timeline)
{
    if (timeline == NULL)
        return;
    g_array_unref(timeline->instants);
    g_array_unref(timeline->states);
    g_clear_error(&timeline->error);
    g_free(timeline);
}

/* The state that begins at instant `number`; NULL with an error. What comes after the step's end is never asked for. */
static FabStepState *
state_at(FabStepTimeline *timeline, guint number)
{
    const FabTraining *training = timeline->healthy->training;
    gsize cells = (gsize)training->pp * training->chunks;

    while (timeline->states->len <= number && timeline->error == NULL) {
        FabStepState state = { .from_s = g_array_index(timeline->instants, double, timeline->states->len) };
        double hop_s = timeline->hop_s;
        state.faults = fab_step_faults_new(timeline->scenario, training, timeline->topology, state.from_s,
                                           &timeline->error);
        state.passes = g_memdup2(timeline->passes, cells * sizeof *state.passes);
        state.hops = g_new0(double, training->pp);
        state.done = g_new0(double, cells * FAB_PASS_WHOLE);
        g_array_append_val(timeline->states, state);
        if (state.faults != NULL)
            fab_step_faults_hit(state.faults, timeline->healthy, state.passes, &hop_s, state.hops, &timeline->error);
    }
    return timeline->error == NULL ? &g_array_index(timeline->states, FabStepState, number) : NULL;
}

const FabStepState *
fab_step_timeline_states(const FabStepTimeline *timeline, uint32_t *count)
{
    *count = timeline->states->len;
    return (const FabStepState *)(void *)timeline->states->data;
}

static guint
instant_of(const FabStepTimeline *timeline, double when_s)
{
    guint number = 0;

    while (number + 1 < timeline->instants->len && g_array_index(timeline->instants, double, number + 1) <= when_s)
        number++;
    return number;
}

/* ------------------------------------------------------------------ going on from state to state */

/* As fab_step_timeline_advance(); note(user, state, share): so much of it was done then. */
static double
advance(FabStepTimeline *timeline, double start_s, FabStateSeconds seconds,
        void (*note)(void *user, FabStepState *state, double share), void *user)
{
    guint number = instant_of(timeline, start_s);
    double now = start_s, left = 1;

    for (;; number++) {
        FabStepState *state = state_at(timeline, number);
        bool last = number + 1 == timeline->instants->len;
        double length = state != NULL ? seconds(user, state, &timeline->error) : 0, until, share;
        if (timeline->error != NULL)
            return -1;
        until = last ? INFINITY : g_array_index(timeline->instants, double, number + 1);
        share = length * left <= until - now ? left : (until - now) / length;
        if (note != NULL)
            note(user, state, share);
        if (share == left)
            return now + length * left;
        left -= share;
        now = until;
    }
}

double
fab_step_timeline_advance(FabStepTimeline *timeline, double start_s, FabStateSeconds seconds, void *user,
                          GError **error)
{
    double end = advance(timeline, start_s, seconds, NULL, user);

    if (timeline->error != NULL)
        g_propagate_error(error, g_steal_pointer(&timeline->error));
    return end;
}

/* ------------------------------------------------------------------ the pipeline */

/* One pass, or one message behind one. */
typedef struct {
    uint32_t cell, stage; /* stage * chunks + chunk */
    FabPassKind kind;
    bool message, split;
} Piece;

static double
sum_of(const double parts[FAB_TIME_PARTS])
{
    double sum = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        sum += parts[i];
    return sum;
}

static double
piece_seconds(void *user, const FabStepState *state, GError **error)
{
    const Piece *piece = user;
    const FabPassParts *pass = &state->passes[piece->cell];

    (void)error;
    if (piece->message)
        return state->hops[piece->stage];
    switch (piece->kind) {
    case FAB_PASS_FORWARD:
        return sum_of(pass->forward);
    case FAB_PASS_WEIGHT:
        return pass->weights;
    case FAB_PASS_BACKWARD:
        return sum_of(pass->backward) - (piece->split ? pass->weights : 0);
    default:
        return sum_of(pass->backward);
    }
}

static void
piece_done(void *user, FabStepState *state, double share)
{
    const Piece *piece = user;
    double *done = &state->done[(gsize)piece->cell * FAB_PASS_WHOLE];

    if (piece->message)
        return;
    if (piece->kind == FAB_PASS_WHOLE) {
        done[FAB_PASS_BACKWARD] += share;
        done[FAB_PASS_WEIGHT] += share;
        return;
    }
    done[piece->kind] += share;
}

/* Called by the graph as a task starts. */
static int64_t
task_length(void *user, const FabTask *task)
{
    FabStepTimeline *timeline = user;
    const FabPipelineSpec *spec = timeline->spec;
    uint32_t ranks = MAX(spec->ranks, 1), streams = spec->pipeline.stages * ranks;
    FabPass pass = fab_pass_of_tag(task->tag);
    uint32_t stage = task->stream % streams / ranks;
    Piece piece = { stage * spec->pipeline.chunks + pass.chunk, stage, pass.kind, task->stream >= streams,
                    timeline->split };
    double start_s = (double)task->start_ps * 1e-12, end_s;

    if (task->stream >= 3 * streams || timeline->error != NULL)
        return task->duration_ps;
    end_s = advance(timeline, start_s, piece_seconds, piece_done, &piece);
    return timeline->error == NULL ? fab_ps_from_seconds(end_s - start_s) : task->duration_ps;
}

FabGraph *
fab_step_timeline_run(FabStepTimeline *timeline, const FabPipelineSpec *spec, bool split, GError **error)
{
    FabPipelineSpec timed = *spec;
    g_autoptr(FabGraph) graph = NULL;

    timed.length = task_length;
    timed.user = timeline;
    timeline->spec = spec;
    timeline->split = split;
    graph = fab_pipeline_run(&timed, error);
    if (timeline->error == NULL)
        return g_steal_pointer(&graph);
    if (graph != NULL)
        g_propagate_error(error, g_steal_pointer(&timeline->error));
    return NULL;
}
