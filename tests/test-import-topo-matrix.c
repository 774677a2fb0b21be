/* Import of `nvidia-smi topo -m`: the machine that comes out has the matrix that went in. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fixture.h"
#include "measure/import-topo-matrix.h"
#include "measure/topo-infer.h"
#include "measure/topo-matrix.h"
#include "report/report.h"
#include "suite.h"
#include "topology/machine.h"
#include "topology/route.h"

static char *
sample_path(const char *name)
{
    return g_build_filename(g_getenv("FAB_TEST_DATA"), "topo-m", name, NULL);
}

/* Imports to machine.ini and returns its path. */
static char *
import_file(const char *path, const char *gpu)
{
    g_autoptr(GError) error = NULL;
    char *machine = test_path("machine.ini");
    FILE *out = fopen(machine, "w");

    ck_assert_ptr_nonnull(out);
    ck_assert_msg(fab_import_topo_matrix(path, gpu, out, &error), "%s", error != NULL ? error->message : "");
    fclose(out);
    return machine;
}

/* The message of a refused import, owned by the caller. */
static char *
refusal(const char *path, const char *gpu)
{
    g_autoptr(GError) error = NULL;
    FILE *out = fopen("/dev/null", "w");
    bool imported = fab_import_topo_matrix(path, gpu, out, &error);

    fclose(out);
    ck_assert_msg(!imported, "%s with %s was accepted", path, gpu);
    ck_assert(error->domain == FAB_ERROR);
    return g_strdup(error->message);
}

static void
assert_refused(const char *text, const char *gpu, const char *part)
{
    g_autofree char *path = test_write("paste.txt", text);
    g_autofree char *message = refusal(path, gpu);

    test_says(message, part);
}

static FabVertex
vertex_of(const FabTopology *machine, const FabTopoMatrix *matrix, uint32_t device)
{
    uint32_t number = 0;
    g_autofree char *name = NULL;

    for (uint32_t i = 0; i < device; i++)
        number += matrix->devices[i].is_gpu == matrix->devices[device].is_gpu;
    name = g_strdup_printf("%s %u", matrix->devices[device].is_gpu ? "GPU" : "NIC", number);
    for (FabVertex v = 0; v < machine->vertex_count; v++) {
        if (strcmp(machine->vertices[v].name, name) == 0)
            return v;
    }
    return FAB_VERTEX_NONE;
}

static void
assert_same_cell(const FabTopology *machine, const FabTopoMatrix *matrix, uint32_t i, uint32_t j, bool exact_links)
{
    static const FabPathClass classes[] = { [FAB_CELL_PIX] = FAB_PATH_PIX,   [FAB_CELL_PXB] = FAB_PATH_PXB,
                                            [FAB_CELL_PHB] = FAB_PATH_PHB,   [FAB_CELL_NODE] = FAB_PATH_NODE,
                                            [FAB_CELL_SYS] = FAB_PATH_SYS };
    const FabCell *cell = fab_topo_matrix_cell(matrix, i, j);
    FabVertex a = vertex_of(machine, matrix, i), b = vertex_of(machine, matrix, j);
    const char *row = matrix->devices[i].label, *column = matrix->devices[j].label;

    ck_assert_msg(a != FAB_VERTEX_NONE && b != FAB_VERTEX_NONE, "%s or %s is not in the machine", row, column);
    if (matrix->devices[i].is_gpu && matrix->devices[j].is_gpu) {
        uint32_t links = fab_path_nvlinks(machine, a, b);
        ck_assert_msg((cell->class == FAB_CELL_NV) == (links > 0), "%s %s has %u NVLinks", row, column, links);
        ck_assert_msg(!exact_links || links == cell->nvlinks, "%s %s is NV%u, was NV%u", row, column, links,
                      cell->nvlinks);
    }
    if (cell->class >= FAB_CELL_PIX)
        ck_assert_msg(fab_path_class(machine, a, b) == classes[cell->class], "%s %s is %s", row, column,
                      fab_path_class_name(fab_path_class(machine, a, b)));
}

