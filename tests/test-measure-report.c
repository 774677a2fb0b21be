/* Statistics and files of fabricast-measure: what it writes is read by the reader of measurements. */
#include <check.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "library.h"
#include "measure/measurement.h"
#include "report.h"
#include "suite.h"

static char *folder;

static void
make_folder(void)
{
    folder = g_dir_make_tmp("fabm-XXXXXX", NULL);
    ck_assert_ptr_nonnull(folder);
}

static void
remove_folder(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
}

static FabmReport *
make_report(void)
{
    FabmReport *report = fabm_report_new("test-machine", NULL, false);

    fabm_report_fact(report, "source", "machine", "test-machine");
    fabm_report_fact(report, "source", "date", "2026-01-02");
    fabm_report_fact(report, "system", "gpu", "  A GPU, with\na line end ");
    fabm_report_fact(report, "system", "ecc", "yes");
    fabm_report_fact(report, "run", "command", "fabricast-measure --sizes=4K links");
    fabm_report_fact(report, "run", "clocks_before", "GPU 0: SM 1980 MHz, memory 3201 MHz");
    fabm_report_fact(report, "quality", "grade", "A");
    fabm_report_fact(report, "quality", "reason", "a test");
    return report;
}

static FabMeasurement *
load(const char *id)
{
    g_autofree char *path = g_strdup_printf("%s/%s.ini", folder, id);
    g_autoptr(GError) error = NULL;
    FabMeasurement *measurement = fab_measurement_load(path, &error);

    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_msg(fab_measurement_check(measurement, &error), "%s", error != NULL ? error->message : "");
    return measurement;
}

START_TEST(quantiles_lie_between_samples)
{
    FabmSamples samples = { 0 };
    FabmSummary summary;

    ck_assert_int_eq(fabm_samples_summary(&samples).samples, 0);
    for (int i = 10; i >= 0; i--)
        fabm_samples_add(&samples, i);
    summary = fabm_samples_summary(&samples);
    ck_assert_int_eq(summary.samples, 11);
    ck_assert_double_eq_tol(summary.median, 5, 1e-12);
    ck_assert_double_eq_tol(summary.low, 1, 1e-12);
    ck_assert_double_eq_tol(summary.high, 9, 1e-12);
    summary = fabm_summary_rate(&summary, 90);
    ck_assert_double_eq_tol(summary.median, 18, 1e-12);
    ck_assert_double_eq_tol(summary.low, 10, 1e-12);
    ck_assert_double_eq_tol(summary.high, 90, 1e-12);
    fabm_samples_clear(&samples);
    fabm_samples_add(&samples, 1);
    fabm_samples_add(&samples, 2);
    ck_assert_double_eq_tol(fabm_samples_summary(&samples).median, 1.5, 1e-12);
    fabm_samples_clear(&samples);
}
END_TEST

START_TEST(device_tables_are_read_back)
{
    FabmReport *report = make_report();
    FabmSheet *sheet = fabm_report_sheet(report, "rates", FABM_DEVICE);
    FabmFailure failure = { 0 };
    g_autoptr(FabMeasurement) read = NULL;

    fabm_sheet_row(sheet, &(FabmRow) { "copy", "16 bytes, \"cache\"", "0", 8, 1 << 20, "rate",
                                       { 123.456789, 100, 1e9, 20 }, "GB/s" });
    fabm_sheet_row(sheet, &(FabmRow) { "launch", "", "", -1, -1, "time", { 2.5, NAN, NAN, 1 }, "us" });
    ck_assert(fabm_report_write(report, folder, NULL, &failure));
    ck_assert_int_eq(fabm_report_rows(report), 2);
    read = load("test-machine-rates");
    ck_assert_int_eq(read->kind, FAB_MEASUREMENT_DEVICE);
    ck_assert_uint_eq(read->rows->len, 2);
    ck_assert_str_eq(fab_measurement_text(read, 0, 1), "16 bytes, \"cache\"");
    ck_assert_double_eq_tol(fab_measurement_number(read, 0, 6), 123.457, 1e-9);
    ck_assert_str_eq(fab_measurement_text(read, 1, 7), "");
    ck_assert_str_eq(fab_measurement_get(read, "system", "gpu"), "A GPU, with a line end");
    ck_assert_str_eq(fab_measurement_get(read, "quality", "grade"), "A");
    ck_assert_ptr_null(fab_measurement_get(read, "quality", "remark"));
    fabm_report_free(report);
}
END_TEST

