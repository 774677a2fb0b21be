#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

struct FabOutput {
    char *path; /* NULL: standard output */
    FILE *stream;
    char *text; /* what `stream` collected */
    size_t length, written;
    bool closed;
};

/* A wrong place is the user's to change; a full or broken disk is the machine's. */
static bool
refuse(const char *path, int failure, GError **error)
{
    bool machine = failure == ENOSPC || failure == EDQUOT || failure == EIO || failure == EFBIG || failure == ENOMEM;

    g_set_error(error, FAB_ERROR, path == NULL || machine ? FAB_ERROR_SYSTEM : FAB_ERROR_FILE,
                "%s: cannot be written: %s", path != NULL ? path : "standard output", g_strerror(failure));
    return false;
}

bool
fab_output_check_path(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (path[0] == '\0')
        return refuse("\"\"", ENOENT, error);
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return refuse(path, EISDIR, error);
    if (access(folder, F_OK) == 0 && !g_file_test(folder, G_FILE_TEST_IS_DIR))
        return refuse(path, ENOTDIR, error);
    if (access(path, F_OK) == 0 && access(path, W_OK) != 0)
        return refuse(path, errno, error);
    if (access(path, F_OK) != 0 && access(folder, W_OK | X_OK) != 0)
        return refuse(path, errno, error);
    return true;
}

FabOutput *
fab_output_new(const char *path, GError **error)
{
    g_autoptr(FabOutput) output = g_new0(FabOutput, 1);

    if (path != NULL && strcmp(path, "-") != 0) {
        if (!fab_output_check_path(path, error))
            return NULL;
        output->path = g_strdup(path);
    }
    output->stream = open_memstream(&output->text, &output->length);
    if (output->stream == NULL) {
        refuse(output->path, errno, error);
        return NULL;
    }
    return g_steal_pointer(&output);
}

void
fab_output_free(FabOutput *output)
{
    if (output == NULL)
        return;
    if (output->stream != NULL)
        fclose(output->stream);
    free(output->text);
    g_free(output->path);
    g_free(output);
}

FILE *
fab_output_stream(FabOutput *output)
{
    return output->stream;
}

bool
fab_output_closed(const FabOutput *output)
{
    return output->closed;
}

/* 0, or the errno of the write that failed. */
static int
write_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t count = write(file, text, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno;
        text += count;
        length -= (size_t)count;
    }
    return 0;
}

bool
fab_output_flush(FabOutput *output, GError **error)
{
    int failure;

    if (fflush(output->stream) != 0)
        return refuse(output->path, errno, error);
    if (output->path != NULL || output->closed)
        return true;
    failure = write_all(STDOUT_FILENO, output->text + output->written, output->length - output->written);
    output->written = output->length;
    output->closed = failure == EPIPE;
    return failure == 0 || failure == EPIPE || refuse(NULL, failure, error);
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

/* Writes beside `path` and renames, so that readers see the old file or the whole new one. */
static int
replace_file(const FabOutput *output, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *temporary = g_strdup_printf("%s/.%s.XXXXXX", folder, name);
    int file = g_mkstemp(temporary);
    int failure = file < 0 ? errno : write_all(file, output->text, output->length);

    if (file < 0)
        return failure;
    if (failure == 0 && fchmod(file, mode_of(path)) != 0)
        failure = errno;
    if (close(file) != 0 && failure == 0)
        failure = errno;
    if (failure == 0 && rename(temporary, path) != 0)
        failure = errno;
    if (failure != 0)
        g_unlink(temporary);
    return failure;
}

/* Devices and pipes are written in place: replacing them would destroy them. */
static int
write_in_place(const FabOutput *output, const char *path)
{
    int file = g_open(path, O_WRONLY | O_CLOEXEC, 0);
    int failure = file < 0 ? errno : write_all(file, output->text, output->length);

    if (file >= 0 && close(file) != 0 && failure == 0)
        failure = errno;
    return failure;
}

bool
fab_output_finish(FabOutput *output, GError **error)
{
    g_autofree char *target = NULL;
    char resolved[PATH_MAX];
    struct stat old;
    int failure;

    if (!fab_output_flush(output, error))
        return false;
    if (output->path == NULL)
        return true;
    /* A symbolic link stays: what it points to is replaced. */
    target = g_strdup(realpath(output->path, resolved) != NULL ? resolved : output->path);
    failure = stat(target, &old) == 0 && !S_ISREG(old.st_mode) ? write_in_place(output, target)
                                                                : replace_file(output, target);
    return failure == 0 || failure == EPIPE || refuse(output->path, failure, error);
}
