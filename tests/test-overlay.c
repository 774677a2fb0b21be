#include "collective/overlay.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "scenario/scenario.h"
#include "predict/run.h"
#include "suite.h"

#define HEAD "[calibration]\nformat=1\n"

static void
refused(const char *text, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabOverlay) overlay = fab_overlay_parse("o.ini", text, &error);

    ck_assert_msg(overlay == NULL && error != NULL, "accepted: %s", text);
    ck_assert_msg(g_pattern_match_simple(pattern, error->message), "%s", error->message);
}

START_TEST(values_take_the_place_of_those_shipped)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabOverlay) overlay =
        fab_overlay_parse("o.ini",
                          HEAD "title=two boxes\n[hopper]\nll_round_us=610 ns\nll_round_us_interval=0.6 us;0.62 us\n"
                               "send_rate=31.5 GB/s\n[pcie-peer]\nlink_share=0.9\n", &error);
    FabConstants expected = *fab_constants_shipped();

    ck_assert_msg(overlay != NULL, "%s", error != NULL ? error->message : "");
    *fab_constants_find(&expected, "hopper", "ll_round_us") = 0.61;
    *fab_constants_find(&expected, "hopper", "send_rate") = 31.5;
    *fab_constants_find(&expected, "pcie-peer", "link_share") = 0.9;
    ck_assert_int_eq(memcmp(&overlay->constants, &expected, sizeof expected), 0);
    ck_assert_uint_eq(overlay->count, 3);
    ck_assert_str_eq(overlay->title, "two boxes");
}
END_TEST

START_TEST(intervals_belong_to_a_kind_of_machine_and_kernels)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabOverlay) overlay = fab_overlay_parse(
        "o.ini", HEAD "[hopper]\nlink_share=0.9\n[interval pcie-peer/send-recv/hopper]\nlow=-8 %;-5.5 %; -0 %\n"
                      "high=12 %;9 %;300 %\ncases=3\n[interval nvswitch/ring/hopper]\nlow=-8 %;-5 %;-2 %\n"
                      "high=1 %;1 %;1 %\n", &error);
    const FabOverlayInterval *first, *second;

    ck_assert_msg(overlay != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(overlay->intervals->len, 2);
    first = &g_array_index(overlay->intervals, FabOverlayInterval, 0);
    second = &g_array_index(overlay->intervals, FabOverlayInterval, 1);
    ck_assert_int_eq(first->kind.connection, FAB_CONNECTION_SWITCH);
    ck_assert_int_eq(second->kind.family, FAB_FAMILY_COPY);
    ck_assert_int_eq(second->cases, 3);
    ck_assert_double_eq_tol(second->low[1], -0.055, 1e-12);
    ck_assert_double_eq_tol(second->high[2], 3, 1e-12);
}
END_TEST

