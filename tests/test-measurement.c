#include "measure/measurement.h"

#include <check.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "fixture.h"
#include "suite.h"

#define FACTS                                                                                                          \
    "[source]\nkind=collective\nmachine=m\n\n[system]\nranks=4\ntopology=pcie-host\n\n"                                \
    "[run]\ncollective=all_reduce\nenv=NCCL_ALGO=Ring;NCCL_PROTO=LL\n\n[quality]\ngrade=A\nreason=made for a test\n"
#define HEADER "size_bytes,time_us,algbw_GBps,busbw_GBps,in_place\n"

static void
put(const char *name, const char *text, gssize length)
{
    g_autofree char *path = g_build_filename(test_folder, name, NULL);

    ck_assert(g_file_set_contents(path, text, length, NULL));
}

/* Reads case.ini and case.csv with these texts; `table` NULL: no such file. */
static FabMeasurement *
read_texts(const char *facts, const char *table, GError **error)
{
    g_autofree char *path = test_path("case.ini");
    g_autofree char *csv = test_path("case.csv");

    put("case.ini", facts, -1);
    g_unlink(csv);
    if (table != NULL)
        put("case.csv", table, -1);
    return fab_measurement_load(path, error);
}

/* The error must be an input error of one line that matches `pattern`. */
static void
refuse(const char *facts, const char *table, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    FabMeasurement *measurement = read_texts(facts, table, &error);

    ck_assert_msg(measurement == NULL, "accepted: %s%s", facts, table);
    ck_assert_ptr_nonnull(error);
    test_refusal(&error, pattern);
}

static void
refuse_row(const char *row, const char *pattern)
{
    g_autofree char *table = g_strconcat(HEADER "8,1.5,0.01,0.01,0\n", row, NULL);

    refuse(FACTS, table, pattern);
}

static char *
contents(const char *in, const char *name)
{
    g_autofree char *path = g_build_filename(in, name, NULL);
    char *text = NULL;

    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s", path);
    return text;
}

START_TEST(every_file_of_the_open_set_reads_and_is_written_byte_for_byte)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) ids = fab_measurement_list(fab_path_measurements(), &error);
    guint count = ids != NULL ? g_strv_length(ids) : 0;

    ck_assert_uint_ge(count, 500);
    for (guint i = 0; i < count; i++) {
        static const char *const suffixes[] = { ".ini", ".csv" };
        g_autofree char *name = g_strconcat(ids[i], ".ini", NULL);
        g_autofree char *path = g_build_filename(fab_path_measurements(), name, NULL);
        g_autoptr(FabMeasurement) measurement = fab_measurement_load(path, &error);
        ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : ids[i]);
        ck_assert_str_eq(measurement->id, ids[i]);
        ck_assert(fab_measurement_write(measurement, test_folder, &error));
        for (guint k = 0; k < G_N_ELEMENTS(suffixes); k++) {
            g_autofree char *file = g_strconcat(ids[i], suffixes[k], NULL);
            g_autofree char *before = contents(fab_path_measurements(), file);
            g_autofree char *after = contents(test_folder, file);
            g_autofree char *written = test_path(file);
            ck_assert_msg(strcmp(before, after) == 0, "%s changed", file);
            g_unlink(written);
        }
    }
}
END_TEST

START_TEST(the_index_lists_what_is_there)
{
    g_autofree char *index = contents(fab_path_measurements(), "INDEX.csv");
    g_auto(GStrv) lines = g_strsplit(index, "\n", -1);
    g_auto(GStrv) ids = fab_measurement_list(fab_path_measurements(), NULL);
    guint count = g_strv_length(ids);

    ck_assert_uint_eq(g_strv_length(lines), count + 2); /* the header, and nothing after the last line end */
    for (guint i = 0; i < count; i++) {
        bool found = false;
        for (guint j = 1; j <= count && !found; j++)
            found = g_str_has_prefix(lines[j], ids[i]) && lines[j][strlen(ids[i])] == ',';
        ck_assert_msg(found, "%s is not in INDEX.csv", ids[i]);
    }
}
END_TEST

