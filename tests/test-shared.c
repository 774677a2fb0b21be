/* Virtual GPUs of one device: their reads and writes load one memory, one cache, one set of SMs. */
#include <check.h>
#include <string.h>

#include "fixture.h"
#include "predict/run.h"
#include "suite.h"
#include "topology/builder.h"
#include "topology/machine.h"
#include "topology/route.h"

#undef fail /* of check.h: FabHost has a member of that name */

/* ------------------------------------------------------------------ runs */

#define IDEAL                                                                                                          \
    "topology.name=loopback-h200", "topology.slice_time=0 s", "topology.empty_time=0 s", "topology.flag_latency=0 s",  \
        "topology.launch=0 s"

static double
seconds(const FabResult *result)
{
    return (double)test_row(result, 0)->time_ps * 1e-12;
}

static const FabResultUse *
use_of(const FabResult *result, const char *name)
{
    const GArray *uses = test_row(result, 0)->uses;

    for (guint i = 0; i < uses->len; i++)
        if (strcmp(g_array_index(uses, FabResultUse, i).name, name) == 0)
            return &g_array_index(uses, FabResultUse, i);
    return NULL;
}

START_TEST(a_cta_alone_copies_at_half_the_rate_of_its_sm)
{
    g_autoptr(FabResult) result = test_run(IDEAL, "topology.gpus=1", "operation=all_reduce", "channels=1", "sizes=64M",
                                           NULL);

    ck_assert_double_eq_tol(seconds(result), 2 * 67108864.0 / 82e9, 1e-9);
    ck_assert_str_eq(test_row(result, 0)->binding, "channel copy rate");
}
END_TEST

START_TEST(times_of_the_device_come_on_top)
{
    g_autoptr(FabResult) ideal = test_run(IDEAL, "topology.gpus=1", "operation=all_reduce", "channels=1", "chunk=1M",
                                          "slice=1M", "sizes=64M", NULL);
    g_autoptr(FabResult) real = test_run(IDEAL, "topology.gpus=1", "operation=all_reduce", "channels=1", "chunk=1M",
                                         "slice=1M", "sizes=64M", "topology.slice_time=1 us", "topology.launch=5 us",
                                         NULL);
    g_autoptr(FabResult) scenario = test_run(IDEAL, "topology.gpus=1", "operation=all_reduce", "channels=1", "chunk=1M",
                                             "slice=1M", "sizes=64M", "launch=5 us", NULL);

    ck_assert_double_eq_tol(seconds(real) - seconds(ideal), 64 * 1e-6 + 5e-6, 1e-9);
    ck_assert_double_eq_tol(seconds(scenario) - seconds(ideal), 5e-6, 1e-9);
}
END_TEST

START_TEST(a_flag_takes_its_latency_from_rank_to_rank)
{
    const char *sets[] = { IDEAL, "topology.gpus=3", "operation=broadcast", "algorithm=ring", "channels=1",
                           "sizes=4", "topology.flag_latency=0", NULL };
    double time[2];

    for (int i = 0; i < 2; i++) {
        g_autoptr(FabResult) result = NULL;
        sets[10] = i == 0 ? "topology.flag_latency=0 s" : "topology.flag_latency=10 us";
        result = test_run_sets(sets);
        time[i] = seconds(result);
    }
    ck_assert_double_eq_tol(time[1] - time[0], 2 * 10e-6, 1e-12); /* from the root to the last of three */
}
END_TEST

START_TEST(reads_and_writes_of_all_ranks_load_one_memory)
{
    g_autoptr(FabResult) result = test_run(IDEAL, "topology.sm_rate=2000 GB/s", "topology.cache=0 B",
                                           "operation=alltoall", "sizes=256M", NULL);
    const FabResultUse *memory = use_of(result, "memory"), *cache = use_of(result, "memory cache");
    /* Each rank copies 1/8 (2 accesses); 7/8 are read, stored, read and written. */
    double bytes = 8 * 268435456.0 * (2 + 7 * 4) / 8;

    ck_assert_ptr_nonnull(memory);
    ck_assert_double_eq_tol(memory->bytes / bytes, 1, 1e-9);
    ck_assert_double_eq_tol(cache->bytes / bytes, 1, 1e-9);
    ck_assert_double_ge(seconds(result), bytes / 4.008e12);
    ck_assert_double_le(seconds(result), 1.1 * bytes / 4.008e12);
    ck_assert_str_eq(test_row(result, 0)->binding, "memory");
}
END_TEST

START_TEST(what_the_cache_holds_never_reaches_the_memory)
{
    g_autoptr(FabResult) small = test_run(IDEAL, "operation=all_reduce", "algorithm=ring", "sizes=1M", "chunk=64K",
                                          "slice=64K", "slots=2", "channels=4", NULL);
    g_autoptr(FabResult) large = test_run(IDEAL, "operation=all_reduce", "algorithm=ring", "sizes=64M", "chunk=64K",
                                          "slice=64K", "slots=2", "channels=4", NULL);
    double buffers = 8 * 2 * 67108864.0, accesses = 8 * (8 + 8) * 67108864.0 / 8;

    ck_assert_ptr_null(use_of(small, "memory"));
    ck_assert_ptr_nonnull(use_of(small, "memory cache"));
    /* The slots still fit; of the buffers, which every rank reads and writes once, 30 MB do. */
    ck_assert_double_eq_tol(use_of(large, "memory")->bytes / (accesses * (1 - 30e6 / buffers)), 1, 1e-6);
}
END_TEST

