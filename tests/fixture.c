#include "fixture.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"

char *test_folder;

void
test_folder_make(void)
{
    test_folder = g_dir_make_tmp("fabricast-XXXXXX", NULL);
    ck_assert_ptr_nonnull(test_folder);
}

void
test_folder_remove(void)
{
    g_autoptr(GDir) dir = g_dir_open(test_folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = test_path(name);
        g_remove(path);
    }
    ck_assert_int_eq(g_rmdir(test_folder), 0);
    g_clear_pointer(&test_folder, g_free);
}

char *
test_path(const char *name)
{
    return g_build_filename(test_folder, name, NULL);
}

char *
test_write(const char *name, const char *text)
{
    char *path = test_path(name);

    ck_assert(g_file_set_contents(path, text, -1, NULL));
    return path;
}

void
test_error(GError **error, int code, const char *part)
{
    ck_assert_msg(*error != NULL, "no error, expected \"%s\"", part);
    ck_assert_msg((*error)->domain == FAB_ERROR && (*error)->code == code, "code %d: %s", (*error)->code,
                  (*error)->message);
    ck_assert_msg(strstr((*error)->message, part) != NULL, "\"%s\" lacks \"%s\"", (*error)->message, part);
    g_clear_error(error);
}

FabResult *
test_try_run(const char *const *sets, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, error);

    return scenario != NULL ? fab_run(scenario, NULL, NULL, error) : NULL;
}

FabResult *
test_run_sets(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    FabResult *result = test_try_run(sets, &error);

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "no message");
    return result;
}

FabResult *
test_run(const char *set, ...)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new();
    va_list more;

    va_start(more, set);
    for (; set != NULL; set = va_arg(more, const char *))
        g_ptr_array_add(sets, (gpointer)set);
    va_end(more);
    g_ptr_array_add(sets, NULL);
    return test_run_sets((const char *const *)sets->pdata);
}

FabResult *
test_try_run_text(const char *text, GError **error)
{
    g_auto(GStrv) sets = g_strsplit(text, "|", -1);

    return test_try_run((const char *const *)sets, error);
}

FabResult *
test_run_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    FabResult *result = test_try_run_text(text, &error);

    ck_assert_msg(result != NULL, "%s: %s", text, error != NULL ? error->message : "no message");
    return result;
}

const FabResultRow *
test_row(const FabResult *result, guint i)
{
    ck_assert_uint_lt(i, result->rows->len);
    return g_ptr_array_index(result->rows, i);
}
