/* The program `fabricast`: its sub-commands, its help, its exit status. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "fabricast-config.h"

enum { MAX_COMMANDS = 24 };

static const FabCommand *const table[] = { &fab_command_run, &fab_command_topology, &fab_command_plugin,
                                          &fab_command_import, &fab_command_validate, &fab_command_calibrate,
                                          &fab_command_memory, &fab_command_model, &fab_command_program,
                                          &fab_command_measure, &fab_command_compare, &fab_command_sweep,
                                          &fab_command_claims, &fab_command_explain,
                                          &fab_command_chakra, &fab_command_report };

/* The table as one array, which ends with an empty entry. */
static void
list_commands(FabCommand commands[MAX_COMMANDS])
{
    G_STATIC_ASSERT(G_N_ELEMENTS(table) < MAX_COMMANDS);
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        commands[i] = *table[i];
    commands[G_N_ELEMENTS(table)] = (FabCommand) { 0 };
}

static int
print_help(const FabCommand *commands, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new_for_eyes(NULL, error);
    FILE *out = output != NULL ? fab_output_stream(output) : NULL;

    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    fputs("Usage: fabricast COMMAND ...\n\n"
          "Predicts what a multi-GPU machine does with collectives and transfers.\n\nCommands:\n", out);
    for (; commands->name != NULL; commands++)
        fprintf(out, "  %-12s %s\n", commands->name, commands->summary);
    fputs("  help         Say more about a command: fabricast help run\n\n"
          "Options of every command:\n"
          "  --plugin-dir=DIR     Look for plugins here first\n"
          "  --topology-dir=DIR   Look for machines here first\n"
          "  -h, --help           Print help\n"
          "  --version            Print the version\n\n"
          "Example: fabricast run --topology dgx-h100 --collective all_reduce --sizes 8:8G\n", out);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

static int
print_version(GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new_for_eyes(NULL, error);

    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    fprintf(fab_output_stream(output), "fabricast %s\n", FAB_VERSION);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}

/* "help run" is "run --help"; "help topology show" is "topology show --help". */
static int
help_about(const FabCommand *commands, int argc, char **argv, GError **error)
{
    g_autofree char **words = g_new0(char *, (gsize)argc + 1);

    words[0] = argv[0];
    for (int i = 2; i < argc; i++)
        words[i - 1] = argv[i];
    words[argc - 1] = (char *)"--help";
    return fab_cli_dispatch(commands, argc, words, error);
}

static int
run_program(int argc, char **argv, GError **error)
{
    FabCommand commands[MAX_COMMANDS];
    FabCommand program = { .name = "fabricast", .usage = "COMMAND ...", .summary = "", .children = commands };
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
        { 0 },
    };

    list_commands(commands);
    argv[0] = (char *)program.name;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0))
        return print_help(commands, error);
    if (argc > 1 && strcmp(argv[1], "complete") == 0)
        return fab_cli_complete(commands, argc - 1, argv + 1, error);
    if (!fab_cli_parse(&program, entries, &argc, &argv, error))
        return FAB_EXIT_DONE;
    if (version)
        return print_version(error);
    if (argc > 2 && strcmp(argv[1], "help") == 0)
        return help_about(commands, argc, argv, error);
    return fab_cli_dispatch(commands, argc, argv, error);
}

/* A standard stream that is closed would hand its number to the first file opened. */
static void
hold_standard_streams(void)
{
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++) {
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
            return;
    }
}

/* One line of UTF-8, whatever the names of files and values hold. */
static void
print_error(const GError *error)
{
    g_autofree char *text = g_utf8_make_valid(error->message, -1);
    GString *line = g_string_new(NULL);

    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar letter = g_utf8_get_char(at);
        if (g_unichar_iscntrl(letter))
            g_string_append_printf(line, "\\x%02x", letter);
        else
            g_string_append_unichar(line, letter);
    }
    fprintf(stderr, "fabricast: %s\n", line->str);
    g_string_free(line, TRUE);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    /* GLib keeps pointers into argv's array, not the array: ours may be changed at will. */
    g_autofree char **words = g_new0(char *, (gsize)argc + 2);
    int status;

    hold_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < argc; i++)
        words[i] = argv[i];
    words[0] = (char *)"fabricast";
    status = run_program(argc > 0 ? argc : 1, words, &error);
    if (error == NULL)
        return status;
    print_error(error);
    return fab_error_exit_status(error);
}
