#include "scenario/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/keyfile.h"
#include "base/mix.h"
#include "base/units.h"
#include "scenario/find.h"
#include "scenario/scenario.h"
#include "scenario/sets.h"

#define GROUP "sweep"
/* More values of a key, or points, than anybody waits for. */
enum { MOST_VALUES = 100000, MOST_POINTS = 1000000 };
#define MOST_GRID (UINT64_C(1) << 60)

void
fab_sweep_free(FabSweep *sweep)
{
    if (sweep == NULL)
        return;
    for (uint32_t i = 0; i < sweep->axis_count; i++) {
        g_free(sweep->axes[i].key);
        g_strfreev(sweep->axes[i].values);
    }
    g_free(sweep->axes);
    g_free(sweep->sample);
    g_free(sweep->name);
    g_free(sweep->text);
    g_free(sweep);
}

/* ------------------------------------------------------------------ values */

typedef struct {
    double first, last, step;
    bool grows; /* by a factor, not by a difference */
    char *unit; /* " GB/s", or "" */
} Range;

static bool
parse_range(const char *text, Range *range)
{
    g_autoptr(GRegex) regex = g_regex_new("^([0-9.]+?)\\.\\.([0-9]+(?:\\.[0-9]+)?)(?:([+*])([0-9]+(?:\\.[0-9]+)?))?"
                                          "( ?[A-Za-z].*)?$", G_REGEX_DOLLAR_ENDONLY, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *first = NULL, *last = NULL, *sign = NULL, *step = NULL;

    if (!g_regex_match(regex, text, 0, &match))
        return false;
    first = g_match_info_fetch(match, 1);
    last = g_match_info_fetch(match, 2);
    sign = g_match_info_fetch(match, 3);
    step = g_match_info_fetch(match, 4);
    range->grows = g_strcmp0(sign, "*") == 0;
    range->step = 1;
    if (!fab_parse_quantity(first, "", &range->first, NULL) || !fab_parse_quantity(last, "", &range->last, NULL) ||
        (step != NULL && step[0] != '\0' && !fab_parse_quantity(step, "", &range->step, NULL)))
        return false;
    range->unit = g_match_info_fetch(match, 5);
    return true;
}

static bool
expand_range(const Range *range, const char *text, GPtrArray *values, GError **error)
{
    double count = range->grows ? log(range->last / range->first) / log(range->step)
                                : (range->last - range->first) / range->step;

    if (range->last < range->first || (range->grows ? range->first <= 0 || range->step <= 1 : range->step <= 0) ||
        count > MOST_VALUES) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a range such as 1..8, 100..400+50 Gb/s or "
                    "1..64*2: it grows from its first value to its last, in at most %d steps", text, MOST_VALUES);
        return false;
    }
    for (int i = 0; i <= (int)floor(count + 1e-9); i++) {
        char number[G_ASCII_DTOSTR_BUF_SIZE];
        double value = range->grows ? range->first * pow(range->step, i) : range->first + range->step * i;
        g_ascii_formatd(number, sizeof number, "%.12g", value);
        g_ptr_array_add(values, g_strconcat(number, range->unit, NULL));
    }
    return true;
}

char **
fab_parse_values(const char *text, GError **error)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(text, "|", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        char *part = g_strstrip(parts[i]);
        Range range = { .unit = NULL };
        bool good = true;
        if (part[0] == '\0') {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" has an empty value, values are written a | b | c",
                        text);
            return NULL;
        }
        if (g_regex_match_simple("^[0-9.]+ ?[A-Za-z][A-Za-z/]*\\.\\.[0-9]", part, 0, 0)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a range: its unit stands once, at the "
                        "end, such as 1..64*2 M or 100..400+50 Gb/s", part);
            return NULL;
        }
        if (parse_range(part, &range))
            good = expand_range(&range, part, values, error);
        else
            g_ptr_array_add(values, g_strdup(part));
        g_free(range.unit);
        if (!good)
            return NULL;
        if (values->len > MOST_VALUES) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "has more than %d values", MOST_VALUES);
            return NULL;
        }
    }
    if (values->len == 0) {
        g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, "is empty, values are written a | b | c or 1..8");
        return NULL;
    }
    g_ptr_array_add(values, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&values), FALSE);
}

