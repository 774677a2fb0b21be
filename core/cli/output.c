#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "report/narrow.h"

struct FabOutput {
    char *path; /* NULL: standard output */
    FILE *stream;
    char *text; /* what `stream` collected */
    size_t length, written;
    bool closed;
    bool for_eyes; /* narrower where it goes to a narrow terminal */
};

/* Standard output is nobody's to change. */
static bool
refuse(const char *path, int failure, GError **error)
{
    if (path != NULL)
        return fab_file_blame(path, failure, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "standard output: cannot be written: %s", g_strerror(failure));
    return false;
}

bool
fab_output_check(const char *option, const char *path, const char *input, GError **error)
{
    struct stat out, in;

    if (path == NULL || input == NULL || stat(path, &out) != 0 || !S_ISREG(out.st_mode) || stat(input, &in) != 0 ||
        out.st_dev != in.st_dev || out.st_ino != in.st_ino)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --%s is %s, which is read: its contents would be "
                "lost; name another file", option, path);
    return false;
}

/* The file's one name, also when it does not exist yet; NULL for devices, pipes and standard output. */
static char *
place(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    char *real = realpath(path, NULL);
    char *found = NULL;
    struct stat info;

    if (real == NULL) {
        real = realpath(folder, NULL);
        found = real != NULL && strcmp(path, "-") != 0 ? g_build_filename(real, base, NULL) : NULL;
    } else if (stat(real, &info) == 0 && S_ISREG(info.st_mode)) {
        found = g_strdup(real);
    }
    free(real);
    return found;
}

bool
fab_output_check_apart(const char *option, const char *path, const char *other, const char *other_path, GError **error)
{
    g_autofree char *one = path != NULL ? place(path) : NULL;
    g_autofree char *two = other_path != NULL ? place(other_path) : NULL;

    if (one == NULL || g_strcmp0(one, two) != 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --%s and --%s are both %s: one would take the place "
                "of the other; name another file", option, other, path);
    return false;
}

FabOutput *
fab_output_new(const char *path, GError **error)
{
    g_autoptr(FabOutput) output = g_new0(FabOutput, 1);

    if (path != NULL && strcmp(path, "-") != 0) {
        if (!fab_file_check_place(path, error))
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

FabOutput *
fab_output_new_for_eyes(const char *path, GError **error)
{
    FabOutput *output = fab_output_new(path, error);

    if (output != NULL)
        output->for_eyes = true;
    return output;
}

bool
fab_output_check_inputs(const FabOutput *output, GError **error)
{
    return output->path == NULL || fab_file_check_unread(output->path, error);
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

/* Of the terminal; 0: there is none, or it does not know. */
static guint
columns_of_terminal(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* 0, or the errno of the write that failed. */
static int
print(const FabOutput *output, const char *text, size_t length)
{
    guint columns = output->for_eyes ? columns_of_terminal() : 0;
    g_autofree char *narrow = columns > 0 ? fab_narrow(text, length, columns) : NULL;

    return narrow != NULL ? fab_file_write_to(STDOUT_FILENO, narrow, strlen(narrow))
                          : fab_file_write_to(STDOUT_FILENO, text, length);
}

bool
fab_output_flush(FabOutput *output, GError **error)
{
    int failure;

    if (fflush(output->stream) != 0)
        return refuse(output->path, errno, error);
    if (output->path != NULL || output->closed)
        return true;
    failure = print(output, output->text + output->written, output->length - output->written);
    output->written = output->length;
    output->closed = failure == EPIPE;
    return failure == 0 || failure == EPIPE || refuse(NULL, failure, error);
}

bool
fab_output_finish(FabOutput *output, GError **error)
{
    return fab_output_flush(output, error) && fab_output_check_inputs(output, error) &&
           (output->path == NULL || fab_file_write(output->path, output->text, output->length, error));
}
