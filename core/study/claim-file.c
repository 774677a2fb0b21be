/* [claim ...] of a file. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "scenario/sweep.h"
#include "study/claim-private.h"

static const char *const metrics[] = { "ratio", "efficiency", "cheaper", "time", "algbw",
                                       "busbw", "tokens_per_s", "memory", "fact", "gain_ratio",
                                       "exposed_communication", "exposed_reduction", "gain_over_exposed", "binding",
                                       "matmul_peak_share", "wire_over_busbw", "host_bridge_share", NULL };
static const struct {
    const char *unit;
    int sides; /* scenarios it is of */
} metric_kinds[] = {
    { "", 2 }, { "", 2 }, { "", 2 }, { "s", 1 }, { "B/s", 1 }, { "B/s", 1 }, { "", 1 }, { "", 1 }, { "", 1 },
    { "", 4 }, { "", 1 }, { "", 2 }, { "", 2 },  { "", 1 },    { "", 1 },    { "", 1 }, { "", 1 },
};
static const char *const operators[] = { ">=", "<=", "=", "within", NULL };
static const char *const keys[] = { "text", "source", "measured", "metric", "operator", "threshold", "vary", "values",
                                    "fact", "gpu", "scenario", NULL };

/* Facts of a GPU: claim-measure.c knows the same names. */
static const struct {
    const char *name, *unit;
} facts[] = {
    { "nvlink_links", "" },           { "nvlink_generation", "" }, { "nvlink_link_bandwidth", "B/s" },
    { "nvlink_bandwidth", "B/s" },    { "memory", "B" },           { "memory_bandwidth", "B/s" },
    { "peer_to_peer", "" },           { "pcie_generation", "" },   { "pcie_bandwidth", "B/s" },
};

void
fab_claim_spec_free(FabClaimSpec *spec)
{
    FabClaim *claim = spec != NULL ? spec->claim : NULL;

    if (spec == NULL)
        return;
    if (claim != NULL) {
        char *const texts[] = { claim->path, claim->id, claim->definition, claim->text, claim->source, claim->measured,
                                claim->metric, claim->operator, claim->threshold, claim->vary, claim->turn };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
            g_free(texts[i]);
        g_clear_pointer(&claim->points, g_array_unref);
        g_clear_pointer(&claim->basis, g_ptr_array_unref);
        g_free(claim);
    }
    g_free(spec->fact);
    g_free(spec->gpu);
    g_free(spec->base);
    g_strfreev(spec->values);
    for (int i = 0; i < FAB_CLAIM_SIDES; i++)
        g_clear_pointer(&spec->sets[i], g_ptr_array_unref);
    g_free(spec);
}

static void
clear_point(void *pointer)
{
    g_free(((FabClaimPoint *)pointer)->condition);
}

/* The group as its file has it. Owned by the caller. */
static char *
definition_of(FabKeyfile *file, const char *group)
{
    g_auto(GStrv) all = fab_keyfile_keys(file, group);
    GString *text = g_string_new(NULL);

    g_string_printf(text, "[%s]\n", group);
    for (guint i = 0; all[i] != NULL; i++)
        g_string_append_printf(text, "%s=%s\n", all[i], fab_keyfile_get(file, group, all[i]));
    return g_string_free(text, FALSE);
}

static FabClaimSpec *
spec_new(const FabKeyfile *file, const char *group)
{
    FabClaimSpec *spec = g_new0(FabClaimSpec, 1);
    FabClaim *claim = g_new0(FabClaim, 1);

    spec->claim = claim;
    claim->path = g_strdup(fab_keyfile_path(file));
    claim->id = g_strstrip(g_strdup(group + strlen("claim")));
    claim->points = g_array_new(FALSE, TRUE, sizeof(FabClaimPoint));
    g_array_set_clear_func(claim->points, clear_point);
    claim->basis = g_ptr_array_new_with_free_func(g_free);
    for (int i = 0; i < FAB_CLAIM_SIDES; i++)
        spec->sets[i] = g_ptr_array_new_with_free_func(g_free);
    spec->sides = 1;
    return spec;
}

