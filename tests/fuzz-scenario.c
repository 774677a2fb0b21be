/* Fuzz target: scenario files, and the same text as values set on the command line. */
#include "fuzz.h"
#include "scenario/scenario.h"
#include "workload/memory.h"

static void
load(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_load(path, NULL, &error);

    fuzz_check_outcome(scenario != NULL, &error);
    if (scenario != NULL)
        g_assert_nonnull(scenario->topology);
    /* Steps of up to 64 stages: the account takes longer with more. */
    if (scenario != NULL && scenario->training != NULL && scenario->training->pp <= 64 &&
        fab_training_place(scenario->training, scenario->model, 8, "fuzz", NULL)) {
        g_autoptr(FabMemory) memory = fab_memory_account(scenario->training, scenario->model, UINT64_C(80) << 30, 8);
        g_assert_cmpuint(memory->count, ==, scenario->training->pp);
    }
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
