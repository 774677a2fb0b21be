#include "predict/interval.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/run.h"
#include "report/validate.h"
#include "suite.h"
#include "validate/interval-fit.h"

static void
free_case(gpointer data)
{
    FabValidationCase *one = data;

    g_free(one->machine);
    g_free(one->id);
    g_array_unref(one->rows);
    g_free(one);
}

static void
clear_row(gpointer data)
{
    g_free(((FabValidationRow *)data)->kind);
}

static FabValidation *
empty(void)
{
    FabValidation *validation = g_new0(FabValidation, 1);

    validation->cases = g_ptr_array_new_with_free_func(free_case);
    return validation;
}

/* Adds a machine with one case, whose row i was measured as exp(residuals[i]) of the prediction. */
static void
add_machine(FabValidation *validation, const char *name, const char *kind, uint64_t size, guint rows,
            const double *residuals)
{
    FabValidationCase *one = g_new0(FabValidationCase, 1);

    one->machine = g_strdup(name);
    one->id = g_strconcat("case of ", name, NULL);
    one->scored = true;
    one->rows = g_array_new(FALSE, TRUE, sizeof(FabValidationRow));
    g_array_set_clear_func(one->rows, clear_row);
    for (guint i = 0; i < rows; i++) {
        FabValidationRow row = { .size_bytes = size, .low_us = NAN, .high_us = NAN, .kind = g_strdup(kind) };
        row.predicted_us[FAB_PREDICTOR_ENGINE] = 100;
        row.measured_us = 100 * exp(residuals[i]);
        g_array_append_val(one->rows, row);
    }
    g_ptr_array_add(validation->cases, one);
}

/* Numbers with a mean of 0 that look like noise and are the same on every run. */
static void
fill_noise(double *values, guint count, guint seed, double spread)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);

    for (guint i = 0; i < count; i++)
        values[i] = g_rand_double_range(random, -spread, spread);
}

static FabResult *
run_with(const char *machine, const char *more, const char *most)
{
    g_autofree char *topology = g_strconcat("topology.name=", machine, NULL);
    const char *const sets[] = { topology, "collective.operation=all_reduce", "collective.sizes=1K,1M,1G", more, most,
                                 NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);
    FabResult *result = scenario != NULL ? fab_run(scenario, NULL, NULL, &error) : NULL;

    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    return result;
}

static FabResult *
run_on(const char *machine, const char *more)
{
    return run_with(machine, more, NULL);
}

START_TEST(a_kind_is_written_and_read_back)
{
    for (int c = 0; c < FAB_CONNECTIONS; c++) {
        for (int f = 0; f < FAB_FAMILIES; f++) {
            FabKind kind = { (FabConnection)c, (FabFamily)f, (c + f) % FAB_GENERATIONS }, back;
            g_autofree char *text = fab_kind_format(&kind);
            ck_assert_msg(fab_kind_parse(text, &back), "%s", text);
            ck_assert(back.connection == kind.connection && back.family == kind.family);
            ck_assert_int_eq(back.generation, kind.generation);
        }
    }
}
END_TEST

START_TEST(what_is_no_kind_is_refused)
{
    const char *const bad[] = { "", "nvswitch", "nvswitch/ring", "nvswitch/ring/", "nvswitch/ring/hopper/1",
                                "NVSwitch/ring/hopper", "nvswitch/round/hopper", "nvswitch/ring/pcie-peer" };
    FabKind kind;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        ck_assert_msg(!fab_kind_parse(bad[i], &kind), "\"%s\" was taken", bad[i]);
}
END_TEST

