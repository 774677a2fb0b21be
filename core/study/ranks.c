#include "study/ranks.h"

#include <gmodule.h>
#include <unistd.h>

#include "base/error.h"
#include "base/paths.h"
#include "base/units.h"

/* Open MPI, MPICH and what is built on it (and Slurm's PMI), MVAPICH: how many processes were started together. */
static const char *const sizes[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", NULL };

/* How many processes the launcher says there are, 1: this one is alone; 0: PMIx says which it is, not of how many. */
static uint32_t
launched(void)
{
    for (int i = 0; sizes[i] != NULL; i++) {
        const char *text = g_getenv(sizes[i]);
        int64_t size;
        if (text != NULL && fab_parse_integer(text, &size, NULL))
            return (uint32_t)CLAMP(size, 1, INT32_MAX);
    }
    return g_getenv("PMIX_RANK") != NULL ? 0 : 1;
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

/* What a module made of it; an MPI that is not the launcher's takes each process for one that is alone. */
static bool
check_ranks(const FabRanks *ranks, const char *path, uint32_t processes, GError **error)
{
    if (ranks == NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: MPI does not start", path);
    else if (ranks->abi != FAB_RANKS_ABI)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: was built with another fabricast, install both anew",
                    path);
    else if (processes > 0 && ranks->size != processes)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: %u processes were started together, and MPI sees "
                    "%u; start them with the mpirun of the MPI that this fabricast was built with", processes,
                    ranks->size);
    else
        return true;
    return false;
}

bool
fab_ranks_find(FabRanks **ranks, GError **error)
{
    g_autofree char *path = g_build_filename(fab_path_modules(), "fabricast-mpi.so", NULL);
    const FabRanksModule *module;
    FabRanks *found;
    uint32_t processes = launched();

    *ranks = NULL;
    if (processes == 1)
        return true;
    module = open_module(path, error);
    if (module == NULL)
        return false;
    found = module->start();
    if (!check_ranks(found, path, processes, error))
        return false;
    if (found->size > 1)
        *ranks = found;
    else
        found->finish(found);
    return true;
}

uint32_t
fab_ranks_threads(const FabRanks *ranks)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t ours = g_get_num_processors();

    /* A launcher that binds its processes to cores has shared them out already. */
    return online > (long)ours ? ours : MAX(1, ours / MAX(1, ranks->here));
}