START_TEST(facts_and_rows_are_read)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabMeasurement) measurement =
        read_texts(FACTS, HEADER "8,1.50,0.01,0.02,0\n1048576,,10,15,\n", &error);
    g_autofree char *algorithm = NULL, *channels = NULL;

    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(measurement->id, "case");
    ck_assert_int_eq(measurement->kind, FAB_MEASUREMENT_COLLECTIVE);
    ck_assert_str_eq(fab_measurement_get(measurement, "system", "topology"), "pcie-host");
    ck_assert_ptr_null(fab_measurement_get(measurement, "system", "cpu"));
    ck_assert_int_eq(fab_measurement_integer(measurement, "system", "ranks", 0), 4);
    ck_assert_int_eq(fab_measurement_integer(measurement, "system", "nodes", 1), 1);
    algorithm = fab_measurement_environment(measurement, "NCCL_PROTO");
    channels = fab_measurement_environment(measurement, "NCCL_PRO");
    ck_assert_str_eq(algorithm, "LL");
    ck_assert_ptr_null(channels);
    ck_assert_uint_eq(measurement->rows->len, 2);
    ck_assert_double_eq(fab_measurement_number(measurement, 0, FAB_COLLECTIVE_TIME), 1.5);
    ck_assert_str_eq(fab_measurement_text(measurement, 0, FAB_COLLECTIVE_TIME), "1.50");
    ck_assert(isnan(fab_measurement_number(measurement, 1, FAB_COLLECTIVE_TIME)));
}
END_TEST

START_TEST(carriage_returns_before_line_ends_are_accepted)
{
    g_auto(GStrv) lines = g_strsplit(FACTS, "\n", -1);
    g_autofree char *facts = g_strjoinv("\r\n", lines);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabMeasurement) measurement =
        read_texts(facts, "size_bytes,time_us,algbw_GBps,busbw_GBps,in_place\r\n8,1.5,0,0,1\r\n", &error);

    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(fab_measurement_text(measurement, 0, FAB_COLLECTIVE_IN_PLACE), "1");
    ck_assert_str_eq(fab_measurement_get(measurement, "quality", "reason"), "made for a test");
}
END_TEST

START_TEST(unknown_or_bad_facts_are_refused_by_file_group_and_key)
{
    const char *table = HEADER "8,1.5,0,0,1\n";

    refuse(FACTS "remarks=x\n", table, "case\\.ini: \\[quality\\] unknown key remarks; did you mean remark\\?");
    refuse(FACTS "[qualty]\ngrade=A\n", table, "case\\.ini: unknown group \\[qualty\\]; did you mean quality\\?");
    refuse(FACTS "grade=B\n", table, "line \\d+: key grade appears twice");
    refuse("[source]\nkind=colective\n", table, "\\[source\\] kind is \"colective\", which is not known; did you mean");
    refuse("[source]\nkind=link\nmachine=m\n[quality]\nreason=x\n", table, "\\[quality\\] grade is missing");
    refuse("[source]\nkind=collective\nmachine=m\n[run]\ncollective=all_reduce\n[quality]\ngrade=A\nreason=x\n",
           table, "\\[system\\] ranks is missing, every measurement of a collective");
    refuse("[source]\nkind=link\nurl=github.com/\n", table, "\\[source\\] url is \"github.com/\", must be an address");
    refuse("[source]\nkind=link\ndate=12.3.2024\n", table, "\\[source\\] date is \"12.3.2024\", must be a date");
    refuse("[source]\nkind=link\nnote=\n", table, "\\[source\\] note is empty");
    refuse("[system]\nranks=0\n", table, "\\[system\\] ranks is \"0\", must be a whole number from 1 to 2147483647");
    refuse("[system]\nranks=eight\n", table, "\\[system\\] ranks is \"eight\"");
    refuse("[system]\np2p=on\n", table, "\\[system\\] p2p is \"on\", which is not known; .*yes");
    refuse("[system]\ngpu_id=H100\n", table, "\\[system\\] gpu_id is \"H100\", must be ids");
    refuse("[overrides]\ngpu_x=h100-sxm\n", table, "\\[overrides\\] unknown key gpu_x");
    refuse("[run]\nnccl_version=new\n", table, "\\[run\\] nccl_version is \"new\", must be a version");
    refuse("[run]\nenv=fast\n", table, "\\[run\\] env is \"fast\", must be settings");
    refuse("no key file", table, "case\\.ini: is not a key file");
    refuse("\xef\xbb\xbf" FACTS, table, "case\\.ini: begins with a byte order mark");
    refuse("[source]\nnote=\xff\n", table, "case\\.ini: is not UTF-8");
}
END_TEST

