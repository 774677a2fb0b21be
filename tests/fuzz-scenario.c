/* Fuzz target: scenario files, and the same text as values set on the command line. */
#include "fuzz.h"
#include "scenario/scenario.h"

static void
load(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_load(path, NULL, &error);

    fuzz_check_outcome(scenario != NULL, &error);
    if (scenario != NULL)
        g_assert_nonnull(scenario->topology);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) sets = g_strsplit(text, "\n", 64);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = NULL;

    fuzz_with_file(data, size, load);
    if (g_utf8_validate(text, -1, NULL)) {
        scenario = fab_scenario_from_sets(sets, &error);
        fuzz_check_outcome(scenario != NULL, &error);
    }
    return 0;
}
