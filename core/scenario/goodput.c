#include "scenario/goodput.h"

#include <string.h>

#include "base/error.h"
#include "base/units.h"

#define GROUP "goodput"
#define HOUR 3600.0
#define DAY 86400.0
#define LONGEST (1e6 * DAY)

const char *const fab_part_names[] = { "gpu", "nic", "node", NULL };
const char *const fab_goodput_keys[] = { "gpu_mtbf", "nic_mtbf", "node_mtbf", "checkpoint_write", "storage_rate",
                                         "checkpoint_bytes", "checkpoint_interval", "detection", "restart", "repair",
                                         "spares", "replaced", "period", "source", NULL };

void
fab_goodput_spec_free(FabGoodputSpec *spec)
{
    if (spec == NULL)
        return;
    g_free(spec->source);
    g_free(spec);
}

/* "30 s", "20 min", "50000 h", "30 d". */
static bool
read_duration(FabKeyfile *file, const char *key, double *seconds, GError **error)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = { { "s", 1 }, { "min", 60 }, { "h", HOUR }, { "d", DAY } };
    const char *text = fab_keyfile_get(file, GROUP, key);

    for (gsize i = 0; text != NULL && i < G_N_ELEMENTS(units); i++) {
        double number;
        if (!fab_parse_quantity(text, units[i].unit, &number, NULL))
            continue;
        if (number >= 0 && number * units[i].factor <= LONGEST) {
            *seconds = number * units[i].factor;
            return true;
        }
    }
    if (text == NULL)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "\"%.60s\" is not a time up to a million days such as 30 s, 20 min, 50000 h or 30 d", text);
    fab_keyfile_prefix_error(file, GROUP, key, error);
    return false;
}

/* A time for which 0 has no meaning: nobody may take it for "not given". */
static bool
read_above_zero(FabKeyfile *file, const char *key, double *seconds, GError **error)
{
    if (!read_duration(file, key, seconds, error))
        return false;
    if (fab_keyfile_get(file, GROUP, key) == NULL || *seconds > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "is %s, must be above 0", fab_keyfile_get(file, GROUP, key));
    fab_keyfile_prefix_error(file, GROUP, key, error);
    return false;
}

static bool
read_rates(FabKeyfile *file, FabGoodputSpec *spec, GError **error)
{
    bool any = false;

    for (int i = 0; i < FAB_PART_KINDS; i++) {
        g_autofree char *key = g_strconcat(fab_part_names[i], "_mtbf", NULL);
        if (!read_above_zero(file, key, &spec->mtbf[i], error))
            return false;
        any = any || spec->mtbf[i] > 0;
    }
    spec->source = g_strdup(fab_keyfile_get(file, GROUP, "source"));
    if (any && spec->source != NULL && spec->source[0] != '\0')
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] needs %s", fab_keyfile_path(file), GROUP,
                any ? "source, where the rates come from"
                    : "the mean time between failures of one GPU, NIC or node: gpu_mtbf=50000 h");
    return false;
}

static bool
read_checkpoints(FabKeyfile *file, FabGoodputSpec *spec, GError **error)
{
    const char *interval = fab_keyfile_get(file, GROUP, "checkpoint_interval");

    if (!read_above_zero(file, "checkpoint_write", &spec->write, error) ||
        !fab_keyfile_get_quantity(file, GROUP, "storage_rate", "B/s", 1, 1e18, &spec->storage_rate, error) ||
        !fab_keyfile_get_quantity(file, GROUP, "checkpoint_bytes", "B", 1, 1e18, &spec->bytes, error))
        return false;
    if (interval != NULL && strcmp(interval, "auto") != 0 &&
        !read_above_zero(file, "checkpoint_interval", &spec->interval, error))
        return false;
    if (spec->write > 0 && spec->storage_rate > 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [%s] has both checkpoint_write, for which a step waits, and storage_rate, by which its bytes "
                    "are divided; leave one out", fab_keyfile_path(file), GROUP);
        return false;
    }
    if (spec->storage_rate > 0 || (spec->write > 0 && spec->bytes == 0))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [%s] needs one of checkpoint_write, for which a step waits, and storage_rate%s",
                fab_keyfile_path(file), GROUP,
                spec->bytes > 0 ? ", to which checkpoint_bytes belongs" : ", which its bytes are divided by");
    return false;
}

static bool
read_repair(FabKeyfile *file, FabGoodputSpec *spec, GError **error)
{
    int64_t spares = 0;
    bool given = fab_keyfile_get(file, GROUP, "spares") != NULL || fab_keyfile_get(file, GROUP, "replaced") != NULL;

    if (!read_duration(file, "repair", &spec->repair, error) ||
        !fab_keyfile_get_integer(file, GROUP, "spares", 0, 100000, &spares, error) ||
        !fab_keyfile_get_quantity(file, GROUP, "replaced", "", 0, 1, &spec->replaced, error))
        return false;
    spec->spares = (uint32_t)spares;
    if (!given || spec->repair > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [%s] needs repair, how long a node is away, for spares and replaced: repair=24 h",
                fab_keyfile_path(file), GROUP);
    return false;
}

static bool
read_all(FabKeyfile *file, FabGoodputSpec *spec, GError **error)
{
    const char *wrong = NULL;

    spec->replaced = 1;
    spec->restart = -1;
    spec->period = 30 * DAY;
    if (!read_rates(file, spec, error) || !read_checkpoints(file, spec, error) ||
        !read_duration(file, "detection", &spec->detection, error) ||
        !read_duration(file, "restart", &spec->restart, error) || !read_repair(file, spec, error) ||
        !read_duration(file, "period", &spec->period, error))
        return false;
    if (spec->restart < 0)
        wrong = "restart, from when a failure is noticed until work goes on: restart=5 min";
    else if (spec->period <= 0)
        wrong = "a period above 0: period=30 d";
    if (wrong == NULL)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] needs %s", fab_keyfile_path(file), GROUP, wrong);
    return false;
}

bool
fab_goodput_read(FabKeyfile *file, FabGoodputSpec **spec, GError **error)
{
    if (!fab_keyfile_has_group(file, GROUP))
        return true;
    *spec = g_new0(FabGoodputSpec, 1);
    return read_all(file, *spec, error);
}
