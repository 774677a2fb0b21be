#include "study/calibrate.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/resolve.h"

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

Suite *
calibrate_suite(void);

Suite *
calibrate_suite(void)
{
    Suite *suite = suite_create("calibrate");
    TCase *fits = tcase_create("fits");

    tcase_set_timeout(fits, 120);
    tcase_add_test(fits, constants_that_made_the_rows_are_found_again);
    suite_add_tcase(suite, fits);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(calibrate_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
