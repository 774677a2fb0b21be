/* fabricast memory: whether training steps fit into the GPUs. */
#include <stdio.h>

#include "base/error.h"
#include "cli/output.h"
#include "cli/report-options.h"
#include "report/training.h"
#include "predict/training.h"

static FabFootprint *
account(const char *path, const FabReportOptions *options, GError **error)
{
    g_autoptr(FabScenario) scenario = fab_report_options_load(options, path, error);

    return scenario != NULL ? fab_footprint_new(scenario, NULL, error) : NULL;
}

static void
print_all(GPtrArray *footprints, const FabReportOptions *options, FILE *out)
{
    if (options->json) {
        fab_report_memory_json(footprints, out);
        return;
    }
    for (guint i = 0; i < footprints->len; i++) {
        if (options->csv)
            fab_report_memory_csv(footprints->pdata[i], i == 0, out);
        else
            fab_report_memory(footprints->pdata[i], out);
        if (!options->csv && i + 1 < footprints->len)
            fputc('\n', out);
    }
}

static int
run(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabReportOptions) options = { .sets = NULL };
    g_autoptr(GPtrArray) footprints = g_ptr_array_new_with_free_func((GDestroyNotify)fab_footprint_free);
    g_autoptr(FabOutput) output = NULL;
    bool short_of = false;

    if (!fab_report_options_parse(&options, command, NULL, "Any key of a scenario", &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, G_MAXINT - 1, "a scenario", error))
        return FAB_EXIT_DONE;
    output = fab_report_options_output(&options, error);
    for (int i = 1; i < argc && output != NULL; i++) {
        FabFootprint *footprint = account(argv[i], &options, error);
        if (footprint == NULL)
            return FAB_EXIT_INPUT;
        g_ptr_array_add(footprints, footprint);
        short_of = short_of || footprint->memory->fit == FAB_FIT_NO;
    }
    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    print_all(footprints, &options, fab_output_stream(output));
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    return short_of ? FAB_EXIT_NO : FAB_EXIT_DONE;
}

const FabCommand fab_command_memory = {
    .name = "memory",
    .usage = "SCENARIO...",
    .summary = "Say whether training steps fit into the memory of the GPUs",
    .run = run,
};
