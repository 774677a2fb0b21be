/* What nvbandwidth and p2pBandwidthLatencyTest print. */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "measure/import-link.h"
#include "suite.h"

typedef GPtrArray *(*Importer)(const char *path, const FabImportOptions *options, GError **error);

static GPtrArray *
import_file(Importer importer, const char *path, GError **error)
{
    FabImportOptions options = { .remark = test_remark };

    test_remarks_clear();
    return importer(path, &options, error);
}

static GPtrArray *
import_text(Importer importer, const char *text, GError **error)
{
    g_autofree char *path = test_write("a.log", text);

    return import_file(importer, path, error);
}

static GPtrArray *
import_good(Importer importer, const char *text)
{
    GError *error = NULL;
    GPtrArray *drafts = import_text(importer, text, &error);

    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
    return drafts;
}

static GPtrArray *
import_sample(Importer importer, const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("FAB_TEST_DATA"), "links", name, NULL);
    GError *error = NULL;
    GPtrArray *drafts = import_file(importer, path, &error);

    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
    return drafts;
}

static void
assert_refused(Importer importer, const char *text, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) drafts = import_text(importer, text, &error);

    ck_assert_ptr_null(drafts);
    test_says(error->message, part);
}

static void
assert_table(const GPtrArray *drafts, guint index, const char *rows)
{
    g_autofree char *wanted = g_strconcat("src,dst,unidir_GBps,bidir_GBps,latency_us\n", rows, NULL);
    g_autoptr(FabMeasurement) measurement = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert_str_eq(fab_draft_csv(drafts->pdata[index]), wanted);
    fab_draft_set(drafts->pdata[index], "source", "machine", "m");
    measurement = fab_draft_measurement(drafts->pdata[index], "m", &error);
    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "");
}

static void
assert_value(const GPtrArray *drafts, guint index, const char *group, const char *key, const char *value)
{
    ck_assert_pstr_eq(fab_draft_get(drafts->pdata[index], group, key), value);
}

/* ------------------------------------------------------------------ p2pBandwidthLatencyTest */

START_TEST(both_directions_of_an_asymmetric_pair_are_kept)
{
    g_autoptr(GPtrArray) drafts = import_sample(fab_import_p2p, "p2pbandwidthlatencytest-4090x2-asymmetric.txt");

    ck_assert_uint_eq(drafts->len, 2);
    ck_assert_str_eq(fab_draft_suffix(drafts->pdata[0]), "off");
    assert_table(drafts, 0, "0,0,909.92,899.54,1.37\n0,1,22.47,30.94,11.64\n"
                            "1,0,22.67,31.10,11.66\n1,1,918.56,923.19,1.39\n");
    assert_table(drafts, 1, "0,0,913.03,918.01,1.37\n0,1,27.07,54.11,1.14\n"
                            "1,0,11.46,54.13,1.13\n1,1,916.42,922.92,1.39\n");
    assert_value(drafts, 0, "system", "p2p", "no");
    assert_value(drafts, 1, "system", "p2p", "yes");
    assert_value(drafts, 1, "system", "gpu_id", "rtx-4090");
    ck_assert_str_eq(test_remarks->str, "");
}
END_TEST

START_TEST(one_matrix_alone_is_a_measurement)
{
    g_autoptr(GPtrArray) drafts = import_sample(fab_import_p2p, "p2pbandwidthlatencytest-rtxpro6000-5090-6gpu-uni.txt");

    ck_assert_uint_eq(drafts->len, 1);
    ck_assert_uint_eq(fab_draft_rows(drafts->pdata[0]), 36);
}
END_TEST

