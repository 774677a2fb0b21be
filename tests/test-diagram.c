/* Diagrams: what is drawn and said, never where. Facts are read from the DOT output. */
#include <check.h>
#include <string.h>

#include <glib/gstdio.h>

#include "base/error.h"
#include "fabric.h"
#include "fixture.h"
#include "report/report.h"
#include "suite.h"
#include "topology/machine.h"

static FabTopology *
machine(const char *name)
{
    g_autoptr(GError) error = NULL;
    FabTopology *topology = fab_machine_load(name, NULL, &error);

    ck_assert_msg(topology != NULL, "%s", error != NULL ? error->message : "");
    return topology;
}

/* The file that a drawing leaves, with DOT's broken lines joined; `left` is what faults leave of links. */
static char *
drawn_with(const FabTopology *topology, const FabDiagramLoad *load, const double *left, const char *file, bool expand)
{
    g_autofree char *path = test_path(file);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;

    ck_assert_msg(fab_report_diagram(topology, load, left, path, expand, &error), "%s",
                  error != NULL ? error->message : "");
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    parts = g_strsplit(text, "\\\n", -1);
    return g_strjoinv("", parts);
}

static char *
drawn(const FabTopology *topology, const FabDiagramLoad *load, const char *file, bool expand)
{
    return drawn_with(topology, load, NULL, file, expand);
}

static uint32_t
count(const char *text, const char *what)
{
    uint32_t found = 0;

    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        found++;
    return found;
}

static void
assert_says(const char *text, const char *what)
{
    ck_assert_msg(strstr(text, what) != NULL, "the diagram does not say: %s", what);
}

static char *
written(const char *name, const char *text)
{
    char *path = test_path(name);

    ck_assert(g_file_set_contents(path, text, -1, NULL));
    return path;
}

/* ------------------------------------------------------------------ what is drawn */

START_TEST(an_nvswitch_server_shows_every_kind_of_device_and_link)
{
    g_autoptr(FabTopology) topology = machine("dgx-h100");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);

    ck_assert_uint_eq(count(dot, ": NVLink 4 x18, 450 GB/s\""), 8);
    assert_says(dot, "tooltip=\"NVSwitch - GPU 7: NVLink 4 x18, 450 GB/s\"");
    assert_says(dot, "PCIe 5.0 x16, 63 GB/s\"");
    assert_says(dot, "4 chips");
    assert_says(dot, "DGX H100");
    assert_says(dot, "dgx-h100 ");
    assert_says(dot, "source of ");
    assert_says(dot, "label=\"Socket 0\"");
    assert_says(dot, "label=\"Socket 1\"");
}
END_TEST

/* `text` of a machine file. */
static FabTopology *
described(const char *text)
{
    g_autofree char *path = written("cluster.ini", text);

    return machine(path);
}

START_TEST(a_cluster_is_a_page_with_counts)
{
    g_autoptr(FabTopology) topology =
        described("[topology]\nplugin=rail-optimised\ntitle=One unit\nnode=dgx-h100\nnodes=32\n");
    g_autofree char *dot = drawn(topology, NULL, "cluster.dot", false);
    g_autofree char *all = drawn(topology, NULL, "cluster.dot", true);

    assert_says(dot, "One unit");
    assert_says(dot, "<b>Nodes 1..31</b>");
    assert_says(dot, "31 x DGX H100");
    assert_says(dot, "8 GPUs, 8 NICs each");
    assert_says(dot, "256 cables, InfiniBand");
    assert_says(dot, "8 on every line");
    ck_assert_uint_eq(count(dot, "<b>Leaf "), 8);
    ck_assert_uint_eq(count(dot, "<b>Spine "), 4);
    ck_assert_uint_eq(count(dot, "<b>NIC "), 8); /* of the first node */
    ck_assert_uint_eq(count(all, "<b>Node "), 32);
}
END_TEST

