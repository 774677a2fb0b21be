#include <check.h>
#include <stdio.h>

#include "base/error.h"
#include "fabric.h"
#include "report/report.h"
#include "suite.h"
#include "topology/machine.h"

/* Two sockets; a switch with two GPUs and a NIC on each; bridges between the GPUs of a switch. */
#define SERVER                                                                                                       \
    "g0-g1:nvlink:100x4 g2-g3:nvlink:100x4 g0-s0:pcie:32x16 g1-s0:pcie:32x16 g2-s1:pcie:32x16 g3-s1:pcie:32x16 "     \
    "n0-s0:pcie:32x16 n1-h1:pcie:32x16 s0-h0:pcie:32x16 s1-h1:pcie:32x16 h0-c0:internal:64 h1-c1:internal:64 "       \
    "c0-c1:socket:60 g0=numa:0 g1=numa:0 g2=numa:1 g3=numa:1 c0=numa:0 c1=numa:1 s0=acs h1=peer:50 c0=memory:200"

typedef bool (*Report)(const FabTopology *topology, FILE *out, GError **error);

static char *
report_text(Report report, const char *text)
{
    g_autoptr(FabTopology) topology = fabric_new(text);
    g_autoptr(GError) error = NULL;
    char *printed = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&printed, &length);

    ck_assert_msg(report(topology, out, &error), "%s", error != NULL ? error->message : "");
    fclose(out);
    return printed;
}

/* Looks for `part` in the text with runs of blanks made one: the widths of columns are not the point. */
static void
assert_contains(const char *text, const char *part)
{
    g_autoptr(GString) squeezed = g_string_new(NULL);

    for (const char *at = text; *at != '\0'; at++)
        if (at[0] != ' ' || at[1] != ' ')
            g_string_append_c(squeezed, *at);
    ck_assert_msg(strstr(squeezed->str, part) != NULL, "missing:\n%s\nin:\n%s", part, text);
}

/* Trays of GPUs lie below and above the switch. */
static int
rack_box(int tray)
{
    return tray < 9 ? tray : tray + 1;
}

/* 18 boxes of four GPUs on one switch in box 9, two GPUs and two NICs a NUMA node. */
static char *
rack_text(void)
{
    GString *text = g_string_new("v0=multicast v0=chips:18 v0=box:9 ");

    for (int i = 0; i < 72; i++) {
        g_string_append_printf(text, "g%d-v0:nvlink:900x18 g%d-c%d:c2c:450 g%d=box:%d g%d=numa:%d ", i, i, i / 2, i,
                               rack_box(i / 4), i, i / 2 % 2);
        g_string_append_printf(text, "n%d-c%d:pcie:64x16 n%d=box:%d ", i, i / 2, i, rack_box(i / 4));
    }
    for (int i = 0; i < 36; i++)
        g_string_append_printf(text, "c%d=box:%d c%d=numa:%d ", i, rack_box(i / 2), i, i % 2);
    for (int i = 0; i < 18; i++)
        g_string_append_printf(text, "c%d-c%d:socket:300 ", 2 * i, 2 * i + 1);
    return g_string_free(text, FALSE);
}

START_TEST(the_matrix_has_the_layout_of_nvidia_smi)
{
    g_autofree char *text = report_text(fab_report_matrix, SERVER);

    ck_assert(g_str_has_prefix(text, "\tGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tNIC1\tNUMA Affinity\n"
                                     "GPU0\t X \tNV4\tSYS\tSYS\tPIX\tSYS\t0\n"
                                     "GPU1\tNV4\t X \tSYS\tSYS\tPIX\tSYS\t0\n"
                                     "GPU2\tSYS\tSYS\t X \tNV4\tSYS\tPHB\t1\n"
                                     "GPU3\tSYS\tSYS\tNV4\t X \tSYS\tPHB\t1\n"
                                     "NIC0\tPIX\tPIX\tSYS\tSYS\t X \tSYS\t\n"
                                     "NIC1\tSYS\tSYS\tPHB\tPHB\tSYS\t X \t\n"
                                     "\nLegend:\n\n  X    = "));
    assert_contains(text, "\n NV# = ");
    ck_assert(g_str_has_suffix(text, "\nNIC Legend:\n\n  NIC0: NIC 0\n  NIC1: NIC 1\n"));
}
END_TEST

