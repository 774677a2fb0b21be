#include "study/break-even.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "scenario/sets.h"
#include "study/turn.h"

/* Values looked at before the search: whole numbers by doubling, as layouts and batches often need them. */
enum { MOST_VALUES = 12, OTHER_VALUES = 7 };

/* Two scenarios and the key. */
typedef struct {
    const char *paths[2];
    char *const *sets;
    const char *key; /* without the letter */
    bool of[2];      /* whose key it is */
    FabBreakEven *even;
    FabBreakPair *pair;
    bool thrift;     /* what the search asks: cheaper, else faster */
} Bench;

static void
point_free(void *pointer)
{
    FabBreakPoint *point = pointer;

    g_free(point->value);
    g_free(point->shown);
    g_free(point);
}

static void
pair_free(void *pointer)
{
    FabBreakPair *pair = pointer;

    g_free(pair->name);
    g_free(pair->basis);
    g_ptr_array_unref(pair->points);
    g_ptr_array_unref(pair->faster);
    g_ptr_array_unref(pair->cheaper);
    g_free(pair);
}

void
fab_break_even_free(FabBreakEven *even)
{
    if (even == NULL)
        return;
    g_free(even->key);
    g_free(even->low);
    g_free(even->high);
    g_free(even->first);
    g_free(even->reason);
    g_clear_pointer(&even->pairs, g_ptr_array_unref);
    g_free(even);
}

/* ------------------------------------------------------------------ one value */

static FabScenario *
load_side(const Bench *bench, int side, const char *value, GError **error)
{
    g_autofree char *set = g_strdup_printf("%s=%s", bench->key, value);
    g_autoptr(GPtrArray) sets = g_ptr_array_new();

    for (guint i = 0; bench->sets != NULL && bench->sets[i] != NULL; i++)
        g_ptr_array_add(sets, bench->sets[i]);
    if (bench->of[side])
        g_ptr_array_add(sets, set);
    g_ptr_array_add(sets, NULL);
    return fab_scenario_load(bench->paths[side], (char *const *)sets->pdata, error);
}

/* The cost of a unit of work is the seconds times what one costs: its ratio is that of the speed, scaled. */
static FabRatio
scaled(FabRatio ratio, double factor)
{
    ratio.value *= factor;
    ratio.low *= factor;
    ratio.high *= factor;
    return ratio;
}

static void
note_basis(Bench *bench, const FabComparison *comparison)
{
    const FabOutcome *a = comparison->outcomes->pdata[0], *b = comparison->outcomes->pdata[1];
    const char *common = comparison->bases->pdata[1];
    FabRatio ratio = g_array_index(comparison->pairs, FabRatio, 1);

    if (bench->pair->basis != NULL)
        return;
    if (bench->even->first == NULL)
        bench->even->first = g_strdup(a->name);
    bench->pair->name = g_strdup(b->name);
    bench->pair->guessed = (a->guessed || b->guessed) && fab_speed_verdict(&ratio) != FAB_VERDICT_SAME;
    bench->pair->basis = common != NULL                           ? g_strdup(common)
                         : strcmp(a->interval, b->interval) == 0 ? g_strdup(a->interval)
                                                                  : g_strdup_printf("%s; %s", a->interval, b->interval);
}

static bool
measure(Bench *bench, const char *value, FabBreakPoint *point, GError **error)
{
    g_autoptr(GPtrArray) scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free);
    g_autoptr(FabComparison) comparison = NULL;
    const FabOutcome *a, *b;

    for (int side = 0; side < 2; side++) {
        FabScenario *scenario = load_side(bench, side, value, error);
        if (scenario == NULL)
            return false;
        g_ptr_array_add(scenarios, scenario);
    }
    comparison = fab_compare(scenarios, NULL, NULL, error);
    if (comparison == NULL)
        return false;
    if (comparison->sizes->len != 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: has %u sizes, a break-even is looked for at one: --set "
                    "sizes=256M", bench->paths[0], comparison->sizes->len);
        return false;
    }
    a = comparison->outcomes->pdata[0];
    b = comparison->outcomes->pdata[1];
    point->possible = true;
    point->speed = fab_comparison_ratio(comparison, 1, g_array_index(comparison->sizes, uint64_t, 0));
    if (a->per_second > 0 && b->per_second > 0)
        point->thrift = scaled(point->speed, a->per_second / b->per_second);
    note_basis(bench, comparison);
    return true;
}

