#include "collective/overlay.h"

#include <string.h>

#include "base/error.h"
#include "base/keyfile.h"
#include "base/units.h"
#include "fabricast-config.h"

#define GROUP "calibration"
#define INTERVAL "_interval"

/* Provenance: what the writer puts there and people may read. */
static const char *const facts[] = {
    "format", "title", "date", "program", "measurements", "machines", "cases", "rows", "bands", "error_before",
    "error_after", "note", "keys", NULL,
};

/* ------------------------------------------------------------------ one value */

static const char *
base_unit(const FabConstant *constant)
{
    return strcmp(constant->unit, "us") == 0 ? "s" : strcmp(constant->unit, "GB/s") == 0 ? "B/s" : "";
}

/* The nearest number of 12 digits: 0.2 us is read as 2e-7 s, and must come back as 0.2 and not just below. */
static double
in_own_unit(const FabConstant *constant, double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    if (strcmp(constant->unit, "us") == 0)
        value *= 1e6;
    else if (strcmp(constant->unit, "GB/s") == 0)
        value /= 1e9;
    return g_ascii_strtod(g_ascii_formatd(digits, sizeof digits, "%.12g", value), NULL);
}

static bool
parse_value(const FabConstant *constant, const char *text, double *value, GError **error)
{
    g_autofree char *low = fab_constant_format(constant, constant->low);
    g_autofree char *high = fab_constant_format(constant, constant->high);

    if (!fab_parse_quantity(text, base_unit(constant), value, error))
        return false;
    *value = in_own_unit(constant, *value);
    if (*value >= constant->low && *value <= constant->high)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%.60s is not plausible, must be between %s and %s", text, low,
                high);
    return false;
}

static bool
check_interval(const FabConstant *constant, const char *text, double value, GError **error)
{
    g_auto(GStrv) ends = g_strsplit(text, ";", -1);
    double low, high;

    if (g_strv_length(ends) != 2) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not an interval, write LOW;HIGH", text);
        return false;
    }
    if (!parse_value(constant, g_strstrip(ends[0]), &low, error) ||
        !parse_value(constant, g_strstrip(ends[1]), &high, error))
        return false;
    if (low <= value && value <= high)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%.60s does not hold the value, %s", text, constant->key);
    return false;
}

/* ------------------------------------------------------------------ intervals */

/* "interval nvswitch/ring/hopper". Owned by the caller. */
static char *
interval_group(const FabKind *kind)
{
    g_autofree char *text = fab_kind_format(kind);

    return g_strconcat("interval ", text, NULL);
}

static bool
next_kind(FabKind *kind)
{
    if (++kind->generation < FAB_GENERATIONS)
        return true;
    kind->generation = 0;
    kind->family = (FabFamily)((kind->family + 1) % FAB_FAMILIES);
    if (kind->family == 0)
        kind->connection = (FabConnection)(kind->connection + 1);
    return kind->connection < FAB_CONNECTIONS;
}

/* "-8 %;-5 %;-2 %": one for each band. */
static bool
read_ends(FabKeyfile *file, const char *group, const char *key, double least, double most, double *ends,
          GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ";", -1);
    bool good = g_strv_length(parts) == FAB_BANDS;

    for (int b = 0; b < FAB_BANDS && good; b++) {
        char *percent = strchr(parts[b], '%'), *end;
        if (percent != NULL)
            *percent = '\0';
        g_strstrip(parts[b]);
        ends[b] = g_ascii_strtod(parts[b], &end) / 100;
        good = percent != NULL && end != parts[b] && *end == '\0' && ends[b] >= least && ends[b] <= most;
    }
    if (good)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "is \"%.60s\", must be three shares of the time from %g %% to %g %%, for below 64 KiB, to "
                "8 MiB and from 8 MiB: %s", text != NULL ? text : "", 100 * least, 100 * most,
                least < 0 ? "-8 %;-5 %;-2 %" : "12 %;9 %;3 %");
    fab_keyfile_prefix_error(file, group, key, error);
    return false;
}

static bool
read_interval(FabKeyfile *file, const FabKind *kind, FabOverlay *overlay, GError **error)
{
    g_autofree char *group = interval_group(kind);
    FabOverlayInterval interval = { .kind = *kind, .cases = 1 };

    if (!fab_keyfile_has_group(file, group))
        return true;
    if (!read_ends(file, group, "low", -0.999, 0, interval.low, error) ||
        !read_ends(file, group, "high", 0, 1000, interval.high, error) ||
        !fab_keyfile_get_integer(file, group, "cases", 1, 1000000, &interval.cases, error))
        return false;
    g_array_append_val(overlay->intervals, interval);
    return true;
}

static void
accept_intervals(FabKeyfile *file)
{
    FabKind kind = { FAB_CONNECTION_SWITCH, FAB_FAMILY_RING, 0 };

    do {
        g_autofree char *group = interval_group(&kind);
        fab_keyfile_accept(file, group, "low");
        fab_keyfile_accept(file, group, "high");
        fab_keyfile_accept(file, group, "cases");
    } while (next_kind(&kind));
}

static bool
read_intervals(FabKeyfile *file, FabOverlay *overlay, GError **error)
{
    FabKind kind = { FAB_CONNECTION_SWITCH, FAB_FAMILY_RING, 0 };
    bool good;

    do {
        good = read_interval(file, &kind, overlay, error);
    } while (good && next_kind(&kind));
    return good;
}

/* ------------------------------------------------------------------ the file */

