/* NCCL's topology and graph XML, good and hostile. */
#include <check.h>
#include <stdlib.h>

#include "fixture.h"
#include "measure/import-nccl-xml.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

/* The machine file, or NULL with an error. */
static char *
import_file(const char *path, const char *gpu, bool graph, GError **error)
{
    const FabImportOptions options = { .remark = test_remark };
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    bool good;

    test_remarks_clear();
    good = graph ? fab_import_nccl_graph(path, &options, out, error)
                 : fab_import_nccl_topology(path, gpu, &options, out, error);
    fclose(out);
    if (good)
        return text;
    ck_assert_uint_eq(length, 0);
    free(text);
    return NULL;
}

static char *
import_text(const char *xml, const char *gpu, bool graph, GError **error)
{
    g_autofree char *path = test_write("a.xml", xml);

    return import_file(path, gpu, graph, error);
}

static char *
sample_path(const char *name)
{
    return g_build_filename(g_getenv("FAB_TEST_DATA"), "nccl-xml", name, NULL);
}

static void
assert_refused(const char *xml, bool graph, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = import_text(xml, NULL, graph, &error);

    ck_assert_ptr_null(text);
    test_says(error->message, part);
}

/* Imports, builds the machine with its plugin, and hands over the text. */
static FabTopology *
build_machine(const char *xml, const char *gpu, char **text)
{
    g_autofree char *file = NULL;
    GError *error = NULL;
    FabTopology *machine;

    *text = import_text(xml, gpu, false, &error);
    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
    file = test_write("a.ini", *text);
    machine = fab_machine_load(file, NULL, &error);
    ck_assert_msg(machine != NULL, "%s\n%s", error != NULL ? error->message : "", *text);
    return machine;
}

/* ------------------------------------------------------------------ machines */

#define CPU(numa, devices)                                                                                             \
    "<cpu numaid=\"" numa "\" arch=\"x86_64\" vendor=\"AuthenticAMD\" familyid=\"175\" modelid=\"1\">" devices "</cpu>"
#define GPU(dev, bus, device, links)                                                                                   \
    "<pci busid=\"" bus "\" class=\"0x030200\" vendor=\"0x10de\" device=\"" device "\" link_speed=\"16.0 GT/s PCIe\" " \
    "link_width=\"16\"><gpu dev=\"" dev "\" sm=\"80\" rank=\"" dev "\" gdr=\"1\">" links "</gpu></pci>"
#define NVLINK(target, count, class) "<nvlink target=\"" target "\" count=\"" count "\" tclass=\"" class "\"/>"
#define NIC(bus, name, speed)                                                                                          \
    "<pci busid=\"" bus "\" class=\"0x020700\" link_speed=\"16.0 GT/s PCIe\" link_width=\"8\"><nic><net name=\"" name  \
    "\" dev=\"0\" speed=\"" speed "\"/></nic></pci>"
#define SWITCH(bus)                                                                                                    \
    "<pci busid=\"" bus "\" class=\"0x060400\" link_speed=\"32.0 GT/s PCIe\" link_width=\"16\">"
#define SYSTEM(cpus) "<system version=\"1\">" cpus "</system>"

START_TEST(bridged_pairs_keep_their_links_and_numa_nodes)
{
    g_autofree char *text = NULL;
    g_autoptr(FabTopology) machine = build_machine(
        SYSTEM(CPU("0", GPU("0", "0000:01:00.0", "0x20b5", NVLINK("0000:03:00.0", "12", "0x030200")))
               CPU("1", GPU("1", "0000:02:00.0", "0x20b5", NVLINK("0000:04:00.0", "12", "0x030200")))
               CPU("2", GPU("2", "0000:03:00.0", "0x20b5", NVLINK("0000:01:00.0", "12", "0x030200")))
               CPU("3", GPU("3", "0000:04:00.0", "0x20b5", NVLINK("0000:02:00.0", "12", "0x030200")))),
        NULL, &text);

    test_says(text, "plugin=nvlink-bridge\n");
    test_says(text, "nvlink_pairs=0-2:12 1-3:12\n");
    test_says(text, "tree=numa0 { gpu0@4x16 } numa1 { gpu1@4x16 } numa2 { gpu2@4x16 } numa3 { gpu3@4x16 }\n");
    test_says(text, "sockets=2\nnuma_per_socket=2\n");
    ck_assert_uint_eq(fab_path_nvlinks(machine, machine->gpus[0], machine->gpus[2]), 12);
    ck_assert_uint_eq(fab_path_nvlinks(machine, machine->gpus[0], machine->gpus[1]), 0);
    ck_assert_str_eq(test_remarks->str, "");
}
END_TEST

