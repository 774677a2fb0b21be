/* Fuzz target: config.json of models. What is accepted can be counted. */
#include "fuzz.h"
#include "scenario/model.h"
#include "workload/parameters.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabModel) model = fab_model_parse_config("config.json", (const char *)data, size, &error);

    fuzz_check_outcome(model != NULL, &error);
    if (model != NULL)
        g_assert_cmpuint(fab_parameters(model).total, <, UINT64_C(1) << 60);
    return 0;
}
