/* Finding sub-commands and parsing their options. */
#include "cli/cli.h"

#include <string.h>

#include "base/error.h"
#include "cli/output.h"
#include "plugin/loader.h"
#include "topology/machine.h"

/* ------------------------------------------------------------------ sub-commands */

static bool
is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* Owned by the caller, the names are not. */
static const char **
names_of(const FabCommand *commands)
{
    GPtrArray *names = g_ptr_array_new();

    for (; commands->name != NULL; commands++)
        g_ptr_array_add(names, (char *)commands->name);
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

static int
print_children(const FabCommand *commands, const char *program, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new_for_eyes(NULL, error);

    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    fprintf(fab_output_stream(output), "Usage: %s COMMAND ...\n\nCommands:\n", program);
    for (; commands->name != NULL; commands++)
        fprintf(fab_output_stream(output), "  %-12s %s\n", commands->name, commands->summary);
    fprintf(fab_output_stream(output), "\n%s COMMAND --help says more about one.\n", program);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

int
fab_cli_dispatch(const FabCommand *commands, int argc, char **argv, GError **error)
{
    g_autofree const char **names = names_of(commands);
    g_autofree char *name = NULL;
    const FabCommand *command = commands;

    if (argc < 2) {
        g_autofree char *all = g_strjoinv(", ", (char **)names);
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s needs a command: %s", argv[0], all);
        return FAB_EXIT_INPUT;
    }
    if (is_help(argv[1]))
        return print_children(commands, argv[0], error);
    while (command->name != NULL && strcmp(command->name, argv[1]) != 0)
        command++;
    if (command->name == NULL) {
        g_autofree char *suggestion = fab_suggestion(argv[1], names);
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s has no command \"%.60s\"%s", argv[0], argv[1],
                    suggestion);
        return FAB_EXIT_INPUT;
    }
    name = g_strdup_printf("%s %s", argv[0], argv[1]);
    argv[1] = name;
    return command->children != NULL ? fab_cli_dispatch(command->children, argc - 1, argv + 1, error)
                                     : command->run(command, argc - 1, argv + 1, error);
}

/* ------------------------------------------------------------------ options */

/* The options of every sub-command. */
typedef struct {
    char **plugin_dirs, **topology_dirs;
    gboolean help;
} Common;

static void
clear_common(Common *common)
{
    g_strfreev(common->plugin_dirs);
    g_strfreev(common->topology_dirs);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Common, clear_common)

/* Each call puts a folder in front of the ones before, so the last one of the line goes first. */
static void
add_folders(char **folders, void (*add)(const char *))
{
    for (guint i = folders != NULL ? g_strv_length(folders) : 0; i > 0; i--)
        add(folders[i - 1]);
}

/* GLib's message ends in the option it does not know; ours offers the nearest. */
static void
explain_unknown(const GOptionEntry *const *tables, GError **error)
{
    const char *option = strrchr((*error)->message, ' ');
    g_autofree char *word = g_strdup(option != NULL ? option + 1 : "");
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    const char *nearest; /* without the dashes: they would count as likeness */

    for (; *tables != NULL; tables++) {
        for (const GOptionEntry *entry = *tables; entry->long_name != NULL; entry++)
            g_ptr_array_add(known, (gpointer)entry->long_name);
    }
    g_ptr_array_add(known, NULL);
    nearest = fab_nearest(word + strspn(word, "-"), (const char *const *)known->pdata);
    g_clear_error(error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: unknown option %.60s%s%s%s", word,
                nearest != NULL ? "; did you mean --" : "", nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

/* Errors of GOption in our own form. */
static void
explain(const GOptionEntry *const *tables, GError **error)
{
    if (g_error_matches(*error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION)) {
        explain_unknown(tables, error);
    } else if ((*error)->domain == G_OPTION_ERROR) {
        (*error)->message[0] = g_ascii_tolower((*error)->message[0]);
        g_prefix_error(error, "command line: ");
    }
}

/* Whether a word is this option, "--sizes", "--sizes=1M" or "-o". */
static bool
is_option(const char *word, const GOptionEntry *entry)
{
    size_t length = strlen(entry->long_name);

    if (word[0] == '-' && word[1] != '-' && entry->short_name != 0)
        return word[1] == entry->short_name;
    return g_str_has_prefix(word, "--") && strncmp(word + 2, entry->long_name, length) == 0 &&
           (word[2 + length] == '\0' || word[2 + length] == '=');
}

/* GOption takes the last of two values and says nothing. */
static bool
refuse_second_values(const GOptionEntry *entry, char **argv, GError **error)
{
    for (; entry->long_name != NULL; entry++) {
        uint32_t count = 0;

        if (entry->arg != G_OPTION_ARG_STRING && entry->arg != G_OPTION_ARG_FILENAME)
            continue;
        for (char **word = argv; *word != NULL && strcmp(*word, "--") != 0; word++)
            count += is_option(*word, entry);
        if (count > 1) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --%s is given %u times, must be given once",
                        entry->long_name, count);
            return false;
        }
    }
    return true;
}

/* Options that name a file to write; of importers --output is the id of a measurement. */
static bool
is_output(const GOptionEntry *entry)
{
    static const char *const names[] = { "output", "trace", "gantt", "diagram", NULL };

    return entry->arg == G_OPTION_ARG_FILENAME && g_strv_contains(names, entry->long_name) &&
           g_strcmp0(entry->arg_description, "FILE") == 0;
}

/* What another option names may be a file that is read, or "key=FILE", or one that is written too. */
static bool
spare_option(const GOptionEntry *output, const char *path, const GOptionEntry *entry, GError **error)
{
    char **one = entry->arg == G_OPTION_ARG_FILENAME ? (char **)entry->arg_data : NULL;
    char **many = entry->arg == G_OPTION_ARG_FILENAME_ARRAY ? *(char ***)entry->arg_data : NULL;

    if (is_output(entry))
        return entry == output || fab_output_check_apart(output->long_name, path, entry->long_name, *one, error);
    for (; many != NULL && *many != NULL; many++) {
        const char *equals = strchr(*many, '=');
        if (equals != NULL && !fab_output_check(output->long_name, path, equals + 1, error))
            return false;
    }
    return one == NULL || (fab_output_check(output->long_name, path, *one, error) &&
                           fab_output_check_apart(output->long_name, path, entry->long_name, *one, error));
}

/* No output takes the place of a file that the command line names as an input. */
static bool
spare_inputs(const GOptionEntry *entries, int argc, char **argv, GError **error)
{
    for (const GOptionEntry *output = entries; output->long_name != NULL; output++) {
        const char *path = is_output(output) ? *(char **)output->arg_data : NULL;
        bool good = true;

        for (int i = 1; i < argc && path != NULL && good; i++)
            good = fab_output_check(output->long_name, path, argv[i], error);
        for (const GOptionEntry *entry = entries; entry->long_name != NULL && path != NULL && good; entry++)
            good = spare_option(output, path, entry, error);
        if (!good)
            return false;
    }
    return true;
}

static bool
print_help(GOptionContext *context, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new_for_eyes(NULL, error);
    g_autofree char *text = g_option_context_get_help(context, FALSE, NULL);

    if (output == NULL)
        return false;
    fputs(text, fab_output_stream(output));
    return fab_output_finish(output, error);
}

bool
fab_cli_parse(const FabCommand *command, const GOptionEntry *entries, int *argc, char ***argv, GError **error)
{
    g_auto(Common) common = { 0 };
    const GOptionEntry shared[] = {
        { "plugin-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &common.plugin_dirs, "Look for plugins here first", "DIR" },
        { "topology-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &common.topology_dirs, "Look for machines here first",
          "DIR" },
        { "help", 'h', 0, G_OPTION_ARG_NONE, &common.help, "Print this", NULL },
        { 0 },
    };
    const GOptionEntry *const tables[] = { entries, shared, NULL };
    g_autoptr(GOptionContext) context = NULL;

    if (fab_cli_complete_options(command, tables))
        return false;
    context = g_option_context_new(command->usage);
    g_set_prgname((*argv)[0]); /* the usage line of the help shows it */
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_main_entries(context, shared, NULL);
    g_option_context_set_summary(context, command->summary);
    g_option_context_set_help_enabled(context, FALSE);
    /* Before the first sub-command only the program's own options may stand. */
    g_option_context_set_strict_posix(context, command->children != NULL);
    if (!refuse_second_values(entries, *argv, error))
        return false;
    if (!g_option_context_parse(context, argc, argv, error)) {
        explain(tables, error);
        return false;
    }
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        (*argv)[1] = (*argv)[0];
        (*argv)++;
        (*argc)--;
    }
    add_folders(common.plugin_dirs, fab_plugin_add_directory);
    add_folders(common.topology_dirs, fab_machine_add_directory);
    if (common.help)
        print_help(context, error);
    return !common.help && spare_inputs(entries, *argc, *argv, error);
}

bool
fab_cli_arguments(const FabCommand *command, int argc, char **argv, int least, int most, const char *wanted,
                  GError **error)
{
    if (argc - 1 < least) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %s needs %s: %s %s", command->name, wanted,
                    argv[0], command->usage);
        return false;
    }
    if (argc - 1 > most) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: \"%.60s\" is one argument too many: %s %s",
                    argv[most + 1], argv[0], command->usage);
        return false;
    }
    return true;
}