START_TEST(a_mesh_keeps_the_links_of_each_pair)
{
    g_autofree char *text = NULL;
    g_autoptr(FabTopology) machine = build_machine(
        SYSTEM(CPU("0", GPU("0", "0000:06:00.0", "0x1db5",
                            NVLINK("0000:07:00.0", "1", "0x030200") NVLINK("0000:0a:00.0", "2", "0x030200"))
                        GPU("1", "0000:07:00.0", "0x1db5", NVLINK("0000:06:00.0", "1", "0x030200"))
                        GPU("2", "0000:0A:00.0", "0x1db5", NVLINK("0000:06:00.0", "2", "0x030200")))),
        NULL, &text);

    test_says(text, "plugin=nvlink-mesh\n");
    test_says(text, "links=0-1:1 0-2:2\n");
    ck_assert_uint_eq(fab_path_nvlinks(machine, machine->gpus[0], machine->gpus[2]), 2);
}
END_TEST

START_TEST(nvswitches_switches_and_nics_are_described)
{
#define TO_SWITCHES                                                                                                    \
    NVLINK("0000:c4:00.0", "5", "0x068000") NVLINK("0000:c5:00.0", "4", "0x068000")                                    \
    NVLINK("0000:c6:00.0", "4", "0x068000") NVLINK("0000:c7:00.0", "5", "0x068000")
    g_autofree char *text = NULL;
    g_autoptr(FabTopology) machine = build_machine(
        SYSTEM(CPU("1", SWITCH("0000:05:00.0")
                        GPU("1", "0000:07:00.0", "0x2330", TO_SWITCHES)
                        NIC("0000:0c:00.0", "mlx5_1", "400000") "</pci>")
               CPU("0", "<nic><net name=\"eth0\" dev=\"3\" speed=\"10000\"/></nic>"
                        SWITCH("0000:15:00.0")
                        GPU("0", "0000:17:00.0", "0x2330", TO_SWITCHES) NIC("0000:1c:00.0", "mlx5_0", "400000")
                        "<pci busid=\"0000:1d:00.0\" class=\"0x060400\"/></pci>")),
        NULL, &text);

    test_says(text, "plugin=nvswitch\n");
    test_says(text, "gpu=h100-sxm\ngpus=2\n");
    test_says(text, "chips=4\nlinks_per_chip=5;4;4;5\n");
    test_says(text, "nic_gbps=400\n");
    test_says(text, "tree=numa0 { sw@5x16 { gpu0@4x16 nic0@4x8 } } numa1 { sw@5x16 { gpu1@4x16 nic1@4x8 } }\n");
    test_says(text, "read_nic1=0000:0c:00.0; mlx5_1\n");
    test_says(text, "left_out=1 NICs that have no place on PCIe\n");
    ck_assert_uint_eq(machine->gpu_count, 2);
    ck_assert_uint_eq(fab_path_nvlinks(machine, machine->gpus[0], machine->gpus[1]), 18);
}
END_TEST

START_TEST(a_hidden_nvswitch_is_taken_from_the_boards_that_are_sold)
{
    g_autofree char *text = NULL;
    g_autoptr(FabTopology) machine = build_machine(
        SYSTEM(CPU("-1", GPU("0", "0000:01:00.0", "0x2330", NVLINK("fffffff:ffff:ff", "18", "0x068000"))
                         GPU("1", "0000:02:00.0", "0x2330", NVLINK("fffffff:ffff:ff", "18", "0x068000")))),
        NULL, &text);

    test_says(text, "plugin=nvswitch\n");
    test_says(text, "chips=4\nlinks_per_chip=5;4;4;5\n");
    ck_assert_uint_eq(machine->gpu_count, 2);
}
END_TEST

START_TEST(superchips_hang_on_their_cpus)
{
    g_autofree char *text = NULL;
    g_autoptr(FabTopology) machine = build_machine(
        SYSTEM(CPU("0", GPU("0", "0008:01:00.0", "0x2941", "<c2c bw=\"44712\" count=\"1\"/>"
                                                           NVLINK("fffffff:ffff:ff", "18", "0x068000")))
               CPU("1", GPU("1", "0018:01:00.0", "0x2941", "<c2c bw=\"44712\" count=\"1\"/>"
                                                           NVLINK("fffffff:ffff:ff", "18", "0x068000"))
                        NIC("0010:03:00.0", "mlx5_1", "400000"))),
        NULL, &text);

    test_says(text, "attach=c2c\ncpu_vendor=nvidia\n");
    test_says(text, "gpu_numa=0:0 1:1\nnics_per_node=1\nnic_attach=numa\nnic_numa=1\n");
    ck_assert_uint_eq(machine->gpu_count, 2);
}
END_TEST

