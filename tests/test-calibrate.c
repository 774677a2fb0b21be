#include "validate/calibrate.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collective/overlay.h"
#include "report/calibrate.h"
#include "suite.h"
#include "validate/resolve.h"

static const char *const everywhere[] = { "source.machine=test",  "system.topology=dgx-h100", "quality.grade=A",
                                          "quality.reason=made", NULL };

/* What the model says with these constants, as a measurement. `facts` is "group.key=value" texts ended by NULL. */
static FabMeasurement *
made(const char *id, const FabConstants *constants, const char *const *facts, const char *const *sizes)
{
    FabMeasurement *measurement = fab_measurement_new(id, FAB_MEASUREMENT_COLLECTIVE, NULL);
    g_autoptr(FabResult) result = NULL;
    g_auto(FabResolved) resolved;

    for (int pass = 0; pass < 2; pass++) {
        for (const char *const *fact = pass == 0 ? everywhere : facts; *fact != NULL; fact++) {
            g_auto(GStrv) sides = g_strsplit(*fact, "=", 2);
            g_auto(GStrv) place = g_strsplit(sides[0], ".", 2);
            ck_assert(fab_measurement_set(measurement, place[0], place[1], sides[1], NULL));
        }
    }
    for (guint i = 0; sizes[i] != NULL; i++)
        ck_assert(fab_measurement_add_row(measurement, (const char *[]) { sizes[i], "1", "", "", "0", NULL }, NULL));
    fab_resolve(measurement, &resolved);
    ck_assert_msg(resolved.reason == NULL, "%s: %s", resolved.reason, resolved.detail);
    result = fab_run_on(resolved.scenario, resolved.topology, constants, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(result);
    g_ptr_array_set_size(measurement->rows, 0);
    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, row->size_bytes);
        g_autofree char *time = g_strdup_printf("%.4f", (double)row->time_ps * 1e-6);
        ck_assert(fab_measurement_add_row(measurement, (const char *[]) { size, time, "", "", "0", NULL }, NULL));
    }
    return measurement;
}

static const char *const small[] = { "1024", "8192", "32768", "65536", "262144", NULL };
static const char *const many[] = { "1024",    "8192",    "32768",    "65536",     "262144",
                                    "1048576", "4194304", "16777216", "134217728", NULL };
static const char *const ring_ll[] = { "run.collective=all_gather", "system.ranks=8", "run.processes=8",
                                       "run.env=NCCL_PROTO=LL", NULL };
static const char *const ring_ll_4[] = { "run.collective=all_gather", "system.ranks=4", "run.processes=4",
                                         "run.env=NCCL_PROTO=LL", NULL };
static const char *const ring_simple[] = { "run.collective=all_gather", "system.ranks=8", "run.processes=8",
                                           "run.env=NCCL_PROTO=Simple", NULL };

static void
set(FabConstants *constants, const char *key, double value)
{
    *fab_constants_find(constants, "hopper", key) = value;
}

static GPtrArray *
set_of(FabMeasurement *first, ...)
{
    GPtrArray *measurements = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);
    va_list rest;

    va_start(rest, first);
    for (FabMeasurement *one = first; one != NULL; one = va_arg(rest, FabMeasurement *))
        g_ptr_array_add(measurements, one);
    va_end(rest);
    return measurements;
}

static const FabFitParameter *
parameter_of(const FabFit *fit, const char *key)
{
    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        if (strcmp(parameter->constant->key, key) == 0)
            return parameter;
    }
    ck_abort_msg("no parameter %s", key);
    return NULL;
}

START_TEST(constants_that_made_the_rows_are_found_again)
{
    static const char *const names[] = { "hopper.launch_us", "hopper.ll_round_us", "hopper.link_share", NULL };
    FabConstants truth = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) fit = NULL;
    g_autoptr(GError) error = NULL;

    set(&truth, "launch_us", 7.5);
    set(&truth, "ll_round_us", 0.8);
    set(&truth, "link_share", 0.9);
    measurements = set_of(made("ll-8", &truth, ring_ll, small), made("ll-4", &truth, ring_ll_4, small),
                          made("simple", &truth, ring_simple, many), NULL);
    fit = fab_calibrate(measurements, NULL, names, NULL, NULL, &error);
    ck_assert_msg(fit != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(fit->used, 3);
    ck_assert_uint_eq(fit->parameters->len, 3);
    ck_assert_double_eq_tol(parameter_of(fit, "launch_us")->value, 7.5, 0.02);
    ck_assert_double_eq_tol(parameter_of(fit, "ll_round_us")->value, 0.8, 0.005);
    ck_assert_double_eq_tol(parameter_of(fit, "link_share")->value, 0.9, 0.005);
    ck_assert(!fit->at_bound);
    for (int band = 0; band < FAB_BANDS; band++) {
        ck_assert_double_gt(fit->before[band].mean, 0.03);
        ck_assert_double_lt(fit->after[band].mean, 0.002);
    }
    for (guint i = 0; i < fit->parameters->len; i++) {
        const FabFitParameter *parameter = fit->parameters->pdata[i];
        ck_assert(parameter->identified);
        ck_assert_double_le(parameter->low95, parameter->value);
        ck_assert_double_ge(parameter->high95, parameter->value);
    }
}
END_TEST

