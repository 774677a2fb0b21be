#include "topology/catalogue.h"

#include "base/paths.h"
#include "base/search.h"
#include "topology/machine.h"

static FabSearchPath search = { .variable = "FABRICAST_TOPOLOGY_PATH" };

void
fab_machine_add_directory(const char *directory)
{
    fab_search_add(&search, directory);
}

char **
fab_catalogue_folders(void)
{
    return fab_search_folders(&search, fab_path_topologies());
}
