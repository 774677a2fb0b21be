/* Finding, opening and refusing plugins. The faulty ones are built from tests/plugins/faulty.c. */
#include <check.h>

#include "base/error.h"
#include "fixture.h"
#include "plugin/loader.h"
#include "plugin/params.h"
#include "suite.h"

static char *
plugin_file(const char *name)
{
    const char *folder = g_getenv("FAB_TEST_PLUGINS");
    g_autofree char *file = g_strconcat(name, ".so", NULL);

    ck_assert_msg(folder != NULL, "FAB_TEST_PLUGINS is not set: run by meson test");
    return g_build_filename(folder, file, NULL);
}

static void
assert_file_refused(const char *path, int code, const char *part)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_plugin_load_file(path, &error));
    ck_assert_msg(error != NULL && g_str_has_prefix(error->message, path), "message does not begin with the file: %s",
                  error != NULL ? error->message : "none");
    test_error(&error, code, part);
}

START_TEST(a_plugin_that_keeps_the_rules_is_opened_once)
{
    g_autofree char *path = plugin_file("tiny");
    g_autoptr(GError) error = NULL;
    const FabTopologyPlugin *plugin = fab_plugin_load_file(path, &error);

    ck_assert_msg(plugin != NULL, "%s", error != NULL ? error->message : "no message");
    ck_assert_str_eq(plugin->name, "tiny");
    ck_assert_ptr_eq(fab_plugin_load_file(path, &error), plugin);
}
END_TEST

typedef struct {
    const char *name, *part;
} Fault;

static const Fault faults[] = {
    { "faulty-abi", "plugin ABI 42, this program has ABI 1; rebuild the plugin" },
    { "faulty-size", "size is 8 bytes, must be at least" },
    { "faulty-symbol", "does not export fab_topology_plugin" },
    { "faulty-no-name", "no name, must be \"faulty-no-name\"" },
    { "faulty-other-name", "calls itself \"nvswitch\", must be \"faulty-other-name\"" },
    { "faulty-no-summary", "no summary" },
    { "faulty-no-params", "params is NULL" },
    { "faulty-no-build", "build is NULL" },
    { "faulty-no-help", "parameter 1 (\"rate\") has no help" },
    { "faulty-range", "has an empty range" },
    { "faulty-type", "unknown type" },
    { "faulty-twice", "rate is declared twice" },
    { "faulty-default", "default of parameter rate: \"1 apple\" is not a rate" },
    { "faulty-choices", "has no choices" },
    { "faulty-reserved", "every machine file uses for itself" },
    { "faulty-endless", "more than 256 parameters" },
    { "faulty-unbound", "a_function_that_nobody_defines" },
};

START_TEST(a_plugin_that_breaks_a_rule_is_refused_with_the_rule)
{
    g_autofree char *path = plugin_file(faults[_i].name);

    assert_file_refused(path, FAB_ERROR_PLUGIN, faults[_i].part);
    assert_file_refused(path, FAB_ERROR_PLUGIN, faults[_i].part); /* and again: nothing half open is kept */
}
END_TEST

START_TEST(what_is_not_a_shared_object_is_refused)
{
    g_autofree char *text = test_path("text.so");
    g_autofree char *empty = test_path("empty.so");
    g_autofree char *cut = test_path("cut.so");
    g_autofree char *missing = test_path("missing.so");
    g_autofree char *whole = plugin_file("tiny");
    g_autofree char *bytes = NULL;

    ck_assert(g_file_get_contents(whole, &bytes, NULL, NULL));
    ck_assert(g_file_set_contents(text, "this is no program\n", -1, NULL));
    ck_assert(g_file_set_contents(empty, "", 0, NULL));
    ck_assert(g_file_set_contents(cut, bytes, 100, NULL));
    assert_file_refused(text, FAB_ERROR_PLUGIN, "cannot be opened as a plugin");
    assert_file_refused(empty, FAB_ERROR_FILE, "is empty, a plugin's shared object is needed");
    assert_file_refused("/proc/kmsg", FAB_ERROR_FILE, "/proc/kmsg: "); /* opened it would wait for ever */
    assert_file_refused(cut, FAB_ERROR_PLUGIN, "cannot be opened as a plugin");
    assert_file_refused(missing, FAB_ERROR_FILE, "no such file");
    assert_file_refused(test_folder, FAB_ERROR_FILE, "not a regular file");
}
END_TEST

