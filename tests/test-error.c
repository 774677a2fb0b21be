/* Exit statuses and "did you mean". */
#include "base/error.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

static const char *const machines[] = { "dgx-1v", "dgx-a100", "dgx-h100", "hgx-h100-4", NULL };

START_TEST(the_exit_status_says_who_can_act)
{
    static const FabError input[] = { FAB_ERROR_FILE, FAB_ERROR_SYNTAX, FAB_ERROR_VALUE, FAB_ERROR_PLUGIN,
                                      FAB_ERROR_DEADLOCK };

    for (size_t i = 0; i < G_N_ELEMENTS(input); i++) {
        g_autoptr(GError) error = g_error_new_literal(FAB_ERROR, (gint)input[i], "x");
        ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
    }
    ck_assert_int_eq(fab_error_exit_status(NULL), FAB_EXIT_DONE);
}
END_TEST

START_TEST(faults_of_the_machine_and_of_other_libraries_are_status_3)
{
    g_autoptr(GError) full = g_error_new_literal(FAB_ERROR, FAB_ERROR_SYSTEM, "disk full");
    g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_NOSPC, "disk full");
    g_autoptr(GError) option = g_error_new_literal(G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION, "--x");

    ck_assert_int_eq(fab_error_exit_status(full), FAB_EXIT_SYSTEM);
    ck_assert_int_eq(fab_error_exit_status(foreign), FAB_EXIT_SYSTEM);
    ck_assert_int_eq(fab_error_exit_status(option), FAB_EXIT_INPUT);
}
END_TEST

START_TEST(a_refusal_says_where_and_what)
{
    g_autoptr(GError) error = NULL;

    ck_assert(!fab_refuse(&error, FAB_ERROR_PLUGIN, "a.so", "has %d of %s", 2, "3 GPUs"));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_PLUGIN));
    ck_assert_str_eq(error->message, "a.so: has 2 of 3 GPUs");
    ck_assert(!fab_refuse(NULL, FAB_ERROR_VALUE, "a.ini", "nobody asks why"));
}
END_TEST

START_TEST(the_nearest_word_is_found_through_typing_errors)
{
    ck_assert_str_eq(fab_nearest("dgx-h10", machines), "dgx-h100");
    ck_assert_str_eq(fab_nearest("dgx-h1000", machines), "dgx-h100");
    ck_assert_str_eq(fab_nearest("dxg-h100", machines), "dgx-h100");
    ck_assert_str_eq(fab_nearest("DGX-H100", machines), "dgx-h100");
    ck_assert_str_eq(fab_nearest("dgx-a100", machines), "dgx-a100");
}
END_TEST

START_TEST(a_word_far_from_all_has_no_nearest)
{
    g_autofree char *long_word = g_strnfill(5000, 'x');

    ck_assert_ptr_null(fab_nearest("supercomputer", machines));
    ck_assert_ptr_null(fab_nearest("", machines));
    ck_assert_ptr_null(fab_nearest(long_word, machines));
    ck_assert_ptr_null(fab_nearest("dgx", (const char *const[]){ NULL }));
}
END_TEST

START_TEST(a_suggestion_is_one_word_or_the_whole_list)
{
    g_autofree char *near = fab_suggestion("dgx-h10", machines);
    g_autofree char *far = fab_suggestion("supercomputer", machines);

    ck_assert_str_eq(near, "; did you mean dgx-h100?");
    ck_assert_str_eq(far, "; accepted: dgx-1v, dgx-a100, dgx-h100, hgx-h100-4");
}
END_TEST

START_TEST(strings_sort_by_their_text)
{
    const char *words[] = { "b", "a", "ab" };

    qsort(words, 3, sizeof words[0], fab_compare_strings);
    ck_assert_str_eq(words[0], "a");
    ck_assert_str_eq(words[1], "ab");
    ck_assert_str_eq(words[2], "b");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("error");

    tcase_add_test(tests, the_exit_status_says_who_can_act);
    tcase_add_test(tests, faults_of_the_machine_and_of_other_libraries_are_status_3);
    tcase_add_test(tests, a_refusal_says_where_and_what);
    tcase_add_test(tests, the_nearest_word_is_found_through_typing_errors);
    tcase_add_test(tests, a_word_far_from_all_has_no_nearest);
    tcase_add_test(tests, a_suggestion_is_one_word_or_the_whole_list);
    tcase_add_test(tests, strings_sort_by_their_text);
    return run_tests(tests);
}
