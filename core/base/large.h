/*
 * Arrays of many megabytes that are read at random: on huge pages where the system has them, since such reads miss the
 * translation cache nearly every time otherwise.
 */
#ifndef FAB_BASE_LARGE_H
#define FAB_BASE_LARGE_H

#include <glib.h>

/* Zeroed and on a line of the cache of its own. Release it with fab_large_free(). */
gpointer fab_large_new(gsize count, gsize size);
/* A larger copy of `array`, which is released; only its first `used` elements are kept. NULL for none yet. */
gpointer fab_large_grow(gpointer array, gsize used, gsize count, gsize size);
void fab_large_free(gpointer array);

/* Asks for memory that is read and written soon. */
static inline void
fab_fetch(gconstpointer at, gsize bytes)
{
    enum { LINE = 64 };

    for (gsize i = 0; i < bytes; i += LINE)
        __builtin_prefetch((const char *)at + i, 1);
}

#endif
