/* The figure of a claim under one condition. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "study/claim-private.h"
#include "study/outcome.h"
#include "study/pair.h"
#include "topology/gpu.h"

/* Bytes of a PCIe lane in a second, one direction, with the line code (PCI-SIG's generations 1 to 6). */
static const double lane_rates[] = { 0, 0.25e9, 0.5e9, 0.984615e9, 1.969231e9, 3.938462e9, 7.563e9 };

void
fab_claim_add_basis(FabClaim *claim, const char *text)
{
    for (guint i = 0; i < claim->basis->len; i++) {
        if (strcmp(claim->basis->pdata[i], text) == 0)
            return;
    }
    g_ptr_array_add(claim->basis, g_strdup(text));
}

/* ------------------------------------------------------------------ facts */

static double
fact_of(const FabGpuModel *model, const char *fact)
{
    const struct {
        const char *name;
        double value;
    } facts[] = {
        { "nvlink_links", model->nvlink_links },
        { "nvlink_generation", model->nvlink_generation },
        { "nvlink_link_bandwidth", model->nvlink_link_bandwidth },
        { "nvlink_bandwidth", model->nvlink_link_bandwidth * model->nvlink_links },
        { "memory", model->memory_bytes },
        { "memory_bandwidth", model->memory_bandwidth },
        { "peer_to_peer", model->peer_to_peer },
        { "pcie_generation", model->pcie_generation },
        { "pcie_bandwidth", model->pcie_generation < G_N_ELEMENTS(lane_rates)
                                ? lane_rates[model->pcie_generation] * model->pcie_lanes
                                : NAN },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
        if (strcmp(facts[i].name, fact) == 0)
            return facts[i].value;
    }
    return NAN;
}

static bool
measure_fact(FabClaimSpec *spec, const char *value, FabClaimPoint *point, GError **error)
{
    bool by_gpu = spec->claim->vary != NULL && strcmp(spec->claim->vary, "gpu") == 0;
    const char *id = by_gpu ? value : spec->gpu;
    const FabGpuData *data;
    g_autofree char *basis = NULL;

    if (id == NULL || (spec->claim->vary != NULL && !by_gpu)) {
        g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, "a fact is one of a GPU: gpu=h100-sxm, or vary=gpu and "
                            "values=rtx-3090 | rtx-4090");
        return false;
    }
    data = fab_gpu_data(id, error);
    if (data == NULL)
        return false;
    point->value = point->low = point->high = fact_of(&data->model, spec->fact);
    point->known = isfinite(point->value);
    basis = g_strdup_printf("%s: %s (confidence %s)", data->model.name, data->source, data->confidence);
    fab_claim_add_basis(spec->claim, basis);
    return true;
}

/* ------------------------------------------------------------------ scenarios */

FabScenario *
fab_claim_scenario(const FabClaimSpec *spec, int side, GError **error)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new();

    for (guint i = 0; i < spec->sets[side]->len; i++)
        g_ptr_array_add(sets, spec->sets[side]->pdata[i]);
    g_ptr_array_add(sets, NULL);
    return spec->base != NULL ? fab_scenario_load(spec->base, (char *const *)sets->pdata, error)
                              : fab_scenario_from_sets((char *const *)sets->pdata, error);
}

bool
fab_claim_check_sizes(guint sizes, GError **error)
{
    if (sizes == 1)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "its scenario has %u sizes, a claim is judged at one at a time: "
                "vary=collective.sizes and values=1M | 1G", sizes);
    return false;
}

static FabOutcome *
outcome_of(FabClaimSpec *spec, int side, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_claim_scenario(spec, side, error);
    FabOutcome *outcome;

    outcome = scenario != NULL ? fab_outcome_new(scenario, NULL, NULL, NULL, error) : NULL;
    if (outcome != NULL && !fab_claim_check_sizes(outcome->rows->len, error))
        g_clear_pointer(&outcome, fab_outcome_free);
    if (outcome != NULL && spec->metric == FAB_METRIC_MEMORY) {
        fab_claim_add_basis(spec->claim, "memory is counted byte by byte, not timed: there is no interval");
    } else if (outcome != NULL) {
        spec->claim->guessed = spec->claim->guessed || outcome->guessed;
        fab_claim_add_basis(spec->claim, outcome->interval);
    }
    return outcome;
}