START_TEST(reads_run_from_the_column_to_the_row)
{
    static const char matrix[] = "   D\\D     0      1 \n     0 900.00  10.00 \n     1  20.00 900.00 \n";
    static const char title[] = "Unidirectional P2P=Enabled Bandwidth";
    g_autofree char *reads = g_strconcat(title, " (P2P Reads) Matrix (GB/s)\n", matrix, NULL);
    g_autofree char *old = g_strconcat(title, " Matrix (GB/s)\n", matrix, NULL);
    g_autoptr(GPtrArray) drafts = import_good(fab_import_p2p, reads), old_drafts = NULL;

    assert_table(drafts, 0, "0,0,900.00,,\n0,1,20.00,,\n1,0,10.00,,\n1,1,900.00,,\n");
    assert_value(drafts, 0, "quality", "inferred", NULL);
    old_drafts = import_good(fab_import_p2p, old);
    assert_table(old_drafts, 0, "0,0,900.00,,\n0,1,20.00,,\n1,0,10.00,,\n1,1,900.00,,\n");
    assert_value(old_drafts, 0, "quality", "inferred", "src;dst");
}
END_TEST

START_TEST(matrices_with_access_are_left_out_where_there_is_none)
{
    g_autoptr(GPtrArray) drafts = import_good(fab_import_p2p,
        "Device=0 CANNOT Access Peer Device=1\nDevice=1 CANNOT Access Peer Device=0\n"
        "Unidirectional P2P=Disabled Bandwidth Matrix (GB/s)\n   D\\D  0  1\n 0 900 6.10\n 1 6.20 900\n"
        "Unidirectional P2P=Enabled Bandwidth (P2P Writes) Matrix (GB/s)\n   D\\D  0  1\n 0 900 6.10\n 1 6.20 900\n");

    ck_assert_uint_eq(drafts->len, 1);
    test_says(test_remarks->str, "no GPU can access another");
}
END_TEST

START_TEST(a_cut_matrix_keeps_its_rows_and_says_so)
{
    g_autoptr(GPtrArray) drafts = import_good(fab_import_p2p,
        "\x1b[1mUnidirectional P2P=Enabled Bandwidth (P2P Writes) Matrix (GB/s)\x1b[0m\r\n   D\\D  0  1\r\n"
        "     0 900.00  10.00\r\n     1  2");

    assert_table(drafts, 0, "0,0,900.00,,\n0,1,10.00,,\n");
    test_says(test_remarks->str, "line 4: the last line is cut in the middle");
    test_says(test_remarks->str, "lacks 1 of 2 rows; the others are kept");
}
END_TEST

START_TEST(bad_matrices_of_the_sample_are_refused)
{
#define UNI "Unidirectional P2P=Enabled Bandwidth (P2P Writes) Matrix (GB/s)\n   D\\D  0  1\n"
    assert_refused(fab_import_p2p, "", "no matrix of p2pBandwidthLatencyTest");
    assert_refused(fab_import_p2p, UNI " 0 900.00\n 1 10 900\n", "line 3: Unidirectional");
    assert_refused(fab_import_p2p, UNI " 0 900.00 10.x\n", "row 0 column 1 is \"10.x\", must be a number");
    assert_refused(fab_import_p2p, UNI " 0 900 10\n 0 900 10\n", "row 0 appears again (first in line 3)");
    assert_refused(fab_import_p2p, UNI " 0 900 10\n 1 10 900\n" UNI, "appears again; give one run");
    assert_refused(fab_import_p2p, UNI " 7 900 10\n", "row \"7\" has no column");
    assert_refused(fab_import_p2p, "nvbandwidth Version: v0.8\n", "this looks like nvbandwidth");
}
END_TEST

/* ------------------------------------------------------------------ nvbandwidth */

#define ABOUT                                                                                                          \
    "nvbandwidth Version: v0.8\nCUDA Runtime Version: 12080\nDriver Version: 570.86.10\n\nhostA\n"                     \
    "Device 0: NVIDIA H200 (00000000:19:00)\nDevice 1: NVIDIA H200 (00000000:3b:00)\n\n"
#define MATRIX(a, b) "           0         1\n 0       N/A    " a "\n 1    " b "       N/A\n\n"