START_TEST(a_gpu_of_no_numa_node_has_no_affinity_and_without_nics_there_is_no_legend_of_them)
{
    g_autofree char *text = report_text(fab_report_matrix, "g0-h0:pcie:32 g1-h0:pcie:32");

    ck_assert(g_str_has_prefix(text, "\tGPU0\tGPU1\tNUMA Affinity\nGPU0\t X \tPHB\tN/A\nGPU1\tPHB\t X \tN/A\n\n"));
    ck_assert_ptr_null(strstr(text, "NIC Legend"));
}
END_TEST

START_TEST(one_gpu_has_a_matrix_too)
{
    g_autofree char *text = report_text(fab_report_matrix, "g0=numa:0");

    ck_assert(g_str_has_prefix(text, "\tGPU0\tNUMA Affinity\nGPU0\t X \t0\n"));
}
END_TEST

START_TEST(the_tables_say_what_there_is_and_how_it_is_linked)
{
    g_autofree char *text = report_text(fab_report_topology, SERVER " g0!g2");

    ck_assert(g_str_has_prefix(text, "test (test, plugin fabric): 4 GPUs, 12 vertices, 13 links\n"));
    assert_contains(text, "\n GPU 0..1 GPU Tesla V100 SXM2 16/32 GB 2 0 -\n");
    assert_contains(text, "\n GPU 2..3 GPU Tesla V100 SXM2 16/32 GB 2 1 -\n");
    assert_contains(text, " ACS\n");
    assert_contains(text, " peer limit 50 GB/s\n");
    assert_contains(text, " memory limit 200 GB/s\n");
    assert_contains(text, "\n GPU 0 GPU 1 NVLink x4 1 100 100 100 ns\n");
    assert_contains(text, "\n GPU 0..1 PCIe switch 0 PCIe x16 2 32 32 200 ns\n");
    assert_contains(text, "\nThe driver refuses PCIe peer access to 1 of 6 pairs of GPUs.\n");
    assert_contains(text, "\nGPU0\t X \tNV4\t");
}
END_TEST

START_TEST(a_rate_that_stands_for_none_is_not_printed)
{
    g_autofree char *limited = report_text(fab_report_topology, SERVER);
    g_autofree char *text = report_text(fab_report_topology, "g0-h0:pcie:32 g1-h0:pcie:32 h0-c0:internal:1000");

    assert_contains(limited, "what kernels reach)\n");
    assert_contains(limited, " internal 1 64 64 50 ns\n");
    assert_contains(text, "what kernels reach; -: no limit of its own)\n");
    assert_contains(text, "\n host bridge 0 CPU 0 internal 1 - - 50 ns\n");
}
END_TEST

START_TEST(a_rack_fits_on_a_page)
{
    g_autofree char *fabric = rack_text();
    g_autofree char *text = report_text(fab_report_topology, fabric);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    ck_assert_uint_le(g_strv_length(lines), 70);
    for (guint i = 0; lines[i] != NULL; i++)
        ck_assert_msg(strlen(lines[i]) <= 100, "%s", lines[i]);
    assert_contains(text, "in-switch reduction");
    assert_contains(text, "\n GPU 0..71 NVSwitch 0 NVLink x18 72 900 900 100 ns");
    assert_contains(text, "\nBox 0:\n\tGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tNIC1\tNIC2\tNIC3\tNUMA Affinity\n");
    assert_contains(text, "\nGPU0\t X \tNV18\tNV18\tNV18\tSYS\tSYS\tSYS\tSYS\t0\n");
    assert_contains(text, "\nBoxes 1..8: the same\nBoxes 10..18: the same\n");
    assert_contains(text, "\nBetween GPUs of different boxes: NV18\n");
}
END_TEST

