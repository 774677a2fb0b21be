/* fabricast topology diagram: draws a machine. */
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "predict/fault.h"
#include "report/report.h"
#include "scenario/find.h"

typedef struct {
    const char *result, *faults, *path; /* of faults: a scenario */
    bool expand;
} Wanted;

/* What the scenario's faults leave of each link; NULL with an error. */
static double *
read_faults(const FabTopology *topology, const char *name, GError **error)
{
    g_autofree char *path = fab_scenario_find(name, error);
    g_autoptr(FabScenario) scenario = path != NULL ? fab_scenario_load(path, NULL, error) : NULL;

    if (scenario != NULL && scenario->faults->len == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no [fault] that a diagram could show", path);
        return NULL;
    }
    return scenario != NULL ? fab_fault_left(scenario, topology, error) : NULL;
}

static bool
draw(const FabTopology *topology, const Wanted *wanted, GError **error)
{
    g_autofree double *left = wanted->faults != NULL ? read_faults(topology, wanted->faults, error) : NULL;
    FabDiagramLoad *load;
    bool drawn;

    if (wanted->faults != NULL && left == NULL)
        return false;
    load = wanted->result != NULL ? fab_diagram_load_read(topology, wanted->result, error) : NULL;
    if (wanted->result != NULL && load == NULL)
        return false;
    drawn = fab_report_diagram(topology, load, left, wanted->path, wanted->expand, error);
    fab_diagram_load_free(load);
    return drawn;
}

int
fab_cli_diagram(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(GStrv) sets = NULL;
    g_autofree char *path = NULL, *load = NULL, *faults = NULL;
    gboolean expand = FALSE;
    const GOptionEntry entries[] = {
        FAB_CLI_SET_ENTRY(&sets),
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Where to draw: x.svg, x.png, x.pdf or x.dot", "FILE" },
        { "load", 0, 0, G_OPTION_ARG_FILENAME, &load, "Colour links by their use in a result of run --json", "RESULT" },
        { "faults", 0, 0, G_OPTION_ARG_FILENAME, &faults, "Mark the links that a scenario's faults take", "SCENARIO" },
        { "expand", 0, 0, G_OPTION_ARG_NONE, &expand, "Draw every box, also where all are alike", NULL },
        { 0 },
    };
    g_autoptr(FabTopology) topology = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a machine", error))
        return FAB_EXIT_DONE;
    if (path == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: diagram needs -o FILE; the suffix says how to draw: svg, png, pdf or dot");
        return FAB_EXIT_INPUT;
    }
    topology = fab_file_check_place(path, error) ? fab_cli_machine(argv[1], sets, error) : NULL;
    return topology != NULL && draw(topology, &(Wanted) { load, faults, path, expand }, error) ? FAB_EXIT_DONE
                                                                                               : FAB_EXIT_INPUT;
}