static const struct {
    const char *file, *gpu, *plugin;
    const char *part;  /* of the machine file */
    bool shared_links; /* NV# counts more links than the pair has */
} samples[] = {
    { "topo-m-5gpu-consumer-mixed-580.txt", "rtx-3090", "pcie-switch",
      "tree=numa0 { bridge { gpu1 gpu2 } bridge { gpu3 gpu4 } } numa1 { gpu0 }", false },
    { "topo-m-a100x8-nic-tabs.txt", "a100-sxm-40", "nvswitch",
      "tree=numa0 { sw { nic8 nic9 } } numa1 { sw { sw { gpu2 } sw { gpu3 } sw { nic2 } sw { nic3 } } }", false },
    { "topo-m-dgx1-p100-soc-mlx.txt", "p100-sxm2", "nvlink-mesh",
      "links=0-1:1 0-2:1 0-3:1 0-4:1 1-2:1 1-3:1 1-5:1 2-3:1 2-6:1 3-7:1 4-5:1", false },
    { "topo-m-gb200-tray-sys-nic.txt", "gb200", "nvswitch", "attach=c2c", false },
    { "topo-m-h200x8-ansi-nic-bond.txt", "h200-sxm", "nvswitch", "read_nic8=NIC8, mlx5_bond_0", false },
    { "topo-m-h200x8-two-nvl4-islands.txt", "h200-nvl", "nvlink-bridge", "nvlink_pairs=0-1:6 0-2:6 0-3:6 1-2:6", true },
    { "topo-m-p40x8-two-switches.txt", "v100-pcie", "pcie-switch",
      "{ sw { sw { gpu0 gpu1 gpu2 gpu3 } sw { gpu4 gpu5 gpu6 gpu7 } } }", false },
    { "topo-m-power8-p100x4-longaffinity.txt", "p100-sxm2", "nvlink-bridge", "nvlink_pairs=0-1:2 2-3:2", false },
    { "topo-m-rtx4090x8-sys-nic.txt", "rtx-4090", "pcie-switch", "numa6 { bridge { gpu6 sw { nic0 nic1 } } }", false },
    { "topo-m-rtx5090x2-phb-tabs.txt", "rtx-5090", "pcie-switch", "tree=numa0 { bridge { gpu0 gpu1 } }", false },
    { "topo-m-single-gpu-ansi-590.txt", "rtx-4090", "pcie-switch", "read_GPU0=CPUs 0-23; NUMA affinity 0", false },
    { "topo-m-vm-numa-na.txt", "t4", "pcie-switch", "read_GPU0=CPUs 0-7\n", false },
    { "topo-m-windows-610-empty-cells.txt", "rtx-5090", "pcie-switch", "tree=numa0 { gpu0 }", false },
};

START_TEST(the_machine_of_a_sample_has_its_matrix)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = sample_path(samples[_i].file), *text = NULL;
    g_autofree char *file = import_file(path, samples[_i].gpu);
    g_autoptr(FabTopoMatrix) matrix = fab_topo_matrix_load(path, &error);
    g_autoptr(FabTopology) machine = NULL;

    ck_assert(g_file_get_contents(file, &text, NULL, NULL));
    machine = fab_machine_load(file, NULL, &error);
    ck_assert_msg(machine != NULL, "%s: %s\n%s", samples[_i].file, error != NULL ? error->message : "", text);
    ck_assert_str_eq(machine->plugin, samples[_i].plugin);
    ck_assert_msg(strstr(text, samples[_i].part) != NULL, "%s lacks \"%s\":\n%s", samples[_i].file, samples[_i].part,
                  text);
    ck_assert_uint_eq(machine->gpu_count, matrix->gpu_count);
    for (uint32_t i = 0; i < matrix->count; i++) {
        for (uint32_t j = i + 1; j < matrix->count; j++)
            assert_same_cell(machine, matrix, i, j, !samples[_i].shared_links);
    }
}
END_TEST

START_TEST(the_printed_matrix_of_an_imported_machine_is_the_imported_one)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = sample_path(samples[_i].file);
    g_autofree char *file = import_file(path, samples[_i].gpu);
    g_autoptr(FabTopology) machine = fab_machine_load(file, NULL, &error);
    g_autoptr(FabTopoMatrix) before = fab_topo_matrix_load(path, &error), after = NULL;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    ck_assert(fab_report_matrix(machine, out, &error));
    fclose(out);
    after = fab_topo_matrix_parse("printed", text, length, &error);
    ck_assert_msg(after != NULL, "%s\n%s", error != NULL ? error->message : "", text);
    ck_assert_uint_eq(after->count, before->count);
    for (uint32_t i = 0; i < before->count * before->count; i++) {
        const FabCell *was = &before->cells[i], *is = &after->cells[i];
        if (was->class == FAB_CELL_UNKNOWN)
            continue;
        ck_assert_msg(was->class == is->class && (samples[_i].shared_links || was->nvlinks == is->nvlinks),
                      "row %u column %u changed:\n%s", i / before->count, i % before->count, text);
    }
    free(text);
}
END_TEST

