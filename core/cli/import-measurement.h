/* fabricast import of what becomes measurements: logs of programs that measure machines. */
#ifndef FAB_CLI_IMPORT_MEASUREMENT_H
#define FAB_CLI_IMPORT_MEASUREMENT_H

#include "cli/cli.h"

/* The file that a word of the command line names: "-" is standard input. Belongs to `word`, or static. */
const char *fab_cli_input(const char *word);

int fab_cli_import_nccl_tests(const FabCommand *command, int argc, char **argv, GError **error);
int fab_cli_import_nvbandwidth(const FabCommand *command, int argc, char **argv, GError **error);
int fab_cli_import_p2p(const FabCommand *command, int argc, char **argv, GError **error);
/* These write machine files and channels, but report lines in the same way. */
int fab_cli_import_nccl_topology(const FabCommand *command, int argc, char **argv, GError **error);
int fab_cli_import_nccl_graph(const FabCommand *command, int argc, char **argv, GError **error);

#endif