/* ------------------------------------------------------------------ single keys */

static bool
need(FabKeyfile *file, const char *group, const char *key, const char *meaning, char **text, GError **error)
{
    const char *value = fab_keyfile_get(file, group, key);

    if (value != NULL && value[0] != '\0') {
        *text = g_strdup(value);
        return true;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] needs %s, %s", fab_keyfile_path(file), group, key,
                meaning);
    return false;
}

static bool
read_fact(FabKeyfile *file, const char *group, FabClaimSpec *spec, GError **error)
{
    if (spec->metric != FAB_METRIC_FACT)
        return true;
    if (!need(file, group, "fact", "such as nvlink_links", &spec->fact, error))
        return false;
    spec->gpu = g_strdup(fab_keyfile_get(file, group, "gpu"));
    for (size_t i = 0; i < G_N_ELEMENTS(facts); i++) {
        if (strcmp(facts[i].name, spec->fact) == 0) {
            spec->claim->unit = facts[i].unit;
            g_free(spec->claim->metric);
            spec->claim->metric = g_strdup(spec->fact);
            return true;
        }
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is no fact of a GPU; accepted: nvlink_links, "
                "nvlink_generation, nvlink_link_bandwidth, nvlink_bandwidth, memory, memory_bandwidth, peer_to_peer, "
                "pcie_generation, pcie_bandwidth", spec->fact);
    fab_keyfile_prefix_error(file, group, "fact", error);
    return false;
}

/* "interconnect": the class that binds from a lead of 1 on. */
static bool
read_class(FabKeyfile *file, const char *group, FabClaimSpec *spec, GError **error)
{
    if (strcmp(spec->claim->operator, "=") != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%s\" does not fit metric=binding, which is a class and no "
                    "number; must be =", spec->claim->operator);
        fab_keyfile_prefix_error(file, group, "operator", error);
        return false;
    }
    spec->least = 1;
    spec->most = INFINITY;
    return fab_keyfile_get_choice(file, group, "threshold", fab_bind_classes, &spec->class, error);
}

/* "450 GB/s", or "6..8" for within. */
static bool
read_threshold(FabKeyfile *file, const char *group, FabClaimSpec *spec, GError **error)
{
    FabClaim *claim = spec->claim;
    const char *operator = claim->operator;
    g_auto(GStrv) ends = NULL;
    bool within = strcmp(operator, "within") == 0, good;
    double first = 0, last = 0;

    if (spec->metric == FAB_METRIC_BINDING)
        return read_class(file, group, spec, error);
    ends = g_strsplit(claim->threshold, within ? ".." : "\n", 2);
    good = g_strv_length(ends) == (within ? 2u : 1u) && fab_parse_quantity(ends[0], claim->unit, &first, error) &&
           (!within || fab_parse_quantity(ends[1], claim->unit, &last, error));
    if (good && within && last < first)
        good = false;
    if (!good) {
        if (error != NULL && *error == NULL)
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not two ends such as 6..8", claim->threshold);
        fab_keyfile_prefix_error(file, group, "threshold", error);
        return false;
    }
    spec->least = operator[0] == '<' ? -INFINITY : first;
    spec->most = within ? last : operator[0] == '>' ? INFINITY : first;
    return true;
}

static bool
read_range(FabKeyfile *file, const char *group, FabClaimSpec *spec, GError **error)
{
    const char *vary = fab_keyfile_get(file, group, "vary"), *values = fab_keyfile_get(file, group, "values");

    if ((vary == NULL) != (values == NULL)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] has %s, they belong together: vary=collective.sizes "
                    "and values=1M | 1G", fab_keyfile_path(file), group,
                    vary != NULL ? "vary and no values" : "values and no vary");
        return false;
    }
    spec->claim->vary = g_strdup(vary);
    spec->values = values != NULL ? fab_parse_values(values, error) : NULL;
    if (values == NULL || spec->values != NULL)
        return true;
    fab_keyfile_prefix_error(file, group, "values", error);
    return false;
}

/* ------------------------------------------------------------------ scenarios */

