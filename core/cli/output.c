#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

struct FabOutput {
    char *path; /* NULL: standard output */
    FILE *stream;
    char *text; /* what `stream` collected */
    size_t length, written;
    glong widest; /* line that was written to standard output */
    bool closed;
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

/* Characters of the widest line; tables have no letters that are wider than one. */
static glong
widest_line(const char *text, size_t length)
{
    const char *end = text + length;
    glong widest = 0;

    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (line_end == NULL)
            line_end = end;
        widest = MAX(widest, g_utf8_strlen(text, line_end - text));
        text = line_end + 1;
    }
    return widest;
}

/* Of the terminal; 0: there is none. */
static glong
columns_of_terminal(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Tables keep their width, since nobody can read a broken one; a narrow terminal is told how to show it whole. */
static void
remark_width(const FabOutput *output)
{
    glong columns = columns_of_terminal();

    bool table = output->length > 0 && output->text[0] == '#';

    if (output->path == NULL && table && columns > 0 && output->widest > columns)
        fprintf(stderr, "fabricast: the lines are up to %ld columns wide, the terminal has %ld; widen it, add "
                "| less -S, or print --csv or --json\n", output->widest, columns);
}

bool
fab_output_flush(FabOutput *output, GError **error)
{
    const char *text;
    size_t length;
    int failure;

    if (fflush(output->stream) != 0)
        return refuse(output->path, errno, error);
    if (output->path != NULL || output->closed)
        return true;
    text = output->text + output->written;
    length = output->length - output->written;
    output->widest = MAX(output->widest, widest_line(text, length));
    failure = fab_file_write_to(STDOUT_FILENO, text, length);
    output->written = output->length;
    output->closed = failure == EPIPE;
    return failure == 0 || failure == EPIPE || refuse(NULL, failure, error);
}

bool
fab_output_finish(FabOutput *output, GError **error)
{
    if (!fab_output_flush(output, error))
        return false;
    remark_width(output);
    return fab_output_check_inputs(output, error) &&
           (output->path == NULL || fab_file_write(output->path, output->text, output->length, error));
}
