#include "study/ranks.h"

#include <gmodule.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/units.h"

/* Open MPI, MPICH and what is built on it (and Slurm's PMI), MVAPICH: how many processes were started together. */
static const char *const sizes[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", NULL };

/* More than one; PMIx says which rank a process is and not of how many, so that MPI must be asked. */
static bool
among_others(void)
{
    for (int i = 0; sizes[i] != NULL; i++) {
        const char *text = g_getenv(sizes[i]);
        int64_t size;
        if (text != NULL && fab_parse_integer(text, &size, NULL))
            return size > 1;
    }
    return g_getenv("PMIX_RANK") != NULL;
}

static const FabRanksModule *
open_module(const char *path, GError **error)
{
    /* Not bound locally: MPI libraries load parts of their own that look for its symbols. */
    GModule *module = g_file_test(path, G_FILE_TEST_EXISTS) ? g_module_open(path, 0) : NULL;
    gpointer symbol = NULL;

    if (module != NULL && g_module_symbol(module, FAB_RANKS_SYMBOL, &symbol) && symbol != NULL) {
        g_module_make_resident(module);
        return symbol;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: this process is one of several that were started "
                "together, and this fabricast %s; build it with MPI (meson option mpi), or give each process its share "
                "with --part",
                g_file_test(path, G_FILE_TEST_EXISTS) ? "cannot open its module for MPI" : "was built without MPI");
    return NULL;
}

bool
fab_ranks_find(FabRanks **ranks, GError **error)
{
    g_autofree char *path = g_build_filename(fab_path_modules(), "fabricast-mpi.so", NULL);
    const FabRanksModule *module;

    *ranks = NULL;
    if (!among_others())
        return true;
    module = open_module(path, error);
    *ranks = module != NULL ? module->start() : NULL;
    if (module != NULL && (*ranks == NULL || (*ranks)->abi != FAB_RANKS_ABI)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: %s", path,
                    *ranks == NULL ? "MPI does not start" : "was built with another fabricast, install both anew");
        *ranks = NULL;
        return false;
    }
    if (*ranks != NULL && (*ranks)->size < 2) {
        (*ranks)->finish(*ranks);
        *ranks = NULL;
    }
    return module != NULL;
}

uint32_t
fab_ranks_threads(const FabRanks *ranks)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t ours = g_get_num_processors();

    /* A launcher that binds its processes to cores has shared them out already. */
    return online > (long)ours ? ours : MAX(1, ours / MAX(1, ranks->here));
}
