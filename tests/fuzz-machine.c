/* Fuzz target: machine files, read and built with their plugins. */
#include "fuzz.h"
#include "topology/machine.h"

static void
load(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTopology) machine = fab_machine_load(path, NULL, &error);

    if (machine != NULL)
        g_assert_cmpuint(machine->gpu_count, >, 0);
    fuzz_check_outcome(machine != NULL, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, load);
    return 0;
}
