#include "report/report.h"

#include <check.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "fixture.h"
#include "suite.h"

static FabResultRow *
add_row(FabResult *result, uint64_t size, int64_t time_ps, const char *algorithm, uint32_t channels,
        const char *binding, double busy)
{
    FabResultRow *row = fab_result_row_new();
    double algbw = (double)size / ((double)time_ps * 1e-12);

    row->size_bytes = size;
    row->time_ps = time_ps;
    row->algbw = algbw;
    row->busbw = algbw * 1.75;
    row->algorithm = g_strdup(algorithm);
    row->protocol = g_strdup("simple");
    row->channels = channels;
    row->binding = g_strdup(binding);
    row->binding_utilisation = busy;
    g_ptr_array_add(result->rows, row);
    return row;
}

static FabResult *
sample(void)
{
    FabResult *result = fab_result_new();

    result->name = g_strdup("all-reduce");
    result->topology = g_strdup("dgx-h100");
    result->topology_title = g_strdup("NVIDIA DGX H100, 8 x H100 SXM5 80 GB");
    result->plugin = g_strdup("nvswitch");
    result->collective = g_strdup("all_reduce");
    result->datatype = g_strdup("float");
    result->redop = g_strdup("sum");
    result->fidelity = g_strdup("chunk");
    result->ranks = result->gpus = 8;
    return result;
}

/* What a writer prints. Owned by the caller. */
static char *
table_of(const FabResult *result)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    ck_assert(fab_report_table(result, out, NULL));
    fclose(out);
    return text;
}

START_TEST(the_table_has_the_columns_of_nccl_tests)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *text = NULL;
    FabResultRow *row;

    row = add_row(result, 1048576, 12340000, "ring", 16, "latency", 0.25);
    row->low_ps = 11106000;
    row->high_ps = 12957000;
    result->interval = g_strdup("two machines");
    add_row(result, 1073741824, 4000000000, "ring", 16, "GPU 0 > NVSwitch", 0.968);
    text = table_of(result);
    ck_assert_str_eq(strchr(text, '\n') + 1,
                     "# topology  dgx-h100: NVIDIA DGX H100, 8 x H100 SXM5 80 GB (plugin nvswitch, 8\n"
                     "#           GPUs)\n"
                     "# scenario  all-reduce: all_reduce over 8 ranks, fidelity chunk\n"
                     "#\n"
                     "#       size       count     type redop root       time   algbw   busbw interval\n"
                     "#        (B)  (elements)                           (us)  (GB/s)  (GB/s)      (%)\n"
                     "     1048576      262144    float   sum   -1      12.34   84.97  148.70   -10/+5\n"
                     "  1073741824   268435456    float   sum   -1    4000.00  268.44  469.76        -\n"
                     "#\n"
                     "# algorithm ring; protocol simple; 16 channels\n"
                     "# bound by  latency, 25 % of the time at 1 MiB\n"
                     "# bound by  GPU 0 > NVSwitch, 97 % busy at 1 GiB\n"
                     "# interval  two machines\n");
    ck_assert(g_str_has_prefix(text, "# fabricast "));
}
END_TEST

START_TEST(algorithm_and_channels_are_columns_where_they_vary)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *text = NULL;

    add_row(result, 8, 9000000, "tree", 1, "latency", 0.01);
    add_row(result, 64, 9000000, "tree", 1, "latency", 0.02);
    add_row(result, 1 << 20, 20000000, "ring", 16, "GPU 0 > NVSwitch", 0.5);
    text = table_of(result);
    ck_assert_ptr_nonnull(strstr(text, "busbw interval algorithm        channels\n"));
    ck_assert_ptr_nonnull(strstr(text, " tree                    1\n"));
    ck_assert_ptr_nonnull(strstr(text, " ring                   16\n"));
    ck_assert_ptr_nonnull(strstr(text, "# algorithm tree, ring; protocol simple; 1 to 16 channels\n"));
    ck_assert_ptr_nonnull(strstr(text, "# bound by  latency, 2 % of the time at 64 B (8 B to 64 B)\n"));
}
END_TEST

START_TEST(the_main_columns_fit_80_columns_whatever_the_numbers)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    g_ptr_array_add(result->notes, g_strdup("a long note that says why copies between these GPUs go through the memory "
                                            "of the host and what that costs"));
    add_row(result, UINT64_C(1) << 38, INT64_C(1234567890123456), "ring", 16, "x", 1);
    add_row(result, UINT64_C(1) << 36, INT64_C(10000000000), "ring", 16, "x", NAN);
    text = table_of(result);
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        ck_assert_msg(strlen(lines[i]) <= 80, "%s", lines[i]);
    ck_assert_ptr_nonnull(strstr(text, "1234567890"));
}
END_TEST

START_TEST(what_binds_is_said_once_for_each_run_of_sizes)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *text = NULL;

    add_row(result, 8, 9000000, "-", 1, "GPU 3 > NVSwitch", 0.6);
    add_row(result, 64, 9000000, "-", 1, "GPU 11 > NVSwitch", 0.7);
    add_row(result, 512, 9000000, "-", 1, "GPU 0 > NVSwitch", 0.8);
    text = table_of(result);
    ck_assert_ptr_nonnull(strstr(text, "#\n# bound by  GPU 0 > NVSwitch, 80 % busy at 512 B (8 B to 512 B)\n"));
}
END_TEST

