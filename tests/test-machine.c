/* Machine files and GPU models: finding, reading, refusing. */
#include <check.h>
#include <string.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "fixture.h"
#include "plugin/loader.h"
#include "suite.h"
#include "topology/gpu.h"
#include "topology/machine.h"

static void
set_up(void)
{
    test_folder_make();
    fab_machine_add_directory(test_folder);
    fab_plugin_add_directory(g_getenv("FAB_TEST_PLUGINS"));
}

START_TEST(a_machine_file_builds_its_plugin)
{
    g_autofree char *path = test_write("pair.ini", "[topology]\nplugin=tiny\ntitle=Two of a kind\n"
                                                   "bandwidth=100 GB/s\n[source]\nbandwidth=a test\nurl=none\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) pair = fab_machine_load("pair", NULL, &error);

    ck_assert_msg(pair != NULL, "%s", error != NULL ? error->message : "no message");
    ck_assert_str_eq(pair->name, "pair");
    ck_assert_str_eq(pair->title, "Two of a kind");
    ck_assert_str_eq(pair->plugin, "tiny");
    ck_assert_str_eq(pair->path, path);
    ck_assert_str_eq(pair->source[0], "bandwidth: a test");
    ck_assert_str_eq(pair->source[1], "url: none");
    ck_assert_ptr_null(pair->source[2]);
    ck_assert_uint_eq(pair->gpu_count, 2);
    ck_assert_double_eq(pair->links[0].bandwidth, 100e9);
}
END_TEST

START_TEST(overrides_win_over_the_file)
{
    g_autofree char *path = test_write("pair.ini", "[topology]\nplugin=tiny\nbandwidth=100 GB/s\n");
    g_autoptr(GHashTable) overrides = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) pair = NULL;

    g_hash_table_insert(overrides, (gpointer)"bandwidth", (gpointer)"25 GB/s");
    g_hash_table_insert(overrides, (gpointer)"gpu", (gpointer)"rtx-3090");
    pair = fab_machine_load(path, overrides, &error);
    ck_assert_msg(pair != NULL, "%s", error != NULL ? error->message : "no message");
    ck_assert_double_eq(pair->links[0].bandwidth, 25e9);
    ck_assert_str_eq(pair->vertices[0].gpu->id, "rtx-3090");
    g_hash_table_insert(overrides, (gpointer)"bandwidht", (gpointer)"25 GB/s");
    ck_assert_ptr_null(fab_machine_load(path, overrides, &error));
    test_error(&error, FAB_ERROR_VALUE, "has no parameter bandwidht; did you mean bandwidth?");
}
END_TEST

typedef struct {
    const char *text;
    int code;
    const char *message;
} BadFile;

static const BadFile bad_files[] = {
    { "", FAB_ERROR_VALUE, "bad.ini: has no group [topology]" },
    { "no key file at all\n", FAB_ERROR_SYNTAX, "bad.ini: is not a key file" },
    { "\xff\xfe\n", FAB_ERROR_SYNTAX, "bad.ini: is not UTF-8 text" },
    { "[topology]\ntitle=x\n", FAB_ERROR_VALUE, "bad.ini: [topology] plugin is missing, must be one of" },
    { "[topology]\nplugin=\n", FAB_ERROR_VALUE, "bad.ini: [topology] plugin is missing" },
    { "[topology]\nplugin=tyny\n", FAB_ERROR_PLUGIN, "bad.ini: [topology] plugin: no plugin \"tyny\"" },
    { "[topology]\nplugin=tyny\n", FAB_ERROR_PLUGIN, "; did you mean tiny?" },
    { "[topology]\nplugin=faulty-abi\n", FAB_ERROR_PLUGIN, "rebuild the plugin" },
    { "[topology]\nplugin=faulty-build-fails\n", FAB_ERROR_VALUE,
      "bad.ini: plugin faulty-build-fails could not build this machine and gave no reason" },
    { "[topology]\nplugin=tiny\n[topolgy]\nx=1\n", FAB_ERROR_VALUE,
      "bad.ini: unknown group [topolgy]; did you mean topology?" },
    { "[topology]\nplugin=tiny\n[topology]\ngpu=l4\n", FAB_ERROR_SYNTAX, "group topology appears twice" },
    { "[topology]\nplugin=tiny\ngpu=l4\ngpu=l40s\n", FAB_ERROR_SYNTAX, "key gpu appears twice in [topology]" },
    { "[topology]\nplugin=tiny\nbandwith=1 GB/s\n", FAB_ERROR_VALUE,
      "bad.ini: [topology] plugin tiny has no parameter bandwith; did you mean bandwidth?" },
    { "[topology]\nplugin=tiny\nbandwidth=0\n", FAB_ERROR_VALUE,
      "bad.ini: [topology] bandwidth is 0, must be between 1e6 and 1e13 B/s" },
    { "[topology]\nplugin=tiny\nbandwidth=-1 GB/s\n", FAB_ERROR_VALUE, "must be between 1e6 and 1e13 B/s" },
    { "[topology]\nplugin=tiny\nbandwidth=5 ns\n", FAB_ERROR_VALUE, "bandwidth: \"5 ns\" is not a rate" },
    { "[topology]\nplugin=tiny\nbandwidth=nan\n", FAB_ERROR_VALUE, "bandwidth: \"nan\" is not a rate" },
    { "[topology]\nplugin=tiny\nbandwidth=inf GB/s\n", FAB_ERROR_VALUE, "bandwidth: \"inf GB/s\" is not a rate" },
    { "[topology]\nplugin=tiny\nbandwidth=1e400 GB/s\n", FAB_ERROR_VALUE, "is not a rate" },
    { "[topology]\nplugin=tiny\nbandwidth=1e30 GB/s\n", FAB_ERROR_VALUE, "must be between 1e6 and 1e13 B/s" },
    { "[topology]\nplugin=tiny\ngpu=h100-sxn\n", FAB_ERROR_VALUE,
      "bad.ini: [topology] unknown GPU model \"h100-sxn\"; did you mean h100-sxm?" },
};

