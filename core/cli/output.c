#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

struct FabOutput {
    char *path; /* NULL: standard output */
    FILE *stream;
    char *text; /* what `stream` collected */
    size_t length, written;
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

bool
fab_output_flush(FabOutput *output, GError **error)
{
    int failure;

    if (fflush(output->stream) != 0)
        return refuse(output->path, errno, error);
    if (output->path != NULL || output->closed)
        return true;
    failure = fab_file_write_to(STDOUT_FILENO, output->text + output->written, output->length - output->written);
    output->written = output->length;
    output->closed = failure == EPIPE;
    return failure == 0 || failure == EPIPE || refuse(NULL, failure, error);
}

bool
fab_output_finish(FabOutput *output, GError **error)
{
    if (!fab_output_flush(output, error))
        return false;
    return output->path == NULL || fab_file_write(output->path, output->text, output->length, error);
}