START_TEST(many_machines_give_the_quantiles_of_their_residuals)
{
    g_autoptr(FabValidation) validation = empty();
    FabIntervals intervals;
    double residuals[101];

    for (guint i = 0; i < 101; i++)
        residuals[i] = ((double)i - 50) / 100;
    for (guint m = 0; m < 400; m++) {
        g_autofree char *name = g_strdup_printf("m%u", m);
        add_machine(validation, name, "nvswitch/ring/hopper", 1 << 20, 101, residuals);
    }
    fab_intervals_fit(validation, NULL, &intervals);
    ck_assert_double_eq_tol(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_MIDDLE].low, -0.45, 0.01);
    ck_assert_double_eq_tol(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_MIDDLE].high, 0.45, 0.01);
    ck_assert_uint_eq(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_MIDDLE].machines, 400);
    ck_assert_uint_eq(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_SMALL].machines, 0);
    ck_assert_uint_eq(intervals.known[FAB_CONNECTION_PEER][FAB_FAMILY_RING][FAB_BAND_MIDDLE].machines, 0);
    ck_assert_uint_eq(intervals.machines[FAB_CONNECTION_SWITCH][5], 400);
    ck_assert_uint_eq(intervals.machines[FAB_CONNECTION_SWITCH][6], 0);
}
END_TEST

/* One machine of 1000 rows that is far off, nine of one row that are not. */
START_TEST(a_machine_with_many_rows_weighs_as_much_as_one_with_few)
{
    g_autoptr(FabValidation) validation = empty();
    FabIntervals intervals;
    double off[1000], exact[1] = { 0 };
    const FabInterval *interval = &intervals.known[FAB_CONNECTION_PEER][FAB_FAMILY_RING][FAB_BAND_LARGE];

    for (guint i = 0; i < 1000; i++)
        off[i] = 0.8;
    add_machine(validation, "far off", "pcie-peer/ring/ampere", 1 << 24, 1000, off);
    for (guint m = 0; m < 40; m++) {
        g_autofree char *name = g_strdup_printf("m%u", m);
        add_machine(validation, name, "pcie-peer/ring/ampere", 1 << 24, 1, exact);
    }
    fab_intervals_fit(validation, NULL, &intervals);
    ck_assert_double_lt(interval->high, 0.1);
    fab_intervals_fit(validation, "no such machine", &intervals);
    ck_assert_uint_eq(interval->machines, 41);
    fab_intervals_fit(validation, "far off", &intervals);
    ck_assert_uint_eq(interval->machines, 40);
    ck_assert_double_eq_tol(interval->high, 0, 1e-12);
}
END_TEST

START_TEST(one_machine_of_a_kind_gets_a_wider_interval_than_many)
{
    g_autoptr(FabValidation) validation = empty();
    FabIntervals intervals;
    FabInterval(*known)[FAB_FAMILIES][FAB_BANDS] = intervals.known;
    double residuals[50];

    for (guint m = 0; m < 12; m++) {
        g_autofree char *name = g_strdup_printf("m%u", m);
        fill_noise(residuals, 50, m, 0.1);
        add_machine(validation, name, m == 0 ? "nvlink-mesh/ring/volta" : "nvswitch/ring/ampere", 1024, 50, residuals);
    }
    fab_intervals_fit(validation, NULL, &intervals);
    ck_assert_double_gt(known[FAB_CONNECTION_MESH][FAB_FAMILY_RING][FAB_BAND_SMALL].high,
                        1.1 * known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_SMALL].high);
}
END_TEST

START_TEST(a_prediction_lies_in_its_own_interval_however_biased_the_kind)
{
    g_autoptr(FabValidation) validation = empty();
    FabIntervals intervals;
    double high[1] = { 0.5 };

    for (guint m = 0; m < 50; m++) {
        g_autofree char *name = g_strdup_printf("m%u", m);
        add_machine(validation, name, "nvswitch/nvls/hopper", 1 << 30, 1, high);
    }
    fab_intervals_fit(validation, NULL, &intervals);
    ck_assert_double_eq(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH][FAB_BAND_LARGE].low, 0);
    ck_assert_double_ge(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_IN_SWITCH][FAB_BAND_LARGE].high, 0.5);
}
END_TEST