/* ------------------------------------------------------------------ samples */

/* SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine. */
static uint64_t
next_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return fab_mix(*state);
}

static int
compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Floyd's sampling: for each j of the last `points` numbers, one up to j, or j itself when that one is taken. */
static void
draw_sample(FabSweep *sweep)
{
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    uint64_t state = sweep->seed, count = 0;

    sweep->sample = g_new(uint64_t, sweep->points);
    for (uint64_t j = sweep->grid - sweep->points; j < sweep->grid; j++) {
        uint64_t drawn = next_random(&state) % (j + 1);
        if (g_hash_table_contains(taken, &drawn))
            drawn = j;
        g_hash_table_add(taken, g_memdup2(&drawn, sizeof drawn));
        sweep->sample[count++] = drawn;
    }
    qsort(sweep->sample, sweep->points, sizeof *sweep->sample, compare_numbers);
}

/* ------------------------------------------------------------------ the group */

/* Without blanks around them. */
char **
fab_sweep_split(const char *text)
{
    char **parts = g_strsplit(text, "&", -1);

    for (guint i = 0; parts[i] != NULL; i++)
        g_strstrip(parts[i]);
    return parts;
}

/* Keys have their groups, and every value of several keys has as many parts. */
static bool
check_axis(const FabSweepAxis *axis, FabKeyfile *file, GError **error)
{
    g_auto(GStrv) keys = fab_sweep_split(axis->key);

    for (guint i = 0; keys[i] != NULL; i++) {
        if (g_str_has_prefix(keys[i], "goodput.")) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [sweep] %s changes no row: sweeps are of single steps; "
                        "use `fabricast run` or `fabricast compare` with each value", fab_keyfile_path(file), keys[i]);
            return false;
        }
        if (strchr(keys[i], '.') != NULL && !g_str_has_prefix(keys[i], "sweep."))
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [sweep] %s is not known; accepted: random, seed, and any key of a scenario with its group, "
                    "such as parallel.tp=1|2|4", fab_keyfile_path(file), keys[i]);
        return false;
    }
    for (uint32_t i = 0; i < axis->count; i++) {
        g_auto(GStrv) parts = fab_sweep_split(axis->values[i]);
        if (g_strv_length(parts) == g_strv_length(keys))
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" has %u parts, must have one for each of %u keys, "
                    "with & between them", axis->values[i], g_strv_length(parts), g_strv_length(keys));
        fab_keyfile_prefix_error(file, GROUP, axis->key, error);
        return false;
    }
    return true;
}

static bool
add_axis(FabSweep *sweep, FabKeyfile *file, const char *key, GError **error)
{
    const char *text = fab_keyfile_get(file, GROUP, key);
    FabSweepAxis *axis = &sweep->axes[sweep->axis_count];

    axis->values = fab_parse_values(text, error);
    if (axis->values == NULL) {
        fab_keyfile_prefix_error(file, GROUP, key, error);
        return false;
    }
    axis->key = g_strdup(key);
    axis->count = g_strv_length(axis->values);
    sweep->axis_count++;
    if (!check_axis(axis, file, error))
        return false;
    if (sweep->grid > MOST_GRID / axis->count) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [sweep] has more than 2^60 combinations",
                    fab_keyfile_path(file));
        return false;
    }
    sweep->grid *= axis->count;
    return true;
}

