#include "base/large.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Below it pages do not matter. */
enum { LINE = 64, LEAST_BYTES = 1 << 20 };

/* In the line before the array: bytes mapped; 0: it is from malloc(). */
static inline gsize *
header(gpointer array)
{
    return (gsize *)((char *)array - LINE);
}

gpointer
fab_large_new(gsize count, gsize size)
{
    gsize bytes = (size == 0 ? 0 : count * size) + LINE;
    char *block;

    if (size != 0 && count > (SIZE_MAX - 2 * LINE) / size)
        g_error("%" G_GSIZE_FORMAT " elements of %" G_GSIZE_FORMAT " bytes do not fit into memory", count, size);
    if (bytes < LEAST_BYTES) {
        bytes = (bytes + LINE - 1) / LINE * LINE;
        block = aligned_alloc(LINE, bytes);
        if (block == NULL)
            g_error("no memory for %" G_GSIZE_FORMAT " bytes", bytes);
        memset(block, 0, bytes);
        return block + LINE;
    }
    block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        g_error("no memory for %" G_GSIZE_FORMAT " bytes", bytes);
#ifdef MADV_HUGEPAGE
    madvise(block, bytes, MADV_HUGEPAGE); /* advice: without it everything is right, but slower */
#endif
    *(gsize *)block = bytes;
    return block + LINE;
}

gpointer
fab_large_grow(gpointer array, gsize used, gsize count, gsize size)
{
    gpointer larger = fab_large_new(count, size);

    if (array != NULL)
        memcpy(larger, array, used * size);
    fab_large_free(array);
    return larger;
}

void
fab_large_free(gpointer array)
{
    if (array == NULL)
        return;
    if (*header(array) == 0)
        free(header(array));
    else
        munmap(header(array), *header(array));
}