START_TEST(files_of_virtual_machines_need_the_gpu)
{
    g_autofree char *path = sample_path("nccl-topo-vm-azure-style-virtual-bridge.xml"), *xml = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) machine = NULL;
    g_autofree char *none = import_file(path, NULL, false, &error);

    ck_assert_ptr_null(none);
    test_says(error->message, "give it with --gpu");
    ck_assert(g_file_get_contents(path, &xml, NULL, NULL));
    machine = build_machine(xml, "h100-sxm", &text);
    test_says(text, "tree=numa0 { sw@5x16 { gpu0@5x16 nic0@5x16 } }\n");
    test_says(test_remarks->str, "not every GPU has a number");
}
END_TEST

START_TEST(fragments_that_were_published_build)
{
    static const struct {
        const char *file, *part;
    } samples[] = { { "nccl-topo-dgx-a100-fragment.xml", "chips=6\nlinks_per_chip=2\n" },
                    { "nccl-topo-dgx1-v100-direct-nvlink-fragment.xml", "gpu=v100-sxm2\n" } };
    g_autofree char *path = sample_path(samples[_i].file), *xml = NULL, *text = NULL;
    g_autoptr(FabTopology) machine = NULL;

    ck_assert(g_file_get_contents(path, &xml, NULL, NULL));
    machine = build_machine(xml, NULL, &text);
    test_says(text, samples[_i].part);
    ck_assert_uint_eq(machine->gpu_count, 1);
    if (_i == 1)
        test_says(test_remarks->str, "GPU 0 has 2 NVLinks to 0000:85:00.0, which is not in the file; left out");
}
END_TEST

/* ------------------------------------------------------------------ bad input */

START_TEST(malformed_xml_is_refused_with_line_and_column)
{
    g_autofree char *truncated = sample_path("nccl-topo-bad-truncated.xml");
    g_autofree char *unquoted = sample_path("nccl-topo-bad-unquoted.xml");
    g_autoptr(GError) first = NULL, second = NULL;

    ck_assert_ptr_null(import_file(truncated, NULL, false, &first));
    test_says(first->message, "line 3 column 44: no well-formed XML");
    ck_assert_ptr_null(import_file(unquoted, NULL, false, &second));
    test_says(second->message, "line 1 column 17: no well-formed XML");
}
END_TEST

START_TEST(files_that_are_no_topology_are_refused)
{
    assert_refused("", false, "is empty");
    assert_refused("GPU0 GPU1 CPU Affinity\n", false, "is no XML; it looks like nvidia-smi topo -m");
    assert_refused("<topology version=\"2.0\"/>", false, "the first element is <topology>, must be <system>");
    assert_refused("<graphs version=\"1\"/>", false, "use fabricast import nccl-graph");
    assert_refused("<system version=\"2\"/>", false, "version of <system> is 2, must be 1");
    assert_refused("<system version=\"1\"/>", false, "holds no <cpu>");
    assert_refused(SYSTEM(CPU("0", "")), false, "holds no GPU");
    assert_refused("<!DOCTYPE a [<!ENTITY b \"c\">]><system version=\"1\">&b;</system>", false, "has a document type");
}
END_TEST

START_TEST(figures_that_cannot_be_are_refused)
{
    assert_refused(SYSTEM(CPU("0", GPU("0", "0000:01:00.0", "0x20b5", NVLINK("0000:02:00.0", "0", "0x030200")))), false,
                   "<nvlink> needs a count from 1 to 64");
    assert_refused(SYSTEM(CPU("0", GPU("0", "0000:01:00.0", "0x20b5", NVLINK("0000:02:00.0", "2", "0x030200"))
                                   GPU("1", "0000:02:00.0", "0x20b5", NVLINK("0000:01:00.0", "4", "0x030200")))), false,
                   "GPU 0 has 2 NVLinks to GPU 1, but GPU 1 has 4 to GPU 0");
    assert_refused(SYSTEM(CPU("0", GPU("0", "0000:01:00.0", "0x20b5", NVLINK("0000:c4:00.0", "18", "0x068000")))),
                   false, "GPU 0 has 18 NVLinks, a100-pcie-80 has at most 12");
    assert_refused(SYSTEM(CPU("0", "") CPU("0", "")), false, "NUMA node 0 appears twice");
    assert_refused(SYSTEM(CPU("999", "")), false, "numaid is 999, at most 127");
    assert_refused(SYSTEM(CPU("0", GPU("0", "0000:01:00.0", "0x0001", ""))), false, "give it with --gpu");
    assert_refused(SYSTEM("<cpu host_hash=\"0x1\" numaid=\"0\"/><cpu host_hash=\"0x2\" numaid=\"0\"/>"), false,
                   "a second host");
}
END_TEST