START_TEST(names_are_searched_in_added_folders_and_listed)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = NULL;

    fab_plugin_add_directory(g_getenv("FAB_TEST_PLUGINS"));
    ck_assert_msg(fab_plugin_load("tiny", &error) != NULL, "%s", error != NULL ? error->message : "no message");
    names = fab_plugin_list();
    ck_assert(g_strv_contains((const char *const *)names, "tiny"));
    ck_assert(g_strv_contains((const char *const *)names, "faulty-abi"));
    for (guint i = 1; names[i - 1] != NULL && names[i] != NULL; i++)
        ck_assert_str_lt(names[i - 1], names[i]);
}
END_TEST

START_TEST(names_are_searched_in_the_folders_of_the_environment)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = g_strdup_printf("/nonexistent::%s", g_getenv("FAB_TEST_PLUGINS"));

    ck_assert_ptr_null(fab_plugin_load("tiny", NULL));
    g_setenv("FABRICAST_PLUGIN_PATH", value, TRUE);
    ck_assert_msg(fab_plugin_load("tiny", &error) != NULL, "%s", error != NULL ? error->message : "no message");
}
END_TEST

START_TEST(an_unknown_name_gets_the_nearest_one)
{
    g_autoptr(GError) error = NULL;

    fab_plugin_add_directory(g_getenv("FAB_TEST_PLUGINS"));
    ck_assert_ptr_null(fab_plugin_load("tinny", &error));
    test_error(&error, FAB_ERROR_PLUGIN, "no plugin \"tinny\" in ");
    ck_assert_ptr_null(fab_plugin_load("tinny", &error));
    test_error(&error, FAB_ERROR_PLUGIN, "; did you mean tiny?");
    ck_assert_ptr_null(fab_plugin_load("", &error));
    test_error(&error, FAB_ERROR_PLUGIN, "no plugin \"\"");
    ck_assert_ptr_null(fab_plugin_load("../plugins/tiny", &error));
    test_error(&error, FAB_ERROR_PLUGIN, "no plugin \"../plugins/tiny\"");
}
END_TEST

START_TEST(a_faulty_plugin_is_not_skipped_when_it_is_asked_for)
{
    g_autoptr(GError) error = NULL;

    fab_plugin_add_directory(g_getenv("FAB_TEST_PLUGINS"));
    ck_assert_ptr_null(fab_plugin_load("faulty-abi", &error));
    test_error(&error, FAB_ERROR_PLUGIN, "ABI 42");
}
END_TEST

/* A change here breaks plugins that are already built: raise FAB_PLUGIN_ABI or add fields at the end only. */
START_TEST(the_structures_of_abi_1_keep_their_sizes)
{
    if (sizeof(void *) != 8)
        return;
    ck_assert_uint_eq(FAB_PLUGIN_ABI, 1);
    ck_assert_uint_eq(sizeof(FabTopologyPlugin), 40);
    ck_assert_uint_eq(sizeof(FabParamSpec), 64);
    ck_assert_uint_eq(sizeof(FabGpuModel), 88);
    ck_assert_uint_eq(sizeof(FabVertexSpec), 88); /* 72 before memory and network_rate: the host takes all */
    ck_assert_uint_eq(sizeof(FabLinkSpec), 64);
    ck_assert_uint_eq(sizeof(FabNode), 48);
    ck_assert_uint_eq(sizeof(FabNetworkSpec), 88); /* 56 before lossless, 64 before thread_rate */
    ck_assert_uint_eq(sizeof(FabHost), 104); /* 88 before add_node and set_network */
}
END_TEST

static const FabParamSpec table[] = {
    { "rate", FAB_PARAM_NUMBER, "B/s", "a rate", "1 GB/s", 1e6, 1e13, NULL },
    { "gpu_*", FAB_PARAM_TEXT, "", "a model", NULL, 0, 0, NULL },
    { "mode", FAB_PARAM_CHOICE, "", "a mode", "on", 0, 0, "on;off" },
    { "wait", FAB_PARAM_NUMBER, "s", "a time", "0", 0, 1e-3, NULL },
    { "gpus", FAB_PARAM_INTEGER, "", "a count", "2", 1, 64, NULL },
    { "node.*", FAB_PARAM_TEXT, "", "a parameter of the nodes", NULL, 0, 0, NULL },
    { 0 },
};