static void
scale(FabClaimPoint *point, double value, double low, double high, bool known)
{
    point->value = value;
    point->low = known ? fmin(low, high) : value;
    point->high = known ? fmax(low, high) : value;
    point->known = known;
}

static void
multiply(FabRatio *ratio, double share)
{
    ratio->value *= share;
    ratio->low *= share;
    ratio->high *= share;
}

static bool
measure_one(FabClaimSpec *spec, FabClaimPoint *point, GError **error)
{
    g_autoptr(FabOutcome) outcome = outcome_of(spec, 0, error);
    const FabOutcomeRow *row = outcome != NULL ? outcome->rows->pdata[0] : NULL;
    bool known = row != NULL && row->low_s > 0;
    double rate;

    if (outcome == NULL)
        return false;
    if (spec->metric == FAB_METRIC_TIME) {
        scale(point, row->seconds, row->low_s, row->high_s, known);
        return true;
    }
    if (spec->metric == FAB_METRIC_MEMORY) { /* counted byte by byte, not timed */
        rate = outcome->memory_capacity > 0 ? outcome->memory_bytes / outcome->memory_capacity : NAN;
        scale(point, rate, rate, rate, true);
    } else {
        rate = spec->metric == FAB_METRIC_BUSBW   ? row->busbw
               : spec->metric == FAB_METRIC_ALGBW ? row->algbw
                                                  : row->work / row->seconds;
        scale(point, rate, rate * row->seconds / row->high_s, rate * row->seconds / row->low_s, known);
    }
    if (isfinite(point->value) && (spec->metric == FAB_METRIC_TOKENS || spec->metric == FAB_METRIC_MEMORY) ==
                                      fab_outcome_counts_tokens(outcome->kind))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s has no %s", outcome->what, spec->claim->metric);
    return false;
}

/* What a ratio of times is multiplied with: 1, GPUs for GPUs, money for money. False with an error. */
static bool
share_of(const FabClaimSpec *spec, const FabOutcome *a, const FabOutcome *b, double *share, GError **error)
{
    const FabOutcome *const both[] = { a, b };

    *share = spec->metric == FAB_METRIC_EFFICIENCY ? (double)a->gpus / b->gpus : 1;
    if (spec->metric != FAB_METRIC_CHEAPER)
        return true;
    for (int i = 0; i < 2; i++) {
        if (both[i]->per_second > 0)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%c has no price: give %c.price.gpu_hour=2.50 USD/h with "
                    "price.date and price.source", 'a' + i, 'a' + i);
        return false;
    }
    if (strcmp(a->currency, b->currency) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "a has prices in %s and b in %s, must be one currency",
                    a->currency, b->currency);
        return false;
    }
    *share = a->per_second / b->per_second;
    return true;
}

/* How many times faster the scenario after `first` is than that one, each with its own errors. */
static bool
measure_pair(FabClaimSpec *spec, int first, FabRatio *ratio, GError **error)
{
    g_autoptr(FabOutcome) a = outcome_of(spec, first, error);
    g_autoptr(FabOutcome) b = a != NULL ? outcome_of(spec, first + 1, error) : NULL;
    double share;

    if (b == NULL)
        return false;
    if (strcmp(a->what, b->what) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%c is %s and %c is %s, only the same work can be compared",
                    'a' + first, a->what, 'b' + first, b->what);
        return false;
    }
    *ratio = fab_ratio_of(a->rows->pdata[0], b->rows->pdata[0]);
    if (!share_of(spec, a, b, &share, error))
        return false;
    multiply(ratio, share);
    return true;
}

/* The same of two steps, of which only the ratio of times is known. */
static bool
share_of_steps(const FabClaimSpec *spec, const FabScenario *first, const FabScenario *second, double gpus,
               double *share, GError **error)
{
    g_autoptr(FabOutcome) a = NULL;
    g_autoptr(FabOutcome) b = NULL;

    *share = spec->metric == FAB_METRIC_EFFICIENCY ? gpus : 1;
    if (spec->metric != FAB_METRIC_CHEAPER)
        return true;
    a = fab_outcome_new(first, NULL, NULL, NULL, error);
    b = a != NULL ? fab_outcome_new(second, NULL, NULL, NULL, error) : NULL;
    return b != NULL && share_of(spec, a, b, share, error);
}