static const char *const virtual_ring[] = { "system.topology=loopback-h200", "run.collective=all_reduce",
                                            "overrides.gpus=4", "system.ranks=4", "run.algo=Ring", "run.proto=Simple",
                                            "run.channels=8", NULL };
static const char *const virtual_lines[] = { "system.topology=loopback-h200", "run.collective=all_reduce",
                                             "overrides.gpus=2", "system.ranks=2", "run.algo=Ring", "run.proto=LL",
                                             "run.channels=8", NULL };
static const char *const virtual_tree[] = { "system.topology=loopback-h200", "run.collective=all_reduce",
                                            "overrides.gpus=8", "system.ranks=8", "run.algo=Tree", "run.proto=Simple",
                                            "run.channels=16", NULL };

START_TEST(factors_of_virtual_ranks_are_found_again)
{
    static const struct {
        const char *key;
        double value;
    } truths[] = { { "sm_rate", 1.3 }, { "slice_time", 0.7 }, { "line_time", 1.6 }, { "flag_latency", 1.4 },
                   { "launch", 0.8 }, { "memory_rate", 0.9 } };
    FabConstants truth = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_auto(FabResolved) resolved = { 0 };
    g_autoptr(FabFit) fit = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(truths); i++)
        *fab_constants_find(&truth, "loopback", truths[i].key) = truths[i].value;
    measurements = set_of(made("ring", &truth, virtual_ring, many), made("lines", &truth, virtual_lines, many),
                          made("tree", &truth, virtual_tree, many), NULL);
    fit = fab_calibrate(measurements, NULL, NULL, NULL, NULL, &error);
    ck_assert_msg(fit != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(((const FabFitCase *)fit->cases->pdata[0])->group, "loopback");
    for (guint i = 0; i < G_N_ELEMENTS(truths); i++)
        ck_assert_msg(fabs(parameter_of(fit, truths[i].key)->value - truths[i].value) < 0.02, "%s is %g, not %g",
                      truths[i].key, parameter_of(fit, truths[i].key)->value, truths[i].value);
    ck_assert_double_lt(fit->after[FAB_BANDS - 1].mean, 0.005);
    /* A binary tree: on one machine NCCL's Tree is a chain, which is not what virtual ranks run. */
    fab_resolve(measurements->pdata[2], &resolved);
    ck_assert_str_eq(resolved.scenario->algorithm, "tree");
    /* No call of them has an empty slice. */
    ck_assert(!parameter_of(fit, "empty_time")->identified);
}
END_TEST

START_TEST(the_same_fit_comes_again)
{
    static const char *const names[] = { "hopper", NULL };
    FabConstants truth = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) first = NULL, second = NULL;

    set(&truth, "launch_us", 6);
    measurements = set_of(made("ll", &truth, ring_ll, small), made("simple", &truth, ring_simple, many), NULL);
    first = fab_calibrate(measurements, NULL, names, NULL, NULL, NULL);
    second = fab_calibrate(measurements, NULL, names, NULL, NULL, NULL);
    ck_assert_int_eq(memcmp(&first->constants, &second->constants, sizeof first->constants), 0);
}
END_TEST

