#include "base/search.h"

#include <string.h>

#include "base/error.h"

void
fab_search_add(FabSearchPath *path, const char *folder)
{
    g_return_if_fail(folder != NULL);

    g_mutex_lock(&path->lock);
    if (path->added == NULL)
        path->added = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_insert(path->added, 0, g_strdup(folder));
    g_mutex_unlock(&path->lock);
}

static void
append_once(GPtrArray *list, const char *text)
{
    if (text[0] != '\0' && !g_ptr_array_find_with_equal_func(list, text, g_str_equal, NULL))
        g_ptr_array_add(list, g_strdup(text));
}

char **
fab_search_folders(FabSearchPath *path, const char *standard)
{
    GPtrArray *folders = g_ptr_array_new();
    const char *variable = g_getenv(path->variable);

    g_mutex_lock(&path->lock);
    for (guint i = 0; path->added != NULL && i < path->added->len; i++)
        append_once(folders, g_ptr_array_index(path->added, i));
    g_mutex_unlock(&path->lock);
    if (variable != NULL) {
        g_auto(GStrv) parts = g_strsplit(variable, ":", -1);
        for (guint i = 0; parts[i] != NULL; i++)
            append_once(folders, parts[i]);
    }
    append_once(folders, standard);
    g_ptr_array_add(folders, NULL);
    return (char **)g_ptr_array_free(folders, FALSE);
}

static void
add_names_of(GPtrArray *names, const char *folder, const char *suffix)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *entry;

    while (dir != NULL && (entry = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(folder, entry, NULL);
        g_autofree char *name = NULL;
        if (!g_str_has_suffix(entry, suffix) || strlen(entry) == strlen(suffix) || entry[0] == '.')
            continue;
        if (!g_file_test(file, G_FILE_TEST_IS_REGULAR) || !g_utf8_validate(entry, -1, NULL))
            continue;
        name = g_strndup(entry, strlen(entry) - strlen(suffix));
        append_once(names, name);
    }
}

char **
fab_search_names(const char *const *folders, const char *suffix)
{
    GPtrArray *names = g_ptr_array_new();

    for (; *folders != NULL; folders++)
        add_names_of(names, *folders, suffix);
    g_ptr_array_sort(names, fab_compare_strings);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

char *
fab_search_find(const char *const *folders, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    for (; *folders != NULL; folders++) {
        g_autofree char *path = g_build_filename(*folders, file, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
    }
    return NULL;
}