START_TEST(bad_intervals_are_refused)
{
    const char *const good = HEAD "[hopper]\nlink_share=0.9\n[interval nvswitch/ring/hopper]\n";
    static const struct {
        const char *lines, *pattern;
    } cases[] = {
        { "low=-8 %;-5 %;-2 %\n", "o.ini: ?interval nvswitch/ring/hopper? high: is \"\", must be three shares*12 %*" },
        { "low=-8 %;-5 %\nhigh=1 %;1 %;1 %\n", "*low*is \"-8 %;-5 %\", must be three*" },
        { "low=8 %;-5 %;-1 %\nhigh=1 %;1 %;1 %\n", "*low*must be three shares of the time from -99.9 % to 0 %*" },
        { "low=-8;-5;-1\nhigh=1 %;1 %;1 %\n", "*low*" },
        { "low=nan %;-5 %;-1 %\nhigh=1 %;1 %;1 %\n", "*low*" },
        { "low=-8 %;-5 %;-1 %\nhigh=inf %;1 %;1 %\n", "*high*" },
        { "low=-8 %;-5 %;-1 %\nhigh=1 %;1 %;1 %\ncases=0\n", "*cases*" },
        { "low=-8 %;-5 %;-1 %\nhigh=1 %;1 %;1 %\nlwo=1\n", "*lwo*" },
        { "[interval nvswitch/ring/hoper]\nlow=-8 %;-5 %;-1 %\n", "*hoper*" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat(good, cases[i].lines, NULL);
        refused(text, cases[i].pattern);
    }
}
END_TEST

/* The shipped value, the lower or the upper end of the range. */
static double
value_of(const char *group, const FabConstant *constant, int which)
{
    FabConstants shipped = *fab_constants_shipped();

    if (which == 0)
        return *fab_constants_find(&shipped, group, constant->key);
    return which == 1 ? constant->low : constant->high;
}

START_TEST(every_shipped_value_and_every_end_of_a_range_can_be_written_and_read)
{
    for (int which = 0; which < 3; which++) {
        g_autoptr(GString) text = g_string_new(HEAD);
        g_autoptr(GError) error = NULL;
        g_autoptr(FabOverlay) overlay = NULL;
        for (int g = 0; fab_constant_groups[g] != NULL; g++) {
            g_string_append_printf(text, "[%s]\n", fab_constant_groups[g]);
            for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++) {
                g_autofree char *value = fab_constant_format(one, value_of(fab_constant_groups[g], one, which));
                g_string_append_printf(text, "%s=%s\n%s_interval=%s;%s\n", one->key, value, one->key, value, value);
            }
        }
        overlay = fab_overlay_parse("o.ini", text->str, &error);
        ck_assert_msg(overlay != NULL, "%s", error != NULL ? error->message : "");
        for (int g = 0; fab_constant_groups[g] != NULL; g++) {
            for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++)
                ck_assert_double_eq(*fab_constants_find(&overlay->constants, fab_constant_groups[g], one->key),
                                    value_of(fab_constant_groups[g], one, which));
        }
    }
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_place)
{
    refused("", "o.ini: *[calibration] format=1 is missing*");
    refused("[topology]\nplugin=nvswitch\n", "o.ini: is no calibration*");
    refused("[calibration]\nformat=2\n[hopper]\nsend_rate=30 GB/s\n",
            "o.ini: [calibration] format is 2, must be 1*version*");
    refused(HEAD, "o.ini: sets no constant*");
    refused(HEAD "keys=3\n[hopper]\nsend_rate=30 GB/s\n",
            "o.ini: [calibration] keys is 3, the other groups have 1: *cut*");
    refused(HEAD "program=fabricast 99.0.0\n[hopper]\nsend_rate=30 GB/s\n",
            "o.ini: [calibration] program is fabricast 99.0.0, this is *: use that version, or fit it again*");
    refused(HEAD "[interval a/b/c]\nlow=1 %\n",
            "o.ini: unknown group [interval a/b/c]; accepted: *, * and * more");
    refused(HEAD "[hoper]\nsend_rate=30 GB/s\n", "o.ini: unknown group [hoper]; did you mean hopper?");
    refused(HEAD "[hopper]\nsend_rat=30 GB/s\n", "o.ini: [hopper] unknown key send_rat; did you mean send_rate?");
    refused(HEAD "dat=today\n[hopper]\nsend_rate=30 GB/s\n", "o.ini: * unknown key dat; did you mean date?");
    refused(HEAD "[hopper]\nsend_rate=30\n", "o.ini: [hopper] send_rate: *is not a rate such as*");
    refused(HEAD "[hopper]\nsend_rate=30 us\n", "o.ini: [hopper] send_rate: *");
    refused(HEAD "[hopper]\nsend_rate=nan GB/s\n", "o.ini: [hopper] send_rate: *");
    refused(HEAD "[hopper]\nsend_rate=inf GB/s\n", "o.ini: [hopper] send_rate: *");
    refused(HEAD "[hopper]\nsend_rate=\n", "o.ini: [hopper] send_rate: *");
    refused(HEAD "[hopper]\nsend_rate=-1 GB/s\n", "o.ini: [hopper] send_rate: -1 GB/s is not plausible, must be*");
    refused(HEAD "[hopper]\nlink_share=7\n", "o.ini: [hopper] link_share: 7 is not plausible, must be between 0.5*");
    refused(HEAD "[hopper]\nsend_rate=30 GB/s\nsend_rate=31 GB/s\n", "o.ini:*");
    refused(HEAD "[hopper]\nsend_rate=30 GB/s\nsend_rate_interval=31 GB/s;32 GB/s\n",
            "o.ini: [hopper] send_rate_interval: * does not hold the value, send_rate");
    refused(HEAD "[hopper]\nsend_rate=30 GB/s\nsend_rate_interval=29 GB/s\n",
            "o.ini: [hopper] send_rate_interval: * is not an interval, write LOW;HIGH");
    refused(HEAD "[hopper]\nsend_rate_interval=29 GB/s;30 GB/s\n", "o.ini: [hopper] send_rate_interval: has no value*");
}
END_TEST

START_TEST(a_scenario_runs_with_the_overlay_beside_it_and_says_so)
{
    g_autofree char *folder = g_dir_make_tmp("fabricast-overlay-XXXXXX", NULL);
    g_autofree char *overlay = g_build_filename(folder, "slow.ini", NULL);
    g_autofree char *path = g_build_filename(folder, "run.ini", NULL);
    const char *text = "[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes=1K\n"
                       "[calibration]\nfile=slow.ini\n";
    static const char *const none[] = { "topology.name=dgx-h100", "collective.operation=all_reduce", "sizes=1K", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = NULL, plain = fab_scenario_from_sets((char *const *)none, NULL);
    g_autoptr(FabResult) slow = NULL, shipped = fab_run(plain, NULL, NULL, NULL);

    ck_assert(g_file_set_contents(overlay, HEAD "title=slow host\n[hopper]\nlaunch_us=20 us\n", -1, NULL));
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    scenario = fab_scenario_load(path, NULL, &error);
    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    slow = fab_run(scenario, NULL, NULL, &error);
    ck_assert_msg(slow != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_int_gt(((const FabResultRow *)slow->rows->pdata[0])->time_ps,
                     ((const FabResultRow *)shipped->rows->pdata[0])->time_ps + 10000000);
    ck_assert(g_str_has_suffix(slow->calibration, "slow.ini: slow host"));
    ck_assert_ptr_null(shipped->calibration);
    ck_assert_int_eq(remove(overlay), 0);
    g_clear_pointer(&slow, fab_result_free);
    slow = fab_run(scenario, NULL, NULL, &error);
    ck_assert_ptr_null(slow);
    ck_assert_msg(strstr(error->message, "slow.ini: ") != NULL, "%s", error->message);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(remove(folder), 0);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("overlay");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, values_take_the_place_of_those_shipped);
    tcase_add_test(tests, intervals_belong_to_a_kind_of_machine_and_kernels);
    tcase_add_test(tests, bad_intervals_are_refused);
    tcase_add_test(tests, every_shipped_value_and_every_end_of_a_range_can_be_written_and_read);
    tcase_add_test(tests, what_is_wrong_is_named_with_its_place);
    tcase_add_test(tests, a_scenario_runs_with_the_overlay_beside_it_and_says_so);
    return run_tests(tests);
}
