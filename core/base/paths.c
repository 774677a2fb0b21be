#include "base/paths.h"

#include <glib.h>
#include <stdbool.h>

#include "fabricast-config.h"

/* True when the running program lies in the folder this library was built in. */
static bool
in_build_tree(void)
{
    static gsize state = 0; /* 1: no, 2: yes */

    if (g_once_init_enter(&state)) {
        g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
        bool inside = program != NULL && g_str_has_prefix(program, FAB_BUILD_DIR "/");
        g_once_init_leave(&state, inside ? 2 : 1);
    }
    return state == 2;
}

const char *
fab_path_plugins(void)
{
    return in_build_tree() ? FAB_BUILD_DIR "/plugins" : FAB_INSTALL_PLUGINS;
}

const char *
fab_path_modules(void)
{
    return in_build_tree() ? FAB_BUILD_DIR "/core/mpi" : FAB_INSTALL_MODULES;
}

const char *
fab_path_topologies(void)
{
    return in_build_tree() ? FAB_SOURCE_DIR "/topologies" : FAB_INSTALL_DATA "/topologies";
}

const char *
fab_path_scenarios(void)
{
    return in_build_tree() ? FAB_SOURCE_DIR "/scenarios" : FAB_INSTALL_DATA "/scenarios";
}

const char *
fab_path_measurements(void)
{
    return in_build_tree() ? FAB_SOURCE_DIR "/tests/measurements" : FAB_INSTALL_DATA "/measurements";
}
