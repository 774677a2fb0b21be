/*
 * What shells ask when the tab key is pressed: `fabricast complete WORD...`, the last word unfinished. One candidate a
 * line, a tab, what it is; ":files" when a file may stand there too.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/paths.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "scenario/find.h"
#include "topology/machine.h"

typedef struct {
    const char *word;     /* the unfinished one */
    const char *before;   /* the word before it; "" */
    FILE *out;
    bool files;
} Ask;

/* Where fab_cli_parse() tells its options instead of parsing. */
static Ask *asked;

static void
offer(const Ask *ask, const char *word, const char *suffix, const char *what)
{
    g_autofree char *whole = g_strconcat(word, suffix, NULL);

    if (g_str_has_prefix(whole, ask->word))
        fprintf(ask->out, "%s\t%s\n", whole, what != NULL ? what : "");
}

/* Owned list of names behind a prefix such as "--topology=". */
static void
offer_names(const Ask *ask, const char *prefix, char **names, const char *what)
{
    for (guint i = 0; names != NULL && names[i] != NULL; i++) {
        g_autofree char *whole = g_strconcat(prefix, names[i], NULL);
        offer(ask, whole, "", what);
    }
    g_strfreev(names);
}

static void
offer_commands(const Ask *ask, const FabCommand *commands)
{
    for (; commands->name != NULL; commands++)
        offer(ask, commands->name, "", commands->summary);
}

/* Names of the scenarios that came with the program, NULL-terminated. g_strfreev(). */
static char **
list_scenarios(void)
{
    g_autoptr(GDir) dir = g_dir_open(fab_path_scenarios(), 0, NULL);
    GPtrArray *names = g_ptr_array_new();
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(name, ".ini"))
            g_ptr_array_add(names, fab_scenario_name_of(name));
    }
    g_ptr_array_sort(names, fab_compare_strings);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* ------------------------------------------------------------------ options and their values */

static bool
takes_value(const GOptionEntry *entry)
{
    return entry->arg != G_OPTION_ARG_NONE && entry->arg != G_OPTION_ARG_CALLBACK;
}

static void
offer_value(Ask *ask, const GOptionEntry *entry, const char *prefix)
{
    if (strcmp(entry->long_name, "topology") == 0)
        offer_names(ask, prefix, fab_machine_list(), "machine");
    if (entry->arg == G_OPTION_ARG_FILENAME || entry->arg == G_OPTION_ARG_FILENAME_ARRAY)
        ask->files = true;
}

/* The value of an option that is written as "--name=VALUE" or "--name VALUE". */
static bool
offer_for(Ask *ask, const GOptionEntry *entry)
{
    g_autofree char *option = g_strdup_printf("--%s", entry->long_name);
    g_autofree char *begun = g_strdup_printf("--%s=", entry->long_name);
    const char letter[] = { '-', entry->short_name, '\0' };

    if (!takes_value(entry))
        return false;
    if (g_str_has_prefix(ask->word, begun)) {
        offer_value(ask, entry, begun);
        return true;
    }
    if (strcmp(ask->before, option) != 0 && (entry->short_name == 0 || strcmp(ask->before, letter) != 0))
        return false;
    offer_value(ask, entry, "");
    return true;
}

bool
fab_cli_complete_options(const FabCommand *command, const GOptionEntry *const *tables)
{
    const char *usage = command->usage;

    if (asked == NULL)
        return false;
    for (const GOptionEntry *const *table = tables; *table != NULL; table++) {
        for (const GOptionEntry *entry = *table; entry->long_name != NULL; entry++) {
            if (offer_for(asked, entry))
                return true;
        }
    }
    for (const GOptionEntry *const *table = tables; *table != NULL && asked->word[0] == '-'; table++) {
        for (const GOptionEntry *entry = *table; entry->long_name != NULL; entry++) {
            g_autofree char *option = g_strdup_printf("--%s", entry->long_name);
            if ((entry->flags & G_OPTION_FLAG_HIDDEN) == 0)
                offer(asked, option, takes_value(entry) ? "=" : "", entry->description);
        }
    }
    if (asked->word[0] == '-')
        return true;
    if (strstr(usage, "SCENARIO") != NULL)
        offer_names(asked, "", list_scenarios(), "scenario");
    if (command->names != NULL)
        offer_names(asked, "", command->names(), "");
    asked->files = usage[0] != '\0';
    return true;
}

/* ------------------------------------------------------------------ finding the command */

/* Follows the words that are finished; NULL: they name no command. *left is what follows its name. */
static const FabCommand *
follow(const FabCommand *commands, int count, char **words)
{
    const FabCommand *found = NULL;

    for (int i = 0; i < count && commands != NULL; i++) {
        const FabCommand *at = commands;
        /* Options of every command may stand before its name. */
        if (words[i][0] == '-' || (i == 0 && strcmp(words[i], "help") == 0))
            continue;
        while (at->name != NULL && strcmp(at->name, words[i]) != 0)
            at++;
        if (at->name == NULL)
            return NULL;
        found = at;
        commands = at->children;
    }
    return found;
}

int
fab_cli_complete(const FabCommand *commands, int argc, char **argv, GError **error)
{
    g_autoptr(FabOutput) output = fab_output_new(NULL, error);
    char *words[] = { argv[0], NULL };
    int count = MAX(argc - 2, 0);
    const FabCommand *command = output != NULL ? follow(commands, count, argv + 1) : NULL;
    Ask ask = { argc > 1 ? argv[argc - 1] : "", argc > 2 ? argv[argc - 2] : "", NULL, false };
    bool about = argc > 2 && strcmp(argv[1], "help") == 0;

    if (output == NULL)
        return FAB_EXIT_SYSTEM;
    ask.out = fab_output_stream(output);
    if (command != NULL && command->children == NULL && !about) {
        asked = &ask;
        command->run(command, 1, words, error);
        asked = NULL;
    } else if (command != NULL && command->children != NULL) {
        offer_commands(&ask, command->children);
    } else if (command == NULL && (count == 0 || (about && count == 1) || argv[1][0] == '-')) {
        offer_commands(&ask, commands);
        offer(&ask, "help", "", "Say more about a command");
        offer(&ask, "--help", "", "Print help");
        offer(&ask, "--version", "", "Print the version");
    }
    if (ask.files)
        fputs(":files\n", ask.out);
    return fab_output_finish(output, error) ? FAB_EXIT_DONE : FAB_EXIT_SYSTEM;
}
