/* Quantities as people write them. */
#include "base/units.h"

#include <check.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "suite.h"

typedef struct {
    const char *text, *unit;
    double value;
} Good;

static const Good good[] = {
    { "450 GB/s", "B/s", 450e9 },
    { "450GB/s", "B/s", 450e9 },
    { "  450  GB/s  ", "B/s", 450e9 },
    { "400 Gb/s", "B/s", 50e9 },
    { "1.5 TB/s", "B/s", 1.5e12 },
    { "100 MiB/s", "B/s", 104857600 },
    { "1 B/s", "B/s", 1 },
    { "8 b/s", "B/s", 1 },
    { "0", "B/s", 0 },
    { "-1 GB/s", "B/s", -1e9 },
    { "+1 GB/s", "B/s", 1e9 },
    { "1e9 B/s", "B/s", 1e9 },
    { ".5 GB/s", "B/s", 5e8 },
    { "500 ns", "s", 500e-9 },
    { "1.25 us", "s", 1.25e-6 },
    { "3 ms", "s", 3e-3 },
    { "7 ps", "s", 7e-12 },
    { "2 s", "s", 2 },
    { "8", "B", 8 },
    { "4K", "B", 4096 },
    { "4k", "B", 4096 },
    { "64M", "B", 67108864 },
    { "8G", "B", 8589934592.0 },
    { "2T", "B", 2199023255552.0 },
    { "64 MiB", "B", 67108864 },
    { "80 GB", "B", 80e9 },
    { "1 KB", "B", 1000 },
    { "1 kB", "B", 1000 },
    { "32 GT/s", "T/s", 32e9 },
    { "1.98 GHz", "Hz", 1.98e9 },
    { "989 TFLOP/s", "FLOP/s", 989e12 },
    { "700 W", "W", 700 },
    { "0.86", "", 0.86 },
    { "-3", "", -3 },
};

START_TEST(a_quantity_is_a_number_with_a_unit)
{
    g_autoptr(GError) error = NULL;
    double value = NAN;

    ck_assert_msg(fab_parse_quantity(good[_i].text, good[_i].unit, &value, &error), "%s: %s", good[_i].text,
                  error != NULL ? error->message : "");
    ck_assert_msg(fabs(value - good[_i].value) <= 1e-12 * fabs(good[_i].value), "%s: %g", good[_i].text, value);
}
END_TEST

typedef struct {
    const char *text, *unit, *message;
} Bad;

static const Bad bad[] = {
    { "450", "B/s", "\"450\" is not a rate such as 450 GB/s or 400 Gb/s" },
    { "450 GB", "B/s", "is not a rate" },
    { "450 ns", "B/s", "is not a rate" },
    { "450 gB/s", "B/s", "is not a rate" },
    { "450 mB/s", "B/s", "is not a rate" },
    { "450 GB/s/s", "B/s", "is not a rate" },
    { "450 GB/s x", "B/s", "is not a rate" },
    { "4 5 GB/s", "B/s", "is not a rate" },
    { "4,5 GB/s", "B/s", "is not a rate" },
    { "nan GB/s", "B/s", "is not a rate" },
    { "inf GB/s", "B/s", "is not a rate" },
    { "-inf", "B/s", "is not a rate" },
    { "infinity", "", "is not a number" },
    { "NaN", "", "is not a number" },
    { "1e999 GB/s", "B/s", "is not a rate" },
    { "1e300 TB/s", "B/s", "is not a rate" },
    { "0x10 GB/s", "B/s", "is not a rate" },
    { "", "B/s", "\"\" is not a rate" },
    { "   ", "B/s", "is not a rate" },
    { "GB/s", "B/s", "is not a rate" },
    { "-", "", "is not a number" },
    { "5 GB/s", "s", "is not a time such as 500 ns or 1.5 us" },
    { "5", "s", "is not a time" },
    { "5 min", "s", "is not a time" },
    { "64 Q", "B", "is not a size such as 8, 64 MiB or 8G" },
    { "64 MM", "B", "is not a size" },
    { "10", "W", "is not a power such as 700 W or 10.2 kW" },
    { "5 %", "", "is not a number" },
};

START_TEST(what_is_no_quantity_is_refused_with_an_example)
{
    g_autoptr(GError) error = NULL;
    double value = 0;

    ck_assert_msg(!fab_parse_quantity(bad[_i].text, bad[_i].unit, &value, &error), "%s is %g", bad[_i].text, value);
    ck_assert_int_eq(error->code, FAB_ERROR_VALUE);
    ck_assert_msg(strstr(error->message, bad[_i].message) != NULL, "%s", error->message);
}
END_TEST

