/* The command line of fabricast-measure. */
#include <check.h>
#include <string.h>

#include "options.h"
#include "suite.h"

static FabmFailure failure;

static bool
parse(FabmOptions *options, const char *a, const char *b, const char *c)
{
    char *words[] = { (char *)"fabricast-measure", (char *)a, (char *)b, (char *)c, NULL };
    int count = 1;

    while (words[count] != NULL)
        count++;
    failure = (FabmFailure) { 0 };
    return fabm_options_parse(options, count, words, &failure);
}

static void
expect_refusal(const char *a, const char *b, const char *sentence)
{
    FabmOptions options;

    ck_assert(!parse(&options, a, b, NULL));
    ck_assert_int_eq(failure.status, FABM_EXIT_INPUT);
    ck_assert_msg(strstr(failure.text, sentence) != NULL, "\"%s\" is not in \"%s\"", sentence, failure.text);
}

START_TEST(sizes_are_ranges_or_lists)
{
    FabmNumbers sizes;

    ck_assert(fabm_parse_sizes("4K:1M:4", &sizes));
    ck_assert_int_eq(sizes.count, 5);
    ck_assert_uint_eq(sizes.values[0], 4096);
    ck_assert_uint_eq(sizes.values[4], 1 << 20);
    ck_assert(fabm_parse_sizes("8:64", &sizes));
    ck_assert_int_eq(sizes.count, 4);
    ck_assert(fabm_parse_sizes("3GiB,16,4KB", &sizes));
    ck_assert_int_eq(sizes.count, 3);
    ck_assert_uint_eq(sizes.values[0], UINT64_C(3) << 30);
    ck_assert_uint_eq(sizes.values[2], 4096);
}
END_TEST

START_TEST(bad_sizes_are_refused)
{
    static const char *const bad[] = { "", "4K:", ":4K", "8K:4K", "0:8", "4K:8K:1", "4X", "-4", "1,,2", "1,",
                                       "4K:1M:4x", "99999999999999999999", "1e3" };
    FabmNumbers sizes;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!fabm_parse_sizes(bad[i], &sizes), "\"%s\" was taken", bad[i]);
}
END_TEST

START_TEST(lists_have_ranges)
{
    FabmNumbers numbers;

    ck_assert(fabm_parse_list("0,2-4,9", &numbers));
    ck_assert_int_eq(numbers.count, 5);
    ck_assert_uint_eq(numbers.values[3], 4);
    ck_assert(!fabm_parse_list("", &numbers));
    ck_assert(!fabm_parse_list("1,", &numbers));
    ck_assert(!fabm_parse_list("1-", &numbers));
    ck_assert(!fabm_parse_list("0-100", &numbers));
}
END_TEST

START_TEST(options_take_their_argument_with_equals_or_behind)
{
    FabmOptions options;

    ck_assert(parse(&options, "--repeats=7", "links", NULL));
    ck_assert_int_eq(options.repeats, 7);
    ck_assert_int_eq(options.warmup, 5);
    ck_assert_int_eq(options.tests.count, 1);
    ck_assert(parse(&options, "--repeats", "8", "--json"));
    ck_assert_int_eq(options.repeats, 8);
    ck_assert(options.json);
    ck_assert(parse(&options, "--collectives=all_reduce,alltoall", "--timeout=2.5", NULL));
    ck_assert_int_eq(options.collectives.count, 2);
    ck_assert_str_eq(options.collectives.values[1], "alltoall");
    ck_assert_double_eq_tol(options.timeout_s, 2.5, 1e-12);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_what_would_be_right)
{
    expect_refusal("--repaets=3", NULL, "did you mean repeats?");
    expect_refusal("--repeats=0", NULL, "must be a whole number from 1 to 100000");
    expect_refusal("--repeats", NULL, "needs an argument: --repeats=N");
    expect_refusal("--json=yes", NULL, "takes no argument");
    expect_refusal("--sizes=7", NULL, "multiple of 4");
    expect_refusal("--widths=5", NULL, "must be 4, 8 or 16");
    expect_refusal("--gpus=1,1", NULL, "appears twice");
    expect_refusal("--streams=0", NULL, "must be from 1 to 64");
    expect_refusal("--total=4K,8K", NULL, "one number of bytes");
    expect_refusal("--back=-1", NULL, "number of 0 or more");
    expect_refusal("--kernel-rate=fast", NULL, "number of 0 or more");
    expect_refusal("--engine=dma", NULL, "must be copy or kernel");
    expect_refusal("--threads=33", NULL, "multiple of 32");
    expect_refusal("--fact=topology", NULL, "GROUP.KEY=VALUE");
    expect_refusal("--tag=a/b", NULL, "lower-case letters");
    expect_refusal("--timeout=0", NULL, "seconds above 0");
    expect_refusal("-v", NULL, "options begin with --");
}
END_TEST

START_TEST(every_option_is_in_the_help)
{
    FabmText help = { 0 };

    fabm_options_help(&help);
    ck_assert(strstr(help.data, "--timeout=SECONDS") != NULL);
    ck_assert(strstr(help.data, "--list ") != NULL);
    fabm_text_clear(&help);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("measure-options");

    tcase_add_test(tests, sizes_are_ranges_or_lists);
    tcase_add_test(tests, bad_sizes_are_refused);
    tcase_add_test(tests, lists_have_ranges);
    tcase_add_test(tests, options_take_their_argument_with_equals_or_behind);
    tcase_add_test(tests, what_is_wrong_is_said_with_what_would_be_right);
    tcase_add_test(tests, every_option_is_in_the_help);
    return run_tests(tests);
}