START_TEST(a_bad_machine_file_is_refused_in_one_sentence)
{
    g_autofree char *path = test_write("bad.ini", bad_files[_i].text);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_machine_load(path, NULL, &error));
    ck_assert(error != NULL && strchr(error->message, '\n') == NULL);
    ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
    ck_assert_msg(g_str_has_prefix(error->message, path), "no file in \"%s\"", error->message);
    test_error(&error, bad_files[_i].code, bad_files[_i].message);
}
END_TEST

START_TEST(a_machine_that_does_not_exist_gets_the_nearest_one)
{
    g_autofree char *path = test_write("workstation.ini", "[topology]\nplugin=tiny\n");
    g_autofree char *wrong = test_path("workstaton.ini");
    g_autofree char *hint = g_strdup_printf("%s: no such file; did you mean %s?", wrong, path);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_machine_load("workstaton", NULL, &error));
    test_error(&error, FAB_ERROR_VALUE, "unknown machine \"workstaton\"; did you mean workstation?");
    ck_assert_ptr_null(fab_machine_load(wrong, NULL, &error));
    test_error(&error, FAB_ERROR_FILE, hint);
    ck_assert_ptr_null(fab_machine_load("/nowhere/at/all.ini", NULL, &error));
    test_error(&error, FAB_ERROR_FILE, "/nowhere/at/all.ini: no such file");
    ck_assert_ptr_null(fab_machine_load("qqqqqqqqqqqqqqqqqq", NULL, &error));
    test_error(&error, FAB_ERROR_VALUE, "must be a machine file or one of the");
    ck_assert_ptr_null(fab_machine_load("", NULL, &error));
    test_error(&error, FAB_ERROR_VALUE, "unknown machine \"\"");
    ck_assert_ptr_null(fab_machine_load("gpus", NULL, &error));
    test_error(&error, FAB_ERROR_VALUE, "unknown machine \"gpus\"");
}
END_TEST

START_TEST(a_folder_or_an_unreadable_file_is_no_machine)
{
    g_autofree char *path = test_write("closed.ini", "[topology]\nplugin=tiny\n");
    g_autofree char *with_slash = g_strconcat(test_folder, "/", NULL);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_machine_load(with_slash, NULL, &error));
    test_error(&error, FAB_ERROR_FILE, "is a folder, a file is needed");
    ck_assert_int_eq(g_chmod(path, 0), 0);
    if (g_access(path, R_OK) == 0) /* root reads everything */
        return;
    ck_assert_ptr_null(fab_machine_load(path, NULL, &error));
    test_error(&error, FAB_ERROR_FILE, path);
}
END_TEST

