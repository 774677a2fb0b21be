#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

bool
fab_file_blame(const char *path, int failure, GError **error)
{
    /* A wrong place is the user's to change; a full or broken disk is the machine's. */
    bool machine = failure == ENOSPC || failure == EDQUOT || failure == EIO || failure == EFBIG || failure == ENOMEM;

    g_set_error(error, FAB_ERROR, machine ? FAB_ERROR_SYSTEM : FAB_ERROR_FILE, "%s: cannot be written: %s",
                path[0] != '\0' ? path : "\"\"", g_strerror(failure));
    return false;
}

bool
fab_file_check_place(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (path[0] == '\0')
        return fab_file_blame(path, ENOENT, error);
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return fab_file_blame(path, EISDIR, error);
    if (access(folder, F_OK) == 0 && !g_file_test(folder, G_FILE_TEST_IS_DIR))
        return fab_file_blame(path, ENOTDIR, error);
    if (access(path, F_OK) == 0 && access(path, W_OK) != 0)
        return fab_file_blame(path, errno, error);
    if (access(path, F_OK) != 0 && access(folder, W_OK | X_OK) != 0)
        return fab_file_blame(path, errno, error);
    return true;
}

int
fab_file_write_to(int descriptor, const void *data, size_t length)
{
    const char *at = data;

    while (length > 0) {
        ssize_t count = write(descriptor, at, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno;
        at += count;
        length -= (size_t)count;
    }
    return 0;
}

/* The mode a new file would have, or the one the replaced file has. */
static mode_t
mode_of(const char *path)
{
    struct stat old;
    mode_t mask = umask(0);

    umask(mask);
    return stat(path, &old) == 0 ? old.st_mode & 07777 : 0666 & ~mask;
}

/* Writes and gives the file the mode that it shall have. 0, or an errno. */
static int
fill(int descriptor, const char *path, const void *data, size_t length)
{
    int failure = fab_file_write_to(descriptor, data, length);

    return failure == 0 && fchmod(descriptor, mode_of(path)) != 0 ? errno : failure;
}

/* The start of a name beside `path`; owned by the caller. */
static char *
stem_beside(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);

    /* A name may have 255 bytes in most file systems. */
    if (strlen(name) > 200)
        name[200] = '\0';
    return g_strdup_printf("%s/.%s.", folder, name);
}

/* 0, an errno, or -1 where a file cannot get a name afterwards. */
static int
give_name(int descriptor, const char *path)
{
    g_autofree char *source = g_strdup_printf("/proc/self/fd/%d", descriptor), *stem = stem_beside(path);
    int failure = EEXIST;

    /* A link does not replace what is there: a name of its own first, then that of `path`. */
    for (int i = 0; i < 3 && failure == EEXIST; i++) {
        g_autofree char *name = g_strdup_printf("%s%08x", stem, g_random_int());
        failure = linkat(AT_FDCWD, source, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
        if (failure == 0 && rename(name, path) != 0) {
            failure = errno;
            g_unlink(name);
            return failure;
        }
    }
    return failure == 0 ? 0 : -1;
}

/*
 * A file without a name vanishes with a program that is stopped while it writes. Not all file systems have such files:
 * -1 where it must be done otherwise, else 0 or an errno.
 */
static int
replace_from_nameless(const char *path, const void *data, size_t length)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int descriptor = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    int failure = descriptor < 0 ? -1 : fill(descriptor, path, data, length);

    if (failure == 0)
        failure = give_name(descriptor, path);
    if (descriptor >= 0)
        close(descriptor);
    return failure;
}

/* Writes beside `path` and renames. */
static int
replace_from_beside(const char *path, const void *data, size_t length)
{
    g_autofree char *stem = stem_beside(path), *temporary = g_strconcat(stem, "XXXXXX", NULL);
    int descriptor = g_mkstemp(temporary);
    int failure = descriptor < 0 ? errno : fill(descriptor, path, data, length);

    if (descriptor < 0)
        return failure;
    if (close(descriptor) != 0 && failure == 0)
        failure = errno;
    if (failure == 0 && rename(temporary, path) != 0)
        failure = errno;
    if (failure != 0)
        g_unlink(temporary);
    return failure;
}

/* Devices and pipes: replacing them would destroy them. */
static int
write_in_place(const char *path, const void *data, size_t length)
{
    int descriptor = g_open(path, O_WRONLY | O_CLOEXEC, 0);
    int failure = descriptor < 0 ? errno : fab_file_write_to(descriptor, data, length);

    return descriptor >= 0 && close(descriptor) != 0 && failure == 0 ? errno : failure;
}

bool
fab_file_write(const char *path, const void *data, size_t length, GError **error)
{
    char resolved[PATH_MAX];
    const char *target;
    struct stat old;
    int failure;

    if (!fab_file_check_place(path, error))
        return false;
    target = realpath(path, resolved) != NULL ? resolved : path;
    if (stat(target, &old) == 0 && !S_ISREG(old.st_mode)) {
        failure = write_in_place(target, data, length);
        return failure == 0 || failure == EPIPE || fab_file_blame(path, failure, error);
    }
    failure = replace_from_nameless(target, data, length);
    if (failure == -1)
        failure = replace_from_beside(target, data, length);
    return failure == 0 || fab_file_blame(path, failure, error);
}