START_TEST(the_count_is_a_ranks_share_where_nccl_tests_counts_so)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *text = NULL;

    g_free(result->collective);
    result->collective = g_strdup("all_gather");
    add_row(result, 1 << 20, 1000000, "ring", 16, "x", 1);
    text = table_of(result);
    ck_assert_ptr_nonnull(strstr(text, "     1048576       32768    float"));
}
END_TEST

START_TEST(json_reads_back_with_numbers_as_numbers)
{
    g_autoptr(FabResult) result = sample();
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = NULL;
    FabResultRow *row = add_row(result, 1 << 20, 12345678, "ring", 16, "GPU 0 > \"NVSwitch\"", NAN);
    FabResultUse uses[] = { { g_strdup("GPU 0 > NVSwitch"), 3, 1, 2e6, 0.5 },
                            { g_strdup("GPU 0 host port"), UINT32_MAX, 0, 1, NAN } };
    JsonObject *root, *object;

    g_array_append_vals(row->uses, uses, 2);
    g_ptr_array_add(result->notes, g_strdup("tab\there"));
    text = test_written(result, fab_report_json);
    ck_assert(json_parser_load_from_data(parser, text, -1, NULL));
    root = json_node_get_object(json_parser_get_root(parser));
    ck_assert_str_eq(json_object_get_string_member(root, "schema"), "fabricast-result");
    ck_assert_int_eq(json_object_get_int_member(root, "schema_version"), 1);
    object = json_array_get_object_element(json_object_get_array_member(root, "results"), 0);
    ck_assert_str_eq(json_array_get_string_element(json_object_get_array_member(object, "notes"), 0), "tab\there");
    ck_assert_int_eq(json_object_get_int_member(object, "ranks"), 8);
    object = json_array_get_object_element(json_object_get_array_member(object, "rows"), 0);
    ck_assert_double_eq(json_object_get_double_member(object, "time_us"), 12.345678);
    ck_assert_str_eq(json_object_get_string_member(object, "binding"), "GPU 0 > \"NVSwitch\"");
    ck_assert(json_object_get_null_member(object, "binding_utilisation"));
    ck_assert_double_eq(json_object_get_double_member(object, "algbw_GBps"), row->algbw / 1e9);
    object = json_array_get_object_element(json_object_get_array_member(object, "uses"), 0);
    ck_assert_int_eq(json_object_get_int_member(object, "link"), 3);
    ck_assert_double_eq(json_object_get_double_member(object, "utilisation"), 0.5);
}
END_TEST

START_TEST(csv_quotes_what_needs_quotes)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *text = NULL;
    FabResultRow *row;

    row = add_row(result, 8, 1500000, "ring", 2, "link \"a\", b", NAN);
    row->algbw = 2e9;
    row->busbw = 3.5e9;
    text = test_written(result, fab_report_csv);
    ck_assert(g_str_has_prefix(text, "scenario,topology,plugin,collective,"));
    ck_assert(g_str_has_suffix(text, "\r\nall-reduce,dgx-h100,nvswitch,all_reduce,float,sum,-1,8,8,chunk,8,1.5,,,,"
                                     "2,3.5,ring,simple,2,"
                                     "\"link \"\"a\"\", b\",,0,0\r\n"));
}
END_TEST

START_TEST(numbers_do_not_depend_on_the_locale)
{
    g_autoptr(FabResult) result = sample();
    g_autofree char *before = NULL, *after = NULL;
    const char *const locales[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8" };

    add_row(result, 8, 1234567, "ring", 2, "latency", 0.125);
    before = table_of(result);
    for (size_t i = 0; i < G_N_ELEMENTS(locales) && setlocale(LC_ALL, locales[i]) == NULL; i++)
        continue;
    after = table_of(result);
    setlocale(LC_ALL, "C");
    ck_assert_str_eq(before, after);
    ck_assert_ptr_nonnull(strstr(before, " 1.23 "));
}
END_TEST

START_TEST(a_full_disk_is_an_error_of_the_machine)
{
    g_autoptr(FabResult) result = sample();
    g_autoptr(GPtrArray) results = g_ptr_array_new();

    g_ptr_array_add(results, result);
    add_row(result, 8, 1234567, "ring", 2, "latency", 0.125);
    for (int writer = 0; writer < 3; writer++) {
        g_autoptr(GError) error = NULL;
        FILE *full = fopen("/dev/full", "w");
        ck_assert_ptr_nonnull(full);
        ck_assert(!(writer == 0   ? fab_report_table(result, full, &error)
                    : writer == 1 ? fab_report_csv(results, full, &error)
                                  : fab_report_json(results, full, &error)));
        ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_SYSTEM);
        ck_assert_str_eq(error->message, "the output cannot be written: No space left on device");
        fclose(full);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("report");

    tcase_add_test(tests, the_table_has_the_columns_of_nccl_tests);
    tcase_add_test(tests, algorithm_and_channels_are_columns_where_they_vary);
    tcase_add_test(tests, the_main_columns_fit_80_columns_whatever_the_numbers);
    tcase_add_test(tests, what_binds_is_said_once_for_each_run_of_sizes);
    tcase_add_test(tests, the_count_is_a_ranks_share_where_nccl_tests_counts_so);
    tcase_add_test(tests, json_reads_back_with_numbers_as_numbers);
    tcase_add_test(tests, csv_quotes_what_needs_quotes);
    tcase_add_test(tests, numbers_do_not_depend_on_the_locale);
    tcase_add_test(tests, a_full_disk_is_an_error_of_the_machine);
    return run_tests(tests);
}