/* ------------------------------------------------------------------ pastes */

#define TWO_GPUS "\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\n" \
                 "GPU0\t X \tNV4\t0-7\t0\n" \
                 "GPU1\tNV4\t X \t0-7\t0\n"

static const struct {
    const char *what, *text;
} pastes[] = {
    { "as printed", TWO_GPUS },
    { "carriage returns", "\tGPU0\tGPU1\tCPU Affinity\r\nGPU0\t X \tNV4\t0-7\r\nGPU1\tNV4\t X \t0-7\r\n" },
    { "prompt lines", "Sat Nov 1\nroot@GPU01:~# nvidia-smi topo -m\n" TWO_GPUS "root@GPU01:~# \n" },
    { "a ruler", " GPU0 GPU1 CPU Affinity\n-----------\nGPU0 X NV4 0-7\nGPU1 NV4 X 0-7\n" },
    { "tags of mpirun", "[1,0]<stdout>:\tGPU0\tGPU1\n[1,1]<stdout>:\tGPU0\tGPU1\n[1,0]<stdout>:GPU0\t X \tNV4\n"
                        "[1,1]<stdout>:GPU0\t X \tNV4\n[1,0]<stdout>:GPU1\tNV4\t X \n" },
    { "no text columns", "GPU0 GPU1\nGPU0 X NV4\nGPU1 NV4 X\n" },
    { "a glued header", "$ nvidia-smi topo -mGPU0GPU1CPU Affinity\nGPU0 X NV4 0-7\nGPU1 NV4 X 0-7\n" },
    { "lower case", "GPU0 GPU1\nGPU0 x nv4\nGPU1 nv4 x\n" },
    { "the matrix twice", TWO_GPUS "\n" TWO_GPUS },
    { "underlined header", "\t\x1b[4mGPU0\tGPU1\tCPU Affinity\x1b[0m\nGPU0\t X \tNV4\t\nGPU1\tNV4\t X \t\n" },
    { "missing NIC rows", "GPU0 GPU1 mlx5_0 mlx5_1\nGPU0 X NV4 PIX SYS\nGPU1 NV4 X PIX SYS\n" },
    { "no-break spaces", "\xc2\xa0GPU0\xc2\xa0GPU1\nGPU0\xc2\xa0 X \xc2\xa0NV4\nGPU1\xc2\xa0NV4\xc2\xa0 X\n" },
};

START_TEST(a_pasted_matrix_is_read_whatever_happened_to_it)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopoMatrix) matrix
        = fab_topo_matrix_parse("paste", pastes[_i].text, strlen(pastes[_i].text), &error);
    g_autofree char *path = test_write("paste.txt", pastes[_i].text);
    g_autofree char *file = import_file(path, "rtx-3090");
    g_autoptr(FabTopology) machine = fab_machine_load(file, NULL, &error);

    ck_assert_msg(machine != NULL, "%s: %s", pastes[_i].what, error != NULL ? error->message : "");
    ck_assert_uint_eq(matrix->gpu_count, 2);
    ck_assert_uint_eq(fab_topo_matrix_cell(matrix, 0, 1)->nvlinks, 4);
    ck_assert_uint_eq(fab_path_nvlinks(machine, machine->gpus[0], machine->gpus[1]), 4);
}
END_TEST

START_TEST(utf_16_of_a_windows_shell_is_read)
{
    g_autoptr(GError) error = NULL;
    const char *text = "GPU0 GPU1\r\nGPU0 X PHB\r\nGPU1 PHB X\r\n";
    gsize length = 0;
    g_autofree char *wide = g_convert(text, -1, "UTF-16LE", "UTF-8", NULL, &length, NULL);
    g_autofree char *marked = g_malloc(length + 2);
    g_autoptr(FabTopoMatrix) matrix = NULL;

    memcpy(marked, "\xff\xfe", 2);
    memcpy(marked + 2, wide, length);
    matrix = fab_topo_matrix_parse("paste", marked, length + 2, &error);
    ck_assert_msg(matrix != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(fab_topo_matrix_cell(matrix, 1, 0)->class, FAB_CELL_PHB);
}
END_TEST

START_TEST(affinities_are_read_with_holes_and_empty_fields)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = sample_path("topo-m-h200x8-ansi-nic-bond.txt");
    g_autofree char *empty_path = sample_path("topo-m-windows-610-empty-cells.txt");
    g_autoptr(FabTopoMatrix) matrix = fab_topo_matrix_load(path, &error);
    g_autoptr(FabTopoMatrix) empty = fab_topo_matrix_load(empty_path, &error);

    ck_assert_str_eq(matrix->devices[0].cpu_affinity, "0,2-47,96-143");
    ck_assert_int_eq(matrix->devices[0].numa, 0);
    ck_assert_int_eq(matrix->devices[7].numa, 1);
    ck_assert_str_eq(matrix->devices[16].name, "mlx5_bond_0");
    ck_assert_str_eq(empty->devices[0].cpu_affinity, "");
    ck_assert_int_eq(empty->devices[0].numa, -1);
}
END_TEST