/* 140 NICs fill nine of twelve switches: the last three hang on nothing and are beside the others all the same. */
START_TEST(switches_of_a_flat_network_are_one_row)
{
    g_autoptr(FabTopology) topology =
        described("[topology]\nplugin=dragonfly\nnode=hgx-a100-4\nnode.nics_per_node=2\nnode.nic_gbps=200\nnodes=70\n"
                  "groups=3\nswitches=4\nswitch_nics=16\n");
    g_autofree char *dot = drawn(topology, NULL, "cluster.dot", false);

    assert_says(dot, "<b>Group 2 switch 1..3</b>");
    assert_says(dot, "21 cables across, InfiniBand<br/>25 GB/s, 250 ns each");
    assert_says(dot, "140 cables, InfiniBand");
    ck_assert_ptr_null(strstr(dot, " up"));
}
END_TEST

START_TEST(a_picture_too_wide_to_be_read_is_refused_as_png)
{
    g_autoptr(FabTopology) topology =
        described("[topology]\nplugin=fat-tree\nnode=dgx-h100\nnodes=512\nlevels=3\n");
    g_autofree char *wide = test_path("wide.png");
    g_autoptr(GError) error = NULL;

    ck_assert(!fab_report_diagram(topology, NULL, NULL, wide, true, &error));
    ck_assert_msg(strstr(error->message, "too wide for a PNG whose words can be read; draw it as .svg or .pdf, or "
                                         "leave --expand out") != NULL, "%s", error->message);
    ck_assert(!g_file_test(wide, G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST(a_large_network_folds_what_is_alike)
{
    g_autoptr(FabTopology) topology =
        described("[topology]\nplugin=fat-tree\nnode=dgx-h100\nnodes=256\nlevels=3\n");
    g_autofree char *dot = drawn(topology, NULL, "cluster.dot", false);

    assert_says(dot, "<b>59 more</b>");
    assert_says(dot, "236 nodes,");
    ck_assert_uint_lt(count(dot, "<b>"), 40); /* words of a page, not of 9,000 vertices */
}
END_TEST

/* Four leaves for each rack: a box of four above its rack, and every switch when asked for. */
START_TEST(four_racks_are_a_page_with_the_leaves_of_a_rack_in_one_box)
{
    g_autoptr(FabTopology) topology = described("[topology]\nplugin=nvl-domain\nnode=gb200-nvl72\nnodes=4\n");
    g_autofree char *dot = drawn(topology, NULL, "racks.dot", false), *all = drawn(topology, NULL, "all.dot", true);

    assert_says(dot, "4 nodes, 288 GPUs");
    ck_assert_uint_eq(count(dot, "<b>Leaf "), 4);
    ck_assert_uint_eq(count(dot, "4 switches"), 4);
    ck_assert_uint_eq(count(dot, "<b>Node "), 4);
    ck_assert_uint_eq(count(all, "<b>Leaf "), 16);
}
END_TEST

START_TEST(the_legend_explains_only_what_occurs)
{
    g_autoptr(FabTopology) topology = machine("dgx-h100");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);
    g_autoptr(FabTopology) desk = machine("desk2-x8");
    g_autofree char *small = drawn(desk, NULL, "b.dot", false);

    assert_says(dot, "(legend NVSwitch)");
    assert_says(dot, ">GPU: 8<");
    assert_says(dot, "NVLink 4 x18, 450 GB/s each way: 8");
    ck_assert_ptr_null(strstr(dot, "(legend network switch)"));
    ck_assert_ptr_null(strstr(small, "(legend NVSwitch)"));
    ck_assert_ptr_null(strstr(small, "NVLink"));
    assert_says(small, "PCIe 4.0 x8, 15.8 GB/s each way: 2");
}
END_TEST

START_TEST(a_rate_that_stands_for_none_is_not_drawn)
{
    g_autoptr(FabTopology) topology = machine("dgx-a100");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);
    g_autoptr(FabTopology) limited = fabric_new("g0-h0:pcie:32 g1-h0:pcie:32 h0-c0:internal:73.1");
    g_autofree char *small = drawn(limited, NULL, "b.dot", false);

    ck_assert_ptr_null(strstr(dot, "1 TB/s"));
    assert_says(dot, "Host bridge 0 - NUMA 3: on chip, no limit of its own\"");
    assert_says(dot, ">on chip, no limit of its own: 4<");
    assert_says(dot, ">on die, no limit of its own: 6<");
    assert_says(dot, ">inside the switch, no limit of its own: 4<");
    assert_says(small, "on chip, 73.1 GB/s each way: 1");
}
END_TEST

START_TEST(a_hybrid_cube_mesh_has_sixteen_edges_of_one_and_two_links)
{
    g_autoptr(FabTopology) topology = machine("dgx-1v");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);

    ck_assert_uint_eq(count(dot, ": NVLink 2 x1, 25 GB/s\""), 8);
    ck_assert_uint_eq(count(dot, ": NVLink 2 x2, 50 GB/s\""), 8);
}
END_TEST

