/* What a claim asks of training steps: exposed communication, what binds, what products of matrices reach. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "study/claim-private.h"
#include "study/pair.h"

const char *const fab_bind_classes[] = { "interconnect", "compute", "memory", "host", "pipeline", "stragglers", NULL };
enum { INTERCONNECT, COMPUTE, MEMORY, HOST, PIPELINE, STRAGGLERS, CLASSES };

/* The class of each part of a step. */
static const int class_of[FAB_TIME_PARTS] = {
    [FAB_TIME_MATRIX] = COMPUTE,      [FAB_TIME_ATTENTION] = COMPUTE,    [FAB_TIME_MEMORY] = MEMORY,
    [FAB_TIME_HOST] = HOST,           [FAB_TIME_TENSOR] = INTERCONNECT,  [FAB_TIME_EXPERT] = INTERCONNECT,
    [FAB_TIME_CONTEXT] = INTERCONNECT, [FAB_TIME_SHARD] = INTERCONNECT,  [FAB_TIME_HOP] = INTERCONNECT,
    [FAB_TIME_BUBBLE] = PIPELINE,     [FAB_TIME_DATA] = INTERCONNECT,    [FAB_TIME_OPTIMISER] = MEMORY,
    [FAB_TIME_SCALE] = STRAGGLERS,
};

static double
class_seconds(const FabTrainingStep *step, int class)
{
    double seconds = 0;

    for (int i = 0; i < FAB_TIME_PARTS; i++)
        seconds += class_of[i] == class ? step->parts[i] : 0;
    return seconds;
}

static double
exposed_seconds(const FabTrainingStep *step)
{
    return class_seconds(step, INTERCONNECT);
}

/* Time of the class over that of the longest other one. */
static double
lead_of(const FabTrainingStep *step, int class)
{
    double other = 0;

    for (int i = 0; i < CLASSES; i++)
        other = i != class ? fmax(other, class_seconds(step, i)) : other;
    return other > 0 ? class_seconds(step, class) / other : INFINITY;
}

static const char *
binding_of(const FabTrainingStep *step)
{
    int longest = 0;

    for (int i = 1; i < CLASSES; i++)
        longest = class_seconds(step, i) > class_seconds(step, longest) ? i : longest;
    return fab_bind_classes[longest];
}

/* ------------------------------------------------------------------ the steps of a claim */

static bool
begin_side(FabClaimSpec *spec, int number, FabScenario **scenario, FabStepSide *side, GError **error)
{
    *scenario = fab_claim_scenario(spec, number, error);
    if (*scenario == NULL)
        return false;
    if ((*scenario)->kind != FAB_SCENARIO_TRAINING) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s is of a training step, give it [model] and [training]",
                    spec->claim->metric);
        return false;
    }
    return fab_step_side_init(side, *scenario, error);
}

/* Groups of up to so many GPUs are run by the engine on a cluster, with what its intervals say of the network. */
enum { MOST_RUN = 64 };

/* Whether anything is known of how far off the step's collectives may be. */
static bool
is_exchange_known(const FabStepSide *side)
{
    const FabTraining *training = side->step->footprint->training;
    bool run = training->nodes == 1 || (side->topology->node_count >= training->nodes && training->gpus <= MOST_RUN);

    return side->scenario->faults->len == 0 &&
           (exposed_seconds(side->step) <= 0 || (run && side->spread.low < side->spread.high));
}

static void
stretch(FabClaimPoint *point, double value)
{
    point->low = fmin(point->low, value);
    point->high = fmax(point->high, value);
}

/* What the interval of a figure of one or two steps rests on. */
static void
add_corners_basis(FabClaimSpec *spec, const FabStepSide *sides, int count)
{
    const FabTrainingStep *step = sides[0].step;
    GString *text = g_string_new(NULL);
    bool guessed = !step->fitted;

    g_string_printf(text, "the step was run again with kernels %+d/%+d %% (%s) and collectives",
                    (int)lround(100 * (step->low / step->seconds - 1)),
                    (int)lround(100 * (step->high / step->seconds - 1)), step->reason);
    for (int i = 0; i < count; i++) {
        g_string_append_printf(text, "%s %+d/%+d %%", i > 0 ? " and" : "",
                               (int)lround(100 * (sides[i].spread.low - 1)),
                               (int)lround(100 * (sides[i].spread.high - 1)));
        guessed = guessed || sides[i].spread.guessed;
        if (!is_exchange_known(&sides[i]))
            g_string_append(text, " (nothing is known of some of them: no interval)");
    }
    spec->claim->guessed = spec->claim->guessed || guessed;
    fab_claim_add_basis(spec->claim, text->str);
    g_string_free(text, TRUE);
}

/* ------------------------------------------------------------------ one step */

static double
figure_of(const FabClaimSpec *spec, const FabTrainingStep *step)
{
    return spec->metric == FAB_METRIC_BINDING ? lead_of(step, spec->class) : exposed_seconds(step) / step->seconds;
}

