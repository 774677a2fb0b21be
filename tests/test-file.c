/* Files read and written whole: limits, what cannot be read, what is left of a write that fails. */
#include "base/file.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "suite.h"

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

/* ------------------------------------------------------------------ writing */

static void
assert_holds(const char *name, const char *expected)
{
    g_autofree char *text = fab_file_read(name, "a file", 1 << 20, NULL, NULL);

    ck_assert_pstr_eq(text, expected);
}

/* `path` is gone after it, and the folder must hold nothing else. */
static void
assert_nothing_beside(void)
{
    g_autoptr(GDir) dir = NULL;

    g_remove(path);
    dir = g_dir_open(folder, 0, NULL);
    ck_assert_pstr_eq(g_dir_read_name(dir), NULL);
}

static void
assert_not_written(const char *name, int code, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = g_strdup_printf("%s: cannot be written: %s", name[0] != '\0' ? name : "\"\"", says);

    ck_assert(!fab_file_write(name, "new", 3, &error));
    ck_assert_msg(g_error_matches(error, FAB_ERROR, code), "%s", error->message);
    ck_assert_str_eq(error->message, expected);
}

START_TEST(a_written_file_replaces_the_old_one_and_keeps_its_mode)
{
    struct stat info;

    ck_assert(fab_file_write(path, "old and long", 12, NULL));
    assert_holds(path, "old and long");
    ck_assert_int_eq(g_chmod(path, 0640), 0);
    ck_assert(fab_file_write(path, "new", 3, NULL));
    assert_holds(path, "new");
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 07777, 0640);
    assert_nothing_beside();
}
END_TEST

START_TEST(a_new_file_has_the_mode_that_the_mask_leaves)
{
    struct stat info;

    umask(027);
    ck_assert(fab_file_write(path, "new", 3, NULL));
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 07777, 0640);
}
END_TEST

START_TEST(a_symbolic_link_stays_and_its_file_is_replaced)
{
    g_autofree char *link = g_build_filename(folder, "link", NULL);

    ck_assert(fab_file_write(path, "old", 3, NULL));
    ck_assert_int_eq(symlink("file", link), 0);
    ck_assert(fab_file_write(link, "new", 3, NULL));
    ck_assert(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    assert_holds(path, "new");
    g_remove(link);
    assert_nothing_beside();
}
END_TEST

START_TEST(places_that_cannot_be_written_are_said)
{
    g_autofree char *nowhere = g_build_filename(folder, "no", "where", NULL), *below = NULL;

    assert_not_written("", FAB_ERROR_FILE, "No such file or directory");
    assert_not_written(folder, FAB_ERROR_FILE, "Is a directory");
    assert_not_written(nowhere, FAB_ERROR_FILE, "No such file or directory");
    assert_not_written("/dev/full", FAB_ERROR_SYSTEM, "No space left on device");
    ck_assert(fab_file_write(path, "old", 3, NULL));
    below = g_build_filename(path, "x", NULL);
    assert_not_written(below, FAB_ERROR_FILE, "Not a directory");
    ck_assert(fab_file_write("/dev/null", "new", 3, NULL));
    assert_holds(path, "old");
    assert_nothing_beside();
}
END_TEST

START_TEST(a_write_that_fails_leaves_the_old_file_and_nothing_else)
{
    const struct rlimit small = { 4096, RLIM_INFINITY };
    g_autofree char *large = g_strnfill(1 << 20, 'x');
    g_autoptr(GError) error = NULL;

    ck_assert(fab_file_write(path, "old", 3, NULL));
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert(!fab_file_write(path, large, 1 << 20, &error));
    ck_assert_msg(g_error_matches(error, FAB_ERROR, FAB_ERROR_SYSTEM), "%s", error->message);
    assert_holds(path, "old");
    assert_nothing_beside();
}
END_TEST

/* The kernel stops the child in the middle of its write. */
START_TEST(a_program_stopped_while_it_writes_leaves_nothing_behind)
{
    const struct rlimit small = { 4096, RLIM_INFINITY };
    g_autofree char *large = g_strnfill(1 << 20, 'x');
    int probe = open(folder, O_TMPFILE | O_WRONLY, 0600), status = 0;
    pid_t child;

    if (probe < 0)
        return; /* this file system has no files without a name */
    close(probe);
    child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_FSIZE, &small);
        _exit(fab_file_write(path, large, 1 << 20, NULL));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    assert_nothing_beside();
}
END_TEST

START_TEST(a_file_that_was_read_is_known_under_every_name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *link = g_build_filename(folder, "link", NULL), *other = g_build_filename(folder, "other", NULL);

    ck_assert(g_file_set_contents(path, "x", 1, NULL));
    ck_assert(fab_file_check_unread(path, NULL));
    ck_assert(fab_file_check_unread(other, NULL)); /* there is none */
    g_free(fab_file_read(path, "a text", 10, NULL, NULL));
    ck_assert(!fab_file_check_unread(path, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_FILE));
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert(!fab_file_check_unread(link, NULL));
    g_remove(link);
    ck_assert_int_eq(symlink("/dev/null", link), 0);
    g_free(fab_file_read(link, "a text", 10, NULL, NULL));
    ck_assert(fab_file_check_unread(link, NULL)); /* a device keeps nothing */
    g_remove(link);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("file");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_file_comes_back_byte_for_byte_with_a_zero_after_it);
    tcase_add_test(tests, an_empty_file_is_an_empty_text);
    tcase_add_test(tests, a_file_longer_than_a_block_is_read_to_its_end);
    tcase_add_test(tests, files_beyond_the_limit_are_refused_also_where_their_size_is_not_known);
    tcase_add_test(tests, what_is_no_file_is_said);
    tcase_add_test(tests, a_pipe_that_nobody_writes_to_is_refused_at_once);
    tcase_add_test(tests, a_pipe_is_read_to_its_end);
    tcase_add_test(tests, a_written_file_replaces_the_old_one_and_keeps_its_mode);
    tcase_add_test(tests, a_new_file_has_the_mode_that_the_mask_leaves);
    tcase_add_test(tests, a_symbolic_link_stays_and_its_file_is_replaced);
    tcase_add_test(tests, places_that_cannot_be_written_are_said);
    tcase_add_test(tests, a_write_that_fails_leaves_the_old_file_and_nothing_else);
    tcase_add_test(tests, a_program_stopped_while_it_writes_leaves_nothing_behind);
    tcase_add_test(tests, a_file_that_was_read_is_known_under_every_name);
    return run_tests(tests);
}
