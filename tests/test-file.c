/* Files read whole: limits, and what cannot be read. */
#include "base/file.h"

#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/error.h"

static char *folder, *path;

static void
setup(void)
{
    folder = g_dir_make_tmp("fabricast-XXXXXX", NULL);
    path = g_build_filename(folder, "file", NULL);
}

static void
teardown(void)
{
    g_remove(path);
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
}

static void
assert_refused(const char *name, size_t limit, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = fab_file_read(name, "a matrix", limit, NULL, &error);
    g_autofree char *expected = g_strdup_printf("%s: %s", name, says);

    ck_assert_ptr_null(text);
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_FILE));
    ck_assert_str_eq(error->message, expected);
}

START_TEST(a_file_comes_back_byte_for_byte_with_a_zero_after_it)
{
    g_autofree char *text = NULL;
    size_t length = 0;

    ck_assert(g_file_set_contents(path, "a\0\xff\n", 4, NULL));
    text = fab_file_read(path, "a file", 4, &length, NULL);
    ck_assert_uint_eq(length, 4);
    ck_assert_mem_eq(text, "a\0\xff\n\0", 5);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_text)
{
    g_autofree char *text = NULL;

    ck_assert(g_file_set_contents(path, "", 0, NULL));
    text = fab_file_read(path, "a file", 0, NULL, NULL);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_file_longer_than_a_block_is_read_to_its_end)
{
    size_t bytes = (256 << 10) + 1, length = 0;
    g_autofree char *long_text = g_strnfill(bytes, 'x'), *text = NULL;

    ck_assert(g_file_set_contents(path, long_text, (gssize)bytes, NULL));
    text = fab_file_read(path, "a file", bytes, &length, NULL);
    ck_assert_uint_eq(length, bytes);
    ck_assert_str_eq(text, long_text);
}
END_TEST

START_TEST(files_beyond_the_limit_are_refused_also_where_their_size_is_not_known)
{
    ck_assert(g_file_set_contents(path, "12345", 5, NULL));
    assert_refused(path, 4, "is larger than 4 B, must be at most that");
    assert_refused("/dev/zero", 1 << 20, "is larger than 1 MiB, must be at most that");
    assert_refused("/proc/self/status", 10, "is larger than 10 B, must be at most that");
}
END_TEST

START_TEST(what_is_no_file_is_said)
{
    g_autofree char *below = g_build_filename(path, "x", NULL);

    assert_refused(folder, 10, "is a folder, a matrix is needed");
    assert_refused(path, 10, "no such file");
    ck_assert(g_file_set_contents(path, "x", 1, NULL));
    assert_refused(below, 10, "no such file");
    assert_refused("", 10, "no such file");
}
END_TEST

START_TEST(a_pipe_that_nobody_writes_to_is_refused_at_once)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    assert_refused(path, 10, "is a pipe that nobody writes to, a matrix is needed");
}
END_TEST

START_TEST(a_pipe_is_read_to_its_end)
{
    g_autofree char *name = NULL, *text = NULL;
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "abc", 3), 3);
    close(ends[1]);
    name = g_strdup_printf("/dev/fd/%d", ends[0]);
    text = fab_file_read(name, "a file", 4, NULL, NULL);
    ck_assert_str_eq(text, "abc");
    close(ends[0]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_file_comes_back_byte_for_byte_with_a_zero_after_it);
    tcase_add_test(tcase, an_empty_file_is_an_empty_text);
    tcase_add_test(tcase, a_file_longer_than_a_block_is_read_to_its_end);
    tcase_add_test(tcase, files_beyond_the_limit_are_refused_also_where_their_size_is_not_known);
    tcase_add_test(tcase, what_is_no_file_is_said);
    tcase_add_test(tcase, a_pipe_that_nobody_writes_to_is_refused_at_once);
    tcase_add_test(tcase, a_pipe_is_read_to_its_end);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