START_TEST(text_and_json_of_nvbandwidth_are_read)
{
    g_autoptr(GPtrArray) text = import_sample(fab_import_nvbandwidth, "nvbandwidth-text-d2d.txt"), json = NULL;

    assert_table(text, 0, "0,1,371.20,,\n1,0,371.10,,\n");
    assert_value(text, 0, "run", "cuda_version", "12.8");
    assert_value(text, 0, "run", "driver", "570.86.10");
    assert_value(text, 0, "run", "engine", "copy");
    assert_value(text, 0, "system", "gpu_id", "h100-sxm");
    ck_assert_str_eq(test_remarks->str, "");
    json = import_sample(fab_import_nvbandwidth, "nvbandwidth-json.json");
    assert_table(json, 0, "0,1,374.3,,\n1,0,373.09,,\n");
    assert_value(json, 0, "run", "cuda_version", "12.7");
    test_says(test_remarks->str, "device_to_device_bidirectional_memcpy_read_ce has no figures (Waived)");
    test_says(test_remarks->str, "host_to_device_memcpy_ce");
}
END_TEST

START_TEST(each_way_of_copying_is_a_measurement)
{
    g_autoptr(GPtrArray) drafts = import_good(fab_import_nvbandwidth, ABOUT
        "Running device_to_device_memcpy_read_ce.\nmemcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)\n"
        MATRIX("371.20", "361.10") "SUM device_to_device_memcpy_read_ce 732.30\n"
        "Running device_to_device_bidirectional_memcpy_read_ce.\n"
        "memcpy CE GPU(row) <-> GPU(column) Read1 bandwidth (GB/s)\n" MATRIX("350.00", "350.01")
        "memcpy CE GPU(row) <-> GPU(column) Read2 bandwidth (GB/s)\n" MATRIX("351.00", "351.01")
        "memcpy CE GPU(row) <-> GPU(column) Total bandwidth (GB/s)\n" MATRIX("701.00", "701.02")
        "Running device_to_device_memcpy_write_sm.\nmemcpy SM GPU(row) <- GPU(column) bandwidth (GB/s)\n"
        MATRIX("390.00", "380.00"));

    ck_assert_uint_eq(drafts->len, 2);
    assert_table(drafts, 0, "0,1,371.20,701.00,\n1,0,361.10,701.02,\n");
    assert_table(drafts, 1, "0,1,380.00,,\n1,0,390.00,,\n"); /* the arrow points at the row */
    ck_assert_str_eq(fab_draft_suffix(drafts->pdata[1]), "write-sm");
    assert_value(drafts, 1, "run", "engine", "sm");
    ck_assert_str_eq(test_remarks->str, "");
}
END_TEST

START_TEST(zeros_on_the_diagonal_and_pairs_without_access_are_no_links)
{
    g_autoptr(GPtrArray) drafts = import_good(fab_import_nvbandwidth, ABOUT
        "Running device_to_device_memcpy_write_ce.\nmemcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)\n"
        "          0         1         2\n0      0.00    276.07    N/A\n1    276.19      0.00    276.2\n"
        "2 N/A 276.3 0.00\n");

    assert_table(drafts, 0, "0,1,276.07,,\n1,0,276.19,,\n1,2,276.2,,\n2,1,276.3,,\n");
    test_says(test_remarks->str, "write-ce: 2 pairs of GPUs have no figure above 0; left out");
}
END_TEST

START_TEST(bad_output_of_nvbandwidth_is_refused)
{
#define READ ABOUT "Running device_to_device_memcpy_read_ce.\nmemcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)\n"
    assert_refused(fab_import_nvbandwidth, "", "no matrix of nvbandwidth");
    assert_refused(fab_import_nvbandwidth, READ " 0 1\n 0 N/A 1,371.20\n", "column 1 is \"1,371.20\"");
    assert_refused(fab_import_nvbandwidth, READ MATRIX("1e300", "2"),
                   "is \"1e300\", must be a number up to 1e9 or N/A");
    assert_refused(fab_import_nvbandwidth, READ MATRIX("1", "2") READ MATRIX("1", "2"), "appears twice");
    assert_refused(fab_import_nvbandwidth, ABOUT "Running host_to_device_memcpy_ce.\nmemcpy CE CPU(row) -> GPU(column) "
                   "bandwidth (GB/s)\n 0 1\n 0 55.1 55.2\n", "no copy between two GPUs was measured");
    assert_refused(fab_import_nvbandwidth, "{ \"results\": [] }", "this JSON is not of nvbandwidth");
    assert_refused(fab_import_nvbandwidth, "{ \"nvbandwidth\": { \"testcases\": [ ",
                   "line 1 column 34: the JSON ends or breaks here");
    assert_refused(fab_import_nvbandwidth, "{ \"nvbandwidth\": { \"testcases\": [ { \"name\": "
                   "\"device_to_device_memcpy_read_ce\", \"bandwidth_matrix\": [ [ \"1\", \"2\" ] ] } ] } }",
                   "row 0 of bandwidth_matrix must have 1 cells");
}
END_TEST

