/* Building: parameters to a graph, the checks on it, resources; and plugins that hand over nonsense. */
#include <check.h>
#include <math.h>

#include "base/error.h"
#include "fixture.h"
#include "suite.h"
#include "topology/builder.h"
#include "topology/medium.h"

#undef fail /* of check.h: FabHost has a member of that name */

static const FabParamSpec params[] = {
    { "gpu", FAB_PARAM_TEXT, "", "GPU model", "h100-pcie", 0, 0, NULL },
    { "gpu_*", FAB_PARAM_TEXT, "", "model of one GPU", NULL, 0, 0, NULL },
    { "gpus", FAB_PARAM_INTEGER, "", "how many", "2", 0, 64, NULL },
    { "rate", FAB_PARAM_NUMBER, "B/s", "of the slot", "63 GB/s", 1e6, 1e13, NULL },
    { "p2p", FAB_PARAM_BOOLEAN, "", "peer access", "on", 0, 0, NULL },
    { "mode", FAB_PARAM_CHOICE, "", "what goes wrong", "right", 0, 0, "right;wrong" },
    { 0 },
};

typedef bool (*BuildFunc)(const FabHost *host, FabBuilder *builder);

/* Builds with `build`; `values` are name and text in turn, ending with NULL. */
static FabTopology *
build_with(BuildFunc build, GError **error, ...)
{
    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
    FabTopologyPlugin plugin = { FAB_PLUGIN_ABI, sizeof plugin, "sample", "a sample", params, build };
    va_list values;
    char *name;

    va_start(values, error);
    while ((name = va_arg(values, char *)) != NULL)
        g_hash_table_insert(table, name, va_arg(values, char *));
    va_end(values);
    return fab_topology_build(&plugin, table, "folder/sample-box.ini", error);
}

static void
assert_message(GError **error, const char *part)
{
    ck_assert_msg(*error != NULL, "no error, expected \"%s\"", part);
    ck_assert_msg((*error)->domain == FAB_ERROR && (*error)->code == FAB_ERROR_VALUE, "code %d: %s", (*error)->code,
                  (*error)->message);
    ck_assert_msg(g_str_has_prefix((*error)->message, "folder/sample-box.ini: "), "%s", (*error)->message);
    test_says((*error)->message, part);
    g_clear_error(error);
}

static FabVertex
add(const FabHost *host, FabBuilder *builder, FabVertexKind kind, const char *name)
{
    FabVertexSpec spec = { .size = sizeof spec, .kind = kind, .name = name };

    if (kind == FAB_VERTEX_GPU)
        spec.gpu = host->gpu(builder, "h100-pcie");
    return host->add_vertex(builder, &spec);
}

/* One CPU with a host bridge and `gpus` GPUs on it. */
static bool
build_box(const FabHost *host, FabBuilder *builder)
{
    FabVertexSpec cpu_spec = { .size = sizeof cpu_spec, .kind = FAB_VERTEX_CPU, .name = "CPU 0", .memory_limit = 70e9 };
    FabVertexSpec bridge_spec = { .size = sizeof bridge_spec, .kind = FAB_VERTEX_HOST_BRIDGE, .name = "host bridge 0",
                                  .peer_limit = 40e9 };
    FabVertex cpu = host->add_vertex(builder, &cpu_spec);
    FabVertex bridge = host->add_vertex(builder, &bridge_spec);
    int64_t gpus = host->integer(builder, "gpus");
    FabVertex first = FAB_VERTEX_NONE;

    host->add_link(builder, &(FabLinkSpec){ .size = sizeof(FabLinkSpec), .a = cpu, .b = bridge,
                                            .medium = FAB_MEDIUM_INTERNAL, .bandwidth = 200e9 });
    for (int64_t i = 0; i < gpus; i++) {
        g_autofree char *name = g_strdup_printf("GPU %d", (int)i);
        g_autofree char *param = g_strdup_printf("gpu_%d", (int)i);
        const char *id = host->text(builder, host->given(builder, param) ? param : "gpu");
        FabVertexSpec spec = { .size = sizeof spec, .kind = FAB_VERTEX_GPU, .name = name,
                               .gpu = host->gpu(builder, id) };
        FabVertex gpu = host->add_vertex(builder, &spec);
        host->add_link(builder, &(FabLinkSpec){ .size = sizeof(FabLinkSpec), .a = gpu, .b = bridge,
                                                .medium = FAB_MEDIUM_PCIE, .generation = 5, .lanes = 16,
                                                .bandwidth = host->number(builder, "rate") });
        if (i == 0)
            first = gpu;
        else if (!host->boolean(builder, "p2p"))
            host->set_peer_access(builder, gpu, first, false);
    }
    return true;
}

