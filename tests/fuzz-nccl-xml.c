/* Fuzz target: topologies and graphs of NCCL. */
#include <stdlib.h>

#include "fuzz.h"
#include "measure/import-nccl-xml.h"
#include "measure/nccl-graph.h"

static void
check_remark(void *data, const char *message)
{
    (void)data;
    g_assert_null(strchr(message, '\n'));
    g_assert_true(g_utf8_validate(message, -1, NULL));
}

static void
import(const char *path)
{
    const FabImportOptions options = { .remark = check_remark };
    g_auto(FabNcclGraph) graph = { 0 };
    g_autoptr(GError) problem = NULL;
    bool loaded = fab_nccl_graph_load(path, &graph, &problem);

    fuzz_check_outcome(loaded, &problem);
    g_assert_true(loaded == (graph.devices != NULL));

    for (int i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        bool good = i == 2 ? fab_import_nccl_graph(path, &options, out, &error)
                           : fab_import_nccl_topology(path, i == 0 ? NULL : "h100-sxm", &options, out, &error);

        fclose(out);
        fuzz_check_outcome(good, &error);
        g_assert_true(good == (length > 0));
        g_assert_true(g_utf8_validate(text, (gssize)length, NULL));
        free(text);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, import);
    return 0;
}
