#include "base/error.h"

#include <string.h>

enum { MOST_LISTED = 50 }; /* words in a message */

GQuark
fab_error_quark(void)
{
    return g_quark_from_static_string("fabricast-error");
}

int
fab_error_exit_status(const GError *error)
{
    if (error == NULL)
        return FAB_EXIT_DONE;
    if (error->domain == FAB_ERROR)
        return error->code == FAB_ERROR_SYSTEM ? FAB_EXIT_SYSTEM : FAB_EXIT_INPUT;
    return error->domain == G_OPTION_ERROR ? FAB_EXIT_INPUT : FAB_EXIT_SYSTEM;
}

bool
fab_refuse(GError **error, FabError code, const char *where, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list values;

    va_start(values, format);
    what = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error(error, FAB_ERROR, (gint)code, "%s: %s", where, what);
    return false;
}

/* Edits (insert, delete, replace) that turn `a` into `b`: Levenshtein's distance, one row. */
static unsigned
edit_distance(const char *a, const char *b)
{
    size_t width = strlen(b);
    g_autofree unsigned *row = g_new(unsigned, width + 1);

    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            unsigned above = row[j];
            unsigned replace = diagonal + (g_ascii_tolower(a[i - 1]) != g_ascii_tolower(b[j - 1]));
            row[j] = MIN(MIN(above, row[j - 1]) + 1, replace);
            diagonal = above;
        }
    }
    return row[width];
}

const char *
fab_nearest(const char *word, const char *const *known)
{
    const char *best = NULL;
    size_t length = strnlen(word, 100);
    unsigned limit = 1 + (unsigned)length / 3;

    if (length >= 100)
        return NULL;
    for (; *known != NULL; known++) {
        unsigned distance = edit_distance(word, *known);
        if (distance == 0)
            return *known;
        if (distance <= limit) {
            limit = distance - 1;
            best = *known;
        }
    }
    return best;
}

char *
fab_suggestion(const char *word, const char *const *known)
{
    const char *nearest = fab_nearest(word, known);
    g_autofree char *all = NULL;

    if (nearest != NULL)
        return g_strdup_printf("; did you mean %s?", nearest);
    if (g_strv_length((char **)known) > MOST_LISTED) {
        g_autofree char **first = g_memdup2(known, (MOST_LISTED + 1) * sizeof *known);
        first[MOST_LISTED] = NULL;
        all = g_strjoinv(", ", first);
        return g_strdup_printf("; accepted: %s and %u more", all, g_strv_length((char **)known) - MOST_LISTED);
    }
    all = g_strjoinv(", ", (char **)known);
    return g_strdup_printf("; accepted: %s", all);
}

int
fab_compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