/* One table moves the shipped interval a fifth of the way, many replace it. */
START_TEST(a_calibration_narrows_the_interval_the_more_tables_it_saw)
{
    const FabKind kind = { FAB_CONNECTION_SWITCH, FAB_FAMILY_RING, 5 };
    const FabInterval shipped = fab_interval_of(fab_intervals_shipped(), &kind, FAB_BAND_SMALL);
    const guint tables[] = { 1, 4, 100 };
    double exact[2] = { 0, 0 }, before = exp(shipped.high) - 1;

    for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autoptr(FabValidation) validation = empty();
        g_autoptr(GArray) intervals = NULL;
        const FabOverlayInterval *one;
        for (guint m = 0; m < tables[i]; m++)
            add_machine(validation, "one box", "nvswitch/ring/hopper", 1024, 2, exact);
        for (guint m = 0; m < tables[i]; m++) {
            FabValidationCase *each = validation->cases->pdata[m];
            g_free(each->id);
            each->id = g_strdup_printf("table %u", m);
        }
        intervals = fab_intervals_calibrated(validation);
        ck_assert_uint_eq(intervals->len, 1);
        one = &g_array_index(intervals, FabOverlayInterval, 0);
        ck_assert_int_eq(one->cases, tables[i]);
        ck_assert_double_lt(one->high[FAB_BAND_SMALL], before);
        ck_assert_double_eq_tol(one->high[FAB_BAND_SMALL], exp(shipped.high * 4 / (tables[i] + 4)) - 1, 1e-9);
        ck_assert_double_eq_tol(one->high[FAB_BAND_LARGE],
                                exp(fab_interval_of(fab_intervals_shipped(), &kind, FAB_BAND_LARGE).high) - 1, 1e-9);
        before = one->high[FAB_BAND_SMALL];
    }
}
END_TEST

START_TEST(an_overlay_gives_its_interval_to_the_rows_of_its_kind)
{
    g_autoptr(FabOverlay) overlay =
        fab_overlay_parse("o.ini", "[calibration]\nformat=1\n[hopper]\nlink_share=1\n[interval nvswitch/ring/hopper]\n"
                                   "low=-50 %;-20 %;-10 %\nhigh=100 %;20 %;10 %\ncases=7\n", NULL);
    g_autoptr(FabResult) ring = run_on("dgx-h100", "collective.algorithm=ring");
    g_autoptr(FabResult) mesh = run_on("dgx-1v", NULL);
    g_autofree char *before = g_strdup(mesh->interval);
    const FabResultRow *row = ring->rows->pdata[1];

    ck_assert_ptr_nonnull(overlay);
    fab_interval_apply_overlay(overlay, ring);
    fab_interval_apply_overlay(overlay, mesh);
    ck_assert_int_le(llabs(row->low_ps - row->time_ps * 8 / 10), 1);
    ck_assert_int_le(llabs(row->high_ps - row->time_ps * 12 / 10), 1);
    ck_assert_str_eq(ring->interval, "90 % of what the calibration saw, 7 tables, lies this far from the prediction");
    ck_assert_str_eq(mesh->interval, before);
}
END_TEST

START_TEST(a_kind_never_measured_gets_the_widest_interval_and_no_machines)
{
    FabIntervals intervals = { .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = { { -0.1, 0.4, 9 } },
                               .known[FAB_CONNECTION_PEER][FAB_FAMILY_RING] = { { -0.3, 0.2, 9 } },
                               .machines[FAB_CONNECTION_SWITCH] = { [5] = 9 },
                               .machines[FAB_CONNECTION_PEER] = { [3] = 9 } };
    const FabKind measured = { FAB_CONNECTION_SWITCH, FAB_FAMILY_RING, 5 };
    const FabKind unknown[] = { { FAB_CONNECTION_SWITCH, FAB_FAMILY_RING, 3 },
                                { FAB_CONNECTION_SWITCH, FAB_FAMILY_COPY, 5 },
                                { FAB_CONNECTION_BRIDGE, FAB_FAMILY_RING, 5 } };
    FabInterval interval = fab_interval_of(&intervals, &measured, FAB_BAND_SMALL);

    ck_assert_uint_eq(interval.machines, 9);
    ck_assert_double_eq(interval.low, -0.1);
    for (guint i = 0; i < G_N_ELEMENTS(unknown); i++) {
        interval = fab_interval_of(&intervals, &unknown[i], FAB_BAND_SMALL);
        ck_assert_uint_eq(interval.machines, 0);
        ck_assert_double_eq(interval.low, -0.3);
        ck_assert_double_eq(interval.high, 0.4);
    }
}
END_TEST

