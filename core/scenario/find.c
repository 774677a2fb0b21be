#include "scenario/find.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/paths.h"

char *
fab_scenario_name_of(const char *path)
{
    char *name = g_path_get_basename(path);

    if (g_str_has_suffix(name, ".ini"))
        name[strlen(name) - 4] = '\0';
    return name;
}

/* Appends the scenario files of a folder in the order of their names. */
static void
add_scenarios(GPtrArray *paths, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(name, ".ini"))
            g_ptr_array_add(found, strcmp(folder, ".") == 0 ? g_strdup(name) : g_build_filename(folder, name, NULL));
    }
    g_ptr_array_sort(found, fab_compare_strings);
    g_ptr_array_extend(paths, found, NULL, NULL);
}

/* The scenario file in the same folder, or else shipped with the program, whose name is nearest. */
static char *
nearest_file(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *wanted = g_path_get_basename(path);
    bool with_suffix = strchr(wanted, '.') != NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *nearest;

    add_scenarios(paths, folder);
    add_scenarios(paths, fab_path_scenarios());
    for (guint i = 0; i < paths->len; i++)
        g_ptr_array_add(names, with_suffix ? g_path_get_basename(paths->pdata[i])
                                           : fab_scenario_name_of(paths->pdata[i]));
    g_ptr_array_add(names, NULL);
    nearest = fab_nearest(wanted, (const char *const *)names->pdata);
    for (guint i = 0; nearest != NULL && i < paths->len; i++) {
        if (names->pdata[i] == nearest)
            return g_strdup(paths->pdata[i]);
    }
    return NULL;
}

char *
fab_scenario_find(const char *path, GError **error)
{
    g_autofree char *file_name = g_str_has_suffix(path, ".ini") ? g_strdup(path) : g_strconcat(path, ".ini", NULL);
    g_autofree char *shipped = g_build_filename(fab_path_scenarios(), file_name, NULL);
    g_autofree char *nearest = NULL;

    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return g_strdup(path);
    if (strchr(path, '/') == NULL && g_file_test(shipped, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&shipped);
    nearest = nearest_file(path);
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: no such file%s%s%s", path,
                nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    return NULL;
}
