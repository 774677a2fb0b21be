/* Fuzz target: calibrations. What is accepted is within its ranges. */
#include "collective/overlay.h"
#include "fuzz.h"

static void
load(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabOverlay) overlay = fab_overlay_load(path, &error);

    fuzz_check_outcome(overlay != NULL, &error);
    for (int g = 0; overlay != NULL && fab_constant_groups[g] != NULL; g++) {
        for (const FabConstant *one = fab_constant_table(fab_constant_groups[g]); one->key != NULL; one++) {
            double value = *fab_constants_find(&overlay->constants, fab_constant_groups[g], one->key);
            g_assert_true(value >= one->low && value <= one->high);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, load);
    return 0;
}
