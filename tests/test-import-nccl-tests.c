/* nccl-tests logs as people paste them. */
#include <check.h>
#include <string.h>

#include "fixture.h"
#include "measure/import-nccl-tests.h"
#include "suite.h"

#define HEADER "# nThread 1 nGpus 2 minBytes 8 maxBytes 128 step: 2(factor) warmup iters: 5 iters: 20 graph: 0\n"
#define RANKS                                                                                                          \
    "#  Rank  0 Group  0 Pid   4242 on    hostA device  0 [0x01] NVIDIA H100 80GB HBM3\n"                              \
    "#  Rank  1 Group  0 Pid   4242 on    hostA device  1 [0x21] NVIDIA H100 80GB HBM3\n"
#define TITLE                                                                                                          \
    "#   size    count  type  redop  root  time  algbw  busbw #wrong  time  algbw  busbw #wrong\n"                     \
    "#    (B)  (elements)                  (us) (GB/s) (GB/s)         (us) (GB/s) (GB/s)\n"
#define ROW(size, count) size "  " count "  float  sum  -1  10.50  0.01  0.01  0  11.25  0.01  0.01  N/A\n"
#define END "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 115.68\n#\n"

static FabImportOptions
options_for(const char *collective, uint32_t ranks)
{
    return (FabImportOptions) { .collective = collective, .ranks = ranks, .remark = test_remark };
}

static GPtrArray *
import_bytes(const char *text, gssize length, const FabImportOptions *options, GError **error)
{
    g_autofree char *path = test_path("a.log");

    test_remarks_clear();
    ck_assert(g_file_set_contents(path, text, length, NULL));
    return fab_import_nccl_tests(path, options, error);
}

static GPtrArray *
import_text(const char *text)
{
    FabImportOptions options = options_for(NULL, 0);
    GError *error = NULL;
    GPtrArray *drafts = import_bytes(text, -1, &options, &error);

    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
    return drafts;
}

static GPtrArray *
import_sample(const char *name, const FabImportOptions *options, GError **error)
{
    g_autofree char *path = g_build_filename(g_getenv("FAB_TEST_DATA"), "nccl-tests", name, NULL);

    test_remarks_clear();
    return fab_import_nccl_tests(path, options, error);
}

static void
assert_refused(const char *text, gssize length, const char *part)
{
    FabImportOptions options = options_for(NULL, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) drafts = import_bytes(text, length, &options, &error);

    ck_assert_ptr_null(drafts);
    test_says(error->message, part);
}

static void
assert_table(const GPtrArray *drafts, guint index, const char *rows)
{
    g_autofree char *wanted = g_strconcat("size_bytes,time_us,algbw_GBps,busbw_GBps,in_place\n", rows, NULL);

    ck_assert_str_eq(fab_draft_csv(drafts->pdata[index]), wanted);
}

static void
assert_value(const GPtrArray *drafts, const char *group, const char *key, const char *value)
{
    ck_assert_pstr_eq(fab_draft_get(drafts->pdata[0], group, key), value);
}

#define BOTH(size) size ",10.50,0.01,0.01,0\n" size ",11.25,0.01,0.01,1\n"

/* ------------------------------------------------------------------ layouts */

START_TEST(a_log_of_2021_gives_collective_and_ranks_by_its_figures)
{
    FabImportOptions options = options_for(NULL, 0);
    g_autoptr(GPtrArray) drafts = import_sample("nccltests-2021-error-column-no-root.txt", &options, NULL);

    assert_value(drafts, "run", "collective", "all_reduce");
    assert_value(drafts, "system", "ranks", "32"); /* 187.94 / 97.00 = 2 x 31/32 */
    assert_value(drafts, "quality", "inferred", "collective;ranks");
    assert_table(drafts, 0, "1048576,135.3,7.75,15.02,0\n1048576,132.7,7.90,15.31,1\n"
                            "67108864,1079.5,62.16,120.44,0\n67108864,1080.6,62.11,120.33,1\n"
                            "1073741824,11643,92.23,178.69,0\n1073741824,11069,97.00,187.94,1\n");
    ck_assert_str_eq(test_remarks->str, "");
}
END_TEST