START_TEST(repeated_trays_are_drawn_once_and_counted)
{
    g_autoptr(FabTopology) topology = machine("gb200-nvl72");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);

    assert_says(dot, "label=\"Tray 0: one of 18 alike\"");
    assert_says(dot, "17 more, each like Tray 0");
    assert_says(dot, "68 \303\227 NVLink 5 x18, 900 GB/s each");
    assert_says(dot, "<b>Tray 17</b><br/><font point-size=\"9\">GPU 68 to 71</font>");
    assert_says(dot, ">GPU: 72<");
    ck_assert_ptr_null(strstr(dot, "<b>GPU 4</b>"));
}
END_TEST

START_TEST(expand_draws_all_trays)
{
    g_autoptr(FabTopology) topology = machine("gb200-nvl72");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", true);

    ck_assert_uint_eq(count(dot, "<b>GPU "), 72);
    ck_assert_uint_eq(count(dot, "subgraph cluster_unit"), 18 + 36);
    ck_assert_ptr_null(strstr(dot, "each like"));
}
END_TEST

START_TEST(boxes_of_another_structure_are_not_folded_away)
{
    g_autoptr(FabTopology) topology =
        fabric_new("g0-v0:nvlink:50 g1-v0:nvlink:50 g2-v0:nvlink:50 g3-v0:nvlink:50 g3-g4:nvlink:50 "
               "g0=box:0 g1=box:1 g2=box:2 g3=box:3 g4=box:3");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);

    assert_says(dot, "2 more, each like Tray 0");
    assert_says(dot, "<b>GPU 0</b>");
    assert_says(dot, "<b>GPU 3</b>");
    assert_says(dot, "<b>GPU 4</b>");
    ck_assert_ptr_null(strstr(dot, "<b>GPU 1</b>"));
}
END_TEST

START_TEST(parallel_links_are_one_edge_with_a_count)
{
    g_autoptr(FabTopology) topology = fabric_new("g0-g1:nvlink:50 g0-g1:nvlink:50 g1-g0:nvlink:50");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);

    assert_says(dot, "\"GPU 0 - GPU 1: 3 \303\227 ");
    ck_assert_uint_eq(count(dot, "tooltip=\"GPU"), 1);
}
END_TEST

START_TEST(equal_switches_are_one_with_a_count)
{
    g_autoptr(FabTopology) topology =
        fabric_new("g0-v0:nvlink:50 g1-v0:nvlink:50 g0-v1:nvlink:50 g1-v1:nvlink:50");
    g_autofree char *dot = drawn(topology, NULL, "a.dot", false);
    g_autofree char *all = drawn(topology, NULL, "a.dot", true);

    assert_says(dot, "2 chips");
    ck_assert_ptr_null(strstr(dot, "<b>NVSwitch 1</b>"));
    assert_says(all, "<b>NVSwitch 1</b>");
}
END_TEST