START_TEST(a_box_becomes_vertices_links_and_resources)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) box = build_with(build_box, &error, "title", "A box", "plugin", "sample", NULL);
    uint32_t count = 0;
    const uint32_t *at;

    ck_assert_msg(box != NULL, "%s", error != NULL ? error->message : "no message");
    ck_assert_str_eq(box->name, "sample-box");
    ck_assert_str_eq(box->title, "A box");
    ck_assert_uint_eq(box->vertex_count, 4);
    ck_assert_uint_eq(box->gpu_count, 2);
    ck_assert_uint_eq(box->gpus[1], 3);
    ck_assert_uint_eq(box->vertices[3].number, 1);
    ck_assert_uint_eq(box->vertices[0].count, 1);
    ck_assert_str_eq(box->vertices[2].model, "H100 PCIe 80 GB");
    ck_assert_str_eq(box->links[1].label, "PCIe 5.0 x16");
    ck_assert_double_eq(box->links[1].efficiency, 0.86);
    ck_assert_double_eq(box->links[1].reverse, 0.06);
    ck_assert_int_eq(box->links[1].latency_ps, 250000);
    at = fab_topology_links_at(box, 1, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert(at[0] == 0 && at[1] == 1 && at[2] == 2);
}
END_TEST

START_TEST(resources_hold_effective_rates)
{
    g_autoptr(FabTopology) box = build_with(build_box, NULL, NULL);
    const FabResource *there = &box->resources[box->links[1].resource[0]];
    const FabResource *back = &box->resources[box->links[1].resource[1]];
    const FabResource *port = &box->resources[box->host_port[0]];

    ck_assert_uint_eq(box->resource_count, 3 * 2 + 1 + 1 + 2);
    ck_assert_str_eq(there->name, "GPU 0 > host bridge 0");
    ck_assert_str_eq(back->name, "host bridge 0 > GPU 0");
    ck_assert_double_eq(there->capacity, 63e9 * 0.86);
    ck_assert_uint_eq(there->link, 1);
    ck_assert_uint_eq(there->vertex, FAB_VERTEX_NONE);
    ck_assert_int_eq(port->kind, FAB_RESOURCE_HOST_PORT);
    ck_assert_str_eq(port->name, "GPU 0 host port");
    ck_assert_double_eq_tol(port->capacity, 0.98 * 63e9 * 0.86, 1);
    ck_assert_uint_eq(port->vertex, 2);
    ck_assert_uint_eq(port->link, UINT32_MAX);
    ck_assert_str_eq(box->resources[6].name, "CPU 0 memory");
    ck_assert_double_eq(box->resources[6].capacity, 70e9);
    ck_assert_str_eq(box->resources[7].name, "host bridge 0 peer traffic");
    ck_assert_double_eq(box->resources[7].capacity, 40e9);
}
END_TEST

START_TEST(peer_access_is_kept_for_both_orders)
{
    g_autoptr(FabTopology) with = build_with(build_box, NULL, NULL);
    g_autoptr(FabTopology) without = build_with(build_box, NULL, "p2p", "off", "gpus", "3", NULL);

    ck_assert(fab_topology_peer_access(with, 2, 3));
    ck_assert(!fab_topology_peer_access(without, 2, 3));
    ck_assert(!fab_topology_peer_access(without, 3, 2));
    ck_assert(fab_topology_peer_access(without, 3, 4));
}
END_TEST

