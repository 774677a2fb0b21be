#include "scenario/trace.h"

#include <string.h>

#include "base/error.h"

#define GROUP "trace"

const char *const fab_trace_keys[] = { "files", "dependences", "precision", NULL };

/* Relative names are looked for beside the scenario, whichever file of them is there. */
static char *
beside(const char *scenario, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(scenario);

    return g_path_is_absolute(name) || strcmp(folder, ".") == 0 ? g_strdup(name)
                                                                : g_build_filename(folder, name, NULL);
}

bool
fab_trace_wish_read(FabKeyfile *file, FabTraceWish *wish, GError **error)
{
    static const char *const dependences[] = { "data", "all", NULL };
    const char *files = fab_keyfile_get(file, GROUP, "files");
    int all = 0, precision = FAB_PRECISION_BF16;

    if (files == NULL || files[0] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [trace] needs files, what comes before .0.et, .1.et, ... in their names",
                    fab_keyfile_path(file));
        return false;
    }
    if (!fab_keyfile_get_choice(file, GROUP, "dependences", dependences, &all, error) ||
        !fab_keyfile_get_choice(file, GROUP, "precision", fab_precision_names, &precision, error))
        return false;
    wish->files = beside(fab_keyfile_path(file), files);
    wish->all_dependences = all != 0;
    wish->precision = (FabPrecision)precision;
    return true;
}