START_TEST(lines_of_other_tools_are_reported_together_and_named)
{
    assert_refused(fab_import_nvbandwidth, "one row\n\ntwo rows\nnvbandwidth Version: v0.8\nthree rows\n",
                   "no matrix of nvbandwidth");
    test_says(test_remarks->str, "lines 1 to 3: nvbandwidth does not print these; passed over, from: \"one row\"\n");
    test_says(test_remarks->str, "line 5: nvbandwidth does not print this; passed over: \"three rows\"\n");
    assert_refused(fab_import_p2p, "# nThread 1\n8 8 float\n", "this looks like nccl-tests");
    test_says(test_remarks->str,
              "lines 1 to 2: p2pBandwidthLatencyTest does not print these; passed over, from: \"# nThread 1\"\n");
}
END_TEST

/* Only their size is large: nothing was written to most of them. */
static void
assert_sparse_refused(off_t bytes, const char *part)
{
    g_autofree char *path = test_path("sparse.json");
    g_autofree char *start = g_strnfill(8192, ' ');
    g_autoptr(GError) error = NULL;
    GPtrArray *drafts;

    start[0] = '{';
    ck_assert(g_file_set_contents(path, start, 8192, NULL));
    ck_assert_int_eq(truncate(path, bytes), 0);
    drafts = import_file(fab_import_nvbandwidth, path, &error);
    ck_assert_ptr_null(drafts);
    test_says(error->message, part);
}

START_TEST(files_that_no_tool_writes_are_refused_by_their_size)
{
    assert_sparse_refused((off_t)10 << 30, "is larger than 1 GiB, must be at most that");
    assert_sparse_refused((off_t)65 << 20, "is larger than 64 MiB, must be at most that");
}
END_TEST

START_TEST(json_may_come_from_a_pipe_and_may_not_nest_without_end)
{
    g_autofree char *deep = g_strnfill(100, '['), *text = g_strconcat("{ \"a\": ", deep, NULL), *path = NULL;
    g_autoptr(GError) error = NULL;
    int ends[2];

    assert_refused(fab_import_nvbandwidth, text, "nests deeper than 64 brackets");
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "{ \"results\": [] }", 17), 17);
    close(ends[1]);
    path = g_strdup_printf("/dev/fd/%d", ends[0]);
    ck_assert_ptr_null(import_file(fab_import_nvbandwidth, path, &error));
    ck_assert_msg(strstr(error->message, "this JSON is not of nvbandwidth") != NULL, "%s", error->message);
    close(ends[0]);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("import-link");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, both_directions_of_an_asymmetric_pair_are_kept);
    tcase_add_test(tests, one_matrix_alone_is_a_measurement);
    tcase_add_test(tests, reads_run_from_the_column_to_the_row);
    tcase_add_test(tests, matrices_with_access_are_left_out_where_there_is_none);
    tcase_add_test(tests, a_cut_matrix_keeps_its_rows_and_says_so);
    tcase_add_test(tests, bad_matrices_of_the_sample_are_refused);
    tcase_add_test(tests, text_and_json_of_nvbandwidth_are_read);
    tcase_add_test(tests, each_way_of_copying_is_a_measurement);
    tcase_add_test(tests, zeros_on_the_diagonal_and_pairs_without_access_are_no_links);
    tcase_add_test(tests, bad_output_of_nvbandwidth_is_refused);
    tcase_add_test(tests, lines_of_other_tools_are_reported_together_and_named);
    tcase_add_test(tests, files_that_no_tool_writes_are_refused_by_their_size);
    tcase_add_test(tests, json_may_come_from_a_pipe_and_may_not_nest_without_end);
    return run_tests(tests);
}
