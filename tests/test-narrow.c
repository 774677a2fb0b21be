#include "report/narrow.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "suite.h"

static char *
narrow(const char *text, guint columns)
{
    return fab_narrow(text, strlen(text), columns);
}

static void
expect(const char *text, guint columns, const char *wanted)
{
    g_autofree char *found = narrow(text, columns);

    ck_assert_str_eq(found, wanted);
}

START_TEST(what_fits_stays_as_it_is)
{
    const char *text = "# head  of it\n  a\tb   c\n\n#\nlast line without an end";

    expect(text, 60, text);
    expect("", 60, "");
    expect("\n", 60, "\n");
}
END_TEST

START_TEST(sentences_go_on_below_their_words)
{
    expect("# a sentence of many words that is longer than forty letters\n", 40,
           "# a sentence of many words that is\n"
           "#   longer than forty letters\n");
    expect("    four blanks before a sentence that is too long\n", 40,
           "    four blanks before a sentence that\n"
           "      is too long\n");
}
END_TEST

START_TEST(behind_a_label_they_go_on_below_what_is_said)
{
    expect("# bound by  the link of a GPU to its switch, most of the time\n", 40,
           "# bound by  the link of a GPU to its\n"
           "#           switch, most of the time\n");
}
END_TEST

START_TEST(what_was_wrapped_before_is_wrapped_once)
{
    const char *note = "# topology  one two three four five six seven eight\n"
                       "#           nine ten\n"
                       "# note      short\n"
                       "#           and more\n";

    expect(note, 60, note);
    expect(note, 40, "# topology  one two three four five six\n"
                     "#           seven eight nine ten\n"
                     "# note      short\n"
                     "#           and more\n");
}
END_TEST

START_TEST(the_text_of_a_last_column_is_wrapped_in_it)
{
    expect("nvswitch     GPUs joined by chips of NVSwitch\n"
           "pcie-switch  GPUs on root ports or below switches\n", 40,
           "nvswitch     GPUs joined by chips of\n"
           "             NVSwitch\n"
           "pcie-switch  GPUs on root ports or below\n"
           "             switches\n");
}
END_TEST

START_TEST(blanks_that_columns_do_not_need_go_first)
{
    expect("#   size                  time\n"
           "       8                  1.50               a\n"
           "      16                 11.50               b\n", 40,
           "#  size   time\n"
           "      8   1.50  a\n"
           "     16  11.50  b\n");
}
END_TEST

START_TEST(rows_that_are_too_wide_take_several_lines_cut_like_their_head)
{
    expect("#    size      time     algbw     busbw     count\n"
           "#     (B)      (us)    (GB/s)    (GB/s)\n"
           "     1024     16.25      1.25      2.50       256\n"
           "  1048576    100.00     10.00     20.00    262144\n", 40,
           "#    size    time   algbw   busbw\n"
           "#     (B)    (us)  (GB/s)  (GB/s)\n"
           "#      count\n"
           "     1024   16.25    1.25    2.50\n"
           "         256\n"
           "  1048576  100.00   10.00   20.00\n"
           "      262144\n");
}
END_TEST

START_TEST(a_head_is_not_what_stands_two_lines_above_it)
{
    expect("# goodput   ninety-seven percent of the time\n"
           "#   a               b                     c\n"
           "    1               2                     3\n", 40,
           "# goodput   ninety-seven percent of the\n"
           "#           time\n"
           "#  a  b  c\n"
           "   1  2  3\n");
}
END_TEST

START_TEST(a_word_longer_than_the_terminal_is_not_broken)
{
    expect("# see https://example.org/a/very/long/path/that/nobody/breaks for more\n", 40,
           "# see\n"
           "#   https://example.org/a/very/long/path/that/nobody/breaks\n"
           "#   for more\n");
}
END_TEST

START_TEST(a_matrix_with_tabs_is_cut_between_its_columns)
{
    g_autofree char *found = narrow("\tGPU0\tGPU1\tGPU2\tGPU3\tGPU4\nGPU0\tX\tNV18\tNV18\tNV18\tNV18\n", 40);

    ck_assert_str_eq(found, "      GPU0  GPU1  GPU2  GPU3  GPU4\nGPU0  X     NV18  NV18  NV18  NV18\n");
}
END_TEST

START_TEST(letters_count_and_not_bytes)
{
    const char *text = "# \303\244\303\266\303\274\303\244\303\266\303\274\303\244\303\266\303\274 in a line "
                       "of forty-four letters\n";

    expect(text, 44, text);
    expect("\377  not UTF-8, and longer than any terminal that is forty columns wide\n", 40,
           "\377  not UTF-8, and longer than any terminal that is forty columns wide\n");
}
END_TEST

/* Words of `text` without '#', sorted. */
static char *
words_of(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\n#", -1);

    qsort(words, g_strv_length(words), sizeof *words, (int (*)(const void *, const void *))fab_compare_strings);
    return g_strjoinv("", words);
}

START_TEST(nothing_is_lost_whatever_the_text)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);

    for (int run = 0; run < 2000; run++) {
        static const char *const pieces[] = { " ", "  ", "      ", "\n", "\n", "# ", "#", "\t", "1.25", "word", "-",
                                              "a-word-of-more-than-forty-letters-that-fits-nowhere" };
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *found = NULL, *before = NULL, *after = NULL;
        for (int i = g_rand_int_range(random, 0, 200); i > 0; i--)
            g_string_append(text, pieces[g_rand_int_range(random, 0, G_N_ELEMENTS(pieces))]);
        found = narrow(text->str, (guint)g_rand_int_range(random, 0, 120));
        before = words_of(text->str);
        after = words_of(found);
        ck_assert_str_eq(before, after);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("narrow");

    tcase_add_test(tests, what_fits_stays_as_it_is);
    tcase_add_test(tests, sentences_go_on_below_their_words);
    tcase_add_test(tests, behind_a_label_they_go_on_below_what_is_said);
    tcase_add_test(tests, what_was_wrapped_before_is_wrapped_once);
    tcase_add_test(tests, the_text_of_a_last_column_is_wrapped_in_it);
    tcase_add_test(tests, blanks_that_columns_do_not_need_go_first);
    tcase_add_test(tests, rows_that_are_too_wide_take_several_lines_cut_like_their_head);
    tcase_add_test(tests, a_head_is_not_what_stands_two_lines_above_it);
    tcase_add_test(tests, a_word_longer_than_the_terminal_is_not_broken);
    tcase_add_test(tests, a_matrix_with_tabs_is_cut_between_its_columns);
    tcase_add_test(tests, letters_count_and_not_bytes);
    tcase_add_test(tests, nothing_is_lost_whatever_the_text);
    return run_tests(tests);
}