START_TEST(what_no_row_depends_on_keeps_its_start)
{
    static const char *const names[] = { "hopper.ll_round_us", "hopper.ll128_rate", "pcie-staged", NULL };
    FabConstants truth = *fab_constants_shipped(), start = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) fit = NULL;

    set(&truth, "ll_round_us", 0.7);
    set(&start, "ll128_rate", 12);
    measurements = set_of(made("ll", &truth, ring_ll, small), NULL);
    fit = fab_calibrate(measurements, &start, names, NULL, NULL, NULL);
    ck_assert_double_eq_tol(parameter_of(fit, "ll_round_us")->value, 0.7, 0.005);
    ck_assert(!parameter_of(fit, "ll128_rate")->identified);
    ck_assert_double_eq(parameter_of(fit, "ll128_rate")->value, 12);
    ck_assert_str_eq(parameter_of(fit, "ll128_rate")->why, fab_fit_idle);
    ck_assert_str_eq(parameter_of(fit, "simple_step_us")->why, fab_fit_idle);
}
END_TEST

START_TEST(constants_with_the_same_effect_are_not_told_apart_and_the_other_is_named)
{
    static const char *const one_thread[] = { "run.collective=all_gather", "system.ranks=8", "run.processes=1",
                                              "run.threads=1", "run.channels=8", NULL };
    static const char *const names[] = { "hopper.thread_kernel_us", "hopper.thread_channel_us", NULL };
    FabConstants truth = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) fit = NULL;
    const FabFitParameter *kernel, *channel;

    set(&truth, "thread_kernel_us", 4.5);
    measurements = set_of(made("one-thread", &truth, one_thread, small), NULL);
    fit = fab_calibrate(measurements, NULL, names, NULL, NULL, NULL);
    kernel = parameter_of(fit, "thread_kernel_us");
    channel = parameter_of(fit, "thread_channel_us");
    ck_assert(kernel->identified != channel->identified);
    if (kernel->identified)
        ck_assert_msg(strstr(channel->why, "hopper.thread_kernel_us") != NULL, "%s", channel->why);
    else
        ck_assert_msg(strstr(kernel->why, "hopper.thread_channel_us") != NULL, "%s", kernel->why);
    ck_assert_double_lt(fit->after[FAB_BAND_SMALL].mean, 0.002);
}
END_TEST

START_TEST(a_value_at_the_end_of_its_range_is_reported)
{
    static const char *const names[] = { "hopper.link_share", NULL };
    FabConstants truth = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) fit = NULL;
    FabMeasurement *slow;

    set(&truth, "link_share", 0.2);
    slow = made("slow", &truth, ring_simple, many);
    measurements = set_of(slow, NULL);
    fit = fab_calibrate(measurements, NULL, names, NULL, NULL, NULL);
    ck_assert(fit->at_bound);
    ck_assert(parameter_of(fit, "link_share")->at_bound);
    ck_assert_double_eq(parameter_of(fit, "link_share")->value, 0.5);
    ck_assert(isnan(parameter_of(fit, "link_share")->low95));
}
END_TEST

static void
refused(GPtrArray *measurements, const char *name, const char *pattern)
{
    const char *names[] = { name, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabFit) fit = fab_calibrate(measurements, NULL, names, NULL, NULL, &error);

    ck_assert_ptr_null(fit);
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(g_pattern_match_simple(pattern, error->message), "%s", error->message);
}

START_TEST(names_that_are_no_constants_are_refused_with_the_nearest)
{
    g_autoptr(GPtrArray) measurements = set_of(made("ll", NULL, ring_ll, small), NULL);

    refused(measurements, "hoper.launch_us", "*\"hoper.launch_us\" names no constant*did you mean hopper?");
    refused(measurements, "hopper.lunch_us", "*\"hopper.lunch_us\" names no constant*did you mean launch_us?");
    refused(measurements, "", "*names no constant*");
    refused(measurements, "hopper.", "*names no constant*");
}
END_TEST

START_TEST(measurements_that_cannot_be_used_are_named)
{
    g_autoptr(GPtrArray) measurements = set_of(made("poor", NULL, ring_ll, small), NULL);
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    FabMeasurement *good = made("good", NULL, ring_ll, small);
    g_autoptr(FabFit) fit = NULL;

    ck_assert(fab_measurement_set(measurements->pdata[0], "quality", "grade", "C", NULL));
    refused(measurements, "hopper", "calibrate: none of 1 measurements can be fitted, poor for one: of grade C");
    refused(none, "hopper", "calibrate: none of 0 measurements can be fitted");
    g_ptr_array_add(measurements, good);
    fit = fab_calibrate(measurements, NULL, (const char *const[]) { "hopper.launch_us", NULL }, NULL, NULL, NULL);
    ck_assert_uint_eq(fit->cases->len, 2);
    ck_assert_uint_eq(fit->used, 1);
    ck_assert_str_eq(((const FabFitCase *)fit->cases->pdata[0])->reason, "of grade C");
    ck_assert_ptr_null(((const FabFitCase *)fit->cases->pdata[1])->reason);
}
END_TEST