START_TEST(held_back_machines_are_judged_by_the_others_and_nine_of_ten_rows_are_inside)
{
    g_autoptr(FabValidation) validation = empty();
    FabCoverage coverage[FAB_COVERAGES];
    double residuals[60];

    for (guint m = 0; m < 30; m++) {
        g_autofree char *name = g_strdup_printf("m%u", m);
        double bias;
        fill_noise(&bias, 1, 1000 + m, 0.2);
        fill_noise(residuals, 60, m, 0.1);
        for (guint i = 0; i < 60; i++)
            residuals[i] += bias;
        add_machine(validation, name, "nvswitch/ring/hopper", 1 << 20, 60, residuals);
    }
    fab_intervals_hold_back(validation);
    fab_intervals_coverage(validation, coverage);
    ck_assert_uint_eq(coverage[FAB_BAND_MIDDLE].rows, 1800);
    ck_assert_uint_eq(coverage[FAB_BAND_MIDDLE].machines, 30);
    ck_assert_uint_eq(coverage[FAB_BANDS].inside, coverage[FAB_BAND_MIDDLE].inside);
    ck_assert_uint_eq(coverage[FAB_BAND_SMALL].rows, 0);
    ck_assert_msg(coverage[FAB_BAND_MIDDLE].by_machine > 0.85 && coverage[FAB_BAND_MIDDLE].by_machine < 0.95, "%g",
                  coverage[FAB_BAND_MIDDLE].by_machine);
}
END_TEST

/* Rows predicted with another generation's kernels say nothing about kinds that were measured. */
START_TEST(transferred_rows_make_a_class_of_their_own)
{
    g_autoptr(FabValidation) validation = empty();
    FabIntervals intervals;
    FabCoverage coverage[FAB_COVERAGES];
    double small[20], large[20];
    const FabKind known = { FAB_CONNECTION_SWITCH, FAB_FAMILY_RING, 5 }, other = { FAB_CONNECTION_MESH, 0, 1 };

    for (guint m = 0; m < 20; m++) {
        g_autofree char *name = g_strdup_printf("m%u", m);
        fill_noise(small, 20, m, 0.1);
        fill_noise(large, 20, m, 0.8);
        add_machine(validation, name, "nvswitch/ring/hopper", 1 << 20, 20, m < 10 ? small : large);
        for (guint i = 0; i < 20; i++) {
            FabValidationCase *one = validation->cases->pdata[m];
            g_array_index(one->rows, FabValidationRow, i).transferred = m >= 10;
        }
    }
    fab_intervals_fit(validation, NULL, &intervals);
    ck_assert_double_lt(fab_interval_of(&intervals, &known, FAB_BAND_MIDDLE).high, 0.2);
    ck_assert_uint_eq(fab_interval_of(&intervals, &known, FAB_BAND_MIDDLE).machines, 20);
    ck_assert_double_gt(intervals.transferred[FAB_BAND_MIDDLE].high, 0.6);
    ck_assert_double_ge(fab_interval_of(&intervals, &other, FAB_BAND_MIDDLE).high,
                        intervals.transferred[FAB_BAND_MIDDLE].high);
    fab_intervals_hold_back(validation);
    fab_intervals_coverage(validation, coverage);
    ck_assert_uint_eq(coverage[FAB_COVERAGE_ALL].rows, 200);
    ck_assert_uint_eq(coverage[FAB_COVERAGE_TRANSFERRED].rows, 200);
    ck_assert_uint_gt(coverage[FAB_COVERAGE_TRANSFERRED].inside, 160);
}
END_TEST