START_TEST(a_log_with_roots_says_ranks_gpus_and_processes)
{
    FabImportOptions options = options_for(NULL, 0);
    g_autoptr(GPtrArray) drafts = import_sample("nccltests-2024-h100pcie-wrong-root.txt", &options, NULL);
    g_autoptr(FabMeasurement) measurement = NULL;
    g_autoptr(GError) error = NULL;

    assert_value(drafts, "run", "collective", "all_reduce");
    assert_value(drafts, "run", "processes", "1");
    assert_value(drafts, "run", "iterations", "20");
    assert_value(drafts, "run", "warmup", "5");
    assert_value(drafts, "system", "ranks", "2");
    assert_value(drafts, "system", "nodes", "1");
    assert_value(drafts, "system", "gpu", "NVIDIA H100 PCIe");
    assert_value(drafts, "system", "gpu_id", "h100-pcie");
    fab_draft_set(drafts->pdata[0], "source", "machine", "mine");
    measurement = fab_draft_measurement(drafts->pdata[0], "mine", &error);
    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(measurement->rows->len, 4);
}
END_TEST

START_TEST(a_log_of_2025_says_its_program_and_version)
{
    g_autoptr(GPtrArray) drafts = import_text(
        "# nccl-tests version 2.17.5 nccl-headers=22807 nccl-library=22809\n"
        "# Collective test starting: reduce_scatter_perf\n"
        "# nThread 2 nGpus 1 minBytes 8 maxBytes 128 step: 2(factor) warmup iters: 1 iters: 20 agg iters: 1\n"
        "#  Rank  0 Group  0 Pid     25 on worker-0 device  0 [0000:01:00] NVIDIA H200\n"
        "#  Rank  1 Group  0 Pid     25 on worker-0 device  1 [0000:21:00] NVIDIA H200\n" TITLE ROW("128", "16")
        END "# Collective test concluded: reduce_scatter_perf\n");

    assert_value(drafts, "run", "tool", "reduce_scatter_perf");
    assert_value(drafts, "run", "collective", "reduce_scatter");
    assert_value(drafts, "run", "nccl_version", "2.28.9");
    assert_value(drafts, "run", "threads", "2");
    assert_value(drafts, "system", "gpu_id", "h200-sxm");
    ck_assert_uint_eq(drafts->len, 1);
}
END_TEST

START_TEST(columns_of_each_iteration_and_time_stamps_are_passed_over)
{
    g_autoptr(GPtrArray) drafts = import_text(
        HEADER RANKS
        "# size count type redop root time algbw busbw #wrong i_min i_max i_p99 i_cv% time algbw busbw #wrong i_min "
        "i_max i_p99 i_cv% timestamp\n"
        "128 32 float sum -1 10.50 0.01 0.01 0 9.1 12.0 11.9 3.2 11.25 0.01 0.01 0 9.9 13.0 12.9 2.2 2026-07-20 "
        "10:00:00\n"
        END);

    assert_table(drafts, 0, BOTH("128"));
    ck_assert_str_eq(test_remarks->str, "");
}
END_TEST

START_TEST(rows_without_any_title_are_read)
{
    FabImportOptions options = options_for("broadcast", 8);
    g_autoptr(GPtrArray) drafts = import_bytes(ROW("128", "32"), -1, &options, NULL);

    assert_table(drafts, 0, BOTH("128"));
    assert_value(drafts, "system", "ranks", "8");
}
END_TEST

