#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/units.h"

enum { BLOCK_BYTES = 64 << 10, WAIT_MS = 10000 };

static void
refuse(const char *path, const char *wanted, int failure, GError **error)
{
    if (failure == EISDIR)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is a folder, %s is needed", path, wanted);
    else if (failure == EPIPE)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is a pipe that nobody writes to, %s is needed", path,
                    wanted);
    else if (failure == ETIMEDOUT)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: gives nothing for 10 s, %s is needed", path, wanted);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: %s", path,
                    failure == ENOENT || failure == ENOTDIR ? "no such file" : g_strerror(failure));
}

/* A pipe whose writer is slow, a terminal. 0, or an errno. */
static int
wait_for_data(int file)
{
    struct pollfd wanted = { .fd = file, .events = POLLIN };
    int ready = poll(&wanted, 1, WAIT_MS);

    if (ready < 0 && errno != EINTR)
        return errno;
    return ready == 0 ? ETIMEDOUT : 0;
}

/* Reads until the end or until there is more than `limit`; the size of a pipe is not known before. 0, or an errno. */
static int
read_all(int file, size_t limit, GString *text)
{
    g_autofree char *block = g_malloc(BLOCK_BYTES);
    int failure = 0;

    while (failure == 0 && text->len <= limit) {
        ssize_t count = read(file, block, BLOCK_BYTES);
        if (count == 0)
            break;
        if (count > 0)
            g_string_append_len(text, block, count);
        else if (errno == EAGAIN)
            failure = wait_for_data(file);
        else if (errno != EINTR)
            failure = errno;
    }
    return failure;
}

char *
fab_file_read(const char *path, const char *wanted, size_t limit, size_t *length, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    /* A pipe that nobody writes to would keep open() waiting. */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int failure = file < 0 ? errno : 0;
    struct stat info;
    bool large = false;

    if (file >= 0) {
        failure = fstat(file, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
        large = failure == 0 && S_ISREG(info.st_mode) && info.st_size > 0 && (uint64_t)info.st_size > limit;
        if (failure == 0 && !large)
            failure = read_all(file, limit, text);
        if (failure == 0 && S_ISFIFO(info.st_mode) && text->len == 0)
            failure = EPIPE;
        close(file);
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