/* DOT is layout and words without pixels, so it is quick enough for all machines, folded and not. */
START_TEST(every_machine_of_the_catalogue_can_be_drawn)
{
    g_auto(GStrv) names = fab_machine_list();

    ck_assert_uint_gt(g_strv_length(names), 10);
    for (guint i = 0; names[i] != NULL; i++) {
        for (int expand = 0; expand < 2; expand++) {
            g_autoptr(FabTopology) topology = machine(names[i]);
            g_autofree char *dot = drawn(topology, NULL, "a.dot", expand == 1);

            assert_says(dot, topology->node_count > 0 ? "<b>Node" : "<b>GPU 0</b>");
            assert_says(dot, "GB/s");
            assert_says(dot, "(title)");
            ck_assert_ptr_null(strstr(dot, "nan"));
        }
    }
}
END_TEST

START_TEST(odd_fabrics_can_be_drawn)
{
    static const char *const texts[] = {
        "g0-n0:pcie:32",                                     /* no CPU at all */
        "g0-s0:pcie:32 s0-h0:pcie:32 s0-h1:pcie:32 h0-c0:internal:900 h1-c0:internal:900", /* two uplinks */
        "g0-c0:c2c:450 g0-h0:pcie:63 h0-c0:internal:900",    /* two ways to the CPU */
        "g0-n0:pcie:32 g1-n1:pcie:32 n0-w0:network:50 n1-w1:network:50 w0-w2:network:50 w1-w2:network:50",
        "g0-v0:nvlink:50 g1-v0:nvlink:50 v0-v1:nvlink:50 g2-v1:nvlink:50",
        "g0-g1:nvlink:50 g1-g2:nvlink:50 g0=box:0 g1=box:1 g2=box:2",
        "g0-h0:pcie:32 h0-c0:internal:900 c0-c1:socket:40 c1-c2:socket:40 c0-c2:socket:40",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(FabTopology) topology = fabric_new(texts[i]);
        g_autofree char *dot = drawn(topology, NULL, "a.dot", false);
        g_autofree char *svg = drawn(topology, NULL, "a.svg", true);

        assert_says(dot, "GPU 0");
        assert_says(svg, "</svg>");
        ck_assert_ptr_null(strstr(dot, "nan"));
        ck_assert_ptr_null(strstr(dot, "inf,"));
    }
}
END_TEST

START_TEST(names_with_markup_are_shown_as_they_are)
{
    g_autoptr(FabTopology) topology = fabric_new("g0-g1:nvlink:50");
    g_autofree char *svg = NULL;

    g_free(topology->vertices[0].name);
    topology->vertices[0].name = g_strdup("A<b>&\"c\\N");
    g_free(topology->title);
    topology->title = g_strdup("<script>alert(1)</script> & co");
    svg = drawn(topology, NULL, "a.svg", false);
    ck_assert_ptr_null(strstr(svg, "<script"));
    assert_says(svg, "&lt;script&gt;");
    assert_says(svg, "A&lt;b&gt;&amp;");
}
END_TEST

/* ------------------------------------------------------------------ formats and files */

START_TEST(the_suffix_names_the_format)
{
    static const struct {
        const char *file, *start;
    } cases[] = { { "a.svg", "<?xml" }, { "a.png", "\211PNG" }, { "a.pdf", "%PDF" }, { "A.DOT", "graph " } };
    g_autoptr(FabTopology) topology = machine("ws2-bridge-3090");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = test_path(cases[i].file);
        g_autofree char *data = NULL;
        g_autoptr(GError) error = NULL;

        ck_assert(fab_report_diagram(topology, NULL, NULL, path, false, &error));
        ck_assert(g_file_get_contents(path, &data, NULL, NULL));
        ck_assert_msg(g_str_has_prefix(data, cases[i].start), "%s starts otherwise", cases[i].file);
    }
}
END_TEST