/* 0 to 3 for "a." to "d.", else -1. */
static int
side_of(const char *key)
{
    return key[0] >= 'a' && key[0] < 'a' + FAB_CLAIM_SIDES && key[1] == '.' ? key[0] - 'a' : -1;
}

/* Scenarios there must be when a key is of this one. */
static int
sides_with(int side)
{
    return side < 0 ? 1 : side < 2 ? 2 : FAB_CLAIM_SIDES;
}

void
fab_claim_add_set(FabClaimSpec *spec, const char *key, const char *value)
{
    int only = side_of(key);

    for (int i = 0; i < FAB_CLAIM_SIDES; i++) {
        if (only < 0 || only == i)
            g_ptr_array_add(spec->sets[i], g_strconcat(only < 0 ? key : key + 2, "=", value, NULL));
    }
    spec->sides = MAX(spec->sides, sides_with(only));
}

static bool
read_scenarios(FabKeyfile *file, const char *group, FabClaimSpec *spec, GError **error)
{
    g_auto(GStrv) all = fab_keyfile_keys(file, group);
    const char *base = fab_keyfile_get(file, group, "scenario");
    int sides = metric_kinds[spec->metric].sides;

    for (guint i = 0; all[i] != NULL; i++) {
        if (strchr(all[i], '.') != NULL)
            fab_claim_add_set(spec, all[i], fab_keyfile_get(file, group, all[i]));
    }
    spec->base = base != NULL ? g_strdup(base) : NULL;
    if (spec->claim->vary != NULL)
        spec->sides = MAX(spec->sides, sides_with(side_of(spec->claim->vary)));
    if (sides == spec->sides || spec->metric == FAB_METRIC_FACT)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s", fab_keyfile_path(file), group,
                sides == 4 ? "compares the gain of b over a with that of d over c, keys that tell them apart begin "
                             "with a., b., c. and d.: d.topology.name"
                : sides == 1 ? "has keys of two scenarios, but its metric is of one; metric=ratio compares two"
                : spec->sides == 1
                    ? "compares two scenarios, keys that tell them apart begin with a. and b.: a.topology.name"
                    : "has keys of c. or d., but its metric compares a and b; metric=gain_ratio compares four");
    return false;
}

static bool
check_keys(FabKeyfile *file, const char *group, GError **error)
{
    g_auto(GStrv) all = fab_keyfile_keys(file, group);

    for (guint i = 0; all[i] != NULL; i++) {
        if (strchr(all[i], '.') == NULL && !g_strv_contains(keys, all[i])) {
            g_autofree char *suggestion = fab_suggestion(all[i], keys);
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is not known%s, or a key of a scenario with "
                        "its group", fab_keyfile_path(file), group, all[i], suggestion);
            return false;
        }
    }
    return true;
}

FabClaimSpec *
fab_claim_spec_read(FabKeyfile *file, const char *group, GError **error)
{
    g_autoptr(FabClaimSpec) spec = spec_new(file, group);
    FabClaim *claim = spec->claim;
    int metric = 0, operator = 0;

    if (!check_keys(file, group, error) ||
        !need(file, group, "text", "the claim in one sentence", &claim->text, error) ||
        !need(file, group, "source", "who claims it", &claim->source, error) ||
        !need(file, group, "metric", "such as ratio, busbw or fact", &claim->metric, error) ||
        !need(file, group, "operator", ">=, <=, = or within", &claim->operator, error) ||
        !need(file, group, "threshold", "from which on the claim is true", &claim->threshold, error) ||
        !fab_keyfile_get_choice(file, group, "metric", metrics, &metric, error) ||
        !fab_keyfile_get_choice(file, group, "operator", operators, &operator, error))
        return NULL;
    claim->definition = definition_of(file, group);
    claim->measured = g_strdup(fab_keyfile_get(file, group, "measured"));
    spec->metric = (FabMetric)metric;
    claim->unit = metric_kinds[metric].unit;
    if (!read_fact(file, group, spec, error) || !read_threshold(file, group, spec, error) ||
        !read_range(file, group, spec, error) || !read_scenarios(file, group, spec, error))
        return NULL;
    return g_steal_pointer(&spec);
}