START_TEST(the_list_holds_machines_but_not_the_gpu_models)
{
    g_auto(GStrv) names = NULL;

    g_free(test_write("pair.ini", "[topology]\nplugin=tiny\n"));
    names = fab_machine_list();
    ck_assert(g_strv_contains((const char *const *)names, "pair"));
    ck_assert(!g_strv_contains((const char *const *)names, "gpus"));
    for (guint i = 1; i < g_strv_length(names); i++)
        ck_assert_str_lt(names[i - 1], names[i]);
}
END_TEST

START_TEST(folders_of_the_environment_are_searched)
{
    g_autofree char *other = g_dir_make_tmp("fabricast-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(other, "elsewhere.ini", NULL);
    g_autofree char *plugin = NULL;
    g_autofree char *title = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(g_file_set_contents(path, "[topology]\nplugin=tiny\ntitle=Far away\n", -1, NULL));
    ck_assert(!fab_machine_describe("elsewhere", &title, &plugin, NULL));
    g_setenv("FABRICAST_TOPOLOGY_PATH", other, TRUE);
    ck_assert_msg(fab_machine_describe("elsewhere", &title, &plugin, &error), "%s", error ? error->message : "");
    ck_assert_str_eq(title, "Far away");
    ck_assert_str_eq(plugin, "tiny");
    ck_assert(fab_machine_describe("elsewhere", NULL, NULL, NULL));
    g_remove(path);
    g_rmdir(other);
}
END_TEST

START_TEST(every_machine_of_the_catalogue_loads_and_names_its_sources)
{
    g_auto(GStrv) names = fab_machine_list();

    for (guint i = 0; names[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FabTopology) machine = fab_machine_load(names[i], NULL, &error);
        ck_assert_msg(machine != NULL, "%s", error != NULL ? error->message : "no message");
        ck_assert_msg(machine->source[0] != NULL, "%s has no [source]", machine->path);
        ck_assert_msg(strcmp(machine->title, machine->name) != 0, "%s has no title", machine->path);
    }
}
END_TEST

/* ------------------------------------------------------------------ GPU models */

START_TEST(the_models_of_the_catalogue_are_read_with_their_units)
{
    const FabGpuData *h100 = fab_gpu_data("h100-sxm", NULL);
    const FabGpuModel *geforce = fab_gpu_model("rtx-4090", NULL);
    const FabGpuModel *ultra = fab_gpu_model("b300-sxm", NULL);

    ck_assert(h100 != NULL && geforce != NULL && ultra != NULL);
    ck_assert_uint_eq(h100->model.compute_capability, 90);
    ck_assert_uint_eq(h100->model.sm_count, 132);
    ck_assert_double_eq(h100->model.memory_bytes, 80e9);
    ck_assert_double_eq(h100->model.memory_bandwidth, 3350e9);
    ck_assert_uint_eq(h100->model.nvlink_links, 18);
    ck_assert_double_eq(h100->model.nvlink_link_bandwidth, 25e9);
    ck_assert_double_eq(h100->peaks.bf16, 989e12);
    ck_assert_double_eq(h100->power_w, 700);
    ck_assert(h100->model.peer_to_peer);
    ck_assert(!geforce->peer_to_peer);
    ck_assert_uint_eq(geforce->nvlink_links, 0);
    ck_assert_uint_eq(ultra->compute_capability, 103);
    ck_assert_ptr_eq(fab_gpu_model("h100-sxm", NULL), &h100->model);
}
END_TEST

START_TEST(every_model_of_the_catalogue_is_complete)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) ids = fab_gpu_list(&error);

    ck_assert_msg(ids != NULL, "%s", error != NULL ? error->message : "no message");
    ck_assert_uint_ge(g_strv_length(ids), 43);
    for (guint i = 0; ids[i] != NULL; i++) {
        const FabGpuData *data = fab_gpu_data(ids[i], NULL);
        const char *const grades[] = { "high", "medium", "low", NULL };
        ck_assert_msg(strlen(data->source) > 10, "%s has no source", ids[i]);
        ck_assert_msg(g_strv_contains(grades, data->confidence), "%s: %s", ids[i], data->confidence);
        ck_assert_str_eq(data->model.id, ids[i]);
        ck_assert_uint_eq(data->model.pcie_lanes, 16);
    }
}
END_TEST

