/* Fuzz target: Chakra traces, as protobuf and as JSON. What is accepted has dependences that lie inside. */
#include "fuzz.h"
#include "workload/execution-trace.h"

static void
check(FabTraceRank *rank, GError **error)
{
    fuzz_check_outcome(rank != NULL, error);
    for (guint i = 0; rank != NULL && i < rank->nodes->len; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        g_assert_true(node->duration_ps >= 0);
        for (uint32_t k = node->first; k < node->first + node->count; k++)
            g_assert_cmpuint(g_array_index(rank->waits, uint64_t, k), <, rank->nodes->len);
    }
    fab_trace_rank_free(rank);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;

    check(fab_trace_parse_protobuf("t.et", data, size, FAB_TRACE_ALL, &error), &error);
    check(fab_trace_parse_json("t.json", (const char *)data, size, FAB_TRACE_ALL, &error), &error);
    return 0;
}