START_TEST(a_bad_table_is_refused_by_file_and_line)
{
    refuse(FACTS, NULL, "case\\.csv: no such file, the table of .*case\\.ini must lie beside it");
    refuse(FACTS, "", "case\\.csv: is empty");
    refuse(FACTS, HEADER, "case\\.csv: has a header and no rows");
    refuse(FACTS, "size_bytes,time_us,algbw_GBps,busbw,in_place\n8,1,1,1,0\n",
           "case\\.csv: line 1: unknown column \"busbw\", the header of kind collective is size_bytes,time_us");
    refuse(FACTS, "time_us,size_bytes,algbw_GBps,busbw_GBps,in_place\n8,1,1,1,0\n", "line 1: the columns are time_us");
    refuse(FACTS, "src,dst,unidir_GBps,bidir_GBps,latency_us\n0,1,1,2,3\n", "line 1: unknown column \"src\"");
    refuse(FACTS, "\xef\xbb\xbf" HEADER "8,1,1,1,0\n", "case\\.csv: begins with a byte order mark");
    refuse_row("16,1.5,0.01\n", "case\\.csv: line 3: has 3 cells, must have 5");
    refuse_row("16,1.5,0.01,0.01,0,7\n", "case\\.csv: line 3: has 6 cells, must have 5");
    refuse_row("\n", "case\\.csv: line 3: has 1 cells");
    refuse_row("16,1.5,0.01,0.01,0", "case\\.csv: line 3: the file ends inside this line");
    refuse_row("16,\"1.5,0.01\n", "line 3: a quote is opened and not closed");
    refuse_row("16,\"1.5\"x,0.01,1,0\n", "line 3: text follows a closing quote");
    refuse_row("16,1\"5,0.01,1,0\n", "line 3: a quote stands inside a cell");
}
END_TEST

START_TEST(a_cell_that_is_no_figure_is_refused_by_line_and_column)
{
    refuse_row("16,nan,0.01,0.01,0\n", "line 3: time_us is \"nan\", must be a time from 0.001 to 1e12 microseconds");
    refuse_row("16,inf,0.01,0.01,0\n", "line 3: time_us is \"inf\"");
    refuse_row("16,0,0.01,0.01,0\n", "line 3: time_us is \"0\", must be a time from 0.001 to 1e12 microseconds");
    refuse_row("16,0.00,0.01,0.01,0\n", "line 3: time_us is \"0.00\", must be a time from 0.001 to 1e12 microseconds");
    refuse_row("16,-3,0.01,0.01,0\n", "line 3: time_us is \"-3\", must be a time from 0.001 to 1e12 microseconds");
    refuse_row("16,0.0009,0.01,0.01,0\n", "line 3: time_us is \"0.0009\"");
    refuse_row("16,1e15,0.01,0.01,0\n", "line 3: time_us is \"1e15\"");
    refuse_row("16,1,1e10,0.01,0\n", "line 3: algbw_GBps is \"1e10\"");
    refuse_row("1000000000000000000,1,1,1,0\n", "line 3: size_bytes is .*from 0 to 1e18");
    refuse_row("16,1e999,0.01,0.01,0\n", "line 3: time_us is \"1e999\"");
    refuse_row("16,0x10,0.01,0.01,0\n", "line 3: time_us is \"0x10\"");
    refuse_row("16, 1,0.01,0.01,0\n", "line 3: time_us is \" 1\"");
    refuse_row("16,1,-0.01,0.01,0\n", "line 3: algbw_GBps is \"-0.01\", must be a number from 0 to 1e9");
    refuse_row("-16,1,0.01,0.01,0\n", "line 3: size_bytes is \"-16\", must be a whole number");
    refuse_row("1e6,1,0.01,0.01,0\n", "line 3: size_bytes is \"1e6\"");
    refuse_row("99999999999999999999,1,0.01,0.01,0\n", "line 3: size_bytes is");
    refuse_row(",1,0.01,0.01,0\n", "line 3: size_bytes is empty, every row needs it");
    refuse_row("16,1,0.01,0.01,2\n", "line 3: in_place is \"2\", must be 0 or 1");
    refuse_row("16,,0.01,,0\n", "line 3: time_us and busbw_GBps are empty, one of them must be there");
    refuse_row("16,\"1,000\",0.01,0.01,0\n", "line 3: time_us is \"1,000\"");
}
END_TEST

