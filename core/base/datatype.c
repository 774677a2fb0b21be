#include "base/datatype.h"

#include <string.h>

#include "base/error.h"

typedef struct {
    const char *name, *alias;
    uint32_t bytes;
} Datatype;

/* Names as nccl-tests prints them; aliases as NCCL's header and frameworks write them. */
static const Datatype datatypes[] = {
    { "int8", "char", 1 },       { "uint8", "uchar", 1 },      { "int32", "int", 4 },
    { "uint32", "uint", 4 },     { "int64", "long", 8 },       { "uint64", "ulong", 8 },
    { "half", "float16", 2 },    { "float", "float32", 4 },    { "double", "float64", 8 },
    { "bfloat16", "bf16", 2 },   { "f8e4m3", "fp8_e4m3", 1 },  { "f8e5m2", "fp8_e5m2", 1 },
};

const char *
fab_datatype_find(const char *name, GError **error)
{
    const char *known[G_N_ELEMENTS(datatypes) + 1] = { NULL };
    g_autofree char *suggestion = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(datatypes); i++) {
        known[i] = datatypes[i].name;
        if (strcmp(name, datatypes[i].name) == 0 || strcmp(name, datatypes[i].alias) == 0)
            return datatypes[i].name;
    }
    suggestion = fab_suggestion(name, known);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a datatype%s", name, suggestion);
    return NULL;
}

uint32_t
fab_datatype_bytes(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(datatypes); i++) {
        if (strcmp(name, datatypes[i].name) == 0)
            return datatypes[i].bytes;
    }
    return 0;
}