START_TEST(another_suffix_is_refused_by_name)
{
    static const char *const files[] = { "a.gif", "a", "a.", ".svg", "svg", "a.svg.gz" };
    g_autoptr(FabTopology) topology = fabric_new("g0-g1:nvlink:50");

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = test_path(files[i]);
        g_autoptr(GError) error = NULL;

        ck_assert(!fab_report_diagram(topology, NULL, NULL, path, false, &error));
        ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
        ck_assert_ptr_nonnull(strstr(error->message, path));
        ck_assert_ptr_nonnull(strstr(error->message, "accepted: .svg, .png, .pdf, .dot"));
        ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    }
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_an_error_and_leaves_nothing)
{
    g_autoptr(FabTopology) topology = fabric_new("g0-g1:nvlink:50");
    g_autofree char *nowhere = g_build_filename(test_folder, "missing", "a.svg", NULL);
    g_autofree char *taken = test_path("folder.svg");
    const char *paths[] = { nowhere, taken };
    g_autoptr(GDir) dir = NULL;

    ck_assert_int_eq(g_mkdir(taken, 0700), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;

        ck_assert(!fab_report_diagram(topology, NULL, NULL, paths[i], false, &error));
        ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_FILE));
        ck_assert(g_str_has_prefix(error->message, paths[i]));
    }
    dir = g_dir_open(test_folder, 0, NULL);
    ck_assert_str_eq(g_dir_read_name(dir), "folder.svg");
    ck_assert_ptr_null(g_dir_read_name(dir));
}
END_TEST

START_TEST(the_same_machine_gives_the_same_drawing)
{
    g_autoptr(FabTopology) topology = machine("dgx-a100");
    g_autofree char *first = drawn(topology, NULL, "a.dot", false);
    g_autofree char *second = drawn(topology, NULL, "b.dot", false);

    ck_assert_msg(strcmp(first, second) == 0, "the two drawings differ");
}
END_TEST

/* ------------------------------------------------------------------ load */

#define RESULT(topology, rows) "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [" \
    "{\"topology\": \"" topology "\", \"collective\": \"all_reduce\", \"rows\": [" rows "]}]}"
#define ROW(uses) "{\"size_bytes\": 1048576, \"time_us\": 12.5, \"algorithm\": \"ring\", \"uses\": [" uses "]}"

