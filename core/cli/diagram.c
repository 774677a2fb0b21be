/* fabricast topology diagram: draws a machine. */
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "report/report.h"

static bool
draw(const FabTopology *topology, const char *result, const char *path, bool expand, GError **error)
{
    FabDiagramLoad *load = result != NULL ? fab_diagram_load_read(topology, result, error) : NULL;
    bool drawn;

    if (result != NULL && load == NULL)
        return false;
    drawn = fab_report_diagram(topology, load, path, expand, error);
    fab_diagram_load_free(load);
    return drawn;
}

int
fab_cli_diagram(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(GStrv) sets = NULL;
    g_autofree char *path = NULL, *load = NULL;
    gboolean expand = FALSE;
    const GOptionEntry entries[] = {
        FAB_CLI_SET_ENTRY(&sets),
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Where to draw: x.svg, x.png, x.pdf or x.dot", "FILE" },
        { "load", 0, 0, G_OPTION_ARG_FILENAME, &load, "Colour links by their use in a result of run --json", "RESULT" },
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
    return topology != NULL && draw(topology, load, path, expand, error) ? FAB_EXIT_DONE : FAB_EXIT_INPUT;
}
