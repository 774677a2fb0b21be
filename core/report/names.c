#include "report/names.h"

#include <stdlib.h>
#include <string.h>

/* A list of names longer than this becomes "GPU 0..71 (36)". */
#define NAMES_WIDTH 26u
/* B/s in each direction. No way through a CPU or a switch has been measured at this rate. */
#define UNLIMITED_RATE 1e12

size_t
fab_name_stem_length(const char *name)
{
    size_t all = strlen(name), length = all;

    while (length > 0 && g_ascii_isdigit(name[length - 1]))
        length--;
    return all - length > 9 ? all : length;
}

static char *
stem_of(const char *name)
{
    return g_strndup(name, fab_name_stem_length(name));
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    const char *first = *(const char *const *)a, *second = *(const char *const *)b;
    g_autofree char *first_stem = stem_of(first), *second_stem = stem_of(second);
    int order = strcmp(first_stem, second_stem);

    if (order != 0)
        return order;
    return atoi(first + strlen(first_stem)) - atoi(second + strlen(second_stem));
}

/* Whether `next` is numbered one after `name`. */
static bool
follows(const char *name, const char *next)
{
    size_t stem = fab_name_stem_length(name);

    return name[stem] != '\0' && stem == fab_name_stem_length(next) && strncmp(name, next, stem) == 0
           && atoi(next + stem) == atoi(name + stem) + 1;
}

char *
fab_names_join(GPtrArray *names)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *stem_from = NULL;

    g_ptr_array_sort(names, compare_names);
    for (guint i = names->len; i-- > 1;)
        if (strcmp(names->pdata[i], names->pdata[i - 1]) == 0)
            g_ptr_array_remove_index(names, i);
    for (guint i = 0, end; i < names->len; i = end + 1) {
        const char *name = names->pdata[i];
        size_t stem = fab_name_stem_length(name);
        bool same = stem_from != NULL && name[stem] != '\0' && fab_name_stem_length(stem_from) == stem
                    && strncmp(name, stem_from, stem) == 0;
        for (end = i; end + 1 < names->len && follows(names->pdata[end], names->pdata[end + 1]);)
            end++;
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", same ? name + stem : name);
        if (end > i)
            g_string_append_printf(text, "..%s", (const char *)names->pdata[end] + stem);
        stem_from = name;
    }
    if (names->len > 1 && text->len > NAMES_WIDTH) {
        const char *first = names->pdata[0], *last = names->pdata[names->len - 1];
        size_t stem = fab_name_stem_length(first);
        bool same = stem == fab_name_stem_length(last) && strncmp(first, last, stem) == 0;
        g_string_printf(text, "%s..%s (%u)", first, same ? last + stem : last, names->len);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

bool
fab_link_is_unlimited(const FabTopologyLink *link)
{
    /* Cables and slots have a generation or several lanes. */
    bool inside = link->medium == FAB_MEDIUM_INTERNAL ||
                  ((link->medium == FAB_MEDIUM_SOCKET || link->medium == FAB_MEDIUM_PCIE) && link->generation == 0 &&
                   link->lanes <= 1);

    return inside && link->bandwidth >= UNLIMITED_RATE;
}
