/* Key files: typed reads, and refusing what nobody knows. */
#include "base/keyfile.h"

#include <check.h>

#include "base/error.h"
#include "fixture.h"
#include "suite.h"

static FabKeyfile *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    FabKeyfile *file = fab_keyfile_parse("x.ini", text, &error);

    ck_assert_msg(file != NULL, "%s", error != NULL ? error->message : "no message");
    return file;
}

START_TEST(values_are_read_by_type)
{
    static const char *const words[] = { "ring", "tree", NULL };
    g_autoptr(FabKeyfile) file = parse("# a comment\n[a]\ncount = 8 \nrate=450 GB/s\nflag=on\nword=Tree\ntext= x y \n");
    int64_t count = 0;
    double rate = 0;
    bool flag = false;
    int word = -1;

    ck_assert(fab_keyfile_get_integer(file, "a", "count", 1, 10, &count, NULL) && count == 8);
    ck_assert(fab_keyfile_get_quantity(file, "a", "rate", "B/s", 0, 1e12, &rate, NULL) && rate == 450e9);
    ck_assert(fab_keyfile_get_boolean(file, "a", "flag", &flag, NULL) && flag);
    ck_assert(fab_keyfile_get_choice(file, "a", "word", words, &word, NULL) && word == 1);
    ck_assert_str_eq(fab_keyfile_get(file, "a", "text"), "x y");
    ck_assert(fab_keyfile_finish(file, NULL));
}
END_TEST

START_TEST(an_absent_key_leaves_the_value_alone)
{
    g_autoptr(FabKeyfile) file = parse("[a]\n");
    int64_t count = 5;
    double rate = 6;

    ck_assert(fab_keyfile_get_integer(file, "a", "count", 1, 10, &count, NULL) && count == 5);
    ck_assert(fab_keyfile_get_quantity(file, "b", "rate", "B/s", 0, 1e12, &rate, NULL) && rate == 6);
    ck_assert_ptr_null(fab_keyfile_get(file, "a", "text"));
    ck_assert(!fab_keyfile_has_group(file, "b"));
}
END_TEST

