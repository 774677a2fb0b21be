/* fabricast program: the channel programs behind a scenario. */
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/scenario-options.h"
#include "study/export.h"
#include "topology/machine.h"

static int
run_export(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(FabScenarioOptions) options = { .sets = NULL };
    g_autofree char *path = NULL;
    const GOptionEntry others[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    GOptionEntry entries[FAB_SCENARIO_ENTRIES + G_N_ELEMENTS(others)];
    g_autoptr(GPtrArray) scenarios = NULL;
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabOutput) output = NULL;
    const FabScenario *scenario;

    fab_scenario_options_list(&options, entries);
    memcpy(entries + FAB_SCENARIO_ENTRIES, others, sizeof others);
    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 0, 1, "a scenario", error) ||
        !fab_scenario_options_collect(&options, command, argc, argv, error))
        return FAB_EXIT_DONE;
    output = fab_output_new(path, error);
    scenarios = output != NULL ? fab_scenario_options_load(&options, argc - 1, argv + 1, error) : NULL;
    if (scenarios == NULL)
        return FAB_EXIT_INPUT;
    scenario = scenarios->pdata[0];
    topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    if (topology == NULL || !fab_export(scenario, topology, fab_output_stream(output), error)) {
        fab_scenario_options_blame(&options, scenario, error);
        return FAB_EXIT_INPUT;
    }
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static const FabCommand children[] = {
    { .name = "export", .usage = "[SCENARIO]", .summary = "Write what every rank does as a file that GPUs can run",
      .run = run_export },
    { 0 },
};

const FabCommand fab_command_program = {
    .name = "program",
    .usage = "COMMAND ...",
    .summary = "Write the channel programs behind a scenario",
    .children = children,
};
