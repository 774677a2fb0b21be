#include "measure/json.h"

#include <stdio.h>

#include "base/error.h"
#include "base/nesting.h"

/* nccl-tests lists every iteration when asked to: 64 sizes of 10000 have 20 MiB. */
enum { MAX_BYTES = 64 << 20 };

/* The parser's message begins with "<data>:LINE:COLUMN: ". */
static void
refuse(const char *path, const GError *failure, const char *hint, GError **error)
{
    unsigned line = 0, column = 0;

    if (sscanf(failure->message, "<data>:%u:%u", &line, &column) == 2)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u column %u: the JSON ends or breaks here; %s", path,
                    line, column, hint);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: cannot be read as JSON: %s", path, failure->message);
}

JsonParser *
fab_measure_parse_json(FabLog *log, const char *path, const char *hint, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) failure = NULL;
    size_t length = 0;
    g_autofree char *text = fab_log_rest(log, MAX_BYTES, &length, error);

    if (text == NULL || !fab_nesting_check(path, text, length, error))
        return NULL;
    if (json_parser_load_from_data(parser, text, (gssize)length, &failure))
        return g_steal_pointer(&parser);
    refuse(path, failure, hint, error);
    return NULL;
}