/* An overlay that ends after any of its lines but the last is refused. */
static void
check_cuts(const char *text)
{
    for (const char *line = strstr(text, "\n\n"); line != NULL && line[1] != '\0'; line = strchr(line + 1, '\n')) {
        g_autofree char *part = g_strndup(text, (gsize)(line - text) + 1);
        g_autoptr(GError) error = NULL;
        g_autoptr(FabOverlay) cut = fab_overlay_parse("o.ini", part, &error);
        ck_assert_msg(cut == NULL && strstr(error->message, "the file was cut or changed") != NULL, "%s\n%s", part,
                      error != NULL ? error->message : "accepted");
    }
}

START_TEST(a_fit_becomes_an_overlay_that_reads_back)
{
    static const char *const names[] = { "hopper.launch_us", "hopper.ll128_rate", NULL };
    FabConstants truth = *fab_constants_shipped();
    g_autoptr(GPtrArray) measurements = NULL;
    g_autoptr(FabFit) fit = NULL;
    g_autoptr(FabOverlay) overlay = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) intervals = g_array_new(FALSE, FALSE, sizeof(FabOverlayInterval));
    FabOverlayInterval interval = { .low = { -0.2, -0.1, -0.05 }, .high = { 0.4, 0.2, 0.1 }, .cases = 2 };
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    set(&truth, "launch_us", 7);
    measurements = set_of(made("ll", &truth, ring_ll, small), NULL);
    fit = fab_calibrate(measurements, NULL, names, NULL, NULL, NULL);
    g_array_append_val(intervals, interval);
    ck_assert(fab_report_overlay(fit, intervals, "a;title\nof ours", "2026-11-21", out, &error));
    fclose(out);
    overlay = fab_overlay_parse("o.ini", text, &error);
    ck_assert_msg(overlay != NULL, "%s\n%s", error != NULL ? error->message : "", text);
    ck_assert_str_eq(overlay->title, "a,title of ours");
    ck_assert_uint_eq(overlay->count, 1);
    ck_assert_double_eq_tol(*fab_constants_find(&overlay->constants, "hopper", "launch_us"),
                            parameter_of(fit, "launch_us")->value, 1e-4);
    ck_assert_ptr_nonnull(strstr(text, "\nmeasurements=ll\nmachines=test\n"));
    check_cuts(text);
    free(text);
}
END_TEST

START_TEST(runs_that_are_repeated_say_what_single_runs_say)
{
    g_autoptr(FabMeasurement) measurement = made("simple", NULL, ring_simple, many);
    FabConstants sets[3] = { *fab_constants_shipped(), *fab_constants_shipped(), *fab_constants_shipped() };
    g_auto(FabResolved) resolved;
    g_autoptr(FabRepeat) repeat = NULL;
    int64_t times[16];

    set(&sets[1], "launch_us", 9);
    set(&sets[1], "simple_step_us", 2.5);
    fab_resolve(measurement, &resolved);
    repeat = fab_repeat_new(resolved.scenario, resolved.topology, NULL);
    for (guint k = 0; k < G_N_ELEMENTS(sets); k++) {
        g_autoptr(FabResult) result = fab_run_on(resolved.scenario, resolved.topology, &sets[k], NULL, NULL, NULL);
        ck_assert(fab_repeat_run(repeat, &sets[k], times, NULL));
        for (guint i = 0; i < result->rows->len; i++)
            ck_assert_int_eq(times[i], ((const FabResultRow *)result->rows->pdata[i])->time_ps);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("calibrate");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, constants_that_made_the_rows_are_found_again);
    tcase_add_test(tests, factors_of_virtual_ranks_are_found_again);
    tcase_add_test(tests, the_same_fit_comes_again);
    tcase_add_test(tests, what_no_row_depends_on_keeps_its_start);
    tcase_add_test(tests, constants_with_the_same_effect_are_not_told_apart_and_the_other_is_named);
    tcase_add_test(tests, a_value_at_the_end_of_its_range_is_reported);
    tcase_add_test(tests, names_that_are_no_constants_are_refused_with_the_nearest);
    tcase_add_test(tests, measurements_that_cannot_be_used_are_named);
    tcase_add_test(tests, a_fit_becomes_an_overlay_that_reads_back);
    tcase_add_test(tests, runs_that_are_repeated_say_what_single_runs_say);
    return run_tests(tests);
}