START_TEST(an_unknown_model_gets_the_nearest_one)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_gpu_model("a100-sxm-8", &error));
    test_error(&error, FAB_ERROR_VALUE, "unknown GPU model \"a100-sxm-8\"; did you mean a100-sxm-80?");
    g_clear_error(&error);
    ck_assert_ptr_null(fab_gpu_model("a100-sxm", &error));
    test_error(&error, FAB_ERROR_VALUE,
                   "unknown GPU model \"a100-sxm\"; did you mean a100-sxm-40, a100-sxm-64, a100-sxm-80?");
}
END_TEST

#define GOOD_MODEL                                                                                                     \
    "name=Mine\narchitecture=New\nsm_count=10\nmemory=8 GB\nmemory_bandwidth=100 GB/s\npcie_generation=5\n"           \
    "pcie_lanes=16\npeer_to_peer=yes\nsource=a test\nconfidence=low\n"

START_TEST(a_folder_in_front_adds_and_replaces_models)
{
    g_free(test_write("gpus.ini", "[mine]\n" GOOD_MODEL "[l4]\n" GOOD_MODEL));
    ck_assert_uint_eq(fab_gpu_model("mine", NULL)->sm_count, 10);
    ck_assert_str_eq(fab_gpu_model("l4", NULL)->name, "Mine");
    ck_assert_str_eq(fab_gpu_model("l40s", NULL)->name, "L40S");
}
END_TEST

static const BadFile bad_models[] = {
    { "[mine]\nname=x\n", FAB_ERROR_VALUE, "[mine] architecture is missing" },
    { "[mine]\n" GOOD_MODEL "sm_cout=10\n", FAB_ERROR_VALUE, "[mine] unknown key sm_cout; did you mean sm_count?" },
    { "[mine]\n" GOOD_MODEL "tdp=900\n", FAB_ERROR_VALUE, "[mine] tdp: \"900\" is not" },
    { "[mine]\n" GOOD_MODEL "fp8=5 GB/s\n", FAB_ERROR_VALUE, "[mine] fp8: \"5 GB/s\" is not" },
    { "[mine]\n" GOOD_MODEL "compute_capability=9\n", FAB_ERROR_VALUE, "must be like 9.0" },
    { "[mine]\n" GOOD_MODEL "nvlink_links=4\n", FAB_ERROR_VALUE, "belong together" },
    { "[mine]\n" GOOD_MODEL "note=\n", FAB_ERROR_VALUE, "[mine] note is empty" },
    { "[mine]\n" GOOD_MODEL "name=again\n", FAB_ERROR_SYNTAX, "key name appears twice in [mine]" },
    { "[mine]\n" GOOD_MODEL "[mine]\n", FAB_ERROR_SYNTAX, "group mine appears twice" },
    { "nonsense\n", FAB_ERROR_SYNTAX, "is not a key file" },
};

START_TEST(a_bad_model_is_refused_in_one_sentence)
{
    g_autofree char *path = test_write("gpus.ini", bad_models[_i].text);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_gpu_model("h100-sxm", &error));
    ck_assert_msg(error != NULL && g_str_has_prefix(error->message, path), "%s", error ? error->message : "none");
    test_error(&error, bad_models[_i].code, bad_models[_i].message);
    ck_assert_ptr_null(fab_gpu_list(&error));
    test_error(&error, bad_models[_i].code, bad_models[_i].message);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("machine");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, test_folder_remove);
    tcase_add_test(tests, a_machine_file_builds_its_plugin);
    tcase_add_test(tests, overrides_win_over_the_file);
    tcase_add_loop_test(tests, a_bad_machine_file_is_refused_in_one_sentence, 0, G_N_ELEMENTS(bad_files));
    tcase_add_test(tests, a_machine_that_does_not_exist_gets_the_nearest_one);
    tcase_add_test(tests, a_folder_or_an_unreadable_file_is_no_machine);
    tcase_add_test(tests, the_list_holds_machines_but_not_the_gpu_models);
    tcase_add_test(tests, folders_of_the_environment_are_searched);
    tcase_add_test(tests, every_machine_of_the_catalogue_loads_and_names_its_sources);
    tcase_add_test(tests, the_models_of_the_catalogue_are_read_with_their_units);
    tcase_add_test(tests, every_model_of_the_catalogue_is_complete);
    tcase_add_test(tests, an_unknown_model_gets_the_nearest_one);
    tcase_add_test(tests, a_folder_in_front_adds_and_replaces_models);
    tcase_add_loop_test(tests, a_bad_model_is_refused_in_one_sentence, 0, G_N_ELEMENTS(bad_models));
    return run_tests(tests);
}
