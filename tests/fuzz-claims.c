/* Fuzz target: claims and sweeps, as far as they are read. What is accepted is within its limits. */
#include "fuzz.h"
#include "scenario/sweep.h"
#include "study/claim-private.h"

static void
read_claims(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabKeyfile) file = fab_keyfile_load(path, &error);
    g_auto(GStrv) groups = file != NULL ? fab_keyfile_groups(file) : NULL;

    fuzz_check_outcome(file != NULL, &error);
    for (guint i = 0; groups != NULL && groups[i] != NULL; i++) {
        g_autoptr(FabClaimSpec) spec = NULL;
        if (!g_str_has_prefix(groups[i], "claim"))
            continue;
        spec = fab_claim_spec_read(file, groups[i], &error);
        fuzz_check_outcome(spec != NULL, &error);
        g_assert_true(spec == NULL || (spec->least <= spec->most && spec->claim->text[0] != '\0'));
        g_assert_true(spec == NULL || (spec->claim->vary == NULL) == (spec->values == NULL));
    }
}

static void
read_sweep(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabSweep) sweep = fab_sweep_load(path, NULL, &error);

    fuzz_check_outcome(sweep != NULL, &error);
    if (sweep == NULL)
        return;
    g_assert_true(sweep->points > 0 && sweep->points <= sweep->grid && sweep->points <= 1000000);
    for (uint64_t point = 0; point < sweep->points; point += MAX(sweep->points / 3, 1)) {
        g_auto(GStrv) settings = fab_sweep_settings(sweep, point);
        g_assert_cmpuint(g_strv_length(settings), >=, sweep->axis_count);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, read_claims);
    fuzz_with_file(data, size, read_sweep);
    return 0;
}