START_TEST(an_all_gather_needs_its_name_but_not_its_ranks)
{
    FabImportOptions options = options_for(NULL, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) none = import_sample("nccltests-allgather-na-wrong-oop.txt", &options, &error), drafts = NULL;

    ck_assert_ptr_null(none);
    ck_assert_ptr_nonnull(strstr(error->message, "--collective"));
    options.collective = "all_gather";
    drafts = import_sample("nccltests-allgather-na-wrong-oop.txt", &options, NULL);
    assert_value(drafts, "system", "ranks", "16"); /* 256 bytes are 16 times 4 floats */
    test_says(test_remarks->str, "line 4: a row of size 0 moves nothing; left out");
    ck_assert_uint_eq(fab_draft_rows(drafts->pdata[0]), 4);
}
END_TEST

START_TEST(figures_that_nothing_measures_are_left_out)
{
    static const char *const rows[] = { "8 2 float sum -1 1e-320 0 0 0 N/A N/A N/A N/A\n",
                                        "8 2 float sum -1 1e18 0 0 0 N/A N/A N/A N/A\n",
                                        "9223372036854775807 2 float sum -1 1.5 0 0 0 N/A N/A N/A N/A\n" };
    FabImportOptions options = options_for("all_reduce", 0);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strconcat(HEADER RANKS TITLE, rows[i], ROW("16", "4") END, NULL);
        g_autoptr(GPtrArray) drafts = import_bytes(text, -1, &options, NULL);
        ck_assert_ptr_nonnull(drafts);
        ck_assert_uint_eq(fab_draft_rows(drafts->pdata[0]), 2); /* of the row after it */
        test_says(test_remarks->str, "left out");
    }
}
END_TEST

START_TEST(json_is_read_without_the_environment)
{
    FabImportOptions options = options_for(NULL, 0);
    g_autoptr(GPtrArray) drafts = import_sample("nccltests-json-v3.json", &options, NULL);
    g_autofree char *facts = fab_draft_ini(drafts->pdata[0]);

    assert_table(drafts, 0, "8388608,70.1,119.666305,119.666305,0\n8388608,69.8,120.18063,120.18063,1\n");
    assert_value(drafts, "run", "nccl_version", "2.28.9");
    assert_value(drafts, "source", "date", "2026-07-20");
    test_says(test_remarks->str, "results[1].in_place: the time is not a number from 0.001 to 1e12; left out");
    ck_assert_ptr_null(strstr(facts, "REDACTED"));
}
END_TEST

/* ------------------------------------------------------------------ what stands around the rows */

START_TEST(tags_colours_and_carriage_returns_are_removed)
{
    static const char *const tags[] = { "[1,0]<stdout>:", "0: ", " 0: ", "pod-0: ", "worker-0 | ", "[pod/a/b] ",
                                        "2026-07-20T10:00:00.123456789Z ", "[1,0]<stdout>: ", "\x1b[32m" };

    for (gsize i = 0; i < G_N_ELEMENTS(tags); i++) {
        g_autofree char *text = g_strdup_printf("%s#  Rank  0 Group  0 Pid 1 on a device  0 [0x01] NVIDIA H200\r\n"
                                                "%s#  Rank  1 Group  0 Pid 1 on a device  1 [0x02] NVIDIA H200\r\n"
                                                "%s# size count type redop root time algbw busbw #wrong time algbw "
                                                "busbw #wrong\r\n%s    128  32 float sum -1  10.50  0.01  0.01  0  "
                                                "11.25  0.01  0.01  0\x1b[0m\r\n%s# Avg bus bandwidth    : 1\r\n",
                                                tags[i], tags[i], tags[i], tags[i], tags[i]);
        g_autoptr(GPtrArray) drafts = import_text(text);
        assert_table(drafts, 0, BOTH("128"));
        assert_value(drafts, "system", "ranks", "2");
        ck_assert_str_eq(test_remarks->str, "");
    }
}
END_TEST

