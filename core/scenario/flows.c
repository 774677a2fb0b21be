#include "scenario/flows.h"

#include <string.h>

#include "base/error.h"
#include "base/units.h"

enum { MAX_PAIRS = 1 << 16 };

bool
fab_parse_gpu(const char *text, uint32_t *gpu, GError **error)
{
    int64_t number;

    if (!fab_parse_integer(text, &number, error))
        return false;
    if (number < 0 || number >= FAB_MOST_GPUS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "GPU %.60s does not exist, GPUs are counted from 0", text);
        return false;
    }
    *gpu = (uint32_t)number;
    return true;
}

static bool
add_pair(GArray *pairs, uint32_t from, uint32_t to, GError **error)
{
    FabTransferPair pair = { from, to };

    if (pairs->len == MAX_PAIRS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "has more than %d flows", MAX_PAIRS);
        return false;
    }
    g_array_append_val(pairs, pair);
    return true;
}

static bool
parse_end(const char *text, uint32_t *end, GError **error)
{
    *end = FAB_FLOW_HOST;
    return strcmp(text, "h") == 0 || fab_parse_gpu(text, end, error);
}

/* "0>1", or "0<>1" for both directions at once; "h>0" from host memory. */
static bool
parse_flow(const char *text, GArray *pairs, GError **error)
{
    bool both = strstr(text, "<>") != NULL;
    g_auto(GStrv) ends = g_strsplit(text, both ? "<>" : ">", -1);
    uint32_t from, to;

    if (g_strv_length(ends) != 2) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a flow such as 0>1 or, both ways, 0<>1", text);
        return false;
    }
    if (!parse_end(ends[0], &from, error) || !parse_end(ends[1], &to, error))
        return false;
    if (from == to) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" ends where it starts, a flow joins two GPUs, or host "
                    "memory (h) and one", text);
        return false;
    }
    return add_pair(pairs, from, to, error) && (!both || add_pair(pairs, to, from, error));
}

bool
fab_parse_flows(const char *text, FabScenario *scenario, GError **error)
{
    g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(FabTransferPair));
    g_auto(GStrv) parts = g_strsplit_set(text, " \t,;", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        if (parts[i][0] != '\0' && !parse_flow(parts[i], pairs, error))
            return false;
    }
    if (pairs->len == 0) {
        g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, "names no flow, a flow is written 0>1");
        return false;
    }
    scenario->pair_count = pairs->len;
    scenario->pairs = (FabTransferPair *)g_array_free(g_steal_pointer(&pairs), FALSE);
    return true;
}
