/* The folders of machine files and GPU models. fab_machine_add_directory() puts one in front. */
#ifndef FAB_TOPOLOGY_CATALOGUE_H
#define FAB_TOPOLOGY_CATALOGUE_H

/* File with one group for each GPU model, in any folder of the catalogue. It is not a machine. */
#define FAB_CATALOGUE_GPUS "gpus"

/* In search order, NULL-terminated; g_strfreev(). */
char **fab_catalogue_folders(void);

#endif