static bool
answer(const Bench *bench, const FabBreakPoint *point)
{
    return (bench->thrift ? point->thrift.value : point->speed.value) > 1;
}

static bool
ask(const char *value, bool *yes, void *user)
{
    Bench *bench = user;
    FabBreakPoint point = { .value = NULL };

    if (!measure(bench, value, &point, NULL))
        return false;
    *yes = answer(bench, &point);
    return true;
}

/* ------------------------------------------------------------------ all values */

/* Three digits say it as well. */
static double
rounded(double number)
{
    double unit = pow(10, floor(log10(number)) - 2);

    return round(number / unit) * unit;
}

/* Whole numbers by a power of two, others in equal steps of the ratio; both ends are among them. Texts. */
static GPtrArray *
list_values(const FabSpan *span)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
    double ratio = span->high / span->low, factor = 2, number = span->low;

    while (span->whole && log(ratio) / log(factor) > MOST_VALUES - 1)
        factor *= 2;
    if (!span->whole)
        factor = pow(ratio, 1.0 / (OTHER_VALUES - 1));
    for (; number < span->high * (1 - 1e-3); number *= factor)
        g_ptr_array_add(values, fab_span_value(span, span->whole || number == span->low ? number : rounded(number)));
    g_ptr_array_add(values, fab_span_value(span, span->high));
    return values;
}

/* What the points do not say, the search between two of them that differ does. */
static void
find_turns(Bench *bench, const char *key, const char *word, GPtrArray *turns)
{
    const FabBreakPoint *before = NULL;

    for (guint i = 0; i < bench->pair->points->len; i++) {
        const FabBreakPoint *point = bench->pair->points->pdata[i];
        g_auto(FabSpan) span = { .unit = NULL };
        g_autofree char *from = NULL, *to = NULL;
        const FabBreakPoint *last = before;
        if (!point->possible)
            continue;
        before = point;
        if (last == NULL || answer(bench, last) == answer(bench, point) ||
            !fab_span_parse(&span, key, last->value, point->value))
            continue;
        fab_turn_search(&span, answer(bench, last), ask, bench);
        from = fab_span_shown(&span, span.low);
        to = fab_span_shown(&span, span.high);
        g_ptr_array_add(turns, g_strdup_printf("%s%s between %s and %s", answer(bench, last) ? "no longer " : "", word,
                                               from, to));
    }
}

/* A value that is not possible is passed over; what has nothing to do with the value ends it. */
static bool
run_pair(Bench *bench, const FabSpan *span, GPtrArray *values, GError **error)
{
    FabBreakEven *even = bench->even;
    bool priced = true;

    for (guint i = 0; i < values->len; i++) {
        FabBreakPoint *point = g_new0(FabBreakPoint, 1);
        g_autoptr(GError) wrong = NULL;
        point->value = g_strdup(values->pdata[i]);
        point->shown = fab_span_shown(span, g_ascii_strtod(point->value, NULL));
        g_ptr_array_add(bench->pair->points, point);
        if (measure(bench, point->value, point, &wrong)) {
            priced = priced && point->thrift.value > 0;
            continue;
        }
        if (!g_error_matches(wrong, FAB_ERROR, FAB_ERROR_VALUE)) {
            g_propagate_error(error, g_steal_pointer(&wrong));
            return false;
        }
        even->impossible++;
        if (even->reason == NULL)
            even->reason = g_strdup(wrong->message);
    }
    find_turns(bench, bench->key, "faster", bench->pair->faster);
    bench->thrift = true;
    if (priced)
        find_turns(bench, bench->key, "cheaper", bench->pair->cheaper);
    return true;
}