START_TEST(a_star_stands_for_digits_and_after_a_point_for_any_name)
{
    ck_assert_ptr_eq(fab_param_find(table, "gpu_0"), &table[1]);
    ck_assert_ptr_eq(fab_param_find(table, "gpu_17"), &table[1]);
    ck_assert_ptr_null(fab_param_find(table, "gpu_"));
    ck_assert_ptr_null(fab_param_find(table, "gpu_x"));
    ck_assert_ptr_eq(fab_param_find(table, "node.gpu_0"), &table[5]);
    ck_assert_ptr_null(fab_param_find(table, "node."));
    ck_assert_ptr_null(fab_param_find(table, "node"));
    ck_assert_ptr_null(fab_param_find(table, "gpu_1x"));
    ck_assert_ptr_null(fab_param_find(table, "gpu_*"));
    ck_assert_ptr_null(fab_param_find(table, "gpu_1234567890"));
}
END_TEST

typedef struct {
    const char *name, *text, *message;
} BadValue;

static const BadValue bad_values[] = {
    { "rate", "0", "rate is 0, must be between 1e6 and 1e13 B/s" },
    { "rate", "-5 GB/s", "rate is -5 GB/s, must be between 1e6 and 1e13 B/s" },
    { "rate", "nan", "rate: \"nan\" is not a rate such as" },
    { "rate", "inf", "rate: \"inf\" is not a rate such as" },
    { "rate", "1e999 GB/s", "rate: \"1e999 GB/s\" is not a rate such as" },
    { "rate", "50 ns", "rate: \"50 ns\" is not a rate such as" },
    { "rate", "50", "rate: \"50\" is not a rate such as" },
    { "rate", "", "rate: \"\" is not a rate such as" },
    { "wait", "2 ms", "wait is 2 ms, must be between 0 and 0.001 s" },
    { "gpus", "0", "gpus is 0, must be between 1 and 64" },
    { "gpus", "65", "gpus is 65, must be between 1 and 64" },
    { "gpus", "2.5", "gpus: \"2.5\" is not a whole number" },
    { "gpus", "99999999999999999999", "gpus: \"99999999999999999999\" is not a whole number" },
    { "mode", "offf", "mode is \"offf\", which is not known; did you mean off?" },
    { "mode", "sometimes", "mode is \"sometimes\", which is not known; accepted: on, off" },
};

START_TEST(a_value_out_of_bounds_is_refused_with_the_bounds)
{
    const BadValue *bad = &bad_values[_i];
    const FabParamSpec *spec = fab_param_find(table, bad->name);
    g_autoptr(GError) error = NULL;
    FabParamValue value;

    ck_assert(!fab_param_parse(spec, bad->name, bad->text, &value, &error));
    test_error(&error, FAB_ERROR_VALUE, bad->message);
}
END_TEST

START_TEST(values_are_read_by_type)
{
    FabParamValue value;

    ck_assert(fab_param_parse(&table[0], "rate", "450 GB/s", &value, NULL));
    ck_assert_double_eq(value.number, 450e9);
    ck_assert(fab_param_parse(&table[4], "gpus", "8", &value, NULL));
    ck_assert_int_eq(value.integer, 8);
    ck_assert_double_eq(value.number, 8);
    ck_assert(fab_param_parse(&table[2], "mode", "off", &value, NULL));
    ck_assert_str_eq(value.text, "off");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("loader");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, a_plugin_that_keeps_the_rules_is_opened_once);
    tcase_add_loop_test(tests, a_plugin_that_breaks_a_rule_is_refused_with_the_rule, 0, G_N_ELEMENTS(faults));
    tcase_add_test(tests, what_is_not_a_shared_object_is_refused);
    tcase_add_test(tests, names_are_searched_in_added_folders_and_listed);
    tcase_add_test(tests, names_are_searched_in_the_folders_of_the_environment);
    tcase_add_test(tests, an_unknown_name_gets_the_nearest_one);
    tcase_add_test(tests, a_faulty_plugin_is_not_skipped_when_it_is_asked_for);
    tcase_add_test(tests, the_structures_of_abi_1_keep_their_sizes);
    tcase_add_test(tests, a_star_stands_for_digits_and_after_a_point_for_any_name);
    tcase_add_loop_test(tests, a_value_out_of_bounds_is_refused_with_the_bounds, 0, G_N_ELEMENTS(bad_values));
    tcase_add_test(tests, values_are_read_by_type);
    return run_tests(tests);
}
