/* What a direct link between GPUs gains: predicted and measured, where a table has a program with and without it. */
#include <string.h>

#include "validate/training-validate.h"

static bool
is_pair(const FabStepRow *with, const FabStepRow *without)
{
    return with->scored && without->scored && !with->apart && without->apart && with->longer_is_worse &&
           without->longer_is_worse && strcmp(with->run, without->run) == 0 &&
           strcmp(with->metric, without->metric) == 0;
}

static void
add_pair(GArray *pairs, const FabStepCase *one, const FabStepRow *with, const FabStepRow *without)
{
    FabStepPair pair = { .id = one->id, .with = with->row, .without = without->row,
                         .measured = without->measured_step_s / with->measured_step_s,
                         .predicted = without->step_s / with->step_s,
                         .low = without->least_s / with->most_s, .high = without->most_s / with->least_s,
                         .open = without->open };

    g_array_append_val(pairs, pair);
}

GArray *
fab_step_pairs(const FabStepValidation *validation)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(FabStepPair));

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        for (guint a = 0; a < one->rows->len; a++) {
            for (guint b = 0; b < one->rows->len && !g_array_index(one->rows, FabStepRow, a).apart; b++) {
                const FabStepRow *with = &g_array_index(one->rows, FabStepRow, a);
                const FabStepRow *without = &g_array_index(one->rows, FabStepRow, b);
                if (without->apart && is_pair(with, without))
                    add_pair(pairs, one, with, without);
            }
        }
    }
    return pairs;
}