START_TEST(a_bad_value_is_refused_with_file_group_and_key)
{
    static const char *const words[] = { "ring", "tree", NULL };
    g_autoptr(FabKeyfile) file = parse("[a]\ncount=80\nrate=0\nflag=1\nword=rign\nunit=3 ns\n");
    g_autoptr(GError) error = NULL;
    int64_t count = 5;
    double rate = 6;
    bool flag;
    int word;

    ck_assert(!fab_keyfile_get_integer(file, "a", "count", 1, 10, &count, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [a] count is 80, must be between 1 and 10");
    ck_assert(!fab_keyfile_get_integer(file, "a", "unit", 1, 10, &count, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [a] unit: \"3 ns\" is not a whole number");
    ck_assert(!fab_keyfile_get_quantity(file, "a", "rate", "B/s", 1e6, 1e13, &rate, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [a] rate is 0, must be between");
    ck_assert(!fab_keyfile_get_quantity(file, "a", "unit", "B/s", 1e6, 1e13, &rate, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [a] unit: \"3 ns\" is not a rate");
    ck_assert(!fab_keyfile_get_boolean(file, "a", "flag", &flag, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [a] flag: \"1\" is not on or off");
    ck_assert(!fab_keyfile_get_choice(file, "a", "word", words, &word, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [a] word is \"rign\", which is not known; did you mean ring?");
    ck_assert(count == 5 && rate == 6);
}
END_TEST

START_TEST(unknown_keys_and_groups_are_errors_with_the_nearest_name)
{
    g_autoptr(FabKeyfile) file = parse("[topology]\nplugn=x\n");
    g_autoptr(FabKeyfile) other = parse("[topolgy]\nplugin=x\n");
    g_autoptr(GError) error = NULL;

    fab_keyfile_accept(file, "topology", "plugin");
    fab_keyfile_accept(other, "topology", "plugin");
    ck_assert(!fab_keyfile_finish(file, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: [topology] unknown key plugn; did you mean plugin?");
    ck_assert(!fab_keyfile_finish(other, &error));
    test_error(&error, FAB_ERROR_VALUE, "x.ini: unknown group [topolgy]; did you mean topology?");
}
END_TEST

START_TEST(a_free_group_accepts_every_key)
{
    g_autoptr(FabKeyfile) file = parse("[source]\nanything=goes\n[other]\nx=1\n");
    g_autoptr(GError) error = NULL;

    fab_keyfile_accept_group(file, "source");
    ck_assert(!fab_keyfile_finish(file, &error));
    test_error(&error, FAB_ERROR_VALUE, "unknown group [other]");
}
END_TEST

typedef struct {
    const char *text, *message;
} Malformed;

static const Malformed malformed[] = {
    { "[a]\nx=1\nx=2\n", "line 3: key x appears twice" },
    { "[a]\nx=1\n[b]\ny=1\n[a]\n", "line 5: group a appears twice" },
    { "[a]\nx = 1\nx=2\n", "line 3: key x appears twice" },
    { "\nx=1\n", "is not a key file: line 2, \"x=1\", stands before the first [group]" },
    { "[a\nx=1\n", "is not a key file: line 1, \"[a\", is none of [group], key=value and # comment" },
    { "[a]\r\nb=1\r\njust words\r\n", "is not a key file: line 3, \"just words\", is none of" },
    { "[a]\n=1\n", "is not a key file: line 2, \"=1\", is none of" },
    { "[a]\n01234567890123456789012345678901234567890123456789012345678901234567890123456789\n",
      "line 2, \"012345678901234567890123456789012345678901234567890123456789\", is none of" },
    { "\xc3\x28\n", "is not UTF-8 text" },
};

START_TEST(a_malformed_file_is_refused)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_keyfile_parse("x.ini", malformed[_i].text, &error));
    ck_assert(g_str_has_prefix(error->message, "x.ini: "));
    test_error(&error, FAB_ERROR_SYNTAX, malformed[_i].message);
}
END_TEST

START_TEST(the_same_key_in_two_groups_is_no_duplicate)
{
    g_autoptr(FabKeyfile) file = parse("[a]\nx=1\n[b]\nx=2\n#x=3\n");

    ck_assert_str_eq(fab_keyfile_get(file, "b", "x"), "2");
}
END_TEST

START_TEST(files_that_cannot_be_read_are_errors)
{
    g_autofree char *path = test_path("zero.ini");
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_keyfile_load(test_folder, &error));
    test_error(&error, FAB_ERROR_FILE, "is a folder, a file is needed");
    ck_assert_ptr_null(fab_keyfile_load(path, &error));
    test_error(&error, FAB_ERROR_FILE, "no such file");
    ck_assert(g_file_set_contents(path, "[a]\nx=\0\n", 8, NULL));
    ck_assert_ptr_null(fab_keyfile_load(path, &error));
    test_error(&error, FAB_ERROR_SYNTAX, "holds a zero byte");
}
END_TEST

START_TEST(an_empty_file_is_a_key_file_without_groups)
{
    g_autoptr(FabKeyfile) file = parse("");
    g_auto(GStrv) groups = fab_keyfile_groups(file);
    g_auto(GStrv) keys = fab_keyfile_keys(file, "a");

    ck_assert_ptr_null(groups[0]);
    ck_assert_ptr_null(keys[0]);
    ck_assert(fab_keyfile_finish(file, NULL));
}
END_TEST

START_TEST(a_value_set_on_the_command_line_wins)
{
    g_autoptr(FabKeyfile) file = parse("[a]\nx=1\n");
    g_autoptr(GError) error = NULL;
    int64_t value = 0;

    fab_keyfile_set(file, "a", "x", "7");
    fab_keyfile_set(file, "b", "y", "none");
    ck_assert(fab_keyfile_get_integer(file, "a", "x", 0, 9, &value, NULL) && value == 7);
    ck_assert(!fab_keyfile_get_integer(file, "b", "y", 0, 9, &value, &error));
    test_error(&error, FAB_ERROR_VALUE, "command line");
}
END_TEST

START_TEST(keys_and_groups_keep_the_order_of_the_file)
{
    g_autoptr(FabKeyfile) file = parse("[z]\nq=1\nb=2\n[a]\n");
    g_auto(GStrv) groups = fab_keyfile_groups(file);
    g_auto(GStrv) keys = fab_keyfile_keys(file, "z");

    ck_assert_str_eq(groups[0], "z");
    ck_assert_str_eq(groups[1], "a");
    ck_assert_str_eq(keys[0], "q");
    ck_assert_str_eq(keys[1], "b");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("keyfile");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, values_are_read_by_type);
    tcase_add_test(tests, an_absent_key_leaves_the_value_alone);
    tcase_add_test(tests, a_bad_value_is_refused_with_file_group_and_key);
    tcase_add_test(tests, unknown_keys_and_groups_are_errors_with_the_nearest_name);
    tcase_add_test(tests, a_free_group_accepts_every_key);
    tcase_add_loop_test(tests, a_malformed_file_is_refused, 0, G_N_ELEMENTS(malformed));
    tcase_add_test(tests, the_same_key_in_two_groups_is_no_duplicate);
    tcase_add_test(tests, files_that_cannot_be_read_are_errors);
    tcase_add_test(tests, an_empty_file_is_a_key_file_without_groups);
    tcase_add_test(tests, a_value_set_on_the_command_line_wins);
    tcase_add_test(tests, keys_and_groups_keep_the_order_of_the_file);
    return run_tests(tests);
}