START_TEST(boxes_that_differ_are_printed_each)
{
    g_autoptr(GString) fabric = g_string_new(NULL);
    g_autofree char *text = NULL;

    for (int i = 0; i < 36; i++)
        g_string_append_printf(fabric, "g%d-%s:pcie:32 g%d=box:%d ", i, i % 12 == 0 ? "h0" : i < 24 ? "s0" : "h1", i,
                               i / 12);
    g_string_append(fabric, "s0-c0:pcie:32 h0-c0:internal:32 h1-c1:internal:32 c0-c1:socket:20");
    text = report_text(fab_report_matrix, fabric->str);
    assert_contains(text, "Box 0:\n");
    assert_contains(text, "\nBox 1: the same\n");
    assert_contains(text, "\nBox 2:\n");
    assert_contains(text, "\nBetween GPUs of different boxes: PHB, NODE, SYS, PIX\n");
}
END_TEST

/* The row of a GPU, without what follows the GPUs' columns. */
static void
assert_row(const char *machine, const char *row)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) topology = fab_machine_load(machine, NULL, &error);
    g_autofree char *line = g_strdup_printf("\n%s\t", row);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    ck_assert_msg(topology != NULL, "%s", error != NULL ? error->message : "");
    ck_assert(fab_report_matrix(topology, out, NULL));
    fclose(out);
    ck_assert_msg(strstr(text, line) != NULL, "%s: missing %s in\n%s", machine, row, text);
    free(text);
}

/* As nvidia-smi printed them there: voipmonitor/rtx6kpro, NVIDIA/nccl-tests issue 29, NVIDIA/nccl issue 1505. */
START_TEST(machines_of_the_catalogue_have_the_matrices_they_print)
{
    assert_row("wrx90-3sw-8", "GPU0\t X \tPIX\tPXB\tPXB\tNODE\tNODE\tNODE\tNODE");
    assert_row("wrx90-3sw-8", "GPU6\tNODE\tNODE\tNODE\tNODE\tPXB\tPXB\t X \tPIX");
    assert_row("asus-esc8000a-e13p", "GPU2\tNODE\tNODE\t X \tPIX\tSYS\tSYS\tSYS\tSYS");
    assert_row("dgx-1v", "GPU1\tNV1\t X \tNV2\tNV1\tSYS\tNV2\tSYS\tSYS");
    assert_row("dgx-a100", "GPU2\tNV12\tNV12\t X \tNV12\tNV12\tNV12\tNV12\tNV12\tSYS\tSYS\tPXB\tPXB");
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    g_autoptr(FabTopology) topology = fabric_new(SERVER);
    g_autoptr(GError) error = NULL;
    FILE *full = fopen("/dev/full", "w");

    if (full == NULL)
        return; /* not on this system */
    ck_assert(!fab_report_topology(topology, full, &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_SYSTEM));
    ck_assert(!fab_report_matrix(topology, full, NULL));
    fclose(full);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("report-topology");

    tcase_add_test(tests, the_matrix_has_the_layout_of_nvidia_smi);
    tcase_add_test(tests, a_gpu_of_no_numa_node_has_no_affinity_and_without_nics_there_is_no_legend_of_them);
    tcase_add_test(tests, one_gpu_has_a_matrix_too);
    tcase_add_test(tests, the_tables_say_what_there_is_and_how_it_is_linked);
    tcase_add_test(tests, a_rate_that_stands_for_none_is_not_printed);
    tcase_add_test(tests, a_rack_fits_on_a_page);
    tcase_add_test(tests, boxes_that_differ_are_printed_each);
    tcase_add_test(tests, machines_of_the_catalogue_have_the_matrices_they_print);
    tcase_add_test(tests, a_full_disk_is_an_error);
    return run_tests(tests);
}
