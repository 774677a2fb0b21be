/* NCCL's environment variables as keys of a scenario: what they mean, and what they do to the choice. */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "scenario/scenario.h"
#include "predict/run.h"
#include "suite.h"

enum { TREE = 1 << 0, RING = 1 << 1, NVLS = 1 << 4, NVLS_TREE = 1 << 5 };
enum { LL = 1 << 0, LL128 = 1 << 1, SIMPLE = 1 << 2 };

/* `keys` are "key=value" texts separated by blanks, in [collective] of an all_reduce unless they name an operation. */
static FabScenario *
scenario_of(const char *machine, const char *keys, GError **error)
{
    g_auto(GStrv) words = g_strsplit(keys, " ", -1);
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(sets, g_strdup_printf("topology.name=%s", machine));
    g_ptr_array_add(sets, g_strdup("collective.operation=all_reduce"));
    g_ptr_array_add(sets, g_strdup("collective.sizes=1M"));
    for (guint i = 0; words[i] != NULL && words[i][0] != '\0'; i++)
        g_ptr_array_add(sets, g_strconcat("collective.", words[i], NULL));
    g_ptr_array_add(sets, NULL);
    return fab_scenario_from_sets((char *const *)sets->pdata, error);
}

static FabNcclSettings
settings_of(const char *keys)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = scenario_of("dgx-h100", keys, &error);

    ck_assert_msg(scenario != NULL, "%s: %s", keys, error != NULL ? error->message : "no error");
    return scenario->settings;
}

static void
check_refused(const char *machine, const char *keys, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = scenario_of(machine, keys, &error);
    g_autoptr(FabResult) result = scenario != NULL ? fab_run(scenario, NULL, NULL, &error) : NULL;

    ck_assert_msg(result == NULL && error != NULL, "%s is accepted", keys);
    ck_assert_msg(strstr(error->message, part) != NULL, "%s: \"%s\" lacks \"%s\"", keys, error->message, part);
    ck_assert_int_eq(fab_error_exit_status(error), FAB_EXIT_INPUT);
    ck_assert_ptr_null(strchr(error->message, '\n'));
}

/* "ring ll 24" of the only size. */
static void
check_choice(const char *machine, const char *keys, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = scenario_of(machine, keys, &error);
    g_autoptr(FabResult) result = scenario != NULL ? fab_run(scenario, NULL, NULL, &error) : NULL;
    const FabResultRow *row;
    g_autofree char *found = NULL;

    ck_assert_msg(result != NULL, "%s: %s", keys, error != NULL ? error->message : "no error");
    row = result->rows->pdata[0];
    found = g_strdup_printf("%s %s %u", row->algorithm, row->protocol, row->channels);
    ck_assert_msg(strcmp(found, expected) == 0, "%s with %s: %s, expected %s", machine, keys, found, expected);
}

/* ------------------------------------------------------------------ reading */

START_TEST(nothing_given_takes_nothing_away)
{
    FabNcclSettings settings = settings_of("NCCL_ALGO= NCCL_PROTO=");

    ck_assert_uint_eq(settings.without_algorithms, 0);
    ck_assert_uint_eq(settings.without_protocols, 0);
    ck_assert(!settings.any_ll128 && !settings.pat && !settings.no_shm && settings.peer == NULL);
}
END_TEST

typedef struct {
    const char *keys;
    uint32_t algorithms, protocols; /* kept, of those in the enums above and no others */
    bool any_ll128;
} ListCase;