/* ------------------------------------------------------------------ what was asked */

/* "1:10 USD/h" is "1 USD/h" and "10 USD/h". */
static bool
parse_what(const char *what, FabBreakEven *even, FabSpan *span, GError **error)
{
    g_auto(GStrv) sides = g_strsplit(what, "=", 2);
    g_auto(GStrv) ends = g_strsplit(g_strv_length(sides) == 2 ? sides[1] : "", ":", -1);
    const char *key = g_strv_length(sides) == 2 ? g_strstrip(sides[0]) : "";
    const char *unit;

    if (strchr(key, '.') == NULL || g_strv_length(ends) != 2) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --break-even is \"%.60s\", must be a key with "
                    "its range, such as training.global_batch=8:512 or b.price.gpu_hour=1:10 USD/h", what);
        return false;
    }
    even->key = g_strdup(key);
    even->low = g_strdup(g_strstrip(ends[0]));
    even->high = g_strdup(g_strstrip(ends[1]));
    unit = even->high + strspn(even->high, "0123456789.");
    if (strspn(even->low, "0123456789.") == strlen(even->low) && !g_str_has_suffix(key, "sizes")) {
        char *low = g_strconcat(even->low, unit, NULL);
        g_free(even->low);
        even->low = low;
    }
    if (fab_span_parse(span, key, even->low, even->high))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --break-even: \"%.60s\" is not a range from a lower "
                "to a higher number above 0, both with one unit", sides[1]);
    return false;
}

/* "b.price.gpu_hour" is of the second scenario; 0 in *number: of all. False: there are not so many. */
static bool
whose(const char *key, guint count, guint *number, GError **error)
{
    bool single = key[1] == '.' && g_ascii_islower(key[0]);

    *number = single ? (guint)(key[0] - 'a') + 1 : 0;
    if (*number <= count)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --break-even: %.60s is of scenario %c, there are %u",
                key, g_ascii_toupper(key[0]), count);
    return false;
}

static bool
any_possible(const FabBreakEven *even)
{
    for (guint i = 0; i < even->pairs->len; i++) {
        if (((const FabBreakPair *)even->pairs->pdata[i])->name != NULL)
            return true;
    }
    return false;
}

static FabBreakPair *
pair_new(FabBreakEven *even)
{
    FabBreakPair *pair = g_new0(FabBreakPair, 1);

    pair->points = g_ptr_array_new_with_free_func(point_free);
    pair->faster = g_ptr_array_new_with_free_func(g_free);
    pair->cheaper = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(even->pairs, pair);
    return pair;
}

FabBreakEven *
fab_break_even(char *const *paths, guint count, char *const *sets, const char *what, FabProgress progress, void *user,
               GError **error)
{
    g_autoptr(FabBreakEven) even = g_new0(FabBreakEven, 1);
    g_autoptr(GPtrArray) values = NULL;
    g_auto(FabSpan) span = { .unit = NULL };
    guint number;

    even->pairs = g_ptr_array_new_with_free_func(pair_free);
    if (!parse_what(what, even, &span, error) || !whose(even->key, count, &number, error))
        return NULL;
    if (number == 0 && !fab_scenario_refuse_set(sets, even->key, "--break-even", error))
        return NULL;
    values = list_values(&span);
    for (guint i = 1; i < count; i++) {
        Bench bench = { .paths = { paths[0], paths[i] }, .sets = sets, .key = even->key + (number > 0 ? 2 : 0),
                        .of = { number == 0 || number == 1, number == 0 || number == i + 1 } };
        bench.even = even;
        bench.pair = pair_new(even);
        if (progress != NULL)
            progress((double)(i - 1) / (count - 1), paths[i], user);
        if (!run_pair(&bench, &span, values, error))
            return NULL;
    }
    if (any_possible(even))
        return g_steal_pointer(&even);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "no value of %s from %s to %s is possible: %s", even->key, even->low,
                even->high, even->reason);
    return NULL;
}