START_TEST(one_gpu_may_have_its_own_model)
{
    g_autoptr(FabTopology) box = build_with(build_box, NULL, "gpu_1", "l40s", NULL);

    ck_assert_str_eq(box->vertices[2].gpu->id, "h100-pcie");
    ck_assert_str_eq(box->vertices[3].gpu->id, "l40s");
}
END_TEST

START_TEST(one_gpu_alone_is_a_machine)
{
    g_autoptr(FabTopology) box = build_with(build_box, NULL, "gpus", "1", NULL);

    ck_assert_uint_eq(box->gpu_count, 1);
}
END_TEST

typedef struct {
    const char *name, *text, *message;
} BadParam;

static const BadParam bad_params[] = {
    { "gpus", "0", "plugin sample: the graph has no GPU, must have at least one" },
    { "gpus", "65", "[topology] gpus is 65, must be between 0 and 64" },
    { "gpus", "-1", "[topology] gpus is -1, must be" },
    { "gpus", "two", "[topology] gpus: \"two\" is not a whole number" },
    { "rate", "0", "[topology] rate is 0, must be between 1e6 and 1e13 B/s" },
    { "rate", "63", "[topology] rate: \"63\" is not a rate such as" },
    { "p2p", "maybe", "[topology] p2p: \"maybe\" is not on or off" },
    { "mode", "rong", "[topology] mode is \"rong\", which is not known; did you mean wrong?" },
    { "gpu", "h100-pci", "[topology] unknown GPU model \"h100-pci\"; did you mean h100-pcie?" },
    { "gpu_x", "l4", "[topology] plugin sample has no parameter gpu_x" },
    { "title", "\xff", "[topology] title is not UTF-8 text" },
    { "rats", "1 GB/s", "[topology] plugin sample has no parameter rats; did you mean rate?" },
};

START_TEST(a_bad_parameter_is_refused_by_name)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(build_with(build_box, &error, bad_params[_i].name, bad_params[_i].text, NULL));
    assert_message(&error, bad_params[_i].message);
}
END_TEST

START_TEST(a_parameter_without_default_must_be_given)
{
    static const FabParamSpec needed[] = {
        { "nodes", FAB_PARAM_INTEGER, "", "number of boxes", NULL, 1, 9, NULL },
        { 0 },
    };
    FabTopologyPlugin plugin = { FAB_PLUGIN_ABI, sizeof plugin, "sample", "a sample", needed, build_box };
    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_topology_build(&plugin, table, "folder/sample-box.ini", &error));
    assert_message(&error, "[topology] nodes is missing, plugin sample needs it: number of boxes");
}
END_TEST

/* ------------------------------------------------------------------ hostile plugins */

static bool
build_nothing(const FabHost *host, FabBuilder *builder)
{
    (void)host;
    (void)builder;
    return true;
}

static bool
build_false(const FabHost *host, FabBuilder *builder)
{
    (void)host;
    (void)builder;
    return false;
}

static bool
build_reason(const FabHost *host, FabBuilder *builder)
{
    return host->fail(builder, "%d sockets do not exist", 7);
}

static bool
build_null_reason(const FabHost *host, FabBuilder *builder)
{
    bool (*fail_with)(FabBuilder *, const char *, ...) = host->fail; /* without the compiler's check of formats */

    host->fail(NULL, "no builder");
    return fail_with(builder, NULL) || true;
}

static bool
build_two_errors(const FabHost *host, FabBuilder *builder)
{
    host->fail(builder, "the first");
    host->fail(builder, "the second");
    host->add_vertex(builder, NULL);
    return true;
}