/* ------------------------------------------------------------------ refusals */

static const struct {
    const char *text, *gpu, *part;
} refusals[] = {
    { "", "rtx-3090", "has no header row of `nvidia-smi topo -m`" },
    { "hello\nworld\n", "rtx-3090", "has no header row" },
    { "GPU0 X PIX\nGPU1 PIX X\n", "rtx-3090", "has no header row" },
    { "GPU0 GPU1\nGPU0 X PIX\nGPU1 PHB X\n", "rtx-3090",
      "row GPU0 column GPU1 is PIX, but row GPU1 column GPU0 is PHB; both must be the same" },
    { "GPU0 GPU1\nGPU0 X NV2\nGPU1 NV3 X\n", "rtx-3090",
      "row GPU0 column GPU1 is NV2, but row GPU1 column GPU0 is NV3" },
    { "GPU0 GPU1\nGPU0 X PIX\n", "rtx-3090", "row GPU1 is missing" },
    { "GPU0 GPU1\nGPU0 X\nGPU1 PIX X\n", "rtx-3090", "line 2: row GPU0 has 1 cells, the header names 2 devices" },
    { "GPU0 GPU1\nGPU0 X PIC\nGPU1 PIX X\n", "rtx-3090", "line 2: row GPU0 column GPU1 is \"PIC\"" },
    { "GPU0 GPU1\nGPU0 PIX X\nGPU1 PIX X\n", "rtx-3090", "line 2: row GPU0 column GPU0 is \"PIX\"" },
    { "GPU0 GPU1\nGPU0 X NV0\nGPU1 NV0 X\n", "rtx-3090", "is \"NV0\"" },
    { "GPU0 GPU0\nGPU0 X X\n", "rtx-3090", "column GPU0 appears twice" },
    { "GPU0 GPU1\nGPU0 X PIX\nGPU0 X PIX\nGPU1 PIX X\n", "rtx-3090", "line 3: row GPU0 appears twice" },
    { "GPU0 GPU1\nGPU0 X PIX\nGPU1 PIX X\nGPU2 PIX PIX\n", "rtx-3090", "line 4: row GPU2 has no column" },
    { "GPU0 NIC0\nGPU0 X NV4\nNIC0 NV4 X\n", "rtx-3090", "only GPUs have NVLink" },
    { "GPU0 GPU1 NIC0\nGPU0 X SYS PIX\nGPU1 SYS X PIX\nNIC0 PIX PIX X\n", "rtx-3090",
      "row GPU0 column GPU1 is SYS, but the other cells put the two no farther apart than PIX" },
    { TWO_GPUS, "rtx-3080", "rtx-3090" },
    { TWO_GPUS, "rtx-4090", "row GPU0 column GPU1 is NV4, but rtx-4090 has no NVLink" },
    { "GPU0 GPU1\nGPU0 X NV18\nGPU1 NV18 X\n", "a100-sxm-80",
      "row GPU0 column GPU1 is NV18, but a100-sxm-80 has 12 NVLinks" },
    { "GPU0 GPU1 GPU2\nGPU0 X NV4 NV2\nGPU1 NV4 X NV4\nGPU2 NV2 NV4 X\n", "v100-sxm2",
      "row GPU1 adds up to 8 NVLinks, v100-sxm2 has 6" },
};

START_TEST(a_wrong_matrix_is_refused_with_its_place)
{
    assert_refused(refusals[_i].text, refusals[_i].gpu, refusals[_i].part);
}
END_TEST