/* All corners of the errors of kernels and collectives. */
static bool
try_corners(const FabClaimSpec *spec, const FabStepSide *side, FabClaimPoint *point, GError **error)
{
    const double kernels[] = { side->step->low / side->step->seconds, side->step->high / side->step->seconds };
    const double exchange[] = { side->spread.low, side->spread.high };

    for (int i = 0; i < 4; i++) {
        g_autoptr(FabTrainingStep) step = fab_step_side_run(side, exchange[i / 2] / kernels[i % 2], error);
        if (step == NULL)
            return false;
        stretch(point, figure_of(spec, step));
    }
    return true;
}

/*
 * The best product of two square matrices that the kernel model knows, over the dense peak. Its error is taken to be
 * that of the whole step, whose length is mostly that of such products.
 */
static bool
measure_matmul(FabClaimSpec *spec, const FabStepSide *side, FabClaimPoint *point, GError **error)
{
    const FabTrainingStep *step = side->step;
    g_autofree char *basis = g_strdup_printf("kernels as %s reaches them (%s); the interval is that of whole steps: %s",
                                             step->stack->name, step->stack->source, step->reason);
    FabGpuRates rates;

    if (!fab_training_rates(step->footprint->training, side->topology, side->scenario->path, &rates, error))
        return false;
    for (double n = 1024; n <= 32768; n += 1024) {
        double seconds = fab_gemm_seconds(&rates, n, n, n, 1);
        point->value = fmax(point->value, 2 * n * n * n / seconds / rates.peak);
    }
    point->low = point->value * step->seconds / step->high;
    point->high = fmin(point->value * step->seconds / step->low, 1);
    point->known = true;
    spec->claim->guessed = spec->claim->guessed || !step->fitted;
    fab_claim_add_basis(spec->claim, basis);
    return true;
}

bool
fab_claim_measure_step(FabClaimSpec *spec, FabClaimPoint *point, GError **error)
{
    g_autoptr(FabScenario) scenario = NULL;
    g_auto(FabStepSide) side = { .scenario = NULL };

    if (!begin_side(spec, 0, &scenario, &side, error))
        return false;
    if (spec->metric == FAB_METRIC_MATMUL)
        return measure_matmul(spec, &side, point, error);
    point->value = point->low = point->high = figure_of(spec, side.step);
    point->known = is_exchange_known(&side);
    if (spec->metric == FAB_METRIC_BINDING)
        point->binds = binding_of(side.step);
    add_corners_basis(spec, &side, 1);
    return !point->known || try_corners(spec, &side, point, error);
}

/* ------------------------------------------------------------------ two steps */

/* Seconds for each unit of work are compared: `work` is that of b over that of a. */
static double
figure_of_two(const FabClaimSpec *spec, const FabTrainingStep *a, const FabTrainingStep *b, double work)
{
    double gain = a->seconds / b->seconds * work - 1;

    if (exposed_seconds(a) <= 0)
        return NAN;
    return spec->metric == FAB_METRIC_LESS_EXPOSED ? 1 - exposed_seconds(b) / work / exposed_seconds(a)
                                                   : gain * a->seconds / exposed_seconds(a);
}

/* The error of kernels is common, that of the exchange each one's own. */
static bool
try_both_corners(const FabClaimSpec *spec, const FabStepSide *sides, double work, FabClaimPoint *point, GError **error)
{
    const FabTrainingStep *first = sides[0].step;
    const double kernels[] = { first->low / first->seconds, first->high / first->seconds };
    const double from[] = { sides[0].spread.low, sides[0].spread.high };
    const double to[] = { sides[1].spread.low, sides[1].spread.high };

    for (int i = 0; i < 8; i++) {
        double kernel = kernels[i / 4];
        g_autoptr(FabTrainingStep) a = fab_step_side_run(&sides[0], from[i / 2 % 2] / kernel, error);
        g_autoptr(FabTrainingStep) b = a != NULL ? fab_step_side_run(&sides[1], to[i % 2] / kernel, error) : NULL;
        if (b == NULL)
            return false;
        stretch(point, figure_of_two(spec, a, b, work));
    }
    return true;
}

bool
fab_claim_measure_steps(FabClaimSpec *spec, FabClaimPoint *point, GError **error)
{
    g_autoptr(FabScenario) first = NULL;
    g_autoptr(FabScenario) second = NULL;
    g_auto(FabStepSide) a = { .scenario = NULL }, b = { .scenario = NULL };
    double work;

    if (!begin_side(spec, 0, &first, &a, error) || !begin_side(spec, 1, &second, &b, error))
        return false;
    if (!fab_step_sides_match(&a, &b)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s compares steps that differ only in what connects their "
                    "GPUs: a and b must have the same GPUs in one machine, model, layout and batch of each GPU",
                    spec->claim->metric);
        return false;
    }
    work = (double)b.step->footprint->training->global_batch / a.step->footprint->training->global_batch;
    point->value = point->low = point->high = figure_of_two(spec, a.step, b.step, work);
    if (!isfinite(point->value)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "a has no exposed communication, %s is a share of it",
                    spec->claim->metric);
        return false;
    }
    point->known = is_exchange_known(&a) && is_exchange_known(&b);
    add_corners_basis(spec, (const FabStepSide[]) { a, b }, 2);
    return !point->known || try_both_corners(spec, (const FabStepSide[]) { a, b }, work, point, error);
}
