/* Where installed files lie; in a build tree, where the tree has them. */
#ifndef FAB_BASE_PATHS_H
#define FAB_BASE_PATHS_H

/* Folder of modules that the program opens when it needs them. Static. */
const char *fab_path_modules(void);

/* Folder of plugins, of the catalogue, of scenarios, of the open set of measurements. Static. */
const char *fab_path_plugins(void);
const char *fab_path_topologies(void);
const char *fab_path_scenarios(void);
const char *fab_path_measurements(void);

#endif