START_TEST(what_is_no_key_file_is_refused_before_it_is_read)
{
    g_autofree char *huge = test_path("huge.ini"), *shown = test_path("case.txt"), *upper = test_path("Case.ini");
    g_autofree char *none = test_path("none.ini");
    const char *const paths[] = { huge, shown, upper, none, test_folder };
    const char *const patterns[] = { "huge\\.ini: is larger than 64 MiB", "case\\.txt: is not the key file",
                                     "Case\\.ini: the name of a measurement must be lower-case",
                                     "none\\.ini: no such file", "is not the key file" };

    put("huge.ini", "", 0);
    ck_assert_int_eq(truncate(huge, (off_t)10 << 30), 0); /* 10 GB that take no room on the disk */
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;
        ck_assert_ptr_null(fab_measurement_load(paths[i], &error));
        ck_assert_msg(g_regex_match_simple(patterns[i], error->message, 0, 0), "%s", error->message);
    }
    g_unlink(huge);
    put("zero.ini", "[source]\0x", 10);
    g_clear_pointer(&huge, g_free);
    huge = test_path("zero.ini");
    ck_assert_ptr_null(fab_measurement_load(huge, NULL));
}
END_TEST

START_TEST(an_importer_fills_writes_and_reads_one_again)
{
    static const char *const first[] = { "0", "1", "24.5", "", "" }, *const bad[] = { "0", "1", "fast", "", "" };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabMeasurement) made = fab_measurement_new("made-1", FAB_MEASUREMENT_LINK, &error);
    g_autofree char *path = test_path("made-1.ini");
    g_autoptr(FabMeasurement) again = NULL;

    ck_assert_ptr_nonnull(made);
    ck_assert(fab_measurement_set(made, "source", "machine", "mine", &error));
    ck_assert(fab_measurement_set(made, "system", "gpu_id", "rtx-3090", &error));
    ck_assert(fab_measurement_set(made, "system", "gpu_id", "rtx-4090", &error));
    ck_assert(fab_measurement_set(made, "quality", "grade", "B", &error));
    ck_assert(!fab_measurement_set(made, "quality", "grade", "D", NULL));
    ck_assert(fab_measurement_add_row(made, first, &error));
    ck_assert(!fab_measurement_add_row(made, bad, &error));
    ck_assert_str_eq(error->message, "made-1: row 2: unidir_GBps is \"fast\", must be a number from 0 to 1e9; "
                                     "leave the cell empty when it is not known");
    g_clear_error(&error);
    ck_assert(!fab_measurement_write(made, test_folder, &error)); /* the reason of the grade is missing */
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    g_clear_error(&error);
    ck_assert(fab_measurement_set(made, "quality", "reason", "made up", &error));
    ck_assert(fab_measurement_write(made, test_folder, &error));
    again = fab_measurement_load(path, &error);
    ck_assert_ptr_nonnull(again);
    ck_assert_str_eq(fab_measurement_get(again, "system", "gpu_id"), "rtx-4090");
    ck_assert_double_eq(fab_measurement_number(again, 0, FAB_LINK_UNIDIR), 24.5);
    ck_assert_ptr_null(fab_measurement_new("Not an id", FAB_MEASUREMENT_LINK, NULL));
}
END_TEST

START_TEST(a_failed_write_leaves_no_file_behind)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabMeasurement) measurement = read_texts(FACTS, HEADER "8,1.5,0,0,1\n", &error);
    g_autofree char *target = test_path("blocked"), *inside = test_path("blocked/case.ini");
    g_autofree char *table = test_path("blocked/case.csv");

    ck_assert_int_eq(g_mkdir(target, 0700), 0);
    ck_assert_int_eq(g_mkdir(inside, 0700), 0); /* a folder stands where the key file would go */
    ck_assert(!fab_measurement_write(measurement, target, &error));
    ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
    ck_assert(!g_file_test(table, G_FILE_TEST_EXISTS));
    g_rmdir(inside);
    g_rmdir(target);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("measurement");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_file_of_the_open_set_reads_and_is_written_byte_for_byte);
    tcase_add_test(tests, the_index_lists_what_is_there);
    tcase_add_test(tests, facts_and_rows_are_read);
    tcase_add_test(tests, carriage_returns_before_line_ends_are_accepted);
    tcase_add_test(tests, unknown_or_bad_facts_are_refused_by_file_group_and_key);
    tcase_add_test(tests, a_bad_table_is_refused_by_file_and_line);
    tcase_add_test(tests, a_cell_that_is_no_figure_is_refused_by_line_and_column);
    tcase_add_test(tests, what_is_no_key_file_is_refused_before_it_is_read);
    tcase_add_test(tests, an_importer_fills_writes_and_reads_one_again);
    tcase_add_test(tests, a_failed_write_leaves_no_file_behind);
    return run_tests(tests);
}
