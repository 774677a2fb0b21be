#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/units.h"

enum { BLOCK_BYTES = 64 << 10, WAIT_MS = 10000 };

struct FabFile {
    char *path, *wanted;
    int descriptor;
    uint64_t limit, count; /* bytes */
    bool pipe;
    int wait_ms; /* without any data; -1: for ever */
};

static void
refuse(const FabFile *file, int failure, GError **error)
{
    const char *path = file->path, *wanted = file->wanted;

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

void
fab_file_refuse_size(const FabFile *file, uint64_t limit, GError **error)
{
    g_autofree char *most = fab_format_bytes(limit);

    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is larger than %s, must be at most that", file->path, most);
}

/* A pipe whose writer is slow, a terminal. 0, or an errno. */
static int
wait_for_data(const FabFile *file)
{
    struct pollfd wanted = { .fd = file->descriptor, .events = POLLIN };
    int ready = poll(&wanted, 1, file->wait_ms);

    if (ready < 0 && errno != EINTR)
        return errno;
    return ready == 0 ? ETIMEDOUT : 0;
}

/* ------------------------------------------------------------------ what was read */

/* Device and number of every file that was opened for reading: names lie, as links do. */
typedef struct {
    dev_t device;
    ino_t number;
} Identity;

static GMutex read_lock;
static GArray *read_files; /* Identity; a command reads some dozens */

static bool
was_read(const struct stat *info)
{
    for (guint i = 0; read_files != NULL && i < read_files->len; i++) {
        const Identity *one = &g_array_index(read_files, Identity, i);
        if (one->device == info->st_dev && one->number == info->st_ino)
            return true;
    }
    return false;
}

static void
note_read(const struct stat *info)
{
    const Identity one = { info->st_dev, info->st_ino };

    g_mutex_lock(&read_lock);
    if (read_files == NULL)
        read_files = g_array_new(FALSE, FALSE, sizeof(Identity));
    if (!was_read(info))
        g_array_append_val(read_files, one);
    g_mutex_unlock(&read_lock);
}

bool
fab_file_check_unread(const char *path, GError **error)
{
    struct stat info;
    bool read;

    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return true;
    g_mutex_lock(&read_lock);
    read = was_read(&info);
    g_mutex_unlock(&read_lock);
    if (read)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is read for what would be written there: its contents would "
                    "be lost; name another file", path);
    return !read;
}

/* ------------------------------------------------------------------ reading */

FabFile *
fab_file_open(const char *path, const char *wanted, uint64_t limit, bool patient, GError **error)
{
    g_autoptr(FabFile) file = g_new0(FabFile, 1);
    struct stat info;
    int failure;

    file->path = g_strdup(path);
    file->wanted = g_strdup(wanted);
    file->limit = limit;
    /* A pipe that nobody writes to would keep open() waiting. */
    file->descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    failure = file->descriptor < 0 || fstat(file->descriptor, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
    if (failure != 0) {
        refuse(file, failure, error);
        return NULL;
    }
    if (S_ISREG(info.st_mode) && info.st_size > 0 && (uint64_t)info.st_size > limit) {
        fab_file_refuse_size(file, limit, error);
        return NULL;
    }
    if (S_ISREG(info.st_mode))
        note_read(&info);
    file->pipe = S_ISFIFO(info.st_mode);
    file->wait_ms = patient && (file->pipe || S_ISSOCK(info.st_mode) || isatty(file->descriptor)) ? -1 : WAIT_MS;
    return g_steal_pointer(&file);
}

ssize_t
fab_file_next(FabFile *file, void *data, size_t bytes, GError **error)
{
    ssize_t count = -1;
    int failure = 0;

    while (count < 0 && failure == 0) {
        count = read(file->descriptor, data, bytes);
        if (count < 0 && errno == EAGAIN)
            failure = wait_for_data(file);
        else if (count < 0 && errno != EINTR)
            failure = errno;
    }
    if (count == 0 && file->count == 0 && file->pipe)
        failure = EPIPE;
    if (failure != 0) {
        refuse(file, failure, error);
        return -1;
    }
    file->count += (uint64_t)count;
    if (file->count <= file->limit)
        return count;
    fab_file_refuse_size(file, file->limit, error);
    return -1;
}

void
fab_file_close(FabFile *file)
{
    if (file == NULL)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    g_free(file->path);
    g_free(file->wanted);
    g_free(file);
}

static _Thread_local FabFileSeen watcher;
static _Thread_local void *watcher_user;

void
fab_file_watch(FabFileSeen seen, void *user)
{
    watcher = seen;
    watcher_user = user;
}

char *
fab_file_read(const char *path, const char *wanted, size_t limit, size_t *length, GError **error)
{
    g_autoptr(FabFile) file = fab_file_open(path, wanted, limit, false, error);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *block = g_malloc(BLOCK_BYTES);
    ssize_t count;

    if (file == NULL)
        return NULL;
    /* The size of a pipe is not known before its end. */
    while ((count = fab_file_next(file, block, BLOCK_BYTES, error)) > 0)
        g_string_append_len(text, block, count);
    if (count < 0)
        return NULL;
    if (watcher != NULL)
        watcher(path, text->str, text->len, watcher_user);
    if (length != NULL)
        *length = text->len;
    return g_string_free(g_steal_pointer(&text), FALSE);
}
