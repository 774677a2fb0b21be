/* Sweeps of sizes as nccl-tests' users write them. */
#include "scenario/scenario.h"

#include "base/error.h"
#include "base/units.h"

enum { MAX_SIZES = 4096 };

/* Above the memory of any GPU, which holds the whole buffer (the largest has 288 GB); 1:512G takes some ten seconds. */
#define MAX_SIZE (UINT64_C(1) << 39)

static bool
parse_size(const char *text, uint64_t *size, GError **error)
{
    if (!fab_parse_bytes(text, size, error))
        return false;
    if (*size == 0) {
        g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, "size 0 moves no data, a size is at least 1 byte");
        return false;
    }
    if (*size > MAX_SIZE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "size \"%.60s\" is too large, a size is at most 512 GiB: a GPU "
                    "holds all of it", text);
        return false;
    }
    return true;
}

static bool
append(GArray *sizes, uint64_t size, GError **error)
{
    if (sizes->len == MAX_SIZES) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "more than %d sizes, a sweep has at most %d", MAX_SIZES,
                    MAX_SIZES);
        return false;
    }
    g_array_append_val(sizes, size);
    return true;
}

/* "4" multiplies by 4, "+1M" adds 1 MiB. */
static bool
parse_step(const char *text, uint64_t *factor, uint64_t *increment, GError **error)
{
    int64_t number;

    if (text[0] == '+') {
        *factor = 1;
        return parse_size(text + 1, increment, error);
    }
    if (!fab_parse_integer(text, &number, error))
        return false;
    if (number < 2 || number > 1024) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "the factor \"%.60s\" of a range must be between 2 and 1024; to add bytes write +1M", text);
        return false;
    }
    *factor = (uint64_t)number;
    *increment = 0;
    return true;
}

/* FIRST, FIRST:LAST or FIRST:LAST:STEP. */
static bool
append_range(GArray *sizes, const char *text, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", -1);
    guint count = g_strv_length(parts);
    uint64_t first, last, factor = 2, increment = 0;

    if (count > 3) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not FIRST:LAST or FIRST:LAST:FACTOR", text);
        return false;
    }
    if (!parse_size(count > 0 ? parts[0] : "", &first, error))
        return false;
    if (count <= 1)
        return append(sizes, first, error);
    if (!parse_size(parts[1], &last, error))
        return false;
    if (count == 3 && !parse_step(g_strstrip(parts[2]), &factor, &increment, error))
        return false;
    if (first > last) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "the range \"%.60s\" runs backwards, write the smaller size first", text);
        return false;
    }
    /* No overflow: sizes are at most 2^39, factors at most 2^10. */
    for (uint64_t size = first; size <= last; size = size * factor + increment) {
        if (!append(sizes, size, error))
            return false;
    }
    return true;
}

uint64_t *
fab_parse_sizes(const char *text, uint32_t *count, GError **error)
{
    g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_auto(GStrv) parts = g_strsplit_set(text, ";,", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        if (!append_range(sizes, g_strstrip(parts[i]), error))
            return NULL;
    }
    if (sizes->len == 0) {
        g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, "is empty, a size such as 64M or a range such as 8:8G");
        return NULL;
    }
    *count = sizes->len;
    return (uint64_t *)g_array_free(g_steal_pointer(&sizes), FALSE);
}