START_TEST(nothing_to_learn_from_gives_no_kind_that_was_measured)
{
    g_autoptr(FabValidation) nothing = empty(), unscored = empty();
    FabIntervals intervals;
    FabCoverage coverage[FAB_COVERAGES];
    double residuals[3] = { 0.1, NAN, INFINITY };

    fab_intervals_fit(nothing, NULL, &intervals);
    fab_intervals_hold_back(nothing);
    fab_intervals_coverage(nothing, coverage);
    ck_assert_uint_eq(coverage[FAB_BANDS].rows, 0);
    add_machine(unscored, "m", "nvswitch/ring/hopper", 1024, 3, residuals);
    ((FabValidationCase *)unscored->cases->pdata[0])->scored = false;
    fab_intervals_fit(unscored, NULL, &intervals);
    ck_assert_uint_eq(intervals.machines[FAB_CONNECTION_SWITCH][5], 0);
    ((FabValidationCase *)unscored->cases->pdata[0])->scored = true;
    fab_intervals_fit(unscored, NULL, &intervals); /* the row that has a number */
    ck_assert_uint_eq(intervals.machines[FAB_CONNECTION_SWITCH][5], 1);
    ck_assert(isfinite(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_SMALL].high));
}
END_TEST

START_TEST(every_prediction_of_a_collective_has_an_interval)
{
    g_autoptr(FabResult) result = run_on("dgx-h100", NULL);

    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        ck_assert(g_str_has_prefix(row->kind, "nvswitch/"));
        ck_assert(row->low_ps > 0 && row->low_ps <= row->time_ps && row->time_ps <= row->high_ps);
    }
    ck_assert_msg(g_str_has_prefix(result->interval, "90 % of what "), "%s", result->interval);
    ck_assert(!result->guessed);
}
END_TEST

START_TEST(a_machine_of_a_kind_never_measured_says_so)
{
    g_autoptr(FabResult) result = run_on("dgx-h100", "topology.gpu=v100-sxm2");
    const FabResultRow *row = result->rows->pdata[0];

    ck_assert_str_eq(row->kind, "nvswitch/ring/volta");
    ck_assert(result->guessed);
    ck_assert(row->low_ps > 0);
    ck_assert_msg(g_str_has_prefix(result->interval, "no machine of this kind was ever measured (Volta GPUs over "
                                                     "NVSwitch): the interval is the widest"), "%s", result->interval);
}
END_TEST

START_TEST(a_gpu_alone_has_no_interval)
{
    g_autoptr(FabResult) result = run_on("dgx-h100", "collective.ranks=1");
    const FabResultRow *row = result->rows->pdata[0];

    ck_assert_ptr_null(row->kind);
    ck_assert_int_eq(row->low_ps, 0);
    ck_assert(g_str_has_prefix(result->interval, "there is no interval"));
}
END_TEST

START_TEST(other_intervals_replace_those_that_were_there)
{
    g_autoptr(FabResult) result = run_on("dgx-h100", "collective.algorithm=ring");
    const FabResultRow *row = result->rows->pdata[0];
    FabIntervals mine = { .machines[FAB_CONNECTION_SWITCH] = { [5] = 1 } };

    for (int b = 0; b < FAB_BANDS; b++)
        mine.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][b] = (FabInterval) { log(0.5), log(2), 1 };
    fab_interval_apply(&mine, result);
    ck_assert_int_le(llabs(row->low_ps - row->time_ps / 2), 1);
    ck_assert_int_le(llabs(row->high_ps - row->time_ps * 2), 1);
    ck_assert_str_eq(result->interval, "90 % of what 1 machine with NVSwitch (1 of them Hopper) measured lies this far "
                                       "from the prediction");
}
END_TEST

START_TEST(the_connection_is_the_slowest_between_neighbours)
{
    static const struct {
        const char *machine, *more, *kind;
    } cases[] = {
        { "dgx-a100", NULL, "nvswitch/ring/ampere" },
        { "dgx-1v", NULL, "nvlink-mesh/ring/volta" },
        { "ws2-bridge-3090", NULL, "nvlink-bridge/ring/ampere-ga10x" },
        { "azure-ncv4", "collective.ranks=2", "nvlink-bridge/ring/ampere" },
        { "azure-ncv4", "collective.peer=sys", "pcie-peer/ring/ampere" },
        { "azure-ncv4", "collective.peer=nvlink", "pcie-staged/ring/ampere" },
        { "pcie-host", NULL, "pcie-staged/ring/" },
        { "superpod-a100", "topology.nodes=2", "network/ring/ampere" },
        { "superpod-a100", "collective.ranks=8", "nvswitch/ring/ampere" },
        { "alps-gh200", "collective.ranks=8", "shared-network/ring/hopper" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FabResult) result = run_on(cases[i].machine, cases[i].more);
        const FabResultRow *row = result->rows->pdata[0];
        ck_assert_msg(g_str_has_prefix(row->kind, cases[i].kind), "%s: %s", cases[i].machine, row->kind);
    }
}
END_TEST

