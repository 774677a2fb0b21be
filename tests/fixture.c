#include "fixture.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

char *test_folder;
GString *test_remarks;

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
test_says(const char *text, const char *part)
{
    ck_assert_msg(text != NULL && strstr(text, part) != NULL, "\"%s\" lacks \"%s\"", text, part);
}

void
test_error(GError **error, int code, const char *part)
{
    ck_assert_msg(*error != NULL, "no error, expected \"%s\"", part);
    ck_assert_msg((*error)->domain == FAB_ERROR && (*error)->code == code, "code %d: %s", (*error)->code,
                  (*error)->message);
    test_says((*error)->message, part);
    g_clear_error(error);
}

void
test_refusal(GError **error, const char *pattern)
{
    ck_assert_msg(*error != NULL, "no error, expected \"%s\"", pattern);
    ck_assert_msg(g_regex_match_simple(pattern, (*error)->message, 0, 0), "\"%s\" does not match %s", (*error)->message,
                  pattern);
    ck_assert_int_eq(fab_error_exit_status(*error), FAB_EXIT_INPUT);
    ck_assert_ptr_null(strchr((*error)->message, '\n'));
    g_clear_error(error);
}

void
test_remarks_clear(void)
{
    if (test_remarks == NULL)
        test_remarks = g_string_new(NULL);
    g_string_truncate(test_remarks, 0);
}

void
test_remark(void *data, const char *message)
{
    (void)data;
    g_string_append_printf(test_remarks, "%s\n", message);
}

FabScenario *
test_scenario(const char *const *sets)
{
    g_autoptr(GError) error = NULL;
    FabScenario *scenario = fab_scenario_from_sets((char *const *)sets, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "no message");
    return scenario;
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

char *
test_written(FabResult *result, bool (*write)(GPtrArray *results, FILE *out, GError **error))
{
    g_autoptr(GPtrArray) results = g_ptr_array_new();
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    g_ptr_array_add(results, result);
    ck_assert(write(results, out, NULL));
    fclose(out);
    return text;
}

GPtrArray *
test_judge(const char *text, GError **error)
{
    char path[] = "/tmp/fab-claim-XXXXXX";
    int file = g_mkstemp(path);
    GPtrArray *claims;

    ck_assert_int_ge(file, 0);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    claims = fab_claims_judge(path, NULL, NULL, error);
    g_unlink(path);
    close(file);
    return claims;
}

GPtrArray *
test_claims(const char *text)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *claims = test_judge(text, &error);

    ck_assert_msg(claims != NULL, "%s", error != NULL ? error->message : "no error");
    return claims;
}

void
test_no_claims(const char *pattern, const char *text)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(test_judge(text, &error) == NULL, "accepted: %s", text);
    test_refusal(&error, pattern);
}
