#include "study/claim.h"

#include <string.h>

#include "base/error.h"
#include "study/claim-private.h"
#include "study/turn.h"

const char *const fab_claim_verdict_names[] = { "supported", "refuted", "depends", "cannot be told", NULL };
const char *const fab_claim_state_names[] = { "yes", "no", "open", NULL };

FabClaimVerdict
fab_claim_verdict(GArray *points)
{
    guint count[3] = { 0, 0, 0 };

    for (guint i = 0; i < points->len; i++)
        count[g_array_index(points, FabClaimPoint, i).state]++;
    if (count[FAB_HOLDS] > 0 && count[FAB_FAILS] > 0)
        return FAB_CLAIM_DEPENDS;
    if (count[FAB_OPEN] > 0)
        return FAB_CLAIM_UNTOLD;
    return count[FAB_FAILS] > 0 ? FAB_CLAIM_REFUTED : FAB_CLAIM_SUPPORTED;
}

/* ------------------------------------------------------------------ where it turns */

static bool
is_true(const FabClaimSpec *spec, const FabClaimPoint *point)
{
    return point->value >= spec->least && point->value <= spec->most;
}

/* What the search asks. */
static bool
ask_claim(const char *value, bool *answer, void *user)
{
    FabClaimSpec *spec = user;
    FabClaimPoint point = { .condition = NULL };

    if (!fab_claim_measure(spec, value, &point, NULL))
        return false;
    *answer = is_true(spec, &point);
    return true;
}

/* NULL: the values have no order. */
static char *
search_turn(FabClaimSpec *spec, guint place)
{
    FabClaimPoint *below = &g_array_index(spec->claim->points, FabClaimPoint, place), *above = below + 1;
    g_auto(FabSpan) span = { .unit = NULL };
    g_autofree char *from = NULL, *to = NULL;

    if (!fab_span_parse(&span, spec->claim->vary, below->condition, above->condition))
        return fab_span_is_amount(below->condition) && fab_span_is_amount(above->condition)
                   ? g_strdup_printf("from %s to %s", below->condition, above->condition)
                   : NULL;
    fab_turn_search(&span, is_true(spec, below), ask_claim, spec);
    from = fab_span_shown(&span, span.low);
    to = fab_span_shown(&span, span.high);
    return g_strdup_printf("between %s and %s", from, to);
}

/* All crossings, in words. */
static char *
find_turns(FabClaimSpec *spec)
{
    GString *text = NULL;
    guint count = spec->claim->points->len;

    if (spec->metric == FAB_METRIC_FACT)
        return NULL;
    for (guint i = 0; i + 1 < count; i++) {
        const FabClaimPoint *point = &g_array_index(spec->claim->points, FabClaimPoint, i);
        if (is_true(spec, point) == is_true(spec, point + 1))
            continue;
        g_autofree char *turn = search_turn(spec, i);
        if (turn == NULL)
            continue;
        if (text == NULL)
            text = g_string_new(NULL);
        g_string_append_printf(text, "%s%s %s", text->len > 0 ? "; " : "",
                               is_true(spec, point) ? "no longer" : "true", turn);
    }
    return text != NULL ? g_string_free(text, FALSE) : NULL;
}

/* ------------------------------------------------------------------ judging */

static bool
judge(FabClaimSpec *spec, const char *group, GError **error)
{
    FabClaim *claim = spec->claim;

    for (guint i = 0; i == 0 || (spec->values != NULL && spec->values[i] != NULL); i++) {
        const char *value = spec->values != NULL ? spec->values[i] : NULL;
        FabClaimPoint point = { .condition = NULL };
        if (!fab_claim_measure(spec, value, &point, error)) {
            g_prefix_error(error, "%s: [%s]%s%s%s%s: ", claim->path, group, value != NULL ? " " : "",
                           value != NULL ? claim->vary : "", value != NULL ? "=" : "", value != NULL ? value : "");
            return false;
        }
        point.condition = g_strdup(value != NULL ? value : "");
        claim->inside += is_true(spec, &point);
        g_array_append_val(claim->points, point);
    }
    claim->verdict = fab_claim_verdict(claim->points);
    claim->turn = find_turns(spec);
    return true;
}

/* FabClaimSpec of every group, before any is judged. */
static GPtrArray *
read_all(FabKeyfile *file, GError **error)
{
    g_autoptr(GPtrArray) specs = g_ptr_array_new_with_free_func((GDestroyNotify)fab_claim_spec_free);
    g_auto(GStrv) groups = fab_keyfile_groups(file);

    for (guint i = 0; groups[i] != NULL; i++) {
        FabClaimSpec *spec = NULL;
        if (strcmp(groups[i], "claim") != 0 && !g_str_has_prefix(groups[i], "claim ")) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] is no claim, the groups of such a file are [claim "
                        "NAME]", fab_keyfile_path(file), groups[i]);
            return NULL;
        }
        spec = fab_claim_spec_read(file, groups[i], error);
        if (spec == NULL)
            return NULL;
        g_ptr_array_add(specs, spec);
    }
    if (specs->len > 0)
        return g_steal_pointer(&specs);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no [claim NAME]", fab_keyfile_path(file));
    return NULL;
}

static void
claim_free(void *pointer)
{
    FabClaimSpec *shell = g_new0(FabClaimSpec, 1);

    shell->claim = pointer;
    fab_claim_spec_free(shell);
}

GPtrArray *
fab_claims_judge(const char *path, FabProgress progress, void *user, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_load(path, error);
    g_autoptr(GPtrArray) specs = file != NULL ? read_all(file, error) : NULL;
    g_autoptr(GPtrArray) claims = g_ptr_array_new_with_free_func(claim_free);

    for (guint i = 0; specs != NULL && i < specs->len; i++) {
        FabClaimSpec *spec = specs->pdata[i];
        g_autofree char *group = g_strconcat("claim", spec->claim->id[0] != '\0' ? " " : "", spec->claim->id, NULL);
        if (progress != NULL)
            progress((double)i / specs->len, spec->claim->id, user);
        if (!judge(spec, group, error))
            return NULL;
        g_ptr_array_add(claims, g_steal_pointer(&spec->claim));
    }
    return specs != NULL ? g_steal_pointer(&claims) : NULL;
}
