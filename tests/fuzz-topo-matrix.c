/* Fuzz target: pasted `topo -m` matrices; what is accepted must give a machine file that builds. */
#include "fuzz.h"
#include "measure/import-topo-matrix.h"
#include "measure/topo-matrix.h"
#include "topology/machine.h"

static void
build(const char *text, size_t length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) machine = NULL;
    int fd = memfd_create("machine", 0);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    g_assert_true(write(fd, text, length) == (ssize_t)length);
    machine = fab_machine_load(path, NULL, &error);
    if (machine == NULL)
        g_error("the imported machine does not build: %s\n%s", error->message, text);
    close(fd);
}

static void
import(const char *path)
{
    static const char *const gpus[] = { "h100-sxm", "v100-sxm2", "rtx-3090", "gb200", "rtx-4090" };

    for (guint i = 0; i < G_N_ELEMENTS(gpus); i++) {
        g_autoptr(GError) error = NULL;
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        bool imported = fab_import_topo_matrix(path, gpus[i], out, &error);

        fclose(out);
        fuzz_check_outcome(imported, &error);
        if (imported)
            build(text, length);
        else
            g_assert_cmpuint(length, ==, 0);
        free(text);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopoMatrix) matrix = fab_topo_matrix_parse("input", (const char *)data, size, &error);

    fuzz_check_outcome(matrix != NULL, &error);
    if (matrix != NULL)
        fuzz_with_file(data, size, import);
    return 0;
}
