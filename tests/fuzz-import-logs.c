/* Fuzz target: logs of nccl-tests, nvbandwidth and p2pBandwidthLatencyTest, all of them by every reader. */
#include "fuzz.h"
#include "measure/import-link.h"
#include "measure/import-nccl-tests.h"

static void
check_remark(void *data, const char *message)
{
    (void)data;
    g_assert_null(strchr(message, '\n'));
    g_assert_true(g_utf8_validate(message, -1, NULL));
}

/* What was read is a measurement of our format, or the refusal says why not. */
static void
check_drafts(GPtrArray *drafts)
{
    for (guint i = 0; i < drafts->len; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FabMeasurement) measurement = NULL;
        g_autofree char *facts = NULL;

        fab_draft_set(drafts->pdata[i], "source", "machine", "fuzz");
        facts = fab_draft_ini(drafts->pdata[i]);
        g_assert_true(g_utf8_validate(facts, -1, NULL));
        g_assert_cmpuint(fab_draft_rows(drafts->pdata[i]), >, 0);
        measurement = fab_draft_measurement(drafts->pdata[i], "fuzz", &error);
        fuzz_check_outcome(measurement != NULL, &error);
    }
}

static void
import(const char *path)
{
    GPtrArray *(*const importers[])(const char *, const FabImportOptions *, GError **)
        = { fab_import_nccl_tests, fab_import_nvbandwidth, fab_import_p2p };
    const FabImportOptions options = { .remark = check_remark };
    const FabImportOptions given = { .remark = check_remark, .collective = "all_gather", .ranks = 4 };

    for (guint i = 0; i < G_N_ELEMENTS(importers); i++) {
        for (int j = 0; j < 2; j++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(GPtrArray) drafts = importers[i](path, j == 0 ? &options : &given, &error);
            fuzz_check_outcome(drafts != NULL, &error);
            if (drafts != NULL)
                check_drafts(drafts);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, import);
    return 0;
}
