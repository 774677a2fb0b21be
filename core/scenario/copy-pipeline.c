#include "scenario/copy-pipeline.h"

#include "base/error.h"
#include "base/units.h"

#define GROUP "pipeline"

enum { MAX_STREAMS = 128, MAX_GPUS = 1024 };

/* More than any host has. */
#define MAX_BYTES (UINT64_C(1) << 44)

const char *const fab_copy_pipeline_keys[] = { "bytes",   "sizes", "streams", "gpus",
                                               "compute", "back",  "issue",   "gap",  NULL };

static bool
read_bytes(FabKeyfile *file, uint64_t *bytes, GError **error)
{
    const char *text = fab_keyfile_get(file, GROUP, "bytes");

    if (text == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [" GROUP "] needs bytes to each GPU, such as bytes=1G",
                    fab_keyfile_path(file));
        return false;
    }
    if (fab_parse_bytes(text, bytes, error)) {
        if (*bytes > 0 && *bytes <= MAX_BYTES)
            return true;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" must be between 1 byte and 16 TiB", text);
    }
    fab_keyfile_prefix_error(file, GROUP, "bytes", error);
    return false;
}

static bool
read_count(FabKeyfile *file, const char *key, int64_t most, uint32_t *count, GError **error)
{
    int64_t number = *count;
    bool good = fab_keyfile_get_integer(file, GROUP, key, 1, most, &number, error);

    *count = (uint32_t)number;
    return good;
}

bool
fab_copy_pipeline_read(FabKeyfile *file, FabCopyPipeline *pipeline, GError **error)
{
    *pipeline = (FabCopyPipeline) { .back = 1, .issue_s = FAB_COPY_PIPELINE_ISSUE_S,
                                    .gap_s = FAB_COPY_PIPELINE_GAP_S, .streams = 2, .gpus = 1 };
    return read_bytes(file, &pipeline->bytes, error) &&
           read_count(file, "streams", MAX_STREAMS, &pipeline->streams, error) &&
           read_count(file, "gpus", MAX_GPUS, &pipeline->gpus, error) &&
           fab_keyfile_get_quantity(file, GROUP, "compute", "B/s", 0, 1e16, &pipeline->compute_rate, error) &&
           fab_keyfile_get_quantity(file, GROUP, "back", "", 0, 1000, &pipeline->back, error) &&
           fab_keyfile_get_quantity(file, GROUP, "issue", "s", 0, 1, &pipeline->issue_s, error) &&
           fab_keyfile_get_quantity(file, GROUP, "gap", "s", 0, 1, &pipeline->gap_s, error);
}
