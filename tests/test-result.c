#include "result/result.h"

#include <check.h>

#include "suite.h"

START_TEST(a_new_result_is_empty_and_has_no_root)
{
    g_autoptr(FabResult) result = fab_result_new();

    ck_assert_uint_eq(result->rows->len, 0);
    ck_assert_uint_eq(result->notes->len, 0);
    ck_assert_int_eq(result->root, -1);
    ck_assert_ptr_null(result->name);
}
END_TEST

START_TEST(a_result_owns_its_rows_and_a_row_its_uses)
{
    FabResult *result = fab_result_new();
    FabResultRow *row = fab_result_row_new();
    FabResultUse use = { .name = g_strdup("GPU 0 > NVSwitch"), .link = 1 };

    g_array_append_val(row->uses, use);
    row->algorithm = g_strdup("ring");
    row->protocol = g_strdup("simple");
    row->binding = g_strdup("latency");
    g_ptr_array_add(result->rows, row);
    g_ptr_array_add(result->notes, g_strdup("a note"));
    result->name = g_strdup("name");
    ck_assert_str_eq(g_array_index(row->uses, FabResultUse, 0).name, "GPU 0 > NVSwitch");
    fab_result_free(result); /* leak checkers watch the rest */
}
END_TEST

START_TEST(nothing_can_be_freed)
{
    fab_result_free(NULL);
    fab_result_row_free(NULL);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("result");

    tcase_add_test(tests, a_new_result_is_empty_and_has_no_root);
    tcase_add_test(tests, a_result_owns_its_rows_and_a_row_its_uses);
    tcase_add_test(tests, nothing_can_be_freed);
    return run_tests(tests);
}
