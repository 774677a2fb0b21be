/* fabricast import: turns the output of other tools into our files. */
#include "base/error.h"
#include "cli/cli.h"
#include "cli/import-measurement.h"
#include "cli/output.h"
#include "measure/import-topo-matrix.h"

static int
run_topo_matrix(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_autofree char *gpu = NULL, *path = NULL;
    const GOptionEntry entries[] = {
        { "gpu", 0, 0, G_OPTION_ARG_FILENAME, &gpu, "Which GPUs they are, an id such as l40s; the output does not say",
          "MODEL" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a file", error))
        return FAB_EXIT_DONE;
    if (gpu == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: topo-matrix needs --gpu MODEL, such as rtx-4090, since nvidia-smi topo -m does not "
                    "name the GPUs");
        return FAB_EXIT_INPUT;
    }
    output = fab_output_new(path, error);
    if (output == NULL || !fab_import_topo_matrix(fab_cli_input(argv[1]), gpu, fab_output_stream(output), error))
        return FAB_EXIT_INPUT;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static const FabCommand children[] = {
    { .name = "topo-matrix",
      .usage = "FILE --gpu MODEL",
      .summary = "The output of nvidia-smi topo -m becomes a machine file; FILE - is standard input, here and below",
      .run = run_topo_matrix },
    { .name = "nccl-tests",
      .usage = "FILE [-o ID]",
      .summary = "What all_reduce_perf and its like print becomes a measurement",
      .run = fab_cli_import_nccl_tests },
    { .name = "nvbandwidth",
      .usage = "FILE [-o ID]",
      .summary = "Copies between GPUs that nvbandwidth measured become measurements",
      .run = fab_cli_import_nvbandwidth },
    { .name = "p2pBandwidthLatencyTest",
      .usage = "FILE [-o ID]",
      .summary = "The matrices of the CUDA sample become measurements",
      .run = fab_cli_import_p2p },
    { .name = "nccl-topology",
      .usage = "FILE [--gpu MODEL]",
      .summary = "What NCCL_TOPO_DUMP_FILE holds becomes a machine file",
      .run = fab_cli_import_nccl_topology },
    { .name = "nccl-graph",
      .usage = "FILE",
      .summary = "The channels and rings that NCCL_GRAPH_DUMP_FILE holds",
      .run = fab_cli_import_nccl_graph },
    { 0 },
};

const FabCommand fab_command_import = {
    .name = "import",
    .usage = "FORMAT ...",
    .summary = "Turn the output of other tools into machine files and measurements",
    .children = children,
};
