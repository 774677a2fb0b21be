#include "base/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/units.h"

enum { BLOCK_BYTES = 64 << 10 };

static void
refuse(const char *path, const char *wanted, int failure, GError **error)
{
    if (failure == EISDIR)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is a folder, %s is needed", path, wanted);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: %s", path,
                    failure == ENOENT || failure == ENOTDIR ? "no such file" : g_strerror(failure));
}

/* Reads until the end or until there is more than `limit`; the size of a pipe is not known before. 0, or an errno. */
static int
read_all(FILE *file, size_t limit, GString *text)
{
    g_autofree char *block = g_malloc(BLOCK_BYTES);
    size_t count;

    do {
        count = fread(block, 1, BLOCK_BYTES, file);
        g_string_append_len(text, block, (gssize)count);
    } while (count == BLOCK_BYTES && text->len <= limit);
    return ferror(file) ? errno : 0;
}

char *
fab_file_read(const char *path, const char *wanted, size_t limit, size_t *length, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FILE *file = fopen(path, "rbe");
    int failure = file == NULL ? errno : 0;
    struct stat info;
    bool large = false;

    if (file != NULL) {
        failure = fstat(fileno(file), &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
        large = failure == 0 && S_ISREG(info.st_mode) && info.st_size > 0 && (uint64_t)info.st_size > limit;
        if (failure == 0 && !large)
            failure = read_all(file, limit, text);
        fclose(file);
    }
    if (failure != 0) {
        refuse(path, wanted, failure, error);
        return NULL;
    }
    if (large || text->len > limit) {
        g_autofree char *most = fab_format_bytes(limit);
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is larger than %s, must be at most that", path, most);
        return NULL;
    }
    if (length != NULL)
        *length = text->len;
    return g_string_free(g_steal_pointer(&text), FALSE);
}