static bool
build_islands(const FabHost *host, FabBuilder *builder)
{
    add(host, builder, FAB_VERTEX_GPU, "GPU 0");
    add(host, builder, FAB_VERTEX_GPU, "GPU 1");
    return true;
}

static bool
build_same_names(const FabHost *host, FabBuilder *builder)
{
    add(host, builder, FAB_VERTEX_GPU, "GPU 0");
    add(host, builder, FAB_VERTEX_GPU, "GPU 0");
    return true;
}

static bool
build_no_vertex(const FabHost *host, FabBuilder *builder)
{
    host->add_vertex(NULL, NULL);
    host->add_vertex(builder, NULL);
    return true;
}

static bool
build_no_link(const FabHost *host, FabBuilder *builder)
{
    host->add_link(NULL, NULL);
    return host->add_link(builder, NULL);
}

static bool
build_nameless(const FabHost *host, FabBuilder *builder)
{
    add(host, builder, FAB_VERTEX_CPU, NULL);
    return true;
}

static bool
build_not_text(const FabHost *host, FabBuilder *builder)
{
    add(host, builder, FAB_VERTEX_CPU, "CPU \xff");
    return true;
}

static bool
build_strange_kind(const FabHost *host, FabBuilder *builder)
{
    add(host, builder, (FabVertexKind)99, "thing");
    return true;
}

static bool
build_without_size(const FabHost *host, FabBuilder *builder)
{
    host->add_vertex(builder, &(FabVertexSpec){ .kind = FAB_VERTEX_CPU, .name = "CPU 0" });
    return true;
}

static bool
build_without_model(const FabHost *host, FabBuilder *builder)
{
    FabVertexSpec spec = { .size = sizeof spec, .kind = FAB_VERTEX_GPU, .name = "GPU 0" };

    host->add_vertex(builder, &spec);
    return true;
}

static bool
build_own_model(const FabHost *host, FabBuilder *builder)
{
    static const FabGpuModel model = { .size = sizeof(FabGpuModel), .id = "fake" };
    FabVertexSpec spec = { .size = sizeof spec, .kind = FAB_VERTEX_GPU, .name = "GPU 0", .gpu = &model };

    host->add_vertex(builder, &spec);
    return true;
}

static bool
build_bad_limit(const FabHost *host, FabBuilder *builder)
{
    FabVertexSpec spec = { .size = sizeof spec, .kind = FAB_VERTEX_CPU, .name = "CPU 0", .memory_limit = -1 };

    host->add_vertex(builder, &spec);
    return true;
}

static bool
build_undeclared(const FabHost *host, FabBuilder *builder)
{
    return host->number(builder, "colour") > 0;
}

static bool
build_wrong_type(const FabHost *host, FabBuilder *builder)
{
    return host->integer(builder, "rate") > 0;
}

static bool
build_null_names(const FabHost *host, FabBuilder *builder)
{
    host->number(NULL, NULL);
    host->integer(NULL, NULL);
    host->boolean(NULL, NULL);
    host->given(NULL, NULL);
    host->gpu(NULL, NULL);
    host->set_peer_access(NULL, 0, 0, false);
    ck_assert_ptr_nonnull(host->text(NULL, NULL));
    ck_assert_ptr_nonnull(host->text(builder, NULL));
    ck_assert_ptr_null(host->gpu(builder, NULL));
    host->given(builder, NULL);
    return true;
}

static bool
build_peer_of_nobody(const FabHost *host, FabBuilder *builder)
{
    host->set_peer_access(builder, 5, FAB_VERTEX_NONE, false);
    return true;
}

static bool
build_too_many(const FabHost *host, FabBuilder *builder)
{
    char name[16];

    for (int i = 0; i <= 1000000; i++) {
        g_snprintf(name, sizeof name, "%d", i);
        if (add(host, builder, FAB_VERTEX_CPU, name) == FAB_VERTEX_NONE)
            return true;
    }
    return true;
}

typedef struct {
    BuildFunc build;
    const char *message;
} Hostile;

