#include "study/pair.h"

#include <math.h>
#include <string.h>

#include "topology/machine.h"

void
fab_step_side_clear(FabStepSide *side)
{
    fab_training_step_free(side->step);
    fab_topology_free(side->topology);
}

/* *spread: how far off the collectives may be; may be NULL. */
static FabTrainingStep *
step_with(const FabStepSide *side, double factor, FabSpread *spread, GError **error)
{
    g_autoptr(FabGroupTimes) times = fab_group_times_new(side->topology, side->scenario->training->nic_rate);
    FabTrainingStep *step;

    fab_group_times_scale(times, factor);
    step = fab_training_step_new(side->scenario, side->topology, times, error);
    if (spread != NULL)
        *spread = fab_group_times_spread(times);
    return step;
}

FabTrainingStep *
fab_step_side_run(const FabStepSide *side, double factor, GError **error)
{
    return step_with(side, factor, NULL, error);
}

bool
fab_step_side_init(FabStepSide *side, const FabScenario *scenario, GError **error)
{
    *side = (FabStepSide) { .scenario = scenario };
    side->topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    side->step = side->topology != NULL ? step_with(side, 1, &side->spread, error) : NULL;
    return side->step != NULL;
}

static bool
same_layout(const FabTraining *x, const FabTraining *y)
{
    const uint32_t first[] = { x->tp, x->pp, x->cp, x->ep, x->zero, x->chunks, x->micro_batch, x->sequence,
                               x->gradient_bytes, fab_training_micros(x) };
    const uint32_t second[] = { y->tp, y->pp, y->cp, y->ep, y->zero, y->chunks, y->micro_batch, y->sequence,
                                y->gradient_bytes, fab_training_micros(y) };
    /* More replicas that each keep all do the same more often; what they share out changes each one's work. */
    bool replicas = x->dp == y->dp || (x->zero == 0 && x->ep == 1);

    return replicas && memcmp(first, second, sizeof first) == 0 && x->nodes == 1 && y->nodes == 1 &&
           x->precision == y->precision && x->schedule == y->schedule && x->recompute == y->recompute &&
           x->flash == y->flash && x->overlap == y->overlap && x->frozen == y->frozen &&
           x->sequence_parallel == y->sequence_parallel;
}

bool
fab_step_sides_match(const FabStepSide *a, const FabStepSide *b)
{
    const FabFootprint *x = a->step->footprint, *y = b->step->footprint;

    return a->topology->node_count <= 1 && b->topology->node_count <= 1 && strcmp(x->gpu, y->gpu) == 0 &&
           a->step->stack == b->step->stack && same_layout(x->training, y->training) &&
           x->model->layers == y->model->layers && x->model->hidden == y->model->hidden &&
           x->model->ffn == y->model->ffn && x->model->vocab == y->model->vocab &&
           x->model->experts == y->model->experts;
}

/*
 * Seconds when kernels take `kernels` times and collectives `exchange` times as long: all of it `kernels` times, of a
 * step whose collectives take the quotient.
 */
static bool
seconds_with(const FabStepSide *side, double kernels, double exchange, double *seconds, GError **error)
{
    g_autoptr(FabTrainingStep) step = step_with(side, exchange / kernels, NULL, error);

    if (step != NULL)
        *seconds = kernels * step->seconds;
    return step != NULL;
}

/* All corners: the error of kernels is common, that of the exchange each one's own. */
static bool
try_corners(const FabStepSide *a, const FabStepSide *b, double work, FabRatio *ratio, GError **error)
{
    const double kernels[] = { a->step->low / a->step->seconds, a->step->high / a->step->seconds };
    const double from[] = { a->spread.low, a->spread.high }, to[] = { b->spread.low, b->spread.high };

    for (int k = 0; k < 2; k++) {
        for (int e = 0; e < 4; e++) {
            double first, second;
            if (!seconds_with(a, kernels[k], from[e / 2], &first, error) ||
                !seconds_with(b, kernels[k], to[e % 2], &second, error))
                return false;
            ratio->low = fmin(ratio->low, first / second * work);
            ratio->high = fmax(ratio->high, first / second * work);
        }
    }
    return true;
}

/* Owned by the caller. */
static char *
basis_of(const FabStepSide *a, const FabStepSide *b)
{
    const FabTrainingStep *step = a->step;
    const double ends[] = { step->low / step->seconds, step->high / step->seconds, a->spread.low, a->spread.high,
                            b->spread.low, b->spread.high };
    int percent[G_N_ELEMENTS(ends)];

    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
        percent[i] = (int)lround(100 * (ends[i] - 1));
    return g_strdup_printf("the two steps differ only in what connects the GPUs: an error of the kernels (%+d/%+d %%: "
                           "%s) is common to both, one of the exchange is each one's own (%+d/%+d %% and %+d/%+d %%%s)",
                           percent[0], percent[1], step->reason, percent[2], percent[3], percent[4], percent[5],
                           a->spread.guessed || b->spread.guessed ? ", a guess" : "");
}

bool
fab_pair_ratio(const FabScenario *a, const FabScenario *b, FabRatio *ratio, double *share, char **basis,
               GError **error)
{
    g_auto(FabStepSide) first = { .scenario = NULL }, second = { .scenario = NULL };
    double work;

    if (a->kind != FAB_SCENARIO_TRAINING || b->kind != FAB_SCENARIO_TRAINING || a->faults->len + b->faults->len > 0)
        return false;
    if (!fab_step_side_init(&first, a, error) || !fab_step_side_init(&second, b, error) ||
        !fab_step_sides_match(&first, &second))
        return false;
    work = (double)second.step->footprint->training->global_batch / first.step->footprint->training->global_batch;
    *share = (double)first.step->footprint->training->gpus / second.step->footprint->training->gpus;
    ratio->value = ratio->low = ratio->high = first.step->seconds / second.step->seconds * work;
    ratio->known = true;
    ratio->guessed = first.spread.guessed || second.spread.guessed || !first.step->fitted;
    if (!try_corners(&first, &second, work, ratio, error))
        return false;
    *basis = basis_of(&first, &second);
    return true;
}