START_TEST(a_prediction_over_several_nodes_has_the_interval_of_clusters)
{
    g_autoptr(FabResult) own = run_on("superpod-a100", "topology.nodes=2");
    g_autoptr(FabResult) shared = run_on("polaris", "collective.ranks=8");
    g_autoptr(FabResult) other = run_with("aws-p5-x8", "topology.sharp=on", "collective.NCCL_COLLNET_ENABLE=1");

    for (guint i = 0; i < own->rows->len; i++) {
        const FabResultRow *row = own->rows->pdata[i];
        ck_assert(row->low_ps > 0 && row->low_ps <= row->time_ps && row->time_ps <= row->high_ps);
    }
    ck_assert(!own->guessed && !shared->guessed && other->guessed);
    ck_assert_msg(strstr(own->interval, " clusters with a network of their own (") != NULL, "%s", own->interval);
    ck_assert_msg(strstr(shared->interval, " clusters with a network that others share (") != NULL, "%s",
                  shared->interval);
    ck_assert_msg(g_str_has_prefix(other->interval, "no cluster of this kind was ever measured (Hopper GPUs over a "
                                                    "network of another kind): "), "%s", other->interval);
}
END_TEST

/* Kernels are one class there, and what shares a network another one than what does not. */
START_TEST(clusters_are_told_apart_by_their_networks_alone)
{
    g_autoptr(FabValidation) validation = empty();
    FabIntervals intervals;
    double slow[20], exact[20] = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(slow); i++)
        slow[i] = 1;
    for (guint m = 0; m < 20; m++) {
        g_autofree char *own = g_strdup_printf("own %u", m), *shared = g_strdup_printf("shared %u", m);
        add_machine(validation, own, m % 2 == 0 ? "network/ring/hopper" : "network/nvls/hopper", 1 << 20,
                    G_N_ELEMENTS(exact), exact);
        add_machine(validation, shared, "shared-network/ring/hopper", 1 << 20, G_N_ELEMENTS(slow), slow);
    }
    fab_intervals_fit(validation, NULL, &intervals);
    const FabInterval *ring = &intervals.known[FAB_CONNECTION_NETWORK][FAB_FAMILY_RING][FAB_BAND_MIDDLE];
    const FabInterval *nvls = &intervals.known[FAB_CONNECTION_NETWORK][FAB_FAMILY_IN_SWITCH][FAB_BAND_MIDDLE];
    const FabInterval *copy = &intervals.known[FAB_CONNECTION_NETWORK][FAB_FAMILY_COPY][FAB_BAND_MIDDLE];
    ck_assert(ring->low == nvls->low && ring->high == nvls->high);
    ck_assert_uint_eq(ring->machines, 10);
    ck_assert_uint_eq(copy->machines, 0);
    ck_assert_double_gt(intervals.known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_RING][FAB_BAND_MIDDLE].high, 0.9);
    ck_assert_double_lt(ring->high, 0.5);
    ck_assert_uint_eq(intervals.known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING][FAB_BAND_MIDDLE].machines, 0);
}
END_TEST

START_TEST(the_shipped_table_of_clusters_is_whole)
{
    const FabIntervals *shipped = fab_intervals_networks();

    for (int b = 0; b < FAB_BANDS; b++) {
        const FabInterval *own = &shipped->known[FAB_CONNECTION_NETWORK][FAB_FAMILY_RING][b];
        const FabInterval *shared = &shipped->known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_RING][b];
        ck_assert_uint_gt(own->machines, 5);
        ck_assert_uint_gt(shared->machines, 1);
        ck_assert(own->low < 0 && own->high > 0 && shared->low < 0 && shared->high > 0);
        ck_assert_double_lt(fab_interval_guess(shipped, (FabBand)b).high, 4);
    }
}
END_TEST