START_TEST(a_sample_of_mpirun_keeps_its_row)
{
    FabImportOptions options = options_for("all_reduce", 0);
    g_autoptr(GPtrArray) drafts = import_sample("nccltests-mpirun-tag-output-interleaved.txt", &options, NULL);

    assert_table(drafts, 0, "8,60.10,0.00,0.00,0\n8,59.80,0.00,0.00,1\n");
    assert_value(drafts, "system", "gpu_id", "h100-sxm");
}
END_TEST

START_TEST(lines_of_nccl_give_version_rings_channels_and_settings)
{
    g_autoptr(GPtrArray) drafts = import_text(
        HEADER RANKS "hostA:1:2 [0] NCCL INFO NCCL_ALGO set by environment to Ring.\n"
        "NCCL version 2.19.3+cuda12.3\n"
        "hostA:1:2 [0] NCCL INFO Channel 00/02 :    0   1\n"
        "hostA:1:2 [0] NCCL INFO Trees [0] 1/-1/-1->0->-1 [1] 1/-1/-1->0->-1\n"
        "hostA:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read\n"
        "hostA:1:2 [0] NCCL INFO 2 coll channels, 0 collnet channels, 0 nvls channels, 4 p2p channels\n" TITLE
        ROW("128", "32") "hostA:1:2 [0] NCCL INFO comm 0x1 rank 0 nranks 2 - Destroy COMPLETE\n"
        "hostA:1:2 [0] misc/x.cc:1 NCCL WARN something is odd\n" END);

    assert_value(drafts, "run", "nccl_version", "2.19.3");
    assert_value(drafts, "run", "cuda_version", "12.3");
    assert_value(drafts, "run", "env", "NCCL_ALGO=Ring");
    assert_value(drafts, "source", "note", "ring of channel 0: 0 1; trees of rank 0: [0] 1/-1/-1->0->-1 [1] "
                 "1/-1/-1->0->-1; transport P2P/CUMEM/read; 2 coll channels, 0 collnet channels, 0 nvls channels, 4 "
                 "p2p channels");
    test_says(test_remarks->str, "line 14: NCCL warned (1 such lines): something is odd");
}
END_TEST

START_TEST(lines_of_others_are_reported_with_their_numbers)
{
    g_autoptr(GPtrArray) drafts = import_text("$ mpirun ./build/all_reduce_perf -b 8 -e 128\nWarning: hosts\n" HEADER
                                              RANKS TITLE ROW("64", "16") "stray words\n" ROW("128", "32") END);

    assert_table(drafts, 0, BOTH("64") BOTH("128"));
    assert_value(drafts, "run", "tool", "all_reduce_perf");
    test_says(test_remarks->str, "line 2: neither nccl-tests nor NCCL prints this; passed over: \"Warning: hosts\"");
    test_says(test_remarks->str, "line 9: neither nccl-tests nor NCCL prints this; passed over: \"stray words\"");
}
END_TEST

START_TEST(several_runs_are_several_measurements)
{
    g_autoptr(GPtrArray) drafts = import_text("# Collective test starting: all_reduce_perf\n" HEADER RANKS TITLE
                                              ROW("64",
                                                  "16") END "# Collective test starting: reduce_perf\n" HEADER RANKS
                                              TITLE ROW("128", "32") END);

    ck_assert_uint_eq(drafts->len, 2);
    assert_table(drafts, 0, BOTH("64"));
    assert_table(drafts, 1, BOTH("128"));
    ck_assert_str_eq(fab_draft_get(drafts->pdata[0], "run", "collective"), "all_reduce");
    ck_assert_str_eq(fab_draft_get(drafts->pdata[1], "run", "collective"), "reduce");
    ck_assert_str_eq(test_remarks->str, "");
}
END_TEST

