#include "base/nesting.h"

#include "base/error.h"

enum { MAX_DEPTH = 64 };

bool
fab_nesting_check(const char *path, const char *text, gsize length, GError **error)
{
    bool quoted = false;
    int depth = 0;

    for (gsize i = 0; i < length && depth <= MAX_DEPTH; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '[' || text[i] == '{'))
            depth++;
        else if (!quoted && (text[i] == ']' || text[i] == '}'))
            depth--;
    }
    if (depth <= MAX_DEPTH)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: nests deeper than %d brackets, must be at most that deep",
                path, MAX_DEPTH);
    return false;
}