START_TEST(the_shipped_table_is_whole)
{
    const FabIntervals *shipped = fab_intervals_shipped();

    for (int c = 0; c < FAB_CONNECTION_NETWORK; c++) {
        for (int b = 0; b < FAB_BANDS; b++)
            ck_assert_uint_gt(shipped->known[c][FAB_FAMILY_RING][b].machines, 0);
        for (int f = 0; f < FAB_FAMILIES; f++) {
            for (int b = 0; b < FAB_BANDS; b++) {
                const FabInterval *one = &shipped->known[c][f][b];
                ck_assert(one->low <= 0 && one->high >= 0 && one->low > -3 && one->high < 3);
            }
        }
    }
}
END_TEST

/* The table is made anew by `fabricast validate --leave-one-out --interval-table -o core/predict/interval-table.c`. */
START_TEST(a_table_prints_as_the_source_that_holds_it)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    ck_assert(fab_report_interval_table(fab_intervals_shipped(), false, out, NULL));
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "static const FabIntervals shipped = {\n"
                                       "    .known[FAB_CONNECTION_SWITCH][FAB_FAMILY_RING] = {\n        { -0."));
    ck_assert_ptr_nonnull(strstr(text, "    .machines[FAB_CONNECTION_STAGED] = {"));
    ck_assert_ptr_null(strstr(text, "NETWORK"));
    free(text);
    out = open_memstream(&text, &length);
    ck_assert(fab_report_interval_table(fab_intervals_networks(), true, out, NULL));
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "    .known[FAB_CONNECTION_SHARED_NETWORK][FAB_FAMILY_RING] = {\n        { -"));
    ck_assert_ptr_nonnull(strstr(text, "    .machines[FAB_CONNECTION_NETWORK] = {"));
    ck_assert_ptr_nonnull(strstr(text, "fab_intervals_networks(void)"));
    ck_assert_ptr_null(strstr(text, "STAGED"));
    free(text);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("interval");

    tcase_add_test(tests, a_kind_is_written_and_read_back);
    tcase_add_test(tests, what_is_no_kind_is_refused);
    tcase_add_test(tests, many_machines_give_the_quantiles_of_their_residuals);
    tcase_add_test(tests, a_machine_with_many_rows_weighs_as_much_as_one_with_few);
    tcase_add_test(tests, one_machine_of_a_kind_gets_a_wider_interval_than_many);
    tcase_add_test(tests, a_prediction_lies_in_its_own_interval_however_biased_the_kind);
    tcase_add_test(tests, a_calibration_narrows_the_interval_the_more_tables_it_saw);
    tcase_add_test(tests, an_overlay_gives_its_interval_to_the_rows_of_its_kind);
    tcase_add_test(tests, a_kind_never_measured_gets_the_widest_interval_and_no_machines);
    tcase_add_test(tests, held_back_machines_are_judged_by_the_others_and_nine_of_ten_rows_are_inside);
    tcase_add_test(tests, transferred_rows_make_a_class_of_their_own);
    tcase_add_test(tests, nothing_to_learn_from_gives_no_kind_that_was_measured);
    tcase_add_test(tests, every_prediction_of_a_collective_has_an_interval);
    tcase_add_test(tests, a_machine_of_a_kind_never_measured_says_so);
    tcase_add_test(tests, a_gpu_alone_has_no_interval);
    tcase_add_test(tests, other_intervals_replace_those_that_were_there);
    tcase_add_test(tests, the_connection_is_the_slowest_between_neighbours);
    tcase_add_test(tests, a_prediction_over_several_nodes_has_the_interval_of_clusters);
    tcase_add_test(tests, clusters_are_told_apart_by_their_networks_alone);
    tcase_add_test(tests, the_shipped_table_of_clusters_is_whole);
    tcase_add_test(tests, the_shipped_table_is_whole);
    tcase_add_test(tests, a_table_prints_as_the_source_that_holds_it);
    return run_tests(tests);
}