START_TEST(old_programs_printed_busbw_as_algbw)
{
    FabImportOptions options = options_for("all_gather", 4);
    g_autoptr(GPtrArray) drafts = import_bytes(
        TITLE "4000000 250000 float none -1 100.0 30.00 30.00 0 200.0 15.00 15.00 0\n" END, -1, &options, NULL);

    assert_table(drafts, 0, "4000000,100.0,40.00,30.00,0\n4000000,200.0,20.00,15.00,1\n");
    assert_value(drafts, "quality", "derived", "algbw_GBps");
}
END_TEST

START_TEST(wrong_results_spoil_the_grade)
{
    g_autoptr(GPtrArray) drafts = import_text(HEADER RANKS TITLE
                                              "128 32 float sum -1 10.50 0.10 0.10 3 11.25 0.09 0.09 0\n" END);

    assert_value(drafts, "quality", "grade", "C");
    assert_value(drafts, "quality", "reason", "1 of 1 rows have wrong results");
}
END_TEST

/* ------------------------------------------------------------------ bad input */

START_TEST(a_log_that_was_cut_keeps_its_rows_and_says_so)
{
    g_autoptr(GPtrArray) drafts = import_text(HEADER RANKS TITLE ROW("64", "16") "128  32  float  sum  -1  10.5");

    assert_table(drafts, 0, BOTH("64"));
    test_says(test_remarks->str, "line 7: the last line is cut in the middle; left out: \"128  32");
    test_says(test_remarks->str,
              "the run has no closing lines (a log that was cut, or an excerpt); its 1 rows are kept");
}
END_TEST

START_TEST(rows_that_cannot_be_read_are_reported)
{
    g_autoptr(GPtrArray) drafts = import_text(
        HEADER RANKS TITLE ROW("64", "16") "128 32 float sum -1 10.50 XX.XX XX.XX 0 11.25 0.09 0.09 0\n"
        "256 64 float sum -1 nan 0.00 0.00 0 0.00 0.00 0.00 0\n"
        "512 128 float sum -1 10.5 hostA:1:2 [0] NCCL INFO Launch mode Parallel\n" END);

    assert_table(drafts, 0, BOTH("64"));
    test_says(test_remarks->str, "line 7: cell 7 of the row, \"XX.XX\", cannot be read; the row is left out");
    test_says(test_remarks->str, "line 8: the out-of-place time of size 256 is nan us");
    test_says(test_remarks->str, "line 8: the in-place time of size 256 is 0.00 us");
    test_says(test_remarks->str, "line 9: NCCL printed into a row; the row is left out");
}
END_TEST

START_TEST(processes_that_ran_apart_are_refused)
{
    FabImportOptions options = options_for(NULL, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) drafts = import_sample("nccltests-built-without-mpi-under-mpirun.txt", &options, &error);

    ck_assert_ptr_null(drafts);
    ck_assert_ptr_nonnull(strstr(error->message, "line 9: rank 0 appears again (first in line 7)"));
    ck_assert_ptr_nonnull(strstr(error->message, "MPI=1"));
    assert_refused(TITLE TITLE ROW("64", "16"), -1, "line 3: the title of the table appears again before any row");
}
END_TEST

#define DEVICE(rank) "#  Rank " rank " Group  0 Pid 4242 on hostA device  0 [0x01] NVIDIA H100 PCIe\n"

START_TEST(a_log_that_does_not_name_all_ranks_is_refused)
{
    assert_refused(DEVICE("7") TITLE ROW("64", "16"), -1,
                   "line 1: names rank 7, and no line names rank 0; the log is not whole");
    assert_refused(DEVICE("0") DEVICE("3") TITLE ROW("64", "16"), -1, "line 2: names rank 3, and no line names rank 1");
}
END_TEST