START_TEST(load_is_shown_by_colour_and_in_words)
{
    g_autoptr(FabTopology) topology = machine("dgx-h100");
    g_autofree char *path = written("r.json", RESULT("dgx-h100",
        ROW("{\"resource\": \"GPU 0 > NVSwitch\", \"utilisation\": 0.1}") ","
        ROW("{\"resource\": \"GPU 0 > NVSwitch\", \"utilisation\": 0.25},"
            "{\"resource\": \"NVSwitch > GPU 0\", \"utilisation\": 0.83},"
            "{\"resource\": \"Host bridge 0 > CPU 0\", \"utilisation\": 0.03},"
            "{\"resource\": \"GPU 1 > NVSwitch\", \"utilisation\": 0.5}")));
    g_autoptr(GError) error = NULL;
    FabDiagramLoad *load = fab_diagram_load_read(topology, path, &error);
    g_autofree char *dot = NULL;

    ck_assert_msg(load != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(load->caption, "Utilisation of links: all_reduce ring, 1 MiB, 12.5 us");
    dot = drawn(topology, load, "a.dot", false);
    assert_says(dot, "NVSwitch - GPU 0: NVLink 4 x18, 450 GB/s, 83 % busy");
    assert_says(dot, "NVSwitch - GPU 1: NVLink 4 x18, 450 GB/s, 50 % busy");
    assert_says(dot, "NVSwitch - GPU 2: NVLink 4 x18, 450 GB/s\"");
    assert_says(dot, "Host bridge 0 - CPU 0: on chip, no limit of its own\"");
    assert_says(dot, "80 to 100 %");
    assert_says(dot, "all_reduce ring, 1 MiB, 12.5 us");
    fab_diagram_load_free(load);
}
END_TEST

/* ------------------------------------------------------------------ faults */

/* So much is left of the links between two vertices: "Leaf 5 > Node 2 NIC 5". */
static void
leave(const FabTopology *topology, const char *way, double share, double *left)
{
    for (uint32_t r = 0; r < topology->resource_count; r++)
        if (strcmp(topology->resources[r].name, way) == 0)
            left[topology->resources[r].link] = share;
}

static double *
all_left(const FabTopology *topology)
{
    double *left = g_new(double, topology->link_count);

    for (uint32_t l = 0; l < topology->link_count; l++)
        left[l] = 1;
    return left;
}

START_TEST(links_that_are_down_or_slower_say_so)
{
    g_autoptr(FabTopology) topology = machine("dgx-1v");
    g_autofree double *left = all_left(topology);
    g_autofree char *whole = drawn(topology, NULL, "a.dot", false);
    g_autofree char *same = drawn_with(topology, NULL, left, "a.dot", false), *dot = NULL;

    ck_assert_str_eq(whole, same);
    ck_assert_ptr_null(strstr(whole, "by a fault"));
    leave(topology, "GPU 5 > GPU 6", 0, left);
    leave(topology, "GPU 2 > PCIe switch 1", 0.5, left);
    dot = drawn_with(topology, NULL, left, "a.dot", false);
    assert_says(dot, "GPU 5 - GPU 6: NVLink 2 x2, 50 GB/s, down\"");
    assert_says(dot, "GPU 2 - PCIe switch 1: PCIe 3.0 x16, 15.8 GB/s, 50 % left\"");
    assert_says(dot, "down by a fault: 1");
    assert_says(dot, "slower by a fault: 1");
    ck_assert_uint_eq(count(dot, "50 % left"), 2); /* beside the line, under the pointer */
}
END_TEST

START_TEST(a_cluster_says_how_busy_its_cables_are_and_which_have_faults)
{
    g_autoptr(FabTopology) topology =
        described("[topology]\nplugin=rail-optimised\ntitle=One unit\nnode=dgx-h100\nnodes=4\n");
    g_autofree double *left = all_left(topology), *busy = g_new(double, 2 * (gsize)topology->link_count);
    FabDiagramLoad load = { .load = busy, .caption = (char *)"a load" };
    g_autofree char *dot = NULL;

    for (uint32_t l = 0; l < 2 * topology->link_count; l++)
        busy[l] = 0.61;
    leave(topology, "Node 2 NIC 5 > Leaf 5", 0.25, left);
    leave(topology, "Node 0 NIC 1 > Leaf 1", 0, left);
    dot = drawn_with(topology, &load, left, "a.dot", false);
    assert_says(dot, "80 to 100 %");
    assert_says(dot, "<td>61 %</td>");
    assert_says(dot, "<td>1 of 3: 25 % left, 61 %</td>");
    assert_says(dot, "<td>down</td>");
    assert_says(dot, "slower by a fault: 1");
}
END_TEST

START_TEST(a_result_that_does_not_fit_is_refused_in_one_sentence)
{
    static const struct {
        const char *text, *says;
        int code;
    } cases[] = {
        { "", "schema", FAB_ERROR_SYNTAX },
        { "{", "is not JSON", FAB_ERROR_SYNTAX },
        { "[]", "schema", FAB_ERROR_SYNTAX },
        { "{\"schema\": \"other\"}", "\"schema\" is other", FAB_ERROR_SYNTAX },
        { "{\"schema\": 7}", "\"schema\" is missing", FAB_ERROR_SYNTAX },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 2}", "version 1", FAB_ERROR_SYNTAX },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1}", "no result", FAB_ERROR_SYNTAX },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": []}", "no result", FAB_ERROR_SYNTAX },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [3]}", "no result",
          FAB_ERROR_SYNTAX },
        { RESULT("dgx-1v", ROW("")), "is a result of topology dgx-1v, the diagram is of dgx-h100", FAB_ERROR_VALUE },
        { RESULT("dgx-h100\", \"gpus\": 32, \"plugin\": \"", ROW("")), "of dgx-h100 with 32 GPUs, the diagram has 8",
          FAB_ERROR_VALUE },
        { RESULT("dgx-h100", ""), "has no rows", FAB_ERROR_SYNTAX },
        { RESULT("dgx-h100", "{}"), "uses", FAB_ERROR_SYNTAX },
        { RESULT("dgx-h100", ROW("{}")), "resource", FAB_ERROR_SYNTAX },
        { RESULT("dgx-h100", ROW("{\"resource\": \"GPU 9 > X\", \"utilisation\": 0}")), "no resource \"GPU 9 > X\"",
          FAB_ERROR_VALUE },
        { RESULT("dgx-h100", ROW("{\"resource\": \"GPU 0 > NVSwitch\", \"utilisation\": -1}")), "must be a number",
          FAB_ERROR_VALUE },
        { RESULT("dgx-h100", ROW("{\"resource\": \"GPU 0 > NVSwitch\", \"utilisation\": \"much\"}")),
          "must be a number", FAB_ERROR_VALUE },
    };
    g_autoptr(FabTopology) topology = machine("dgx-h100");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = written("r.json", cases[i].text);
        g_autoptr(GError) error = NULL;

        ck_assert_msg(fab_diagram_load_read(topology, path, &error) == NULL, "case %zu", i);
        ck_assert_msg(g_error_matches(error, FAB_ERROR, cases[i].code), "case %zu: %s", i, error->message);
        ck_assert_msg(strstr(error->message, cases[i].says) != NULL, "case %zu: %s", i, error->message);
        ck_assert(g_str_has_prefix(error->message, path));
    }
}
END_TEST

