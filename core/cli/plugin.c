/* fabricast plugin: the topology plugins and their parameters. */
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "plugin/loader.h"

/* ------------------------------------------------------------------ list */

static int
run_list(const FabCommand *command, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = { { 0 } };
    g_auto(GStrv) names = NULL;
    g_autoptr(FabOutput) output = NULL;
    g_autoptr(GError) first = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 0, 0, "nothing", error))
        return FAB_EXIT_DONE;
    output = fab_output_new_for_eyes(NULL, error);
    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    names = fab_plugin_list();
    for (guint i = 0; names[i] != NULL; i++) {
        g_autoptr(GError) inner = NULL;
        const FabTopologyPlugin *plugin = fab_plugin_load(names[i], &inner);
        if (plugin != NULL)
            fprintf(fab_output_stream(output), "%-16s %s\n", names[i], plugin->summary);
        else if (first == NULL)
            first = g_steal_pointer(&inner);
    }
    if (!fab_output_finish(output, error))
        return FAB_EXIT_SYSTEM;
    /* The others are listed all the same; the first one that cannot be used is what the user must know. */
    if (first != NULL)
        g_propagate_error(error, g_steal_pointer(&first));
    return FAB_EXIT_DONE;
}

/* ------------------------------------------------------------------ info */

static const char *
type_name(FabParamType type)
{
    static const char *const names[] = { "number", "integer", "boolean", "choice", "text" };

    return (size_t)type < G_N_ELEMENTS(names) ? names[type] : "unknown";
}

static void
print_range(FILE *out, const FabParamSpec *spec)
{
    char least[G_ASCII_DTOSTR_BUF_SIZE], most[G_ASCII_DTOSTR_BUF_SIZE];

    if (spec->type == FAB_PARAM_CHOICE) {
        g_auto(GStrv) words = g_strsplit(spec->choices != NULL ? spec->choices : "", ";", -1);
        g_autofree char *all = g_strjoinv(", ", words);
        fprintf(out, "; one of %s", all);
    } else if (spec->type == FAB_PARAM_NUMBER || spec->type == FAB_PARAM_INTEGER) {
        g_ascii_formatd(least, sizeof least, "%.10g", spec->min);
        g_ascii_formatd(most, sizeof most, "%.10g", spec->max);
        fprintf(out, "; %s to %s%s%s", least, most, spec->unit != NULL && spec->unit[0] != '\0' ? " " : "",
                spec->unit != NULL ? spec->unit : "");
    }
}

static void
print_parameter(FILE *out, const FabParamSpec *spec)
{
    fprintf(out, "  %s\n      %s\n      %s", spec->name, spec->help != NULL ? spec->help : "", type_name(spec->type));
    print_range(out, spec);
    if (spec->default_value == NULL)
        fprintf(out, "; %s be given\n", strchr(spec->name, '*') != NULL ? "may" : "must");
    else
        fprintf(out, "; default %s\n", spec->default_value[0] != '\0' ? spec->default_value : "empty");
}

static int
run_info(const FabCommand *command, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = { { 0 } };
    const FabTopologyPlugin *plugin;
    g_autoptr(FabOutput) output = NULL;

    if (!fab_cli_parse(command, entries, &argc, &argv, error) ||
        !fab_cli_arguments(command, argc, argv, 1, 1, "a plugin", error))
        return FAB_EXIT_DONE;
    plugin = strchr(argv[1], '/') != NULL || g_str_has_suffix(argv[1], ".so") ? fab_plugin_load_file(argv[1], error)
                                                                             : fab_plugin_load(argv[1], error);
    output = plugin != NULL ? fab_output_new_for_eyes(NULL, error) : NULL;
    if (output == NULL)
        return FAB_EXIT_INPUT;
    fprintf(fab_output_stream(output), "%s: %s\n\nParameters:\n", plugin->name, plugin->summary);
    for (const FabParamSpec *spec = plugin->params; spec != NULL && spec->name != NULL; spec++)
        print_parameter(fab_output_stream(output), spec);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static const FabCommand children[] = {
    { .name = "list", .usage = "", .summary = "List the topology plugins", .run = run_list },
    { .name = "info", .usage = "NAME", .summary = "Print the parameters of a plugin", .run = run_info,
      .names = fab_plugin_list },
    { 0 },
};

const FabCommand fab_command_plugin = {
    .name = "plugin",
    .usage = "COMMAND ...",
    .summary = "List topology plugins and their parameters",
    .children = children,
};