START_TEST(files_that_are_no_log_are_refused)
{
    assert_refused("", -1, "no row of nccl-tests");
    assert_refused("\x7f" "ELF\0\0\0\0", 8, "is a binary file");
    assert_refused("\x1f\x8b\x08", 3, "gzip");
    assert_refused("\xff\xfe#\0", 4, "UTF-16");
    assert_refused("nvbandwidth Version: v0.8\n 0  N/A  371.20\n", -1, "this looks like nvbandwidth");
    assert_refused("P2P Connectivity Matrix\n     0 909.92  22.47\n", -1, "this looks like p2pBandwidthLatencyTest");
    assert_refused("<system version=\"1\">\n", -1, "fabricast import nccl-topology");
    assert_refused("{ \"version\": 3, \"results\": [ { \"size\": 8,", -1, "line 1 column");
    assert_refused("{ \"nvbandwidth\": {} }", -1, "it looks like that of nvbandwidth");
    assert_refused("{ \"version\": 4, \"results\": [] }", -1, "version is 4, version 3");
}
END_TEST

START_TEST(figures_that_mislead_are_refused)
{
    assert_refused(HEADER RANKS TITLE "1,048,576 262144 float sum -1 10.50 0.10 0.10 0 11.25 0.09 0.09 0\n", -1,
                   "line 6: \"1,048,576\" has thousands separators");
    assert_refused("# size count type redop root cputime algbw busbw #wrong cputime algbw busbw #wrong\n", -1,
                   "times of the CPU");
    assert_refused("# Collective test starting: hypercube_perf\n" HEADER RANKS TITLE ROW("64", "16") END, -1,
                   "measurements of \"hypercube\" cannot be used");
    assert_refused(TITLE ROW("64", "16") END, -1, "--ranks");
}
END_TEST

START_TEST(long_lines_and_lines_across_buffers_are_read)
{
    g_autofree char *spaces = g_strnfill(300000, 'x'), *text = NULL;
    g_autoptr(GPtrArray) drafts = NULL;

    text = g_strconcat(HEADER RANKS TITLE ROW("64", "16"), spaces, "\n" ROW("128", "32") END, NULL);
    drafts = import_text(text);
    assert_table(drafts, 0, BOTH("64") BOTH("128"));
    test_says(test_remarks->str, "line 7: longer than any line of nccl-tests; passed over");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("import-nccl-tests");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, a_log_of_2021_gives_collective_and_ranks_by_its_figures);
    tcase_add_test(tests, a_log_with_roots_says_ranks_gpus_and_processes);
    tcase_add_test(tests, a_log_of_2025_says_its_program_and_version);
    tcase_add_test(tests, columns_of_each_iteration_and_time_stamps_are_passed_over);
    tcase_add_test(tests, rows_without_any_title_are_read);
    tcase_add_test(tests, an_all_gather_needs_its_name_but_not_its_ranks);
    tcase_add_test(tests, figures_that_nothing_measures_are_left_out);
    tcase_add_test(tests, json_is_read_without_the_environment);
    tcase_add_test(tests, tags_colours_and_carriage_returns_are_removed);
    tcase_add_test(tests, a_sample_of_mpirun_keeps_its_row);
    tcase_add_test(tests, lines_of_nccl_give_version_rings_channels_and_settings);
    tcase_add_test(tests, lines_of_others_are_reported_with_their_numbers);
    tcase_add_test(tests, several_runs_are_several_measurements);
    tcase_add_test(tests, old_programs_printed_busbw_as_algbw);
    tcase_add_test(tests, wrong_results_spoil_the_grade);
    tcase_add_test(tests, a_log_that_was_cut_keeps_its_rows_and_says_so);
    tcase_add_test(tests, rows_that_cannot_be_read_are_reported);
    tcase_add_test(tests, a_log_that_does_not_name_all_ranks_is_refused);
    tcase_add_test(tests, processes_that_ran_apart_are_refused);
    tcase_add_test(tests, files_that_are_no_log_are_refused);
    tcase_add_test(tests, figures_that_mislead_are_refused);
    tcase_add_test(tests, long_lines_and_lines_across_buffers_are_read);
    return run_tests(tests);
}