static const ListCase list_cases[] = {
    { "NCCL_ALGO=Ring", RING, LL | LL128 | SIMPLE, false },
    { "NCCL_ALGO=ring,TREE", RING | TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_ALGO=^NVLS,NVLSTree", RING | TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_ALGO=ring;allreduce:tree,collnetdirect;broadcast:ring", TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_ALGO=allgather:ring", RING | TREE | NVLS | NVLS_TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_ALGO=allreduce:^ring", TREE | NVLS | NVLS_TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_PROTO=Simple", RING | TREE | NVLS | NVLS_TREE, SIMPLE, false },
    { "NCCL_PROTO=LL,Simple", RING | TREE | NVLS | NVLS_TREE, LL | SIMPLE, false },
    { "NCCL_PROTO=LL128", RING | TREE | NVLS | NVLS_TREE, LL128, true },
    { "NCCL_PROTO=^LL128;allreduce:LL128", RING | TREE | NVLS | NVLS_TREE, LL128, true },
    { "NCCL_PROTO=LL,Simple;allreduce:^LL", RING | TREE | NVLS | NVLS_TREE, LL128 | SIMPLE, true },
    { "NCCL_PROTO=^LL", RING | TREE | NVLS | NVLS_TREE, LL128 | SIMPLE, true },
    { "NCCL_NVLS_ENABLE=0", RING | TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_NVLS_ENABLE=1", RING | TREE | NVLS | NVLS_TREE, LL | LL128 | SIMPLE, false },
    { "NCCL_ALGO=Tree,NVLS NCCL_NVLS_ENABLE=0", TREE, LL | LL128 | SIMPLE, false },
    /* before 2.24: one list for all, from which only all_reduce suffers */
    { "nccl=2.23 NCCL_ALGO=Tree", TREE, LL | LL128 | SIMPLE, false },
    { "nccl=2.23 operation=broadcast NCCL_ALGO=Tree", TREE | RING, LL | LL128 | SIMPLE, false },
    { "nccl=2.23 NCCL_ALGO=CollNetDirect", TREE | RING, LL | LL128 | SIMPLE, false },
    { "nccl=2.24 operation=broadcast NCCL_ALGO=Tree", TREE, LL | LL128 | SIMPLE, false },
    { "operation=alltoall NCCL_ALGO=ring;allreduce:tree", RING, LL | LL128 | SIMPLE, false },
};

START_TEST(lists_keep_what_nccl_keeps)
{
    const ListCase *row = &list_cases[_i];
    FabNcclSettings settings = settings_of(row->keys);
    uint32_t algorithms = ~settings.without_algorithms & (TREE | RING | NVLS | NVLS_TREE);
    uint32_t protocols = ~settings.without_protocols & (LL | LL128 | SIMPLE);

    ck_assert_msg(algorithms == row->algorithms, "%s: algorithms %x, expected %x", row->keys, algorithms,
                  row->algorithms);
    ck_assert_msg(protocols == row->protocols, "%s: protocols %x, expected %x", row->keys, protocols, row->protocols);
    ck_assert_msg(settings.any_ll128 == row->any_ll128, "%s: any_ll128 %d", row->keys, settings.any_ll128);
}
END_TEST

typedef struct {
    const char *keys, *peer;
    bool no_nvlink;
} LevelCase;

static const LevelCase level_cases[] = {
    { "NCCL_P2P_DISABLE=1", "nvlink", true },
    { "NCCL_P2P_DISABLE=1 NCCL_P2P_LEVEL=SYS", "nvlink", true },
    { "NCCL_P2P_DISABLE=0 NCCL_P2P_LEVEL=SYS", "sys", false },
    { "NCCL_P2P_LEVEL=LOC", "nvlink", true },
    { "NCCL_P2P_LEVEL=NVL", "nvlink", false },
    { "NCCL_P2P_LEVEL=PIX", "pix", false },
    { "NCCL_P2P_LEVEL=PXB", "pxb", false },
    { "NCCL_P2P_LEVEL=PHB", "node", false },
    { "NCCL_P2P_LEVEL=0", "nvlink", true },
    { "NCCL_P2P_LEVEL=3", "node", false },
    { "NCCL_P2P_LEVEL=5", "sys", false },
};

START_TEST(levels_are_those_of_peer)
{
    const LevelCase *row = &level_cases[_i];
    g_autoptr(FabScenario) scenario = scenario_of("dgx-h100", row->keys, NULL);

    ck_assert_ptr_nonnull(scenario);
    ck_assert_str_eq(scenario->peer, row->peer);
    ck_assert(scenario->nvlink == !row->no_nvlink);
}
END_TEST

START_TEST(bounds_and_sizes_are_read)
{
    FabNcclSettings settings = settings_of("NCCL_MIN_NCHANNELS=4 NCCL_MAX_NCHANNELS=8 NCCL_MIN_CTAS=2 NCCL_MAX_CTAS=16 "
                                           "NCCL_NTHREADS=256 NCCL_BUFFSIZE=1M NCCL_SHM_DISABLE=1 NCCL_PAT_ENABLE=1 "
                                           "NCCL_NVLS_CHUNKSIZE=524288 NCCL_NVLSTREE_MAX_CHUNKSIZE=256K");

    ck_assert_uint_eq(settings.min_channels, 4);
    ck_assert_uint_eq(settings.max_channels, 8);
    ck_assert_uint_eq(settings.min_ctas, 2);
    ck_assert_uint_eq(settings.max_ctas, 16);
    ck_assert_uint_eq(settings.threads, 256);
    ck_assert_uint_eq(settings.buffer_bytes, 1 << 20);
    ck_assert_uint_eq(settings.nvls_bytes, 512 << 10);
    ck_assert_uint_eq(settings.nvls_tree_bytes, 256 << 10);
    ck_assert(settings.no_shm && settings.pat);
}
END_TEST

static const struct {
    const char *keys, *part;
} refused[] = {
    { "NCCL_ALGO=Rings", "[collective] NCCL_ALGO: \"Rings\" is not known; did you mean Ring?" },
    { "NCCL_ALGO=fastest", "[collective] NCCL_ALGO: \"fastest\" is not known; accepted: Tree, Ring, CollNetDirect" },
    { "NCCL_PXN_DISABLE=1", "NCCL_PXN_DISABLE: is a key of a cluster's network here: topology.pxn=off" },
    { "NCCL_NET_GDR_LEVEL=PHB", "here: topology.gdr=phb" },
    { "NCCL_ALGO=^", "NCCL_ALGO: \"^\" names nothing" },
    { "NCCL_ALGO=,", "NCCL_ALGO: \",\" names nothing" },
    { "NCCL_ALGO=alreduce:ring", "NCCL_ALGO: \"alreduce\" is no collective of a list; did you mean AllReduce?" },
    { "NCCL_ALGO=ring;tree", "NCCL_ALGO: \"tree\" needs its collective, as in allreduce:tree" },
    { "NCCL_ALGO=allreduce:", "NCCL_ALGO: \"\" names nothing" },
    { "nccl=2.23 NCCL_ALGO=allreduce:ring", "NCCL knows since 2.24, not in 2.23" },
    { "NCCL_PROTO=LL64", "[collective] NCCL_PROTO: \"LL64\" is not known" },
    { "NCCL_MIN_NCHANNELS=0", "[collective] NCCL_MIN_NCHANNELS" },
    { "NCCL_MAX_NCHANNELS=many", "[collective] NCCL_MAX_NCHANNELS" },
    { "NCCL_P2P_LEVEL=NODE", "NCCL_P2P_LEVEL: \"NODE\" is not known; accepted: LOC, NVL" },
    { "NCCL_P2P_DISABLE=yes", "[collective] NCCL_P2P_DISABLE" },
    { "NCCL_NVLS_ENABLE=3", "[collective] NCCL_NVLS_ENABLE" },
    { "NCCL_NTHREADS=100", "NCCL_NTHREADS: 100 threads are no whole warps, must be a multiple of 32" },
    { "NCCL_NTHREADS=1024", "[collective] NCCL_NTHREADS" },
    { "NCCL_BUFFSIZE=1", "NCCL_BUFFSIZE: \"1\" is no size of a buffer, must be from 32 KiB" },
    { "NCCL_BUFFSIZE=much", "[collective] NCCL_BUFFSIZE" },
    { "NCCL_NVLS_CHUNKSIZE=100", "NCCL_NVLS_CHUNKSIZE: \"100\" is no size of a buffer, must be from 1 KiB to 16 MiB" },
    { "NCCL_NVLSTREE_MAX_CHUNKSIZE=1G", "[collective] NCCL_NVLSTREE_MAX_CHUNKSIZE" },
    { "NCCL_NVLS_CHUNKSIZE=64K chunk=64K", "NCCL_NVLS_CHUNKSIZE: 64K is given beside chunk=64K" },
    { "NCCL_ALGOS=Ring", "did you mean NCCL_ALGO?" },
    { "NCCL_ALGO=Ring algorithm=ring", "NCCL_ALGO: Ring is given beside algorithm=ring" },
    { "NCCL_PROTO=LL protocol=ll", "NCCL_PROTO: LL is given beside protocol=ll" },
    { "NCCL_MAX_CTAS=4 channels=8", "NCCL_MAX_CTAS: 4 is given beside channels=8" },
    { "NCCL_P2P_LEVEL=SYS peer=pix", "NCCL_P2P_LEVEL: SYS is given beside peer=pix" },
    { "NCCL_P2P_DISABLE=1 nvlink=off", "NCCL_P2P_DISABLE: 1 is given beside nvlink=off" },
    { "algorithm=nvls-tree", "algorithm nvls-tree joins several nodes by a network, here all ranks are on one node" },
    { "algorithm=collnet-chain", "algorithm collnet-chain joins several nodes" },
    { "algorithm=collnet-direct", "algorithm collnet-direct joins several nodes" },
    { "algorithm=pat operation=all_gather", "NCCL runs PAT inside a node with NCCL_PAT_ENABLE=1 only" },
    { "NCCL_PAT_ENABLE=1 algorithm=pat protocol=ll operation=all_gather", "pat runs with protocol simple only" },
    { "NCCL_PAT_ENABLE=1 NCCL_ALGO=PAT", "leave nothing" }, /* not for all_reduce */
    /* what NCCL itself ends with: no algorithm or protocol available */
    { "NCCL_ALGO=NVLSTree", "has for all_reduce here: chain ll" },
    { "NCCL_ALGO=CollNetChain,PAT", "leave nothing of what NCCL 2.30" },
    { "NCCL_ALGO=NVLS NCCL_PROTO=LL", "nvls simple" },
    { "NCCL_ALGO=Tree operation=broadcast", "has for broadcast here: ring ll, ring ll128, ring simple" },
    { "NCCL_NVLS_ENABLE=0 algorithm=nvls", "leave nothing" },
    { "NCCL_NVLS_ENABLE=0 NCCL_ALGO=NVLS", "leave nothing" },
};

START_TEST(what_nccl_would_ignore_or_end_with_is_refused)
{
    check_refused("dgx-h100", refused[_i].keys, refused[_i].part);
}
END_TEST

/* ------------------------------------------------------------------ what they do */

static const struct {
    const char *machine, *keys, *expected;
} choices[] = {
    { "dgx-h100", "sizes=1G", "nvls simple 16" },
    { "dgx-h100", "sizes=1G NCCL_NVLS_ENABLE=0", "ring simple 24" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=^NVLS", "ring simple 24" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Tree", "chain simple 24" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=allreduce:tree NCCL_PROTO=LL128", "chain ll128 24" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Ring NCCL_PROTO=LL", "ring ll 24" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Ring NCCL_MAX_NCHANNELS=5", "ring simple 5" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Ring NCCL_MIN_NCHANNELS=30", "ring simple 30" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Ring NCCL_MAX_NCHANNELS=2 NCCL_MIN_NCHANNELS=8", "ring simple 8" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Ring NCCL_MIN_NCHANNELS=200", "ring simple 64" },
    { "dgx-h100", "sizes=1G NCCL_ALGO=Ring NCCL_MIN_NCHANNELS=200 nccl=2.24", "ring simple 32" },
    { "dgx-h100", "sizes=64 NCCL_ALGO=Ring NCCL_MIN_NCHANNELS=30", "ring ll 1" }, /* a call is reduced all the same */
    { "dgx-h100", "sizes=1G NCCL_MAX_NCHANNELS=4", "nvls simple 16" }, /* NVLS has bounds of its own */
    { "dgx-h100", "sizes=1G NCCL_MAX_CTAS=4", "nvls simple 4" },
    { "dgx-h100", "sizes=1G NCCL_MIN_CTAS=20", "nvls simple 20" },
    { "dgx-h100", "sizes=1G operation=all_gather NCCL_PAT_ENABLE=1 NCCL_ALGO=^Ring,NVLS", "pat simple 24" },
    { "dgx-h100", "sizes=1G operation=reduce_scatter NCCL_PAT_ENABLE=1 NCCL_ALGO=PAT", "pat simple 24" },
    { "ws2-x16", "sizes=1M NCCL_PROTO=LL128", "ring ll128 2" }, /* at the user's own risk, as in NCCL */
    { "ws2-bridge-3090", "sizes=256M NCCL_P2P_DISABLE=1", "ring simple 2" },
};

START_TEST(settings_act_as_they_do_in_nccl)
{
    check_choice(choices[_i].machine, choices[_i].keys, choices[_i].expected);
}
END_TEST

static double
time_of(const char *machine, const char *keys)
{
    g_autoptr(FabScenario) scenario = scenario_of(machine, keys, NULL);
    g_autoptr(FabResult) result = scenario != NULL ? fab_run(scenario, NULL, NULL, NULL) : NULL;

    ck_assert_msg(result != NULL, "%s cannot run", keys);
    return (double)((const FabResultRow *)result->rows->pdata[0])->time_ps;
}

/* ------------------------------------------------------------------ NCCL_GRAPH_FILE */

#define GRAPH "NCCL_GRAPH_FILE=%s"

/* A file of `text` in a folder of its own; the caller frees the name. */
static char *
graph_file(const char *text)
{
    g_autofree char *folder = g_dir_make_tmp("fabricast-graph-XXXXXX", NULL);
    char *path = g_build_filename(folder, "graph.xml", NULL);

    ck_assert(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void
graph_file_remove(char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);

    g_remove(path);
    g_rmdir(folder);
    g_free(path);
}

/* A ring graph of one channel, whose GPUs are `devices`, such as "0 2 1". */
static char *
ring_graph(const char *devices, const char *more)
{
    g_auto(GStrv) list = g_strsplit(devices, " ", -1);
    g_autoptr(GString) text = g_string_new("<graphs version=\"1\"><graph id=\"0\" pattern=\"4\" nchannels=\"1\" "
                                           "speedintra=\"20\" speedinter=\"20\"><channel>");

    for (guint i = 0; list[i] != NULL; i++)
        g_string_append_printf(text, "<gpu dev=\"%s\"/>", list[i]);
    g_string_append_printf(text, "</channel></graph>%s</graphs>", more);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

START_TEST(a_graph_file_gives_channels)
{
    g_autofree char *data = g_build_filename(g_getenv("FAB_TEST_DATA"), "nccl-xml", "graph-ring-2gpu.xml", NULL);
    g_autofree char *keys = g_strdup_printf("sizes=256M " GRAPH, data);

    check_choice("ws2-x16", "sizes=256M", "ring simple 2");
    check_choice("ws2-x16", keys, "ring simple 4"); /* two, doubled */
}
END_TEST

/* GPU 0 of a DGX-1 has no NVLink to GPU 5: NCCL would not have found this ring, but would run it. */
START_TEST(a_graph_file_gives_the_order_of_rings)
{
    static const char *const devices[] = { "0 1 2 3 7 6 5 4", "0 5 1 4 2 7 3 6", "0x0 0x1 0x2 0x3 0x7 0x6 0x5 0x4" };
    double times[G_N_ELEMENTS(devices)];

    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *text = ring_graph(devices[i], "");
        char *path = graph_file(text);
        g_autofree char *keys = g_strdup_printf("sizes=64M NCCL_ALGO=Ring " GRAPH, path);
        times[i] = time_of("dgx-1v", keys);
        graph_file_remove(path);
    }
    ck_assert_double_gt(times[1], 1.5 * times[0]);
    ck_assert(times[2] == times[0]);
}
END_TEST

START_TEST(a_graph_file_without_heads_has_no_nvls)
{
    g_autofree char *text = ring_graph("0 1 2 3 4 5 6 7", "<graph id=\"3\" nchannels=\"0\"/>");
    char *path = graph_file(text);
    g_autofree char *keys = g_strdup_printf("sizes=1G " GRAPH, path);

    check_choice("dgx-h100", keys, "ring simple 2");
    graph_file_remove(path);
}
END_TEST

START_TEST(a_graph_file_that_does_not_fit_is_refused)
{
    static const struct {
        const char *devices, *more, *part;
    } cases[] = {
        { "0 1 2", "", "its rings pass 3 GPUs, there are 2 ranks" },
        { "0 7", "", "channel 0 passes GPU 7, which is not among the GPUs of the ranks" },
        { "0 0", "", "line 1: a channel passes each GPU once" },
        { "0 x", "", "line 1: <gpu> needs dev" },
        { "0 1", "<graph id=\"1\" nchannels=\"-3\"/>", "line 1: nchannels must be from 0 to 64" },
        { "0 1", "<graph id=\"3\" nchannels=\"2\" speedintra=\"fast\"/>", "speedintra must be GB/s above 0" },
        { "0 1", "<graph id=\"0\" nchannels=\"1\"/>", "a second ring graph" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = ring_graph(cases[i].devices, cases[i].more);
        char *path = graph_file(text);
        g_autofree char *keys = g_strdup_printf(GRAPH, path);
        check_refused("ws2-x16", keys, cases[i].part);
        graph_file_remove(path);
    }
    check_refused("ws2-x16", "NCCL_GRAPH_FILE=/nowhere/graph.xml", "/nowhere/graph.xml: no such file");
}
END_TEST

START_TEST(staging_is_slower_than_a_bridge_and_shared_memory_can_be_missing)
{
    ck_assert_double_gt(time_of("ws2-bridge-3090", "sizes=64M NCCL_P2P_DISABLE=1"),
                        1.5 * time_of("ws2-bridge-3090", "sizes=64M"));
    ck_assert_double_gt(time_of("ws2-bridge-3090", "sizes=64M NCCL_SHM_DISABLE=1"), 0); /* not needed there */
    check_refused("ws2-bridge-3090", "NCCL_P2P_DISABLE=1 NCCL_SHM_DISABLE=1", "NCCL_SHM_DISABLE: some of the GPUs");
}
END_TEST

START_TEST(small_buffers_and_few_threads_cost_time)
{
    ck_assert_double_gt(time_of("dgx-a100", "sizes=64M NCCL_ALGO=Ring NCCL_PROTO=Simple NCCL_BUFFSIZE=64K"),
                        1.2 * time_of("dgx-a100", "sizes=64M NCCL_ALGO=Ring NCCL_PROTO=Simple"));
    ck_assert_double_gt(time_of("dgx-a100", "sizes=4M NCCL_ALGO=Ring NCCL_PROTO=LL NCCL_NTHREADS=64"),
                        1.2 * time_of("dgx-a100", "sizes=4M NCCL_ALGO=Ring NCCL_PROTO=LL"));
}
END_TEST

/* 64 loops of 24 channels and 8 ranks: 1.5 GiB in chunks of 128 KiB, 6 GiB in chunks of 512 KiB. */
START_TEST(a_longer_chunk_of_nvls_keeps_short_ones_up_to_larger_calls)
{
    const char *longer[] = { "sizes=1G NCCL_NVLS_CHUNKSIZE=512K", "sizes=4G NCCL_NVLS_CHUNKSIZE=512K" };

    ck_assert_double_eq(time_of("dgx-b200", longer[0]), time_of("dgx-b200", "sizes=1G"));
    ck_assert_double_gt(time_of("dgx-b200", longer[1]), 1.02 * time_of("dgx-b200", "sizes=4G"));
    ck_assert_double_eq(time_of("dgx-b200", longer[1]), time_of("dgx-b200", "sizes=4G NCCL_NVLS_CHUNKSIZE=64K"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("nccl-settings");

    tcase_add_test(tests, nothing_given_takes_nothing_away);
    tcase_add_loop_test(tests, lists_keep_what_nccl_keeps, 0, G_N_ELEMENTS(list_cases));
    tcase_add_loop_test(tests, levels_are_those_of_peer, 0, G_N_ELEMENTS(level_cases));
    tcase_add_test(tests, bounds_and_sizes_are_read);
    tcase_add_loop_test(tests, what_nccl_would_ignore_or_end_with_is_refused, 0, G_N_ELEMENTS(refused));
    tcase_add_loop_test(tests, settings_act_as_they_do_in_nccl, 0, G_N_ELEMENTS(choices));
    tcase_add_test(tests, a_graph_file_gives_channels);
    tcase_add_test(tests, a_graph_file_gives_the_order_of_rings);
    tcase_add_test(tests, a_graph_file_without_heads_has_no_nvls);
    tcase_add_test(tests, a_graph_file_that_does_not_fit_is_refused);
    tcase_add_test(tests, staging_is_slower_than_a_bridge_and_shared_memory_can_be_missing);
    tcase_add_test(tests, small_buffers_and_few_threads_cost_time);
    tcase_add_test(tests, a_longer_chunk_of_nvls_keeps_short_ones_up_to_larger_calls);
    return run_tests(tests);
}