START_TEST(a_byte_count_is_whole_and_fits)
{
    static const char *const refused[] = { "-1", "0.5", "1.3 KB x", "4611686018427387904", "1e30", "nan", "",
                                           "8 GB/s" };
    uint64_t bytes = 7;

    ck_assert(fab_parse_bytes("8", &bytes, NULL) && bytes == 8);
    ck_assert(fab_parse_bytes("0", &bytes, NULL) && bytes == 0);
    ck_assert(fab_parse_bytes("1.5K", &bytes, NULL) && bytes == 1536);
    ck_assert(fab_parse_bytes("8G", &bytes, NULL) && bytes == 8589934592u);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        ck_assert_msg(!fab_parse_bytes(refused[i], &bytes, NULL), "%s", refused[i]);
}
END_TEST

START_TEST(an_integer_is_whole_and_fits)
{
    static const char *const refused[] = { "", "x", "1x", "1.0", "9223372036854775808", "-9223372036854775809", "0x1",
                                           "1e3", "--1" };
    int64_t value = 0;

    ck_assert(fab_parse_integer(" 42 ", &value, NULL) && value == 42);
    ck_assert(fab_parse_integer("-7", &value, NULL) && value == -7);
    ck_assert(fab_parse_integer("9223372036854775807", &value, NULL) && value == INT64_MAX);
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        ck_assert_msg(!fab_parse_integer(refused[i], &value, NULL), "%s", refused[i]);
}
END_TEST

START_TEST(a_boolean_is_one_of_six_words)
{
    bool value = false;

    ck_assert(fab_parse_boolean("on", &value, NULL) && value);
    ck_assert(fab_parse_boolean(" yes ", &value, NULL) && value);
    ck_assert(fab_parse_boolean("true", &value, NULL) && value);
    ck_assert(fab_parse_boolean("off", &value, NULL) && !value);
    ck_assert(fab_parse_boolean("no", &value, NULL) && !value);
    ck_assert(fab_parse_boolean("false", &value, NULL) && !value);
    ck_assert(!fab_parse_boolean("1", &value, NULL));
    ck_assert(!fab_parse_boolean("", &value, NULL));
}
END_TEST

static void
assert_text(char *text, const char *expected)
{
    ck_assert_str_eq(text, expected);
    g_free(text);
}

START_TEST(figures_are_printed_in_their_usual_unit)
{
    assert_text(fab_format_rate(450e9), "450 GB/s");
    assert_text(fab_format_rate(1.8e12), "1.8 TB/s");
    assert_text(fab_format_rate(15.75e9), "15.75 GB/s");
    assert_text(fab_format_rate(2.5e6), "2.5 MB/s");
    assert_text(fab_format_rate(0), "0 MB/s");
    assert_text(fab_format_time(250000), "250 ns");
    assert_text(fab_format_time(1250000), "1.25 us");
    assert_text(fab_format_time(3 * FAB_PS_PER_SECOND), "3 s");
    assert_text(fab_format_time(0), "0 ns");
    assert_text(fab_format_bytes(8), "8 B");
    assert_text(fab_format_bytes(67108864), "64 MiB");
    assert_text(fab_format_bytes(1536), "1.5 KiB");
    assert_text(fab_format_bytes(0), "0 B");
}
END_TEST

START_TEST(rounding_up_does_not_show_as_an_exponent)
{
    assert_text(fab_format_rate(99999e12), "99999 TB/s");
    assert_text(fab_format_bytes(1023), "1023 B");
}
END_TEST

START_TEST(the_locale_changes_nothing)
{
    static const char *const comma[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR" };
    double value = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(comma); i++) {
        if (setlocale(LC_ALL, comma[i]) == NULL)
            continue; /* not installed here */
        ck_assert(fab_parse_quantity("1.5 GB/s", "B/s", &value, NULL));
        ck_assert_double_eq(value, 1.5e9);
        assert_text(fab_format_rate(1.5e9), "1.5 GB/s");
    }
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(seconds_become_whole_picoseconds)
{
    ck_assert_int_eq(fab_ps_from_seconds(1), FAB_PS_PER_SECOND);
    ck_assert_int_eq(fab_ps_from_seconds(0.25e-6), 250000);
    ck_assert_int_eq(fab_ps_from_seconds(1.4e-12), 1);
    ck_assert_int_eq(fab_ps_from_seconds(1.6e-12), 2);
    ck_assert_int_eq(fab_ps_from_seconds(0), 0);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("units");

    tcase_add_loop_test(tests, a_quantity_is_a_number_with_a_unit, 0, G_N_ELEMENTS(good));
    tcase_add_loop_test(tests, what_is_no_quantity_is_refused_with_an_example, 0, G_N_ELEMENTS(bad));
    tcase_add_test(tests, a_byte_count_is_whole_and_fits);
    tcase_add_test(tests, an_integer_is_whole_and_fits);
    tcase_add_test(tests, a_boolean_is_one_of_six_words);
    tcase_add_test(tests, figures_are_printed_in_their_usual_unit);
    tcase_add_test(tests, rounding_up_does_not_show_as_an_exponent);
    tcase_add_test(tests, the_locale_changes_nothing);
    tcase_add_test(tests, seconds_become_whole_picoseconds);
    return run_tests(tests);
}