START_TEST(more_ctas_than_sms_share_them)
{
    g_autoptr(FabResult) few = test_run(IDEAL, "topology.gpus=1", "topology.sms=2", "operation=all_reduce",
                                        "channels=2", "sizes=64M", NULL);
    g_autoptr(FabResult) many = test_run(IDEAL, "topology.gpus=1", "topology.sms=2", "operation=all_reduce",
                                         "channels=8", "sizes=64M", NULL);

    ck_assert_double_eq_tol(seconds(few), 67108864.0 / 82e9, 1e-9);
    ck_assert_double_eq_tol(seconds(many), seconds(few), 1e-9);
}
END_TEST

START_TEST(flags_among_the_data_are_read_and_written_too)
{
    static const char *const protocols[] = { "protocol=simple", "protocol=ll", "protocol=ll128" };
    static const double weights[] = { 1, 2, 16.0 / 15 };

    for (int i = 0; i < 3; i++) {
        g_autoptr(FabResult) result = test_run(IDEAL, "topology.sm_rate=2000 GB/s", "topology.line_time=0 s",
                                               "operation=alltoall", "sizes=1M", protocols[i], NULL);
        /* Each rank copies 1/8; 7/8 are read, stored into a slot, read there and written. */
        double bytes = 8 * 1048576.0 * (2 + 7 * (2 + 2 * weights[i])) / 8;
        const FabResultUse *cache = use_of(result, "memory cache");

        ck_assert_ptr_nonnull(cache);
        ck_assert_double_eq_tol(cache->bytes / bytes, 1, 1e-9);
    }
}
END_TEST

START_TEST(slices_of_lines_take_their_own_time)
{
    const char *sets[] = { IDEAL, "topology.gpus=2", "operation=broadcast", "algorithm=ring", "channels=1", "sizes=4",
                           "protocol=simple", "topology.line_time=7 us", NULL };
    double time[2];

    for (int i = 0; i < 2; i++) {
        g_autoptr(FabResult) result = NULL;

        sets[10] = i == 0 ? "protocol=simple" : "protocol=ll128";
        result = test_run_sets(sets);
        time[i] = seconds(result);
    }
    ck_assert_double_eq_tol(time[1] - time[0], 2 * 7e-6, 1e-9); /* one slice of the root, one of the other */
}
END_TEST

START_TEST(a_call_takes_rings_simple_and_the_channels_that_the_sms_hold)
{
    static const struct {
        const char *gpus;
        uint32_t channels;
    } cases[] = { { "topology.gpus=2", 32 }, { "topology.gpus=8", 16 }, { "topology.gpus=16", 8 } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(FabResult) result = test_run("topology.name=loopback-h200", cases[i].gpus, "operation=all_reduce",
                                               "sizes=64M", NULL);
        ck_assert_str_eq(test_row(result, 0)->algorithm, "ring");
        ck_assert_uint_eq(test_row(result, 0)->channels, cases[i].channels);
        ck_assert_str_eq(test_row(result, 0)->protocol, "simple");
        ck_assert_ptr_null(test_row(result, 0)->kind); /* no interval of real machines */
        ck_assert_int_eq(test_row(result, 0)->low_ps, 0);
        ck_assert_ptr_nonnull(strstr(result->interval, "virtual GPUs"));
    }
}
END_TEST

START_TEST(a_copy_between_virtual_gpus_reads_and_writes_the_memory)
{
    g_autoptr(FabResult) result = test_run("topology.name=loopback-h200", "topology.gpus=2", "transfer.flows=0>1 1>0",
                                           "sizes=1G", NULL);

    ck_assert_double_ge(seconds(result), 4 * 1073741824.0 / 4.008e12);
    ck_assert_double_le(seconds(result), 4.1 * 1073741824.0 / 4.008e12 + 20e-6);
}
END_TEST

START_TEST(virtual_gpus_are_one_device_to_each_other)
{
    g_autoptr(FabTopology) machine = fab_machine_load("loopback-h200", NULL, NULL);
    g_autoptr(FabRouter) router =
        fab_router_new(machine, &(FabRouteRules) { .peer_level = FAB_PATH_PXB, .nvlink = true });

    ck_assert_uint_ne(machine->shared, FAB_VERTEX_NONE);
    ck_assert_int_eq(fab_router_transport(router, 0, 1), FAB_TRANSPORT_LOCAL);
    ck_assert_int_eq(fab_path_class(machine, machine->gpus[0], machine->gpus[7]), FAB_PATH_SELF);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

static void
check_refused(const char *key, const char *value, const char *part)
{
    g_autoptr(GHashTable) overrides = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) machine = NULL;

    g_hash_table_insert(overrides, (char *)key, (char *)value);
    machine = fab_machine_load("loopback-h200", overrides, &error);
    ck_assert_ptr_null(machine);
    ck_assert_msg(strstr(error->message, part) != NULL, "%s lacks: %s", error->message, part);
}

