#include "study/compare.h"

#include <string.h>

#include "base/error.h"
#include "study/pair.h"

const char *const fab_speed_verdict_names[] = { "faster", "slower", "cannot be told", "the same", NULL };

void
fab_comparison_free(FabComparison *comparison)
{
    if (comparison == NULL)
        return;
    g_clear_pointer(&comparison->outcomes, g_ptr_array_unref);
    g_clear_pointer(&comparison->sizes, g_array_unref);
    g_clear_pointer(&comparison->pairs, g_array_unref);
    g_clear_pointer(&comparison->bases, g_ptr_array_unref);
    g_free(comparison->currency);
    g_free(comparison);
}

FabSpeedVerdict
fab_speed_verdict(const FabRatio *ratio)
{
    if (!ratio->known)
        return FAB_VERDICT_UNTOLD;
    if (ratio->low > 1)
        return FAB_VERDICT_FASTER;
    if (ratio->low == 1 && ratio->high == 1)
        return FAB_VERDICT_SAME;
    return ratio->high < 1 ? FAB_VERDICT_SLOWER : FAB_VERDICT_UNTOLD;
}

FabUnitCost
fab_unit_cost(const FabOutcome *outcome, const FabOutcomeRow *row)
{
    double each = row->work > 0 ? outcome->per_second / row->work : 0;

    if (row->low_s == 0)
        return (FabUnitCost) { row->seconds * each, row->seconds * each, row->seconds * each };
    return (FabUnitCost) { row->seconds * each, row->low_s * each, row->high_s * each };
}

FabRatio
fab_comparison_ratio(const FabComparison *comparison, guint number, uint64_t size_bytes)
{
    const FabRatio *pair = &g_array_index(comparison->pairs, FabRatio, number);

    return pair->known ? *pair
                       : fab_ratio_of(fab_outcome_row(comparison->outcomes->pdata[0], size_bytes),
                                      fab_outcome_row(comparison->outcomes->pdata[number], size_bytes));
}

/* ------------------------------------------------------------------ what can be compared */

static const char *
kind_name(FabScenarioKind kind)
{
    return kind == FAB_SCENARIO_COLLECTIVE ? "a collective"
           : kind == FAB_SCENARIO_TRAINING ? "a training step"
           : kind == FAB_SCENARIO_INFERENCE ? "inference"
           : kind == FAB_SCENARIO_TRANSFER ? "a set of copies"
           : kind == FAB_SCENARIO_TRACE ? "an execution trace"
                                        : "a copy pipeline";
}

/* Compared are only runs of the same work: before anything is run. */
static bool
check_pair(const FabScenario *first, const FabScenario *other, GError **error)
{
    const char *wrong = NULL;

    if (first->kind != other->kind) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: is %s and %s is %s, only the same work can be compared",
                    other->path, kind_name(other->kind), first->path, kind_name(first->kind));
        return false;
    }
    if (first->kind == FAB_SCENARIO_COLLECTIVE && strcmp(first->operation, other->operation) != 0)
        wrong = "another collective";
    else if (first->kind == FAB_SCENARIO_TRANSFER && first->pair_count != other->pair_count)
        wrong = "another number of copies";
    else if (fab_outcome_counts_tokens(first->kind) &&
             (first->model->layers != other->model->layers || first->model->hidden != other->model->hidden ||
              first->model->vocab != other->model->vocab || first->model->ffn != other->model->ffn))
        wrong = "another model";
    else if (fab_outcome_counts_tokens(first->kind) && first->training->sequence != other->training->sequence)
        wrong = "another length of sequences or prompts";
    if (wrong == NULL)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has %s than %s, only the same work can be compared",
                other->path, wrong, first->path);
    return false;
}

static bool
check_currencies(FabComparison *comparison, GPtrArray *scenarios, GError **error)
{
    for (guint i = 0; i < scenarios->len; i++) {
        const FabScenario *scenario = scenarios->pdata[i];
        if (scenario->price == NULL)
            continue;
        if (comparison->currency == NULL)
            comparison->currency = g_strdup(scenario->price->currency);
        if (strcmp(comparison->currency, scenario->price->currency) == 0)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [price] is in %s, another one in %s; write them in one "
                    "currency, Fabricast knows no rates of exchange", scenario->path, scenario->price->currency,
                    comparison->currency);
        return false;
    }
    return true;
}

static int
compare_sizes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool
has_size(const FabScenario *scenario, uint64_t size)
{
    for (uint32_t i = 0; i < scenario->size_count; i++) {
        if (scenario->sizes[i] == size)
            return true;
    }
    return false;
}