/* Steps that differ only in what connects their GPUs have an interval of their own; *done false: others. */
static bool
measure_step_pair(FabClaimSpec *spec, int first, FabRatio *ratio, bool *done, GError **error)
{
    g_autoptr(FabScenario) a = fab_claim_scenario(spec, first, error);
    g_autoptr(FabScenario) b = a != NULL ? fab_claim_scenario(spec, first + 1, error) : NULL;
    g_autoptr(GError) wrong = NULL;
    g_autofree char *basis = NULL;
    double share = 1;

    if (b == NULL)
        return false;
    *done = fab_pair_ratio(a, b, ratio, &share, &basis, &wrong);
    if (*done) {
        if (!share_of_steps(spec, a, b, share, &share, error))
            return false;
        multiply(ratio, share);
        spec->claim->guessed = spec->claim->guessed || ratio->guessed;
        fab_claim_add_basis(spec->claim, basis);
    }
    if (wrong == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&wrong));
    return false;
}

static bool
measure_ratio(FabClaimSpec *spec, int first, FabRatio *ratio, GError **error)
{
    bool done = false;

    return measure_step_pair(spec, first, ratio, &done, error) && (done || measure_pair(spec, first, ratio, error));
}

/* Of one ratio, or of the first one to the second one: the worst of one with the best of the other. */
static bool
measure_ratios(FabClaimSpec *spec, FabClaimPoint *point, GError **error)
{
    FabRatio first = { .known = false }, second = { .value = 1, .low = 1, .high = 1, .known = true };

    if (!measure_ratio(spec, 0, &first, error) || (spec->sides > 2 && !measure_ratio(spec, 2, &second, error)))
        return false;
    scale(point, first.value / second.value, first.low / second.high, first.high / second.low,
          first.known && second.known);
    return true;
}

static bool
measure(FabClaimSpec *spec, FabClaimPoint *point, GError **error)
{
    switch (spec->metric) {
    case FAB_METRIC_RATIO:
    case FAB_METRIC_EFFICIENCY:
    case FAB_METRIC_CHEAPER:
    case FAB_METRIC_GAIN_RATIO:
        return measure_ratios(spec, point, error);
    case FAB_METRIC_EXPOSED:
    case FAB_METRIC_BINDING:
    case FAB_METRIC_MATMUL:
        return fab_claim_measure_step(spec, point, error);
    case FAB_METRIC_LESS_EXPOSED:
    case FAB_METRIC_GAIN_OF_EXPOSED:
        return fab_claim_measure_steps(spec, point, error);
    case FAB_METRIC_WIRE:
    case FAB_METRIC_HOST_BRIDGE:
        return fab_claim_measure_bytes(spec, point, error);
    default:
        return measure_one(spec, point, error);
    }
}

bool
fab_claim_measure(FabClaimSpec *spec, const char *value, FabClaimPoint *point, GError **error)
{
    guint kept[FAB_CLAIM_SIDES];
    bool good;

    for (int i = 0; i < FAB_CLAIM_SIDES; i++)
        kept[i] = spec->sets[i]->len;
    if (spec->metric == FAB_METRIC_FACT) {
        good = measure_fact(spec, value, point, error);
    } else {
        if (value != NULL)
            fab_claim_add_set(spec, spec->claim->vary, value);
        good = measure(spec, point, error);
        for (int i = 0; i < FAB_CLAIM_SIDES; i++)
            g_ptr_array_set_size(spec->sets[i], (gint)kept[i]);
    }
    if (!good)
        return false;
    point->state = !point->known                                               ? FAB_OPEN
                   : point->low >= spec->least && point->high <= spec->most    ? FAB_HOLDS
                   : point->high < spec->least || point->low > spec->most      ? FAB_FAILS
                                                                               : FAB_OPEN;
    return true;
}