static const Hostile hostile[] = {
    { build_nothing, "plugin sample: the graph is empty, must have at least one GPU" },
    { build_false, "plugin sample could not build this machine and gave no reason" },
    { build_reason, "7 sockets do not exist" },
    { build_null_reason, "plugin sample failed and gave no reason" },
    { build_two_errors, "the first" },
    { build_islands, "the graph is not connected: no links lead from GPU 0 to GPU 1" },
    { build_same_names, "two vertices named GPU 0, must be unique" },
    { build_no_vertex, "adds a vertex without saying what it is" },
    { build_no_link, "adds a link without saying what it is" },
    { build_nameless, "adds vertex 0 without a name" },
    { build_not_text, "a name that is not UTF-8 text" },
    { build_strange_kind, "gives thing the kind 99" },
    { build_without_size, "passes a FabVertexSpec of 0 bytes, must be at least" },
    { build_without_model, "gives GPU 0 no GPU model, must be one that host->gpu() returned" },
    { build_own_model, "gives GPU 0 no GPU model" },
    { build_bad_limit, "CPU 0 has a limit of -1 B/s, must be 0 for none, or between 1e6 and 1e16 B/s" },
    { build_undeclared, "asks for parameter colour, which its table does not declare" },
    { build_wrong_type, "asks for parameter rate as an integer, its table declares a number" },
    { build_null_names, "asks for a parameter without a name" },
    { build_peer_of_nobody, "must be two GPUs" },
    { build_too_many, "adds more than 1000000 vertices" },
};

START_TEST(a_hostile_plugin_gets_a_sentence_and_not_a_crash)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(build_with(hostile[_i].build, &error, NULL));
    assert_message(&error, hostile[_i].message);
}
END_TEST

/* ------------------------------------------------------------------ links */

static FabLinkSpec link_under_test;

static bool
build_link_under_test(const FabHost *host, FabBuilder *builder)
{
    add(host, builder, FAB_VERTEX_GPU, "GPU 0");
    add(host, builder, FAB_VERTEX_GPU, "GPU 1");
    host->add_link(builder, &link_under_test);
    return true;
}

typedef struct {
    FabLinkSpec link;
    const char *message;
} BadLink;

#define SIZE .size = sizeof(FabLinkSpec)
static const BadLink bad_links[] = {
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 0 }, "link GPU 0 - GPU 1 has a bandwidth of 0 B/s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = -1 }, "has a bandwidth of -1 B/s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = NAN }, "has a bandwidth of NaN B/s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = INFINITY }, "has a bandwidth of infinity B/s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e300 }, "must be between 1e6 and 1e16 B/s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e-291 }, "has a bandwidth of 1e-291 B/s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .efficiency = 1e-9 }, "has an efficiency of 1e-9" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .efficiency = 1.01 }, "has an efficiency of 1.01" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .efficiency = -0.5 }, "has an efficiency of -0.5" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .efficiency = NAN }, "has an efficiency of NaN" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .latency = -1e-9 },
      "has a latency of -1e-9 s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .latency = 2 }, "has a latency of 2 s" },
    { { SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9, .reverse = 2 },
      "carries 2 bytes back for each byte" },
    { { SIZE, .b = 1, .medium = (FabMedium)0, .bandwidth = 1e9 }, "by medium 0, must be one of FabMedium" },
    { { SIZE, .b = 0, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9 }, "links GPU 0 to itself" },
    { { SIZE, .b = 2, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9 }, "to vertex 2, which does not exist; there are 2" },
    { { SIZE, .a = FAB_VERTEX_NONE, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9 }, "which does not exist" },
    { { .size = 12, .b = 1, .medium = FAB_MEDIUM_PCIE, .bandwidth = 1e9 }, "passes a FabLinkSpec of 12 bytes" },
};

START_TEST(a_link_that_cannot_be_is_refused)
{
    g_autoptr(GError) error = NULL;

    link_under_test = bad_links[_i].link;
    ck_assert_ptr_null(build_with(build_link_under_test, &error, NULL));
    assert_message(&error, bad_links[_i].message);
}
END_TEST

