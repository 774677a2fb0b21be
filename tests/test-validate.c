#include "validate/validate.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "report/validate.h"
#include "suite.h"
#include "validate/resolve.h"

/* A measurement of an all-reduce over 4 GPUs; `facts` is "group.key=value" texts ended by NULL. */
static FabMeasurement *
made(const char *const *facts)
{
    static const char *const base[] = { "source.machine=test",    "system.ranks=4",  "system.topology=dgx-h100",
                                        "run.collective=all_reduce", "quality.grade=A", "quality.reason=made",
                                        "run.processes=4",       NULL };
    static const char *const rows[][6] = { { "1048576", "50", "", "", "0", NULL },
                                           { "1024", "10", "", "", "0", NULL },
                                           { "1048576", "51", "", "", "1", NULL },
                                           { "67108864", "", "", "300", "", NULL } };
    FabMeasurement *measurement = fab_measurement_new("made", FAB_MEASUREMENT_COLLECTIVE, NULL);

    for (int pass = 0; pass < 2; pass++) {
        const char *const *list = pass == 0 ? base : facts;
        for (guint i = 0; list != NULL && list[i] != NULL; i++) {
            g_autoptr(GError) error = NULL;
            g_auto(GStrv) sides = g_strsplit(list[i], "=", 2);
            g_auto(GStrv) place = g_strsplit(sides[0], ".", 2);
            ck_assert_msg(fab_measurement_set(measurement, place[0], place[1], sides[1], &error), "%s",
                          error != NULL ? error->message : "");
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        ck_assert(fab_measurement_add_row(measurement, rows[i], NULL));
    return measurement;
}

/* Resolves; the measurement must be one that can be predicted. */
static void
resolve(const char *const *facts, FabResolved *resolved)
{
    g_autoptr(FabMeasurement) measurement = made(facts);

    fab_resolve(measurement, resolved);
    ck_assert_msg(resolved->reason == NULL, "%s: %s", resolved->reason, resolved->detail);
    ck_assert_ptr_nonnull(resolved->scenario);
    ck_assert_ptr_nonnull(resolved->topology);
}

static void
refuse(const char *const *facts, const char *reason, const char *pattern)
{
    g_autoptr(FabMeasurement) measurement = made(facts);
    g_auto(FabResolved) resolved;

    fab_resolve(measurement, &resolved);
    ck_assert_ptr_eq(resolved.reason, reason);
    ck_assert_msg(g_regex_match_simple(pattern, resolved.detail, 0, 0), "\"%s\" does not match %s", resolved.detail,
                  pattern);
    ck_assert_ptr_null(resolved.scenario);
}

/* Bits of what NCCL's variables leave of its cost table. */
enum { TREE = 1, RING = 2, NVLS = 16, LL = 1, LL128 = 2, SIMPLE = 4 };

static uint32_t
kept_algorithms(const FabResolved *resolved)
{
    return ~resolved->scenario->settings.without_algorithms & (TREE | RING | NVLS);
}

static uint32_t
kept_protocols(const FabResolved *resolved)
{
    return ~resolved->scenario->settings.without_protocols & (LL | LL128 | SIMPLE);
}

START_TEST(a_measurement_becomes_a_scenario)
{
    g_auto(FabResolved) resolved;

    resolve((const char *[]) { "run.dtype=half", "run.algo=Ring", "run.proto=LL128", "run.channels=8",
                               "overrides.gpu=h800-sxm", "run.processes=1", "run.threads=2", NULL }, &resolved);
    ck_assert_str_eq(resolved.scenario->operation, "all_reduce");
    ck_assert_uint_eq(kept_algorithms(&resolved), RING);
    ck_assert_uint_eq(kept_protocols(&resolved), LL128);
    ck_assert_uint_eq(resolved.scenario->channels, 8);
    ck_assert_uint_eq(resolved.scenario->rank_count, 4);
    ck_assert_str_eq(resolved.scenario->datatype, "half");
    ck_assert_uint_eq(resolved.scenario->processes, 1);
    ck_assert_uint_eq(resolved.scenario->threads, 2);
    ck_assert_uint_eq(resolved.scenario->size_count, 3);
    ck_assert_uint_eq(resolved.scenario->sizes[0], 1024);
    ck_assert_uint_eq(resolved.scenario->sizes[2], 67108864);
    ck_assert_str_eq(resolved.topology->vertices[resolved.topology->gpus[0]].model, "H800 SXM5 80 GB");
    ck_assert_uint_eq(resolved.notes->len, 0);
}
END_TEST

START_TEST(the_environment_of_nccl_is_understood)
{
    enum { ALL = TREE | RING | NVLS, ANY = LL | LL128 | SIMPLE };
    static const struct {
        const char *env;
        uint32_t algorithms, protocols, least, most;
    } cases[] = {
        { "NCCL_ALGO=Ring;NCCL_MAX_NCHANNELS=1", RING, ANY, 0, 1 },
        { "NCCL_ALGO=Tree", TREE, ANY, 0, 0 },
        { "NCCL_ALGO=Tree,NVLS", TREE | NVLS, ANY, 0, 0 },
        { "NCCL_NVLS_ENABLE=0", TREE | RING, ANY, 0, 0 },
        { "NCCL_NVLS_ENABLE=1", ALL, ANY, 0, 0 },
        { "NCCL_PROTO=LL", ALL, LL, 0, 0 },
        { "NCCL_PROTO=^LL", ALL, LL128 | SIMPLE, 0, 0 },
        { "NCCL_MIN_NCHANNELS=8;NCCL_MAX_NCHANNELS=16", ALL, ANY, 8, 16 },
        { "NCCL_NET=AWS Libfabric", ALL, ANY, 0, 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fact = g_strconcat("run.env=", cases[i].env, NULL);
        g_auto(FabResolved) resolved;
        resolve((const char *[]) { fact, NULL }, &resolved);
        ck_assert_msg(kept_algorithms(&resolved) == cases[i].algorithms, "%s: %x", fact, kept_algorithms(&resolved));
        ck_assert_msg(kept_protocols(&resolved) == cases[i].protocols, "%s: %x", fact, kept_protocols(&resolved));
        ck_assert_uint_eq(resolved.scenario->settings.min_channels, cases[i].least);
        ck_assert_uint_eq(resolved.scenario->settings.max_channels, cases[i].most);
        ck_assert_str_eq(resolved.scenario->algorithm, "auto");
        ck_assert_uint_eq(resolved.scenario->channels, 0);
        ck_assert_uint_eq(resolved.notes->len, 0);
    }
}
END_TEST

/* What was asked for says more than how many channels there were in the end. */
START_TEST(what_ran_goes_before_what_was_asked_for_but_for_channels)
{
    g_auto(FabResolved) resolved;

    resolve((const char *[]) { "run.env=NCCL_ALGO=Ring,Tree;NCCL_MAX_NCHANNELS=4", "run.algo=Tree", "run.channels=2",
                               NULL }, &resolved);
    ck_assert_uint_eq(kept_algorithms(&resolved), TREE);
    ck_assert_uint_eq(resolved.scenario->settings.max_channels, 4);
    ck_assert_uint_eq(resolved.scenario->channels, 0);
}
END_TEST

START_TEST(what_the_model_does_not_know_is_noted)
{
    g_auto(FabResolved) resolved;

    resolve((const char *[]) { "run.env=NCCL_MAX_NCHANNELS=4;NCCL_TUNER_PLUGIN=best", "run.algo=Best", NULL },
            &resolved);
    ck_assert_uint_eq(resolved.notes->len, 2);
    ck_assert_uint_eq(kept_algorithms(&resolved), TREE | RING | NVLS);
}
END_TEST

/* It does so whether or not a network is used, and says it nowhere but in its source. */
START_TEST(awss_plugin_sets_the_longest_chunk_of_nvls_on_gpus_that_have_it)
{
    static const struct {
        const char *facts[4];
        uint64_t bytes;
    } cases[] = {
        { { "run.env=NCCL_TUNER_PLUGIN=ofi", NULL }, 524288 },
        { { "run.env=NCCL_TUNER_PLUGIN=ofi;NCCL_NVLS_CHUNKSIZE=64K", NULL }, 65536 },
        { { "run.env=NCCL_TUNER_PLUGIN=other", NULL }, 0 },
        { { "run.env=NCCL_TUNER_PLUGIN=ofi", "system.topology=dgx-a100", "overrides.gpu=a100-sxm-40", NULL }, 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(FabResolved) resolved;
        resolve(cases[i].facts, &resolved);
        ck_assert_uint_eq(resolved.scenario->settings.nvls_bytes, cases[i].bytes);
    }
}
END_TEST

START_TEST(as_many_calls_are_taken_as_were_timed)
{
    g_auto(FabResolved) said, unsaid;

    resolve((const char *[]) { "run.iterations=5", NULL }, &said);
    resolve((const char *[]) { NULL }, &unsaid);
    ck_assert_uint_eq(said.scenario->calls, 5);
    ck_assert_uint_eq(unsaid.scenario->calls, 0);
}
END_TEST

START_TEST(a_setting_that_cannot_be_read_is_a_reason)
{
    refuse((const char *[]) { "run.env=NCCL_ALGO=Best", NULL }, fab_reason_scenario,
           "NCCL_ALGO: \"Best\" is not known");
}
END_TEST

START_TEST(peer_access_follows_from_what_was_in_use)
{
    static const struct {
        const char *facts[5];
        const char *peer;
        bool nvlink;
    } cases[] = {
        { { "system.topology=pcie-host", "overrides.gpus=4", NULL }, "auto", true },
        { { "system.topology=pcie-host", "overrides.gpus=4", "system.p2p=yes", NULL }, "sys", true },
        { { "system.topology=pcie-host", "overrides.gpus=4", "overrides.p2p=on", NULL }, "sys", true },
        { { "system.topology=pcie-host", "overrides.gpus=4", "system.p2p=no", NULL }, "nvlink", true },
        { { "system.topology=pcie-host", "overrides.gpus=4", "run.env=NCCL_P2P_LEVEL=PHB", NULL }, "node", true },
        { { "system.topology=pcie-host", "overrides.gpus=4", "run.env=NCCL_P2P_DISABLE=1", NULL }, "nvlink", false },
        { { "system.p2p=yes", NULL }, "auto", true },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(FabResolved) resolved;
        resolve(cases[i].facts, &resolved);
        ck_assert_msg(strcmp(resolved.scenario->peer, cases[i].peer) == 0, "case %u: %s", i, resolved.scenario->peer);
        ck_assert_int_eq(resolved.scenario->nvlink, cases[i].nvlink);
    }
}
END_TEST

#define FOUR "system.topology=pcie-host", "overrides.gpus=4", "system.ranks=4", "system.p2p=yes"

/* What the driver allows is not what NCCL uses: on Intel never beyond switches, since 2.23 on AMD by two GPUs only. */
START_TEST(peer_access_does_not_go_beyond_what_nccl_allows)
{
    static const struct {
        const char *facts[8];
        const char *peer;
    } cases[] = {
        { { FOUR, "overrides.cpu_vendor=intel", NULL }, "auto" },
        { { FOUR, "system.cpu=2x Intel Xeon 10-core", NULL }, "auto" },
        { { FOUR, "system.cpu=AMD EPYC 9575F", "run.nccl_version=2.29.7", NULL }, "auto" },
        { { FOUR, "system.cpu=AMD EPYC 9575F", "run.nccl_version=2.29.7", "run.env=NCCL_P2P_LEVEL=SYS", NULL },
          "sys" },
        { { FOUR, "system.cpu=AMD EPYC 7V13", "run.nccl_version=2.18.3", NULL }, "sys" },
        { { FOUR, "system.ranks=2", "system.cpu=AMD EPYC 9575F", "run.nccl_version=2.29.7", NULL }, "sys" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(FabResolved) resolved;
        resolve(cases[i].facts, &resolved);
        ck_assert_msg(strcmp(resolved.scenario->peer, cases[i].peer) == 0, "case %u: %s", i, resolved.scenario->peer);
    }
}
END_TEST

START_TEST(eight_cards_of_an_unknown_tree_hang_in_pairs_on_four_switches)
{
    static const char *const unknown[] = { "system.topology=pcie-host", "system.gpus_per_node=8", "overrides.gpus=8",
                                           NULL };
    static const char *const stated[] = { "system.topology=pcie-host", "system.gpus_per_node=8", "overrides.gpus=8",
                                          "overrides.sockets=2", NULL };
    g_auto(FabResolved) assumed, known;

    resolve(unknown, &assumed);
    ck_assert_int_eq(fab_path_class(assumed.topology, assumed.topology->gpus[0], assumed.topology->gpus[1]),
                     FAB_PATH_PIX);
    ck_assert_int_eq(fab_path_class(assumed.topology, assumed.topology->gpus[0], assumed.topology->gpus[7]),
                     FAB_PATH_SYS);
    resolve(stated, &known);
    ck_assert_int_gt(fab_path_class(known.topology, known.topology->gpus[0], known.topology->gpus[1]), FAB_PATH_PXB);
}
END_TEST

START_TEST(gpus_of_a_rack_are_taken_tray_by_tray)
{
    g_auto(FabResolved) all, some;

    resolve((const char *[]) { "system.topology=gb200-nvl72", "system.ranks=8", "system.nodes=2", "overrides.racks=1",
                               "system.gpus_per_node=4", NULL }, &all);
    ck_assert_ptr_null(all.scenario->ranks);
    ck_assert_uint_eq(all.scenario->rank_count, 8);
    resolve((const char *[]) { "system.topology=gb200-nvl72", "system.ranks=4", "system.nodes=2", "overrides.racks=1",
                               "overrides.ranks_per_node=2", "system.gpus_per_node=4", NULL }, &some);
    ck_assert_uint_eq(some.scenario->rank_count, 4);
    ck_assert_uint_eq(some.scenario->ranks[2], 4);
    ck_assert_uint_eq(some.scenario->ranks[3], 5);
}
END_TEST

START_TEST(what_cannot_be_predicted_says_why)
{
    g_autoptr(FabMeasurement) link = fab_measurement_new("link", FAB_MEASUREMENT_LINK, NULL);
    g_autoptr(FabMeasurement) nowhere = made(NULL);
    g_auto(FabResolved) of_link, of_nowhere;

    refuse((const char *[]) { "system.nodes=2", NULL }, fab_reason_nodes, "2 nodes");
    refuse((const char *[]) { "system.nodes=4", "overrides.racks=2", NULL }, fab_reason_racks, "2 racks");
    refuse((const char *[]) { "system.topology=dgx-h1000", NULL }, fab_reason_machine, "dgx-h1000.*did you mean");
    refuse((const char *[]) { "overrides.links_per_pair=2", NULL }, fab_reason_machine,
           "\\[overrides\\] links_per_pair=2: plugin nvswitch of machine dgx-h100 has no such parameter");
    refuse((const char *[]) { "overrides.gpu=h10000", NULL }, fab_reason_machine, "h10000");
    fab_resolve(link, &of_link);
    ck_assert_ptr_eq(of_link.reason, fab_reason_kind);
    ck_assert(fab_measurement_set(nowhere, "system", "topology", NULL, NULL));
    fab_resolve(nowhere, &of_nowhere);
    ck_assert_ptr_eq(of_nowhere.reason, fab_reason_topology);
    ck_assert(g_strstr_len(of_nowhere.detail, -1, "[system] topology") != NULL);
}
END_TEST

static FabValidation *
validate_one(const char *const *facts)
{
    g_autoptr(GPtrArray) measurements = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);

    g_ptr_array_add(measurements, made(facts));
    return fab_validate(measurements, NULL, NULL, NULL);
}

START_TEST(every_row_has_a_prediction_and_both_yardsticks)
{
    g_autoptr(FabValidation) validation = validate_one(NULL);
    const FabValidationCase *one = validation->cases->pdata[0];
    const FabValidationRow *rows = (const FabValidationRow *)(const void *)one->rows->data;

    ck_assert(one->scored);
    ck_assert_uint_eq(one->rows->len, 4);
    for (guint i = 0; i < 4; i++) {
        for (int p = 0; p < FAB_PREDICTORS; p++)
            ck_assert(rows[i].predicted_us[p] > 0);
        ck_assert(rows[i].low_us > 0 && rows[i].low_us <= rows[i].predicted_us[FAB_PREDICTOR_ENGINE]);
        ck_assert(rows[i].high_us >= rows[i].predicted_us[FAB_PREDICTOR_ENGINE]);
        ck_assert_ptr_nonnull(rows[i].algorithm);
    }
    /* In place or not, a size is predicted once. */
    ck_assert_double_eq(rows[0].predicted_us[FAB_PREDICTOR_ENGINE], rows[2].predicted_us[FAB_PREDICTOR_ENGINE]);
    ck_assert_double_eq(rows[2].measured_us, 51);
    /* Only the bus bandwidth is known: 64 MiB x 2 x 3/4 at 300 GB/s. */
    ck_assert_double_eq_tol(rows[3].measured_us, 67108864 * 1.5 / 300e3, 1e-9);
    /* 10 us at 1 KiB, 50 us at 1 MiB: the line passes through two of the points. */
    ck_assert_double_eq_tol(rows[1].predicted_us[FAB_PREDICTOR_LINE], 10, 10);
}
END_TEST

START_TEST(a_machine_of_a_kind_nobody_measured_is_noted)
{
    g_autoptr(FabValidation) validation = validate_one((const char *[]) { "overrides.gpu=v100-sxm2", NULL });
    const FabValidationCase *one = validation->cases->pdata[0];
    const char *last = one->notes->len > 0 ? one->notes->pdata[one->notes->len - 1] : "";

    ck_assert_msg(g_str_has_prefix(last, "no machine of this kind was ever measured (Volta GPUs over NVSwitch)"), "%s",
                  last);
    ck_assert(g_array_index(one->rows, FabValidationRow, 0).high_us > 0);
}
END_TEST

START_TEST(alltoall_and_forced_channels_have_no_figure_of_nccls_formula)
{
    g_autoptr(FabValidation) pairwise = validate_one((const char *[]) { "run.collective=alltoall", NULL });
    g_autoptr(FabValidation) forced = validate_one((const char *[]) { "run.channels=2", NULL });
    g_autoptr(GPtrArray) groups = fab_validation_groups(pairwise, FAB_GROUP_COLLECTIVE);
    const FabValidationGroup *group = groups->pdata[0];
    const FabValidationCase *one = forced->cases->pdata[0];

    ck_assert_str_eq(group->name, "alltoall");
    ck_assert_uint_eq(group->summary[FAB_BAND_MIDDLE][FAB_PREDICTOR_ENGINE].rows, 2);
    ck_assert_uint_eq(group->summary[FAB_BAND_MIDDLE][FAB_PREDICTOR_NCCL].rows, 0);
    ck_assert_uint_eq(group->engine_on_nccl[FAB_BAND_MIDDLE].rows, 0);
    ck_assert(isnan(g_array_index(one->rows, FabValidationRow, 0).predicted_us[FAB_PREDICTOR_NCCL]));
}
END_TEST

START_TEST(grade_c_is_predicted_and_never_scored)
{
    g_autoptr(FabValidation) validation = validate_one((const char *[]) { "quality.grade=C", NULL });
    const FabValidationCase *one = validation->cases->pdata[0];
    g_autoptr(GPtrArray) groups = fab_validation_groups(validation, FAB_GROUP_ALL);

    ck_assert_uint_eq(one->rows->len, 4);
    ck_assert(!one->scored);
    ck_assert_uint_eq(groups->len, 0);
}
END_TEST

START_TEST(a_call_that_cannot_run_is_a_case_with_a_reason)
{
    g_autoptr(FabValidation) many = validate_one((const char *[]) { "system.ranks=16", NULL });
    const FabValidationCase *one = many->cases->pdata[0];

    ck_assert_str_eq(one->reason, fab_reason_scenario);
    ck_assert(g_strstr_len(one->detail, -1, "16 ranks need 16 GPUs") != NULL);
    ck_assert_uint_eq(one->rows->len, 0);
    ck_assert(!one->scored);
}
END_TEST

START_TEST(bands_begin_at_64_kib_and_8_mib)
{
    ck_assert_int_eq(fab_band_of(65535), FAB_BAND_SMALL);
    ck_assert_int_eq(fab_band_of(65536), FAB_BAND_MIDDLE);
    ck_assert_int_eq(fab_band_of(8388607), FAB_BAND_MIDDLE);
    ck_assert_int_eq(fab_band_of(8388608), FAB_BAND_LARGE);
}
END_TEST

/* What a writer prints. Owned by the caller. */
static char *
printed(const FabValidation *validation, bool (*write)(const FabValidation *, FILE *, GError **))
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    ck_assert(write(validation, out, NULL));
    fclose(out);
    return text;
}

START_TEST(the_csv_has_a_line_for_each_row)
{
    g_autoptr(FabValidation) validation = validate_one((const char *[]) { "system.gpu_id=h100-sxm", NULL });
    char *text = printed(validation, fab_report_validation_csv);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    g_auto(GStrv) cells = g_strsplit(lines[1], ",", -1);

    ck_assert(g_str_has_prefix(lines[0], "id,gpu_id,ranks,collective,size_bytes,measured_us,predicted_us,low_us,"
                                         "high_us,algorithm,protocol,channels,nccl_model_us,line_fit_us"));
    ck_assert_uint_eq(g_strv_length(lines), 6);
    ck_assert_str_eq(cells[0], "made");
    ck_assert_str_eq(cells[1], "h100-sxm");
    ck_assert_str_eq(cells[4], "1048576");
    ck_assert_str_eq(cells[5], "50");
    ck_assert(g_ascii_strtod(cells[7], NULL) > 0);
    free(text);
}
END_TEST

START_TEST(the_open_set_resolves_and_no_collective_of_one_node_is_left_out)
{
    g_auto(GStrv) ids = fab_measurement_list(fab_path_measurements(), NULL);
    guint resolved_count = 0;

    for (guint i = 0; ids[i] != NULL; i++) {
        g_autofree char *name = g_strconcat(ids[i], ".ini", NULL);
        g_autofree char *path = g_build_filename(fab_path_measurements(), name, NULL);
        g_autoptr(FabMeasurement) measurement = fab_measurement_load(path, NULL);
        g_auto(FabResolved) resolved;
        fab_resolve(measurement, &resolved);
        ck_assert_msg(resolved.reason == NULL || resolved.reason == fab_reason_kind ||
                          resolved.reason == fab_reason_nodes || resolved.reason == fab_reason_racks,
                      "%s: %s: %s", ids[i], resolved.reason, resolved.detail);
        resolved_count += resolved.reason == NULL;
    }
    ck_assert_uint_ge(resolved_count, 200);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("validate");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_measurement_becomes_a_scenario);
    tcase_add_test(tests, the_environment_of_nccl_is_understood);
    tcase_add_test(tests, what_ran_goes_before_what_was_asked_for_but_for_channels);
    tcase_add_test(tests, what_the_model_does_not_know_is_noted);
    tcase_add_test(tests, awss_plugin_sets_the_longest_chunk_of_nvls_on_gpus_that_have_it);
    tcase_add_test(tests, as_many_calls_are_taken_as_were_timed);
    tcase_add_test(tests, a_setting_that_cannot_be_read_is_a_reason);
    tcase_add_test(tests, peer_access_follows_from_what_was_in_use);
    tcase_add_test(tests, peer_access_does_not_go_beyond_what_nccl_allows);
    tcase_add_test(tests, eight_cards_of_an_unknown_tree_hang_in_pairs_on_four_switches);
    tcase_add_test(tests, gpus_of_a_rack_are_taken_tray_by_tray);
    tcase_add_test(tests, what_cannot_be_predicted_says_why);
    tcase_add_test(tests, every_row_has_a_prediction_and_both_yardsticks);
    tcase_add_test(tests, a_machine_of_a_kind_nobody_measured_is_noted);
    tcase_add_test(tests, alltoall_and_forced_channels_have_no_figure_of_nccls_formula);
    tcase_add_test(tests, grade_c_is_predicted_and_never_scored);
    tcase_add_test(tests, a_call_that_cannot_run_is_a_case_with_a_reason);
    tcase_add_test(tests, bands_begin_at_64_kib_and_8_mib);
    tcase_add_test(tests, the_csv_has_a_line_for_each_row);
    tcase_add_test(tests, the_open_set_resolves_and_no_collective_of_one_node_is_left_out);
    return run_tests(tests);
}