START_TEST(deep_and_huge_files_are_refused)
{
    GString *deep = g_string_new("<system version=\"1\"><cpu numaid=\"0\">");
    g_autofree char *huge = NULL;

    for (int i = 0; i < 5000; i++)
        g_string_append(deep, "<pci class=\"0x060400\">");
    assert_refused(deep->str, false, "no well-formed XML");
    g_string_free(deep, TRUE);
    huge = g_strnfill((16 << 20) + 1, ' ');
    assert_refused(huge, false, "is larger than");
}
END_TEST

/* In UTF-16 the marks of a document type are not those that a search for bytes finds. */
START_TEST(a_document_type_is_refused_in_every_encoding)
{
    static const char xml[] = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><!DOCTYPE a [<!ENTITY x SYSTEM "
                              "\"file:///etc/passwd\">]><system version=\"1\">&x;</system>";
    g_autofree char *path = test_path("a.xml"), *bytes = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    bytes = g_convert(xml, -1, "UTF-16", "UTF-8", NULL, &length, NULL);
    ck_assert_ptr_nonnull(bytes);
    ck_assert(g_file_set_contents(path, bytes, (gssize)length, NULL));
    ck_assert_ptr_null(import_file(path, NULL, false, &error));
    test_says(error->message, "has a document type, which no file of NCCL has");
}
END_TEST

/* ------------------------------------------------------------------ graphs */

#define GRAPH(count)                                                                                                   \
    "<graphs version=\"1\"><graph id=\"0\" pattern=\"4\" nchannels=\"" count "\" speedintra=\"12\" speedinter=\"6\" "  \
    "typeintra=\"SYS\" typeinter=\"PIX\"><channel><net dev=\"0\"/><gpu dev=\"0\"/><gpu dev=\"2\"/><net dev=\"0\"/>"    \
    "</channel><channel><gpu dev=\"2\"/><gpu dev=\"0\"/></channel></graph></graphs>"

START_TEST(a_graph_gives_channels_rates_and_rings)
{
    g_autofree char *text = import_text(GRAPH("2"), NULL, true, NULL), *odd = NULL;

    test_says(text, "# ring: 2 channels; 12 GB/s each inside a node (SYS), 6 between nodes (PIX)\n"
                      "# channel 0: net 0 gpus 0 2 net 0\n# channel 1: gpus 2 0\n");
    test_says(text, "[collective]\nalgorithm=ring\nchannels=4\n");
    odd = import_text(GRAPH("3"), NULL, true, NULL);
    test_says(test_remarks->str, "the graph says 3 channels and holds 2");
}
END_TEST

START_TEST(bad_graphs_are_refused)
{
    assert_refused("<system version=\"1\"/>", true, "use fabricast import nccl-topology");
    assert_refused("<graphs version=\"1\"/>", true, "holds no <graph>");
    assert_refused(GRAPH("99999"), true, "nchannels must be from 0 to 1024");
    assert_refused("<graphs version=\"1\"><graph nchannels=\"1\"><channel><gpu/></channel></graph></graphs>", true,
                   "<gpu> needs dev");
    assert_refused("<graphs version=\"1\"><graph nchannels=\"1\"><channel><gpu dev=\"-1\"/></channel></graph></graphs>",
                   true, "line 1: <gpu> needs dev");
    assert_refused("<graphs version=\"1\"><graph nchannels=\"1\" speedintra=\"nan\"/></graphs>", true,
                   "line 1: speedintra is \"nan\", must be GB/s");
    assert_refused("<graphs version=\"9\"><graph nchannels=\"1\"/></graphs>", true, "version of <graphs> must be 1");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("import-nccl-xml");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, bridged_pairs_keep_their_links_and_numa_nodes);
    tcase_add_test(tests, a_mesh_keeps_the_links_of_each_pair);
    tcase_add_test(tests, nvswitches_switches_and_nics_are_described);
    tcase_add_test(tests, a_hidden_nvswitch_is_taken_from_the_boards_that_are_sold);
    tcase_add_test(tests, superchips_hang_on_their_cpus);
    tcase_add_test(tests, files_of_virtual_machines_need_the_gpu);
    tcase_add_loop_test(tests, fragments_that_were_published_build, 0, 2);
    tcase_add_test(tests, malformed_xml_is_refused_with_line_and_column);
    tcase_add_test(tests, files_that_are_no_topology_are_refused);
    tcase_add_test(tests, figures_that_cannot_be_are_refused);
    tcase_add_test(tests, deep_and_huge_files_are_refused);
    tcase_add_test(tests, a_graph_gives_channels_rates_and_rings);
    tcase_add_test(tests, a_document_type_is_refused_in_every_encoding);
    tcase_add_test(tests, bad_graphs_are_refused);
    return run_tests(tests);
}