START_TEST(figures_of_a_link_win_over_the_defaults)
{
    g_autoptr(FabTopology) pair = NULL;

    link_under_test = (FabLinkSpec){ SIZE, .b = 1, .medium = FAB_MEDIUM_PCIE, .generation = 5, .bandwidth = 1e9,
                                     .efficiency = 0.5, .latency = 1e-6, .reverse = -1, .label = "a wire" };
    pair = build_with(build_link_under_test, NULL, NULL);
    ck_assert_double_eq(pair->links[0].efficiency, 0.5);
    ck_assert_double_eq(pair->links[0].reverse, 0);
    ck_assert_int_eq(pair->links[0].latency_ps, 1000000);
    ck_assert_str_eq(pair->links[0].label, "a wire");
    ck_assert_uint_eq(pair->links[0].lanes, 1);
    ck_assert_uint_eq(pair->host_port[0], UINT32_MAX); /* no CPU anywhere */
}
END_TEST

START_TEST(a_newer_plugin_may_pass_a_longer_structure)
{
    g_autoptr(FabTopology) pair = NULL;

    link_under_test = (FabLinkSpec){ .size = sizeof(FabLinkSpec) + 64, .b = 1, .medium = FAB_MEDIUM_NVLINK,
                                     .generation = 4, .bandwidth = 1e9 };
    pair = build_with(build_link_under_test, NULL, NULL);
    ck_assert_ptr_nonnull(pair);
    ck_assert_str_eq(pair->links[0].label, "NVLink 4");
}
END_TEST

START_TEST(defaults_of_a_medium_follow_its_generation)
{
    ck_assert_double_eq(fab_medium_defaults(FAB_MEDIUM_NVLINK, 3)->efficiency, 0.80);
    ck_assert_double_eq(fab_medium_defaults(FAB_MEDIUM_NVLINK, 4)->efficiency, 0.84);
    ck_assert_double_eq(fab_medium_defaults(FAB_MEDIUM_NVLINK, 9)->efficiency, 0.793); /* newer than all rows */
    ck_assert_uint_eq(fab_medium_defaults(FAB_MEDIUM_PCIE, 1)->generation, 3);         /* older than all rows */
    ck_assert_ptr_null(fab_medium_defaults((FabMedium)0, 1));
    for (int medium = FAB_MEDIUM_NVLINK; medium <= FAB_MEDIUM_ETHERNET; medium++) {
        const FabMediumDefaults *row = fab_medium_defaults((FabMedium)medium, 0);
        ck_assert_ptr_nonnull(row);
        ck_assert(row->efficiency > 0 && row->efficiency <= 1 && row->latency_s > 0 && row->source[0] != '\0');
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("builder");

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_box_becomes_vertices_links_and_resources);
    tcase_add_test(tests, resources_hold_effective_rates);
    tcase_add_test(tests, peer_access_is_kept_for_both_orders);
    tcase_add_test(tests, one_gpu_may_have_its_own_model);
    tcase_add_test(tests, one_gpu_alone_is_a_machine);
    tcase_add_loop_test(tests, a_bad_parameter_is_refused_by_name, 0, G_N_ELEMENTS(bad_params));
    tcase_add_test(tests, a_parameter_without_default_must_be_given);
    tcase_add_loop_test(tests, a_hostile_plugin_gets_a_sentence_and_not_a_crash, 0, G_N_ELEMENTS(hostile));
    tcase_add_loop_test(tests, a_link_that_cannot_be_is_refused, 0, G_N_ELEMENTS(bad_links));
    tcase_add_test(tests, figures_of_a_link_win_over_the_defaults);
    tcase_add_test(tests, a_newer_plugin_may_pass_a_longer_structure);
    tcase_add_test(tests, defaults_of_a_medium_follow_its_generation);
    return run_tests(tests);
}