START_TEST(a_result_that_cannot_be_read_is_an_error)
{
    g_autoptr(FabTopology) topology = fabric_new("g0-g1:nvlink:50");
    g_autofree char *missing = test_path("no.json");
    const char *paths[] = { missing, test_folder };

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;

        ck_assert_ptr_null(fab_diagram_load_read(topology, paths[i], &error));
        ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_FILE));
    }
    fab_diagram_load_free(NULL);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("diagram");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, an_nvswitch_server_shows_every_kind_of_device_and_link);
    tcase_add_test(tests, a_cluster_is_a_page_with_counts);
    tcase_add_test(tests, a_picture_too_wide_to_be_read_is_refused_as_png);
    tcase_add_test(tests, switches_of_a_flat_network_are_one_row);
    tcase_add_test(tests, a_large_network_folds_what_is_alike);
    tcase_add_test(tests, four_racks_are_a_page_with_the_leaves_of_a_rack_in_one_box);
    tcase_add_test(tests, the_legend_explains_only_what_occurs);
    tcase_add_test(tests, a_rate_that_stands_for_none_is_not_drawn);
    tcase_add_test(tests, a_hybrid_cube_mesh_has_sixteen_edges_of_one_and_two_links);
    tcase_add_test(tests, repeated_trays_are_drawn_once_and_counted);
    tcase_add_test(tests, expand_draws_all_trays);
    tcase_add_test(tests, boxes_of_another_structure_are_not_folded_away);
    tcase_add_test(tests, parallel_links_are_one_edge_with_a_count);
    tcase_add_test(tests, equal_switches_are_one_with_a_count);
    tcase_add_test(tests, every_machine_of_the_catalogue_can_be_drawn);
    tcase_add_test(tests, odd_fabrics_can_be_drawn);
    tcase_add_test(tests, names_with_markup_are_shown_as_they_are);
    tcase_add_test(tests, the_suffix_names_the_format);
    tcase_add_test(tests, another_suffix_is_refused_by_name);
    tcase_add_test(tests, a_file_that_cannot_be_written_is_an_error_and_leaves_nothing);
    tcase_add_test(tests, the_same_machine_gives_the_same_drawing);
    tcase_add_test(tests, load_is_shown_by_colour_and_in_words);
    tcase_add_test(tests, links_that_are_down_or_slower_say_so);
    tcase_add_test(tests, a_cluster_says_how_busy_its_cables_are_and_which_have_faults);
    tcase_add_test(tests, a_result_that_does_not_fit_is_refused_in_one_sentence);
    tcase_add_test(tests, a_result_that_cannot_be_read_is_an_error);
    return run_tests(tests);
}