static bool
set_points(FabSweep *sweep, FabKeyfile *file, GError **error)
{
    int64_t random = 0, seed = 1;

    if (!fab_keyfile_get_integer(file, GROUP, "random", 1, MOST_POINTS, &random, error) ||
        !fab_keyfile_get_integer(file, GROUP, "seed", 0, INT64_MAX, &seed, error))
        return false;
    if (sweep->axis_count == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: needs a [sweep] with keys to vary, such as "
                    "collective.ranks=2..8", fab_keyfile_path(file));
        return false;
    }
    if (random == 0 && sweep->grid > MOST_POINTS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [sweep] has %" G_GUINT64_FORMAT " combinations, at most %d "
                    "are run; random=1000 takes a sample", fab_keyfile_path(file), sweep->grid, MOST_POINTS);
        return false;
    }
    sweep->seed = (uint64_t)seed;
    sweep->points = random > 0 ? MIN((uint64_t)random, sweep->grid) : sweep->grid;
    if (sweep->points < sweep->grid)
        draw_sample(sweep);
    return true;
}

static bool
check_sets(const FabSweep *sweep, char *const *sets, GError **error)
{
    bool good = true;

    for (uint32_t i = 0; i < sweep->axis_count && good; i++) {
        g_auto(GStrv) keys = fab_sweep_split(sweep->axes[i].key);
        for (guint k = 0; keys[k] != NULL && good; k++)
            good = fab_scenario_refuse_set(sets, keys[k], "[" GROUP "]", error);
    }
    return good;
}

/* NULL where `file` is. */
static FabSweep *
read_sweep(FabKeyfile *file, char *name, char *const *sets, GError **error)
{
    g_autoptr(FabSweep) sweep = g_new0(FabSweep, 1);
    g_auto(GStrv) keys = file != NULL ? fab_keyfile_keys(file, GROUP) : NULL;

    sweep->name = name;
    if (file == NULL)
        return NULL;
    sweep->grid = 1;
    sweep->axes = g_new0(FabSweepAxis, g_strv_length(keys) + 1);
    sweep->text = fab_keyfile_text(file);
    for (guint i = 0; keys[i] != NULL; i++) {
        if (strcmp(keys[i], "random") != 0 && strcmp(keys[i], "seed") != 0 && !add_axis(sweep, file, keys[i], error))
            return NULL;
    }
    return check_sets(sweep, sets, error) && set_points(sweep, file, error) ? g_steal_pointer(&sweep) : NULL;
}

FabSweep *
fab_sweep_load(const char *path, char *const *sets, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_scenario_open(path, sets, error);

    return read_sweep(file, fab_scenario_name_of(path), sets, error);
}

FabSweep *
fab_sweep_parse(const char *path, const char *name, const char *text, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_parse(path, text, error);

    return read_sweep(file, g_strdup(name), NULL, error);
}

const char *
fab_sweep_value(const FabSweep *sweep, uint64_t point, uint32_t axis)
{
    uint64_t number = sweep->sample != NULL ? sweep->sample[point] : point;

    for (uint32_t i = sweep->axis_count - 1; i > axis; i--)
        number /= sweep->axes[i].count;
    return sweep->axes[axis].values[number % sweep->axes[axis].count];
}

static void
add_settings(GPtrArray *settings, const FabSweepAxis *axis, const char *value)
{
    g_auto(GStrv) keys = fab_sweep_split(axis->key);
    g_auto(GStrv) values = fab_sweep_split(value);

    for (guint k = 0; keys[k] != NULL; k++)
        g_ptr_array_add(settings, g_strconcat(keys[k], "=", values[k], NULL));
}

char **
fab_sweep_settings(const FabSweep *sweep, uint64_t point)
{
    GPtrArray *settings = g_ptr_array_new();

    for (uint32_t i = 0; i < sweep->axis_count; i++)
        add_settings(settings, &sweep->axes[i], fab_sweep_value(sweep, point, i));
    g_ptr_array_add(settings, NULL);
    return (char **)g_ptr_array_free(settings, FALSE);
}

char **
fab_sweep_settings_with(const FabSweep *sweep, uint32_t axis, uint32_t value)
{
    GPtrArray *settings = g_ptr_array_new();

    for (uint32_t i = 0; i < sweep->axis_count; i++)
        add_settings(settings, &sweep->axes[i], sweep->axes[i].values[i == axis ? value : 0]);
    g_ptr_array_add(settings, NULL);
    return (char **)g_ptr_array_free(settings, FALSE);
}