static bool
find_sizes(FabComparison *comparison, GPtrArray *scenarios, GError **error)
{
    const FabScenario *first = scenarios->pdata[0];
    uint64_t none = 0;

    if (fab_outcome_counts_tokens(first->kind) || first->kind == FAB_SCENARIO_TRACE)
        g_array_append_val(comparison->sizes, none);
    for (uint32_t i = 0; i < first->size_count; i++) {
        bool all = true;
        for (guint s = 1; s < scenarios->len && all; s++)
            all = has_size(scenarios->pdata[s], first->sizes[i]);
        for (guint k = 0; k < comparison->sizes->len && all; k++)
            all = g_array_index(comparison->sizes, uint64_t, k) != first->sizes[i];
        if (all)
            g_array_append_val(comparison->sizes, first->sizes[i]);
    }
    g_array_sort(comparison->sizes, compare_sizes);
    if (comparison->sizes->len > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no size that all the others have; give all the same: "
                "--set sizes=1M:1G", first->path);
    return false;
}

/*
 * The text of a scenario without what says nothing about the run: title, prices and power, the time between failures.
 * Owned by the caller; NULL: it cannot be read again.
 */
static char *
text_of_run(const FabScenario *scenario)
{
    static const char *const beside[] = { "scenario", "price", "power", "goodput", "sweep", NULL };
    g_autoptr(FabKeyfile) file = fab_keyfile_parse(scenario->path, scenario->text, NULL);
    g_auto(GStrv) groups = file != NULL ? fab_keyfile_groups(file) : NULL;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    GString *text = g_string_new(scenario->topology);

    for (char **group = groups; group != NULL && *group != NULL; group++) {
        g_auto(GStrv) keys = fab_keyfile_keys(file, *group);
        for (char **key = keys; *key != NULL && !g_strv_contains(beside, *group); key++) {
            const char *value = fab_keyfile_get(file, *group, *key);
            /* A file beside the scenario has the name that it has there. */
            bool is_file = strchr(value, '/') != NULL || g_str_has_suffix(value, ".ini");
            g_autofree char *folder = is_file ? g_path_get_dirname(scenario->path) : g_strdup("");
            g_ptr_array_add(lines, g_strdup_printf("[%s] %s=%s %s", *group, *key, value, folder));
        }
    }
    g_ptr_array_sort(lines, fab_compare_strings);
    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(text, "\n%s", (const char *)lines->pdata[i]);
    return file != NULL ? g_string_free(text, FALSE) : g_string_free(text, TRUE);
}

/* Whether two scenarios differ in prices at most: an error of the one prediction is that of the other. */
static bool
is_same_run(const FabScenario *a, const FabScenario *b)
{
    g_autofree char *first = text_of_run(a), *second = text_of_run(b);

    return first != NULL && g_strcmp0(first, second) == 0;
}

/* The ratio of scenario `number` to the first where both are one run, or differ only in what connects the GPUs. */
static bool
add_pair(FabComparison *comparison, GPtrArray *scenarios, guint number, GError **error)
{
    g_autoptr(GError) wrong = NULL;
    FabRatio ratio = { .known = false };
    char *basis = NULL;
    double share;

    if (number > 0 && is_same_run(scenarios->pdata[0], scenarios->pdata[number])) {
        ratio = (FabRatio) { .value = 1, .low = 1, .high = 1, .known = true };
        basis = g_strdup("both are the same run, so that an error of the one is that of the other");
    } else if (number > 0)
        fab_pair_ratio(scenarios->pdata[0], scenarios->pdata[number], &ratio, &share, &basis, &wrong);
    g_array_append_val(comparison->pairs, ratio);
    g_ptr_array_add(comparison->bases, basis);
    if (wrong == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&wrong));
    return false;
}

FabComparison *
fab_compare(GPtrArray *scenarios, FabProgress progress, void *user, GError **error)
{
    g_autoptr(FabComparison) comparison = g_new0(FabComparison, 1);

    g_return_val_if_fail(scenarios->len > 1, NULL);
    comparison->outcomes = g_ptr_array_new_with_free_func((GDestroyNotify)fab_outcome_free);
    comparison->sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    comparison->pairs = g_array_new(FALSE, FALSE, sizeof(FabRatio));
    comparison->bases = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 1; i < scenarios->len; i++) {
        if (!check_pair(scenarios->pdata[0], scenarios->pdata[i], error))
            return NULL;
    }
    if (!check_currencies(comparison, scenarios, error) || !find_sizes(comparison, scenarios, error))
        return NULL;
    for (guint i = 0; i < scenarios->len; i++) {
        const FabScenario *scenario = scenarios->pdata[i];
        FabOutcome *outcome = fab_outcome_new(scenario, NULL, progress, user, error);
        if (outcome == NULL) {
            if (!g_str_has_prefix((*error)->message, scenario->path))
                g_prefix_error(error, "%s: ", scenario->path);
            return NULL;
        }
        g_ptr_array_add(comparison->outcomes, outcome);
        if (!add_pair(comparison, scenarios, i, error))
            return NULL;
    }
    return g_steal_pointer(&comparison);
}