static bool
read_constant(FabKeyfile *file, const char *group, const FabConstant *constant, FabOverlay *overlay, GError **error)
{
    g_autofree char *key = g_strconcat(constant->key, INTERVAL, NULL);
    const char *text = fab_keyfile_get(file, group, constant->key), *interval = fab_keyfile_get(file, group, key);
    double *value = fab_constants_find(&overlay->constants, group, constant->key);

    if (text != NULL && !parse_value(constant, text, value, error)) {
        fab_keyfile_prefix_error(file, group, constant->key, error);
        return false;
    }
    if (interval != NULL && (text == NULL || !check_interval(constant, interval, *value, error))) {
        if (text == NULL)
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "has no value beside it, write %s=...", constant->key);
        fab_keyfile_prefix_error(file, group, key, error);
        return false;
    }
    overlay->count += text != NULL;
    return true;
}

static bool
read_format(FabKeyfile *file, GError **error)
{
    int64_t format = 0;

    if (fab_keyfile_get(file, GROUP, "format") == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: is no calibration, [calibration] format=%d is missing",
                    fab_keyfile_path(file), FAB_OVERLAY_FORMAT);
        return false;
    }
    if (!fab_keyfile_get_integer(file, GROUP, "format", 1, INT32_MAX, &format, error))
        return false;
    if (format == FAB_OVERLAY_FORMAT)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [calibration] format is %d, must be %d: another version of fabricast wrote it; fit it again with "
                "this one", fab_keyfile_path(file), (int)format, FAB_OVERLAY_FORMAT);
    return false;
}

/* "fabricast 0.2.0" as a number that grows with the version; -1: something else. */
static int64_t
version_of(const char *program)
{
    g_auto(GStrv) words = g_strsplit(program, " ", 2);
    g_auto(GStrv) parts = g_strsplit(g_strv_length(words) == 2 ? words[1] : "", ".", 3);
    int64_t version = 0;

    if (g_strv_length(parts) != 3 || strcmp(words[0], "fabricast") != 0)
        return -1;
    for (int i = 0; i < 3; i++) {
        int64_t part;
        if (!fab_parse_integer(parts[i], &part, NULL) || part < 0 || part > 9999)
            return -1;
        version = 10000 * version + part;
    }
    return version;
}

/* Constants of a later version may mean what this one does not know. */
static bool
check_program(FabKeyfile *file, GError **error)
{
    const char *program = fab_keyfile_get(file, GROUP, "program");

    if (program == NULL || version_of(program) <= version_of("fabricast " FAB_VERSION))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [calibration] program is %.60s, this is " FAB_VERSION ": use "
                "that version, or fit it again with this one", fab_keyfile_path(file), program);
    return false;
}

/* The writer says how many keys all other groups have, so that a file that was cut is no smaller one. */
static bool
check_whole(FabKeyfile *file, GError **error)
{
    g_auto(GStrv) groups = fab_keyfile_groups(file);
    int64_t keys = -1, found = 0;

    if (!fab_keyfile_get_integer(file, GROUP, "keys", 0, INT32_MAX, &keys, error))
        return false;
    for (guint i = 0; groups[i] != NULL; i++) {
        g_auto(GStrv) names = strcmp(groups[i], GROUP) != 0 ? fab_keyfile_keys(file, groups[i]) : NULL;
        found += names != NULL ? g_strv_length(names) : 0;
    }
    if (keys < 0 || keys == found)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [calibration] keys is %d, the other groups have %d: the file "
                "was cut or changed; copy it again, or leave the key out", fab_keyfile_path(file), (int)keys,
                (int)found);
    return false;
}

/* Declares all words first, so that a misspelt one is found before a value is. */
static bool
check_words(FabKeyfile *file, GError **error)
{
    for (int i = 0; facts[i] != NULL; i++)
        fab_keyfile_accept(file, GROUP, facts[i]);
    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++) {
            g_autofree char *interval = g_strconcat(one->key, INTERVAL, NULL);
            fab_keyfile_accept(file, fab_constant_groups[g], one->key);
            fab_keyfile_accept(file, fab_constant_groups[g], interval);
        }
    }
    accept_intervals(file);
    return fab_keyfile_finish(file, error);
}

static FabOverlay *
read_overlay(FabKeyfile *file, GError **error)
{
    g_autoptr(FabOverlay) overlay = g_new0(FabOverlay, 1);

    if (!read_format(file, error) || !check_program(file, error) || !check_words(file, error) ||
        !check_whole(file, error))
        return NULL;
    overlay->path = g_strdup(fab_keyfile_path(file));
    overlay->title = g_strdup(fab_keyfile_get(file, GROUP, "title"));
    overlay->constants = *fab_constants_shipped();
    overlay->intervals = g_array_new(FALSE, FALSE, sizeof(FabOverlayInterval));
    if (!read_intervals(file, overlay, error))
        return NULL;
    for (int g = 0; fab_constant_groups[g] != NULL; g++) {
        for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++) {
            if (!read_constant(file, fab_constant_groups[g], one, overlay, error))
                return NULL;
        }
    }
    if (overlay->count > 0)
        return g_steal_pointer(&overlay);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: sets no constant, a group such as [hopper] with ll_round_us=0.5 us is needed", overlay->path);
    return NULL;
}

FabOverlay *
fab_overlay_load(const char *path, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_load(path, error);

    return file != NULL ? read_overlay(file, error) : NULL;
}

FabOverlay *
fab_overlay_parse(const char *path, const char *text, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_parse(path, text, error);

    return file != NULL ? read_overlay(file, error) : NULL;
}

void
fab_overlay_free(FabOverlay *overlay)
{
    if (overlay == NULL)
        return;
    g_free(overlay->path);
    g_free(overlay->title);
    g_clear_pointer(&overlay->intervals, g_array_unref);
    g_free(overlay);
}