START_TEST(figures_that_no_device_has_are_refused)
{
    check_refused("gpus", "0", "[topology] gpus is 0, must be between 1 and 1024");
    check_refused("gpu", "h200", "unknown GPU model");
    check_refused("memory_share", "2", "memory_share is 2, must be between 0.01 and 1");
    check_refused("sm_rate", "0 GB/s", "memory has SMs of 0 B/s, must be between 1e6 and 1e16 B/s");
    check_refused("cache_rate", "0 GB/s", "memory has a cache of 0 B/s");
    check_refused("flag_latency", "1 s", "flag_latency");
    check_refused("ranks", "4", "ranks");
}
END_TEST

static int wrong; /* what build_wrong() does */

static bool
build_wrong(const FabHost *host, FabBuilder *builder)
{
    const FabGpuModel *model = host->gpu(builder, "h200-sxm");
    FabMemorySpec spec = { .size = sizeof spec, .bandwidth = 1e12, .cache_bandwidth = 1e12, .processors = wrong != 2,
                           .processor_rate = 1e9, .launch_time = wrong == 3 ? -1 : 0 };
    FabVertex gpus[2], memory;

    for (int i = 0; i < 2; i++)
        gpus[i] = host->add_vertex(builder, &(FabVertexSpec) {
            .size = sizeof(FabVertexSpec), .kind = FAB_VERTEX_GPU, .name = i == 0 ? "GPU 0" : "GPU 1", .gpu = model,
            .memory = wrong == 4 ? &spec : NULL });
    memory = host->add_vertex(builder, &(FabVertexSpec) { .size = sizeof(FabVertexSpec), .kind = FAB_VERTEX_MEMORY,
                                                          .name = "memory", .memory = wrong == 1 ? NULL : &spec });
    host->add_link(builder, &(FabLinkSpec) { .size = sizeof(FabLinkSpec), .a = gpus[0], .b = memory,
                                             .medium = FAB_MEDIUM_INTERNAL, .bandwidth = 1e9 });
    return host->add_link(builder, &(FabLinkSpec) { .size = sizeof(FabLinkSpec), .a = gpus[1],
                                                    .b = wrong == 5 ? gpus[0] : memory, .medium = FAB_MEDIUM_NVLINK,
                                                    .bandwidth = 1e9 });
}

START_TEST(a_plugin_that_shares_a_memory_wrongly_gets_a_sentence)
{
    static const char *const parts[] = { NULL,
                                         "gives memory no memory, must be a FabMemorySpec",
                                         "memory has 0 SMs, must be between 1 and",
                                         "memory has a time that is not between 0 and 1 s",
                                         "gives GPU 0 a memory, must be NULL for this kind of vertex",
                                         "GPU 0 has 2 links, must have one, to memory, which all GPUs share" };
    static const FabParamSpec params[] = { { 0 } };
    FabTopologyPlugin plugin = { FAB_PLUGIN_ABI, sizeof plugin, "sample", "a sample", params, build_wrong };
    g_autoptr(GHashTable) values = g_hash_table_new(g_str_hash, g_str_equal);

    for (wrong = 0; wrong < (int)G_N_ELEMENTS(parts); wrong++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FabTopology) topology = fab_topology_build(&plugin, values, "sample.ini", &error);
        ck_assert_msg((topology != NULL) == (parts[wrong] == NULL), "%d", wrong);
        ck_assert_msg(parts[wrong] == NULL || strstr(error->message, parts[wrong]) != NULL, "%s lacks: %s",
                      error != NULL ? error->message : "", parts[wrong]);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("shared");

    tcase_add_test(tests, a_cta_alone_copies_at_half_the_rate_of_its_sm);
    tcase_add_test(tests, times_of_the_device_come_on_top);
    tcase_add_test(tests, a_flag_takes_its_latency_from_rank_to_rank);
    tcase_add_test(tests, reads_and_writes_of_all_ranks_load_one_memory);
    tcase_add_test(tests, what_the_cache_holds_never_reaches_the_memory);
    tcase_add_test(tests, more_ctas_than_sms_share_them);
    tcase_add_test(tests, flags_among_the_data_are_read_and_written_too);
    tcase_add_test(tests, slices_of_lines_take_their_own_time);
    tcase_add_test(tests, a_call_takes_rings_simple_and_the_channels_that_the_sms_hold);
    tcase_add_test(tests, a_copy_between_virtual_gpus_reads_and_writes_the_memory);
    tcase_add_test(tests, virtual_gpus_are_one_device_to_each_other);
    tcase_add_test(tests, figures_that_no_device_has_are_refused);
    tcase_add_test(tests, a_plugin_that_shares_a_memory_wrongly_gets_a_sentence);
    return run_tests(tests);
}