START_TEST(other_outputs_of_nvidia_smi_are_refused_by_name)
{
    static const char *const files[][2] = {
        { "topo-p2p-n-pair-domains.txt", "belongs to `nvidia-smi topo -p2p`" },
        { "topo-p2p-r-5090x2-gns.txt", "\"GNS\" belongs to `nvidia-smi topo -p2p`" },
        { "topo-m-windows-591-unsupported.txt", "this nvidia-smi has no `topo -m`" },
    };
    g_autofree char *path = sample_path(files[_i][0]);
    g_autofree char *message = refusal(path, "rtx-5090");

    ck_assert_msg(strstr(message, files[_i][1]) != NULL, "%s", message);
    ck_assert_msg(strstr(message, files[_i][0]) != NULL, "%s", message);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_refused)
{
    g_autofree char *missing = refusal("no-such-file.txt", "rtx-3090");
    g_autofree char *directory = refusal(test_folder, "rtx-3090");

    ck_assert_str_eq(missing, "no-such-file.txt: no such file");
    ck_assert_msg(strstr(directory, "is a folder") != NULL, "%s", directory);
}
END_TEST

START_TEST(a_full_disk_is_reported)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = test_write("paste.txt", TWO_GPUS);
    FILE *out = fopen("/dev/full", "w");

    ck_assert(!fab_import_topo_matrix(path, "rtx-3090", out, &error));
    ck_assert_int_eq(error->code, FAB_ERROR_SYSTEM);
    fclose(out);
}
END_TEST

/* ------------------------------------------------------------------ what the NVLinks join */

/* All pairs of `size` GPUs are NV`each`. */
static FabNvlinkKind
kind_of_all_pairs(uint32_t size, uint32_t each, const char *model, uint32_t links)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(FabTopoMatrix) matrix = NULL;
    FabNvlinkPlan plan;

    for (uint32_t i = 0; i < size; i++)
        g_string_append_printf(text, "GPU%u%s", i, i + 1 < size ? " " : "\n");
    for (uint32_t i = 0; i < size; i++) {
        g_string_append_printf(text, "GPU%u", i);
        for (uint32_t j = 0; j < size; j++) {
            if (i == j)
                g_string_append(text, " X");
            else
                g_string_append_printf(text, " NV%u", each);
        }
        g_string_append_c(text, '\n');
    }
    matrix = fab_topo_matrix_parse("built", text->str, text->len, &error);
    ck_assert_msg(matrix != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_msg(fab_nvlink_infer(matrix, "built", model, links, &plan, &error), "%s",
                  error != NULL ? error->message : "");
    return plan.kind;
}

START_TEST(the_link_budget_tells_switches_from_direct_links)
{
    ck_assert_int_eq(kind_of_all_pairs(8, 18, "h100-sxm", 18), FAB_NVLINK_SWITCH);
    ck_assert_int_eq(kind_of_all_pairs(4, 4, "a100-sxm-40", 12), FAB_NVLINK_BRIDGE); /* full mesh of four */
    ck_assert_int_eq(kind_of_all_pairs(4, 12, "a100-sxm-40", 12), FAB_NVLINK_SWITCH);
    ck_assert_int_eq(kind_of_all_pairs(2, 12, "a100-pcie-80", 12), FAB_NVLINK_BRIDGE);
    ck_assert_int_eq(kind_of_all_pairs(2, 18, "h100-sxm", 18), FAB_NVLINK_SWITCH); /* two of a board of eight */
    ck_assert_int_eq(kind_of_all_pairs(6, 1, "v100-sxm2", 6), FAB_NVLINK_MESH);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("import-topo-matrix");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_loop_test(tests, the_machine_of_a_sample_has_its_matrix, 0, G_N_ELEMENTS(samples));
    tcase_add_loop_test(tests, the_printed_matrix_of_an_imported_machine_is_the_imported_one, 0,
                        G_N_ELEMENTS(samples));
    tcase_add_loop_test(tests, a_pasted_matrix_is_read_whatever_happened_to_it, 0, G_N_ELEMENTS(pastes));
    tcase_add_test(tests, utf_16_of_a_windows_shell_is_read);
    tcase_add_test(tests, affinities_are_read_with_holes_and_empty_fields);
    tcase_add_test(tests, the_link_budget_tells_switches_from_direct_links);
    tcase_add_loop_test(tests, a_wrong_matrix_is_refused_with_its_place, 0, G_N_ELEMENTS(refusals));
    tcase_add_loop_test(tests, other_outputs_of_nvidia_smi_are_refused_by_name, 0, 3);
    tcase_add_test(tests, a_file_that_cannot_be_read_is_refused);
    tcase_add_test(tests, a_full_disk_is_reported);
    return run_tests(tests);
}
