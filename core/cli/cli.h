/* What the sub-commands of the program share. */
#ifndef FAB_CLI_CLI_H
#define FAB_CLI_CLI_H

#include <glib.h>
#include <stdbool.h>

#include "topology/topology.h"

/* One sub-command: either it runs, or it has sub-commands of its own. */
typedef struct FabCommand FabCommand;
struct FabCommand {
    const char *name;
    const char *usage;   /* arguments: "SCENARIO..." */
    const char *summary; /* one line */
    /*
     * Returns an exit status; an error that was set decides instead. argv[0] is the whole name, "fabricast run".
     * NULL where there are `children`.
     */
    int (*run)(const FabCommand *command, int argc, char **argv, GError **error);
    const FabCommand *children; /* ends with an entry whose name is NULL */
    char **(*names)(void);      /* what an argument may be besides files and scenarios, for shells; or NULL */
};

extern const FabCommand fab_command_run, fab_command_topology, fab_command_plugin, fab_command_import,
    fab_command_validate, fab_command_calibrate, fab_command_memory, fab_command_model, fab_command_program,
    fab_command_measure, fab_command_compare, fab_command_sweep, fab_command_claims,
    fab_command_explain, fab_command_chakra, fab_command_report;

/* topology diagram. */
int fab_cli_diagram(const FabCommand *command, int argc, char **argv, GError **error);

/* Runs the sub-command of `commands` that argv[1] names. */
int fab_cli_dispatch(const FabCommand *commands, int argc, char **argv, GError **error);

/*
 * Parses the options of a sub-command: `entries` and the ones every sub-command has. False without an error: help
 * was asked for and has been printed. What is left in argv from 1 on are arguments.
 */
bool fab_cli_parse(const FabCommand *command, const GOptionEntry *entries, int *argc, char ***argv, GError **error);

/* For shells: argv[1] on are the words so far, the last one unfinished; prints what it may become. */
int fab_cli_complete(const FabCommand *commands, int argc, char **argv, GError **error);
/* True when a shell asks, and it has been told what the command takes: nothing is to be parsed. */
bool fab_cli_complete_options(const FabCommand *command, const GOptionEntry *const *tables);

/* Checks the number of arguments left: an error names `wanted`, "a machine". */
bool fab_cli_arguments(const FabCommand *command, int argc, char **argv, int least, int most, const char *wanted,
                       GError **error);

/* The option by which a sub-command changes what it reads; `sets` is a char ***. */
#define FAB_CLI_SET_OPTION(sets, help, form) { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, sets, help, form }
/* Of scenarios, and of a machine. */
#define FAB_CLI_SET_KEY(sets, help) FAB_CLI_SET_OPTION(sets, help, "GROUP.KEY=VALUE")
#define FAB_CLI_SET_ENTRY(sets)                                                                                        \
    FAB_CLI_SET_OPTION(sets, "Override a parameter of the machine's plugin", "PARAMETER=VALUE")

/* A machine with the changes of --set: "parameter=value", or "topology.parameter=value" as scenarios write it. */
FabTopology *fab_cli_machine(const char *name, char *const *sets, GError **error);

#endif
