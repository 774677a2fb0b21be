#include "scenario/background.h"

#include "base/error.h"
#include "base/units.h"

#define GROUP "background"
enum { MOST_FLOWS = 1000000 };

const char *const fab_background_keys[] = { "load", "flows", "rate", "seed", NULL };

static bool
read_all(FabKeyfile *file, FabBackground *background, GError **error)
{
    int64_t flows = 0, seed = 0;

    if (!fab_keyfile_get_quantity(file, GROUP, "load", "", 0, 0.95, &background->load, error) ||
        !fab_keyfile_get_integer(file, GROUP, "flows", 0, MOST_FLOWS, &flows, error) ||
        !fab_keyfile_get_quantity(file, GROUP, "rate", "B/s", 1, 1e15, &background->rate, error) ||
        !fab_keyfile_get_integer(file, GROUP, "seed", 0, UINT32_MAX, &seed, error))
        return false;
    background->flows = (uint32_t)flows;
    background->seed = (uint32_t)seed;
    if ((flows > 0) == (background->rate > 0) && (flows > 0 || background->load > 0))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] needs %s", fab_keyfile_path(file), GROUP,
                flows > 0              ? "rate, that of each of its flows: rate=5 GB/s"
                : background->rate > 0 ? "flows, how many have that rate: flows=64"
                                       : "load, the share of each cable between switches that others take (load=0.3), "
                                         "or flows and rate");
    return false;
}

bool
fab_background_read(FabKeyfile *file, FabBackground **background, GError **error)
{
    if (!fab_keyfile_has_group(file, GROUP))
        return true;
    *background = g_new0(FabBackground, 1);
    return read_all(file, *background, error);
}

char *
fab_background_describe(const FabBackground *background)
{
    GString *text = g_string_new(NULL);
    g_autofree char *rate = fab_format_rate(background->rate);
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    if (background->load > 0)
        g_string_append_printf(text, "%s %% of each cable between switches",
                               g_ascii_formatd(number, sizeof number, "%.4g", background->load * 100));
    if (background->flows > 0)
        g_string_append_printf(text, "%s%u flows of %s between random NICs, seed %u", text->len > 0 ? ", " : "",
                               background->flows, rate, background->seed);
    return g_string_free(text, FALSE);
}