START_TEST(link_and_collective_tables_are_read_back)
{
    FabmReport *report = make_report();
    FabmSheet *links = fabm_report_sheet(report, "matrix", FABM_LINK);
    FabmSheet *calls = fabm_report_sheet(report, "nccl", FABM_COLLECTIVE);
    g_autofree char *matrix = NULL, *path = g_build_filename(folder, "test-machine-matrix.topo.txt", NULL);
    FabmFailure failure = { 0 };
    g_autoptr(FabMeasurement) read_links = NULL, read_calls = NULL;

    fabm_report_matrix(report, "\tGPU0\tGPU1\nGPU0\t X \tNV18\nGPU1\tNV18\t X \n");
    fabm_sheet_link(links, 0, 1, 400.5, 790, NAN);
    fabm_sheet_fact(calls, "run", "collective", "all_reduce");
    fabm_sheet_fact(calls, "system", "ranks", "2");
    fabm_sheet_collective(calls, 8 << 20, 100, 1.0, 0);
    ck_assert(fabm_report_write(report, folder, NULL, &failure));
    ck_assert(g_file_get_contents(path, &matrix, NULL, NULL));
    ck_assert(g_str_has_prefix(matrix, "\tGPU0"));
    read_links = load("test-machine-matrix");
    ck_assert(isnan(fab_measurement_number(read_links, 0, FAB_LINK_LATENCY)));
    ck_assert_double_eq_tol(fab_measurement_number(read_links, 0, FAB_LINK_BIDIR), 790, 1e-9);
    read_calls = load("test-machine-nccl");
    ck_assert_str_eq(fab_measurement_get(read_calls, "run", "collective"), "all_reduce");
    ck_assert_double_eq_tol(fab_measurement_number(read_calls, 0, FAB_COLLECTIVE_ALGBW), 83.8861, 1e-4);
    fabm_report_free(report);
}
END_TEST

START_TEST(what_stopped_early_says_so_and_is_not_graded_a)
{
    FabmReport *report = make_report();
    FabmFailure failure = { 0 };
    g_autoptr(FabMeasurement) read = NULL;

    fabm_sheet_row(fabm_report_sheet(report, "links", FABM_DEVICE),
                   &(FabmRow) { "h2d", "pinned", "0", -1, 4096, "time", { 1, 1, 1, 1 }, "us" });
    ck_assert(fabm_report_write(report, folder, "stopped by Ctrl-C", &failure));
    read = load("test-machine-links");
    ck_assert_str_eq(fab_measurement_get(read, "quality", "grade"), "B");
    ck_assert_str_eq(fab_measurement_get(read, "quality", "remark"), "stopped early: stopped by Ctrl-C");
    fabm_report_free(report);
}
END_TEST

START_TEST(a_table_without_rows_is_not_written_and_nothing_is_left_beside)
{
    FabmReport *report = make_report();
    FabmFailure failure = { 0 };
    GDir *dir;

    (void)fabm_report_sheet(report, "links", FABM_DEVICE);
    ck_assert(fabm_report_write(report, folder, NULL, &failure));
    dir = g_dir_open(folder, 0, NULL);
    ck_assert_ptr_null(g_dir_read_name(dir));
    g_dir_close(dir);
    fabm_report_free(report);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_a_sentence)
{
    FabmReport *report = make_report();
    FabmFailure failure = { 0 };

    ck_assert(!fabm_report_write(report, "/proc/no/such/folder", NULL, &failure));
    ck_assert_int_eq(failure.status, FABM_EXIT_MACHINE);
    ck_assert(strstr(failure.text, "/proc/no/such/folder") != NULL);
    fabm_report_free(report);
}
END_TEST

START_TEST(libraries_that_are_missing_or_foreign_are_named)
{
    static const char *const absent[] = { "libfabm-absent.so.7", NULL };
    static void (*function)(void);
    const FabmSymbol symbols[] = { { "fabm_no_such_symbol", &function }, { NULL, NULL } };
    const FabmSymbol none[] = { { NULL, NULL } };
    FabmFailure failure = { 0 };
    void *library;

    ck_assert_ptr_null(fabm_library_open("NCCL", NULL, absent, none, "install it", &failure));
    ck_assert_int_eq(failure.status, FABM_EXIT_MACHINE);
    ck_assert(strstr(failure.text, "libfabm-absent.so.7") != NULL);
    ck_assert(strstr(failure.text, "install it") != NULL);
    failure = (FabmFailure) { 0 };
    ck_assert_ptr_null(fabm_library_open("NCCL", "libc.so.6", absent, symbols, "install it", &failure));
    ck_assert(strstr(failure.text, "libc.so.6 has no fabm_no_such_symbol") != NULL);
    library = fabm_library_open("libc", "libc.so.6", absent, none, "", &failure);
    ck_assert_ptr_nonnull(library);
    fabm_library_close(library);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("measure-report");

    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_test(tests, quantiles_lie_between_samples);
    tcase_add_test(tests, device_tables_are_read_back);
    tcase_add_test(tests, link_and_collective_tables_are_read_back);
    tcase_add_test(tests, what_stopped_early_says_so_and_is_not_graded_a);
    tcase_add_test(tests, a_table_without_rows_is_not_written_and_nothing_is_left_beside);
    tcase_add_test(tests, a_folder_that_cannot_be_written_is_a_sentence);
    tcase_add_test(tests, libraries_that_are_missing_or_foreign_are_named);
    return run_tests(tests);
}
