#include "cli/measurements.h"

#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "measure/measurement.h"

static bool
add_file(GPtrArray *measurements, GHashTable *seen, const char *path, GError **error)
{
    FabMeasurement *measurement;

    if (!g_hash_table_add(seen, g_strdup(path)))
        return true;
    measurement = fab_measurement_load(path, error);
    if (measurement != NULL)
        g_ptr_array_add(measurements, measurement);
    return measurement != NULL;
}

static bool
add_folder(GPtrArray *measurements, GHashTable *seen, const char *folder, GError **error)
{
    g_auto(GStrv) ids = fab_measurement_list(folder, error);

    for (guint i = 0; ids != NULL && ids[i] != NULL; i++) {
        g_autofree char *name = g_strconcat(ids[i], ".ini", NULL);
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (!add_file(measurements, seen, path, error))
            return false;
    }
    if (ids != NULL && ids[0] == NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: holds no measurement, those are files that end in .ini",
                    folder);
    return ids != NULL && ids[0] != NULL;
}

/* An id of the open set. */
static bool
add_id(GPtrArray *measurements, GHashTable *seen, const char *id, GError **error)
{
    g_autofree char *name = g_strconcat(id, ".ini", NULL);
    g_autofree char *path = g_build_filename(fab_path_measurements(), name, NULL);
    g_auto(GStrv) ids = NULL;
    const char *nearest;

    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return add_file(measurements, seen, path, error);
    ids = fab_measurement_list(fab_path_measurements(), NULL);
    nearest = ids != NULL ? fab_nearest(id, (const char *const *)ids) : NULL;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "command line: \"%.120s\" is neither a file, a folder nor an id of the measurements in %s%s%s%s", id,
                fab_path_measurements(), nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                nearest != NULL ? "?" : "");
    return false;
}

GPtrArray *
fab_cli_measurements(char *const *words, GError **error)
{
    g_autoptr(GPtrArray) measurements = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bool good = words[0] != NULL || add_folder(measurements, seen, fab_path_measurements(), error);

    for (; *words != NULL && good; words++) {
        if (g_file_test(*words, G_FILE_TEST_IS_DIR))
            good = add_folder(measurements, seen, *words, error);
        else if (strchr(*words, '/') != NULL || g_str_has_suffix(*words, ".ini"))
            good = add_file(measurements, seen, *words, error);
        else
            good = add_id(measurements, seen, *words, error);
    }
    return good ? g_steal_pointer(&measurements) : NULL;
}
