/* fabricast topology: the machines, their matrices, their diagrams. */
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "report/report.h"
#include "topology/machine.h"

/* Parameter -> value. */
static GHashTable *
read_overrides(char *const *sets, GError **error)
{
    g_autoptr(GHashTable) overrides = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; sets != NULL && sets[i] != NULL; i++) {
        const char *start = g_str_has_prefix(sets[i], "topology.") ? sets[i] + strlen("topology.") : sets[i];
        const char *equals = strchr(start, '=');
        if (equals == NULL || equals == start || !g_utf8_validate(sets[i], -1, NULL)) {
            g_autofree char *shown = g_utf8_make_valid(sets[i], -1);
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --set: \"%.60s\" is not PARAMETER=VALUE",
                        shown);
            return NULL;
        }
        g_hash_table_insert(overrides, g_strndup(start, (gsize)(equals - start)), g_strdup(equals + 1));
    }
    return g_steal_pointer(&overrides);
}

FabTopology *
fab_cli_machine(const char *name, char *const *sets, GError **error)
{
    g_autoptr(GHashTable) overrides = read_overrides(sets, error);

    return overrides != NULL ? fab_machine_load(name, overrides, error) : NULL;
}

/* ------------------------------------------------------------------ list */

static int
run_list(const FabCommand *command, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = { { 0 } };
    g_auto(GStrv) names = NULL;
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GError) first = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (!fab_cli_arguments(command, argc, argv, 0, 0, "nothing", error) ||
        (output = fab_output_new_for_eyes(NULL, error)) == NULL)
        return FAB_EXIT_INPUT;
    names = fab_machine_list();
    for (guint i = 0; names[i] != NULL; i++) {
        g_autofree char *title = NULL, *plugin = NULL;
        g_autoptr(GError) inner = NULL;
        if (fab_machine_describe(names[i], &title, &plugin, &inner))
            fprintf(fab_output_stream(output), "%-22s %-14s %s\n", names[i], plugin, title);
        else if (first == NULL)
            first = g_steal_pointer(&inner);
    }
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    if (first != NULL)
        g_propagate_error(error, g_steal_pointer(&first));
    return FAB_EXIT_DONE;
}

/* ------------------------------------------------------------------ show */

static int
run_show(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(GStrv) sets = NULL;
    g_autofree char *path = NULL;
    gboolean matrix = FALSE;
    const GOptionEntry entries[] = {
        FAB_CLI_SET_ENTRY(&sets),
        { "matrix", 'm', 0, G_OPTION_ARG_NONE, &matrix, "Only the matrix of `nvidia-smi topo -m`", NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Write to a file", "FILE" },
        { 0 },
    };
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabOutput) output = NULL;
    FILE *out;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a machine", error))
        return FAB_EXIT_DONE;
    output = fab_output_new_for_eyes(path, error);
    topology = output != NULL ? fab_cli_machine(argv[1], sets, error) : NULL;
    if (topology == NULL)
        return FAB_EXIT_INPUT;
    out = fab_output_stream(output);
    if (!(matrix ? fab_report_matrix(topology, out, error) : fab_report_topology(topology, out, error)))
        return FAB_EXIT_SYSTEM;
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

/* ------------------------------------------------------------------ check */

static int
run_check(const FabCommand *command, int argc, char **argv, GError **error)
{
    g_auto(GStrv) sets = NULL;
    const GOptionEntry entries[] = { FAB_CLI_SET_ENTRY(&sets), { 0 } };
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, INT_MAX, "a machine", error))
        return FAB_EXIT_DONE;
    output = fab_output_new_for_eyes(NULL, error);
    for (int i = 1; output != NULL && i < argc; i++) {
        g_autoptr(FabTopology) topology = fab_cli_machine(argv[i], sets, error);
        if (topology == NULL) {
            fab_output_finish(output, NULL);
            return FAB_EXIT_INPUT;
        }
        fprintf(fab_output_stream(output), "%s: fine: %s (plugin %s): %u GPU%s, %u vertices, %u links\n", argv[i],
                topology->title != NULL ? topology->title : topology->name, topology->plugin, topology->gpu_count,
                fab_plural(topology->gpu_count), topology->vertex_count, topology->link_count);
    }
    return output != NULL && fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static const FabCommand children[] = {
    { .name = "list", .usage = "", .summary = "List the machines of the catalogue", .run = run_list },
    { .name = "show", .usage = "NAME", .summary = "Print nodes, links and the matrix of a machine", .run = run_show,
      .names = fab_machine_list },
    { .name = "check", .usage = "NAME...", .summary = "Build machines and say if they are fine", .run = run_check,
      .names = fab_machine_list },
    { .name = "diagram", .usage = "NAME -o FILE", .summary = "Draw a machine", .run = fab_cli_diagram,
      .names = fab_machine_list },
    { 0 },
};

const FabCommand fab_command_topology = {
    .name = "topology",
    .usage = "COMMAND ...",
    .summary = "List, show, check and draw machines",
    .children = children,
};
